/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Domains as libvirt writes them. */

#include <stdbool.h>

/* What a domain has: `emulated` devices of virtio's dealt out to the first PHBs, and behind these, on a PHB of its own each, the functions of
 * `groups` IOMMU groups. */
typedef struct DomainShape {
        unsigned phbs, emulated, groups, functions; /* functions: of each group, 8 at most */
        bool as_defined; /* addresses and aliases are left to libvirt; else all is there, as it is for a hook */
} DomainShape;

#define DOMAIN_UUID "11111111-2222-3333-4444-00000000000c"

/* The XML, to be freed. */
char *domain_text(const DomainShape *shape);
/* "0001:00:00.3": the third function of a host's group 1. */
void domain_function(unsigned group, unsigned function, char ret[static 16]);
