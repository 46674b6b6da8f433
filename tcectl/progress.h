/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A word to who waits at a terminal: a line on standard error once something takes a second, gone when it is done. */

/* One at a time. Nothing where standard error is no terminal or a dumb one, or with NULL. */
void progress_begin(const char *text);
void progress_end(void);
