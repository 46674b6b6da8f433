/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The state file, /run/tced/state.json, as it is found by a tced that starts (state_file.h writes it), and what is known of starts with it. It is
 * not synced: it is for this boot alone.
 *
 * Beside it there may be:
 *   state.json.new     the copy that is not in force: an older state, or one that was being written when tced was killed
 *   state.json.failed  how many starts with this state failed, one after the other
 *   state.json.bad     a state that was set aside, for a person to look at; .bad.1 to .bad.3: those before it */

#include <stdbool.h>
#include <stddef.h>

/* So many failures in a row are the state's. */
#define STORE_FAILURES_MAX 3U

typedef struct Store Store;

/* 0 or -ENOMEM. The path is copied. */
int store_new(const char *path, Store **ret);
Store *store_free(Store *s);

const char *store_path(const Store *s);
const char *store_temporary_path(const Store *s);
const char *store_bad_path(const Store *s);

/* The whole file, to be freed. -ENOENT: there is none; -EFBIG: more than max bytes; -EINVAL: it is no file; other negative errno. */
int store_read(Store *s, size_t max, char **ret, size_t *ret_size);

/* Out of the way, as state.json.bad; earlier ones become .bad.1 to .bad.3, of which the oldest goes. 0 or negative errno. */
int store_set_aside(Store *s);
bool store_has_bad(const Store *s);

/* Failures are counted from here on: a start that does not get as far as store_good() counts, whatever ended it; behind that an end by a
 * signal of a crash (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, which a watchdog sends), until store_proven(). Being killed by anyone
 * else is no failure, nor is an error at the start that has nothing to do with the state. How many failed before this one. */
unsigned store_begin(Store *s);
void store_good(Store *s);
void store_proven(Store *s);
