/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tced on a socket that the service manager listens on for it (tced.socket): who connects while there is no tced, or while it is killed, is
 * answered by the next; the socket is none of tced's to remove. */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"
#include "harness.h"
#include "names.h"
#include "tap.h"
#include "util.h"

static int listen_on(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, 128) < 0)
                bail_out("listening on %s: %s", path, strerror(errno));
        return fd;
}

static bool version(sd_bus *bus) {
        _cleanup_free_ char *version = get_string(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "Version");

        return version != NULL;
}

/* Whether somebody has connected and waits to be taken in; as systemd looks, before it starts tced. */
static bool somebody_waits(const Host *h) {
        struct pollfd p = { .fd = h->listener, .events = POLLIN };

        return poll(&p, 1, 0) > 0;
}

static ino_t inode(const char *path) {
        struct stat st;

        return lstat(path, &st) < 0 ? 0 : st.st_ino;
}

static void test_waits_for_start(Host *h) {
        _cleanup_bus_ sd_bus *early = open_peer(h);

        tap_ok(somebody_waits(h), "without a tced one can connect");
        tap_ok(host_start_tced(h, NULL), "tced starts on a socket that it was given");
        tap_ok(version(early), "and answers who has come before it");
}

static void test_outlives(Host *h) {
        ino_t before = inode(h->socket);

        for (unsigned killed = 0; killed < 2; killed++) {
                if (killed)
                        host_kill_tced(h);
                else
                        host_stop_tced(h);
                tap_ok(inode(h->socket) == before && before != 0, "the socket is where it was after %s", killed ? "kill -9" : "SIGTERM");
                {
                        _cleanup_bus_ sd_bus *between = open_peer(h);

                        tap_ok(somebody_waits(h) && host_restart_tced(h, NULL) && version(between), "who connects then is answered by the next");
                }
        }
        tap_ok(inode(h->socket) == before, "which has left the socket alone");
}

/* A child of a tced that has ended may have the socket a moment longer; whose that is, this test's, runs on. */
static void wait_refused(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        bool connected = true;

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        for (unsigned i = 0; connected && i < HARNESS_PATIENCE * 100; i++) {
                int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

                connected = connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0;
                (void) close(fd);
                if (connected)
                        (void) usleep(10 * 1000);
        }
}

/* One that is somewhere else, or is no socket, is said and not used. */
static void test_useless(Host *h) {
        char elsewhere[sizeof(h->socket) + 8];
        int fds[2], wrong[2];

        host_stop_tced(h);
        (void) close(h->listener);
        wait_refused(h->socket);
        (void) snprintf(elsewhere, sizeof(elsewhere), "%s.not", h->socket);
        if (pipe(fds) < 0)
                bail_out("pipe: %s", strerror(errno));
        wrong[0] = listen_on(elsewhere);
        wrong[1] = fds[0];
        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                _cleanup_free_ char *said = NULL;
                _cleanup_bus_ sd_bus *bus = NULL;

                h->listener = wrong[i];
                if (!host_start_tced(h, NULL))
                        bail_out("tced does not start");
                bus = open_peer(h);
                said = host_log(h);
                tap_ok(!strstr(said, "Dropped"), "it is told of once, and not among what was stored");
                tap_ok(version(bus) && strstr(said, h->socket) && strstr(said, "systemctl cat " TCED_SOCKET_UNIT),
                       "%s is said and not used, and tced makes its own", i == 0 ? "a socket that is elsewhere" : "what is no socket");
                host_stop_tced(h);
        }
        h->listener = 0;
        tap_eq((long) inode(h->socket), 0, "its own it takes with it");
}

int main(void) {
        Host h;

        host_init(&h, 60);
        if (!host_start_bus(&h)) {
                tap_skip("there is no dbus-daemon", "activation");
                host_done(&h);
                return tap_done();
        }
        h.listener = listen_on(h.socket);
        test_waits_for_start(&h);
        test_outlives(&h);
        test_useless(&h);
        host_done(&h);
        return tap_done();
}
