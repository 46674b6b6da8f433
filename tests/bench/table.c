/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A table's memory: tced makes it before anybody waits for it, so what a VMM waits for is a message with an fd, and the mapping. Against
 * what a VMM does by itself: a memfd, each page of which it touches. */

#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "bench.h"
#include "client.h"
#include "table.h"
#include "tced.h"

#define PATIENCE (HARNESS_PATIENCE * UINT64_C(1000000))
#define PAGE_SHIFT 12U
#define ENTRIES (UINT64_C(1) << 24)

typedef struct TableBench {
        Host host;
        struct tced *tced;
        struct tced_machine *machine;
        struct tced_planned *planned; /* what was fetched */
        size_t n_planned;
        uint64_t entries;
        int fd; /* the peer's */
        char *map;
} TableBench;

static size_t table_bytes(const TableBench *b) {
        return (size_t) (b->entries * sizeof(uint64_t));
}

static void touch(char *map, size_t bytes) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE);

        for (size_t at = 0; at < bytes; at += page)
                *(volatile char *) (map + at) = 0;
}

static int prepare(void *userdata) {
        TableBench *b = userdata;
        const struct tced_window window = {
                .kind = "vio", .device = "net", .liobn = 0x71000001, .page_shift = PAGE_SHIFT, .size = b->entries << PAGE_SHIFT, .group = -1,
        };
        int r;

        r = tced_register(b->tced, "bench", NULL, &window, 1, TCED_OWNER_CALLER, &b->machine);
        return r < 0 ? r : tced_claim(b->machine);
}

static int64_t run_fetch(void *userdata) {
        TableBench *b = userdata;
        int r = tced_fetch_plan(b->machine, &b->planned, &b->n_planned);

        return r >= 0 && (b->n_planned != 1 || b->planned[0].fd < 0) ? -EBADMSG : r;
}

static int64_t run_acquire(void *userdata) {
        TableBench *b = userdata;

        return tced_acquire(b->machine, -1);
}

static int finish(void *userdata) {
        TableBench *b = userdata;
        int r;

        b->planned = tced_planned_free(b->planned, b->n_planned);
        b->n_planned = 0;
        r = tced_unregister(b->machine);
        b->machine = tced_machine_unref(b->machine);
        return r;
}

static int64_t run_peer(void *userdata) {
        TableBench *b = userdata;
        void *map;

        b->fd = memfd_create("table", MFD_CLOEXEC);
        if (b->fd < 0 || ftruncate(b->fd, (off_t) table_bytes(b)) < 0)
                return -errno;
        map = mmap(NULL, table_bytes(b), PROT_READ | PROT_WRITE, MAP_SHARED, b->fd, 0);
        if (map == MAP_FAILED)
                return -errno;
        b->map = map;
        touch(b->map, table_bytes(b));
        return 0;
}

static int finish_peer(void *userdata) {
        TableBench *b = userdata;

        (void) munmap(b->map, table_bytes(b));
        b->fd = fd_close(b->fd);
        return 0;
}

static void check_file(int fd, size_t bytes, const char *whose) {
        struct stat st;

        if (fstat(fd, &st) < 0 || (uint64_t) st.st_size != bytes || (uint64_t) st.st_blocks * 512 < bytes)
                bench_fail("%s table is not filled in", whose);
}

/* Every page of it can be written without the kernel's help. */
static void check_mapped(uint64_t *map, size_t bytes, const char *whose) {
        struct rusage before, after;

        (void) getrusage(RUSAGE_SELF, &before);
        touch((char *) map, bytes);
        (void) getrusage(RUSAGE_SELF, &after);
        if (after.ru_minflt != before.ru_minflt)
                bench_fail("%s table is mapped but for %ld pages", whose, after.ru_minflt - before.ru_minflt);
        for (size_t i = 0; i < bytes / sizeof(*map); i++)
                if (map[i] != 0)
                        bench_fail("%s table is not empty", whose);
}

/* Both have a file of that length, all of it there, and, acquired, in reach. */
static void check(TableBench *b) {
        struct tced_table *table;

        (void) bench_must(prepare(b), "RegisterMachine");
        (void) bench_must(run_fetch(b), "tced_fetch_plan()");
        check_file(b->planned[0].fd, table_bytes(b), "tced's");
        (void) bench_must(finish(b), "Unregister");
        (void) bench_must(prepare(b), "RegisterMachine");
        (void) bench_must(run_acquire(b), "tced_acquire()");
        table = tced_machine_table(b->machine, 0);
        check_file(tced_table_fd(table), table_bytes(b), "tced's");
        check_mapped(tced_table_map(table), table_bytes(b), "tced's");
        (void) bench_must(finish(b), "Unregister");
        (void) bench_must(run_peer(b), "the peer");
        check_file(b->fd, table_bytes(b), "the peer's");
        check_mapped((uint64_t *) b->map, table_bytes(b), "the peer's");
        (void) finish_peer(b);
}

static void start(TableBench *b) {
        char address[128];

        host_init(&b->host, 600);
        host_write(&b->host, "root/etc/tced/tced.conf.d/50-bench.conf", "[Limits]\nTableBytesPerUserMax=16G\n");
        if (!host_start_bus(&b->host))
                bench_fail("there is no dbus-daemon");
        if (!host_start_tced(&b->host, NULL))
                bench_fail("tced does not start");
        (void) snprintf(address, sizeof(address), "unix:path=%s", b->host.socket);
        (void) bench_must(tced_connect(address, PATIENCE, &b->tced), "tced_connect()");
}

static void stop(TableBench *b) {
        b->tced = tced_unref(b->tced);
        if (!host_end(&b->host))
                bench_fail("tced ends badly");
}

void bench_table(void) {
        static const Comparison rows[] = {
                { .id = "table-fd", .what = "a filled-in table of 128 MiB, until its fd", .peer_name = "memfd_create, ftruncate, each page touched",
                  .runs = 10, .goal = GOAL_FASTER, .limit = 50 },
                { .id = "table-map", .what = "the same, until all of it is mapped", .peer_name = "memfd_create, ftruncate, each page touched",
                  .runs = 10, .goal = GOAL_FASTER, .limit = 8 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                TableBench b = { .entries = ENTRIES, .fd = -EBADF };
                Comparison c = rows[i];

                if (!bench_wanted(c.id))
                        continue;
                start(&b);
                c.tced = (Side) { .run = i == 0 ? run_fetch : run_acquire, .before = prepare, .after = finish, .userdata = &b };
                c.peer = (Side) { .run = run_peer, .after = finish_peer, .userdata = &b };
                check(&b);
                bench_compare(&c, NULL);
                stop(&b);
        }
}

/* Twice as much: tced's, and a sixteenth that it leaves to others. */
static bool memory_is_there(uint64_t bytes) {
        return (uint64_t) sysconf(_SC_AVPHYS_PAGES) * (uint64_t) sysconf(_SC_PAGESIZE) > 2 * bytes;
}

typedef struct Made {
        uint64_t entries;
        TableMemory memory;
} Made;

static int64_t run_make(void *userdata) {
        Made *made = userdata;

        return table_memory_make("bench", made->entries, TRISTATE_AUTO, NUMA_NODE_ANY, &made->memory);
}

static int finish_make(void *userdata) {
        Made *made = userdata;

        table_memory_clear(&made->memory);
        return 0;
}

/* From 2 MiB of a VM's memory in pages of 4 KiB to a TiB. */
void bench_growth_tces(void) {
        TableBench b = { .fd = -EBADF };
        unsigned most = bench_quick() ? 16 : 28;

        if (!bench_wanted("tces"))
                return;
        start(&b);
        for (unsigned shift = 10; shift <= most; shift += 2) {
                Made made = { .entries = UINT64_C(1) << shift, .memory = TABLE_MEMORY_INIT };
                double x = (double) made.entries;

                b.entries = made.entries;
                if (!memory_is_there(table_bytes(&b))) {
                        (void) fprintf(stderr, "tced-bench: tces: 2^%u and more are left out: there is no memory for them\n", shift);
                        break;
                }
                bench_point("tces", x, "made ahead", bench_median(&(Side) { run_make, NULL, finish_make, &made }, 5));
                bench_point("tces", x, "acquired and mapped", bench_median(&(Side) { run_acquire, prepare, finish, &b }, 5));
                bench_point("tces", x, "memfd, each page touched", bench_median(&(Side) { run_peer, NULL, finish_peer, &b }, 5));
        }
        stop(&b);
}
