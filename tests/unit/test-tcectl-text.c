/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tcectl/text.c, table-print.c: widths, what is not printed, cutting, wrapping, tables at each width. */

#include <locale.h>

#include "table-print.h"
#include "tap.h"
#include "text.h"
#include "util.h"

/* What is printed to f between OPEN and SHUT, as a text. */
typedef struct Capture {
        char *text;
        size_t size;
        FILE *f;
} Capture;

static void capture_open(Capture *c) {
        *c = (Capture){};
        c->f = open_memstream(&c->text, &c->size);
        if (!c->f)
                abort();
}

static const char *capture_shut(Capture *c) {
        (void) fclose(c->f);
        return c->text;
}

static void test_glyphs(void) {
        static const struct {
                const char *name, *text, *shown;
                unsigned width;
                size_t consumed;
        } cases[] = {
                { "a letter", "a", "a", 1, 1 },
                { "the end", "", "", 0, 0 },
                { "a newline is a blank", "\n", " ", 1, 1 },
                { "a tab is a blank", "\t", " ", 1, 1 },
                { "escape", "\033[31m", "\\x1b", 4, 1 },
                { "carriage return", "\r", "\\x0d", 4, 1 },
                { "delete", "\177", "\\x7f", 4, 1 },
                { "a C1 control in UTF-8", "\302\233", "\\u009b", 6, 2 },
                { "a C1 control as a byte", "\233", "\\x9b", 4, 1 },
                { "an umlaut", "\303\274", "\303\274", 1, 2 },
                { "a wide character", "\347\275\221", "\347\275\221", 2, 3 },
                { "a combining accent", "\314\201", "\314\201", 0, 2 },
                { "right-to-left override", "\342\200\256", "\\u202e", 6, 3 },
                { "a sequence that breaks off", "\342\200", "\\xe2", 4, 1 },
                { "a sequence that another letter breaks", "\303x", "\\xc3", 4, 1 },
                { "a slash in two bytes", "\300\257", "\\xc0", 4, 1 },
                { "a surrogate", "\355\240\200", "?", 1, 3 },
                { "beyond Unicode", "\364\220\200\200", "\\u110000", 8, 4 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Glyph g = glyph_at(cases[i].text);
                bool same = streq(g.bytes, cases[i].shown) && g.width == cases[i].width && g.consumed == cases[i].consumed;
                if (!tap_ok(same, "%s", cases[i].name))
                        printf("#   have '%s', width %u, %zu bytes\n", g.bytes, g.width, g.consumed);
        }
        tap_eq(text_width("a\033\347\275\221"), 7, "the width of a text");
}

static void test_ascii_locale(void) {
        Capture c;

        (void) setlocale(LC_ALL, "C");
        tap_streq(glyph_at("\303\274").bytes, "?", "without UTF-8: one ? for a character");
        tap_eq(glyph_at("\303\274").consumed, 2, "without UTF-8: of two bytes");
        capture_open(&c);
        tap_eq(text_put(c.f, "abcdef", 4), 4, "without UTF-8: cut");
        tap_streq(capture_shut(&c), "abc+", "without UTF-8: + instead of an ellipsis");
        free(c.text);
        (void) setlocale(LC_ALL, "C.UTF-8");
}

static void test_cut(void) {
        static const struct {
                const char *text;
                unsigned columns;
                const char *shown;
        } cases[] = {
                { "abc", 3, "abc" },
                { "abcd", 3, "ab…" },
                { "abcd", 1, "…" },
                { "abcd", 0, "" },
                { "", 0, "" },
                { "\347\275\221\347\275\221", 3, "\347\275\221…" },
                { "\347\275\221\347\275\221\347\275\221", 4, "\347\275\221…" }, /* half a character is not shown */
                { "\033ab", 5, "\\x1b…" },
                { "\033ab", 4, "…" }, /* nor half an escape */
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Capture c;
                capture_open(&c);
                unsigned used = text_put(c.f, cases[i].text, cases[i].columns);
                tap_streq(capture_shut(&c), cases[i].shown, "'%s' in %u columns", cases[i].shown, cases[i].columns);
                tap_eq(used, text_width(cases[i].shown[0] == '\\' ? "\033a" : cases[i].shown), "and its width");
                free(c.text);
        }
}

/* What tells names apart is often their end. */
static void test_cut_name(void) {
        static const struct {
                const char *text;
                unsigned columns;
                const char *shown;
        } cases[] = {
                { "ua-network-1", 12, "ua-network-1" },
                { "ua-network-1", 9, "ua-n…rk-1" },
                { "ua-network-2", 8, "ua-…rk-2" },
                { "ua-network-2", 2, "…2" },
                { "ua-network-2", 1, "…" },
                { "ua-network-2", 0, "" },
                { "\347\275\221\347\275\221\347\275\221", 5, "\347\275\221…\347\275\221" },
                { "\347\275\221\347\275\221\347\275\221", 4, "…\347\275\221" }, /* half a character is not shown */
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Capture c;
                unsigned used;

                capture_open(&c);
                used = text_put_name(c.f, cases[i].text, cases[i].columns);
                tap_streq(capture_shut(&c), cases[i].shown, "the name '%s' in %u columns", cases[i].shown, cases[i].columns);
                tap_eq(used, text_width(cases[i].shown), "and its width");
                free(c.text);
        }
}

static void test_wrap(void) {
        static const struct {
                const char *name, *text;
                unsigned at, indent, width;
                const char *shown;
        } cases[] = {
                { "fits", "one two", 0, 0, 20, "one two\n" },
                { "nothing", "", 0, 0, 20, "\n" },
                { "blanks alone", " \n\t ", 0, 0, 20, "\n" },
                { "to the last column", "12345 7890", 0, 0, 10, "12345 7890\n" },
                { "one too many", "12345 78901", 0, 0, 10, "12345\n78901\n" },
                { "blanks are one", "  a \n\t b  ", 0, 0, 20, "a b\n" },
                { "hanging indent", "aaaa bbbb cccc", 6, 2, 12, " aaaa\n  bbbb cccc\n" },
                { "starts on a new line where it must", "aaaaaaaa", 6, 2, 12, "\n  aaaaaaaa\n" },
                { "a word that is too long", "aaaaaaaaaaaaaaa", 0, 2, 12, "  aaaaaaaaaa\n  aaaaa\n" },
                { "behind a label", "aa bb", 3, 6, 20, "   aa bb\n" },
                { "nothing behind a label", "", 3, 6, 20, "\n" },
                { "behind a label that is too long", "aa bb", 7, 6, 20, " aa bb\n" },
                { "at the indent", "aa bb", 6, 6, 20, "aa bb\n" },
                { "an indent that leaves no room", "aa bb cc", 0, 9, 12, "aa bb cc\n" },
                { "no escapes", "a\033b c", 0, 0, 20, "a\\x1bb c\n" },
                { "wide ones", "\347\275\221\347\275\221 \347\275\221", 0, 0, 6, "\347\275\221\347\275\221\n\347\275\221\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Capture c;
                capture_open(&c);
                text_wrap(c.f, cases[i].text, cases[i].at, cases[i].indent, cases[i].width);
                tap_streq(capture_shut(&c), cases[i].shown, "wrap: %s", cases[i].name);
                free(c.text);
        }
}

static const Column columns[] = {
        { .header = "NAME", .min = 4 },
        { .header = "N", .right = true },
        { .header = "WHY", .wrap = true },
};

static Table *make_table(void) {
        Table *t = table_new(columns, ELEMENTSOF(columns), 0);

        table_cell(t, COLOUR_GREEN, "a name of some length");
        table_cellf(t, COLOUR_NONE, "%d", 12345);
        table_cell(t, COLOUR_NONE, "for a reason that takes a line");
        table_cell(t, COLOUR_NONE, NULL);
        table_cell(t, COLOUR_NONE, "7");
        table_cell(t, COLOUR_NONE, "");
        table_note(t, COLOUR_NONE, "and a note");
        table_note(t, COLOUR_NONE, "");
        return t;
}

static void test_table(void) {
        static const struct {
                const char *name;
                unsigned width;
                bool legend, colour;
                const char *shown;
        } cases[] = {
                { "wide", 80, true, false,
                  "NAME                       N  WHY\n"
                  "a name of some length  12345  for a reason that takes a line\n"
                  "-                          7\n"
                  "    and a note\n" },
                { "no legend", 80, false, false,
                  "a name of some length  12345  for a reason that takes a line\n"
                  "-                          7\n"
                  "    and a note\n" },
                { "the last column wraps", 56, true, false,
                  "NAME                       N  WHY\n"
                  "a name of some length  12345  for a reason that takes a\n"
                  "                              line\n"
                  "-                          7\n"
                  "    and a note\n" },
                { "the last column goes below", 30, true, false,
                  "NAME                       N\n"
                  "a name of some length  12345\n"
                  "    for a reason that takes a\n"
                  "    line\n"
                  "-                          7\n"
                  "    and a note\n" },
                { "the first is cut", 20, true, false,
                  "NAME               N\n"
                  "a name of so…  12345\n"
                  "    for a reason\n"
                  "    that takes a\n"
                  "    line\n"
                  "-                  7\n"
                  "    and a note\n" },
                { "colours", 80, false, true,
                  "\033[32ma name of some length\033[0m  12345  for a reason that takes a line\n"
                  "-                          7\n"
                  "    and a note\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(table_freep) Table *t = make_table();
                Capture c;

                capture_open(&c);
                Output out = { .f = c.f, .width = cases[i].width, .legend = cases[i].legend, .colour = cases[i].colour };
                tap_eq(table_print(t, &out), 0, "table, %s: printed", cases[i].name);
                if (!tap_ok(streq(capture_shut(&c), cases[i].shown), "table, %s", cases[i].name))
                        printf("# have\n%s# want\n%s", c.text, cases[i].shown);
                free(c.text);
        }
}

/* Fixed columns that take more than the line: a list of cells. */
static void test_table_list(void) {
        static const Column fixed[] = { { .header = "LIOBN" }, { .header = "PLACEMENT" }, { .header = "STATE" } };
        _cleanup_(table_freep) Table *t = table_new(fixed, ELEMENTSOF(fixed), 2);
        Capture c;

        table_cell(t, COLOUR_BOLD, "80000000");
        table_cell(t, COLOUR_NONE, "kernel-vfio");
        table_cell(t, COLOUR_NONE, NULL);
        table_note(t, COLOUR_DIM, "a note that is long enough");
        capture_open(&c);
        Output out = { .f = c.f, .width = 24, .legend = true };
        tap_eq(table_print(t, &out), 0, "table as a list: printed");
        tap_streq(capture_shut(&c),
                  "  80000000\n"
                  "      PLACEMENT\n"
                  "        kernel-vfio\n"
                  "      a note that is\n"
                  "      long enough\n",
                  "table as a list");
        free(c.text);
}

static void test_table_failures(void) {
        Output out = { .f = stdout, .width = 80 };

        table_cell(NULL, COLOUR_NONE, "x");
        table_cellf(NULL, COLOUR_NONE, "%s", "x");
        table_note(NULL, COLOUR_NONE, "x");
        tap_eq(table_print(NULL, &out), -ENOMEM, "a table that could not be made");
        table_free(NULL);
}

/* Numbers that look random, and are the same each time. */
static unsigned next_random(unsigned below) {
        static unsigned state = 12345;

        state = state * 1103515245U + 12345U;
        return (state >> 16) % below;
}

/* A text of words, blanks, wide and broken characters, at most 60 pieces. */
static void random_text(char *buf, size_t size) {
        static const char *const pieces[] = { "a",  "word", "long-and-longer-still", " ", "\n", "\033[2J", "\347\275\221", "\303",
                                              "\314\201", "\302\205", "\t", "\377",  " and ", "" };
        size_t n = 0;

        buf[0] = '\0';
        for (unsigned i = next_random(60); i > 0; i--)
                n += (size_t) snprintf(buf + n, size - n, "%s", pieces[next_random(ELEMENTSOF(pieces))]);
}

/* The widest line, and are there only characters in it that print? */
static unsigned widest(const char *text, bool *printable) {
        unsigned width = 0;

        while (*text) {
                size_t n = strcspn(text, "\n");
                char line[4096];

                (void) snprintf(line, sizeof(line), "%.*s", (int) n, text);
                for (const char *p = line; *p; p++)
                        *printable &= (unsigned char) *p >= 0x20 && *p != 0x7f;
                if (text_width(line) > width)
                        width = text_width(line);
                text += n + (text[n] == '\n');
        }
        return width;
}

/* Whatever the text: no wider than it was asked for, nothing lost but blanks. */
static void test_random_texts(void) {
        bool fits = true, whole = true, printable = true;

        for (unsigned i = 0; i < 5000; i++) {
                char text[2048];
                unsigned width = 12 + next_random(100), indent = next_random(20), at = next_random(width);
                size_t glyphs = 0, printed = 0;
                Capture c;

                random_text(text, sizeof(text));
                capture_open(&c);
                text_wrap(c.f, text, at, indent, width);
                (void) capture_shut(&c);
                fits &= widest(c.text, &printable) <= width;
                for (const char *p = text; *p; p += glyph_at(p).consumed)
                        if (!streq(glyph_at(p).bytes, " "))
                                glyphs += strlen(glyph_at(p).bytes);
                for (const char *p = c.text; *p; p++)
                        printed += *p != ' ' && *p != '\n';
                whole &= glyphs == printed;
                free(c.text);

                capture_open(&c);
                unsigned used = text_put(c.f, text, width);
                (void) capture_shut(&c);
                fits &= used <= width && used == text_width(c.text);
                (void) widest(c.text, &printable);
                free(c.text);
        }
        tap_ok(fits, "5000 random texts: none is too wide");
        tap_ok(whole, "5000 random texts: wrapping loses nothing");
        tap_ok(printable, "5000 random texts: nothing unprintable");
}

/* Tables of random cells, at widths from the least on. */
static void test_random_tables(void) {
        static const Column mixed[] = {
                { .header = "FIXED" }, { .header = "CUT", .min = 4 }, { .header = "NUMBER", .right = true }, { .header = "WHY", .wrap = true },
        };
        bool fits = true, printable = true;

        for (unsigned i = 0; i < 500; i++) {
                _cleanup_(table_freep) Table *t = table_new(mixed, ELEMENTSOF(mixed), next_random(3));
                unsigned width = OUTPUT_WIDTH_MIN + next_random(120);
                char text[2048];
                Capture c;

                for (unsigned row = next_random(5); row > 0; row--) {
                        for (size_t column = 0; column < ELEMENTSOF(mixed); column++) {
                                random_text(text, sizeof(text));
                                table_cell(t, COLOUR_NONE, text);
                        }
                        random_text(text, sizeof(text));
                        table_note(t, COLOUR_NONE, text);
                }
                capture_open(&c);
                Output out = { .f = c.f, .width = width, .legend = i % 2 };
                fits &= table_print(t, &out) == 0;
                (void) capture_shut(&c);
                fits &= widest(c.text, &printable) <= width;
                free(c.text);
        }
        tap_ok(fits, "500 random tables: none is too wide");
        tap_ok(printable, "500 random tables: nothing unprintable");
}

static void test_output(void) {
        (void) setenv("COLUMNS", "132", 1);
        (void) setenv("TERM", "xterm", 1);
        if (isatty(STDOUT_FILENO))
                tap_skip("standard output is a terminal", "width from COLUMNS");
        else {
                tap_eq(output_standard().width, 132, "no terminal: the width is that of COLUMNS");
                tap_ok(!output_standard().colour, "no terminal: no colours");
                (void) setenv("COLUMNS", "7", 1);
                tap_eq(output_standard().width, OUTPUT_WIDTH_MIN, "no narrower than the least");
                (void) setenv("COLUMNS", "wide", 1);
                tap_eq(output_standard().width, 80, "COLUMNS that is no number: 80");
                (void) unsetenv("COLUMNS");
                tap_eq(output_standard().width, 80, "no COLUMNS: 80");
        }
}

int main(void) {
        if (!setlocale(LC_ALL, "C.UTF-8")) {
                tap_ok(false, "the locale C.UTF-8");
                return tap_done();
        }
        test_glyphs();
        test_ascii_locale();
        test_cut();
        test_cut_name();
        test_wrap();
        test_table();
        test_table_list();
        test_table_failures();
        test_random_texts();
        test_random_tables();
        test_output();
        return tap_done();
}
