#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# What a hypercall costs by where its table is: in the kernel, in a VMM by libtced, in a stock QEMU by itself, as it is where tced isn't and the
# kernel has refused the table. Exits to the VMM are counted, and are what counts; the times are of an emulated processor.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
puts=10000
rules=/etc/tced/rules.d
# timebase: ticks in a second.
timebase=$(awk '/^timebase/ { print $3 }' /proc/cpuinfo)

# vmm NAME: test-vmm's guest does so many on a PHB's default window. $exits: of one, but for the last word; $ns: nanoseconds of one.
vmm() {
        local output
        output=$("$POWER_HOST_TESTS/test-vmm" --name "$1" --window pci:0x80000000:0:1G:12 --puts $puts 2>&1)
        ok $? "$1: a guest does $puts H_PUT_TCE" || sed 's/^/# /' <<<"$output"
        value() { sed -n "s/^80000000.$1=//p" <<<"$output"; }
        is "$(value placement) $(value H_PUT_TCE.done) $(value H_PUT_TCE.code)" "$2 $puts 0" "$1: its table is there, and all are good"
        exits=$(awk -v n="$(value H_PUT_TCE.exits)" "BEGIN { print (n - 1) / $puts }")
        ns=$(awk -v n="$(value H_PUT_TCE.ns)" "BEGIN { printf \"%.0f\", n / $puts }")
}

# stock COUNT [PREFIX...]: the packaged QEMU, without the adapter, with a firmware that does nothing else.
stock() {
        "$POWER_HOST_TESTS/put-image" "$1" >/tmp/put.image
        timeout 100 "${@:2}" /usr/bin/qemu-system-ppc64 -machine pseries -accel kvm -m 512 -nodefaults -display none -bios /tmp/put.image \
                -chardev file,id=tty,path=/tmp/put.tty -device spapr-vty,chardev=tty,reg=0x30000000 >/tmp/put.log 2>&1 </dev/null
}
# said N: the N-th number that its guest has said, from 0 on.
said() { echo $((0x$(od -An -v -tx1 -j $(($1 * 8)) -N8 /tmp/put.tty | tr -d ' \n'))); }
# runs: how often KVM_RUN came back to QEMU for something else than a signal, by what strace has seen.
runs() { cat /tmp/put.strace.* | grep -c 'KVM_RUN.*= 0$'; }
strace=(strace -ff -qq -e trace=ioctl -o /tmp/put.strace)

# qemu NAME WARNED [PREFIX...]: $exits and $ns as above. Exits are counted with few, as strace takes its time, and those of a guest that does none
# are taken off.
qemu() {
        local name=$1 warned=$2 few=500 none
        shift 2
        stock $puts "$@"
        ok $? "$name: QEMU runs to the guest's end" || sed 's/^/# /' /tmp/put.log
        is "$(said 1)" $puts "$name: its guest has done $puts H_PUT_TCE"
        ns=$(awk -v n="$(said 0)" "BEGIN { printf \"%.0f\", n * 1e9 / $timebase / $puts }")
        is "$(grep -c 'Failed to create TCE64 table' /tmp/put.log)" "$warned" "$name: what QEMU says of its table" || sed 's/^/# /' /tmp/put.log
        rm -f /tmp/put.strace.*
        stock 0 "$@" "${strace[@]}"
        none=$(runs)
        rm -f /tmp/put.strace.*
        stock $few "$@" "${strace[@]}"
        is "$(said 1)" $few "$name: its guest has done $few, watched"
        exits=$(awk -v n="$(runs)" "BEGIN { print (n - $none) / $few }")
        echo "# $name: $none exits without a hypercall, $(runs) with $few"
}

start_tced
ok $? "systemctl start tced"
vmm kernel kernel
kernel_exits=$exits kernel_ns=$ns
is "$kernel_exits" 0 "a table in the kernel: no exit"
mkdir -p $rules
printf '%s\n' '[Match]' 'Machine=user' '[Policy]' 'Accel=user' >$rules/50-test.rule
manager Reload >/dev/null
vmm user user
user_exits=$exits user_ns=$ns
is "$user_exits" 1 "a table in the VMM: one exit for each"
rm -f $rules/50-test.rule
systemctl stop tced tced-bind.socket tced-bind

qemu stock 0
is "$exits" 0 "a stock QEMU's table in the kernel: no exit"
echo "# a stock QEMU, in the kernel: $ns ns"
# It may lock no memory, as in a container.
qemu refused 1 prlimit --memlock=65536:65536 setpriv --bounding-set=-ipc_lock
is "$exits" 1 "a table that the kernel refused it: one exit for each"

# A figure of what went wrong is none.
if ((failures == 0)); then
        row power-exits-kernel "exits per H_PUT_TCE, table in the kernel" "a stock QEMU's userspace path" count "$kernel_exits" "$exits" at-most 0
        row power-exits-user "exits per H_PUT_TCE, \`user\` by libtced" "a stock QEMU's userspace path" count "$user_exits" "$exits" at-most 1
        row power-time-kernel "H_PUT_TCE, table in the kernel (emulated)" "a stock QEMU's userspace path" ns "$kernel_ns" "$ns" none
        row power-time-user "H_PUT_TCE, \`user\` by libtced (emulated)" "a stock QEMU's userspace path" ns "$user_ns" "$ns" none
fi
rm -f /tmp/put.*
finish
