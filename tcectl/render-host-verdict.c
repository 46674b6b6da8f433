/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The first line of `tcectl status`: can this host's guests have their TCE tables in the kernel, and if not, what stands in the way in
 * short. The lines below it say more; this one is for who has no time for those. */

#include <stdarg.h>

#include "render-tables.h"
#include "view.h"

#define CAN "This host's guests can have their TCE tables in the kernel"
#define CANNOT "This host's guests can't have their TCE tables in the kernel: "
#define UNKNOWN "It is not known whether this host's guests can have their TCE tables in the kernel"

#define VERDICT_TEXT_MAX 320U

typedef struct Verdict {
        const char *word; /* "yes", "partly", "no", "unknown": for programs */
        Colour colour;
        char text[VERDICT_TEXT_MAX];
} Verdict;

static Verdict verdict(const char *word, Colour colour, const char *format, ...) _printf_(3, 4);
static Verdict verdict(const char *word, Colour colour, const char *format, ...) {
        Verdict v = { .word = word, .colour = colour };
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(v.text, sizeof(v.text), format, ap);
        va_end(ap);
        (void) utf8_mend(v.text);
        return v;
}

/* Tables of 4 KiB pages alone, or of any: a kernel that has the one of these has tables, and what it declares and could not do it has
 * not. "yes", "no", "unknown". */
static const char *proof_of_tables(json_object *json) {
        json_object *capabilities = view_get(json, "host.kvm.capabilities");
        bool any = false, open = false;

        for (size_t i = 0; i < view_length(capabilities); i++) {
                json_object *c = view_item(capabilities, i);
                const char *name = view_show(c, "name"), *proven = view_show(c, "proven");

                if (!streq(name, "KVM_CAP_SPAPR_TCE") && !streq(name, "KVM_CAP_SPAPR_TCE_64"))
                        continue;
                if (streq(proven, "yes"))
                        return "yes";
                any = true;
                open |= view_count(c, "declared") > 0 && !streq(proven, "no");
        }
        return any && !open ? "no" : "unknown";
}

static size_t count_findings(json_object *json, const char *key, const char *value) {
        json_object *findings = view_get(json, "findings");
        size_t n = 0;

        for (size_t i = 0; i < view_length(findings); i++)
                n += streq(view_show(view_item(findings, i), key), value);
        return n;
}

/* What is on the slow path. */
typedef struct Slow {
        size_t tables, vms;
        const char *name; /* the last VM's; NULL: it has none */
} Slow;

static void add_vm(Slow *s, size_t tables, const char *name) {
        if (tables == 0)
                return;
        s->tables += tables;
        s->vms++;
        s->name = name;
}

/* Tables that cost an exit for each TCE though no rule wants them so, and the VMs that have them. */
static void count_machines(json_object *json, Slow *s) {
        json_object *machines = view_get(json, "machines");

        for (size_t i = 0; i < view_length(machines); i++) {
                json_object *tables = view_get(view_item(machines, i), "tables");
                size_t n = 0;

                for (size_t j = 0; j < view_length(tables); j++)
                        n += table_is_slow(view_item(tables, j)) && !streq(view_show(view_item(tables, j), "reason"), "rule-user");
                add_vm(s, n, view_string(view_item(machines, i), "name"));
        }
}

/* VMs that nobody registered have findings of the host's, one for each table, a process's together. */
static void count_processes(json_object *json, Slow *s) {
        json_object *findings = view_get(json, "findings");
        const char *process = "";
        size_t n = 0;

        for (size_t i = 0; i < view_length(findings); i++) {
                json_object *f = view_item(findings, i);

                if (!streq(view_show(f, "id"), "slow-path"))
                        continue;
                if (!streq(view_show(f, "subject"), process)) {
                        add_vm(s, n, process);
                        process = view_show(f, "subject");
                        n = 0;
                }
                n++;
        }
        add_vm(s, n, process);
}

/* Guests can have them: but? */
static Verdict verdict_yes(json_object *json) {
        bool broken = count_findings(json, "id", "vfio-broken") > 0;
        bool devices = broken || count_findings(json, "id", "no-vfio-coupling") > 0;
        size_t errors = count_findings(json, "severity", "error");
        char tables[128] = "", others[64] = "", whose[64];
        Slow slow = {};

        count_machines(json, &slow);
        count_processes(json, &slow);
        if (slow.vms == 1 && !isempty(slow.name))
                (void) snprintf(whose, sizeof(whose), "%.60s", slow.name);
        else
                (void) snprintf(whose, sizeof(whose), "%zu %s", slow.vms, plural(slow.vms, "VM", "VMs"));
        /* The error that was told already. */
        errors -= errors > 0 && broken;
        if (slow.tables > 0)
                (void) snprintf(tables, sizeof(tables), ", %s %zu %s of %s %s on the slow path", devices ? "and" : "but",
                                slow.tables, plural(slow.tables, "table", "tables"), whose, plural(slow.tables, "is", "are"));
        if (errors > 0)
                (void) snprintf(others, sizeof(others), ", %s there %s %zu %s", devices || slow.tables > 0 ? "and" : "but",
                                plural(errors, "is", "are"), errors, plural(errors, "error", "errors"));
        if (!devices && slow.tables == 0 && errors == 0)
                return verdict("yes", COLOUR_GREEN, CAN ".");
        return verdict("partly", COLOUR_YELLOW, CAN "%s%s%s.", devices ? ", but not those of passthrough devices" : "", tables, others);
}

static Verdict verdict_make(json_object *json) {
        const char *machine = view_string(json, "host.machine"), *usable = view_show(json, "host.kvm.usable.proven");
        const char *tables = proof_of_tables(json);

        if (machine && strncmp(machine, "ppc64", 5) != 0)
                return verdict("no", COLOUR_RED, CANNOT "it is no POWER host, but %.64s.", machine);
        if (!isempty(view_string(json, "host.kvm.error")) || streq(usable, "no"))
                return verdict("no", COLOUR_RED, CANNOT "KVM can't be used.");
        if (streq(tables, "no"))
                return verdict("no", COLOUR_RED, CANNOT "this kernel's KVM has none.");
        if (streq(usable, "yes") && streq(tables, "yes"))
                return verdict_yes(json);
        if (streq(view_show(json, "host.probe"), "running"))
                return verdict("unknown", COLOUR_YELLOW, UNKNOWN " yet: tced is still proving it.");
        return verdict("unknown", COLOUR_YELLOW, UNKNOWN ".");
}

void render_host_verdict(json_object *json, const Output *out) {
        Verdict v = verdict_make(json);

        output_colour(out, v.colour);
        text_wrap(out->f, v.text, 0, 0, out->width);
        output_colour(out, COLOUR_NONE);
        (void) fputc('\n', out->f);
}

json_object *select_host_verdict(json_object *json) {
        Verdict v = verdict_make(json);
        json_object *part = json_object_new_object();

        if (part && (json_put_consume(part, "in_kernel", json_object_new_string(v.word)) < 0 ||
                     json_put_consume(part, "text", json_object_new_string(v.text)) < 0)) {
                (void) json_object_put(part);
                return NULL;
        }
        return part;
}
