/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The block devices of this host, what stands on what, and what is mounted or swapped to: for probe_use.c, and nobody else includes it. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef enum BlockKind {
        BLOCK_PLAIN, /* a disk, a partition */
        BLOCK_DM,
        BLOCK_LVM,   /* device mapper's, made by LVM */
        BLOCK_MD,
        BLOCK_LOOP,
        BLOCK_OTHER, /* bcache, DRBD, ...: whatever holds another */
} BlockKind;

typedef struct BlockDevice {
        char *name;     /* "dm-3", as sysfs has it */
        char *node;     /* "/dev/mapper/vg-root" */
        char *dm_name;  /* of device mapper's; NULL */
        char *dm_uuid;  /* "LVM-...", "mpath-..."; NULL */
        char *path;     /* where it is in sysfs: "/devices/pci0000:00/..." */
        dev_t number;   /* 0: it can't be opened */
        BlockKind kind;
        bool partition;
        bool swap;
        size_t disk;    /* a partition's; SIZE_MAX */
        char **mounts;  /* where, in the order of the mounts; raw bytes */
        size_t n_mounts, mounts_allocated;
        size_t first_upper, n_uppers; /* among BlockFacts.uppers: what stands on it, and its partitions */
} BlockDevice;

typedef struct BlockUpper {
        size_t lower, upper; /* positions of devices */
} BlockUpper;

typedef struct BlockFacts {
        BlockDevice *devices; /* by name */
        size_t n_devices, devices_allocated;
        BlockUpper *uppers;   /* by lower */
        size_t n_uppers, uppers_allocated;
        size_t *by_number, *by_node; /* positions */
        struct BlockLink *links;     /* udev's other names of them, read when they are asked for */
        size_t n_links, links_allocated;
        bool links_read;
} BlockFacts;

/* -ENOMEM; what can't be read is left out. block_facts_clear() in any case. */
int block_facts_read(const char *sys, const char *proc, const char *run, BlockFacts *ret);
void block_facts_clear(BlockFacts *facts);

/* A property that udev keeps of a device, to be freed; NULL: none. *ret_error: 0 or -ENOMEM. */
char *block_property(const BlockDevice *device, const char *run, const char *key, int *ret_error);
