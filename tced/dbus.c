/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Connections: the bus, and any number of peers on the private socket; on each the same objects. The manager's observer becomes
 * signals here, sent on every connection that may see what changed. */

#include "dbus.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-id128.h>
#include <time.h>

#include "dbus_internal.h"
#include "fd_reserve.h"
#include "log.h"
#include "names.h"
#include "util.h"

/* Answers that wait for a peer that is not root's to read them; and those with which it is given no other large one, of which
 * each may have a megabyte. */
#define UNREAD_MAX 256U
#define LARGE_UNREAD_MAX 4U
/* How long nobody is let in when there are no file descriptors left. */
#define ACCEPT_PAUSE_USEC (1000U * 1000U)
/* How long another may take to give the name up before it counts as one that stays. */
#define NAME_PATIENCE_USEC (2U * 1000U * 1000U)
/* How often a bus is tried that hangs up at once. */
#define BUS_TRIES 3U
/* How long a connection may outlive the process that made it: what that sent last is answered meanwhile. */
#define LEFT_USEC (5U * 1000U * 1000U)

/* Who is refused again and again is not told of each time: the log is for others, too. */
#define WARNING_PAUSE_USEC (1000U * 1000U)

struct DBus {
        Manager *manager;
        Connection *connections;
        sd_event_source *listener; /* owns its fd */
        sd_event_source *pause; /* lets it listen again */
        sd_event_source *watch, *turn; /* looks for connections that were given up; has the loop turn for them */
        uint64_t warned_usec; /* when a connection that was refused was logged last; 0: never */
        char *socket_path;
        bool socket_given; /* the service manager's: not tced's to remove */
        bool user;         /* the session's bus is the bus */
        void (*lost)(const char *why, void *userdata);
        void *lost_userdata;
};

/* Adds every object to a connection that is not started yet; a peer's log is added when it is looked for (attach_log()). */
static int attach_objects(Connection *c) {
        int (*const attach[])(Connection *) = { dbus_manager_attach, dbus_group_attach, dbus_machine_attach, dbus_table_attach };
        int r;

        for (size_t i = 0; i < ELEMENTSOF(attach); i++) {
                r = attach[i](c);
                if (r < 0)
                        return r;
        }
        r = c->peer ? 0 : dbus_log_attach(c);
        return r < 0 ? r : sd_bus_add_object_manager(c->bus, NULL, TCED_BUS_PATH);
}

Connection *connection_of(const DBus *d, sd_bus_message *m) {
        Connection *c = d->connections;

        while (c && c->bus != sd_bus_message_get_bus(m))
                c = c->next;
        return c;
}

static void connection_free(Connection *c) {
        for (Connection **p = &c->dbus->connections; *p; p = &(*p)->next)
                if (*p == c) {
                        *p = c->next;
                        break;
                }
        c->manager->connections -= c->peer;
        polkit_stop(c);
        permits_free(c);
        senders_free(c);
        /* What waits for a peer is what it has not read; to wait for that would be as long as it likes. */
        c->bus = c->peer ? sd_bus_close_unref(c->bus) : sd_bus_flush_close_unref(c->bus);
        c->ended = sd_event_source_disable_unref(c->ended);
        c->left = sd_event_source_disable_unref(c->left);
        process_close(&c->process);
        free(c);
}

/* Before the loop waits, and behind what sd-bus does then, of which it may be that a connection is given up: sd-bus tells it in the loop's next
 * turn, which without this might be long in coming. */
static int on_before_wait(sd_event_source *s, void *userdata) {
        const DBus *d = userdata;

        for (const Connection *c = d->connections; c; c = c->next)
                if (sd_bus_is_open(c->bus) <= 0)
                        return sd_event_source_set_enabled(d->turn, SD_EVENT_ONESHOT);
        return 0;
}

static int on_never(sd_event_source *s, uint64_t usec, void *userdata) {
        return 0;
}

static int on_turn(sd_event_source *s, void *userdata) {
        return 0;
}

static int watch_connections(DBus *d) {
        sd_event *event = d->manager->event;
        int r;

        r = sd_event_add_defer(event, &d->turn, on_turn, d);
        if (r >= 0)
                r = sd_event_source_set_enabled(d->turn, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(d->turn, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_event_add_time(event, &d->watch, CLOCK_MONOTONIC, UINT64_MAX, 0, on_never, d);
        if (r >= 0)
                r = sd_event_source_set_priority(d->watch, SD_EVENT_PRIORITY_IDLE);
        return r < 0 ? r : sd_event_source_set_prepare(d->watch, on_before_wait);
}

/* What waits is answered when the loop has ended: the connection stays until dbus_free(). */
static int attach_loop(Connection *c) {
        int r;

        r = sd_bus_set_close_on_exit(c->bus, 0);
        return r < 0 ? r : sd_bus_attach_event(c->bus, c->manager->event, SD_EVENT_PRIORITY_NORMAL);
}

static Connection *connection_new(DBus *d, sd_bus *bus) {
        Connection *c = calloc(1, sizeof(*c));

        if (!c)
                return NULL;
        *c = (Connection) { .dbus = d, .manager = d->manager, .bus = bus, .process = PROCESS_INIT, .next = d->connections };
        d->connections = c;
        return c;
}

static bool has_large_answer(sd_bus_message *m) {
        return sd_bus_message_is_method_call(m, TCED_INTERFACE_MANAGER, "PlanDomain") > 0 ||
               sd_bus_message_is_method_call(m, TCED_INTERFACE_MANAGER, "Describe") > 0 ||
               sd_bus_message_is_method_call(m, TCED_INTERFACE_MANAGER, "Audit") > 0 ||
               sd_bus_message_is_method_call(m, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects") > 0;
}

/* A VMM never asks for it, and would have a kilobyte for it with each of its connections. */
static int attach_log(Connection *c, sd_bus_message *m) {
        const char *path = sd_bus_message_get_path(m);

        if (c->has_log || !path || sd_bus_message_is_method_call(m, NULL, NULL) <= 0 ||
            streq(path, TCED_BUS_PATH) || strncmp(path, TCED_BUS_PATH "/", strlen(TCED_BUS_PATH "/")) == 0)
                return 0;
        return dbus_log_attach(c);
}

/* Looks at each message before it is handled: who asks on without reading the answers, which pile up here, is cut off. sd-bus's own signal for the
 * end of a connection, also of one that never got through the handshake, comes by here, too: to match it would take a kilobyte for each. */
static int on_peer_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        uint64_t unread;
        int r;

        if (sd_bus_message_is_signal(m, "org.freedesktop.DBus.Local", "Disconnected") > 0) {
                connection_free(c);
                return 1;
        }
        r = attach_log(c, m);
        if (r < 0)
                return r;
        if (c->uid == 0 || sd_bus_get_n_queued_write(c->bus, &unread) < 0)
                return 0;
        if (unread > LARGE_UNREAD_MAX && unread <= UNREAD_MAX && has_large_answer(m))
                return sd_bus_reply_method_errorf(m, TCED_ERROR_LIMIT_EXCEEDED, "More than %u answers wait on this connection; read "
                                                  "these before you ask again", LARGE_UNREAD_MAX);
        if (unread <= UNREAD_MAX)
                return 0;
        log_warning("Closed the connection of user %u, process %d: it does not read what it is answered", (unsigned) c->uid,
                    (int) c->process.pid);
        connection_free(c);
        return 1;
}

static int on_left_over(sd_event_source *s, uint64_t usec, void *userdata) {
        Connection *c = userdata;

        log_info("Closed the connection of user %u: process %d, which made it, has ended", (unsigned) c->uid, (int) c->process.pid);
        connection_free(c);
        return 0;
}

static int on_process_ended(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Connection *c = userdata;
        int r;

        r = sd_event_source_set_enabled(s, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(c->manager->event, &c->left, CLOCK_MONOTONIC, LEFT_USEC, 0, on_left_over, c);
        if (r < 0)
                connection_free(c);
        return 0;
}

/* The end of a process is not always that of its connection, which it may have left to others; or to tced, in half a message that has the socket
 * in it: then nobody else would ever close it. */
static int watch_process(Connection *c) {
        return sd_event_add_io(c->manager->event, &c->ended, c->process.pidfd, EPOLLIN, on_process_ended, c);
}

/* Which limit lets no more of them in; NULL: none. It is among the connections already. */
static const char *limit_reached(const DBus *d, const Connection *peer) {
        const Limits *l = &d->manager->config.limits;
        uint64_t of_user = 0, of_process = 0;

        if (d->manager->connections > l->connections_max)
                return "ConnectionsMax";
        if (peer->uid == 0)
                return NULL;
        for (const Connection *c = d->connections; c; c = c->next)
                if (c->peer && c->uid == peer->uid) {
                        of_user += !c->of_vm;
                        of_process += process_same(&c->process, &peer->process);
                }
        if (of_process > l->connections_per_machine_max)
                return "ConnectionsPerMachineMax";
        return !peer->of_vm && of_user > l->connections_per_user_max ? "ConnectionsPerUserMax" : NULL;
}

static bool may_warn(DBus *d) {
        uint64_t now = 0;

        (void) sd_event_now(d->manager->event, CLOCK_MONOTONIC, &now);
        if (d->warned_usec > 0 && now - d->warned_usec < WARNING_PAUSE_USEC)
                return false;
        d->warned_usec = now;
        return true;
}

/* Who is it, and is there room for it? 0; -ENOBUFS: no, which is said, but not all the time; other negative errno. */
static int admit_peer(DBus *d, Connection *c, int fd) {
        const char *limit;
        struct ucred peer;
        socklen_t size = sizeof(peer);
        int r;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return -errno;
        c->peer = true;
        c->uid = peer.uid;
        d->manager->connections++;
        r = process_open_peer(d->manager->proc_fd, fd, &peer, &c->process);
        if (r < 0)
                return r;
        if (peer.uid != 0) {
                const Machine *machine = manager_find_machine_by_process(d->manager, &c->process);

                c->of_vm = machine && machine->registrar == 0;
        }
        limit = limit_reached(d, c);
        if (!limit)
                return 0;
        if (may_warn(d))
                log_warning("Refused a connection of user %u, process %d: %s= of tced.conf is reached", (unsigned) peer.uid, (int) peer.pid, limit);
        return -ENOBUFS;
}

/* Makes a D-Bus server for one peer out of a connected socket. Takes fd over, also when it fails. */
static int add_peer_consume(DBus *d, int fd) {
        _cleanup_fd_ int owned = fd;
        sd_bus *bus = NULL;
        Connection *c;
        sd_id128_t id;
        int r;

        r = sd_id128_randomize(&id);
        if (r >= 0)
                r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        c = connection_new(d, bus);
        if (!c) {
                (void) sd_bus_unref(bus);
                return -ENOMEM;
        }
        r = admit_peer(d, c, fd);
        if (r >= 0)
                r = sd_bus_set_description(bus, "peer");
        if (r >= 0)
                r = sd_bus_set_fd(bus, fd, fd);
        if (r >= 0) {
                TAKE_FD(owned); /* the bus's from here */
                r = sd_bus_set_server(bus, 1, id);
        }
        if (r >= 0)
                r = sd_bus_negotiate_creds(bus, 1, SD_BUS_CREDS_PID | SD_BUS_CREDS_EUID);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, 1);
        if (r >= 0)
                r = attach_objects(c);
        if (r >= 0)
                r = sd_bus_add_filter(bus, NULL, on_peer_message, c);
        if (r >= 0)
                r = watch_process(c);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                r = attach_loop(c);
        if (r < 0)
                connection_free(c);
        return r;
}

static int on_pause_over(sd_event_source *s, uint64_t usec, void *userdata) {
        DBus *d = userdata;

        return sd_event_source_set_enabled(d->listener, SD_EVENT_ON);
}

/* Who waits to be let in would wake the loop again and again. */
static void pause_listening(DBus *d) {
        if (sd_event_source_set_time_relative(d->pause, ACCEPT_PAUSE_USEC) >= 0 &&
            sd_event_source_set_enabled(d->pause, SD_EVENT_ONESHOT) >= 0)
                (void) sd_event_source_set_enabled(d->listener, SD_EVENT_OFF);
}

static int on_connect(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        DBus *d = userdata;
        int connection, r;

        connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (connection < 0) {
                if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
                        return 0;
                log_warning("Can't accept a connection on %s: %s; see LimitNOFILE= of tced.service", d->socket_path, strerror(errno));
                pause_listening(d);
                return 0;
        }
        connection = fd_reserve_check(connection);
        if (connection < 0) {
                log_warning("Refused a connection on %s: there are no file descriptors left but those kept for answers; raise LimitNOFILE= of "
                            "tced.service", d->socket_path);
                pause_listening(d);
                return 0;
        }
        r = add_peer_consume(d, connection);
        if (r < 0 && r != -ENOBUFS && may_warn(d))
                log_warning("Can't serve a connection on %s: %s", d->socket_path, strerror(-r));
        return 0;
}

/* Does who listens there run still? A child that was being made when tced was killed has the socket open too, for the moment until it ends. */
static bool listener_runs(int fd) {
        struct ucred listener;
        socklen_t size = sizeof(listener);

        return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &listener, &size) < 0 || listener.pid <= 0 || kill(listener.pid, 0) == 0 ||
               errno != ESRCH;
}

/* Removes a socket that an earlier tced left; one that answers is a tced that runs. */
static int remove_stale_socket(const struct sockaddr_un *address) {
        _cleanup_fd_ int fd = -EBADF;
        struct stat st;
        bool connected;

        if (lstat(address->sun_path, &st) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISSOCK(st.st_mode))
                return -EEXIST;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        connected = connect(fd, (const struct sockaddr *) address, sizeof(*address)) == 0;
        if (connected ? listener_runs(fd) : errno == EAGAIN)
                return -EADDRINUSE;
        if ((connected || errno == ECONNREFUSED) && unlink(address->sun_path) < 0)
                return -errno;
        return 0;
}

/* The listening fd, or negative errno. */
static int listen_at(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_fd_ int fd = -EBADF;
        int r;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        r = remove_stale_socket(&address);
        if (r < 0)
                return r;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        /* Anyone may connect and ask; what they may do is decided call by call. */
        if (chmod(path, 0666) < 0 || listen(fd, SOMAXCONN) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int dbus_listen(DBus *d, const char *path, int given) {
        _cleanup_fd_ int fd = given;
        int flags, r;

        if (fd < 0) {
                fd = listen_at(path);
                if (fd < 0)
                        return fd;
        } else {
                flags = fcntl(fd, F_GETFL);
                if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
                        return -errno;
                d->socket_given = true;
        }
        d->socket_path = strdup(path);
        if (!d->socket_path)
                return -ENOMEM;
        r = sd_event_add_time(d->manager->event, &d->pause, CLOCK_MONOTONIC, 0, 0, on_pause_over, d);
        if (r >= 0)
                r = sd_event_source_set_enabled(d->pause, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_io(d->manager->event, &d->listener, fd, EPOLLIN, on_connect, d);
        if (r < 0)
                return r;
        (void) sd_event_source_set_io_fd_own(d->listener, 1);
        TAKE_FD(fd);
        return 0;
}

static int on_name_acquired(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name;
        bool *acquired = userdata;

        if (sd_bus_message_read(m, "s", &name) > 0)
                *acquired |= streq(name, TCED_BUS_NAME);
        return 0;
}

/* Queues for the name and waits a moment: the bus may not have noticed yet that a tced which was restarted is gone. */
static int take_name(sd_bus *bus) {
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        uint64_t now, deadline = 0;
        bool acquired = false;
        int r;

        r = sd_bus_match_signal(bus, &slot, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameAcquired",
                                on_name_acquired, &acquired);
        if (r >= 0)
                r = sd_bus_request_name(bus, TCED_BUS_NAME, SD_BUS_NAME_QUEUE);
        if (r != 0)
                return r;
        while (!acquired) {
                struct timespec t;

                r = sd_bus_process(bus, NULL);
                if (r > 0)
                        continue;
                (void) clock_gettime(CLOCK_MONOTONIC, &t);
                now = (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
                if (deadline == 0)
                        deadline = now + NAME_PATIENCE_USEC;
                if (r >= 0)
                        r = now < deadline ? sd_bus_wait(bus, deadline - now) : -EEXIST;
                if (r < 0)
                        return r;
        }
        return 1;
}

static int connect_bus(DBus *d);

/* The bus has ended, or sd-bus had no memory, or the like, for a message and gave the connection up. Who waits for an answer is told by the bus;
 * nothing else hangs on the connection. */
static int on_bus_gone(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        DBus *d = c->dbus;
        int r = -ENOTCONN;

        connection_free(c);
        /* One that is just ending may let tced in once more. */
        for (unsigned i = 0; i < BUS_TRIES && (r == -ENOTCONN || r == -ECONNRESET); i++)
                r = connect_bus(d);
        if (r >= 0)
                log_warning("The connection to the bus had ended, and was made again; who waited for an answer there was told that there is none");
        else
                d->lost(strerror(-r), d->lost_userdata);
        return 0;
}

static int connect_bus(DBus *d) {
        sd_bus *bus = NULL;
        Connection *c;
        int r;

        r = d->user ? sd_bus_open_user_with_description(&bus, "tced") : sd_bus_open_system_with_description(&bus, "tced");
        if (r < 0)
                return r;
        c = connection_new(d, bus);
        if (!c) {
                (void) sd_bus_unref(bus);
                return -ENOMEM;
        }
        c->polkit = !d->user;
        /* The filter that was added last is asked first. */
        r = permits_attach(c);
        if (r >= 0)
                r = senders_attach(c);
        if (r >= 0)
                r = attach_objects(c);
        if (r >= 0)
                r = take_name(bus);
        /* Not before, as take_name() has messages handled, and needs the connection until it is done. */
        if (r >= 0)
                r = sd_bus_match_signal(bus, NULL, "org.freedesktop.DBus.Local", "/org/freedesktop/DBus/Local",
                                        "org.freedesktop.DBus.Local", "Disconnected", on_bus_gone, c);
        if (r >= 0 && !d->user)
                (void) dbus_systemd_attach(c);
        if (r >= 0)
                r = attach_loop(c);
        if (r < 0)
                connection_free(c);
        return r;
}

int dbus_connect_bus(DBus *d, bool user, void (*lost)(const char *, void *), void *userdata) {
        d->user = user;
        d->lost = lost;
        d->lost_userdata = userdata;
        return connect_bus(d);
}

/* Signals. One that can't be sent on a connection is that connection's trouble alone; it is about to end, or out of memory. */

#define FOREACH_CONNECTION(c, d) \
        for (Connection *c = (d)->connections; c; c = c->next)

static void on_machine_added(Machine *machine, void *userdata) {
        DBus *d = userdata;
        char path[PATH_MAX_MACHINE], table[PATH_MAX_TABLE];

        (void) path_of_machine(path, machine);
        FOREACH_CONNECTION(c, d) {
                if (!connection_hears(c, machine))
                        continue;
                (void) sd_bus_emit_object_added(c->bus, path);
                for (size_t i = 0; i < machine->n_tables; i++)
                        (void) sd_bus_emit_object_added(c->bus, path_of_table(table, &machine->tables[i]));
                (void) sd_bus_emit_signal(c->bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "MachineNew", "so", machine->name, path);
        }
}

static void on_machine_removed(Machine *machine, void *userdata) {
        DBus *d = userdata;
        char path[PATH_MAX_MACHINE], table[PATH_MAX_TABLE];

        (void) path_of_machine(path, machine);
        FOREACH_CONNECTION(c, d) {
                if (c->of_vm && process_same(&c->process, &machine->process))
                        c->of_vm = false;
                if (!connection_hears(c, machine))
                        continue;
                (void) sd_bus_emit_signal(c->bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "MachineRemoved", "so", machine->name, path);
                for (size_t i = 0; i < machine->n_tables; i++)
                        (void) sd_bus_emit_object_removed(c->bus, path_of_table(table, &machine->tables[i]));
                (void) sd_bus_emit_object_removed(c->bus, path);
        }
}

static void on_machine_changed(Machine *machine, void *userdata) {
        DBus *d = userdata;
        char path[PATH_MAX_MACHINE];

        FOREACH_CONNECTION(c, d)
                if (connection_hears(c, machine))
                        (void) sd_bus_emit_properties_changed(c->bus, path_of_machine(path, machine), TCED_INTERFACE_MACHINE, "Pid",
                                                              "State", "Findings", "UserBytes", "KernelBytes", "LockedBytes", "Uid",
                                                              "MemlockRaised", NULL);
}

static void on_table_changed(Table *t, void *userdata) {
        DBus *d = userdata;
        char path[PATH_MAX_TABLE];

        FOREACH_CONNECTION(c, d)
                if (connection_hears(c, t->machine))
                        (void) sd_bus_emit_properties_changed(c->bus, path_of_table(path, t), TCED_INTERFACE_TABLE, "Placement", "Reason",
                                                              "ReasonText", "State", "Error", "HugePages", "Found",
                                                              "FoundText", "FoundWhy", NULL);
}

static void on_group_added(unsigned number, void *userdata) {
        DBus *d = userdata;
        char path[PATH_MAX_GROUP];

        FOREACH_CONNECTION(c, d)
                (void) sd_bus_emit_object_added(c->bus, path_of_group(path, number));
}

static void on_group_removed(unsigned number, void *userdata) {
        DBus *d = userdata;
        char path[PATH_MAX_GROUP];

        FOREACH_CONNECTION(c, d)
                (void) sd_bus_emit_object_removed(c->bus, path_of_group(path, number));
}

static void on_group_changed(unsigned number, unsigned changes, void *userdata) {
        DBus *d = userdata;

        FOREACH_CONNECTION(c, d)
                dbus_group_changed(c, number, changes);
}

/* Of a VM that is no machine only root hears on the private socket. */
static void on_slow_path(const Machine *machine, pid_t pid, const char *name, const char *text, void *userdata) {
        DBus *d = userdata;

        FOREACH_CONNECTION(c, d)
                if (machine ? connection_hears(c, machine) : !c->peer || is_master(c->uid))
                        (void) sd_bus_emit_signal(c->bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "SlowPath", "sus", name, (uint32_t) pid,
                                                  text);
}

static void on_host_changed(void *userdata) {
        DBus *d = userdata;

        FOREACH_CONNECTION(c, d)
                (void) sd_bus_emit_properties_changed_strv(c->bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, NULL);
}

int dbus_new(Manager *m, DBus **ret) {
        DBus *d = calloc(1, sizeof(*d));
        int r;

        if (!d)
                return -ENOMEM;
        d->manager = m;
        r = watch_connections(d);
        if (r < 0) {
                (void) dbus_free(d);
                return r;
        }
        m->observer = (ManagerObserver) {
                .machine_added = on_machine_added, .machine_removed = on_machine_removed, .machine_changed = on_machine_changed,
                .table_changed = on_table_changed, .group_added = on_group_added, .group_removed = on_group_removed,
                .group_changed = on_group_changed, .host_changed = on_host_changed, .slow_path = on_slow_path, .userdata = d,
        };
        *ret = d;
        return 0;
}

DBus *dbus_free(DBus *d) {
        if (!d)
                return NULL;
        d->manager->observer = (ManagerObserver) {};
        d->listener = sd_event_source_disable_unref(d->listener);
        d->pause = sd_event_source_disable_unref(d->pause);
        d->watch = sd_event_source_disable_unref(d->watch);
        d->turn = sd_event_source_disable_unref(d->turn);
        if (d->socket_path && !d->socket_given)
                (void) unlink(d->socket_path);
        free(d->socket_path);
        while (d->connections)
                connection_free(d->connections);
        free(d);
        return NULL;
}
