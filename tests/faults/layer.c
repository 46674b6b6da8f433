/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Preloaded into tced, it stands before the functions of libc that reach the kernel or ask for memory, also where tced's libraries call them, and
 * has one call fail that the test names (faults.h). Memory asked for within libc (strdup(), asprintf(), fopen()) comes through here as well. */

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <grp.h>
#include <link.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "faults.h"

/* Before malloc() there must be no call that needs it. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

static FaultControl *control;
static uintptr_t program_begin, program_end;
static __thread bool inside, sparing; /* sparing: within a function that nobody can mend */

static int find_program(struct dl_phdr_info *info, size_t size, void *userdata) {
        program_begin = info->dlpi_addr;
        for (unsigned i = 0; i < info->dlpi_phnum; i++)
                if (info->dlpi_phdr[i].p_type == PT_LOAD)
                        program_end = program_begin + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
        return 1; /* the first is the program */
}

__attribute__((constructor)) static void start(void) {
        const char *path = getenv(FAULT_VARIABLE);
        int fd = path ? (int) syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0) : -1;
        void *page;

        if (fd < 0)
                return;
        (void) dl_iterate_phdr(find_program, NULL);
        /* The first one loads a library. */
        (void) backtrace(&page, 1);
        page = mmap(NULL, sizeof(FaultControl), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        (void) close(fd);
        if (page != MAP_FAILED)
                control = page;
}

/* Memory that libraries ask for and can't do without, and no caller can mend it: json-c's parser loses members, or uses what it did not get (0.16,
 * 0.17); sd-bus aborts when the connection is freed whose object it could not add (systemd 252, bus_free()); the dynamic loader says "out of
 * memory" and ends the program. */
static bool is_spared(void *const *stack, int n) {
        Dl_info info;

        if (sparing)
                return true;
        for (int i = 0; i < n; i++)
                if (dladdr(stack[i], &info) && info.dli_sname && strcmp(info.dli_sname, "json_tokener_parse_ex") == 0)
                        return true;
        return false;
}

/* false: this one must not fail. */
static bool record_stack(FaultFunction function) {
        void *stack[FAULT_STACK_MAX];
        int n = backtrace(stack, FAULT_STACK_MAX);

        if (function == FAULT_malloc && is_spared(stack, n))
                return false;
        control->depth = 0;
        for (int i = 2; i < n; i++) {
                uintptr_t at = (uintptr_t) stack[i];

                control->stack[control->depth++] = at >= program_begin && at < program_end ? at - program_begin : 0;
        }
        return true;
}

/* Is this call the one? errno is set then. */
static __attribute__((noinline)) bool fails(FaultFunction function) {
        bool ours;
        unsigned n;

        if (!control || inside || !atomic_load(&control->armed))
                return false;
        n = atomic_fetch_add(&control->counts[function], 1) + 1;
        if (control->function != function || (control->nth != n && control->nth != 0))
                return false;
        inside = true;
        ours = record_stack(function);
        control->pid = getpid();
        atomic_store(&control->fired, ours ? FAULT_FIRED : FAULT_SPARED);
        inside = false;
        if (ours)
                errno = control->error;
        return ours;
}

/* The next definition of a function, looked up once. */
#define NEXT(name)                                                              \
        ({                                                                      \
                static __typeof__(name) *_next_;                                \
                if (!_next_)                                                    \
                        _next_ = (__typeof__(name) *) dlsym(RTLD_NEXT, #name);  \
                _next_;                                                         \
        })

#define EXPORT __attribute__((visibility("default")))
#define WRAP(type, failed, fault, name, parameters, ...)     \
        EXPORT type name parameters {                        \
                if (fails(FAULT_##fault))                    \
                        return (failed);                     \
                return NEXT(name)(__VA_ARGS__);              \
        }

/* Its stack does not tell, as what does the work is no function that has a name, and is jumped to. */
#define WRAP_SPARED(type, name, parameters, ...)        \
        EXPORT type name parameters {                   \
                type r;                                 \
                                                        \
                sparing = true;                         \
                r = NEXT(name)(__VA_ARGS__);            \
                sparing = false;                        \
                return r;                               \
        }

WRAP_SPARED(int, sd_bus_add_object, (sd_bus *bus, sd_bus_slot **slot, const char *path, sd_bus_message_handler_t fn, void *userdata), bus, slot, path, fn,
         userdata)
WRAP_SPARED(int, sd_bus_add_fallback_vtable, (sd_bus *bus, sd_bus_slot **slot, const char *prefix, const char *interface, const sd_bus_vtable *vtable,
                                      sd_bus_object_find_t find, void *userdata),
         bus, slot, prefix, interface, vtable, find, userdata)
WRAP_SPARED(int, sd_bus_add_object_vtable, (sd_bus *bus, sd_bus_slot **slot, const char *path, const char *interface, const sd_bus_vtable *vtable,
                                    void *userdata),
         bus, slot, path, interface, vtable, userdata)
WRAP_SPARED(void *, dlopen, (const char *path, int mode), path, mode)
WRAP_SPARED(int, sd_bus_add_node_enumerator, (sd_bus *bus, sd_bus_slot **slot, const char *path, sd_bus_node_enumerator_t fn, void *userdata), bus, slot,
         path, fn, userdata)
WRAP_SPARED(int, sd_bus_add_object_manager, (sd_bus *bus, sd_bus_slot **slot, const char *path), bus, slot, path)

EXPORT void *malloc(size_t size) {
        return fails(FAULT_malloc) ? NULL : __libc_malloc(size);
}

EXPORT void *calloc(size_t n, size_t size) {
        return fails(FAULT_malloc) ? NULL : __libc_calloc(n, size);
}

EXPORT void *realloc(void *p, size_t size) {
        return size > 0 && fails(FAULT_malloc) ? NULL : __libc_realloc(p, size);
}

/* The ones with a mode that may be missing. */
#define WRAP_OPEN(name, parameters, ...)                         \
        EXPORT int name parameters {                             \
                mode_t mode;                                     \
                va_list ap;                                      \
                                                                 \
                va_start(ap, flags);                             \
                mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0; \
                va_end(ap);                                      \
                if (fails(FAULT_open))                           \
                        return -1;                               \
                return NEXT(name)(__VA_ARGS__, flags, mode);     \
        }
WRAP_OPEN(open, (const char *path, int flags, ...), path)
WRAP_OPEN(open64, (const char *path, int flags, ...), path)
WRAP_OPEN(openat, (int dir, const char *path, int flags, ...), dir, path)
WRAP_OPEN(openat64, (int dir, const char *path, int flags, ...), dir, path)

/* As _FORTIFY_SOURCE has them called. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);
ssize_t __read_chk(int fd, void *buf, size_t size, size_t room);
ssize_t __recv_chk(int fd, void *buf, size_t size, size_t room, int flags);
WRAP(int, -1, open, __open_2, (const char *path, int flags), path, flags)
WRAP(int, -1, open, __open64_2, (const char *path, int flags), path, flags)
WRAP(int, -1, open, __openat_2, (int dir, const char *path, int flags), dir, path, flags)
WRAP(int, -1, open, __openat64_2, (int dir, const char *path, int flags), dir, path, flags)
WRAP(ssize_t, -1, read, __read_chk, (int fd, void *buf, size_t size, size_t room), fd, buf, size, room)
WRAP(ssize_t, -1, recvmsg, __recv_chk, (int fd, void *buf, size_t size, size_t room, int flags), fd, buf, size, room, flags)

WRAP(FILE *, NULL, fopen, fopen, (const char *path, const char *mode), path, mode)
WRAP(FILE *, NULL, fopen, fopen64, (const char *path, const char *mode), path, mode)
WRAP(DIR *, NULL, opendir, opendir, (const char *path), path)
WRAP(DIR *, NULL, opendir, fdopendir, (int fd), fd)
WRAP(ssize_t, -1, read, read, (int fd, void *buf, size_t size), fd, buf, size)
WRAP(ssize_t, -1, read, pread64, (int fd, void *buf, size_t size, off64_t at), fd, buf, size, at)

/* Eight bytes go to an eventfd, which always takes them. */
EXPORT ssize_t write(int fd, const void *buf, size_t size) {
        if (size != sizeof(uint64_t) && fails(FAULT_write))
                return -1;
        return NEXT(write)(fd, buf, size);
}

WRAP(ssize_t, -1, write, writev, (int fd, const struct iovec *iov, int n), fd, iov, n)
WRAP(ssize_t, -1, readlink, readlink, (const char *path, char *buf, size_t size), path, buf, size)
WRAP(ssize_t, -1, readlink, readlinkat, (int dir, const char *path, char *buf, size_t size), dir, path, buf, size)
WRAP(int, -1, stat, stat64, (const char *path, struct stat64 *st), path, st)
WRAP(int, -1, stat, lstat64, (const char *path, struct stat64 *st), path, st)
WRAP(int, -1, stat, fstat64, (int fd, struct stat64 *st), fd, st)
WRAP(int, -1, stat, fstatat64, (int dir, const char *path, struct stat64 *st, int flags), dir, path, st, flags)
WRAP(int, -1, rename, rename, (const char *from, const char *to), from, to)
WRAP(ssize_t, -1, write, pwrite64, (int fd, const void *buf, size_t n, off64_t at), fd, buf, n, at)
WRAP(int, -1, rename, renameat2, (int d1, const char *from, int d2, const char *to, unsigned flags), d1, from, d2, to, flags)
WRAP(int, -1, rename, renameat, (int d1, const char *from, int d2, const char *to), d1, from, d2, to)
WRAP(int, -1, unlink, unlink, (const char *path), path)
WRAP(int, -1, unlink, unlinkat, (int dir, const char *path, int flags), dir, path, flags)
WRAP(int, -1, mkdir, mkdir, (const char *path, mode_t mode), path, mode)
WRAP(int, -1, chmod, chmod, (const char *path, mode_t mode), path, mode)
WRAP(int, -1, chmod, fchmod, (int fd, mode_t mode), fd, mode)
WRAP(int, -1, socket, socket, (int family, int type, int protocol), family, type, protocol)
WRAP(int, -1, bind, bind, (int fd, const struct sockaddr *address, socklen_t size), fd, address, size)
WRAP(int, -1, listen, listen, (int fd, int n), fd, n)
WRAP(int, -1, accept4, accept4, (int fd, struct sockaddr *address, socklen_t *size, int flags), fd, address, size, flags)
WRAP(int, -1, connect, connect, (int fd, const struct sockaddr *address, socklen_t size), fd, address, size)
WRAP(int, -1, getsockopt, getsockopt, (int fd, int level, int name, void *value, socklen_t *size), fd, level, name, value, size)
WRAP(int, -1, setsockopt, setsockopt, (int fd, int level, int name, const void *value, socklen_t size), fd, level, name, value, size)
WRAP(ssize_t, -1, sendmsg, sendmsg, (int fd, const struct msghdr *m, int flags), fd, m, flags)
WRAP(ssize_t, -1, sendmsg, send, (int fd, const void *buf, size_t size, int flags), fd, buf, size, flags)
WRAP(ssize_t, -1, recvmsg, recvmsg, (int fd, struct msghdr *m, int flags), fd, m, flags)
WRAP(ssize_t, -1, recvmsg, recv, (int fd, void *buf, size_t size, int flags), fd, buf, size, flags)
WRAP(int, -1, socketpair, socketpair, (int family, int type, int protocol, int fds[2]), family, type, protocol, fds)
WRAP(int, -1, pipe2, pipe2, (int fds[2], int flags), fds, flags)
WRAP(int, -1, eventfd, eventfd, (unsigned value, int flags), value, flags)
WRAP(int, -1, epoll_create1, epoll_create1, (int flags), flags)
WRAP(int, -1, timerfd_create, timerfd_create, (clockid_t clock, int flags), clock, flags)
WRAP(int, -1, timerfd_settime, timerfd_settime, (int fd, int flags, const struct itimerspec *new, struct itimerspec *old), fd, flags, new, old)
WRAP(int, -1, signalfd, signalfd, (int fd, const sigset_t *mask, int flags), fd, mask, flags)
WRAP(int, -1, inotify_init1, inotify_init1, (int flags), flags)
WRAP(int, -1, inotify_add_watch, inotify_add_watch, (int fd, const char *path, uint32_t mask), fd, path, mask)
WRAP(int, -1, memfd_create, memfd_create, (const char *name, unsigned flags), name, flags)
WRAP(int, -1, ftruncate, ftruncate64, (int fd, off64_t size), fd, size)
WRAP(int, -1, fallocate, fallocate64, (int fd, int mode, off64_t at, off64_t size), fd, mode, at, size)
WRAP(void *, MAP_FAILED, mmap, mmap64, (void *at, size_t size, int protection, int flags, int fd, off64_t offset), at, size, protection, flags, fd, offset)
WRAP(pid_t, -1, fork, fork, (void), )
WRAP(int, errno, posix_spawn, posix_spawn, (pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
     char *const argv[], char *const env[]), pid, path, actions, attributes, argv, env)
WRAP(int, errno, pthread_create, pthread_create, (pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *), void *userdata),
     thread, attributes, fn, userdata)
WRAP(int, -1, kill, kill, (pid_t pid, int signal_number), pid, signal_number)
WRAP(int, -1, getrlimit, getrlimit64, (__rlimit_resource_t resource, struct rlimit64 *limit), resource, limit)
WRAP(int, -1, setrlimit, setrlimit64, (__rlimit_resource_t resource, const struct rlimit64 *limit), resource, limit)
WRAP(struct passwd *, NULL, getpwnam, getpwnam, (const char *name), name)
WRAP(struct group *, NULL, getgrnam, getgrnam, (const char *name), name)

/* Removing never fails for want of anything. */
EXPORT int epoll_ctl(int fd, int operation, int other, struct epoll_event *event) {
        if (operation != EPOLL_CTL_DEL && fails(FAULT_epoll_ctl))
                return -1;
        return NEXT(epoll_ctl)(fd, operation, other, event);
}

static bool fcntl_fails(int command) {
        return command != F_GETFD && command != F_GETFL && fails(FAULT_fcntl);
}

EXPORT int fcntl(int fd, int command, ...) {
        va_list ap;
        void *argument;

        va_start(ap, command);
        argument = va_arg(ap, void *);
        va_end(ap);
        return fcntl_fails(command) ? -1 : NEXT(fcntl)(fd, command, argument);
}

EXPORT int fcntl64(int fd, int command, ...) {
        va_list ap;
        void *argument;

        va_start(ap, command);
        argument = va_arg(ap, void *);
        va_end(ap);
        return fcntl_fails(command) ? -1 : NEXT(fcntl64)(fd, command, argument);
}

EXPORT int ioctl(int fd, unsigned long request, ...) {
        va_list ap;
        void *argument;

        va_start(ap, request);
        argument = va_arg(ap, void *);
        va_end(ap);
        return fails(FAULT_ioctl) ? -1 : NEXT(ioctl)(fd, request, argument);
}

/* For a KVM that is made up (fake-kvm.c) and asks nobody. */
bool fault_in_ioctl(void);
EXPORT bool fault_in_ioctl(void) {
        return fails(FAULT_ioctl);
}

EXPORT long syscall(long number, ...) {
        long a[6];
        va_list ap;

        va_start(ap, number);
        for (size_t i = 0; i < 6; i++)
                a[i] = va_arg(ap, long);
        va_end(ap);
        /* Those that never fail are libsystemd's way to ask for them. */
        if (number != SYS_getpid && number != SYS_gettid && number != SYS_close_range && fails(FAULT_syscall))
                return -1;
        return NEXT(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
