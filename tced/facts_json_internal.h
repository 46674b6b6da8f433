/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What facts_json*.c share, and nobody else includes. */

#include "facts_json.h"
#include "json_read.h"

static inline bool is_power_of_two(uint64_t n) {
        return n > 0 && (n & (n - 1)) == 0;
}

/* Each reads its member of the document, which may be absent. 0 or more, -EINVAL with the fault filled in, or -ENOMEM; what
 * was read so far is in *f. */
int facts_read_groups(const JsonPlace *document, HostFacts *f);
int facts_read_policy(const JsonPlace *document, HostFacts *f);
/* The members "proven" and "why" of an object, the same way. */
int facts_read_outcome(const JsonPlace *at, Outcome *ret);
