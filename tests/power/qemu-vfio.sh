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

# So little locked memory that neither the guest nor a table would have room: tced raises the limit when QEMU claims the VM, to what the plan counts.
cat >/tmp/little <<-'SH'
	#!/bin/sh
	exec prlimit --memlock=65536 /usr/bin/tced-qemu-system-ppc64 "$@"
SH
chmod 755 /tmp/little
EMULATOR=/tmp/little domain little kvm "$(hostdev "$POWER_HOST_VFIO_ALONE")" "$max" >/tmp/little.xml
virsh create --paused /tmp/little.xml >/tmp/out 2>&1
ok $? "little: starts with 64 KiB of locked memory" || { cat /tmp/out; tail -n 3 /var/log/libvirt/qemu/little.log; }
pid=$(pid_of little)
object=$(manager GetMachine s little | sed 's/o "\(.*\)"/\1/')
raised=$(property "$object" org.tced1.Machine MemlockRaised)
is "$raised" "$(property "$object" org.tced1.Machine MemlockCharged)" "little: its limit was raised to what is charged"
is "t $(awk '/Max locked memory/ { print $4 }' "/proc/$pid/limits")" "$raised" "little: the process has it"
is "$(real_maps "$pid")" "2048 2048" "little: its tables are in the kernel"
gone little

! dmesg | grep -E 'WARNING: CPU|Oops|BUG:|Call Trace'
ok $? "the kernel warned of nothing"
systemctl stop libvirtd tced
finish
