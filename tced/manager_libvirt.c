/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What libvirt tells the manager by itself, beside its hook's calls: which domains run, that devices came or went, and
 * whether the hook is called at all. A domain that runs and that no hook told of (tced was started, or came back, behind it)
 * is registered as the hook's `reconnect` would have; one that runs no more, and that no hook released, goes. */

#include <time.h>

#include "libvirt_claim.h"
#include "log.h"
#include "manager_audit.h"
#include "manager_internal.h"
#include "util.h"

/* Devices come in swarms, and each makes an event. */
#define RESCAN_DELAY_USEC UINT64_C(200000)

/* A domain that libvirt says runs. */
struct RunningDomain {
        char uuid[33];
        uint64_t serial; /* of its machine; 0: none yet */
        bool asked;      /* for its XML, or its hook told of it */
};

/* A host has some hundred VMs at most, and libvirt speaks seldom: walked through. */
static RunningDomain *find_running(RunningDomain *list, size_t n, const char *uuid) {
        for (size_t i = 0; i < n; i++)
                if (streq(list[i].uuid, uuid))
                        return &list[i];
        return NULL;
}

/* The finding follows what is seen, and whoever shows it is told. */
void manager_look_at_hook(Manager *m) {
        const HookTimes times = { .reloaded = m->libvirtd_reloaded_usec, .called = m->hook_called_usec };
        HookState before = m->hook;

        if (!m->libvirt)
                return;
        hook_state_read(m->places.config_root, m->places.libvirt_run, m->proc_fd, &times, &m->hook);
        if (m->hook.installed == before.installed && m->hook.libvirtd == before.libvirtd && m->hook.loaded == before.loaded)
                return;
        (void) manager_update_findings(m);
        if (m->observer.host_changed)
                m->observer.host_changed(m->observer.userdata);
}

/* From the service manager (dbus_systemd.c), where there is one. */
void manager_libvirtd_reloaded(Manager *m, uint64_t when_usec) {
        m->libvirtd_reloaded_usec = when_usec;
        manager_save_soon(m, NULL);
        manager_look_at_hook(m);
}

void manager_hook_called(Manager *m) {
        struct timespec now;

        (void) clock_gettime(CLOCK_REALTIME, &now);
        m->hook_called_usec = (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
        manager_save_soon(m, NULL);
        manager_look_at_hook(m);
}

int manager_add_hook_finding(const Manager *m, Findings *f) {
        if (!m->hook.installed || !m->hook.libvirtd || m->hook.loaded != PROOF_NO)
                return 0;
        return findings_add(f, FINDING_HOOK_NOT_LOADED, SEVERITY_WARNING, "libvirt",
                            "Have libvirtd look again, VMs go on: systemctl reload libvirtd (or virtqemud)",
                            "libvirtd may not call tced's hook, and VMs then start without a plan: %s", m->hook.why);
}

/* No caller waits for this registration: the log is told. */
static void on_registered(Machine *machine, const Refusal *refusal, _unused_ void *userdata) {
        if (machine)
                log_info("%s runs already, says libvirt: it is registered", machine->name);
        else
                log_warning("A domain that runs can't be registered: %s", refusal->text);
}

/* An answer that is waited for. */
typedef struct Ask {
        Manager *manager;
        char uuid[33];
} Ask;

static void ask_for_unknown(Manager *m);

static void on_xml(int error, const char *text, void *userdata) {
        _cleanup_free_ Ask *ask = userdata;
        Manager *m = ask->manager;

        RunningDomain *domain = find_running(m->running, m->n_running, ask->uuid);

        if (m->ending)
                return;
        /* It may have ended meanwhile, or its hook may have come. */
        if (!domain || manager_find_masters_machine(m, ask->uuid))
                ;
        else if (error != 0)
                /* To be asked for again at the next occasion. */
                domain->uuid[0] = '\0';
        else
                manager_register_domain(m, text, 0, true, on_registered, NULL);
        if (libvirt_state(m->libvirt) == LIBVIRT_CONNECTED)
                ask_for_unknown(m);
}

/* By UUID, as a name may be given to another domain meanwhile. */
static int ask_for(Manager *m, const char *uuid) {
        Ask *ask = malloc(sizeof(*ask));
        int r;

        if (!ask)
                return -ENOMEM;
        ask->manager = m;
        memcpy(ask->uuid, uuid, sizeof(ask->uuid));
        r = libvirt_get_xml(m->libvirt, uuid, on_xml, ask);
        if (r < 0)
                free(ask);
        return r;
}

/* As many of those that no hook told of as may be asked for at a time; the next when one has been answered. */
static void ask_for_unknown(Manager *m) {
        for (size_t i = 0; i < m->n_running; i++) {
                RunningDomain *d = &m->running[i];

                if (d->asked || !*d->uuid)
                        continue;
                if (!manager_find_masters_machine(m, d->uuid) && ask_for(m, d->uuid) < 0)
                        return;
                d->asked = true;
        }
}

/* The machine of a domain that libvirt no longer lists goes, if it is the one that was seen running, and not another of the
 * same domain that its hook told of since. A libvirtd that has just started lists domains only as it finds them again: its
 * pid file knows better. A process that claimed the machine is held, and says itself when it ends. */
static bool forget(Manager *m, const RunningDomain *domain) {
        Machine *machine = domain->serial > 0 ? manager_find_machine_by_uuid(m, domain->uuid) : NULL;

        if (!machine || machine->serial != domain->serial || machine->source != MACHINE_SOURCE_LIBVIRT)
                return true;
        if (machine->state == MACHINE_CLAIMED || libvirt_claim_running(m->places.libvirt_run, machine->name) > 0)
                return false;
        log_info("%s runs no more, says libvirt: its machine goes", machine->name);
        manager_unregister(m, machine);
        return true;
}

/* A machine of libvirt's that it does not list, though it was asked for its list later than it told of the machine. */
typedef struct UnlistedSearch {
        const Manager *manager;
        Machine *found;
} UnlistedSearch;

static int match_unlisted(Machine *machine, void *userdata) {
        UnlistedSearch *s = userdata;
        const Manager *m = s->manager;

        if (machine->source != MACHINE_SOURCE_LIBVIRT || machine->state == MACHINE_CLAIMED ||
            machine->domain.told_usec >= libvirt_domains_asked_usec(m->libvirt) ||
            find_running(m->running, m->n_running, machine->uuid) || libvirt_claim_running(m->places.libvirt_run, machine->name) > 0)
                return 0;
        s->found = machine;
        return -EEXIST;
}

/* A start may come to nothing behind the hook, and libvirt say nothing: where libvirtd itself has ended meanwhile. While it runs it
 * lists a domain before it calls the hook (src/qemu/qemu_process.c:qemuProcessInit gives it its number). */
static void forget_unlisted(Manager *m) {
        UnlistedSearch s = { .manager = m };

        while (manager_foreach_machine(m, match_unlisted, &s) < 0) {
                log_info("%s does not run, says libvirt: its machine goes", s.found->name);
                manager_unregister(m, s.found);
        }
}

/* Takes libvirt's list over; asks for those that are new to it and not known. */
static void take_running(Manager *m) {
        _cleanup_free_ RunningDomain *before = m->running;
        size_t n_before = m->n_running, n;
        const LibvirtDomain *domains = libvirt_domains(m->libvirt, &n);
        RunningDomain *now = calloc(n + n_before + 1, sizeof(*now));

        if (!now) {
                TAKE_PTR(before);
                return;
        }
        m->running = now;
        m->n_running = n;
        for (size_t i = 0; i < n; i++) {
                const Machine *machine = manager_find_masters_machine(m, domains[i].uuid);
                const RunningDomain *known;

                memcpy(now[i].uuid, domains[i].uuid, sizeof(now[i].uuid));
                now[i].serial = machine ? machine->serial : 0;
                /* One that had a machine and has none any more was ended on purpose, and is not asked for. */
                known = find_running(before, n_before, domains[i].uuid);
                now[i].asked = machine || (known && known->asked);
        }
        for (size_t i = 0; i < n_before; i++)
                if (!find_running(now, n, before[i].uuid) && !forget(m, &before[i]))
                        now[m->n_running++] = before[i];
        forget_unlisted(m);
        ask_for_unknown(m);
}

/* What a libvirt that is away would say is not known; what it said stands. */
static void on_changed(void *userdata) {
        Manager *m = userdata;

        if (!m->libvirt || m->ending)
                return;
        if (libvirt_state(m->libvirt) == LIBVIRT_CONNECTED && libvirt_domains_asked_usec(m->libvirt) > 0) {
                take_running(m);
                manager_audit_soon(m);
        }
        manager_look_at_hook(m);
}

static int on_rescan(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        Manager *m = userdata;

        m->libvirt_rescan = sd_event_source_unref(m->libvirt_rescan);
        (void) manager_rescan(m);
        return 0;
}

/* tced hears of devices from the kernel, too (uevent.c); libvirt adds those that it creates itself. */
static void on_devices_changed(void *userdata) {
        Manager *m = userdata;

        if (m->libvirt_rescan || m->ending)
                return;
        (void) sd_event_add_time_relative(m->event, &m->libvirt_rescan, CLOCK_MONOTONIC, RESCAN_DELAY_USEC, 0, on_rescan, m);
}

bool manager_asks_libvirt(const Manager *m) {
        return m->places.libvirt_child && m->config.libvirt_connect;
}

void manager_connect_libvirt(Manager *m) {
        const LibvirtObserver observer = { .changed = on_changed, .devices_changed = on_devices_changed, .userdata = m };
        LibvirtPlaces places = {
                .program = m->places.libvirt_child, .run = m->places.libvirt_run, .connect = m->config.libvirt_connect,
                .silence_usec = 5 * UINT64_C(1000000), .backoff_min_usec = UINT64_C(1000000),
        };
        int r;

        if (!m->places.libvirt_child)
                return;
        /* Its own copy: a reload changes the configuration's. */
        m->libvirt_uri = strdup(m->config.libvirt_uri);
        places.uri = m->libvirt_uri;
        r = m->libvirt_uri ? libvirt_new(m->event, &places, &observer, &m->libvirt) : -ENOMEM;
        if (r < 0)
                log_warning("Can't ask libvirt for its domains: %s; restart tced for that", strerror(-r));
        manager_look_at_hook(m);
}

void manager_disconnect_libvirt(Manager *m) {
        m->libvirt_rescan = sd_event_source_disable_unref(m->libvirt_rescan);
        m->libvirt = libvirt_free(m->libvirt);
        free(m->libvirt_uri);
        free(m->running);
        m->libvirt_uri = NULL;
        m->running = NULL;
        m->n_running = 0;
}
