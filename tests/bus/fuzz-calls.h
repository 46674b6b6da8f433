/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Random calls of all that introspection names, for those who try the daemon with what nobody would say. */

#include "client.h"
#include "fuzz-values.h"

/* A method or a property of an object, and the signature of what it takes. */
typedef struct Target {
        char *path, *interface, *member, *signature;
        bool property;
} Target;

typedef struct Targets {
        Target *targets;
        size_t n_targets, allocated_targets;
        Known known;
        size_t allocated_words, allocated_paths;
        /* Text in the name of an object that is left alone, with what is below it; NULL: none is. */
        const char *leave_alone;
} Targets;

/* All that the objects say of themselves now, in the place of what is known. What can't be asked for is left out. */
void targets_look(Targets *t, sd_bus *bus);
void targets_done(Targets *t);

/* One of them; methods, of which there are fewer than of properties, and which do more, are preferred. There must be one. */
const Target *targets_pick(const Targets *t, Random *r);
/* A call of it: Get, Set or the method itself; one of a few goes where it does not belong. NULL: it would be no message. */
sd_bus_message *targets_call(const Targets *t, Random *r, sd_bus *bus, const Target *target);

/* Is that an error as tced's clients may get one: by a name of ours or D-Bus's own, and in words? */
bool is_error_in_words(const char *name, const char *text);
