/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What tced knows about the host, as plain values: the probes fill them in, policy and plan decide by them, describe and the
 * bus show them. No I/O here. KvmFacts holds no pointers, so that a proof in a child can send the whole of it through a
 * pipe. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an experiment showed, as against what the kernel declares. UNKNOWN is the state before the experiment, and the
 * one that stays where it can't be made. */
typedef enum Proof {
        PROOF_UNKNOWN,
        PROOF_NO,
        PROOF_YES,
        _PROOF_MAX,
} Proof;

/* "unknown", "no", "yes". */
const char *proof_to_string(Proof proof);
int proof_from_string(const char *text);

#define WHY_MAX 192

/* An experiment's outcome and what it was: "created, mapped and closed a 4 KiB table". Always a text, never empty. */
typedef struct Outcome {
        Proof proof;
        char why[WHY_MAX];
} Outcome;

void outcome_set(Outcome *o, Proof proof, const char *format, ...) __attribute__((__format__(__printf__, 3, 4)));

typedef enum KvmCapability {
        KVM_CAPABILITY_TCE,
        KVM_CAPABILITY_TCE_64,
        KVM_CAPABILITY_TCE_VFIO,
        KVM_CAPABILITY_MULTITCE,
        _KVM_CAPABILITY_MAX,
} KvmCapability;

/* "KVM_CAP_SPAPR_TCE", "KVM_CAP_SPAPR_TCE_64", "KVM_CAP_SPAPR_TCE_VFIO", "KVM_CAP_SPAPR_MULTITCE" */
const char *kvm_capability_to_string(KvmCapability capability);
/* The number that KVM_CHECK_EXTENSION takes. */
unsigned kvm_capability_number(KvmCapability capability);

typedef enum VmType {
        VM_TYPE_HV,
        VM_TYPE_PR,
        _VM_TYPE_MAX,
} VmType;

/* "HV", "PR" */
const char *vm_type_to_string(VmType type);

typedef struct KvmCapabilityFact {
        uint32_t declared; /* 0 or 1, as KVM_CHECK_EXTENSION answers on /dev/kvm */
        Outcome proven;
} KvmCapabilityFact;

typedef struct KvmFacts {
        int device_error;  /* 0, or the errno that opening /dev/kvm gave */
        int api_version;   /* KVM_GET_API_VERSION; 0 where KVM was not asked */
        Outcome vm;        /* could a VM be created at all */
        Outcome vm_type[_VM_TYPE_MAX];
        KvmCapabilityFact capability[_KVM_CAPABILITY_MAX];
        Outcome range_check; /* does in-kernel multi-TCE refuse to write past a window: only the deep probe shows it */
        uint64_t page_size;  /* bytes */
        char release[65];    /* uname -r */
        char version[65];    /* uname -v: Debian's package version is in it */
        char machine[65];    /* uname -m */
} KvmFacts;

/* Do these bytes, which came through a pipe, make sense: each outcome one that there is, each text with its end and UTF-8? */
bool kvm_facts_valid(const KvmFacts *f);

#define VFIO_EXTENSIONS_MAX 9

typedef struct VfioExtensionFact {
        uint32_t id;
        const char *name; /* static: "VFIO_SPAPR_TCE_v2_IOMMU" */
        uint32_t value;   /* VFIO_CHECK_EXTENSION's answer; 0 where /dev/vfio/vfio can't be opened */
} VfioExtensionFact;

typedef struct DeviceFacts {
        char *address; /* "0000:01:00.0": the name in the group's devices/, the key by which people find it */
        uint32_t class_code; /* 24 bits: base class, subclass, programming interface */
        uint16_t vendor;
        uint16_t device;
        char *vendor_name; /* by sd-hwdb; NULL where it has none */
        char *device_name;
        char *class_name;
        char *driver; /* NULL: none */
        int numa_node; /* -1: none */
        bool is_pci;
        char *interfaces; /* network interfaces, "enP1p1s0", a space between several; NULL: none in this network namespace */
        char *mac;        /* of the first, or what a VF's PF gives it; NULL: none is known */
        char *bridge;     /* the PCI bridge it stands behind: an address; NULL: the root bus */
        char *physfn;     /* SR-IOV: address of its physical function; NULL: it is no virtual one */
        int vf;           /* the number of a virtual function as its PF counts; -1: it is none, or that is not told */
        unsigned vfs;     /* of a physical function: those of its virtual ones that are in groups, and how many it may have; 0: none */
        unsigned vfs_max;
        bool nvlink2; /* an NVLink2 bridge or GPU as libvirt tells it: ibm,gpu, ibm,nvlink, ibm,nvlink-speed, memory-region in of_node */
} DeviceFacts;

/* Can the group be given to a VM as it stands, by the kernel's own rule (drivers/vfio, vfio_dev_viable), and if not, why. */
typedef enum GroupViability {
        GROUP_VIABLE,
        GROUP_EMPTY,         /* no devices in it */
        GROUP_NOT_BOUND,     /* no device of it is on a vfio driver */
        GROUP_PARTIAL,       /* some are, one is still on a host driver */
        GROUP_VFIO_BROKEN,   /* bound, but the kernel made no /dev/vfio/N */
        _GROUP_VIABILITY_MAX,
} GroupViability;

/* "viable", "empty", "not-bound", "partial", "vfio-broken" */
const char *group_viability_to_string(GroupViability viability);
int group_viability_from_string(const char *text);

/* What was shown of a group's windows by taking it for a moment (probe_ddw.h): it holds no pointers, so that a child can send it. */
typedef struct WindowProof {
        Outcome ddw;          /* was a 64-bit window made, and removed */
        uint64_t dma32_start; /* as VFIO tells them; size 0: it was not asked */
        uint64_t dma32_size;
        uint64_t page_sizes;  /* a bit for each that a window may have */
        uint32_t max_windows; /* at a time; 0: none may be made */
        uint32_t levels;      /* that a table may have at most */
        bool running;         /* it is being asked just now */
} WindowProof;

/* As kvm_facts_valid() */
bool window_proof_valid(const WindowProof *p);

#define WINDOWS_NOT_ASKED "not asked: that takes the group for a moment (org.tced1.Group.Probe)"

typedef struct GroupFacts {
        unsigned number; /* of /sys/kernel/iommu_groups/N: the kernel uses it again */
        char *name;      /* "domain0-pe1fd"; not unique; NULL: none */
        DeviceFacts *devices; /* by address */
        size_t n_devices;
        char *phb; /* of all of them: the device tree's full name ("/pci@800000020000001"), else the root bus ("pci0000:00"); NULL: not told */
        GroupViability viability;
        char *viability_why; /* the first thing that stands in the way and its remedy; "" where viable */
        int numa_node;       /* of its devices, -1: none or not the same */
        /* What the device tree says without taking the group: ibm,dma-window of the PHB or PE. Sizes 0: not told. */
        uint64_t dma32_start;
        uint64_t dma32_size;
        uint64_t page_sizes; /* a bit for each page size that a 64-bit window may have; 0: not told */
        int ddw;             /* 1: 64-bit windows may be made (ibm,ddw-applicable); 0: not; -1: not told */
        char *windows_why;   /* where the facts about windows come from, or why there are none */
        WindowProof *window_proof; /* NULL: nobody asked */
        bool one_block;            /* its devices, all their texts and its own are one allocation, that of `devices` */
} GroupFacts;

/* What the host is to its own hypervisor or firmware: VFIO charges and offers other windows on each. */
typedef enum Platform {
        PLATFORM_OTHER,
        PLATFORM_POWERNV, /* bare metal: the device tree has ibm,opal */
        PLATFORM_PSERIES, /* a partition: the device tree has rtas and no ibm,opal */
        _PLATFORM_MAX,
} Platform;

/* "other", "powernv", "pseries" */
const char *platform_to_string(Platform platform);
int platform_from_string(const char *text);

typedef struct VfioFacts {
        Platform platform;
        int container_error; /* 0, or the errno that opening /dev/vfio/vfio gave */
        int api_version;
        VfioExtensionFact extension[VFIO_EXTENSIONS_MAX];
        bool groups_supported; /* /sys/kernel/iommu_groups is there */
        bool iommu_class;      /* /sys/class/iommu has an entry: on POWER, kernels whose VFIO works (6.4 and newer) */
        bool no_maxmem;        /* a partition whose firmware says that no memory can be added: see FINDING_DDW_FAILED */
        GroupFacts *groups;    /* by number */
        size_t n_groups;
} VfioFacts;

/* What a stock QEMU needs to run on tced's tables (adapters/qemu). */
typedef enum AdapterPart {
        ADAPTER_WRAPPER, /* what a domain names as its <emulator> */
        ADAPTER_QEMU,    /* what that becomes */
        ADAPTER_LIBRARY, /* what it preloads */
        ADAPTER_SOCKET,  /* where that asks tced */
        _ADAPTER_PART_MAX,
} AdapterPart;

/* "wrapper", "qemu", "library", "socket" */
const char *adapter_part_to_string(AdapterPart part);
/* Where this tced has it. */
const char *adapter_part_path(AdapterPart part);

/* Does AppArmor or SELinux, which confine libvirt's VMs, let them have all that? */
typedef enum AdapterRules {
        ADAPTER_RULES_UNKNOWN,      /* VMs are confined, and whoever looked may not see by what */
        ADAPTER_RULES_UNNEEDED,     /* they are not confined */
        ADAPTER_RULES_READY,
        ADAPTER_RULES_MISSING,
        ADAPTER_RULES_NOT_INCLUDED, /* AppArmor: they are there, and libvirt's abstraction for VMs does not include them */
        _ADAPTER_RULES_MAX,
} AdapterRules;

/* "unknown", "unneeded", "ready", "missing", "not-included" */
const char *adapter_rules_to_string(AdapterRules rules);
int adapter_rules_from_string(const char *text);

typedef struct AdapterFacts {
        bool known;                   /* was looked at; the rest means nothing where not */
        int error[_ADAPTER_PART_MAX]; /* 0: it is there, and VMs may use it; else an errno */
        AdapterRules apparmor;
        AdapterRules selinux;
} AdapterFacts;

/* All extensions that VFIO has ever had, each with a value of 0. */
void vfio_facts_set_extensions(VfioFacts *f);
/* Frees what *f holds and leaves it empty. */
void vfio_facts_clear(VfioFacts *f);
void group_facts_clear(GroupFacts *g);
/* A copy with all but its proof in one block: a host has thousands of them. 0 or -ENOMEM; *ret is untouched on failure. */
int group_facts_copy(const GroupFacts *g, GroupFacts *ret);
void device_facts_clear(DeviceFacts *d);

/* NULL where there is none. */
const GroupFacts *vfio_facts_find_group(const VfioFacts *f, unsigned number);
const GroupFacts *vfio_facts_find_device(const VfioFacts *f, const char *address);

/* On vfio-pci or one of its variants: "mlx5_vfio_pci", "nvgrace-gpu-vfio-pci", … */
bool device_is_on_vfio(const DeviceFacts *d);
/* Does it keep its group from a VM? All drivers do but those that leave DMA to their owner (driver_managed_dma, as
 * drivers/iommu/iommu.c:iommu_device_use_default_domain asks for; before 6.0 vfio.c:vfio_dev_viable, with the same answer). */
bool device_blocks_group(const DeviceFacts *d);

/* What stays over boots, as numbers don't: the lowest address in the group; "" where it is empty. */
const char *group_facts_key(const GroupFacts *g);

/* "0001:00:00.0 8086:1572": another card in the same slot is another device. */
#define DEVICE_IDENTITY_MAX 64
const char *device_facts_identity(const DeviceFacts *d, char buf[DEVICE_IDENTITY_MAX]);
/* Is this device in the group? */
bool group_facts_has_identity(const GroupFacts *g, const char *identity);

/* Same devices at the same addresses: the group's object on the bus stays. */
bool group_facts_same_devices(const GroupFacts *a, const GroupFacts *b);
/* Every fact the same: nothing to announce. */
bool group_facts_equal(const GroupFacts *a, const GroupFacts *b);

/* What may become another while a group stays the one it is; a set of these is told. */
typedef enum GroupChange {
        GROUP_CHANGE_PLACE = 1 << 0,     /* PHB, NUMA node */
        GROUP_CHANGE_DEVICES = 1 << 1,   /* drivers and names of its devices */
        GROUP_CHANGE_LINKS = 1 << 2,     /* their interfaces, bridges, SR-IOV functions */
        GROUP_CHANGE_VIABILITY = 1 << 3,
        GROUP_CHANGE_WINDOWS = 1 << 4,   /* what the device tree says of them */
        GROUP_CHANGE_PROOF = 1 << 5,     /* what was shown of them */
        GROUP_CHANGE_HOLDER = 1 << 6,    /* these two are no facts, but the manager's */
        GROUP_CHANGE_BINDING = 1 << 7,
        _GROUP_CHANGE_ALL = (1 << 8) - 1,
} GroupChange;

/* Of two whose devices are the same: the set of what is another. */
unsigned group_facts_changes(const GroupFacts *a, const GroupFacts *b);
/* Groups are read again: what was shown of their windows holds as long as their devices are the same. 0 or -ENOMEM. */
int group_facts_keep_proof(GroupFacts *now, const GroupFacts *before);
int vfio_facts_keep_proofs(VfioFacts *now, const VfioFacts *before);

/* What was shown of its windows; where nobody asked, that. Never NULL. */
const WindowProof *group_window_proof(const GroupFacts *g);
/* The page sizes that its windows may have: as VFIO told them, else as the device tree does; 0: not known. g may be NULL. */
uint64_t group_page_sizes(const GroupFacts *g);

/* Is this a host whose kernel knows TCEs at all (POWER)? By what KVM declares and uname says. */
bool facts_host_has_tce(const KvmFacts *kvm);

/* Has this kernel the range check of in-kernel multi-TCE (mainline 0b271f7d7f5e, v7.3), by `uname -r` and `uname -v` alone? YES
 * for the versions known to have it, UNKNOWN for all others: a backport may be there or not. Never NO. */
Proof facts_range_check_by_version(const char *release, const char *version);

/* Is it a kernel whose VFIO can't work on POWER: 5.19 up to 6.3 (fixed by a940904443e4 in 6.4)? */
bool facts_vfio_broken_by_version(const char *release, const char *version);
