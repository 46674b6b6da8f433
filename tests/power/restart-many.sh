#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# As many machines as there may be, on pages of 4 KiB, under the real systemd: all of their pidfds come back in one environment variable, whose
# length the page size bounds (MAX_ARG_STRLEN). A few processes stand for all of them.
set -u
shopt -s extglob
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
# shellcheck source=tests/power/restart-lib.sh
source "$POWER_HOST_TESTS/restart-lib.sh"
# tced.conf(5): MachinesMax=
many=4096
names=(web{1..3})

start_tced
ok $? "systemctl start tced"
start_vmms
wait_for 10 stored_is ${#names[@]}
ok $? "the fd store has their processes"
systemctl stop tced
cp -p /run/tced/state.json "$logs/state.json"
awk -v n=$many '
        NR == 1 { print; next }
        /"process":/ { sub(/, *$/, ""); lines[k++] = $0 }
        END {
                for (i = 0; i < n; i++) {
                        line = lines[i % k]
                        sub(/"uuid":"[0-9a-f]*"/, sprintf("\"uuid\":\"%032x\"", i), line)
                        sub(/"name":"[^"]*"/, "\"name\":\"many" i "\"", line)
                        sub(/"serial":[0-9]*/, "\"serial\":" i + 1, line)
                        print line (i < n - 1 ? "," : "")
                }
                print "]}"
        }' "$logs/state.json" >/run/tced/state.json
systemctl start tced
ok $? "$many machines: it starts"
wait_for 300 stored_is $many
ok $? "each has its pidfd in the fd store" || echo "# $(stored)"
all_there() { [[ $(manager ListMachines) == "a(sssuuo) $many "* ]]; }
all_there
ok $? "it has all of them"
# Emulated, a start with as many takes longer than busctl waits for an answer.
back() { [[ $(main_pid) != 0 && $(main_pid) != "$before" ]] && all_there; }
before=$(main_pid)
kill -9 "$before"
wait_for 90 back
ok $? "killed, it is there again with all of them"
is "$(stored)" $many "and with their pidfds"
pid=$(main_pid)
passed=$(tr '\0' '\n' <"/proc/$pid/environ" | sed -n 's/^LISTEN_FDNAMES=//p')
echo "# LISTEN_FDNAMES: ${#passed} bytes; VmRSS $(awk '/VmRSS/ { print $2 }' "/proc/$pid/status") kB"
is "$(tr ':' '\n' <<<"$passed" | grep -cE '^.{1,6}$')" $many "each came back by a name of its own, of 6 characters at most"
systemctl stop tced
cp -p "$logs/state.json" /run/tced/state.json
systemctl start tced
end_vmms
wait_for 10 stored_is 0
ok $? "the fd store is empty"
! journalctl -q -u tced -o cat | grep -E 'Assertion|ABRT|SEGV|core-dump|Traceback'
ok $? "nothing in its journal that should not be"
systemctl stop tced
finish
