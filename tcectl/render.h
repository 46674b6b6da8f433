/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From Describe's JSON (docs/describe.md) and a plan's (docs/plan.md) to what people and programs read. Pure: no I/O but out->f, no state. Members that are
 * not there show as "-". What returns a number returns 0 or -ENOMEM, whatever the JSON looks like. */

#include <json-c/json.h>
#include <stdint.h>
#include <time.h>

#include "nearest.h"
#include "text.h"

/* A verdict in one sentence, the host, what it declares and has proven, counts, findings. */
int render_status(json_object *json, const Output *out);
/* The verdict alone. */
void render_host_verdict(json_object *json, const Output *out);
/* Just the capabilities: what a probe changes. */
int render_capabilities(json_object *json, const Output *out);
/* One line for each device, and why a group can't be given to a VM. */
int render_groups(json_object *json, const Output *out);
/* One group in full; `json` is where its machine is looked for. */
int render_group(json_object *json, json_object *group, const Output *out);
/* PHBs, groups, devices, VMs and tables as a tree, and as a graph in Graphviz's language. */
int render_topology(json_object *json, const Output *out);
int render_topology_dot(json_object *json, FILE *f);
/* name: of one machine, or its UUID, or NULL for all; one that is named shows its tables, as all do when out->verbose. -ESRCH where
 * there is none of that name. */
int render_machines(json_object *json, const char *name, const Output *out);
/* Everything, as a tree; members that this version does not know as well. */
int render_describe(json_object *json, const Output *out);

/* A plan: its verdict, the tables with where each will live and why, the PHBs with their devices, what it costs, findings. */
int render_plan(json_object *plan, const Output *out);
/* A plan's verdict and findings. without: the plan without the device that is hot-plugged, so that what the device brings is told apart;
 * NULL: there is none. */
int render_check(json_object *plan, json_object *without, const Output *out);
/* One machine, table by table in sentences, the slow ones first. */
int render_explain(json_object *machine, const Output *out);

/* An audit (docs/audit.md): its VMs with what is not as it should be; with a name, or when out->verbose, every table. -ESRCH where there is none of
 * that name. */
int render_audit(json_object *audit, const char *name, const Output *out);
/* A VM of it by its PID, or its machine's name or UUID; NULL: none. Borrowed. */
json_object *audit_find(json_object *audit, const char *name);
/* As nearest_text(): the VM that may have been meant by a name that none has. */
const char *audit_guess(json_object *audit, const char *name, char buf[NEAREST_TEXT_MAX]);

/* How often a process's guests exit. */
typedef struct TopRate {
        uint64_t pid, per_second;
        bool known;
} TopRate;
/* One row for each VM of an audit. */
int render_top(json_object *audit, const TopRate *rates, size_t n_rates, const Output *out);

/* A machine by name, UUID, or the first eight digits of its UUID and more; NULL where there is none, or more than one. Borrowed. */
json_object *machine_find(json_object *json, const char *name);
/* As nearest_text(): the machine that may have been meant by a name that none has, or the group that it names. */
const char *machine_guess(json_object *json, const char *name, char buf[NEAREST_TEXT_MAX]);

/* An array of findings, worst first, each with its remedy. */
void render_findings(json_object *findings, const Output *out);
/* "yes" is green, "no" red, the rest yellow. */
Colour colour_of_proof(const char *proven);

/* What machines have in the kernel and in their VMMs. */
typedef struct TableSums {
        uint64_t kernel_tables, kernel_bytes, user_tables, user_bytes;
} TableSums;
/* Adds those of one machine. Tables are counted by their placement; bytes are what tced says of the machine. */
void table_sums_add(TableSums *sums, json_object *machine);

/* OpenMetrics, and Prometheus's older text format as well; json NULL: no tced answers. */
int render_metrics(json_object *json, FILE *f);
/* What the host has proven, as a file of Node Feature Discovery's, which is not believed any more after `expires` (0: always); and as an Ansible
 * fact, a new reference, NULL when memory ran out. */
int render_features(json_object *json, time_t expires, FILE *f);
json_object *select_features(json_object *json);

/* The parts of Describe that a command prints with --json: a new reference, NULL when memory ran out. */
json_object *select_status(json_object *json);
json_object *select_host_verdict(json_object *json);
json_object *select_array(json_object *json, const char *path);
/* The members of a plan that `check` judges by. */
json_object *select_check(json_object *plan);
/* Adds a value, which is taken over, as a member; NULL is one that could not be made. 0 or -ENOMEM. */
int json_put_consume(json_object *to, const char *key, json_object *value);

/* As JSON, pretty or in one line, with what a terminal would obey escaped. -ENOMEM. */
int print_json(json_object *json, bool pretty, FILE *f);
