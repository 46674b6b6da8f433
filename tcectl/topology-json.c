/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The tree of topology.h as JSON, for programs. */

#include "group-view.h"
#include "render.h"
#include "topology.h"
#include "util.h"
#include "view.h"

static json_object *node_object(const Topology *t, const Node *node);

/* The children of a node, its machines or the others or both; behind `first`, which is taken over. */
static json_object *children_array(const Topology *t, const Node *node, json_object *first, bool machines, bool others) {
        json_object *array = json_object_new_array();

        if (!array || (first && json_object_array_add(array, first) < 0)) {
                (void) json_object_put(first);
                (void) json_object_put(array);
                return NULL;
        }
        for (size_t i = node->first; i != NODE_NONE; i = t->nodes[i].next) {
                json_object *child;

                if (!(t->nodes[i].kind == NODE_MACHINE ? machines : others))
                        continue;
                child = node_object(t, &t->nodes[i]);
                if (!child || json_object_array_add(array, child) < 0) {
                        (void) json_object_put(child);
                        (void) json_object_put(array);
                        return NULL;
                }
        }
        return array;
}

/* A member as the answer has it; NULL is JSON's null. */
static bool put_copy(json_object *to, const char *key, json_object *from, const char *path) {
        return json_object_object_add(to, key, json_object_get(view_get(from, path))) >= 0;
}

static bool put_text(json_object *to, const char *key, const char *text) {
        return json_put_consume(to, key, json_object_new_string(text)) >= 0;
}

/* A group's one device, which is a node of its own for programs. */
static json_object *only_device(const Topology *t, const Node *group) {
        json_object *o = json_object_new_object();

        if (o && put_text(o, "kind", node_kind_to_string(NODE_DEVICE)) && put_copy(o, "address", group->group, "address") &&
            json_put_consume(o, "children", children_array(t, group, NULL, false, true)) >= 0)
                return o;
        (void) json_object_put(o);
        return NULL;
}

static bool put_members(json_object *o, const Node *node) {
        switch (node->kind) {
        case NODE_NUMA:
                return json_put_consume(o, "number", json_object_new_int(node->numa)) >= 0;
        case NODE_PHB:
                return isempty(node->name) ? json_object_object_add(o, "name", NULL) >= 0 : put_text(o, "name", node->name);
        case NODE_BRIDGE:
                return put_text(o, "address", node->name);
        case NODE_GROUP:
                return put_copy(o, "number", node->json, "number") && put_copy(o, "key", node->json, "key") &&
                       put_text(o, "state", group_state(node->json).word ? group_state(node->json).word : "");
        case NODE_DEVICE:
                return put_copy(o, "address", node->json, "address");
        case NODE_MACHINE:
                return put_copy(o, "name", node->json, "name") &&
                       (node->json ? put_copy(o, "uuid", node->json, "uuid") : put_text(o, "uuid", node->name));
        case NODE_TABLE:
                return put_copy(o, "liobn", node->json, "liobn") && put_copy(o, "device", node->json, "device") &&
                       put_copy(o, "placement", node->json, "placement") && put_copy(o, "slow", node->json, "slow");
        case NODE_ROOT:
        case NODE_EMULATED:
        case _NODE_KIND_MAX:
                return true;
        }
        return true;
}

static json_object *node_object(const Topology *t, const Node *node) {
        json_object *o = json_object_new_object(), *first = NULL;
        bool merged = node->kind == NODE_GROUP && node->group;
        bool ok = o && put_text(o, "kind", node_kind_to_string(node->kind)) && put_members(o, node);

        if (ok && merged) {
                first = only_device(t, node);
                ok = first != NULL;
        }
        if (ok && json_put_consume(o, "children", children_array(t, node, first, true, !merged)) >= 0)
                return o;
        (void) json_object_put(o);
        return NULL;
}

json_object *topology_json(const Topology *t) {
        return node_object(t, t->nodes);
}
