/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* facts.c and kernel_version.c: names, comparison, search, and what a version tells. */

#include "facts.h"
#include "kernel_version.h"
#include "tap.h"
#include "util.h"

static void test_names(void) {
        static const struct {
                const char *name;
                unsigned number;
        } capabilities[_KVM_CAPABILITY_MAX] = {
                { "KVM_CAP_SPAPR_TCE", 63 },
                { "KVM_CAP_SPAPR_TCE_64", 125 },
                { "KVM_CAP_SPAPR_TCE_VFIO", 142 },
                { "KVM_CAP_SPAPR_MULTITCE", 94 },
        };

        for (int i = 0; i < _PROOF_MAX; i++)
                tap_eq(proof_from_string(proof_to_string((Proof) i)), i, "proof %d and back", i);
        for (int i = 0; i < _GROUP_VIABILITY_MAX; i++)
                tap_eq(group_viability_from_string(group_viability_to_string((GroupViability) i)), i, "viability %d and back", i);
        for (int i = 0; i < _PLATFORM_MAX; i++)
                tap_eq(platform_from_string(platform_to_string((Platform) i)), i, "platform %d and back", i);
        for (int i = 0; i < _ADAPTER_RULES_MAX; i++)
                tap_eq(adapter_rules_from_string(adapter_rules_to_string((AdapterRules) i)), i, "rules %d and back", i);
        tap_streq(adapter_part_to_string(ADAPTER_LIBRARY), "library", "the adapter's library");
        tap_streq(platform_to_string(PLATFORM_POWERNV), "powernv", "bare metal's name");
        tap_eq(platform_from_string("Power"), -EINVAL, "no platform of that name");
        tap_eq(proof_from_string("maybe"), -EINVAL, "no proof of that name");
        tap_eq(group_viability_from_string(""), -EINVAL, "no viability of that name");
        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++) {
                tap_streq(kvm_capability_to_string((KvmCapability) i), capabilities[i].name, "name of capability %d", i);
                tap_eq(kvm_capability_number((KvmCapability) i), capabilities[i].number, "number of capability %d", i);
        }
        tap_streq(vm_type_to_string(VM_TYPE_HV), "HV", "HV");
        tap_streq(vm_type_to_string(VM_TYPE_PR), "PR", "PR");
}

/* What a child sends is looked at before it is believed. */
static void test_valid(void) {
        KvmFacts facts = {}, odd;
        WindowProof proof = {}, odd_proof;

        outcome_set(&facts.vm, PROOF_NO, "%s", "b\374cher");
        tap_ok(kvm_facts_valid(&facts) && window_proof_valid(&proof), "facts, whose texts are mended when they are set");
        odd = facts;
        odd.capability[KVM_CAPABILITY_MULTITCE].proven.proof = _PROOF_MAX;
        tap_ok(!kvm_facts_valid(&odd), "an outcome that there is not");
        odd = facts;
        memset(odd.range_check.why, 'x', sizeof(odd.range_check.why));
        tap_ok(!kvm_facts_valid(&odd), "a reason without end");
        odd = facts;
        (void) strcpy(odd.machine, "\374");
        tap_ok(!kvm_facts_valid(&odd), "a machine that is not UTF-8");
        odd_proof = proof;
        odd_proof.ddw.proof = (Proof) -1;
        tap_ok(!window_proof_valid(&odd_proof), "a window's outcome that there is not");
}

static void test_outcome(void) {
        static const char short_one[WHY_MAX] = "short";
        char text[2 * WHY_MAX];
        Outcome o = {};

        outcome_set(&o, PROOF_YES, "created %d", 7);
        tap_ok(o.proof == PROOF_YES && streq(o.why, "created 7"), "an outcome and its reason");
        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        outcome_set(&o, PROOF_NO, "%s", text);
        tap_eq(strlen(o.why), WHY_MAX - 1, "a reason that is too long is cut");
        outcome_set(&o, PROOF_NO, "short");
        tap_ok(memcmp(o.why, short_one, WHY_MAX) == 0, "of what was there before nothing is left");
}

static DeviceFacts made_up_device(const char *address) {
        return (DeviceFacts){
                .address = strdup(address),
                .class_code = 0x020000,
                .vendor = 0x8086,
                .device = 0x10d3,
                .vendor_name = strdup("Intel Corporation"),
                .driver = strdup("vfio-pci"),
                .numa_node = 1,
                .is_pci = true,
        };
}

static GroupFacts made_up_group(unsigned number, const char *first, const char *second) {
        GroupFacts g = {
                .number = number,
                .name = strdup("domain1-pe0"),
                .devices = calloc(2, sizeof(DeviceFacts)),
                .n_devices = 2,
                .viability_why = strdup(""),
                .numa_node = 1,
                .dma32_size = 1 << 30,
                .ddw = 1,
                .windows_why = strdup("the device tree"),
        };
        g.devices[0] = made_up_device(first);
        g.devices[1] = made_up_device(second);
        return g;
}

static void replace(char **text, const char *by) {
        free(*text);
        *text = by ? strdup(by) : NULL;
}

/* Each change makes two groups that are the same differ, and two of them make them other devices. */
static void change_number(GroupFacts *g) { g->number++; }
static void change_name(GroupFacts *g) { replace(&g->name, NULL); }
static void change_viability(GroupFacts *g) { g->viability = GROUP_PARTIAL; }
static void change_why(GroupFacts *g) { replace(&g->viability_why, "why"); }
static void change_numa(GroupFacts *g) { g->numa_node = -1; }
static void change_window(GroupFacts *g) { g->dma32_size *= 2; }
static void change_start(GroupFacts *g) { g->dma32_start = 4096; }
static void change_sizes(GroupFacts *g) { g->page_sizes = 4096; }
static void change_ddw(GroupFacts *g) { g->ddw = -1; }
static void change_windows_why(GroupFacts *g) { replace(&g->windows_why, "no"); }
static void change_proof(GroupFacts *g) { g->window_proof = calloc(1, sizeof(*g->window_proof)); }
static void change_driver(GroupFacts *g) { replace(&g->devices[1].driver, NULL); }
static void change_device_numa(GroupFacts *g) { g->devices[1].numa_node = 0; }
static void change_nvlink2(GroupFacts *g) { g->devices[1].nvlink2 = true; }
static void change_pci(GroupFacts *g) { g->devices[1].is_pci = false; }
static void change_vendor_name(GroupFacts *g) { replace(&g->devices[0].vendor_name, "Other"); }
static void change_device_name(GroupFacts *g) { replace(&g->devices[0].device_name, "Card"); }
static void change_class_name(GroupFacts *g) { replace(&g->devices[0].class_name, "Network"); }
static void change_address(GroupFacts *g) { replace(&g->devices[1].address, "0001:00:03.0"); }
static void change_card(GroupFacts *g) { g->devices[0].device = 0x10d4; }
static void change_class(GroupFacts *g) { g->devices[0].class_code = 0x010802; }
static void change_vendor(GroupFacts *g) { g->devices[0].vendor = 0x1af4; }

static void test_groups(void) {
        static const struct {
                const char *name;
                void (*change)(GroupFacts *);
                bool same_devices;
        } cases[] = {
                { "number", change_number, true },
                { "name", change_name, true },
                { "viability", change_viability, true },
                { "viability's reason", change_why, true },
                { "NUMA node", change_numa, true },
                { "window", change_window, true },
                { "window's start", change_start, true },
                { "page sizes", change_sizes, true },
                { "64-bit windows", change_ddw, true },
                { "windows' reason", change_windows_why, true },
                { "windows' proof", change_proof, true },
                { "driver", change_driver, true },
                { "a device's NUMA node", change_device_numa, true },
                { "a device's NVLink2", change_nvlink2, true },
                { "a device that is none of PCI's", change_pci, true },
                { "vendor's name", change_vendor_name, true },
                { "device's name", change_device_name, true },
                { "class's name", change_class_name, true },
                { "address", change_address, false },
                { "another card in the slot", change_card, false },
                { "another class", change_class, false },
                { "another vendor", change_vendor, false },
        };
        GroupFacts a = made_up_group(1, "0001:00:01.0", "0001:00:02.0");

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                GroupFacts b = made_up_group(1, "0001:00:01.0", "0001:00:02.0");
                tap_ok(group_facts_equal(&a, &b) && group_facts_same_devices(&a, &b), "equal before: %s", cases[i].name);
                cases[i].change(&b);
                tap_ok(!group_facts_equal(&a, &b) && !group_facts_equal(&b, &a), "not equal: %s", cases[i].name);
                tap_eq(group_facts_same_devices(&a, &b), cases[i].same_devices, "same devices: %s", cases[i].name);
                group_facts_clear(&b);
        }
        {
                GroupFacts fewer = {};
                tap_ok(!group_facts_same_devices(&a, &fewer) && !group_facts_equal(&a, &fewer), "fewer devices");
        }
        group_facts_clear(&a);
        group_facts_clear(&a);
        tap_ok(a.devices == NULL && a.n_devices == 0, "cleared twice");
}

/* What differs in a proof, and that it stays as long as the devices do. */
static void test_proofs(void) {
        static const WindowProof proofs[] = {
                { .ddw = { PROOF_YES, "made" }, .page_sizes = 0x1000, .max_windows = 2, .levels = 1, .dma32_size = 4096 },
                { .ddw = { PROOF_NO, "made" }, .page_sizes = 0x1000, .max_windows = 2, .levels = 1, .dma32_size = 4096 },
                { .ddw = { PROOF_YES, "not" }, .page_sizes = 0x1000, .max_windows = 2, .levels = 1, .dma32_size = 4096 },
                { .ddw = { PROOF_YES, "made" }, .page_sizes = 0x2000, .max_windows = 2, .levels = 1, .dma32_size = 4096 },
                { .ddw = { PROOF_YES, "made" }, .page_sizes = 0x1000, .max_windows = 1, .levels = 1, .dma32_size = 4096 },
                { .ddw = { PROOF_YES, "made" }, .page_sizes = 0x1000, .max_windows = 2, .levels = 2, .dma32_size = 4096 },
                { .ddw = { PROOF_YES, "made" }, .page_sizes = 0x1000, .max_windows = 2, .levels = 1, .dma32_size = 1 },
                { .ddw = { PROOF_YES, "made" }, .page_sizes = 0x1000, .max_windows = 2, .levels = 1, .dma32_size = 4096, .dma32_start = 1 },
                { .ddw = { PROOF_YES, "made" }, .page_sizes = 0x1000, .max_windows = 2, .levels = 1, .dma32_size = 4096, .running = true },
        };
        GroupFacts before = made_up_group(1, "0001:00:01.0", "0001:00:02.0"), now = made_up_group(1, "0001:00:01.0", "0001:00:02.0"),
                   other = made_up_group(1, "0001:00:01.0", "0001:00:03.0");
        VfioFacts old = { .groups = &before, .n_groups = 1 }, again = { .groups = &now, .n_groups = 1 };

        now.page_sizes = 0x11000;
        tap_ok(group_page_sizes(&now) == 0x11000 && group_page_sizes(NULL) == 0, "page sizes by the device tree");
        before.page_sizes = 0x11000;
        change_proof(&before);
        for (size_t i = 0; i < ELEMENTSOF(proofs); i++) {
                *before.window_proof = proofs[i];
                tap_eq(vfio_facts_keep_proofs(&again, &old), 0, "groups are read again");
                tap_ok(now.window_proof && now.window_proof != before.window_proof && group_facts_equal(&now, &before), "proof %zu is kept", i);
                *before.window_proof = proofs[(i + 1) % ELEMENTSOF(proofs)];
                tap_ok(!group_facts_equal(&now, &before), "another proof makes another fact");
        }
        *now.window_proof = proofs[0];
        tap_ok(group_page_sizes(&now) == 0x1000, "page sizes by VFIO");
        tap_ok(group_facts_keep_proof(&other, &before) == 0 && !other.window_proof, "other devices have nothing of it");
        group_facts_clear(&before);
        group_facts_clear(&now);
        group_facts_clear(&other);
}

/* Every text there is, some as in the device before, some not. */
static void test_copy(void) {
        static const size_t texts[] = {
                offsetof(DeviceFacts, address), offsetof(DeviceFacts, vendor_name), offsetof(DeviceFacts, device_name),
                offsetof(DeviceFacts, class_name), offsetof(DeviceFacts, driver), offsetof(DeviceFacts, interfaces),
                offsetof(DeviceFacts, mac), offsetof(DeviceFacts, bridge), offsetof(DeviceFacts, physfn),
        };
        GroupFacts g = made_up_group(3, "0001:00:01.0", "0001:00:02.0"), copy = {}, again = {}, empty = { .number = 4 };

        replace(&g.phb, "/pci@1");
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                char text[16];

                (void) snprintf(text, sizeof(text), "text %zu", i);
                for (size_t j = 0; j < g.n_devices; j++)
                        replace((char **) ((char *) &g.devices[j] + texts[i]), i % 2 && j ? "another" : text);
        }
        replace(&g.devices[0].mac, NULL);
        replace(&g.devices[1].bridge, NULL);
        tap_eq(group_facts_copy(&g, &copy), 0, "a group is copied");
        tap_ok(group_facts_equal(&copy, &g), "and the copy is the same");
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                for (size_t j = 0; j < g.n_devices; j++) {
                        const char *from = *(char **) ((char *) &g.devices[j] + texts[i]), *to = *(char **) ((char *) &copy.devices[j] + texts[i]);

                        tap_ok(from ? to && from != to && streq(from, to) : !to, "text %zu of device %zu is the copy's own", i, j);
                }
        tap_ok(copy.devices[0].address == copy.devices[1].address && copy.devices[0].driver == copy.devices[1].driver, "what two say is there once");
        group_facts_clear(&g);
        tap_ok(group_facts_copy(&copy, &again) == 0 && group_facts_equal(&copy, &again), "a copy of the copy, whose source is gone");
        group_facts_clear(&copy);
        tap_streq(again.windows_why, "the device tree", "which needs neither");
        group_facts_clear(&again);
        tap_ok(group_facts_copy(&empty, &copy) == 0 && copy.number == 4 && copy.n_devices == 0, "a group with nothing in it");
        group_facts_clear(&copy);
}

static void test_find(void) {
        VfioFacts f = { .groups = calloc(3, sizeof(GroupFacts)), .n_groups = 3 };

        f.groups[0] = made_up_group(0, "0000:00:01.0", "0000:00:02.0");
        f.groups[1] = made_up_group(5, "0001:00:01.0", "0001:00:02.0");
        f.groups[2] = made_up_group(17, "0002:00:01.0", "0002:00:02.0");
        for (size_t i = 0; i < f.n_groups; i++)
                tap_ok(vfio_facts_find_group(&f, f.groups[i].number) == &f.groups[i], "group %u", f.groups[i].number);
        tap_ok(!vfio_facts_find_group(&f, 4) && !vfio_facts_find_group(&f, 18), "groups that are not there");
        tap_ok(vfio_facts_find_device(&f, "0001:00:02.0") == &f.groups[1], "a device's group");
        tap_ok(!vfio_facts_find_device(&f, "0001:00:09.0"), "a device that is not there");
        vfio_facts_clear(&f);
        tap_ok(f.n_groups == 0 && !vfio_facts_find_group(&f, 0) && !vfio_facts_find_device(&f, ""), "nothing in what was cleared");
}

static void test_host(void) {
        KvmFacts x86 = { .machine = "x86_64" }, power = { .machine = "ppc64le" }, old = { .machine = "ppc64" },
                 declared = { .machine = "x86_64", .capability[KVM_CAPABILITY_TCE_64].declared = 1 };

        tap_ok(!facts_host_has_tce(&x86), "x86 has no TCEs");
        tap_ok(facts_host_has_tce(&power) && facts_host_has_tce(&old), "POWER has, whatever KVM says");
        tap_ok(facts_host_has_tce(&declared), "who declares them has");
}

static void test_versions(void) {
        static const struct {
                const char *release, *version;
                Proof range_check;
                bool vfio_broken;
        } cases[] = {
                { "6.12.107+deb13-powerpc64le-64k", "#1 SMP Debian 6.12.107-1 (2026-08-29)", PROOF_UNKNOWN, false },
                { "6.12.113+deb13-powerpc64le", "#1 SMP Debian 6.12.113-1 (2026-10-01)", PROOF_YES, false },
                { "6.12.114", "#1 SMP", PROOF_YES, false },
                { "6.12.112", "#1 SMP", PROOF_UNKNOWN, false },
                { "6.1.0-50-powerpc64le", "#1 SMP Debian 6.1.176-1 (2026-06-01)", PROOF_UNKNOWN, true },
                { "6.1.0-55-powerpc64le", "#1 SMP Debian 6.1.190-1 (2026-10-01)", PROOF_YES, true },
                { "6.1.190", "", PROOF_YES, true },
                { "6.18.200", "#1 SMP", PROOF_UNKNOWN, false },
                { "7.2.9", "#1 SMP", PROOF_UNKNOWN, false },
                { "7.3.0", "#1 SMP", PROOF_YES, false },
                { "7.3", NULL, PROOF_YES, false },
                { "7.3.0-rc7", "#1 SMP", PROOF_YES, false },
                { "7.3-rc7-powerpc64le-64k", "#1 SMP Debian 7.3~rc7-1~exp1 (2026-11-01)", PROOF_YES, false },
                { "7.3.0-rc2", "#1 SMP", PROOF_UNKNOWN, false },
                { "8.0.1", "#1 SMP", PROOF_YES, false },
                { "5.18.19", "#1 SMP", PROOF_UNKNOWN, false },
                { "5.19.0-rc1", "#1 SMP", PROOF_UNKNOWN, true },
                { "6.3.13", "#1 SMP", PROOF_UNKNOWN, true },
                { "6.4.0-rc1", "#1 SMP", PROOF_UNKNOWN, false },
                { "6.4.0", "#1 SMP", PROOF_UNKNOWN, false },
                { "6.12.0-124.el10.ppc64le", "#1 SMP PREEMPT_DYNAMIC", PROOF_UNKNOWN, false },
                { "7.3.0", "#1 Debian unknown", PROOF_YES, false },
                { "mainline", "#1 SMP", PROOF_UNKNOWN, false },
                { "", "", PROOF_UNKNOWN, false },
                { NULL, NULL, PROOF_UNKNOWN, false },
                { "7", "#1", PROOF_UNKNOWN, false },
                { "7.", "#1", PROOF_UNKNOWN, false },
                { "7.3.", "#1", PROOF_UNKNOWN, false },
                { "7.3-rc", "#1", PROOF_UNKNOWN, false },
                { "99999999999.1", "#1", PROOF_UNKNOWN, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *name = cases[i].release ? cases[i].release : "(none)";
                tap_eq(facts_range_check_by_version(cases[i].release, cases[i].version), cases[i].range_check,
                       "range check by version: '%s'", name);
                tap_eq(facts_vfio_broken_by_version(cases[i].release, cases[i].version), cases[i].vfio_broken,
                       "VFIO broken by version: '%s'", name);
        }
}

static void test_version_order(void) {
        static const char *const ascending[] = { "5.19", "6.1", "6.1.9", "6.1.10", "6.12", "7.3-rc1", "7.3-rc7", "7.3", "7.3.1" };

        for (size_t i = 0; i < ELEMENTSOF(ascending); i++)
                for (size_t j = 0; j < ELEMENTSOF(ascending); j++) {
                        KernelVersion a, b;
                        int order = 99;

                        if (kernel_version_parse(ascending[i], NULL, &a) == 0 &&
                            kernel_version_parse(ascending[j], NULL, &b) == 0)
                                order = kernel_version_compare(&a, &b);
                        tap_eq(order, (i > j) - (i < j), "%s against %s", ascending[i], ascending[j]);
                }
}

int main(void) {
        test_names();
        test_outcome();
        test_valid();
        test_groups();
        test_proofs();
        test_copy();
        test_find();
        test_host();
        test_versions();
        test_version_order();
        return tap_done();
}
