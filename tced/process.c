/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "process.h"

#include <poll.h>

#include "util.h"

int process_open(int proc_fd, pid_t pid, Process *ret) {
        Process p = PROCESS_INIT;
        int r;

        if (pid <= 0)
                return -ESRCH;
        p.pid = pid;
        p.pidfd = sys_pidfd_open(pid, 0);
        if (p.pidfd < 0)
                return p.pidfd;
        r = process_start_time(proc_fd, pid, &p.start);
        /* The start time is this process's only if it still has the PID now. */
        if (r < 0 || !process_alive(&p)) {
                process_close(&p);
                return r < 0 && r != -ENOENT ? r : -ESRCH;
        }
        *ret = p;
        return 0;
}

void process_close(Process *p) {
        p->pidfd = fd_close(p->pidfd);
        p->pid = 0;
        p->start = 0;
}

bool process_alive(const Process *p) {
        struct pollfd pfd = { .fd = p->pidfd, .events = POLLIN };

        return p->pidfd >= 0 && poll(&pfd, 1, 0) == 0;
}

bool process_same(const Process *a, const Process *b) {
        return a->pid > 0 && a->pid == b->pid && a->start == b->start;
}

/* Is gid among the numbers of a line such as "Groups:\t4 24 106 "? */
static bool line_has_gid(const char *status, const char *key, gid_t gid) {
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
                if (value == gid)
                        return true;
                line = end;
        }
        return false;
}

int process_in_group(int proc_fd, const Process *p, gid_t gid) {
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
        return line_has_gid(status, "\nGid:", gid) || line_has_gid(status, "\nGroups:", gid);
}
