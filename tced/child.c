/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A child that outlives its deadline is killed and no longer waited for by its owner: a process that is stuck in the kernel can't be
 * reaped, and must not hold anything up. What is left of it is a source that reaps it whenever it does end.
 *
 * What the child sends is read as it comes, since a pipe may hold no more than one page (pipe-user-pages-soft, pipe(7)). Its own end
 * blocks; ours does not. */

#include "child.h"

#include <signal.h>
#include <stdalign.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "util.h"

#define CHILD_RESULT_MAX (64U * 1024)

struct Child {
        int pidfd;
        int pipe;
        sd_event_source *exit_source;
        sd_event_source *pipe_source;
        sd_event_source *deadline;
        ChildDone done;
        void *userdata;
        size_t size;
        size_t have; /* bytes that the child has sent */
        alignas(max_align_t) char buffer[]; /* the result, then an errno: what the child works on is aligned for any type */
};

Child *child_free(Child *child) {
        if (!child)
                return NULL;
        child->deadline = sd_event_source_disable_unref(child->deadline);
        child->pipe_source = sd_event_source_disable_unref(child->pipe_source);
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
                        memcpy(result, child->buffer, size);
                else
                        error = ENOMEM;
        }
        (void) child_free(child);
        done(error, result, size, userdata);
}

/* Takes what there is in the pipe. false: nothing more will come. */
static bool read_pipe(Child *child) {
        size_t want = child->size + sizeof(int);

        while (child->have < want) {
                ssize_t n = read(child->pipe, child->buffer + child->have, want - child->have);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 && errno == EAGAIN;
                child->have += (size_t) n;
        }
        return false;
}

static int on_pipe(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Child *child = userdata;

        if (!read_pipe(child))
                child->pipe_source = sd_event_source_disable_unref(child->pipe_source);
        return 0;
}

/* The child has ended: all that it will ever send was read, or is in the pipe. */
static int on_exit_child(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Child *child = userdata;
        int error = ECHILD;
        siginfo_t si;

        (void) waitid(P_PIDFD, (id_t) fd, &si, WEXITED | WNOHANG);
        if (!child) {
                /* Reaped, long after its owner gave it up; with this the loop lets go of it. */
                (void) sd_event_source_set_floating(s, 0);
                return 0;
        }
        (void) read_pipe(child);
        if (child->have == child->size + sizeof(int))
                memcpy(&error, child->buffer + child->size, sizeof(int));
        child->pidfd = -EBADF; /* it is the source's */
        child->exit_source = sd_event_source_unref(s);
        finish(child, error);
        return 0;
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *userdata) {
        finish(userdata, ETIMEDOUT);
        return 0;
}

/* Closes every fd but the standard streams and these two; either may be negative. */
static void close_others(int a, int b) {
        const int keep[] = { a < b ? a : b, a < b ? b : a };
        int from = 3;

        for (size_t i = 0; i < ELEMENTSOF(keep); i++) {
                if (keep[i] < from)
                        continue;
                if (keep[i] > from)
                        (void) syscall(SYS_close_range, from, keep[i] - 1, 0);
                from = keep[i] + 1;
        }
        (void) syscall(SYS_close_range, from, ~0U, 0);
}

/* In the child: nothing of the daemon's is left but the pipe, keep_fd and the standard streams. */
_Noreturn static void child_main(pid_t parent, int pipe_fd, int keep_fd, ChildWork work, char *buffer, size_t size, void *userdata) {
        sigset_t none;
        int error;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(0); /* it died before that was set */
        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        close_others(pipe_fd, keep_fd);

        error = work(buffer, size, userdata);
        memcpy(buffer + size, &error, sizeof(int));
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

/* Sources for a child that runs already: its end, what it sends, its deadline. */
static int watch(sd_event *event, Child *child, uint64_t timeout_usec) {
        int r;

        /* Not sd_event_add_child_pidfd(), which aborts where epoll takes no more (systemd 252, source_disconnect()). */
        r = sd_event_add_io(event, &child->exit_source, child->pidfd, EPOLLIN, on_exit_child, child);
        if (r < 0)
                return r;
        r = sd_event_add_io(event, &child->pipe_source, child->pipe, EPOLLIN, on_pipe, child);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(event, &child->deadline, CLOCK_MONOTONIC, timeout_usec, 0, on_deadline, child);
        if (r < 0)
                return r;
        return sd_event_source_set_io_fd_own(child->exit_source, 1);
}

int child_run(sd_event *event, ChildWork work, void *result, size_t size, int keep_fd, uint64_t timeout_usec,
              ChildDone done, void *userdata, Child **ret) {
        int fds[2] = { -EBADF, -EBADF }, r;
        const pid_t parent = getpid();
        Child *child;
        pid_t pid;

        if (size > CHILD_RESULT_MAX)
                return -E2BIG;
        child = calloc(1, sizeof(*child) + size + sizeof(int));
        if (!child)
                return -ENOMEM;
        child->pidfd = child->pipe = -EBADF;
        child->done = done;
        child->userdata = userdata;
        child->size = size;
        if (size > 0)
                memcpy(child->buffer, result, size);
        if (pipe2(fds, O_CLOEXEC) < 0) {
                r = -errno;
                goto fail;
        }
        child->pipe = fds[0];
        if (fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0) {
                r = -errno;
                goto fail;
        }
        pid = fork();
        if (pid < 0) {
                r = -errno;
                goto fail;
        }
        if (pid == 0)
                child_main(parent, fds[1], keep_fd, work, child->buffer, size, userdata);
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
