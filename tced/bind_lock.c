/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bind_lock.h"

#include "util.h"

/* The first byte is for all records; those of devices are behind it. */
#define RECORDS_BYTE 0

int bind_lock_open(int records) {
        /* Not for others to read, so that they can't lock it either. */
        int fd = openat(records, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

        return fd < 0 ? -errno : fd;
}

/* Domain, bus, slot and function are 48 bits in all. */
static off_t byte_of(const char *address) {
        char *end;
        uint64_t domain = strtoull(address, &end, 16), bus = strtoull(end + 1, &end, 16), slot = strtoull(end + 1, &end, 16),
                 function = strtoull(end + 1, NULL, 16);

        return (off_t) (1 + (domain << 19 | bus << 11 | slot << 3 | function));
}

static int set_lock(int lock, int command, short type, off_t byte) {
        struct flock range = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

        while (fcntl(lock, command, &range) < 0)
                if (errno != EINTR)
                        return -errno;
        return 0;
}

int bind_lock_device(int lock, const char *address) {
        int r = set_lock(lock, F_OFD_SETLK, F_WRLCK, byte_of(address));

        return r == -EAGAIN || r == -EACCES ? -EALREADY : r;
}

bool bind_lock_is_held(int lock, const char *address) {
        struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte_of(address), .l_len = 1 };

        return fcntl(lock, F_OFD_GETLK, &range) >= 0 && range.l_type != F_UNLCK;
}

int bind_lock_records(int lock) {
        return set_lock(lock, F_OFD_SETLKW, F_WRLCK, RECORDS_BYTE);
}

void bind_unlock_records(int lock) {
        (void) set_lock(lock, F_OFD_SETLK, F_UNLCK, RECORDS_BYTE);
}
