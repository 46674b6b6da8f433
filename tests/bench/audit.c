/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A look at 200 processes that have what VMMs have (bench-peer vmm): a VM where there is KVM, tables of tced's, fds and mappings by the hundred. Only
 * they are in the folder that both sides take for /proc, as links, so that what else runs here does not count. */

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "audit_process.h"
#include "bench.h"
#include "peer.h"
#include "util.h"

#define VMMS 200U
#define VMMS_QUICK 4U
#define PAGE ((uint64_t) sysconf(_SC_PAGESIZE))

typedef struct Audited {
        char dir[32];
        int proc_fd;
        pid_t pids[VMMS];
        unsigned n;
        bool has_kvm;
        size_t tables, fds, command_lines; /* that the last look found */
} Audited;

/* With as many words as a QEMU of libvirt's has. */
static _Noreturn void be_vmm(int ready) {
        static char *argv[160] = { (char *) "qemu-system-ppc64", (char *) "-name", (char *) "guest=web1,debug-threads=on" };

        for (size_t i = 3; i < ELEMENTSOF(argv) - 1; i++)
                argv[i] = (char *) (i % 2 ? "-device" : "{\"driver\":\"virtio-net-pci\",\"netdev\":\"hostnet0\",\"id\":\"net0\",\"bus\":\"pci.0\"}");
        if (dup2(ready, STDOUT_FILENO) < 0)
                _exit(126);
        (void) setenv("BENCH_VMM", "1", 1);
        (void) execv(getenv("BENCH_PEER"), argv);
        _exit(127);
}

static void start_vmms(Audited *a) {
        int ready[2];
        char said;

        (void) bench_must(pipe2(ready, O_CLOEXEC) < 0 ? -errno : 0, "pipe");
        a->n = bench_quick() ? VMMS_QUICK : VMMS;
        a->has_kvm = true;
        for (unsigned i = 0; i < a->n; i++) {
                char path[64], link[64];

                a->pids[i] = fork();
                if (a->pids[i] == 0)
                        be_vmm(ready[1]);
                if (a->pids[i] < 0 || read(ready[0], &said, 1) != 1)
                        bench_fail("VMM %u does not come up", i);
                a->has_kvm &= said == PEER_HAS_KVM;
                (void) snprintf(path, sizeof(path), "%s/%d", a->dir, (int) a->pids[i]);
                (void) snprintf(link, sizeof(link), "/proc/%d", (int) a->pids[i]);
                (void) bench_must(symlink(link, path) < 0 ? -errno : 0, path);
        }
        (void) close(ready[0]);
        (void) close(ready[1]);
}

static void stop_vmms(Audited *a) {
        for (unsigned i = 0; i < a->n; i++) {
                char path[64];

                (void) kill(a->pids[i], SIGKILL);
                (void) waitpid(a->pids[i], NULL, 0);
                (void) snprintf(path, sizeof(path), "%s/%d", a->dir, (int) a->pids[i]);
                (void) unlink(path);
        }
        (void) close(a->proc_fd);
        (void) rmdir(a->dir);
}

static void count_seen(Audited *a, const SeenProcess *p) {
        a->command_lines += p->command_line_size;
        for (size_t i = 0; i < p->n_tables; i++)
                a->tables += p->tables[i].mapped && p->tables[i].resident_known;
}

/* Without KVM none of them has a VM, and each is asked for by its PID. */
static int64_t look_by_tced(void *userdata) {
        SeenProcesses all = {};
        Audited *a = userdata;
        int r = 0;

        a->tables = a->command_lines = 0;
        if (a->has_kvm)
                r = audit_process_scan(a->proc_fd, 0, PAGE, &all);
        for (size_t i = 0; i < all.n; i++)
                count_seen(a, &all.items[i]);
        seen_processes_clear(&all);
        for (unsigned i = 0; !a->has_kvm && r >= 0 && i < a->n; i++) {
                SeenProcess p;

                r = audit_process_read(a->proc_fd, a->pids[i], PAGE, &p);
                if (r >= 0) {
                        count_seen(a, &p);
                        seen_process_clear(&p);
                }
        }
        return r;
}

static size_t take(int dir, const char *name, char *buf, size_t size) {
        int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
        size_t have = 0;
        ssize_t n;

        while (fd >= 0 && (n = read(fd, buf + have, size - 1 - have)) > 0)
                have += (size_t) n;
        if (fd >= 0)
                (void) close(fd);
        buf[have] = '\0';
        return have;
}

/* Which pages of the tables are there: where those are, is all that is looked for in the mappings. */
static void take_tables(Audited *a, int dir) {
        static char maps[1024 * 1024];
        uint64_t entries[PEER_VMM_TABLE / 4096];
        int pagemap = openat(dir, "pagemap", O_RDONLY | O_CLOEXEC);

        (void) take(dir, "maps", maps, sizeof(maps));
        for (char *found = maps; (found = strstr(found, "/memfd:tced:")); found++) {
                char *line = memrchr(maps, '\n', (size_t) (found - maps));
                uint64_t start = strtoull(line ? line + 1 : maps, NULL, 16);

                a->tables += pread(pagemap, entries, PEER_VMM_TABLE / PAGE * 8, (off_t) (start / PAGE * 8)) > 0;
        }
        (void) close(pagemap);
}

static void take_fds(Audited *a, int dir) {
        char buf[8192] __attribute__((__aligned__(8))), link[512];
        int fd = openat(dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct stat st;
        ssize_t n;

        while (fd >= 0 && (n = getdents64(fd, buf, sizeof(buf))) > 0)
                for (ssize_t at = 0; at < n;) {
                        const struct dirent64 *entry = (const struct dirent64 *) (buf + at);
                        ssize_t length = entry->d_name[0] == '.' ? -1 : readlinkat(fd, entry->d_name, link, sizeof(link) - 1);

                        a->fds += length > 0;
                        if (length > 12 && memcmp(link, "/memfd:tced:", 12) == 0)
                                (void) fstatat(fd, entry->d_name, &st, 0);
                        at += entry->d_reclen;
                }
        (void) close(fd);
}

static int64_t look_by_calls(void *userdata) {
        static char buf[256 * 1024];
        Audited *a = userdata;
        /* A scan lists them all; who knows them asks for them. */
        DIR *all = a->has_kvm ? opendir(a->dir) : NULL;

        a->tables = a->fds = a->command_lines = 0;
        while (all && readdir(all))
                ;
        for (unsigned i = 0; i < a->n; i++) {
                char name[16];
                int dir;

                (void) snprintf(name, sizeof(name), "%d", (int) a->pids[i]);
                dir = openat(a->proc_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                (void) take(dir, "stat", buf, sizeof(buf));
                (void) take(dir, "status", buf, sizeof(buf));
                (void) take(dir, "limits", buf, sizeof(buf));
                a->command_lines += take(dir, "cmdline", buf, sizeof(buf));
                take_tables(a, dir);
                take_fds(a, dir);
                (void) close(dir);
        }
        if (all)
                (void) closedir(all);
        return 0;
}

/* Both find what there is. */
static void check(Audited *a) {
        size_t lines;

        (void) bench_must(look_by_tced(a), "audit");
        lines = a->command_lines;
        if (a->tables != (size_t) a->n * PEER_VMM_TABLES || lines == 0)
                bench_fail("tced finds %zu tables of %u processes", a->tables, a->n);
        (void) look_by_calls(a);
        if (a->tables != (size_t) a->n * PEER_VMM_TABLES || a->command_lines != lines || a->fds < (size_t) a->n * PEER_VMM_FDS)
                bench_fail("the bare calls find %zu tables, %zu fds, %zu bytes of command lines for %zu", a->tables, a->fds, a->command_lines, lines);
}

void bench_audit(void) {
        Audited a = { .dir = "/tmp/tced-bench-XXXXXX" };

        if (!bench_wanted("audit"))
                return;
        if (!mkdtemp(a.dir) || (a.proc_fd = open(a.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
                bench_fail("no folder: %s", strerror(errno));
        start_vmms(&a);
        check(&a);
        bench_compare(&(Comparison) {
                              .id = "audit", .what = a.has_kvm ? "audit of 200 VMM-like processes" : "audit of 200 VMM-like processes, no KVM",
                              .peer_name = "the bare calls that read the same", .tced = { .run = look_by_tced, .userdata = &a },
                              .peer = { .run = look_by_calls, .userdata = &a }, .runs = 20, .goal = GOAL_TIMES, .limit = 1.3,
                      }, NULL);
        stop_vmms(&a);
}
