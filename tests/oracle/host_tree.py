# SPDX-License-Identifier: LGPL-2.1-or-later
"""host_tree.py HOST.json DIR: DIR/devices becomes a /sys/bus/pci/devices of that host, as far as libvirt reads IOMMU groups there."""

import json
import pathlib
import sys

host, folder = sys.argv[1:]
with open(host) as f:
    for group in json.load(f)["groups"]:
        for device in group["devices"]:
            place, to = pathlib.Path(folder, "devices", device["address"]), pathlib.Path(folder, "groups", str(group["number"])).absolute()
            place.mkdir(parents=True)
            # libvirt wants it to lead somewhere.
            to.mkdir(parents=True, exist_ok=True)
            (place / "iommu_group").symlink_to(to)
