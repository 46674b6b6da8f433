/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "util.h"

/* How long tced is waited for that was away before: hardly, as a guest opens many windows when it is reset. */
#define AWAY_USEC UINT64_C(5000)

static uint64_t now_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

/* What is left until then; at least a moment, as 0 would be libtced's own default. */
static uint64_t left_until(uint64_t end) {
        uint64_t now = now_usec();

        return end > now + 1000 ? end - now : 1000;
}

static int failed(Session *s, int error, const char *what) {
        const char *text = s->tced ? tced_last_error(s->tced) : "";

        (void) snprintf(s->error, sizeof(s->error), "%s", isempty(text) || error == -ETIMEDOUT ? strerrordesc_np(-error) : text);
        if (isempty(text) || error == -ETIMEDOUT)
                (void) snprintf(s->error, sizeof(s->error), "%s: %s", what, strerrordesc_np(-error));
        return error;
}

static void disconnect(Session *s) {
        s->machine = tced_machine_unref(s->machine);
        s->tced = tced_unref(s->tced);
}

static int connect_until(Session *s, uint64_t end) {
        int r;

        if (s->machine) {
                tced_set_timeout(s->tced, left_until(end));
                return 0;
        }
        r = tced_connect(s->address, left_until(end), &s->tced);
        if (r < 0)
                return failed(s, r, "no connection to tced");
        tced_set_timeout(s->tced, left_until(end));
        r = tced_find(s->tced, s->name, &s->machine);
        if (r >= 0) {
                tced_set_timeout(s->tced, left_until(end));
                r = tced_claim(s->machine);
        }
        if (r < 0) {
                (void) failed(s, r, "the machine can't be claimed");
                disconnect(s);
                return r;
        }
        tced_set_timeout(s->tced, left_until(end));
        return 0;
}

int session_start(Session *s, uint64_t limit_usec) {
        uint64_t end = now_usec() + limit_usec;
        int r = connect_until(s, end);

        if (r < 0)
                return r;
        r = tced_fetch_plan(s->machine, &s->plan, &s->n_plan);
        if (r < 0) {
                (void) failed(s, r, "no plan");
                disconnect(s);
                return r;
        }
        s->multitce = tced_machine_multitce_allowed(s->machine);
        s->has_plan = true;
        return 0;
}

void session_clear(Session *s) {
        disconnect(s);
        s->plan = tced_planned_free(s->plan, s->n_plan);
        s->n_plan = 0;
        s->has_plan = false;
}

int session_open_window(Session *s, const struct tced_planned *w, int refused, uint64_t limit_usec, const char **ret_placement, int *ret_fd) {
        uint64_t end = now_usec() + limit_usec;
        int r;

        /* What tced said unasked meanwhile is of no use here; and that it is gone shows. */
        if (s->machine && tced_process(s->tced) >= 0 && tced_get_fd(s->tced) < 0 && s->away)
                end = now_usec() + AWAY_USEC;
        r = connect_until(s, end);
        if (r < 0)
                return r;
        r = tced_open_window(s->machine, w, refused, ret_placement, ret_fd);
        s->away = r < 0 && tced_get_fd(s->tced) < 0;
        return r < 0 ? failed(s, r, "no answer about a window") : 0;
}

void session_report(Session *s, uint32_t liobn, const char *placement) {
        if (s->machine)
                (void) tced_report_table(s->machine, liobn, placement, 0);
}

int session_keep(Session *s, const struct tced_planned *w) {
        struct tced_planned *more;

        for (size_t i = 0; i < s->n_plan; i++) {
                struct tced_planned *p = &s->plan[i];

                if (p->liobn == w->liobn && p->page_shift == w->page_shift && p->bus_offset == w->bus_offset) {
                        p->placement = w->placement;
                        return 0;
                }
        }
        more = realloc(s->plan, (s->n_plan + 1) * sizeof(*more));
        if (!more)
                return -ENOMEM;
        s->plan = more;
        s->plan[s->n_plan] = *w;
        s->plan[s->n_plan++].fd = -1;
        return 0;
}
