/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* H_PUT_TCE and its kin on a table of this process: what tced.h says of them, and nothing that blocks, allocates or locks.
 *
 * A hypercall is served on the vCPU's thread, many at once. A table's geometry never changes and its entries are only
 * touched by whole atomic words, so there is nothing to lock; two vCPUs that write one entry race as they would in the kernel. */

#include <endian.h>

#include "internal.h"
#include "kvm-abi.h"

#define TCE_PERMISSIONS (TCE_READ | TCE_WRITE)

/* The list of H_PUT_TCE_INDIRECT lies in one page of 4 KiB (PAPR 14.5.4.2.3). */
#define LIST_ALIGN UINT64_C(4096)
#define LIST_MAX (LIST_ALIGN / sizeof(uint64_t))

/* The index of a bus address, or something far beyond any table. Rotated, the bits below the page come out on top, where they
 * make it large: one comparison refuses what isn't on a page, lies below the window or behind it. */
static inline uint64_t table_index(const struct tced_table *table, uint64_t ioba) {
        uint64_t offset = ioba - table->bus_offset;

        return offset >> table->page_shift | offset << (64 - table->page_shift);
}

static inline bool table_has(const struct tced_table *table, uint64_t index, uint64_t npages) {
        return npages <= table->n_entries && index <= table->n_entries - npages;
}

static inline const void *memory_find(const struct tced_memory *mem, uint64_t guest, uint64_t size) {
        for (size_t i = 0; i < mem->n_ranges; i++) {
                const struct tced_memory_range *range = mem->ranges + i;
                uint64_t at = guest - range->guest_start;

                if (at < range->size && size <= range->size - at)
                        return (const char *) range->host_start + at;
        }
        return mem->map ? mem->map(mem->userdata, guest, size) : NULL;
}

/* May the guest have a device reach what this TCE points at? */
static inline bool tce_valid(const struct tced_table *table, uint64_t tce, const struct tced_memory *mem) {
        uint64_t below_page = (UINT64_C(1) << table->page_shift) - 1;

        if (!(tce & TCE_PERMISSIONS))
                return true;
        if (tce & below_page & ~TCE_PERMISSIONS)
                return false;
        return !mem || memory_find(mem, tce & ~TCE_PERMISSIONS, 1);
}

_public_ int64_t tced_h_put_tce(struct tced_table *table, uint64_t ioba, uint64_t tce, const struct tced_memory *mem) {
        uint64_t index = table_index(table, ioba);

        if (__builtin_expect(index >= table->n_writable, 0) && index >= table->n_entries)
                return H_PARAMETER;
        if (!tce_valid(table, tce, mem))
                return H_PARAMETER;
        if (__builtin_expect(table->n_writable == 0, 0))
                return H_HARDWARE;
        __atomic_store_n(table->entries + index, tce, __ATOMIC_RELEASE);
        return H_SUCCESS;
}

/* Reads the list once and checks it. *ret_stored: how many entries, from the first on, may be stored; below npages where the next
 * one has no permission and points out of memory. */
static int64_t list_read(const struct tced_table *table, const uint64_t *list, uint64_t npages,
                         const struct tced_memory *mem, uint64_t *tces, uint64_t *ret_stored) {
        uint64_t stored = npages;

        for (uint64_t i = 0; i < npages; i++) {
                uint64_t tce = be64toh(__atomic_load_n(list + i, __ATOMIC_RELAXED));

                if (!tce_valid(table, tce, mem))
                        return H_PARAMETER;
                if (!(tce & TCE_PERMISSIONS) && i < stored && !memory_find(mem, tce, 1))
                        stored = i;
                tces[i] = tce;
        }
        *ret_stored = stored;
        return H_SUCCESS;
}

_public_ int64_t tced_h_put_tce_indirect(struct tced_table *table, uint64_t ioba, uint64_t list, uint64_t npages,
                                         const struct tced_memory *mem) {
        uint64_t tces[LIST_MAX], stored, index = table_index(table, ioba);
        const uint64_t *at;
        int64_t r;

        if (npages > LIST_MAX || (list & (LIST_ALIGN - 1)))
                return H_PARAMETER;
        if (!table_has(table, index, npages))
                return H_PARAMETER;
        /* The kernel looks for the list even where there is nothing to read. */
        at = mem ? memory_find(mem, list, npages ? npages * sizeof(uint64_t) : 1) : NULL;
        if (!at)
                return H_PARAMETER;
        r = list_read(table, at, npages, mem, tces, &stored);
        if (r != H_SUCCESS)
                return r;
        if (stored > 0 && table->n_writable == 0)
                return H_HARDWARE;
        __atomic_thread_fence(__ATOMIC_RELEASE);
        for (uint64_t i = 0; i < stored; i++)
                __atomic_store_n(table->entries + index + i, tces[i], __ATOMIC_RELAXED);
        return stored == npages ? H_SUCCESS : H_PARAMETER;
}

_public_ int64_t tced_h_stuff_tce(struct tced_table *table, uint64_t ioba, uint64_t tce, uint64_t npages) {
        uint64_t index = table_index(table, ioba);

        if (!table_has(table, index, npages) || (tce & TCE_PERMISSIONS))
                return H_PARAMETER;
        if (npages > 0 && table->n_writable == 0)
                return H_HARDWARE;
        __atomic_thread_fence(__ATOMIC_RELEASE);
        for (uint64_t i = 0; i < npages; i++)
                __atomic_store_n(table->entries + index + i, tce, __ATOMIC_RELAXED);
        return H_SUCCESS;
}

_public_ int64_t tced_h_get_tce(struct tced_table *table, uint64_t ioba, uint64_t *ret) {
        uint64_t index = table_index(table, ioba);

        if (index >= table->n_entries)
                return H_PARAMETER;
        *ret = __atomic_load_n(table->entries + index, __ATOMIC_RELAXED);
        return H_SUCCESS;
}

_public_ int tced_hcall(struct tced_machine *m, uint64_t nr, uint64_t args[9], const struct tced_memory *mem,
                        uint64_t *ret) {
        struct tced_table *table;
        int64_t r = H_PARAMETER;

        if (nr != H_PUT_TCE && nr != H_GET_TCE && nr != H_PUT_TCE_INDIRECT && nr != H_STUFF_TCE)
                return 0;
        table = tced_machine_find_table(m, args[0]);
        if (table && nr == H_PUT_TCE)
                r = tced_h_put_tce(table, args[1], args[2], mem);
        else if (table && nr == H_GET_TCE)
                r = tced_h_get_tce(table, args[1], args);
        else if (table && nr == H_PUT_TCE_INDIRECT)
                r = tced_h_put_tce_indirect(table, args[1], args[2], args[3], mem);
        else if (table)
                r = tced_h_stuff_tce(table, args[1], args[2], args[3]);
        *ret = (uint64_t) r;
        return 1;
}
