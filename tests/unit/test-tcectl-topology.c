/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `tcectl topology`: the tree of a large host, exactly; and of whatever an answer may tell of who stands behind whom, that it is a tree, that
 * it fits, and that dot takes the graph and draws XML. */

#include <locale.h>
#include <spawn.h>
#include <sys/wait.h>

#include "render.h"
#include "tap.h"
#include "tcectl-fixtures.h"
#include "tcectl-hosts.h"
#include "tcectl-screens.h"
#include "topology.h"
#include "util.h"
#include "view.h"

static char *tree_of(json_object *json, Output out, int *ret_r) {
        char *text = NULL;
        size_t size;

        out.f = open_memstream(&text, &size);
        *ret_r = render_topology(json, &out);
        (void) fclose(out.f);
        return text;
}

static char *dot_of(json_object *json) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        int r = render_topology_dot(json, f);

        (void) fclose(f);
        tap_eq(r, 0, "a graph");
        return text;
}

static void expect(const char *name, const char *answer, unsigned width, const char *want) {
        json_object *json = fixture(answer);
        int r;
        _cleanup_free_ char *have = tree_of(json, (Output) { .width = width, .legend = true }, &r);

        tap_eq(r, 0, "%s at %u columns: rendered", name, width);
        if (!tap_ok(streq(have, want), "%s at %u columns: the tree", name, width))
                printf("# have\n%s# want\n%s", have, want);
        tap_ok(is_sound(have, width), "%s at %u columns: it fits", name, width);
        (void) json_object_put(json);
}

#define GROUP(number, devices) "{ 'number': " #number ", 'phb': '/pci@8', 'viable': true, 'devices': [ " devices " ] }"
#define BEHIND(address, bridge) "{ 'address': '" address "', 'bridge': '" bridge "' }"

static void test_host(void) {
        expect("a large host", fixture_host, 80,
               "NUMA node 0\n"
               "└─ PHB 0000  /pciex@600c3c0000000\n"
               "   ├─ bridge 0000:00:00.0\n"
               "   │  └─ group 1 not-bound  0000:01:00.0 enP0p1s0f0np0, 8 VFs, default route [m…\n"
               "   │     ├─ group 8 bound  0000:01:00.2 VF 0 [vfio-pci]  MT27800 Family [Connec…\n"
               "   │     │  └─ VM web1, claimed, PID 811\n"
               "   │     │     ├─ table 80000000 kernel-vfio  pci.0, 2 GiB at 0, pages of 4 KiB\n"
               "   │     │     └─ table 80000001 kernel-vfio  pci.0, 16 GiB at 2^59, pages of 6…\n"
               "   │     ├─ group 9 bound  0000:01:00.3 VF 1 [vfio-pci]  MT27800 Family [Connec…\n"
               "   │     │  └─ VM web1, claimed, PID 811\n"
               "   │     ├─ group 10 bound  0000:01:00.4 VF 2 [vfio-pci]  MT27800 Family [Conne…\n"
               "   │     ├─ group 11 binding  0000:01:00.5 VF 3  MT27800 Family [ConnectX-5 Vir…\n"
               "   │     ├─ group 12 not-bound  0000:01:00.6 enP0p1s0f0v4, VF 4 [mlx5_core]  MT…\n"
               "   │     ├─ group 13 not-bound  0000:01:00.7 enP0p1s0f0v5, VF 5, bridge port [m…\n"
               "   │     ├─ group 14 not-bound  0000:01:01.0 enP0p1s0f0v6, VF 6 [mlx5_core]  MT…\n"
               "   │     └─ group 15 not-bound  0000:01:01.1 enP0p1s0f0v7, VF 7 [mlx5_core]  MT…\n"
               "   └─ bridge 0000:00:01.0\n"
               "      └─ group 2 not-bound  0000:03:00.0 mounted, swap [nvme]  NVMe SSD Control…\n"
               "NUMA node 8\n"
               "├─ PHB 0001  /pciex@620c3c0000000\n"
               "│  ├─ bridge 0001:02:08.0\n"
               "│  │  └─ group 3 partial\n"
               "│  │     ├─ 0001:03:00.0 [vfio-pci]  NetXtreme BCM5719 Gigabit Ethernet PCIe\n"
               "│  │     └─ 0001:03:00.1 enP1p3s0f1 [tg3]  NetXtreme BCM5719 Gigabit Ethernet P…\n"
               "│  ├─ bridge 0001:02:09.0\n"
               "│  │  └─ group 4 stuck  0001:04:00.0  SAS3008 PCI-Express Fusion-MPT SAS-3\n"
               "│  └─ bridge 0001:02:0a.0\n"
               "│     └─ group 5 viable  0001:05:00.0 [vfio-pci]  GV100GL [Tesla V100 SXM2 16GB]\n"
               "│        └─ VM db1, claimed, PID 902\n"
               "│           ├─ table 80000100 user  pci.1, 2 GiB at 0, pages of 4 KiB\n"
               "│           └─ table 80000101 kernel-vfio  pci.1, 64 GiB at 2^59, pages of 2 MiB\n"
               "└─ PHB 0002  /pciex@620c3c0300000\n"
               "   └─ group 6 bound  0002:01:00.0 [vfio-pci]  TUSB73x0 SuperSpeed USB 3.0 xHCI …\n"
               "No PHB, or several\n"
               "└─ group 7 empty\n"
               "Emulated devices, of no group\n"
               "├─ VM db1, claimed, PID 902\n"
               "│  └─ table 80000000 kernel  pci.0, 1 GiB at 0, pages of 4 KiB\n"
               "├─ VM legacy, registered\n"
               "│  └─ table 71000000 kernel  vscsi0, 256 MiB at 0, pages of 4 KiB\n"
               "└─ VM web1, claimed, PID 811\n"
               "   └─ table 71000001 user  vnet0, 256 MiB at 0, pages of 4 KiB\n");
        expect("a large host", fixture_host, 60,
               "NUMA node 0\n"
               "└─ PHB 0000  /pciex@600c3c0000000\n"
               "   ├─ bridge 0000:00:00.0\n"
               "   │  └─ group 1 not-bound  0000:01:00.0 enP0p1s0f0np0, 8 V…\n"
               "   │     ├─ group 8 bound  0000:01:00.2 VF 0 [vfio-pci]  MT…\n"
               "   │     │  └─ VM web1, claimed, PID 811\n"
               "   │     │     ├─ table 80000000 kernel-vfio  pci.0, 2 GiB …\n"
               "   │     │     └─ table 80000001 kernel-vfio  pci.0, 16 GiB…\n"
               "   │     ├─ group 9 bound  0000:01:00.3 VF 1 [vfio-pci]  MT…\n"
               "   │     │  └─ VM web1, claimed, PID 811\n"
               "   │     ├─ group 10 bound  0000:01:00.4 VF 2 [vfio-pci]  M…\n"
               "   │     ├─ group 11 binding  0000:01:00.5 VF 3  MT27800 Fa…\n"
               "   │     ├─ group 12 not-bound  0000:01:00.6 enP0p1s0f0v4, …\n"
               "   │     ├─ group 13 not-bound  0000:01:00.7 enP0p1s0f0v5, …\n"
               "   │     ├─ group 14 not-bound  0000:01:01.0 enP0p1s0f0v6, …\n"
               "   │     └─ group 15 not-bound  0000:01:01.1 enP0p1s0f0v7, …\n"
               "   └─ bridge 0000:00:01.0\n"
               "      └─ group 2 not-bound  0000:03:00.0 mounted, swap [nvm…\n"
               "NUMA node 8\n"
               "├─ PHB 0001  /pciex@620c3c0000000\n"
               "│  ├─ bridge 0001:02:08.0\n"
               "│  │  └─ group 3 partial\n"
               "│  │     ├─ 0001:03:00.0 [vfio-pci]  NetXtreme BCM5719 Giga…\n"
               "│  │     └─ 0001:03:00.1 enP1p3s0f1 [tg3]  NetXtreme BCM571…\n"
               "│  ├─ bridge 0001:02:09.0\n"
               "│  │  └─ group 4 stuck  0001:04:00.0  SAS3008 PCI-Express F…\n"
               "│  └─ bridge 0001:02:0a.0\n"
               "│     └─ group 5 viable  0001:05:00.0 [vfio-pci]  GV100GL […\n"
               "│        └─ VM db1, claimed, PID 902\n"
               "│           ├─ table 80000100 user  pci.1, 2 GiB at 0, page…\n"
               "│           └─ table 80000101 kernel-vfio  pci.1, 64 GiB at…\n"
               "└─ PHB 0002  /pciex@620c3c0300000\n"
               "   └─ group 6 bound  0002:01:00.0 [vfio-pci]  TUSB73x0 Supe…\n"
               "No PHB, or several\n"
               "└─ group 7 empty\n"
               "Emulated devices, of no group\n"
               "├─ VM db1, claimed, PID 902\n"
               "│  └─ table 80000000 kernel  pci.0, 1 GiB at 0, pages of 4 …\n"
               "├─ VM legacy, registered\n"
               "│  └─ table 71000000 kernel  vscsi0, 256 MiB at 0, pages of…\n"
               "└─ VM web1, claimed, PID 811\n"
               "   └─ table 71000001 user  vnet0, 256 MiB at 0, pages of 4 …\n");
}

static void test_trees(void) {
        (void) setlocale(LC_ALL, "C");
        expect("no UTF-8", "{ 'groups': [ " GROUP(1, BEHIND("0:1", "0:0")) ", " GROUP(2, BEHIND("0:2", "0:0")) " ] }", 40,
               "PHB 0  /pci@8\n"
               "`- bridge 0:0\n"
               "   |- group 1 viable  0:1\n"
               "   `- group 2 viable  0:2\n");
        (void) setlocale(LC_ALL, "C.UTF-8");
        expect("nothing", "{}", 80, "No IOMMU groups and no machines.\n");
        expect("an older tced", fixture_power, 80,
               "NUMA node 0\n"
               "└─ PCI domain 0002\n"
               "   └─ group 2 viable  0002:01:00.0 [vfio-pci]  NVMe SSD Controller SM981/PM981/…\n"
               "      └─ VM web1, claimed, PID 811\n"
               "         └─ table 80000001 kernel-vfio  pci.0, 8 GiB at 2^59, pages of 16 MiB\n"
               "PCI domain 0001\n"
               "└─ group 10 not-bound\n"
               "   ├─ 0001:00:00.0  PCI bridge\n"
               "   └─ 0001:00:01.0 [e1000e]  82574L Gigabit Network Connection\n"
               "No PHB, or several\n"
               "└─ group 3 empty\n"
               "Emulated devices, of no group\n"
               "├─ VM db, registered, no tables\n"
               "└─ VM web1, claimed, PID 811\n"
               "   ├─ table 80000000 kernel  pci.0, 1 GiB at 0, pages of 4 KiB\n"
               "   └─ table 71000001 user  vnet0, 256 MiB at 0x3000, pages of 4 KiB\n");
        /* A bridge and what stands behind it, in one group and in others; a VF beside its PF. */
        expect("bridges", "{ 'groups': [ " GROUP(1, BEHIND("0:0", "") ", " BEHIND("0:1", "0:0") ", " BEHIND("0:2", "0:1")) ", "
               GROUP(2, BEHIND("1:0", "0:2")) ", " GROUP(3, "{ 'address': '2:0', 'vfs': 1 }, { 'address': '2:1', 'physfn': '2:0', 'vf': 0 }") " ] }", 80,
               "PHB 0  /pci@8\n"
               "├─ group 1 viable\n"
               "│  └─ 0:0\n"
               "│     └─ 0:1\n"
               "│        └─ 0:2\n"
               "│           └─ group 2 viable  1:0\n"
               "└─ group 3 viable\n"
               "   └─ 2:0 1 VF\n"
               "      └─ 2:1 VF 0\n");
        /* Who has it, where that is not told by tables, or is not known. */
        expect("holders", "{ 'groups': [ { 'number': 1, 'holder': 'a', 'devices': [ { 'address': '0:1' } ] },"
               " { 'number': 2, 'holder': 'b', 'devices': [ { 'address': '0:2' } ] } ], 'machines': [ { 'name': 'one', 'uuid': 'a' } ] }", 80,
               "PCI domain 0\n"
               "├─ group 1 -  0:1\n"
               "│  └─ VM one\n"
               "└─ group 2 -  0:2\n"
               "   └─ VM b, which tced does not know\n");
}

/* What stands behind itself, or behind what stands behind it, in a group or over several: all is shown once. */
static void test_circles(void) {
        static const struct {
                const char *name, *json;
                size_t devices;
        } cases[] = {
                { "behind itself", "{ 'groups': [ " GROUP(1, BEHIND("0:0", "0:0")) " ] }", 1 },
                { "two, in one group", "{ 'groups': [ " GROUP(1, BEHIND("0:0", "0:1") ", " BEHIND("0:1", "0:0")) " ] }", 2 },
                { "two groups", "{ 'groups': [ " GROUP(1, BEHIND("0:0", "1:0")) ", " GROUP(2, BEHIND("1:0", "0:0")) " ] }", 2 },
                { "three groups, and one behind them", "{ 'groups': [ " GROUP(1, BEHIND("0:0", "1:0")) ", " GROUP(2, BEHIND("1:0", "2:0")) ", "
                  GROUP(3, BEHIND("2:0", "0:0")) ", " GROUP(4, BEHIND("3:0", "2:0")) " ] }", 4 },
                { "out of a group and in again", "{ 'groups': [ " GROUP(1, BEHIND("0:0", "0:1") ", " BEHIND("0:1", "1:0")) ", "
                  GROUP(2, BEHIND("1:0", "0:0")) " ] }", 3 },
                { "twice the same", "{ 'groups': [ " GROUP(1, BEHIND("0:0", "0:0") ", " BEHIND("0:0", "0:0")) ", " GROUP(1, BEHIND("0:0", "0:0"))
                  " ] }", 3 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                json_object *json = fixture(cases[i].json);
                size_t n = 0;
                int r;
                _cleanup_free_ char *text = tree_of(json, (Output) { .width = 80, .legend = true }, &r);

                for (const char *p = text; (p = strstr(p, ":0")) || (p = NULL); p++)
                        n++;
                for (const char *p = text; (p = strstr(p, ":1")) || (p = NULL); p++)
                        n++;
                if (!tap_ok(r == 0 && n == cases[i].devices, "%s: %zu devices are shown", cases[i].name, n))
                        printf("# %s", text);
                (void) json_object_put(json);
        }
}

/* A chain of bridges without an end, in one group or each in its own, is no deeper than there is room for. */
static void test_depth(void) {
        for (unsigned many = 0; many < 2; many++) {
                json_object *json = json_object_new_object(), *groups = json_object_new_array(), *group = NULL, *devices = NULL, *tree;
                Topology t;
                int r;

                for (int i = 0; i < 2000; i++) {
                        json_object *device = json_object_new_object();
                        char address[16], bridge[16];

                        if (many || i == 0) {
                                group = json_object_new_object();
                                devices = json_object_new_array();
                                (void) json_object_object_add(group, "number", json_object_new_int(i));
                                (void) json_object_object_add(group, "devices", devices);
                                (void) json_object_array_add(groups, group);
                        }
                        (void) snprintf(address, sizeof(address), "0:%04d", i);
                        (void) snprintf(bridge, sizeof(bridge), "0:%04d", many ? i - 1 : i + 1);
                        (void) json_object_object_add(device, "address", json_object_new_string(address));
                        (void) json_object_object_add(device, "bridge", json_object_new_string(bridge));
                        (void) json_object_array_add(devices, device);
                }
                (void) json_object_object_add(json, "groups", groups);
                _cleanup_free_ char *text = tree_of(json, (Output) { .width = 40 }, &r);
                tap_ok(r == 0 && is_sound(text, 40), "2000 bridges behind each other: they fit");
                tap_eq(topology_make(json, &t), 0, "and are a tree");
                unsigned deepest = 0;
                for (size_t i = 0; i < t.n; i++) {
                        unsigned depth = 0;

                        for (size_t up = i; t.nodes[up].kind != NODE_ROOT && depth < 5000; up = t.nodes[up].parent)
                                depth++;
                        deepest = depth > deepest ? depth : deepest;
                }
                tap_ok(deepest <= TOPOLOGY_DEPTH_MAX, "of %u levels", deepest);
                tree = topology_json(&t);
                tap_ok(view_length(view_get(tree, "children")) > 0, "as JSON too");
                (void) json_object_put(tree);
                topology_clear(&t);
                (void) json_object_put(json);
        }
}

static void test_sound(void) {
        static const char *const answers[] = { fixture_host, fixture_power, fixture_x86, fixture_evil, fixture_odd, "{}" };
        static const unsigned widths[] = { OUTPUT_WIDTH_MIN, 40, 60, 79, 80, 160, 1000 };

        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                json_object *json = fixture(answers[i]);
                bool sound = true;
                int r;

                for (size_t w = 0; w < ELEMENTSOF(widths); w++) {
                        _cleanup_free_ char *text = tree_of(json, (Output) { .width = widths[w] }, &r);
                        sound &= r == 0 && is_sound(text, widths[w]);
                }
                tap_ok(sound, "answer %zu fits at every width", i);
                _cleanup_free_ char *plain = tree_of(json, (Output) { .width = 80 }, &r);
                _cleanup_free_ char *coloured = tree_of(json, (Output) { .width = 80, .colour = true }, &r);
                bool off = strip_colours(coloured);
                tap_ok(off && streq(plain, coloured), "answer %zu: colours change no text", i);
                (void) json_object_put(json);
        }
}

/* Each change at every third member: they take a while. */
static void test_mutations(void) {
        json_object *original = fixture(fixture_host);
        size_t tried = 0, failed = 0;

        for (unsigned change = 0; change <= CHANGES; change++)
                for (size_t i = change % 3;; i += 3) {
                        json_object *json = NULL;
                        size_t n = i;

                        (void) json_object_deep_copy(original, &json, NULL);
                        if (!mutate(json, &n, change)) {
                                (void) json_object_put(json);
                                break;
                        }
                        int r;
                        _cleanup_free_ char *text = tree_of(json, (Output) { .width = 60, .legend = true }, &r);
                        failed += r < 0 || !is_sound(text, 60);
                        tried++;
                        (void) json_object_put(json);
                }
        tap_ok(tried > 1000, "%zu answers with one member changed", tried);
        tap_eq((long long) failed, 0, "all of their trees are sound");
        (void) json_object_put(original);
}

/* A program's exit status, its output to `to`; 127: it is not here. */
static int run(const char *const argv[], const char *to) {
        posix_spawn_file_actions_t actions;
        int status = -1, r;
        pid_t pid;

        (void) posix_spawn_file_actions_init(&actions);
        (void) posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        (void) posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        r = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *) argv, environ);
        (void) posix_spawn_file_actions_destroy(&actions);
        if (r != 0)
                return 127;
        (void) waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What Graphviz makes of it, and whether that is XML; hostile names included. */
static void test_graphviz(void) {
        static const char *const answers[] = { fixture_host, fixture_power, fixture_evil, fixture_odd,
                                               "{ 'groups': [ { 'number': 1, 'devices': [ { 'address': '<&>\\\"\\uffff\\ufffe]', 'driver': '<b>' } ] } ] }" };
        char dir[] = "/tmp/tcectl-topology-XXXXXX", dot[64], svg[64];
        const char *const draw[] = { "dot", "-Tsvg", dot, NULL }, *const lint[] = { "xmllint", "--noout", svg, NULL };

        if (!mkdtemp(dir))
                abort();
        (void) snprintf(dot, sizeof(dot), "%s/dot", dir);
        (void) snprintf(svg, sizeof(svg), "%s/svg", dir);
        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                json_object *json = fixture(answers[i]);
                _cleanup_free_ char *text = dot_of(json);
                FILE *f = fopen(dot, "we");
                int r;

                (void) json_object_put(json);
                if (!f || fputs(text, f) < 0 || fclose(f) != 0)
                        abort();
                r = run(draw, svg);
                if (r == 127) {
                        tap_skip("there is no dot: tools/setup tests", "a graph is drawn");
                        continue;
                }
                if (!tap_eq(r, 0, "graph %zu is drawn", i))
                        printf("# %s\n", text);
                r = run(lint, "/dev/null");
                if (r == 127)
                        tap_skip("there is no xmllint: tools/setup tests", "a picture is XML");
                else
                        tap_eq(r, 0, "picture %zu is XML", i);
        }
        (void) unlink(dot);
        (void) unlink(svg);
        (void) rmdir(dir);
}

/* A machine is one node, however many groups it has, and a line ends at each table of those. */
static void test_graph(void) {
        json_object *json = fixture(fixture_host);
        _cleanup_free_ char *text = dot_of(json);
        const char *first = strstr(text, "VM web1");

        tap_ok(first && !strstr(first + 1, "VM web1"), "a machine with two groups is there once");
        tap_ok(strstr(text, "NUMA node 8") && strstr(text, "enP0p1s0f0v4, VF 4 of 0000:01:00.0") && strstr(text, "[style=dashed]"),
               "NUMA nodes, VFs, and the lines to their PF");
        (void) json_object_put(json);
}

static void test_json(void) {
        json_object *json = fixture(fixture_host), *tree, *up;
        Topology t;

        tap_eq(topology_make(json, &t), 0, "the tree");
        tree = topology_json(&t);
        tap_streq(view_string(tree, "kind"), "host", "the host");
        up = view_item(view_get(tree, "children"), 0);
        tap_ok(streq(view_show(up, "kind"), "numa-node") && view_count(up, "number") == 0, "its NUMA node");
        up = view_item(view_get(up, "children"), 0);
        tap_ok(streq(view_show(up, "kind"), "phb") && streq(view_show(up, "name"), "/pciex@600c3c0000000"), "its PHB");
        up = view_item(view_get(up, "children"), 0);
        tap_ok(streq(view_show(up, "kind"), "bridge") && streq(view_show(up, "address"), "0000:00:00.0"), "its bridge");
        up = view_item(view_get(up, "children"), 0);
        tap_ok(streq(view_show(up, "kind"), "group") && view_count(up, "number") == 1 && streq(view_show(up, "state"), "not-bound"), "its group");
        tap_eq((long long) view_length(view_get(up, "children")), 1, "which has one device");
        up = view_item(view_get(up, "children"), 0);
        tap_ok(streq(view_show(up, "kind"), "device") && streq(view_show(up, "address"), "0000:01:00.0"), "by its address");
        tap_eq((long long) view_length(view_get(up, "children")), 8, "below which eight VFs are");
        up = view_item(view_get(up, "children"), 0);
        tap_streq(view_string(view_item(view_get(up, "children"), 0), "kind"), "device", "a VF's device");
        up = view_item(view_get(up, "children"), 1);
        tap_ok(streq(view_show(up, "kind"), "machine") && streq(view_show(up, "name"), "web1"), "and the machine that has it");
        up = view_item(view_get(up, "children"), 1);
        tap_ok(streq(view_show(up, "kind"), "table") && view_count(up, "liobn") == 0x80000001 && streq(view_show(up, "placement"), "kernel-vfio"),
               "with its tables");
        for (int kind = 0; kind < _NODE_KIND_MAX; kind++)
                tap_eq((long long) node_kind_from_string(node_kind_to_string((NodeKind) kind)), kind, "kind %d", kind);
        (void) json_object_put(tree);
        topology_clear(&t);
        (void) json_object_put(json);
}

int main(void) {
        if (!setlocale(LC_ALL, "C.UTF-8")) {
                tap_ok(false, "the locale C.UTF-8");
                return tap_done();
        }
        test_host();
        test_trees();
        test_circles();
        test_depth();
        test_sound();
        test_mutations();
        test_graphviz();
        test_graph();
        test_json();
        return tap_done();
}
