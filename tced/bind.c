/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tced-bind: the helper that does what needs privileges, so that the daemon needs no such thing. It listens on a socket that belongs to the
 * user tced and is closed to all others, is started when tced first asks, and ends when it has been idle. It opens the group fds that vfio
 * keeps for root, and the logs that libvirt does, and has whole groups bound to vfio-pci and given back; it decides nothing: who may have a
 * group is tced's business. What may hang is done by its workers, the same program with --work, each in a unit of its own. */

#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "bind_group.h"
#include "bind_keep.h"
#include "bind_protocol.h"
#include "bind_work.h"
#include "build-config.h"
#include "log.h"
#include "names.h"
#include "util.h"

#define IDLE_SECONDS 30U

/* No driver that works takes so long; tced waits for half a minute. */
#define DEADLINE_SECONDS 20U

typedef struct Bind {
        sd_event *event;
        sd_event_source *idle;
        const char *dev, *logs, *sys, *conf;
        BindGroupPlaces group_places;
        BindGroups *groups;
        uid_t client;
        uint64_t idle_usec;
        unsigned n_connections;
} Bind;

/* Lives until it is closed and all that was asked over it is answered. */
typedef struct Connection {
        Bind *bind;
        sd_event_source *source; /* NULL: closed */
        unsigned n_pending;
} Connection;

/* A question about a group. */
typedef struct Pending {
        Connection *connection;
        uint64_t id;
} Pending;

__attribute__((__format__(__printf__, 3, 4)))
static void refuse(BindReply *reply, int error, const char *format, ...) {
        va_list ap;

        reply->error = error;
        va_start(ap, format);
        (void) vsnprintf(reply->text, sizeof(reply->text), format, ap);
        va_end(ap);
}

/* /dev/vfio/N is one open file in the whole system (drivers/vfio/group.c:vfio_group_fops_open): EBUSY says that a VMM has it. */
static void open_group(Bind *b, uint32_t group, BindReply *reply) {
        char path[256];
        struct stat st;

        (void) snprintf(path, sizeof(path), "%s/vfio/%" PRIu32, b->dev, group);
        reply->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (reply->fd < 0 && errno == EBUSY)
                refuse(reply, EBUSY, "%s: another process has the group open; end it first", path);
        else if (reply->fd < 0 && errno == ENOENT)
                refuse(reply, ENOENT, "%s is not there: no device of the group is bound to vfio-pci", path);
        else if (reply->fd < 0)
                refuse(reply, errno, "%s: %s", path, strerror(errno));
        else if (fstat(reply->fd, &st) < 0 || !S_ISCHR(st.st_mode)) {
                reply->fd = fd_close(reply->fd);
                refuse(reply, ENODEV, "%s is no VFIO group", path);
        }
}

/* libvirt's file of what the domain's QEMU says on standard error (src/qemu/qemu_domain.c: qemuDomainLogContextNew), for tced to find the tables
 * that the kernel refused. */
static void open_log(Bind *b, const char *name, BindReply *reply) {
        char path[PATH_MAX];
        struct stat st;

        if (strchr(name, '/')) {
                refuse(reply, EINVAL, "a domain's name has no '/' in it");
                return;
        }
        (void) snprintf(path, sizeof(path), "%s/%s.log", b->logs, name);
        reply->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (reply->fd < 0)
                refuse(reply, errno, "%.256s: %s", path, strerror(errno));
        else if (fstat(reply->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
                reply->fd = fd_close(reply->fd);
                refuse(reply, EINVAL, "%.256s is no file", path);
        }
}

static void connection_free_if_done(Connection *c) {
        if (!c->source && c->n_pending == 0)
                free(c);
}

/* It ends when nobody is connected and nothing goes on. */
static void count_idle(void *userdata) {
        Bind *b = userdata;
        bool idle = b->n_connections == 0 && (!b->groups || bind_groups_running(b->groups) == 0);

        (void) sd_event_source_set_enabled(b->idle, idle ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
        if (idle)
                (void) sd_event_source_set_time_relative(b->idle, b->idle_usec);
}

static void connection_close(Connection *c) {
        Bind *b = c->bind;

        c->source = sd_event_source_disable_unref(c->source);
        b->n_connections--;
        count_idle(b);
        connection_free_if_done(c);
}

/* May be long after it was asked, and who asked be gone. */
static void on_group_done(const BindReply *reply, void *userdata) {
        Pending *p = userdata;
        Connection *c = p->connection;
        BindReply own = *reply;
        int r;

        own.id = p->id;
        free(p);
        c->n_pending--;
        r = c->source ? bind_send_reply(sd_event_source_get_io_fd(c->source), &own) : 0;
        if (r < 0)
                log_warning("An answer can't be sent: %s", strerror(-r));
        connection_free_if_done(c);
}

static void ask_group(Connection *c, const BindRequest *request, BindReply *reply) {
        Pending *p;

        if (!c->bind->groups) {
                refuse(reply, EIO, "%s: no folder for records: look into `journalctl -u tced-bind`", c->bind->group_places.records);
                return;
        }
        p = malloc(sizeof(*p));
        if (!p) {
                refuse(reply, ENOMEM, "out of memory");
                return;
        }
        *p = (Pending) { .connection = c, .id = request->id };
        c->n_pending++;
        bind_groups_ask(c->bind->groups, request, on_group_done, p);
}

/* false: the answer comes later. */
static bool answer(Connection *c, const BindRequest *request, BindReply *reply) {
        switch (request->operation) {
        case BIND_OPEN_GROUP:
                open_group(c->bind, request->group, reply);
                return true;
        case BIND_OPEN_LOG:
                open_log(c->bind, request->name, reply);
                return true;
        case BIND_BIND_GROUP:
        case BIND_RELEASE_GROUP:
                ask_group(c, request, reply);
                return reply->error != 0;
        case BIND_KEEP_GROUP:
        case BIND_FORGET_GROUP:
                bind_keep_do(c->bind->conf, request, reply);
                return true;
        case BIND_RECOVER_GROUP:
                refuse(reply, EINVAL, "that is for tced-bind itself to ask its workers");
                return true;
        case _BIND_OPERATION_MAX:
                break;
        }
        return true;
}

static int on_request(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Connection *c = userdata;
        BindRequest request;
        BindReply reply = { .fd = -EBADF };
        int r;

        r = bind_receive_request(fd, &request);
        if (r == -EAGAIN || r == -EINTR)
                return 0;
        if (r > 0) {
                reply.id = request.id;
                log_debug("%s %" PRIu32 " %s%s", bind_operation_to_string(request.operation), request.group, request.name, request.addresses[0]);
                if (!answer(c, &request, &reply))
                        return 0;
                log_debug("%s", reply.error ? reply.text : "done");
                r = bind_send_reply(fd, &reply) < 0 ? -EPIPE : 1;
                reply.fd = fd_close(reply.fd);
        }
        if (r > 0)
                return 0;
        /* Closed, or something that tced would never say. */
        if (r < 0)
                log_warning("Closing a connection: %s", strerror(-r));
        connection_close(c);
        return 0;
}

static int on_connection(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        _cleanup_fd_ int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        Bind *b = userdata;
        struct ucred peer;
        socklen_t size = sizeof(peer);
        Connection *c;
        int r;

        if (connection < 0)
                return 0;
        /* The socket's mode lets nobody else in; this holds even where someone changed it. */
        if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || (peer.uid != b->client && peer.uid != 0)) {
                log_warning("Refused a connection of user %u: tced-bind serves tced alone", (unsigned) peer.uid);
                return 0;
        }
        c = calloc(1, sizeof(*c));
        if (!c)
                return 0;
        c->bind = b;
        r = sd_event_add_io(b->event, &c->source, connection, EPOLLIN, on_request, c);
        if (r < 0) {
                log_error("Can't watch a connection: %s", strerror(-r));
                free(c);
                return 0;
        }
        (void) sd_event_source_set_io_fd_own(c->source, 1);
        TAKE_FD(connection);
        b->n_connections++;
        count_idle(b);
        return 0;
}

static int on_idle(sd_event_source *s, uint64_t usec, void *userdata) {
        Bind *b = userdata;
        return sd_event_exit(b->event, 0);
}

static int run(Bind *b, int listener) {
        int r;

        r = sd_event_default(&b->event);
        if (r < 0)
                return r;
        r = sd_event_add_io(b->event, NULL, listener, EPOLLIN, on_connection, b);
        if (r >= 0)
                r = sd_event_add_time_relative(b->event, &b->idle, CLOCK_MONOTONIC, b->idle_usec, 0, on_idle, b);
        if (r >= 0)
                r = sd_event_add_signal(b->event, NULL, SIGTERM | SD_EVENT_SIGNAL_PROCMASK, NULL, NULL);
        if (r >= 0) {
                /* Groups can be opened without. */
                int s = bind_groups_new(b->event, &b->group_places, count_idle, b, &b->groups);

                if (s < 0)
                        log_error("No group can be bound: %s: %s", b->group_places.records, strerror(-s));
                else
                        bind_groups_recover(b->groups);
                count_idle(b);
                (void) sd_notify(0, "READY=1");
                r = sd_event_loop(b->event);
        }
        b->groups = bind_groups_free(b->groups);
        b->idle = sd_event_source_unref(b->idle);
        b->event = sd_event_unref(b->event);
        return r;
}

static int usage(FILE *to, int status) {
        (void) fputs("tced-bind [OPTION...]\n"
                     "The helper of tced that opens VFIO groups and VMs' logs, and has groups bound to\n"
                     "vfio-pci and given back; started by tced-bind.socket.\n"
                     "  --dev=DIR     where the device nodes are (/dev)\n"
                     "  --sys=DIR     where the kernel's devices are (/sys)\n"
                     "  --logs=DIR    where libvirt keeps its domains' logs (/var/log/libvirt/qemu)\n"
                     "  --records=DIR  where it says what it has bound (/run/tced-bind/groups)\n"
                     "  --conf=DIR    for what is bound at each boot (/etc/tced/tced.conf.d)\n"
                     "  --user=NAME   the only user, besides root, that is served (tced)\n"
                     "  --idle=SECONDS  end when nobody has been connected for so long (30)\n"
                     "  --deadline=SECONDS  how long a group's binding may take (20)\n"
                     "  --work-socket=PATH  where workers are had (/run/tced-bind/work)\n"
                     "  --work        be a worker: bind or give back one group, as asked over fd 3\n"
                     "  --version\n", to);
        return status;
}

/* Whom to serve: a number, or a user's name. */
static int find_client(const char *name, uid_t *ret) {
        const struct passwd *user;
        uint64_t number;

        if (parse_u64(name, UINT32_MAX - 1, &number) == 0) {
                *ret = (uid_t) number;
                return 0;
        }
        user = getpwnam(name);
        if (!user)
                return -ENOENT;
        *ret = user->pw_uid;
        return 0;
}

/* One group, for the tced-bind that is at the other end. */
static int work(const Bind *b, int connection) {
        const BindPlaces places = { .kernel = &bind_kernel, .sys = b->sys, .dev = b->dev, .records = b->group_places.records };
        struct ucred peer;
        socklen_t size = sizeof(peer);
        int r;

        if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || (peer.uid != geteuid() && peer.uid != 0)) {
                log_warning("Refused a connection of user %u: a worker is tced-bind's alone", (unsigned) peer.uid);
                return EXIT_FAILURE;
        }
        r = bind_work_serve(&places, connection);
        if (r < 0)
                log_warning("Nothing was asked that makes sense: %s", strerror(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int serve(Bind *b, const char *user) {
        int r;

        if (find_client(user, &b->client) < 0) {
                log_error("No user '%s': systemd-sysusers makes it from sysusers.d/tced.conf", user);
                return EXIT_FAILURE;
        }
        r = run(b, SD_LISTEN_FDS_START);
        if (r < 0)
                log_error("Can't go on: %s", strerror(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char *argv[]) {
        enum { OPTION_WORK_SOCKET = 256 };
        static const struct option options[] = {
                { "dev", required_argument, NULL, 'd' },
                { "sys", required_argument, NULL, 's' },
                { "logs", required_argument, NULL, 'l' },
                { "records", required_argument, NULL, 'r' },
                { "conf", required_argument, NULL, 'c' },
                { "user", required_argument, NULL, 'u' },
                { "idle", required_argument, NULL, 'i' },
                { "deadline", required_argument, NULL, 't' },
                { "work-socket", required_argument, NULL, OPTION_WORK_SOCKET },
                { "work", no_argument, NULL, 'w' },
                { "version", no_argument, NULL, 'v' },
                { "help", no_argument, NULL, 'h' },
                {},
        };
        Bind b = {
                .dev = "/dev", .logs = "/var/log/libvirt/qemu", .sys = "/sys", .conf = "/etc/tced/tced.conf.d",
                .group_places = { .records = TCED_BIND_RECORDS, .work_socket = TCED_BIND_WORK_SOCKET },
        };
        uint64_t idle = IDLE_SECONDS, deadline = DEADLINE_SECONDS;
        const char *user = "tced";
        bool works = false;
        int c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'd':
                        b.dev = optarg;
                        break;
                case 's':
                        b.sys = optarg;
                        break;
                case 'l':
                        b.logs = optarg;
                        break;
                case 'r':
                        b.group_places.records = optarg;
                        break;
                case 'c':
                        b.conf = optarg;
                        break;
                case 'u':
                        user = optarg;
                        break;
                case 'i':
                        if (parse_u64(optarg, 24 * 60 * 60, &idle) < 0)
                                return usage(stderr, 2);
                        break;
                case 't':
                        if (parse_u64(optarg, 24 * 60 * 60, &deadline) < 0)
                                return usage(stderr, 2);
                        break;
                case OPTION_WORK_SOCKET:
                        b.group_places.work_socket = optarg;
                        break;
                case 'w':
                        works = true;
                        break;
                case 'v':
                        (void) puts("tced-bind " TCED_VERSION);
                        return 0;
                case 'h':
                        return usage(stdout, 0);
                default:
                        return usage(stderr, 2);
                }
        if (optind < argc)
                return usage(stderr, 2);
        b.idle_usec = idle * 1000000;
        b.group_places.deadline_usec = deadline * 1000000;
        if (sd_listen_fds(1) != 1) {
                log_error("tced-bind is given its socket by the service manager: systemctl start tced-bind.socket");
                return EXIT_FAILURE;
        }
        return works ? work(&b, SD_LISTEN_FDS_START) : serve(&b, user);
}
