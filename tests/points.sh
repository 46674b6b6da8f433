# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash

# What shell tests of this machine print, TAP (those of the POWER host have tests/power/lib.sh). Sourced.

points=0 failed=0

# point STATUS NAME [TEXT]: good where STATUS is 0; else the text tells why.
point() {
        points=$((points + 1))
        if (($1 == 0)); then echo "ok $points - $2"; return; fi
        failed=$((failed + 1))
        echo "not ok $points - $2"
        head -n 20 <<<"${3:-}" | sed 's/^/# /'
}

# problems NAME PROBLEMS: good where there are none.
problems() {
        local status=0
        [[ -z $2 ]] || status=1
        point $status "$1" "$2"
}

# skip WHY NAME
skip() {
        points=$((points + 1))
        echo "ok $points - $2 # SKIP $1"
}

# The plan; its status is the script's.
points_done() {
        echo "1..$points"
        ((failed == 0))
}
