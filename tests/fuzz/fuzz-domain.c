/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A libFuzzer target: a domain's XML from anybody, through all that tced does with it: read, planned, shown, mended. What stands behind a
 * first zero byte is a device to attach. An input must not crash, leak or hang; and what is answered must be fit to be passed on. */

#include <json-c/json.h>

#include "../unit/domain-fixtures.h"
#include "domain_fix.h"
#include "fuzz.h"

#define EXPECT(what) fuzz_expect((what), #what)

static void check_error(int r, const DomainError *error) {
        EXPECT(r == -EINVAL || r == -ENOMEM);
        if (r == -EINVAL)
                EXPECT(error->text[0] != '\0' && utf8_valid(error->text));
}

static void check_plan(const DomainPlan *plan) {
        struct json_object *json;
        char *text = NULL;

        EXPECT(domain_plan_json(plan, &text) == 0 && utf8_valid(text));
        json = json_tokener_parse(text);
        EXPECT(json && json_object_is_type(json, json_type_object));
        (void) json_object_put(json);
        free(text);
        for (size_t i = 0; i < plan->findings.n; i++)
                EXPECT(!isempty(plan->findings.items[i].text) && utf8_valid(plan->findings.items[i].text));
}

/* What could be planned can be planned when it is mended. */
static void check_fix(const char *xml, size_t size, const PlanHost *host) {
        DomainPlan plan = DOMAIN_PLAN_INIT;
        DomainError error = {};
        Fix fix = {};
        int r;

        r = domain_fix(xml, size, host, &fix, &error);
        if (r < 0) {
                check_error(r, &error);
                return;
        }
        for (size_t i = 0; i < fix.n_notes; i++)
                EXPECT(fix.notes[i].text[0] != '\0' && utf8_valid(fix.notes[i].text));
        EXPECT(domain_plan_make(fix.xml, strlen(fix.xml), NULL, host, &plan, &error) == 0);
        domain_plan_clear(&plan);
        fix_clear(&fix);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        DomainPlan plan = DOMAIN_PLAN_INIT;
        DomainError error = {};
        char *xml = malloc(size + 1), *attach = NULL;
        PlanHost host;
        size_t length;
        Host h;
        int r;

        if (!xml)
                return 0;
        memcpy(xml, data, size);
        xml[size] = '\0';
        length = strlen(xml);
        if (length < size)
                attach = xml + length + 1;
        good_host(&h);
        host = plan_host(&h);
        r = domain_plan_make(xml, length, attach, &host, &plan, &error);
        if (r < 0)
                check_error(r, &error);
        else
                check_plan(&plan);
        domain_plan_clear(&plan);
        if (r >= 0 && !attach)
                check_fix(xml, length, &host);
        free(xml);
        return 0;
}
