/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "adapter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm-abi.h"
#include "tce.h"
#include "util.h"

/* So long may the VM's start wait for tced, and one of its vCPUs later. */
#define START_LIMIT_USEC UINT64_C(500000)
#define RUN_LIMIT_USEC UINT64_C(50000)

/* linux/kvm.h: KVM_CREATE_DEVICE_TEST */
#define KVM_DEVICE_ONLY_TEST 1U
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* One line on QEMU's standard error, which libvirt keeps in the VM's log. */
static void _printf_(2, 3) say(const Adapter *a, const char *format, ...) {
        char line[512];
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(line, sizeof(line), format, ap);
        va_end(ap);
        if (n > 0)
                (void) dprintf(a->log_fd, "tced: %s\n", line);
}

void adapter_init(Adapter *a, NextIoctl next, const char *name, const char *address) {
        *a = (Adapter) {
                .next = next,
                .session = { .name = isempty(name) ? NULL : name, .address = isempty(address) ? NULL : address },
                .lock = PTHREAD_MUTEX_INITIALIZER,
                .vm_fd = -1,
                .vfio_fd = -1,
                .log_fd = STDERR_FILENO,
        };
}

void adapter_done(Adapter *a) {
        session_clear(&a->session);
}

static uint64_t limit(const Adapter *a) {
        return __atomic_load_n(&a->running, __ATOMIC_RELAXED) ? RUN_LIMIT_USEC : START_LIMIT_USEC;
}

/* ---- The VM ---- */

static void on_vm_created(Adapter *a, int fd) {
        int r;

        a->vm_fd = fd;
        if (a->session.has_plan)
                return;
        r = session_start(&a->session, START_LIMIT_USEC);
        if (r < 0)
                say(a, "machine %s: %s; the VM's tables go where QEMU puts them", a->session.name, a->session.error);
}

static int enable_capability(Adapter *a, int fd, unsigned long request, void *argument) {
        const struct kvm_enable_capability *cap = argument;

        if (a->session.has_plan && !a->session.multitce && cap->cap == KVM_CAP_PPC_ENABLE_HCALL && cap->args[1] != 0 &&
            (cap->args[0] == H_PUT_TCE_INDIRECT || cap->args[0] == H_STUFF_TCE)) {
                errno = EINVAL;
                return -1;
        }
        return a->next(fd, request, argument);
}

/* ---- Tables ---- */

static bool is_same_phb(uint32_t a, uint32_t b) {
        return a == b || ((a & UINT32_C(0x80000000)) && ((a ^ b) & ~UINT32_C(0xff)) == 0);
}

static struct tced_planned *find_planned(Adapter *a, const struct tced_planned *w) {
        for (size_t i = 0; i < a->session.n_plan; i++) {
                struct tced_planned *p = &a->session.plan[i];

                if (!p->dynamic && p->liobn == w->liobn && p->page_shift == w->page_shift && p->bus_offset == w->bus_offset &&
                    p->entries == w->entries)
                        return p;
        }
        return NULL;
}

/* What the plan says of the window, or of its PHB; NULL: nothing. */
static const struct tced_planned *find_nearest(const Adapter *a, const struct tced_planned *w) {
        const struct tced_planned *found = NULL;

        for (size_t i = 0; i < a->session.n_plan; i++) {
                const struct tced_planned *p = &a->session.plan[i];

                if (p->liobn == w->liobn && p->page_shift == w->page_shift && p->bus_offset == w->bus_offset)
                        return p;
                if (!found && is_same_phb(p->liobn, w->liobn))
                        found = p;
        }
        return found;
}

static bool is_user(const char *placement) {
        return streq(placement, "user");
}

/* A table as tced would make it. -1 and errno. */
static int make_own(const struct tced_planned *w) {
        const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
        uint64_t page = (uint64_t) sysconf(_SC_PAGESIZE), bytes;
        _cleanup_fd_ int fd = -EBADF;
        char name[32];

        if (w->entries == 0 || w->entries >= TCE_ENTRIES_LIMIT) {
                errno = EINVAL;
                return -1;
        }
        bytes = (tce_table_bytes(w->entries) + page - 1) / page * page;
        (void) snprintf(name, sizeof(name), "tced:own-%08x", w->liobn);
        fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);
        if (fd < 0 && errno == EINVAL)
                fd = memfd_create(name, flags);
        if (fd < 0 || ftruncate(fd, (off_t) bytes) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
                return -1;
        return TAKE_FD(fd);
}

/* Once, until tced is there again. */
static void say_away(Adapter *a, const struct tced_planned *w, const char *what) {
        if (!a->told_away)
                say(a, "machine %s: window %08x: %s; %s", a->session.name, w->liobn, a->session.error, what);
        a->told_away = true;
}

/* Where the window goes: tced's word; where that can't be had, the plan's. *ret_fd: the memfd, or -1: it is the kernel's to make. -1 and
 * errno where it is for the VMM and can't be. */
static int place_window(Adapter *a, const struct tced_planned *w, struct tced_planned **ret_planned, int *ret_fd) {
        struct tced_planned *planned = find_planned(a, w), answer = *w;
        const struct tced_planned *near;
        int r;

        *ret_planned = planned;
        *ret_fd = -1;
        if (planned && !is_user(planned->placement))
                return 0;
        if (planned && planned->fd >= 0) {
                *ret_fd = planned->fd;
                planned->fd = -1;
                return 0;
        }
        r = session_open_window(&a->session, w, 0, limit(a), &answer.placement, ret_fd);
        if (r >= 0) {
                a->told_away = false;
                (void) session_keep(&a->session, &answer);
                return 0;
        }
        near = find_nearest(a, w);
        if (!near || !is_user(near->placement)) {
                say_away(a, w, "its table goes where QEMU puts it");
                return 0;
        }
        say_away(a, w, "its table is made in QEMU, as planned");
        *ret_fd = make_own(w);
        return *ret_fd < 0 ? -1 : 0;
}

/* The kernel would not have it. QEMU would go on with a table of its own, but with VFIO it would end: a memfd in its place serves both. Not
 * where the VM has that LIOBN, or isn't QEMU's any more. */
static int replace_refused(Adapter *a, const struct tced_planned *w, const struct tced_planned *planned, int error) {
        const char *placement;
        int fd = -1, r;

        if (error == EBUSY || error == EIO || error == EFAULT || (planned && planned->must_be_kernel)) {
                errno = error;
                return -1;
        }
        r = session_open_window(&a->session, w, error, limit(a), &placement, &fd);
        if (r == -EOPNOTSUPP || r == -EINVAL || r == -EFBIG || r == -EDQUOT) {
                say(a, "window %08x: the kernel refused its table: %s; %s", w->liobn, strerrordesc_np(error), a->session.error);
                errno = error;
                return -1;
        }
        if (r < 0)
                fd = make_own(w);
        if (fd < 0) {
                errno = error;
                return -1;
        }
        say(a, "window %08x: the kernel refused its table: %s%s; it is in QEMU now, and its hypercalls exit", w->liobn, strerrordesc_np(error),
            error == ENOMEM ? " (mostly RLIMIT_MEMLOCK; <memtune><hard_limit> raises it)" : "");
        return fd;
}

static int create_table(Adapter *a, int fd, unsigned long request, void *argument, const struct tced_planned *w) {
        struct tced_planned *planned;
        int table, r;

        if (!a->session.has_plan)
                return a->next(fd, request, argument);
        if (place_window(a, w, &planned, &table) < 0)
                return -1;
        if (table >= 0)
                return table;
        r = a->next(fd, request, argument);
        if (r < 0)
                return replace_refused(a, w, planned, errno);
        if (planned && streq(planned->placement, "kernel"))
                session_report(&a->session, w->liobn, planned->placement);
        return r;
}

/* ---- KVM's VFIO device ---- */

/* Where the group's fd is among those that wait; n_pending: it does not. */
static size_t find_pending(const Adapter *a, int group) {
        size_t i = 0;

        while (i < a->n_pending && a->pending[i] != group)
                i++;
        return i;
}

static void forget_pending(Adapter *a, size_t i) {
        a->pending[i] = a->pending[--a->n_pending];
}

static int link_table(Adapter *a, int fd, unsigned long request, void *argument, const struct kvm_attribute *attribute) {
        const struct kvm_vfio_link *link = (const void *) (uintptr_t) attribute->addr;
        size_t i = find_pending(a, link->groupfd);

        /* Only a memfd has seals; a table of KVM's answers EINVAL. */
        if (fcntl(link->tablefd, F_GET_SEALS) >= 0)
                return 0;
        if (i < a->n_pending) {
                int32_t group = link->groupfd;
                struct kvm_attribute add = {
                        .group = KVM_VFIO_ATTR_GROUP, .attr = KVM_VFIO_GROUP_ADD, .addr = (uint64_t) (uintptr_t) &group,
                };

                if (a->next(fd, KVM_SET_DEVICE_ATTR, &add) < 0)
                        return -1;
                forget_pending(a, i);
        }
        return a->next(fd, request, argument);
}

static int set_attribute(Adapter *a, int fd, unsigned long request, void *argument) {
        const struct kvm_attribute *attribute = argument;
        int32_t group;
        size_t i;

        if (!a->session.has_plan || attribute->group != KVM_VFIO_ATTR_GROUP || attribute->addr == 0)
                return a->next(fd, request, argument);
        switch (attribute->attr) {
        case KVM_VFIO_GROUP_ADD:
                memcpy(&group, (const void *) (uintptr_t) attribute->addr, sizeof(group));
                /* One that waits by this number was closed without a word: it is this one's now. */
                if (find_pending(a, group) < a->n_pending)
                        return 0;
                if (fcntl(group, F_GETFD) < 0 || a->n_pending == ADAPTER_GROUPS_MAX)
                        return a->next(fd, request, argument);
                a->pending[a->n_pending++] = group;
                return 0;
        case KVM_VFIO_GROUP_DEL:
                memcpy(&group, (const void *) (uintptr_t) attribute->addr, sizeof(group));
                i = find_pending(a, group);
                if (i == a->n_pending)
                        return a->next(fd, request, argument);
                forget_pending(a, i);
                return 0;
        case KVM_VFIO_GROUP_SET_SPAPR_TCE:
                return link_table(a, fd, request, argument, attribute);
        default:
                return a->next(fd, request, argument);
        }
}

static int create_device(Adapter *a, int fd, unsigned long request, void *argument) {
        const struct kvm_new_device *device = argument;
        int r = a->next(fd, request, argument);

        if (r >= 0 && device->type == KVM_DEVICE_TYPE_VFIO && !(device->flags & KVM_DEVICE_ONLY_TEST))
                a->vfio_fd = (int) device->fd;
        return r;
}

/* ---- Which of them ---- */

static int with_lock(Adapter *a, int fd, unsigned long request, void *argument) {
        const struct kvm_spapr_tce_64 *new = argument;
        const struct kvm_spapr_tce *old = argument;
        struct tced_planned w = { .group = -1, .fd = -1, .placement = "" };
        int r;

        switch (request) {
        case KVM_CREATE_VM:
                r = a->next(fd, request, argument);
                if (r >= 0)
                        on_vm_created(a, r);
                return r;
        case KVM_CREATE_DEVICE:
                return fd == a->vm_fd ? create_device(a, fd, request, argument) : a->next(fd, request, argument);
        case KVM_SET_DEVICE_ATTR:
                return fd == a->vfio_fd ? set_attribute(a, fd, request, argument) : a->next(fd, request, argument);
        case KVM_ENABLE_CAP:
                return fd == a->vm_fd ? enable_capability(a, fd, request, argument) : a->next(fd, request, argument);
        case KVM_CREATE_SPAPR_TCE_64:
                if (fd != a->vm_fd || new->liobn > UINT32_MAX || new->page_shift > TCE_PAGE_SHIFT_MAX || new->flags != 0)
                        break;
                w.liobn = (uint32_t) new->liobn;
                w.page_shift = new->page_shift;
                w.bus_offset = new->offset << new->page_shift;
                w.entries = new->size;
                return create_table(a, fd, request, argument, &w);
        case KVM_CREATE_SPAPR_TCE:
                if (fd != a->vm_fd || old->liobn > UINT32_MAX)
                        break;
                w.liobn = (uint32_t) old->liobn;
                w.page_shift = TCE_PAGE_SHIFT_MIN;
                w.entries = old->window_size >> TCE_PAGE_SHIFT_MIN;
                return create_table(a, fd, request, argument, &w);
        default:
                break;
        }
        return a->next(fd, request, argument);
}

int adapter_ioctl(Adapter *a, int fd, unsigned long request, void *argument) {
        int r, error;

        /* As glibc's ioctl() has it: the number's upper half, where it was extended with its sign, is no part of it. */
        request = (uint32_t) request;
        if (request == KVM_RUN && !__atomic_load_n(&a->running, __ATOMIC_RELAXED))
                __atomic_store_n(&a->running, true, __ATOMIC_RELAXED);
        if (!a->session.name ||
            (request != KVM_CREATE_VM && request != KVM_CREATE_DEVICE && request != KVM_SET_DEVICE_ATTR && request != KVM_ENABLE_CAP &&
             request != KVM_CREATE_SPAPR_TCE && request != KVM_CREATE_SPAPR_TCE_64))
                return a->next(fd, request, argument);
        (void) pthread_mutex_lock(&a->lock);
        r = with_lock(a, fd, request, argument);
        error = errno;
        (void) pthread_mutex_unlock(&a->lock);
        errno = error;
        return r;
}
