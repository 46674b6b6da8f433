/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The way back from describe.c. The file comes from outside: types and ranges are looked at, and nothing here asserts. */

#include "facts_json.h"

#include <limits.h>

#include "facts_json_internal.h"
#include "util.h"

/* `{`, `[` and `,` in the file: less than a gigabyte of memory at the very worst. 16,384 groups have some 600,000. */
#define PARTS_MAX 2000000U

#define PAGE_SIZE_MIN UINT64_C(4096)
#define PAGE_SIZE_MAX (UINT64_C(1) << 30)

DEFINE_POINTER_CLEANUP(struct json_object, json_object_put, json_putp)

void host_facts_clear(HostFacts *f) {
        for (size_t i = 0; f->holders && i < f->vfio.n_groups; i++)
                free(f->holders[i]);
        free(f->holders);
        vfio_facts_clear(&f->vfio);
        rules_clear(&f->rules);
        *f = (HostFacts) {};
}

/* What does not fit is cut: such texts are for people, but for the kernel's version, which is short. */
static int read_text(const JsonPlace *at, const char *key, char *text, size_t size) {
        const char *value;
        int r = json_read_string(at, key, &value);

        if (r > 0)
                (void) snprintf(text, size, "%s", value);
        return r;
}

/* The errno whose text this is. It is printed in the C locale; what nobody knows is an error all the same. */
static int read_error(const JsonPlace *at, int *ret) {
        const char *text;
        int r = json_read_string(at, "error", &text);

        if (r <= 0)
                return r;
        for (int e = 1; e < 256; e++)
                if (streq(strerror(e), text)) {
                        *ret = e;
                        return 1;
                }
        *ret = EIO;
        return 1;
}

int facts_read_outcome(const JsonPlace *at, Outcome *ret) {
        int proof = PROOF_UNKNOWN, r;

        r = json_read_word(at, "proven", proof_from_string, &proof);
        if (r < 0)
                return r;
        outcome_set(ret, (Proof) proof, "%s", "not told");
        return read_text(at, "why", ret->why, sizeof(ret->why));
}

/* The same in an object of its own. */
static int read_outcome_member(const JsonPlace *at, const char *key, Outcome *ret) {
        JsonPlace place;
        int r = json_read_member(at, key, json_type_object, &place);

        return r > 0 ? facts_read_outcome(&place, ret) : r;
}

static int read_vm_type(const JsonPlace *at, void *userdata) {
        KvmFacts *kvm = userdata;
        const char *name;
        int r = json_read_string(at, "name", &name);

        for (int i = 0; r > 0 && i < _VM_TYPE_MAX; i++)
                if (streq(name, vm_type_to_string((VmType) i)))
                        return facts_read_outcome(at, &kvm->vm_type[i]);
        return r;
}

static int read_capability(const JsonPlace *at, void *userdata) {
        KvmFacts *kvm = userdata;
        const char *name;
        int r = json_read_string(at, "name", &name);

        for (int i = 0; r > 0 && i < _KVM_CAPABILITY_MAX; i++) {
                KvmCapabilityFact *fact = &kvm->capability[i];

                if (!streq(name, kvm_capability_to_string((KvmCapability) i)))
                        continue;
                r = json_read_u32(at, "declared", UINT32_MAX, &fact->declared);
                return r < 0 ? r : facts_read_outcome(at, &fact->proven);
        }
        return r;
}

static int read_kvm(const JsonPlace *host, KvmFacts *kvm) {
        JsonPlace at;
        int r = json_read_member(host, "kvm", json_type_object, &at);

        if (r <= 0)
                return r;
        r = read_error(&at, &kvm->device_error);
        if (r >= 0)
                r = json_read_int(&at, "api_version", INT_MIN, INT_MAX, &kvm->api_version);
        if (r >= 0)
                r = read_outcome_member(&at, "usable", &kvm->vm);
        if (r >= 0)
                r = json_read_each(&at, "vm_types", read_vm_type, kvm);
        if (r >= 0)
                r = json_read_each(&at, "capabilities", read_capability, kvm);
        return r < 0 ? r : read_outcome_member(&at, "multitce_range_check", &kvm->range_check);
}

static int read_extension(const JsonPlace *at, void *userdata) {
        VfioFacts *vfio = userdata;
        uint32_t id;
        int r = json_read_u32(at, "id", UINT32_MAX, &id);

        for (size_t i = 0; r > 0 && i < VFIO_EXTENSIONS_MAX; i++)
                if (vfio->extension[i].id == id)
                        return json_read_u32(at, "value", UINT32_MAX, &vfio->extension[i].value);
        return r;
}

static int read_vfio(const JsonPlace *host, VfioFacts *vfio) {
        JsonPlace at;
        int r = json_read_member(host, "vfio", json_type_object, &at);

        if (r <= 0)
                return r;
        r = read_error(&at, &vfio->container_error);
        if (r >= 0)
                r = json_read_int(&at, "api_version", INT_MIN, INT_MAX, &vfio->api_version);
        if (r >= 0)
                r = json_read_bool(&at, "groups_supported", &vfio->groups_supported);
        if (r >= 0)
                r = json_read_bool(&at, "iommu_class", &vfio->iommu_class);
        if (r >= 0)
                r = json_read_bool(&at, "no_maxmem", &vfio->no_maxmem);
        return r < 0 ? r : json_read_each(&at, "extensions", read_extension, vfio);
}

/* Where it is there the host was looked at; what it does not say of a part is that nothing is wrong with it. */
static int read_adapter(const JsonPlace *host, AdapterFacts *adapter) {
        int apparmor = ADAPTER_RULES_UNNEEDED, selinux = ADAPTER_RULES_UNNEEDED, r;
        JsonPlace at, file;

        r = json_read_member(host, "adapter", json_type_object, &at);
        if (r <= 0)
                return r;
        adapter->known = true;
        for (AdapterPart part = 0; r >= 0 && part < _ADAPTER_PART_MAX; part++) {
                r = json_read_member(&at, adapter_part_to_string(part), json_type_object, &file);
                if (r > 0)
                        r = read_error(&file, &adapter->error[part]);
        }
        if (r >= 0)
                r = json_read_word(&at, "apparmor", adapter_rules_from_string, &apparmor);
        if (r >= 0)
                r = json_read_word(&at, "selinux", adapter_rules_from_string, &selinux);
        adapter->apparmor = (AdapterRules) apparmor;
        adapter->selinux = (AdapterRules) selinux;
        return r;
}

static int read_page_size(const JsonPlace *host, uint64_t *ret) {
        uint64_t size;
        int r = json_read_number(host, "page_size", UINT64_MAX, &size);

        if (r <= 0)
                return r;
        if (size != 0 && (!is_power_of_two(size) || size < PAGE_SIZE_MIN || size > PAGE_SIZE_MAX))
                return json_read_fail(host, "page_size", "a size of memory pages in bytes is expected, such as 65536");
        *ret = size;
        return 1;
}

static int read_host(const JsonPlace *document, HostFacts *f) {
        int platform = PLATFORM_OTHER, r;
        JsonPlace at;

        r = json_read_member(document, "host", json_type_object, &at);
        if (r == 0)
                return json_read_fail(document, NULL, "it has no host in it");
        if (r >= 0)
                r = read_text(&at, "machine", f->kvm.machine, sizeof(f->kvm.machine));
        if (r >= 0)
                r = read_text(&at, "kernel_release", f->kvm.release, sizeof(f->kvm.release));
        if (r >= 0)
                r = read_text(&at, "kernel_version", f->kvm.version, sizeof(f->kvm.version));
        if (r >= 0)
                r = read_page_size(&at, &f->kvm.page_size);
        if (r >= 0)
                r = json_read_word(&at, "platform", platform_from_string, &platform);
        f->vfio.platform = (Platform) platform;
        if (r >= 0)
                r = read_kvm(&at, &f->kvm);
        if (r >= 0)
                r = read_vfio(&at, &f->vfio);
        return r < 0 ? r : read_adapter(&at, &f->adapter);
}

static int read_document(const JsonPlace *document, HostFacts *f) {
        int r;

        if (json_object_is_type(document->value, json_type_array))
                return json_read_fail(document, NULL, "it is a part of what is needed (as tcectl groups --json prints)");
        if (!json_object_is_type(document->value, json_type_object))
                return json_read_fail(document, NULL, "an object is expected");
        /* Only status counts what it leaves out. */
        if (json_object_object_get_ex(document->value, "counts", NULL) &&
            !json_object_object_get_ex(document->value, "groups", NULL))
                return json_read_fail(document, NULL, "tcectl status --json printed it, which leaves groups and rules out");
        r = read_host(document, f);
        if (r >= 0)
                r = facts_read_groups(document, f);
        return r < 0 ? r : facts_read_policy(document, f);
}

/* What is not in the file. */
static void set_unknown(HostFacts *f) {
        outcome_set(&f->kvm.vm, PROOF_UNKNOWN, "not told");
        for (int i = 0; i < _VM_TYPE_MAX; i++)
                f->kvm.vm_type[i] = f->kvm.vm;
        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++)
                f->kvm.capability[i].proven = f->kvm.vm;
        f->kvm.range_check = f->kvm.vm;
        vfio_facts_set_extensions(&f->vfio);
        f->policy.numa_node = NUMA_NODE_ANY; /* the others' 0 is auto */
}

int host_facts_read(const char *json, size_t size, HostFacts *ret, char error[FACTS_ERROR_MAX]) {
        const JsonFault fault = { error, FACTS_ERROR_MAX, "take the file that `tcectl describe --json` printed" };
        _cleanup_(json_putp) struct json_object *value = NULL;
        _cleanup_(host_facts_clear) HostFacts f = {};
        JsonPlace document = { .fault = &fault };
        int r;

        if (size > FACTS_SIZE_MAX)
                return json_read_fail(&document, NULL, "it is larger than 64 MiB");
        r = json_read_text(json, size, PARTS_MAX, &fault, &value);
        if (r < 0)
                return r;
        document.value = value;
        set_unknown(&f);
        r = read_document(&document, &f);
        if (r < 0)
                return r;
        *ret = TAKE_GENERIC(f, HostFacts, (HostFacts) {});
        return 0;
}
