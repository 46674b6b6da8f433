/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "state_file.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "util.h"

#define HEAD_BYTES (STATE_FILE_HEAD_MAX + 1)
/* Places are made so much longer than they must be, at most, that a text which grows a little stays where it is. */
#define ROUND_UP 128U
/* So much is blank at least before the file is written anew without that, and a quarter of it: the reader takes a third more than the largest state
 * (STATE_SIZE_MAX). */
#define BLANK_MAX (UINT64_C(1) << 16)
#define BUFFER_BYTES (UINT64_C(1) << 16)

typedef struct Place {
        StateSlot *owner; /* who knows it by its number; NULL: it is free */
        char *text;       /* NULL: it is in both copies, or there is none */
        size_t offset, size;
        size_t used;      /* of it, by its text */
        bool stale[2]; /* in which copies something else stands */
} Place;

typedef struct Copy {
        int fd; /* -EBADF: it is not there, or not to be trusted */
        StateSlot *stale; /* places, by their slots */
        size_t n_stale, allocated;
        bool grown; /* the end has moved */
} Copy;

struct StateFile {
        char *path, *temporary;
        StateText text_of;
        Copy copies[2];
        unsigned in_force; /* which of them is at `path`, if it is there */
        Place *places; /* in the order of the file */
        size_t n_places, allocated;
        StateSlot *free_places;
        size_t n_free, free_allocated;
        size_t end;  /* of the last place */
        size_t used; /* bytes that the texts need; what else there is is blank */
};

int state_file_new(const char *path, const char *temporary, StateText text_of, StateFile **ret) {
        StateFile *f = calloc(1, sizeof(*f));

        if (!f)
                return -ENOMEM;
        *f = (StateFile) { .path = strdup(path), .temporary = strdup(temporary), .text_of = text_of, .copies = { { .fd = -EBADF }, { .fd = -EBADF } },
                           .end = HEAD_BYTES };
        if (!f->path || !f->temporary) {
                (void) state_file_free(f);
                return -ENOMEM;
        }
        *ret = f;
        return 0;
}

/* It can be read where it stands, or who put it knows it. While a copy is missing, which has to be written as a whole, it is kept. */
static void let_go(const StateFile *f, Place *p) {
        if (f->copies[0].fd < 0 || f->copies[1].fd < 0 || p->stale[0] || p->stale[1])
                return;
        free(p->text);
        p->text = NULL;
}

/* What is stale in a copy is no more: it was written, or the copy is to be written anew. */
static void forget_stale(StateFile *f, unsigned which) {
        Copy *c = &f->copies[which];

        for (size_t i = 0; i < c->n_stale; i++) {
                Place *p = &f->places[c->stale[i] - 1];

                p->stale[which] = false;
                let_go(f, p);
        }
        c->n_stale = 0;
        c->grown = false;
}

static void forget_copy(StateFile *f, unsigned which) {
        f->copies[which].fd = fd_close(f->copies[which].fd);
        forget_stale(f, which);
}

StateFile *state_file_free(StateFile *f) {
        if (!f)
                return NULL;
        if (f->copies[!f->in_force].fd >= 0)
                (void) unlink(f->temporary);
        for (unsigned i = 0; i < 2; i++) {
                forget_copy(f, i);
                free(f->copies[i].stale);
        }
        for (size_t i = 0; i < f->n_places; i++)
                free(f->places[i].text);
        free(f->places);
        free(f->free_places);
        free(f->path);
        free(f->temporary);
        free(f);
        return NULL;
}

/* A copy of which that can't be noted is written anew. */
static void mark_stale(StateFile *f, StateSlot slot) {
        for (unsigned i = 0; i < 2; i++) {
                Copy *c = &f->copies[i];
                Place *p = &f->places[slot - 1];

                if (c->fd < 0 || p->stale[i])
                        continue;
                if (ARRAY_RESERVE(c->stale, c->allocated, c->n_stale + 1) < 0) {
                        forget_copy(f, i);
                        continue;
                }
                c->stale[c->n_stale++] = slot;
                p->stale[i] = true;
        }
}

static void set_text(StateFile *f, StateSlot at, char *text, size_t used) {
        Place *p = &f->places[at - 1];

        free(p->text);
        p->text = text;
        f->used = f->used - p->used + used;
        p->used = used;
        mark_stale(f, at);
}

void state_file_drop(StateFile *f, StateSlot *slot) {
        if (*slot == 0)
                return;
        set_text(f, *slot, NULL, 0);
        f->places[*slot - 1].owner = NULL;
        /* Without memory for that it is not used again until all is laid out anew. */
        if (ARRAY_RESERVE(f->free_places, f->free_allocated, f->n_free + 1) >= 0)
                f->free_places[f->n_free++] = *slot;
        *slot = 0;
}

/* One that is free and large enough, which is so no more; 0: there is none. */
static StateSlot take_free(StateFile *f, size_t size) {
        for (size_t i = f->n_free; i > 0; i--) {
                StateSlot at = f->free_places[i - 1];

                if (f->places[at - 1].size < size)
                        continue;
                f->free_places[i - 1] = f->free_places[--f->n_free];
                return at;
        }
        return 0;
}

/* With its comma and line feed. */
static size_t room_for(const char *text) {
        return (strlen(text) + 2 + ROUND_UP - 1) / ROUND_UP * ROUND_UP;
}

int state_file_put_consume(StateFile *f, StateSlot *slot, char *text) {
        size_t size = room_for(text);
        StateSlot at = *slot;

        if (at > 0 && f->places[at - 1].size >= size) {
                set_text(f, at, text, size);
                return 0;
        }
        at = take_free(f, size);
        if (at == 0) {
                if (ARRAY_RESERVE(f->places, f->allocated, f->n_places + 1) < 0) {
                        free(text);
                        return -ENOMEM;
                }
                f->places[f->n_places++] = (Place) { .offset = f->end, .size = size };
                f->end += size;
                f->copies[0].grown = f->copies[1].grown = true;
                at = f->n_places;
        }
        f->places[at - 1].owner = slot;
        set_text(f, at, text, size);
        state_file_drop(f, slot);
        *slot = at;
        return 0;
}

/* All of them, for a copy that is written anew. */
static int fetch_texts(StateFile *f) {
        for (size_t i = 0; i < f->n_places; i++) {
                StateSlot *owner = f->places[i].owner;
                char *text;
                int r;

                if (!owner || f->places[i].text)
                        continue;
                r = f->text_of(owner, &text);
                if (r >= 0 && room_for(text) <= f->places[i].size)
                        f->places[i].text = text;
                else if (r >= 0)
                        r = state_file_put_consume(f, owner, text);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* What is at a place, blanks and all. */
static void print_place(const Place *p, char *buf) {
        size_t n = p->text ? strlen(p->text) : 0;

        memset(buf, ' ', p->size);
        if (p->text) {
                memcpy(buf, p->text, n);
                buf[n] = ',';
        }
        buf[p->size - 1] = '\n';
}

static int write_at(int fd, const char *text, size_t size, size_t offset) {
        while (size > 0) {
                ssize_t n = pwrite(fd, text, size, (off_t) offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                text += n;
                size -= (size_t) n;
                offset += (size_t) n;
        }
        return 0;
}

static int write_head(int fd, const char *head) {
        char text[HEAD_BYTES];
        size_t n = strlen(head);

        if (n > STATE_FILE_HEAD_MAX)
                return -EINVAL;
        memset(text, ' ', sizeof(text));
        memcpy(text, head, n);
        text[HEAD_BYTES - 1] = '\n';
        return write_at(fd, text, sizeof(text), 0);
}

/* So many places from the first on, in as few writes as fit a buffer. */
static int write_places(int fd, const Place *places, size_t n) {
        _cleanup_free_ char *buffer = NULL;
        size_t room = BUFFER_BYTES, have = 0;
        int r = 0;

        for (size_t i = 0; i < n; i++)
                room = places[i].size > room ? places[i].size : room;
        buffer = malloc(room);
        if (!buffer)
                return -ENOMEM;
        for (size_t i = 0; i < n && r >= 0; i++) {
                if (have + places[i].size > room) {
                        r = write_at(fd, buffer, have, places[i].offset - have);
                        have = 0;
                }
                print_place(&places[i], buffer + have);
                have += places[i].size;
        }
        if (r >= 0 && have > 0)
                r = write_at(fd, buffer, have, places[n - 1].offset + places[n - 1].size - have);
        return r;
}

static int write_changes(StateFile *f, unsigned which, const char *head) {
        Copy *c = &f->copies[which];
        int r = write_head(c->fd, head);

        for (size_t i = 0; i < c->n_stale && r >= 0; i++)
                r = write_places(c->fd, &f->places[c->stale[i] - 1], 1);
        if (r >= 0 && c->grown)
                r = write_at(c->fd, STATE_TAIL, strlen(STATE_TAIL), f->end);
        return r;
}

/* A new file; one that was left there goes, and a link is not followed. */
static int write_whole(StateFile *f, unsigned which, const char *head) {
        Copy *c = &f->copies[which];
        int r;

        forget_copy(f, which);
        r = fetch_texts(f);
        if (r < 0)
                return r;
        if (unlink(f->temporary) < 0 && errno != ENOENT)
                return -errno;
        c->fd = open(f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (c->fd < 0)
                return -errno;
        r = write_head(c->fd, head);
        if (r >= 0)
                r = write_places(c->fd, f->places, f->n_places);
        return r < 0 ? r : write_at(c->fd, STATE_TAIL, strlen(STATE_TAIL), f->end);
}

/* Is this copy still what is there? Whoever removed or replaced it is not to get it back, nor is what they put there to be put in force. */
static bool is_at(const Copy *c, const char *path) {
        struct stat ours, there;

        return c->fd >= 0 && fstat(c->fd, &ours) == 0 && lstat(path, &there) == 0 && ours.st_dev == there.st_dev &&
               ours.st_ino == there.st_ino;
}

/* Puts the copy that was written in force. The other is kept where the file system can do that. */
static int put_in_force(StateFile *f, unsigned which) {
        if (!is_at(&f->copies[which], f->temporary))
                return -ESTALE;
        if (is_at(&f->copies[f->in_force], f->path) && renameat2(AT_FDCWD, f->temporary, AT_FDCWD, f->path, RENAME_EXCHANGE) == 0) {
                f->in_force = which;
                return 0;
        }
        if (rename(f->temporary, f->path) < 0)
                return -errno;
        forget_copy(f, !which);
        f->in_force = which;
        return 0;
}

/* Without what is blank, where that is much. Both copies are other files then. */
static void lay_out_anew(StateFile *f) {
        size_t n = 0, blank = f->end - HEAD_BYTES - f->used;

        if (blank < BLANK_MAX || blank < f->end / 4)
                return;
        forget_copy(f, 0);
        forget_copy(f, 1);
        f->end = HEAD_BYTES;
        for (size_t i = 0; i < f->n_places; i++) {
                Place *p = &f->places[n];

                if (!f->places[i].owner)
                        continue;
                *p = f->places[i];
                p->offset = f->end;
                p->size = p->used;
                f->end += p->size;
                *p->owner = ++n;
        }
        f->n_places = n;
        f->n_free = 0;
}

int state_file_write(StateFile *f, const char *head) {
        unsigned which = !f->in_force;
        bool whole = false;
        int r = -EBADF;

        lay_out_anew(f);
        if (f->copies[which].fd >= 0)
                r = write_changes(f, which, head);
        if (r >= 0)
                r = put_in_force(f, which);
        if (r < 0) {
                whole = true;
                r = write_whole(f, which, head);
                if (r >= 0)
                        r = put_in_force(f, which);
        }
        if (r < 0) {
                forget_copy(f, which);
                (void) unlink(f->temporary);
                return r;
        }
        forget_stale(f, which);
        for (size_t i = 0; whole && i < f->n_places; i++)
                let_go(f, &f->places[i]);
        return 0;
}
