/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A completed domain -> its PHBs with the devices on them, its VIO devices, and the window of each, as QEMU makes them
 * (hw/ppc/spapr_pci.c, spapr_vio.c, spapr_rtas_ddw.c). Pure. */

#include "domain.h"
#include "facts.h"
#include "plan.h"

/* QEMU's SPAPR_MAX_PHBS: indexes 0 to 30. */
#define PHB_INDEX_MAX 30

/* QEMU's own pgsz (hw/ppc/spapr_pci.c: spapr_phb_properties): 4 KiB, 64 KiB, 2 MiB, 16 MiB. */
#define PHB_PAGE_SIZES_DEFAULT UINT64_C(0x1211000)

typedef struct Phb {
        const DomainController *controller; /* NULL: of <qemu:commandline> */
        const char *alias;       /* borrowed from the domain */
        int controller_index;    /* libvirt's; -1: of <qemu:commandline> */
        int index;               /* QEMU's, as in the LIOBN */
        int numa_node;           /* -1: none */
        bool ddw;                /* 64-bit windows are offered */
        uint64_t page_sizes;     /* pgsz: a bit for each page size offered */
        uint64_t window_address; /* dma_win_addr */
        uint64_t window_size;    /* dma_win_size, bytes */
        uint64_t window64_address; /* dma64_win_addr */
        size_t *devices;         /* indexes into the domain's devices */
        int *device_groups;      /* of each of them its IOMMU group; -1: no VFIO device, or not known */
        size_t n_devices, devices_allocated, device_groups_allocated;
        int *groups;             /* IOMMU groups of its VFIO devices, each once, by number */
        size_t n_groups, groups_allocated;
        bool vfio;               /* has a VFIO device, of a known group or not */
        bool emulated;           /* has a device that is not VFIO and does DMA */
        bool notifier;           /* vhost or vDPA behind iommu_platform */
} Phb;

typedef struct VioDevice {
        size_t device; /* index into the domain's devices */
        uint64_t reg;  /* given, or as libvirt or QEMU assigns it; of one with a window its LIOBN */
} VioDevice;

typedef struct Layout {
        Phb *phbs; /* by index */
        size_t n_phbs, phbs_allocated;
        const Phb **device_phbs; /* of each of the domain's devices: the PHB that it sits on, or NULL */
        size_t n_devices;
        VioDevice *vio; /* by register */
        size_t n_vio, vio_allocated;
        uint64_t nvram_reg; /* of the NVRAM that QEMU makes where the domain has none */
        uint64_t guest_memory_max; /* the end of the guest's memory, that which <maxMemory> leaves room for too: what it sizes its
                                    * 64-bit windows by; bytes */
        Description description;   /* the windows: default, VIO's, and one dynamic for each page size that a PHB offers */
} Layout;

/* 0, or -ENOMEM. *ret borrows from d and vfio, and is untouched on failure. */
int layout_make(const Domain *d, const VfioFacts *vfio, Layout *ret);
void layout_clear(Layout *l);

/* The PHB that this device (an index into the domain's) sits on, bridges walked up to their root; NULL: none. */
const Phb *layout_phb_of(const Layout *l, size_t device);

/* Does it reach a PHB through VFIO? An NVMe disk does not: QEMU drives that by itself. */
bool domain_device_is_vfio(const DomainDevice *device);
/* Does it read and write the guest's memory, as a PHB's `emulated` counts it? */
bool domain_device_does_dma(const DomainDevice *device);
