/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A plan as JSON, as docs/plan.md says it. */

#include "domain_plan.h"
#include "json_build.h"
#include "util.h"

static Json *json_domain(const Domain *d) {
        Json *o = json_new_object();

        json_add_string(o, "name", d->name);
        json_add_string(o, "uuid", isempty(d->uuid) ? NULL : d->uuid);
        json_add_string(o, "type", d->type);
        json_add_string(o, "arch", d->arch);
        json_add_string(o, "machine", d->machine);
        json_add_bool(o, "pseries", d->pseries);
        return o;
}

static Json *json_device(const DomainDevice *device, int group) {
        const HostAddress *host = &device->host;
        Json *o = json_new_object();
        char address[64];

        json_add_string(o, "alias", device->alias);
        json_add_string(o, "element", domain_device_type_to_string(device->type));
        if (device->address.type == DOMAIN_ADDRESS_PCI) {
                json_add_number(o, "slot", device->address.slot);
                json_add_number(o, "function", device->address.function);
        } else {
                json_add_null(o, "slot");
                json_add_null(o, "function");
        }
        (void) snprintf(address, sizeof(address), "%04x:%02x:%02x.%x", host->domain, host->bus, host->slot, host->function);
        json_add_string(o, "host", device->host_pci ? address : NULL);
        json_add_index(o, "group", group);
        return o;
}

static Json *json_phb(const Domain *d, const Phb *phb) {
        Json *o = json_new_object(), *array = json_new_array();

        json_add_string(o, "alias", phb->alias);
        json_add_index(o, "controller", phb->controller_index);
        json_add_int(o, "index", phb->index);
        json_add_index(o, "numa_node", phb->numa_node);
        json_add_bool(o, "ddw", phb->ddw);
        json_add_bits(o, "page_sizes", phb->ddw ? phb->page_sizes : 0);
        for (size_t i = 0; i < phb->n_groups; i++)
                json_push(array, json_object_new_int(phb->groups[i]));
        json_add(o, "groups", array);
        json_add_bool(o, "vfio", phb->vfio);
        json_add_bool(o, "emulated", phb->emulated);
        array = json_new_array();
        for (size_t i = 0; i < phb->n_devices; i++)
                json_push(array, json_device(&d->devices[phb->devices[i]], phb->device_groups[i]));
        json_add(o, "devices", array);
        return o;
}

static Json *json_vio(const DomainDevice *device, uint64_t reg) {
        Json *o = json_new_object();

        json_add_string(o, "alias", device->alias);
        json_add_string(o, "element", domain_device_type_to_string(device->type));
        json_add_number(o, "reg", reg);
        json_add_bool(o, "dma", device->vio_dma);
        return o;
}

static Json *json_table(const PlanTable *t) {
        const Window *w = &t->window;
        Json *o = json_plan_table(t);

        json_add_string(o, "window", w->dynamic ? "dynamic" : "default");
        json_add_bool(o, "likely", !w->dynamic || w->likely);
        json_add_string(o, "accel", accel_to_string(t->setting.accel));
        json_add_string(o, "rule", t->rule);
        json_add_number(o, "locked_bytes", t->locked_bytes);
        return o;
}

/* Those that are there from the start and those that may come, as one list. Both are sorted. */
static Json *json_tables(const Plan *plan) {
        Json *array = json_new_array();
        size_t i = 0, j = 0;

        while (i < plan->n_tables || j < plan->n_dynamic) {
                bool dynamic = i == plan->n_tables ||
                               (j < plan->n_dynamic && plan->dynamic[j].window.liobn < plan->tables[i].window.liobn);

                json_push(array, json_table(dynamic ? &plan->dynamic[j++] : &plan->tables[i++]));
        }
        return array;
}

/* What will be there, or likely will. */
static Json *json_sums(const Plan *plan) {
        size_t n = 0;
        Json *o = json_new_object();

        for (size_t i = 0; i < plan->n_tables; i++)
                n += !plan->tables[i].verdict.refused;
        for (size_t i = 0; i < plan->n_dynamic; i++)
                n += plan->dynamic[i].window.likely && !plan->dynamic[i].verdict.refused;
        json_add_number(o, "tables", n);
        json_add_number(o, "user_bytes", plan->user_bytes + plan->dynamic_user_bytes);
        json_add_number(o, "kernel_bytes", plan->kernel_bytes + plan->dynamic_kernel_bytes);
        return o;
}

static const char *verdict_of(const Findings *f) {
        Severity worst = SEVERITY_INFO;

        for (size_t i = 0; i < f->n; i++)
                if (f->items[i].severity > worst)
                        worst = f->items[i].severity;
        return worst == SEVERITY_ERROR ? "error" : worst == SEVERITY_WARNING ? "warnings" : "clean";
}

int domain_plan_json(const DomainPlan *plan, char **ret) {
        Json *o = json_begin(), *part;

        json_add(o, "domain", json_domain(&plan->domain));
        json_add_string(o, "verdict", verdict_of(&plan->findings));
        part = json_new_array();
        for (size_t i = 0; i < plan->layout.n_phbs; i++)
                json_push(part, json_phb(&plan->domain, &plan->layout.phbs[i]));
        json_add(o, "phbs", part);
        part = json_new_array();
        for (size_t i = 0; i < plan->layout.n_vio; i++)
                json_push(part, json_vio(&plan->domain.devices[plan->layout.vio[i].device], plan->layout.vio[i].reg));
        json_add(o, "vio", part);
        json_add(o, "tables", json_tables(&plan->plan));
        json_add(o, "multitce", json_multitce(&plan->plan.multitce));
        json_add(o, "sums", json_sums(&plan->plan));
        if (plan->memlock.limit_unlimited)
                json_add_null(o, "memlock_limit");
        else
                json_add_number(o, "memlock_limit", plan->memlock.limit);
        json_add_number(o, "memlock_charged", plan->memlock.charged);
        json_add_number(o, "memlock_charged_at_start", plan->memlock.charged_at_start);
        json_add(o, "findings", json_findings(&plan->findings));
        return json_end_consume(o, ret);
}
