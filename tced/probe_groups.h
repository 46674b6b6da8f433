/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One IOMMU group, read from sysfs: what probe_vfio.c, probe_groups.c and probe_windows.c share, and nobody else includes. */

#include <systemd/sd-hwdb.h>

#include "facts.h"
#include "probe_net.h"

/* What the hardware database calls devices, each kind looked up once. 0; -ENOENT: there is no database; -ENOMEM. */
typedef struct DeviceNames DeviceNames;
int device_names_new(DeviceNames **ret);
DeviceNames *device_names_free(DeviceNames *names);
/* By its modalias; what has no name stays NULL. names may be NULL. 0 or -ENOMEM. */
int device_read_names(DeviceNames *names, const char *modalias, DeviceFacts *d);

/* Where groups are read from. The fds are O_PATH directories; -EBADF where there is none. */
typedef struct GroupReader {
        int groups;       /* /sys/kernel/iommu_groups */
        int vfio_class;   /* /sys/class/vfio: the kernel's own list of what /dev/vfio has */
        int vfio_nodes;   /* /dev/vfio */
        bool iommu_class; /* /sys/class/iommu has an entry */
        DeviceNames *names; /* NULL: none */
        const NetFacts *net; /* NULL: none but sysfs tells of interfaces */
} GroupReader;

/* 0; -ENOENT: it is gone; -ENOMEM. *ret is untouched on failure. */
int group_read(const GroupReader *reader, unsigned number, GroupFacts *ret);

#define ROOT_BUS_MAX 24U

/* Of a device, by where the link that leads to it does: the bridge it stands behind, and its root bus, "" where it has none. 0 or -ENOMEM. */
int device_read_way(const char *target, DeviceFacts *d, char root[ROOT_BUS_MAX]);
/* SR-IOV, interfaces, MAC, by the device's directory; address, class and driver are known. 0 or -ENOMEM. */
int device_read_topology(const GroupReader *reader, int dir, DeviceFacts *d);
/* By the root bus of all its devices. 0 or -ENOMEM. */
int group_set_phb(const GroupReader *reader, const char *root, GroupFacts *g);

/* Fills in what the device tree says about the windows of g, by the node of one of its devices (an O_PATH directory) or of the
 * bridges above it. 0 or -ENOMEM. */
int group_read_windows(int device_fd, const char *address, GroupFacts *g);
