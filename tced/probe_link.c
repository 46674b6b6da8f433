/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The proof of KVM_CAP_SPAPR_TCE_VFIO: a table of a VM of our own is linked to an idle IOMMU group, and all is undone.
 *
 * Order matters. The window comes before the link (virt/kvm/vfio.c:kvm_vfio_group_set_spapr_tce gives EINVAL without), and the
 * group is added to KVM last, when nothing but the link can fail any more: a group that is removed and was never linked makes
 * the kernel WARN (kvm_spapr_tce_release_vfio_group). Undone backwards, KVM first. From the first window on the container obeys
 * this process alone (vfio_iommu_spapr_tce.c:tce_iommu_mm_set). */

#include "kvm-abi.h"
#include "probe_calls.h"
#include "probe_take.h"
#include "tce.h"
#include "util.h"

/* How far it got: what is set or open has to be undone. */
typedef struct LinkProbe {
        const KvmOps *ops;
        TakenGroup taken;
        int kvm, vm, table, device;
        bool added;
        struct vfio_spapr_create window;
        const char *step; /* what was tried last: the one that failed */
} LinkProbe;

/* value: where the fd, or the pair of fds, stands. */
static int group_attribute(LinkProbe *p, uint64_t attribute, void *value) {
        struct kvm_attribute a = { .group = KVM_VFIO_ATTR_GROUP, .attr = attribute, .addr = (uintptr_t) value };
        return probe_ioctl(p->ops, p->device, KVM_SET_DEVICE_ATTR, &a);
}

/* Whatever fails here is only passed over: closing the fds undoes the same, and the child ends. */
static void link_probe_undo(LinkProbe *p) {
        if (p->added)
                (void) group_attribute(p, KVM_VFIO_GROUP_DEL, &p->taken.group);
        p->table = fd_close(p->table);
        p->device = fd_close(p->device);
        p->vm = fd_close(p->vm);
        p->kvm = fd_close(p->kvm);
        taken_group_undo(&p->taken);
}

/* The group with a window of the default one's place and size: the one that every platform can make. */
static int take_group(LinkProbe *p, const char *dev) {
        int r = taken_group_attach(&p->taken, dev, false);

        if (r >= 0)
                r = taken_group_drop_default(&p->taken);
        if (r >= 0) {
                p->window = (struct vfio_spapr_create){
                        .page_shift = TCE_PAGE_SHIFT_MIN, .window_size = p->taken.info.dma32_window_size,
                };
                r = taken_group_make_window(&p->taken, &p->window);
        }
        p->step = p->taken.step;
        return r;
}

/* The VM, a table like the window, and KVM's VFIO device. */
static int make_vm(LinkProbe *p, const char *dev) {
        struct kvm_new_device device = { .type = KVM_DEVICE_TYPE_VFIO };
        struct kvm_spapr_tce_64 table = {
                .liobn = PROBE_LIOBN,
                .page_shift = p->window.page_shift,
                .offset = p->window.start_addr >> p->window.page_shift,
                .size = p->window.window_size >> p->window.page_shift,
        };
        int r;

        p->step = "opening kvm";
        p->kvm = probe_open(p->ops, dev, "kvm");
        if (p->kvm < 0)
                return p->kvm;
        p->step = "KVM_CREATE_VM";
        p->vm = probe_create_vm(p->ops, p->kvm, KVM_VM_TYPE_ANY);
        if (p->vm < 0)
                return p->vm;
        p->step = "KVM_CREATE_SPAPR_TCE_64";
        p->table = probe_ioctl(p->ops, p->vm, KVM_CREATE_SPAPR_TCE_64, &table);
        if (p->table < 0)
                return p->table;
        p->step = "KVM_CREATE_DEVICE, VFIO";
        r = probe_ioctl(p->ops, p->vm, KVM_CREATE_DEVICE, &device);
        if (r >= 0)
                p->device = (int) device.fd;
        return r;
}

/* A link that is refused has still noted the group, so that its removal does not WARN. */
static int link_group(LinkProbe *p) {
        struct kvm_vfio_link link = { .groupfd = p->taken.group, .tablefd = p->table };
        int r;

        p->step = "KVM_DEV_VFIO_GROUP_ADD";
        r = group_attribute(p, KVM_VFIO_GROUP_ADD, &p->taken.group);
        if (r < 0)
                return r;
        p->added = true;
        p->step = "KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE";
        return group_attribute(p, KVM_VFIO_GROUP_SET_SPAPR_TCE, &link);
}

void probe_kvm_prove_vfio(const KvmOps *ops, const char *dev, int group_fd, unsigned group, KvmFacts *facts) {
        _cleanup_(link_probe_undo) LinkProbe p = {
                .ops = ops,
                .taken = TAKEN_GROUP_INIT(ops, group_fd),
                .kvm = -EBADF,
                .vm = -EBADF,
                .table = -EBADF,
                .device = -EBADF,
        };
        Outcome *o = &facts->capability[KVM_CAPABILITY_TCE_VFIO].proven;
        char text[WHY_MAX];
        bool prepared;
        int r;

        probe_raise_memlock();
        r = take_group(&p, dev);
        if (r >= 0)
                r = make_vm(&p, dev);
        prepared = r >= 0;
        if (r >= 0)
                r = link_group(&p);
        (void) snprintf(text, sizeof(text), "group %u: %s", group, p.step);
        if (r >= 0)
                outcome_set(o, PROOF_YES, "linked IOMMU group %u to a table of a VM: window at %#llx, %llu MiB", group,
                            (unsigned long long) p.window.start_addr, (unsigned long long) p.window.window_size >> 20);
        else if (prepared)
                outcome_failed(o, text, r);
        else
                /* It was this group, or VFIO, that would not: nothing is said about KVM by that. */
                outcome_set(o, PROOF_UNKNOWN, "%.96s: %s%s", text, strerror(-r),
                            r == -ENOMEM ? " (raise tced's LimitMEMLOCK=)" : "");
}
