/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Children of a test: other users, and other processes of the same one. */

#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "harness.h"
#include "util.h"

static void become(uid_t uid, const gid_t *groups, size_t n_groups) {
        if (uid != NO_UID && (setgroups(n_groups, groups) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0))
                bail_out("can't become user %u: %s", (unsigned) uid, strerror(errno));
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
}

void run_child(uid_t uid, const gid_t *groups, size_t n_groups, void (*fn)(void *), void *userdata, unsigned *points,
               unsigned *failures) {
        unsigned *counts = mmap(NULL, 2 * sizeof(unsigned), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        int status;
        pid_t pid;

        if (counts == MAP_FAILED)
                bail_out("mmap: %s", strerror(errno));
        (void) fflush(stdout);
        pid = fork();
        if (pid < 0)
                bail_out("fork: %s", strerror(errno));
        if (pid == 0) {
                become(uid, groups, n_groups);
                fn(userdata);
                counts[0] = *points;
                counts[1] = *failures;
                (void) fflush(stdout);
                _exit(0);
        }
        status = wait_exit(pid);
        if (status != 0)
                bail_out("the child that runs as user %d ended with %d", (int) uid, status);
        *points = counts[0];
        *failures = counts[1];
        (void) munmap(counts, 2 * sizeof(unsigned));
}

Actor actor_start(uid_t uid, void (*fn)(int, void *), void *userdata) {
        int fds[2];
        Actor a;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                bail_out("socketpair: %s", strerror(errno));
        (void) fflush(stdout);
        a = (Actor) { .pid = fork(), .fd = fds[0] };
        if (a.pid < 0)
                bail_out("fork: %s", strerror(errno));
        if (a.pid == 0) {
                (void) close(fds[0]);
                become(uid, NULL, 0);
                fn(fds[1], userdata);
                _exit(0);
        }
        (void) close(fds[1]);
        return a;
}

static int read_byte(int fd) {
        struct pollfd pfd = { .fd = fd, .events = POLLIN };
        unsigned char byte;

        if (poll(&pfd, 1, HARNESS_PATIENCE * 1000) <= 0)
                return -1;
        return read(fd, &byte, 1) == 1 ? byte : -1;
}

int actor_hear(const Actor *a) {
        return read_byte(a->fd);
}

void actor_tell(const Actor *a, char what) {
        (void) !write(a->fd, &what, 1);
}

void actor_say(int fd, char what) {
        (void) !write(fd, &what, 1);
}

int actor_listen(int fd) {
        return read_byte(fd);
}

int actor_end(Actor *a) {
        a->fd = fd_close(a->fd);
        return wait_exit(a->pid);
}

void actor_kill(Actor *a) {
        (void) kill(a->pid, SIGKILL);
        (void) actor_end(a);
}
