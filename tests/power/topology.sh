#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# Cards come and go while tced runs: in a partition by QEMU's monitor, as an administrator of the hypervisor does it, on bare metal by removing
# and rescanning. Objects on the bus follow, each change told once; a card that comes into a bound group keeps it from VMs until it is bound, too.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"

group=$(group_of "$POWER_HOST_VFIO_SPARE")
path=/org/tced1/group/$group

# A card in the spare's PHB, which in a partition is one group; on bare metal the spare itself.
if [[ $POWER_HOST_KIND == powernv9 ]]; then
        card=$POWER_HOST_VFIO_SPARE
        plug() { echo 1 >/sys/bus/pci/rescan; }
        unplug() { echo 1 >"/sys/bus/pci/devices/$card/remove"; }
else
        modprobe -a rpaphp rpadlpar_io
        drmgr() { LD_LIBRARY_PATH=/usr/lib/power-host/guest /usr/lib/power-host/guest/drmgr "$@" >/tmp/drmgr.log 2>&1; }
        card=0003:00:02.0
        # Slot 2 of PHB 3 (QEMU, hw/ppc/spapr_pci.c: drc_id_from_devfn).
        plug() { monitor device_add e1000e,bus=spare.0,addr=2,id=hot,romfile= && drmgr -c pci -a -s 0x40030010 -n -w 5; }
        unplug() { monitor device_del hot && drmgr -c pci -r -s 0x40030010 -n -w 5; }
fi
address_of() { tcectl groups --no-legend | awk -v a="$card" '$2 == a'; }
here() { [[ -n $(address_of) ]]; }
gone() { [[ -z $(address_of) ]]; }

# signals MEMBER: how many of them named the group's object since forget. What the bus has said is written by then: an answer comes behind it.
signals() { property "$path" org.tced1.Group Number >/dev/null 2>&1; sleep 1; grep -c "\"member\":\"$1\".*\"$path\"" /tmp/signals; }
forget() { : >/tmp/signals; }

start_tced
ok $? "systemctl start tced"
busctl monitor --json=short org.tced1 >/tmp/signals 2>/dev/null &
listener=$!
sleep 2
tcectl topology
before=$(tcectl groups --no-legend)
if [[ $POWER_HOST_KIND == powernv9 ]]; then
        forget
        unplug
        wait_for 20 gone
        ok $? "a card is removed, and is in no group"
        is "$(signals InterfacesRemoved) $(signals InterfacesAdded)" "1 0" "its group's object goes, once"
        forget
        plug
        wait_for 20 here
        ok $? "it is found again"
        is "$(signals InterfacesRemoved) $(signals InterfacesAdded)" "0 1" "a group comes, once"
else
        forget
        plug
        wait_for 20 here
        ok $? "a card is plugged in, and is in the group of its PHB" || cat /tmp/drmgr.log
        is "$(signals InterfacesRemoved) $(signals InterfacesAdded)" "1 1" "a group of other devices is another object: one goes and one comes, once"
        like "$(tcectl groups --no-legend)" "*$card *en*82574L*" "the card is told by its interface and its name"
        tcectl topology
        tcectl bind "$POWER_HOST_VFIO_SPARE"
        is "$? $(driver_of "$POWER_HOST_VFIO_SPARE") $(driver_of $card)" "0 vfio-pci vfio-pci" "the group is bound with it"
        forget
        unplug
        wait_for 20 gone
        ok $? "it is unplugged while it is bound" || cat /tmp/drmgr.log
        like "$(tcectl groups --no-legend)" "*$POWER_HOST_VFIO_SPARE *bound*" "the rest of the group stays bound"
        is "$(signals InterfacesRemoved) $(signals InterfacesAdded)" "1 1" "again another object"
        plug
        wait_for 20 here
        ok $? "it is plugged in again"
        # Its driver takes it before anyone can say no.
        like "$(tcectl group "$group")" "*$card*e1000e*" "and is the host's"
        like "$(tcectl status)" "*group-partial*" "which is a finding"
        tcectl bind "$card"
        is "$? $(driver_of "$POWER_HOST_VFIO_SPARE") $(driver_of $card)" "0 vfio-pci vfio-pci" "bound, the group is whole again"
        tcectl release "$card"
        is "$? $(driver_of "$POWER_HOST_VFIO_SPARE") $(driver_of $card)" "0 nvme e1000e" "given back, each to its driver"
        unplug
        wait_for 20 gone
        ok $? "unplugged"
fi
is "$(tcectl groups --no-legend)" "$before" "all is as it was"
kill $listener
! dmesg | grep -E 'WARNING: CPU|Oops|BUG:|Call Trace'
ok $? "the kernel warned of nothing"
systemctl stop tced
finish
