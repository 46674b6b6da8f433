/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "domain_check.h"

int domain_check(DomainPlan *plan, const PlanHost *host) {
        return 0;
}
