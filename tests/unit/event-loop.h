/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What tests of event-driven code share: a loop that runs until something has come true, and what tells that nothing was left
 * behind: how many fds are open, whether there are children. */

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "slack.h"
#include "util.h"

#define SECOND_USEC UINT64_C(1000000)
#define LOOP_LIMIT_USEC (20 * SECOND_USEC * slack()) /* none of the tests takes a tenth of it on a fast host */

DEFINE_POINTER_CLEANUP(sd_event, sd_event_unref, event_unrefp)
#define _cleanup_event_ _cleanup_(event_unrefp)

static inline uint64_t monotonic_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * SECOND_USEC + (uint64_t) ts.tv_nsec / 1000;
}

static inline int on_loop_warm(sd_event_source *s, uint64_t usec, void *userdata) {
        return 0;
}

/* A loop, with SIGCHLD blocked for the sake of it; it has its timer, which it makes when first asked for one, so that fds
 * can be counted. Exits where there is no memory: nothing could be tested. */
static inline sd_event *loop_new(void) {
        sd_event_source *timer = NULL;
        sd_event *event = NULL;
        sigset_t blocked;

        sigemptyset(&blocked);
        sigaddset(&blocked, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &blocked, NULL) < 0 || sd_event_new(&event) < 0 ||
            sd_event_add_time_relative(event, &timer, CLOCK_MONOTONIC, 0, 1, on_loop_warm, NULL) < 0 || sd_event_run(event, UINT64_MAX) < 0)
                exit(EXIT_FAILURE);
        (void) sd_event_source_disable_unref(timer);
        return event;
}

/* Runs the loop until *counter has reached `want`. false: it has not within `limit` microseconds. */
static inline bool loop_until(sd_event *event, const unsigned *counter, unsigned want, uint64_t limit) {
        uint64_t end = monotonic_usec() + limit, now;

        while (*counter < want) {
                now = monotonic_usec();
                if (now >= end || sd_event_run(event, end - now) < 0)
                        return false;
        }
        return true;
}

/* Runs it for a while, for what must not happen. */
static inline void loop_for(sd_event *event, uint64_t usec) {
        static const unsigned never = 0;

        (void) loop_until(event, &never, 1, usec);
}

static inline unsigned count_fds(void) {
        DIR *dir = opendir("/proc/self/fd");
        unsigned n = 0;

        while (dir && readdir(dir))
                n++;
        if (dir)
                (void) closedir(dir);
        return n;
}

/* Neither one that runs nor a zombie. */
static inline bool has_no_children(void) {
        siginfo_t info;

        return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

/* Runs the loop until every child is reaped. */
static inline bool loop_until_childless(sd_event *event) {
        uint64_t end = monotonic_usec() + LOOP_LIMIT_USEC;

        while (!has_no_children() && monotonic_usec() < end)
                (void) sd_event_run(event, 10000);
        return has_no_children();
}
