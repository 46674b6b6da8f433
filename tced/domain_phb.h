/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a domain's PHBs have room for: asked by its findings, for their remedies, and by domain_fix*.c. Pure. */

#include "domain_layout.h"

/* The indexes that PHBs have, a bit each (0 is always there), and the lowest that is free, or -1. */
uint64_t phb_indexes_taken(const Layout *layout);
int phb_index_free(uint64_t taken);

/* Does QEMU refuse this PHB for its index, or libvirt? *ret_other (may be NULL): the PHB that has it already, or NULL. */
bool phb_index_refused(const Layout *layout, size_t phb, const Phb **ret_other);

/* Has it passed-through devices and emulated ones that do DMA? */
bool phb_is_mixed(const Phb *phb);

/* Passed-through devices that can be on one PHB: those of one IOMMU group, or all whose group is not known (these might be of
 * one). */
typedef struct Party {
        int group;     /* -1: not known */
        int bus;       /* libvirt's index of the controller that they go to */
        int new_index; /* the PHB index of one that is not there yet; -1: the PHB is there */
        bool made;     /* for who makes such PHBs */
} Party;

/* Where devices that are to leave their PHB go: one that has their group and no emulated device, else one of the domain's that is
 * empty, else a new one. */
typedef struct Parties {
        Party items[PHB_INDEX_MAX + 1];
        size_t n;
        uint64_t indexes; /* PHB indexes that are taken */
        int next;         /* the next new controller's index */
} Parties;

void parties_begin(const Domain *d, const Layout *layout, Parties *ret);
/* NULL: there is no PHB to go to, and no index for a new one. */
Party *parties_find(const Layout *layout, Parties *parties, int group);
/* The PHB that has the group and no emulated device, or NULL. */
const Phb *phb_of_group(const Layout *layout, int group);
