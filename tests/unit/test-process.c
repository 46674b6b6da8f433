/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* process.c: processes that run, that have ended, that are somebody else's; their groups. A PID that is used again can't be made
 * to order: what tells such processes apart, their start time, is looked at instead. */

#include "process.h"

#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "event-loop.h"
#include "tap.h"

/* A child that waits to be ended. */
static pid_t start_child(void) {
        pid_t pid = fork();

        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (;;)
                        (void) pause();
        }
        return pid;
}

static void end_child(pid_t pid) {
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
}

static void test_open(int proc_fd) {
        Process self = PROCESS_INIT, again = PROCESS_INIT, child = PROCESS_INIT, later;
        unsigned before = count_fds();
        pid_t pid = start_child();

        tap_eq(process_open(proc_fd, getpid(), &self), 0, "this process");
        tap_ok(self.pid == getpid() && self.start > 0 && fcntl(self.pidfd, F_GETFD) == FD_CLOEXEC, "its PID, start and pidfd");
        tap_ok(process_alive(&self), "it is alive");
        tap_eq(process_open(proc_fd, getpid(), &again), 0, "this process once more");
        tap_ok(process_same(&self, &again) && self.pidfd != again.pidfd, "is the same, by a pidfd of its own");
        tap_eq(process_open(proc_fd, pid, &child), 0, "a child");
        tap_ok(child.start >= self.start && !process_same(&self, &child), "is another, and no older");
        later = child;
        later.start++;
        tap_ok(!process_same(&child, &later), "a process of the same PID that started later is another");

        (void) kill(pid, SIGKILL);
        (void) waitid(P_PID, (id_t) pid, &(siginfo_t) {}, WEXITED | WNOWAIT);
        tap_ok(!process_alive(&child), "a child that was killed is not alive, though not reaped");
        tap_ok(poll(&(struct pollfd) { .fd = child.pidfd, .events = POLLIN }, 1, 0) == 1, "its pidfd is readable");
        tap_eq(process_in_group(proc_fd, &child, getgid()), -ESRCH, "it is in no group any more, whatever /proc says");
        process_close(&again);
        tap_eq(process_open(proc_fd, pid, &again), -ESRCH, "a process that has ended can't be taken hold of");
        end_child(pid);
        tap_ok(!process_alive(&child), "nor is it alive once reaped");
        tap_eq(process_open(proc_fd, pid, &again), -ESRCH, "nor can it be taken hold of then");
        tap_ok(again.pid == 0 && again.pidfd == -EBADF && again.start == 0, "what fails leaves the result untouched");
        process_close(&self);
        process_close(&child);
        tap_ok(self.pid == 0 && self.pidfd < 0 && !process_alive(&self), "one that was closed holds nothing");
        process_close(&self);
        tap_eq(count_fds(), before, "no fd is left");
}

/* A connection of this process; with `of_child` one that a child made and left behind. */
static int connect_to(int listener, const struct sockaddr_un *address, socklen_t size, bool of_child) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), connection;
        pid_t pid = of_child ? fork() : 0;

        if (pid == 0 && connect(fd, (const struct sockaddr *) address, size) < 0)
                return -errno;
        if (pid == 0 && of_child)
                _exit(0);
        if (pid > 0)
                (void) waitpid(pid, NULL, 0);
        connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (of_child)
                (void) close(fd);
        return connection;
}

/* A pidfd that came from elsewhere. */
static void test_adopt(int proc_fd) {
        Process known = PROCESS_INIT, adopted = PROCESS_INIT;
        unsigned before = count_fds();
        pid_t pid = start_child();
        int fds[2];

        (void) process_open(proc_fd, pid, &known);
        tap_eq(process_adopt_consume(proc_fd, fd_dup(known.pidfd), &adopted), 0, "a pidfd");
        tap_ok(process_same(&known, &adopted) && adopted.pidfd != known.pidfd, "is of that process");
        process_close(&adopted);
        (void) kill(pid, SIGKILL);
        (void) waitid(P_PID, (id_t) pid, &(siginfo_t) {}, WEXITED | WNOWAIT);
        tap_eq(process_adopt_consume(proc_fd, fd_dup(known.pidfd), &adopted), -ESRCH, "one of a process that has ended");
        end_child(pid);
        tap_eq(process_adopt_consume(proc_fd, fd_dup(known.pidfd), &adopted), -ESRCH, "and that was reaped");
        tap_eq(process_adopt_consume(proc_fd, open("/dev/null", O_RDONLY | O_CLOEXEC), &adopted), -EBADF, "a file is none");
        (void) pipe2(fds, O_CLOEXEC);
        (void) fd_close(fds[1]);
        tap_eq(process_adopt_consume(proc_fd, fds[0], &adopted), -EBADF, "nor is a pipe");
        tap_ok(adopted.pid == 0 && adopted.pidfd < 0, "nothing is left by them");
        process_close(&known);
        tap_eq(count_fds(), before, "no fd either");
}

static void test_peer(int proc_fd) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        socklen_t size = sizeof(sa_family_t);
        int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
        Process self = PROCESS_INIT, peer = PROCESS_INIT;
        struct ucred credentials;

        /* An abstract name that the kernel chooses. */
        if (bind(listener, (struct sockaddr *) &address, size) < 0 || listen(listener, 2) < 0)
                return;
        size = sizeof(address);
        (void) getsockname(listener, (struct sockaddr *) &address, &size);
        (void) process_open(proc_fd, getpid(), &self);
        fd = connect_to(listener, &address, size, false);
        (void) getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &(socklen_t) { sizeof(credentials) });
        tap_eq(process_open_peer(proc_fd, fd, &credentials, &peer), 0, "who connected");
        tap_ok(process_same(&self, &peer) && process_alive(&peer) && fcntl(peer.pidfd, F_GETFD) == FD_CLOEXEC, "is this process");
        process_close(&peer);
        (void) close(fd);

        fd = connect_to(listener, &address, size, true);
        (void) getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &(socklen_t) { sizeof(credentials) });
        tap_eq(process_open_peer(proc_fd, fd, &credentials, &peer), -ESRCH, "who connected and has ended can't be taken hold of");
        tap_eq(process_open_peer(proc_fd, fd, &(struct ucred) {}, &peer), -ESRCH, "nor who has no PID here");
        tap_ok(peer.pidfd == -EBADF, "the result is untouched");
        (void) close(fd);
        (void) close(listener);
        process_close(&self);
}

static void test_users(int proc_fd) {
        Process self = PROCESS_INIT, child = PROCESS_INIT;
        pid_t pid;

        (void) process_open(proc_fd, getpid(), &self);
        tap_eq(process_of_user(proc_fd, &self, geteuid()), 1, "this process is its user's");
        tap_eq(process_of_user(proc_fd, &self, 424242), 0, "and no other's");
        tap_eq(process_of_user(proc_fd, &self, (uid_t) -1), 0, "nor the user's that none can be");
        pid = start_child();
        (void) process_open(proc_fd, pid, &child);
        end_child(pid);
        tap_ok(process_of_user(proc_fd, &child, geteuid()) < 0, "one that has ended is nobody's");
        process_close(&self);
        process_close(&child);
}

static void *wait_in_thread(void *userdata) {
        int *ends = userdata;
        pid_t tid = gettid();
        char end;

        (void) !write(ends[1], &tid, sizeof(tid));
        (void) !read(ends[2], &end, 1);
        return NULL;
}

static void test_refused(int proc_fd) {
        static const struct {
                const char *name;
                pid_t pid;
        } cases[] = { { "PID 0", 0 }, { "PID -1", -1 }, { "a PID that none has", 0x7fffffff } };
        const Process none = PROCESS_INIT, other = PROCESS_INIT;
        Process p = PROCESS_INIT;
        int ends[4];
        pthread_t thread;
        pid_t tid = 0;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                tap_eq(process_open(proc_fd, cases[i].pid, &p), -ESRCH, "%s", cases[i].name);
        tap_ok(!process_same(&none, &other) && !process_alive(&none), "no process is not the same as no process, nor alive");

        if (pipe2(ends, O_CLOEXEC) < 0 || pipe2(ends + 2, O_CLOEXEC) < 0 || pthread_create(&thread, NULL, wait_in_thread, ends) != 0)
                return;
        (void) !read(ends[0], &tid, sizeof(tid));
        tap_ok(tid > 0 && process_open(proc_fd, tid, &p) < 0, "a thread is no process");
        (void) close(ends[3]);
        (void) pthread_join(thread, NULL);
        for (int i = 0; i < 3; i++)
                (void) close(ends[i]);
        tap_ok(p.pid == 0 && p.pidfd == -EBADF, "the result is untouched");
}

/* By what the kernel says to the process itself. */
static bool is_mine(gid_t gid, const gid_t *groups, int n) {
        bool found = gid == getgid() || gid == getegid();

        for (int i = 0; i < n; i++)
                found |= groups[i] == gid;
        return found;
}

static void test_own_groups(int proc_fd) {
        static gid_t groups[65536];
        int n = getgroups(ELEMENTSOF(groups), groups), right = 0;
        Process self = PROCESS_INIT;

        (void) process_open(proc_fd, getpid(), &self);
        for (int i = 0; i < n; i++)
                right += process_in_group(proc_fd, &self, groups[i]) == 1;
        tap_eq(right, n, "all %d supplementary groups of this process", n);
        tap_eq(process_in_group(proc_fd, &self, getgid()), 1, "its own group");
        right = 0;
        for (gid_t gid = 0; gid < 2000; gid++)
                right += process_in_group(proc_fd, &self, gid) == is_mine(gid, groups, n);
        tap_eq(right, 2000, "each of the groups 0 to 1999, as getgroups() has it");
        tap_eq(process_in_group(proc_fd, &self, (gid_t) -1), 0, "the group that none can be in");
        process_close(&self);
        tap_eq(process_in_group(proc_fd, &self, getgid()), -ENOENT, "no process is in no group");
}

/* Asks about a child that has set its groups; `name` becomes the child's own name. */
static int ask_child(int proc_fd, gid_t own, const gid_t *groups, size_t n, const char *name, gid_t ask) {
        Process p = PROCESS_INIT;
        int ends[2], r = -EIO;
        char ready = 0;
        pid_t pid;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        pid = fork();
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) prctl(PR_SET_NAME, name);
                ready = !groups || (setgroups(n, groups) == 0 && setresgid(own, own, own) == 0);
                (void) !write(ends[1], &ready, 1);
                for (;;)
                        (void) pause();
        }
        if (read(ends[0], &ready, 1) == 1 && ready && process_open(proc_fd, pid, &p) >= 0)
                r = process_in_group(proc_fd, &p, ask);
        end_child(pid);
        if (r == 0 && process_in_group(proc_fd, &p, ask) >= 0)
                r = -ESTALE;
        process_close(&p);
        (void) close(ends[0]);
        (void) close(ends[1]);
        return r;
}

/* The name is what a process likes to call itself; it stands before the groups in /proc/PID/status. */
static void test_hostile_names(int proc_fd) {
        static const char *const names[] = { "\nGid:\t424242", "\nGroups:\t424242", "x)\nGid: 424242", "\\nGid:\t424242" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                tap_eq(ask_child(proc_fd, 0, NULL, 0, names[i], 424242), 0, "a name that looks like a group, %zu", i);
}

static void test_other_groups(int proc_fd) {
        static const char *const needs_root = "only root can set groups";
        static gid_t many[65536];
        static const struct {
                const char *name;
                size_t n; /* of the supplementary groups 100000, 100001, … */
                gid_t ask;
                int want;
        } cases[] = {
                { "a process of no supplementary groups: its own", 0, 4711, 1 },
                { "a process of no supplementary groups: another", 0, 100000, 0 },
                { "a process of one: it", 1, 100000, 1 },
                { "a process of one: the next", 1, 100001, 0 },
                { "a process of one: a number that it begins with", 1, 10000, 0 },
                { "a process of one: its own", 1, 4711, 1 },
                { "a process of one: root's, that it gave up", 1, 0, 0 },
                { "a process of 65536: the first", 65536, 100000, 1 },
                { "a process of 65536: the last", 65536, 165535, 1 },
                { "a process of 65536: one more", 65536, 165536, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(many); i++)
                many[i] = (gid_t) (100000 + i);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (geteuid() == 0)
                        tap_eq(ask_child(proc_fd, 4711, many, cases[i].n, "test", cases[i].ask), cases[i].want, "%s", cases[i].name);
                else
                        tap_skip(needs_root, cases[i].name);
}

int main(void) {
        _cleanup_fd_ int proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

        test_open(proc_fd);
        test_adopt(proc_fd);
        test_refused(proc_fd);
        test_peer(proc_fd);
        test_users(proc_fd);
        test_own_groups(proc_fd);
        test_hostile_names(proc_fd);
        test_other_groups(proc_fd);
        return tap_done();
}
