/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* --fix: passed-through devices leave a PHB that they share with emulated ones. What is in one IOMMU group stays together, as
 * QEMU takes a group on one PHB only; functions of one slot of the guest's stay in one slot. A device goes to a PHB that has its
 * group already, else to one of the domain's that is empty, else to a new one. */

#include <inttypes.h>

#include "domain_check_internal.h"
#include "domain_fix_internal.h"
#include "util.h"

#define SLOT_MAX 31U

/* One group's devices, or all whose group is not known: these might be of one. */
typedef struct Party {
        int group; /* -1: not known */
        int bus;   /* controller index that they go to */
} Party;

typedef struct Move {
        size_t device; /* of the domain's */
        size_t element;
        Party *party;
        unsigned slot, function;
} Move;

typedef struct Moves {
        Move *items;
        size_t n, allocated;
        Party parties[PHB_INDEX_MAX + 1];
        size_t n_parties;
        uint64_t indexes; /* PHB indexes that are taken */
        int next;         /* the next new controller's index */
} Moves;

static void moves_clear(Moves *m) {
        free(m->items);
        *m = (Moves){};
}

/* libvirt's index of a PHB that can take devices; -1: none of libvirt's. */
static bool is_usable(const Repair *r, size_t phb) {
        const Phb *p = &r->plan.layout.phbs[phb];

        return p->controller && p->controller_index > 0 && !phb_index_refused(&r->plan.layout, phb, NULL);
}

static bool has_party(const Moves *m, int bus) {
        for (size_t i = 0; i < m->n_parties; i++)
                if (m->parties[i].bus == bus)
                        return true;
        return false;
}

/* A PHB that has the group and no emulated device; else one that has no device. */
static int find_bus(const Repair *r, const Moves *m, int group) {
        const Layout *layout = &r->plan.layout;

        for (size_t i = 0; group >= 0 && i < layout->n_phbs; i++)
                for (size_t j = 0; is_usable(r, i) && !layout->phbs[i].emulated && j < layout->phbs[i].n_groups; j++)
                        if (layout->phbs[i].groups[j] == group)
                                return layout->phbs[i].controller_index;
        for (size_t i = 0; i < layout->n_phbs; i++)
                if (is_usable(r, i) && layout->phbs[i].n_devices == 0 && !has_party(m, layout->phbs[i].controller_index))
                        return layout->phbs[i].controller_index;
        return -1;
}

static size_t last_controller(const Repair *r) {
        size_t last = ELEMENT_NONE;

        for (size_t i = xml_child(&r->text, r->devices, "controller", ELEMENT_NONE); i != ELEMENT_NONE;
             i = xml_child(&r->text, r->devices, "controller", i))
                if (last == ELEMENT_NONE || xml_attribute_is(&r->text, i, "type", "pci") ||
                    !xml_attribute_is(&r->text, last, "type", "pci"))
                        last = i;
        return last;
}

/* A PHB that is not there yet. *ret: its controller's index; -1: there is no index for it. */
static int add_phb(Repair *r, Moves *m, int *ret) {
        int index = phb_index_free(m->indexes), e;
        size_t after = last_controller(r);
        char text[256];

        *ret = -1;
        if (index < 0)
                return 0;
        if (m->next <= PHB_INDEX_MAX && !(m->indexes & UINT64_C(1) << m->next))
                index = m->next;
        (void) snprintf(text, sizeof(text),
                        "<controller type='pci' index='%d' model='pci-root'>\n  <model name='spapr-pci-host-bridge'/>\n  <target "
                        "index='%d'/>\n</controller>",
                        m->next, index);
        e = after == ELEMENT_NONE ? change_append_child(&r->changes, r->devices, text) :
                                    change_insert_after(&r->changes, after, text);
        if (e >= 0)
                e = repair_note(r, true, "There is a new PHB, controller %d with index %d", m->next, index);
        if (e < 0)
                return e;
        m->indexes |= UINT64_C(1) << index;
        *ret = m->next++;
        return 0;
}

/* *ret: NULL where there is no PHB to go to. */
static int get_party(Repair *r, Moves *m, int group, Party **ret) {
        int bus, e = 0;

        *ret = NULL;
        for (size_t i = 0; i < m->n_parties; i++)
                if (m->parties[i].group == group)
                        *ret = &m->parties[i];
        if (*ret || m->n_parties >= ELEMENTSOF(m->parties))
                return 0;
        bus = find_bus(r, m, group);
        if (bus < 0)
                e = add_phb(r, m, &bus);
        if (e < 0 || bus < 0)
                return e;
        m->parties[m->n_parties] = (Party){ .group = group, .bus = bus };
        *ret = &m->parties[m->n_parties++];
        return 0;
}

static const DomainAddress *address_of(const Repair *r, const Move *m) {
        return &r->plan.domain.devices[m->device].address;
}

/* Slots that a bus has no room in: those of its own devices, which stay, and of what has been moved there. */
static uint32_t slots_taken(const Repair *r, const Moves *m, int bus) {
        const Domain *d = &r->plan.domain;
        uint32_t taken = 1; /* slot 0 libvirt keeps */

        for (size_t i = 0; i < d->n_devices; i++)
                if (d->devices[i].address.type == DOMAIN_ADDRESS_PCI && d->devices[i].address.bus == (unsigned) bus)
                        taken |= UINT32_C(1) << (d->devices[i].address.slot & SLOT_MAX);
        for (size_t i = 0; i < d->n_controllers; i++)
                if (d->controllers[i].address.type == DOMAIN_ADDRESS_PCI && d->controllers[i].address.bus == (unsigned) bus)
                        taken |= UINT32_C(1) << (d->controllers[i].address.slot & SLOT_MAX);
        for (size_t i = 0; i < m->n; i++)
                if (m->items[i].party->bus == bus && m->items[i].slot > 0)
                        taken |= UINT32_C(1) << m->items[i].slot;
        return taken;
}

static bool same_slot(const Repair *r, const Move *a, const Move *b) {
        return a->party == b->party && address_of(r, a)->bus == address_of(r, b)->bus &&
               address_of(r, a)->slot == address_of(r, b)->slot;
}

/* Functions of a slot that all leave it stay together as they are; without its function 0 a slot would be empty to the guest, so
 * one whose function 0 stays behind becomes one. */
static void give_slot(const Repair *r, Moves *m, size_t at) {
        Move *move = &m->items[at];
        bool whole = false;
        uint32_t taken;

        for (size_t i = 0; i < m->n; i++)
                whole |= same_slot(r, &m->items[i], move) && address_of(r, &m->items[i])->function == 0;
        for (size_t i = 0; whole && i < at; i++)
                if (same_slot(r, &m->items[i], move)) {
                        move->slot = m->items[i].slot;
                        move->function = address_of(r, move)->function;
                        return;
                }
        taken = slots_taken(r, m, move->party->bus);
        move->slot = taken == UINT32_MAX ? SLOT_MAX + 1 : (unsigned) __builtin_ctz(~taken);
        move->function = whole ? address_of(r, move)->function : 0;
}

static int set_address(Repair *r, const Move *m) {
        size_t address = xml_child(&r->text, m->element, "address", ELEMENT_NONE);
        char bus[16], slot[16], function[16], text[128];
        int e;

        (void) snprintf(bus, sizeof(bus), "0x%02x", (unsigned) m->party->bus);
        (void) snprintf(slot, sizeof(slot), "0x%02x", m->slot);
        (void) snprintf(function, sizeof(function), "0x%x", m->function);
        if (address == ELEMENT_NONE) {
                (void) snprintf(text, sizeof(text), "<address type='pci' domain='0x0000' bus='%s' slot='%s' function='%s'/>", bus,
                                slot, function);
                e = change_append_child(&r->changes, m->element, text);
        } else {
                e = change_attribute(&r->changes, address, "bus", bus);
                if (e >= 0)
                        e = change_attribute(&r->changes, address, "slot", slot);
                if (e >= 0)
                        e = change_attribute(&r->changes, address, "function", function);
        }
        return e;
}

/* The devices of one mixed PHB that are to leave it. */
static int collect(Repair *r, Moves *m, const Phb *phb) {
        for (size_t i = 0; i < phb->n_devices; i++) {
                const DomainDevice *device = &r->plan.domain.devices[phb->devices[i]];
                size_t element = domain_device_is_vfio(device) ? repair_element(r, device->line) : ELEMENT_NONE;
                Party *party;
                int e;

                if (element == ELEMENT_NONE)
                        continue;
                e = get_party(r, m, phb->device_groups[i], &party);
                if (e < 0)
                        return e;
                if (!party)
                        continue;
                if (ARRAY_RESERVE(m->items, m->allocated, m->n + 1) < 0)
                        return -ENOMEM;
                m->items[m->n++] = (Move){ .device = phb->devices[i], .element = element, .party = party };
        }
        return 0;
}

int repair_mixed(Repair *r) {
        const Layout *layout = &r->plan.layout;
        _cleanup_(moves_clear) Moves m = { .indexes = phb_indexes_taken(layout), .next = controller_index_free(&r->plan.domain) };
        int e = 0;

        for (size_t i = 0; e >= 0 && i < layout->n_phbs; i++)
                if (phb_is_mixed(&layout->phbs[i]))
                        e = collect(r, &m, &layout->phbs[i]);
        for (size_t i = 0; e >= 0 && i < m.n; i++) {
                const Move *move = &m.items[i];

                give_slot(r, &m, i);
                /* More than 31 of a group. */
                if (move->slot > SLOT_MAX)
                        continue;
                e = set_address(r, move);
                if (e >= 0)
                        e = repair_note(r, true, "%s is moved to PHB pci.%d, slot %u, away from emulated devices",
                                        check_device_name(&r->plan.domain.devices[move->device]), move->party->bus, move->slot);
        }
        return e;
}
