/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The facts, machines and findings as JSON. json-c's adders take a value over and fail only where memory ran out; rather than look at each,
 * the document is built through add(), which remembers a failure, and it is asked once at the end. */

#include "describe.h"

#include <inttypes.h>
#include <json-c/json.h>

#include "build-config.h"
#include "names.h"
#include "util.h"

typedef struct json_object Json;

/* Set by any failed allocation of the document that is being built; the daemon builds one at a time. */
static bool out_of_memory;

static void add(Json *object, const char *key, Json *value) {
        if (!object || !value || json_object_object_add(object, key, value) < 0) {
                (void) json_object_put(value);
                out_of_memory = true;
        }
}

static void add_null(Json *object, const char *key) {
        if (!object || json_object_object_add(object, key, NULL) < 0)
                out_of_memory = true;
}

static void push(Json *array, Json *value) {
        if (!array || !value || json_object_array_add(array, value) < 0) {
                (void) json_object_put(value);
                out_of_memory = true;
        }
}

static Json *new_object(void) {
        Json *o = json_object_new_object();

        out_of_memory |= !o;
        return o;
}

static Json *new_array(void) {
        Json *a = json_object_new_array();

        out_of_memory |= !a;
        return a;
}

static void add_string(Json *object, const char *key, const char *value) {
        if (value)
                add(object, key, json_object_new_string(value));
        else
                add_null(object, key);
}

static void add_number(Json *object, const char *key, uint64_t value) {
        add(object, key, json_object_new_uint64(value));
}

static void add_int(Json *object, const char *key, int value) {
        add(object, key, json_object_new_int(value));
}

static void add_bool(Json *object, const char *key, bool value) {
        add(object, key, json_object_new_boolean(value));
}

/* An errno as text, or null. */
static void add_error(Json *object, const char *key, int error) {
        add_string(object, key, error ? strerror(error) : NULL);
}

static void add_outcome(Json *object, const Outcome *o) {
        add_string(object, "proven", proof_to_string(o->proof));
        add_string(object, "why", o->why);
}

static Json *describe_findings(const Findings *f) {
        Json *array = new_array();

        for (size_t i = 0; i < f->n; i++) {
                const Finding *finding = &f->items[i];
                Json *o = new_object();

                add_string(o, "id", finding_id_to_string(finding->id));
                add_string(o, "severity", severity_to_string(finding->severity));
                add_string(o, "subject", finding->subject);
                add_string(o, "text", finding->text);
                add_string(o, "remedy", finding->remedy);
                push(array, o);
        }
        return array;
}

static Json *describe_kvm(const KvmFacts *k) {
        Json *o = new_object(), *part = new_object(), *array;

        add_error(o, "error", k->device_error);
        add_int(o, "api_version", k->api_version);
        add_outcome(part, &k->vm);
        add(o, "usable", part);
        array = new_array();
        for (int i = 0; i < _VM_TYPE_MAX; i++) {
                part = new_object();
                add_string(part, "name", vm_type_to_string((VmType) i));
                add_outcome(part, &k->vm_type[i]);
                push(array, part);
        }
        add(o, "vm_types", array);
        array = new_array();
        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++) {
                part = new_object();
                add_string(part, "name", kvm_capability_to_string((KvmCapability) i));
                add_number(part, "declared", k->capability[i].declared);
                add_outcome(part, &k->capability[i].proven);
                push(array, part);
        }
        add(o, "capabilities", array);
        part = new_object();
        add_outcome(part, &k->range_check);
        add(o, "multitce_range_check", part);
        return o;
}

static Json *describe_vfio(const VfioFacts *v) {
        Json *o = new_object(), *array = new_array();

        add_error(o, "error", v->container_error);
        add_int(o, "api_version", v->api_version);
        add_bool(o, "groups_supported", v->groups_supported);
        for (size_t i = 0; i < ELEMENTSOF(v->extension); i++) {
                Json *part = new_object();

                add_string(part, "name", v->extension[i].name);
                add_number(part, "id", v->extension[i].id);
                add_number(part, "value", v->extension[i].value);
                push(array, part);
        }
        add(o, "extensions", array);
        return o;
}

static Json *describe_host(const Manager *m) {
        Json *o = new_object();

        add_string(o, "machine", m->kvm.machine);
        add_string(o, "kernel_release", m->kvm.release);
        add_string(o, "kernel_version", m->kvm.version);
        add_number(o, "page_size", m->kvm.page_size);
        add_string(o, "probe", m->proving ? "running" : "done");
        add(o, "kvm", describe_kvm(&m->kvm));
        add(o, "vfio", describe_vfio(&m->vfio));
        return o;
}

static Json *describe_device(const DeviceFacts *d) {
        Json *o = new_object();

        add_string(o, "address", d->address);
        add_number(o, "class", d->class_code);
        add_string(o, "class_name", d->class_name);
        add_number(o, "vendor", d->vendor);
        add_number(o, "device", d->device);
        add_string(o, "vendor_name", d->vendor_name);
        add_string(o, "device_name", d->device_name);
        add_string(o, "driver", d->driver);
        add_int(o, "numa_node", d->numa_node);
        return o;
}

static void add_windows(Json *o, const GroupFacts *g) {
        Json *sizes = new_array(), *window;

        if (g->dma32_size > 0) {
                window = new_object();
                add_number(window, "start", g->dma32_start);
                add_number(window, "size", g->dma32_size);
                add(o, "dma32_window", window);
        } else
                add_null(o, "dma32_window");
        for (unsigned bit = 0; bit < 64; bit++)
                if (g->page_sizes & (UINT64_C(1) << bit))
                        push(sizes, json_object_new_uint64(UINT64_C(1) << bit));
        add(o, "page_sizes", sizes);
        if (g->ddw >= 0)
                add_bool(o, "ddw", g->ddw > 0);
        else
                add_null(o, "ddw");
        add_string(o, "windows_why", g->windows_why);
}

typedef struct Visibility {
        bool (*visible)(const Machine *, void *);
        void *userdata;
        Json *array;
} Visibility;

static Json *describe_group(Manager *m, const GroupFacts *g, const Visibility *v) {
        Json *o = new_object(), *devices = new_array();
        Machine *holder = manager_find_holder(m, g->number);
        char path[64];

        (void) snprintf(path, sizeof(path), TCED_GROUP_PREFIX "/%u", g->number);
        add_number(o, "number", g->number);
        add_string(o, "name", g->name);
        add_string(o, "path", path);
        add_bool(o, "viable", g->viability == GROUP_VIABLE);
        add_string(o, "viability", group_viability_to_string(g->viability));
        add_string(o, "why", g->viability_why);
        add_int(o, "numa_node", g->numa_node);
        add_windows(o, g);
        add_string(o, "holder", holder && (!v->visible || v->visible(holder, v->userdata)) ? holder->uuid : NULL);
        for (size_t i = 0; i < g->n_devices; i++)
                push(devices, describe_device(&g->devices[i]));
        add(o, "devices", devices);
        return o;
}

static Json *describe_table(const Table *t) {
        const PlanTable *p = t->plan;
        Json *o = new_object();
        char path[128];

        (void) snprintf(path, sizeof(path), TCED_MACHINE_PREFIX "/%s/table/%08" PRIx32, t->machine->uuid, p->window.liobn);
        add_number(o, "liobn", p->window.liobn);
        add_string(o, "path", path);
        add_string(o, "device", p->window.device);
        add_string(o, "kind", device_kind_to_string(p->window.kind));
        if (p->window.group >= 0)
                add_int(o, "group", p->window.group);
        else
                add_null(o, "group");
        add_number(o, "bus_offset", p->window.bus_offset);
        add_number(o, "size", p->window.size);
        add_number(o, "page_shift", p->window.page_shift);
        add_number(o, "entries", p->entries);
        add_number(o, "bytes", p->bytes);
        add_string(o, "placement", placement_to_string(p->verdict.placement));
        add_string(o, "reason", reason_to_string(p->verdict.reason));
        add_string(o, "text", reason_text(p->verdict.reason));
        add_string(o, "accel", accel_to_string(p->setting.accel));
        add_string(o, "rule", p->rule);
        add_string(o, "state", table_state_to_string(t->state));
        add_int(o, "error", t->error);
        add_bool(o, "huge_pages", t->huge_pages);
        return o;
}

static int describe_machine(Machine *machine, void *userdata) {
        const MultiTceVerdict *multitce = &machine->plan.multitce;
        Visibility *v = userdata;
        Json *o, *part;
        char path[96];

        if (v->visible && !v->visible(machine, v->userdata))
                return 0;
        o = new_object();
        (void) snprintf(path, sizeof(path), TCED_MACHINE_PREFIX "/%s", machine->uuid);
        add_string(o, "name", machine->name);
        add_string(o, "uuid", machine->uuid);
        add_string(o, "path", path);
        add_string(o, "state", machine_state_to_string(machine->state));
        add_int(o, "pid", machine->state == MACHINE_CLAIMED ? (int) machine->process.pid : 0);
        add_number(o, "uid", machine->owner);
        part = new_object();
        add_bool(part, "allowed", multitce->allowed);
        add_string(part, "reason", multitce_reason_to_string(multitce->reason));
        add_string(part, "text", multitce_reason_text(multitce->reason));
        add(o, "multitce", part);
        add_number(o, "user_bytes", machine->plan.user_bytes);
        add_number(o, "kernel_bytes", machine->plan.kernel_bytes);
        add_number(o, "locked_bytes", machine->plan.locked_bytes);
        add(o, "findings", describe_findings(&machine->findings));
        part = new_array();
        for (size_t i = 0; i < machine->n_tables; i++)
                push(part, describe_table(&machine->tables[i]));
        add(o, "tables", part);
        push(v->array, o);
        return 0;
}

static Json *describe_policy(const Config *c) {
        Json *o = new_object(), *part = new_object(), *rules = new_array();

        add_string(part, "accel", accel_to_string(c->policy.accel));
        add_string(part, "multitce", tristate_to_string(c->policy.multitce));
        add_string(part, "huge_pages", tristate_to_string(c->policy.huge_pages));
        if (c->policy.numa_node != NUMA_NODE_ANY)
                add_int(part, "numa_node", c->policy.numa_node);
        else
                add_null(part, "numa_node");
        add(o, "default", part);
        for (size_t i = 0; i < c->rules.n; i++)
                push(rules, json_object_new_string(c->rules.items[i].path));
        add(o, "rules", rules);
        return o;
}

static Json *describe_limits(const Config *c) {
        Json *o = new_object();
        const char *name;
        uint64_t value;

        for (size_t i = 0; config_limit_at(c, i, &name, &value); i++)
                add_number(o, name, value);
        return o;
}

int describe(Manager *m, bool (*visible)(const Machine *, void *), void *userdata, char **ret) {
        Visibility v = { .visible = visible, .userdata = userdata };
        Json *o, *part, *groups;
        const char *text;
        int r = -ENOMEM;

        out_of_memory = false;
        o = new_object();
        part = new_object();
        add_string(part, "version", TCED_VERSION);
        add_int(part, "pid", (int) getpid());
        add(o, "tced", part);
        add(o, "host", describe_host(m));
        add(o, "policy", describe_policy(&m->config));
        add(o, "limits", describe_limits(&m->config));
        add(o, "findings", describe_findings(&m->findings));
        groups = new_array();
        for (size_t i = 0; i < m->vfio.n_groups; i++)
                push(groups, describe_group(m, &m->vfio.groups[i], &v));
        add(o, "groups", groups);
        v.array = new_array();
        (void) manager_foreach_machine(m, describe_machine, &v);
        add(o, "machines", v.array);
        text = out_of_memory ? NULL : json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        if (text) {
                *ret = strdup(text);
                r = *ret ? 0 : -ENOMEM;
        }
        (void) json_object_put(o);
        return r;
}
