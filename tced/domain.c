/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "domain.h"

#include "util.h"

/* The order of the enum; "qemu:commandline" is the element that such devices come from. */
const char *domain_device_type_to_string(DomainDeviceType type) {
        static const char *const names[] = {
                [DOMAIN_DEVICE_DISK] = "disk",
                [DOMAIN_DEVICE_FILESYSTEM] = "filesystem",
                [DOMAIN_DEVICE_INTERFACE] = "interface",
                [DOMAIN_DEVICE_CONTROLLER] = "controller",
                [DOMAIN_DEVICE_HOSTDEV] = "hostdev",
                [DOMAIN_DEVICE_INPUT] = "input",
                [DOMAIN_DEVICE_VIDEO] = "video",
                [DOMAIN_DEVICE_SOUND] = "sound",
                [DOMAIN_DEVICE_SERIAL] = "serial",
                [DOMAIN_DEVICE_NVRAM] = "nvram",
                [DOMAIN_DEVICE_TPM] = "tpm",
                [DOMAIN_DEVICE_RNG] = "rng",
                [DOMAIN_DEVICE_MEMBALLOON] = "memballoon",
                [DOMAIN_DEVICE_WATCHDOG] = "watchdog",
                [DOMAIN_DEVICE_SHMEM] = "shmem",
                [DOMAIN_DEVICE_VSOCK] = "vsock",
                [DOMAIN_DEVICE_CRYPTO] = "crypto",
                [DOMAIN_DEVICE_PANIC] = "panic",
                [DOMAIN_DEVICE_QEMU] = "qemu:commandline",
        };

        return (unsigned) type < ELEMENTSOF(names) ? names[type] : NULL;
}

void domain_device_clear(DomainDevice *device) {
        free(device->alias);
        free(device->kind);
        free(device->model);
        free(device->bus);
        free(device->target);
        *device = (DomainDevice) {};
}

static void property_clear(QemuProperty *property) {
        free(property->driver);
        free(property->device);
        free(property->property);
        free(property->value);
}

/* Arrays and what is in them. A domain that was read half is whole for this: each array counts what was put into it. */
void domain_clear(Domain *d) {
        for (size_t i = 0; i < d->n_controllers; i++)
                free(d->controllers[i].alias);
        for (size_t i = 0; i < d->n_devices; i++)
                domain_device_clear(&d->devices[i]);
        for (size_t i = 0; i < d->n_dimms; i++)
                free(d->dimms[i].model);
        for (size_t i = 0; i < d->n_properties; i++)
                property_clear(&d->properties[i]);
        free(d->controllers);
        free(d->devices);
        free(d->dimms);
        free(d->properties);
        free(d->ports);
        free(d->cells);
        free(d->name);
        free(d->type);
        free(d->arch);
        free(d->emulator);
        free(d->machine);
        free(d->dac_label);
        free(d->security_label);
        free(d->security_model);
        *d = (Domain) {};
}

/* Domains have a few dozen of each: walked through. */
DomainController *domain_find_controller(const Domain *d, unsigned index) {
        for (size_t i = 0; i < d->n_controllers; i++)
                if (d->controllers[i].index >= 0 && (unsigned) d->controllers[i].index == index)
                        return &d->controllers[i];
        return NULL;
}

DomainDevice *domain_find_device(const Domain *d, const char *alias) {
        for (size_t i = 0; i < d->n_devices; i++)
                if (d->devices[i].alias && streq(d->devices[i].alias, alias))
                        return &d->devices[i];
        return NULL;
}

const QemuProperty *domain_property_of(const Domain *d, const char *alias, const char *property) {
        for (size_t i = d->n_properties; alias && i > 0; i--) {
                const QemuProperty *p = &d->properties[i - 1];

                if (p->device && streq(p->device, alias) && streq(p->property, property))
                        return p;
        }
        return NULL;
}

/* A -global for a type is for those that inherit from it, too; the last one wins, whichever it names (hw/core/qdev-properties.c:
 * qdev_prop_set_globals). */
static bool is_driver(const char *named, const char *driver) {
        if (streq(named, "pci-host-bridge"))
                return streq(driver, "spapr-pci-host-bridge");
        if (streq(named, "vio-spapr-device"))
                return strncmp(driver, "spapr-v", 7) == 0 || streq(driver, "spapr-nvram") || streq(driver, "tpm-spapr");
        return streq(named, driver);
}

/* What is said of one device is set when it is made, behind all -global (hw/core/qdev.c: device_post_init). */
const char *domain_property(const Domain *d, const char *driver, const char *alias, const char *property) {
        const QemuProperty *own = domain_property_of(d, alias, property);

        if (own && own->value)
                return own->value;
        for (size_t i = d->n_properties; i > 0; i--) {
                const QemuProperty *p = &d->properties[i - 1];

                if (!p->device && p->driver && is_driver(p->driver, driver) && streq(p->property, property))
                        return p->value;
        }
        return NULL;
}

/* With base 0, as QEMU reads it (util/cutils.c: qemu_strtou64). With more than 32 bits it does not start; that is kept. */
uint64_t domain_property_number(const Domain *d, const char *driver, const char *alias, const char *property, uint64_t given) {
        const char *text;
        unsigned long long value;
        char *end;

        if (given != UINT32_MAX && !domain_property_of(d, alias, property))
                return given;
        text = domain_property(d, driver, alias, property);
        if (isempty(text))
                return UINT32_MAX;
        errno = 0;
        value = strtoull(text, &end, 0);
        return errno != 0 || *end != '\0' ? UINT32_MAX : value;
}

/* No version known is the newest, which is none of the old ones. */
bool domain_machine_at_most(const Domain *d, unsigned major, unsigned minor) {
        if (d->machine_major == 0 && d->machine_minor == 0)
                return false;
        return d->machine_major < major || (d->machine_major == major && d->machine_minor <= minor);
}

/* By the names that QEMU's build and distributions give it. */
bool domain_has_stock_qemu(const Domain *d) {
        static const char *const names[] = { "kvm", "qemu", "qemu-kvm" };
        const char *slash, *name;

        if (isempty(d->emulator))
                return true;
        slash = strrchr(d->emulator, '/');
        name = slash ? slash + 1 : d->emulator;
        return strncmp(name, "qemu-system-", 12) == 0 || name_lookup(names, ELEMENTSOF(names), name) >= 0;
}

/* src/qemu/qemu_domain.c: qemuDomainMachineIsPSeries() */
bool domain_machine_is_pseries(const char *machine) {
        return streq(machine, "pseries") || strncmp(machine, "pseries-", 8) == 0;
}

/* "pseries-9.2", also "pseries-2.12-sxxm". A distribution's own names ("pseries-rhel9.0.0", "pseries-jammy") have no version
 * that QEMU's sources tell of: they count as the newest. */
void domain_settle_machine(Domain *d) {
        unsigned major, minor;
        char end;
        int n;

        d->pseries = d->arch && (streq(d->arch, "ppc64") || streq(d->arch, "ppc64le")) &&
                     (!d->machine || domain_machine_is_pseries(d->machine));
        if (!d->pseries || !d->machine)
                return;
        n = sscanf(d->machine, "pseries-%2u.%3u%c", &major, &minor, &end);
        if (n == 2 || (n == 3 && end == '-')) {
                d->machine_major = major;
                d->machine_minor = minor;
        }
}
