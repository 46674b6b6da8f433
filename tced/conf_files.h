/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which configuration files there are, in systemd's way: /etc before /run before /usr/lib, the same name in an earlier one
 * hides those in later ones, an empty file or a link to /dev/null stands for nothing. */

#include <stddef.h>
#include <stdio.h>

#include "config.h"

/* Where warnings go, and how many there were. */
typedef struct ConfWarnings {
        ConfigWarning warn; /* may be NULL: just counted */
        void *userdata;
        int n;
} ConfWarnings;

void conf_warn(ConfWarnings *w, const char *file, unsigned line, const char *format, ...)
        __attribute__((__format__(__printf__, 4, 5)));

typedef struct ConfFiles {
        char **paths; /* by file name */
        size_t n;
        size_t allocated;
} ConfFiles;

void conf_files_clear(ConfFiles *files);

/* The files in ROOT/{etc,run,usr/lib}/tced/FOLDER/ whose names end in suffix, those that stand for nothing among them. A
 * folder that can't be read is a warning. 0 or -ENOMEM; *ret is untouched on failure. */
int conf_files_list(const char *root, const char *folder, const char *suffix, ConfWarnings *w, ConfFiles *ret);

/* The first that is there of ROOT/{etc,run,usr/lib}/tced/NAME; NULL: none. 0 or -ENOMEM. */
int conf_files_find(const char *root, const char *name, char **ret);

/* Opens one. 1; 0: it stands for nothing, or a warning says why it can't be read. */
int conf_file_open(const char *path, ConfWarnings *w, FILE **ret);
