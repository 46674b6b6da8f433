/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* KVM's tables show in /proc/PID/maps as long as they are, rounded up to pages, and without their LIOBN; tced's memfds carry it in their
 * name. CAP_SYS_PTRACE opens maps and smaps of other users' processes; fd and pagemap are of mode 0500 and 0400, and stay closed without
 * CAP_DAC_READ_SEARCH (fs/proc/fd.c:proc_fd_permission). So a VM is also known by its vCPUs, which VMMs map; what is resident comes from
 * pagemap, else from smaps, for which the kernel walks all of the guest's memory, and which is left alone where that is large. */

#include "audit_process.h"

#include <dirent.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "util.h"

/* Of one process so much is read, and no more: nobody may hold a worker up. */
#define FDS_MAX 65536U
#define MAPS_MAX 262144U
#define SMAPS_RSS_MAX (UINT64_C(64) << 30)
#define TABLES_MAX 4096U
#define COMMAND_LINE_MAX ((size_t) 256 * 1024)

#define KVM_LINKS "anon_inode:kvm-"
#define VM_LINK "anon_inode:kvm-vm"
#define VCPU_LINK "anon_inode:kvm-vcpu"
#define TABLE_LINK "anon_inode:kvm-spapr-tce"
#define MEMFD_LINK "/memfd:tced:"
#define DELETED " (deleted)"

/* Documentation/admin-guide/mm/pagemap.rst */
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)

#define CAP_IPC_LOCK_BIT 14

/* A mapping, as /proc/PID/maps has it. */
typedef struct Mapping {
        uint64_t start, end, offset, inode;
        const char *path;
} Mapping;

void seen_process_clear(SeenProcess *p) {
        free(p->command_line);
        free(p->tables);
        *p = (SeenProcess) {};
}

void seen_processes_clear(SeenProcesses *p) {
        for (size_t i = 0; i < p->n; i++)
                seen_process_clear(&p->items[i]);
        free(p->items);
        *p = (SeenProcesses) {};
}

static bool starts_with(const char *text, const char *prefix) {
        return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* NULL and *cut where there are too many; NULL alone where memory ran out. */
static SeenTable *add_table(SeenProcess *p) {
        if (p->n_tables == TABLES_MAX) {
                p->cut = true;
                return NULL;
        }
        if (ARRAY_RESERVE(p->tables, p->allocated_tables, p->n_tables + 1) < 0)
                return NULL;
        p->tables[p->n_tables] = (SeenTable) { .liobn = -1 };
        return &p->tables[p->n_tables++];
}

/* The name of a memfd of tced's, and the LIOBN at its end, as table_memory_make()'s callers give it. */
static void set_memfd_name(SeenTable *t, const char *link) {
        const char *name = link + strlen(MEMFD_LINK), *dash;
        size_t length = strlen(name);
        char *end;

        if (length > strlen(DELETED) && streq(name + length - strlen(DELETED), DELETED))
                length -= strlen(DELETED);
        if (length >= sizeof(t->name))
                length = sizeof(t->name) - 1;
        memcpy(t->name, name, length);
        t->name[length] = '\0';
        (void) utf8_mend(t->name);
        dash = strrchr(t->name, '-');
        if (dash && strlen(dash) == 9 && strspn(dash + 1, "0123456789abcdef") == 8)
                t->liobn = (int64_t) strtoull(dash + 1, &end, 16);
}

/* By its inode, which is its own, while its name is its maker's choice. */
static SeenTable *find_memfd(SeenProcess *p, uint64_t inode) {
        for (size_t i = 0; i < p->n_tables; i++)
                if (!p->tables[i].kernel && p->tables[i].inode == inode)
                        return &p->tables[i];
        return NULL;
}

/* The value behind a key of /proc/PID/status, in this base. */
static bool status_number(const char *status, const char *key, unsigned skip, int base, uint64_t *ret) {
        const char *line = strstr(status, key);
        char *end;

        if (!line)
                return false;
        line += strlen(key);
        for (;;) {
                uint64_t value = strtoull(line, &end, base);

                if (end == line)
                        return false;
                if (skip-- == 0) {
                        *ret = value;
                        return true;
                }
                line = end;
        }
}

static int read_status(int dir_fd, SeenProcess *p) {
        /* With its supplementary groups it may be long; what is looked for stands before and behind them. */
        const size_t size = 1024 * 1024;
        _cleanup_free_ char *status = malloc(size);
        uint64_t parent = 0, uid = 0, locked = 0, resident = 0, capabilities;
        ssize_t n;

        if (!status)
                return -ENOMEM;
        n = read_file_at(dir_fd, "status", status, size);
        if (n < 0)
                return (int) n;
        if (starts_with(status, "Name:\t")) {
                size_t length = strcspn(status + 6, "\n");

                (void) snprintf(p->name, sizeof(p->name), "%.*s", (int) (length < sizeof(p->name) ? length : sizeof(p->name) - 1),
                                status + 6);
                (void) utf8_mend(p->name);
        }
        (void) status_number(status, "\nPPid:", 0, 10, &parent);
        (void) status_number(status, "\nUid:", 1, 10, &uid);
        (void) status_number(status, "\nVmRSS:", 0, 10, &resident);
        p->resident = resident * 1024;
        p->parent = (pid_t) parent;
        p->uid = (uid_t) uid;
        p->limits_known = status_number(status, "\nVmLck:", 0, 10, &locked) && status_number(status, "\nCapEff:", 0, 16, &capabilities);
        if (p->limits_known) {
                p->locked = locked * 1024;
                p->ipc_lock = capabilities >> CAP_IPC_LOCK_BIT & 1;
        }
        return 0;
}

/* The soft limit is the one that counts (mm/util.c:__account_locked_vm). */
static void read_limits(int dir_fd, SeenProcess *p) {
        static const char key[] = "Max locked memory";
        const char *line = NULL;
        char text[4096];
        uint64_t value;
        char *end;

        if (read_file_at(dir_fd, "limits", text, sizeof(text)) >= 0)
                line = strstr(text, key);
        if (line) {
                line += strlen(key);
                line += strspn(line, " ");
                value = strtoull(line, &end, 10);
                p->lock_limit = end == line ? AUDIT_NO_LIMIT : value;
        }
        p->limits_known = p->limits_known && line && (end != line || starts_with(line, "unlimited"));
}

/* As it is in /proc, an argument and a NUL after the other; a process may have overwritten it. */
static int read_command_line(int dir_fd, SeenProcess *p) {
        _cleanup_free_ char *text = malloc(COMMAND_LINE_MAX);
        _cleanup_fd_ int fd = openat(dir_fd, "cmdline", O_RDONLY | O_CLOEXEC);
        size_t have = 0;
        ssize_t n = 1;

        if (!text)
                return -ENOMEM;
        while (fd >= 0 && n > 0 && have < COMMAND_LINE_MAX - 1) {
                n = read(fd, text + have, COMMAND_LINE_MAX - 1 - have);
                if (n > 0)
                        have += (size_t) n;
        }
        /* One that is cut could be taken for another. */
        if (have == 0 || have == COMMAND_LINE_MAX - 1)
                return 0;
        if (text[have - 1] != '\0')
                text[have++] = '\0';
        p->command_line = realloc(TAKE_PTR(text), have);
        p->command_line_size = have;
        return p->command_line ? 0 : -ENOMEM;
}

/* A memfd's fd, which its mapping may have told of already. stat() follows the link without opening it. */
static int take_memfd_fd(SeenProcess *p, int fd_dir, const char *entry, const char *link) {
        struct stat st = {};
        bool known = fstatat(fd_dir, entry, &st, 0) == 0;
        SeenTable *t;

        if (known && find_memfd(p, st.st_ino))
                return 0;
        t = add_table(p);
        if (!t)
                return p->cut ? 0 : -ENOMEM;
        t->inode = st.st_ino;
        t->bytes = known ? (uint64_t) st.st_size : 0;
        set_memfd_name(t, link);
        return 0;
}

/* vms_only: for a first look, which ends at the first VM. */
static int read_fds(int dir_fd, SeenProcess *p, bool vms_only) {
        int fd = openat(dir_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        const struct dirent *entry;
        unsigned n = 0;
        DIR *dir;

        dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir) {
                r = errno;
                (void) fd_close(fd);
                if (r == ENOENT || r == ESRCH || r == ENOMEM)
                        return -r;
                p->fds_error = r;
                return 0;
        }
        while (r >= 0 && !(vms_only && p->n_vms) && (entry = readdir(dir))) {
                char link[512];
                ssize_t length;

                if (entry->d_name[0] == '.')
                        continue;
                if (n++ == FDS_MAX) {
                        p->cut = true;
                        break;
                }
                length = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
                if (length < 0 && (errno == EACCES || errno == EPERM))
                        p->fds_error = errno;
                if (length < 0)
                        continue;
                link[length] = '\0';
                if (streq(link, VM_LINK))
                        p->n_vms++;
                else if (starts_with(link, VCPU_LINK))
                        p->n_vcpus++;
                else if (streq(link, TABLE_LINK))
                        p->n_kernel_fds++;
                else if (!vms_only && starts_with(link, MEMFD_LINK))
                        r = take_memfd_fd(p, dirfd(dir), entry->d_name, link);
        }
        (void) closedir(dir);
        return r;
}

/* "7fff8c000000-7fff8c200000 rw-s 00000000 00:0e 1063      anon_inode:kvm-spapr-tce" */
static bool read_mapping(char *line, Mapping *ret) {
        Mapping m = {};
        int path = 0;

        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*4s %" SCNx64 " %*[0-9a-f]:%*[0-9a-f] %" SCNu64 " %n", &m.start, &m.end, &m.offset,
                   &m.inode, &path) != 4 ||
            path == 0 || m.end <= m.start)
                return false;
        line[strcspn(line, "\n")] = '\0';
        m.path = line + path;
        *ret = m;
        return true;
}

/* How much of it the process has in its page tables. */
static void add_resident(int pagemap_fd, const Mapping *m, uint64_t page_size, SeenTable *t) {
        uint64_t first = m->start / page_size, n = (m->end - m->start) / page_size, entries[512];

        t->resident_known = pagemap_fd >= 0;
        for (uint64_t i = 0; i < n && t->resident_known;) {
                size_t want = n - i < ELEMENTSOF(entries) ? (size_t) (n - i) : ELEMENTSOF(entries);
                ssize_t have = pread(pagemap_fd, entries, want * sizeof(entries[0]), (off_t) ((first + i) * sizeof(entries[0])));

                if (have < (ssize_t) sizeof(entries[0])) {
                        t->resident_known = false;
                        break;
                }
                for (size_t j = 0; j < (size_t) have / sizeof(entries[0]); j++)
                        if (entries[j] & PAGEMAP_PRESENT)
                                t->resident += page_size;
                i += (uint64_t) have / sizeof(entries[0]);
        }
}

/* Where one table's mapping was cut in two (mprotect, madvise), the second begins where the first ends, in the file as well. */
static bool continues(const Mapping *before, const Mapping *m) {
        return before->end == m->start && m->offset > 0 && m->offset == before->offset + (before->end - before->start) &&
               before->inode == m->inode;
}

static int take_mapping(SeenProcess *p, int pagemap_fd, const Mapping *m, const Mapping *before, uint64_t page_size, SeenTable **ret) {
        bool kernel = streq(m->path, TABLE_LINK);
        SeenTable *t = NULL;

        if (p->n_tables > 0 && continues(before, m) && p->tables[p->n_tables - 1].kernel == kernel)
                t = &p->tables[p->n_tables - 1];
        else if (!kernel && find_memfd(p, m->inode))
                return 0;
        if (!t) {
                t = add_table(p);
                if (!t)
                        return p->cut ? 0 : -ENOMEM;
                t->kernel = kernel;
                t->mapped = true;
                t->inode = m->inode;
                if (!kernel)
                        set_memfd_name(t, m->path);
        }
        t->bytes += m->end - m->start;
        if (pagemap_fd >= 0)
                add_resident(pagemap_fd, m, page_size, t);
        *ret = t;
        return 0;
}

/* "Rss:                  64 kB", below a mapping in smaps. */
static void take_rss(const char *line, SeenTable *t) {
        uint64_t kib;

        if (sscanf(line, "Rss: %" SCNu64 " kB", &kib) != 1)
                return;
        t->resident += kib * 1024;
        t->resident_known = true;
}

/* first: a first look, which ends at the first sign of a VM. */
static int read_maps(int dir_fd, SeenProcess *p, uint64_t page_size, bool first) {
        _cleanup_fd_ int pagemap_fd = first ? -EBADF : openat(dir_fd, "pagemap", O_RDONLY | O_CLOEXEC);
        bool smaps = !first && pagemap_fd < 0 && p->resident <= SMAPS_RSS_MAX;
        int fd = openat(dir_fd, smaps ? "smaps" : "maps", O_RDONLY | O_CLOEXEC), r = 0;
        _cleanup_file_ FILE *file = fd < 0 ? NULL : fdopen(fd, "re");
        _cleanup_free_ char *line = NULL;
        SeenTable *table = NULL;
        Mapping before = {};
        size_t size = 0;
        unsigned n = 0;

        if (smaps && !file && errno == ENOENT) {
                /* A kernel without CONFIG_PROC_PAGE_MONITOR. */
                fd = openat(dir_fd, "maps", O_RDONLY | O_CLOEXEC);
                file = fd < 0 ? NULL : fdopen(fd, "re");
        }
        if (!file) {
                r = errno;
                (void) fd_close(fd);
                if (r == ENOENT || r == ESRCH || r == ENOMEM)
                        return -r;
                p->maps_error = r;
                return 0;
        }
        while (r >= 0 && !(first && p->n_mapped_vcpus) && getline(&line, &size, file) >= 0) {
                Mapping m;

                if (*line >= 'A' && *line <= 'Z') {
                        if (table)
                                take_rss(line, table);
                        continue;
                }
                table = NULL;
                if (n++ == MAPS_MAX) {
                        p->cut = true;
                        break;
                }
                if (!strstr(line, KVM_LINKS) && !strstr(line, MEMFD_LINK))
                        continue;
                if (!read_mapping(line, &m))
                        continue;
                p->n_mapped_vcpus += starts_with(m.path, VCPU_LINK);
                if (first || !(streq(m.path, TABLE_LINK) || starts_with(m.path, MEMFD_LINK)))
                        continue;
                r = take_mapping(p, pagemap_fd, &m, &before, page_size, &table);
                before = m;
        }
        /* A process that may not be looked into lets its maps be opened, and then says nothing but this. */
        if (r >= 0 && ferror(file))
                p->maps_error = errno;
        return r;
}

static int read_all(int dir_fd, SeenProcess *p, uint64_t page_size) {
        int r;

        r = read_status(dir_fd, p);
        if (r < 0)
                return r;
        read_limits(dir_fd, p);
        r = read_command_line(dir_fd, p);
        if (r >= 0)
                r = read_maps(dir_fd, p, page_size, false);
        if (r >= 0)
                r = read_fds(dir_fd, p, false);
        if (r >= 0 && p->fds_error && !p->maps_error) {
                p->n_vcpus = p->n_mapped_vcpus;
                p->n_vms = p->n_vcpus > 0;
                for (size_t i = 0; i < p->n_tables; i++)
                        p->n_vms |= p->tables[i].kernel;
        }
        return r;
}

int audit_process_read(int proc_fd, pid_t pid, uint64_t page_size, SeenProcess *ret) {
        _cleanup_fd_ int dir_fd = -EBADF;
        SeenProcess p = { .pid = pid };
        char path[16];
        int r;

        if (pid <= 0)
                return -ESRCH;
        (void) snprintf(path, sizeof(path), "%d", (int) pid);
        /* Through this folder nothing is ever read of a later process with its PID. */
        dir_fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        r = process_start_time(proc_fd, pid, &p.start);
        if (r >= 0)
                r = read_all(dir_fd, &p, page_size);
        if (r < 0) {
                seen_process_clear(&p);
                return r == -ENOENT ? -ESRCH : r;
        }
        *ret = p;
        return 0;
}

/* A first look at each process, as cheap as can be: has it a VM? */
static bool has_vm(int proc_fd, const char *name, SeenProcesses *all) {
        _cleanup_fd_ int dir_fd = openat(proc_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        SeenProcess p = {};

        if (dir_fd < 0 || read_fds(dir_fd, &p, true) < 0)
                return false;
        if (p.fds_error) {
                if (read_maps(dir_fd, &p, 0, true) < 0)
                        return false;
                all->n_closed += p.maps_error != 0;
        }
        return p.n_vms > 0 || p.n_mapped_vcpus > 0;
}

static int compare_pid(const void *a, const void *b) {
        const SeenProcess *x = a, *y = b;

        return x->pid < y->pid ? -1 : x->pid > y->pid;
}

int audit_process_scan(int proc_fd, pid_t except, uint64_t page_size, SeenProcesses *ret) {
        int fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;
        SeenProcesses all = {};

        if (!dir) {
                r = -errno;
                (void) fd_close(fd);
                return r;
        }
        while (r >= 0 && (entry = readdir(dir))) {
                SeenProcess p;
                uint64_t pid;

                if (parse_u64(entry->d_name, INT32_MAX, &pid) < 0 || !has_vm(dirfd(dir), entry->d_name, &all))
                        continue;
                r = audit_process_read(proc_fd, (pid_t) pid, page_size, &p);
                if (r < 0) {
                        /* It ended, or is no business of ours: so much for this one. */
                        r = r == -ENOMEM ? r : 0;
                        continue;
                }
                if (p.n_vms == 0 || (except > 0 && p.parent == except))
                        seen_process_clear(&p);
                else if (ARRAY_RESERVE(all.items, all.allocated, all.n + 1) < 0) {
                        seen_process_clear(&p);
                        r = -ENOMEM;
                } else
                        all.items[all.n++] = p;
        }
        (void) closedir(dir);
        if (r < 0) {
                seen_processes_clear(&all);
                return r;
        }
        if (all.n > 1)
                qsort(all.items, all.n, sizeof(*all.items), compare_pid);
        *ret = all;
        return 0;
}
