/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Planning in this process, without tced: the one door of tcectl to the daemon's planner, which offline.c alone includes. */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#include "client.h"
#include "problem.h"

/* The host that is planned for. */
typedef struct OfflineHost OfflineHost;

/* This host, as far as this user may look: KVM (a VM is created and ended for it), VFIO, tced.conf and the rules. What is odd in those
 * is said on standard error. -ENOMEM. */
int offline_host_here(OfflineHost **ret);
/* The host that `tcectl describe --json` told of. -EINVAL with *problem filled in, -ENOMEM. */
int offline_host_read(const char *json, size_t size, OfflineHost **ret, Problem *problem);
void offline_host_free(OfflineHost *host);

/* The plan's JSON (docs/plan.md) of a domain, with the device in `attach` where that is not NULL. 0; -EINVAL with *problem filled in;
 * -ENOMEM. */
int offline_plan(const OfflineHost *host, const char *xml, const char *attach, json_object **ret, Problem *problem);

/* The windows that a QEMU with these words makes at its start, on KVM; none where it is no pseries machine or runs without KVM. The caller
 * frees them with offline_windows_free(). As offline_plan(). */
int offline_windows(const OfflineHost *host, char *const *words, ClientWindow **ret, size_t *ret_n, Problem *problem);
void offline_windows_free(ClientWindow *windows, size_t n);

/* Where a note of offline_fix() goes: what was mended, or was not. */
typedef void (*OfflineNote)(bool mended, const char *text, void *userdata);

/* The domain with what can be mended mended, as XML that the caller frees. 0 also where something remains. As offline_plan(). */
int offline_fix(const OfflineHost *host, const char *xml, OfflineNote note, void *userdata, char **ret, Problem *problem);
