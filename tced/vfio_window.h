/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The hardware's side of a window with VFIO devices: the table that QEMU asks the host for, beside the one that the guest
 * fills in (hw/vfio/spapr.c:vfio_spapr_create_window). Pure.
 *
 * * backing: the pages that the guest's RAM is backed with; page_size: the host's; bytes, powers of two. */

#include "facts.h"
#include "policy.h"

/* What drivers/vfio/vfio_iommu_spapr_tce.c:tce_iommu_create_table() charges to the VMM's locked memory for it, in bytes:
 * memlock.h has the rule. 0 where QEMU or the kernel would refuse it for what it is. */
uint64_t vfio_window_charge(const Window *window, uint64_t backing, const VfioFacts *vfio, uint64_t page_size);

/* Is it one that QEMU before 10.1 can't have on this host? Where its table has more than 256 pages of the host's it asks for
 * several levels, which a partition's kernel refuses whatever their number (platforms/pseries/iommu.c:spapr_tce_create_table).
 * The device is refused then, or, where it is the guest that makes its 64-bit window, QEMU ends. With pages of 4 KiB that is
 * every default window, with 64 KiB a 64-bit one of more than 128 GiB, but for huge pages. 10.1 asks for what the host has
 * (its commit d5e8e6195bcd). */
bool vfio_window_needs_new_qemu(const Window *window, uint64_t backing, const VfioFacts *vfio, uint64_t page_size);
