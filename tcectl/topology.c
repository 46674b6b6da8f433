/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What topology.h declares. Nodes are made one kind after the other, each knowing its parent; what goes in circles is then hung up at its
 * PHB, and only in the end are the children of each put in order. Lookups are in sorted lists: a host may have 16,384 groups. */

#include "topology.h"

#include <inttypes.h>

#include "util.h"
#include "view.h"

/* Steps up that are followed within one group. */
#define GROUP_DEPTH_MAX 4U
/* Below a group come its devices, a machine and its tables. */
#define GROUP_LEVEL_MAX (TOPOLOGY_DEPTH_MAX - GROUP_DEPTH_MAX - 3U)

static const char *const kind_names[_NODE_KIND_MAX] = {
        [NODE_ROOT] = "host",     [NODE_NUMA] = "numa-node",  [NODE_PHB] = "phb",     [NODE_BRIDGE] = "bridge",     [NODE_GROUP] = "group",
        [NODE_DEVICE] = "device", [NODE_MACHINE] = "machine", [NODE_TABLE] = "table", [NODE_EMULATED] = "emulated",
};

const char *node_kind_to_string(NodeKind kind) {
        return kind_names[kind];
}

NodeKind node_kind_from_string(const char *text) {
        return (NodeKind) name_lookup(kind_names, _NODE_KIND_MAX, text);
}

/* A group on its way into the tree. Sorted by PHB, then by key, so that a PHB's groups are together. */
typedef struct GroupRef {
        json_object *json;
        const char *phb, *key; /* key "": it has no device */
        size_t node, phb_node; /* its own node, and where it hangs by itself */
} GroupRef;

/* What is found by a text, or by a number. */
typedef struct Named {
        const char *name;
        uint64_t number;
        size_t node;
        json_object *json, *table; /* a device's group; a machine, and a table of it */
        size_t order;              /* in which they came */
} Named;

typedef struct NamedList {
        Named *items;
        size_t n, allocated;
} NamedList;

typedef struct Builder {
        Topology *t;
        json_object *json;
        GroupRef *groups;
        size_t n_groups;
        NamedList devices;  /* by address */
        NamedList bridges;  /* that are in no group, by address */
        NamedList machines; /* by UUID */
        NamedList numbers;  /* groups by number */
        NamedList tables;   /* of machines, by group; UINT64_MAX: of none here */
} Builder;

static int compare_named(const void *a, const void *b) {
        const Named *x = a, *y = b;
        int r = strcmp(x->name, y->name);

        if (r != 0)
                return r;
        if (x->number != y->number)
                return x->number < y->number ? -1 : 1;
        if (x->node != y->node)
                return x->node < y->node ? -1 : 1;
        return x->order < y->order ? -1 : x->order > y->order;
}

static int named_add(NamedList *l, Named item) {
        int r = ARRAY_RESERVE(l->items, l->allocated, l->n + 1);

        if (r < 0)
                return r;
        item.order = l->n;
        l->items[l->n++] = item;
        return 0;
}

static void named_sort(NamedList *l) {
        if (l->n > 1)
                qsort(l->items, l->n, sizeof(*l->items), compare_named);
}

/* The first that is not before it. */
static size_t named_lower(const NamedList *l, const char *name, uint64_t number) {
        const Named want = { .name = name, .number = number };
        size_t from = 0, to = l->n;

        while (from < to) {
                size_t middle = from + (to - from) / 2;

                if (compare_named(&l->items[middle], &want) < 0)
                        from = middle + 1;
                else
                        to = middle;
        }
        return from;
}

static const Named *named_find(const NamedList *l, const char *name, uint64_t number) {
        size_t i = named_lower(l, name, number);

        return i < l->n && streq(l->items[i].name, name) && l->items[i].number == number ? &l->items[i] : NULL;
}

static int add_node(Topology *t, Node node, size_t *ret) {
        int r = ARRAY_RESERVE(t->nodes, t->allocated, t->n + 1);

        if (r < 0)
                return r;
        node.first = node.last = node.next = node.before = NODE_NONE;
        node.home = node.parent;
        node.key = node.key ? node.key : "";
        t->nodes[t->n] = node;
        *ret = t->n++;
        return 0;
}

/* "PCI domain 0001", kept with the tree. */
static int domain_text(Topology *t, const char *address, const char **ret) {
        char *text;

        if (ARRAY_RESERVE(t->texts, t->allocated_texts, t->n_texts + 1) < 0 ||
            asprintf(&text, "PCI domain %.*s", (int) strcspn(address, ":"), address) < 0)
                return -ENOMEM;
        t->texts[t->n_texts++] = text;
        *ret = text;
        return 0;
}

/* Worked out here rather than taken from `key`, which an older tced does not tell. "": it has no device. */
static const char *lowest_address(json_object *group) {
        json_object *devices = view_get(group, "devices");
        const char *lowest = "";

        for (size_t i = 0; i < view_length(devices); i++) {
                const char *address = view_string(view_item(devices, i), "address");

                if (!isempty(address) && (!*lowest || strcmp(address, lowest) < 0))
                        lowest = address;
        }
        return lowest;
}

/* Are all of its devices in the PCI domain of this address? */
static bool one_domain(json_object *group, const char *address) {
        json_object *devices = view_get(group, "devices");
        size_t n = strcspn(address, ":");

        for (size_t i = 0; i < view_length(devices); i++) {
                const char *other = view_show(view_item(devices, i), "address");

                if (!strchr(other, ':') || strncmp(other, address, n + 1) != 0)
                        return false;
        }
        return strchr(address, ':') != NULL;
}

static int compare_groups(const void *a, const void *b) {
        const GroupRef *x = a, *y = b;
        int r = strcmp(x->phb, y->phb);
        uint64_t i = view_count(x->json, "number"), j = view_count(y->json, "number");

        if (r == 0)
                r = strcmp(x->key, y->key);
        return r != 0 ? r : i < j ? -1 : i > j;
}

/* A tced that does not tell of PHBs tells of PCI domains, which are one PHB each. phb "": none, or several. */
static int read_groups(Builder *b) {
        json_object *groups = view_get(b->json, "groups");

        b->groups = calloc(view_length(groups) + 1, sizeof(*b->groups));
        if (!b->groups)
                return -ENOMEM;
        for (size_t i = 0; i < view_length(groups); i++) {
                json_object *group = view_item(groups, i);
                GroupRef *g = &b->groups[b->n_groups++];
                int r;

                *g = (GroupRef) { .json = group, .phb = view_string(group, "phb"), .key = lowest_address(group), .node = NODE_NONE };
                if (isempty(g->phb) && one_domain(group, g->key)) {
                        r = domain_text(b->t, g->key, &g->phb);
                        if (r < 0)
                                return r;
                }
                g->phb = g->phb ? g->phb : "";
        }
        if (b->n_groups > 1)
                qsort(b->groups, b->n_groups, sizeof(*b->groups), compare_groups);
        return 0;
}

/* -1: not told, or of several. */
static int numa_of(json_object *group) {
        uint64_t node;

        return view_u64(group, "numa_node", &node) && node < INT32_MAX ? (int) node : -1;
}

/* Groups come by PHB. Where no NUMA node is told, PHBs stand at the top. */
static int add_phbs(Builder *b) {
        size_t phb = NODE_NONE;

        for (size_t i = 0; i < b->n_groups; i++) {
                GroupRef *g = &b->groups[i];
                int numa = numa_of(g->json), r;

                if (i == 0 || !streq(g->phb, b->groups[i - 1].phb)) {
                        r = add_node(b->t, (Node) { .kind = NODE_PHB, .name = g->phb, .numa = -1, .key = g->key }, &phb);
                        if (r < 0)
                                return r;
                }
                g->phb_node = phb;
                if (b->t->nodes[phb].numa < 0)
                        b->t->nodes[phb].numa = numa;
        }
        return 0;
}

/* For the PHBs that are there, all nodes from 1 on. Hosts have a few NUMA nodes: no need to be quick. */
static int add_numa_nodes(Builder *b) {
        size_t n = b->t->n;

        for (size_t i = 1; i < n; i++) {
                size_t node = 1;
                int numa = b->t->nodes[i].numa, r = 0;

                if (numa < 0)
                        continue;
                for (node = n; node < b->t->n && b->t->nodes[node].numa != numa; node++)
                        ;
                if (node == b->t->n)
                        r = add_node(b->t, (Node) { .kind = NODE_NUMA, .numa = numa }, &node);
                if (r < 0)
                        return r;
                b->t->nodes[i].parent = node;
        }
        return 0;
}

/* The groups with their devices, which are below them as yet. */
static int add_groups(Builder *b) {
        for (size_t i = 0; i < b->n_groups; i++) {
                GroupRef *g = &b->groups[i];
                json_object *devices = view_get(g->json, "devices");
                Node group = { .kind = NODE_GROUP, .json = g->json, .parent = g->phb_node, .key = g->key, .numa = -1 };
                uint64_t number;
                int r;

                if (view_length(devices) == 1)
                        group.group = view_item(devices, 0);
                r = add_node(b->t, group, &g->node);
                if (r >= 0 && view_u64(g->json, "number", &number))
                        r = named_add(&b->numbers, (Named) { .name = "#", .number = number, .node = g->node });
                for (size_t j = 0; r >= 0 && j < view_length(devices); j++) {
                        json_object *device = view_item(devices, j);
                        const char *address = view_string(device, "address");
                        size_t node = g->node;

                        if (!group.group)
                                r = add_node(b->t, (Node) { .kind = NODE_DEVICE, .json = device, .group = g->json, .parent = g->node,
                                                            .key = address, .numa = -1 }, &node);
                        if (r >= 0 && !isempty(address))
                                r = named_add(&b->devices, (Named) { .name = address, .node = node, .json = g->json });
                }
                if (r < 0)
                        return r;
        }
        named_sort(&b->devices);
        named_sort(&b->numbers);
        return 0;
}

/* The device with this address, in this group, or in any other. */
static const Named *find_device(const Builder *b, const char *address, json_object *group, bool inside) {
        const Named *found = isempty(address) ? NULL : named_find(&b->devices, address, 0);

        return found && (found->json == group) == inside ? found : NULL;
}

/* A bridge that is in no group is made for the first that stands behind it. */
static int find_bridge(Builder *b, const char *address, size_t phb, size_t *ret) {
        Named *found = (Named *) named_find(&b->bridges, address, 0);
        int r = 0;

        if (!found)
                return 0;
        if (found->node == NODE_NONE)
                r = add_node(b->t, (Node) { .kind = NODE_BRIDGE, .name = address, .parent = phb, .key = address, .numa = -1 }, &found->node);
        if (r >= 0)
                *ret = found->node;
        return r;
}

/* The bridges that devices stand behind and no group has, each once. Their nodes are made when something is hung below them. */
static int read_bridges(Builder *b) {
        NamedList all = {};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < b->n_groups; i++) {
                json_object *devices = view_get(b->groups[i].json, "devices");

                for (size_t j = 0; r >= 0 && j < view_length(devices); j++) {
                        const char *bridge = view_string(view_item(devices, j), "bridge");

                        if (!isempty(bridge) && !named_find(&b->devices, bridge, 0))
                                r = named_add(&all, (Named) { .name = bridge, .node = NODE_NONE });
                }
        }
        named_sort(&all);
        for (size_t i = 0; r >= 0 && i < all.n; i++)
                if (i == 0 || !streq(all.items[i].name, all.items[i - 1].name))
                        r = named_add(&b->bridges, all.items[i]);
        free(all.items);
        return r;
}

/* Where a group hangs: below the PF whose VF is in it, else below the bridge that its devices stand behind, else below its PHB. */
static int place_group(Builder *b, GroupRef *g) {
        json_object *devices = view_get(g->json, "devices");
        size_t parent = NODE_NONE;
        int r = 0;

        for (size_t i = 0; r >= 0 && parent == NODE_NONE && i < view_length(devices); i++) {
                json_object *device = view_item(devices, i);
                const char *bridge = view_string(device, "bridge");
                const Named *found = find_device(b, view_string(device, "physfn"), g->json, false);

                if (!found)
                        found = find_device(b, bridge, g->json, false);
                if (found)
                        parent = found->node;
                else if (!isempty(bridge) && !find_device(b, bridge, g->json, true))
                        r = find_bridge(b, bridge, g->phb_node, &parent);
        }
        if (r >= 0 && parent != NODE_NONE)
                b->t->nodes[g->node].parent = parent;
        return r;
}

/* Within a group: below the PF or the bridge that is in it too, unless that stands below this one. */
static void place_device(const Builder *b, size_t node) {
        Node *nodes = b->t->nodes;
        const Named *found = find_device(b, view_string(nodes[node].json, "physfn"), nodes[node].group, true);
        size_t up = node;

        if (!found)
                found = find_device(b, view_string(nodes[node].json, "bridge"), nodes[node].group, true);
        if (!found)
                return;
        up = found->node;
        for (unsigned steps = 0; nodes[up].kind == NODE_DEVICE && up != node && steps < GROUP_DEPTH_MAX; steps++)
                up = nodes[up].parent;
        if (up == nodes[node].home)
                nodes[node].parent = found->node;
}

/* Is it so few steps up to where one of this kind hangs at last? */
static bool is_near(const Topology *t, size_t node, NodeKind kind, unsigned max) {
        for (unsigned steps = 0; steps < max; steps++, node = t->nodes[node].parent)
                if (t->nodes[node].kind == kind)
                        return true;
        return false;
}

/* What goes in circles, or too deep, is hung up where it belongs by itself. The others then stand less deep, not deeper. */
static void flatten(Topology *t, NodeKind kind, NodeKind end, unsigned max) {
        for (size_t i = 1; i < t->n; i++)
                if (t->nodes[i].kind == kind && !is_near(t, i, end, max))
                        t->nodes[i].parent = t->nodes[i].home;
}

static int place_all(Builder *b) {
        int r = read_bridges(b);

        for (size_t i = 0; r >= 0 && i < b->t->n; i++)
                if (b->t->nodes[i].kind == NODE_DEVICE)
                        place_device(b, i);
        flatten(b->t, NODE_DEVICE, NODE_GROUP, GROUP_DEPTH_MAX);
        for (size_t i = 0; r >= 0 && i < b->n_groups; i++)
                r = place_group(b, &b->groups[i]);
        flatten(b->t, NODE_GROUP, NODE_ROOT, GROUP_LEVEL_MAX);
        return r;
}

/* Every table of every machine, by the group that it is for. A group that is not told of here counts as none: the table is shown all the same,
 * with the emulated ones. */
static int read_machines(Builder *b) {
        json_object *machines = view_get(b->json, "machines");
        int r = 0;

        for (size_t i = 0; r >= 0 && i < view_length(machines); i++) {
                json_object *machine = view_item(machines, i), *tables = view_get(machine, "tables");
                const char *uuid = view_string(machine, "uuid");

                if (!isempty(uuid))
                        r = named_add(&b->machines, (Named) { .name = uuid, .node = i, .json = machine });
                for (size_t j = 0; r >= 0 && j < view_length(tables); j++) {
                        json_object *table = view_item(tables, j);
                        uint64_t group;

                        if (!view_u64(table, "group", &group) || !named_find(&b->numbers, "#", group))
                                group = UINT64_MAX;
                        /* `node` keeps a machine's together. */
                        r = named_add(&b->tables, (Named) { .name = "#", .number = group, .node = i, .json = machine, .table = table });
                }
        }
        named_sort(&b->machines);
        named_sort(&b->tables);
        return r;
}

static int add_machine(Builder *b, json_object *machine, const char *name, size_t parent, size_t *ret) {
        const char *key = machine ? view_show(machine, "name") : name;

        return add_node(b->t, (Node) { .kind = NODE_MACHINE, .json = machine, .name = name, .parent = parent, .key = key, .numa = -1 }, ret);
}

/* The machines with tables for this group (UINT64_MAX: for none), each with those; and who else has it. */
static int add_tables(Builder *b, uint64_t group, size_t parent, const char *holder) {
        const Named *known = isempty(holder) ? NULL : named_find(&b->machines, holder, 0);
        size_t machine = NODE_NONE, node, i = named_lower(&b->tables, "#", group);
        bool told = isempty(holder);
        int r = 0;

        /* The lower bound is by node as well, and 0 is the least. A machine's tables are together: it begins where it changes. */
        for (json_object *last = NULL; r >= 0 && i < b->tables.n && b->tables.items[i].number == group; i++) {
                const Named *table = &b->tables.items[i];

                if (table->json != last)
                        r = add_machine(b, table->json, NULL, parent, &machine);
                last = table->json;
                told = told || (known && known->json == last);
                if (r >= 0)
                        r = add_node(b->t, (Node) { .kind = NODE_TABLE, .json = table->table, .parent = machine, .numa = -1 }, &node);
        }
        if (r >= 0 && !told)
                r = add_machine(b, known ? known->json : NULL, holder, parent, &machine);
        return r;
}

static int compare_pointers(const void *a, const void *b) {
        uintptr_t x = (uintptr_t) *(void *const *) a, y = (uintptr_t) *(void *const *) b;

        return x < y ? -1 : x > y;
}

/* Machines that stand nowhere yet, having no table. */
static int add_rest(Builder *b, size_t parent, bool only_count, size_t *ret_n) {
        json_object *machines = view_get(b->json, "machines");
        _cleanup_free_ json_object **shown = calloc(b->t->n + 1, sizeof(*shown));
        size_t n = 0, node;
        int r = shown ? 0 : -ENOMEM;

        *ret_n = 0;
        for (size_t i = 0; r >= 0 && i < b->t->n; i++)
                if (b->t->nodes[i].kind == NODE_MACHINE && b->t->nodes[i].json)
                        shown[n++] = b->t->nodes[i].json;
        if (r >= 0 && n > 1)
                qsort(shown, n, sizeof(*shown), compare_pointers);
        for (size_t i = 0; r >= 0 && i < view_length(machines); i++) {
                json_object *machine = view_item(machines, i);

                if (n > 0 && bsearch(&machine, shown, n, sizeof(*shown), compare_pointers))
                        continue;
                (*ret_n)++;
                if (!only_count)
                        r = add_machine(b, machine, NULL, parent, &node);
        }
        return r;
}

static int add_machines(Builder *b) {
        size_t emulated, n = 0;
        uint64_t number;
        int r = read_machines(b);

        for (size_t i = 0; r >= 0 && i < b->n_groups; i++) {
                const GroupRef *g = &b->groups[i];

                r = add_tables(b, view_u64(g->json, "number", &number) ? number : UINT64_MAX - 1, g->node, view_string(g->json, "holder"));
        }
        if (r >= 0)
                r = add_rest(b, 0, true, &n);
        if (r < 0 || (n == 0 && named_lower(&b->tables, "#", UINT64_MAX) == b->tables.n))
                return r;
        r = add_node(b->t, (Node) { .kind = NODE_EMULATED, .numa = -1 }, &emulated);
        if (r >= 0)
                r = add_tables(b, UINT64_MAX, emulated, NULL);
        return r < 0 ? r : add_rest(b, emulated, false, &n);
}

/* What follows what among siblings; a group's devices, then who has it, then what hangs below. */
typedef struct Place {
        unsigned rank;
        int numa;
        const char *key;
        size_t node;
} Place;

static int compare_places(const void *a, const void *b) {
        const Place *x = a, *y = b;
        int r;

        if (x->rank != y->rank)
                return x->rank < y->rank ? -1 : 1;
        if (x->numa != y->numa)
                return x->numa < y->numa ? -1 : 1;
        r = strcmp(x->key, y->key);
        return r != 0 ? r : x->node < y->node ? -1 : x->node > y->node;
}

/* A group with one device has that device's children as its own: who has it comes before those. */
static unsigned rank_of(const Node *node) {
        switch (node->kind) {
        case NODE_ROOT:
        case NODE_NUMA:
        case NODE_DEVICE:
        case NODE_TABLE:
                return 0;
        case NODE_MACHINE:
                return 1;
        case NODE_PHB:
                return isempty(node->name) ? 3 : 2; /* what has no PHB comes last */
        case NODE_BRIDGE:
        case NODE_GROUP:
                return 2;
        case NODE_EMULATED:
        case _NODE_KIND_MAX:
                return 4;
        }
        return 4;
}

/* All nodes in order, each put behind the last child of its parent. */
static int link_children(Topology *t) {
        _cleanup_free_ Place *places = calloc(t->n, sizeof(*places));

        if (!places)
                return -ENOMEM;
        for (size_t i = 0; i < t->n; i++)
                places[i] = (Place) { rank_of(&t->nodes[i]), t->nodes[i].numa, t->nodes[i].key, i };
        qsort(places, t->n, sizeof(*places), compare_places);
        for (size_t i = 0; i < t->n; i++) {
                size_t node = places[i].node;
                Node *parent = node == 0 ? NULL : &t->nodes[t->nodes[node].parent];

                if (!parent)
                        continue;
                if (parent->first == NODE_NONE)
                        parent->first = node;
                else
                        t->nodes[parent->last].next = node;
                t->nodes[node].before = parent->last;
                parent->last = node;
        }
        return 0;
}

int topology_make(json_object *json, Topology *ret) {
        Topology t = {};
        Builder b = { .t = &t, .json = json };
        size_t root;
        int r;

        r = add_node(&t, (Node) { .kind = NODE_ROOT, .parent = NODE_NONE, .numa = -1 }, &root);
        if (r >= 0)
                r = read_groups(&b);
        if (r >= 0)
                r = add_phbs(&b);
        if (r >= 0)
                r = add_numa_nodes(&b);
        if (r >= 0)
                r = add_groups(&b);
        if (r >= 0)
                r = place_all(&b);
        if (r >= 0)
                r = add_machines(&b);
        if (r >= 0)
                r = link_children(&t);
        free(b.groups);
        free(b.devices.items);
        free(b.bridges.items);
        free(b.machines.items);
        free(b.numbers.items);
        free(b.tables.items);
        if (r < 0) {
                topology_clear(&t);
                return r;
        }
        *ret = t;
        return 0;
}

void topology_clear(Topology *t) {
        for (size_t i = 0; i < t->n_texts; i++)
                free(t->texts[i]);
        free(t->texts);
        free(t->nodes);
        *t = (Topology) {};
}
