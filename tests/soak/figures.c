/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is counted in a soak: calls by method and outcome, and ways to die. */

#include "fuzz-calls.h"
#include "soak.h"

static const char *const outcome_names[N_OUTCOMES] = {
        [OUTCOME_WELL] = "well", [OUTCOME_REFUSED] = "refused", [OUTCOME_AWAY] = "away", [OUTCOME_UNHEARD] = "unheard",
        [OUTCOME_WRONG] = "wrong",
};

static const char *const death_names[N_DEATHS] = {
        [DEATH_KILLED] = "killed at any moment",
        [DEATH_IN_CALL] = "killed with a call on its way",
        [DEATH_HALF_MESSAGE] = "half a message, then closed",
        [DEATH_HALF_GREETING] = "half a greeting, then closed",
        [DEATH_HALF_CLOSED] = "one direction closed under a call",
        [DEATH_LEFT] = "closed its connection",
        [DEATH_HOLDER_KILLED] = "a VMM, killed",
        [DEATH_HOLDER_CLOSED] = "a VMM, its connection closed",
        [DEATH_HOLDER_LEFT] = "a VMM, unregistered",
};

void print_line(const char *format, ...) {
        char line[1024] = "# ";
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(line + 2, sizeof(line) - 3, format, ap);
        va_end(ap);
        n = n < (int) sizeof(line) - 3 ? n : (int) sizeof(line) - 4;
        line[n + 2] = '\n';
        (void) !write(STDOUT_FILENO, line, (size_t) n + 3);
}

static size_t find(const Shared *s, const char *interface, const char *member) {
        char name[sizeof(s->members[0].name)];
        size_t i = 0;

        (void) snprintf(name, sizeof(name), "%s.%s", interface, member ? member : "(properties)");
        while (i < s->n_members && !streq(s->members[i].name, name))
                i++;
        return i;
}

void figures_name(Shared *s, sd_bus *bus) {
        Targets t = {};

        targets_look(&t, bus);
        for (size_t i = 0; i < t.n_targets; i++) {
                const char *member = t.targets[i].property ? NULL : t.targets[i].member;

                if (s->n_members < MEMBERS_MAX && find(s, t.targets[i].interface, member) == s->n_members)
                        (void) snprintf(s->members[s->n_members++].name, sizeof(s->members[0].name), "%s.%s", t.targets[i].interface,
                                        member ? member : "(properties)");
        }
        targets_done(&t);
}

void figures_count(Shared *s, const char *interface, const char *member, Outcome outcome) {
        size_t i = find(s, interface, member);

        if (i < s->n_members)
                count_one(&s->members[i].outcomes[outcome]);
}

uint64_t figures_sum(const Shared *s, Outcome outcome) {
        uint64_t sum = 0;

        for (size_t i = 0; i < s->n_members; i++)
                sum += s->members[i].outcomes[outcome];
        return sum;
}

static void print_row(const char *name, const uint64_t *outcomes) {
        static const char prefix[] = "org.freedesktop.DBus.";

        if (strncmp(name, prefix, strlen(prefix)) == 0)
                name += strlen(prefix);
        print_line("%-42.42s %7" PRIu64 " %7" PRIu64 " %6" PRIu64 " %7" PRIu64 " %5" PRIu64, name, outcomes[0], outcomes[1], outcomes[2],
                   outcomes[3], outcomes[4]);
}

void figures_print(const Shared *s) {
        uint64_t sums[N_OUTCOMES];

        print_line("%-42s %7s %7s %6s %7s %5s", "calls", outcome_names[0], outcome_names[1], outcome_names[2], outcome_names[3],
                   outcome_names[4]);
        for (size_t i = 0; i < s->n_members; i++)
                print_row(s->members[i].name, s->members[i].outcomes);
        for (unsigned i = 0; i < N_OUTCOMES; i++)
                sums[i] = figures_sum(s, i);
        print_row("all", sums);
        for (unsigned i = 0; i < N_DEATHS; i++)
                print_line("%-42s %7" PRIu64, death_names[i], s->deaths[i]);
}
