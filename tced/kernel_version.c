/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What kernel_version.h declares: "6.12.107+deb13-powerpc64le-64k", "7.3.0-rc7", "#1 SMP Debian 6.1.176-1 (2026-06-01)". */

#include "kernel_version.h"

#include "util.h"

#define DEBIAN_PREFIX "Debian "

/* The number at *p, or false; *p then stands behind it. More than six digits are no part of a version. */
static bool take_number(const char **p, unsigned *ret) {
        unsigned value = 0, digits = 0;

        for (; **p >= '0' && **p <= '9'; (*p)++, digits++) {
                if (digits == 6)
                        return false;
                value = value * 10 + (unsigned) (**p - '0');
        }
        *ret = value;
        return digits > 0;
}

/* At the start of a text; what stands behind the version is left alone. */
static int version_from_text(const char *text, KernelVersion *ret) {
        KernelVersion v = {};

        if (!take_number(&text, &v.major) || *text++ != '.' || !take_number(&text, &v.minor))
                return -EINVAL;
        if (*text == '.') {
                text++;
                if (!take_number(&text, &v.patch))
                        return -EINVAL;
        }
        /* "-rc7" upstream, "~rc7" in a package's version, where a tilde sorts before the release. */
        if ((*text == '-' || *text == '~') && strncmp(text + 1, "rc", 2) == 0) {
                text += 3;
                if (!take_number(&text, &v.rc))
                        return -EINVAL;
        }
        *ret = v;
        return 0;
}

/* uname -v first: a release of Debian 12 says nothing of the stable release that is in it. */
int kernel_version_parse(const char *release, const char *version, KernelVersion *ret) {
        const char *debian = version ? strstr(version, DEBIAN_PREFIX) : NULL;

        if (debian && version_from_text(debian + strlen(DEBIAN_PREFIX), ret) == 0)
                return 0;
        return release ? version_from_text(release, ret) : -EINVAL;
}

int kernel_version_compare(const KernelVersion *a, const KernelVersion *b) {
        const unsigned pairs[][2] = {
                { a->major, b->major },
                { a->minor, b->minor },
                { a->patch, b->patch },
                /* A release follows all of its candidates; 0 - 1 is the greatest number. */
                { a->rc - 1, b->rc - 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(pairs); i++)
                if (pairs[i][0] != pairs[i][1])
                        return pairs[i][0] < pairs[i][1] ? -1 : 1;
        return 0;
}
