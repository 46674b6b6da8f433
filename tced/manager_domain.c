/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Domains of libvirt's: planned for whoever asks, registered as libvirt's hook tells of them, and who may claim one. Planning is
 * pure and is done here, in the loop; what it costs is bounded by DOMAIN_XML_MAX. */

#include <inttypes.h>
#include <time.h>

#include "domain_plan.h"
#include "error.h"
#include "libvirt_claim.h"
#include "log.h"
#include "manager_internal.h"
#include "names.h"
#include "probe_adapter.h"
#include "util.h"

/* So often at most are groups read again for someone who is not trusted. */
#define RESCAN_PAUSE_USEC (5 * UINT64_C(1000000))

/* Devices that a domain may have which someone plans who is not trusted: each is looked at beside each other, while nobody else is served. */
#define UNTRUSTED_DEVICES_MAX 1024U

static uint64_t now_usec(clockid_t clock) {
        struct timespec t;

        (void) clock_gettime(clock, &t);
        return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

bool domain_name_valid(const char *name) {
        size_t length = strlen(name);

        if (length == 0 || length > TCED_DOMAIN_NAME_MAX || !utf8_valid(name) || strchr(name, '/'))
                return false;
        for (const unsigned char *c = (const unsigned char *) name; *c; c++)
                /* U+0080 to U+009f are control characters too. */
                if (*c < ' ' || *c == 0x7f || (*c == 0xc2 && c[1] < 0xa0))
                        return false;
        return true;
}

bool manager_may_replace(const Registration *r, const Machine *machine) {
        if (!r->xml)
                return false;
        return !machine_is_masters(machine) || (machine->source == MACHINE_SOURCE_LIBVIRT && machine->state != MACHINE_CLAIMED);
}

/* Who else has a group: the planner's question. */
typedef struct HolderSearch {
        Manager *manager;
        bool names; /* may be told */
        unsigned group;
        const GroupFacts *facts; /* of that group; NULL: there is none */
        const char *uuid;
        const Machine *found;
} HolderSearch;

static int match_holder(Machine *machine, void *userdata) {
        HolderSearch *s = userdata;

        /* Nobody keeps another's VM from its devices by saying that they are theirs. */
        if (!machine_is_masters(machine) || !machine_holds_group(machine, s->group, s->facts) || (s->uuid && streq(machine->uuid, s->uuid)))
                return 0;
        s->found = machine;
        return -EEXIST;
}

static const char *find_holder(unsigned group, const char *uuid, void *userdata) {
        HolderSearch *s = userdata;

        s->group = group;
        s->facts = vfio_facts_find_group(&s->manager->vfio, group);
        s->uuid = uuid;
        s->found = NULL;
        (void) manager_foreach_machine(s->manager, match_holder, s);
        return !s->found ? NULL : s->names ? s->found->name : "another VM";
}

static int refuse_domain(Refusal *refusal, int error, const DomainError *why) {
        if (error == -ENOMEM)
                return refuse(refusal, TCED_ERROR_NO_MEMORY, "No memory to plan the domain; try again later");
        if (error == -ELIBACC)
                return refuse(refusal, TCED_ERROR_FAILED, "%s", why->text);
        if (error != -EINVAL)
                return refuse(refusal, TCED_ERROR_FAILED, "The domain can't be planned: %s", strerror(-error));
        return refuse(refusal, TCED_ERROR_INVALID_DOMAIN, "%s", why->text);
}

void manager_look_at_adapter(Manager *m) {
        probe_adapter(m->places.config_root, m->places.sys, false, &m->adapter);
}

static int make_plan(Manager *m, const char *xml, size_t size, const char *attach, bool trusted, DomainPlan *ret,
                     Refusal *refusal) {
        HolderSearch search = { .manager = m, .names = trusted };
        PlanHost host = {
                .kvm = &m->kvm, .vfio = &m->vfio, .policy = &m->config.policy, .rules = &m->config.rules, .adapter = &m->adapter,
                .holder = find_holder, .userdata = &search,
        };
        DomainError error = {};
        int r;

        manager_look_at_adapter(m);
        r = domain_plan_make(xml, size, attach, &host, ret, &error);
        return r < 0 ? refuse_domain(refusal, r, &error) : 0;
}

#define HOST_ADDRESS_MAX 64U

static const char *host_address(const HostAddress *h, char ret[HOST_ADDRESS_MAX]) {
        (void) snprintf(ret, HOST_ADDRESS_MAX, "%04x:%02x:%02x.%x", h->domain, h->bus, h->slot, h->function);
        return ret;
}

/* Has the domain host devices; with only_unknown: any that the facts don't have? */
static bool has_host_devices(const Manager *m, const Domain *d, bool only_unknown) {
        for (size_t i = 0; i < d->n_devices; i++) {
                char address[HOST_ADDRESS_MAX];

                if (!d->devices[i].host_pci)
                        continue;
                if (!only_unknown || !vfio_facts_find_device(&m->vfio, host_address(&d->devices[i].host, address)))
                        return true;
        }
        return false;
}

/* Reads the groups of these devices again. 0 or -ENOMEM. */
static int rescan_host_devices(Manager *m, const Domain *d) {
        _cleanup_free_ char (*addresses)[HOST_ADDRESS_MAX] = calloc(d->n_devices + 1, sizeof(*addresses));
        _cleanup_free_ const char **list = calloc(d->n_devices + 1, sizeof(*list));
        size_t n = 0;

        if (!addresses || !list)
                return -ENOMEM;
        for (size_t i = 0; i < d->n_devices; i++)
                if (d->devices[i].host_pci) {
                        list[n] = host_address(&d->devices[i].host, addresses[n]);
                        n++;
                }
        return manager_rescan_devices(m, list, n);
}

/* The same by the groups as they are now, where it depends on them. start: libvirt has just bound the devices, and the uevents of
 * that may not have come yet. */
static int make_fresh_plan(Manager *m, const char *xml, size_t size, const char *attach, bool trusted, bool start, DomainPlan *ret,
                           Refusal *refusal) {
        uint64_t now = now_usec(CLOCK_MONOTONIC);
        int r;

        r = make_plan(m, xml, size, attach, trusted, ret, refusal);
        if (r < 0 || !has_host_devices(m, &ret->domain, !start))
                return r;
        if (!trusted && m->rescanned_usec > 0 && now - m->rescanned_usec < RESCAN_PAUSE_USEC)
                return 0;
        m->rescanned_usec = now;
        if (rescan_host_devices(m, &ret->domain) < 0)
                return 0;
        domain_plan_clear(ret);
        return make_plan(m, xml, size, attach, trusted, ret, refusal);
}

static int check_size(const Manager *m, const char *xml, Refusal *refusal) {
        uint64_t max = m ? m->config.limits.domain_bytes_max : DOMAIN_XML_MAX, size = xml ? strlen(xml) : 0;

        if (size > DOMAIN_XML_MAX)
                return refuse(refusal, TCED_ERROR_LIMIT_EXCEEDED, "The XML has %" PRIu64 " bytes, %s is the most: take out of the domain what no "
                              "VM needs, as its <metadata>", size, FORMAT_BYTES(DOMAIN_XML_MAX));
        if (size > max)
                return refuse(refusal, TCED_ERROR_LIMIT_EXCEEDED, "DomainBytesMax=%" PRIu64 " would be exceeded: the XML has %" PRIu64 " bytes; "
                              "take out of the domain what no VM needs, as its <metadata>, or raise it in tced.conf", max, size);
        return 0;
}

/* Reads it once more than needed, which takes little. */
static int check_effort(const char *xml, const char *attach, Refusal *refusal) {
        _cleanup_(domain_clear) Domain d = {};
        DomainError error = {};
        size_t n;
        int r;

        r = domain_read(xml, strlen(xml), &d, &error);
        if (r >= 0 && attach)
                r = domain_read_device(attach, strlen(attach), &d, &error);
        if (r < 0)
                return refuse_domain(refusal, r, &error);
        n = d.n_devices + d.n_controllers + d.n_dimms + d.n_properties;
        if (n > UNTRUSTED_DEVICES_MAX)
                return refuse(refusal, TCED_ERROR_LIMIT_EXCEEDED, "The domain has %zu devices, %u is the most unless root asks", n,
                              UNTRUSTED_DEVICES_MAX);
        return 0;
}

int manager_plan_domain(Manager *m, const char *xml, const char *attach, bool trusted, char **ret_json, Refusal *refusal) {
        _cleanup_(domain_plan_clear) DomainPlan plan = DOMAIN_PLAN_INIT;
        int r;

        r = check_size(m, xml, refusal);
        if (r >= 0)
                r = check_size(m, attach, refusal);
        if (r >= 0 && !trusted)
                r = check_effort(xml, attach, refusal);
        if (r >= 0)
                r = make_fresh_plan(m, xml, strlen(xml), attach, trusted, false, &plan, refusal);
        if (r < 0)
                return r;
        r = domain_plan_json(&plan, ret_json);
        return r < 0 ? refuse_domain(refusal, r, NULL) : 0;
}

/* The first finding that makes the start fail in full, and how to see the others. */
static int refuse_start(const DomainPlan *plan, Refusal *refusal) {
        const Finding *first = domain_plan_refusal(plan);
        char more[128] = "";
        size_t n = 0;

        if (!first)
                return 0;
        for (size_t i = 0; i < plan->findings.n; i++)
                n += plan->findings.items[i].severity == SEVERITY_ERROR;
        if (n > 1)
                (void) snprintf(more, sizeof(more), "\nand %zu more: tcectl check %.64s", n - 1, plan->domain.name);
        /* Never so long that the other line is cut off. */
        return refuse(refusal, TCED_ERROR_DOMAIN_REFUSED, "%.64s: %.380s%s%.400s%s", first->subject, first->text,
                      isempty(first->remedy) ? "" : ". ", first->remedy, more);
}

static void table_drop(PlanTable *t) {
        free((char *) t->window.device);
        free(t->rule);
}

/* A VM that is refused no more has tables that can be, and one for each LIOBN. */
static void drop_impossible(Plan *plan) {
        size_t n = 0;

        for (size_t i = 0; i < plan->n_tables; i++) {
                PlanTable *t = &plan->tables[i];

                if (!t->verdict.refused && (n == 0 || plan->tables[n - 1].window.liobn != t->window.liobn)) {
                        plan->tables[n++] = *t;
                        continue;
                }
                if (!t->verdict.refused && t->verdict.placement == PLACEMENT_USER)
                        plan->user_bytes -= t->bytes;
                else if (!t->verdict.refused)
                        plan->kernel_bytes -= t->bytes;
                plan->locked_bytes -= t->locked_bytes;
                table_drop(t);
        }
        plan->n_tables = n;
}

static int add_group(MachineDomain *d, int group, size_t room) {
        for (size_t i = 0; i < d->n_groups; i++)
                if (d->groups[i] == group)
                        return 0;
        if (!d->groups)
                d->groups = calloc(room, sizeof(*d->groups));
        if (!d->groups)
                return -ENOMEM;
        d->groups[d->n_groups++] = group;
        return 0;
}

static int copy_groups(const Layout *l, MachineDomain *d) {
        size_t room = 0;
        int r = 0;

        for (size_t i = 0; i < l->n_phbs; i++)
                room += l->phbs[i].n_groups;
        for (size_t i = 0; i < l->n_phbs; i++)
                for (size_t j = 0; r >= 0 && j < l->phbs[i].n_groups; j++)
                        r = add_group(d, l->phbs[i].groups[j], room);
        return r;
}

/* What the machine keeps of its domain, and who may claim it. */
static int describe_domain(Registration *r, DomainPlan *plan) {
        Domain *d = &plan->domain;

        machine_domain_clear(&r->domain);
        r->domain.memlock = plan->memlock;
        r->domain.findings = TAKE_GENERIC(plan->findings, Findings, (Findings) {});
        r->domain.id = d->id;
        r->domain.security_model = TAKE_PTR(d->security_model);
        r->domain.security_label = TAKE_PTR(d->security_label);
        r->owner = OWNER_UNKNOWN;
        if (d->dac_label && libvirt_claim_owner(d->dac_label, &r->owner) < 0)
                log_warning("%s is to run as '%.64s', and there is no such user; its pid file alone says which process it is",
                            r->description.name, d->dac_label);
        return copy_groups(&plan->layout, &r->domain);
}

int manager_plan_registration(Registration *r, Plan *ret, Refusal *refusal) {
        _cleanup_(domain_plan_clear) DomainPlan plan = DOMAIN_PLAN_INIT;
        Manager *m = r->manager;
        uint64_t max = m->config.limits.tables_per_machine_max;
        int error;

        error = make_fresh_plan(m, r->xml, r->xml_size, NULL, true, true, &plan, refusal);
        if (error >= 0 && !r->running)
                error = refuse_start(&plan, refusal);
        if (error < 0)
                return error;
        drop_impossible(&plan.plan);
        if (plan.plan.n_tables > max)
                return refuse(refusal, TCED_ERROR_LIMIT_EXCEEDED,
                              "TablesPerMachineMax=%" PRIu64
                              " is exceeded: %s has %zu windows; give it fewer devices, or raise it in tced.conf",
                              max, r->description.name, plan.plan.n_tables);
        if (describe_domain(r, &plan) < 0)
                return refuse(refusal, TCED_ERROR_NO_MEMORY, "No memory for the plan of %s; try again later", r->description.name);
        *ret = TAKE_GENERIC(plan.plan, Plan, (Plan) {});
        return 0;
}

/* Who the domain is. m: NULL: whatever its settings say of the size. */
static int read_identity(const Manager *m, const char *xml, Domain *ret, Refusal *refusal) {
        DomainError error = {};
        int r;

        r = check_size(m, xml, refusal);
        if (r < 0)
                return r;
        r = domain_read(xml, strlen(xml), ret, &error);
        if (r < 0)
                return refuse_domain(refusal, r, &error);
        if (isempty(ret->uuid) || isempty(ret->name))
                r = refuse(refusal, TCED_ERROR_INVALID_DOMAIN,
                           "The domain has no <%s>, by which it is known; give libvirt's own XML of it (virsh dumpxml)",
                           isempty(ret->uuid) ? "uuid" : "name");
        else if (!domain_name_valid(ret->name))
                r = refuse(refusal, TCED_ERROR_INVALID_ARGUMENT,
                           "The name of the domain %s has a '/', control characters or more than %u bytes; rename it", ret->uuid,
                           TCED_DOMAIN_NAME_MAX);
        if (r < 0)
                domain_clear(ret);
        return r;
}

static Registration *registration_new(const char *xml, Domain *d, uid_t registrar, bool running) {
        Registration *r = calloc(1, sizeof(*r));

        if (!r)
                return NULL;
        r->process = (Process) PROCESS_INIT;
        r->xml_size = strlen(xml);
        r->xml = strdup(xml);
        if (!r->xml) {
                registration_free(r);
                return NULL;
        }
        r->description.name = TAKE_PTR(d->name);
        memcpy(r->description.uuid, d->uuid, sizeof(r->description.uuid));
        r->owner = OWNER_UNKNOWN;
        r->registrar = registrar;
        r->running = running;
        return r;
}

void manager_register_domain(Manager *m, const char *xml, uid_t registrar, bool running,
                             void (*done)(Machine *machine, const Refusal *refusal, void *userdata), void *userdata) {
        _cleanup_(domain_clear) Domain d = {};
        Machine *there = NULL;
        Registration *r;
        Refusal refusal;

        if (read_identity(m, xml, &d, &refusal) < 0) {
                done(NULL, &refusal, userdata);
                return;
        }
        if (running)
                there = manager_find_masters_machine(m, d.uuid);
        if (there) {
                done(there, NULL, userdata);
                return;
        }
        r = registration_new(xml, &d, registrar, running);
        if (!r) {
                (void) refuse(&refusal, TCED_ERROR_NO_MEMORY, "No memory to register %s; try again later", d.name);
                done(NULL, &refusal, userdata);
                return;
        }
        manager_register(m, r, done, userdata);
}

static bool is_of_domain(const Registration *r, const Domain *d) {
        return r->xml && streq(r->description.uuid, d->uuid);
}

int manager_domain_identity(const Manager *m, const char *xml, char **ret_name, char ret_uuid[33], Refusal *refusal) {
        _cleanup_(domain_clear) Domain d = {};
        int r = read_identity(m, xml, &d, refusal);

        if (r < 0)
                return r;
        (void) snprintf(ret_uuid, 33, "%s", d.uuid);
        *ret_name = strdup(d.name);
        return *ret_name ? 0 : refuse(refusal, TCED_ERROR_NO_MEMORY, "No memory to read the domain %s; try again later", d.name);
}

int manager_release_domain(Manager *m, const char *xml, Refusal *refusal) {
        _cleanup_(domain_clear) Domain d = {};
        Machine *machine;
        bool found;

        /* A limit that was lowered since keeps nobody from giving back. */
        if (read_identity(NULL, xml, &d, refusal) < 0)
                return -EINVAL;
        machine = manager_find_machine_by_uuid(m, d.uuid);
        found = machine && machine->source == MACHINE_SOURCE_LIBVIRT;
        if (found)
                manager_unregister(m, machine);
        found |= manager_give_up_waiting(m, is_of_domain, &d);
        if (!found)
                return refuse(refusal, TCED_ERROR_NO_SUCH_MACHINE, "No machine %s (%s) of libvirt's is registered", d.name, d.uuid);
        return 0;
}

int manager_is_domain_process(const Manager *m, const Machine *machine, const Process *process, char *why) {
        const LibvirtClaim claim = {
                .run = m->places.libvirt_run, .name = machine->name, .id = machine->domain.id, .proc_fd = m->proc_fd,
        };

        if (process->by_pid) {
                (void) snprintf(why, CLAIM_WHY_MAX, "this bus does not say for certain which process asks; connect to " TCED_SOCKET);
                return -EPERM;
        }
        return libvirt_claim_process(&claim, process, why);
}

int manager_check_domain_claim(const Manager *m, const Machine *machine, uid_t uid, const Process *process, Refusal *refusal) {
        char why[CLAIM_WHY_MAX];

        if (machine->owner != OWNER_UNKNOWN && machine->owner != uid)
                return refuse(refusal, TCED_ERROR_NOT_AUTHORIZED,
                              "Process %d of user %u may not claim machine %s, which libvirt runs as user %u", (int) process->pid,
                              (unsigned) uid, machine->name, (unsigned) machine->owner);
        if (manager_is_domain_process(m, machine, process, why) < 0 ||
            libvirt_claim_label(m->proc_fd, machine->domain.security_model, machine->domain.security_label, process, why) < 0)
                return refuse(refusal, TCED_ERROR_NOT_AUTHORIZED, "Process %d may not claim machine %s: %s", (int) process->pid,
                              machine->name, why);
        return 0;
}
