/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A domain is planned, what a step can mend of its findings is changed in its text, and it is planned again: so that each step
 * sees what the one before it made, and that nothing is called mended that is not. */

#include "domain_fix.h"

#include <stdarg.h>

#include "domain_fix_internal.h"
#include "util.h"

/* How often a step may try: what is still there after its first change may be what the change uncovered. */
#define TRIES_MAX 3

static int (*const steps[])(Repair *) = { repair_phb_index, repair_vio, repair_mixed, repair_maxmemory, repair_memlock };

/* All but the first n. */
static void drop_notes(Fix *fix, size_t n) {
        while (fix->n_notes > n)
                free(fix->notes[--fix->n_notes].text);
}

void fix_clear(Fix *fix) {
        drop_notes(fix, 0);
        free(fix->xml);
        free(fix->notes);
        *fix = (Fix){};
}

static void repair_clear(Repair *r) {
        changes_clear(&r->changes);
        xml_text_clear(&r->text);
        xml_text_clear(&r->lined);
        free(r->lined_text);
        domain_plan_clear(&r->plan);
        *r = (Repair){};
}

int repair_note(Repair *r, bool mended, const char *format, ...) {
        va_list ap;
        char *text;
        int n;

        if (ARRAY_RESERVE(r->fix->notes, r->fix->notes_allocated, r->fix->n_notes + 1) < 0)
                return -ENOMEM;
        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n < 0)
                return -ENOMEM;
        r->fix->notes[r->fix->n_notes++] = (FixNote){ .mended = mended, .text = text };
        return 0;
}

/* Elements are in the same order in both texts. What is no device has the line of one by no chance. */
size_t repair_element(const Repair *r, unsigned line) {
        for (size_t i = 0; line > 0 && r->devices != ELEMENT_NONE && i < r->lined.n; i++)
                if (r->lined.elements[i].parent == r->devices && r->lined.elements[i].line == line)
                        return i;
        return ELEMENT_NONE;
}

/* A domain, or what libvirt wraps one in: the status of a running one, a snapshot. */
static size_t find_domain(const XmlText *t) {
        if (t->elements[0].name && streq(t->elements[0].name, "domain"))
                return 0;
        return xml_child(t, 0, "domain", ELEMENT_NONE);
}

/* A copy of the text where each device begins a line. */
static int make_lined(Repair *r, DomainError *error) {
        _cleanup_(changes_clear) Changes c = { .text = &r->text };
        size_t size;
        int e = 0;

        for (size_t i = 0; e >= 0 && r->devices != ELEMENT_NONE && i < r->text.n; i++) {
                if (r->text.elements[i].parent != r->devices)
                        continue;
                e = ARRAY_RESERVE(c.items, c.allocated, c.n + 1);
                if (e < 0)
                        break;
                c.items[c.n++] = (Change){ .at = r->text.elements[i].start, .insert = strdup("\n") };
                if (!c.items[c.n - 1].insert)
                        e = -ENOMEM;
        }
        if (e >= 0)
                e = changes_apply(&c, &r->lined_text, &size);
        if (e >= 0)
                e = xml_text_parse(r->lined_text, size, &r->lined, error);
        return e;
}

/* From a text to what the steps work on. */
static int look(Repair *r, const char *xml, size_t size, DomainError *error) {
        const PlanHost *host = r->host;
        Fix *fix = r->fix;
        int e;

        repair_clear(r);
        *r = (Repair){ .host = host, .fix = fix };
        e = xml_text_parse(xml, size, &r->text, error);
        if (e < 0)
                return e;
        r->domain = find_domain(&r->text);
        r->devices = r->domain == ELEMENT_NONE ? ELEMENT_NONE : xml_child(&r->text, r->domain, "devices", ELEMENT_NONE);
        e = make_lined(r, error);
        if (e < 0)
                return e;
        r->changes.text = &r->text;
        return domain_plan_make(r->lined_text, strlen(r->lined_text), NULL, host, &r->plan, error);
}

/* Takes back what a step did, as the domain can't be planned with it: a fault of ours, but one that people need not pay for. */
static int take_back(Repair *r, size_t n_notes, const char *xml, size_t size, DomainError *error) {
        _cleanup_free_ char *why = strdup(error->text);
        int e;

        drop_notes(r->fix, n_notes);
        e = why ? look(r, xml, size, error) : -ENOMEM;
        if (e >= 0)
                e = repair_note(r, false, "A mended domain could not be planned, so this was left as it was: %s", why);
        return e;
}

/* One step until it has nothing to change. *xml and *size follow the changes. */
static int make_step(Repair *r, size_t step, char **xml, size_t *size, DomainError *error) {
        for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
                _cleanup_free_ char *changed = NULL;
                size_t changed_size, n_notes = r->fix->n_notes;
                int e = r->domain == ELEMENT_NONE ? 0 : steps[step](r);

                if (e < 0 || r->changes.n == 0)
                        return e;
                e = changes_apply(&r->changes, &changed, &changed_size);
                if (e >= 0)
                        e = look(r, changed, changed_size, error);
                if (e == -EINVAL)
                        return take_back(r, n_notes, *xml, *size, error);
                if (e < 0)
                        return e;
                free(*xml);
                *xml = TAKE_PTR(changed);
                *size = changed_size;
        }
        return 0;
}

/* What is left, for people: only they can do something about it, whatever its remedy says of --fix. */
static int note_rest(Repair *r) {
        static const char by_fix[] = ", or run tcectl plan --fix";
        const Findings *f = &r->plan.findings;
        int e = 0;

        for (size_t i = 0; e >= 0 && i < f->n; i++) {
                const Finding *finding = &f->items[i];
                const char *end = strstr(finding->remedy, by_fix);
                size_t length = end ? (size_t) (end - finding->remedy) : strlen(finding->remedy);

                if (finding->severity == SEVERITY_INFO)
                        continue;
                e = repair_note(r, false, "%s, %s: %s. %.*s", finding_id_to_string(finding->id), finding->subject,
                                finding->text, (int) length, finding->remedy);
        }
        return e;
}

int domain_fix(const char *xml, size_t size, const PlanHost *host, Fix *ret, DomainError *error) {
        _cleanup_(fix_clear) Fix fix = {};
        _cleanup_(repair_clear) Repair repair = { .host = host, .fix = &fix };
        _cleanup_(domain_plan_clear) DomainPlan first = DOMAIN_PLAN_INIT;
        int r;

        /* Says what is wrong with it by the lines that it has. */
        r = domain_plan_make(xml, size, NULL, host, &first, error);
        if (r < 0)
                return r;
        fix.xml = strndup(xml, size);
        if (!fix.xml)
                return -ENOMEM;
        size = strlen(fix.xml);
        r = look(&repair, fix.xml, size, error);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(steps); i++)
                r = make_step(&repair, i, &fix.xml, &size, error);
        if (r >= 0)
                r = note_rest(&repair);
        if (r < 0)
                return r;
        *ret = TAKE_GENERIC(fix, Fix, (Fix){});
        return 0;
}
