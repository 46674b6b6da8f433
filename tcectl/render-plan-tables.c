/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of tables of `tcectl plan`, and of the windows in `tcectl explain`: which rows are shown, and their reasons. */

#include <inttypes.h>

#include "render-tables.h"
#include "view.h"

/* Which of the 64-bit windows that the guest may ask for are shown: the one that Linux takes; all where it takes none of them, since
 * another guest may; and one that would live elsewhere. */
static bool is_shown(json_object *const *tables, json_object *table, bool all) {
        const char *placement = view_string(table, "placement");
        uint64_t liobn = view_count(table, "liobn");

        if (all || table_is_likely(table))
                return true;
        for (; *tables; tables++) {
                const char *other = view_string(*tables, "placement");

                if (view_count(*tables, "liobn") != liobn || !table_is_likely(*tables))
                        continue;
                return !placement != !other || (placement && !streq(placement, other));
        }
        return true;
}

/* "256 Ki": TCEs are counted as memory is, by powers of two. */
static void cell_entries(Table *t, json_object *table) {
        uint64_t entries;
        char text[32];
        size_t n;

        if (!view_u64(table, "entries", &entries)) {
                table_cell(t, COLOUR_NONE, NULL);
                return;
        }
        (void) format_bytes(text, sizeof(text), entries);
        for (n = strlen(text); n > 0 && (text[n - 1] == 'B' || text[n - 1] == ' '); n--)
                text[n - 1] = '\0';
        table_cell(t, COLOUR_NONE, text);
}

/* Reasons that were given, and by which row. */
typedef struct Reasons {
        struct GivenReason {
                char *text;
                uint64_t liobn;
        } *items;
        size_t n, allocated;
} Reasons;

static void reasons_clear(Reasons *r) {
        for (size_t i = 0; i < r->n; i++)
                free(r->items[i].text);
        free(r->items);
}

/* Each reason is told once, and then by the row that told it: a VM's PHBs are mostly alike. */
static int cell_reason(Table *t, json_object *table, Reasons *given, const Output *out) {
        _cleanup_free_ char *reason = NULL;
        int r = table_reason(table, out->verbose, &reason);

        for (size_t i = 0; r >= 0 && reason && i < given->n; i++)
                if (streq(given->items[i].text, reason)) {
                        table_cellf(t, COLOUR_NONE, "%s, as %08" PRIx64, view_show(table, "reason"), given->items[i].liobn);
                        return 0;
                }
        table_cell(t, COLOUR_NONE, reason);
        if (r < 0 || !reason)
                return r;
        if (ARRAY_RESERVE(given->items, given->allocated, given->n + 1) < 0)
                return -ENOMEM;
        given->items[given->n++] = (struct GivenReason){ .text = TAKE_PTR(reason), .liobn = view_count(table, "liobn") };
        return 0;
}

/* Machines' lists have no word for it: one holds those that are there, another those that may come. */
static bool is_dynamic(json_object *table) {
        const char *window = view_string(table, "window");

        return window ? streq(window, "dynamic") : view_get(table, "likely") != NULL;
}

/* reasons: the table has a column for them. */
static int table_row(Table *t, json_object *table, Reasons *given, bool reasons, const Output *out) {
        bool likely = table_is_likely(table);

        cell_liobn(t, table);
        table_cell(t, COLOUR_NONE, view_string(table, "device"));
        cell_window(t, table);
        cell_pages(t, table);
        cell_entries(t, table);
        table_cell(t, COLOUR_NONE, SHOWN(show_bytes(table, "bytes")));
        table_cell(t, likely ? COLOUR_NONE : COLOUR_DIM, !is_dynamic(table) ? "start" : likely ? "likely" : "maybe");
        if (view_string(table, "placement"))
                cell_placement(t, table);
        else
                table_cell(t, COLOUR_RED, "none");
        return reasons ? cell_reason(t, table, given, out) : 0;
}

/* What the words in the column WHEN are explained by, and whether there is anything to say of reasons. */
typedef struct Shown {
        json_object **list; /* ends with NULL */
        bool likely, maybe, hidden, reasons;
} Shown;

static void shown_clear(Shown *s) {
        free(s->list);
}

/* Which rows are shown; the list is to be freed. */
static int pick_rows(json_object *const *tables, bool all, const Output *out, Shown *s) {
        size_t n = 0;

        while (tables[n])
                n++;
        s->list = calloc(n + 1, sizeof(*s->list));
        if (!s->list)
                return -ENOMEM;
        n = 0;
        for (json_object *const *table = tables; *table; table++) {
                _cleanup_free_ char *reason = NULL;

                if (!is_shown(tables, *table, all)) {
                        s->hidden = true;
                        continue;
                }
                if (table_reason(*table, out->verbose, &reason) < 0)
                        return -ENOMEM;
                s->reasons |= reason != NULL;
                s->likely |= is_dynamic(*table) && table_is_likely(*table);
                s->maybe |= !table_is_likely(*table);
                s->list[n++] = *table;
        }
        return 0;
}

static void put_legend(const Shown *s, const Output *out) {
        if (!out->legend || (!s->likely && !s->maybe))
                return;
        output_colour(out, COLOUR_DIM);
        text_wrap(out->f, !s->maybe  ? s->hidden ? "likely: made when the guest asks, as Linux does; -v shows other page sizes."
                                                 : "likely: made when the guest asks, as Linux does."
                          : s->likely ? "likely: made when the guest asks, as Linux does; maybe: as others may."
                                      : "maybe: made when the guest asks, which Linux does not.",
                  0, 0, out->width);
        output_colour(out, COLOUR_NONE);
}

int render_plan_tables(json_object **list, bool all, const Output *out) {
        static const Column columns[] = {
                { .header = "LIOBN" },
                { .header = "DEVICE", .min = 6, .name = true },
                { .header = "WINDOW" },
                { .header = "PAGES", .right = true },
                { .header = "TCES", .right = true },
                { .header = "BYTES", .right = true },
                { .header = "WHEN" },
                { .header = "PLACEMENT" },
                { .header = "REASON", .wrap = true }, /* the last: it is left out where there is none */
        };
        _cleanup_(shown_clear) Shown shown = {};
        _cleanup_(table_freep) Table *t = NULL;
        _cleanup_(reasons_clear) Reasons given = {};
        int r;

        r = pick_rows(list, all, out, &shown);
        if (r < 0)
                return r;
        t = table_new(columns, ELEMENTSOF(columns) - !shown.reasons, 0);
        for (json_object **table = shown.list; r >= 0 && *table; table++)
                r = table_row(t, *table, &given, shown.reasons, out);
        if (r >= 0)
                r = table_print(t, out);
        if (r >= 0)
                put_legend(&shown, out);
        return r;
}
