/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which PCI bus each device comes to (src/qemu/qemu_domain_address.c: qemuDomainAssignPCIAddresses). libvirt goes over all
 * devices twice: first as if, to see how many PHBs it must add, and with one slot more, so that there is one left; then with
 * these. */

#include <limits.h>

#include "domain_pci.h"
#include "util.h"

/* What libvirt picks from (qemuDomainAddressFindNewTargetIndex). QEMU's highest is 30: domain_check.c says so. */
#define TARGET_INDEX_MAX 31

/* An <interface type='hostdev'> is a host device to libvirt, one of a pool an interface until its function is known. */
static bool is_hostdev(const DomainDevice *device) {
        return device->type == DOMAIN_DEVICE_HOSTDEV ||
               (device->type == DOMAIN_DEVICE_INTERFACE && device->host_pci && !device->host_pool);
}

static bool same_host(const HostAddress *a, const HostAddress *b) {
        return a->domain == b->domain && a->bus == b->bus && a->slot == b->slot && a->function == b->function;
}

/* As libvirt's parser does (virDomainHostdevFind). */
static int check_hostdevs(const Completion *c) {
        const Domain *d = c->domain;

        for (size_t i = 0; i < d->n_devices; i++) {
                const DomainDevice *device = &d->devices[i];

                if (!is_hostdev(device) || !device->host_pci)
                        continue;
                for (size_t j = 0; j < i; j++)
                        if (is_hostdev(&d->devices[j]) && d->devices[j].host_pci &&
                            same_host(&device->host, &d->devices[j].host))
                                return completion_fail(c, device->line, "<%s>: host device %04x:%02x:%02x.%x is given twice; "
                                                       "take one away", domain_device_type_to_string(device->type),
                                                       device->host.domain, device->host.bus, device->host.slot,
                                                       device->host.function);
        }
        return 0;
}

/* qemuDomainSetupIsolationGroups(): a host device's group is its IOMMU group, counted from 1; pools count down from the highest
 * number, in a range where IOMMU groups never are. One that this host does not have is not isolated. */
static void set_isolation_groups(Completion *c) {
        Domain *d = c->domain;
        unsigned pool = UINT_MAX;

        for (size_t i = 0; i < d->n_devices; i++) {
                DomainDevice *device = &d->devices[i];
                const HostAddress *host = &device->host;
                const GroupFacts *group = NULL;
                char address[64];

                device->isolation_group = 0;
                if (device->host_pool)
                        device->isolation_group = pool--;
                else if (is_hostdev(device) && device->host_pci && c->vfio) {
                        (void) snprintf(address, sizeof(address), "%04x:%02x:%02x.%x", host->domain, host->bus, host->slot,
                                        host->function);
                        group = vfio_facts_find_device(c->vfio, address);
                }
                if (group && group->number < UINT_MAX)
                        device->isolation_group = group->number + 1;
        }
}

static PciGuest device_guest(DomainDevice *device) {
        return (PciGuest) {
                .element = domain_device_type_to_string(device->type),
                .line = device->line,
                .address = &device->address,
                .isolation_group = device->isolation_group,
                .integrated = device->type == DOMAIN_DEVICE_PANIC,
        };
}

static PciGuest bridge_guest(DomainController *bridge) {
        return (PciGuest) { .element = "controller", .line = bridge->line, .address = &bridge->address, .bridge = true };
}

/* Which devices of a type come first. */
typedef bool (*Chooser)(const DomainDevice *device);

static bool is_interface(const DomainDevice *device) {
        return device->type == DOMAIN_DEVICE_INTERFACE && !is_hostdev(device);
}

static bool is_hostdev_interface(const DomainDevice *device) {
        return device->type == DOMAIN_DEVICE_INTERFACE && is_hostdev(device);
}

static bool is_primary_video(const DomainDevice *device) {
        return device->type == DOMAIN_DEVICE_VIDEO && device->primary;
}

static bool is_other_video(const DomainDevice *device) {
        return device->type == DOMAIN_DEVICE_VIDEO && !device->primary;
}

static bool has_pci_address(const DomainDevice *device) {
        return device->type != DOMAIN_DEVICE_QEMU && device->address.type == DOMAIN_ADDRESS_PCI;
}

/* virDomainDeviceInfoIterate(): the first on a bus decides whose it is. */
static int take_given(Completion *c, PciBuses *b) {
        static const DomainDeviceType order[] = {
                DOMAIN_DEVICE_DISK,       DOMAIN_DEVICE_INTERFACE,  DOMAIN_DEVICE_SOUND,      DOMAIN_DEVICE_HOSTDEV,
                DOMAIN_DEVICE_VIDEO,      DOMAIN_DEVICE_CONTROLLER, DOMAIN_DEVICE_SERIAL,     DOMAIN_DEVICE_INPUT,
                DOMAIN_DEVICE_FILESYSTEM, DOMAIN_DEVICE_WATCHDOG,   DOMAIN_DEVICE_MEMBALLOON, DOMAIN_DEVICE_RNG,
                DOMAIN_DEVICE_NVRAM,      DOMAIN_DEVICE_SHMEM,      DOMAIN_DEVICE_TPM,        DOMAIN_DEVICE_PANIC,
                DOMAIN_DEVICE_VSOCK,      DOMAIN_DEVICE_CRYPTO,
        };
        Domain *d = c->domain;
        int r = 0;

        for (size_t k = 0; k < ELEMENTSOF(order); k++) {
                for (size_t i = 0; r >= 0 && order[k] == DOMAIN_DEVICE_CONTROLLER && i < c->n_list; i++) {
                        DomainController *bridge = controllers_pci(c, &c->list[i]);
                        PciGuest guest;

                        if (!bridge || bridge->address.type != DOMAIN_ADDRESS_PCI)
                                continue;
                        guest = bridge_guest(bridge);
                        r = pci_take(c, b, &guest, &bridge->address);
                }
                for (size_t i = 0; r >= 0 && i < d->n_devices; i++) {
                        PciGuest guest;

                        if (d->devices[i].type != order[k] || !has_pci_address(&d->devices[i]))
                                continue;
                        guest = device_guest(&d->devices[i]);
                        r = pci_take(c, b, &guest, &d->devices[i].address);
                }
        }
        return r;
}

static int take_next_device(Completion *c, PciBuses *b, DomainDevice *device) {
        PciGuest guest = device_guest(device);

        if (device->type == DOMAIN_DEVICE_DISK && device->address.type == DOMAIN_ADDRESS_OTHER && device->bus &&
            streq(device->bus, "virtio"))
                return completion_fail(c, device->line, "<disk>: a virtio disk can't have an <address> of this type; leave it "
                                       "out");
        if (!device->pci || device->address.type != DOMAIN_ADDRESS_NONE)
                return 0;
        return pci_take_next(c, b, &guest, 0);
}

static int take_next_of(Completion *c, PciBuses *b, DomainDeviceType type, Chooser chooser) {
        Domain *d = c->domain;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < d->n_devices; i++)
                if (chooser ? chooser(&d->devices[i]) : d->devices[i].type == type)
                        r = take_next_device(c, b, &d->devices[i]);
        return r;
}

/* The parts of an ICH9 are functions of one slot. While libvirt only tries, it gives each a slot of its own: none has an address
 * then that the others could follow. */
static int take_next_usb2(Completion *c, PciBuses *b, DomainDevice *device) {
        static const char *const uhci[] = { "ich9-uhci1", "ich9-uhci2", "ich9-uhci3" };
        int function = name_lookup(uhci, ELEMENTSOF(uhci), device->model);
        PciGuest guest = device_guest(device);

        if (function < 0)
                function = PCI_FUNCTIONS - 1;
        for (size_t i = 0; i < c->n_list; i++) {
                const DomainDevice *other = controllers_device(c, &c->list[i]);
                DomainAddress address;
                int r;

                if (!is_usb2(other) || other->index != device->index || other->address.type != DOMAIN_ADDRESS_PCI)
                        continue;
                address = (DomainAddress) {
                        .type = DOMAIN_ADDRESS_PCI, .bus = other->address.bus, .slot = other->address.slot,
                        .function = (unsigned) function
                };
                r = pci_take(c, b, &guest, &address);
                if (r >= 0)
                        device->address = address;
                return r;
        }
        return pci_take_next(c, b, &guest, (unsigned) function);
}

static int take_next_controllers(Completion *c, PciBuses *b) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < c->n_list; i++) {
                DomainDevice *device = controllers_device(c, &c->list[i]);

                if (!device)
                        continue;
                if (is_usb2(device) && device->pci && device->address.type == DOMAIN_ADDRESS_NONE)
                        r = take_next_usb2(c, b, device);
                else
                        r = take_next_device(c, b, device);
        }
        return r;
}

static int take_next_bridges(Completion *c, PciBuses *b) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < c->n_list; i++) {
                DomainController *bridge = controllers_pci(c, &c->list[i]);
                PciGuest guest;

                if (!bridge || bridge->model == CONTROLLER_PCI_ROOT || bridge->address.type == DOMAIN_ADDRESS_PCI)
                        continue;
                guest = bridge_guest(bridge);
                r = pci_take_next(c, b, &guest, 0);
        }
        return r;
}

/* qemuDomainAssignDevicePCISlots() */
static int take_next(Completion *c, PciBuses *b) {
        static const struct {
                DomainDeviceType type;
                Chooser chooser; /* NULL: all of the type */
        } order[] = {
                { DOMAIN_DEVICE_FILESYSTEM, NULL },
                { DOMAIN_DEVICE_INTERFACE, is_interface },
                { DOMAIN_DEVICE_SOUND, NULL },
                { DOMAIN_DEVICE_CONTROLLER, NULL },
                { DOMAIN_DEVICE_DISK, NULL },
                { DOMAIN_DEVICE_INTERFACE, is_hostdev_interface },
                { DOMAIN_DEVICE_HOSTDEV, NULL },
                { DOMAIN_DEVICE_MEMBALLOON, NULL },
                { DOMAIN_DEVICE_RNG, NULL },
                { DOMAIN_DEVICE_WATCHDOG, NULL },
                { DOMAIN_DEVICE_VIDEO, is_primary_video },
                { DOMAIN_DEVICE_VIDEO, is_other_video },
                { DOMAIN_DEVICE_SHMEM, NULL },
                { DOMAIN_DEVICE_INPUT, NULL },
                { DOMAIN_DEVICE_SERIAL, NULL },
                { DOMAIN_DEVICE_VSOCK, NULL },
                { DOMAIN_DEVICE_CRYPTO, NULL },
                { DOMAIN_DEVICE_PANIC, NULL },
        };
        int r = take_next_bridges(c, b);

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(order); i++)
                r = order[i].type == DOMAIN_DEVICE_CONTROLLER ? take_next_controllers(c, b) :
                                                                take_next_of(c, b, order[i].type, order[i].chooser);
        return r;
}

/* As many as the highest index says. Those in between that the XML does not have are PHBs. The first is for emulated devices
 * alone. */
static void make_buses(const Completion *c, PciBuses *b, bool grow) {
        const Domain *d = c->domain;

        *b = (PciBuses) { .grow = grow };
        for (size_t i = 0; i < d->n_controllers; i++)
                if (d->controllers[i].index >= (int) b->n)
                        b->n = (unsigned) d->controllers[i].index + 1;
        b->buses[0].locked = true;
}

/* One slot is kept for what may come, unless there was none left from the start. */
static int try_slots(Completion *c, PciBuses *b) {
        const PciGuest nobody = { .element = "controller" };
        bool full = true;
        int r = take_given(c, b);

        for (unsigned i = 0; i < b->n; i++)
                full &= pci_bus_is_full(&b->buses[i]);
        if (r >= 0 && !full)
                r = pci_take_next(c, b, &nobody, 0);
        return r < 0 ? r : take_next(c, b);
}

/* The line that a PHB comes from: its own, or where libvirt adds it that of the first whose address or index asks for as many. */
static unsigned line_of_phb(const Completion *c, const DomainController *phb) {
        const Domain *d = c->domain;

        for (size_t i = 0; phb->line == 0 && i < d->n_devices; i++) {
                const DomainAddress *a = &d->devices[i].address;

                if (a->given && a->type == DOMAIN_ADDRESS_PCI && (int) a->bus >= phb->index)
                        return d->devices[i].line;
        }
        for (size_t i = 0; phb->line == 0 && i < d->n_controllers; i++)
                if (d->controllers[i].line > 0 && d->controllers[i].index > phb->index)
                        return d->controllers[i].line;
        return phb->line;
}

/* Names of the PHB's device are filled in one after the other, and only PHBs that have one count: an index that is given to a
 * later one without a name is handed out again. So libvirt makes two PHBs of one index, and QEMU refuses them: domain_check.c. */
static int assign_target_indexes(Completion *c) {
        for (size_t i = 0; i < c->n_list; i++) {
                DomainController *phb = controllers_pci(c, &c->list[i]);
                uint64_t taken = 1;
                int index = 0;

                if (!phb || phb->model != CONTROLLER_PCI_ROOT)
                        continue;
                phb->named = true;
                if (phb->target_index >= 0)
                        continue;
                for (size_t j = 0; j < c->domain->n_controllers; j++) {
                        const DomainController *other = &c->domain->controllers[j];

                        if (other->model == CONTROLLER_PCI_ROOT && other->named && other->target_index >= 0 &&
                            other->target_index <= TARGET_INDEX_MAX)
                                taken |= UINT64_C(1) << other->target_index;
                }
                while (phb->index > 0 && taken & (UINT64_C(1) << index))
                        index++;
                if (index > TARGET_INDEX_MAX)
                        return completion_fail(c, line_of_phb(c, phb), "<controller type='pci' index='%d'>: a VM has no more than 31 PHBs, "
                                               "and this is one more; put devices on fewer buses", phb->index);
                phb->target_index = index;
        }
        return 0;
}

static int check_bridges(const Completion *c) {
        for (size_t i = 0; i < c->domain->n_controllers; i++) {
                const DomainController *bridge = &c->domain->controllers[i];

                if (bridge->model != CONTROLLER_PCI_ROOT && bridge->index <= (int) bridge->address.bus)
                        return completion_fail(c, bridge->line, "<controller type='pci' index='%d'>: it is on bus %u, and a "
                                               "bridge's index must be higher than its bus; number them anew", bridge->index,
                                               bridge->address.bus);
        }
        return 0;
}

/* virDomainPCIAddressSetAllMulti() */
static void set_multifunction(Completion *c, const PciBuses *b) {
        Domain *d = c->domain;

        for (size_t i = 0; i < d->n_devices; i++) {
                DomainAddress *a = &d->devices[i].address;

                if (has_pci_address(&d->devices[i]) && a->function == 0 && b->buses[a->bus].slots[a->slot] > 1)
                        a->multifunction = true;
        }
}

/* In a VM that runs nothing is added: what is plugged in must find its place. */
int pci_assign(Completion *c) {
        _cleanup_free_ PciBuses *b = calloc(1, sizeof(*b));
        Domain *d = c->domain;
        int r = 0;

        if (!b)
                return -ENOMEM;
        r = check_hostdevs(c);
        if (r < 0)
                return r;
        set_isolation_groups(c);
        if (!d->live) {
                make_buses(c, b, true);
                r = try_slots(c, b);
                for (unsigned i = 1; r >= 0 && i < b->n; i++)
                        r = controllers_add_pci(c, (int) i);
        }
        if (r < 0)
                return r;
        make_buses(c, b, false);
        r = take_given(c, b);
        if (r >= 0)
                r = take_next(c, b);
        if (r >= 0)
                r = assign_target_indexes(c);
        if (r >= 0)
                r = check_bridges(c);
        if (r < 0)
                return r;
        set_multifunction(c, b);
        for (size_t i = 0; i < d->n_controllers; i++)
                d->controllers[i].isolation_group = b->buses[d->controllers[i].index].isolation_group;
        return 0;
}
