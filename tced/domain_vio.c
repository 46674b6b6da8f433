/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Registers of VIO devices, as libvirt gives them (src/qemu/qemu_domain_address.c: qemuDomainAssignSpaprVIOAddresses): each type
 * counts up from a number of its own, past all that are taken. A register that is given twice is refused by libvirt; here that is
 * a finding (domain_check.c), which can say more. */

#include "domain_completion.h"
#include "util.h"

#define VIO_STEP UINT64_C(0x1000)

static const struct {
        DomainDeviceType type;
        uint64_t first;
} starts[] = {
        { DOMAIN_DEVICE_INTERFACE, 0x1000 }, { DOMAIN_DEVICE_CONTROLLER, 0x2000 }, { DOMAIN_DEVICE_SERIAL, 0x30000000 },
        { DOMAIN_DEVICE_NVRAM, 0x3000 },     { DOMAIN_DEVICE_TPM, 0x4000 },
};

/* libvirt knows nothing of what is in <qemu:commandline>. */
static bool is_vio_device(const DomainDevice *device) {
        return device->vio && device->type != DOMAIN_DEVICE_QEMU;
}

static bool is_taken(const Domain *d, uint64_t reg) {
        for (size_t i = 0; i < d->n_devices; i++)
                if (is_vio_device(&d->devices[i]) && d->devices[i].address.has_reg && d->devices[i].address.reg == reg)
                        return true;
        return false;
}

/* *next only goes up: what is taken stays so. */
static void assign(const Domain *d, DomainDevice *device, DomainDeviceType type, uint64_t *next) {
        if (device->type != type || !device->vio || device->address.has_reg)
                return;
        while (is_taken(d, *next))
                *next += VIO_STEP;
        device->address = (DomainAddress) { .type = DOMAIN_ADDRESS_VIO, .has_reg = true, .reg = *next };
}

int vio_assign(Completion *c) {
        Domain *d = c->domain;
        size_t n = 0;

        for (size_t i = 0; i < d->n_devices; i++)
                if (is_vio_device(&d->devices[i]) && ++n > VIO_DEVICES_MAX)
                        return completion_fail(c, d->devices[i].line, "more than %d VIO devices: no VM has interrupts for these; "
                                               "take some away", VIO_DEVICES_MAX);
        for (size_t k = 0; k < ELEMENTSOF(starts); k++) {
                uint64_t next = starts[k].first;

                if (starts[k].type == DOMAIN_DEVICE_CONTROLLER) {
                        for (size_t i = 0; i < c->n_list; i++)
                                if (!c->list[i].pci)
                                        assign(d, controllers_device(c, &c->list[i]), starts[k].type, &next);
                        continue;
                }
                for (size_t i = 0; i < d->n_devices; i++)
                        assign(d, &d->devices[i], starts[k].type, &next);
        }
        return 0;
}
