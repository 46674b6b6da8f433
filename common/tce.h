/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a TCE table is, in numbers and words that the daemon, the command and the library share: kinds of devices, places
 * of tables, sizes, limits of the kernel. No I/O. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The page shifts that KVM takes: 4 KiB to 16 GiB (arch/powerpc/kvm/book3s_64_vio.c:kvm_vm_ioctl_create_spapr_tce). */
#define TCE_PAGE_SHIFT_MIN 12U
#define TCE_PAGE_SHIFT_MAX 34U

/* QEMU counts a window's TCEs in 32 bits (hw/ppc/spapr_iommu.c:spapr_tce_table_enable): 2^32 becomes 0 and ends the VM
 * at the next try. */
#define TCE_ENTRIES_LIMIT (UINT64_C(1) << 32)

/* What a TCE's low bits allow a device to do (PAPR 14.5.4.2: H_PUT_TCE); the rest, above the page shift, is the guest's
 * physical address. */
#define TCE_READ UINT64_C(1)
#define TCE_WRITE UINT64_C(2)

/* A device behind a table: a VIO device (its register is the LIOBN), a PHB with emulated devices, one with VFIO devices. */
typedef enum DeviceKind {
        DEVICE_VIO,
        DEVICE_PCI,
        DEVICE_VFIO,
        _DEVICE_KIND_MAX,
} DeviceKind;

/* Where a table lives: in KVM; in KVM and linked to an IOMMU group's hardware table; in the VMM. */
typedef enum Placement {
        PLACEMENT_KERNEL,
        PLACEMENT_KERNEL_VFIO,
        PLACEMENT_USER,
        _PLACEMENT_MAX,
} Placement;

/* The names as people and programs see them; -EINVAL for a text that is none. */
const char *device_kind_to_string(DeviceKind kind);
int device_kind_from_string(const char *text);
const char *placement_to_string(Placement placement);
int placement_from_string(const char *text);

/* Why a window's geometry can't be that of a table; TCE_WINDOW_OK where it can. */
typedef enum TceWindowError {
        TCE_WINDOW_OK,
        TCE_WINDOW_EMPTY,      /* size of zero */
        TCE_WINDOW_PAGE_SHIFT, /* outside 12 to 34 */
        TCE_WINDOW_UNALIGNED,  /* offset or size no multiple of the page */
        TCE_WINDOW_OVERFLOW,   /* ends at 2^64 or beyond */
        TCE_WINDOW_TOO_LARGE,  /* 2^32 TCEs or more */
        _TCE_WINDOW_ERROR_MAX,
} TceWindowError;

/* bus_offset and size in bytes. */
TceWindowError tce_window_check(uint64_t bus_offset, uint64_t size, unsigned page_shift);

/* The same in words that fit behind "window …:". */
const char *tce_window_error_text(TceWindowError error);

/* Bytes of a table with so many entries, as they are stored (8 each). */
static inline uint64_t tce_table_bytes(uint64_t entries) {
        return entries * 8;
}

/* The bytes that the kernel charges to the VMM's locked memory when it makes a table: the table's pages and the
 * descriptor with a pointer to each (arch/powerpc/kernel/iommu.c, book3s_64_vio.c:kvmppc_tce_pages, kvmppc_stt_pages). */
uint64_t tce_kernel_charge(uint64_t entries, uint64_t page_size);
