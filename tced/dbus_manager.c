/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.tced1.Manager at /org/tced1. */

#include <grp.h>

#include "build-config.h"
#include "account.h"
#include "dbus_internal.h"
#include "describe.h"
#include "log.h"
#include "names.h"
#include "util.h"

#define WINDOW_NAME_MAX 128U

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                       void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", TCED_VERSION);
}

static int get_kernel_release(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                              void *userdata, sd_bus_error *error) {
        const Connection *c = userdata;
        return sd_bus_message_append(reply, "s", c->manager->kvm.release);
}

static int get_page_size(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                         void *userdata, sd_bus_error *error) {
        const Connection *c = userdata;
        return sd_bus_message_append(reply, "t", c->manager->kvm.page_size);
}

static int get_api_version(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                           void *userdata, sd_bus_error *error) {
        const Connection *c = userdata;
        return sd_bus_message_append(reply, "u", (uint32_t) c->manager->kvm.api_version);
}

static int get_usable(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                      void *userdata, sd_bus_error *error) {
        const Connection *c = userdata;
        return sd_bus_message_append(reply, "s", proof_to_string(c->manager->kvm.vm.proof));
}

static int get_usable_why(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                          void *userdata, sd_bus_error *error) {
        const Connection *c = userdata;
        return sd_bus_message_append(reply, "s", c->manager->kvm.vm.why);
}

static int get_range_check(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                           void *userdata, sd_bus_error *error) {
        const Connection *c = userdata;
        return sd_bus_message_append(reply, "s", proof_to_string(c->manager->kvm.range_check.proof));
}

static int get_range_check_why(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                               void *userdata, sd_bus_error *error) {
        const Connection *c = userdata;
        return sd_bus_message_append(reply, "s", c->manager->kvm.range_check.why);
}

static int get_vm_types(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                        void *userdata, sd_bus_error *error) {
        const KvmFacts *k = &((const Connection *) userdata)->manager->kvm;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(sss)");
        for (int i = 0; r >= 0 && i < _VM_TYPE_MAX; i++)
                r = sd_bus_message_append(reply, "(sss)", vm_type_to_string((VmType) i), proof_to_string(k->vm_type[i].proof),
                                          k->vm_type[i].why);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_capabilities(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                            void *userdata, sd_bus_error *error) {
        const KvmFacts *k = &((const Connection *) userdata)->manager->kvm;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(suss)");
        for (int i = 0; r >= 0 && i < _KVM_CAPABILITY_MAX; i++)
                r = sd_bus_message_append(reply, "(suss)", kvm_capability_to_string((KvmCapability) i), k->capability[i].declared,
                                          proof_to_string(k->capability[i].proven.proof), k->capability[i].proven.why);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_extensions(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                          void *userdata, sd_bus_error *error) {
        const VfioFacts *v = &((const Connection *) userdata)->manager->vfio;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(suu)");
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(v->extension); i++)
                r = sd_bus_message_append(reply, "(suu)", v->extension[i].name, v->extension[i].id, v->extension[i].value);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_findings(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                        void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        _cleanup_free_ Finding *items = NULL;
        Findings seen;

        if (findings_seen(&c->manager->findings, connection_lists(c, NULL), &items, &seen) < 0)
                return -ENOMEM;
        return append_findings(reply, &seen);
}

static int append_numbers(sd_bus_message *reply, const Manager *m, AccountNumberAt number_at) {
        const char *name;
        uint64_t value;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{st}");
        for (size_t i = 0; r >= 0 && number_at(m, i, &name, &value); i++)
                r = sd_bus_message_append(reply, "{st}", name, value);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_limits(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                      void *userdata, sd_bus_error *error) {
        return append_numbers(reply, ((const Connection *) userdata)->manager, account_limit_at);
}

static int get_usage(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                     void *userdata, sd_bus_error *error) {
        return append_numbers(reply, ((const Connection *) userdata)->manager, account_usage_at);
}

static int get_probe_state(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                           void *userdata, sd_bus_error *error) {
        const Connection *c = userdata;
        return sd_bus_message_append(reply, "s", c->manager->proving ? "running" : "done");
}

static int method_list_groups(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const VfioFacts *v = &((Connection *) userdata)->manager->vfio;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        char path[PATH_MAX_GROUP];
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(uso)");
        for (size_t i = 0; r >= 0 && i < v->n_groups; i++)
                r = sd_bus_message_append(reply, "(uso)", (uint32_t) v->groups[i].number,
                                          group_viability_to_string(v->groups[i].viability), path_of_group(path, v->groups[i].number));
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int method_get_group_by_device(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        const GroupFacts *g;
        const char *address;
        char path[PATH_MAX_GROUP];
        int r;

        r = sd_bus_message_read(m, "s", &address);
        if (r < 0)
                return r;
        g = vfio_facts_find_device(&c->manager->vfio, address);
        if (!g)
                return sd_bus_error_setf(error, TCED_ERROR_NO_SUCH_GROUP,
                                         "No device '%s' is in an IOMMU group; `tcectl groups` lists those that are", address);
        return sd_bus_reply_method_return(m, "o", path_of_group(path, g->number));
}

typedef struct Listing {
        Connection *connection;
        sd_bus_message *reply;
} Listing;

static int list_machine(Machine *machine, void *userdata) {
        const Listing *l = userdata;
        char path[PATH_MAX_MACHINE];

        if (!connection_lists(l->connection, machine))
                return 0;
        return sd_bus_message_append(l->reply, "(sssuuo)", machine->name, machine->uuid, machine_state_to_string(machine->state),
                                     machine->state == MACHINE_CLAIMED ? (uint32_t) machine->process.pid : 0U,
                                     (uint32_t) machine->owner, path_of_machine(path, machine));
}

static int method_list_machines(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Listing l = { .connection = c };
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sssuuo)");
        l.reply = reply;
        if (r >= 0)
                r = manager_foreach_machine(c->manager, list_machine, &l);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int reply_machine(sd_bus_message *m, Connection *c, const Machine *machine, const char *wanted, sd_bus_error *error) {
        char path[PATH_MAX_MACHINE];

        if (!machine || !connection_may_see(c, machine))
                return sd_bus_error_setf(error, TCED_ERROR_NO_SUCH_MACHINE,
                                         "No machine '%s' is registered; `tcectl machines` lists those that are", wanted);
        return sd_bus_reply_method_return(m, "o", path_of_machine(path, machine));
}

static int method_get_machine(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        const char *name;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        return reply_machine(m, c, manager_find_machine(c->manager, name), name, error);
}

static int method_get_machine_by_pid(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        _cleanup_caller_ Caller caller = CALLER_INIT;
        char wanted[32];
        uint32_t pid;
        int r;

        r = sd_bus_message_read(m, "u", &pid);
        if (r < 0)
                return r;
        if (pid == 0) {
                r = caller_get(m, true, &caller, error);
                if (r < 0)
                        return r;
                pid = (uint32_t) caller.process.pid;
        }
        (void) snprintf(wanted, sizeof(wanted), "of process %u", pid);
        return reply_machine(m, c, manager_find_machine_by_pid(c->manager, (pid_t) pid), wanted, error);
}

static int read_window(sd_bus_message *m, Window *ret, sd_bus_error *error) {
        const char *kind, *device;
        Window w = {};
        int r, known, notifier;

        r = sd_bus_message_read(m, "(ssuttubi)", &kind, &device, &w.liobn, &w.bus_offset, &w.size, &w.page_shift, &notifier, &w.group);
        if (r <= 0)
                return r;
        known = device_kind_from_string(kind);
        if (known < 0)
                return sd_bus_error_setf(error, TCED_ERROR_INVALID_ARGUMENT, "Kind '%s' of liobn 0x%08x is none of vio, pci, vfio", kind,
                                         w.liobn);
        if (strlen(device) > WINDOW_NAME_MAX || isempty(device))
                return sd_bus_error_setf(error, TCED_ERROR_INVALID_ARGUMENT, "The device of liobn 0x%08x needs a name of 1 to %u bytes",
                                         w.liobn, WINDOW_NAME_MAX);
        if (known == DEVICE_VFIO ? w.group < -1 : w.group != -1)
                return sd_bus_error_setf(error, TCED_ERROR_INVALID_ARGUMENT,
                                         "IOMMU group %d of liobn 0x%08x: only `vfio` windows have one; pass -1", w.group, w.liobn);
        w.kind = (DeviceKind) known;
        w.notifier = notifier;
        w.device = strdup(device);
        if (!w.device)
                return -ENOMEM;
        *ret = w;
        return 1;
}

static int read_windows(sd_bus_message *m, const Limits *limits, Description *d, sd_bus_error *error) {
        size_t allocated = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(ssuttubi)");
        while (r >= 0) {
                if (d->n_windows > limits->tables_per_machine_max)
                        return sd_bus_error_setf(error, TCED_ERROR_LIMIT_EXCEEDED,
                                                 "TablesPerMachineMax=%" PRIu64 " is exceeded; give the VM fewer windows, or raise it",
                                                 limits->tables_per_machine_max);
                if (ARRAY_RESERVE(d->windows, allocated, d->n_windows + 1) < 0)
                        return -ENOMEM;
                r = read_window(m, &d->windows[d->n_windows], error);
                if (r == 0)
                        return sd_bus_message_exit_container(m);
                if (r > 0)
                        d->n_windows++;
        }
        return r;
}

static int read_properties(sd_bus_message *m, uid_t *owner, sd_bus_error *error) {
        const char *key;
        uint32_t uid;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0) {
                r = sd_bus_message_enter_container(m, 'e', "sv");
                if (r == 0)
                        return sd_bus_message_exit_container(m);
                if (r >= 0)
                        r = sd_bus_message_read(m, "s", &key);
                if (r >= 0 && !streq(key, "OwnerUid"))
                        return sd_bus_error_setf(error, TCED_ERROR_INVALID_ARGUMENT, "Property '%s' is not known; OwnerUid is", key);
                if (r >= 0)
                        r = sd_bus_message_read(m, "v", "u", &uid);
                if (r < 0)
                        return sd_bus_error_set(error, TCED_ERROR_INVALID_ARGUMENT, "OwnerUid takes a user's number (u)");
                *owner = (uid_t) uid;
                r = sd_bus_message_exit_container(m);
        }
        return r;
}

/* Root, or a member of the group kvm for itself; in --user mode the daemon's own user; and whom polkit allows it to. Returns as caller_permit(). */
static int may_register(sd_bus_message *m, Connection *c, const Caller *caller, const Registration *r, sd_bus_error *error) {
        const char *name = c->manager->config.kvm_group;
        char refusal[256], owner[16];
        const char *details[] = { "machine", r->description.name, "uuid", r->description.uuid, "owner", owner, NULL };
        const struct group *group;

        if (caller->uid == 0)
                return 0;
        (void) snprintf(owner, sizeof(owner), "%u", (unsigned) r->owner);
        if (r->owner != caller->uid) {
                (void) snprintf(refusal, sizeof(refusal), "User %u may register no VM for user %s; root may", (unsigned) caller->uid, owner);
                if (is_master(caller->uid))
                        return sd_bus_error_set(error, TCED_ERROR_NOT_AUTHORIZED, refusal);
                return caller_permit(m, &(Permission) { .action = TCED_POLKIT_REGISTER, .details = details, .refusal = refusal }, error);
        }
        if (is_master(caller->uid))
                return 0;
        group = getgrnam(name);
        if (group && process_in_group(c->manager->proc_fd, &caller->process, group->gr_gid) > 0)
                return 0;
        (void) snprintf(refusal, sizeof(refusal), "User %u may register no VM: add it to the group %.64s", (unsigned) caller->uid, name);
        return caller_permit(m, &(Permission) { .action = TCED_POLKIT_REGISTER, .details = details, .refusal = refusal }, error);
}

static void on_registered(Machine *machine, const Refusal *refusal, void *userdata) {
        sd_bus_message *m = userdata;
        char path[PATH_MAX_MACHINE];

        if (!machine) {
                reply_refusal(m, refusal);
                return;
        }
        answered(m, sd_bus_reply_method_return(m, "o", path_of_machine(path, machine)));
        request_end(m);
}

/* A registration on the bus, whose connection may be another when it is answered. */
typedef struct OnBus {
        DBus *dbus;
        sd_bus_message *message;
} OnBus;

static void on_registered_on_bus(Machine *machine, const Refusal *refusal, void *userdata) {
        OnBus *b = userdata;

        if (!machine)
                reply_refusal(b->message, refusal);
        else {
                memlock_reply_registered(connection_of(b->dbus, b->message), b->message, machine);
                request_end(b->message);
        }
        free(b);
}

/* Without its dashes; whether the digits are hex ones is for the manager to see. */
static int copy_uuid(const char *text, char ret[33], sd_bus_error *error) {
        size_t n = 0;

        for (const char *c = text; *c; c++) {
                if (*c == '-')
                        continue;
                if (n < 32)
                        ret[n] = *c;
                n++;
        }
        if (n > 32 || (n == 0 && *text)) {
                Refusal refusal;

                (void) refuse(&refusal, TCED_ERROR_INVALID_ARGUMENT,
                              "'%.64s' is no UUID: give 32 hex digits, dashes or not, or nothing and tced makes one", text);
                return refusal_to_error(&refusal, error);
        }
        ret[n] = '\0';
        return 0;
}

static int read_registration(sd_bus_message *m, Connection *c, Caller *caller, Registration *r, sd_bus_error *error) {
        const char *name, *uuid;
        int n;

        r->owner = r->registrar = caller->uid;
        n = sd_bus_message_read(m, "ss", &name, &uuid);
        if (n < 0)
                return n;
        n = copy_uuid(uuid, r->description.uuid, error);
        if (n < 0)
                return n;
        r->description.name = strdup(name);
        if (!r->description.name)
                return -ENOMEM;
        n = read_windows(m, &c->manager->config.limits, &r->description, error);
        if (n >= 0)
                n = read_properties(m, &r->owner, error);
        return n < 0 ? n : read_flags(m, error);
}

static int method_register_machine(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        _cleanup_caller_ Caller caller = CALLER_INIT;
        OnBus *on_bus = NULL;
        Registration *r;
        int n;

        n = caller_get(m, true, &caller, error);
        if (n < 0)
                return n;
        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        r->process = (Process) PROCESS_INIT;
        n = read_registration(m, c, &caller, r, error);
        if (n >= 0)
                n = may_register(m, c, &caller, r, error);
        if (n == 0 && !c->peer) {
                on_bus = malloc(sizeof(*on_bus));
                n = on_bus ? 0 : -ENOMEM;
        }
        if (n == 0)
                n = request_hold(m, caller.uid, error);
        if (n != 0) {
                free(on_bus);
                registration_free(r);
                return n;
        }
        /* Its own ends with it; another's is there for that to claim. */
        if (caller.uid != 0 && r->owner == caller.uid) {
                r->process = caller.process;
                caller.process = (Process) PROCESS_INIT;
        }
        if (!on_bus)
                manager_register(c->manager, r, on_registered, m);
        else {
                *on_bus = (OnBus) { c->dbus, m };
                manager_register(c->manager, r, on_registered_on_bus, on_bus);
        }
        return 1;
}

static void on_probed(int error, const char *why, void *userdata) {
        sd_bus_message *m = userdata;

        if (error)
                answered(m, sd_bus_reply_method_errorf(m, error == ETIMEDOUT ? TCED_ERROR_TIMED_OUT : TCED_ERROR_PROBE_FAILED, "%s", why));
        else
                answered(m, sd_bus_reply_method_return(m, NULL));
        request_end(m);
}

static int method_probe(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        static const char *const deeply[] = { "deep", "yes", NULL }, *const shallowly[] = { "deep", "no", NULL };
        _cleanup_caller_ Caller caller = CALLER_INIT;
        Connection *c = userdata;
        int r, deep;

        r = sd_bus_message_read(m, "b", &deep);
        if (r >= 0)
                r = read_flags(m, error);
        if (r >= 0)
                r = caller_permit(m, &(Permission) { .action = TCED_POLKIT_PROBE, .details = deep ? deeply : shallowly,
                                                     .refusal = "Probe is for root: try sudo" }, error);
        if (r == 0)
                r = caller_get(m, false, &caller, error);
        if (r == 0)
                r = request_hold(m, caller.uid, error);
        if (r != 0)
                return r;
        r = manager_probe(c->manager, deep, on_probed, m);
        if (r < 0) {
                request_end(m);
                return r;
        }
        return 1;
}

static int method_rescan(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        int r;

        r = caller_permit_plain(m, TCED_POLKIT_RESCAN, "Rescan", error);
        if (r > 0)
                return r;
        if (r == 0)
                r = manager_rescan(c->manager);
        return r < 0 ? r : sd_bus_reply_method_return(m, NULL);
}

static int method_reload(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        int r;

        r = caller_permit_plain(m, TCED_POLKIT_RELOAD, "Reload", error);
        if (r > 0)
                return r;
        if (r == 0)
                r = manager_reload_notify(c->manager);
        return r < 0 ? r : sd_bus_reply_method_return(m, NULL);
}

static bool listed(const Machine *machine, void *userdata) {
        return connection_lists(userdata, machine);
}

static int method_describe(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        _cleanup_free_ char *json = NULL;
        int r;

        r = read_flags(m, error);
        if (r < 0)
                return r;
        /* A hook may have come, and nothing says so. */
        manager_look_at_hook(c->manager);
        manager_look_at_adapter(c->manager);
        r = describe(c->manager, listed, c, &json);
        return r < 0 ? r : sd_bus_reply_method_return(m, "s", json);
}

#define CONST SD_BUS_VTABLE_PROPERTY_CONST
#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define ANYONE SD_BUS_VTABLE_UNPRIVILEGED

/* Anyone may send; who may do it is decided above, denied unless allowed. */
static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, CONST),
        SD_BUS_PROPERTY("KernelRelease", "s", get_kernel_release, 0, CONST),
        SD_BUS_PROPERTY("PageSize", "t", get_page_size, 0, CONST),
        SD_BUS_PROPERTY("KvmApiVersion", "u", get_api_version, 0, CHANGES),
        SD_BUS_PROPERTY("KvmUsable", "s", get_usable, 0, CHANGES),
        SD_BUS_PROPERTY("KvmUsableWhy", "s", get_usable_why, 0, CHANGES),
        SD_BUS_PROPERTY("VmTypes", "a(sss)", get_vm_types, 0, CHANGES),
        SD_BUS_PROPERTY("Capabilities", "a(suss)", get_capabilities, 0, CHANGES),
        SD_BUS_PROPERTY("MultiTceRangeCheck", "s", get_range_check, 0, CHANGES),
        SD_BUS_PROPERTY("MultiTceRangeCheckWhy", "s", get_range_check_why, 0, CHANGES),
        SD_BUS_PROPERTY("VfioExtensions", "a(suu)", get_extensions, 0, CHANGES),
        SD_BUS_PROPERTY("Findings", "a(sssss)", get_findings, 0, CHANGES),
        SD_BUS_PROPERTY("Limits", "a{st}", get_limits, 0, CHANGES),
        SD_BUS_PROPERTY("Usage", "a{st}", get_usage, 0, 0),
        SD_BUS_PROPERTY("ProbeState", "s", get_probe_state, 0, CHANGES),
        SD_BUS_METHOD_WITH_ARGS("ListGroups", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(uso)", groups), method_list_groups, ANYONE),
        SD_BUS_METHOD_WITH_ARGS("GetGroupByDevice", SD_BUS_ARGS("s", address), SD_BUS_RESULT("o", group), method_get_group_by_device,
                                ANYONE),
        SD_BUS_METHOD_WITH_ARGS("ListMachines", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sssuuo)", machines), method_list_machines, ANYONE),
        SD_BUS_METHOD_WITH_ARGS("GetMachine", SD_BUS_ARGS("s", name), SD_BUS_RESULT("o", machine), method_get_machine, ANYONE),
        SD_BUS_METHOD_WITH_ARGS("GetMachineByPID", SD_BUS_ARGS("u", pid), SD_BUS_RESULT("o", machine), method_get_machine_by_pid,
                                ANYONE),
        SD_BUS_METHOD_WITH_ARGS("RegisterMachine",
                                SD_BUS_ARGS("s", name, "s", uuid, "a(ssuttubi)", windows, "a{sv}", properties, "t", flags),
                                SD_BUS_RESULT("o", machine), method_register_machine, ANYONE),
        SD_BUS_METHOD_WITH_ARGS("PlanDomain", SD_BUS_ARGS("s", domain, "a{sv}", options, "t", flags), SD_BUS_RESULT("s", json),
                                method_plan_domain, ANYONE),
        SD_BUS_METHOD_WITH_ARGS("RegisterDomain", SD_BUS_ARGS("s", xml, "t", flags),
                                SD_BUS_RESULT("o", machine, "a(sssss)", findings), method_register_domain, ANYONE),
        SD_BUS_METHOD_WITH_ARGS("ReleaseDomain", SD_BUS_ARGS("s", xml, "t", flags), SD_BUS_NO_RESULT, method_release_domain, ANYONE),
        SD_BUS_METHOD_WITH_ARGS("Audit", SD_BUS_ARGS("t", flags), SD_BUS_RESULT("s", json), method_audit, ANYONE),
        SD_BUS_METHOD_WITH_ARGS("AuditProcess", SD_BUS_ARGS("u", pid, "t", flags), SD_BUS_RESULT("s", json), method_audit_process, ANYONE),
        SD_BUS_METHOD_WITH_ARGS("Probe", SD_BUS_ARGS("b", deep, "t", flags), SD_BUS_NO_RESULT, method_probe, ANYONE),
        SD_BUS_METHOD_WITH_ARGS("Rescan", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_rescan, ANYONE),
        SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_reload, ANYONE),
        SD_BUS_METHOD_WITH_ARGS("Describe", SD_BUS_ARGS("t", flags), SD_BUS_RESULT("s", json), method_describe, ANYONE),
        SD_BUS_SIGNAL_WITH_ARGS("MachineNew", SD_BUS_ARGS("s", name, "o", machine), 0),
        SD_BUS_SIGNAL_WITH_ARGS("MachineRemoved", SD_BUS_ARGS("s", name, "o", machine), 0),
        SD_BUS_SIGNAL_WITH_ARGS("SlowPath", SD_BUS_ARGS("s", name, "u", pid, "s", text), 0),
        SD_BUS_VTABLE_END,
};

int dbus_manager_attach(Connection *c) {
        return sd_bus_add_object_vtable(c->bus, NULL, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, vtable, c);
}
