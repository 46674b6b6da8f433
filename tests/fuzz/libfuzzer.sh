#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# libfuzzer.sh TARGET CORPUS DICTIONARY [SECONDS]: libFuzzer from the corpus on, for 8 seconds. Prints TAP, a point: nothing was found. What it
# finds it leaves in $TCED_RESULTS, or here.
set -u
target=$(realpath "$1") corpus=$(realpath "$2") dictionary=$(realpath "$3") seconds=${4:-8}
found=${TCED_RESULTS:-$PWD}/$(basename "$target").found
work=$(mktemp -d "${TMPDIR:-/tmp}/tced-fuzz.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
mkdir -p "$found" "$work/new"
if "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=16384 -dict="$dictionary" -print_final_stats=1 \
        -artifact_prefix="$found/" "$work/new" "$corpus" >"$work/log" 2>&1; then
        echo "ok 1 - $(basename "$target"): $(sed -n 's/^stat::number_of_executed_units: //p' "$work/log") inputs in $seconds s, nothing found"
        rmdir "$found" 2>/dev/null
else
        echo "not ok 1 - $(basename "$target"): nothing found"
        grep -E 'ERROR|SUMMARY|This does not hold|runtime error|    #[0-9] ' "$work/log" | head -20 | sed 's/^/# /'
        printf '# again: %q %q/*\n' "$target" "$found"
fi
echo "1..1"
