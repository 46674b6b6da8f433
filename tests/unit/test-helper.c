/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* helper.c against a peer in the same loop that plays tced-bind, well and badly: whatever it does, each question is answered
 * once, in its time, and no fd stays behind. */

#include "helper.h"

#include <inttypes.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "event-loop.h"
#include "log.h"
#include "tap.h"

/* How the peer answers a request. */
typedef enum Mood {
        MOOD_OPENS,
        MOOD_REFUSES,
        MOOD_REFUSES_WITH_FD,
        MOOD_SILENT,
        MOOD_CLOSES,
        MOOD_ANSWERS_OTHERS_FIRST,
        MOOD_ANSWERS_TWICE,
        MOOD_NO_FD,
        MOOD_THREE_FDS,
        MOOD_TWENTY_FDS,
        MOOD_EMPTY,
        MOOD_LARGE,
        MOOD_NO_JSON,
        MOOD_ARRAY,
        MOOD_NO_ID,
        MOOD_TEXT_ID,
        MOOD_NEGATIVE_ID,
        MOOD_NEGATIVE_ERROR,
        MOOD_LARGE_ERROR,
        MOOD_NO_TEXT,
        MOOD_LONG_TEXT,
        _MOOD_MAX,
} Mood;

typedef struct Peer {
        sd_event *event;
        char folder[32], path[64];
        sd_event_source *source;
        Mood mood;
        unsigned connections, requests, closed;
        int last; /* the newest connection */
        char text[256]; /* the newest request */
        uint64_t ids[8]; /* of each request */
} Peer;

/* What the questions were answered. */
typedef struct Told {
        unsigned calls;
        int error;
        char text[1024];
        bool has_fd, is_null, is_cloexec;
        Helper *ask_again; /* when called */
        int asked;
} Told;

static void send_packet(int socket, const char *text, size_t length, int fd, unsigned n_fds) {
        union {
                char bytes[CMSG_SPACE(20 * sizeof(int))];
                struct cmsghdr align;
        } control = {};
        struct iovec iov = { .iov_base = (void *) text, .iov_len = length };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (n_fds > 0) {
                message.msg_control = control.bytes;
                message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                control.align = (struct cmsghdr) {
                        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(n_fds * sizeof(int)),
                };
                for (unsigned i = 0; i < n_fds; i++)
                        memcpy(CMSG_DATA(&control.align) + i * sizeof(int), &fd, sizeof(int));
        }
        if (sendmsg(socket, &message, MSG_NOSIGNAL) < 0)
                printf("# sendmsg: %s\n", strerror(errno));
}

__attribute__((__format__(__printf__, 4, 5)))
static void send_text(int socket, int fd, unsigned n_fds, const char *format, ...) {
        char text[16384];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        send_packet(socket, text, strlen(text), fd, n_fds);
}

#define GRANTED "{\"id\":%" PRIu64 ",\"error\":0,\"text\":\"\"}"

/* The answers that have a text of their own; the rest are in peer_answer(). */
static const struct {
        unsigned n_fds;
        const char *format; /* the request's id */
} answers[_MOOD_MAX] = {
        [MOOD_OPENS] = { 1, GRANTED },
        [MOOD_REFUSES] = { 0, "{\"id\":%" PRIu64 ",\"error\":16,\"text\":\"somebody has it\"}" },
        [MOOD_REFUSES_WITH_FD] = { 1, "{\"id\":%" PRIu64 ",\"error\":16,\"text\":\"somebody has it\"}" },
        [MOOD_NO_FD] = { 0, GRANTED },
        [MOOD_THREE_FDS] = { 3, GRANTED },
        [MOOD_TWENTY_FDS] = { 20, GRANTED },
        [MOOD_LARGE] = { 1, "{\"id\":%" PRIu64 ",\"error\":0,\"text\":\"%09000d\"}" },
        [MOOD_NO_JSON] = { 1, "}{" },
        [MOOD_ARRAY] = { 1, "[%" PRIu64 ",0,\"\"]" },
        [MOOD_NO_ID] = { 1, "{\"error\":0,\"text\":\"\"}" },
        [MOOD_TEXT_ID] = { 1, "{\"id\":\"%" PRIu64 "\",\"error\":0,\"text\":\"\"}" },
        [MOOD_NEGATIVE_ID] = { 1, "{\"id\":-%" PRIu64 ",\"error\":0,\"text\":\"\"}" },
        [MOOD_NEGATIVE_ERROR] = { 1, "{\"id\":%" PRIu64 ",\"error\":-16,\"text\":\"\"}" },
        [MOOD_LARGE_ERROR] = { 1, "{\"id\":%" PRIu64 ",\"error\":4294967296,\"text\":\"\"}" },
        [MOOD_NO_TEXT] = { 1, "{\"id\":%" PRIu64 ",\"error\":0}" },
        [MOOD_LONG_TEXT] = { 0, "{\"id\":%" PRIu64 ",\"error\":16,\"text\":\"%03000d\"}" },
};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void send_answer(int socket, Mood mood, uint64_t id) {
        _cleanup_fd_ int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

        send_text(socket, fd, answers[mood].n_fds, answers[mood].format, id, 7);
}
#pragma GCC diagnostic pop

/* false: the peer hangs up. */
static bool peer_answer(Peer *peer, int socket, uint64_t id) {
        switch (peer->mood) {
        case MOOD_SILENT:
                return true;
        case MOOD_CLOSES:
                return false;
        case MOOD_ANSWERS_OTHERS_FIRST:
                send_answer(socket, MOOD_OPENS, id + 1000);
                send_answer(socket, MOOD_OPENS, 0);
                send_answer(socket, MOOD_OPENS, id);
                return true;
        case MOOD_ANSWERS_TWICE:
                send_answer(socket, MOOD_OPENS, id);
                send_answer(socket, MOOD_OPENS, id);
                return true;
        case MOOD_EMPTY:
                send_packet(socket, "", 0, -EBADF, 0);
                return true;
        case MOOD_OPENS:
        case MOOD_REFUSES:
        case MOOD_REFUSES_WITH_FD:
        case MOOD_NO_FD:
        case MOOD_THREE_FDS:
        case MOOD_TWENTY_FDS:
        case MOOD_LARGE:
        case MOOD_NO_JSON:
        case MOOD_ARRAY:
        case MOOD_NO_ID:
        case MOOD_TEXT_ID:
        case MOOD_NEGATIVE_ID:
        case MOOD_NEGATIVE_ERROR:
        case MOOD_LARGE_ERROR:
        case MOOD_NO_TEXT:
        case MOOD_LONG_TEXT:
                send_answer(socket, peer->mood, id);
                return true;
        case _MOOD_MAX:
                break;
        }
        return false;
}

static int on_peer_request(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Peer *peer = userdata;
        ssize_t n = recv(fd, peer->text, sizeof(peer->text) - 1, MSG_DONTWAIT);
        uint64_t id = 0;

        if (n > 0) {
                peer->text[n] = '\0';
                (void) sscanf(peer->text, "{\"id\":%" SCNu64, &id);
                peer->ids[peer->requests++ % ELEMENTSOF(peer->ids)] = id;
                if (peer_answer(peer, fd, id))
                        return 0;
        }
        peer->closed++;
        (void) sd_event_source_set_floating(s, 0);
        return 0;
}

static int on_peer_connection(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        sd_event_source *source;
        Peer *peer = userdata;

        peer->last = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (peer->last < 0 || sd_event_add_io(peer->event, &source, peer->last, EPOLLIN, on_peer_request, peer) < 0)
                return 0;
        peer->connections++;
        (void) sd_event_source_set_io_fd_own(source, 1);
        (void) sd_event_source_set_floating(source, 1);
        (void) sd_event_source_unref(source);
        return 0;
}

static int listen_at(const char *path, int backlog) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || (backlog >= 0 && listen(fd, backlog) < 0))
                exit(EXIT_FAILURE);
        return fd;
}

static Peer *peer_new(sd_event *event, Mood mood) {
        Peer *peer = calloc(1, sizeof(*peer));

        if (!peer)
                exit(EXIT_FAILURE);
        *peer = (Peer) { .event = event, .mood = mood, .folder = "/tmp/test-helper-XXXXXX" };
        if (!mkdtemp(peer->folder))
                exit(EXIT_FAILURE);
        (void) snprintf(peer->path, sizeof(peer->path), "%s/socket", peer->folder);
        if (sd_event_add_io(event, &peer->source, listen_at(peer->path, 8), EPOLLIN, on_peer_connection, peer) < 0)
                exit(EXIT_FAILURE);
        (void) sd_event_source_set_io_fd_own(peer->source, 1);
        return peer;
}

static Peer *peer_free(Peer *peer) {
        (void) sd_event_source_disable_unref(peer->source);
        (void) unlink(peer->path);
        (void) rmdir(peer->folder);
        free(peer);
        return NULL;
}

static Helper *helper_make(sd_event *event, const char *path) {
        Helper *helper = NULL;

        if (helper_new(event, path, &helper) < 0)
                exit(EXIT_FAILURE);
        return helper;
}

static void on_answer(int error, const char *text, int fd, void *userdata) {
        Told *told = userdata;
        struct stat st;

        told->calls++;
        told->error = error;
        (void) snprintf(told->text, sizeof(told->text), "%s", text);
        told->has_fd = fd >= 0;
        told->is_null = fd >= 0 && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode);
        told->is_cloexec = fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC;
        (void) fd_close(fd);
        if (told->ask_again) {
                Helper *helper = TAKE_PTR(told->ask_again);

                told->asked = helper_open_group(helper, 8, on_answer, told);
        }
}

/* Has the peer seen all its connections closed? */
static bool let_go(const Peer *peer) {
        return loop_until(peer->event, &peer->closed, peer->connections, LOOP_LIMIT_USEC);
}

static void test_answers(void) {
        static const struct {
                const char *name;
                Mood mood;
                int error;
                const char *text; /* its beginning */
        } cases[] = {
                { "the group's fd", MOOD_OPENS, 0, "" },
                { "a refusal", MOOD_REFUSES, EBUSY, "somebody has it" },
                { "a refusal with an fd", MOOD_REFUSES_WITH_FD, EBUSY, "somebody has it" },
                { "the other end closes", MOOD_CLOSES, EHOSTDOWN, "tced-bind went away" },
                { "answers that nobody asked for, then the right one", MOOD_ANSWERS_OTHERS_FIRST, 0, "" },
                { "the same answer twice", MOOD_ANSWERS_TWICE, 0, "" },
                { "a grant without an fd", MOOD_NO_FD, EBADMSG, "tced-bind answered without an fd" },
                { "a grant with three fds", MOOD_THREE_FDS, 0, "" },
                { "a grant with twenty fds", MOOD_TWENTY_FDS, EHOSTDOWN, "tced-bind went away" },
                { "an empty packet", MOOD_EMPTY, EHOSTDOWN, "tced-bind went away" },
                { "a packet that is too large", MOOD_LARGE, EHOSTDOWN, "tced-bind went away" },
                { "garbage", MOOD_NO_JSON, EHOSTDOWN, "tced-bind went away" },
                { "an array", MOOD_ARRAY, EHOSTDOWN, "tced-bind went away" },
                { "no id", MOOD_NO_ID, EHOSTDOWN, "tced-bind went away" },
                { "an id that is text", MOOD_TEXT_ID, EHOSTDOWN, "tced-bind went away" },
                { "an id below zero", MOOD_NEGATIVE_ID, EHOSTDOWN, "tced-bind went away" },
                { "an error below zero", MOOD_NEGATIVE_ERROR, EHOSTDOWN, "tced-bind went away" },
                { "an error above 2^31", MOOD_LARGE_ERROR, EHOSTDOWN, "tced-bind went away" },
                { "no text", MOOD_NO_TEXT, EHOSTDOWN, "tced-bind went away" },
                { "a text that is too long", MOOD_LONG_TEXT, EBUSY, "00000000000000000000" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_event_ sd_event *event = loop_new();
                Peer *peer = peer_new(event, cases[i].mood);
                Helper *helper = helper_make(event, peer->path);
                unsigned before = count_fds();
                Told told = {};

                tap_eq(helper_open_group(helper, 7, on_answer, &told), 0, "%s: asked", cases[i].name);
                tap_eq(told.calls, 0, "%s: nothing is answered before it is asked", cases[i].name);
                (void) loop_until(event, &told.calls, 1, LOOP_LIMIT_USEC);
                tap_eq(told.error, cases[i].error, "%s: the error", cases[i].name);
                tap_ok(strncmp(told.text, cases[i].text, strlen(cases[i].text)) == 0, "%s: the text '%.40s'", cases[i].name, told.text);
                tap_ok(cases[i].error == 0 ? told.is_null && told.is_cloexec : !told.has_fd, "%s: the fd", cases[i].name);
                tap_ok(let_go(peer), "%s: the connection ends", cases[i].name);
                loop_for(event, SECOND_USEC / 100);
                tap_eq(told.calls, 1, "%s: answered once", cases[i].name);
                tap_eq(count_fds(), before, "%s: no fd is left", cases[i].name);
                (void) helper_free(helper);
                (void) peer_free(peer);
        }
}

static void test_request(void) {
        _cleanup_event_ sd_event *event = loop_new();
        Peer *peer = peer_new(event, MOOD_OPENS);
        Helper *helper = helper_make(event, peer->path);
        char name[300] = "";
        Told told = {};

        (void) helper_open_group(helper, UINT32_MAX, on_answer, &told);
        (void) loop_until(event, &told.calls, 1, LOOP_LIMIT_USEC);
        tap_streq(peer->text, "{\"id\":1,\"operation\":\"open-group\",\"group\":4294967295}", "what is asked");
        (void) helper_open_group(helper, 0, on_answer, &told);
        (void) loop_until(event, &told.calls, 2, LOOP_LIMIT_USEC);
        tap_streq(peer->text, "{\"id\":2,\"operation\":\"open-group\",\"group\":0}", "each time by another id");
        tap_eq(helper_open_log(helper, "web1", on_answer, &told), 0, "a log is asked for");
        (void) loop_until(event, &told.calls, 3, LOOP_LIMIT_USEC);
        tap_streq(peer->text, "{\"id\":3,\"operation\":\"open-log\",\"name\":\"web1\"}", "by the domain's name");
        memset(name, 'x', sizeof(name) - 1);
        tap_ok(helper_open_log(helper, "../x", on_answer, &told) == -EINVAL && helper_open_log(helper, "", on_answer, &told) == -EINVAL &&
               helper_open_log(helper, name, on_answer, &told) == -EINVAL, "which is none with a slash, or too long");
        tap_ok(let_go(peer) && peer->connections == 3, "a connection lasts while something is asked, so that tced-bind can end");
        (void) helper_free(helper);
        (void) peer_free(peer);
}

/* Binding and what belongs to it: what is asked, that no fd is taken, and a deadline of its own. */
static void test_binding(void) {
        static const char *const devices[] = { "0001:00:00.0", "0001:00:00.1" };
        static const char *const odd[] = { "0001:00:00.0", "../x" };
        _cleanup_event_ sd_event *event = loop_new();
        Peer *peer = peer_new(event, MOOD_NO_FD);
        Helper *helper = helper_make(event, peer->path);
        unsigned before = count_fds();
        Told told = {};

        tap_eq(helper_bind_group(helper, 7, devices, 2, on_answer, &told), 0, "a group is to be bound");
        (void) loop_until(event, &told.calls, 1, LOOP_LIMIT_USEC);
        tap_streq(peer->text, "{\"id\":1,\"operation\":\"bind-group\",\"group\":7,\"devices\":[\"0001:00:00.0\",\"0001:00:00.1\"]}", "which and of what");
        tap_ok(told.error == 0 && !told.has_fd, "it is, and there is no fd");
        peer->mood = MOOD_OPENS;
        (void) helper_release_group(helper, devices, 1, on_answer, &told);
        (void) loop_until(event, &told.calls, 2, LOOP_LIMIT_USEC);
        tap_streq(peer->text, "{\"id\":2,\"operation\":\"release-group\",\"devices\":[\"0001:00:00.0\"]}", "given back");
        tap_ok(told.error == 0 && !told.has_fd && let_go(peer) && count_fds() == before, "an fd that comes with the answer is closed");
        peer->mood = MOOD_REFUSES;
        (void) helper_keep_group(helper, devices, 1, true, on_answer, &told);
        (void) loop_until(event, &told.calls, 3, LOOP_LIMIT_USEC);
        tap_streq(peer->text, "{\"id\":3,\"operation\":\"keep-group\",\"devices\":[\"0001:00:00.0\"]}", "kept");
        tap_ok(told.error == EBUSY && strstr(told.text, "somebody has it"), "a refusal, and its text");
        (void) helper_keep_group(helper, devices, 1, false, on_answer, &told);
        (void) loop_until(event, &told.calls, 4, LOOP_LIMIT_USEC);
        tap_streq(peer->text, "{\"id\":4,\"operation\":\"forget-group\",\"devices\":[\"0001:00:00.0\"]}", "forgotten");
        tap_ok(helper_bind_group(helper, 7, odd, 2, on_answer, &told) == -EINVAL && helper_bind_group(helper, 7, devices, 0, on_answer, &told) == -EINVAL &&
               helper_release_group(helper, odd, 2, on_answer, &told) == -EINVAL && helper_keep_group(helper, odd, 2, true, on_answer, &told) == -EINVAL,
               "what is no address, and no devices at all, are not asked for");
        tap_eq(told.calls, 4, "and not answered");

        peer->mood = MOOD_SILENT;
        helper_set_deadline(helper, SECOND_USEC / 20);
        (void) helper_bind_group(helper, 7, devices, 1, on_answer, &told);
        loop_for(event, SECOND_USEC / 5);
        tap_eq(told.calls, 4, "it may take longer than the opening of a group");
        helper_set_bind_deadline(helper, SECOND_USEC / 20);
        (void) helper_bind_group(helper, 7, devices, 1, on_answer, &told);
        (void) loop_until(event, &told.calls, 5, LOOP_LIMIT_USEC);
        tap_eq(told.error, ETIMEDOUT, "but not for ever");
        (void) helper_free(helper);
        (void) peer_free(peer);
}

static void test_several(void) {
        _cleanup_event_ sd_event *event = loop_new();
        Peer *peer = peer_new(event, MOOD_SILENT);
        Helper *helper = helper_make(event, peer->path);
        unsigned before = count_fds(), right = 0;
        Told told[5] = {};

        for (uint32_t i = 0; i < 5; i++)
                (void) helper_open_group(helper, i, on_answer, &told[i]);
        (void) loop_until(event, &peer->requests, 5, LOOP_LIMIT_USEC);
        tap_eq(peer->connections, 1, "five questions go over one connection");
        for (size_t i = 5; i-- > 0;) {
                send_answer(peer->last, i == 2 ? MOOD_REFUSES : MOOD_OPENS, peer->ids[i]);
                (void) loop_until(event, &told[i].calls, 1, LOOP_LIMIT_USEC);
                right += told[i].calls == 1 && told[i].error == (i == 2 ? EBUSY : 0) && told[i].has_fd == (i != 2);
        }
        tap_eq(right, 5, "each gets its own answer, in whatever order they come");
        (void) let_go(peer);
        tap_eq(count_fds(), before, "no fd is left of them");
        (void) helper_free(helper);
        (void) peer_free(peer);
}

static void test_deadline(void) {
        _cleanup_event_ sd_event *event = loop_new();
        Peer *peer = peer_new(event, MOOD_SILENT);
        Helper *helper = helper_make(event, peer->path);
        unsigned before = count_fds();
        uint64_t start = monotonic_usec(), took;
        Told first = {}, second = {};

        helper_set_deadline(helper, SECOND_USEC / 10);
        (void) helper_open_group(helper, 1, on_answer, &first);
        helper_set_deadline(helper, LOOP_LIMIT_USEC);
        (void) helper_open_group(helper, 2, on_answer, &second);
        (void) loop_until(event, &first.calls, 1, LOOP_LIMIT_USEC);
        took = monotonic_usec() - start;
        tap_eq(first.error, ETIMEDOUT, "a question that is not answered has a deadline");
        tap_ok(took >= SECOND_USEC / 10 && took < 5 * SECOND_USEC, "it ends in its time (%" PRIu64 " ms)", took / 1000);
        tap_ok(!first.has_fd && strstr(first.text, "systemctl status tced-bind"), "the text says where to look");
        tap_eq(second.calls, 0, "another question goes on");

        send_answer(peer->last, MOOD_OPENS, peer->ids[0]);
        loop_for(event, SECOND_USEC / 50);
        tap_ok(first.calls == 1 && second.calls == 0, "an answer that comes late is nobody's");
        tap_eq(count_fds(), before + 2, "and its fd is closed"); /* both ends of the connection */
        send_answer(peer->last, MOOD_OPENS, peer->ids[1]);
        (void) loop_until(event, &second.calls, 1, LOOP_LIMIT_USEC);
        tap_ok(second.error == 0 && second.has_fd, "the other question is answered");

        helper_set_deadline(helper, SECOND_USEC / 100);
        (void) helper_open_group(helper, 3, on_answer, &first);
        (void) loop_until(event, &first.calls, 2, LOOP_LIMIT_USEC);
        tap_ok(first.error == ETIMEDOUT && let_go(peer), "with the last question's deadline the connection ends");
        tap_eq(count_fds(), before, "no fd is left after deadlines");
        (void) helper_free(helper);
        (void) peer_free(peer);
}

/* The peer dies with several questions open; done() asks again, and the peer is there again. */
static void test_ask_again(void) {
        _cleanup_event_ sd_event *event = loop_new();
        Peer *peer = peer_new(event, MOOD_SILENT);
        Helper *helper = helper_make(event, peer->path);
        Told told[3] = { { .ask_again = helper }, {}, { .ask_again = helper } };
        unsigned before = count_fds();

        for (uint32_t i = 0; i < 3; i++)
                (void) helper_open_group(helper, i, on_answer, &told[i]);
        (void) loop_until(event, &peer->requests, 3, LOOP_LIMIT_USEC);
        peer->mood = MOOD_OPENS;
        (void) shutdown(peer->last, SHUT_RDWR);
        (void) loop_until(event, &told[0].calls, 2, LOOP_LIMIT_USEC);
        (void) loop_until(event, &told[2].calls, 2, LOOP_LIMIT_USEC);
        tap_ok(told[1].calls == 1 && told[1].error == EHOSTDOWN, "a helper that goes away answers what is asked");
        tap_ok(told[0].calls == 2 && told[2].calls == 2 && told[0].asked == 0 && told[2].asked == 0, "done may ask again");
        tap_ok(told[0].error == 0 && told[0].has_fd && told[2].error == 0 && told[2].has_fd, "and that is asked anew");
        tap_ok(let_go(peer) && peer->connections == 2, "over one new connection");
        tap_eq(count_fds(), before, "no fd is left of either");
        (void) helper_free(helper);
        (void) peer_free(peer);
}

static void test_free(void) {
        _cleanup_event_ sd_event *event = loop_new();
        Peer *peer = peer_new(event, MOOD_SILENT);
        unsigned before = count_fds();
        Helper *helper = helper_make(event, peer->path);
        Told told[2] = { {}, { .ask_again = helper } };

        for (uint32_t i = 0; i < 2; i++)
                (void) helper_open_group(helper, i, on_answer, &told[i]);
        (void) loop_until(event, &peer->requests, 2, LOOP_LIMIT_USEC);
        tap_ok(helper_free(helper) == NULL && helper_free(NULL) == NULL, "it is freed; none is no error");
        tap_ok(told[0].calls == 1 && told[0].error == ECANCELED && told[1].calls == 1 && told[1].error == ECANCELED,
               "what is asked ends with ECANCELED");
        tap_eq(told[1].asked, -ECANCELED, "nothing can be asked then");
        tap_ok(let_go(peer), "the connection ends");
        tap_eq(count_fds(), before, "no fd is left of a helper that was freed");
        (void) peer_free(peer);
}

static void test_unreachable(void) {
        _cleanup_event_ sd_event *event = loop_new();
        char folder[] = "/tmp/test-helper-XXXXXX", path[64], bound[64], full[64], long_path[200] = "";
        const struct {
                const char *name, *path;
                int want;
        } cases[] = {
                { "there is no socket", path, -ENOENT },
                { "nobody listens", bound, -ECONNREFUSED },
                { "too many wait already", full, -EAGAIN },
                { "a path that is too long", long_path, -ENAMETOOLONG },
        };
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int silent, busy, waiting;
        unsigned before;

        if (!mkdtemp(folder))
                return;
        (void) snprintf(path, sizeof(path), "%s/none", folder);
        (void) snprintf(bound, sizeof(bound), "%s/bound", folder);
        (void) snprintf(full, sizeof(full), "%s/full", folder);
        memset(long_path, 'x', sizeof(long_path) - 1);
        silent = listen_at(bound, -1);
        busy = listen_at(full, 0);
        waiting = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", full);
        (void) connect(waiting, (struct sockaddr *) &address, sizeof(address));
        before = count_fds();
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Helper *helper = helper_make(event, cases[i].path);
                Told told = {};

                tap_eq(helper_open_group(helper, 1, on_answer, &told), cases[i].want, "%s", cases[i].name);
                loop_for(event, SECOND_USEC / 100);
                tap_eq(told.calls, 0, "%s: done is not called", cases[i].name);
                tap_eq(count_fds(), before, "%s: no fd is left", cases[i].name);
                (void) helper_free(helper);
        }
        (void) close(silent);
        (void) close(busy);
        (void) close(waiting);
        (void) unlink(bound);
        (void) unlink(full);
        (void) rmdir(folder);
}

int main(void) {
        (void) log_set_target("null");
        test_answers();
        test_request();
        test_binding();
        test_several();
        test_deadline();
        test_ask_again();
        test_free();
        test_unreachable();
        return tap_done();
}
