/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The host's groups as they are read again: all of them, or those that a few devices are in. Whoever hears of groups is told what changed,
 * once, and nothing where nothing did. */

#include <limits.h>
#include <malloc.h>

#include "log.h"
#include "manager_bind.h"
#include "manager_internal.h"
#include "probe_vfio.h"
#include "util.h"

#define ADDRESS_MAX 32U

/* What is to be read: the numbers of the groups that the devices are in, or were. */
typedef struct Scope {
        char (*addresses)[ADDRESS_MAX];
        size_t n_addresses, addresses_allocated;
        unsigned *groups;
        size_t n_groups, groups_allocated;
} Scope;

static void scope_clear(Scope *s) {
        free(s->addresses);
        free(s->groups);
}

/* One that is too long is no device's. */
static int scope_add_address(Scope *s, const char *address) {
        if (strlen(address) >= ADDRESS_MAX)
                return 0;
        if (ARRAY_RESERVE(s->addresses, s->addresses_allocated, s->n_addresses + 1) < 0)
                return -ENOMEM;
        strcpy(s->addresses[s->n_addresses++], address);
        return 0;
}

static int scope_add_group(Scope *s, unsigned number) {
        if (ARRAY_RESERVE(s->groups, s->groups_allocated, s->n_groups + 1) < 0)
                return -ENOMEM;
        s->groups[s->n_groups++] = number;
        return 0;
}

/* The last part of where one of the device's links leads. */
static bool read_link(const Manager *m, const char *address, const char *name, char ret[ADDRESS_MAX]) {
        char path[PATH_MAX], target[PATH_MAX], *slash;
        ssize_t n;

        if ((size_t) snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/%s", m->places.sys, address, name) >= sizeof(path))
                return false;
        n = readlink(path, target, sizeof(target) - 1);
        if (n < 0)
                return false;
        target[n] = '\0';
        slash = strrchr(target, '/');
        return (size_t) snprintf(ret, ADDRESS_MAX, "%s", slash ? slash + 1 : target) < ADDRESS_MAX;
}

/* As the kernel has it now. A virtual function's physical one tells how many there are of it. */
static int scope_look_now(const Manager *m, Scope *s) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < s->n_addresses; i++) {
                char name[ADDRESS_MAX];
                uint64_t number;

                if (read_link(m, s->addresses[i], "iommu_group", name) && parse_u64(name, UINT_MAX, &number) >= 0)
                        r = scope_add_group(s, (unsigned) number);
                if (r >= 0 && read_link(m, s->addresses[i], "physfn", name))
                        r = scope_add_address(s, name);
        }
        return r;
}

static int compare_addresses(const void *a, const void *b) {
        return strcmp(a, b);
}

/* As the facts have it. One walk over all of them for however many devices, and a second where those are virtual functions. */
static int scope_look_back(const Manager *m, Scope *s) {
        size_t n;
        int r = 0;

        do {
                n = s->n_addresses;
                qsort(s->addresses, n, sizeof(*s->addresses), compare_addresses);
                for (size_t i = 0; r >= 0 && i < m->vfio.n_groups; i++)
                        for (size_t j = 0; r >= 0 && j < m->vfio.groups[i].n_devices; j++) {
                                const DeviceFacts *d = &m->vfio.groups[i].devices[j];

                                if (!bsearch(d->address, s->addresses, n, sizeof(*s->addresses), compare_addresses))
                                        continue;
                                r = scope_add_group(s, m->vfio.groups[i].number);
                                if (r >= 0 && d->physfn && !bsearch(d->physfn, s->addresses, n, sizeof(*s->addresses), compare_addresses))
                                        r = scope_add_address(s, d->physfn);
                        }
        } while (r >= 0 && s->n_addresses > n);
        return r;
}

static int compare_numbers(const void *a, const void *b) {
        unsigned p = *(const unsigned *) a, q = *(const unsigned *) b;
        return (p > q) - (p < q);
}

/* Each once, in ascending order. */
static void scope_sort_groups(Scope *s) {
        size_t n = 0;

        if (s->n_groups == 0)
                return;
        qsort(s->groups, s->n_groups, sizeof(*s->groups), compare_numbers);
        for (size_t i = 0; i < s->n_groups; i++)
                if (n == 0 || s->groups[n - 1] != s->groups[i])
                        s->groups[n++] = s->groups[i];
        s->n_groups = n;
}

static bool scope_has_group(const Scope *s, unsigned number) {
        return s->n_groups > 0 && bsearch(&number, s->groups, s->n_groups, sizeof(*s->groups), compare_numbers);
}

/* A group that was not read again is in both lists, with all that it points to. */
static bool is_shared(const GroupFacts *a, const GroupFacts *b) {
        return a->viability_why == b->viability_why;
}

/* The group of that number in f, whose groups are gone through from *cursor on; NULL: there is none. */
static const GroupFacts *go_to_group(const VfioFacts *f, size_t *cursor, unsigned number) {
        while (*cursor < f->n_groups && f->groups[*cursor].number < number)
                (*cursor)++;
        return *cursor < f->n_groups && f->groups[*cursor].number == number ? &f->groups[*cursor] : NULL;
}

/* Objects go before the facts change and come after it: whoever hears of one can still, or already, ask for it. True: something changed.
 * What was before is left to the caller. */
static bool announce_groups(Manager *m, const VfioFacts *now, VfioFacts *ret_before) {
        const ManagerObserver *o = &m->observer;
        const VfioFacts before = m->vfio;
        unsigned changes;
        bool any = false;

        for (size_t i = 0, at = 0; i < before.n_groups; i++) {
                const GroupFacts *was = &before.groups[i], *is = go_to_group(now, &at, was->number);

                if (is && (is_shared(was, is) || group_facts_same_devices(was, is)))
                        continue;
                any = true;
                if (o->group_removed)
                        o->group_removed(was->number, o->userdata);
        }
        m->vfio = *now;
        for (size_t i = 0, at = 0; i < now->n_groups; i++) {
                const GroupFacts *is = &now->groups[i], *was = go_to_group(&before, &at, is->number);

                const bool same = was && (is_shared(was, is) || group_facts_same_devices(was, is));

                changes = same && !is_shared(was, is) ? group_facts_changes(was, is) : 0;
                if (same && changes == 0)
                        continue;
                any = true;
                if (same && o->group_changed)
                        o->group_changed(is->number, changes, o->userdata);
                else if (!same && o->group_added)
                        o->group_added(is->number, o->userdata);
        }
        *ret_before = before;
        return any;
}

/* What the bus tells of VFIO as a whole. */
static bool same_host(const VfioFacts *a, const VfioFacts *b) {
        for (size_t i = 0; i < VFIO_EXTENSIONS_MAX; i++)
                if (a->extension[i].value != b->extension[i].value)
                        return false;
        return a->platform == b->platform && a->container_error == b->container_error && a->api_version == b->api_version &&
               a->groups_supported == b->groups_supported && a->iommu_class == b->iommu_class && a->no_maxmem == b->no_maxmem;
}

/* Findings follow; the host is told of where it is another one. */
static int follow_up(Manager *m, bool host_changed) {
        int r = manager_update_findings(m);

        if ((r > 0 || host_changed) && m->observer.host_changed)
                m->observer.host_changed(m->observer.userdata);
        manager_bind_wanted(m);
        return r < 0 ? r : 0;
}

int manager_rescan(Manager *m) {
        VfioFacts now = {}, before;
        bool changed;
        int r;

        r = probe_vfio(m->places.sys, m->places.dev, &now);
        if (r >= 0)
                r = vfio_facts_keep_proofs(&now, &m->vfio);
        if (r < 0) {
                vfio_facts_clear(&now);
                return r;
        }
        (void) announce_groups(m, &now, &before);
        changed = !same_host(&before, &m->vfio);
        vfio_facts_clear(&before);
        /* Both were there for a moment, and the older lie below: free() alone gives nothing of that back. */
        (void) malloc_trim(0);
        return follow_up(m, changed);
}

static void groups_free(GroupFacts *groups, size_t n) {
        for (size_t i = 0; i < n; i++)
                group_facts_clear(&groups[i]);
        free(groups);
}

static int keep_proofs(const Manager *m, GroupFacts *groups, size_t n) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                const GroupFacts *g = vfio_facts_find_group(&m->vfio, groups[i].number);

                if (g)
                        r = group_facts_keep_proof(&groups[i], g);
        }
        return r;
}

/* All groups of before but those of the scope, and what was read of these; the pointers in them are shared and moved. NULL: no memory. */
static GroupFacts *merge(const VfioFacts *before, const Scope *s, const GroupFacts *read, size_t n_read, size_t *ret_n) {
        GroupFacts *groups = calloc(before->n_groups + n_read + 1, sizeof(*groups));
        size_t n = 0, at = 0;

        for (size_t i = 0; groups && i < before->n_groups; i++) {
                while (at < n_read && read[at].number <= before->groups[i].number)
                        groups[n++] = read[at++];
                if (!scope_has_group(s, before->groups[i].number))
                        groups[n++] = before->groups[i];
        }
        while (groups && at < n_read)
                groups[n++] = read[at++];
        *ret_n = n;
        return groups;
}

/* Are there functions whose number a physical one tells? Then all are counted anew. */
static bool has_sriov(const GroupFacts *groups, size_t n) {
        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j < groups[i].n_devices; j++)
                        if (groups[i].devices[j].vfs_max > 0 || groups[i].devices[j].physfn)
                                return true;
        return false;
}

/* Takes what was read over, also where it fails. 0 or -ENOMEM. */
static int replace_groups_consume(Manager *m, const Scope *s, GroupFacts *read, size_t n_read) {
        VfioFacts now = m->vfio, before;
        bool changed;
        int r;

        now.groups = NULL;
        r = keep_proofs(m, read, n_read);
        if (r >= 0) {
                now.groups = merge(&m->vfio, s, read, n_read, &now.n_groups);
                r = now.groups ? 0 : -ENOMEM;
        }
        /* Of a group that is not read again the count may not change: its physical function would be in the scope. */
        if (r >= 0 && has_sriov(read, n_read))
                r = vfio_facts_count_vfs(&now);
        if (r < 0) {
                free(now.groups);
                groups_free(read, n_read);
                return r;
        }
        free(read);
        changed = announce_groups(m, &now, &before);
        for (size_t i = 0; i < before.n_groups; i++)
                if (scope_has_group(s, before.groups[i].number))
                        group_facts_clear(&before.groups[i]);
        free(before.groups);
        return changed ? follow_up(m, false) : 0;
}

int manager_rescan_groups(Manager *m, const char *const *addresses, size_t n_addresses, const unsigned *numbers, size_t n_numbers) {
        _cleanup_(scope_clear) Scope s = {};
        GroupFacts *read = NULL;
        size_t n_read = 0;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n_numbers; i++)
                r = scope_add_group(&s, numbers[i]);
        for (size_t i = 0; r >= 0 && i < n_addresses; i++)
                r = scope_add_address(&s, addresses[i]);
        if (r >= 0 && s.n_addresses > 0)
                r = scope_look_now(m, &s);
        if (r >= 0 && s.n_addresses > 0)
                r = scope_look_back(m, &s);
        if (r < 0 || s.n_groups == 0)
                return r;
        scope_sort_groups(&s);
        r = probe_vfio_groups(m->places.sys, m->places.dev, s.groups, s.n_groups, &read, &n_read);
        return r < 0 ? r : replace_groups_consume(m, &s, read, n_read);
}

int manager_rescan_devices(Manager *m, const char *const *addresses, size_t n) {
        return manager_rescan_groups(m, addresses, n, NULL, 0);
}
