/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The slots of a domain's PCI buses, and which bus is for whose isolation group, as libvirt keeps them (src/conf/domain_addr.c:
 * virDomainPCIAddressSet). Of the buses that there are elsewhere a pseries VM has two kinds, PHBs and bridges, and whatever is
 * PCI fits on both. */

#include "domain_completion.h"

#define PCI_SLOT_MIN 1
#define PCI_SLOT_MAX 31
#define PCI_FUNCTIONS 8

typedef struct PciBus {
        uint8_t slots[PCI_SLOT_MAX + 1]; /* a bit for each function that is taken */
        uint32_t used;                   /* a bit for each slot that has one */
        unsigned isolation_group;        /* of its first device; 0: of emulated ones, or mixed */
        bool locked;                     /* it stays so */
} PciBus;

typedef struct PciBuses {
        PciBus buses[PCI_BUSES_MAX];
        unsigned n;
        bool grow; /* PHBs are added for what does not fit. That is only tried: no device gets its address */
} PciBuses;

/* Who wants a slot. */
typedef struct PciGuest {
        const char *element; /* for messages: "interface" */
        unsigned line;
        DomainAddress *address; /* NULL: nobody yet */
        unsigned isolation_group;
        bool bridge;     /* a bridge is no reason to add a PHB */
        bool integrated; /* on bus 0 alone */
} PciGuest;

bool pci_bus_is_full(const PciBus *bus);

/* Takes a function that the XML gives. One in a bus of another group is given, and there is no isolation on that bus then. 0, or
 * -EINVAL with the error filled in. */
int pci_take(Completion *c, PciBuses *b, const PciGuest *guest, const DomainAddress *address);

/* Takes a function of the next slot that is free: on a bus of the guest's group, else on an empty one, else on a new one. The
 * same returns. */
int pci_take_next(Completion *c, PciBuses *b, const PciGuest *guest, unsigned function);
