/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>

#include "domain_plan.h"

int domain_plan_make(const char *xml, size_t size, const char *attach, const PlanHost *host, DomainPlan *ret, DomainError *error) {
        return -ENOSYS;
}

void domain_plan_clear(DomainPlan *plan) {
        *plan = (DomainPlan) DOMAIN_PLAN_INIT;
}

const Finding *domain_plan_refusal(const DomainPlan *plan) {
        return NULL;
}
