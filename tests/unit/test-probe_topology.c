/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* probe_topology.c on made-up trees: root bus and PHB, bridges, SR-IOV, interfaces; and a host of 16,384 groups. */

#include <sys/resource.h>
#include <sys/vfs.h>
#include <time.h>

#include "probe_groups.h"
#include "probe_vfio.h"
#include "tap.h"
#include "tree.h"
#include "util.h"

#define NODE "sys/firmware/devicetree/base/"
#define GROUP(n, address, device) LINK("sys/kernel/iommu_groups/" n "/devices/" address, "../../../../devices/" device)
#define DRIVER(device, name) LINK("sys/devices/" device "/driver", "../../../bus/pci/drivers/" name)
#define MODALIAS(device, text) TEXT("sys/devices/" device "/modalias", text "\n")
#define NIC "pci:v00008086d00001572sv00008086sd00000000bc02sc00i00"
#define NVME "pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02"

#define ROOT "pci0001:00"
#define PORT ROOT "/0001:00:01.0"
#define PF PORT "/0001:01:00.0"
#define VF0 PORT "/0001:01:02.0"
#define VF1 PORT "/0001:01:02.2"

static const TreeEntry tree_entries[] = {
        /* 1: a physical function behind a root port; its virtual ones start 16 routing ids behind it, two apart. */
        GROUP("1", "0001:01:00.0", PF),
        MODALIAS(PF, NIC),
        DRIVER(PF, "i40e"),
        TEXT("sys/devices/" PF "/sriov_totalvfs", "64\n"),
        TEXT("sys/devices/" PF "/sriov_offset", "16\n"),
        TEXT("sys/devices/" PF "/sriov_stride", "2\n"),
        TEXT("sys/devices/" PF "/net/enP1p1s0f0/address", "52:54:00:00:00:01\n"),
        LINK("sys/devices/" ROOT "/pci_bus/0001:00/of_node", "../../../../../firmware/devicetree/base/pciex@600c3c0100000"),
        /* 2: a virtual one of the host's, 3: one that a VM is to have */
        GROUP("2", "0001:01:02.0", VF0),
        MODALIAS(VF0, NIC),
        DRIVER(VF0, "iavf"),
        LINK("sys/devices/" VF0 "/physfn", "../0001:01:00.0"),
        TEXT("sys/devices/" VF0 "/net/enP1p1s0f0v0/address", "52:54:00:00:00:02\n"),
        GROUP("3", "0001:01:02.2", VF1),
        MODALIAS(VF1, NIC),
        DRIVER(VF1, "vfio-pci"),
        LINK("sys/devices/" VF1 "/physfn", "../0001:01:00.0"),
        TEXT("dev/vfio/3", "x"),
        /* 4: no device tree; two ports on one function; virtio's interface is a level below */
        GROUP("4", "0000:00:03.0", "pci0000:00/0000:00:03.0"),
        GROUP("4", "0000:00:04.0", "pci0000:00/0000:00:04.0"),
        GROUP("4", "0000:00:05.0", "pci0000:00/0000:00:05.0"),
        MODALIAS("pci0000:00/0000:00:03.0", NIC),
        MODALIAS("pci0000:00/0000:00:04.0", NIC),
        MODALIAS("pci0000:00/0000:00:05.0", NVME),
        TEXT("sys/devices/pci0000:00/0000:00:03.0/net/eth1/address", "52:54:00:00:00:0b\n"),
        TEXT("sys/devices/pci0000:00/0000:00:03.0/net/eth0/address", "52:54:00:00:00:0a\n"),
        DRIVER("pci0000:00/0000:00:04.0", "virtio-pci"),
        TEXT("sys/devices/pci0000:00/0000:00:04.0/virtio2/net/ens4/address", "52:54:00:00:00:0c\n"),
        /* An interface is looked for where a network function is. */
        TEXT("sys/devices/pci0000:00/0000:00:05.0/net/none/address", "52:54:00:00:00:0d\n"),
        /* 5: of two root buses; a virtual function whose number can't be told */
        GROUP("5", "0005:00:00.0", "pci0005:00/0005:00:00.0"),
        GROUP("5", "0006:00:00.0", "pci0006:00/0006:00:00.0"),
        MODALIAS("pci0005:00/0005:00:00.0", NIC),
        MODALIAS("pci0006:00/0006:00:00.0", NVME),
        LINK("sys/devices/pci0005:00/0005:00:00.0/physfn", "../0005:00:1f.0"),
        /* 8: a host whose bridge has the node, and not its bus */
        GROUP("8", "0008:00:00.0", "pci0008:00/0008:00:00.0"),
        MODALIAS("pci0008:00/0008:00:00.0", NVME),
        LINK("sys/devices/pci0008:00/of_node", "../../firmware/devicetree/base/soc/pcie@8"),
        /* 6: no PCI at all */
        LINK("sys/kernel/iommu_groups/6/devices/fd400000.mmu", "../../../../devices/platform/fd400000.mmu"),
        TEXT("sys/devices/platform/fd400000.mmu/uevent", "x"),
        /* 9: a link of the group's with a suffix, as the kernel gives where the name is taken */
        LINK("sys/kernel/iommu_groups/9/devices/0009:00:00.0.1", "../../../../devices/pci0009:00/0009:00:00.0"),
        MODALIAS("pci0009:00/0009:00:00.0", NVME),
        LINK("sys/devices/pci0009:00/0009:00:00.0/iommu_group", "../../../kernel/iommu_groups/9"),
        LINK("sys/bus/pci/devices/0009:00:00.0", "../../../devices/pci0009:00/0009:00:00.0"),
        /* 10: a virtual function on the bus behind its physical one's */
        GROUP("10", "0000:41:00.0", "pci0000:40/0000:41:00.0"),
        GROUP("10", "0000:42:00.2", "pci0000:40/0000:42:00.2"),
        MODALIAS("pci0000:40/0000:41:00.0", NVME),
        MODALIAS("pci0000:40/0000:42:00.2", NVME),
        TEXT("sys/devices/pci0000:40/0000:41:00.0/sriov_totalvfs", "8\n"),
        TEXT("sys/devices/pci0000:40/0000:41:00.0/sriov_offset", "256\n"),
        TEXT("sys/devices/pci0000:40/0000:41:00.0/sriov_stride", "2\n"),
        LINK("sys/devices/pci0000:40/0000:42:00.2/physfn", "../0000:41:00.0"),
        /* and two that can be none of its: before the first, and between two */
        GROUP("10", "0000:41:00.2", "pci0000:40/0000:41:00.2"),
        GROUP("10", "0000:42:00.1", "pci0000:40/0000:42:00.1"),
        MODALIAS("pci0000:40/0000:41:00.2", NVME),
        MODALIAS("pci0000:40/0000:42:00.1", NVME),
        LINK("sys/devices/pci0000:40/0000:41:00.2/physfn", "../0000:41:00.0"),
        LINK("sys/devices/pci0000:40/0000:42:00.1/physfn", "../0000:41:00.0"),
        /* 7: empty */
        DIRECTORY("sys/kernel/iommu_groups/7/devices"),
};

typedef struct Want {
        unsigned group;
        const char *phb, *address, *interfaces, *mac, *bridge, *physfn;
        int vf;
        unsigned vfs, vfs_max;
} Want;

static const Want wants[] = {
        { 1, "/pciex@600c3c0100000", "0001:01:00.0", "enP1p1s0f0", "52:54:00:00:00:01", "0001:00:01.0", NULL, -1, 2, 64 },
        { 2, "/pciex@600c3c0100000", "0001:01:02.0", "enP1p1s0f0v0", "52:54:00:00:00:02", "0001:00:01.0", "0001:01:00.0", 0, 0, 0 },
        { 3, "/pciex@600c3c0100000", "0001:01:02.2", NULL, NULL, "0001:00:01.0", "0001:01:00.0", 1, 0, 0 },
        { 4, "pci0000:00", "0000:00:03.0", "eth0 eth1", "52:54:00:00:00:0a", NULL, NULL, -1, 0, 0 },
        { 4, "pci0000:00", "0000:00:04.0", "ens4", "52:54:00:00:00:0c", NULL, NULL, -1, 0, 0 },
        { 4, "pci0000:00", "0000:00:05.0", NULL, NULL, NULL, NULL, -1, 0, 0 },
        { 5, NULL, "0005:00:00.0", NULL, NULL, NULL, "0005:00:1f.0", -1, 0, 0 },
        { 8, "/soc/pcie@8", "0008:00:00.0", NULL, NULL, NULL, NULL, -1, 0, 0 },
        { 10, "pci0000:40", "0000:41:00.0", NULL, NULL, NULL, NULL, -1, 3, 8 },
        { 10, "pci0000:40", "0000:42:00.2", NULL, NULL, NULL, "0000:41:00.0", 1, 0, 0 },
        { 10, "pci0000:40", "0000:41:00.2", NULL, NULL, NULL, "0000:41:00.0", -1, 0, 0 },
        { 10, "pci0000:40", "0000:42:00.1", NULL, NULL, NULL, "0000:41:00.0", -1, 0, 0 },
        { 6, NULL, "fd400000.mmu", NULL, NULL, NULL, NULL, -1, 0, 0 },
};

static const DeviceFacts *find_device(const GroupFacts *g, const char *address) {
        for (size_t i = 0; g && i < g->n_devices; i++)
                if (streq(g->devices[i].address, address))
                        return &g->devices[i];
        return NULL;
}

static void is_text(const char *have, const char *want, const char *address, const char *what) {
        tap_streq(have ? have : "-", want ? want : "-", "%s: %s", address, what);
}

static void test_tree(const VfioFacts *f) {
        for (size_t i = 0; i < ELEMENTSOF(wants); i++) {
                const Want *w = &wants[i];
                const GroupFacts *g = vfio_facts_find_group(f, w->group);
                const DeviceFacts *d = find_device(g, w->address);

                if (!tap_ok(d != NULL, "%s is there", w->address))
                        continue;
                is_text(g->phb, w->phb, w->address, "PHB");
                is_text(d->interfaces, w->interfaces, w->address, "interfaces");
                is_text(d->mac, w->mac, w->address, "MAC");
                is_text(d->bridge, w->bridge, w->address, "bridge");
                is_text(d->physfn, w->physfn, w->address, "physical function");
                tap_ok(d->vf == w->vf && d->vfs == w->vfs && d->vfs_max == w->vfs_max, "%s: VF %d, %u of %u VFs", w->address, d->vf, d->vfs,
                       d->vfs_max);
        }
        tap_streq(group_facts_key(vfio_facts_find_group(f, 4)), "0000:00:03.0", "the key is the lowest address");
        tap_streq(group_facts_key(vfio_facts_find_group(f, 7)), "", "an empty group has none");
}

/* What a change of each does. */
static void test_equal(const Tree *tree, const VfioFacts *f) {
        GroupFacts *again = NULL;
        unsigned numbers[] = { 1, 3, 77 };
        size_t n = 0;

        tap_eq(probe_vfio_groups(tree_path(tree, "sys"), tree_path(tree, "dev"), numbers, ELEMENTSOF(numbers), &again, &n), 0,
               "two groups are read again");
        if (!tap_eq(n, 2, "the one that is not there is left out"))
                return;
        again[0].devices[0].vfs = 2; /* counted over all */
        tap_ok(group_facts_equal(&again[0], vfio_facts_find_group(f, 1)) && group_facts_equal(&again[1], vfio_facts_find_group(f, 3)),
               "and are as they were");
        again[0].devices[0].vfs = 3;
        tap_ok(!group_facts_equal(&again[0], vfio_facts_find_group(f, 1)), "another number of VFs is a change");
        /* All of a group that was read is one block. */
        again[1].devices[0].physfn = NULL;
        tap_ok(!group_facts_equal(&again[1], vfio_facts_find_group(f, 3)), "another physical function is one");
        again[1].phb = NULL;
        tap_ok(!group_facts_equal(&again[1], vfio_facts_find_group(f, 3)), "and another PHB");
        for (size_t i = 0; i < n; i++)
                group_facts_clear(&again[i]);
        free(again);
}

static void test_membership(const Tree *tree) {
        static const struct {
                unsigned group;
                const char *identity;
                bool is;
        } cases[] = {
                { 1, "0001:01:00.0 8086:1572", true },  { 1, "0001:01:00.0 8086:1573", false }, { 2, "0001:01:00.0 8086:1572", false },
                { 77, "0001:01:00.0 8086:1572", false }, { 9, "0009:00:00.0 1b36:0010", true },  { 90, "0009:00:00.0 1b36:0010", false },
                { 6, "fd400000.mmu 0000:0000", true },   { 1, "", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                tap_eq(probe_group_has_device(tree_path(tree, "sys"), cases[i].group, cases[i].identity), cases[i].is, "group %u, %s",
                       cases[i].group, cases[i].identity);
}

/* What netlink knows that sysfs does not: the MAC that a VF is to have; and of an interface its own. */
static void test_netlink(const Tree *tree) {
        static char *vf_macs[] = { (char *) "52:54:00:00:00:f0", (char *) "52:54:00:00:00:f1" };
        const NetLink link = { .name = (char *) "enP1p1s0f0", .index = 2, .mac = (char *) "52:54:00:00:00:99", .vf_macs = vf_macs, .n_vf_macs = 2 };
        _cleanup_(group_facts_clear) GroupFacts physical = {}, virtual = {};
        NetFacts *net = NULL;
        GroupScratch scratch = {};
        GroupReader reader = { .groups = open(tree_path(tree, "sys/kernel/iommu_groups"), O_PATH | O_DIRECTORY | O_CLOEXEC),
                               .vfio_class = -EBADF, .vfio_nodes = -EBADF, .iommu_class = true, .scratch = &scratch };

        if (net_facts_new(&net) < 0 || net_facts_add(net, &link) < 0)
                tap_ok(false, "made-up facts of netlink");
        net_facts_settle(net);
        reader.net = net;
        tap_ok(group_read(&reader, 1, &physical) == 0 && group_read(&reader, 3, &virtual) == 0, "read with netlink's facts");
        tap_streq(physical.devices[0].mac, "52:54:00:00:00:99", "an interface's MAC is netlink's");
        tap_streq(virtual.devices[0].mac, "52:54:00:00:00:f1", "that of a VF which a VM is to have is what its PF gives it");
        (void) net_facts_free(net);
        group_scratch_clear(&scratch);
        (void) close(reader.groups);
}

/* ---- many ---- */

#define MANY_GROUPS 16384U
#define GROUP_DEVICES 4U

static void must(int r, const char *path) {
        if (r < 0)
                tree_fail("making", path);
}

static void write_text(int at, const char *path, const char *text) {
        int fd = openat(at, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        must(fd, path);
        must((int) write(fd, text, strlen(text)), path);
        (void) close(fd);
}

/* The group's number is its place, too: a domain of 256 groups each. */
static void device_address(char buf[32], unsigned group, unsigned i) {
        (void) snprintf(buf, 32, "%04x:%02x:00.%u", group / 256 + 1, group % 256, i);
}

static void make_directories(int at, const char *path) {
        char part[128];

        for (const char *slash = strchr(path, '/');; slash = strchr(slash + 1, '/')) {
                (void) snprintf(part, sizeof(part), "%.*s", (int) (slash ? slash - path : (ssize_t) strlen(path)), path);
                if (mkdirat(at, part, 0755) < 0 && errno != EEXIST)
                        tree_fail("making", part);
                if (!slash)
                        return;
        }
}

static void put_text(int at, const char *device, const char *name, const char *text) {
        char path[192];

        (void) snprintf(path, sizeof(path), "%s/%s", device, name);
        write_text(at, path, text);
}

static void put_link(int at, const char *device, const char *name, const char *target) {
        char path[192];

        (void) snprintf(path, sizeof(path), "%s/%s", device, name);
        must(symlinkat(target, at, path), path);
}

/* A PHB with its node: 256 groups are below it. */
static void add_many_root(int at, unsigned domain) {
        char path[128], target[128];

        (void) snprintf(path, sizeof(path), "sys/devices/pci%04x:00/pci_bus/%04x:00", domain, domain);
        make_directories(at, path);
        (void) snprintf(target, sizeof(target), "../../../../firmware/devicetree/base/pciex@%x", domain);
        put_link(at, path, "of_node", target);
}

/* The first of a group's is a card with an interface where the host has it; the second may have functions, of which the others are two. */
static void add_many_device(int at, unsigned group, unsigned i) {
        char device[96], address[32], second[32], path[128], target[128];

        device_address(address, group, i);
        (void) snprintf(device, sizeof(device), "sys/devices/pci%04x:00/%s", group / 256 + 1, address);
        must(mkdirat(at, device, 0755), device);
        put_text(at, device, "modalias", i == 0 ? NIC "\n" : NVME "\n");
        put_text(at, device, "numa_node", group % 2 ? "8\n" : "0\n");
        put_link(at, device, "driver", group % 3 ? "../../../bus/pci/drivers/vfio-pci" : "../../../bus/pci/drivers/nvme");
        if (i == 0 && group % 3 == 0) {
                (void) snprintf(path, sizeof(path), "%s/net/en%u", device, group);
                make_directories(at, path);
                put_text(at, path, "address", "52:54:00:00:00:01\n");
        } else if (i == 1) {
                put_text(at, device, "sriov_totalvfs", "2\n");
                put_text(at, device, "sriov_offset", "1\n");
                put_text(at, device, "sriov_stride", "1\n");
        } else if (i > 1) {
                device_address(second, group, 1);
                (void) snprintf(target, sizeof(target), "../%s", second);
                put_link(at, device, "physfn", target);
        }
        (void) snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%u/devices", group);
        (void) snprintf(target, sizeof(target), "../../../../devices/pci%04x:00/%s", group / 256 + 1, address);
        put_link(at, path, address, target);
}

static void add_many(int at) {
        must(mkdirat(at, "dev", 0755), "dev");
        for (unsigned group = 0; group < MANY_GROUPS; group++) {
                char path[128];

                if (group % 256 == 0)
                        add_many_root(at, group / 256 + 1);
                (void) snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%u/devices", group);
                make_directories(at, path);
                for (unsigned i = 0; i < GROUP_DEVICES; i++)
                        add_many_device(at, group, i);
        }
}

static double cpu_seconds(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

/* The least that must be read: each device's link, driver, modalias and node. */
static unsigned read_bare(int at) {
        unsigned n = 0;

        for (unsigned group = 0; group < MANY_GROUPS; group++)
                for (unsigned i = 0; i < GROUP_DEVICES; i++) {
                        char path[128], address[32], text[256];

                        device_address(address, group, i);
                        (void) snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%u/devices/%s", group, address);
                        n += readlinkat(at, path, text, sizeof(text)) > 0;
                        (void) snprintf(path, sizeof(path), "sys/devices/pci%04x:00/%s/driver", group / 256 + 1, address);
                        n += readlinkat(at, path, text, sizeof(text)) > 0;
                        for (unsigned file = 0; file < 2; file++) {
                                (void) snprintf(path, sizeof(path), "sys/devices/pci%04x:00/%s/%s", group / 256 + 1, address,
                                                file ? "numa_node" : "modalias");
                                n += read_file_at(at, path, text, sizeof(text)) > 0;
                        }
                }
        return n;
}

static bool right_device(const DeviceFacts *d, unsigned group, unsigned i) {
        char address[32], second[32], name[32];
        bool interface = i == 0 && group % 3 == 0;

        device_address(address, group, i);
        device_address(second, group, 1);
        (void) snprintf(name, sizeof(name), "en%u", group);
        return streq(d->address, address) && d->driver && streq(d->driver, group % 3 ? "vfio-pci" : "nvme") &&
               d->class_code == (i ? 0x010802 : 0x020000) && !d->bridge && !d->interfaces == !interface &&
               (!interface || (streq(d->interfaces, name) && streq(d->mac, "52:54:00:00:00:01"))) && !d->physfn == (i < 2) &&
               (i < 2 || streq(d->physfn, second)) && d->vf == (i < 2 ? -1 : (int) i - 2) && d->vfs == (i == 1 ? 2 : 0) &&
               d->vfs_max == (i == 1 ? 2 : 0);
}

/* How many groups are as they were made. */
static unsigned count_right(const VfioFacts *f) {
        unsigned n = 0;

        for (unsigned i = 0; i < MANY_GROUPS; i++) {
                const GroupFacts *g = vfio_facts_find_group(f, i);
                char phb[32];
                bool right;

                (void) snprintf(phb, sizeof(phb), "/pciex@%x", i / 256 + 1);
                right = g && g->n_devices == GROUP_DEVICES && g->numa_node == (i % 2 ? 8 : 0) && g->phb && streq(g->phb, phb) &&
                        g->viability == (i % 3 ? GROUP_VFIO_BROKEN : GROUP_NOT_BOUND);
                for (unsigned j = 0; right && j < GROUP_DEVICES; j++)
                        right = right_device(&g->devices[j], i, j);
                n += right;
        }
        return n;
}

/* On tmpfs, whose reads cost what sysfs's do. */
static void test_many(void) {
        char dir[] = "/dev/shm/tced-many-XXXXXX", sys[64], dev[64];
        _cleanup_(vfio_facts_clear) VfioFacts f = {};
        _cleanup_fd_ int at = -EBADF;
        double began, bare, ours;
        Tree tree = {};

        if (!mkdtemp(dir)) {
                tap_skip("no /dev/shm", "16,384 groups");
                return;
        }
        (void) snprintf(tree.path, sizeof(tree.path), "%s", dir);
        at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        add_many(at);
        (void) snprintf(sys, sizeof(sys), "%s/sys", dir);
        (void) snprintf(dev, sizeof(dev), "%s/dev", dir);
        began = cpu_seconds();
        tap_eq(read_bare(at), MANY_GROUPS * GROUP_DEVICES * 4, "the bare reads of 65,536 devices");
        bare = cpu_seconds() - began;
        began = cpu_seconds();
        tap_eq(probe_vfio(sys, dev, &f), 0, "16,384 groups are read");
        ours = cpu_seconds() - began;
        tap_eq(f.n_groups, MANY_GROUPS, "each once");
        tap_eq(count_right(&f), MANY_GROUPS, "with all that is in them");
        printf("# %.2f s, %.1f times what the bare reads of links, drivers, ids and nodes take (%.2f s)\n", ours, ours / bare, bare);
        tree_remove(&tree);
}

int main(void) {
        Tree tree = tree_new();
        _cleanup_(vfio_facts_clear) VfioFacts f = {};

        TREE_ADD(&tree, tree_entries);
        tap_eq(probe_vfio(tree_path(&tree, "sys"), tree_path(&tree, "dev"), &f), 0, "probed");
        test_tree(&f);
        tap_ok(vfio_facts_count_vfs(&f) == 0 && find_device(vfio_facts_find_group(&f, 1), "0001:01:00.0")->vfs == 2,
               "counted again, virtual functions are as many");
        test_equal(&tree, &f);
        test_netlink(&tree);
        test_membership(&tree);
        tree_remove(&tree);
        test_many();
        return tap_done();
}
