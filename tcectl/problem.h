/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What went wrong, on its way from where it was seen to where it is printed. */

#include "util.h"

typedef struct Problem {
        char text[1024]; /* one line for a person: the thing, the operation, the remedy */
        char name[96];   /* the bus's name of it; "": it did not come over the bus */
        bool absent;     /* there is no tced where one was looked for: what can be done without it may be */
} Problem;

/* Fills in the text, and gives r back to be returned. */
int problem_set(Problem *problem, int r, const char *format, ...) _printf_(3, 4);
/* Puts more behind the text. */
void problem_add(Problem *problem, const char *format, ...) _printf_(2, 3);
/* Puts "WHERE: " before the text. */
void problem_locate(Problem *problem, const char *where);
