/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What text.h declares. All goes by glyphs: glyph_at() is the one place that decides what a character looks like on a terminal, and
 * every other function here is made of it, so that a width that was measured is the width that gets printed.
 *
 * The daemon's texts are UTF-8. setlocale() decides what of it can be printed: in a locale without UTF-8 the rest shows as "?". Bytes
 * that are no UTF-8 can't come over D-Bus, and are shown as escapes all the same. */

#include "text.h"

#include <stdint.h>
#include <sys/ioctl.h>
#include <wchar.h>
#include <wctype.h>

#include "util.h"

#define WIDTH_DEFAULT 80U
#define WIDTH_MAX 4096U
#define HEIGHT_DEFAULT 24U
#define HEIGHT_MAX 4096U
/* An indent that leaves less than this to the text is given up. */
#define ROOM_MIN 8U

/* A terminal of width 0 is a serial console that was not told its size. */
static unsigned terminal_width(void) {
        struct winsize size;
        const char *columns = getenv("COLUMNS");
        uint64_t width;

        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) >= 0 && size.ws_col > 0)
                return size.ws_col;
        if (columns && parse_u64(columns, WIDTH_MAX, &width) >= 0 && width > 0)
                return (unsigned) width;
        return WIDTH_DEFAULT;
}

/* One without a name is taken as dumb, too. */
static bool is_dumb(void) {
        const char *term = getenv("TERM");

        return isempty(term) || streq(term, "dumb");
}

/* systemd's variable goes before all, also without a terminal. https://no-color.org: set, and not to nothing. */
static bool terminal_colour(void) {
        static const char *const words[] = { "0", "no", "false", "off", "1", "yes", "true", "on", "16", "256", "24bit" };
        const char *colours = getenv("SYSTEMD_COLORS");

        for (size_t i = 0; colours && i < ELEMENTSOF(words); i++)
                if (streq(colours, words[i]))
                        return i >= 4;
        return isatty(STDOUT_FILENO) && isempty(getenv("NO_COLOR")) && !is_dumb();
}

unsigned terminal_height(void) {
        const char *lines = getenv("LINES");
        struct winsize size;
        uint64_t height;

        if (!isatty(STDOUT_FILENO) || is_dumb())
                return 0;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) >= 0 && size.ws_row > 0)
                return size.ws_row;
        if (lines && parse_u64(lines, HEIGHT_MAX, &height) >= 0 && height > 0)
                return (unsigned) height;
        return HEIGHT_DEFAULT;
}

unsigned terminal_error_width(void) {
        struct winsize size;

        if (!isatty(STDERR_FILENO) || is_dumb())
                return 0;
        return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) >= 0 && size.ws_col > 0 ? size.ws_col : WIDTH_DEFAULT;
}

Output output_standard(void) {
        unsigned width = terminal_width();

        return (Output){
                .f = stdout,
                .width = width < OUTPUT_WIDTH_MIN ? OUTPUT_WIDTH_MIN : width,
                .colour = terminal_colour(),
                .legend = true,
        };
}

/* Characters that print nothing, yet turn the direction of what follows (Unicode's bidirectional controls): a name with one
 * could show as another. */
static bool is_bidi_control(wchar_t c) {
        return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* "\\x1b", "\\u202e": what stands for a character that is not printed. */
static Glyph glyph_escape(char letter, int digits, unsigned value, size_t consumed) {
        Glyph g = { .consumed = consumed };

        (void) snprintf(g.bytes, sizeof(g.bytes), "\\%c%0*x", letter, digits, value);
        g.width = (unsigned) strlen(g.bytes);
        return g;
}

static Glyph glyph_ascii(char c, size_t consumed) {
        return (Glyph){ .bytes = { c }, .width = 1, .consumed = consumed };
}

/* mbrtowc() alone would do but for the locales that know no UTF-8, where one character should be one "?", and not one for each byte.
 *
 * How long a sequence of UTF-8 that starts here is, as far as its bytes look like one; 1 for what can't be one. */
static size_t utf8_length(const unsigned char *s) {
        size_t want = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 1, n = 1;

        while (n < want && (s[n] & 0xc0) == 0x80)
                n++;
        return n == want ? n : 1;
}

Glyph glyph_at(const char *s) {
        unsigned char first = (unsigned char) s[0];
        size_t length = utf8_length((const unsigned char *) s);
        mbstate_t state = {};
        wchar_t c = 0;
        int width;

        if (first == '\0')
                return (Glyph){};
        if (first == '\n' || first == '\t')
                return glyph_ascii(' ', 1);
        if (first < 0x20 || first == 0x7f)
                return glyph_escape('x', 2, first, 1);
        if (mbrtowc(&c, s, length, &state) != length) {
                if (length > 1)
                        return glyph_ascii('?', length);
                return glyph_escape('x', 2, first, 1);
        }
        width = wcwidth(c);
        if (width < 0 || is_bidi_control(c))
                return glyph_escape('u', 4, (unsigned) c, length);
        Glyph g = { .width = (unsigned) width, .consumed = length };
        memcpy(g.bytes, s, length);
        return g;
}

/* Combining characters have width 0, wide ones (CJK) 2; escapes as many columns as they have letters. */
unsigned text_width(const char *s) {
        unsigned width = 0;

        for (Glyph g = glyph_at(s); g.consumed > 0; s += g.consumed, g = glyph_at(s))
                width += g.width;
        return width;
}

/* Prints glyphs as long as they fit; what is left, and in *used the columns. */
static const char *put_fitting(FILE *f, const char *s, unsigned columns, unsigned *used) {
        *used = 0;
        for (Glyph g = glyph_at(s); g.consumed > 0; s += g.consumed, g = glyph_at(s)) {
                if (*used + g.width > columns)
                        break;
                (void) fputs(g.bytes, f);
                *used += g.width;
        }
        return s;
}

/* The end of s that takes no more than so many columns. */
static const char *tail_of(const char *s, unsigned columns) {
        for (unsigned width = text_width(s); width > columns;) {
                Glyph g = glyph_at(s);

                width -= g.width;
                s += g.consumed;
        }
        return s;
}

/* Where s has more than so many columns, `tail` of them are its end's. May end some columns early, where a wide character or an escape
 * would be cut in two. */
static unsigned put_cut(FILE *f, const char *s, unsigned columns, unsigned tail) {
        Glyph ellipsis = glyph_at("…");
        unsigned used, more = 0;

        if (streq(ellipsis.bytes, "?"))
                ellipsis.bytes[0] = '+'; /* as top(1) does it where there is no ellipsis */

        if (text_width(s) <= columns) {
                (void) put_fitting(f, s, columns, &used);
                return used;
        }
        if (columns < ellipsis.width + tail)
                return 0;
        (void) put_fitting(f, s, columns - ellipsis.width - tail, &used);
        (void) fputs(ellipsis.bytes, f);
        (void) put_fitting(f, tail_of(s, tail), tail, &more);
        return used + ellipsis.width + more;
}

unsigned text_put(FILE *f, const char *s, unsigned columns) {
        return put_cut(f, s, columns, 0);
}

unsigned text_put_name(FILE *f, const char *s, unsigned columns) {
        return put_cut(f, s, columns, columns / 2);
}

size_t text_rows(const char *text, unsigned width) {
        unsigned at = 0;
        size_t rows = 0;

        while (*text) {
                if (text[0] == '\033' && text[1] == '[') {
                        text += strcspn(text, "m");
                        text += *text != '\0';
                        continue;
                }
                if (*text == '\n') {
                        rows++;
                        at = 0;
                        text++;
                        continue;
                }
                Glyph g = glyph_at(text);
                if (at + g.width > width) {
                        rows++;
                        at = 0;
                }
                at += g.width;
                text += g.consumed;
        }
        return rows + (at > 0);
}

void text_pad(FILE *f, unsigned columns) {
        (void) fprintf(f, "%*s", (int) columns, "");
}

static bool is_blank(char c) {
        return c == ' ' || c == '\n' || c == '\t';
}

/* The bytes of the word at s, and its width. */
static size_t word_length(const char *s, unsigned *ret_width) {
        size_t n = 0;

        *ret_width = 0;
        while (s[n] && !is_blank(s[n])) {
                Glyph g = glyph_at(s + n);
                *ret_width += g.width;
                n += g.consumed;
        }
        return n;
}

/* Returns the column that the cursor is at. */
static unsigned new_line(FILE *f, unsigned indent) {
        (void) fputc('\n', f);
        text_pad(f, indent);
        return indent;
}

/* Prints the word from s to end, broken where the line ends. Returns the column behind it. */
static unsigned put_word(FILE *f, const char *s, const char *end, unsigned at, unsigned indent, unsigned width) {
        while (s < end) {
                Glyph g = glyph_at(s);
                if (at + g.width > width)
                        at = new_line(f, indent);
                (void) fputs(g.bytes, f);
                at += g.width;
                s += g.consumed;
        }
        return at;
}

void text_wrap(FILE *f, const char *s, unsigned at, unsigned indent, unsigned width) {
        unsigned blanks, columns;

        if (indent + ROOM_MIN > width)
                indent = 0;
        /* Blanks are printed only once a word follows them: no line ends with one. */
        blanks = at < indent ? indent - at : at > indent;
        for (;;) {
                s += strspn(s, " \n\t");
                size_t n = word_length(s, &columns);
                if (n == 0)
                        break;
                if (at + blanks + columns > width && at + blanks > indent)
                        at = new_line(f, indent);
                else {
                        text_pad(f, blanks);
                        at += blanks;
                }
                at = put_word(f, s, s + n, at, indent, width);
                s += n;
                blanks = 1;
        }
        (void) fputc('\n', f);
}

/* The plain codes of ECMA-48, which every terminal has that has colours; the eight colours are the user's own theme's. */
void output_colour(const Output *out, Colour colour) {
        static const char *const codes[_COLOUR_MAX] = {
                [COLOUR_NONE] = "\033[0m",    [COLOUR_BOLD] = "\033[1m",    [COLOUR_DIM] = "\033[2m",
                [COLOUR_GREEN] = "\033[32m", [COLOUR_YELLOW] = "\033[33m", [COLOUR_RED] = "\033[1;31m",
        };

        if (out->colour)
                (void) fputs(codes[colour], out->f);
}
