/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* finding.c: the list, and the host's findings for one made-up host after another. */

#include "finding.h"
#include "tap.h"
#include "util.h"

/* A host where all is well: POWER, all declared and proven, a fixed kernel, one viable group. */
static KvmFacts good_kvm(void) {
        KvmFacts kvm = { .api_version = 12, .page_size = 65536, .release = "7.3.0", .version = "#1 SMP", .machine = "ppc64le" };

        outcome_set(&kvm.vm, PROOF_YES, "a VM was created");
        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++) {
                kvm.capability[i].declared = 1;
                outcome_set(&kvm.capability[i].proven, PROOF_YES, "done");
        }
        outcome_set(&kvm.range_check, PROOF_YES, "H_PARAMETER");
        return kvm;
}

static GroupFacts one_group = { .number = 3, .viability = GROUP_VIABLE, .viability_why = (char *) "" };

static VfioFacts good_vfio(void) {
        return (VfioFacts){ .groups_supported = true, .iommu_class = true, .groups = &one_group, .n_groups = 1 };
}

static void no_device(KvmFacts *kvm, VfioFacts *vfio) {
        kvm->device_error = ENOENT;
        outcome_set(&kvm->vm, PROOF_NO, "/dev/kvm: No such file or directory");
        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++) {
                kvm->capability[i].declared = 0;
                kvm->capability[i].proven = kvm->vm;
        }
        outcome_set(&kvm->range_check, PROOF_UNKNOWN, "-");
}

static void no_permission(KvmFacts *kvm, VfioFacts *vfio) {
        no_device(kvm, vfio);
        kvm->device_error = EACCES;
        outcome_set(&kvm->vm, PROOF_NO, "/dev/kvm: Permission denied");
}

static void x86(KvmFacts *kvm, VfioFacts *vfio) {
        no_device(kvm, vfio);
        kvm->device_error = 0;
        outcome_set(&kvm->vm, PROOF_YES, "a VM was created");
        (void) snprintf(kvm->machine, sizeof(kvm->machine), "x86_64");
        one_group.viability = GROUP_VFIO_BROKEN;
}

static void x86_without_kvm(KvmFacts *kvm, VfioFacts *vfio) {
        no_device(kvm, vfio);
        (void) snprintf(kvm->machine, sizeof(kvm->machine), "x86_64");
        *vfio = (VfioFacts){};
}

static void x86_without_vms(KvmFacts *kvm, VfioFacts *vfio) {
        x86(kvm, vfio);
        outcome_set(&kvm->vm, PROOF_NO, "KVM_CREATE_VM: Operation not permitted");
}

static void no_vm(KvmFacts *kvm, VfioFacts *vfio) {
        outcome_set(&kvm->vm, PROOF_NO, "KVM_CREATE_VM: Invalid argument");
        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++)
                outcome_set(&kvm->capability[i].proven, PROOF_NO, "no VM can be created");
        outcome_set(&kvm->range_check, PROOF_UNKNOWN, "-");
        (void) snprintf(kvm->release, sizeof(kvm->release), "6.12.107");
}

static void no_ioctl(KvmFacts *kvm, VfioFacts *vfio) {
        outcome_set(&kvm->capability[KVM_CAPABILITY_TCE].proven, PROOF_NO, "KVM_CREATE_SPAPR_TCE: Inappropriate ioctl");
        outcome_set(&kvm->capability[KVM_CAPABILITY_TCE_64].proven, PROOF_NO, "KVM_CREATE_SPAPR_TCE_64: the same");
}

static void only_the_older_call(KvmFacts *kvm, VfioFacts *vfio) {
        kvm->capability[KVM_CAPABILITY_TCE_64].declared = 0;
        outcome_set(&kvm->capability[KVM_CAPABILITY_TCE_64].proven, PROOF_NO, "not declared");
}

static void no_coupling(KvmFacts *kvm, VfioFacts *vfio) {
        kvm->capability[KVM_CAPABILITY_TCE_VFIO].declared = 0;
        outcome_set(&kvm->capability[KVM_CAPABILITY_TCE_VFIO].proven, PROOF_NO, "not declared");
}

static void coupling_disproven(KvmFacts *kvm, VfioFacts *vfio) {
        outcome_set(&kvm->capability[KVM_CAPABILITY_TCE_VFIO].proven, PROOF_NO, "group 3: SET_SPAPR_TCE: Invalid argument");
}

static void untried(KvmFacts *kvm, VfioFacts *vfio) {
        outcome_set(&kvm->vm, PROOF_UNKNOWN, "not tried yet");
        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++)
                outcome_set(&kvm->capability[i].proven, PROOF_UNKNOWN, "not tried yet");
        outcome_set(&kvm->range_check, PROOF_UNKNOWN, "not tried yet");
}

static void old_kernel(KvmFacts *kvm, VfioFacts *vfio) {
        (void) snprintf(kvm->release, sizeof(kvm->release), "6.12.107+deb13-powerpc64le");
        outcome_set(&kvm->range_check, PROOF_UNKNOWN, "not tried yet");
}

static void old_kernel_checked(KvmFacts *kvm, VfioFacts *vfio) {
        old_kernel(kvm, vfio);
        outcome_set(&kvm->range_check, PROOF_YES, "H_PARAMETER");
}

static void faulty(KvmFacts *kvm, VfioFacts *vfio) {
        outcome_set(&kvm->range_check, PROOF_NO, "it changed 5 entries");
}

static void faulty_but_unusable(KvmFacts *kvm, VfioFacts *vfio) {
        old_kernel(kvm, vfio);
        outcome_set(&kvm->capability[KVM_CAPABILITY_MULTITCE].proven, PROOF_NO, "KVM_ENABLE_CAP: Invalid argument");
}

static void debian_12(KvmFacts *kvm, VfioFacts *vfio) {
        (void) snprintf(kvm->release, sizeof(kvm->release), "6.1.0-50-powerpc64le");
        (void) snprintf(kvm->version, sizeof(kvm->version), "#1 SMP Debian 6.1.176-1 (2026-06-01)");
        vfio->iommu_class = false;
}

static void debian_12_without_groups(KvmFacts *kvm, VfioFacts *vfio) {
        debian_12(kvm, vfio);
        *vfio = (VfioFacts){};
}

static void broken_backport(KvmFacts *kvm, VfioFacts *vfio) {
        vfio->iommu_class = false;
        one_group.viability = GROUP_VFIO_BROKEN;
        one_group.viability_why = (char *) "0001:00:01.0 is meant for vfio-pci";
        (void) snprintf(kvm->release, sizeof(kvm->release), "5.14.0-427.el9.ppc64le");
}

static void partial(KvmFacts *kvm, VfioFacts *vfio) {
        one_group.viability = GROUP_PARTIAL;
        one_group.viability_why = (char *) "0001:00:02.0 is still used by nvme";
}

static void no_maxmem(KvmFacts *kvm, VfioFacts *vfio) {
        vfio->no_maxmem = true;
}

static WindowProof windows;

static void no_window(KvmFacts *kvm, VfioFacts *vfio) {
        outcome_set(&windows.ddw, PROOF_NO, "group 3: VFIO_IOMMU_SPAPR_TCE_CREATE: No such device");
        one_group.window_proof = &windows;
}

static void no_window_in_partition(KvmFacts *kvm, VfioFacts *vfio) {
        no_window(kvm, vfio);
        vfio->platform = PLATFORM_PSERIES;
}

static void no_window_for_want_of_maxmem(KvmFacts *kvm, VfioFacts *vfio) {
        no_window_in_partition(kvm, vfio);
        vfio->no_maxmem = true;
}

static void windows_made(KvmFacts *kvm, VfioFacts *vfio) {
        no_window(kvm, vfio);
        outcome_set(&windows.ddw, PROOF_YES, "made one, and removed it");
}

static void windows_unknown(KvmFacts *kvm, VfioFacts *vfio) {
        no_window(kvm, vfio);
        outcome_set(&windows.ddw, PROOF_UNKNOWN, "no memory");
}

static void nothing(KvmFacts *kvm, VfioFacts *vfio) {
}

#define FOUND(id, severity) { FINDING_##id, SEVERITY_##severity }

static void test_drop(void) {
        Findings f = {};

        (void) findings_add(&f, FINDING_GROUP_PARTIAL, SEVERITY_WARNING, "group 1", "", "a");
        (void) findings_add(&f, FINDING_GROUP_PARTIAL, SEVERITY_WARNING, "group 2", "", "b");
        (void) findings_add(&f, FINDING_DDW_FAILED, SEVERITY_WARNING, "group 1", "", "c");
        findings_drop(&f, FINDING_GROUP_PARTIAL, "group 1");
        tap_ok(f.n == 2 && streq(f.items[0].subject, "group 2") && f.items[1].id == FINDING_DDW_FAILED, "one is taken away, and no other");
        findings_drop(&f, FINDING_NO_TCE, "host");
        tap_eq(f.n, 2, "one that is not there is no matter");
        findings_clear(&f);
}

static void test_hosts(void) {
        static const struct {
                const char *name;
                void (*change)(KvmFacts *, VfioFacts *);
                struct {
                        FindingId id;
                        Severity severity;
                } want[3];
                size_t n;
                const char *text, *remedy; /* something that the first one says */
        } cases[] = {
                { "all is well", nothing, {}, 0, NULL, NULL },
                { "no /dev/kvm", no_device, { FOUND(KVM_UNUSABLE, ERROR) }, 1, "No such file", "modprobe kvm_hv" },
                { "no permission", no_permission, { FOUND(KVM_UNUSABLE, ERROR) }, 1, "Permission denied", "usermod" },
                { "x86", x86, { FOUND(NO_TCE, INFO) }, 1, "x86_64", "POWER" },
                { "x86 without KVM", x86_without_kvm, { FOUND(KVM_UNUSABLE, INFO), FOUND(NO_TCE, INFO) }, 2, "/dev/kvm", "module" },
                { "x86 that makes no VM", x86_without_vms, { FOUND(KVM_UNUSABLE, INFO), FOUND(NO_TCE, INFO) }, 2, "not permitted",
                  "dmesg" },
                { "no VM", no_vm, { FOUND(KVM_UNUSABLE, ERROR) }, 1, "KVM_CREATE_VM", "cap-nested-hv" },
                { "no ioctl", no_ioctl, { FOUND(NO_TCE, WARNING) }, 1, "KVM_CREATE_SPAPR_TCE: Inap", "SPAPR_TCE_IOMMU" },
                { "only the older call", only_the_older_call, {}, 0, NULL, NULL },
                { "no coupling", no_coupling, { FOUND(NO_VFIO_COUPLING, WARNING) }, 1, "declared 0", "6.15" },
                { "coupling disproven", coupling_disproven, { FOUND(NO_VFIO_COUPLING, WARNING) }, 1, "group 3", "6.15" },
                { "nothing tried yet", untried, {}, 0, NULL, NULL },
                { "a kernel not known", old_kernel, { FOUND(MULTITCE_UNCHECKED, WARNING) }, 1, "tcectl probe --deep", "6.12.113-1" },
                { "such a kernel, checked", old_kernel_checked, {}, 0, NULL, NULL },
                { "a faulty one", faulty, { FOUND(MULTITCE_UNCHECKED, ERROR) }, 1, "changed 5 entries", "7.3" },
                { "a faulty one that can't", faulty_but_unusable, {}, 0, NULL, NULL },
                { "Debian 12", debian_12, { FOUND(VFIO_BROKEN, ERROR) }, 1, "6.1.0-50", "6.4" },
                { "Debian 12 without groups", debian_12_without_groups, {}, 0, NULL, NULL },
                { "a broken backport", broken_backport, { FOUND(VFIO_BROKEN, ERROR) }, 1, "meant for vfio-pci", "6.4" },
                { "a partial group", partial, { FOUND(GROUP_PARTIAL, WARNING) }, 1, "still used by nvme", "tcectl bind" },
                { "no maxmem", no_maxmem, { FOUND(DDW_FAILED, WARNING) }, 1, "ibm,lrdr-capacity", "maxmem=" },
                { "no window", no_window, { FOUND(DDW_FAILED, WARNING) }, 1, "TCE_CREATE: No such device", "dmesg" },
                { "no window in a partition", no_window_in_partition, { FOUND(DDW_FAILED, WARNING) }, 1, "No 64-bit", "6.11" },
                { "no window for want of maxmem", no_window_for_want_of_maxmem, { FOUND(DDW_FAILED, WARNING), FOUND(DDW_FAILED, WARNING) }, 2,
                  "ibm,lrdr-capacity", "maxmem=" },
                { "a window was made", windows_made, {}, 0, NULL, NULL },
                { "whether one can be made isn't known", windows_unknown, {}, 0, NULL, NULL },
        };
        Findings findings = {};

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                KvmFacts kvm = good_kvm();
                VfioFacts vfio = good_vfio();
                bool same;

                one_group.viability = GROUP_VIABLE;
                one_group.viability_why = (char *) "";
                one_group.window_proof = NULL;
                cases[i].change(&kvm, &vfio);
                tap_eq(findings_from_host(&findings, &kvm, &vfio), 0, "findings of: %s", cases[i].name);
                same = findings.n == cases[i].n;
                for (size_t j = 0; same && j < findings.n; j++)
                        same = findings.items[j].id == cases[i].want[j].id &&
                               findings.items[j].severity == cases[i].want[j].severity;
                if (!tap_ok(same, "as many, of that kind: %s", cases[i].name))
                        for (size_t j = 0; j < findings.n; j++)
                                printf("#   have %s %s\n", finding_id_to_string(findings.items[j].id),
                                       severity_to_string(findings.items[j].severity));
                if (cases[i].text)
                        tap_ok(findings.n > 0 && strstr(findings.items[0].text, cases[i].text) &&
                                       strstr(findings.items[0].remedy, cases[i].remedy),
                               "text and remedy: %s", cases[i].name);
        }
        findings_clear(&findings);
}

static void test_partial_groups(void) {
        GroupFacts groups[3] = {
                { .number = 1, .viability = GROUP_PARTIAL, .viability_why = (char *) "a" },
                { .number = 2, .viability = GROUP_VIABLE, .viability_why = (char *) "" },
                { .number = 17, .viability = GROUP_PARTIAL, .viability_why = (char *) "b" },
        };
        VfioFacts vfio = { .groups_supported = true, .iommu_class = true, .groups = groups, .n_groups = 3 };
        KvmFacts kvm = good_kvm();
        Findings f = {};

        tap_eq(findings_from_host(&f, &kvm, &vfio), 0, "three groups, two of them partial");
        tap_eq(f.n, 2, "two findings");
        tap_streq(f.items[0].subject, "group 1", "the first one's subject");
        tap_streq(f.items[1].subject, "group 17", "the second one's subject");
        findings_clear(&f);
}

static void test_list(void) {
        Findings a = {}, b = {};
        char subject[] = "host";

        tap_ok(findings_equal(&a, &b), "two empty lists");
        for (int i = 0; i < 20; i++)
                tap_eq(findings_add(&a, (FindingId) (i % _FINDING_ID_MAX), SEVERITY_INFO, subject, "do it", "number %d", i), 0,
                       "finding %d added", i);
        subject[0] = 'x';
        tap_streq(a.items[0].subject, "host", "the subject was copied");
        tap_streq(findings_find(&a, (FindingId) 1)->text, "number 1", "the first with that id");
        tap_ok(findings_find(&b, FINDING_NO_TCE) == NULL, "none with that id");
        tap_ok(!findings_equal(&a, &b), "a list and an empty one");
        findings_clear(&a);
        findings_clear(&a);
        tap_eq(a.n, 0, "cleared twice");

        (void) findings_add(&a, FINDING_NO_TCE, SEVERITY_INFO, "host", "r", "t");
        (void) findings_add(&b, FINDING_NO_TCE, SEVERITY_INFO, "host", "r", "t");
        tap_ok(findings_equal(&a, &b), "the same finding");
        b.items[0].severity = SEVERITY_ERROR;
        tap_ok(!findings_equal(&a, &b), "another severity");
        findings_clear(&b);
        (void) findings_add(&b, FINDING_NO_TCE, SEVERITY_INFO, "host", "r", "other");
        tap_ok(!findings_equal(&a, &b), "another text");
        findings_clear(&a);
        findings_clear(&b);
}

static void test_names(void) {
        for (int i = 0; i < _FINDING_ID_MAX; i++) {
                bool unique = true;
                for (int j = 0; j < i; j++)
                        unique = unique && !streq(finding_id_to_string((FindingId) i), finding_id_to_string((FindingId) j));
                tap_ok(unique && strspn(finding_id_to_string((FindingId) i), "abcdefghijklmnopqrstuvwxyz-") ==
                                         strlen(finding_id_to_string((FindingId) i)),
                       "id %d is '%s'", i, finding_id_to_string((FindingId) i));
                tap_eq(finding_id_from_string(finding_id_to_string((FindingId) i)), i, "and is read so");
        }
        tap_streq(severity_to_string(SEVERITY_INFO), "info", "info");
        tap_streq(severity_to_string(SEVERITY_WARNING), "warning", "warning");
        tap_streq(severity_to_string(SEVERITY_ERROR), "error", "error");
        for (int i = 0; i < _SEVERITY_MAX; i++)
                tap_eq(severity_from_string(severity_to_string((Severity) i)), i, "%s is read", severity_to_string((Severity) i));
        tap_ok(finding_id_from_string("none") < 0 && severity_from_string("") < 0, "others are not");
}

int main(void) {
        test_names();
        test_list();
        test_hosts();
        test_partial_groups();
        test_drop();
        return tap_done();
}
