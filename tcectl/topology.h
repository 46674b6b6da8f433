/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Describe's groups and machines as a tree: NUMA node, PHB, bridges, IOMMU group, devices with the VFs below their PF, and the machines that
 * have a group with their tables. Pure. An answer may tell anything of who stands behind whom: what is made of it is a tree all the same, of
 * no more than TOPOLOGY_DEPTH_MAX levels. */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#define TOPOLOGY_DEPTH_MAX 32U
#define NODE_NONE ((size_t) -1)

typedef enum NodeKind {
        NODE_ROOT,
        NODE_NUMA,
        NODE_PHB,
        NODE_BRIDGE,   /* a PCI bridge that is in no group: its address is all that is known */
        NODE_GROUP,
        NODE_DEVICE,
        NODE_MACHINE,  /* below a group: it has that; else below NODE_EMULATED */
        NODE_TABLE,
        NODE_EMULATED, /* what belongs to no group of this host */
        _NODE_KIND_MAX,
} NodeKind;
const char *node_kind_to_string(NodeKind kind);
NodeKind node_kind_from_string(const char *text);

typedef struct Node {
        NodeKind kind;
        json_object *json;  /* the group, device, machine or table, borrowed; NULL: of none, or (machine) only its UUID is known */
        json_object *group; /* of a device: its group; of a group with one device: that device */
        const char *name;   /* PHB, bridge, machine that is not known; borrowed */
        int numa;           /* NUMA node and PHB; -1: not told */
        size_t parent, first, last, next, before; /* of Topology.nodes; NODE_NONE: none */
        size_t home;        /* where it hangs if its parent is not to be followed */
        const char *key;    /* its place among its siblings */
} Node;

typedef struct Topology {
        Node *nodes; /* the first is the root */
        size_t n, allocated;
        char **texts; /* what names borrow */
        size_t n_texts, allocated_texts;
} Topology;

/* ret borrows from json. 0 or -ENOMEM. */
int topology_make(json_object *json, Topology *ret);
void topology_clear(Topology *t);

/* The tree as nested objects { "kind", …, "children" }; NULL when memory ran out. */
json_object *topology_json(const Topology *t);
