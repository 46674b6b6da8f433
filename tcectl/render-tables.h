/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the screens of machines and plans share: TCE tables' cells, lines with a label, sentences' parts. */

#include "render.h"
#include "table-print.h"

/* The texts of labelled lines start here. */
#define FIELD_COLUMN 10U

/* One labelled line, "KVM       usable as HV, …", wrapped behind its label. 0 or -ENOMEM. */
int render_field(const Output *out, const char *label, Colour colour, const char *format, ...) _printf_(4, 5);

/* A heading of its own line, where there are headings. */
void render_heading(const Output *out, const char *text);

const char *plural(uint64_t n, const char *one, const char *many);

/* Is it in KVM: "kernel", "kernel-vfio", and what else may come to begin so? Not one that was planned there and is not, as the audit has
 * told. */
bool table_is_kernel(json_object *table);
/* Does it cost an exit for each TCE? One that can't be made, or whose place is not told, does not. */
bool table_is_slow(json_object *table);
/* Was it planned in the kernel, and is it on the slow path all the same? */
bool table_is_missed(json_object *table);
/* Its placement, or of one that was missed what was found instead: "missing". */
const char *table_place(json_object *table);
/* The process of a machine: the one that claimed it, or that the audit has found it in; 0: none. */
uint64_t machine_pid(json_object *machine);
/* Will it be there: from the start, or because Linux asks for it? */
bool table_is_likely(json_object *table);

/* "1 GiB at 0", "8 GiB at 2^59"; "64 KiB", NULL where it is not told. */
#define WINDOW_TEXT_MAX 80U
const char *window_text(json_object *table, char *buf, size_t size);
const char *pages_text(json_object *table, char *buf, size_t size);

void cell_liobn(Table *t, json_object *table);
void cell_window(Table *t, json_object *table);
void cell_pages(Table *t, json_object *table);
void cell_placement(Table *t, json_object *table);

/* Why it is not where it is fastest: the word, the text, what the kernel said, which rule; NULL where there is nothing to say and not
 * all is asked for. To be freed. 0 or -ENOMEM. */
int table_reason(json_object *table, bool all, char **ret);

/* In one line what an administrator came for: how many tables are slow, and of which devices. Nothing where there are none.
 * starts: they are there, or will be. 0 or -ENOMEM. */
int render_summary(json_object *tables, bool starts, const Output *out);
/* A plan's tables, or a machine's windows that may come; list ends with NULL. all: each page size that the guest may choose. Each reason
 * is told once. 0 or -ENOMEM. */
int render_plan_tables(json_object **list, bool all, const Output *out);

/* A plan's or a machine's two figures of locked memory: what the kernel charges, what libvirt allows. */
int render_locked(json_object *json, const Output *out);

/* Of a member `multitce`, without the word that says yes or no; NULL where it is not told. */
const char *multitce_why(json_object *multitce);
/* "multi-TCE in KVM: no: …"; nothing where it is not told. */
void render_multitce(json_object *multitce, const Output *out);
