/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What was meant by a word that nothing has for a name: the one of the names that takes the fewest slips of the finger. */

#include <stdbool.h>
#include <stddef.h>

#define NEAREST_TEXT_MAX 96U

typedef struct Nearest {
        const char *word; /* what was typed */
        size_t length;    /* so much of it */
        const char *found; /* NULL: nothing is near */
        size_t distance;
} Nearest;

/* The word and its first bytes (SIZE_MAX: all) must outlive the search, as must each name that is tried (NULL: none). */
Nearest nearest_to(const char *word, size_t length);
void nearest_try(Nearest *n, const char *name);
/* " Did you mean 'status'?", or "" where nothing is near. Returns buf. */
const char *nearest_text(const Nearest *n, const char *prefix, char buf[NEAREST_TEXT_MAX]);
