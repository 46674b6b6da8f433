/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A libFuzzer target: a rule's file. What was read can be written, and is the same when it is read again; it is tried on windows without
 * taking long; warnings are for people. */

#include "fuzz.h"
#include "rule_file.h"
#include "util.h"

#define EXPECT(what) fuzz_expect((what), #what)

static void on_warning(const char *file, unsigned line, const char *text, void *userdata) {
        EXPECT(streq(file, "10-a.rule") && !isempty(text) && utf8_valid(text));
}

static int read_rule(const void *text, size_t size, Rule *ret, int *ret_warnings) {
        ConfWarnings w = { .warn = on_warning };
        FILE *f = fmemopen((void *) text, size, "r");
        int r;

        EXPECT(f != NULL);
        r = rule_file_read("10-a.rule", f, &w, ret);
        (void) fclose(f);
        *ret_warnings = w.n;
        return r;
}

static void write_pattern(FILE *f, const char *key, const char *pattern) {
        if (pattern)
                (void) fprintf(f, "%s=%s\n", key, pattern);
}

static char *write_rule(const Rule *rule, size_t *ret_size) {
        char *text = NULL;
        FILE *f = open_memstream(&text, ret_size);

        EXPECT(f != NULL);
        (void) fprintf(f, "[Match]\n");
        write_pattern(f, "Machine", rule->machine);
        write_pattern(f, "UUID", rule->uuid);
        write_pattern(f, "Kind", rule->kind);
        write_pattern(f, "Device", rule->device);
        write_pattern(f, "Liobn", rule->liobn);
        (void) fprintf(f, "[Policy]\n");
        if (rule->has_accel)
                (void) fprintf(f, "Accel=%s\n", accel_to_string(rule->setting.accel));
        if (rule->has_multitce)
                (void) fprintf(f, "MultiTce=%s\n", tristate_to_string(rule->setting.multitce));
        if (rule->has_huge_pages)
                (void) fprintf(f, "HugePages=%s\n", tristate_to_string(rule->setting.huge_pages));
        if (rule->has_numa_node && rule->setting.numa_node == NUMA_NODE_ANY)
                (void) fprintf(f, "NumaNode=any\n");
        else if (rule->has_numa_node)
                (void) fprintf(f, "NumaNode=%d\n", rule->setting.numa_node);
        (void) fclose(f);
        return text;
}

static bool same_text(const char *a, const char *b) {
        return a && b ? streq(a, b) : a == b;
}

static void check_same(const Rule *a, const Rule *b) {
        EXPECT(same_text(a->machine, b->machine) && same_text(a->uuid, b->uuid) && same_text(a->kind, b->kind));
        EXPECT(same_text(a->device, b->device) && same_text(a->liobn, b->liobn));
        EXPECT(a->has_accel == b->has_accel && a->has_multitce == b->has_multitce && a->has_huge_pages == b->has_huge_pages);
        EXPECT(a->has_numa_node == b->has_numa_node && a->setting.accel == b->setting.accel && a->setting.multitce == b->setting.multitce);
        EXPECT(a->setting.huge_pages == b->setting.huge_pages && a->setting.numa_node == b->setting.numa_node);
}

/* The longest names that there are, of what patterns like most. */
static void try_rule(Rule *rule) {
        const Rules rules = { .items = rule, .n = 1 };
        const PolicySetting by_default = { .numa_node = NUMA_NODE_ANY };
        char name[201];

        memset(name, 'a', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        for (int kind = 0; kind < _DEVICE_KIND_MAX; kind++) {
                Window w = { .kind = (DeviceKind) kind, .device = name, .liobn = 0x80000001 };
                const Rule *found = rule;
                PolicySetting s = policy_setting_for(&rules, &by_default, name, "00112233445566778899aabbccddeeff", &w, &found);

                EXPECT(found == rule || !found);
                EXPECT(found || s.accel == by_default.accel);
        }
        (void) policy_multitce_for(&rules, &by_default, name, "00112233445566778899aabbccddeeff");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Rule rule = {}, again = {};
        size_t written = 0;
        char *text;
        int n, r;

        if (size == 0)
                return 0;
        r = read_rule(data, size, &rule, &n);
        EXPECT(r == 1 || (r == 0 && n > 0));
        if (r == 0)
                return 0;
        try_rule(&rule);
        text = write_rule(&rule, &written);
        EXPECT(read_rule(text, written, &again, &n) == 1);
        check_same(&rule, &again);
        free(text);
        rule_clear(&rule);
        rule_clear(&again);
        return 0;
}
