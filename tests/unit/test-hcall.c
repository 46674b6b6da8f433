/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libtced/hcall.c: every check and return code of the four hypercalls, at the edges of windows of several shapes; what is
 * stored and what isn't; several vCPUs at one table.
 *
 * Each table of 16 entries lies between two guards, so that a store beside it is seen. */

#include <endian.h>
#include <pthread.h>

#include "internal.h"
#include "kvm-abi.h"
#include "tap.h"

#define ENTRIES 16
#define GUARD UINT64_C(0xdeadbeefdeadbeef)
#define OLD UINT64_C(0x5a5a5a5a5a5a5a5a)
#define RAM_SIZE (UINT64_C(64) << 10)

static uint64_t store[ENTRIES + 2];
static _Alignas(4096) uint64_t ram[RAM_SIZE / 8];

static const struct tced_memory_range ram_range = { .size = RAM_SIZE, .host_start = ram };
static const struct tced_memory memory = { .ranges = &ram_range, .n_ranges = 1 };

static struct tced_table table_of(uint64_t bus_offset, uint32_t page_shift) {
        store[0] = store[ENTRIES + 1] = GUARD;
        for (size_t i = 1; i <= ENTRIES; i++)
                store[i] = OLD;
        return (struct tced_table) {
                .entries = store + 1,
                .n_entries = ENTRIES,
                .n_writable = ENTRIES,
                .bus_offset = bus_offset,
                .page_shift = page_shift,
                .liobn = 0x80000000,
                .placement = PLACEMENT_USER,
        };
}

/* Entries first to first + n - 1 have the value, all others and the guards are as they were. */
static bool only_stored(size_t first, size_t n, uint64_t value) {
        bool good = store[0] == GUARD && store[ENTRIES + 1] == GUARD;

        for (size_t i = 0; i < ENTRIES; i++)
                good = good && store[i + 1] == (i >= first && i < first + n ? value : OLD);
        return good;
}

static void test_put(void) {
        const uint64_t base = UINT64_C(1) << 59;
        static const struct tced_memory nothing = {};
        const struct {
                const char *name;
                uint64_t offset, ioba, tce;
                uint32_t shift;
                const struct tced_memory *mem;
                int64_t want;
                int entry; /* that is stored; -1: none */
        } cases[] = {
                { "the first entry", 0, 0, 0x3003, 12, &memory, H_SUCCESS, 0 },
                { "the last entry", 0, 15 << 12, 0x3001, 12, &memory, H_SUCCESS, 15 },
                { "one over the end", 0, 16 << 12, 0x3001, 12, &memory, H_PARAMETER, -1 },
                { "the last bus address", 0, ~UINT64_C(0xfff), 0x3001, 12, &memory, H_PARAMETER, -1 },
                { "inside a page", 0, 0x1008, 0x3001, 12, &memory, H_PARAMETER, -1 },
                { "one byte before the second page", 0, 0xfff, 0x3001, 12, &memory, H_PARAMETER, -1 },
                { "a 4 KiB step in 64 KiB pages", 0, 0x1000, 0x1, 16, &memory, H_PARAMETER, -1 },
                { "64-bit window, first", base, base, 0x3, 24, &memory, H_SUCCESS, 0 },
                { "64-bit window, last", base, base + (UINT64_C(15) << 24), 0x3, 24, &memory, H_SUCCESS, 15 },
                { "64-bit window, one over", base, base + (UINT64_C(16) << 24), 0x3, 24, &memory, H_PARAMETER, -1 },
                { "64-bit window, one below", base, base - (1 << 24), 0x3, 24, &memory, H_PARAMETER, -1 },
                { "64-bit window, address zero", base, 0, 0x3, 24, &memory, H_PARAMETER, -1 },
                { "a window up to 2^64, its last", -(UINT64_C(16) << 34), -(UINT64_C(1) << 34), 0x3, 34, &memory, H_SUCCESS,
                  15 },
                { "a window up to 2^64, behind it", -(UINT64_C(16) << 34), 0, 0x3, 34, &memory, H_PARAMETER, -1 },
                { "the last byte's page of memory", 0, 0, 0xf002, 12, &memory, H_SUCCESS, 0 },
                { "behind memory", 0, 0, 0x10001, 12, &memory, H_PARAMETER, -1 },
                { "far behind memory", 0, 0, ~UINT64_C(0xfff) | 1, 12, &memory, H_PARAMETER, -1 },
                { "no memory at all", 0, 0, 0x1, 12, &nothing, H_PARAMETER, -1 },
                { "addresses not looked at", 0, 0, 0x10001, 12, NULL, H_SUCCESS, 0 },
                { "an address inside a page", 0, 0, 0x3005, 12, &memory, H_PARAMETER, -1 },
                { "an address inside a page, not looked at", 0, 0, 0x3801, 12, NULL, H_PARAMETER, -1 },
                { "an address inside a page of 64 KiB", 0, 0, 0x1003, 16, &memory, H_PARAMETER, -1 },
                { "no permission, any value", 0, 0, ~UINT64_C(3), 12, &memory, H_SUCCESS, 0 },
                { "cleared", 0, 0x4000, 0, 12, &memory, H_SUCCESS, 4 },
                { "page shift 34", 0, UINT64_C(1) << 34, 0x3, 34, &memory, H_SUCCESS, 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct tced_table table = table_of(cases[i].offset, cases[i].shift);
                int64_t have = tced_h_put_tce(&table, cases[i].ioba, cases[i].tce, cases[i].mem);
                size_t entry = cases[i].entry < 0 ? 0 : (size_t) cases[i].entry;

                tap_ok(have == cases[i].want && only_stored(entry, cases[i].entry >= 0, cases[i].tce), "H_PUT_TCE: %s",
                       cases[i].name);
        }
}

static void test_stuff(void) {
        static const struct {
                const char *name;
                uint64_t ioba, tce, npages;
                int64_t want;
                size_t first, n;
        } cases[] = {
                { "all of it", 0, 0, 16, H_SUCCESS, 0, 16 },
                { "one more than all", 0, 0, 17, H_PARAMETER, 0, 0 },
                { "the last one", 15 << 12, 0, 1, H_SUCCESS, 15, 1 },
                { "over the end by one", 15 << 12, 0, 2, H_PARAMETER, 0, 0 },
                { "no pages", 0x1000, 0, 0, H_SUCCESS, 0, 0 },
                { "no pages at the end", 16 << 12, 0, 0, H_SUCCESS, 0, 0 },
                { "no pages behind the end", 17 << 12, 0, 0, H_PARAMETER, 0, 0 },
                { "so many that 64 bits overflow", 0x1000, 0, UINT64_MAX, H_PARAMETER, 0, 0 },
                { "so many that the end comes back to the window", 0x1000, 0, UINT64_MAX >> 12, H_PARAMETER, 0, 0 },
                { "more than the 512 of a list, fewer than the window", 0, 0, 513, H_PARAMETER, 0, 0 },
                { "inside a page", 0x10, 0, 1, H_PARAMETER, 0, 0 },
                { "a value without permission", 0x2000, 0xfff4, 3, H_SUCCESS, 2, 3 },
                { "with read", 0, 1, 1, H_PARAMETER, 0, 0 },
                { "with write", 0, 2, 1, H_PARAMETER, 0, 0 },
                { "with read and no pages", 0, 1, 0, H_PARAMETER, 0, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct tced_table table = table_of(0, 12);
                int64_t have = tced_h_stuff_tce(&table, cases[i].ioba, cases[i].tce, cases[i].npages);

                tap_ok(have == cases[i].want && only_stored(cases[i].first, cases[i].n, cases[i].tce), "H_STUFF_TCE: %s",
                       cases[i].name);
        }
}

static void test_get(void) {
        static const struct {
                const char *name;
                uint64_t ioba;
                int64_t want;
                uint64_t tce;
        } cases[] = {
                { "the first", 0, H_SUCCESS, 100 },          { "the last", 15 << 12, H_SUCCESS, 115 },
                { "one over", 16 << 12, H_PARAMETER, 7 },    { "inside a page", 4, H_PARAMETER, 7 },
                { "far away", ~UINT64_C(0), H_PARAMETER, 7 },
        };
        struct tced_table table = table_of(0, 12);

        for (size_t i = 0; i < ENTRIES; i++)
                store[i + 1] = 100 + i;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint64_t tce = 7;
                int64_t have = tced_h_get_tce(&table, cases[i].ioba, &tce);

                tap_ok(have == cases[i].want && tce == cases[i].tce, "H_GET_TCE: %s", cases[i].name);
        }
}

#define LIST 0x2000

static void fill_list(size_t n, uint64_t tce) {
        for (size_t i = 0; i < n; i++)
                ram[LIST / 8 + i] = htobe64(tce);
}

static void test_indirect(void) {
        static const struct {
                const char *name;
                uint64_t ioba, list, npages;
                int odd; /* index of an entry that is `tce`; the others are 0x3003 */
                uint64_t tce;
                int64_t want;
                size_t first, n; /* stored with 0x3003 */
        } cases[] = {
                { "all of it", 0, LIST, 16, -1, 0, H_SUCCESS, 0, 16 },
                { "one more than all", 0, LIST, 17, -1, 0, H_PARAMETER, 0, 0 },
                { "the last one", 15 << 12, LIST, 1, -1, 0, H_SUCCESS, 15, 1 },
                { "over the end by one", 15 << 12, LIST, 2, -1, 0, H_PARAMETER, 0, 0 },
                { "no pages", 0x1000, LIST, 0, -1, 0, H_SUCCESS, 0, 0 },
                { "no pages at the end", 16 << 12, LIST, 0, -1, 0, H_SUCCESS, 0, 0 },
                { "no pages, no list", 0, RAM_SIZE, 0, -1, 0, H_PARAMETER, 0, 0 },
                { "512 of them, more than the window", 0, LIST, 512, -1, 0, H_PARAMETER, 0, 0 },
                { "513 of them", 0, LIST, 513, -1, 0, H_PARAMETER, 0, 0 },
                { "2^64 - 1 of them", 0x1000, LIST, UINT64_MAX, -1, 0, H_PARAMETER, 0, 0 },
                { "a list inside a page", 0, LIST + 8, 2, -1, 0, H_PARAMETER, 0, 0 },
                { "a list behind memory", 0, RAM_SIZE, 2, -1, 0, H_PARAMETER, 0, 0 },
                { "a list at the end of addresses", 0, ~UINT64_C(0xfff), 2, -1, 0, H_PARAMETER, 0, 0 },
                { "inside a page", 0x800, LIST, 1, -1, 0, H_PARAMETER, 0, 0 },
                { "one entry behind memory: none is stored", 0, LIST, 4, 3, RAM_SIZE | 1, H_PARAMETER, 0, 0 },
                { "one entry inside a page: none is stored", 0, LIST, 4, 3, 0x3013, H_PARAMETER, 0, 0 },
                { "no permission and behind memory: those before are", 0, LIST, 4, 2, RAM_SIZE, H_PARAMETER, 0, 2 },
                { "no permission and behind memory, the first", 0, LIST, 4, 0, ~UINT64_C(3), H_PARAMETER, 0, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct tced_table table = table_of(0, 12);
                int64_t have;

                fill_list(512, 0x3003);
                if (cases[i].odd >= 0)
                        ram[LIST / 8 + cases[i].odd] = htobe64(cases[i].tce);
                have = tced_h_put_tce_indirect(&table, cases[i].ioba, cases[i].list, cases[i].npages, &memory);
                tap_ok(have == cases[i].want && only_stored(cases[i].first, cases[i].n, 0x3003), "H_PUT_TCE_INDIRECT: %s",
                       cases[i].name);
        }
}

static void test_indirect_large(void) {
        enum { N = 1024 };
        static uint64_t entries[N + 1];
        struct tced_table table = table_of(0, 12);
        bool same = true;

        table.entries = entries;
        table.n_entries = table.n_writable = N;
        entries[N] = GUARD;
        for (uint64_t i = 0; i < 512; i++)
                ram[LIST / 8 + i] = htobe64((i % 16) << 12 | 1);
        tap_eq(tced_h_put_tce_indirect(&table, 512 << 12, LIST, 512, &memory), H_SUCCESS, "512 TCEs up to the end");
        for (uint64_t i = 0; i < N; i++)
                same = same && entries[i] == (i < 512 ? 0 : ((i % 16) << 12 | 1));
        tap_ok(same && entries[N] == GUARD, "each in its place, host-endian");
        tap_eq(tced_h_put_tce_indirect(&table, 513 << 12, LIST, 512, &memory), H_PARAMETER, "512 TCEs over the end by one");
        tap_eq(tced_h_put_tce_indirect(&table, 0, LIST, 512, NULL), H_PARAMETER, "without memory there is no list");
        tap_eq(tced_h_stuff_tce(&table, 0, 0, N), H_SUCCESS, "H_STUFF_TCE has no limit but the window");
}

/* What the four rules of tced.h come to for one list, entry by entry. *ret_stored: how many of them are. */
static int64_t expected(const uint64_t *tces, uint64_t npages, const struct tced_memory *mem, uint64_t *ret_stored) {
        uint64_t stored = npages;

        *ret_stored = 0;
        for (uint64_t i = 0; i < npages; i++) {
                uint64_t guest = tces[i] & ~UINT64_C(3);
                bool known = false;

                for (size_t k = 0; k < mem->n_ranges; k++)
                        known = known || (guest >= mem->ranges[k].guest_start && guest - mem->ranges[k].guest_start < mem->ranges[k].size);
                if ((tces[i] & 3) && (!known || (guest & 0xfff)))
                        return H_PARAMETER;
                if (!known && i < stored)
                        stored = i;
        }
        *ret_stored = stored;
        return stored == npages ? H_SUCCESS : H_PARAMETER;
}

/* Lists at random, over memory with a hole in it, whose ends are no powers of two. */
static void test_indirect_random(void) {
        static const struct tced_memory_range ranges[] = {
                { .size = 0x6000, .host_start = ram }, { .guest_start = 0x8000, .size = 0x5000, .host_start = ram + 0x8000 / 8 },
        };
        const struct tced_memory mem = { .ranges = ranges, .n_ranges = ELEMENTSOF(ranges) };
        unsigned wrong = 0, good = 0, part = 0;

        srandom(1);
        for (unsigned round = 0; round < 50000; round++) {
                struct tced_table table = table_of(0, 12);
                uint64_t tces[ENTRIES], npages = (uint64_t) random() % ENTRIES + 1, first = (uint64_t) random() % 16, stored;
                uint64_t spread = (uint64_t) random() % 6 + 1;
                int64_t want;
                bool same = true;

                for (uint64_t i = 0; i < npages; i++) {
                        tces[i] = (first + (uint64_t) random() % spread) << 12 | ((uint64_t) random() & 3);
                        if (random() % 64 == 0)
                                tces[i] |= UINT64_C(4) << (random() % 60);
                        ram[LIST / 8 + i] = htobe64(tces[i]);
                }
                want = expected(tces, npages, &mem, &stored);
                good += want == H_SUCCESS;
                part += want != H_SUCCESS && stored > 0;
                if (tced_h_put_tce_indirect(&table, 0, LIST, npages, &mem) != want)
                        wrong++;
                for (uint64_t i = 0; i < ENTRIES; i++)
                        same = same && store[i + 1] == (i < stored ? tces[i] : OLD);
                wrong += !same || store[0] != GUARD || store[ENTRIES + 1] != GUARD;
        }
        tap_eq(wrong, 0, "50,000 lists at random, over two ranges");
        tap_ok(good > 10000 && good < 40000 && part > 100, "of all kinds");
}

/* A callback that knows memory from 1 MiB on, one page, and counts how often it is asked. */
static const void *map_one_page(void *userdata, uint64_t guest, uint64_t size) {
        unsigned *asked = userdata;

        (*asked)++;
        return guest >= 1 << 20 && size <= 4096 && guest - (1 << 20) <= 4096 - size ?
                       (const char *) ram + LIST + (guest - (1 << 20)) : NULL;
}

static void test_callback(void) {
        unsigned asked = 0;
        const struct tced_memory mem = { .map = map_one_page, .userdata = &asked };
        const struct tced_memory both = { .ranges = &ram_range, .n_ranges = 1, .map = map_one_page, .userdata = &asked };
        struct tced_table table = table_of(0, 12);

        tap_eq(tced_h_put_tce(&table, 0, 1 << 20 | 3, &mem), H_SUCCESS, "the callback knows the address");
        tap_eq(tced_h_put_tce(&table, 0, 2 << 20 | 3, &mem), H_PARAMETER, "the callback does not know the address");
        tap_eq(asked, 2, "it was asked for each TCE");
        tap_eq(tced_h_put_tce(&table, 0, 0, &mem), H_SUCCESS, "a TCE without permission");
        tap_eq(asked, 2, "it was not asked");
        tap_eq(tced_h_put_tce(&table, 0, 0x3001, &both), H_SUCCESS, "an address in a range");
        tap_eq(asked, 2, "it was not asked either");
        fill_list(3, 1 << 20 | 1);
        tap_eq(tced_h_put_tce_indirect(&table, 0, 1 << 20, 3, &mem), H_SUCCESS, "a list through the callback");
        tap_ok(only_stored(0, 3, 1 << 20 | 1), "its entries");
}

/* What a table that is linked to the hardware's answers: checks as ever, and nothing is stored. */
static void test_linked(void) {
        struct tced_table table = table_of(0, 12);
        uint64_t tce = 0;

        table.n_writable = 0;
        fill_list(2, 0x3003);
        tap_eq(tced_h_put_tce(&table, 0, 0x3003, &memory), H_HARDWARE, "linked: H_PUT_TCE");
        tap_eq(tced_h_put_tce(&table, 16 << 12, 0x3003, &memory), H_PARAMETER, "linked: H_PUT_TCE outside");
        tap_eq(tced_h_put_tce(&table, 0, RAM_SIZE | 1, &memory), H_PARAMETER, "linked: H_PUT_TCE out of memory");
        tap_eq(tced_h_put_tce_indirect(&table, 0, LIST, 2, &memory), H_HARDWARE, "linked: H_PUT_TCE_INDIRECT");
        tap_eq(tced_h_put_tce_indirect(&table, 0, LIST, 17, &memory), H_PARAMETER, "linked: H_PUT_TCE_INDIRECT outside");
        tap_eq(tced_h_stuff_tce(&table, 0, 0, 2), H_HARDWARE, "linked: H_STUFF_TCE");
        tap_eq(tced_h_stuff_tce(&table, 0, 0, 17), H_PARAMETER, "linked: H_STUFF_TCE outside");
        tap_ok(only_stored(0, 0, 0), "linked: nothing is stored");
        tap_ok(tced_h_get_tce(&table, 0, &tce) == H_SUCCESS && tce == OLD, "linked: H_GET_TCE");
}

static void test_dispatch(void) {
        struct tced_table low = table_of(0, 12), high = low;
        struct tced_table *tables[] = { &low, &high };
        struct tced_machine machine = { .tables = tables, .n_tables = 2 };
        uint64_t ret = 99;

        high.liobn = 0xffffffff;
        fill_list(2, 0x3003);
        tap_eq(tced_hcall(&machine, 0x7fff, (uint64_t[9]){ 1 }, &memory, &ret), 0, "another hypercall is not its business");
        tap_eq(ret, 99, "and nothing was touched");
        tap_ok(tced_hcall(&machine, H_PUT_TCE, (uint64_t[9]){ 5 }, &memory, &ret) == 1 && (int64_t) ret == H_PARAMETER,
               "a LIOBN without table");
        tap_ok(tced_hcall(&machine, H_PUT_TCE, (uint64_t[9]){ UINT64_C(1) << 32 | 0x80000000 }, &memory, &ret) == 1 &&
                       (int64_t) ret == H_PARAMETER,
               "a LIOBN of more than 32 bits");
        tap_ok(tced_hcall(&machine, H_PUT_TCE, (uint64_t[9]){ 0x80000000, 0, 0x3001 }, &memory, &ret) == 1 && ret == 0 &&
                       store[1] == 0x3001,
               "H_PUT_TCE");
        tap_ok(tced_hcall(&machine, H_PUT_TCE_INDIRECT, (uint64_t[9]){ 0xffffffff, 0x1000, LIST, 2 }, &memory, &ret) == 1 &&
                       ret == 0 && store[3] == 0x3003,
               "H_PUT_TCE_INDIRECT");
        tap_ok(tced_hcall(&machine, H_STUFF_TCE, (uint64_t[9]){ 0xffffffff, 0x2000, 0x40, 1 }, &memory, &ret) == 1 &&
                       ret == 0 && store[3] == 0x40,
               "H_STUFF_TCE");
        uint64_t args[9] = { 0x80000000, 0x2000, 7 };
        tap_ok(tced_hcall(&machine, H_GET_TCE, args, &memory, &ret) == 1 && ret == 0 && args[0] == 0x40 && args[1] == 0x2000,
               "H_GET_TCE gives the TCE for r4");
        args[0] = 0x80000000, args[1] = 1;
        tap_ok(tced_hcall(&machine, H_GET_TCE, args, &memory, &ret) == 1 && (int64_t) ret == H_PARAMETER &&
                       args[0] == 0x80000000,
               "H_GET_TCE that fails leaves r4");
}

#define WRITERS 4
#define ROUNDS 20000

static struct tced_table shared;

/* Writes words whose two halves agree; with a torn store they would not. */
static void *writer(void *number) {
        uint64_t half = (uint64_t) (uintptr_t) number, tce = half << 34 | half << 2;

        for (unsigned i = 0; i < ROUNDS; i++) {
                (void) tced_h_put_tce(&shared, (uint64_t) (i % ENTRIES) << 12, tce, NULL);
                (void) tced_h_stuff_tce(&shared, 0, tce, i % (ENTRIES + 1));
        }
        return NULL;
}

static void test_threads(void) {
        pthread_t threads[WRITERS];
        bool whole = true;

        shared = table_of(0, 12);
        for (size_t i = 0; i < ENTRIES; i++)
                store[i + 1] = 0;
        for (uintptr_t i = 0; i < WRITERS; i++)
                if (pthread_create(threads + i, NULL, writer, (void *) (i + 1)) != 0)
                        return (void) tap_ok(false, "a thread");
        for (unsigned i = 0; i < ROUNDS; i++) {
                uint64_t tce = 0;
                int64_t r = tced_h_get_tce(&shared, (uint64_t) (i % ENTRIES) << 12, &tce);

                whole = whole && r == H_SUCCESS && tce >> 34 == (tce & UINT32_MAX) >> 2;
        }
        for (size_t i = 0; i < WRITERS; i++)
                (void) pthread_join(threads[i], NULL);
        tap_ok(whole && store[0] == GUARD && store[ENTRIES + 1] == GUARD, "four vCPUs at one table: every TCE is whole");
}

int main(void) {
        test_put();
        test_stuff();
        test_get();
        test_indirect();
        test_indirect_large();
        test_indirect_random();
        test_callback();
        test_linked();
        test_dispatch();
        test_threads();
        return tap_done();
}
