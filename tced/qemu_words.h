/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* QEMU's words, of <qemu:commandline> or of a QEMU's own command line, as options with their values; and the devices that come of them, added
 * to a Domain. Pure but for memory. */

#include "domain.h"

/* A word, and where it stands, for errors. */
typedef struct QemuWord {
        const char *text;
        unsigned line;       /* 0: in no file */
        const char *element; /* of a domain: "<qemu:arg>"; NULL: it is the command line's */
} QemuWord;

/* An option and its value. */
typedef struct QemuArgument {
        const char *name; /* without its dashes; "": a word that is no option's, a disk's image */
        QemuWord word;    /* the option */
        QemuWord value;   /* text NULL: it has none */
} QemuArgument;

/* The words as options, read as QEMU reads them (system/vl.c: qemu_init). ret has room for n. 0, or -EINVAL with *error where one whose
 * value counts here has none. */
int qemu_split(const QemuWord *words, size_t n, QemuArgument *ret, size_t *ret_n, DomainError *error);

/* QEMU's devices of the VIO bus (hw/ppc/spapr_vio.c and the TYPE_VIO_SPAPR_DEVICE of others), and whether each has a window. */
bool qemu_is_vio(const char *driver, bool *ret_dma);

/* Into the domain's list; nothing is left in *device. 0 or -ENOMEM. */
int qemu_add_device(Domain *d, DomainDevice *device);
/* One that QEMU makes by itself, before those of -device. The same. */
int qemu_add_implicit(Domain *d, const char *model, const QemuWord *at);

/* Fills in *error, with the line and the element where there are such, and returns -EINVAL. */
int qemu_fail(DomainError *error, const QemuWord *at, const char *format, ...) __attribute__((__format__(__printf__, 3, 4)));
