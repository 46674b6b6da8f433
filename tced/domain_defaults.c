/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What libvirt adds to a new pseries domain that a person wrote (src/qemu/qemu_postparse.c: qemuDomainDefAddDefaultDevices, with
 * VIR_DOMAIN_DEF_PARSE_ABI_UPDATE; 9.0 has it in qemu_domain.c), which models it takes where none is given, and from that on
 * which bus each device sits (src/qemu/qemu_domain_address.c: qemuDomainDeviceCalculatePCIConnectFlags). virtio sound cards,
 * crypto and pvpanic devices with a slot are newer than 9.0.
 *
 * Not here: what takes neither a slot nor a register (keyboards, mice, hubs, consoles), and the NVRAM, which QEMU makes by
 * itself where the domain has none. */

#include "domain_completion.h"
#include "util.h"

static bool is(const char *text, const char *value) {
        return text && streq(text, value);
}

static bool is_one_of(const char *text, const char *const *names, size_t n) {
        return text && name_lookup(names, n, text) >= 0;
}

static const DomainDevice *find_device(const Domain *d, DomainDeviceType type) {
        for (size_t i = 0; i < d->n_devices; i++)
                if (d->devices[i].type == type)
                        return &d->devices[i];
        return NULL;
}

static int default_model(DomainDevice *device, const char *model) {
        if (!isempty(device->model))
                return 0;
        free(device->model);
        device->model = strdup(model);
        return device->model ? 0 : -ENOMEM;
}

static int check_pci_controller(const Completion *c, const DomainController *controller) {
        const Domain *d = c->domain;
        /* Where there is room for more memory libvirt makes a cell if there is none (qemuDomainDefNumaAutoAdd; 9.0 looks for the
         * cell before). */
        size_t cells = d->n_cells > 0 ? d->n_cells : d->max_memory > 0 || d->memory_slots > 0;

        if (controller->index >= PCI_BUSES_MAX)
                return completion_fail(c, controller->line, "<controller type='pci' index='%d'>: the highest index is %d",
                                       controller->index, PCI_BUSES_MAX - 1);
        if (controller->model == CONTROLLER_PCI_OTHER || (controller->index == 0 && controller->model != CONTROLLER_PCI_ROOT))
                return completion_fail(c, controller->line, "<controller type='pci' index='%d'>: a pseries VM has %s; change its "
                                       "model", controller->index, controller->index == 0 ? "a pci-root with index 0" :
                                       "controllers of model pci-root and pci-bridge alone");
        if (controller->numa_node >= 0 && (size_t) controller->numa_node >= cells)
                return completion_fail(c, controller->line, "<controller type='pci' index='%d'>: <node>%d</node> is no cell of "
                                       "the domain's <numa>; take <node> away, or add the cell", controller->index,
                                       controller->numa_node);
        return 0;
}

/* A panic device is the firmware's: it has a model of its own, and an address nowhere. */
static int add_panic(Completion *c) {
        const Domain *d = c->domain;

        for (size_t i = 0; i < d->n_devices; i++)
                if (d->devices[i].type == DOMAIN_DEVICE_PANIC && (!d->devices[i].model || streq(d->devices[i].model, "pseries")))
                        return 0;
        return completion_add_device(c, DOMAIN_DEVICE_PANIC, NULL, "pseries", -1);
}

int defaults_add(Completion *c) {
        const Domain *d = c->domain;
        int r = 0;

        if (!c->no_usb)
                r = controllers_add(c, "usb", 0, NULL);
        if (r >= 0)
                r = controllers_add_pci(c, 0);
        if (r >= 0 && !find_device(d, DOMAIN_DEVICE_MEMBALLOON))
                r = completion_add_device(c, DOMAIN_DEVICE_MEMBALLOON, NULL, "virtio", -1);
        if (r >= 0)
                r = add_panic(c);
        for (size_t i = 0; r >= 0 && i < d->n_controllers; i++)
                r = check_pci_controller(c, &d->controllers[i]);
        return r;
}

/* virDomainDefAddImplicitDevices() */
int defaults_add_implied(Completion *c) {
        int r = drives_add_controllers(c);

        if (r >= 0)
                r = ports_add_controllers(c);
        if (r >= 0)
                r = drives_add_hostdev_controllers(c);
        if (r >= 0 && c->domain->graphics && !find_device(c->domain, DOMAIN_DEVICE_VIDEO))
                r = completion_add_device(c, DOMAIN_DEVICE_VIDEO, NULL, NULL, -1);
        return r;
}

/* The model of an interface that has none hangs on what QEMU was built with: rtl8139, as a rule. All that it can be are PCI. */
static int set_model(DomainDevice *device) {
        bool usb = is(device->kind, "usb"), scsi = is(device->kind, "scsi");

        switch (device->type) {
        case DOMAIN_DEVICE_CONTROLLER:
                /* Old domains that libvirt has had for long keep pci-ohci, and say so. */
                if (scsi && is(device->model, "auto"))
                        device->model[0] = '\0';
                return usb || scsi ? default_model(device, usb ? "qemu-xhci" : "ibmvscsi") : 0;
        case DOMAIN_DEVICE_VIDEO:
                return default_model(device, "vga");
        case DOMAIN_DEVICE_TPM:
                return default_model(device, "tpm-spapr");
        case DOMAIN_DEVICE_MEMBALLOON:
                return default_model(device, "virtio");
        case DOMAIN_DEVICE_PANIC:
                return default_model(device, "pseries");
        case DOMAIN_DEVICE_DISK:
        case DOMAIN_DEVICE_FILESYSTEM:
        case DOMAIN_DEVICE_INTERFACE:
        case DOMAIN_DEVICE_HOSTDEV:
        case DOMAIN_DEVICE_INPUT:
        case DOMAIN_DEVICE_SOUND:
        case DOMAIN_DEVICE_SERIAL:
        case DOMAIN_DEVICE_NVRAM:
        case DOMAIN_DEVICE_RNG:
        case DOMAIN_DEVICE_WATCHDOG:
        case DOMAIN_DEVICE_SHMEM:
        case DOMAIN_DEVICE_VSOCK:
        case DOMAIN_DEVICE_CRYPTO:
        case DOMAIN_DEVICE_QEMU:
        case _DOMAIN_DEVICE_TYPE_MAX:
                break;
        }
        return 0;
}

static bool controller_is_pci(const DomainDevice *device) {
        static const char *const kinds[] = { "usb", "scsi", "sata", "ide", "virtio-serial" };
        static const char *const none[] = { "none", "ibmvscsi", "ncr53c90" };

        /* libvirt takes the first IDE controller for one of the machine's. */
        if (!is_one_of(device->kind, kinds, ELEMENTSOF(kinds)) || (is(device->kind, "ide") && device->index == 0))
                return false;
        return !is_one_of(device->model, none, ELEMENTSOF(none));
}

static bool input_is_pci(const DomainDevice *device) {
        return device->bus ? streq(device->bus, "virtio") : is(device->kind, "passthrough");
}

static bool hostdev_is_pci(const DomainDevice *device) {
        return device->host_pci || device->mdev || is(device->kind, "pci") || is(device->kind, "scsi_host") ||
               (is(device->kind, "mdev") && (!device->model || streq(device->model, "vfio-pci")));
}

/* Does it take a slot? */
static bool is_pci(const DomainDevice *device) {
        static const char *const no_pci_sounds[] = { "sb16", "pcspk", "usb", "ich7" };
        static const char *const no_pci_videos[] = { "none", "ramfb", "gop" };

        switch (device->type) {
        case DOMAIN_DEVICE_DISK:
                return is(device->bus, "virtio");
        case DOMAIN_DEVICE_FILESYSTEM:
                return !is(device->kind, "mtp");
        case DOMAIN_DEVICE_INTERFACE:
                return is(device->kind, "hostdev") ? device->host_pci || device->host_pool : !is(device->model, "usb-net");
        case DOMAIN_DEVICE_CONTROLLER:
                return controller_is_pci(device);
        case DOMAIN_DEVICE_HOSTDEV:
                return hostdev_is_pci(device);
        case DOMAIN_DEVICE_INPUT:
                return input_is_pci(device);
        case DOMAIN_DEVICE_VIDEO:
                return !is_one_of(device->model, no_pci_videos, ELEMENTSOF(no_pci_videos));
        case DOMAIN_DEVICE_SOUND:
                return !is_one_of(device->model, no_pci_sounds, ELEMENTSOF(no_pci_sounds));
        case DOMAIN_DEVICE_SERIAL:
                return is(device->kind, "pci-serial");
        case DOMAIN_DEVICE_MEMBALLOON:
                return !is(device->model, "none");
        case DOMAIN_DEVICE_WATCHDOG:
                return is(device->model, "i6300esb");
        case DOMAIN_DEVICE_PANIC:
                return is(device->model, "pvpanic");
        case DOMAIN_DEVICE_RNG:
        case DOMAIN_DEVICE_SHMEM:
        case DOMAIN_DEVICE_VSOCK:
        case DOMAIN_DEVICE_CRYPTO:
                return true;
        case DOMAIN_DEVICE_NVRAM:
        case DOMAIN_DEVICE_TPM:
        case DOMAIN_DEVICE_QEMU:
        case _DOMAIN_DEVICE_TYPE_MAX:
                break;
        }
        return false;
}

/* Does libvirt put it on the VIO bus, whatever address it was given? A serial port that says nothing, or isa-serial, is a
 * spapr-vty. */
static bool is_vio(const DomainDevice *device) {
        static const char *const serials[] = { "spapr-vio", "spapr-vio-serial", "isa", "isa-serial" };

        switch (device->type) {
        case DOMAIN_DEVICE_INTERFACE:
                return is(device->model, "spapr-vlan");
        case DOMAIN_DEVICE_CONTROLLER:
                return is(device->kind, "scsi") && is(device->model, "ibmvscsi");
        case DOMAIN_DEVICE_SERIAL:
                return !device->kind || is_one_of(device->kind, serials, ELEMENTSOF(serials));
        case DOMAIN_DEVICE_NVRAM:
                return true;
        case DOMAIN_DEVICE_TPM:
                return !is(device->model, "spapr-tpm-proxy");
        case DOMAIN_DEVICE_DISK:
        case DOMAIN_DEVICE_FILESYSTEM:
        case DOMAIN_DEVICE_HOSTDEV:
        case DOMAIN_DEVICE_INPUT:
        case DOMAIN_DEVICE_VIDEO:
        case DOMAIN_DEVICE_SOUND:
        case DOMAIN_DEVICE_RNG:
        case DOMAIN_DEVICE_MEMBALLOON:
        case DOMAIN_DEVICE_WATCHDOG:
        case DOMAIN_DEVICE_SHMEM:
        case DOMAIN_DEVICE_VSOCK:
        case DOMAIN_DEVICE_CRYPTO:
        case DOMAIN_DEVICE_PANIC:
        case DOMAIN_DEVICE_QEMU:
        case _DOMAIN_DEVICE_TYPE_MAX:
                break;
        }
        return false;
}

/* Those of QEMU's VIO devices that have a window (hw/ppc/spapr_vio.c: rtce_window_size). */
static bool has_window(const DomainDevice *device) {
        return (device->type == DOMAIN_DEVICE_INTERFACE || device->type == DOMAIN_DEVICE_CONTROLLER ||
                device->type == DOMAIN_DEVICE_TPM) && is_vio(device);
}

static void connect(DomainDevice *device) {
        DomainAddress *a = &device->address;

        device->vio = is_vio(device) || a->type == DOMAIN_ADDRESS_VIO;
        device->vio_dma = has_window(device);
        if (device->vio && a->type != DOMAIN_ADDRESS_VIO)
                *a = (DomainAddress) { .type = DOMAIN_ADDRESS_VIO };
        /* An address of all zeros is none (virPCIDeviceAddressIsEmpty). */
        if (a->type == DOMAIN_ADDRESS_PCI && a->domain == 0 && a->bus == 0 && a->slot == 0)
                *a = (DomainAddress) {};
        device->pci = a->type == DOMAIN_ADDRESS_PCI || (a->type == DOMAIN_ADDRESS_NONE && is_pci(device));
}

int defaults_connect(Completion *c) {
        Domain *d = c->domain;

        for (size_t i = 0; i < d->n_devices; i++) {
                int r = set_model(&d->devices[i]);

                if (r < 0)
                        return r;
                if (d->devices[i].type != DOMAIN_DEVICE_QEMU)
                        connect(&d->devices[i]);
        }
        /* The same goes for bridges; a PHB has no address. */
        for (size_t i = 0; i < d->n_controllers; i++) {
                DomainAddress *a = &d->controllers[i].address;

                if (d->controllers[i].model == CONTROLLER_PCI_ROOT ||
                    (a->type == DOMAIN_ADDRESS_PCI && a->domain == 0 && a->bus == 0 && a->slot == 0))
                        *a = (DomainAddress) {};
        }
        return 0;
}
