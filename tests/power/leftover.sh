#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# A VM's tables that another process has mapped still when the VM is gone, in the VMM and in the kernel, and writes to: no later table of
# the same LIOBN is one of them, or shows a byte of theirs.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
dumps=$(mktemp -d)
windows=(--window vio:0x71000001:0:16M:12 --window pci:0x80000000:0:32M:12)

vmm() { "$POWER_HOST_TESTS/test-vmm" --name "$1" "${windows[@]}" "${@:2}"; }
tables() { grep -E 'memfd:tced|kvm-spapr-tce' "/proc/$1/maps" | awk '{ print $1, $5, $6 }'; }
memfds() { awk '/memfd:tced/ { print $5 }' "/proc/$1/maps"; }
nobody() { [[ $(manager ListMachines) == 'a(sssuuo) 0' ]]; }

start_tced
ok $? "systemctl start tced"
mkdir -p /etc/tced/rules.d
printf '%s\n' '[Match]' 'Kind=vio' '[Policy]' 'Accel=user' >/etc/tced/rules.d/50-test.rule
manager Reload >/dev/null

vmm first --puts 50 --heir 300 >"$dumps/out" 2>&1
ok $? "a VM that has ended" || sed 's/^/# /' "$dumps/out"
heir=$(sed -n 's/^heir=//p' "$dumps/out")
wait_for 10 nobody
ok $? "and that tced has forgotten"
is "$(tables "$heir" | sed 's/.*[:/]//; s/-7.*//' | sort | xargs)" "first kvm-spapr-tce" "both of its tables are mapped elsewhere"
is "$(find "/proc/$heir/fd" -type l | wc -l)" 0 "and nothing else of it is there"
before=$(tables "$heir")

for i in {1..6}; do
        mkdir "$dumps/$i"
        vmm "later$i" --puts 0 --dump "$dumps/$i" >"$dumps/out" 2>&1
        ok $? "later VM $i" || sed 's/^/# /' "$dumps/out"
        is "$(sed -n 's/\.placement//p' "$dumps/out" | sort | xargs)" "71000001=user 80000000=kernel" "$i: with the same tables"
        is "$(cat "$dumps/$i"/* | wc -l) $(cat "$dumps/$i"/* | grep -c '[^0]')" "12288 0" "$i: which show nothing of those"
done
"$POWER_HOST_TESTS/test-vmm" --name held "${windows[@]}" --puts 50 --busy --hold 60 >"$dumps/held" 2>&1 &
held=$!
wait_for 30 grep -q holding "$dumps/held"
ok $? "a VM beside them" || sed 's/^/# /' "$dumps/held"
[[ -n $(memfds $held) && $(memfds $held) != "$(memfds "$heir")" ]]
ok $? "has a memfd of its own"
kill $held
wait $held
ok $? "whose tables nobody else writes to" || sed 's/^/# /' "$dumps/held"
is "$(tables "$heir")" "$before" "the first VM's are there all the time"
kill "$heir"
rm -r /etc/tced/rules.d/50-test.rule "$dumps"
! dmesg | grep -E 'WARNING: CPU|Oops|BUG:|Call Trace'
ok $? "the kernel warned of nothing"
systemctl stop tced
finish
