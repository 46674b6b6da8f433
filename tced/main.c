/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tced: the command line, the event loop, who is wired to whom. */

#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "build-config.h"
#include "dbus.h"
#include "log.h"
#include "manager_bind.h"
#include "names.h"
#include "uevent.h"
#include "util.h"
#include "xml_reader.h"

/* So often in a row the event loop may fail, with so many turns between two failures at most, and after so long it is tried again. */
#define LOOP_FAILURES_MAX 16U
#define LOOP_TURNS_MAX 4U
#define LOOP_PAUSE_USEC (10U * 1000U)

/* How often READY=1 is tried, and after how long again. */
#define READY_TRIES_MAX 10U
#define READY_AGAIN_USEC (200 * UINT64_C(1000))

typedef struct Options {
        bool user;
        bool libvirt_given;
        const char *socket, *state;
        Places places;
} Options;

static int usage(FILE *to, int status) {
        (void) fputs("tced [OPTION...]\n"
                     "Finds out what this POWER host can do for its guests' DMA, decides where their\n"
                     "TCE tables live, and hands them out. Started by `systemctl start tced`.\n\n"
                     "  --user              run unprivileged: on the session bus if there is one, and\n"
                     "                      on $XDG_RUNTIME_DIR/tced/socket\n"
                     "  --socket=PATH       where the private socket is (" TCED_SOCKET ")\n"
                     "  --state=PATH        the file that outlives a restart (" TCED_STATE_NAME " beside the\n"
                     "                      socket)\n"
                     "  --bind-socket=PATH  where tced-bind listens (" TCED_BIND_SOCKET ")\n"
                     "  --bind-records=DIR  where it tells what it has bound (" TCED_BIND_RECORDS ")\n"
                     "  --libvirt-run=DIR   where libvirt keeps its VMs' PIDs (" LIBVIRT_RUN ")\n"
                     "  --libvirt-child=PATH\n"
                     "                      the program that talks to libvirt\n"
                     "  --config-root=DIR   look for etc/tced, run/tced, usr/lib/tced below DIR\n"
                     "  --sys=DIR --dev=DIR --proc=DIR\n"
                     "                      other folders than /sys, /dev, /proc, for tests\n"
                     "  -h, --help\n"
                     "  --version\n\n"
                     "See tced(8), tced.conf(5), tcectl(1).\n", to);
        return status;
}

/* -1: go on; else the exit status. */
static int parse_options(int argc, char *argv[], Options *o) {
        enum { USER = 256, SOCKET, STATE, BIND_SOCKET, BIND_RECORDS, LIBVIRT_RUN_DIR, LIBVIRT_CHILD, CONFIG_ROOT, SYS, DEV, PROC, VERSION };
        static const struct option options[] = {
                { "user", no_argument, NULL, USER },
                { "socket", required_argument, NULL, SOCKET },
                { "state", required_argument, NULL, STATE },
                { "bind-socket", required_argument, NULL, BIND_SOCKET },
                { "bind-records", required_argument, NULL, BIND_RECORDS },
                { "libvirt-run", required_argument, NULL, LIBVIRT_RUN_DIR },
                { "libvirt-child", required_argument, NULL, LIBVIRT_CHILD },
                { "config-root", required_argument, NULL, CONFIG_ROOT },
                { "sys", required_argument, NULL, SYS },
                { "dev", required_argument, NULL, DEV },
                { "proc", required_argument, NULL, PROC },
                { "version", no_argument, NULL, VERSION },
                { "help", no_argument, NULL, 'h' },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case USER:
                        o->user = true;
                        break;
                case SOCKET:
                        o->socket = optarg;
                        break;
                case STATE:
                        o->state = optarg;
                        break;
                case BIND_SOCKET:
                        o->places.bind_socket = optarg;
                        break;
                case BIND_RECORDS:
                        o->places.bind_records = optarg;
                        break;
                case LIBVIRT_RUN_DIR:
                        o->places.libvirt_run = optarg;
                        break;
                case LIBVIRT_CHILD:
                        o->places.libvirt_child = optarg;
                        o->libvirt_given = true;
                        break;
                case CONFIG_ROOT:
                        o->places.config_root = optarg;
                        break;
                case SYS:
                        o->places.sys = optarg;
                        break;
                case DEV:
                        o->places.dev = optarg;
                        break;
                case PROC:
                        o->places.proc = optarg;
                        break;
                case VERSION:
                        (void) puts("tced " TCED_VERSION);
                        return EXIT_SUCCESS;
                case 'h':
                        return usage(stdout, EXIT_SUCCESS);
                default:
                        return usage(stderr, 2);
                }
        if (optind < argc) {
                (void) fprintf(stderr, "tced takes no argument '%s'; see tced --help\n", argv[optind]);
                return 2;
        }
        return -1;
}

static int on_hangup(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        log_info("Reading the configuration again (SIGHUP)");
        if (manager_reload_notify(userdata) < 0)
                log_error("No memory to read the configuration; what was read before stays in force");
        return 0;
}

static int on_end(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        return sd_event_exit(sd_event_source_get_event(s), EXIT_SUCCESS);
}

static void on_bus_lost(const char *why, void *userdata) {
        log_error("Lost the bus, and can't connect to it again: %s", why);
        (void) sd_event_exit(userdata, EXIT_FAILURE);
}

static int add_signals(sd_event *event, Manager *m) {
        sigset_t blocked;
        int r;

        /* A socket that is closed is an error, not the end. */
        sigemptyset(&blocked);
        sigaddset(&blocked, SIGHUP);
        sigaddset(&blocked, SIGINT);
        sigaddset(&blocked, SIGTERM);
        if (sigprocmask(SIG_BLOCK, &blocked, NULL) < 0)
                return -errno;
        (void) signal(SIGPIPE, SIG_IGN);
        (void) signal(SIGXFSZ, SIG_IGN);
        r = sd_event_add_signal(event, NULL, SIGHUP, on_hangup, m);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGINT, on_end, NULL);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGTERM, on_end, NULL);
        return r;
}

/* The private socket of --user, in the user's own runtime folder, which is made. NULL in *ret: there is none. 0 or -ENOMEM. */
static int user_socket(char **ret) {
        const char *runtime = getenv("XDG_RUNTIME_DIR");
        _cleanup_free_ char *folder = NULL;
        char *path;

        *ret = NULL;
        if (isempty(runtime))
                return 0;
        if (asprintf(&folder, "%s/tced", runtime) < 0)
                return -ENOMEM;
        if (mkdir(folder, 0755) < 0 && errno != EEXIST)
                return 0;
        if (asprintf(&path, "%s/" TCED_SOCKET_NAME, folder) < 0)
                return -ENOMEM;
        *ret = path;
        return 0;
}

/* As user_socket(). */
static int socket_path(const Options *o, char **ret) {
        if (!o->socket && o->user)
                return user_socket(ret);
        *ret = strdup(o->socket ? o->socket : TCED_SOCKET);
        return *ret ? 0 : -ENOMEM;
}

/* Takes up what an earlier tced left; nobody is answered before. */
static int restore(Manager *m, const Options *o, const char *socket, StoredFds *fds) {
        _cleanup_free_ char *beside = NULL;
        const char *slash = socket ? strrchr(socket, '/') : NULL, *name = slash ? slash + 1 : socket;
        int r = 0;

        if (!o->state && !socket)
                return 0;
        /* One for each socket, also in a folder of several. */
        if (!o->state && (streq(name, TCED_SOCKET_NAME) ? asprintf(&beside, "%.*s" TCED_STATE_NAME, (int) (name - socket), socket)
                                                        : asprintf(&beside, "%s." TCED_STATE_NAME, socket)) < 0) {
                beside = NULL;
                r = -ENOMEM;
        }
        if (r >= 0)
                r = manager_restore(m, o->state ? o->state : beside, fds);
        if (r < 0)
                log_error("Can't take up the state in %s: %s", o->state ? o->state : beside ? beside : "a file beside the socket", strerror(-r));
        return r;
}

/* What tced.socket listens on, of what the service manager handed over: who connects while there is no tced is answered by the next.
 * -EBADF: there is none, or it is another. */
static int take_listener(StoredFds *fds, const char *path) {
        StoredFd *given = fd_store_find(fds, TCED_SOCKET_UNIT);

        if (!given)
                return -EBADF;
        if (sd_is_socket_unix(given->fd, SOCK_STREAM, 1, path, 0) <= 0) {
                log_warning("What " TCED_SOCKET_UNIT " handed over does not listen on %s and is of no use; see ListenStream= in "
                            "`systemctl cat " TCED_SOCKET_UNIT "`, and --socket=", path);
                (void) fd_close(TAKE_FD(given->fd));
                return -EBADF;
        }
        return TAKE_FD(given->fd);
}

/* On the bus, on the private socket, or both: --user does with either. Who has the socket is alone with the state, which is taken up
 * before the bus is connected to: it may take long, and the bus cuts off who does not listen. */
static int serve(DBus *d, Manager *m, const Options *o, const char *socket, StoredFds *fds, sd_event *event) {
        int on_bus, on_socket = -ENOENT, r;

        if (socket)
                on_socket = dbus_listen(d, socket, take_listener(fds, socket));
        if (on_socket == -EADDRINUSE) {
                log_error("The socket %s is taken: another tced answers there; end it first", socket);
                return on_socket;
        }
        r = restore(m, o, socket, fds);
        if (r < 0)
                return r;
        on_bus = dbus_connect_bus(d, o->user, on_bus_lost, event);
        if (on_bus == -EEXIST) {
                log_error("The name " TCED_BUS_NAME " is taken: another tced runs on this bus; end it first");
                return on_bus;
        }
        if (on_socket < 0 && (socket || on_bus < 0))
                log_warning("Can't listen on %s: %s", socket ? socket : "$XDG_RUNTIME_DIR/tced/socket", strerror(-on_socket));
        if (!o->user && (on_bus == -EACCES || on_bus == -EPERM)) {
                log_error("This user may not own the name " TCED_BUS_NAME " on the system bus: `systemctl start tced`, or see org.tced1.conf in "
                          "dbus-1/system.d");
                return on_bus;
        }
        if (on_bus < 0 && !o->user) {
                log_error("Can't connect to the system bus: %s; is D-Bus running?", strerror(-on_bus));
                return on_bus;
        }
        if (on_bus < 0 && on_socket < 0) {
                log_error("There is neither a session bus (%s) nor a socket; set XDG_RUNTIME_DIR, or give --socket=", strerror(-on_bus));
                return on_bus;
        }
        if (on_bus < 0)
                log_info("There is no session bus; serving %s alone", socket);
        return !o->user && on_socket < 0 ? on_socket : 0;
}

static void tell_ready(void *userdata);

static int on_ready_again(sd_event_source *s, uint64_t usec, void *userdata) {
        tell_ready(userdata);
        return 0;
}

/* Who starts tced waits for it, and ends it where it does not come. */
static void tell_ready(void *userdata) {
        static unsigned tries;
        int r = sd_notify(0, "READY=1");

        if (r >= 0)
                return;
        log_warning("Can't tell the service manager that tced is ready: %s", strerror(-r));
        if (++tries < READY_TRIES_MAX)
                (void) sd_event_add_time_relative(userdata, NULL, CLOCK_MONOTONIC, READY_AGAIN_USEC, 0, on_ready_again, userdata);
}

/* Where memory or the like runs out in sd-event itself the loop stops, though with the next turn it may be there: not at once the end. */
static int loop(sd_event *event) {
        uint64_t turn = 0, last = 0;
        unsigned n = 0;

        for (;;) {
                int r = sd_event_loop(event);

                if (r >= 0)
                        return r;
                (void) sd_event_get_iteration(event, &turn);
                n = turn - last > LOOP_TURNS_MAX ? 1 : n + 1;
                last = turn;
                if (n > LOOP_FAILURES_MAX) {
                        log_error("The event loop fails again and again: %s; restarting is all that is left", strerror(-r));
                        return r;
                }
                log_warning("The event loop was interrupted and goes on: %s", strerror(-r));
                (void) usleep(LOOP_PAUSE_USEC);
        }
}

/* Whoever asks from now on waits for its answer until tced has looked at the host, and need not be kept from asking by that: ready it is before.
 * But where groups are to be bound whoever starts after tced (libvirt, with its VMs) is to find them so. */
static int begin(Manager *m, Uevent *u, sd_event *event) {
        const bool binds = manager_has_boot_bindings(m);
        DomainError error;
        int r;

        (void) sd_event_set_watchdog(event, 1);
        if (!binds)
                tell_ready(event);
        (void) sd_notify(0, "STATUS=Proving what this host can do");
        r = manager_look(m);
        if (r < 0) {
                log_error("Can't look at this host: %s", strerror(-r));
                return r;
        }
        if (u && uevent_attach(u, event, m) < 0)
                log_warning("Can't hear of devices that come and go; run `tcectl rescan` for that");
        if (xml_load(&error) < 0)
                log_warning("%s; until then tced understands no domain", error.text);
        manager_read_bindings(m);
        manager_bind_at_boot(m, binds ? tell_ready : NULL, event);
        if (manager_probe(m, false, NULL, NULL) < 0)
                log_warning("No memory to prove what this host can do");
        return 0;
}

static int run(const Options *o) {
        _cleanup_free_ char *socket = NULL;
        sd_event *event = NULL;
        Manager *m = NULL;
        DBus *d = NULL;
        Uevent *u = NULL;
        StoredFds fds;
        const char *what = "take the fds that the service manager keeps";
        int r;

        /* Before there are children that would have them too. */
        r = fd_store_take(&fds);
        if (r >= 0) {
                what = "name its socket";
                r = socket_path(o, &socket);
        }
        if (r >= 0) {
                what = "make an event loop";
                r = sd_event_default(&event);
        }
        /* Before the host is looked at, so that no change is missed. */
        if (r >= 0 && uevent_new(&u) < 0)
                log_warning("Can't hear of devices that come and go; run `tcectl rescan` for that");
        if (r >= 0) {
                what = "read the configuration";
                r = manager_new(event, &o->places, &m);
        }
        if (r >= 0) {
                what = "wait for signals";
                r = add_signals(event, m);
        }
        if (r >= 0) {
                what = "prepare for D-Bus";
                r = dbus_new(m, &d);
        }
        if (r < 0)
                log_error("Can't start, as tced can't %s: %s", what, strerror(-r));
        if (r >= 0)
                r = serve(d, m, o, socket, &fds, event);
        if (r >= 0)
                r = begin(m, u, event);
        if (r >= 0) {
                r = loop(event);
                (void) sd_notify(0, "STOPPING=1");
        }
        u = uevent_free(u);
        /* Whoever waits is told so, as long as there are connections. */
        manager_stop(m);
        d = dbus_free(d);
        m = manager_free(m);
        event = sd_event_unref(event);
        stored_fds_clear(&fds);
        return r;
}

/* What large messages took goes back to the kernel with them. Left alone, glibc takes the size of each that is freed for what its heap is to
 * hold from then on (mallopt(3), M_MMAP_THRESHOLD): after a minute of tests/soak 14 MiB instead of 9. */
static void keep_heap_small(void) {
#ifdef M_MMAP_THRESHOLD
        (void) mallopt(M_MMAP_THRESHOLD, 128 * 1024);
        (void) mallopt(M_TRIM_THRESHOLD, 128 * 1024);
#endif
}

int main(int argc, char *argv[]) {
        Options o = {
                .places = { .sys = "/sys", .dev = "/dev", .proc = "/proc", .config_root = "", .run = "/run",
                            .bind_socket = TCED_BIND_SOCKET, .bind_records = TCED_BIND_RECORDS, .libvirt_run = LIBVIRT_RUN, .libvirt_child = TCED_LIBEXECDIR "/tced-libvirt" },
        };
        int r;

        keep_heap_small();
        r = parse_options(argc, argv, &o);
        if (r >= 0)
                return r;
        /* libvirt's system instance is the system's tced's business. */
        if (o.user && !o.libvirt_given)
                o.places.libvirt_child = NULL;
        r = run(&o);
        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
