/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A VM is looked at 1, 10 and 60 s and 10 min after KVM said that it was made, when libvirt, a claim or a report says that something
 * happened, and when someone asks. What is kept goes with the process. A VM on the slow path is told once, when there is a reason to be
 * seen, or when it is still so a while later: a VMM that is starting has not made all of its tables. */

#include "manager_audit.h"

#include <inttypes.h>
#include <time.h>

#include "audit_expected.h"
#include "audit_json.h"
#include "libvirt_claim.h"
#include "log.h"
#include "manager_internal.h"
#include "manager_log.h"
#include "names.h"
#include "util.h"

#define SECOND_USEC UINT64_C(1000000)
#define SOON_USEC SECOND_USEC
/* A VMM makes the tables of PHBs when all its devices are there, which takes long with passthrough and much memory. */
#define UNEXPLAINED_USEC (30 * SECOND_USEC)
/* VMs of which an audit is still to come; a host has no more, and whoever makes VMs without end gets no memory by it. */
#define DUES_MAX 8192U
/* As often is a VM's log looked into that has no table where it should be. */
#define LOG_LOOKS_MAX 8U

static const uint64_t stages_usec[] = { SECOND_USEC, 10 * SECOND_USEC, 60 * SECOND_USEC, 600 * SECOND_USEC };

typedef struct Auditor Auditor;

/* A VM that was made, and whose next audits are still to come. */
typedef struct Due {
        Auditor *auditor;
        pid_t pid;
        unsigned stage;
        uint64_t made_usec;
        sd_event_source *timer;
        struct Due *next;
} Due;

typedef struct AuditWaiter {
        pid_t pid;
        bool running; /* the audit that runs is its own */
        AuditDone done;
        void *userdata;
        struct AuditWaiter *next;
} AuditWaiter;

/* What the worker does: nothing of the manager's is touched by it but proc_fd. */
typedef struct Look {
        Auditor *auditor;
        int proc_fd;
        pid_t pid; /* 0: all */
        pid_t self;
        uint64_t page_size;
        SeenProcesses seen;
        int result;
} Look;

struct Auditor {
        Manager *manager;
        AuditRecord *records; /* by PID */
        size_t n_records, allocated;
        unsigned n_closed;
        AuditWaiter *waiters;
        bool looking;
        Due *dues;
        unsigned n_dues;
        sd_event_source *soon;
};

static void start_next(Auditor *a);

/* Ages are counted by the clock that nobody sets; what is shown as a date comes from the other. */
static uint64_t now_usec(clockid_t clock) {
        struct timespec now;

        (void) clock_gettime(clock, &now);
        return (uint64_t) now.tv_sec * SECOND_USEC + (uint64_t) now.tv_nsec / 1000;
}

static void record_clear(AuditRecord *r) {
        seen_process_clear(&r->process);
        audit_clear(&r->audit);
}

/* Out of the list as well. */
static void due_free(Due *due) {
        Auditor *a = due->auditor;

        for (Due **p = &a->dues; *p; p = &(*p)->next)
                if (*p == due) {
                        *p = due->next;
                        break;
                }
        a->n_dues--;
        (void) sd_event_source_disable_unref(due->timer);
        free(due);
}

/* Made when it is first needed. NULL: no memory. */
static Auditor *auditor_get(Manager *m) {
        if (!m->auditor && !m->ending) {
                m->auditor = calloc(1, sizeof(*m->auditor));
                if (m->auditor)
                        m->auditor->manager = m;
        }
        return m->auditor;
}

/* Which process runs which machine: found out once for all processes of a look, as libvirt's pid files have to be read for it. */
typedef struct Owner {
        pid_t pid;
        uint64_t start; /* 0: not known */
        Machine *machine;
} Owner;

typedef struct Owners {
        const Manager *manager;
        Owner *items;
        size_t n, allocated;
} Owners;

/* Whoever claimed it, or registered it for itself; one of libvirt's that nobody claims, as a stock QEMU does not, is known by libvirt's pid
 * file. */
static int add_owner(Machine *machine, void *userdata) {
        Owners *o = userdata;
        Owner owner = { .pid = machine->process.pid, .start = machine->process.start, .machine = machine };

        if (owner.pid == 0 && machine->source == MACHINE_SOURCE_LIBVIRT)
                owner = (Owner) { .pid = libvirt_claim_running(o->manager->places.libvirt_run, machine->name), .machine = machine };
        if (owner.pid <= 0)
                return 0;
        if (ARRAY_RESERVE(o->items, o->allocated, o->n + 1) < 0)
                return -ENOMEM;
        o->items[o->n++] = owner;
        return 0;
}

/* A claimed machine, whose start time is known, before any other. */
static int compare_owner(const void *a, const void *b) {
        const Owner *x = a, *y = b;

        if (x->pid != y->pid)
                return x->pid < y->pid ? -1 : 1;
        return x->start > y->start ? -1 : x->start < y->start;
}

static int owners_find(Manager *m, Owners *ret) {
        *ret = (Owners) { .manager = m };
        if (manager_foreach_machine(m, add_owner, ret) < 0)
                return -ENOMEM;
        if (ret->n > 1)
                qsort(ret->items, ret->n, sizeof(*ret->items), compare_owner);
        return 0;
}

static Machine *find_machine(const Owners *o, const SeenProcess *process) {
        size_t low = 0, high = o->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (o->items[middle].pid < process->pid)
                        low = middle + 1;
                else
                        high = middle;
        }
        for (; low < o->n && o->items[low].pid == process->pid; low++)
                if (o->items[low].start == 0 || o->items[low].start == process->start)
                        return o->items[low].machine;
        return NULL;
}

/* A host has some hundred VMs at most: walked through. */
static AuditRecord *find_record(const Auditor *a, pid_t pid) {
        for (size_t i = 0; a && i < a->n_records; i++)
                if (a->records[i].process.pid == pid)
                        return &a->records[i];
        return NULL;
}

const AuditRecord *manager_audit_of_process(Manager *m, pid_t pid) {
        return find_record(m->auditor, pid);
}

const AuditRecord *manager_audit_of_machine(Manager *m, const Machine *machine) {
        for (size_t i = 0; m->auditor && i < m->auditor->n_records; i++)
                if (streq(m->auditor->records[i].uuid, machine->uuid))
                        return &m->auditor->records[i];
        return NULL;
}

const AuditTable *audit_record_table(const AuditRecord *r, const Table *table) {
        for (size_t i = 0; r && i < r->audit.n_tables; i++)
                if (r->audit.tables[i].expected && !r->audit.tables[i].dynamic &&
                    r->audit.tables[i].liobn == (int64_t) table->plan->window.liobn)
                        return &r->audit.tables[i];
        return NULL;
}

const AuditTable *manager_audit_of_table(Manager *m, const Table *table) {
        return audit_record_table(manager_audit_of_machine(m, table->machine), table);
}

/* Whose log may be looked into: one of libvirt's domains, by what only root can have said. NULL: none. */
static char *find_domain(Manager *m, const SeenProcess *process, const Machine *machine) {
        _cleanup_free_ char *name = NULL;

        if (machine)
                return machine->source == MACHINE_SOURCE_LIBVIRT ? strdup(machine->name) : NULL;
        if (audit_guest_name(process, &name) < 0 || !name || strchr(name, '/') ||
            libvirt_claim_running(m->places.libvirt_run, name) != process->pid)
                return NULL;
        return TAKE_PTR(name);
}

/* By the machine's plan, else by what a stock VMM would do. */
static int audit_process(Manager *m, const SeenProcess *process, const Machine *machine, const AuditRecord *before, Audit *ret) {
        _cleanup_(plan_clear) Plan plan = {};
        _cleanup_free_ int *errors = NULL;
        char unknown[AUDIT_UNKNOWN_MAX] = "";
        AuditExpectation e = { .unknown = unknown };
        int r;

        if (!machine) {
                r = audit_expect_command_line(process, &m->kvm, &m->vfio, &plan, unknown);
                if (r == 0)
                        e = (AuditExpectation) { .basis = AUDIT_BY_COMMAND_LINE, .plan = &plan };
                else if (r != -ENOENT)
                        return r;
        } else {
                errors = calloc(machine->n_tables + 1, sizeof(*errors));
                if (!errors)
                        return -ENOMEM;
                for (size_t i = 0; i < machine->n_tables; i++)
                        errors[i] = machine->tables[i].state == TABLE_MADE ? AUDIT_REPORTED_MADE : machine->tables[i].error;
                e = (AuditExpectation) { .basis = AUDIT_BY_MACHINE, .plan = &machine->plan, .errors = errors };
        }
        if (before) {
                e.refused = before->refused;
                e.n_refused = before->n_refused;
        }
        return audit_make(process, &e, m->kvm.page_size, ret);
}

/* Is the table on the slow path without anyone having been told? What the plan itself says of a machine's tables, and what the VMM reported,
 * is among its findings anyway. */
static bool is_silent(const Audit *a, const AuditTable *t) {
        return t->slow && (a->basis != AUDIT_BY_MACHINE || (t->differs && (t->why_source != AUDIT_WHY_SEEN || t->by_log)));
}

bool audit_record_told(const AuditRecord *r, const AuditTable *t) {
        return r->told && is_silent(&r->audit, t);
}

/* Is there a reason to be seen for one of them at least? Then it is no matter of waiting. */
static bool is_explained(const Audit *a) {
        for (size_t i = 0; i < a->n_tables; i++)
                if (is_silent(a, &a->tables[i]) && a->tables[i].why_source != AUDIT_WHY_NONE)
                        return true;
        return false;
}

static bool has_silent(const Audit *a) {
        for (size_t i = 0; i < a->n_tables; i++)
                if (a->verdict == AUDIT_SLOW_PATH && is_silent(a, &a->tables[i]))
                        return true;
        return false;
}

/* As machine.c has it, so that whoever reads findings finds the same subject. */
static void name_table(const AuditTable *t, char *buf, size_t size) {
        (void) snprintf(buf, size, "liobn %08" PRIx64, (uint64_t) t->liobn);
}

static int add_table_finding(const AuditRecord *r, const AuditTable *t, bool of_machine, Findings *to) {
        char subject[32], liobn[32], found[64];

        name_table(t, liobn, sizeof(liobn));
        (void) snprintf(subject, sizeof(subject), "process %d", (int) r->process.pid);
        return findings_add(to, FINDING_SLOW_PATH, SEVERITY_WARNING, of_machine ? liobn : subject, audit_remedy(t),
                            "%s%s%s: not found in the kernel (%s), each TCE hypercall exits to the VMM: %s", of_machine ? "" : liobn,
                            of_machine ? "" : ", ", t->device ? t->device : "", audit_found_text(t, found, sizeof(found)), t->why);
}

/* One for each table that nobody was told of; none before it was told that the VM is slow. */
static int add_findings(const AuditRecord *r, bool of_machine, Findings *to) {
        int error = 0;

        for (size_t i = 0; error >= 0 && i < r->audit.n_tables; i++)
                if (audit_record_told(r, &r->audit.tables[i]))
                        error = add_table_finding(r, &r->audit.tables[i], of_machine, to);
        return error;
}

int manager_add_audit_findings(const Manager *m, Findings *f) {
        int r = 0;

        for (size_t i = 0; m->auditor && r >= 0 && i < m->auditor->n_records; i++)
                if (!*m->auditor->records[i].uuid)
                        r = add_findings(&m->auditor->records[i], false, f);
        return r;
}

/* The machine's findings, or the host's where it is nobody's, follow what was seen. */
static void publish(Manager *m, const AuditRecord *r, Machine *machine) {
        Findings now = {};

        if (!machine) {
                size_t before = m->findings.n;

                (void) manager_update_findings(m);
                if (m->findings.n != before && m->observer.host_changed)
                        m->observer.host_changed(m->observer.userdata);
                return;
        }
        if (r && add_findings(r, true, &now) < 0) {
                findings_clear(&now);
                return;
        }
        if (findings_equal(&now, &machine->audited)) {
                findings_clear(&now);
                return;
        }
        findings_clear(&machine->audited);
        machine->audited = now;
        (void) machine_update_findings(machine);
        if (m->observer.machine_changed)
                m->observer.machine_changed(machine, m->observer.userdata);
}

/* Says it once: in the journal, and by a signal. */
static void tell(Manager *m, const AuditRecord *r, const Machine *machine) {
        const char *name = machine ? machine->name : r->process.name;
        char text[512] = "";
        unsigned n = 0;

        for (size_t i = 0; i < r->audit.n_tables; i++) {
                const AuditTable *t = &r->audit.tables[i];
                char liobn[32];

                if (!is_silent(&r->audit, t) || n++ > 0)
                        continue;
                name_table(t, liobn, sizeof(liobn));
                (void) snprintf(text, sizeof(text), "%s (%s) is not in the kernel: %s", liobn, t->device ? t->device : "", t->why);
        }
        if (n > 1)
                (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "; and %u more", n - 1);
        log_message(LOG_WARNING, TCED_MESSAGE_SLOW_PATH_STR, "%s (process %d) runs on the slow path: %s. See: tcectl audit %d", name,
                    (int) r->process.pid, text, (int) r->process.pid);
        if (m->observer.slow_path)
                m->observer.slow_path(machine, r->process.pid, name, text, m->observer.userdata);
}

/* Whoever shows the tables is told of those that are found elsewhere than before. */
static void tell_tables(Manager *m, Machine *machine, const Audit *before, const Audit *now) {
        for (size_t i = 0; machine && m->observer.table_changed && i < now->n_tables; i++) {
                const AuditTable *t = &now->tables[i];
                bool same = false;
                Table *table;

                for (size_t j = 0; j < before->n_tables && !same; j++)
                        same = before->tables[j].liobn == t->liobn && before->tables[j].dynamic == t->dynamic &&
                               before->tables[j].found == t->found && streq(before->tables[j].why, t->why);
                table = same || t->dynamic || !t->expected ? NULL : machine_find_table(machine, (uint32_t) t->liobn);
                if (table)
                        m->observer.table_changed(table, m->observer.userdata);
        }
}

typedef struct LogAsk {
        Manager *manager;
        pid_t pid;
        uint64_t start;
} LogAsk;

/* If it tells more than was known, the VM is looked at again. */
static void on_log(const uint32_t *liobns, size_t n, void *userdata) {
        LogAsk *ask = userdata;
        Manager *m = ask->manager;
        AuditRecord *r = find_record(m->auditor, ask->pid);

        if (r && r->process.start == ask->start && !m->ending) {
                bool news = n != r->n_refused || memcmp(liobns, r->refused, n * sizeof(*liobns)) != 0;

                r->log_open = false;
                memcpy(r->refused, liobns, n * sizeof(*liobns));
                r->n_refused = n;
                if (news)
                        (void) manager_audit(m, ask->pid, NULL, NULL);
        }
        free(ask);
}

/* It says for certain what is else only likely. QEMU may not have come so far, so each look at the VM looks there as well, a few times. */
static void look_into_log(Auditor *a, AuditRecord *r, const char *domain) {
        LogAsk *ask = malloc(sizeof(*ask));

        if (!ask)
                return;
        *ask = (LogAsk) { .manager = a->manager, .pid = r->process.pid, .start = r->process.start };
        r->log_looks++;
        r->log_open = manager_read_log(a->manager, domain, on_log, ask) >= 0;
        if (!r->log_open)
                free(ask);
}

/* Takes over what was read of a process: the record of it follows. */
static int take_process(Auditor *a, const Owners *owners, SeenProcess *process) {
        Manager *m = a->manager;
        Machine *machine = find_machine(owners, process);
        AuditRecord *r = find_record(a, process->pid), before;
        bool same = r && r->process.start == process->start;
        _cleanup_free_ char *domain = NULL;
        Audit audit;
        int error;

        error = audit_process(m, process, machine, same ? r : NULL, &audit);
        if (error < 0)
                return error;
        if (!r) {
                if (ARRAY_RESERVE(a->records, a->allocated, a->n_records + 1) < 0) {
                        audit_clear(&audit);
                        return -ENOMEM;
                }
                r = &a->records[a->n_records++];
                *r = (AuditRecord) {};
        }
        before = *r;
        *r = (AuditRecord) { .process = *process, .audit = audit, .usec = now_usec(CLOCK_MONOTONIC), .realtime_usec = now_usec(CLOCK_REALTIME) };
        *process = (SeenProcess) {};
        if (same) {
                memcpy(r->refused, before.refused, sizeof(r->refused));
                r->n_refused = before.n_refused;
                r->log_looks = before.log_looks;
                r->log_open = before.log_open;
        }
        if (has_silent(&audit) && !r->log_open && r->log_looks < LOG_LOOKS_MAX)
                domain = find_domain(m, &r->process, machine);
        free(TAKE_PTR(r->process.command_line));
        r->process.command_line_size = 0;
        if (machine)
                memcpy(r->uuid, machine->uuid, sizeof(r->uuid));
        log_debug("Audited process %d (%s): %s, %u tables in the kernel, %u elsewhere", (int) r->process.pid,
                  machine ? machine->name : r->process.name, audit_verdict_to_string(audit.verdict), audit.n_kernel, audit.n_out);
        if (has_silent(&audit)) {
                bool still = same && before.slow_usec > 0;

                r->slow_usec = still ? before.slow_usec : r->usec;
                r->told = (still && before.told) || is_explained(&audit) || r->usec - r->slow_usec >= UNEXPLAINED_USEC;
                if (r->told && !(still && before.told))
                        tell(m, r, machine);
        }
        if (domain)
                look_into_log(a, r, domain);
        tell_tables(m, machine, &before.audit, &r->audit);
        if (machine || r->told || before.told)
                publish(m, r, machine);
        record_clear(&before);
        return 0;
}

/* What it had to say goes with it. */
static void drop_record(Auditor *a, AuditRecord *r) {
        Machine *machine = *r->uuid ? manager_find_machine_by_uuid(a->manager, r->uuid) : NULL;
        bool told = r->told;

        record_clear(r);
        *r = a->records[--a->n_records];
        if (told)
                publish(a->manager, NULL, machine);
}

/* Those that were looked for and were not found have ended. */
static void drop_ended(Auditor *a, const Look *look) {
        for (size_t i = a->n_records; i > 0; i--) {
                AuditRecord *r = &a->records[i - 1];
                bool found = look->pid != 0 && look->pid != r->process.pid;

                for (size_t j = 0; j < look->seen.n && !found; j++)
                        found = look->seen.items[j].pid == r->process.pid;
                if (!found)
                        drop_record(a, r);
        }
}

/* In a thread. */
static void look_run(void *task) {
        Look *look = task;
        SeenProcess p;

        if (look->pid == 0) {
                look->result = audit_process_scan(look->proc_fd, look->self, look->page_size, &look->seen);
                return;
        }
        look->result = audit_process_read(look->proc_fd, look->pid, look->page_size, &p);
        if (look->result < 0)
                return;
        if ((p.n_vms == 0 && p.maps_error == 0) || p.parent == look->self) {
                seen_process_clear(&p);
                look->result = -ESRCH;
                return;
        }
        look->seen.items = malloc(sizeof(p));
        if (!look->seen.items) {
                seen_process_clear(&p);
                look->result = -ENOMEM;
                return;
        }
        look->seen.items[look->seen.n++] = p;
}

/* Those whose look this was. Who asked for one process gets ESRCH where it has none of this. */
static void answer(Auditor *a, int error) {
        AuditWaiter **p = &a->waiters;

        while (*p) {
                AuditWaiter *w = *p;

                if (!w->running) {
                        p = &w->next;
                        continue;
                }
                *p = w->next;
                if (w->done)
                        w->done(w->pid && error == 0 && !find_record(a, w->pid) ? ESRCH : error, w->userdata);
                free(w);
        }
}

/* In the loop. */
static void look_done(void *task) {
        Look *look = task;
        Auditor *a = look->auditor;
        int r = look->result;
        Owners owners = {};

        a->looking = false;
        if (!a->manager->ending && (r >= 0 || r == -ESRCH)) {
                drop_ended(a, look);
                if (look->seen.n > 0 && owners_find(a->manager, &owners) < 0)
                        r = -ENOMEM;
                for (size_t i = 0; r >= 0 && i < look->seen.n; i++)
                        r = take_process(a, &owners, &look->seen.items[i]);
                if (look->pid == 0 && r >= 0)
                        a->n_closed = look->seen.n_closed;
        }
        answer(a, a->manager->ending ? ECANCELED : r < 0 ? -r : 0);
        free(owners.items);
        seen_processes_clear(&look->seen);
        free(look);
        if (!a->manager->ending)
                start_next(a);
}

/* All that wait are served by one look: at the one process that they ask for, or at all. */
static void start_next(Auditor *a) {
        Look *look;
        int r;

        if (a->looking || !a->waiters)
                return;
        look = malloc(sizeof(*look));
        if (look) {
                *look = (Look) {
                        .auditor = a, .proc_fd = a->manager->proc_fd, .pid = a->waiters->pid, .self = getpid(),
                        .page_size = a->manager->kvm.page_size,
                };
                for (const AuditWaiter *w = a->waiters; w; w = w->next)
                        if (w->pid != look->pid)
                                look->pid = 0;
        }
        for (AuditWaiter *w = a->waiters; w; w = w->next)
                w->running = true;
        r = look ? worker_submit(a->manager->worker, look_run, look_done, look) : -ENOMEM;
        a->looking = r >= 0;
        if (r < 0) {
                free(look);
                answer(a, -r);
        }
}

int manager_audit(Manager *m, pid_t pid, AuditDone done, void *userdata) {
        Auditor *a = auditor_get(m);
        AuditWaiter *w = a ? calloc(1, sizeof(*w)) : NULL, **end;

        if (!w)
                return -ENOMEM;
        *w = (AuditWaiter) { .pid = pid, .done = done, .userdata = userdata };
        for (end = &a->waiters; *end; end = &(*end)->next)
                ;
        *end = w;
        start_next(a);
        return 0;
}

static int on_soon(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Auditor *a = userdata;

        a->soon = sd_event_source_unref(a->soon);
        (void) manager_audit(a->manager, 0, NULL, NULL);
        return 0;
}

void manager_audit_soon(Manager *m) {
        Auditor *a = auditor_get(m);

        if (a && !a->soon && !m->ending)
                (void) sd_event_add_time_relative(m->event, &a->soon, CLOCK_MONOTONIC, SOON_USEC, 0, on_soon, a);
}

/* The next of its four looks, and the one after that is set. */
static int on_due(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Due *due = userdata;

        (void) manager_audit(due->auditor->manager, due->pid, NULL, NULL);
        if (++due->stage == ELEMENTSOF(stages_usec) ||
            sd_event_source_set_time(due->timer, due->made_usec + stages_usec[due->stage]) < 0 ||
            sd_event_source_set_enabled(due->timer, SD_EVENT_ONESHOT) < 0)
                due_free(due);
        return 0;
}

void manager_vm_created(Manager *m, pid_t pid) {
        Auditor *a = auditor_get(m);
        Due *due;

        /* A second VM of one process, as VMMs make to try something: from then on. */
        for (due = a ? a->dues : NULL; due; due = due->next)
                if (due->pid == pid) {
                        due_free(due);
                        break;
                }
        if (!a || a->n_dues >= DUES_MAX)
                return;
        due = malloc(sizeof(*due));
        if (!due)
                return;
        *due = (Due) { .auditor = a, .pid = pid, .made_usec = now_usec(CLOCK_MONOTONIC), .next = a->dues };
        a->dues = due;
        a->n_dues++;
        if (sd_event_add_time(m->event, &due->timer, CLOCK_MONOTONIC, due->made_usec + stages_usec[0], 0, on_due, due) < 0)
                due_free(due);
}

void manager_vm_destroyed(Manager *m, pid_t pid) {
        Auditor *a = m->auditor;

        if (!a || m->ending)
                return;
        /* It may have another. */
        if (find_record(a, pid))
                (void) manager_audit(m, pid, NULL, NULL);
        else
                for (Due *due = a->dues; due; due = due->next)
                        if (due->pid == pid) {
                                due_free(due);
                                break;
                        }
}

void manager_stop_audits(Manager *m) {
        Auditor *a = m->auditor;

        if (!a)
                return;
        a->soon = sd_event_source_disable_unref(a->soon);
        while (a->dues)
                due_free(a->dues);
        for (AuditWaiter *w = a->waiters; w; w = w->next)
                w->running = true;
        answer(a, ECANCELED);
}

void manager_free_audits(Manager *m) {
        Auditor *a = m->auditor;

        if (!a)
                return;
        while (a->n_records > 0)
                record_clear(&a->records[--a->n_records]);
        free(a->records);
        free(a);
        m->auditor = NULL;
}

static int compare_pid(const void *a, const void *b) {
        const AuditRecord *const *x = a, *const *y = b;

        return (*x)->process.pid < (*y)->process.pid ? -1 : (*x)->process.pid > (*y)->process.pid;
}

static Json *record_json(Manager *m, const AuditRecord *r, AuditVisible visible, void *userdata) {
        const Machine *machine = *r->uuid ? manager_find_machine_by_uuid(m, r->uuid) : NULL;
        uint64_t age = now_usec(CLOCK_MONOTONIC) - r->usec;

        if (visible && !visible(r, machine, userdata))
                return NULL;
        return audit_json(&r->process, &r->audit, machine ? machine->name : NULL, machine ? machine->uuid : NULL, age, m->kvm.page_size);
}

int manager_audit_json(Manager *m, pid_t pid, AuditVisible visible, void *userdata, char **ret) {
        size_t n = m->auditor ? m->auditor->n_records : 0;
        _cleanup_free_ const AuditRecord **sorted = calloc(n + 1, sizeof(*sorted));
        Json *document, *array, *vm;

        if (!sorted)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                sorted[i] = &m->auditor->records[i];
        qsort(sorted, n, sizeof(*sorted), compare_pid);
        document = json_begin();
        if (pid != 0) {
                const AuditRecord *r = find_record(m->auditor, pid);

                (void) json_object_put(document);
                document = r ? record_json(m, r, visible, userdata) : NULL;
                return document ? json_end_consume(document, ret) : -ESRCH;
        }
        json_add_number(document, "unreadable", m->auditor ? m->auditor->n_closed : 0);
        array = json_new_array();
        for (size_t i = 0; i < n; i++) {
                vm = record_json(m, sorted[i], visible, userdata);
                if (vm)
                        json_push(array, vm);
        }
        json_add(document, "vms", array);
        return json_end_consume(document, ret);
}
