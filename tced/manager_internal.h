/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the manager share among themselves. */

#include "manager.h"

int manager_update_findings(Manager *m);
int manager_insert_machine(Manager *m, Machine *machine);
void manager_remove_machine(Manager *m, Machine *machine);

/* Goes on with the registrations that waited for the proof; refuses them. */
void manager_resume_registrations(Manager *m);
void manager_refuse_waiting(Manager *m, const Refusal *refusal);
/* Ends a proof that runs and answers whoever waits for one. */
void manager_probe_cancel(Manager *m);
