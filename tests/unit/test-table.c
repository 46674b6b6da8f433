/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* table.c: what a table is like once made, and each way in which none is made: the errno, and that no fd is left over. Where an
 * error is wanted, what is asked for is refused before any memory is taken: the machine is shared. */

#include "table.h"

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "log.h"
#include "tap.h"
#include "tce.h"
#include "util.h"

/* One more than there are, as the folder is open meanwhile; before and after are alike in that. */
static unsigned count_fds(void) {
        DIR *d = opendir("/proc/self/fd");
        unsigned n = 0;

        while (d && readdir(d))
                n++;
        if (d)
                (void) closedir(d);
        return n;
}

/* The number behind a key of /proc/meminfo; 0: none. */
static uint64_t meminfo(const char *key) {
        char text[8192];
        const char *found;

        if (read_file_at(AT_FDCWD, "/proc/meminfo", text, sizeof(text)) < 0)
                return 0;
        found = strstr(text, key);
        return found ? strtoull(found + strlen(key), NULL, 10) : 0;
}

/* What /proc/PID/fd shows: the name that a person finds a table by. */
static const char *link_name(int fd, char *buf, size_t size) {
        char path[64];
        ssize_t n;

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        n = readlink(path, buf, size - 1);
        buf[n < 0 ? 0 : n] = '\0';
        return buf;
}

/* One ordinary table, from all sides. */
static void test_table(void) {
        _cleanup_(table_memory_clear) TableMemory m = TABLE_MEMORY_INIT;
        struct stat st = {};
        char name[PATH_MAX];
        uint64_t *entries;
        unsigned nonzero = 0;
        int seals;

        if (!tap_eq(table_memory_make("db1-00001000", 1 << 18, TRISTATE_NO, NUMA_NODE_ANY, &m), 0, "a table of 2^18 TCEs"))
                return;
        tap_ok(m.fd >= 0 && m.bytes == 2 << 20 && !m.huge, "has 2 MiB");
        tap_ok(fstat(m.fd, &st) == 0 && st.st_size == 2 << 20, "so has its file");
        tap_ok((uint64_t) st.st_blocks * 512 >= m.bytes, "all of it is filled in");
        seals = fcntl(m.fd, F_GET_SEALS);
        tap_ok(seals >= 0 && (seals & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) == (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
               "its size is sealed, and the seals are");
        tap_ok(!(seals & F_SEAL_WRITE), "its contents are not");
        tap_ok(ftruncate(m.fd, 4096) < 0 && errno == EPERM, "it can't be cut");
        tap_ok(ftruncate(m.fd, 4 << 20) < 0 && errno == EPERM, "it can't be extended");
        tap_ok(fcntl(m.fd, F_ADD_SEALS, F_SEAL_WRITE) < 0 && errno == EPERM, "it can't be sealed any further");
        tap_ok(fcntl(m.fd, F_GETFD) & FD_CLOEXEC, "it is close-on-exec");
        tap_streq(link_name(m.fd, name, sizeof(name)), "/memfd:tced:db1-00001000 (deleted)", "it has its name");
        entries = mmap(NULL, m.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, m.fd, 0);
        if (!tap_ok(entries != MAP_FAILED, "it can be mapped"))
                return;
        for (size_t i = 0; i < 1 << 18; i++)
                nonzero += entries[i] != 0;
        tap_eq(nonzero, 0, "every TCE is zero");
        entries[(1 << 18) - 1] = 3;
        tap_eq(entries[(1 << 18) - 1], 3, "and can be written");
        (void) munmap(entries, m.bytes);
        table_memory_clear(&m);
        tap_ok(m.fd == -EBADF && m.bytes == 0, "cleared, it is empty");
        table_memory_clear(&m);
        tap_eq(m.fd, -EBADF, "and can be cleared again");
}

/* The KiB that a mapping of this process has by whole huge pages; -1: it can't be told. */
static long mapped_by_huge_pages(const void *map) {
        _cleanup_file_ FILE *f = fopen("/proc/self/smaps", "re");
        char line[512];
        bool found = false;
        long kib;

        while (f && fgets(line, sizeof(line), f)) {
                uint64_t start, end;

                if (sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end) == 2)
                        found = start == (uintptr_t) map;
                else if (found && sscanf(line, "ShmemPmdMapped: %ld", &kib) == 1)
                        return kib;
        }
        return -1;
}

/* Does this kernel make huge pages of a file at all? With a mapping that is placed by hand. */
static bool kernel_gathers(void) {
        _cleanup_fd_ int fd = memfd_create("test", MFD_CLOEXEC);
        bool good = false;
        char *room, *map;

        if (fd < 0 || ftruncate(fd, HUGE_PAGE_MAX) < 0)
                return false;
        room = mmap(NULL, 2 * HUGE_PAGE_MAX, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (room == MAP_FAILED)
                return false;
        map = room + (-(uintptr_t) room & (HUGE_PAGE_MAX - 1));
        if (mmap(map, HUGE_PAGE_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE | MAP_FIXED, fd, 0) != MAP_FAILED) {
                (void) madvise(map, HUGE_PAGE_MAX, 25 /* MADV_COLLAPSE */);
                good = mapped_by_huge_pages(map) > 0;
        }
        (void) munmap(room, 2 * HUGE_PAGE_MAX);
        return good;
}

static long faults(void) {
        struct rusage usage;

        (void) getrusage(RUSAGE_SELF, &usage);
        return usage.ru_minflt;
}

/* A VMM that maps it waits for no page to be zeroed, and for few faults. */
static void test_mapped(void) {
        size_t bytes = 2 * HUGE_PAGE_MAX, page = (size_t) sysconf(_SC_PAGESIZE);
        bool gathers = kernel_gathers();

        for (int huge = 0; huge < _TRISTATE_MAX; huge++) {
                _cleanup_(table_memory_clear) TableMemory m = TABLE_MEMORY_INIT;
                const char *setting = tristate_to_string((Tristate) huge);
                long before, after, kib;
                void *map;

                if (!tap_eq(table_memory_make("t", bytes / 8, (Tristate) huge, NUMA_NODE_ANY, &m), 0, "32 MiB, HugePages=%s", setting))
                        return;
                before = faults();
                map = map_shared(m.fd, bytes, MAP_POPULATE);
                after = faults();
                if (!tap_ok(map != MAP_FAILED, "is mapped"))
                        return;
                kib = mapped_by_huge_pages(map);
                if (huge == TRISTATE_NO)
                        tap_ok(kib <= 0, "of ordinary pages");
                else if (!gathers && !m.huge)
                        tap_skip("this kernel makes no huge pages of a file (before Linux 6.1)", "of huge pages");
                else
                        tap_ok(m.huge || kib == (long) bytes / 1024, "of huge pages");
                if (page > 4096)
                        tap_skip("the kernel maps pages as large as this one by one", "several pages at a time");
                else
                        tap_ok(after - before < (long) (bytes / page / 2), "several pages at a time");
                (void) munmap(map, bytes);
        }
}

/* Whole pages, all of them filled in. */
static void test_sizes(void) {
        uint64_t page = (uint64_t) sysconf(_SC_PAGESIZE);
        const struct {
                const char *name;
                uint64_t entries, bytes;
        } cases[] = {
                { "one TCE", 1, page },
                { "seven TCEs", 7, page },
                { "a page of TCEs", page / 8, page },
                { "one more", page / 8 + 1, 2 * page },
                { "64 MiB and a page, so that it is filled in by two steps", (UINT64_C(64) << 20) / 8 + 1,
                  (UINT64_C(64) << 20) + page },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(table_memory_clear) TableMemory m = TABLE_MEMORY_INIT;
                struct stat st = {};
                int r = table_memory_make("t", cases[i].entries, TRISTATE_NO, NUMA_NODE_ANY, &m);

                tap_ok(r == 0 && m.bytes == cases[i].bytes && fstat(m.fd, &st) == 0 && (uint64_t) st.st_size == m.bytes &&
                               (uint64_t) st.st_blocks * 512 >= m.bytes,
                       "size: %s", cases[i].name);
        }
}

/* What is wrong with the request itself: *ret and the fds stay as they were. */
static void test_refused(void) {
        static const struct {
                const char *name;
                uint64_t entries;
                int numa_node, want;
        } cases[] = {
                { "no entries", 0, NUMA_NODE_ANY, -EINVAL },
                { "2^32 entries", TCE_ENTRIES_LIMIT, NUMA_NODE_ANY, -EFBIG },
                { "2^64 - 1 entries", UINT64_MAX, NUMA_NODE_ANY, -EFBIG },
                { "node 1023", 512, 1023, -ENODEV },
                { "node 1024", 512, 1024, -ENODEV },
                { "node -2", 512, -2, -ENODEV },
                { "node 2^31 - 1", 512, INT_MAX, -ENODEV },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (int huge = 0; huge < _TRISTATE_MAX; huge++) {
                        TableMemory m = { .fd = 77, .bytes = 78 };
                        unsigned before = count_fds();
                        int r = table_memory_make("t", cases[i].entries, (Tristate) huge, cases[i].numa_node, &m);

                        tap_ok(r == cases[i].want && m.fd == 77 && m.bytes == 78 && count_fds() == before,
                               "refused: %s, huge pages %s", cases[i].name, tristate_to_string((Tristate) huge));
                }
}

/* Names that are too long for the kernel. */
static void test_names(void) {
        static const struct {
                const char *unit, *what;
        } cases[] = { { "x", "letters" }, { "\xc3\xa4", "two-byte characters" }, { "\xe2\x82\xac", "three-byte characters" },
                      { "\xbf", "bytes that are no characters" } };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(table_memory_clear) TableMemory m = TABLE_MEMORY_INIT;
                char name[1024] = "", have[PATH_MAX];
                size_t unit = strlen(cases[i].unit), kept;

                while (strlen(name) + unit < sizeof(name))
                        (void) strcat(name, cases[i].unit);
                if (!tap_eq(table_memory_make(name, 1, TRISTATE_NO, NUMA_NODE_ANY, &m), 0, "a name of 1 KiB, %s", cases[i].what))
                        continue;
                (void) link_name(m.fd, have, sizeof(have));
                kept = strlen(have) - strlen("/memfd:tced: (deleted)");
                tap_ok(strncmp(have, "/memfd:tced:", 12) == 0 && strncmp(have + 12, name, kept) == 0 &&
                               (i == 3 ? kept == 0 : kept > 240 && kept % unit == 0),
                       "it is cut between characters");
        }
        _cleanup_(table_memory_clear) TableMemory m = TABLE_MEMORY_INIT;
        tap_eq(table_memory_make("", 1, TRISTATE_NO, NUMA_NODE_ANY, &m), 0, "no name");
}

/* Needs free huge pages, which root can have where /proc/sys/vm is writable. */
static void test_huge_pages(void) {
        uint64_t size = meminfo("Hugepagesize:") * 1024, had = meminfo("HugePages_Total:");
        _cleanup_(table_memory_clear) TableMemory m = TABLE_MEMORY_INIT;
        _cleanup_file_ FILE *f = NULL;
        struct stat st = {};

        if (size > 0 && meminfo("HugePages_Free:") < 2) {
                f = fopen("/proc/sys/vm/nr_hugepages", "we");
                if (f) {
                        (void) fprintf(f, "%" PRIu64 "\n", had + 2);
                        (void) fflush(f);
                }
        }
        if (size == 0 || meminfo("HugePages_Free:") < 2)
                tap_skip("no huge pages are free and none can be set aside", "a table of huge pages");
        else {
                tap_eq(table_memory_make("t", 2 * size / 8, TRISTATE_AUTO, NUMA_NODE_ANY, &m), 0, "a table of two huge pages");
                tap_ok(m.huge && m.bytes == 2 * size, "it is made of them");
                tap_ok(fstat(m.fd, &st) == 0 && st.st_blksize == (blksize_t) size && (uint64_t) st.st_blocks * 512 == m.bytes,
                       "it is filled in");
                tap_ok(ftruncate(m.fd, (off_t) size) < 0 && errno == EPERM, "it is sealed");
                table_memory_clear(&m);
                tap_eq(table_memory_make("t", 2 * size / 8, TRISTATE_NO, NUMA_NODE_ANY, &m), 0, "the same with HugePages=no");
                tap_ok(!m.huge, "is not");
                table_memory_clear(&m);
                tap_eq(table_memory_make("t", 2 * size / 8 - 1, TRISTATE_YES, NUMA_NODE_ANY, &m), 0, "a TCE less, rounded up");
        }
        if (f) {
                rewind(f);
                (void) fprintf(f, "%" PRIu64 "\n", had);
        }
}

/* Where there are none, or the size is no multiple, ordinary pages serve. */
static void test_huge_fallback(void) {
        uint64_t size = meminfo("Hugepagesize:") * 1024, free_pages = meminfo("HugePages_Free:");
        uint64_t page = (uint64_t) sysconf(_SC_PAGESIZE);
        unsigned before = count_fds();
        TableMemory m = TABLE_MEMORY_INIT;

        tap_eq(table_memory_make("t", page / 8, TRISTATE_YES, NUMA_NODE_ANY, &m), 0, "a page, huge pages wanted");
        tap_ok(!m.huge && m.bytes == page, "is an ordinary page");
        table_memory_clear(&m);
        /* Where huge pages are larger, or free ones could be taken, 2 MiB will do. */
        if (size == 0 || size > 8 << 20 || free_pages > 0)
                size = 2 << 20;
        tap_eq(table_memory_make("t", size / 8, TRISTATE_YES, NUMA_NODE_ANY, &m), 0, "a huge page's size");
        tap_ok(m.bytes == size && (free_pages > 0 || !m.huge), "is made of what there is");
        table_memory_clear(&m);
        tap_eq(count_fds(), before, "the try leaves no fd behind");
}

/* The limit is put at the lowest free number: not one more can be opened. */
static void test_no_fds(void) {
        struct rlimit old, none;
        TableMemory m = { .fd = 77 };
        unsigned before = count_fds();
        int r, lowest = dup(0);

        (void) close(lowest);
        (void) getrlimit(RLIMIT_NOFILE, &old);
        none = old;
        none.rlim_cur = (rlim_t) lowest;
        (void) setrlimit(RLIMIT_NOFILE, &none);
        r = table_memory_make("t", 1 << 18, TRISTATE_AUTO, NUMA_NODE_ANY, &m);
        (void) setrlimit(RLIMIT_NOFILE, &old);
        tap_ok(r == -EMFILE && m.fd == 77, "no fd is left to be had");
        tap_eq(count_fds(), before, "nothing is leaked");
}

static void test_file_size_limit(void) {
        const struct rlimit limit = { .rlim_cur = 1 << 20, .rlim_max = RLIM_INFINITY };
        TableMemory m = { .fd = 77 };
        struct rlimit old;
        unsigned before = count_fds();
        int below, above;

        (void) getrlimit(RLIMIT_FSIZE, &old);
        if (setrlimit(RLIMIT_FSIZE, &limit) < 0) {
                tap_skip("RLIMIT_FSIZE can't be set", "a table beyond RLIMIT_FSIZE");
                return;
        }
        above = table_memory_make("t", (1 << 20) / 8 + 1, TRISTATE_NO, NUMA_NODE_ANY, &m);
        tap_ok(above == -EFBIG && m.fd == 77, "a table beyond RLIMIT_FSIZE is refused, and no SIGXFSZ ends the process");
        below = table_memory_make("t", (1 << 20) / 8, TRISTATE_NO, NUMA_NODE_ANY, &m);
        tap_eq(below, 0, "one that just fits is made");
        table_memory_clear(&m);
        (void) setrlimit(RLIMIT_FSIZE, &old);
        tap_eq(count_fds(), before, "nothing is leaked");
}

/* The largest table has 32 GiB. Where there is less, that is an error at once, and the OOM killer is not asked. */
static void test_too_much(void) {
        uint64_t available = meminfo("MemAvailable:") * 1024;
        TableMemory m = { .fd = 77 };
        unsigned before = count_fds();

        if (available == 0 || available > UINT64_C(32) << 30) {
                tap_skip("more memory than the largest table needs, or none told", "more than there is");
                return;
        }
        tap_eq(table_memory_make("t", TCE_ENTRIES_LIMIT - 1, TRISTATE_AUTO, NUMA_NODE_ANY, &m), -ENOMEM, "more than there is");
        tap_ok(m.fd == 77 && count_fds() == before, "nothing is leaked");
}

/* Where the pages are can't be asked of a memfd: that the kernel took the policy has to do. */
static void test_node(void) {
        _cleanup_(table_memory_clear) TableMemory m = TABLE_MEMORY_INIT;
        struct stat st = {};
        int r;

        if (access("/sys/devices/system/node/node0", F_OK) < 0) {
                tap_skip("no node 0", "a table on node 0");
                return;
        }
        r = table_memory_make("t", 1 << 15, TRISTATE_NO, 0, &m);
        if (r == -EPERM) {
                tap_skip("mbind is forbidden here", "a table on node 0");
                return;
        }
        tap_eq(r, 0, "a table on node 0");
        tap_ok(fstat(m.fd, &st) == 0 && (uint64_t) st.st_blocks * 512 >= m.bytes && m.bytes == 1 << 18, "is filled in");
}

static void on_alarm(int signo) {
}

/* A signal each 200 µs interrupts fallocate() again and again: it is tried again, not given up. */
static void test_signals(void) {
        static const struct sigaction action = { .sa_handler = on_alarm };
        static const struct itimerval often = { { 0, 200 }, { 0, 200 } }, never = {};
        _cleanup_(table_memory_clear) TableMemory m = TABLE_MEMORY_INIT;
        int r;

        (void) sigaction(SIGALRM, &action, NULL);
        (void) setitimer(ITIMER_REAL, &often, NULL);
        r = table_memory_make("t", 1 << 20, TRISTATE_NO, NUMA_NODE_ANY, &m);
        (void) setitimer(ITIMER_REAL, &never, NULL);
        /* valgrind may have one still to deliver. */
        (void) signal(SIGALRM, SIG_IGN);
        tap_eq(r, 0, "a table made under a hail of signals");
}

/* For a window that is opened while its VM runs. */
static void test_empty(void) {
        TableMemory m = TABLE_MEMORY_INIT;
        struct stat st;

        if (!tap_eq(table_memory_make_empty("empty", 1 << 20, NUMA_NODE_ANY, &m), 0, "a table that is not filled in"))
                return;
        tap_ok(fstat(m.fd, &st) == 0 && st.st_size == 8 << 20 && st.st_blocks == 0, "has its size, and no page yet");
        tap_ok((fcntl(m.fd, F_GET_SEALS) & (F_SEAL_SHRINK | F_SEAL_GROW)) == (F_SEAL_SHRINK | F_SEAL_GROW), "and can't be resized");
        table_memory_clear(&m);
        tap_eq(table_memory_make_empty("empty", 0, NUMA_NODE_ANY, &m), -EINVAL, "without entries there is none");
        tap_eq(table_memory_make_empty("empty", UINT64_C(1) << 32, NUMA_NODE_ANY, &m), -EFBIG, "nor of 2^32");
        tap_eq(table_memory_make_empty("empty", 1, 1000, &m), -ENODEV, "nor on a node that is not there");
        tap_eq(m.fd, -EBADF, "and nothing is left");
}

int main(void) {
        (void) log_set_target("null");
        test_table();
        test_mapped();
        test_sizes();
        test_refused();
        test_names();
        test_huge_pages();
        test_huge_fallback();
        test_no_fds();
        test_file_size_limit();
        test_too_much();
        test_node();
        test_signals();
        test_empty();
        return tap_done();
}
