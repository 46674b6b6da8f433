/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Opening a group: the helper opens /dev/vfio/N, a thread of the worker attaches it to a container of its own. Only what leaves the
 * container free for another process is done to it: attach, set the type, ask
 * (drivers/vfio/vfio_iommu_spapr_tce.c:tce_iommu_mm_set binds it on everything else). */

#include <sys/ioctl.h>

#include "error.h"
#include "kvm-abi.h"
#include "manager_internal.h"
#include "util.h"

typedef struct GroupOpen {
        Manager *manager;
        unsigned number;
        int group_fd, container_fd;
        uint32_t iommu_type;
        const char *failed; /* the step that went wrong, with `error` */
        int error;
        GroupOpenDone done;
        void *userdata;
} GroupOpen;

static void group_open_finish(GroupOpen *g, const Refusal *refusal) {
        g->done(refusal, g->container_fd, g->group_fd, g->iommu_type, g->userdata);
        (void) fd_close(g->container_fd);
        (void) fd_close(g->group_fd);
        free(g);
}

static int step_failed(GroupOpen *g, const char *step) {
        g->failed = step;
        g->error = errno;
        return -1;
}

static int attach(GroupOpen *g) {
        static const uint32_t types[] = { VFIO_EXT_SPAPR_TCE_V2, VFIO_EXT_SPAPR_TCE };
        struct vfio_status status = { .argsz = sizeof(status) };
        char path[256];

        if (ioctl(g->group_fd, VFIO_GROUP_GET_STATUS, &status) < 0)
                return step_failed(g, "VFIO_GROUP_GET_STATUS");
        if (!(status.flags & VFIO_GROUP_STATUS_VIABLE)) {
                errno = EPERM;
                return step_failed(g, "viable");
        }
        (void) snprintf(path, sizeof(path), "%s/vfio/vfio", g->manager->places.dev);
        g->container_fd = open(path, O_RDWR | O_CLOEXEC);
        if (g->container_fd < 0)
                return step_failed(g, "opening /dev/vfio/vfio");
        if (ioctl(g->group_fd, VFIO_GROUP_SET_CONTAINER, &g->container_fd) < 0)
                return step_failed(g, "VFIO_GROUP_SET_CONTAINER");
        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (ioctl(g->container_fd, VFIO_SET_IOMMU, (unsigned long) types[i]) == 0) {
                        g->iommu_type = types[i];
                        return 0;
                }
        return step_failed(g, "VFIO_SET_IOMMU");
}

/* In a thread of the worker. */
static void attach_run(void *task) {
        (void) attach(task);
}

static void on_attached(void *task) {
        GroupOpen *g = task;
        Refusal refusal;

        if (!g->failed) {
                group_open_finish(g, NULL);
                return;
        }
        if (streq(g->failed, "viable"))
                (void) refuse(&refusal, TCED_ERROR_GROUP_NOT_VIABLE,
                              "IOMMU group %u: a device of it is still on a host driver; bind the whole group to vfio-pci", g->number);
        else if (g->error == EBUSY)
                (void) refuse(&refusal, TCED_ERROR_GROUP_BUSY, "IOMMU group %u: %s: it is in use; end who has it", g->number, g->failed);
        else
                (void) refuse(&refusal, TCED_ERROR_FAILED, "IOMMU group %u: %s: %s; look into the kernel's log", g->number, g->failed,
                              strerror(g->error));
        group_open_finish(g, &refusal);
}

static void on_group_fd(int error, const char *text, int fd, void *userdata) {
        GroupOpen *g = userdata;
        Refusal refusal;
        int r;

        if (error == 0) {
                g->group_fd = fd;
                r = worker_submit(g->manager->worker, attach_run, on_attached, g);
                if (r >= 0)
                        return;
                (void) refuse(&refusal, TCED_ERROR_NO_MEMORY, "No memory to open IOMMU group %u; try again later", g->number);
        } else if (error == EBUSY)
                (void) refuse(&refusal, TCED_ERROR_GROUP_BUSY, "%s", text);
        else if (error == ENOENT)
                (void) refuse(&refusal, TCED_ERROR_GROUP_NOT_VIABLE, "%s", text);
        else if (error == EHOSTDOWN || error == ETIMEDOUT)
                (void) refuse(&refusal, TCED_ERROR_HELPER_UNAVAILABLE, "%s", text);
        else
                (void) refuse(&refusal, TCED_ERROR_FAILED, "%s", text);
        group_open_finish(g, &refusal);
}

void manager_open_group(Manager *m, const GroupFacts *group, GroupOpenDone done, void *userdata) {
        GroupOpen *g;
        Refusal refusal;
        int r;

        if (group->viability != GROUP_VIABLE) {
                (void) refuse(&refusal, TCED_ERROR_GROUP_NOT_VIABLE, "IOMMU group %u: %s", group->number, group->viability_why);
                done(&refusal, -EBADF, -EBADF, 0, userdata);
                return;
        }
        g = calloc(1, sizeof(*g));
        if (!g) {
                (void) refuse(&refusal, TCED_ERROR_NO_MEMORY, "No memory to open IOMMU group %u; try again later", group->number);
                done(&refusal, -EBADF, -EBADF, 0, userdata);
                return;
        }
        *g = (GroupOpen) {
                .manager = m, .number = group->number, .group_fd = -EBADF, .container_fd = -EBADF, .done = done, .userdata = userdata,
        };
        r = helper_open_group(m->helper, group->number, on_group_fd, g);
        if (r < 0) {
                (void) refuse(&refusal, TCED_ERROR_HELPER_UNAVAILABLE,
                              "tced-bind, which opens IOMMU groups, can't be reached: %s; systemctl start tced-bind.socket", strerror(-r));
                group_open_finish(g, &refusal);
        }
}
