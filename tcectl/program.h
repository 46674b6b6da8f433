/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Other programs of $PATH, run to their end: dot, tar, journalctl. */

#include <stddef.h>

/* What it has as its standard input, output and errors; -EBADF: /dev/null. */
typedef struct ProgramFds {
        int in, out, err;
} ProgramFds;

/* Its exit status, 128 where a signal ended it. Negative errno: -ENOENT: there is none of that name; -ETIMEDOUT: it was ended after so many
 * seconds. argv ends with NULL. */
int program_run(const char *const *argv, ProgramFds fds, unsigned seconds);

/* The same, with what it prints, NUL behind it, to be freed; also where its status is not 0. -EFBIG: more than max bytes, and it was ended. */
int program_read(const char *const *argv, int in, size_t max, char **ret, size_t *ret_size);
