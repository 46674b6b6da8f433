#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# libvirt and a stock QEMU beside tced, on the same host: a guest that never heard of tced starts, and its tables are in the kernel, where
# tced proved that they can be.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"

start_tced
ok $? "systemctl start tced"
systemctl start libvirtd
ok $? "systemctl start libvirtd"
# QEMU's console must lead somewhere: without one an emulated host was seen to hang.
cat >/tmp/stock.xml <<'XML'
<domain type='kvm'>
  <name>stock</name>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os><type arch='ppc64' machine='pseries'>hvm</type></os>
  <devices>
    <emulator>/usr/bin/qemu-system-ppc64</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <serial type='pty'/>
  </devices>
</domain>
XML
virsh create /tmp/stock.xml
ok $? "virsh starts a stock guest"
pid=$(cat /run/libvirt/qemu/stock.pid)

has_table() { grep -q kvm-spapr-tce "/proc/$pid/maps"; }
wait_for 30 has_table
ok $? "its default window's table is KVM's"
range=$(awk '/kvm-spapr-tce/ { print $1; exit }' "/proc/$pid/maps")
is "$(((0x${range#*-} - 0x${range%-*}) / 1024))" 2048 "2,048 KiB: 2^18 entries of 8 bytes"
tcectl status >/dev/null
ok $? "tced goes on beside it"
virsh destroy stock
ok $? "virsh ends it"
systemctl stop libvirtd tced
finish
