/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The part of KVM's and VFIO's interface that tced uses, from include/uapi/linux/{kvm,vfio}.h and
 * arch/powerpc/include/uapi/asm/kvm.h. Spelled here because the kernel's headers on other machines lack POWER's
 * structures, and tced builds and is tested there too. The request numbers come from the machine's own _IO…(), whose
 * direction bits differ between POWER and the rest. Layouts are checked by static assertions. */

#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

#define KVM_ABI_IO 0xae

#define KVM_GET_API_VERSION _IO(KVM_ABI_IO, 0x00)
#define KVM_CREATE_VM _IO(KVM_ABI_IO, 0x01)
#define KVM_CHECK_EXTENSION _IO(KVM_ABI_IO, 0x03)
#define KVM_GET_VCPU_MMAP_SIZE _IO(KVM_ABI_IO, 0x04)
#define KVM_CREATE_VCPU _IO(KVM_ABI_IO, 0x41)
#define KVM_SET_USER_MEMORY_REGION _IOW(KVM_ABI_IO, 0x46, struct kvm_memory_region)
#define KVM_RUN _IO(KVM_ABI_IO, 0x80)
#define KVM_PPC_GET_REGS _IOR(KVM_ABI_IO, 0x81, struct kvm_ppc_regs)
#define KVM_PPC_SET_REGS _IOW(KVM_ABI_IO, 0x82, struct kvm_ppc_regs)
#define KVM_ENABLE_CAP _IOW(KVM_ABI_IO, 0xa3, struct kvm_enable_capability)
#define KVM_CREATE_SPAPR_TCE _IOW(KVM_ABI_IO, 0xa8, struct kvm_spapr_tce)
#define KVM_CREATE_SPAPR_TCE_64 _IOW(KVM_ABI_IO, 0xa8, struct kvm_spapr_tce_64)
#define KVM_CREATE_DEVICE _IOWR(KVM_ABI_IO, 0xe0, struct kvm_new_device)
#define KVM_SET_DEVICE_ATTR _IOW(KVM_ABI_IO, 0xe1, struct kvm_attribute)

#define KVM_CAP_SPAPR_TCE 63
#define KVM_CAP_PPC_OSI 52
#define KVM_CAP_PPC_PAPR 68
#define KVM_CAP_SPAPR_MULTITCE 94
#define KVM_CAP_PPC_ENABLE_HCALL 104
#define KVM_CAP_SPAPR_TCE_64 125
#define KVM_CAP_SPAPR_TCE_VFIO 142

#define KVM_VM_TYPE_ANY 0
#define KVM_VM_TYPE_HV 1
#define KVM_VM_TYPE_PR 2

#define KVM_EXIT_KIND_HLT 5
#define KVM_EXIT_KIND_PAPR_HCALL 19

#define KVM_DEVICE_TYPE_VFIO 4
#define KVM_VFIO_ATTR_GROUP 1
#define KVM_VFIO_GROUP_ADD 1
#define KVM_VFIO_GROUP_DEL 2
#define KVM_VFIO_GROUP_SET_SPAPR_TCE 3

/* Hypercalls (PAPR 14.5.4) and their return codes (PAPR table 14-4). */
#define H_GET_TCE 0x1c
#define H_PUT_TCE 0x20
#define H_STUFF_TCE 0x138
#define H_PUT_TCE_INDIRECT 0x13c
#define H_SUCCESS 0
#define H_HARDWARE (-1)
#define H_FUNCTION (-2)
#define H_PARAMETER (-4)

struct kvm_memory_region {
        uint32_t slot;
        uint32_t flags;
        uint64_t guest_phys_addr;
        uint64_t memory_size;
        uint64_t userspace_addr;
};

struct kvm_enable_capability {
        uint32_t cap;
        uint32_t flags;
        uint64_t args[4];
        uint8_t pad[64];
};

struct kvm_spapr_tce {
        uint64_t liobn;
        uint32_t window_size; /* bytes */
        uint32_t pad;
};

struct kvm_spapr_tce_64 {
        uint64_t liobn;
        uint32_t page_shift;
        uint32_t flags;  /* 0 */
        uint64_t offset; /* in IOMMU pages */
        uint64_t size;   /* in IOMMU pages */
};

struct kvm_new_device {
        uint32_t type;
        uint32_t fd; /* out */
        uint32_t flags;
};

struct kvm_attribute {
        uint32_t flags;
        uint32_t group;
        uint64_t attr;
        uint64_t addr; /* user address of the value */
};

struct kvm_vfio_link {
        int32_t groupfd;
        int32_t tablefd;
};

/* POWER's struct kvm_regs. */
struct kvm_ppc_regs {
        uint64_t pc, cr, ctr, lr, xer, msr, srr0, srr1, pid;
        uint64_t sprg[8];
        uint64_t gpr[32];
};

/* The head of struct kvm_run and, of its union, PAPR hypercalls. */
struct kvm_run_head {
        uint8_t request_interrupt_window;
        uint8_t immediate_exit;
        uint8_t padding[6];
        uint32_t exit_reason;
        uint8_t ready_for_interrupt_injection;
        uint8_t if_flag;
        uint16_t flags;
        uint64_t cr8;
        uint64_t apic_base;
        struct {
                uint64_t nr;
                uint64_t ret;
                uint64_t args[9];
        } papr_hcall;
};

#define VFIO_ABI_TYPE ';'
#define VFIO_ABI_BASE 100

#define VFIO_GET_API_VERSION _IO(VFIO_ABI_TYPE, VFIO_ABI_BASE + 0)
#define VFIO_CHECK_EXTENSION _IO(VFIO_ABI_TYPE, VFIO_ABI_BASE + 1)
#define VFIO_SET_IOMMU _IO(VFIO_ABI_TYPE, VFIO_ABI_BASE + 2)
#define VFIO_GROUP_GET_STATUS _IO(VFIO_ABI_TYPE, VFIO_ABI_BASE + 3)
#define VFIO_GROUP_SET_CONTAINER _IO(VFIO_ABI_TYPE, VFIO_ABI_BASE + 4)
#define VFIO_GROUP_UNSET_CONTAINER _IO(VFIO_ABI_TYPE, VFIO_ABI_BASE + 5)
#define VFIO_GROUP_GET_DEVICE_FD _IO(VFIO_ABI_TYPE, VFIO_ABI_BASE + 6)
/* The same number as type 1's GET_INFO. */
#define VFIO_IOMMU_SPAPR_TCE_GET_INFO _IO(VFIO_ABI_TYPE, VFIO_ABI_BASE + 12)
#define VFIO_IOMMU_SPAPR_REGISTER_MEMORY _IO(VFIO_ABI_TYPE, VFIO_ABI_BASE + 17)
#define VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY _IO(VFIO_ABI_TYPE, VFIO_ABI_BASE + 18)
#define VFIO_IOMMU_SPAPR_TCE_CREATE _IO(VFIO_ABI_TYPE, VFIO_ABI_BASE + 19)
#define VFIO_IOMMU_SPAPR_TCE_REMOVE _IO(VFIO_ABI_TYPE, VFIO_ABI_BASE + 20)

#define VFIO_EXT_TYPE1 1
#define VFIO_EXT_SPAPR_TCE 2
#define VFIO_EXT_TYPE1V2 3
#define VFIO_EXT_DMA_CC 4
#define VFIO_EXT_EEH 5
#define VFIO_EXT_TYPE1_NESTING 6
#define VFIO_EXT_SPAPR_TCE_V2 7
#define VFIO_EXT_NOIOMMU 8
#define VFIO_EXT_UNMAP_ALL 9

#define VFIO_GROUP_STATUS_VIABLE 1U
#define VFIO_GROUP_STATUS_CONTAINER_SET 2U

#define VFIO_SPAPR_INFO_DDW 1U

struct vfio_status {
        uint32_t argsz;
        uint32_t flags;
};

struct vfio_spapr_info {
        uint32_t argsz;
        uint32_t flags;
        uint32_t dma32_window_start; /* bytes */
        uint32_t dma32_window_size;  /* bytes */
        uint64_t pgsizes;            /* a bit for each page size that a window may have */
        uint32_t max_dynamic_windows_supported;
        uint32_t levels;
};

struct vfio_spapr_register {
        uint32_t argsz;
        uint32_t flags;
        uint64_t vaddr;
        uint64_t size;
};

struct vfio_spapr_create {
        uint32_t argsz;
        uint32_t flags;
        uint32_t page_shift;
        uint32_t reserved1;
        uint64_t window_size; /* bytes */
        uint32_t levels;
        uint32_t reserved2;
        uint64_t start_addr; /* out */
};

struct vfio_spapr_remove {
        uint32_t argsz;
        uint32_t flags;
        uint64_t start_addr;
};

_Static_assert(sizeof(struct kvm_memory_region) == 32, "struct kvm_userspace_memory_region");
_Static_assert(sizeof(struct kvm_enable_capability) == 104, "struct kvm_enable_cap");
_Static_assert(sizeof(struct kvm_spapr_tce) == 16, "struct kvm_create_spapr_tce");
_Static_assert(sizeof(struct kvm_spapr_tce_64) == 32, "struct kvm_create_spapr_tce_64");
_Static_assert(sizeof(struct kvm_new_device) == 12, "struct kvm_create_device");
_Static_assert(sizeof(struct kvm_attribute) == 24, "struct kvm_device_attr");
_Static_assert(offsetof(struct kvm_run_head, papr_hcall) == 32, "struct kvm_run");
_Static_assert(sizeof(struct kvm_ppc_regs) == 49 * 8, "POWER's struct kvm_regs");
_Static_assert(sizeof(struct vfio_spapr_info) == 32, "struct vfio_iommu_spapr_tce_info");
_Static_assert(sizeof(struct vfio_spapr_create) == 40, "struct vfio_iommu_spapr_tce_create");
_Static_assert(sizeof(struct vfio_spapr_remove) == 16, "struct vfio_iommu_spapr_tce_remove");
_Static_assert(sizeof(struct vfio_spapr_register) == 24, "struct vfio_iommu_spapr_register_memory");

#ifdef __powerpc64__
_Static_assert(KVM_CREATE_SPAPR_TCE_64 == 0x8020aea8, "POWER's request numbers");
_Static_assert(KVM_ENABLE_CAP == 0x8068aea3, "POWER's request numbers");
_Static_assert(VFIO_IOMMU_SPAPR_TCE_GET_INFO == 0x20003b70, "POWER's request numbers");
#endif
