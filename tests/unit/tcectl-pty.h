/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* tcectl on a terminal of a test's own, with what is typed into it. Needs tcectl-run.h before it. */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>

/* A terminal of this size; negative: none can be had, as in a chroot without /dev/pts. */
static inline int pty_open(unsigned rows, unsigned columns) {
        struct winsize size = { .ws_row = (unsigned short) rows, .ws_col = (unsigned short) columns };
        int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

        if (fd >= 0 && (grantpt(fd) < 0 || unlockpt(fd) < 0 || ioctl(fd, TIOCSWINSZ, &size) < 0)) {
                (void) close(fd);
                return -1;
        }
        return fd;
}

/* Starts tcectl in a session of its own, with the terminal as its standard output and error, and as what it types on. */
static inline pid_t pty_start(int fd, char *const words[]) {
        const char *name = ptsname(fd);
        pid_t pid;

        (void) fflush(stdout);
        pid = fork();
        if (pid == 0) {
                char *argv[16] = { (char *) program };
                int terminal;

                for (size_t i = 0; words[i] && i + 2 < ELEMENTSOF(argv); i++)
                        argv[i + 1] = words[i];
                (void) setsid();
                terminal = open(name, O_RDWR | O_CLOEXEC); /* the first that a leader opens is its own */
                if (dup2(terminal, STDIN_FILENO) < 0 || dup2(terminal, STDOUT_FILENO) < 0 || dup2(terminal, STDERR_FILENO) < 0)
                        _exit(99);
                (void) execv(program, argv);
                _exit(98);
        }
        return pid;
}

/* Reads on until `want` has come, NULL: until all is closed, in ms at most. Line ends are as in a file. What has come stays in result->out. */
static inline bool pty_read(int fd, Run *result, const char *want, int ms) {
        size_t n = strlen(result->out);

        while (!want || !strstr(result->out, want)) {
                struct pollfd p = { .fd = fd, .events = POLLIN };
                char buf[512];
                ssize_t got;

                if (poll(&p, 1, ms) <= 0)
                        return false;
                got = read(fd, buf, sizeof(buf));
                if (got <= 0)
                        return !want; /* EIO: nobody has it open any more */
                for (ssize_t i = 0; i < got && n + 1 < sizeof(result->out); i++)
                        if (buf[i] != '\r')
                                result->out[n++] = buf[i];
                result->out[n] = '\0';
        }
        return true;
}

static inline void pty_wait(pid_t pid, Run *result) {
        int status = -1;

        (void) waitpid(pid, &status, 0);
        result->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* All of it: what comes until it ends. False: there is no terminal. */
static inline bool pty_run(Run *result, unsigned rows, unsigned columns, char *const words[]) {
        int fd = pty_open(rows, columns);
        pid_t pid;

        *result = (Run) {};
        if (fd < 0)
                return false;
        pid = pty_start(fd, words);
        if (!pty_read(fd, result, NULL, 20000))
                (void) kill(pid, SIGKILL);
        pty_wait(pid, result);
        (void) close(fd);
        return true;
}
#define PTY_RUN(result, rows, columns, ...) pty_run((result), (rows), (columns), (char *[]){ __VA_ARGS__, NULL })
