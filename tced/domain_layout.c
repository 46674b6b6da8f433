/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where everything sits: libvirt counts PCI controllers, QEMU PHBs, and a device behind bridges uses the windows of the PHB at
 * their root. PHBs come from the domain's controllers and from <qemu:commandline>; one is always there. What is odd in a domain (a bus
 * that is not there, bridges in a ring) leaves a device on no PHB. */

#include "domain_layout.h"

#include <limits.h>

#include "domain_windows.h"
#include "util.h"

#define PHB_DRIVER "spapr-pci-host-bridge"

/* libvirt has PCI buses 0 to 255 (virDomainControllerDefValidate), QEMU fewer PHBs. Who gives more is not served, but answered
 * soon. */
#define BUSES_MAX 256
/* Bridges behind each other that <qemu:commandline> makes. */
#define BRIDGES_MAX 32

/* QEMU's defaults (hw/ppc/spapr_pci.c: spapr_phb_properties) and what machine types change in them (hw/ppc/spapr.c). */
#define WINDOW_SIZE_DEFAULT UINT64_C(0x40000000)
#define WINDOW64_ADDRESS_DEFAULT (UINT64_C(1) << 59)
#define PAGE_SIZES_4_1 UINT64_C(0x11000)

void layout_clear(Layout *l) {
        for (size_t i = 0; i < l->n_phbs; i++) {
                free(l->phbs[i].devices);
                free(l->phbs[i].device_groups);
                free(l->phbs[i].groups);
        }
        free(l->phbs);
        free(l->device_phbs);
        free(l->vio);
        description_clear(&l->description);
        *l = (Layout) {};
}

/* As QEMU reads a number (util/cutils.c: qemu_strtou64 with base 0, so also octal and a sign). With what it would not take it
 * does not start; the default does then. */
static uint64_t property_number(const Domain *d, const char *alias, const char *property, uint64_t by_default) {
        const char *text = domain_property(d, PHB_DRIVER, alias, property);
        unsigned long long value;
        char *end;

        if (isempty(text))
                return by_default;
        errno = 0;
        value = strtoull(text, &end, 0);
        return errno != 0 || *end != '\0' ? by_default : value;
}

/* qapi/qapi-util.c: qapi_bool_parse. */
static bool property_bool(const Domain *d, const char *alias, const char *property, bool by_default) {
        const char *text = domain_property(d, PHB_DRIVER, alias, property);
        static const char *const yes[] = { "on", "yes", "true", "y" };
        static const char *const no[] = { "off", "no", "false", "n" };

        if (!text)
                return by_default;
        if (name_lookup(yes, ELEMENTSOF(yes), text) >= 0)
                return true;
        if (name_lookup(no, ELEMENTSOF(no), text) >= 0)
                return false;
        return by_default;
}

/* -1 stands for none; what does not fit is one that can't be. */
static int own_number(const Domain *d, const char *alias, const char *property, int given) {
        uint64_t value = domain_property_number(d, PHB_DRIVER, alias, property, given < 0 ? UINT32_MAX : (uint64_t) given);

        if (value == UINT32_MAX)
                return -1;
        return value < INT_MAX ? (int) value : INT_MAX;
}

/* The implicit PHB has no -device, so that what is said of an id does not reach it. */
static int add_phb(Layout *l, const Domain *d, const Phb *phb) {
        uint64_t page_sizes = domain_machine_at_most(d, 4, 1) ? PAGE_SIZES_4_1 : PHB_PAGE_SIZES_DEFAULT;
        const char *alias = phb->controller_index == 0 ? NULL : phb->alias;
        Phb *added;
        int r;

        if (l->n_phbs >= BUSES_MAX)
                return 0;
        r = ARRAY_RESERVE(l->phbs, l->phbs_allocated, l->n_phbs + 1);
        if (r < 0)
                return r;
        added = &l->phbs[l->n_phbs++];
        *added = *phb;
        added->index = own_number(d, alias, "index", phb->index);
        added->numa_node = own_number(d, alias, "numa_node", phb->numa_node);
        added->ddw = property_bool(d, alias, "ddw", !domain_machine_at_most(d, 2, 6));
        added->page_sizes = ddw_page_sizes(property_number(d, alias, "pgsz", page_sizes));
        added->window_address = property_number(d, alias, "dma_win_addr", 0);
        added->window_size = property_number(d, alias, "dma_win_size", WINDOW_SIZE_DEFAULT);
        added->window64_address = property_number(d, alias, "dma64_win_addr", WINDOW64_ADDRESS_DEFAULT);
        return 0;
}

static bool is_qemu_phb(const DomainDevice *device) {
        return device->type == DOMAIN_DEVICE_QEMU && device->model && streq(device->model, PHB_DRIVER);
}

/* By QEMU's index, then libvirt's; those of <qemu:commandline> last. */
static int compare_phbs(const void *a, const void *b) {
        const Phb *x = a, *y = b;
        unsigned i = (unsigned) x->controller_index, j = (unsigned) y->controller_index;

        if (x->index != y->index)
                return x->index < y->index ? -1 : 1;
        return (i > j) - (i < j);
}

static int add_phbs(Layout *l, const Domain *d) {
        bool implicit = false;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < d->n_controllers; i++) {
                const DomainController *c = &d->controllers[i];

                if (c->model != CONTROLLER_PCI_ROOT)
                        continue;
                implicit |= c->index == 0;
                r = add_phb(l, d, &(Phb) { .controller = c->index >= 0 ? c : NULL, .alias = c->alias,
                                           .controller_index = c->index, .index = c->target_index,
                                           .numa_node = c->numa_node });
        }
        for (size_t i = 0; r >= 0 && i < d->n_devices; i++) {
                const DomainDevice *device = &d->devices[i];

                if (is_qemu_phb(device))
                        r = add_phb(l, d, &(Phb) { .alias = device->alias, .controller_index = -1,
                                                   .index = device->index, .numa_node = -1 });
        }
        if (r >= 0 && !implicit)
                r = add_phb(l, d, &(Phb) { .alias = "pci.0", .numa_node = -1 });
        if (r >= 0)
                qsort(l->phbs, l->n_phbs, sizeof(*l->phbs), compare_phbs);
        return r;
}

/* What is plugged where, by libvirt's index: looked up for every device, of which there may be thousands. */
typedef struct Buses {
        const DomainController *controllers[BUSES_MAX];
        Phb *phbs[BUSES_MAX];
} Buses;

static void find_buses(const Layout *l, const Domain *d, Buses *buses) {
        for (size_t i = d->n_controllers; i > 0; i--) {
                const DomainController *c = &d->controllers[i - 1];

                if (c->index >= 0 && c->index < BUSES_MAX)
                        buses->controllers[c->index] = c;
        }
        for (size_t i = l->n_phbs; i > 0; i--) {
                Phb *phb = &l->phbs[i - 1];

                if (phb->controller_index >= 0 && phb->controller_index < BUSES_MAX)
                        buses->phbs[phb->controller_index] = phb;
        }
}

/* From the controller that a device is plugged into up to the root. In a ring there are more steps than controllers. */
static Phb *root_of(const Buses *buses, unsigned bus) {
        for (unsigned steps = 0; bus < BUSES_MAX && steps < BUSES_MAX; steps++) {
                const DomainController *c = buses->controllers[bus];

                /* The implicit PHB may have no controller. */
                if (!c || c->model == CONTROLLER_PCI_ROOT)
                        return buses->phbs[bus];
                if (c->address.type != DOMAIN_ADDRESS_PCI)
                        return NULL;
                bus = c->address.bus;
        }
        return NULL;
}

static Phb *phb_of_argument(const Layout *l, const Domain *d, const Buses *buses, size_t device, unsigned depth);

/* The bus that <qemu:commandline> names: a PHB's is its id and ".0" behind it, the implicit one's is "pci.0", a bridge's its
 * id. */
static Phb *phb_by_bus_name(const Layout *l, const Domain *d, const Buses *buses, const char *name, unsigned depth) {
        size_t length = strlen(name);

        if (streq(name, "pci.0"))
                return buses->phbs[0];
        for (size_t i = 0; i < l->n_phbs; i++) {
                const char *alias = l->phbs[i].alias;

                if (l->phbs[i].controller_index != 0 && alias && length > 2 && streq(name + length - 2, ".0") &&
                    strlen(alias) == length - 2 && strncmp(name, alias, length - 2) == 0)
                        return &l->phbs[i];
        }
        for (unsigned i = 0; i < BUSES_MAX; i++) {
                const DomainController *c = buses->controllers[i];

                if (c && c->model != CONTROLLER_PCI_ROOT && c->alias && streq(c->alias, name))
                        return root_of(buses, i);
        }
        /* One that was made there as well; in a ring there are more steps than bridges. */
        for (size_t i = 0; i < d->n_devices && depth < BRIDGES_MAX; i++) {
                const DomainDevice *bridge = &d->devices[i];

                if (bridge->type == DOMAIN_DEVICE_QEMU && bridge->model && streq(bridge->model, "pci-bridge") && bridge->alias &&
                    streq(bridge->alias, name))
                        return phb_of_argument(l, d, buses, i, depth + 1);
        }
        return NULL;
}

/* The last PHB of <qemu:commandline> that stands before this place, of those that are JSON or those that are not. NULL also where it is one
 * beyond BUSES_MAX. */
static Phb *phb_before(const Layout *l, const Domain *d, size_t place, bool plain) {
        while (place-- > 0) {
                const DomainDevice *device = &d->devices[place];

                if (device->plain != plain || !is_qemu_phb(device))
                        continue;
                for (size_t i = 0; i < l->n_phbs; i++)
                        if (l->phbs[i].controller_index < 0 && l->phbs[i].alias == device->alias)
                                return &l->phbs[i];
                return NULL;
        }
        return NULL;
}

/* Without a name QEMU takes the PHB that it made last (system/qdev-monitor.c: qbus_find_recursive, to which the newest comes
 * first). It makes all -device that are no JSON, then the others (system/vl.c: qemu_create_cli_devices), libvirt's first. */
static Phb *phb_made_before(const Layout *l, const Domain *d, const Buses *buses, size_t device) {
        bool plain = d->devices[device].plain;
        Phb *phb = phb_before(l, d, device, plain);

        for (unsigned i = BUSES_MAX - 1; !phb && !plain && i > 0; i--)
                phb = buses->phbs[i];
        if (!phb && !plain)
                phb = phb_before(l, d, d->n_devices, true);
        return phb ? phb : buses->phbs[0];
}

static Phb *phb_of_argument(const Layout *l, const Domain *d, const Buses *buses, size_t device, unsigned depth) {
        const char *bus = d->devices[device].bus;

        return bus ? phb_by_bus_name(l, d, buses, bus, depth) : phb_made_before(l, d, buses, device);
}

static Phb *phb_of(const Layout *l, const Domain *d, const Buses *buses, size_t i) {
        const DomainDevice *device = &d->devices[i];

        if (is_qemu_phb(device))
                return NULL;
        if (device->address.type == DOMAIN_ADDRESS_PCI)
                return root_of(buses, device->address.bus);
        if (device->type != DOMAIN_DEVICE_QEMU || !device->pci)
                return NULL;
        return phb_of_argument(l, d, buses, i, 0);
}

/* Devices that read and write no memory of the guest: a frame buffer that is the host's, shared memory, timers. */
bool domain_device_does_dma(const DomainDevice *device) {
        static const char *const frame_buffers[] = { "vga", "bochs", "cirrus", "vmvga", "ramfb" };
        static const char *const without[] = { "pci-bridge", "VGA", "secondary-vga", "bochs-display", "cirrus-vga", "pci-testdev" };

        switch (device->type) {
        case DOMAIN_DEVICE_VIDEO:
                return !device->model || name_lookup(frame_buffers, ELEMENTSOF(frame_buffers), device->model) < 0;
        case DOMAIN_DEVICE_WATCHDOG:
        case DOMAIN_DEVICE_SHMEM:
        case DOMAIN_DEVICE_PANIC:
                return false;
        case DOMAIN_DEVICE_DISK:
        case DOMAIN_DEVICE_FILESYSTEM:
        case DOMAIN_DEVICE_INTERFACE:
        case DOMAIN_DEVICE_CONTROLLER:
        case DOMAIN_DEVICE_HOSTDEV:
        case DOMAIN_DEVICE_INPUT:
        case DOMAIN_DEVICE_SOUND:
        case DOMAIN_DEVICE_SERIAL:
        case DOMAIN_DEVICE_NVRAM:
        case DOMAIN_DEVICE_TPM:
        case DOMAIN_DEVICE_RNG:
        case DOMAIN_DEVICE_MEMBALLOON:
        case DOMAIN_DEVICE_VSOCK:
        case DOMAIN_DEVICE_CRYPTO:
        case _DOMAIN_DEVICE_TYPE_MAX:
                break;
        case DOMAIN_DEVICE_QEMU:
                return !device->model || name_lookup(without, ELEMENTSOF(without), device->model) < 0;
        }
        return true;
}

/* Is it given to the guest through VFIO? QEMU drives an NVMe disk by itself: what the guest sees is a virtio device. */
bool domain_device_is_vfio(const DomainDevice *device) {
        return !device->nvme && (device->host_pci || device->host_pool || device->mdev);
}

/* The IOMMU group of a VFIO device, or -1. */
static int group_of(const DomainDevice *device, const VfioFacts *vfio) {
        const HostAddress *host = &device->host;
        const GroupFacts *group;
        char address[64];

        if (!device->host_pci || device->nvme)
                return -1;
        (void) snprintf(address, sizeof(address), "%04x:%02x:%02x.%x", host->domain, host->bus, host->slot, host->function);
        group = vfio_facts_find_device(vfio, address);
        return group && group->number <= INT_MAX ? (int) group->number : -1;
}

/* Each once, by number. */
static int add_group(Phb *phb, int group) {
        size_t at = 0;
        int r;

        while (at < phb->n_groups && phb->groups[at] < group)
                at++;
        if (at < phb->n_groups && phb->groups[at] == group)
                return 0;
        r = ARRAY_RESERVE(phb->groups, phb->groups_allocated, phb->n_groups + 1);
        if (r < 0)
                return r;
        memmove(&phb->groups[at + 1], &phb->groups[at], (phb->n_groups - at) * sizeof(*phb->groups));
        phb->groups[at] = group;
        phb->n_groups++;
        return 0;
}

static int add_device(Phb *phb, const Domain *d, size_t i, const VfioFacts *vfio) {
        const DomainDevice *device = &d->devices[i];
        int group = group_of(device, vfio);
        int r = ARRAY_RESERVE(phb->devices, phb->devices_allocated, phb->n_devices + 1);

        if (r >= 0)
                r = ARRAY_RESERVE(phb->device_groups, phb->device_groups_allocated, phb->n_devices + 1);
        if (r < 0)
                return r;
        phb->devices[phb->n_devices] = i;
        phb->device_groups[phb->n_devices++] = group;
        phb->vfio |= domain_device_is_vfio(device);
        phb->emulated |= !domain_device_is_vfio(device) && domain_device_does_dma(device);
        phb->notifier |= device->notifier;
        return group >= 0 ? add_group(phb, group) : 0;
}

int layout_make(const Domain *d, const VfioFacts *vfio, Layout *ret) {
        _cleanup_(layout_clear) Layout l = {};
        Buses buses = {};
        int r = d->pseries ? add_phbs(&l, d) : 0;

        l.device_phbs = calloc(d->n_devices + 1, sizeof(*l.device_phbs));
        if (!l.device_phbs)
                return -ENOMEM;
        l.n_devices = d->n_devices;
        find_buses(&l, d, &buses);
        for (size_t i = 0; r >= 0 && i < d->n_devices; i++) {
                Phb *phb = phb_of(&l, d, &buses, i);

                l.device_phbs[i] = phb;
                if (phb)
                        r = add_device(phb, d, i, vfio);
        }
        if (r < 0)
                return r;
        l.guest_memory_max = domain_memory_top(d);
        r = layout_add_windows(d, &l);
        if (r < 0)
                return r;
        *ret = TAKE_GENERIC(l, Layout, (Layout) {});
        return 0;
}

const Phb *layout_phb_of(const Layout *l, size_t device) {
        return device < l->n_devices ? l->device_phbs[device] : NULL;
}
