/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A libFuzzer target: a host's facts from anybody's file (`tcectl plan --host FILE`), read, and a domain planned and mended for such a
 * host. An input must not crash, leak or hang; and what is answered must be fit to be passed on. */

#include <json-c/json.h>

#include "../unit/domain-fixtures.h"
#include "domain_fix.h"
#include "facts_json.h"
#include "fuzz.h"

#define EXPECT(what) fuzz_expect((what), #what)

/* What asks for most of the facts: passed-through devices, a mixed PHB, VIO, a rule's device. */
static const char xml[] = KVM(PHB("1", "1") HOSTDEV("yes", "0x0001", "0x0", PCI_AT("0x01", "0x01"))
                              HOSTDEV("no", "0x0002", "0x0", PCI_AT("0x00", "0x05")) NET("virtio", "") VLAN("0x1000"));

static const char *holder_of(unsigned group, const char *uuid, void *userdata) {
        const HostFacts *f = userdata;

        for (size_t i = 0; i < f->vfio.n_groups; i++)
                if (f->vfio.groups[i].number == group && f->holders && f->holders[i] && !streq(f->holders[i], uuid))
                        return f->holders[i];
        return NULL;
}

static void check_plan(const PlanHost *host) {
        DomainPlan plan = DOMAIN_PLAN_INIT;
        DomainError error = {};
        struct json_object *json;
        char *text = NULL;
        int r = domain_plan_make(xml, strlen(xml), NULL, host, &plan, &error);

        if (r < 0) {
                EXPECT(r == -EINVAL && error.text[0] != '\0' && utf8_valid(error.text));
                return;
        }
        EXPECT(domain_plan_json(&plan, &text) == 0 && utf8_valid(text));
        json = json_tokener_parse(text);
        EXPECT(json && json_object_is_type(json, json_type_object));
        (void) json_object_put(json);
        free(text);
        for (size_t i = 0; i < plan.findings.n; i++)
                EXPECT(!isempty(plan.findings.items[i].text) && utf8_valid(plan.findings.items[i].text));
        domain_plan_clear(&plan);
}

static void check_fix(const PlanHost *host) {
        DomainError error = {};
        Fix fix = {};
        int r = domain_fix(xml, strlen(xml), host, &fix, &error);

        if (r < 0) {
                EXPECT(r == -EINVAL && error.text[0] != '\0' && utf8_valid(error.text));
                return;
        }
        for (size_t i = 0; i < fix.n_notes; i++)
                EXPECT(fix.notes[i].text[0] != '\0' && utf8_valid(fix.notes[i].text));
        fix_clear(&fix);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char why[FACTS_ERROR_MAX] = "";
        HostFacts facts = {};
        PlanHost host;
        int r = host_facts_read((const char *) data, size, &facts, why);

        if (r < 0) {
                EXPECT(r == -EINVAL && why[0] != '\0' && utf8_valid(why));
                return 0;
        }
        host = (PlanHost) {
                .kvm = &facts.kvm, .vfio = &facts.vfio, .policy = &facts.policy, .rules = &facts.rules,
                .adapter = &facts.adapter, .holder = holder_of, .userdata = &facts,
        };
        check_plan(&host);
        check_fix(&host);
        host_facts_clear(&facts);
        return 0;
}
