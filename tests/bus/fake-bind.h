/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A made-up tced-bind, for a host whose group 7 has the device ADDRESS: it changes the made-up /sys as the kernel would, or fails as the file
 * bind.mode says, and writes what it was asked into bind.asked. */

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "bind_protocol.h"
#include "bind_record.h"
#include "client.h"
#include "tap.h"

#define ADDRESS "0000:01:00.0"

static int records_dir(const Host *h) {
        char path[128];

        host_mkdir(h, "bind/groups");
        (void) snprintf(path, sizeof(path), "%s/bind/groups", h->dir);
        return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* why: NULL: the record goes. */
static void set_record_of(const Host *h, const char *address, BindState state, const char *why) {
        _cleanup_(bind_record_clear) BindRecord record = { .state = state, .group = 7 };
        _cleanup_fd_ int dir = records_dir(h);

        (void) snprintf(record.key, sizeof(record.key), "%s", address);
        if (!why)
                (void) bind_record_remove(dir, address);
        else if (bind_record_add(&record, address, "e1000e", NULL) >= 0) {
                (void) snprintf(record.why, sizeof(record.why), "%s", why);
                if (bind_record_write(dir, &record) < 0)
                        bail_out("no record can be written");
        }
}

static void set_record(const Host *h, BindState state, const char *why) {
        set_record_of(h, ADDRESS, state, why);
}

static void set_driver(const Host *h, bool bound) {
        host_add_group(h, 7, ADDRESS, bound ? "vfio-pci" : "e1000e");
        if (bound)
                host_write(h, "dev/vfio/7", "%s", "");
        else
                host_remove(h, "dev/vfio/7");
}

static void keep(const Host *h, bool keep) {
        host_remove(h, "root/etc/tced/tced.conf.d/50-bind-" ADDRESS ".conf");
        if (keep)
                host_write(h, "root/etc/tced/tced.conf.d/50-bind-" ADDRESS ".conf", "[Bind]\nDevices=%s\n", ADDRESS);
}

static void do_it(const Host *h, const BindRequest *request) {
        switch (request->operation) {
        case BIND_BIND_GROUP:
                if (request->group != 7)
                        break;
                set_record(h, BIND_BOUND, "");
                set_driver(h, true);
                break;
        case BIND_RELEASE_GROUP:
                set_driver(h, false);
                set_record(h, BIND_BOUND, NULL);
                break;
        case BIND_KEEP_GROUP:
                keep(h, true);
                break;
        case BIND_FORGET_GROUP:
                keep(h, false);
                break;
        case BIND_OPEN_GROUP:
        case BIND_OPEN_LOG:
        case BIND_RECOVER_GROUP:
        case _BIND_OPERATION_MAX:
                break;
        }
}

static const struct {
        const char *mode;
        int error;
        const char *text;
} answers[] = {
        { "busy", EBUSY, "/dev/vfio/7: another process has the group open; end it first" },
        { "stuck", ETIMEDOUT, "the kernel has not come back from unbinding " ADDRESS },
        { "fail", EIO, ADDRESS " did not come to vfio-pci; all is as it was" },
        { "lost", ENOTRECOVERABLE, ADDRESS ": e1000e did not take it back: modprobe e1000e" },
        { "stale", ESTALE, "the group has other devices" },
        { "already", EALREADY, "it is being bound" },
        { "unbound", ENOENT, "tced-bind has not bound " ADDRESS },
        { "silent", ETIMEDOUT, "tced-bind did not answer; look into `systemctl status tced-bind`" }, /* as tced says for it */
        { "odd", EACCES, "something else" },
};

/* false: the connection is to be closed. */
static bool serve(const Host *h, int connection, const BindRequest *request) {
        _cleanup_free_ char *mode = NULL;
        BindReply reply = { .id = request->id, .fd = -EBADF };
        char path[128];
        bool sent;

        (void) snprintf(path, sizeof(path), "%s/bind.mode", h->dir);
        mode = read_whole(path);
        host_write(h, "bind.asked", "%s %u %zu %s", bind_operation_to_string(request->operation), request->group, request->n_addresses,
                   request->n_addresses > 0 ? request->addresses[0] : "");
        if (streq(mode, "close"))
                return false;
        if (streq(mode, "slow"))
                (void) usleep(700 * 1000);
        for (size_t i = 0; i < ELEMENTSOF(answers); i++)
                if (streq(mode, answers[i].mode)) {
                        reply.error = answers[i].error;
                        (void) snprintf(reply.text, sizeof(reply.text), "%s", answers[i].text);
                }
        if (streq(mode, "gone") && request->operation == BIND_RELEASE_GROUP) {
                reply.error = ENOENT;
                (void) snprintf(reply.text, sizeof(reply.text), "tced-bind has not bound " ADDRESS);
        }
        if (streq(mode, "unkept") && request->operation >= BIND_KEEP_GROUP) {
                reply.error = EROFS;
                (void) snprintf(reply.text, sizeof(reply.text), "/etc can't be written");
        }
        if (reply.error == 0)
                do_it(h, request);
        if (reply.error == 0 && request->operation == BIND_OPEN_GROUP) {
                (void) snprintf(path, sizeof(path), "%s/dev/vfio/%u", h->dir, request->group);
                reply.fd = open(path, O_RDWR | O_CLOEXEC);
        }
        if (reply.error == ETIMEDOUT && !streq(mode, "silent"))
                set_record(h, BIND_STUCK, reply.text);
        if (reply.error == ENOTRECOVERABLE)
                set_record(h, BIND_FAILED, reply.text);
        sent = bind_send_reply(connection, &reply) >= 0;
        if (reply.fd >= 0)
                (void) close(reply.fd);
        return sent;
}

static void be_helper(int fd, void *userdata) {
        const Host *h = userdata;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/bind-socket", h->dir);
        (void) unlink(address.sun_path);
        if (bind(listener, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(listener, 8) < 0)
                return;
        actor_say(fd, 'r');
        for (;;) {
                _cleanup_fd_ int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                static BindRequest request;
                struct pollfd pfd = { .fd = connection, .events = POLLIN };

                while (connection >= 0 && poll(&pfd, 1, -1) > 0 && bind_receive_request(connection, &request) > 0)
                        if (!serve(h, connection, &request))
                                break;
        }
}

static void set_mode(const Host *h, const char *mode) {
        host_write(h, "bind.mode", "%s", mode);
        host_remove(h, "bind.asked");
}

static Actor start_helper(const Host *h) {
        Actor a = actor_start(NO_UID, be_helper, (void *) h);

        if (actor_hear(&a) != 'r')
                bail_out("the made-up tced-bind does not start");
        return a;
}

/* What it was asked last; "": nothing. */
__attribute__((unused)) static char *asked(const Host *h) {
        char path[128];

        (void) snprintf(path, sizeof(path), "%s/bind.asked", h->dir);
        return read_whole(path);
}
