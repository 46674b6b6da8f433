/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libinih splits lines into names and values; which lines it gets to see is settled here, in the function that it calls for
 * the next one. It hands no line numbers to its handler, cuts overlong lines into two, takes an indented line for a value
 * of the key above, goes on in the section before when a header has no "]", and of all lines that it can't read it names just
 * the first. So headers, comments, and lines that would do any of this are kept from it: in their place it gets empty ones.
 * As it calls the handler before it asks for the next line, the line last given is the one that the handler is called
 * for. */

#include "ini_reader.h"

#include <ctype.h>
#include <ini.h>
#include <stdarg.h>

#include "util.h"

typedef struct IniReader {
        FILE *f;
        const IniSink *sink;
        unsigned line;
        bool in_section; /* a header was seen */
        bool passing;    /* the section is one to pass over */
        bool waiting;    /* libinih has a line and did not call the handler for it yet */
} IniReader;

static _printf_(2, 3) void bad_line(const IniReader *r, const char *format, ...) {
        char text[INI_LINE_MAX + 128];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        r->sink->bad(r->line, text, r->sink->userdata);
}

/* Reads a line, of which buf gets as much as fits, without its newline; *ret_length is the whole line's. False at the end of
 * the file. What is too long is read over, not kept: a line may be as long as the file. */
static bool read_line(FILE *f, char *buf, size_t size, size_t *ret_length) {
        size_t n = 0;
        int c = getc(f);

        if (c == EOF)
                return false;
        for (; c != EOF && c != '\n'; c = getc(f), n++)
                if (n < size - 1)
                        buf[n] = (char) c;
        buf[n < size ? n : size - 1] = '\0';
        *ret_length = n;
        return true;
}

/* Blanks at both ends, and the byte order mark that some editors put at the start of a file. */
static char *strip(char *text, bool first_line) {
        size_t n;

        if (first_line && strncmp(text, "\xef\xbb\xbf", 3) == 0)
                text += 3;
        while (isspace((unsigned char) *text))
                text++;
        n = strlen(text);
        while (n > 0 && isspace((unsigned char) text[n - 1]))
                n--;
        text[n] = '\0';
        return text;
}

/* A header that can't be read still ends the section before it. */
static void begin_nameless_section(IniReader *r) {
        r->in_section = true;
        r->passing = true;
        (void) r->sink->section(r->line, NULL, r->sink->userdata);
}

static void read_header(IniReader *r, char *text) {
        char *end = strchr(text, ']'), *rest;

        if (!end) {
                begin_nameless_section(r);
                bad_line(r, "the section header %s has no ']'; all lines up to the next header are ignored", text);
                return;
        }
        rest = end + 1 + strspn(end + 1, " \t");
        if (*rest && *rest != ';' && *rest != '#') {
                begin_nameless_section(r);
                bad_line(r, "there is text behind the section header %s; put it on a line of its own: all lines up to the next "
                         "header are ignored", text);
                return;
        }
        *end = '\0';
        r->in_section = true;
        r->passing = !r->sink->section(r->line, text + 1, r->sink->userdata);
}

/* Is this line one for libinih? What is not, is dealt with here. */
static bool line_is_for_inih(IniReader *r, char *text, size_t length, size_t shown) {
        if (!*text && length == 0)
                return false;
        if (*text == '#' || *text == ';')
                return false;
        if (length > INI_LINE_MAX) {
                if (*text == '[')
                        begin_nameless_section(r);
                bad_line(r, "the line has %zu bytes, %d is the most; it is ignored", length, INI_LINE_MAX);
                return false;
        }
        if (shown < length) {
                bad_line(r, "the line has a zero byte in it; it is ignored");
                return false;
        }
        if (!*text)
                return false;
        if (*text == '[') {
                read_header(r, text);
                return false;
        }
        if (!r->in_section)
                bad_line(r, "'%s' comes before any section; put it below its [Section] header", text);
        return r->in_section && !r->passing;
}

/* libinih came back without having called the handler for the line that it had. */
static void settle_line(IniReader *r) {
        if (r->waiting)
                bad_line(r, "the line is no KEY=VALUE; begin it with '#' if it is a comment");
        r->waiting = false;
}

/* ini_reader: what libinih calls for each line; buf has room for size bytes. */
static char *next_line(char *buf, int size, void *userdata) {
        IniReader *r = userdata;
        char line[INI_LINE_MAX + 2], *text;
        size_t length, shown;

        settle_line(r);
        if (!read_line(r->f, line, sizeof(line), &length))
                return NULL;
        r->line++;
        shown = strlen(line);
        text = strip(line, r->line == 1);
        r->waiting = line_is_for_inih(r, text, length, shown);
        if (r->waiting && strlen(text) >= (size_t) size) {
                bad_line(r, "the line is longer than libinih takes (%d bytes); it is ignored", size - 1);
                r->waiting = false;
        }
        (void) snprintf(buf, (size_t) size, "%s", r->waiting ? text : "");
        return buf;
}

/* ini_handler: zero would be an error. */
static int take_key(void *userdata, const char *section, const char *name, const char *value) {
        IniReader *r = userdata;

        r->waiting = false;
        r->sink->key(r->line, name, value ? value : "", r->sink->userdata);
        return 1;
}

int ini_reader_run(FILE *f, const IniSink *sink) {
        IniReader r = { .f = f, .sink = sink };
        int result = ini_parse_stream(next_line, &r, take_key, &r);

        if (result < 0)
                return -ENOMEM;
        settle_line(&r);
        return ferror(f) ? -EIO : 0;
}
