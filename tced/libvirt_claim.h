/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Is a process the one that libvirt runs a domain in? All of its guests may be of one user, and a UUID is no secret, so this is
 * told by what only root, and for the lock the process itself, can have made: libvirt's pid file, and the security label. Reads
 * small files of /run and /proc; does not block. */

#include "process.h"

#define CLAIM_WHY_MAX 768

/* 0: it is. -EPERM, with why: it is not, or that can't be told. run: libvirt's folder of pid files. The file must be root's, as
 * its folder, name this process and be locked by it: libvirt takes the lock before it executes the VMM, which has it until its
 * end (src/util/vircommand.c:virExec), so that a file which was left over does not stand for whoever gets its PID. */
int libvirt_claim_process(const char *run, const char *name, const Process *process, char why[CLAIM_WHY_MAX]);

/* 0: the process is confined by `model` ("apparmor", "selinux") as `label`, or model is NULL. -EPERM, with why. */
int libvirt_claim_label(int proc_fd, const char *model, const char *label, const Process *process, char why[CLAIM_WHY_MAX]);

/* The user of <seclabel model='dac'><label>: "+64055:+64055", "libvirt-qemu:kvm" (src/util/virutil.c:virParseOwnershipIds). 0, or
 * -EINVAL: there is none of that name. May ask the name service. */
int libvirt_claim_owner(const char *label, uid_t *ret);
