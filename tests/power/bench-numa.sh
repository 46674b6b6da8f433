#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# NumaNode= on a host with two nodes: every page of a table is on the node that a rule names, by what the kernel says of each.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
rules=/etc/tced/rules.d

# nodes NAME NODE: a VM's table of 32 MiB, in the VMM, on that node.
nodes() {
        local output pages there
        mkdir -p $rules
        printf '%s\n' '[Match]' "Machine=$1" '[Policy]' 'Accel=user' "NumaNode=$2" >$rules/50-test.rule
        manager Reload >/dev/null
        output=$("$POWER_HOST_TESTS/test-vmm" --name "$1" --window pci:0x80000000:0:16G:12 --nodes 2>&1)
        ok $? "$1: a guest with a table of 32 MiB" || sed 's/^/# /' <<<"$output"
        pages=$(sed -n 's/^80000000.pages=//p' <<<"$output")
        is "$(sed -n 's/^80000000.placement=//p' <<<"$output") $pages" "user $((32 * 1024 * 1024 / $(getconf PAGESIZE)))" "$1: it is in the VMM"
        is "$(sed -n 's/^80000000.nodes=//p' <<<"$output")" "$2:$pages" "$1: all of its pages are on node $2"
        there=$(sed -n "s/^80000000.nodes=.*\b$2:\([0-9]*\).*/\1/p" <<<"$output")
        row "power-node$2" "pages of a table not on its node, NumaNode=$2" "all of them, by move_pages" count $((pages - ${there:-0})) "$pages" at-most 0
}

is "$(cat /sys/devices/system/node/has_memory)" 0-1 "two nodes have memory"
start_tced
ok $? "systemctl start tced"
nodes first 0
nodes second 1
rm -f $rules/50-test.rule
systemctl stop tced tced-bind.socket tced-bind
finish
