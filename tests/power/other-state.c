/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a tced of the next state version writes of a machine beyond what this one does (tests/power/meson.build). */

#include "machine_json.h"
#include "util.h"

#define MEMBER ",\"new_in_2\":[{\"word\":\"unheard-of\"},null]"

/* The linker's names: for whom the others call, and for the one that they would have called. */
int __real_machine_to_json(const Machine *machine, char **ret);
int __wrap_machine_to_json(const Machine *machine, char **ret);

int __wrap_machine_to_json(const Machine *machine, char **ret) {
        _cleanup_free_ char *line = NULL;
        int r = __real_machine_to_json(machine, &line);
        size_t length;

        if (r < 0)
                return r;
        length = strlen(line);
        if (length == 0 || line[length - 1] != '}')
                return -EINVAL;
        return asprintf(ret, "%.*s" MEMBER "}", (int) length - 1, line) < 0 ? -ENOMEM : 0;
}
