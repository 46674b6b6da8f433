/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `tcectl check`: whether a VM starts, or takes a device while it runs, and what is wrong. */

#include "render-check.h"

#include "render-tables.h"
#include "view.h"

typedef struct Counts {
        size_t errors, warnings;
} Counts;

static Counts count(json_object *findings) {
        Counts c = {};

        for (size_t i = 0; i < view_length(findings); i++) {
                const char *severity = view_show(view_item(findings, i), "severity");

                c.errors += streq(severity, "error");
                c.warnings += streq(severity, "warning");
        }
        return c;
}

/* "2 errors and 1 warning" */
static const char *count_text(const Counts *c, char *buf, size_t size) {
        char warnings[40] = "";

        if (c->warnings > 0)
                (void) snprintf(warnings, sizeof(warnings), "%s%zu %s", c->errors > 0 ? " and " : "", c->warnings,
                                plural(c->warnings, "warning", "warnings"));
        if (c->errors > 0)
                (void) snprintf(buf, size, "%zu %s%s", c->errors, plural(c->errors, "error", "errors"), warnings);
        else
                (void) snprintf(buf, size, "%s", warnings);
        return buf;
}

/* good, bad: what to say where nothing is in the way, and where something is. */
static void put_verdict(json_object *plan, const Counts *c, const char *good, const char *bad, const Output *out) {
        Colour colour = c->errors > 0 ? COLOUR_RED : c->warnings > 0 ? COLOUR_YELLOW : COLOUR_GREEN;
        const char *name = view_string(plan, "domain.name");
        _cleanup_free_ char *line = NULL;
        char counts[96];

        (void) count_text(c, counts, sizeof(counts));
        if (asprintf(&line, "%s: %s%s%s", isempty(name) ? "The domain" : name, c->errors > 0 ? bad : good,
                     c->errors > 0 ? ": " : c->warnings > 0 ? ", with " : "", counts) < 0)
                line = NULL;
        output_colour(out, colour);
        text_wrap(out->f, line ? line : bad, 0, 0, out->width);
        output_colour(out, COLOUR_NONE);
}

void render_verdict(json_object *plan, const Output *out) {
        Counts c = count(view_get(plan, "findings"));

        put_verdict(plan, &c, "starts", "does not start", out);
}

static bool has_finding(json_object *findings, json_object *finding) {
        for (size_t i = 0; i < view_length(findings); i++)
                if (json_object_equal(view_item(findings, i), finding))
                        return true;
        return false;
}

/* Those of `findings` that are, or are not, in `others` too: a new array, NULL when memory ran out. */
static json_object *pick(json_object *findings, json_object *others, bool in) {
        json_object *picked = json_object_new_array();

        for (size_t i = 0; picked && i < view_length(findings); i++) {
                json_object *finding = view_item(findings, i);

                if (has_finding(others, finding) != in)
                        continue;
                if (json_object_array_add(picked, json_object_get(finding)) < 0) {
                        (void) json_object_put(finding);
                        (void) json_object_put(picked);
                        return NULL;
                }
        }
        return picked;
}

DEFINE_POINTER_CLEANUP(json_object, json_object_put, json_putp)

/* What the device brings comes first: the rest is there without it too. */
static int render_attach(json_object *plan, json_object *without, const Output *out) {
        json_object *findings = view_get(plan, "findings"), *before = view_get(without, "findings");
        _cleanup_(json_putp) json_object *brought = pick(findings, before, false), *there = pick(findings, before, true);
        Counts c = count(brought), old = count(there);

        if (!brought || !there)
                return -ENOMEM;
        if (old.errors > 0)
                put_verdict(plan, &old, "", "does not start, with the device or without", out);
        else
                put_verdict(plan, &c, "takes the device", "does not take the device", out);
        if (view_length(brought) > 0) {
                (void) fputc('\n', out->f);
                render_heading(out, "WITH THE DEVICE");
                render_findings(brought, out);
        }
        if (view_length(there) > 0) {
                (void) fputc('\n', out->f);
                render_heading(out, "WITHOUT IT TOO");
                render_findings(there, out);
        }
        return 0;
}

int render_check(json_object *plan, json_object *without, const Output *out) {
        json_object *findings = view_get(plan, "findings");

        if (without)
                return render_attach(plan, without, out);
        render_verdict(plan, out);
        if (view_length(findings) > 0) {
                (void) fputc('\n', out->f);
                render_findings(findings, out);
        }
        return 0;
}

json_object *select_check(json_object *plan) {
        static const char *const kept[] = { "domain", "verdict", "findings" };
        json_object *part = json_object_new_object();

        for (size_t i = 0; part && i < ELEMENTSOF(kept); i++) {
                json_object *value = view_get(plan, kept[i]);

                if (value && json_put_consume(part, kept[i], json_object_get(value)) < 0) {
                        (void) json_object_put(part);
                        return NULL;
                }
        }
        return part;
}
