/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What network interfaces of PCI devices are ports of, what stands on them, and the way out of this host. Where netlink has said nothing, sysfs
 * still tells whose ports they are: an interface must not look free because the kernel was short of memory for a moment. */

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <net/if.h>

#include "probe_use_internal.h"
#include "util.h"

#define SHOW_NAME(name) USE_SHOW(name, IFNAMSIZ)

DEFINE_POINTER_CLEANUP(DIR, closedir, dir_closep)

/* One fact, with a command that is: command NAME end. */
static int add(UseCollector *c, const Addresses *a, DeviceUse use, const char *text, const char *command, const char *name,
               const char *end) {
        char remedy[USE_TEXT_MAX];
        size_t length;

        use_command(remedy, command);
        /* Who gave it a name that can't be shown must know what it is. */
        if (!use_append_word(remedy, name))
                (void) snprintf(remedy, sizeof(remedy), "%s NAME", command);
        length = strlen(remedy);
        (void) snprintf(remedy + length, sizeof(remedy) - length, "%s", end);
        return use_add(c, a, use, text, remedy);
}

static int add_master(UseCollector *c, const Addresses *a, const NetLink *link, const NetLink *master) {
        static const struct {
                const char *kind, *is;
                DeviceUse use;
        } kinds[] = {
                { "bridge", "a port of the bridge", DEVICE_USE_BRIDGE },
                { "bond", "a member of the bond", DEVICE_USE_BOND },
                { "team", "a port of the team", DEVICE_USE_PORT },
                { "vrf", "in the VRF", DEVICE_USE_PORT },
        };
        const char *is = "a port of", *kind = master->kind ? master->kind : "";
        DeviceUse use = DEVICE_USE_PORT;
        char text[USE_TEXT_MAX];

        /* All its bridges have one master, which is none of them; and what it has it does not give to others (net/openvswitch). */
        if (streq(kind, "openvswitch")) {
                (void) snprintf(text, sizeof(text), "%s is a port of an Open vSwitch bridge", SHOW_NAME(link->name));
                return add(c, a, DEVICE_USE_BRIDGE, text, "ovs-vsctl del-port", link->name, "");
        }
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (streq(kind, kinds[i].kind)) {
                        is = kinds[i].is;
                        use = kinds[i].use;
                }
        (void) snprintf(text, sizeof(text), "%s is %s %s", SHOW_NAME(link->name), is, SHOW_NAME(master->name));
        return add(c, a, use, text, "ip link set", link->name, " nomaster");
}

/* Most often a macvtap, which is how libvirt gives a VM an interface without a bridge. */
static int add_upper(UseCollector *c, const Addresses *a, const NetLink *link, const NetLink *upper) {
        char text[USE_TEXT_MAX];

        (void) snprintf(text, sizeof(text), "%s carries %s%s%s%s%s, which %s up", SHOW_NAME(link->name), SHOW_NAME(upper->name),
                        upper->kind ? " (" : "", upper->kind ? USE_SHOW(upper->kind, 32) : "", upper->kind ? ")" : "",
                        USE_MORE(link->n_uppers - 1), link->n_uppers > 1 ? "are" : "is");
        return add(c, a, DEVICE_USE_PORT, text, "ip link set", upper->name, " down");
}

/* Through the interface itself, or through one that has it below. */
static int add_route(UseCollector *c, const Addresses *a, const NetFacts *net, const NetLink *link) {
        bool v6 = link->default_routes == NET_ROUTE_V6, other = link->route_table != NET_TABLE_MAIN;
        const NetLink *way = net_facts_find_index(net, link->route_link);
        char text[USE_TEXT_MAX], table[32] = "", of[IFNAMSIZ + 16] = "";

        if (!way)
                way = link;
        if (other)
                (void) snprintf(table, sizeof(table), " table %" PRIu32, link->route_table);
        if (way != link)
                (void) snprintf(of, sizeof(of), " through %s", SHOW_NAME(way->name));
        (void) snprintf(text, sizeof(text), "%s carries the %sdefault route%s%s%s%s", SHOW_NAME(link->name), v6 ? "IPv6 " : "", of,
                        other ? " (" : "", other ? table + 1 : "", other ? ")" : "");
        return add(c, a, DEVICE_USE_DEFAULT_ROUTE, text, v6 ? "ip -6 route del default dev" : "ip route del default dev", way->name, table);
}

/* The PCI devices of an interface; none: it is virtual, or gone. */
static void addresses_of_link(const UseCollector *c, const char *name, Addresses *a) {
        char path[sizeof("class/net/") + NAME_MAX], target[PATH_MAX];
        ssize_t n;

        a->n = 0;
        if ((size_t) snprintf(path, sizeof(path), "class/net/%s", name) >= sizeof(path))
                return;
        n = readlinkat(c->sys, path, target, sizeof(target) - 1);
        if (n < 0)
                return;
        target[n] = '\0';
        addresses_of_path(target, a);
}

static int add_link(UseCollector *c, const NetFacts *net, const NetLink *link) {
        const NetLink *master = link->master != 0 ? net_facts_find_index(net, link->master) : NULL;
        const NetLink *upper = link->upper != 0 ? net_facts_find_index(net, link->upper) : NULL;
        Addresses a;
        int r = 0;

        if (!master && !upper && link->default_routes == 0)
                return 0;
        addresses_of_link(c, link->name, &a);
        if (a.n == 0)
                return 0;
        if (master)
                r = add_master(c, &a, link, master);
        if (r >= 0 && upper)
                r = add_upper(c, &a, link, upper);
        if (r >= 0 && link->default_routes != 0)
                r = add_route(c, &a, net, link);
        return r;
}

/* net/core/dev.c:netdev_adjacent_sysfs_add makes the link, and bridges and bonds have a folder of their own. */
static int add_by_sysfs(UseCollector *c, int class, char *name) {
        NetLink link = { .name = name }, master = {};
        char path[NAME_MAX + sizeof("/master/bonding")], target[PATH_MAX];
        Addresses a;
        ssize_t n;

        (void) snprintf(path, sizeof(path), "%s/master", name);
        n = readlinkat(class, path, target, sizeof(target) - 1);
        addresses_of_link(c, name, &a);
        if (n < 0 || a.n == 0)
                return 0;
        target[n] = '\0';
        master.name = strrchr(target, '/') ? strrchr(target, '/') + 1 : target;
        (void) snprintf(path, sizeof(path), "%s/master/bridge", name);
        if (faccessat(class, path, F_OK, 0) >= 0)
                master.kind = (char *) "bridge";
        (void) snprintf(path, sizeof(path), "%s/master/bonding", name);
        if (faccessat(class, path, F_OK, 0) >= 0)
                master.kind = (char *) "bond";
        if (streq(master.name, "ovs-system"))
                master.kind = (char *) "openvswitch";
        return add_master(c, &a, &link, &master);
}

static int add_all_by_sysfs(UseCollector *c) {
        int fd = openat(c->sys, "class/net", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        _cleanup_(dir_closep) DIR *dir = fd < 0 ? NULL : fdopendir(fd);

        if (!dir) {
                (void) fd_close(fd);
                return 0;
        }
        for (struct dirent *entry; r >= 0 && (entry = readdir(dir));)
                if (entry->d_name[0] != '.')
                        r = add_by_sysfs(c, dirfd(dir), entry->d_name);
        return r;
}

int use_add_links(UseCollector *c, const NetFacts *net) {
        size_t n;
        const NetLink *links = net_facts_links(net, &n);
        int r = net ? 0 : add_all_by_sysfs(c);

        for (size_t i = 0; i < n && r >= 0; i++)
                r = add_link(c, net, &links[i]);
        return r;
}
