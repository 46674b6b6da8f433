/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What windows an idle IOMMU group can have, by taking it: VFIO is asked, and a 64-bit window is made and removed. */

#include "probe_kvm.h"

/* The group's fd is the caller's; the kernel gives its one open file of the group to nobody else meanwhile. Everything is undone, and
 * what locked memory it took goes with the process, to which the container is bound: only in a child.
 *
 * 0: *ret says what was shown. Negative errno: the group could not be taken (-EBUSY: another has it; -EPERM: it is not viable;
 * -EOPNOTSUPP: this VFIO knows no sPAPR windows), and *ret has nothing but why. */
int probe_ddw(const KvmOps *ops, const char *dev, int group_fd, const GroupFacts *group, WindowProof *ret);
