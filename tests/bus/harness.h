/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A small world for one test program: a folder of its own with a bus configuration, a made-up /sys and /dev, the configuration of
 * the daemon; a private dbus-daemon with the installed policy; the real tced, held by its PID. Children die with the test. What can't
 * be set up ends the program with "Bail out!", and so does a test that takes too long. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "slack.h"

/* Seconds that anything here may take, also with sanitizers on a busy machine. */
#define HARNESS_PATIENCE (30 * slack())

#define NO_UID ((uid_t) -1)

/* What tced tells its service manager is read as it comes, so that tced never waits for the test, and the fds that it stores are kept
 * (harness-manager.c). */
typedef struct ServiceManager ServiceManager;

typedef struct Host {
        char dir[32];
        char address[64]; /* of the private bus, D-Bus form */
        char socket[64];  /* path of tced's private socket */
        char log[64];     /* what tced has written */
        const char *tced; /* the program */
        pid_t bus_pid, tced_pid;
        uint64_t forked; /* when tced was, in nanoseconds of CLOCK_MONOTONIC */
        int listener; /* > 0: handed over as tced.socket's by host_start_tced() and host_restart_tced() */
        ServiceManager *service_manager;
} Host;

/* How a program is started; a member that is not named takes after the test itself. */
typedef struct Spawn {
        const char *const *argv; /* ends with NULL */
        const char *const *env;  /* "NAME=value", or "NAME" to take it away; ends with NULL */
        const char *output;      /* file for what it prints, made anew */
        uid_t uid;               /* 0: stays as it is */
        const int *fds;          /* given to it as systemd gives them (sd_listen_fds(3)), */
        const char *const *fd_names; /* by these names */
        size_t n_fds;
} Spawn;

/* Makes the folder, in /tmp or where TCED_TEST_PLACE says; seconds: how long the whole program may take. No process is started yet. */
void host_init(Host *h, unsigned seconds);
/* Starts the private bus. false: there is no dbus-daemon here, and the test is to be skipped. */
bool host_start_bus(Host *h);
/* Starts tced and waits for READY=1. extra: more options, ends with NULL, or NULL. False, with its log shown, where it ended. */
bool host_start_tced(Host *h, const char *const *extra);
/* The same with other programs, users and places. */
bool host_spawn_tced(Host *h, const Spawn *spawn);
/* SIGTERM; a point that it ended well and no sanitizer spoke. */
#define host_stop_tced(h) tap_ok(host_end_tced(h), "tced ends well when it is told to, and no sanitizer has a complaint")
bool host_end_tced(Host *h);
/* Ends all that runs and removes the folder; with the point of host_stop_tced(). */
#define host_done(h) tap_ok(host_end(h), "tced ends well when it is told to, and no sanitizer has a complaint")
bool host_end(Host *h);

/* Ends it as nothing that it could notice, and waits; what it stored stays stored. */
void host_kill_tced(Host *h);
/* Starts tced again as host_start_tced() does, with what it stored. */
bool host_restart_tced(Host *h, const char *const *extra);
/* The same of one that may not come up, without a word: 0: it is ready; -1: it is neither ready nor has it ended; else its exit status, or 128 + the
 * signal that ended it. */
int host_try_tced(Host *h, unsigned milliseconds);
/* How many fds tced has stored, and of which process the one by this name is (0: none). */
size_t host_stored(Host *h);
pid_t host_stored_pid(Host *h, const char *name);
/* The same when there are so many, or time is over. */
size_t host_wait_stored(Host *h, size_t n);
/* Forgets them, as a stop does; stores one more. */
void host_forget_stored(Host *h);
void host_store(Host *h, const char *name, int fd);
/* Is every fd there a pidfd, by a name of at most 6 characters, with FDPOLL=0? */
bool host_stored_well(Host *h);

/* Starts a program. It is the caller's to wait for. */
pid_t spawn(const Spawn *s);
/* Waits for a child: its exit status, or 128 + the signal that ended it; one that takes too long is killed. */
int wait_exit(pid_t pid);
/* Both, and gives what it has printed, to be freed, in *ret_output (may be NULL; needs s->output). */
int run_program(const Spawn *s, char **ret_output);

/* The next message on NOTIFY_SOCKET, but for those about fds, into buf; false: none came in time. */
bool notify_receive(Host *h, char *buf, size_t size, unsigned milliseconds);

/* Files below the host's folder; the path is made by printf's rules, folders on the way to it are made. */
void host_write(const Host *h, const char *path, const char *format, ...) __attribute__((__format__(__printf__, 3, 4)));
void host_link(const Host *h, const char *path, const char *target);
void host_mkdir(const Host *h, const char *path);
void host_remove(const Host *h, const char *path);
/* The whole of a file, to be freed; "" where there is none. */
char *read_whole(const char *path);
/* What tced has logged so far, to be freed. */
char *host_log(const Host *h);
/* Waits until the log holds a text; false: it never did. */
bool host_log_has(const Host *h, const char *text);

/* A group with one device in the made-up /sys. driver may be NULL. Replaces what is there. */
void host_add_group(const Host *h, unsigned number, const char *address, const char *driver);
void host_remove_group(const Host *h, unsigned number);

/* Open file descriptors of a process; resident memory in KiB. -1: can't be told. */
int count_fds(pid_t pid);
long resident_kib(pid_t pid);
/* The same when it has not changed for a moment: a file that is being written is open, too. */
int settled_fds(pid_t pid);
/* Waits until a process has no more than so many fds open (closing may lag behind an answer); how many it has then. */
int wait_fds(pid_t pid, int most);

/* Ends the program: nothing sensible can be tried any more. */
_Noreturn void bail_out(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));

/* Runs fn in a child as another user (NO_UID: the same) with these further groups. Its points are counted as this program's. */
#define run_as(uid, groups, n_groups, fn, userdata) \
        run_child((uid), (groups), (n_groups), (fn), (userdata), &tap_points, &tap_failures)
void run_child(uid_t uid, const gid_t *groups, size_t n_groups, void (*fn)(void *userdata), void *userdata, unsigned *points,
               unsigned *failures);

/* A child that does something, says so, and stays until it is told to go on or killed. fn gets a socket: a byte written to it is
 * what actor_hear() gives; a byte read from it is what actor_tell() sent. */
typedef struct Actor {
        pid_t pid;
        int fd;
} Actor;

Actor actor_start(uid_t uid, void (*fn)(int fd, void *userdata), void *userdata);
/* The byte that it says; -1: it ended instead. */
int actor_hear(const Actor *a);
void actor_tell(const Actor *a, char what);
/* In the child. */
void actor_say(int fd, char what);
int actor_listen(int fd);
/* Waits for its end: as wait_exit(). */
int actor_end(Actor *a);
/* SIGKILL, and waits. */
void actor_kill(Actor *a);
