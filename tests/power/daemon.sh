#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# The daemon as it is installed, under the real systemd and its sandbox: started, asked, reloaded, stopped, started by the bus; what the
# kernel proves through it; a group opened by the helper, for root and for nobody else.
set -u
shopt -s extglob
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
kind=$POWER_HOST_KIND kernel=$POWER_HOST_KERNEL
alone=$POWER_HOST_VFIO_ALONE
pid_of() { systemctl show -P MainPID "$1"; }
as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
capability() { tcectl --json=short status | grep -o "\"$1\",\"declared\":[01],\"proven\":\"[a-z]*\"" | sed 's/.*"declared":\(.\),"proven":"\(.*\)"/\1 \2/'; }

start_tced
ok $? "systemctl start tced"
pid=$(pid_of tced)
is "$(ps -o user= -p "$pid")" tced "it runs as a user of its own"
like "$(grep CapEff "/proc/$pid/status")" '*0000000001080000' "with CAP_SYS_PTRACE and CAP_SYS_RESOURCE and nothing else"
writes() { nsenter -t "$pid" -m sh -c ": >'$1'" 2>/dev/null; }
writes /run/tced/of-the-test
read_only=$?
rm -f /run/tced/of-the-test
for path in bus/pci/drivers_probe "devices/pci0001:00/$alone/driver_override" module/kvm/parameters/halt_poll_ns; do
        [[ ! -e /sys/$path ]] || ! writes "/sys/$path" || read_only=1
done
ok $read_only "/sys is read-only to it, also for root, as /run/tced is not"

# What a sandbox refuses is in the kernel's log, where tools/test looks for calls of tced's.
systemd-run --quiet --wait -p 'SystemCallFilter=~symlink symlinkat' -p SystemCallErrorNumber=EPERM ln -s nowhere /tmp/refused 2>/dev/null
[[ ! -L /tmp/refused ]] && dmesg | grep -q 'type=1326 .*comm="ln"'
ok $? "a system call that a unit is refused is in the kernel's log"

# What it says is what the kernel proves under the sandbox.
answer=yes
[[ $kind != lpar ]] || answer=no
is "$(capability KVM_CAP_SPAPR_TCE)" "1 $answer" "KVM_CAP_SPAPR_TCE is declared, and proven: $answer"
is "$(capability KVM_CAP_SPAPR_TCE_64)" "1 $answer" "KVM_CAP_SPAPR_TCE_64 likewise"
is "$(capability KVM_CAP_SPAPR_MULTITCE)" "1 $answer" "KVM_CAP_SPAPR_MULTITCE likewise"
case $kernel in
4k) size=4096 ;;
*) size=65536 ;;
esac
is "$(property /org/tced1 org.tced1.Manager PageSize)" "t $size" "the page size is the kernel's"
case $kind in
lpar) like "$(property /org/tced1 org.tced1.Manager Findings)" '*"kvm-unusable" "error"*' "a host that can run no VM says so" ;;
*) like "$(property /org/tced1 org.tced1.Manager VmTypes)" '*"HV" "yes"*' "HV is proven" ;;
esac
busctl introspect org.tced1 /org/tced1 >/dev/null
ok $? "busctl introspects it"
is "$(busctl get-property org.tced1 /org/freedesktop/LogControl1 org.freedesktop.LogControl1 LogLevel)" 's "info"' "LogControl1 is there"

# The seam: the helper's socket is tced's alone.
is "$(stat -c '%U %a' /run/tced-bind/socket)" "tced 600" "the helper's socket is tced's"
as_nobody busctl call org.tced1 /org/tced1 org.tced1.Manager Rescan 2>/tmp/error
like "$(cat /tmp/error)" '*Rescan is for root*' "another user may not rescan"
as_nobody tcectl status >/dev/null
ok $? "another user may look"

# SIGHUP and Reload.
mkdir -p /etc/tced/rules.d
printf '[Match]\nMachine=x*\n[Policy]\nAccel=user\n' >/etc/tced/rules.d/50-x.rule
systemctl reload tced
ok $? "systemctl reload"
wait_for 5 sh -c 'tcectl --json=short describe | grep -q 50-x.rule'
ok $? "the new rule is in force"
rm /etc/tced/rules.d/50-x.rule
manager Reload >/dev/null && ! tcectl --json=short describe | grep -q 50-x.rule
ok $? "and gone after Reload"

# A device that goes to vfio-pci is seen without a Rescan.
modprobe -a vfio_pci vfio_iommu_spapr_tce
driver=$(driver_of "$alone") group=$(group_of "$alone")
like "$(property "/org/tced1/group/$group" org.tced1.Group Devices)" "*\"$alone\"*\"Intel Corporation\"*\"$driver\"*" "the group's device has its names"
rebind "$alone" vfio-pci
viability() { [[ $(property "/org/tced1/group/$group" org.tced1.Group Viability) == "s \"$1\"" ]]; }
if [[ $kernel == 6.1 ]]; then
        # Binding says it succeeded, and nothing is bound (drivers/vfio on 5.19 to 6.3).
        manager Rescan >/dev/null
        wait_for 10 viability vfio-broken
        ok $? "a device that vfio-pci silently refused is found so"
        like "$(property /org/tced1 org.tced1.Manager Findings)" '*"vfio-broken"*' "the host says that VFIO is broken"
else
        wait_for 10 viability viable
        ok $? "a device bound to vfio-pci is seen by its uevents"
        manager Probe bt true 0 >/dev/null
        ok $? "the deep probe"
        if [[ $kind == lpar ]] || no_maxmem; then
                # No VM, or no window for want of maxmem: nothing could be linked, which disproves nothing.
                is "$(capability KVM_CAP_SPAPR_TCE_VFIO)" "1 unknown" "no group can be linked here: KVM_CAP_SPAPR_TCE_VFIO stays open"
        else
                is "$(capability KVM_CAP_SPAPR_TCE_VFIO)" "1 yes" "it linked the group to a table: KVM_CAP_SPAPR_TCE_VFIO is proven"
        fi
        ! no_maxmem || like "$(property /org/tced1 org.tced1.Manager Findings)" '*"ddw-failed"*' "a partition without maxmem says so"
        if [[ $kind != lpar ]]; then
                like "$(property /org/tced1 org.tced1.Manager MultiTceRangeCheck)" 's "@(yes|no)"' "and the range check is settled"
        fi
        like "$(busctl call org.tced1 "/org/tced1/group/$group" org.tced1.Group Open t 0)" 'hhu * 7' "root opens the group, with sPAPR TCE v2"
        as_nobody busctl call org.tced1 "/org/tced1/group/$group" org.tced1.Group Open t 0 2>/tmp/error
        like "$(cat /tmp/error)" '*is for root*' "nobody else does"
        exec 7<>"/dev/vfio/$group"
        busctl call org.tced1 "/org/tced1/group/$group" org.tced1.Group Open t 0 2>/tmp/error
        like "$(cat /tmp/error)" '*has the group open*' "a group that is in use is refused, with the reason"
        exec 7<&-
fi
rebind "$alone" ""

# The partner in a group of two stays on its driver: not to be had.
shared=${POWER_HOST_VFIO_SHARED%% *} shared_driver=$(driver_of "$shared")
if [[ $kernel != 6.1 ]]; then
        rebind "$shared" vfio-pci
        partial() { [[ $(property "/org/tced1/group/$(group_of "$shared")" org.tced1.Group Viability) == 's "partial"' ]]; }
        wait_for 10 partial
        ok $? "a group of which one device is on its driver is partial"
        busctl call org.tced1 "/org/tced1/group/$(group_of "$shared")" org.tced1.Group Open t 0 2>/tmp/error
        like "$(cat /tmp/error)" "*${POWER_HOST_VFIO_SHARED##* }*" "opening it is refused, and names the device"
        rebind "$shared" ""
        is "$(driver_of "$shared")" "$shared_driver" "given back"
fi

systemctl stop tced
ok $? "systemctl stop"
[[ ! -e /run/tced/socket ]]
ok $? "its socket is gone"
manager ListMachines >/dev/null
ok $? "a call on the bus starts it again"
kill -9 "$(pid_of tced)"
wait_for 20 manager ListMachines >/dev/null 2>&1
ok $? "killed, it is there again"
systemctl stop tced
systemctl start tced.socket && [[ $(pid_of tced) == 0 ]]
ok $? "tced.socket alone starts nothing"
wait_for 60 as_nobody tcectl --address=unix:path=/run/tced/socket status >/dev/null 2>&1
ok $? "who connects to it does, whoever it is"
systemctl stop tced
[[ -S /run/tced/socket ]]
ok $? "that socket stays"
systemctl stop tced.socket tced 2>/dev/null

# In the unit's sandbox, too: what others may have left in the places of its files holds up no start, and each is told of. test-hostile-files has
# more of each.
mkdir -p /etc/tced/tced.conf.d /etc/tced/rules.d
mkfifo /etc/tced/rules.d/10-fifo.rule
ln -s /dev/zero /etc/tced/rules.d/10-endless.rule
truncate -s 100M /etc/tced/tced.conf.d/10-large.conf
rm -f /run/tced/state.json && mkfifo /run/tced/state.json
timeout 60 systemctl start tced
ok $? "it starts among FIFOs, an endless file and a large one"
for file in 10-fifo.rule 10-endless.rule 10-large.conf state.json; do
        journalctl -q -u tced -o cat | grep -q "$file.*\(no regular file\|too large\|set aside\)"
        ok $? "and tells of $file" || journalctl -q -u tced -o cat | tail -n 20 | sed 's/^/# /'
done
rm -r /etc/tced/rules.d/10-* /etc/tced/tced.conf.d/10-* /run/tced/state.json.bad*
systemctl stop tced
! journalctl -u tced -u tced-bind -o cat | grep -E 'Assertion|ABRT|SEGV|core-dump' 
ok $? "nothing in its journal that should not be"
systemctl stop tced tced-bind.socket tced-bind
finish
