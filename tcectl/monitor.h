/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What `tcectl monitor` tells: from tced's signals, which repeat what did not change, what did. Pure but for the clock. */

#include "client.h"
#include "text.h"

typedef struct Monitor Monitor;

/* Is told each event, a JSON object that is borrowed: "time_usec", "event" ("there", "away", "added", "removed", "changed", "slow-path"),
 * "kind" ("tced", "host", "group", "machine", "table", "other"), "name", "path", and by what it is "properties", "changes", "counts", "slow". */
typedef int (*MonitorTell)(void *userdata, json_object *event);

/* -ENOMEM. */
int monitor_new(MonitorTell tell, void *userdata, Monitor **ret);
void monitor_free(Monitor *m);

/* A ClientHear, whose userdata is a Monitor. Returns what MonitorTell did, or -ENOMEM. */
int monitor_hear(void *userdata, const ClientNews *news);

/* An event as a line for people. 0 or -ENOMEM. */
int render_event(json_object *event, const Output *out);
