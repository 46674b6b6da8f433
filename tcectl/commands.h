/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the commands share. Each returns 0 or a negative errno, and has said what went wrong, but for -ENOMEM, which main() says. */

#include "client.h"
#include "options.h"
#include "text.h"

DEFINE_POINTER_CLEANUP(Client, client_free, client_freep)
DEFINE_POINTER_CLEANUP(json_object, json_object_put, json_putp)

/* The tced that the command line names; connects to nothing yet. */
int command_client(const Options *o, Client **ret);
/* Where screens go; JSON goes to standard output as it is. */
Output command_output(const Options *o);
/* Prints a problem and gives r back, which is left to main() where it is -ENOMEM. */
int command_failed(int r, const Problem *problem);
/* Prints part, which is taken over; NULL is one that could not be made. */
int command_print_json_consume(json_object *part, const Options *o);

/* Everything that is known: asked of tced, or from the file of --host. Says what is wrong where that fails. */
int command_describe(const Options *o, json_object **ret);

/* commands-groups.c */
int run_groups(const Options *o);
int run_group(const Options *o);
int run_topology(const Options *o);
int run_bind(const Options *o);
int run_release(const Options *o);
int run_probe_group(const Options *o);

/* commands-run.c */
int run_run(const Options *o);

/* commands-plan.c */
int run_plan(const Options *o);
int run_check(const Options *o);
int run_explain(const Options *o);

/* commands-fleet.c */
int run_metrics(const Options *o);
int run_features(const Options *o);
int run_bugreport(const Options *o);

/* commands-audit.c */
int run_audit(const Options *o);
int run_top(const Options *o);

/* commands-monitor.c */
int run_monitor(const Options *o);
