/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The program tcectl, run with some words: what it prints, where, and its exit status. */

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "util.h"

static const char *program; /* tcectl */
static char folder[64];     /* the test's own */

typedef struct Run {
        int status; /* exit status; -1: a signal */
        char out[65536];
        char err[4096];
} Run;

static inline void read_all(const char *path, char *buf, size_t size) {
        FILE *f = fopen(path, "re");
        size_t n = f ? fread(buf, 1, size - 1, f) : 0;

        buf[n] = '\0';
        if (f)
                (void) fclose(f);
}

/* Runs tcectl with the words, which end with NULL, and no bus in reach. */
static inline void run(Run *result, char *const words[]) {
        char out[96], err[96];
        int status = -1;
        pid_t pid;

        (void) snprintf(out, sizeof(out), "%s/out", folder);
        (void) snprintf(err, sizeof(err), "%s/err", folder);
        (void) fflush(stdout);
        pid = fork();
        if (pid == 0) {
                char *argv[16] = { (char *) program };

                for (size_t i = 0; words[i] && i + 2 < ELEMENTSOF(argv); i++)
                        argv[i + 1] = words[i];
                if (dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO) < 0 ||
                    dup2(open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), STDOUT_FILENO) < 0 ||
                    dup2(open(err, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), STDERR_FILENO) < 0)
                        _exit(99);
                (void) execv(program, argv);
                _exit(98);
        }
        (void) waitpid(pid, &status, 0);
        result->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        read_all(out, result->out, sizeof(result->out));
        read_all(err, result->err, sizeof(result->err));
}
#define RUN(result, ...) run((result), (char *[]){ __VA_ARGS__, NULL })
