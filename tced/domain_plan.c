/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The steps from a domain's XML to its plan, one behind the other; each one's result is in the plan for the next. */

#include "domain_plan.h"

#include "domain_address.h"
#include "domain_check.h"
#include "qemu_args.h"
#include "util.h"

/* What POWER hosts have but for a few: where the facts don't tell. */
#define PAGE_SIZE_USUAL UINT64_C(65536)

void domain_plan_clear(DomainPlan *plan) {
        layout_clear(&plan->layout);
        plan_clear(&plan->plan);
        findings_clear(&plan->findings);
        domain_clear(&plan->domain);
        *plan = (DomainPlan) DOMAIN_PLAN_INIT;
}

static int fail(DomainError *error, const char *text) {
        *error = (DomainError) {};
        (void) snprintf(error->text, sizeof(error->text), "%.*s", DOMAIN_ERROR_MAX - 1, text);
        return -EINVAL;
}

/* Into the VIO bus QEMU plugs nothing (hw/ppc/spapr_vio.c gives it no hotplug handler). */
static int check_attached(const Domain *d, size_t at, DomainError *error) {
        if (at < d->n_devices && d->devices[at].line > 0 && d->devices[at].vio)
                return fail(error, "The device goes on the VIO bus, into which QEMU plugs nothing while the VM runs; attach it for the next "
                            "start (virsh attach-device --config), or take a model of virtio's");
        return 0;
}

/* The plan's domain: read, with the further device, and completed. */
static int make_domain(const char *xml, size_t size, const char *attach, const PlanHost *host, Domain *d, DomainError *error) {
        int r = domain_read(xml, size, d, error);
        size_t n_devices = d->n_devices;

        if (r >= 0 && attach)
                r = domain_read_device(attach, strlen(attach), d, error);
        if (r >= 0)
                r = domain_complete(d, host->vfio, error);
        if (r >= 0 && attach && d->live && d->pseries)
                r = check_attached(d, n_devices, error);
        return r;
}

/* What KVM will hold for this VM, and so charge. A QEMU takes it wherever it can be, whatever rules say; and before the guest's
 * drivers run nobody but VFIO is told of mappings (hw/virtio/vhost.c: vhost_dev_start(), vhost-vdpa.c: vhost_vdpa_dev_start()). */
static int survey_vmm(const DomainPlan *p, const PolicyFacts *facts, const PlanHost *host, bool at_start, uint64_t page_size, Plan *ret,
                      PlanError *error) {
        static const PolicySetting no_policy = { .accel = ACCEL_AUTO, .numa_node = NUMA_NODE_ANY };
        static const Rules no_rules = {};
        bool qemu = domain_has_stock_qemu(&p->domain);
        Description d = p->layout.description;
        int r;

        d.windows = calloc(d.n_windows + 1, sizeof(*d.windows));
        if (!d.windows)
                return -ENOMEM;
        d.n_windows = 0;
        for (size_t i = 0; i < p->layout.description.n_windows; i++) {
                Window *window = &d.windows[d.n_windows];

                *window = p->layout.description.windows[i];
                if (at_start && window->dynamic)
                        continue;
                window->notifier &= !at_start;
                d.n_windows++;
        }
        r = plan_survey(&d, facts, qemu ? &no_rules : host->rules, qemu ? &no_policy : host->policy, page_size, ret, error);
        free(d.windows);
        return r;
}

/* Its tables and what they cost. */
static int make_tables(DomainPlan *p, const PlanHost *host, DomainError *error) {
        PolicyFacts facts = policy_facts_from(host->kvm);
        uint64_t page_size = host->kvm->page_size > 0 ? host->kvm->page_size : PAGE_SIZE_USUAL;
        PlanError plan_error = {};
        int r;

        r = plan_survey(&p->layout.description, &facts, host->rules, host->policy, page_size, &p->plan, &plan_error);
        if (r < 0)
                return r == -EINVAL ? fail(error, plan_error.text) : r;
        memlock_limit(&p->domain, host->vfio, &p->memlock.limit_unlimited, &p->memlock.limit);
        for (int at_start = 0; at_start <= 1; at_start++) {
                _cleanup_(plan_clear) Plan plan = {};

                r = survey_vmm(p, &facts, host, at_start, page_size, &plan, &plan_error);
                if (r < 0)
                        return r == -EINVAL ? fail(error, plan_error.text) : r;
                *(at_start ? &p->memlock.charged_at_start : &p->memlock.charged) =
                                memlock_charged(&p->domain, &p->layout, &plan, host->vfio, page_size);
        }
        return 0;
}

int domain_plan_make(const char *xml, size_t size, const char *attach, const PlanHost *host, DomainPlan *ret, DomainError *error) {
        _cleanup_(domain_plan_clear) DomainPlan p = DOMAIN_PLAN_INIT;
        int r;

        r = make_domain(xml, size, attach, host, &p.domain, error);
        if (r < 0)
                return r;
        /* What it borrows are the domain's arrays, which stay where they are when the plan is handed over. */
        r = layout_make(&p.domain, host->vfio, &p.layout);
        if (r < 0)
                return r;
        r = make_tables(&p, host, error);
        if (r < 0)
                return r;
        r = domain_check(&p, host);
        if (r < 0)
                return r;
        *ret = TAKE_GENERIC(p, DomainPlan, (DomainPlan) DOMAIN_PLAN_INIT);
        return 0;
}

int domain_plan_make_bare(const char *const *argv, size_t n, bool on_kvm, const PlanHost *host, DomainPlan *ret, DomainError *error) {
        _cleanup_(domain_plan_clear) DomainPlan p = DOMAIN_PLAN_INIT;
        int r = qemu_args_read(argv, n, &p.domain, error);

        if (r >= 0) {
                p.domain.kvm |= on_kvm;
                r = layout_make(&p.domain, host->vfio, &p.layout);
        }
        if (r >= 0)
                r = make_tables(&p, host, error);
        if (r < 0)
                return r;
        *ret = TAKE_GENERIC(p, DomainPlan, (DomainPlan) DOMAIN_PLAN_INIT);
        return 0;
}

const Finding *domain_plan_refusal(const DomainPlan *plan) {
        for (size_t i = 0; i < plan->findings.n; i++)
                if (plan->findings.items[i].severity == SEVERITY_ERROR)
                        return &plan->findings.items[i];
        return NULL;
}
