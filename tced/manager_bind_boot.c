/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Groups that are to be bound without anyone asking: those of [Bind] Devices=, each once, when it is first seen: at boot, when it is plugged in,
 * when the configuration begins to name it. What someone gives back by hand stays so, also over a restart of tced. One after the other, and
 * never one that the host uses; what fails is a finding. */

#include <inttypes.h>
#include <search.h>
#include <systemd/sd-daemon.h>

#include "finding.h"
#include "log.h"
#include "manager_bind_internal.h"
#include "util.h"

/* So many at a time: each is a process that writes to /sys. */
#define PENDING_MAX 4U

/* What the service manager is asked for before each: more than tced-bind takes. */
#define PATIENCE_USEC (90 * UINT64_C(1000000))

/* When no group has come to vfio-pci for so long, tced is ready without the others, so that VMs start that need none of them. */
#define BOOT_PATIENCE_USEC (60 * UINT64_C(1000000))

typedef enum WantedState {
        WANTED_WAITS,
        WANTED_RUNS,
        WANTED_DONE,
} WantedState;

struct Wanted {
        Manager *manager;
        char *key; /* the lowest address of the group */
        WantedState state;
        bool seen; /* by forget_gone() */
        char *error; /* why it could not be bound; NULL: it was, or someone has had a hand in it since */
        Wanted *next;
};

static const char *key_of(const GroupFacts *g) {
        return g->devices[0].address;
}

static int compare_keys(const void *a, const void *b) {
        return strcmp(((const Wanted *) a)->key, ((const Wanted *) b)->key);
}

static const GroupFacts *find_group(Manager *m, const Wanted *w) {
        return vfio_facts_find_device(&m->vfio, w->key);
}

static void wanted_free(Wanted *w) {
        free(w->key);
        free(w->error);
        free(w);
}

static Wanted *find_by_key(const struct Binder *b, const char *key) {
        Wanted **found = tfind(&(Wanted) { .key = (char *) key }, (void *const *) &b->wanted_by_key, compare_keys);

        return found ? *found : NULL;
}

static Wanted *find_wanted(const struct Binder *b, const GroupFacts *g) {
        Wanted *w = NULL;

        for (size_t i = 0; b->wanted && i < g->n_devices && !w; i++)
                w = find_by_key(b, g->devices[i].address);
        return w;
}

static Wanted *add_wanted(Manager *m, const GroupFacts *g, WantedState state) {
        Wanted *w = calloc(1, sizeof(*w));

        if (w)
                w->key = strdup(key_of(g));
        if (!w || !w->key || !tsearch(w, &m->binder->wanted_by_key, compare_keys)) {
                if (w)
                        wanted_free(w);
                log_warning("No memory to bind IOMMU group %u; bind it by `tcectl bind %s`", g->number, key_of(g));
                return NULL;
        }
        w->manager = m;
        w->state = state;
        w->next = m->binder->wanted;
        m->binder->wanted = w;
        return w;
}

/* A device that is unplugged and plugged in anew is wanted anew. */
static void forget_gone(Manager *m) {
        Wanted **at = &m->binder->wanted;

        for (Wanted *w = *at; w; w = w->next)
                w->seen = false;
        for (size_t i = 0; *at && i < m->vfio.n_groups; i++)
                for (size_t j = 0; j < m->vfio.groups[i].n_devices; j++) {
                        Wanted *w = find_by_key(m->binder, m->vfio.groups[i].devices[j].address);

                        if (w)
                                w->seen = true;
                }
        while (*at) {
                Wanted *w = *at;

                if (w->state == WANTED_RUNS || w->seen) {
                        at = &w->next;
                        continue;
                }
                *at = w->next;
                (void) tdelete(w, &m->binder->wanted_by_key, compare_keys);
                wanted_free(w);
        }
}

static void go_on(Manager *m);

/* Maybe at once, from within go_on(): then it is that which goes on, and not one call deeper for each group. */
static void on_bound(const Refusal *refusal, void *userdata) {
        Wanted *w = userdata;
        Manager *m = w->manager;

        w->state = WANTED_DONE;
        m->binder->n_pending--;
        free(w->error);
        w->error = refusal ? strdup(refusal->text) : NULL;
        if (refusal)
                log_warning("%s", refusal->text);
        else if (m->binder->patience)
                (void) sd_event_source_set_time_relative(m->binder->patience, BOOT_PATIENCE_USEC);
        m->binder->news = true;
        if (!m->ending)
                go_on(m);
}

/* Whoever waits for those of the boot is let go. */
static void boot_done(Manager *m) {
        struct Binder *b = m->binder;
        void (*done)(void *) = TAKE_PTR(b->at_boot);

        b->patience = sd_event_source_disable_unref(b->patience);
        if (done)
                done(b->at_boot_userdata);
}

static int on_patience(sd_event_source *s, uint64_t usec, void *userdata) {
        log_warning("tced-bind comes to no end with what is to be bound at boot; others go on without it: look into `journalctl -u tced-bind`");
        boot_done(userdata);
        return 0;
}

/* What came of them, once for all that ended in this turn. */
static void tell_news(Manager *m) {
        if (!TAKE_GENERIC(m->binder->news, bool, false))
                return;
        if (manager_update_findings(m) < 0)
                log_warning("No memory for the host's findings");
        if (m->observer.host_changed)
                m->observer.host_changed(m->observer.userdata);
}

static void go_on(Manager *m) {
        struct Binder *b = m->binder;

        if (b->goes_on)
                return;
        b->goes_on = true;
        for (Wanted *w = b->wanted; w && b->n_pending < PENDING_MAX; w = w->next) {
                const GroupFacts *g = w->state == WANTED_WAITS ? find_group(m, w) : NULL;

                if (w->state != WANTED_WAITS)
                        continue;
                if (!g || g->viability == GROUP_VIABLE) {
                        w->state = WANTED_DONE;
                        continue;
                }
                w->state = WANTED_RUNS;
                b->n_pending++;
                if (b->at_boot)
                        (void) sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%" PRIu64, PATIENCE_USEC);
                manager_bind_group(m, g, 0, on_bound, w);
        }
        b->goes_on = false;
        tell_news(m);
        if (b->n_pending > 0)
                return;
        /* Not before: a tced that ends amid it is followed by one that begins again. */
        if (!m->bound) {
                m->bound = true;
                manager_save(m, NULL);
        }
        boot_done(m);
}

/* Notes each group that is wanted and was not seen yet. */
static void look(Manager *m, WantedState state) {
        if (!m->config.bind_devices && !m->binder->wanted)
                return;
        forget_gone(m);
        for (size_t i = 0; m->config.bind_devices && i < m->vfio.n_groups; i++) {
                const GroupFacts *g = &m->vfio.groups[i];

                if (g->n_devices > 0 && manager_is_persistent(m, g) && !find_wanted(m->binder, g))
                        (void) add_wanted(m, g, state);
        }
}

void manager_bind_wanted(Manager *m) {
        /* What is plugged in before all is up is seen by manager_bind_at_boot(). */
        if (!m->binder || !m->binder->begun)
                return;
        look(m, WANTED_WAITS);
        go_on(m);
}

bool manager_has_boot_bindings(const Manager *m) {
        return m->config.bind_devices && !m->bound;
}

void manager_bind_at_boot(Manager *m, void (*done)(void *userdata), void *userdata) {
        if (!manager_binder(m)) {
                if (done)
                        done(userdata);
                return;
        }
        m->binder->at_boot = done;
        m->binder->at_boot_userdata = userdata;
        m->binder->begun = true;
        look(m, m->bound ? WANTED_DONE : WANTED_WAITS);
        if (done && sd_event_add_time_relative(m->event, &m->binder->patience, CLOCK_MONOTONIC, BOOT_PATIENCE_USEC, 0, on_patience, m) < 0)
                log_warning("No timer for what is bound at boot: tced waits for it as long as it takes");
        go_on(m);
}

void manager_bind_settled(Manager *m, const GroupFacts *g) {
        Wanted *w = g->n_devices > 0 ? find_wanted(m->binder, g) : NULL;

        if (!w && g->n_devices > 0)
                w = add_wanted(m, g, WANTED_DONE);
        if (!w || w->state == WANTED_RUNS)
                return;
        w->state = WANTED_DONE;
        m->binder->news = w->error;
        free(w->error);
        w->error = NULL;
        tell_news(m);
}

static int add_record_finding(const GroupFacts *g, const BindRecord *record, const char *subject, Findings *f) {
        char remedy[256];

        switch (record->state) {
        case BIND_STUCK:
                return findings_add(f, FINDING_GROUP_STUCK, SEVERITY_ERROR, subject,
                                    "End whoever has the device open (the VM that it was given to); the kernel then goes on, and so does tced-bind. "
                                    "Else nothing but a boot helps: journalctl -k; systemctl status 'tced-bind-work@*'",
                                    "The kernel does not come back from binding or unbinding %s: %s", key_of(g), record->why);
        case BIND_FAILED:
                (void) snprintf(remedy, sizeof(remedy), "See why in the kernel's log (journalctl -k), load the driver, then: tcectl release %s", key_of(g));
                return findings_add(f, FINDING_BIND_FAILED, SEVERITY_ERROR, subject, remedy,
                                    "A device of the group could not be given back to the driver that it had: %s", record->why);
        case BIND_BINDING:
        case BIND_BOUND:
        case BIND_RELEASING:
        case _BIND_STATE_MAX:
                break;
        }
        return 0;
}

/* A group amid being bound is partial for a moment, and that is no news. */
static void drop_passing(const BindRecord *record, const char *subject, Findings *f) {
        if (record->state == BIND_BINDING || record->state == BIND_RELEASING)
                findings_drop(f, FINDING_GROUP_PARTIAL, subject);
}

int manager_add_bind_findings(const Manager *m, Findings *f) {
        const struct Binder *b = m->binder;
        int r = 0;

        if (!b || (b->records.n == 0 && !b->wanted))
                return 0;
        for (size_t i = 0; r >= 0 && i < m->vfio.n_groups; i++) {
                const GroupFacts *g = &m->vfio.groups[i];
                const BindRecord *record = manager_find_binding(m, g);
                const Wanted *w = g->n_devices > 0 ? find_wanted(m->binder, g) : NULL;
                char subject[32], remedy[64];

                (void) snprintf(subject, sizeof(subject), "group %u", g->number);
                if (record) {
                        drop_passing(record, subject, f);
                        r = add_record_finding(g, record, subject, f);
                }
                if (r < 0 || !w || !w->error || g->viability == GROUP_VIABLE || !manager_is_persistent(m, g))
                        continue;
                (void) snprintf(remedy, sizeof(remedy), "Mend that, then: tcectl bind %s", key_of(g));
                r = findings_add(f, FINDING_BIND_FAILED, SEVERITY_WARNING, subject, remedy,
                                 "%s is to be bound to vfio-pci at boot ([Bind] Devices=), and is not: %s", key_of(g), w->error);
        }
        return r;
}

static void keep_wanted(void *wanted) {
}

void manager_free_binder(Manager *m) {
        struct Binder *b = m->binder;

        if (!b)
                return;
        tdestroy(b->wanted_by_key, keep_wanted);
        (void) sd_event_source_disable_unref(b->patience);
        while (b->wanted) {
                Wanted *w = b->wanted;

                b->wanted = w->next;
                wanted_free(w);
        }
        records_clear(&b->records);
        (void) sd_event_source_disable_unref(b->watch);
        (void) use_facts_free(b->uses);
        free(b);
        m->binder = NULL;
}
