#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# What libtced exports, against its map and its header; and the header as a VMM's compiler sees it. Usage: symbols.sh LIBRARY. Prints TAP.
set -uo pipefail
library=$1
folder=$(dirname "$0")/../../libtced

points=0 failed=0
same() { # NAME HAVE WANT
        points=$((points + 1))
        if [[ $2 == "$3" ]]; then
                echo "ok $points - $1"
        else
                failed=1
                echo "not ok $points - $1"
                diff <(echo "$2") <(echo "$3") | sed -n 's/^[<>]/# &/p'
        fi
}

exported=$(nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort)
mapped=$(sed -n 's/^ *\(tced_[a-z_]*\);/\1/p' "$folder/libtced.sym" | sort)
declared=$(grep -oE '\btced_[a-z0-9_]+\(' "$folder/tced.h" | tr -d '(' | sort -u)
versions=$(nm -D --defined-only --with-symbol-versions "$library" | awk '$2 == "T"' | sed -n 's/.*@@*//p' | sort -u)

[[ $(wc -l <<<"$exported") -gt 30 ]]
same "the library exports something" $? 0
same "what it exports is what the map says" "$exported" "$mapped"
same "all of it is declared in tced.h, and nothing else" "$declared" "$mapped"
same "every name is tced's" "$(grep -v '^tced_' <<<"$exported")" ""
same "every symbol has a version" "$versions" $'LIBTCED_1\nLIBTCED_2'
errors=$(echo '#include "tced.h"' | cc -std=c99 -pedantic -Wall -Wextra -Werror -fsyntax-only -I "$folder" -x c - 2>&1)
same "the header stands alone, in C99" "$errors" ""
echo "1..$points"
exit $failed
