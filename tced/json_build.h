/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Building JSON for others to read (docs/describe.md, docs/plan.md). json-c's adders take a value over and fail only where memory
 * ran out; rather than look at each, a failure is remembered, and the document asked for it once, at its end. */

#include <json-c/json.h>

#include "finding.h"
#include "plan.h"

typedef struct json_object Json;

/* Begins a document. A thread builds one at a time. */
Json *json_begin(void);
/* Ends it, and frees it in any case: the text in one line is the caller's. 0 or -ENOMEM, also where an adder failed before. */
int json_end_consume(Json *document, char **ret);

Json *json_new_object(void);
Json *json_new_array(void);

/* The value is taken over. */
void json_add(Json *object, const char *key, Json *value);
void json_push(Json *array, Json *value);

void json_add_null(Json *object, const char *key);
/* null where value is NULL. */
void json_add_string(Json *object, const char *key, const char *value);
void json_add_number(Json *object, const char *key, uint64_t value);
void json_add_int(Json *object, const char *key, int value);
/* null where value is negative. */
void json_add_index(Json *object, const char *key, int value);
void json_add_bool(Json *object, const char *key, bool value);
/* An array of the bits of a mask, each as the number that it stands for. */
void json_add_bits(Json *object, const char *key, uint64_t mask);

Json *json_findings(const Findings *findings);
Json *json_multitce(const MultiTceVerdict *verdict);
/* What a table of a plan is and where it goes; a table's other members are the caller's to add. */
Json *json_plan_table(const PlanTable *table);
