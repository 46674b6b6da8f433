/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The domain's controllers as libvirt lists them (src/conf/domain_conf.c: virDomainControllerInsertPreAlloced): those of a type
 * by index, types mixed as they came; and the indexes of those that were given none (virDomainAssignControllerIndexes). The list
 * decides which PHB gets which target index, and which controller the next slot or register.
 *
 * What libvirt 9.0 adds itself it puts at the end of the list, whatever its index: PHBs that fill holes have other target indexes
 * there. It is 11.3 that is followed. */

#include "domain_completion.h"
#include "util.h"

static const char pci_kind[] = "pci";

DomainDevice *controllers_device(const Completion *c, const ListedController *l) {
        return l->pci ? NULL : &c->domain->devices[l->at];
}

DomainController *controllers_pci(const Completion *c, const ListedController *l) {
        return l->pci ? &c->domain->controllers[l->at] : NULL;
}

static const char *kind_of(const Completion *c, const ListedController *l) {
        const char *kind = l->pci ? pci_kind : c->domain->devices[l->at].kind;

        return kind ? kind : "";
}

static int *index_of(const Completion *c, const ListedController *l) {
        return l->pci ? &c->domain->controllers[l->at].index : &c->domain->devices[l->at].index;
}

static unsigned line_of(const Completion *c, const ListedController *l) {
        return l->pci ? c->domain->controllers[l->at].line : c->domain->devices[l->at].line;
}

/* Behind the last of its type with no higher index; without an index behind all of its type. */
static size_t place_of(const Completion *c, const ListedController *added) {
        const char *kind = kind_of(c, added);
        int index = *index_of(c, added);
        size_t place = SIZE_MAX;

        for (size_t i = c->n_list; i > 0; i--) {
                const ListedController *l = &c->list[i - 1];

                if (!streq(kind_of(c, l), kind))
                        continue;
                if (index == -1)
                        return i;
                if (*index_of(c, l) > index)
                        place = i - 1;
                else if (place == SIZE_MAX)
                        place = i;
        }
        return place == SIZE_MAX ? c->n_list : place;
}

static int insert(Completion *c, ListedController added) {
        size_t place;
        int r;

        if (c->n_list >= CONTROLLERS_MAX)
                return completion_fail(c, line_of(c, &added), "more than %d controllers: no VM has room for these; take some "
                                       "away", CONTROLLERS_MAX);
        r = ARRAY_RESERVE(c->list, c->list_allocated, c->n_list + 1);
        if (r < 0)
                return r;
        place = place_of(c, &added);
        memmove(&c->list[place + 1], &c->list[place], (c->n_list - place) * sizeof(*c->list));
        c->list[place] = added;
        c->n_list++;
        return 0;
}

int controllers_list(Completion *c) {
        const Domain *d = c->domain;
        bool usb = false;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < d->n_controllers; i++)
                r = insert(c, (ListedController) { .pci = true, .at = i });
        for (size_t i = 0; r >= 0 && i < d->n_devices; i++) {
                if (d->devices[i].type != DOMAIN_DEVICE_CONTROLLER)
                        continue;
                usb |= d->devices[i].kind && streq(d->devices[i].kind, "usb");
                r = insert(c, (ListedController) { .at = i });
        }
        c->no_usb = d->usb_given && !usb;
        return r;
}

bool is_usb2(const DomainDevice *device) {
        static const char *const models[] = { "ich9-ehci1", "ich9-uhci1", "ich9-uhci2", "ich9-uhci3" };

        return device && device->kind && streq(device->kind, "usb") && device->model &&
               name_lookup(models, ELEMENTSOF(models), device->model) >= 0;
}

DomainDevice *controllers_find(const Completion *c, const char *kind, int index) {
        for (size_t i = 0; i < c->n_list; i++)
                if (!c->list[i].pci && *index_of(c, &c->list[i]) == index && streq(kind_of(c, &c->list[i]), kind))
                        return controllers_device(c, &c->list[i]);
        return NULL;
}

/* virDomainControllerFindUnusedIndex() */
static int lowest_free(const Completion *c, const char *kind) {
        bool used[CONTROLLERS_MAX + 1] = {};
        int index = 0;

        for (size_t i = 0; i < c->n_list; i++) {
                int other = *index_of(c, &c->list[i]);

                if (other >= 0 && other <= CONTROLLERS_MAX && streq(kind_of(c, &c->list[i]), kind))
                        used[other] = true;
        }
        /* There are CONTROLLERS_MAX at most, this one among them. */
        while (used[index])
                index++;
        return index;
}

/* The parts of an ICH9 that stand together are one: each takes the index of the one before it, until a model comes again.
 * -1: it begins a new one. */
static int usb2_index(const Completion *c, size_t at) {
        const DomainDevice *device = controllers_device(c, &c->list[at]), *before = NULL;

        for (size_t i = at; i > 0 && !before; i--)
                if (streq(kind_of(c, &c->list[i - 1]), "usb"))
                        before = controllers_device(c, &c->list[i - 1]);
        if (!is_usb2(before))
                return -1;
        for (size_t i = 0; i < c->n_list; i++) {
                const DomainDevice *other = controllers_device(c, &c->list[i]);

                if (is_usb2(other) && other->index == before->index && streq(other->model, device->model))
                        return -1;
        }
        return before->index;
}

/* ICH9s that were given no index are in their place only now. */
static int list_again(Completion *c) {
        _cleanup_free_ ListedController *old = c->list;
        size_t n = c->n_list;
        int r = 0;

        c->list = NULL;
        c->n_list = c->list_allocated = 0;
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = insert(c, old[i]);
        return r;
}

int controllers_assign_indexes(Completion *c) {
        bool again = false;

        for (size_t i = 0; i < c->n_list; i++) {
                int *index = index_of(c, &c->list[i]);

                if (*index != -1)
                        continue;
                if (i > 0 && is_usb2(controllers_device(c, &c->list[i]))) {
                        again = true;
                        *index = usb2_index(c, i);
                }
                if (*index == -1)
                        *index = lowest_free(c, kind_of(c, &c->list[i]));
        }
        return again ? list_again(c) : 0;
}

/* virDomainDefRejectDuplicateControllers(). USB controllers may share one. */
int controllers_check_duplicates(Completion *c) {
        for (size_t i = 0; i < c->n_list; i++) {
                const char *kind = kind_of(c, &c->list[i]);

                for (size_t j = 0; j < i && !streq(kind, "usb"); j++)
                        if (*index_of(c, &c->list[i]) == *index_of(c, &c->list[j]) && streq(kind, kind_of(c, &c->list[j])))
                                return completion_fail(c, line_of(c, &c->list[i]),
                                                       "<controller type='%.32s' index='%d'>: there is another with this index; "
                                                       "give it one of its own, or none", kind, *index_of(c, &c->list[i]));
        }
        return 0;
}

int controllers_add(Completion *c, const char *kind, int index, const char *model) {
        int r;

        if (controllers_find(c, kind, index))
                return 0;
        r = completion_add_device(c, DOMAIN_DEVICE_CONTROLLER, kind, model, index);
        return r < 0 ? r : insert(c, (ListedController) { .at = c->domain->n_devices - 1 });
}

int controllers_add_pci(Completion *c, int index) {
        Domain *d = c->domain;
        int r;

        for (size_t i = 0; i < d->n_controllers; i++)
                if (d->controllers[i].index == index)
                        return 0;
        r = ARRAY_RESERVE(d->controllers, d->controllers_allocated, d->n_controllers + 1);
        if (r < 0)
                return r;
        d->controllers[d->n_controllers++] = (DomainController) {
                .model = CONTROLLER_PCI_ROOT, .index = index, .target_index = -1, .numa_node = -1
        };
        return insert(c, (ListedController) { .pci = true, .at = d->n_controllers - 1 });
}
