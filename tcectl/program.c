/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "program.h"

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#include "util.h"

static int add_fd(posix_spawn_file_actions_t *actions, int fd, int as, int flags) {
        return fd >= 0 ? -posix_spawn_file_actions_adddup2(actions, fd, as) : -posix_spawn_file_actions_addopen(actions, as, "/dev/null", flags, 0);
}

static int start(const char *const *argv, ProgramFds fds, pid_t *ret) {
        posix_spawn_file_actions_t actions;
        int r;

        if (posix_spawn_file_actions_init(&actions) != 0)
                return -ENOMEM;
        r = add_fd(&actions, fds.in, STDIN_FILENO, O_RDONLY);
        if (r >= 0)
                r = add_fd(&actions, fds.out, STDOUT_FILENO, O_WRONLY);
        if (r >= 0)
                r = add_fd(&actions, fds.err, STDERR_FILENO, O_WRONLY);
        if (r >= 0)
                r = -posix_spawnp(ret, argv[0], &actions, NULL, (char *const *) argv, environ);
        (void) posix_spawn_file_actions_destroy(&actions);
        return r;
}

static int wait_end(pid_t pid) {
        int status;

        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        /* So a posix_spawnp(3) may say, too, that there is no such program: where its child has a memory of its own. */
        if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
                return -ENOENT;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int64_t now_ms(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* true: it is over. Without pidfds its end is waited for as long as it takes. */
static bool ends_within(pid_t pid, unsigned seconds) {
        _cleanup_fd_ int fd = sys_pidfd_open(pid, 0);
        const int64_t end = now_ms() + (int64_t) seconds * 1000;
        int n = 1;

        while (fd >= 0) {
                struct pollfd p = { .fd = fd, .events = POLLIN };
                int64_t left = end - now_ms();

                n = poll(&p, 1, left > 0 ? (int) left : 0);
                if (n >= 0 || errno != EINTR)
                        break;
        }
        return n != 0;
}

int program_run(const char *const *argv, ProgramFds fds, unsigned seconds) {
        pid_t pid;
        int r = start(argv, fds, &pid);

        if (r < 0)
                return r;
        if (ends_within(pid, seconds))
                return wait_end(pid);
        (void) kill(pid, SIGKILL);
        (void) wait_end(pid);
        return -ETIMEDOUT;
}

int program_read(const char *const *argv, int in, size_t max, char **ret, size_t *ret_size) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        int fds[2], r, status;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        r = start(argv, (ProgramFds) { .in = in, .out = fds[1], .err = -EBADF }, &pid);
        (void) close(fds[1]);
        if (r < 0) {
                (void) close(fds[0]);
                return r;
        }
        r = read_to_end(fds[0], max, &text, &size);
        (void) close(fds[0]);
        if (r < 0)
                (void) kill(pid, SIGKILL);
        status = wait_end(pid);
        if (r < 0 || status < 0)
                return r < 0 ? r : status;
        *ret = TAKE_PTR(text);
        *ret_size = size;
        return status;
}
