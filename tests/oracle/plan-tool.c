/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The planner by itself: plan-tool FACTS.json DOMAIN.xml... prints a line of JSON for each domain, its plan (docs/plan.md) or, where it can't
 * be planned, {"error": "…"}. A file NAME.words is a QEMU's command line, as /proc/PID/cmdline has it. One process for all of them: the judge asks some hundred times. */

#include <json-c/json.h>
#include <stdio.h>

#include "domain_plan.h"
#include "facts_json.h"
#include "util.h"

#define WORDS_MAX 4096

/* Up to its first NUL byte, of which it has none. */
static int read_whole(const char *path, char **ret) {
        FILE *f = fopen(path, "re");
        size_t allocated = 0;
        ssize_t n;

        if (!f)
                return -errno;
        n = getdelim(ret, &allocated, '\0', f);
        (void) fclose(f);
        return n < 0 ? -EIO : 0;
}

/* Each ends in a NUL byte. */
static int plan_words(const char *path, const PlanHost *host, DomainPlan *ret, DomainError *error) {
        char *words[WORDS_MAX] = {};
        FILE *f = fopen(path, "re");
        size_t n = 0, allocated;
        int r;

        if (!f)
                return -errno;
        while (n < WORDS_MAX && (allocated = 0, getdelim(&words[n], &allocated, '\0', f)) >= 0)
                n++;
        (void) fclose(f);
        r = n < WORDS_MAX ? domain_plan_make_bare((const char *const *) words, n, true, host, ret, error) : -E2BIG;
        for (size_t i = 0; i < WORDS_MAX; i++)
                free(words[i]);
        return r;
}

static bool is_words(const char *path) {
        const char *dot = strrchr(path, '.');

        return dot && streq(dot, ".words");
}

static int print_plan(const char *path, const PlanHost *host) {
        _cleanup_(domain_plan_clear) DomainPlan plan = DOMAIN_PLAN_INIT;
        _cleanup_free_ char *xml = NULL, *json = NULL;
        struct json_object *o;
        DomainError error = {};
        int r;

        r = is_words(path) ? plan_words(path, host, &plan, &error) : read_whole(path, &xml);
        if (r < 0 && !error.text[0])
                return r;
        if (xml)
                r = domain_plan_make(xml, strlen(xml), NULL, host, &plan, &error);
        if (r >= 0)
                r = domain_plan_json(&plan, &json);
        if (r >= 0)
                return printf("%s\n", json) < 0 ? -EIO : 0;
        o = json_object_new_object();
        if (!o)
                return -ENOMEM;
        (void) json_object_object_add(o, "error", json_object_new_string(error.text[0] ? error.text : strerror(-r)));
        printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
        (void) json_object_put(o);
        return 0;
}

int main(int argc, char **argv) {
        _cleanup_(host_facts_clear) HostFacts facts = {};
        _cleanup_free_ char *json = NULL;
        char error[FACTS_ERROR_MAX] = "";
        PlanHost host = { .kvm = &facts.kvm, .vfio = &facts.vfio, .policy = &facts.policy, .rules = &facts.rules };
        int r = argc < 2 ? -EINVAL : read_whole(argv[1], &json);

        if (r >= 0)
                r = host_facts_read(json, strlen(json), &facts, error);
        for (int i = 2; r >= 0 && i < argc; i++)
                r = print_plan(argv[i], &host);
        if (r < 0)
                fprintf(stderr, "%s: %s\n", argv[0], error[0] ? error : strerror(-r));
        return r < 0;
}
