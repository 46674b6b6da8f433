/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A child that outlives its deadline is killed and no longer waited for by its owner: a process that is stuck in the kernel can't be
 * reaped, and must not hold anything up. What is left of it is a source that reaps it whenever it does end. */

#include "child.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "util.h"

#define CHILD_RESULT_MAX (64U * 1024)

struct Child {
        int pidfd;
        int pipe;
        sd_event_source *exit_source;
        sd_event_source *deadline;
        ChildDone done;
        void *userdata;
        size_t size;
        char buffer[]; /* what the child has sent: an errno, then the result */
};


Child *child_free(Child *child) {
        if (!child)
                return NULL;
        child->deadline = sd_event_source_disable_unref(child->deadline);
        if (child->exit_source) {
                (void) syscall(SYS_pidfd_send_signal, child->pidfd, SIGKILL, NULL, 0);
                /* The loop reaps it, whenever that is; the source and its pidfd are the loop's from now on. */
                (void) sd_event_source_set_userdata(child->exit_source, NULL);
                (void) sd_event_source_set_floating(child->exit_source, 1);
                child->exit_source = sd_event_source_unref(child->exit_source);
        } else
                child->pidfd = fd_close(child->pidfd);
        child->pipe = fd_close(child->pipe);
        free(child);
        return NULL;
}

static void finish(Child *child, int error) {
        ChildDone done = child->done;
        void *userdata = child->userdata;
        size_t size = child->size;
        _cleanup_free_ char *result = NULL;

        if (error == 0) {
                result = malloc(size ? size : 1);
                if (result)
                        memcpy(result, child->buffer + sizeof(int), size);
                else
                        error = ENOMEM;
        }
        (void) child_free(child);
        done(error, result, size, userdata);
}

/* The child has ended; what it wrote is in the pipe, which takes the largest result whole, so nothing was left behind. */
static int on_exit_child(sd_event_source *s, const siginfo_t *si, void *userdata) {
        Child *child = userdata;
        size_t have = 0, want;
        int error = ECHILD;

        if (!child) {
                /* Reaped, long after its owner gave it up. */
                (void) sd_event_source_set_floating(s, 0);
                (void) sd_event_source_unref(s);
                return 0;
        }
        want = sizeof(int) + child->size;
        while (have < want) {
                ssize_t n = read(child->pipe, child->buffer + have, want - have);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        break;
                have += (size_t) n;
        }
        if (have >= sizeof(int))
                memcpy(&error, child->buffer, sizeof(int));
        if (error == 0 && have < want)
                error = ECHILD;
        child->pidfd = -EBADF; /* it is the source's */
        child->exit_source = sd_event_source_unref(s);
        finish(child, error);
        return 0;
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *userdata) {
        finish(userdata, ETIMEDOUT);
        return 0;
}

/* In the child: nothing of the daemon's is left but the pipe, keep_fd and the standard streams. */
_Noreturn static void child_main(int pipe_fd, int keep_fd, ChildWork work, char *buffer, size_t size, void *userdata) {
        int low = pipe_fd < keep_fd ? pipe_fd : keep_fd, high = pipe_fd < keep_fd ? keep_fd : pipe_fd, error;
        sigset_t none;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        if (low < 0)
                low = high;
        if (low > 3)
                (void) syscall(SYS_close_range, 3, low - 1, 0);
        if (high > low + 1)
                (void) syscall(SYS_close_range, low + 1, high - 1, 0);
        (void) syscall(SYS_close_range, high + 1, ~0U, 0);

        error = work(buffer + sizeof(int), size, userdata);
        memcpy(buffer, &error, sizeof(int));
        size += sizeof(int);
        while (size > 0) {
                ssize_t n = write(pipe_fd, buffer, size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        break;
                buffer += n;
                size -= (size_t) n;
        }
        _exit(0);
}

/* Sources for a child that runs already: its end and its deadline. */
static int watch(sd_event *event, Child *child, uint64_t timeout_usec) {
        int r;

        r = sd_event_add_child_pidfd(event, &child->exit_source, child->pidfd, WEXITED, on_exit_child, child);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(event, &child->deadline, CLOCK_MONOTONIC, timeout_usec, 0, on_deadline, child);
        if (r < 0)
                return r;
        return sd_event_source_set_child_pidfd_own(child->exit_source, 1);
}

int child_run(sd_event *event, ChildWork work, void *result, size_t size, int keep_fd, uint64_t timeout_usec,
              ChildDone done, void *userdata, Child **ret) {
        int fds[2] = { -EBADF, -EBADF }, r;
        Child *child;
        pid_t pid;

        if (size > CHILD_RESULT_MAX - sizeof(int))
                return -E2BIG;
        child = calloc(1, sizeof(*child) + sizeof(int) + size);
        if (!child)
                return -ENOMEM;
        child->pidfd = child->pipe = -EBADF;
        child->done = done;
        child->userdata = userdata;
        child->size = size;
        if (size > 0)
                memcpy(child->buffer + sizeof(int), result, size);
        if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) {
                r = -errno;
                goto fail;
        }
        child->pipe = fds[0];
        pid = fork();
        if (pid < 0) {
                r = -errno;
                goto fail;
        }
        if (pid == 0)
                child_main(fds[1], keep_fd, work, child->buffer, size, userdata);
        fds[1] = fd_close(fds[1]);
        child->pidfd = sys_pidfd_open(pid, 0);
        r = child->pidfd < 0 ? child->pidfd : watch(event, child, timeout_usec);
        if (r < 0) {
                /* Not watched: it is a moment old and ours, so waiting for it is short. */
                (void) kill(pid, SIGKILL);
                (void) waitpid(pid, NULL, 0);
                child->exit_source = sd_event_source_disable_unref(child->exit_source);
                goto fail;
        }
        *ret = child;
        return 0;
fail:
        (void) fd_close(fds[1]);
        (void) child_free(child);
        return r;
}
