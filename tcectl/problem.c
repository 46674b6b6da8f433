/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What problem.h declares. Texts that are too long are cut at a character. */

#include "problem.h"

#include <stdarg.h>

int problem_set(Problem *problem, int r, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(problem->text, sizeof(problem->text), format, ap);
        va_end(ap);
        (void) utf8_mend(problem->text);
        problem->name[0] = '\0';
        problem->absent = false;
        return r;
}

void problem_add(Problem *problem, const char *format, ...) {
        size_t n = strlen(problem->text);
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(problem->text + n, sizeof(problem->text) - n, format, ap);
        va_end(ap);
        (void) utf8_mend(problem->text);
}

void problem_locate(Problem *problem, const char *where) {
        char copy[sizeof(problem->text)], before[320];

        memcpy(copy, problem->text, sizeof(copy));
        (void) snprintf(before, sizeof(before), "%.300s: ", where);
        (void) snprintf(problem->text, sizeof(problem->text), "%s%.*s", before, (int) (sizeof(problem->text) - strlen(before) - 1), copy);
        (void) utf8_mend(problem->text);
}
