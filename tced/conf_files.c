/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Looks for configuration files and opens them. Whatever lies there, be it a FIFO, a folder or an endless device, must neither
 * block tced nor fill its memory. */

#include "conf_files.h"

#include <dirent.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "util.h"

/* From the highest to the lowest: the administrator, what is made at run time, what packages bring. */
static const char *const places[] = { "/etc/tced", "/run/tced", "/usr/lib/tced" };

/* Thousands of times what such a file has; a log or an image that got the wrong name is larger. */
#define CONF_FILE_BYTES_MAX (1024 * 1024)

static void dir_closep(DIR **d) {
        if (*d)
                (void) closedir(*d);
}

void conf_warn(ConfWarnings *w, const char *file, unsigned line, const char *format, ...) {
        char text[512];
        va_list ap;

        w->n++;
        if (!w->warn)
                return;
        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        /* What it quotes is a file's, or cut. */
        w->warn(file, line, utf8_mend(text), w->userdata);
}

void conf_files_clear(ConfFiles *files) {
        for (size_t i = 0; i < files->n; i++)
                free(files->paths[i]);
        free(files->paths);
        *files = (ConfFiles) {};
}

static const char *file_name(const char *path) {
        return strrchr(path, '/') + 1;
}

static bool has_name(const ConfFiles *files, const char *name) {
        for (size_t i = 0; i < files->n; i++)
                if (streq(file_name(files->paths[i]), name))
                        return true;
        return false;
}

/* By name alone: the folder decides who hides whom, never the order. No two have the same name. */
static int compare_names(const void *a, const void *b) {
        return strcmp(file_name(*(const char *const *) a), file_name(*(const char *const *) b));
}

/* Hidden files, and what editors and package managers leave behind (x.conf~, x.conf.dpkg-old), are not meant. */
static bool is_meant(const char *name, const char *suffix) {
        size_t n = strlen(name), s = strlen(suffix);

        return name[0] != '.' && n > s && streq(name + n - s, suffix);
}

static int add_file(ConfFiles *files, const char *folder, const char *name) {
        int r = ARRAY_RESERVE(files->paths, files->allocated, files->n + 1);

        if (r < 0)
                return r;
        if (asprintf(&files->paths[files->n], "%s/%s", folder, name) < 0)
                return -ENOMEM;
        files->n++;
        return 0;
}

/* Adds what is in the folder and not yet hidden by an earlier one. */
static int add_folder(ConfFiles *files, const char *folder, const char *suffix, ConfWarnings *w) {
        _cleanup_(dir_closep) DIR *d = opendir(folder);
        struct dirent *entry;

        if (!d) {
                /* None of the folders need be there. */
                if (errno != ENOENT)
                        conf_warn(w, folder, 0, "the folder can't be read: %s; what is in it is left out", strerror(errno));
                return 0;
        }
        while ((errno = 0, entry = readdir(d))) {
                int r;

                if (!is_meant(entry->d_name, suffix) || has_name(files, entry->d_name))
                        continue;
                r = add_file(files, folder, entry->d_name);
                if (r < 0)
                        return r;
        }
        if (errno != 0)
                conf_warn(w, folder, 0, "the folder can't be read to its end: %s", strerror(errno));
        return 0;
}

int conf_files_list(const char *root, const char *folder, const char *suffix, ConfWarnings *w, ConfFiles *ret) {
        _cleanup_(conf_files_clear) ConfFiles files = {};

        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                _cleanup_free_ char *path = NULL;
                int r;

                if (asprintf(&path, "%s%s/%s", root, places[i], folder) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                r = add_folder(&files, path, suffix, w);
                if (r < 0)
                        return r;
        }
        if (files.n > 1)
                qsort(files.paths, files.n, sizeof(*files.paths), compare_names);
        *ret = TAKE_GENERIC(files, ConfFiles, (ConfFiles) {});
        return 0;
}

int conf_files_find(const char *root, const char *name, char **ret) {
        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                _cleanup_free_ char *path = NULL;
                struct stat st;

                if (asprintf(&path, "%s%s/%s", root, places[i], name) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                /* Not access(): a link that leads nowhere is meant to hide those behind it, and gets a warning. */
                if (lstat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR))
                        continue;
                *ret = TAKE_PTR(path);
                return 0;
        }
        *ret = NULL;
        return 0;
}

/* An fd to read from; -EBADF: the file stands for nothing; other negative errno. */
static int open_regular(const char *path) {
        /* O_NONBLOCK: a FIFO without a writer would hold tced up here. */
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return -EISDIR;
        if ((S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)) || (S_ISREG(st.st_mode) && st.st_size == 0)) /* 1, 3: /dev/null */
                return -EBADF;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if (st.st_size > CONF_FILE_BYTES_MAX)
                return -EFBIG;
        return TAKE_FD(fd);
}

int conf_file_open(const char *path, ConfWarnings *w, FILE **ret) {
        _cleanup_fd_ int fd = open_regular(path);
        FILE *f;

        if (fd == -EBADF)
                return 0;
        if (fd < 0) {
                conf_warn(w, path, 0, "the file can't be read: %s; it is left out", fd == -EINVAL ? "It is no regular file" : strerror(-fd));
                return 0;
        }
        f = fdopen(fd, "r");
        if (!f) {
                conf_warn(w, path, 0, "the file can't be read: %s; it is left out", strerror(errno));
                return 0;
        }
        (void) TAKE_FD(fd);
        *ret = f;
        return 1;
}
