/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is longer than the terminal goes through a pager. What is printed is kept until all of it is there: so a failure starts no pager, and
 * what fits needs none. */

/* From now on what goes to stdout is kept. Nothing where standard output is no terminal, or one that is dumb. -ENOMEM. */
int pager_begin(void);

/* Shows what was kept, and waits for the pager where it needs one. -ENOMEM; what could not be written is in ferror(stdout). */
int pager_end(void);
