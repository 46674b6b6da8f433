/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Rows as a table of 80 columns, and as lines of JSON. */

#include "bench.h"

typedef enum Met { MET_WELL, MET_NEARLY /* by less than a tenth */, MET_NOT, MET_NONE /* it has no goal */ } Met;
Met row_met(const Row *row);

/* The machine, in a line; the heading; a row, in two lines. "~": nearly met, "!": missed. */
void table_machine(FILE *f);
void table_head(FILE *f);
void table_row(FILE *f, const Row *row);

void record_row(FILE *f, const Row *row);
void record_point(FILE *f, const char *plot, double x, const char *series, double nanoseconds);
/* Gives each row that a file has to fn, whose negative errno ends it. -EBADMSG: what is there is no record. */
int record_read(FILE *f, int (*fn)(const Row *row, void *userdata), void *userdata);
