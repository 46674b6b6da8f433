/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A libFuzzer target: a packet between tced and tced-bind, as request and as reply, an fd beside it. What was understood is the same when
 * it is sent on; no fd is left open; errors are for people. */

#include <sys/socket.h>

#include "bind_protocol.h"
#include "fuzz.h"
#include "util.h"

#define EXPECT(what) fuzz_expect((what), #what)

static int pair[2] = { -EBADF, -EBADF };

static int lowest_free_fd(void) {
        int fd = fcntl(pair[0], F_DUPFD_CLOEXEC, 0);

        (void) close(fd);
        return fd;
}

static void send_packet(const void *data, size_t size) {
        struct iovec iov = { .iov_base = (void *) data, .iov_len = size };
        union {
                char bytes[CMSG_SPACE(2 * sizeof(int))];
                struct cmsghdr align;
        } control = { .align = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(2 * sizeof(int)) } };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };

        memcpy(CMSG_DATA(&control.align), pair, sizeof(pair));
        EXPECT(sendmsg(pair[0], &message, MSG_NOSIGNAL) == (ssize_t) size);
}

static void try_request(const void *data, size_t size) {
        static BindRequest request, again;
        int r;

        send_packet(data, size);
        r = bind_receive_request(pair[1], &request);
        EXPECT(r == 1 || r == -EBADMSG || (r == 0 && size == 0));
        if (r != 1)
                return;
        for (size_t i = 0; i < request.n_addresses; i++)
                EXPECT(pci_address_valid(request.addresses[i]));
        EXPECT(bind_operation_has_addresses(request.operation) == (request.n_addresses > 0));
        EXPECT(utf8_valid(request.name) && (request.operation == BIND_OPEN_LOG) == !isempty(request.name));
        EXPECT(bind_send_request(pair[0], &request) == 0 && bind_receive_request(pair[1], &again) == 1);
        EXPECT(again.id == request.id && again.operation == request.operation && again.group == request.group);
        EXPECT(streq(again.name, request.name) && again.n_addresses == request.n_addresses);
        for (size_t i = 0; i < request.n_addresses; i++)
                EXPECT(streq(again.addresses[i], request.addresses[i]));
}

static void try_reply(const void *data, size_t size) {
        BindReply reply = { .fd = -EBADF }, again = { .fd = -EBADF };
        int r;

        send_packet(data, size);
        r = bind_receive_reply(pair[1], &reply);
        EXPECT(r == 1 || r == -EBADMSG || (r == 0 && size == 0));
        if (r != 1)
                return;
        EXPECT(reply.error >= 0 && (reply.error == 0) == (reply.fd >= 0) && utf8_valid(reply.text));
        EXPECT(reply.error == 0 || !isempty(reply.text));
        EXPECT(bind_send_reply(pair[0], &reply) == 0 && bind_receive_reply(pair[1], &again) == 1);
        EXPECT(again.id == reply.id && again.error == reply.error && streq(again.text, reply.text) && (again.fd >= 0) == (reply.fd >= 0));
        (void) fd_close(reply.fd);
        (void) fd_close(again.fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        int before;

        if (pair[0] < 0)
                EXPECT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
        before = lowest_free_fd();
        try_request(data, size);
        try_reply(data, size);
        EXPECT(lowest_free_fd() == before);
        return 0;
}
