#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# A passthrough device is plugged into a stock QEMU's running guest, does its work, and is unplugged, again and again: on a PHB whose tables are
# in the kernel, where they are linked, and on one whose tables are in QEMU.
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
rule 'Liobn=0x800002*'
MIB=512,slots=4,maxmem=4G
hand plug "modules=e1000e,virtio_pci,rpaphp,rpadlpar_io listen" \
        -device spapr-pci-host-bridge,index=1,id=p1 -device spapr-pci-host-bridge,index=2,id=p2
wait_for 120 said_by plug 'guest: up'
ok $? "Linux is up" || { cat /tmp/plug.log; tail -n 20 /tmp/plug.console; }

guest_does() { # WHAT LINE
        tell plug "$2"
        ok $? "$1" || printf '# %s\n' "$told"
}
no_vfio() { [[ -z $(find "/proc/$hand/fd" -lname '/dev/vfio/*') && $(hmp plug info pci) != *'"v0"'* ]]; }

# plugged PHB KERNEL-MAPS MEMFDS: for a while.
plugged() {
        # Its slot 1 (QEMU, hw/ppc/spapr_pci.c: drc_id_from_devfn).
        local drc=0x400${1}0008
        is "$(hmp plug device_add "vfio-pci,host=$POWER_HOST_VFIO_ALONE,bus=p$1.0,addr=1,id=v0")" "" "PHB $1: plugged"
        guest_does "PHB $1: Linux takes it in" "drmgr -c pci -a -s $drc -n -w 2"
        guest_does "PHB $1: and gets an address by it" "ip link set eth0 up; udhcpc -f -q -n -t 10 -T 2 -s /bin/true -i eth0"
        like "$told" '*lease of * obtained*' "PHB $1: a lease"
        is "$(real_maps $hand), $(memfds $hand)" "$2, $3" "PHB $1: the tables are where the rules say" ||
                grep -E 'memfd|tce' "/proc/$hand/maps" | sed 's/^/# /'
        audited plug
        is "$(hmp plug device_del v0)" "" "PHB $1: to be unplugged"
        guest_does "PHB $1: Linux lets it go" "drmgr -c pci -r -s $drc -n -w 2"
        wait_for 10 no_vfio
        ok $? "PHB $1: unplugged, and nothing of VFIO is left"
}
tell plug 'busybox --install -s /bin; export PATH=/bin'
plugged 1 "$page 2048 2048" 2048
plugged 2 "$page 2048 2048" "$page 2048"
plugged 1 "$page 2048 2048" "$page 2048"
plugged 2 "$page 2048 2048" "$page 2048"
is "$(complaints plug)" "" "neither QEMU nor the adapter complains"
kill $hand
wait $hand
no_rule
rebind "$POWER_HOST_VFIO_ALONE" ""
! dmesg | grep -E 'WARNING: CPU|Oops|BUG:|Call Trace'
ok $? "the kernel warned of nothing"
systemctl stop tced
finish
