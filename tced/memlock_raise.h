/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The VMM's limit of locked memory (RLIMIT_MEMLOCK), raised as far as its tables need. Who may have that is the caller's to know. */

#include "memlock.h"
#include "plan.h"
#include "process.h"

#define MEMLOCK_NO_LIMIT UINT64_MAX

/* What a VMM will be charged. */
typedef struct MemlockNeed {
        uint64_t bytes;
        bool in_all; /* what it has locked already is in it */
} MemlockNeed;

/* For all that the plan has, with the windows that the guest is likely to ask for. domain: what was counted for a domain of libvirt's, guest
 * memory with it; NULL: only the plan's windows are known, those with VFIO devices on the hardware's side as well, by the rule in memlock.h
 * for RAM of ordinary pages. Pure. */
MemlockNeed memlock_need(const Plan *plan, const Memlock *domain, const VfioFacts *vfio, uint64_t page_size);

/* A process's limit, and what it may not be. */
typedef struct MemlockState {
        uint64_t soft, hard; /* MEMLOCK_NO_LIMIT */
        uint64_t locked;     /* charged to it already */
        bool ipc_lock;       /* CAP_IPC_LOCK: the limit does not count */
} MemlockState;

/* *state with its limits as they should be for that, none above `most`; never lower than they are. True: they differ. Pure. */
bool memlock_decide(MemlockState *state, MemlockNeed need, uint64_t most);

typedef struct MemlockRaised {
        uint64_t before, after; /* the limit that counts; MEMLOCK_NO_LIMIT: none does */
        uint64_t wanted;        /* `after` is lower where `most` is, or where it failed */
} MemlockRaised;

/* Raises it. 0, also where there is nothing to raise; -ESRCH: the process has ended, and if another had got its PID that has its limit back;
 * other negative errno: it could not be, and *ret is filled in where before is not 0. */
int memlock_raise(int proc_fd, const Process *process, MemlockNeed need, uint64_t most, MemlockRaised *ret);
