#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# The program in docs/vmm.md: it is compiled as a VMM's author would, and run against a real tced.
# Usage: vmm-tour.sh LIBRARY TCED -fsanitize=LIST|none COMPILER... Prints TAP.
# shellcheck disable=SC2016,SC2317 # what is in backquotes here is Markdown; finish() is a trap's
set -uo pipefail
library=$(realpath "$1") tced=$(realpath "$2") compiler=("${@:4}")
# A library with a sanitizer in it wants a program with the same.
[[ $3 == *=none ]] || compiler+=("$3")
cd "$(dirname "$0")/../.." || exit 1
page=docs/vmm.md
work=$(mktemp -d)
pid=
finish() {
        [[ -z $pid ]] || { kill "$pid"; wait "$pid"; } 2>/dev/null
        rm -rf "$work"
}
trap finish EXIT

# shellcheck source=tests/points.sh
source tests/points.sh

sed -n '/^```c$/,/^```$/{/^```/!p}' "$page" >"$work/vmm.c"
lines=$(wc -l <"$work/vmm.c")
((lines > 40 && lines <= 65))
point $? "the tour is about 60 lines" "it has $lines"
said=$("${compiler[@]}" -std=gnu17 -Wall -Wextra -Werror -o "$work/vmm" "$work/vmm.c" -I libtced "$library" -Wl,-rpath,"${library%/*}" 2>&1)
point $? "it compiles, without a warning" "$said"

mkdir "$work/run" "$work/sys" "$work/dev" "$work/proc" "$work/root"
env -u DBUS_SESSION_BUS_ADDRESS -u NOTIFY_SOCKET XDG_RUNTIME_DIR="$work/run" "$tced" --user --socket="$work/socket" --config-root="$work/root" \
        --sys="$work/sys" --dev="$work/dev" --bind-socket="$work/bind" --libvirt-run="$work/libvirt" >"$work/log" 2>&1 &
pid=$!
for ((i = 0; i < 200; i++)); do [[ -S $work/socket ]] && break; sleep 0.05; done
said=$("$work/vmm" "unix:path=$work/socket" 2>&1)
point $? "it runs" "$said"$'\n'"$(cat "$work/log")"
# For this tced there is no KVM, as --dev= is empty: the tables are where the page has them.
[[ $said == "$(sed -nE 's/^    (80000000: .*|TCE of .*)/\1/p' "$page")" ]]
point $? "it prints what the page says" "$said"
said=$("$work/vmm" "unix:path=$work/nothing" 2>&1)
(($? == 1)) && [[ $said == "no tced: No such file or directory" ]]
point $? "without a tced it says so" "$said"
points_done
