/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The audit of one VM: what its process really has (audit_process.h), held against what is expected of it. Pure. KVM's tables show their
 * length in whole host pages and nothing else: where several have the same, it is said how many of them are in the kernel, and never
 * guessed which. docs/audit.md has the whole of it as JSON. */

#include "audit_process.h"
#include "plan.h"

/* Where the expectation comes from. */
typedef enum AuditBasis {
        AUDIT_BY_NOTHING,      /* nobody knows this VM: what is there is told by its size */
        AUDIT_BY_COMMAND_LINE, /* what a stock VMM does with these arguments on this host */
        AUDIT_BY_MACHINE,      /* tced has planned it */
        _AUDIT_BASIS_MAX,
} AuditBasis;

/* "nothing", "command-line", "machine" */
const char *audit_basis_to_string(AuditBasis basis);
int audit_basis_from_string(const char *text);

typedef enum AuditFound {
        AUDIT_FOUND_KERNEL,  /* KVM holds it */
        AUDIT_FOUND_USER,    /* the VMM holds it: a memfd of tced's, or the VMM says so */
        AUDIT_FOUND_MISSING, /* KVM does not hold it, and it is no memfd: it is in the VMM's own memory, or was not made yet */
        AUDIT_FOUND_SOME,    /* of several of this size KVM holds some; which can't be told */
        AUDIT_FOUND_NONE,    /* a window that the guest may ask for, and of which no table is to be seen */
        AUDIT_FOUND_UNKNOWN, /* the process may not be looked into */
        _AUDIT_FOUND_MAX,
} AuditFound;

/* "kernel", "user", "missing", "some", "none", "unknown" */
const char *audit_found_to_string(AuditFound found);
int audit_found_from_string(const char *text);

/* Whose word the reason of a difference is. */
typedef enum AuditWhySource {
        AUDIT_WHY_NONE,
        AUDIT_WHY_SEEN,     /* the VMM reported it, its log says it, or it is there to be seen */
        AUDIT_WHY_INFERRED, /* from limits, capabilities, the host's facts */
        _AUDIT_WHY_SOURCE_MAX,
} AuditWhySource;

/* "none", "seen", "inferred" */
const char *audit_why_source_to_string(AuditWhySource source);
int audit_why_source_from_string(const char *text);

typedef enum AuditVerdict {
        AUDIT_AS_PLANNED,
        AUDIT_SLOW_PATH, /* a table is not in the kernel, though no rule put it elsewhere */
        AUDIT_DIFFERS,   /* a table is in the kernel though the plan has it elsewhere, or is there and nobody expects it */
        AUDIT_UNKNOWN,   /* nothing is expected, or the process may not be looked into, or has no vCPU yet */
        _AUDIT_VERDICT_MAX,
} AuditVerdict;

/* "as-planned", "slow-path", "differs", "unknown" */
const char *audit_verdict_to_string(AuditVerdict verdict);
int audit_verdict_from_string(const char *text);

#define AUDIT_WHY_MAX 256

typedef struct AuditTable {
        bool expected; /* false: it is there, and nobody expects it */
        bool dynamic;
        int64_t liobn; /* -1: not known */
        char *device;  /* NULL: not known */
        DeviceKind kind;            /* these three only where it is expected */
        Placement placement;
        Reason reason;
        uint32_t page_shift;        /* 0: not known */
        uint64_t entries_min, entries; /* where its length is all that is known, a range; else both are the same */
        uint64_t bytes;             /* of all its TCEs; of one that nobody expects, of its mapping */
        AuditFound found;
        unsigned n_of_size, n_kernel_of_size; /* of AUDIT_FOUND_SOME, and where there are several: how many have this size, are KVM's, */
        unsigned n_wanted_of_size;                /* and are expected to be */
        bool by_fds; /* those are not of one size: they are not mapped, and only their fds can be counted */
        uint64_t resident;
        bool resident_known;
        bool differs; /* from what is expected */
        bool slow;
        AuditWhySource why_source;
        char why[AUDIT_WHY_MAX]; /* "": there is nothing to explain */
        bool reported; /* the VMM says that it has made it in the kernel */
        bool by_log;  /* QEMU's log says that the kernel refused it */
        bool memlock; /* the reason is the locked-memory limit */
} AuditTable;

typedef struct Audit {
        AuditVerdict verdict;
        AuditBasis basis;
        char why[AUDIT_WHY_MAX]; /* of the verdict, where that is `unknown` */
        AuditTable *tables; /* the expected by LIOBN, then those that guests ask for, then those that nobody expects */
        size_t n_tables, allocated;
        unsigned n_kernel, n_out;  /* tables in the kernel; tables that are not, as far as is known */
        uint64_t kernel_bytes;     /* as mapped */
        uint64_t user_bytes;
        uint64_t resident;
} Audit;

#define AUDIT_REPORTED_MADE (-1)

/* What is expected of a process. */
typedef struct AuditExpectation {
        AuditBasis basis;
        const Plan *plan;  /* NULL: nothing */
        const char *unknown; /* why there is nothing to go by; NULL: nobody knows */
        /* For each of the plan's tables what the VMM reported: the kernel's refusal, a positive errno; AUDIT_REPORTED_MADE; 0: nothing.
         * NULL: it reported nothing at all. */
        const int *errors;
        const uint32_t *refused; /* the LIOBNs of which the VM's log says that the kernel refused them */
        size_t n_refused;
} AuditExpectation;

/* 0 or -ENOMEM; *ret is untouched on failure. page_size: the host's. */
int audit_make(const SeenProcess *process, const AuditExpectation *expectation, uint64_t page_size, Audit *ret);
void audit_clear(Audit *a);

/* "kernel", "kernel: 2 of 3 of this size", "kernel: 2 of 3, by fds", "missing". */
const char *audit_found_text(const AuditTable *t, char *buf, size_t size);
/* What to do about a table that is slow. */
const char *audit_remedy(const AuditTable *t);
/* What a table of such a length may be, where nobody expects it: "as long as a PHB's default window (1 GiB of 4 KiB pages)"; "": nothing
 * is known of that size. */
const char *audit_size_text(uint64_t bytes, uint64_t page_size);
