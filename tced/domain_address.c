/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The order in which libvirt fills a domain in. What each step does is in a file of its own. */

#include "domain_address.h"

#include "domain_completion.h"
#include "util.h"

static int compare_controllers(const void *a, const void *b) {
        const DomainController *x = a, *y = b;

        return (x->index > y->index) - (x->index < y->index);
}

/* virDomainDefPostParse() (src/conf/domain_postparse.c; 9.0: domain_conf.c) and what it calls, then qemuAssignDeviceAliases().
 * SCSI host devices have their controllers as soon as they are read, before others without an index get one. */
static int (*const steps[])(Completion *) = {
        alias_drop,
        drives_sort,
        controllers_list,
        drives_add_hostdev_controllers,
        controllers_assign_indexes,
        defaults_add,
        drives_assign,
        controllers_check_duplicates,
        defaults_add_implied,
        ports_assign,
        defaults_connect,
        vio_assign,
        pci_assign,
        alias_assign,
};

int domain_complete(Domain *d, const VfioFacts *vfio, DomainError *error) {
        DomainError unused;
        Completion c = { .domain = d, .vfio = vfio, .error = error ? error : &unused };
        int r = 0;

        for (size_t i = 0; d->pseries && r >= 0 && i < ELEMENTSOF(steps); i++)
                r = steps[i](&c);
        free(c.list);
        /* The list counted them in the order in which they came. */
        if (r >= 0 && d->pseries && d->n_controllers > 0)
                qsort(d->controllers, d->n_controllers, sizeof(*d->controllers), compare_controllers);
        return r < 0 ? r : 0;
}
