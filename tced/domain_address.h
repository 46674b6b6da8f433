/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What libvirt fills in before it starts a pseries domain: controllers and devices that it adds, PCI addresses by isolation group
 * (src/qemu/qemu_domain_address.c, src/conf/domain_addr.c), target indexes of PHBs, registers of VIO devices, aliases
 * (src/qemu/qemu_alias.c). Pure: a host device's IOMMU group comes from the facts. */

#include "domain.h"
#include "domain_read.h"
#include "facts.h"

/* Completes *d in place. vfio: the host's groups, for isolation; an unknown device is not isolated, as libvirt has it. Domains
 * that are no pseries ones are left as they are. 0; -EINVAL with *error where libvirt would refuse (no more PHBs, a bus that does
 * not exist, a slot that is taken); -ENOMEM. */
int domain_complete(Domain *d, const VfioFacts *vfio, DomainError *error);
