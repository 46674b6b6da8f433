/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* INI files by libinih, line by line, so that whatever is wrong is told with its line, and nothing that is wrong takes
 * effect: a line too long for libinih is not cut, a section that can't be read is not taken for the one before it. */

#include <stdbool.h>
#include <stdio.h>

/* So many bytes a line may have, comments aside: libinih as packaged has room for 199. */
#define INI_LINE_MAX 190

/* Who hears what was read. Strings are valid during the call. */
typedef struct IniSink {
        /* A section begins; name NULL: one whose header can't be read, which bad() tells next. False: what is in it is passed over
         * in silence, as it is without a name. */
        bool (*section)(unsigned line, const char *name, void *userdata);
        /* A line KEY=VALUE in a section; blanks around both are gone. */
        void (*key)(unsigned line, const char *key, const char *value, void *userdata);
        /* A line that is neither, and is left out: what is wrong and what to do, for people. */
        void (*bad)(unsigned line, const char *text, void *userdata);
        void *userdata;
} IniSink;

/* Reads f to its end. 0; -EIO: f could not be read on; -ENOMEM. */
int ini_reader_run(FILE *f, const IniSink *sink);
