/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `tcectl plan`: what a VM would get. The order is that of the questions: does it start, what is slow and why, what sits where, what does
 * it cost, what is to be done. */

#include <inttypes.h>

#include "render-check.h"
#include "render-tables.h"
#include "view.h"

static int render_tables(json_object *plan, const Output *out) {
        _cleanup_free_ json_object **tables = view_sorted(plan, "tables", "liobn");

        if (!tables)
                return -ENOMEM;
        if (!*tables) {
                text_wrap(out->f, view_true(plan, "domain.pseries") ? "It has no TCE tables." :
                          "It is no pseries machine: it has no TCE tables.", 0, 0, out->width);
                return 0;
        }
        (void) fputc('\n', out->f);
        return render_plan_tables(tables, out->verbose, out);
}

/* "net0", "hostdev0 (0001:00:00.0, group 3)"; with -v the slot too. */
static void put_device(FILE *f, json_object *device, const Output *out) {
        const char *host = view_string(device, "host");
        uint64_t group, slot;

        (void) fputs(view_show(device, "alias"), f);
        if (out->verbose && view_u64(device, "slot", &slot))
                (void) fprintf(f, " at %02" PRIx64 ".%" PRIx64, slot, view_count(device, "function"));
        if (!host)
                return;
        if (view_u64(device, "group", &group))
                (void) fprintf(f, " (%s, group %" PRIu64 ")", host, group);
        else
                (void) fprintf(f, " (%s)", host);
}

/* The page sizes that a PHB offers for its 64-bit windows, and its NUMA node; to be freed. */
static char *phb_note(json_object *phb) {
        json_object *sizes = view_get(phb, "page_sizes");
        char *text = NULL;
        uint64_t node;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return NULL;
        (void) fputs(view_length(sizes) > 0 ? "64-bit windows with pages of " : "No 64-bit windows", f);
        for (size_t i = 0; i < view_length(sizes); i++)
                (void) fprintf(f, "%s%s", i > 0 ? ", " : "", FORMAT_BYTES(json_object_get_uint64(view_item(sizes, i))));
        if (view_u64(phb, "numa_node", &node))
                (void) fprintf(f, "; NUMA node %" PRIu64, node);
        if (fclose(f) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

static int phb_row(Table *t, json_object *phb, const Output *out) {
        json_object *devices = view_get(phb, "devices");
        bool mixed = view_true(phb, "vfio") && view_true(phb, "emulated");
        _cleanup_free_ char *text = NULL, *note = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return -ENOMEM;
        for (size_t i = 0; i < view_length(devices); i++) {
                (void) fputs(i > 0 ? ", " : "", f);
                put_device(f, view_item(devices, i), out);
        }
        if (fclose(f) != 0)
                return -ENOMEM;
        table_cell(t, COLOUR_NONE, SHOWN(show_number(phb, "index")));
        table_cell(t, COLOUR_BOLD, view_string(phb, "alias"));
        table_cell(t, COLOUR_NONE, mixed ? "mixed" : view_true(phb, "vfio") ? "VFIO" : view_true(phb, "emulated") ? "emulated" : "none");
        table_cell(t, mixed ? COLOUR_YELLOW : COLOUR_NONE, text);
        if (out->verbose) {
                note = phb_note(phb);
                if (!note)
                        return -ENOMEM;
                table_note(t, COLOUR_DIM, note);
        }
        return 0;
}

static int render_phbs(json_object *plan, const Output *out) {
        static const Column columns[] = {
                { .header = "PHB", .right = true },
                { .header = "BUS", .min = 6 },
                { .header = "DMA" },
                { .header = "DEVICES", .wrap = true },
        };
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns), 0);
        json_object *phbs = view_get(plan, "phbs");
        int r = 0;

        for (size_t i = 0; r >= 0 && i < view_length(phbs); i++)
                r = phb_row(t, view_item(phbs, i), out);
        if (r < 0 || view_length(phbs) == 0)
                return r;
        (void) fputc('\n', out->f);
        return table_print(t, out);
}

/* "net0 (1000), serial0 (30000000, no DMA)": VIO devices without a table have no row of their own. */
static int render_vio(json_object *plan, const Output *out) {
        json_object *vio = view_get(plan, "vio");
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f;

        if (!out->verbose || view_length(vio) == 0)
                return 0;
        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        for (size_t i = 0; i < view_length(vio); i++) {
                json_object *device = view_item(vio, i);

                (void) fprintf(f, "%s%s (%08" PRIx64 "%s)", i > 0 ? ", " : "", view_show(device, "alias"), view_count(device, "reg"),
                               view_true(device, "dma") ? "" : ", no DMA");
        }
        if (fclose(f) != 0)
                return -ENOMEM;
        return render_field(out, "VIO", COLOUR_NONE, "%s", text);
}

/* In one unit, so that the two can be compared. */
static int render_limited(uint64_t charged, uint64_t limit, const Output *out) {
        static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
        bool more = charged > limit;
        size_t unit = 0;

        while (charged % 1024 == 0 && limit % 1024 == 0 && unit + 1 < ELEMENTSOF(units)) {
                charged /= 1024;
                limit /= 1024;
                unit++;
        }
        return render_field(out, "Locked", more ? COLOUR_RED : COLOUR_NONE,
                            more ? "%" PRIu64 " %s will be charged, more than the %" PRIu64 " %s that libvirt allows" :
                                   "%" PRIu64 " %s will be charged, of %" PRIu64 " %s that libvirt allows",
                            charged, units[unit], limit, units[unit]);
}

int render_locked(json_object *json, const Output *out) {
        json_object *limit = NULL;
        uint64_t bytes = 0, raised = 0;

        if (view_u64(json, "memlock_raised", &raised) && raised > 0)
                return render_field(out, "Locked", COLOUR_NONE, "%s will be charged; tced has raised the limit to %s",
                                    SHOWN(show_bytes(json, "memlock_charged")), SHOWN(show_bytes(json, "memlock_raised")));
        if (view_u64(json, "memlock_limit", &bytes) && bytes > 0)
                return render_limited(view_count(json, "memlock_charged"), bytes, out);
        return render_field(out, "Locked", COLOUR_NONE, "%s will be charged; libvirt %s", SHOWN(show_bytes(json, "memlock_charged")),
                            json_object_object_get_ex(json, "memlock_limit", &limit) && !limit ? "allows all of it" : "sets no limit");
}

/* A sum of large tables and a small one is told in KiB, as memory is charged by pages all the same. "-" where it is not told. */
static const char *sum_text(json_object *plan, const char *path, char *buf, size_t size) {
        uint64_t bytes;

        if (!view_u64(plan, path, &bytes))
                return "-";
        if (bytes > 1024 * 1024 && bytes <= UINT64_MAX - 1023)
                bytes = (bytes + 1023) / 1024 * 1024;
        return format_bytes(buf, size, bytes);
}

static int render_bytes(json_object *plan, const Output *out) {
        char kernel[32], user[32];

        return render_field(out, "Tables", COLOUR_NONE, "%s in the kernel, %s in the VMM", sum_text(plan, "sums.kernel_bytes", kernel, sizeof(kernel)),
                            sum_text(plan, "sums.user_bytes", user, sizeof(user)));
}

/* The same words as `machines` has. */
static int render_hcalls(json_object *plan, const Output *out) {
        json_object *multitce = view_get(plan, "multitce");

        if (!view_string(multitce, "text") || view_length(view_get(plan, "tables")) == 0)
                return 0;
        return render_field(out, "MultiTCE", COLOUR_NONE, "in KVM: %s: %s", view_true(multitce, "allowed") ? "yes" : "no",
                            multitce_why(multitce));
}

int render_plan(json_object *plan, const Output *out) {
        static int (*const parts[])(json_object *, const Output *) = { render_tables, render_phbs };
        static int (*const fields[])(json_object *, const Output *) = { render_vio, render_bytes, render_locked, render_hcalls };
        const char *verdict = view_string(plan, "verdict");
        int r;

        render_verdict(plan, out);
        r = render_summary(view_get(plan, "tables"), !verdict || !streq(verdict, "error"), out);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(parts); i++)
                r = parts[i](plan, out);
        (void) fputc('\n', out->f);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(fields); i++)
                r = fields[i](plan, out);
        if (r < 0)
                return r;
        if (view_length(view_get(plan, "findings")) > 0) {
                (void) fputc('\n', out->f);
                render_heading(out, "FINDINGS");
                render_findings(view_get(plan, "findings"), out);
        }
        return 0;
}
