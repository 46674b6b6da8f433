/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* QEMU's own words for devices and their properties -> what Domain has of it: -global, -set, -device, and what -nic, -net, -drive and their
 * like make by themselves. What QEMU would not understand is left to QEMU, but for words that are not whole and values of which tables
 * are made. Pure but for memory. */

#include "qemu_words.h"

/* All that these arguments say of devices. d->bare: QEMU's defaults come with them. 0; -EINVAL with *error; -ENOMEM. */
int qemu_devices_read(const QemuArgument *arguments, size_t n, Domain *d, DomainError *error);

/* What decides a device's windows; driver or device is NULL; value NULL takes away what libvirt would say. The same returns. */
int qemu_add_property(Domain *d, const char *driver, const char *device, const char *property, const char *value, const QemuWord *at,
                      DomainError *error);
