/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* audit_process.c: a made-up /proc, since no KVM table can be had here; and this test itself, whose /proc is real, with memfds named
 * as tced's are. */

#include "audit_process.h"

#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kvm-abi.h"
#include "table.h"
#include "tap.h"
#include "tree.h"
#include "util.h"

#define PAGE 4096U
#define ADDRESS UINT64_C(0x7fff8c000000)

#define STAT(pid, start) \
        TEXT(pid "/stat", pid " (qemu) S 1 " pid " 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 " start " 0 0 0 0\n")
#define STATUS(pid, parent, uid, lck, caps)                                                                            \
        TEXT(pid "/status", "Name:\tqemu-system-ppc\nUmask:\t0022\nPid:\t" pid "\nPPid:\t" parent "\nUid:\t0\t" uid "\t0\t0\n" \
                            "VmPeak:\t  999 kB\nVmLck:\t    " lck " kB\nCapPrm:\t0000000000004000\nCapEff:\t" caps "\n")
#define LIMITS(pid, soft)                                                                       \
        TEXT(pid "/limits", "Limit                     Soft Limit           Hard Limit           Units     \n" \
                            "Max locked memory         " soft "             1                    bytes     \n" \
                            "Max address space         unlimited            unlimited            bytes     \n")

static const TreeEntry qemu[] = {
        STAT("101", "4711"), STATUS("101", "1", "64055", "2568", "0000000000000000"), LIMITS("101", "20971520"),
        BYTES("101/cmdline", "qemu-system-ppc64\0-machine\0pseries\0"),
        LINK("101/fd/3", "/dev/kvm"), LINK("101/fd/9", "anon_inode:kvm-vm"), LINK("101/fd/10", "anon_inode:kvm-vcpu:0"),
        LINK("101/fd/11", "anon_inode:kvm-vcpu:1"), LINK("101/fd/12", "anon_inode:kvm-spapr-tce"),
        LINK("101/fd/13", "anon_inode:kvm-spapr-tce"), LINK("101/fd/14", "anon_inode:kvm-spapr-tce-not"),
        TEXT("101/maps",
             "10000000-11000000 r-xp 00000000 fd:01 1234                               /usr/bin/qemu system (deleted)\n"
             "7fff80000000-7fff80080000 rw-s 00000000 00:0e 1063                       anon_inode:kvm-spapr-tce\n"
             "7fff8c000000-7fff8c100000 rw-s 00000000 00:0e 1063                       anon_inode:kvm-spapr-tce\n"
             "7fff8c100000-7fff8c200000 rw-s 00100000 00:0e 1063                       anon_inode:kvm-spapr-tce\n"
             "7fff8c200000-7fff8c210000 rw-s 00000000 00:0e 1063                       anon_inode:kvm-spapr-tce\n"
             "7fff8d000000-7fff8d080000 rw-s 00000000 00:01 77                         /memfd:tced:db-1-71000003 (deleted)\n"
             "7fff8e000000-7fff8e080000 rw-s 00000000 00:01 77                         /memfd:tced:db-1-71000003 (deleted)\n"
             "7fff8e100000-7fff8e180000 rw-s 00000000 00:01 78                         /memfd:tced:odd (deleted)\n"
             "7fff8e200000-7fff8e280000 rw-s 00000000 00:01 79                         /memfd:other:db-71000003 (deleted)\n"
             "nonsense anon_inode:kvm-spapr-tce\n"
             "7fff8e300000-7fff8e380000 rw-s 00000000 00:01 80                         /tmp/anon_inode:kvm-spapr-tce\n"
             "7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0                          [stack]\n"),
        /* The one that proves, which is a child of tced's; a process without a VM; two that came to nothing. */
        STAT("102", "4712"), STATUS("102", "55", "0", "0", "0000000000004000"), LIMITS("102", "unlimited"),
        LINK("102/fd/3", "anon_inode:kvm-vm"), TEXT("102/maps", "\n"), TEXT("102/cmdline", "x"),
        STAT("103", "4713"), STATUS("103", "1", "0", "0", "0"), LIMITS("103", "unlimited"), LINK("103/fd/3", "/dev/kvm"),
        TEXT("103/maps", "\n"),
        LINK("104/fd/3", "anon_inode:kvm-vm"),
        STAT("99", "17"), STATUS("99", "1", "0", "0", "0000000000004000"), LIMITS("99", "unlimited"),
        LINK("99/fd/3", "anon_inode:kvm-vm"), TEXT("99/maps", "\n"),
        TEXT("self", "x"), DIRECTORY("1x"),
};

/* What CAP_SYS_PTRACE alone lets one see of a process of another user: a file in the place of fd can't be listed either. */
static const TreeEntry closed[] = {
        STAT("201", "5000"), STATUS("201", "1", "64055", "576", "0000000000000000"), LIMITS("201", "2097152"), TEXT("201/fd", "x"),
        TEXT("201/maps", "7fff80000000-7fff80080000 rw-s 00000000 00:0e 1063                       anon_inode:kvm-spapr-tce\n"
                         "7fff90000000-7fff90003000 rw-s 00000000 00:0e 1063                       anon_inode:kvm-vcpu:0\n"),
        TEXT("201/smaps", "10000000-11000000 r-xp 00000000 fd:01 1234                               /usr/bin/qemu\n"
                          "Size:              16384 kB\nRss:               16384 kB\nVmFlags: rd ex\n"
                          "7fff80000000-7fff80080000 rw-s 00000000 00:0e 1063                       anon_inode:kvm-spapr-tce\n"
                          "Size:                512 kB\nKernelPageSize:        4 kB\nRss:                 128 kB\nPss: 9 kB\n"
                          "7fff90000000-7fff90003000 rw-s 00000000 00:0e 1063                       anon_inode:kvm-vcpu:0\n"
                          "Size:                 12 kB\nRss:                  12 kB\n"),
        STAT("202", "5001"), STATUS("202", "1", "64055", "0", "0000000000000000"), LIMITS("202", "1"), TEXT("202/fd", "x"),
        /* Its maps may be opened, and can't be read. */
        STAT("203", "5002"), STATUS("203", "1", "64055", "0", "0000000000000000"), LIMITS("203", "1"), TEXT("203/fd", "x"),
        DIRECTORY("203/maps"), DIRECTORY("203/smaps"),
        TEXT("202/maps", "10000000-11000000 r-xp 00000000 fd:01 1234                               /usr/bin/other\n"),
};

/* Pages of the table at ADDRESS: the first is there, the third, and one of the second mapping. */
static void write_pagemap(const Tree *tree) {
        static const uint64_t pages[] = { 0, 2, 256 };
        const uint64_t present = UINT64_C(1) << 63, absent = 0;
        int fd = open(tree_path(tree, "101/pagemap"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        for (size_t i = 0; i < ELEMENTSOF(pages); i++)
                if (pwrite(fd, &present, 8, (off_t) ((ADDRESS / PAGE + pages[i]) * 8)) != 8)
                        tree_fail("pwrite", "pagemap");
        /* As long as needed for the memfds, which have nothing there. */
        if (pwrite(fd, &absent, 8, (off_t) (ADDRESS / PAGE + 0x10000) * 8) != 8)
                tree_fail("pwrite", "pagemap");
        (void) close(fd);
}

static void test_tables(int proc_fd) {
        SeenProcess p = {};

        if (!tap_eq(audit_process_read(proc_fd, 101, PAGE, &p), 0, "a process with a VM"))
                return;
        tap_ok(p.pid == 101 && p.parent == 1 && p.uid == 64055 && p.start == 4711, "who it is");
        tap_streq(p.name, "qemu-system-ppc", "its name");
        tap_ok(p.n_vms == 1 && p.n_vcpus == 2 && p.n_kernel_fds == 2, "its fds: a VM, two vCPUs, two tables");
        tap_ok(p.limits_known && p.locked == 2568 * 1024 && p.lock_limit == 20971520 && !p.ipc_lock, "its locked memory");
        tap_ok(p.command_line_size == 35 && streq(p.command_line, "qemu-system-ppc64") &&
                       memcmp(p.command_line + 18, "-machine\0pseries", 17) == 0, "its command line");
        if (tap_eq(p.n_tables, 5, "five tables")) {
                tap_ok(p.tables[0].kernel && p.tables[0].mapped && p.tables[0].bytes == 0x80000 && p.tables[0].liobn == -1,
                       "one of KVM's of 512 KiB, whose LIOBN is not known");
                tap_ok(p.tables[1].kernel && p.tables[1].bytes == 0x200000, "one of 2 MiB, mapped in two parts");
                tap_ok(p.tables[1].resident_known && p.tables[1].resident == 3 * PAGE, "three pages of it are resident");
                tap_ok(p.tables[2].kernel && p.tables[2].bytes == 0x10000, "one right behind it is another");
                tap_ok(!p.tables[3].kernel && p.tables[3].bytes == 0x80000 && p.tables[3].liobn == 0x71000003,
                       "tced's memfd, by its LIOBN, once though it is mapped twice");
                tap_streq(p.tables[3].name, "db-1-71000003", "by its name");
                tap_ok(!p.tables[4].kernel && p.tables[4].liobn == -1, "one whose name has no LIOBN");
        }
        tap_ok(p.fds_error == 0 && p.maps_error == 0 && !p.cut, "all was read");
        seen_process_clear(&p);
}

static void test_others(int proc_fd) {
        SeenProcesses all = {};
        SeenProcess p = { .pid = 7 };

        tap_eq(audit_process_read(proc_fd, 103, PAGE, &p), 0, "a process without a VM is read");
        tap_ok(p.n_vms == 0 && !p.command_line, "and has none, nor a command line");
        seen_process_clear(&p);
        p.pid = 7;
        tap_eq(audit_process_read(proc_fd, 104, PAGE, &p), -ESRCH, "one that ends while it is looked at");
        tap_eq(audit_process_read(proc_fd, 500, PAGE, &p), -ESRCH, "one that is not there");
        tap_eq(audit_process_read(proc_fd, 0, PAGE, &p), -ESRCH, "no PID");
        tap_eq(p.pid, 7, "nothing is given then");

        tap_eq(audit_process_scan(proc_fd, 55, PAGE, &all), 0, "all processes");
        if (tap_eq(all.n, 2, "two have a VM, and are neither tced's own nor gone"))
                tap_ok(all.items[0].pid == 99 && all.items[1].pid == 101, "by PID");
        tap_ok(all.n >= 1 && all.items[0].limits_known && all.items[0].lock_limit == AUDIT_NO_LIMIT && all.items[0].ipc_lock,
               "no limit, and CAP_IPC_LOCK");
        seen_processes_clear(&all);
        tap_eq(audit_process_scan(proc_fd, 0, PAGE, &all), 0, "all processes, nobody left out");
        tap_eq(all.n, 3, "the one that proves is there");
        seen_processes_clear(&all);
}

static void test_without_fds(void) {
        Tree tree = tree_new();
        SeenProcesses all = {};
        SeenProcess closed_one = {};
        int proc_fd;

        TREE_ADD(&tree, closed);
        proc_fd = open(tree.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        tap_eq(audit_process_scan(proc_fd, 0, PAGE, &all), 0, "processes whose fds may not be read");
        if (tap_ok(all.n == 1 && all.n_closed == 1 && all.items[0].pid == 201, "one of them has a VM, by the vCPU that it maps")) {
                const SeenProcess *p = &all.items[0];

                tap_ok(p->n_vms == 1 && p->n_vcpus == 1 && p->fds_error == ENOTDIR && p->maps_error == 0, "so much is known of it");
                tap_ok(p->n_tables == 1 && p->tables[0].kernel && p->tables[0].bytes == 0x80000, "its table");
                tap_ok(p->n_tables == 1 && p->tables[0].resident_known && p->tables[0].resident == 128 * 1024, "what is resident, by smaps");
        }
        seen_processes_clear(&all);
        tap_ok(audit_process_read(proc_fd, 203, PAGE, &closed_one) == 0 && closed_one.maps_error == EISDIR,
               "one whose mappings can be opened and not be read is not taken for one that has none");
        seen_process_clear(&closed_one);
        (void) close(proc_fd);
        tree_remove(&tree);
}

/* /proc as it is, of this process: one memfd that is mapped, one that is not, among thousands of mappings. */
static void test_self(void) {
        _cleanup_fd_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        uint64_t page = (uint64_t) sysconf(_SC_PAGESIZE);
        const SeenTable *mapped = NULL, *alone = NULL;
        TableMemory a = TABLE_MEMORY_INIT, b = TABLE_MEMORY_INIT;
        const size_t many = 4000;
        struct rlimit limit;
        SeenProcess p = {};
        char *map, *spread;

        (void) getrlimit(RLIMIT_MEMLOCK, &limit);
        if (!tap_ok(table_memory_make("web-00001000", 65536, TRISTATE_NO, NUMA_NODE_ANY, &a) == 0 &&
                            table_memory_make("web-80000000", 262144, TRISTATE_NO, NUMA_NODE_ANY, &b) == 0, "two of tced's tables"))
                return;
        map = mmap(NULL, 8 * 65536, PROT_READ | PROT_WRITE, MAP_SHARED, a.fd, 0);
        spread = mmap(NULL, 2 * many * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (size_t i = 0; i < many; i++)
                (void) mprotect(spread + 2 * i * page, page, PROT_NONE);
        map[0] = map[page] = 1;
        tap_eq(audit_process_read(proc_fd, getpid(), page, &p), 0, "this process, with %zu mappings more", 2 * many);
        tap_ok(p.pid == getpid() && p.parent == getppid() && p.uid == geteuid() && p.start > 0, "who it is");
        tap_ok(p.limits_known && p.locked == 0 && p.lock_limit == limit.rlim_cur, "its locked memory, and the limit");
        tap_ok(p.n_vms == 0 && p.n_kernel_fds == 0, "no VM");
        for (size_t i = 0; i < p.n_tables; i++) {
                if (p.tables[i].liobn == 0x1000)
                        mapped = &p.tables[i];
                if (p.tables[i].liobn == 0x80000000)
                        alone = &p.tables[i];
        }
        tap_eq(p.n_tables, 2, "two tables");
        tap_ok(mapped && mapped->mapped && mapped->bytes == 8 * 65536 && mapped->resident_known, "the one that is mapped");
        tap_ok(mapped && mapped->resident >= 2 * page && mapped->resident % page == 0, "with what was touched of it resident");
        tap_ok(alone && !alone->mapped && alone->bytes == 8 * 262144 && !alone->resident_known, "and the one of which there is but an fd");
        seen_process_clear(&p);
        (void) munmap(map, 8 * 65536);
        (void) munmap(spread, 2 * many * page);
        table_memory_clear(&a);
        table_memory_clear(&b);
}

/* A process of another user's may not be looked into: that is said, and is not taken for a process without a VM. */
static void test_closed(void) {
        _cleanup_fd_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int status = 0;
        pid_t pid;

        if (geteuid() != 0) {
                tap_skip("needs root", "a process that may not be looked into");
                return;
        }
        pid = fork();
        if (pid == 0) {
                SeenProcesses all = {};
                SeenProcess p = {};
                bool ok;

                if (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
                        _exit(2);
                ok = audit_process_read(proc_fd, getppid(), 4096, &p) == 0 && p.fds_error == EACCES && p.maps_error == EACCES &&
                     p.limits_known && p.n_tables == 0;
                ok = ok && audit_process_scan(proc_fd, 0, 4096, &all) == 0 && all.n_closed > 0;
                _exit(ok ? 0 : 1);
        }
        (void) waitpid(pid, &status, 0);
        tap_ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a process that may not be looked into says so");
}

/* Becomes a user like tced's own: another's, with CAP_SYS_PTRACE and nothing else. */
static bool become_tced(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = { { .effective = 1U << CAP_SYS_PTRACE, .permitted = 1U << CAP_SYS_PTRACE } };

        return prctl(PR_SET_KEEPCAPS, 1) == 0 && setgroups(0, NULL) == 0 && setresgid(65534, 65534, 65534) == 0 &&
               setresuid(65534, 65534, 65534) == 0 && syscall(SYS_capset, &header, data) == 0;
}

static bool finds_parent(int proc_fd) {
        SeenProcesses all = {};
        bool found = false;

        if (audit_process_scan(proc_fd, 0, (uint64_t) sysconf(_SC_PAGESIZE), &all) < 0)
                return false;
        for (size_t i = 0; i < all.n; i++)
                found |= all.items[i].pid == getppid() && all.items[i].n_vms == 1 && all.items[i].n_vcpus == 1 &&
                         all.items[i].fds_error == EACCES && all.items[i].maps_error == 0;
        seen_processes_clear(&all);
        return found;
}

/* A VM as it really shows: to root by its fds, to tced's own user by the vCPU that is mapped. */
static void test_real_vm(void) {
        _cleanup_fd_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
        _cleanup_fd_ int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0), vcpu = vm < 0 ? -1 : ioctl(vm, KVM_CREATE_VCPU, 0);
        SeenProcess p = {};
        int status = 0;
        void *run;
        pid_t pid;

        if (vcpu < 0 || geteuid() != 0) {
                tap_skip("no VM can be made here, or this is not root", "a real VM");
                return;
        }
        run = mmap(NULL, (size_t) ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
        tap_ok(run != MAP_FAILED && audit_process_read(proc_fd, getpid(), 4096, &p) == 0 && p.n_vms == 1 && p.n_vcpus == 1 &&
                       p.n_mapped_vcpus == 1, "a real VM with a vCPU");
        seen_process_clear(&p);
        pid = fork();
        if (pid == 0)
                _exit(!become_tced() ? 2 : finds_parent(proc_fd) ? 0 : 1);
        (void) waitpid(pid, &status, 0);
        tap_ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "as another user with CAP_SYS_PTRACE sees it");
}

int main(void) {
        Tree tree = tree_new();
        int proc_fd;

        TREE_ADD(&tree, qemu);
        write_pagemap(&tree);
        proc_fd = open(tree.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        test_tables(proc_fd);
        test_others(proc_fd);
        (void) close(proc_fd);
        tree_remove(&tree);
        test_without_fds();
        test_self();
        test_closed();
        test_real_vm();
        return tap_done();
}
