#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# A passthrough device is plugged into a stock QEMU's running guest, does its work, and is unplugged, twice; with the tables of its PHB in the
# kernel, where they are linked, and in QEMU.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
# shellcheck source=tests/power/domain-lib.sh
source "$POWER_HOST_TESTS/domain-lib.sh"
# shellcheck source=tests/power/qemu-lib.sh
source "$POWER_HOST_TESTS/qemu-lib.sh"

start_tced
ok $? "systemctl start tced"
modprobe -a vfio_pci vfio_iommu_spapr_tce
rebind "$POWER_HOST_VFIO_ALONE" vfio-pci
MIB=512,slots=4,maxmem=4G
# Slot 1 of the PHB 1 (QEMU, hw/ppc/spapr_pci.c: drc_id_from_devfn).
drc=0x40010008

guest_does() { # NAME WHAT LINE
        tell "$1" "$3"
        ok $? "$1: $2" || sed 's/^/# /' <<<"$told"
}
vfio_fds() { find "/proc/$hand/fd" -lname '/dev/vfio/*' | wc -l; }
no_vfio() { [[ $(vfio_fds) == 0 && $(hmp "$1" info pci) != *'"v0"'* ]]; }

# plug NAME KERNEL-MAPS MEMFDS
plug() {
        local name=$1 round
        hand "$name" "modules=e1000e,virtio_pci,rpaphp,rpadlpar_io listen" -device spapr-pci-host-bridge,index=1,id=p1
        wait_for 120 said_by "$name" 'guest: up'
        ok $? "$name: Linux is up" || { cat "/tmp/$name.log"; tail -n 20 "/tmp/$name.console"; }
        tell "$name" 'busybox --install -s /bin; export PATH=/bin'
        for round in first second; do
                is "$(hmp "$name" device_add "vfio-pci,host=$POWER_HOST_VFIO_ALONE,bus=p1.0,addr=1,id=v0")" "" "$name: plugged for the $round time"
                guest_does "$name" "its Linux takes it in" "drmgr -c pci -a -s $drc -n -w 2"
                guest_does "$name" "which gets an address by it" "ip link set eth0 up; udhcpc -f -q -n -t 10 -T 2 -s /bin/true -i eth0"
                like "$told" '*lease of * obtained*' "$name: a lease"
                is "$(real_maps $hand), $(memfds $hand)" "$2, $3" "$name: its tables are where the rules say" ||
                        grep -E 'memfd|tce' "/proc/$hand/maps" | sed 's/^/# /'
                audited "$name"
                is "$(hmp "$name" device_del v0)" "" "$name: to be unplugged"
                guest_does "$name" "its Linux lets it go" "drmgr -c pci -r -s $drc -n -w 2"
                wait_for 10 no_vfio "$name"
                ok $? "$name: unplugged, and nothing of VFIO is left"
        done
        is "$(complaints "$name")" "" "$name: neither QEMU nor the adapter complains"
        kill "$hand"
        wait "$hand"
}
plug linked "$page 2048 2048" ""
rule 'Liobn=0x800001*'
plug unlinked 2048 "$page 2048"
no_rule
rebind "$POWER_HOST_VFIO_ALONE" ""
! dmesg | grep -E 'WARNING: CPU|Oops|BUG:|Call Trace'
ok $? "the kernel warned of nothing"
systemctl stop tced
finish
