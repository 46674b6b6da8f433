/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* <devices>, element by element (src/conf/domain_conf.c: virDomain…DefParseXML). A device is put together by itself and added
 * when nothing more can go wrong. */

#include "domain_elements.h"

#include <limits.h>

#include "util.h"

#define YES "yes"

/* src/conf/device_conf.c: virPCIDeviceAddressParseXML(). Its numbers are in any base that C knows, and what is left out is 0;
 * the limits are virPCIDeviceAddressIsValid()'s. The guest's domain is read as it is given, though there is none but 0; the host's
 * may have more than 16 bits. */
static int read_pci_address(const xmlNode *node, DomainAddress *a, DomainError *error) {
        uint64_t domain = 0, bus = 0, slot = 0, function = 0;
        int r = xml_number(node, "domain", 0, UINT32_MAX, &domain, error);

        if (r >= 0)
                r = xml_number(node, "bus", 0, 0xff, &bus, error);
        if (r >= 0)
                r = xml_number(node, "slot", 0, 31, &slot, error);
        if (r >= 0)
                r = xml_number(node, "function", 0, 7, &function, error);
        a->domain = (unsigned) domain;
        a->bus = (unsigned) bus;
        a->slot = (unsigned) slot;
        a->function = (unsigned) function;
        a->multifunction = xml_is(node, "multifunction", "on");
        return r < 0 ? r : 0;
}

/* virDomainDeviceDriveAddressParseXML(): where a disk hangs on its controller, which decides how many controllers libvirt
 * adds. */
static int read_drive_address(const xmlNode *node, DomainAddress *a, DomainError *error) {
        static const char *const names[] = { "controller", "bus", "target", "unit" };
        unsigned *const values[] = { &a->drive_controller, &a->drive_bus, &a->drive_target, &a->drive_unit };

        a->drive = true;
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                uint64_t value = 0;
                int r = xml_number(node, names[i], 10, UINT_MAX, &value, error);

                if (r < 0)
                        return r;
                *values[i] = (unsigned) value;
        }
        return 0;
}

/* virDomainDeviceAddressParseXML() */
static int read_address(const xmlNode *device, DomainAddress *a, DomainError *error) {
        const xmlNode *node = xml_first(device, "address");
        const char *type = xml_text_of(node, "type");
        int r;

        if (!node)
                return 0;
        if (isempty(type))
                return xml_fail(error, node, "<address>: it has no type; give type='pci', or 'spapr-vio', or take it away");
        a->given = true;
        if (streq(type, "pci")) {
                a->type = DOMAIN_ADDRESS_PCI;
                return read_pci_address(node, a, error);
        }
        if (streq(type, "spapr-vio")) {
                a->type = DOMAIN_ADDRESS_VIO;
                r = xml_number(node, "reg", 16, UINT64_MAX, &a->reg, error);
                a->has_reg = r > 0;
                return r < 0 ? r : 0;
        }
        a->type = DOMAIN_ADDRESS_OTHER;
        return streq(type, "drive") ? read_drive_address(node, a, error) : 0;
}

/* <source><address …/></source>: a function of the host's. */
static int read_host_address(const xmlNode *device, DomainDevice *v, DomainError *error) {
        const xmlNode *node = xml_first(xml_first(device, "source"), "address");
        DomainAddress a = {};
        int r;

        if (!node)
                return xml_fail(error, device, "<%s>: it names no function of the host's; give it <source><address domain='0x0000' "
                                "bus='0x00' slot='0x00' function='0x0'/></source>", (const char *) device->name);
        r = read_pci_address(node, &a, error);
        v->host_pci = true;
        v->host = (HostAddress) { a.domain, a.bus, a.slot, a.function };
        v->managed = xml_is(device, "managed", YES);
        return r;
}

/* <driver NAME='VALUE'>, which most devices may have. */
static bool driver_is(const xmlNode *device, const char *attribute, const char *value) {
        return xml_is(xml_first(device, "driver"), attribute, value);
}

/* Who serves the device's queues is not QEMU, and has to be told of each mapping. A tap's are served by the kernel with KVM alone
 * (src/qemu/qemu_interface.c: qemuInterfaceOpenVhostNet). */
static bool is_vhost(const xmlNode *device, const DomainDevice *v, const Domain *d) {
        static const char *const taps[] = { "network", "bridge", "direct", "ethernet" };

        switch (v->type) {
        case DOMAIN_DEVICE_INTERFACE:
                if (!v->kind || !v->model || strncmp(v->model, "virtio", 6) != 0)
                        return false;
                if (streq(v->kind, "vhostuser") || streq(v->kind, "vdpa"))
                        return true;
                return d->kvm && name_lookup(taps, ELEMENTSOF(taps), v->kind) >= 0 && !driver_is(device, "name", "qemu");
        case DOMAIN_DEVICE_DISK:
                return v->kind && (streq(v->kind, "vhostuser") || streq(v->kind, "vhostvdpa"));
        case DOMAIN_DEVICE_FILESYSTEM:
                return v->kind && streq(v->kind, "virtiofs");
        case DOMAIN_DEVICE_HOSTDEV:
                return v->kind && streq(v->kind, "scsi_host");
        case DOMAIN_DEVICE_VIDEO:
                return driver_is(device, "name", "vhostuser");
        case DOMAIN_DEVICE_VSOCK:
                return true;
        case DOMAIN_DEVICE_CONTROLLER:
        case DOMAIN_DEVICE_INPUT:
        case DOMAIN_DEVICE_SOUND:
        case DOMAIN_DEVICE_SERIAL:
        case DOMAIN_DEVICE_NVRAM:
        case DOMAIN_DEVICE_TPM:
        case DOMAIN_DEVICE_RNG:
        case DOMAIN_DEVICE_MEMBALLOON:
        case DOMAIN_DEVICE_WATCHDOG:
        case DOMAIN_DEVICE_SHMEM:
        case DOMAIN_DEVICE_CRYPTO:
        case DOMAIN_DEVICE_PANIC:
        case DOMAIN_DEVICE_QEMU:
        case _DOMAIN_DEVICE_TYPE_MAX:
                break;
        }
        return false;
}

/* virStorageSourceChainHasNVMe(), and so of vDPA in qemuDomainGetNumVDPADevices(): what a disk is backed with counts like itself.
 * An NVMe disk names a function of the host's, and whether libvirt takes that from its driver stands in its <source>, not in the
 * disk itself. */
static int read_chain(const xmlNode *disk, DomainDevice *v, DomainError *error) {
        for (const xmlNode *node = disk; node; node = xml_first(node, "backingStore")) {
                int r;

                v->vdpa |= xml_is(node, "type", "vhostvdpa");
                if (v->nvme || !xml_is(node, "type", "nvme"))
                        continue;
                v->nvme = true;
                r = read_host_address(node, v, error);
                if (r < 0)
                        return r;
                v->managed = xml_is(xml_first(node, "source"), "managed", YES);
        }
        return 0;
}

/* virDomainDiskDefParseXML() */
static int read_disk(const xmlNode *node, DomainDevice *v, DomainError *error) {
        const xmlNode *target = xml_first(node, "target");
        int r = xml_copy(node, "type", &v->kind);

        if (r >= 0)
                r = xml_copy(target, "bus", &v->bus);
        if (r >= 0)
                r = xml_copy(target, "dev", &v->target);
        return r < 0 ? r : read_chain(node, v, error);
}

/* A function of a pool's is there only once libvirt has chosen it: in the XML that its hooks get it is. */
static int read_interface(const xmlNode *node, DomainDevice *v, DomainError *error) {
        const xmlNode *source = xml_first(xml_first(node, "source"), "address");
        int r = xml_copy(node, "type", &v->kind);

        if (r >= 0)
                r = xml_copy(xml_first(node, "model"), "type", &v->model);
        if (r < 0 || !v->kind)
                return r;
        v->vdpa = streq(v->kind, "vdpa");
        if (!streq(v->kind, "hostdev"))
                return 0;
        if (source && !xml_is(source, "type", "pci") && xml_text_of(source, "type"))
                return 0;
        v->host_pool = !source;
        return source ? read_host_address(node, v, error) : 0;
}

/* virDomainHostdevDefParseXML(). Those of mode='capabilities' are containers'; of the others PCI functions and mdevs go
 * through VFIO. */
static int read_hostdev(const xmlNode *node, DomainDevice *v, DomainError *error) {
        int r = xml_copy(node, "type", &v->kind);

        if (r >= 0)
                r = xml_copy(node, "model", &v->model);
        if (r < 0 || !v->kind || (xml_text_of(node, "mode") && !xml_is(node, "mode", "subsystem")))
                return r;
        v->mdev = streq(v->kind, "mdev");
        return streq(v->kind, "pci") ? read_host_address(node, v, error) : 0;
}

/* virDomainVideoDefParseXML(): its memory is locked with VFIO, so that it counts. */
static int read_video(const xmlNode *node, DomainDevice *v, DomainError *error) {
        const xmlNode *model = xml_first(node, "model");
        uint64_t kib = 0;
        int r = xml_copy(model, "type", &v->model);

        if (r >= 0 && !isempty(xml_text_of(model, "vram")))
                r = xml_number(model, "vram", 10, UINT_MAX, &kib, error);
        v->video_ram = kib * 1024;
        v->primary = xml_is(model, "primary", YES);
        return r < 0 ? r : 0;
}

/* virDomainControllerDefParseXML(), of all but PCI's. Whether it is on PCI or on the VIO bus follows from type and model. */
static int read_other_controller(const xmlNode *node, DomainDevice *v, DomainError *error) {
        int r = xml_copy(node, "type", &v->kind);

        if (r >= 0)
                r = xml_copy(node, "model", &v->model);
        if (r >= 0)
                r = xml_int(node, "index", 10, &v->index, error);
        if (r >= 0)
                r = xml_int(node, "ports", 10, &v->ports, error);
        return r < 0 ? r : 0;
}

/* What is particular to a type; the alias, the address and the driver's IOMMU are every device's. */
static int read_particulars(const xmlNode *node, DomainDevice *v, DomainError *error) {
        int r;

        switch (v->type) {
        case DOMAIN_DEVICE_DISK:
                return read_disk(node, v, error);
        case DOMAIN_DEVICE_INTERFACE:
                return read_interface(node, v, error);
        case DOMAIN_DEVICE_CONTROLLER:
                return read_other_controller(node, v, error);
        case DOMAIN_DEVICE_HOSTDEV:
                return read_hostdev(node, v, error);
        case DOMAIN_DEVICE_VIDEO:
                return read_video(node, v, error);
        case DOMAIN_DEVICE_FILESYSTEM:
                return xml_copy(xml_first(node, "driver"), "type", &v->kind);
        case DOMAIN_DEVICE_INPUT:
                r = xml_copy(node, "type", &v->kind);
                if (r >= 0)
                        r = xml_copy(node, "model", &v->model);
                return r < 0 ? r : xml_copy(node, "bus", &v->bus);
        case DOMAIN_DEVICE_SERIAL:
                /* A console that is the first serial port: its <target type='serial'> is no model of a port. */
                return xml_named(node, "console") ? 0 : xml_copy(xml_first(node, "target"), "type", &v->kind);
        case DOMAIN_DEVICE_SHMEM:
                return xml_copy(xml_first(node, "model"), "type", &v->model);
        case DOMAIN_DEVICE_SOUND:
        case DOMAIN_DEVICE_TPM:
        case DOMAIN_DEVICE_RNG:
        case DOMAIN_DEVICE_MEMBALLOON:
        case DOMAIN_DEVICE_WATCHDOG:
        case DOMAIN_DEVICE_VSOCK:
        case DOMAIN_DEVICE_CRYPTO:
        case DOMAIN_DEVICE_PANIC:
                return xml_copy(node, "model", &v->model);
        case DOMAIN_DEVICE_NVRAM:
        case DOMAIN_DEVICE_QEMU:
        case _DOMAIN_DEVICE_TYPE_MAX:
                break;
        }
        return 0;
}

/* All or nothing: what is added to *d is whole. */
static int read_device(const xmlNode *node, DomainDeviceType type, Domain *d, DomainError *error) {
        _cleanup_(domain_device_clear) DomainDevice v = { .type = type, .line = xml_line(node), .index = -1, .ports = -1 };
        int r = xml_copy(xml_first(node, "alias"), "name", &v.alias);

        if (r >= 0)
                r = read_particulars(node, &v, error);
        /* Where there is no USB at all, libvirt does not look at the address either. */
        if (r >= 0 && !(v.kind && streq(v.kind, "usb") && v.model && streq(v.model, "none")))
                r = read_address(node, &v.address, error);
        if (r >= 0)
                r = ARRAY_RESERVE(d->devices, d->devices_allocated, d->n_devices + 1);
        if (r < 0)
                return r;
        v.alias_given = v.alias != NULL;
        v.notifier = driver_is(node, "iommu", "on") && is_vhost(node, &v, d);
        d->usb_given |= type == DOMAIN_DEVICE_CONTROLLER && v.kind && streq(v.kind, "usb");
        d->devices[d->n_devices++] = TAKE_GENERIC(v, DomainDevice, (DomainDevice) {});
        return 0;
}

/* virDomainControllerDefParseXML(). <node> is an element inside of <target>, unlike all else there. Indexes that are out of
 * range are kept, to be told of by name (domain_check_bus.c). */
static int read_pci_controller(const xmlNode *node, Domain *d, DomainError *error) {
        const xmlNode *target = xml_first(node, "target"), *numa = xml_first(target, "node");
        DomainController c = { .line = xml_line(node), .index = -1, .target_index = -1, .numa_node = -1,
                               .named = xml_text_of(xml_first(node, "model"), "name") != NULL };
        uint64_t value;
        int r = xml_int(node, "index", 10, &c.index, error);

        c.model = xml_is(node, "model", "pci-root")   ? CONTROLLER_PCI_ROOT :
                  xml_is(node, "model", "pci-bridge") ? CONTROLLER_PCI_BRIDGE :
                                                        CONTROLLER_PCI_OTHER;
        if (r >= 0)
                r = xml_int(target, "index", 0, &c.target_index, error);
        if (r >= 0)
                r = xml_content_number(numa, INT_MAX, &value, error);
        if (r > 0)
                c.numa_node = (int) value;
        if (r >= 0)
                r = read_address(node, &c.address, error);
        if (r >= 0)
                r = ARRAY_RESERVE(d->controllers, d->controllers_allocated, d->n_controllers + 1);
        if (r >= 0)
                r = xml_copy(xml_first(node, "alias"), "name", &c.alias);
        if (r < 0)
                return r;
        c.alias_given = c.alias != NULL;
        d->controllers[d->n_controllers++] = c;
        return 0;
}

/* virDomainMemoryDefParseXML(). Its address says nothing of PCI or VIO. */
static int read_dimm(const xmlNode *node, Domain *d, DomainError *error) {
        const xmlNode *target = xml_first(node, "target");
        DomainDimm dimm = {};
        int r = xml_size(xml_first(target, "size"), NULL, &dimm.size, error);

        if (r == 0)
                return xml_fail(error, node, "<memory>: a device that does not say how large it is; give it <target><size>");
        if (r >= 0)
                r = xml_size(xml_first(xml_first(target, "label"), "size"), NULL, &dimm.label_size, error);
        if (r >= 0)
                r = ARRAY_RESERVE(d->dimms, d->dimms_allocated, d->n_dimms + 1);
        if (r >= 0)
                r = xml_copy(node, "model", &dimm.model);
        if (r >= 0)
                d->dimms[d->n_dimms++] = dimm;
        return r < 0 ? r : 0;
}

/* A channel or console of virtio, by its place on a virtio-serial controller. Without one libvirt gives it the first that is
 * free. */
static int read_port(const xmlNode *node, Domain *d, DomainError *error) {
        const xmlNode *address = xml_first(node, "address");
        DomainPort port = { .line = xml_line(node), .console = xml_named(node, "console"), .controller = -1 };
        uint64_t number = 0;
        int r;

        if (xml_is(address, "type", "virtio-serial")) {
                port.controller = 0;
                r = xml_int(address, "controller", 10, &port.controller, error);
                if (r >= 0)
                        r = xml_number(address, "port", 10, UINT_MAX, &number, error);
                if (r < 0)
                        return r;
                port.port = (unsigned) number;
        }
        r = ARRAY_RESERVE(d->ports, d->ports_allocated, d->n_ports + 1);
        if (r >= 0)
                d->ports[d->n_ports++] = port;
        return r;
}

/* The first of all consoles is the first serial port, too; where there is no <serial>, it makes one
 * (src/conf/domain_postparse.c: virDomainDefAddConsoleCompat). */
static bool makes_serial(const xmlNode *console) {
        const xmlNode *devices = console->parent && console->parent->type == XML_ELEMENT_NODE ? console->parent : NULL;
        const xmlNode *target = xml_first(console, "target");

        if (xml_text_of(target, "type") && !xml_is(target, "type", "serial"))
                return false;
        return devices && xml_first(devices, "console") == console && !xml_first(devices, "serial");
}

/* Elements that are no devices of DomainDeviceType. true: this was one. */
static bool read_special(const xmlNode *node, Domain *d, DomainError *error, int *ret) {
        static const char *const without_dma[] = { "lease", "smartcard", "parallel", "redirdev", "redirfilter", "hub",
                                                   "audio", "pstore" };
        const char *name = (const char *) node->name;
        bool virtio = xml_is(xml_first(node, "target"), "type", "virtio");

        *ret = 0;
        if (streq(name, "controller") && xml_is(node, "type", "pci"))
                *ret = read_pci_controller(node, d, error);
        else if (streq(name, "memory"))
                *ret = read_dimm(node, d, error);
        else if (streq(name, "channel"))
                *ret = virtio ? read_port(node, d, error) : 0;
        else if (streq(name, "console") && virtio)
                *ret = read_port(node, d, error);
        else if (streq(name, "console"))
                *ret = makes_serial(node) ? read_device(node, DOMAIN_DEVICE_SERIAL, d, error) : 0;
        else if (streq(name, "graphics"))
                d->graphics = true;
        else if (streq(name, "iommu"))
                d->iommu = true;
        else if (streq(name, "emulator"))
                *ret = d->emulator ? 0 : xml_copy_content(node, &d->emulator);
        else
                return name_lookup(without_dma, ELEMENTSOF(without_dma), name) >= 0;
        return true;
}

int domain_element_read(const xmlNode *element, Domain *d, bool *ret_known, DomainError *error) {
        const char *name = (const char *) element->name;
        bool known = xml_named(element, NULL);
        int r = 0;

        if (known && !read_special(element, d, error, &r)) {
                known = false;
                for (DomainDeviceType type = 0; !known && type < DOMAIN_DEVICE_QEMU; type++)
                        if (streq(name, domain_device_type_to_string(type))) {
                                known = true;
                                r = read_device(element, type, d, error);
                        }
        }
        if (ret_known)
                *ret_known = known;
        return r;
}
