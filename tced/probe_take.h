/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An idle IOMMU group taken from the host for a moment, and windows made in its container: what probe_link.c and probe_ddw.c share,
 * and nobody else includes. From the first window on the container obeys the calling process alone
 * (vfio_iommu_spapr_tce.c:tce_iommu_mm_set): only in a child. */

#include "kvm-abi.h"
#include "probe_kvm.h"

/* Windows that a container has at most (arch/powerpc/include/asm/iommu.h:IOMMU_TABLE_GROUP_MAX_TABLES), whatever the kernel says: a
 * partition whose firmware makes none is told as having 2^32 - 1. */
#define TAKEN_WINDOWS_MAX 2U

/* How far it got: what is set or open has to be undone. The group is the caller's. */
typedef struct TakenGroup {
        const KvmOps *ops;
        int group, container;
        bool attached;
        uint32_t type; /* VFIO_EXT_SPAPR_TCE_V2 or VFIO_EXT_SPAPR_TCE, */
        int v2_error;  /* which it is where v2 was refused with this (negative) */
        struct vfio_spapr_info info;
        uint64_t windows[TAKEN_WINDOWS_MAX]; /* bus addresses, in the order in which they were made */
        unsigned n_windows;
        const char *step; /* what was tried last: the one that failed */
} TakenGroup;

#define TAKEN_GROUP_INIT(o, fd) { .ops = (o), .group = (fd), .container = -EBADF }

/* A container with the group attached, its type set to v2, or where the kernel refuses that and v1 would do, v1; and what it says of
 * windows. The host loses the group's default window by it until taken_group_undo(). 0 or negative errno; -EOPNOTSUPP: this VFIO knows
 * neither type. */
int taken_group_attach(TakenGroup *t, const char *dev, bool v1);

/* Calls the default window off, which is only noted so far: left alone, the first window that is made makes it too
 * (vfio_iommu_spapr_tce.c:tce_iommu_create_default_window). Negative errno. */
int taken_group_drop_default(TakenGroup *t);
/* Makes a window of one level; args->start_addr is where. Negative errno. */
int taken_group_make_window(TakenGroup *t, struct vfio_spapr_create *args);
/* Removes the one that was made last. Negative errno. */
int taken_group_remove_window(TakenGroup *t);

/* Backwards. What fails is only passed over: closing the fds undoes the same, and the child ends. */
void taken_group_undo(TakenGroup *t);

/* Windows and tables are charged to locked memory: with 2 GiB of 4 KiB pages more than the usual limit of 8 MiB. */
void probe_raise_memlock(void);
