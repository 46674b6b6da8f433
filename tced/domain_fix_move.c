/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* --fix: passed-through devices leave a PHB that they share with emulated ones, or that is not the one of their IOMMU group.
 * What is in one group stays together, as QEMU takes a group on one PHB only; functions of one slot of the guest's stay in one
 * slot. Where they go is what the remedies advise: Parties. */

#include <inttypes.h>

#include "domain_check_internal.h"
#include "domain_fix_internal.h"
#include "util.h"

#define SLOT_MAX 31U

typedef struct Move {
        size_t device; /* of the domain's */
        size_t element;
        Party *party;
        unsigned slot, function;
} Move;

typedef struct Moves {
        Move *items;
        size_t n, allocated;
        Parties parties;
} Moves;

static void moves_clear(Moves *m) {
        free(m->items);
        *m = (Moves){};
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

/* A PHB that is not there yet. */
static int make_phb(Repair *r, const Party *party) {
        size_t after = last_controller(r);
        char text[256];
        int e;

        (void) snprintf(text, sizeof(text),
                        "<controller type='pci' index='%d' model='pci-root'>\n  <model name='spapr-pci-host-bridge'/>\n  <target "
                        "index='%d'/>\n</controller>",
                        party->bus, party->new_index);
        e = after == ELEMENT_NONE ? change_append_child(&r->changes, r->devices, text) :
                                    change_insert_after(&r->changes, after, text);
        if (e < 0)
                return e;
        return repair_note(r, true, "There is a new PHB, controller %d with index %d", party->bus, party->new_index);
}

/* *ret: NULL where there is no PHB to go to. */
static int get_party(Repair *r, Moves *m, int group, Party **ret) {
        Party *party = parties_find(&r->plan.layout, &m->parties, group);

        *ret = party;
        if (!party || party->new_index < 0 || party->made)
                return 0;
        party->made = true;
        return make_phb(r, party);
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

/* QEMU takes a group on one PHB alone. Elsewhere than on this one? */
static bool group_is_elsewhere(const Repair *r, const Phb *phb, int group) {
        const Phb *other = phb_of_group(&r->plan.layout, group);

        return other && other != phb;
}

/* The devices of a PHB that are to leave it: a mixed one's, and those whose group is on another PHB. */
static int collect(Repair *r, Moves *m, const Phb *phb) {
        for (size_t i = 0; i < phb->n_devices; i++) {
                const DomainDevice *device = &r->plan.domain.devices[phb->devices[i]];
                size_t element = domain_device_is_vfio(device) ? repair_element(r, device->line) : ELEMENT_NONE;
                Party *party;
                int e;

                if (element == ELEMENT_NONE || (!phb_is_mixed(phb) && !group_is_elsewhere(r, phb, phb->device_groups[i])))
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
        _cleanup_(moves_clear) Moves m = {};
        int e = 0;

        parties_begin(&r->plan.domain, &r->plan.layout, &m.parties);
        for (size_t i = 0; e >= 0 && i < layout->n_phbs; i++)
                e = collect(r, &m, &layout->phbs[i]);
        for (size_t i = 0; e >= 0 && i < m.n; i++) {
                const Move *move = &m.items[i];

                give_slot(r, &m, i);
                /* More than 31 of a group. */
                if (move->slot > SLOT_MAX)
                        continue;
                e = set_address(r, move);
                if (e >= 0)
                        e = repair_note(r, true, "%s is moved to PHB pci.%d, slot %u, %s",
                                        check_device_name(&r->plan.domain.devices[move->device]), move->party->bus, move->slot,
                                        phb_is_mixed(layout_phb_of(layout, move->device)) ? "away from emulated devices" :
                                                                                            "to the rest of its IOMMU group");
        }
        return e;
}
