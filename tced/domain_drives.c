/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which controllers libvirt adds for disks and for SCSI host devices: it gives each that has none a place on a controller, by the
 * disk's name (src/conf/domain_conf.c: virDomainDiskDefAssignAddress) or the first that is free
 * (src/conf/domain_postparse.c: virDomainHostdevAssignAddress), and adds what is missing up to the highest controller. */

#include <limits.h>

#include "domain_completion.h"
#include "util.h"

/* The QEMU driver's SCSI buses are narrow ones: units 0 to 6. */
#define SCSI_UNITS 7
#define IDE_DRIVES 4
#define SATA_DRIVES 6
#define FDC_DRIVES 2

static const char *const disk_prefixes[] = { "fd", "hd", "vd", "sd", "xvd", "ubd" };
static const char *const disk_buses[] = { "fdc", "ide", "virtio", "scsi", "xen", "uml" };

/* src/util/virutil.c: virDiskNameParse. "vda1" is on disk 0, too. */
int disk_name_index(const char *name) {
        const char *letter = NULL;
        int index = 0;

        for (size_t i = 0; name && !letter && i < ELEMENTSOF(disk_prefixes); i++)
                if (strncmp(name, disk_prefixes[i], strlen(disk_prefixes[i])) == 0)
                        letter = name + strlen(disk_prefixes[i]);
        if (!letter || *letter < 'a' || *letter > 'z')
                return -1;
        for (bool first = true; *letter >= 'a' && *letter <= 'z'; letter++, first = false) {
                if (index >= INT_MAX / 26 - 1)
                        return -1;
                index = (first ? 0 : index + 1) * 26 + (*letter - 'a');
        }
        return letter[strspn(letter, "0123456789")] == '\0' ? index : -1;
}

static int default_bus(DomainDevice *disk) {
        const char *bus = "ide";

        for (size_t i = 0; disk->target && i < ELEMENTSOF(disk_prefixes); i++)
                if (strncmp(disk->target, disk_prefixes[i], strlen(disk_prefixes[i])) == 0) {
                        bus = disk_buses[i];
                        break;
                }
        disk->bus = strdup(bus);
        return disk->bus ? 0 : -ENOMEM;
}

static void set_drive(DomainDevice *device, int controller, int bus, int unit) {
        device->address = (DomainAddress) {
                .type = DOMAIN_ADDRESS_OTHER, .drive = true, .drive_controller = (unsigned) controller,
                .drive_bus = (unsigned) bus, .drive_unit = (unsigned) unit
        };
}

typedef struct Drive {
        const char *bus;
        int number; /* by its name */
        size_t at;  /* of the domain's devices */
} Drive;

static int compare_drives(const void *a, const void *b) {
        const Drive *x = a, *y = b;
        int order = strcmp(x->bus, y->bus);

        if (order == 0)
                order = (x->number > y->number) - (x->number < y->number);
        return order != 0 ? order : (x->at > y->at) - (x->at < y->at);
}

/* As libvirt writes them they are. */
static bool drives_are_sorted(const Drive *drives, size_t n) {
        for (size_t i = 1; i < n; i++)
                if (compare_drives(&drives[i - 1], &drives[i]) > 0)
                        return false;
        return true;
}

/* virDomainDiskInsert(): those of a bus by their names, whatever their order in the XML. It decides who gets the first slot. */
int drives_sort(Completion *c) {
        Domain *d = c->domain;
        _cleanup_free_ Drive *drives = calloc(d->n_devices + 1, sizeof(*drives));
        _cleanup_free_ DomainDevice *sorted = NULL;
        size_t n = 0;

        if (!drives)
                return -ENOMEM;
        for (size_t i = 0; i < d->n_devices; i++) {
                DomainDevice *disk = &d->devices[i];

                if (disk->type != DOMAIN_DEVICE_DISK)
                        continue;
                if (!disk->bus && default_bus(disk) < 0)
                        return -ENOMEM;
                drives[n++] = (Drive) { .bus = disk->bus, .number = disk_name_index(disk->target), .at = i };
        }
        if (drives_are_sorted(drives, n))
                return 0;
        sorted = calloc(n, sizeof(*sorted));
        if (!sorted)
                return -ENOMEM;
        qsort(drives, n, sizeof(*drives), compare_drives);
        for (size_t i = 0; i < n; i++)
                sorted[i] = d->devices[drives[i].at];
        /* They take the places that disks have among the devices. */
        for (size_t i = 0, next = 0; i < d->n_devices; i++)
                if (d->devices[i].type == DOMAIN_DEVICE_DISK)
                        d->devices[i] = sorted[next++];
        return 0;
}

static int assign_disk(Completion *c, DomainDevice *disk) {
        int index;

        if (disk->address.type != DOMAIN_ADDRESS_NONE || !disk->target)
                return 0;
        index = disk_name_index(disk->target);
        if (index < 0)
                return completion_fail(c, disk->line, "<target dev='%.32s'>: no disk's name, and the disk has no <address>; call "
                                       "it vda, vdb, … or sda, sdb, …", disk->target);
        if (streq(disk->bus, "scsi"))
                set_drive(disk, index / SCSI_UNITS, 0, index % SCSI_UNITS);
        else if (streq(disk->bus, "ide"))
                set_drive(disk, index / IDE_DRIVES, index % IDE_DRIVES / 2, index % 2);
        else if (streq(disk->bus, "sata"))
                set_drive(disk, index / SATA_DRIVES, 0, index % SATA_DRIVES);
        else if (streq(disk->bus, "fdc"))
                set_drive(disk, index / FDC_DRIVES, 0, index % FDC_DRIVES);
        return 0;
}

static bool is_scsi_disk(const DomainDevice *device) {
        return device->type == DOMAIN_DEVICE_DISK && device->bus && streq(device->bus, "scsi");
}

static bool is_scsi_hostdev(const DomainDevice *device) {
        return device->type == DOMAIN_DEVICE_HOSTDEV && device->kind && streq(device->kind, "scsi");
}

/* Disks first: a host device gets what they leave. */
int drives_assign(Completion *c) {
        uint8_t used[CONTROLLERS_MAX] = {}; /* of bus 0, target 0 */
        Domain *d = c->domain;
        size_t controller = 0;
        int r;

        for (size_t i = 0; i < d->n_devices; i++)
                if (d->devices[i].type == DOMAIN_DEVICE_DISK) {
                        r = assign_disk(c, &d->devices[i]);
                        if (r < 0)
                                return r;
                }
        for (size_t i = 0; i < d->n_devices; i++) {
                const DomainAddress *a = &d->devices[i].address;

                if ((is_scsi_disk(&d->devices[i]) || is_scsi_hostdev(&d->devices[i])) && a->drive && a->drive_bus == 0 &&
                    a->drive_target == 0 && a->drive_controller < CONTROLLERS_MAX && a->drive_unit < SCSI_UNITS)
                        used[a->drive_controller] |= (uint8_t) (1U << a->drive_unit);
        }
        for (size_t i = 0; i < d->n_devices; i++) {
                DomainDevice *device = &d->devices[i];
                int unit = 0;

                if (!is_scsi_hostdev(device) || device->address.type != DOMAIN_ADDRESS_NONE)
                        continue;
                while (controller < CONTROLLERS_MAX && used[controller] == (1U << SCSI_UNITS) - 1)
                        controller++;
                if (controller == CONTROLLERS_MAX)
                        return completion_fail(c, device->line, "<hostdev type='scsi'>: more of these than SCSI controllers have "
                                               "room for; take some away");
                while (used[controller] & (1U << unit))
                        unit++;
                used[controller] |= (uint8_t) (1U << unit);
                set_drive(device, (int) controller, 0, unit);
        }
        return 0;
}

static int add_up_to(Completion *c, const char *kind, unsigned highest, unsigned line, const char *model) {
        int r = 0;

        if (highest >= CONTROLLERS_MAX)
                return completion_fail(c, line, "%s controller %u: libvirt would add all up to this one, and no VM has room for "
                                       "so many; give it a lower one, or the disk a name with fewer letters", kind, highest);
        for (unsigned i = 0; r >= 0 && i <= highest; i++)
                r = controllers_add(c, kind, (int) i, model);
        return r;
}

/* They are like the one that is there for the last device that asked for a higher one than all before it. */
int drives_add_hostdev_controllers(Completion *c) {
        const Domain *d = c->domain;
        _cleanup_free_ char *model = NULL;
        const DomainDevice *last = NULL;

        for (size_t i = 0; i < d->n_devices; i++) {
                const DomainDevice *device = &d->devices[i], *controller;

                if (!is_scsi_hostdev(device) || (last && device->address.drive_controller <= last->address.drive_controller))
                        continue;
                last = device;
                controller = controllers_find(c, "scsi", (int) (device->address.drive_controller & INT_MAX));
                if (!controller || !controller->model)
                        continue;
                free(model);
                model = strdup(controller->model);
                if (!model)
                        return -ENOMEM;
        }
        return last ? add_up_to(c, "scsi", last->address.drive_controller, last->line, model) : 0;
}

int drives_add_controllers(Completion *c) {
        static const char *const kinds[] = { "scsi", "fdc", "ide", "sata" };
        const Domain *d = c->domain;
        int r = 0;

        for (size_t k = 0; r >= 0 && k < ELEMENTSOF(kinds); k++) {
                const DomainDevice *highest = NULL;

                for (size_t i = 0; i < d->n_devices; i++) {
                        const DomainDevice *device = &d->devices[i];

                        if (device->type == DOMAIN_DEVICE_DISK && device->bus && streq(device->bus, kinds[k]) &&
                            device->address.drive &&
                            (!highest || device->address.drive_controller > highest->address.drive_controller))
                                highest = device;
                }
                if (highest)
                        r = add_up_to(c, kinds[k], highest->address.drive_controller, highest->line, NULL);
        }
        return r;
}
