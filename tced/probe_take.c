/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Taking a group, and giving it back. */

#include "probe_take.h"

#include <sys/resource.h>

#include "probe_calls.h"
#include "util.h"

/* Asked before the group is attached to anything: a kernel that has neither (another machine's, or one whose module is not loaded)
 * would attach it, and then refuse both with whatever its own drivers make of them. */
static int check_types(TakenGroup *t) {
        static const uint32_t types[] = { VFIO_EXT_SPAPR_TCE_V2, VFIO_EXT_SPAPR_TCE };

        t->step = "VFIO_CHECK_EXTENSION, sPAPR v2 and v1";
        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (probe_ioctl_number(t->ops, t->container, VFIO_CHECK_EXTENSION, types[i]) > 0)
                        return 0;
        return -EOPNOTSUPP;
}

/* Some kernels refuse v2 for what the platform is (POWER7, partitions before 6.11). */
static int set_type(TakenGroup *t, bool v1) {
        int r;

        t->step = "VFIO_SET_IOMMU, sPAPR v2";
        t->type = VFIO_EXT_SPAPR_TCE_V2;
        r = probe_ioctl_number(t->ops, t->container, VFIO_SET_IOMMU, t->type);
        if (r >= 0 || !v1)
                return r;
        t->v2_error = r;
        t->type = VFIO_EXT_SPAPR_TCE;
        return probe_ioctl_number(t->ops, t->container, VFIO_SET_IOMMU, t->type) < 0 ? r : 0;
}

int taken_group_attach(TakenGroup *t, const char *dev, bool v1) {
        int r;

        t->step = "opening vfio/vfio";
        t->container = probe_open(t->ops, dev, "vfio/vfio");
        if (t->container < 0)
                return t->container;
        r = check_types(t);
        if (r < 0)
                return r;
        t->step = "VFIO_GROUP_SET_CONTAINER";
        r = probe_ioctl(t->ops, t->group, VFIO_GROUP_SET_CONTAINER, &t->container);
        if (r < 0)
                return r;
        t->attached = true;
        r = set_type(t, v1);
        if (r < 0)
                return r;
        t->step = "VFIO_IOMMU_SPAPR_TCE_GET_INFO";
        t->info.argsz = sizeof(t->info);
        return probe_ioctl(t->ops, t->container, VFIO_IOMMU_SPAPR_TCE_GET_INFO, &t->info);
}

static int remove_at(TakenGroup *t, uint64_t start) {
        struct vfio_spapr_remove args = { .argsz = sizeof(args), .start_addr = start };
        return probe_ioctl(t->ops, t->container, VFIO_IOMMU_SPAPR_TCE_REMOVE, &args);
}

int taken_group_drop_default(TakenGroup *t) {
        t->step = "VFIO_IOMMU_SPAPR_TCE_REMOVE of the default window";
        return remove_at(t, t->info.dma32_window_start);
}

int taken_group_make_window(TakenGroup *t, struct vfio_spapr_create *args) {
        int r;

        args->argsz = sizeof(*args);
        args->levels = 1;
        t->step = "VFIO_IOMMU_SPAPR_TCE_CREATE";
        if (t->n_windows == ELEMENTSOF(t->windows))
                return -ENOSPC;
        r = probe_ioctl(t->ops, t->container, VFIO_IOMMU_SPAPR_TCE_CREATE, args);
        if (r >= 0)
                t->windows[t->n_windows++] = args->start_addr;
        return r;
}

int taken_group_remove_window(TakenGroup *t) {
        t->step = "VFIO_IOMMU_SPAPR_TCE_REMOVE";
        return t->n_windows > 0 ? remove_at(t, t->windows[--t->n_windows]) : -ENOENT;
}

void taken_group_undo(TakenGroup *t) {
        while (t->n_windows > 0)
                (void) taken_group_remove_window(t);
        if (t->attached)
                (void) probe_ioctl_number(t->ops, t->group, VFIO_GROUP_UNSET_CONTAINER, 0);
        t->attached = false;
        t->container = fd_close(t->container);
}

void probe_raise_memlock(void) {
        static const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
        struct rlimit now;

        if (setrlimit(RLIMIT_MEMLOCK, &unlimited) >= 0 || getrlimit(RLIMIT_MEMLOCK, &now) < 0)
                return;
        now.rlim_cur = now.rlim_max;
        (void) setrlimit(RLIMIT_MEMLOCK, &now);
}
