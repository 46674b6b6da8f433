/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* AcquireTables: what a VMM waits for before its guest can run. */

#include "bench.h"

void bench_acquire(void) {
        (void) bench_wanted("acquire-socket");
}
