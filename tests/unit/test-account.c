/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* account.c: what fits under which limit, what is said where it does not, and that sums come back to nothing. */

#include "account.h"

#include <inttypes.h>

#include "error.h"
#include "tap.h"
#include "util.h"

#define ALICE 1000U
#define BOB 1001U

static Manager manager_with(uint64_t machines, uint64_t per_user, uint64_t bytes, uint64_t bytes_per_user) {
        return (Manager) {
                .config.limits = {
                        .machines_max = machines,
                        .machines_per_user_max = per_user,
                        .tables_max = UINT64_MAX,
                        .tables_per_user_max = UINT64_MAX,
                        .table_bytes_max = bytes,
                        .table_bytes_per_user_max = bytes_per_user,
                },
        };
}

/* Nobody has anything. */
static bool is_empty(const Manager *m) {
        return m->held.machines == 0 && m->held.bytes == 0 && m->n_accounts == 0;
}

static void test_limits(void) {
        static const struct {
                const char *name;
                uint64_t limits[4];   /* machines, those of a user, bytes, those of a user */
                uint64_t have[2];     /* machines and bytes that Bob has */
                uid_t uid;            /* who asks */
                uint64_t more[2];     /* for machines and bytes */
                const char *exceeded; /* NULL: it fits */
        } cases[] = {
                { "the first", { 10, 10, 1000, 1000 }, { 0, 0 }, ALICE, { 1, 100 }, NULL },
                { "the last machine", { 3, 10, 1000, 1000 }, { 2, 0 }, ALICE, { 1, 0 }, NULL },
                { "one machine too many", { 3, 10, 1000, 1000 }, { 3, 0 }, ALICE, { 1, 0 }, "MachinesMax=3" },
                { "one too many for root too", { 3, 10, 1000, 1000 }, { 3, 0 }, 0, { 1, 0 }, "MachinesMax=3" },
                { "the last machine of a user", { 10, 3, 1000, 1000 }, { 2, 0 }, BOB, { 1, 0 }, NULL },
                { "one too many of a user", { 10, 3, 1000, 1000 }, { 3, 0 }, BOB, { 1, 0 }, "MachinesPerUserMax=3" },
                { "another user's do not count", { 10, 3, 1000, 1000 }, { 3, 0 }, ALICE, { 3, 0 }, NULL },
                { "root is no user", { 10, 1, 1000, 10 }, { 1, 0 }, 0, { 9, 1000 }, NULL },
                { "the last byte", { 10, 10, 1000, 1000 }, { 1, 999 }, ALICE, { 1, 1 }, NULL },
                { "one byte too many", { 10, 10, 1000, 1000 }, { 1, 999 }, ALICE, { 1, 2 }, "TableBytesMax=1000" },
                { "one byte too many for root too", { 10, 10, 1000, 1000 }, { 1, 999 }, 0, { 1, 2 }, "TableBytesMax=1000" },
                { "the last byte of a user", { 10, 10, 1000, 100 }, { 1, 99 }, BOB, { 1, 1 }, NULL },
                { "one byte too many of a user", { 10, 10, 1000, 100 }, { 1, 99 }, BOB, { 1, 2 }, "TableBytesPerUserMax=100" },
                { "too much for a new user", { 10, 10, 1000, 100 }, { 0, 0 }, ALICE, { 1, 101 }, "TableBytesPerUserMax=100" },
                { "2^64 - 1 bytes", { 10, 10, 1000, 1000 }, { 1, 1 }, ALICE, { 1, UINT64_MAX }, "TableBytesMax=1000" },
                { "a sum of 2^64", { 10, 10, UINT64_MAX, UINT64_MAX }, { 1, 1 }, ALICE, { 1, UINT64_MAX },
                  "TableBytesMax=18446744073709551615" },
                { "a limit lowered below what there is", { 2, 10, 1000, 1000 }, { 2, 0 }, ALICE, { 0, 10 }, NULL },
                { "machines above a limit that was lowered", { 1, 1, 1000, 1000 }, { 2, 0 }, BOB, { 0, 10 }, NULL },
                { "bytes above a limit that was lowered", { 10, 10, 10, 10 }, { 1, 100 }, BOB, { 1, 0 }, NULL },
                { "no machines at all", { 0, 10, 1000, 1000 }, { 0, 0 }, 0, { 1, 0 }, "MachinesMax=0" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const uint64_t *l = cases[i].limits;
                /* What is there already came when nothing was limited. */
                Manager m = manager_with(UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX), before;
                Refusal refusal = {};
                int r;

                (void) account_charge(&m, BOB, (Cost) { .machines = cases[i].have[0], .bytes = cases[i].have[1] }, &refusal);
                m.config.limits = manager_with(l[0], l[1], l[2], l[3]).config.limits;
                before = m;
                r = account_charge(&m, cases[i].uid, (Cost) { .machines = cases[i].more[0], .bytes = cases[i].more[1] }, &refusal);
                tap_eq(r, cases[i].exceeded ? -EINVAL : 0, "%s", cases[i].name);
                if (cases[i].exceeded) {
                        tap_streq(refusal.name, TCED_ERROR_LIMIT_EXCEEDED, "%s: the error", cases[i].name);
                        tap_ok(strncmp(refusal.text, cases[i].exceeded, strlen(cases[i].exceeded)) == 0 &&
                                       refusal.text[strlen(cases[i].exceeded)] == ' ',
                               "%s: '%s'", cases[i].name, refusal.text);
                        tap_ok(m.held.machines == before.held.machines && m.held.bytes == before.held.bytes &&
                                       m.n_accounts == before.n_accounts,
                               "%s: nothing is booked", cases[i].name);
                } else {
                        tap_ok(m.held.machines == cases[i].have[0] + cases[i].more[0] &&
                                       m.held.bytes == cases[i].have[1] + cases[i].more[1],
                               "%s: the sums", cases[i].name);
                        account_release(&m, cases[i].uid, (Cost) { .machines = cases[i].more[0], .bytes = cases[i].more[1] });
                }
                account_release(&m, BOB, (Cost) { .machines = cases[i].have[0], .bytes = cases[i].have[1] });
                tap_ok(is_empty(&m), "%s: all is given back", cases[i].name);
                free(m.accounts);
        }
}

/* Tables of all VMs, and of a user's. */
static void test_tables(void) {
        Manager m = manager_with(10, 10, 1000, 1000);
        Refusal refusal;

        m.config.limits.tables_max = 5;
        m.config.limits.tables_per_user_max = 3;
        tap_eq(account_charge(&m, ALICE, (Cost) { .tables = 3 }, &refusal), 0, "as many tables as a user may have");
        tap_eq(account_charge(&m, ALICE, (Cost) { .tables = 1 }, &refusal), -EINVAL, "one more");
        tap_ok(strstr(refusal.text, "TablesPerUserMax=3 would be exceeded: 3 are taken, 1 more"), "'%s'", refusal.text);
        tap_eq(account_charge(&m, BOB, (Cost) { .tables = 2 }, &refusal), 0, "another user's are others");
        tap_eq(account_charge(&m, 0, (Cost) { .tables = 1 }, &refusal), -EINVAL, "one more than there may be, of root's");
        tap_ok(strstr(refusal.text, "TablesMax=5 would be exceeded"), "'%s'", refusal.text);
        account_release(&m, BOB, (Cost) { .tables = 2 });
        tap_eq(account_charge(&m, 0, (Cost) { .tables = 2 }, &refusal), 0, "given back, they are root's");
        account_release(&m, 0, (Cost) { .tables = 2 });
        account_release(&m, ALICE, (Cost) { .tables = 3 });
        tap_ok(is_empty(&m) && m.held.tables == 0, "all is given back");
        free(m.accounts);
}

/* What is told of it. */
static void test_usage(void) {
        Manager m = manager_with(10, 10, 1000, 1000);
        const char *name;
        uint64_t value, limit;
        Refusal refusal;
        size_t n, same = 0;

        (void) account_charge(&m, ALICE, (Cost) { 1, 2, 3 }, &refusal);
        m.connections = 4;
        m.requests = 5;
        for (n = 0; account_usage_at(&m, n, &name, &value); n++) {
                const char *setting;

                same += value == n + 1;
                for (size_t i = 0; config_limit_at(&m.config, i, &setting, &limit); i++)
                        same += streq(setting, name);
        }
        tap_eq(n, 5, "what is taken of five limits");
        tap_eq(same, 2 * n, "each is what it should be, and its limit has its name");
        free(m.accounts);
}

/* What a machine costs comes and goes in parts: its tables that the kernel refused are booked later. */
static void test_parts(void) {
        Manager m = manager_with(10, 2, 1000, 100);
        Refusal refusal;

        tap_eq(account_charge(&m, ALICE, (Cost) { .machines = 1, .bytes = 0 }, &refusal), 0, "a machine without a byte");
        tap_eq(account_charge(&m, ALICE, (Cost) { .machines = 0, .bytes = 60 }, &refusal), 0, "60 bytes more for it");
        tap_eq(account_charge(&m, ALICE, (Cost) { .machines = 1, .bytes = 41 }, &refusal), -EINVAL, "a second machine is too large");
        tap_eq(account_charge(&m, ALICE, (Cost) { .machines = 1, .bytes = 40 }, &refusal), 0, "a smaller one is not");
        tap_eq(account_charge(&m, ALICE, (Cost) { .machines = 1, .bytes = 0 }, &refusal), -EINVAL, "a third is one too many");
        account_release(&m, ALICE, (Cost) { .machines = 1, .bytes = 60 });
        tap_ok(m.n_accounts == 1 && m.accounts[0].held.machines == 1 && m.accounts[0].held.bytes == 40, "the first goes, the second stays");
        account_release(&m, ALICE, (Cost) { .machines = 0, .bytes = 40 });
        tap_eq(m.n_accounts, 1, "a user who has a machine has an account, though not a byte");
        account_release(&m, ALICE, (Cost) { .machines = 1, .bytes = 0 });
        tap_ok(is_empty(&m), "who has nothing has none");
        account_release(&m, ALICE, (Cost) { .machines = 0, .bytes = 0 });
        tap_ok(is_empty(&m), "and nothing can be given back all the same");
        free(m.accounts);
}

/* What is there already is booked, whatever the limits are by now. */
static void test_adopt(void) {
        Manager m = manager_with(1, 1, 10, 10);
        Refusal refusal;

        tap_eq(account_adopt(&m, ALICE, (Cost) { .machines = 2, .bytes = 100 }), 0, "more than a user may have");
        tap_eq(account_adopt(&m, 0, (Cost) { .machines = 5, .bytes = 1000 }), 0, "more than there may be, of root's");
        tap_ok(m.held.machines == 7 && m.held.bytes == 1100 && m.n_accounts == 1 && m.accounts[0].held.machines == 2 &&
                       m.accounts[0].held.bytes == 100,
               "is booked");
        tap_eq(account_charge(&m, ALICE, (Cost) { .machines = 1, .bytes = 0 }, &refusal), -EINVAL, "and counts for what comes");
        account_release(&m, ALICE, (Cost) { .machines = 2, .bytes = 100 });
        account_release(&m, 0, (Cost) { .machines = 5, .bytes = 1000 });
        tap_ok(is_empty(&m), "it is given back");
        free(m.accounts);
}

/* Accounts come and go in any order; each keeps its own numbers. */
static void test_many_users(void) {
        Manager m = manager_with(UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX);
        uint64_t machines[200] = {}, bytes[200] = {}, seed = 1;
        unsigned wrong = 0;
        Refusal refusal;

        for (unsigned step = 0; step < 20000; step++) {
                uint32_t random;
                size_t user;

                seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
                random = (uint32_t) (seed >> 33);
                user = random % ELEMENTSOF(machines);
                if (machines[user] == 0 || (random >> 16) % 2) {
                        wrong += account_charge(&m, (uid_t) (ALICE + user), (Cost) { .machines = 1, .bytes = random % 1000 }, &refusal) < 0;
                        machines[user]++;
                        bytes[user] += random % 1000;
                } else {
                        account_release(&m, (uid_t) (ALICE + user), (Cost) { .machines = machines[user], .bytes = bytes[user] });
                        machines[user] = bytes[user] = 0;
                }
        }
        for (size_t user = 0; user < ELEMENTSOF(machines); user++) {
                const Account *found = NULL;

                for (size_t i = 0; i < m.n_accounts; i++)
                        if (m.accounts[i].uid == ALICE + user) {
                                wrong += found != NULL;
                                found = &m.accounts[i];
                        }
                wrong += found ? found->held.machines != machines[user] || found->held.bytes != bytes[user] : machines[user] > 0;
                account_release(&m, (uid_t) (ALICE + user), (Cost) { .machines = machines[user], .bytes = bytes[user] });
        }
        tap_eq(wrong, 0, "200 users, each with an account while there is something in it");
        tap_ok(is_empty(&m), "all is given back");
        free(m.accounts);
}

int main(void) {
        test_limits();
        test_tables();
        test_usage();
        test_parts();
        test_adopt();
        test_many_users();
        return tap_done();
}
