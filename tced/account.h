/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What VMs cost, in all and for each user who registered them: counted before anything is made, taken back when it is gone. Root is
 * counted in all, not by user. */

#include <stdint.h>
#include <sys/types.h>

#include "manager.h"

/* Books `machines` VMs and `bytes` of `user` tables for a user. 0; -EINVAL with why where a limit of tced.conf would be exceeded, or
 * there is no memory: nothing is booked then. */
int account_charge(Manager *m, uid_t uid, uint64_t machines, uint64_t bytes, Refusal *refusal);
/* The same for those who have them already (a state that was read): limits that were lowered since don't count. 0 or -ENOMEM. */
int account_adopt(Manager *m, uid_t uid, uint64_t machines, uint64_t bytes);
void account_release(Manager *m, uid_t uid, uint64_t machines, uint64_t bytes);
