/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command line of a qemu-system-ppc64 -> Domain: all that decides its windows, QEMU's defaults with it (d->bare). What is plugged in later by
 * QMP it does not have. Pure but for memory. */

#include "domain.h"

/* argv[0] is the program. 0; -EINVAL with *error filled in (a word that QEMU would refuse, a file of options, which is not read); -ENOMEM.
 * *ret is untouched on failure. It is no pseries machine, and has no windows, where d->pseries is not set. */
int qemu_args_read(const char *const *argv, size_t n, Domain *ret, DomainError *error);

/* Is this program a QEMU for POWER, by its name? */
bool qemu_args_is_qemu(const char *program);
