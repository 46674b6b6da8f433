/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What this host uses its PCI devices for right now, each with what ends that: file systems, swap space, what device mapper, RAID and LVM
 * have of a disk; a network interface's bridge, bond or default route. What a whole look costs goes with block devices and interfaces,
 * and asking by address costs nothing. Nobody's use of a disk without any of that (a VMM that opened it, a target of iSCSI's) is seen. */

#include <stddef.h>

#include "probe_net.h"

/* In the order in which they are told: what would be missed most comes first. */
typedef enum DeviceUse {
        DEVICE_USE_MOUNTED,
        DEVICE_USE_SWAP,
        DEVICE_USE_DM,     /* device mapper: multipath, encryption, ... */
        DEVICE_USE_MD,     /* a member of a RAID, assembled or not */
        DEVICE_USE_LVM,    /* a physical volume, its volumes active or not */
        DEVICE_USE_MEMBER, /* of something else: bcache, ZFS, Ceph, DRBD, ... */
        DEVICE_USE_BRIDGE, /* an interface that is a bridge's port, Open vSwitch's too */
        DEVICE_USE_BOND,
        DEVICE_USE_PORT,   /* of a team, a VRF, ...; or a VLAN, macvtap, ... that stands on it is up */
        DEVICE_USE_DEFAULT_ROUTE,
        _DEVICE_USE_MAX,
} DeviceUse;

/* "mounted", "swap", "dm", "md", "lvm", "member", "bridge", "bond", "port", "default-route" */
const char *device_use_to_string(DeviceUse use);
int device_use_from_string(const char *text);

/* Both are one line of UTF-8 that a terminal can't obey, and shorter than this. */
#define USE_TEXT_MAX 161

/* The remedy where the use is data that nobody has taken up: whether they matter is not for tced to say, and nothing but their loss ends it. */
#define USE_REMEDY_FORCE "bind it with --force if a VM is to have what is on it"

typedef struct DeviceUseFact {
        DeviceUse use;
        char *text;   /* "/dev/nvme0n1p2 is mounted on /var" */
        char *remedy; /* "umount /var", to be typed in a shell */
} DeviceUseFact;

typedef struct UseFacts UseFacts;

/* Reads below sys ("/sys"), proc ("/proc") and run ("/run", for udev's database); blocks for no more than the file system does. Mounts are
 * those of process 1, or of the caller where these can't be read. net may be NULL: of interfaces no more is known than whose ports they
 * are. What can't be read is left out. 0 or -ENOMEM. */
int use_facts_read(const char *sys, const char *proc, const char *run, const NetFacts *net, UseFacts **ret);
UseFacts *use_facts_free(UseFacts *facts);

/* What the device at a PCI address is used for, or any of the virtual functions that would go with it; by use. NULL and 0: nothing. facts may
 * be NULL. */
const DeviceUseFact *use_facts_find(const UseFacts *facts, const char *address, size_t *ret_n);
