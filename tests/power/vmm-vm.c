/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A VM with one vCPU, and the loop around KVM_RUN. */

#include <stddef.h>
#include <time.h>

#include "kvm-abi.h"
#include "util.h"
#include "vmm.h"

#define MSR_SF (UINT64_C(1) << 63) /* 64-bit */
#define MSR_ME (UINT64_C(1) << 12)
#define MSR_RI (UINT64_C(1) << 1)
#define MSR_LE UINT64_C(1)

int vmm_make_memory(Vmm *v) {
        void *memory = mmap(NULL, VMM_MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (memory == MAP_FAILED)
                return -errno;
        v->memory = memory;
        v->range = (struct tced_memory_range) { .size = VMM_MEMORY_SIZE, .host_start = memory };
        v->guest_memory = (struct tced_memory) { .ranges = &v->range, .n_ranges = 1 };
        vmm_guest_load(memory);
        return 0;
}

static int make_vcpu(Vmm *v) {
        struct kvm_enable_capability papr = { .cap = KVM_CAP_PPC_PAPR };
        int size;
        void *run;

        v->vcpu = ioctl(v->vm, KVM_CREATE_VCPU, 0);
        if (v->vcpu < 0)
                return -errno;
        if (ioctl(v->vcpu, KVM_ENABLE_CAP, &papr) < 0)
                return -errno;
        size = ioctl(v->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
        if (size < 0)
                return -errno;
        run = mmap(NULL, (size_t) size, PROT_READ | PROT_WRITE, MAP_SHARED, v->vcpu, 0);
        if (run == MAP_FAILED)
                return -errno;
        v->run = run;
        v->run_size = (size_t) size;
        return 0;
}

int vmm_make_vm(Vmm *v) {
        struct kvm_memory_region region = {
                .memory_size = VMM_MEMORY_SIZE, .userspace_addr = (uint64_t) (uintptr_t) v->memory,
        };

        v->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
        if (v->kvm < 0)
                return -errno;
        v->vm = ioctl(v->kvm, KVM_CREATE_VM, KVM_VM_TYPE_ANY);
        if (v->vm < 0)
                return -errno;
        if (ioctl(v->vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
                return -errno;
        return make_vcpu(v);
}

void vmm_clear(Vmm *v) {
        if (v->run)
                (void) munmap(v->run, v->run_size);
        v->vfio_device = fd_close(v->vfio_device);
        v->vcpu = fd_close(v->vcpu);
        v->vm = fd_close(v->vm);
        v->kvm = fd_close(v->kvm);
        if (v->memory)
                (void) munmap(v->memory, VMM_MEMORY_SIZE);
}

static int set_registers(Vmm *v, const struct tced_table *table, VmmProgram program, uint64_t count) {
        struct kvm_ppc_regs regs = { .pc = vmm_guest_entry(program), .msr = MSR_SF | MSR_ME | MSR_RI | MSR_LE };

        vmm_guest_arguments(v->memory, table, count, regs.gpr);
        return ioctl(v->vcpu, KVM_PPC_SET_REGS, &regs) < 0 ? -errno : 0;
}

/* An exit for a hypercall is finished by the next KVM_RUN, which writes the answer into the registers. Where the guest isn't to go
 * on it has to be finished all the same, or it would overwrite what is set next. */
static int finish_exit(Vmm *v) {
        int r;

        v->run->immediate_exit = 1;
        r = ioctl(v->vcpu, KVM_RUN, 0);
        v->run->immediate_exit = 0;
        return r < 0 && errno != EINTR ? -errno : 0;
}

static uint64_t now(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000000U + (uint64_t) t.tv_nsec;
}

int vmm_run(Vmm *v, struct tced_machine *m, const struct tced_table *table, VmmProgram program, uint64_t count,
            VmmResult *ret) {
        VmmResult result = {};
        uint64_t begin = now();
        int r;

        r = set_registers(v, table, program, count);
        if (r < 0)
                return r;
        for (;;) {
                if (ioctl(v->vcpu, KVM_RUN, 0) < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                result.exits++;
                if (v->run->exit_reason != KVM_EXIT_KIND_PAPR_HCALL)
                        return -EPROTO;
                if (v->run->papr_hcall.nr == VMM_H_DONE)
                        break;
                if (tced_hcall(m, v->run->papr_hcall.nr, v->run->papr_hcall.args, &v->guest_memory,
                               &v->run->papr_hcall.ret))
                        result.served++;
                else
                        v->run->papr_hcall.ret = (uint64_t) H_FUNCTION;
        }
        result.done = v->run->papr_hcall.args[0];
        result.nanoseconds = now() - begin;
        result.code = (int64_t) v->run->papr_hcall.args[1];
        v->run->papr_hcall.ret = H_SUCCESS;
        *ret = result;
        return finish_exit(v);
}
