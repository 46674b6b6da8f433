/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The daemon's side of tced-libvirt: starts it when a libvirtd runs, asks, keeps what it says, kills it when it is silent. Connecting is
 * a question like any other, so a libvirtd that accepts and says nothing is noticed by the same deadline. */

#include "libvirt.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "libvirt_lines.h"
#include "log.h"
#include "util.h"

#define BACKOFF_MAX_USEC (UINT64_C(60) * 1000000)
/* A connection that held as many times the shortest wait was a good one. */
#define BACKOFF_GOOD 10U
/* More questions than this waiting at a time are refused: each holds a caller of the bus. */
#define ASKS_MAX 256U

typedef struct json_object Json;
DEFINE_POINTER_CLEANUP(Json, json_object_put, json_putp)

typedef enum AskKind {
        ASK_DOMAINS,
        ASK_DEVICES,
        ASK_XML,
} AskKind;

typedef struct Ask Ask;
struct Ask {
        uint64_t id;
        AskKind kind;
        char *name;
        bool sent;
        uint64_t sent_usec;
        LibvirtXmlDone done;
        void *userdata;
        Ask *next;
};

struct Libvirt {
        sd_event *event;
        LibvirtPlaces places;
        LibvirtObserver observer;
        LibvirtState state;
        char why[256];
        bool ending;
        bool disconnected; /* the child said why it ends */

        pid_t pid; /* of the child; 0: none */
        int fd;
        sd_event_source *io, *child, *silence, *retry, *watch, *late;
        char *watched; /* the folder that is watched */
        uint64_t backoff_usec;
        uint64_t connected_usec; /* since when, of CLOCK_MONOTONIC */
        LineReader reader;

        Ask *asks; /* in the order in which they came */
        size_t n_asks;
        uint64_t last_id;
        LibvirtDomain *domains;
        size_t n_domains;
        uint64_t domains_asked_usec;
};

static void start(Libvirt *l);

const char *libvirt_state_to_string(LibvirtState state) {
        static const char *const names[_LIBVIRT_STATE_MAX] = {
                [LIBVIRT_OFF] = "off",
                [LIBVIRT_AWAY] = "away",
                [LIBVIRT_CONNECTING] = "connecting",
                [LIBVIRT_CONNECTED] = "connected",
        };

        return names[state];
}

static void changed(Libvirt *l) {
        if (l->observer.changed && !l->ending)
                l->observer.changed(l->observer.userdata);
}

static void forget_domains(Libvirt *l) {
        for (size_t i = 0; i < l->n_domains; i++)
                free(l->domains[i].name);
        free(l->domains);
        l->domains = NULL;
        l->n_domains = 0;
        l->domains_asked_usec = 0;
}

static void ask_free(Ask *a) {
        free(a->name);
        free(a);
}

/* Takes it out of the list before its answer is given: whoever gets that may ask again. */
static void answer(Libvirt *l, Ask *ask, int error, const char *text) {
        for (Ask **a = &l->asks; *a; a = &(*a)->next)
                if (*a == ask) {
                        *a = ask->next;
                        l->n_asks--;
                        break;
                }
        if (ask->done)
                ask->done(error, text, ask->userdata);
        ask_free(ask);
}

static void answer_all(Libvirt *l, int error, const char *text) {
        size_t n = l->n_asks; /* not those that come of it */

        while (n-- > 0 && l->asks)
                answer(l, l->asks, error, text);
}

/* Lets go of the child. It is killed, and reaped by the event loop whenever it ends. */
static void drop_child(Libvirt *l) {
        l->io = sd_event_source_disable_unref(l->io);
        l->silence = sd_event_source_disable_unref(l->silence);
        l->fd = fd_close(l->fd);
        if (l->child) {
                (void) kill(l->pid, SIGKILL);
                (void) sd_event_source_set_userdata(l->child, NULL);
                (void) sd_event_source_set_floating(l->child, 1);
                l->child = sd_event_source_unref(l->child);
        }
        l->pid = 0;
        line_reader_clear(&l->reader);
}

static bool daemon_runs(const Libvirt *l) {
        _cleanup_free_ char *path = NULL;

        return asprintf(&path, "%s/driver.pid", l->places.run) >= 0 && access(path, F_OK) == 0;
}

/* A libvirtd may close its connections before it removes its file; to connect behind that would have its socket start it again. */
static int on_retry(sd_event_source *s, uint64_t usec, void *userdata) {
        Libvirt *l = userdata;

        if (daemon_runs(l))
                start(l);
        return 0;
}

/* While a libvirtd seems to run it is tried again, later each time; where none does, the folder's watch says when one comes. */
static void try_later(Libvirt *l) {
        uint64_t wait = l->backoff_usec;

        if (!daemon_runs(l) || l->ending)
                return;
        l->backoff_usec = wait * 2 < BACKOFF_MAX_USEC ? wait * 2 : BACKOFF_MAX_USEC;
        if (!l->retry) {
                if (sd_event_add_time_relative(l->event, &l->retry, CLOCK_MONOTONIC, wait, wait / 4, on_retry, l) < 0)
                        log_warning("No memory to try libvirt again; restart tced for that");
                return;
        }
        (void) sd_event_source_set_time_relative(l->retry, wait);
        (void) sd_event_source_set_enabled(l->retry, SD_EVENT_ONESHOT);
}

static void give_up(Libvirt *l, int error, const char *why) {
        bool was = l->state == LIBVIRT_CONNECTED;
        uint64_t now = 0;

        /* One that is lost at once each time, by what libvirt or its domains do to it, must not be tried every second. */
        (void) sd_event_now(l->event, CLOCK_MONOTONIC, &now);
        if (was && now - l->connected_usec >= BACKOFF_GOOD * l->places.backoff_min_usec)
                l->backoff_usec = l->places.backoff_min_usec;
        drop_child(l);
        forget_domains(l);
        l->state = LIBVIRT_AWAY;
        /* What the child said stands there already. */
        if (why != l->why)
                (void) snprintf(l->why, sizeof(l->why), "%s", why);
        (void) utf8_mend(l->why);
        if (was)
                log_notice("Lost libvirt: %s", l->why);
        else
                log_debug("No connection to libvirt: %s", l->why);
        answer_all(l, error, l->why);
        changed(l);
        try_later(l);
}

static int on_silence(sd_event_source *s, uint64_t usec, void *userdata) {
        Libvirt *l = userdata;
        char why[160];

        (void) snprintf(why, sizeof(why), "libvirt did not answer for %" PRIu64 " s; see whether it hangs: virsh -r list; systemctl status libvirtd",
                        l->places.silence_usec / 1000000);
        give_up(l, ETIMEDOUT, why);
        return 0;
}

/* The deadline runs while a question is open, and starts again with every sign of life. */
static void mind_silence(Libvirt *l) {
        bool open = l->state == LIBVIRT_CONNECTING || l->asks;

        if (l->pid == 0)
                return;
        if (!open) {
                if (l->silence)
                        (void) sd_event_source_set_enabled(l->silence, SD_EVENT_OFF);
                return;
        }
        if (!l->silence) {
                if (sd_event_add_time(l->event, &l->silence, CLOCK_MONOTONIC, UINT64_MAX, 10000, on_silence, l) < 0)
                        return;
                /* Behind what can be read: where it was the loop that was late, the answer may be there. */
                (void) sd_event_source_set_priority(l->silence, SD_EVENT_PRIORITY_NORMAL + 1);
        }
        (void) sd_event_source_set_time_relative(l->silence, l->places.silence_usec);
        (void) sd_event_source_set_enabled(l->silence, SD_EVENT_ONESHOT);
}

static void send_ask(Libvirt *l, Ask *ask) {
        static const char *const words[] = { [ASK_DOMAINS] = "domains", [ASK_DEVICES] = "devices", [ASK_XML] = "xml" };
        _cleanup_(json_putp) Json *line = json_object_new_object();
        const char *text = NULL;
        size_t length = 0;

        if (line && json_object_object_add(line, "id", json_object_new_uint64(ask->id)) == 0 &&
            json_object_object_add(line, "ask", json_object_new_string(words[ask->kind])) == 0 &&
            (!ask->name || json_object_object_add(line, "name", json_object_new_string(ask->name)) == 0))
                text = json_object_to_json_string_length(line, JSON_C_TO_STRING_PLAIN, &length);
        /* A socket that is full is a child that hangs: the silence will end it. */
        if (text && send(l->fd, text, length, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE) == (ssize_t) length)
                (void) send(l->fd, "\n", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        ask->sent = true;
        (void) sd_event_now(l->event, CLOCK_MONOTONIC, &ask->sent_usec);
}

static int ask(Libvirt *l, AskKind kind, const char *name, LibvirtXmlDone done, void *userdata) {
        Ask *a, **end = &l->asks;

        if (l->n_asks >= ASKS_MAX)
                return -EBUSY;
        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;
        a->name = name ? strdup(name) : NULL;
        if (name && !a->name) {
                free(a);
                return -ENOMEM;
        }
        a->id = ++l->last_id;
        a->kind = kind;
        a->done = done;
        a->userdata = userdata;
        while (*end)
                end = &(*end)->next;
        *end = a;
        l->n_asks++;
        if (l->state == LIBVIRT_CONNECTED) {
                send_ask(l, a);
                mind_silence(l);
        }
        return 0;
}

/* Asked anew at each change, as events may be lost. One question that waits is enough: the child says things as they happen, so that an
 * answer which comes behind an event knows of it. */
static void ask_domains(Libvirt *l) {
        for (Ask *a = l->asks; a; a = a->next)
                if (a->kind == ASK_DOMAINS)
                        return;
        if (ask(l, ASK_DOMAINS, NULL, NULL, NULL) < 0)
                log_warning("libvirt can't be asked for its domains just now; what is known of them may be old");
}

static void on_connected(Libvirt *l) {
        l->state = LIBVIRT_CONNECTED;
        l->disconnected = false;
        l->why[0] = '\0';
        (void) sd_event_now(l->event, CLOCK_MONOTONIC, &l->connected_usec);
        log_info("Connected to libvirt (%s)", l->places.uri);
        for (Ask *a = l->asks; a; a = a->next)
                if (!a->sent)
                        send_ask(l, a);
        ask_domains(l);
        (void) ask(l, ASK_DEVICES, NULL, NULL, NULL);
        changed(l);
}

static const char *member(Json *line, const char *key) {
        Json *value;

        return json_object_object_get_ex(line, key, &value) && json_object_is_type(value, json_type_string) ?
                       json_object_get_string(value) : NULL;
}

static void on_event(Libvirt *l, const char *event, Json *line) {
        const char *why = member(line, "why");

        if (streq(event, "connected"))
                on_connected(l);
        else if (streq(event, "disconnected")) {
                l->disconnected = true;
                (void) snprintf(l->why, sizeof(l->why), "%s", isempty(why) ? "the connection to libvirt is lost" : why);
                (void) utf8_mend(l->why);
        } else if (streq(event, "domain"))
                ask_domains(l);
        else if (streq(event, "node-device") && l->observer.devices_changed)
                l->observer.devices_changed(l->observer.userdata);
}

static void take_domains(Libvirt *l, const Ask *ask, Json *line) {
        Json *list;
        size_t n;

        if (!json_object_object_get_ex(line, "domains", &list) || !json_object_is_type(list, json_type_array))
                return;
        n = json_object_array_length(list);
        forget_domains(l);
        l->domains_asked_usec = ask->sent_usec;
        l->domains = calloc(n ? n : 1, sizeof(*l->domains));
        for (size_t i = 0; l->domains && i < n; i++) {
                Json *item = json_object_array_get_idx(list, i);
                const char *name = member(item, "name"), *uuid = member(item, "uuid");
                LibvirtDomain *d = &l->domains[l->n_domains];

                if (isempty(name) || !uuid || !uuid_normalize(uuid, d->uuid))
                        continue;
                d->name = strdup(name);
                if (d->name)
                        l->n_domains++;
        }
        changed(l);
}

static void on_answer(Libvirt *l, uint64_t id, Json *line) {
        const char *error = member(line, "error"), *xml = member(line, "xml");
        Json *missing;
        Ask *a = l->asks;

        while (a && a->id != id)
                a = a->next;
        if (!a)
                return;
        switch (a->kind) {
        case ASK_DOMAINS:
                take_domains(l, a, line);
                answer(l, a, 0, "");
                return;
        case ASK_DEVICES:
                /* Which they are the kernel says better; that libvirt sees them is a sign to look. */
                if (!error && l->observer.devices_changed)
                        l->observer.devices_changed(l->observer.userdata);
                answer(l, a, 0, "");
                return;
        case ASK_XML:
                if (xml)
                        answer(l, a, 0, xml);
                else if (json_object_object_get_ex(line, "missing", &missing) && json_object_get_boolean(missing))
                        answer(l, a, ENOENT, isempty(error) ? "there is no such domain" : error);
                else
                        answer(l, a, EIO, isempty(error) ? "libvirt gave no XML" : error);
                return;
        }
}

/* One line of the child's. false: it makes no sense, and the child is not to be trusted any more. What it repeats of others need not be
 * UTF-8, and all of it may get to D-Bus. */
static bool on_line(char *text, void *userdata) {
        _cleanup_(json_putp) Json *line = json_tokener_parse(utf8_mend(text));
        Libvirt *l = userdata;
        const char *event;
        Json *id;

        if (!json_object_is_type(line, json_type_object))
                return false;
        event = member(line, "event");
        if (event)
                on_event(l, event, line);
        else if (json_object_object_get_ex(line, "id", &id))
                on_answer(l, json_object_get_uint64(id), line);
        return true;
}

static int on_readable(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Libvirt *l = userdata;
        int r = line_reader_read(&l->reader, fd, on_line, l);

        if (r == -EAGAIN)
                mind_silence(l);
        else if (r == 0 || r == -ECONNRESET) /* the latter where it left something unread */
                give_up(l, EHOSTDOWN, l->disconnected ? l->why : "tced-libvirt ended; see the journal of tced");
        else
                give_up(l, EHOSTDOWN, r == -EMSGSIZE ? "tced-libvirt said more than can be" : "tced-libvirt said what makes no sense");
        return 0;
}

/* Reaped by this, and no more: that it has ended its socket says, behind its last words. */
static int on_child_exit(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Libvirt *l = userdata;
        siginfo_t si;

        (void) waitid(P_PIDFD, (id_t) fd, &si, WEXITED | WNOHANG);
        if (!l)
                (void) sd_event_source_set_floating(s, 0);
        else
                l->child = sd_event_source_disable_unref(l->child);
        return 0;
}

static int spawn(Libvirt *l, int fd, pid_t *ret) {
        char *argv[] = { (char *) l->places.program, (char *) l->places.uri, NULL };
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none, all;
        int r;

        sigemptyset(&none);
        sigfillset(&all);
        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = posix_spawnattr_init(&attributes);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, fd, STDIN_FILENO);
        if (r == 0)
                r = posix_spawnattr_setsigmask(&attributes, &none);
        if (r == 0)
                r = posix_spawnattr_setsigdefault(&attributes, &all);
        if (r == 0)
                r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        if (r == 0)
                r = posix_spawn(ret, l->places.program, &actions, &attributes, argv, environ);
        (void) posix_spawnattr_destroy(&attributes);
        (void) posix_spawn_file_actions_destroy(&actions);
        return -r;
}

/* Not by sd_event_add_child(): child.c tells why. */
static int watch_child(Libvirt *l) {
        _cleanup_fd_ int pidfd = sys_pidfd_open(l->pid, 0);
        int r = pidfd < 0 ? pidfd : sd_event_add_io(l->event, &l->child, pidfd, EPOLLIN, on_child_exit, l);

        if (r >= 0) {
                (void) sd_event_source_set_io_fd_own(l->child, 1);
                (void) TAKE_FD(pidfd);
                return 0;
        }
        (void) kill(l->pid, SIGKILL);
        (void) waitpid(l->pid, NULL, 0);
        l->pid = 0;
        return r;
}

static int start_child(Libvirt *l) {
        _cleanup_fd_ int ours = -EBADF, theirs = -EBADF;
        int pair[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        theirs = pair[1];
        r = spawn(l, theirs, &l->pid);
        if (r < 0) {
                l->pid = 0;
                return r;
        }
        l->fd = TAKE_FD(ours);
        r = watch_child(l);
        if (r >= 0)
                r = sd_event_add_io(l->event, &l->io, l->fd, EPOLLIN, on_readable, l);
        return r;
}

static void start(Libvirt *l) {
        char why[192];
        int r;

        if (l->pid > 0 || l->ending || l->state == LIBVIRT_OFF)
                return;
        if (l->retry)
                (void) sd_event_source_set_enabled(l->retry, SD_EVENT_OFF);
        l->disconnected = false;
        l->state = LIBVIRT_CONNECTING;
        r = start_child(l);
        if (r < 0) {
                (void) snprintf(why, sizeof(why), "%s can't be started: %s; is tced installed whole?", l->places.program, strerror(-r));
                give_up(l, EHOSTDOWN, why);
                return;
        }
        mind_silence(l);
}

static int watch(Libvirt *l);

/* Something came or went in the folder, or the folder itself did. */
static int on_watch(sd_event_source *s, const struct inotify_event *e, void *userdata) {
        Libvirt *l = userdata;
        /* Where VMs come and go, too. */
        bool other = streq(l->watched ? l->watched : "", l->places.run) && e->len > 0 && !streq(e->name, "driver.pid");

        (void) watch(l);
        if (!other && daemon_runs(l) && l->pid == 0) {
                l->backoff_usec = l->places.backoff_min_usec;
                start(l);
        }
        return 0;
}

/* Watches the folder of driver.pid or, where that is not there, the nearest above it that is. */
static int watch(Libvirt *l) {
        _cleanup_free_ char *path = strdup(l->places.run);
        char *slash;
        int r;

        if (!path)
                return -ENOMEM;
        while (access(path, F_OK) < 0 && (slash = strrchr(path, '/')) && slash > path)
                *slash = '\0';
        if (l->watched && streq(l->watched, path))
                return 0;
        l->watch = sd_event_source_disable_unref(l->watch);
        free(l->watched);
        l->watched = NULL;
        r = sd_event_add_inotify(l->event, &l->watch, path, IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR,
                                 on_watch, l);
        if (r >= 0)
                l->watched = TAKE_PTR(path);
        return r;
}

int libvirt_new(sd_event *event, const LibvirtPlaces *places, const LibvirtObserver *observer, Libvirt **ret) {
        Libvirt *l = calloc(1, sizeof(*l));

        if (!l)
                return -ENOMEM;
        l->event = sd_event_ref(event);
        l->places = *places;
        if (observer)
                l->observer = *observer;
        l->fd = -EBADF;
        l->backoff_usec = places->backoff_min_usec;
        l->state = places->connect ? LIBVIRT_AWAY : LIBVIRT_OFF;
        (void) snprintf(l->why, sizeof(l->why), "%s", places->connect ? "no libvirtd runs here" :
                                                "tced.conf says Connect=no in [Libvirt]");
        if (places->connect) {
                if (watch(l) < 0)
                        log_warning("Can't watch %s for a libvirtd that comes; restart tced when it runs", places->run);
                if (daemon_runs(l))
                        start(l);
        }
        *ret = l;
        return 0;
}

Libvirt *libvirt_free(Libvirt *l) {
        if (!l)
                return NULL;
        l->ending = true;
        drop_child(l);
        while (l->asks)
                answer(l, l->asks, ESHUTDOWN, "tced is ending; try again when it runs");
        forget_domains(l);
        (void) sd_event_source_disable_unref(l->late);
        (void) sd_event_source_disable_unref(l->retry);
        (void) sd_event_source_disable_unref(l->watch);
        free(l->watched);
        (void) sd_event_unref(l->event);
        free(l);
        return NULL;
}

LibvirtState libvirt_state(const Libvirt *l) {
        return l->state;
}

const char *libvirt_why(const Libvirt *l) {
        return l->why;
}

const LibvirtDomain *libvirt_domains(const Libvirt *l, size_t *ret_n) {
        *ret_n = l->n_domains;
        return l->domains;
}

uint64_t libvirt_domains_asked_usec(const Libvirt *l) {
        return l->domains_asked_usec;
}

static int on_late_start(sd_event_source *s, void *userdata) {
        start(userdata);
        return 0;
}

/* From the loop, so that the answer never comes before the question has returned. */
static int start_late(Libvirt *l) {
        return l->late ? sd_event_source_set_enabled(l->late, SD_EVENT_ONESHOT)
                       : sd_event_add_defer(l->event, &l->late, on_late_start, l);
}

int libvirt_get_xml(Libvirt *l, const char *name, LibvirtXmlDone done, void *userdata) {
        int r;

        if (l->state == LIBVIRT_OFF || l->ending)
                return -ESHUTDOWN;
        /* A libvirtd that sleeps behind its socket wakes. */
        r = l->pid > 0 ? 0 : start_late(l);
        return r < 0 ? r : ask(l, ASK_XML, name, done, userdata);
}
