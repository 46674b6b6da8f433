/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>

#include "domain_plan.h"

int domain_plan_json(const DomainPlan *plan, char **ret) {
        return -ENOSYS;
}
