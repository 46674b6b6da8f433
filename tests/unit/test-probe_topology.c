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
        free(again[1].devices[0].physfn);
        again[1].devices[0].physfn = NULL;
        tap_ok(!group_facts_equal(&again[1], vfio_facts_find_group(f, 3)), "another physical function is one");
        free(again[1].phb);
        again[1].phb = NULL;
        tap_ok(!group_facts_equal(&again[1], vfio_facts_find_group(f, 3)), "and another PHB");
        for (size_t i = 0; i < n; i++)
                group_facts_clear(&again[i]);
        free(again);
}

/* What netlink knows that sysfs does not: the MAC that a VF is to have; and of an interface its own. */
static void test_netlink(const Tree *tree) {
        static char *vf_macs[] = { (char *) "52:54:00:00:00:f0", (char *) "52:54:00:00:00:f1" };
        const NetLink link = { .name = (char *) "enP1p1s0f0", .index = 2, .mac = (char *) "52:54:00:00:00:99", .vf_macs = vf_macs, .n_vf_macs = 2 };
        _cleanup_(group_facts_clear) GroupFacts physical = {}, virtual = {};
        NetFacts *net = NULL;
        GroupReader reader = { .groups = open(tree_path(tree, "sys/kernel/iommu_groups"), O_PATH | O_DIRECTORY | O_CLOEXEC),
                               .vfio_class = -EBADF, .vfio_nodes = -EBADF, .iommu_class = true };

        if (net_facts_new(&net) < 0 || net_facts_add(net, &link) < 0)
                tap_ok(false, "made-up facts of netlink");
        net_facts_settle(net);
        reader.net = net;
        tap_ok(group_read(&reader, 1, &physical) == 0 && group_read(&reader, 3, &virtual) == 0, "read with netlink's facts");
        tap_streq(physical.devices[0].mac, "52:54:00:00:00:99", "an interface's MAC is netlink's");
        tap_streq(virtual.devices[0].mac, "52:54:00:00:00:f1", "that of a VF which a VM is to have is what its PF gives it");
        (void) net_facts_free(net);
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

static void add_many(int at) {
        must(mkdirat(at, "sys", 0755), "sys");
        must(mkdirat(at, "sys/kernel", 0755), "kernel");
        must(mkdirat(at, "sys/kernel/iommu_groups", 0755), "iommu_groups");
        must(mkdirat(at, "sys/devices", 0755), "devices");
        must(mkdirat(at, "dev", 0755), "dev");
        for (unsigned group = 0; group < MANY_GROUPS; group++) {
                char path[128], address[32], root[64], target[128];

                (void) snprintf(root, sizeof(root), "sys/devices/pci%04x:00", group / 256 + 1);
                if (group % 256 == 0)
                        must(mkdirat(at, root, 0755), root);
                (void) snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%u", group);
                must(mkdirat(at, path, 0755), path);
                (void) snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%u/devices", group);
                must(mkdirat(at, path, 0755), path);
                for (unsigned i = 0; i < GROUP_DEVICES; i++) {
                        device_address(address, group, i);
                        (void) snprintf(path, sizeof(path), "%s/%s", root, address);
                        must(mkdirat(at, path, 0755), path);
                        (void) snprintf(path, sizeof(path), "%s/%s/modalias", root, address);
                        write_text(at, path, i == 0 ? NIC "\n" : NVME "\n");
                        (void) snprintf(path, sizeof(path), "%s/%s/numa_node", root, address);
                        write_text(at, path, group % 2 ? "8\n" : "0\n");
                        (void) snprintf(path, sizeof(path), "%s/%s/driver", root, address);
                        must(symlinkat(group % 3 ? "../../../bus/pci/drivers/vfio-pci" : "../../../bus/pci/drivers/nvme", at, path), path);
                        (void) snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%u/devices/%s", group, address);
                        (void) snprintf(target, sizeof(target), "../../../../devices/pci%04x:00/%s", group / 256 + 1, address);
                        must(symlinkat(target, at, path), path);
                }
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

static bool right(const VfioFacts *f) {
        for (unsigned i = 0; i < MANY_GROUPS; i++) {
                const GroupFacts *g = vfio_facts_find_group(f, i);
                char address[32], root[16];

                (void) snprintf(root, sizeof(root), "pci%04x:00", i / 256 + 1);
                if (!g || g->n_devices != GROUP_DEVICES || g->numa_node != (i % 2 ? 8 : 0) || !g->phb || !streq(g->phb, root))
                        return false;
                for (unsigned j = 0; j < GROUP_DEVICES; j++) {
                        device_address(address, i, j);
                        if (!streq(g->devices[j].address, address) || !g->devices[j].driver ||
                            !streq(g->devices[j].driver, i % 3 ? "vfio-pci" : "nvme") || g->devices[j].class_code != (j ? 0x010802 : 0x020000))
                                return false;
                }
                if (g->viability != (i % 3 ? GROUP_VFIO_BROKEN : GROUP_NOT_BOUND))
                        return false;
        }
        return f->n_groups == MANY_GROUPS;
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
        tap_ok(right(&f), "with all that is in them");
        printf("# %.2f s, %.1f times what the bare reads of links, drivers, ids and nodes take (%.2f s)\n", ours, ours / bare, bare);
        tree_remove(&tree);
}

int main(void) {
        Tree tree = tree_new();
        _cleanup_(vfio_facts_clear) VfioFacts f = {};

        TREE_ADD(&tree, tree_entries);
        tap_eq(probe_vfio(tree_path(&tree, "sys"), tree_path(&tree, "dev"), &f), 0, "probed");
        test_tree(&f);
        test_equal(&tree, &f);
        test_netlink(&tree);
        tree_remove(&tree);
        test_many();
        return tap_done();
}
