/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The proof of 64-bit DMA windows. What the device tree and GET_INFO promise a partition's kernel may be unable to keep: a device that
 * once failed to get a window gets none until the next boot (arch/powerpc/platforms/pseries/iommu.c:failed_ddw_pdn_list).
 *
 * That list is also why nothing is tried that is known to fail: a CREATE which the firmware refuses puts the group on it, and takes
 * from VFIO the default window as well. */

#include "probe_ddw.h"

#include "probe_calls.h"
#include "probe_take.h"
#include "tce.h"
#include "util.h"

/* Entries of a window that is made to see whether it can be: 4 KiB of TCEs, which is next to nothing of locked memory. */
#define ENTRIES UINT64_C(512)
/* Larger pages need guest memory in pages as large: guests take these at most, and firmware may offer more than it has memory for. */
#define PAGE_SHIFT_MOST 24U
#define ABOVE_4G (UINT64_C(1) << 32)

/* Nothing can be made: is that all there is to say? */
static bool none_offered(const TakenGroup *t, const GroupFacts *group, WindowProof *p) {
        if (t->type != VFIO_EXT_SPAPR_TCE_V2)
                outcome_set(&p->ddw, PROOF_NO, "VFIO takes group %u as sPAPR v1 alone, which has the default window and no other (sPAPR v2: %s)",
                            group->number, strerror(-t->v2_error));
        else if (!(t->info.flags & VFIO_SPAPR_INFO_DDW) || p->page_sizes == 0)
                outcome_set(&p->ddw, PROOF_NO, "VFIO offers no 64-bit windows for group %u", group->number);
        else if (p->max_windows == 0)
                outcome_set(&p->ddw, PROOF_NO, "the firmware makes no 64-bit windows for group %u", group->number);
        else
                return false;
        return true;
}

/* The kernel tells -1 where the firmware makes none (arch/powerpc/platforms/pseries/iommu.c, max_dynamic_windows_supported); the
 * device tree has no ibm,ddw-applicable then. */
static uint32_t count_windows(const struct vfio_spapr_info *info, const GroupFacts *group) {
        uint32_t told = info->max_dynamic_windows_supported;

        if (told == UINT32_MAX || group->ddw == 0)
                return 0;
        return told < TAKEN_WINDOWS_MAX ? told : TAKEN_WINDOWS_MAX;
}

/* Where two windows can be, the second is the 64-bit one (bare metal places them by their turn): the first is of the default one's
 * kind, small. Where there is room for one alone, that one is it. */
static int make_low_window(TakenGroup *t) {
        struct vfio_spapr_create low = { .page_shift = TCE_PAGE_SHIFT_MIN, .window_size = ENTRIES << TCE_PAGE_SHIFT_MIN };
        return taken_group_make_window(t, &low);
}

/* Of the largest pages that are taken. The kernel answers EINVAL alone where a smaller one might do. */
static int make_high_window(TakenGroup *t, uint64_t page_sizes, struct vfio_spapr_create *ret) {
        int r = -EINVAL;

        for (uint32_t shift = PAGE_SHIFT_MOST; r == -EINVAL && shift >= TCE_PAGE_SHIFT_MIN; shift--) {
                if (!(page_sizes & UINT64_C(1) << shift))
                        continue;
                *ret = (struct vfio_spapr_create){ .page_shift = shift, .window_size = ENTRIES << shift };
                r = taken_group_make_window(t, ret);
        }
        return r;
}

static void prove(TakenGroup *t, const GroupFacts *group, WindowProof *p) {
        struct vfio_spapr_create high = {};
        const char *what = "";
        char text[128];
        int r;

        r = taken_group_drop_default(t);
        if (r >= 0 && p->max_windows > 1) {
                what = " of a 32-bit window";
                r = make_low_window(t);
        }
        if (r >= 0) {
                what = " of a 64-bit window";
                r = make_high_window(t, p->page_sizes, &high);
        }
        if (r >= 0 && high.start_addr < ABOVE_4G) {
                outcome_set(&p->ddw, PROOF_NO, "group %u: the window that was to be a 64-bit one is at %#llx", group->number,
                            (unsigned long long) high.start_addr);
                return;
        }
        if (r >= 0)
                r = taken_group_remove_window(t);
        if (r >= 0) {
                outcome_set(&p->ddw, PROOF_YES, "made a window of %llu MiB in pages of %llu KiB at %#llx, and removed it",
                            (unsigned long long) high.window_size >> 20, 1ULL << high.page_shift >> 10,
                            (unsigned long long) high.start_addr);
                return;
        }
        (void) snprintf(text, sizeof(text), "group %u: %s%s", group->number, t->step, what);
        outcome_failed(&p->ddw, text, r);
        if (r == -ENOMEM)
                outcome_set(&p->ddw, PROOF_UNKNOWN, "%s: %s (raise tced's LimitMEMLOCK=)", text, strerror(-r));
}

/* Why the group can't be taken. */
static void set_not_taken(const TakenGroup *t, const GroupFacts *group, int error, Outcome *o) {
        if (error == -EOPNOTSUPP)
                outcome_set(o, PROOF_UNKNOWN, "this host's VFIO has no TCE windows (%s: no): on POWER modprobe vfio_iommu_spapr_tce; "
                            "other machines have none", t->step);
        else
                outcome_set(o, PROOF_UNKNOWN, "group %u: %s: %s", group->number, t->step, strerror(-error));
}

int probe_ddw(const KvmOps *ops, const char *dev, int group_fd, const GroupFacts *group, WindowProof *ret) {
        _cleanup_(taken_group_undo) TakenGroup t = TAKEN_GROUP_INIT(ops, group_fd);
        WindowProof p = {};
        int r;

        probe_raise_memlock();
        r = taken_group_attach(&t, dev, true);
        if (r < 0) {
                set_not_taken(&t, group, r, &ret->ddw);
                return r;
        }
        p.dma32_start = t.info.dma32_window_start;
        p.dma32_size = t.info.dma32_window_size;
        if (t.type == VFIO_EXT_SPAPR_TCE_V2 && t.info.flags & VFIO_SPAPR_INFO_DDW) {
                p.page_sizes = t.info.pgsizes;
                p.levels = t.info.levels;
                p.max_windows = count_windows(&t.info, group);
        }
        if (!none_offered(&t, group, &p))
                prove(&t, group, &p);
        *ret = p;
        return 0;
}
