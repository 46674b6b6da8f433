/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bind and Release of org.tced1.Group, and the properties that go with them. Root may; whoever else asks on the system bus is asked for by
 * polkit; on the private socket there is nobody to ask. */

#include <inttypes.h>

#include "dbus_group.h"
#include "dbus_internal.h"
#include "manager_bind.h"
#include "names.h"
#include "util.h"

/* A call that waits: first for polkit, then for tced-bind. */
typedef struct Call {
        Connection *connection;
        sd_bus_message *message;
        unsigned number;
        char **devices; /* that were asked for (device_facts_identity()), ends with NULL: the number may be another group's by then */
        bool release;
        uint64_t flags;
} Call;

static void call_free(Call *call) {
        request_end(call->message);
        strings_free(call->devices);
        free(call);
}

static void on_done(const Refusal *refusal, void *userdata) {
        Call *call = userdata;

        if (refusal)
                answered(call->message, sd_bus_reply_method_errorf(call->message, refusal->name, "%s", refusal->text));
        else
                answered(call->message, sd_bus_reply_method_return(call->message, NULL));
        call_free(call);
}

static int note_devices(Call *call, const GroupFacts *g) {
        call->devices = calloc(g->n_devices + 1, sizeof(*call->devices));
        for (size_t i = 0; call->devices && i < g->n_devices; i++) {
                char identity[DEVICE_IDENTITY_MAX];

                call->devices[i] = strdup(device_facts_identity(&g->devices[i], identity));
                if (!call->devices[i])
                        return -ENOMEM;
        }
        return call->devices ? 0 : -ENOMEM;
}

/* Who said yes meant these, and no other that came to the group, or into the slot, while he was asked. */
static bool same_devices(const Call *call, const GroupFacts *g) {
        char identity[DEVICE_IDENTITY_MAX];
        size_t i;

        for (i = 0; i < g->n_devices && call->devices[i]; i++)
                if (!streq(call->devices[i], device_facts_identity(&g->devices[i], identity)))
                        return false;
        return i == g->n_devices && !call->devices[i];
}

static void go(Call *call) {
        Manager *m = call->connection->manager;
        const GroupFacts *g = vfio_facts_find_group(&m->vfio, call->number);

        if (!g || !same_devices(call, g)) {
                (void) sd_bus_reply_method_errorf(call->message, TCED_ERROR_NO_SUCH_GROUP,
                                                  "IOMMU group %u is not what it was: its devices have changed; look again, and ask again", call->number);
                call_free(call);
                return;
        }
        (call->release ? manager_release_group : manager_bind_group)(m, g, call->flags, on_done, call);
}

static const char *action_of(const Call *call) {
        return call->release ? TCED_POLKIT_RELEASE : TCED_POLKIT_BIND;
}

static void on_polkit(bool yes, const char *why, void *userdata) {
        Call *call = userdata;

        if (yes) {
                go(call);
                return;
        }
        (void) sd_bus_reply_method_errorf(call->message, TCED_ERROR_NOT_AUTHORIZED,
                                          "%s IOMMU group %u is for root, and polkit does not allow you %s: %s",
                                          call->release ? "Giving back" : "Binding", call->number, action_of(call), why);
        call_free(call);
}

char *group_devices_text(const GroupFacts *g) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return NULL;
        for (size_t i = 0; i < g->n_devices; i++)
                (void) fprintf(f, "%s%s", i > 0 ? " " : "", g->devices[i].address);
        if (fclose(f) == 0)
                return text;
        free(text);
        return NULL;
}

static int ask(Call *call, uid_t user, const GroupFacts *g) {
        _cleanup_free_ char *devices = group_devices_text(g);
        char number[16];
        const char *details[] = { "group", number, "devices", devices, "operation", call->release ? "release" : "bind",
                                  "force", call->flags & GROUP_BIND_FORCE ? "yes" : "no",
                                  "persistent", call->flags & GROUP_BIND_PERSISTENT ? "yes" : "no", NULL };
        PolkitQuestion question = { .action = action_of(call), .details = details, .user = user };

        if (!devices)
                return -ENOMEM;
        (void) snprintf(number, sizeof(number), "%u", g->number);
        polkit_question_patience(&question, call->message);
        return polkit_ask(call->connection, call->message, &question, on_polkit, call);
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
        uint64_t flags;
        Call *call;
        int r;

        r = read_bind_flags(m, &flags, error);
        if (r >= 0)
                r = caller_get(m, false, &caller, error);
        if (r < 0)
                return r;
        if (!is_master(caller.uid) && c->peer)
                return sd_bus_error_setf(error, TCED_ERROR_NOT_AUTHORIZED,
                                         "Here %s an IOMMU group is for root alone: use the system bus, where polkit is asked",
                                         release ? "giving back" : "binding");
        r = request_hold(m, caller.uid, error);
        if (r < 0)
                return r;
        call = calloc(1, sizeof(*call));
        if (!call) {
                request_end(m);
                return -ENOMEM;
        }
        *call = (Call) { .connection = c, .message = m, .number = g->number, .release = release, .flags = flags };
        r = note_devices(call, g);
        if (r < 0)
                ;
        else if (is_master(caller.uid))
                go(call);
        else
                r = ask(call, caller.uid, g);
        if (r >= 0)
                return 1;
        call_free(call);
        return polkit_unasked(r, release ? TCED_POLKIT_RELEASE : TCED_POLKIT_BIND, error);
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
