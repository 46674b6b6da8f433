/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* test-vmm: a small VMM for the POWER host, by libtced. One process, one vCPU, 16 MiB of memory; its guest's code does nothing but
 * hypercalls. Tests run it, and it shows how a VMM uses libtced: test-vmm.c is the way through. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tced.h"

#define VMM_WINDOWS_MAX 64
#define VMM_ALSO_MAX 4
#define VMM_MEMORY_SIZE (UINT64_C(16) << 20)

/* ---- vmm-options.c ---- */

typedef struct VmmWindow {
        struct tced_window window; /* strings are the command line's */
        const char *address;       /* PCI address of the device behind a "vfio" window */
} VmmWindow;

typedef struct VmmOptions {
        const char *name, *uuid, *socket, *dump;
        VmmWindow windows[VMM_WINDOWS_MAX];
        size_t n_windows;
        const char *also[VMM_ALSO_MAX]; /* devices whose groups come into the first one's container */
        size_t n_also;
        uint64_t puts;
        unsigned hold, heir;                  /* seconds */
        unsigned pause;                       /* milliseconds */
        bool registered, indirect, stuff, multitce, busy, nodes, demo; /* demo: for people instead of programs */
} VmmOptions;

/* 0; negative errno with a message on stderr; 1: help was asked for and given. */
int vmm_options_parse(int argc, char **argv, VmmOptions *ret);

/* ---- vmm-guest.c: the guest's code ---- */

typedef enum VmmProgram {
        VMM_PUT,      /* one H_PUT_TCE for each page */
        VMM_INDIRECT, /* H_PUT_TCE_INDIRECT, 512 pages each */
        VMM_STUFF,    /* one H_STUFF_TCE for all pages */
        _VMM_PROGRAM_MAX,
} VmmProgram;

/* The hypercall, no one else's, by which the guest says that it is done; with the pages done and the last return code. */
#define VMM_H_DONE 0x7fff

const char *vmm_program_name(VmmProgram program);
/* Puts all programs into guest memory. */
void vmm_guest_load(void *memory);
/* Where it starts. */
uint64_t vmm_guest_entry(VmmProgram program);
/* The registers that it starts with, for `count` pages of the table from its first on; for VMM_INDIRECT also writes the lists. */
void vmm_guest_arguments(void *memory, const struct tced_table *table, uint64_t count, uint64_t gpr[32]);
/* The TCE that PUT and INDIRECT write for page `index`. */
uint64_t vmm_guest_tce(const struct tced_table *table, uint64_t index);

/* ---- vmm-vm.c: KVM ---- */

struct kvm_run_head;

typedef struct Vmm {
        int kvm, vm, vcpu;
        int vfio_device;  /* KVM's device for VFIO; made when first needed */
        void *memory;
        struct kvm_run_head *run;
        size_t run_size;
        struct tced_memory_range range;
        struct tced_memory guest_memory; /* for libtced */
} Vmm;

#define VMM_INIT { .kvm = -1, .vm = -1, .vcpu = -1, .vfio_device = -1 }

/* The guest's memory alone, for a host that runs no VMs. */
int vmm_make_memory(Vmm *v);
/* A VM with that memory and a vCPU. Negative errno. */
int vmm_make_vm(Vmm *v);
void vmm_clear(Vmm *v);

typedef struct VmmResult {
        uint64_t exits;  /* from KVM to this process, the last one included */
        uint64_t served; /* hypercalls among them that libtced answered */
        uint64_t done;   /* pages, as the guest counts */
        int64_t code;    /* last return code that it saw */
        uint64_t nanoseconds;
} VmmResult;

/* Runs the guest until it says that it is done. -EPROTO: it did something else. */
int vmm_run(Vmm *v, struct tced_machine *m, const struct tced_table *table, VmmProgram program, uint64_t count,
            VmmResult *ret);

/* ---- vmm-vfio.c ---- */

typedef struct VmmGroup {
        const char *address; /* of its first device here */
        int number, container, group;
        bool shares; /* the first one's container */
        uint32_t type;
} VmmGroup;

typedef struct VmmGroups {
        VmmGroup items[VMM_WINDOWS_MAX + VMM_ALSO_MAX];
        size_t n;
} VmmGroups;

/* Finds the group of every "vfio" window that has an address. */
int vmm_vfio_find(struct tced *t, VmmOptions *options);
/* Opens the groups, those that share a container first, registers guest memory, makes windows and links tables. */
int vmm_vfio_link(Vmm *v, struct tced *t, struct tced_machine *m, const VmmOptions *options, VmmGroups *groups);
void vmm_vfio_clear(VmmGroups *groups);

/* ---- vmm-print.c ---- */

/* One of the two ways to tell it, by options->demo. */
void vmm_print_start(const VmmOptions *options);
void vmm_print_machine(const VmmOptions *options, const struct tced_machine *m);
void vmm_print_table(const VmmOptions *options, const struct tced_table *table);
void vmm_print_run(const VmmOptions *options, const struct tced_table *table, VmmProgram program, uint64_t count,
                   const VmmResult *result);
/* What the table holds in the end. */
void vmm_print_entries(const VmmOptions *options, const struct tced_table *table, uint64_t count);
/* How a VM that is held is. */
typedef struct VmmState {
        unsigned rounds, answers;        /* in which its guest mapped all pages; that it has given */
        uint64_t exits[VMM_WINDOWS_MAX]; /* in the last round, for each table by its index */
        uint64_t connections;            /* to tced, one after the other */
} VmmState;

/* One line: the number of the answer, and what each table is, holds and costs. */
void vmm_print_answer(const VmmOptions *options, const struct tced_machine *m, const VmmState *state);
/* Every entry into DIR/LIOBN, a line each. */
int vmm_dump(const char *dir, const struct tced_table *table);
