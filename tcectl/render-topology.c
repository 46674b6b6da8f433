/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `tcectl topology`: the tree of topology.h, one line for each node, cut where the terminal ends. What a line is about comes first in it, so
 * that only names are lost. A group that has one device shares a line with it. */

#include <inttypes.h>
#include <stdarg.h>

#include "group-view.h"
#include "render-tables.h"
#include "topology.h"
#include "view.h"

/* So much of a line is left to its text, however deep it is. */
#define TEXT_MIN 16U

/* The lines that join nodes, each three columns wide. */
typedef struct Lines {
        const char *branch, *last, *pass, *none;
} Lines;

static const Lines lines_utf8 = { "├─ ", "└─ ", "│  ", "   " };
static const Lines lines_ascii = { "|- ", "`- ", "|  ", "   " };

typedef struct Tree {
        const Topology *t;
        json_object *json;
        const Output *out;
        const Lines *lines;
        bool more[TOPOLOGY_DEPTH_MAX + 2]; /* by level: do siblings follow? */
        unsigned left, gap;                /* columns of the line; blanks that wait */
        int r;
} Tree;

/* Prints a part of the line, cut where that ends; what was cut ends it. Blanks wait for what follows them, so that no line ends with one. */
static void put_part(Tree *tree, Colour colour, char *text) {
        size_t blanks = strspn(text, " \t\n"), length = strlen(text);

        tree->gap += (unsigned) blanks;
        while (length > blanks && strchr(" \t\n", text[length - 1]))
                length--;
        if (length > blanks && tree->left > tree->gap) {
                unsigned after = (unsigned) strlen(text + length);

                text[length] = '\0';
                text_pad(tree->out->f, tree->gap);
                tree->left -= tree->gap;
                if (colour != COLOUR_NONE)
                        output_colour(tree->out, colour);
                if (text_width(text + blanks) > tree->left) {
                        (void) text_put(tree->out->f, text + blanks, tree->left);
                        tree->left = 0;
                } else
                        tree->left -= text_put(tree->out->f, text + blanks, tree->left);
                if (colour != COLOUR_NONE)
                        output_colour(tree->out, COLOUR_NONE);
                tree->gap = after;
        } else if (length > blanks)
                tree->left = 0;
}

static void put(Tree *tree, Colour colour, const char *format, ...) _printf_(3, 4);
static void put(Tree *tree, Colour colour, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0) {
                text = NULL;
                tree->r = -ENOMEM;
                return;
        }
        put_part(tree, colour, text);
}

/* Of a line that is too deep, the outermost levels are left out. */
static void put_lines(Tree *tree, unsigned level) {
        unsigned levels = level, max = tree->out->width > TEXT_MIN ? (tree->out->width - TEXT_MIN) / 3 : 0;

        tree->left = tree->out->width;
        tree->gap = 0;
        if (levels > max)
                levels = max;
        output_colour(tree->out, COLOUR_DIM);
        for (unsigned i = level - levels + 1; i <= level; i++) {
                const char *line = i < level ? (tree->more[i] ? tree->lines->pass : tree->lines->none) :
                                               (tree->more[i] ? tree->lines->branch : tree->lines->last);
                (void) fputs(line, tree->out->f);
                tree->left -= 3;
        }
        output_colour(tree->out, COLOUR_NONE);
}

/* By what matters most, since the end is cut: address, what it is known by here, driver, name. */
static void put_device(Tree *tree, json_object *group, json_object *device, bool below_pf) {
        const char *driver = view_string(device, "driver"), *name = view_string(device, "device_name");
        _cleanup_free_ char *role = NULL;
        int r = device_role(group, device, below_pf, &role);

        if (r < 0) {
                tree->r = r;
                return;
        }
        name = isempty(name) ? view_string(device, "class_name") : name;
        put(tree, COLOUR_BOLD, "%s", view_show(device, "address"));
        put(tree, COLOUR_NONE, "%s%s", *role ? " " : "", role);
        if (!isempty(driver))
                put(tree, COLOUR_NONE, " [%s]", driver);
        put(tree, COLOUR_DIM, "%s%s", isempty(name) ? "" : "  ", isempty(name) ? "" : name);
}

/* A VF whose PF is the line that it hangs below: not where a PF is not told, and it hangs below a bridge. */
static bool is_below_pf(const Topology *t, const Node *node) {
        const Node *up = &t->nodes[node->parent];
        json_object *device = node->kind == NODE_GROUP ? node->group : node->json, *above = up->kind == NODE_GROUP ? up->group : up->json;
        const char *physfn = view_string(device, "physfn");

        return physfn && (up->kind == NODE_GROUP || up->kind == NODE_DEVICE) && streq(physfn, view_show(above, "address"));
}

static void put_machine(Tree *tree, const Node *node) {
        uint64_t pid = machine_pid(node->json);
        const char *state = view_string(node->json, "state");

        put(tree, COLOUR_NONE, "VM ");
        put(tree, COLOUR_BOLD, "%s", node->json ? view_show(node->json, "name") : node->name);
        if (!node->json)
                put(tree, COLOUR_YELLOW, ", which tced does not know");
        if (!isempty(state))
                put(tree, COLOUR_NONE, ", %s", state);
        if (pid > 0)
                put(tree, COLOUR_NONE, ", PID %" PRIu64, pid);
        if (node->first == NODE_NONE && tree->t->nodes[node->parent].kind == NODE_EMULATED)
                put(tree, COLOUR_NONE, ", no tables");
}

/* Where a table is comes before what it is: that is what the tree is looked at for. */
static void put_table(Tree *tree, json_object *table) {
        char window[WINDOW_TEXT_MAX], pages[WINDOW_TEXT_MAX];
        const char *range = window_text(table, window, sizeof(window)), *size = pages_text(table, pages, sizeof(pages));
        Colour colour = table_is_slow(table) ? COLOUR_RED : table_is_kernel(table) ? COLOUR_GREEN : COLOUR_YELLOW;
        uint64_t liobn;

        if (view_u64(table, "liobn", &liobn))
                put(tree, COLOUR_NONE, "table %08" PRIx64 " ", liobn);
        else
                put(tree, COLOUR_NONE, "table - ");
        put(tree, colour, "%s", table_place(table) ? table_place(table) : "-");
        put(tree, COLOUR_NONE, "  %s", view_show(table, "device"));
        if (range)
                put(tree, COLOUR_NONE, ", %s", range);
        if (size)
                put(tree, COLOUR_NONE, ", pages of %s", size);
}

static void put_group(Tree *tree, const Node *node) {
        GroupState state = group_state(node->json);

        put(tree, COLOUR_NONE, "group %s ", SHOWN(show_number(node->json, "number")));
        put(tree, state.colour, "%s", state.word ? state.word : "-");
        if (node->group) {
                put(tree, COLOUR_NONE, "  ");
                put_device(tree, node->json, node->group, is_below_pf(tree->t, node));
        }
}

/* A device tree's name does not tell the PCI domain, by which people know a PHB. */
static void put_phb(Tree *tree, const Node *node) {
        if (isempty(node->name))
                put(tree, COLOUR_BOLD, "No PHB, or several");
        else if (node->name[0] == '/')
                put(tree, COLOUR_BOLD, "PHB %.*s  %s", (int) strcspn(node->key, ":"), node->key, node->name);
        else
                put(tree, COLOUR_BOLD, "%s%s", strncmp(node->name, "PCI domain", 10) == 0 ? "" : "PHB ", node->name);
}

static void put_node(Tree *tree, const Node *node) {
        switch (node->kind) {
        case NODE_NUMA:
                put(tree, COLOUR_BOLD, "NUMA node %d", node->numa);
                return;
        case NODE_PHB:
                put_phb(tree, node);
                return;
        case NODE_BRIDGE:
                put(tree, COLOUR_NONE, "bridge %s", node->name);
                return;
        case NODE_GROUP:
                put_group(tree, node);
                return;
        case NODE_DEVICE:
                put_device(tree, node->group, node->json, is_below_pf(tree->t, node));
                return;
        case NODE_MACHINE:
                put_machine(tree, node);
                return;
        case NODE_TABLE:
                put_table(tree, node->json);
                return;
        case NODE_EMULATED:
                put(tree, COLOUR_BOLD, "Emulated devices, of no group");
                return;
        case NODE_ROOT:
        case _NODE_KIND_MAX:
                return;
        }
}

/* No deeper than TOPOLOGY_DEPTH_MAX. Level 0, the uppermost, has no lines. */
static void put_tree(Tree *tree, const Node *node, unsigned level) {
        for (size_t i = node->first; i != NODE_NONE; i = tree->t->nodes[i].next) {
                const Node *child = &tree->t->nodes[i];

                tree->more[level] = child->next != NODE_NONE;
                put_lines(tree, level);
                put_node(tree, child);
                (void) fputc('\n', tree->out->f);
                put_tree(tree, child, level + 1);
        }
}

/* Text that the locale has no characters for comes out of glyph_at() as "?". */
static const Lines *choose_lines(void) {
        return streq(glyph_at(lines_utf8.branch).bytes, "?") ? &lines_ascii : &lines_utf8;
}

int render_topology(json_object *json, const Output *out) {
        Topology t = {};
        Tree tree = { .t = &t, .json = json, .out = out, .lines = choose_lines() };
        int r = topology_make(json, &t);

        if (r < 0)
                return r;
        if (t.nodes[0].first == NODE_NONE && out->legend)
                (void) fputs("No IOMMU groups and no machines.\n", out->f);
        put_tree(&tree, t.nodes, 0);
        topology_clear(&t);
        return tree.r;
}
