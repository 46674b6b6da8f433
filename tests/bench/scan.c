/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reading all groups and devices of a large host: by tced, by the bare calls, by libudev; reading them again where one device changed; and how that
 * grows with the groups. */

#include "scan.h"

#include <string.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "bench.h"
#include "log.h"
#include "manager_internal.h"
#include "probe_vfio.h"
#include "util.h"

#define GROUPS 16384U
#define GROUPS_QUICK 64U

typedef struct Scan {
        ScanTree tree;
        ScanUdev udev;
        Manager *manager;
        sd_event *event;
        unsigned told; /* changes that the manager told of */
        unsigned turn;
} Scan;

static int64_t scan_by_tced(void *userdata) {
        const Scan *s = userdata;
        VfioFacts facts;
        int r = probe_vfio(s->tree.sys, s->tree.dev, &facts);

        if (r < 0)
                return r;
        vfio_facts_clear(&facts);
        return 0;
}

static int64_t scan_by_calls(void *userdata) {
        const Scan *s = userdata;
        ScanCount count = scan_bare(&s->tree);

        bench_keep(count.devices);
        return 0;
}

static int64_t scan_by_udev(void *userdata) {
        const Scan *s = userdata;

        return scan_udev_run(&s->udev, NULL);
}

/* What tced has read, counted as the others count. */
static ScanCount count_facts(const VfioFacts *f) {
        ScanCount c = { .groups = f->n_groups };

        for (size_t i = 0; i < f->n_groups; i++) {
                const GroupFacts *g = &f->groups[i];

                c.names += g->name != NULL;
                c.windows += g->dma32_size == UINT64_C(1) << 30 && g->ddw == 1;
                c.phbs += g->phb && strncmp(g->phb, "/pci@", 5) == 0;
                c.nodes += g->viability == GROUP_VIABLE;
                for (size_t j = 0; j < g->n_devices; j++) {
                        const DeviceFacts *d = &g->devices[j];

                        c.devices++;
                        c.modaliases += d->is_pci && d->vendor != 0;
                        c.drivers += d->driver != NULL;
                        c.numa_nodes += d->numa_node >= 0;
                        c.physfns += d->physfn != NULL;
                        c.vf_numbers += d->vf >= 0;
                        c.totals += d->vfs_max > 0;
                        c.macs += d->mac != NULL;
                }
        }
        return c;
}

/* Who reads less is faster for that. */
static void compare_counts(const char *who, ScanCount have, ScanCount want) {
        if (memcmp(&have, &want, sizeof(have)) != 0)
                bench_fail("%s reads something else: groups %lu %lu, devices %lu %lu, names %lu %lu, modaliases %lu %lu, drivers %lu %lu, nodes "
                           "%lu %lu, physfns %lu %lu, VF numbers %lu %lu, totals %lu %lu, MACs %lu %lu, windows %lu %lu, PHBs %lu %lu, nodes %lu %lu",
                           who, have.groups, want.groups, have.devices, want.devices, have.names, want.names, have.modaliases, want.modaliases,
                           have.drivers, want.drivers, have.numa_nodes, want.numa_nodes, have.physfns, want.physfns, have.vf_numbers,
                           want.vf_numbers, have.totals, want.totals, have.macs, want.macs, have.windows, want.windows, have.phbs, want.phbs,
                           have.nodes, want.nodes);
}

static ScanCount check_counts(const Scan *s) {
        VfioFacts facts;
        ScanCount count;

        (void) bench_must(probe_vfio(s->tree.sys, s->tree.dev, &facts), "probe_vfio");
        count = count_facts(&facts);
        vfio_facts_clear(&facts);
        if (count.groups != s->tree.groups || count.devices != (unsigned long) s->tree.groups * SCAN_DEVICES)
                bench_fail("tced finds %lu groups and %lu devices", count.groups, count.devices);
        compare_counts("the bare calls' loop", scan_bare(&s->tree), count);
        return count;
}

/* ---- one device ---- */

static void on_changed(_unused_ unsigned number, _unused_ unsigned changes, void *userdata) {
        Scan *s = userdata;

        s->told++;
}

static void manager_start(Scan *s) {
        static Places places;

        places = (Places) { .sys = s->tree.sys, .dev = s->tree.dev, .proc = "/proc", .config_root = s->tree.root, .bind_socket = "/nonexistent",
                            .libvirt_run = s->tree.root };
        /* It would be amid the table. */
        (void) log_set_target("null");
        (void) bench_must(sd_event_default(&s->event), "sd_event");
        (void) bench_must(manager_new(s->event, &places, &s->manager), "manager_new");
        (void) bench_must(manager_look(s->manager), "manager_look");
        s->manager->observer = (ManagerObserver) { .group_changed = on_changed, .userdata = s };
        (void) bench_must(manager_rescan(s->manager), "manager_rescan");
}

static int change_one(void *userdata) {
        Scan *s = userdata;

        s->turn++;
        s->told = 0;
        scan_device_drive(&s->tree, s->tree.groups / 2, 0, s->turn % 2 ? "mlx5_other" : "mlx5_core");
        return 0;
}

static int64_t processor_time(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t rescan_one(void *userdata) {
        Scan *s = userdata;
        char address[16];
        const char *addresses[] = { address };
        int64_t begin = processor_time();

        scan_device_address(s->tree.groups / 2, 0, address);
        (void) bench_must(manager_rescan_devices(s->manager, addresses, 1), "manager_rescan_devices");
        return processor_time() - begin;
}

static int64_t rescan_all(void *userdata) {
        Scan *s = userdata;
        int64_t begin = processor_time();

        (void) bench_must(manager_rescan(s->manager), "manager_rescan");
        return processor_time() - begin;
}

/* A change that nobody is told of was not seen. */
static int look_told(void *userdata) {
        const Scan *s = userdata;

        return s->told == 1 ? 0 : -ENODATA;
}

static void compare_one(Scan *s) {
        manager_start(s);
        bench_compare(&(Comparison) {
                              .id = "scan-one", .what = "one device changed among 65,536, CPU time", .peer_name = "a full scan",
                              .tced = { .run = rescan_one, .before = change_one, .after = look_told, .userdata = s },
                              .peer = { .run = rescan_all, .before = change_one, .after = look_told, .userdata = s },
                              .runs = 1, .goal = GOAL_PERCENT, .limit = 2,
                      }, NULL);
        (void) manager_free(s->manager);
        s->event = sd_event_unref(s->event);
}

void bench_scan(void) {
        Scan s = {};
        ScanCount count, by_udev;

        if (!bench_wanted("scan-one") && !bench_wanted("scan-udev") && !bench_wanted("scan-calls"))
                return;
        s.tree = scan_tree_make(bench_quick() ? GROUPS_QUICK : GROUPS);
        count = check_counts(&s);
        if (bench_wanted("scan-calls"))
                bench_compare(&(Comparison) {
                                      .id = "scan-calls", .what = "scan of 16,384 groups, 65,536 devices",
                                      .peer_name = "the bare calls that read the same", .tced = { .run = scan_by_tced, .userdata = &s },
                                      .peer = { .run = scan_by_calls, .userdata = &s }, .runs = 1, .goal = GOAL_TIMES, .limit = 1.3,
                              }, NULL);
        if (bench_wanted("scan-udev")) {
                s.udev = scan_udev_start(&s.tree);
                (void) scan_udev_run(&s.udev, &by_udev);
                compare_counts("libudev's loop", by_udev, count);
                bench_compare(&(Comparison) {
                                      .id = "scan-udev", .what = "scan of 16,384 groups, 65,536 devices", .peer_name = "libudev",
                                      .tced = { .run = scan_by_tced, .userdata = &s }, .peer = { .run = scan_by_udev, .userdata = &s },
                                      .runs = 1, .goal = GOAL_FASTER, .limit = 3.5,
                              }, NULL);
                scan_udev_stop(&s.udev);
        }
        if (bench_wanted("scan-one"))
                compare_one(&s);
        scan_tree_remove(&s.tree);
}

static int by_size(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

        return (x > y) - (x < y);
}

/* The medians of a few, in turn. */
static void add_points(Scan *s) {
        static int64_t (*const runs[])(void *userdata) = { scan_by_tced, scan_by_calls };
        static const char *const series[] = { "tced", "bare calls" };
        uint64_t times[2][BENCH_ROUNDS];

        for (unsigned i = 0; i < BENCH_ROUNDS; i++)
                for (unsigned side = 0; side < 2; side++) {
                        times[side][i] = bench_now();
                        (void) bench_must(runs[side](s), "scan");
                        times[side][i] = bench_now() - times[side][i];
                }
        for (unsigned side = 0; side < 2; side++) {
                qsort(times[side], BENCH_ROUNDS, sizeof(times[side][0]), by_size);
                bench_point("groups", s->tree.groups, series[side], (double) times[side][BENCH_ROUNDS / 2]);
        }
}

void bench_growth_groups(void) {
        if (!bench_wanted("groups"))
                return;
        for (unsigned groups = 1; groups <= (bench_quick() ? GROUPS_QUICK : GROUPS); groups *= 4) {
                Scan s = { .tree = scan_tree_make(groups) };

                (void) check_counts(&s);
                add_points(&s);
                scan_tree_remove(&s.tree);
        }
}
