/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Channels and consoles of virtio sit on virtio-serial controllers, each of which takes a PCI slot: libvirt adds the one that is
 * named (src/conf/domain_conf.c: virDomainDefMaybeAddVirtioSerialController), and others when all ports are taken
 * (src/conf/domain_addr.c: virDomainVirtioSerialAddrNext). */

#include <limits.h>

#include "domain_completion.h"
#include "util.h"

#define VIRTIO_SERIAL "virtio-serial"

/* VIR_DOMAIN_DEFAULT_VIRTIO_SERIAL_PORTS. QEMU has no more than the other (hw/virtio/virtio-serial-pci.c). */
#define PORTS_DEFAULT 31
#define PORTS_MAX 512

/* Channels first, as libvirt goes through them. */
int ports_add_controllers(Completion *c) {
        const Domain *d = c->domain;
        int r = 0;

        for (int console = 0; console < 2; console++)
                for (size_t i = 0; r >= 0 && i < d->n_ports; i++)
                        if (d->ports[i].console == (console > 0))
                                r = controllers_add(c, VIRTIO_SERIAL, d->ports[i].controller < 0 ? 0 : d->ports[i].controller,
                                                    NULL);
        return r;
}

/* Which ports of a controller are taken. */
typedef struct PortMap {
        int controller;
        unsigned ports;
        bool used[PORTS_MAX];
} PortMap;

typedef struct PortMaps {
        PortMap *maps; /* by controller index */
        size_t n, allocated;
} PortMaps;

static void port_maps_clear(PortMaps *m) {
        free(m->maps);
}

static int add_map(PortMaps *m, const DomainDevice *controller) {
        unsigned ports = controller->ports > 0 ? (unsigned) controller->ports : PORTS_DEFAULT;
        size_t at = m->n;
        int r = ARRAY_RESERVE(m->maps, m->allocated, m->n + 1);

        if (r < 0)
                return r;
        while (at > 0 && m->maps[at - 1].controller > controller->index)
                at--;
        memmove(&m->maps[at + 1], &m->maps[at], (m->n - at) * sizeof(*m->maps));
        m->maps[at] = (PortMap) { .controller = controller->index, .ports = ports < PORTS_MAX ? ports : PORTS_MAX };
        m->n++;
        return 0;
}

static PortMap *find_map(const PortMaps *m, int controller) {
        for (size_t i = 0; i < m->n; i++)
                if (m->maps[i].controller == controller)
                        return &m->maps[i];
        return NULL;
}

static int reserve(const Completion *c, const PortMaps *m, const DomainPort *port) {
        PortMap *map = find_map(m, port->controller < 0 ? 0 : port->controller);

        if (!map || port->port >= map->ports)
                return completion_fail(c, port->line, "<address type='virtio-serial' controller='%d' port='%u'>: this controller has no "
                                       "such port; take one below %u", port->controller, port->port,
                                       map ? map->ports : PORTS_DEFAULT);
        if (map->used[port->port])
                return completion_fail(c, port->line, "<address type='virtio-serial' controller='%d' port='%u'>: another channel has this "
                                       "port; give each its own, or none", port->controller, port->port);
        map->used[port->port] = true;
        return 0;
}

/* Port 0 is a console's. */
static bool take_free(PortMap *map) {
        for (unsigned port = 1; port < map->ports; port++)
                if (!map->used[port])
                        return map->used[port] = true;
        return false;
}

static int assign(Completion *c, PortMaps *m, const DomainPort *port) {
        int index = 0, r;

        if (port->controller >= 0) {
                PortMap *map = find_map(m, port->controller);

                if (map && take_free(map))
                        return 0;
                return completion_fail(c, port->line, "<channel>: virtio-serial controller %d has no free port; name another in its "
                                       "<address>, or none", port->controller);
        }
        for (size_t i = 0; i < m->n; i++)
                if (take_free(&m->maps[i]))
                        return 0;
        while (find_map(m, index))
                index++;
        r = controllers_add(c, VIRTIO_SERIAL, index, NULL);
        if (r >= 0)
                r = add_map(m, controllers_find(c, VIRTIO_SERIAL, index));
        if (r >= 0)
                (void) take_free(find_map(m, index));
        return r;
}

/* A console takes no port: libvirt has 0 for it, and 0 means none. */
int ports_assign(Completion *c) {
        _cleanup_(port_maps_clear) PortMaps m = {};
        const Domain *d = c->domain;
        int r = 0;

        for (size_t i = 0; r >= 0 && d->n_ports > 0 && i < c->n_list; i++) {
                const DomainDevice *device = controllers_device(c, &c->list[i]);

                if (device && device->kind && streq(device->kind, VIRTIO_SERIAL))
                        r = add_map(&m, device);
        }
        for (size_t i = 0; r >= 0 && i < d->n_ports; i++)
                if (d->ports[i].port > 0)
                        r = reserve(c, &m, &d->ports[i]);
        for (size_t i = 0; r >= 0 && i < d->n_ports; i++)
                if (d->ports[i].port == 0 && !d->ports[i].console)
                        r = assign(c, &m, &d->ports[i]);
        return r;
}
