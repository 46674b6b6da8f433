/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* tced-bind's operations on groups: each by a worker (bind_work.h) in a unit of its own, which is waited for until a deadline. One that hangs
 * is left to the kernel, and the record says so; what one leaves half done when it dies is put back by another. */

#include <systemd/sd-event.h>

#include "bind_protocol.h"

typedef struct BindGroups BindGroups;

typedef struct BindGroupPlaces {
        const char *records;     /* the folder; made where there is none */
        const char *work_socket; /* whoever connects to it speaks with a worker */
        uint64_t deadline_usec;
} BindGroupPlaces;

/* Called once for each request. */
typedef void (*BindGroupDone)(const BindReply *reply, void *userdata);

/* changed: called when an operation has ended; bind_groups_running() then tells how many there still are. The places are borrowed. */
int bind_groups_new(sd_event *event, const BindGroupPlaces *places, void (*changed)(void *userdata), void *userdata, BindGroups **ret);
/* Whoever waits is not answered; the workers go on. NULL is fine. */
BindGroups *bind_groups_free(BindGroups *groups);

/* BIND_BIND_GROUP or BIND_RELEASE_GROUP. done may be called before this returns. */
void bind_groups_ask(BindGroups *groups, const BindRequest *request, BindGroupDone done, void *userdata);
/* Has put back what an earlier tced-bind's workers left half done, but those that are still at it. */
void bind_groups_recover(BindGroups *groups);
unsigned bind_groups_running(const BindGroups *groups);
