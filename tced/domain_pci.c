/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Slots begin at 1: 0 is the bus's own. Who is asked for a function says which, or gets the first of a slot that nobody is in:
 * libvirt puts no two devices of its own choice into one. */

#include "domain_pci.h"

#include "util.h"

/* PciBus.used of those below PCI_SLOT_MIN, which nobody gets. */
#define SLOTS_BELOW ((UINT32_C(1) << PCI_SLOT_MIN) - 1)
_Static_assert(PCI_SLOT_MAX == 31, "PciBus.used");

bool pci_bus_is_full(const PciBus *bus) {
        return (bus->used | SLOTS_BELOW) == UINT32_MAX;
}

static bool is_empty(const PciBus *bus) {
        return bus->used == 0;
}

/* The first free slot, or 0. */
static unsigned free_slot(const PciBus *bus) {
        return pci_bus_is_full(bus) ? 0 : (unsigned) __builtin_ctz(~(bus->used | SLOTS_BELOW));
}

/* virDomainPCIAddressReserveAddrInternal(): the first device decides whose the bus is. One of another group that was put there by
 * hand makes it nobody's: what comes later is isolated elsewhere. */
static void mark(PciBuses *b, const PciGuest *guest, const DomainAddress *address, bool from_xml) {
        PciBus *bus = &b->buses[address->bus];

        if (!bus->locked && is_empty(bus))
                bus->isolation_group = guest->isolation_group;
        else if (from_xml && bus->isolation_group != guest->isolation_group)
                bus->isolation_group = 0;
        bus->slots[address->slot] |= (uint8_t) (1U << address->function);
        bus->used |= UINT32_C(1) << address->slot;
}

int pci_take(Completion *c, PciBuses *b, const PciGuest *guest, const DomainAddress *a) {
        if (a->domain != 0)
                return completion_fail(c, guest->line, "<%s>: PCI domain %#x: libvirt has but domain 0; a PHB is chosen by bus=",
                                       guest->element, a->domain);
        if (a->slot > PCI_SLOT_MAX || a->slot < PCI_SLOT_MIN || a->function >= PCI_FUNCTIONS)
                return completion_fail(c, guest->line, "<%s>: PCI slot %#x, function %#x: slots are %d to %#x, functions 0 to "
                                       "%d; take one of these, or leave <address> out", guest->element, a->slot, a->function,
                                       PCI_SLOT_MIN, PCI_SLOT_MAX, PCI_FUNCTIONS - 1);
        if (a->bus >= PCI_BUSES_MAX || (a->bus >= b->n && (!b->grow || guest->bridge)))
                return completion_fail(c, guest->line, "<%s>: PCI bus %#x: there is no <controller type='pci' index='%u'>; add "
                                       "it, or take a bus that is there", guest->element, a->bus, a->bus);
        if (guest->integrated && a->bus != 0)
                return completion_fail(c, guest->line, "<%s>: PCI bus %#x: it can be on bus 0 alone; leave <address> out",
                                       guest->element, a->bus);
        /* Buses in between are added, too (virDomainPCIAddressSetGrow). */
        if (a->bus >= b->n)
                b->n = a->bus + 1;
        if (b->buses[a->bus].slots[a->slot] & (1U << a->function))
                return completion_fail(c, guest->line, "<%s>: PCI bus %#x, slot %#x, function %#x is another device's; take a "
                                       "free one, or leave <address> out", guest->element, a->bus, a->slot, a->function);
        mark(b, guest, a, true);
        return 0;
}

/* virDomainPCIAddressGetNextAddr(). Bridges are buses like others: a host device goes behind an empty one, though its PHB is
 * everybody's. False: there is none. */
static bool find_bus(PciBuses *b, const PciGuest *guest, unsigned *ret) {
        unsigned n = guest->integrated && b->n > 0 ? 1 : b->n;

        for (unsigned i = 0; i < n; i++)
                if (b->buses[i].isolation_group == guest->isolation_group && free_slot(&b->buses[i]) > 0) {
                        *ret = i;
                        return true;
                }
        for (unsigned i = 0; i < n; i++)
                if (!b->buses[i].locked && is_empty(&b->buses[i])) {
                        *ret = i;
                        return true;
                }
        if (!b->grow || guest->bridge || guest->integrated || b->n >= PCI_BUSES_MAX)
                return false;
        *ret = b->n++;
        return true;
}

int pci_take_next(Completion *c, PciBuses *b, const PciGuest *guest, unsigned function) {
        DomainAddress a = { .type = DOMAIN_ADDRESS_PCI, .function = function };

        if (!find_bus(b, guest, &a.bus))
                return completion_fail(c, guest->line, "<%s>: no PCI bus has a free slot for it%s", guest->element,
                                       c->domain->live ? ", and none can be added while the VM runs: add an empty "
                                                         "<controller type='pci' model='pci-root'/> before it starts" :
                                                         "; take devices away");
        a.slot = free_slot(&b->buses[a.bus]);
        mark(b, guest, &a, false);
        if (!b->grow && guest->address)
                *guest->address = a;
        return 0;
}
