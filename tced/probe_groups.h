/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One IOMMU group, read from sysfs: what probe_vfio.c, probe_groups.c and probe_windows.c share, and nobody else includes. */

#include <systemd/sd-hwdb.h>

#include "facts.h"
#include "probe_net.h"

/* Texts that live until they are forgotten, all at once. NULL: no memory. */
typedef struct TextChunk TextChunk;
typedef struct Texts {
        TextChunk *top;
        size_t used; /* of it */
} Texts;
char *texts_add(Texts *t, const char *text);
char *texts_format(Texts *t, const char *format, ...) __attribute__((__format__(__printf__, 2, 3)));
void texts_forget(Texts *t);
void texts_clear(Texts *t);

/* What the hardware database calls devices, each kind looked up once. 0; -ENOENT: there is no database; -ENOMEM. */
typedef struct DeviceNames DeviceNames;
int device_names_new(DeviceNames **ret);
DeviceNames *device_names_free(DeviceNames *names);
/* By its modalias; what has no name stays NULL. names may be NULL, and has the texts. 0 or -ENOMEM. */
int device_read_names(DeviceNames *names, const char *modalias, DeviceFacts *d);

#define ROOT_BUS_MAX 24U
#define NODE_MAX 256U

/* Goes from one group to the next, so that what is said for many is asked once, and memory is used again. */
typedef struct GroupScratch {
        Texts texts; /* of the group that is read, whose facts are copied when it is done */
        DeviceFacts *devices;
        size_t allocated;
        char root[ROOT_BUS_MAX]; /* whose PHB was asked for last; "": none yet */
        char *phb;               /* that */
        char node[NODE_MAX];     /* of the device tree, where windows were found last, and what: "": nowhere yet */
        GroupFacts windows;
        const char *why;
} GroupScratch;
void group_scratch_clear(GroupScratch *scratch);

/* Where groups are read from. The fds are O_PATH directories; -EBADF where there is none. */
typedef struct GroupReader {
        int groups;       /* /sys/kernel/iommu_groups */
        int vfio_class;   /* /sys/class/vfio: the kernel's own list of what /dev/vfio has */
        int vfio_nodes;   /* /dev/vfio */
        bool iommu_class; /* /sys/class/iommu has an entry */
        DeviceNames *names; /* NULL: none */
        GroupScratch *scratch;
        const NetFacts *net; /* NULL: none but sysfs tells of interfaces */
} GroupReader;

/* 0; -ENOENT: it is gone; -ENOMEM. *ret is untouched on failure. */
int group_read(const GroupReader *reader, unsigned number, GroupFacts *ret);

/* Of a device, by where the link that leads to it does: the bridge it stands behind, and its root bus, "" where it has none. 0 or -ENOMEM. */
int device_read_way(const GroupReader *reader, const char *target, DeviceFacts *d, char root[ROOT_BUS_MAX]);
/* SR-IOV, interfaces, MAC, by the device's directory; address, class and driver are known. 0 or -ENOMEM. */
int device_read_topology(const GroupReader *reader, int dir, DeviceFacts *d);
/* By the root bus of all its devices. 0 or -ENOMEM. */
int group_set_phb(const GroupReader *reader, const char *root, GroupFacts *g);

/* Fills in what the device tree says about the windows of g, by the node of one of its devices (in the directory of their links) or of the
 * bridges above it. 0; -ENOENT: that device is gone; -ENOMEM. */
int group_read_windows(const GroupReader *reader, int devices, const char *address, GroupFacts *g);
