/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* IOMMU groups, the devices in them, VFIO's extensions: read from /sys, /dev and the device tree, without taking a group. The
 * directories are passed in so that a made-up tree can stand in. Does not block but on the file system. */

#include "facts.h"

/* Reads everything below sys ("/sys") and dev ("/dev"). 0 or -ENOMEM; a host without IOMMU groups or VFIO is no error, a device
 * or group that goes away while it is read is left out. *ret is untouched on failure. */
int probe_vfio(const char *sys, const char *dev, VfioFacts *ret);

/* Reads only these groups again, in ascending order; one that is gone is left out. VF counts of PFs are not in it (vfio_facts_count_vfs()). 0 and
 * an array to be freed, each by group_facts_clear(); -ENOMEM. */
int probe_vfio_groups(const char *sys, const char *dev, const unsigned *numbers, size_t n, GroupFacts **ret, size_t *ret_n);

/* How many virtual functions each physical one has. 0 or -ENOMEM. */
int vfio_facts_count_vfs(VfioFacts *f);

/* Is the device (device_facts_identity()) in this group just now? For whoever has opened /dev/vfio/N, and must know whose that is: facts may
 * be older. */
bool probe_group_has_device(const char *sys, unsigned number, const char *identity);
