/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The values of facts.h: their names, how they are compared and freed, and the two facts that a kernel's version tells. */

#include "facts.h"

#include <stdarg.h>

#include "build-config.h"
#include "kernel_version.h"
#include "kvm-abi.h"
#include "names.h"
#include "util.h"

static const char *const proof_names[] = {
        [PROOF_UNKNOWN] = "unknown",
        [PROOF_NO] = "no",
        [PROOF_YES] = "yes",
};
_Static_assert(ELEMENTSOF(proof_names) == _PROOF_MAX, "a name for each");

const char *proof_to_string(Proof proof) {
        return proof_names[proof];
}

int proof_from_string(const char *text) {
        return name_lookup(proof_names, ELEMENTSOF(proof_names), text);
}

/* What does not fit is cut: a reason is for people, and one that is long is none. */
void outcome_set(Outcome *o, Proof proof, const char *format, ...) {
        va_list ap;
        size_t length;

        o->proof = proof;
        va_start(ap, format);
        (void) vsnprintf(o->why, sizeof(o->why), format, ap);
        va_end(ap);
        /* It is copied whole, and sent through pipes: nothing of a stack is to go with it. */
        length = strlen(utf8_mend(o->why));
        memset(o->why + length, 0, sizeof(o->why) - length);
}

static bool text_valid(const char *text, size_t size) {
        return memchr(text, '\0', size) && utf8_valid(text);
}

static bool outcome_valid(const Outcome *o) {
        return (unsigned) o->proof < _PROOF_MAX && text_valid(o->why, sizeof(o->why));
}

bool kvm_facts_valid(const KvmFacts *f) {
        bool valid = outcome_valid(&f->vm) && outcome_valid(&f->range_check) && text_valid(f->release, sizeof(f->release)) &&
                     text_valid(f->version, sizeof(f->version)) && text_valid(f->machine, sizeof(f->machine));

        for (int i = 0; i < _VM_TYPE_MAX; i++)
                valid = valid && outcome_valid(&f->vm_type[i]);
        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++)
                valid = valid && outcome_valid(&f->capability[i].proven);
        return valid;
}

bool window_proof_valid(const WindowProof *p) {
        return outcome_valid(&p->ddw);
}

/* The names are the kernel's own (include/uapi/linux/kvm.h): what an administrator finds when he searches for them. */
static const struct {
        const char *name;
        unsigned number;
} capabilities[] = {
        [KVM_CAPABILITY_TCE] = { "KVM_CAP_SPAPR_TCE", KVM_CAP_SPAPR_TCE },
        [KVM_CAPABILITY_TCE_64] = { "KVM_CAP_SPAPR_TCE_64", KVM_CAP_SPAPR_TCE_64 },
        [KVM_CAPABILITY_TCE_VFIO] = { "KVM_CAP_SPAPR_TCE_VFIO", KVM_CAP_SPAPR_TCE_VFIO },
        [KVM_CAPABILITY_MULTITCE] = { "KVM_CAP_SPAPR_MULTITCE", KVM_CAP_SPAPR_MULTITCE },
};
_Static_assert(ELEMENTSOF(capabilities) == _KVM_CAPABILITY_MAX, "a name for each");

const char *kvm_capability_to_string(KvmCapability capability) {
        return capabilities[capability].name;
}

unsigned kvm_capability_number(KvmCapability capability) {
        return capabilities[capability].number;
}

const char *vm_type_to_string(VmType type) {
        static const char *const names[] = {
                [VM_TYPE_HV] = "HV",
                [VM_TYPE_PR] = "PR",
        };
        _Static_assert(ELEMENTSOF(names) == _VM_TYPE_MAX, "a name for each");

        return names[type];
}

static const struct {
        const char *name, *path;
} adapter_parts[] = {
        [ADAPTER_WRAPPER] = { "wrapper", TCED_QEMU_WRAPPER },
        [ADAPTER_QEMU] = { "qemu", TCED_QEMU_PROGRAM },
        [ADAPTER_LIBRARY] = { "library", TCED_QEMU_LIBRARY },
        [ADAPTER_SOCKET] = { "socket", TCED_SOCKET },
};
_Static_assert(ELEMENTSOF(adapter_parts) == _ADAPTER_PART_MAX, "a name for each");

const char *adapter_part_to_string(AdapterPart part) {
        return adapter_parts[part].name;
}

const char *adapter_part_path(AdapterPart part) {
        return adapter_parts[part].path;
}

static const char *const adapter_rules_names[] = {
        [ADAPTER_RULES_UNKNOWN] = "unknown",
        [ADAPTER_RULES_UNNEEDED] = "unneeded",
        [ADAPTER_RULES_READY] = "ready",
        [ADAPTER_RULES_MISSING] = "missing",
        [ADAPTER_RULES_NOT_INCLUDED] = "not-included",
};
_Static_assert(ELEMENTSOF(adapter_rules_names) == _ADAPTER_RULES_MAX, "a name for each");

const char *adapter_rules_to_string(AdapterRules rules) {
        return adapter_rules_names[rules];
}

int adapter_rules_from_string(const char *text) {
        return name_lookup(adapter_rules_names, ELEMENTSOF(adapter_rules_names), text);
}

static const char *const viability_names[] = {
        [GROUP_VIABLE] = "viable",
        [GROUP_EMPTY] = "empty",
        [GROUP_NOT_BOUND] = "not-bound",
        [GROUP_PARTIAL] = "partial",
        [GROUP_VFIO_BROKEN] = "vfio-broken",
};
_Static_assert(ELEMENTSOF(viability_names) == _GROUP_VIABILITY_MAX, "a name for each");

static const char *const platform_names[_PLATFORM_MAX] = {
        [PLATFORM_OTHER] = "other",
        [PLATFORM_POWERNV] = "powernv",
        [PLATFORM_PSERIES] = "pseries",
};

const char *platform_to_string(Platform platform) {
        return platform_names[platform];
}

int platform_from_string(const char *text) {
        return name_lookup(platform_names, ELEMENTSOF(platform_names), text);
}

const char *group_viability_to_string(GroupViability viability) {
        return viability_names[viability];
}

int group_viability_from_string(const char *text) {
        return name_lookup(viability_names, ELEMENTSOF(viability_names), text);
}

/* An answer of 1 for one of another platform's would be worth seeing, so these are all. */
static const VfioExtensionFact extensions[] = {
        { VFIO_EXT_TYPE1, "VFIO_TYPE1_IOMMU", 0 },
        { VFIO_EXT_SPAPR_TCE, "VFIO_SPAPR_TCE_IOMMU", 0 },
        { VFIO_EXT_TYPE1V2, "VFIO_TYPE1v2_IOMMU", 0 },
        { VFIO_EXT_DMA_CC, "VFIO_DMA_CC_IOMMU", 0 },
        { VFIO_EXT_EEH, "VFIO_EEH", 0 },
        { VFIO_EXT_TYPE1_NESTING, "VFIO_TYPE1_NESTING_IOMMU", 0 },
        { VFIO_EXT_SPAPR_TCE_V2, "VFIO_SPAPR_TCE_v2_IOMMU", 0 },
        { VFIO_EXT_NOIOMMU, "VFIO_NOIOMMU_IOMMU", 0 },
        { VFIO_EXT_UNMAP_ALL, "VFIO_UNMAP_ALL", 0 },
};
_Static_assert(ELEMENTSOF(extensions) == VFIO_EXTENSIONS_MAX, "all that there are");

void vfio_facts_set_extensions(VfioFacts *f) {
        memcpy(f->extension, extensions, sizeof(extensions));
}

void device_facts_clear(DeviceFacts *d) {
        free(d->address);
        free(d->interfaces);
        free(d->mac);
        free(d->bridge);
        free(d->physfn);
        free(d->vendor_name);
        free(d->device_name);
        free(d->class_name);
        free(d->driver);
        *d = (DeviceFacts) {};
}

void group_facts_clear(GroupFacts *g) {
        for (size_t i = 0; i < g->n_devices && !g->one_block; i++)
                device_facts_clear(&g->devices[i]);
        free(g->devices);
        if (!g->one_block) {
                free(g->name);
                free(g->phb);
                free(g->viability_why);
                free(g->windows_why);
        }
        free(g->window_proof);
        *g = (GroupFacts){};
}

/* Where texts go in the copy: NULL while it is only counted how long they are. */
typedef struct Block {
        char *text;
        size_t used;
} Block;

/* Of a device most are those of the one before it, which may be the same text then. */
static void copy_text(Block *b, char *const *from, char **to, char *const *from_before, char *const *to_before) {
        size_t size;

        if (!*from)
                return;
        if (from_before && *from_before && streq(*from, *from_before)) {
                if (b->text)
                        *to = *to_before;
                return;
        }
        size = strlen(*from) + 1;
        if (b->text)
                *to = memcpy(b->text + b->used, *from, size);
        b->used += size;
}

static void copy_group_texts(Block *b, const GroupFacts *from, GroupFacts *to) {
        copy_text(b, &from->name, &to->name, NULL, NULL);
        copy_text(b, &from->phb, &to->phb, NULL, NULL);
        copy_text(b, &from->viability_why, &to->viability_why, NULL, NULL);
        copy_text(b, &from->windows_why, &to->windows_why, NULL, NULL);
}

static void copy_device_texts(Block *b, const DeviceFacts *from, DeviceFacts *to, bool first) {
        const DeviceFacts *from_before = first ? NULL : from - 1, *to_before = first ? NULL : to - 1;

#define COPY(member) copy_text(b, &from->member, &to->member, first ? NULL : &from_before->member, first ? NULL : &to_before->member)
        COPY(address);
        COPY(vendor_name);
        COPY(device_name);
        COPY(class_name);
        COPY(driver);
        COPY(interfaces);
        COPY(mac);
        COPY(bridge);
        COPY(physfn);
#undef COPY
}

static void copy_texts(Block *b, const GroupFacts *from, GroupFacts *to) {
        copy_group_texts(b, from, to);
        for (size_t i = 0; i < from->n_devices; i++)
                copy_device_texts(b, &from->devices[i], &to->devices[i], i == 0);
}

int group_facts_copy(const GroupFacts *g, GroupFacts *ret) {
        GroupFacts copy = *g;
        Block block = {};
        size_t devices = g->n_devices * sizeof(*g->devices);

        copy_texts(&block, g, &copy);
        copy.devices = malloc(devices + block.used + 1);
        if (!copy.devices)
                return -ENOMEM;
        if (devices > 0)
                memcpy(copy.devices, g->devices, devices);
        block = (Block) { .text = (char *) copy.devices + devices };
        copy_texts(&block, g, &copy);
        copy.window_proof = NULL;
        copy.one_block = true;
        *ret = copy;
        return 0;
}

void vfio_facts_clear(VfioFacts *f) {
        for (size_t i = 0; i < f->n_groups; i++)
                group_facts_clear(&f->groups[i]);
        free(f->groups);
        *f = (VfioFacts){};
}

/* Groups are in order of their numbers, and there may be thousands: one for each virtual function. */
const GroupFacts *vfio_facts_find_group(const VfioFacts *f, unsigned number) {
        size_t low = 0, high = f->n_groups;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (f->groups[middle].number == number)
                        return &f->groups[middle];
                if (f->groups[middle].number < number)
                        low = middle + 1;
                else
                        high = middle;
        }
        return NULL;
}

/* A search through all: asked for by people and once for each device of a domain, not in a loop. Of 16,384 groups it takes 40 µs; addresses in order
 * would take 560 µs, with each device that comes or goes. */
const GroupFacts *vfio_facts_find_device(const VfioFacts *f, const char *address) {
        for (size_t i = 0; i < f->n_groups; i++)
                for (size_t j = 0; j < f->groups[i].n_devices; j++)
                        if (streq(f->groups[i].devices[j].address, address))
                                return &f->groups[i];
        return NULL;
}

/* NULL is a value: the kernel said nothing. */
static bool same_text(const char *a, const char *b) {
        return a && b ? streq(a, b) : a == b;
}

bool device_is_on_vfio(const DeviceFacts *d) {
        return d->driver && strstr(d->driver, "vfio");
}

bool device_blocks_group(const DeviceFacts *d) {
        return d->driver && !device_is_on_vfio(d) && !streq(d->driver, "pci-stub") && !streq(d->driver, "pcieport");
}

const char *group_facts_key(const GroupFacts *g) {
        return g->n_devices > 0 ? g->devices[0].address : "";
}

const char *device_facts_identity(const DeviceFacts *d, char buf[DEVICE_IDENTITY_MAX]) {
        (void) snprintf(buf, DEVICE_IDENTITY_MAX, "%.40s %04x:%04x", d->address, d->vendor, d->device);
        return buf;
}

bool group_facts_has_identity(const GroupFacts *g, const char *identity) {
        char buf[DEVICE_IDENTITY_MAX];

        for (size_t i = 0; i < g->n_devices; i++)
                if (streq(device_facts_identity(&g->devices[i], buf), identity))
                        return true;
        return false;
}

bool group_facts_same_devices(const GroupFacts *a, const GroupFacts *b) {
        if (a->n_devices != b->n_devices)
                return false;
        for (size_t i = 0; i < a->n_devices; i++) {
                const DeviceFacts *p = &a->devices[i], *q = &b->devices[i];
                /* Another card in the same slot is another device: what was granted for the old one is void. */
                if (!streq(p->address, q->address) || p->vendor != q->vendor || p->device != q->device ||
                    p->class_code != q->class_code)
                        return false;
        }
        return true;
}

/* What may change while the device stays the one it is. */
static bool device_facts_equal(const DeviceFacts *a, const DeviceFacts *b) {
        return same_text(a->vendor_name, b->vendor_name) && same_text(a->device_name, b->device_name) &&
               same_text(a->class_name, b->class_name) && same_text(a->driver, b->driver) &&
               a->numa_node == b->numa_node && a->is_pci == b->is_pci && a->nvlink2 == b->nvlink2;
}

static bool device_links_equal(const DeviceFacts *a, const DeviceFacts *b) {
        return same_text(a->interfaces, b->interfaces) && same_text(a->mac, b->mac) && same_text(a->bridge, b->bridge) &&
               same_text(a->physfn, b->physfn) && a->vf == b->vf && a->vfs == b->vfs && a->vfs_max == b->vfs_max;
}

static bool windows_equal(const GroupFacts *a, const GroupFacts *b) {
        return a->dma32_start == b->dma32_start && a->dma32_size == b->dma32_size &&
               a->page_sizes == b->page_sizes && a->ddw == b->ddw && same_text(a->windows_why, b->windows_why);
}

static bool proofs_equal(const WindowProof *a, const WindowProof *b) {
        if (!a || !b)
                return a == b;
        return a->ddw.proof == b->ddw.proof && streq(a->ddw.why, b->ddw.why) && a->dma32_start == b->dma32_start &&
               a->dma32_size == b->dma32_size && a->page_sizes == b->page_sizes && a->max_windows == b->max_windows &&
               a->levels == b->levels && a->running == b->running;
}

int group_facts_keep_proof(GroupFacts *now, const GroupFacts *before) {
        if (!before->window_proof || !group_facts_same_devices(now, before))
                return 0;
        if (!now->window_proof)
                now->window_proof = malloc(sizeof(*now->window_proof));
        if (!now->window_proof)
                return -ENOMEM;
        *now->window_proof = *before->window_proof;
        return 0;
}

int vfio_facts_keep_proofs(VfioFacts *now, const VfioFacts *before) {
        for (size_t i = 0; i < now->n_groups; i++) {
                const GroupFacts *g = vfio_facts_find_group(before, now->groups[i].number);
                int r = g ? group_facts_keep_proof(&now->groups[i], g) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

const WindowProof *group_window_proof(const GroupFacts *g) {
        static const WindowProof none = { .ddw = { PROOF_UNKNOWN, WINDOWS_NOT_ASKED } };

        return g->window_proof ? g->window_proof : &none;
}

uint64_t group_page_sizes(const GroupFacts *g) {
        if (!g)
                return 0;
        return g->window_proof && g->window_proof->page_sizes ? g->window_proof->page_sizes : g->page_sizes;
}

unsigned group_facts_changes(const GroupFacts *a, const GroupFacts *b) {
        unsigned changes = 0;

        if (!same_text(a->phb, b->phb) || a->numa_node != b->numa_node)
                changes |= GROUP_CHANGE_PLACE;
        for (size_t i = 0; i < a->n_devices && i < b->n_devices; i++) {
                if (!device_facts_equal(&a->devices[i], &b->devices[i]))
                        changes |= GROUP_CHANGE_DEVICES;
                if (!device_links_equal(&a->devices[i], &b->devices[i]))
                        changes |= GROUP_CHANGE_LINKS;
        }
        if (a->viability != b->viability || !same_text(a->viability_why, b->viability_why))
                changes |= GROUP_CHANGE_VIABILITY;
        if (!windows_equal(a, b))
                changes |= GROUP_CHANGE_WINDOWS;
        if (!proofs_equal(a->window_proof, b->window_proof))
                changes |= GROUP_CHANGE_PROOF;
        return changes;
}

bool group_facts_equal(const GroupFacts *a, const GroupFacts *b) {
        return a->number == b->number && same_text(a->name, b->name) && group_facts_same_devices(a, b) && group_facts_changes(a, b) == 0;
}

/* KVM may not be loaded yet, or not be open to us, so that what it declares can't be all. */
bool facts_host_has_tce(const KvmFacts *kvm) {
        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++)
                if (kvm->capability[i].declared)
                        return true;
        return strncmp(kvm->machine, "ppc64", 5) == 0;
}

Proof facts_range_check_by_version(const char *release, const char *version) {
        /* Never NO, as distributions backport. 0b271f7d7f5e came late in 7.3's cycle: of its candidates only rc7 was looked at,
         * and a vCPU showed that it has the check. The stable series are those whose Debian changelogs name the fix, from the first
         * release that is known to have it. */
        static const KernelVersion mainline = { 7, 3, 0, 7 }, stable[] = { { 6, 12, 113, 0 }, { 6, 1, 190, 0 } };
        KernelVersion v;

        if (kernel_version_parse(release, version, &v) < 0)
                return PROOF_UNKNOWN;
        if (kernel_version_compare(&v, &mainline) >= 0)
                return PROOF_YES;
        for (size_t i = 0; i < ELEMENTSOF(stable); i++)
                if (v.major == stable[i].major && v.minor == stable[i].minor && v.patch >= stable[i].patch)
                        return PROOF_YES;
        return PROOF_UNKNOWN;
}

/* From the first candidate of 5.19 to the last of 6.3. Red Hat's and others' backports are not told by their version: for them
 * there is what the groups show (GROUP_VFIO_BROKEN). */
bool facts_vfio_broken_by_version(const char *release, const char *version) {
        static const KernelVersion first = { 5, 19, 0, 1 }, fixed = { 6, 4, 0, 1 };
        KernelVersion v;

        return kernel_version_parse(release, version, &v) == 0 && kernel_version_compare(&v, &first) >= 0 &&
               kernel_version_compare(&v, &fixed) < 0;
}
