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
/* The TCEs in the smallest cache line there is. */
#define LINE_ENTRIES 8U

/* The index of a bus address, or something far beyond any table. Rotated, the bits below the page come out on top, where they
 * make it large: one comparison refuses what isn't on a page, lies below the window or behind it. */
static inline uint64_t table_index(const struct tced_table *table, uint64_t ioba) {
        uint64_t offset = ioba - table->bus_offset;

        return offset >> table->page_shift | offset << (64 - table->page_shift);
}

static inline bool table_has(const struct tced_table *table, uint64_t index, uint64_t npages) {
        return npages <= table->n_entries && index <= table->n_entries - npages;
}

static inline const struct tced_memory_range *memory_range(const struct tced_memory *mem, uint64_t guest) {
        for (size_t i = 0; i < mem->n_ranges; i++)
                if (__builtin_expect(guest - mem->ranges[i].guest_start < mem->ranges[i].size, 1))
                        return mem->ranges + i;
        return NULL;
}

static const void *memory_find(const struct tced_memory *mem, uint64_t guest, uint64_t size) {
        for (size_t i = 0; i < mem->n_ranges; i++) {
                const struct tced_memory_range *range = mem->ranges + i;
                uint64_t at = guest - range->guest_start;

                if (at < range->size && size <= range->size - at)
                        return (const char *) range->host_start + at;
        }
        return mem->map ? mem->map(mem->userdata, guest, size) : NULL;
}

/* Is the first byte of a page in memory? */
static inline bool memory_has(const struct tced_memory *mem, uint64_t guest) {
        return memory_range(mem, guest) || (mem->map && mem->map(mem->userdata, guest, 1));
}

/* The bits of a TCE that must be zero where it has a permission. */
static inline uint64_t tce_reserved(const struct tced_table *table) {
        return ((UINT64_C(1) << table->page_shift) - 1) & ~TCE_PERMISSIONS;
}

/* May the guest have a device reach what this TCE points at? */
static inline bool tce_valid(const struct tced_table *table, uint64_t tce, const struct tced_memory *mem) {
        if (!(tce & TCE_PERMISSIONS))
                return true;
        if (tce & tce_reserved(table))
                return false;
        return !mem || memory_has(mem, tce & ~TCE_PERMISSIONS);
}

/* The same, answered without a call: false where mem->map() has to be asked, too. */
static inline bool tce_plainly_valid(const struct tced_table *table, uint64_t tce, const struct tced_memory *mem) {
        if (__builtin_expect(!(tce & TCE_PERMISSIONS), 0))
                return true;
        if (tce & tce_reserved(table))
                return false;
        return __builtin_expect(!mem, 0) || memory_range(mem, tce & ~TCE_PERMISSIONS);
}

/* What tced_h_put_tce() does in all but the most frequent case. Apart, so that the other one saves no register on the stack: those stores
 * would wait in line behind the TCEs' own, which miss the cache in a large table. */
static __attribute__((__noinline__)) int64_t put_tce(struct tced_table *table, uint64_t index, uint64_t tce, const struct tced_memory *mem) {
        if (index >= table->n_entries || !tce_valid(table, tce, mem))
                return H_PARAMETER;
        if (table->n_writable == 0)
                return H_HARDWARE;
        __atomic_store_n(table->entries + index, tce, __ATOMIC_RELEASE);
        return H_SUCCESS;
}

_public_ int64_t tced_h_put_tce(struct tced_table *table, uint64_t ioba, uint64_t tce, const struct tced_memory *mem) {
        uint64_t index = table_index(table, ioba);

        if (__builtin_expect(index >= table->n_writable || !tce_plainly_valid(table, tce, mem), 0))
                return put_tce(table, index, tce, mem);
        __atomic_store_n(table->entries + index, tce, __ATOMIC_RELEASE);
        return H_SUCCESS;
}

/* The bits in which any TCE of a line differs from one. Written out, as compilers leave a loop of eight a loop. */
static inline uint64_t line_differs(const uint64_t *line, uint64_t tce) {
        return (line[0] ^ tce) | (line[1] ^ tce) | (line[2] ^ tce) | (line[3] ^ tce) | (line[4] ^ tce) | (line[5] ^ tce) | (line[6] ^ tce) |
               (line[7] ^ tce);
}

/* Are all entries of a list on a page, and in one of the guest's ranges? It is told by what differs in any of them from the first: above the
 * highest such bit they are alike, so they lie in the block that the bits from there on span. That takes two operations an entry, whatever
 * their byte order. The table's lines are fetched meanwhile, as the stores would have to wait for them. false: ask one by one. */
static bool list_plainly_valid(const struct tced_table *table, uint64_t index, const uint64_t *tces, uint64_t npages,
                               const struct tced_memory *mem) {
        const uint64_t model = tces[0], first = be64toh(model);
        uint64_t differs = 0, block;
        const struct tced_memory_range *range;

        for (uint64_t line = 0; line < npages; line += LINE_ENTRIES) {
                __builtin_prefetch(table->entries + index + line, 1);
                differs |= line_differs(tces + line, model);
        }
        differs = be64toh(differs);
        if ((first | differs) & tce_reserved(table))
                return false;
        block = differs ? UINT64_MAX >> __builtin_clzll(differs) : 0;
        range = memory_range(mem, first & ~block & ~TCE_PERMISSIONS);
        return range && ((first | block) & ~TCE_PERMISSIONS) - range->guest_start < range->size;
}

/* Checks the entries one by one. *ret_stored: how many, from the first on, may be stored; below npages where the next one has no permission
 * and points out of memory. */
static int64_t list_check(const struct tced_table *table, const uint64_t *tces, uint64_t npages, const struct tced_memory *mem,
                          uint64_t *ret_stored) {
        uint64_t stored = npages;

        for (uint64_t i = 0; i < npages; i++) {
                uint64_t tce = be64toh(tces[i]);

                if (!tce_valid(table, tce, mem))
                        return H_PARAMETER;
                if (!(tce & TCE_PERMISSIONS) && i < stored && !memory_has(mem, tce))
                        stored = i;
        }
        *ret_stored = stored;
        return H_SUCCESS;
}

/* Copies the list, whose entries may change at any time; from here on the copy is what counts. Its last line is filled up with what differs
 * from nothing. */
static void list_copy(const void *list, uint64_t npages, uint64_t tces[static LIST_MAX]) {
        (void) memcpy(tces, list, npages * sizeof(*tces));
        for (uint64_t i = npages; i % LINE_ENTRIES != 0; i++)
                tces[i] = tces[0];
        /* The compiler may not read from the list what it knows to be there. */
        __atomic_signal_fence(__ATOMIC_ACQ_REL);
}

_public_ int64_t tced_h_put_tce_indirect(struct tced_table *table, uint64_t ioba, uint64_t list, uint64_t npages,
                                         const struct tced_memory *mem) {
        uint64_t tces[LIST_MAX], *entries, stored = npages, index = table_index(table, ioba);
        const void *at;

        if (npages > LIST_MAX || (list & (LIST_ALIGN - 1)))
                return H_PARAMETER;
        if (!table_has(table, index, npages))
                return H_PARAMETER;
        /* The kernel looks for the list even where there is nothing to read. */
        at = mem ? memory_find(mem, list, npages ? npages * sizeof(uint64_t) : 1) : NULL;
        if (!at)
                return H_PARAMETER;
        if (npages == 0)
                return H_SUCCESS;
        list_copy(at, npages, tces);
        if (!list_plainly_valid(table, index, tces, npages, mem)) {
                int64_t r = list_check(table, tces, npages, mem, &stored);

                if (r != H_SUCCESS)
                        return r;
        }
        if (stored > 0 && table->n_writable == 0)
                return H_HARDWARE;
        entries = table->entries + index;
        __atomic_thread_fence(__ATOMIC_RELEASE);
        for (uint64_t i = 0; i < stored; i++)
                __atomic_store_n(entries + i, be64toh(tces[i]), __ATOMIC_RELAXED);
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
