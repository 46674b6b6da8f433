#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Usage: power.sh SUITE PACKAGES OUT
#
# Debian's packages for ppc64el on the emulated POWER host of that Debian (tools/power-host): dpkg installs them, docs/tour.md is followed with
# what they installed, and they are purged. PACKAGES is a folder with what was built for ppc64el; OUT is where each test's .out and .status go.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/common.sh
. "$here/../../tools/common.sh"
suite=$1 packages=$2 out=$3
power=$TOP/tests/power
case $suite in
# The tour needs VFIO, which Linux 6.1 has not.
bookworm) kernel=6.1 tests=("$power"/packages.sh "$power"/packages-gone.sh) ;;
trixie) kernel=64k tests=("$power"/packages.sh "$power"/tour.sh "$power"/packages-gone.sh) ;;
*) die "no host of '$suite'" ;;
esac
scratch
dir=$SCRATCH/overlay/usr/lib/tced/tests
mkdir -p "$dir/packages"
cp "$power"/*.sh "$TOP/docs/tour.md" "$dir"
find "$packages" -maxdepth 1 -name '*.deb' ! -name '*-dbgsym_*' -exec cp -t "$dir/packages" {} +
rm -rf "$out"
mkdir -p "$out"
"$TOOLS/power-host/run" --kernel "$kernel" --with packages --overlay "$SCRATCH/overlay" --out "$out" --timeout 1200 --test-timeout 480 "${tests[@]}" \
        >"$out/run.log" 2>&1 || true
failed=no
for test in "${tests[@]}"; do
        name=$(basename "$test" .sh)
        # A host that could not even be made leaves nothing of its own.
        [[ -e $out/$name.status ]] || { cp "$out/run.log" "$out/$name.out"; echo 1 >"$out/$name.status"; }
        echo "# $name, on the POWER host"
        cat "$out/$name.out"
        [[ $(<"$out/$name.status") == 0 ]] || failed=yes
done
[[ $failed == no ]]
