#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# tced's plans against a stock QEMU with the devices that a real libvirt decided on (README.md): judge.sh PLAN-TOOL [PART-OF-A-NAME | random SEED COUNT]. Prints TAP.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/libvirt/lib.sh
source "$here/../libvirt/lib.sh"
libvirt_available || { echo "1..0 # SKIP $LV_WHY"; exit 0; }
tool=$(realpath "$1")

# The host's PCI functions and their IOMMU groups, as libvirt reads them, are those of host.json.
libvirt_prepare || exit 1
# QEMUs that crash are what some of it is about. The limit is soft: libvirt lifts it for its VMs.
ulimit -S -c 0
/usr/bin/python3 "$here/host_tree.py" "$here/host.json" "$LV_DIR/host" || exit 1
lv mount --bind "$LV_DIR/host/devices" /sys/bus/pci/devices || exit 1
libvirt_start || exit 1
lv env PYTHONDONTWRITEBYTECODE=1 TMPDIR="$LV_DIR" /usr/bin/python3 "$here/judge.py" "$tool" "$here/host.json" "${@:2}"
