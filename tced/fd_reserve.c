/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "fd_reserve.h"

#include <sys/resource.h>

#include "util.h"

/* As many as a message can carry (include/net/scm.h: SCM_MAX_FD is 253), and some for files and children; a quarter where there are few. */
#define RESERVE 320U

int fd_reserve_check(int fd) {
        struct rlimit limit;
        rlim_t reserve;

        if (fd < 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
                return fd;
        reserve = limit.rlim_cur / 4 < RESERVE ? limit.rlim_cur / 4 : RESERVE;
        /* A new fd has the lowest number that is free, so that above it there is room for the others. */
        if ((rlim_t) fd < limit.rlim_cur - reserve)
                return fd;
        (void) fd_close(fd);
        return -EMFILE;
}
