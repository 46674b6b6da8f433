/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a test and the library that it preloads into tced (layer.c) share: a page on which the test says which call of which function is to fail
 * with what, and on which the library counts the calls of each and tells where the one came from that it made fail. */

#include <stdatomic.h>
#include <stdint.h>

/* Functions, and the errors that each may have for want of something; the tests take turns. */
#define FAULT_ERRORS_MAX 4U
#define FAULT_FUNCTIONS(X)                              \
        X(malloc, ENOMEM)                               \
        X(open, EMFILE, ENFILE, ENOMEM, EACCES)         \
        X(fopen, EMFILE, ENFILE, ENOMEM)                \
        X(opendir, EMFILE, ENFILE, ENOMEM)              \
        X(read, EIO, ENOMEM)                            \
        X(readlink, EACCES, ENOMEM)                     \
        X(stat, EACCES, ENOMEM, EIO)                    \
        X(write, ENOSPC, EIO)                           \
        X(fcntl, EMFILE, ENOMEM, EACCES)                \
        X(rename, ENOSPC, EIO)                          \
        X(unlink, EIO, EACCES)                          \
        X(mkdir, ENOSPC, EACCES)                        \
        X(chmod, EIO, EACCES)                           \
        X(socket, EMFILE, ENFILE, ENOBUFS, ENOMEM)      \
        X(bind, EACCES, ENOMEM)                         \
        X(listen, ENOMEM, EACCES)                       \
        X(accept4, EMFILE, ENFILE, ENOBUFS, ENOMEM)     \
        X(connect, EACCES, ENOMEM)                      \
        X(getsockopt, EMFILE, ENFILE, ENOBUFS, ENOMEM)  \
        X(setsockopt, ENOMEM, ENOBUFS)                  \
        X(sendmsg, ENOBUFS, ENOMEM, ETOOMANYREFS)       \
        X(recvmsg, ENOMEM, ENOBUFS)                     \
        X(socketpair, EMFILE, ENFILE, ENOMEM)           \
        X(pipe2, EMFILE, ENFILE, ENOMEM)                \
        X(eventfd, EMFILE, ENFILE, ENOMEM)              \
        X(epoll_create1, EMFILE, ENFILE, ENOMEM)        \
        X(epoll_ctl, ENOMEM, ENOSPC)                    \
        X(timerfd_create, EMFILE, ENFILE, ENOMEM)       \
        X(timerfd_settime, ENOMEM)                      \
        X(signalfd, EMFILE, ENFILE, ENOMEM)             \
        X(inotify_init1, EMFILE, ENFILE, ENOMEM)        \
        X(inotify_add_watch, ENOSPC, ENOMEM)            \
        X(memfd_create, EMFILE, ENFILE, ENOMEM)         \
        X(ftruncate, ENOSPC, EIO)                       \
        X(fallocate, ENOSPC, ENOMEM)                    \
        X(mmap, ENOMEM, EACCES)                         \
        X(ioctl, EMFILE, ENFILE, ENOMEM)                \
        X(syscall, EMFILE, ENFILE, ENOMEM)              \
        X(fork, EAGAIN, ENOMEM)                         \
        X(posix_spawn, EAGAIN, EMFILE, ENFILE, ENOMEM)  \
        X(pthread_create, EAGAIN, ENOMEM)               \
        X(kill, EPERM)                                  \
        X(getrlimit, EACCES)                            \
        X(setrlimit, EPERM, EACCES)                     \
        X(getpwnam, EIO, EMFILE, ENFILE, ENOMEM)        \
        X(getgrnam, EIO, EMFILE, ENFILE, ENOMEM)

typedef enum FaultFunction {
#define X(name, ...) FAULT_##name,
        FAULT_FUNCTIONS(X)
#undef X
        _FAULT_FUNCTION_MAX, /* none */
} FaultFunction;

#define FAULT_STACK_MAX 24

typedef enum FaultState {
        FAULT_AHEAD, /* the call was not made yet */
        FAULT_FIRED,
        FAULT_SPARED, /* it was made in a library that can't bear it, and went well */
} FaultState;

typedef struct FaultControl {
        _Atomic unsigned armed;
        unsigned function, nth; /* from 1; 0: each of them */
        int error;
        _Atomic unsigned fired; /* FaultState */
        _Atomic unsigned counts[_FAULT_FUNCTION_MAX];
        /* Of the call that failed: offsets in the program, 0 for what is in a library. */
        int pid;
        unsigned depth;
        uintptr_t stack[FAULT_STACK_MAX];
} FaultControl;

/* The environment variable that names the file with the page. */
#define FAULT_VARIABLE "TCED_FAULTS"
