/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where a device stands (root bus, bridge, physical function), and what it is called by those who use it (network interface, MAC). The way
 * to it is in the link that leads to it, so that most of this costs nothing; no attribute is read that waits for the device's lock, as
 * sriov_numvfs does (drivers/pci/iov.c:sriov_numvfs_show). */

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>

#include "probe_groups.h"
#include "probe_vfio.h"
#include "util.h"

#define PCI_CLASS_NETWORK 0x02U
#define DEVICE_TREE "devicetree/base"

DEFINE_POINTER_CLEANUP(DIR, closedir, dir_closep)

/* "pci0001:00": drivers/pci/probe.c:pci_register_host_bridge names it so. */
static bool is_root_bus(const char *name) {
        return strncmp(name, "pci", 3) == 0 && strchr(name, ':') && strspn(name + 3, "0123456789abcdef:") == strlen(name + 3);
}

/* The last part of where a link leads; NULL: it is none. buf holds it. */
static const char *link_name(int dir, const char *name, char buf[PATH_MAX]) {
        ssize_t n = readlinkat(dir, name, buf, PATH_MAX - 1);
        const char *slash;

        if (n < 0)
                return NULL;
        buf[n] = '\0';
        slash = strrchr(buf, '/');
        return slash ? slash + 1 : buf;
}

int device_read_way(const GroupReader *reader, const char *target, DeviceFacts *d, char root[ROOT_BUS_MAX]) {
        char part[ROOT_BUS_MAX], above[ROOT_BUS_MAX] = "";

        *root = '\0';
        for (const char *from = target, *end; *from; from = *end ? end + 1 : end) {
                size_t length;

                end = strchrnul(from, '/');
                length = (size_t) (end - from);
                /* No root bus and no bridge has a longer name. */
                if (length >= sizeof(part))
                        length = 0;
                memcpy(part, from, length);
                part[length] = '\0';
                if (!*root && is_root_bus(part))
                        memcpy(root, part, sizeof(part));
                if (*end)
                        memcpy(above, part, sizeof(part));
        }
        if (!pci_address_valid(above))
                return 0;
        d->bridge = texts_add(&reader->scratch->texts, above);
        return d->bridge ? 0 : -ENOMEM;
}

/* Routing id: bus and function in one number. */
static bool parse_routing_id(const char *address, unsigned *ret) {
        unsigned bus, slot, function;
        const char *colon = strchr(address, ':');

        if (!colon || sscanf(colon + 1, "%2x:%2x.%1x", &bus, &slot, &function) != 3)
                return false;
        *ret = bus << 8 | slot << 3 | function;
        return true;
}

static bool read_number(int dir, const char *name, uint64_t max, uint64_t *ret) {
        char text[32];

        return read_attribute_at(dir, name, text, sizeof(text)) > 0 && parse_u64(text, max, ret) >= 0;
}

/* The number of a VF follows from where its PF's start and how far they are apart (drivers/pci/iov.c:pci_iov_virtfn_devfn). */
static int read_vf_number(int dir, const DeviceFacts *d) {
        unsigned own, first;
        uint64_t offset, stride;

        if (!parse_routing_id(d->address, &own) || !parse_routing_id(d->physfn, &first) ||
            !read_number(dir, "physfn/sriov_offset", UINT16_MAX, &offset) || !read_number(dir, "physfn/sriov_stride", UINT16_MAX, &stride) ||
            own < first + offset)
                return -1;
        own -= first + (unsigned) offset;
        /* Where there can be one alone, they are no distance apart. */
        if (stride == 0)
                return own == 0 ? 0 : -1;
        return own % stride == 0 ? (int) (own / stride) : -1;
}

static int read_sriov(const GroupReader *reader, int dir, DeviceFacts *d) {
        char buf[PATH_MAX];
        const char *physfn = link_name(dir, "physfn", buf);
        uint64_t most;

        if (physfn) {
                d->physfn = texts_add(&reader->scratch->texts, physfn);
                if (!d->physfn)
                        return -ENOMEM;
                d->vf = read_vf_number(dir, d);
        } else if (read_number(dir, "sriov_totalvfs", UINT16_MAX, &most))
                d->vfs_max = (unsigned) most;
        return 0;
}

/* virtio-net's is below the virtio device. */
static int open_net(int dir, const DeviceFacts *d) {
        _cleanup_(dir_closep) DIR *all = NULL;
        int fd = openat(dir, "net", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd >= 0 || !d->driver || !streq(d->driver, "virtio-pci"))
                return fd;
        fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        all = fd < 0 ? NULL : fdopendir(fd);
        if (!all)
                return fd_close(fd);
        for (struct dirent *entry; (entry = readdir(all));) {
                char path[NAME_MAX + sizeof("/net")];

                if (strncmp(entry->d_name, "virtio", 6) != 0)
                        continue;
                (void) snprintf(path, sizeof(path), "%s/net", entry->d_name);
                return openat(dirfd(all), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        }
        return -EBADF;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* A port each, as some cards have several on one function. */
static int list_interfaces(int net, char ***ret, size_t *ret_n) {
        _cleanup_(dir_closep) DIR *dir = NULL;
        /* closedir(3) closes what it was given, and the caller goes on with his. */
        _cleanup_fd_ int fd = fcntl(net, F_DUPFD_CLOEXEC, 3);
        size_t n = 0, allocated = 0;
        char **names = NULL;

        dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir)
                return 0;
        (void) TAKE_FD(fd);
        for (struct dirent *entry; (entry = readdir(dir));) {
                if (entry->d_name[0] == '.')
                        continue;
                if (ARRAY_RESERVE(names, allocated, n + 2) < 0 || !(names[n] = strdup(entry->d_name))) {
                        strings_free(names);
                        return -ENOMEM;
                }
                names[++n] = NULL;
        }
        /* The kernel lists them as it likes, and a change of that would be announced as one of the device. */
        if (n > 1)
                qsort(names, n, sizeof(*names), compare_names);
        *ret = names;
        *ret_n = n;
        return 0;
}

static char *join(Texts *texts, char **names) {
        char *text = texts_add(texts, names[0]);

        for (char **name = names + 1; text && *name; name++)
                text = texts_format(texts, "%s %s", text, *name);
        return text;
}

/* By netlink, and where that has no word on it by sysfs. */
static int read_mac(const GroupReader *reader, int net, const char *interface, DeviceFacts *d) {
        const NetLink *link = net_facts_find(reader->net, interface);
        char path[NAME_MAX + sizeof("/address")], text[128];

        if (link && link->mac)
                d->mac = texts_add(&reader->scratch->texts, link->mac);
        else {
                (void) snprintf(path, sizeof(path), "%s/address", interface);
                if (read_attribute_at(net, path, text, sizeof(text)) <= 0)
                        return 0;
                d->mac = texts_add(&reader->scratch->texts, text);
        }
        return d->mac ? 0 : -ENOMEM;
}

/* A VF that a VM is to have has no interface here; the PF's says what MAC it has been given. */
static int read_vf_mac(const GroupReader *reader, int dir, DeviceFacts *d) {
        _cleanup_fd_ int net = openat(dir, "physfn/net", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char **names = NULL;
        const char *mac = NULL;
        size_t n = 0;
        int r;

        r = net < 0 || d->vf < 0 ? 0 : list_interfaces(net, &names, &n);
        if (r >= 0 && n > 0) {
                const NetLink *link = net_facts_find(reader->net, names[0]);

                mac = link ? net_link_vf_mac(link, (unsigned) d->vf) : NULL;
        }
        if (mac && !(d->mac = texts_add(&reader->scratch->texts, mac)))
                r = -ENOMEM;
        strings_free(names);
        return r;
}

static int read_network(const GroupReader *reader, int dir, DeviceFacts *d) {
        _cleanup_fd_ int net = open_net(dir, d);
        char **names = NULL;
        size_t n = 0;
        int r;

        if (net < 0)
                return d->physfn ? read_vf_mac(reader, dir, d) : 0;
        r = list_interfaces(net, &names, &n);
        if (r >= 0 && n > 0) {
                d->interfaces = join(&reader->scratch->texts, names);
                r = d->interfaces ? read_mac(reader, net, names[0], d) : -ENOMEM;
        }
        strings_free(names);
        return r;
}

int device_read_topology(const GroupReader *reader, int dir, DeviceFacts *d) {
        int r = read_sriov(reader, dir, d);

        return r >= 0 && d->class_code >> 16 == PCI_CLASS_NETWORK ? read_network(reader, dir, d) : r;
}

/* Where the node of a root bus is: POWER gives it to the bus (drivers/pci/of.c:pci_set_bus_of_node), others to the bridge above that, too. */
static const char *phb_node(const GroupReader *reader, const char *root, char target[PATH_MAX]) {
        char path[ROOT_BUS_MAX * 2 + sizeof("../../devices//pci_bus//of_node")];
        ssize_t n;

        (void) snprintf(path, sizeof(path), "../../devices/%s/pci_bus/%s/of_node", root, root + strlen("pci"));
        n = readlinkat(reader->groups, path, target, PATH_MAX - 1);
        if (n < 0) {
                (void) snprintf(path, sizeof(path), "../../devices/%s/of_node", root);
                n = readlinkat(reader->groups, path, target, PATH_MAX - 1);
        }
        if (n < 0)
                return NULL;
        target[n] = '\0';
        target = strstr(target, DEVICE_TREE "/");
        return target ? target + strlen(DEVICE_TREE) : NULL;
}

/* The device tree's full name stays over boots, as long as the card stays in its slot; the number of the domain need not. */
int group_set_phb(const GroupReader *reader, const char *root, GroupFacts *g) {
        GroupScratch *scratch = reader->scratch;
        char target[PATH_MAX], *phb;
        const char *name;

        if (!*root)
                return 0;
        if (!streq(root, scratch->root)) {
                name = phb_node(reader, root, target);
                phb = strdup(name ? name : root);
                if (!phb)
                        return -ENOMEM;
                free(scratch->phb);
                scratch->phb = phb;
                (void) snprintf(scratch->root, sizeof(scratch->root), "%s", root);
        }
        g->phb = scratch->phb;
        return 0;
}

typedef struct Physical {
        const char *address;
        unsigned *vfs;
} Physical;

static int compare_physical(const void *a, const void *b) {
        return strcmp(((const Physical *) a)->address, ((const Physical *) b)->address);
}

int vfio_facts_count_vfs(VfioFacts *f) {
        _cleanup_free_ Physical *all = NULL;
        size_t n = 0, allocated = 0;

        for (size_t i = 0; i < f->n_groups; i++)
                for (size_t j = 0; j < f->groups[i].n_devices; j++) {
                        DeviceFacts *d = &f->groups[i].devices[j];

                        d->vfs = 0;
                        if (d->vfs_max == 0)
                                continue;
                        if (ARRAY_RESERVE(all, allocated, n + 1) < 0)
                                return -ENOMEM;
                        all[n++] = (Physical) { d->address, &d->vfs };
                }
        if (n == 0)
                return 0;
        qsort(all, n, sizeof(*all), compare_physical);
        for (size_t i = 0; i < f->n_groups; i++)
                for (size_t j = 0; j < f->groups[i].n_devices; j++) {
                        const DeviceFacts *d = &f->groups[i].devices[j];
                        const Physical *physical = d->physfn ? bsearch(&(Physical) { d->physfn, NULL }, all, n, sizeof(*all), compare_physical) : NULL;

                        if (physical)
                                (*physical->vfs)++;
                }
        return 0;
}
