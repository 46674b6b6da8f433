/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What there is and how it is found. The host's groups are read in manager_rescan.c; registration is in manager_register.c, proofs in
 * manager_probe.c, groups that are opened in manager_group.c. */

#include "manager.h"

#include <inttypes.h>
#include <search.h>
#include <stdarg.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "log.h"
#include "manager_bind.h"
#include "manager_audit.h"
#include "manager_internal.h"
#include "names.h"
#include "probe_kvm.h"
#include "util.h"

int refuse(Refusal *refusal, const char *name, const char *format, ...) {
        va_list ap;

        refusal->name = name;
        va_start(ap, format);
        (void) vsnprintf(refusal->text, sizeof(refusal->text), format, ap);
        va_end(ap);
        return -EINVAL;
}

static void warn_config(const char *file, unsigned line, const char *text, void *userdata) {
        if (line > 0)
                log_warning("%s:%u: %s", file, line, text);
        else
                log_warning("%s: %s", file, text);
}

int manager_reload(Manager *m) {
        Config config;
        int r;

        r = config_load(m->places.config_root, warn_config, NULL, &config);
        if (r < 0)
                return r;
        config_clear(&m->config);
        m->config = config;
        log_set_level(config.log_level);
        manager_bind_wanted(m);
        if (manager_update_findings(m) < 0)
                log_warning("No memory for the host's findings");
        if (m->observer.host_changed)
                m->observer.host_changed(m->observer.userdata);
        return 0;
}

int manager_reload_notify(Manager *m) {
        struct timespec now;
        int r;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        (void) sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000);
        r = manager_reload(m);
        (void) sd_notify(0, "READY=1");
        return r;
}

static void log_finding(const Finding *f) {
        static const int levels[_SEVERITY_MAX] = {
                [SEVERITY_INFO] = LOG_INFO, [SEVERITY_WARNING] = LOG_WARNING, [SEVERITY_ERROR] = LOG_ERR,
        };

        log_message(levels[f->severity], TCED_MESSAGE_FINDING_STR, "%s (%s): %s. Remedy: %s", f->subject,
                    finding_id_to_string(f->id), f->text, isempty(f->remedy) ? "none" : f->remedy);
}

static int compare_findings(const void *a, const void *b) {
        const Finding *p = *(const Finding *const *) a, *q = *(const Finding *const *) b;
        int r = (p->id > q->id) - (p->id < q->id);

        if (r == 0)
                r = strcmp(p->subject, q->subject);
        return r != 0 ? r : strcmp(p->text, q->text);
}

/* Those that were not there before. A host may have one for each of its groups. 0 or -ENOMEM. */
static int log_new_findings(const Findings *before, const Findings *now) {
        _cleanup_free_ const Finding **known = calloc(before->n + 1, sizeof(*known));

        if (!known)
                return -ENOMEM;
        for (size_t i = 0; i < before->n; i++)
                known[i] = &before->items[i];
        qsort(known, before->n, sizeof(*known), compare_findings);
        for (size_t i = 0; i < now->n; i++) {
                const Finding *f = &now->items[i];

                /* The audit has told of its own. */
                if (f->id != FINDING_SLOW_PATH && !bsearch(&f, known, before->n, sizeof(*known), compare_findings))
                        log_finding(f);
        }
        return 0;
}

int manager_update_findings(Manager *m) {
        Findings now = {};
        bool same;
        int r;

        if (!m->looked)
                return 0;
        r = findings_from_host(&now, &m->kvm, &m->vfio);
        if (r >= 0)
                r = manager_add_hook_finding(m, &now);
        if (r >= 0)
                r = manager_add_state_finding(m, &now);
        if (r >= 0)
                r = manager_add_audit_findings(m, &now);
        if (r >= 0)
                r = manager_add_bind_findings(m, &now);
        same = findings_equal(&m->findings, &now);
        if (r >= 0 && !same)
                r = log_new_findings(&m->findings, &now);
        if (r < 0) {
                findings_clear(&now);
                return r;
        }
        findings_clear(&m->findings);
        m->findings = now;
        return !same;
}

int manager_new(sd_event *event, const Places *places, Manager **ret) {
        Manager *m = calloc(1, sizeof(*m));
        int r;

        if (!m)
                return -ENOMEM;
        m->event = sd_event_ref(event);
        m->places = *places;
        m->proof_group = -1;
        m->proof_group_fd = -EBADF;
        m->proc_fd = open(places->proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
        r = m->proc_fd < 0 ? -errno : 0;
        if (r < 0)
                log_error("Can't open %s, which tells who asks: %s; mount it", places->proc, strerror(-r));
        if (r >= 0)
                r = worker_new(event, &m->worker);
        if (r >= 0)
                r = helper_new(event, places->bind_socket, &m->helper);
        if (r >= 0)
                r = manager_reload(m);
        if (r < 0) {
                (void) manager_free(m);
                return r;
        }
        *ret = m;
        return 0;
}

int manager_look(Manager *m) {
        const ManagerObserver observer = TAKE_GENERIC(m->observer, ManagerObserver, (ManagerObserver) {});
        int r;

        probe_kvm_declared(&kvm_ops_system, m->places.dev, &m->kvm);
        m->looked = true;
        r = manager_rescan(m);
        if (r >= 0) {
                manager_connect_libvirt(m);
                /* VMs may run already. */
                manager_audit_soon(m);
        }
        m->observer = observer;
        return r;
}

static void ignore(void *p) {
}

static void free_machine(void *machine) {
        (void) machine_free(machine);
}

void manager_stop(Manager *m) {
        if (!m)
                return;
        __atomic_store_n(&m->ending, true, __ATOMIC_RELAXED);
        manager_probe_cancel(m);
        manager_group_probe_cancel(m);
        manager_disconnect_libvirt(m);
        manager_stop_audits(m);
        m->helper = helper_free(m->helper);
        m->worker = worker_free(m->worker);
        manager_tell_now(m);
        manager_stop_keeping(m);
}

Manager *manager_free(Manager *m) {
        if (!m)
                return NULL;
        m->observer = (ManagerObserver) {};
        manager_stop(m);
        manager_free_later(m);
        manager_free_audits(m);
        manager_free_binder(m);
        tdestroy(m->machines_by_name, ignore);
        tdestroy(m->machines_by_uuid, free_machine);
        free(m->accounts);
        findings_clear(&m->findings);
        vfio_facts_clear(&m->vfio);
        config_clear(&m->config);
        (void) fd_close(m->proc_fd);
        (void) sd_event_unref(m->event);
        free(m);
        return NULL;
}

static int compare_uuid(const void *a, const void *b) {
        return strcmp(((const Machine *) a)->uuid, ((const Machine *) b)->uuid);
}

static int compare_name(const void *a, const void *b) {
        return strcmp(((const Machine *) a)->name, ((const Machine *) b)->name);
}

int manager_insert_machine(Manager *m, Machine *machine) {
        if (!tsearch(machine, &m->machines_by_uuid, compare_uuid))
                return -ENOMEM;
        if (!tsearch(machine, &m->machines_by_name, compare_name)) {
                (void) tdelete(machine, &m->machines_by_uuid, compare_uuid);
                return -ENOMEM;
        }
        m->n_machines++;
        return 0;
}

void manager_remove_machine(Manager *m, Machine *machine) {
        manager_forget_later(m, machine);
        (void) tdelete(machine, &m->machines_by_uuid, compare_uuid);
        (void) tdelete(machine, &m->machines_by_name, compare_name);
        m->n_machines--;
}

Machine *manager_find_machine_by_uuid(Manager *m, const char *uuid) {
        Machine key = {}, **found;

        if (!uuid_normalize(uuid, key.uuid))
                return NULL;
        found = tfind(&key, &m->machines_by_uuid, compare_uuid);
        return found ? *found : NULL;
}

Machine *manager_find_machine_by_name(Manager *m, const char *name) {
        Machine key = { .name = (char *) name }, **found;

        found = tfind(&key, &m->machines_by_name, compare_name);
        return found ? *found : NULL;
}

Machine *manager_find_machine(Manager *m, const char *name_or_uuid) {
        /* libvirt lets a domain's name be another's UUID; it does not stand in for that. */
        Machine *found = manager_find_machine_by_uuid(m, name_or_uuid);

        return found ? found : manager_find_machine_by_name(m, name_or_uuid);
}

typedef struct Walk {
        int (*each)(Machine *, void *);
        void *userdata;
        int result;
} Walk;

static void walk_node(const void *node, VISIT which, void *closure) {
        Walk *w = closure;

        if ((which == postorder || which == leaf) && w->result >= 0)
                w->result = w->each(*(Machine *const *) node, w->userdata);
}

int manager_foreach_machine(Manager *m, int (*each)(Machine *, void *), void *userdata) {
        Walk w = { .each = each, .userdata = userdata };

        twalk_r(m->machines_by_uuid, walk_node, &w);
        return w.result;
}

/* What a walk looks for, and what it found. */
typedef struct Search {
        pid_t pid;
        unsigned group;
        const GroupFacts *facts; /* of that group; NULL: there is none */
        Machine *found;
} Search;

static int match_pid(Machine *machine, void *userdata) {
        Search *s = userdata;

        if (machine->state != MACHINE_CLAIMED || machine->process.pid != s->pid)
                return 0;
        s->found = machine;
        return -EEXIST;
}

/* Root's word first. */
static int match_group(Machine *machine, void *userdata) {
        Search *s = userdata;

        if (!machine_holds_group(machine, s->group, s->facts))
                return 0;
        s->found = machine;
        return machine_is_masters(machine) ? -EEXIST : 0;
}

Machine *manager_find_masters_machine(Manager *m, const char *uuid) {
        Machine *machine = manager_find_machine_by_uuid(m, uuid);

        return machine && machine_is_masters(machine) ? machine : NULL;
}

Machine *manager_find_machine_by_pid(Manager *m, pid_t pid) {
        Search s = { .pid = pid };

        (void) manager_foreach_machine(m, match_pid, &s);
        return s.found;
}

Machine *manager_find_machine_by_process(Manager *m, const Process *process) {
        Machine *found = manager_find_machine_by_pid(m, process->pid);

        return found && process_same(&found->process, process) ? found : NULL;
}

Machine *manager_find_holder(Manager *m, unsigned group) {
        Search s = { .group = group, .facts = vfio_facts_find_group(&m->vfio, group) };

        (void) manager_foreach_machine(m, match_group, &s);
        return s.found;
}
