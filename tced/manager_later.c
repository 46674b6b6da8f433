/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tables that were handed out are let go of, and told of, a moment later. Who was just answered has the processor first: the kernel likes to wake
 * it where tced runs, and it would wait there until each table was closed and had had its signal on each connection. */

#include "manager_internal.h"
#include "util.h"

#define LATER_USEC 2000U
/* How much later it may be, where that saves a wake-up. */
#define LATER_ACCURACY_USEC 500U

struct Later {
        sd_event_source *timer;
        Machine **machines; /* some of whose tables are still to be told of */
        size_t n, allocated;
};

static void tell(Manager *m, Machine *machine) {
        for (size_t i = 0; i < machine->n_tables; i++) {
                Table *t = &machine->tables[i];

                if (t->state == TABLE_HANDED_OUT)
                        table_memory_clear(&t->memory);
                if (t->untold && m->observer.table_changed)
                        m->observer.table_changed(t, m->observer.userdata);
                t->untold = false;
        }
}

void manager_tell_now(Manager *m) {
        Later *l = m->later;

        if (!l)
                return;
        (void) sd_event_source_set_enabled(l->timer, SD_EVENT_OFF);
        while (l->n > 0)
                tell(m, l->machines[--l->n]);
}

static int on_later(sd_event_source *s, uint64_t usec, void *userdata) {
        manager_tell_now(userdata);
        return 0;
}

/* NULL: no memory: it is told of at once. */
static Later *later(Manager *m) {
        Later *l = m->later;
        int enabled;

        if (!l) {
                l = calloc(1, sizeof(*l));
                if (!l)
                        return NULL;
                if (sd_event_add_time_relative(m->event, &l->timer, CLOCK_MONOTONIC, LATER_USEC, LATER_ACCURACY_USEC, on_later, m) < 0) {
                        free(l);
                        return NULL;
                }
                return m->later = l;
        }
        if (sd_event_source_get_enabled(l->timer, &enabled) == 0 &&
            (sd_event_source_set_time_relative(l->timer, LATER_USEC) < 0 || sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT) < 0))
                return NULL;
        return l;
}

void manager_tell_later(Manager *m, Table *t) {
        Later *l = later(m);

        if (t->untold)
                return;
        t->untold = true;
        for (size_t i = 0; l && i < l->n; i++)
                if (l->machines[i] == t->machine)
                        return;
        if (l && ARRAY_RESERVE(l->machines, l->allocated, l->n + 1) >= 0)
                l->machines[l->n++] = t->machine;
        else
                tell(m, t->machine);
}

void manager_forget_later(Manager *m, const Machine *machine) {
        Later *l = m->later;

        for (size_t i = 0; l && i < l->n; i++)
                if (l->machines[i] == machine)
                        l->machines[i--] = l->machines[--l->n];
}

void manager_free_later(Manager *m) {
        if (!m->later)
                return;
        (void) sd_event_source_disable_unref(m->later->timer);
        free(m->later->machines);
        free(m->later);
        m->later = NULL;
}
