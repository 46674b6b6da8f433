/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A connection lasts while something is asked. tced-bind ends when it has been idle, and it is not idle while tced is connected; its
 * socket stays, so that a later connection starts it again. */

#include "helper.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "bind_protocol.h"
#include "log.h"
#include "util.h"

/* Opening a group takes microseconds; starting the helper the first time, some tenths of a second on a slow host. */
#define HELPER_DEADLINE_USEC (10U * 1000U * 1000U)
/* Drivers may take seconds to let a device go. */
#define BIND_DEADLINE_USEC (30U * 1000U * 1000U)

typedef struct Question Question;
struct Question {
        Helper *helper;
        uint64_t id;
        bool wants_fd;
        sd_event_source *deadline;
        HelperDone done;
        void *userdata;
        Question *next;
};

struct Helper {
        sd_event *event;
        char *path;
        sd_event_source *source; /* of the connection, whose fd it owns; NULL: not connected */
        int fd;
        uint64_t last_id;
        uint64_t deadline_usec, bind_deadline_usec;
        bool ending;
        Question *questions;
};

int helper_new(sd_event *event, const char *path, Helper **ret) {
        Helper *h = calloc(1, sizeof(*h));

        if (!h)
                return -ENOMEM;
        h->path = strdup(path);
        if (!h->path) {
                free(h);
                return -ENOMEM;
        }
        h->event = event;
        h->fd = -EBADF;
        h->deadline_usec = HELPER_DEADLINE_USEC;
        h->bind_deadline_usec = BIND_DEADLINE_USEC;
        *ret = h;
        return 0;
}

void helper_set_deadline(Helper *h, uint64_t usec) {
        h->deadline_usec = usec;
}

void helper_set_bind_deadline(Helper *h, uint64_t usec) {
        h->bind_deadline_usec = usec;
}

static void disconnect(Helper *h) {
        h->source = sd_event_source_disable_unref(h->source);
        h->fd = -EBADF; /* it was the source's */
}

/* Takes a question out of the list, where it still is in it, and answers it; fd is handed on. */
static void answer(Question *q, int error, const char *text, int fd) {
        Helper *h = q->helper;

        for (Question **p = &h->questions; *p; p = &(*p)->next)
                if (*p == q) {
                        *p = q->next;
                        break;
                }
        (void) sd_event_source_disable_unref(q->deadline);
        q->done(error, text, fd, q->userdata);
        free(q);
        if (!h->questions)
                disconnect(h);
}

/* Ends the connection and with it all that was asked on it; what done() asks for meanwhile goes over a new one. */
static void give_up(Helper *h, int error, const char *text) {
        Question *q = h->questions;

        disconnect(h);
        h->questions = NULL;
        while (q) {
                Question *next = q->next;

                answer(q, error, text, -EBADF);
                q = next;
        }
}

Helper *helper_free(Helper *h) {
        if (!h)
                return NULL;
        h->ending = true;
        give_up(h, ECANCELED, "tced is ending");
        free(h->path);
        free(h);
        return NULL;
}

static int on_reply(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Helper *h = userdata;
        BindReply reply;
        int r;

        r = bind_receive_reply(fd, &reply);
        if (r == -EAGAIN || r == -EINTR)
                return 0;
        if (r <= 0) {
                if (r < 0)
                        log_warning("tced-bind: %s", r == -EBADMSG ? "an answer that makes no sense" : strerror(-r));
                give_up(h, EHOSTDOWN, "tced-bind went away; look into `journalctl -u tced-bind`");
                return 0;
        }
        for (Question *q = h->questions; q; q = q->next)
                if (q->id == reply.id) {
                        if (!q->wants_fd)
                                reply.fd = fd_close(reply.fd);
                        else if (reply.error == 0 && reply.fd < 0) {
                                reply.error = EBADMSG;
                                (void) snprintf(reply.text, sizeof(reply.text), "tced-bind answered without an fd");
                        }
                        answer(q, reply.error, reply.text, reply.fd);
                        return 0;
                }
        /* Its question has timed out. */
        (void) fd_close(reply.fd);
        return 0;
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *userdata) {
        answer(userdata, ETIMEDOUT, "tced-bind did not answer; look into `systemctl status tced-bind`", -EBADF);
        return 0;
}

static int helper_connect(Helper *h) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_fd_ int fd = -EBADF;
        int r;

        if (h->source)
                return 0;
        if (strlen(h->path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, h->path);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        /* A local socket connects at once or, its backlog full, says EAGAIN. */
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        r = sd_event_add_io(h->event, &h->source, fd, EPOLLIN, on_reply, h);
        if (r < 0)
                return r;
        (void) sd_event_source_set_io_fd_own(h->source, 1);
        h->fd = TAKE_FD(fd);
        return 0;
}

static int ask(Helper *h, BindRequest *request, HelperDone done, void *userdata) {
        bool binds = bind_operation_has_addresses(request->operation);
        Question *q;
        int r;

        if (h->ending)
                return -ECANCELED;
        q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;
        *q = (Question) { .helper = h, .id = ++h->last_id, .wants_fd = !binds, .done = done, .userdata = userdata };
        request->id = q->id;
        r = sd_event_add_time_relative(h->event, &q->deadline, CLOCK_MONOTONIC, binds ? h->bind_deadline_usec : h->deadline_usec, 0,
                                       on_deadline, q);
        if (r >= 0)
                r = helper_connect(h);
        if (r >= 0)
                r = bind_send_request(h->fd, request);
        if (r < 0) {
                (void) sd_event_source_disable_unref(q->deadline);
                free(q);
                if (!h->questions)
                        disconnect(h);
                return r;
        }
        q->next = h->questions;
        h->questions = q;
        return 0;
}

int helper_open_group(Helper *h, uint32_t group, HelperDone done, void *userdata) {
        BindRequest request = { .operation = BIND_OPEN_GROUP, .group = group };

        return ask(h, &request, done, userdata);
}

int helper_open_log(Helper *h, const char *name, HelperDone done, void *userdata) {
        BindRequest request = { .operation = BIND_OPEN_LOG };

        if (isempty(name) || strlen(name) > BIND_NAME_MAX || strchr(name, '/'))
                return -EINVAL;
        (void) strcpy(request.name, name);
        return ask(h, &request, done, userdata);
}

static int ask_about(Helper *h, BindOperation operation, uint32_t group, const char *const *addresses, size_t n, HelperDone done,
                     void *userdata) {
        BindRequest request = { .operation = operation, .group = group };
        int r = bind_request_set_addresses(&request, addresses, n);

        return r < 0 ? r : ask(h, &request, done, userdata);
}

int helper_bind_group(Helper *h, uint32_t group, const char *const *addresses, size_t n, HelperDone done, void *userdata) {
        return ask_about(h, BIND_BIND_GROUP, group, addresses, n, done, userdata);
}

int helper_release_group(Helper *h, const char *const *addresses, size_t n, HelperDone done, void *userdata) {
        return ask_about(h, BIND_RELEASE_GROUP, 0, addresses, n, done, userdata);
}

int helper_keep_group(Helper *h, const char *const *addresses, size_t n, bool keep, HelperDone done, void *userdata) {
        return ask_about(h, keep ? BIND_KEEP_GROUP : BIND_FORGET_GROUP, 0, addresses, n, done, userdata);
}
