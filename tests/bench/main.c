/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tced-bench [--quick] [--record FILE] [ROW...]: measure, and print the table. tced-bench --show FILE...: print what was recorded. tced-bench
 * [--quick] --points FILE [PLOT...]: measure how cost grows, for plots, and no rows. It is run by tools/bench, which builds it and says where the
 * programs are. */

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "util.h"

/* By what it does to the machine: first what wants it quiet. */
static void (*const groups[])(void) = {
        bench_acquire, bench_start, bench_hook, bench_plan, bench_many, bench_memory, bench_scan, bench_audit, bench_hypercall, bench_table,
};

static void (*const plots[])(void) = {
        bench_growth_groups, bench_growth_tces, bench_growth_vms,
};

/* Where the harness and the rows find what they start. */
static const struct { const char *name, *path; } programs[] = {
        { "TCED", BENCH_TCED }, { "TCED_ON_FAKE_KVM", BENCH_TCED_ON_FAKE_KVM }, { "HOOK", BENCH_HOOK }, { "TCECTL", BENCH_TCECTL },
        { "BENCH_PEER", BENCH_PEER }, { "DBUS_DAEMON", BENCH_DBUS_DAEMON }, { "TCED_DATA", TEST_SOURCE_ROOT "/data" },
        { "TCED_TEST_PLACE", "/dev/shm" }, /* in memory, as /run and /sys are */
};

static struct {
        bool quick;
        FILE *record, *points;
        char **wanted;
        int n_wanted, missed, measured;
        const char *now; /* the row that is measured */
} bench;

bool bench_quick(void) {
        return bench.quick;
}

unsigned bench_runs(unsigned runs) {
        return bench.quick && runs > 2 ? 2 : runs;
}

bool bench_wanted(const char *id) {
        bool wanted = bench.n_wanted == 0;

        for (int i = 0; i < bench.n_wanted && !wanted; i++)
                wanted = strncmp(id, bench.wanted[i], strlen(bench.wanted[i])) == 0;
        if (wanted)
                bench.now = id;
        return wanted;
}

void bench_fail(const char *format, ...) {
        va_list ap;

        (void) fflush(stdout);
        (void) fprintf(stderr, "tced-bench: %s: ", bench.now ?: "start");
        va_start(ap, format);
        (void) vfprintf(stderr, format, ap);
        va_end(ap);
        (void) fputc('\n', stderr);
        exit(2);
}

static void count(const Row *row) {
        bench.measured++;
        bench.missed += row_met(row) == MET_NOT;
        table_row(stdout, row);
        (void) fflush(stdout);
}

void bench_report(const Row *row) {
        count(row);
        if (bench.record)
                record_row(bench.record, row);
}

void bench_point(const char *plot, double x, const char *series, double nanoseconds) {
        bench.measured++;
        record_point(bench.points, plot, x, series, nanoseconds);
}

static int show_row(const Row *row, void *userdata) {
        count(row);
        return 0;
}

static int show(char **paths) {
        for (; *paths; paths++) {
                FILE *f = fopen(*paths, "re");
                int r = f ? record_read(f, show_row, NULL) : -errno;

                if (f)
                        (void) fclose(f);
                if (r < 0) {
                        (void) fprintf(stderr, "tced-bench: can't show %s: %s\n", *paths, strerror(-r));
                        return 2;
                }
        }
        return bench.missed > 0;
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                { "quick", no_argument, NULL, 'q' }, { "record", required_argument, NULL, 'r' }, { "show", no_argument, NULL, 's' },
                { "points", required_argument, NULL, 'p' }, {},
        };
        bool showing = false;
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                if (option == 'q')
                        bench.quick = true;
                else if (option == 's')
                        showing = true;
                else if (option == 'r' && (bench.record = fopen(optarg, "ae")))
                        continue;
                else if (option == 'p' && (bench.points = fopen(optarg, "ae")))
                        continue;
                else
                        return 2;
        }
        if (showing)
                return show(argv + optind);
        for (size_t i = 0; i < ELEMENTSOF(programs); i++)
                (void) setenv(programs[i].name, programs[i].path, 0);
        bench.wanted = argv + optind;
        bench.n_wanted = argc - optind;
        if (!bench.points) {
                table_machine(stdout);
                table_head(stdout);
        }
        for (size_t i = 0; !bench.points && i < ELEMENTSOF(groups); i++)
                groups[i]();
        for (size_t i = 0; bench.points && i < ELEMENTSOF(plots); i++)
                plots[i]();
        if (bench.measured == 0) {
                (void) fprintf(stderr, "tced-bench: no %s is called that\n", bench.points ? "plot" : "row");
                return 2;
        }
        if (bench.record)
                (void) fclose(bench.record);
        if (bench.points)
                (void) fclose(bench.points);
        return bench.missed > 0 && !bench.quick;
}
