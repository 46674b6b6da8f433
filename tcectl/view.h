/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Looking into Describe's JSON (docs/describe.md). An older or newer daemon may leave members out, or give them another type: whatever
 * is not as expected is "not there", and shown as "-". Paths go by members: "host.kvm.usable". */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The whole of `text` as one JSON object, which the caller frees. -EBADMSG: it is none; -EFBIG, -ENOMEM. */
int view_parse(const char *text, json_object **ret);

/* NULL where it is not there, or null. Borrowed, as all that is returned here. */
json_object *view_get(json_object *json, const char *path);
/* NULL where it is not there, or no text. */
const char *view_string(json_object *json, const char *path);
/* The same, "-" instead of NULL. */
const char *view_show(json_object *json, const char *path);
/* false where it is not there, no whole number, or negative. */
bool view_u64(json_object *json, const char *path, uint64_t *ret);
/* The same, 0 where it is not there. */
uint64_t view_count(json_object *json, const char *path);
/* Is it there, and true? */
bool view_true(json_object *json, const char *path);

/* An array's items; 0 and NULL where it is none. */
size_t view_length(json_object *array);
json_object *view_item(json_object *array, size_t i);

/* The items of the array at path as a list ended by NULL, in the order of their member `key`, a number or a text; items that are
 * equal there stay as they were. NULL when memory ran out. The caller frees the list. */
json_object **view_sorted(json_object *json, const char *path, const char *key);

/* Numbers as people read them, "-" where they are not there. */
typedef struct ShownNumber {
        char text[40];
} ShownNumber;
#define SHOWN(number) ((number).text)
ShownNumber show_number(json_object *json, const char *path);
ShownNumber show_bytes(json_object *json, const char *path);
