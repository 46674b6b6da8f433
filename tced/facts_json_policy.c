/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The default and the rules out of a host's JSON; patterns are there as they are compared. */

#include "facts_json_internal.h"

#include "util.h"

/* As tced.conf takes it (conf_value.c). */
#define NODE_MAX 1023

/* The four keys of [Policy], into *setting; which of them are there, into *given. */
static int read_setting(const JsonPlace *at, Rule *rule) {
        int accel = ACCEL_AUTO, multitce = TRISTATE_AUTO, huge_pages = TRISTATE_AUTO, r;
        PolicySetting *setting = &rule->setting;

        r = json_read_word(at, "accel", accel_from_string, &accel);
        rule->has_accel = r > 0;
        if (r >= 0) {
                r = json_read_word(at, "multitce", tristate_from_string, &multitce);
                rule->has_multitce = r > 0;
        }
        if (r >= 0) {
                r = json_read_word(at, "huge_pages", tristate_from_string, &huge_pages);
                rule->has_huge_pages = r > 0;
        }
        setting->numa_node = NUMA_NODE_ANY;
        if (r >= 0) {
                r = json_read_int(at, "numa_node", NUMA_NODE_ANY, NODE_MAX, &setting->numa_node);
                rule->has_numa_node = r > 0;
        }
        setting->accel = (Accel) accel;
        setting->multitce = (Tristate) multitce;
        setting->huge_pages = (Tristate) huge_pages;
        return r < 0 ? r : 0;
}

/* The patterns. 1; 0: there is one that is not known here. */
static int read_match(const JsonPlace *at, Rule *rule) {
        const struct {
                const char *key;
                char **place;
        } patterns[] = {
                { "machine", &rule->machine }, { "uuid", &rule->uuid },   { "kind", &rule->kind },
                { "device", &rule->device },   { "liobn", &rule->liobn },
        };
        size_t known = 0, given = 0;

        for (size_t i = 0; i < ELEMENTSOF(patterns); i++) {
                int r = json_read_copy(at, patterns[i].key, patterns[i].place);

                if (r < 0)
                        return r;
                known += r > 0;
        }
        json_object_object_foreach(at->value, key, value) {
                (void) key;
                given += value != NULL;
        }
        return given == known;
}

static void rule_clearp(Rule *rule) {
        rule_clear(rule);
}

static int read_rule(const JsonPlace *at, void *userdata) {
        _cleanup_(rule_clearp) Rule rule = {};
        Rules *rules = userdata;
        JsonPlace match;
        int r = json_read_copy(at, "path", &rule.path);

        if (r > 0)
                r = json_read_member(at, "match", json_type_object, &match);
        if (r == 0)
                return json_read_fail(at, rule.path ? "match" : "path", "it is missing");
        if (r > 0)
                r = read_setting(at, &rule);
        if (r >= 0)
                r = read_match(&match, &rule);
        if (r <= 0)
                return r;
        if (ARRAY_RESERVE(rules->items, rules->allocated, rules->n + 1) < 0)
                return -ENOMEM;
        rules->items[rules->n++] = TAKE_GENERIC(rule, Rule, (Rule) {});
        return 0;
}

int facts_read_policy(const JsonPlace *document, HostFacts *f) {
        Rule by_default = {};
        JsonPlace at, setting;
        int r = json_read_member(document, "policy", json_type_object, &at);

        if (r <= 0)
                return r;
        r = json_read_member(&at, "default", json_type_object, &setting);
        if (r > 0) {
                r = read_setting(&setting, &by_default);
                f->policy = by_default.setting;
        }
        return r < 0 ? r : json_read_each(&at, "rule_settings", read_rule, &f->rules);
}
