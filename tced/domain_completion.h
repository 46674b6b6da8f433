/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the parts of domain_complete() share. All but the smallest of them return 0, -ENOMEM, or -EINVAL with the error filled
 * in. */

#include "domain.h"
#include "domain_read.h"
#include "facts.h"

/* More controllers, VIO devices, PCI buses than any VM starts with. libvirt itself goes on counting: a disk called "sdzzzz" would
 * have it add some 68,000 controllers. */
#define CONTROLLERS_MAX 1024
#define VIO_DEVICES_MAX 1024
#define PCI_BUSES_MAX 256

/* One of the domain's controllers, of all types. */
typedef struct ListedController {
        bool pci;  /* `at` counts the domain's controllers, else its devices */
        size_t at;
} ListedController;

typedef struct Completion {
        Domain *domain;
        const VfioFacts *vfio;
        DomainError *error;
        bool no_usb;               /* model='none' was given */
        ListedController *list;    /* in libvirt's order, which decides who comes first to slots, registers and indexes */
        size_t n_list, list_allocated;
} Completion;

/* Fills in the error, "line 12: …" where the line is known. Returns -EINVAL. */
int completion_fail(const Completion *c, unsigned line, const char *format, ...)
        __attribute__((__format__(__printf__, 3, 4)));

/* A device that libvirt adds. kind, model: copied; NULL: none. 0 or -ENOMEM. */
int completion_add_device(Completion *c, DomainDeviceType type, const char *kind, const char *model, int index);

/* domain_controllers.c: the list of controllers. All return 0, -ENOMEM, or -EINVAL with the error filled in. */
int controllers_list(Completion *c);
int controllers_assign_indexes(Completion *c);
int controllers_check_duplicates(Completion *c);
/* Adds one, if there is none with this index. */
int controllers_add(Completion *c, const char *kind, int index, const char *model);
int controllers_add_pci(Completion *c, int index);
/* The device; NULL for those of type pci. */
DomainDevice *controllers_device(const Completion *c, const ListedController *l);
DomainController *controllers_pci(const Completion *c, const ListedController *l);
/* NULL: there is none. */
DomainDevice *controllers_find(const Completion *c, const char *kind, int index);
/* One of an ICH9's, which share an index and a slot. */
bool is_usb2(const DomainDevice *device);

/* domain_drives.c: the order of disks, controllers of disks and SCSI host devices. What its last two do comes before and after indexes are given. */
int disk_name_index(const char *name); /* "vdb": 1; -1: no such name */
int drives_sort(Completion *c);
int drives_add_hostdev_controllers(Completion *c);
int drives_assign(Completion *c);
int drives_add_controllers(Completion *c);

/* domain_ports.c: virtio-serial controllers. */
int ports_add_controllers(Completion *c);
int ports_assign(Completion *c);

/* domain_defaults.c: devices that libvirt adds, models where none is given, and how each device is connected. */
int defaults_add(Completion *c);
int defaults_add_implied(Completion *c);
int defaults_connect(Completion *c);

/* domain_vio.c: registers. */
int vio_assign(Completion *c);

/* domain_pci.c: slots. */
int pci_assign(Completion *c);

/* domain_alias.c: given aliases that libvirt does not keep, and those that it makes. */
int alias_drop(Completion *c);
int alias_assign(Completion *c);
