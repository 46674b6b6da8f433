/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "memlock.h"

void memlock_limit(const Domain *d, const VfioFacts *vfio, bool *ret_unlimited, uint64_t *ret_bytes) {
        *ret_unlimited = false;
        *ret_bytes = 0;
}

uint64_t memlock_charged(const Domain *d, const Plan *plan, const VfioFacts *vfio, uint64_t page_size) {
        return 0;
}
