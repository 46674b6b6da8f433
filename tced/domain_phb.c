/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Of a domain's PHBs: which have an index that they can't have, which indexes are free, and to which PHB passed-through devices go that
 * must leave theirs. Remedies advise what --fix does. */

#include "domain_phb.h"

#include "util.h"

uint64_t phb_indexes_taken(const Layout *layout) {
        uint64_t taken = 1;

        for (size_t i = 0; i < layout->n_phbs; i++)
                if (layout->phbs[i].index >= 0 && layout->phbs[i].index <= PHB_INDEX_MAX)
                        taken |= UINT64_C(1) << layout->phbs[i].index;
        return taken;
}

int phb_index_free(uint64_t taken) {
        for (int i = 1; i <= PHB_INDEX_MAX; i++)
                if (!(taken & UINT64_C(1) << i))
                        return i;
        return -1;
}

/* Seen: index=31 is "too large (max 30)"; an index that is there, "PHB 1 already attached" (machines up to 3.1: "must have unique
 * indexes"), 0 too. libvirt takes 0 for controller 0 alone (src/conf/domain_validate.c). PHBs are sorted by index, the one that
 * keeps it first. */
bool phb_index_refused(const Layout *layout, size_t phb, const Phb **ret_other) {
        const Phb *p = &layout->phbs[phb], *other = phb > 0 && p[-1].index == p->index ? &p[-1] : NULL;

        if (ret_other)
                *ret_other = other;
        return other || p->index < 0 || p->index > PHB_INDEX_MAX || (p->controller_index == 0) != (p->index == 0);
}

bool phb_is_mixed(const Phb *phb) {
        return phb->vfio && phb->emulated;
}

/* After those that are there: libvirt fills a gap with a controller of its own. */
static int controller_index_free(const Domain *d) {
        int next = 1;

        for (size_t i = 0; i < d->n_controllers; i++)
                if (d->controllers[i].index >= next)
                        next = d->controllers[i].index + 1;
        return next;
}

void parties_begin(const Domain *d, const Layout *layout, Parties *ret) {
        *ret = (Parties){ .indexes = phb_indexes_taken(layout), .next = controller_index_free(d) };
}

/* One of libvirt's that starts. */
static bool phb_is_usable(const Layout *layout, size_t phb) {
        const Phb *p = &layout->phbs[phb];

        return p->controller && p->controller_index > 0 && !phb_index_refused(layout, phb, NULL);
}

const Phb *phb_of_group(const Layout *layout, int group) {
        for (size_t i = 0; group >= 0 && i < layout->n_phbs; i++)
                for (size_t j = 0; phb_is_usable(layout, i) && !layout->phbs[i].emulated && j < layout->phbs[i].n_groups; j++)
                        if (layout->phbs[i].groups[j] == group)
                                return &layout->phbs[i];
        return NULL;
}

static bool parties_have_bus(const Parties *parties, int bus) {
        for (size_t i = 0; i < parties->n; i++)
                if (parties->items[i].bus == bus)
                        return true;
        return false;
}

static const Phb *empty_phb(const Layout *layout, const Parties *parties) {
        for (size_t i = 0; i < layout->n_phbs; i++)
                if (phb_is_usable(layout, i) && layout->phbs[i].n_devices == 0 &&
                    !parties_have_bus(parties, layout->phbs[i].controller_index))
                        return &layout->phbs[i];
        return NULL;
}

Party *parties_find(const Layout *layout, Parties *parties, int group) {
        const Phb *phb = phb_of_group(layout, group);
        Party party = { .group = group, .new_index = -1 };

        for (size_t i = 0; i < parties->n; i++)
                if (parties->items[i].group == group)
                        return &parties->items[i];
        if (parties->n >= ELEMENTSOF(parties->items))
                return NULL;
        if (!phb)
                phb = empty_phb(layout, parties);
        if (phb)
                party.bus = phb->controller_index;
        else {
                party.new_index = phb_index_free(parties->indexes);
                if (party.new_index < 0)
                        return NULL;
                /* The same number for both where that can be. */
                if (parties->next <= PHB_INDEX_MAX && !(parties->indexes & UINT64_C(1) << parties->next))
                        party.new_index = parties->next;
                parties->indexes |= UINT64_C(1) << party.new_index;
                party.bus = parties->next++;
        }
        parties->items[parties->n] = party;
        return &parties->items[parties->n++];
}
