/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* policy.c: names, facts boiled down, a table's place in every combination, multi-TCE, rules. */

#include "policy.h"
#include "tap.h"
#include "util.h"

#define GIB (UINT64_C(1) << 30)
#define DDW_BASE (UINT64_C(1) << 59)

/* Names go both ways, and everything that a person may be shown has words. */
static void test_names(void) {
        for (int i = 0; i < _ACCEL_MAX; i++)
                tap_eq(accel_from_string(accel_to_string((Accel) i)), i, "accel %d and back", i);
        for (int i = 0; i < _TRISTATE_MAX; i++)
                tap_eq(tristate_from_string(tristate_to_string((Tristate) i)), i, "tristate %d and back", i);
        for (int i = 0; i < _REASON_MAX; i++) {
                tap_eq(reason_from_string(reason_to_string((Reason) i)), i, "reason %d and back", i);
                tap_ok(!isempty(reason_text((Reason) i)), "reason %s has a text", reason_to_string((Reason) i));
        }
        for (int i = 0; i < _MULTITCE_REASON_MAX; i++) {
                const char *name = multitce_reason_to_string((MultiTceReason) i);

                tap_eq(multitce_reason_from_string(name), i, "multi-TCE reason %d and back", i);
                tap_ok(!isempty(multitce_reason_text((MultiTceReason) i)), "multi-TCE reason %s has a text", name);
        }
        tap_eq(accel_from_string("Kernel"), -EINVAL, "no accel of that name");
        tap_eq(tristate_from_string("on"), TRISTATE_YES, "a boolean's spelling is a tristate's");
        tap_eq(tristate_from_string("0"), TRISTATE_NO, "so is its opposite");
        tap_eq(tristate_from_string("perhaps"), -EINVAL, "no tristate of that name");
        tap_eq(reason_from_string(""), -EINVAL, "no reason without a name");
        tap_eq(multitce_reason_from_string("fine"), -EINVAL, "no multi-TCE reason of that name");
}

/* What is declared and proven of one capability, and whether it is to be used. */
static void test_usable(void) {
        static const struct {
                uint32_t declared;
                Proof proof;
                bool want;
        } cases[] = {
                { 0, PROOF_UNKNOWN, false }, { 1, PROOF_UNKNOWN, true }, { 0, PROOF_YES, true },
                { 1, PROOF_YES, true },      { 0, PROOF_NO, false },     { 1, PROOF_NO, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (int c = 0; c < _KVM_CAPABILITY_MAX; c++) {
                        KvmFacts kvm = { .release = "5.4.0", .vm.proof = PROOF_YES };
                        PolicyFacts have;
                        bool want = cases[i].want;

                        kvm.capability[c].declared = cases[i].declared;
                        kvm.capability[c].proven.proof = cases[i].proof;
                        have = policy_facts_from(&kvm);
                        tap_ok(have.tce == (want && (c == KVM_CAPABILITY_TCE || c == KVM_CAPABILITY_TCE_64)) &&
                                       have.tce_64 == (want && c == KVM_CAPABILITY_TCE_64) &&
                                       have.tce_vfio == (want && c == KVM_CAPABILITY_TCE_VFIO) &&
                                       have.multitce == (want && c == KVM_CAPABILITY_MULTITCE),
                               "%s declared %u, proven %s", kvm_capability_to_string((KvmCapability) c), cases[i].declared,
                               proof_to_string(cases[i].proof));
                }
}

/* All capabilities read 1 in each of these: it is the VM that counts. */
static void test_kvm_usable(void) {
        static const struct {
                const char *name;
                int device_error;
                Proof vm;
                bool want;
        } cases[] = {
                { "a VM was created", 0, PROOF_YES, true },
                { "not tried yet", 0, PROOF_UNKNOWN, true },
                { "no VM could be created, whatever is declared", 0, PROOF_NO, false },
                { "no /dev/kvm", ENOENT, PROOF_UNKNOWN, false },
                { "no /dev/kvm and no VM", ENOENT, PROOF_NO, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                KvmFacts kvm = { .device_error = cases[i].device_error, .vm.proof = cases[i].vm };

                for (int c = 0; c < _KVM_CAPABILITY_MAX; c++)
                        kvm.capability[c].declared = 1;
                tap_eq(policy_facts_from(&kvm).kvm, cases[i].want, "KVM: %s", cases[i].name);
        }
}

/* The probe's word comes before the version's, and the version never says no. */
static void test_range_check_facts(void) {
        static const struct {
                const char *name;
                Proof probe;
                const char *release, *version;
                Proof want;
                bool by_probe;
        } cases[] = {
                { "probed, fixed", PROOF_YES, "6.1.0", "#1 SMP", PROOF_YES, true },
                { "probed, faulty", PROOF_NO, "7.3.0", "#1 SMP", PROOF_NO, true },
                { "not probed, an old kernel", PROOF_UNKNOWN, "5.4.0", "#1 SMP", PROOF_UNKNOWN, false },
                { "not probed, mainline with the fix", PROOF_UNKNOWN, "7.3.0", "#1 SMP", PROOF_YES, false },
                { "not probed, no version at all", PROOF_UNKNOWN, "", "", PROOF_UNKNOWN, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                KvmFacts kvm = { .range_check = { .proof = cases[i].probe, .why = "tried" } };
                PolicyFacts have;

                (void) snprintf(kvm.release, sizeof(kvm.release), "%s", cases[i].release);
                (void) snprintf(kvm.version, sizeof(kvm.version), "%s", cases[i].version);
                have = policy_facts_from(&kvm);
                tap_ok(have.range_check.proof == cases[i].want && have.range_check_by_probe == cases[i].by_probe &&
                               !isempty(have.range_check.why),
                       "range check: %s", cases[i].name);
        }
}

/* Hosts as there are. */
static const PolicyFacts powernv = { .kvm = true, .tce = true, .tce_64 = true, .tce_vfio = true, .multitce = true };
static const PolicyFacts old_partition = { .kvm = true, .tce = true, .tce_64 = true, .multitce = true };
static const PolicyFacts legacy = { .kvm = true, .tce = true };
static const PolicyFacts lpar = { .tce = true, .tce_64 = true, .tce_vfio = true, .multitce = true };
static const PolicyFacts x86 = { .kvm = true };
static const PolicyFacts without_kvm = { .kvm = true, .tce = true, .tce_64 = true, .tce_vfio = true, .multitce = true, .tcg = true };

#define DEFAULT_WINDOW .size = GIB, .page_shift = 12
#define DDW_WINDOW .bus_offset = DDW_BASE, .size = 8 * GIB, .page_shift = 16
#define KERNEL(r) { .placement = PLACEMENT_KERNEL, .reason = r }
#define LINKED { .placement = PLACEMENT_KERNEL_VFIO, .reason = REASON_IN_KERNEL_LINKED }
#define USER(r) { .placement = PLACEMENT_USER, .reason = r }
#define REFUSED(r) { .refused = true, .reason = r }

/* The cases that people meet, by name; test_sweep() has the others. */
static void test_decide(void) {
        static const struct {
                const char *name;
                const PolicyFacts *facts;
                Window window;
                Accel accel;
                Verdict want;
        } cases[] = {
                { "VIO on bare metal", &powernv, { .kind = DEVICE_VIO, DEFAULT_WINDOW }, ACCEL_AUTO, KERNEL(REASON_IN_KERNEL) },
                { "PCI on bare metal", &powernv, { .kind = DEVICE_PCI, DEFAULT_WINDOW }, ACCEL_AUTO, KERNEL(REASON_IN_KERNEL) },
                { "PCI, 64-bit window", &powernv, { .kind = DEVICE_PCI, DDW_WINDOW }, ACCEL_AUTO, KERNEL(REASON_IN_KERNEL) },
                { "VFIO on bare metal", &powernv, { .kind = DEVICE_VFIO, DEFAULT_WINDOW }, ACCEL_AUTO, LINKED },
                { "VFIO, 64-bit window", &powernv, { .kind = DEVICE_VFIO, DDW_WINDOW }, ACCEL_KERNEL, LINKED },
                { "vDPA is not linked, but needs the coupling", &powernv,
                  { .kind = DEVICE_PCI, DEFAULT_WINDOW, .notifier = true }, ACCEL_AUTO, KERNEL(REASON_IN_KERNEL) },
                { "VFIO in a partition without the coupling", &old_partition, { .kind = DEVICE_VFIO, DEFAULT_WINDOW },
                  ACCEL_AUTO, USER(REASON_NO_VFIO_COUPLING) },
                { "vhost with iommu_platform there", &old_partition, { .kind = DEVICE_PCI, DEFAULT_WINDOW, .notifier = true },
                  ACCEL_AUTO, USER(REASON_NO_VFIO_COUPLING) },
                { "emulated PCI there", &old_partition, { .kind = DEVICE_PCI, DDW_WINDOW }, ACCEL_AUTO,
                  KERNEL(REASON_IN_KERNEL) },
                { "VFIO there, kernel demanded", &old_partition, { .kind = DEVICE_VFIO, DEFAULT_WINDOW }, ACCEL_KERNEL,
                  REFUSED(REASON_NO_VFIO_COUPLING) },
                { "an old kernel, default window", &legacy, { .kind = DEVICE_PCI, DEFAULT_WINDOW }, ACCEL_KERNEL,
                  KERNEL(REASON_IN_KERNEL) },
                { "an old kernel, base above zero", &legacy,
                  { .kind = DEVICE_PCI, .bus_offset = 4096, .size = GIB, .page_shift = 12 }, ACCEL_AUTO, USER(REASON_NO_TCE_64) },
                { "an old kernel, pages of 64 KiB", &legacy, { .kind = DEVICE_PCI, .size = GIB, .page_shift = 16 }, ACCEL_AUTO,
                  USER(REASON_NO_TCE_64) },
                { "an old kernel, 4 GiB", &legacy, { .kind = DEVICE_PCI, .size = 4 * GIB, .page_shift = 12 }, ACCEL_AUTO,
                  USER(REASON_NO_TCE_64) },
                { "an old kernel, 4 GiB less a page", &legacy,
                  { .kind = DEVICE_PCI, .size = 4 * GIB - 4096, .page_shift = 12 }, ACCEL_AUTO, KERNEL(REASON_IN_KERNEL) },
                { "an old kernel, 4 GiB demanded", &legacy, { .kind = DEVICE_PCI, .size = 4 * GIB, .page_shift = 12 },
                  ACCEL_KERNEL, REFUSED(REASON_NO_TCE_64) },
                { "a partition without KVM", &lpar, { .kind = DEVICE_VIO, DEFAULT_WINDOW }, ACCEL_AUTO, USER(REASON_NO_KVM) },
                { "a partition without KVM, VFIO", &lpar, { .kind = DEVICE_VFIO, DDW_WINDOW }, ACCEL_AUTO, USER(REASON_NO_KVM) },
                { "a partition without KVM, kernel demanded", &lpar, { .kind = DEVICE_VIO, DEFAULT_WINDOW }, ACCEL_KERNEL,
                  REFUSED(REASON_NO_KVM) },
                { "x86", &x86, { .kind = DEVICE_PCI, DEFAULT_WINDOW }, ACCEL_AUTO, USER(REASON_NO_TCE) },
                { "x86, kernel demanded", &x86, { .kind = DEVICE_PCI, DEFAULT_WINDOW }, ACCEL_KERNEL, REFUSED(REASON_NO_TCE) },
                { "user asked for", &powernv, { .kind = DEVICE_VFIO, DEFAULT_WINDOW }, ACCEL_USER, USER(REASON_RULE_USER) },
                { "user asked for where nothing else goes", &lpar, { .kind = DEVICE_VIO, DEFAULT_WINDOW }, ACCEL_USER,
                  USER(REASON_RULE_USER) },
                { "2^32 - 1 TCEs", &powernv, { .kind = DEVICE_PCI, .size = (TCE_ENTRIES_LIMIT - 1) << 12, .page_shift = 12 },
                  ACCEL_AUTO, KERNEL(REASON_IN_KERNEL) },
                { "2^32 TCEs", &powernv, { .kind = DEVICE_PCI, .size = TCE_ENTRIES_LIMIT << 12, .page_shift = 12 }, ACCEL_AUTO,
                  REFUSED(REASON_TOO_MANY_ENTRIES) },
                { "2^32 TCEs are none for the VMM either", &lpar,
                  { .kind = DEVICE_PCI, .size = TCE_ENTRIES_LIMIT << 12, .page_shift = 12 }, ACCEL_USER,
                  REFUSED(REASON_TOO_MANY_ENTRIES) },
                { "2^32 TCEs without KVM", &lpar, { .kind = DEVICE_VFIO, .size = TCE_ENTRIES_LIMIT << 12, .page_shift = 12 },
                  ACCEL_AUTO, REFUSED(REASON_TOO_MANY_ENTRIES) },
                { "2^32 TCEs demanded where nothing can hold them", &lpar,
                  { .kind = DEVICE_PCI, .size = TCE_ENTRIES_LIMIT << 12, .page_shift = 12 }, ACCEL_KERNEL,
                  REFUSED(REASON_TOO_MANY_ENTRIES) },
                { "an old kernel, VFIO's 64-bit window", &legacy, { .kind = DEVICE_VFIO, DDW_WINDOW }, ACCEL_AUTO,
                  USER(REASON_NO_TCE_64) },
                { "size zero", &powernv, { .kind = DEVICE_PCI, .page_shift = 12 }, ACCEL_AUTO, REFUSED(REASON_INVALID_WINDOW) },
                { "page shift 11", &powernv, { .kind = DEVICE_PCI, .size = GIB, .page_shift = 11 }, ACCEL_AUTO,
                  REFUSED(REASON_INVALID_WINDOW) },
                { "page shift 35", &powernv, { .kind = DEVICE_PCI, .size = UINT64_C(1) << 36, .page_shift = 35 }, ACCEL_USER,
                  REFUSED(REASON_INVALID_WINDOW) },
                { "half a page", &powernv, { .kind = DEVICE_PCI, .size = 2048, .page_shift = 12 }, ACCEL_KERNEL,
                  REFUSED(REASON_INVALID_WINDOW) },
                { "beyond 2^64", &powernv, { .kind = DEVICE_PCI, .bus_offset = UINT64_MAX - 4095, .size = 8192, .page_shift = 12 },
                  ACCEL_AUTO, REFUSED(REASON_INVALID_WINDOW) },
                { "a VM without KVM", &without_kvm, { .kind = DEVICE_VIO, DEFAULT_WINDOW }, ACCEL_AUTO, USER(REASON_TCG) },
                { "a VM without KVM, VFIO", &without_kvm, { .kind = DEVICE_VFIO, DDW_WINDOW }, ACCEL_AUTO, USER(REASON_TCG) },
                { "a VM without KVM, user asked for", &without_kvm, { .kind = DEVICE_PCI, DEFAULT_WINDOW }, ACCEL_USER,
                  USER(REASON_TCG) },
                { "a VM without KVM, kernel demanded", &without_kvm, { .kind = DEVICE_PCI, DEFAULT_WINDOW }, ACCEL_KERNEL,
                  REFUSED(REASON_TCG) },
                { "a VM without KVM, 2^32 TCEs", &without_kvm,
                  { .kind = DEVICE_PCI, .size = TCE_ENTRIES_LIMIT << 12, .page_shift = 12 }, ACCEL_AUTO,
                  REFUSED(REASON_TOO_MANY_ENTRIES) },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Verdict have = policy_decide(cases[i].facts, &cases[i].window, cases[i].accel), want = cases[i].want;

                tap_ok(have.refused == want.refused && have.reason == want.reason &&
                               (want.refused || have.placement == want.placement),
                       "decide: %s", cases[i].name);
        }
}

/* What the kernel lacks for a window that is possible, said once more and in another way: what each capability is needed for. */
static bool kernel_can(const PolicyFacts *f, DeviceKind kind, bool notifier, bool needs_64) {
        bool needs_vfio = kind == DEVICE_VFIO || notifier;

        return f->kvm && f->tce && (f->tce_64 || !needs_64) && (f->tce_vfio || !needs_vfio);
}

/* Every combination of facts, kind, notifier, geometry and wish: 16 × 3 × 2 × 5 × 3. */
static void test_sweep(void) {
        static const struct {
                Window window;
                bool needs_64;
        } windows[] = {
                { { DEFAULT_WINDOW }, false },
                { { .bus_offset = 4096, DEFAULT_WINDOW }, true },
                { { .size = GIB, .page_shift = 16 }, true },
                { { .size = 4 * GIB, .page_shift = 12 }, true },
                { { DDW_WINDOW }, true },
        };
        unsigned wrong = 0, tried = 0;

        for (unsigned n = 0; n < 16U * _DEVICE_KIND_MAX * 2 * ELEMENTSOF(windows) * _ACCEL_MAX; n++) {
                PolicyFacts facts = { .kvm = n & 1, .tce = n & 2, .tce_64 = n & 4, .tce_vfio = n & 8 };
                unsigned rest = n / 16;
                DeviceKind kind = (DeviceKind) (rest % _DEVICE_KIND_MAX);
                bool notifier = (rest /= _DEVICE_KIND_MAX) % 2;
                size_t w = (rest /= 2) % ELEMENTSOF(windows);
                Accel accel = (Accel) (rest / ELEMENTSOF(windows));
                Window window = windows[w].window;
                bool in_kernel = accel != ACCEL_USER && kernel_can(&facts, kind, notifier, windows[w].needs_64);
                Placement want = !in_kernel ? PLACEMENT_USER : kind == DEVICE_VFIO ? PLACEMENT_KERNEL_VFIO : PLACEMENT_KERNEL;
                Verdict have;

                window.kind = kind;
                window.notifier = notifier;
                have = policy_decide(&facts, &window, accel);
                tried++;
                if (have.refused != (accel == ACCEL_KERNEL && !in_kernel) || (!have.refused && have.placement != want) ||
                    (have.reason == REASON_RULE_USER) != (accel == ACCEL_USER))
                        wrong++;
        }
        tap_eq(tried, 1440, "every combination was tried");
        tap_eq(wrong, 0, "every combination goes where its capabilities let it");
}

/* Each state of the facts with each wish of a rule. */
static void test_multitce(void) {
        static const struct {
                const char *name;
                bool kvm, tce, multitce;
                Proof range_check;
                bool by_probe;
                MultiTceReason want[_TRISTATE_MAX]; /* for a rule of auto, yes, no */
        } cases[] = {
                { "proven", true, true, true, PROOF_YES, true, { MULTITCE_CHECKED, MULTITCE_CHECKED, MULTITCE_RULE_NO } },
                { "known by version", true, true, true, PROOF_YES, false,
                  { MULTITCE_FIXED_VERSION, MULTITCE_FIXED_VERSION, MULTITCE_RULE_NO } },
                { "nothing known", true, true, true, PROOF_UNKNOWN, false,
                  { MULTITCE_UNKNOWN, MULTITCE_RULE_YES, MULTITCE_RULE_NO } },
                { "seen to be faulty", true, true, true, PROOF_NO, true, { MULTITCE_FAULTY, MULTITCE_FAULTY, MULTITCE_RULE_NO } },
                { "no KVM", false, true, true, PROOF_YES, false, { MULTITCE_UNUSABLE, MULTITCE_UNUSABLE, MULTITCE_RULE_NO } },
                { "no tables", true, false, true, PROOF_YES, true, { MULTITCE_UNUSABLE, MULTITCE_UNUSABLE, MULTITCE_RULE_NO } },
                { "no multi-TCE", true, true, false, PROOF_UNKNOWN, false,
                  { MULTITCE_UNUSABLE, MULTITCE_UNUSABLE, MULTITCE_RULE_NO } },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (int rule = 0; rule < _TRISTATE_MAX; rule++) {
                        PolicyFacts facts = {
                                .kvm = cases[i].kvm,
                                .tce = cases[i].tce,
                                .multitce = cases[i].multitce,
                                .range_check.proof = cases[i].range_check,
                                .range_check_by_probe = cases[i].by_probe,
                        };
                        MultiTceReason want = cases[i].want[rule];
                        MultiTceVerdict have = policy_multitce(&facts, (Tristate) rule);
                        bool allowed = want == MULTITCE_CHECKED || want == MULTITCE_FIXED_VERSION || want == MULTITCE_RULE_YES;

                        tap_ok(have.reason == want && have.allowed == allowed, "multi-TCE: %s, rule %s", cases[i].name,
                               tristate_to_string((Tristate) rule));
                }
}

#define UUID "0123456789abcdef0123456789abcdef"
#define STR(s) ((char *) (s))

/* One rule against one window: db1's net0, on a PHB. */
static void test_matching(void) {
        static const struct {
                const char *name;
                Rule rule;
                bool want;
        } cases[] = {
                { "no pattern", {}, true },
                { "the machine's name", { .machine = STR("db1") }, true },
                { "a glob of it", { .machine = STR("db*") }, true },
                { "a set in it", { .machine = STR("db[0-9]") }, true },
                { "the name in capitals", { .machine = STR("DB1") }, false },
                { "a part of the name", { .machine = STR("db") }, false },
                { "the UUID", { .uuid = STR(UUID) }, true },
                { "its start", { .uuid = STR("01234567*") }, true },
                { "another UUID", { .uuid = STR("ffff*") }, false },
                { "the kind", { .kind = STR("pci") }, true },
                { "another kind", { .kind = STR("vfio") }, false },
                { "either kind of it", { .kind = STR("[pv][ci]*") }, true },
                { "the device", { .device = STR("net0") }, true },
                { "a device with a slash", { .device = STR("*") }, true },
                { "the LIOBN", { .liobn = STR("80000001") }, true },
                { "every PCI LIOBN", { .liobn = STR("8*") }, true },
                { "every VIO LIOBN", { .liobn = STR("0*") }, false },
                { "all that match", { .machine = STR("db1"), .uuid = STR("0*"), .kind = STR("p*"), .device = STR("net?"),
                  .liobn = STR("8000????") }, true },
                { "all but the last", { .machine = STR("db1"), .uuid = STR("0*"), .kind = STR("p*"), .device = STR("net?"),
                  .liobn = STR("0000????") }, false },
                { "all but the first", { .machine = STR("web1"), .kind = STR("pci"), .device = STR("net0") }, false },
        };
        const Window window = { .kind = DEVICE_PCI, .liobn = 0x80000001, .device = "net0" };
        const PolicySetting by_default = { .numa_node = NUMA_NODE_ANY };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Rule rule = cases[i].rule;
                Rules rules = { .items = &rule, .n = 1 };
                const Rule *found;

                (void) policy_setting_for(&rules, &by_default, "db1", UUID, &window, &found);
                tap_ok((found == &rule) == cases[i].want, "match: %s", cases[i].name);
        }
}

/* Which of several rules decides, and what it leaves to the default. */
static void test_setting(void) {
        Rule items[] = {
                { .path = STR("10"), .machine = STR("db*"), .device = STR("net0"), .has_accel = true, .setting.accel = ACCEL_USER },
                { .path = STR("20"), .machine = STR("db*"), .has_accel = true, .has_multitce = true, .has_huge_pages = true,
                  .has_numa_node = true, .setting = { ACCEL_KERNEL, TRISTATE_NO, TRISTATE_YES, 8 } },
                { .path = STR("30"), .has_huge_pages = true, .setting.huge_pages = TRISTATE_NO },
        };
        const Rules rules = { .items = items, .n = ELEMENTSOF(items) };
        const PolicySetting by_default = { ACCEL_AUTO, TRISTATE_YES, TRISTATE_YES, 1 };
        const Window net = { .device = "net0" }, disk = { .device = "disk0" }, nameless = {};
        const Rule *rule;
        PolicySetting s;

        s = policy_setting_for(&rules, &by_default, "db1", UUID, &net, &rule);
        tap_ok(rule == &items[0] && s.accel == ACCEL_USER, "the first of two rules wins");
        tap_ok(s.multitce == TRISTATE_YES && s.huge_pages == TRISTATE_YES && s.numa_node == 1,
               "what it does not say is the default's, not a later rule's");
        s = policy_setting_for(&rules, &by_default, "db1", UUID, &disk, &rule);
        tap_ok(rule == &items[1] && s.accel == ACCEL_KERNEL && s.multitce == TRISTATE_NO && s.huge_pages == TRISTATE_YES &&
                       s.numa_node == 8,
               "a rule that says everything");
        s = policy_setting_for(&rules, &by_default, NULL, NULL, &nameless, &rule);
        tap_ok(rule == &items[2] && s.accel == ACCEL_AUTO && s.huge_pages == TRISTATE_NO,
               "nothing has a name: just the rule without patterns");
        s = policy_setting_for(&(Rules) {}, &by_default, "db1", UUID, &net, &rule);
        tap_ok(!rule && s.numa_node == 1, "no rules: the default, and no rule is named");
        s = policy_setting_for(&rules, &by_default, "db1", UUID, &net, NULL);
        tap_eq(s.accel, ACCEL_USER, "who does not ask for the rule gets the setting all the same");
}

/* MultiTce= is the VM's: a rule about a device says nothing of it. */
static void test_multitce_rules(void) {
        Rule items[] = {
                { .device = STR("net0"), .has_multitce = true, .setting.multitce = TRISTATE_YES },
                { .kind = STR("*"), .has_multitce = true, .setting.multitce = TRISTATE_YES },
                { .liobn = STR("*"), .has_multitce = true, .setting.multitce = TRISTATE_YES },
                { .machine = STR("db*"), .has_accel = true, .setting.accel = ACCEL_USER },
                { .machine = STR("db*"), .has_multitce = true, .setting.multitce = TRISTATE_NO },
                { .uuid = STR("0123*"), .has_multitce = true, .setting.multitce = TRISTATE_YES },
        };
        const Rules rules = { .items = items, .n = ELEMENTSOF(items) };
        const PolicySetting by_default = {};

        tap_eq(policy_multitce_for(&rules, &by_default, "db1", UUID), TRISTATE_NO,
               "rules that name a device, and those without MultiTce=, are passed over");
        tap_eq(policy_multitce_for(&rules, &by_default, "web1", UUID), TRISTATE_YES, "the next that matches, by its UUID");
        tap_eq(policy_multitce_for(&rules, &by_default, "web1", "f"), TRISTATE_AUTO, "none matches: the default");
}

static void test_clear(void) {
        Rules rules = {};

        rules_clear(&rules);
        tap_ok(!rules.items && rules.n == 0, "no rules are cleared");
        if (!tap_eq(ARRAY_RESERVE(rules.items, rules.allocated, 1), 0, "room for a rule"))
                return;
        rules.items[0] = (Rule) { .path = strdup("p"), .machine = strdup("m"), .liobn = strdup("l") };
        rules.n = 1;
        rules_clear(&rules);
        tap_ok(!rules.items && rules.n == 0 && rules.allocated == 0, "rules are cleared, half-built ones too");
}

int main(void) {
        test_names();
        test_usable();
        test_kvm_usable();
        test_range_check_facts();
        test_decide();
        test_sweep();
        test_multitce();
        test_matching();
        test_setting();
        test_multitce_rules();
        test_clear();
        return tap_done();
}
