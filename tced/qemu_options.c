/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "qemu_options.h"

#include <json-c/json.h>

#include "util.h"

/* A -device of JSON: all its properties are one level deep, or nearly. */
#define JSON_PARTS_MAX 1024

void qemu_options_clear(QemuOptions *o) {
        for (size_t i = 0; i < o->n; i++) {
                free(o->items[i].name);
                free(o->items[i].value);
        }
        free(o->items);
}

static void json_freep(struct json_object **json) {
        (void) json_object_put(*json);
}

/* The last one wins, as with QEMU (util/qemu-option.c: opt_find walks from the end). */
const char *qemu_options_get(const QemuOptions *o, const char *name) {
        for (size_t i = o->n; i > 0; i--)
                if (streq(o->items[i - 1].name, name))
                        return o->items[i - 1].value;
        return NULL;
}

/* "on" and its like (qapi/qapi-util.c: qapi_bool_parse). */
bool qemu_is_on(const char *value) {
        static const char *const yes[] = { "on", "yes", "true", "y" };

        return value && name_lookup(yes, ELEMENTSOF(yes), value) >= 0;
}

/* Takes both texts over, also on failure. */
static int add_option_consume(QemuOptions *o, char *name, char *value) {
        int r = name && value ? ARRAY_RESERVE(o->items, o->allocated, o->n + 1) : -ENOMEM;

        if (r < 0) {
                free(name);
                free(value);
                return r;
        }
        o->items[o->n++] = (QemuOption) { name, value };
        return 0;
}

/* Up to a single comma; two are one (get_opt_value). *text is moved behind it. */
static char *take_value(const char **text) {
        size_t length = strcspn(*text, ",");
        char *value, *to;

        while ((*text)[length] == ',' && (*text)[length + 1] == ',')
                length += 2 + strcspn(*text + length + 2, ",");
        value = to = malloc(length + 1);
        if (!value)
                return NULL;
        for (; **text; (*text)++) {
                if (**text == ',' && *++*text != ',')
                        break;
                *to++ = **text;
        }
        *to = '\0';
        return value;
}

/* "virtio-net-pci,id=x,ddw=off": a first word without '=' is `first`'s value, a later one is switched on, or off by a "no" in
 * front (get_opt_name_value). */
int qemu_options_parse(const char *text, const char *first, QemuOptions *o) {
        while (*text) {
                size_t length = strcspn(text, "=,");
                bool no = strncmp(text, "no", 2) == 0 && length > 2;
                char *name, *value;
                int r;

                if (text[length] == '=') {
                        name = strndup(text, length);
                        text += length + 1;
                        value = take_value(&text);
                } else if (first && o->n == 0) {
                        name = strdup(first);
                        value = take_value(&text);
                } else {
                        name = no ? strndup(text + 2, length - 2) : strndup(text, length);
                        value = strdup(no ? "off" : "on");
                        text += length + (text[length] == ',');
                }
                r = add_option_consume(o, name, value);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* -device as JSON, since QEMU 6.2. Numbers and booleans are taken as texts: QEMU reads both alike where these properties are
 * set. */
int qemu_options_parse_json(const char *text, const JsonFault *fault, QemuOptions *o) {
        _cleanup_(json_freep) struct json_object *json = NULL;
        int r = json_read_text(text, strlen(text), JSON_PARTS_MAX, fault, &json);

        if (r < 0)
                return r;
        if (!json_object_is_type(json, json_type_object)) {
                (void) snprintf(fault->text, fault->size, "it is no object; %s", fault->remedy);
                return -EINVAL;
        }
        json_object_object_foreach(json, name, value) {
                const char *as_text = value ? json_object_get_string(value) : "";

                r = as_text ? add_option_consume(o, strdup(name), strdup(as_text)) : -ENOMEM;
                if (r < 0)
                        return r;
        }
        return 0;
}

/* util/cutils.c: qemu_strtou64(). Space and a sign may stand before it, and what is below 0 counts from 2^64 down. */
bool qemu_number(const char *text, uint64_t max, uint64_t *ret) {
        unsigned long long value;
        char *end;

        errno = 0;
        value = strtoull(text, &end, 0);
        if (end == text || *end != '\0' || errno != 0 || value > max)
                return false;
        *ret = value;
        return true;
}

/* qapi/qapi-util.c: qapi_bool_parse(). */
bool qemu_is_bool(const char *value) {
        static const char *const no[] = { "off", "no", "false", "n" };

        return qemu_is_on(value) || (value && name_lookup(no, ELEMENTSOF(no), value) >= 0);
}

/* util/cutils.c: do_strtosz(). A fraction is of its unit; what is beyond 2^64 is no size. */
bool qemu_size(const char *text, char unit, uint64_t *ret) {
        static const char units[] = "BKMGTPE";
        const char *at;
        long double value;
        char *end;

        if (*text < '0' || *text > '9')
                return false;
        value = strtold(text, &end);
        if (*end != '\0')
                unit = *end++;
        at = strchr(units, unit >= 'a' && unit <= 'z' ? unit - 'a' + 'A' : unit);
        if (*end != '\0' || !at || !*at)
                return false;
        for (; at > units; at--)
                value *= 1024;
        if (value >= 18446744073709551615.0L)
                return false;
        *ret = (uint64_t) value;
        return true;
}
