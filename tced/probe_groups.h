/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One IOMMU group, read from sysfs: what probe_vfio.c, probe_groups.c and probe_windows.c share, and nobody else includes. */

#include <systemd/sd-hwdb.h>

#include "facts.h"

/* Where groups are read from. The fds are O_PATH directories; -EBADF where there is none. */
typedef struct GroupReader {
        int groups;       /* /sys/kernel/iommu_groups */
        int vfio_class;   /* /sys/class/vfio: the kernel's own list of what /dev/vfio has */
        int vfio_nodes;   /* /dev/vfio */
        bool iommu_class; /* /sys/class/iommu has an entry */
        sd_hwdb *hwdb;    /* NULL: no names */
} GroupReader;

/* 0; -ENOENT: it is gone; -ENOMEM. *ret is untouched on failure. */
int group_read(const GroupReader *reader, unsigned number, GroupFacts *ret);

/* Fills in what the device tree says about the windows of g, by the node of one of its devices (an O_PATH directory) or of the
 * bridges above it. 0 or -ENOMEM. */
int group_read_windows(int device_fd, const char *address, GroupFacts *g);
