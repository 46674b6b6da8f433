/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The tree of topology.h as a graph in Graphviz's language, from left to right: PHBs, bridges, groups with their devices, VMs with their
 * tables. NUMA nodes are frames. Each group and each VM is one node with a row for each device or table, so that lines can end at those. */

#include <inttypes.h>
#include <stdarg.h>

#include "group-view.h"
#include "render-tables.h"
#include "topology.h"
#include "view.h"

/* Of a name, this much is shown. */
#define NAME_MAX_SHOWN 40U

/* Light enough for black text in each. Blue is what a VM has, and the VM. */
static const char *fill_of(Colour colour) {
        return colour == COLOUR_GREEN ? "#d5efd8" : colour == COLOUR_RED ? "#f6c9c4" : colour == COLOUR_YELLOW ? "#faecc0" : "#d6e4f5";
}

/* Text in a label of HTML's kind, cut after `max` characters. It is drawn into XML, which has no characters for some. */
static void put_text(FILE *f, const char *text, size_t max) {
        for (const unsigned char *p = (const unsigned char *) text; *p; p++) {
                if ((*p & 0xc0) != 0x80 && max-- == 0) {
                        (void) fputs("…", f);
                        return;
                }
                if (*p == '&' || *p == '<' || *p == '>' || *p == '"')
                        (void) fprintf(f, "&#%u;", *p);
                else if (*p < 0x20 || *p == 0x7f)
                        (void) fputc('?', f);
                else if (p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe) {
                        (void) fputc('?', f); /* U+FFFE, U+FFFF */
                        p += 2;
                } else
                        (void) fputc(*p, f);
        }
}

/* A row's first cell carries the port. */
static void put_row(FILE *f, size_t port, const char *fill, const char *name) {
        (void) fprintf(f, "<tr><td align=\"left\" port=\"p%zu\"%s%s%s>", port, fill ? " bgcolor=\"" : "", fill ? fill : "", fill ? "\"" : "");
        put_text(f, name, NAME_MAX_SHOWN);
}

/* A node with a title and rows. Its port "t" is the title's, where lines to it end. */
static void open_node(FILE *f, size_t i, const char *fill, const char *format, ...) _printf_(4, 5);
static void open_node(FILE *f, size_t i, const char *fill, const char *format, ...) {
        char title[160];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(title, sizeof(title), format, ap);
        va_end(ap);
        (void) fprintf(f, "  n%zu [shape=plain label=<<table border=\"0\" cellborder=\"1\" cellspacing=\"0\" cellpadding=\"5\">"
                       "<tr><td port=\"t\" bgcolor=\"%s\"><b>", i, fill);
        put_text(f, title, sizeof(title));
        (void) fputs("</b></td></tr>", f);
}

static void close_node(FILE *f) {
        (void) fputs("</table>>]\n", f);
}

/* A device's row: address and driver, what it is known by here, what it is called. Lines are aligned left by the break behind each. */
static int put_device(FILE *f, size_t port, json_object *group, json_object *device) {
        const char *name = view_string(device, "device_name"), *driver = view_string(device, "driver");
        _cleanup_free_ char *role = NULL;
        int r = device_role(group, device, false, &role);

        if (r < 0)
                return r;
        put_row(f, port, NULL, view_show(device, "address"));
        if (!isempty(driver)) {
                (void) fputs(" [", f);
                put_text(f, driver, NAME_MAX_SHOWN);
                (void) fputc(']', f);
        }
        if (*role) {
                (void) fputs("<br align=\"left\"/>", f);
                put_text(f, role, 60);
        }
        name = isempty(name) ? view_string(device, "class_name") : name;
        if (!isempty(name)) {
                (void) fputs("<br align=\"left\"/><font color=\"#555555\">", f);
                put_text(f, name, NAME_MAX_SHOWN);
                (void) fputs("</font>", f);
        }
        (void) fputs("<br align=\"left\"/></td></tr>", f);
        return 0;
}

/* The rows of the devices below a node, and of those below them in the same group. */
static int put_devices(FILE *f, const Topology *t, size_t node) {
        int r = 0;

        for (size_t i = t->nodes[node].first; r >= 0 && i != NODE_NONE; i = t->nodes[i].next)
                if (t->nodes[i].kind == NODE_DEVICE) {
                        r = put_device(f, i, t->nodes[i].group, t->nodes[i].json);
                        if (r >= 0)
                                r = put_devices(f, t, i);
                }
        return r;
}

static int put_group(FILE *f, const Topology *t, size_t i) {
        const Node *node = &t->nodes[i];
        GroupState state = group_state(node->json);
        int r;

        open_node(f, i, fill_of(state.colour), "group %s: %.64s", SHOWN(show_number(node->json, "number")), state.word ? state.word : "-");
        r = node->group ? put_device(f, i, node->json, node->group) : put_devices(f, t, i);
        close_node(f);
        return r;
}

static void put_table(FILE *f, size_t i, json_object *table) {
        char window[WINDOW_TEXT_MAX], pages[WINDOW_TEXT_MAX], name[16] = "-";
        const char *range = window_text(table, window, sizeof(window)), *size = pages_text(table, pages, sizeof(pages));
        Colour colour = table_is_slow(table) ? COLOUR_RED : table_is_kernel(table) ? COLOUR_GREEN : COLOUR_YELLOW;
        uint64_t liobn;

        if (view_u64(table, "liobn", &liobn))
                (void) snprintf(name, sizeof(name), "%08" PRIx64, liobn);
        put_row(f, i, fill_of(colour), name);
        (void) fputc(' ', f);
        put_text(f, view_show(table, "device"), NAME_MAX_SHOWN);
        (void) fputs(": ", f);
        put_text(f, table_place(table) ? table_place(table) : "-", NAME_MAX_SHOWN);
        (void) fprintf(f, "<br align=\"left\"/><font color=\"#555555\">%s%s%s</font><br align=\"left\"/></td></tr>", range ? range : "",
                       size ? ", pages of " : "", size ? size : "");
}

/* A machine stands in the tree below each group that it has; here it is one node. */
typedef struct Drawn {
        json_object *json; /* NULL: only the UUID is known */
        const char *name;
        size_t node; /* its place in the tree */
} Drawn;

static int compare_drawn(const void *a, const void *b) {
        const Drawn *x = a, *y = b;
        int r = x->json == y->json ? 0 : (uintptr_t) x->json < (uintptr_t) y->json ? -1 : 1;

        if (r == 0 && !x->json)
                r = strcmp(x->name, y->name);
        return r != 0 ? r : x->node < y->node ? -1 : x->node > y->node;
}

static bool same_machine(const Drawn *a, const Drawn *b) {
        return a->json == b->json && (a->json || streq(a->name, b->name));
}

/* places: where it stands in the tree, n of them; the first lends it its name in the graph. */
static void put_machine(FILE *f, const Topology *t, const Drawn *places, size_t n) {
        const char *state = view_string(places->json, "state");
        uint64_t pid = machine_pid(places->json);

        if (pid > 0)
                open_node(f, places->node, fill_of(COLOUR_NONE), "VM %.64s: %.32s, PID %" PRIu64, view_show(places->json, "name"), state ? state : "-", pid);
        else
                open_node(f, places->node, fill_of(COLOUR_NONE), "VM %.64s: %.32s", places->json ? view_show(places->json, "name") : places->name,
                          state ? state : "not known");
        for (size_t j = 0; j < n; j++)
                for (size_t i = t->nodes[places[j].node].first; i != NODE_NONE; i = t->nodes[i].next)
                        put_table(f, i, t->nodes[i].json);
        close_node(f);
        /* Lines from its groups, to the tables that are theirs. */
        for (size_t j = 0; j < n; j++) {
                const Node *place = &t->nodes[places[j].node];

                if (t->nodes[place->parent].kind != NODE_GROUP)
                        continue;
                if (place->first == NODE_NONE)
                        (void) fprintf(f, "  n%zu:t -> n%zu:t [color=\"#3465a4\"]\n", place->parent, places->node);
                for (size_t i = place->first; i != NODE_NONE; i = t->nodes[i].next)
                        (void) fprintf(f, "  n%zu:t -> n%zu:p%zu [color=\"#3465a4\"]\n", place->parent, places->node, i);
        }
}

static int put_machines(FILE *f, const Topology *t) {
        _cleanup_free_ Drawn *places = calloc(t->n, sizeof(*places));
        size_t n = 0;

        if (!places)
                return -ENOMEM;
        for (size_t i = 0; i < t->n; i++)
                if (t->nodes[i].kind == NODE_MACHINE)
                        places[n++] = (Drawn) { t->nodes[i].json, t->nodes[i].name, i };
        qsort(places, n, sizeof(*places), compare_drawn);
        for (size_t i = 0, end; i < n; i = end) {
                for (end = i + 1; end < n && same_machine(&places[i], &places[end]); end++)
                        ;
                put_machine(f, t, places + i, end - i);
        }
        return 0;
}

/* The end of a line that comes from a node: the device that has a row in its group's node. */
static void put_end(FILE *f, const Topology *t, size_t i) {
        size_t up = i;

        if (t->nodes[i].kind == NODE_GROUP)
                (void) fprintf(f, "n%zu:p%zu", i, i);
        else if (t->nodes[i].kind == NODE_DEVICE) {
                while (t->nodes[up].kind == NODE_DEVICE)
                        up = t->nodes[up].parent;
                (void) fprintf(f, "n%zu:p%zu", up, i);
        } else
                (void) fprintf(f, "n%zu", i);
}

/* From what it hangs below; a VF's line to its PF is dashed. */
static void put_edge(FILE *f, const Topology *t, size_t i) {
        const Node *node = &t->nodes[i];
        NodeKind above = t->nodes[node->parent].kind;
        bool is_vf = node->group && node->kind == NODE_GROUP && !isempty(view_string(node->group, "physfn"));

        if ((node->kind != NODE_GROUP && node->kind != NODE_BRIDGE) || above == NODE_ROOT || above == NODE_NUMA)
                return;
        (void) fputs("  ", f);
        put_end(f, t, node->parent);
        (void) fprintf(f, " -> n%zu%s%s\n", i, node->kind == NODE_GROUP ? ":t" : "", is_vf && above != NODE_PHB ? " [style=dashed]" : "");
}

static void put_phb(FILE *f, size_t i, const Node *node) {
        (void) fprintf(f, "  n%zu [shape=box style=\"rounded,filled\" fillcolor=\"#e6e0f0\" label=<<b>", i);
        if (isempty(node->name))
                (void) fputs("No PHB, or several</b>", f);
        else if (node->name[0] == '/') {
                char domain[32];

                (void) snprintf(domain, sizeof(domain), "PHB %.*s", (int) strcspn(node->key, ":"), node->key);
                put_text(f, domain, NAME_MAX_SHOWN);
                (void) fputs("</b><br/>", f);
        } else
                (void) fputs("PHB</b><br/>", f);
        put_text(f, node->name, NAME_MAX_SHOWN);
        (void) fputs(">]\n", f);
}

/* The last child first: dot draws what comes first at the bottom. */
static int put_tree(FILE *f, const Topology *t, size_t parent) {
        int r = 0;

        for (size_t i = t->nodes[parent].last; r >= 0 && i != NODE_NONE; i = t->nodes[i].before) {
                const Node *node = &t->nodes[i];

                if (node->kind == NODE_NUMA)
                        (void) fprintf(f, "  subgraph cluster_%zu {\n  label=\"NUMA node %d\"; style=rounded; color=\"#888888\"\n", i, node->numa);
                else if (node->kind == NODE_PHB)
                        put_phb(f, i, node);
                else if (node->kind == NODE_BRIDGE) {
                        (void) fprintf(f, "  n%zu [shape=box label=<bridge<br/>", i);
                        put_text(f, node->name, NAME_MAX_SHOWN);
                        (void) fputs(">]\n", f);
                } else if (node->kind == NODE_GROUP)
                        r = put_group(f, t, i);
                if (r >= 0 && node->kind != NODE_MACHINE && node->kind != NODE_EMULATED)
                        r = put_tree(f, t, i);
                put_edge(f, t, i);
                if (node->kind == NODE_NUMA)
                        (void) fputs("  }\n", f);
        }
        return r;
}

int render_topology_dot(json_object *json, FILE *f) {
        Topology t = {};
        int r = topology_make(json, &t);

        if (r < 0)
                return r;
        (void) fputs("digraph topology {\n"
                     "  rankdir=LR; ranksep=0.6; nodesep=0.15; fontname=\"sans-serif\"; fontsize=12\n"
                     "  node [fontname=\"sans-serif\" fontsize=10]\n"
                     "  edge [arrowhead=none color=\"#666666\"]\n", f);
        r = put_tree(f, &t, 0);
        if (r >= 0)
                r = put_machines(f, &t);
        (void) fputs("}\n", f);
        topology_clear(&t);
        return r;
}
