/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.tced1.Table at /org/tced1/machine/UUID/table/LIOBN, and the enumeration of machines with their tables. */

#include <inttypes.h>

#include "dbus_internal.h"
#include "manager_audit.h"
#include "names.h"
#include "util.h"

#define PREFIX TCED_MACHINE_PREFIX "/"
#define UUID_LENGTH 32U
#define LIOBN_LENGTH 8U

static int find_table(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found, sd_bus_error *error) {
        static const char middle[] = "/table/";
        Connection *c = userdata;
        char canonical[PATH_MAX_TABLE], uuid[UUID_LENGTH + 1], liobn[LIOBN_LENGTH + 3] = "0x";
        const char *rest = path + strlen(PREFIX);
        uint64_t number;
        Machine *m;
        Table *t;

        if (strlen(path) != strlen(PREFIX) + UUID_LENGTH + strlen(middle) + LIOBN_LENGTH)
                return 0;
        memcpy(uuid, rest, UUID_LENGTH);
        uuid[UUID_LENGTH] = '\0';
        memcpy(liobn + 2, rest + UUID_LENGTH + strlen(middle), LIOBN_LENGTH + 1);
        m = manager_find_machine_by_uuid(c->manager, uuid);
        if (!m || !connection_may_see(c, m) || parse_u64(liobn, UINT32_MAX, &number) < 0)
                return 0;
        t = machine_find_table(m, (uint32_t) number);
        if (!t || !streq(path, path_of_table(canonical, t)))
                return 0;
        *ret_found = t;
        return 1;
}

static int get_liobn(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                     sd_bus_error *error) {
        const Table *t = userdata;
        return sd_bus_message_append(reply, "u", t->plan->window.liobn);
}

static int get_page_shift(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                          void *userdata, sd_bus_error *error) {
        const Table *t = userdata;
        return sd_bus_message_append(reply, "u", t->plan->window.page_shift);
}

static int get_device(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                      void *userdata, sd_bus_error *error) {
        const Table *t = userdata;
        return sd_bus_message_append(reply, "s", t->plan->window.device);
}

static int get_kind(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                    sd_bus_error *error) {
        const Table *t = userdata;
        return sd_bus_message_append(reply, "s", device_kind_to_string(t->plan->window.kind));
}

static int get_bus_offset(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                          void *userdata, sd_bus_error *error) {
        const Table *t = userdata;
        return sd_bus_message_append(reply, "t", t->plan->window.bus_offset);
}

static int get_size(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                    sd_bus_error *error) {
        const Table *t = userdata;
        return sd_bus_message_append(reply, "t", t->plan->window.size);
}

static int get_entries(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                       void *userdata, sd_bus_error *error) {
        const Table *t = userdata;
        return sd_bus_message_append(reply, "t", t->plan->entries);
}

static int get_bytes(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                     sd_bus_error *error) {
        const Table *t = userdata;
        return sd_bus_message_append(reply, "t", t->plan->bytes);
}

static int get_group(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                     sd_bus_error *error) {
        const Table *t = userdata;
        return sd_bus_message_append(reply, "i", (int32_t) t->plan->window.group);
}

static int get_placement(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                         void *userdata, sd_bus_error *error) {
        const Table *t = userdata;
        return sd_bus_message_append(reply, "s", placement_to_string(t->plan->verdict.placement));
}

static int get_reason(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                      void *userdata, sd_bus_error *error) {
        const Table *t = userdata;
        return sd_bus_message_append(reply, "s", reason_to_string(t->plan->verdict.reason));
}

static int get_reason_text(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                           void *userdata, sd_bus_error *error) {
        const Table *t = userdata;
        return sd_bus_message_append(reply, "s", reason_text(t->plan->verdict.reason));
}

static int get_accel(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                     sd_bus_error *error) {
        const Table *t = userdata;
        return sd_bus_message_append(reply, "s", accel_to_string(t->plan->setting.accel));
}

static int get_rule(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                    sd_bus_error *error) {
        const Table *t = userdata;
        return sd_bus_message_append(reply, "s", t->plan->rule);
}

static int get_state(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                     sd_bus_error *error) {
        const Table *t = userdata;
        return sd_bus_message_append(reply, "s", table_state_to_string(t->state));
}

static int get_error(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                     sd_bus_error *error) {
        const Table *t = userdata;
        return sd_bus_message_append(reply, "i", (int32_t) t->error);
}

static int get_huge_pages(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                          void *userdata, sd_bus_error *error) {
        const Table *t = userdata;
        return sd_bus_message_append(reply, "b", t->huge_pages);
}

/* What the last audit saw of it; NULL: it was not audited yet. */
static const AuditTable *audited(sd_bus *bus, const Table *t) {
        return manager_audit_of_table(connection_current(bus)->manager, t);
}

static int get_found(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                     sd_bus_error *error) {
        const AuditTable *a = audited(bus, userdata);
        return sd_bus_message_append(reply, "s", a ? audit_found_to_string(a->found) : "");
}

static int get_found_text(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                          void *userdata, sd_bus_error *error) {
        const AuditTable *a = audited(bus, userdata);
        char text[64] = "";
        return sd_bus_message_append(reply, "s", a ? audit_found_text(a, text, sizeof(text)) : "");
}

static int get_found_why(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                         void *userdata, sd_bus_error *error) {
        const AuditTable *a = audited(bus, userdata);
        return sd_bus_message_append(reply, "s", a ? a->why : "");
}

static int get_found_usec(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                          void *userdata, sd_bus_error *error) {
        const AuditRecord *r = manager_audit_of_machine(connection_current(bus)->manager, ((const Table *) userdata)->machine);
        return sd_bus_message_append(reply, "t", r ? r->realtime_usec : UINT64_C(0));
}

typedef struct Nodes {
        Connection *connection;
        char **paths;
        size_t n, allocated;
} Nodes;

static int nodes_add(Nodes *n, const char *path) {
        /* With room for the NULL at the end. */
        if (ARRAY_RESERVE(n->paths, n->allocated, n->n + 2) < 0)
                return -ENOMEM;
        n->paths[n->n] = path ? strdup(path) : NULL;
        if (path && !n->paths[n->n])
                return -ENOMEM;
        n->n += !!path;
        return 0;
}

static int add_machine(Machine *m, void *userdata) {
        char machine_path[PATH_MAX_MACHINE], table_path[PATH_MAX_TABLE];
        Nodes *n = userdata;
        int r;

        if (!connection_lists(n->connection, m))
                return 0;
        r = nodes_add(n, path_of_machine(machine_path, m));
        for (size_t i = 0; r >= 0 && i < m->n_tables; i++)
                r = nodes_add(n, path_of_table(table_path, &m->tables[i]));
        return r;
}

static int enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes, sd_bus_error *error) {
        Connection *c = userdata;
        Nodes n = { .connection = c };
        int r;

        r = manager_foreach_machine(c->manager, add_machine, &n);
        if (r >= 0)
                r = nodes_add(&n, NULL);
        if (r < 0) {
                while (n.n > 0)
                        free(n.paths[--n.n]);
                free(n.paths);
                return r;
        }
        n.paths[n.n] = NULL;
        *ret_nodes = n.paths;
        return 0;
}

#define CONST SD_BUS_VTABLE_PROPERTY_CONST
#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Liobn", "u", get_liobn, 0, CONST),
        SD_BUS_PROPERTY("Device", "s", get_device, 0, CONST),
        SD_BUS_PROPERTY("Kind", "s", get_kind, 0, CONST),
        SD_BUS_PROPERTY("BusOffset", "t", get_bus_offset, 0, CONST),
        SD_BUS_PROPERTY("Size", "t", get_size, 0, CONST),
        SD_BUS_PROPERTY("PageShift", "u", get_page_shift, 0, CONST),
        SD_BUS_PROPERTY("Entries", "t", get_entries, 0, CONST),
        SD_BUS_PROPERTY("Bytes", "t", get_bytes, 0, CONST),
        SD_BUS_PROPERTY("Group", "i", get_group, 0, CONST),
        SD_BUS_PROPERTY("Placement", "s", get_placement, 0, CHANGES),
        SD_BUS_PROPERTY("Reason", "s", get_reason, 0, CHANGES),
        SD_BUS_PROPERTY("ReasonText", "s", get_reason_text, 0, CHANGES),
        SD_BUS_PROPERTY("Accel", "s", get_accel, 0, CONST),
        SD_BUS_PROPERTY("Rule", "s", get_rule, 0, CONST),
        SD_BUS_PROPERTY("State", "s", get_state, 0, CHANGES),
        SD_BUS_PROPERTY("Error", "i", get_error, 0, CHANGES),
        SD_BUS_PROPERTY("HugePages", "b", get_huge_pages, 0, CHANGES),
        SD_BUS_PROPERTY("Found", "s", get_found, 0, CHANGES),
        SD_BUS_PROPERTY("FoundText", "s", get_found_text, 0, CHANGES),
        SD_BUS_PROPERTY("FoundWhy", "s", get_found_why, 0, CHANGES),
        SD_BUS_PROPERTY("FoundUsec", "t", get_found_usec, 0, 0),
        SD_BUS_VTABLE_END,
};

int dbus_table_attach(Connection *c) {
        int r;

        r = sd_bus_add_fallback_vtable(c->bus, NULL, TCED_MACHINE_PREFIX, TCED_INTERFACE_TABLE, vtable, find_table, c);
        return r < 0 ? r : sd_bus_add_node_enumerator(c->bus, NULL, TCED_MACHINE_PREFIX, enumerate, c);
}
