/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A fake of KVM and VFIO as the proofs reach them (KvmOps), for what no kernel will do on request: every call can be made to fail,
 * and a processor that knows the four instructions of the deep probe's program runs it, on a kernel with the range check or on one
 * of several without. Every fd is a memfd, so that mapping and closing are real. */

#include <sys/mman.h>

#include "kvm-abi.h"
#include "probe_kvm.h"
#include "util.h"

typedef enum FakeKind {
        FAKE_NONE,
        FAKE_KVM,
        FAKE_VM,
        FAKE_TABLE,
        FAKE_VCPU,
        FAKE_CONTAINER,
        FAKE_GROUP,
        FAKE_DEVICE,
} FakeKind;

/* What the kernel below the fake vCPU does with H_STUFF_TCE. */
typedef enum FakeStuff {
        STUFF_CHECKED,     /* all of the range is checked */
        STUFF_FAULTY,      /* only the first TCE is */
        STUFF_NOT_IN_KERNEL,
        STUFF_REFUSED,     /* always H_PARAMETER */
        STUFF_CUT,         /* H_SUCCESS, but nothing is written past the end */
        STUFF_BOTH,        /* H_PARAMETER, and yet written */
        STUFF_HALTS,       /* the vCPU ends otherwise */
        STUFF_JUNK,        /* it makes another hypercall */
} FakeStuff;

#define FAKE_ANY UINT64_MAX

/* A call that fails: which, with which first argument (number, hypercall, attribute), how, and how often. */
typedef struct FakeFailure {
        unsigned long request;
        uint64_t key;
        int error;
        unsigned times; /* 0: always */
} FakeFailure;

typedef struct Fake {
        int open_error;
        int map_error_kind; /* FakeKind whose mapping fails */
        unsigned undeclared; /* a bit for each KvmCapability that reads 0 */
        bool pr;             /* the VM of any type is PR */
        bool dirty_table;    /* a new table is not empty */
        uint32_t vcpu_size;
        FakeStuff stuff;
        FakeFailure failures[4];
        bool no_spapr;       /* VFIO knows neither of its types */
        bool partition;      /* the first window may be a 64-bit one */
        struct vfio_spapr_info info;

        /* state */
        FakeKind kind[64];
        char log[1024];
        uint64_t hcalls_enabled;
        uint64_t guest_memory;
        int table, vcpu;
        struct kvm_spapr_tce_64 table_shape;
        struct kvm_ppc_regs regs;
        struct vfio_spapr_create window;
        bool default_pending;
        bool slot_used[2];
        uint64_t slot_start[2];
        char windows[256]; /* what was made, and where */
} Fake;

static Fake fake;

static inline void fake_reset(void) {
        fake = (Fake){
                .vcpu_size = 65536, .table = -EBADF, .vcpu = -EBADF,
                .info = { .flags = VFIO_SPAPR_INFO_DDW, .dma32_window_size = 1 << 30, .pgsizes = 0x1211000,
                          .max_dynamic_windows_supported = 2, .levels = 5 },
        };
}

static inline int fake_new_fd(FakeKind kind) {
        int fd = memfd_create("fake", MFD_CLOEXEC);

        if (fd < 0 || fd >= (int) ELEMENTSOF(fake.kind) || ftruncate(fd, 65536) < 0)
                abort();
        fake.kind[fd] = kind;
        return fd;
}

static inline int fake_fail(int error) {
        errno = error;
        return -1;
}

static inline int fake_open(const char *path, int flags) {
        const char *name = strrchr(path, '/');

        if (fake.open_error)
                return fake_fail(fake.open_error);
        if (!(flags & O_CLOEXEC))
                return fake_fail(EINVAL);
        return fake_new_fd(streq(name, "/kvm") ? FAKE_KVM : FAKE_CONTAINER);
}

static inline void *fake_map(int fd, size_t size) {
        void *p;

        if ((int) fake.kind[fd] == fake.map_error_kind) {
                errno = ENOMEM;
                return NULL;
        }
        p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        return p == MAP_FAILED ? NULL : p;
}

static inline void fake_table_write(uint64_t entry, uint64_t value) {
        if (pwrite(fake.table, &value, sizeof(value), (off_t) (entry * 8)) != sizeof(value))
                abort();
}

/* As book3s_64_vio.c:kvmppc_h_stuff_tce does it, with the fault that was asked for. */
static inline int64_t fake_h_stuff_tce(const uint64_t *gpr) {
        uint64_t first = gpr[5] >> fake.table_shape.page_shift, n = gpr[7], size = fake.table_shape.size;
        bool over = first + n > size;

        if (gpr[4] != fake.table_shape.liobn || first >= size || gpr[6] & 3 || fake.stuff == STUFF_REFUSED)
                return H_PARAMETER;
        if (over && fake.stuff == STUFF_CHECKED)
                return H_PARAMETER;
        for (uint64_t i = first; i < first + n; i++)
                if (i < size || fake.stuff != STUFF_CUT)
                        fake_table_write(i, gpr[6]);
        return over && fake.stuff == STUFF_BOTH ? H_PARAMETER : H_SUCCESS;
}

static inline int fake_exit(uint32_t reason, const uint64_t *gpr) {
        struct kvm_run_head run = { .exit_reason = reason };

        run.papr_hcall.nr = gpr[3];
        memcpy(run.papr_hcall.args, gpr + 4, sizeof(run.papr_hcall.args));
        if (pwrite(fake.vcpu, &run, sizeof(run), 0) != sizeof(run))
                abort();
        return 0;
}

/* Runs the guest until it has to leave: `sc 1`, `mr`, `li`, nothing else. */
static inline int fake_run(void) {
        uint64_t *gpr = fake.regs.gpr;

        if (fake.stuff == STUFF_HALTS)
                return fake_exit(KVM_EXIT_KIND_HLT, gpr);
        for (unsigned steps = 0; steps < 100; steps++, fake.regs.pc += 4) {
                uint32_t word;

                memcpy(&word, (uint8_t *) (uintptr_t) (fake.guest_memory + fake.regs.pc), sizeof(word));
                if (word == 0x44000022) {
                        if (fake.stuff == STUFF_JUNK)
                                gpr[3] = 0x1234;
                        if (gpr[3] != H_STUFF_TCE || !(fake.hcalls_enabled & 1) || fake.stuff == STUFF_NOT_IN_KERNEL)
                                return fake_exit(KVM_EXIT_KIND_PAPR_HCALL, gpr);
                        gpr[3] = (uint64_t) fake_h_stuff_tce(gpr);
                } else if (word >> 26 == 31 && (word >> 1 & 0x3ff) == 444)
                        gpr[word >> 16 & 31] = gpr[word >> 21 & 31] | gpr[word >> 11 & 31];
                else if (word >> 26 == 14 && (word >> 16 & 31) == 0)
                        gpr[word >> 21 & 31] = (uint64_t) (int16_t) word;
                else
                        return fake_exit(17, gpr);
        }
        return fake_exit(17, gpr);
}

static const struct {
        unsigned long request;
        const char *name;
} fake_requests[] = {
        { KVM_CREATE_VM, "vm" },
        { KVM_CREATE_SPAPR_TCE, "table" },
        { KVM_CREATE_SPAPR_TCE_64, "table64" },
        { KVM_CREATE_DEVICE, "device" },
        { KVM_CREATE_VCPU, "vcpu" },
        { VFIO_GROUP_SET_CONTAINER, "attach" },
        { VFIO_GROUP_UNSET_CONTAINER, "detach" },
        { VFIO_SET_IOMMU, "iommu" },
        { VFIO_IOMMU_SPAPR_TCE_GET_INFO, "info" },
        { VFIO_IOMMU_SPAPR_TCE_REMOVE, "remove" },
        { VFIO_IOMMU_SPAPR_TCE_CREATE, "create" },
};

static inline void fake_log(const char *name) {
        size_t length = strlen(fake.log);
        (void) snprintf(fake.log + length, sizeof(fake.log) - length, "%s%s", length ? " " : "", name);
}

/* What tells two calls of one request apart. */
static inline uint64_t fake_key(unsigned long request, void *argument) {
        if (request == KVM_ENABLE_CAP) {
                const struct kvm_enable_capability *e = argument;
                return e->cap == KVM_CAP_PPC_ENABLE_HCALL ? e->args[0] : e->cap;
        }
        if (request == KVM_SET_DEVICE_ATTR)
                return ((struct kvm_attribute *) argument)->attr;
        if (request == KVM_CREATE_VM || request == KVM_CHECK_EXTENSION || request == VFIO_SET_IOMMU)
                return (uintptr_t) argument;
        if (request == VFIO_IOMMU_SPAPR_TCE_CREATE)
                return ((struct vfio_spapr_create *) argument)->page_shift;
        if (request == VFIO_IOMMU_SPAPR_TCE_REMOVE)
                return ((struct vfio_spapr_remove *) argument)->start_addr;
        return 0;
}

static inline int fake_capability(uint64_t number) {
        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++)
                if (number == kvm_capability_number((KvmCapability) i))
                        return !(fake.undeclared >> i & 1);
        return number == KVM_CAP_PPC_OSI ? fake.pr : -1;
}

static inline int fake_new_table(const struct kvm_spapr_tce_64 *shape) {
        fake.table_shape = *shape;
        fake.table = fake_new_fd(FAKE_TABLE);
        if (fake.dirty_table)
                fake_table_write(0, 1);
        return fake.table;
}

static inline int fake_kvm_ioctl(unsigned long request, void *argument) {
        if (request == KVM_GET_API_VERSION)
                return 12;
        if (request == KVM_CHECK_EXTENSION)
                return fake_capability((uintptr_t) argument);
        if (request == KVM_CREATE_VM)
                return fake_new_fd(FAKE_VM);
        if (request == KVM_GET_VCPU_MMAP_SIZE)
                return (int) fake.vcpu_size;
        return fake_fail(ENOTTY);
}

static inline int fake_vm_ioctl(unsigned long request, void *argument) {
        if (request == KVM_CHECK_EXTENSION)
                return fake_capability((uintptr_t) argument);
        if (request == KVM_SET_USER_MEMORY_REGION)
                return fake.guest_memory = ((struct kvm_memory_region *) argument)->userspace_addr, 0;
        if (request == KVM_ENABLE_CAP) {
                fake.hcalls_enabled |= ((struct kvm_enable_capability *) argument)->args[0] == H_STUFF_TCE;
                return 0;
        }
        if (request == KVM_CREATE_SPAPR_TCE) {
                const struct kvm_spapr_tce *old = argument;
                return fake_new_table(&(struct kvm_spapr_tce_64){ old->liobn, 12, 0, 0, old->window_size >> 12 });
        }
        if (request == KVM_CREATE_SPAPR_TCE_64)
                return fake_new_table(argument);
        if (request == KVM_CREATE_VCPU)
                return fake.vcpu = fake_new_fd(FAKE_VCPU);
        if (request == KVM_CREATE_DEVICE) {
                ((struct kvm_new_device *) argument)->fd = (uint32_t) fake_new_fd(FAKE_DEVICE);
                return 0;
        }
        return fake_fail(ENOTTY);
}

static inline int fake_vcpu_ioctl(unsigned long request, void *argument) {
        if (request == KVM_ENABLE_CAP)
                return 0;
        if (request == KVM_PPC_GET_REGS)
                return memset(argument, 0, sizeof(fake.regs)), 0;
        if (request == KVM_PPC_SET_REGS)
                return fake.regs = *(struct kvm_ppc_regs *) argument, 0;
        if (request == KVM_RUN)
                return fake_run();
        return fake_fail(ENOTTY);
}

/* Where bare metal and a partition's kernel put windows: by their turn, or by what they are
 * (arch/powerpc/platforms/powernv/pci-ioda.c, platforms/pseries/iommu.c). */
static inline int fake_create_window(struct vfio_spapr_create *args) {
        int slot = !fake.slot_used[0] ? 0 : !fake.slot_used[1] ? 1 : -1;
        bool low = slot == 0 && (!fake.partition || (args->page_shift == 12 && args->window_size <= fake.info.dma32_window_size));
        size_t length = strlen(fake.windows);

        if (slot < 0 || (uint32_t) slot >= fake.info.max_dynamic_windows_supported)
                return fake_fail(ENOSPC);
        if (!(fake.info.pgsizes & UINT64_C(1) << args->page_shift) || args->levels > fake.info.levels)
                return fake_fail(EINVAL);
        args->start_addr = low ? 0 : UINT64_C(1) << 59;
        fake.slot_used[slot] = true;
        fake.slot_start[slot] = args->start_addr;
        (void) snprintf(fake.windows + length, sizeof(fake.windows) - length, "%s%u:%lluM@%llx", length ? " " : "", args->page_shift,
                        (unsigned long long) args->window_size >> 20, (unsigned long long) args->start_addr);
        return 0;
}

/* The default window, which is only noted at first, is made by the first CREATE unless it was called off. */
static inline int fake_create(struct vfio_spapr_create *args) {
        struct vfio_spapr_create standard = { .page_shift = 12, .window_size = fake.info.dma32_window_size, .levels = 1 };

        if (fake.default_pending && fake_create_window(&standard) < 0)
                return -1;
        fake.default_pending = false;
        fake.window = *args;
        return fake_create_window(args);
}

static inline int fake_remove(uint64_t start) {
        if (fake.default_pending && start == 0)
                return fake.default_pending = false, 0;
        for (size_t i = 0; i < ELEMENTSOF(fake.slot_used); i++)
                if (fake.slot_used[i] && fake.slot_start[i] == start)
                        return fake.slot_used[i] = false, 0;
        return fake_fail(EINVAL);
}

static inline int fake_vfio_ioctl(unsigned long request, void *argument) {
        if (request == VFIO_CHECK_EXTENSION)
                return !fake.no_spapr;
        if (request == VFIO_GROUP_SET_CONTAINER)
                fake.default_pending = true;
        if (request == VFIO_IOMMU_SPAPR_TCE_GET_INFO)
                memcpy((char *) argument + 4, (const char *) &fake.info + 4, sizeof(fake.info) - 4);
        if (request == VFIO_IOMMU_SPAPR_TCE_CREATE)
                return fake_create(argument);
        if (request == VFIO_IOMMU_SPAPR_TCE_REMOVE)
                return fake_remove(((struct vfio_spapr_remove *) argument)->start_addr);
        return 0;
}

static inline int fake_device_ioctl(void *argument) {
        static const char *const names[] = {
                [KVM_VFIO_GROUP_ADD] = "add",
                [KVM_VFIO_GROUP_DEL] = "del",
                [KVM_VFIO_GROUP_SET_SPAPR_TCE] = "link",
        };
        const struct kvm_attribute *a = argument;

        fake_log(names[a->attr]);
        return 0;
}

static inline int fake_ioctl(int fd, unsigned long request, void *argument) {
        for (size_t i = 0; i < ELEMENTSOF(fake.failures); i++) {
                FakeFailure *f = &fake.failures[i];
                if (f->error == 0 || f->request != request ||
                    (f->key != FAKE_ANY && f->key != fake_key(request, argument)))
                        continue;
                if (f->times > 0 && --f->times == 0) {
                        int error = f->error;
                        f->error = 0;
                        return fake_fail(error);
                }
                return fake_fail(f->error);
        }
        for (size_t i = 0; i < ELEMENTSOF(fake_requests); i++)
                if (fake_requests[i].request == request)
                        fake_log(fake_requests[i].name);
        switch (fake.kind[fd]) {
        case FAKE_KVM:
                return fake_kvm_ioctl(request, argument);
        case FAKE_VM:
                return fake_vm_ioctl(request, argument);
        case FAKE_VCPU:
                return fake_vcpu_ioctl(request, argument);
        case FAKE_CONTAINER:
        case FAKE_GROUP:
                return fake_vfio_ioctl(request, argument);
        case FAKE_DEVICE:
                return fake_device_ioctl(argument);
        case FAKE_TABLE:
        case FAKE_NONE:
                break;
        }
        return fake_fail(ENOTTY);
}

static const KvmOps fake_ops = { fake_open, fake_ioctl, fake_map };
