/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What render-tables.h declares. */

#include "render-tables.h"

#include <inttypes.h>
#include <stdarg.h>

#include "view.h"

/* So many devices are named in one line. */
#define NAMES_MAX 6U

int render_field(const Output *out, const char *label, Colour colour, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0) {
                text = NULL;
                return -ENOMEM;
        }
        output_colour(out, COLOUR_BOLD);
        (void) fputs(label, out->f);
        output_colour(out, COLOUR_NONE);
        if (colour != COLOUR_NONE)
                output_colour(out, colour);
        text_wrap(out->f, text, (unsigned) strlen(label), FIELD_COLUMN, out->width);
        if (colour != COLOUR_NONE)
                output_colour(out, COLOUR_NONE);
        return 0;
}

void render_heading(const Output *out, const char *text) {
        if (!out->legend)
                return;
        output_colour(out, COLOUR_BOLD);
        text_wrap(out->f, text, 0, 0, out->width);
        output_colour(out, COLOUR_NONE);
}

const char *plural(uint64_t n, const char *one, const char *many) {
        return n == 1 ? one : many;
}

static bool is_planned_in_kernel(json_object *table) {
        return strncmp(view_show(table, "placement"), "kernel", 6) == 0;
}

bool table_is_kernel(json_object *table) {
        return is_planned_in_kernel(table) && !table_is_slow(table);
}

/* Of a plan nothing was found yet. */
bool table_is_slow(json_object *table) {
        return view_true(table, "slow") || streq(view_show(table, "placement"), "user");
}

bool table_is_missed(json_object *table) {
        return is_planned_in_kernel(table) && table_is_slow(table);
}

const char *table_place(json_object *table) {
        return table_is_missed(table) ? view_show(table, "found") : view_string(table, "placement");
}

uint64_t machine_pid(json_object *machine) {
        uint64_t pid = view_count(machine, "pid");

        return pid > 0 ? pid : view_count(machine, "audit.pid");
}

/* Machines' tables do not say: they are there. */
bool table_is_likely(json_object *table) {
        return !view_get(table, "likely") || view_true(table, "likely");
}

void cell_liobn(Table *t, json_object *table) {
        uint64_t liobn;

        if (view_u64(table, "liobn", &liobn))
                table_cellf(t, COLOUR_BOLD, "%08" PRIx64, liobn);
        else
                table_cell(t, COLOUR_BOLD, NULL);
}

/* A 64-bit window starts at 2^59, which nobody reads from its 15 hexadecimal digits. */
const char *window_text(json_object *table, char *buf, size_t size) {
        ShownNumber bytes = show_bytes(table, "size");
        uint64_t offset;

        if (!view_u64(table, "bus_offset", &offset))
                (void) snprintf(buf, size, "%s", SHOWN(bytes));
        else if (offset > 0 && (offset & (offset - 1)) == 0)
                (void) snprintf(buf, size, "%s at 2^%d", SHOWN(bytes), __builtin_ctzll(offset));
        else
                (void) snprintf(buf, size, "%s at %#" PRIx64, SHOWN(bytes), offset);
        return buf;
}

const char *pages_text(json_object *table, char *buf, size_t size) {
        uint64_t shift;

        if (!view_u64(table, "page_shift", &shift) || shift >= 64)
                return NULL;
        return format_bytes(buf, size, UINT64_C(1) << shift);
}

void cell_window(Table *t, json_object *table) {
        table_cell(t, COLOUR_NONE, window_text(table, (char[WINDOW_TEXT_MAX]){}, WINDOW_TEXT_MAX));
}

void cell_pages(Table *t, json_object *table) {
        table_cell(t, COLOUR_NONE, pages_text(table, (char[WINDOW_TEXT_MAX]){}, WINDOW_TEXT_MAX));
}

void cell_placement(Table *t, json_object *table) {
        table_cell(t, table_is_kernel(table) ? COLOUR_GREEN : COLOUR_YELLOW, table_place(table));
}

int table_reason(json_object *table, bool all, char **ret) {
        const char *text = view_string(table, "text"), *rule = view_string(table, "rule");
        uint64_t error = view_count(table, "error");

        *ret = NULL;
        if (table_is_missed(table)) {
                *ret = strdup(view_show(table, "found_why"));
                return *ret ? 0 : -ENOMEM;
        }
        if (table_is_kernel(table) && error == 0 && isempty(rule) && !all)
                return 0;
        if (asprintf(ret, "%s%s%s%s%s%s%s", view_show(table, "reason"), isempty(text) ? "" : ": ", isempty(text) ? "" : text,
                     error > 0 ? "; the kernel said: " : "", error > 0 && error < 4096 ? strerror((int) error) : "",
                     isempty(rule) ? "" : "; by ", isempty(rule) ? "" : rule) < 0) {
                *ret = NULL;
                return -ENOMEM;
        }
        return 0;
}

static bool is_named(const char *const *names, size_t n, const char *name) {
        for (size_t i = 0; i < n; i++)
                if (streq(names[i], name))
                        return true;
        return false;
}

/* "net0, pci.1 and 3 more": `more` of them have no name here. NULL when memory ran out. */
static char *join_names(const char *const *names, size_t n, size_t more) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return NULL;
        for (size_t i = 0; i < n; i++)
                (void) fprintf(f, "%s%s", i == 0 ? "" : i + 1 == n && more == 0 ? " and " : ", ", names[i]);
        if (more > 0)
                (void) fprintf(f, " and %zu more", more);
        if (fclose(f) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

/* The devices whose likely tables are slow, each once (a device's tables follow each other); to be freed. Returns 0 or -ENOMEM; *ret_n: how
 * many such tables. */
static int slow_devices(json_object *tables, uint64_t *ret_n, char **ret) {
        const char *names[NAMES_MAX], *last = NULL;
        size_t n_names = 0, more = 0;
        uint64_t n = 0;

        for (size_t i = 0; i < view_length(tables); i++) {
                json_object *table = view_item(tables, i);
                const char *device = view_show(table, "device");

                if (!table_is_slow(table) || !table_is_likely(table))
                        continue;
                n++;
                if (is_named(names, n_names, device))
                        continue;
                if (n_names < NAMES_MAX)
                        names[n_names++] = device;
                else
                        more += !last || !streq(last, device);
                last = device;
        }
        *ret = join_names(names, n_names, more);
        *ret_n = n;
        return *ret ? 0 : -ENOMEM;
}

/* Colours the line by what it says. */
static int put_summary(const Output *out, Colour colour, const char *format, ...) _printf_(3, 4);
static int put_summary(const Output *out, Colour colour, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0) {
                text = NULL;
                return -ENOMEM;
        }
        output_colour(out, colour);
        text_wrap(out->f, text, 0, 0, out->width);
        output_colour(out, COLOUR_NONE);
        return 0;
}

int render_summary(json_object *tables, bool starts, const Output *out) {
        uint64_t n = 0, slow = 0, failed = 0;
        _cleanup_free_ char *devices = NULL;
        int r = slow_devices(tables, &slow, &devices);

        for (size_t i = 0; i < view_length(tables); i++) {
                json_object *table = view_item(tables, i);

                n += table_is_likely(table);
                failed += table_is_likely(table) && !view_string(table, "placement");
        }
        if (r >= 0 && failed > 0)
                r = put_summary(out, COLOUR_RED, "%" PRIu64 " of %" PRIu64 " %s can't be made.", failed, n, plural(n, "table", "tables"));
        if (r >= 0 && slow > 0)
                r = put_summary(out, COLOUR_YELLOW, "Slow: %" PRIu64 " of %" PRIu64 " %s in the VMM. Each TCE of %s is an exit.", slow, n,
                                plural(n, "table", "tables"), devices);
        if (r < 0 || failed + slow > 0 || n == 0)
                return r;
        if (n == 1)
                return put_summary(out, COLOUR_GREEN, "Its one table %s in the kernel.", starts ? "is" : "would be");
        return put_summary(out, COLOUR_GREEN, "All %" PRIu64 " tables %s in the kernel.", n, starts ? "are" : "would be");
}

const char *multitce_why(json_object *multitce) {
        static const char *const words[] = { "allowed: ", "refused: ", "refused, " };
        const char *text = view_string(multitce, "text");

        for (size_t i = 0; text && i < ELEMENTSOF(words); i++)
                if (strncmp(text, words[i], strlen(words[i])) == 0)
                        return text + strlen(words[i]);
        return text;
}

void render_multitce(json_object *multitce, const Output *out) {
        unsigned at;

        if (!view_string(multitce, "text"))
                return;
        at = (unsigned) fprintf(out->f, "  multi-TCE in KVM: %s:", view_true(multitce, "allowed") ? "yes" : "no");
        text_wrap(out->f, multitce_why(multitce), at, 4, out->width);
}
