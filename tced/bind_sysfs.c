/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bind_sysfs.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>

#include "facts.h"
#include "util.h"

#define DEVICES "bus/pci/devices"
#define DRIVERS "bus/pci/drivers"

DEFINE_POINTER_CLEANUP(DIR, closedir, dir_closep)

int bind_sysfs_fail(BindSysfs *b, int error, const char *format, ...) {
        va_list ap;

        if (b->text[0])
                return -error;
        va_start(ap, format);
        (void) vsnprintf(b->text, sizeof(b->text), format, ap);
        va_end(ap);
        return -error;
}

/* ---- reading ---- */

/* The last part of what a link of the device leads to, "" where there is none. */
static int read_link(BindSysfs *b, const char *address, const char *name, char *ret, size_t size) {
        char path[128], target[PATH_MAX];
        const char *last;
        ssize_t n;

        (void) snprintf(path, sizeof(path), DEVICES "/%s/%s", address, name);
        n = readlinkat(b->sys, path, target, sizeof(target) - 1);
        if (n < 0 && errno != ENOENT)
                return -errno;
        target[n < 0 ? 0 : n] = '\0';
        last = strrchr(target, '/');
        last = last ? last + 1 : target;
        if (strlen(last) >= size)
                return -ENAMETOOLONG;
        (void) strcpy(ret, last);
        return 0;
}

/* A device that has gone since has none either. */
static int read_text(BindSysfs *b, const char *address, const char *name, char *ret, size_t size) {
        char path[128];
        ssize_t n;

        (void) snprintf(path, sizeof(path), DEVICES "/%s/%s", address, name);
        n = read_file_at(b->sys, path, ret, size);
        if (n < 0)
                ret[0] = '\0';
        return n < 0 && n != -ENOENT && n != -ENODEV ? (int) n : 0;
}

int bind_sysfs_look(BindSysfs *b, const char *address, BindDevice *ret) {
        BindDevice d = { .group = -1 };
        char path[128], class[32], group[32];
        uint64_t number;
        int r;

        r = read_link(b, address, "driver", d.driver, sizeof(d.driver));
        if (r >= 0)
                r = read_text(b, address, "driver_override", d.driver_override, sizeof(d.driver_override));
        if (r >= 0)
                r = read_text(b, address, "class", class, sizeof(class));
        if (r >= 0)
                r = read_link(b, address, "iommu_group", group, sizeof(group));
        if (r < 0)
                return bind_sysfs_fail(b, EIO, "%s can't be read in /sys: %s", address, strerror(-r));
        /* The kernel writes that for none. */
        if (streq(d.driver_override, "(null)"))
                d.driver_override[0] = '\0';
        d.bridge = strncmp(class, "0x0604", 6) == 0;
        d.vfio = strstr(d.driver, "vfio");
        if (parse_u64(group, UINT32_MAX, &number) == 0)
                d.group = (int64_t) number;
        /* Last: what was read of a device that went meanwhile is worth nothing. */
        (void) snprintf(path, sizeof(path), DEVICES "/%s", address);
        d.present = faccessat(b->sys, path, F_OK, 0) >= 0;
        *ret = d;
        return 0;
}

static bool named(const char (*addresses)[BIND_ADDRESS_MAX + 1], size_t n, const char *address) {
        for (size_t i = 0; i < n; i++)
                if (streq(addresses[i], address))
                        return true;
        return false;
}

int bind_sysfs_check_group(BindSysfs *b, uint32_t group, const char (*addresses)[BIND_ADDRESS_MAX + 1], size_t n) {
        static const char remedy[] = "look at the groups again and repeat it";
        _cleanup_(dir_closep) DIR *dir = NULL;
        struct dirent *entry;
        size_t found = 0;
        char path[64];
        int fd;

        (void) snprintf(path, sizeof(path), "kernel/iommu_groups/%" PRIu32 "/devices", group);
        fd = openat(b->sys, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir) {
                (void) fd_close(fd);
                return bind_sysfs_fail(b, ESTALE, "there is no IOMMU group %" PRIu32 " any more: %s", group, remedy);
        }
        while ((entry = readdir(dir))) {
                char target[PATH_MAX];
                const char *last;
                ssize_t length;

                if (entry->d_name[0] == '.')
                        continue;
                /* Its name has a number behind it where two buses have a device of the same (drivers/iommu/iommu.c:iommu_group_alloc_device). */
                length = readlinkat(fd, entry->d_name, target, sizeof(target) - 1);
                target[length < 0 ? 0 : length] = '\0';
                last = strrchr(target, '/');
                last = last ? last + 1 : entry->d_name;
                if (!named(addresses, n, last))
                        return bind_sysfs_fail(b, ESTALE, "IOMMU group %" PRIu32 " has %.64s by now, which was not asked for: %s", group, last, remedy);
                found++;
        }
        if (found == n)
                return 0;
        return bind_sysfs_fail(b, ESTALE, "IOMMU group %" PRIu32 " has %zu devices by now, not %zu: %s", group, found, n, remedy);
}

/* ---- writing ---- */

/* One write, and the device as it is then. What the write returned is in *ret_error. */
static int step(BindSysfs *b, const char *address, const char *what, const char *path, const char *text, BindDevice *ret, int *ret_error) {
        char said[BIND_TEXT_MAX];

        (void) snprintf(said, sizeof(said), "%s: %s", address, what);
        if (b->on_step)
                b->on_step(said, b->userdata);
        *ret_error = b->kernel->write(b->sys, path, text);
        return bind_sysfs_look(b, address, ret);
}

/* Why a step has not had its effect. */
static const char *reason(int error) {
        return error < 0 ? strerror(-error) : "the kernel took it, and nothing happened";
}

/* driver_override: NULL clears it. */
static int set_override(BindSysfs *b, const char *address, const char *driver, BindDevice *d) {
        char what[320], path[128], text[BIND_DRIVER_MAX + 2];
        int r, error;

        if (streq(d->driver_override, driver ? driver : ""))
                return 0;
        (void) snprintf(path, sizeof(path), DEVICES "/%s/driver_override", address);
        (void) snprintf(what, sizeof(what), driver ? "setting driver_override to %s" : "clearing driver_override", driver);
        /* No text at all would be no write. */
        (void) snprintf(text, sizeof(text), "%s\n", driver ? driver : "");
        r = step(b, address, what, path, text, d, &error);
        if (r < 0 || !d->present || streq(d->driver_override, driver ? driver : ""))
                return r;
        return bind_sysfs_fail(b, EIO, "%s: driver_override can't be set to '%.64s': %s", address, driver ? driver : "", reason(error));
}

static int unbind(BindSysfs *b, const char *address, BindDevice *d) {
        char what[320], path[BIND_DRIVER_MAX + 64], driver[sizeof(d->driver)];
        int r, error;

        (void) strcpy(driver, d->driver);
        (void) snprintf(what, sizeof(what), "unbinding it from %s", driver);
        (void) snprintf(path, sizeof(path), DRIVERS "/%s/unbind", driver);
        r = step(b, address, what, path, address, d, &error);
        if (r < 0 || !d->present || !d->driver[0])
                return r;
        return bind_sysfs_fail(b, EIO, "%s: the driver %.64s does not let it go: %s", address, driver, reason(error));
}

static bool has_driver(BindSysfs *b, const char *driver) {
        char path[BIND_DRIVER_MAX + 64];

        (void) snprintf(path, sizeof(path), DRIVERS "/%s", driver);
        return faccessat(b->sys, path, F_OK, 0) >= 0;
}

/* No driver after a probe: on 5.19 to 6.3 vfio-pci can't have a device on POWER, and nothing is said (drivers/vfio/vfio.c asks for an IOMMU
 * driver that POWER had none of). */
static int fail_probe(BindSysfs *b, const char *address, int error) {
        struct utsname name;

        if (b->kernel->name(&name) >= 0 && strncmp(name.machine, "ppc64", 5) == 0 && facts_vfio_broken_by_version(name.release, name.version))
                return bind_sysfs_fail(b, EIO, "%s: vfio-pci does not take it: this is kernel %.64s, and VFIO does not work on POWER with 5.19 to "
                                       "6.3; boot 6.4 or later", address, name.release);
        return bind_sysfs_fail(b, EIO, "%s: vfio-pci does not take it: %s; `dmesg` may say why", address, reason(error));
}

int bind_sysfs_take(BindSysfs *b, const char *address) {
        BindDevice d;
        int r, error;

        if (!has_driver(b, BIND_VFIO_DRIVER))
                return bind_sysfs_fail(b, EIO, "there is no driver vfio-pci: modprobe vfio-pci");
        r = bind_sysfs_look(b, address, &d);
        if (r >= 0 && d.present)
                r = set_override(b, address, BIND_VFIO_DRIVER, &d);
        if (r >= 0 && d.present && d.driver[0] && !d.vfio)
                r = unbind(b, address, &d);
        if (r < 0)
                return r;
        error = 0;
        if (d.present && !d.driver[0])
                r = step(b, address, "probing for vfio-pci", "bus/pci/drivers_probe", address, &d, &error);
        if (r < 0)
                return r;
        if (!d.present)
                return bind_sysfs_fail(b, ENODEV, "%s has been unplugged meanwhile", address);
        return d.vfio ? 0 : fail_probe(b, address, error);
}

/* To its driver, by name and not by a probe, as several may match. An override with another name would be in the way
 * (drivers/pci/pci-driver.c:pci_match_device), so that it comes after. */
static int rebind(BindSysfs *b, const BindRecordDevice *was, BindDevice *d) {
        const char *during = was->driver_override && streq(was->driver_override, was->driver) ? was->driver : NULL;
        char what[320], path[BIND_DRIVER_MAX + 64];
        int r, error;

        r = set_override(b, was->address, during, d);
        if (r < 0 || !d->present)
                return r;
        if (!has_driver(b, was->driver))
                return bind_sysfs_fail(b, EIO, "%s was on the driver %.64s, which is not loaded any more: modprobe it, and release the group again",
                                       was->address, was->driver);
        (void) snprintf(what, sizeof(what), "binding it to %s", was->driver);
        (void) snprintf(path, sizeof(path), DRIVERS "/%s/bind", was->driver);
        r = step(b, was->address, what, path, was->address, d, &error);
        if (r < 0 || !d->present || streq(d->driver, was->driver))
                return r;
        return bind_sysfs_fail(b, EIO, "%s: its driver %.64s does not take it back: %s; `dmesg` may say why; release the group again, or unplug it",
                               was->address, was->driver, reason(error));
}

int bind_sysfs_give_back(BindSysfs *b, const BindRecordDevice *was) {
        BindDevice d;
        bool ours;
        int r, s;

        r = bind_sysfs_look(b, was->address, &d);
        if (r < 0 || !d.present)
                return r;
        ours = streq(d.driver, BIND_VFIO_DRIVER);
        /* Plugged in anew, or given to somebody else: only an override of ours is taken away. */
        if (d.driver[0] && !ours && !(was->driver && streq(d.driver, was->driver)))
                return streq(d.driver_override, BIND_VFIO_DRIVER) ? set_override(b, was->address, was->driver_override, &d) : 0;
        if (ours)
                r = unbind(b, was->address, &d);
        if (r < 0 || !d.present)
                return r;
        if (!d.driver[0] && was->driver)
                r = rebind(b, was, &d);
        s = d.present ? set_override(b, was->address, was->driver_override, &d) : 0;
        return r < 0 ? r : s;
}
