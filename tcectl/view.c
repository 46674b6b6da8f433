/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What view.h declares. json-c converts whatever it is asked for (a text is 0 as a number, 1.5 is 1): types are looked at first. */

#include "view.h"

#include <inttypes.h>

#include "util.h"

#define KEY_MAX 64U

DEFINE_POINTER_CLEANUP(json_tokener, json_tokener_free, tokener_freep)

int view_parse(const char *text, json_object **ret) {
        _cleanup_(tokener_freep) json_tokener *tokener = json_tokener_new();
        size_t length = strlen(text);
        json_object *json;

        if (!tokener)
                return -ENOMEM;
        if (length > INT32_MAX - 1)
                return -EFBIG;
        /* What is not quite JSON would be half understood: better none of it. */
        /* A strict json-c 0.18 takes all bytes above ASCII for control characters, where char is signed. It is UTF-8: D-Bus carries
         * nothing else. */
        json_tokener_set_flags(tokener, ascii_valid(text) ? JSON_TOKENER_STRICT : 0);
        /* The NUL is given too: it ends what is still open, so that half an object is an error. */
        json = json_tokener_parse_ex(tokener, text, (int) length + 1);
        if (!json_object_is_type(json, json_type_object) || json_tokener_get_error(tokener) != json_tokener_success) {
                (void) json_object_put(json);
                return -EBADMSG;
        }
        *ret = json;
        return 0;
}

json_object *view_get(json_object *json, const char *path) {
        while (json) {
                size_t n = strcspn(path, ".");
                char key[KEY_MAX];

                /* A key that is longer is none of those that are asked for. */
                if (!json_object_is_type(json, json_type_object) || n >= sizeof(key))
                        return NULL;
                memcpy(key, path, n);
                key[n] = '\0';
                json = json_object_object_get(json, key);
                if (!path[n])
                        break;
                path += n + 1;
        }
        return json;
}

const char *view_string(json_object *json, const char *path) {
        json_object *value = view_get(json, path);

        return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

const char *view_show(json_object *json, const char *path) {
        const char *text = view_string(json, path);

        return isempty(text) ? "-" : text;
}

/* json-c tells numbers above 2^63 apart from negative ones by itself: get_int64() gives its maximum for them. */
bool view_u64(json_object *json, const char *path, uint64_t *ret) {
        json_object *value = view_get(json, path);

        if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
                return false;
        *ret = json_object_get_uint64(value);
        return true;
}

uint64_t view_count(json_object *json, const char *path) {
        uint64_t n = 0;

        (void) view_u64(json, path, &n);
        return n;
}

bool view_true(json_object *json, const char *path) {
        json_object *value = view_get(json, path);

        return json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

size_t view_length(json_object *array) {
        return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

json_object *view_item(json_object *array, size_t i) {
        return i < view_length(array) ? json_object_array_get_idx(array, i) : NULL;
}

/* Numbers go before texts, and what has neither before both. */
static int compare(json_object *a, json_object *b, const char *key) {
        const char *s = view_string(a, key), *t = view_string(b, key);
        uint64_t m = view_count(a, key), n = view_count(b, key);

        if (!s != !t)
                return s ? 1 : -1;
        if (s)
                return strcmp(s, t);
        return m < n ? -1 : m > n;
}

/* Merges the sorted runs from[0..middle) and from[middle..end) into to; on equality the first run goes first, which is what keeps
 * the order of equals. */
static void merge(json_object **to, json_object **from, size_t middle, size_t end, const char *key) {
        size_t i = 0, j = middle;

        for (size_t k = 0; k < end; k++)
                if (i < middle && (j >= end || compare(from[i], from[j], key) <= 0))
                        to[k] = from[i++];
                else
                        to[k] = from[j++];
}

/* Merge sort from the bottom up; scratch is as long as items. Returns which of the two has the result. */
static json_object **sort(json_object **items, json_object **scratch, size_t n, const char *key) {
        for (size_t run = 1; run < n; run *= 2) {
                json_object **swapped = scratch;

                for (size_t start = 0; start < n; start += 2 * run) {
                        size_t middle = n - start < run ? n - start : run;
                        size_t end = n - start < 2 * run ? n - start : 2 * run;
                        merge(scratch + start, items + start, middle, end, key);
                }
                scratch = items;
                items = swapped;
        }
        return items;
}

json_object **view_sorted(json_object *json, const char *path, const char *key) {
        json_object *array = view_get(json, path);
        size_t n = view_length(array);
        _cleanup_free_ json_object **items = calloc(n + 1, sizeof(*items));
        _cleanup_free_ json_object **scratch = calloc(n + 1, sizeof(*scratch));
        size_t kept = 0;

        if (!items || !scratch)
                return NULL;
        /* A list ended by NULL can't hold null; nothing could be shown of one. */
        for (size_t i = 0; i < n; i++)
                if (view_item(array, i))
                        items[kept++] = view_item(array, i);
        return sort(items, scratch, kept, key) == items ? TAKE_PTR(items) : TAKE_PTR(scratch);
}

ShownNumber show_number(json_object *json, const char *path) {
        ShownNumber n = { "-" };
        uint64_t value;

        if (view_u64(json, path, &value))
                (void) snprintf(n.text, sizeof(n.text), "%" PRIu64, value);
        return n;
}

ShownNumber show_bytes(json_object *json, const char *path) {
        ShownNumber n = { "-" };
        uint64_t value;

        if (view_u64(json, path, &value))
                (void) format_bytes(n.text, sizeof(n.text), value);
        return n;
}
