#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# Twenty VMMs whose guests map pages all the time, in the VMM and in the kernel, and tced killed while they ask it something, upgraded to one of
# another state version and back, killed in the middle of what it says, and stuck: no VM is lost, no byte of a table changes, no hypercall comes
# to a VMM that did not before. In the environment: KILLS and UPGRADES, how often.
set -u
shopt -s extglob
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
# shellcheck source=tests/power/restart-lib.sh
source "$POWER_HOST_TESTS/restart-lib.sh"
kills=${KILLS:-10} upgrades=${UPGRADES:-2}
names=(vm{1..20})
# An emulated processor has other things to do, too. A VMM that is asked has its guest do a round first, tced or not.
busy=(--busy --puts 10 --pause 3000)
hold=100000
program=/usr/libexec/tced/tced other=$POWER_HOST_TESTS/tced-other-state
drop_in=/run/systemd/system/tced.service.d/50-test.conf
rule=/etc/tced/rules.d/50-vio.rule
declare -A unit=()
connections=() rounds=() asked=0 ahead=yes early=0 cut_off=0 longest=0

# ask FROM: every other VMM asks tced, by the one connection that it has, and says then how its tables are. `asked` counts for all of them.
ask() {
        local i some=()
        for ((i = $1; i < ${#pids[@]}; i += 2)); do some+=("${pids[i]}"); done
        kill -USR1 "${some[@]}"
}
# answered N: so many have answered. Read as they come: who looks for them again and again has the emulated processor for itself.
answered() {
        local line
        while ((${#lines[@]} < $1)); do
                read -r -t 180 -u "$following" line || return
                [[ ! $line =~ ^answer=$asked\ name=vm([0-9]+)\  ]] || lines[BASH_REMATCH[1] - 1]=$line
        done
}
# What must not change: placements, exits of a round, checksums. What must: rounds. Whose question tced's end cut off, it is connected anew.
take_answers() {
        local i
        answered ${#names[@]}
        ok $? "$1: each VMM is answered" || tail -n1 "${names[@]/#/$logs/}" | sed 's/^/# /'
        have='' idle=''
        for i in "${!lines[@]}"; do
                [[ ${lines[i]} =~ ^answer=[0-9]+\ (name=[^ ]+)\ connections=([0-9]+)\ rounds=([0-9]+)\ (.*)$ ]] || continue
                have+="${BASH_REMATCH[1]} ${BASH_REMATCH[4]}"$'\n'
                ((BASH_REMATCH[3] > ${rounds[i]:-0})) || idle+=" ${names[i]}"
                ((i % 2 != from || BASH_REMATCH[2] == ${connections[i]:-0})) || cut_off=$((cut_off + 1))
                connections[i]=${BASH_REMATCH[2]} rounds[i]=${BASH_REMATCH[3]}
        done
}
look_at_unit() {
        local line
        while read -r line; do unit[${line%%=*}]=${line#*=}; done < <(systemctl show tced \
                -p MainPID -p NFileDescriptorStore -p NRestarts -p ActiveEnterTimestampMonotonic -p ActiveExitTimestampMonotonic)
}
# through WHAT COMMAND...: the command ends tced, and some VMMs are asking it something as it goes, and the others while it is away. Afterwards
# there is all that was known, and all that was there, and another tced.
through() {
        local what=$1 before=${unit[MainPID]} away
        shift
        asked=$((asked + 1)) from=$((asked % 2)) lines=()
        [[ $ahead == no ]] || { ask $from; early=$((early + ${#pids[@]} / 2)); }
        "$@"
        ok $? "$what"
        ask $((1 - from))
        [[ $ahead == yes ]] || { ask $from; from=2; }
        take_answers "$what"
        is "$have" "$answers" "$what: all tables have the same bytes, the guests make the same exits"
        is "$idle" "" "$what: every guest went on"
        is "$(machines)" "$machines" "$what: every VM is known as before"
        look_at_unit
        is "${unit[NFileDescriptorStore]}" ${#names[@]} "$what: the fd store is complete"
        [[ ${unit[MainPID]} != 0 && ${unit[MainPID]} != "$before" ]]
        ok $? "$what: by another tced"
        away=$((unit[ActiveEnterTimestampMonotonic] - unit[ActiveExitTimestampMonotonic]))
        ((away <= longest)) || longest=$away
}
# In the middle of its answering.
kill_tced() {
        answered $((RANDOM % (${#pids[@]} / 2)))
        kill -9 "${unit[MainPID]}"
}
# install_tced FILE: an upgrade, as a package does it.
install_tced() {
        install -m 755 "$1" "$program.new" && mv "$program.new" "$program" && systemctl restart tced
}
# Nobody else is asking: a VM that comes while tced dies of what it says: to the service manager, the journal, the bus, the VMM.
kill_within_message() {
        local tracer late
        strace -qq -o /dev/null -p "${unit[MainPID]}" -e trace=sendmsg -e inject=sendmsg:signal=SIGKILL:when="$1" &
        tracer=$!
        wait_for 30 traced "${unit[MainPID]}" || return
        vmm "late$1" "${busy[@]}"
        late=$!
        wait_for 120 holds "late$1"
        ok $? "the VMM that waits for message $1 has its tables all the same" || sed 's/^/# /' "$logs/late$1"
        kill "$late"
        wait "$late"
        ok $? "it ends well" || sed 's/^/# /' "$logs/late$1"
        wait "$tracer"
        [[ ! -e /proc/${unit[MainPID]} ]]
}
# It does nothing any more, which the service manager notices.
stop_tced() { kill -STOP "${unit[MainPID]}"; }
watched_restart() {
        mkdir -p "${drop_in%/*}"
        printf '[Service]\nWatchdogSec=10\nTimeoutAbortSec=5\n' >"$drop_in"
        systemctl daemon-reload && systemctl restart tced
}
runs() { cmp -s "/proc/${unit[MainPID]}/exe" "$1"; }
state_version() { sed -n '1s/^{"version":\([0-9]*\).*/\1/p' /run/tced/state.json; }
on_bus() { busctl call org.tced1 /org/tced1 org.freedesktop.DBus.Peer Ping >/dev/null; }
bad() { compgen -G '/run/tced/state.json.bad*'; }
traced() { [[ ! -e /proc/$1 ]] || grep -qs '^TracerPid:.[1-9]' "/proc/$1/status"; }
warnings() { dmesg | grep -E 'WARNING: CPU|Oops|BUG:|Call Trace'; }
maps() {
        local dirs=("${pids[@]/#//proc/}")
        awk '/memfd:tced|anon_inode/ { print FILENAME, $1, $5, $6 }' "${dirs[@]/%//maps}"
}
bytes() { cat "${names[@]/#/$logs/}" | awk -F= '/[.]entries=/ { n += $2 } END { print n * 8 }'; }

mkdir -p "${rule%/*}"
printf '%s\n' '[Match]' 'Kind=vio' '[Policy]' 'Accel=user' >"$rule"
cp "$program" "$logs/tced"
warnings=$(warnings)
start_tced
ok $? "systemctl start tced"
start_vmms
exec {following}< <(exec tail -qn1 -f "${names[@]/#/$logs/}")
follower=$!
wait_for 30 stored_is ${#names[@]}
ok $? "the fd store has their processes"
asked=1 from=2 lines=()
ask 0
ask 1
take_answers "all at work"
machines=$(machines) answers=$have maps=$(maps)
is "$(grep -c memfd:tced <<<"$maps") $(grep -c kvm-spapr-tce <<<"$maps")" "${#names[@]} ${#names[@]}" "each has one table mapped that is a memfd, and one of the kernel's"
[[ $(grep -cE ' 71000001=user,exits=11,.* 80000000=kernel,exits=1,' <<<"$answers") == "${#names[@]}" ]]
ok $? "each guest's hypercalls come to its VMM on the one table, and end in the kernel on the other" || echo "# ${answers//$'\n'/$'\n'# }"
look_at_unit
echo "# $SECONDS s: ${#names[@]} VMMs"

for ((i = 1; i <= kills; i++)); do through "kill $i" kill_tced; done
is "${unit[NRestarts]}" "$kills" "systemd restarted it each time"
echo "# $SECONDS s: $kills kills"

for ((i = 1; i <= upgrades; i++)); do
        through "upgrade $i" install_tced "$other"
        runs "$other"
        ok $? "upgrade $i: by the new program"
        is "$(state_version)" 2 "upgrade $i: to another state version"
        is "$(bad)" "" "upgrade $i: nothing was set aside"
        through "downgrade $i" install_tced "$logs/tced"
        runs "$logs/tced"
        ok $? "downgrade $i: by the program that was"
        is "$(state_version)" 1 "downgrade $i: to the version that was"
        is "$(bad)" /run/tced/state.json.bad "downgrade $i: what the newer one wrote is set aside"
        grep -q new_in_2 /run/tced/state.json.bad
        ok $? "downgrade $i: with what this one does not know"
        rm -f /run/tced/state.json.bad
done
echo "# $SECONDS s: $upgrades upgrades, and back"

ahead=no
for i in 1 2 3; do through "killed with message $i on its way" kill_within_message "$i"; done
ahead=yes
echo "# $SECONDS s: 3 kills in the middle of a message; longest time without a tced until here: $((longest / 1000)) ms"
! journalctl -q -u tced -o cat | grep -E 'Assertion|ABRT|SEGV|core-dump|Traceback'
ok $? "nothing in its journal that should not be"

through "a short watchdog" watched_restart
through "stuck" stop_tced
is "$(bad)" "" "nothing was set aside for all that"
echo "# $SECONDS s: stuck"
# As an upgrade of it may do. systemctl does without.
systemctl restart dbus
ok $? "the bus is restarted"
wait_for 60 on_bus
ok $? "tced is on the next one"
is "$(systemctl show tced -P MainPID)" "${unit[MainPID]}" "it is the tced that was"
is "$(machines)" "$machines" "and knows every VM"
is "$(maps)" "$maps" "every VMM has the very tables that it had"
# One for each kill on the whole, of which there are more or fewer by what the emulated processor is about.
((cut_off > 0))
ok $? "questions were on their way at kills, and the next tced answered them"
bytes=$(bytes)
end_vmms
wait_for 30 stored_is 0
ok $? "the fd store is empty"
rm "$rule" "$drop_in"
is "$(warnings)" "$warnings" "the kernel warned of nothing"
systemctl stop tced
kill "$follower"
echo "# ${#names[@]} VMMs with $((2 * ${#names[@]})) tables of $bytes bytes in all, compared $asked times: $((asked * bytes)) bytes"
echo "# $kills kills, $upgrades upgrades and as many downgrades, 3 kills within a message, 1 stuck; in $SECONDS s"
echo "# $early questions at the end of a tced, $cut_off of them not answered by it, but by the next one"
finish
