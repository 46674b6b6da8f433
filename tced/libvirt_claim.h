/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Is a process the one that libvirt runs a domain in? All of its guests may be of one user, and a UUID is no secret, so this is
 * told by what only root, and for the lock the process itself, can have made: libvirt's pid file, the cgroup, and the security
 * label. Reads small files of /run and /proc; does not block. */

#include "process.h"

#define CLAIM_WHY_MAX 768

/* What libvirt says of the domain. All borrowed. */
typedef struct LibvirtClaim {
        const char *run;   /* libvirt's folder of pid files */
        const char *name;
        int id;            /* its number while it runs, never another's meanwhile; -1: not known */
        int proc_fd;
} LibvirtClaim;

/* 0: it is. -EPERM, with why: it is not, or that can't be told. The file must be root's, name this process and be locked by it:
 * libvirt takes the lock before it executes the VMM, which has it until its end (src/util/vircommand.c:virExec), so that a file which
 * was left over does not stand for whoever gets its PID. Who owns the folder could give its own file another's name, and newer
 * libvirts leave the folder to the user of the VMs (11.3, src/qemu/qemu_driver.c:qemuStateInitialize, for the sake of
 * channelTargetDir): there the process must be in the domain's cgroup, too, which is root's. */
int libvirt_claim_process(const LibvirtClaim *claim, const Process *process, char why[CLAIM_WHY_MAX]);

/* The process that has the domain's pid file locked: it runs, whatever libvirt says just now. 0: none, or that can't be told. */
pid_t libvirt_claim_running(const char *run, const char *name);

/* 0: the process is confined by `model` ("apparmor", "selinux") as `label`, or model is NULL. -EPERM, with why. */
int libvirt_claim_label(int proc_fd, const char *model, const char *label, const Process *process, char why[CLAIM_WHY_MAX]);

/* The user of <seclabel model='dac'><label>: "+64055:+64055", "libvirt-qemu:kvm" (src/util/virutil.c:virParseOwnershipIds). 0, or
 * -EINVAL: there is none of that name. May ask the name service. */
int libvirt_claim_owner(const char *label, uid_t *ret);
