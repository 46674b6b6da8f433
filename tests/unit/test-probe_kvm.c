/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* probe_kvm.c, probe_deep.c and probe_link.c against a fake kernel; what a real one answers is tests/power/probe.sh's. */

#include "event-loop.h"
#include "fake-kvm.h"
#include "tap.h"
#include "tree.h"

static unsigned count_maps(void) {
        FILE *file = fopen("/proc/self/maps", "re");
        unsigned n = 0;
        char line[512];

        while (file && fgets(line, sizeof(line), file))
                n += strstr(line, "memfd:fake") != NULL;
        if (file)
                (void) fclose(file);
        return n;
}

/* One answer: what was proven, and something that the reason has to say. */
typedef struct Want {
        Proof proof;
        const char *why;
} Want;

static void check_outcome(const Outcome *o, Want want, const char *what, const char *name) {
        if (!tap_ok(o->proof == want.proof && strstr(o->why, want.why), "%s: %s is %s, '%s'", name, what,
                    proof_to_string(want.proof), want.why))
                printf("#   have %s: %s\n", proof_to_string(o->proof), o->why);
}

#define YES(why) { PROOF_YES, why }
#define NO(why) { PROOF_NO, why }
#define UNKNOWN(why) { PROOF_UNKNOWN, why }
#define ALWAYS(request, error) { request, FAKE_ANY, error, 0 }
#define WITH(request, key, error) { request, key, error, 0 }

#define TABLE_WAS_USED YES("made, mapped, written, read and closed")
#define MULTITCE_ENABLED YES("H_PUT_TCE_INDIRECT and H_STUFF_TCE could be enabled")
#define NO_GROUP UNKNOWN("idle IOMMU group")
#define NO_VM NO("no VM can be created: KVM_CREATE_VM: Invalid argument")
#define NO_MEMORY_NOW UNKNOWN("KVM_CREATE_VM: Cannot allocate memory")
#define PR_UNTRIED UNKNOWN("deep probe")
#define HV_MADE YES("type HV")

static const struct {
        const char *name;
        Fake fake;
        Want vm, hv, pr, capability[_KVM_CAPABILITY_MAX];
} prove_cases[] = {
        {
                "a host with HV", {}, YES("a VM was created"), HV_MADE, PR_UNTRIED,
                { TABLE_WAS_USED, TABLE_WAS_USED, NO_GROUP, MULTITCE_ENABLED },
        },
        {
                "a host with PR alone",
                { .pr = true, .failures = { WITH(KVM_CREATE_VM, KVM_VM_TYPE_HV, EINVAL) } },
                YES("a VM was created"), NO("type HV: Invalid argument"), YES("KVM_CAP_PPC_OSI is 1"),
                { TABLE_WAS_USED, TABLE_WAS_USED, NO_GROUP, MULTITCE_ENABLED },
        },
        {
                "all declared, and no VM",
                { .failures = { ALWAYS(KVM_CREATE_VM, EINVAL) } },
                NO("KVM_CREATE_VM: Invalid argument"), NO("Invalid argument"), NO("Invalid argument"),
                { NO_VM, NO_VM, NO_VM, NO_VM },
        },
        {
                "no VM, and one not declared",
                { .undeclared = 1 << KVM_CAPABILITY_TCE_VFIO, .failures = { ALWAYS(KVM_CREATE_VM, EINVAL) } },
                NO("KVM_CREATE_VM: Invalid argument"), NO("Invalid argument"), NO("Invalid argument"),
                { NO_VM, NO_VM, NO("not declared"), NO_VM },
        },
        {
                "no memory for a VM",
                { .failures = { ALWAYS(KVM_CREATE_VM, ENOMEM) } },
                NO_MEMORY_NOW, NO_MEMORY_NOW, NO_MEMORY_NOW,
                { NO_MEMORY_NOW, NO_MEMORY_NOW, NO_MEMORY_NOW, NO_MEMORY_NOW },
        },
        {
                "a signal while a VM is made",
                { .failures = { { KVM_CREATE_VM, KVM_VM_TYPE_ANY, EINTR, 1 } } },
                YES("a VM was created"), HV_MADE, PR_UNTRIED,
                { TABLE_WAS_USED, TABLE_WAS_USED, NO_GROUP, MULTITCE_ENABLED },
        },
        {
                "signals without end",
                { .failures = { ALWAYS(KVM_CREATE_VM, EINTR) } },
                UNKNOWN("Interrupted"), UNKNOWN("Interrupted"), UNKNOWN("Interrupted"),
                { UNKNOWN("Interrupted"), UNKNOWN("Interrupted"), UNKNOWN("Interrupted"), UNKNOWN("Interrupted") },
        },
        {
                "locked memory is short",
                { .failures = { ALWAYS(KVM_CREATE_SPAPR_TCE, ENOMEM), ALWAYS(KVM_CREATE_SPAPR_TCE_64, ENOMEM) } },
                YES(""), HV_MADE, PR_UNTRIED,
                { UNKNOWN("RLIMIT_MEMLOCK"), UNKNOWN("RLIMIT_MEMLOCK"), NO_GROUP, MULTITCE_ENABLED },
        },
        {
                "a kernel without SPAPR_TCE_IOMMU",
                { .failures = { ALWAYS(KVM_CREATE_SPAPR_TCE, ENOTTY), ALWAYS(KVM_CREATE_SPAPR_TCE_64, ENOTTY) } },
                YES(""), HV_MADE, PR_UNTRIED,
                { NO("KVM_CREATE_SPAPR_TCE, one entry: Inappropriate ioctl"), NO("at 2^59: Inappropriate ioctl"),
                  NO_GROUP, MULTITCE_ENABLED },
        },
        {
                "no fds left",
                { .failures = { ALWAYS(KVM_CREATE_SPAPR_TCE, EMFILE) } },
                YES(""), HV_MADE, PR_UNTRIED,
                { UNKNOWN("Too many open files"), TABLE_WAS_USED, NO_GROUP, MULTITCE_ENABLED },
        },
        {
                "a table that can't be mapped",
                { .map_error_kind = FAKE_TABLE },
                YES(""), HV_MADE, PR_UNTRIED,
                { UNKNOWN("mapping it failed"), UNKNOWN("mapping it failed"), NO_GROUP, MULTITCE_ENABLED },
        },
        {
                "a table that is not empty",
                { .dirty_table = true },
                YES(""), HV_MADE, PR_UNTRIED,
                { NO("not empty"), NO("not empty"), NO_GROUP, MULTITCE_ENABLED },
        },
        {
                "H_PUT_TCE_INDIRECT can't be enabled",
                { .failures = { WITH(KVM_ENABLE_CAP, H_PUT_TCE_INDIRECT, EINVAL) } },
                YES(""), HV_MADE, PR_UNTRIED,
                { TABLE_WAS_USED, TABLE_WAS_USED, NO_GROUP, NO("H_PUT_TCE_INDIRECT: Invalid argument") },
        },
        {
                "H_STUFF_TCE can't be enabled",
                { .failures = { WITH(KVM_ENABLE_CAP, H_STUFF_TCE, EINVAL) } },
                YES(""), HV_MADE, PR_UNTRIED,
                { TABLE_WAS_USED, TABLE_WAS_USED, NO_GROUP, NO("H_STUFF_TCE: Invalid argument") },
        },
        {
                "the oldest: one capability",
                { .undeclared = ~(1U << KVM_CAPABILITY_TCE) },
                YES(""), HV_MADE, PR_UNTRIED,
                { TABLE_WAS_USED, NO("not declared"), NO("not declared"), NO("not declared") },
        },
};

static void test_prove(void) {
        for (size_t i = 0; i < ELEMENTSOF(prove_cases); i++) {
                const char *name = prove_cases[i].name;
                unsigned fds = count_fds();
                KvmFacts facts;

                fake_reset();
                fake = prove_cases[i].fake;
                probe_kvm_declared(&fake_ops, "/dev", &facts);
                tap_ok(facts.device_error == 0 && facts.api_version == 12, "%s: declared", name);
                probe_kvm_prove(&fake_ops, "/dev", &facts);
                check_outcome(&facts.vm, prove_cases[i].vm, "VM", name);
                check_outcome(&facts.vm_type[VM_TYPE_HV], prove_cases[i].hv, "HV", name);
                check_outcome(&facts.vm_type[VM_TYPE_PR], prove_cases[i].pr, "PR", name);
                for (int c = 0; c < _KVM_CAPABILITY_MAX; c++) {
                        tap_eq(facts.capability[c].declared, !(prove_cases[i].fake.undeclared >> c & 1), "%s: %s declared", name,
                               kvm_capability_to_string((KvmCapability) c));
                        check_outcome(&facts.capability[c].proven, prove_cases[i].capability[c],
                                      kvm_capability_to_string((KvmCapability) c), name);
                }
                tap_eq(facts.range_check.proof, PROOF_UNKNOWN, "%s: the range check stays open", name);
                tap_ok(count_fds() == fds && count_maps() == 0, "%s: nothing is left", name);
        }
}

static void test_device(void) {
        static const struct {
                int error;
                const char *why;
        } cases[] = {
                { ENOENT, "/dev/kvm: No such file or directory (KVM's module is not loaded: modprobe kvm_hv)" },
                { EACCES, "/dev/kvm: Permission denied (whoever runs this must be in the group that owns it)" },
                { EPERM, "/dev/kvm: Operation not permitted (whoever" },
                { ENODEV, "/dev/kvm: No such device (KVM's module" },
                { EBUSY, "/dev/kvm: Device or resource busy" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                KvmFacts facts;
                char name[32];

                fake_reset();
                fake.open_error = cases[i].error;
                (void) snprintf(name, sizeof(name), "open gives %d", cases[i].error);
                probe_kvm_declared(&fake_ops, "/dev", &facts);
                tap_eq(facts.device_error, cases[i].error, "%s", name);
                /* Whatever is asked for afterwards, there is no device and no change. */
                probe_kvm_prove(&fake_ops, "/dev", &facts);
                probe_kvm_prove_deep(&fake_ops, "/dev", &facts);
                check_outcome(&facts.vm, (Want) NO(cases[i].why), "VM", name);
                check_outcome(&facts.vm_type[VM_TYPE_PR], (Want) NO(cases[i].why), "PR", name);
                for (int c = 0; c < _KVM_CAPABILITY_MAX; c++)
                        check_outcome(&facts.capability[c].proven, (Want) NO(cases[i].why),
                                      kvm_capability_to_string((KvmCapability) c), name);
                /* A range check that is NO is a fault that was seen. */
                tap_eq(facts.range_check.proof, PROOF_UNKNOWN, "%s: the range check stays open", name);
                tap_streq(fake.log, "", "%s: nothing was created", name);
        }
}

/* The device goes away between the two. */
static void test_device_gone(void) {
        KvmFacts facts;

        fake_reset();
        probe_kvm_declared(&fake_ops, "/dev", &facts);
        fake.open_error = ENODEV;
        probe_kvm_prove(&fake_ops, "/dev", &facts);
        check_outcome(&facts.vm, (Want) NO("/dev/kvm: No such device"), "VM", "device gone");
        probe_kvm_prove_deep(&fake_ops, "/dev", &facts);
        check_outcome(&facts.range_check, (Want) UNKNOWN("/dev/kvm: No such device"), "range check", "device gone");
        check_outcome(&facts.vm_type[VM_TYPE_PR], (Want) NO("/dev/kvm: No such device"), "PR", "device gone");
}

/* The real calls, on a made-up /dev: an ordinary file answers no ioctl. */
static void test_system(void) {
        static const TreeEntry entries[] = { TEXT("kvm", "x") };
        Tree tree = tree_new();
        KvmFacts facts;

        probe_kvm_declared(&kvm_ops_system, tree.path, &facts);
        tap_eq(facts.device_error, ENOENT, "no device");
        TREE_ADD(&tree, entries);
        probe_kvm_declared(&kvm_ops_system, tree.path, &facts);
        tap_ok(facts.device_error == 0 && facts.api_version == 0, "a file that is no device");
        tap_ok(facts.page_size == (uint64_t) sysconf(_SC_PAGESIZE) && facts.release[0] && facts.machine[0], "the machine");
        probe_kvm_prove(&kvm_ops_system, tree.path, &facts);
        tap_eq(facts.vm.proof, PROOF_NO, "no VM");
        check_outcome(&facts.capability[0].proven, (Want) NO("not declared"), "capability", "a file that is no device");
        tap_ok(kvm_ops_system.map(-1, 4096) == NULL, "mapping nothing fails");
        tree_remove(&tree);
}

static void test_other_machine(void) {
        KvmFacts facts;

        fake_reset();
        fake.undeclared = ~0U;
        probe_kvm_declared(&fake_ops, "/dev", &facts);
        (void) snprintf(facts.machine, sizeof(facts.machine), "x86_64");
        probe_kvm_prove(&fake_ops, "/dev", &facts);
        check_outcome(&facts.vm, (Want) YES("created"), "VM", "x86");
        check_outcome(&facts.vm_type[VM_TYPE_HV], (Want) NO("(x86_64) is not POWER"), "HV", "x86");
        check_outcome(&facts.vm_type[VM_TYPE_PR], (Want) NO("(x86_64) is not POWER"), "PR", "x86");
        tap_streq(fake.log, "vm", "only one VM is made where 1 and 2 are other types");
        probe_kvm_prove_deep(&fake_ops, "/dev", &facts);
        check_outcome(&facts.range_check, (Want) UNKNOWN("needs a POWER vCPU"), "range check", "x86");
        tap_streq(fake.log, "vm", "and none for the deep probe");
}

static void test_deep(void) {
        static const struct {
                const char *name;
                Fake fake;
                Want pr, range_check;
        } cases[] = {
                { "a fixed kernel", { .stuff = STUFF_CHECKED }, YES("type PR"), YES("gave H_PARAMETER and wrote nothing there") },
                { "a faulty kernel", { .stuff = STUFF_FAULTY }, YES(""), NO("changed 5 entries behind the seventh, and gave 0") },
                { "not in the kernel", { .stuff = STUFF_NOT_IN_KERNEL }, YES(""), UNKNOWN("went to the VMM") },
                { "never works", { .stuff = STUFF_REFUSED }, YES(""), UNKNOWN("inside the window gave -4") },
                { "success, nothing written", { .stuff = STUFF_CUT }, YES(""), UNKNOWN("gave 0, but wrote nothing there") },
                { "refused and written", { .stuff = STUFF_BOTH }, YES(""),
                  NO("changed 5 entries behind the seventh, and gave -4") },
                { "another exit", { .stuff = STUFF_HALTS }, YES(""), UNKNOWN("exit reason 5") },
                { "another hypercall", { .stuff = STUFF_JUNK }, YES(""), UNKNOWN("unknown hypercall, 0x1234") },
                { "no PR", { .failures = { WITH(KVM_CREATE_VM, KVM_VM_TYPE_PR, EINVAL) } }, NO("type PR: Invalid"), YES("") },
                { "PR now busy", { .failures = { WITH(KVM_CREATE_VM, KVM_VM_TYPE_PR, EBUSY) } }, UNKNOWN("busy"), YES("") },
                { "no VM", { .failures = { ALWAYS(KVM_CREATE_VM, EINVAL) } }, NO(""), UNKNOWN("KVM_CREATE_VM: Invalid argument") },
                { "no memory region", { .failures = { ALWAYS(KVM_SET_USER_MEMORY_REGION, EINVAL) } }, YES(""),
                  UNKNOWN("KVM_SET_USER_MEMORY_REGION: Invalid argument") },
                { "no table", { .failures = { ALWAYS(KVM_CREATE_SPAPR_TCE_64, ENOMEM) } }, YES(""),
                  UNKNOWN("KVM_CREATE_SPAPR_TCE_64, 7 entries: Cannot allocate memory") },
                { "no mapping of the table", { .map_error_kind = FAKE_TABLE }, YES(""), UNKNOWN("mapping the table") },
                { "no hypercall", { .failures = { WITH(KVM_ENABLE_CAP, H_STUFF_TCE, EINVAL) } }, YES(""),
                  UNKNOWN("KVM_ENABLE_CAP of H_STUFF_TCE: Invalid argument") },
                { "no vCPU", { .failures = { ALWAYS(KVM_CREATE_VCPU, ENOMEM) } }, YES(""), UNKNOWN("KVM_CREATE_VCPU: Cannot") },
                { "no size", { .failures = { ALWAYS(KVM_GET_VCPU_MMAP_SIZE, EINVAL) } }, YES(""),
                  UNKNOWN("KVM_GET_VCPU_MMAP_SIZE: Invalid argument") },
                { "a size too small", { .vcpu_size = 8 }, YES(""), UNKNOWN("KVM_GET_VCPU_MMAP_SIZE: Protocol error") },
                { "no mapping of the vCPU", { .map_error_kind = FAKE_VCPU }, YES(""), UNKNOWN("mapping the vCPU") },
                { "no PAPR", { .failures = { WITH(KVM_ENABLE_CAP, KVM_CAP_PPC_PAPR, EINVAL) } }, YES(""),
                  UNKNOWN("KVM_CAP_PPC_PAPR: Invalid argument") },
                { "no registers read", { .failures = { ALWAYS(KVM_PPC_GET_REGS, EIO) } }, YES(""), UNKNOWN("KVM_GET_REGS") },
                { "no registers set", { .failures = { ALWAYS(KVM_PPC_SET_REGS, EIO) } }, YES(""), UNKNOWN("KVM_SET_REGS") },
                { "it does not run", { .failures = { ALWAYS(KVM_RUN, EIO) } }, YES(""), UNKNOWN("KVM_RUN: Input/output error") },
                { "a signal while it runs", { .failures = { { KVM_RUN, FAKE_ANY, EINTR, 1 } } }, YES(""), YES("H_PARAMETER") },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                unsigned fds = count_fds();
                KvmFacts facts;

                fake_reset();
                fake = cases[i].fake;
                if (fake.vcpu_size == 0)
                        fake.vcpu_size = 65536;
                probe_kvm_declared(&fake_ops, "/dev", &facts);
                probe_kvm_prove_deep(&fake_ops, "/dev", &facts);
                check_outcome(&facts.vm_type[VM_TYPE_PR], cases[i].pr, "PR", cases[i].name);
                check_outcome(&facts.range_check, cases[i].range_check, "range check", cases[i].name);
                tap_ok(count_fds() == fds && count_maps() == 0, "%s: nothing is left", cases[i].name);
        }
}

/* A fault that was seen is not forgotten: a rule could vouch for the kernel then. */
static void test_deep_again(void) {
        KvmFacts facts;

        fake_reset();
        fake.stuff = STUFF_FAULTY;
        probe_kvm_declared(&fake_ops, "/dev", &facts);
        probe_kvm_prove_deep(&fake_ops, "/dev", &facts);
        fake_reset();
        fake.failures[0] = (FakeFailure) ALWAYS(KVM_CREATE_VM, ENOMEM);
        probe_kvm_prove(&fake_ops, "/dev", &facts);
        check_outcome(&facts.range_check, (Want) NO("changed 5 entries"), "range check", "then no VM");
        probe_kvm_prove_deep(&fake_ops, "/dev", &facts);
        check_outcome(&facts.range_check, (Want) NO("changed 5 entries"), "range check", "then no deep probe");
        fake_reset();
        probe_kvm_prove_deep(&fake_ops, "/dev", &facts);
        check_outcome(&facts.range_check, (Want) YES("H_PARAMETER"), "range check", "then seen at work");
}

/* What was proven with more effort is not forgotten by proving again with less. */
static void test_prove_again(void) {
        KvmFacts facts;

        fake_reset();
        probe_kvm_declared(&fake_ops, "/dev", &facts);
        probe_kvm_prove_deep(&fake_ops, "/dev", &facts);
        outcome_set(&facts.capability[KVM_CAPABILITY_TCE_VFIO].proven, PROOF_YES, "linked");
        probe_kvm_prove(&fake_ops, "/dev", &facts);
        tap_eq(facts.range_check.proof, PROOF_YES, "the range check is still proven");
        tap_eq(facts.capability[KVM_CAPABILITY_TCE_VFIO].proven.proof, PROOF_YES, "and the link");
}

static void test_link(void) {
        static const char all[] = "attach iommu info remove create vm table64 device add link del remove detach";
        static const struct {
                const char *name;
                FakeFailure failure;
                Want want;
                const char *log;
        } cases[] = {
                { "it works", {}, YES("linked IOMMU group 7 to a table of a VM: window at 0, 1024 MiB"), all },
                { "group busy", ALWAYS(VFIO_GROUP_SET_CONTAINER, EBUSY),
                  UNKNOWN("group 7: VFIO_GROUP_SET_CONTAINER: Device or resource busy"), "" },
                { "not viable", ALWAYS(VFIO_GROUP_SET_CONTAINER, EPERM), UNKNOWN("Operation not permitted"), "" },
                { "no sPAPR v2", ALWAYS(VFIO_SET_IOMMU, EINVAL), UNKNOWN("VFIO_SET_IOMMU, sPAPR v2: Invalid"), "attach detach" },
                { "no info", ALWAYS(VFIO_IOMMU_SPAPR_TCE_GET_INFO, ENXIO), UNKNOWN("GET_INFO"), "attach iommu detach" },
                { "no removal", { VFIO_IOMMU_SPAPR_TCE_REMOVE, FAKE_ANY, EINVAL, 1 }, UNKNOWN("of the default window"),
                  "attach iommu info detach" },
                { "no window", ALWAYS(VFIO_IOMMU_SPAPR_TCE_CREATE, ENODEV), UNKNOWN("TCE_CREATE: No such device"),
                  "attach iommu info remove detach" },
                { "no locked memory", ALWAYS(VFIO_IOMMU_SPAPR_TCE_CREATE, ENOMEM), UNKNOWN("raise tced's LimitMEMLOCK="),
                  "attach iommu info remove detach" },
                { "no VM", ALWAYS(KVM_CREATE_VM, EINVAL), UNKNOWN("KVM_CREATE_VM: Invalid argument"),
                  "attach iommu info remove create remove detach" },
                { "no table", ALWAYS(KVM_CREATE_SPAPR_TCE_64, ENOMEM), UNKNOWN("KVM_CREATE_SPAPR_TCE_64"),
                  "attach iommu info remove create vm remove detach" },
                { "no VFIO device", ALWAYS(KVM_CREATE_DEVICE, ENODEV), UNKNOWN("KVM_CREATE_DEVICE, VFIO"),
                  "attach iommu info remove create vm table64 remove detach" },
                { "not added", WITH(KVM_SET_DEVICE_ATTR, KVM_VFIO_GROUP_ADD, EINVAL), NO("GROUP_ADD: Invalid argument"),
                  "attach iommu info remove create vm table64 device remove detach" },
                { "not linked", WITH(KVM_SET_DEVICE_ATTR, KVM_VFIO_GROUP_SET_SPAPR_TCE, ENXIO),
                  NO("group 7: KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE: No such device or address"),
                  "attach iommu info remove create vm table64 device add del remove detach" },
                { "no memory for the link", WITH(KVM_SET_DEVICE_ATTR, KVM_VFIO_GROUP_SET_SPAPR_TCE, ENOMEM),
                  UNKNOWN("SET_SPAPR_TCE"),
                  "attach iommu info remove create vm table64 device add del remove detach" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                unsigned fds;
                KvmFacts facts;
                int group;

                fake_reset();
                fake.failures[0] = cases[i].failure;
                group = fake_new_fd(FAKE_GROUP);
                fds = count_fds();
                probe_kvm_declared(&fake_ops, "/dev", &facts);
                probe_kvm_prove_vfio(&fake_ops, "/dev", group, 7, &facts);
                check_outcome(&facts.capability[KVM_CAPABILITY_TCE_VFIO].proven, cases[i].want, "the link", cases[i].name);
                tap_streq(fake.log, cases[i].log, "%s: what was done, and undone backwards", cases[i].name);
                tap_ok(count_fds() == fds, "%s: nothing is left but the group", cases[i].name);
                (void) close(group);
        }
        tap_ok(fake.window.page_shift == 12 && fake.window.window_size == 1 << 30 && fake.table_shape.size == 1 << 18,
               "table and window are alike");
}

static void test_link_without_container(void) {
        KvmFacts facts;
        int group;

        fake_reset();
        probe_kvm_declared(&fake_ops, "/dev", &facts);
        group = fake_new_fd(FAKE_GROUP);
        fake.open_error = ENOENT;
        probe_kvm_prove_vfio(&fake_ops, "/dev", group, 7, &facts);
        check_outcome(&facts.capability[KVM_CAPABILITY_TCE_VFIO].proven, (Want) UNKNOWN("opening vfio/vfio: No such file"),
                      "the link", "no container");
        (void) close(group);
}

int main(void) {
        test_prove();
        test_device();
        test_device_gone();
        test_system();
        test_other_machine();
        test_deep();
        test_deep_again();
        test_prove_again();
        test_link();
        test_link_without_container();
        return tap_done();
}
