/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Lines out of a socket, as they come, bounded. */

#include <stdbool.h>
#include <stddef.h>

/* A domain's XML, each of its bytes escaped at worst (\u0041), and the words around it. */
#define LINE_READER_MAX ((size_t) 16 << 20)

typedef struct LineReader {
        char *buffer;
        size_t have, allocated;
} LineReader;

/* So much is read at a time: who never stops speaking must not have its reader do nothing else. */
#define LINE_READER_TURN ((size_t) 256 << 10)

/* Called for each line, without its end, which it may change. false: no more of this. */
typedef bool (*LineDone)(char *line, void *userdata);

/* Reads what there is, without waiting. -EAGAIN: that was all for this time; 0: the other side is gone; -EMSGSIZE: a line without end;
 * -EBADMSG: done said no; -ENOMEM; else negative errno. The reader may have been cleared by done: then -EAGAIN. */
int line_reader_read(LineReader *r, int fd, LineDone done, void *userdata);
void line_reader_clear(LineReader *r);
