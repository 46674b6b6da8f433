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
        [REASON_TCG] = "make the domain one of type='kvm'",
};

void description_clear(Description *d) {
        for (size_t i = 0; i < d->n_windows; i++)
                free((char *) d->windows[i].device);
        free(d->windows);
        free(d->name);
        *d = (Description) {};
}

static void tables_free(PlanTable *tables, size_t n) {
        for (size_t i = 0; i < n; i++) {
                free((char *) tables[i].window.device);
                free(tables[i].rule);
        }
        free(tables);
}

void plan_clear(Plan *plan) {
        tables_free(plan->tables, plan->n_tables);
        tables_free(plan->dynamic, plan->n_dynamic);
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

/* For bsearch(). */
static int compare_liobns(const void *a, const void *b) {
        const PlanTable *x = a, *y = b;

        return (x->window.liobn > y->window.liobn) - (x->window.liobn < y->window.liobn);
}

/* For qsort(): of a domain several may have one LIOBN, and they too stand in the same order each time. */
static int compare_windows(const void *a, const void *b) {
        const PlanTable *x = a, *y = b;
        int order = compare_liobns(a, b);

        if (order == 0)
                order = (x->window.page_shift > y->window.page_shift) - (x->window.page_shift < y->window.page_shift);
        if (order == 0)
                order = strcmp(x->window.device ? x->window.device : "", y->window.device ? y->window.device : "");
        return order;
}

static size_t count_dynamic(const Description *d) {
        size_t n = 0;

        for (size_t i = 0; i < d->n_windows; i++)
                n += d->windows[i].dynamic;
        return n;
}

/* Copies those that are there from the start, or those that the guest may ask for, in their order; nothing is decided yet. */
static int copy_windows(const Description *d, bool dynamic, size_t n, PlanTable **ret, size_t *ret_n) {
        if (n == 0)
                return 0;
        *ret = calloc(n, sizeof(**ret));
        if (!*ret)
                return -ENOMEM;
        for (size_t i = 0; i < d->n_windows; i++) {
                Window *copy;

                if (d->windows[i].dynamic != dynamic)
                        continue;
                /* Counted before its name is copied, so that a failure clears what is there. */
                copy = &(*ret)[(*ret_n)++].window;
                *copy = d->windows[i];
                if (!copy->device)
                        continue;
                copy->device = strdup(copy->device);
                if (!copy->device)
                        return -ENOMEM;
        }
        qsort(*ret, *ret_n, sizeof(**ret), compare_windows);
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

/* What plan_make() and plan_survey() are given, and whether a table that can't be is a failure. */
typedef struct Planner {
        const Description *description;
        PolicyFacts facts;
        const Rules *rules;
        const PolicySetting *by_default;
        uint64_t page_size;
        bool survey;
} Planner;

/* The rule's path is copied, as rules are read anew while VMs run. */
static int decide_table(const Planner *planner, PlanTable *table, PlanError *error) {
        const Description *d = planner->description;
        const Window *window = &table->window;
        const Rule *rule;

        table->setting = policy_setting_for(planner->rules, planner->by_default, d->name, d->uuid, window, &rule);
        table->verdict = policy_decide(&planner->facts, window, table->setting.accel);
        /* What the guest never asks for does no harm; what it asks for in vain is its loss, not the VM's end. */
        if (table->verdict.refused && !planner->survey && !window->dynamic)
                return fail_refused(table, rule, error);
        if (rule) {
                table->rule = strdup(rule->path);
                if (!table->rule)
                        return -ENOMEM;
        }
        /* Of a refused one too, so that a person sees how many it would have. */
        if (window->page_shift >= TCE_PAGE_SHIFT_MIN && window->page_shift <= TCE_PAGE_SHIFT_MAX)
                table->entries = window->size >> window->page_shift;
        table->bytes = tce_table_bytes(table->entries);
        if (!table->verdict.refused && table->verdict.placement != PLACEMENT_USER)
                table->locked_bytes = tce_kernel_charge(table->entries, planner->page_size);
        return 0;
}

/* A table has less than 2^35 bytes: it takes half a thousand million of them to overflow a sum, and a limit that lets as many
 * through. A refused one will not be there, and of a PHB's dynamic ones only the likely one. */
static int add_up(const PlanTable *tables, size_t n, uint64_t *user, uint64_t *kernel, uint64_t *locked, PlanError *error) {
        for (size_t i = 0; i < n; i++) {
                const PlanTable *table = &tables[i];
                uint64_t *bytes = table->verdict.placement == PLACEMENT_USER ? user : kernel;

                if (table->verdict.refused || (table->window.dynamic && !table->window.likely))
                        continue;
                if (__builtin_add_overflow(*bytes, table->bytes, bytes) ||
                    __builtin_add_overflow(*locked, table->locked_bytes, locked))
                        return fail(error, TCED_ERROR_LIMIT_EXCEEDED,
                                    "the VM's tables have more bytes than can be counted; give it fewer or smaller windows");
        }
        return 0;
}

static int sum_up(Plan *plan, PlanError *error) {
        int r = add_up(plan->tables, plan->n_tables, &plan->user_bytes, &plan->kernel_bytes, &plan->locked_bytes, error);

        if (r < 0)
                return r;
        return add_up(plan->dynamic, plan->n_dynamic, &plan->dynamic_user_bytes, &plan->dynamic_kernel_bytes,
                      &plan->dynamic_locked_bytes, error);
}

static int make(const Planner *planner, Plan *ret, PlanError *error) {
        const Description *d = planner->description;
        _cleanup_(plan_clear) Plan plan = {};
        size_t n_dynamic = count_dynamic(d);
        int r;

        assert(planner->page_size > 0);

        r = copy_windows(d, false, d->n_windows - n_dynamic, &plan.tables, &plan.n_tables);
        if (r >= 0)
                r = copy_windows(d, true, n_dynamic, &plan.dynamic, &plan.n_dynamic);
        if (r >= 0 && !planner->survey)
                r = check_liobns(&plan, error);
        for (size_t i = 0; r >= 0 && i < plan.n_tables; i++)
                r = decide_table(planner, &plan.tables[i], error);
        for (size_t i = 0; r >= 0 && i < plan.n_dynamic; i++)
                r = decide_table(planner, &plan.dynamic[i], error);
        if (r >= 0)
                r = sum_up(&plan, error);
        if (r < 0)
                return r;
        plan.multitce = policy_multitce(&planner->facts,
                                        policy_multitce_for(planner->rules, planner->by_default, d->name, d->uuid));
        *ret = TAKE_GENERIC(plan, Plan, (Plan) {});
        return 0;
}

static Planner planner_for(const Description *description, const PolicyFacts *facts, const Rules *rules,
                           const PolicySetting *by_default, uint64_t page_size) {
        Planner planner = {
                .description = description,
                .facts = *facts,
                .rules = rules,
                .by_default = by_default,
                .page_size = page_size,
        };

        planner.facts.tcg |= description->no_kvm;
        return planner;
}

int plan_make(const Description *description, const PolicyFacts *facts, const Rules *rules,
              const PolicySetting *by_default, uint64_t page_size, uint64_t tables_max, Plan *ret, PlanError *error) {
        Planner planner = planner_for(description, facts, rules, by_default, page_size);
        size_t n_tables = description->n_windows - count_dynamic(description);

        if (n_tables > tables_max)
                return fail(error, TCED_ERROR_LIMIT_EXCEEDED,
                            "the VM has %zu windows, %" PRIu64 " is the most; give it fewer devices or raise TablesPerMachineMax= in "
                            "tced.conf", n_tables, tables_max);
        return make(&planner, ret, error);
}

int plan_survey(const Description *description, const PolicyFacts *facts, const Rules *rules,
                const PolicySetting *by_default, uint64_t page_size, Plan *ret, PlanError *error) {
        Planner planner = planner_for(description, facts, rules, by_default, page_size);

        planner.survey = true;
        return make(&planner, ret, error);
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

/* Takes a copy of the table in, in its place. */
static int add_dynamic(Plan *plan, const PlanTable *table) {
        _cleanup_free_ char *device = strdup(table->window.device ? table->window.device : "");
        PlanTable *dynamic = device ? reallocarray(plan->dynamic, plan->n_dynamic + 1, sizeof(*dynamic)) : NULL;
        size_t at = 0;

        if (!dynamic)
                return -ENOMEM;
        plan->dynamic = dynamic;
        while (at < plan->n_dynamic && compare_windows(&dynamic[at], table) <= 0)
                at++;
        memmove(&dynamic[at + 1], &dynamic[at], (plan->n_dynamic++ - at) * sizeof(*dynamic));
        dynamic[at] = *table;
        dynamic[at].window.device = TAKE_PTR(device);
        dynamic[at].window.dynamic = true;
        dynamic[at].window.likely = false;
        dynamic[at].rule = NULL;
        return 1;
}

int plan_note_opened(Plan *plan, const PlanTable *table, size_t max) {
        for (size_t i = 0; i < plan->n_dynamic; i++) {
                PlanTable *d = &plan->dynamic[i];

                if (d->window.liobn != table->window.liobn || d->window.page_shift != table->window.page_shift ||
                    d->window.bus_offset != table->window.bus_offset)
                        continue;
                if (d->entries == table->entries && d->verdict.placement == table->verdict.placement &&
                    d->verdict.reason == table->verdict.reason)
                        return 0;
                d->window.size = table->window.size;
                d->entries = table->entries;
                d->bytes = table->bytes;
                d->locked_bytes = table->locked_bytes;
                d->verdict = table->verdict;
                return 1;
        }
        return plan->n_dynamic < max ? add_dynamic(plan, table) : 0;
}
