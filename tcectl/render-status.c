/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `tcectl status`: one screen that says whether this host's guests can have in-kernel TCE tables, and if not, what to do. */

#include <inttypes.h>

#include "render-tables.h"
#include "view.h"

/* So many VMs are named in one line. */
#define NAMES_MAX 8U

/* VFIO_CHECK_EXTENSION's numbers (include/uapi/linux/vfio.h). */
#define EXTENSION_SPAPR 2U
#define EXTENSION_EEH 5U
#define EXTENSION_SPAPR_V2 7U

static int show_host(json_object *json, const Output *out) {
        return render_field(out, "Host", COLOUR_NONE, "%s, kernel %s, pages of %s", view_show(json, "host.machine"),
                            view_show(json, "host.kernel_release"), SHOWN(show_bytes(json, "host.page_size")));
}

/* Usable is what was proven; why /dev/kvm can't be opened says more than that no VM could be made. */
static int show_kvm(json_object *json, const Output *out) {
        const char *error = view_string(json, "host.kvm.error"), *proven = view_show(json, "host.kvm.usable.proven");
        const char *why = view_show(json, "host.kvm.usable.why");
        json_object *types = view_get(json, "host.kvm.vm_types");
        const char *type = NULL;

        if (!isempty(error))
                return render_field(out, "KVM", COLOUR_RED, "not usable: can't open /dev/kvm: %s", error);
        if (!streq(proven, "yes"))
                return render_field(out, "KVM", colour_of_proof(proven), "%s: %s",
                                    streq(proven, "no") ? "not usable" : "not known whether usable", why);
        for (size_t i = 0; i < view_length(types) && !type; i++)
                if (streq(view_show(view_item(types, i), "proven"), "yes"))
                        type = view_string(view_item(types, i), "name");
        return render_field(out, "KVM", COLOUR_GREEN, "usable%s%s, proven: %s", type ? " as " : "", type ? type : "", why);
}

/* By its number: names are for people. "-" where this tced did not tell. */
static const char *extension(json_object *json, unsigned id) {
        json_object *extensions = view_get(json, "host.vfio.extensions");

        for (size_t i = 0; i < view_length(extensions); i++) {
                json_object *e = view_item(extensions, i);
                uint64_t number, value;

                if (view_u64(e, "id", &number) && number == id && view_u64(e, "value", &value))
                        return value > 0 ? "yes" : "no";
        }
        return "-";
}

/* Declared, not proven: on broken kernels the extensions are there, and VFIO does not work. */
static int show_vfio(json_object *json, const Output *out) {
        const char *error = view_string(json, "host.vfio.error");

        if (!isempty(error))
                return render_field(out, "VFIO", COLOUR_NONE, "not usable: can't open /dev/vfio/vfio: %s", error);
        return render_field(out, "VFIO", COLOUR_NONE, "declares sPAPR v1: %s, v2: %s, EEH: %s", extension(json, EXTENSION_SPAPR),
                            extension(json, EXTENSION_SPAPR_V2), extension(json, EXTENSION_EEH));
}

static uint64_t count_viable(json_object *groups) {
        uint64_t n = 0;

        for (size_t i = 0; i < view_length(groups); i++)
                n += view_true(view_item(groups, i), "viable");
        return n;
}

/* A group that a VM has is viable, and not to be had. A tced that does not tell of that leaves the kernel's rule. */
static uint64_t count_assignable(json_object *groups) {
        uint64_t n = 0;

        for (size_t i = 0; i < view_length(groups); i++) {
                json_object *group = view_item(groups, i);

                n += view_true(group, view_get(group, "assignable") ? "assignable" : "viable");
        }
        return n;
}

static int show_groups(json_object *json, const Output *out) {
        json_object *groups = view_get(json, "groups");
        json_object *supported = view_get(json, "host.vfio.groups_supported");

        if (supported && !view_true(json, "host.vfio.groups_supported"))
                return render_field(out, "Groups", COLOUR_NONE, "none: the kernel has no IOMMU groups");
        if (view_length(groups) == 0)
                return render_field(out, "Groups", COLOUR_NONE, "none");
        return render_field(out, "Groups", COLOUR_NONE, "%zu, %" PRIu64 " of them viable, %" PRIu64 " ready to be given to a VM",
                            view_length(groups), count_viable(groups), count_assignable(groups));
}

/* Over all VMs that the caller may see. */
static TableSums sum_tables(json_object *json) {
        json_object *machines = view_get(json, "machines");
        TableSums sums = {};

        for (size_t i = 0; i < view_length(machines); i++)
                table_sums_add(&sums, view_item(machines, i));
        return sums;
}

static int show_machines(json_object *json, const Output *out) {
        TableSums sums = sum_tables(json);
        size_t n = view_length(view_get(json, "machines"));

        if (n == 0)
                return render_field(out, "Machines", COLOUR_NONE, "none");
        return render_field(out, "Machines", COLOUR_NONE,
                            "%zu, with %" PRIu64 " kernel %s (%s) and %" PRIu64 " user %s (%s)", n, sums.kernel_tables,
                            plural(sums.kernel_tables, "table", "tables"), FORMAT_BYTES(sums.kernel_bytes), sums.user_tables,
                            plural(sums.user_tables, "table", "tables"), FORMAT_BYTES(sums.user_bytes));
}

/* "the hook is loaded"; whether libvirtd was loaded anew since the hook came can't always be told. Colours what wants a look. */
static const char *hook_text(json_object *libvirt, Colour *colour) {
        json_object *hook = view_get(libvirt, "hook");

        if (!hook)
                return "";
        if (!view_true(hook, "installed"))
                return "; no hook installed";
        if (view_true(hook, "loaded"))
                return "; its hook is loaded";
        *colour = COLOUR_YELLOW;
        return view_get(hook, "loaded") ? "; its hook is installed and not loaded" : "; its hook is installed, not known whether loaded";
}

/* Nothing where tced does not tell: one of a version that did not know libvirt. */
static int show_libvirt(json_object *json, const Output *out) {
        json_object *libvirt = view_get(json, "libvirt");
        const char *state = view_show(libvirt, "state"), *why = view_string(libvirt, "why");
        const char *hook_why = view_string(libvirt, "hook.why");
        Colour colour = streq(state, "away") ? COLOUR_YELLOW : COLOUR_NONE, hook_colour = COLOUR_NONE;
        const char *hook = hook_text(libvirt, &hook_colour);
        uint64_t domains;
        char counted[64] = "";

        if (!json_object_is_type(libvirt, json_type_object))
                return 0;
        if (streq(state, "connected") && view_u64(libvirt, "domains", &domains))
                (void) snprintf(counted, sizeof(counted), ", %" PRIu64 " %s", domains, plural(domains, "domain", "domains"));
        if (streq(state, "connected") || isempty(why))
                why = NULL;
        if (hook_colour == COLOUR_NONE || isempty(hook_why) || (why && streq(why, hook_why)))
                hook_why = NULL;
        return render_field(out, "libvirt", hook_colour != COLOUR_NONE ? hook_colour : colour, "%s%s%s%s%s%s%s%s", state, counted,
                            why ? " (" : "", why ? why : "", why ? ")" : "", hook, hook_why ? ": " : "", hook_why ? hook_why : "");
}

static int show_tced(json_object *json, const Output *out) {
        bool running = streq(view_show(json, "host.probe"), "running");

        return render_field(out, "tced", running ? COLOUR_YELLOW : COLOUR_NONE, "%s, PID %s%s", view_show(json, "tced.version"),
                            SHOWN(show_number(json, "tced.pid")), running ? "; still proving this host, look again" : "");
}

/* Why is shown only where the answer is not yes: the rest is as it should be. */
static void capability_row(Table *t, const char *name, json_object *capability) {
        const char *proven = view_show(capability, "proven");
        uint64_t declared;

        table_cell(t, COLOUR_NONE, name);
        if (view_u64(capability, "declared", &declared))
                table_cell(t, COLOUR_NONE, declared > 0 ? "yes" : "no");
        else
                table_cell(t, COLOUR_NONE, NULL);
        table_cell(t, colour_of_proof(proven), proven);
        table_cell(t, COLOUR_NONE, streq(proven, "yes") ? NULL : view_string(capability, "why"));
}

/* The range check is no capability, nothing declares it: it stands here since it decides on KVM_CAP_SPAPR_MULTITCE's use. */
int render_capabilities(json_object *json, const Output *out) {
        static const Column columns[] = {
                { .header = "CAPABILITY", .min = 12 },
                { .header = "DECLARED" },
                { .header = "PROVEN" },
                { .header = "WHY", .wrap = true },
        };
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns), 0);
        json_object *capabilities = view_get(json, "host.kvm.capabilities");

        for (size_t i = 0; i < view_length(capabilities); i++)
                capability_row(t, view_show(view_item(capabilities, i), "name"), view_item(capabilities, i));
        capability_row(t, "multi-TCE range check", view_get(json, "host.kvm.multitce_range_check"));
        return table_print(t, out);
}

static uint64_t count_machine_findings(json_object *json) {
        json_object *machines = view_get(json, "machines");
        uint64_t n = 0;

        for (size_t i = 0; i < view_length(machines); i++)
                n += view_length(view_get(view_item(machines, i), "findings"));
        return n;
}

/* Which VMs have findings, not what they are: a host may have hundreds of VMs, and this is one screen. */
static int show_machine_findings(json_object *json, const Output *out) {
        json_object *machines = view_get(json, "machines");
        _cleanup_free_ char *text = NULL;
        size_t size, n = 0;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return -ENOMEM;
        for (size_t i = 0; i < view_length(machines); i++) {
                json_object *machine = view_item(machines, i);
                size_t findings = view_length(view_get(machine, "findings"));

                if (findings > 0 && n++ < NAMES_MAX)
                        (void) fprintf(f, "%s%s (%zu)", n > 1 ? ", " : "", view_show(machine, "name"), findings);
        }
        if (n > NAMES_MAX)
                (void) fprintf(f, " and %zu more", n - NAMES_MAX);
        if (fclose(f) != 0)
                return -ENOMEM;
        return render_field(out, "VMs", COLOUR_NONE, "findings about %s. See: tcectl machines NAME", text);
}

static int show_findings(json_object *json, const Output *out) {
        json_object *findings = view_get(json, "findings");
        uint64_t of_machines = count_machine_findings(json);

        (void) fputc('\n', out->f);
        if (out->legend) {
                output_colour(out, COLOUR_BOLD);
                (void) fputs(view_length(findings) + of_machines == 0 ? "No findings." : "FINDINGS", out->f);
                output_colour(out, COLOUR_NONE);
                (void) fputc('\n', out->f);
        }
        render_findings(findings, out);
        return of_machines > 0 ? show_machine_findings(json, out) : 0;
}

/* Of a limit so much is taken that the next VMs may be refused: nine tenths. */
static int show_near_limits(json_object *json, const Output *out) {
        json_object *limits = view_get(json, "limits"), *usage = view_get(json, "usage");
        int r = 0;

        if (!json_object_is_type(usage, json_type_object) || !json_object_is_type(limits, json_type_object))
                return 0;
        json_object_object_foreach(usage, name, taken) {
                json_object *max = NULL;
                uint64_t n = json_object_get_uint64(taken), most;

                if (r < 0 || !json_object_object_get_ex(limits, name, &max))
                        continue;
                most = json_object_get_uint64(max);
                if (n > 0 && n >= most - most / 10)
                        r = render_field(out, "limit", COLOUR_YELLOW, "%s=%" PRIu64 ": %" PRIu64 " are taken; end VMs or raise it in "
                                         "tced.conf", name, most, n);
        }
        return r;
}

int render_status(json_object *json, const Output *out) {
        static int (*const fields[])(json_object *, const Output *) = {
                show_host, show_kvm, show_vfio, show_groups, show_machines, show_libvirt, show_tced,
                show_near_limits,
        };
        int r;

        render_host_verdict(json, out);
        for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                r = fields[i](json, out);
                if (r < 0)
                        return r;
        }
        (void) fputc('\n', out->f);
        r = render_capabilities(json, out);
        return r < 0 ? r : show_findings(json, out);
}

/* What the screen counts, so that a program need not. NULL when memory ran out. */
static json_object *make_counts(json_object *json) {
        json_object *counts = json_object_new_object(), *groups = view_get(json, "groups");
        TableSums sums = sum_tables(json);
        const struct {
                const char *key;
                uint64_t value;
        } members[] = {
                { "groups", view_length(groups) },
                { "groups_viable", count_viable(groups) },
                { "machines", view_length(view_get(json, "machines")) },
                { "kernel_tables", sums.kernel_tables },
                { "kernel_bytes", sums.kernel_bytes },
                { "user_tables", sums.user_tables },
                { "user_bytes", sums.user_bytes },
                { "machine_findings", count_machine_findings(json) },
        };

        for (size_t i = 0; counts && i < ELEMENTSOF(members); i++)
                if (json_put_consume(counts, members[i].key, json_object_new_uint64(members[i].value)) < 0) {
                        (void) json_object_put(counts);
                        return NULL;
                }
        return counts;
}

json_object *select_status(json_object *json) {
        static const char *const kept[] = { "tced", "host", "libvirt", "findings" };
        json_object *part = json_object_new_object();

        for (size_t i = 0; part && i < ELEMENTSOF(kept); i++) {
                json_object *value = view_get(json, kept[i]);
                if (value && json_put_consume(part, kept[i], json_object_get(value)) < 0)
                        goto fail;
        }
        if (part && (json_put_consume(part, "verdict", select_host_verdict(json)) < 0 || json_put_consume(part, "counts", make_counts(json)) < 0))
                goto fail;
        return part;
fail:
        (void) json_object_put(part);
        return NULL;
}
