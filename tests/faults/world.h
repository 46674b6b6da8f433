/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A host with all that tced's methods can deal with, faults for a tced that has the layer preloaded, and what came of them. */

#include "client.h"
#include "faults.h"

typedef enum Outcome {
        OUTCOME_WELL,    /* nothing was to be seen of the fault */
        OUTCOME_ERROR,   /* an error of D-Bus with a text */
        OUTCOME_CLOSED,  /* libsystemd closed the connection; on the system bus the bus says that there is no answer */
        OUTCOME_REFUSED, /* tced said why and did not start */
        OUTCOME_UNMET,   /* the call was not made this time */
        OUTCOME_SPARED,  /* a library that does not outlive it made the call (layer.c) */
        OUTCOME_WRONG,
        _OUTCOME_MAX,
} Outcome;

/* How the calls reach it that are to meet the faults. */
typedef enum Over {
        OVER_SOCKET, /* root, on the private socket */
        OVER_BUS,    /* root, on the system bus */
        OVER_POLKIT, /* a user there whom polkit allows everything */
} Over;

typedef struct World {
        Host host;
        Actor helper, polkit;
        FaultControl *control;
        Over over;
        sd_bus *bus;    /* root's, on the private socket, for what is done without faults */
        sd_bus *caller; /* the one whose calls meet them; may be the same */
        char *machine; /* registered for good, not claimed */
        char *scratch; /* the path of another one */
        int fds;       /* that tced has at rest */
        unsigned tried[_FAULT_FUNCTION_MAX][FAULT_ERRORS_MAX][_OUTCOME_MAX]; /* by which error it was */
} World;

/* Of the machine: LIOBNs of a table in the kernel, and of one in the VMM. */
#define LIOBN_KERNEL 0x80000000U
#define LIOBN_USER 0x80000100U
/* Groups: 5 is bound to vfio-pci, 7 is not. */
#define GROUP_BOUND TCED_GROUP_PREFIX "/5"
#define GROUP_UNBOUND TCED_GROUP_PREFIX "/7"

extern const TestWindow world_windows[2];

/* The host, with a tced that has the machine. false: it can't be had here. */
#define WORLD_NEEDS "it needs root and a dbus-daemon"
bool world_init(World *w, Over over, unsigned seconds);
/* Connections anew; NULL where that fails. */
void world_connect(World *w);
/* Is this process the caller's, as tced sees it, or root's? */
void world_be_caller(const World *w, bool be);
/* Of a fault that left no trace. */
Outcome world_outcome(const World *w);
bool world_done(World *w);

const char *fault_name(unsigned function);
/* How many errors it may have; the one that a number stands for, which may be greater. */
unsigned fault_errors(unsigned function);
int fault_error(unsigned function, unsigned which);
/* The nth call of a function fails from now on, or each (0); _FAULT_FUNCTION_MAX: none does, they are counted. */
void world_arm(World *w, unsigned function, unsigned nth, unsigned which);
void world_disarm(World *w);
void world_note(World *w, unsigned function, unsigned which, Outcome outcome);
/* As comments: which call it was that failed, as addresses for addr2line. */
void world_show_stack(const World *w);
/* The table of what was tried, as comments; how many calls did fail: none does where the layer is not there. */
unsigned world_print(const World *w, const char *title);
