/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "domain_plan.h"

