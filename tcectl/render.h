/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From Describe's JSON (docs/describe.md) to what people and programs read. Pure: no I/O but out->f, no state. Members that are
 * not there show as "-". What returns a number returns 0 or -ENOMEM, whatever the JSON looks like. */

#include <json-c/json.h>
#include <stdint.h>

#include "text.h"

/* The host, what it declares and has proven, counts, findings. */
int render_status(json_object *json, const Output *out);
/* Just the capabilities: what a probe changes. */
int render_capabilities(json_object *json, const Output *out);
/* One line for each device, and why a group can't be given to a VM. */
int render_groups(json_object *json, const Output *out);
/* name: of one machine, or its UUID, or NULL for all; one that is named shows its tables, as all do when out->verbose. -ESRCH where
 * there is none of that name. */
int render_machines(json_object *json, const char *name, const Output *out);
/* Everything, as a tree; members that this version does not know as well. */
int render_describe(json_object *json, const Output *out);

/* A machine by name, UUID, or the first eight digits of its UUID and more; NULL where there is none, or more than one. Borrowed. */
json_object *machine_find(json_object *json, const char *name);

/* An array of findings, worst first, each with its remedy. */
void render_findings(json_object *findings, const Output *out);
/* "yes" is green, "no" red, the rest yellow. */
Colour colour_of_proof(const char *proven);

/* What machines have in the kernel and in their VMMs. */
typedef struct TableSums {
        uint64_t kernel_tables, kernel_bytes, user_tables, user_bytes;
} TableSums;
/* Adds those of one machine. Tables are counted by their placement; bytes are what tced says of the machine. */
void table_sums_add(TableSums *sums, json_object *machine);

/* The parts of Describe that a command prints with --json: a new reference, NULL when memory ran out. */
json_object *select_status(json_object *json);
json_object *select_array(json_object *json, const char *path);

/* As JSON, pretty or in one line, with what a terminal would obey escaped. -ENOMEM. */
int print_json(json_object *json, bool pretty, FILE *f);
