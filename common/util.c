/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What util.h declares. Nothing here blocks for long or keeps state. */

#include "util.h"

#include <inttypes.h>
#include <sys/syscall.h>

int array_reserve(void **array, size_t *allocated, size_t need, size_t size) {
        size_t n = *allocated ? *allocated : 8;
        size_t bytes;
        void *grown;

        if (need <= *allocated)
                return 0;
        while (n < need)
                n *= 2;
        if (__builtin_mul_overflow(n, size, &bytes))
                return -ENOMEM;
        grown = realloc(*array, bytes);
        if (!grown)
                return -ENOMEM;
        *array = grown;
        *allocated = n;
        return 0;
}

int name_lookup(const char *const *names, size_t n, const char *text) {
        for (size_t i = 0; i < n; i++)
                if (streq(names[i], text))
                        return (int) i;
        return -EINVAL;
}

bool uuid_normalize(const char *text, char ret[33]) {
        size_t n = 0;

        for (; *text; text++) {
                char c = *text;

                if (c == '-')
                        continue;
                if (c >= 'A' && c <= 'F')
                        c = (char) (c | 0x20);
                if (n == 32 || !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
                        return false;
                ret[n++] = c;
        }
        ret[n] = '\0';
        return n == 32;
}

int parse_u64(const char *text, uint64_t max, uint64_t *ret) {
        unsigned long long value;
        int base = 10;
        char *end;

        if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
                base = 16;
                text += 2;
        }
        /* strtoull() takes blanks and signs; a number of ours starts with a digit. */
        if (!(text[0] >= '0' && text[0] <= '9') &&
            !(base == 16 && ((text[0] | 0x20) >= 'a' && (text[0] | 0x20) <= 'f')))
                return -EINVAL;
        errno = 0;
        value = strtoull(text, &end, base);
        if (*end)
                return -EINVAL;
        if (errno == ERANGE || value > max)
                return -ERANGE;
        *ret = value;
        return 0;
}

int parse_size(const char *text, uint64_t *ret) {
        static const char suffixes[] = "KMGT";
        char digits[24];
        const char *found;
        uint64_t value;
        size_t length = strlen(text);
        unsigned shift = 0;
        int r;

        if (length == 0)
                return -EINVAL;
        found = strchr(suffixes, text[length - 1]);
        if (found) {
                shift = 10 * (unsigned) (found - suffixes + 1);
                length--;
        }
        if (length == 0)
                return -EINVAL;
        if (length >= sizeof(digits))
                return -ERANGE;
        memcpy(digits, text, length);
        digits[length] = '\0';
        r = parse_u64(digits, UINT64_MAX >> shift, &value);
        if (r < 0)
                return r;
        *ret = value << shift;
        return 0;
}

int parse_bool(const char *text, bool *ret) {
        static const char *const yes[] = { "1", "yes", "true", "on" };
        static const char *const no[] = { "0", "no", "false", "off" };

        for (size_t i = 0; i < ELEMENTSOF(yes); i++) {
                if (!streq(text, yes[i]) && !streq(text, no[i]))
                        continue;
                *ret = streq(text, yes[i]);
                return 0;
        }
        return -EINVAL;
}

/* Bytes of the character at p, or 0: none (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF). */
static size_t utf8_length(const unsigned char *p) {
        size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;

        for (size_t i = 1; i < n; i++)
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
        if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0) || (p[0] == 0xf0 && p[1] < 0x90) ||
            (p[0] == 0xf4 && p[1] >= 0x90))
                return 0;
        return n;
}

bool utf8_valid(const char *text) {
        while (*text) {
                size_t n = utf8_length((const unsigned char *) text);

                if (n == 0)
                        return false;
                text += n;
        }
        return true;
}

bool ascii_valid(const char *text) {
        while (*text && (unsigned char) *text < 0x80)
                text++;
        return !*text;
}

char *utf8_mend(char *text) {
        for (char *p = text; *p;) {
                size_t n = utf8_length((const unsigned char *) p);

                if (n == 0)
                        *p = '?';
                p += n ? n : 1;
        }
        return text;
}

#define READ_TO_END_STEP ((size_t) 64 << 10)

int read_to_end(int fd, size_t max, char **ret, size_t *ret_size) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0, allocated = 0;

        for (;;) {
                ssize_t n;

                if (ARRAY_RESERVE(text, allocated, size + READ_TO_END_STEP + 1) < 0)
                        return -ENOMEM;
                n = read(fd, text + size, READ_TO_END_STEP);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                size += (size_t) n;
                if (size > max)
                        return -EFBIG;
                if (n == 0)
                        break;
        }
        text[size] = '\0';
        *ret = TAKE_PTR(text);
        *ret_size = size;
        return 0;
}

ssize_t read_file_at(int dirfd, const char *path, char *buf, size_t size) {
        _cleanup_fd_ int fd = -EBADF;
        size_t have = 0;

        /* O_NONBLOCK: a FIFO without a writer is an empty file. */
        fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        for (;;) {
                ssize_t n = read(fd, buf + have, size - have);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                have += (size_t) n;
                if (have == size)
                        return -EFBIG;
        }
        while (have > 0 && buf[have - 1] == '\n')
                have--;
        buf[have] = '\0';
        return (ssize_t) have;
}

ssize_t read_attribute_at(int dirfd, const char *path, char *buf, size_t size) {
        _cleanup_fd_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        ssize_t n;

        if (fd < 0)
                return -errno;
        do
                n = read(fd, buf, size);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        if ((size_t) n == size)
                return -EFBIG;
        while (n > 0 && buf[n - 1] == '\n')
                n--;
        buf[n] = '\0';
        return n;
}

/* The next n characters are lower-case hex digits. */
static bool hex_digits(const char *text, size_t n) {
        return strnlen(text, n) == n && strspn(text, "0123456789abcdef") >= n;
}

bool pci_address_valid(const char *text) {
        size_t domain = strcspn(text, ":");

        return domain >= 4 && domain <= 8 && hex_digits(text, domain) && text[domain] == ':' && hex_digits(text + domain + 1, 2) &&
               text[domain + 3] == ':' && hex_digits(text + domain + 4, 2) && text[domain + 6] == '.' && text[domain + 7] >= '0' &&
               text[domain + 7] <= '7' && text[domain + 8] == '\0';
}

void strings_free(char **list) {
        for (char **text = list; text && *text; text++)
                free(*text);
        free(list);
}

const char *format_bytes(char *buf, size_t size, uint64_t bytes) {
        static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
        size_t unit = 0;

        while (bytes > 0 && bytes % 1024 == 0 && unit + 1 < ELEMENTSOF(units)) {
                bytes /= 1024;
                unit++;
        }
        (void) snprintf(buf, size, "%" PRIu64 " %s", bytes, units[unit]);
        return buf;
}

void *map_shared(int fd, size_t length, int flags) {
        char *room, *at = NULL;

        /* The kernel aligns mappings of this kind by itself only where an administrator has them made of huge pages (mm/shmem.c:
         * shmem_get_unmapped_area). Where there is room is a hint alone: whoever else maps something there meanwhile is not disturbed. */
        if (length >= HUGE_PAGE_MIN && length <= SIZE_MAX - HUGE_PAGE_MAX) {
                room = mmap(NULL, length + HUGE_PAGE_MAX, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
                if (room != MAP_FAILED) {
                        at = room + (-(uintptr_t) room & (HUGE_PAGE_MAX - 1));
                        (void) munmap(room, length + HUGE_PAGE_MAX);
                }
        }
        return mmap(at, length, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, 0);
}

int process_start_time(int proc_fd, pid_t pid, uint64_t *ret) {
        char path[32], stat[1024], *field;
        ssize_t n;

        (void) snprintf(path, sizeof(path), "%d/stat", (int) pid);
        n = read_file_at(proc_fd, path, stat, sizeof(stat));
        if (n < 0)
                return (int) n;
        /* The second field is the command in parentheses and may itself hold blanks and parentheses. */
        field = strrchr(stat, ')');
        for (unsigned i = 2; field && i < 22; i++) {
                field = strchr(field, ' ');
                if (field)
                        field++;
        }
        if (!field)
                return -EBADMSG;
        field[strcspn(field, " ")] = '\0';
        return parse_u64(field, UINT64_MAX, ret);
}

int sys_pidfd_open(pid_t pid, unsigned flags) {
        int fd = (int) syscall(SYS_pidfd_open, pid, flags);
        return fd < 0 ? -errno : fd;
}
