/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's side of tced-bind: asks it, with a deadline, and never waits. Connects when something is asked, and lets go when
 * all is answered. */

#include <stdint.h>
#include <systemd/sd-event.h>

typedef struct Helper Helper;

/* error: 0, or a positive errno with a text for people; EHOSTDOWN: the helper can't be reached; ETIMEDOUT. fd: what was asked for, only valid
 * where error is 0; the callee owns it. */
typedef void (*HelperDone)(int error, const char *text, int fd, void *userdata);

/* path: of its socket, copied. 0 or -ENOMEM. */
int helper_new(sd_event *event, const char *path, Helper **ret);
/* What is still asked for ends with ECANCELED. NULL is fine. */
Helper *helper_free(Helper *helper);

/* How long a question that is asked from now on may take; 10 s at first. */
void helper_set_deadline(Helper *helper, uint64_t usec);

/* Asks for /dev/vfio/N. 0, and done is called later; or negative errno, and it is not. done may ask again. -ECANCELED: the helper
 * is being freed, and this its last questions' done(). */
int helper_open_group(Helper *helper, uint32_t group, HelperDone done, void *userdata);
/* The same for the log of libvirt's domain of this name; -EINVAL: no domain has such a name. */
int helper_open_log(Helper *helper, const char *name, HelperDone done, void *userdata);
