/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bind_protocol.c: what tced and tced-bind say to each other, and what neither of them would ever say. */

#include "bind_protocol.h"

#include <sys/socket.h>

#include "event-loop.h"
#include "tap.h"

static void make_pair(int ends[2]) {
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                exit(EXIT_FAILURE);
}

static void close_pair(int ends[2]) {
        (void) fd_close(ends[0]);
        (void) fd_close(ends[1]);
}

/* A packet of whatever bytes, with n copies of an fd. */
static void send_raw(int socket, const void *bytes, size_t size, int fd, unsigned n) {
        union {
                char bytes[CMSG_SPACE(16 * sizeof(int))];
                struct cmsghdr align;
        } control = {};
        struct iovec iov = { .iov_base = (void *) bytes, .iov_len = size };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (n > 0) {
                message.msg_control = control.bytes;
                message.msg_controllen = CMSG_SPACE(n * sizeof(int));
                control.align = (struct cmsghdr) {
                        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(n * sizeof(int)),
                };
                for (unsigned i = 0; i < n; i++)
                        memcpy(CMSG_DATA(&control.align) + i * sizeof(int), &fd, sizeof(int));
        }
        (void) sendmsg(socket, &message, MSG_NOSIGNAL);
}

static void test_requests(void) {
        static const struct {
                const char *name, *packet;
                int want;
                uint64_t id;
                uint32_t group;
        } cases[] = {
                { "a request", "{\"id\":5,\"operation\":\"open-group\",\"group\":7}", 1, 5, 7 },
                { "in another order, with blanks", " { \"group\" : 0, \"id\" : 0, \"operation\" : \"open-group\" }", 1, 0, 0 },
                { "the largest numbers", "{\"id\":9223372036854775807,\"operation\":\"open-group\",\"group\":4294967295}", 1, INT64_MAX,
                  UINT32_MAX },
                { "a member that is not known", "{\"id\":1,\"operation\":\"open-group\",\"group\":2,\"x\":\"y\"}", 1, 1, 2 },
                { "an id that is too large", "{\"id\":9223372036854775808,\"operation\":\"open-group\",\"group\":7}", -EBADMSG, 0, 0 },
                { "an id below zero", "{\"id\":-1,\"operation\":\"open-group\",\"group\":7}", -EBADMSG, 0, 0 },
                { "an id that is a string", "{\"id\":\"5\",\"operation\":\"open-group\",\"group\":7}", -EBADMSG, 0, 0 },
                { "an id that is a fraction", "{\"id\":5.0,\"operation\":\"open-group\",\"group\":7}", -EBADMSG, 0, 0 },
                { "no id", "{\"operation\":\"open-group\",\"group\":7}", -EBADMSG, 0, 0 },
                { "a log", "{\"id\":5,\"operation\":\"open-log\",\"name\":\"web1\"}", 1, 5, 0 },
                { "a log of no name", "{\"id\":5,\"operation\":\"open-log\",\"group\":7}", -EBADMSG, 0, 0 },
                { "an empty name", "{\"id\":5,\"operation\":\"open-log\",\"name\":\"\"}", -EBADMSG, 0, 0 },
                { "a name that is a number", "{\"id\":5,\"operation\":\"open-log\",\"name\":7}", -EBADMSG, 0, 0 },
                { "no group", "{\"id\":5,\"operation\":\"open-group\"}", -EBADMSG, 0, 0 },
                { "a group below zero", "{\"id\":5,\"operation\":\"open-group\",\"group\":-1}", -EBADMSG, 0, 0 },
                { "a group of 2^32", "{\"id\":5,\"operation\":\"open-group\",\"group\":4294967296}", -EBADMSG, 0, 0 },
                { "a group that is a path", "{\"id\":5,\"operation\":\"open-group\",\"group\":\"../kvm\"}", -EBADMSG, 0, 0 },
                { "no operation", "{\"id\":5,\"group\":7}", -EBADMSG, 0, 0 },
                { "an operation that is not known", "{\"id\":5,\"operation\":\"unlink\",\"group\":7}", -EBADMSG, 0, 0 },
                { "an operation without a name", "{\"id\":5,\"operation\":\"\",\"group\":7}", -EBADMSG, 0, 0 },
                { "an operation that is a number", "{\"id\":5,\"operation\":0,\"group\":7}", -EBADMSG, 0, 0 },
                { "an operation that is null", "{\"id\":5,\"operation\":null,\"group\":7}", -EBADMSG, 0, 0 },
                { "something behind it", "{\"id\":5,\"operation\":\"open-group\",\"group\":7}{}", -EBADMSG, 0, 0 },
                { "a comma too many", "{\"id\":5,\"operation\":\"open-group\",\"group\":7,}", -EBADMSG, 0, 0 },
                { "the wrong quotes", "{'id':5,'operation':'open-group','group':7}", -EBADMSG, 0, 0 },
                { "half of it", "{\"id\":5,\"operation\":\"open-gr", -EBADMSG, 0, 0 },
                { "an array", "[5,\"open-group\",7]", -EBADMSG, 0, 0 },
                { "a string", "\"open-group\"", -EBADMSG, 0, 0 },
                { "a number", "7", -EBADMSG, 0, 0 },
                { "null", "null", -EBADMSG, 0, 0 },
                { "a device that is an array", "{\"id\":5,\"operation\":\"keep-group\",\"devices\":[[\"0001:00:00.0\"]]}", -EBADMSG, 0, 0 },
                { "nests without end", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", -EBADMSG, 0, 0 },
                { "an object in it", "{\"id\":{\"id\":{\"id\":5}},\"operation\":\"open-group\",\"group\":7}", -EBADMSG, 0, 0 },
                { "no UTF-8", "{\"id\":5,\"operation\":\"open-group\",\"group\":7,\"x\":\"\xff\xfe\"}", -EBADMSG, 0, 0 },
                { "no JSON", "GET / HTTP/1.1", -EBADMSG, 0, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                BindRequest request = { .id = 77, .group = 78, .name = "kept" };
                bool fails = cases[i].want < 0, log = !fails && strstr(cases[i].packet, "open-log");
                int ends[2];

                make_pair(ends);
                send_raw(ends[0], cases[i].packet, strlen(cases[i].packet), -EBADF, 0);
                tap_eq(bind_receive_request(ends[1], &request), cases[i].want, "request: %s", cases[i].name);
                tap_ok(request.id == (fails ? 77 : cases[i].id) && request.group == (fails ? 78 : cases[i].group) &&
                               request.operation == (log ? BIND_OPEN_LOG : BIND_OPEN_GROUP) &&
                               streq(request.name, fails ? "kept" : log ? "web1" : ""),
                       "request: %s: %s", cases[i].name, fails ? "nothing is kept" : "what it says");
                close_pair(ends);
        }
}

/* Requests about devices. */
static void test_devices(void) {
        static const char bind[] = "{\"id\":5,\"operation\":\"bind-group\",\"group\":7,\"devices\":[%s]}";
        static const char release[] = "{\"id\":5,\"operation\":\"release-group\",\"devices\":[%s]}";
        static const struct {
                const char *name, *format, *devices;
                int want;
        } cases[] = {
                { "bind", bind, "\"0001:00:00.0\",\"00010000:00:1f.7\"", 1 },
                { "release", release, "\"0001:00:00.0\"", 1 },
                { "none", release, "", -EBADMSG },
                { "a number", release, "1", -EBADMSG },
                { "null", release, "\"0001:00:00.0\",null", -EBADMSG },
                { "a path", release, "\"../../../../etc\"", -EBADMSG },
                { "something behind it", release, "\"0001:00:00.0/..\"", -EBADMSG },
                { "a newline behind it", release, "\"0001:00:00.0\\n\"", -EBADMSG },
                { "a NUL in it", release, "\"0001:00:00.0\\u0000/x\"", -EBADMSG },
                { "upper case", release, "\"000A:00:00.0\"", -EBADMSG },
                { "no domain", release, "\"00:00.0\"", -EBADMSG },
                { "a short domain", release, "\"001:00:00.0\"", -EBADMSG },
                { "a long domain", release, "\"000000001:00:00.0\"", -EBADMSG },
                { "function 8", release, "\"0001:00:00.8\"", -EBADMSG },
                { "no address", release, "\"\"", -EBADMSG },
        };
        static const char *const without[] = {
                "{\"id\":5,\"operation\":\"bind-group\",\"devices\":[\"0001:00:00.0\"]}", "{\"id\":5,\"operation\":\"bind-group\",\"group\":7}",
                "{\"id\":5,\"operation\":\"keep-group\"}", "{\"id\":5,\"operation\":\"forget-group\",\"devices\":\"0001:00:00.0\"}",
                "{\"id\":5,\"operation\":\"recover-group\",\"devices\":{}}",
        };
        char packet[512];
        int ends[2];

        make_pair(ends);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                BindRequest request = { .id = 77 };

                const char *hole = strstr(cases[i].format, "%s");

                (void) snprintf(packet, sizeof(packet), "%.*s%s%s", (int) (hole - cases[i].format), cases[i].format, cases[i].devices, hole + 2);
                send_raw(ends[0], packet, strlen(packet), -EBADF, 0);
                tap_eq(bind_receive_request(ends[1], &request), cases[i].want, "devices: %s", cases[i].name);
                tap_eq(request.id, cases[i].want == 1 ? 5 : 77, "devices: %s: %s", cases[i].name, cases[i].want == 1 ? "read" : "nothing is kept");
                if (i == 0)
                        tap_ok(request.operation == BIND_BIND_GROUP && request.group == 7 && request.n_addresses == 2 &&
                                       streq(request.addresses[0], "0001:00:00.0") && streq(request.addresses[1], "00010000:00:1f.7"),
                               "devices: in their order");
        }
        for (size_t i = 0; i < ELEMENTSOF(without); i++) {
                send_raw(ends[0], without[i], strlen(without[i]), -EBADF, 0);
                tap_eq(bind_receive_request(ends[1], &(BindRequest) {}), -EBADMSG, "devices: not all that is needed: %s", without[i]);
        }
        close_pair(ends);
}

/* As many devices as a group may have, of the longest addresses, and one more. */
static void test_many_devices(void) {
        const char *addresses[BIND_DEVICES_MAX + 1];
        char texts[BIND_DEVICES_MAX + 1][BIND_ADDRESS_MAX + 1];
        BindRequest back = {}, request = { .id = INT64_MAX, .operation = BIND_BIND_GROUP, .group = UINT32_MAX };
        int ends[2];

        for (unsigned i = 0; i <= BIND_DEVICES_MAX; i++) {
                (void) snprintf(texts[i], sizeof(texts[i]), "ffffffff:%02x:00.0", i % 256);
                addresses[i] = texts[i];
        }
        make_pair(ends);
        tap_eq(bind_request_set_addresses(&request, addresses, BIND_DEVICES_MAX), 0, "256 devices");
        tap_ok(bind_send_request(ends[0], &request) == 0 && bind_receive_request(ends[1], &back) == 1, "fit into a packet");
        tap_ok(back.n_addresses == BIND_DEVICES_MAX && memcmp(back.addresses, request.addresses, sizeof(back.addresses)) == 0, "all of them");
        tap_eq(bind_request_set_addresses(&request, addresses, BIND_DEVICES_MAX + 1), -EINVAL, "257 are too many");
        tap_eq(bind_request_set_addresses(&request, addresses, 0), -EINVAL, "none are too few");
        addresses[1] = "0001:00:00.0/driver";
        tap_eq(bind_request_set_addresses(&request, addresses, 2), -EINVAL, "one that is no address");
        close_pair(ends);
}

/* Bytes that no string literal can hold, and packets at the limit of their size. */
static void test_odd_packets(void) {
        static const char good[] = "{\"id\":5,\"operation\":\"open-group\",\"group\":7}";
        static char packet[BIND_PACKET_MAX + 1];
        static const struct {
                const char *name;
                size_t size;
                char fill;
                int want;
        } cases[] = {
                { "one NUL behind it", sizeof(good), '\0', -EBADMSG },
                { "NULs behind it", 100, '\0', -EBADMSG },
                { "blanks behind it, up to the limit", BIND_PACKET_MAX, ' ', 1 },
                { "blanks beyond the limit", BIND_PACKET_MAX + 1, ' ', -EBADMSG },
        };
        BindRequest request;
        int ends[2];

        make_pair(ends);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                memset(packet, cases[i].fill, sizeof(packet));
                memcpy(packet, good, strlen(good));
                send_raw(ends[0], packet, cases[i].size, -EBADF, 0);
                tap_eq(bind_receive_request(ends[1], &request), cases[i].want, "%s", cases[i].name);
        }
        memset(packet, ' ', sizeof(packet));
        memcpy(packet + BIND_PACKET_MAX - strlen(good), good, strlen(good));
        send_raw(ends[0], packet, BIND_PACKET_MAX, -EBADF, 0);
        tap_eq(bind_receive_request(ends[1], &request), 1, "a packet of the largest size");
        tap_eq(bind_receive_request(ends[1], &request), -EAGAIN, "nothing there");
        for (int n = 255; n <= 256; n++) {
                int size = snprintf(packet, sizeof(packet), "{\"id\":5,\"operation\":\"open-log\",\"name\":\"%0*d\"}", n, 1);

                send_raw(ends[0], packet, (size_t) size, -EBADF, 0);
                tap_eq(bind_receive_request(ends[1], &request), n == 255 ? 1 : -EBADMSG, "a name of %d bytes", n);
        }
        send_raw(ends[0], "", 0, -EBADF, 0);
        tap_eq(bind_receive_request(ends[1], &request), 0, "an empty packet is the end");
        ends[0] = fd_close(ends[0]);
        tap_eq(bind_receive_request(ends[1], &request), 0, "the other end is closed");
        tap_eq(bind_send_request(ends[1], &(BindRequest) {}), -EPIPE, "nothing can be sent then, and no signal comes");
        close_pair(ends);
}

static void test_surplus_fds(void) {
        static const char request_text[] = "{\"id\":5,\"operation\":\"open-group\",\"group\":7}";
        static const char granted[] = "{\"id\":5,\"error\":0,\"text\":\"\"}", refused[] = "{\"id\":5,\"error\":2,\"text\":\"no\"}";
        static const struct {
                const char *name, *packet;
                unsigned fds;
                int want;
                bool has_fd;
        } cases[] = {
                { "a grant with an fd", granted, 1, 1, true },
                { "a grant without one", granted, 0, 1, false },
                { "a grant with eight", granted, 8, 1, true },
                { "a grant with nine", granted, 9, -EBADMSG, false },
                { "a refusal with an fd", refused, 1, 1, false },
                { "garbage with fds", "}", 3, -EBADMSG, false },
                { "an empty packet with an fd", "", 1, 0, false },
        };
        unsigned before = count_fds();

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                BindReply reply = { .fd = -EBADF };
                int ends[2];

                make_pair(ends);
                send_raw(ends[0], cases[i].packet, strlen(cases[i].packet), STDIN_FILENO, cases[i].fds);
                tap_eq(bind_receive_reply(ends[1], &reply), cases[i].want, "%s", cases[i].name);
                tap_ok((reply.fd >= 0) == cases[i].has_fd && (reply.fd < 0 || fcntl(reply.fd, F_GETFD) == FD_CLOEXEC), "%s: the fd",
                       cases[i].name);
                (void) fd_close(reply.fd);
                send_raw(ends[0], request_text, strlen(request_text), STDIN_FILENO, cases[i].fds);
                (void) bind_receive_request(ends[1], &(BindRequest) {});
                close_pair(ends);
                tap_eq(count_fds(), before, "%s: no surplus fd is left, nor one beside a request", cases[i].name);
        }
}

static void test_round_trip(void) {
        static const char *const texts[] = { "a text", "\"quotes\", \\ and / and\nlines\t",
                                             "Gr\303\274\303\237e \342\202\254", "\001\037" };
        BindRequest request = {}, sent = { .id = INT64_MAX, .operation = BIND_OPEN_GROUP, .group = UINT32_MAX };
        BindReply reply, full = { .id = 1, .error = ENOENT, .fd = -EBADF };
        int ends[2], r, n = 0;

        make_pair(ends);
        tap_eq(bind_send_request(ends[0], &sent), 0, "a request is sent");
        tap_eq(bind_receive_request(ends[1], &request), 1, "and received");
        tap_ok(request.id == sent.id && request.operation == sent.operation && request.group == sent.group, "as it was sent");
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                BindReply answer = { .id = i, .error = EBUSY, .fd = -EBADF };

                (void) snprintf(answer.text, sizeof(answer.text), "%s", texts[i]);
                (void) bind_send_reply(ends[0], &answer);
                reply = (BindReply) {};
                r = bind_receive_reply(ends[1], &reply);
                tap_ok(r == 1 && reply.id == i && reply.error == EBUSY && reply.fd < 0, "an answer, %zu", i);
                tap_streq(reply.text, texts[i], "its text");
        }
        (void) bind_send_reply(ends[0], &full);
        tap_eq(bind_receive_reply(ends[1], &reply), -EBADMSG, "an error without a word is no answer");
        memset(full.text, '\001', sizeof(full.text) - 1);
        (void) bind_send_reply(ends[0], &full);
        tap_eq(bind_receive_reply(ends[1], &reply), 1, "the longest text fits, though each of its bytes takes six");
        tap_streq(reply.text, full.text, "and is whole");

        while ((r = bind_send_request(ends[0], &sent)) == 0)
                n++;
        tap_ok(r == -EAGAIN && n > 0, "a socket that is full (%d requests) is not waited for", n);
        close_pair(ends);
        for (int i = 0; i < _BIND_OPERATION_MAX; i++)
                tap_eq(bind_operation_from_string(bind_operation_to_string((BindOperation) i)), i, "operation %d and back", i);
        tap_ok(bind_operation_from_string("close-group") < 0, "no operation of that name");
}

int main(void) {
        test_requests();
        test_devices();
        test_many_devices();
        test_odd_packets();
        test_surplus_fds();
        test_round_trip();
        return tap_done();
}
