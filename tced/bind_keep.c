/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bind_keep.h"

#include <dirent.h>
#include <sys/stat.h>

#include "util.h"

#define PREFIX "50-bind-"
#define SUFFIX ".conf"
#define TEMPORARY ".50-bind.new"
#define SETTING "Devices="

/* 256 addresses, with what stands before them. */
#define FILE_MAX 8192U

DEFINE_POINTER_CLEANUP(DIR, closedir, dir_closep)

static bool is_ours(const char *name) {
        char address[BIND_ADDRESS_MAX + 1];
        size_t length = strlen(name), around = strlen(PREFIX) + strlen(SUFFIX);

        if (length <= around || length - around > BIND_ADDRESS_MAX || strncmp(name, PREFIX, strlen(PREFIX)) != 0 ||
            !streq(name + length - strlen(SUFFIX), SUFFIX))
                return false;
        (void) snprintf(address, sizeof(address), "%.*s", (int) (length - around), name + strlen(PREFIX));
        return pci_address_valid(address);
}

/* Does a file of ours name one of the devices? */
static bool names_one(int dir, const char *name, const BindRequest *request) {
        char text[FILE_MAX], *list, *save = NULL;

        if (read_file_at(dir, name, text, sizeof(text)) < 0)
                return false;
        list = strstr(text, SETTING);
        for (char *word = list ? strtok_r(list + strlen(SETTING), " \n", &save) : NULL; word; word = strtok_r(NULL, " \n", &save))
                for (size_t i = 0; i < request->n_addresses; i++)
                        if (streq(word, request->addresses[i]))
                                return true;
        return false;
}

/* Removes the files that name a device of the request's, but for the one of the name `keep`. */
static int remove_files(int dir, const BindRequest *request, const char *keep) {
        _cleanup_(dir_closep) DIR *list = NULL;
        int fd = fcntl(dir, F_DUPFD_CLOEXEC, 3), r = 0;
        struct dirent *entry;

        list = fd < 0 ? NULL : fdopendir(fd);
        if (!list) {
                (void) fd_close(fd);
                return -errno;
        }
        rewinddir(list);
        while ((entry = readdir(list)))
                if (is_ours(entry->d_name) && !streq(entry->d_name, keep) && names_one(dir, entry->d_name, request) &&
                    unlinkat(dir, entry->d_name, 0) < 0 && errno != ENOENT)
                        r = -errno;
        return r;
}

/* It must be there after a power cut as well. */
static int write_file(int dir, const char *name, const char *text) {
        _cleanup_fd_ int fd = -EBADF;

        (void) unlinkat(dir, TEMPORARY, 0);
        fd = openat(dir, TEMPORARY, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        /* Whatever the umask: tced is another user. */
        if (fchmod(fd, 0644) < 0 || write(fd, text, strlen(text)) != (ssize_t) strlen(text) || fsync(fd) < 0 ||
            renameat(dir, TEMPORARY, dir, name) < 0) {
                int r = errno ? -errno : -EIO;

                (void) unlinkat(dir, TEMPORARY, 0);
                return r;
        }
        return 0;
}

static int keep(int dir, const BindRequest *request, const char *name) {
        char text[FILE_MAX];
        size_t n;

        n = (size_t) snprintf(text, sizeof(text), "# Written by `tcectl bind --persistent`; `tcectl release --persistent` removes it.\n[Bind]\n" SETTING);
        for (size_t i = 0; i < request->n_addresses; i++)
                n += (size_t) snprintf(text + n, sizeof(text) - n, "%s%s", i > 0 ? " " : "", request->addresses[i]);
        (void) snprintf(text + n, sizeof(text) - n, "\n");
        return write_file(dir, name, text);
}

void bind_keep_do(const char *conf, const BindRequest *request, BindReply *reply) {
        _cleanup_fd_ int dir = open(conf, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const char *lowest = request->addresses[0];
        bool keeps = request->operation == BIND_KEEP_GROUP;
        char name[64];
        int r;

        for (size_t i = 1; i < request->n_addresses; i++)
                if (strcmp(request->addresses[i], lowest) < 0)
                        lowest = request->addresses[i];
        (void) snprintf(name, sizeof(name), PREFIX "%s" SUFFIX, lowest);
        r = dir < 0 ? -errno : 0;
        if (r >= 0 && keeps)
                r = keep(dir, request, name);
        if (r >= 0)
                r = remove_files(dir, request, keeps ? name : "");
        /* Where there is no folder there is nothing to be forgotten. */
        if (r == -ENOENT && !keeps)
                r = 0;
        if (r >= 0) {
                if (dir >= 0)
                        (void) fsync(dir);
                return;
        }
        reply->error = -r;
        (void) snprintf(reply->text, sizeof(reply->text), "%.200s/%s can't be %s: %s%s", conf, keeps ? name : PREFIX "*" SUFFIX,
                        keeps ? "written" : "removed", strerror(-r),
                        r == -ENOENT ? ": restart tced-bind, which makes the folder" : r == -EROFS ? ": use a file below /run/tced/tced.conf.d" : "");
}
