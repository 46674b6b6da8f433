/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A made-up host with many IOMMU groups, as a POWER host has them, and who reads it with bare system calls. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* On tmpfs, as sysfs is in memory. */
typedef struct ScanTree {
        char root[48], sys[64], dev[64];
        unsigned groups;
        int sys_fd;
} ScanTree;

#define SCAN_DEVICES 4U /* in each group */

/* Makes it. Every fourth group is the host's, and one of its cards has a network interface; in every fourth there is a virtual function; the
 * rest of them is on vfio-pci. */
ScanTree scan_tree_make(unsigned groups);
void scan_tree_remove(ScanTree *tree);
/* "0001:02:00.3", by which it is in /sys/bus/pci/devices. */
void scan_device_address(unsigned group, unsigned function, char ret[16]);
/* Gives a device another driver, which changes what is said of its group. */
void scan_device_drive(const ScanTree *tree, unsigned group, unsigned function, const char *driver);

/* What was there to be read, so that two who read the same can be held against each other. */
typedef struct ScanCount {
        unsigned long groups, names, devices, modaliases, drivers, numa_nodes, physfns, vf_numbers, totals, macs, windows, phbs, nodes;
} ScanCount;

/* Reads it with the calls that there must be, and looks at no more of what comes than to know which calls those are. */
ScanCount scan_bare(const ScanTree *tree);

/* A child whose /sys is the tree's, where libudev takes it for one. */
typedef struct ScanUdev {
        pid_t pid;
        int fd;
} ScanUdev;

ScanUdev scan_udev_start(const ScanTree *tree);
void scan_udev_stop(ScanUdev *udev);
/* Has it read all once: the nanoseconds that it took, and how many devices there were. */
int64_t scan_udev_run(const ScanUdev *udev, ScanCount *ret);
