/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The same facts by libudev, as programs have them that know of no tced: the devices of the bus, their attributes and links; of the groups and the
 * device tree, which are no devices to udev, what stands there. What devices are called is looked up once for each kind, as tced does. */

#include "scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <libudev.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "bench.h"
#include "util.h"

typedef struct Reply {
        uint64_t nanoseconds;
        ScanCount count;
} Reply;

typedef struct Udev {
        struct udev *udev;
        struct udev_hwdb *hwdb;
        char kinds[16][96]; /* whose names are known */
        size_t n_kinds;
        bool *groups; /* that were met before */
        char phb[16], window[300];
        ScanCount count;
} Udev;

static void read_names(Udev *u, const char *modalias) {
        for (size_t i = 0; i < u->n_kinds; i++)
                if (streq(u->kinds[i], modalias))
                        return;
        if (u->n_kinds < ELEMENTSOF(u->kinds))
                (void) snprintf(u->kinds[u->n_kinds++], sizeof(u->kinds[0]), "%s", modalias);
        bench_keep(udev_hwdb_get_properties_list_entry(u->hwdb, modalias, 0));
}

/* A link that udev does not follow: it knows those of drivers and subsystems alone. */
static ssize_t follow(const char *syspath, const char *name, char *buf, size_t size) {
        char path[600];
        ssize_t n;

        (void) snprintf(path, sizeof(path), "%s/%s", syspath, name);
        n = readlink(path, buf, size - 1);
        if (n >= 0)
                buf[n] = '\0';
        return n;
}

/* An enumeration of the device's children takes longer. */
static void read_network(Udev *u, struct udev_device *device, const char *syspath, bool virtual) {
        char path[300], name[280];
        DIR *dir;

        (void) snprintf(path, sizeof(path), "%s/net", syspath);
        dir = opendir(path);
        if (!dir && virtual) {
                (void) snprintf(path, sizeof(path), "%s/physfn/net", syspath);
                dir = opendir(path);
        }
        for (struct dirent *entry; dir && (entry = readdir(dir));) {
                if (entry->d_name[0] == '.')
                        continue;
                (void) snprintf(name, sizeof(name), "net/%s/address", entry->d_name);
                u->count.macs += !virtual && udev_device_get_sysattr_value(device, name) != NULL;
        }
        if (dir)
                (void) closedir(dir);
}

static bool read_node(const char *node) {
        _cleanup_fd_ int dir = open(node, O_PATH | O_DIRECTORY | O_CLOEXEC);
        char buf[64];
        int fd;

        fd = dir < 0 ? -1 : openat(dir, "ibm,dma-window", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return false;
        (void) !read(fd, buf, sizeof(buf));
        (void) close(fd);
        return faccessat(dir, "ibm,ddw-applicable", F_OK, 0) == 0;
}

/* By the root bus, which the device's own path leads over. */
static void read_phb(Udev *u, const char *syspath) {
        const char *root = syspath + strlen("/sys/devices/"), *end = strchr(root, '/');
        char name[96], buf[300];

        if ((size_t) (end - root) != strlen(u->phb) || memcmp(root, u->phb, (size_t) (end - root)) != 0) {
                (void) snprintf(u->phb, sizeof(u->phb), "%.*s", (int) (end - root), root);
                (void) snprintf(name, sizeof(name), "pci_bus/%s/of_node", u->phb + strlen("pci"));
                (void) snprintf(buf, sizeof(buf), "/sys/devices/%s", u->phb);
                if (follow(buf, name, buf, sizeof(buf)) < 0)
                        return;
        }
        u->count.phbs++;
}

/* What the first device of a group tells of it. */
static void read_group(Udev *u, struct udev_device *device, const char *syspath, unsigned group) {
        char path[300], node[300];
        char *base, *slash;
        FILE *f;

        u->count.groups++;
        read_phb(u, udev_device_get_syspath(device));
        (void) snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%u/name", group);
        f = fopen(path, "re");
        if (f) {
                u->count.names += fgets(path, sizeof(path), f) != NULL;
                (void) fclose(f);
        }
        (void) snprintf(path, sizeof(path), "/dev/vfio/%u", group);
        u->count.nodes += access(path, F_OK) == 0;
        if (follow(syspath, "of_node", node, sizeof(node)) < 0 || !(base = strstr(node, "firmware/")))
                return;
        (void) snprintf(path, sizeof(path), "/sys/%s", base);
        while (!streq(path, u->window) && !read_node(path) && (slash = strrchr(path, '/')) > path)
                *slash = '\0';
        (void) snprintf(u->window, sizeof(u->window), "%s", path);
        u->count.windows++;
}

static void read_device(Udev *u, const char *syspath) {
        struct udev_device *device = udev_device_new_from_syspath(u->udev, syspath);
        const char *modalias, *slash;
        char buf[300];
        bool virtual;
        unsigned group;

        if (!device)
                return;
        u->count.devices++;
        modalias = udev_device_get_sysattr_value(device, "modalias");
        u->count.modaliases += modalias != NULL;
        if (modalias)
                read_names(u, modalias);
        u->count.drivers += udev_device_get_driver(device) != NULL;
        u->count.numa_nodes += udev_device_get_sysattr_value(device, "numa_node") != NULL;
        virtual = follow(syspath, "physfn", buf, sizeof(buf)) > 0;
        u->count.physfns += virtual;
        if (virtual)
                u->count.vf_numbers += udev_device_get_sysattr_value(device, "physfn/sriov_offset") &&
                                       udev_device_get_sysattr_value(device, "physfn/sriov_stride");
        else
                u->count.totals += udev_device_get_sysattr_value(device, "sriov_totalvfs") != NULL;
        if (modalias && strstr(modalias, "bc02"))
                read_network(u, device, syspath, virtual);
        if (follow(syspath, "iommu_group", buf, sizeof(buf)) > 0 && (slash = strrchr(buf, '/'))) {
                group = (unsigned) strtoul(slash + 1, NULL, 10);
                if (!u->groups[group])
                        read_group(u, device, syspath, group);
                u->groups[group] = true;
        }
        (void) udev_device_unref(device);
}

static ScanCount read_all(unsigned groups) {
        Udev u = { .udev = udev_new(), .groups = calloc(groups, sizeof(bool)) };
        struct udev_enumerate *all = udev_enumerate_new(u.udev);
        struct udev_list_entry *entry;

        u.hwdb = udev_hwdb_new(u.udev);
        (void) udev_enumerate_add_match_subsystem(all, "pci");
        (void) udev_enumerate_scan_devices(all);
        udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(all))
                read_device(&u, udev_list_entry_get_name(entry));
        (void) udev_enumerate_unref(all);
        (void) udev_hwdb_unref(u.hwdb);
        (void) udev_unref(u.udev);
        free(u.groups);
        return u.count;
}

static _Noreturn void serve(const ScanTree *tree, int fd) {
        char go;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) setenv("SYSTEMD_DEVICE_VERIFY_SYSFS", "0", 1);
        if ((unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount(tree->sys, "/sys", NULL, MS_BIND, NULL) < 0 ||
            mount(tree->dev, "/dev", NULL, MS_BIND, NULL) < 0)
                bench_fail("a /sys of one's own: %s", strerror(errno));
        while (read(fd, &go, 1) == 1) {
                Reply reply = { .nanoseconds = bench_now() };

                reply.count = read_all(tree->groups);
                reply.nanoseconds = bench_now() - reply.nanoseconds;
                (void) !write(fd, &reply, sizeof(reply));
        }
        _exit(0);
}

ScanUdev scan_udev_start(const ScanTree *tree) {
        ScanUdev udev;
        int fds[2];

        (void) bench_must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ? -errno : 0, "socketpair");
        udev.pid = fork();
        if (udev.pid == 0) {
                (void) close(fds[0]);
                serve(tree, fds[1]);
        }
        (void) close(fds[1]);
        udev.fd = fds[0];
        (void) bench_must(udev.pid < 0 ? -errno : 0, "fork");
        return udev;
}

void scan_udev_stop(ScanUdev *udev) {
        udev->fd = fd_close(udev->fd);
        (void) waitpid(udev->pid, NULL, 0);
}

int64_t scan_udev_run(const ScanUdev *udev, ScanCount *ret) {
        Reply reply;

        if (write(udev->fd, "", 1) != 1 || recv(udev->fd, &reply, sizeof(reply), MSG_WAITALL) != sizeof(reply))
                bench_fail("who reads by libudev has ended");
        if (ret)
                *ret = reply.count;
        return (int64_t) reply.nanoseconds;
}
