/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.tced1.Group at /org/tced1/group/N. What a property's callback gets is the group's facts: they are looked up anew for each message, and no
 * rescan comes between. */

#include <assert.h>
#include <inttypes.h>

#include "dbus_group.h"
#include "dbus_internal.h"
#include "names.h"
#include "util.h"

static int find_group(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found, sd_bus_error *error) {
        const Connection *c = userdata;
        const GroupFacts *g;
        char canonical[PATH_MAX_GROUP];
        uint64_t number;

        if (strncmp(path, TCED_GROUP_PREFIX "/", strlen(TCED_GROUP_PREFIX "/")) != 0 ||
            parse_u64(path + strlen(TCED_GROUP_PREFIX "/"), UINT32_MAX, &number) < 0)
                return 0;
        g = vfio_facts_find_group(&c->manager->vfio, (unsigned) number);
        /* One path for each object: not 01, not 0x1. */
        if (!g || !streq(path, path_of_group(canonical, g->number)))
                return 0;
        *ret_found = (void *) g;
        return 1;
}

static int enumerate_groups(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes, sd_bus_error *error) {
        const Connection *c = userdata;
        const VfioFacts *v = &c->manager->vfio;
        char **nodes = calloc(v->n_groups + 1, sizeof(*nodes)), path[PATH_MAX_GROUP];

        for (size_t i = 0; nodes && i < v->n_groups; i++) {
                nodes[i] = strdup(path_of_group(path, v->groups[i].number));
                if (nodes[i])
                        continue;
                while (i-- > 0)
                        free(nodes[i]);
                free(nodes);
                nodes = NULL;
        }
        if (!nodes)
                return -ENOMEM;
        *ret_nodes = nodes;
        return 0;
}

static int get_number(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                      void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "u", (uint32_t) ((const GroupFacts *) userdata)->number);
}

static int get_name(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                    sd_bus_error *error) {
        const GroupFacts *g = userdata;
        return sd_bus_message_append(reply, "s", g->name);
}

static int get_key(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                   sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", group_facts_key(userdata));
}

static int get_phb(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                   sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", ((const GroupFacts *) userdata)->phb);
}

static int get_device_links(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                            void *userdata, sd_bus_error *error) {
        const GroupFacts *g = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(sssssiuu)");
        for (size_t i = 0; r >= 0 && i < g->n_devices; i++) {
                const DeviceFacts *d = &g->devices[i];
                r = sd_bus_message_append(reply, "(sssssiuu)", d->address, d->interfaces, d->mac, d->bridge, d->physfn, (int32_t) d->vf,
                                          (uint32_t) d->vfs, (uint32_t) d->vfs_max);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_devices(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                       void *userdata, sd_bus_error *error) {
        const GroupFacts *g = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(suqqssssi)");
        for (size_t i = 0; r >= 0 && i < g->n_devices; i++) {
                const DeviceFacts *d = &g->devices[i];
                r = sd_bus_message_append(reply, "(suqqssssi)", d->address, d->class_code, d->vendor, d->device, d->vendor_name,
                                          d->device_name, d->class_name, d->driver, (int32_t) d->numa_node);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_viable(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                      void *userdata, sd_bus_error *error) {
        const GroupFacts *g = userdata;
        return sd_bus_message_append(reply, "b", g->viability == GROUP_VIABLE);
}

static int get_viability(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                         void *userdata, sd_bus_error *error) {
        const GroupFacts *g = userdata;
        return sd_bus_message_append(reply, "s", group_viability_to_string(g->viability));
}

static int get_viability_why(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                             void *userdata, sd_bus_error *error) {
        const GroupFacts *g = userdata;
        return sd_bus_message_append(reply, "s", g->viability_why);
}

static int get_dma32_start(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                           void *userdata, sd_bus_error *error) {
        const GroupFacts *g = userdata;
        return sd_bus_message_append(reply, "t", g->dma32_start);
}

static int get_dma32_size(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                          void *userdata, sd_bus_error *error) {
        const GroupFacts *g = userdata;
        return sd_bus_message_append(reply, "t", g->dma32_size);
}

static int append_bits(sd_bus_message *reply, uint64_t bits) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "t");
        for (unsigned bit = 0; r >= 0 && bit < 64; bit++)
                if (bits & (UINT64_C(1) << bit))
                        r = sd_bus_message_append(reply, "t", UINT64_C(1) << bit);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_page_sizes(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                          void *userdata, sd_bus_error *error) {
        const GroupFacts *g = userdata;
        return append_bits(reply, g->page_sizes);
}

static int get_ddw(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                   sd_bus_error *error) {
        const GroupFacts *g = userdata;
        return sd_bus_message_append(reply, "i", (int32_t) g->ddw);
}

static int get_windows_why(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                           void *userdata, sd_bus_error *error) {
        const GroupFacts *g = userdata;
        return sd_bus_message_append(reply, "s", g->windows_why);
}

static int get_windows_proven(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                              void *userdata, sd_bus_error *error) {
        const WindowProof *p = group_window_proof(userdata);
        return sd_bus_message_append(reply, "(ss)", proof_to_string(p->ddw.proof), p->ddw.why);
}

static int get_windows_told(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                            void *userdata, sd_bus_error *error) {
        const WindowProof *p = group_window_proof(userdata);
        int r;

        r = sd_bus_message_open_container(reply, 'r', "ttatuu");
        if (r >= 0)
                r = sd_bus_message_append(reply, "tt", p->dma32_start, p->dma32_size);
        if (r >= 0)
                r = append_bits(reply, p->page_sizes);
        if (r >= 0)
                r = sd_bus_message_append(reply, "uu", p->max_windows, p->levels);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_numa_node(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                         void *userdata, sd_bus_error *error) {
        const GroupFacts *g = userdata;
        return sd_bus_message_append(reply, "i", (int32_t) g->numa_node);
}

static int get_holder(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                      void *userdata, sd_bus_error *error) {
        Connection *c = connection_current(bus);
        const GroupFacts *g = userdata;
        const Machine *holder = manager_find_holder(c->manager, g->number);

        return sd_bus_message_append(reply, "s", holder && connection_lists(c, holder) ? holder->uuid : "");
}

static void on_opened(const Refusal *refusal, int container_fd, int group_fd, uint32_t iommu_type, void *userdata) {
        sd_bus_message *m = userdata;
        int r;

        if (refusal) {
                reply_refusal(m, refusal);
                return;
        }
        r = sd_bus_reply_method_return(m, "hhu", container_fd, group_fd, iommu_type);
        /* No fds left for the copies, or a caller that takes none: it must not wait for an answer for ever. */
        if (r < 0)
                answered(m, sd_bus_reply_method_errorf(m, TCED_ERROR_FAILED, "The fds of the IOMMU group can't be sent: %s", strerror(-r)));
        request_end(m);
}

static char *devices_text(const GroupFacts *g, const char *separator, bool identities) {
        _cleanup_free_ char *text = NULL;
        char identity[DEVICE_IDENTITY_MAX];
        size_t size;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return NULL;
        for (size_t i = 0; i < g->n_devices; i++)
                (void) fprintf(f, "%s%s", i > 0 ? separator : "", identities ? device_facts_identity(&g->devices[i], identity) : g->devices[i].address);
        return fclose(f) == 0 ? TAKE_PTR(text) : NULL;
}

int group_permit(sd_bus_message *m, const GroupFacts *g, const char *action, const char *const more[], const char *refusal, sd_bus_error *error) {
        _cleanup_free_ char *devices = devices_text(g, " ", false), *identities = devices_text(g, ", ", true);
        const char *details[GROUP_DETAILS_MAX + 7] = { "group", NULL, "devices", devices };
        char number[16];
        size_t n = 4;

        if (!devices || !identities)
                return -ENOMEM;
        (void) snprintf(number, sizeof(number), "%u", g->number);
        details[1] = number;
        for (size_t i = 0; more && more[i]; i++) {
                assert(i < GROUP_DETAILS_MAX);
                details[n++] = more[i];
        }
        details[n++] = "identities";
        details[n] = identities;
        return caller_permit(m, &(Permission) { .action = action, .details = details, .refusal = refusal }, error);
}

/* Root, and the process that runs a VM with the group. A user may write any group into a VM of its own: only what root registered gives a
 * right to the devices. Returns as caller_permit(). */
static int check_may_open(sd_bus_message *m, Connection *c, const GroupFacts *g, const Caller *caller, sd_bus_error *error) {
        const Machine *machine;
        char refusal[192];

        if (caller->uid == 0)
                return 0;
        machine = manager_find_machine_by_process(c->manager, &caller->process);
        if (machine && machine_is_run_by(machine, &caller->process) && machine->registrar == 0 && machine_holds_group(machine, g->number, g))
                return 0;
        (void) snprintf(refusal, sizeof(refusal), "IOMMU group %u is for root, and for the process that claimed a VM with a window of it that root "
                        "registered for its user", g->number);
        if (is_master(caller->uid))
                return sd_bus_error_set(error, TCED_ERROR_NOT_AUTHORIZED, refusal);
        return group_permit(m, g, TCED_POLKIT_OPEN_GROUP, NULL, refusal, error);
}

static int method_open(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = connection_current(sd_bus_message_get_bus(m));
        _cleanup_caller_ Caller caller = CALLER_INIT;
        const GroupFacts *g = userdata;
        int r;

        r = read_flags_and_caller(m, &caller, error);
        if (r >= 0)
                r = check_may_open(m, c, g, &caller, error);
        if (r == 0)
                r = request_hold(m, caller.uid, error);
        if (r != 0)
                return r;
        manager_open_group(c->manager, g, on_opened, m);
        return 1;
}

static void on_opened_into(const Refusal *refusal, int container_fd, int group_fd, uint32_t iommu_type, void *userdata) {
        sd_bus_message *m = userdata;
        int r;

        if (refusal) {
                reply_refusal(m, refusal);
                return;
        }
        r = sd_bus_reply_method_return(m, "h", group_fd);
        if (r < 0)
                answered(m, sd_bus_reply_method_errorf(m, TCED_ERROR_FAILED, "The fd of the IOMMU group can't be sent: %s", strerror(-r)));
        request_end(m);
}

static int method_open_into(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = connection_current(sd_bus_message_get_bus(m));
        _cleanup_caller_ Caller caller = CALLER_INIT;
        const GroupFacts *g = userdata;
        int r, container;

        r = read_flags(m, error);
        if (r >= 0)
                r = sd_bus_message_read(m, "h", &container);
        if (r >= 0)
                r = caller_get(m, true, &caller, error);
        if (r >= 0)
                r = check_may_open(m, c, g, &caller, error);
        if (r == 0)
                r = request_hold(m, caller.uid, error);
        if (r != 0)
                return r;
        /* The fd is the message's, and copied. */
        manager_open_group_into(c->manager, g, container, on_opened_into, m);
        return 1;
}

static void on_probed(const Refusal *refusal, void *userdata) {
        sd_bus_message *m = userdata;

        if (refusal) {
                reply_refusal(m, refusal);
                return;
        }
        answered(m, sd_bus_reply_method_return(m, NULL));
        request_end(m);
}

static int method_probe(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = connection_current(sd_bus_message_get_bus(m));
        _cleanup_caller_ Caller caller = CALLER_INIT;
        const GroupFacts *g = userdata;
        int r;

        r = read_flags(m, error);
        if (r >= 0)
                r = group_permit(m, g, TCED_POLKIT_PROBE, NULL, "Probe is for root: try sudo", error);
        if (r == 0)
                r = caller_get(m, false, &caller, error);
        if (r == 0)
                r = request_hold(m, caller.uid, error);
        if (r != 0)
                return r;
        manager_probe_group(c->manager, g->number, on_probed, m);
        return 1;
}

#define CONST SD_BUS_VTABLE_PROPERTY_CONST
#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Number", "u", get_number, 0, CONST),
        SD_BUS_PROPERTY("Name", "s", get_name, 0, CONST),
        SD_BUS_PROPERTY("Key", "s", get_key, 0, CONST),
        SD_BUS_PROPERTY("Phb", "s", get_phb, 0, CHANGES),
        SD_BUS_PROPERTY("Devices", "a(suqqssssi)", get_devices, 0, CHANGES),
        SD_BUS_PROPERTY("DeviceLinks", "a(sssssiuu)", get_device_links, 0, CHANGES),
        SD_BUS_PROPERTY("Viable", "b", get_viable, 0, CHANGES),
        SD_BUS_PROPERTY("Viability", "s", get_viability, 0, CHANGES),
        SD_BUS_PROPERTY("ViabilityWhy", "s", get_viability_why, 0, CHANGES),
        SD_BUS_PROPERTY("Dma32Start", "t", get_dma32_start, 0, CHANGES),
        SD_BUS_PROPERTY("Dma32Size", "t", get_dma32_size, 0, CHANGES),
        SD_BUS_PROPERTY("PageSizes", "at", get_page_sizes, 0, CHANGES),
        SD_BUS_PROPERTY("Ddw", "i", get_ddw, 0, CHANGES),
        SD_BUS_PROPERTY("WindowsWhy", "s", get_windows_why, 0, CHANGES),
        SD_BUS_PROPERTY("WindowsProven", "(ss)", get_windows_proven, 0, CHANGES),
        SD_BUS_PROPERTY("WindowsTold", "(ttatuu)", get_windows_told, 0, CHANGES),
        SD_BUS_PROPERTY("NumaNode", "i", get_numa_node, 0, CHANGES),
        SD_BUS_PROPERTY("Holder", "s", get_holder, 0, CHANGES),
        SD_BUS_PROPERTY("Binding", "s", get_group_binding, 0, CHANGES),
        SD_BUS_PROPERTY("BindingWhy", "s", get_group_binding_why, 0, CHANGES),
        SD_BUS_PROPERTY("Persistent", "b", get_group_persistent, 0, CHANGES),
        SD_BUS_PROPERTY("InUse", "a(ssss)", get_group_in_use, 0, 0),
        SD_BUS_PROPERTY("Assignable", "b", get_group_assignable, 0, 0),
        SD_BUS_PROPERTY("Obstacle", "s", get_group_obstacle, 0, 0),
        SD_BUS_METHOD_WITH_ARGS("Bind", SD_BUS_ARGS("t", flags), SD_BUS_NO_RESULT, method_group_bind, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Release", SD_BUS_ARGS("t", flags), SD_BUS_NO_RESULT, method_group_release, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Open", SD_BUS_ARGS("t", flags), SD_BUS_RESULT("h", container, "h", group, "u", iommu_type), method_open,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("OpenInto", SD_BUS_ARGS("t", flags, "h", container), SD_BUS_RESULT("h", group), method_open_into,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Probe", SD_BUS_ARGS("t", flags), SD_BUS_NO_RESULT, method_probe, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

/* The properties that go with each; every one that has CHANGES is here (check_changes()). */
static const struct {
        GroupChange change;
        const char *names[6];
} changed_names[] = {
        { GROUP_CHANGE_PLACE, { "Phb", "NumaNode" } },
        /* A record of a device that is on no driver of vfio's is void. */
        { GROUP_CHANGE_DEVICES, { "Devices", "Binding", "BindingWhy" } },
        { GROUP_CHANGE_LINKS, { "DeviceLinks" } },
        { GROUP_CHANGE_VIABILITY, { "Viable", "Viability", "ViabilityWhy" } },
        { GROUP_CHANGE_WINDOWS, { "Dma32Start", "Dma32Size", "PageSizes", "Ddw", "WindowsWhy" } },
        { GROUP_CHANGE_PROOF, { "WindowsProven", "WindowsTold" } },
        { GROUP_CHANGE_HOLDER, { "Holder" } },
        { GROUP_CHANGE_BINDING, { "Binding", "BindingWhy", "Persistent" } },
};

static size_t list_changed(unsigned changes, const char *ret[ELEMENTSOF(changed_names) * ELEMENTSOF(changed_names[0].names) + 1]) {
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(changed_names); i++)
                for (size_t j = 0; changes & changed_names[i].change && j < ELEMENTSOF(changed_names[i].names) && changed_names[i].names[j]; j++)
                        ret[n++] = changed_names[i].names[j];
        ret[n] = NULL;
        return n;
}

void dbus_group_changed(Connection *c, unsigned number, unsigned changes) {
        const char *names[ELEMENTSOF(changed_names) * ELEMENTSOF(changed_names[0].names) + 1];
        char path[PATH_MAX_GROUP];

        if (list_changed(changes, names) > 0)
                (void) sd_bus_emit_properties_changed_strv(c->bus, path_of_group(path, number), TCED_INTERFACE_GROUP, (char **) names);
}

/* A new property must not be forgotten: nobody would hear that it changes. */
static void check_changes(void) {
        const char *names[ELEMENTSOF(changed_names) * ELEMENTSOF(changed_names[0].names) + 1];
        size_t n = list_changed(_GROUP_CHANGE_ALL, names);

        for (const sd_bus_vtable *v = vtable; v->type != _SD_BUS_VTABLE_END; v++) {
                bool found = v->type != _SD_BUS_VTABLE_PROPERTY || !(v->flags & CHANGES);

                for (size_t i = 0; i < n && !found; i++)
                        found = streq(names[i], v->x.property.member);
                assert(found);
        }
}

int dbus_group_attach(Connection *c) {
        int r;

        check_changes();
        r = sd_bus_add_fallback_vtable(c->bus, NULL, TCED_GROUP_PREFIX, TCED_INTERFACE_GROUP, vtable, find_group, c);
        return r < 0 ? r : sd_bus_add_node_enumerator(c->bus, NULL, TCED_GROUP_PREFIX, enumerate_groups, c);
}
