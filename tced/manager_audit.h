/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The audits that the manager makes: when, of whom, and what it keeps of each until the process ends. Processes are read in a worker,
 * one audit at a time. */

#include "audit.h"
#include "manager.h"
#include "qemu_log.h"

/* What is kept of one VM. */
typedef struct AuditRecord {
        SeenProcess process; /* without its command line */
        Audit audit;
        uint64_t usec;       /* when it was looked at, of CLOCK_MONOTONIC, */
        uint64_t realtime_usec; /* and of CLOCK_REALTIME */
        uint64_t slow_usec;  /* since when it is on the slow path, of CLOCK_MONOTONIC; 0: it is not */
        bool told;           /* that it is on the slow path */
        uint32_t refused[QEMU_LOG_REFUSED_MAX]; /* what its log says that the kernel refused */
        size_t n_refused;
        unsigned log_looks;  /* so often was that looked into */
        bool log_open;       /* it is just now */
        char uuid[33];       /* of its machine; "": none */
} AuditRecord;

/* Audits this process, or with 0 all that have a VM. done (may be NULL) is called exactly once where 0 was returned; error is 0 or a positive
 * errno: ESRCH, there is no such process, or it has no VM. 0 or -ENOMEM. */
typedef void (*AuditDone)(int error, void *userdata);
int manager_audit(Manager *m, pid_t pid, AuditDone done, void *userdata);
/* All of them, in a moment: several calls make one audit. */
void manager_audit_soon(Manager *m);
/* KVM's uevents: this process has made a VM, and is audited after 1, 10, 60 s and 10 min; one of its VMs is gone. */
void manager_vm_created(Manager *m, pid_t pid);
void manager_vm_destroyed(Manager *m, pid_t pid);

/* What is known of a process, of a machine's process, of one of its tables as the last audit saw it; NULL: nothing. */
const AuditRecord *manager_audit_of_process(Manager *m, pid_t pid);
const AuditRecord *manager_audit_of_machine(Manager *m, const Machine *machine);
const AuditTable *manager_audit_of_table(Manager *m, const Table *table);
/* The same of a record of the table's machine (NULL: nothing). */
const AuditTable *audit_record_table(const AuditRecord *r, const Table *table);
/* Is a table of this record on the slow path, whatever its plan says, and was that told? */
bool audit_record_told(const AuditRecord *r, const AuditTable *t);

/* docs/audit.md: all that `visible` lets through (its machine is NULL where there is none), or with a PID that process alone. -ESRCH: nothing is
 * known of it; -ENOMEM. */
typedef bool (*AuditVisible)(const AuditRecord *record, const Machine *machine, void *userdata);
int manager_audit_json(Manager *m, pid_t pid, AuditVisible visible, void *userdata, char **ret);
