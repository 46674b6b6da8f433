/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bind_group.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "bind_lock.h"
#include "bind_record.h"
#include "log.h"
#include "util.h"

/* So many at a time; a boot may bind hundreds of groups, and each worker is a unit. */
#define WORKERS_MAX 16U
/* A worker that dies again and again is not started for ever. */
#define RECOVERIES_MAX 3U

#define JOURNAL "look into `journalctl -u 'tced-bind-work@*'`"

typedef struct Operation Operation;
struct Operation {
        BindGroups *groups;
        BindRequest request;
        BindGroupDone done; /* NULL: nobody waits (any more) */
        void *userdata;
        sd_event_source *worker; /* the connection; NULL: not started, or another's worker is at it */
        sd_event_source *deadline;
        bool started;
        bool had_record;
        unsigned recoveries; /* workers that were started to put back what another left */
        char step[BIND_TEXT_MAX]; /* what the worker is at */
        Operation *next;
};

struct BindGroups {
        sd_event *event;
        BindGroupPlaces places;
        int records, lock;
        void (*changed)(void *userdata);
        void *userdata;
        Operation *operations; /* in the order that they came in */
};

static void start_next(BindGroups *g);
static void start(Operation *o);

DEFINE_POINTER_CLEANUP(DIR, closedir, dir_closep)

/* ---- answers ---- */

static void answer(Operation *o, const BindReply *reply) {
        BindGroupDone done = TAKE_PTR(o->done);

        if (reply->error)
                log_message(reply->error == EBUSY || reply->error == ENOENT ? LOG_INFO : LOG_WARNING, NULL, "%s %s: %s", bind_operation_to_string(o->request.operation),
                            o->request.addresses[0], reply->text);
        if (done)
                done(reply, o->userdata);
}

static void operation_free(Operation *o) {
        BindGroups *g = o->groups;

        for (Operation **p = &g->operations; *p; p = &(*p)->next)
                if (*p == o) {
                        *p = o->next;
                        break;
                }
        (void) sd_event_source_disable_unref(o->worker);
        (void) sd_event_source_disable_unref(o->deadline);
        free(o);
}

/* The operation's end: whoever still waits is answered. */
static void finish(Operation *o, const BindReply *reply) {
        BindGroups *g = o->groups;

        answer(o, reply);
        operation_free(o);
        start_next(g);
        g->changed(g->userdata);
}

static _printf_(3, 4) void finish_error(Operation *o, int error, const char *format, ...) {
        BindReply reply = { .id = o->request.id, .error = error, .fd = -EBADF };
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(reply.text, sizeof(reply.text), format, ap);
        va_end(ap);
        finish(o, &reply);
}

/* ---- records ---- */

static bool is_half_done(const BindRecord *record) {
        return record->state == BIND_BINDING || record->state == BIND_RELEASING || record->state == BIND_STUCK;
}

/* 1: there is one; 0; negative errno. */
static int look_up(const Operation *o, BindRecord *ret) {
        return bind_record_look_up(o->groups->records, o->request.addresses, o->request.n_addresses, ret);
}

/* How it ended, by its record, where the worker can't say it any more. */
static void conclude(Operation *o) {
        _cleanup_(bind_record_clear) BindRecord record = {};
        const BindReply success = { .id = o->request.id, .fd = -EBADF };
        int r = look_up(o, &record);

        if (r > 0 && record.state == BIND_FAILED)
                finish_error(o, ENOTRECOVERABLE, "%s", record.why);
        else if (r > 0 && is_half_done(&record))
                finish_error(o, ENOTRECOVERABLE, "the group is half done, and %u workers that should put it back ended before; " JOURNAL, o->recoveries);
        else if (o->request.operation == BIND_BIND_GROUP && r > 0 && o->step[0])
                finish(o, &success);
        else if (o->request.operation == BIND_RELEASE_GROUP && r == 0 && o->had_record)
                finish(o, &success);
        else
                finish_error(o, EIO, "the worker ended before it was done; all is as it was; " JOURNAL);
}

/* Says in the record that the operation's group is stuck. false: no record says that anything is under way; a worker that has not begun by now
 * does not any more. */
static bool say_stuck(Operation *o, const char *why) {
        _cleanup_(bind_record_clear) BindRecord record = {};
        bool begun = false;

        if (bind_lock_records(o->groups->lock) < 0)
                return false;
        if (look_up(o, &record) > 0 && is_half_done(&record)) {
                begun = true;
                if (record.state != BIND_STUCK) {
                        record.state = BIND_STUCK;
                        (void) snprintf(record.why, sizeof(record.why), "%s", why);
                        (void) bind_record_write(o->groups->records, &record);
                }
        }
        if (!begun && o->worker)
                (void) shutdown(sd_event_source_get_io_fd(o->worker), SHUT_WR);
        bind_unlock_records(o->groups->lock);
        return begun;
}

/* ---- workers ---- */

/* The worker is gone without an answer. */
static void on_death(Operation *o) {
        _cleanup_(bind_record_clear) BindRecord record = {};

        o->worker = sd_event_source_disable_unref(o->worker);
        log_warning("%s %s: the worker has ended without an answer%s%s", bind_operation_to_string(o->request.operation), o->request.addresses[0],
                    o->step[0] ? ", at: " : "", o->step);
        if (look_up(o, &record) > 0 && is_half_done(&record) && o->recoveries < RECOVERIES_MAX) {
                o->recoveries++;
                start(o);
        } else
                conclude(o);
}

/* What a worker says that should put back. */
static void on_recovered(Operation *o, const BindReply *reply) {
        o->worker = sd_event_source_disable_unref(o->worker);
        if (reply->error != EALREADY)
                conclude(o);
        else if (o->recoveries > 0)
                finish(o, reply);
        else
                /* Its worker is alive, and of an earlier tced-bind's: it has until the deadline, too. */
                log_info("%s: a worker of an earlier tced-bind is at it", o->request.addresses[0]);
}

static int on_worker(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Operation *o = userdata;
        BindReply reply;
        int r = bind_receive_reply(fd, &reply);

        if (r == -EAGAIN || r == -EINTR)
                return 0;
        if (r <= 0) {
                on_death(o);
                return 0;
        }
        (void) fd_close(reply.fd);
        reply.fd = -EBADF;
        reply.id = o->request.id;
        if (reply.error == EINPROGRESS)
                (void) strcpy(o->step, reply.text);
        else if (o->recoveries > 0 || o->request.operation == BIND_RECOVER_GROUP)
                on_recovered(o, &reply);
        else
                finish(o, &reply);
        return 0;
}

/* Is another operation on one of the devices? */
static bool has_other(const Operation *o) {
        for (const Operation *other = o->groups->operations; other; other = other->next)
                for (size_t i = 0; other != o && other->started && i < other->request.n_addresses; i++)
                        for (size_t j = 0; j < o->request.n_addresses; j++)
                                if (streq(other->request.addresses[i], o->request.addresses[j]))
                                        return true;
        return false;
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *userdata) {
        Operation *o = userdata;
        BindReply reply = { .id = o->request.id, .error = ETIMEDOUT, .fd = -EBADF };
        uint64_t seconds = o->groups->places.deadline_usec / 1000000;

        o->deadline = sd_event_source_disable_unref(o->deadline);
        (void) snprintf(reply.text, sizeof(reply.text), "%.300s: the kernel has not finished within %" PRIu64 " s; when it has, all is put back as it was; "
                        "`dmesg` may say why", o->step[0] ? o->step : o->request.addresses[0], seconds);
        /* Where an earlier tced-bind's worker was waited for, its work may have been done, and another's have begun. */
        if (!o->worker && has_other(o))
                reply.error = 0;
        else if (!say_stuck(o, reply.text))
                (void) snprintf(reply.text, sizeof(reply.text), "the worker has not begun within %" PRIu64 " s, and will not; " JOURNAL, seconds);
        if (!o->worker) {
                finish(o, &reply);
                return 0;
        }
        /* Nobody waits any more, but if it dies somebody must put back; and another may be started in its place. */
        answer(o, &reply);
        start_next(o->groups);
        o->groups->changed(o->groups->userdata);
        return 0;
}

static int connect_to(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_fd_ int fd = -EBADF;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        (void) strcpy(address.sun_path, path);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* Starts a worker: for what is asked, or, after one has died, to put back. */
static void start(Operation *o) {
        BindGroups *g = o->groups;
        BindRequest request = o->request;
        _cleanup_fd_ int fd = -EBADF;
        int r = 0;

        if (o->recoveries > 0)
                request.operation = BIND_RECOVER_GROUP;
        o->started = true;
        fd = connect_to(g->places.work_socket);
        if (fd < 0)
                r = fd;
        if (r >= 0 && !o->deadline && o->recoveries == 0)
                r = sd_event_add_time_relative(g->event, &o->deadline, CLOCK_MONOTONIC, g->places.deadline_usec, 0, on_deadline, o);
        if (r >= 0)
                r = bind_send_request(fd, &request);
        if (r >= 0)
                r = sd_event_add_io(g->event, &o->worker, fd, EPOLLIN, on_worker, o);
        if (r >= 0) {
                (void) sd_event_source_set_io_fd_own(o->worker, 1);
                TAKE_FD(fd);
        } else if (o->recoveries > 0 || o->request.operation == BIND_RECOVER_GROUP)
                finish_error(o, ENOTRECOVERABLE, "the group is half done, and no worker can be had to put it back: %.200s: %s: systemctl start tced-bind-work.socket",
                             g->places.work_socket, strerror(-r));
        else
                finish_error(o, EHOSTDOWN, "no worker can be had: %.200s: %s: systemctl start tced-bind-work.socket", g->places.work_socket, strerror(-r));
}

/* Those that hang don't count: they may for ever. */
static void start_next(BindGroups *g) {
        Operation *next = NULL;
        unsigned busy = 0;

        for (Operation *o = g->operations; o; o = o->next) {
                busy += o->started && o->deadline;
                if (!o->started && !next)
                        next = o;
        }
        if (next && busy < WORKERS_MAX)
                start(next);
}

/* ---- */

static void operation_new(BindGroups *g, const BindRequest *request, BindGroupDone done, void *userdata) {
        _cleanup_(bind_record_clear) BindRecord record = {};
        Operation *o = calloc(1, sizeof(*o)), **tail = &g->operations;

        if (!o) {
                if (done)
                        done(&(BindReply) { .id = request->id, .error = ENOMEM, .text = "out of memory", .fd = -EBADF }, userdata);
                return;
        }
        *o = (Operation) { .groups = g, .request = *request, .done = done, .userdata = userdata };
        o->had_record = look_up(o, &record) > 0;
        while (*tail)
                tail = &(*tail)->next;
        *tail = o;
        start_next(g);
}

void bind_groups_ask(BindGroups *g, const BindRequest *request, BindGroupDone done, void *userdata) {
        operation_new(g, request, done, userdata);
}

void bind_groups_recover(BindGroups *g) {
        _cleanup_(dir_closep) DIR *dir = opendir(g->places.records);
        struct dirent *entry;

        while (dir && (entry = readdir(dir))) {
                _cleanup_(bind_record_clear) BindRecord record = {};
                BindRequest request = { .operation = BIND_RECOVER_GROUP };
                int r;

                if (!bind_record_name_valid(entry->d_name))
                        continue;
                r = bind_record_read(g->records, entry->d_name, &record);
                if (r < 0) {
                        log_error("%s/%s can't be understood (%s): look whether its devices are as they should be, and remove it", g->places.records,
                                  entry->d_name, strerror(-r));
                        continue;
                }
                /* One that hangs is left alone as long as there is its worker. */
                if (!is_half_done(&record) || (record.state == BIND_STUCK && bind_lock_is_held(g->lock, record.devices[0].address)))
                        continue;
                for (size_t i = 0; i < record.n_devices; i++)
                        (void) strcpy(request.addresses[i], record.devices[i].address);
                request.n_addresses = record.n_devices;
                operation_new(g, &request, NULL, NULL);
        }
}

unsigned bind_groups_running(const BindGroups *g) {
        unsigned n = 0;

        for (const Operation *o = g->operations; o; o = o->next)
                n++;
        return n;
}

int bind_groups_new(sd_event *event, const BindGroupPlaces *places, void (*changed)(void *userdata), void *userdata, BindGroups **ret) {
        _cleanup_fd_ int records = -EBADF, lock = -EBADF;
        BindGroups *g;

        /* For all to read, whatever the umask. */
        if (mkdir(places->records, 0755) == 0)
                (void) chmod(places->records, 0755);
        records = open(places->records, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (records < 0)
                return -errno;
        lock = bind_lock_open(records);
        if (lock < 0)
                return TAKE_FD(lock);
        g = calloc(1, sizeof(*g));
        if (!g)
                return -ENOMEM;
        *g = (BindGroups) {
                .event = event, .places = *places, .records = TAKE_FD(records), .lock = TAKE_FD(lock), .changed = changed, .userdata = userdata,
        };
        *ret = g;
        return 0;
}

BindGroups *bind_groups_free(BindGroups *g) {
        if (!g)
                return NULL;
        while (g->operations)
                operation_free(g->operations);
        (void) fd_close(g->records);
        (void) fd_close(g->lock);
        free(g);
        return NULL;
}
