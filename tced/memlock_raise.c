/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kernel takes a PID for this, not a pidfd. */

#include "memlock_raise.h"

#include <sys/resource.h>

#include "util.h"
#include "vfio_window.h"

_Static_assert(sizeof(rlim_t) == sizeof(uint64_t) && RLIM_INFINITY == MEMLOCK_NO_LIMIT, "limits are compared as they are");

MemlockNeed memlock_need(const Plan *plan, const Memlock *domain, const VfioFacts *vfio, uint64_t page_size) {
        uint64_t sum = add_saturated(plan->locked_bytes, plan->dynamic_locked_bytes);

        if (domain)
                return (MemlockNeed) { domain->charged > domain->charged_at_start ? domain->charged : domain->charged_at_start, true };
        for (size_t i = 0; i < plan->n_tables; i++) {
                const PlanTable *t = &plan->tables[i];

                if (t->window.kind == DEVICE_VFIO && !t->verdict.refused)
                        sum = add_saturated(sum, vfio_window_charge(&t->window, page_size, vfio, page_size));
        }
        return (MemlockNeed) { sum, false };
}

static uint64_t wanted(const MemlockState *state, MemlockNeed need) {
        return need.in_all ? need.bytes : add_saturated(state->locked, need.bytes);
}

bool memlock_decide(MemlockState *state, MemlockNeed need, uint64_t most) {
        uint64_t limit = wanted(state, need);

        if (limit > most)
                limit = most;
        if (state->ipc_lock || need.bytes == 0 || limit <= state->soft)
                return false;
        state->soft = limit;
        if (state->hard < limit)
                state->hard = limit;
        return true;
}

/* Whose limit was set is not known: of the process that ended, or of a later one, which can be told by what it has now. */
static void put_back(pid_t pid, const struct rlimit *set, const struct rlimit *before) {
        struct rlimit now;

        if (prlimit(pid, RLIMIT_MEMLOCK, NULL, &now) == 0 && now.rlim_cur == set->rlim_cur && now.rlim_max == set->rlim_max)
                (void) prlimit(pid, RLIMIT_MEMLOCK, before, NULL);
}

int memlock_raise(int proc_fd, const Process *process, MemlockNeed need, uint64_t most, MemlockRaised *ret) {
        struct rlimit before, set;
        MemlockState state = {};
        int r;

        *ret = (MemlockRaised) {};
        r = process_locked_memory(proc_fd, process, &state.locked, &state.ipc_lock);
        if (r < 0)
                return r;
        if (prlimit(process->pid, RLIMIT_MEMLOCK, NULL, &before) < 0)
                return -errno;
        state.soft = before.rlim_cur;
        state.hard = before.rlim_max;
        ret->before = ret->after = state.ipc_lock ? MEMLOCK_NO_LIMIT : state.soft;
        ret->wanted = wanted(&state, need);
        if (!memlock_decide(&state, need, most))
                return process_alive(process) ? 0 : -ESRCH;
        if (!process_alive(process))
                return -ESRCH;
        set = (struct rlimit) { .rlim_cur = state.soft, .rlim_max = state.hard };
        if (prlimit(process->pid, RLIMIT_MEMLOCK, &set, &before) < 0)
                return -errno;
        /* Its PID was its own all the while, if it is there still. */
        if (!process_alive(process)) {
                put_back(process->pid, &set, &before);
                return -ESRCH;
        }
        ret->after = state.soft;
        return 0;
}
