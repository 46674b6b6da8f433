#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# A stock QEMU on tced's tables: the packaged one, with the adapter, by hand and by libvirt. Its tables are where the rules say, and the guest's
# Linux moves data through them.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
# shellcheck source=tests/power/domain-lib.sh
source "$POWER_HOST_TESTS/domain-lib.sh"

GUEST=/usr/lib/power-host/guest
EMULATOR=/usr/bin/tced-qemu-system-ppc64
console=/var/log/libvirt/guest-console
SERIAL="<serial type='file'><source path='$console'/></serial>"
max="<maxMemory slots='4' unit='GiB'>4</maxMemory>"
rules=/etc/tced/rules.d
MIB=512

start_tced
ok $? "systemctl start tced"
systemctl start libvirtd
ok $? "systemctl start libvirtd"

# memfds PID: the sizes in KiB of the tables that it has in itself.
memfds() {
        local range rest
        while read -r range rest; do
                [[ $rest == */memfd:tced:* ]] && echo "$(((0x${range#*-} - 0x${range%-*}) / 1024))"
        done <"/proc/$1/maps" | sort -n | xargs
}

# rule DEVICE-GLOB: those are in the VMM, all else is in the kernel.
rule() {
        mkdir -p $rules
        printf '%s\n' '[Match]' "$1" '[Policy]' 'Accel=user' >$rules/50-test.rule
        manager Reload >/dev/null
}
no_rule() {
        rm -f $rules/50-test.rule
        manager Reload >/dev/null
}

up() { grep -q '^guest: up' $console; }

# A PHB of QEMU's own, one more, and a spapr-vlan; what reaches memory through a table is what the virtio devices with iommu do.
devices="<controller type='pci' index='1' model='pci-root'/><interface type='user'><model type='spapr-vlan'/></interface>
        <rng model='virtio'><backend model='random'>/dev/urandom</backend><driver iommu='on'/></rng>
        <rng model='virtio'><backend model='random'>/dev/urandom</backend><driver iommu='on'/><address type='pci' bus='1' slot='1'/></rng>"

# guest NAME KERNEL-MAPS MEMFDS: starts it, waits for its Linux, and looks where its tables are, in KiB.
guest() {
        local name=$1 pid
        BOOT="<kernel>$GUEST/vmlinux</kernel><initrd>$GUEST/initrd</initrd><cmdline>console=hvc0 modules=virtio_pci,virtio_rng stay</cmdline>" \
                domain "$name" kvm "$devices" "$max" >"/tmp/$name.xml"
        rm -f $console
        virsh create "/tmp/$name.xml" >/tmp/out 2>&1
        ok $? "$name: virsh create" || { cat /tmp/out; tail -n 5 "/var/log/libvirt/qemu/$name.log"; return; }
        pid=$(pid_of "$name")
        wait_for 90 up
        ok $? "$name: Linux is up" || tail -n 20 $console
        is "$(readlink "/proc/$pid/exe")" "$(readlink -f /usr/bin/qemu-system-ppc64)" "$name: it is the packaged QEMU"
        grep -q libtced-qemu "/proc/$pid/maps"
        ok $? "$name: with the adapter"
        is "$(real_maps "$pid")" "$2" "$name: tables in the kernel"
        is "$(memfds "$pid")" "$3" "$name: tables in QEMU" || grep -E 'memfd|tce' "/proc/$pid/maps" | sed 's/^/# /'
        is "$(find "/proc/$pid/fd" -lname '*memfd:tced:*' | wc -l)" "$(wc -w <<<"$3")" "$name: no fd of a table but those that QEMU uses"
        is "$(grep -c '^tced:' "/var/log/libvirt/qemu/$name.log")" 0 "$name: the adapter has nothing to complain of" ||
                grep '^tced:' "/var/log/libvirt/qemu/$name.log"
        like "$(tcectl machines "$name")" '*claimed*' "$name: tced knows who runs it"
}
gone() {
        virsh destroy "$1" >/dev/null
        ok $? "$1: ends"
}

# Default windows of two PHBs, 2 MiB each, a spapr-vlan's 512 KiB; two 64-bit windows of a page each, and what is placed where.
page=$(($(getconf PAGESIZE) / 1024))
no_rule
guest allkernel "$page $page 512 2048 2048" ""
gone allkernel
rule 'Machine=all*'
guest alluser "" "$page $page 512 2048 2048"
pid=$(pid_of alluser)
# The guest restarts: each table is made anew.
before=$(ls -Li "/proc/$pid/fd" 2>/dev/null | awk '{ print $1 }' | sort | xargs)
rm -f $console
virsh reset alluser >/dev/null
wait_for 90 up
ok $? "alluser: up again after a reset" || tail -n 20 $console
is "$(memfds "$pid")" "$page $page 512 2048 2048" "alluser: with its tables in QEMU"
# tced is away while the guest restarts: by the plan, and one line says so.
systemctl kill -s KILL tced
systemctl stop tced
rm -f $console
virsh reset alluser >/dev/null
wait_for 90 up
ok $? "alluser: up after a reset without tced" || tail -n 20 $console
is "$(memfds "$pid")" "$page $page 512 2048 2048" "alluser: its tables are in QEMU as planned"
is "$(grep -c '^tced:.*as planned' /var/log/libvirt/qemu/alluser.log)" 1 "alluser: one line says so" || tail -n 5 /var/log/libvirt/qemu/alluser.log
gone alluser
start_tced
ok $? "tced is there again"
rule 'Liobn=0x800001*'
guest mixed "$page 512 2048" "$page 2048"
gone mixed
no_rule

# By hand, as root; no window is known before, each is asked for.
rule 'Kind=vio'
cap=()
[[ $POWER_HOST_KIND != powernv9 ]] || cap=(-machine cap-ail-mode-3=off,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off)
tcectl run --name byhand -- qemu-system-ppc64 -machine pseries -accel kvm "${cap[@]}" -m 256 -nodefaults -display none -S \
        -device spapr-vlan,netdev=n -netdev user,id=n -serial null >/tmp/out 2>&1 &
hand=$!
has_tables() { [[ -n $(real_maps $hand) && -n $(memfds $hand) ]]; }
wait_for 20 has_tables
ok $? "tcectl run: QEMU runs" || cat /tmp/out
is "$(real_maps $hand) $(memfds $hand)" "2048 512" "tcectl run: its PHB in the kernel, its spapr-vlan in QEMU"
like "$(tcectl machines)" '*byhand*' "tcectl run: tced knows it"
kill $hand
wait $hand
no_hand() { [[ $(tcectl machines) != *byhand* ]]; }
wait_for 5 no_hand
ok $? "tcectl run: gone with its process"
no_rule
! tcectl run -- /nonexistent/qemu 2>/tmp/out
ok $? "tcectl run: no such program"
like "$(cat /tmp/out)" '*/nonexistent/qemu*' "by name"
like "$(tcectl machines)" 'No*' "tcectl run: and nothing is left of it"

# What libvirt asks of an emulator first is nobody's machine.
is "$(journalctl -q -u tced -o cat | grep -c 'Registered')" "$(journalctl -q -u tced -o cat | grep -cE 'Registered (allkernel|alluser|mixed|byhand|nonexistent|qemu-[0-9])')" \
        "libvirt's -M none is not registered"
! dmesg | grep -E 'WARNING: CPU|Oops|BUG:|Call Trace'
ok $? "the kernel warned of nothing"
systemctl stop libvirtd tced
finish
