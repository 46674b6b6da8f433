/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tce.h"

#include "util.h"

static const char *const device_kind_names[_DEVICE_KIND_MAX] = {
        [DEVICE_VIO] = "vio",
        [DEVICE_PCI] = "pci",
        [DEVICE_VFIO] = "vfio",
};

static const char *const placement_names[_PLACEMENT_MAX] = {
        [PLACEMENT_KERNEL] = "kernel",
        [PLACEMENT_KERNEL_VFIO] = "kernel-vfio",
        [PLACEMENT_USER] = "user",
};

static const char *const window_error_texts[_TCE_WINDOW_ERROR_MAX] = {
        [TCE_WINDOW_OK] = "is possible",
        [TCE_WINDOW_EMPTY] = "has a size of zero; give it at least one IOMMU page",
        [TCE_WINDOW_PAGE_SHIFT] = "has a page shift outside 12 to 34 (4 KiB to 16 GiB pages)",
        [TCE_WINDOW_UNALIGNED] = "has an offset or a size that is no multiple of its page size",
        [TCE_WINDOW_OVERFLOW] = "ends beyond the 64-bit bus address space",
        [TCE_WINDOW_TOO_LARGE] = "needs 2^32 TCEs or more; give it larger pages or a smaller size",
};

const char *device_kind_to_string(DeviceKind kind) {
        return device_kind_names[kind];
}

int device_kind_from_string(const char *text) {
        return name_lookup(device_kind_names, ELEMENTSOF(device_kind_names), text);
}

const char *placement_to_string(Placement placement) {
        return placement_names[placement];
}

int placement_from_string(const char *text) {
        return name_lookup(placement_names, ELEMENTSOF(placement_names), text);
}

TceWindowError tce_window_check(uint64_t bus_offset, uint64_t size, unsigned page_shift) {
        uint64_t mask;

        if (size == 0)
                return TCE_WINDOW_EMPTY;
        if (page_shift < TCE_PAGE_SHIFT_MIN || page_shift > TCE_PAGE_SHIFT_MAX)
                return TCE_WINDOW_PAGE_SHIFT;
        mask = (UINT64_C(1) << page_shift) - 1;
        if ((bus_offset & mask) || (size & mask))
                return TCE_WINDOW_UNALIGNED;
        /* The kernel's own rule, in pages: the end itself must be a 64-bit number. */
        if (size > UINT64_MAX - bus_offset)
                return TCE_WINDOW_OVERFLOW;
        if (size >> page_shift >= TCE_ENTRIES_LIMIT)
                return TCE_WINDOW_TOO_LARGE;
        return TCE_WINDOW_OK;
}

const char *tce_window_error_text(TceWindowError error) {
        return window_error_texts[error];
}

uint64_t tce_kernel_charge(uint64_t entries, uint64_t page_size) {
        /* sizeof(struct kvmppc_spapr_tce_table) without its page array; it differs by some words between configurations and
         * matters only where it pushes the array over a page. */
        static const uint64_t descriptor = 120;
        uint64_t table_pages = (tce_table_bytes(entries) + page_size - 1) / page_size;
        uint64_t array_pages = (descriptor + 8 * table_pages + page_size - 1) / page_size;

        return (table_pages + array_pages) * page_size;
}
