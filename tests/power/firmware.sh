#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# The firmware of a stock QEMU's guest boots from the network, through tables in the kernel and in QEMU: DHCP, then TFTP of a file, by each device
# that has a table.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
rules=/etc/tced/rules.d
console=/tmp/firmware-console

start_tced
ok $? "systemctl start tced"
mkdir -p /tmp/tftp $rules
head -c 200K /dev/urandom >/tmp/tftp/boot
cap=()
[[ $POWER_HOST_KIND != powernv9 ]] || cap=(-machine "cap-ail-mode-3=off,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off")

loaded() { grep -aq 'TFTP: Received boot (200 KBytes)' $console; }
tables() { # PID NAME-OF-MAPPING
        local range rest
        while read -r range rest; do
                [[ $rest == *"$2"* ]] && echo "$(((0x${range#*-} - 0x${range%-*}) / 1024))"
        done <"/proc/$1/maps" | sort -n | xargs
}

# netboot PLACEMENT DEVICE KERNEL-KIB QEMU-KIB [WORDS...]
netboot() {
        local pid
        rm -f $rules/*
        [[ $1 == kernel ]] || printf '%s\n' '[Match]' 'Machine=boot*' '[Policy]' 'Accel=user' >$rules/50-test.rule
        manager Reload >/dev/null
        rm -f $console
        tcectl run --name "boot-$1" -- qemu-system-ppc64 -machine pseries -accel kvm "${cap[@]}" -m 512 -nodefaults -display none \
                -serial file:$console -netdev user,id=n,tftp=/tmp/tftp,bootfile=boot "${@:5}" -device "$2,netdev=n" -boot n >/tmp/out 2>&1 &
        pid=$!
        wait_for 45 loaded
        ok $? "$2, $1: the firmware had an address and the file" || { cat /tmp/out; tail -c 600 $console; }
        is "$(tables $pid kvm-spapr-tce)" "$3" "$2, $1: tables in the kernel"
        is "$(tables $pid memfd:tced:)" "$4" "$2, $1: tables in QEMU"
        kill $pid
        wait $pid 2>/dev/null
}
for placement in kernel user; do
        for device in spapr-vlan e1000,romfile= e1000,romfile=,bus=own.0; do
                all=2048 phb=()
                [[ $device != spapr-vlan ]] || all="512 2048"
                [[ $device != *own* ]] || all="2048 2048" phb=(-device "spapr-pci-host-bridge,index=1,id=own")
                [[ $placement == kernel ]] && netboot $placement $device "$all" "" "${phb[@]}" || netboot $placement $device "" "$all" "${phb[@]}"
        done
done
rm -f $rules/*
! dmesg | grep -E 'WARNING: CPU|Oops|BUG:|Call Trace'
ok $? "the kernel warned of nothing"
systemctl stop tced
finish
