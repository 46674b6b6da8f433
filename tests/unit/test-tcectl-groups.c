/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What tcectl shows of a large host's IOMMU groups, and how a person may name one. */

#include <locale.h>

#include "group-view.h"
#include "render.h"
#include "tap.h"
#include "tcectl-fixtures.h"
#include "tcectl-hosts.h"
#include "tcectl-screens.h"
#include "view.h"

static char *groups_of(json_object *json, unsigned width) {
        char *text = NULL;
        size_t size;
        Output out = { .width = width, .legend = true, .f = open_memstream(&text, &size) };
        int r = render_groups(json, &out);

        (void) fclose(out.f);
        tap_eq(r, 0, "groups at %u columns: rendered", width);
        return text;
}

static void expect_groups(json_object *json, unsigned width, const char *want) {
        _cleanup_free_ char *have = groups_of(json, width);

        if (!tap_ok(streq(have, want), "groups at %u columns: the text", width))
                printf("# have\n%s# want\n%s", have, want);
        tap_ok(is_sound(have, width), "and it fits");
}

/* A long reason goes on below, whole; only names are cut. */
static void test_screen(void) {
        json_object *json = fixture(fixture_host);

        expect_groups(json, 80,
                      "GROUP  DEVICE        NAME                                   DRIVER     STATE\n"
                      "    1  0000:01:00.0  enP0p1s0f0np0, 8 VFs, default route:…  mlx5_core  not-bound\n"
                      "       0000:01:00.0 is in use: enP0p1s0f0np0 carries the default route: ip route\n"
                      "       del default dev enP0p1s0f0np0, then tcectl bind 0000:01:00.0\n"
                      "    2  0000:03:00.0  mounted, swap: NVMe SSD Controller S…  nvme       not-bound\n"
                      "       0000:03:00.0 is in use: /dev/nvme0n1p2 is mounted on /var: umount /var,\n"
                      "       then tcectl bind 0000:03:00.0\n"
                      "       In use: /dev/nvme0n1p3 is used as swap; to end that: swapoff\n"
                      "       /dev/nvme0n1p3\n"
                      "    3  0001:03:00.0  NetXtreme BCM5719 Gigabit Ethernet P…  vfio-pci   partial\n"
                      "    3  0001:03:00.1  enP1p3s0f1: NetXtreme BCM5719 Gigabi…  tg3        partial\n"
                      "       0001:03:00.1 is still used by the host's driver tg3: tcectl bind\n"
                      "       0001:03:00.1\n"
                      "    4  0001:04:00.0  SAS3008 PCI-Express Fusion-MPT SAS-3   -          stuck\n"
                      "       stuck: the kernel has not come back from unbinding 0001:04:00.0 from\n"
                      "       mpt3sas: see journalctl -k; the device must answer, or the host start\n"
                      "       again\n"
                      "    5  0001:05:00.0  GV100GL [Tesla V100 SXM2 16GB]         vfio-pci   viable\n"
                      "       machine db1 has it: end that VM\n"
                      "    6  0002:01:00.0  TUSB73x0 SuperSpeed USB 3.0 xHCI Hos…  vfio-pci   bound\n"
                      "    7  -             -                                      -          empty\n"
                      "       no device is in the group\n"
                      "    8  0000:01:00.2  VF 0 of 0000:01:00.0: MT27800 Family…  vfio-pci   bound\n"
                      "       machine web1 has it: end that VM\n"
                      "    9  0000:01:00.3  VF 1 of 0000:01:00.0: MT27800 Family…  vfio-pci   bound\n"
                      "       machine web1 has it: end that VM\n"
                      "   10  0000:01:00.4  VF 2 of 0000:01:00.0: MT27800 Family…  vfio-pci   bound\n"
                      "   11  0000:01:00.5  VF 3 of 0000:01:00.0: MT27800 Family…  -          binding\n"
                      "       it is just being bound: wait\n"
                      "   12  0000:01:00.6  enP0p1s0f0v4, VF 4 of 0000:01:00.0: …  mlx5_core  not-bound\n"
                      "       0000:01:00.6 is used by the host's driver mlx5_core: tcectl bind\n"
                      "       0000:01:00.6\n"
                      "   13  0000:01:00.7  enP0p1s0f0v5, VF 5 of 0000:01:00.0, …  mlx5_core  not-bound\n"
                      "       0000:01:00.7 is in use: enP0p1s0f0v5 is a port of the bridge br0: ip link\n"
                      "       set enP0p1s0f0v5 nomaster, then tcectl bind 0000:01:00.7\n"
                      "   14  0000:01:01.0  enP0p1s0f0v6, VF 6 of 0000:01:00.0: …  mlx5_core  not-bound\n"
                      "       0000:01:01.0 is used by the host's driver mlx5_core: tcectl bind\n"
                      "       0000:01:01.0\n"
                      "   15  0000:01:01.1  enP0p1s0f0v7, VF 7 of 0000:01:00.0: …  mlx5_core  not-bound\n"
                      "       0000:01:01.1 is used by the host's driver mlx5_core: tcectl bind\n"
                      "       0000:01:01.1\n");
        _cleanup_free_ char *narrow = groups_of(json, 60), *wide = groups_of(json, 160);
        tap_ok(is_sound(narrow, 60) && strstr(narrow, "or the host start again\n"), "at 60 columns no reason is cut");
        tap_ok(is_sound(wide, 160) && strstr(wide, "enP0p1s0f0v4, VF 4 of 0000:01:00.0: MT27800 Family [ConnectX-5 Virtual Function]"),
               "at 160 columns names are whole");
        (void) json_object_put(json);
}

static char *group_of(json_object *json, json_object *group, unsigned width, bool colour) {
        char *text = NULL;
        size_t size;
        Output out = { .width = width, .legend = true, .colour = colour, .f = open_memstream(&text, &size) };
        int r = render_group(json, group, &out);

        (void) fclose(out.f);
        return r < 0 ? NULL : text;
}

static void expect_group(json_object *json, const char *name, unsigned width, const char *want) {
        Problem problem;
        _cleanup_free_ char *have = group_of(json, group_find(json, name, &problem), width, false);

        if (!tap_ok(have && streq(have, want), "group %s at %u columns: the text", name, width))
                printf("# have\n%s# want\n%s", have ? have : "", want);
        tap_ok(have && is_sound(have, width), "and it fits");
}

/* One group in full: in use, held and free, proven and not, stuck. */
static void test_group(void) {
        json_object *json = fixture(fixture_host);

        expect_group(json, "1", 80,
                     "IOMMU group 1 domain0-pe0\n"
                     "Key       0000:01:00.0\n"
                     "PHB       /pciex@600c3c0000000\n"
                     "NUMA      node 0\n"
                     "State     not-bound; can't be given to a VM\n"
                     "Obstacle  0000:01:00.0 is in use: enP0p1s0f0np0 carries the default route: ip\n"
                     "          route del default dev enP0p1s0f0np0, then tcectl bind 0000:01:00.0\n"
                     "VFIO      0000:01:00.0 is used by the host's driver mlx5_core: tcectl bind\n"
                     "          0000:01:00.0\n"
                     "Binding   not by tced\n"
                     "In use    0000:01:00.0: enP0p1s0f0np0 carries the default route; to end that: ip\n"
                     "          route del default dev enP0p1s0f0np0\n"
                     "Windows   32-bit: 2 GiB at 0; 64-bit: yes, pages of 64 KiB, 2 MiB, 1 GiB\n"
                     "          (ibm,dma-window and ibm,supported-tce-sizes)\n"
                     "Proven    not yet\n"
                     "VM        none\n"
                     "\n"
                     "Device    0000:01:00.0 enP0p1s0f0np0, 8 VFs, default route\n"
                     "          Mellanox Technologies MT27800 Family [ConnectX-5]\n"
                     "          ID 15b3:1017, class 020000 (Ethernet controller)\n"
                     "          driver mlx5_core; MAC 0c:42:a1:00:00:10; 8 of 64 VFs made; behind\n"
                     "          bridge 0000:00:00.0; NUMA node 0\n");
        expect_group(json, "5", 80,
                     "IOMMU group 5 domain1-pe5\n"
                     "Key       0001:05:00.0\n"
                     "PHB       /pciex@620c3c0000000\n"
                     "NUMA      node 8\n"
                     "State     viable; can't be given to another VM\n"
                     "Obstacle  machine db1 has it: end that VM\n"
                     "Binding   not by tced\n"
                     "Windows   32-bit: 2 GiB at 0; 64-bit: yes, pages of 64 KiB, 2 MiB, 1 GiB\n"
                     "          (ibm,dma-window and ibm,supported-tce-sizes)\n"
                     "Proven    not yet\n"
                     "VM        db1, claimed, PID 902; 2 tables for it\n"
                     "\n"
                     "Device    0001:05:00.0\n"
                     "          NVIDIA Corporation GV100GL [Tesla V100 SXM2 16GB]\n"
                     "          ID 10de:1db1, class 030200 (3D controller)\n"
                     "          driver vfio-pci; behind bridge 0001:02:0a.0; NUMA node 8\n");
        expect_group(json, "6", 60,
                     "IOMMU group 6 domain2-pe0\n"
                     "Key       0002:01:00.0\n"
                     "PHB       /pciex@620c3c0300000\n"
                     "NUMA      node 8\n"
                     "State     bound; can be given to a VM\n"
                     "Binding   by tced: bound; again at each boot\n"
                     "Windows   32-bit: 2 GiB at 0; 64-bit: yes, pages of 64 KiB,\n"
                     "          2 MiB, 1 GiB (ibm,dma-window and\n"
                     "          ibm,supported-tce-sizes)\n"
                     "Proven    yes: a window of 1 GiB was made and removed;\n"
                     "          32-bit: 2 GiB at 0; 2 windows, 5 levels, pages of\n"
                     "          64 KiB, 2 MiB\n"
                     "VM        none\n"
                     "\n"
                     "Device    0002:01:00.0\n"
                     "          Texas Instruments TUSB73x0 SuperSpeed USB 3.0 xHCI\n"
                     "          Host Controller\n"
                     "          ID 104c:8241, class 0c0330 (USB controller)\n"
                     "          driver vfio-pci; NUMA node 8\n");
        expect_group(json, "4", 80,
                     "IOMMU group 4 domain1-pe4\n"
                     "Key       0001:04:00.0\n"
                     "PHB       /pciex@620c3c0000000\n"
                     "NUMA      node 8\n"
                     "State     stuck; can't be given to a VM\n"
                     "Obstacle  stuck: the kernel has not come back from unbinding 0001:04:00.0 from\n"
                     "          mpt3sas: see journalctl -k; the device must answer, or the host start\n"
                     "          again\n"
                     "VFIO      0001:04:00.0 has no driver: tcectl bind 0001:04:00.0\n"
                     "Binding   by tced: stuck; not again at boot\n"
                     "Windows   not told without taking the group\n"
                     "Proven    not yet\n"
                     "VM        none\n"
                     "\n"
                     "Device    0001:04:00.0\n"
                     "          Broadcom / LSI SAS3008 PCI-Express Fusion-MPT SAS-3\n"
                     "          ID 1000:0097, class 010700 (Serial Attached SCSI controller)\n"
                     "          no driver; behind bridge 0001:02:09.0; NUMA node 8\n");
        expect_group(json, "7", 80,
                     "IOMMU group 7\n"
                     "Key       -\n"
                     "PHB       -\n"
                     "NUMA      -\n"
                     "State     empty; can't be given to a VM\n"
                     "Obstacle  no device is in the group\n"
                     "Binding   not by tced\n"
                     "Windows   not told without taking the group\n"
                     "Proven    not yet\n"
                     "VM        none\n");
        (void) json_object_put(json);
}

/* Whatever a tced tells. */
static void test_group_sound(void) {
        static const char *const answers[] = { fixture_host, fixture_power, fixture_evil, fixture_odd };
        static const unsigned widths[] = { OUTPUT_WIDTH_MIN, 40, 60, 80, 160 };

        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                json_object *json = fixture(answers[i]), *groups = view_get(json, "groups");
                bool sound = true;

                for (size_t n = 0; n < view_length(groups); n++) {
                        for (size_t w = 0; w < ELEMENTSOF(widths); w++) {
                                _cleanup_free_ char *text = group_of(json, view_item(groups, n), widths[w], false);
                                sound = sound && text && is_sound(text, widths[w]);
                        }
                        _cleanup_free_ char *plain = group_of(json, view_item(groups, n), 80, false);
                        _cleanup_free_ char *coloured = group_of(json, view_item(groups, n), 80, true);
                        bool off = strip_colours(coloured);
                        sound = sound && off && streq(plain, coloured);
                }
                tap_ok(sound, "each group of answer %zu fits at every width, and colours change no text", i);
                (void) json_object_put(json);
        }
}

/* How many screens of this group with one member changed are not sound. */
static size_t mutate_group(json_object *host, json_object *group, size_t *tried) {
        size_t failed = 0;

        for (unsigned change = 0; change <= CHANGES; change++)
                for (size_t i = 0;; i++) {
                        json_object *copy = NULL;
                        size_t n = i;
                        bool changed;

                        (void) json_object_deep_copy(group, &copy, NULL);
                        changed = mutate(copy, &n, change);
                        _cleanup_free_ char *text = group_of(host, copy, 60, false);
                        failed += !text || !is_sound(text, 60);
                        *tried += changed;
                        (void) json_object_put(copy);
                        if (!changed)
                                break;
                }
        return failed;
}

static void test_group_mutations(void) {
        json_object *json = fixture(fixture_host), *groups = view_get(json, "groups");
        size_t tried = 0, failed = 0;

        for (size_t i = 0; i < view_length(groups); i++)
                failed += mutate_group(json, view_item(groups, i), &tried);
        tap_ok(tried > 1000, "%zu groups with one member changed", tried);
        tap_eq((long long) failed, 0, "all of their screens are sound");
        (void) json_object_put(json);
}

/* States in a word, and in which colour. */
static void test_states(void) {
        static const struct {
                const char *json, *word;
                Colour colour;
                const char *obstacle;
        } cases[] = {
                { "{}", NULL, COLOUR_YELLOW, NULL },
                { "{ 'viable': true }", "viable", COLOUR_GREEN, NULL },
                { "{ 'viable': true, 'viability': 'viable', 'binding': { 'state': 'bound' } }", "bound", COLOUR_GREEN, NULL },
                { "{ 'viable': false, 'viability': 'partial', 'why': 'w', 'binding': { 'state': 'bound' } }", "partial", COLOUR_YELLOW, "w" },
                { "{ 'viable': true, 'assignable': false, 'obstacle': 'o', 'why': '' }", "viable", COLOUR_YELLOW, "o" },
                { "{ 'viable': true, 'viability': 'viable', 'holder': 'beef', 'assignable': false, 'obstacle': 'o' }", "viable", COLOUR_NONE,
                  "o" },
                { "{ 'viable': false, 'viability': 'not-bound', 'assignable': false, 'obstacle': '', 'why': 'w' }", "not-bound", COLOUR_YELLOW,
                  "w" },
                { "{ 'viable': false, 'viability': 'not-bound', 'binding': { 'state': 'stuck' } }", "stuck", COLOUR_RED, NULL },
                { "{ 'viable': true, 'binding': { 'state': 'failed' } }", "failed", COLOUR_RED, NULL },
                { "{ 'viable': true, 'binding': { 'state': 'releasing' }, 'assignable': false }", "releasing", COLOUR_YELLOW, NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                json_object *group = fixture(cases[i].json);
                GroupState state = group_state(group);

                tap_streq(state.word, cases[i].word, "state %zu: the word", i);
                tap_eq(state.colour, cases[i].colour, "state %zu: its colour", i);
                tap_streq(group_obstacle(group), cases[i].obstacle, "state %zu: the obstacle", i);
                (void) json_object_put(group);
        }
}

static void test_find(void) {
        static const struct {
                const char *name;
                int group; /* -1: none */
                const char *problem;
        } cases[] = {
                { "3", 3, NULL },
                { "0001:03:00.1", 3, NULL },
                { "enP1p3s0f1", 3, NULL },
                { "0000:01:00.0", 1, NULL },
                { "04:00.0", 4, NULL },
                { "0001:04:00.0", 4, NULL },
                { "01:01.1", 15, NULL },
                { "0000:01:00.A", -1, "No IOMMU group has a device 0000:01:00.A. Did you mean '0000:01:00.0'? See: tcectl groups; after a hot-plug: tcectl rescan" },
                { "01:00.0", -1, "'01:00.0' is several devices, 0000:01:00.0 and 0002:01:00.0 among them. Give the whole address" },
                { "03:00.0", -1, "'03:00.0' is several devices, 0000:03:00.0 and 0001:03:00.0 among them. Give the whole address" },
                { "99", -1, "There is no IOMMU group 99. See: tcectl groups" },
                { "99999999999999999999", -1, "There is no IOMMU group 99999999999999999999. See: tcectl groups" },
                { "eth0", -1, "No IOMMU group has a device 'eth0'. Give its PCI address or the group's number (see: tcectl groups): an "
                              "interface is known by its name only while its driver has the device" },
                { "enP1p3sf1", -1, "No IOMMU group has a device 'enP1p3sf1'. Did you mean 'enP1p3s0f1'? See: tcectl groups" },
                { "web1", -1, "'web1' is a VM, not an IOMMU group or a device. Which groups it has: tcectl topology; the VM itself: tcectl "
                              "machines web1" },
                { "", -1, NULL },
                { ":", -1, NULL },
        };
        json_object *json = fixture(fixture_host);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Problem problem = {};
                json_object *group = group_find(json, cases[i].name, &problem);

                tap_eq(group ? (long long) view_count(group, "number") : -1, cases[i].group, "group '%s'", cases[i].name);
                if (cases[i].problem)
                        tap_streq(problem.text, cases[i].problem, "group '%s': why not", cases[i].name);
                tap_ok(group || *problem.text, "group '%s': found, or it is said", cases[i].name);
        }
        (void) json_object_put(json);
}

static void test_names(void) {
        json_object *json = fixture(fixture_host), *group, *empty = fixture("{ 'devices': [] }");
        Holders holders;
        Problem problem;

        group = group_find(json, "3", &problem);
        _cleanup_free_ char *text = group_devices_text(group), *none = group_devices_text(empty), *title = NULL;
        tap_streq(text, "0001:03:00.0, 0001:03:00.1 enP1p3s0f1", "devices in a sentence");
        tap_streq(none, "no device", "and where there is none");
        group = group_find(json, "2", &problem);
        tap_eq(device_title(group, view_item(view_get(group, "devices"), 0), &title), 0, "the title of a disk");
        tap_streq(title, "mounted, swap: NVMe SSD Controller SM981/PM981/PM983", "tells what it is used for");
        tap_eq(holders_make(json, &holders), 0, "machines by their UUID");
        tap_streq(group_holder_name(&holders, group_find(json, "5", &problem)), "db1", "who has a group");
        tap_streq(group_holder_name(&holders, group_find(json, "8", &problem)), "web1", "and another");
        tap_streq(group_holder_name(&holders, group), NULL, "nobody");
        holders_clear(&holders);
        (void) json_object_put(json);
        (void) json_object_put(empty);
}

int main(void) {
        if (!setlocale(LC_ALL, "C.UTF-8")) {
                tap_ok(false, "the locale C.UTF-8");
                return tap_done();
        }
        test_screen();
        test_group();
        test_group_sound();
        test_group_mutations();
        test_states();
        test_find();
        test_names();
        return tap_done();
}
