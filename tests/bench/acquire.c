/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* AcquireTables: what a VMM waits for before its guest can run. Eight tables of a machine that this process has registered and claimed;
 * against the least that sd-bus could do (peer.c), which has the tables at hand and asks nothing of who calls. */

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "bench.h"
#include "client.h"
#include "peer.h"

typedef struct Acquire {
        Host host;
        sd_bus *control;    /* registers, and claims */
        sd_bus *tced, *peer; /* on which the tables are asked for */
        bool bus, fresh; /* on the bus; with a connection for each call */
        pid_t peer_pid;
        char *path; /* of the machine */
        sd_bus_message *reply;
} Acquire;

static sd_bus *open_side(const Acquire *a, bool peer, bool bus) {
        char address[96];

        if (bus)
                return open_bus(&a->host);
        (void) snprintf(address, sizeof(address), "unix:path=%s%s", a->host.socket, peer ? "-peer" : "");
        return open_address(address, false);
}

/* Each call finds the processor as the start of a VM leaves it: a machine is registered and claimed before the peer's calls as well, and who is
 * asked has just answered something else. */
static int warm(sd_bus *bus, const char *destination) {
        (void) sd_bus_process(bus, NULL);
        return sd_bus_call_method(bus, destination, TCED_BUS_PATH, "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, "");
}

static int start_machine(Acquire *a) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

        a->path = register_small(a->control, "bench", PEER_TABLES, NO_UID);
        return claim(a->control, a->path, &error);
}

static int prepare(void *userdata) {
        Acquire *a = userdata;
        int r = start_machine(a);

        if (r >= 0 && a->fresh)
                a->tced = open_side(a, false, true);
        else if (r >= 0)
                r = warm(a->tced, a->bus ? TCED_BUS_NAME : NULL);
        return r;
}

static int prepare_peer(void *userdata) {
        Acquire *a = userdata;
        int r = start_machine(a);

        if (r >= 0 && a->fresh)
                a->peer = open_side(a, true, true);
        else if (r >= 0)
                r = warm(a->peer, a->bus ? PEER_NAME : NULL);
        return r;
}

static int64_t ask(Acquire *a, sd_bus *bus, const char *destination, const char *path) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, destination, path, TCED_INTERFACE_MACHINE, "AcquireTables");
        if (r >= 0)
                r = sd_bus_message_append(m, "aut", 0, UINT64_C(0));
        return r < 0 ? r : sd_bus_call(bus, m, 0, NULL, &a->reply);
}

static int64_t run_tced_socket(void *userdata) {
        Acquire *a = userdata;
        int64_t r = ask(a, a->tced, NULL, a->path);
        return r < 0 ? r : 0;
}

static int64_t run_peer_socket(void *userdata) {
        Acquire *a = userdata;
        int64_t r = ask(a, a->peer, NULL, TCED_MACHINE_PREFIX "/00000000000000000000000000000001");
        return r < 0 ? r : 0;
}

static int64_t run_tced_bus(void *userdata) {
        Acquire *a = userdata;
        int64_t r = ask(a, a->tced, TCED_BUS_NAME, a->path);
        return r < 0 ? r : 0;
}

static int64_t run_peer_bus(void *userdata) {
        Acquire *a = userdata;
        int64_t r = ask(a, a->peer, PEER_NAME, TCED_MACHINE_PREFIX "/00000000000000000000000000000001");
        return r < 0 ? r : 0;
}

static int let_go(Acquire *a) {
        a->reply = sd_bus_message_unref(a->reply);
        if (a->fresh) {
                a->tced = sd_bus_flush_close_unref(a->tced);
                a->peer = sd_bus_flush_close_unref(a->peer);
        }
        return 0;
}

static int finish(void *userdata) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        Acquire *a = userdata;
        int r;

        (void) let_go(a);
        r = unregister(a->control, a->path, &error);
        free(TAKE_PTR(a->path));
        /* What signals came meanwhile is not the next call's to read. */
        while (r >= 0 && a->tced && sd_bus_process(a->tced, NULL) > 0)
                ;
        return r;
}

/* What an answer says, without the fds themselves. */
static void describe(sd_bus_message *m, char *text, size_t size) {
        const char *placement, *reason, *accel;
        uint64_t offset, bytes, entries;
        uint32_t liobn, shift, left;
        int group, index, fd, allowed, n_fds = 0;
        size_t n = 0;

        (void) bench_must(sd_bus_message_enter_container(m, 'a', "(ussttutsii)"), "the answer's tables");
        while (sd_bus_message_read(m, "(ussttutsii)", &liobn, &placement, &reason, &offset, &bytes, &shift, &entries, &accel, &group, &index) > 0)
                n += (size_t) snprintf(text + n, size - n, "%x %s %s %" PRIu64 " %" PRIu64 " %u %" PRIu64 " %s %d %d\n", liobn, placement, reason,
                                       offset, bytes, shift, entries, accel, group, index);
        (void) sd_bus_message_exit_container(m);
        (void) bench_must(sd_bus_message_enter_container(m, 'a', "h"), "the answer's fds");
        while (sd_bus_message_read(m, "h", &fd) > 0)
                n_fds++;
        (void) sd_bus_message_exit_container(m);
        (void) bench_must(sd_bus_message_read(m, "bu", &allowed, &left), "the answer's end");
        (void) snprintf(text + n, size - n, "%d fds, %d, %u\n", n_fds, allowed, left);
}

/* The two answer the same. */
static void check(Acquire *a, const Comparison *c) {
        char text[2][2048];

        (void) bench_must(prepare(a), "RegisterMachine");
        (void) bench_must(c->tced.run(a), "AcquireTables");
        describe(a->reply, text[0], sizeof(text[0]));
        (void) bench_must(finish(a), "Unregister");
        (void) bench_must(prepare_peer(a), "the peer");
        (void) bench_must(c->peer.run(a), "AcquireTables of the peer");
        describe(a->reply, text[1], sizeof(text[1]));
        (void) bench_must(finish(a), "Unregister");
        if (!streq(text[0], text[1]))
                bench_fail("tced answers\n%sand its peer\n%s", text[0], text[1]);
}

static void start_peer(Acquire *a, bool bus) {
        char path[sizeof(a->host.socket) + 8], variable[128];
        const char *program = getenv("BENCH_PEER");
        const char *argv[] = { program, bus ? "tables-bus" : "tables-socket", bus ? NULL : path, NULL };
        const char *env[] = { variable, NULL };

        (void) snprintf(path, sizeof(path), "%s-peer", a->host.socket);
        (void) snprintf(variable, sizeof(variable), "DBUS_SYSTEM_BUS_ADDRESS=%s", a->host.address);
        a->peer_pid = spawn(&(Spawn) { .argv = argv, .env = env });
        for (unsigned i = 0; i < 1000 && !bus && access(path, F_OK) < 0; i++)
                (void) usleep(10 * 1000);
}

static void wait_for_peer(Acquire *a) {
        for (unsigned i = 0; i < 1000; i++) {
                (void) run_peer_bus(a);
                if (a->reply)
                        break;
                (void) usleep(10 * 1000);
        }
        (void) let_go(a);
}

/* All on one processor. On several, where the kernel wakes who was answered, beside who answered or on another processor that sleeps, makes the
 * same peer three times as slow in one run as in the next. */
static void stay_here(cpu_set_t *ret_before) {
        cpu_set_t one;

        CPU_ZERO(&one);
        CPU_SET((unsigned) sched_getcpu(), &one);
        if (sched_getaffinity(0, sizeof(*ret_before), ret_before) < 0 || sched_setaffinity(0, sizeof(one), &one) < 0)
                bench_fail("can't stay on one processor: %s", strerror(errno));
}

static void measure(const Comparison *comparison, bool bus, bool fresh) {
        Comparison c = *comparison;
        Acquire a = {};
        cpu_set_t before;

        stay_here(&before);
        host_init(&a.host, 600);
        if (!host_start_bus(&a.host))
                bench_fail("there is no dbus-daemon");
        if (!host_start_tced(&a.host, NULL))
                bench_fail("tced does not start");
        start_peer(&a, bus);
        a.control = open_bus(&a.host);
        wait_probed(a.control);
        a.tced = open_side(&a, false, bus);
        a.peer = open_side(&a, true, bus);
        if (bus)
                wait_for_peer(&a);
        a.bus = bus;
        if (fresh) {
                a.tced = sd_bus_flush_close_unref(a.tced);
                a.peer = sd_bus_flush_close_unref(a.peer);
        }
        a.fresh = fresh;
        c.tced = (Side) { .run = bus ? run_tced_bus : run_tced_socket, .before = prepare, .after = finish, .userdata = &a };
        c.peer = (Side) { .run = bus ? run_peer_bus : run_peer_socket, .before = prepare_peer, .after = finish, .userdata = &a };
        check(&a, &c);
        bench_compare(&c, NULL);
        (void) kill(a.peer_pid, SIGKILL);
        (void) waitpid(a.peer_pid, NULL, 0);
        a.tced = sd_bus_flush_close_unref(a.tced);
        a.peer = sd_bus_flush_close_unref(a.peer);
        a.control = sd_bus_flush_close_unref(a.control);
        if (!host_end(&a.host))
                bench_fail("tced ends badly");
        (void) sched_setaffinity(0, sizeof(before), &before);
}

void bench_acquire(void) {
        static const struct {
                Comparison c;
                bool bus, fresh;
        } rows[] = {
                { { .id = "acquire-socket", .what = "AcquireTables, 8 tables, private socket", .peer_name = "a bare peer of sd-bus's",
                    .goal = GOAL_TIMES, .limit = 1.25 }, false, false },
                { { .id = "acquire-bus", .what = "AcquireTables, 8 tables, system bus", .peer_name = "a bare service of sd-bus's",
                    .goal = GOAL_TIMES, .limit = 1.25 }, true, false },
                { { .id = "acquire-first", .what = "AcquireTables, system bus, the first call", .peer_name = "a bare service of sd-bus's",
                    .goal = GOAL_TIMES, .limit = 4 }, true, true },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (bench_wanted(rows[i].c.id))
                        measure(&rows[i].c, rows[i].bus, rows[i].fresh);
}
