/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libvirt_lines.h"

#include <sys/socket.h>

#include "util.h"

#define CHUNK ((size_t) 64 << 10)

void line_reader_clear(LineReader *r) {
        free(r->buffer);
        *r = (LineReader) {};
}

/* Each line is taken out before it is told, so that whatever is done about it finds the reader whole. */
static int tell_lines(LineReader *r, size_t from, LineDone done, void *userdata) {
        char *end;

        while (r->have > 0 && (end = memchr(r->buffer + from, '\n', r->have - from))) {
                size_t length = (size_t) (end - r->buffer);
                _cleanup_free_ char *line = strndup(r->buffer, length);

                if (!line)
                        return -ENOMEM;
                r->have -= length + 1;
                memmove(r->buffer, end + 1, r->have);
                from = 0;
                if (!done(line, userdata))
                        return -EBADMSG;
        }
        return 0;
}

int line_reader_read(LineReader *r, int fd, LineDone done, void *userdata) {
        for (size_t turn = 0; turn < LINE_READER_TURN;) {
                ssize_t n;
                int e;

                if (r->have >= LINE_READER_MAX)
                        return -EMSGSIZE;
                if (r->allocated - r->have < CHUNK) {
                        size_t want = r->have + CHUNK > 2 * r->allocated ? r->have + CHUNK : 2 * r->allocated;
                        e = ARRAY_RESERVE(r->buffer, r->allocated, want);
                        if (e < 0)
                                return e;
                }
                n = recv(fd, r->buffer + r->have, r->allocated - r->have, MSG_DONTWAIT);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : 0;
                turn += (size_t) n;
                r->have += (size_t) n;
                e = tell_lines(r, r->have - (size_t) n, done, userdata);
                if (e < 0)
                        return e;
                /* What was told may have made its owner drop the connection, and the reader with it. */
                if (!r->buffer)
                        break;
        }
        return -EAGAIN;
}
