/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two sums. The limit is libvirt's own, in KiB and in its order, as its divisions drop remainders. The charge is the kernel's.
 * Both are of sizes that come from outside: what overflows stays at the most that there is. */

#include "memlock.h"

#include "domain_memory.h"
#include "util.h"
#include "vfio_window.h"

/* VIR_DOMAIN_MEMORY_PARAM_UNLIMITED: in KiB where a limit is read, in bytes where it is set. */
#define LIBVIRT_UNLIMITED UINT64_C(9007199254740991)

/* hw/display/vga.c, bochs-display.c, virtio-vga.c; libvirt's own defaults are the same. */
#define VGA_RAM_DEFAULT (UINT64_C(16) << 20)
#define VGA_RAM_MAX (UINT64_C(512) << 20)
#define VIRTIO_VGA_RAM (UINT64_C(8) << 20)

/* What a domain has of that for which memory is locked. */
typedef struct Passthrough {
        uint64_t hostdevs; /* PCI functions and mdevs; an interface of type hostdev is one */
        uint64_t nvme;     /* disks */
        uint64_t vdpa_interfaces;
        uint64_t vdpa_disks;
        bool nvlink2;
} Passthrough;

/* ppc64VFIODeviceIsNV2Bridge(); the facts have what it looks for in sysfs. */
static bool is_nvlink2(const VfioFacts *vfio, const DomainDevice *device) {
        const HostAddress *host = &device->host;
        const GroupFacts *group;
        char address[64];

        if (!device->host_pci)
                return false;
        (void) snprintf(address, sizeof(address), "%04x:%02x:%02x.%x", host->domain, host->bus, host->slot, host->function);
        group = vfio_facts_find_device(vfio, address);
        for (size_t i = 0; group && i < group->n_devices; i++)
                if (streq(group->devices[i].address, address))
                        return group->devices[i].nvlink2;
        return false;
}

static Passthrough count_passthrough(const Domain *d, const VfioFacts *vfio) {
        Passthrough p = {};

        for (size_t i = 0; i < d->n_devices; i++) {
                const DomainDevice *device = &d->devices[i];

                switch (device->type) {
                case DOMAIN_DEVICE_HOSTDEV:
                        p.hostdevs += device->host_pci || device->mdev;
                        p.nvlink2 |= is_nvlink2(vfio, device);
                        break;
                case DOMAIN_DEVICE_INTERFACE:
                        /* One of a pool has its function by the time the limit is set. */
                        p.hostdevs += device->host_pci || device->host_pool;
                        p.nvlink2 |= is_nvlink2(vfio, device);
                        p.vdpa_interfaces += device->vdpa;
                        break;
                case DOMAIN_DEVICE_DISK:
                        p.nvme += device->nvme;
                        p.vdpa_disks += device->vdpa;
                        break;
                case DOMAIN_DEVICE_FILESYSTEM:
                case DOMAIN_DEVICE_CONTROLLER:
                case DOMAIN_DEVICE_INPUT:
                case DOMAIN_DEVICE_VIDEO:
                case DOMAIN_DEVICE_SOUND:
                case DOMAIN_DEVICE_SERIAL:
                case DOMAIN_DEVICE_NVRAM:
                case DOMAIN_DEVICE_TPM:
                case DOMAIN_DEVICE_RNG:
                case DOMAIN_DEVICE_MEMBALLOON:
                case DOMAIN_DEVICE_WATCHDOG:
                case DOMAIN_DEVICE_SHMEM:
                case DOMAIN_DEVICE_VSOCK:
                case DOMAIN_DEVICE_CRYPTO:
                case DOMAIN_DEVICE_PANIC:
                case DOMAIN_DEVICE_QEMU: /* libvirt does not look into <qemu:commandline> */
                case _DOMAIN_DEVICE_TYPE_MAX:
                        break;
                }
        }
        return p;
}

/* virDomainControllerIsPSeriesPHB(): a PHB that <qemu:commandline> makes is none of libvirt's. */
static uint64_t count_phbs(const Domain *d) {
        uint64_t n = 0;

        for (size_t i = 0; d->pseries && i < d->n_controllers; i++)
                n += d->controllers[i].model == CONTROLLER_PCI_ROOT;
        return n;
}

/* getPPC64MemLockLimitBytes() */
static uint64_t limit_ppc64(const Domain *d, const Passthrough *p) {
        DomainMemory memory = domain_memory_at_start(d);
        uint64_t phbs = count_phbs(d), base, before_ddw, with_ddw;

        base = memory.max / 128 + 4096 * phbs + 8192;
        if (p->nvlink2)
                return add_saturated(base, add_saturated(memory.max, (UINT64_C(128) << 30) / 512 * phbs + 8192));
        /* A vDPA disk is not asked for here. */
        if (p->hostdevs == 0 && p->nvme == 0 && p->vdpa_interfaces == 0)
                return base;
        before_ddw = 2 * 1024 * 1024 * phbs;
        with_ddw = add_saturated(memory.total, add_saturated(multiply_saturated(memory.total / 512, phbs), 8192));
        return add_saturated(base, before_ddw > with_ddw ? before_ddw : with_ddw);
}

/* The rest of qemuDomainGetMemLockLimitBytes(): made for x86, and used for a ppc64 domain without KVM as well. */
static uint64_t limit_other(const Domain *d, const Passthrough *p) {
        uint64_t times = p->nvme + p->vdpa_interfaces + p->vdpa_disks;

        if (p->hostdevs > 0)
                times += d->iommu ? p->hostdevs : 1;
        if (times == 0)
                return 0;
        return add_saturated(multiply_saturated(times, domain_memory_at_start(d).total), UINT64_C(1024) * 1024);
}

void memlock_limit(const Domain *d, const VfioFacts *vfio, bool *ret_unlimited, uint64_t *ret_bytes) {
        uint64_t kib = d->hard_limit / 1024 + (d->hard_limit % 1024 > 0), bytes;

        if (!d->hard_limit_zero && (kib == 0 || kib >= LIBVIRT_UNLIMITED)) {
                Passthrough p = count_passthrough(d, vfio);

                if (d->locked)
                        kib = UINT64_MAX;
                else
                        kib = domain_is_ppc64(d) && d->kvm ? limit_ppc64(d, &p) : limit_other(d, &p);
        }
        bytes = multiply_saturated(kib, 1024);
        *ret_unlimited = bytes >= LIBVIRT_UNLIMITED;
        *ret_bytes = *ret_unlimited ? UINT64_MAX : bytes;
}

/* In how many containers a PHB's windows are made: see memlock.h. */
static uint64_t count_containers(const Layout *layout, const VfioFacts *vfio, const Window *window) {
        if (vfio->platform != PLATFORM_PSERIES)
                return 1;
        for (size_t i = 0; i < layout->n_phbs; i++)
                if ((uint32_t) layout->phbs[i].index == (window->liobn >> 8 & 0xff)) /* SPAPR_PCI_LIOBN */
                        return layout->phbs[i].n_groups > 0 ? layout->phbs[i].n_groups : 1;
        return 1;
}

/* QEMU registers every piece of RAM that the guest can address (vfio_prereg_listener_region_add), and a display's is one once
 * the guest has switched its BAR on. */
static uint64_t display_ram(const Domain *d) {
        const DomainDevice *video = NULL;
        uint64_t size;
        bool vga;

        /* libvirt's primary one, which is the first where none is marked; others of these models there can't be. */
        for (size_t i = 0; i < d->n_devices; i++)
                if (d->devices[i].type == DOMAIN_DEVICE_VIDEO && (!video || (d->devices[i].primary && !video->primary)))
                        video = &d->devices[i];
        if (!video)
                return 0;
        vga = !video->model || streq(video->model, "vga"); /* libvirt's default on ppc64 */
        if (video->model && streq(video->model, "virtio"))
                return VIRTIO_VGA_RAM;
        if (!vga && !streq(video->model, "bochs"))
                return 0;
        /* libvirt gives VGA's in whole MiB; QEMU rounds up to a power of two. */
        size = vga ? video->video_ram >> 20 << 20 : video->video_ram;
        if (size <= 1)
                return VGA_RAM_DEFAULT;
        if (size > VGA_RAM_MAX)
                return VGA_RAM_MAX;
        return UINT64_C(1) << (64 - __builtin_clzll(size - 1));
}

/* The smallest page of the guest's RAM (system/physmem.c: qemu_minrampagesize()): an NVDIMM's file has no huge ones. */
static uint64_t ram_page(const Domain *d, uint64_t page_size) {
        for (size_t i = 0; i < d->n_dimms; i++)
                if (d->dimms[i].model && streq(d->dimms[i].model, "nvdimm"))
                        return page_size;
        return d->hugepage_size > 0 ? d->hugepage_size : page_size;
}

uint64_t memlock_charged(const Domain *d, const Layout *layout, const Plan *plan, const VfioFacts *vfio, uint64_t page_size) {
        uint64_t sum = add_saturated(plan->locked_bytes, plan->dynamic_locked_bytes), ram;
        uint64_t backing = ram_page(d, page_size);
        bool registered = false;

        if (!d->pseries)
                return 0;
        ram = multiply_saturated(domain_memory_at_start(d).mapped, 1024);
        for (size_t i = 0; i < plan->n_tables + plan->n_dynamic; i++) {
                const PlanTable *table = i < plan->n_tables ? &plan->tables[i] : &plan->dynamic[i - plan->n_tables];
                const Window *window = &table->window;

                if (window->kind != DEVICE_VFIO || table->verdict.refused || (window->dynamic && !window->likely))
                        continue;
                registered = true;
                sum = add_saturated(sum, multiply_saturated(count_containers(layout, vfio, window),
                                                            vfio_window_charge(window, backing, vfio, page_size)));
        }
        if (registered)
                sum = add_saturated(sum, add_saturated(ram, display_ram(d)));
        /* mm/mlock.c: mlock_fixup() does not count huge pages. */
        return d->locked && d->hugepage_size <= page_size ? add_saturated(sum, ram) : sum;
}
