/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The service manager's fd store: what tced leaves there it gets again when it is restarted (sd_pid_notify_with_fds(3), FDSTORE=1). It holds
 * pidfds alone: a table's memfd there would leave tced with write access to a guest's DMA map. Without a service manager nothing happens. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All names come back in one environment variable, which has 128 KiB where pages have 4 KiB: with longer ones, and some thousand VMs, tced
 * could not be executed any more. What a name means is in the state file. */
#define FD_NAME_MAX 6U

/* The name that goes with a machine's serial number. */
void fd_store_name(uint64_t serial, char ret[FD_NAME_MAX + 1]);

/* Leaves a copy of a pidfd there. FDPOLL=0: it stays when its process ends, to be told apart from one that was never there. 1; 0: there is no
 * service manager; negative errno. Waits where the service manager is behind with reading. */
int fd_store_add(const char *name, int pidfd);
void fd_store_remove(const char *name);

/* An fd that came back. */
typedef struct StoredFd {
        char *name;
        int fd; /* -EBADF: it was taken */
} StoredFd;

typedef struct StoredFds {
        StoredFd *items;
        size_t n;
} StoredFds;

/* Those of this start; a second time there are none. 0 or negative errno. */
int fd_store_take(StoredFds *ret);
/* The first by that name, or NULL. */
StoredFd *fd_store_find(StoredFds *fds, const char *name);
/* Closes what was not taken, and has the service manager forget it, unless it is the namesake of one that was. How many those were. */
size_t fd_store_drop_rest(StoredFds *fds);
void stored_fds_clear(StoredFds *fds);
