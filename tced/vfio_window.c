/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How QEMU chooses the hardware's pages and levels, and what the kernel makes of them. */

#include "vfio_window.h"

/* Page sizes of a window where neither VFIO nor the device tree tells them: 4 KiB, 64 KiB, 2 MiB and 16 MiB, as partitions have. */
#define PAGE_SIZES_DEFAULT UINT64_C(0x1211000)

/* arch/powerpc/platforms/powernv/pci.h:POWERNV_IOMMU_MAX_LEVELS */
#define POWERNV_LEVELS_MAX 5U

static unsigned shift_of(uint64_t power_of_two) {
        return (unsigned) __builtin_ctzll(power_of_two);
}

/* The entries of the hardware's table: pages are the largest of the host's that exceed neither the guest's nor those of its
 * RAM. 0: there are none, or their number is no power of two, which the kernel refuses. */
static uint64_t count_entries(const Window *window, uint64_t backing, const VfioFacts *vfio) {
        const GroupFacts *group = window->group >= 0 ? vfio_facts_find_group(vfio, (unsigned) window->group) : NULL;
        uint64_t told = group_page_sizes(group), sizes = told ? told : PAGE_SIZES_DEFAULT;
        uint64_t page = UINT64_C(1) << window->page_shift, entries;

        if (page > backing)
                page = backing;
        sizes &= page | (page - 1);
        if (sizes == 0)
                return 0;
        entries = window->size >> (63 - __builtin_clzll(sizes));
        return entries > 0 && (entries & (entries - 1)) == 0 && entries < UINT64_C(1) << 60 ? entries : 0;
}

/* The first number of levels that QEMU asks for. Where bare metal has no memory for it in one piece QEMU asks for more, and
 * what the kernel had charged before it failed stays charged (tce_iommu_create_table): not foreseen here. QEMU counts entries in
 * 32 bits: of 2^32 none is left, which counts as 2^61. */
static unsigned levels_asked(uint64_t entries, uint64_t page_size) {
        unsigned bits = entries > UINT32_MAX ? 64 : shift_of(entries * 8), per_level = shift_of(page_size) + 8;

        return (bits + per_level - 1) / per_level;
}

/* platforms/powernv/pci-ioda.c:pnv_pci_ioda2_get_table_size(): the hardware's table and a copy with the VMM's addresses. */
static uint64_t powernv_table(uint64_t entries, uint64_t page_size) {
        unsigned levels = levels_asked(entries, page_size);
        uint64_t size = entries * 8 > 4096 ? entries * 8 : 4096, part, bytes = 0;

        if (levels > POWERNV_LEVELS_MAX)
                return 0;
        part = UINT64_C(1) << ((shift_of(entries) + levels - 1) / levels + 3);
        if (part < page_size)
                part = page_size;
        for (; levels > 0; levels--) {
                bytes += (size + part - 1) / part * part;
                size = size / part * 8;
                if (size < part)
                        size = part;
        }
        return 2 * bytes;
}

uint64_t vfio_window_charge(const Window *window, uint64_t backing, const VfioFacts *vfio, uint64_t page_size) {
        uint64_t entries = count_entries(window, backing, vfio);

        if (entries == 0)
                return 0;
        switch (vfio->platform) {
        case PLATFORM_PSERIES:
                /* Whole pages alone: account_locked_vm() is given its size shifted. */
                return entries * 8 / page_size * page_size;
        case PLATFORM_POWERNV:
        case PLATFORM_OTHER:
        case _PLATFORM_MAX:
                break;
        }
        return powernv_table(entries, page_size) / page_size * page_size;
}

bool vfio_window_needs_new_qemu(const Window *window, uint64_t backing, const VfioFacts *vfio, uint64_t page_size) {
        uint64_t entries = count_entries(window, backing, vfio);

        return vfio->platform == PLATFORM_PSERIES && entries > 0 && levels_asked(entries, page_size) > 1;
}
