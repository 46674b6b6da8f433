/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* IOMMU groups out of a host's JSON. A group is counted before it is read: what is half made when something is wrong is freed
 * with the rest. */

#include "facts_json_internal.h"

#include <limits.h>

#include "util.h"

static int read_device_ids(const JsonPlace *at, DeviceFacts *d) {
        uint32_t vendor = 0, device = 0;
        int r = json_read_u32(at, "class", 0xffffff, &d->class_code);

        if (r >= 0)
                r = json_read_u32(at, "vendor", UINT16_MAX, &vendor);
        if (r >= 0)
                r = json_read_u32(at, "device", UINT16_MAX, &device);
        d->vendor = (uint16_t) vendor;
        d->device = (uint16_t) device;
        d->is_pci = vendor > 0; /* where it is not said */
        return r < 0 ? r : json_read_bool(at, "is_pci", &d->is_pci);
}

static int add_interface(const JsonPlace *item, char **list) {
        const char *name = json_object_get_string(item->value);
        char *longer;

        if (asprintf(&longer, "%s%s%s", *list ? *list : "", *list ? " " : "", name) < 0)
                return -ENOMEM;
        free(*list);
        *list = longer;
        return 0;
}

static int read_interfaces(const JsonPlace *at, char **ret) {
        JsonPlace array, item;
        int r = json_read_member(at, "interfaces", json_type_array, &array);

        for (size_t i = 0, n = r > 0 ? json_read_length(&array) : 0; r >= 0 && i < n; i++) {
                r = json_read_item(&array, i, json_type_string, &item);
                if (r >= 0)
                        r = add_interface(&item, ret);
        }
        return r;
}

static int read_topology(const JsonPlace *at, DeviceFacts *d) {
        int r = read_interfaces(at, &d->interfaces);

        if (r >= 0)
                r = json_read_copy(at, "mac", &d->mac);
        if (r >= 0)
                r = json_read_copy(at, "bridge", &d->bridge);
        if (r >= 0)
                r = json_read_copy(at, "physfn", &d->physfn);
        if (r >= 0)
                r = json_read_int(at, "vf", -1, UINT16_MAX, &d->vf);
        if (r >= 0)
                r = json_read_u32(at, "vfs", UINT16_MAX, &d->vfs);
        return r < 0 ? r : json_read_u32(at, "vfs_max", UINT16_MAX, &d->vfs_max);
}

/* Into the group, half-made as it may be: vfio_facts_clear() frees it. */
static int read_device(const JsonPlace *at, void *userdata) {
        GroupFacts *g = userdata;
        DeviceFacts *d = &g->devices[g->n_devices++];
        int r = json_read_copy(at, "address", &d->address);

        d->numa_node = d->vf = -1;
        if (r == 0)
                return json_read_fail(at, "address", "it is missing");
        if (r >= 0)
                r = read_device_ids(at, d);
        if (r >= 0)
                r = json_read_copy(at, "class_name", &d->class_name);
        if (r >= 0)
                r = json_read_copy(at, "vendor_name", &d->vendor_name);
        if (r >= 0)
                r = json_read_copy(at, "device_name", &d->device_name);
        if (r >= 0)
                r = json_read_copy(at, "driver", &d->driver);
        if (r >= 0)
                r = json_read_int(at, "numa_node", -1, INT_MAX, &d->numa_node);
        if (r >= 0)
                r = json_read_bool(at, "nvlink2", &d->nvlink2);
        return r < 0 ? r : read_topology(at, d);
}

static int read_devices(const JsonPlace *at, GroupFacts *g) {
        JsonPlace array;
        int r = json_read_member(at, "devices", json_type_array, &array);

        if (r <= 0 || json_read_length(&array) == 0)
                return r;
        g->devices = calloc(json_read_length(&array), sizeof(*g->devices));
        if (!g->devices)
                return -ENOMEM;
        return json_read_each(at, "devices", read_device, g);
}

static int read_page_sizes(const JsonPlace *at, uint64_t *ret) {
        JsonPlace array, item;
        int r = json_read_member(at, "page_sizes", json_type_array, &array);

        for (size_t i = 0, n = r > 0 ? json_read_length(&array) : 0; r >= 0 && i < n; i++) {
                r = json_read_item(&array, i, json_type_int, &item);
                if (r < 0)
                        return r;
                if (json_object_get_int64(item.value) <= 0 || !is_power_of_two(json_object_get_uint64(item.value)))
                        return json_read_fail(&item, NULL, "a power of two is expected");
                *ret |= json_object_get_uint64(item.value);
        }
        return r;
}

static int read_window(const JsonPlace *at, const char *key, uint64_t *ret_start, uint64_t *ret_size) {
        JsonPlace window;
        int r = json_read_member(at, key, json_type_object, &window);

        if (r > 0)
                r = json_read_number(&window, "start", UINT64_MAX, ret_start);
        return r > 0 ? json_read_number(&window, "size", UINT64_MAX, ret_size) : r;
}

static int read_window_proof(const JsonPlace *group, GroupFacts *g) {
        WindowProof *p;
        JsonPlace at;
        int r = json_read_member(group, "windows_proven", json_type_object, &at);

        if (r <= 0)
                return r;
        p = g->window_proof = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        r = facts_read_outcome(&at, &p->ddw);
        if (r >= 0)
                r = read_window(&at, "dma32", &p->dma32_start, &p->dma32_size);
        if (r >= 0)
                r = read_page_sizes(&at, &p->page_sizes);
        if (r >= 0)
                r = json_read_u32(&at, "max_windows", UINT32_MAX, &p->max_windows);
        if (r >= 0)
                r = json_read_u32(&at, "levels", UINT32_MAX, &p->levels);
        if (r >= 0 && streq(p->ddw.why, WINDOWS_NOT_ASKED)) {
                free(p);
                g->window_proof = NULL;
        }
        return r;
}

static int read_windows(const JsonPlace *at, GroupFacts *g) {
        bool ddw;
        int r = read_window(at, "dma32_window", &g->dma32_start, &g->dma32_size);

        if (r >= 0)
                r = read_page_sizes(at, &g->page_sizes);
        if (r >= 0)
                r = json_read_bool(at, "ddw", &ddw);
        if (r > 0)
                g->ddw = ddw;
        if (r >= 0)
                r = read_window_proof(at, g);
        return r < 0 ? r : json_read_copy(at, "windows_why", &g->windows_why);
}

/* A word that is not known here leaves it to "viable". */
static int read_viability(const JsonPlace *at, GroupFacts *g) {
        int viability = GROUP_NOT_BOUND;
        bool viable = false;
        int r = json_read_bool(at, "viable", &viable);

        if (viable)
                viability = GROUP_VIABLE;
        if (r >= 0)
                r = json_read_word(at, "viability", group_viability_from_string, &viability);
        g->viability = (GroupViability) viability;
        return r < 0 ? r : json_read_copy(at, "why", &g->viability_why);
}

/* Texts that are never NULL elsewhere. */
static int complete_group(GroupFacts *g) {
        if (!g->viability_why)
                g->viability_why = strdup(g->viability == GROUP_VIABLE ? "" : "why is not told");
        if (!g->windows_why)
                g->windows_why = strdup("not told");
        return g->viability_why && g->windows_why ? 0 : -ENOMEM;
}

static int read_group(const JsonPlace *at, void *userdata) {
        HostFacts *f = userdata;
        GroupFacts *g = &f->vfio.groups[f->vfio.n_groups];
        uint32_t number;
        int r;

        g->ddw = g->numa_node = -1;
        f->vfio.n_groups++;
        r = json_read_u32(at, "number", INT32_MAX, &number);
        if (r <= 0)
                return r < 0 ? r : json_read_fail(at, "number", "it is missing");
        g->number = number;
        r = json_read_copy(at, "name", &g->name);
        if (r >= 0)
                r = json_read_copy(at, "phb", &g->phb);
        if (r >= 0)
                r = json_read_int(at, "numa_node", -1, INT_MAX, &g->numa_node);
        if (r >= 0)
                r = read_viability(at, g);
        if (r >= 0)
                r = read_windows(at, g);
        if (r >= 0)
                r = read_devices(at, g);
        if (r >= 0)
                r = json_read_copy(at, "holder", &f->holders[f->vfio.n_groups - 1]);
        return r < 0 ? r : complete_group(g);
}

/* A group and who has it, to be put in order together. */
typedef struct HeldGroup {
        GroupFacts group;
        char *holder;
} HeldGroup;

static int compare_groups(const void *a, const void *b) {
        unsigned p = ((const HeldGroup *) a)->group.number, q = ((const HeldGroup *) b)->group.number;

        return (p > q) - (p < q);
}

/* By number, as vfio_facts_find_group() searches; a number that is there twice names no group. */
static int sort_groups(const JsonPlace *document, HostFacts *f) {
        size_t n = f->vfio.n_groups;
        _cleanup_free_ HeldGroup *held = n > 1 ? calloc(n, sizeof(*held)) : NULL;

        if (n <= 1)
                return 0;
        if (!held)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                held[i] = (HeldGroup) { f->vfio.groups[i], f->holders[i] };
        qsort(held, n, sizeof(*held), compare_groups);
        for (size_t i = 0; i < n; i++) {
                f->vfio.groups[i] = held[i].group;
                f->holders[i] = held[i].holder;
        }
        for (size_t i = 1; i < n; i++)
                if (f->vfio.groups[i].number == f->vfio.groups[i - 1].number)
                        return json_read_fail(document, "groups", "number %u is there twice", f->vfio.groups[i].number);
        return 0;
}

int facts_read_groups(const JsonPlace *document, HostFacts *f) {
        JsonPlace array;
        size_t n;
        int r = json_read_member(document, "groups", json_type_array, &array);

        n = r > 0 ? json_read_length(&array) : 0;
        if (n == 0)
                return r;
        f->vfio.groups = calloc(n, sizeof(*f->vfio.groups));
        f->holders = calloc(n, sizeof(*f->holders));
        if (!f->vfio.groups || !f->holders)
                return -ENOMEM;
        r = json_read_each(document, "groups", read_group, f);
        return r < 0 ? r : sort_groups(document, f);
}
