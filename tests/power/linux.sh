#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# Linux in a stock QEMU's KVM guests, started by libvirt: once it has asked for its 64-bit windows, the tables in the kernel and the locked
# memory are those that were planned.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
# shellcheck source=tests/power/domain-lib.sh
source "$POWER_HOST_TESTS/domain-lib.sh"

GUEST=/usr/lib/power-host/guest
console=/var/log/libvirt/guest-console
SERIAL="<serial type='file'><source path='$console'/></serial>"
max="<maxMemory slots='4' unit='GiB'>4</maxMemory>"
rng="<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
MIB=512

start_tced
ok $? "systemctl start tced"
systemctl start libvirtd
ok $? "systemctl start libvirtd"

up() { grep -q '^guest: up' $console; }

# linux NAME MODULES DEVICES [REST]: define and start it, as an administrator does, and wait for its drivers. Then it is what was planned.
linux() {
        local name=$1 plan pid
        BOOT="<kernel>$GUEST/vmlinux</kernel><initrd>$GUEST/initrd</initrd><cmdline>console=hvc0 modules=$2 stay</cmdline>" \
                domain "$name" kvm "$3" "${4:-}" >"/tmp/$name.xml"
        rm -f $console
        virsh define "/tmp/$name.xml" >/tmp/out 2>&1 && virsh start "$name" >>/tmp/out 2>&1
        ok $? "$name: virsh start" || { cat /tmp/out; return; }
        plan=$(tcectl plan --json=short "$name")
        pid=$(pid_of "$name")
        wait_for 90 up
        ok $? "$name: Linux is up" || tail -n 20 $console
        sleep "${SETTLE:-1}"
        is "$(real_maps "$pid")" "$(planned_maps all <<<"$plan")" "$name: the tables in the kernel are those of the plan ($(planned_maps all <<<"$plan") KiB)" ||
                sed 's/^/# /' $console
        is "$(locked_kb "$pid")" "$(($(member memlock_charged <<<"$plan") / 1024))" \
                "$name: VmLck is memlock_charged, to the kB ($(locked_kb "$pid") kB)" || printf '# %s\n' "$plan"
        virsh destroy "$name" >/dev/null && virsh undefine "$name" --nvram >/dev/null
        ok $? "$name: ends"
}

# Pages of 16 MiB on the first PHB, of 4 KiB on the second.
linux pages virtio_pci "$rng<controller type='pci' index='1' model='pci-root'/><interface type='user'><model type='spapr-vlan'/></interface>
        <rng model='virtio'><backend model='random'>/dev/urandom</backend><address type='pci' bus='1' slot='1'/></rng>" \
        "$max<qemu:override><qemu:device alias='pci.1'><qemu:frontend><qemu:property name='pgsz' type='unsigned' value='4096'/></qemu:frontend></qemu:device></qemu:override>"
if [[ $POWER_HOST_KERNEL != 6.1 ]]; then
        linux vfio e1000e,virtio_pci "$(hostdev "$POWER_HOST_VFIO_ALONE")$rng" "$max"
else
        # Nor can it give a device away.
        domain bad kvm "$(hostdev "$POWER_HOST_VFIO_ALONE")" >/tmp/bad.xml
        bad vfio-broken
        # This kernel can't link a table to who maps by itself: where vhost does, QEMU takes the table back.
        modprobe vhost_net
        linux vhost virtio_pci,virtio_net "<interface type='ethernet'><model type='virtio-non-transitional'/><driver name='vhost' iommu='on'/><rom enabled='no'/></interface>" "$max"
fi
systemctl stop libvirtd tced
finish
