/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every target has: libFuzzer calls it, and so does replay.c, which runs over the corpus in every build. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise that was broken ends the program, so that libFuzzer keeps the input. */
static inline void fuzz_expect(int holds, const char *what) {
        if (holds)
                return;
        (void) fprintf(stderr, "This does not hold: %s\n", what);
        abort();
}
