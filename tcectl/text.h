/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Text on a terminal: how wide it is, cut to fit, wrapped. All of it comes from devices' and machines' names and from the daemon, and
 * what is in there must not steer the terminal: what is no printable character is shown as an escape, here, at the one
 * place that prints. Widths are columns. No function allocates. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* What colours say, everywhere: green is as it should be, yellow wants a look, red does not work; dim is what explains. */
typedef enum Colour {
        COLOUR_NONE,
        COLOUR_BOLD,
        COLOUR_DIM,
        COLOUR_GREEN,
        COLOUR_YELLOW,
        COLOUR_RED,
        _COLOUR_MAX,
} Colour;

/* Where a screen goes, and how. */
typedef struct Output {
        FILE *f;
        unsigned width; /* of a line, at most */
        bool colour;
        bool legend;  /* headers and sums */
        bool verbose; /* machines: their tables too */
} Output;

/* The narrowest width that screens are laid out for; less is taken as this. */
#define OUTPUT_WIDTH_MIN 24U

/* For standard output: the terminal's width, else $COLUMNS, else 80; colours as $SYSTEMD_COLORS says, else on a terminal alone, unless NO_COLOR
 * or TERM=dumb. */
Output output_standard(void);

/* The lines of the terminal that standard output is, $LINES or 24 where it does not tell; 0: it is none, or one that is dumb. */
unsigned terminal_height(void);

/* The width of the terminal that standard error is; 0: it is none, or one that is dumb. */
unsigned terminal_error_width(void);

/* One character as it is printed, safely, and how many bytes of the source it stands for. */
typedef struct Glyph {
        char bytes[16];
        unsigned width;
        size_t consumed; /* bytes of the source; 0: the end */
} Glyph;

/* The first character of s. Never consumes more than is there, and never nothing but at the end. */
Glyph glyph_at(const char *s);

/* How many columns text_put() needs to print all of it. */
unsigned text_width(const char *s);

/* Prints s, cut to so many columns with … at the end where it has more. Returns the columns that were used. */
unsigned text_put(FILE *f, const char *s, unsigned columns);
/* The same, cut in its middle: names of many things often differ at their ends. */
unsigned text_put_name(FILE *f, const char *s, unsigned columns);

/* Prints s word by word from column `indent` on and ends the line; no line is longer than width. The cursor stands at column
 * `at`: what stands there already is followed by blanks up to `indent`, or if it goes farther by one. A word that fits on no line
 * is broken. */
void text_wrap(FILE *f, const char *s, unsigned at, unsigned indent, unsigned width);

/* How many lines of a terminal a text takes that was printed as here: colours take no room, lines that are too long several. */
size_t text_rows(const char *text, unsigned width);

/* So many blanks. */
void text_pad(FILE *f, unsigned columns);

/* Switches the colour on where out has colours; COLOUR_NONE switches all off. */
void output_colour(const Output *out, Colour colour);
