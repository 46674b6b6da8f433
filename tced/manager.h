/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The manager holds what there is (the host's facts, the VMs, the accounts of users) and does what is asked for from outside. It knows
 * nothing of the bus: who asks is settled by the caller, who must hear of a change is told through ManagerObserver. */

#include <systemd/sd-event.h>

#include "child.h"
#include "config.h"
#include "facts.h"
#include "fd_store.h"
#include "finding.h"
#include "helper.h"
#include "hook_state.h"
#include "libvirt.h"
#include "machine.h"
#include "policy.h"
#include "worker.h"

typedef struct Manager Manager;

/* Why something was refused: which of the bus's errors (common/error.h), and a text that names the thing, the operation and the
 * remedy. */
typedef PlanError Refusal;

/* Always returns -EINVAL, for `return refuse(…)`. */
int refuse(Refusal *refusal, const char *name, const char *format, ...) __attribute__((__format__(__printf__, 3, 4)));

/* Called as things change. …_removed: the thing is still there while it is called. Members may be NULL. */
typedef struct ManagerObserver {
        void (*machine_added)(Machine *machine, void *userdata);
        void (*machine_removed)(Machine *machine, void *userdata);
        void (*machine_changed)(Machine *machine, void *userdata);
        void (*table_changed)(Table *table, void *userdata);
        void (*group_added)(unsigned number, void *userdata);
        void (*group_removed)(unsigned number, void *userdata);
        void (*group_changed)(unsigned number, unsigned changes, void *userdata); /* a set of GroupChange */
        void (*host_changed)(void *userdata); /* proofs, capabilities, findings, limits */
        /* An audit found a VM on the slow path that nobody was told of; machine: NULL where it is none. */
        void (*slow_path)(const Machine *machine, pid_t pid, const char *name, const char *text, void *userdata);
        void *userdata;
} ManagerObserver;

/* Where things are; so that tests can put others there. Strings stay the caller's. */
typedef struct Places {
        const char *sys;
        const char *dev;
        const char *proc;
        const char *config_root; /* "" for / */
        const char *run;          /* udev's database is in it */
        const char *bind_socket;
        const char *bind_records; /* where tced-bind tells what it has bound */
        const char *libvirt_run;   /* libvirt's pid files */
        const char *libvirt_child; /* the program tced-libvirt; NULL: libvirt is never asked */
} Places;

/* What VMs take of what is limited. */
typedef struct Cost {
        uint64_t machines; /* and registrations that are under way */
        uint64_t tables;
        uint64_t bytes; /* of `user` tables, made or being made */
} Cost;

/* What one user who is not root has registered. */
typedef struct Account {
        uid_t uid;
        Cost held;
} Account;

typedef struct ProbeWaiter ProbeWaiter;
typedef struct Registration Registration;
typedef struct RunningDomain RunningDomain;
typedef struct Keeper Keeper;
typedef struct Later Later;
struct Auditor;
struct Binder;

struct Manager {
        sd_event *event;
        Places places;
        int proc_fd;
        Config config;
        KvmFacts kvm;
        VfioFacts vfio;
        Findings findings;
        ManagerObserver observer;
        Worker *worker;
        Helper *helper;
        Libvirt *libvirt; /* NULL: never asked */
        char *libvirt_uri;
        RunningDomain *running;     /* what libvirt last said that runs */
        size_t n_running;
        sd_event_source *libvirt_rescan;
        AdapterFacts adapter;       /* as of the last look */
        HookState hook;             /* likewise */
        uint64_t hook_called_usec;  /* when libvirt's hook last called, of CLOCK_REALTIME; 0: never */
        uint64_t libvirtd_reloaded_usec; /* when libvirtd last looked for hooks again, likewise */
        uint64_t rescanned_usec;    /* when groups were last read for a domain, of CLOCK_MONOTONIC */
        Keeper *keeper;             /* NULL: nothing outlives a restart */
        Later *later;              /* NULL: nothing was told of later yet */
        struct Auditor *auditor;    /* NULL: nothing was audited yet */
        struct Binder *binder;      /* NULL: no binding was asked for or looked at yet */
        bool looked; /* at the host, by manager_look() */
        bool bound; /* what is to be bound at boot was */
        bool ending; /* read by the worker's threads: __atomic */

        void *machines_by_uuid; /* tsearch(3) trees of Machine */
        void *machines_by_name;
        size_t n_machines;       /* in the trees */
        Cost held;               /* in all: what MachinesMax= and its like count */
        uint64_t last_serial;
        Account *accounts;
        size_t n_accounts, accounts_allocated;
        uint64_t connections; /* on the private socket, and requests in flight: counted by the bus face, against their limits */
        uint64_t requests;

        Child *proof; /* the one that runs */
        bool proving; /* a proof runs, or is being prepared */
        bool proof_deep;
        int proof_group; /* the IOMMU group that it may link, or -1 */
        int proof_group_fd;
        ProbeWaiter *probe_waiters;
        struct GroupProbe *group_probes; /* in their turn: the first one is under way */
        Registration *waiting_registrations; /* until the proof is done */
        Registration *filling_registrations; /* until the worker has made their tables */
};

/* Reads the configuration. 0 or negative errno. */
int manager_new(sd_event *event, const Places *places, Manager **ret);
/* Asks the host what it declares, and libvirt for its VMs, for the first time: nothing of it is news to the observer, as nobody may be answered
 * before. 0 or negative errno. The proofs start with manager_probe(). */
int manager_look(Manager *m);
/* Ends what is under way and answers whoever waits for it; may take as long as one table is being filled in. Nothing may be asked of the
 * manager afterwards. NULL is fine. */
void manager_stop(Manager *m);
Manager *manager_free(Manager *m);

/* From now on what there is outlives a restart, in the file `path` and in the service manager's fd store; what an earlier tced left there
 * (fds, which are taken over) is taken up, before anyone may ask for it. A state that can't be read, or with which tced failed three times, is set aside, and said. 0 or
 * -ENOMEM. May take as long as it takes to fill in the tables that were not handed out. */
int manager_restore(Manager *m, const char *path, StoredFds *fds);

/* Reads tced.conf and the rules again. 0 or -ENOMEM, and all is as it was. */
int manager_reload(Manager *m);
/* The same, told to the service manager (RELOADING=1, then READY=1: sd_notify(3)). */
int manager_reload_notify(Manager *m);
/* Reads groups, devices and VFIO again and tells the observer what changed. 0 or -ENOMEM. */
int manager_rescan(Manager *m);
/* The same of no more than the groups that hold, or held, these devices (PCI addresses), and those of these numbers: a device that has come or
 * gone, changed its driver, or whose interface is called otherwise now. What it costs goes with these, not with what the host has. */
int manager_rescan_devices(Manager *m, const char *const *addresses, size_t n);
int manager_rescan_groups(Manager *m, const char *const *addresses, size_t n_addresses, const unsigned *numbers, size_t n_numbers);

/* Proves the host in a child. One runs at a time: a request that comes meanwhile waits its turn. done may be NULL; error is 0 or
 * a positive errno with why. 0 or -ENOMEM; done is called exactly once where 0 was returned. */
typedef void (*ProbeDone)(int error, const char *why, void *userdata);
int manager_probe(Manager *m, bool deep, ProbeDone done, void *userdata);

/* Takes an idle group by the helper and shows in a child what windows it can have (probe_ddw.h); what was shown is in the group's
 * facts when done is called. One at a time: others wait their turn. refusal: NULL, or why nothing was shown. done is called exactly once,
 * maybe before this returns. */
typedef void (*GroupProbeDone)(const Refusal *refusal, void *userdata);
void manager_probe_group(Manager *m, unsigned number, GroupProbeDone done, void *userdata);

/* Who registers what. */
struct Registration {
        Description description; /* uuid "": one is made */
        uid_t owner;
        uid_t registrar;
        Process process; /* the machine ends with it; none: only by its claimant or manager_unregister() */

        /* Of a domain, by manager_register_domain(): its XML, from which all the rest is planned; NULL: the description is. */
        char *xml;
        size_t xml_size;
        bool running;    /* its VMM runs already, with tables of its own */
        MachineDomain domain;

        /* How it goes on; the manager's own. */
        Manager *manager;
        bool charged; /* its registrar's account carries it */
        bool released; /* the domain ended meanwhile */
        void (*done)(Machine *machine, const Refusal *refusal, void *userdata);
        void *userdata;
        Machine *machine;
        Registration *next;
};

void registration_free(Registration *r);

/* Registers a VM: waits for a proof that runs, plans, checks the limits, makes the `user` tables in a worker, then calls done with
 * the machine, or with NULL and why. The registration is taken over. done is called exactly once, maybe before this returns. */
void manager_register(Manager *m, Registration *registration,
                      void (*done)(Machine *machine, const Refusal *refusal, void *userdata), void *userdata);

/* Registers the VM of a libvirt domain: plans it, refuses it where that says that its start must fail, and goes on as manager_register()
 * does. One that is there by the same UUID or name, came from libvirt too and was not claimed, is replaced: a start that failed before
 * libvirt could say so. running: the VM runs already: nothing is refused, no memfds are made, and a machine of its UUID that is there
 * is given to done as it is. xml is copied. done is called exactly once, maybe before this returns. */
void manager_register_domain(Manager *m, const char *xml, uid_t registrar, bool running,
                             void (*done)(Machine *machine, const Refusal *refusal, void *userdata), void *userdata);
/* What a domain's XML says that it is called, the name to be freed. 0, or negative errno and why. */
int manager_domain_identity(const Manager *m, const char *xml, char **ret_name, char ret_uuid[33], Refusal *refusal);
/* The domain has ended: its machine is unregistered, a registration under way is given up. 0, or -EINVAL and why. */
int manager_release_domain(Manager *m, const char *xml, Refusal *refusal);

/* libvirt's hook called, libvirtd was reloaded (CLOCK_REALTIME): both tell whether the hook is called at all. */
void manager_hook_called(Manager *m);
void manager_libvirtd_reloaded(Manager *m, uint64_t when_usec);
/* Looks again whether it is; the finding follows. Reads a few small files. */
void manager_look_at_hook(Manager *m);
/* Before it is told or planned by: nothing says when files of it come or go. */
void manager_look_at_adapter(Manager *m);

/* Plans a domain without registering it; attach: a device's XML, or NULL. *ret_json is docs/plan.md's, to be freed. trusted: names of
 * other VMs may be told, and groups are read again whenever a device is not known. 0, or -EINVAL and why. */
int manager_plan_domain(Manager *m, const char *xml, const char *attach, bool trusted, char **ret_json, Refusal *refusal);

/* The machine is claimed by this process of this user, which is taken over. One of libvirt's must be the process that libvirt runs it in
 * (libvirt_claim.h). 0, or -EINVAL and why. */
int manager_claim(Manager *m, Machine *machine, uid_t uid, Process *process, Refusal *refusal);

/* Of a machine of libvirt's: is this the process that runs it, as far as its PID goes? 0, or -EPERM and why (CLAIM_WHY_MAX). */
int manager_is_domain_process(const Manager *m, const Machine *machine, const Process *process, char *why);

/* The VMM made a table in the kernel (error 0) or was refused (positive errno): then, where the rules leave it, the table moves to the VMM
 * and its memfd is made in a worker. done is called exactly once, maybe before this returns; refusal is NULL where all went well. */
void manager_report_table(Manager *m, Table *table, Placement placement, int error,
                          void (*done)(const Refusal *refusal, void *userdata), void *userdata);

/* A window that the VMM opens while it runs. */
typedef struct WindowRequest {
        uint32_t liobn;
        uint32_t page_shift;
        uint64_t bus_offset; /* bytes */
        uint64_t entries;
        int refused; /* the errno with which the kernel refused its table; 0: it was not asked */
} WindowRequest;

typedef struct WindowTable {
        Placement placement;
        Reason reason;
        TableMemory memory; /* of one in the VMM: the caller's to hand over and to clear */
} WindowTable;

/* Says where the window's table goes and, where that is the VMM, makes a fresh one. 0, or -EINVAL and why; *ret is untouched then. */
int manager_acquire_window(Manager *m, Machine *machine, const WindowRequest *request, WindowTable *ret, Refusal *refusal);

/* Makes those memfds of a machine's that are to be handed out and that could not be made when tced came back. 0, or -EINVAL and why. */
int manager_make_tables(Manager *m, Machine *machine, Refusal *refusal);

/* The memfd was handed out: tced's copy is closed, and the observer told, a moment later. */
void manager_table_handed_out(Manager *m, Table *table);

/* The state file follows when there is time, or with manager_flush(), at once. */
void manager_unregister(Manager *m, Machine *machine);
void manager_flush(Manager *m);

/* Would its VMM's limit of locked memory be raised, if someone permitted it? *ret_bytes: what its plan needs; 0: its windows are not known. */
bool manager_wants_memlock(const Manager *m, const Machine *machine, uint64_t *ret_bytes);
/* It may: for root's machines that goes without saying. One that is claimed already has it raised now. */
void manager_permit_memlock(Manager *m, Machine *machine);

/* By UUID (with or without dashes), else by name; by the process that claimed it. NULL: none. */
Machine *manager_find_machine(Manager *m, const char *name_or_uuid);
Machine *manager_find_machine_by_uuid(Manager *m, const char *uuid);
Machine *manager_find_machine_by_process(Manager *m, const Process *process);
Machine *manager_find_machine_by_pid(Manager *m, pid_t pid);
/* The machine that has a window of this group, or NULL. */
Machine *manager_find_holder(Manager *m, unsigned group);

/* Calls each for every machine, by UUID. A negative return ends it and is given back. */
int manager_foreach_machine(Manager *m, int (*each)(Machine *machine, void *userdata), void *userdata);

/* Opens a group by the helper, attaches it to a container of its own and sets the IOMMU type: 7 (VFIO_SPAPR_TCE_v2_IOMMU), else 2.
 * The fds given to done are closed when it returns. done is called exactly once, maybe before this returns. */
typedef void (*GroupOpenDone)(const Refusal *refusal, int container_fd, int group_fd, uint32_t iommu_type, void *userdata);
void manager_open_group(Manager *m, const GroupFacts *group, GroupOpenDone done, void *userdata);
/* The same with a container of the caller's, which must be one: its type stays, or is the caller's to set; iommu_type is 0. The fd is copied. */
void manager_open_group_into(Manager *m, const GroupFacts *group, int container_fd, GroupOpenDone done, void *userdata);
