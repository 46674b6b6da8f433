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

/* A group that has a container of its own, with guest memory registered, so that TCEs can point to it. */
static int open_group(Vmm *v, struct tced *t, const char *address, int number, VmmGroups *groups) {
        struct vfio_spapr_register memory = {
                .argsz = sizeof(memory), .vaddr = (uint64_t) (uintptr_t) v->memory, .size = VMM_MEMORY_SIZE,
        };
        VmmGroup *g = groups->items + groups->n;
        int r;

        *g = (VmmGroup) { .address = address, .number = number };
        r = tced_group_open(t, address, &g->container, &g->group, &g->type);
        if (r < 0)
                return r;
        groups->n++;
        return ioctl(g->container, VFIO_IOMMU_SPAPR_REGISTER_MEMORY, &memory) < 0 ? -errno : 0;
}

/* One more in the first one's container. */
static int open_into(struct tced *t, const char *address, int number, VmmGroups *groups) {
        const VmmGroup *first = groups->items;
        VmmGroup *g = groups->items + groups->n;
        int r;

        *g = (VmmGroup) { .address = address, .number = number, .container = first->container, .shares = true, .type = first->type };
        r = tced_group_open_into(t, address, g->container, &g->group);
        if (r < 0)
                return r;
        groups->n++;
        return 0;
}

/* Before any window is made: a partition's kernel takes no further group after that. */
static int open_shared(Vmm *v, struct tced *t, const VmmOptions *options, VmmGroups *groups) {
        int r;

        for (size_t i = 0; i < options->n_windows && groups->n == 0 && options->n_also > 0; i++) {
                const VmmWindow *w = options->windows + i;

                r = w->address ? open_group(v, t, w->address, w->window.group, groups) : 0;
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < options->n_also; i++) {
                int number;

                r = tced_group_number(t, options->also[i], &number);
                if (r >= 0)
                        r = groups->n == 0 ? open_group(v, t, options->also[i], number, groups) : open_into(t, options->also[i], number, groups);
                if (r < 0)
                        return r;
        }
        if (options->n_also > 0)
                printf("container=%zu\n", groups->n);
        return 0;
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

/* The table, to the group and to those that share its container. */
static int link_table(Vmm *v, struct tced_table *table, const VmmGroup *group, const VmmGroups *groups) {
        int r = tced_table_link_group(table, group->container, group->group, v->vfio_device, 0);

        for (size_t i = 0; r >= 0 && i < groups->n; i++)
                if (groups->items[i].shares && groups->items[i].container == group->container)
                        r = tced_table_link_group(table, group->container, groups->items[i].group, v->vfio_device, 0);
        return r;
}

int vmm_vfio_link(Vmm *v, struct tced *t, struct tced_machine *m, const VmmOptions *options, VmmGroups *groups) {
        int r = open_shared(v, t, options, groups);

        for (size_t i = 0; r >= 0 && i < options->n_windows; i++) {
                const VmmWindow *w = options->windows + i;

                if (!w->address)
                        continue;
                r = make_vfio_device(v);
                if (r >= 0 && !find_group(groups, w->window.group))
                        r = open_group(v, t, w->address, w->window.group, groups);
                if (r >= 0)
                        r = link_table(v, tced_machine_find_table(m, w->window.liobn), find_group(groups, w->window.group), groups);
        }
        return r;
}

void vmm_vfio_clear(VmmGroups *groups) {
        for (size_t i = 0; i < groups->n; i++) {
                (void) fd_close(groups->items[i].group);
                if (!groups->items[i].shares)
                        (void) fd_close(groups->items[i].container);
        }
        groups->n = 0;
}
