/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* domain_plan.c, domain_json.c: from XML to JSON. What single parts make of it is in their own tests; here it is that they are
 * wired to each other, and that what is printed is what docs/plan.md says, member by member. */

#include "domain_plan.h"

#include <json-c/json.h>
#include <json-c/json_pointer.h>

#include "tap.h"
#include "util.h"

#define STR(s) ((char *) (s))
#define DOMAIN(type, machine, rest) \
        "<domain type='" type "' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n" \
        "<name>web1</name>\n<uuid>01234567-89AB-cdef-0123-456789abcdef</uuid>\n" \
        "<memory unit='GiB'>2</memory>\n<maxMemory slots='4' unit='GiB'>8</maxMemory>\n" \
        "<os><type arch='ppc64le' machine='" machine "'>hvm</type></os>\n" rest "</domain>\n"
#define DEVICES(more) "<devices>\n<controller type='usb' index='0' model='none'/>\n<memballoon model='none'/>\n" more \
        "</devices>\n"
#define PHB_1 "<controller type='pci' index='1' model='pci-root'><model name='spapr-pci-host-bridge'/><target index='1'/>" \
        "</controller>\n"
#define HOSTDEV(bus) "<hostdev mode='subsystem' type='pci' managed='yes'><source>" \
        "<address domain='0x0001' bus='0x00' slot='0x00' function='0x0'/></source>" \
        "<address type='pci' domain='0x0000' bus='" bus "' slot='0x01' function='0x0'/></hostdev>\n"
#define VLAN "<interface type='bridge'><source bridge='br0'/><model type='spapr-vlan'/>" \
        "<address type='spapr-vio' reg='0x1000'/></interface>\n"

/* A disk on a VIO bus, an emulated disk on PHB 0, a passed-through function on PHB 1. */
#define WEB1 DOMAIN("kvm", "pseries-9.2", DEVICES(PHB_1 VLAN HOSTDEV("0x01")))
/* PHB 0 alone, which anything may be said of. */
#define BARE(type, machine, args) \
        DOMAIN(type, machine, DEVICES("") "<qemu:commandline>" args "</qemu:commandline>\n")
#define GLOBAL(value) "<qemu:arg value='-global'/><qemu:arg value='spapr-pci-host-bridge." value "'/>"

/* A host where everything can be in the kernel, with one group of one device. */
static KvmFacts kvm = {
        .vm.proof = PROOF_YES,
        .capability = {
                [KVM_CAPABILITY_TCE] = { 1, { .proof = PROOF_YES } },
                [KVM_CAPABILITY_TCE_64] = { 1, { .proof = PROOF_YES } },
                [KVM_CAPABILITY_TCE_VFIO] = { 1, { .proof = PROOF_YES } },
                [KVM_CAPABILITY_MULTITCE] = { 1, { .proof = PROOF_YES } },
        },
        .range_check.proof = PROOF_YES,
        .page_size = 65536,
        .release = "6.12.107",
        .machine = "ppc64le",
};
static DeviceFacts device = { .address = STR("0001:00:00.0"), .driver = STR("vfio-pci"), .numa_node = -1, .is_pci = true };
static GroupFacts group = { .number = 3, .devices = &device, .n_devices = 1, .numa_node = -1, .ddw = -1 };
static VfioFacts vfio = {
        .platform = PLATFORM_POWERNV,
        .groups_supported = true,
        .iommu_class = true,
        .groups = &group,
        .n_groups = 1,
};
static PolicySetting automatic = { .numa_node = NUMA_NODE_ANY };
static Rules no_rules;
static const PlanHost powernv = { .kvm = &kvm, .vfio = &vfio, .policy = &automatic, .rules = &no_rules };

static int make(const char *xml, const char *attach, const PlanHost *host, DomainPlan *ret) {
        DomainError error = {};
        int r = domain_plan_make(xml, strlen(xml), attach, host, ret, &error);

        if (r < 0)
                printf("# %d: %s\n", r, error.text);
        return r;
}

/* The plan as JSON, parsed again; NULL where it can't be. */
static json_object *to_json(const DomainPlan *plan) {
        _cleanup_free_ char *text = NULL;

        if (domain_plan_json(plan, &text) < 0 || strchr(text, '\n'))
                return NULL;
        return json_tokener_parse(text);
}

static void check_member(json_object *json, const char *path, const char *want, const char *name) {
        json_object *found = NULL;

        if (json_pointer_get(json, path, &found) < 0) {
                tap_ok(false, "%s: %s is missing", name, path);
                return;
        }
        tap_streq(json_object_to_json_string_ext(found, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE), want,
                  "%s: %s", name, path);
}

typedef struct Member {
        const char *path, *want;
} Member;

static void check_members(const DomainPlan *plan, const Member *members, size_t n, const char *name) {
        json_object *json = to_json(plan);

        if (tap_ok(json, "%s: its JSON is one line that can be parsed", name))
                for (size_t i = 0; i < n; i++)
                        check_member(json, members[i].path, members[i].want, name);
        (void) json_object_put(json);
}

/* All of a domain with one of each. */
static void test_whole(void) {
        static const Member members[] = {
                { "/domain/name", "\"web1\"" },
                { "/domain/uuid", "\"0123456789abcdef0123456789abcdef\"" },
                { "/domain/type", "\"kvm\"" },
                { "/domain/arch", "\"ppc64le\"" },
                { "/domain/machine", "\"pseries-9.2\"" },
                { "/domain/pseries", "true" },
                { "/phbs/0/alias", "\"pci.0\"" },
                { "/phbs/0/controller", "0" },
                { "/phbs/0/index", "0" },
                { "/phbs/0/numa_node", "null" },
                { "/phbs/0/devices", "[]" },
                { "/phbs/0/vfio", "false" },
                { "/phbs/1/alias", "\"pci.1\"" },
                { "/phbs/1/controller", "1" },
                { "/phbs/1/index", "1" },
                { "/phbs/1/ddw", "true" },
                { "/phbs/1/page_sizes", "[4096,65536,2097152,16777216]" },
                { "/phbs/1/groups", "[3]" },
                { "/phbs/1/vfio", "true" },
                { "/phbs/1/emulated", "false" },
                { "/phbs/1/devices", "[{\"alias\":\"hostdev0\",\"element\":\"hostdev\",\"slot\":1,\"function\":0,"
                                     "\"host\":\"0001:00:00.0\",\"group\":3}]" },
                { "/vio", "[{\"alias\":\"net0\",\"element\":\"interface\",\"reg\":4096,\"dma\":true}]" },
                { "/tables/0/liobn", "4096" },
                { "/tables/0/device", "\"net0\"" },
                { "/tables/0/kind", "\"vio\"" },
                { "/tables/0/window", "\"default\"" },
                { "/tables/0/bus_offset", "0" },
                { "/tables/0/size", "268435456" },
                { "/tables/0/page_shift", "12" },
                { "/tables/0/entries", "65536" },
                { "/tables/0/bytes", "524288" },
                { "/tables/0/placement", "\"kernel\"" },
                { "/tables/0/reason", "\"in-kernel\"" },
                { "/tables/0/group", "null" },
                { "/tables/0/accel", "\"auto\"" },
                { "/tables/0/rule", "null" },
                { "/tables/0/likely", "true" },
                { "/tables/0/locked_bytes", "589824" },
                { "/tables/1/liobn", "2147483648" },
                { "/tables/1/window", "\"default\"" },
                { "/tables/2/liobn", "2147483649" },
                { "/tables/2/window", "\"dynamic\"" },
                { "/tables/2/page_shift", "12" },
                { "/tables/2/likely", "false" },
                { "/tables/5/page_shift", "24" },
                { "/tables/5/likely", "true" },
                { "/tables/6/liobn", "2147483904" },
                { "/tables/6/device", "\"pci.1\"" },
                { "/tables/6/kind", "\"vfio\"" },
                { "/tables/6/group", "3" },
                { "/tables/6/placement", "\"kernel-vfio\"" },
                { "/tables/6/reason", "\"in-kernel-linked\"" },
                { "/tables/10/liobn", "2147483905" },
                { "/tables/10/bus_offset", "576460752303423488" },
                { "/tables/10/size", "8589934592" },
                { "/tables/10/page_shift", "24" },
                { "/tables/10/entries", "512" },
                { "/tables/10/bytes", "4096" },
                { "/tables/10/locked_bytes", "131072" },
                { "/multitce/allowed", "true" },
                { "/multitce/reason", "\"checked\"" },
                { "/sums/tables", "5" },
                { "/sums/user_bytes", "0" },
                { "/sums/kernel_bytes", "4726784" }, /* 512 KiB, twice 2 MiB, twice 4 KiB */
        };
        _cleanup_(domain_plan_clear) DomainPlan plan = DOMAIN_PLAN_INIT;
        uint64_t page_size = kvm.page_size, limit;
        bool unlimited;

        if (!tap_eq(make(WEB1, NULL, &powernv, &plan), 0, "a domain with VIO, an empty PHB and VFIO"))
                return;
        check_members(&plan, members, ELEMENTSOF(members), "web1");
        tap_eq(plan.plan.n_tables + plan.plan.n_dynamic, 11, "that are all of its tables");
        memlock_limit(&plan.domain, &vfio, &unlimited, &limit);
        tap_ok(plan.memlock.limit == limit && limit > 0 && !unlimited && !plan.memlock.limit_unlimited, "its limit is there");
        tap_ok(plan.memlock.charged > 0 &&
                       plan.memlock.charged == memlock_charged(&plan.domain, &plan.layout, &plan.plan, &vfio, page_size),
               "and its charge");
}

/* What a host without facts is taken for. */
static void test_page_size(void) {
        _cleanup_(domain_plan_clear) DomainPlan plan = DOMAIN_PLAN_INIT;
        static const struct {
                uint64_t page_size, want;
        } cases[] = { { 4096, 516 << 10 }, { 65536, 576 << 10 }, { 0, 576 << 10 } };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                KvmFacts facts = kvm;
                PlanHost host = powernv;

                facts.page_size = cases[i].page_size;
                host.kvm = &facts;
                domain_plan_clear(&plan);
                tap_ok(make(WEB1, NULL, &host, &plan) == 0 && plan.plan.tables[0].locked_bytes == cases[i].want,
                       "a host with pages of %" PRIu64 " bytes", cases[i].page_size);
        }
}

/* One domain each, and what its JSON says of it. */
static void test_cases(void) {
        static const struct {
                const char *name, *xml;
                Member members[6];
        } cases[] = {
                { "a domain of type qemu", BARE("qemu", "pseries-9.2", ""),
                  { { "/domain/type", "\"qemu\"" }, { "/tables/0/placement", "\"user\"" }, { "/tables/0/reason", "\"tcg\"" },
                    { "/tables/4/reason", "\"tcg\"" }, { "/multitce/reason", "\"tcg\"" }, { "/sums/kernel_bytes", "0" } } },
                { "an old machine type", BARE("kvm", "pseries-4.1", ""),
                  { { "/phbs/0/page_sizes", "[4096,65536]" }, { "/tables/2/page_shift", "16" }, { "/tables/2/likely", "true" },
                    { "/sums/kernel_bytes", "3145728" } } },
                { "an older one", BARE("kvm", "pseries-2.6", ""),
                  { { "/phbs/0/ddw", "false" }, { "/phbs/0/page_sizes", "[]" }, { "/sums/tables", "1" } } },
                { "pgsz", BARE("kvm", "pseries-9.2", GLOBAL("pgsz=0x1000")),
                  { { "/phbs/0/page_sizes", "[4096]" }, { "/tables/1/likely", "true" }, { "/tables/1/bytes", "16777216" } } },
                { "a number above 2^63", BARE("kvm", "pseries-9.2", GLOBAL("dma_win_addr=0xffffffff00000000")),
                  { { "/tables/0/bus_offset", "18446744069414584320" }, { "/tables/0/placement", "\"kernel\"" } } },
                { "the largest window", BARE("kvm", "pseries-9.2", GLOBAL("dma_win_size=18446744073709551615")),
                  { { "/tables/0/size", "18446744073709547520" }, { "/tables/0/entries", "4503599627370495" },
                    { "/tables/0/placement", "null" }, { "/tables/0/reason", "\"too-many-entries\"" },
                    { "/tables/0/locked_bytes", "0" }, { "/sums/tables", "1" } } },
                { "a window beyond 2^64", BARE("kvm", "pseries-9.2", GLOBAL("dma64_win_addr=0xfffffffff0000000")),
                  { { "/tables/4/bus_offset", "18446744073441116160" }, { "/tables/4/placement", "null" },
                    { "/tables/4/reason", "\"invalid-window\"" }, { "/sums/tables", "1" } } },
                { "unlimited memory", DOMAIN("kvm", "pseries-9.2", "<memoryBacking><locked/></memoryBacking>\n" DEVICES("")),
                  { { "/memlock_limit", "null" } } },
                { "a register among the PCI LIOBNs",
                  DOMAIN("kvm", "pseries-9.2", DEVICES("<interface type='user'><model type='spapr-vlan'/>"
                                                       "<address type='spapr-vio' reg='0x80000001'/></interface>")),
                  { { "/verdict", "\"error\"" }, { "/findings/0/id", "\"vio-in-pci-range\"" },
                    { "/vio/0/reg", "2147483649" } } },
                { "nothing wrong", WEB1, { { "/verdict", "\"clean\"" }, { "/findings", "[]" } } },
                { "no limit", BARE("qemu", "pseries-9.2", ""), { { "/memlock_limit", "0" } } },
                { "another architecture",
                  "<domain type='kvm'><name>pc1</name><memory>1048576</memory>"
                  "<os><type arch='x86_64' machine='q35'>hvm</type></os><devices><interface type='user'/></devices></domain>",
                  { { "/domain/pseries", "false" }, { "/domain/uuid", "null" }, { "/phbs", "[]" }, { "/vio", "[]" },
                    { "/tables", "[]" }, { "/sums/tables", "0" } } },
                { "no machine",
                  "<domain type='kvm'><name>pc1</name><memory>1048576</memory><os><type arch='aarch64'>hvm</type></os></domain>",
                  { { "/domain/machine", "null" }, { "/domain/arch", "\"aarch64\"" }, { "/tables", "[]" } } },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(domain_plan_clear) DomainPlan plan = DOMAIN_PLAN_INIT;
                size_t n = 0;

                while (n < ELEMENTSOF(cases[i].members) && cases[i].members[n].path)
                        n++;
                if (tap_eq(make(cases[i].xml, NULL, &powernv, &plan), 0, "%s", cases[i].name))
                        check_members(&plan, cases[i].members, n, cases[i].name);
        }
}

/* Rules are the daemon's: they name a device by its alias. */
static void test_rules(void) {
        static Rule items[] = {
                { .path = STR("/etc/tced/rules.d/10-net.rule"), .device = STR("net0"),
                  .has_accel = true, .setting.accel = ACCEL_USER },
                { .path = STR("/etc/tced/rules.d/50-fast.rule"), .machine = STR("web*"), .kind = STR("vfio"),
                  .has_accel = true, .setting.accel = ACCEL_KERNEL },
        };
        static const Rules rules = { .items = items, .n = ELEMENTSOF(items) };
        static const Member members[] = {
                { "/tables/0/placement", "\"user\"" },   { "/tables/0/reason", "\"rule-user\"" },
                { "/tables/0/rule", "\"/etc/tced/rules.d/10-net.rule\"" },
                { "/tables/6/placement", "null" },       { "/tables/6/reason", "\"no-vfio-coupling\"" },
                { "/tables/6/accel", "\"kernel\"" },     { "/tables/10/placement", "null" },
                { "/sums/user_bytes", "524288" },        { "/sums/tables", "3" },
        };
        _cleanup_(domain_plan_clear) DomainPlan plan = DOMAIN_PLAN_INIT;
        KvmFacts facts = kvm;
        PlanHost host = powernv;

        facts.capability[KVM_CAPABILITY_TCE_VFIO] = (KvmCapabilityFact) { 0, { .proof = PROOF_NO } };
        host.kvm = &facts;
        host.rules = &rules;
        if (tap_eq(make(WEB1, NULL, &host, &plan), 0, "a demand that can't be met makes a plan"))
                check_members(&plan, members, ELEMENTSOF(members), "rules");
}

/* What KVM holds whatever the rules say, as a QEMU does not ask; and what it holds until vhost has started. In KiB, of pages of 64 KiB:
 * a default window's table is 33 pages, a VIO device's 9. */
static void test_charged(void) {
        static const char vhost[] = "<interface type='ethernet'><model type='virtio-non-transitional'/><driver iommu='on'/></interface>";
        static const struct {
                const char *name, *devices;
                Accel accel;
                bool coupling;
                uint64_t at_start, charged;
        } cases[] = {
                { "as KVM can", VLAN, ACCEL_AUTO, true, 42 * 64, 42 * 64 },
                { "a QEMU that is not named", VLAN, ACCEL_USER, true, 42 * 64, 42 * 64 },
                { "a QEMU", VLAN "<emulator>/usr/bin/qemu-system-ppc64</emulator>", ACCEL_USER, true, 42 * 64, 42 * 64 },
                { "a VMM that may ask", VLAN "<emulator>/opt/my-vmm</emulator>", ACCEL_USER, true, 0, 0 },
                { "vhost that KVM can couple", vhost, ACCEL_AUTO, true, 33 * 64, 33 * 64 },
                { "vhost that it can't", vhost, ACCEL_AUTO, false, 33 * 64, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(domain_plan_clear) DomainPlan plan = DOMAIN_PLAN_INIT;
                const PolicySetting policy = { .accel = cases[i].accel, .numa_node = NUMA_NODE_ANY };
                _cleanup_free_ char *xml = NULL;
                KvmFacts facts = kvm;
                PlanHost host = powernv;

                facts.capability[KVM_CAPABILITY_TCE_VFIO].proven.proof = cases[i].coupling ? PROOF_YES : PROOF_NO;
                host.kvm = &facts;
                host.policy = &policy;
                if (asprintf(&xml, DOMAIN("kvm", "pseries-9.2", DEVICES("%s") "<qemu:commandline>" GLOBAL("ddw=off") "</qemu:commandline>"), cases[i].devices) < 0)
                        abort();
                if (!tap_eq(make(xml, NULL, &host, &plan), 0, "charged: %s", cases[i].name))
                        continue;
                tap_eq((long long) plan.memlock.charged_at_start, (long long) cases[i].at_start * 1024, "charged at the start: %s", cases[i].name);
                tap_eq((long long) plan.memlock.charged, (long long) cases[i].charged * 1024, "and later");
        }
}

/* One device more, as `virsh attach-device` would take it. */
static void test_attach(void) {
        static const Member members[] = {
                { "/phbs/1/groups", "[3]" },
                { "/phbs/1/devices/0/host", "\"0001:00:00.0\"" },
                { "/tables/5/kind", "\"vfio\"" },
        };
        static const char xml[] = DOMAIN("kvm", "pseries-9.2", DEVICES(PHB_1));
        _cleanup_(domain_plan_clear) DomainPlan plan = DOMAIN_PLAN_INIT;
        DomainError error = {};

        if (tap_eq(make(xml, HOSTDEV("0x01"), &powernv, &plan), 0, "a passed-through function is attached"))
                check_members(&plan, members, ELEMENTSOF(members), "attached");
        domain_plan_clear(&plan);
        tap_ok(make(xml, NULL, &powernv, &plan) == 0 && !plan.layout.phbs[1].vfio, "without it the PHB is empty");
        tap_eq(domain_plan_make(xml, strlen(xml), "<hostdev", &powernv, &plan, &error), -EINVAL, "a device that can't be read");
        tap_ok(*error.text && !plan.layout.phbs[1].vfio, "is told, and the plan is what it was");
}

/* The same while the VM runs: libvirt's own XML of it has an id, and PHBs for all that was there. */
static void test_attach_running(void) {
        static const char anywhere[] = "<hostdev mode='subsystem' type='pci' managed='yes'><source>"
                                       "<address domain='0x0001' bus='0x00' slot='0x00' function='0x0'/></source></hostdev>";
        static const char phb_0[] = "<controller type='pci' index='0' model='pci-root'><target index='0'/></controller>";
        static const struct {
                const char *name, *phbs, *device;
                const char *error; /* NULL: it goes in */
        } cases[] = {
                { "no PHB is empty", "", anywhere, "none can be added while the VM runs" },
                { "one is", PHB_1, anywhere, NULL },
                { "an emulated device", "", "<disk type='file'><target dev='vdb' bus='virtio'/></disk>", NULL },
                { "a VIO device", "", "<interface type='user'><model type='spapr-vlan'/></interface>", "QEMU plugs nothing while the VM runs" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(domain_plan_clear) DomainPlan plan = DOMAIN_PLAN_INIT;
                _cleanup_free_ char *xml = NULL;
                DomainError error = {};
                int r;

                if (asprintf(&xml, "<domain type='kvm' id='3'><memory unit='GiB'>2</memory><os><type arch='ppc64le' machine='pseries-9.2'/></os>"
                             DEVICES("%s%s") "</domain>", phb_0, cases[i].phbs) < 0)
                        abort();
                r = domain_plan_make(xml, strlen(xml), cases[i].device, &powernv, &plan, &error);
                if (!tap_ok(r == (cases[i].error ? -EINVAL : 0) && (!cases[i].error || strstr(error.text, cases[i].error)), "a VM that runs: %s", cases[i].name))
                        printf("#   %d %s\n", r, error.text);
        }
}

/* What can't be understood, and what libvirt would refuse. */
static void test_errors(void) {
        static const struct {
                const char *name, *xml;
        } cases[] = {
                { "no XML", "web1" },
                { "XML that ends too early", "<domain type='kvm'>" },
                { "another root", "<network><name>web1</name></network>" },
                { "a number that is none",
                  DOMAIN("kvm", "pseries-9.2", DEVICES("<interface type='user'><model type='spapr-vlan'/>"
                                                       "<address type='spapr-vio' reg='x'/></interface>")) },
                { "a bus that libvirt would not find", DOMAIN("kvm", "pseries-9.2", DEVICES(PHB_1 HOSTDEV("0x1000"))) },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                DomainPlan plan = { .memlock.limit = 77 };
                DomainError error = {};

                tap_eq(domain_plan_make(cases[i].xml, strlen(cases[i].xml), NULL, &powernv, &plan, &error), -EINVAL, "%s",
                       cases[i].name);
                tap_ok(*error.text && plan.memlock.limit == 77 && !plan.domain.name, "%s: is told, and nothing is planned",
                       cases[i].name);
        }
}

/* The worst finding is the verdict; what refuses the start is the first error. */
static void test_verdicts(void) {
        static const struct {
                Severity severities[3];
                size_t n;
                const char *verdict;
                int refusal;
        } cases[] = {
                { {}, 0, "\"clean\"", -1 },
                { { SEVERITY_INFO }, 1, "\"clean\"", -1 },
                { { SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_INFO }, 3, "\"warnings\"", -1 },
                { { SEVERITY_WARNING, SEVERITY_ERROR, SEVERITY_ERROR }, 3, "\"error\"", 1 },
                { { SEVERITY_ERROR, SEVERITY_WARNING }, 2, "\"error\"", 0 },
        };
        static const Member finding = { "/findings/0", "{\"id\":\"phb-index\",\"severity\":\"error\",\"subject\":\"pci.1\","
                                                       "\"text\":\"number 0\",\"remedy\":\"Do it.\"}" };
        _cleanup_(domain_plan_clear) DomainPlan plan = DOMAIN_PLAN_INIT;

        if (!tap_eq(make(WEB1, NULL, &powernv, &plan), 0, "a domain to have findings"))
                return;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Member verdict = { "/verdict", cases[i].verdict };
                const Finding *refusal;

                findings_clear(&plan.findings);
                for (size_t j = 0; j < cases[i].n; j++)
                        (void) findings_add(&plan.findings, FINDING_PHB_INDEX, cases[i].severities[j], "pci.1", "Do it.",
                                            "number %zu", j);
                check_members(&plan, &verdict, 1, cases[i].verdict);
                refusal = domain_plan_refusal(&plan);
                tap_ok(cases[i].refusal < 0 ? !refusal : refusal == &plan.findings.items[cases[i].refusal], "its refusal");
        }
        check_members(&plan, &finding, 1, "a finding");
}

/* How many members one has and the other has not, or of another type. null goes with everything. */
static unsigned differences(json_object *want, json_object *have, const char *where) {
        unsigned wrong = 0;

        if (!want || !have)
                return 0;
        if (json_object_get_type(want) != json_object_get_type(have))
                return (unsigned) printf("# %s is %s\n", where, json_type_to_name(json_object_get_type(have))) > 0;
        if (json_object_is_type(want, json_type_array))
                return differences(json_object_array_get_idx(want, 0), json_object_array_get_idx(have, 0), where);
        if (!json_object_is_type(want, json_type_object))
                return 0;
        json_object_object_foreach(want, key, value) {
                json_object *found;

                if (!json_object_object_get_ex(have, key, &found)) {
                        printf("# %s.%s is in one of them alone\n", where, key);
                        wrong++;
                } else
                        wrong += differences(value, found, key);
        }
        return wrong;
}

/* Every member that docs/plan.md shows is there, and it shows every one. */
static void test_documentation(void) {
        _cleanup_(domain_plan_clear) DomainPlan plan = DOMAIN_PLAN_INIT;
        char text[16384];
        json_object *documented, *have;
        char *begin, *end;
        ssize_t n = read_file_at(AT_FDCWD, TEST_SOURCE_ROOT "/docs/plan.md", text, sizeof(text));

        begin = n > 0 ? strstr(text, "```json") : NULL;
        end = begin ? strstr(begin + 7, "```") : NULL;
        if (!tap_ok(end, "docs/plan.md shows a plan"))
                return;
        *end = '\0';
        documented = json_tokener_parse(begin + 7);
        tap_eq(make(WEB1, NULL, &powernv, &plan), 0, "a domain that has all of it");
        findings_clear(&plan.findings);
        (void) findings_add(&plan.findings, FINDING_PHB_INDEX, SEVERITY_ERROR, "pci.1", "Do it.", "text");
        have = to_json(&plan);
        if (tap_ok(documented && have, "both are JSON")) {
                json_object *wanted_phb = NULL, *phb = NULL;

                tap_eq(differences(documented, have, "documented"), 0, "what is documented is there");
                tap_eq(differences(have, documented, "plan"), 0, "what is there is documented");
                (void) json_pointer_get(documented, "/phbs/0", &wanted_phb);
                (void) json_pointer_get(have, "/phbs/1", &phb);
                tap_eq(differences(wanted_phb, phb, "phb") + differences(phb, wanted_phb, "phb"), 0,
                       "of a PHB with devices too");
        }
        (void) json_object_put(documented);
        (void) json_object_put(have);
}

static void test_clear(void) {
        DomainPlan plan = DOMAIN_PLAN_INIT;

        domain_plan_clear(&plan);
        tap_ok(!domain_plan_refusal(&plan), "an empty plan is cleared, and refuses nothing");
        tap_eq(make(WEB1, NULL, &powernv, &plan), 0, "a plan");
        domain_plan_clear(&plan);
        domain_plan_clear(&plan);
        tap_ok(!plan.domain.name && plan.layout.n_phbs == 0 && plan.plan.n_tables == 0 && plan.findings.n == 0,
               "is cleared, twice");
}

int main(void) {
        test_whole();
        test_page_size();
        test_cases();
        test_rules();
        test_charged();
        test_attach();
        test_attach_running();
        test_errors();
        test_verdicts();
        test_documentation();
        test_clear();
        return tap_done();
}
