/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The files of a test's world, the made-up /sys among them; and what /proc says of a process. */

#include <dirent.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "harness.h"
#include "util.h"

static void full_path(const Host *h, const char *path, char ret[PATH_MAX]) {
        if ((size_t) snprintf(ret, PATH_MAX, "%s%s%s", h->dir, *path ? "/" : "", path) >= PATH_MAX)
                bail_out("the path %s is too long", path);
}

/* Makes every folder above `path`. */
static void make_parents(char *path) {
        for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                if (mkdir(path, 0755) < 0 && errno != EEXIST)
                        bail_out("mkdir %s: %s", path, strerror(errno));
                *slash = '/';
        }
}

void host_mkdir(const Host *h, const char *path) {
        char full[PATH_MAX];

        full_path(h, path, full);
        make_parents(full);
        if (mkdir(full, 0755) < 0 && errno != EEXIST)
                bail_out("mkdir %s: %s", full, strerror(errno));
}

void host_write(const Host *h, const char *path, const char *format, ...) {
        char full[PATH_MAX];
        va_list ap;
        FILE *f;

        full_path(h, path, full);
        make_parents(full);
        f = fopen(full, "we");
        if (!f)
                bail_out("can't write %s: %s", full, strerror(errno));
        va_start(ap, format);
        (void) vfprintf(f, format, ap);
        va_end(ap);
        if (fclose(f) != 0)
                bail_out("can't write %s: %s", full, strerror(errno));
}

void host_link(const Host *h, const char *path, const char *target) {
        char full[PATH_MAX];

        full_path(h, path, full);
        make_parents(full);
        (void) unlink(full);
        if (symlink(target, full) < 0)
                bail_out("symlink %s: %s", full, strerror(errno));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void) remove(path);
        return 0;
}

void host_remove(const Host *h, const char *path) {
        char full[PATH_MAX];

        full_path(h, path, full);
        (void) nftw(full, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

char *read_whole(const char *path) {
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        char *text = NULL, *shorter;
        size_t have = 0, size = 0;
        ssize_t n = 0;

        do {
                have += (size_t) n;
                if (ARRAY_RESERVE(text, size, have + 4096) < 0)
                        bail_out("no memory");
        } while (fd >= 0 && (n = read(fd, text + have, size - 1 - have)) > 0);
        text[have] = '\0';
        shorter = realloc(text, have + 1);
        return shorter ? shorter : text;
}

char *host_log(const Host *h) {
        return read_whole(h->log);
}

bool host_log_has(const Host *h, const char *text) {
        for (unsigned i = 0; i < HARNESS_PATIENCE * 20; i++) {
                _cleanup_free_ char *log = host_log(h);

                if (strstr(log, text))
                        return true;
                (void) usleep(50 * 1000);
        }
        return false;
}

/* As the kernel lays it out: the group has links to its devices, a device one to its driver and one to the group. */
void host_add_group(const Host *h, unsigned number, const char *address, const char *driver) {
        char path[256], target[256];

        host_remove_group(h, number);
        (void) snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%u/name", number);
        host_write(h, path, "domain%u-pe0\n", number);
        (void) snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%u/devices/%s", number, address);
        (void) snprintf(target, sizeof(target), "../../../../devices/pci0000:00/%s", address);
        host_link(h, path, target);
        (void) snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", address);
        (void) snprintf(target, sizeof(target), "../../../devices/pci0000:00/%s", address);
        host_link(h, path, target);
        (void) snprintf(path, sizeof(path), "sys/devices/pci0000:00/%s/iommu_group", address);
        (void) snprintf(target, sizeof(target), "../../../kernel/iommu_groups/%u", number);
        host_link(h, path, target);
        (void) snprintf(path, sizeof(path), "sys/devices/pci0000:00/%s/vendor", address);
        host_write(h, path, "0x8086\n");
        (void) snprintf(path, sizeof(path), "sys/devices/pci0000:00/%s/device", address);
        host_write(h, path, "0x10d3\n");
        (void) snprintf(path, sizeof(path), "sys/devices/pci0000:00/%s/class", address);
        host_write(h, path, "0x020000\n");
        (void) snprintf(path, sizeof(path), "sys/devices/pci0000:00/%s/numa_node", address);
        host_write(h, path, "-1\n");
        (void) snprintf(path, sizeof(path), "sys/devices/pci0000:00/%s/driver", address);
        host_remove(h, path);
        if (!driver)
                return;
        (void) snprintf(target, sizeof(target), "../../../bus/pci/drivers/%s", driver);
        host_link(h, path, target);
}

void host_remove_group(const Host *h, unsigned number) {
        char path[64];

        (void) snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%u", number);
        host_remove(h, path);
}

int count_fds(pid_t pid) {
        char path[32];
        DIR *dir;
        int n = 0;

        (void) snprintf(path, sizeof(path), "/proc/%d/fd", (int) pid);
        dir = opendir(path);
        if (!dir)
                return -1;
        for (struct dirent *entry; (entry = readdir(dir));)
                n += entry->d_name[0] != '.';
        (void) closedir(dir);
        return n;
}

int settled_fds(pid_t pid) {
        int n = count_fds(pid);

        for (unsigned same = 0, i = 0; same < 3 && i < HARNESS_PATIENCE * 100; i++) {
                int before = n;

                (void) usleep(10 * 1000 * slack());
                n = count_fds(pid);
                same = n == before ? same + 1 : 0;
        }
        return n;
}

int wait_fds(pid_t pid, int most) {
        int n = 0;

        for (unsigned i = 0; i < HARNESS_PATIENCE * 20; i++) {
                n = count_fds(pid);
                if (n <= most)
                        break;
                (void) usleep(50 * 1000);
        }
        return n;
}

long resident_kib(pid_t pid) {
        char path[32];
        _cleanup_free_ char *text = NULL;
        const char *line;

        (void) snprintf(path, sizeof(path), "/proc/%d/status", (int) pid);
        text = read_whole(path);
        line = strstr(text, "\nVmRSS:");
        return line ? strtol(line + strlen("\nVmRSS:"), NULL, 10) : -1;
}
