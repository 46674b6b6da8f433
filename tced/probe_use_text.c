/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names that people and programs gave: a mount point may be called anything. */

#include <ctype.h>

#include "probe_use_internal.h"
#include "util.h"

/* The length of a character that must not be shown: the controls, and what turns or hides the text around it. 0: it may. */
static size_t forbidden(const char *text) {
        static const char *const characters[] = {
                "\xd8\x9c" /* U+061C */, "\xe2\x80\x8b", "\xe2\x80\x8c", "\xe2\x80\x8d", "\xe2\x80\x8e", "\xe2\x80\x8f" /* to U+200F */,
                "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaa", "\xe2\x80\xab", "\xe2\x80\xac", "\xe2\x80\xad", "\xe2\x80\xae" /* to U+202E */,
                "\xe2\x81\xa6", "\xe2\x81\xa7", "\xe2\x81\xa8", "\xe2\x81\xa9" /* to U+2069 */, "\xef\xbb\xbf" /* U+FEFF */,
        };
        const unsigned char *c = (const unsigned char *) text;

        if (*c < ' ' || *c == 0x7f)
                return 1;
        if (*c == 0xc2 && c[1] < 0xa0)
                return 2;
        for (size_t i = 0; i < ELEMENTSOF(characters); i++)
                if (strncmp(text, characters[i], strlen(characters[i])) == 0)
                        return strlen(characters[i]);
        return 0;
}

static bool is_inside(char c) {
        return ((unsigned char) c & 0xc0) == 0x80;
}

/* Copies text, which is shortened as it is copied. */
static void shorten(const char *text, char *buf, size_t max) {
        size_t length = strlen(text), head = (max - 3) / 2, tail = length - (max - 3 - head);

        if (length <= max) {
                memcpy(buf, text, length + 1);
                return;
        }
        while (head > 0 && is_inside(text[head]))
                head--;
        while (is_inside(text[tail]))
                tail++;
        memcpy(buf, text, head);
        memcpy(buf + head, "...", 3);
        memcpy(buf + head + 3, text + tail, length - tail + 1);
}

const char *use_show(const char *text, char *buf, size_t max) {
        _cleanup_free_ char *copy = strdup(text);
        char *to = copy;

        if (!copy) {
                (void) snprintf(buf, max + 1, "?");
                return buf;
        }
        (void) utf8_mend(copy);
        for (const char *from = copy; *from;) {
                size_t n = forbidden(from);

                *to++ = n > 0 ? '?' : *from;
                from += n > 0 ? n : 1;
        }
        *to = '\0';
        shorten(copy, buf, max);
        return buf;
}

void use_command(char command[USE_TEXT_MAX], const char *text) {
        (void) snprintf(command, USE_TEXT_MAX, "%s", text);
}

bool use_append_word(char command[USE_TEXT_MAX], const char *word) {
        size_t length = strlen(command), n = strlen(word);
        char text[USE_TEXT_MAX + 1], quoted[USE_TEXT_MAX], *to = quoted;
        bool plain = true;

        if (n == 0 || n >= USE_TEXT_MAX || !streq(use_show(word, text, USE_TEXT_MAX), word))
                return false;
        for (const char *c = word; *c; c++)
                plain &= isalnum((unsigned char) *c) || strchr("/._-+=:,@%", *c);
        if (!plain) {
                *to++ = '\'';
                for (const char *c = word; *c; c++) {
                        if (to - quoted > USE_TEXT_MAX - 7)
                                return false;
                        if (*c == '\'')
                                to = stpcpy(to, "'\\''");
                        else
                                *to++ = *c;
                }
                *to++ = '\'';
                *to = '\0';
        }
        n = strlen(plain ? word : quoted);
        if (length + 1 + n >= USE_TEXT_MAX)
                return false;
        command[length] = ' ';
        memcpy(command + length + 1, plain ? word : quoted, n + 1);
        return true;
}

const char *use_more(char buf[32], size_t n) {
        (void) snprintf(buf, 32, " and %zu more", n);
        return buf;
}
