/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One VM: who it is, its plan, its tables, until its process is gone. What is done to VMs, and which there are, is the manager's
 * business (manager.h). */

#include <systemd/sd-event.h>

#include "finding.h"
#include "memlock.h"
#include "plan.h"
#include "process.h"
#include "state_file.h"
#include "table.h"

typedef struct Machine Machine;

typedef enum MachineState {
        MACHINE_REGISTERED,
        MACHINE_CLAIMED,
        _MACHINE_STATE_MAX,
} MachineState;

/* "registered", "claimed" */
const char *machine_state_to_string(MachineState state);
int machine_state_from_string(const char *text);

/* Who made it known. */
typedef enum MachineSource {
        MACHINE_SOURCE_BUS,     /* RegisterMachine: a VMM, or root for one */
        MACHINE_SOURCE_LIBVIRT, /* RegisterDomain: libvirt's hook */
        _MACHINE_SOURCE_MAX,
} MachineSource;

/* "bus", "libvirt" */
const char *machine_source_to_string(MachineSource source);
int machine_source_from_string(const char *text);

#define OWNER_UNKNOWN ((uid_t) -1)

/* What libvirt's XML says of a VM beyond its plan; empty for the others. */
typedef struct MachineDomain {
        Memlock memlock;
        Findings findings;    /* as of its registration */
        uint64_t told_usec;   /* when it was registered, of CLOCK_MONOTONIC */
        int id;               /* libvirt's number of it while it runs; -1: not known */
        char *security_model; /* "apparmor", "selinux": its process is confined by that as `security_label`; NULL: not said */
        char *security_label;
        int *groups;          /* every IOMMU group that it has a device of */
        size_t n_groups;
} MachineDomain;

void machine_domain_clear(MachineDomain *d);

typedef enum TableState {
        TABLE_PLANNED,    /* the VMM is to make it in the kernel */
        TABLE_MADE,       /* it says that it has */
        TABLE_READY,      /* a memfd, filled in, waits */
        TABLE_HANDED_OUT, /* the VMM owns the memfd; tced has no copy */
        _TABLE_STATE_MAX,
} TableState;

/* "planned", "made", "ready", "handed-out" */
const char *table_state_to_string(TableState state);
int table_state_from_string(const char *text);

typedef struct Table {
        Machine *machine;
        PlanTable *plan; /* of the machine's plan */
        TableState state;
        TableMemory memory; /* only while READY */
        bool huge_pages;
        bool untold; /* it was handed out, which nobody has heard yet */
        bool moving; /* the kernel refused it, and its memfd is being made */
        int error; /* the kernel's refusal as the VMM reported it, a positive errno; 0: none */
} Table;

/* What a machine's IOMMU group was when it was registered: the kernel uses numbers again, and another's devices are none of its. */
typedef struct MachineGroup {
        unsigned number;
        char identity[DEVICE_IDENTITY_MAX]; /* of one of its devices */
} MachineGroup;

/* A window in the VMM that was opened while it ran (AcquireWindow): the most that it was booked for. */
typedef struct OpenedWindow {
        uint32_t liobn;
        uint64_t bytes;
} OpenedWindow;

struct Machine {
        char *name;
        char uuid[33];
        MachineSource source;
        uid_t owner;     /* whose process may claim it; OWNER_UNKNOWN: libvirt did not say, until it is claimed */
        uid_t registrar; /* on whose account it goes */
        uint64_t serial;  /* never used twice: tells it from a later one with its UUID */
        uint64_t charged; /* bytes of `user` tables that its registrar's account carries for it */
        OpenedWindow *opened; /* booked beside `charged`; a restart forgets them, and they are booked when they are opened again */
        size_t n_opened, opened_allocated;
        uint64_t opened_bytes; /* the sum */
        uint64_t opened_tables; /* those that are no planned table */
        bool memlock_permitted;  /* polkit has let a user's VMM have its limit of locked memory raised */
        uint64_t memlock_raised; /* what tced has raised it to, bytes; 0: it has not */
        MachineState state;
        /* REGISTERED: the process that registered it, where it ends with that; CLAIMED: the one that runs it. */
        Process process;
        sd_event_source *end_source;
        Plan plan;
        Table *tables; /* one for each of the plan's, in its order */
        size_t n_tables;
        MachineDomain domain;
        MachineGroup *groups; /* those that there were when it was registered; of another its number is all that is known */
        size_t n_groups;
        Findings findings; /* the domain's, those of its tables as they are now, and the audit's */
        Findings audited;  /* what the last audit has to say */
        StateSlot saved;   /* where the state file has it */
        bool unsaved;      /* it has changed since */
        char stored_as[7]; /* the name of its process's pidfd in the service manager's fd store; "": it is not there */
        void (*ended)(Machine *machine, void *userdata); /* its process has ended */
        void *userdata;
};

/* Makes one, REGISTERED, held by no process. The plan is taken over and left empty. 0 or -ENOMEM; the plan stays the caller's
 * then. ended is called when the process it is held by is gone. */
int machine_new(const char *name, const char *uuid, Plan *plan, void (*ended)(Machine *, void *), void *userdata,
                Machine **ret);
Machine *machine_free(Machine *m);

/* Holds it by this process from now on, instead of the one before; the process is taken over. -ESRCH: it has ended. */
int machine_hold(Machine *m, sd_event *event, Process *process);
/* Is it held by this process? One that is known by its PID alone holds none of libvirt's: its guests may all be of one user. */
bool machine_is_run_by(const Machine *m, const Process *process);

/* NULL where there is none. */
Table *machine_find_table(Machine *m, uint32_t liobn);
/* Did root register it (or the user whom a daemon of their own serves)? What others write into one of theirs, its name, UUID and
 * groups, is their word alone: guests of libvirt's may be members of the group kvm. */
bool machine_is_masters(const Machine *m);

/* Has the machine a window, or a device, of this IOMMU group? */
bool machine_has_group(const Machine *m, int group);
/* Is it still the group that the machine was registered with? now: what there is by that number; NULL: nothing. */
bool machine_holds_group(const Machine *m, unsigned number, const GroupFacts *now);
/* Remembers what its groups are. 0 or -ENOMEM. */
int machine_note_groups(Machine *m, const VfioFacts *vfio);

/* Puts a memfd into a table that waits for one; taken over. */
void table_set_memory(Table *t, TableMemory *memory);

/* The domain's findings, as far as they still hold, and what its tables' placement says to an administrator: tables on the slow path that no rule put there,
 * each told once. 0 or -ENOMEM. */
int machine_update_findings(Machine *m);
