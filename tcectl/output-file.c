/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "output-file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

static int fail(Problem *problem, int error, const char *path) {
        const char *remedy = error == -ENOSPC || error == -EDQUOT ? "Make room there" : "Name a file in a folder that this user may write to";

        return problem_set(problem, error, "Can't write %.200s: %s. %s", path, strerror(-error), remedy);
}

int output_file_check(const char *path, Problem *problem) {
        struct stat st;

        if (lstat(path, &st) < 0 || S_ISREG(st.st_mode))
                return 0;
        return problem_set(problem, -EEXIST, "%.200s is no file that could be replaced, but a %s. Name a file, or leave --output out and let the shell "
                           "write there: >%.200s", path, S_ISDIR(st.st_mode) ? "folder" : S_ISLNK(st.st_mode) ? "link" : "device or pipe", path);
}

int output_file_open(OutputFile *o, const char *path, Problem *problem) {
        const char *slash = strrchr(path, '/');
        int n, fd, r;

        *o = (OutputFile) { .path = path };
        r = output_file_check(path, problem);
        if (r < 0)
                return r;
        /* Who reads all files of a folder by their ends (.prom) passes over one that begins with a dot. */
        n = snprintf(o->temporary, sizeof(o->temporary), "%.*s.%s.XXXXXX", slash ? (int) (slash + 1 - path) : 0, path, slash ? slash + 1 : path);
        if (n < 0 || (size_t) n >= sizeof(o->temporary)) {
                *o->temporary = '\0';
                return fail(problem, -ENAMETOOLONG, path);
        }
        fd = mkostemp(o->temporary, O_CLOEXEC);
        if (fd < 0) {
                *o->temporary = '\0';
                return fail(problem, -errno, path);
        }
        if (fchmod(fd, 0644) >= 0)
                o->f = fdopen(fd, "w");
        if (o->f)
                return 0;
        r = -errno;
        (void) fd_close(fd);
        (void) unlink(o->temporary);
        *o->temporary = '\0';
        return fail(problem, r, path);
}

int output_file_close(OutputFile *o, int r, Problem *problem) {
        bool whole;
        int error;

        if (!*o->temporary)
                return r;
        whole = fflush(o->f) == 0 && !ferror(o->f);
        error = whole ? 0 : -errno;
        if (fclose(o->f) != 0 && whole)
                error = -errno;
        if (r >= 0 && error == 0 && rename(o->temporary, o->path) < 0)
                error = -errno;
        if (r < 0 || error < 0)
                (void) unlink(o->temporary);
        *o->temporary = '\0';
        o->f = NULL;
        return r < 0 || error == 0 ? r : fail(problem, error, o->path);
}
