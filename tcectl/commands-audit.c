/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What VMs really have: once, and as it goes on. */

#include "commands.h"
#include "render.h"
#include "top.h"
#include "view.h"

static int no_such_vm(json_object *json, const char *name) {
        char text[256 + NEAREST_TEXT_MAX];

        (void) snprintf(text, sizeof(text), "No process and no machine '%.150s' has a KVM VM open.%s See: tcectl audit", name,
                        audit_guess(json, name, (char[NEAREST_TEXT_MAX]){}));
        print_error(text);
        return -ESRCH;
}

int run_audit(const Options *o) {
        _cleanup_(client_freep) Client *client = NULL;
        _cleanup_(json_putp) json_object *json = NULL;
        Output out = command_output(o);
        json_object *vm;
        Problem problem;
        int r;

        r = command_client(o, &client);
        if (r >= 0)
                r = client_audit(client, &json, &problem);
        if (r < 0)
                return command_failed(r, &problem);
        vm = o->argument ? audit_find(json, o->argument) : NULL;
        if (o->argument && !vm)
                return no_such_vm(json, o->argument);
        if (!o->json)
                return render_audit(json, o->argument, &out);
        return command_print_json_consume(json_object_get(vm ? vm : json), o);
}

/* Of another host no exits are counted: its debugfs is there. */
#define NO_DEBUGFS "/nonexistent"

/* Who is asked again and again. */
typedef struct Asked {
        Client *client;
        Problem problem;
} Asked;

static int ask(void *userdata, json_object **ret) {
        Asked *a = userdata;

        return client_audit(a->client, ret, &a->problem);
}

int run_top(const Options *o) {
        _cleanup_(client_freep) Client *client = NULL;
        Output out = command_output(o);
        Asked asked = {};
        bool once = o->once || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO);
        int r;

        r = command_client(o, &client);
        if (r < 0)
                return r;
        asked.client = client;
        r = top_run(ask, &asked, o->remote ? NO_DEBUGFS : DEBUGFS_KVM, o->delay_ms ? o->delay_ms : once ? 1000 : 2000, once, &out);
        return r < 0 && *asked.problem.text ? command_failed(r, &asked.problem) : r;
}
