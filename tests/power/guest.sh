#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# A guest on tables from tced: where hypercalls end, counted in exits to the VMM; the same entries wherever they end; VFIO; multi-TCE;
# what happens when the kernel refuses.
set -u
shopt -s extglob
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
kind=$POWER_HOST_KIND kernel=$POWER_HOST_KERNEL
alone=$POWER_HOST_VFIO_ALONE
rules=/etc/tced/rules.d
dumps=$(mktemp -d)

# A spapr-vlan, a PHB's default window, and one for 64-bit devices; one page size each.
vio=vio:0x71000001:0:256M:12
pci=pci:0x80000000:0:1G:12
wide=pci:0x80000001:0x800000000000000:1G:16
huge=pci:0x80000201:0x800000000000000:64G:24

# vmm NAME OPTION...: what it prints is in $output.
vmm() {
        local name=$1
        shift
        output=$("$POWER_HOST_TESTS/test-vmm" --name "$name" "$@" 2>&1)
        status=$?
        [[ $status == 0 ]] || printf '# %s\n' "$output"
        return $status
}
value() { sed -n "s/^$1=//p" <<<"$output"; }

# rule TEXT...: the only one there is, in force.
rule() {
        mkdir -p $rules
        printf '%s\n' "$@" >$rules/50-test.rule
        manager Reload >/dev/null
}
no_rule() {
        rm -f $rules/50-test.rule
        manager Reload >/dev/null
}

# expect LIOBN PLACEMENT REASON EXITS: after vmm with 1,000 H_PUT_TCE.
expect() {
        is "$(value "$1.placement") $(value "$1.reason")" "$2 $3" "$1 is placed: $2, $3"
        is "$(value "$1.H_PUT_TCE.done") $(value "$1.H_PUT_TCE.code")" "1000 0" "$1: the guest did 1,000 H_PUT_TCE, all good"
        is "$(value "$1.H_PUT_TCE.exits")" "$4" "$1: exits to the VMM: $4"
        is "$(value "$1.used")" 1000 "$1: 1,000 entries are in the table"
}

start_tced
ok $? "systemctl start tced"

if [[ $kind == lpar ]]; then
        # All capabilities are declared here, and no VM can be made.
        vmm nothing --window $vio --window $pci --window $wide
        ok $? "tables without a VM"
        for liobn in 71000001 80000000 80000001; do
                is "$(value $liobn.placement) $(value $liobn.reason)" "user no-kvm" "$liobn is in the VMM, and the reason is that no VM can run"
        done
        # No VM could take the group, so this one is only registered.
        machine=$(manager RegisterMachine 'ssa(ssuttubi)a{sv}t' passed '' 1 vfio "$alone" 0x80000100 0 0x40000000 12 false \
                "$(group_of "$alone")" 0 0 | sed 's/o "\(.*\)"/\1/')
        is "$(property "$machine/table/80000100" org.tced1.Table Placement Reason | tr '\n' ' ')" 's "user" s "no-kvm" ' "a passthrough device's window likewise"
        busctl call org.tced1 "$machine" org.tced1.Machine Unregister t 0
        rule '[Match]' 'Kind=pci' '[Policy]' 'Accel=kernel'
        ! vmm demanded --window $pci >/dev/null
        ok $? "a rule that demands the kernel is refused"
        is "$(value errno)" EOPNOTSUPP "with its errno"
        no_rule
        systemctl stop tced tced-bind.socket tced-bind
        finish
fi

# In the kernel: the guest's last word is the only exit.
mkdir "$dumps/kernel" "$dumps/user"
vmm fast --window $vio --window $pci --window $wide --window $huge --dump "$dumps/kernel"
ok $? "a guest with tables in the kernel"
for liobn in 71000001 80000000 80000001 80000201; do
        expect $liobn kernel in-kernel 1
done

# In the VMM, by a rule.
rule '[Match]' 'Machine=slow*' '[Policy]' 'Accel=user'
vmm slow --window $vio --window $pci --window $wide --window $huge --dump "$dumps/user"
ok $? "the same guest with tables in the VMM"
for liobn in 71000001 80000000 80000001 80000201; do
        expect $liobn user rule-user 1001
        cmp -s "$dumps/kernel/$liobn" "$dumps/user/$liobn"
        ok $? "$liobn: both tables hold the same entries"
done

# Many with one call. Those exit unless they were enabled in KVM, which takes tced's word.
vmm slow-lists --window $pci --indirect --stuff --dump "$dumps/user"
is "$(value 80000000.H_PUT_TCE_INDIRECT.exits) $(value 80000000.H_PUT_TCE_INDIRECT.served)" "3 2" "in the VMM: 1,000 pages by two H_PUT_TCE_INDIRECT"
cmp -s "$dumps/kernel/80000000" "$dumps/user/80000000"
ok $? "with the same entries"
is "$(value 80000000.H_STUFF_TCE.exits) $(value 80000000.H_STUFF_TCE.code)" "2 0" "in the VMM: all cleared by one H_STUFF_TCE"
no_rule
vmm lists --window $pci --indirect --stuff --multitce --dump "$dumps/user"
if [[ $(value multitce) == 1 ]]; then
        is "$(value 80000000.H_PUT_TCE_INDIRECT.exits) $(value 80000000.H_STUFF_TCE.exits)" "1 1" "multi-TCE is allowed: it ends in the kernel"
else
        is "$(value 80000000.H_PUT_TCE_INDIRECT.exits) $(value 80000000.H_STUFF_TCE.exits)" "3 2" "multi-TCE isn't allowed: it exits"
fi
is "$(value 80000000.H_STUFF_TCE.code)" 0 "with success"
cmp -s "$dumps/kernel/80000000" "$dumps/user/80000000"
ok $? "and the same entries"
rule '[Match]' 'Machine=*' '[Policy]' 'MultiTce=yes'
vmm vouched --window $pci --indirect --stuff --multitce
if [[ $(property /org/tced1 org.tced1.Manager MultiTceRangeCheck) == *'"no"'* ]]; then
        is "$(value multitce)" 0 "a rule can't vouch for a kernel that was seen to fail"
else
        is "$(value multitce) $(value 80000000.H_PUT_TCE_INDIRECT.exits) $(value 80000000.H_STUFF_TCE.exits)" "1 1 1" "vouched for by a rule, multi-TCE ends in the kernel"
fi
no_rule

# Locked memory is short, and the VMM has no CAP_IPC_LOCK: tced raises its limit to what its tables take, to the byte.
short=(prlimit --memlock=65536:65536 setpriv --bounding-set=-ipc_lock "$POWER_HOST_TESTS/test-vmm")
output=$("${short[@]}" --name raised --window $pci --window $wide 2>&1)
ok $? "a guest whose VMM may lock 64 KiB, until it claims its VM"
expect 80000000 kernel in-kernel 1
expect 80000001 kernel in-kernel 1
"${short[@]}" --name held --window $pci --window $wide --hold 60 >"$dumps/held" 2>&1 &
vmm_pid=$!
wait_for 30 grep -q holding "$dumps/held"
machine=$(busctl call org.tced1 /org/tced1 org.tced1.Manager GetMachine s held | cut -d'"' -f2)
raised=$(property "$machine" org.tced1.Machine MemlockRaised)
is "$raised" "$(property "$machine" org.tced1.Machine LockedBytes)" "its limit was raised to what is planned: $raised"
is "$(awk '/^Max locked memory/ { print $4, $5 }' /proc/$vmm_pid/limits)" "${raised#t } ${raised#t }" "it has that limit, soft and hard"
is "$(awk '/^VmLck/ { print $2 * 1024 }' /proc/$vmm_pid/status)" "${raised#t }" "and has all of it locked"
kill $vmm_pid
wait $vmm_pid 2>/dev/null

# The kernel refuses, where tced may not raise the limit.
mkdir -p /etc/tced/tced.conf.d
printf '%s\n' '[Limits]' RaiseMemlockMax=0 >/etc/tced/tced.conf.d/50-test.conf
manager Reload >/dev/null
output=$("${short[@]}" --name short --window $pci 2>&1)
ok $? "a guest whose VMM may lock 64 KiB"
expect 80000000 user kernel-refused 1001
is "$(value 80000000.refusal)" ENOMEM "the kernel said ENOMEM"
"${short[@]}" --name stays --window $pci --hold 60 >"$dumps/held" 2>&1 &
vmm_pid=$!
wait_for 30 grep -q holding "$dumps/held"
machine=$(busctl call org.tced1 /org/tced1 org.tced1.Manager GetMachine s stays | cut -d'"' -f2)
is "$(property "$machine/table/80000000" org.tced1.Table Error)" "i 12" "tced was told the errno"
kill $vmm_pid
wait $vmm_pid 2>/dev/null
rule '[Match]' 'Kind=pci' '[Policy]' 'Accel=kernel'
output=$("${short[@]}" --name demanded --window $pci 2>&1)
is "$? $(value errno)" "1 ENOMEM" "a rule demands the kernel: the refusal comes back"
vmm demanded --window $pci
expect 80000000 kernel in-kernel 1
rm /etc/tced/tced.conf.d/50-test.conf
no_rule

# A passthrough device: its group is linked, and hypercalls end in the kernel, hardware included.
modprobe -a vfio_pci vfio_iommu_spapr_tce
rebind "$alone" vfio-pci
viable() { [[ $(property "/org/tced1/group/$(group_of "$alone")" org.tced1.Group Viable) == 'b true' ]]; }
if [[ $kernel == 6.1 ]]; then
        vmm pass --window "vfio:0x80000101:0x800000000000000:1G:16:$alone" >/dev/null
        is "$(value errno)" EPERM "VFIO is broken in this kernel: the group is refused"
elif no_maxmem; then
        wait_for 10 viable
        vmm pass --window "vfio:0x80000101:0x800000000000000:1G:16:$alone" >/dev/null
        is "$(value errno)" ENODEV "no 64-bit window can be made on this host"
else
        wait_for 10 viable
        vmm pass --window "vfio:0x80000100:0:1G:12:$alone" --window "vfio:0x80000101:0x800000000000000:1G:16:$alone"
        ok $? "a guest with a passthrough device"
        expect 80000100 kernel-vfio in-kernel-linked 1
        expect 80000101 kernel-vfio in-kernel-linked 1
        rule '[Match]' 'Kind=vfio' '[Policy]' 'Accel=user'
        vmm pass-slow --window "vfio:0x80000101:0x800000000000000:1G:16:$alone"
        ok $? "the same with its table in the VMM"
        expect 80000101 user rule-user 1001
        no_rule
fi
rebind "$alone" ""

no_machines() { [[ $(manager ListMachines) == 'a(sssuuo) 0' ]]; }
wait_for 5 no_machines
ok $? "no machine is left"
! dmesg | grep -E 'WARNING: CPU|Oops|BUG:|Call Trace'
ok $? "the kernel warned of nothing"
rm -r "$dumps"
systemctl stop tced tced-bind.socket tced-bind
finish
