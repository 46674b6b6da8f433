/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* 64 PHBs with 255 bridges each; behind each bridge a slot, which is a group, with a card of four functions. Files of one content are one file with
 * many names: a page each would be 2 GiB. */

#include "scan.h"

#include <fcntl.h>
#include <ftw.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "bench.h"
#include "util.h"

#define SLOTS 255U /* of a PHB */
#define NODE "pci@80000002%07x"

static const struct {
        const char *modalias, *uevent, *node, *host_driver;
} functions[SCAN_DEVICES] = {
        { "pci:v000015B3d00001017sv00001014sd0000061Abc02sc00i00\n", "PCI_CLASS=20000\nPCI_ID=15B3:1017\n", "ethernet@0", "mlx5_core" },
        { "pci:v000015B3d00001017sv00001014sd0000061Abc02sc00i00\n", "PCI_CLASS=20000\nPCI_ID=15B3:1017\n", "ethernet@0,1", "mlx5_core" },
        { "pci:v0000144Dd0000A824sv00001014sd000006A2bc01sc08i02\n", "PCI_CLASS=10802\nPCI_ID=144D:A824\n", "nvme@0,2", "nvme" },
        { "pci:v000010DFd0000F400sv00001014sd0000061Bbc0Csc04i00\n", "PCI_CLASS=C0400\nPCI_ID=10DF:F400\n", "fibre-channel@0,3", "lpfc" },
};

static int fd_of(int fd, const char *what) {
        return bench_must(fd < 0 ? -errno : fd, what);
}

static int open_below(int dir, const char *name) {
        return fd_of(openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), name);
}

/* Makes the folder and all above it. */
static void make_folders(int dir, const char *name) {
        char path[256];

        (void) snprintf(path, sizeof(path), "%s/", name);
        for (char *slash = path; (slash = strchr(slash, '/')); *slash++ = '/') {
                *slash = '\0';
                if (mkdirat(dir, path, 0755) < 0 && errno != EEXIST)
                        bench_fail("mkdir %s: %s", path, strerror(errno));
        }
}

static int make_folder(int dir, const char *name) {
        make_folders(dir, name);
        return open_below(dir, name);
}

static void put_file(int dir, const char *name, const void *data, size_t size) {
        _cleanup_fd_ int fd = fd_of(openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644), name);

        if (write(fd, data, size) != (ssize_t) size)
                bench_fail("write %s: %s", name, strerror(errno));
}

static void put_text(int dir, const char *name, const char *text) {
        put_file(dir, name, text, strlen(text));
}

/* The same thing, a file or a link, by one more name. */
static void put_again(int from, const char *old, int dir, const char *name) {
        (void) bench_must(linkat(from, old, dir, name, 0) < 0 ? -errno : 0, name);
}

static void put_link(int dir, const char *name, const char *format, ...) _printf_(3, 4);
static void put_link(int dir, const char *name, const char *format, ...) {
        char target[256];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(target, sizeof(target), format, ap);
        va_end(ap);
        (void) bench_must(symlinkat(target, dir, name) < 0 ? -errno : 0, name);
}

/* What all devices share. */
static int make_pool(int root) {
        static const char *const drivers[] = { "vfio-pci", "mlx5_core", "nvme", "lpfc" };
        int pool = make_folder(root, "pool");
        char name[32];

        for (unsigned i = 0; i < SCAN_DEVICES; i++) {
                (void) snprintf(name, sizeof(name), "modalias%u", i);
                put_text(pool, name, functions[i].modalias);
                (void) snprintf(name, sizeof(name), "uevent%u", i);
                put_text(pool, name, functions[i].uevent);
        }
        for (size_t i = 0; i < ELEMENTSOF(drivers); i++)
                put_link(pool, drivers[i], "../../../../bus/pci/drivers/%s", drivers[i]);
        put_link(pool, "subsystem", "../../../../bus/pci");
        put_text(pool, "numa_node0", "0\n");
        put_text(pool, "numa_node1", "8\n");
        put_text(pool, "sriov_totalvfs", "64\n");
        put_text(pool, "sriov_offset", "1\n");
        put_text(pool, "sriov_stride", "1\n");
        put_text(pool, "address", "00:00:5e:00:53:01\n");
        put_text(pool, "node", "x");
        for (unsigned i = 0; i < SLOTS; i++) {
                char text[32];

                (void) snprintf(name, sizeof(name), "name%u", i);
                (void) snprintf(text, sizeof(text), "domain%u-pe%02x\n", i % 64, i);
                put_text(pool, name, text);
        }
        return pool;
}

void scan_device_address(unsigned group, unsigned function, char ret[16]) {
        (void) snprintf(ret, 16, "%04x:%02x:00.%x", group / SLOTS & 0xffff, group % SLOTS + 1, function & 7);
}

static void bridge_address(unsigned group, char ret[16]) {
        unsigned slot = group % SLOTS;

        (void) snprintf(ret, 16, "%04x:00:%02x.%x", group / SLOTS & 0xffff, slot / 8, slot % 8);
}

/* As a partition's firmware has it: the window is the PHB's. */
static void make_phb(int sys, unsigned phb) {
        static const uint8_t window[20] = { 0x80, 0, 0, 1, [16] = 0x40 }, two[4] = { [3] = 2 }, three[4] = { [3] = 3 };
        char path[96];
        int fd;

        (void) snprintf(path, sizeof(path), "firmware/devicetree/base/" NODE, phb);
        fd = make_folder(sys, path);
        put_file(fd, "ibm,dma-window", window, sizeof(window));
        put_file(fd, "#address-cells", three, sizeof(three));
        put_file(fd, "#size-cells", two, sizeof(two));
        put_file(fd, "ibm,#dma-address-cells", two, sizeof(two));
        put_file(fd, "ibm,#dma-size-cells", two, sizeof(two));
        put_file(fd, "ibm,ddw-applicable", window, 12);
        (void) close(fd);
        (void) snprintf(path, sizeof(path), "devices/pci%04x:00/pci_bus/%04x:00", phb, phb);
        fd = make_folder(sys, path);
        put_link(fd, "of_node", "../../../../firmware/devicetree/base/" NODE, phb);
        (void) close(fd);
}

static void put_network(int device, int pool) {
        int fd = make_folder(device, "net/enP1p1s0f0");

        put_again(pool, "address", fd, "address");
        (void) close(fd);
}

/* What sysfs has of a device, as far as anybody here reads it. first: the folder of the group's first. */
static void fill_device(int device, int first, int pool, unsigned group, unsigned function) {
        char name[32], target[16];

        (void) snprintf(name, sizeof(name), "modalias%u", function);
        put_again(pool, name, device, "modalias");
        (void) snprintf(name, sizeof(name), "uevent%u", function);
        put_again(pool, name, device, "uevent");
        (void) snprintf(name, sizeof(name), "numa_node%u", group / SLOTS % 2);
        put_again(pool, name, device, "numa_node");
        put_again(pool, group % 4 == 0 ? functions[function].host_driver : "vfio-pci", device, "driver");
        put_again(pool, "subsystem", device, "subsystem");
        if (function == 0) {
                put_link(device, "iommu_group", "../../../../kernel/iommu_groups/%u", group);
                put_link(device, "of_node", "../../../../firmware/devicetree/base/" NODE "/pci@%x,%x/ethernet@0", group / SLOTS,
                         group % SLOTS / 8, group % SLOTS % 8);
                put_again(pool, "sriov_totalvfs", device, "sriov_totalvfs");
                put_again(pool, "sriov_offset", device, "sriov_offset");
                put_again(pool, "sriov_stride", device, "sriov_stride");
        } else {
                put_again(first, "iommu_group", device, "iommu_group");
                put_again(first, "of_node", device, "of_node");
        }
        if (function == 0 && group % 4 == 0)
                put_network(device, pool);
        if (function == 1 && group % 4 == 1) {
                scan_device_address(group, 0, target);
                put_link(device, "physfn", "../%s", target);
        }
}

static void make_group(const ScanTree *tree, int pool, int vfio, int all, unsigned group) {
        char bridge[16], address[16], path[96], name[32];
        _cleanup_fd_ int above = -EBADF, first = -EBADF, fd = -EBADF, devices = -EBADF;

        bridge_address(group, bridge);
        (void) snprintf(path, sizeof(path), "firmware/devicetree/base/" NODE "/pci@%x,%x/ethernet@0", group / SLOTS, group % SLOTS / 8,
                        group % SLOTS % 8);
        make_folders(tree->sys_fd, path);
        (void) snprintf(path, sizeof(path), "devices/pci%04x:00/%s", group / SLOTS, bridge);
        above = make_folder(tree->sys_fd, path);
        (void) snprintf(path, sizeof(path), "kernel/iommu_groups/%u", group);
        fd = make_folder(tree->sys_fd, path);
        (void) snprintf(name, sizeof(name), "name%u", group % SLOTS);
        put_again(pool, name, fd, "name");
        devices = make_folder(fd, "devices");
        for (unsigned i = 0; i < SCAN_DEVICES; i++) {
                int device;

                scan_device_address(group, i, address);
                device = make_folder(above, address);
                fill_device(device, first, pool, group, i);
                put_link(devices, address, "../../../../devices/pci%04x:00/%s/%s", group / SLOTS, bridge, address);
                put_link(all, address, "../../../devices/pci%04x:00/%s/%s", group / SLOTS, bridge, address);
                if (i == 0)
                        first = device;
                else
                        (void) close(device);
        }
        (void) snprintf(name, sizeof(name), "%u", group);
        if (group % 4 != 0)
                put_again(pool, "node", vfio, name);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void) st;
        (void) type;
        (void) ftw;
        return remove(path);
}

/* The one that there is, and whose it is: a child that fails leaves it alone. */
static char made[48];
static pid_t maker;

/* Also where the program fails: it takes some hundred MiB. */
static void remove_made(void) {
        if (*made && maker == getpid())
                (void) nftw(made, remove_one, 64, FTW_DEPTH | FTW_PHYS);
        *made = '\0';
}

ScanTree scan_tree_make(unsigned groups) {
        ScanTree tree = { .root = "/dev/shm/tced-bench-XXXXXX", .groups = groups, .sys_fd = -EBADF };
        _cleanup_fd_ int root = -EBADF, pool = -EBADF, vfio = -EBADF, all = -EBADF;
        struct statfs fs;

        if (!mkdtemp(tree.root) || statfs(tree.root, &fs) < 0 || fs.f_type != TMPFS_MAGIC)
                bench_fail("%s is not to be had, or no tmpfs", tree.root);
        if (maker != getpid())
                (void) atexit(remove_made);
        maker = getpid();
        strcpy(made, tree.root);
        (void) chmod(tree.root, 0755);
        (void) snprintf(tree.sys, sizeof(tree.sys), "%s/sys", tree.root);
        (void) snprintf(tree.dev, sizeof(tree.dev), "%s/dev", tree.root);
        root = open_below(AT_FDCWD, tree.root);
        pool = make_pool(root);
        vfio = make_folder(root, "dev/vfio");
        tree.sys_fd = make_folder(root, "sys");
        all = make_folder(tree.sys_fd, "bus/pci/devices");
        make_folders(tree.sys_fd, "class/iommu/iommu-phb0000");
        make_folders(tree.sys_fd, "firmware/devicetree/base/rtas");
        make_folders(tree.sys_fd, "kernel/iommu_groups");
        for (unsigned i = 0; i < groups; i++) {
                if (i % SLOTS == 0)
                        make_phb(tree.sys_fd, i / SLOTS);
                make_group(&tree, pool, vfio, all, i);
        }
        return tree;
}

void scan_tree_remove(ScanTree *tree) {
        tree->sys_fd = fd_close(tree->sys_fd);
        remove_made();
}

void scan_device_drive(const ScanTree *tree, unsigned group, unsigned function, const char *driver) {
        char address[16], path[64];

        scan_device_address(group, function, address);
        (void) snprintf(path, sizeof(path), "bus/pci/devices/%s/driver", address);
        (void) unlinkat(tree->sys_fd, path, 0);
        put_link(tree->sys_fd, path, "../../../../bus/pci/drivers/%s", driver);
}
