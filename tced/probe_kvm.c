/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What KVM declares, and the proofs that need no vCPU and no group: a VM of each type that may be tried, a table of each kind,
 * the two hypercalls of multi-TCE. Making a VM has side effects (on POWER8 it blocks onlining of threads, below PowerVM it makes a
 * guest there), so there is one of each type at most, and PR, which slows all of a partition, is left to the deep probe. */

#include "probe_kvm.h"

#include <limits.h>
#include <sys/utsname.h>

#include "kvm-abi.h"
#include "probe_calls.h"
#include "util.h"

/* open(2) and ioctl(2) are variadic, so that their addresses can't stand in the table. */
static int system_open(const char *path, int flags) {
        return open(path, flags);
}

static int system_ioctl(int fd, unsigned long request, void *argument) {
        return ioctl(fd, request, argument);
}

static void *system_map(int fd, size_t size) {
        void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        return p == MAP_FAILED ? NULL : p;
}

const KvmOps kvm_ops_system = { system_open, system_ioctl, system_map };

/* A result of zero or more is a value or an fd: KVM answers with either. */
int probe_ioctl(const KvmOps *ops, int fd, unsigned long request, void *argument) {
        int r = ops->ioctl(fd, request, argument);
        return r < 0 ? -errno : r;
}

int probe_ioctl_number(const KvmOps *ops, int fd, unsigned long request, unsigned long number) {
        return probe_ioctl(ops, fd, request, (void *) number);
}

int probe_open(const KvmOps *ops, const char *dev, const char *name) {
        char path[PATH_MAX];
        int fd;

        if ((size_t) snprintf(path, sizeof(path), "%s/%s", dev, name) >= sizeof(path))
                return -ENAMETOOLONG;
        fd = ops->open(path, O_RDWR | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int probe_create_vm(const KvmOps *ops, int kvm_fd, unsigned long type) {
        int r = -EINTR;

        /* A signal may end it where making the VM starts a thread (virt/kvm/kvm_main.c:kvm_arch_post_init_vm). */
        for (unsigned tries = 0; r == -EINTR && tries < 5; tries++)
                r = probe_ioctl_number(ops, kvm_fd, KVM_CREATE_VM, type);
        return r;
}

int probe_enable(const KvmOps *ops, int fd, uint32_t capability, uint64_t first, uint64_t second) {
        struct kvm_enable_capability enable = { .cap = capability, .args = { first, second } };
        return probe_ioctl(ops, fd, KVM_ENABLE_CAP, &enable);
}

/* Is it the want of something that may be there the next time, and no answer of the kernel's? */
static bool error_is_shortage(int error) {
        static const int shortages[] = { ENOMEM, EMFILE, ENFILE, EINTR, EAGAIN, EBUSY, ENOSPC };

        for (size_t i = 0; i < ELEMENTSOF(shortages); i++)
                if (error == -shortages[i])
                        return true;
        return false;
}

/* UNKNOWN leaves a policy free to try, NO does not: so NO is for what the kernel answered, not for what it had not. */
void outcome_failed(Outcome *o, const char *step, int error) {
        outcome_set(o, error_is_shortage(error) ? PROOF_UNKNOWN : PROOF_NO, "%s: %s", step, strerror(-error));
}

/* The four of them, and what else is concluded from a VM, get one and the same answer. */
static void set_capabilities(KvmFacts *facts, const Outcome *outcome, const char *prefix) {
        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++)
                outcome_set(&facts->capability[i].proven, outcome->proof, "%s%s", prefix, outcome->why);
}

static void set_all(KvmFacts *facts, const Outcome *outcome) {
        facts->vm = *outcome;
        /* Never NO: that is a guest seen to write past its window. */
        outcome_set(&facts->range_check, PROOF_UNKNOWN, "%s", outcome->why);
        for (int i = 0; i < _VM_TYPE_MAX; i++)
                facts->vm_type[i] = *outcome;
        set_capabilities(facts, outcome, "");
}

/* POWER kernels come with pages of 4 KiB and of 64 KiB, and what a table costs depends on it. */
static void describe_machine(KvmFacts *facts) {
        struct utsname name;

        facts->page_size = (uint64_t) sysconf(_SC_PAGESIZE);
        if (uname(&name) < 0)
                return;
        (void) snprintf(facts->release, sizeof(facts->release), "%s", name.release);
        (void) snprintf(facts->version, sizeof(facts->version), "%s", name.version);
        (void) snprintf(facts->machine, sizeof(facts->machine), "%s", name.machine);
}

/* /dev/kvm is a static node that is there before its module is, and then gives ENODEV or ENXIO. */
static const char *open_remedy(int error) {
        switch (-error) {
        case EACCES:
        case EPERM:
                return " (whoever runs this must be in the group that owns it)";
        case ENOENT:
        case ENODEV:
        case ENXIO:
                return " (KVM's module is not loaded: modprobe kvm_hv)";
        }
        return "";
}

void probe_kvm_declared(const KvmOps *ops, const char *dev, KvmFacts *ret) {
        _cleanup_fd_ int kvm = -EBADF;
        KvmFacts facts = {};
        Outcome outcome;
        int r;

        describe_machine(&facts);
        kvm = probe_open(ops, dev, "kvm");
        if (kvm < 0) {
                facts.device_error = -kvm;
                outcome_set(&outcome, PROOF_NO, "%.64s/kvm: %s%s", dev, strerror(-kvm), open_remedy(kvm));
                set_all(&facts, &outcome);
                *ret = facts;
                return;
        }
        outcome_set(&outcome, PROOF_UNKNOWN, "not tried yet");
        set_all(&facts, &outcome);
        r = probe_ioctl_number(ops, kvm, KVM_GET_API_VERSION, 0);
        facts.api_version = r > 0 ? r : 0;
        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++) {
                r = probe_ioctl_number(ops, kvm, KVM_CHECK_EXTENSION, kvm_capability_number((KvmCapability) i));
                facts.capability[i].declared = r > 0;
        }
        *ret = facts;
}

/* Maps a new table of one entry, uses and closes it. The fd is what the ioctl gave, also where that is an error. A VMM fills tables
 * through this mapping when they move between it and the kernel, so it has to hold what is written. */
static void prove_table(const KvmOps *ops, int table_consume, const KvmFacts *facts, const char *what, Outcome *o) {
        static const uint64_t value = 0x5a000; /* no permission bits: a value that means nothing to anybody */
        _cleanup_fd_ int table = table_consume;
        volatile uint64_t *entry;

        if (table == -ENOMEM) {
                outcome_set(o, PROOF_UNKNOWN, "%s: %s: raise tced's locked-memory limit (RLIMIT_MEMLOCK, LimitMEMLOCK=) and try "
                            "again", what, strerror(ENOMEM));
                return;
        }
        if (table < 0)
                return outcome_failed(o, what, table);
        entry = ops->map(table, facts->page_size);
        if (!entry) {
                char step[128];
                int error = -errno;

                (void) snprintf(step, sizeof(step), "%s was made, but mapping it failed", what);
                return outcome_failed(o, step, error);
        }
        if (entry[0] != 0)
                outcome_set(o, PROOF_NO, "%s: a new table is not empty", what);
        else {
                entry[0] = value;
                if (entry[0] == value)
                        outcome_set(o, PROOF_YES, "%s: made, mapped, written, read and closed", what);
                else
                        outcome_set(o, PROOF_NO, "%s: an entry that was written reads as another", what);
        }
        (void) munmap((void *) entry, facts->page_size);
}

/* The older call knows pages of 4 KiB from bus address 0 on, and counts the window in 32 bits. */
static void prove_tce(const KvmOps *ops, int vm, KvmFacts *facts) {
        struct kvm_spapr_tce small = { .liobn = PROBE_LIOBN, .window_size = 4096 };

        prove_table(ops, probe_ioctl(ops, vm, KVM_CREATE_SPAPR_TCE, &small), facts, "KVM_CREATE_SPAPR_TCE, one entry",
                    &facts->capability[KVM_CAPABILITY_TCE].proven);
}

static void prove_tce_64(const KvmOps *ops, int vm, KvmFacts *facts) {
        /* All that the older call can't: a start above zero, pages other than 4 KiB. */
        struct kvm_spapr_tce_64 high = {
                .liobn = PROBE_LIOBN,
                .page_shift = 16,
                .offset = (UINT64_C(1) << 59) >> 16,
                .size = 1,
        };

        prove_table(ops, probe_ioctl(ops, vm, KVM_CREATE_SPAPR_TCE_64, &high), facts,
                    "KVM_CREATE_SPAPR_TCE_64, one 64 KiB page at 2^59", &facts->capability[KVM_CAPABILITY_TCE_64].proven);
}

/* Declared is not enough: a VM has neither hypercall until it was enabled (book3s_hv.c:default_hcall_list). */
static void prove_multitce(const KvmOps *ops, int vm, KvmFacts *facts) {
        static const struct {
                uint64_t number;
                const char *step;
        } hcalls[] = {
                { H_PUT_TCE_INDIRECT, "KVM_ENABLE_CAP of H_PUT_TCE_INDIRECT" },
                { H_STUFF_TCE, "KVM_ENABLE_CAP of H_STUFF_TCE" },
        };
        Outcome *o = &facts->capability[KVM_CAPABILITY_MULTITCE].proven;

        for (size_t i = 0; i < ELEMENTSOF(hcalls); i++) {
                int r = probe_enable(ops, vm, KVM_CAP_PPC_ENABLE_HCALL, hcalls[i].number, 1);
                if (r < 0)
                        return outcome_failed(o, hcalls[i].step, r);
        }
        outcome_set(o, PROOF_YES, "H_PUT_TCE_INDIRECT and H_STUFF_TCE could be enabled for a VM");
}

/* vm is one of "any" type. */
static void prove_vm_types(const KvmOps *ops, int kvm, int vm, KvmFacts *facts) {
        Outcome *hv = &facts->vm_type[VM_TYPE_HV], *pr = &facts->vm_type[VM_TYPE_PR];
        _cleanup_fd_ int hv_vm = -EBADF;

        if (!facts_host_has_tce(facts)) {
                /* The same numbers mean other things elsewhere: 1 is a protected VM on x86. */
                outcome_set(hv, PROOF_NO, "this machine (%s) is not POWER", facts->machine);
                *pr = *hv;
                return;
        }
        hv_vm = probe_create_vm(ops, kvm, KVM_VM_TYPE_HV);
        if (hv_vm < 0)
                outcome_failed(hv, "KVM_CREATE_VM, type HV", hv_vm);
        else
                outcome_set(hv, PROOF_YES, "a VM of type HV was created");
        /* PR alone has it (powerpc.c:kvm_vm_ioctl_check_extension, !hv_enabled). */
        if (probe_ioctl_number(ops, vm, KVM_CHECK_EXTENSION, KVM_CAP_PPC_OSI) > 0)
                outcome_set(pr, PROOF_YES, "a VM of any type turned out to be PR (KVM_CAP_PPC_OSI is 1)");
        else
                outcome_set(pr, PROOF_UNKNOWN, "not tried: the deep probe alone does it, as it slows a partition down");
}

/* All on one VM: a table is closed before the next is made, so that one LIOBN is enough. */
static void prove_capabilities(const KvmOps *ops, int vm, KvmFacts *facts) {
        static void (*const proofs[_KVM_CAPABILITY_MAX])(const KvmOps *, int, KvmFacts *) = {
                [KVM_CAPABILITY_TCE] = prove_tce,
                [KVM_CAPABILITY_TCE_64] = prove_tce_64,
                [KVM_CAPABILITY_MULTITCE] = prove_multitce,
        };

        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++) {
                KvmCapabilityFact *c = &facts->capability[i];
                if (!c->declared)
                        outcome_set(&c->proven, PROOF_NO, "not declared");
                else if (proofs[i])
                        proofs[i](ops, vm, facts);
                else if (c->proven.proof == PROOF_UNKNOWN)
                        outcome_set(&c->proven, PROOF_UNKNOWN, "not tried: it takes an idle IOMMU group");
        }
}

void probe_kvm_prove(const KvmOps *ops, const char *dev, KvmFacts *facts) {
        _cleanup_fd_ int kvm = -EBADF, vm = -EBADF;

        if (facts->device_error != 0)
                return;
        kvm = probe_open(ops, dev, "kvm");
        vm = kvm < 0 ? kvm : probe_create_vm(ops, kvm, KVM_VM_TYPE_ANY);
        if (vm < 0) {
                outcome_failed(&facts->vm, kvm < 0 ? "/dev/kvm" : "KVM_CREATE_VM", vm);
                for (int i = 0; i < _VM_TYPE_MAX; i++)
                        facts->vm_type[i] = facts->vm;
                set_capabilities(facts, &facts->vm, "no VM can be created: ");
                /* The better reason, where there is one: it stays when the VM can be made. */
                for (int i = 0; i < _KVM_CAPABILITY_MAX; i++)
                        if (!facts->capability[i].declared)
                                outcome_set(&facts->capability[i].proven, PROOF_NO, "not declared");
                if (facts->range_check.proof == PROOF_UNKNOWN)
                        outcome_set(&facts->range_check, PROOF_UNKNOWN, "no VM can be created: %.128s", facts->vm.why);
                return;
        }
        outcome_set(&facts->vm, PROOF_YES, "a VM was created and closed");
        prove_vm_types(ops, kvm, vm, facts);
        prove_capabilities(ops, vm, facts);
        /* What a deep probe has shown still holds: the kernel is the same. */
        if (facts->range_check.proof == PROOF_UNKNOWN)
                outcome_set(&facts->range_check, PROOF_UNKNOWN, "not tried: the deep probe alone does it, with a vCPU");
}
