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

int account_charge(Manager *m, uid_t uid, uint64_t machines, uint64_t bytes, Refusal *refusal) {
        const Limits *l = &m->config.limits;
        Account *account = uid == 0 ? NULL : find_account(m, uid);

        if (exceeds(m->machines_held, machines, l->machines_max))
                return refuse_limit(refusal, "MachinesMax", l->machines_max, m->machines_held, machines);
        if (exceeds(m->table_bytes, bytes, l->table_bytes_max))
                return refuse_limit(refusal, "TableBytesMax", l->table_bytes_max, m->table_bytes, bytes);
        if (uid != 0) {
                const Account none = {}, *a = account ? account : &none;

                if (exceeds(a->machines, machines, l->machines_per_user_max))
                        return refuse_limit(refusal, "MachinesPerUserMax", l->machines_per_user_max, a->machines, machines);
                if (exceeds(a->table_bytes, bytes, l->table_bytes_per_user_max))
                        return refuse_limit(refusal, "TableBytesPerUserMax", l->table_bytes_per_user_max, a->table_bytes, bytes);
        }
        if (account_adopt(m, uid, machines, bytes) < 0)
                return refuse(refusal, TCED_ERROR_NO_MEMORY, "No memory for the account of user %u; try again later", (unsigned) uid);
        return 0;
}

int account_adopt(Manager *m, uid_t uid, uint64_t machines, uint64_t bytes) {
        Account *account = uid == 0 ? NULL : find_account(m, uid);

        if (uid != 0 && !account) {
                if (ARRAY_RESERVE(m->accounts, m->accounts_allocated, m->n_accounts + 1) < 0)
                        return -ENOMEM;
                account = &m->accounts[m->n_accounts++];
                *account = (Account) { .uid = uid };
        }
        if (account) {
                account->machines += machines;
                account->table_bytes += bytes;
        }
        m->machines_held += machines;
        m->table_bytes += bytes;
        return 0;
}

void account_release(Manager *m, uid_t uid, uint64_t machines, uint64_t bytes) {
        Account *account = uid == 0 ? NULL : find_account(m, uid);

        m->machines_held -= machines;
        m->table_bytes -= bytes;
        if (!account)
                return;
        account->machines -= machines;
        account->table_bytes -= bytes;
        /* Users come and go: who has nothing left needs no account. */
        if (account->machines == 0 && account->table_bytes == 0)
                *account = m->accounts[--m->n_accounts];
}
