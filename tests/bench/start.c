/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From fork to READY=1, and to the first answer: tced with a host to look at, and the least that a service on the same bus can be. */

#include "bench.h"
#include "client.h"

#define GROUPS 256U

static const char *program;
static sd_bus *bus; /* to see when the name is free again */

static int64_t since_fork(const Host *h, bool ready) {
        return ready ? (int64_t) (bench_now() - h->forked) : -ECHILD;
}

static bool start_peer(Host *h) {
        static const char *const options[] = { "bare-service", TCED_BUS_NAME };
        const char *argv[] = { program, options[0], options[1], NULL };

        return host_spawn_tced(h, &(Spawn) { .argv = argv });
}

/* sd-bus answers it by itself, as soon as whoever uses it listens. */
static bool answers(void) {
        return sd_bus_call_method(bus, TCED_BUS_NAME, "/", "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, NULL) >= 0;
}

static int64_t run_tced(void *userdata) {
        return since_fork(userdata, host_start_tced(userdata, NULL));
}

static int64_t run_peer(void *userdata) {
        return since_fork(userdata, start_peer(userdata));
}

static int64_t run_tced_answer(void *userdata) {
        return since_fork(userdata, host_start_tced(userdata, NULL) && answers());
}

static int64_t run_peer_answer(void *userdata) {
        return since_fork(userdata, start_peer(userdata) && answers());
}

/* The bus hears of its end a moment later, and has the name taken until then. */
static int end(void *userdata) {
        bool well = host_end_tced(userdata);

        for (unsigned i = 0; i < 10000 && sd_bus_get_name_creds(bus, TCED_BUS_NAME, 0, NULL) != -ENXIO; i++)
                (void) usleep(100);
        return well ? 0 : -ECHILD;
}

static void add_groups(const Host *h, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                char address[16];

                (void) snprintf(address, sizeof(address), "%04x:%02x:00.0", i / 16, i % 16 + 1);
                host_add_group(h, i, address, i % 2 ? "vfio-pci" : "mlx5_core");
        }
}

/* It has looked at all of them by then. */
static void check(Host *h, unsigned n) {
        char path[64];

        if (!host_start_tced(h, NULL))
                bench_fail("tced does not start");
        for (unsigned i = 0; i < n; i++) {
                (void) snprintf(path, sizeof(path), TCED_GROUP_PREFIX "/%u", i);
                if (get_number(bus, path, TCED_INTERFACE_GROUP, "Number", 'u') != i)
                        bench_fail("tced knows no group %u", i);
        }
        (void) bench_must(end(h), "tced's end");
}

void bench_start(void) {
        static const Comparison rows[] = {
                {
                        .id = "start", .what = "start until READY=1, 256 groups", .peer_name = "a bare service of sd-bus's",
                        .tced = { .run = run_tced }, .peer = { .run = run_peer }, .runs = 100, .goal = GOAL_TIMES, .limit = 2,
                },
                {
                        .id = "start-answer", .what = "start until the first answer, 256 groups", .peer_name = "the same service",
                        .tced = { .run = run_tced_answer }, .peer = { .run = run_peer_answer }, .runs = 100, .goal = GOAL_NONE,
                },
        };
        Host h;

        if (!bench_wanted(rows[0].id) && !bench_wanted(rows[1].id))
                return;
        program = getenv("BENCH_PEER");
        host_init(&h, 600);
        if (!host_start_bus(&h))
                bench_fail("there is no dbus-daemon");
        bus = open_bus(&h);
        add_groups(&h, GROUPS);
        check(&h, GROUPS);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Comparison c = rows[i];

                if (!bench_wanted(c.id))
                        continue;
                c.tced.after = c.peer.after = end;
                c.tced.userdata = c.peer.userdata = &h;
                bench_compare(&c, NULL);
        }
        bus = sd_bus_flush_close_unref(bus);
        if (!host_end(&h))
                bench_fail("tced ends badly");
}
