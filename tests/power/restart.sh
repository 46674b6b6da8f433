#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# tced is killed, stopped and started under the real systemd while guests run on its tables: none of them notices, and it knows them all again.
set -u
shopt -s extglob
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
# shellcheck source=tests/power/restart-lib.sh
source "$POWER_HOST_TESTS/restart-lib.sh"

mkdir -p /etc/tced/rules.d
printf '[Match]\nKind=vio\n[Policy]\nAccel=user\n' >/etc/tced/rules.d/50-vio.rule
start_tced
ok $? "systemctl start tced"
start_vmms
is "$(stat -c '%U %a' /run/tced/state.json)" "tced 600" "the state is tced's alone"
wait_for 10 stored_is ${#names[@]}
ok $? "the fd store has their processes"
before=$(machines)
for pid in "${pids[@]}"; do tables "$pid"; done >"$logs/tables.before"
is "$(grep -c memfd:tced "$logs/tables.before") $(grep -c kvm-spapr-tce "$logs/tables.before")" "${#names[@]} ${#names[@]}" "each has two of them mapped"
like "$before" '*"state":"handed-out"*"state":"made"*' "their tables were handed out, and made"

# Again and again, and under load: kill.sh; restart-qemu.sh, with a stock QEMU beside them.
killed_and_back
ok $? "killed: the next request is answered by the next one"
is "$(machines)" "$before" "which knows all that was known"
is "$(stored)" ${#names[@]} "each process is in the fd store once"
is "$(systemctl show -P NRestarts tced)" 1 "systemd restarted it"
for pid in "${pids[@]}"; do tables "$pid"; done >"$logs/tables.after"
is "$(<"$logs/tables.after")" "$(<"$logs/tables.before")" "every VMM has the very tables that it had"
[[ ! -e /run/tced/state.json.bad && ! -e /run/tced/state.json.failed ]]
ok $? "nothing was set aside, no failure counted"

# What a VM that waits has is there, too.
busctl call -- org.tced1 /org/tced1 org.tced1.Manager RegisterMachine 'ssa(ssuttubi)a{sv}t' waits "" 1 vio eth0 0x71000001 0 0x10000000 12 false -1 0 0 >/dev/null
killed_and_back
like "$(machines)" '*"name":"waits"*"state":"ready"*' "a table that was not handed out is there, made again"
vmm later
later=$!
wait_for 60 holds later
ok $? "a VM is registered and claimed as ever"

# A stop empties the store.
before=$(machines)
systemctl stop tced
is "$(stored)" 0 "systemctl stop: the fd store is empty"
kill -9 $later
wait $later 2>/dev/null
systemctl start tced
after=$(machines)
like "$after" '*"name":"web1"*' "systemctl start: the VMs are found by their PIDs"
[[ $after != *'"name":"later"'* ]]
ok $? "the one that ended meanwhile is not"
is "$(grep -o '"name":"[a-z0-9]*","uuid"' <<<"$after" | wc -l)" $((${#names[@]} + 1)) "all the others are"
wait_for 10 stored_is ${#names[@]}
ok $? "their processes are in the fd store again"

# A VMM that connects again finds its machine.
end_vmms
wait_for 10 stored_is 0
ok $? "the fd store is empty"

# A state that is none.
systemctl stop tced
echo '{"version":99}' >/run/tced/state.json
systemctl start tced
ok $? "a newer tced's state: it starts"
like "$(tcectl --json=short status)" '*"state-not-kept"*' "status says that it was set aside"
[[ -n $(journalctl -q -b -o cat MESSAGE_ID=e1c7d2a94f3b4c0d8a6e5b7f90c3d104) ]]
ok $? "so does the journal"
rm /run/tced/state.json.bad
tcectl rescan && [[ $(tcectl --json=short status) != *state-not-kept* ]]
ok $? "and no more when it is removed"
! journalctl -q -u tced -o cat | grep -E 'Assertion|ABRT|SEGV|core-dump|Traceback'
ok $? "nothing in its journal that should not be"
systemctl stop tced
finish
