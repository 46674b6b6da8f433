/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A kernel's upstream version from uname, for the few facts that only the version tells. Pure. */

#include <stdbool.h>

typedef struct KernelVersion {
        unsigned major, minor, patch;
        unsigned rc; /* 7.3-rc7: 7; 0: a release */
} KernelVersion;

/* From `uname -r`, or from the Debian package's version where `uname -v` has one: Debian 12 calls all of its kernels 6.1.0-N.
 * 0, or -EINVAL where there is no version in either. */
int kernel_version_parse(const char *release, const char *version, KernelVersion *ret);

/* Below zero, zero, above: as strcmp(). 7.3-rc7 comes before 7.3. */
int kernel_version_compare(const KernelVersion *a, const KernelVersion *b);
