/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The adapter's side of the connection to tced: one machine, claimed, its plan kept. What talks to tced ends at a deadline;
 * a connection that was lost is libtced's to make anew, one that never was is made at the next need. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tced.h"

typedef struct Session {
        const char *address; /* as for tced_connect() */
        const char *name;    /* the machine's name or UUID */
        struct tced *tced;
        struct tced_machine *machine;
        struct tced_planned *plan; /* kept for good, whatever becomes of tced */
        size_t n_plan;
        bool has_plan;
        bool multitce;
        bool away;         /* tced was not there when it was last asked */
        char error[320];   /* of the last thing that failed */
} Session;

/* Claims the machine and fetches the plan. 0 or negative errno, with Session.error. */
int session_start(Session *s, uint64_t limit_usec);
void session_clear(Session *s);

/* tced_open_window(), within that limit; the machine is claimed first where it isn't yet. */
int session_open_window(Session *s, const struct tced_planned *w, int refused, uint64_t limit_usec, const char **ret_placement, int *ret_fd);
/* Tells tced that a table was made in the kernel. Waits for nothing. */
void session_report(Session *s, uint32_t liobn, const char *placement);

/* tced's word of a window is kept for when tced is away. 0 or -ENOMEM. */
int session_keep(Session *s, const struct tced_planned *w);
