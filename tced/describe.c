/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The facts, machines and findings as JSON. */

#include "describe.h"

#include <inttypes.h>

#include "account.h"
#include "build-config.h"
#include "json_build.h"
#include "manager_audit.h"
#include "manager_bind.h"
#include "names.h"
#include "util.h"

/* An errno as text, or null. */
static void add_error(Json *object, const char *key, int error) {
        json_add_string(object, key, error ? strerror(error) : NULL);
}

static void add_outcome(Json *object, const Outcome *o) {
        json_add_string(object, "proven", proof_to_string(o->proof));
        json_add_string(object, "why", o->why);
}

static Json *describe_kvm(const KvmFacts *k) {
        Json *o = json_new_object(), *part = json_new_object(), *array;

        add_error(o, "error", k->device_error);
        json_add_int(o, "api_version", k->api_version);
        add_outcome(part, &k->vm);
        json_add(o, "usable", part);
        array = json_new_array();
        for (int i = 0; i < _VM_TYPE_MAX; i++) {
                part = json_new_object();
                json_add_string(part, "name", vm_type_to_string((VmType) i));
                add_outcome(part, &k->vm_type[i]);
                json_push(array, part);
        }
        json_add(o, "vm_types", array);
        array = json_new_array();
        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++) {
                part = json_new_object();
                json_add_string(part, "name", kvm_capability_to_string((KvmCapability) i));
                json_add_number(part, "declared", k->capability[i].declared);
                add_outcome(part, &k->capability[i].proven);
                json_push(array, part);
        }
        json_add(o, "capabilities", array);
        part = json_new_object();
        add_outcome(part, &k->range_check);
        json_add(o, "multitce_range_check", part);
        return o;
}

static Json *describe_vfio(const VfioFacts *v) {
        Json *o = json_new_object(), *array = json_new_array();

        add_error(o, "error", v->container_error);
        json_add_int(o, "api_version", v->api_version);
        json_add_bool(o, "groups_supported", v->groups_supported);
        json_add_bool(o, "iommu_class", v->iommu_class);
        json_add_bool(o, "no_maxmem", v->no_maxmem);
        for (size_t i = 0; i < ELEMENTSOF(v->extension); i++) {
                Json *part = json_new_object();

                json_add_string(part, "name", v->extension[i].name);
                json_add_number(part, "id", v->extension[i].id);
                json_add_number(part, "value", v->extension[i].value);
                json_push(array, part);
        }
        json_add(o, "extensions", array);
        return o;
}

static Json *describe_adapter(const AdapterFacts *a) {
        Json *o = json_new_object();

        for (AdapterPart part = 0; part < _ADAPTER_PART_MAX; part++) {
                Json *file = json_new_object();

                json_add_string(file, "path", adapter_part_path(part));
                add_error(file, "error", a->error[part]);
                json_add(o, adapter_part_to_string(part), file);
        }
        json_add_string(o, "apparmor", adapter_rules_to_string(a->apparmor));
        json_add_string(o, "selinux", adapter_rules_to_string(a->selinux));
        return o;
}

static Json *describe_host(const Manager *m) {
        Json *o = json_new_object();

        json_add_string(o, "machine", m->kvm.machine);
        json_add_string(o, "platform", platform_to_string(m->vfio.platform));
        json_add_string(o, "kernel_release", m->kvm.release);
        json_add_string(o, "kernel_version", m->kvm.version);
        json_add_number(o, "page_size", m->kvm.page_size);
        json_add_string(o, "probe", m->proving ? "running" : "done");
        json_add(o, "kvm", describe_kvm(&m->kvm));
        json_add(o, "vfio", describe_vfio(&m->vfio));
        if (m->adapter.known)
                json_add(o, "adapter", describe_adapter(&m->adapter));
        else
                json_add_null(o, "adapter");
        return o;
}

static Json *describe_libvirt(const Manager *m) {
        LibvirtState state = m->libvirt ? libvirt_state(m->libvirt) : LIBVIRT_OFF;
        Json *o = json_new_object(), *hook = json_new_object();
        size_t n = 0;

        if (m->libvirt)
                (void) libvirt_domains(m->libvirt, &n);
        json_add_string(o, "state", libvirt_state_to_string(state));
        json_add_string(o, "why", m->libvirt ? libvirt_why(m->libvirt) : "this tced does not ask libvirt");
        json_add_number(o, "domains", n);
        json_add_bool(hook, "installed", m->hook.installed);
        if (m->hook.loaded == PROOF_YES || m->hook.loaded == PROOF_NO)
                json_add_bool(hook, "loaded", m->hook.loaded == PROOF_YES);
        else
                json_add_null(hook, "loaded");
        json_add_string(hook, "why", m->hook.why);
        json_add(o, "hook", hook);
        return o;
}

/* No name of one has a blank in it (net/core/dev.c:dev_valid_name). */
static Json *describe_interfaces(const DeviceFacts *d) {
        Json *array = json_new_array();

        for (const char *name = d->interfaces; name && *name;) {
                size_t length = strcspn(name, " ");
                char text[32];

                (void) snprintf(text, sizeof(text), "%.*s", (int) (length < sizeof(text) ? length : sizeof(text) - 1), name);
                json_push(array, json_object_new_string(text));
                name += length + (name[length] == ' ');
        }
        return array;
}

static Json *describe_device(const DeviceFacts *d) {
        Json *o = json_new_object();

        json_add_string(o, "address", d->address);
        json_add_number(o, "class", d->class_code);
        json_add_string(o, "class_name", d->class_name);
        json_add_number(o, "vendor", d->vendor);
        json_add_number(o, "device", d->device);
        json_add_string(o, "vendor_name", d->vendor_name);
        json_add_string(o, "device_name", d->device_name);
        json_add_string(o, "driver", d->driver);
        json_add_int(o, "numa_node", d->numa_node);
        json_add_bool(o, "is_pci", d->is_pci);
        json_add_bool(o, "nvlink2", d->nvlink2);
        json_add(o, "interfaces", describe_interfaces(d));
        json_add_string(o, "mac", d->mac);
        json_add_string(o, "bridge", d->bridge);
        json_add_string(o, "physfn", d->physfn);
        json_add_index(o, "vf", d->vf);
        json_add_number(o, "vfs", d->vfs);
        json_add_number(o, "vfs_max", d->vfs_max);
        return o;
}

/* size 0: not known. */
static void add_window(Json *o, const char *key, uint64_t start, uint64_t size) {
        Json *window;

        if (size == 0) {
                json_add_null(o, key);
                return;
        }
        window = json_new_object();
        json_add_number(window, "start", start);
        json_add_number(window, "size", size);
        json_add(o, key, window);
}

static Json *describe_window_proof(const WindowProof *p) {
        Json *o = json_new_object();

        add_outcome(o, &p->ddw);
        add_window(o, "dma32", p->dma32_start, p->dma32_size);
        json_add_bits(o, "page_sizes", p->page_sizes);
        json_add_number(o, "max_windows", p->max_windows);
        json_add_number(o, "levels", p->levels);
        return o;
}

static void add_windows(Json *o, const GroupFacts *g) {
        add_window(o, "dma32_window", g->dma32_start, g->dma32_size);
        json_add_bits(o, "page_sizes", g->page_sizes);
        if (g->ddw >= 0)
                json_add_bool(o, "ddw", g->ddw > 0);
        else
                json_add_null(o, "ddw");
        json_add_string(o, "windows_why", g->windows_why);
        json_add(o, "windows_proven", describe_window_proof(group_window_proof(g)));
}

typedef struct Visibility {
        Manager *manager;
        bool (*visible)(const Machine *, void *);
        void *userdata;
        Json *array;
} Visibility;

static Json *describe_uses(Manager *m, const GroupFacts *g) {
        const UseFacts *uses = manager_look_at_uses(m);
        Json *array = json_new_array();

        for (size_t i = 0; uses && i < g->n_devices; i++) {
                size_t n;
                const DeviceUseFact *use = use_facts_find(uses, g->devices[i].address, &n);

                for (size_t j = 0; j < n; j++) {
                        Json *o = json_new_object();

                        json_add_string(o, "device", g->devices[i].address);
                        json_add_string(o, "use", device_use_to_string(use[j].use));
                        json_add_string(o, "text", use[j].text);
                        json_add_string(o, "remedy", use[j].remedy);
                        json_push(array, o);
                }
        }
        return array;
}

/* What was and can be done with it. */
static void add_binding(Manager *m, const GroupFacts *g, const Visibility *v, Json *o) {
        const BindRecord *record = manager_find_binding(m, g);
        char obstacle[OBSTACLE_MAX];

        if (record) {
                Json *binding = json_new_object();

                json_add_string(binding, "state", bind_state_to_string(record->state));
                json_add_string(binding, "why", record->why);
                json_add(o, "binding", binding);
        } else
                json_add_null(o, "binding");
        json_add_bool(o, "persistent", manager_is_persistent(m, g));
        json_add(o, "in_use", describe_uses(m, g));
        json_add_bool(o, "assignable", manager_group_assignable(m, g, v->visible, v->userdata, obstacle));
        json_add_string(o, "obstacle", obstacle);
}

static Json *describe_group(Manager *m, const GroupFacts *g, const Visibility *v) {
        Json *o = json_new_object(), *devices = json_new_array();
        Machine *holder = manager_find_holder(m, g->number);
        char path[64];

        (void) snprintf(path, sizeof(path), TCED_GROUP_PREFIX "/%u", g->number);
        json_add_number(o, "number", g->number);
        json_add_string(o, "name", g->name);
        json_add_string(o, "path", path);
        json_add_string(o, "key", g->n_devices > 0 ? group_facts_key(g) : NULL);
        json_add_string(o, "phb", g->phb);
        json_add_bool(o, "viable", g->viability == GROUP_VIABLE);
        json_add_string(o, "viability", group_viability_to_string(g->viability));
        json_add_string(o, "why", g->viability_why);
        json_add_int(o, "numa_node", g->numa_node);
        add_windows(o, g);
        json_add_string(o, "holder", holder && (!v->visible || v->visible(holder, v->userdata)) ? holder->uuid : NULL);
        add_binding(m, g, v, o);
        for (size_t i = 0; i < g->n_devices; i++)
                json_push(devices, describe_device(&g->devices[i]));
        json_add(o, "devices", devices);
        return o;
}

/* What the plan says of it, and what the last audit (NULL: none) has seen of it. */
static Json *describe_table(const Table *t, const AuditRecord *record) {
        const AuditTable *seen = audit_record_table(record, t);
        const PlanTable *p = t->plan;
        Json *o = json_plan_table(p);
        char path[128];

        (void) snprintf(path, sizeof(path), TCED_MACHINE_PREFIX "/%s/table/%08" PRIx32, t->machine->uuid, p->window.liobn);
        json_add_string(o, "path", path);
        json_add_string(o, "accel", accel_to_string(p->setting.accel));
        json_add_string(o, "rule", p->rule);
        json_add_string(o, "state", table_state_to_string(t->state));
        json_add_int(o, "error", t->error);
        json_add_bool(o, "huge_pages", t->huge_pages);
        json_add_string(o, "found", seen ? audit_found_to_string(seen->found) : NULL);
        json_add_string(o, "found_why", seen ? seen->why : NULL);
        json_add_bool(o, "slow", p->verdict.placement == PLACEMENT_USER || (seen && audit_record_told(record, seen)));
        return o;
}

static void add_audit(Json *machine, const AuditRecord *record) {
        Json *o;

        if (!record) {
                json_add_null(machine, "audit");
                return;
        }
        o = json_new_object();
        json_add_int(o, "pid", (int) record->process.pid);
        json_add_string(o, "verdict", audit_verdict_to_string(record->audit.verdict));
        json_add(machine, "audit", o);
}

/* What the guest may ask for. */
static Json *describe_dynamic(const Plan *plan) {
        Json *array = json_new_array();

        for (size_t i = 0; i < plan->n_dynamic; i++) {
                Json *o = json_plan_table(&plan->dynamic[i]);

                json_add_bool(o, "likely", plan->dynamic[i].window.likely);
                json_push(array, o);
        }
        return array;
}

static int describe_machine(Machine *machine, void *userdata) {
        Visibility *v = userdata;
        const AuditRecord *record;
        Json *o, *part;
        char path[96];

        if (v->visible && !v->visible(machine, v->userdata))
                return 0;
        record = manager_audit_of_machine(v->manager, machine);
        o = json_new_object();
        (void) snprintf(path, sizeof(path), TCED_MACHINE_PREFIX "/%s", machine->uuid);
        json_add_string(o, "name", machine->name);
        json_add_string(o, "uuid", machine->uuid);
        json_add_string(o, "path", path);
        json_add_string(o, "source", machine_source_to_string(machine->source));
        json_add_string(o, "state", machine_state_to_string(machine->state));
        json_add_int(o, "pid", machine->state == MACHINE_CLAIMED ? (int) machine->process.pid : 0);
        json_add_number(o, "uid", machine->owner);
        add_audit(o, record);
        json_add(o, "multitce", json_multitce(&machine->plan.multitce));
        json_add_number(o, "user_bytes", machine->plan.user_bytes);
        json_add_number(o, "kernel_bytes", machine->plan.kernel_bytes);
        json_add_number(o, "locked_bytes", machine->plan.locked_bytes);
        if (machine->domain.memlock.limit_unlimited)
                json_add_null(o, "memlock_limit");
        else
                json_add_number(o, "memlock_limit", machine->domain.memlock.limit);
        json_add_number(o, "memlock_charged", machine->domain.memlock.charged);
        json_add_number(o, "memlock_raised", machine->memlock_raised);
        json_add(o, "findings", json_findings(&machine->findings));
        part = json_new_array();
        for (size_t i = 0; i < machine->n_tables; i++)
                json_push(part, describe_table(&machine->tables[i], record));
        json_add(o, "tables", part);
        json_add(o, "dynamic", describe_dynamic(&machine->plan));
        json_push(v->array, o);
        return 0;
}

/* What an administrator wrote may be in any encoding, and the bus carries UTF-8 alone. Of a pattern a '?' still matches. NULL where
 * memory ran out, which the document remembers: a pattern that is left out would match everything. */
static Json *written(const char *text) {
        _cleanup_free_ char *copy = strdup(text);

        return copy ? json_object_new_string(utf8_mend(copy)) : NULL;
}

static void add_written(Json *o, const char *key, const char *text) {
        if (text)
                json_add(o, key, written(text));
        else
                json_add_null(o, key);
}

static Json *describe_rule(const Rule *rule) {
        const PolicySetting *setting = &rule->setting;
        Json *o = json_new_object(), *match = json_new_object();

        add_written(o, "path", rule->path);
        add_written(match, "machine", rule->machine);
        add_written(match, "uuid", rule->uuid);
        add_written(match, "kind", rule->kind);
        add_written(match, "device", rule->device);
        add_written(match, "liobn", rule->liobn);
        json_add(o, "match", match);
        json_add_string(o, "accel", rule->has_accel ? accel_to_string(setting->accel) : NULL);
        json_add_string(o, "multitce", rule->has_multitce ? tristate_to_string(setting->multitce) : NULL);
        json_add_string(o, "huge_pages", rule->has_huge_pages ? tristate_to_string(setting->huge_pages) : NULL);
        if (rule->has_numa_node)
                json_add_int(o, "numa_node", setting->numa_node);
        else
                json_add_null(o, "numa_node");
        return o;
}

static Json *describe_policy(const Config *c) {
        Json *o = json_new_object(), *part = json_new_object(), *rules = json_new_array(), *settings = json_new_array();

        json_add_string(part, "accel", accel_to_string(c->policy.accel));
        json_add_string(part, "multitce", tristate_to_string(c->policy.multitce));
        json_add_string(part, "huge_pages", tristate_to_string(c->policy.huge_pages));
        if (c->policy.numa_node != NUMA_NODE_ANY)
                json_add_int(part, "numa_node", c->policy.numa_node);
        else
                json_add_null(part, "numa_node");
        json_add(o, "default", part);
        for (size_t i = 0; i < c->rules.n; i++) {
                json_push(rules, written(c->rules.items[i].path));
                json_push(settings, describe_rule(&c->rules.items[i]));
        }
        json_add(o, "rules", rules);
        json_add(o, "rule_settings", settings);
        return o;
}

static Json *describe_numbers(const Manager *m, AccountNumberAt number_at) {
        Json *o = json_new_object();
        const char *name;
        uint64_t value;

        for (size_t i = 0; number_at(m, i, &name, &value); i++)
                json_add_number(o, name, value);
        return o;
}

int describe(Manager *m, bool (*visible)(const Machine *, void *), void *userdata, char **ret) {
        Visibility v = { .manager = m, .visible = visible, .userdata = userdata };
        _cleanup_free_ Finding *items = NULL;
        Json *o, *part, *groups;
        Findings seen;

        if (findings_seen(&m->findings, !visible || visible(NULL, userdata), &items, &seen) < 0)
                return -ENOMEM;
        o = json_begin();
        part = json_new_object();
        json_add_string(part, "version", TCED_VERSION);
        json_add_int(part, "pid", (int) getpid());
        json_add(o, "tced", part);
        json_add(o, "host", describe_host(m));
        json_add(o, "libvirt", describe_libvirt(m));
        json_add(o, "policy", describe_policy(&m->config));
        json_add(o, "limits", describe_numbers(m, account_limit_at));
        json_add(o, "usage", describe_numbers(m, account_usage_at));
        json_add(o, "findings", json_findings(&seen));
        groups = json_new_array();
        for (size_t i = 0; i < m->vfio.n_groups; i++)
                json_push(groups, describe_group(m, &m->vfio.groups[i], &v));
        json_add(o, "groups", groups);
        v.array = json_new_array();
        (void) manager_foreach_machine(m, describe_machine, &v);
        json_add(o, "machines", v.array);
        return json_end_consume(o, ret);
}
