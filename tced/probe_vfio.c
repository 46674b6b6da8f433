/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* VFIO's extensions, and the list of IOMMU groups. Each group is read by probe_groups.c; here they are found and put in order.
 * The cost is that of the reads: some 70 system calls for a group of four devices, so that 16,384 groups take about 1.5
 * seconds. */

#include "probe_vfio.h"

#include <dirent.h>
#include <limits.h>

#include "kvm-abi.h"
#include "probe_groups.h"
#include "util.h"

DEFINE_POINTER_CLEANUP(DIR, closedir, dir_closep)

/* base/name as a directory to start from; negative errno. */
static int open_dir(const char *base, const char *name) {
        char path[PATH_MAX];
        int fd;

        if ((size_t) snprintf(path, sizeof(path), "%s/%s", base, name) >= sizeof(path))
                return -ENAMETOOLONG;
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* Opening it loads vfio where it is not there yet; nothing is attached, so nobody is kept from a group. An extension reads 0 as
 * long as its backend's module (vfio_iommu_spapr_tce) is not loaded. */
static void probe_container(const char *dev, VfioFacts *f) {
        _cleanup_fd_ int dir = -EBADF, fd = -EBADF;

        vfio_facts_set_extensions(f);
        dir = open_dir(dev, "vfio");
        fd = dir < 0 ? dir : openat(dir, "vfio", O_RDWR | O_CLOEXEC);
        if (fd < 0) {
                f->container_error = dir < 0 ? -dir : errno;
                return;
        }
        f->api_version = ioctl(fd, VFIO_GET_API_VERSION);
        for (size_t i = 0; i < VFIO_EXTENSIONS_MAX; i++) {
                int r = ioctl(fd, VFIO_CHECK_EXTENSION, (unsigned long) f->extension[i].id);
                f->extension[i].value = r > 0 ? (uint32_t) r : 0;
        }
}

/* Is anything in the directory? */
static bool has_entries(const char *base, const char *name) {
        char path[PATH_MAX];
        _cleanup_(dir_closep) DIR *dir = NULL;

        if ((size_t) snprintf(path, sizeof(path), "%s/%s", base, name) >= sizeof(path))
                return false;
        dir = opendir(path);
        for (struct dirent *entry; dir && (entry = readdir(dir));)
                if (entry->d_name[0] != '.')
                        return true;
        return false;
}

/* The most memory that this partition may ever have: nothing. Then Linux 6.12 asks firmware for a 64-bit window of 2^0 bytes
 * (arch/powerpc/platforms/pseries/iommu.c:ddw_memory_hotplug_max), and when that was refused never asks for that PHB again. */
static bool probe_no_maxmem(const char *sys) {
        _cleanup_fd_ int rtas = open_dir(sys, "firmware/devicetree/base/rtas"), fd = -EBADF;
        uint64_t most;

        if (rtas < 0)
                return false;
        fd = openat(rtas, "ibm,lrdr-capacity", O_RDONLY | O_CLOEXEC);
        return fd >= 0 && read(fd, &most, sizeof(most)) == sizeof(most) && most == 0;
}

/* ibm,opal is bare metal's firmware (arch/powerpc/platforms/powernv/opal.c:early_init_dt_scan_opal), rtas that of a partition
 * (kernel/rtas.c:early_init_dt_scan_rtas); a machine with both is the former. */
static Platform probe_platform(const char *sys) {
        _cleanup_fd_ int base = open_dir(sys, "firmware/devicetree/base");

        if (base < 0)
                return PLATFORM_OTHER;
        if (faccessat(base, "ibm,opal", F_OK, 0) >= 0)
                return PLATFORM_POWERNV;
        return faccessat(base, "rtas", F_OK, 0) >= 0 ? PLATFORM_PSERIES : PLATFORM_OTHER;
}

static int compare_numbers(const void *a, const void *b) {
        unsigned p = *(const unsigned *) a, q = *(const unsigned *) b;
        return (p > q) - (p < q);
}

/* The groups' numbers in ascending order, to be freed. */
static int list_groups(int groups, unsigned **ret, size_t *ret_n) {
        _cleanup_fd_ int fd = openat(groups, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(dir_closep) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        _cleanup_free_ unsigned *numbers = NULL;
        size_t n = 0, allocated = 0;

        if (dir)
                (void) TAKE_FD(fd);
        for (struct dirent *entry; dir && (entry = readdir(dir));) {
                uint64_t number;

                if (parse_u64(entry->d_name, UINT_MAX, &number) < 0)
                        continue;
                if (ARRAY_RESERVE(numbers, allocated, n + 1) < 0)
                        return -ENOMEM;
                numbers[n++] = (unsigned) number;
        }
        if (n > 1)
                qsort(numbers, n, sizeof(*numbers), compare_numbers);
        *ret = TAKE_PTR(numbers);
        *ret_n = n;
        return 0;
}

/* What groups are read with; closed by reader_close(). */
typedef struct Reading {
        GroupReader reader;
        GroupScratch scratch;
        NetFacts *net;
} Reading;

static void reading_close(Reading *r) {
        (void) fd_close(r->reader.groups);
        (void) fd_close(r->reader.vfio_class);
        (void) fd_close(r->reader.vfio_nodes);
        (void) device_names_free(r->reader.names);
        group_scratch_clear(&r->scratch);
        (void) net_facts_free(r->net);
}

/* Negative errno: there are no groups here. */
static int reading_open(const char *sys, const char *dev, Reading *ret) {
        int groups = open_dir(sys, "kernel/iommu_groups");

        if (groups < 0)
                return groups;
        *ret = (Reading) {
                .reader = { .groups = groups, .vfio_class = open_dir(sys, "class/vfio"), .vfio_nodes = open_dir(dev, "vfio"),
                            .iommu_class = has_entries(sys, "class/iommu") },
        };
        /* Without the database there are no names: no reason to go without the groups. */
        (void) device_names_new(&ret->reader.names);
        /* A made-up tree's interfaces are none of this machine's. */
        if (streq(sys, "/sys"))
                (void) net_facts_read(&ret->net);
        ret->reader.net = ret->net;
        ret->reader.scratch = &ret->scratch;
        return 0;
}

/* A group may go while others are read: the list then simply is shorter. */
static int read_groups(const GroupReader *reader, const unsigned *numbers, size_t n, GroupFacts **ret, size_t *ret_n) {
        GroupFacts *groups = n > 0 ? calloc(n, sizeof(*groups)) : NULL;
        size_t have = 0;
        int r = n > 0 && !groups ? -ENOMEM : 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                r = group_read(reader, numbers[i], &groups[have]);
                if (r == -ENOENT)
                        r = 0;
                else if (r >= 0)
                        have++;
        }
        if (r < 0) {
                for (size_t i = 0; i < have; i++)
                        group_facts_clear(&groups[i]);
                free(groups);
                return r;
        }
        *ret = groups;
        *ret_n = have;
        return 0;
}

int probe_vfio_groups(const char *sys, const char *dev, const unsigned *numbers, size_t n, GroupFacts **ret, size_t *ret_n) {
        _cleanup_(reading_close) Reading reading = { .reader = { -EBADF, -EBADF, -EBADF } };

        int r;

        *ret = NULL;
        *ret_n = 0;
        r = n > 0 ? reading_open(sys, dev, &reading) : 0;
        /* What keeps tced from looking says nothing about the groups that are known. */
        if (n == 0 || r < 0)
                return r == -EMFILE || r == -ENFILE || r == -ENOMEM ? r : 0;
        return read_groups(&reading.reader, numbers, n, ret, ret_n);
}

int probe_vfio(const char *sys, const char *dev, VfioFacts *ret) {
        _cleanup_(vfio_facts_clear) VfioFacts f = {};
        _cleanup_(reading_close) Reading reading = { .reader = { -EBADF, -EBADF, -EBADF } };
        _cleanup_free_ unsigned *numbers = NULL;
        size_t n = 0;
        int r;

        probe_container(dev, &f);
        f.iommu_class = has_entries(sys, "class/iommu");
        f.platform = probe_platform(sys);
        f.no_maxmem = probe_no_maxmem(sys);
        r = reading_open(sys, dev, &reading);
        if (r == -EMFILE || r == -ENFILE || r == -ENOMEM)
                return r;
        f.groups_supported = r >= 0;
        if (f.groups_supported) {
                r = list_groups(reading.reader.groups, &numbers, &n);
                if (r >= 0)
                        r = read_groups(&reading.reader, numbers, n, &f.groups, &f.n_groups);
                if (r >= 0)
                        r = vfio_facts_count_vfs(&f);
                if (r < 0)
                        return r;
        }
        *ret = f;
        f = (VfioFacts){};
        return 0;
}
