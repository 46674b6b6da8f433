/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What table-print.h declares. Cells are kept as they came; text.c makes them safe and cuts them when they are printed.
 *
 * A table is laid out in this order, until it fits: each column as wide as its widest cell; the last column wraps in what is left, if
 * that is enough to read; it goes below its row; columns that may shrink do, the widest first; each row becomes a list. So at any
 * width every value is there, and only names are ever cut. */

#include "table-print.h"

#include <stdarg.h>

#define GAP 2U            /* blanks between columns */
#define NOTE_INDENT 4U    /* of notes below a wide first column, and of the cells of a row that became a list */
#define NOTE_INDENT_MAX 10U
#define WRAP_COLUMN_MIN 24U /* a narrower column of text is harder to read than a line below */

typedef struct Cell {
        char *text; /* NULL: nothing */
        Colour colour;
        bool note;
} Cell;

struct Table {
        const Column *columns;
        size_t n_columns;
        unsigned indent;
        Cell *cells; /* row by row; a row's notes follow it */
        size_t n_cells, allocated;
        int error;
};

/* How a table is laid out on a line of some width. */
typedef struct Layout {
        unsigned *widths;
        size_t shown;   /* columns that stand side by side */
        bool list;      /* not even that: one cell a line */
        unsigned below; /* where texts below a row start */
} Layout;

Table *table_new(const Column *columns, size_t n_columns, unsigned indent) {
        Table *t = calloc(1, sizeof(*t));

        if (t)
                *t = (Table){ .columns = columns, .n_columns = n_columns, .indent = indent };
        return t;
}

void table_free(Table *t) {
        if (!t)
                return;
        for (size_t i = 0; i < t->n_cells; i++)
                free(t->cells[i].text);
        free(t->cells);
        free(t);
}

/* Takes text over. A cell behind an error is not kept: rows must stay whole. */
static void add_consume(Table *t, Colour colour, bool note, char *text) {
        int r;

        if (!t || t->error < 0) {
                free(text);
                return;
        }
        r = ARRAY_RESERVE(t->cells, t->allocated, t->n_cells + 1);
        if (r < 0) {
                t->error = r;
                free(text);
                return;
        }
        t->cells[t->n_cells++] = (Cell){ .text = text, .colour = colour, .note = note };
}

/* Copies text; memory that runs out is remembered for table_print(), so that callers need not look at each cell. */
static void add(Table *t, Colour colour, bool note, const char *text) {
        char *copy = isempty(text) ? NULL : strdup(text);

        if (t && !copy && !isempty(text))
                t->error = -ENOMEM;
        add_consume(t, colour, note, copy);
}

void table_cell(Table *t, Colour colour, const char *text) {
        add(t, colour, false, text);
}

void table_note(Table *t, Colour colour, const char *text) {
        if (!isempty(text))
                add(t, colour, true, text);
}

static void add_formatted(Table *t, Colour colour, bool note, const char *format, va_list ap) _printf_(4, 0);
static void add_formatted(Table *t, Colour colour, bool note, const char *format, va_list ap) {
        char *text;

        if (vasprintf(&text, format, ap) >= 0)
                add_consume(t, colour, note, text);
        else if (t)
                t->error = -ENOMEM;
}

void table_cellf(Table *t, Colour colour, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        add_formatted(t, colour, false, format, ap);
        va_end(ap);
}

void table_notef(Table *t, Colour colour, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        add_formatted(t, colour, true, format, ap);
        va_end(ap);
}

/* A dash says that a value is missing; a column of reasons is better left empty. */
static const char *cell_text(const Cell *c, const Column *column) {
        return c->text ? c->text : column->wrap ? "" : "-";
}

/* The widths that columns would like: that of their widest cell, and of their header where there are headers. */
static void measure(const Table *t, const Output *out, unsigned *widths) {
        size_t column = 0;

        for (size_t i = 0; i < t->n_columns; i++)
                widths[i] = out->legend ? text_width(t->columns[i].header) : 1;
        for (size_t i = 0; i < t->n_cells; i++) {
                unsigned width;

                if (t->cells[i].note)
                        continue;
                width = text_width(cell_text(&t->cells[i], &t->columns[column]));
                if (width > widths[column])
                        widths[column] = width;
                column = (column + 1) % t->n_columns;
        }
}

/* How long a line is with its first so many columns, their gaps between them. */
static unsigned line_width(const Table *t, const unsigned *widths, size_t shown) {
        unsigned width = t->indent;

        for (size_t i = 0; i < shown; i++)
                width += widths[i] + (i > 0 ? GAP : 0);
        return width;
}

/* Takes a column from the widest that may still shrink, as long as the line is too long. Does it fit? */
static bool shrink(const Table *t, const Output *out, unsigned *widths, size_t shown) {
        while (line_width(t, widths, shown) > out->width) {
                unsigned *widest = NULL;

                for (size_t i = 0; i < shown; i++)
                        if (t->columns[i].min > 0 && widths[i] > t->columns[i].min && (!widest || widths[i] > *widest))
                                widest = &widths[i];
                if (!widest)
                        return false;
                (*widest)--;
        }
        return true;
}

/* widths has one element for each column, filled in here. */
static Layout lay_out(const Table *t, const Output *out, unsigned *widths) {
        Layout l = { .widths = widths, .shown = t->n_columns };
        bool wraps = t->columns[t->n_columns - 1].wrap;

        measure(t, out, widths);
        if (wraps) {
                unsigned used = line_width(t, widths, l.shown - 1) + GAP;
                bool narrow = used + WRAP_COLUMN_MIN > out->width && used + widths[l.shown - 1] > out->width;

                if (narrow)
                        l.shown--;
                else if (used + widths[l.shown - 1] > out->width)
                        widths[l.shown - 1] = out->width - used;
        }
        l.list = !shrink(t, out, widths, l.shown);
        l.below = t->indent + (l.list || widths[0] + GAP > NOTE_INDENT_MAX ? NOTE_INDENT : widths[0] + GAP);
        return l;
}

static void print_header(const Table *t, const Output *out, const Layout *l) {
        text_pad(out->f, t->indent);
        output_colour(out, COLOUR_BOLD);
        for (size_t i = 0; i < l->shown; i++) {
                const char *header = t->columns[i].header;
                unsigned width = text_width(header), rest = l->widths[i] > width ? l->widths[i] - width : 0;

                text_pad(out->f, i > 0 ? GAP : 0);
                if (t->columns[i].right)
                        text_pad(out->f, rest);
                (void) text_put(out->f, header, l->widths[i]);
                if (!t->columns[i].right && i + 1 < l->shown)
                        text_pad(out->f, rest);
        }
        output_colour(out, COLOUR_NONE);
        (void) fputc('\n', out->f);
}

/* Switches a cell's colour on, or off again; plain ones need neither. */
static void cell_colour(const Output *out, const Cell *c, bool on) {
        if (c->colour != COLOUR_NONE)
                output_colour(out, on ? c->colour : COLOUR_NONE);
}

/* A text on lines of its own below its row; header names it where the row has become a list. */
static void print_below(const Output *out, const Layout *l, const char *header, const Cell *c) {
        unsigned at = l->below;

        text_pad(out->f, at);
        at += header ? (unsigned) fprintf(out->f, "%s", header) : 0;
        cell_colour(out, c, true);
        text_wrap(out->f, c->text, at, l->below + (header ? 2 : 0), out->width);
        cell_colour(out, c, false);
}

/* One cell where it stands in its line; the blanks behind it are left to the next. Returns the column that the cursor is at. */
static unsigned print_cell(const Table *t, const Output *out, const Layout *l, size_t i, const Cell *c, unsigned at) {
        const char *text = cell_text(c, &t->columns[i]);
        unsigned start = line_width(t, l->widths, i) + (i > 0 ? GAP : 0), width = text_width(text);

        if (t->columns[i].right && width < l->widths[i])
                start += l->widths[i] - width;
        if (*text && start > at) {
                text_pad(out->f, start - at);
                at = start;
        }
        cell_colour(out, c, true);
        if (t->columns[i].wrap)
                text_wrap(out->f, text, at, start, out->width);
        else
                at += t->columns[i].name ? text_put_name(out->f, text, l->widths[i]) : text_put(out->f, text, l->widths[i]);
        cell_colour(out, c, false);
        return at;
}

/* The columns that stand side by side, then the one that had no room there. */
static void print_row(const Table *t, const Output *out, const Layout *l, const Cell *row) {
        unsigned at = 0;

        for (size_t i = 0; i < l->shown; i++)
                at = print_cell(t, out, l, i, &row[i], at);
        if (!t->columns[l->shown - 1].wrap)
                (void) fputc('\n', out->f);
        if (l->shown < t->n_columns && row[l->shown].text)
                print_below(out, l, NULL, &row[l->shown]);
}

/* A row as a list: its first cell as the title, the others below it by name. */
static void print_list(const Table *t, const Output *out, const Layout *l, const Cell *row) {
        text_pad(out->f, t->indent);
        output_colour(out, COLOUR_BOLD);
        (void) text_put(out->f, cell_text(&row[0], &t->columns[0]), out->width - t->indent);
        output_colour(out, COLOUR_NONE);
        (void) fputc('\n', out->f);
        for (size_t i = 1; i < t->n_columns; i++)
                if (row[i].text)
                        print_below(out, l, t->columns[i].header, &row[i]);
}

int table_print(const Table *t, const Output *out) {
        _cleanup_free_ unsigned *widths = NULL;
        Layout l;

        if (!t)
                return -ENOMEM;
        if (t->error < 0)
                return t->error;
        widths = calloc(t->n_columns, sizeof(*widths));
        if (!widths)
                return -ENOMEM;
        l = lay_out(t, out, widths);
        if (out->legend && !l.list)
                print_header(t, out, &l);
        for (size_t i = 0; i < t->n_cells;) {
                if (t->cells[i].note)
                        print_below(out, &l, NULL, &t->cells[i++]);
                else {
                        if (l.list)
                                print_list(t, out, &l, &t->cells[i]);
                        else
                                print_row(t, out, &l, &t->cells[i]);
                        i += t->n_columns;
                }
        }
        return 0;
}
