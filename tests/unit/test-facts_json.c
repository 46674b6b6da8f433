/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* describe.c and facts_json.c: a host's facts as JSON, and back. Then what else might be in such a file: less, more, and all that
 * is wrong or malicious. Run with sanitizers it shows that none of it leaks. */

#include "facts_json.h"

#include <search.h>

#include "describe.h"
#include "tap.h"
#include "util.h"

#define STR(s) ((char *) (s))
#define REMEDY "; take the file that `tcectl describe --json` printed"
#define UUID "0123456789abcdef0123456789abcdef"

static DeviceFacts cards[] = {
        { .address = STR("0001:01:00.0"), .class_code = 0x020000, .vendor = 0x8086, .device = 0x10d3,
          .vendor_name = STR("Intel Corporation"), .device_name = STR("82574L"), .class_name = STR("Ethernet controller"),
          .driver = STR("vfio-pci"), .numa_node = 8, .vf = -1, .is_pci = true },
        { .address = STR("0001:01:00.1"), .class_code = 0x030200, .vendor = 0x10de, .device = 0x1db1, .numa_node = -1,
          .interfaces = STR("enP1p1s0f1 enP1p1s0f1d1"), .mac = STR("52:54:00:12:34:56"), .bridge = STR("0001:00:00.0"),
          .physfn = STR("0001:01:00.0"), .vf = 3, .vfs = 4, .vfs_max = 64, .is_pci = true, .nvlink2 = true },
};
static DeviceFacts engine[] = { { .address = STR("dma-engine"), .driver = STR("dma-pl330"), .numa_node = 0, .vf = -1 } };

static WindowProof proof = {
        .ddw = { PROOF_NO, "group 3: no window" }, .dma32_start = 4096, .dma32_size = UINT64_C(1) << 31, .page_sizes = 0x40001000, .max_windows = 2,
        .levels = 5,
};

static GroupFacts groups[] = {
        { .number = 0, .viability = GROUP_EMPTY, .viability_why = STR("no device is in the group"), .numa_node = -1, .ddw = -1,
          .windows_why = STR("not told") },
        { .number = 3, .name = STR("domain1-pe0"), .phb = STR("/pci@800000020000001"), .devices = cards, .n_devices = 2, .viability = GROUP_VIABLE,
          .viability_why = STR(""), .numa_node = 8, .dma32_start = 0x100000000, .dma32_size = UINT64_C(1) << 30,
          .page_sizes = UINT64_C(1) << 63 | 0x1211000, .ddw = 1,
          .windows_why = STR("the device tree: \"ibm,dma-window\"\n\x7f"), .window_proof = &proof },
        { .number = INT32_MAX, .name = STR("b\xc3\xbc" "chse"), .devices = engine, .n_devices = 1, .viability = GROUP_PARTIAL,
          .viability_why = STR("one of them"), .numa_node = 0, .ddw = 0, .windows_why = STR("by the node") },
};

static Rule rules[] = {
        { .path = STR("/etc/tced/rules.d/10-all.rule"), .machine = STR("web*"), .uuid = STR("0123*"), .kind = STR("v[if]*"),
          .device = STR("net?"), .liobn = STR("8000*"), .has_accel = true, .has_multitce = true, .has_huge_pages = true,
          .has_numa_node = true,
          .setting = { .accel = ACCEL_KERNEL, .multitce = TRISTATE_NO, .huge_pages = TRISTATE_YES, .numa_node = 8 } },
        { .path = STR("20"), .has_numa_node = true, .setting.numa_node = NUMA_NODE_ANY },
        { .path = STR("30"), .device = STR(""), .has_accel = true,
          .setting = { .accel = ACCEL_USER, .numa_node = NUMA_NODE_ANY } },
};

/* A host with something in every member, and one with nothing. */
static Manager rich_host(void) {
        Manager m = {
                .config = {
                        .policy = { .accel = ACCEL_USER, .multitce = TRISTATE_YES, .huge_pages = TRISTATE_NO, .numa_node = 255 },
                        .rules = { .items = rules, .n = ELEMENTSOF(rules) },
                },
                .kvm = { .api_version = 12, .page_size = 65536, .release = "6.12.107+deb13-powerpc64le-64k",
                         .version = "#1 SMP Debian 6.12.107-1 (2026-08-29)", .machine = "ppc64le" },
                .vfio = { .platform = PLATFORM_PSERIES, .groups_supported = true, .iommu_class = true, .no_maxmem = true,
                          .groups = groups, .n_groups = ELEMENTSOF(groups) },
                .adapter = { .known = true, .error = { [ADAPTER_QEMU] = ENOENT, [ADAPTER_SOCKET] = EACCES },
                             .apparmor = ADAPTER_RULES_NOT_INCLUDED, .selinux = ADAPTER_RULES_MISSING },
        };

        outcome_set(&m.kvm.vm, PROOF_YES, "created a VM");
        outcome_set(&m.kvm.vm_type[VM_TYPE_HV], PROOF_YES, "created one of its kind");
        outcome_set(&m.kvm.vm_type[VM_TYPE_PR], PROOF_UNKNOWN, "only the deep probe");
        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++) {
                m.kvm.capability[i].declared = i != KVM_CAPABILITY_TCE_VFIO;
                outcome_set(&m.kvm.capability[i].proven, (Proof) (i % _PROOF_MAX), "by experiment %d", i);
        }
        outcome_set(&m.kvm.range_check, PROOF_NO, "wrote past it");
        vfio_facts_set_extensions(&m.vfio);
        m.vfio.extension[1].value = 1;
        m.vfio.extension[6].value = UINT32_MAX;
        return m;
}

static Manager bare_host(void) {
        Manager m = {
                .config.policy.numa_node = NUMA_NODE_ANY,
                .kvm = { .device_error = EACCES, .page_size = 4096, .release = "6.1.0", .machine = "x86_64" },
                .vfio = { .container_error = ENOENT, .api_version = -1 },
        };

        outcome_set(&m.kvm.vm, PROOF_NO, "no permission");
        for (int i = 0; i < _VM_TYPE_MAX; i++)
                m.kvm.vm_type[i] = m.kvm.vm;
        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++)
                m.kvm.capability[i].proven = m.kvm.vm;
        m.kvm.range_check = m.kvm.vm;
        vfio_facts_set_extensions(&m.vfio);
        return m;
}

static bool same_text(const char *a, const char *b) {
        return a && b ? streq(a, b) : a == b;
}

static bool same_outcome(const Outcome *a, const Outcome *b) {
        return a->proof == b->proof && streq(a->why, b->why);
}

static bool same_setting(const PolicySetting *a, const PolicySetting *b) {
        return a->accel == b->accel && a->multitce == b->multitce && a->huge_pages == b->huge_pages &&
               a->numa_node == b->numa_node;
}

static void check_kvm(const char *host, const KvmFacts *have, const KvmFacts *want) {
        tap_ok(have->device_error == want->device_error && have->api_version == want->api_version, "%s: /dev/kvm", host);
        tap_ok(same_outcome(&have->vm, &want->vm) && same_outcome(&have->range_check, &want->range_check), "%s: proofs", host);
        for (int i = 0; i < _VM_TYPE_MAX; i++)
                tap_ok(same_outcome(&have->vm_type[i], &want->vm_type[i]), "%s: VM type %d", host, i);
        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++)
                tap_ok(have->capability[i].declared == want->capability[i].declared &&
                               same_outcome(&have->capability[i].proven, &want->capability[i].proven),
                       "%s: capability %d", host, i);
        tap_ok(have->page_size == want->page_size && streq(have->release, want->release) &&
                       streq(have->version, want->version) && streq(have->machine, want->machine),
               "%s: page size, kernel, machine", host);
}

static void check_vfio(const char *host, const VfioFacts *have, const VfioFacts *want) {
        tap_ok(have->platform == want->platform && have->container_error == want->container_error &&
                       have->api_version == want->api_version && have->groups_supported == want->groups_supported &&
                       have->iommu_class == want->iommu_class && have->no_maxmem == want->no_maxmem,
               "%s: VFIO", host);
        for (size_t i = 0; i < VFIO_EXTENSIONS_MAX; i++)
                tap_ok(have->extension[i].id == want->extension[i].id && have->extension[i].value == want->extension[i].value &&
                               streq(have->extension[i].name, want->extension[i].name),
                       "%s: extension %zu", host, i);
        tap_eq(have->n_groups, want->n_groups, "%s: as many groups", host);
        for (size_t i = 0; i < want->n_groups && i < have->n_groups; i++)
                tap_ok(group_facts_equal(&have->groups[i], &want->groups[i]), "%s: group %u", host, want->groups[i].number);
}

static void check_rules(const char *host, const Rules *have, const Rules *want) {
        tap_eq(have->n, want->n, "%s: as many rules", host);
        for (size_t i = 0; i < want->n && i < have->n; i++) {
                const Rule *a = &have->items[i], *b = &want->items[i];

                tap_ok(same_text(a->path, b->path) && same_text(a->machine, b->machine) && same_text(a->uuid, b->uuid) &&
                               same_text(a->kind, b->kind) && same_text(a->device, b->device) && same_text(a->liobn, b->liobn),
                       "%s: what rule %zu matches", host, i);
                tap_ok(a->has_accel == b->has_accel && a->has_multitce == b->has_multitce &&
                               a->has_huge_pages == b->has_huge_pages && a->has_numa_node == b->has_numa_node &&
                               same_setting(&a->setting, &b->setting),
                       "%s: what rule %zu sets", host, i);
        }
}

/* The facts of a host there and back. */
static void round_trip(const char *host, Manager *m) {
        _cleanup_(host_facts_clear) HostFacts f = {};
        _cleanup_free_ char *json = NULL;
        char error[FACTS_ERROR_MAX] = "";

        if (!tap_ok(describe(m, NULL, NULL, &json) == 0 && host_facts_read(json, strlen(json), &f, error) == 0,
                    "%s: read back", host)) {
                printf("#   %s\n", error);
                return;
        }
        check_kvm(host, &f.kvm, &m->kvm);
        check_vfio(host, &f.vfio, &m->vfio);
        tap_ok(same_setting(&f.policy, &m->config.policy), "%s: policy", host);
        tap_eq(f.adapter.known, m->adapter.known, "%s: is the adapter known", host);
        tap_ok(memcmp(f.adapter.error, m->adapter.error, sizeof(f.adapter.error)) == 0 && f.adapter.apparmor == m->adapter.apparmor &&
                       f.adapter.selinux == m->adapter.selinux,
               "%s: the adapter", host);
        check_rules(host, &f.rules, &m->config.rules);
}

/* Rules come from files of any encoding; what can't be carried becomes a '?', which matches it still. */
static void test_encoding(void) {
        Rule rule = { .path = STR("/etc/b\xfcro.rule"), .machine = STR("b\xfcro*"), .has_accel = true,
                      .setting.numa_node = NUMA_NODE_ANY };
        Manager m = { .config = { .policy.numa_node = NUMA_NODE_ANY, .rules = { .items = &rule, .n = 1 } } };
        _cleanup_(host_facts_clear) HostFacts f = {};
        _cleanup_free_ char *json = NULL;
        char error[FACTS_ERROR_MAX];

        tap_ok(describe(&m, NULL, NULL, &json) == 0 && utf8_valid(json), "a rule in Latin-1 is described in UTF-8");
        if (tap_ok(host_facts_read(json, strlen(json), &f, error) == 0 && f.rules.n == 1, "and read back"))
                tap_streq(f.rules.items[0].machine, "b?ro*", "with a pattern that matches as before");
}

static int compare_pointers(const void *a, const void *b) {
        return (a > b) - (a < b);
}

static void leave_alone(void *node) {
        (void) node;
}

static void on_ended(Machine *machine, void *userdata) {
        (void) machine;
        (void) userdata;
}

/* Who has a group goes with it, however groups are ordered in the file. */
static void test_holder(void) {
        Window window = { .kind = DEVICE_VFIO, .liobn = 0x80000000, .size = UINT64_C(1) << 30, .page_shift = 12, .group = 3 };
        const Description d = { .name = STR("db1"), .uuid = UUID, .windows = &window, .n_windows = 1 };
        const PolicyFacts facts = {};
        const PolicySetting setting = { .numa_node = NUMA_NODE_ANY };
        const Rules no_rules = {};
        Manager m = rich_host();
        _cleanup_(host_facts_clear) HostFacts f = {};
        _cleanup_free_ char *json = NULL;
        char error[FACTS_ERROR_MAX] = "";
        Machine *machine = NULL;
        Plan plan = {};
        PlanError plan_error;

        if (plan_make(&d, &facts, &no_rules, &setting, 65536, 8, &plan, &plan_error) < 0 ||
            machine_new("db1", UUID, &plan, on_ended, NULL, &machine) < 0 ||
            !tsearch(machine, &m.machines_by_uuid, compare_pointers))
                exit(EXIT_FAILURE);
        m.vfio.groups = calloc(ELEMENTSOF(groups), sizeof(GroupFacts));
        for (size_t i = 0; i < ELEMENTSOF(groups); i++)
                m.vfio.groups[i] = groups[(i + 1) % ELEMENTSOF(groups)];
        if (tap_ok(describe(&m, NULL, NULL, &json) == 0 && host_facts_read(json, strlen(json), &f, error) == 0 &&
                           f.vfio.n_groups == 3,
                   "a host with a VM, its groups in no order")) {
                tap_ok(f.vfio.groups[0].number == 0 && f.vfio.groups[1].number == 3, "groups in order");
                tap_ok(!f.holders[0] && !f.holders[2], "groups that nobody has");
                tap_streq(f.holders[1], UUID, "the one that the VM has");
                tap_ok(vfio_facts_find_group(&f.vfio, 3) == &f.vfio.groups[1], "and it is found");
        } else
                printf("#   %s\n", error);
        free(m.vfio.groups);
        tdestroy(m.machines_by_uuid, leave_alone);
        machine_free(machine);
}

/* ' stands for ". */
static char *quoted(const char *text) {
        char *copy = strdup(text);

        for (char *p = copy; *p; p++)
                if (*p == '\'')
                        *p = '"';
        return copy;
}

#define HOST(members) "{ 'host': { " members " } }"
#define GROUPS(items) "{ 'host': {}, 'groups': [ " items " ] }"
#define RULES(items) "{ 'host': {}, 'policy': { 'rule_settings': [ " items " ] } }"

/* What is wrong, and all that is said of it. */
static const struct {
        const char *name, *json, *error;
} errors[] = {
        { "nothing", "", "it is empty" },
        { "blanks", " \n\t", "it is empty" },
        { "no JSON", "{\n 'host': {\n", "line 3: this is no JSON" },
        { "a word", "nothing", "line 1: this is no JSON" },
        { "null", "null", "an object is expected" },
        { "a text", "'host'", "an object is expected" },
        { "a number", "12", "an object is expected" },
        { "two documents", "{ 'host': {} } {}", "line 1: this is no JSON" },
        { "two documents, one in UTF-8", "{ 'host': { 'machine': '\xc3\xbc' } }\n x", "line 2: this is no JSON" },
        { "no end", "{ 'host': {}", "line 1: this is no JSON" },
        { "no end of a text in UTF-8", "{ 'host': { 'machine': '\xc3\xbc", "line 1: this is no JSON" },
        { "Latin-1", "{ 'host': { 'machine': '\xfc' } }", "it is no text in UTF-8" },
        { "another document", "{ 'tables': [] }", "it has no host in it" },
        { "its groups alone", "[ {} ]", "it is a part of what is needed (as tcectl groups --json prints)" },
        { "status", "{ 'tced': {}, 'host': {}, 'findings': [], 'counts': {} }",
          "tcectl status --json printed it, which leaves groups and rules out" },
        { "host", "{ 'host': [] }", "host: an object is expected" },
        { "page size in words", HOST("'page_size': '64K'"), "host.page_size: a number is expected" },
        { "page size of no memory", HOST("'page_size': 3"),
          "host.page_size: a size of memory pages in bytes is expected, such as 65536" },
        { "page size of bytes", HOST("'page_size': 1"),
          "host.page_size: a size of memory pages in bytes is expected, such as 65536" },
        { "page size below 0", HOST("'page_size': -4096"),
          "host.page_size: a whole number from 0 to 18446744073709551615 is expected" },
        { "page size with a point", HOST("'page_size': 4096.0"),
          "host.page_size: a whole number from 0 to 18446744073709551615 is expected" },
        { "page size of 1e99", HOST("'page_size': 1e99"),
          "host.page_size: a whole number from 0 to 18446744073709551615 is expected" },
        { "platform", HOST("'platform': 7"), "host.platform: a text is expected" },
        { "machine", HOST("'machine': {}"), "host.machine: a text is expected" },
        { "a NUL", HOST("'machine': 'ppc64le\\u0000x'"), "host.machine: a text without NUL is expected" },
        { "kvm", HOST("'kvm': 1"), "host.kvm: an object is expected" },
        { "error", HOST("'kvm': { 'error': 13 }"), "host.kvm.error: a text is expected" },
        { "version", HOST("'kvm': { 'api_version': 3000000000 }"),
          "host.kvm.api_version: a whole number from -2147483648 to 2147483647 is expected" },
        { "usable", HOST("'kvm': { 'usable': true }"), "host.kvm.usable: an object is expected" },
        { "proof", HOST("'kvm': { 'usable': { 'proven': true } }"), "host.kvm.usable.proven: a text is expected" },
        { "capabilities", HOST("'kvm': { 'capabilities': {} }"), "host.kvm.capabilities: an array is expected" },
        { "a capability", HOST("'kvm': { 'capabilities': [ {}, null ] }"),
          "host.kvm.capabilities[1]: an object is expected" },
        { "declared", HOST("'kvm': { 'capabilities': [ { 'name': 'KVM_CAP_SPAPR_TCE', 'declared': true } ] }"),
          "host.kvm.capabilities[0].declared: a number is expected" },
        { "declared, too large",
          HOST("'kvm': { 'capabilities': [ { 'name': 'KVM_CAP_SPAPR_TCE', 'declared': 4294967296 } ] }"),
          "host.kvm.capabilities[0].declared: a whole number from 0 to 4294967295 is expected" },
        { "a VM type's reason", HOST("'kvm': { 'vm_types': [ { 'name': 'HV', 'why': 1 } ] }"),
          "host.kvm.vm_types[0].why: a text is expected" },
        { "range check", HOST("'kvm': { 'multitce_range_check': [] }"),
          "host.kvm.multitce_range_check: an object is expected" },
        { "vfio", HOST("'vfio': ''"), "host.vfio: an object is expected" },
        { "flag", HOST("'vfio': { 'iommu_class': 1 }"), "host.vfio.iommu_class: true or false is expected" },
        { "an adapter's error of another type", HOST("'adapter': { 'qemu': { 'error': 2 } }"), "host.adapter.qemu.error: a text is expected" },
        { "flag in words", HOST("'vfio': { 'no_maxmem': 'false' }"), "host.vfio.no_maxmem: true or false is expected" },
        { "support", HOST("'vfio': { 'groups_supported': 0 }"), "host.vfio.groups_supported: true or false is expected" },
        { "extension", HOST("'vfio': { 'extensions': [ { 'id': 7, 'value': -1 } ] }"),
          "host.vfio.extensions[0].value: a whole number from 0 to 4294967295 is expected" },
        { "groups", "{ 'host': {}, 'groups': {} }", "groups: an array is expected" },
        { "a group", GROUPS("1"), "groups[0]: an object is expected" },
        { "no number", GROUPS("{ 'number': 1 }, {}"), "groups[1].number: it is missing" },
        { "number", GROUPS("{ 'number': 2147483648 }"),
          "groups[0].number: a whole number from 0 to 2147483647 is expected" },
        { "number that no computer has", GROUPS("{ 'number': 99999999999999999999999 }"), NULL },
        { "twice", GROUPS("{ 'number': 7 }, { 'number': 1 }, { 'number': 7 }"), "groups: number 7 is there twice" },
        { "viability", GROUPS("{ 'number': 7, 'viability': false }"), "groups[0].viability: a text is expected" },
        { "viable", GROUPS("{ 'number': 7, 'viable': 'yes' }"), "groups[0].viable: true or false is expected" },
        { "window", GROUPS("{ 'number': 7, 'dma32_window': 5 }"), "groups[0].dma32_window: an object is expected" },
        { "window's size", GROUPS("{ 'number': 7, 'dma32_window': { 'start': 0, 'size': '1G' } }"),
          "groups[0].dma32_window.size: a number is expected" },
        { "page sizes", GROUPS("{ 'number': 7, 'page_sizes': [ 4096, 65537 ] }"),
          "groups[0].page_sizes[1]: a power of two is expected" },
        { "page sizes in words", GROUPS("{ 'number': 7, 'page_sizes': [ '4K' ] }"),
          "groups[0].page_sizes[0]: a number is expected" },
        { "page sizes below 0", GROUPS("{ 'number': 7, 'page_sizes': [ -4096 ] }"),
          "groups[0].page_sizes[0]: a power of two is expected" },
        { "64-bit windows", GROUPS("{ 'number': 7, 'ddw': 1 }"), "groups[0].ddw: true or false is expected" },
        { "a proof", GROUPS("{ 'number': 7, 'windows_proven': 'yes' }"), "groups[0].windows_proven: an object is expected" },
        { "a proof in another type", GROUPS("{ 'number': 7, 'windows_proven': { 'proven': true } }"),
          "groups[0].windows_proven.proven: a text is expected" },
        { "a proof's window", GROUPS("{ 'number': 7, 'windows_proven': { 'dma32': [] } }"),
          "groups[0].windows_proven.dma32: an object is expected" },
        { "a proof's page sizes", GROUPS("{ 'number': 7, 'windows_proven': { 'page_sizes': [ 3 ] } }"),
          "groups[0].windows_proven.page_sizes[0]: a power of two is expected" },
        { "a proof's windows", GROUPS("{ 'number': 7, 'windows_proven': { 'max_windows': -1 } }"),
          "groups[0].windows_proven.max_windows: a whole number from 0 to 4294967295 is expected" },
        { "a proof's levels", GROUPS("{ 'number': 7, 'windows_proven': { 'levels': 'all' } }"),
          "groups[0].windows_proven.levels: a number is expected" },
        { "holder", GROUPS("{ 'number': 7, 'holder': 1 }"), "groups[0].holder: a text is expected" },
        { "devices", GROUPS("{ 'number': 7, 'devices': {} }"), "groups[0].devices: an array is expected" },
        { "a device", GROUPS("{ 'number': 7, 'devices': [ [] ] }"), "groups[0].devices[0]: an object is expected" },
        { "no address", GROUPS("{ 'number': 7, 'devices': [ { 'address': 'x' }, { 'address': null } ] }"),
          "groups[0].devices[1].address: it is missing" },
        { "class", GROUPS("{ 'number': 7, 'devices': [ { 'address': 'x', 'class': 16777216 } ] }"),
          "groups[0].devices[0].class: a whole number from 0 to 16777215 is expected" },
        { "vendor", GROUPS("{ 'number': 7, 'devices': [ { 'address': 'x', 'vendor': 65536 } ] }"),
          "groups[0].devices[0].vendor: a whole number from 0 to 65535 is expected" },
        { "driver", GROUPS("{ 'number': 7, 'devices': [ { 'address': 'x', 'driver': true } ] }"),
          "groups[0].devices[0].driver: a text is expected" },
        { "node", GROUPS("{ 'number': 7, 'devices': [ { 'address': 'x', 'numa_node': -2 } ] }"),
          "groups[0].devices[0].numa_node: a whole number from -1 to 2147483647 is expected" },
        { "NVLink2", GROUPS("{ 'number': 7, 'devices': [ { 'address': 'x', 'nvlink2': 0 } ] }"),
          "groups[0].devices[0].nvlink2: true or false is expected" },
        { "policy", "{ 'host': {}, 'policy': 'auto' }", "policy: an object is expected" },
        { "default", "{ 'host': {}, 'policy': { 'default': { 'accel': 1 } } }",
          "policy.default.accel: a text is expected" },
        { "default node", "{ 'host': {}, 'policy': { 'default': { 'numa_node': 1024 } } }",
          "policy.default.numa_node: a whole number from -1 to 1023 is expected" },
        { "rule without a path", RULES("{ 'match': {} }"), "policy.rule_settings[0].path: it is missing" },
        { "rule without a match", RULES("{ 'path': 'a' }"), "policy.rule_settings[0].match: it is missing" },
        { "rule of a wrong match", RULES("{ 'path': 'a', 'match': [] }"),
          "policy.rule_settings[0].match: an object is expected" },
        { "rule of a wrong pattern", RULES("{ 'path': 'a', 'match': { 'liobn': 4096 } }"),
          "policy.rule_settings[0].match.liobn: a text is expected" },
        { "rule of a wrong node", RULES("{ 'path': 'a', 'match': {}, 'numa_node': 'any' }"),
          "policy.rule_settings[0].numa_node: a number is expected" },
};

static void test_errors(void) {
        for (size_t i = 0; i < ELEMENTSOF(errors); i++) {
                _cleanup_free_ char *json = quoted(errors[i].json);
                char error[FACTS_ERROR_MAX] = "", want[FACTS_ERROR_MAX];
                HostFacts f = { .kvm.page_size = 7 };

                tap_eq(host_facts_read(json, strlen(json), &f, error), -EINVAL, "refused: %s", errors[i].name);
                tap_ok(f.kvm.page_size == 7 && f.vfio.n_groups == 0, "nothing is given back: %s", errors[i].name);
                /* How json-c tells what no computer has differs between its versions. */
                if (!errors[i].error)
                        continue;
                (void) snprintf(want, sizeof(want), "%s" REMEDY, errors[i].error);
                tap_streq(error, want, "what is said: %s", errors[i].name);
        }
}

/* What is not there is not known; what is not known is passed over. */
static void test_lenient(void) {
        static const struct {
                const char *name, *json;
        } nothing[] = {
                { "a host of which nothing is told", HOST("") },
                { "null wherever there can be one",
                  "{ 'host': { 'machine': null, 'platform': null, 'page_size': null, 'kvm': null, 'vfio': null }, 'groups': null,"
                  "  'policy': null }" },
                { "empty parts", "{ 'host': { 'kvm': {}, 'vfio': {} }, 'groups': [], 'policy': {} }\n" },
                { "words of the future",
                  "{ 'host': { 'platform': 'cloud', 'kvm': { 'usable': { 'proven': 'maybe', 'why': 'not told' } } },"
                                         "  'policy': { 'default': { 'accel': 'hardware', 'multitce': 'often' } } }" },
                { "members of the future",
                  "{ 'host': { 'x': [ 1.5, { 'y': null } ], 'kvm': {"
                  "    'capabilities': [ { 'name': 'KVM_CAP_NEW', 'declared': 1 } ], 'vm_types': [ { 'name': 'XV' } ] },"
                  "    'vfio': { 'extensions': [ { 'id': 99, 'value': 1 } ] } },"
                  "  'policy': { 'rule_settings': [] }, 'z': {} }" },
        };

        for (size_t i = 0; i < ELEMENTSOF(nothing); i++) {
                _cleanup_free_ char *json = quoted(nothing[i].json);
                _cleanup_(host_facts_clear) HostFacts f = {};
                char error[FACTS_ERROR_MAX] = "";

                if (!tap_eq(host_facts_read(json, strlen(json), &f, error), 0, "read: %s", nothing[i].name)) {
                        printf("#   %s\n", error);
                        continue;
                }
                tap_ok(f.kvm.page_size == 0 && f.kvm.device_error == 0 && f.kvm.vm.proof == PROOF_UNKNOWN &&
                               streq(f.kvm.vm.why, "not told") && f.kvm.capability[0].declared == 0 &&
                               streq(f.kvm.capability[3].proven.why, "not told"),
                       "KVM is not known: %s", nothing[i].name);
                tap_ok(f.vfio.platform == PLATFORM_OTHER && f.vfio.n_groups == 0 && f.vfio.extension[6].id == 7 &&
                               f.vfio.extension[6].value == 0,
                       "nor is VFIO: %s", nothing[i].name);
                tap_ok(same_setting(&f.policy, &(PolicySetting) { .numa_node = NUMA_NODE_ANY }) && f.rules.n == 0,
                       "the policy is the built-in one: %s", nothing[i].name);
        }
}

static void test_lenient_groups(void) {
        static const struct {
                const char *name, *json;
                GroupViability viability;
        } cases[] = {
                { "nothing but a number", "{ 'number': 7 }", GROUP_NOT_BOUND },
                { "viable by an older word", "{ 'number': 7, 'viable': true }", GROUP_VIABLE },
                { "viable by a newer word", "{ 'number': 7, 'viable': true, 'viability': 'shared' }", GROUP_VIABLE },
                { "not viable by a newer word", "{ 'number': 7, 'viable': false, 'viability': 'shared' }", GROUP_NOT_BOUND },
                { "the word counts", "{ 'number': 7, 'viable': true, 'viability': 'partial' }", GROUP_PARTIAL },
        };
        _cleanup_free_ char *old = quoted(GROUPS(
                "{ 'number': 7, 'devices': [ { 'address': 'a', 'vendor': 32902 }, { 'address': 'b' } ], 'dma32_window': {} }"));
        _cleanup_free_ char *twice = quoted(GROUPS(
                "{ 'number': 7, 'number': 8, 'name': 'a', 'name': 'b', 'devices': [ { 'address': 'a' } ], 'devices': [] }"));
        _cleanup_(host_facts_clear) HostFacts f = {}, g = {};
        char error[FACTS_ERROR_MAX] = "";

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[256];
                HostFacts h = {};
                _cleanup_free_ char *json = NULL;

                (void) snprintf(text, sizeof(text), GROUPS("%s"), cases[i].json);
                json = quoted(text);
                if (tap_ok(host_facts_read(json, strlen(json), &h, error) == 0 && h.vfio.n_groups == 1,
                           "group: %s", cases[i].name)) {
                        const GroupFacts *group = &h.vfio.groups[0];

                        tap_streq(group_viability_to_string(group->viability), group_viability_to_string(cases[i].viability),
                                  "viability: %s", cases[i].name);
                        tap_ok(group->viability_why && group->windows_why && group->ddw == -1 && group->numa_node == -1 &&
                                       group->n_devices == 0 && !h.holders[0],
                               "the rest is not known: %s", cases[i].name);
                }
                host_facts_clear(&h);
        }
        if (tap_ok(host_facts_read(old, strlen(old), &f, error) == 0, "devices of an older tced"))
                tap_ok(f.vfio.groups[0].devices[0].is_pci && !f.vfio.groups[0].devices[1].is_pci &&
                               f.vfio.groups[0].devices[0].numa_node == -1 && f.vfio.groups[0].dma32_size == 0,
                       "what has a vendor is PCI's");
        if (tap_ok(host_facts_read(twice, strlen(twice), &g, error) == 0, "members that are there twice"))
                tap_ok(g.vfio.groups[0].number == 8 && streq(g.vfio.groups[0].name, "b") && g.vfio.groups[0].n_devices == 0,
                       "the later one counts");
}

static void test_lenient_rules(void) {
        _cleanup_free_ char *json = quoted(RULES(
                "{ 'path': 'known', 'match': { 'kind': 'vio', 'zone': null }, 'accel': 'user' },"
                "{ 'path': 'unknown pattern', 'match': { 'kind': 'vio', 'zone': 'dmz' }, 'accel': 'user' },"
                "{ 'path': 'unknown word', 'match': {}, 'accel': 'hardware', 'huge_pages': 'yes', 'numa_node': -1 }"));
        _cleanup_(host_facts_clear) HostFacts f = {};
        char error[FACTS_ERROR_MAX] = "";

        if (!tap_ok(host_facts_read(json, strlen(json), &f, error) == 0 && f.rules.n == 2, "rules of a newer tced")) {
                printf("#   %s\n", error);
                return;
        }
        tap_streq(f.rules.items[0].path, "known", "a rule that is understood");
        tap_ok(f.rules.items[0].has_accel && f.rules.items[0].setting.accel == ACCEL_USER && !f.rules.items[0].has_numa_node &&
                       f.rules.items[0].setting.numa_node == NUMA_NODE_ANY,
               "and what it sets");
        tap_streq(f.rules.items[1].path, "unknown word", "one with a pattern that is not known would match too much");
        tap_ok(!f.rules.items[1].has_accel && f.rules.items[1].has_huge_pages && f.rules.items[1].has_numa_node,
               "a word that is not known leaves the default");
}

/* The errno is in the file as text. */
static void test_errno(void) {
        static const struct {
                const char *text;
                int error;
        } cases[] = {
                { "Permission denied", EACCES }, { "No such file or directory", ENOENT }, { "No such device", ENODEV },
                { "Keine Berechtigung", EIO },   { "", EIO },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[128];
                _cleanup_free_ char *json = NULL;
                _cleanup_(host_facts_clear) HostFacts f = {};
                char error[FACTS_ERROR_MAX];

                (void) snprintf(text, sizeof(text), HOST("'kvm': { 'error': '%s' }"), cases[i].text);
                json = quoted(text);
                tap_ok(host_facts_read(json, strlen(json), &f, error) == 0 && f.kvm.device_error == cases[i].error, "error '%s'",
                       cases[i].text);
        }
}

/* The example that is written down is one. */
static void test_documentation(void) {
        _cleanup_file_ FILE *file = fopen(TEST_SOURCE_ROOT "/docs/describe.md", "re");
        _cleanup_(host_facts_clear) HostFacts f = {};
        char text[65536], error[FACTS_ERROR_MAX] = "", *begin, *end;
        size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

        text[n] = '\0';
        begin = strstr(text, "```json\n");
        end = begin ? strstr(begin + 8, "```") : NULL;
        if (!tap_ok(end, "docs/describe.md has an example"))
                return;
        begin += 8;
        if (!tap_eq(host_facts_read(begin, (size_t) (end - begin), &f, error), 0, "which is read"))
                printf("#   %s\n", error);
        tap_ok(f.vfio.n_groups == 1 && f.vfio.platform == PLATFORM_PSERIES && f.rules.n == 1 && f.rules.items[0].has_accel &&
                       f.kvm.page_size == 65536,
               "and means what it says");
}

/* A file of n bytes: what is to be repeated, between what begins and what ends it. */
static char *repeated(const char *begin, const char *part, const char *end, size_t n, size_t *ret_size) {
        size_t at = strlen(begin), length = strlen(part);
        char *text = malloc(strlen(begin) + n * length + strlen(end) + 1);

        if (!text)
                exit(EXIT_FAILURE);
        memcpy(text, begin, at);
        for (size_t i = 0; i < n; i++, at += length)
                memcpy(text + at, part, length);
        memcpy(text + at, end, strlen(end) + 1);
        *ret_size = at + strlen(end);
        return text;
}

static void test_hostile(void) {
        static const struct {
                const char *name, *begin, *part, *end;
                size_t n;
                const char *error; /* NULL: it is read */
        } cases[] = {
                { "64 MiB and more", "{ \"host\": {} }", " ", "", 64 << 20, "it is larger than 64 MiB" },
                { "blanks, nearly 64 MiB of them", "{ \"host\": {} }", " ", "", (64 << 20) - 14, NULL },
                { "arrays in arrays", "{ \"host\": ", "[", "", 1000, "it is nested deeper than 32 levels" },
                { "objects in objects", "{ \"host\": ", "{\"a\":", "", 1000, "it is nested deeper than 32 levels" },
                { "as deep as may be", "{ \"host\": {}, \"x\": ", "[", "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]] }", 30, NULL },
                { "empty arrays", "{ \"host\": {}, \"x\": [ ", "[],", "[] ] }", 3000000, "it has more than 2000000 parts" },
                { "a long text", "{ \"host\": { \"machine\": \"", "ppc64le", "\" } }", 100000, NULL },
                { "a long number", "{ \"host\": { \"page_size\": 1", "0", " } }", 100000,
                  "host.page_size: a size of memory pages in bytes is expected, such as 65536" },
                { "many groups without a number", "{ \"host\": {}, \"groups\": [ {", "\"a\":1,", "\"b\":1} ] }", 1000,
                  "groups[0].number: it is missing" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                size_t size;
                _cleanup_free_ char *json = repeated(cases[i].begin, cases[i].part, cases[i].end, cases[i].n, &size);
                _cleanup_(host_facts_clear) HostFacts f = {};
                char error[FACTS_ERROR_MAX] = "", want[FACTS_ERROR_MAX] = "";

                tap_eq(host_facts_read(json, size, &f, error), cases[i].error ? -EINVAL : 0, "hostile: %s", cases[i].name);
                if (cases[i].error)
                        (void) snprintf(want, sizeof(want), "%s" REMEDY, cases[i].error);
                /* json-c 0.16 and newer differ in whether such a number is one. */
                if (streq(cases[i].name, "a long number"))
                        tap_ok(*error, "what is said: %s", cases[i].name);
                else
                        tap_streq(error, want, "what is said: %s", cases[i].name);
        }
        {
                static const char nul[] = "{ \"host\": {} }\0{";
                char error[FACTS_ERROR_MAX];
                HostFacts f;

                tap_ok(host_facts_read(nul, sizeof(nul) - 1, &f, error) == -EINVAL &&
                               streq(error, "it is no text in UTF-8" REMEDY),
                       "a NUL behind the document");
                tap_ok(host_facts_read(nul, 0, &f, error) == -EINVAL && streq(error, "it is empty" REMEDY), "no bytes at all");
        }
}

/* The good file cut at every byte, and with every byte changed: whatever comes of it, it is an answer. */
static void test_damaged(void) {
        Manager m = rich_host();
        _cleanup_free_ char *json = NULL;
        size_t size, read = 0, refused = 0;
        bool told = true;

        if (describe(&m, NULL, NULL, &json) < 0)
                exit(EXIT_FAILURE);
        size = strlen(json);
        for (size_t i = 0; i < 3 * size; i++) {
                static const char replacements[] = { '\0', '"', '9' };
                char error[FACTS_ERROR_MAX] = "", byte = json[i / 3];
                HostFacts f = {};
                int r;

                json[i / 3] = replacements[i % 3];
                r = host_facts_read(json, i % 3 == 0 ? i / 3 : size, &f, error);
                json[i / 3] = byte;
                read += r == 0;
                refused += r == -EINVAL;
                told &= r == 0 || strstr(error, &REMEDY[2]) != NULL;
                host_facts_clear(&f);
        }
        tap_eq(read + refused, 3 * size, "damaged files are read or refused");
        tap_ok(refused > size && read > 0, "%zu of them refused", refused);
        tap_ok(told, "each with what to do");
}

int main(void) {
        Manager rich = rich_host(), bare = bare_host();

        round_trip("a POWER host", &rich);
        round_trip("a PC", &bare);
        test_encoding();
        test_holder();
        test_errors();
        test_lenient();
        test_lenient_groups();
        test_lenient_rules();
        test_errno();
        test_documentation();
        test_hostile();
        test_damaged();
        return tap_done();
}
