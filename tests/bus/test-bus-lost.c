/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The bus hangs up on tced, by its socket being shut, as libsystemd does it where there is no memory for a message, and as a bus does that is
 * restarted: tced connects again, and all goes on. Where there is no bus any more it says so and ends, and the next one has all. Needs root. */

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "client.h"
#include "polkit.h"
#include "tap.h"

#define USER ((uid_t) 65534)
#define NAME "lost"

/* tced's fd of the bus, by the path that its other end has; -EBADF: there is none. */
static int bus_fd(const Host *h) {
        char path[64];
        int pidfd = sys_pidfd_open(h->tced_pid, 0);

        (void) snprintf(path, sizeof(path), "%s/bus", h->dir);
        for (int fd = 3; fd < 64; fd++) {
                struct sockaddr_un address = {};
                socklen_t size = sizeof(address);
                int copy = (int) syscall(SYS_pidfd_getfd, pidfd, fd, 0);

                if (copy < 0)
                        continue;
                if (getpeername(copy, (struct sockaddr *) &address, &size) == 0 && streq(address.sun_path, path)) {
                        (void) close(pidfd);
                        return copy;
                }
                (void) close(copy);
        }
        (void) close(pidfd);
        return -EBADF;
}

static void hang_up(const Host *h) {
        _cleanup_fd_ int fd = bus_fd(h);

        if (fd < 0 || shutdown(fd, SHUT_RDWR) < 0)
                bail_out("tced has no connection to the bus");
}

/* Who owns the name, ":1.42", to be freed; NULL: nobody. */
static char *owner(sd_bus *bus) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *name;

        if (sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetNameOwner", NULL, &reply, "s",
                               TCED_BUS_NAME) < 0 ||
            sd_bus_message_read(reply, "s", &name) < 0)
                return NULL;
        return strdup(name);
}

/* Until it is another's. */
static bool wait_owner(sd_bus *bus, const char *before) {
        for (unsigned i = 0; i < HARNESS_PATIENCE * 100; i++) {
                _cleanup_free_ char *now = owner(bus);

                if (now && !streq(now, before))
                        return true;
                (void) usleep(10 * 1000);
        }
        return false;
}

/* A user whose verb polkit is asked about, and whose answer the bus has to give. */
static void be_user(int fd, void *userdata) {
        _cleanup_bus_ sd_bus *bus = open_bus(userdata);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = call_manager(bus, "Rescan", &error, "");
        actor_say(fd, r < 0 && sd_bus_error_has_name(&error, SD_BUS_ERROR_NO_REPLY) ? 'n' : r < 0 ? 'e' : 'y');
        sd_bus_error_free(&error);
}

static bool wait_asked(const Host *h) {
        for (unsigned i = 0; i < HARNESS_PATIENCE * 100; i++) {
                _cleanup_free_ char *asked = polkit_asked(h);

                if (!isempty(asked))
                        return true;
                (void) usleep(10 * 1000);
        }
        return false;
}

static int64_t wait_requests(sd_bus *bus) {
        for (unsigned i = 0; i < HARNESS_PATIENCE * 100 && usage_of(bus, "RequestsMax") > 0; i++)
                (void) usleep(10 * 1000);
        return usage_of(bus, "RequestsMax");
}

static void test_made_again(Host *h, sd_bus *bus, sd_bus *peer) {
        _cleanup_free_ char *path = register_small(peer, NAME, 2, NO_UID), *before = owner(bus), *found = NULL, *objects = NULL, *after = NULL;
        _cleanup_signals_ Signals signals = {};
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Actor user;
        int fds;

        went_well(claim(peer, path, &error), &error, "a VM is there and has been claimed");
        objects = managed_objects(bus);
        polkit_set_mode(h, "hang");
        user = actor_start(USER, be_user, h);
        tap_ok(wait_asked(h), "polkit is asked whether a user may rescan, and does not answer");
        fds = settled_fds(h->tced_pid);
        hang_up(h);
        tap_eq(actor_hear(&user), 'n', "the bus tells the user that there will be no answer");
        (void) actor_end(&user);
        tap_ok(before && wait_owner(bus, before), "the name is tced's again, on another connection");
        tap_ok(kill(h->tced_pid, 0) == 0 && host_log_has(h, "The connection to the bus had ended, and was made again"), "tced has not ended, and says it");
        tap_eq(wait_requests(peer), 0, "no request is in flight any more");
        after = managed_objects(bus);
        tap_streq(after, objects, "on the bus there are the same objects");
        found = find_machine(peer, NAME);
        tap_streq(found, path, "the private socket's connections have gone on");
        tap_eq(wait_fds(h->tced_pid, fds), fds, "it has as many fds as before");
        signals_record(bus, &signals);
        went_well(unregister(bus, path, &error), &error, "over the bus the VM is taken from the list");
        tap_ok(signals_wait(bus, &signals, "MachineRemoved"), "and who listens there hears of it");
        polkit_set_mode(h, "no");
        user = actor_start(USER, be_user, h);
        tap_eq(actor_hear(&user), 'e', "polkit is asked on the new connection, and says no");
        (void) actor_end(&user);
}

/* Again and again, with a call on its way each time. */
static void test_often(Host *h, sd_bus *bus, sd_bus *peer) {
        int fds = settled_fds(h->tced_pid);
        unsigned good = 0;

        for (unsigned i = 0; i < 50; i++) {
                _cleanup_free_ char *before = owner(bus);
                _cleanup_message_ sd_bus_message *m = NULL;

                if (sd_bus_message_new_method_call(bus, &m, TCED_BUS_NAME, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "Rescan") >= 0)
                        (void) sd_bus_call_async(bus, NULL, m, NULL, NULL, 0);
                (void) sd_bus_flush(bus);
                hang_up(h);
                good += before && wait_owner(bus, before) && call_manager(bus, "Rescan", NULL, "") >= 0;
        }
        tap_eq(good, 50, "50 times it connects again and answers");
        tap_eq(wait_fds(h->tced_pid, fds), fds, "with as many fds as before");
        tap_eq(wait_requests(peer), 0, "and no request in flight");
}

/* Another has the name when tced is back, which waits a moment for it; then there is no bus any more. */
static void test_gone(Host *h, sd_bus *peer) {
        _cleanup_free_ char *path = register_small(peer, NAME, 2, NO_UID), *found = NULL, *before = NULL, *log = NULL;
        _cleanup_bus_ sd_bus *bus = NULL, *other = open_bus(h);

        before = owner(other);
        tap_eq(sd_bus_request_name(other, TCED_BUS_NAME, SD_BUS_NAME_QUEUE), 0, "another queues for the name");
        hang_up(h);
        tap_ok(before && wait_owner(other, before), "and has it when the bus hangs up on tced");
        (void) usleep(200 * 1000);
        (void) kill(h->bus_pid, SIGKILL);
        (void) wait_exit(h->bus_pid);
        h->bus_pid = 0;
        tap_eq(wait_exit(h->tced_pid), EXIT_FAILURE, "where there is no bus any more tced ends");
        h->tced_pid = 0;
        /* It may still be let in by one that is just ending. */
        tap_ok(host_log_has(h, "Lost the bus, and can't connect to it again: "), "and says why");
        log = host_log(h);
        tap_ok(!strstr(log, "Sanitizer"), "no sanitizer has a complaint");
        host_remove(h, "bus");
        if (!host_start_bus(h) || !host_restart_tced(h, NULL))
                bail_out("neither bus nor tced start again");
        bus = open_bus(h);
        found = find_machine(bus, NAME);
        tap_streq(found, path, "the next one has the VM");
}

int main(void) {
        Actor polkit;
        sd_bus *bus, *peer;
        Host h;

        host_init(&h, 120);
        if (geteuid() != 0 || !host_start_bus(&h)) {
                tap_skip("it needs root and a dbus-daemon", "a lost bus");
                (void) host_end(&h);
                return tap_done();
        }
        polkit = polkit_start(&h, "hang");
        if (!host_start_tced(&h, NULL))
                bail_out("tced does not start");
        bus = open_bus(&h);
        peer = open_peer(&h);
        test_made_again(&h, bus, peer);
        test_often(&h, bus, peer);
        test_gone(&h, peer);
        bus = sd_bus_flush_close_unref(bus);
        peer = sd_bus_flush_close_unref(peer);
        actor_kill(&polkit);
        host_done(&h);
        return tap_done();
}
