#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# PHBs and cards come and go while tced runs: in a partition by QEMU's monitor and drmgr, as on a hypervisor; on bare metal by removing and
# rescanning. Objects on the bus follow, each change told once, and numbers are used again.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"

drmgr() { LD_LIBRARY_PATH=/usr/lib/power-host/drmgr /usr/lib/power-host/drmgr/drmgr "$@" >/tmp/drmgr.log 2>&1; }

# shown GLOB: something in the list of groups is like that.
shown() { [[ $(tcectl groups --no-legend) == $1 ]]; }
# becomes GLOB NAME: a point, that it is or comes to be so.
becomes() {
        wait_for 20 shown "$1"
        ok $? "$2" || tcectl groups | sed 's/^/#   have /'
}

# signals MEMBER PATH: how many of them named the object since forget.
signals() {
        sleep 1
        grep -c "\"member\":\"$1\".*\"$2\"" /tmp/signals
}
forget() { : >/tmp/signals; }
told() { is "$(signals InterfacesRemoved "$1") $(signals InterfacesAdded "$1")" "$2" "$3"; }

start_tced
ok $? "systemctl start tced"
busctl monitor --json=short org.tced1 >/tmp/signals 2>/dev/null &
listener=$!
sleep 2
before=$(tcectl groups --no-legend)

# The spare goes and comes again.
bare_metal() {
        local group card=$POWER_HOST_VFIO_SPARE path
        group=$(group_of "$card")
        path=/org/tced1/group/$group
        tcectl topology
        forget
        echo 1 >"/sys/bus/pci/devices/$card/remove"
        wait_for 20 eval '! shown "*$POWER_HOST_VFIO_SPARE*"'
        ok $? "a card is removed, and is in no group"
        told "$path" "1 0" "its group's object goes, once"
        forget
        echo 1 >/sys/bus/pci/rescan
        becomes "*$card *nvme*" "it is found again, with its driver"
        told "/org/tced1/group/$(group_of "$card")" "0 1" "a group comes, once"
}

# A PHB of its own (a PE, and so a group, is a whole PHB there), and a card in its slot 1 (QEMU, hw/ppc/spapr_pci.c: drc_id_from_devfn).
plug_card() { monitor device_add e1000e,bus=slot.0,addr=1,id=hot,romfile= && drmgr -c pci -a -s 0x40040008 -n -w 5; }
unplug_card() { monitor device_del hot && drmgr -c pci -r -s 0x40040008 -n -w 5; }

partition() {
        local card=0004:00:01.0 group
        modprobe -a rpaphp rpadlpar_io
        monitor device_add spapr-pci-host-bridge,index=4,id=slot && drmgr -c phb -a -s 'PHB 4' -n -w 5
        ok $? "a PHB is plugged in" || cat /tmp/drmgr.log
        becomes "*empty*" "its group is there, and empty"
        group=$(tcectl groups --no-legend | awk '$NF == "empty" { print $1 }')
        forget
        plug_card
        ok $? "a card is plugged into it" || cat /tmp/drmgr.log
        becomes "*$card *enP4p0s1*82574L*e1000e*" "it is told with its interface, its name and its driver"
        told "/org/tced1/group/$group" "1 1" "a group of other devices is another object: one goes and one comes, once"
        like "$(property "/org/tced1/group/$group" org.tced1.Group Phb)" 's "/pci@800000020000004"' "its PHB, as the device tree has it"
        tcectl topology
        tcectl bind "$card"
        is "$? $(driver_of $card)" "0 vfio-pci" "it is bound"
        unplug_card
        becomes "*empty*" "and unplugged while it is bound"
        plug_card
        becomes "*$card *e1000e *not-bound*" "plugged in again it is the host's, whatever was recorded"
        tcectl bind "$card"
        is "$? $(driver_of $card)" "0 vfio-pci" "it is bound again"
        tcectl release "$card"
        is "$? $(driver_of $card)" "0 e1000e" "and given back to its driver"
        unplug_card
        becomes "*empty*" "unplugged"
        monitor device_del slot && drmgr -c phb -r -s 'PHB 4' -n -w 5
        wait_for 20 eval '! shown "*empty*"'
        ok $? "the PHB is unplugged, and its group is no more" || tcectl groups
}

if [[ $POWER_HOST_KIND == powernv9 ]]; then bare_metal; else partition; fi
becomes "$before" "all is as it was"
kill $listener
! dmesg | grep -E 'WARNING: CPU|Oops|BUG:|Call Trace'
ok $? "the kernel warned of nothing"
systemctl stop tced
finish
