/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* client_watch(): tced's signals, each as JSON, in the order in which they come. tced is asked for all that there is at the start and when it
 * has come back, after it was listened to: so nothing is missed between, though what came between may be told twice. */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>

#include "client-internal.h"
#include "names.h"
#include "util.h"

#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"
#define PROPERTIES "org.freedesktop.DBus.Properties"

DEFINE_POINTER_CLEANUP(sd_bus_message, sd_bus_message_unref, message_unrefp)
DEFINE_POINTER_CLEANUP(json_object, json_object_put, json_putp)

typedef struct Watch {
        Client *client;
        ClientHear hear;
        void *userdata;
        bool again; /* tced has come back: it is to be asked */
        int r;      /* what ends it */
} Watch;

static int read_value(sd_bus_message *m, json_object **ret);

static int read_basic(sd_bus_message *m, char type, json_object **ret) {
        union {
                uint8_t y;
                int b;
                int16_t n;
                uint16_t q;
                int32_t i;
                uint32_t u;
                int64_t x;
                uint64_t t;
                double d;
                const char *s;
        } v = {};
        int r = sd_bus_message_read_basic(m, type, &v);

        if (r < 0)
                return r;
        switch (type) {
        case 'y': *ret = json_object_new_int(v.y); break;
        case 'b': *ret = json_object_new_boolean(v.b); break;
        case 'n': *ret = json_object_new_int(v.n); break;
        case 'q': *ret = json_object_new_int(v.q); break;
        case 'i': *ret = json_object_new_int(v.i); break;
        case 'u': *ret = json_object_new_int64(v.u); break;
        case 'x': *ret = json_object_new_int64(v.x); break;
        case 't': *ret = json_object_new_uint64(v.t); break;
        case 'd': *ret = json_object_new_double(v.d); break;
        case 's':
        case 'o':
        case 'g': *ret = json_object_new_string(v.s); break;
        default: return -EBADMSG; /* an fd is no JSON */
        }
        return *ret ? 0 : -ENOMEM;
}

/* All that is left in the container, as an array's items. */
static int read_items(sd_bus_message *m, json_object *to) {
        int r = 0;

        while (r >= 0 && (r = sd_bus_message_at_end(m, 0)) == 0) {
                json_object *value = NULL;

                r = read_value(m, &value);
                if (r >= 0 && json_object_array_add(to, value) < 0) {
                        (void) json_object_put(value);
                        r = -ENOMEM;
                }
        }
        return r < 0 ? r : 0;
}

/* The same of a dictionary, as members. */
static int read_members(sd_bus_message *m, json_object *to) {
        const char *contents, *key;
        char type;
        int r;

        while ((r = sd_bus_message_peek_type(m, &type, &contents)) > 0) {
                json_object *value = NULL;

                if (type != SD_BUS_TYPE_DICT_ENTRY || !strchr("sog", contents[0]))
                        return -EBADMSG;
                r = sd_bus_message_enter_container(m, type, contents);
                if (r >= 0)
                        r = sd_bus_message_read_basic(m, contents[0], &key);
                if (r >= 0)
                        r = read_value(m, &value);
                if (r >= 0 && json_object_object_add(to, key, value) < 0) {
                        (void) json_object_put(value);
                        r = -ENOMEM;
                }
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return r;
}

/* The next value: a dictionary as an object, an array or a structure as an array, a variant as what is in it. */
static int read_value(sd_bus_message *m, json_object **ret) {
        _cleanup_(json_putp) json_object *value = NULL;
        const char *contents;
        char type;
        int r;

        r = sd_bus_message_peek_type(m, &type, &contents);
        if (r <= 0)
                return r < 0 ? r : -EBADMSG;
        if (!contents)
                return read_basic(m, type, ret);
        r = sd_bus_message_enter_container(m, type, contents);
        if (r < 0)
                return r;
        if (type == SD_BUS_TYPE_VARIANT)
                r = read_value(m, &value);
        else {
                bool members = type == SD_BUS_TYPE_ARRAY && contents[0] == '{';

                value = members ? json_object_new_object() : json_object_new_array();
                r = !value ? -ENOMEM : members ? read_members(m, value) : read_items(m, value);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r >= 0)
                *ret = TAKE_PTR(value);
        return r;
}

/* A message's arguments, as an array. */
static int read_arguments(sd_bus_message *m, json_object **ret) {
        _cleanup_(json_putp) json_object *array = json_object_new_array();
        int r = array ? read_items(m, array) : -ENOMEM;

        if (r >= 0)
                *ret = TAKE_PTR(array);
        return r;
}

static void tell(Watch *w, const ClientNews *news) {
        int r = w->hear(w->userdata, news);

        if (r < 0 && w->r >= 0)
                w->r = r;
}

/* The argument with this number, where the news is about what it holds. */
static const char *text_at(json_object *arguments, size_t i) {
        json_object *text = json_object_array_get_idx(arguments, i);

        return json_object_is_type(text, json_type_string) ? json_object_get_string(text) : "";
}

/* Whatever can't be read is of another tced's: it is left out, the rest goes on. */
static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(json_putp) json_object *a = NULL;
        Watch *w = userdata;

        (void) error;
        if (read_arguments(m, &a) < 0)
                return 0;
        if (sd_bus_message_is_signal(m, OBJECT_MANAGER, "InterfacesAdded") > 0)
                tell(w, &(ClientNews){ CLIENT_ADDED, text_at(a, 0), NULL, json_object_array_get_idx(a, 1) });
        else if (sd_bus_message_is_signal(m, OBJECT_MANAGER, "InterfacesRemoved") > 0)
                tell(w, &(ClientNews){ CLIENT_REMOVED, text_at(a, 0), NULL, NULL });
        else if (sd_bus_message_is_signal(m, PROPERTIES, "PropertiesChanged") > 0)
                tell(w, &(ClientNews){ CLIENT_CHANGED, sd_bus_message_get_path(m), text_at(a, 0), json_object_array_get_idx(a, 1) });
        else if (sd_bus_message_is_signal(m, TCED_INTERFACE_MANAGER, "MachineRemoved") > 0)
                tell(w, &(ClientNews){ CLIENT_REMOVED, text_at(a, 1), NULL, NULL });
        else if (sd_bus_message_is_signal(m, TCED_INTERFACE_MANAGER, "SlowPath") > 0)
                tell(w, &(ClientNews){ CLIENT_SLOW_PATH, TCED_BUS_PATH, NULL, a });
        return 0;
}

/* Of the bus's: who has tced's name now. */
static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name, *before, *now;
        Watch *w = userdata;

        (void) error;
        if (sd_bus_message_read(m, "sss", &name, &before, &now) < 0)
                return 0;
        if (!isempty(before))
                tell(w, &(ClientNews){ CLIENT_AWAY, TCED_BUS_PATH, NULL, NULL });
        w->again |= !isempty(now);
        return 0;
}

static int listen_to(Watch *w, sd_bus *bus, bool is_bus) {
        static const char rule[] = "type='signal',path_namespace='" TCED_BUS_PATH "'";
        int r;

        if (!is_bus)
                return sd_bus_add_match(bus, NULL, rule, on_signal, w);
        r = sd_bus_add_match(bus, NULL, "type='signal',sender='" TCED_BUS_NAME "',path_namespace='" TCED_BUS_PATH "'", on_signal, w);
        if (r < 0)
                return r;
        return sd_bus_add_match(bus, NULL, "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                                "member='NameOwnerChanged',arg0='" TCED_BUS_NAME "'", on_owner, w);
}

/* All that there is: objects by their paths, each with its interfaces, each with its properties. */
static int look(Watch *w, Problem *problem) {
        _cleanup_(message_unrefp) sd_bus_message *objects = NULL, *manager = NULL;
        _cleanup_(json_putp) json_object *all = NULL, *host = NULL, *interfaces = json_object_new_object();
        int r;

        r = client_ask(w->client, TCED_BUS_PATH, OBJECT_MANAGER, "GetManagedObjects", NULL, &objects, problem);
        if (r >= 0)
                r = client_ask(w->client, TCED_BUS_PATH, PROPERTIES, "GetAll", TCED_INTERFACE_MANAGER, &manager, problem);
        if (r < 0)
                return r;
        r = interfaces ? read_value(objects, &all) : -ENOMEM;
        if (r >= 0)
                r = read_value(manager, &host);
        if (r >= 0)
                r = json_object_object_add(interfaces, TCED_INTERFACE_MANAGER, TAKE_PTR(host)) < 0 ||
                    json_object_object_add(all, TCED_BUS_PATH, TAKE_PTR(interfaces)) < 0 ? -ENOMEM : 0;
        if (r < 0)
                return problem_set(problem, r, "tced's answer can't be read (%s). Restart it, or report this", strerror(-r));
        tell(w, &(ClientNews){ CLIENT_ALL, TCED_BUS_PATH, NULL, all });
        return 0;
}

/* Sleeps until there is something to read, or 1: the user has had enough. */
static int wait_for(sd_bus *bus, int signals) {
        struct pollfd fds[] = { { .fd = sd_bus_get_fd(bus), .events = POLLIN }, { .fd = signals, .events = POLLIN } };
        int events = sd_bus_get_events(bus);
        struct signalfd_siginfo info;

        if (fds[0].fd < 0 || events < 0)
                return -ENOTCONN;
        fds[0].events = (short) events;
        if (poll(fds, ELEMENTSOF(fds), -1) < 0 && errno != EINTR)
                return -errno;
        /* It is taken, or it would come once it is let through again. */
        return fds[1].revents && read(signals, &info, sizeof(info)) == sizeof(info);
}

static int watch(Watch *w, sd_bus *bus, bool is_bus, int signals, Problem *problem) {
        int r = look(w, problem);

        if (r < 0)
                return r;
        for (;;) {
                r = sd_bus_process(bus, NULL);
                if (w->r < 0)
                        return w->r;
                if (r < 0 || sd_bus_is_open(bus) <= 0)
                        return problem_set(problem, -ENOTCONN, "%s", is_bus ? "The bus has ended the connection. Start tcectl monitor again." :
                                           "tced has ended the connection, and on its socket it can't be waited for. Once it runs, start tcectl monitor "
                                           "again.");
                if (w->again) {
                        Problem ignored;

                        /* One that has gone again in the meantime comes back by its name, or not. */
                        w->again = false;
                        (void) look(w, &ignored);
                        if (client_connection(w->client, &is_bus) != bus)
                                return problem_set(problem, -ENOTCONN, "tced has come back, and gone again. See: systemctl status tced");
                        continue;
                }
                if (r > 0)
                        continue;
                r = wait_for(bus, signals);
                if (r != 0)
                        return r < 0 ? problem_set(problem, r, "Can't wait for tced: %s.", strerror(-r)) : 0;
        }
}

int client_watch(Client *c, ClientHear hear, void *userdata, Problem *problem) {
        _cleanup_(message_unrefp) sd_bus_message *pong = NULL;
        Watch w = { .client = c, .hear = hear, .userdata = userdata };
        _cleanup_fd_ int signals = -EBADF;
        bool is_bus;
        sigset_t mask, old;
        sd_bus *bus;
        int r;

        r = client_ask(c, TCED_BUS_PATH, "org.freedesktop.DBus.Peer", "Ping", NULL, &pong, problem);
        if (r < 0)
                return r;
        bus = client_connection(c, &is_bus);
        r = listen_to(&w, bus, is_bus);
        if (r < 0)
                return problem_set(problem, r, "Can't listen to tced: %s.", strerror(-r));
        sigemptyset(&mask);
        sigaddset(&mask, SIGINT);
        sigaddset(&mask, SIGTERM);
        signals = signalfd(-1, &mask, SFD_CLOEXEC);
        if (signals < 0)
                return problem_set(problem, -errno, "Can't wait for signals: %s.", strerror(errno));
        (void) sigprocmask(SIG_BLOCK, &mask, &old);
        r = watch(&w, bus, is_bus, signals, problem);
        (void) sigprocmask(SIG_SETMASK, &old, NULL);
        return r;
}
