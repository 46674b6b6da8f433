/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What outlives a restart, as JSON: all of a machine but the fds. Pure. The file is for a tced of the same or a newer version on the same
 * boot, and for nobody else; a machine is one line of it, so that a machine that did not change is not written out anew. */

#include "json_build.h"
#include "json_read.h"
#include "machine.h"

/* Goes up where a tced of this version would read a newer one's file wrong. Members that are not known are passed over. A test builds a tced
 * of another (tests/power/meson.build). */
#ifndef STATE_VERSION
#define STATE_VERSION 1
#endif

/* What there is beside the machines. */
typedef struct StateHead {
        char boot[33];        /* sd_id128_get_boot() */
        uint64_t last_serial;
        uint64_t hook_called_usec, libvirtd_reloaded_usec; /* as the manager has them */
        bool bound; /* the groups that are to be bound at boot were */
} StateHead;

typedef struct State {
        StateHead head;
        Machine **machines; /* each by its UUID alone; their processes have no pidfds, tables that are READY no memory */
        size_t n_machines;
} State;

#define STATE_ERROR_MAX 256
#define STATE_HEAD_MAX 256

/* The most that is read, in bytes: 4,096 machines with 64 tables each take two thirds of it. */
#define STATE_SIZE_MAX (UINT64_C(192) << 20)

/* A machine as one line, to be freed. 0 or -ENOMEM. */
int machine_to_json(const Machine *machine, char **ret);
/* What comes before the lines of the machines, each of which has a comma behind it; STATE_TAIL (state_file.h) ends them. */
const char *state_head_to_json(const StateHead *head, char buf[STATE_HEAD_MAX]);

/* The same of one that state_read() would not have: what of it can be read all the same, a newer tced's too, whose new members are passed over.
 * Machines that can't be, or that are there twice, are left out. -ESTALE: of another boot. */
int state_read_rest(const char *text, size_t size, const char *boot, void (*ended)(Machine *, void *), void *userdata, State *ret);

/* The whole. ended, userdata: as for machine_new(). 0; -EINVAL with why in error: nothing that this tced wrote; -ESTALE: of another boot than
 * this one, where nothing of it can still be; -ENOMEM. *ret is untouched on failure. */
int state_read(const char *text, size_t size, const char *boot, void (*ended)(Machine *, void *), void *userdata, State *ret,
               char error[STATE_ERROR_MAX]);
/* Frees the machines that are still in it. */
void state_clear(State *state);
