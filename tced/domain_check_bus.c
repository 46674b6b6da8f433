/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Numbers that libvirt, or who wrote the domain, gave out and QEMU does not take: PHB indexes, VIO registers, windows. Each rule
 * is QEMU's (hw/ppc/spapr.c, spapr_pci.c, spapr_vio.c, spapr_iommu.c of 7.2 and 10.0) and was tried on 7.2 with TCG, stopped
 * (-S), where the comment says so. */

#include <inttypes.h>

#include "domain_check_internal.h"
#include "domain_memory.h"
#include "domain_windows.h"
#include "util.h"

#define LIOBN_PCI UINT64_C(0x80000000)
#define LIOBN_PCI_END (LIOBN_PCI + 0x100 * (PHB_INDEX_MAX + 1))

/* Where libvirt puts VIO devices (src/qemu/qemu_domain_address.c: qemuDomainAssignSpaprVIOAddresses), in steps of 4 KiB. */
#define VIO_STEP UINT64_C(0x1000)
#define VIO_REG_SERIAL UINT64_C(0x30000000)

#define GIB_IN_KIB (UINT64_C(1) << 20)

#define NVRAM_NAME "QEMU's NVRAM"

static const char *phb_name(const Phb *phb) {
        return phb->alias ? phb->alias : "a PHB of <qemu:commandline>";
}

/* *taken gets the index that is advised. */
static int phb_index_remedy(const Phb *phb, uint64_t *taken, char **ret) {
        int free_index = phb_index_free(*taken);

        if (phb->controller_index == 0)
                return check_remedy(ret,
                                    "Give the first PHB index 0: <target index='0'/> in <controller type='pci' index='0'>, or "
                                    "run tcectl plan --fix");
        if (free_index < 0 && phb->controller && phb->controller->line == 0)
                return check_remedy(ret,
                                    "Put what is at bus='0x%02x' on another bus: libvirt adds a PHB for each that is missing up "
                                    "to the highest one in an <address>, and all 31 indexes are in use",
                                    (unsigned) phb->controller_index);
        if (free_index < 0)
                return check_remedy(ret, "Take a PHB away: all 31 indexes are in use");
        *taken |= UINT64_C(1) << free_index;
        if (phb->controller_index < 0)
                return check_remedy(ret, "Give it a free one in <qemu:commandline>: index=%d", free_index);
        return check_remedy(ret,
                            "Give it a free one: <target index='%d'/> in <controller type='pci' index='%d'>, or run tcectl plan "
                            "--fix",
                            free_index, phb->controller_index);
}

int check_phb_index(Check *c) {
        const Layout *layout = &c->plan->layout;
        uint64_t taken = phb_indexes_taken(layout);
        int r = 0;

        for (size_t i = 0; r >= 0 && i < layout->n_phbs; i++) {
                const Phb *phb = &layout->phbs[i], *other;
                _cleanup_free_ char *remedy = NULL;

                if (!phb_index_refused(layout, i, &other))
                        continue;
                r = phb_index_remedy(phb, &taken, &remedy);
                if (r < 0)
                        return r;
                if (other)
                        r = findings_add(&c->plan->findings, FINDING_PHB_INDEX, SEVERITY_ERROR, phb_name(phb), remedy,
                                         "The PHB has index %d, which %s has already, and QEMU takes each once: the VM can't "
                                         "start",
                                         phb->index, phb_name(other));
                else if (phb->index < 0)
                        r = findings_add(&c->plan->findings, FINDING_PHB_INDEX, SEVERITY_ERROR, phb_name(phb), remedy,
                                         "The PHB has no index, and QEMU wants one: the VM can't start");
                else if (phb->controller_index == 0)
                        r = findings_add(&c->plan->findings, FINDING_PHB_INDEX, SEVERITY_ERROR, phb_name(phb), remedy,
                                         "The first PHB has index %d; libvirt takes 0 alone: the VM can't start", phb->index);
                else
                        r = findings_add(&c->plan->findings, FINDING_PHB_INDEX, SEVERITY_ERROR, phb_name(phb), remedy,
                                         "The PHB has index %d, and libvirt and QEMU take 0 to %d: the VM can't start%s",
                                         phb->index, PHB_INDEX_MAX,
                                         phb->index == PHB_INDEX_MAX + 1 ? " (31 is what libvirt picks when no other is left)" :
                                                                           "");
        }
        return r;
}

/* hw/ppc/spapr_vio.c: spapr_vio_reg_to_irq(), without the base. */
static unsigned vio_irq(uint64_t reg) {
        if (reg >= VIO_REG_QEMU)
                return reg & 0xff;
        if (reg >= VIO_REG_SERIAL)
                return 0xf0 | (reg >> 12 & 0xf);
        return reg >> 12 & 0xff;
}

/* The NVRAM is made before all other devices, whether the domain has one or not, and libvirt gives
 * only the domain's a register. */
static bool nvram_given(const Domain *d) {
        for (size_t i = 0; i < d->n_devices; i++)
                if (d->devices[i].type == DOMAIN_DEVICE_NVRAM && d->devices[i].address.has_reg)
                        return true;
        return false;
}

int vio_registers_taken(const DomainPlan *plan, uint64_t **ret, size_t *ret_n) {
        uint64_t *regs = calloc(plan->layout.n_vio + 1, sizeof(*regs));
        size_t n = 0;

        if (!regs)
                return -ENOMEM;
        for (size_t i = 0; i < plan->layout.n_vio; i++)
                regs[n++] = plan->layout.vio[i].reg;
        if (!nvram_given(&plan->domain))
                regs[n++] = plan->layout.nvram_reg;
        *ret = regs;
        *ret_n = n;
        return 0;
}

static bool irq_is_free(uint64_t reg, const uint64_t *taken, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (vio_irq(taken[i]) == vio_irq(reg))
                        return false;
        return true;
}

/* A free interrupt is a free register. Serial devices have 16 interrupts of their own, the others the 239 from 1 on. */
static uint64_t register_free(DomainDeviceType type, const uint64_t *taken, size_t n) {
        static const struct {
                DomainDeviceType type;
                uint64_t first;
        } starts[] = { { DOMAIN_DEVICE_CONTROLLER, 0x2000 }, { DOMAIN_DEVICE_NVRAM, 0x3000 }, { DOMAIN_DEVICE_TPM, 0x4000 } };
        uint64_t first = VIO_STEP;

        for (size_t i = 0; i < ELEMENTSOF(starts); i++)
                if (starts[i].type == type)
                        first = starts[i].first;
        for (uint64_t reg = VIO_REG_SERIAL; type == DOMAIN_DEVICE_SERIAL && reg < VIO_REG_SERIAL + 16 * VIO_STEP; reg += VIO_STEP)
                if (irq_is_free(reg, taken, n))
                        return reg;
        for (uint64_t reg = first; reg < 0xf0 * VIO_STEP; reg += VIO_STEP)
                if (irq_is_free(reg, taken, n))
                        return reg;
        return 0;
}

uint64_t vio_register_take(DomainDeviceType type, uint64_t old, uint64_t *taken, size_t n) {
        size_t at = 0;
        uint64_t reg;

        while (at < n && taken[at] != old)
                at++;
        if (at == n)
                return 0;
        taken[at] = taken[n - 1];
        reg = register_free(type, taken, n - 1);
        taken[n - 1] = reg ? reg : old;
        return reg;
}

static bool made_before(const Domain *d, size_t a, size_t b) {
        bool plain = d->devices[a].plain;

        return plain == d->devices[b].plain ? a < b : plain;
}

/* Another VIO device, made before the one at `at`, with the same register or (by_irq) the same interrupt. */
static const char *vio_other(const DomainPlan *plan, size_t at, bool by_irq) {
        const VioDevice *vio = plan->layout.vio, *v = &vio[at];
        uint64_t nvram = plan->layout.nvram_reg;

        if (!nvram_given(&plan->domain) && (by_irq ? vio_irq(v->reg) == vio_irq(nvram) : v->reg == nvram))
                return NVRAM_NAME;
        for (size_t i = 0; i < plan->layout.n_vio; i++) {
                if (i == at || made_before(&plan->domain, v->device, vio[i].device))
                        continue;
                if (by_irq ? vio_irq(vio[i].reg) == vio_irq(v->reg) : vio[i].reg == v->reg)
                        return check_device_name(&plan->domain.devices[vio[i].device]);
        }
        return NULL;
}

/* The PHB whose table has this LIOBN: each has two, with ddw=off one. */
static const Phb *phb_with_liobn(const Layout *layout, uint64_t liobn) {
        for (size_t i = 0; i < layout->n_phbs; i++) {
                const Phb *phb = &layout->phbs[i];

                if (phb->index >= 0 && phb->index <= PHB_INDEX_MAX && (uint64_t) phb->index == (liobn - LIOBN_PCI) >> 8 &&
                    (liobn & 0xff) <= (phb->ddw ? 1 : 0))
                        return phb;
        }
        return NULL;
}

/* Seen: one register for two, "devices conflict at address 0x1000"; one interrupt for two, "IRQ 4353 is not free", not with
 * machines up to 3.0, which look for a free one; a LIOBN for two, "Attempted to create TCE table with duplicate LIOBN" and a
 * segmentation fault (an assertion, where the PHB comes second); a LIOBN of a PHB that is not there goes well, as do a console's
 * register there and, with ddw=off, the second window's. */
VioFault vio_fault(const DomainPlan *plan, size_t at, const char **ret_other) {
        const VioDevice *v = &plan->layout.vio[at];
        const Phb *phb;

        *ret_other = NULL;
        if (v->reg > UINT32_MAX)
                return VIO_TOO_LONG;
        *ret_other = vio_other(plan, at, false);
        if (*ret_other)
                return VIO_DUPLICATE;
        if (!domain_machine_at_most(&plan->domain, 3, 0))
                *ret_other = vio_other(plan, at, true);
        if (*ret_other)
                return VIO_IRQ;
        if (!plan->domain.devices[v->device].vio_dma || v->reg < LIOBN_PCI || v->reg >= LIOBN_PCI_END)
                return VIO_OK;
        phb = phb_with_liobn(&plan->layout, v->reg);
        if (!phb)
                return (v->reg & 0xff) <= 1 ? VIO_LIOBN_FREE : VIO_RANGE;
        *ret_other = phb_name(phb);
        return VIO_LIOBN;
}

/* What to type for another register. */
static int vio_remedy(Check *c, size_t at, char **ret) {
        const VioDevice *vio = &c->plan->layout.vio[at];
        const DomainDevice *device = &c->plan->domain.devices[vio->device];
        uint64_t reg;
        int r = c->registers ? 0 : vio_registers_taken(c->plan, &c->registers, &c->n_registers);

        if (r < 0)
                return r;
        reg = vio_register_take(device->type, vio->reg, c->registers, c->n_registers);
        if (reg == 0)
                return check_remedy(ret, "Take a VIO device away: all interrupts for them are in use");
        if (device->type != DOMAIN_DEVICE_QEMU && domain_property_of(&c->plan->domain, device->alias, "reg"))
                return check_remedy(ret, "Give %s the reg %" PRIu64 " in <qemu:override>", check_device_name(device), reg);
        if (device->type == DOMAIN_DEVICE_QEMU)
                return check_remedy(ret, "Give %s reg=0x%" PRIx64 " in <qemu:commandline>", check_device_name(device), reg);
        return check_remedy(ret, "Give %s a free one: <address type='spapr-vio' reg='0x%" PRIx64 "'/>, or run tcectl plan --fix",
                            check_device_name(device), reg);
}

static int add_vio(Check *c, size_t at, VioFault fault, const char *other) {
        Findings *f = &c->plan->findings;
        const VioDevice *vio = &c->plan->layout.vio[at];
        const char *name = check_device_name(&c->plan->domain.devices[vio->device]);
        uint64_t reg = vio->reg;
        _cleanup_free_ char *remedy = NULL;
        int r = vio_remedy(c, at, &remedy);

        if (r < 0)
                return r;
        switch (fault) {
        case VIO_IRQ:
                return findings_add(f, FINDING_VIO_IRQ, SEVERITY_ERROR, name, remedy,
                                    "The register 0x%" PRIx64 " gives interrupt %u, which %s has already: the VM can't start "
                                    "(QEMU: \"IRQ %u is not free\")",
                                    reg, vio_irq(reg), other, 0x1100 + vio_irq(reg));
        case VIO_DUPLICATE:
                return findings_add(f, FINDING_VIO_DUPLICATE, SEVERITY_ERROR, name, remedy,
                                    "The register 0x%" PRIx64 " is that of %s, too: the VM can't start", reg, other);
        case VIO_LIOBN:
                return findings_add(f, FINDING_VIO_IN_PCI_RANGE, SEVERITY_ERROR, name, remedy,
                                    "The register 0x%" PRIx64 " is a LIOBN of the PHB %s, too: the VM can't start (QEMU crashes)",
                                    reg, other);
        case VIO_LIOBN_FREE:
                return findings_add(f, FINDING_VIO_IN_PCI_RANGE, SEVERITY_WARNING, name, remedy,
                                    "The register 0x%" PRIx64 " is a LIOBN of PHBs (0x80000000 and up): once there is one with "
                                    "index %u, QEMU crashes",
                                    reg, (unsigned) ((reg - LIOBN_PCI) >> 8));
        case VIO_RANGE:
                return findings_add(f, FINDING_VIO_IN_PCI_RANGE, SEVERITY_INFO, name, remedy,
                                    "The register 0x%" PRIx64 " lies among the LIOBNs of PHBs (0x80000000 and up), though none "
                                    "has this one",
                                    reg);
        case VIO_TOO_LONG:
                return findings_add(f, FINDING_VIO_IN_PCI_RANGE, SEVERITY_ERROR, name, remedy,
                                    "The register 0x%" PRIx64 " has more than 32 bits: the VM can't start", reg);
        case VIO_OK:
                break;
        }
        return 0;
}

static int check_vio(Check *c, FindingId id) {
        static const FindingId ids[] = {
                [VIO_IRQ] = FINDING_VIO_IRQ,
                [VIO_DUPLICATE] = FINDING_VIO_DUPLICATE,
                [VIO_LIOBN] = FINDING_VIO_IN_PCI_RANGE,
                [VIO_LIOBN_FREE] = FINDING_VIO_IN_PCI_RANGE,
                [VIO_RANGE] = FINDING_VIO_IN_PCI_RANGE,
                [VIO_TOO_LONG] = FINDING_VIO_IN_PCI_RANGE,
        };
        const Layout *layout = &c->plan->layout;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < layout->n_vio; i++) {
                const char *other;
                VioFault fault = vio_fault(c->plan, i, &other);

                if (fault != VIO_OK && ids[fault] == id)
                        r = add_vio(c, i, fault, other);
        }
        return r;
}

int check_vio_irq(Check *c) {
        return check_vio(c, FINDING_VIO_IRQ);
}

int check_vio_duplicate(Check *c) {
        return check_vio(c, FINDING_VIO_DUPLICATE);
}

int check_vio_in_pci_range(Check *c) {
        return check_vio(c, FINDING_VIO_IN_PCI_RANGE);
}

/* QEMU counts a window's TCEs in 32 bits. Seen with dma_win_size of 2^44 bytes, of 2048 and of 0: QEMU starts with a table of
 * none, and the next reset aborts it ("Assertion `!subregion->container' failed"), as the region of an empty table is never taken
 * out. With 2^44 + 4096 the window has one TCE, and a reset is fine. One that is no multiple of 4 KiB is cut off; fine. */
static int check_default_window(Check *c, const Phb *phb) {
        uint64_t entries = phb->window_size >> TCE_PAGE_SHIFT_MIN;
        static const char remedy[] = "Take dma_win_size out of <qemu:commandline> or <qemu:override>: 1 GiB is what guests "
                                     "expect, and the 64-bit window is there for more";

        if (phb->index < 0 || (entries > 0 && entries < TCE_ENTRIES_LIMIT))
                return 0;
        if ((uint32_t) entries == 0)
                return findings_add(&c->plan->findings, FINDING_WINDOW_TOO_LARGE, SEVERITY_WARNING, phb_name(phb), remedy,
                                    "The default window (dma_win_size=0x%" PRIx64 ") has %s: the VM starts without that window, "
                                    "and the guest's first reboot ends it (QEMU "
                                    "aborts)",
                                    phb->window_size,
                                    entries == 0 ? "not one TCE" : "2^32 TCEs or a multiple, which QEMU counts as none");
        return findings_add(&c->plan->findings, FINDING_WINDOW_TOO_LARGE, SEVERITY_WARNING, phb_name(phb), remedy,
                            "The default window (dma_win_size=0x%" PRIx64 ") has more than 2^32 TCEs, of which QEMU makes "
                            "%" PRIu32,
                            phb->window_size, (uint32_t) entries);
}

/* The page sizes that can stay: of those that the PHB offers, else of QEMU's default. */
static uint64_t page_sizes_left(const Check *c, const PlanTable *table) {
        const Layout *layout = &c->plan->layout;
        uint64_t offered = PHB_PAGE_SIZES_DEFAULT, few = 0;

        for (size_t i = 0; i < layout->n_phbs; i++)
                if (layout->phbs[i].index >= 0 && (uint32_t) layout->phbs[i].index == (table->window.liobn >> 8 & 0xff))
                        offered = layout->phbs[i].page_sizes;
        for (unsigned shift = TCE_PAGE_SHIFT_MIN; shift <= TCE_PAGE_SHIFT_MAX; shift++)
                if (table->window.size >> shift < TCE_ENTRIES_LIMIT)
                        few |= UINT64_C(1) << shift;
        return offered & few ? offered & few : PHB_PAGE_SIZES_DEFAULT & few;
}

/* The most that <maxMemory> may be, in GiB, for half of that window, which is the largest below 2^32 TCEs; 0: less would not help,
 * as the VM's memory is more, or the window is not of its making (an NVDIMM's is 2^51 bytes). */
static uint64_t memory_left(const Check *c, const PlanTable *table) {
        DomainMemory memory = domain_memory_at_start(&c->plan->domain);
        uint64_t half = UINT64_C(1) << (31 + table->window.page_shift - 10), gap; /* in KiB, as memory is */

        /* Room for more begins at a whole GiB. */
        gap = (GIB_IN_KIB - memory.initial % GIB_IN_KIB) % GIB_IN_KIB;
        if (table->window.size / 2 >= c->plan->layout.guest_memory_max || add_saturated(memory.total, gap) >= half)
                return 0;
        return (half - gap) / GIB_IN_KIB;
}

/* Seen with two ibm,create-pe-dma-window through qtest: the first answers -1, the second aborts QEMU as above. */
static int check_dynamic_window(Check *c, const PlanTable *table) {
        uint64_t memory = memory_left(c, table), sizes = page_sizes_left(c, table);
        _cleanup_free_ char *remedy = NULL;
        char page[32];
        int r;

        (void) format_bytes(page, sizeof(page), UINT64_C(1) << table->window.page_shift);
        if (sizes == 0)
                r = check_remedy(&remedy, "Do without 64-bit windows, as no page size is large enough: -global spapr-pci-host-bridge.ddw=off in "
                                          "<qemu:commandline>");
        else if (memory > 0)
                r = check_remedy(&remedy,
                                 "Give the VM a <maxMemory> of at most %" PRIu64 " GiB, or do not offer %s pages: -global "
                                 "spapr-pci-host-bridge.pgsz=0x%" PRIx64 " in <qemu:commandline>",
                                 memory, page, sizes);
        else
                r = check_remedy(&remedy,
                                 "Do not offer %s pages: -global spapr-pci-host-bridge.pgsz=0x%" PRIx64
                                 " in <qemu:commandline>",
                                 page, sizes);
        if (r < 0)
                return r;
        return findings_add(&c->plan->findings, FINDING_WINDOW_TOO_LARGE, table->window.likely ? SEVERITY_WARNING : SEVERITY_INFO,
                            table->window.device ? table->window.device : "a PHB", remedy,
                            "%s a 64-bit window of %" PRIu64 " TiB with %s pages, which has 2^32 TCEs or more: the guest is "
                            "refused it, and when it asks again, as after a reboot, QEMU aborts",
                            table->window.likely ? "Linux will ask for" : "A guest may ask for (Linux does not)",
                            table->window.size >> 40, page);
}

int check_window_too_large(Check *c) {
        const DomainPlan *plan = c->plan;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < plan->layout.n_phbs; i++)
                r = check_default_window(c, &plan->layout.phbs[i]);
        for (size_t i = 0; r >= 0 && i < plan->plan.n_dynamic; i++)
                if (plan->plan.dynamic[i].verdict.refused && plan->plan.dynamic[i].verdict.reason == REASON_TOO_MANY_ENTRIES)
                        r = check_dynamic_window(c, &plan->plan.dynamic[i]);
        return r;
}
