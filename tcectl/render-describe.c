/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `tcectl describe` and --json: everything, as a tree for people and as JSON for programs. The tree goes by the JSON's shape and not
 * by a list of members, so that a newer daemon's are shown as well; only how some numbers are best read is known here. */

#include <inttypes.h>

#include "render.h"
#include "util.h"
#include "view.h"

#define INDENT 2U
/* Texts are aligned behind the longest key of an object, but not farther than this. */
#define KEY_COLUMN_MAX 26U

static void tree(json_object *json, const char *skip, unsigned indent, const Output *out);

/* Members that are bytes, by how they are called: sizes as people write them, and exact. */
static bool is_bytes(const char *key) {
        size_t n = strlen(key);

        return strstr(key, "Bytes") || strstr(key, "Memlock") || strncmp(key, "memlock_", 8) == 0 || streq(key, "size") ||
               streq(key, "bytes") || streq(key, "page_size") || streq(key, "page_sizes") || (n > 6 && streq(key + n - 6, "_bytes"));
}

/* Members that are read in hexadecimal, and with how many digits at least; 0: those that are not. */
static int hex_digits(const char *key) {
        static const struct {
                const char *key;
                int digits;
        } hex[] = { { "liobn", 8 }, { "class", 6 }, { "vendor", 4 }, { "device", 4 }, { "bus_offset", 1 }, { "start", 1 } };

        for (size_t i = 0; i < ELEMENTSOF(hex); i++)
                if (streq(hex[i].key, key))
                        return hex[i].digits;
        return 0;
}

/* A value that is no object and no array, in words. buf is used where it needs one. */
static const char *scalar_text(const char *key, json_object *value, char *buf, size_t size) {
        uint64_t n = json_object_is_type(value, json_type_int) ? json_object_get_uint64(value) : 0;

        if (!value || (json_object_is_type(value, json_type_string) && isempty(json_object_get_string(value))))
                return "-";
        if (json_object_is_type(value, json_type_boolean))
                return json_object_get_boolean(value) ? "yes" : "no";
        if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
                return json_object_get_string(value);
        if (is_bytes(key))
                return format_bytes(buf, size, n);
        if (hex_digits(key) > 0)
                (void) snprintf(buf, size, "0x%0*" PRIx64, hex_digits(key), n);
        else
                (void) snprintf(buf, size, "%" PRIu64, n);
        return buf;
}

/* null is one. */
static bool is_scalar(json_object *value) {
        return !json_object_is_type(value, json_type_object) && !json_object_is_type(value, json_type_array);
}

/* An outcome is one line, not a branch: "declared yes, proven no: why". */
static bool is_outcome(json_object *value) {
        return view_string(value, "proven") && view_string(value, "why");
}

/* An array that one line can hold: page sizes, paths of rules. */
static bool is_list(json_object *value) {
        for (size_t i = 0; i < view_length(value); i++)
                if (!is_scalar(view_item(value, i)))
                        return false;
        return json_object_is_type(value, json_type_array);
}

/* Takes the member that names an item best, NULL where none does. */
static const char *title_key(json_object *item) {
        static const char *const keys[] = { "number", "liobn", "address", "name", "id" };

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (view_get(item, keys[i]) && is_scalar(view_get(item, keys[i])))
                        return keys[i];
        return NULL;
}

/* Prints a key with blanks for its underscores. Returns the column behind it. */
static unsigned put_key(const char *key, unsigned indent, const Output *out) {
        char shown[64];

        (void) snprintf(shown, sizeof(shown), "%s", key);
        for (char *p = shown; *p; p++)
                if (*p == '_')
                        *p = ' ';
        text_pad(out->f, indent);
        return indent + text_put(out->f, shown, out->width - indent);
}

static void put_outcome(json_object *value, unsigned at, unsigned indent, const Output *out) {
        _cleanup_free_ char *text = NULL;
        uint64_t declared;

        if (asprintf(&text, "%sproven %s: %s",
                     !view_u64(value, "declared", &declared) ? "" : declared > 0 ? "declared yes, " : "declared no, ",
                     view_show(value, "proven"), view_show(value, "why")) < 0)
                text = NULL;
        text_wrap(out->f, text ? text : "-", at, indent, out->width);
}

static void put_list(const char *key, json_object *array, unsigned at, unsigned column, const Output *out) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&text, &size);
        for (size_t i = 0; f && i < view_length(array); i++) {
                char buf[64];
                (void) fprintf(f, "%s%s", i > 0 ? ", " : "", scalar_text(key, view_item(array, i), buf, sizeof(buf)));
        }
        if (f)
                (void) fclose(f);
        text_wrap(out->f, isempty(text) ? "none" : text, at, column, out->width);
}

/* Has it but a few members, and none of them a text? Then one line holds them all: "id 7, value 1". */
static bool is_short(json_object *item, const char *title) {
        unsigned n = 0;

        json_object_object_foreach(item, key, value)
                if (!title || !streq(key, title)) {
                        if (!is_scalar(value) || json_object_is_type(value, json_type_string) || ++n > 3)
                                return false;
                }
        return n > 0;
}

static void put_short(json_object *item, const char *title, unsigned at, const Output *out) {
        bool first = true;

        json_object_object_foreach(item, key, value)
                if (!title || !streq(key, title)) {
                        char buf[64], part[160];

                        (void) snprintf(part, sizeof(part), "%s%.64s %.64s", first ? " " : ", ", key,
                                        scalar_text(key, value, buf, sizeof(buf)));
                        at += text_put(out->f, part, at < out->width ? out->width - at : 0);
                        first = false;
                }
        (void) fputc('\n', out->f);
}

/* A number alone says little: "group 3"; most items have a name that says enough. Returns the column behind it. */
static unsigned put_title(const char *array, const char *key, const char *text, unsigned indent, const Output *out) {
        unsigned at = indent;

        text_pad(out->f, indent);
        output_colour(out, COLOUR_BOLD);
        if (key && streq(key, "number"))
                at += (unsigned) fprintf(out->f, "%s ", streq(array, "groups") ? "group" : "number");
        at += text_put(out->f, text, at < out->width ? out->width - at : 0);
        output_colour(out, COLOUR_NONE);
        return at;
}

/* The items of an array, each under the member that names it; those that are one fact in one line. */
static void put_items(const char *array_key, json_object *array, unsigned indent, const Output *out) {
        for (size_t i = 0; i < view_length(array); i++) {
                json_object *item = view_item(array, i);
                const char *key = title_key(item), *title = "-";
                char buf[64];
                unsigned at;

                if (key || is_scalar(item))
                        title = scalar_text(key ? key : "", key ? view_get(item, key) : item, buf, sizeof(buf));
                at = put_title(array_key, key, title, indent, out);
                if (is_outcome(item))
                        put_outcome(item, at, indent + 2 * INDENT, out);
                else if (json_object_is_type(item, json_type_object) && is_short(item, key))
                        put_short(item, key, at, out);
                else {
                        (void) fputc('\n', out->f);
                        tree(item, key, indent + INDENT, out);
                }
        }
}

/* One member, its text at `column`, or what is in it on lines of its own. */
static void put_member(const char *key, json_object *value, unsigned indent, unsigned column, const Output *out) {
        unsigned at = put_key(key, indent, out);
        char buf[64];

        if (is_scalar(value))
                text_wrap(out->f, scalar_text(key, value, buf, sizeof(buf)), at, column, out->width);
        else if (is_outcome(value))
                put_outcome(value, at, column, out);
        else if (is_list(value))
                put_list(key, value, at, column, out);
        else {
                (void) fputc('\n', out->f);
                if (json_object_is_type(value, json_type_array))
                        put_items(key, value, indent + INDENT, out);
                else
                        tree(value, NULL, indent + INDENT, out);
        }
}

/* The members of an object, but for the one that was its title. Deeper than a line is wide, it goes on at the same column. */
static void tree(json_object *json, const char *skip, unsigned indent, const Output *out) {
        unsigned longest = 0;

        if (indent > out->width / 2)
                indent = out->width / 2;
        if (!json_object_is_type(json, json_type_object))
                return;
        json_object_object_foreach(json, measured, ignored) {
                unsigned width = skip && streq(measured, skip) ? 0 : text_width(measured);
                (void) ignored;
                if (width > longest && width < KEY_COLUMN_MAX)
                        longest = width;
        }
        json_object_object_foreach(json, key, value)
                if (!skip || !streq(key, skip))
                        put_member(key, value, indent, indent + longest + 2, out);
}

int render_describe(json_object *json, const Output *out) {
        bool first = true;

        json_object_object_foreach(json, key, value) {
                if (!first)
                        (void) fputc('\n', out->f);
                first = false;
                output_colour(out, COLOUR_BOLD);
                (void) text_put(out->f, key, out->width);
                output_colour(out, COLOUR_NONE);
                (void) fputc('\n', out->f);
                if (json_object_is_type(value, json_type_object))
                        tree(value, NULL, INDENT, out);
                else if (json_object_is_type(value, json_type_array) && view_length(value) > 0)
                        put_items(key, value, INDENT, out);
                else {
                        char buf[64];
                        const char *text = is_list(value) ? "none" : scalar_text(key, value, buf, sizeof(buf));
                        text_wrap(out->f, text, 0, INDENT, out->width);
                }
        }
        return 0;
}

/* A member that is missing, or no array, is an empty one: what reads this expects to loop over it. */
json_object *select_array(json_object *json, const char *path) {
        json_object *array = view_get(json, path);

        return json_object_is_type(array, json_type_array) ? json_object_get(array) : json_object_new_array();
}

int json_put_consume(json_object *to, const char *key, json_object *value) {
        if (!value)
                return -ENOMEM;
        if (json_object_object_add(to, key, value) < 0) {
                (void) json_object_put(value);
                return -ENOMEM;
        }
        return 0;
}

/* The text is json-c's own and lives as long as json. */
int print_json(json_object *json, bool pretty, FILE *f) {
        int flags = JSON_C_TO_STRING_NOSLASHESCAPE | (pretty ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED : 0);
        const char *text = json_object_to_json_string_ext(json, flags);

        if (!text)
                return -ENOMEM;
        /* json-c escapes what is below a blank; DEL and the C1 controls (U+0080 to U+009f, 0xc2 and a byte in UTF-8), which terminals
         * obey too, can only stand inside strings, where \u00XX says the same. */
        for (const unsigned char *s = (const unsigned char *) text; *s; s++)
                if (*s == 0x7f)
                        (void) fputs("\\u007f", f);
                else if (s[0] == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0)
                        (void) fprintf(f, "\\u%04x", *++s);
                else
                        (void) fputc(*s, f);
        (void) fputc('\n', f);
        return 0;
}
