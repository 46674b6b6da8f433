/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The kernel's uevents, by libnl, as a sign to look again: devices, their interfaces and modules that matter to VFIO and KVM come or go. Only
 * what the kernel itself sent is believed. A message says where to look; what is there is read from /sys. */

#include "manager.h"

typedef struct Uevent Uevent;

/* Hears from now on: to be called before the host is first looked at, so that nothing is missed between. 0 or negative errno. */
int uevent_new(Uevent **ret);
/* What has come since, and what comes, leads to looks. 0 or negative errno. */
int uevent_attach(Uevent *u, sd_event *event, Manager *m);
/* NULL is fine. */
Uevent *uevent_free(Uevent *u);

/* As if the kernel had sent this message ("ACTION@DEVPATH\0KEY=VALUE\0…"): apart from the socket so that it can be tested, as are the next. */
void uevent_take(Uevent *u, const char *message, size_t size);

/* Does a message say that a process has made a VM (created), or that one of its is gone? False: neither. */
bool uevent_of_vm(const char *message, size_t size, pid_t *ret_pid, bool *ret_created);

#define UEVENT_ADDRESS_MAX 24U

/* What a message is about. */
typedef struct UeventNews {
        bool everything; /* all groups, and VFIO as a whole */
        bool probe;      /* KVM should be proven again */
        bool phb;        /* a whole PHB comes or goes, and its group with it, before or after this */
        bool added;      /* the device has just come, and may not be in its group yet */
        char address[UEVENT_ADDRESS_MAX]; /* of a PCI device, as the kernel writes it; "": none */
        int64_t group;   /* IOMMU group; -1: none */
} UeventNews;

void uevent_judge(const char *message, size_t size, UeventNews *ret);
