/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rows as people read them, in 80 columns, and as a line of JSON each for the record, which `--show` reads back: rows of a POWER host come that
 * way. */

#include "report.h"

#include <json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "util.h"

/* A goal counts as missed when it is missed by more than a tenth: that is how far two runs of the same may be apart. */
#define SLACK 0.1

static const char *const goal_names[N_GOALS] = {
        [GOAL_TIMES] = "times", [GOAL_FASTER] = "faster", [GOAL_SHARE] = "share", [GOAL_PERCENT] = "percent", [GOAL_AT_MOST] = "at-most",
        [GOAL_NONE] = "none",
};

static const char *const unit_names[N_UNITS] = { [UNIT_TIME] = "ns", [UNIT_BYTES] = "bytes", [UNIT_COUNT] = "count" };

/* What is put against the limit; ABSENT: nothing is. */
static double outcome(const Row *row) {
        switch (row->goal) {
        case GOAL_TIMES:
                return row->tced / row->other;
        case GOAL_FASTER:
        case GOAL_SHARE:
                return row->other / row->tced;
        case GOAL_PERCENT:
                return 100 * row->tced / row->other;
        case GOAL_AT_MOST:
                return row->tced;
        case GOAL_NONE:
        case N_GOALS:
                break;
        }
        return ABSENT;
}

static bool at_least(Goal goal) {
        return goal == GOAL_FASTER || goal == GOAL_SHARE;
}

Met row_met(const Row *row) {
        double have = outcome(row);

        if (row->goal == GOAL_NONE)
                return MET_NONE;
        if (at_least(row->goal))
                return have >= row->limit ? MET_WELL : have >= row->limit * (1 - SLACK) ? MET_NEARLY : MET_NOT;
        return have <= row->limit ? MET_WELL : have <= row->limit * (1 + SLACK) ? MET_NEARLY : MET_NOT;
}

static const char *figure(char buf[static 24], double value, Unit unit) {
        static const struct { double from, part; const char *name; } times[] = {
                { 1e9, 1e9, "s" }, { 1e6, 1e6, "ms" }, { 1e3, 1e3, "µs" }, { 0, 1, "ns" },
        }, bytes[] = { { 1048576, 1048576, "MiB" }, { 1024, 1024, "KiB" }, { 0, 1, "B" } };
        size_t i = 0;

        if (isnan(value))
                return strcpy(buf, "");
        if (unit == UNIT_COUNT) {
                (void) snprintf(buf, 24, value == floor(value) ? "%.0f" : "%.2f", value);
                return buf;
        }
        if (unit == UNIT_TIME) {
                while (value < times[i].from)
                        i++;
                value /= times[i].part;
                (void) snprintf(buf, 24, value < 10 ? "%.2f %s" : value < 100 ? "%.1f %s" : "%.0f %s", value, times[i].name);
        } else {
                while (value < bytes[i].from)
                        i++;
                value /= bytes[i].part;
                (void) snprintf(buf, 24, "%.*f %s", bytes[i].part > 1 ? 2 : 0, value, bytes[i].name);
        }
        return buf;
}

/* "1.07 x" and "<= 1.25 x". */
static void ratio(const Row *row, char have[static 24], char want[static 24]) {
        double value = outcome(row);
        const char *sign = at_least(row->goal) ? "≥" : "≤";
        char limit[24];

        *have = *want = '\0';
        switch (row->goal) {
        case GOAL_TIMES:
        case GOAL_FASTER:
                (void) snprintf(have, 24, value < 10 ? "%.2f ×" : "%.0f ×", value);
                (void) snprintf(want, 24, "%s %g ×", sign, row->limit);
                break;
        case GOAL_SHARE:
                (void) snprintf(have, 24, "%.2f", value);
                (void) snprintf(want, 24, "%s %g", sign, row->limit);
                break;
        case GOAL_PERCENT:
                (void) snprintf(have, 24, "%.2f %%", value);
                (void) snprintf(want, 24, "%s %g %%", sign, row->limit);
                break;
        case GOAL_AT_MOST:
                (void) snprintf(want, 24, "%s %s", sign, figure(limit, row->limit, row->unit));
                break;
        case GOAL_NONE:
        case N_GOALS:
                break;
        }
}

/* Padded by the characters that are seen: printf counts bytes. */
static void column(FILE *f, const char *text, int width) {
        int seen = 0, left = width < 0 ? -width : width;

        for (const char *p = text; *p; p++)
                seen += ((unsigned char) *p & 0xc0) != 0x80;
        left = left > seen ? left - seen : 0;
        (void) fprintf(f, "%*s%s%*s", width > 0 ? left : 0, "", text, width < 0 ? left : 0, "");
}

static void line(FILE *f, const char *a, const char *b, const char *c, const char *d) {
        column(f, a, -46);
        column(f, b, 10);
        column(f, c, 10);
        column(f, d, 13);
        (void) fputc('\n', f);
}

void table_head(FILE *f) {
        line(f, "what", "median", "99 %", "ratio");
        line(f, "  against what", "", "", "goal");
}

void table_row(FILE *f, const Row *row) {
        static const char *const verdicts[] = { [MET_WELL] = "", [MET_NEARLY] = "~ ", [MET_NOT] = "! ", [MET_NONE] = "" };
        char a[24], b[24], have[24], want[24], peer[96], goal[64];

        ratio(row, have, want);
        if (row->goal == GOAL_AT_MOST && !row->peer) {
                (void) snprintf(goal, sizeof(goal), "%s%s", verdicts[row_met(row)], want);
                line(f, row->what, figure(a, row->tced, row->unit), figure(b, row->tced_99, row->unit), goal);
                return;
        }
        line(f, row->what, figure(a, row->tced, row->unit), figure(b, row->tced_99, row->unit), have);
        (void) snprintf(peer, sizeof(peer), "  %s", row->peer ?: "");
        (void) snprintf(goal, sizeof(goal), "%s%s", verdicts[row_met(row)], want);
        line(f, peer, figure(a, row->other, row->unit), figure(b, row->other_99, row->unit), goal);
}

static void add_number(struct json_object *o, const char *key, double value) {
        if (!isnan(value))
                (void) json_object_object_add(o, key, json_object_new_double(value));
}

void record_row(FILE *f, const Row *row) {
        struct json_object *o = json_object_new_object();

        (void) json_object_object_add(o, "id", json_object_new_string(row->id));
        (void) json_object_object_add(o, "what", json_object_new_string(row->what));
        if (row->peer)
                (void) json_object_object_add(o, "peer", json_object_new_string(row->peer));
        (void) json_object_object_add(o, "unit", json_object_new_string(unit_names[row->unit]));
        add_number(o, "tced", row->tced);
        add_number(o, "tced99", row->tced_99);
        add_number(o, "other", row->other);
        add_number(o, "other99", row->other_99);
        (void) json_object_object_add(o, "goal", json_object_new_string(goal_names[row->goal]));
        add_number(o, "limit", row->limit);
        (void) fprintf(f, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
        (void) json_object_put(o);
        (void) fflush(f);
}

void record_point(FILE *f, const char *plot, double x, const char *series, double nanoseconds) {
        struct json_object *o = json_object_new_object();

        (void) json_object_object_add(o, "plot", json_object_new_string(plot));
        add_number(o, "x", x);
        (void) json_object_object_add(o, "series", json_object_new_string(series));
        add_number(o, "ns", nanoseconds);
        (void) fprintf(f, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
        (void) json_object_put(o);
        (void) fflush(f);
}

static const char *text_of(struct json_object *o, const char *key) {
        struct json_object *v;

        return json_object_object_get_ex(o, key, &v) ? json_object_get_string(v) : NULL;
}

static double number_of(struct json_object *o, const char *key) {
        struct json_object *v;

        return json_object_object_get_ex(o, key, &v) ? json_object_get_double(v) : ABSENT;
}

static int index_of(const char *const *names, int n, const char *name) {
        int i = 0;

        while (i < n && (!name || !streq(names[i], name)))
                i++;
        return i < n ? i : -EINVAL;
}

int record_read(FILE *f, int (*fn)(const Row *row, void *userdata), void *userdata) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        int r = 0;

        while (r >= 0 && getline(&text, &size, f) > 0) {
                struct json_object *o = json_tokener_parse(text);
                int goal = index_of(goal_names, N_GOALS, o ? text_of(o, "goal") : NULL);
                int unit = index_of(unit_names, N_UNITS, o ? text_of(o, "unit") : NULL);

                if (goal < 0 || unit < 0 || !text_of(o, "id") || !text_of(o, "what"))
                        r = -EBADMSG;
                else
                        r = fn(&(Row) { .id = text_of(o, "id"), .what = text_of(o, "what"), .peer = text_of(o, "peer"), .unit = (Unit) unit,
                                        .tced = number_of(o, "tced"), .tced_99 = number_of(o, "tced99"), .other = number_of(o, "other"),
                                        .other_99 = number_of(o, "other99"), .goal = (Goal) goal, .limit = number_of(o, "limit") },
                               userdata);
                (void) json_object_put(o);
        }
        return r;
}

/* "model name : X" of x86, "cpu : X" of POWER. */
static void processor(char *buf, size_t size) {
        FILE *f = fopen("/proc/cpuinfo", "re");
        _cleanup_free_ char *text = NULL;
        size_t n = 0;

        (void) snprintf(buf, size, "an unknown processor");
        while (f && getline(&text, &n, f) > 0)
                if (strncmp(text, "model name", 10) == 0 || strncmp(text, "cpu\t", 4) == 0) {
                        const char *value = strchr(text, ':');

                        if (value)
                                (void) snprintf(buf, size, "%s", value + 2);
                        buf[strcspn(buf, "\n")] = '\0';
                        break;
                }
        if (f)
                (void) fclose(f);
}

void table_machine(FILE *f) {
        struct utsname u;
        char model[64];

        if (uname(&u) < 0)
                return;
        processor(model, sizeof(model));
        (void) fprintf(f, "%s, %ld processors, Linux %s\n", model, sysconf(_SC_NPROCESSORS_ONLN), u.release);
}
