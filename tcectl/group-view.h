/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* IOMMU groups and their devices, by what an administrator knows them by: shared by all screens that show them and by the commands that are
 * given one. Pure. */

#include <json-c/json.h>
#include <stdbool.h>

#include "problem.h"
#include "text.h"

/* A group's state in a word: what tced is doing with it, else whether a VM could have it ("viable", "not-bound", …). */
typedef struct GroupState {
        const char *word; /* NULL: not told */
        Colour colour;
} GroupState;
GroupState group_state(json_object *group);

/* The first thing that keeps it from a VM, with the remedy; NULL: nothing does. Of a tced that does not tell, why it is not viable. */
const char *group_obstacle(json_object *group);
/* Is the text said by the obstacle already? */
bool group_obstacle_says(json_object *group, const char *text);

/* Is it bound at each boot? */
bool group_is_persistent(json_object *group);

/* The machines by their UUID: a host may have thousands of groups and of machines. holders_make(): 0 or -ENOMEM. */
typedef struct Holders {
        json_object **machines;
        size_t n;
} Holders;
int holders_make(json_object *json, Holders *ret);
void holders_clear(Holders *h);

/* The machine that has a group; NULL: none, or tced does not tell of that one. Borrowed, as all that is returned here. */
json_object *group_holder(const Holders *h, json_object *group);
/* How people call that: the machine's name, else the UUID; NULL: nobody has it. */
const char *group_holder_name(const Holders *h, json_object *group);

/* "enP1p1s0, VF 3 of 0001:01:00.0, default route": what names a device on this host, and what it is used for; "" where nothing
 * does. below_pf: it is shown below its PF, which then needs no name. To be freed. 0 or -ENOMEM. */
int device_role(json_object *group, json_object *device, bool below_pf, char **ret);
/* That and what kind of device it is: "enP1p1s0: 82574L Gigabit Network Connection". */
int device_title(json_object *group, json_object *device, char **ret);

/* Its devices as they are called in a sentence: "0001:00:00.0 enP1p1s0, 0001:00:00.1 enP1p1s1", eight at most. To be freed; NULL when memory
 * ran out. */
char *group_devices_text(json_object *group);

/* The group that a person names: by its number ("3"), a device's PCI address with or without its domain, or an interface. NULL with
 * *problem filled in where there is none, or several. */
json_object *group_find(json_object *json, const char *name, Problem *problem);
