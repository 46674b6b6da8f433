/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `tcectl metrics`: Describe's JSON as OpenMetrics, of which Prometheus's older text format understands every line too, as node_exporter's textfile
 * collector reads that. So all of them are gauges, and what is no number is a label. A family without a sample is left out: what a tced does not
 * tell is not 0. */

#include <inttypes.h>

#include "render-tables.h"
#include "util.h"
#include "view.h"

/* Label names and values, ended by NULL. */
#define LABELS(...) ((const char *const[]) { __VA_ARGS__, NULL })

typedef struct Metrics {
        FILE *f;
        const char *name, *help; /* of the family that is next; printed with its first sample */
        bool begun;
} Metrics;

static void family(Metrics *m, const char *name, const char *help) {
        m->name = name;
        m->help = help;
        m->begun = false;
}

/* OpenMetrics' escapes, and nothing else that is no printable text: a name is never to become a line of its own. */
static void put_value(FILE *f, const char *value) {
        for (const char *p = value; *p; p++)
                if (*p == '\\' || *p == '"')
                        (void) fprintf(f, "\\%c", *p);
                else if (*p == '\n')
                        (void) fputs("\\n", f);
                else if ((unsigned char) *p < ' ' || *p == 0x7f)
                        (void) fputc('?', f);
                else
                        (void) fputc(*p, f);
}

static void sample(Metrics *m, const char *const *labels, uint64_t value) {
        if (!m->begun)
                (void) fprintf(m->f, "# TYPE %s gauge\n# HELP %s %s\n", m->name, m->name, m->help);
        m->begun = true;
        (void) fputs(m->name, m->f);
        for (size_t i = 0; labels && labels[i]; i += 2) {
                (void) fprintf(m->f, "%c%s=\"", i == 0 ? '{' : ',', labels[i]);
                put_value(m->f, labels[i + 1]);
                (void) fputc('"', m->f);
        }
        (void) fprintf(m->f, "%s %" PRIu64 "\n", labels && labels[0] ? "}" : "", value);
}

/* ---- how many items have a word ---- */

typedef struct Count {
        const char *words[2]; /* borrowed */
        uint64_t n, bytes;
} Count;

typedef struct Counts {
        Count *items;
        size_t n, allocated;
} Counts;

static int count(Counts *c, const char *a, const char *b, uint64_t bytes) {
        for (size_t i = 0; i < c->n; i++)
                if (streq(c->items[i].words[0], a) && streq(c->items[i].words[1], b)) {
                        c->items[i].n++;
                        c->items[i].bytes += bytes;
                        return 0;
                }
        if (ARRAY_RESERVE(c->items, c->allocated, c->n + 1) < 0)
                return -ENOMEM;
        c->items[c->n++] = (Count) { { a, b }, 1, bytes };
        return 0;
}

static void counts_done(Counts *c) {
        free(c->items);
        *c = (Counts) {};
}

/* ---- the host ---- */

static void show_host(Metrics *m, json_object *json) {
        json_object *kvm = view_get(json, "host.kvm"), *capabilities = view_get(kvm, "capabilities");

        family(m, "tced_up", "Does tced answer.");
        sample(m, NULL, json != NULL);
        if (!json)
                return;
        family(m, "tced_build_info", "The tced that answered.");
        sample(m, LABELS("version", view_show(json, "tced.version")), 1);
        family(m, "tced_host_info", "The host: its machine, platform and kernel.");
        sample(m, LABELS("machine", view_show(json, "host.machine"), "platform", view_show(json, "host.platform"), "kernel",
                         view_show(json, "host.kernel_release")), 1);
        family(m, "tced_kvm_usable", "Was a VM created: 1, or 0.");
        if (!streq(view_show(kvm, "usable.proven"), "unknown"))
                sample(m, NULL, streq(view_show(kvm, "usable.proven"), "yes"));
        family(m, "tced_capability_declared", "What KVM_CHECK_EXTENSION says of a capability.");
        for (size_t i = 0; i < view_length(capabilities); i++)
                sample(m, LABELS("capability", view_show(view_item(capabilities, i), "name")), view_count(view_item(capabilities, i), "declared"));
        /* Neither 0 nor 1 would be true of one that is not known. */
        family(m, "tced_capability_proven", "Has the kernel done what it declares: 1, or 0; a capability that is not known has no sample.");
        for (size_t i = 0; i < view_length(capabilities); i++) {
                json_object *c = view_item(capabilities, i);

                if (!streq(view_show(c, "proven"), "unknown"))
                        sample(m, LABELS("capability", view_show(c, "name")), streq(view_show(c, "proven"), "yes"));
        }
        family(m, "tced_libvirt_connected", "Does libvirt answer tced.");
        if (view_string(json, "libvirt.state"))
                sample(m, NULL, streq(view_string(json, "libvirt.state"), "connected"));
        family(m, "tced_libvirt_hook_loaded", "Does the libvirtd that runs call tced's hook; without a sample that can't be told.");
        if (view_get(json, "libvirt.hook.loaded"))
                sample(m, NULL, view_true(json, "libvirt.hook.loaded"));
}

static void show_limits(Metrics *m, json_object *json) {
        json_object *limits = view_get(json, "limits"), *usage = view_get(json, "usage");

        family(m, "tced_limit", "A limit of tced.conf's, by its name there.");
        if (json_object_is_type(limits, json_type_object)) {
                json_object_object_foreach(limits, name, value)
                        if (json_object_is_type(value, json_type_int))
                                sample(m, LABELS("limit", name), json_object_get_uint64(value));
        }
        family(m, "tced_limit_used", "What is taken of it.");
        if (json_object_is_type(usage, json_type_object)) {
                json_object_object_foreach(usage, name, value)
                        if (json_object_is_type(value, json_type_int))
                                sample(m, LABELS("limit", name), json_object_get_uint64(value));
        }
}

static int show_groups(Metrics *m, json_object *json) {
        json_object *groups = view_get(json, "groups");
        uint64_t assignable = 0, devices = 0;
        Counts c = {};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < view_length(groups); i++) {
                json_object *g = view_item(groups, i);

                assignable += view_true(g, "assignable");
                devices += view_length(view_get(g, "devices"));
                r = count(&c, view_show(g, "viability"), "", 0);
        }
        family(m, "tced_iommu_groups", "IOMMU groups, by what VFIO says of them.");
        for (size_t i = 0; r >= 0 && i < c.n; i++)
                sample(m, LABELS("viability", c.items[i].words[0]), c.items[i].n);
        counts_done(&c);
        if (!groups)
                return r;
        family(m, "tced_iommu_groups_assignable", "IOMMU groups that can be given to a VM now.");
        sample(m, NULL, assignable);
        family(m, "tced_iommu_group_devices", "Devices in all of them.");
        sample(m, NULL, devices);
        return r;
}

/* Of the host and of each machine; by id and severity, as texts are for people. */
static int show_findings(Metrics *m, json_object *json) {
        json_object *machines = view_get(json, "machines");
        Counts c = {};
        int r = 0;

        for (size_t i = 0; r >= 0 && i <= view_length(machines); i++) {
                json_object *findings = i == 0 ? view_get(json, "findings") : view_get(view_item(machines, i - 1), "findings");

                for (size_t j = 0; r >= 0 && j < view_length(findings); j++)
                        r = count(&c, view_show(view_item(findings, j), "id"), view_show(view_item(findings, j), "severity"), 0);
        }
        family(m, "tced_findings", "What is wrong, of the host and of its VMs: see tcectl status, tcectl explain.");
        for (size_t i = 0; r >= 0 && i < c.n; i++)
                sample(m, LABELS("id", c.items[i].words[0], "severity", c.items[i].words[1]), c.items[i].n);
        counts_done(&c);
        return r;
}

/* ---- VMs ---- */

static int show_machine_counts(Metrics *m, json_object *machines) {
        Counts states = {}, tables = {};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < view_length(machines); i++) {
                json_object *machine = view_item(machines, i), *of = view_get(machine, "tables");

                r = count(&states, view_show(machine, "source"), view_show(machine, "state"), 0);
                for (size_t j = 0; r >= 0 && j < view_length(of); j++)
                        r = count(&tables, table_place(view_item(of, j)) ? table_place(view_item(of, j)) : "-", view_show(view_item(of, j), "reason"),
                                  view_count(view_item(of, j), "bytes"));
        }
        family(m, "tced_machines", "VMs that tced knows, by who told of them and how far they are.");
        for (size_t i = 0; r >= 0 && i < states.n; i++)
                sample(m, LABELS("source", states.items[i].words[0], "state", states.items[i].words[1]), states.items[i].n);
        family(m, "tced_tables", "TCE tables of all VMs, by where they live and why; `user` is the slow path, and so are `missing` and `some`: planned in the kernel, and not found there.");
        for (size_t i = 0; r >= 0 && i < tables.n; i++)
                sample(m, LABELS("placement", tables.items[i].words[0], "reason", tables.items[i].words[1]), tables.items[i].n);
        family(m, "tced_tables_bytes", "What they take.");
        for (size_t i = 0; r >= 0 && i < tables.n; i++)
                sample(m, LABELS("placement", tables.items[i].words[0], "reason", tables.items[i].words[1]), tables.items[i].bytes);
        counts_done(&states);
        counts_done(&tables);
        return r;
}

static uint64_t slow_tables(json_object *machine) {
        json_object *tables = view_get(machine, "tables");
        uint64_t n = 0;

        for (size_t i = 0; i < view_length(tables); i++)
                n += table_is_slow(view_item(tables, i));
        return n;
}

static void show_of_each(Metrics *m, json_object *machines, const char *member) {
        for (size_t i = 0; i < view_length(machines); i++) {
                json_object *machine = view_item(machines, i);
                uint64_t value = 0;

                if (!member || view_u64(machine, member, &value))
                        sample(m, LABELS("machine", view_show(machine, "name"), "uuid", view_show(machine, "uuid")),
                               member ? value : slow_tables(machine));
        }
}

static void show_machines(Metrics *m, json_object *machines) {
        static const struct {
                const char *name, *help, *member;
        } families[] = {
                { "tced_machine_slow_tables", "Tables of a VM that are not in the kernel: each hypercall on them exits to its VMM.", NULL },
                { "tced_machine_user_bytes", "Its tables that its VMM has.", "user_bytes" },
                { "tced_machine_kernel_bytes", "Its tables that the kernel has.", "kernel_bytes" },
                { "tced_machine_locked_bytes", "What the kernel charges for these to its locked memory.", "locked_bytes" },
                { "tced_machine_memlock_limit_bytes", "The limit of locked memory that libvirt set; 0: it did not.", "memlock_limit" },
                { "tced_machine_memlock_charged_bytes", "What it may be charged of that when its guest runs.", "memlock_charged" },
        };

        for (size_t i = 0; i < ELEMENTSOF(families); i++) {
                family(m, families[i].name, families[i].help);
                show_of_each(m, machines, families[i].member);
        }
}

int render_metrics(json_object *json, FILE *f) {
        json_object *machines = view_get(json, "machines");
        Metrics m = { .f = f };
        int r;

        show_host(&m, json);
        show_limits(&m, json);
        r = show_groups(&m, json);
        if (r >= 0)
                r = show_findings(&m, json);
        if (r >= 0)
                r = show_machine_counts(&m, machines);
        if (r < 0)
                return r;
        show_machines(&m, machines);
        (void) fputs("# EOF\n", f);
        return 0;
}
