/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The deep probe: a PR VM, and a vCPU whose few instructions let H_STUFF_TCE run over the end of a table.
 *
 * Kernels before 7.3 and late stable ones ask only whether a hypercall's first TCE lies in the window
 * (arch/powerpc/kernel/iommu.c:iommu_tce_check_ioba had npages and ignored it). The table has 7 entries of the 512 or more that
 * its page holds, so that what is written past the end hits nothing but the rest of that page, which is zero and ours. */

#include "kvm-abi.h"
#include "probe_calls.h"
#include "util.h"

#define TABLE_ENTRIES 7U
#define STUFFED_FROM 4U
#define STUFFED_ENTRIES 8U /* entries 4 to 11: 5 of them past the end */
#define PAGE_SHIFT 12U

/* What is stuffed: without permission bits, which H_STUFF_TCE refuses (book3s_64_vio.c:kvmppc_h_stuff_tce), and not zero, as
 * zeros are not stored where there is no page yet. */
#define POISON_INSIDE UINT64_C(0x11000)
#define POISON_ACROSS UINT64_C(0x22000)

#define GUEST_MEMORY_SIZE (UINT64_C(16) << 20)
#define GUEST_CODE UINT64_C(0x10000)
/* No hypercall of that number: it ends in the VMM, with r4 and up as its arguments (book3s_hv.c:kvmppc_pseries_do_hcall). */
#define H_REPORT 0x7ffcU

/* The instructions that are needed: or, addi, sc with LEV of 1, and a branch (Power ISA, book I). */
#define MR(to, from) (31U << 26 | (uint32_t) (from) << 21 | (uint32_t) (to) << 16 | (uint32_t) (from) << 11 | 444U << 1)
#define LI(to, value) (14U << 26 | (uint32_t) (to) << 21 | (value))
#define SC_1 0x44000022U
#define BRANCH_TO_SELF 0x48000000U

/* 64-bit mode, machine checks and interrupts recoverable, the byte order of this program; no translation. */
#define MSR_SF (UINT64_C(1) << 63)
#define MSR_ME (UINT64_C(1) << 12)
#define MSR_RI (UINT64_C(1) << 1)
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define MSR_ORDER UINT64_C(1)
#else
#define MSR_ORDER UINT64_C(0)
#endif

/* r3 to r7 hold the first H_STUFF_TCE and its arguments, r14 to r18 the second; hypercalls leave r14 and up alone. */
static const uint32_t program[] = {
        SC_1,
        MR(19, 3),
        MR(3, 14),
        MR(4, 15),
        MR(5, 16),
        MR(6, 17),
        MR(7, 18),
        SC_1,
        MR(5, 3),
        MR(4, 19),
        LI(3, H_REPORT),
        SC_1,
        BRANCH_TO_SELF,
};

/* Everything that one run needs; made and cleared as a whole, from whatever half of it is there. */
typedef struct DeepProbe {
        const KvmOps *ops;
        int kvm, vm, table, vcpu;
        size_t page_size;
        uint8_t *memory; /* the guest's */
        volatile uint64_t *entries;
        struct kvm_run_head *run;
        size_t run_size;
        const char *step; /* what was tried last: the one that failed */
} DeepProbe;

/* The guest's memory goes last: the VM has it as long as it lives. */
static void deep_probe_clear(DeepProbe *p) {
        if (p->run)
                (void) munmap(p->run, p->run_size);
        if (p->entries)
                (void) munmap((void *) p->entries, p->page_size);
        (void) fd_close(p->vcpu);
        (void) fd_close(p->table);
        (void) fd_close(p->vm);
        (void) fd_close(p->kvm);
        if (p->memory)
                (void) munmap(p->memory, GUEST_MEMORY_SIZE);
}

/* The guest's memory from address 0, as a hash guest's real-mode area has to be (book3s_hv.c:kvmppc_hv_setup_htab_rma). It takes
 * what is touched of it, which is a page. */
static int make_memory(DeepProbe *p) {
        struct kvm_memory_region region = { .memory_size = GUEST_MEMORY_SIZE };
        void *memory;

        p->step = "memory for the guest";
        memory = mmap(NULL, GUEST_MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED)
                return -errno;
        p->memory = memory;
        memcpy(p->memory + GUEST_CODE, program, sizeof(program));
        /* What was stored is data until the instruction cache is told (Power ISA, book II). */
        __builtin___clear_cache((char *) p->memory + GUEST_CODE, (char *) p->memory + GUEST_CODE + sizeof(program));
        region.userspace_addr = (uintptr_t) memory;
        p->step = "KVM_SET_USER_MEMORY_REGION";
        return probe_ioctl(p->ops, p->vm, KVM_SET_USER_MEMORY_REGION, &region);
}

/* The first page's worth of entries, of which the kernel is told of seven. */
static int make_table(DeepProbe *p) {
        struct kvm_spapr_tce_64 small = { .liobn = PROBE_LIOBN, .page_shift = PAGE_SHIFT, .size = TABLE_ENTRIES };

        p->step = "KVM_CREATE_SPAPR_TCE_64, 7 entries";
        p->table = probe_ioctl(p->ops, p->vm, KVM_CREATE_SPAPR_TCE_64, &small);
        if (p->table < 0)
                return p->table;
        p->step = "mapping the table";
        p->entries = p->ops->map(p->table, p->page_size);
        if (!p->entries)
                return -errno;
        p->step = "KVM_ENABLE_CAP of H_STUFF_TCE";
        return probe_enable(p->ops, p->vm, KVM_CAP_PPC_ENABLE_HCALL, H_STUFF_TCE, 1);
}

/* One vCPU, which has to be told to speak PAPR: without it `sc 1` is an illegal instruction. */
static int make_vcpu(DeepProbe *p) {
        int r;

        p->step = "KVM_CREATE_VCPU";
        p->vcpu = probe_ioctl_number(p->ops, p->vm, KVM_CREATE_VCPU, 0);
        if (p->vcpu < 0)
                return p->vcpu;
        p->step = "KVM_GET_VCPU_MMAP_SIZE";
        r = probe_ioctl_number(p->ops, p->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
        if (r < (int) sizeof(struct kvm_run_head))
                return r < 0 ? r : -EPROTO;
        p->run_size = (size_t) r;
        p->step = "mapping the vCPU";
        p->run = p->ops->map(p->vcpu, p->run_size);
        if (!p->run)
                return -errno;
        p->step = "KVM_ENABLE_CAP of KVM_CAP_PPC_PAPR";
        return probe_enable(p->ops, p->vcpu, KVM_CAP_PPC_PAPR, 0, 0);
}

/* What is not named here is left as KVM made it. */
static int set_registers(DeepProbe *p) {
        struct kvm_ppc_regs regs = {};
        int r;

        p->step = "KVM_GET_REGS";
        r = probe_ioctl(p->ops, p->vcpu, KVM_PPC_GET_REGS, &regs);
        if (r < 0)
                return r;
        regs.pc = GUEST_CODE;
        regs.msr = MSR_SF | MSR_ME | MSR_RI | MSR_ORDER;
        regs.gpr[3] = regs.gpr[14] = H_STUFF_TCE;
        regs.gpr[4] = regs.gpr[15] = PROBE_LIOBN;
        regs.gpr[5] = 0;
        regs.gpr[6] = POISON_INSIDE;
        regs.gpr[7] = TABLE_ENTRIES;
        regs.gpr[16] = (uint64_t) STUFFED_FROM << PAGE_SHIFT;
        regs.gpr[17] = POISON_ACROSS;
        regs.gpr[18] = STUFFED_ENTRIES;
        p->step = "KVM_SET_REGS";
        return probe_ioctl(p->ops, p->vcpu, KVM_PPC_SET_REGS, &regs);
}

/* All that has to be there before the vCPU runs. */
static int deep_probe_make(DeepProbe *p, const char *dev) {
        int r;

        p->step = "/dev/kvm";
        p->kvm = probe_open(p->ops, dev, "kvm");
        if (p->kvm < 0)
                return p->kvm;
        p->step = "KVM_CREATE_VM";
        p->vm = probe_create_vm(p->ops, p->kvm, KVM_VM_TYPE_ANY);
        if (p->vm < 0)
                return p->vm;
        r = make_memory(p);
        if (r >= 0)
                r = make_table(p);
        if (r >= 0)
                r = make_vcpu(p);
        if (r >= 0)
                r = set_registers(p);
        return r;
}

/* What the two hypercalls gave back and did to the table's page. What was written counts, whatever was returned. */
static void judge(const DeepProbe *p, Outcome *o) {
        int64_t inside = (int64_t) p->run->papr_hcall.args[0], across = (int64_t) p->run->papr_hcall.args[1];
        unsigned past = 0;

        for (unsigned i = TABLE_ENTRIES; i < STUFFED_FROM + STUFFED_ENTRIES; i++)
                past += p->entries[i] != 0;
        if (inside != H_SUCCESS || p->entries[0] != POISON_INSIDE)
                /* Without this one the other's refusal would prove nothing. */
                outcome_set(o, PROOF_UNKNOWN, "H_STUFF_TCE inside the window gave %lld and wrote %#llx where it should work",
                            (long long) inside, (unsigned long long) p->entries[0]);
        else if (past > 0)
                outcome_set(o, PROOF_NO, "H_STUFF_TCE wrote past a window's end: of a 7-entry table it changed %u entries behind "
                            "the seventh, and gave %lld", past, (long long) across);
        else if (across == H_PARAMETER)
                outcome_set(o, PROOF_YES, "H_STUFF_TCE over the end of a 7-entry table gave H_PARAMETER and wrote nothing there");
        else
                outcome_set(o, PROOF_UNKNOWN, "H_STUFF_TCE over the end of a 7-entry table gave %lld, but wrote nothing there",
                            (long long) across);
}

/* One exit is all that the program makes on purpose, so that every other one is an answer too. The exit is never finished: the
 * vCPU does not run again. */
static void deep_probe_run(DeepProbe *p, Outcome *o) {
        int r;

        do
                r = probe_ioctl_number(p->ops, p->vcpu, KVM_RUN, 0);
        while (r == -EINTR);
        if (r < 0)
                outcome_set(o, PROOF_UNKNOWN, "KVM_RUN: %s", strerror(-r));
        else if (p->run->exit_reason != KVM_EXIT_KIND_PAPR_HCALL)
                outcome_set(o, PROOF_UNKNOWN, "the vCPU stopped with exit reason %u before it could report",
                            p->run->exit_reason);
        else if (p->run->papr_hcall.nr == H_STUFF_TCE)
                outcome_set(o, PROOF_UNKNOWN, "H_STUFF_TCE went to the VMM: multi-TCE is not done in the kernel here");
        else if (p->run->papr_hcall.nr != H_REPORT)
                outcome_set(o, PROOF_UNKNOWN, "the vCPU made an unknown hypercall, %#llx",
                            (unsigned long long) p->run->papr_hcall.nr);
        else
                judge(p, o);
}

/* What an earlier run saw stays where this one sees nothing: a fault is not gone because memory is short now. */
static void prove_range_check(const KvmOps *ops, const char *dev, KvmFacts *facts) {
        _cleanup_(deep_probe_clear) DeepProbe p = {
                .ops = ops,
                .kvm = -EBADF,
                .vm = -EBADF,
                .table = -EBADF,
                .vcpu = -EBADF,
                .page_size = facts->page_size,
        };
        Outcome seen;
        int r = deep_probe_make(&p, dev);

        if (r < 0)
                outcome_set(&seen, PROOF_UNKNOWN, "%s: %s", p.step, strerror(-r));
        else
                deep_probe_run(&p, &seen);
        if (seen.proof != PROOF_UNKNOWN || facts->range_check.proof == PROOF_UNKNOWN)
                facts->range_check = seen;
}

/* As long as there is a PR VM, a whole partition takes its interrupts the slow way (book3s_pr.c:kvmppc_core_init_vm_pr counts them
 * and calls pseries_disable_reloc_on_exc): hence only when asked. */
static void prove_pr(const KvmOps *ops, const char *dev, KvmFacts *facts) {
        _cleanup_fd_ int kvm = -EBADF, vm = -EBADF;
        Outcome *o = &facts->vm_type[VM_TYPE_PR];

        kvm = probe_open(ops, dev, "kvm");
        if (kvm < 0)
                return outcome_failed(o, "/dev/kvm", kvm);
        vm = probe_create_vm(ops, kvm, KVM_VM_TYPE_PR);
        if (vm < 0)
                outcome_failed(o, "KVM_CREATE_VM, type PR", vm);
        else
                outcome_set(o, PROOF_YES, "a VM of type PR was created");
}

void probe_kvm_prove_deep(const KvmOps *ops, const char *dev, KvmFacts *facts) {
        if (facts->device_error != 0)
                return;
        if (!facts_host_has_tce(facts)) {
                outcome_set(&facts->range_check, PROOF_UNKNOWN, "needs a POWER vCPU: this machine is %s", facts->machine);
                return;
        }
        prove_pr(ops, dev, facts);
        prove_range_check(ops, dev, facts);
}
