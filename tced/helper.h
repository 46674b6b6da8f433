/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's side of tced-bind: asks it, with a deadline, and never waits. Connects when something is asked, and lets go when
 * all is answered. */

#include <stdbool.h>
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

/* How long a question that is asked from now on may take; 10 s at first. The second is for binding and what belongs to it, 30 s at first:
 * more than tced-bind itself gives the kernel (20 s), so that its own word comes first. */
void helper_set_deadline(Helper *helper, uint64_t usec);
void helper_set_bind_deadline(Helper *helper, uint64_t usec);

/* Asks for /dev/vfio/N. 0, and done is called later; or negative errno, and it is not. done may ask again. -ECANCELED: the helper
 * is being freed, and this its last questions' done(). */
int helper_open_group(Helper *helper, uint32_t group, HelperDone done, void *userdata);
/* The same for the log of libvirt's domain of this name; -EINVAL: no domain has such a name. */
int helper_open_log(Helper *helper, const char *name, HelperDone done, void *userdata);

/* The following are about a whole IOMMU group, by the PCI addresses of all its devices (bridges too); -EINVAL: there is none, there are
 * more than BIND_DEVICES_MAX, or one is no address. done's fd is -EBADF; its errors, each with a text that says what and what to do:
 * EBUSY: another process has the group open; ESTALE: the group has other devices by now; ETIMEDOUT: the kernel has not finished, and the
 * record says "stuck" (bind_record.h); EIO: a step failed, all is as it was; ENOTRECOVERABLE: and not all of it could be put back;
 * EALREADY: the group is being bound or given back; ENOENT: tced-bind has not bound it. */

/* Binds the group of this number to vfio-pci. */
int helper_bind_group(Helper *helper, uint32_t group, const char *const *addresses, size_t n, HelperDone done, void *userdata);
/* Gives back what that changed. */
int helper_release_group(Helper *helper, const char *const *addresses, size_t n, HelperDone done, void *userdata);
/* Writes the drop-in that has it bound at each boot, or removes it. */
int helper_keep_group(Helper *helper, const char *const *addresses, size_t n, bool keep, HelperDone done, void *userdata);
