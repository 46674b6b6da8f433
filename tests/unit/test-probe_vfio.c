/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* probe_vfio.c, probe_groups.c and probe_windows.c on made-up trees: partitions, bare metal, broken kernels, odd hosts. */

#include "probe_vfio.h"
#include "tap.h"
#include "tree.h"
#include "util.h"

#define NODE "sys/firmware/devicetree/base/"
#define GROUP(n, address, device) LINK("sys/kernel/iommu_groups/" n "/devices/" address, "../../../../devices/" device)
#define DRIVER(device, name) LINK("sys/devices/" device "/driver", "../../../bus/pci/drivers/" name)
#define MODALIAS(device, text) TEXT("sys/devices/" device "/modalias", text "\n")
#define OF_NODE(device, up, node) LINK("sys/devices/" device "/of_node", up "firmware/devicetree/base/" node)

#define E1000E "pci:v00008086d000010D3sv00008086sd00000000bc02sc00i00"
#define NVME "pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02"
#define BRIDGE "pci:v00001014d000004C1sv00001014sd00000000bc06sc04i00"

/* What makes a node that of an NVLink2 GPU or bridge. */
#define NVLINK2(node) \
        BYTES(node "/ibm,gpu", "\0\0\0\1"), BYTES(node "/ibm,nvlink", "\0\0\0\1"), \
                BYTES(node "/ibm,nvlink-speed", "\0\0\0\x8"), BYTES(node "/memory-region", "\0\0\0\2")

/* A partition as QEMU makes it, read from a real one. */
static const TreeEntry partition[] = {
        TEXT("sys/class/iommu/iommu-phb0000", "x"),
        BYTES(NODE "rtas/ibm,lrdr-capacity", "\0\0\0\4\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\1"),
        /* 0: an empty PHB */
        TEXT("sys/kernel/iommu_groups/0/name", "domain0-pe0\n"),
        DIRECTORY("sys/kernel/iommu_groups/0/devices"),
        /* 1: one card, the host's */
        TEXT("sys/kernel/iommu_groups/1/name", "domain1-pe0\n"),
        GROUP("1", "0001:00:01.0", "pci0001:00/0001:00:01.0"),
        MODALIAS("pci0001:00/0001:00:01.0", E1000E),
        TEXT("sys/devices/pci0001:00/0001:00:01.0/numa_node", "-1\n"),
        DRIVER("pci0001:00/0001:00:01.0", "e1000e"),
        OF_NODE("pci0001:00/0001:00:01.0", "../../../", "pci@800000020000001/ethernet@1"),
        DIRECTORY(NODE "pci@800000020000001/ethernet@1"),
        BYTES(NODE "pci@800000020000001/ibm,dma-window", "\x80\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\x40\0\0\0"),
        BYTES(NODE "pci@800000020000001/ibm,ddw-applicable", "\0\0\x20\x26\0\0\x20\x27\0\0\x20\x28"),
        BYTES(NODE "pci@800000020000001/ibm,#dma-address-cells", "\0\0\0\2"),
        BYTES(NODE "pci@800000020000001/ibm,#dma-size-cells", "\0\0\0\2"),
        BYTES(NODE "pci@800000020000001/#address-cells", "\0\0\0\3"),
        BYTES(NODE "pci@800000020000001/#size-cells", "\0\0\0\2"),
        /* 2: one bound, one not; listed in no order */
        GROUP("2", "0002:00:02.0", "pci0002:00/0002:00:02.0"),
        GROUP("2", "0002:00:01.0", "pci0002:00/0002:00:01.0"),
        MODALIAS("pci0002:00/0002:00:02.0", NVME),
        MODALIAS("pci0002:00/0002:00:01.0", E1000E),
        DRIVER("pci0002:00/0002:00:02.0", "nvme"),
        DRIVER("pci0002:00/0002:00:01.0", "vfio-pci"),
        TEXT("sys/devices/pci0002:00/0002:00:01.0/numa_node", "0\n"),
        TEXT("sys/devices/pci0002:00/0002:00:02.0/numa_node", "8\n"),
        TEXT("dev/vfio/2", "x"),
        /* No cells of its own: #address-cells is three. And no more windows. */
        OF_NODE("pci0002:00/0002:00:01.0", "../../../", "pci@800000020000002/ethernet@1"),
        DIRECTORY(NODE "pci@800000020000002/ethernet@1"),
        BYTES(NODE "pci@800000020000002/#address-cells", "\0\0\0\3"),
        BYTES(NODE "pci@800000020000002/ibm,dma-window", "\x80\0\1\0\2\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\x20\0\0\0"),
        /* 3: bound, with a bridge and a device without a driver beside it */
        GROUP("3", "0003:00:00.0", "pci0003:00/0003:00:00.0"),
        GROUP("3", "0003:01:00.0", "pci0003:00/0003:01:00.0"),
        GROUP("3", "0003:01:00.1", "pci0003:00/0003:01:00.1"),
        GROUP("3", "0003:01:00.2", "pci0003:00/0003:01:00.2"),
        MODALIAS("pci0003:00/0003:00:00.0", BRIDGE),
        MODALIAS("pci0003:00/0003:01:00.0", E1000E),
        MODALIAS("pci0003:00/0003:01:00.1", E1000E),
        MODALIAS("pci0003:00/0003:01:00.2", E1000E),
        TEXT("sys/devices/pci0003:00/0003:00:00.0/numa_node", "8\n"),
        TEXT("sys/devices/pci0003:00/0003:01:00.0/numa_node", "8\n"),
        TEXT("sys/devices/pci0003:00/0003:01:00.1/numa_node", "8\n"),
        TEXT("sys/devices/pci0003:00/0003:01:00.2/numa_node", "8\n"),
        DRIVER("pci0003:00/0003:00:00.0", "pcieport"),
        DRIVER("pci0003:00/0003:01:00.0", "mlx5_vfio_pci"),
        DRIVER("pci0003:00/0003:01:00.2", "pci-stub"),
        TEXT("dev/vfio/3", "x"),
        /* The host's driver took the default window away for a larger one. */
        OF_NODE("pci0003:00/0003:00:00.0", "../../../", "pci@800000020000003"),
        BYTES(NODE "pci@800000020000003/linux,direct64-ddr-window-info", "\x80\0\1\1\0\0\0\0\x08\0\0\0"),
        BYTES(NODE "pci@800000020000003/ibm,ddw-applicable", "\0\0\x20\x26\0\0\x20\x27\0\0\x20\x28"),
        /* 10, behind 2: no driver, behind a bridge */
        GROUP("10", "0010:00:00.0", "pci0010:00/0010:00:00.0"),
        GROUP("10", "0010:01:00.0", "pci0010:00/0010:01:00.0"),
        MODALIAS("pci0010:00/0010:00:00.0", BRIDGE),
        MODALIAS("pci0010:00/0010:01:00.0", NVME),
        TEXT("sys/devices/pci0010:00/0010:01:00.0/numa_node", "junk\n"),
        TEXT("sys/kernel/iommu_groups/10/name", "\n"),
        /* 11: bound, and no node */
        GROUP("11", "0011:00:01.0", "pci0011:00/0011:00:01.0"),
        MODALIAS("pci0011:00/0011:00:01.0", E1000E),
        DRIVER("pci0011:00/0011:00:01.0", "vfio-pci"),
        /* 12: bound; the node is not in /dev (yet), but the kernel has it */
        GROUP("12", "0012:00:01.0", "pci0012:00/0012:00:01.0"),
        MODALIAS("pci0012:00/0012:00:01.0", E1000E),
        DRIVER("pci0012:00/0012:00:01.0", "vfio-pci"),
        TEXT("sys/class/vfio/12", "x"),
        /* no group */
        DIRECTORY("sys/kernel/iommu_groups/junk"),
        DIRECTORY("sys/kernel/iommu_groups/99999999999"),
};

typedef struct GroupWant {
        unsigned number;
        const char *name;
        size_t n_devices;
        GroupViability viability;
        const char *why; /* something that it says */
        int numa_node;
        uint64_t start, size, page_sizes;
        int ddw;
        const char *windows_why;
} GroupWant;

static void check_group(const VfioFacts *f, const GroupWant *want) {
        const GroupFacts *g = vfio_facts_find_group(f, want->number);

        if (!tap_ok(g != NULL, "group %u is there", want->number))
                return;
        tap_streq(g->name, want->name, "group %u: name", want->number);
        tap_eq(g->n_devices, want->n_devices, "group %u: devices", want->number);
        tap_streq(group_viability_to_string(g->viability), group_viability_to_string(want->viability), "group %u: viability",
                  want->number);
        if (!tap_ok(*want->why ? strstr(g->viability_why, want->why) != NULL : !*g->viability_why, "group %u: why '%s'",
                    want->number, want->why))
                printf("#   have %s\n", g->viability_why);
        tap_eq(g->numa_node, want->numa_node, "group %u: NUMA node", want->number);
        tap_ok(g->dma32_start == want->start && g->dma32_size == want->size, "group %u: window %#" PRIx64 "+%#" PRIx64,
               want->number, g->dma32_start, g->dma32_size);
        tap_eq(g->page_sizes, want->page_sizes, "group %u: page sizes", want->number);
        tap_eq(g->ddw, want->ddw, "group %u: 64-bit windows", want->number);
        if (!tap_ok(strstr(g->windows_why, want->windows_why) != NULL, "group %u: windows '%s'", want->number, want->windows_why))
                printf("#   have %s\n", g->windows_why);
}

static VfioFacts probe(const Tree *tree) {
        VfioFacts f = {};

        tap_eq(probe_vfio(tree_path(tree, "sys"), tree_path(tree, "dev"), &f), 0, "probed");
        return f;
}

static void test_partition(void) {
        static const GroupWant want[] = {
                { 0, "domain0-pe0", 0, GROUP_EMPTY, "no device", -1, 0, 0, 0, -1, "no device" },
                { 1, "domain1-pe0", 1, GROUP_NOT_BOUND,
                  "0001:00:01.0 is used by the host's driver e1000e: tcectl bind 0001:00:01.0", -1, 0,
                  1 << 30, 0, 1,
                  "by the node of 0001:00:01.0: ibm,dma-window" },
                { 2, NULL, 2, GROUP_PARTIAL, "0002:00:02.0 is still used by the host's driver nvme", -1, 0x100000000, 1 << 29, 0, 0,
                  "ibm,dma-window" },
                { 3, NULL, 4, GROUP_VIABLE, "", 8, 0, 0, 0, 1, "replaced by a 64-bit one" },
                { 10, NULL, 2, GROUP_NOT_BOUND, "0010:01:00.0 has no driver", -1, 0, 0, 0, -1, "no DMA window for 0010:00:00.0" },
                { 11, NULL, 1, GROUP_VFIO_BROKEN, "made no /dev/vfio/11", -1, 0, 0, 0, -1, "not told" },
                { 12, NULL, 1, GROUP_VIABLE, "", -1, 0, 0, 0, -1, "not told" },
        };
        static const unsigned order[] = { 0, 1, 2, 3, 10, 11, 12 };
        Tree tree = tree_new();
        VfioFacts f;
        const GroupFacts *g;

        TREE_ADD(&tree, partition);
        f = probe(&tree);
        tap_ok(f.groups_supported && f.iommu_class && !f.no_maxmem, "groups and PHBs are there, and room for memory");
        tap_streq(platform_to_string(f.platform), "pseries", "a partition");
        tap_eq(f.container_error, ENOENT, "no /dev/vfio/vfio");
        tap_eq(f.n_groups, ELEMENTSOF(order), "as many groups");
        for (size_t i = 0; i < f.n_groups && i < ELEMENTSOF(order); i++)
                tap_eq(f.groups[i].number, order[i], "group %zu in order", i);
        for (size_t i = 0; i < ELEMENTSOF(want); i++)
                check_group(&f, &want[i]);

        g = vfio_facts_find_device(&f, "0002:00:02.0");
        if (tap_ok(g && g->number == 2, "a group by its device")) {
                const DeviceFacts *d = &g->devices[1];
                tap_streq(g->devices[0].address, "0002:00:01.0", "devices are in order");
                tap_ok(d->vendor == 0x1b36 && d->device == 0x10 && d->class_code == 0x010802 && d->is_pci, "ids and class");
                tap_streq(d->driver, "nvme", "its driver");
                tap_eq(d->numa_node, 8, "its NUMA node");
        }
        vfio_facts_clear(&f);
        tree_remove(&tree);
}

/* Bare metal: what the PHB says, for POWER8 and 9, for a device that has no node of its own, and where it is nonsense. */
static const TreeEntry bare_metal[] = {
        BYTES(NODE "ibm,opal/compatible", "ibm,opal-v3\0"),
        DIRECTORY(NODE "rtas"),
        GROUP("0", "0000:01:00.0", "pci0000:00/0000:00:00.0/0000:01:00.0"),
        MODALIAS("pci0000:00/0000:00:00.0/0000:01:00.0", E1000E),
        OF_NODE("pci0000:00/0000:00:00.0/0000:01:00.0", "../../../../", "pciex@0/pci@0/ethernet@0"),
        DIRECTORY(NODE "pciex@0/pci@0/ethernet@0"),
        BYTES(NODE "#address-cells", "\0\0\0\2"),
        BYTES(NODE "pciex@0/ibm,opal-phbid", "\0\0\0\0\0\0\0\1"),
        BYTES(NODE "pciex@0/ibm,supported-tce-sizes", "\0\0\0\x0c\0\0\0\x10\0\0\0\x15\0\0\0\x1e\0\0\0\x63"),
        /* 64-bit memory, then 32-bit memory at 2 GiB */
        BYTES(NODE "pciex@0/ranges", "\x43\0\0\0\0\6\0\0\0\0\0\0\0\6\0\0\0\0\0\0\0\0\0\x40\0\0\0\0"
                                     "\2\0\0\0\0\0\0\0\x80\0\0\0\0\6\0\1\0\0\0\0\0\0\0\0\x7f\xff\0\0"),
        GROUP("1", "0001:01:00.0", "pci0001:00/0001:00:00.0/0001:01:00.0"),
        MODALIAS("pci0001:00/0001:00:00.0/0001:01:00.0", E1000E),
        /* plugged in: only the bridge above it has a node */
        OF_NODE("pci0001:00/0001:00:00.0", "../../../", "pciex@1/pci@0"),
        DIRECTORY(NODE "pciex@1/pci@0"),
        BYTES(NODE "pciex@1/ibm,opal-phbid", "\0\0\0\0\0\0\0\2"),
        BYTES(NODE "pciex@1/compatible", "ibm,power8-pciex\0ibm,ioda2-phb\0"),
        GROUP("2", "0002:01:00.0", "pci0002:00/0002:01:00.0"),
        MODALIAS("pci0002:00/0002:01:00.0", E1000E),
        OF_NODE("pci0002:00/0002:01:00.0", "../../../", "pciex@2"),
        BYTES(NODE "pciex@2/ibm,opal-phbid", "\0\0\0\0\0\0\0\3"),
        BYTES(NODE "pciex@2/compatible", "ibm,ioda3-phb\0"),
        BYTES(NODE "pciex@2/ranges", "\2\0\0\0\0\0"),
        /* a window cut short, and one whose cells are nonsense */
        GROUP("3", "0003:01:00.0", "pci0003:00/0003:01:00.0"),
        MODALIAS("pci0003:00/0003:01:00.0", E1000E),
        OF_NODE("pci0003:00/0003:01:00.0", "../../../", "pciex@3"),
        BYTES(NODE "pciex@3/ibm,dma-window", "\x80\0\1\0\0\0\0\0"),
        GROUP("4", "0004:01:00.0", "pci0004:00/0004:01:00.0"),
        MODALIAS("pci0004:00/0004:01:00.0", E1000E),
        OF_NODE("pci0004:00/0004:01:00.0", "../../../", "pciex@4"),
        BYTES(NODE "pciex@4/ibm,#dma-address-cells", "\xff\xff\xff\xff"),
        BYTES(NODE "pciex@4/ibm,#dma-size-cells", "\xff\xff\xff\xff"),
        BYTES(NODE "pciex@4/ibm,dma-window", "\x80\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\x40\0\0\0"),
        LINK("sys/class/iommu/iommu-phb0000", "../../devices/virtual/iommu/iommu-phb0000"),
};

static void test_bare_metal(void) {
        static const GroupWant want[] = {
                { 0, NULL, 1, GROUP_NOT_BOUND, "has no driver", -1, 0, UINT64_C(1) << 31, 0x40211000, 1, "supported-tce-sizes" },
                { 1, NULL, 1, GROUP_NOT_BOUND, "has no driver", -1, 0, 0, 0x11011000, 1, "supported-tce-sizes" },
                { 2, NULL, 1, GROUP_NOT_BOUND, "has no driver", -1, 0, 0, 0x11000, 1, "supported-tce-sizes" },
                { 3, NULL, 1, GROUP_NOT_BOUND, "has no driver", -1, 0, 0, 0, -1, "not told" },
                { 4, NULL, 1, GROUP_NOT_BOUND, "has no driver", -1, 0, 0, 0, -1, "not told" },
        };
        Tree tree = tree_new();
        VfioFacts f;

        TREE_ADD(&tree, bare_metal);
        f = probe(&tree);
        tap_ok(f.iommu_class && !f.no_maxmem, "a PHB, whose link leads nowhere here; no word about memory");
        tap_streq(platform_to_string(f.platform), "powernv", "bare metal, for all that it has an rtas node");
        for (size_t i = 0; i < ELEMENTSOF(want); i++)
                check_group(&f, &want[i]);
        vfio_facts_clear(&f);
        tree_remove(&tree);
}

/* Kernels 5.19 to 6.3: binding says nothing and does nothing; and a partition that can't grow. */
static const TreeEntry broken_kernel[] = {
        DIRECTORY("sys/class/iommu"),
        BYTES(NODE "rtas/ibm,lrdr-capacity", "\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\1"),
        GROUP("1", "0001:00:01.0", "pci0001:00/0001:00:01.0"),
        MODALIAS("pci0001:00/0001:00:01.0", E1000E),
        TEXT("sys/devices/pci0001:00/0001:00:01.0/driver_override", "vfio-pci\n"),
        GROUP("2", "0002:00:01.0", "pci0002:00/0002:00:01.0"),
        MODALIAS("pci0002:00/0002:00:01.0", E1000E),
        TEXT("sys/devices/pci0002:00/0002:00:01.0/driver_override", "(null)\n"),
        GROUP("3", "0003:00:01.0", "pci0003:00/0003:00:01.0"),
        MODALIAS("pci0003:00/0003:00:01.0", E1000E),
        TEXT("sys/devices/pci0003:00/0003:00:01.0/driver_override", "vfio-pci\n"),
        DRIVER("pci0003:00/0003:00:01.0", "e1000e"),
};

static void test_broken_kernel(void) {
        static const TreeEntry fixed[] = { TEXT("sys/class/iommu/iommu-phb0001", "x") };
        static const GroupWant broken = { 1, NULL, 1, GROUP_VFIO_BROKEN, "0001:00:01.0 is meant for vfio", -1, 0, 0, 0, -1, "" };
        static const GroupWant on_fixed = { 1, NULL, 1, GROUP_NOT_BOUND, "0001:00:01.0 has no driver", -1, 0, 0, 0, -1, "" };
        static const GroupWant others[] = {
                { 2, NULL, 1, GROUP_NOT_BOUND, "has no driver", -1, 0, 0, 0, -1, "" },
                { 3, NULL, 1, GROUP_NOT_BOUND, "host's driver e1000e", -1, 0, 0, 0, -1, "" },
        };
        Tree tree = tree_new();
        VfioFacts f;

        TREE_ADD(&tree, broken_kernel);
        f = probe(&tree);
        tap_ok(!f.iommu_class && f.no_maxmem, "no PHB in the class, and no room for memory");
        check_group(&f, &broken);
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                check_group(&f, &others[i]);
        vfio_facts_clear(&f);
        TREE_ADD(&tree, fixed);
        f = probe(&tree);
        check_group(&f, &on_fixed);
        vfio_facts_clear(&f);
        tree_remove(&tree);
}

/* Devices that go away while they are read, links with a suffix, devices that are not PCI's, attributes of no kind. */
static const TreeEntry odd[] = {
        GROUP("1", "0001:00:01.0", "gone"),
        GROUP("1", "0001:00:02.0", "going"),
        DIRECTORY("sys/devices/going"),
        /* another name than its device's */
        GROUP("2", "0002:00:01.0.1", "pci0002:00/0002:00:01.0"),
        MODALIAS("pci0002:00/0002:00:01.0", E1000E),
        /* no modalias: the three files */
        GROUP("3", "0003:00:01.0", "pci0003:00/0003:00:01.0"),
        TEXT("sys/devices/pci0003:00/0003:00:01.0/vendor", "0x8086\n"),
        TEXT("sys/devices/pci0003:00/0003:00:01.0/device", "0x10d3\n"),
        TEXT("sys/devices/pci0003:00/0003:00:01.0/class", "0x020000\n"),
        /* no PCI device */
        GROUP("4", "dma-engine", "platform/dma-engine"),
        MODALIAS("platform/dma-engine", "of:NdmaT(null)Carm,pl330"),
        TEXT("sys/devices/platform/dma-engine/uevent", "DRIVER=pl330\n"),
        NVLINK2("sys/devices/platform/dma-engine/of_node"),
        DRIVER("platform/dma-engine", "dma-pl330"),
        /* nonsense */
        GROUP("5", "0005:00:01.0", "pci0005:00/0005:00:01.0"),
        TEXT("sys/devices/pci0005:00/0005:00:01.0/vendor", "0x18086\n"),
        TEXT("sys/devices/pci0005:00/0005:00:01.0/uevent", "x\n"),
        TEXT("sys/devices/pci0005:00/0005:00:01.0/numa_node", "99999999999\n"),
        /* a directory where a link is expected */
        MODALIAS("unused", "x"),
        TEXT("sys/kernel/iommu_groups/6/devices/0006:00:01.0/modalias", E1000E),
        /* no devices folder: the group itself is going */
        DIRECTORY("sys/kernel/iommu_groups/7"),
        TEXT("sys/kernel/iommu_groups/8", "a file\n"),
};

static void test_odd(void) {
        static const GroupWant want[] = {
                { 1, NULL, 0, GROUP_EMPTY, "no device", -1, 0, 0, 0, -1, "no device" },
                { 2, NULL, 1, GROUP_NOT_BOUND, "0002:00:01.0 has no driver", -1, 0, 0, 0, -1, "no device" },
                { 3, NULL, 1, GROUP_NOT_BOUND, "0003:00:01.0 has no driver", -1, 0, 0, 0, -1, "no DMA window" },
                { 4, NULL, 1, GROUP_NOT_BOUND, "host's driver dma-pl330", -1, 0, 0, 0, -1, "no DMA window" },
                { 5, NULL, 1, GROUP_NOT_BOUND, "has no driver", -1, 0, 0, 0, -1, "no DMA window" },
                { 6, NULL, 1, GROUP_NOT_BOUND, "0006:00:01.0 has no driver", -1, 0, 0, 0, -1, "no DMA window" },
        };
        Tree tree = tree_new();
        VfioFacts f;

        TREE_ADD(&tree, odd);
        f = probe(&tree);
        tap_eq(f.n_groups, ELEMENTSOF(want), "what is no group is left out");
        for (size_t i = 0; i < ELEMENTSOF(want); i++)
                check_group(&f, &want[i]);
        if (f.n_groups == ELEMENTSOF(want)) {
                tap_ok(f.groups[2].devices[0].vendor == 0x8086 && f.groups[2].devices[0].class_code == 0x020000,
                       "ids by three files");
                tap_ok(!f.groups[3].devices[0].is_pci && !f.groups[4].devices[0].is_pci, "what has no ids is not PCI's");
                tap_ok(!f.groups[3].devices[0].nvlink2, "nor NVLink2, whatever its node has");
        }
        vfio_facts_clear(&f);
        tree_remove(&tree);
}

/* Names come from this machine's hardware database, if it has one. */
static void test_names(void) {
        static const TreeEntry entries[] = {
                GROUP("3", "0003:00:01.0", "pci0003:00/0003:00:01.0"),
                TEXT("sys/devices/pci0003:00/0003:00:01.0/vendor", "0x8086\n"),
                TEXT("sys/devices/pci0003:00/0003:00:01.0/device", "0x10d3\n"),
                TEXT("sys/devices/pci0003:00/0003:00:01.0/class", "0x020000\n"),
                GROUP("4", "0004:00:01.0", "pci0004:00/0004:00:01.0"),
                MODALIAS("pci0004:00/0004:00:01.0", E1000E),
                GROUP("5", "0005:00:01.0", "pci0005:00/0005:00:01.0"),
                MODALIAS("pci0005:00/0005:00:01.0", "pci:v0000FEEDd0000BEEFsv00000000sd00000000bcFFscFFiFF"),
        };
        bool there = access("/usr/lib/udev/hwdb.bin", R_OK) == 0 || access("/etc/udev/hwdb.bin", R_OK) == 0;
        Tree tree = tree_new();
        VfioFacts f;

        TREE_ADD(&tree, entries);
        f = probe(&tree);
        tap_eq(f.n_groups, 3, "three groups");
        for (size_t i = 0; there && i < 2 && i < f.n_groups; i++) {
                tap_streq(f.groups[i].devices[0].vendor_name, "Intel Corporation", "vendor of group %zu", i);
                tap_streq(f.groups[i].devices[0].device_name, "82574L Gigabit Network Connection", "device of group %zu", i);
                tap_streq(f.groups[i].devices[0].class_name, "Ethernet controller", "class of group %zu", i);
        }
        if (!there)
                tap_skip("this machine has no hwdb.bin", "names");
        tap_streq(f.groups[2].devices[0].vendor_name, NULL, "a vendor that nobody knows");
        vfio_facts_clear(&f);
        tree_remove(&tree);
}

static void test_nothing(void) {
        static const TreeEntry container[] = { TEXT("dev/vfio/vfio", "x") };
        Tree tree = tree_new();
        VfioFacts f = probe(&tree);

        tap_ok(!f.groups_supported && f.n_groups == 0 && !f.iommu_class && !f.no_maxmem, "a host with nothing at all");
        tap_streq(platform_to_string(f.platform), "other", "no device tree: neither platform");
        tap_eq(f.container_error, ENOENT, "no container");
        tap_ok(f.extension[6].id == 7 && streq(f.extension[6].name, "VFIO_SPAPR_TCE_v2_IOMMU") && f.extension[6].value == 0,
               "extensions are listed all the same");
        vfio_facts_clear(&f);
        TREE_ADD(&tree, container);
        f = probe(&tree);
        tap_eq(f.container_error, 0, "a container that answers nothing");
        for (size_t i = 0; i < VFIO_EXTENSIONS_MAX; i++)
                tap_ok(f.extension[i].value == 0 && f.extension[i].name, "extension %u is 0", f.extension[i].id);
        vfio_facts_clear(&f);
        tree_remove(&tree);
}

/* An NVLink2 device has four properties, by which libvirt knows it; a device tree may as well be that of another machine. */
static const TreeEntry nvlink2[] = {
        TEXT(NODE "model", "a board of another kind"),
        NVLINK2(NODE "pciex@4/gpu@0"),
        GROUP("1", "0004:04:00.0", "pci0004:00/0004:04:00.0"),
        MODALIAS("pci0004:00/0004:04:00.0", "pci:v000010DEd00001DB1sv000010DEsd00001212bc03sc02i00"),
        OF_NODE("pci0004:00/0004:04:00.0", "../../../", "pciex@4/gpu@0"),
        /* all but one: a GPU without links */
        BYTES(NODE "pciex@4/gpu@1/ibm,gpu", "\0\0\0\1"),
        BYTES(NODE "pciex@4/gpu@1/ibm,nvlink", "\0\0\0\1"),
        BYTES(NODE "pciex@4/gpu@1/memory-region", "\0\0\0\2"),
        GROUP("1", "0004:05:00.0", "pci0004:00/0004:05:00.0"),
        MODALIAS("pci0004:00/0004:05:00.0", E1000E),
        OF_NODE("pci0004:00/0004:05:00.0", "../../../", "pciex@4/gpu@1"),
        /* no node of its own: the bridge's are not its */
        GROUP("1", "0004:06:00.0", "pci0004:00/0004:06:00.0"),
        MODALIAS("pci0004:00/0004:06:00.0", E1000E),
};

static void test_nvlink2(void) {
        Tree tree = tree_new();
        VfioFacts f;

        TREE_ADD(&tree, nvlink2);
        f = probe(&tree);
        tap_streq(platform_to_string(f.platform), "other", "a device tree without OPAL and RTAS");
        if (tap_ok(f.n_groups == 1 && f.groups[0].n_devices == 3, "three devices")) {
                tap_ok(f.groups[0].devices[0].nvlink2, "a node with all four properties");
                tap_ok(!f.groups[0].devices[1].nvlink2, "one is missing");
                tap_ok(!f.groups[0].devices[2].nvlink2, "no node");
        }
        vfio_facts_clear(&f);
        tree_remove(&tree);
}

/* Read twice, nothing has changed: there is nothing to announce. */
static void test_stable(void) {
        Tree tree = tree_new();
        VfioFacts a, b;

        TREE_ADD(&tree, partition);
        a = probe(&tree);
        b = probe(&tree);
        tap_eq(a.n_groups, b.n_groups, "as many groups");
        for (size_t i = 0; i < a.n_groups && i < b.n_groups; i++)
                tap_ok(group_facts_equal(&a.groups[i], &b.groups[i]), "group %u is the same", a.groups[i].number);
        vfio_facts_clear(&a);
        vfio_facts_clear(&b);
        tree_remove(&tree);
}

int main(void) {
        test_partition();
        test_bare_metal();
        test_broken_kernel();
        test_odd();
        test_names();
        test_nvlink2();
        test_nothing();
        test_stable();
        return tap_done();
}
