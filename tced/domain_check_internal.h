/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the parts of domain_check.c share, and what domain_fix.c asks so that it gives what a remedy advised. */

#include "domain_check.h"
#include "domain_phb.h"

/* A function of the host that the domain takes. */
typedef struct Given {
        const DomainDevice *device;
        size_t at;               /* of the domain's devices */
        const GroupFacts *group; /* NULL: the host has it not */
        char address[64];        /* as sysfs names it */
} Given;

typedef struct Check {
        DomainPlan *plan;
        const PlanHost *host;
        PolicyFacts facts;
        bool power;     /* the host is a POWER host */
        bool elsewhere; /* a domain for KVM, planned on another kind of machine: what that one has says nothing of where it will
                           run */
        Given *given;   /* by check_find_given(), in the domain's order */
        size_t n_given;
        uint64_t *registers; /* of VIO devices, with what was advised in place of what is there: all advice can be followed */
        size_t n_registers;
} Check;

/* Names for a sentence: "net0, video0 and hostdev1". As many as fit, of the others the number; long ones are cut. */
typedef struct NameList {
        char text[256];
        char last[64];
        size_t n, shown;
} NameList;

void name_list_add(NameList *list, const char *name);
/* To be called once, when all are in. */
const char *name_list_text(NameList *list);

/* A device's alias; never NULL. */
const char *check_device_name(const DomainDevice *device);

/* The domain's name, as a finding's subject; never NULL. */
const char *domain_label(const Domain *d);

/* findings_add() with a remedy that is formatted, too: asprintf() into *ret, to be freed. 0 or -ENOMEM. */
int check_remedy(char **ret, const char *format, ...) __attribute__((__format__(__printf__, 2, 3)));

/* Each adds the findings of one id, or of a few that follow each other in FindingId. 0 or -ENOMEM. */
int check_vfio_broken(Check *c);
int check_ddw_failed(Check *c);
int check_phb_index(Check *c);
int check_vio_irq(Check *c);
int check_vio_duplicate(Check *c);
int check_vio_in_pci_range(Check *c);
int check_window_too_large(Check *c);
int check_mixed_phb(Check *c);
int check_adapter(Check *c);
int check_group_partial(Check *c);
int check_group_busy(Check *c);
int check_device_missing(Check *c);

/* Looks up all that is given, once: the checks compare them with each other. 0 or -ENOMEM. */
int check_find_given(Check *c);

/* Is the adapter for a stock QEMU on this host, as far as is known? */
bool check_adapter_installed(const Check *c);

/* The VIO registers that are there, QEMU's own NVRAM's too: an array to be freed. 0 or -ENOMEM. */
int vio_registers_taken(const DomainPlan *plan, uint64_t **ret, size_t *ret_n);

/* One that collides with none of these but `old`, where libvirt puts devices of this type: it takes the place of `old` among them.
 * 0: none is left. */
uint64_t vio_register_take(DomainDeviceType type, uint64_t old, uint64_t *taken, size_t n);

typedef enum VioFault {
        VIO_OK,
        VIO_IRQ,        /* its interrupt is another's */
        VIO_DUPLICATE,  /* its register is another's */
        VIO_LIOBN,      /* its window has a LIOBN of a PHB's */
        VIO_LIOBN_FREE, /* its window has the LIOBN of a PHB that is not there yet */
        VIO_RANGE,      /* its window's LIOBN lies among those of PHBs, where no PHB has one */
        VIO_TOO_LONG,   /* its register has more than 32 bits */
} VioFault;

/* What is wrong with the register of layout->vio[at]. *ret_other: the name of the other that has it, or NULL. Of two that collide
 * it is the later one's fault. Of several faults the one that QEMU meets first. */
VioFault vio_fault(const DomainPlan *plan, size_t at, const char **ret_other);

/* A <hard_limit>, in KiB, that will do for locked memory and for the memory cgroup, for which libvirt takes it as well: no less
 * than libvirt's own limit of locked memory, what the kernel charges and the guest's memory, and QEMU's own needs beside it. */
uint64_t memlock_hard_limit(const DomainPlan *plan, const PlanHost *host);

/* Has the domain's guest no room for more memory, so that some guests get no 64-bit window? */
bool domain_lacks_maxmemory(const DomainPlan *plan);

/* Has it room and slots for all memory devices? */
bool domain_dimms_fit(const Domain *d);
/* How many slots a <maxMemory> should have. */
unsigned domain_maxmemory_slots(const Domain *d);

/* A <maxMemory>, in KiB, that leaves room; 0: the memory can't be doubled. */
uint64_t domain_maxmemory(const DomainPlan *plan);
