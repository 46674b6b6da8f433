/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What disks of PCI devices are used for, told by what people know: the volume that is mounted, not the map in between. One fact for each
 * disk or partition and each use of it. */

#include <dirent.h>
#include <limits.h>

#include "probe_block.h"
#include "probe_use_internal.h"
#include "util.h"

#define DEPTH_MAX 32U /* of what stands on each other */
/* Three of them, with the words between, make a line. */
#define SHOW_NODE(node) USE_SHOW(node, 40)

DEFINE_POINTER_CLEANUP(DIR, closedir, dir_closep)

typedef struct List {
        size_t *devices, n, allocated;
} List;

/* What stands on one disk or partition, or is it. The lists are used again for the next. */
typedef struct Walk {
        const BlockFacts *blocks;
        unsigned *stamps, stamp; /* who was there, in this walk */
        List mounted, swaps;
        List idle; /* tops that are neither */
} Walk;

static int append(List *list, size_t device) {
        if (ARRAY_RESERVE(list->devices, list->allocated, list->n + 1) < 0)
                return -ENOMEM;
        list->devices[list->n++] = device;
        return 0;
}

/* Goes up from a device. *ret_found: it or what stands on it is in use, or is such a top. */
static int walk(Walk *w, size_t at, size_t start, unsigned depth, bool *ret_found) {
        const BlockDevice *d = &w->blocks->devices[at];
        bool found = d->n_mounts > 0 || d->swap;
        int r = 0;

        *ret_found = true;
        if (depth > DEPTH_MAX || w->stamps[at] == w->stamp)
                return 0;
        w->stamps[at] = w->stamp;
        if (d->n_mounts > 0)
                r = append(&w->mounted, at);
        if (r >= 0 && d->swap)
                r = append(&w->swaps, at);
        for (size_t i = d->first_upper; i < d->first_upper + d->n_uppers && r >= 0; i++) {
                size_t upper = w->blocks->uppers[i].upper;
                bool above;

                /* A partition of where it begins is looked at for itself. */
                if (at == start && w->blocks->devices[upper].disk == start)
                        continue;
                r = walk(w, upper, start, depth + 1, &above);
                found |= above;
        }
        /* Of a disk with partitions that nobody uses the disk itself is told of. */
        if (r >= 0 && !found && at != start && !d->partition) {
                r = append(&w->idle, at);
                found = true;
        }
        *ret_found = found;
        return r;
}

/* Those mounted last first, as they may be mounted on each other; as many as fit, the others when it is looked at again. */
static void umount_command(const Walk *w, char remedy[USE_TEXT_MAX]) {
        const size_t full = USE_TEXT_MAX - 40;
        bool all = true;

        use_command(remedy, "umount");
        for (size_t i = w->mounted.n; i-- > 0 && strlen(remedy) < full;) {
                const BlockDevice *d = &w->blocks->devices[w->mounted.devices[i]];

                for (size_t j = d->n_mounts; j-- > 0 && strlen(remedy) < full;)
                        all &= use_append_word(remedy, d->mounts[j]);
        }
        if ((!all || strlen(remedy) >= full) && (w->mounted.n == 1 || streq(remedy, "umount"))) {
                use_command(remedy, "umount --all-targets");
                (void) use_append_word(remedy, w->blocks->devices[w->mounted.devices[0]].node);
        }
}

/* "/" before all others, else what was mounted first: what was mounted later is often the same again, bound elsewhere. */
static int add_mounted(UseCollector *c, const Addresses *a, const Walk *w, const BlockDevice *start) {
        const BlockDevice *first = NULL;
        const char *where = NULL;
        size_t n = 0;
        char text[USE_TEXT_MAX], remedy[USE_TEXT_MAX];

        for (size_t i = 0; i < w->mounted.n; i++) {
                const BlockDevice *d = &w->blocks->devices[w->mounted.devices[i]];

                for (size_t j = 0; j < d->n_mounts; j++, n++)
                        if (!first || (streq(d->mounts[j], "/") && !streq(where, "/"))) {
                                first = d;
                                where = d->mounts[j];
                        }
        }
        if (!first)
                return 0;
        if (first == start)
                (void) snprintf(text, sizeof(text), "%s is mounted on %s%s", SHOW_NODE(start->node), USE_SHOW(where, 84), USE_MORE(n - 1));
        else
                (void) snprintf(text, sizeof(text), "%s holds %s, mounted on %s%s", SHOW_NODE(start->node), SHOW_NODE(first->node),
                                SHOW_NODE(where), USE_MORE(n - 1));
        if (streq(where, "/"))
                use_command(remedy, "boot this host from another disk");
        else
                umount_command(w, remedy);
        return use_add(c, a, DEVICE_USE_MOUNTED, text, remedy);
}

/* A disk that is swap space has nothing above it, so that there is one, or what is above are several. */
static int add_swaps(UseCollector *c, const Addresses *a, const Walk *w, const BlockDevice *start) {
        char text[USE_TEXT_MAX], remedy[USE_TEXT_MAX] = "swapoff";
        const BlockDevice *first;

        if (w->swaps.n == 0)
                return 0;
        first = &w->blocks->devices[w->swaps.devices[0]];
        if (first == start)
                (void) snprintf(text, sizeof(text), "%s is swap space", SHOW_NODE(start->node));
        else
                (void) snprintf(text, sizeof(text), "%s holds %s, which is swap space%s", SHOW_NODE(start->node), SHOW_NODE(first->node),
                                USE_MORE(w->swaps.n - 1));
        for (size_t i = 0; i < w->swaps.n; i++)
                (void) use_append_word(remedy, w->blocks->devices[w->swaps.devices[i]].node);
        return use_add(c, a, DEVICE_USE_SWAP, text, remedy);
}

static DeviceUse use_of(const BlockDevice *d) {
        switch (d->kind) {
        case BLOCK_DM:
                return DEVICE_USE_DM;
        case BLOCK_LVM:
                return DEVICE_USE_LVM;
        case BLOCK_MD:
                return DEVICE_USE_MD;
        case BLOCK_PLAIN:
        case BLOCK_LOOP:
        case BLOCK_OTHER:
                break;
        }
        return DEVICE_USE_MEMBER;
}

/* "vg-root" -> "vg": a dash of their own is doubled in the names of both (lvm2: lib/misc/lvm-string.c). */
static void volume_group(const char *dm_name, char *buf, size_t size) {
        size_t n = 0;

        for (; *dm_name && n + 1 < size; dm_name++) {
                if (*dm_name == '-' && *++dm_name != '-')
                        break;
                buf[n++] = *dm_name;
        }
        buf[n] = '\0';
}

/* What takes a top apart that nothing uses. The tools of device mapper want its name, not its node; whose map it is, is told by how its UUID
 * begins. */
static void take_apart(const BlockDevice *d, char remedy[USE_TEXT_MAX]) {
        const char *uuid = d->dm_uuid ? d->dm_uuid : "", *word = d->dm_name ? d->dm_name : d->node;
        char group[128];

        if (d->kind == BLOCK_LVM && d->dm_name) {
                use_command(remedy, "vgchange -an");
                volume_group(d->dm_name, group, sizeof(group));
                word = group;
        } else if (strncmp(uuid, "mpath-", 6) == 0)
                use_command(remedy, "multipath -f");
        else if (strncmp(uuid, "CRYPT-", 6) == 0)
                use_command(remedy, "cryptsetup close");
        else if (d->kind == BLOCK_DM || d->kind == BLOCK_LVM)
                use_command(remedy, "dmsetup remove");
        else if (d->kind == BLOCK_MD)
                use_command(remedy, "mdadm --stop");
        else if (d->kind == BLOCK_LOOP)
                use_command(remedy, "losetup --detach");
        else if (strncmp(d->name, "bcache", 6) == 0) {
                (void) snprintf(remedy, USE_TEXT_MAX, "echo 1 >/sys/block/%s/bcache/stop", USE_SHOW(d->name, 32));
                return;
        } else if (strncmp(d->name, "drbd", 4) == 0) {
                use_command(remedy, "drbdsetup detach");
                word = d->name + 4;
        } else
                use_command(remedy, "lsblk --inverse");
        (void) use_append_word(remedy, word);
}

/* One fact for each kind of them: the first, and how many more. */
static int add_idle(UseCollector *c, const Addresses *a, const Walk *w, const BlockDevice *start) {
        const BlockDevice *first[_DEVICE_USE_MAX] = {};
        size_t n[_DEVICE_USE_MAX] = {};
        int r = 0;

        for (size_t i = 0; i < w->idle.n; i++) {
                const BlockDevice *d = &w->blocks->devices[w->idle.devices[i]];
                DeviceUse use = use_of(d);

                if (n[use]++ == 0)
                        first[use] = d;
        }
        for (DeviceUse use = 0; use < _DEVICE_USE_MAX && r >= 0; use++) {
                char text[USE_TEXT_MAX], remedy[USE_TEXT_MAX];

                if (!first[use])
                        continue;
                (void) snprintf(text, sizeof(text), "%s %s %s%s%s", SHOW_NODE(start->node),
                                use == DEVICE_USE_LVM ? "is a physical volume of LVM with"
                                        : use == DEVICE_USE_MD ? "is a member of the RAID" : "is part of",
                                SHOW_NODE(first[use]->node), USE_MORE(n[use] - 1), use == DEVICE_USE_LVM ? " active" : "");
                take_apart(first[use], remedy);
                r = use_add(c, a, use, text, remedy);
        }
        return r;
}

static bool ends_with(const char *text, const char *end) {
        size_t n = strlen(text), m = strlen(end);

        return n >= m && streq(text + n - m, end);
}

/* Is a pool of ZFS imported? Its module has no holders, but a folder of figures. */
static bool is_imported(const UseCollector *c, const char *pool) {
        char path[PATH_MAX];

        return *pool && !strchr(pool, '/') &&
                (size_t) snprintf(path, sizeof(path), "%s/spl/kstat/zfs/%s", c->proc, pool) < sizeof(path) && access(path, F_OK) >= 0;
}

static int add_pool(UseCollector *c, const Addresses *a, const BlockDevice *start) {
        int r;
        _cleanup_free_ char *pool = block_property(start, c->run, "ID_FS_LABEL", &r);
        char text[USE_TEXT_MAX], remedy[USE_TEXT_MAX];
        bool imported = pool && is_imported(c, pool);

        if (r < 0)
                return r;
        (void) snprintf(text, sizeof(text), "%s is part of the ZFS pool %s, %simported", SHOW_NODE(start->node),
                        pool ? SHOW_NODE(pool) : "of another host", imported ? "" : "not ");
        if (!imported)
                return use_add(c, a, DEVICE_USE_MEMBER, text, USE_REMEDY_FORCE);
        use_command(remedy, "zpool export");
        (void) use_append_word(remedy, pool);
        return use_add(c, a, DEVICE_USE_MEMBER, text, remedy);
}

/* What nobody has assembled: by what udev found written on it. A file system that is not mounted is no use. Nothing that ends such a use is
 * told: it would end the data. */
static int add_signature(UseCollector *c, const Addresses *a, const BlockDevice *start) {
        static const struct {
                const char *type, *is;
                DeviceUse use;
        } kinds[] = {
                { "LVM2_member", "is a physical volume of LVM, none of it active", DEVICE_USE_LVM },
                { "LVM1_member", "is a physical volume of LVM, none of it active", DEVICE_USE_LVM },
                { "linux_raid_member", "is a member of a RAID that is not assembled", DEVICE_USE_MD },
                { "_raid_member", "is a member of a RAID that is not assembled", DEVICE_USE_MD },
                { "bcache", "is part of a bcache that is not running", DEVICE_USE_MEMBER },
                { "ceph_bluestore", "belongs to Ceph", DEVICE_USE_MEMBER },
                { "drbd", "is a replica of DRBD's that is down", DEVICE_USE_MEMBER },
                { "stratis", "is part of a Stratis pool that is not running", DEVICE_USE_MEMBER },
        };
        int r;
        _cleanup_free_ char *type = block_property(start, c->run, "ID_FS_TYPE", &r);
        char text[USE_TEXT_MAX];

        if (!type)
                return r;
        if (streq(type, "zfs_member"))
                return add_pool(c, a, start);
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                if (!ends_with(type, kinds[i].type))
                        continue;
                (void) snprintf(text, sizeof(text), "%s %s", SHOW_NODE(start->node), kinds[i].is);
                return use_add(c, a, kinds[i].use, text, USE_REMEDY_FORCE);
        }
        return 0;
}

/* All of one disk or partition; what is written on it counts only where nobody has taken it up. */
static int add_device(UseCollector *c, const Addresses *a, Walk *w, size_t at) {
        const BlockDevice *start = &w->blocks->devices[at];
        bool found;
        int r;

        w->mounted.n = w->swaps.n = w->idle.n = 0;
        w->stamp++;
        r = walk(w, at, at, 0, &found);
        if (r >= 0)
                r = add_mounted(c, a, w, start);
        if (r >= 0)
                r = add_swaps(c, a, w, start);
        if (r >= 0)
                r = add_idle(c, a, w, start);
        return r >= 0 && !found ? add_signature(c, a, start) : r;
}

/* The head of an NVMe device with several paths is below none of them: its subsystem has links to its controllers
 * (drivers/nvme/host/core.c:nvme_init_subsystem). */
static void addresses_of_subsystem(int sys, const char *path, Addresses *a) {
        static const char prefix[] = "/devices/virtual/nvme-subsystem/";
        size_t length = sizeof(prefix) - 1;
        _cleanup_(dir_closep) DIR *dir = NULL;
        char folder[PATH_MAX], target[PATH_MAX];
        int fd;

        if (strncmp(path, prefix, length) != 0)
                return;
        length += strcspn(path + length, "/");
        (void) snprintf(folder, sizeof(folder), "%.*s", (int) length - 1, path + 1);
        fd = openat(sys, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir) {
                (void) fd_close(fd);
                return;
        }
        for (struct dirent *entry; (entry = readdir(dir));) {
                ssize_t n = strncmp(entry->d_name, "nvme", 4) == 0 ? readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1) : -1;

                if (n < 0)
                        continue;
                target[n] = '\0';
                addresses_of_path(target, a);
        }
}

int use_add_blocks(UseCollector *c, const char *sys) {
        _cleanup_(block_facts_clear) BlockFacts blocks = {};
        Walk w = { .blocks = &blocks };
        int r = block_facts_read(sys, c->proc, c->run, &blocks);

        w.stamps = calloc(blocks.n_devices + 1, sizeof(unsigned));
        if (!w.stamps)
                r = -ENOMEM;
        for (size_t i = 0; i < blocks.n_devices && r >= 0; i++) {
                Addresses a = {};

                addresses_of_path(blocks.devices[i].path, &a);
                addresses_of_subsystem(c->sys, blocks.devices[i].path, &a);
                if (a.n > 0)
                        r = add_device(c, &a, &w, i);
        }
        free(w.stamps);
        free(w.mounted.devices);
        free(w.swaps.devices);
        free(w.idle.devices);
        return r;
}
