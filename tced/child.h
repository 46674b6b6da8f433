/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Slow or dangerous work in a child process: proofs that create VMs, whatever may hang in the kernel. The child is a fork of the
 * daemon that runs one function, writes its result into a pipe and ends; it has a deadline, after which it is killed. The event
 * loop never waits. */

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

typedef struct Child Child;

/* Runs in the child: does the work and fills in result (`size` bytes, copied from the parent's before). 0, or a positive errno. */
typedef int (*ChildWork)(void *result, size_t size, void *userdata);

/* Runs in the parent when the child is gone. error: 0; what the work returned; ETIMEDOUT; ECHILD when it died of a signal. result
 * is what the child sent, or NULL where error is not 0. The Child is freed after it. */
typedef void (*ChildDone)(int error, const void *result, size_t size, void *userdata);

/* Starts one. size: at most 64 KiB. keep_fd: an fd that the child goes on using, or negative; all the daemon's others are
 * closed in it. 0 or negative errno; done is called then and only then when 0 was returned. *ret may be used to end it early by
 * child_free(), and is not to be used once done was called. */
int child_run(sd_event *event, ChildWork work, void *result, size_t size, int keep_fd, uint64_t timeout_usec, ChildDone done,
              void *userdata, Child **ret);
/* Kills and reaps the child; done is not called any more. NULL is fine. */
Child *child_free(Child *child);
