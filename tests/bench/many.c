/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a VM costs where there are many: a tced that has 1,000 of eight tables each, against one that has a single one. */

#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "client.h"

#define TABLES 8U
#define MANY 1000U

typedef struct World {
        Host host;
        sd_bus *bus;
        char *path; /* of the machine that comes and goes */
        sd_bus_message *reply;
} World;

static void add_machines(World *w, unsigned from, unsigned to) {
        for (unsigned i = from; i < to; i++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "vm%u", i);
                free(register_small(w->bus, name, TABLES, NO_UID));
        }
}

static void world_start(World *w, unsigned machines) {
        host_init(&w->host, 900);
        if (!host_start_bus(&w->host))
                bench_fail("there is no dbus-daemon");
        if (!host_start_tced(&w->host, NULL))
                bench_fail("tced does not start");
        w->bus = open_bus(&w->host);
        wait_probed(w->bus);
        add_machines(w, 0, machines);
}

static void world_end(World *w) {
        w->bus = sd_bus_flush_close_unref(w->bus);
        if (!host_end(&w->host))
                bench_fail("tced ends badly");
}

/* Each of the four steps of a VM, of which one is timed. */
static int64_t do_register(void *userdata) {
        World *w = userdata;

        w->path = register_small(w->bus, "bench", TABLES, NO_UID);
        return 0;
}

static int do_claim(World *w) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        return claim(w->bus, w->path, &error);
}

static int64_t do_acquire(void *userdata) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        World *w = userdata;
        int r = acquire(w->bus, w->path, NULL, 0, &error, &w->reply);

        return r < 0 ? r : 0;
}

static int64_t do_unregister(void *userdata) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        World *w = userdata;
        int r = unregister(w->bus, w->path, &error);

        free(TAKE_PTR(w->path));
        return r < 0 ? r : 0;
}

static int let_go(World *w) {
        w->reply = sd_bus_message_unref(w->reply);
        /* tced tells what was handed out a moment later: not while the next step is timed. */
        (void) usleep(4000);
        return sd_bus_call_method(w->bus, TCED_BUS_NAME, TCED_BUS_PATH, "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, "") < 0 ? -EIO : 0;
}

static int before_acquire(void *userdata) {
        (void) do_register(userdata);
        return do_claim(userdata);
}

static int before_unregister(void *userdata) {
        int r = before_acquire(userdata);

        if (r >= 0)
                r = (int) do_acquire(userdata);
        return r < 0 ? r : let_go(userdata);
}

static int after_register(void *userdata) {
        int r = (int) do_unregister(userdata);
        return r < 0 ? r : let_go(userdata);
}

static int after_acquire(void *userdata) {
        int r = let_go(userdata);
        return r < 0 ? r : after_register(userdata);
}

static int after_unregister(void *userdata) {
        return let_go(userdata);
}

void bench_many(void) {
        static const struct {
                const char *id, *what;
                Side side;
        } rows[] = {
                { "many-register", "RegisterMachine, beside 1,000 VMs", { do_register, NULL, after_register, NULL } },
                { "many-acquire", "AcquireTables, beside 1,000 VMs", { do_acquire, before_acquire, after_acquire, NULL } },
                { "many-unregister", "Unregister, beside 1,000 VMs", { do_unregister, before_unregister, after_unregister, NULL } },
        };
        World many = {}, one = {};
        bool wanted = false;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                wanted |= bench_wanted(rows[i].id);
        if (!wanted)
                return;
        world_start(&one, 1);
        world_start(&many, bench_quick() ? 10 : MANY);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Comparison c = { .id = rows[i].id, .what = rows[i].what, .peer_name = "beside 1", .tced = rows[i].side, .peer = rows[i].side,
                                 .goal = GOAL_TIMES, .limit = 1.2 };

                if (!bench_wanted(rows[i].id))
                        continue;
                c.tced.userdata = &many;
                c.peer.userdata = &one;
                bench_compare(&c, NULL);
        }
        world_end(&many);
        world_end(&one);
}

/* The median of a few, as points of a plot. */
static void add_points(World *w, unsigned machines) {
        static const struct {
                const char *series;
                Side side;
        } steps[] = {
                { "register", { do_register, NULL, after_register, NULL } },
                { "acquire", { do_acquire, before_acquire, after_acquire, NULL } },
                { "unregister", { do_unregister, before_unregister, after_unregister, NULL } },
        };

        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                Side s = steps[i].side;

                s.userdata = w;
                bench_point("vms", machines, steps[i].series, bench_median(&s, 100));
        }
}

void bench_growth_vms(void) {
        World w = {};
        unsigned have = 0;

        if (!bench_wanted("vms"))
                return;
        world_start(&w, 0);
        for (unsigned machines = 1; machines <= (bench_quick() ? 10 : MANY); machines *= 10) {
                add_machines(&w, have, machines);
                have = machines;
                add_points(&w, machines);
        }
        world_end(&w);
}
