#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# The end of what packages.sh began: they are purged, and nothing of them stays that would run.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"

said=$(dpkg --purge tced-qemu tced libtced-dev libtced1 2>&1)
ok $? "dpkg purges them" || while read -r line; do echo "#   $line"; done <<<"$said"
# The tests are in a folder of theirs.
is "$(grep -iE 'warning|error|failed' <<<"$said" | grep -v "'/usr/lib/tced' not empty")" "" "and has no warning"
is "$(systemctl list-units --all --no-legend 'tced*' | grep -vc not-found)" 0 "nothing of tced is running"
is "$(find / -xdev \( -path /proc -o -path /sys -o -path /usr/lib/tced/tests -o -path /usr/lib/power-host -o -path /tmp -o -path /run \) -prune \
        -o -name '*tced*' ! -path /usr/lib/tced -print)" "" "nothing is left that has its name"
wait_for 10 sh -c '[ ! -e /run/tced ] && [ ! -e /run/tced-bind ]'
ok $? "nor in /run"
is "$(dpkg --audit 2>&1)" "" "nothing is half done"
finish
