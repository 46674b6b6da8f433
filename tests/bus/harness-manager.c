/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The service manager of a test: a thread reads what tced notifies, keeps the texts for the test and the fds for tced's next start. */

#include "harness-manager.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "util.h"

#define MESSAGES_MAX 64U
#define MESSAGE_SIZE 1024U

struct ServiceManager {
        pthread_t thread;
        pthread_mutex_t lock; /* over all below */
        pthread_cond_t news;
        int fd;
        char messages[MESSAGES_MAX][MESSAGE_SIZE]; /* a ring; the oldest goes where it is full */
        size_t first, n;
        struct {
                char name[64];
                int fd;
                bool no_poll; /* FDPOLL=0 */
        } stored[STORED_MAX];
        size_t n_stored;
        unsigned stops; /* how often it was told of one */
};

/* What the test itself sends it: behind all that a tced has sent which has ended. */
#define MARK_HERE "X_TEST=here"
#define MARK_STOP "X_TEST=stop"

/* The value of a line "KEY=value" of the message, into buf. */
static bool get_value(const char *text, const char *key, char *buf, size_t size) {
        size_t length = strlen(key);

        for (const char *line = text; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
                if (strncmp(line, key, length) == 0 && line[length] == '=') {
                        (void) snprintf(buf, size, "%.*s", (int) strcspn(line + length + 1, "\n"), line + length + 1);
                        return true;
                }
        return false;
}

/* As systemd does it: all by that name. */
static void forget(ServiceManager *s, const char *name) {
        size_t n = 0;

        for (size_t i = 0; i < s->n_stored; i++)
                if (!name || streq(s->stored[i].name, name))
                        (void) fd_close(s->stored[i].fd);
                else
                        s->stored[n++] = s->stored[i];
        s->n_stored = n;
}

static void take(ServiceManager *s, const char *text, int fd) {
        char value[64], name[64] = "stored";

        if (streq(text, MARK_STOP)) {
                forget(s, NULL);
                s->stops++;
                return;
        }
        (void) get_value(text, "FDNAME", name, sizeof(name));
        if (get_value(text, "FDSTOREREMOVE", value, sizeof(value))) {
                forget(s, name);
                return;
        }
        if (get_value(text, "FDSTORE", value, sizeof(value))) {
                if (fd < 0 || s->n_stored == STORED_MAX)
                        bail_out("FDSTORE=1 without an fd, or with too many");
                s->stored[s->n_stored].fd = fd;
                s->stored[s->n_stored].no_poll = get_value(text, "FDPOLL", value, sizeof(value)) && streq(value, "0");
                strcpy(s->stored[s->n_stored++].name, name);
                return;
        }
        (void) fd_close(fd);
        if (s->n == MESSAGES_MAX) {
                s->first = (s->first + 1) % MESSAGES_MAX;
                s->n--;
        }
        (void) snprintf(s->messages[(s->first + s->n++) % MESSAGES_MAX], MESSAGE_SIZE, "%s", text);
}

static void *serve(void *userdata) {
        ServiceManager *s = userdata;

        for (;;) {
                char text[MESSAGE_SIZE];
                struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) - 1 };
                union {
                        struct cmsghdr header;
                        char space[CMSG_SPACE(sizeof(int))];
                } control;
                struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
                ssize_t n = recvmsg(s->fd, &message, MSG_CMSG_CLOEXEC);
                struct cmsghdr *c;
                int fd = -EBADF;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return NULL;
                text[n] = '\0';
                c = CMSG_FIRSTHDR(&message);
                if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
                        memcpy(&fd, CMSG_DATA(c), sizeof(fd));
                (void) pthread_mutex_lock(&s->lock);
                take(s, text, fd);
                (void) pthread_cond_broadcast(&s->news);
                (void) pthread_mutex_unlock(&s->lock);
        }
}

ServiceManager *service_manager_new(const char *socket_path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        ServiceManager *s = calloc(1, sizeof(*s));

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
        if (!s || pthread_mutex_init(&s->lock, NULL) != 0 || pthread_cond_init(&s->news, NULL) != 0)
                bail_out("no memory");
        s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (s->fd < 0 || bind(s->fd, (struct sockaddr *) &address, sizeof(address)) < 0 || chmod(socket_path, 0666) < 0 ||
            pthread_create(&s->thread, NULL, serve, s) != 0)
                bail_out("NOTIFY_SOCKET: %s", strerror(errno));
        return s;
}

void service_manager_free(ServiceManager *s) {
        if (!s)
                return;
        (void) shutdown(s->fd, SHUT_RD);
        (void) pthread_join(s->thread, NULL);
        (void) fd_close(s->fd);
        forget(s, NULL);
        (void) pthread_mutex_destroy(&s->lock);
        (void) pthread_cond_destroy(&s->news);
        free(s);
}

/* True when `ready` is, before the time is over. The lock is held. */
static bool wait_news(ServiceManager *s, bool (*ready)(const ServiceManager *, size_t), size_t what, unsigned milliseconds) {
        struct timespec end;

        (void) clock_gettime(CLOCK_REALTIME, &end);
        end.tv_sec += milliseconds / 1000;
        end.tv_nsec += (long) (milliseconds % 1000) * 1000000;
        if (end.tv_nsec >= 1000000000) {
                end.tv_sec++;
                end.tv_nsec -= 1000000000;
        }
        while (!ready(s, what))
                if (pthread_cond_timedwait(&s->news, &s->lock, &end) != 0)
                        return ready(s, what);
        return true;
}

static bool has_message(const ServiceManager *s, size_t n) {
        return s->n >= n;
}

static bool has_stored(const ServiceManager *s, size_t n) {
        return s->n_stored == n;
}

static bool has_stopped(const ServiceManager *s, size_t n) {
        return s->stops == n;
}

static void send_mark(const ServiceManager *s, const char *mark) {
        struct sockaddr_un address;
        socklen_t size = sizeof(address);

        if (getsockname(s->fd, (struct sockaddr *) &address, &size) < 0 ||
            sendto(s->fd, mark, strlen(mark), 0, (struct sockaddr *) &address, size) < 0)
                bail_out("NOTIFY_SOCKET: %s", strerror(errno));
}

bool service_manager_receive(ServiceManager *s, char *buf, size_t size, unsigned milliseconds) {
        bool came;

        (void) pthread_mutex_lock(&s->lock);
        came = wait_news(s, has_message, 1, milliseconds);
        if (came) {
                (void) snprintf(buf, size, "%s", s->messages[s->first]);
                s->first = (s->first + 1) % MESSAGES_MAX;
                s->n--;
        }
        (void) pthread_mutex_unlock(&s->lock);
        return came;
}

void service_manager_forget(ServiceManager *s) {
        char text[MESSAGE_SIZE];

        send_mark(s, MARK_HERE);
        while (service_manager_receive(s, text, sizeof(text), HARNESS_PATIENCE * 1000) && !streq(text, MARK_HERE))
                ;
}

size_t service_manager_stored(ServiceManager *s, int fds[STORED_MAX], const char *names[STORED_MAX]) {
        size_t n;

        (void) pthread_mutex_lock(&s->lock);
        n = s->n_stored;
        for (size_t i = 0; i < n; i++) {
                fds[i] = s->stored[i].fd;
                names[i] = s->stored[i].name;
        }
        (void) pthread_mutex_unlock(&s->lock);
        return n;
}

size_t host_wait_stored(Host *h, size_t n) {
        ServiceManager *s = h->service_manager;

        (void) pthread_mutex_lock(&s->lock);
        (void) wait_news(s, has_stored, n, HARNESS_PATIENCE * 1000);
        n = s->n_stored;
        (void) pthread_mutex_unlock(&s->lock);
        return n;
}

size_t host_stored(Host *h) {
        size_t n;

        (void) pthread_mutex_lock(&h->service_manager->lock);
        n = h->service_manager->n_stored;
        (void) pthread_mutex_unlock(&h->service_manager->lock);
        return n;
}

/* "Pid:" of a pidfd; 0: it is none. */
static pid_t pid_of(int fd) {
        _cleanup_free_ char *text = NULL;
        char path[64];
        const char *line;

        (void) snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
        text = read_whole(path);
        line = strstr(text, "\nPid:");
        return line ? (pid_t) strtol(line + strlen("\nPid:"), NULL, 10) : 0;
}

pid_t host_stored_pid(Host *h, const char *name) {
        ServiceManager *s = h->service_manager;
        pid_t pid = 0;

        (void) pthread_mutex_lock(&s->lock);
        for (size_t i = 0; i < s->n_stored; i++)
                if (streq(s->stored[i].name, name))
                        pid = pid_of(s->stored[i].fd);
        (void) pthread_mutex_unlock(&s->lock);
        return pid;
}

bool host_stored_well(Host *h) {
        ServiceManager *s = h->service_manager;
        bool well = true;

        (void) pthread_mutex_lock(&s->lock);
        for (size_t i = 0; i < s->n_stored; i++)
                well &= pid_of(s->stored[i].fd) != 0 && strlen(s->stored[i].name) <= 6 && s->stored[i].no_poll;
        (void) pthread_mutex_unlock(&s->lock);
        return well;
}

void host_forget_stored(Host *h) {
        ServiceManager *s = h->service_manager;
        unsigned stops;

        if (!s)
                return;
        (void) pthread_mutex_lock(&s->lock);
        stops = s->stops;
        (void) pthread_mutex_unlock(&s->lock);
        send_mark(s, MARK_STOP);
        (void) pthread_mutex_lock(&s->lock);
        if (!wait_news(s, has_stopped, stops + 1, HARNESS_PATIENCE * 1000))
                bail_out("NOTIFY_SOCKET is not read");
        (void) pthread_mutex_unlock(&s->lock);
}

void host_store(Host *h, const char *name, int fd) {
        char text[128];

        (void) snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
        (void) pthread_mutex_lock(&h->service_manager->lock);
        take(h->service_manager, text, fd_dup(fd));
        (void) pthread_mutex_unlock(&h->service_manager->lock);
}
