/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tables in the kernel: made on the caller's VM, and the hypercalls that KVM may do for it. */

#include <sys/ioctl.h>

#include "internal.h"
#include "kvm-abi.h"

int kernel_ioctl(int fd, unsigned long request, void *argument) {
        int r = ioctl(fd, request, argument);

        return r < 0 ? -errno : r;
}

/* The table's fd. Kernels before 4.6 have the older request alone: 4 KiB pages from bus address 0, below 4 GiB. */
static int create_table(const struct tced_table *table, int vm_fd) {
        IoctlFunction request = table->machine->tced->ioctl;
        struct kvm_spapr_tce_64 args = {
                .liobn = table->liobn,
                .page_shift = table->page_shift,
                .offset = table->bus_offset >> table->page_shift,
                .size = table->n_entries,
        };
        struct kvm_spapr_tce old = { .liobn = table->liobn };
        uint64_t size = table->n_entries << table->page_shift;
        int r = request(vm_fd, KVM_CREATE_SPAPR_TCE_64, &args);

        if (r != -ENOTTY || table->page_shift != TCE_PAGE_SHIFT_MIN || table->bus_offset != 0 || size > UINT32_MAX)
                return r;
        old.window_size = (uint32_t) size;
        return request(vm_fd, KVM_CREATE_SPAPR_TCE, &old);
}

int table_make_in_kernel(struct tced_table *table, int vm_fd, TableMapping *ret) {
        _cleanup_(table_mapping_clear) TableMapping mapping = TABLE_MAPPING_INIT;
        uint64_t page = (uint64_t) sysconf(_SC_PAGESIZE);
        void *entries;

        mapping.fd = create_table(table, vm_fd);
        if (mapping.fd < 0)
                return mapping.fd;
        mapping.length = (tce_table_bytes(table->n_entries) + page - 1) & ~(page - 1);
        /* Not populated: KVM allocates a table's pages as the guest comes to use them. */
        entries = mmap(NULL, mapping.length, PROT_READ | PROT_WRITE, MAP_SHARED, mapping.fd, 0);
        if (entries == MAP_FAILED)
                return -errno;
        mapping.entries = entries;
        *ret = mapping;
        mapping = (TableMapping) TABLE_MAPPING_INIT;
        return 0;
}

static int enable_hcall(struct tced_machine *m, int vm_fd, uint64_t hcall, bool enable) {
        struct kvm_enable_capability args = { .cap = KVM_CAP_PPC_ENABLE_HCALL, .args = { hcall, enable } };

        return m->tced->ioctl(vm_fd, KVM_ENABLE_CAP, &args);
}

_public_ int tced_machine_enable_multitce(struct tced_machine *m, int vm_fd) {
        int r;

        if (!m->multitce)
                return connection_error(m->tced, -EPERM,
                                        "machine %s: H_PUT_TCE_INDIRECT and H_STUFF_TCE may not be enabled in KVM here; "
                                        "`tcectl describe` says why",
                                        tced_machine_uuid(m));
        r = enable_hcall(m, vm_fd, H_PUT_TCE_INDIRECT, true);
        if (r >= 0) {
                r = enable_hcall(m, vm_fd, H_STUFF_TCE, true);
                if (r < 0)
                        (void) enable_hcall(m, vm_fd, H_PUT_TCE_INDIRECT, false);
        }
        if (r < 0)
                return connection_error(m->tced, r, "machine %s: KVM_ENABLE_CAP(KVM_CAP_PPC_ENABLE_HCALL): %s",
                                        tced_machine_uuid(m), strerrordesc_np(-r));
        return 0;
}
