/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reading JSON from outside (json-c), strict about types: what is wrong with it is told with the way to it,
 * "host.kvm.capabilities[0].declared: a number is expected". A member that is absent or null is not known, which is no error. */

#include <json-c/json.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where an error goes, and what is said behind each: "; take …". */
typedef struct JsonFault {
        char *text;
        size_t size;
        const char *remedy;
} JsonFault;

/* A value, and the way to it from the document, whose key is NULL and above is NULL. Lives on the stack of whoever reads. */
typedef struct JsonPlace {
        const struct JsonPlace *above;
        const char *key; /* in an object, or NULL */
        size_t index;    /* in an array */
        struct json_object *value; /* borrowed */
        const JsonFault *fault;
} JsonPlace;

/* The text as a value: UTF-8, one JSON value and nothing behind it, and no more parts ({, [ and ,) in it than parts_max, as
 * each costs some hundred bytes. 0; -EINVAL with the fault filled in; -ENOMEM. The caller puts the value (json_object_put). */
int json_read_text(const char *text, size_t size, size_t parts_max, const JsonFault *fault, struct json_object **ret);

/* Fills in the fault with the way to the place, and to its member key where that is not NULL. Always -EINVAL. */
int json_read_fail(const JsonPlace *at, const char *key, const char *format, ...) __attribute__((__format__(__printf__, 3, 4)));

/* A member of an object. 1; 0 where it is absent or null, and *ret is untouched; -EINVAL with the fault filled in. */
int json_read_member(const JsonPlace *at, const char *key, enum json_type type, JsonPlace *ret);
int json_read_number(const JsonPlace *at, const char *key, uint64_t max, uint64_t *ret);
int json_read_signed(const JsonPlace *at, const char *key, int64_t min, int64_t max, int64_t *ret);
int json_read_int(const JsonPlace *at, const char *key, int min, int max, int *ret);
int json_read_u32(const JsonPlace *at, const char *key, uint32_t max, uint32_t *ret);
int json_read_bool(const JsonPlace *at, const char *key, bool *ret);
/* The text is the document's. */
int json_read_string(const JsonPlace *at, const char *key, const char **ret);
/* The text is the caller's to free; -ENOMEM too. */
int json_read_copy(const JsonPlace *at, const char *key, char **ret);
/* A word of an enum's; one that from_string does not know (it returns less than 0) is as good as absent. */
int json_read_word(const JsonPlace *at, const char *key, int (*from_string)(const char *), int *ret);

/* How many items an array has, and one of them: 1, or -EINVAL; null is an error here. */
size_t json_read_length(const JsonPlace *array);
int json_read_item(const JsonPlace *array, size_t index, enum json_type type, JsonPlace *ret);
/* Calls each for every object of a member that is an array, or absent, until one returns less than 0, which is given back. */
int json_read_each(const JsonPlace *at, const char *key, int (*each)(const JsonPlace *item, void *userdata), void *userdata);
