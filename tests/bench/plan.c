/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A large domain's plan, from its text to what is wrong with it, and what libxml2 needs to parse the text alone. */

#include "bench.h"
#include "domain_plan.h"
#include "domain_text.h"
#include "util.h"

#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>

/* 31 PHBs and 500 devices: 16 of them have a network adapter of five functions each. */
#define PHBS 31U
#define GROUPS 16U
#define FUNCTIONS 5U
#define EMULATED (500U - GROUPS * FUNCTIONS)

typedef struct PlanBench {
        char *xml;
        size_t size;
        PlanHost host;
} PlanBench;

static DeviceFacts devices[GROUPS][FUNCTIONS];
static char addresses[GROUPS][FUNCTIONS][16];
static GroupFacts groups[GROUPS];

/* A bare-metal host where all can be in the kernel. */
static KvmFacts kvm = {
        .vm.proof = PROOF_YES,
        .capability = {
                [KVM_CAPABILITY_TCE] = { 1, { .proof = PROOF_YES } },
                [KVM_CAPABILITY_TCE_64] = { 1, { .proof = PROOF_YES } },
                [KVM_CAPABILITY_TCE_VFIO] = { 1, { .proof = PROOF_YES } },
                [KVM_CAPABILITY_MULTITCE] = { 1, { .proof = PROOF_YES } },
        },
        .range_check.proof = PROOF_YES,
        .page_size = 65536,
        .release = "6.12.107",
        .machine = "ppc64le",
};
static VfioFacts vfio = { .platform = PLATFORM_POWERNV, .groups_supported = true, .iommu_class = true, .groups = groups, .n_groups = GROUPS };
static PolicySetting automatic = { .numa_node = NUMA_NODE_ANY };
static Rules no_rules;

static void make_groups(void) {
        for (unsigned i = 0; i < GROUPS; i++) {
                for (unsigned function = 0; function < FUNCTIONS; function++) {
                        domain_function(i, function, addresses[i][function]);
                        devices[i][function] = (DeviceFacts) {
                                .address = addresses[i][function], .driver = (char *) "vfio-pci", .numa_node = -1, .is_pci = true,
                        };
                }
                groups[i] = (GroupFacts) { .number = i, .devices = devices[i], .n_devices = FUNCTIONS, .numa_node = -1, .ddw = -1 };
        }
}

static int64_t run_plan(void *userdata) {
        PlanBench *b = userdata;
        DomainPlan plan = DOMAIN_PLAN_INIT;
        DomainError error = {};
        int r = domain_plan_make(b->xml, b->size, NULL, &b->host, &plan, &error);

        domain_plan_clear(&plan);
        return r;
}

/* With the options that tced has. */
static int64_t run_parse(void *userdata) {
        PlanBench *b = userdata;
        xmlDoc *doc = xmlReadMemory(b->xml, (int) b->size, NULL, NULL,
                                    XML_PARSE_NONET | XML_PARSE_NOENT | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA | XML_PARSE_BIG_LINES);

        if (!doc)
                return -EINVAL;
        xmlFreeDoc(doc);
        return 0;
}

/* All is there, and nothing is wrong with it: what is refused early is fast. */
static void check(PlanBench *b) {
        DomainPlan plan = DOMAIN_PLAN_INIT;
        DomainError error = {};

        if (domain_plan_make(b->xml, b->size, NULL, &b->host, &plan, &error) < 0)
                bench_fail("there is no plan: %s", error.text);
        if (plan.layout.n_phbs != PHBS || plan.domain.n_devices < EMULATED + GROUPS * FUNCTIONS || plan.plan.n_tables < PHBS)
                bench_fail("the plan has %zu PHBs, %zu devices, %zu tables", plan.layout.n_phbs, plan.domain.n_devices, plan.plan.n_tables);
        for (size_t i = 0; i < plan.findings.n; i++)
                bench_fail("the plan has a finding: %s: %s", plan.findings.items[i].subject, plan.findings.items[i].text);
        domain_plan_clear(&plan);
}

static void measure(const Comparison *comparison, bool as_defined) {
        const DomainShape shape = { .phbs = PHBS, .emulated = EMULATED, .groups = GROUPS, .functions = FUNCTIONS, .as_defined = as_defined };
        PlanBench b = { .xml = domain_text(&shape), .host = { .kvm = &kvm, .vfio = &vfio, .policy = &automatic, .rules = &no_rules } };
        Comparison c = *comparison;

        b.size = strlen(b.xml);
        check(&b);
        c.tced = (Side) { .run = run_plan, .userdata = &b };
        c.peer = (Side) { .run = run_parse, .userdata = &b };
        bench_compare(&c, NULL);
        free(b.xml);
}

void bench_plan(void) {
        static const struct { Comparison c; bool as_defined; } rows[] = {
                { { .id = "plan", .what = "plan of 31 PHBs, 500 devices, at start", .peer_name = "libxml2, parsing it", .goal = GOAL_TIMES,
                    .limit = 1.5 }, false },
                { { .id = "plan-defined", .what = "plan of the same, addresses left to libvirt", .peer_name = "libxml2, parsing it",
                    .goal = GOAL_TIMES, .limit = 1.5 }, true },
        };

        make_groups();
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (bench_wanted(rows[i].c.id))
                        measure(&rows[i].c, rows[i].as_defined);
}
