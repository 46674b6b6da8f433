/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The devices that QEMU makes without a -device: NICs of -nic and -net, the spapr-vscsi of SCSI drives, and where it is QEMU alone that decides
 * (d->bare) its serial ports, its NVRAM and what it adds by default. */

#include "qemu_words.h"

/* 0 or -ENOMEM. */
int qemu_implicit_read(const QemuArgument *arguments, size_t n, Domain *d);
