/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libvirt's domain XML -> Domain, by libxml2. Reads what libvirt completes and what a person writes. XML from outside is
 * hostile: no entities, no network, bounded in size and depth, every number checked. Does no I/O. */

#include "domain.h"

/* Reads a domain. 0; -EINVAL with *error filled in; -ENOMEM. *ret is untouched on failure. Nothing is filled in that the XML
 * does not have (addresses, aliases, controllers): that is domain_complete()'s business. */
int domain_read(const char *xml, size_t size, Domain *ret, DomainError *error);

/* Reads one device's XML, as `virsh attach-device` takes it, and adds it to *d. The same returns; *d is as it was on failure. */
int domain_read_device(const char *xml, size_t size, Domain *d, DomainError *error);
