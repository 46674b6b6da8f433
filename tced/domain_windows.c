/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which windows there will be. The default ones and those of VIO devices QEMU makes by itself (hw/ppc/spapr_pci.c:
 * spapr_phb_dma_reset, hw/ppc/spapr_vio.c: spapr_vio_busdev_realize). A 64-bit one is made when the guest asks
 * (hw/ppc/spapr_rtas_ddw.c); how large and with which pages is Linux's choice (arch/powerpc/platforms/pseries/iommu.c:
 * enable_ddw). Numbers come from a domain that anybody may have written: nothing here may overflow. */

#include "domain_windows.h"

#include <inttypes.h>

#include "domain_memory.h"
#include "util.h"

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* hw/ppc/spapr_vio.c and its devices: rtce_window_size, the same for all that have one. */
#define VIO_WINDOW_SIZE (256 * MIB)

/* A LIOBN has eight bits for a PHB's index (SPAPR_PCI_LIOBN); more than 31 PHBs is what old machine types allow. */
#define LIOBN_INDEX_MAX 255
#define PCI_LIOBN(index, window) (0x80000000U | (uint32_t) (index) << 8 | (window))

/* MAX_PHYSMEM_BITS of a kernel with 64 KiB pages. It makes windows as large where there is persistent memory, which may appear
 * anywhere, if they would have no more TCEs than ibm,query-pe-dma-window allows. */
#define PMEM_WINDOW_SHIFT 51
#define QUERY_ENTRIES_SHIFT 37

uint64_t ddw_page_sizes(uint64_t pgsz) {
        static const unsigned shifts[] = { 12, 16, 21, 24, 25, 26, 27, 28, 34 };
        uint64_t answered = 0;

        for (size_t i = 0; i < ELEMENTSOF(shifts); i++)
                answered |= pgsz & (UINT64_C(1) << shifts[i]);
        return answered;
}

/* QEMU puts what may be plugged in above the next GiB (hw/ppc/spapr.c: SPAPR_DEVICE_MEM_ALIGN) and tells the guest of all of that
 * space, whether there is memory or not. A sum that overflows stays below 2^64: such a VM does not start. */
uint64_t domain_memory_top(const Domain *d) {
        DomainMemory memory = domain_memory_at_start(d);
        uint64_t top = memory.initial, gib = GIB / KIB;

        if (d->max_memory > 0 && memory.max > memory.initial)
                top = add_saturated(add_saturated(memory.initial, gib - 1) & ~(gib - 1), memory.max - memory.initial);
        return top > UINT64_MAX / KIB ? UINT64_MAX : top * KIB;
}

static bool has_pmem(const Domain *d) {
        for (size_t i = 0; i < d->n_dimms; i++)
                if (d->dimms[i].model && streq(d->dimms[i].model, "nvdimm"))
                        return true;
        return false;
}

/* The smallest n with 2^n >= value, but no more than 63. */
static unsigned order_of(uint64_t value) {
        unsigned order = 0;

        while (order < 63 && (UINT64_C(1) << order) < value)
                order++;
        return order;
}

static int add_window(Description *d, size_t *allocated, const Window *window) {
        int r = ARRAY_RESERVE(d->windows, *allocated, d->n_windows + 1);
        char *device = NULL;

        if (r < 0)
                return r;
        if (window->device) {
                device = strdup(window->device);
                if (!device)
                        return -ENOMEM;
        }
        d->windows[d->n_windows] = *window;
        d->windows[d->n_windows++].device = device;
        return 0;
}

/* A row for each page size that QEMU answers with, of those that are no larger than the window: it refuses others. Linux takes the
 * largest that is offered, without a look at its memory (iommu_get_page_shift; 2 MiB pages since 5.16): where that one is too
 * large it has no 64-bit window, and none is likely. */
static int add_dynamic(const Domain *d, const Phb *phb, Window window, Layout *l, size_t *allocated) {
        unsigned shift = order_of(l->guest_memory_max);

        window.dynamic = true;
        window.liobn = PCI_LIOBN(phb->index, 1);
        window.bus_offset = phb->window64_address;
        for (unsigned page_shift = TCE_PAGE_SHIFT_MIN; page_shift <= TCE_PAGE_SHIFT_MAX; page_shift++) {
                unsigned window_shift = has_pmem(d) && PMEM_WINDOW_SHIFT - page_shift <= QUERY_ENTRIES_SHIFT ?
                                                PMEM_WINDOW_SHIFT : shift;
                int r;

                if (!(phb->page_sizes & (UINT64_C(1) << page_shift)) || window_shift < page_shift)
                        continue;
                window.page_shift = page_shift;
                window.size = UINT64_C(1) << window_shift;
                window.likely = (phb->page_sizes >> page_shift) == 1;
                r = add_window(&l->description, allocated, &window);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_phb(const Domain *d, const Phb *phb, Layout *l, size_t *allocated) {
        Window window = {
                .kind = phb->vfio ? DEVICE_VFIO : DEVICE_PCI,
                .liobn = PCI_LIOBN(phb->index, 0),
                .bus_offset = phb->window_address,
                /* QEMU counts in pages, and forgets the rest. */
                .size = phb->window_size & ~UINT64_C(0xfff),
                .page_shift = TCE_PAGE_SHIFT_MIN,
                .notifier = phb->notifier,
                .group = phb->n_groups > 0 ? phb->groups[0] : -1,
                .likely = true,
                .device = phb->alias,
        };
        int r;

        /* One that can't be has no LIOBN. */
        if (phb->index < 0 || phb->index > LIOBN_INDEX_MAX)
                return 0;
        r = add_window(&l->description, allocated, &window);
        if (r < 0 || !phb->ddw)
                return r;
        return add_dynamic(d, phb, window, l, allocated);
}

static bool vio_reg_taken(const Layout *l, uint64_t reg) {
        for (size_t i = 0; i < l->n_vio; i++)
                if (l->vio[i].reg == reg)
                        return true;
        return false;
}

static const char *vio_driver(const DomainDevice *device) {
        switch ((int) device->type) {
        case DOMAIN_DEVICE_INTERFACE:
                return "spapr-vlan";
        case DOMAIN_DEVICE_CONTROLLER:
                return "spapr-vscsi";
        case DOMAIN_DEVICE_SERIAL:
                return "spapr-vty";
        case DOMAIN_DEVICE_TPM:
                return "tpm-spapr";
        }
        return device->model ? device->model : "";
}

/* The register that QEMU is told; UINT32_MAX: none. libvirt tells it the NVRAM's by a -global of its own, before the domain's. */
static uint64_t vio_reg_told(const Domain *d, const DomainDevice *device) {
        uint64_t given = device->address.has_reg ? device->address.reg : UINT32_MAX, global;

        /* libvirt leaves a 0 out of its -device. */
        if (given == 0 && device->type != DOMAIN_DEVICE_QEMU && device->type != DOMAIN_DEVICE_NVRAM)
                given = UINT32_MAX;
        if (device->type != DOMAIN_DEVICE_NVRAM)
                return domain_property_number(d, vio_driver(device), device->alias, "reg", given);
        global = domain_property_number(d, "spapr-nvram", NULL, "reg", UINT32_MAX);
        return global == UINT32_MAX ? given : global;
}

/* QEMU makes the NVRAM before all -device, also where the domain has none; libvirt gives a register to one that it has. */
static uint64_t first_vio_reg(const Domain *d, uint64_t nvram_reg) {
        if (d->bare)
                return VIO_REG_QEMU; /* it is one of the devices */
        for (size_t i = 0; i < d->n_devices; i++)
                if (d->devices[i].type == DOMAIN_DEVICE_NVRAM && d->devices[i].address.has_reg)
                        return VIO_REG_QEMU;
        return nvram_reg == VIO_REG_QEMU ? VIO_REG_QEMU + 1 : VIO_REG_QEMU;
}

static int compare_vio(const void *a, const void *b) {
        const VioDevice *x = a, *y = b;

        if (x->reg != y->reg)
                return x->reg < y->reg ? -1 : 1;
        return (x->device > y->device) - (x->device < y->device);
}

/* In the order in which QEMU makes them, so that one without a register gets the one that QEMU would find free. */
static int add_vio_devices(const Domain *d, Layout *l) {
        uint64_t next;

        l->nvram_reg = domain_property_number(d, "spapr-nvram", NULL, "reg", UINT32_MAX);
        if (l->nvram_reg == UINT32_MAX)
                l->nvram_reg = VIO_REG_QEMU;
        next = first_vio_reg(d, l->nvram_reg);
        for (size_t n = 0; n < 2 * d->n_devices; n++) {
                size_t i = n % d->n_devices;
                uint64_t reg = vio_reg_told(d, &d->devices[i]);
                int r;

                if (!d->devices[i].vio || d->devices[i].plain != (n == i))
                        continue;
                if (reg == UINT32_MAX)
                        do
                                reg = next++;
                        while (vio_reg_taken(l, reg));
                r = ARRAY_RESERVE(l->vio, l->vio_allocated, l->n_vio + 1);
                if (r < 0)
                        return r;
                l->vio[l->n_vio++] = (VioDevice) { .device = i, .reg = reg };
        }
        if (l->n_vio > 0)
                qsort(l->vio, l->n_vio, sizeof(*l->vio), compare_vio);
        return 0;
}

/* Without an id QEMU names it by its register (hw/ppc/spapr_vio.c: spapr_vio_busdev_realize). */
static const char *vio_name(const DomainDevice *device, uint64_t reg, char *buf, size_t size) {
        static const struct {
                const char *driver, *type;
        } types[] = { { "spapr-vlan", "l-lan" }, { "spapr-vscsi", "v-scsi" }, { "tpm-spapr", "vtpm" } };

        for (size_t i = 0; device->type == DOMAIN_DEVICE_QEMU && !device->alias_given && i < ELEMENTSOF(types); i++)
                if (streq(types[i].driver, vio_driver(device))) {
                        (void) snprintf(buf, size, "%s@%" PRIx64, types[i].type, reg);
                        return buf;
                }
        return device->alias;
}

static int add_vio_windows(const Domain *d, Layout *l, size_t *allocated) {
        for (size_t i = 0; i < l->n_vio; i++) {
                const DomainDevice *device = &d->devices[l->vio[i].device];
                char name[64];
                Window window = {
                        .kind = DEVICE_VIO,
                        .liobn = (uint32_t) l->vio[i].reg,
                        .size = VIO_WINDOW_SIZE,
                        .page_shift = TCE_PAGE_SHIFT_MIN,
                        .group = -1,
                        .likely = true,
                        .device = vio_name(device, l->vio[i].reg, name, sizeof(name)),
                };
                int r;

                /* A register is 32 bits: QEMU would not start. */
                if (!device->vio_dma || l->vio[i].reg > UINT32_MAX)
                        continue;
                r = add_window(&l->description, allocated, &window);
                if (r < 0)
                        return r;
        }
        return 0;
}

int layout_add_windows(const Domain *d, Layout *l) {
        Description *description = &l->description;
        size_t allocated = 0;
        int r;

        description->name = strdup(d->name ? d->name : "");
        if (!description->name)
                return -ENOMEM;
        memcpy(description->uuid, d->uuid, sizeof(description->uuid));
        description->no_kvm = !d->kvm;
        if (!d->pseries)
                return 0;
        for (size_t i = 0; i < l->n_phbs; i++) {
                r = add_phb(d, &l->phbs[i], l, &allocated);
                if (r < 0)
                        return r;
        }
        r = add_vio_devices(d, l);
        if (r < 0)
                return r;
        return add_vio_windows(d, l, &allocated);
}
