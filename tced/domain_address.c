/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "domain_address.h"

int domain_complete(Domain *d, const VfioFacts *vfio, DomainError *error) {
        return 0;
}
