/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tced went, and comes back: it was killed, upgraded, or just stopped. Two ways lead to a new connection: a call makes one, and waits for
 * tced within its time limit; tced_process() makes one for a caller's loop, and never waits. */

#include <time.h>

#include "internal.h"

/* Between two tries, twice as long each time. The socket is gone for some ten milliseconds where tced is killed by itself. */
#define PAUSE_FIRST_USEC UINT64_C(5000)
#define PAUSE_MAX_USEC UINT64_C(250000)

/* A socket whose queue is full is as good as none for a loop, which can't wait; 0 would wait for good. */
#define NO_WAIT_USEC UINT64_C(1000)

/* So many of tced's signals are dropped in one tced_process(), so that a caller's loop gets its turn. */
#define MESSAGES_PER_TURN 64U

bool connection_is_gone(const struct tced *t) {
        return !t->closed && (!t->bus || sd_bus_is_open(t->bus) <= 0);
}

static uint64_t longer(uint64_t pause) {
        return pause == 0 ? PAUSE_FIRST_USEC : pause * 2 < PAUSE_MAX_USEC ? pause * 2 : PAUSE_MAX_USEC;
}

int connection_pause(uint64_t *pause, uint64_t end) {
        uint64_t now = connection_now(), usec;
        struct timespec ts;

        if (now >= end)
                return -ETIMEDOUT;
        *pause = longer(*pause);
        usec = *pause < end - now ? *pause : end - now;
        ts = (struct timespec) { .tv_nsec = (long) usec * 1000 };
        (void) nanosleep(&ts, NULL);
        return 0;
}

int connection_next(struct tced *t, const char *member, uint64_t *pause, uint64_t end) {
        if (connection_pause(pause, end) >= 0)
                return 0;
        return connection_error(t, -ETIMEDOUT, "%s: tced goes each time before it answers; see `systemctl status tced`", member);
}

int connection_retry(struct tced *t) {
        sd_bus *bus = NULL;
        bool is_bus;
        int r;

        /* Where it was found before, and nowhere else: one that is away for a moment isn't on the bus in its socket's place. */
        r = connection_open(t->address, t->destination, NO_WAIT_USEC, &bus, &is_bus);
        if (r < 0)
                return r;
        (void) sd_bus_close_unref(t->bus);
        t->bus = bus;
        t->number++;
        return 0;
}

/* May it be another at the next try? What lacks here, or can't be, stays so. */
static bool may_change(int error) {
        return error != -ENOMEM && error != -EMFILE && error != -ENFILE && error != -EINVAL && error != -ECHILD;
}

int connection_revive(struct tced *t, const char *member, uint64_t end) {
        uint64_t pause = 0;
        int r;

        if (t->closed)
                return connection_error(t, -ENOTCONN, "%s: the connection to tced was closed; connect again", member);
        for (;;) {
                r = connection_is_gone(t) ? connection_retry(t) : 0;
                if (r >= 0)
                        r = connection_wait_ready(t->bus, end);
                if (r >= 0)
                        break;
                if (!may_change(r))
                        return connection_error(t, r, "%s: no connection to tced: %s", member, strerrordesc_np(-r));
                /* Also where its queue is full: behind a start all come at once. */
                if (connection_pause(&pause, end) < 0)
                        return connection_error(t, -ETIMEDOUT,
                                                "%s: tced is away, and did not come back in time (%s); see `systemctl status tced`", member,
                                                strerrordesc_np(-r));
        }
        t->retry_usec = UINT64_MAX;
        t->pause_usec = 0;
        return 0;
}

/* ---- for a caller's loop ---- */

_public_ int tced_get_fd(struct tced *t) {
        return t->closed || connection_is_gone(t) ? -ENOTCONN : sd_bus_get_fd(t->bus);
}

_public_ int tced_get_events(struct tced *t) {
        return t->closed ? -ENOTCONN : connection_is_gone(t) ? 0 : sd_bus_get_events(t->bus);
}

_public_ int tced_get_timeout(struct tced *t, uint64_t *ret_usec) {
        uint64_t usec = UINT64_MAX;
        int r;

        if (t->closed)
                return -ENOTCONN;
        if (connection_is_gone(t)) {
                /* Not said yet by tced_process(): at once. */
                *ret_usec = t->retry_usec == UINT64_MAX ? 0 : t->retry_usec;
                return 1;
        }
        r = sd_bus_get_timeout(t->bus, &usec);
        if (r < 0)
                return r;
        *ret_usec = usec;
        return 0;
}

_public_ uint64_t tced_get_connection_number(const struct tced *t) {
        return t->number;
}

/* The next try is due later than the last one was. */
static void put_off(struct tced *t) {
        t->pause_usec = longer(t->pause_usec);
        t->retry_usec = connection_now() + t->pause_usec;
}

_public_ int tced_process(struct tced *t) {
        if (t->closed)
                return -ENOTCONN;
        for (unsigned i = 0; i < MESSAGES_PER_TURN; i++) {
                int r;

                if (connection_is_gone(t)) {
                        if (t->retry_usec != UINT64_MAX && connection_now() < t->retry_usec)
                                return 0;
                        r = connection_retry(t);
                        /* Also where it goes well: one that accepts, and hangs up, is not asked all the time. */
                        put_off(t);
                        if (r < 0)
                                return 0;
                }
                r = sd_bus_process(t->bus, NULL);
                if (r < 0 && !connection_is_gone(t))
                        return r;
                if (sd_bus_is_ready(t->bus) > 0) {
                        t->retry_usec = UINT64_MAX;
                        t->pause_usec = 0;
                }
                if (r == 0)
                        return 0;
        }
        return 1;
}
