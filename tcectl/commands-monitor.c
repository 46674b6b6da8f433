/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tcectl monitor: what changes, as it changes, until the user ends it. */

#include "commands.h"
#include "monitor.h"
#include "render.h"

DEFINE_POINTER_CLEANUP(Monitor, monitor_free, monitor_freep)

/* Each line is written at once: who reads it may be another program. The terminal may have changed its width. A line elsewhere is one line. */
static int print_event(void *userdata, json_object *event) {
        const Options *o = userdata;
        Output out = command_output(o);
        int r;

        if (!isatty(STDOUT_FILENO))
                out.width = UINT32_MAX;
        r = o->json ? print_json(event, o->json == JSON_PRETTY, stdout) : render_event(event, &out);
        if (r < 0)
                return r;
        return fflush(stdout) != 0 ? -EIO : 0;
}

int run_monitor(const Options *o) {
        _cleanup_(client_freep) Client *client = NULL;
        _cleanup_(monitor_freep) Monitor *monitor = NULL;
        Problem problem = {};
        int r;

        r = command_client(o, &client);
        if (r >= 0)
                r = monitor_new(print_event, (void *) o, &monitor);
        if (r < 0)
                return r;
        r = client_watch(client, monitor_hear, monitor, &problem);
        return r < 0 && *problem.text ? command_failed(r, &problem) : r;
}
