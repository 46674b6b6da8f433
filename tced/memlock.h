/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Locked memory of a VM, by two figures: what libvirt sets as RLIMIT_MEMLOCK, and what the kernel will really charge. Pure. */

#include "domain.h"
#include "facts.h"
#include "plan.h"

typedef struct Memlock {
        bool limit_unlimited;
        uint64_t limit;   /* bytes; 0 (and not unlimited): libvirt sets none */
        uint64_t charged; /* bytes: tables by the kernel's rule, VFIO windows, guest memory */
} Memlock;

/* src/qemu/qemu_domain.c: qemuDomainGetMemLockLimitBytes(), getPPC64MemLockLimitBytes(). The domain is completed (its PHBs count). */
void memlock_limit(const Domain *d, const VfioFacts *vfio, bool *ret_unlimited, uint64_t *ret_bytes);

/* arch/powerpc/kvm/book3s_64_vio.c (tables), drivers/vfio/vfio_iommu_spapr_tce.c (windows, registered memory). Counts the dynamic
 * window that Linux takes. */
uint64_t memlock_charged(const Domain *d, const Plan *plan, const VfioFacts *vfio, uint64_t page_size);
