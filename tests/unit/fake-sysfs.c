/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "fake-sysfs.h"

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "bind_sysfs.h"
#include "util.h"

#define BUS "devices/pci0001:00"
#define PLUGGED "0001:00:00.7"

/* ---- files below a folder ---- */

static _printf_(1, 2) const char *path_of(const char *format, ...) {
        static char paths[8][PATH_MAX];
        static unsigned turn;
        char *path = paths[turn++ % ELEMENTSOF(paths)];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(path, PATH_MAX, format, ap);
        va_end(ap);
        return path;
}

static void put_at(int dir, const char *path, const char *text) {
        _cleanup_fd_ int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t) strlen(text)) {
                fprintf(stderr, "%s: %m\n", path);
                exit(99);
        }
}

static bool get_at(int dir, const char *path, char *text, size_t size) {
        ssize_t n = read_file_at(dir, path, text, size);

        if (n < 0)
                text[0] = '\0';
        return n >= 0;
}

static bool has_at(int dir, const char *path) {
        return faccessat(dir, path, F_OK, 0) >= 0;
}

/* The last part of a link's target. */
static bool link_at(int dir, const char *path, char *ret, size_t size) {
        char target[PATH_MAX];
        ssize_t n = readlinkat(dir, path, target, sizeof(target) - 1);

        target[n < 0 ? 0 : n] = '\0';
        (void) snprintf(ret, size, "%.255s", n < 0 ? "" : strrchr(target, '/') + 1);
        return n >= 0;
}

static int open_sys(const FakeHost *host) {
        int fd = open(host->sys, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                exit(99);
        return fd;
}

/* ---- the host ---- */

FakeHost fake_host_make(void) {
        static const char *const folders[] = {
                "sys", "sys/fake", "sys/fake/match", "sys/bus", "sys/bus/pci", "sys/bus/pci/devices", "sys/bus/pci/drivers", "sys/devices", ("sys/" BUS),
                "sys/kernel", "sys/kernel/iommu_groups", "dev", "dev/vfio", "records",
        };
        FakeHost host = { .root = "/tmp/tced-fake-XXXXXX" };

        if (!mkdtemp(host.root))
                exit(99);
        (void) chmod(host.root, 0755);
        for (size_t i = 0; i < ELEMENTSOF(folders); i++)
                if (mkdir(path_of("%s/%s", host.root, folders[i]), 0755) < 0)
                        exit(99);
        (void) snprintf(host.sys, sizeof(host.sys), "%s/sys", host.root);
        (void) snprintf(host.dev, sizeof(host.dev), "%s/dev", host.root);
        (void) snprintf(host.records, sizeof(host.records), "%s/records", host.root);
        if (mkfifo(path_of("%s/fake/gate", host.sys), 0600) < 0)
                exit(99);
        fake_add_driver(&host, "vfio-pci");
        return host;
}

void fake_host_remove(FakeHost *host) {
        if (system(path_of("rm -rf -- %s", host->root)) != 0)
                fprintf(stderr, "%s: %m\n", host->root);
}

void fake_add_driver(const FakeHost *host, const char *driver) {
        (void) mkdir(path_of("%s/bus/pci/drivers/%s", host->sys, driver), 0755);
}

void fake_remove_driver(const FakeHost *host, const char *driver) {
        (void) rmdir(path_of("%s/bus/pci/drivers/%s", host->sys, driver));
}

static void set_driver(int sys, const char *address, const char *driver);

static void add_device(int sys, const char *address, unsigned group, const char *class, const char *driver, const char *driver_override,
                       const char *matches) {
        char members[64];

        (void) snprintf(members, sizeof(members), "kernel/iommu_groups/%u/devices", group);
        (void) mkdirat(sys, path_of(BUS "/%s", address), 0755);
        put_at(sys, path_of(BUS "/%s/class", address), class ? class : "0x020000\n");
        put_at(sys, path_of(BUS "/%s/driver_override", address), driver_override ? path_of("%s\n", driver_override) : "(null)\n");
        put_at(sys, path_of("fake/match/%s", address), matches);
        (void) symlinkat(path_of("../../../" BUS "/%s", address), sys, path_of("bus/pci/devices/%s", address));
        (void) mkdirat(sys, path_of("kernel/iommu_groups/%u", group), 0755);
        (void) mkdirat(sys, members, 0755);
        (void) symlinkat(path_of("../../../../" BUS "/%s", address), sys, path_of("%s/%s", members, address));
        (void) symlinkat(path_of("../../../kernel/iommu_groups/%u", group), sys, path_of(BUS "/%s/iommu_group", address));
        if (driver)
                set_driver(sys, address, driver);
}

void fake_add_device(const FakeHost *host, const char *address, unsigned group, const char *class, const char *driver, const char *driver_override,
                     const char *matches) {
        _cleanup_fd_ int sys = open_sys(host);

        add_device(sys, address, group, class, driver, driver_override, matches);
}

/* ---- the kernel ---- */

/* vfio's node is there as long as a device of the group is on one of its drivers; it says whose it is, for fake_viable(). */
static void update_node(int sys, const char *group) {
        char node[64];
        bool wanted = false;
        char driver[256];
        struct dirent *entry;
        DIR *dir = fdopendir(openat(sys, path_of("kernel/iommu_groups/%s/devices", group), O_RDONLY | O_CLOEXEC));

        while (dir && (entry = readdir(dir)))
                wanted |= entry->d_name[0] != '.' && link_at(sys, path_of(BUS "/%s/driver", entry->d_name), driver, sizeof(driver)) &&
                          strstr(driver, "vfio");
        if (dir)
                (void) closedir(dir);
        (void) snprintf(node, sizeof(node), "../dev/vfio/%.31s", group);
        if (wanted && !has_at(sys, node)) {
                char link[64], target[PATH_MAX] = "";

                (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", sys);
                (void) !readlink(link, target, sizeof(target) - 1);
                put_at(sys, node, path_of("%s %s", target, group));
        } else if (!wanted)
                (void) unlinkat(sys, node, 0);
}

/* NULL: none. */
static void set_driver(int sys, const char *address, const char *driver) {
        char group[32];

        (void) unlinkat(sys, path_of(BUS "/%s/driver", address), 0);
        if (driver)
                (void) symlinkat(path_of("../../../bus/pci/drivers/%s", driver), sys, path_of(BUS "/%s/driver", address));
        if (link_at(sys, path_of(BUS "/%s/iommu_group", address), group, sizeof(group)))
                update_node(sys, group);
}

static void remove_device(int sys, const char *address) {
        char group[32];

        set_driver(sys, address, NULL);
        if (link_at(sys, path_of(BUS "/%s/iommu_group", address), group, sizeof(group)))
                (void) unlinkat(sys, path_of("kernel/iommu_groups/%s/devices/%s", group, address), 0);
        (void) unlinkat(sys, path_of("bus/pci/devices/%s", address), 0);
        (void) unlinkat(sys, path_of(BUS "/%s/class", address), 0);
        (void) unlinkat(sys, path_of(BUS "/%s/driver_override", address), 0);
        (void) unlinkat(sys, path_of(BUS "/%s/iommu_group", address), 0);
        (void) unlinkat(sys, path_of(BUS "/%s", address), AT_REMOVEDIR);
}

void fake_remove_device(const FakeHost *host, const char *address) {
        _cleanup_fd_ int sys = open_sys(host);

        remove_device(sys, address);
}

/* drivers/pci/pci-driver.c:pci_match_device: an override, where there is one, and else whoever knows its kind. */
static bool matches(int sys, const char *address, const char *driver) {
        char override[256], known[256], *save = NULL;

        if (!has_at(sys, path_of("bus/pci/drivers/%s", driver)))
                return false;
        (void) get_at(sys, path_of(BUS "/%s/driver_override", address), override, sizeof(override));
        if (!streq(override, "(null)"))
                return streq(override, driver);
        (void) get_at(sys, path_of("fake/match/%s", address), known, sizeof(known));
        for (char *word = strtok_r(known, " ", &save); word; word = strtok_r(NULL, " ", &save))
                if (streq(word, driver))
                        return true;
        return false;
}

/* A driver that does not take it, as vfio-pci on POWER before 6.4. */
static bool takes(int sys, const char *driver) {
        return !has_at(sys, path_of("fake/refuses-%s", driver));
}

static int probe(int sys, const char *address) {
        char driver[256];
        struct dirent *entry;
        DIR *dir;

        if (link_at(sys, path_of(BUS "/%s/driver", address), driver, sizeof(driver)))
                return 0;
        dir = fdopendir(openat(sys, "bus/pci/drivers", O_RDONLY | O_CLOEXEC));
        while (dir && (entry = readdir(dir)))
                if (entry->d_name[0] != '.' && matches(sys, address, entry->d_name) && takes(sys, entry->d_name)) {
                        set_driver(sys, address, entry->d_name);
                        break;
                }
        if (dir)
                (void) closedir(dir);
        return 0;
}

static int write_driver(int sys, const char *driver, const char *file, const char *address) {
        char now[256];
        bool bound = link_at(sys, path_of(BUS "/%s/driver", address), now, sizeof(now));

        if (!has_at(sys, path_of("bus/pci/drivers/%s", driver)))
                return -ENOENT;
        if (!has_at(sys, path_of(BUS "/%s", address)))
                return -ENODEV;
        if (streq(file, "unbind")) {
                if (!bound || !streq(now, driver))
                        return -ENODEV;
                set_driver(sys, address, NULL);
                return 0;
        }
        if (bound)
                return -EBUSY;
        if (!matches(sys, address, driver))
                return -ENODEV;
        if (!takes(sys, driver))
                return -EINVAL;
        set_driver(sys, address, driver);
        return 0;
}

static int take_effect(int sys, const char *path, const char *text) {
        char address[32], driver[256], file[32];

        if (sscanf(path, "bus/pci/devices/%31[^/]/%31s", address, file) == 2 && streq(file, "driver_override")) {
                if (!has_at(sys, path_of(BUS "/%s", address)))
                        return -ENOENT;
                put_at(sys, path_of(BUS "/%s/driver_override", address), text[0] == '\n' ? "(null)\n" : text);
                return 0;
        }
        if (streq(path, "bus/pci/drivers_probe"))
                return has_at(sys, path_of(BUS "/%s", text)) ? probe(sys, text) : -ENODEV;
        if (sscanf(path, "bus/pci/drivers/%255[^/]/%31s", driver, file) == 2)
                return write_driver(sys, driver, file, text);
        return -ENOENT;
}

/* What is planned for this write, "" where nothing is; counts it. */
static void next_action(int sys, char *ret, size_t size) {
        char text[1024], *save = NULL;
        unsigned count = 0;

        if (get_at(sys, "fake/count", text, sizeof(text)))
                count = (unsigned) atoi(text);
        put_at(sys, "fake/count", path_of("%u\n", ++count));
        ret[0] = '\0';
        if (!get_at(sys, "fake/plan", text, sizeof(text)))
                return;
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                if (line[0] == '*' || (unsigned) atoi(line) == count)
                        (void) snprintf(ret, size, "%s", strchr(line, ' ') + 1);
}

static int fake_write(int sys, const char *path, const char *text) {
        char action[32], address[32], group[32];
        int r;

        next_action(sys, action, sizeof(action));
        if (sscanf(path, "bus/pci/devices/%31[^/]", address) != 1)
                (void) snprintf(address, sizeof(address), "%s", text);
        if (streq(action, "kill-before"))
                (void) raise(SIGKILL);
        if (streq(action, "fail"))
                return -EIO;
        if (streq(action, "silent"))
                return 0;
        if (streq(action, "unplug"))
                remove_device(sys, address);
        if (strncmp(action, "hang", 4) == 0) {
                put_at(sys, "fake/hung", "");
                (void) fd_close(openat(sys, "fake/gate", O_RDONLY | O_CLOEXEC));
                (void) unlinkat(sys, "fake/hung", 0);
        }
        r = take_effect(sys, path, text);
        if (streq(action, "kill-after") || streq(action, "hang-kill"))
                (void) raise(SIGKILL);
        if (streq(action, "plug") && link_at(sys, path_of(BUS "/%s/iommu_group", address), group, sizeof(group)))
                add_device(sys, PLUGGED, (unsigned) atoi(group), NULL, "nvme", NULL, "nvme");
        return streq(action, "noisy") ? -EIO : r;
}

/* One open file in the whole system: a lock stands for that. */
static int fake_open_group(int dev, uint32_t group) {
        _cleanup_fd_ int fd = openat(dev, path_of("vfio/%u", (unsigned) group), O_RDWR | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        return flock(fd, LOCK_EX | LOCK_NB) < 0 ? -EBUSY : TAKE_FD(fd);
}

/* drivers/iommu/iommu.c:iommu_device_use_default_domain and what came before it: some drivers are in nobody's way. */
static int fake_viable(int fd) {
        static const char *const harmless[] = { "pci-stub", "pcieport" };
        char text[PATH_MAX] = "", driver[256], group[32] = "", path[PATH_MAX - 64] = "";
        _cleanup_fd_ int sys = -EBADF;
        struct dirent *entry;
        bool viable = true;
        struct stat st;
        DIR *dir;

        /* Its last device has left vfio. */
        if (fstat(fd, &st) < 0 || st.st_nlink == 0)
                return -ENODEV;
        (void) !pread(fd, text, sizeof(text) - 1, 0);
        if (sscanf(text, "%4000s %31s", path, group) != 2)
                return -EINVAL;
        sys = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (has_at(sys, "fake/not-viable"))
                return 0;
        dir = fdopendir(openat(sys, path_of("kernel/iommu_groups/%s/devices", group), O_RDONLY | O_CLOEXEC));
        while (dir && (entry = readdir(dir)))
                if (entry->d_name[0] != '.' && link_at(sys, path_of(BUS "/%s/driver", entry->d_name), driver, sizeof(driver)))
                        viable &= strstr(driver, "vfio") || name_lookup(harmless, ELEMENTSOF(harmless), driver) >= 0;
        if (dir)
                (void) closedir(dir);
        return viable;
}

static int fake_name(struct utsname *ret) {
        const char *release = getenv("FAKE_RELEASE");

        *ret = (struct utsname) { .machine = "ppc64le", .version = "#1 SMP" };
        (void) snprintf(ret->release, sizeof(ret->release), "%s", release ? release : "6.12.107");
        return 0;
}

const BindKernel bind_kernel = { .write = fake_write, .open_group = fake_open_group, .group_viable = fake_viable, .name = fake_name };

/* ---- what the test knows ---- */

void fake_plan(const FakeHost *host, const char *plan) {
        _cleanup_fd_ int sys = open_sys(host);

        put_at(sys, "fake/plan", plan);
        put_at(sys, "fake/count", "0\n");
}

unsigned fake_count(const FakeHost *host) {
        _cleanup_fd_ int sys = open_sys(host);
        char text[32];

        return get_at(sys, "fake/count", text, sizeof(text)) ? (unsigned) atoi(text) : 0;
}

bool fake_wait_hung(const FakeHost *host) {
        for (unsigned i = 0; i < 1000; i++) {
                if (access(path_of("%s/fake/hung", host->sys), F_OK) == 0)
                        return true;
                (void) usleep(10000);
        }
        return false;
}

void fake_let_go(const FakeHost *host) {
        (void) fd_close(open(path_of("%s/fake/gate", host->sys), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
}

static int by_name(const void *a, const void *b) {
        return strcmp(a, b);
}

void fake_describe(const FakeHost *host, char *ret, size_t size) {
        _cleanup_fd_ int sys = open_sys(host);
        char names[16][32], driver[256], override[256];
        DIR *dir = fdopendir(openat(sys, "bus/pci/devices", O_RDONLY | O_CLOEXEC));
        struct dirent *entry;
        size_t n = 0, used = 0;

        while (dir && (entry = readdir(dir)))
                if (entry->d_name[0] != '.' && n < ELEMENTSOF(names))
                        (void) snprintf(names[n++], sizeof(names[0]), "%.31s", entry->d_name);
        if (dir)
                (void) closedir(dir);
        qsort(names, n, sizeof(names[0]), by_name);
        ret[0] = '\0';
        for (size_t i = 0; i < n && used < size; i++) {
                bool bound = link_at(sys, path_of(BUS "/%s/driver", names[i]), driver, sizeof(driver));

                (void) get_at(sys, path_of(BUS "/%s/driver_override", names[i]), override, sizeof(override));
                used += (size_t) snprintf(ret + used, size - used, "%s %s %s\n", names[i], bound ? driver : "-",
                                          streq(override, "(null)") ? "-" : override);
        }
}

int fake_open(const FakeHost *host, unsigned group) {
        _cleanup_fd_ int dev = open(host->dev, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fake_open_group(dev, group);
}
