/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a process that has a KVM VM open really has: its tables, its locked memory and what may limit that. All of it from /proc/PID, by
 * names of links and lengths of mappings: a table is never opened nor mapped, since a copy would keep its LIOBN and the VM. May
 * block, some milliseconds for a process with thousands of mappings: in a worker. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define AUDIT_NO_LIMIT UINT64_MAX

/* A table of a process's. */
typedef struct SeenTable {
        bool kernel;       /* of KVM's; else a memfd that tced or its adapter made */
        bool mapped;       /* false: there is an fd of it, and no mapping */
        uint64_t bytes;    /* as long as its mapping: whole host pages. 0: not known */
        uint64_t resident; /* of these the process itself has touched: KVM's own writes to a table are not seen */
        bool resident_known;
        uint64_t inode;    /* of a memfd: KVM's tables share one */
        char name[192];    /* of a memfd, behind "tced:": MACHINE-LIOBN */
        int64_t liobn;     /* as that says; -1: it does not, as for KVM's tables */
} SeenTable;

typedef struct SeenProcess {
        pid_t pid;
        pid_t parent;
        uid_t uid; /* effective */
        uint64_t start; /* clock ticks since boot: with the PID it names the process for good */
        char name[32];
        char *command_line; /* each argument ends in a NUL; NULL: not to be had */
        size_t command_line_size;
        unsigned n_vms, n_vcpus; /* fds of them; where those may not be read, 1 and the vCPUs that are mapped */
        unsigned n_mapped_vcpus;
        uint64_t resident; /* VmRSS, bytes */
        unsigned n_kernel_fds;   /* fds of KVM's tables; copies count as well */
        SeenTable *tables;
        size_t n_tables, allocated_tables;
        bool limits_known;   /* of the next three */
        uint64_t locked;     /* VmLck: what is charged to it, bytes */
        uint64_t lock_limit; /* RLIMIT_MEMLOCK, bytes; AUDIT_NO_LIMIT */
        bool ipc_lock;       /* CAP_IPC_LOCK: the limit does not count */
        int fds_error, maps_error; /* why they can't be read, a positive errno (EACCES); 0: they were */
        bool cut;                  /* there was more than is read of one process */
} SeenProcess;

/* Reads it. page_size: the host's. 0, also where it has no VM (n_vms), or where some of it may not be read (…_error); -ESRCH: there is none,
 * or it ended meanwhile; -ENOMEM. *ret is untouched on failure. */
int audit_process_read(int proc_fd, pid_t pid, uint64_t page_size, SeenProcess *ret);
void seen_process_clear(SeenProcess *p);

typedef struct SeenProcesses {
        SeenProcess *items;
        size_t n, allocated;
        unsigned n_closed; /* processes of which neither fds nor mappings may be read: a VM of theirs is not known */
} SeenProcesses;

/* All that have a VM open, by PID, but for children of `except`, which is who proves what KVM can. 0 or negative errno. */
int audit_process_scan(int proc_fd, pid_t except, uint64_t page_size, SeenProcesses *ret);
void seen_processes_clear(SeenProcesses *p);
