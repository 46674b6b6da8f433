#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the libvirt that is here fills in, held against what tced does: every domain of tests/unit/domain-answers.h is defined,
# some are started too, and what tced refuses libvirt must refuse. Host devices are of a made-up host: links to IOMMU groups are
# all that libvirt looks at for an address. Prints TAP.
#
#     domain-address.sh TEST-DOMAIN_ADDRESS
set -u
here=$(realpath "$(dirname "$0")")
# shellcheck source=tests/libvirt/lib.sh
source "$here/lib.sh"
libvirt_available || { echo "1..0 # SKIP $LV_WHY"; exit 0; }
libvirt_prepare || exit 1

# The function's address, and its group.
host_device() {
        mkdir -p "$LV_RUN/host/devices/$1" "$LV_RUN/host/groups/$2"
        ln -s "/run/host/groups/$2" "$LV_RUN/host/devices/$1/iommu_group"
}
host_device 0001:00:00.0 1
host_device 0002:00:00.0 2
host_device 0002:00:00.1 2
host_device 0003:00:00.0 3
host_device 0003:00:00.1 3
host_device 0004:00:00.0 4
host_device 0004:01:00.0 4
host_device 0006:00:00.0 0
truncate --size 1M "$LV_RUN/disk.img"
mkdir "$LV_RUN/domains"
"$1" --write "$LV_RUN/domains" >"$LV_RUN/domains/list" || exit 1
cp "$here/domain-address.py" "$LV_RUN/"

lv mount --bind /run/host/devices /sys/bus/pci/devices || { echo "1..0 # SKIP nothing can be mounted in /sys here"; exit 0; }
libvirt_start || exit 1
lv /usr/bin/python3 /run/domain-address.py /run/domains
