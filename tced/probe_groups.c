/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One IOMMU group and its devices. Of a device's attributes only those are read that the kernel gives without its device lock:
 * an unbind that waits for a VMM holds that lock, and `uevent` (on some kernels) and `driver_override` wait for it. */

#include "probe_groups.h"

#include <dirent.h>
#include <limits.h>

#include "probe_vfio.h"
#include "util.h"

#define PCI_CLASS_DISPLAY 0x03U
#define PCI_CLASS_BRIDGE 0x06U

/* The last part of where a link leads; NULL where it is none. buf holds it. */
static const char *read_link_name(int dir, const char *name, char buf[PATH_MAX]) {
        ssize_t n = readlinkat(dir, name, buf, PATH_MAX - 1);
        const char *slash;

        if (n < 0)
                return NULL;
        buf[n] = '\0';
        slash = strrchr(buf, '/');
        return slash ? slash + 1 : buf;
}

/* What can't be opened is gone, unless it is tced that lacks something: then nothing is known of it. */
static int gone(int error) {
        return error == EMFILE || error == ENFILE || error == ENOMEM ? -error : -ENOENT;
}

/* sysfs writes "0x8086". */
static bool read_hex(int dir, const char *name, uint64_t max, uint64_t *ret) {
        char text[32];
        return read_attribute_at(dir, name, text, sizeof(text)) > 0 && parse_u64(text, max, ret) >= 0;
}

/* A tag and so many digits, as modalias_show() writes them: "bc02". Goes on behind them. */
static bool take_hex(const char **text, const char *tag, unsigned digits, uint32_t *ret) {
        size_t length = strlen(tag);
        uint32_t value = 0;

        if (strncmp(*text, tag, length) != 0)
                return false;
        *text += length;
        for (; digits > 0; digits--, (*text)++) {
                unsigned char c = (unsigned char) **text;

                if (c >= '0' && c <= '9')
                        value = value << 4 | (c - '0');
                else if (c >= 'A' && c <= 'F')
                        value = value << 4 | (c - 'A' + 10U);
                else
                        return false;
        }
        *ret = value;
        return true;
}

/* sscanf() would take as long as the kernel for the read. */
static bool parse_modalias(const char *text, DeviceFacts *d) {
        uint32_t vendor, device, sub_vendor, sub_device, base, sub, interface;

        if (!take_hex(&text, "pci:v", 8, &vendor) || !take_hex(&text, "d", 8, &device) || !take_hex(&text, "sv", 8, &sub_vendor) ||
            !take_hex(&text, "sd", 8, &sub_device) || !take_hex(&text, "bc", 2, &base) || !take_hex(&text, "sc", 2, &sub) ||
            !take_hex(&text, "i", 2, &interface))
                return false;
        d->vendor = (uint16_t) vendor;
        d->device = (uint16_t) device;
        d->class_code = base << 16 | sub << 8 | interface;
        return true;
}

/* One modalias holds what three files do (drivers/pci/pci-sysfs.c:modalias_show); the three where it is not there. */
static bool read_ids(int dir, char *modalias, size_t size, DeviceFacts *d) {
        uint64_t numbers[3];

        if (read_attribute_at(dir, "modalias", modalias, size) > 0 && parse_modalias(modalias, d))
                return true;
        if (!read_hex(dir, "vendor", UINT16_MAX, &numbers[0]) || !read_hex(dir, "device", UINT16_MAX, &numbers[1]) ||
            !read_hex(dir, "class", 0xffffff, &numbers[2]))
                return false;
        d->vendor = (uint16_t) numbers[0];
        d->device = (uint16_t) numbers[1];
        d->class_code = (uint32_t) numbers[2];
        (void) snprintf(modalias, size, "pci:v%08Xd%08Xsv00000000sd00000000bc%02Xsc%02Xi%02X", d->vendor, d->device,
                        d->class_code >> 16, d->class_code >> 8 & 0xff, d->class_code & 0xff);
        return true;
}

/* All four, as libvirt has it (src/qemu/qemu_domain.c:ppc64VFIODeviceIsNV2Bridge): its limit of locked memory counts on it. Only bridges
 * and GPUs have them: the rest is not asked. */
static bool is_nvlink2(int dir, const DeviceFacts *d) {
        static const char *const properties[] = { "ibm,gpu", "ibm,nvlink", "ibm,nvlink-speed", "memory-region" };

        if (d->class_code >> 16 != PCI_CLASS_BRIDGE && d->class_code >> 16 != PCI_CLASS_DISPLAY)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(properties); i++) {
                char path[64];

                (void) snprintf(path, sizeof(path), "of_node/%s", properties[i]);
                if (faccessat(dir, path, F_OK, 0) < 0)
                        return false;
        }
        return true;
}

/* -1 is what the kernel says where there is none, and what is left of anything else. */
static int read_numa_node(int dir) {
        char text[16];
        uint64_t node;

        if (read_attribute_at(dir, "numa_node", text, sizeof(text)) <= 0 || parse_u64(text, INT32_MAX, &node) < 0)
                return -1;
        return (int) node;
}

/* Its address and the way to it. The link's own name may have got a suffix (drivers/iommu/iommu.c:iommu_group_alloc_device): its target
 * has not. */
static int device_read_address(const GroupReader *reader, int devices, const char *name, DeviceFacts *d, char root[ROOT_BUS_MAX]) {
        char target[PATH_MAX];
        const char *slash;
        ssize_t n = readlinkat(devices, name, target, sizeof(target) - 1);

        *root = '\0';
        if (n < 0 && errno != EINVAL)
                return gone(errno);
        if (n > 0)
                target[n] = '\0';
        else
                (void) snprintf(target, sizeof(target), "%s", name);
        slash = strrchr(target, '/');
        d->address = texts_add(&reader->scratch->texts, slash ? slash + 1 : target);
        return d->address ? device_read_way(reader, target, d, root) : -ENOMEM;
}

/* The device that `name` in the group's devices/ leads to, its directory being dir. -ENOENT where it is gone. */
static int device_read(const GroupReader *reader, int devices, const char *name, int dir, DeviceFacts *ret, char root[ROOT_BUS_MAX]) {
        DeviceFacts d = { .vf = -1 };
        char modalias[128], target[PATH_MAX];
        const char *driver;
        int r;

        r = device_read_address(reader, devices, name, &d, root);
        if (r < 0)
                return r;
        d.is_pci = read_ids(dir, modalias, sizeof(modalias), &d);
        if (!d.is_pci && faccessat(dir, "uevent", F_OK, 0) < 0)
                return -ENOENT;
        if (d.is_pci && device_read_names(reader->names, modalias, &d) < 0)
                return -ENOMEM;
        driver = read_link_name(dir, "driver", target);
        d.driver = driver ? texts_add(&reader->scratch->texts, driver) : NULL;
        if (driver && !d.driver)
                return -ENOMEM;
        d.numa_node = read_numa_node(dir);
        d.nvlink2 = d.is_pci && is_nvlink2(dir, &d);
        r = d.is_pci ? device_read_topology(reader, dir, &d) : 0;
        if (r < 0)
                return r;
        *ret = d;
        return 0;
}

static int compare_devices(const void *a, const void *b) {
        return strcmp(((const DeviceFacts *) a)->address, ((const DeviceFacts *) b)->address);
}

/* Devices as they are found. */
typedef struct Devices {
        char root[ROOT_BUS_MAX]; /* of all of them; "": of none yet, or not the same */
        bool several;
} Devices;

/* A link whose device is gone can't be opened; one that is going has lost its attributes. Neither is an error. */
static int add_device(const GroupReader *reader, int devices, const char *name, Devices *found, GroupFacts *g) {
        _cleanup_fd_ int dir = openat(devices, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        char root[ROOT_BUS_MAX];
        int r;

        if (dir < 0)
                return gone(errno);
        if (ARRAY_RESERVE(reader->scratch->devices, reader->scratch->allocated, g->n_devices + 1) < 0)
                return -ENOMEM;
        g->devices = reader->scratch->devices;
        r = device_read(reader, devices, name, dir, &g->devices[g->n_devices], root);
        if (r < 0)
                return r;
        if (g->n_devices++ == 0)
                memcpy(found->root, root, sizeof(root));
        found->several |= !streq(found->root, root);
        return 0;
}

/* readdir gives them in no order; people and comparisons want one. */
static int read_devices(const GroupReader *reader, int devices, GroupFacts *g) {
        char buf[8192] __attribute__((__aligned__(__alignof__(struct dirent64))));
        Devices found = {};
        ssize_t n;

        /* readdir() would ask for 32 KiB, and the kernel what kind of file it is, for each of them. */
        while ((n = getdents64(devices, buf, sizeof(buf))) > 0)
                for (ssize_t at = 0; at < n;) {
                        const struct dirent64 *entry = (const struct dirent64 *) (buf + at);
                        int r;

                        at += entry->d_reclen;
                        if (entry->d_name[0] == '.')
                                continue;
                        r = add_device(reader, devices, entry->d_name, &found, g);
                        if (r < 0 && r != -ENOENT)
                                return r;
                }
        if (g->n_devices > 1)
                qsort(g->devices, g->n_devices, sizeof(DeviceFacts), compare_devices);
        return found.several ? 0 : group_set_phb(reader, found.root, g);
}

/* By the first device that is still there; always the same one, so that nothing seems to change. */
static int read_windows(const GroupReader *reader, int devices, GroupFacts *g) {
        for (size_t i = 0; i < g->n_devices && !g->windows_why; i++) {
                int r = group_read_windows(reader, devices, g->devices[i].address, g);

                if (r < 0 && r != -ENOENT)
                        return r;
        }
        if (!g->windows_why)
                g->windows_why = texts_add(&reader->scratch->texts, "not told: there is no device whose device-tree node would tell it");
        return g->windows_why ? 0 : -ENOMEM;
}

/* A bind that failed without a word leaves the override and no driver. Asked for only where kernels are like that: there no
 * device can be on vfio-pci, so that no unbind of one can hold the lock (drivers/pci/pci-sysfs.c:driver_override_show). */
static bool bind_failed(const GroupReader *reader, int devices, const DeviceFacts *d) {
        char path[NAME_MAX + 64], text[64];

        if (reader->iommu_class || d->driver)
                return false;
        (void) snprintf(path, sizeof(path), "%s/driver_override", d->address);
        return read_attribute_at(devices, path, text, sizeof(text)) > 0 && strstr(text, "vfio");
}

/* A sandbox may hide /dev/vfio from us, so the kernel's own list counts as well. */
static bool group_has_node(const GroupReader *reader, unsigned number) {
        char name[16];

        (void) snprintf(name, sizeof(name), "%u", number);
        return (reader->vfio_nodes >= 0 && faccessat(reader->vfio_nodes, name, F_OK, 0) >= 0) ||
               (reader->vfio_class >= 0 && faccessat(reader->vfio_class, name, F_OK, 0) >= 0);
}

/* What stands in the way in a group none of which is bound: a host driver, else what has no driver, bridges last. */
static const DeviceFacts *device_to_bind(const GroupFacts *g) {
        const DeviceFacts *found = NULL;

        for (size_t i = 0; i < g->n_devices; i++) {
                const DeviceFacts *d = &g->devices[i];
                if (device_blocks_group(d))
                        return d;
                if (!found || found->class_code >> 16 == PCI_CLASS_BRIDGE)
                        found = d;
        }
        return found;
}

/* Every reason names the device and what to type. */
#define set_viability(reader, g, viability_, ...)                                                \
        ({                                                                                       \
                (g)->viability = (viability_);                                                   \
                (g)->viability_why = texts_format(&(reader)->scratch->texts, __VA_ARGS__);       \
                (g)->viability_why ? 0 : -ENOMEM;                                                \
        })

/* No device is on a VFIO driver: not asked for, or asked for and failed. */
static int judge_unbound(const GroupReader *reader, int devices, GroupFacts *g) {
        const DeviceFacts *d;

        for (size_t i = 0; i < g->n_devices; i++)
                if (bind_failed(reader, devices, &g->devices[i]))
                        return set_viability(reader, g, GROUP_VFIO_BROKEN,
                                             "%s is meant for vfio-pci (driver_override) and has no driver: the bind failed "
                                             "without an error, as with kernels 5.19 to 6.3 on POWER; use 6.4 or newer",
                                             g->devices[i].address);
        d = device_to_bind(g);
        if (d->driver)
                return set_viability(reader, g, GROUP_NOT_BOUND, "%s is used by the host's driver %s: tcectl bind %s",
                                     d->address, d->driver, d->address);
        return set_viability(reader, g, GROUP_NOT_BOUND, "%s has no driver: tcectl bind %s", d->address, d->address);
}

/* The kernel's own rule, in the order in which an administrator has to act: first bind all, then there has to be a node. */
static int judge(const GroupReader *reader, int devices, GroupFacts *g) {
        const DeviceFacts *blocks = NULL, *bound = NULL;

        for (size_t i = 0; i < g->n_devices; i++) {
                if (device_is_on_vfio(&g->devices[i]))
                        bound = &g->devices[i];
                else if (!blocks && device_blocks_group(&g->devices[i]))
                        blocks = &g->devices[i];
        }
        if (g->n_devices == 0)
                return set_viability(reader, g, GROUP_EMPTY, "no device is in the group");
        if (!bound)
                return judge_unbound(reader, devices, g);
        if (blocks)
                return set_viability(reader, g, GROUP_PARTIAL, "%s is still used by the host's driver %s: tcectl bind %s", blocks->address, blocks->driver, blocks->address);
        if (!group_has_node(reader, g->number))
                return set_viability(reader, g, GROUP_VFIO_BROKEN, "%s is bound to %s, but the kernel made no /dev/vfio/%u: use kernel 6.4 "
                                     "or newer", bound->address, bound->driver, g->number);
        return set_viability(reader, g, GROUP_VIABLE, "%s", "");
}

/* Where the group's memory should be. Devices that disagree leave it open. */
static int group_numa_node(const GroupFacts *g) {
        for (size_t i = 1; i < g->n_devices; i++)
                if (g->devices[i].numa_node != g->devices[0].numa_node)
                        return -1;
        return g->n_devices > 0 ? g->devices[0].numa_node : -1;
}

/* Its texts and devices are the scratch's. */
static int read_group(const GroupReader *reader, unsigned number, GroupFacts *g) {
        _cleanup_fd_ int devices = -EBADF;
        char path[32], name[128];
        int r;

        (void) snprintf(path, sizeof(path), "%u/name", number);
        if (read_attribute_at(reader->groups, path, name, sizeof(name)) > 0) {
                g->name = texts_add(&reader->scratch->texts, name);
                if (!g->name)
                        return -ENOMEM;
        }
        (void) snprintf(path, sizeof(path), "%u/devices", number);
        devices = openat(reader->groups, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (devices < 0)
                return gone(errno);
        r = read_devices(reader, devices, g);
        if (r >= 0)
                r = read_windows(reader, devices, g);
        if (r >= 0)
                r = judge(reader, devices, g);
        g->numa_node = group_numa_node(g);
        return r;
}

int group_read(const GroupReader *reader, unsigned number, GroupFacts *ret) {
        GroupFacts g = { .number = number, .ddw = -1 };
        int r = read_group(reader, number, &g);

        if (r >= 0)
                r = group_facts_copy(&g, ret);
        texts_forget(&reader->scratch->texts);
        return r;
}

void group_scratch_clear(GroupScratch *scratch) {
        texts_clear(&scratch->texts);
        free(scratch->devices);
        free(scratch->phb);
        *scratch = (GroupScratch) {};
}

/* By the group's link; by the device's own where that has another name. */
static int open_member(const char *sys, unsigned number, const char *address) {
        char path[PATH_MAX], target[PATH_MAX], *end;
        const char *name;
        bool same;
        int fd;

        if ((size_t) snprintf(path, sizeof(path), "%s/kernel/iommu_groups/%u/devices/%s", sys, number, address) >= sizeof(path))
                return -ENAMETOOLONG;
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0)
                return fd;
        if ((size_t) snprintf(path, sizeof(path), "%s/bus/pci/devices/%s", sys, address) >= sizeof(path))
                return -ENAMETOOLONG;
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        name = fd < 0 ? NULL : read_link_name(fd, "iommu_group", target);
        same = name && strtoul(name, &end, 10) == number && *end == '\0';
        return same ? fd : fd_close(fd);
}

bool probe_group_has_device(const char *sys, unsigned number, const char *identity) {
        char address[DEVICE_IDENTITY_MAX], modalias[128], now[DEVICE_IDENTITY_MAX];
        DeviceFacts d = { .address = address };
        _cleanup_fd_ int dir = -EBADF;

        (void) snprintf(address, sizeof(address), "%.*s", (int) strcspn(identity, " "), identity);
        dir = open_member(sys, number, address);
        if (dir < 0)
                return false;
        (void) read_ids(dir, modalias, sizeof(modalias), &d);
        return streq(device_facts_identity(&d, now), identity);
}
