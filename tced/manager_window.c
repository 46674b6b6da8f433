/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A window that a VMM opens while it runs: one of the plan once more (a machine reset drops and makes its tables), or one that the guest
 * asked for, whose size nobody knew before. It goes where its PHB's windows go; one in the VMM gets a fresh memfd each time, since an
 * earlier one holds what the guest put into it. The VMM's vCPU waits meanwhile, so nothing here goes by the worker. */

#include <inttypes.h>

#include "account.h"
#include "error.h"
#include "log.h"
#include "manager_internal.h"
#include "names.h"
#include "util.h"

/* LIOBNs of PCI windows: 0x80000000 | PHB index << 8 | window (QEMU, hw/ppc: SPAPR_PCI_LIOBN). */
#define LIOBN_PCI UINT32_C(0x80000000)
#define LIOBN_WINDOW_BITS UINT32_C(0xff)

static bool is_same_window(const PlanTable *t, const WindowRequest *w) {
        return t->window.liobn == w->liobn && t->window.page_shift == w->page_shift && t->window.bus_offset == w->bus_offset;
}

static bool is_same_phb(uint32_t a, uint32_t b) {
        return (a & LIOBN_PCI) && (b & LIOBN_PCI) && ((a ^ b) & ~LIOBN_WINDOW_BITS) == 0;
}

/* What is known of the PHB (or the VIO device): the plan's first window there. NULL: it came while the VM ran. */
static const PlanTable *find_sibling(const Machine *machine, uint32_t liobn) {
        const Plan *plan = &machine->plan;

        for (size_t i = 0; i < plan->n_tables; i++)
                if (plan->tables[i].window.liobn == liobn || is_same_phb(plan->tables[i].window.liobn, liobn))
                        return &plan->tables[i];
        return NULL;
}

/* Decides as plan_make() would have, had it known of the window. */
static void decide(const Manager *m, const Machine *machine, const WindowRequest *w, PlanTable *ret) {
        const PlanTable *sibling = find_sibling(machine, w->liobn);
        PolicyFacts facts = policy_facts_from(&m->kvm);

        ret->window = (Window) {
                .kind = w->liobn & LIOBN_PCI ? DEVICE_PCI : DEVICE_VIO,
                .device = "",
                .group = -1,
        };
        if (sibling)
                ret->window = sibling->window;
        ret->window.liobn = w->liobn;
        ret->window.page_shift = w->page_shift;
        ret->window.bus_offset = w->bus_offset;
        ret->window.size = w->entries << w->page_shift;
        ret->setting = policy_setting_for(&m->config.rules, &m->config.policy, machine->name, machine->uuid, &ret->window, NULL);
        ret->verdict = policy_decide(&facts, &ret->window, ret->setting.accel);
        /* A PHB of which a table had to leave the kernel is not asked for again, window by window. */
        if (sibling && sibling->verdict.reason == REASON_KERNEL_REFUSED && ret->setting.accel != ACCEL_KERNEL)
                ret->verdict = sibling->verdict;
}

/* What tced says of this window. The plan's word, where it has it: rules that changed since count for VMs that start. device: borrowed. */
static void look_up(const Manager *m, const Machine *machine, const WindowRequest *w, PlanTable *ret) {
        const Plan *plan = &machine->plan;

        *ret = (PlanTable) {};
        for (size_t i = 0; i < plan->n_tables; i++)
                if (is_same_window(&plan->tables[i], w) && plan->tables[i].entries == w->entries) {
                        *ret = plan->tables[i];
                        return;
                }
        decide(m, machine, w, ret);
        for (size_t i = 0; i < plan->n_dynamic; i++)
                if (is_same_window(&plan->dynamic[i], w) && !plan->dynamic[i].verdict.refused &&
                    ret->verdict.reason != REASON_KERNEL_REFUSED) {
                        ret->verdict = plan->dynamic[i].verdict;
                        ret->setting = plan->dynamic[i].setting;
                }
        ret->entries = w->entries;
        ret->bytes = tce_table_bytes(w->entries);
}

/* Books what the windows of this LIOBN need beyond the most that they needed yet: a guest that opens and closes one any number of times
 * is booked once. */
static int charge(Manager *m, Machine *machine, const PlanTable *t, Refusal *refusal) {
        const Limits *l = &m->config.limits;
        OpenedWindow *opened = NULL;
        uint64_t more = t->bytes, before = 0, booked, tables = 0;

        for (size_t i = 0; i < machine->n_opened && !opened; i++)
                if (machine->opened[i].liobn == t->window.liobn)
                        opened = &machine->opened[i];
        if (opened)
                before = opened->bytes;
        else {
                const Table *planned = machine_find_table(machine, t->window.liobn);

                /* One that left the kernel was not booked when the VM was registered. */
                if (planned && planned->plan->verdict.placement == PLACEMENT_USER && machine->charged > 0 &&
                    planned->plan->verdict.reason != REASON_KERNEL_REFUSED)
                        before = planned->plan->bytes;
                tables = !planned;
        }
        if (t->bytes <= before)
                return 0;
        more -= before;
        booked = machine->charged + machine->opened_bytes;
        if (booked > l->table_bytes_per_machine_max || more > l->table_bytes_per_machine_max - booked)
                return refuse(refusal, TCED_ERROR_LIMIT_EXCEEDED,
                              "TableBytesPerMachineMax=%" PRIu64 " would be exceeded by a table of %s for %s (liobn %08" PRIx32
                              "); raise it in tced.conf",
                              l->table_bytes_per_machine_max, FORMAT_BYTES(t->bytes), machine->name, t->window.liobn);
        if (!opened && machine->n_opened == l->tables_per_machine_max)
                return refuse(refusal, TCED_ERROR_LIMIT_EXCEEDED, "TablesPerMachineMax=%" PRIu64 " would be exceeded by %s (liobn %08" PRIx32
                              "); raise it in tced.conf",
                              l->tables_per_machine_max, machine->name, t->window.liobn);
        if (!opened && ARRAY_RESERVE(machine->opened, machine->opened_allocated, machine->n_opened + 1) < 0)
                return refuse(refusal, TCED_ERROR_NO_MEMORY, "No memory for a window of %s; try again later", machine->name);
        if (account_charge(m, machine->registrar, (Cost) { .tables = tables, .bytes = more }, refusal) < 0)
                return -EINVAL;
        if (!opened)
                opened = &machine->opened[machine->n_opened++];
        *opened = (OpenedWindow) { t->window.liobn, t->bytes };
        machine->opened_bytes += more;
        machine->opened_tables += tables;
        return 0;
}

static int make_memory(Manager *m, Machine *machine, const PlanTable *t, TableMemory *ret, Refusal *refusal) {
        char name[96];
        int r;

        if (charge(m, machine, t, refusal) < 0)
                return -EINVAL;
        (void) snprintf(name, sizeof(name), "%s-%08" PRIx32, machine->name, t->window.liobn);
        /* Not filled in: nobody can tell which of them the VMM still has, and what it touches is on its own account. */
        r = table_memory_make_empty(name, t->entries, t->setting.numa_node, ret);
        if (r == -ENOMEM)
                return refuse(refusal, TCED_ERROR_NO_MEMORY, "No memory for a table of %s for %s (liobn %08" PRIx32 "): give the host more",
                              FORMAT_BYTES(t->bytes), machine->name, t->window.liobn);
        if (r < 0)
                return refuse(refusal, TCED_ERROR_FAILED, "Can't make a table of %s for %s (liobn %08" PRIx32 "): %s", FORMAT_BYTES(t->bytes),
                              machine->name, t->window.liobn, strerror(-r));
        return 0;
}

/* The kernel would not have it: from now on it is the VMM's, unless a rule demands otherwise. */
static int move_refused(Manager *m, Machine *machine, PlanTable *t, int error, Refusal *refusal) {
        Table *planned = machine_find_table(machine, t->window.liobn);

        if (t->verdict.placement == PLACEMENT_USER)
                return refuse(refusal, TCED_ERROR_INVALID_ARGUMENT,
                              "The window %08" PRIx32 " of %s is planned as `user`: the kernel is not to be asked for it", t->window.liobn,
                              machine->name);
        if (t->setting.accel == ACCEL_KERNEL)
                return refuse(refusal, TCED_ERROR_KERNEL_DEMANDED,
                              "The kernel refused the window %08" PRIx32 " of %s: %s; a rule demands `kernel` for it", t->window.liobn,
                              machine->name, strerror(error));
        t->verdict.placement = PLACEMENT_USER;
        t->verdict.reason = REASON_KERNEL_REFUSED;
        log_message(LOG_WARNING, TCED_MESSAGE_TABLE_REFUSED_STR,
                    "%s: the kernel refused the table of %s (liobn %08" PRIx32 "): %s; it is in the VMM now", machine->name, t->window.device,
                    t->window.liobn, strerror(error));
        if (!planned || planned->moving || planned->plan->verdict.placement == PLACEMENT_USER)
                return 0;
        planned->error = error;
        plan_table_refused(&machine->plan, planned->plan);
        planned->state = TABLE_HANDED_OUT;
        manager_table_changed(m, planned);
        return 0;
}

static int check_request(const Machine *machine, const WindowRequest *w, Refusal *refusal) {
        if (w->refused < 0 || w->refused > 4095) /* the kernel's MAX_ERRNO */
                return refuse(refusal, TCED_ERROR_INVALID_ARGUMENT, "%d is no errno: give 0 or a positive one", w->refused);
        if (w->entries >= TCE_ENTRIES_LIMIT)
                return refuse(refusal, TCED_ERROR_TOO_MANY_ENTRIES, "%" PRIu64 " TCEs of the window %08" PRIx32 " of %s: 2^32 and more can't be",
                              w->entries, w->liobn, machine->name);
        if (w->page_shift < TCE_PAGE_SHIFT_MIN || w->page_shift > TCE_PAGE_SHIFT_MAX || w->entries > UINT64_MAX >> w->page_shift ||
            tce_window_check(w->bus_offset, w->entries << w->page_shift, w->page_shift) != TCE_WINDOW_OK)
                return refuse(refusal, TCED_ERROR_INVALID_WINDOW,
                              "No window %08" PRIx32 " of %s can have %" PRIu64 " TCEs of 2^%" PRIu32 " bytes from %#" PRIx64 " on", w->liobn,
                              machine->name, w->entries, w->page_shift, w->bus_offset);
        return 0;
}

/* What was opened is expected from now on, by the audit too: of a VM that `tcectl run` started nothing was known before. */
static void note_opened(Manager *m, Machine *machine, const WindowRequest *w, PlanTable *t) {
        const Plan *plan = &machine->plan;

        for (size_t i = 0; i < plan->n_tables; i++)
                if (is_same_window(&plan->tables[i], w) && plan->tables[i].entries == w->entries)
                        return;
        t->locked_bytes = t->verdict.placement == PLACEMENT_USER ? 0 : tce_kernel_charge(t->entries, m->kvm.page_size);
        if (plan_note_opened(&machine->plan, t, m->config.limits.tables_per_machine_max) > 0)
                manager_save_soon(m, machine);
}

int manager_acquire_window(Manager *m, Machine *machine, const WindowRequest *request, WindowTable *ret, Refusal *refusal) {
        TableMemory memory = TABLE_MEMORY_INIT;
        PlanTable found;
        int r;

        r = check_request(machine, request, refusal);
        if (r < 0)
                return r;
        look_up(m, machine, request, &found);
        if (found.verdict.refused)
                return refuse(refusal, TCED_ERROR_KERNEL_DEMANDED, "A rule demands `kernel` for the window %08" PRIx32 " of %s, and that can't be: %s",
                              request->liobn, machine->name, reason_text(found.verdict.reason));
        if (request->refused > 0 && move_refused(m, machine, &found, request->refused, refusal) < 0)
                return -EINVAL;
        if (found.verdict.placement == PLACEMENT_USER) {
                Table *planned = machine_find_table(machine, request->liobn);

                /* Made ahead, and not fetched yet. */
                if (planned && planned->state == TABLE_READY && planned->memory.fd >= 0 && is_same_window(planned->plan, request) &&
                    planned->plan->entries == request->entries) {
                        memory = planned->memory;
                        planned->memory = (TableMemory) TABLE_MEMORY_INIT;
                        manager_table_handed_out(m, planned);
                } else
                        r = make_memory(m, machine, &found, &memory, refusal);
                if (r < 0)
                        return r;
        }
        note_opened(m, machine, request, &found);
        if (found.verdict.placement != PLACEMENT_USER)
                manager_raise_memlock_for_window(m, machine, &found);
        *ret = (WindowTable) { .placement = found.verdict.placement, .reason = found.verdict.reason, .memory = memory };
        return 0;
}
