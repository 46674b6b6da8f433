/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the manager share among themselves. */

#include "domain.h"
#include "manager.h"

/* The host's findings follow its facts; each that is new goes to the log once. 1: they are others now, 0: the same; -ENOMEM. */
int manager_update_findings(Manager *m);
int manager_insert_machine(Manager *m, Machine *machine);
void manager_remove_machine(Manager *m, Machine *machine);

/* libvirt's child, unless there is to be none; what it says follows. Ends it, and whoever waits for it is told. */
bool manager_asks_libvirt(const Manager *m); /* as it is configured */
void manager_connect_libvirt(Manager *m);
void manager_disconnect_libvirt(Manager *m);
/* Adds what there is to say of libvirt's hook. 0 or -ENOMEM. */
int manager_add_hook_finding(const Manager *m, Findings *f);

/* By its UUID, but none that a user registered who may have taken a domain's. */
Machine *manager_find_masters_machine(Manager *m, const char *uuid);
/* The machine (NULL: something else) has changed: the file has it before this returns, for what must not be said before; or soon, a moment
 * later, when other changes may have come to it and who was answered has gone on. */
void manager_save(Manager *m, Machine *machine);
void manager_save_soon(Manager *m, Machine *machine);
/* The table was handed out: the observer hears of it a moment later; now; not any more, as the machine is about to go. */
void manager_tell_later(Manager *m, Table *t);
void manager_tell_now(Manager *m);
void manager_forget_later(Manager *m, const Machine *machine);
void manager_free_later(Manager *m);
/* A process holds the machine: leaves its pidfd in the fd store. To be followed by manager_save(). */
void manager_store_process(Manager *m, Machine *machine);
/* The machine has gone. */
void manager_save_without(Manager *m, Machine *machine);
/* Writes what is still to be written, and ends it. */
void manager_stop_keeping(Manager *m);
/* Adds what there is to say of a state that was lost. 0 or -ENOMEM. */
int manager_add_state_finding(const Manager *m, Findings *f);
/* The process that claimed the machine may lock as much memory as its plan needs, or this window's table that it is about to have the kernel
 * make, where it may have that at all. The first is to be followed by manager_save(). */
void manager_raise_memlock(Manager *m, Machine *machine);
void manager_raise_memlock_for_window(Manager *m, Machine *machine, const PlanTable *t);
/* The table is elsewhere, or in another state: findings, the state file and the observer follow. */
void manager_table_changed(Manager *m, Table *t);
/* Adds those of VMs that are no machines. 0 or -ENOMEM. */
int manager_add_audit_findings(const Manager *m, Findings *f);
/* Ends what is to come and answers whoever waits; forgets what was seen, once the worker has ended. */
void manager_stop_audits(Manager *m);
void manager_free_audits(Manager *m);
/* Adds what there is to say of groups that could not be bound, or hang. 0 or -ENOMEM. */
int manager_add_bind_findings(const Manager *m, Findings *f);
void manager_free_binder(Manager *m);
/* As for machine_new(). */
void manager_on_machine_end(Machine *machine, void *userdata);

/* By this very name, also where it looks like a UUID. */
Machine *manager_find_machine_by_name(Manager *m, const char *name);

/* May a registration of this domain take the place of this machine? */
bool manager_may_replace(const Registration *r, const Machine *machine);
/* 1 to 255 bytes of UTF-8 without '/' or control characters, as libvirt has it. */
bool domain_name_valid(const char *name);
/* Plans a registration's domain: its tables into *ret, what else is told of it into r->domain and r->owner. 0, or -EINVAL and why. */
int manager_plan_registration(Registration *r, Plan *ret, Refusal *refusal);
/* May this process of this user claim a machine of libvirt's? 0, or -EINVAL and why. */
int manager_check_domain_claim(const Manager *m, const Machine *machine, uid_t uid, const Process *process, Refusal *refusal);

/* Goes on with the registrations that waited for the proof; refuses them. */
void manager_resume_registrations(Manager *m);
void manager_refuse_waiting(Manager *m, const Refusal *refusal);
/* Gives up those of a domain that are under way. False: there is none. */
bool manager_give_up_waiting(Manager *m, bool (*is_one)(const Registration *r, const Domain *d), const Domain *d);
/* Ends a proof that runs and answers whoever waits for one. */
void manager_probe_cancel(Manager *m);
void manager_group_probe_cancel(Manager *m);
/* Why the helper gave no group: what HelperDone got of it. */
void manager_refuse_unopened(Refusal *refusal, int error, const char *text);
/* The helper can't even be asked. error: negative. */
void manager_refuse_unasked(Refusal *refusal, int error);
