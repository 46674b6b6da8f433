/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "qemu_log.h"

#include <sys/stat.h>

#include "util.h"

/* Of a longer log its end: what a start says comes to a few KiB, most of it the command line. */
#define TAIL_MAX ((off_t) 256 << 10)

/* libvirt's (src/qemu/qemu_process.c: qemuLogOperation) */
#define STARTED ": starting up "
/* KVM_CREATE_SPAPR_TCE's and KVM_CREATE_SPAPR_TCE_64's */
static const char *const refusals[] = { "Failed to create TCE table for liobn 0x", "Failed to create TCE64 table for liobn 0x" };

static bool has(const uint32_t *liobns, size_t n, uint32_t liobn) {
        for (size_t i = 0; i < n; i++)
                if (liobns[i] == liobn)
                        return true;
        return false;
}

/* Behind the words that say so; NULL: the line has none of it. */
static const char *find_refusal(const char *line, size_t length) {
        for (size_t i = 0; i < ELEMENTSOF(refusals); i++) {
                const char *at = memmem(line, length, refusals[i], strlen(refusals[i]));

                if (at)
                        return at + strlen(refusals[i]);
        }
        return NULL;
}

size_t qemu_log_refused(const char *text, size_t size, uint32_t ret[QEMU_LOG_REFUSED_MAX]) {
        const char *end = text + size;
        size_t n = 0;

        for (const char *line = text, *next; line < end; line = next) {
                const char *stop = memchr(line, '\n', (size_t) (end - line)), *at;
                char number[9] = "";
                size_t length;

                next = stop ? stop + 1 : end;
                length = (size_t) ((stop ? stop : end) - line);
                if (memmem(line, length, STARTED, strlen(STARTED)))
                        n = 0;
                at = find_refusal(line, length);
                if (!at)
                        continue;
                length -= (size_t) (at - line);
                (void) snprintf(number, sizeof(number), "%.*s", (int) (length < 8 ? length : 8), at);
                number[strspn(number, "0123456789abcdefABCDEF")] = '\0';
                if (!number[0] || n == QEMU_LOG_REFUSED_MAX || has(ret, n, (uint32_t) strtoul(number, NULL, 16)))
                        continue;
                ret[n++] = (uint32_t) strtoul(number, NULL, 16);
        }
        return n;
}

int qemu_log_read(int fd, uint32_t ret[QEMU_LOG_REFUSED_MAX], size_t *ret_n) {
        _cleanup_free_ char *text = malloc((size_t) TAIL_MAX);
        off_t from = 0;
        struct stat st;
        ssize_t n;

        if (!text)
                return -ENOMEM;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size > TAIL_MAX)
                from = st.st_size - TAIL_MAX;
        do
                n = pread(fd, text, (size_t) TAIL_MAX, from);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        *ret_n = qemu_log_refused(text, (size_t) n, ret);
        return 0;
}
