#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# IOMMU groups, asked for their windows and handed out: what Probe shows on each kind of host, that nothing stays of it, and several groups in
# one container, as far as the kernel goes along.
set -u
shopt -s extglob
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
kind=$POWER_HOST_KIND kernel=$POWER_HOST_KERNEL
alone=$POWER_HOST_VFIO_ALONE spare=$POWER_HOST_VFIO_SPARE
work=$(mktemp -d)

path_of() { echo "/org/tced1/group/$(group_of "$1")"; }
group_property() { property "$(path_of "$1")" org.tced1.Group "$2"; }
viability_is() { [[ $(group_property "$1" Viability) == "s \"$2\"" ]]; }
# probe ADDRESS: what busctl says is in $output.
probe() { output=$(busctl call org.tced1 "$(path_of "$1")" org.tced1.Group Probe t 0 2>&1); }
# May anyone open it? As /dev/vfio/N is one open file in the whole system.
is_free() { (exec 9<>"/dev/vfio/$(group_of "$1")") 2>/dev/null; }
locked() { awk '/^VmLck/ { print $2 }' "/proc/$1/status"; }
open_files() { find "/proc/$1/fd" -lname '*vfio*' 2>/dev/null | wc -l; }
findings_of() { property /org/tced1 org.tced1.Manager Findings | grep -o "\"ddw-failed\" \"[a-z]*\" \"$1\"" | wc -l; }
warned() { dmesg | grep -E 'WARNING: CPU|Oops|BUG:|Call Trace'; }

start_tced
ok $? "systemctl start tced"
pid=$(systemctl show -P MainPID tced)
modprobe -a vfio_pci vfio_iommu_spapr_tce
driver_alone=$(driver_of "$alone") driver_spare=$(driver_of "$spare")

like "$(group_property "$alone" WindowsProven)" '(ss) "unknown" "not asked*' "before anyone asks nothing is proven"
! probe "$alone"
ok $? "a group that is the host's is not probed"
like "$output" "*IOMMU group $(group_of "$alone"): $alone is used by the host*bind*" "and it is said what to do"
is "$(driver_of "$alone")" "$driver_alone" "its driver stays"

rebind "$alone" vfio-pci
if [[ $kernel == 6.1 ]]; then
        wait_for 10 viability_is "$alone" vfio-broken
        ok $? "VFIO is broken in this kernel: the group says so"
        ! probe "$alone"
        ok $? "it is not probed"
        like "$output" "*IOMMU group $(group_of "$alone"): *6.4 or newer*" "and it is said why"
        rebind "$alone" ''
        ! warned
        ok $? "the kernel warned of nothing"
        systemctl stop tced tced-bind.socket tced-bind
        finish
fi

wait_for 10 viability_is "$alone" viable
ok $? "the group is viable"
memlock=$(locked "$pid")
started=$(date +%s%N)
probe "$alone"
ok $? "it is probed" || echo "# $output"
echo "# it took $((($(date +%s%N) - started) / 1000000)) ms: $(group_property "$alone" WindowsProven)"
if no_maxmem; then
        like "$(group_property "$alone" WindowsProven)" '(ss) "no" "group * VFIO_IOMMU_SPAPR_TCE_CREATE of a *-bit window: No such device"' \
                "no 64-bit window can be made"
        is "$(findings_of "group $(group_of "$alone")")" 1 "a finding tells it of the group"
        is "$(findings_of host)" 1 "and of the host"
        like "$(property /org/tced1 org.tced1.Manager Findings)" '*maxmem=*' "with the remedy"
else
        shift=16384
        told='(ttatuu) 0 1073741824 4 4096 65536 2097152 16777216 2 1'
        [[ $kind != powernv9 ]] || { shift=2048; told='(ttatuu) 0 2147483648 4 4096 65536 2097152 1073741824 2 5'; }
        is "$(group_property "$alone" WindowsProven)" \
                "(ss) \"yes\" \"made a window of $((shift / 2)) MiB in pages of $shift KiB at 0x800000000000000, and removed it\"" \
                "a 64-bit window was made and removed"
        is "$(group_property "$alone" WindowsTold)" "$told" "and VFIO told what it offers"
        is "$(findings_of "group $(group_of "$alone")")" 0 "no finding"
        like "$(tcectl describe --json=short)" '*"windows_proven":{"proven":"yes",*"max_windows":2,*' "it is described"
fi
is "$(locked "$pid")" "$memlock" "tced has no more memory locked than before: $memlock kB"
is "$(open_files "$pid")" 0 "and no file of VFIO's open"
is_free "$alone"
ok $? "the group is free: another opens it"
before=$(group_property "$alone" WindowsProven)
manager Rescan >/dev/null
is "$(group_property "$alone" WindowsProven)" "$before" "what was shown stays when groups are read again"
probe "$alone"
is "$? $(group_property "$alone" WindowsProven)" "0 $before" "it is probed once more, with the same result"

# Someone has it.
exec 8<>"/dev/vfio/$(group_of "$alone")"
! probe "$alone"
ok $? "a group that someone has open is not probed"
like "$output" "*/dev/vfio/$(group_of "$alone")*" "and it is said which"
exec 8>&-
probe "$alone"
ok $? "it is when that is over" || echo "# $output"

# Two groups in one container: a VMM gets the second into the first one's.
rebind "$spare" vfio-pci
wait_for 10 viability_is "$spare" viable
ok $? "a second group is viable"
"$POWER_HOST_TESTS/test-vmm" --name pair --also "$alone" --also "$spare" --window pci:0x80000000:0:1G:12 --hold 100 >"$work/pair" 2>&1 &
vmm_pid=$!
wait_for 60 grep -q holding "$work/pair"
ok $? "a VMM has them" || sed 's/^/# /' "$work/pair"
like "$(cat "$work/pair")" '*container=2*' "in one container"
is "$(find "/proc/$vmm_pid/fd" -lname /dev/vfio/vfio | wc -l)" 1 "it is the only one that is open"
! is_free "$alone" && ! is_free "$spare"
ok $? "both are taken"
! probe "$spare"
ok $? "neither is probed meanwhile"
is "$(open_files "$pid")" 0 "tced and its helper keep nothing open"
kill -KILL $vmm_pid
wait $vmm_pid 2>/dev/null
wait_for 10 is_free "$alone" && wait_for 10 is_free "$spare"
ok $? "the VMM is killed, and both are free again"

# And with windows, which each of the groups has to have.
windows=(--window "vfio:0x80000100:0:1G:12:$alone" --window "vfio:0x80000101:0x800000000000000:1G:16:$alone")
output=$("$POWER_HOST_TESTS/test-vmm" --name both "${windows[@]}" --also "$spare" 2>&1)
status=$?
value() { sed -n "s/^$1=//p" <<<"$output"; }
is "$(value container)" 2 "two groups are in one container, and then its windows are made"
if no_maxmem; then
        is "$status $(value errno)" "1 ENODEV" "there are none on this host"
elif [[ $kind == powernv9 ]]; then
        is "$status" 0 "bare metal has them for both" || echo "# $output"
        for liobn in 80000100 80000101; do
                is "$(value $liobn.placement) $(value $liobn.H_PUT_TCE.exits) $(value $liobn.used)" "kernel-vfio 1 1000" \
                        "$liobn: the guest's TCEs reach both groups' hardware, in the kernel"
        done
else
        is "$status $(value errno)" "1 EPERM" "a partition has none for groups of two PHBs" || echo "# $output"
fi
wait_for 10 is_free "$alone" && wait_for 10 is_free "$spare"
ok $? "both are free again"
probe "$alone"
is "$? $(group_property "$alone" WindowsProven)" "0 $before" "and the first one's windows are as they were"

rebind "$alone" ''
rebind "$spare" ''
is "$(driver_of "$alone") $(driver_of "$spare")" "$driver_alone $driver_spare" "the devices are the host's again"
! warned
ok $? "the kernel warned of nothing"
rm -r "$work"
systemctl stop tced tced-bind.socket tced-bind
finish
