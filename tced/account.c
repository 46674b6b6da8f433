/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "account.h"

#include <inttypes.h>

#include "error.h"
#include "util.h"

static Account *find_account(Manager *m, uid_t uid) {
        for (size_t i = 0; i < m->n_accounts; i++)
                if (m->accounts[i].uid == uid)
                        return &m->accounts[i];
        return NULL;
}

/* A limit that was lowered since is no reason to refuse what does not add to it. */
static bool exceeds(uint64_t have, uint64_t more, uint64_t max) {
        return more > 0 && (more > max || have > max - more);
}

/* Names the setting, what it is and who is at it. */
static int refuse_limit(Refusal *refusal, const char *setting, uint64_t max, uint64_t have, uint64_t more) {
        return refuse(refusal, TCED_ERROR_LIMIT_EXCEEDED,
                      "%s=%" PRIu64 " would be exceeded: %" PRIu64 " are taken, %" PRIu64
                      " more are asked for; end VMs or raise it in tced.conf",
                      setting, max, have, more);
}

/* Does that go on top of what there is? names: of the settings. 0, or -EINVAL with why. */
static int check(const Cost *have, const Cost *more, const Cost *max, const char *const names[3], Refusal *refusal) {
        if (exceeds(have->machines, more->machines, max->machines))
                return refuse_limit(refusal, names[0], max->machines, have->machines, more->machines);
        if (exceeds(have->tables, more->tables, max->tables))
                return refuse_limit(refusal, names[1], max->tables, have->tables, more->tables);
        if (exceeds(have->bytes, more->bytes, max->bytes))
                return refuse_limit(refusal, names[2], max->bytes, have->bytes, more->bytes);
        return 0;
}

static void add(Cost *to, const Cost *more) {
        to->machines += more->machines;
        to->tables += more->tables;
        to->bytes += more->bytes;
}

static void take_from(Cost *from, const Cost *less) {
        from->machines -= less->machines;
        from->tables -= less->tables;
        from->bytes -= less->bytes;
}

int account_charge(Manager *m, uid_t uid, Cost cost, Refusal *refusal) {
        static const char *const all[] = { "MachinesMax", "TablesMax", "TableBytesMax" };
        static const char *const users[] = { "MachinesPerUserMax", "TablesPerUserMax", "TableBytesPerUserMax" };
        const Limits *l = &m->config.limits;
        const Account *account = uid == 0 ? NULL : find_account(m, uid);
        const Cost max = { l->machines_max, l->tables_max, l->table_bytes_max };
        const Cost user_max = { l->machines_per_user_max, l->tables_per_user_max, l->table_bytes_per_user_max };
        int r;

        r = check(&m->held, &cost, &max, all, refusal);
        if (r >= 0 && uid != 0)
                r = check(account ? &account->held : &(Cost) {}, &cost, &user_max, users, refusal);
        if (r < 0)
                return r;
        if (account_adopt(m, uid, cost) < 0)
                return refuse(refusal, TCED_ERROR_NO_MEMORY, "No memory for the account of user %u; try again later", (unsigned) uid);
        return 0;
}

int account_adopt(Manager *m, uid_t uid, Cost cost) {
        Account *account = uid == 0 ? NULL : find_account(m, uid);

        if (uid != 0 && !account) {
                if (ARRAY_RESERVE(m->accounts, m->accounts_allocated, m->n_accounts + 1) < 0)
                        return -ENOMEM;
                account = &m->accounts[m->n_accounts++];
                *account = (Account) { .uid = uid };
        }
        if (account)
                add(&account->held, &cost);
        add(&m->held, &cost);
        return 0;
}

void account_release(Manager *m, uid_t uid, Cost cost) {
        Account *account = uid == 0 ? NULL : find_account(m, uid);

        take_from(&m->held, &cost);
        if (!account)
                return;
        take_from(&account->held, &cost);
        /* Users come and go: who has nothing left needs no account. */
        if (account->held.machines == 0 && account->held.tables == 0 && account->held.bytes == 0)
                *account = m->accounts[--m->n_accounts];
}

bool account_limit_at(const Manager *m, size_t index, const char **ret_name, uint64_t *ret_value) {
        return config_limit_at(&m->config, index, ret_name, ret_value);
}

bool account_usage_at(const Manager *m, size_t index, const char **ret_name, uint64_t *ret_value) {
        const struct {
                const char *name;
                uint64_t value;
        } taken[] = {
                { "MachinesMax", m->held.machines }, { "TablesMax", m->held.tables }, { "TableBytesMax", m->held.bytes },
                { "ConnectionsMax", m->connections }, { "RequestsMax", m->requests },
        };

        if (index >= ELEMENTSOF(taken))
                return false;
        *ret_name = taken[index].name;
        *ret_value = taken[index].value;
        return true;
}
