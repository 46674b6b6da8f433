/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A file that others read while it is written anew (--output): they find the old one or the new one, whole. */

#include <limits.h>
#include <stdio.h>

#include "problem.h"

typedef struct OutputFile {
        const char *path;
        char temporary[PATH_MAX]; /* "": nothing is open */
        FILE *f;
} OutputFile;

/* What is there is replaced or removed, which a device or a link must not be. 0 or -EEXIST with *problem filled in. */
int output_file_check(const char *path, Problem *problem);
/* Beside the path, readable by everybody once it is there. 0 or negative errno with *problem filled in. */
int output_file_open(OutputFile *o, const char *path, Problem *problem);
/* Puts it in place, or where r is negative takes it away. r, or negative errno with *problem filled in. */
int output_file_close(OutputFile *o, int r, Problem *problem);
