/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A domain's memory as QEMU gets it: libvirt rounds it up when it starts a domain anew (src/qemu/qemu_domain.c:
 * qemuDomainAlignMemorySizes), and its limit of locked memory and the guest's 64-bit window count on what that gives. What was
 * rounded before (the XML of a running domain) stays as it is. Pure. */

#include "domain.h"

/* All in KiB, as libvirt counts. Sums that overflow stay at UINT64_MAX. */
typedef struct DomainMemory {
        uint64_t initial; /* without DIMMs */
        uint64_t total;   /* with them: virDomainDefGetMemoryTotal() */
        uint64_t max;     /* <maxMemory>, or else total */
        uint64_t mapped;  /* total less NVDIMMs' labels: what QEMU puts into the guest's address space as RAM */
} DomainMemory;

DomainMemory domain_memory_at_start(const Domain *d);

/* Are the domain's sizes those of POWER: is its <os><type arch=> ppc64 or ppc64le? */
bool domain_is_ppc64(const Domain *d);
