#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# A card makes virtual functions and takes them away again while tced runs: each is a group of its own, which tells its number and its card,
# is bound, proven and given back by itself, and goes with the card's functions even while it is bound.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
pf=${POWER_HOST_SRIOV:-}
if [[ -z $pf ]]; then
        echo "ok 1 - virtual functions # SKIP a QEMU older than 8 has no card whose functions a POWER kernel takes"
        echo 1..1
        exit 0
fi
device=/sys/bus/pci/devices/$pf

make() { echo "$1" >"$device/sriov_numvfs"; }
vf() { basename "$(readlink "$device/virtfn$1")"; }
groups() { tcectl groups --no-legend; }
# A line that says why begins with no number of a group.
count() { groups | grep -c '^ *[0-9][0-9]* '; }
are() { [[ $(count) == $((had + $1)) ]]; }
bound() { groups | grep ' bound$'; }
links() { property "/org/tced1/group/$(group_of "$1")" org.tced1.Group DeviceLinks; }

# signals MEMBER: how many of them named a group's object since forget. What the bus has said is written by then: an answer comes behind it.
signals() { manager ListMachines >/dev/null; sleep 1; grep -c "\"member\":\"$1\".*\"/org/tced1/group/" /tmp/signals; }
forget() { : >/tmp/signals; }

modprobe igb
is "$(driver_of "$pf")" igb "the card has its driver"
start_tced
ok $? "systemctl start tced"
busctl monitor --json=short org.tced1 >/tmp/signals 2>/dev/null &
listener=$!
sleep 2
before=$(groups)
had=$(count)
like "$(links "$pf")" "a(sssssiuu) 1 \"$pf\" \"en*\" \"52:54:00:*\" \"0004:00:00.0\" \"\" -1 0 7" "the card could make 7"

forget
make 2
wait_for 20 are 2
ok $? "two are made, and are two groups"
is "$(signals InterfacesAdded) $(signals InterfacesRemoved)" "2 0" "each object comes once"
vf0=$(vf 0) vf1=$(vf 1)
like "$(links "$vf0")" "a(sssssiuu) 1 \"$vf0\" \"\" \"*\" \"0004:00:00.0\" \"$pf\" 0 0 0" "the first is told by its number and its card"
like "$(links "$vf1")" "a(sssssiuu) 1 \"$vf1\" \"\" \"*\" \"0004:00:00.0\" \"$pf\" 1 0 0" "the second likewise"
like "$(links "$pf")" "* -1 2 7" "and the card tells how many it has"
[[ $(group_of "$vf0") != $(group_of "$vf1") && $(group_of "$vf0") != $(group_of "$pf") ]]
ok $? "three groups"
tcectl topology

tcectl bind "$vf0"
is "$? $(driver_of "$vf0") $(driver_of "$vf1") $(driver_of "$pf")" "0 vfio-pci  igb" "one of them is bound, without the other and the card"
path=/org/tced1/group/$(group_of "$vf0")
busctl call org.tced1 "$path" org.tced1.Group Probe t 0 >/dev/null
ok $? "Probe"
like "$(property "$path" org.tced1.Group WindowsProven)" '(ss) "yes"*' "it gets 64-bit windows"
like "$(busctl call org.tced1 "$path" org.tced1.Group Open t 0)" 'hhu * 7' "it is opened"
tcectl release "$vf0"
is "$? $(driver_of "$vf0") $(cat "/sys/bus/pci/devices/$vf0/driver_override")" "0  (null)" "it is given back to no driver, as it was"

tcectl bind "$vf1"
is "$? $(driver_of "$vf1")" "0 vfio-pci" "the other is bound"
forget
make 0
wait_for 20 are 0
ok $? "all are taken away, also the one that is bound"
# The kernel empties a group a moment before it lets go of it: tced may or may not see it so, as another object.
added=$(signals InterfacesAdded) removed=$(signals InterfacesRemoved)
[[ $added -le 2 && $removed == $((added + 2)) ]]
ok $? "each object goes once" || echo "# $added came, $removed went"
like "$(links "$pf")" "* -1 0 7" "the card has none"
is "$(groups)" "$before" "all is as it was"
make 2
wait_for 20 are 2
ok $? "made again"
is "$(driver_of "$vf0") $(driver_of "$vf1")" " " "and bound by nobody"
[[ -z $(bound) ]]
ok $? "nor said to be" || groups | sed 's/^/# /'
tcectl bind "$vf1"
is "$? $(driver_of "$vf1")" "0 vfio-pci" "it is bound once more, whatever was recorded of the one before"
tcectl release "$vf1"
is "$? $(driver_of "$vf1")" "0 " "and given back"
make 0
kill $listener
! dmesg | grep -E 'WARNING: CPU|Oops|BUG:|Call Trace'
ok $? "the kernel warned of nothing"
systemctl stop tced
finish
