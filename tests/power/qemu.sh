#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# A stock QEMU on tced's tables: the packaged one, with the adapter, by libvirt. Its tables are where the rules say, and the guest's
# Linux moves data through them.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
# shellcheck source=tests/power/domain-lib.sh
source "$POWER_HOST_TESTS/domain-lib.sh"

# shellcheck source=tests/power/qemu-lib.sh
source "$POWER_HOST_TESTS/qemu-lib.sh"

since=$(date +%s)
start_tced
ok $? "systemctl start tced"
systemctl start libvirtd
ok $? "systemctl start libvirtd"


# A disk on the first PHB, one on another, which reach memory through their tables (iommu), and a spapr-vlan.
images=/var/lib/libvirt/images
disk() {
        echo "<disk type='file' device='disk' model='virtio-non-transitional'><driver name='qemu' type='raw' iommu='on'/>" \
                "<source file='$images/$1.img'/><target dev='$1' bus='virtio'/><address type='pci' domain='0' bus='$2' slot='2'/></disk>"
}
devices="<controller type='pci' index='1' model='pci-root'/><interface type='user'><model type='spapr-vlan'/></interface>$(disk vda 0)$(disk vdb 1)"
mkdir -p $images

# guest NAME KERNEL-MAPS MEMFDS: starts it, waits for its Linux, and looks where its tables are, in KiB.
guest() {
        local name=$1 pid
        BOOT="<kernel>$GUEST/vmlinux</kernel><initrd>$GUEST/initrd</initrd><cmdline>console=hvc0 modules=virtio_pci,virtio_blk copy=vda:vdb stay</cmdline>" \
                domain "$name" kvm "$devices" "$max" >"/tmp/$name.xml"
        rm -f $console
        head -c 8M /dev/urandom >$images/vda.img
        truncate -s 0 $images/vdb.img && truncate -s 8M $images/vdb.img
        virsh create "/tmp/$name.xml" >/tmp/out 2>&1
        ok $? "$name: virsh create" || { cat /tmp/out; tail -n 5 "/var/log/libvirt/qemu/$name.log"; return; }
        pid=$(pid_of "$name")
        wait_for 90 up
        ok $? "$name: Linux is up" || tail -n 20 $console
        cmp -s $images/vda.img $images/vdb.img
        ok $? "$name: 8 MiB went from disk to disk through its tables, whole" || grep -a guest: $console
        is "$(readlink "/proc/$pid/exe")" "$(readlink -f /usr/bin/qemu-system-ppc64)" "$name: it is the packaged QEMU"
        grep -q libtced-qemu "/proc/$pid/maps"
        ok $? "$name: with the adapter"
        is "$(real_maps "$pid")" "$2" "$name: tables in the kernel"
        is "$(memfds "$pid")" "$3" "$name: tables in QEMU" || grep -E 'memfd|tce' "/proc/$pid/maps" | sed 's/^/# /'
        is "$(find "/proc/$pid/fd" -lname '*memfd:tced:*' | wc -l)" "$(wc -w <<<"$3")" "$name: no fd of a table but those that QEMU uses"
        # Emulated, tced may well take more than 50 ms to answer; the plan then says where the table goes.
        is "$(grep '^tced:' "/var/log/libvirt/qemu/$name.log" | grep -v 'no answer about a window: Connection timed out')" "" "$name: the adapter has nothing to complain of"
        like "$(tcectl machines "$name")" '*claimed*' "$name: tced knows who runs it"
        like "$(tcectl audit --json=short "$name")" '*"verdict":"as-planned"*' "$name: the audit finds it as planned"
}


# Default windows of two PHBs, 2 MiB each, a spapr-vlan's 512 KiB; two 64-bit windows of a page each, and what is placed where.
if [[ $POWER_HOST_KERNEL == 6.1 ]]; then
        # With an older QEMU: the mix alone.
        rule 'Liobn=0x800001*'
        guest mixed "$page 512 2048" "$page 2048"
        gone mixed
        no_rule
        systemctl stop libvirtd tced
        finish
fi
no_rule
guest allkernel "$page $page 512 2048 2048" ""
gone allkernel
rule 'Machine=all*'
guest alluser "" "$page $page 512 2048 2048"
pid=$(pid_of alluser)
# The guest restarts: each table is made anew.
: >$console
virsh reset alluser >/dev/null
wait_for 90 up
ok $? "alluser: up again after a reset" || tail -n 20 $console
is "$(memfds "$pid")" "$page $page 512 2048 2048" "alluser: with its tables in QEMU"
# tced is away while the guest restarts: by the plan, and one line says so.
systemctl kill -s KILL tced
systemctl stop tced
: >$console
virsh reset alluser >/dev/null
wait_for 90 up
ok $? "alluser: up after a reset without tced" || tail -n 20 $console
is "$(memfds "$pid")" "$page $page 512 2048 2048" "alluser: its tables are in QEMU as planned"
# It is said once until tced answers again; a late answer before was said likewise.
grep -q '^tced:.*as planned' /var/log/libvirt/qemu/alluser.log
ok $? "alluser: a line says so" || tail -n 5 /var/log/libvirt/qemu/alluser.log
gone alluser
start_tced
ok $? "tced is there again"
rule 'Liobn=0x800001*'
guest mixed "$page 512 2048" "$page 2048"
gone mixed
no_rule

# What libvirt asks of an emulator first is nobody's machine.
is "$(journalctl -q -u tced -o cat --since "@$since" | grep 'Registered' | grep -vE 'Registered (allkernel|alluser|mixed) ')" "" "libvirt's -M none is not registered"
! dmesg | grep -E 'WARNING: CPU|Oops|BUG:|Call Trace'
ok $? "the kernel warned of nothing"
systemctl stop libvirtd tced
finish
