/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A table of text that keeps to the line's width. Columns that may shrink are cut with … in them; the last may wrap. Where not even that
 * fits, each row becomes a list of its cells, one a line. Errors stick: table_print() returns the first. */

#include "text.h"
#include "util.h"

typedef struct Column {
        const char *header;
        unsigned min; /* may be cut down to so many columns; 0: never */
        bool right;   /* numbers */
        bool name;    /* cut in the middle */
        bool wrap;    /* the last column alone: wraps, or goes below its row where it is narrow */
} Column;

/* Filled in cell by cell, row by row, and printed once all are there, since widths depend on all of them. */
typedef struct Table Table;

/* NULL when memory ran out, which the functions below take and table_print() reports. `columns` must outlive the table. */
Table *table_new(const Column *columns, size_t n_columns, unsigned indent);
void table_free(Table *t);
DEFINE_POINTER_CLEANUP(Table, table_free, table_freep)

/* The next cell; nothing and NULL show as "-", but in a column that wraps, where they show as nothing. */
void table_cell(Table *t, Colour colour, const char *text);
void table_cellf(Table *t, Colour colour, const char *format, ...) _printf_(3, 4);
/* A text below the row that was added last, wrapped. */
void table_note(Table *t, Colour colour, const char *text);
void table_notef(Table *t, Colour colour, const char *format, ...) _printf_(3, 4);

/* 0 or -ENOMEM. */
int table_print(const Table *t, const Output *out);
