/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "process.h"

#include <linux/capability.h>
#include <poll.h>
#include <sys/socket.h>

#include "fd_reserve.h"
#include "util.h"

/* asm-generic/socket.h, 6.5 and newer. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

int process_hold_consume(int proc_fd, pid_t pid, int pidfd, Process *ret) {
        Process p = { .pid = pid, .pidfd = pidfd };
        int r;

        r = process_start_time(proc_fd, pid, &p.start);
        /* The start time is this process's only if it still has the PID now. */
        if (r < 0 || !process_alive(&p)) {
                process_close(&p);
                return r < 0 && r != -ENOENT ? r : -ESRCH;
        }
        *ret = p;
        return 0;
}

int process_open(int proc_fd, pid_t pid, Process *ret) {
        int pidfd = pid > 0 ? fd_reserve_check(sys_pidfd_open(pid, 0)) : -ESRCH;

        return pidfd < 0 ? pidfd : process_hold_consume(proc_fd, pid, pidfd, ret);
}

/* Before 6.5: who has the PID now. Where who connected has ended, that may be anybody, but nobody of another user. */
static int open_by_credentials(int proc_fd, const struct ucred *peer, Process *ret) {
        Process p = PROCESS_INIT;
        int r = process_open(proc_fd, peer->pid, &p);

        if (r >= 0 && peer->uid != 0) {
                r = process_of_user(proc_fd, &p, peer->uid);
                r = r == 0 || r == -ENOENT ? -ESRCH : r;
        }
        if (r < 0) {
                process_close(&p);
                return r;
        }
        *ret = p;
        return 0;
}

int process_open_peer(int proc_fd, int socket, const struct ucred *peer, Process *ret) {
        int pidfd = -EBADF;
        socklen_t size = sizeof(pidfd);

        if (peer->pid <= 0)
                return -ESRCH;
        if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0)
                return process_hold_consume(proc_fd, peer->pid, pidfd, ret);
        if (errno == ENOPROTOOPT)
                return open_by_credentials(proc_fd, peer, ret);
        return errno == EINVAL ? -ESRCH : -errno;
}

int process_adopt_consume(int proc_fd, int pidfd, Process *ret) {
        char path[48], text[512], *line, *end;
        ssize_t n;
        long pid;

        /* All pidfds may have one inode (before 6.9), and the process need not be there any more: then "Pid:" is -1. */
        (void) snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
        n = read_file_at(AT_FDCWD, path, text, sizeof(text));
        line = n < 0 ? NULL : strstr(text, "\nPid:");
        pid = line ? strtol(line + strlen("\nPid:"), &end, 10) : 0;
        if (!line || end == line + strlen("\nPid:") || pid <= 0 || pid > INT32_MAX) {
                (void) fd_close(pidfd);
                return line && pid == -1 ? -ESRCH : -EBADF;
        }
        return process_hold_consume(proc_fd, (pid_t) pid, pidfd, ret);
}

void process_close(Process *p) {
        p->pidfd = fd_close(p->pidfd);
        p->pid = 0;
        p->start = 0;
        p->by_pid = false;
}

bool process_alive(const Process *p) {
        struct pollfd pfd = { .fd = p->pidfd, .events = POLLIN };

        return p->pidfd >= 0 && poll(&pfd, 1, 0) == 0;
}

bool process_same(const Process *a, const Process *b) {
        return a->pid > 0 && a->pid == b->pid && a->start == b->start;
}

/* Is this number, a user's or a group's, among those of a line such as "Groups:\t4 24 106 "? */
static bool line_has_id(const char *status, const char *key, unsigned id) {
        const char *line = strstr(status, key);

        if (!line)
                return false;
        line += strlen(key);
        while (*line && *line != '\n') {
                char *end;
                unsigned long value = strtoul(line, &end, 10);

                if (end == line) {
                        line++;
                        continue;
                }
                if (value == id)
                        return true;
                line = end;
        }
        return false;
}

/* /proc/PID/status, to be freed, of the process itself and not of a later one with its PID. */
static int read_status(int proc_fd, const Process *p, char **ret) {
        /* A user may be in 65,536 groups (NGROUPS_MAX) of up to 10 digits. */
        const size_t size = 1024 * 1024;
        _cleanup_free_ char *status = malloc(size);
        char path[32];
        ssize_t n;

        if (!status)
                return -ENOMEM;
        (void) snprintf(path, sizeof(path), "%d/status", (int) p->pid);
        n = read_file_at(proc_fd, path, status, size);
        if (n < 0)
                return (int) n;
        if (!process_alive(p))
                return -ESRCH;
        *ret = TAKE_PTR(status);
        return 0;
}

int process_of_user(int proc_fd, const Process *p, uid_t uid) {
        _cleanup_free_ char *status = NULL;
        int r = read_status(proc_fd, p, &status);

        return r < 0 ? r : line_has_id(status, "\nUid:", uid);
}

int process_in_group(int proc_fd, const Process *p, gid_t gid) {
        _cleanup_free_ char *status = NULL;
        int r = read_status(proc_fd, p, &status);

        return r < 0 ? r : line_has_id(status, "\nGid:", gid) || line_has_id(status, "\nGroups:", gid);
}

/* The number behind a key, in this base. */
static bool read_number(const char *status, const char *key, int base, uint64_t *ret) {
        const char *line = strstr(status, key);
        char *end;

        if (!line)
                return false;
        line += strlen(key);
        *ret = strtoull(line, &end, base);
        return end != line;
}

int process_locked_memory(int proc_fd, const Process *p, uint64_t *ret_bytes, bool *ret_ipc_lock) {
        _cleanup_free_ char *status = NULL;
        uint64_t kib, capabilities;
        int r = read_status(proc_fd, p, &status);

        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;
        if (!read_number(status, "\nVmLck:", 10, &kib) || !read_number(status, "\nCapEff:", 16, &capabilities))
                return -ENODATA;
        *ret_bytes = multiply_saturated(kib, 1024);
        *ret_ipc_lock = capabilities >> CAP_IPC_LOCK & 1;
        return 0;
}
