/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A target without libFuzzer: every file of a folder once, in every build and with every compiler. Prints TAP, a point for each. */

#include <dirent.h>
#include <sys/stat.h>
#include <time.h>

#include "fuzz.h"
#include "slack.h"
#include "tap.h"
#include "util.h"

/* So long may an input of the corpus take: a fuzzer finds what takes ten. */
#define SECONDS_MAX (5.0 * slack())

static int is_input(const struct dirent *e) {
        return e->d_name[0] != '.';
}

static double now(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void replay(const char *folder, const char *name) {
        _cleanup_free_ char *path = NULL, *data = NULL;
        _cleanup_file_ FILE *f = NULL;
        struct stat st;
        double started;
        size_t n;

        if (asprintf(&path, "%s/%s", folder, name) < 0 || !(f = fopen(path, "re")) || fstat(fileno(f), &st) < 0 ||
            !(data = malloc((size_t) st.st_size + 1))) {
                tap_ok(false, "%s can be read", name);
                return;
        }
        n = fread(data, 1, (size_t) st.st_size, f);
        started = now();
        /* What goes wrong ends the program. */
        (void) LLVMFuzzerTestOneInput((const uint8_t *) data, n);
        tap_ok(n > 0 && now() - started < SECONDS_MAX, "%s", name);
}

int main(int argc, char **argv) {
        struct dirent **inputs = NULL;
        int n = argc == 2 ? scandir(argv[1], &inputs, is_input, alphasort) : -1;

        tap_ok(n >= 10, "a corpus of %d inputs", n);
        for (int i = 0; i < n; i++) {
                replay(argv[1], inputs[i]->d_name);
                free(inputs[i]);
        }
        free(inputs);
        return tap_done();
}
