/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `tcectl groups`: one line for each device, and below a group's last why it can't be given to a VM now, what its devices are used for, and
 * who has it. */


#include "group-view.h"
#include "render.h"
#include "table-print.h"
#include "view.h"

/* Group and state are repeated for each device, so that grep finds whole lines. device NULL: the group has none. */
static int device_row(Table *t, json_object *group, json_object *device) {
        GroupState state = group_state(group);
        _cleanup_free_ char *title = NULL;
        int r = device_title(group, device, &title);

        if (r < 0)
                return r;
        table_cell(t, COLOUR_NONE, SHOWN(show_number(group, "number")));
        table_cell(t, COLOUR_BOLD, view_string(device, "address"));
        table_cell(t, COLOUR_NONE, title);
        table_cell(t, COLOUR_NONE, view_string(device, "driver"));
        table_cell(t, state.colour, state.word);
        return 0;
}

/* What tced says of what it did with the group, where that went wrong or is under way. */
static void binding_note(Table *t, json_object *group) {
        const char *why = view_string(group, "binding.why"), *state = view_show(group, "binding.state");

        if (isempty(why) || streq(state, "bound") || group_obstacle_says(group, why))
                return;
        table_note(t, group_state(group).colour, why);
}

/* Each use that the obstacle does not name already, with how to end it. */
static void use_notes(Table *t, json_object *group) {
        json_object *uses = view_get(group, "in_use");

        for (size_t i = 0; i < view_length(uses); i++) {
                json_object *use = view_item(uses, i);
                const char *text = view_string(use, "text"), *remedy = view_string(use, "remedy");

                if (isempty(text) || group_obstacle_says(group, text))
                        continue;
                table_notef(t, COLOUR_NONE, "In use: %s%s%s", text, isempty(remedy) ? "" : "; to end that: ", isempty(remedy) ? "" : remedy);
        }
}

static void holder_note(Table *t, const Holders *holders, json_object *group) {
        const char *holder = group_holder_name(holders, group);

        if (holder && !group_obstacle_says(group, holder))
                table_notef(t, COLOUR_NONE, "Planned for or open in machine %s.", holder);
}

/* An empty group is a row too: pSeries keeps the groups of PHBs whose devices are gone. */
static int group_rows(Table *t, const Holders *holders, json_object *group) {
        _cleanup_free_ json_object **devices = view_sorted(group, "devices", "address");
        int r = devices ? 0 : -ENOMEM;

        for (json_object **d = devices; r >= 0 && (*d || d == devices); d++) {
                r = device_row(t, group, *d);
                if (!*d)
                        break;
        }
        if (r < 0)
                return r;
        table_note(t, COLOUR_DIM, group_obstacle(group));
        binding_note(t, group);
        use_notes(t, group);
        holder_note(t, holders, group);
        return 0;
}

int render_groups(json_object *json, const Output *out) {
        static const Column columns[] = {
                { .header = "GROUP", .right = true },
                { .header = "DEVICE" },
                { .header = "NAME", .min = 12 },
                { .header = "DRIVER", .min = 8 },
                { .header = "STATE" },
        };
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns), 0);
        _cleanup_free_ json_object **groups = view_sorted(json, "groups", "number");
        _cleanup_(holders_clear) Holders holders = {};
        int r = groups ? holders_make(json, &holders) : -ENOMEM;

        for (json_object **g = groups; r >= 0 && *g; g++)
                r = group_rows(t, &holders, *g);
        if (r < 0)
                return r;
        if (!*groups) {
                if (out->legend)
                        (void) fputs("No IOMMU groups.\n", out->f);
                return 0;
        }
        return table_print(t, out);
}
