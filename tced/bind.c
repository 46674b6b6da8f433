/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tced-bind: the helper that does what needs CAP_DAC_OVERRIDE, so that the daemon needs no such thing. It listens on a socket that
 * belongs to the user tced and is closed to all others, is started when tced first asks, and ends when it has been idle. It opens
 * the group fds that vfio keeps for root, and the logs that libvirt does; it decides nothing: who may have a group is tced's business. */

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

#include "bind_protocol.h"
#include "build-config.h"
#include "log.h"
#include "names.h"
#include "util.h"

#define IDLE_SECONDS 30U

typedef struct Bind {
        sd_event *event;
        sd_event_source *idle;
        const char *dev;
        const char *logs;
        uid_t client;
        uint64_t idle_usec;
        unsigned n_connections;
} Bind;

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

static int on_request(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Bind *b = userdata;
        BindRequest request;
        BindReply reply = { .fd = -EBADF };
        int r;

        r = bind_receive_request(fd, &request);
        if (r == -EAGAIN || r == -EINTR)
                return 0;
        if (r > 0) {
                reply.id = request.id;
                switch (request.operation) {
                case BIND_OPEN_GROUP:
                        open_group(b, request.group, &reply);
                        break;
                case BIND_OPEN_LOG:
                        open_log(b, request.name, &reply);
                        break;
                case BIND_BIND_GROUP:
                case BIND_RELEASE_GROUP:
                case BIND_KEEP_GROUP:
                case BIND_FORGET_GROUP:
                case BIND_RECOVER_GROUP:
                        refuse(&reply, EOPNOTSUPP, "%s is not there yet", bind_operation_to_string(request.operation));
                        break;
                case _BIND_OPERATION_MAX:
                        break;
                }
                log_debug("%s %" PRIu32 "%s: %s", bind_operation_to_string(request.operation), request.group, request.name,
                          reply.error ? reply.text : "opened");
                r = bind_send_reply(fd, &reply) < 0 ? -EPIPE : 1;
                reply.fd = fd_close(reply.fd);
        }
        if (r > 0)
                return 0;
        /* Closed, or something that tced would never say. */
        if (r < 0)
                log_warning("Closing a connection: %s", strerror(-r));
        if (--b->n_connections == 0)
                (void) sd_event_source_set_enabled(b->idle, SD_EVENT_ONESHOT);
        (void) sd_event_source_set_time_relative(b->idle, b->idle_usec);
        /* Not floating any more, the source has no reference left and closes its fd. */
        (void) sd_event_source_set_floating(s, 0);
        return 0;
}

static int on_connection(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        _cleanup_fd_ int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        Bind *b = userdata;
        sd_event_source *source;
        struct ucred peer;
        socklen_t size = sizeof(peer);
        int r;

        if (connection < 0)
                return 0;
        /* The socket's mode lets nobody else in; this holds even where someone changed it. */
        if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || (peer.uid != b->client && peer.uid != 0)) {
                log_warning("Refused a connection of user %u: tced-bind serves tced alone", (unsigned) peer.uid);
                return 0;
        }
        r = sd_event_add_io(b->event, &source, connection, EPOLLIN, on_request, b);
        if (r < 0) {
                log_error("Can't watch a connection: %s", strerror(-r));
                return 0;
        }
        (void) sd_event_source_set_io_fd_own(source, 1);
        TAKE_FD(connection);
        (void) sd_event_source_set_floating(source, 1);
        (void) sd_event_source_unref(source);
        b->n_connections++;
        (void) sd_event_source_set_enabled(b->idle, SD_EVENT_OFF);
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
                (void) sd_notify(0, "READY=1");
                r = sd_event_loop(b->event);
        }
        b->idle = sd_event_source_unref(b->idle);
        b->event = sd_event_unref(b->event);
        return r;
}

static int usage(FILE *to, int status) {
        (void) fputs("tced-bind [--dev=DIR] [--logs=DIR] [--user=NAME|UID] [--idle=SECONDS]\n"
                     "The helper of tced that opens VFIO groups and VMs' logs; started by tced-bind.socket.\n"
                     "  --dev=DIR     where the device nodes are (/dev)\n"
                     "  --logs=DIR    where libvirt keeps its domains' logs (/var/log/libvirt/qemu)\n"
                     "  --user=NAME   the only user, besides root, that is served (tced)\n"
                     "  --idle=SECONDS  end when nobody has been connected for so long (30)\n"
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

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                { "dev", required_argument, NULL, 'd' },
                { "logs", required_argument, NULL, 'l' },
                { "user", required_argument, NULL, 'u' },
                { "idle", required_argument, NULL, 'i' },
                { "version", no_argument, NULL, 'v' },
                { "help", no_argument, NULL, 'h' },
                {},
        };
        Bind b = { .dev = "/dev", .logs = "/var/log/libvirt/qemu" };
        uint64_t idle = IDLE_SECONDS;
        const char *user = "tced";
        int c, r;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'd':
                        b.dev = optarg;
                        break;
                case 'l':
                        b.logs = optarg;
                        break;
                case 'u':
                        user = optarg;
                        break;
                case 'i':
                        if (parse_u64(optarg, 24 * 60 * 60, &idle) < 0)
                                return usage(stderr, 2);
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
        if (sd_listen_fds(1) != 1) {
                log_error("tced-bind is given its socket by the service manager: systemctl start tced-bind.socket");
                return EXIT_FAILURE;
        }
        if (find_client(user, &b.client) < 0) {
                log_error("No user '%s': systemd-sysusers makes it from sysusers.d/tced.conf", user);
                return EXIT_FAILURE;
        }
        r = run(&b, SD_LISTEN_FDS_START);
        if (r < 0)
                log_error("Can't go on: %s", strerror(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
