/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `tcectl audit` and `tcectl top`, from docs/audit.md's JSON. */

#include <inttypes.h>

#include "render.h"
#include "table-print.h"
#include "view.h"

/* A PID, maybe; a machine may be called so as well, and its name comes first. */
static bool all_digits(const char *text) {
        return *text && text[strspn(text, "0123456789")] == '\0';
}

/* The same digits, dashes apart, and at least eight of them. */
static bool uuid_begins(const char *uuid, const char *with) {
        size_t n = 0;

        for (; *with; with++) {
                if (*with == '-')
                        continue;
                if (!uuid[n] || (uuid[n] | 0x20) != (*with | 0x20))
                        return false;
                n++;
        }
        return n >= 8;
}

json_object *audit_find(json_object *audit, const char *name) {
        json_object *vms = view_get(audit, "vms");

        for (size_t i = 0; i < view_length(vms); i++) {
                json_object *vm = view_item(vms, i);
                const char *uuid = view_string(vm, "uuid");

                if (streq(view_show(vm, "machine"), name) || (all_digits(name) && streq(SHOWN(show_number(vm, "pid")), name)) ||
                    (uuid && uuid_begins(uuid, name)))
                        return vm;
        }
        return NULL;
}

const char *audit_guess(json_object *audit, const char *name, char buf[NEAREST_TEXT_MAX]) {
        json_object *vms = view_get(audit, "vms");
        Nearest n = nearest_to(name, SIZE_MAX);

        for (size_t i = 0; i < view_length(vms); i++)
                nearest_try(&n, view_string(view_item(vms, i), "machine"));
        return nearest_text(&n, "", buf);
}

/* Unknown is yellow: it wants a look, and may be no fault. */
static Colour colour_of_verdict(const char *verdict) {
        return streq(verdict, "as-planned") ? COLOUR_GREEN : streq(verdict, "slow-path") ? COLOUR_RED : COLOUR_YELLOW;
}

/* What a person knows it by. */
static const char *name_of(json_object *vm) {
        const char *machine = view_string(vm, "machine");

        return machine ? machine : view_show(vm, "name");
}

/* "80000000", or "-" where it can't be told. */
static ShownNumber show_liobn(json_object *table) {
        ShownNumber shown = { "-" };
        uint64_t liobn;

        if (view_u64(table, "liobn", &liobn))
                (void) snprintf(shown.text, sizeof(shown.text), "%08" PRIx64, liobn);
        return shown;
}

/* "80000000 pci.0: missing: WHY. REMEDY", below the row of its VM. */
static void note_of(Table *t, json_object *table) {
        const char *remedy = view_string(table, "remedy"), *device = view_string(table, "device");
        char *text = NULL;

        if (asprintf(&text, "%s%s%s: %s: %s%s%s", SHOWN(show_liobn(table)), device ? " " : "", device ? device : "",
                     view_show(table, "found_text"), view_show(table, "why"), isempty(remedy) ? "" : ". ", isempty(remedy) ? "" : remedy) < 0)
                return;
        table_note(t, view_true(table, "slow") ? COLOUR_RED : COLOUR_YELLOW, text);
        free(text);
}

/* One row a VM, and below it whatever is not as it should be. */
static int render_vms(json_object *vms, json_object *only, const Output *out) {
        static const Column columns[] = {
                { .header = "NAME", .min = 8, .name = true },
                { .header = "PID", .right = true },
                { .header = "VERDICT" },
                { .header = "KERNEL TABLES" },
                { .header = "OTHERS", .right = true },
                { .header = "RESIDENT", .right = true },
                { .header = "SEEN" },
        };
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns), 0);

        for (size_t i = 0; i < view_length(vms); i++) {
                json_object *vm = view_item(vms, i), *tables = view_get(vm, "tables");
                const char *verdict = view_show(vm, "verdict"), *why = view_string(vm, "why");

                if (only && vm != only)
                        continue;
                table_cell(t, COLOUR_BOLD, name_of(vm));
                table_cell(t, COLOUR_NONE, SHOWN(show_number(vm, "pid")));
                table_cell(t, colour_of_verdict(verdict), verdict);
                table_cellf(t, COLOUR_NONE, "%s (%s)", SHOWN(show_number(vm, "kernel_tables")), SHOWN(show_bytes(vm, "kernel_bytes")));
                table_cell(t, COLOUR_NONE, SHOWN(show_number(vm, "other_tables")));
                table_cell(t, COLOUR_NONE, SHOWN(show_bytes(vm, "resident_bytes")));
                table_cellf(t, COLOUR_DIM, "%" PRIu64 " s ago", view_count(vm, "age_usec") / 1000000);
                if (!isempty(why))
                        table_note(t, COLOUR_YELLOW, why);
                for (size_t j = 0; !only && j < view_length(tables); j++)
                        if (view_true(view_item(tables, j), "slow") || view_true(view_item(tables, j), "differs"))
                                note_of(t, view_item(tables, j));
        }
        return table_print(t, out);
}

static void table_row(Table *t, json_object *table) {
        const char *device = view_string(table, "device"), *what = view_string(table, "size_text"), *why = view_string(table, "why");
        bool slow = view_true(table, "slow"), differs = view_true(table, "differs"), range;
        const char *remedy = view_string(table, "remedy");

        table_cell(t, COLOUR_BOLD, SHOWN(show_liobn(table)));
        table_cell(t, COLOUR_NONE, device);
        range = view_count(table, "entries_min") < view_count(table, "entries");
        table_cellf(t, COLOUR_NONE, "%s%s", range ? "≤ " : "", SHOWN(show_number(table, "entries")));
        table_cell(t, COLOUR_NONE, view_string(table, "expected"));
        table_cell(t, slow ? COLOUR_RED : differs ? COLOUR_YELLOW : COLOUR_GREEN, view_string(table, "found_text"));
        table_cell(t, COLOUR_NONE, SHOWN(show_bytes(table, "resident_bytes")));
        table_cell(t, COLOUR_DIM, isempty(what) ? NULL : what);
        if (!isempty(why)) {
                char *text = NULL;

                if (asprintf(&text, "%s (%s)%s%s", why, view_show(table, "why_source"), isempty(remedy) ? "" : ". ",
                             isempty(remedy) ? "" : remedy) < 0)
                        return;
                table_note(t, slow ? COLOUR_RED : COLOUR_DIM, text);
                free(text);
        }
}

/* All of one VM's, with what there is to say of each below it. */
static int render_tables(json_object *vm, const Output *out) {
        static const Column columns[] = {
                { .header = "LIOBN" },
                { .header = "DEVICE", .min = 6, .name = true },
                { .header = "ENTRIES", .right = true },
                { .header = "EXPECTED" },
                { .header = "FOUND" },
                { .header = "RESIDENT", .right = true },
                { .header = "SIZE", .wrap = true },
        };
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns), 2);
        json_object *tables = view_get(vm, "tables");

        if (view_length(tables) == 0)
                return 0;
        for (size_t i = 0; i < view_length(tables); i++)
                table_row(t, view_item(tables, i));
        return table_print(t, out);
}

int render_audit(json_object *audit, const char *name, const Output *out) {
        json_object *vms = view_get(audit, "vms"), *only = name ? audit_find(audit, name) : NULL;
        uint64_t unreadable = view_count(audit, "unreadable");
        int r = 0;

        if (name && !only)
                return -ESRCH;
        if (view_length(vms) == 0 && out->legend)
                (void) fputs("No process has a KVM VM open.\n", out->f);
        if (!only && !out->verbose && view_length(vms) > 0)
                r = render_vms(vms, NULL, out);
        for (size_t i = 0; r >= 0 && (only || out->verbose) && i < view_length(vms); i++) {
                json_object *vm = view_item(vms, i);

                if (only && vm != only)
                        continue;
                if (!only && i > 0)
                        (void) fputc('\n', out->f);
                r = render_vms(vms, vm, out);
                if (r >= 0)
                        r = render_tables(vm, out);
        }
        if (r >= 0 && unreadable > 0 && out->legend)
                (void) fprintf(out->f, "%" PRIu64 " process%s may not be looked into by tced.\n", unreadable, unreadable == 1 ? "" : "es");
        return r;
}

int render_top(json_object *audit, const TopRate *rates, size_t n_rates, const Output *out) {
        static const Column columns[] = {
                { .header = "NAME", .min = 8, .name = true },
                { .header = "PID", .right = true },
                { .header = "KERNEL", .right = true },
                { .header = "OUT", .right = true },
                { .header = "RESIDENT", .right = true },
                { .header = "EXITS/S", .right = true },
                { .header = "VERDICT" },
        };
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns), 0);
        json_object *vms = view_get(audit, "vms");

        for (size_t i = 0; i < view_length(vms); i++) {
                json_object *vm = view_item(vms, i);
                const char *verdict = view_show(vm, "verdict");
                uint64_t pid = view_count(vm, "pid");
                const TopRate *rate = NULL;

                for (size_t j = 0; j < n_rates && !rate; j++)
                        rate = rates[j].pid == pid && rates[j].known ? &rates[j] : NULL;
                table_cell(t, COLOUR_BOLD, name_of(vm));
                table_cell(t, COLOUR_NONE, SHOWN(show_number(vm, "pid")));
                table_cell(t, COLOUR_NONE, SHOWN(show_number(vm, "kernel_tables")));
                table_cell(t, COLOUR_NONE, SHOWN(show_number(vm, "other_tables")));
                table_cell(t, COLOUR_NONE, SHOWN(show_bytes(vm, "resident_bytes")));
                if (rate)
                        table_cellf(t, COLOUR_NONE, "%" PRIu64, rate->per_second);
                else
                        table_cell(t, COLOUR_NONE, NULL);
                table_cell(t, colour_of_verdict(verdict), verdict);
        }
        if (view_length(vms) == 0) {
                (void) fputs("No process has a KVM VM open.\n", out->f);
                return 0;
        }
        return table_print(t, out);
}
