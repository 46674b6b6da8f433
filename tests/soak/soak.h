/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the processes of a soak share. One leads (soak.c): it starts the others again as they die, kills the daemon, and watches. Holders
 * (holder.c) are VMMs that have tables; callers (caller.c) say anything and die at any moment. */

#include "client.h"
#include "fuzz-values.h"

/* In the UUID of each machine that a holder has: root's callers leave it alone, as root may do anything with it. */
#define HELD_UUID "50a450a450a450a4"
#define TABLES_MAX 24U
#define HELD_LIOBN 0x71000001U
#define HOLDERS_MAX 64U

typedef enum Outcome {
        OUTCOME_WELL,
        OUTCOME_REFUSED,
        OUTCOME_AWAY,    /* the daemon was killed before it answered, or was not there */
        OUTCOME_UNHEARD, /* its caller did not live to hear it */
        OUTCOME_WRONG,   /* no answer from a daemon that was there, or an error without a name or words */
        N_OUTCOMES,
} Outcome;

typedef enum Death {
        DEATH_KILLED, DEATH_IN_CALL, DEATH_HALF_MESSAGE, DEATH_HALF_GREETING, DEATH_HALF_CLOSED, DEATH_LEFT,
        DEATH_HOLDER_KILLED, DEATH_HOLDER_CLOSED, DEATH_HOLDER_LEFT,
        N_DEATHS,
} Death;

/* What a holder has; written by it before it says so. */
typedef struct Held {
        char uuid[33];
        unsigned n_tables;
        uint64_t bytes;
} Held;

#define MEMBERS_MAX 96U

/* In memory that all share; counters are atomic. */
typedef struct Shared {
        /* One more before the daemon is ended, and one more when it is back: odd while it is away. */
        uint32_t turns;
        bool stop;
        struct {
                char name[96];
                uint64_t outcomes[N_OUTCOMES];
        } members[MEMBERS_MAX];
        size_t n_members;
        uint64_t deaths[N_DEATHS];
        /* Of holders: calls of libtced that went well, that a limit refused, that failed otherwise; patterns written. */
        uint64_t lib_calls, lib_limited, lib_failed, written;
        Held held[HOLDERS_MAX];
} Shared;

#define count_one(counter) ((void) __atomic_add_fetch((counter), 1, __ATOMIC_RELAXED))
#define turns_now(shared) __atomic_load_n(&(shared)->turns, __ATOMIC_SEQ_CST)

typedef struct Caller {
        const Host *host;
        Shared *shared;
        uint64_t seed;
        const char *who;
        bool root, on_peer;
} Caller;

typedef struct Holder {
        const Host *host;
        Shared *shared;
        uint64_t seed;
        unsigned slot;
} Holder;

/* For actor_start(): until they die. */
void caller_run(int fd, void *userdata);
/* What it says: 'h': it holds its tables; 'l': a limit refuses it, and it leaves; 'f': something failed, which it printed; 'y' and 'n': each
 * byte is as it should be, or not. What it is told: 'c': look at each byte; 'u': unregister and leave; 'x': close the connection and leave. */
void holder_run(int fd, void *userdata);

/* A row for each method, and one for the properties of an interface (member NULL); afterwards figures_count() finds them. */
void figures_name(Shared *s, sd_bus *bus);
void figures_count(Shared *s, const char *interface, const char *member, Outcome outcome);
uint64_t figures_sum(const Shared *s, Outcome outcome);
/* As comments of TAP's. */
void figures_print(const Shared *s);

/* One line, whole also where many print. */
void print_line(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));
