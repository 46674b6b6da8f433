/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libvirt's rounding of memory. It is the same in 9.0 and 11.3. */

#include "domain_memory.h"

#include "util.h"

#define PPC64_ALIGN_KIB (UINT64_C(256) * 1024)
#define OTHER_ALIGN_KIB UINT64_C(1024)
#define OTHER_MODULE_ALIGN_KIB UINT64_C(2048)

bool domain_is_ppc64(const Domain *d) {
        return d->arch && (streq(d->arch, "ppc64") || streq(d->arch, "ppc64le"));
}

/* virDomainParseMemory(): what is no whole KiB is one more. */
static uint64_t to_kib(uint64_t bytes) {
        return bytes / 1024 + (bytes % 1024 > 0);
}

/* align is a power of two. */
static uint64_t round_up(uint64_t kib, uint64_t align) {
        return (kib + align - 1) & ~(align - 1); /* bytes were 64 bits, so these are 54 */
}

/* qemuDomainNVDimmAlignSizePseries(): what the guest sees is rounded down, so that it stays within its file. Less than one step
 * of it is an error of libvirt's: nothing to round then. */
static uint64_t pseries_nvdimm(uint64_t size, uint64_t label) {
        uint64_t area = size > label ? size - label : 0;

        return area < PPC64_ALIGN_KIB ? size : (area & ~(PPC64_ALIGN_KIB - 1)) + label;
}

static bool is_nvdimm(const DomainDimm *dimm) {
        return dimm->model && streq(dimm->model, "nvdimm");
}

static uint64_t dimm_size(const DomainDimm *dimm, bool ppc64) {
        uint64_t size = to_kib(dimm->size);

        if (!ppc64)
                return round_up(size, OTHER_MODULE_ALIGN_KIB);
        if (is_nvdimm(dimm))
                return pseries_nvdimm(size, to_kib(dimm->label_size));
        return round_up(size, PPC64_ALIGN_KIB);
}

DomainMemory domain_memory_at_start(const Domain *d) {
        bool ppc64 = domain_is_ppc64(d);
        uint64_t align = ppc64 ? PPC64_ALIGN_KIB : OTHER_ALIGN_KIB;
        DomainMemory memory = {};

        /* Each NUMA cell on its own; cells that come to nothing count as none. */
        for (size_t i = 0; i < d->n_cells; i++)
                memory.initial = add_saturated(memory.initial, round_up(to_kib(d->cells[i]), align));
        if (memory.initial == 0)
                memory.initial = round_up(to_kib(d->memory), align);
        memory.total = memory.mapped = memory.initial;
        for (size_t i = 0; i < d->n_dimms; i++) {
                const DomainDimm *dimm = &d->dimms[i];
                uint64_t size = dimm_size(dimm, ppc64), label = is_nvdimm(dimm) ? to_kib(dimm->label_size) : 0;

                memory.total = add_saturated(memory.total, size);
                memory.mapped = add_saturated(memory.mapped, size > label ? size - label : 0);
        }
        memory.max = d->max_memory > 0 ? round_up(to_kib(d->max_memory), align) : memory.total;
        return memory;
}
