/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* QEMU's own words in a domain: <qemu:commandline> has arguments, <qemu:override> properties of libvirt's devices. Of the
 * arguments -global, -set and -device count here, read as QEMU reads them (util/qemu-option.c, system/vl.c). What QEMU would
 * not understand is left to QEMU, but for words that are not whole and values of which tables are made. */

#include <limits.h>

#include "domain_elements.h"
#include "json_read.h"
#include "util.h"

#define PHB_DRIVER "spapr-pci-host-bridge"
/* A -device of JSON: all its properties are one level deep, or nearly. */
#define JSON_PARTS_MAX 1024
/* Some are looked up for others; a person writes a few. */
#define ARGUMENTS_MAX 1024

typedef struct Option {
        char *name, *value;
} Option;

typedef struct Options {
        Option *items;
        size_t n, allocated;
} Options;

/* The -netdev of a command line. They are read once, as each device may ask for one. */
typedef struct Netdev {
        char *id;
        bool vhost; /* it is not QEMU that serves its queues */
} Netdev;

typedef struct Netdevs {
        Netdev *items;
        size_t n, allocated;
} Netdevs;

static void options_clear(Options *o) {
        for (size_t i = 0; i < o->n; i++) {
                free(o->items[i].name);
                free(o->items[i].value);
        }
        free(o->items);
}

static void json_freep(struct json_object **json) {
        (void) json_object_put(*json);
}

/* The last one wins, as with QEMU (util/qemu-option.c: opt_find walks from the end). */
static const char *value_of(const Options *o, const char *name) {
        for (size_t i = o->n; i > 0; i--)
                if (streq(o->items[i - 1].name, name))
                        return o->items[i - 1].value;
        return NULL;
}

/* "on" and its like (qapi/qapi-util.c: qapi_bool_parse). */
static bool is_on(const char *value) {
        static const char *const yes[] = { "on", "yes", "true", "y" };

        return value && name_lookup(yes, ELEMENTSOF(yes), value) >= 0;
}

/* Takes both texts over, also on failure. */
static int add_option_consume(Options *o, char *name, char *value) {
        int r = name && value ? ARRAY_RESERVE(o->items, o->allocated, o->n + 1) : -ENOMEM;

        if (r < 0) {
                free(name);
                free(value);
                return r;
        }
        o->items[o->n++] = (Option) { name, value };
        return 0;
}

/* Up to a single comma; two are one (get_opt_value). *text is moved behind it. */
static char *take_value(const char **text) {
        size_t length = strcspn(*text, ",");
        char *value, *to;

        while ((*text)[length] == ',' && (*text)[length + 1] == ',')
                length += 2 + strcspn(*text + length + 2, ",");
        value = to = malloc(length + 1);
        if (!value)
                return NULL;
        for (; **text; (*text)++) {
                if (**text == ',' && *++*text != ',')
                        break;
                *to++ = **text;
        }
        *to = '\0';
        return value;
}

/* "virtio-net-pci,id=x,ddw=off": a first word without '=' is `first`'s value, a later one is switched on, or off by a "no" in
 * front (get_opt_name_value). */
static int parse_options(const char *text, const char *first, Options *o) {
        while (*text) {
                size_t length = strcspn(text, "=,");
                bool no = strncmp(text, "no", 2) == 0 && length > 2;
                char *name, *value;
                int r;

                if (text[length] == '=') {
                        name = strndup(text, length);
                        text += length + 1;
                        value = take_value(&text);
                } else if (first && o->n == 0) {
                        name = strdup(first);
                        value = take_value(&text);
                } else {
                        name = no ? strndup(text + 2, length - 2) : strndup(text, length);
                        value = strdup(no ? "off" : "on");
                        text += length + (text[length] == ',');
                }
                r = add_option_consume(o, name, value);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* -device as JSON, since QEMU 6.2. Numbers and booleans are taken as texts: QEMU reads both alike where these properties are
 * set. */
static int parse_json(const xmlNode *arg, const char *text, Options *o, DomainError *error) {
        _cleanup_(json_freep) struct json_object *json = NULL;
        char what[DOMAIN_ERROR_MAX / 2] = "";
        const JsonFault fault = { what, sizeof(what), "give what QEMU's -device takes" };
        int r = json_read_text(text, strlen(text), JSON_PARTS_MAX, &fault, &json);

        if (r == -EINVAL)
                return xml_fail(error, arg, "<qemu:arg>: -device is no JSON: %s", what);
        if (r < 0)
                return r;
        if (!json_object_is_type(json, json_type_object))
                return xml_fail(error, arg, "<qemu:arg>: -device is no JSON object; %s", fault.remedy);
        json_object_object_foreach(json, name, value) {
                const char *as_text = value ? json_object_get_string(value) : "";

                r = as_text ? add_option_consume(o, strdup(name), strdup(as_text)) : -ENOMEM;
                if (r < 0)
                        return r;
        }
        return 0;
}

static int copy_text(const char *text, char **ret) {
        if (!text)
                return 0;
        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}

/* util/cutils.c: qemu_strtou64(). Space and a sign may stand before it, and what is below 0 counts from 2^64 down. */
static bool read_number(const char *text, uint64_t max, uint64_t *ret) {
        unsigned long long value;
        char *end;

        errno = 0;
        value = strtoull(text, &end, 0);
        if (end == text || *end != '\0' || errno != 0 || value > max)
                return false;
        *ret = value;
        return true;
}

static int fail_number(const xmlNode *at, const char *property, const char *value, unsigned bits, DomainError *error) {
        return xml_fail(error, at, "<qemu:%s>: %s='%.64s': QEMU takes no such value; give it a number of up to %u bits, in base 10, or in 16 "
                        "as 0x1000", (const char *) at->name, property, value, bits);
}

/* What decides windows (domain_layout.c). QEMU does not start with a value that it can't read. */
static int check_property(const xmlNode *at, const char *property, const char *value, DomainError *error) {
        static const char *const numbers[] = { "dma64_win_addr", "dma_win_addr", "dma_win_size", "pgsz" };
        static const char *const bools[] = { "on", "yes", "true", "y", "off", "no", "false", "n" };
        uint64_t number;

        if (name_lookup(numbers, ELEMENTSOF(numbers), property) >= 0 && !read_number(value, UINT64_MAX, &number))
                return fail_number(at, property, value, 64, error);
        if (streq(property, "ddw") && name_lookup(bools, ELEMENTSOF(bools), value) < 0)
                return xml_fail(error, at, "<qemu:%s>: ddw='%.64s': QEMU takes no such value; give it on or off", (const char *) at->name, value);
        return 0;
}

/* driver or device is NULL; `at` is where it stands. */
static int add_property(Domain *d, const char *driver, const char *device, const char *property, const char *value, const xmlNode *at,
                        DomainError *error) {
        QemuProperty p = { .line = xml_line(at) };
        int r = value && (!driver || streq(driver, PHB_DRIVER)) ? check_property(at, property, value, error) : 0;

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
static int read_global(const xmlNode *arg, const char *text, Domain *d, DomainError *error) {
        char driver[64], property[64];
        int offset = 0, r;

        if (sscanf(text, "%63[^.=].%63[^=]%n", driver, property, &offset) == 2 && text[offset] == '=') {
                return add_property(d, driver, NULL, property, text + offset + 1, arg, error);
        } else {
                _cleanup_(options_clear) Options o = {};

                r = parse_options(text, NULL, &o);
                if (r < 0 || !value_of(&o, "driver") || !value_of(&o, "property") || !value_of(&o, "value"))
                        return r;
                return add_property(d, value_of(&o, "driver"), NULL, value_of(&o, "property"), value_of(&o, "value"), arg, error);
        }
}

/* "device.ID.PROPERTY=VALUE" (util/qemu-config.c: qemu_set_option). */
static int read_set(const xmlNode *arg, const char *text, Domain *d, DomainError *error) {
        char group[64], id[64], property[64];
        int offset = 0;

        if (sscanf(text, "%63[^.].%63[^.].%63[^=]%n", group, id, property, &offset) < 3 || text[offset] != '=' ||
            !streq(group, "device"))
                return 0;
        return add_property(d, NULL, id, property, text + offset + 1, arg, error);
}

/* <qemu:arg value='…'>; others libvirt refuses, and nothing is lost by passing over them. */
static bool is_argument(const xmlNode *node) {
        return node->type == XML_ELEMENT_NODE && streq((const char *) node->name, "arg") && xml_text_of(node, "value");
}

static const xmlNode *next_argument(const xmlNode *node) {
        while (node && !is_argument(node))
                node = node->next;
        return node;
}

/* "-global" or "--global" -> "global"; NULL: no option. */
static const char *option_name(const xmlNode *arg) {
        const char *text = xml_text_of(arg, "value");

        if (text[0] != '-')
                return NULL;
        return text + (text[1] == '-' ? 2 : 1);
}

static void netdevs_clear(Netdevs *netdevs) {
        for (size_t i = 0; i < netdevs->n; i++)
                free(netdevs->items[i].id);
        free(netdevs->items);
}

static int add_netdev(Netdevs *netdevs, const char *text) {
        _cleanup_(options_clear) Options o = {};
        const char *type, *id;
        char *copy;
        int r = parse_options(text, "type", &o);

        if (r < 0)
                return r;
        type = value_of(&o, "type");
        id = value_of(&o, "id");
        if (!type || !id)
                return 0;
        r = ARRAY_RESERVE(netdevs->items, netdevs->allocated, netdevs->n + 1);
        if (r < 0)
                return r;
        copy = strdup(id);
        if (!copy)
                return -ENOMEM;
        netdevs->items[netdevs->n++] = (Netdev) {
                .id = copy,
                .vhost = streq(type, "vhost-user") || streq(type, "vhost-vdpa") || (streq(type, "tap") && is_on(value_of(&o, "vhost"))),
        };
        return 0;
}

static int read_netdevs(const xmlNode *commandline, Netdevs *netdevs) {
        int r = 0;

        for (const xmlNode *arg = next_argument(commandline->children); r >= 0 && arg; arg = next_argument(arg->next)) {
                const xmlNode *value = next_argument(arg->next);
                const char *name = option_name(arg);

                if (name && value && streq(name, "netdev"))
                        r = add_netdev(netdevs, xml_text_of(value, "value"));
        }
        return r;
}

static bool netdev_is_vhost(const Netdevs *netdevs, const char *id) {
        for (size_t i = 0; i < netdevs->n; i++)
                if (streq(netdevs->items[i].id, id))
                        return netdevs->items[i].vhost;
        return false;
}

/* QEMU's devices of the VIO bus (hw/ppc/spapr_vio.c and the TYPE_VIO_SPAPR_DEVICE of others), and whether each has a window. */
static bool is_vio(const char *driver, bool *ret_dma) {
        static const char *const with_window[] = { "spapr-vlan", "spapr-vscsi", "tpm-spapr" };
        static const char *const without[] = { "spapr-vty", "spapr-nvram" };

        *ret_dma = name_lookup(with_window, ELEMENTSOF(with_window), driver) >= 0;
        return *ret_dma || name_lookup(without, ELEMENTSOF(without), driver) >= 0;
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
static void read_vfio(const Options *o, DomainDevice *v) {
        const char *host = value_of(o, "host"), *sysfs = value_of(o, "sysfsdev");
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
static int read_phb(const xmlNode *arg, const Options *o, DomainDevice *v, Domain *d, DomainError *error) {
        const char *index = value_of(o, "index");
        uint64_t number;
        int r = 0;

        if (index && !read_number(index, UINT32_MAX, &number))
                return fail_number(arg, "index", index, 32, error);
        if (index)
                v->index = number < INT_MAX ? (int) number : INT_MAX;
        if (!v->alias && asprintf(&v->alias, "%s@%zu", PHB_DRIVER, d->n_devices) < 0) {
                v->alias = NULL;
                return -ENOMEM;
        }
        for (size_t i = 0; r >= 0 && i < o->n; i++)
                if (!streq(o->items[i].name, "driver") && !streq(o->items[i].name, "id"))
                        r = add_property(d, NULL, v->alias, o->items[i].name, o->items[i].value, arg, error);
        return r;
}

/* Where a device is plugged in, and who does its DMA. */
static int read_place(const xmlNode *arg, const Netdevs *netdevs, const Options *o, DomainDevice *v, DomainError *error) {
        const char *reg = value_of(o, "reg"), *netdev = value_of(o, "netdev");
        bool vhost = strncmp(v->model, "vhost-", 6) == 0;

        v->vio = is_vio(v->model, &v->vio_dma);
        v->pci = !v->vio && (is_pci(v->model) || value_of(o, "addr"));
        if (v->vio) {
                v->address = (DomainAddress) { .type = DOMAIN_ADDRESS_VIO, .given = reg != NULL };
                if (reg && !read_number(reg, UINT32_MAX, &v->address.reg))
                        return fail_number(arg, "reg", reg, 32, error);
                v->address.has_reg = reg != NULL;
        }
        if (strncmp(v->model, "vfio-pci", 8) == 0)
                read_vfio(o, v);
        if (netdev)
                vhost = netdev_is_vhost(netdevs, netdev);
        v->notifier = vhost && is_on(value_of(o, "iommu_platform"));
        return copy_text(value_of(o, "bus"), &v->bus);
}

/* -device: a PHB, a device on one, or one on the VIO bus is kept; what sits elsewhere (USB, SCSI, …) has no part in any table. */
static int read_qemu_device(const Netdevs *netdevs, const xmlNode *arg, const char *text, Domain *d, DomainError *error) {
        _cleanup_(domain_device_clear) DomainDevice v = { .type = DOMAIN_DEVICE_QEMU, .line = xml_line(arg), .index = -1, .ports = -1 };
        _cleanup_(options_clear) Options o = {};
        int r;

        v.plain = *text != '{';
        r = v.plain ? parse_options(text, "driver", &o) : parse_json(arg, text, &o, error);

        if (r < 0 || !value_of(&o, "driver"))
                return r;
        r = copy_text(value_of(&o, "driver"), &v.model);
        if (r >= 0)
                r = copy_text(value_of(&o, "id"), &v.alias);
        if (r < 0)
                return r;
        v.alias_given = v.alias != NULL;
        if (streq(v.model, PHB_DRIVER))
                r = read_phb(arg, &o, &v, d, error);
        else
                r = read_place(arg, netdevs, &o, &v, error);
        if (r < 0 || (!v.vio && !v.pci && !streq(v.model, PHB_DRIVER)))
                return r;
        r = ARRAY_RESERVE(d->devices, d->devices_allocated, d->n_devices + 1);
        if (r >= 0)
                d->devices[d->n_devices++] = TAKE_GENERIC(v, DomainDevice, (DomainDevice) {});
        return r;
}

/* Words come one by one, an option and then its value: an option of ours that stands last has none. */
int domain_commandline_read(const xmlNode *commandline, Domain *d, DomainError *error) {
        const xmlNode *arg = next_argument(commandline->children);
        _cleanup_(netdevs_clear) Netdevs netdevs = {};
        size_t n = 0;
        int r;

        for (const xmlNode *a = arg; a; a = next_argument(a->next))
                if (++n > ARGUMENTS_MAX)
                        return xml_fail(error, a, "<qemu:arg>: more than %d of these", ARGUMENTS_MAX);
        r = read_netdevs(commandline, &netdevs);
        while (r >= 0 && arg) {
                const xmlNode *value = next_argument(arg->next);
                const char *name = option_name(arg), *text = value ? xml_text_of(value, "value") : NULL;
                bool global = name && streq(name, "global"), set = name && streq(name, "set"), device = name && streq(name, "device");

                if ((global || set || device) && !text)
                        return xml_fail(error, arg, "<qemu:arg value='-%s'>: QEMU wants another word behind it; add an <qemu:arg>", name);
                if (global)
                        r = read_global(value, text, d, error);
                else if (set)
                        r = read_set(value, text, d, error);
                else if (device)
                        r = read_qemu_device(&netdevs, value, text, d, error);
                arg = global || set || device ? next_argument(value->next) : value;
        }
        return r;
}

static const xmlNode *next_named(const xmlNode *node, const char *name) {
        while (node && (node->type != XML_ELEMENT_NODE || !streq((const char *) node->name, name)))
                node = node->next;
        return node;
}

/* libvirt reads numbers in base 10 and gives them to QEMU as such: no zeros in front, which would make them octal here.
 * type='remove' takes away what libvirt itself sets. */
static const char *override_value(const xmlNode *property) {
        const char *value = xml_text_of(property, "value");

        if (xml_is(property, "type", "remove"))
                return NULL;
        if (value && (xml_is(property, "type", "unsigned") || xml_is(property, "type", "signed")))
                while (value[0] == '0' && value[1] >= '0' && value[1] <= '9')
                        value++;
        return value;
}

/* <qemu:device alias='pci.1'><qemu:frontend><qemu:property name='ddw' type='bool' value='false'/>. */
int domain_override_read(const xmlNode *override, Domain *d, DomainError *error) {
        for (const xmlNode *device = next_named(override->children, "device"); device; device = next_named(device->next, "device")) {
                const char *alias = xml_text_of(device, "alias");
                const xmlNode *frontend = next_named(device->children, "frontend");

                if (isempty(alias))
                        return xml_fail(error, device, "<qemu:device>: it names no device; give it an alias, as <alias> has it");
                for (const xmlNode *p = frontend ? next_named(frontend->children, "property") : NULL; p;
                     p = next_named(p->next, "property")) {
                        const char *name = xml_text_of(p, "name"), *value = override_value(p);
                        int r;

                        if (isempty(name) || isempty(xml_text_of(p, "type")) || (!value && !xml_is(p, "type", "remove")))
                                return xml_fail(error, p, "<qemu:property>: it wants a name, a type and a value");
                        r = add_property(d, NULL, alias, name, value, p, error);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}
