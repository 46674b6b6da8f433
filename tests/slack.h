/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What valgrind changes for a test: all takes many times as long (tools/test --valgrind says how many), and a process's memory is
 * valgrind's, too. Whatever a test waits for or has done within a time is stretched by this; debian/rules does so for slow machines, without
 * valgrind. */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline unsigned slack(void) {
        const char *text = getenv("TCED_SLACK");
        int factor = text ? atoi(text) : 0;

        return factor > 0 ? (unsigned) factor : 1;
}

static inline bool under_valgrind(void) {
        return getenv("TCED_VALGRIND");
}

/* For a child that is to become another user and to start a program: valgrind's log of it was made by this one, and the program's is to be the
 * same file. */
static inline void valgrind_log_to(uid_t uid) {
        const char *logs = getenv("TCED_VALGRIND_LOGS");
        char path[128];

        if (!logs)
                return;
        (void) snprintf(path, sizeof(path), "%s/%d", logs, (int) getpid());
        (void) !chown(path, uid, (gid_t) -1);
}

/* Does it run where what is freed is kept for a while, so that memory tells nothing: sanitizers, valgrind? */
static inline bool keeps_what_is_freed(void) {
        return getenv("ASAN_OPTIONS") || under_valgrind();
}

/* A point: a process had `before` KiB of memory, and has less than so many more. */
#define tap_memory(before, after, more, name)                                                                           \
        do {                                                                                                            \
                if (under_valgrind())                                                                                   \
                        tap_skip("the process's memory is valgrind's too, which keeps what is freed for a while", name); \
                else                                                                                                    \
                        (void) tap_ok((after) < (before) + (more) || keeps_what_is_freed(), "%s: %ld KiB, then %ld KiB", \
                                      (name), (before), (after));                                                       \
        } while (0)
