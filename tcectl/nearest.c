/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What nearest.h declares. */

#include "nearest.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "util.h"

/* Longer words are typed by nobody. */
#define WORD_MAX 48U

static size_t least(size_t a, size_t b) {
        return a < b ? a : b;
}

/* Letters that are missing, too many, other ones, or in each other's place (the distance of optimal string alignment). */
static size_t slips(const char *a, size_t a_length, const char *b, size_t b_length) {
        size_t rows[3][WORD_MAX + 1], *before = rows[0], *last = rows[1], *row = rows[2];

        for (size_t j = 0; j <= b_length; j++)
                last[j] = before[j] = j;
        for (size_t i = 1; i <= a_length; i++) {
                size_t *free_row = before;

                row[0] = i;
                for (size_t j = 1; j <= b_length; j++) {
                        row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                                row[j] = least(row[j], before[j - 2] + 1);
                }
                before = last;
                last = row;
                row = free_row;
        }
        return last[b_length];
}

Nearest nearest_to(const char *word, size_t length) {
        return (Nearest) { .word = word, .length = least(length, strlen(word)) };
}

/* A slip in each three letters, and not most of a short word. The beginning of a name is as good as one slip. */
void nearest_try(Nearest *n, const char *name) {
        size_t length = name ? strlen(name) : 0, distance;

        if (length == 0 || length > WORD_MAX || n->length < 2 || n->length > WORD_MAX)
                return;
        distance = slips(n->word, n->length, name, length);
        if (distance > 1 && length > n->length && strncmp(n->word, name, n->length) == 0)
                distance = 1;
        if (distance > (n->length + 1) / 3 || (n->found && distance >= n->distance))
                return;
        n->found = name;
        n->distance = distance;
}

const char *nearest_text(const Nearest *n, const char *prefix, char buf[NEAREST_TEXT_MAX]) {
        *buf = '\0';
        if (n->found)
                (void) snprintf(buf, NEAREST_TEXT_MAX, " Did you mean '%s%s'?", prefix, n->found);
        return buf;
}
