/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* QEMU's options, "virtio-net-pci,id=x,ddw=off" or JSON, read as QEMU reads them (util/qemu-option.c, util/cutils.c). Pure but for memory. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json_read.h"

typedef struct QemuOption {
        char *name, *value;
} QemuOption;

typedef struct QemuOptions {
        QemuOption *items;
        size_t n, allocated;
} QemuOptions;

/* Both add to what is there. `first`: the name of a first word without '='; NULL: it has none. 0 or -ENOMEM; of JSON also -EINVAL, with
 * the fault filled in. On failure *o holds what came before. */
int qemu_options_parse(const char *text, const char *first, QemuOptions *o);
int qemu_options_parse_json(const char *text, const JsonFault *fault, QemuOptions *o);
void qemu_options_clear(QemuOptions *o);

/* NULL: not given. */
const char *qemu_options_get(const QemuOptions *o, const char *name);

/* "on" and its like; NULL is none of it. */
bool qemu_is_on(const char *value);
/* Is it one of those that stand for on or off? */
bool qemu_is_bool(const char *value);
/* A number as C writes it, from 0 to max. *ret is untouched where it is none. */
bool qemu_number(const char *text, uint64_t max, uint64_t *ret);
/* "8G", "1.5g", "512": a size in bytes; `unit` where it has none behind it ('B', 'M'). */
bool qemu_size(const char *text, char unit, uint64_t *ret);
