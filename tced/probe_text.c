/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The texts of a group while it is read: of a host with 16,384 groups there are half a million, and malloc() would take longer for them than the
 * kernel for some of the reads. All of them go at once, when the group's facts are copied. */

#include <stdarg.h>

#include "probe_groups.h"
#include "util.h"

#define CHUNK_MIN ((size_t) 16384)

struct TextChunk {
        TextChunk *below;
        size_t size;
        char text[];
};

/* Room for so much, also where that is more than a chunk usually has. NULL: no memory. */
static char *reserve(Texts *t, size_t size) {
        TextChunk *chunk = t->top;

        if (!chunk || chunk->size - t->used < size) {
                size_t room = size > CHUNK_MIN ? size : CHUNK_MIN;

                chunk = malloc(sizeof(*chunk) + room);
                if (!chunk)
                        return NULL;
                chunk->below = t->top;
                chunk->size = room;
                t->top = chunk;
                t->used = 0;
        }
        return chunk->text + t->used;
}

char *texts_add(Texts *t, const char *text) {
        size_t size = strlen(text) + 1;
        char *copy = reserve(t, size);

        if (!copy)
                return NULL;
        t->used += size;
        return memcpy(copy, text, size);
}

char *texts_format(Texts *t, const char *format, ...) {
        va_list ap;
        char *text;
        int n;

        va_start(ap, format);
        n = vsnprintf(NULL, 0, format, ap);
        va_end(ap);
        text = n < 0 ? NULL : reserve(t, (size_t) n + 1);
        if (!text)
                return NULL;
        va_start(ap, format);
        (void) vsnprintf(text, (size_t) n + 1, format, ap);
        va_end(ap);
        t->used += (size_t) n + 1;
        return text;
}

void texts_forget(Texts *t) {
        while (t->top && t->top->below) {
                TextChunk *below = t->top->below;

                free(t->top);
                t->top = below;
        }
        t->used = 0;
}

void texts_clear(Texts *t) {
        texts_forget(t);
        free(t->top);
        *t = (Texts) {};
}
