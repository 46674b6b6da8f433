/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The life of a VM as far as the manager drives it: registered (checked, planned, booked, its tables made by the worker, only then
 * known to anyone), claimed, its refused tables replaced, gone. Whatever fails before a VM is known leaves nothing behind. */

#include <inttypes.h>
#include <systemd/sd-id128.h>

#include "account.h"
#include "error.h"
#include "log.h"
#include "manager_audit.h"
#include "manager_internal.h"
#include "names.h"
#include "util.h"

#define NAME_MAX_LENGTH 64U

/* Tables that the worker makes: all that a task touches is in it. */
typedef struct Fill {
        Manager *manager;
        int result; /* 0, or the negative errno of the first that failed */
        size_t n;
        struct FillItem {
                char name[96];
                uint32_t liobn;
                uint64_t entries;
                Tristate huge_pages;
                int numa_node;
                TableMemory memory;
        } *items;

        /* Either a registration, or a table of a machine that may be gone by then. */
        Registration *registration;
        char uuid[33];
        uint64_t serial;
        uint64_t bytes;
        int error;
        uid_t registrar;
        void (*done)(const Refusal *refusal, void *userdata);
        void *userdata;
} Fill;

static Fill *fill_free(Fill *f) {
        if (!f)
                return NULL;
        for (size_t i = 0; i < f->n; i++)
                table_memory_clear(&f->items[i].memory);
        free(f->items);
        free(f);
        return NULL;
}

static Fill *fill_new(Manager *m, size_t n) {
        Fill *f = calloc(1, sizeof(*f));

        if (!f)
                return NULL;
        f->manager = m;
        f->items = calloc(n ? n : 1, sizeof(*f->items));
        if (!f->items)
                return fill_free(f);
        return f;
}

static void fill_add(Fill *f, const char *machine, const PlanTable *t) {
        struct FillItem *item = &f->items[f->n++];

        *item = (struct FillItem) {
                .liobn = t->window.liobn, .entries = t->entries, .huge_pages = t->setting.huge_pages,
                .numa_node = t->setting.numa_node, .memory = TABLE_MEMORY_INIT,
        };
        (void) snprintf(item->name, sizeof(item->name), "%s-%08" PRIx32, machine, t->window.liobn);
}

/* In a thread of the worker. */
static void fill_run(void *task) {
        Fill *f = task;

        for (size_t i = 0; i < f->n && f->result == 0; i++) {
                struct FillItem *item = &f->items[i];

                if (__atomic_load_n(&f->manager->ending, __ATOMIC_RELAXED))
                        f->result = -ECANCELED;
                else
                        f->result = table_memory_make(item->name, item->entries, item->huge_pages, item->numa_node, &item->memory);
        }
}

static int refuse_fill(Refusal *refusal, int error, uint64_t bytes) {
        switch (-error) {
        case ENOMEM:
        case ENOSPC:
                return refuse(refusal, TCED_ERROR_NO_MEMORY,
                              "No memory for %s of tables: give the host more, or the VM fewer `user` tables", FORMAT_BYTES(bytes));
        case EMFILE:
        case ENFILE:
                return refuse(refusal, TCED_ERROR_LIMIT_EXCEEDED,
                              "No file descriptors left for tables: raise LimitNOFILE= of tced.service, or end VMs");
        case ECANCELED:
                return refuse(refusal, TCED_ERROR_FAILED, "tced is ending; try again when it runs");
        case ENODEV:
                return refuse(refusal, TCED_ERROR_INVALID_ARGUMENT,
                              "NumaNode= of the rule that matches is no NUMA node of this host with memory; correct the rule");
        default:
                return refuse(refusal, TCED_ERROR_FAILED, "Can't make %s of tables: %s", FORMAT_BYTES(bytes), strerror(-error));
        }
}

void registration_free(Registration *r) {
        if (!r)
                return;
        description_clear(&r->description);
        machine_domain_clear(&r->domain);
        free(r->xml);
        process_close(&r->process);
        (void) machine_free(r->machine);
        free(r);
}

static void registration_refused(Registration *r, const Refusal *refusal) {
        log_info("Refused to register %.64s: %s", r->description.name, refusal->text);
        if (r->charged)
                account_release(r->manager, r->registrar,
                                (Cost) { 1, r->machine ? r->machine->n_tables : 0, r->machine ? r->machine->charged : 0 });
        r->done(NULL, refusal, r->userdata);
        registration_free(r);
}

void manager_refuse_waiting(Manager *m, const Refusal *refusal) {
        while (m->waiting_registrations) {
                Registration *r = m->waiting_registrations;

                m->waiting_registrations = r->next;
                registration_refused(r, refusal);
        }
}

bool manager_give_up_waiting(Manager *m, bool (*is_one)(const Registration *, const Domain *), const Domain *d) {
        bool found = false;

        for (Registration **at = &m->waiting_registrations; *at;) {
                Registration *r = *at;
                Refusal refusal;

                if (!is_one(r, d)) {
                        at = &r->next;
                        continue;
                }
                *at = r->next;
                found = true;
                (void) refuse(&refusal, TCED_ERROR_NO_SUCH_MACHINE, "%s ended before it was registered", r->description.name);
                registration_refused(r, &refusal);
        }
        /* A thread is at work for these. */
        for (Registration *r = m->filling_registrations; r; r = r->next)
                if (is_one(r, d))
                        r->released = found = true;
        return found;
}

static bool name_valid(const char *name) {
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
        size_t length = strlen(name);
        char uuid[33];

        /* A name that is a UUID could stand in for another VM. */
        return length > 0 && length <= NAME_MAX_LENGTH && strspn(name, allowed) == length && !uuid_normalize(name, uuid);
}

/* Another of its name or UUID: refuses, unless it may take its place. */
static int check_unique(Manager *m, const Registration *r, Refusal *refusal) {
        const Machine *others[] = {
                manager_find_machine_by_uuid(m, r->description.uuid), manager_find_machine_by_name(m, r->description.name),
        };

        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (others[i] && !manager_may_replace(r, others[i]))
                        return refuse(refusal, TCED_ERROR_MACHINE_EXISTS,
                                      "A machine with the name %s or the UUID %s is registered; end or unregister it first",
                                      r->description.name, r->description.uuid);
        return 0;
}

static int check_identity(Manager *m, Registration *registration, Refusal *refusal) {
        Description *d = &registration->description;
        char uuid[33];
        sd_id128_t id;
        int r;

        if (registration->xml ? !domain_name_valid(d->name) : !name_valid(d->name))
                return refuse(refusal, TCED_ERROR_INVALID_ARGUMENT,
                              "'%.64s' can't be a machine's name, which is 1 to %u of a-z A-Z 0-9 . _ - and no UUID; rename the VM",
                              d->name, NAME_MAX_LENGTH);
        if (isempty(d->uuid)) {
                r = sd_id128_randomize(&id);
                if (r < 0)
                        return refuse(refusal, TCED_ERROR_FAILED, "Can't make a UUID: %s", strerror(-r));
                (void) sd_id128_to_string(id, d->uuid);
        }
        if (!uuid_normalize(d->uuid, uuid))
                return refuse(refusal, TCED_ERROR_INVALID_ARGUMENT,
                              "'%s' is no UUID: give 32 hex digits, dashes or not, or nothing and tced makes one", d->uuid);
        memcpy(d->uuid, uuid, sizeof(uuid));
        return check_unique(m, registration, refusal);
}

void manager_on_machine_end(Machine *machine, void *userdata) {
        manager_unregister(userdata, machine);
}

/* Everything is there: the VM becomes known. */
static int commit(Registration *r, Fill *f, Refusal *refusal) {
        Manager *m = r->manager;
        Machine *machine = r->machine, *other;
        int error;

        if (r->released)
                return refuse(refusal, TCED_ERROR_NO_SUCH_MACHINE, "%s ended before it was registered", machine->name);
        /* Another of that name may have come while the tables were made. */
        if (check_identity(m, r, refusal) < 0)
                return -EINVAL;
        for (size_t i = 0; f && i < f->n; i++)
                table_set_memory(machine_find_table(machine, f->items[i].liobn), &f->items[i].memory);
        if (r->process.pid > 0) {
                error = machine_hold(machine, m->event, &r->process);
                if (error < 0)
                        return refuse(refusal, TCED_ERROR_FAILED, "The process that registered %s is gone: %s", machine->name,
                                      strerror(-error));
        }
        /* Those in whose place it comes; check_identity() has seen them. */
        while ((other = manager_find_machine_by_uuid(m, machine->uuid)) || (other = manager_find_machine_by_name(m, machine->name))) {
                if (!machine_is_masters(other))
                        log_notice("User %u had registered a VM with the name or UUID of libvirt's domain %s: that one goes",
                                   (unsigned) other->registrar, machine->name);
                manager_unregister(m, other);
        }
        (void) sd_event_now(m->event, CLOCK_MONOTONIC, &machine->domain.told_usec);
        error = machine_note_groups(machine, &m->vfio);
        if (error >= 0)
                error = manager_insert_machine(m, machine);
        if (error < 0)
                return refuse(refusal, TCED_ERROR_NO_MEMORY, "No memory for machine %s; try again later", machine->name);
        return 0;
}

/* Its groups have another holder from now on. */
static void announce_holder(const Manager *m, const Machine *machine) {
        const ManagerObserver *o = &m->observer;

        for (size_t i = 0; o->group_changed && i < machine->n_tables; i++) {
                int group = machine->tables[i].plan->window.group;
                bool told = group < 0 || !vfio_facts_find_group(&m->vfio, (unsigned) group);

                for (size_t j = 0; j < i && !told; j++)
                        told = machine->tables[j].plan->window.group == group;
                if (!told)
                        o->group_changed((unsigned) group, GROUP_CHANGE_HOLDER, o->userdata);
        }
}

static void finish_registration(Registration *r, Fill *f) {
        Manager *m = r->manager;
        Machine *machine = r->machine;
        Refusal refusal;
        int error = f ? f->result : 0;

        if (error < 0)
                error = refuse_fill(&refusal, error, machine->plan.user_bytes);
        else
                error = commit(r, f, &refusal);
        (void) fill_free(f);
        if (error < 0) {
                registration_refused(r, &refusal);
                return;
        }
        r->machine = NULL;
        manager_store_process(m, machine);
        manager_save(m, machine);
        log_message(LOG_INFO, TCED_MESSAGE_MACHINE_STR, "Registered %s (%s): %zu tables, %s in the kernel, %s in the VMM",
                    machine->name, machine->uuid, machine->n_tables, FORMAT_BYTES(machine->plan.kernel_bytes),
                    FORMAT_BYTES(machine->plan.user_bytes));
        if (m->observer.machine_added)
                m->observer.machine_added(machine, m->observer.userdata);
        announce_holder(m, machine);
        r->done(machine, NULL, r->userdata);
        registration_free(r);
}

static void on_filled(void *task) {
        Fill *f = task;
        Registration **r = &f->manager->filling_registrations;

        while (*r != f->registration)
                r = &(*r)->next;
        *r = f->registration->next;
        finish_registration(f->registration, f);
}

static int make_plan(Registration *r, Plan *ret, Refusal *refusal) {
        Manager *m = r->manager;
        PolicyFacts facts = policy_facts_from(&m->kvm);
        int error;

        if (r->xml)
                return manager_plan_registration(r, ret, refusal);
        error = plan_make(&r->description, &facts, &m->config.rules, &m->config.policy, m->kvm.page_size,
                          m->config.limits.tables_per_machine_max, ret, refusal);
        if (error == -ENOMEM)
                return refuse(refusal, TCED_ERROR_NO_MEMORY, "No memory for the plan of %s; try again later", r->description.name);
        return error;
}

/* The tables of a VM that runs are its own: those in the VMM were handed out, or it made them itself. */
static int adopt_domain(Registration *r) {
        Machine *machine = r->machine;

        machine->source = MACHINE_SOURCE_LIBVIRT;
        machine->domain = TAKE_GENERIC(r->domain, MachineDomain, (MachineDomain) {});
        for (size_t i = 0; r->running && i < machine->n_tables; i++)
                if (machine->plan.tables[i].verdict.placement == PLACEMENT_USER)
                        machine->tables[i].state = TABLE_HANDED_OUT;
        return machine_update_findings(machine);
}

/* Plans and books its tables; on success r->machine is there, complete but for its tables' memory. */
static int prepare(Registration *r, Refusal *refusal) {
        Manager *m = r->manager;
        const Limits *l = &m->config.limits;
        uint64_t bytes;
        Plan plan = {};
        Cost cost;
        int error;

        error = check_identity(m, r, refusal);
        if (error >= 0)
                error = make_plan(r, &plan, refusal);
        if (error < 0)
                return error;
        bytes = r->running ? 0 : plan.user_bytes;
        cost = (Cost) { .tables = plan.n_tables, .bytes = bytes };
        if (bytes > l->table_bytes_per_machine_max)
                error = refuse(refusal, TCED_ERROR_LIMIT_EXCEEDED,
                               "TableBytesPerMachineMax=%" PRIu64 " would be exceeded: %s needs %" PRIu64
                               " bytes of `user` tables; give it fewer, or raise it in tced.conf",
                               l->table_bytes_per_machine_max, r->description.name, bytes);
        else
                error = account_charge(m, r->registrar, cost, refusal);
        if (error < 0) {
                plan_clear(&plan);
                return error;
        }
        error = machine_new(r->description.name, r->description.uuid, &plan, manager_on_machine_end, m, &r->machine);
        if (error >= 0 && r->xml)
                error = adopt_domain(r);
        if (error < 0) {
                r->machine = machine_free(r->machine);
                account_release(m, r->registrar, cost);
                plan_clear(&plan);
                return refuse(refusal, TCED_ERROR_NO_MEMORY, "No memory for machine %s; try again later", r->description.name);
        }
        r->machine->owner = r->owner;
        r->machine->registrar = r->registrar;
        r->machine->serial = ++m->last_serial;
        r->machine->charged = bytes;
        return 0;
}

static void continue_registration(Registration *r) {
        Machine *machine;
        Refusal refusal;
        Fill *f;

        /* While it waited, another call may have registered the VM that runs. */
        machine = r->running ? manager_find_masters_machine(r->manager, r->description.uuid) : NULL;
        if (machine) {
                account_release(r->manager, r->registrar, (Cost) { .machines = 1 });
                r->done(machine, NULL, r->userdata);
                registration_free(r);
                return;
        }
        if (prepare(r, &refusal) < 0) {
                registration_refused(r, &refusal);
                return;
        }
        machine = r->machine;
        if (machine->charged == 0) {
                finish_registration(r, NULL);
                return;
        }
        f = fill_new(r->manager, machine->n_tables);
        for (size_t i = 0; f && i < machine->n_tables; i++)
                if (machine->tables[i].plan->verdict.placement == PLACEMENT_USER)
                        fill_add(f, machine->name, machine->tables[i].plan);
        if (f) {
                f->registration = r;
                r->next = r->manager->filling_registrations;
                r->manager->filling_registrations = r;
        }
        if (!f || worker_submit(r->manager->worker, fill_run, on_filled, f) < 0) {
                if (f)
                        r->manager->filling_registrations = r->next;
                (void) fill_free(f);
                (void) refuse(&refusal, TCED_ERROR_NO_MEMORY, "No memory to make the tables of %s; try again later", machine->name);
                registration_refused(r, &refusal);
        }
}

void manager_register(Manager *m, Registration *r, void (*done)(Machine *, const Refusal *, void *), void *userdata) {
        Refusal refusal;

        r->manager = m;
        r->done = done;
        r->userdata = userdata;
        /* Those that wait are counted too, or a user could have any number of them wait. */
        if (check_identity(m, r, &refusal) < 0 || account_charge(m, r->registrar, (Cost) { .machines = 1 }, &refusal) < 0) {
                registration_refused(r, &refusal);
                return;
        }
        r->charged = true;
        if (m->proving) {
                Registration **end = &m->waiting_registrations;

                while (*end)
                        end = &(*end)->next;
                r->next = NULL;
                *end = r;
                return;
        }
        continue_registration(r);
}

void manager_resume_registrations(Manager *m) {
        Registration *waiting = m->waiting_registrations;

        m->waiting_registrations = NULL;
        while (waiting) {
                Registration *r = waiting;

                waiting = r->next;
                continue_registration(r);
        }
}

int manager_claim(Manager *m, Machine *machine, uid_t uid, Process *process, Refusal *refusal) {
        int r;

        /* Also where it is claimed: who asks next learns no more than that it is not theirs. */
        if (machine->source == MACHINE_SOURCE_LIBVIRT && manager_check_domain_claim(m, machine, uid, process, refusal) < 0)
                return -EINVAL;
        if (machine->process.pid > 0 && !process_same(&machine->process, process))
                return refuse(refusal, TCED_ERROR_ALREADY_CLAIMED, "Machine %s belongs to the process %d; unregister it there first",
                              machine->name, (int) machine->process.pid);
        if (machine->state == MACHINE_CLAIMED)
                return 0;
        if (manager_find_machine_by_process(m, process))
                return refuse(refusal, TCED_ERROR_ALREADY_CLAIMED, "The process %d has claimed another machine; a process runs one VM",
                              (int) process->pid);
        r = machine_hold(machine, m->event, process);
        if (r < 0)
                return refuse(refusal, TCED_ERROR_FAILED, "Can't hold the process that claims %s: %s", machine->name, strerror(-r));
        machine->state = MACHINE_CLAIMED;
        if (machine->owner == OWNER_UNKNOWN)
                machine->owner = uid;
        manager_raise_memlock(m, machine);
        manager_store_process(m, machine);
        manager_save(m, machine);
        log_message(LOG_INFO, TCED_MESSAGE_MACHINE_STR, "%s is run by process %d", machine->name, (int) machine->process.pid);
        if (m->observer.machine_changed)
                m->observer.machine_changed(machine, m->observer.userdata);
        manager_audit_soon(m);
        return 0;
}

void manager_table_changed(Manager *m, Table *t) {
        (void) machine_update_findings(t->machine);
        manager_save(m, t->machine);
        manager_audit_soon(m);
        if (m->observer.table_changed)
                m->observer.table_changed(t, m->observer.userdata);
        if (m->observer.machine_changed)
                m->observer.machine_changed(t->machine, m->observer.userdata);
}

/* The memfd that takes a refused table's place is there, or can't be. */
static void on_replacement_filled(void *task) {
        Fill *f = task;
        Manager *m = f->manager;
        Machine *machine = manager_find_machine_by_uuid(m, f->uuid);
        Table *t = machine && machine->serial == f->serial ? machine_find_table(machine, f->items[0].liobn) : NULL;
        Refusal refusal;
        int r = f->result;

        if (t)
                t->moving = false;
        if (r < 0)
                r = refuse_fill(&refusal, r, f->bytes);
        else if (!t || t->state != TABLE_PLANNED)
                r = refuse(&refusal, TCED_ERROR_NO_SUCH_TABLE, "The machine or its table %08" PRIx32 " is gone meanwhile",
                           f->items[0].liobn);
        if (r < 0) {
                account_release(m, f->registrar, (Cost) { .bytes = f->bytes });
                if (t)
                        manager_table_changed(m, t);
        } else {
                plan_table_refused(&machine->plan, t->plan);
                table_set_memory(t, &f->items[0].memory);
                machine->charged += f->bytes;
                log_message(LOG_WARNING, TCED_MESSAGE_TABLE_REFUSED_STR,
                            "%s: the kernel refused the table of %s (liobn %08" PRIx32 "): %s; it is in the VMM now", machine->name,
                            t->plan->window.device, t->plan->window.liobn, strerror(f->error));
                manager_table_changed(m, t);
        }
        f->done(r < 0 ? &refusal : NULL, f->userdata);
        (void) fill_free(f);
}

static int replace_table(Manager *m, Table *t, int error, void (*done)(const Refusal *, void *), void *userdata, Refusal *refusal) {
        Machine *machine = t->machine;
        const Limits *l = &m->config.limits;
        Fill *f;

        if (t->plan->setting.accel == ACCEL_KERNEL)
                return refuse(refusal, TCED_ERROR_KERNEL_DEMANDED,
                              "The kernel refused the table of %s (liobn %08" PRIx32 "): %s; %s demands `kernel` for it",
                              t->plan->window.device, t->plan->window.liobn, strerror(error), t->plan->rule ? t->plan->rule : "tced.conf");
        if (t->plan->bytes > l->table_bytes_per_machine_max || machine->charged > l->table_bytes_per_machine_max - t->plan->bytes)
                return refuse(refusal, TCED_ERROR_LIMIT_EXCEEDED,
                              "TableBytesPerMachineMax=%" PRIu64 " would be exceeded by the table of %s in the VMM",
                              l->table_bytes_per_machine_max, t->plan->window.device);
        if (account_charge(m, machine->registrar, (Cost) { .bytes = t->plan->bytes }, refusal) < 0)
                return -EINVAL;
        f = fill_new(m, 1);
        if (f) {
                fill_add(f, machine->name, t->plan);
                memcpy(f->uuid, machine->uuid, sizeof(f->uuid));
                f->serial = machine->serial;
                f->bytes = t->plan->bytes;
                f->error = error;
                f->registrar = machine->registrar;
                f->done = done;
                f->userdata = userdata;
        }
        if (f && worker_submit(m->worker, fill_run, on_replacement_filled, f) >= 0) {
                t->moving = true;
                return 0;
        }
        (void) fill_free(f);
        account_release(m, machine->registrar, (Cost) { .bytes = t->plan->bytes });
        return refuse(refusal, TCED_ERROR_NO_MEMORY, "No memory to make the table of %s; try again later", t->plan->window.device);
}

/* A linked table is the proof of KVM_CAP_SPAPR_TCE_VFIO that no probe had to be asked for; only VMs that root registered are believed.
 * Everybody reads this, so the VM is not named. */
static void note_link(Manager *m, const Table *t) {
        Outcome *proven = &m->kvm.capability[KVM_CAPABILITY_TCE_VFIO].proven;

        if (proven->proof != PROOF_UNKNOWN || t->machine->registrar != 0)
                return;
        outcome_set(proven, PROOF_YES, "a VM that root registered linked its table of IOMMU group %d", t->plan->window.group);
        if (manager_update_findings(m) < 0)
                log_warning("No memory for the host's findings");
        if (m->observer.host_changed)
                m->observer.host_changed(m->observer.userdata);
}

void manager_report_table(Manager *m, Table *t, Placement placement, int error,
                          void (*done)(const Refusal *refusal, void *userdata), void *userdata) {
        const PlanTable *plan = t->plan;
        Refusal refusal;
        int r = 0;

        if (placement == PLACEMENT_USER || plan->verdict.placement == PLACEMENT_USER)
                r = refuse(&refusal, TCED_ERROR_INVALID_ARGUMENT,
                           "The table %08" PRIx32 " is planned as `%s`: only tables for the kernel are reported", plan->window.liobn,
                           placement_to_string(plan->verdict.placement));
        else if (placement == PLACEMENT_KERNEL_VFIO && plan->verdict.placement != PLACEMENT_KERNEL_VFIO)
                r = refuse(&refusal, TCED_ERROR_INVALID_ARGUMENT,
                           "The table %08" PRIx32 " is planned as `kernel`: there is no IOMMU group to link it to", plan->window.liobn);
        else if (error > 0 && t->state == TABLE_MADE)
                r = refuse(&refusal, TCED_ERROR_INVALID_ARGUMENT,
                           "The table %08" PRIx32 " has been reported as made: a table that is there was not refused", plan->window.liobn);
        else if (t->moving)
                /* Each would be booked and filled in before all but one are thrown away. */
                r = refuse(&refusal, TCED_ERROR_INVALID_ARGUMENT,
                           "The table %08" PRIx32 " has been reported as refused: wait for the answer to that", plan->window.liobn);
        else if (error < 0 || error > 4095) /* the kernel's MAX_ERRNO */
                r = refuse(&refusal, TCED_ERROR_INVALID_ARGUMENT, "%d is no errno: report 0 or a positive one", error);
        else if (error > 0) {
                t->error = error;
                r = replace_table(m, t, error, done, userdata, &refusal);
                if (r < 0)
                        manager_table_changed(m, t);
        }
        if (r < 0) {
                done(&refusal, userdata);
                return;
        }
        if (error > 0)
                return;
        t->state = TABLE_MADE;
        t->error = 0;
        if (placement == PLACEMENT_KERNEL_VFIO)
                note_link(m, t);
        manager_table_changed(m, t);
        done(NULL, userdata);
}

void manager_table_handed_out(Manager *m, Table *t) {
        t->state = TABLE_HANDED_OUT;
        /* Not before the reply went out: a VMM that never got it asks again, and gets another; whoever got it does not. */
        manager_save_soon(m, t->machine);
        manager_tell_later(m, t);
}

void manager_unregister(Manager *m, Machine *machine) {
        log_message(LOG_INFO, TCED_MESSAGE_MACHINE_STR, "%s (%s) is gone", machine->name, machine->uuid);
        if (m->observer.machine_removed)
                m->observer.machine_removed(machine, m->observer.userdata);
        manager_remove_machine(m, machine);
        manager_save_without(m, machine);
        announce_holder(m, machine);
        account_release(m, machine->registrar,
                        (Cost) { 1, machine->n_tables + machine->opened_tables, machine->charged + machine->opened_bytes });
        (void) machine_free(machine);
}
