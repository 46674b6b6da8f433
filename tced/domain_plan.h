/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From a domain's XML to all that tced has to say of it: layout, tables, costs, findings. The one door to the planner: the bus, the
 * hook's request and `tcectl plan --offline` come through it. Pure but for memory. */

#include "config.h"
#include "domain.h"
#include "domain_layout.h"
#include "domain_read.h"
#include "finding.h"
#include "memlock.h"
#include "plan.h"

/* The host that is planned for. All borrowed. */
typedef struct PlanHost {
        const KvmFacts *kvm;
        const VfioFacts *vfio;
        const PolicySetting *policy; /* the default */
        const Rules *rules;
        const AdapterFacts *adapter; /* NULL: not known */
        /* Which other VM has this IOMMU group: a name for people, or NULL. May be NULL itself. uuid: of the VM that is planned. */
        const char *(*holder)(unsigned group, const char *uuid, void *userdata);
        void *userdata;
} PlanHost;

typedef struct DomainPlan {
        Domain domain; /* completed */
        Layout layout;
        Plan plan;
        Memlock memlock;
        Findings findings;
} DomainPlan;

#define DOMAIN_PLAN_INIT {}

/* Plans the domain in `xml`, with the device in `attach` added to it where that is not NULL. 0; -EINVAL with *error (XML that
 * can't be understood); -ENOMEM. Whatever else is wrong with the domain is a finding. *ret is untouched on failure. */
int domain_plan_make(const char *xml, size_t size, const char *attach, const PlanHost *host, DomainPlan *ret, DomainError *error);
/* The same of a QEMU's command line (qemu_args.h), which is not checked: it has no findings. A machine that is no pseries has no tables.
 * on_kvm: it is known to run on KVM, whatever the arguments leave open. */
int domain_plan_make_bare(const char *const *argv, size_t n, bool on_kvm, const PlanHost *host, DomainPlan *ret, DomainError *error);
void domain_plan_clear(DomainPlan *plan);

/* The first finding that makes the start fail, or NULL. */
const Finding *domain_plan_refusal(const DomainPlan *plan);

/* The plan as JSON (docs/plan.md), in one line. 0 or -ENOMEM. */
int domain_plan_json(const DomainPlan *plan, char **ret);
