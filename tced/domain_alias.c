/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Devices' aliases, as libvirt gives them when a VM starts (src/qemu/qemu_alias.c: qemuAssignDeviceAliases), and which of those
 * that are given it keeps (src/conf/domain_conf.c: virDomainDeviceInfoParseXML). 9.0 and 11.3 do the same. */

#include <limits.h>

#include "domain_completion.h"
#include "util.h"

static bool is_kept(const char *alias) {
        static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

        return strncmp(alias, "ua-", 3) == 0 && alias[strspn(alias, chars)] == '\0';
}

static void drop(char **alias, bool *given) {
        if (*given && *alias && !is_kept(*alias)) {
                free(*alias);
                *alias = NULL;
                *given = false;
        }
}

/* What is in <qemu:commandline> has ids of QEMU's. */
int alias_drop(Completion *c) {
        Domain *d = c->domain;

        for (size_t i = 0; !d->live && i < d->n_controllers; i++)
                drop(&d->controllers[i].alias, &d->controllers[i].alias_given);
        for (size_t i = 0; !d->live && i < d->n_devices; i++)
                if (d->devices[i].type != DOMAIN_DEVICE_QEMU)
                        drop(&d->devices[i].alias, &d->devices[i].alias_given);
        return 0;
}

static int set_alias(DomainDevice *device, const char *prefix, int number) {
        if (device->alias)
                return 0;
        return asprintf(&device->alias, "%s%d", prefix, number) < 0 ? (device->alias = NULL, -ENOMEM) : 0;
}

/* qemuDomainDeviceAliasIndex(): the number behind the prefix, or -1. */
static int alias_number(const DomainDevice *device, const char *prefix) {
        uint64_t number;

        if (!device->alias || strncmp(device->alias, prefix, strlen(prefix)) != 0 ||
            parse_u64(device->alias + strlen(prefix), INT_MAX - 1, &number) < 0)
                return -1;
        return (int) number;
}

/* One more than the highest that there is. */
static int next_number(const Domain *d, DomainDeviceType type, DomainDeviceType or_type, const char *prefix) {
        int next = 0;

        for (size_t i = 0; i < d->n_devices; i++) {
                int number = -1;

                if (d->devices[i].type == type || d->devices[i].type == or_type)
                        number = alias_number(&d->devices[i], prefix);
                if (number >= next)
                        next = number + 1;
        }
        return next;
}

/* A network function is a "hostdev", also where it comes from a pool. */
static int assign_interfaces_and_hostdevs(Completion *c) {
        Domain *d = c->domain;
        int net = next_number(d, DOMAIN_DEVICE_INTERFACE, DOMAIN_DEVICE_INTERFACE, "net");
        int hostdev = next_number(d, DOMAIN_DEVICE_INTERFACE, DOMAIN_DEVICE_HOSTDEV, "hostdev");
        int r = 0;

        for (size_t i = 0; r >= 0 && i < d->n_devices; i++) {
                DomainDevice *device = &d->devices[i];
                bool host = device->host_pci || device->host_pool || (device->kind && streq(device->kind, "hostdev"));

                if (device->type == DOMAIN_DEVICE_INTERFACE && !device->alias)
                        r = set_alias(device, host ? "hostdev" : "net", host ? hostdev++ : net++);
        }
        for (size_t i = 0; r >= 0 && i < d->n_devices; i++)
                if (d->devices[i].type == DOMAIN_DEVICE_HOSTDEV && !d->devices[i].alias)
                        r = set_alias(&d->devices[i], "hostdev", hostdev++);
        return r;
}

/* qemuAssignDeviceControllerAlias(): the first USB controller is "usb", with all its companions. A PHB's bus is QEMU's "pci.N.0"
 * then; that of the first is "pci.0" itself. */
static int assign_controllers(Completion *c) {
        Domain *d = c->domain;

        for (size_t i = 0; i < d->n_controllers; i++)
                if (!d->controllers[i].alias && asprintf(&d->controllers[i].alias, "pci.%d", d->controllers[i].index) < 0) {
                        d->controllers[i].alias = NULL;
                        return -ENOMEM;
                }
        for (size_t i = 0; i < d->n_devices; i++) {
                DomainDevice *device = &d->devices[i];
                const char *kind = device->kind ? device->kind : "";
                int r = 0;

                if (device->type != DOMAIN_DEVICE_CONTROLLER || device->alias)
                        continue;
                if (device->index == 0 && streq(kind, "usb"))
                        device->alias = strdup(kind);
                else
                        r = set_alias(device, kind, device->index);
                if (r < 0 || !device->alias)
                        return -ENOMEM;
        }
        return 0;
}

/* By the place on its controller, else by its name: "scsi0-0-0-1", "virtio-disk0". */
static int assign_disk(const Completion *c, DomainDevice *disk) {
        const DomainAddress *a = &disk->address;
        const char *bus = disk->bus ? disk->bus : "";
        const DomainDevice *controller;
        int n;

        if (disk->alias)
                return 0;
        controller = streq(bus, "scsi") ? controllers_find(c, bus, (int) (a->drive_controller & INT_MAX)) : NULL;
        if (!a->drive)
                n = asprintf(&disk->alias, "%s-disk%d", bus, disk_name_index(disk->target));
        else if (streq(bus, "scsi") && !(controller && controller->model && streq(controller->model, "lsilogic")))
                n = asprintf(&disk->alias, "%s%u-%u-%u-%u", bus, a->drive_controller, a->drive_bus, a->drive_target,
                             a->drive_unit);
        else
                n = asprintf(&disk->alias, "%s%u-%u-%u", bus, a->drive_controller, a->drive_bus, a->drive_unit);
        return n < 0 ? (disk->alias = NULL, -ENOMEM) : 0;
}

static int assign_disks(Completion *c) {
        Domain *d = c->domain;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < d->n_devices; i++)
                if (d->devices[i].type == DOMAIN_DEVICE_DISK)
                        r = assign_disk(c, &d->devices[i]);
        return r;
}

/* Numbered as they stand, whatever those before them are called; what is plugged into a VM that runs gets the next that is
 * free. libvirt has no alias for an NVRAM or a panic device: these are names for people. */
static const struct {
        DomainDeviceType type;
        const char *prefix;
        bool next; /* the next that is free, always */
} simple[] = {
        { DOMAIN_DEVICE_FILESYSTEM, "fs", true },       { DOMAIN_DEVICE_SOUND, "sound", false },
        { DOMAIN_DEVICE_INPUT, "input", false },        { DOMAIN_DEVICE_SERIAL, "serial", false },
        { DOMAIN_DEVICE_SHMEM, "shmem", false },        { DOMAIN_DEVICE_WATCHDOG, "watchdog", false },
        { DOMAIN_DEVICE_MEMBALLOON, "balloon", false }, { DOMAIN_DEVICE_RNG, "rng", true },
        { DOMAIN_DEVICE_TPM, "tpm", false },            { DOMAIN_DEVICE_VSOCK, "vsock", false },
        { DOMAIN_DEVICE_CRYPTO, "crypto", true },       { DOMAIN_DEVICE_NVRAM, "nvram", false },
        { DOMAIN_DEVICE_PANIC, "panic", false },
};

static int assign_simple(Completion *c) {
        Domain *d = c->domain;
        int r = 0;

        for (size_t k = 0; k < ELEMENTSOF(simple); k++) {
                bool by_next = simple[k].next || d->live;
                int next = next_number(d, simple[k].type, simple[k].type, simple[k].prefix), position = 0;

                for (size_t i = 0; r >= 0 && i < d->n_devices; i++) {
                        DomainDevice *device = &d->devices[i];

                        if (device->type != simple[k].type)
                                continue;
                        if (!device->alias)
                                r = set_alias(device, simple[k].prefix, by_next ? next++ : position);
                        position++;
                }
        }
        return r;
}

/* The primary one comes first. */
static int assign_videos(Completion *c) {
        Domain *d = c->domain;
        int number = 0, r = 0;

        for (int primary = 1; primary >= 0; primary--)
                for (size_t i = 0; r >= 0 && i < d->n_devices; i++)
                        if (d->devices[i].type == DOMAIN_DEVICE_VIDEO && d->devices[i].primary == (primary > 0))
                                r = set_alias(&d->devices[i], "video", number++);
        return r;
}

/* What <qemu:commandline> gave no id: its driver, for people. */
static int assign_qemu(Completion *c) {
        Domain *d = c->domain;

        for (size_t i = 0; i < d->n_devices; i++) {
                DomainDevice *device = &d->devices[i];

                if (device->alias)
                        continue;
                device->alias = strdup(device->model ? device->model : "device");
                if (!device->alias)
                        return -ENOMEM;
        }
        return 0;
}

int alias_assign(Completion *c) {
        int r = assign_disks(c);

        if (r >= 0)
                r = assign_interfaces_and_hostdevs(c);
        if (r >= 0)
                r = assign_controllers(c);
        if (r >= 0)
                r = assign_simple(c);
        if (r >= 0)
                r = assign_videos(c);
        return r < 0 ? r : assign_qemu(c);
}
