/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Small things that every part uses: what frees itself at the end of its scope, who owns an fd, numbers from text.
 *
 * An fd variable starts at -EBADF. A function whose name ends in _consume takes the fd over even when it fails;
 * TAKE_FD() and TAKE_PTR() hand over what a variable holds and leave it empty. */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((__cleanup__(f)))
#define _printf_(fmt, args) __attribute__((__format__(__printf__, fmt, args)))
#define _unused_ __attribute__((__unused__))
#define _public_ __attribute__((__visibility__("default")))

#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))

#define TAKE_GENERIC(var, type, none)           \
        ({                                      \
                type *_pvar_ = &(var);          \
                type _value_ = *_pvar_;         \
                *_pvar_ = (none);               \
                _value_;                        \
        })
#define TAKE_FD(fd) TAKE_GENERIC(fd, int, -EBADF)
#define TAKE_PTR(p) TAKE_GENERIC(p, __typeof__(p), NULL)

/* Makes a cleanup function `name` for variables of type `type *`; the destructor takes NULL. */
#define DEFINE_POINTER_CLEANUP(type, destructor, name)  \
        static inline void name(type **p) {             \
                if (*p)                                 \
                        (void) destructor(*p);          \
        }

static inline void freep(void *p) {
        free(*(void **) p);
}

/* Closes fd unless it is negative; errno is left alone. Returns -EBADF, to be assigned back. */
static inline int fd_close(int fd) {
        if (fd >= 0) {
                int saved = errno;
                (void) close(fd);
                errno = saved;
        }
        return -EBADF;
}

static inline void fd_closep(int *fd) {
        *fd = fd_close(*fd);
}

DEFINE_POINTER_CLEANUP(FILE, fclose, file_closep)

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_fd_ _cleanup_(fd_closep)
#define _cleanup_file_ _cleanup_(file_closep)

static inline bool streq(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}

static inline bool isempty(const char *s) {
        return !s || !*s;
}

/* A copy of fd above the standard ones, close-on-exec; negative errno. */
static inline int fd_dup(int fd) {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return copy < 0 ? -errno : copy;
}

/* Grows *array so that it holds `need` elements of `size` bytes; *allocated counts elements. 0 or -ENOMEM, and
 * on failure the array is as it was. */
int array_reserve(void **array, size_t *allocated, size_t need, size_t size);
#define ARRAY_RESERVE(array, allocated, need) \
        array_reserve((void **) &(array), &(allocated), (need), sizeof(*(array)))

/* Sums of sizes that come from outside: UINT64_MAX is "more than can be counted", and stays. */
static inline uint64_t add_saturated(uint64_t a, uint64_t b) {
        uint64_t sum;
        return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static inline uint64_t multiply_saturated(uint64_t a, uint64_t b) {
        uint64_t product;
        return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

/* The index of `text` among n names, or -EINVAL: what every …_from_string() is made of. */
int name_lookup(const char *const *names, size_t n, const char *text);

/* The whole of `text` as an unsigned number in base 10 or, with 0x, 16. 0, -EINVAL (not a number, a sign, something
 * behind it), -ERANGE (above max). */
int parse_u64(const char *text, uint64_t max, uint64_t *ret);

/* The same with one of the suffixes K, M, G, T (powers of 1024). */
int parse_size(const char *text, uint64_t *ret);

/* "1", "yes", "true", "on" and their opposites. 0 or -EINVAL. */
int parse_bool(const char *text, bool *ret);

/* A UUID as a person writes it, dashes or not, upper case or lower -> 32 lower-case hex digits. false: it is none, and ret may be half
 * filled. */
bool uuid_normalize(const char *text, char ret[33]);

/* Is it a PCI address as the kernel writes it (drivers/pci/probe.c:pci_setup_device): "0001:00:1f.7", lower case, the domain of four digits or
 * more? Nothing else becomes part of a path below /sys. */
bool pci_address_valid(const char *text);

/* Is a text UTF-8, or ASCII, to its end? */
bool utf8_valid(const char *text);
bool ascii_valid(const char *text);

/* Puts a '?' in the place of each byte that belongs to no whole UTF-8 character, as are left where a text was cut: D-Bus carries
 * nothing else. Returns the text. */
char *utf8_mend(char *text);

/* Frees a list of texts that ends with NULL. NULL is fine. */
void strings_free(char **list);

/* Reads a small file (sysfs, /proc) below the directory dirfd (or AT_FDCWD) into buf, trailing newline cut, always
 * terminated. The length, or negative errno; -EFBIG when it does not fit. */
ssize_t read_file_at(int dirfd, const char *path, char *buf, size_t size);
/* The same of an attribute in sysfs, which one read gives whole, so that its end is not asked for: there are tens of thousands. */
ssize_t read_attribute_at(int dirfd, const char *path, char *buf, size_t size);

/* All that comes from fd, at most max bytes, with a NUL behind it, to be freed. 0; -EFBIG: there is more; -ENOMEM; errno of read(2). */
int read_to_end(int fd, size_t max, char **ret, size_t *ret_size);

/* The bytes as a person reads them: "512 KiB", "2 MiB", "1 GiB"; exact numbers only, so 1.5 KiB is "1536 B". */
const char *format_bytes(char *buf, size_t size, uint64_t bytes);
#define FORMAT_BYTES(n) format_bytes((char[32]){}, 32, (n))

/* Transparent huge pages have 2 MiB; on POWER's hashed page tables 16 MiB. */
#define HUGE_PAGE_MIN ((size_t) 2 << 20)
#define HUGE_PAGE_MAX ((size_t) 16 << 20)

/* Maps the first `length` bytes of a file, shared, to be read and written, at an address that allows the kernel to do it by whole huge pages
 * where the file has such. `flags` are further ones of mmap(2). MAP_FAILED and errno. */
void *map_shared(int fd, size_t length, int flags);

/* The start time of a process in clock ticks since boot (field 22 of /proc/PID/stat): with the PID it names a process
 * for good, where the PID alone is used again. Negative errno. */
int process_start_time(int proc_fd, pid_t pid, uint64_t *ret);

int sys_pidfd_open(pid_t pid, unsigned flags);
