#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# Holds the tree against HACKING.md: which part may include which, how long files and functions are, whose licence they name. Prints TAP.
# The order of the parts is the order of the daemon's sources in tced/meson.build.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

points=0 failed=0
point() { # NAME PROBLEMS
        points=$((points + 1))
        if [[ -z $2 ]]; then
                echo "ok $points - $1"
        else
                failed=$((failed + 1))
                echo "not ok $points - $1"
                sed 's/^/# /' <<<"$2"
        fi
}

sources() {
        find common tced libtced tcectl hooks adapters tests tools .ci -type f \( -name '*.c' -o -name '*.h' -o -name '*.sh' \) | sort
}

# The family of a source: manager_register.c, manager_internal.h and manager.c are one.
family() { sed 's/[_.].*//; s/^conf$/config/' <<<"$1"; }

include_order() {
        local -A rank=()
        local n=0 part header
        while read -r part; do
                rank[$part]=$((n += 1))
        done < <(sed -n "/^libtced\(plan\|core\) = /,/^)/s/^  '\(.*\)\.c',/\1/p" tced/meson.build)
        [[ $n -gt 10 ]] || echo "tced/meson.build: no list of the daemon's sources found"
        for part in "${!rank[@]}"; do
                for file in "tced/$part.c" "tced/$part.h"; do
                        [[ -e $file ]] || continue
                        while read -r header; do
                                header=${header%.h}
                                [[ -n ${rank[$header]:-} ]] || continue
                                [[ $(family "$header") == "$(family "$part")" ]] && continue
                                [[ ${rank[$header]} -lt ${rank[$part]} ]] || echo "$file includes $header.h, a part below it"
                        done < <(sed -n 's/^#include "\(.*\)"/\1/p' "$file")
                done
        done
}

bus_is_outermost() {
        grep -ln '#include "dbus' tced/*.c tced/*.h | grep -vE '^tced/(dbus[a-z_]*|main)\.[ch]$' | sed 's/$/ includes the bus face/'
}

# Of the daemon's parts only the planner is for others, and of tcectl only the file that plans without tced may have it.
rooms_apart() {
        local planner file header
        planner=$(sed -n "/^libtcedplan = /,/^)/s/^  '\(.*\)\.c',/\1/p" tced/meson.build)
        for file in common/*.[ch] libtced/*.[ch] tcectl/*.[ch]; do
                while read -r header; do
                        [[ -e tced/$header && ! -e ${file%/*}/$header ]] || continue
                        [[ $file == tcectl/offline.c ]] && grep -qx "${header%.h}" <<<"$planner" && continue
                        echo "$file includes $header, a part of the daemon"
                done < <(sed -n 's/^#include "\(.*\)"/\1/p' "$file")
        done
}

pure_parts() {
        grep -nE '\b(open|openat|ioctl|read|write|socket|fopen|getenv)\(' tced/policy.c tced/plan.c tced/finding.c
}

long_files() {
        sources | xargs wc -l | awk '$2 != "total" && $1 > 800 { print $2 ": " $1 " lines" }'
}

long_functions() {
        sources | grep '\.c$' | xargs awk '
                /^[a-zA-Z_].*\{$/ && !/^(struct|union|enum|typedef|static const|const|extern)/ || /^ +.*\) \{$/ && start == 0 && head { start = FNR; name = $0 }
                { head = /^[a-zA-Z_].*[,(]$/ || (head && /^ .*[,]$/) }
                /^\}/ { if (start && FNR - start > 100) print FILENAME ": " FNR - start " lines: " name; start = 0 }'
}

# A message that is kept is a request in flight, which is counted; or its sender is not known yet, which has a limit of its own.
uncounted_requests() {
        grep -nE 'sd_bus_message_ref\(' tced/*.c | grep -vE '^tced/dbus_(request|sender).c'
}

unlicensed() {
        git ls-files 2>/dev/null | grep -vE '(^COPYING|\.gitignore|/corpus/.*|\.json|^debian/(changelog|source/format))$' | while read -r file; do
                [[ -f $file ]] || continue
                head -n 5 "$file" | grep -q 'SPDX-License-Identifier: LGPL-2.1-or-later' || echo "$file"
        done
}

point "every part includes only parts above it" "$(include_order)"
point "nothing but main includes the bus face" "$(bus_is_outermost)"
point "common, libtced and tcectl stand without the daemon, but for the planner in tcectl/offline.c" "$(rooms_apart)"
point "policy, plan and findings do no I/O" "$(pure_parts)"
point "no file has more than 800 lines" "$(long_files)"
point "no function has more than 100 lines" "$(long_functions)"
point "a message that is answered later is kept by dbus_request alone" "$(uncounted_requests)"
point "every file names its licence" "$(unlicensed)"
echo "1..$points"
exit $((failed > 0))
