/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Can a group be given to a VM now, and what stands in the way first. What the host uses its devices for changes without an event that could be
 * waited for, so it is looked at when it is asked for, once in a turn of the loop. */

#include "manager_bind_internal.h"

#include <time.h>

#include "util.h"

/* What all else of an answer costs, too. */
#define CHEAP_USEC 5000U

static uint64_t now_usec(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

/* Anybody may ask: on a host with thousands of disks, or the routes of the world, that would be a way to keep tced busy. So a look that was
 * dear is told again for ten times as long as it took. */
static bool is_fresh(const struct Binder *b, uint64_t turn, uint64_t now) {
        return b->uses_known && (turn == b->uses_turn || (b->uses_cost > CHEAP_USEC && now - b->uses_at < 10 * b->uses_cost));
}

const UseFacts *manager_look_at_uses_now(Manager *m) {
        struct Binder *b = m->binder;
        uint64_t turn = 0;

        (void) sd_event_get_iteration(m->event, &turn);
        if (b && turn != b->uses_turn)
                b->uses_known = false;
        return manager_look_at_uses(m);
}

const UseFacts *manager_look_at_uses(Manager *m) {
        struct Binder *b = m->places.sys ? manager_binder(m) : NULL;
        uint64_t turn = 0, start = now_usec();
        NetFacts *net = NULL;

        if (!b)
                return NULL;
        (void) sd_event_get_iteration(m->event, &turn);
        if (is_fresh(b, turn, start))
                return b->uses;
        b->uses = use_facts_free(b->uses);
        /* Without netlink the rest is told all the same; a made-up tree's interfaces are none of this machine's. */
        b->net_unknown = streq(m->places.sys, "/sys") && net_facts_read(&net) < 0;
        if (use_facts_read(m->places.sys, m->places.proc, m->places.run ? m->places.run : "/run", net, &b->uses) < 0)
                b->uses = NULL;
        (void) net_facts_free(net);
        b->uses_known = true;
        b->uses_turn = turn;
        b->uses_at = now_usec();
        b->uses_cost = b->uses_at - start;
        return b->uses;
}

/* What tced-bind does with it, or could not do. */
static bool binding_obstacle(const BindRecord *record, const GroupFacts *g, char text[OBSTACLE_MAX]) {
        const char *address = g->devices[0].address;

        switch (record->state) {
        case BIND_BINDING:
        case BIND_RELEASING:
                (void) snprintf(text, OBSTACLE_MAX, "it is just being %s: wait", record->state == BIND_BINDING ? "bound" : "given back");
                return true;
        case BIND_STUCK:
                (void) snprintf(text, OBSTACLE_MAX, "stuck: %s", record->why);
                return true;
        case BIND_FAILED:
                (void) snprintf(text, OBSTACLE_MAX, "%s: see journalctl -k, then tcectl release %s", record->why, address);
                return true;
        case BIND_BOUND:
        case _BIND_STATE_MAX:
                break;
        }
        return false;
}

/* Of those devices that the host still has. */
static bool use_obstacle(Manager *m, const GroupFacts *g, char text[OBSTACLE_MAX]) {
        const UseFacts *uses = manager_look_at_uses(m);

        for (size_t i = 0; i < g->n_devices; i++)
                if (g->devices[i].vfs > 0) {
                        (void) snprintf(text, OBSTACLE_MAX,
                                        "%s has %u virtual functions, each a device of its own; to give it as a whole: echo 0 "
                                        ">/sys/bus/pci/devices/%s/sriov_numvfs, then tcectl bind %s",
                                        g->devices[i].address, g->devices[i].vfs, g->devices[i].address, g->devices[i].address);
                        return true;
                }

        for (size_t i = 0; uses && i < g->n_devices; i++) {
                size_t n;
                const DeviceUseFact *use = use_facts_find(uses, g->devices[i].address, &n);

                if (n == 0)
                        continue;
                if (streq(use->remedy, USE_REMEDY_FORCE))
                        (void) snprintf(text, OBSTACLE_MAX, "%s is in use: %s: %s", g->devices[i].address, use->text, use->remedy);
                else
                        (void) snprintf(text, OBSTACLE_MAX, "%s is in use: %s: %s, then tcectl bind %s", g->devices[i].address, use->text,
                                        use->remedy, g->devices[i].address);
                return true;
        }
        return false;
}

bool manager_group_assignable(Manager *m, const GroupFacts *g, bool (*visible)(const Machine *, void *), void *userdata,
                              char text[OBSTACLE_MAX]) {
        const BindRecord *record = manager_find_binding(m, g);
        const Machine *holder;

        *text = '\0';
        if (record && g->n_devices > 0 && binding_obstacle(record, g, text))
                return false;
        if (g->viability != GROUP_VIABLE) {
                if ((g->viability == GROUP_NOT_BOUND || g->viability == GROUP_PARTIAL) && use_obstacle(m, g, text))
                        return false;
                (void) snprintf(text, OBSTACLE_MAX, "%s", g->viability_why);
                return false;
        }
        holder = manager_find_holder(m, g->number);
        if (!holder)
                return true;
        if (!visible || visible(holder, userdata))
                (void) snprintf(text, OBSTACLE_MAX, "machine %s has it: end that VM", holder->name);
        else
                (void) snprintf(text, OBSTACLE_MAX, "another VM has it");
        return false;
}
