/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "machine.h"

#include <inttypes.h>
#include <limits.h>
#include <sys/epoll.h>

#include "util.h"

static const char *const machine_state_names[_MACHINE_STATE_MAX] = {
        [MACHINE_REGISTERED] = "registered",
        [MACHINE_CLAIMED] = "claimed",
};

static const char *const machine_source_names[_MACHINE_SOURCE_MAX] = {
        [MACHINE_SOURCE_BUS] = "bus",
        [MACHINE_SOURCE_LIBVIRT] = "libvirt",
};

static const char *const table_state_names[_TABLE_STATE_MAX] = {
        [TABLE_PLANNED] = "planned",
        [TABLE_MADE] = "made",
        [TABLE_READY] = "ready",
        [TABLE_HANDED_OUT] = "handed-out",
};

const char *machine_state_to_string(MachineState state) {
        return machine_state_names[state];
}

int machine_state_from_string(const char *text) {
        return name_lookup(machine_state_names, ELEMENTSOF(machine_state_names), text);
}

const char *machine_source_to_string(MachineSource source) {
        return machine_source_names[source];
}

int machine_source_from_string(const char *text) {
        return name_lookup(machine_source_names, ELEMENTSOF(machine_source_names), text);
}

void machine_domain_clear(MachineDomain *d) {
        findings_clear(&d->findings);
        free(d->security_model);
        free(d->security_label);
        free(d->groups);
        *d = (MachineDomain) {};
}

const char *table_state_to_string(TableState state) {
        return table_state_names[state];
}

int table_state_from_string(const char *text) {
        return name_lookup(table_state_names, ELEMENTSOF(table_state_names), text);
}

Machine *machine_free(Machine *m) {
        if (!m)
                return NULL;
        for (size_t i = 0; i < m->n_tables; i++)
                table_memory_clear(&m->tables[i].memory);
        free(m->tables);
        (void) sd_event_source_disable_unref(m->end_source);
        process_close(&m->process);
        plan_clear(&m->plan);
        machine_domain_clear(&m->domain);
        findings_clear(&m->findings);
        free(m->opened);
        free(m->groups);
        findings_clear(&m->audited);
        free(m->name);
        free(m);
        return NULL;
}

int machine_new(const char *name, const char *uuid, Plan *plan, void (*ended)(Machine *, void *), void *userdata,
                Machine **ret) {
        Machine *m = calloc(1, sizeof(*m));

        if (!m)
                return -ENOMEM;
        m->process = (Process) PROCESS_INIT;
        m->ended = ended;
        m->userdata = userdata;
        (void) snprintf(m->uuid, sizeof(m->uuid), "%s", uuid);
        m->name = strdup(name);
        m->tables = calloc(plan->n_tables ? plan->n_tables : 1, sizeof(*m->tables));
        if (!m->name || !m->tables) {
                (void) machine_free(m);
                return -ENOMEM;
        }
        m->plan = *plan;
        *plan = (Plan) {};
        m->n_tables = m->plan.n_tables;
        for (size_t i = 0; i < m->n_tables; i++)
                m->tables[i] = (Table) {
                        .machine = m, .plan = &m->plan.tables[i], .state = TABLE_PLANNED, .memory = TABLE_MEMORY_INIT,
                };
        if (machine_update_findings(m) < 0) {
                *plan = m->plan;
                m->plan = (Plan) {};
                (void) machine_free(m);
                return -ENOMEM;
        }
        *ret = m;
        return 0;
}

static int on_process_end(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Machine *m = userdata;

        m->ended(m, m->userdata);
        return 0;
}

int machine_hold(Machine *m, sd_event *event, Process *process) {
        sd_event_source *source;
        int r;

        if (!process_alive(process))
                return -ESRCH;
        r = sd_event_add_io(event, &source, process->pidfd, EPOLLIN, on_process_end, m);
        if (r < 0)
                return r;
        (void) sd_event_source_disable_unref(m->end_source);
        process_close(&m->process);
        m->end_source = source;
        m->process = *process;
        *process = (Process) PROCESS_INIT;
        return 0;
}

bool machine_is_run_by(const Machine *m, const Process *process) {
        return process_same(&m->process, process) && !(process->by_pid && m->source == MACHINE_SOURCE_LIBVIRT);
}

static int compare_liobn(const void *key, const void *item) {
        uint32_t a = *(const uint32_t *) key, b = ((const Table *) item)->plan->window.liobn;

        return a < b ? -1 : a > b;
}

Table *machine_find_table(Machine *m, uint32_t liobn) {
        return bsearch(&liobn, m->tables, m->n_tables, sizeof(*m->tables), compare_liobn);
}

bool machine_is_masters(const Machine *m) {
        return m->registrar == 0 || m->registrar == geteuid();
}

bool machine_has_group(const Machine *m, int group) {
        for (size_t i = 0; i < m->n_tables; i++)
                if (m->tables[i].plan->window.group == group)
                        return true;
        for (size_t i = 0; i < m->domain.n_groups; i++)
                if (m->domain.groups[i] == group)
                        return true;
        return false;
}

bool machine_holds_group(const Machine *m, unsigned number, const GroupFacts *now) {
        if (number > INT_MAX || !machine_has_group(m, (int) number))
                return false;
        /* A group without devices may be that of a device that is unplugged, and comes again. */
        if (!now || now->n_devices == 0)
                return true;
        for (size_t i = 0; i < m->n_groups; i++)
                if (m->groups[i].number == number)
                        return group_facts_has_identity(now, m->groups[i].identity);
        return true;
}

static void note_group(Machine *m, const VfioFacts *vfio, int number) {
        const GroupFacts *g = number < 0 ? NULL : vfio_facts_find_group(vfio, (unsigned) number);

        if (!g || g->n_devices == 0)
                return;
        for (size_t i = 0; i < m->n_groups; i++)
                if (m->groups[i].number == g->number)
                        return;
        m->groups[m->n_groups].number = g->number;
        (void) device_facts_identity(&g->devices[0], m->groups[m->n_groups++].identity);
}

int machine_note_groups(Machine *m, const VfioFacts *vfio) {
        free(m->groups);
        m->n_groups = 0;
        m->groups = calloc(m->n_tables + m->domain.n_groups + 1, sizeof(*m->groups));
        if (!m->groups)
                return -ENOMEM;
        for (size_t i = 0; i < m->n_tables; i++)
                note_group(m, vfio, m->tables[i].plan->window.group);
        for (size_t i = 0; i < m->domain.n_groups; i++)
                note_group(m, vfio, m->domain.groups[i]);
        return 0;
}

void table_set_memory(Table *t, TableMemory *memory) {
        t->memory = *memory;
        t->huge_pages = memory->huge;
        t->state = TABLE_READY;
        *memory = (TableMemory) TABLE_MEMORY_INIT;
}

/* What to do about a table that is in the VMM though no rule asked for that. */
static const char *slow_path_remedy(const Table *t) {
        switch (t->plan->verdict.reason) {
        case REASON_KERNEL_REFUSED:
                return t->error == ENOMEM ? "Raise the VM's locked-memory limit (libvirt: <memtune><hard_limit>), then start it again"
                                          : "Look into the kernel's log, then start the VM again";
        case REASON_NO_KVM:
        case REASON_NO_TCE:
        case REASON_NO_TCE_64:
        case REASON_NO_VFIO_COUPLING:
                return "See the host's findings: tcectl status";
        case REASON_TCG:
                return "Give the domain type='kvm'";
        case REASON_IN_KERNEL:
        case REASON_IN_KERNEL_LINKED:
        case REASON_RULE_USER:
        case REASON_TOO_MANY_ENTRIES:
        case REASON_INVALID_WINDOW:
        case _REASON_MAX:
                break;
        }
        return "";
}

/* The domain's findings say of some tables, and not of those that the kernel refuses later, that they are on the slow path. */
static bool told_by_domain(const Machine *m, const Table *t, const char *subject) {
        for (size_t i = 0; i < m->domain.findings.n; i++) {
                const Finding *f = &m->domain.findings.items[i];

                if (f->id == FINDING_SLOW_PATH && (streq(f->subject, subject) || streq(f->subject, t->plan->window.device)))
                        return t->plan->verdict.reason != REASON_KERNEL_REFUSED;
        }
        return false;
}

int machine_update_findings(Machine *m) {
        findings_clear(&m->findings);
        for (size_t i = 0; i < m->domain.findings.n; i++) {
                const Finding *f = &m->domain.findings.items[i];
                int r;

                if (f->id == FINDING_MEMLOCK_LOW && m->memlock_raised >= m->domain.memlock.charged &&
                    m->memlock_raised >= m->domain.memlock.charged_at_start && m->memlock_raised > 0)
                        continue;
                r = findings_add(&m->findings, f->id, f->severity, f->subject, f->remedy, "%s", f->text);

                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < m->n_tables; i++) {
                const Table *t = &m->tables[i];
                char subject[32], refusal[96] = "";
                int r;

                if (t->plan->verdict.placement != PLACEMENT_USER || t->plan->verdict.reason == REASON_RULE_USER)
                        continue;
                if (t->error)
                        (void) snprintf(refusal, sizeof(refusal), " (%s)", strerror(t->error));
                (void) snprintf(subject, sizeof(subject), "liobn %08" PRIx32, t->plan->window.liobn);
                if (told_by_domain(m, t, subject))
                        continue;
                r = findings_add(&m->findings, FINDING_SLOW_PATH, SEVERITY_WARNING, subject, slow_path_remedy(t),
                                 "%s: each TCE hypercall exits to the VMM: %s%s", t->plan->window.device,
                                 reason_text(t->plan->verdict.reason), refusal);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < m->audited.n; i++) {
                const Finding *f = &m->audited.items[i];
                int r = findings_add(&m->findings, f->id, f->severity, f->subject, f->remedy, "%s", f->text);

                if (r < 0)
                        return r;
        }
        return 0;
}
