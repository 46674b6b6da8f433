/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* -global, -set and -device (util/qemu-option.c, system/vl.c, system/qdev-monitor.c). The devices that come of other options are
 * qemu_implicit.c's. */

#include "qemu_devices.h"

#include <limits.h>

#include "qemu_implicit.h"
#include "qemu_options.h"
#include "util.h"

#define PHB_DRIVER "spapr-pci-host-bridge"

/* Each device looks through all of them; a person writes a few for each PHB. */
#define PROPERTIES_MAX 4096

/* The -netdev of a command line. They are read once, as each device may ask for one. */
typedef struct Netdev {
        char *id;
        bool vhost; /* it is not QEMU that serves its queues */
} Netdev;

typedef struct Netdevs {
        Netdev *items;
        size_t n, allocated;
} Netdevs;

static int copy_text(const char *text, char **ret) {
        if (!text)
                return 0;
        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}

static int fail_number(const QemuWord *at, const char *property, const char *value, unsigned bits, DomainError *error) {
        return qemu_fail(error, at, "%s='%.64s': QEMU takes no such value; give it a number of up to %u bits, in base 10, or in 16 as 0x1000",
                         property, value, bits);
}

/* What decides windows (domain_layout.c). QEMU does not start with a value that it can't read. */
static int check_property(const QemuWord *at, const char *property, const char *value, DomainError *error) {
        static const char *const numbers[] = { "dma64_win_addr", "dma_win_addr", "dma_win_size", "pgsz" };
        uint64_t number;

        if (name_lookup(numbers, ELEMENTSOF(numbers), property) >= 0 && !qemu_number(value, UINT64_MAX, &number))
                return fail_number(at, property, value, 64, error);
        if (streq(property, "ddw") && !qemu_is_bool(value))
                return qemu_fail(error, at, "ddw='%.64s': QEMU takes no such value; give it on or off", value);
        return 0;
}

int qemu_add_property(Domain *d, const char *driver, const char *device, const char *property, const char *value, const QemuWord *at,
                      DomainError *error) {
        QemuProperty p = { .line = at->line };
        int r = value && (!driver || streq(driver, PHB_DRIVER)) ? check_property(at, property, value, error) : 0;

        if (r >= 0 && d->n_properties == PROPERTIES_MAX)
                return qemu_fail(error, at, "%.64s: more than %d properties of devices; tced reads no more", property, PROPERTIES_MAX);
        if (r >= 0)
                r = ARRAY_RESERVE(d->properties, d->properties_allocated, d->n_properties + 1);
        if (r >= 0)
                r = copy_text(driver, &p.driver);
        if (r >= 0)
                r = copy_text(device, &p.device);
        if (r >= 0)
                r = copy_text(property, &p.property);
        if (r >= 0)
                r = copy_text(value, &p.value);
        if (r < 0) {
                free(p.driver);
                free(p.device);
                free(p.property);
                free(p.value);
                return r;
        }
        d->properties[d->n_properties++] = p;
        return 0;
}

/* "DRIVER.PROPERTY=VALUE", or "driver=…,property=…,value=…" (system/qdev-monitor.c: qemu_global_option). */
static int read_global(const QemuWord *at, Domain *d, DomainError *error) {
        const char *text = at->text;
        char driver[64], property[64];
        int offset = 0, r;

        if (sscanf(text, "%63[^.=].%63[^=]%n", driver, property, &offset) == 2 && text[offset] == '=') {
                return qemu_add_property(d, driver, NULL, property, text + offset + 1, at, error);
        } else {
                _cleanup_(qemu_options_clear) QemuOptions o = {};

                r = qemu_options_parse(text, NULL, &o);
                if (r < 0 || !qemu_options_get(&o, "driver") || !qemu_options_get(&o, "property") || !qemu_options_get(&o, "value"))
                        return r;
                return qemu_add_property(d, qemu_options_get(&o, "driver"), NULL, qemu_options_get(&o, "property"), qemu_options_get(&o, "value"), at, error);
        }
}

/* "device.ID.PROPERTY=VALUE" (util/qemu-config.c: qemu_set_option). */
static int read_set(const QemuWord *at, Domain *d, DomainError *error) {
        const char *text = at->text;
        char group[64], id[64], property[64];
        int offset = 0;

        if (sscanf(text, "%63[^.].%63[^.].%63[^=]%n", group, id, property, &offset) < 3 || text[offset] != '=' ||
            !streq(group, "device"))
                return 0;
        return qemu_add_property(d, NULL, id, property, text + offset + 1, at, error);
}

static void netdevs_clear(Netdevs *netdevs) {
        for (size_t i = 0; i < netdevs->n; i++)
                free(netdevs->items[i].id);
        free(netdevs->items);
}

/* A tap has it too where only its fds are given, or where it is forced (net/tap.c: net_init_tap_one). */
static bool is_vhost(const char *type, const QemuOptions *o) {
        const char *vhost = qemu_options_get(o, "vhost");

        if (!streq(type, "tap"))
                return streq(type, "vhost-user") || streq(type, "vhost-vdpa");
        return vhost ? qemu_is_on(vhost)
                     : qemu_options_get(o, "vhostfd") || qemu_options_get(o, "vhostfds") || qemu_is_on(qemu_options_get(o, "vhostforce"));
}

/* As JSON since QEMU 7.0, so written by libvirt. What is none is left to QEMU. */
static int add_netdev(Netdevs *netdevs, const char *text) {
        _cleanup_(qemu_options_clear) QemuOptions o = {};
        const char *type, *id;
        char *copy, what[64];
        int r = text[0] == '{' ? qemu_options_parse_json(text, &(JsonFault) { what, sizeof(what), "" }, &o) : qemu_options_parse(text, "type", &o);

        if (r < 0)
                return r == -EINVAL ? 0 : r;
        type = qemu_options_get(&o, "type");
        id = qemu_options_get(&o, "id");
        if (!type || !id)
                return 0;
        r = ARRAY_RESERVE(netdevs->items, netdevs->allocated, netdevs->n + 1);
        if (r < 0)
                return r;
        copy = strdup(id);
        if (!copy)
                return -ENOMEM;
        netdevs->items[netdevs->n++] = (Netdev) { .id = copy, .vhost = is_vhost(type, &o) };
        return 0;
}

static int read_netdevs(const QemuArgument *arguments, size_t n, Netdevs *netdevs) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++)
                if (streq(arguments[i].name, "netdev") && arguments[i].value.text)
                        r = add_netdev(netdevs, arguments[i].value.text);
        return r;
}

static bool netdev_is_vhost(const Netdevs *netdevs, const char *id) {
        for (size_t i = 0; i < netdevs->n; i++)
                if (streq(netdevs->items[i].id, id))
                        return netdevs->items[i].vhost;
        return false;
}

static int parse_json(const QemuWord *at, QemuOptions *o, DomainError *error) {
        char what[DOMAIN_ERROR_MAX / 2] = "";
        const JsonFault fault = { what, sizeof(what), "give what QEMU's -device takes" };
        int r = qemu_options_parse_json(at->text, &fault, o);

        return r == -EINVAL ? qemu_fail(error, at, "-device is no JSON: %s", what) : r;
}

/* By their names, of which most say it; the others are those that qemu-system-ppc64 has ("-device help", bus PCI), and short
 * names of virtio's (system/qdev-monitor.c: qdev_alias_table). */
static bool is_pci(const char *driver) {
        static const char *const others[] = {
                "AC97", "ES1370", "VGA", "am53c974", "ati-vga", "bochs-display", "cirrus-vga", "ctucan_pci", "dc390", "e1000",
                "e1000-82544gc", "e1000-82545em", "e1000e", "edu", "ich9-ahci", "ich9-intel-hda", "ich9-usb-ehci1", "ich9-usb-ehci2",
                "ich9-usb-uhci1", "ich9-usb-uhci2", "ich9-usb-uhci3", "ich9-usb-uhci4", "ich9-usb-uhci5", "ich9-usb-uhci6", "igb",
                "intel-hda", "ivshmem-doorbell", "ivshmem-plain", "lsi53c810", "lsi53c895a", "megasas", "megasas-gen2", "mptsas1068",
                "ne2k_pci", "nec-usb-xhci", "nvme", "pci-bridge", "pci-bridge-seat", "pci-ohci", "pci-serial", "pci-serial-2x",
                "pci-serial-4x", "pci-testdev", "pcnet", "piix3-usb-uhci", "piix4-usb-uhci", "pvscsi", "qemu-xhci", "rtl8139",
                "secondary-vga", "sii3112", "sungem", "sunhme", "tulip", "usb-ehci", "vhost-user-vga", "virtio-9p", "virtio-balloon",
                "virtio-blk", "virtio-gpu", "virtio-gpu-gl", "virtio-input-host", "virtio-keyboard", "virtio-mouse", "virtio-net",
                "virtio-rng", "virtio-scsi", "virtio-serial", "virtio-tablet", "virtio-vga", "virtio-vga-gl", "vmxnet3",
        };
        size_t length = strlen(driver);

        return (length > 4 && streq(driver + length - 4, "-pci")) || strstr(driver, "-pci-") || strncmp(driver, "i82", 3) == 0 ||
               name_lookup(others, ELEMENTSOF(others), driver) >= 0;
}

/* "[DOMAIN:]BUS:SLOT.FUNCTION" (hw/core/qdev-properties-system.c: set_pci_host_devaddr); or a place in sysfs, which is a
 * function or an mdev. */
static void read_vfio(const QemuOptions *o, DomainDevice *v) {
        const char *host = qemu_options_get(o, "host"), *sysfs = qemu_options_get(o, "sysfsdev");
        HostAddress full, own = {};

        if (!host && sysfs)
                host = strrchr(sysfs, '/') ? strrchr(sysfs, '/') + 1 : sysfs;
        if (host && sscanf(host, "%4x:%2x:%2x.%1x", &full.domain, &full.bus, &full.slot, &full.function) == 4) {
                v->host_pci = true;
                v->host = full;
        } else if (host && sscanf(host, "%2x:%2x.%1x", &own.bus, &own.slot, &own.function) == 3) {
                v->host_pci = true;
                v->host = own;
        } else if (sysfs) {
                v->mdev = true;
        }
}

/* A PHB's properties by its id; one without is given a name that no other has. */
static int read_phb(const QemuWord *at, const QemuOptions *o, DomainDevice *v, Domain *d, DomainError *error) {
        const char *index = qemu_options_get(o, "index");
        uint64_t number;
        int r = 0;

        if (index && !qemu_number(index, UINT32_MAX, &number))
                return fail_number(at, "index", index, 32, error);
        if (index)
                v->index = number < INT_MAX ? (int) number : INT_MAX;
        if (!v->alias && asprintf(&v->alias, "%s@%zu", PHB_DRIVER, d->n_devices) < 0) {
                v->alias = NULL;
                return -ENOMEM;
        }
        for (size_t i = 0; r >= 0 && i < o->n; i++)
                if (!streq(o->items[i].name, "driver") && !streq(o->items[i].name, "id"))
                        r = qemu_add_property(d, NULL, v->alias, o->items[i].name, o->items[i].value, at, error);
        return r;
}

/* Where a device is plugged in, and who does its DMA. */
static int read_place(const QemuWord *at, const Netdevs *netdevs, const QemuOptions *o, DomainDevice *v, DomainError *error) {
        const char *reg = qemu_options_get(o, "reg"), *netdev = qemu_options_get(o, "netdev");
        bool vhost = strncmp(v->model, "vhost-", 6) == 0;

        v->vio = qemu_is_vio(v->model, &v->vio_dma);
        v->pci = !v->vio && (is_pci(v->model) || qemu_options_get(o, "addr"));
        if (v->vio) {
                v->address = (DomainAddress) { .type = DOMAIN_ADDRESS_VIO, .given = reg != NULL };
                if (reg && !qemu_number(reg, UINT32_MAX, &v->address.reg))
                        return fail_number(at, "reg", reg, 32, error);
                v->address.has_reg = reg != NULL;
        }
        if (strncmp(v->model, "vfio-pci", 8) == 0)
                read_vfio(o, v);
        if (netdev)
                vhost = netdev_is_vhost(netdevs, netdev);
        v->notifier = vhost && qemu_is_on(qemu_options_get(o, "iommu_platform"));
        v->vhost = vhost && !qemu_options_get(o, "iommu_platform");
        return copy_text(qemu_options_get(o, "bus"), &v->bus);
}

/* -device: a PHB, a device on one, or one on the VIO bus is kept; what sits elsewhere (USB, SCSI, …) has no part in any table. */
static int read_qemu_device(const Netdevs *netdevs, const QemuWord *at, Domain *d, DomainError *error) {
        _cleanup_(domain_device_clear) DomainDevice v = { .type = DOMAIN_DEVICE_QEMU, .line = at->line, .index = -1, .ports = -1 };
        _cleanup_(qemu_options_clear) QemuOptions o = {};
        const char *text = at->text;
        int r;

        v.plain = *text != '{';
        r = v.plain ? qemu_options_parse(text, "driver", &o) : parse_json(at, &o, error);

        if (r < 0 || !qemu_options_get(&o, "driver"))
                return r;
        r = copy_text(qemu_options_get(&o, "driver"), &v.model);
        if (r >= 0)
                r = copy_text(qemu_options_get(&o, "id"), &v.alias);
        if (r < 0)
                return r;
        v.alias_given = v.alias != NULL;
        if (streq(v.model, PHB_DRIVER))
                r = read_phb(at, &o, &v, d, error);
        else
                r = read_place(at, netdevs, &o, &v, error);
        if (r < 0 || (!v.vio && !v.pci && !streq(v.model, PHB_DRIVER)))
                return r;
        return qemu_add_device(d, &v);
}

int qemu_devices_read(const QemuArgument *arguments, size_t n, Domain *d, DomainError *error) {
        _cleanup_(netdevs_clear) Netdevs netdevs = {};
        int r = read_netdevs(arguments, n, &netdevs);

        if (r >= 0)
                r = qemu_implicit_read(arguments, n, d);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                const QemuArgument *a = &arguments[i];

                if (streq(a->name, "global"))
                        r = read_global(&a->value, d, error);
                else if (streq(a->name, "set"))
                        r = read_set(&a->value, d, error);
                else if (streq(a->name, "device"))
                        r = read_qemu_device(&netdevs, &a->value, d, error);
        }
        /* Where it stands among the words does not matter. */
        for (size_t i = 0; r >= 0 && i < d->n_devices; i++)
                if (d->devices[i].vhost)
                        d->devices[i].notifier = qemu_is_on(domain_property(d, d->devices[i].model, d->devices[i].alias, "iommu_platform"));
        return r;
}
