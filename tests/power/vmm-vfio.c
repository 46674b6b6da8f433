/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Passthrough devices: their groups, opened by tced; guest memory registered with each container; tables linked. */

#include "kvm-abi.h"
#include "util.h"
#include "vmm.h"

int vmm_vfio_find(struct tced *t, VmmOptions *options) {
        for (size_t i = 0; i < options->n_windows; i++) {
                VmmWindow *w = options->windows + i;
                int r = w->address ? tced_group_number(t, w->address, &w->window.group) : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}

static VmmGroup *find_group(VmmGroups *groups, int number) {
        for (size_t i = 0; i < groups->n; i++)
                if (groups->items[i].number == number)
                        return groups->items + i;
        return NULL;
}

/* The group behind a window: open, with guest memory registered, so that TCEs can point to it. */
static int open_group(Vmm *v, struct tced *t, const VmmWindow *w, VmmGroups *groups) {
        struct vfio_spapr_register memory = {
                .argsz = sizeof(memory), .vaddr = (uint64_t) (uintptr_t) v->memory, .size = VMM_MEMORY_SIZE,
        };
        VmmGroup *g = groups->items + groups->n;
        int r;

        *g = (VmmGroup) { .address = w->address, .number = w->window.group };
        r = tced_group_open(t, w->address, &g->container, &g->group, &g->type);
        if (r < 0)
                return r;
        groups->n++;
        return ioctl(g->container, VFIO_IOMMU_SPAPR_REGISTER_MEMORY, &memory) < 0 ? -errno : 0;
}

/* KVM's device that knows of VFIO's groups; a VM has one. */
static int make_vfio_device(Vmm *v) {
        struct kvm_new_device device = { .type = KVM_DEVICE_TYPE_VFIO };

        if (v->vm < 0 || v->vfio_device >= 0)
                return 0;
        if (ioctl(v->vm, KVM_CREATE_DEVICE, &device) < 0)
                return -errno;
        v->vfio_device = (int) device.fd;
        return 0;
}

int vmm_vfio_link(Vmm *v, struct tced *t, struct tced_machine *m, const VmmOptions *options, VmmGroups *groups) {
        for (size_t i = 0; i < options->n_windows; i++) {
                const VmmWindow *w = options->windows + i;
                VmmGroup *g;
                int r;

                if (!w->address)
                        continue;
                r = make_vfio_device(v);
                if (r < 0)
                        return r;
                if (!find_group(groups, w->window.group)) {
                        r = open_group(v, t, w, groups);
                        if (r < 0)
                                return r;
                }
                g = find_group(groups, w->window.group);
                r = tced_table_link_group(tced_machine_find_table(m, w->window.liobn), g->container, g->group,
                                          v->vfio_device, 0);
                if (r < 0)
                        return r;
        }
        return 0;
}

void vmm_vfio_clear(VmmGroups *groups) {
        for (size_t i = 0; i < groups->n; i++) {
                (void) fd_close(groups->items[i].group);
                (void) fd_close(groups->items[i].container);
        }
        groups->n = 0;
}
