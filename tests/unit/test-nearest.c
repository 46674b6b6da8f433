/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "nearest.h"

#include <stdint.h>

#include "tap.h"
#include "util.h"

static const char *const names[] = { "status", "groups", "group", "machines", "plan", "explain", "bind", "enP1p0s1", NULL };

static void test_words(void) {
        static const struct {
                const char *word, *want;
        } cases[] = {
                { "staus", "status" },       /* one is missing */
                { "sttatus", "status" },     /* one too many */
                { "statsu", "status" },      /* two have changed places */
                { "bing", "bind" },
                { "grup", "group" },
                { "groupz", "groups" },      /* as near as group: the first one stands */
                { "mach", "machines" },      /* a beginning */
                { "enP1p0s2", "enP1p0s1" },
                { "plam", "plan" },
                { "x", NULL }, { "", NULL }, { "xyz", NULL }, { "bxyd", NULL }, { "frobnicate", NULL },
                { "0123456789012345678901234567890123456789012345678901234567890", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Nearest n = nearest_to(cases[i].word, SIZE_MAX);

                for (const char *const *name = names; *name; name++)
                        nearest_try(&n, *name);
                nearest_try(&n, NULL);
                nearest_try(&n, "");
                tap_streq(n.found ? n.found : "-", cases[i].want ? cases[i].want : "-", "'%s'", cases[i].word);
        }
}

static void test_text(void) {
        char text[NEAREST_TEXT_MAX], name[49];
        Nearest n = nearest_to("jsn=short", 3);

        tap_streq(nearest_text(&n, "--", text), "", "nothing is near yet");
        nearest_try(&n, "json");
        tap_streq(nearest_text(&n, "--", text), " Did you mean '--json'?", "and of a word so much as counts");
        memset(name, 'a', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        n = nearest_to(name, 47);
        nearest_try(&n, name);
        tap_ok(strlen(nearest_text(&n, "--", text)) == sizeof(name) - 1 + strlen(" Did you mean '--'?"), "the longest name has room");
}

int main(void) {
        test_words();
        test_text();
        return tap_done();
}
