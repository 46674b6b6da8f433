/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every target has: libFuzzer calls it, and so does replay.c, which runs over the corpus in every build. */

#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise that was broken ends the program, so that libFuzzer keeps the input. */
static inline void fuzz_expect(int holds, const char *what) {
        if (holds)
                return;
        (void) fprintf(stderr, "This does not hold: %s\n", what);
        abort();
}

static char fuzz_folder_path[] = "/tmp/tced-fuzz-XXXXXX";

static inline int fuzz_remove(const char *path, const struct stat *st, int type, struct FTW *where) {
        return remove(path);
}

static inline void fuzz_remove_folder(void) {
        (void) nftw(fuzz_folder_path, fuzz_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* For a target whose input is a file: a folder of its own, removed when the program ends by itself. */
static inline const char *fuzz_folder(void) {
        static int made;

        if (!made) {
                fuzz_expect(mkdtemp(fuzz_folder_path) != NULL, "a folder can be made in /tmp");
                (void) atexit(fuzz_remove_folder);
                made = 1;
        }
        return fuzz_folder_path;
}

/* Makes the file anew, and the folders on its way; without bytes there is none. */
static inline void fuzz_write(const char *folder, const char *name, const char *bytes, size_t n) {
        char path[256];
        FILE *f;

        (void) snprintf(path, sizeof(path), "%s/%s", folder, name);
        if (n == 0) {
                (void) unlink(path);
                return;
        }
        f = fopen(path, "we");
        for (char *slash = path; !f && (slash = strchr(slash + 1, '/')); *slash = '/') {
                *slash = '\0';
                (void) mkdir(path, 0755);
        }
        if (!f)
                f = fopen(path, "we");
        fuzz_expect(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0, "a file can be written");
}
