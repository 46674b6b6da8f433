/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What becomes of a stock QEMU's KVM ioctls. Of all that pass here a few are looked at: the making of the VM and of tables, the groups of
 * KVM's VFIO device, and which hypercalls KVM may do; all others go on to the kernel as they are.
 *
 *      KVM_CREATE_VM                         the machine is claimed, its plan fetched and kept
 *      KVM_CREATE_SPAPR_TCE, _64             `kernel`: goes on; `user`: a memfd, which QEMU maps and uses as its table, so that the
 *                                            guest's hypercalls exit to it (hw/ppc: spapr_tce_alloc_table takes whatever fd it gets)
 *      KVM_DEV_VFIO_GROUP ADD, DEL           a group is added when its first table in the kernel is linked, not before: one that is
 *                                            added and never linked makes the kernel warn (virt/kvm/vfio.c)
 *      KVM_DEV_VFIO_GROUP SET_SPAPR_TCE      of a memfd: 0; QEMU then maps and unmaps by its own notifier
 *      KVM_ENABLE_CAP(PPC_ENABLE_HCALL)      of multi-TCE that policy refuses: EINVAL
 *
 * Whatever goes wrong with tced the VM starts and runs: by the plan that was fetched, or as if there were no adapter. */

#include <pthread.h>

#include "session.h"

/* ioctl(2): -1 and errno. */
typedef int (*NextIoctl)(int fd, unsigned long request, void *argument);

#define ADAPTER_GROUPS_MAX 256

typedef struct Adapter {
        NextIoctl next;
        Session session;
        pthread_mutex_t lock; /* over all but `next` and `running` */
        bool running;         /* a vCPU has run: __atomic */
        int vm_fd, vfio_fd;   /* -1: not made yet; numbers of QEMU's own fds */
        int pending[ADAPTER_GROUPS_MAX]; /* fds of groups that QEMU has added and the kernel has not seen */
        size_t n_pending;
        bool told_away;       /* it was said that tced is away */
        int log_fd;
} Adapter;

/* name: the machine's; NULL: everything goes on to the kernel. Both strings are borrowed. */
void adapter_init(Adapter *a, NextIoctl next, const char *name, const char *address);
void adapter_done(Adapter *a);

/* As ioctl(2). errno is what the caller should see. */
int adapter_ioctl(Adapter *a, int fd, unsigned long request, void *argument);
