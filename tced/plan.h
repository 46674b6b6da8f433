/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The plan: a VM's windows -> its tables: where each will live and why, what they cost. Pure. In comes what a VMM says of
 * itself (RegisterMachine) or, read by domain.c, what libvirt's XML says; out comes one PlanTable a window, in the order of LIOBNs. */

#include <stddef.h>

#include "policy.h"

/* A VM as it was described. */
typedef struct Description {
        char *name;
        char uuid[33];   /* lower case, without dashes */
        Window *windows; /* each `device` is owned */
        size_t n_windows;
        bool no_kvm;     /* the VM does without KVM: every table is the VMM's */
} Description;

void description_clear(Description *d);

typedef struct PlanTable {
        Window window;    /* `device` is owned */
        uint64_t entries;
        uint64_t bytes;   /* 8 × entries */
        uint64_t locked_bytes; /* what the kernel will charge to the VMM's locked memory for it; 0 for a `user` table */
        Verdict verdict;
        PolicySetting setting;
        char *rule; /* path of the rule that decided, or NULL */
} PlanTable;

typedef struct Plan {
        PlanTable *tables; /* those that are there from the start, by LIOBN */
        size_t n_tables;
        PlanTable *dynamic; /* windows that the guest may ask for, by LIOBN and page shift; several may have a LIOBN */
        size_t n_dynamic;
        MultiTceVerdict multitce;
        uint64_t user_bytes;   /* of `user` tables; these three count no dynamic ones */
        uint64_t kernel_bytes; /* of the others */
        uint64_t locked_bytes; /* the sum over the tables */
        uint64_t dynamic_user_bytes, dynamic_kernel_bytes, dynamic_locked_bytes; /* of the likely ones */
} Plan;

#define PLAN_ERROR_MAX 1024

/* What made a plan impossible: which of the bus's errors it is (common/error.h) and a text that names the window, what is
 * wrong with it and the remedy. */
typedef struct PlanError {
        const char *name;
        char text[PLAN_ERROR_MAX];
} PlanError;

/* Makes the plan. page_size: the host's, in bytes; tables_max: how many a VM may have. 0; -EINVAL with *error filled in (invalid
 * window, LIOBN that occurs twice, 2^32 TCEs, a demand for `kernel` that can't be met, too many tables); -ENOMEM. *ret is
 * untouched on failure. */
int plan_make(const Description *description, const PolicyFacts *facts, const Rules *rules,
              const PolicySetting *by_default, uint64_t page_size, uint64_t tables_max, Plan *ret, PlanError *error);
/* The same for a domain, whose faults are findings: what plan_make() fails for stays in the plan as `refused` (a LIOBN that occurs
 * twice is the caller's to find), and -EINVAL comes only where sums overflow. */
int plan_survey(const Description *description, const PolicyFacts *facts, const Rules *rules,
                const PolicySetting *by_default, uint64_t page_size, Plan *ret, PlanError *error);
void plan_clear(Plan *plan);

/* NULL where the plan has none with that LIOBN. */
PlanTable *plan_find(Plan *plan, uint32_t liobn);

/* The kernel refused the table at run time: it moves to the VMM, sums follow. Nothing happens to one that is there
 * already. A demand for `kernel` is the caller's to look at before. */
void plan_table_refused(Plan *plan, PlanTable *table);

/* A window was opened that the plan does not have, or has in another size: from now on it is one of those that the guest may ask for. At
 * most `max` are kept, what is more is forgotten. `table` is copied. 1: the plan is another now; 0; -ENOMEM. */
int plan_note_opened(Plan *plan, const PlanTable *table, size_t max);
