/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Requests in flight: messages that are answered later, because they wait for a proof, a child, a helper or polkit. Whoever keeps a message
 * keeps it by this, which is where they are counted and limited; tests/structure.sh sees to that. A connection that closes gives nothing
 * back: what it asked for still goes on. */

#include <inttypes.h>

#include "dbus_internal.h"
#include "util.h"

struct Request {
        sd_bus_message *message;
        unsigned holds; /* who keeps it may hand it on to one who keeps it, too */
        uid_t uid;
        Process sender; /* a peer's, by its PID and start alone; on a bus its name tells */
        Manager *manager;
        Request *next;
};

/* Of the one daemon that a process has. A list, as there are a few at a time, and the limit bounds it. */
static Request *in_flight;

/* Of one process, as far as tced is told: by a connection to the private socket it knows that, on a bus a name, of which a process may have more. */
static bool same_sender(const Request *r, sd_bus_message *m, const Process *sender) {
        const char *one, *other;

        /* A peer writes whatever it likes where a bus has the sender's name. */
        if (r->sender.pid > 0 || sender->pid > 0)
                return process_same(&r->sender, sender);
        one = sd_bus_message_get_sender(r->message);
        other = sd_bus_message_get_sender(m);
        return one && other && streq(one, other);
}

static Request **find(sd_bus_message *m) {
        Request **at = &in_flight;

        while (*at && (*at)->message != m)
                at = &(*at)->next;
        return at;
}

static int refuse_request(sd_bus_error *error, const char *setting, uint64_t max, uint64_t have, const char *whose) {
        return sd_bus_error_setf(error, TCED_ERROR_LIMIT_EXCEEDED,
                                 "%s=%" PRIu64 " would be exceeded: %" PRIu64 " requests%s wait for their answer; wait for some of them, or "
                                 "raise it in tced.conf", setting, max, have, whose);
}

static int check_limits(const Manager *manager, sd_bus_message *m, uid_t uid, const Process *sender, sd_bus_error *error) {
        const Limits *l = &manager->config.limits;
        uint64_t of_user = 0, of_sender = 0;

        if (manager->requests >= l->requests_max)
                return refuse_request(error, "RequestsMax", l->requests_max, manager->requests, "");
        if (uid == 0)
                return 0;
        for (const Request *r = in_flight; r; r = r->next)
                if (r->uid == uid) {
                        of_user++;
                        of_sender += same_sender(r, m, sender);
                }
        if (of_user >= l->requests_per_user_max)
                return refuse_request(error, "RequestsPerUserMax", l->requests_per_user_max, of_user, " of your user");
        if (of_sender >= l->requests_per_machine_max)
                return refuse_request(error, "RequestsPerMachineMax", l->requests_per_machine_max, of_sender,
                                      sender->pid > 0 ? " of your process" : " of this connection");
        return 0;
}

int request_hold(sd_bus_message *m, uid_t uid, sd_bus_error *error) {
        Request *held = *find(m);
        Process sender = PROCESS_INIT;
        Manager *manager;
        Connection *c;
        int r;

        if (held) {
                held->holds++;
                return 0;
        }
        c = connection_current(sd_bus_message_get_bus(m));
        manager = c->manager;
        if (c->peer)
                sender = (Process) { .pid = c->process.pid, .pidfd = -EBADF, .start = c->process.start };
        r = check_limits(manager, m, uid, &sender, error);
        if (r < 0)
                return r;
        held = malloc(sizeof(*held));
        if (!held)
                return -ENOMEM;
        *held = (Request) { .message = sd_bus_message_ref(m), .holds = 1, .uid = uid, .sender = sender, .manager = manager,
                            .next = in_flight };
        in_flight = held;
        manager->requests++;
        return 0;
}

void request_end(sd_bus_message *m) {
        Request **at = find(m), *r = *at;

        if (!r || --r->holds > 0)
                return;
        *at = r->next;
        r->manager->requests--;
        (void) sd_bus_message_unref(r->message);
        free(r);
}
