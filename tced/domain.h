/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A libvirt domain as far as tced needs it: a value, read from XML by domain_read.c (or a QEMU's command line, by qemu_args.c), completed as libvirt would complete it by
 * domain_address.c and domain_alias.c, laid out as PHBs and windows by domain_layout.c. Names are libvirt's own (its formatdomain
 * page). Sizes of memory are bytes. Pure but for memory. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most that is read, in bytes, and how deep elements may be nested. libvirt's own domains stay below 100 KiB. */
#define DOMAIN_XML_MAX (UINT64_C(2) << 20)
#define DOMAIN_DEPTH_MAX 64
#define DOMAIN_ERROR_MAX 512

/* What is wrong with a domain's XML, and where. */
typedef struct DomainError {
        unsigned line; /* 0: the whole of it */
        char text[DOMAIN_ERROR_MAX]; /* "line 12: <target index='x'>: not a number; …": what, and the remedy */
} DomainError;

/* Where a device sits in the guest. PCI: bus is the index of the controller that it is plugged into, which is not QEMU's PHB index. */
typedef enum DomainAddressType {
        DOMAIN_ADDRESS_NONE,  /* not given */
        DOMAIN_ADDRESS_PCI,
        DOMAIN_ADDRESS_VIO,
        DOMAIN_ADDRESS_OTHER, /* usb, drive, virtio-serial, …: none of the guest's PHBs or VIO registers */
} DomainAddressType;

typedef struct DomainAddress {
        DomainAddressType type;
        bool given;        /* by the XML, not filled in by domain_address.c */
        bool has_reg;      /* VIO: a register was given or assigned */
        uint64_t reg;      /* VIO */
        unsigned bus;      /* PCI: controller index */
        unsigned slot;     /* PCI: 0 to 31 */
        unsigned function; /* PCI: 0 to 7 */
        bool multifunction;
        unsigned domain;   /* PCI: as given; libvirt has none but 0 */
        bool drive;        /* OTHER: it is a type='drive', and these are its: */
        unsigned drive_controller, drive_bus, drive_target, drive_unit;
} DomainAddress;

/* A PCI function of the host. */
typedef struct HostAddress {
        unsigned domain, bus, slot, function;
} HostAddress;

typedef enum ControllerModel {
        CONTROLLER_PCI_ROOT,   /* a PHB */
        CONTROLLER_PCI_BRIDGE, /* and everything else that has a bus behind it */
        CONTROLLER_PCI_OTHER,
} ControllerModel;

/* <controller type='pci'>: what has a bus that devices can be plugged into. */
typedef struct DomainController {
        ControllerModel model;
        unsigned line;       /* of its element; 0: libvirt would add it */
        int index;           /* -1: not given */
        int target_index;    /* of a PHB: QEMU's `index`; -1: not given. Kept as it is, also out of 0..30 */
        int numa_node;       /* <node> of <target>; -1: none */
        bool named;          /* its <model name=> is there */
        char *alias;         /* given or computed: "pci.1" */
        bool alias_given;
        DomainAddress address; /* of a bridge */
        unsigned isolation_group; /* 0: emulated devices; else as DomainDevice's. Set by domain_address.c */
} DomainController;

typedef enum DomainDeviceType {
        DOMAIN_DEVICE_DISK,
        DOMAIN_DEVICE_FILESYSTEM,
        DOMAIN_DEVICE_INTERFACE,
        DOMAIN_DEVICE_CONTROLLER, /* all but those of type pci */
        DOMAIN_DEVICE_HOSTDEV,
        DOMAIN_DEVICE_INPUT,
        DOMAIN_DEVICE_VIDEO,
        DOMAIN_DEVICE_SOUND,
        DOMAIN_DEVICE_SERIAL, /* also <console> where it makes a device of its own */
        DOMAIN_DEVICE_NVRAM,
        DOMAIN_DEVICE_TPM,
        DOMAIN_DEVICE_RNG,
        DOMAIN_DEVICE_MEMBALLOON,
        DOMAIN_DEVICE_WATCHDOG,
        DOMAIN_DEVICE_SHMEM,
        DOMAIN_DEVICE_VSOCK,
        DOMAIN_DEVICE_CRYPTO,
        DOMAIN_DEVICE_PANIC,
        DOMAIN_DEVICE_QEMU, /* a -device of <qemu:commandline> that sits on a PHB or the VIO bus */
        _DOMAIN_DEVICE_TYPE_MAX,
} DomainDeviceType;

/* The element's name: "interface"; NULL of what is none. */
const char *domain_device_type_to_string(DomainDeviceType type);

typedef struct DomainDevice {
        DomainDeviceType type;
        unsigned line;  /* of its element; 0: libvirt would add it */
        char *alias;    /* given or computed ("net0", "hostdev0"); never NULL once domain_alias.c was there */
        bool alias_given;
        char *kind;     /* controller: its type ("scsi", "usb"); interface, hostdev, disk, input: type=; serial: <target type=>;
                         * filesystem: <driver type=>; else NULL */
        char *model;    /* <model type=>, model=: "spapr-vlan", "ibmvscsi", "virtio-scsi", "tpm-spapr"; NULL: not given */
        char *bus;      /* disk, input: <target bus=>, bus=: "virtio", "scsi", "spapr-vio"; NULL: not given */
        char *target;   /* disk: <target dev=>: "vda", "sdb"; NULL: not given */
        int index;      /* controller: its index; -1: not given */
        int ports;      /* controller, virtio-serial: ports=; 0 or -1: not given */
        DomainAddress address;
        bool vio;       /* it sits on the VIO bus */
        bool vio_dma;   /* and has a DMA window (spapr-vlan, spapr-vscsi, tpm-spapr) */
        bool pci;       /* it takes a slot on a PCI bus */
        bool host_pci;  /* VFIO: a host's PCI function is passed through (hostdev pci, interface hostdev, NVMe disk) */
        HostAddress host;
        bool host_pool;  /* interface of a network of type hostdev whose function is not chosen yet */
        bool plain;      /* a -device of <qemu:commandline> that is no JSON: QEMU makes these before libvirt's, which are */
        bool managed;    /* with host_pci: libvirt takes it from the host's driver itself (managed='yes') */
        bool mdev, vdpa, nvme;
        uint64_t video_ram; /* video: <model vram=>, bytes; 0: not given */
        bool primary;    /* video: <model primary='yes'> */
        bool notifier;   /* vhost or vDPA behind iommu_platform (<driver iommu='on'>): an IOMMU notifier on its PHB */
        bool vhost; /* of QEMU's words: it has one if a -global or -set gives it iommu_platform */
        unsigned isolation_group; /* 0: emulated; IOMMU group + 1; pool interfaces count down from UINT_MAX */
} DomainDevice;

/* A <channel> or <console> of virtio (<target type='virtio'>): no device on any PHB, but libvirt adds the virtio-serial controllers
 * that it needs. */
typedef struct DomainPort {
        unsigned line;  /* of its element */
        bool console;
        int controller; /* of its <address type='virtio-serial'>; -1: none */
        unsigned port;  /* 0: not given */
} DomainPort;

/* What <qemu:commandline>, <qemu:override> and the machine type make of QEMU's own properties: driver or device, property,
 * value, as -global and -set have it. */
typedef struct QemuProperty {
        char *driver;   /* -global: "spapr-pci-host-bridge"; NULL where `device` names one */
        char *device;   /* -set device.ID.…, <qemu:override>: the alias; NULL for all of the driver's */
        char *property; /* "ddw", "pgsz", "dma_win_size" */
        char *value;    /* NULL: an override takes away what libvirt would say */
        unsigned line;
} QemuProperty;

/* A DIMM or the like: <memory model=…>, one of <devices>. */
typedef struct DomainDimm {
        char *model; /* "dimm", "nvdimm", "virtio-mem", … */
        uint64_t size;       /* target size, bytes */
        uint64_t label_size; /* nvdimm */
} DomainDimm;

typedef struct Domain {
        char *name;
        char uuid[33];        /* lower case, without dashes; "": none given */
        char *type;           /* "kvm", "qemu" (TCG), … */
        char *arch;           /* "ppc64", "ppc64le", "x86_64"; NULL: not given */
        char *emulator;       /* <emulator>; NULL: not given, so libvirt takes a QEMU */
        char *machine;        /* "pseries", "pseries-9.2"; NULL: not given */
        bool bare;            /* of a QEMU's own command line: no libvirt decides anything, QEMU's defaults are there */
        bool pseries;         /* arch ppc64(le) and a pseries machine: only these have TCE tables */
        bool kvm;             /* type='kvm' */
        unsigned machine_major, machine_minor; /* 0, 0: "pseries" alone: the newest */
        uint64_t memory;      /* initial: <memory>, or the sum of <numa> cells; bytes */
        uint64_t *cells;      /* memory of each <numa><cell>, bytes: libvirt rounds each up on its own (domain_memory.c) */
        size_t n_cells, cells_allocated;
        uint64_t max_memory;  /* <maxMemory>; 0: none */
        unsigned memory_slots;
        uint64_t hard_limit;  /* <memtune>; 0: none, or that is what it says */
        bool hard_limit_zero; /* that is what it says */
        bool locked;          /* <memoryBacking><locked/> */
        uint64_t hugepage_size; /* smallest of <hugepages>; 0: none, or not for every NUMA cell */
        DomainDimm *dimms;
        size_t n_dimms, dimms_allocated;
        DomainController *controllers; /* by index once domain_address.c was there */
        size_t n_controllers, controllers_allocated;
        DomainDevice *devices; /* in the XML's order */
        size_t n_devices, devices_allocated;
        DomainPort *ports; /* in the XML's order */
        size_t n_ports, ports_allocated;
        bool graphics;        /* a <graphics> is there: libvirt adds a <video> where there is none */
        int id;               /* libvirt's number of a VM that runs; -1: none */
        bool live;            /* <domain id=…>: libvirt's own XML of a VM that runs or is being started. In all other XML it keeps
                               * only aliases that begin with "ua-" */
        QemuProperty *properties; /* in the order in which QEMU applies them: later ones win */
        size_t n_properties, properties_allocated;
        bool iommu;           /* <iommu>: there is none for pseries, others' limit of locked memory counts on it */
        bool usb_given;       /* a <controller type='usb'> is there, also with model='none' */
        char *dac_label;      /* <seclabel model='dac'>: "+64055:+64055"; NULL: none */
        char *security_label; /* <seclabel model='apparmor' or 'selinux'><label>; NULL: none */
        char *security_model; /* "apparmor", "selinux"; NULL: none */
        bool unconfined;      /* <seclabel type='none'>, for all models or one of those */
} Domain;

/* Takes a half-made one; leaves it empty. */
void domain_clear(Domain *d);

/* What a device owns; leaves it empty. */
void domain_device_clear(DomainDevice *device);

/* NULL where there is none. */
DomainController *domain_find_controller(const Domain *d, unsigned index);
DomainDevice *domain_find_device(const Domain *d, const char *alias);

/* The value that QEMU gives a property of a device: the last of the domain's that is for this driver or this alias. NULL: none, so
 * QEMU's default. alias may be NULL (the implicit PHB has no -device, so none can be named for it). */
const char *domain_property(const Domain *d, const char *driver, const char *alias, const char *property);
/* The last that is said of this one device by its alias; NULL: nothing is. */
const QemuProperty *domain_property_of(const Domain *d, const char *alias, const char *property);
/* A number of 32 bits at most that libvirt's or the command line's -device may name itself, to which -global has nothing to say:
 * `given`, or UINT32_MAX. So is the return value where there is none: QEMU writes all ones for it, too. */
uint64_t domain_property_number(const Domain *d, const char *driver, const char *alias, const char *property, uint64_t given);

/* Is its VMM QEMU itself? That asks nobody where a table shall be: KVM has it wherever that can be. Others may ask, by libtced. */
bool domain_has_stock_qemu(const Domain *d);

/* What arch and machine make of it: pseries, and its version. Without a machine it is the one that QEMU takes by itself. */
void domain_settle_machine(Domain *d);
bool domain_machine_is_pseries(const char *machine);

/* Is the machine version known to be this old or older? "pseries" alone is the newest, so false. */
bool domain_machine_at_most(const Domain *d, unsigned major, unsigned minor);
