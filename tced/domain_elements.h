/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The elements of <devices>, and what <qemu:commandline> and <qemu:override> make of QEMU's devices: each an element -> what Domain has of
 * it. Only the domain's reader uses this. All return 0; -EINVAL with *error; -ENOMEM, and *d is as it was then. */

#include "xml_reader.h"

/* Adds the device, controller, DIMM or port that this element is. What takes no part in what tced plans (graphics, sound's audio,
 * redirections) adds nothing; *ret_known, which may be NULL, tells whether libvirt has such an element. */
int domain_element_read(const xmlNode *element, Domain *d, bool *ret_known, DomainError *error);

/* <qemu:commandline>, <qemu:override>. */
int domain_commandline_read(const xmlNode *commandline, Domain *d, DomainError *error);
int domain_override_read(const xmlNode *override, Domain *d, DomainError *error);
