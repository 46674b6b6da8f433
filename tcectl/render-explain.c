/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `tcectl explain`: one VM in sentences. What is slow comes first, as that is what is asked about. */

#include <inttypes.h>

#include "render-tables.h"
#include "view.h"

/* Where it is, and what a TCE costs there. */
static int put_cost(json_object *table, const Output *out) {
        const char *placement = view_show(table, "placement");
        char group[48] = "an IOMMU group";
        uint64_t n;

        if (table_is_missed(table))
                return render_field(out, "  Place", COLOUR_RED, "planned in the kernel, and not found there (%s): each hypercall that sets a "
                                    "TCE exits to the VMM, several times slower than in KVM", view_show(table, "found"));
        if (table_is_slow(table))
                return render_field(out, "  Place", COLOUR_YELLOW, "in the VMM: each hypercall that sets a TCE exits to it, several times "
                                    "slower than in KVM");
        if (view_u64(table, "group", &n))
                (void) snprintf(group, sizeof(group), "IOMMU group %" PRIu64, n);
        if (streq(placement, "kernel-vfio"))
                return render_field(out, "  Place", COLOUR_GREEN, "in the kernel, linked to %s: KVM sets each TCE and maps it for the "
                                    "group's devices, without an exit", group);
        if (table_is_kernel(table))
                return render_field(out, "  Place", COLOUR_GREEN, "in the kernel: KVM sets each TCE, without an exit");
        if (!view_string(table, "placement"))
                return render_field(out, "  Place", COLOUR_RED, "none: it can't be made");
        return render_field(out, "  Place", COLOUR_YELLOW, "%s, of which this tcectl knows nothing", placement);
}

/* The decision: for which reason, what the kernel said to it, by which rule. */
static int put_why(json_object *table, const Output *out) {
        const char *text = view_string(table, "text"), *rule = view_string(table, "rule"), *accel = view_string(table, "accel");
        uint64_t error = view_count(table, "error");
        int r;

        r = table_is_missed(table) ? render_field(out, "  Why", COLOUR_NONE, "%s", view_show(table, "found_why")) :
            render_field(out, "  Why", COLOUR_NONE, "%s (%s)%s%s", isempty(text) ? "not told" : text, view_show(table, "reason"),
                         error > 0 ? "; the kernel said: " : "", error > 0 && error < 4096 ? strerror((int) error) : "");
        if (r < 0)
                return r;
        if (!isempty(rule))
                return render_field(out, "  Rule", COLOUR_NONE, "%s: Accel=%s", rule, isempty(accel) ? "-" : accel);
        return isempty(accel) ? 0 : render_field(out, "  Rule", COLOUR_NONE, "none matches; the default is Accel=%s", accel);
}

static int put_window(json_object *table, const Output *out) {
        char window[WINDOW_TEXT_MAX], pages[WINDOW_TEXT_MAX];
        const char *shown = pages_text(table, pages, sizeof(pages));

        return render_field(out, "  Window", COLOUR_NONE, "%s, pages of %s: %s TCEs in %s%s; %s",
                            window_text(table, window, sizeof(window)), shown ? shown : "-", SHOWN(show_number(table, "entries")),
                            SHOWN(show_bytes(table, "bytes")), view_true(table, "huge_pages") ? " of huge pages" : "",
                            view_show(table, "state"));
}

/* "71000001  vnet0 (vio)" */
static void put_title(json_object *table, const Output *out) {
        char liobn[24] = "-", title[160];
        uint64_t n;

        if (view_u64(table, "liobn", &n))
                (void) snprintf(liobn, sizeof(liobn), "%08" PRIx64, n);
        (void) snprintf(title, sizeof(title), "%s  %.80s (%.20s)", liobn, view_show(table, "device"), view_show(table, "kind"));
        (void) fputc('\n', out->f);
        output_colour(out, table_is_slow(table) ? COLOUR_YELLOW : COLOUR_BOLD);
        (void) text_put(out->f, utf8_mend(title), out->width);
        output_colour(out, COLOUR_NONE);
        (void) fputc('\n', out->f);
}

static int explain_table(json_object *table, const Output *out) {
        static int (*const parts[])(json_object *, const Output *) = { put_cost, put_why, put_window };
        int r = 0;

        put_title(table, out);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(parts); i++)
                r = parts[i](table, out);
        return r;
}

/* Who it is, and since it is asked by name: does it run, and who told of it? */
static void put_machine(json_object *machine, const Output *out) {
        const char *source = view_show(machine, "source"), *state = view_show(machine, "state");
        const char *known = streq(source, "libvirt") ? ", known by libvirt's hook" : streq(source, "bus") ? ", registered on the bus" : "";
        _cleanup_free_ char *text = NULL;
        char process[80] = "has no process yet";
        uint64_t pid = machine_pid(machine);

        if (pid > 0)
                (void) snprintf(process, sizeof(process), "runs as process %" PRIu64 "%s", pid,
                                view_count(machine, "pid") > 0 ? "" : ", which has not claimed it");
        if (asprintf(&text, "%s %s; %s%s.", view_show(machine, "name"), process, state, known) < 0)
                text = NULL;
        output_colour(out, COLOUR_BOLD);
        text_wrap(out->f, text ? text : "-", 0, 0, out->width);
        output_colour(out, COLOUR_NONE);
}

/* What is not its tables' but the VM's: its hypercalls. */
static int put_multitce(json_object *machine, const Output *out) {
        json_object *multitce = view_get(machine, "multitce");
        const char *text = multitce_why(multitce);

        if (!text)
                return 0;
        return render_field(out, "MultiTCE", COLOUR_NONE, view_true(multitce, "allowed") ?
                            "allowed in KVM: one hypercall sets up to 512 TCEs there. Why: %s (%s)" :
                            "not allowed in KVM: H_PUT_TCE_INDIRECT and H_STUFF_TCE, which set many TCEs at once, exit to the VMM. "
                            "Why: %s (%s)", text, view_show(multitce, "reason"));
}

static int put_dynamic(json_object *machine, const Output *out) {
        _cleanup_free_ json_object **windows = view_sorted(machine, "dynamic", "liobn");

        if (!windows)
                return -ENOMEM;
        if (!*windows)
                return 0;
        (void) fputc('\n', out->f);
        render_heading(out, "64-BIT WINDOWS THAT THE GUEST MAY ASK FOR");
        return render_plan_tables(windows, true, out);
}

/* Of a VM that is not libvirt's both figures are 0: nobody said how much memory it has. */
static int put_memory(json_object *machine, const Output *out) {
        TableSums sums = {};
        int r;

        (void) fputc('\n', out->f);
        if (!view_get(machine, "locked_bytes"))
                return 0;
        table_sums_add(&sums, machine);
        r = render_field(out, "Memory", COLOUR_NONE, "tables of %s in the kernel and %s in the VMM; %s are charged to the VMM's locked "
                         "memory for them", FORMAT_BYTES(sums.kernel_bytes), FORMAT_BYTES(sums.user_bytes),
                         SHOWN(show_bytes(machine, "locked_bytes")));
        if (r < 0 || view_count(machine, "memlock_charged") == 0)
                return r;
        return render_locked(machine, out);
}

static int put_tables(json_object *machine, bool slow, const Output *out) {
        _cleanup_free_ json_object **tables = view_sorted(machine, "tables", "liobn");
        int r = tables ? 0 : -ENOMEM;

        for (json_object **table = tables; r >= 0 && *table; table++)
                if (table_is_slow(*table) == slow)
                        r = explain_table(*table, out);
        return r;
}

int render_explain(json_object *machine, const Output *out) {
        static int (*const parts[])(json_object *, const Output *) = { put_dynamic, put_memory, put_multitce };
        json_object *findings = view_get(machine, "findings");
        int r;

        put_machine(machine, out);
        r = render_summary(view_get(machine, "tables"), true, out);
        if (r >= 0)
                r = put_tables(machine, true, out);
        if (r >= 0)
                r = put_tables(machine, false, out);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(parts); i++)
                r = parts[i](machine, out);
        if (r >= 0 && view_length(findings) > 0) {
                (void) fputc('\n', out->f);
                render_heading(out, "FINDINGS");
                render_findings(findings, out);
        }
        return r;
}
