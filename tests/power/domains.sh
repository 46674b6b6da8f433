#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# libvirt, a stock QEMU and the hook on a real host: good domains start, and have the tables, the limit and the locked memory that was planned;
# of each bad one `virsh start` fails with the finding's text.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
# shellcheck source=tests/power/domain-lib.sh
source "$POWER_HOST_TESTS/domain-lib.sh"

start_tced
ok $? "systemctl start tced"
systemctl start libvirtd
ok $? "systemctl start libvirtd"

# good NAME PLACEMENT: the domain in /tmp/NAME.xml starts, and is what was planned.
good() {
        local name=$1 plan pid
        plan=$(tcectl plan --json=short "/tmp/$name.xml")
        virsh create --paused "/tmp/$name.xml" >/tmp/out 2>&1
        ok $? "$name: starts" || cat /tmp/out
        pid=$(pid_of "$name") || return
        is "$(real_maps "$pid")" "$(planned_maps <<<"$plan")" "$name: the tables in the kernel are those of the plan ($(planned_maps <<<"$plan") KiB)"
        is "$(locked_kb "$pid")" "$(($(member memlock_charged_at_start <<<"$plan") / 1024))" "$name: VmLck is what was planned, to the kB"
        is "$(limit_of "$pid")" "$(member memlock_limit <<<"$plan" | sed "s/^0$/$(limit_of "$(cat /run/libvirt/qemu/driver.pid)")/")" "$name: libvirt's limit is what was planned"
        like "$(tcectl machines --json=short "$name")" '*"source":"libvirt"*' "$name: tced has it from the hook"
}

no_ddw=$(qemu_args -global spapr-pci-host-bridge.ddw=off)
domain plain kvm "<interface type='user'><model type='spapr-vlan'/></interface>" "$no_ddw" >/tmp/plain.xml
good plain
is "$(tcectl plan --json=short /tmp/plain.xml | member memlock_charged)" "$(tcectl plan --json=short /tmp/plain.xml | member memlock_charged_at_start)" \
        "plain: without 64-bit windows that is all"
domain wide kvm "<interface type='user'><model type='spapr-vlan'/></interface>" "<maxMemory slots='4' unit='GiB'>4</maxMemory>" >/tmp/wide.xml
good wide
domain scsi kvm "<controller type='scsi' model='ibmvscsi'/><controller type='pci' index='1' model='pci-root'/>
        <interface type='user'><model type='virtio'/><rom enabled='no'/></interface>" "$no_ddw" >/tmp/scsi.xml
good scsi
domain tcg qemu "<interface type='user'><model type='spapr-vlan'/></interface>" "$no_ddw" >/tmp/tcg.xml
good tcg
# A rule does not move the tables of a QEMU that asks nobody: that is said, and the figures are what they will be.
mkdir -p /etc/tced/rules.d
printf '[Match]\nMachine=ruled\n[Policy]\nAccel=user\n' >/etc/tced/rules.d/10-ruled.rule
systemctl reload tced
domain ruled kvm "<interface type='user'><model type='spapr-vlan'/></interface>" "$no_ddw" >/tmp/ruled.xml
virsh create --paused /tmp/ruled.xml >/tmp/out 2>&1
ok $? "ruled: starts" || cat /tmp/out
plan=$(tcectl plan --json=short /tmp/ruled.xml)
is "$(grep -o '"placement":"[a-z-]*"' <<<"$plan" | sort -u)" '"placement":"user"' "ruled: the plan is by the rule"
like "$plan" '*"policy-unmet"*10-ruled.rule*' "ruled: and says that QEMU will not do as it says"
is "$(real_maps "$(pid_of ruled)")" "512 2048" "ruled: its tables are in the kernel"
is "$(locked_kb "$(pid_of ruled)")" "$(($(member memlock_charged <<<"$plan") / 1024))" "ruled: VmLck is memlock_charged, to the kB"
virsh destroy ruled >/dev/null
rm /etc/tced/rules.d/10-ruled.rule
systemctl reload tced
domain vfio kvm "$(hostdev "$POWER_HOST_VFIO_ALONE")" "$no_ddw" >/tmp/vfio.xml
good vfio
like "$(tcectl plan /tmp/vfio.xml)" '*kernel-vfio*' "vfio: its PHB's table is the kernel's, linked to the group"
for name in plain wide scsi tcg vfio; do
        virsh destroy "$name" >/dev/null
done
is "$(tcectl machines --json=short)" "[]" "with the last guest gone tced knows none: the hook released them"

domain bad kvm "" "$(qemu_args -device spapr-pci-host-bridge,index=31,id=far)" >/tmp/bad.xml
bad phb-index
domain bad kvm "<interface type='user'><model type='spapr-vlan'/><address type='spapr-vio' reg='0x1000'/></interface>
        <interface type='user'><model type='spapr-vlan'/><address type='spapr-vio' reg='0x101000'/></interface>" >/tmp/bad.xml
bad vio-irq
domain bad kvm "<interface type='user'><model type='spapr-vlan'/><address type='spapr-vio' reg='0x1000'/></interface>" \
        "$(qemu_args -device spapr-vscsi,reg=0x1000)" >/tmp/bad.xml
bad vio-duplicate
domain bad kvm "<interface type='user'><model type='spapr-vlan'/><address type='spapr-vio' reg='0x80000001'/></interface>" >/tmp/bad.xml
bad vio-in-pci-range
domain bad kvm "$(hostdev "${POWER_HOST_VFIO_SHARED%% *}")" >/tmp/bad.xml
bad group-partial
domain bad kvm "$(hostdev "$POWER_HOST_VFIO_ALONE")" "<memtune><hard_limit unit='MiB'>200</hard_limit></memtune>" >/tmp/bad.xml
bad memlock-low
printf '[Match]\nMachine=bad\n[Policy]\nAccel=kernel\n' >/etc/tced/rules.d/10-bad.rule
systemctl reload tced
domain bad qemu "" >/tmp/bad.xml
bad policy-unmet
rm /etc/tced/rules.d/10-bad.rule
systemctl reload tced
other=$(manager RegisterMachine 'ssa(ssuttubi)a{sv}t' other "" 1 vfio pci.1 0x80000100 0 0x40000000 12 false \
        "$(group_of "$POWER_HOST_VFIO_ALONE")" 0 0 | sed 's/o "\(.*\)"/\1/')
[[ -n $other ]]
ok $? "a VM of another VMM has the group"
domain bad kvm "$(hostdev "$POWER_HOST_VFIO_ALONE")" >/tmp/bad.xml
bad group-busy
# It was registered by root, so that it outlives tced.
busctl call org.tced1 "$other" org.tced1.Machine Unregister t 0
ok $? "that one goes"
systemctl stop libvirtd tced
finish
