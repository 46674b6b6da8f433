/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Locked memory of a VM, by two figures: what libvirt sets as RLIMIT_MEMLOCK, and what the kernel will really charge. Pure. */

#include "domain.h"
#include "domain_layout.h"
#include "facts.h"
#include "plan.h"

typedef struct Memlock {
        bool limit_unlimited;
        uint64_t limit;   /* bytes; UINT64_MAX where unlimited; 0: libvirt sets none, the process keeps what it inherits */
        uint64_t charged; /* bytes: tables by the kernel's rule, VFIO windows, guest memory */
        uint64_t charged_at_start; /* the same before the guest asks for 64-bit windows */
} Memlock;

/* What libvirt 11.3 sets before QEMU is executed (src/qemu/qemu_process.c:qemuProcessLaunch, virCommandSetMaxMemLock), by
 * src/qemu/qemu_domain.c:qemuDomainGetMemLockLimitBytes() on memory that is rounded up as for a new start. The domain is
 * completed (its PHBs count). In KiB, divisions as they stand:
 *
 *   <hard_limit>                                  where it is set, to 0 as well
 *   unlimited                                     else where <locked/> is
 *   max/128 + 4096 × PHBs + 8192 + passthrough    else on ppc64 with type='kvm', with nothing passed through as well:
 *     passthrough = max + 268435456 × PHBs + 8192          where an NVLink2 device is passed through
 *                 = the larger of 2097152 × PHBs
 *                   and total + total/512 × PHBs + 8192    where a PCI function, mdev, NVMe disk or vDPA interface is
 *                 = 0                                      elsewhere
 *   0                                             else where nothing is passed through
 *   total × devices + 1048576                     else: each vDPA device and NVMe disk, and all PCI functions and mdevs
 *                                                 together once, or each where there is an <iommu>
 *
 * From 9007199254740991 bytes on, setrlimit() is given RLIM_INFINITY (src/util/virprocess.c:virProcessSetMaxMemLock). libvirt 9.0
 * has the same for ppc64; in the last line it counts NVMe disks among the PCI functions and knows no vDPA disks. */
void memlock_limit(const Domain *d, const VfioFacts *vfio, bool *ret_unlimited, uint64_t *ret_bytes);

/* VmLck of the VMM, as the kernel counts it once the guest has made the 64-bit windows that Linux takes: `plan` has those tables in
 * the kernel that KVM will hold, which with a stock QEMU is not what rules say. P is the host's page
 * size, of which every term is a multiple:
 *
 *     for each table in the kernel (kernel or kernel-vfio in the plan)
 *         ceil(8 × TCEs / P) × P + ceil((120 + 8 × pages) / P) × P      arch/powerpc/kvm/book3s_64_vio.c
 *   + where VFIO is there, all RAM in the guest's address space, once however many PHBs have VFIO devices
 *         memory at start + DIMMs (less NVDIMMs' labels) + a display's  arch/powerpc/mm/book3s64/iommu_api.c:mm_iommu_do_alloc
 *   + for each window of a PHB with VFIO devices, in each container:    drivers/vfio/vfio_iommu_spapr_tce.c
 *         on a partition floor(8 × T / P) × P                           platforms/pseries/iommu.c:spapr_tce_get_table_size
 *         on bare metal 2 × the sum over its levels                     powernv/pci-ioda.c:pnv_pci_ioda2_get_table_size
 *   + where <locked/> is set, the RAM once more: QEMU locks all of itself, so this is the least of it;
 *         not where it is of huge pages, which locking does not count       mm/mlock.c:mlock_fixup
 *
 * T counts the hardware's entries: QEMU makes the window with the largest page of the host's that exceeds neither the guest's nor
 * that which its RAM is backed with (hw/vfio/spapr.c:vfio_spapr_create_window), so 4 KiB in the default window, and P or a huge
 * page in a 64-bit one. A container is one PHB's; on a partition each IOMMU group of the PHB has its own, as a group there can't
 * use another's window (spapr_tce_set_window). An unknown platform counts as bare metal: that is the larger figure.
 *
 * A table in the VMM costs nothing here, so all that is left of a domain of type 'qemu' is what VFIO takes. VFIO
 * registers huge pages like others, in pages of P. Of displays the primary one counts: vga and bochs with their
 * <model vram=> (16 MiB where not given), virtio with 8 MiB. Not counted: RAM of <shmem>, vDPA's (it is VmPin, held against the
 * same limit on its own), and VFIO before its v2 containers (partitions before Linux 6.11). 0 for a domain that is no pseries
 * one. */
uint64_t memlock_charged(const Domain *d, const Layout *layout, const Plan *plan, const VfioFacts *vfio, uint64_t page_size);
