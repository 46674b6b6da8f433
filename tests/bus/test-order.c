/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who asks before tced knows who that is, or before it has looked at the host, is answered in the order of the calls, and of the host as it is: on
 * the bus, where each message of a new sender is put aside (dbus_sender.c), and on the socket, where they wait in it. */

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "client.h"
#include "tap.h"

#define CALLS 60U
#define CLIENTS 3U

#define DEVICE "0000:00:05.0"

typedef struct Asker {
        sd_bus *bus;
        unsigned answers;
        unsigned late;   /* answers that came behind one of a later call */
        unsigned wrong;  /* that know nothing of the host */
        unsigned newest; /* call that was answered */
} Asker;

typedef struct Question {
        Asker *asker;
        unsigned number;
} Question;

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Question *q = userdata;
        Asker *a = q->asker;

        if (a->answers++ > 0 && q->number < a->newest)
                a->late++;
        a->newest = q->number;
        if (sd_bus_message_is_method_error(reply, NULL))
                a->wrong++;
        return 1;
}

static void ask(Asker *a, Question *questions) {
        for (unsigned i = 0; i < CALLS; i++) {
                questions[i] = (Question) { .asker = a, .number = i };
                if (sd_bus_call_method_async(a->bus, NULL, TCED_BUS_NAME, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "GetGroupByDevice", on_answer,
                                             &questions[i], "s", DEVICE) < 0)
                        bail_out("a call can't be sent");
        }
        if (sd_bus_flush(a->bus) < 0)
                bail_out("calls can't be sent");
}

/* They answer in turn, as each has its own connection. */
static void hear(Asker *a) {
        while (a->answers < CALLS) {
                int r = sd_bus_process(a->bus, NULL);

                if (r == 0)
                        r = sd_bus_wait(a->bus, HARNESS_PATIENCE * UINT64_C(1000000));
                if (r <= 0)
                        break;
        }
}

static void answered_well(const Asker *a, const char *name, unsigned number) {
        tap_ok(a->answers == CALLS, "%s, client %u: %u of %u calls are answered", name, number, a->answers, CALLS);
        tap_ok(a->late == 0, "%s, client %u: in their order (%u are late)", name, number, a->late);
        tap_ok(a->wrong == 0, "%s, client %u: by a tced that has looked at the host (%u of one that has not)", name, number, a->wrong);
}

/* Ready is tced before it has looked. It is held there, or wherever it has come to, until all have asked. */
static void test_bus(Host *h) {
        static Question questions[CLIENTS][CALLS];
        Asker askers[CLIENTS] = {};

        if (!tap_ok(host_start_tced(h, NULL), "tced is ready") || kill(h->tced_pid, SIGSTOP) < 0)
                return;
        for (size_t i = 0; i < CLIENTS; i++)
                askers[i].bus = open_bus(h);
        for (size_t i = 0; i < CLIENTS; i++)
                ask(&askers[i], questions[i]);
        (void) kill(h->tced_pid, SIGCONT);
        for (unsigned i = 0; i < CLIENTS; i++) {
                hear(&askers[i]);
                answered_well(&askers[i], "the bus", i);
                (void) sd_bus_flush_close_unref(askers[i].bus);
        }
        host_stop_tced(h);
}

static int listen_on(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, 128) < 0)
                bail_out("listening on %s: %s", path, strerror(errno));
        return fd;
}

/* One that takes its time to begin is asked meanwhile: the whole of what one client wants is there before it looks. */
static void test_socket(Host *h) {
        static Question questions[CALLS];
        Asker a = {};

        h->listener = listen_on(h->socket);
        a.bus = open_peer(h);
        /* Who may not send before the connection is made has its calls kept by sd-bus until then. */
        for (unsigned i = 0; i < CALLS; i++) {
                questions[i] = (Question) { .asker = &a, .number = i };
                if (sd_bus_call_method_async(a.bus, NULL, NULL, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "GetGroupByDevice", on_answer, &questions[i],
                                             "s", DEVICE) < 0)
                        bail_out("a call can't be sent");
        }
        if (tap_ok(host_start_tced(h, NULL), "tced starts, and is asked already")) {
                hear(&a);
                answered_well(&a, "the socket", 0);
        }
        (void) sd_bus_flush_close_unref(a.bus);
}

int main(void) {
        Host h;

        host_init(&h, 120);
        if (!host_start_bus(&h)) {
                tap_skip("there is no dbus-daemon", "order");
                host_done(&h);
                return tap_done();
        }
        host_add_group(&h, 5, DEVICE, "vfio-pci");
        test_bus(&h);
        test_socket(&h);
        host_done(&h);
        return tap_done();
}
