/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The graph of block devices goes from what is below to what stands on it: what sysfs calls the slaves of a virtual device, partitions, and a
 * loop device on a disk, which sysfs takes for a file. A host has thousands of disks, so of each no more is read than its link and number. A
 * mount is found by the number of its device; where a file system has several and a number of its own (btrfs, bcachefs), by the names that it
 * was mounted with, and by btrfs's own list. */

#include "probe_block.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <sys/sysmacros.h>

#include "util.h"

DEFINE_POINTER_CLEANUP(DIR, closedir, dir_closep)

/* A name that udev gives a device: "/dev/disk/by-uuid/...", "/dev/vg/root". */
typedef struct BlockLink {
        char *path;
        size_t device;
} BlockLink;

static void device_clear(BlockDevice *d) {
        free(d->name);
        free(d->node);
        free(d->dm_name);
        free(d->dm_uuid);
        free(d->path);
        for (size_t i = 0; i < d->n_mounts; i++)
                free(d->mounts[i]);
        free(d->mounts);
        *d = (BlockDevice){};
}

void block_facts_clear(BlockFacts *facts) {
        for (size_t i = 0; i < facts->n_devices; i++)
                device_clear(&facts->devices[i]);
        for (size_t i = 0; i < facts->n_links; i++)
                free(facts->links[i].path);
        free(facts->devices);
        free(facts->uppers);
        free(facts->by_number);
        free(facts->by_node);
        free(facts->links);
        *facts = (BlockFacts){};
}

/* A directory below dir, to be read; NULL where there is none. */
static DIR *open_directory(int dir, const char *path) {
        int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *directory = fd < 0 ? NULL : fdopendir(fd);

        if (!directory)
                (void) fd_close(fd);
        return directory;
}

/* The next name that is none of "." and ".."; NULL at the end. */
static const char *next_name(DIR *dir) {
        for (struct dirent *entry; (entry = readdir(dir));)
                if (entry->d_name[0] != '.')
                        return entry->d_name;
        return NULL;
}

/* A file's text; NULL where it is not there or empty. */
static char *read_text(int dir, const char *name, int *error) {
        char text[1024], *copy;

        if (read_file_at(dir, name, text, sizeof(text)) <= 0)
                return NULL;
        copy = strdup(text);
        if (!copy)
                *error = -ENOMEM;
        return copy;
}

/* Device mapper's node as libdevmapper calls it: what is not of its list of characters is \x and two digits. */
static char *mapper_node(const char *name) {
        char *node = malloc(strlen("/dev/mapper/") + 4 * strlen(name) + 1), *end;

        if (!node)
                return NULL;
        end = stpcpy(node, "/dev/mapper/");
        for (; *name; name++)
                if (isalnum((unsigned char) *name) || strchr("#+-.:=@_", *name))
                        *end++ = *name;
                else
                        end += sprintf(end, "\\x%02x", (unsigned char) *name);
        *end = '\0';
        return node;
}

/* The kernel writes '!' in sysfs where a name has a slash. */
static char *plain_node(const char *name) {
        char *node;

        if (asprintf(&node, "/dev/%s", name) < 0)
                return NULL;
        for (char *c = node; *c; c++)
                if (*c == '!')
                        *c = '/';
        return node;
}

/* Only virtual devices stand on others. */
static bool is_virtual(const BlockDevice *d) {
        static const char prefix[] = "/devices/virtual/block/";

        return strncmp(d->path, prefix, sizeof(prefix) - 1) == 0;
}

static int read_kind(int class, BlockDevice *d) {
        _cleanup_fd_ int dir = openat(class, d->name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        int error = 0;

        d->kind = BLOCK_OTHER;
        if (faccessat(dir, "dm", F_OK, 0) >= 0) {
                d->kind = BLOCK_DM;
                d->dm_name = read_text(dir, "dm/name", &error);
                d->dm_uuid = read_text(dir, "dm/uuid", &error);
                if (d->dm_uuid && strncmp(d->dm_uuid, "LVM-", 4) == 0)
                        d->kind = BLOCK_LVM;
        } else if (faccessat(dir, "md", F_OK, 0) >= 0)
                d->kind = BLOCK_MD;
        else if (faccessat(dir, "loop", F_OK, 0) >= 0)
                d->kind = BLOCK_LOOP;
        return error;
}

/* 0: it has none; no block device has that number, as major 0 is for file systems without a device. */
static dev_t read_number(int class, const char *name) {
        char path[NAME_MAX + sizeof("/dev")], text[32];
        unsigned major, minor;

        (void) snprintf(path, sizeof(path), "%s/dev", name);
        if (read_file_at(class, path, text, sizeof(text)) <= 0 || sscanf(text, "%u:%u", &major, &minor) != 2)
                return 0;
        return makedev(major, minor);
}

/* -ENOENT: it is going. */
static int read_device(int class, const char *name, BlockDevice *ret) {
        _cleanup_(device_clear) BlockDevice d = { .disk = SIZE_MAX };
        char target[PATH_MAX];
        const char *devices;
        ssize_t n = readlinkat(class, name, target, sizeof(target) - 1);
        int r = 0;

        if (n < 0)
                return -ENOENT;
        target[n] = '\0';
        devices = strstr(target, "/devices/");
        d.name = strdup(name);
        d.path = strdup(devices ? devices : target);
        if (!d.name || !d.path)
                return -ENOMEM;
        if (is_virtual(&d))
                r = read_kind(class, &d);
        if (r < 0)
                return r;
        d.node = d.dm_name ? mapper_node(d.dm_name) : plain_node(d.name);
        if (!d.node)
                return -ENOMEM;
        d.number = read_number(class, name);
        *ret = d;
        d = (BlockDevice){};
        return 0;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(((const BlockDevice *) a)->name, ((const BlockDevice *) b)->name);
}

/* SIZE_MAX: there is none of that name. */
static size_t find_name(const BlockFacts *facts, const char *name) {
        BlockDevice key = { .name = (char *) name };
        const BlockDevice *d = facts->n_devices == 0
                ? NULL
                : bsearch(&key, facts->devices, facts->n_devices, sizeof(BlockDevice), compare_names);

        return d ? (size_t) (d - facts->devices) : SIZE_MAX;
}

static int compare_numbers(const void *a, const void *b, void *devices) {
        dev_t x = ((const BlockDevice *) devices)[*(const size_t *) a].number, y = ((const BlockDevice *) devices)[*(const size_t *) b].number;

        return (x > y) - (x < y);
}

static int compare_nodes(const void *a, const void *b, void *devices) {
        return strcmp(((const BlockDevice *) devices)[*(const size_t *) a].node, ((const BlockDevice *) devices)[*(const size_t *) b].node);
}

/* By hand, here and in find_node(): what is sorted is places in the list, and bsearch(3) can't be told of which list. */
static size_t find_number(const BlockFacts *facts, dev_t number) {
        size_t low = 0, high = number == 0 ? 0 : facts->n_devices;

        while (low < high) {
                size_t middle = low + (high - low) / 2, at = facts->by_number[middle];

                if (facts->devices[at].number == number)
                        return at;
                if (facts->devices[at].number < number)
                        low = middle + 1;
                else
                        high = middle;
        }
        return SIZE_MAX;
}

static size_t find_node(const BlockFacts *facts, const char *node) {
        size_t low = 0, high = facts->n_devices;

        while (low < high) {
                size_t middle = low + (high - low) / 2, at = facts->by_node[middle];
                int order = strcmp(facts->devices[at].node, node);

                if (order == 0)
                        return at;
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return SIZE_MAX;
}

/* Other orders than that of the names are lists of places, as the graph names devices by their place, too. */
static int read_devices(int sys, BlockFacts *facts) {
        _cleanup_(dir_closep) DIR *class = open_directory(sys, "class/block");
        size_t n;

        if (!class)
                return 0;
        for (const char *name; (name = next_name(class));) {
                int r;

                if (ARRAY_RESERVE(facts->devices, facts->devices_allocated, facts->n_devices + 1) < 0)
                        return -ENOMEM;
                r = read_device(dirfd(class), name, &facts->devices[facts->n_devices]);
                if (r >= 0)
                        facts->n_devices++;
                else if (r != -ENOENT)
                        return r;
        }
        n = facts->n_devices;
        if (n > 1)
                qsort(facts->devices, n, sizeof(BlockDevice), compare_names);
        facts->by_number = calloc(n + 1, sizeof(size_t));
        facts->by_node = calloc(n + 1, sizeof(size_t));
        if (!facts->by_number || !facts->by_node)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                facts->by_number[i] = facts->by_node[i] = i;
        if (n > 1) {
                qsort_r(facts->by_number, n, sizeof(size_t), compare_numbers, facts->devices);
                qsort_r(facts->by_node, n, sizeof(size_t), compare_nodes, facts->devices);
        }
        return 0;
}

static int add_upper(BlockFacts *facts, size_t lower, size_t upper) {
        if (lower == SIZE_MAX || upper == SIZE_MAX)
                return 0;
        if (ARRAY_RESERVE(facts->uppers, facts->uppers_allocated, facts->n_uppers + 1) < 0)
                return -ENOMEM;
        facts->uppers[facts->n_uppers++] = (BlockUpper){ .lower = lower, .upper = upper };
        return 0;
}

/* block/holder.c:bd_link_disk_holder makes links both ways. */
static int read_slaves(int sys, BlockFacts *facts, size_t at) {
        char path[NAME_MAX + sizeof("class/block//slaves")];
        _cleanup_(dir_closep) DIR *slaves = NULL;
        int r = 0;

        if (!is_virtual(&facts->devices[at]))
                return 0;
        (void) snprintf(path, sizeof(path), "class/block/%s/slaves", facts->devices[at].name);
        slaves = open_directory(sys, path);
        for (const char *name; slaves && r >= 0 && (name = next_name(slaves));) {
                size_t lower = find_name(facts, name);

                r = add_upper(facts, lower, at);
        }
        return r;
}

/* The disk that a partition is one of is the folder above it. */
static int note_partition(BlockFacts *facts, size_t at) {
        BlockDevice *d = &facts->devices[at];
        char name[NAME_MAX + 1];
        const char *end = strrchr(d->path, '/'), *from = end;

        while (from && from > d->path && from[-1] != '/')
                from--;
        if (!from || (size_t) (end - from) >= sizeof(name))
                return 0;
        memcpy(name, from, (size_t) (end - from));
        name[end - from] = '\0';
        d->disk = find_name(facts, name);
        d->partition = d->disk != SIZE_MAX;
        return add_upper(facts, d->disk, at);
}

/* Udev's file of a device, line by line; NULL: none. */
static FILE *open_udev(const BlockDevice *d, const char *run) {
        char path[PATH_MAX];

        if (d->number == 0 ||
            (size_t) snprintf(path, sizeof(path), "%s/udev/data/b%u:%u", run, major(d->number), minor(d->number)) >= sizeof(path))
                return NULL;
        return fopen(path, "re");
}

static int compare_links(const void *a, const void *b) {
        return strcmp(((const BlockLink *) a)->path, ((const BlockLink *) b)->path);
}

/* Udev's names are needed where a mount or swap space was made by one and the kernel kept it: rarely, so not before. */
static int read_links(const char *run, BlockFacts *facts) {
        for (size_t i = 0; i < facts->n_devices; i++) {
                _cleanup_file_ FILE *file = open_udev(&facts->devices[i], run);
                _cleanup_free_ char *line = NULL;
                size_t size = 0;

                while (file && getline(&line, &size, file) > 0) {
                        char *path;

                        line[strcspn(line, "\n")] = '\0';
                        if (strncmp(line, "S:", 2) != 0)
                                continue;
                        if (ARRAY_RESERVE(facts->links, facts->links_allocated, facts->n_links + 1) < 0 ||
                            asprintf(&path, "/dev/%s", line + 2) < 0)
                                return -ENOMEM;
                        facts->links[facts->n_links++] = (BlockLink){ .path = path, .device = i };
                }
        }
        if (facts->n_links > 1)
                qsort(facts->links, facts->n_links, sizeof(BlockLink), compare_links);
        facts->links_read = true;
        return 0;
}

/* The device that a path names; SIZE_MAX: none. */
static int find_path(const char *run, BlockFacts *facts, const char *path, size_t *ret) {
        BlockLink key = { .path = (char *) path };
        const BlockLink *link = NULL;

        *ret = SIZE_MAX;
        if (strncmp(path, "/dev/", 5) != 0)
                return 0;
        *ret = find_node(facts, path);
        if (*ret != SIZE_MAX)
                return 0;
        *ret = find_name(facts, path + 5);
        if (*ret != SIZE_MAX)
                return 0;
        if (!facts->links_read && read_links(run, facts) < 0)
                return -ENOMEM;
        if (facts->n_links > 0)
                link = bsearch(&key, facts->links, facts->n_links, sizeof(BlockLink), compare_links);
        if (link)
                *ret = link->device;
        return 0;
}

/* A loop device on a disk: drivers/block/loop.c takes that for a file, and makes it no holder. */
static int note_loop(int sys, const char *run, BlockFacts *facts, size_t at) {
        char path[NAME_MAX + sizeof("class/block//loop/backing_file")], file[PATH_MAX];
        size_t lower;
        int r;

        if (facts->devices[at].kind != BLOCK_LOOP)
                return 0;
        (void) snprintf(path, sizeof(path), "class/block/%s/loop/backing_file", facts->devices[at].name);
        if (read_file_at(sys, path, file, sizeof(file)) <= 0)
                return 0;
        r = find_path(run, facts, file, &lower);
        return r < 0 ? r : add_upper(facts, lower, at);
}

static int compare_uppers(const void *a, const void *b) {
        const BlockUpper *x = a, *y = b;

        if (x->lower != y->lower)
                return x->lower < y->lower ? -1 : 1;
        return (x->upper > y->upper) - (x->upper < y->upper);
}

/* All of who stands on whom; each device then has its own in a row. */
static int read_graph(int sys, const char *run, BlockFacts *facts) {
        int r = 0;

        for (size_t i = 0; i < facts->n_devices && r >= 0; i++) {
                r = read_slaves(sys, facts, i);
                if (r >= 0)
                        r = note_partition(facts, i);
                if (r >= 0)
                        r = note_loop(sys, run, facts, i);
        }
        if (facts->n_uppers > 1)
                qsort(facts->uppers, facts->n_uppers, sizeof(BlockUpper), compare_uppers);
        /* Backwards, so that the first of a row is what is noted last. */
        for (size_t i = facts->n_uppers; i-- > 0;) {
                facts->devices[facts->uppers[i].lower].first_upper = i;
                facts->devices[facts->uppers[i].lower].n_uppers++;
        }
        return r;
}

/* The kernel writes what would end a field as a backslash and three octal digits (fs/seq_file.c:mangle_path). */
static void decode(char *text) {
        char *to = text;

        for (const char *from = text; *from; to++)
                if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' && from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
                        *to = (char) ((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
                        from += 4;
                } else
                        *to = *from++;
        *to = '\0';
}

static int add_mount(BlockFacts *facts, size_t at, const char *where) {
        BlockDevice *d = &facts->devices[at];
        char *copy;

        /* Of several names of one file system two may lead here, one after the other. */
        if (d->n_mounts > 0 && streq(d->mounts[d->n_mounts - 1], where))
                return 0;
        copy = strdup(where);
        if (!copy || ARRAY_RESERVE(d->mounts, d->mounts_allocated, d->n_mounts + 1) < 0) {
                free(copy);
                return -ENOMEM;
        }
        d->mounts[d->n_mounts++] = copy;
        return 0;
}

/* The others of a btrfs: its folder is that with the device that it was mounted by. */
static int add_btrfs(int sys, BlockFacts *facts, size_t at, const char *where) {
        _cleanup_(dir_closep) DIR *all = open_directory(sys, "fs/btrfs");

        for (const char *uuid; all && (uuid = next_name(all));) {
                char path[2 * NAME_MAX + sizeof("/devices/")];
                _cleanup_(dir_closep) DIR *members = NULL;

                (void) snprintf(path, sizeof(path), "%s/devices/%s", uuid, facts->devices[at].name);
                if (faccessat(dirfd(all), path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                (void) snprintf(path, sizeof(path), "%s/devices", uuid);
                members = open_directory(dirfd(all), path);
                for (const char *name; members && (name = next_name(members));) {
                        size_t member = find_name(facts, name);

                        if (member != SIZE_MAX && member != at && add_mount(facts, member, where) < 0)
                                return -ENOMEM;
                }
        }
        return 0;
}

/* By the device that a text names, or the devices where there are colons between them, as bcachefs has it. */
static int add_by_source(int sys, const char *run, BlockFacts *facts, char *source, const char *where, bool btrfs) {
        size_t at;
        int r = find_path(run, facts, source, &at);

        if (r < 0)
                return r;
        if (at != SIZE_MAX) {
                r = add_mount(facts, at, where);
                return r >= 0 && btrfs ? add_btrfs(sys, facts, at, where) : r;
        }
        for (char *next; source; source = next) {
                next = strstr(source, ":/dev/");
                if (next)
                        *next++ = '\0';
                r = find_path(run, facts, source, &at);
                if (r >= 0 && at != SIZE_MAX)
                        r = add_mount(facts, at, where);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* XFS has its log and its real-time part on devices of their own (fs/xfs/xfs_super.c). */
static int add_extra(int sys, const char *run, BlockFacts *facts, char *options, const char *where) {
        int r = 0;

        for (char *rest, *option = strtok_r(options, ",", &rest); option && r >= 0; option = strtok_r(NULL, ",", &rest))
                if (strncmp(option, "logdev=", 7) == 0 || strncmp(option, "rtdev=", 6) == 0)
                        r = add_by_source(sys, run, facts, strchr(option, '=') + 1, where, false);
        return r;
}

/* "36 35 98:0 /root /where options [more...] - type source options" (Documentation/filesystems/proc.rst) */
static int note_mount(int sys, const char *run, BlockFacts *facts, char *line) {
        char *fields[6], *rest, *type, *source, *options;
        unsigned major, minor;
        size_t at;
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                fields[i] = strtok_r(i == 0 ? line : NULL, " ", &rest);
                if (!fields[i])
                        return 0;
        }
        for (char *field; (field = strtok_r(NULL, " ", &rest));)
                if (streq(field, "-"))
                        break;
        type = strtok_r(NULL, " ", &rest);
        source = type ? strtok_r(NULL, " ", &rest) : NULL;
        options = source ? strtok_r(NULL, " ", &rest) : NULL;
        if (sscanf(fields[2], "%u:%u", &major, &minor) != 2)
                return 0;
        decode(fields[4]);
        at = find_number(facts, makedev(major, minor));
        if (at != SIZE_MAX)
                r = add_mount(facts, at, fields[4]);
        else if (major == 0 && source && source[0] == '/') {
                decode(source);
                r = add_by_source(sys, run, facts, source, fields[4], streq(type, "btrfs"));
        }
        if (r >= 0 && options && streq(type, "xfs")) {
                decode(options);
                r = add_extra(sys, run, facts, options, fields[4]);
        }
        return r;
}

/* Of what the first of these says that can be read. */
static FILE *open_mounts(const char *proc) {
        static const char *const whose[] = { "1", "self" };

        for (size_t i = 0; i < ELEMENTSOF(whose); i++) {
                char path[PATH_MAX];
                FILE *file;
                int c;

                if ((size_t) snprintf(path, sizeof(path), "%s/%s/mountinfo", proc, whose[i]) >= sizeof(path))
                        continue;
                file = fopen(path, "re");
                c = file ? fgetc(file) : EOF;
                if (c != EOF) {
                        (void) ungetc(c, file);
                        return file;
                }
                if (file)
                        (void) fclose(file);
        }
        return NULL;
}

static int read_mounts(int sys, const char *proc, const char *run, BlockFacts *facts) {
        _cleanup_file_ FILE *file = open_mounts(proc);
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        int r = 0;

        while (file && r >= 0 && getline(&line, &size, file) > 0) {
                line[strcspn(line, "\n")] = '\0';
                r = note_mount(sys, run, facts, line);
        }
        return r;
}

/* "Filename Type Size Used Priority"; a swap file is in a file system, which is mounted. */
static int read_swaps(const char *proc, const char *run, BlockFacts *facts) {
        _cleanup_file_ FILE *file = NULL;
        _cleanup_free_ char *line = NULL;
        char path[PATH_MAX];
        size_t size = 0;

        if ((size_t) snprintf(path, sizeof(path), "%s/swaps", proc) >= sizeof(path))
                return 0;
        file = fopen(path, "re");
        while (file && getline(&line, &size, file) > 0) {
                size_t at;

                line[strcspn(line, " \t\n")] = '\0';
                decode(line);
                if (find_path(run, facts, line, &at) < 0)
                        return -ENOMEM;
                if (at != SIZE_MAX)
                        facts->devices[at].swap = true;
        }
        return 0;
}

int block_facts_read(const char *sys_path, const char *proc, const char *run, BlockFacts *ret) {
        _cleanup_fd_ int sys = open(sys_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        int r;

        *ret = (BlockFacts){};
        r = read_devices(sys, ret);
        if (r >= 0 && ret->n_devices > 0)
                r = read_graph(sys, run, ret);
        if (r >= 0 && ret->n_devices > 0)
                r = read_mounts(sys, proc, run, ret);
        if (r >= 0 && ret->n_devices > 0)
                r = read_swaps(proc, run, ret);
        return r;
}

char *block_property(const BlockDevice *device, const char *run, const char *key, int *ret_error) {
        _cleanup_file_ FILE *file = open_udev(device, run);
        _cleanup_free_ char *line = NULL;
        size_t size = 0, length = strlen(key);

        *ret_error = 0;
        while (file && getline(&line, &size, file) > 0) {
                char *value;

                line[strcspn(line, "\n")] = '\0';
                if (strncmp(line, "E:", 2) != 0 || strncmp(line + 2, key, length) != 0 || line[2 + length] != '=')
                        continue;
                value = strdup(line + 2 + length + 1);
                if (!value)
                        *ret_error = -ENOMEM;
                return value;
        }
        return NULL;
}
