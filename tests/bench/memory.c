/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What tced takes of a host while it waits: memory that is its alone (Private_Dirty of /proc/PID/smaps_rollup), and how often it wakes up. */

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "client.h"
#include "scan.h"

#define VMS 1000U
#define TABLES 8U
#define GROUPS 16384U
#define CONNECTIONS 200U
#define IDLE_SECONDS 60U

static double private_dirty(pid_t pid) {
        char path[64], text[4096];
        const char *found;
        ssize_t n;

        (void) snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int) pid);
        n = read_file_at(AT_FDCWD, path, text, sizeof(text));
        found = n > 0 ? strstr(text, "Private_Dirty:") : NULL;
        if (!found)
                bench_fail("%s has no Private_Dirty", path);
        return strtod(found + strlen("Private_Dirty:"), NULL) * 1024;
}

static void start(Host *h, const char *tced, const char *const *env, const char *const *options) {
        host_init(h, 900);
        h->tced = tced;
        /* Without one a made-up KVM is as good as none. */
        if (!streq(tced, getenv("TCED")))
                host_write(h, "dev/kvm", "%s", "");
        if (!host_start_bus(h))
                bench_fail("there is no dbus-daemon");
        if (env)
                (void) putenv((char *) *env);
        if (!host_start_tced(h, options))
                bench_fail("tced does not start");
}

/* Until all that a start has to do is done. */
static sd_bus *start_calm(Host *h, const char *tced, const char *const *options) {
        sd_bus *bus;

        start(h, tced, NULL, options);
        bus = open_bus(h);
        wait_probed(bus);
        (void) sleep(1);
        return bus;
}

static void end(Host *h, sd_bus *bus) {
        (void) sd_bus_flush_close_unref(bus);
        if (!host_end(h))
                bench_fail("tced ends badly");
}

static void report(const char *id, const char *what, double bytes, Goal goal, double limit) {
        bench_report(&(Row) { .id = id, .what = what, .unit = UNIT_BYTES, .tced = bytes, .tced_99 = ABSENT, .other = ABSENT, .other_99 = ABSENT,
                              .goal = goal, .limit = limit });
}

/* On a made-up KVM its tables are the kernel's; without any, each is the VMM's, and that is a finding with its remedy. */
static void measure_vms(const char *tced, unsigned tables, const char *id, const char *what, Goal goal) {
        unsigned n = bench_quick() ? 10 : VMS;
        Host h;
        sd_bus *bus = start_calm(&h, tced, NULL);
        double before = private_dirty(h.tced_pid);

        for (unsigned i = 0; i < n; i++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "vm%u", i);
                free(register_small(bus, name, tables, NO_UID));
        }
        report(id, what, (private_dirty(h.tced_pid) - before) / n, goal, 4096);
        end(&h, bus);
}

/* Against a tced that has none. */
static void measure_groups(double without) {
        unsigned n = bench_quick() ? 64 : GROUPS;
        ScanTree tree = scan_tree_make(n);
        char sys[80], dev[80];
        const char *options[] = { sys, dev, NULL };
        Host h;
        sd_bus *bus;

        (void) snprintf(sys, sizeof(sys), "--sys=%s", tree.sys);
        (void) snprintf(dev, sizeof(dev), "--dev=%s", tree.dev);
        bus = start_calm(&h, getenv("TCED"), options);
        report("memory-group", "memory of a group of four devices", (private_dirty(h.tced_pid) - without) / n, GOAL_AT_MOST, 1536);
        end(&h, bus);
        scan_tree_remove(&tree);
}

static void measure_connections(Host *h) {
        unsigned n = bench_quick() ? 10 : CONNECTIONS;
        double before = private_dirty(h->tced_pid);
        sd_bus *open[CONNECTIONS] = {};

        for (unsigned i = 0; i < n; i++) {
                open[i] = open_peer(h);
                if (sd_bus_call_method(open[i], NULL, TCED_BUS_PATH, "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, "") < 0)
                        bench_fail("a connection is not answered");
        }
        report("memory-connection", "memory of an open connection", (private_dirty(h->tced_pid) - before) / n, GOAL_AT_MOST, 16384);
        for (unsigned i = 0; i < n; i++)
                (void) sd_bus_flush_close_unref(open[i]);
}

/* Each in a tced of its own: what one gives back the next would use. */
static void measure_memory(void) {
        Host h;
        sd_bus *bus = start_calm(&h, getenv("TCED"), NULL);
        double idle = private_dirty(h.tced_pid);

        report("memory-idle", "memory of tced without groups and VMs", idle, GOAL_AT_MOST, 4 << 20);
        measure_connections(&h);
        end(&h, bus);
        measure_groups(idle);
        measure_vms(getenv("TCED_ON_FAKE_KVM"), 1, "memory-vm", "memory of a VM with one table", GOAL_AT_MOST);
        measure_vms(getenv("TCED_ON_FAKE_KVM"), TABLES, "memory-vm-tables", "memory of a VM with eight tables", GOAL_AT_MOST);
        measure_vms(getenv("TCED"), TABLES, "memory-vm-slow", "the same, with a finding for each table", GOAL_NONE);
}

/* Voluntary and other switches of all its threads. */
static double switches(pid_t pid) {
        char path[300], text[4096];
        struct dirent *e;
        double sum = 0;
        DIR *dir;

        (void) snprintf(path, sizeof(path), "/proc/%d/task", (int) pid);
        dir = opendir(path);
        while (dir && (e = readdir(dir))) {
                const char *found;

                (void) snprintf(path, sizeof(path), "/proc/%d/task/%s/status", (int) pid, e->d_name);
                if (*e->d_name == '.' || read_file_at(AT_FDCWD, path, text, sizeof(text)) <= 0 || !(found = strstr(text, "voluntary_ctxt_switches:")))
                        continue;
                sum += strtod(found + strlen("voluntary_ctxt_switches:"), NULL);
        }
        if (dir)
                (void) closedir(dir);
        return sum;
}

static void measure_idle(void) {
        static const char *const watchdog[] = { "WATCHDOG_USEC=180000000", NULL };
        unsigned seconds = bench_quick() ? 1 : IDLE_SECONDS;
        Host h;
        sd_bus *bus;
        double before;

        start(&h, getenv("TCED"), watchdog, NULL);
        bus = open_bus(&h);
        wait_probed(bus);
        bus = sd_bus_flush_close_unref(bus);
        /* What a start has still to do is done. */
        (void) sleep(bench_quick() ? 1 : 5);
        before = switches(h.tced_pid);
        (void) sleep(seconds);
        bench_report(&(Row) { .id = "idle", .what = "wake-ups of tced in 60 s, idle", .unit = UNIT_COUNT, .tced = switches(h.tced_pid) - before,
                              .tced_99 = ABSENT, .other = ABSENT, .other_99 = ABSENT, .goal = GOAL_AT_MOST, .limit = 0 });
        (void) unsetenv("WATCHDOG_USEC");
        end(&h, bus);
}

void bench_memory(void) {
        if (bench_wanted("memory"))
                measure_memory();
        if (bench_wanted("idle"))
                measure_idle();
}
