/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is wrong with a domain before it is started: its findings, each with a remedy that names the device and where to move it.
 * An error is what makes the start fail; a warning does not. Pure but for memory. */

#include "domain_plan.h"

/* Adds to plan->findings. 0 or -ENOMEM. */
int domain_check(DomainPlan *plan, const PlanHost *host);
