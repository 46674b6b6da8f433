/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "domain.h"

void domain_clear(Domain *d) {
        *d = (Domain) {};
}
