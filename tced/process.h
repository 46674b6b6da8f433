/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A process held for good: by its pidfd, and told apart from a later one with the same PID by its start time. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

typedef struct Process {
        pid_t pid;      /* 0: none */
        int pidfd;      /* -EBADF: none; readable when the process has ended */
        uint64_t start; /* clock ticks since boot */
        bool by_pid;    /* who asked had this PID once: another process of the same user, maybe */
} Process;

#define PROCESS_INIT { .pidfd = -EBADF }

/* Takes hold of the process that has this PID now. proc_fd: /proc. -ESRCH: there is none, or it ended meanwhile; else negative
 * errno. *ret is untouched on failure. */
int process_open(int proc_fd, pid_t pid, Process *ret);
/* The same for the process that connected to this socket, by SO_PEERCRED: by the kernel's own record of it where that can be had
 * (SO_PEERPIDFD, 6.5 and newer), so that a PID which is another's by now is not taken for it; else never one of another user. */
int process_open_peer(int proc_fd, int socket, const struct ucred *peer, Process *ret);
/* The same by a pidfd that somebody else took of it, which is taken over, also on failure. */
int process_hold_consume(int proc_fd, pid_t pid, int pidfd, Process *ret);
/* The same for a pidfd that came from elsewhere, which is taken over, also on failure: the process is the one that /proc/self/fdinfo has of it.
 * -EBADF: it is no pidfd. */
int process_adopt_consume(int proc_fd, int pidfd, Process *ret);
void process_close(Process *p);
/* Has it not ended? */
bool process_alive(const Process *p);
/* The same process, not merely the same PID. */
bool process_same(const Process *a, const Process *b);

/* Is this user one of the process's (real, effective, saved, of files), by /proc/PID/status? 1, 0 or negative errno. */
int process_of_user(int proc_fd, const Process *p, uid_t uid);
/* What is charged to its locked memory, in bytes, and whether it has CAP_IPC_LOCK, with which no limit of that counts. 0 or negative errno. */
int process_locked_memory(int proc_fd, const Process *p, uint64_t *ret_bytes, bool *ret_ipc_lock);
/* Has the process this group, as its own or a supplementary one, by /proc/PID/status? 1, 0 or negative errno. */
int process_in_group(int proc_fd, const Process *p, gid_t gid);
