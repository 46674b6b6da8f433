/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `tcectl monitor`: an event as a line. */

#include <inttypes.h>
#include <time.h>

#include "monitor.h"
#include "render.h"
#include "render-tables.h"
#include "util.h"
#include "view.h"

/* Behind "12:34:56 ". */
#define TEXT_COLUMN 9U

/* A value as people read it; NULL: it is no word and no number. */
static const char *value_text(json_object *value, char *buf, size_t size) {
        switch (json_object_get_type(value)) {
        case json_type_string:
                return isempty(json_object_get_string(value)) ? "-" : json_object_get_string(value);
        case json_type_boolean:
                return json_object_get_boolean(value) ? "yes" : "no";
        case json_type_int:
        case json_type_double:
                (void) snprintf(buf, size, "%s", json_object_to_json_string(value));
                return buf;
        case json_type_null:
        case json_type_object:
        case json_type_array:
                break;
        }
        return NULL;
}

static bool has_item(json_object *array, json_object *item) {
        for (size_t i = 0; i < view_length(array); i++)
                if (json_object_equal(view_item(array, i), item))
                        return true;
        return false;
}

/* Findings are (id, severity, subject, text, remedy): those that came, and those that went. */
static void put_findings(FILE *f, json_object *before, json_object *now) {
        const char *between = "";

        for (int gone = 0; gone < 2; gone++) {
                json_object *from = gone ? before : now;

                for (size_t i = 0; i < view_length(from); i++) {
                        json_object *item = view_item(from, i);

                        if (has_item(gone ? now : before, item) || view_length(item) < 4)
                                continue;
                        (void) fprintf(f, "%sfinding %s%s%s", between, json_object_get_string(view_item(item, 0)), gone ? " has gone" : ": ",
                                       gone ? "" : json_object_get_string(view_item(item, 3)));
                        between = "; ";
                }
        }
}

/* "State registered → claimed"; of sentences what they say now, of lists that they changed. */
static void put_change(FILE *f, const char *property, json_object *change) {
        char old_buf[64], new_buf[64];
        const char *before = value_text(view_get(change, "old"), old_buf, sizeof(old_buf));
        const char *now = value_text(view_get(change, "new"), new_buf, sizeof(new_buf));

        if (streq(property, "Findings"))
                put_findings(f, view_get(change, "old"), view_get(change, "new"));
        else if (!now)
                (void) fprintf(f, "%s changed", property);
        else if (!before || strchr(now, ' ') || strchr(before, ' '))
                (void) fprintf(f, "%s: %s", property, now);
        else
                (void) fprintf(f, "%s %s → %s", property, before, now);
}

static void put_changes(FILE *f, json_object *changes) {
        const char *between = "";

        if (!json_object_is_type(changes, json_type_object))
                return;
        json_object_object_foreach(changes, property, change) {
                (void) fputs(between, f);
                put_change(f, property, change);
                between = ", ";
        }
}

/* "VM web1", "web1, table 71000001 (vnet0)", "IOMMU group 7 (0000:01:00.0)", "host". */
static void put_subject(FILE *f, json_object *event) {
        const char *kind = view_show(event, "kind");

        (void) fprintf(f, "%s%s", streq(kind, "machine") ? "VM " : streq(kind, "group") ? "IOMMU group " : "", view_show(event, "name"));
}

/* What a new object is, in a word or two. */
static void put_properties(FILE *f, json_object *properties) {
        static const char *const told[] = { "State", "Placement", "Reason", "Viability" };
        const char *between = ": ";

        for (size_t i = 0; i < ELEMENTSOF(told); i++)
                if (view_string(properties, told[i])) {
                        (void) fprintf(f, "%s%s", between, view_show(properties, told[i]));
                        between = ", ";
                }
}

static Colour put_event(FILE *f, json_object *event) {
        const char *what = view_show(event, "event");

        if (streq(what, "there")) {
                uint64_t machines = view_count(event, "counts.machines"), groups = view_count(event, "counts.groups");

                (void) fprintf(f, "tced %s is there, with %" PRIu64 " %s and %" PRIu64 " IOMMU %s", view_show(event, "name"), machines,
                               plural(machines, "VM", "VMs"), groups, plural(groups, "group", "groups"));
                return COLOUR_GREEN;
        }
        if (streq(what, "away")) {
                (void) fputs("tced has gone", f);
                return COLOUR_RED;
        }
        if (streq(what, "slow-path")) {
                (void) fprintf(f, "%s (PID %s) is on the slow path: %s", view_show(event, "name"), SHOWN(show_number(event, "slow.pid")),
                               view_show(event, "slow.text"));
                return COLOUR_YELLOW;
        }
        put_subject(f, event);
        if (streq(what, "removed"))
                (void) fputs(" has gone", f);
        else if (streq(what, "added")) {
                (void) fputs(" is new", f);
                put_properties(f, view_get(event, "properties"));
        } else {
                (void) fputs(": ", f);
                put_changes(f, view_get(event, "changes"));
        }
        return COLOUR_NONE;
}

int render_event(json_object *event, const Output *out) {
        _cleanup_free_ char *text = NULL;
        time_t seconds = (time_t) (view_count(event, "time_usec") / 1000000);
        char clock[16] = "";
        struct tm local;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        Colour colour;

        if (!f)
                return -ENOMEM;
        colour = put_event(f, event);
        if (fclose(f) != 0)
                return -ENOMEM;
        if (localtime_r(&seconds, &local))
                (void) strftime(clock, sizeof(clock), "%H:%M:%S", &local);
        output_colour(out, COLOUR_DIM);
        (void) fputs(clock, out->f);
        output_colour(out, COLOUR_NONE);
        if (colour != COLOUR_NONE)
                output_colour(out, colour);
        text_wrap(out->f, text, (unsigned) strlen(clock), TEXT_COLUMN, out->width);
        if (colour != COLOUR_NONE)
                output_colour(out, COLOUR_NONE);
        return 0;
}
