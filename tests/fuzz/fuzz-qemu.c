/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A libFuzzer target: the command line of any process that calls itself a QEMU, its words set apart by zero bytes, planned as the audit plans
 * it. An input must not crash, leak or hang; and what is answered must be fit to be passed on. */

#include <json-c/json.h>

#include "../unit/domain-fixtures.h"
#include "fuzz.h"

#define EXPECT(what) fuzz_expect((what), #what)
#define WORDS_MAX 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        DomainPlan plan = DOMAIN_PLAN_INIT;
        DomainError error = {};
        const char *words[WORDS_MAX] = { "qemu-system-ppc64" };
        char *text = malloc(size + 1), *json = NULL;
        size_t n = 1;
        PlanHost host;
        Host h;
        int r;

        if (!text)
                return 0;
        memcpy(text, data, size);
        text[size] = '\0';
        for (char *at = text; at < text + size && n < WORDS_MAX; at += strlen(at) + 1)
                words[n++] = at;
        good_host(&h);
        host = plan_host(&h);
        r = domain_plan_make_bare(words, n, true, &host, &plan, &error);
        if (r < 0) {
                EXPECT(r == -EINVAL || r == -ENOMEM);
                if (r == -EINVAL)
                        EXPECT(error.text[0] != '\0');
        } else {
                EXPECT(domain_plan_json(&plan, &json) == 0 && utf8_valid(json));
                free(json);
                domain_plan_clear(&plan);
        }
        free(text);
        return 0;
}
