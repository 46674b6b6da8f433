/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bind and Release of org.tced1.Group, and the properties that go with them. */

#include <inttypes.h>

#include "dbus_group.h"
#include "dbus_internal.h"
#include "manager_bind.h"
#include "names.h"
#include "util.h"

static void on_done(const Refusal *refusal, void *userdata) {
        sd_bus_message *m = userdata;

        if (refusal) {
                reply_refusal(m, refusal);
                return;
        }
        answered(m, sd_bus_reply_method_return(m, NULL));
        request_end(m);
}

static int read_bind_flags(sd_bus_message *m, uint64_t *ret, sd_bus_error *error) {
        int r = sd_bus_message_read(m, "t", ret);

        if (r < 0)
                return r;
        if (*ret & ~(GROUP_BIND_FORCE | GROUP_BIND_PERSISTENT))
                return sd_bus_error_setf(error, TCED_ERROR_INVALID_ARGUMENT,
                                         "Flags %#" PRIx64 " are not known to this tced; 1 (force) and 2 (persistent) are", *ret);
        return 0;
}

static int bind_or_release(sd_bus_message *m, bool release, const GroupFacts *g, sd_bus_error *error) {
        Connection *c = connection_current(sd_bus_message_get_bus(m));
        _cleanup_caller_ Caller caller = CALLER_INIT;
        char refusal[80];
        uint64_t flags;
        int r;

        r = read_bind_flags(m, &flags, error);
        if (r < 0)
                return r;
        (void) snprintf(refusal, sizeof(refusal), "%s IOMMU group %u is for root: try sudo", release ? "Giving back" : "Binding", g->number);
        r = group_permit(m, g, release ? TCED_POLKIT_RELEASE : TCED_POLKIT_BIND,
                         (const char *const[]){ "operation", release ? "release" : "bind", "force", flags & GROUP_BIND_FORCE ? "yes" : "no",
                                                "persistent", flags & GROUP_BIND_PERSISTENT ? "yes" : "no", NULL }, refusal, error);
        if (r == 0)
                r = caller_get(m, false, &caller, error);
        if (r == 0)
                r = request_hold(m, caller.uid, error);
        if (r != 0)
                return r;
        (release ? manager_release_group : manager_bind_group)(c->manager, g, flags, on_done, m);
        return 1;
}

int method_group_bind(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return bind_or_release(m, false, userdata, error);
}

int method_group_release(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return bind_or_release(m, true, userdata, error);
}

int get_group_binding(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                      sd_bus_error *error) {
        const BindRecord *record = manager_find_binding(connection_current(bus)->manager, userdata);

        return sd_bus_message_append(reply, "s", record ? bind_state_to_string(record->state) : "");
}

int get_group_binding_why(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                          sd_bus_error *error) {
        const BindRecord *record = manager_find_binding(connection_current(bus)->manager, userdata);

        return sd_bus_message_append(reply, "s", record ? record->why : "");
}

int get_group_persistent(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                         sd_bus_error *error) {
        return sd_bus_message_append(reply, "b", manager_is_persistent(connection_current(bus)->manager, userdata));
}

int get_group_in_use(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                     sd_bus_error *error) {
        const UseFacts *uses = manager_look_at_uses(connection_current(bus)->manager);
        const GroupFacts *g = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(ssss)");
        for (size_t i = 0; r >= 0 && uses && i < g->n_devices; i++) {
                size_t n;
                const DeviceUseFact *use = use_facts_find(uses, g->devices[i].address, &n);

                for (size_t j = 0; r >= 0 && j < n; j++)
                        r = sd_bus_message_append(reply, "(ssss)", g->devices[i].address, device_use_to_string(use[j].use), use[j].text,
                                                  use[j].remedy);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static bool lists(const Machine *machine, void *userdata) {
        return connection_lists(userdata, machine);
}

int get_group_assignable(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                         sd_bus_error *error) {
        Connection *c = connection_current(bus);
        char text[OBSTACLE_MAX];

        return sd_bus_message_append(reply, "b", manager_group_assignable(c->manager, userdata, lists, c, text));
}

int get_group_obstacle(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                       sd_bus_error *error) {
        Connection *c = connection_current(bus);
        char text[OBSTACLE_MAX];

        (void) manager_group_assignable(c->manager, userdata, lists, c, text);
        return sd_bus_message_append(reply, "s", text);
}
