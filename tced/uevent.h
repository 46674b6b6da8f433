/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The kernel's uevents, by libnl, as a sign to look again: devices and modules that matter to VFIO and KVM come or go. Only what
 * the kernel itself sent is believed; what is looked at is read from /sys, never from the message. */

#include "manager.h"

typedef struct Uevent Uevent;

/* 0 or negative errno. */
int uevent_new(sd_event *event, Manager *m, Uevent **ret);
/* NULL is fine. */
Uevent *uevent_free(Uevent *u);

/* Does a message say that a process has made a VM (created), or that one of its is gone? False: neither. */
bool uevent_of_vm(const char *message, size_t size, pid_t *ret_pid, bool *ret_created);

/* Does a message ("ACTION@DEVPATH\0KEY=VALUE\0…") say that groups or devices should be read again, or that KVM should be proven again?
 * Apart from the socket so that it can be tested. */
void uevent_judge(const char *message, size_t size, bool *ret_rescan, bool *ret_probe);
