/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `tcectl groups`: one line for each device, and below a group's last why it can't be given to a VM as it stands. */

#include "render.h"
#include "table-print.h"
#include "view.h"

/* Group and state are repeated for each device, so that grep finds whole lines. device NULL: the group has none. */
static void device_row(Table *t, json_object *group, json_object *device) {
        const char *class_name = view_string(device, "class_name"), *name = view_string(device, "device_name");
        const char *state = view_string(group, "viability");
        bool viable = view_true(group, "viable");

        table_cell(t, COLOUR_NONE, SHOWN(show_number(group, "number")));
        table_cell(t, COLOUR_BOLD, view_string(device, "address"));
        if (class_name && name)
                table_cellf(t, COLOUR_NONE, "%s: %s", class_name, name);
        else
                table_cell(t, COLOUR_NONE, name ? name : class_name);
        table_cell(t, COLOUR_NONE, view_string(device, "driver"));
        table_cell(t, viable ? COLOUR_GREEN : COLOUR_YELLOW, state ? state : viable ? "viable" : NULL);
}

/* Who has it: the name of the machine with that UUID, or the UUID. */
static const char *holder_name(json_object *json, const char *holder) {
        json_object *machine = machine_find(json, holder);
        const char *name = view_string(machine, "name");

        return name ? name : holder;
}

/* An empty group is a row too: pSeries keeps the groups of PHBs whose devices are gone. */
static int group_rows(Table *t, json_object *json, json_object *group) {
        _cleanup_free_ json_object **devices = view_sorted(group, "devices", "address");
        const char *holder = view_string(group, "holder");

        if (!devices)
                return -ENOMEM;
        for (json_object **d = devices; *d || d == devices; d++) {
                device_row(t, group, *d);
                if (!*d)
                        break;
        }
        if (!view_true(group, "viable"))
                table_note(t, COLOUR_DIM, view_string(group, "why"));
        if (!isempty(holder)) {
                _cleanup_free_ char *note = NULL;

                if (asprintf(&note, "Planned for or open in machine %s.", holder_name(json, holder)) < 0) {
                        note = NULL;
                        return -ENOMEM;
                }
                table_note(t, COLOUR_NONE, note);
        }
        return 0;
}

int render_groups(json_object *json, const Output *out) {
        static const Column columns[] = {
                { .header = "GROUP", .right = true },
                { .header = "DEVICE" },
                { .header = "CLASS: NAME", .min = 12 },
                { .header = "DRIVER", .min = 8 },
                { .header = "STATE" },
        };
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns), 0);
        _cleanup_free_ json_object **groups = view_sorted(json, "groups", "number");
        int r = groups ? 0 : -ENOMEM;

        for (json_object **g = groups; r >= 0 && *g; g++)
                r = group_rows(t, json, *g);
        if (r < 0)
                return r;
        if (!*groups) {
                if (out->legend)
                        (void) fputs("No IOMMU groups.\n", out->f);
                return 0;
        }
        return table_print(t, out);
}
