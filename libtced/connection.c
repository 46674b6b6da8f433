/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The connection to tced: a private socket (D-Bus peer to peer: no Hello, no destination) or one of the buses.
 *
 * What blocks is bounded by the connection's time limit: connecting, the authentication that follows, and each call. */

#include <poll.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

#include "error.h"
#include "internal.h"
#include "names.h"

#define PATH_ADDRESS "unix:path="

int connection_error(struct tced *t, int error, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(t->error, sizeof(t->error), format, ap);
        va_end(ap);
        return error;
}

uint64_t connection_now(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

/* A stream socket that is connected to the path. A listener whose queue is full makes connect() wait, which SO_SNDTIMEO bounds. */
static int socket_connect(const char *path, uint64_t timeout_usec) {
        struct timeval limit = {
                .tv_sec = (time_t) (timeout_usec / 1000000), .tv_usec = (suseconds_t) (timeout_usec % 1000000),
        };
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_fd_ int fd = -EBADF;
        size_t length = strlen(path);
        int flags;

        if (length == 0 || length >= sizeof(address.sun_path))
                return -EINVAL;
        memcpy(address.sun_path, path, length);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
                return -errno;
        if (connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return errno == EAGAIN || errno == EINPROGRESS ? -ETIMEDOUT : -errno;
        flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* There is no bus daemon at the other end, and fds may come. */
static int start_peer(sd_bus *bus) {
        int r;

        r = sd_bus_set_bus_client(bus, false);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, true);
        return r < 0 ? r : sd_bus_start(bus);
}

static int open_path(const char *path, uint64_t timeout_usec, sd_bus **ret) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        _cleanup_fd_ int fd = -EBADF;
        int r;

        fd = socket_connect(path, timeout_usec);
        if (fd < 0)
                return fd;
        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_fd(bus, fd, fd);
        if (r < 0)
                return r;
        (void) TAKE_FD(fd);
        r = start_peer(bus);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

/* Another D-Bus address, which sd-bus understands and this file need not. */
static int open_address(const char *address, sd_bus **ret) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_address(bus, address);
        if (r < 0)
                return r;
        r = start_peer(bus);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

/* Is it worth looking elsewhere: is there no socket, or nobody behind it? */
static bool nobody_there(int error) {
        return error == -ENOENT || error == -ECONNREFUSED;
}

static int open_user(bool socket, bool bus, uint64_t timeout_usec, sd_bus **ret, bool *ret_is_bus) {
        const char *dir = secure_getenv("XDG_RUNTIME_DIR");
        char path[sizeof(((struct sockaddr_un *) NULL)->sun_path)];
        int n, r = -ENOENT;

        if (!isempty(dir) && socket) {
                n = snprintf(path, sizeof(path), "%s/tced/" TCED_SOCKET_NAME, dir);
                if (n > 0 && (size_t) n < sizeof(path))
                        r = open_path(path, timeout_usec, ret);
        }
        *ret_is_bus = bus && nobody_there(r);
        return *ret_is_bus ? sd_bus_open_user(ret) : r;
}

int connection_open(const char *address, const char *destination, uint64_t timeout_usec, sd_bus **ret, bool *ret_is_bus) {
        bool any = destination && !*destination, socket = any || !destination, bus = any || destination;
        int r = -ENOENT;

        *ret_is_bus = false;
        if (!address) {
                if (socket)
                        r = open_path(TCED_SOCKET, timeout_usec, ret);
                if (!bus || !nobody_there(r))
                        return r;
                address = "system";
        }
        if (streq(address, "user"))
                return open_user(socket, bus, timeout_usec, ret, ret_is_bus);
        *ret_is_bus = streq(address, "system") || streq(address, "session");
        if (*ret_is_bus)
                return streq(address, "system") ? sd_bus_open_system(ret) : sd_bus_open_user(ret);
        if (strncmp(address, PATH_ADDRESS, strlen(PATH_ADDRESS)) == 0 && !strpbrk(address, ",;%"))
                return open_path(address + strlen(PATH_ADDRESS), timeout_usec, ret);
        return strchr(address, ':') ? open_address(address, ret) : -EINVAL;
}

int connection_wait_ready(sd_bus *bus, uint64_t end) {
        for (;;) {
                uint64_t now;
                int r = sd_bus_is_ready(bus);

                if (r != 0)
                        return r < 0 ? r : 0;
                r = sd_bus_process(bus, NULL);
                if (r < 0)
                        return r;
                if (r > 0)
                        continue;
                now = connection_now();
                if (now >= end)
                        return -ETIMEDOUT;
                r = sd_bus_wait(bus, end - now);
                if (r < 0 && r != -EINTR)
                        return r;
        }
}

uint64_t connection_end(const struct tced *t) {
        uint64_t now = connection_now();

        return t->timeout_usec < UINT64_MAX - now ? now + t->timeout_usec : UINT64_MAX;
}

/* Accepted, and hung up on: that was a tced, which was killed just then, and the next one comes. Nobody at all is no tced. */
static bool hung_up(int error) {
        return error == -ECONNRESET || error == -EPIPE || error == -ENOTCONN;
}

static int connect_first(struct tced *t) {
        uint64_t end = connection_end(t);
        bool is_bus;
        int r = connection_open(t->address, ANY_DESTINATION, t->timeout_usec, &t->bus, &is_bus);

        if (r >= 0 && is_bus)
                t->destination = TCED_BUS_NAME;
        if (r >= 0)
                r = connection_wait_ready(t->bus, end);
        if (!hung_up(r) || is_bus)
                return r;
        (void) sd_bus_close_unref(t->bus);
        t->bus = NULL;
        r = connection_revive(t, "Connect", end);
        t->number = 1;
        return r;
}

_public_ int tced_connect(const char *address, uint64_t timeout_usec, struct tced **ret) {
        _cleanup_(tced_unrefp) struct tced *t = NULL;
        int r;

        if (!ret)
                return -EINVAL;
        if (timeout_usec == 0)
                timeout_usec = TCED_TIMEOUT_DEFAULT;
        t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;
        t->n_ref = 1;
        t->timeout_usec = timeout_usec;
        t->ioctl = kernel_ioctl;
        t->number = 1;
        t->retry_usec = UINT64_MAX;
        t->address = address ? strdup(address) : NULL;
        if (address && !t->address)
                return -ENOMEM;
        r = connect_first(t);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

_public_ void tced_set_timeout(struct tced *t, uint64_t timeout_usec) {
        t->timeout_usec = timeout_usec > 0 ? timeout_usec : TCED_TIMEOUT_DEFAULT;
}

_public_ struct tced *tced_ref(struct tced *t) {
        t->n_ref++;
        return t;
}

_public_ struct tced *tced_unref(struct tced *t) {
        if (!t || --t->n_ref > 0)
                return NULL;
        tced_close(t);
        (void) sd_bus_unref(t->bus);
        free(t->address);
        free(t);
        return NULL;
}

_public_ void tced_close(struct tced *t) {
        /* Not flushed: that could wait, and no call is under way. */
        sd_bus_close(t->bus);
        t->closed = true;
}

_public_ const char *tced_last_error(const struct tced *t) {
        return t->error;
}

int connection_new_call(struct tced *t, const char *path, const char *interface, const char *member,
                        sd_bus_message **ret) {
        int r = sd_bus_message_new_method_call(t->bus, ret, t->destination, path, interface, member);

        return r < 0 ? connection_error(t, r, "%s: the connection to tced was closed; connect again", member) : 0;
}

/* The errno of an answer: of its name where that is known, else what sd-bus makes of it. */
static int error_number(const sd_bus_error *error, int r) {
        int number = error->name ? error_name_to_errno(error->name) : EIO;

        return number != EIO ? -number : r < 0 ? r : -EIO;
}

/* One for the connection as it is now, of one that was made for an earlier one. */
static int copy_call(struct tced *t, sd_bus_message *call, sd_bus_message **ret) {
        _cleanup_(message_unrefp) sd_bus_message *copy = NULL;
        int r = sd_bus_message_new_method_call(t->bus, &copy, t->destination, sd_bus_message_get_path(call),
                                               sd_bus_message_get_interface(call), sd_bus_message_get_member(call));

        /* Only what is sealed can be copied, which it is where it was sent. */
        if (r >= 0)
                (void) sd_bus_message_seal(call, 1, 0);
        if (r >= 0)
                r = sd_bus_message_rewind(call, true);
        if (r >= 0)
                r = sd_bus_message_copy(copy, call, true);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(copy);
        return 0;
}

/* Did tced go before it answered? On a bus, the bus says so. */
static bool answer_is_lost(const struct tced *t, const sd_bus_error *error) {
        if (connection_is_gone(t))
                return true;
        if (!t->destination || !error->name)
                return false;
        return streq(error->name, SD_BUS_ERROR_NO_REPLY) ||
               (t->met && (streq(error->name, SD_BUS_ERROR_SERVICE_UNKNOWN) || streq(error->name, SD_BUS_ERROR_NAME_HAS_NO_OWNER)));
}

int connection_try(struct tced *t, sd_bus_message *call, uint64_t end, sd_bus_message **ret_reply, bool *ret_lost) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(message_unrefp) sd_bus_message *copy = NULL;
        uint64_t now;
        int r;

        *ret_lost = false;
        r = connection_revive(t, sd_bus_message_get_member(call), end);
        if (r < 0)
                return r;
        /* One that was sent before has its number already. */
        if (sd_bus_message_get_bus(call) != t->bus || sd_bus_message_get_cookie(call, &now) >= 0) {
                r = copy_call(t, call, &copy);
                if (r < 0)
                        return connection_error(t, r, "%s: %s", sd_bus_message_get_member(call), strerrordesc_np(-r));
                call = copy;
        }
        now = connection_now();
        r = sd_bus_call(t->bus, call, end > now ? end - now : 1, &error, ret_reply);
        if (r >= 0) {
                t->met = true;
                return 0;
        }
        *ret_lost = answer_is_lost(t, &error);
        t->met = t->met || (error.name && error_name_to_errno(error.name) != EIO);
        r = error_number(&error, r);
        return connection_error(t, r, "%s: %s", sd_bus_message_get_member(call), error.message ? error.message : strerrordesc_np(-r));
}

int connection_call_again(struct tced *t, sd_bus_message *call, sd_bus_message **ret_reply, bool *ret_lost) {
        uint64_t end = connection_end(t), pause = 0;
        bool lost, lost_once = false;
        int r;

        for (;;) {
                r = connection_try(t, call, end, ret_reply, &lost);
                if (!lost)
                        break;
                lost_once = true;
                r = connection_next(t, sd_bus_message_get_member(call), &pause, end);
                if (r < 0)
                        break;
        }
        if (ret_lost)
                *ret_lost = lost_once;
        return r;
}

int connection_call(struct tced *t, sd_bus_message *call, sd_bus_message **ret_reply) {
        return connection_call_again(t, call, ret_reply, NULL);
}

int connection_bad_reply(struct tced *t, const char *member, int r) {
        if (r == -ENOMEM)
                return r;
        return connection_error(t, -EBADMSG, "%s: the answer is not one of tced's; do the versions of tced and libtced fit?",
                                member);
}
