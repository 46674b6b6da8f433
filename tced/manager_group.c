/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Opening a group: the helper opens /dev/vfio/N, a thread of the worker attaches it to a container of its own, or to one that the caller
 * has. Only what leaves the container free for another process is done to it: attach, set the type, ask
 * (drivers/vfio/vfio_iommu_spapr_tce.c:tce_iommu_mm_set binds it on everything else). */

#include <sys/ioctl.h>
#include <sys/stat.h>

#include "error.h"
#include "kvm-abi.h"
#include "manager_internal.h"
#include "probe_vfio.h"
#include "util.h"

typedef struct GroupOpen {
        Manager *manager;
        unsigned number;
        char identity[DEVICE_IDENTITY_MAX]; /* of its first device, as it was when it was asked for */
        int group_fd, container_fd;
        bool into; /* the container is the caller's */
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

static int check_viable(GroupOpen *g) {
        struct vfio_status status = { .argsz = sizeof(status) };

        if (ioctl(g->group_fd, VFIO_GROUP_GET_STATUS, &status) < 0)
                return step_failed(g, "VFIO_GROUP_GET_STATUS");
        if (status.flags & VFIO_GROUP_STATUS_VIABLE)
                return 0;
        errno = EPERM;
        return step_failed(g, "viable");
}

/* A new container of the sPAPR type that the group takes. */
static int attach_new(GroupOpen *g) {
        static const uint32_t types[] = { VFIO_EXT_SPAPR_TCE_V2, VFIO_EXT_SPAPR_TCE };
        char path[256];

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

/* The caller's: what it is was checked when it came. Its type is set, or is the caller's to set. */
static int attach_into(GroupOpen *g) {
        return ioctl(g->group_fd, VFIO_GROUP_SET_CONTAINER, &g->container_fd) < 0 ? step_failed(g, "VFIO_GROUP_SET_CONTAINER") : 0;
}

static int attach(GroupOpen *g) {
        if (check_viable(g) < 0)
                return -1;
        return g->into ? attach_into(g) : attach_new(g);
}

/* In a thread of the worker. */
static void attach_run(void *task) {
        (void) attach(task);
}

/* What VFIO_GROUP_SET_CONTAINER on a container that has groups may answer (vfio_iommu_spapr_tce.c:tce_iommu_attach_group). The group was
 * free a moment ago, so that EBUSY is the container's. */
static void refuse_into(const GroupOpen *g, Refusal *refusal) {
        if (g->error == EBUSY)
                (void) refuse(refusal, TCED_ERROR_GROUP_BUSY,
                              "IOMMU group %u: VFIO_GROUP_SET_CONTAINER: the container has another group already, and takes no second one (type v1 has "
                              "room for one group alone); use a container of its own: Open", g->number);
        else if (g->error == EPERM)
                (void) refuse(refusal, TCED_ERROR_FAILED,
                              "IOMMU group %u: VFIO_GROUP_SET_CONTAINER: the group can't have the windows that the container has, or is of another platform "
                              "than its groups; on a partition add groups before any window is made, else use a container of its own: Open",
                              g->number);
        else
                (void) refuse(refusal, TCED_ERROR_FAILED,
                              "IOMMU group %u: VFIO_GROUP_SET_CONTAINER: %s: the container does not take it; use a container of its own: Open",
                              g->number, strerror(g->error));
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
        else if (g->into && streq(g->failed, "VFIO_GROUP_SET_CONTAINER"))
                refuse_into(g, &refusal);
        else if (g->error == EBUSY)
                (void) refuse(&refusal, TCED_ERROR_GROUP_BUSY, "IOMMU group %u: %s: it is in use; end who has it", g->number, g->failed);
        else
                (void) refuse(&refusal, TCED_ERROR_FAILED, "IOMMU group %u: %s: %s; look into the kernel's log", g->number, g->failed,
                              strerror(g->error));
        group_open_finish(g, &refusal);
}

void manager_refuse_unopened(Refusal *refusal, int error, const char *text) {
        const char *name = TCED_ERROR_FAILED;

        if (error == EBUSY)
                name = TCED_ERROR_GROUP_BUSY;
        else if (error == ENOENT)
                name = TCED_ERROR_GROUP_NOT_VIABLE;
        else if (error == EHOSTDOWN || error == ETIMEDOUT)
                name = TCED_ERROR_HELPER_UNAVAILABLE;
        (void) refuse(refusal, name, "%s", text);
}

void manager_refuse_unasked(Refusal *refusal, int error) {
        (void) refuse(refusal, TCED_ERROR_HELPER_UNAVAILABLE,
                      "tced-bind, which opens IOMMU groups, can't be reached: %s; systemctl start tced-bind.socket", strerror(-error));
}

/* What was granted was a device: the number may have become another's meanwhile, and can't any more, as long as the group is open
 * (drivers/vfio/group.c: one whose devices are gone takes no container). */
static int check_same(const GroupOpen *g, Refusal *refusal) {
        if (probe_group_has_device(g->manager->places.sys, g->number, g->identity))
                return 0;
        return refuse(refusal, TCED_ERROR_NO_SUCH_GROUP, "IOMMU group %u has no device %s any more; `tcectl groups` lists what there is",
                      g->number, g->identity);
}

static void on_group_fd(int error, const char *text, int fd, void *userdata) {
        GroupOpen *g = userdata;
        Refusal refusal;
        int r;

        if (error == 0) {
                g->group_fd = fd;
                if (check_same(g, &refusal) < 0) {
                        group_open_finish(g, &refusal);
                        return;
                }
                r = worker_submit(g->manager->worker, attach_run, on_attached, g);
                if (r >= 0)
                        return;
                (void) refuse(&refusal, TCED_ERROR_NO_MEMORY, "No memory to open IOMMU group %u; try again later", g->number);
        } else
                manager_refuse_unopened(&refusal, error, text);
        group_open_finish(g, &refusal);
}

/* container_fd: the caller's, taken over, or -EBADF for a new one. */
static void start_open(Manager *m, const GroupFacts *group, int container_fd, GroupOpenDone done, void *userdata) {
        GroupOpen *g = calloc(1, sizeof(*g));
        Refusal refusal;
        int r;

        if (!g) {
                (void) fd_close(container_fd);
                (void) refuse(&refusal, TCED_ERROR_NO_MEMORY, "No memory to open IOMMU group %u; try again later", group->number);
                done(&refusal, -EBADF, -EBADF, 0, userdata);
                return;
        }
        *g = (GroupOpen) {
                .manager = m, .number = group->number, .group_fd = -EBADF, .container_fd = container_fd, .into = container_fd >= 0, .done = done,
                .userdata = userdata,
        };
        if (group->viability != GROUP_VIABLE) {
                (void) refuse(&refusal, TCED_ERROR_GROUP_NOT_VIABLE, "IOMMU group %u: %s", group->number, group->viability_why);
                group_open_finish(g, &refusal);
                return;
        }
        (void) device_facts_identity(&group->devices[0], g->identity);
        r = helper_open_group(m->helper, group->number, on_group_fd, g);
        if (r < 0) {
                manager_refuse_unasked(&refusal, r);
                group_open_finish(g, &refusal);
        }
}

void manager_open_group(Manager *m, const GroupFacts *group, GroupOpenDone done, void *userdata) {
        start_open(m, group, -EBADF, done, userdata);
}

/* Is it open on what stands at /dev/vfio/vfio? Of a device the number counts, as the caller may have a /dev of its own. */
static bool is_container(const Manager *m, int fd) {
        struct stat container, st;
        char path[256];

        (void) snprintf(path, sizeof(path), "%s/vfio/vfio", m->places.dev);
        if (stat(path, &container) < 0 || fstat(fd, &st) < 0 || (st.st_mode & S_IFMT) != (container.st_mode & S_IFMT))
                return false;
        if (S_ISCHR(st.st_mode))
                return st.st_rdev == container.st_rdev;
        return st.st_dev == container.st_dev && st.st_ino == container.st_ino;
}

void manager_open_group_into(Manager *m, const GroupFacts *group, int container_fd, GroupOpenDone done, void *userdata) {
        Refusal refusal;
        int fd = is_container(m, container_fd) ? fd_dup(container_fd) : -EINVAL;

        if (fd >= 0) {
                start_open(m, group, fd, done, userdata);
                return;
        }
        if (fd == -EINVAL)
                (void) refuse(&refusal, TCED_ERROR_INVALID_ARGUMENT, "The container for IOMMU group %u is no fd of /dev/vfio/vfio; pass one that "
                              "Open gave, or that you opened there", group->number);
        else
                (void) refuse(&refusal, TCED_ERROR_FAILED, "The container for IOMMU group %u can't be taken: %s; see LimitNOFILE= of tced.service",
                              group->number, strerror(-fd));
        done(&refusal, -EBADF, -EBADF, 0, userdata);
}
