/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The limit of a scan: the system calls by which the same facts are had, each made once, and nothing done with what they give. What is the same for
 * many groups (the windows of their PHB, what that is called) is read for the first of them alone. */

#include "scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "bench.h"
#include "util.h"

/* Where in a modalias the class stands: "pci:v000015B3d00001017sv00001014sd0000061Abc02". */
#define CLASS_AT 44U

typedef struct Bare {
        ScanCount count;
        int groups, nodes;
        char phb[16];     /* the root bus whose PHB was asked last */
        char window[256]; /* the node that was found to have the window last */
} Bare;

/* Open, read, close. The length, or -1. */
static ssize_t take(int dir, const char *name, char *buf, size_t size) {
        int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return -1;
        n = read(fd, buf, size);
        (void) close(fd);
        return n;
}

/* Where a link leads; its length, or -1. */
static ssize_t follow(int dir, const char *name, char *buf, size_t size) {
        ssize_t n = readlinkat(dir, name, buf, size - 1);

        if (n >= 0)
                buf[n] = '\0';
        return n;
}

/* The names in a folder, one after the other, which ends with an empty one. */
static void list(int fd, char *names, size_t size) {
        char buf[8192] __attribute__((__aligned__(8)));
        ssize_t n;
        char *end = names;

        while ((n = getdents64(fd, buf, sizeof(buf))) > 0)
                for (ssize_t at = 0; at < n;) {
                        const struct dirent64 *entry = (const struct dirent64 *) (buf + at);
                        size_t length = strlen(entry->d_name) + 1;

                        if (entry->d_name[0] != '.' && (size_t) (end - names) + length < size)
                                end = mempcpy(end, entry->d_name, length);
                        at += entry->d_reclen;
                }
        *end = '\0';
}

/* The interface and its address; of a virtual function that has none, those that its physical one's word on it would come from. */
static void read_network(Bare *b, int device, bool virtual) {
        char names[512], path[600], buf[128];
        int net = openat(device, "net", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (net < 0 && virtual)
                net = openat(device, "physfn/net", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (net < 0)
                return;
        list(net, names, sizeof(names));
        (void) snprintf(path, sizeof(path), "%s/address", names);
        b->count.macs += !virtual && *names && take(net, path, buf, sizeof(buf)) > 0;
        (void) close(net);
}

static void read_device(Bare *b, int devices, const char *name, char way[static 256]) {
        char buf[256];
        bool network, virtual;
        int device;

        if (follow(devices, name, way, 256) < 0)
                return;
        device = openat(devices, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (device < 0)
                return;
        b->count.devices++;
        b->count.modaliases += take(device, "modalias", buf, sizeof(buf)) > 0;
        network = memcmp(buf + CLASS_AT, "02", 2) == 0;
        b->count.drivers += follow(device, "driver", buf, sizeof(buf)) > 0;
        b->count.numa_nodes += take(device, "numa_node", buf, sizeof(buf)) > 0;
        virtual = follow(device, "physfn", buf, sizeof(buf)) > 0;
        b->count.physfns += virtual;
        if (virtual)
                b->count.vf_numbers += take(device, "physfn/sriov_offset", buf, sizeof(buf)) > 0 &&
                                       take(device, "physfn/sriov_stride", buf, sizeof(buf)) > 0;
        else
                b->count.totals += take(device, "sriov_totalvfs", buf, sizeof(buf)) > 0;
        if (network)
                read_network(b, device, virtual);
        (void) close(device);
}

/* Is the window at this node? */
static bool read_node(int node) {
        static const char *const cells[] = { "#address-cells", "ibm,#dma-address-cells", "#size-cells", "ibm,#dma-size-cells" };
        char buf[64];

        if (take(node, "ibm,dma-window", buf, sizeof(buf)) < 0) {
                (void) faccessat(node, "linux,direct64-ddr-window-info", F_OK, 0);
                (void) faccessat(node, "linux,dma64-ddr-window-info", F_OK, 0);
                (void) faccessat(node, "ibm,opal-phbid", F_OK, 0);
                return false;
        }
        for (size_t i = 0; i < ELEMENTSOF(cells); i++)
                (void) take(node, cells[i], buf, sizeof(buf));
        return faccessat(node, "ibm,ddw-applicable", F_OK, 0) == 0;
}

/* From the node of its first device up, to the one that was asked last or has it. */
static void read_windows(Bare *b, int devices, const char *first) {
        char path[2100], name[256];
        int node, above;
        bool found;

        (void) snprintf(path, sizeof(path), "%s/of_node", first);
        if (follow(devices, path, name, sizeof(name)) < 0)
                return;
        found = streq(name, b->window);
        node = found ? -1 : openat(devices, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        while (node >= 0) {
                if (read_node(node)) {
                        (void) close(node);
                        (void) snprintf(b->window, sizeof(b->window), "%s", name);
                        found = true;
                        break;
                }
                *strrchr(name, '/') = '\0';
                found = streq(name, b->window);
                above = found ? -1 : openat(node, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
                (void) close(node);
                node = above;
        }
        b->count.windows += found;
}

/* By the root bus, which its device's link leads over: "../../../../devices/pci0001:00/...". */
static void read_phb(Bare *b, const char *way) {
        const char *root = way + strlen("../../../../devices/"), *end = strchr(root, '/');
        char path[64], buf[256];

        if ((size_t) (end - root) == strlen(b->phb) && memcmp(root, b->phb, (size_t) (end - root)) == 0) {
                b->count.phbs++;
                return;
        }
        (void) snprintf(b->phb, sizeof(b->phb), "%.*s", (int) (end - root), root);
        (void) snprintf(path, sizeof(path), "../../devices/%s/pci_bus/%s/of_node", b->phb, b->phb + strlen("pci"));
        b->count.phbs += follow(b->groups, path, buf, sizeof(buf)) > 0;
}

static void read_group(Bare *b, const char *number) {
        char path[64], buf[128], names[2048], way[256] = "", *first = names, *name;
        int devices;

        (void) snprintf(path, sizeof(path), "%.20s/name", number);
        b->count.names += take(b->groups, path, buf, sizeof(buf)) > 0;
        (void) snprintf(path, sizeof(path), "%.20s/devices", number);
        devices = openat(b->groups, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (devices < 0)
                return;
        b->count.groups++;
        list(devices, names, sizeof(names));
        for (name = names; *name; name += strlen(name) + 1) {
                read_device(b, devices, name, way);
                if (strcmp(name, first) < 0)
                        first = name;
        }
        read_windows(b, devices, first);
        read_phb(b, way);
        (void) close(devices);
        /* The host's own has no node, and is known by its drivers. */
        if (strtoul(number, NULL, 10) % 4 != 0)
                b->count.nodes += faccessat(b->nodes, number, F_OK, 0) == 0;
}

ScanCount scan_bare(const ScanTree *tree) {
        char path[96];
        static char names[1024 * 1024];
        Bare b = {};
        int fd;

        (void) snprintf(path, sizeof(path), "%s/kernel/iommu_groups", tree->sys);
        b.groups = fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        (void) snprintf(path, sizeof(path), "%s/vfio", tree->dev);
        b.nodes = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (b.groups < 0 || b.nodes < 0)
                bench_fail("no groups to read in %s", tree->root);
        list(fd, names, sizeof(names));
        for (const char *name = names; *name; name += strlen(name) + 1)
                read_group(&b, name);
        (void) close(b.groups);
        (void) close(b.nodes);
        return b.count;
}
