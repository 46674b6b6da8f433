# SPDX-License-Identifier: LGPL-2.1-or-later
"""host_tree.py HOST.json DIR: DIR becomes a /sys/bus/pci/devices of that host, as far as libvirt reads IOMMU groups there."""

import json
import pathlib
import sys

host, folder = sys.argv[1:]
with open(host) as f:
    for group in json.load(f)["groups"]:
        for device in group["devices"]:
            place = pathlib.Path(folder, device["address"])
            place.mkdir(parents=True)
            (place / "iommu_group").symlink_to(f"../../../kernel/iommu_groups/{group['number']}")
