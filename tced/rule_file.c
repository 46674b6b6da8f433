/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reads a rule. The patterns of [Match] are brought here into the form in which policy.c compares them. */

#include "rule_file.h"

#include <fnmatch.h>
#include <stdarg.h>

#include "conf_value.h"
#include "ini_reader.h"
#include "util.h"

enum { SECTION_NONE, SECTION_MATCH, SECTION_POLICY };

/* A rule half-read. */
typedef struct RuleReading {
        const char *path;
        ConfWarnings *w;
        Rule rule;
        int section;
        bool seen_match, seen_policy;
        bool spoiled; /* it would match more than was meant; the rest is read for its warnings alone */
        bool out_of_memory;
} RuleReading;

/* Makes the pattern comparable, in place. NULL, or what is wrong with it. */
typedef const char *(*Normalize)(char *pattern);

typedef struct MatchKey {
        const char *key;
        size_t offset; /* of the char * in Rule */
        Normalize normalize;
} MatchKey;

typedef struct PolicyKey {
        Setting setting;
        size_t has_offset; /* of the bool in Rule */
} PolicyKey;

static void rule_reading_clear(RuleReading *reading) {
        rule_clear(&reading->rule);
}

/* A pattern that is none is a plain name, and must be a whole one. */
static bool is_glob(const char *pattern) {
        return pattern[strcspn(pattern, "*?[\\")] != '\0';
}

/* Where the bracket expression that begins at p ends: its ']', or NULL. A ']' right behind the '[' stands for itself; "[:xdigit:]" within it
 * is a class. */
static char *bracket_end(char *p) {
        p++;
        if (*p == '!' || *p == '^')
                p++;
        if (*p == ']')
                p++;
        for (; *p && *p != ']'; p++) {
                char *end = p[0] == '[' && p[1] == ':' ? strstr(p + 2, ":]") : NULL;

                if (end)
                        p = end + 1;
        }
        return *p ? p : NULL;
}

/* fnmatch() takes what it can't read as plain text, or as matching nothing: neither is what was meant. */
static const char *check_glob(char *pattern) {
        for (char *p = pattern; *p; p++) {
                if (*p == '\\') {
                        if (!*++p)
                                return "it ends in a backslash";
                } else if (*p == '[') {
                        p = bracket_end(p);
                        if (!p)
                                return "it has a '[' without a ']'";
                }
        }
        return NULL;
}

/* Names of machines and devices are the VMM's: any will do. */
static const char *normalize_plain(char *pattern) {
        return NULL;
}

/* The pattern stays; it must match at least one of the kinds that there are. */
static const char *normalize_kind(char *pattern) {
        for (int i = 0; i < _DEVICE_KIND_MAX; i++)
                if (fnmatch(pattern, device_kind_to_string((DeviceKind) i), 0) == 0)
                        return NULL;
        return "the kinds are vio, pci and vfio";
}

static void lower(char *text) {
        for (; *text; text++)
                if (*text >= 'A' && *text <= 'Z')
                        *text = (char) (*text - 'A' + 'a');
}

/* Dashes go, but for those inside brackets, which stand for ranges. */
static const char *normalize_uuid(char *pattern) {
        char *to = pattern;

        lower(pattern);
        for (char *from = pattern; *from; from++) {
                if (*from == '[') {
                        char *end = bracket_end(from);

                        while (from < end)
                                *to++ = *from++;
                }
                if (*from != '-')
                        *to++ = *from;
        }
        *to = '\0';
        if (!is_glob(pattern) && (strlen(pattern) != 32 || strspn(pattern, "0123456789abcdef") != 32))
                return "a UUID has 32 hexadecimal digits";
        return NULL;
}

/* Else it would match no LIOBN ever. Brackets may hold anything: classes are words. */
static bool is_of_digits(char *pattern) {
        for (char *p = pattern; *p; p++) {
                if (*p == '[')
                        p = bracket_end(p);
                else if (!strchr("0123456789abcdef*?", *p))
                        return false;
        }
        return true;
}

/* The pattern has room for eight digits: match_key() sees to it. */
static const char *normalize_liobn(char *pattern) {
        size_t n;

        lower(pattern);
        if (strncmp(pattern, "0x", 2) == 0)
                memmove(pattern, pattern + 2, strlen(pattern) - 1);
        if (is_glob(pattern))
                return is_of_digits(pattern) ? NULL : "a LIOBN's pattern is of hexadecimal digits, *, ? and [...]";
        n = strlen(pattern);
        if (n == 0 || n > 8 || !is_of_digits(pattern))
                return "a LIOBN is a hexadecimal number of up to eight digits";
        memmove(pattern + 8 - n, pattern, n + 1);
        memset(pattern, '0', 8 - n);
        return NULL;
}

static const MatchKey match_keys[] = {
        { "Machine", offsetof(Rule, machine), normalize_plain },
        { "UUID", offsetof(Rule, uuid), normalize_uuid },
        { "Kind", offsetof(Rule, kind), normalize_kind },
        { "Device", offsetof(Rule, device), normalize_plain },
        { "Liobn", offsetof(Rule, liobn), normalize_liobn },
};

static const PolicyKey policy_keys[] = {
        { { "Policy", "Accel", VALUE_ACCEL, offsetof(Rule, setting.accel) }, offsetof(Rule, has_accel) },
        { { "Policy", "MultiTce", VALUE_TRISTATE, offsetof(Rule, setting.multitce) }, offsetof(Rule, has_multitce) },
        { { "Policy", "HugePages", VALUE_TRISTATE, offsetof(Rule, setting.huge_pages) }, offsetof(Rule, has_huge_pages) },
        { { "Policy", "NumaNode", VALUE_NODE, offsetof(Rule, setting.numa_node) }, offsetof(Rule, has_numa_node) },
};

/* Warns, and sees to it that this rule never comes into force. */
static _printf_(3, 4) void spoil(RuleReading *reading, unsigned line, const char *format, ...) {
        char text[384];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        reading->spoiled = true;
        conf_warn(reading->w, reading->path, line, "%s; the whole rule is ignored", text);
}

/* IniSink: a header. Two of a kind are two rules in one file, which would become one that matches something else. */
static bool on_section(unsigned line, const char *name, void *userdata) {
        RuleReading *reading = userdata;
        bool match, *seen;

        reading->section = SECTION_NONE;
        if (!name)
                return false;
        match = streq(name, "Match");
        if (!match && !streq(name, "Policy")) {
                spoil(reading, line, "there is no section [%s] in a rule, [Match] and [Policy] are the ones", name);
                return false;
        }
        seen = match ? &reading->seen_match : &reading->seen_policy;
        if (*seen)
                spoil(reading, line, "[%s] occurs twice; write a file for each rule", name);
        *seen = true;
        reading->section = match ? SECTION_MATCH : SECTION_POLICY;
        return true;
}

/* A line of [Match]. Whatever is odd about it spoils the rule. */
static void match_key(RuleReading *reading, unsigned line, const char *key, const char *value) {
        const MatchKey *found = NULL;
        _cleanup_free_ char *pattern = NULL;
        const char *wrong;
        char **place;

        for (size_t i = 0; i < ELEMENTSOF(match_keys) && !found; i++)
                if (streq(match_keys[i].key, key))
                        found = &match_keys[i];
        if (!found) {
                spoil(reading, line, "there is no %s= in [Match], only Machine=, UUID=, Kind=, Device= and Liobn=", key);
                return;
        }
        place = (char **) ((char *) &reading->rule + found->offset);
        if (*place) {
                spoil(reading, line, "%s= occurs twice; write a file for each, or one pattern for both", key);
                return;
        }
        if (isempty(value)) {
                spoil(reading, line, "%s= is empty; leave the line out to match every one", key);
                return;
        }
        /* Room for normalize_liobn() to fill up with zeroes. */
        pattern = calloc(1, strlen(value) + sizeof("00000000"));
        if (!pattern) {
                reading->out_of_memory = true;
                return;
        }
        (void) strcpy(pattern, value);
        wrong = check_glob(pattern);
        if (!wrong)
                wrong = found->normalize(pattern);
        if (wrong)
                spoil(reading, line, "%s=%s can't match: %s", key, value, wrong);
        else
                *place = TAKE_PTR(pattern);
}

/* A line of [Policy]. What is odd about it leaves the rule with a setting less. */
static void policy_key(RuleReading *reading, unsigned line, const char *key, const char *value) {
        const PolicyKey *found = NULL;
        bool *has;
        int r;

        for (size_t i = 0; i < ELEMENTSOF(policy_keys) && !found; i++)
                if (streq(policy_keys[i].setting.key, key))
                        found = &policy_keys[i];
        if (!found) {
                conf_warn(reading->w, reading->path, line,
                          "there is no %s= in a rule's [Policy], only Accel=, MultiTce=, HugePages= and NumaNode=; the line is "
                          "ignored", key);
                return;
        }
        has = (bool *) ((char *) &reading->rule + found->has_offset);
        if (*has)
                conf_warn(reading->w, reading->path, line, "%s= occurs twice; the later one counts, remove one", key);
        r = setting_parse(&found->setting, value, &reading->rule);
        if (r == -ENOMEM)
                reading->out_of_memory = true;
        else if (r < 0)
                conf_warn(reading->w, reading->path, line, "%s=%s is not understood, it takes %s; the line is ignored", key,
                          value, value_type_text(found->setting.type));
        else
                *has = true;
}

static void on_key(unsigned line, const char *key, const char *value, void *userdata) {
        RuleReading *reading = userdata;

        if (reading->section == SECTION_MATCH)
                match_key(reading, line, key, value);
        else
                policy_key(reading, line, key, value);
}

/* In [Policy] a bad line is a setting less; anywhere else it might have been a pattern. */
static void on_bad(unsigned line, const char *text, void *userdata) {
        RuleReading *reading = userdata;

        if (reading->section == SECTION_POLICY)
                conf_warn(reading->w, reading->path, line, "%s", text);
        else
                spoil(reading, line, "%s", text);
}

/* What can only be told once all of it was read. */
static void check_rule(RuleReading *reading) {
        const Rule *rule = &reading->rule;

        if (!rule->has_accel && !rule->has_multitce && !rule->has_huge_pages && !rule->has_numa_node)
                spoil(reading, 0, "the rule has no setting; give it Accel=, MultiTce=, HugePages= or NumaNode= under [Policy]");
        else if (rule->has_multitce && (rule->kind || rule->device || rule->liobn))
                conf_warn(reading->w, reading->path, 0,
                          "MultiTce= is for a whole VM and has no effect in a rule with Kind=, Device= or Liobn=; put it into a "
                          "rule without them");
}

int rule_file_read(const char *path, FILE *f, ConfWarnings *w, Rule *ret) {
        _cleanup_(rule_reading_clear) RuleReading reading = {
                .path = path,
                .w = w,
                .rule.setting.numa_node = NUMA_NODE_ANY,
        };
        IniSink sink = { .section = on_section, .key = on_key, .bad = on_bad, .userdata = &reading };
        int r = ini_reader_run(f, &sink);

        if (r == -ENOMEM)
                return r;
        if (r < 0)
                spoil(&reading, 0, "the file can't be read to its end: %s", strerror(-r));
        if (!reading.spoiled)
                check_rule(&reading);
        reading.rule.path = strdup(path);
        if (reading.out_of_memory || !reading.rule.path)
                return -ENOMEM;
        if (reading.spoiled)
                return 0;
        *ret = TAKE_GENERIC(reading.rule, Rule, (Rule) {});
        return 1;
}
