/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Hypercalls on a `user` table, as a VMM has libtced answer them, against the least that one could do: a store to the same array behind a
 * range check, and memcpy() of the same lists. The VM has 1 GiB of memory, against which libtced holds each TCE. */

#include <endian.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"
#include "client.h"
#include "kvm-abi.h"
#include "tce.h"
#include "tced.h"

#define PATIENCE (HARNESS_PATIENCE * UINT64_C(1000000))
#define PAGE_SHIFT 12U
#define MEMORY_BYTES (UINT64_C(1) << 30)
#define SMALL_ENTRIES (UINT64_C(1) << 11)
#define LARGE_ENTRIES (UINT64_C(1) << 24)
#define LIST_ENTRIES 512U
/* A list for each vCPU, as Linux has. */
#define LISTS 8U
#define CALLS (1U << 16)

typedef struct HypercallBench {
        Host host;
        struct tced *tced;
        struct tced_machine *machine;
        struct tced_table *table;
        uint64_t *array; /* its entries */
        uint64_t n_entries;
        struct tced_memory_range ranges[2]; /* the whole of its memory, in halves */
        struct tced_memory memory;
        uint64_t seed;
} HypercallBench;

/* What a VMM would have that looks at nothing but its array's length. A hypercall comes by an exit, so it is a call of a function there, too. */
static __attribute__((__noinline__)) int64_t peer_put(uint64_t *array, uint64_t n_entries, uint64_t ioba, uint64_t tce) {
        uint64_t index = ioba >> PAGE_SHIFT;

        if (index >= n_entries)
                return H_PARAMETER;
        __atomic_store_n(array + index, tce, __ATOMIC_RELEASE);
        return H_SUCCESS;
}

/* A page of the VM's memory, with both permissions. */
static inline uint64_t tce_of(uint64_t n) {
        return (n << PAGE_SHIFT & (MEMORY_BYTES - 1)) | TCE_READ | TCE_WRITE;
}

/* xorshift64: no two entries that follow each other are near. */
static inline uint64_t next_random(uint64_t x) {
        x ^= x << 13;
        x ^= x >> 7;
        return x ^ x << 17;
}

static int64_t run_put(void *userdata) {
        HypercallBench *b = userdata;
        int64_t bad = 0;

        for (uint64_t i = 0; i < CALLS; i++)
                bad |= tced_h_put_tce(b->table, (i & (SMALL_ENTRIES - 1)) << PAGE_SHIFT, tce_of(i), &b->memory);
        return bad ? -EIO : 0;
}

static int64_t run_put_peer(void *userdata) {
        HypercallBench *b = userdata;
        int64_t bad = 0;

        for (uint64_t i = 0; i < CALLS; i++)
                bad |= peer_put(b->array, b->n_entries, (i & (SMALL_ENTRIES - 1)) << PAGE_SHIFT, tce_of(i));
        return bad ? -EIO : 0;
}

static int64_t run_exit(void *userdata) {
        HypercallBench *b = userdata;
        uint64_t bad = 0, ret = 0;

        for (uint64_t i = 0; i < CALLS; i++) {
                uint64_t args[9] = { tced_table_liobn(b->table), (i & (SMALL_ENTRIES - 1)) << PAGE_SHIFT, tce_of(i) };

                if (tced_hcall(b->machine, H_PUT_TCE, args, &b->memory, &ret) != 1)
                        return -EIO;
                bad |= ret;
        }
        return bad ? -EIO : 0;
}

static int64_t run_random(void *userdata) {
        HypercallBench *b = userdata;
        uint64_t x = b->seed;
        int64_t bad = 0;

        for (uint64_t i = 0; i < CALLS; i++) {
                x = next_random(x);
                bad |= tced_h_put_tce(b->table, (x & (LARGE_ENTRIES - 1)) << PAGE_SHIFT, tce_of(x >> 24), &b->memory);
        }
        b->seed = x;
        return bad ? -EIO : 0;
}

static int64_t run_random_peer(void *userdata) {
        HypercallBench *b = userdata;
        uint64_t x = b->seed;
        int64_t bad = 0;

        for (uint64_t i = 0; i < CALLS; i++) {
                x = next_random(x);
                bad |= peer_put(b->array, b->n_entries, (x & (LARGE_ENTRIES - 1)) << PAGE_SHIFT, tce_of(x >> 24));
        }
        b->seed = x;
        return bad ? -EIO : 0;
}

static int64_t run_lists(void *userdata) {
        HypercallBench *b = userdata;
        int64_t bad = 0;

        for (uint64_t i = 0; i < LARGE_ENTRIES; i += LIST_ENTRIES)
                bad |= tced_h_put_tce_indirect(b->table, i << PAGE_SHIFT, i / LIST_ENTRIES % LISTS * LIST_ENTRIES * sizeof(uint64_t), LIST_ENTRIES,
                                               &b->memory);
        return bad ? -EIO : 0;
}

/* The same of a VM whose memory is in two pieces, both of which each list points into. */
static int64_t run_lists_pieces(void *userdata) {
        HypercallBench *b = userdata;
        int64_t r;

        b->memory.n_ranges = 2;
        b->ranges[0].size = MEMORY_BYTES / 2;
        r = run_lists(b);
        b->ranges[0].size = MEMORY_BYTES;
        b->memory.n_ranges = 1;
        return r;
}

static int64_t run_lists_peer(void *userdata) {
        HypercallBench *b = userdata;

        for (uint64_t i = 0; i < LARGE_ENTRIES; i += LIST_ENTRIES) {
                (void) memcpy(b->array + i, (const uint64_t *) b->ranges[0].host_start + i / LIST_ENTRIES % LISTS * LIST_ENTRIES,
                              LIST_ENTRIES * sizeof(uint64_t));
                bench_keep(b->array);
        }
        return 0;
}

/* The two leave the same entries behind, but that those of the lists' copies are still big-endian. */
static void check(HypercallBench *b, const Comparison *c, bool lists) {
        size_t bytes = (size_t) b->n_entries * sizeof(uint64_t);
        uint64_t *want = malloc(bytes);

        if (!want)
                bench_fail("no memory");
        (void) memset(b->array, 0xff, bytes);
        b->seed = 1;
        (void) bench_must(c->peer.run(b), "the peer");
        for (uint64_t i = 0; i < b->n_entries; i++)
                want[i] = lists ? be64toh(b->array[i]) : b->array[i];
        (void) memset(b->array, 0xff, bytes);
        b->seed = 1;
        (void) bench_must(c->tced.run(b), "libtced");
        if (memcmp(b->array, want, bytes) != 0)
                bench_fail("the two do not store the same");
        free(want);
}

static void start(HypercallBench *b) {
        const struct tced_window windows[] = {
                { .kind = "vio", .device = "net", .liobn = 0x71000001, .page_shift = PAGE_SHIFT, .size = SMALL_ENTRIES << PAGE_SHIFT, .group = -1 },
                { .kind = "pci", .device = "pci", .liobn = 0x80000000, .page_shift = PAGE_SHIFT, .size = LARGE_ENTRIES << PAGE_SHIFT, .group = -1 },
        };
        char address[128];
        void *memory;

        host_init(&b->host, 600);
        if (!host_start_bus(&b->host))
                bench_fail("there is no dbus-daemon");
        if (!host_start_tced(&b->host, NULL))
                bench_fail("tced does not start");
        (void) snprintf(address, sizeof(address), "unix:path=%s", b->host.socket);
        (void) bench_must(tced_connect(address, PATIENCE, &b->tced), "tced_connect()");
        (void) bench_must(tced_register(b->tced, "bench", NULL, windows, ELEMENTSOF(windows), TCED_OWNER_CALLER, &b->machine), "tced_register()");
        (void) bench_must(tced_claim(b->machine), "tced_claim()");
        (void) bench_must(tced_acquire(b->machine, -1), "tced_acquire()");
        memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED)
                bench_fail("1 GiB of memory: %s", strerror(errno));
        for (uint64_t i = 0; i < (uint64_t) LISTS * LIST_ENTRIES; i++)
                ((uint64_t *) memory)[i] = htobe64(tce_of(i % 2 ? i : i + (MEMORY_BYTES >> PAGE_SHIFT) / 2));
        b->ranges[0] = (struct tced_memory_range) { .size = MEMORY_BYTES, .host_start = memory };
        b->ranges[1] = (struct tced_memory_range) { .guest_start = MEMORY_BYTES / 2, .size = MEMORY_BYTES / 2,
                                                    .host_start = (char *) memory + MEMORY_BYTES / 2 };
        b->memory = (struct tced_memory) { .ranges = b->ranges, .n_ranges = 1 };
}

static void stop(HypercallBench *b) {
        (void) munmap((void *) b->ranges[0].host_start, MEMORY_BYTES);
        b->machine = tced_machine_unref(b->machine);
        b->tced = tced_unref(b->tced);
        if (!host_end(&b->host))
                bench_fail("tced ends badly");
}

void bench_hypercall(void) {
        static const struct {
                Comparison c;
                int64_t (*tced)(void *), (*peer)(void *);
                bool large;
        } rows[] = {
                { { .id = "put-cached", .what = "H_PUT_TCE, a table of 16 KiB", .peer_name = "a store with a range check", .runs = 200,
                    .batch = CALLS, .goal = GOAL_TIMES, .limit = 2.5 }, run_put, run_put_peer, false },
                { { .id = "put-exit", .what = "the same by tced_hcall()", .peer_name = "a store with a range check", .runs = 200,
                    .batch = CALLS, .goal = GOAL_NONE }, run_exit, run_put_peer, false },
                { { .id = "put-random", .what = "H_PUT_TCE, at random over 128 MiB", .peer_name = "a store with a range check", .runs = 200,
                    .batch = CALLS, .goal = GOAL_TIMES, .limit = 1.2 }, run_random, run_random_peer, true },
                { { .id = "put-indirect", .what = "H_PUT_TCE_INDIRECT, a list, over 128 MiB", .peer_name = "memcpy of the same lists", .runs = 10,
                    .batch = LARGE_ENTRIES / LIST_ENTRIES, .goal = GOAL_SHARE, .limit = 0.45 }, run_lists, run_lists_peer, true },
                { { .id = "put-pieces", .what = "the same, of memory in two pieces", .peer_name = "memcpy of the same lists", .runs = 10,
                    .batch = LARGE_ENTRIES / LIST_ENTRIES, .goal = GOAL_NONE }, run_lists_pieces, run_lists_peer, true },
        };
        HypercallBench b = {};
        bool started = false;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Comparison c = rows[i].c;

                if (!bench_wanted(c.id))
                        continue;
                if (!started)
                        start(&b);
                started = true;
                b.table = tced_machine_table(b.machine, rows[i].large);
                b.array = tced_table_map(b.table);
                b.n_entries = tced_table_entries(b.table);
                c.tced = (Side) { .run = rows[i].tced, .userdata = &b };
                c.peer = (Side) { .run = rows[i].peer, .userdata = &b };
                check(&b, &c, rows[i].peer == run_lists_peer);
                bench_compare(&c, NULL);
        }
        if (started)
                stop(&b);
}
