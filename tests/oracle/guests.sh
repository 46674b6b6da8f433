#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# Which 64-bit windows real Linux guests ask for, against tced's plans (README.md): guests.sh PLAN-TOOL usual|all KERNEL...
# KERNEL is one of the POWER hosts' (tools/power-host/README.md). Prints TAP.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/common.sh
source "$here/../../tools/common.sh"
# shellcheck source=tools/power-host/pieces.sh
source "$TOOLS/power-host/pieces.sh"
# shellcheck source=tests/libvirt/lib.sh
source "$here/../libvirt/lib.sh"
libvirt_available || { echo "1..0 # SKIP $LV_WHY"; exit 0; }
tool=$(realpath "$1") which=$2
shift 2

libvirt_prepare || exit 1
root=$(host_guest) || exit 1
mkdir "$LV_DIR/initrds"
kernels=()
for kernel; do
        # One that can't be had costs its own points alone.
        piece=$(host_kernel "$kernel") || { kernels+=("$kernel="); continue; }
        cat "$root/root.cpio.zst" "$piece/modules.cpio.zst" >"$LV_DIR/initrds/$kernel.cpio"
        kernels+=("$kernel=$piece/vmlinux")
done
libvirt_start || exit 1
lv env PYTHONDONTWRITEBYTECODE=1 TMPDIR="$LV_DIR" /usr/bin/python3 "$here/guests.py" "$tool" "$here/host.json" "$LV_DIR/initrds" "$which" "${kernels[@]}"
