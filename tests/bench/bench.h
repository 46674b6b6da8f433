/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Two ways to the same end, timed in turn in one run: tced's, and what people would use instead or what the machine can do at best. Only
 * the ratio of the two means anything; a time by itself is this machine's.
 *
 * A row is one line of the table. Whoever measures one calls bench_compare(), or bench_report() with figures of its own (bytes, wake-ups,
 * exits). What can't be set up ends the program by bench_fail(): a row that was not measured must not look like one that was. */

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* What the limit of a row is put against. */
typedef enum Goal {
        GOAL_TIMES,   /* tced / peer, at most: "1.25 x" */
        GOAL_FASTER,  /* peer / tced, at least: "50 x faster" */
        GOAL_SHARE,   /* peer / tced, at least, of bandwidths: "0.45 of it" */
        GOAL_PERCENT, /* tced / peer in percent, at most */
        GOAL_AT_MOST, /* tced's figure itself */
        GOAL_NONE,    /* shown for comparison */
        N_GOALS,
} Goal;

typedef enum Unit {
        UNIT_TIME,  /* nanoseconds */
        UNIT_BYTES,
        UNIT_COUNT,
        N_UNITS,
} Unit;

/* A figure that a row has not. */
#define ABSENT ((double) NAN)

/* What is measured, ready for the table. */
typedef struct Row {
        const char *id;   /* a word, by which the row is asked for */
        const char *what; /* at most 44 characters, as the peer's */
        const char *peer; /* NULL: there is none */
        Unit unit;
        double tced, tced_99; /* median of the rounds, 99 % of the calls; ABSENT */
        double other, other_99;
        Goal goal;
        double limit;
} Row;

/* One of the two. */
typedef struct Side {
        /* What is timed; what it leaves is taken away by `after`. 0: by the clock around it; positive: it took so many nanoseconds by a
         * measure of its own; negative errno ends the program. */
        int64_t (*run)(void *userdata);
        /* Before and after each run, and not timed. 0 or negative errno. May be NULL. */
        int (*before)(void *userdata);
        int (*after)(void *userdata);
        void *userdata;
} Side;

typedef struct Comparison {
        const char *id, *what, *peer_name;
        Side tced, peer;
        unsigned runs;  /* of each side in each round; 0: 1,000. With less there is no 99 % */
        unsigned batch; /* operations in one run, where one is too short for the clock; 0: 1 */
        Goal goal;
        double limit;
} Comparison;

/* Measures both in BENCH_ROUNDS rounds, in turn, and reports. Gives what it reported, where ret is not NULL. */
#define BENCH_ROUNDS 5U
void bench_compare(const Comparison *c, Row *ret);
/* The median of so many runs of one side, in nanoseconds, behind one that is not counted. */
double bench_median(const Side *s, unsigned runs);
/* Takes a row into the table and the record; prints it. */
void bench_report(const Row *row);

/* A point of a plot of how cost grows: what x is, is the plot's matter; a series is a curve in it. */
void bench_point(const char *plot, double x, const char *series, double nanoseconds);

/* `runs`, or 1 to 3 where --quick only wants to see that all of it runs. */
unsigned bench_runs(unsigned runs);
bool bench_quick(void);
/* CLOCK_MONOTONIC, in nanoseconds; and the processor time that a process has had. */
uint64_t bench_now(void);
/* Ends the program: "tced-bench: ROW: TEXT". */
_Noreturn void bench_fail(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));
/* Ends the program where r is a negative errno; gives r back. */
#define bench_must(r, what)                                                    \
        ({                                                                     \
                int _r_ = (int) (r);                                           \
                if (_r_ < 0)                                                   \
                        bench_fail("%s: %s", (what), strerror(-_r_));          \
                _r_;                                                           \
        })

/* Keeps the compiler from leaving out what nobody looks at. */
#define bench_keep(value) __asm__ volatile("" : : "r,m"(value) : "memory")

/* The groups of rows, a file each. Each measures all of its rows that bench_wanted() says are asked for. */
bool bench_wanted(const char *id);
void bench_acquire(void);   /* acquire.c */
void bench_start(void);     /* start.c */
void bench_hook(void);      /* hook.c */
void bench_plan(void);      /* plan.c */
void bench_many(void);      /* many.c */
void bench_memory(void);    /* memory.c */
void bench_scan(void);      /* scan.c */
void bench_audit(void);     /* audit.c */
void bench_hypercall(void); /* hypercall.c */
void bench_table(void);     /* table.c */

/* What --points has run in their place: each gives the points of a plot. */
void bench_growth_groups(void); /* scan.c: "groups", by IOMMU groups of the host */
void bench_growth_tces(void);   /* table.c: "tces", by TCEs of a table */
void bench_growth_vms(void);    /* many.c: "vms", by VMs that there are */
