/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whole IOMMU groups bound to vfio-pci and given back, by tced-bind; what it has recorded of that; what is to be bound at boot; and whether a
 * group can be given to a VM now. Who may have something bound is settled by the caller. */

#include "bind_record.h"
#include "manager.h"
#include "probe_use.h"

#define GROUP_BIND_FORCE (UINT64_C(1) << 0)      /* also what the host uses */
#define GROUP_BIND_PERSISTENT (UINT64_C(1) << 1) /* at each boot from now on; given back: no more at boot */

/* refusal: NULL where all went well. */
typedef void (*BindDone)(const Refusal *refusal, void *userdata);

/* Binds every device of the group to vfio-pci; one that is bound already is done at once. done is called exactly once, maybe before this
 * returns, and the facts are then those after it. */
void manager_bind_group(Manager *m, const GroupFacts *group, uint64_t flags, BindDone done, void *userdata);
/* Gives it back to the drivers that it had. */
void manager_release_group(Manager *m, const GroupFacts *group, uint64_t flags, BindDone done, void *userdata);

/* What tced-bind has recorded of a device of the group; NULL: nothing, it is the host's or was bound by others. */
const BindRecord *manager_find_binding(const Manager *m, const GroupFacts *g);
/* The records are read again, and who hears of groups is told what changed. From the first call on they are watched. */
void manager_read_bindings(Manager *m);
/* Is one of its devices in [Bind] Devices=? */
bool manager_is_persistent(const Manager *m, const GroupFacts *g);

/* Binds the groups of [Bind] Devices= that were not seen before, not those that the host uses. At boot: once, when tced starts; done, which may
 * be NULL, is called when all of them are through. Else for devices that were plugged in, and a configuration that was read again. */
bool manager_has_boot_bindings(const Manager *m); /* is there anything of that to do? */
void manager_bind_at_boot(Manager *m, void (*done)(void *userdata), void *userdata);
void manager_bind_wanted(Manager *m);
/* It is left as it is until the next boot, or until it is plugged in anew: someone has bound it or given it back by hand. */
void manager_bind_settled(Manager *m, const GroupFacts *g);

/* What the host uses its devices for, as of this turn of the loop; NULL: it can't be told. Reads /proc and /sys. The first is for what people
 * are told: where it takes long, it may be some seconds old. */
const UseFacts *manager_look_at_uses(Manager *m);
const UseFacts *manager_look_at_uses_now(Manager *m);

/* Can it be given to a VM now? The first thing that stands in the way, with its remedy, into text; "" and true where nothing does.
 * visible: NULL, or what tells whether whoever asks may know of a machine. */
#define OBSTACLE_MAX 640
bool manager_group_assignable(Manager *m, const GroupFacts *g, bool (*visible)(const Machine *, void *), void *userdata,
                              char text[OBSTACLE_MAX]);
