/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Makes `user` tables. Filling in a large one takes a while (8 to 40 ms for 128 MiB, seconds for 32 GiB): whoever has a loop
 * to run does it elsewhere. Nothing is kept here, no fd and no mapping. */

#include "table.h"

#include <inttypes.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "fd_reserve.h"
#include "log.h"
#include "tce.h"
#include "util.h"

/* linux/memfd.h, 6.3 and newer; and linux/mempolicy.h, which would need libnuma's headers or clash with them. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
/* linux/mman.h, 6.1 and newer. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define NUMA_POLICY_BIND 2
#define NUMA_NODES_MAX 1024U

#define BITS_PER_LONG (8 * sizeof(unsigned long))

/* A signal undoes the fallocate() that it interrupts: so much is done at a time, or one huge page where those are larger. */
#define FILL_STEP (UINT64_C(64) << 20)

/* "memfd:" and the name have NAME_MAX bytes together. */
#define MEMFD_NAME_MAX 249

/* What one table is made with. */
typedef struct TableRequest {
        const char *name;
        uint64_t bytes; /* a multiple of page_size */
        uint64_t page_size;
        bool huge;
        bool gather; /* into transparent huge pages, where the kernel can */
        bool empty;  /* not filled in */
        int numa_node;
} TableRequest;

/* The bytes behind `key` ("MemAvailable:") in a file like /proc/meminfo, which counts in KiB. -ENOENT: no such key. */
static int read_meminfo(const char *path, const char *key, uint64_t *ret) {
        char text[8192];
        const char *found;
        uint64_t kib;
        ssize_t n = read_file_at(AT_FDCWD, path, text, sizeof(text));

        if (n < 0)
                return (int) n;
        found = strstr(text, key);
        if (!found || sscanf(found + strlen(key), "%" SCNu64, &kib) != 1)
                return -ENOENT;
        *ret = kib * 1024;
        return 0;
}

/* Is there so much memory, on the node or in all? Where fallocate() finds none the kernel's OOM killer looks for a victim, and that
 * may well be a VM: so what can't be is not tried. A sixteenth stays for the others. What the kernel does not tell counts as
 * enough. */
static bool memory_is_there(uint64_t bytes, int numa_node) {
        static const char *const node_keys[] = { "MemFree:", "Active(file):", "Inactive(file):", "SReclaimable:" };
        uint64_t available = 0, part;
        char path[64];

        if (numa_node == NUMA_NODE_ANY) {
                if (read_meminfo("/proc/meminfo", "MemAvailable:", &available) < 0)
                        return true;
                return bytes <= available - available / 16;
        }
        (void) snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", numa_node);
        for (size_t i = 0; i < ELEMENTSOF(node_keys); i++) {
                if (read_meminfo(path, node_keys[i], &part) < 0)
                        return true;
                available += part;
        }
        return bytes <= available - available / 16;
}

static bool node_is_there(int numa_node) {
        char path[64];

        if (numa_node < 0 || (unsigned) numa_node >= NUMA_NODES_MAX)
                return false;
        (void) snprintf(path, sizeof(path), "/sys/devices/system/node/node%d", numa_node);
        return access(path, F_OK) == 0;
}

/* "tced:NAME", cut where it is too long, but not inside a UTF-8 character. */
static void make_name(const char *name, char *buf, size_t size) {
        int n = snprintf(buf, size, "tced:%s", name);

        if (n < 0 || (size_t) n < size)
                return;
        n = (int) size - 1;
        while (n > 5 && ((unsigned char) name[n - 5] & 0xc0) == 0x80)
                n--;
        buf[n] = '\0';
}

static int open_memfd(const TableRequest *request) {
        unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING | (request->huge ? MFD_HUGETLB : 0);
        char name[MEMFD_NAME_MAX + 1];
        int fd;

        make_name(request->name, name, sizeof(name));
        /* Without this flag newer kernels warn, and refuse with vm.memfd_noexec=2; older ones do not know it. */
        fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);
        if (fd < 0 && errno == EINVAL)
                fd = memfd_create(name, flags);
        return fd < 0 ? -errno : fd_reserve_check(fd);
}

/* Binds the file's pages to the node. The policy is set through a mapping but belongs to the file: it stays when the mapping
 * goes, and holds for whoever touches a page first (mbind(2), shared memory). */
static int bind_to_node(int fd, uint64_t bytes, int numa_node) {
        unsigned long mask[NUMA_NODES_MAX / BITS_PER_LONG] = {};
        void *p;
        int r = 0;

        if (bytes > SIZE_MAX)
                return -ENOMEM;
        p = map_shared(fd, (size_t) bytes, MAP_NORESERVE);
        if (p == MAP_FAILED)
                return -errno;
        mask[(unsigned) numa_node / BITS_PER_LONG] = 1UL << ((unsigned) numa_node % BITS_PER_LONG);
        /* maxnode is one more than the number of bits: the kernel takes one off. */
        if (syscall(SYS_mbind, p, (unsigned long) bytes, NUMA_POLICY_BIND, mask, NUMA_NODES_MAX + 1UL, 0U) < 0)
                r = errno == EINVAL || errno == ENOSYS ? -ENODEV : -errno;
        (void) munmap(p, (size_t) bytes);
        return r;
}

/* Makes the file of transparent huge pages, as far as the kernel has them: zeroing one is one go, and the VMM maps it by one fault, where
 * pages of 4 KiB take hundreds. MADV_COLLAPSE does it whatever /sys/kernel/mm/transparent_hugepage says, tries harder than a fault does,
 * asks no OOM killer, and stops at the first that it can't have. It wants a page in each, which also says on which node
 * (mm/khugepaged.c:hpage_collapse_scan_file); that one comes by fallocate(), as a touch without memory would be a SIGBUS here. What is left
 * is for fill_in(), and what can't be had shows there. */
static void gather_pages(int fd, uint64_t bytes, uint64_t page_size) {
        void *p;

        if (bytes < HUGE_PAGE_MIN || bytes > SIZE_MAX)
                return;
        for (uint64_t at = 0; at + HUGE_PAGE_MIN <= bytes; at += HUGE_PAGE_MIN)
                if (fallocate(fd, 0, (off_t) at, (off_t) page_size) < 0 && errno != EINTR)
                        return;
        p = map_shared(fd, (size_t) bytes, MAP_NORESERVE);
        if (p == MAP_FAILED)
                return;
        (void) madvise(p, (size_t) bytes, MADV_COLLAPSE);
        (void) munmap(p, (size_t) bytes);
}

static int fill_in(int fd, uint64_t bytes, uint64_t page_size) {
        uint64_t step = page_size > FILL_STEP ? page_size : FILL_STEP, done = 0;

        while (done < bytes) {
                uint64_t n = bytes - done < step ? bytes - done : step;

                if (fallocate(fd, 0, (off_t) done, (off_t) n) == 0) {
                        done += n;
                        continue;
                }
                if (errno != EINTR)
                        return -errno;
                /* The next signal may be as early: less at a time, so that some of it is done in between. */
                if (n / 2 >= page_size)
                        step = n / 2 / page_size * page_size;
        }
        return 0;
}

/* An fd to a table that is filled in and sealed, or negative errno. */
static int make_sealed(const TableRequest *request) {
        _cleanup_fd_ int fd = open_memfd(request);
        int r;

        if (fd < 0)
                return fd;
        if (ftruncate(fd, (off_t) request->bytes) < 0)
                return -errno;
        if (request->numa_node != NUMA_NODE_ANY) {
                r = bind_to_node(fd, request->bytes, request->numa_node);
                if (r < 0)
                        return r;
        }
        if (request->gather)
                gather_pages(fd, request->bytes, request->page_size);
        r = request->empty ? 0 : fill_in(fd, request->bytes, request->page_size);
        /* The first time pages are only set aside. The second time they are zeroed, which the VMM's first touch of each would have to wait
         * for, and the kernel then maps several at a time (mm/shmem.c:shmem_get_folio_gfp, SGP_FALLOC; mm/filemap.c:filemap_map_pages). */
        if (r >= 0 && !request->empty && !request->huge)
                r = fill_in(fd, request->bytes, request->page_size);
        if (r < 0)
                return r;
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* Huge pages are tried where the table has whole ones. They come from a pool that the administrator set aside: where that is
 * empty it is a plain error here, and nobody is killed. */
static int make_huge(const TableRequest *small) {
        TableRequest request = *small;
        int r = read_meminfo("/proc/meminfo", "Hugepagesize:", &request.page_size);

        if (r < 0)
                return r;
        if (request.page_size == 0 || request.bytes % request.page_size != 0)
                return -EINVAL;
        request.huge = true;
        request.gather = false;
        return make_sealed(&request);
}

/* Works out the size and looks whether it can be. */
static int check_request(TableRequest *request, uint64_t entries) {
        struct rlimit limit;

        if (entries == 0)
                return -EINVAL;
        if (entries >= TCE_ENTRIES_LIMIT)
                return -EFBIG;
        request->page_size = (uint64_t) sysconf(_SC_PAGESIZE);
        request->bytes = (tce_table_bytes(entries) + request->page_size - 1) / request->page_size * request->page_size;

        /* Beyond RLIMIT_FSIZE ftruncate() would raise SIGXFSZ, which ends a process that does not expect it. */
        if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && request->bytes > limit.rlim_cur)
                return -EFBIG;
        if (request->numa_node != NUMA_NODE_ANY && !node_is_there(request->numa_node))
                return -ENODEV;
        return 0;
}

int table_memory_make(const char *name, uint64_t entries, Tristate huge_pages, int numa_node, TableMemory *ret) {
        TableRequest request = { .name = name, .gather = huge_pages != TRISTATE_NO, .numa_node = numa_node };
        int fd = -EBADF, r;
        bool huge;

        r = check_request(&request, entries);
        if (r < 0)
                return r;
        if (huge_pages != TRISTATE_NO)
                fd = make_huge(&request);
        huge = fd >= 0;
        if (!huge) {
                if (huge_pages == TRISTATE_YES)
                        log_notice("table %s: no huge pages (%s), ordinary ones are taken; see vm.nr_hugepages", name,
                                   fd == -EINVAL ? "its size is no multiple of them" : strerror(-fd));
                if (!memory_is_there(request.bytes, numa_node))
                        return -ENOMEM;
                fd = make_sealed(&request);
                if (fd < 0)
                        return fd;
        }
        *ret = (TableMemory) { .fd = fd, .bytes = request.bytes, .huge = huge };
        return 0;
}

int table_memory_make_empty(const char *name, uint64_t entries, int numa_node, TableMemory *ret) {
        TableRequest request = { .name = name, .empty = true, .numa_node = numa_node };
        int fd, r;

        r = check_request(&request, entries);
        if (r < 0)
                return r;
        fd = make_sealed(&request);
        if (fd < 0)
                return fd;
        *ret = (TableMemory) { .fd = fd, .bytes = request.bytes };
        return 0;
}

void table_memory_clear(TableMemory *m) {
        m->fd = fd_close(m->fd);
        m->bytes = 0;
        m->huge = false;
}
