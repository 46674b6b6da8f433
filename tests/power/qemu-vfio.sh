#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# A stock QEMU with the adapter and a passthrough device, whose tables are linked in the kernel, or in QEMU; and by hand.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
# shellcheck source=tests/power/domain-lib.sh
source "$POWER_HOST_TESTS/domain-lib.sh"
# shellcheck source=tests/power/qemu-lib.sh
source "$POWER_HOST_TESTS/qemu-lib.sh"

start_tced
ok $? "systemctl start tced"
systemctl start libvirtd
ok $? "systemctl start libvirtd"

# A passthrough device: linked, and then with its tables in QEMU. It asks for an address, at the host's own network.
vfio() {
        local name=$1 pid
        BOOT="<kernel>$GUEST/vmlinux</kernel><initrd>$GUEST/initrd</initrd><cmdline>console=hvc0 modules=e1000e,virtio_pci dhcp=0 stay</cmdline>" \
                domain "$name" kvm "$(hostdev "$POWER_HOST_VFIO_ALONE")" "$max" >"/tmp/$name.xml"
        rm -f $console
        virsh create "/tmp/$name.xml" >/tmp/out 2>&1
        ok $? "$name: virsh create" || { cat /tmp/out; tail -n 5 "/var/log/libvirt/qemu/$name.log"; return; }
        pid=$(pid_of "$name")
        wait_for 90 up
        ok $? "$name: Linux is up" || tail -n 20 $console
        grep -aq 'lease of .* obtained' $console
        ok $? "$name: its device got an address" || tail -n 20 $console
        is "$(real_maps "$pid")" "$2" "$name: tables in the kernel" || grep -E 'memfd|tce' "/proc/$pid/maps" | sed 's/^/# /'
        is "$(memfds "$pid")" "$3" "$name: tables in QEMU"
        like "$(tcectl audit --json=short "$name")" '*"verdict":"as-planned"*' "$name: the audit finds it as planned" ||
                tcectl audit "$name" | sed 's/^/# /'
        gone "$name"
}
vfio linked "$page 2048 2048" ""
rule 'Kind=vfio'
vfio unlinked 2048 "$page 2048"
no_rule

# By hand, as root; no window is known before, each is asked for.
rule 'Kind=vio'
cap=()
[[ $POWER_HOST_KIND != powernv9 ]] || cap=(-machine "cap-ail-mode-3=off,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off")
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

! dmesg | grep -E 'WARNING: CPU|Oops|BUG:|Call Trace'
ok $? "the kernel warned of nothing"
systemctl stop libvirtd tced
finish
