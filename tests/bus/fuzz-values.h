/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Random values for D-Bus messages, by signature: what a method may mean, what lies at its edges, and what it never expects. */

#include <systemd/sd-bus.h>

#include "util.h"

typedef struct Random {
        uint64_t state;
        /* What the message at hand may have yet: a bus ends the connection of whoever sends more than it allows. */
        size_t fds_left, long_texts_left;
} Random;

uint64_t random_next(Random *r);
/* 0 to n - 1 */
size_t random_below(Random *r, size_t n);
bool random_one_in(Random *r, size_t n);

/* Words and object paths that there are just now; borrowed. */
typedef struct Known {
        char **words, **paths;
        size_t n_words, n_paths;
} Known;

/* Appends one value for each type of the signature. negative errno: the message can't have it, and is to be dropped. */
int random_append(Random *r, const Known *known, sd_bus_message *m, const char *signature);
/* A signature out of nowhere. */
const char *random_signature(Random *r);
