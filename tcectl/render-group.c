/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `tcectl group`: all that tced knows of one IOMMU group, on one screen. */

#include <inttypes.h>

#include "group-view.h"
#include "render-tables.h"
#include "view.h"

static int show_title(json_object *group, const Output *out) {
        const char *name = view_string(group, "name");

        output_colour(out, COLOUR_BOLD);
        (void) fprintf(out->f, "IOMMU group %s", SHOWN(show_number(group, "number")));
        output_colour(out, COLOUR_NONE);
        text_wrap(out->f, isempty(name) ? "" : name, 12 + (unsigned) strlen(SHOWN(show_number(group, "number"))), 0, out->width);
        return 0;
}

/* Where it is. A key stays over boots, the number need not. */
static int show_place(json_object *group, const Output *out) {
        uint64_t node;
        bool told = view_u64(group, "numa_node", &node);
        int r = render_field(out, "Key", COLOUR_NONE, "%s", view_show(group, "key"));

        if (r >= 0)
                r = render_field(out, "PHB", COLOUR_NONE, "%s", view_show(group, "phb"));
        if (r < 0)
                return r;
        return told ? render_field(out, "NUMA", COLOUR_NONE, "node %" PRIu64, node) : render_field(out, "NUMA", COLOUR_NONE, "-");
}

static int show_state(json_object *group, const Output *out) {
        GroupState state = group_state(group);
        const char *obstacle = group_obstacle(group), *why = view_string(group, "why");
        bool ready = view_get(group, "assignable") ? view_true(group, "assignable") : view_true(group, "viable");
        int r = render_field(out, "State", state.colour, "%s; %s be given to %s VM", state.word ? state.word : "-", ready ? "can" : "can't",
                             !ready && !isempty(view_string(group, "holder")) ? "another" : "a");

        if (r >= 0 && obstacle)
                r = render_field(out, "Obstacle", COLOUR_YELLOW, "%s", obstacle);
        /* The obstacle may be another than what the kernel's rule says. */
        if (r >= 0 && !view_true(group, "viable") && !isempty(why) && !(obstacle && streq(obstacle, why)))
                r = render_field(out, "VFIO", COLOUR_NONE, "%s", why);
        return r;
}

/* What tced has done with it. */
static int show_binding(json_object *group, const Output *out) {
        const char *state = view_string(group, "binding.state"), *why = view_string(group, "binding.why");
        bool told = !isempty(why) && !group_obstacle_says(group, why);

        if (!state)
                return render_field(out, "Binding", COLOUR_NONE, "not by tced%s", group_is_persistent(group) ? ", but at the next boot" : "");
        return render_field(out, "Binding", COLOUR_NONE, "by tced: %s%s%s%s", state, told ? ": " : "", told ? why : "",
                            group_is_persistent(group) ? "; again at each boot" : "; not again at boot");
}

/* All uses, with how to end each; the obstacle names the first alone. */
static int show_uses(json_object *group, const Output *out) {
        json_object *uses = view_get(group, "in_use");
        int r = 0;

        for (size_t i = 0; r >= 0 && i < view_length(uses); i++) {
                json_object *use = view_item(uses, i);
                const char *remedy = view_string(use, "remedy");

                r = render_field(out, i == 0 ? "In use" : "", COLOUR_NONE, "%s: %s%s%s", view_show(use, "device"), view_show(use, "text"),
                                 isempty(remedy) ? "" : "; to end that: ", isempty(remedy) ? "" : remedy);
        }
        return r;
}

/* Who has it, and how much of it that is. */
static int show_holder(json_object *json, json_object *group, const Output *out) {
        _cleanup_(holders_clear) Holders holders = {};
        json_object *machine, *tables;
        uint64_t number, other, pid;
        const char *name;
        size_t n = 0;

        if (holders_make(json, &holders) < 0)
                return -ENOMEM;
        name = group_holder_name(&holders, group);
        machine = group_holder(&holders, group);
        tables = view_get(machine, "tables");
        pid = view_count(machine, "pid");
        if (!name)
                return render_field(out, "VM", COLOUR_NONE, "none");
        if (!machine)
                return render_field(out, "VM", COLOUR_YELLOW, "%s, which tced does not know", name);
        for (size_t i = 0; view_u64(group, "number", &number) && i < view_length(tables); i++)
                n += view_u64(view_item(tables, i), "group", &other) && other == number;
        if (pid == 0)
                return render_field(out, "VM", COLOUR_NONE, "%s, %s; %zu %s for it", name, view_show(machine, "state"), n,
                                    plural(n, "table", "tables"));
        return render_field(out, "VM", COLOUR_NONE, "%s, %s, PID %" PRIu64 "; %zu %s for it", name, view_show(machine, "state"), pid, n,
                            plural(n, "table", "tables"));
}

/* "64 KiB, 2 MiB"; "" where there are none. NULL when memory ran out. */
static char *sizes_text(json_object *sizes) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return NULL;
        for (size_t i = 0; i < view_length(sizes); i++) {
                json_object *item = view_item(sizes, i);

                if (json_object_is_type(item, json_type_int))
                        (void) fprintf(f, "%s%s", i > 0 ? ", " : "", FORMAT_BYTES(json_object_get_uint64(item)));
        }
        if (fclose(f) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

/* "32-bit: 2 GiB at 0". */
static const char *dma32_text(json_object *window, char *buf, size_t size) {
        uint64_t start = view_count(window, "start");

        if (!window)
                (void) snprintf(buf, size, "32-bit: not told");
        else
                (void) snprintf(buf, size, "32-bit: %s at %s%" PRIx64, SHOWN(show_bytes(window, "size")), start > 0 ? "0x" : "", start);
        return buf;
}

/* What the device tree tells, and what was proven by a window that was made. */
static int show_windows(json_object *group, const Output *out) {
        json_object *ddw = view_get(group, "ddw"), *proven = view_get(group, "windows_proven");
        _cleanup_free_ char *sizes = sizes_text(view_get(group, "page_sizes")), *proven_sizes = sizes_text(view_get(proven, "page_sizes"));
        const char *why = view_string(group, "windows_why"), *answer = view_show(proven, "proven");
        bool ready = view_true(group, "viable") && isempty(view_string(group, "holder"));
        char dma32[64];
        int r;

        if (!sizes || !proven_sizes)
                return -ENOMEM;
        if (!ddw && !view_get(group, "dma32_window"))
                r = render_field(out, "Windows", COLOUR_NONE, "%s", isempty(why) ? "-" : why);
        else
                r = render_field(out, "Windows", COLOUR_NONE, "%s; 64-bit: %s%s%s%s%s%s",
                                 dma32_text(view_get(group, "dma32_window"), dma32, sizeof(dma32)),
                                 !ddw ? "not told" : view_true(group, "ddw") ? "yes" : "no", *sizes ? ", pages of " : "", sizes,
                                 isempty(why) ? "" : " (", isempty(why) ? "" : why, isempty(why) ? "" : ")");
        if (r < 0)
                return r;
        if (!proven || streq(answer, "unknown"))
                return render_field(out, "Proven", COLOUR_YELLOW, "not yet%s%s", ready ? ". See: tcectl probe " : "",
                                    ready ? SHOWN(show_number(group, "number")) : "");
        if (!streq(answer, "yes"))
                return render_field(out, "Proven", colour_of_proof(answer), "%s: %s", answer, view_show(proven, "why"));
        return render_field(out, "Proven", COLOUR_GREEN, "%s: %s; %s; %s windows, %s levels%s%s", answer, view_show(proven, "why"),
                            dma32_text(view_get(proven, "dma32"), dma32, sizeof(dma32)), SHOWN(show_number(proven, "max_windows")),
                            SHOWN(show_number(proven, "levels")), *proven_sizes ? ", pages of " : "", proven_sizes);
}

/* What lspci -n shows of it. */
static int show_ids(json_object *device, const Output *out) {
        const char *vendor = view_string(device, "vendor_name"), *name = view_string(device, "device_name");
        int r = 0;

        if (vendor || name)
                r = render_field(out, "", COLOUR_NONE, "%s%s%s", vendor ? vendor : "", vendor && name ? " " : "", name ? name : "");
        if (r < 0 || (view_get(device, "is_pci") && !view_true(device, "is_pci")))
                return r;
        return render_field(out, "", COLOUR_NONE, "ID %04" PRIx64 ":%04" PRIx64 ", class %06" PRIx64 " (%s)", view_count(device, "vendor"),
                            view_count(device, "device"), view_count(device, "class"), view_show(device, "class_name"));
}

/* What it hangs on: driver, network, SR-IOV, bridge, NUMA node; only what is told. */
static int show_links(json_object *device, const Output *out) {
        const char *mac = view_string(device, "mac"), *bridge = view_string(device, "bridge"), *driver = view_string(device, "driver");
        char vfs[96] = "", node[48] = "";
        uint64_t numa, max = view_count(device, "vfs_max");

        if (max > 0)
                (void) snprintf(vfs, sizeof(vfs), "; %" PRIu64 " of %" PRIu64 " VFs made", view_count(device, "vfs"), max);
        if (view_u64(device, "numa_node", &numa))
                (void) snprintf(node, sizeof(node), "; NUMA node %" PRIu64, numa);
        return render_field(out, "", COLOUR_NONE, "%s%s%s%s%s%s%s%s", isempty(driver) ? "no driver" : "driver ", isempty(driver) ? "" : driver,
                            isempty(mac) ? "" : "; MAC ", isempty(mac) ? "" : mac, vfs, isempty(bridge) ? "" : "; behind bridge ",
                            isempty(bridge) ? "" : bridge, node);
}

static int show_device(json_object *group, json_object *device, const Output *out) {
        _cleanup_free_ char *role = NULL;
        int r = device_role(group, device, false, &role);

        if (r < 0)
                return r;
        (void) fputc('\n', out->f);
        r = render_field(out, "Device", COLOUR_BOLD, "%s %s", view_show(device, "address"), role);
        if (r >= 0)
                r = show_ids(device, out);
        return r < 0 ? r : show_links(device, out);
}

int render_group(json_object *json, json_object *group, const Output *out) {
        _cleanup_free_ json_object **devices = view_sorted(group, "devices", "address");
        int (*const parts[])(json_object *group, const Output *out) = {
                show_title, show_place, show_state, show_binding, show_uses, show_windows,
        };
        int r = devices ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(parts); i++)
                r = parts[i](group, out);
        if (r >= 0)
                r = show_holder(json, group, out);
        for (json_object **d = devices; r >= 0 && *d; d++)
                r = show_device(group, *d, out);
        return r;
}
