/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What came from outside is looked at before json-c is given it: its encoding, as a strict json-c 0.18 takes good UTF-8 for
 * control characters where char is signed, and how many parts it has, as an empty array costs a hundred times what it is long. */

#include "json_read.h"

#include <inttypes.h>

#include "util.h"

#define DEPTH_MAX 32
#define PATH_TEXT_MAX 160

DEFINE_POINTER_CLEANUP(struct json_tokener, json_tokener_free, tokener_freep)

/* "an object", as errors say it. */
static const char *type_text(enum json_type type) {
        static const char *const texts[] = {
                [json_type_null] = "null",
                [json_type_boolean] = "true or false",
                [json_type_double] = "a number",
                [json_type_int] = "a number",
                [json_type_object] = "an object",
                [json_type_array] = "an array",
                [json_type_string] = "a text",
        };

        return texts[type];
}

/* Appends the way to a place; what does not fit is cut. */
static void append_path(const JsonPlace *at, char *path, size_t size) {
        size_t n;

        if (!at->above)
                return;
        append_path(at->above, path, size);
        n = strlen(path);
        if (at->key)
                (void) snprintf(path + n, size - n, "%s%s", n > 0 ? "." : "", at->key);
        else
                (void) snprintf(path + n, size - n, "[%zu]", at->index);
}

static _printf_(2, 3) int fail_text(const JsonFault *fault, const char *format, ...) {
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(fault->text, fault->size, format, ap);
        va_end(ap);
        if (n >= 0 && (size_t) n < fault->size)
                (void) snprintf(fault->text + n, fault->size - (size_t) n, "; %s", fault->remedy);
        return -EINVAL;
}

int json_read_fail(const JsonPlace *at, const char *key, const char *format, ...) {
        const JsonPlace member = { .above = at, .key = key };
        char path[PATH_TEXT_MAX] = "", what[PATH_TEXT_MAX];
        va_list ap;

        append_path(key ? &member : at, path, sizeof(path));
        va_start(ap, format);
        (void) vsnprintf(what, sizeof(what), format, ap);
        va_end(ap);
        return fail_text(at->fault, "%s%s%s", path, *path ? ": " : "", what);
}

static size_t count_parts(const char *text) {
        size_t n = 0;

        for (; *text; text++)
                n += *text == ',' || *text == '[' || *text == '{';
        return n;
}

/* What json-c makes of it; the text ends with a NUL, which is given too: it ends what is still open, so that half a value is an
 * error. */
static int parse(const char *text, size_t size, const JsonFault *fault, struct json_object **ret) {
        _cleanup_(tokener_freep) struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
        struct json_object *value;
        size_t end, line = 1;

        if (!tokener)
                return -ENOMEM;
        json_tokener_set_flags(tokener, ascii_valid(text) ? JSON_TOKENER_STRICT : 0);
        errno = 0;
        value = json_tokener_parse_ex(tokener, text, (int) size + 1);
        /* json-c before 0.17 has no word for that, and calls it a fault of the text or none. */
        if (errno == ENOMEM) {
                (void) json_object_put(value);
                return -ENOMEM;
        }
        end = json_tokener_get_parse_end(tokener);
        if (json_tokener_get_error(tokener) == json_tokener_success && end <= size &&
            text[end + strspn(text + end, " \t\r\n")] == '\0') {
                *ret = value;
                return 0;
        }
        (void) json_object_put(value);
        if (json_tokener_get_error(tokener) == json_tokener_error_depth)
                return fail_text(fault, "it is nested deeper than %d levels", DEPTH_MAX);
        for (size_t i = 0; i < end && i < size; i++)
                line += text[i] == '\n';
        return fail_text(fault, "line %zu: this is no JSON", line);
}

int json_read_text(const char *text, size_t size, size_t parts_max, const JsonFault *fault, struct json_object **ret) {
        _cleanup_free_ char *copy = NULL;

        if (size >= INT32_MAX)
                return fail_text(fault, "it is too large");
        copy = strndup(text, size);
        if (!copy)
                return -ENOMEM;
        if (copy[strspn(copy, " \t\r\n")] == '\0' && strlen(copy) == size)
                return fail_text(fault, "it is empty");
        if (strlen(copy) != size || !utf8_valid(copy))
                return fail_text(fault, "it is no text in UTF-8");
        if (count_parts(copy) > parts_max)
                return fail_text(fault, "it has more than %zu parts", parts_max);
        return parse(copy, size, fault, ret);
}

/* Is a value of that type? Numbers with a point or an exponent are told apart by who reads them. */
static int check_type(const JsonPlace *at, const char *key, struct json_object *value, enum json_type type) {
        return json_object_is_type(value, type) ? 1 : json_read_fail(at, key, "%s is expected", type_text(type));
}

int json_read_member(const JsonPlace *at, const char *key, enum json_type type, JsonPlace *ret) {
        struct json_object *value;
        int r;

        if (!json_object_object_get_ex(at->value, key, &value) || !value)
                return 0;
        r = check_type(at, key, value, type);
        if (r > 0)
                *ret = (JsonPlace) { .above = at, .key = key, .value = value, .fault = at->fault };
        return r;
}

/* A number in any notation is there: 1, and *ret is it. */
static int read_any_number(const JsonPlace *at, const char *key, struct json_object **ret) {
        if (!json_object_object_get_ex(at->value, key, ret) || !*ret)
                return 0;
        if (json_object_is_type(*ret, json_type_double))
                return 1;
        return check_type(at, key, *ret, json_type_int);
}

int json_read_number(const JsonPlace *at, const char *key, uint64_t max, uint64_t *ret) {
        struct json_object *value;
        int r = read_any_number(at, key, &value);

        if (r <= 0)
                return r;
        if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0 || json_object_get_uint64(value) > max)
                return json_read_fail(at, key, "a whole number from 0 to %" PRIu64 " is expected", max);
        *ret = json_object_get_uint64(value);
        return 1;
}

int json_read_signed(const JsonPlace *at, const char *key, int64_t min, int64_t max, int64_t *ret) {
        struct json_object *value;
        int r = read_any_number(at, key, &value);

        if (r <= 0)
                return r;
        /* What is above INT64_MAX reads as that. */
        if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < min ||
            json_object_get_int64(value) > max)
                return json_read_fail(at, key, "a whole number from %" PRId64 " to %" PRId64 " is expected", min, max);
        *ret = json_object_get_int64(value);
        return 1;
}

int json_read_int(const JsonPlace *at, const char *key, int min, int max, int *ret) {
        int64_t value;
        int r = json_read_signed(at, key, min, max, &value);

        if (r > 0)
                *ret = (int) value;
        return r;
}

int json_read_u32(const JsonPlace *at, const char *key, uint32_t max, uint32_t *ret) {
        uint64_t value;
        int r = json_read_number(at, key, max, &value);

        if (r > 0)
                *ret = (uint32_t) value;
        return r;
}

int json_read_bool(const JsonPlace *at, const char *key, bool *ret) {
        JsonPlace place;
        int r = json_read_member(at, key, json_type_boolean, &place);

        if (r > 0)
                *ret = json_object_get_boolean(place.value);
        return r;
}

int json_read_string(const JsonPlace *at, const char *key, const char **ret) {
        JsonPlace place;
        int r = json_read_member(at, key, json_type_string, &place);

        if (r <= 0)
                return r;
        /* "\u0000" would end it for us and not for whoever wrote it. */
        if (strlen(json_object_get_string(place.value)) != (size_t) json_object_get_string_len(place.value))
                return json_read_fail(at, key, "a text without NUL is expected");
        *ret = json_object_get_string(place.value);
        return 1;
}

int json_read_copy(const JsonPlace *at, const char *key, char **ret) {
        const char *text;
        int r = json_read_string(at, key, &text);
        char *copy;

        if (r <= 0)
                return r;
        copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        *ret = copy;
        return 1;
}

int json_read_word(const JsonPlace *at, const char *key, int (*from_string)(const char *), int *ret) {
        const char *text;
        int r = json_read_string(at, key, &text), value;

        if (r <= 0)
                return r;
        value = from_string(text);
        if (value < 0)
                return 0;
        *ret = value;
        return 1;
}

size_t json_read_length(const JsonPlace *array) {
        return json_object_array_length(array->value);
}

int json_read_item(const JsonPlace *array, size_t index, enum json_type type, JsonPlace *ret) {
        JsonPlace item = {
                .above = array, .index = index, .value = json_object_array_get_idx(array->value, index), .fault = array->fault,
        };
        int r = check_type(&item, NULL, item.value, type);

        if (r > 0)
                *ret = item;
        return r;
}

int json_read_each(const JsonPlace *at, const char *key, int (*each)(const JsonPlace *item, void *userdata), void *userdata) {
        JsonPlace array, item;
        int r = json_read_member(at, key, json_type_array, &array);

        for (size_t i = 0, n = r > 0 ? json_read_length(&array) : 0; r >= 0 && i < n; i++) {
                r = json_read_item(&array, i, json_type_object, &item);
                if (r >= 0)
                        r = each(&item, userdata);
        }
        return r;
}
