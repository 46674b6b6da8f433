/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What must hold of every screen of tcectl's, and answers that are changed in one place. */

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "util.h"

/* Is every line within the width, printable, and without blanks at its end? Says which is not. */
static inline bool is_sound(const char *text, unsigned width) {
        for (const char *line = text; *line;) {
                size_t n = strcspn(line, "\n");
                char copy[4096];
                wchar_t wide[4096];
                int columns;

                if (n >= sizeof(copy) || line[n] != '\n')
                        return false;
                memcpy(copy, line, n);
                copy[n] = '\0';
                /* wcswidth() is -1 where one character is not printable. */
                columns = mbstowcs(wide, copy, ELEMENTSOF(wide)) == (size_t) -1 ? -1 : wcswidth(wide, ELEMENTSOF(wide));
                if (columns < 0 || (unsigned) columns > width || (n > 0 && line[n - 1] == ' ')) {
                        printf("# %d columns of %u: '%s'\n", columns, width, copy);
                        return false;
                }
                line += n + 1;
        }
        return true;
}

/* Takes the colours out of a text, in place. Was each switched off again? */
static inline bool strip_colours(char *text) {
        char *to = text;
        bool on = false;

        for (const char *p = text; *p; p++)
                if (p[0] == '\033' && p[1] == '[') {
                        on = strncmp(p, "\033[0m", 4) != 0;
                        p += strcspn(p, "m");
                } else
                        *to++ = *p;
        *to = '\0';
        return !on;
}

/* Replaces the member or item that comes as number *n in the tree, or takes it away (change 0). */
static inline bool mutate(json_object *json, size_t *n, unsigned change);

static inline json_object *replacement(unsigned change) {
        static const char *const values[] = {
                "null", "true", "-1", "18446744073709551615", "1e300", "\"\\u001b[2J \\u00e4 \\u7f51\"", "\"\"", "[]", "{}",
                "[[{\"a\":[1]},null]]", "{\"proven\":\"yes\",\"why\":\"\"}",
        };

        return change < ELEMENTSOF(values) ? json_tokener_parse(values[change]) : NULL;
}
#define CHANGES 11U

static inline bool mutate_array(json_object *array, size_t *n, unsigned change) {
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                if ((*n)-- == 0) {
                        (void) json_object_array_put_idx(array, i, replacement(change));
                        return true;
                }
                if (mutate(json_object_array_get_idx(array, i), n, change))
                        return true;
        }
        return false;
}

static inline bool mutate(json_object *json, size_t *n, unsigned change) {
        if (json_object_is_type(json, json_type_array))
                return mutate_array(json, n, change);
        if (!json_object_is_type(json, json_type_object))
                return false;
        json_object_object_foreach(json, key, value) {
                if ((*n)-- == 0) {
                        if (change == CHANGES)
                                json_object_object_del(json, key);
                        else
                                (void) json_object_object_add(json, key, replacement(change));
                        return true;
                }
                if (mutate(value, n, change))
                        return true;
        }
        return false;
}
