/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A worker of tced-bind's: one operation on one group, in a process of its own, so that only that hangs where a driver does. Whatever ends
 * it, and when, the group's record tells the next how to put everything back. */

#include "bind_protocol.h"
#include "bind_sysfs.h"

typedef struct BindPlaces {
        const BindKernel *kernel;
        const char *sys, *dev, *records;
} BindPlaces;

/* Does what is asked: BIND_BIND_GROUP, BIND_RELEASE_GROUP or BIND_RECOVER_GROUP, and fills in the answer. connection: where the answer will
 * go; where it is closed before anything was changed, nothing is. Before each step a BindReply says so on it. */
void bind_work_do(const BindPlaces *places, const BindRequest *request, int connection, BindReply *reply);

/* The same for the one request that comes over a connection, and answers it. 0, or negative errno where there was nothing to answer. */
int bind_work_serve(const BindPlaces *places, int connection);
