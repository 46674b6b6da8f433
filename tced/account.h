/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What VMs cost, in all and for each user who registered them: counted before anything is made, taken back when it is gone. Root is
 * counted in all, not by user. */

#include <sys/types.h>

#include "manager.h"

/* Books this for a user. 0; -EINVAL with why where a limit of tced.conf would be exceeded, or there is no memory: nothing is booked then. */
int account_charge(Manager *m, uid_t uid, Cost cost, Refusal *refusal);
/* The same for those who have it already (a state that was read): limits that were lowered since don't count. 0 or -ENOMEM. */
int account_adopt(Manager *m, uid_t uid, Cost cost);
void account_release(Manager *m, uid_t uid, Cost cost);

/* One by one, by the names of the settings: the limits, and what is taken in all of those that have one. false: there are no more. */
typedef bool (*AccountNumberAt)(const Manager *m, size_t index, const char **ret_name, uint64_t *ret_value);
bool account_limit_at(const Manager *m, size_t index, const char **ret_name, uint64_t *ret_value);
bool account_usage_at(const Manager *m, size_t index, const char **ret_name, uint64_t *ret_value);
