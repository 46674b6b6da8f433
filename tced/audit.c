/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tables are settled in this order: what the VMM reported; memfds, which carry their LIOBN; what is KVM's, by size, the tables that are
 * there from the start before those that guests ask for; what is left nobody expects. */

#include "audit.h"

#include <inttypes.h>

#include "util.h"

static const char *const basis_names[_AUDIT_BASIS_MAX] = {
        [AUDIT_BY_NOTHING] = "nothing",
        [AUDIT_BY_COMMAND_LINE] = "command-line",
        [AUDIT_BY_MACHINE] = "machine",
};

static const char *const found_names[_AUDIT_FOUND_MAX] = {
        [AUDIT_FOUND_KERNEL] = "kernel",   [AUDIT_FOUND_USER] = "user", [AUDIT_FOUND_MISSING] = "missing",
        [AUDIT_FOUND_SOME] = "some",       [AUDIT_FOUND_NONE] = "none", [AUDIT_FOUND_UNKNOWN] = "unknown",
};

static const char *const why_source_names[_AUDIT_WHY_SOURCE_MAX] = {
        [AUDIT_WHY_NONE] = "none",
        [AUDIT_WHY_SEEN] = "seen",
        [AUDIT_WHY_INFERRED] = "inferred",
};

static const char *const verdict_names[_AUDIT_VERDICT_MAX] = {
        [AUDIT_AS_PLANNED] = "as-planned",
        [AUDIT_SLOW_PATH] = "slow-path",
        [AUDIT_DIFFERS] = "differs",
        [AUDIT_UNKNOWN] = "unknown",
};

const char *audit_basis_to_string(AuditBasis basis) {
        return basis_names[basis];
}

int audit_basis_from_string(const char *text) {
        return name_lookup(basis_names, ELEMENTSOF(basis_names), text);
}

const char *audit_found_to_string(AuditFound found) {
        return found_names[found];
}

int audit_found_from_string(const char *text) {
        return name_lookup(found_names, ELEMENTSOF(found_names), text);
}

const char *audit_why_source_to_string(AuditWhySource source) {
        return why_source_names[source];
}

int audit_why_source_from_string(const char *text) {
        return name_lookup(why_source_names, ELEMENTSOF(why_source_names), text);
}

const char *audit_verdict_to_string(AuditVerdict verdict) {
        return verdict_names[verdict];
}

int audit_verdict_from_string(const char *text) {
        return name_lookup(verdict_names, ELEMENTSOF(verdict_names), text);
}

void audit_clear(Audit *a) {
        for (size_t i = 0; i < a->n_tables; i++)
                free(a->tables[i].device);
        free(a->tables);
        *a = (Audit) {};
}

/* What is worked with while an audit is made. */
typedef struct Making {
        Audit audit;
        const SeenProcess *process;
        bool *taken; /* of the process's tables: it is known whose they are */
        uint64_t page_size;
} Making;

/* As long as the table's mapping: KVM makes whole pages (book3s_64_vio.c:kvmppc_tce_pages). */
static uint64_t round_up(const Making *m, uint64_t bytes) {
        return (bytes + m->page_size - 1) / m->page_size * m->page_size;
}

/* KVM's tables of this length that are nobody's yet. */
static unsigned count_free(const Making *m, uint64_t length) {
        unsigned n = 0;

        for (size_t i = 0; i < m->process->n_tables; i++)
                n += !m->taken[i] && m->process->tables[i].kernel && m->process->tables[i].bytes == length;
        return n;
}

/* Takes so many of those; the last is given back. */
static const SeenTable *take(Making *m, uint64_t length, unsigned n) {
        const SeenTable *last = NULL;

        for (size_t i = 0; i < m->process->n_tables && n > 0; i++) {
                if (m->taken[i] || !m->process->tables[i].kernel || m->process->tables[i].bytes != length)
                        continue;
                m->taken[i] = true;
                last = &m->process->tables[i];
                n--;
        }
        return last;
}

static int add_table(Making *m, AuditTable **ret) {
        Audit *a = &m->audit;

        if (ARRAY_RESERVE(a->tables, a->allocated, a->n_tables + 1) < 0)
                return -ENOMEM;
        a->tables[a->n_tables] = (AuditTable) { .liobn = -1 };
        *ret = &a->tables[a->n_tables++];
        return 0;
}

static void set_resident(AuditTable *t, const SeenTable *seen) {
        t->resident = seen->resident;
        t->resident_known = seen->resident_known;
}

/* What the plan says of it; where it is found comes later. */
static int add_expected(Making *m, const PlanTable *plan, AuditTable **ret) {
        AuditTable *t;
        int r;

        r = add_table(m, &t);
        if (r < 0)
                return r;
        t->expected = true;
        t->dynamic = plan->window.dynamic;
        t->liobn = plan->window.liobn;
        t->kind = plan->window.kind;
        t->page_shift = plan->window.page_shift;
        t->entries_min = t->entries = plan->entries;
        t->bytes = plan->bytes;
        t->reason = plan->verdict.reason;
        /* Where the kernel refused it the plan has followed; it was expected there. */
        t->placement = t->reason == REASON_KERNEL_REFUSED ? PLACEMENT_KERNEL : plan->verdict.placement;
        t->device = plan->window.device ? strdup(plan->window.device) : NULL;
        if (plan->window.device && !t->device)
                return -ENOMEM;
        *ret = t;
        return 0;
}

/* A memfd names its table. */
static bool take_memfd(Making *m, AuditTable *t) {
        for (size_t i = 0; i < m->process->n_tables; i++) {
                const SeenTable *seen = &m->process->tables[i];

                if (m->taken[i] || seen->kernel || seen->liobn != t->liobn)
                        continue;
                m->taken[i] = true;
                t->found = AUDIT_FOUND_USER;
                set_resident(t, seen);
                return true;
        }
        return false;
}

static bool is_in_log(const AuditExpectation *e, int64_t liobn) {
        for (size_t i = 0; i < e->n_refused; i++)
                if ((int64_t) e->refused[i] == liobn)
                        return true;
        return false;
}

/* The plan's tables, in its order, and what is known of each by its name; those that are still to be counted are MISSING. */
static int add_static(Making *m, const AuditExpectation *e) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < e->plan->n_tables; i++) {
                const PlanTable *plan = &e->plan->tables[i];
                int error = e->errors ? e->errors[i] : 0;
                AuditTable *t;

                if (plan->verdict.refused)
                        continue;
                r = add_expected(m, plan, &t);
                if (r < 0)
                        break;
                t->found = AUDIT_FOUND_MISSING;
                t->reported = error == AUDIT_REPORTED_MADE;
                t->by_log = error == 0 && t->placement != PLACEMENT_USER && is_in_log(e, t->liobn);
                if (!take_memfd(m, t) && (error > 0 || t->reason == REASON_KERNEL_REFUSED))
                        t->found = AUDIT_FOUND_USER;
                if (error > 0) {
                        t->why_source = AUDIT_WHY_SEEN;
                        t->memlock = error == ENOMEM;
                        (void) snprintf(t->why, sizeof(t->why), "the kernel refused it: %s (%d), says the VMM", strerror(error), error);
                } else if (t->reason == REASON_KERNEL_REFUSED) {
                        t->why_source = AUDIT_WHY_SEEN;
                        (void) snprintf(t->why, sizeof(t->why), "%s", reason_text(t->reason));
                }
        }
        return r;
}

/* A table of which the log says that it was refused is none of KVM's: the others of its length are. Where KVM has more of them than those, a
 * refused one was made since, as at a reset, and which that was is not known. */
static void settle_by_log(Making *m) {
        for (size_t i = 0; i < m->audit.n_tables; i++) {
                uint64_t length = round_up(m, m->audit.tables[i].bytes);
                unsigned others = 0;
                bool made;

                if (!m->audit.tables[i].by_log)
                        continue;
                for (size_t j = 0; j < m->audit.n_tables; j++)
                        others += m->audit.tables[j].found == AUDIT_FOUND_MISSING && !m->audit.tables[j].by_log &&
                                  round_up(m, m->audit.tables[j].bytes) == length;
                made = count_free(m, length) > others;
                for (size_t j = i; made && j < m->audit.n_tables; j++)
                        if (round_up(m, m->audit.tables[j].bytes) == length)
                                m->audit.tables[j].by_log = false;
        }
}

/* Is it to be counted among those of its length? */
static bool is_counted(const AuditTable *t) {
        return t->found == AUDIT_FOUND_MISSING && !t->by_log;
}

/* Of the plan's tables that are not settled by name: those of one length are counted against KVM's of that length. */
static void count_static(Making *m) {
        size_t n = m->audit.n_tables;

        for (size_t i = 0; i < n; i++) {
                uint64_t length = round_up(m, m->audit.tables[i].bytes);
                const SeenTable *seen;
                unsigned all = 0, wanted = 0, have;

                if (!is_counted(&m->audit.tables[i]) || m->audit.tables[i].n_of_size > 0)
                        continue;
                for (size_t j = i; j < n; j++) {
                        bool counts = is_counted(&m->audit.tables[j]) && round_up(m, m->audit.tables[j].bytes) == length;

                        all += counts;
                        wanted += counts && m->audit.tables[j].placement != PLACEMENT_USER;
                }
                have = count_free(m, length);
                have = have < all ? have : all;
                seen = take(m, length, have);
                for (size_t j = i; j < n; j++) {
                        AuditTable *t = &m->audit.tables[j];

                        if (!is_counted(t) || t->n_of_size > 0 || round_up(m, t->bytes) != length)
                                continue;
                        t->n_of_size = all;
                        t->n_kernel_of_size = have;
                        t->n_wanted_of_size = wanted;
                        if (have > 0)
                                t->found = have == all ? AUDIT_FOUND_KERNEL : AUDIT_FOUND_SOME;
                        if (have == 1 && all == 1)
                                set_resident(t, seen);
                }
        }
}

/* Fds of KVM's that are not mapped have no length to go by: where there are as many as are wanted, they are those. Where fds may not be read
 * the VMM's word is all there is of such tables. */
static void count_unmapped(Making *m) {
        unsigned mapped = 0, wanted = 0, have;

        for (size_t i = 0; m->process->fds_error && i < m->audit.n_tables; i++)
                if (m->audit.tables[i].found == AUDIT_FOUND_MISSING && m->audit.tables[i].reported) {
                        m->audit.tables[i].found = AUDIT_FOUND_KERNEL;
                        m->audit.tables[i].n_of_size = 0;
                }
        for (size_t i = 0; i < m->process->n_tables; i++)
                mapped += m->process->tables[i].kernel;
        have = m->process->n_kernel_fds > mapped ? m->process->n_kernel_fds - mapped : 0;
        for (size_t i = 0; i < m->audit.n_tables; i++)
                wanted += is_counted(&m->audit.tables[i]) && m->audit.tables[i].placement != PLACEMENT_USER;
        if (have == 0 || wanted == 0)
                return;
        for (size_t i = 0; i < m->audit.n_tables; i++) {
                AuditTable *t = &m->audit.tables[i];

                if (!is_counted(t) || t->placement == PLACEMENT_USER)
                        continue;
                t->found = have >= wanted ? AUDIT_FOUND_KERNEL : AUDIT_FOUND_SOME;
                t->by_fds = true;
                t->n_of_size = t->n_wanted_of_size = wanted;
                t->n_kernel_of_size = have < wanted ? have : wanted;
        }
}

/* The one of a LIOBN's windows whose table has this length; *ret_several: more than one has. length 0: the one that is likely. */
static const PlanTable *pick_dynamic(const Making *m, const Plan *plan, uint32_t liobn, uint64_t length, bool *ret_several) {
        const PlanTable *found = NULL;
        unsigned n = 0;

        for (size_t i = 0; i < plan->n_dynamic; i++) {
                const PlanTable *d = &plan->dynamic[i];

                if (d->window.liobn != liobn || d->verdict.refused || (length > 0 && round_up(m, d->bytes) != length))
                        continue;
                n++;
                if (!found || d->window.likely)
                        found = d;
        }
        *ret_several = n > 1;
        return found;
}

/* Of how many LIOBNs may a window have a table of this length? */
static unsigned count_dynamic(const Making *m, const Plan *plan, uint64_t length) {
        unsigned n = 0;
        bool several;

        for (size_t i = 0; i < plan->n_dynamic; i++)
                n += (i == 0 || plan->dynamic[i - 1].window.liobn != plan->dynamic[i].window.liobn) &&
                     pick_dynamic(m, plan, plan->dynamic[i].window.liobn, length, &several);
        return n;
}

static void take_dynamic_memfd(Making *m, const Plan *plan, AuditTable *t) {
        for (size_t i = 0; i < m->process->n_tables; i++) {
                const SeenTable *seen = &m->process->tables[i];
                const PlanTable *d;
                bool several;

                if (m->taken[i] || seen->kernel || seen->liobn != t->liobn)
                        continue;
                d = pick_dynamic(m, plan, (uint32_t) t->liobn, seen->bytes, &several);
                if (d && !several) {
                        t->page_shift = d->window.page_shift;
                        t->entries_min = t->entries = d->entries;
                        t->bytes = d->bytes;
                        t->placement = d->verdict.placement;
                        t->reason = d->verdict.reason;
                }
                (void) take_memfd(m, t);
                return;
        }
}

/* KVM's tables that are left, where a window of this LIOBN may have one of that length. Which of its page sizes it was is known where only
 * one comes to that length. */
static void take_dynamic_kernel(Making *m, const Plan *plan, AuditTable *t) {
        for (size_t i = 0; i < m->process->n_tables; i++) {
                const SeenTable *seen = &m->process->tables[i];
                const PlanTable *d;
                unsigned all, have;
                bool several;

                if (m->taken[i] || !seen->kernel)
                        continue;
                d = pick_dynamic(m, plan, (uint32_t) t->liobn, seen->bytes, &several);
                if (!d)
                        continue;
                all = count_dynamic(m, plan, seen->bytes);
                have = count_free(m, seen->bytes);
                t->placement = d->verdict.placement;
                t->reason = d->verdict.reason;
                t->page_shift = several ? 0 : d->window.page_shift;
                t->entries = several ? seen->bytes / 8 : d->entries;
                t->entries_min = several ? (seen->bytes - m->page_size) / 8 + 1 : d->entries;
                t->bytes = several ? seen->bytes : d->bytes;
                t->n_of_size = all;
                t->n_kernel_of_size = have < all ? have : all;
                t->found = have >= all ? AUDIT_FOUND_KERNEL : AUDIT_FOUND_SOME;
                if (all == 1)
                        set_resident(t, seen);
                return;
        }
}

/* One for each LIOBN that the guest may have a second window on. */
static int add_dynamic(Making *m, const Plan *plan) {
        size_t first = m->audit.n_tables;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < plan->n_dynamic; i++) {
                const PlanTable *likely;
                AuditTable *t;
                bool several;

                if (i > 0 && plan->dynamic[i - 1].window.liobn == plan->dynamic[i].window.liobn)
                        continue;
                likely = pick_dynamic(m, plan, plan->dynamic[i].window.liobn, 0, &several);
                if (!likely)
                        continue;
                r = add_expected(m, likely, &t);
                if (r < 0)
                        break;
                t->dynamic = true;
                t->found = AUDIT_FOUND_NONE;
                take_dynamic_memfd(m, plan, t);
        }
        for (size_t i = first; r >= 0 && i < m->audit.n_tables; i++)
                if (m->audit.tables[i].found == AUDIT_FOUND_NONE)
                        take_dynamic_kernel(m, plan, &m->audit.tables[i]);
        /* Only now: those of one length are counted together. */
        for (size_t i = first; r >= 0 && i < m->audit.n_tables; i++) {
                AuditTable *t = &m->audit.tables[i];

                if (t->found == AUDIT_FOUND_KERNEL || t->found == AUDIT_FOUND_SOME)
                        (void) take(m, round_up(m, t->bytes), t->found == AUDIT_FOUND_KERNEL ? 1 : t->n_kernel_of_size);
        }
        return r;
}

/* Windows of one PHB have LIOBNs that differ in their last byte (QEMU, hw/ppc: SPAPR_PCI_LIOBN). */
static bool is_same_phb(int64_t a, int64_t b) {
        return a == b || (((uint64_t) a & UINT64_C(0x80000000)) && (((uint64_t) a ^ (uint64_t) b) & ~UINT64_C(0xff)) == 0);
}

/* A window that was opened while tced was away goes where its PHB's windows go, as its adapter knows: where one of them is expected in the VMM
 * this memfd is no surprise. 1: it is expected now. */
static int expect_by_sibling(Making *m, AuditTable *t) {
        for (size_t i = 0; m->audit.basis == AUDIT_BY_MACHINE && i < m->audit.n_tables; i++) {
                const AuditTable *s = &m->audit.tables[i];

                if (!s->expected || s->placement != PLACEMENT_USER || !is_same_phb(s->liobn, t->liobn))
                        continue;
                t->device = s->device ? strdup(s->device) : NULL;
                if (s->device && !t->device)
                        return -ENOMEM;
                t->expected = t->dynamic = true;
                t->kind = s->kind;
                t->placement = s->placement;
                t->reason = s->reason;
                return 1;
        }
        return 0;
}

/* What is left over: of a VM that nobody knows, all of it. */
static int add_unexpected(Making *m) {
        for (size_t i = 0; i < m->process->n_tables; i++) {
                const SeenTable *seen = &m->process->tables[i];
                AuditTable *t;
                int r;

                if (m->taken[i])
                        continue;
                if (add_table(m, &t) < 0)
                        return -ENOMEM;
                t->liobn = seen->liobn;
                t->found = seen->kernel ? AUDIT_FOUND_KERNEL : AUDIT_FOUND_USER;
                t->bytes = seen->bytes;
                t->entries = seen->bytes / 8;
                t->entries_min = seen->bytes >= m->page_size ? (seen->bytes - m->page_size) / 8 + 1 : 0;
                set_resident(t, seen);
                r = seen->kernel ? 0 : expect_by_sibling(m, t);
                if (r < 0)
                        return r;
                t->differs = r == 0 && m->audit.basis != AUDIT_BY_NOTHING;
                if (t->differs) {
                        t->why_source = AUDIT_WHY_SEEN;
                        (void) snprintf(t->why, sizeof(t->why), "nobody expects a table of this size");
                }
        }
        return 0;
}

/* Would the kernel have refused it for want of locked memory? It charges before it makes a table, and what it refuses it does not charge
 * (arch/powerpc/kvm/book3s_64_vio.c:kvm_vm_ioctl_create_spapr_tce), so that VmLck still tells. */
static bool explain_by_memlock(const Making *m, AuditTable *t) {
        const SeenProcess *p = m->process;
        uint64_t charge = tce_kernel_charge(t->entries, m->page_size);

        if (!p->limits_known || p->ipc_lock || p->lock_limit == AUDIT_NO_LIMIT || add_saturated(p->locked, charge) <= p->lock_limit)
                return false;
        t->why_source = AUDIT_WHY_INFERRED;
        t->memlock = true;
        (void) snprintf(t->why, sizeof(t->why), "the locked-memory limit is %s, %s of it are taken, and the kernel charges %s for the table",
                        FORMAT_BYTES(p->lock_limit), FORMAT_BYTES(p->locked), FORMAT_BYTES(charge));
        return true;
}

/* What the log says; the limit, where it would have been the reason, makes that whole. */
static bool explain_by_log(const Making *m, AuditTable *t) {
        char limit[AUDIT_WHY_MAX];

        if (!t->by_log)
                return false;
        (void) explain_by_memlock(m, t);
        (void) snprintf(limit, sizeof(limit), "%s", t->why);
        t->why_source = AUDIT_WHY_SEEN;
        (void) snprintf(t->why, sizeof(t->why), "the kernel refused it, says QEMU's log%s%.200s", t->memlock ? ": " : "", limit);
        return true;
}

/* Is it not in the kernel, or maybe one of those of its size that are not? */
static bool maybe_short(const AuditTable *t) {
        return t->found == AUDIT_FOUND_MISSING || t->found == AUDIT_FOUND_USER ||
               (t->found == AUDIT_FOUND_SOME && !t->dynamic && t->n_kernel_of_size < t->n_wanted_of_size);
}

static bool maybe_too_many(const AuditTable *t) {
        return t->found == AUDIT_FOUND_KERNEL ||
               (t->found == AUDIT_FOUND_SOME && !t->dynamic && t->n_kernel_of_size > t->n_wanted_of_size);
}

/* Is it where it is expected, is it slow, and why? */
static void judge_table(const Making *m, AuditTable *t) {
        if (t->placement == PLACEMENT_USER) {
                t->differs = maybe_too_many(t);
                if (t->differs) {
                        t->why_source = AUDIT_WHY_SEEN;
                        (void) snprintf(t->why, sizeof(t->why), "the VMM made it in the kernel: it does not ask tced");
                        return;
                }
                if (t->found == AUDIT_FOUND_NONE)
                        return;
                t->slow = t->reason != REASON_RULE_USER && t->reason != REASON_TCG;
                t->why_source = AUDIT_WHY_INFERRED;
                (void) snprintf(t->why, sizeof(t->why), "%s", reason_text(t->reason));
                return;
        }
        t->differs = t->slow = maybe_short(t);
        if (!t->slow || *t->why || explain_by_log(m, t) || explain_by_memlock(m, t))
                return;
        if (t->found == AUDIT_FOUND_USER)
                (void) snprintf(t->why, sizeof(t->why), "the VMM has a memfd of tced's instead");
        else
                (void) snprintf(t->why, sizeof(t->why), "no reason can be seen from outside; the VMM's own log may have it");
}

/* The VM's verdict is the worst of its tables'. */
static void judge(Making *m, const char *unknown) {
        Audit *a = &m->audit;
        bool slow = false, differs = false;

        for (size_t i = 0; i < a->n_tables; i++) {
                AuditTable *t = &a->tables[i];

                if (t->expected)
                        judge_table(m, t);
                slow |= t->slow;
                differs |= t->differs;
                a->n_out += t->found == AUDIT_FOUND_USER || t->found == AUDIT_FOUND_MISSING;
        }
        a->verdict = slow ? AUDIT_SLOW_PATH : differs ? AUDIT_DIFFERS : AUDIT_AS_PLANNED;
        if (a->basis == AUDIT_BY_NOTHING) {
                a->verdict = AUDIT_UNKNOWN;
                (void) snprintf(a->why, sizeof(a->why), "tced does not know this VM: %s", unknown ? unknown : "what it should have is not known");
        } else if (m->process->n_vcpus == 0) {
                a->verdict = AUDIT_UNKNOWN;
                (void) snprintf(a->why, sizeof(a->why), "the VM has no vCPU yet: it is being started");
        }
}

/* Sums of what is there, whatever was expected. Of tables whose size is counted together the count is what is known of those outside. */
static void sum_up(Making *m) {
        Audit *a = &m->audit;

        for (size_t i = 0; i < m->process->n_tables; i++) {
                const SeenTable *seen = &m->process->tables[i];

                if (seen->kernel)
                        a->kernel_bytes += seen->bytes;
                else
                        a->user_bytes += seen->bytes;
                a->n_kernel += seen->kernel;
                a->resident += seen->resident;
        }
        if (m->process->n_kernel_fds > a->n_kernel)
                a->n_kernel = m->process->n_kernel_fds;
        for (size_t i = 0; i < a->n_tables; i++) {
                const AuditTable *t = &a->tables[i];
                bool first = true;

                if (t->found != AUDIT_FOUND_SOME || t->dynamic)
                        continue;
                for (size_t j = 0; j < i && first; j++)
                        first = a->tables[j].found != AUDIT_FOUND_SOME || a->tables[j].dynamic || a->tables[j].by_fds != t->by_fds ||
                                (!t->by_fds && round_up(m, a->tables[j].bytes) != round_up(m, t->bytes));
                if (first)
                        a->n_out += t->n_of_size - t->n_kernel_of_size;
        }
}

/* Nothing can be said of its tables. */
static int say_closed(Making *m, const AuditExpectation *e, int error) {
        int r = 0;

        for (size_t i = 0; r >= 0 && e->plan && i < e->plan->n_tables; i++) {
                AuditTable *t;

                r = add_expected(m, &e->plan->tables[i], &t);
                if (r >= 0)
                        t->found = AUDIT_FOUND_UNKNOWN;
        }
        m->audit.verdict = AUDIT_UNKNOWN;
        (void) snprintf(m->audit.why, sizeof(m->audit.why), "/proc/%d can't be read: %s; tced needs CAP_SYS_PTRACE for that",
                        (int) m->process->pid, strerror(error));
        return r;
}

int audit_make(const SeenProcess *process, const AuditExpectation *expectation, uint64_t page_size, Audit *ret) {
        _cleanup_free_ bool *taken = calloc(process->n_tables + 1, sizeof(*taken));
        Making m = { .process = process, .taken = taken, .page_size = page_size };
        int error = process->maps_error, r = 0;

        if (!taken)
                return -ENOMEM;
        m.audit.basis = expectation->plan ? expectation->basis : AUDIT_BY_NOTHING;
        if (error)
                r = say_closed(&m, expectation, error);
        else {
                if (expectation->plan)
                        r = add_static(&m, expectation);
                if (r >= 0) {
                        settle_by_log(&m);
                        count_static(&m);
                        count_unmapped(&m);
                        r = expectation->plan ? add_dynamic(&m, expectation->plan) : 0;
                }
                if (r >= 0)
                        r = add_unexpected(&m);
                if (r >= 0) {
                        judge(&m, expectation->unknown);
                        sum_up(&m);
                }
        }
        if (r < 0) {
                audit_clear(&m.audit);
                return r;
        }
        *ret = m.audit;
        return 0;
}

const char *audit_found_text(const AuditTable *t, char *buf, size_t size) {
        if (t->n_of_size > 1 && (t->found == AUDIT_FOUND_KERNEL || t->found == AUDIT_FOUND_SOME))
                (void) snprintf(buf, size, "kernel: %u of %u%s", t->n_kernel_of_size, t->n_of_size, t->by_fds ? ", by fds" : " of this size");
        else
                (void) snprintf(buf, size, "%s", audit_found_to_string(t->found));
        return buf;
}

const char *audit_remedy(const AuditTable *t) {
        if (t->memlock)
                return "Raise the VM's locked-memory limit (libvirt: <memtune><hard_limit>), then start it again";
        if (t->placement == PLACEMENT_USER)
                return "See the host's findings: tcectl status";
        return "Look into the VMM's log (QEMU: Failed to create TCE table) and the kernel's, then start the VM again";
}

const char *audit_size_text(uint64_t bytes, uint64_t page_size) {
        /* hw/ppc/spapr_pci.c: dma_win_size 1 GiB; hw/ppc/spapr_vio.c: rtce_window_size 256 MiB, by default. */
        if (bytes == (tce_table_bytes(UINT64_C(1) << 18) + page_size - 1) / page_size * page_size)
                return "as long as a PHB's default window (1 GiB of 4 KiB pages)";
        if (bytes == (tce_table_bytes(UINT64_C(1) << 16) + page_size - 1) / page_size * page_size)
                return "as long as a VIO device's window (256 MiB of 4 KiB pages)";
        return "";
}
