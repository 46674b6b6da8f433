/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What dbus_group.c's vtable has from other files: members of org.tced1.Group (data/dbus/org.tced1.Group.xml). */

#include <systemd/sd-bus.h>

#include "facts.h"

int method_group_bind(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_group_release(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* caller_permit() for a verb of a group's. polkit is told all its devices, as a rule that allows one must see that another goes with it, and what
 * they are, since the number may be another group's and the slot another card's when it has said yes. more: name, value, …, NULL, at most
 * GROUP_DETAILS_MAX of them; or NULL. */
#define GROUP_DETAILS_MAX 6
int group_permit(sd_bus_message *m, const GroupFacts *g, const char *action, const char *const more[], const char *refusal, sd_bus_error *error);

#define GROUP_GETTER(name)                                                                                                      \
        int name(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata, \
                 sd_bus_error *error)
GROUP_GETTER(get_group_binding);
GROUP_GETTER(get_group_binding_why);
GROUP_GETTER(get_group_persistent);
GROUP_GETTER(get_group_in_use);
GROUP_GETTER(get_group_assignable);
GROUP_GETTER(get_group_obstacle);
