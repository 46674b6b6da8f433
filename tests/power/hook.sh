#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# The hook's life beside libvirtd: restarts that nobody notices, tced away, what status says, how long it takes.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
# shellcheck source=tests/power/domain-lib.sh
source "$POWER_HOST_TESTS/domain-lib.sh"

HOOK=/etc/libvirt/hooks/qemu.d/tced

# A hook that comes while libvirtd runs is not called, until that is reloaded.
mv $HOOK /tmp/hook
start_tced
ok $? "systemctl start tced"
systemctl start libvirtd
ok $? "systemctl start libvirtd"
cp -p /tmp/hook $HOOK
connected() { tcectl status --json=short | grep -q '"state":"connected"'; }
wait_for 20 connected
ok $? "tced has found libvirt"
like "$(tcectl status)" '*systemctl reload libvirtd*' "status says that libvirtd has not looked since the hook came"
systemctl reload libvirtd
loaded() { tcectl status --json=short | grep -q '"loaded":true'; }
wait_for 20 loaded
ok $? "and no more once it was reloaded"

domain one kvm "" >/tmp/one.xml
domain two kvm "<interface type='user'><model type='spapr-vlan'/></interface>" >/tmp/two.xml
virsh create --paused /tmp/one.xml >/dev/null && virsh create --paused /tmp/two.xml >/dev/null
ok $? "two guests start"
pids="$(pid_of one) $(pid_of two)"
like "$(tcectl machines)" '*one*two*' "tced knows both"
like "$(tcectl plan one)" '*80000000*' "a plan by the domain's name: libvirt gives the XML"
! tcectl plan nobody 2>/tmp/out
ok $? "not of one that is not there"
like "$(cat /tmp/out)" "*nobody*" "by name"

# libvirtd restarts with guests running: reconnect says yes.
systemctl restart libvirtd
both() { [[ $(virsh list --name | xargs | wc -w) == 2 ]]; }
wait_for 30 both
ok $? "libvirtd restarted: both guests are there"
is "$(pid_of one) $(pid_of two)" "$pids" "as they were"
like "$(tcectl machines)" '*one*two*' "for tced too"
is "$(journalctl -q -u tced -o cat | grep -c "runs no more")" 0 "which never lost sight of them"

# tced away: guests start, guests end, and what runs then is told to it by the next reconnect.
systemctl stop tced
virsh destroy two >/dev/null
ok $? "tced stopped: a guest ends"
virsh create --paused /tmp/two.xml >/dev/null 2>/tmp/out
ok $? "tced stopped: a guest starts" || cat /tmp/out
like "$(journalctl -q -t tced-hook -o cat 2>/dev/null; journalctl -q -o cat | grep -i hook)" '*two*' "with a warning in the journal"
start_tced
systemctl restart libvirtd
wait_for 30 both
known() { [[ $(tcectl machines --json=short | grep -o '"name":"\(one\|two\)"' | sort -u | wc -l) == 2 ]]; }
wait_for 30 known
ok $? "tced and libvirtd back: the hook tells tced of both"

# An administrator who would rather have no guest than one that nobody looked at.
mkdir -p /etc/tced/tced.conf.d
printf '[Hook]\nRequired=yes\n' >/etc/tced/tced.conf.d/hook.conf
virsh destroy two >/dev/null
systemctl stop tced
! virsh create --paused /tmp/two.xml >/dev/null 2>/tmp/out
ok $? "Required=yes: without tced no guest starts"
like "$(cat /tmp/out)" '*tced*' "and virsh says that it is for tced"
rm /etc/tced/tced.conf.d/hook.conf
# A tced that hangs is waited for as long as the setting says.
systemctl start tced
wait_for 30 proven
kill -STOP "$(systemctl show tced -p MainPID --value)"
before=$SECONDS
virsh create --paused /tmp/two.xml >/dev/null 2>/tmp/out
ok $? "tced hangs: a guest starts" || cat /tmp/out
[[ $((SECONDS - before)) -lt 30 ]]
ok $? "after the hook's deadline ($((SECONDS - before)) s in all)"
kill -CONT "$(systemctl show tced -p MainPID --value)"

# A libvirtd that hangs holds nothing up.
wait_for 30 connected
kill -STOP "$(cat /run/libvirt/qemu/driver.pid)"
! timeout 60 tcectl plan one >/tmp/out 2>&1
ok $? "libvirtd hangs: a plan by name fails"
like "$(cat /tmp/out)" '*libvirt did not answer*' "and says why"
tcectl status >/dev/null
ok $? "tced goes on"
kill -CONT "$(cat /run/libvirt/qemu/driver.pid)"
wait_for 60 connected
ok $? "libvirtd goes on: tced finds it again"

# How long: a start and a release each, against what anybody would have to pay.
virsh dumpxml one >/tmp/live.xml
virsh destroy one >/dev/null
virsh destroy two >/dev/null
ms() { # COMMAND...: of five runs, the median in ms
        local i from
        for i in 1 2 3 4 5; do
                from=$(date +%s%N)
                "$@" >/dev/null 2>&1
                echo $((($(date +%s%N) - from) / 1000000))
        done | sort -n | sed -n 3p
}
hook_start() {
        $HOOK one start begin - </tmp/live.xml
        $HOOK one release end - </tmp/live.xml
}
call() { busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus.Peer Ping; }
hook=$(ms hook_start)
nothing=$(ms /bin/true) bus=$(ms call)
echo "# start and release by the hook: $hook ms; /bin/true: $nothing ms; a busctl call: $bus ms"
[[ $hook -le $((2 * (3 * nothing + bus))) ]]
ok $? "the hook takes at most as long as /bin/true three times and one busctl call, each"
systemctl stop libvirtd tced
finish
