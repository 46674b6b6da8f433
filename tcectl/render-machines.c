/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `tcectl machines`: the VMs, what their tables take, and for one that is named, or with -v for all, the tables. */

#include <inttypes.h>

#include "group-view.h"
#include "render-tables.h"
#include "view.h"

/* As many digits of a UUID are shown, and are enough to name a machine. */
#define UUID_SHOWN 8U

/* Compares the first n digits of two UUIDs, dashes and case apart; are they the same, and b at least so long? */
static bool uuid_starts_with(const char *a, const char *b) {
        size_t digits = 0;

        for (;; a++, b++) {
                a += strspn(a, "-");
                b += strspn(b, "-");
                if (!*b)
                        return digits >= UUID_SHOWN;
                if (!*a || (*a | 0x20) != (*b | 0x20))
                        return false;
                digits++;
        }
}

/* Names come first: one may well look like the beginning of another's UUID. */
json_object *machine_find(json_object *json, const char *name) {
        json_object *machines = view_get(json, "machines"), *found = NULL;

        for (size_t i = 0; i < view_length(machines); i++)
                if (streq(view_show(view_item(machines, i), "name"), name))
                        return view_item(machines, i);
        for (size_t i = 0; i < view_length(machines); i++) {
                const char *uuid = view_string(view_item(machines, i), "uuid");
                if (!uuid || !uuid_starts_with(uuid, name))
                        continue;
                if (found)
                        return NULL;
                found = view_item(machines, i);
        }
        return found;
}

const char *machine_guess(json_object *json, const char *name, char buf[NEAREST_TEXT_MAX]) {
        json_object *machines = view_get(json, "machines");
        Nearest n = nearest_to(name, SIZE_MAX);
        Problem ignored;

        for (size_t i = 0; i < view_length(machines); i++)
                nearest_try(&n, view_string(view_item(machines, i), "name"));
        (void) nearest_text(&n, "", buf);
        if (!*buf && group_find(json, name, &ignored))
                (void) snprintf(buf, NEAREST_TEXT_MAX, " That names an IOMMU group: tcectl group %.40s.", name);
        return buf;
}

void table_sums_add(TableSums *sums, json_object *machine) {
        json_object *tables = view_get(machine, "tables");

        sums->kernel_bytes += view_count(machine, "kernel_bytes");
        sums->user_bytes += view_count(machine, "user_bytes");
        for (size_t i = 0; i < view_length(tables); i++) {
                json_object *table = view_item(tables, i);
                uint64_t bytes = table_is_missed(table) ? view_count(table, "bytes") : 0;

                sums->kernel_tables += table_is_kernel(table);
                sums->user_tables += table_is_slow(table);
                /* Those are by the plan. */
                bytes = bytes < sums->kernel_bytes ? bytes : sums->kernel_bytes;
                sums->kernel_bytes -= bytes;
                sums->user_bytes += bytes;
        }
}

static void machine_row(Table *t, json_object *machine, bool with_source) {
        const char *state = view_string(machine, "state");
        uint64_t pid = machine_pid(machine);
        TableSums sums = {};

        table_sums_add(&sums, machine);
        table_cell(t, COLOUR_BOLD, view_string(machine, "name"));
        table_cellf(t, COLOUR_NONE, "%.*s", (int) UUID_SHOWN, view_show(machine, "uuid"));
        table_cell(t, COLOUR_NONE, state);
        if (pid > 0)
                table_cellf(t, COLOUR_NONE, "%" PRIu64, pid);
        else
                table_cell(t, COLOUR_NONE, NULL);
        table_cellf(t, COLOUR_NONE, "%" PRIu64 " (%s)", sums.kernel_tables, FORMAT_BYTES(sums.kernel_bytes));
        table_cellf(t, COLOUR_NONE, "%" PRIu64 " (%s)", sums.user_tables, FORMAT_BYTES(sums.user_bytes));
        if (with_source)
                table_cell(t, COLOUR_NONE, view_string(machine, "source"));
}

static int table_row(Table *t, json_object *table) {
        _cleanup_free_ char *reason = NULL;
        int r;

        cell_liobn(t, table);
        table_cell(t, COLOUR_NONE, view_string(table, "device"));
        cell_window(t, table);
        cell_pages(t, table);
        table_cell(t, COLOUR_NONE, SHOWN(show_number(table, "entries")));
        cell_placement(t, table);
        table_cell(t, COLOUR_NONE, view_string(table, "state"));
        r = table_reason(table, false, &reason);
        table_cell(t, COLOUR_NONE, reason);
        return r;
}

/* By LIOBN: VIO devices, then PHBs, each PHB's windows together. */
static int render_tables(json_object *machine, const Output *out) {
        static const Column columns[] = {
                { .header = "LIOBN" },
                { .header = "DEVICE", .min = 6, .name = true },
                { .header = "WINDOW" },
                { .header = "PAGES", .right = true },
                { .header = "ENTRIES", .right = true },
                { .header = "PLACEMENT" },
                { .header = "STATE" },
                { .header = "REASON", .wrap = true },
        };
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns), 2);
        _cleanup_free_ json_object **tables = view_sorted(machine, "tables", "liobn");

        if (!tables)
                return -ENOMEM;
        for (json_object **table = tables; *table; table++)
                if (table_row(t, *table) < 0)
                        return -ENOMEM;
        return *tables ? table_print(t, out) : 0;
}

/* Rows of the machines in the list, which ends with NULL, below one header. */
static int render_rows(json_object **machines, const Output *out) {
        static const Column columns[] = {
                { .header = "NAME", .min = 8, .name = true },
                { .header = "UUID" },
                { .header = "STATE" },
                { .header = "PID", .right = true },
                { .header = "KERNEL TABLES" },
                { .header = "USER TABLES" },
                { .header = "SOURCE" }, /* the last: it is left out where no machine has one */
        };
        _cleanup_(table_freep) Table *t = NULL;
        bool with_source = false;

        for (json_object **m = machines; *m; m++)
                with_source |= view_string(*m, "source") != NULL;
        t = table_new(columns, ELEMENTSOF(columns) - !with_source, 0);
        for (json_object **m = machines; *m; m++)
                machine_row(t, *m, with_source);
        return table_print(t, out);
}

/* One machine with all that is known of it. */
static int render_machine(json_object *machine, const Output *out) {
        json_object *one[] = { machine, NULL };
        int r;

        r = render_rows(one, out);
        if (r < 0)
                return r;
        render_multitce(view_get(machine, "multitce"), out);
        r = render_tables(machine, out);
        if (r >= 0)
                render_findings(view_get(machine, "findings"), out);
        return r;
}

int render_machines(json_object *json, const char *name, const Output *out) {
        _cleanup_free_ json_object **machines = NULL;
        json_object *named = name ? machine_find(json, name) : NULL;
        int r = 0;

        if (name)
                return named ? render_machine(named, out) : -ESRCH;
        machines = view_sorted(json, "machines", "name");
        if (!machines)
                return -ENOMEM;
        if (!*machines) {
                if (out->legend)
                        (void) fputs("No machines.\n", out->f);
                return 0;
        }
        if (!out->verbose)
                return render_rows(machines, out);
        for (json_object **m = machines; *m && r >= 0; m++) {
                if (m != machines)
                        (void) fputc('\n', out->f);
                r = render_machine(*m, out);
        }
        return r;
}
