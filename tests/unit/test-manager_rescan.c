/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* manager_rescan.c: groups that are read again, on a made-up /sys. Whatever happens to a few devices, reading their groups alone ends in the
 * same facts as reading all, tells of what changed, once, and costs next to nothing on a host with many. */

#include "manager_internal.h"

#include <stdarg.h>

#include "event-loop.h"
#include "log.h"
#include "probe_vfio.h"
#include "tap.h"
#include "tree.h"

#define GROUPS "sys/kernel/iommu_groups"
#define DEVICES "sys/devices/pci0000:00"

static char told[4096]; /* "+3" added, "-3" removed, "~3" changed, "H" the host */

static unsigned told_changes; /* of the last */

static void tell(char what, unsigned number) {
        size_t n = strlen(told);

        (void) snprintf(told + n, sizeof(told) - n, "%s%c%u", n > 0 ? " " : "", what, number);
}

static void on_added(unsigned number, _unused_ void *userdata) {
        tell('+', number);
}

static void on_removed(unsigned number, _unused_ void *userdata) {
        tell('-', number);
}

static void on_changed(unsigned number, unsigned changes, _unused_ void *userdata) {
        tell('~', number);
        told_changes = changes;
}

static void on_host(_unused_ void *userdata) {
        tell('H', 0);
}

static Manager *new_manager(const Tree *tree, sd_event *event) {
        static char sys[96], dev[96], bind[96];
        const Places places = { .sys = sys, .dev = dev, .proc = "/proc", .config_root = tree->path, .bind_socket = bind, .libvirt_run = sys };
        Manager *m;

        (void) snprintf(sys, sizeof(sys), "%s/sys", tree->path);
        (void) snprintf(dev, sizeof(dev), "%s/dev", tree->path);
        (void) snprintf(bind, sizeof(bind), "%s/bind", tree->path);
        if (manager_new(event, &places, &m) < 0)
                tree_fail("manager_new", tree->path);
        m->observer = (ManagerObserver) {
                .group_added = on_added, .group_removed = on_removed, .group_changed = on_changed, .host_changed = on_host,
        };
        *told = '\0';
        if (manager_look(m) < 0)
                tree_fail("manager_look", tree->path);
        tap_streq(told, "", "what is found first is no news");
        return m;
}

/* ---- the host ---- */

static void put_file(const Tree *tree, const char *text, const char *format, ...) _printf_(3, 4);
static void put_file(const Tree *tree, const char *text, const char *format, ...) {
        char path[256];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(path, sizeof(path), format, ap);
        va_end(ap);
        tree_add_one(tree, &(TreeEntry) { .path = path, .text = text });
}

static void put_link(const Tree *tree, const char *target, const char *format, ...) _printf_(3, 4);
static void put_link(const Tree *tree, const char *target, const char *format, ...) {
        char path[256], full[512];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(path, sizeof(path), format, ap);
        va_end(ap);
        (void) snprintf(full, sizeof(full), "%s/%s", tree->path, path);
        (void) unlink(full);
        tree_add_one(tree, &(TreeEntry) { .path = path, .link = target });
}

static void take_away(const Tree *tree, const char *format, ...) _printf_(2, 3);
static void take_away(const Tree *tree, const char *format, ...) {
        char path[256], full[512];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(path, sizeof(path), format, ap);
        va_end(ap);
        (void) snprintf(full, sizeof(full), "%s/%s", tree->path, path);
        (void) nftw(full, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#define NVME "pci:v0000144Dd0000A808sv00000000sd00000000bc01sc08i02\n"
#define CARD "pci:v00008086d000010D3sv00000000sd00000000bc02sc00i00\n"

/* A device as the kernel lays it out; group: -1: it is in none. */
static void put_device(const Tree *tree, const char *address, const char *modalias, int group) {
        char target[128];

        put_file(tree, modalias, DEVICES "/%s/modalias", address);
        put_file(tree, "-1\n", DEVICES "/%s/numa_node", address);
        (void) snprintf(target, sizeof(target), "../../../devices/pci0000:00/%s", address);
        put_link(tree, target, "sys/bus/pci/devices/%s", address);
        if (group < 0)
                return;
        (void) snprintf(target, sizeof(target), "../../../../devices/pci0000:00/%s", address);
        put_link(tree, target, GROUPS "/%d/devices/%s", group, address);
        (void) snprintf(target, sizeof(target), "../../../kernel/iommu_groups/%d", group);
        put_link(tree, target, DEVICES "/%s/iommu_group", address);
}

static void take_device(const Tree *tree, const char *address, int group, bool with_group) {
        take_away(tree, DEVICES "/%s", address);
        take_away(tree, "sys/bus/pci/devices/%s", address);
        if (with_group)
                take_away(tree, GROUPS "/%d", group);
        else
                take_away(tree, GROUPS "/%d/devices/%s", group, address);
}

/* NULL: none. */
static void put_driver(const Tree *tree, const char *address, const char *driver) {
        char target[64];

        take_away(tree, DEVICES "/%s/driver", address);
        if (!driver)
                return;
        (void) snprintf(target, sizeof(target), "../../../bus/pci/drivers/%s", driver);
        put_link(tree, target, DEVICES "/%s/driver", address);
}

static void put_virtual(const Tree *tree, const char *address, const char *physical, int group) {
        char target[64];

        put_device(tree, address, CARD, group);
        (void) snprintf(target, sizeof(target), "../%s", physical);
        put_link(tree, target, DEVICES "/%s/physfn", address);
}

static Tree new_host_in(Tree tree) {
        put_file(&tree, "x", "dev/null");
        put_device(&tree, "0000:00:01.0", NVME, 1);
        put_device(&tree, "0000:00:02.0", CARD, 5);
        put_device(&tree, "0000:00:02.1", CARD, 5);
        put_device(&tree, "0000:00:03.0", CARD, 9);
        put_driver(&tree, "0000:00:01.0", "nvme");
        put_driver(&tree, "0000:00:02.0", "e1000e");
        put_driver(&tree, "0000:00:02.1", "e1000e");
        put_file(&tree, "0\n", DEVICES "/0000:00:03.0/sriov_numvfs");
        put_file(&tree, "8\n", DEVICES "/0000:00:03.0/sriov_totalvfs");
        return tree;
}

static Tree new_host(void) {
        return new_host_in(tree_new());
}

/* ---- what is expected ---- */

/* Are the facts those that reading all gives? */
static bool is_true(const Tree *tree, const Manager *m) {
        VfioFacts all = {};
        bool same;

        if (probe_vfio(m->places.sys, m->places.dev, &all) < 0)
                return false;
        same = all.n_groups == m->vfio.n_groups;
        for (size_t i = 0; same && i < all.n_groups; i++) {
                same = group_facts_equal(&all.groups[i], &m->vfio.groups[i]);
                if (!same)
                        printf("# group %u is not what it is in %s\n", all.groups[i].number, tree->path);
        }
        vfio_facts_clear(&all);
        return same;
}

/* Has the groups of these devices (a blank between) and of these numbers read, and looks at what was told. */
static void expect(const Tree *tree, Manager *m, const char *devices, int number, const char *want, const char *name) {
        _cleanup_free_ char *copy = strdup(devices);
        const char *list[16];
        const unsigned group = (unsigned) number;
        char *at = NULL;
        size_t n = 0;

        for (char *a = strtok_r(copy, " ", &at); a && n < 16; a = strtok_r(NULL, " ", &at))
                list[n++] = a;
        *told = '\0';
        tap_eq(manager_rescan_groups(m, list, n, &group, number >= 0), 0, "%s", name);
        tap_streq(told, want, "who hears of it");
        tap_ok(is_true(tree, m), "and the facts are right");
}

static void test_steps(void) {
        _cleanup_event_ sd_event *event = loop_new();
        Tree tree = new_host();
        Manager *m = new_manager(&tree, event);
        const GroupFacts *g;

        expect(&tree, m, "0000:00:01.0 0000:00:02.0", 9, "", "nothing has changed");
        expect(&tree, m, "0000:00:1f.0", 77, "", "a device and a group that are not there");
        expect(&tree, m, "", -1, "", "nothing is asked for");

        put_driver(&tree, "0000:00:01.0", "vfio-pci");
        put_file(&tree, "x", "sys/class/vfio/1");
        expect(&tree, m, "0000:00:01.0", -1, "~1", "a device changes its driver");
        tap_eq(told_changes, GROUP_CHANGE_DEVICES | GROUP_CHANGE_VIABILITY, "that, and whether a VM can have it");
        put_driver(&tree, "0000:00:02.0", "vfio-pci");
        expect(&tree, m, "0000:00:02.0", -1, "~5 H0", "one of two is bound: a finding of the host's");
        expect(&tree, m, "0000:00:02.0", -1, "", "which is told once");
        put_driver(&tree, "0000:00:02.1", "vfio-pci");
        put_file(&tree, "x", "sys/class/vfio/5");
        expect(&tree, m, "", 5, "~5 H0", "by the number of its group: the other as well");

        put_device(&tree, "0000:00:04.0", NVME, 7);
        put_device(&tree, "0000:00:05.0", NVME, -1);
        expect(&tree, m, "0000:00:04.0 0000:00:05.0", -1, "+7", "a device comes, and one that is in no group");
        take_device(&tree, "0000:00:05.0", -1, false);
        take_device(&tree, "0000:00:04.0", 7, true);
        put_device(&tree, "0000:00:04.0", NVME, 2);
        expect(&tree, m, "0000:00:04.0", -1, "-7 +2", "it goes and comes, in a group of another number");
        put_device(&tree, "0000:00:04.0", CARD, 2);
        expect(&tree, m, "0000:00:04.0", -1, "-2 +2", "another card is in its slot");
        take_device(&tree, "0000:00:02.1", 5, false);
        expect(&tree, m, "0000:00:02.1", -1, "-5 +5", "a group has one device less");
        take_device(&tree, "0000:00:04.0", 2, false);
        expect(&tree, m, "0000:00:04.0", -1, "-2 +2", "the last of a group goes, and the group stays");

        put_virtual(&tree, "0000:00:03.1", "0000:00:03.0", 10);
        put_virtual(&tree, "0000:00:03.2", "0000:00:03.0", 11);
        expect(&tree, m, "0000:00:03.1 0000:00:03.2", -1, "~9 +10 +11", "virtual functions come: their physical one has changed");
        g = vfio_facts_find_device(&m->vfio, "0000:00:03.0");
        tap_eq(g ? g->devices[0].vfs : 0, 2, "it has two");
        tap_eq(told_changes, GROUP_CHANGE_LINKS, "and nothing else of it is told");
        put_driver(&tree, "0000:00:03.0", "ice");
        expect(&tree, m, "0000:00:03.0", -1, "~9", "read alone, it still has");
        take_device(&tree, "0000:00:03.2", 11, true);
        expect(&tree, m, "0000:00:03.2", -1, "-11 ~9", "one of them goes");

        (void) manager_free(m);
        tree_remove(&tree);
}

/* What nobody asked for is not read; what was proven is kept. */
static void test_limits(void) {
        _cleanup_event_ sd_event *event = loop_new();
        static const char *const device = "0000:00:02.0", *const other = "0000:00:01.0";
        Tree tree = new_host();
        Manager *m = new_manager(&tree, event);
        WindowProof *proof = calloc(1, sizeof(*proof));

        if (!proof)
                exit(EXIT_FAILURE);
        outcome_set(&proof->ddw, PROOF_YES, "seen");
        m->vfio.groups[1].window_proof = proof;
        put_driver(&tree, device, NULL);
        put_driver(&tree, other, NULL);
        *told = '\0';
        tap_eq(manager_rescan_devices(m, &device, 1), 0, "of two devices one is asked for");
        tap_streq(told, "~5", "and read");
        tap_streq(m->vfio.groups[0].devices[0].driver, "nvme", "the other is not");
        tap_eq(group_window_proof(&m->vfio.groups[1])->ddw.proof, PROOF_YES, "what was shown of its windows stays");
        *told = '\0';
        tap_eq(manager_rescan(m), 0, "then all are");
        tap_streq(told, "~1", "which finds the other");
        *told = '\0';
        (void) manager_rescan(m);
        tap_streq(told, "", "and says nothing when nothing has changed");
        (void) manager_free(m);
        tree_remove(&tree);
}

/* ---- anything at all ---- */

static uint64_t seed = 4711;

static unsigned draw(unsigned n) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        return (unsigned) (seed >> 33) % n;
}

/* Something happens to one of these 24 slots; its address. */
static const char *happen(const Tree *tree, int group_of[24]) {
        static const char *const drivers[] = { NULL, "vfio-pci", "e1000e", "nvme" };
        static char addresses[4][16];
        static unsigned turn;
        unsigned slot = draw(24);
        char *address = addresses[turn++ % 4];
        int group = (int) draw(16);

        (void) snprintf(address, sizeof(addresses[0]), "0000:00:%02x.%u", slot / 4 + 8, slot % 4);
        if (group_of[slot] < 0 && slot % 4 > 0 && draw(2) == 0) {
                char physical[16];

                (void) snprintf(physical, sizeof(physical), "0000:00:%02x.0", slot / 4 + 8);
                put_virtual(tree, address, physical, group);
                group_of[slot] = group;
        } else if (group_of[slot] < 0) {
                put_device(tree, address, draw(2) ? NVME : CARD, group);
                if (slot % 4 == 0)
                        put_file(tree, "3\n", DEVICES "/%s/sriov_totalvfs", address);
                group_of[slot] = group;
        } else if (draw(2) == 0) {
                put_driver(tree, address, drivers[draw(4)]);
        } else {
                take_device(tree, address, group_of[slot], false);
                group_of[slot] = -1;
        }
        return address;
}

static void test_random(void) {
        _cleanup_event_ sd_event *event = loop_new();
        Tree tree = new_host();
        Manager *m = new_manager(&tree, event);
        int group_of[24];
        unsigned wrong = 0;

        memset(group_of, 0xff, sizeof(group_of));
        for (unsigned step = 0; step < 400; step++) {
                unsigned n = 1 + draw(4);
                const char *list[4];

                for (unsigned i = 0; i < n; i++)
                        list[i] = happen(&tree, group_of);
                wrong += manager_rescan_devices(m, list, n) != 0 || !is_true(&tree, m);
        }
        tap_eq(wrong, 0, "400 times something happens to up to four devices, and reading their groups ends in what reading all does");
        (void) manager_free(m);
        tree_remove(&tree);
}

/* ---- many ---- */

#define MANY 16384U

static double cpu_usec(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (double) t.tv_sec * 1e6 + (double) t.tv_nsec / 1e3;
}

/* In memory, where there is such a place: some file systems take minutes for so many. */
static Tree new_large_tree(void) {
        Tree tree = { "/dev/shm/tced-tree-XXXXXX" };

        return mkdtemp(tree.path) ? tree : tree_new();
}

static void test_many(void) {
        _cleanup_event_ sd_event *event = loop_new();
        Tree tree = new_host_in(new_large_tree());
        double start, all, one = 0, worst = 0;
        Manager *m;

        for (unsigned i = 0; i < MANY; i++) {
                char address[24];

                (void) snprintf(address, sizeof(address), "%04x:%02x:%02x.0", 1 + i / 8192, i / 32 % 256, i % 32);
                put_device(&tree, address, NVME, 100 + (int) i);
        }
        m = new_manager(&tree, event);
        tap_eq(m->vfio.n_groups, MANY + 3, "a host of %u groups", MANY);
        start = cpu_usec();
        (void) manager_rescan(m);
        all = cpu_usec() - start;
        for (unsigned i = 0; i < 16; i++) {
                static const char *const device = "0002:10:08.0";

                put_driver(&tree, device, i % 2 ? NULL : "nvme");
                *told = '\0';
                start = cpu_usec();
                (void) manager_rescan_devices(m, &device, 1);
                start = cpu_usec() - start;
                one += start / 16;
                worst = start > worst ? start : worst;
                if (*told != '~')
                        tap_ok(false, "the change is seen");
        }
        printf("# CPU: all %.0f ms, the group of one device %.2f ms (at most %.2f): %.2f %%\n", all / 1e3, one / 1e3, worst / 1e3,
               one / all * 100);
        tap_ok(one < 0.02 * all, "one device that changes costs 2 %% of reading all, or less");
        (void) manager_free(m);
        tree_remove(&tree);
}

int main(void) {
        (void) log_set_target("null");
        test_steps();
        test_limits();
        test_random();
        test_many();
        return tap_done();
}
