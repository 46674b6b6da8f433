/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The clock, and the rounds. The two sides take turns in a round, and each begins every other one, so that a machine which grows slower or
 * faster meanwhile does it to both. */

#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util.h"

#define RUNS_DEFAULT 1000U
/* The 99 % of fewer are one or two of the slowest. */
#define RUNS_FOR_99 100U

uint64_t bench_now(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000000U + (uint64_t) t.tv_nsec;
}

static int by_size(const void *a, const void *b) {
        const double *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

/* Sorts the values. `share` of them are no larger. */
static double quantile(double *values, size_t n, double share) {
        size_t at = (size_t) ((double) (n - 1) * share + 0.5);

        qsort(values, n, sizeof(*values), by_size);
        return values[at];
}

static double run_once(const Side *s, const char *id) {
        uint64_t begin, end;
        int64_t r;

        if (s->before)
                (void) bench_must(s->before(s->userdata), id);
        begin = bench_now();
        r = s->run(s->userdata);
        end = bench_now();
        (void) bench_must(r < 0 ? r : 0, id);
        if (s->after)
                (void) bench_must(s->after(s->userdata), id);
        return r > 0 ? (double) r : (double) (end - begin);
}

/* One side's turn: its times into values, in no order; their median. */
static double turn(const Side *s, const char *id, double *values, unsigned runs) {
        for (unsigned i = 0; i < runs; i++)
                values[i] = run_once(s, id);
        return quantile(values, runs, 0.5);
}

double bench_median(const Side *s, unsigned runs) {
        _cleanup_free_ double *values = calloc(bench_runs(runs), sizeof(*values));

        if (!values)
                bench_fail("no memory for %u runs", runs);
        (void) run_once(s, "a point");
        return turn(s, "a point", values, bench_runs(runs));
}

void bench_compare(const Comparison *c, Row *ret) {
        unsigned runs = bench_runs(c->runs > 0 ? c->runs : RUNS_DEFAULT), batch = c->batch > 0 ? c->batch : 1;
        _cleanup_free_ double *values = calloc((size_t) runs * BENCH_ROUNDS * 2, sizeof(*values));
        const Side *sides[2] = { &c->tced, &c->peer };
        double medians[2][BENCH_ROUNDS], median[2], most[2] = { ABSENT, ABSENT };
        Row row;

        if (!values)
                bench_fail("no memory for %u runs", runs);
        /* The first is always slower: caches, pages, a connection that is new. */
        for (unsigned side = 0; side < 2; side++)
                (void) run_once(sides[side], c->id);
        for (unsigned round = 0; round < BENCH_ROUNDS; round++)
                for (unsigned i = 0; i < 2; i++) {
                        unsigned side = (round + i) % 2;

                        medians[side][round] = turn(sides[side], c->id, values + ((size_t) side * BENCH_ROUNDS + round) * runs, runs);
                }
        for (unsigned side = 0; side < 2; side++) {
                median[side] = quantile(medians[side], BENCH_ROUNDS, 0.5) / batch;
                if (runs >= RUNS_FOR_99)
                        most[side] = quantile(values + (size_t) side * BENCH_ROUNDS * runs, (size_t) runs * BENCH_ROUNDS, 0.99) / batch;
        }
        row = (Row) {
                .id = c->id, .what = c->what, .peer = c->peer_name, .unit = UNIT_TIME, .tced = median[0], .tced_99 = most[0],
                .other = median[1], .other_99 = most[1], .goal = c->goal, .limit = c->limit,
        };
        bench_report(&row);
        if (ret)
                *ret = row;
}
