/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who is found by which address, and what is kept of it. */

#include "probe_use.h"

#include <limits.h>

#include "probe_use_internal.h"
#include "util.h"

typedef struct FoundUse {
        char address[ADDRESS_SIZE];
        DeviceUseFact fact;
} FoundUse;

typedef struct UsedDevice {
        char address[ADDRESS_SIZE];
        size_t first, n; /* of the facts */
} UsedDevice;

struct UseFacts {
        DeviceUseFact *facts; /* by address, then by use */
        size_t n_facts;
        UsedDevice *devices;  /* by address */
        size_t n_devices;
};

static const char *const uses[] = {
        [DEVICE_USE_MOUNTED] = "mounted",
        [DEVICE_USE_SWAP] = "swap",
        [DEVICE_USE_DM] = "dm",
        [DEVICE_USE_MD] = "md",
        [DEVICE_USE_LVM] = "lvm",
        [DEVICE_USE_MEMBER] = "member",
        [DEVICE_USE_BRIDGE] = "bridge",
        [DEVICE_USE_BOND] = "bond",
        [DEVICE_USE_PORT] = "port",
        [DEVICE_USE_DEFAULT_ROUTE] = "default-route",
};

const char *device_use_to_string(DeviceUse use) {
        return uses[use];
}

int device_use_from_string(const char *text) {
        return name_lookup(uses, ELEMENTSOF(uses), text);
}

static void fact_clear(DeviceUseFact *fact) {
        free(fact->text);
        free(fact->remedy);
        *fact = (DeviceUseFact){};
}

UseFacts *use_facts_free(UseFacts *facts) {
        if (!facts)
                return NULL;
        for (size_t i = 0; i < facts->n_facts; i++)
                fact_clear(&facts->facts[i]);
        free(facts->facts);
        free(facts->devices);
        free(facts);
        return NULL;
}

DEFINE_POINTER_CLEANUP(UseFacts, use_facts_free, use_facts_freep)

static void collector_clear(UseCollector *c) {
        for (size_t i = 0; i < c->n_found; i++)
                fact_clear(&c->found[i].fact);
        free(c->found);
        (void) fd_close(c->sys);
}

static void add_address(Addresses *a, const char *address) {
        for (size_t i = 0; i < a->n; i++)
                if (streq(a->list[i], address))
                        return;
        if (a->n < ADDRESSES_MAX)
                (void) snprintf(a->list[a->n++], ADDRESS_SIZE, "%s", address);
}

/* A bridge is followed by another device's address; the device, by anything else. One that has a PCI bus of its own (Intel's VMD:
 * "0000:00:0e.0/pci10000:e0/10000:e1:00.0") goes with all that is behind it. */
void addresses_of_path(const char *path, Addresses *a) {
        char before[ADDRESS_SIZE] = "", part[ADDRESS_SIZE];

        for (; *path; path += strspn(path, "/")) {
                size_t n = strcspn(path, "/");
                bool is_address = false;

                if (n > 0 && n < sizeof(part)) {
                        memcpy(part, path, n);
                        part[n] = '\0';
                        is_address = pci_address_valid(part);
                }
                if (*before && !is_address)
                        add_address(a, before);
                before[0] = '\0';
                if (is_address)
                        memcpy(before, part, sizeof(before));
                path += n;
        }
        if (*before)
                add_address(a, before);
}

static int add_one(UseCollector *c, const char *address, DeviceUse use, const char *text, const char *remedy) {
        FoundUse found = { .fact = { .use = use, .text = strdup(text), .remedy = strdup(remedy) } };

        if (!found.fact.text || !found.fact.remedy || ARRAY_RESERVE(c->found, c->found_allocated, c->n_found + 1) < 0) {
                fact_clear(&found.fact);
                return -ENOMEM;
        }
        (void) snprintf(found.address, sizeof(found.address), "%s", address);
        c->found[c->n_found++] = found;
        return 0;
}

/* A VF goes with its PF: the driver that is taken off the PF takes its VFs away. */
static int add_with_physfn(UseCollector *c, const char *address, DeviceUse use, const char *text, const char *remedy) {
        char path[64], target[PATH_MAX];
        const char *name;
        ssize_t n;
        int r = add_one(c, address, use, text, remedy);

        (void) snprintf(path, sizeof(path), "bus/pci/devices/%s/physfn", address);
        n = readlinkat(c->sys, path, target, sizeof(target) - 1);
        if (r < 0 || n < 0)
                return r;
        target[n] = '\0';
        name = strrchr(target, '/');
        name = name ? name + 1 : target;
        return pci_address_valid(name) && strlen(name) < ADDRESS_SIZE ? add_one(c, name, use, text, remedy) : 0;
}

int use_add(UseCollector *c, const Addresses *a, DeviceUse use, const char *text, const char *remedy) {
        int r = 0;

        for (size_t i = 0; i < a->n && r >= 0; i++)
                r = add_with_physfn(c, a->list[i], use, text, remedy);
        return r;
}

static int compare_found(const void *a, const void *b) {
        const FoundUse *x = a, *y = b;
        int r = strcmp(x->address, y->address);

        if (r == 0)
                r = (x->fact.use > y->fact.use) - (x->fact.use < y->fact.use);
        return r != 0 ? r : strcmp(x->fact.text, y->fact.text);
}

static bool same_fact(const DeviceUseFact *a, const DeviceUseFact *b) {
        return a->use == b->use && streq(a->text, b->text);
}

/* Takes what was found over; the same of two VFs is one fact of their PF. In the order of use and text, so that the first of a device, which
 * is what people are told, is the same each time. */
static int settle(UseCollector *c, UseFacts *facts) {
        facts->facts = calloc(c->n_found + 1, sizeof(DeviceUseFact));
        facts->devices = calloc(c->n_found + 1, sizeof(UsedDevice));
        if (!facts->facts || !facts->devices)
                return -ENOMEM;
        if (c->n_found > 1)
                qsort(c->found, c->n_found, sizeof(FoundUse), compare_found);
        for (size_t i = 0; i < c->n_found; i++) {
                UsedDevice *last = facts->n_devices > 0 ? &facts->devices[facts->n_devices - 1] : NULL;

                if (!last || !streq(last->address, c->found[i].address)) {
                        last = &facts->devices[facts->n_devices++];
                        memcpy(last->address, c->found[i].address, sizeof(last->address));
                        last->first = facts->n_facts;
                } else if (same_fact(&facts->facts[facts->n_facts - 1], &c->found[i].fact))
                        continue;
                facts->facts[facts->n_facts++] = c->found[i].fact;
                c->found[i].fact = (DeviceUseFact){};
                last->n++;
        }
        return 0;
}

int use_facts_read(const char *sys, const char *proc, const char *run, const NetFacts *net, UseFacts **ret) {
        _cleanup_(collector_clear) UseCollector c = { .sys = open(sys, O_PATH | O_DIRECTORY | O_CLOEXEC), .proc = proc, .run = run };
        _cleanup_(use_facts_freep) UseFacts *facts = calloc(1, sizeof(UseFacts));
        int r;

        if (!facts)
                return -ENOMEM;
        r = use_add_blocks(&c, sys);
        if (r >= 0)
                r = use_add_links(&c, net);
        if (r >= 0)
                r = settle(&c, facts);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(facts);
        return 0;
}

static int compare_address(const void *key, const void *device) {
        return strcmp(key, ((const UsedDevice *) device)->address);
}

const DeviceUseFact *use_facts_find(const UseFacts *facts, const char *address, size_t *ret_n) {
        const UsedDevice *device = facts && facts->n_devices > 0
                ? bsearch(address, facts->devices, facts->n_devices, sizeof(UsedDevice), compare_address)
                : NULL;

        *ret_n = device ? device->n : 0;
        return device ? &facts->facts[device->first] : NULL;
}
