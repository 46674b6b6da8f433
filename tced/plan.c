/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A VM's windows become its tables. A plan owns copies of all that it shows, so that the description, the rules and the facts
 * may change or go once it is made. */

#include "plan.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>

#include "error.h"
#include "util.h"

/* What can be done about a table that was demanded in the kernel and can't be there, behind "or". */
static const char *const demand_remedies[_REASON_MAX] = {
        [REASON_NO_KVM] = "get KVM going (tcectl status says what is in the way)",
        [REASON_NO_TCE] = "run the VM on a POWER host whose kernel has KVM's TCE tables",
        [REASON_NO_TCE_64] = "give the device a window at 0 with 4 KiB pages and less than 4 GiB, or the host a kernel of 4.6 or newer",
        [REASON_NO_VFIO_COUPLING] = "give the host a kernel with KVM_CAP_SPAPR_TCE_VFIO (Debian's 6.12 has it)",
};

void description_clear(Description *d) {
        for (size_t i = 0; i < d->n_windows; i++)
                free((char *) d->windows[i].device);
        free(d->windows);
        free(d->name);
        *d = (Description) {};
}

void plan_clear(Plan *plan) {
        for (size_t i = 0; i < plan->n_tables; i++) {
                free((char *) plan->tables[i].window.device);
                free(plan->tables[i].rule);
        }
        free(plan->tables);
        *plan = (Plan) {};
}

/* Fills in *error and gives what plan_make() then returns. */
static _printf_(3, 4) int fail(PlanError *error, const char *name, const char *format, ...) {
        va_list ap;

        error->name = name;
        va_start(ap, format);
        (void) vsnprintf(error->text, sizeof(error->text), format, ap);
        va_end(ap);
        return -EINVAL;
}

static const char *device_name(const Window *window) {
        return isempty(window->device) ? "a device without a name" : window->device;
}

/* For qsort() and bsearch(). */
static int compare_liobns(const void *a, const void *b) {
        const PlanTable *x = a, *y = b;

        return (x->window.liobn > y->window.liobn) - (x->window.liobn < y->window.liobn);
}

/* One table for each window, in the order of LIOBNs; nothing is decided yet. */
static int copy_windows(const Description *d, Plan *plan) {
        if (d->n_windows == 0)
                return 0;
        plan->tables = calloc(d->n_windows, sizeof(*plan->tables));
        if (!plan->tables)
                return -ENOMEM;
        for (size_t i = 0; i < d->n_windows; i++) {
                Window *copy = &plan->tables[i].window;

                *copy = d->windows[i];
                /* Counted before its name is copied, so that a failure clears what is there. */
                plan->n_tables++;
                if (!copy->device)
                        continue;
                copy->device = strdup(copy->device);
                if (!copy->device)
                        return -ENOMEM;
        }
        qsort(plan->tables, plan->n_tables, sizeof(*plan->tables), compare_liobns);
        return 0;
}

/* A VM has one table for a LIOBN: KVM refuses a second (EBUSY), QEMU ends. They lie side by side by now. */
static int check_liobns(const Plan *plan, PlanError *error) {
        for (size_t i = 1; i < plan->n_tables; i++) {
                const Window *a = &plan->tables[i - 1].window, *b = &plan->tables[i].window;

                if (a->liobn == b->liobn)
                        return fail(error, TCED_ERROR_LIOBN_TAKEN,
                                    "LIOBN 0x%08" PRIx32 " is used twice, by %.80s and by %.80s; give one of them another",
                                    a->liobn, device_name(a), device_name(b));
        }
        return 0;
}

/* Says why the window has no table at all. */
static int fail_refused(const PlanTable *table, const Rule *rule, PlanError *error) {
        const Window *window = &table->window;
        TceWindowError geometry = tce_window_check(window->bus_offset, window->size, window->page_shift);
        Reason reason = table->verdict.reason;

        if (geometry != TCE_WINDOW_OK)
                return fail(error,
                            geometry == TCE_WINDOW_TOO_LARGE ? TCED_ERROR_TOO_MANY_ENTRIES : TCED_ERROR_INVALID_WINDOW,
                            "%.80s (LIOBN 0x%08" PRIx32 "): the window at 0x%" PRIx64 " with 0x%" PRIx64
                            " bytes and page shift %" PRIu32 " %s",
                            device_name(window), window->liobn, window->bus_offset, window->size, window->page_shift,
                            tce_window_error_text(geometry));
        /* The rule's end is what tells it from others; a folder that is too long may be cut at the front. */
        return fail(error, TCED_ERROR_KERNEL_DEMANDED,
                    "%.80s (LIOBN 0x%08" PRIx32 "): %s%.120s demands a table in the kernel, but %s; change it to Accel=auto, or %s",
                    device_name(window), window->liobn, rule ? "the rule " : "the default Accel=kernel in tced.conf",
                    rule ? rule->path + (strlen(rule->path) > 120 ? strlen(rule->path) - 120 : 0) : "",
                    reason_text(reason), demand_remedies[reason] ? demand_remedies[reason] : "take the device away");
}

/* The rule's path is copied, as rules are read anew while VMs run. */
static int decide_table(const Description *d, const PolicyFacts *facts, const Rules *rules,
                        const PolicySetting *by_default, uint64_t page_size, PlanTable *table, PlanError *error) {
        const Rule *rule;

        table->setting = policy_setting_for(rules, by_default, d->name, d->uuid, &table->window, &rule);
        table->verdict = policy_decide(facts, &table->window, table->setting.accel);
        if (table->verdict.refused)
                return fail_refused(table, rule, error);
        if (rule) {
                table->rule = strdup(rule->path);
                if (!table->rule)
                        return -ENOMEM;
        }
        table->entries = table->window.size >> table->window.page_shift;
        table->bytes = tce_table_bytes(table->entries);
        if (table->verdict.placement != PLACEMENT_USER)
                table->locked_bytes = tce_kernel_charge(table->entries, page_size);
        return 0;
}

/* A table has less than 2^35 bytes: it takes half a thousand million of them to overflow a sum, and a limit that lets as many
 * through. */
static int sum_up(Plan *plan, PlanError *error) {
        for (size_t i = 0; i < plan->n_tables; i++) {
                const PlanTable *table = &plan->tables[i];
                bool user = table->verdict.placement == PLACEMENT_USER;
                uint64_t *bytes = user ? &plan->user_bytes : &plan->kernel_bytes;

                if (__builtin_add_overflow(*bytes, table->bytes, bytes) ||
                    __builtin_add_overflow(plan->locked_bytes, table->locked_bytes, &plan->locked_bytes))
                        return fail(error, TCED_ERROR_LIMIT_EXCEEDED,
                                    "the VM's tables have more bytes than can be counted; give it fewer or smaller windows");
        }
        return 0;
}

int plan_make(const Description *description, const PolicyFacts *facts, const Rules *rules,
              const PolicySetting *by_default, uint64_t page_size, uint64_t tables_max, Plan *ret, PlanError *error) {
        _cleanup_(plan_clear) Plan plan = {};
        int r;

        assert(page_size > 0);

        if (description->n_windows > tables_max)
                return fail(error, TCED_ERROR_LIMIT_EXCEEDED,
                            "the VM has %zu windows, %" PRIu64 " is the most; give it fewer devices or raise TablesPerMachineMax= in "
                            "tced.conf", description->n_windows, tables_max);
        r = copy_windows(description, &plan);
        if (r < 0)
                return r;
        r = check_liobns(&plan, error);
        for (size_t i = 0; r >= 0 && i < plan.n_tables; i++)
                r = decide_table(description, facts, rules, by_default, page_size, &plan.tables[i], error);
        if (r < 0)
                return r;
        r = sum_up(&plan, error);
        if (r < 0)
                return r;
        plan.multitce = policy_multitce(
                facts, policy_multitce_for(rules, by_default, description->name, description->uuid));
        *ret = TAKE_GENERIC(plan, Plan, (Plan) {});
        return 0;
}

int plan_survey(const Description *description, const PolicyFacts *facts, const Rules *rules,
                const PolicySetting *by_default, uint64_t page_size, Plan *ret, PlanError *error) {
        return -ENOSYS;
}

/* As the tables are sorted, and never added to, halving finds it. */
PlanTable *plan_find(Plan *plan, uint32_t liobn) {
        const PlanTable key = { .window.liobn = liobn };

        if (plan->n_tables == 0)
                return NULL;
        return bsearch(&key, plan->tables, plan->n_tables, sizeof(*plan->tables), compare_liobns);
}

void plan_table_refused(Plan *plan, PlanTable *table) {
        if (table->verdict.placement == PLACEMENT_USER)
                return;
        plan->kernel_bytes -= table->bytes;
        plan->locked_bytes -= table->locked_bytes;
        plan->user_bytes += table->bytes;
        table->locked_bytes = 0;
        table->verdict.placement = PLACEMENT_USER;
        table->verdict.reason = REASON_KERNEL_REFUSED;
}
