/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A machine: made known, found, claimed, forgotten; and the list of its tables. */

#include "internal.h"
#include "names.h"

#define UUID_DIGITS 32

/* Takes a reference on the connection. */
static int machine_new(struct tced *t, const char *member, const char *path, struct tced_machine **ret) {
        const char *uuid = path + strlen(TCED_MACHINE_PREFIX "/");
        struct tced_machine *m;

        if (strncmp(path, TCED_MACHINE_PREFIX "/", strlen(TCED_MACHINE_PREFIX "/")) != 0 ||
            strspn(uuid, "0123456789abcdef") != UUID_DIGITS || uuid[UUID_DIGITS])
                return connection_bad_reply(t, member, -EBADMSG);
        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        m->path = strdup(path);
        if (!m->path) {
                free(m);
                return -ENOMEM;
        }
        m->n_ref = 1;
        m->tced = tced_ref(t);
        *ret = m;
        return 0;
}

/* The machine whose path the answer to `call` is. */
static int machine_from_call(struct tced *t, sd_bus_message *call, struct tced_machine **ret, bool *ret_lost) {
        _cleanup_(message_unrefp) sd_bus_message *reply = NULL;
        const char *path;
        int r;

        r = connection_call_again(t, call, &reply, ret_lost);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return connection_bad_reply(t, sd_bus_message_get_member(call), r);
        return machine_new(t, sd_bus_message_get_member(call), path, ret);
}

static int append_windows(sd_bus_message *call, const struct tced_window *windows, size_t n_windows) {
        int r = sd_bus_message_open_container(call, 'a', "(ssuttubi)");

        for (size_t i = 0; r >= 0 && i < n_windows; i++) {
                const struct tced_window *w = windows + i;

                r = sd_bus_message_append(call, "(ssuttubi)", w->kind, w->device, w->liobn, w->bus_offset, w->size,
                                          w->page_shift, w->notifier != 0, w->group);
        }
        return r < 0 ? r : sd_bus_message_close_container(call);
}

static int append_properties(sd_bus_message *call, uint32_t owner) {
        if (owner == TCED_OWNER_CALLER)
                return sd_bus_message_append(call, "a{sv}", 0);
        return sd_bus_message_append(call, "a{sv}", 1, "OwnerUid", "u", owner);
}

/* A property as its message, at the value; the caller owns *ret. */
static int get_property(struct tced *t, const char *path, const char *interface, const char *name, const char *type, sd_bus_message **ret) {
        _cleanup_(message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        int r;

        r = connection_new_call(t, path, "org.freedesktop.DBus.Properties", "Get", &call);
        if (r >= 0)
                r = sd_bus_message_append(call, "ss", interface, name);
        if (r >= 0)
                r = connection_call(t, call, &reply);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'v', type);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(reply);
        return 0;
}

static bool has_text(struct tced *t, const char *path, const char *name, const char *want) {
        _cleanup_(message_unrefp) sd_bus_message *value = NULL;
        const char *text;

        return get_property(t, path, TCED_INTERFACE_MACHINE, name, "s", &value) >= 0 && sd_bus_message_read(value, "s", &text) > 0 &&
               streq(text, want);
}

static bool has_window(struct tced *t, const char *machine, const struct tced_window *w) {
        _cleanup_(message_unrefp) sd_bus_message *size = NULL, *offset = NULL;
        _cleanup_free_ char *path = NULL;
        uint64_t bytes, start;

        if (asprintf(&path, "%s/table/%08" PRIx32, machine, w->liobn) < 0) {
                path = NULL;
                return false;
        }
        return get_property(t, path, TCED_INTERFACE_TABLE, "Size", "t", &size) >= 0 && sd_bus_message_read(size, "t", &bytes) > 0 &&
               get_property(t, path, TCED_INTERFACE_TABLE, "BusOffset", "t", &offset) >= 0 &&
               sd_bus_message_read(offset, "t", &start) > 0 && bytes == w->size && start == w->bus_offset;
}

/* The answer was lost, and tced says that there is one already: is it the one that was asked for? */
static bool is_what_was_registered(struct tced_machine *m, const char *name, const struct tced_window *windows, size_t n_windows) {
        if (!has_text(m->tced, m->path, "Name", name) || !has_text(m->tced, m->path, "State", "registered"))
                return false;
        for (size_t i = 0; i < n_windows; i++)
                if (!has_window(m->tced, m->path, &windows[i]))
                        return false;
        return true;
}

/* Finds that one. */
static int find_registered(struct tced *t, const char *name, const char *uuid, const struct tced_window *windows, size_t n_windows,
                           struct tced_machine **ret) {
        _cleanup_(tced_machine_unrefp) struct tced_machine *m = NULL;

        if (tced_find(t, uuid, &m) < 0 || !is_what_was_registered(m, name, windows, n_windows))
                return connection_error(t, -EEXIST, "RegisterMachine: machine %s: its name or UUID is another's; choose another",
                                        name);
        *ret = TAKE_PTR(m);
        return 0;
}

_public_ int tced_register(struct tced *t, const char *name, const char *uuid, const struct tced_window *windows,
                           size_t n_windows, uint32_t owner, struct tced_machine **ret) {
        _cleanup_(message_unrefp) sd_bus_message *call = NULL;
        char made[SD_ID128_STRING_MAX];
        sd_id128_t id;
        bool lost;
        int r;

        if (!name || (!windows && n_windows > 0))
                return connection_error(t, -EINVAL, "RegisterMachine: no name, or no windows");
        for (size_t i = 0; i < n_windows; i++)
                if (!windows[i].kind || !windows[i].device)
                        return connection_error(t, -EINVAL, "RegisterMachine: window %zu has no kind, or no device", i);
        r = connection_new_call(t, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "RegisterMachine", &call);
        if (r < 0)
                return r;
        if (isempty(uuid)) {
                /* Not left to tced: by it the machine is known again where the answer is lost. */
                r = sd_id128_randomize(&id);
                if (r < 0)
                        return connection_error(t, r, "RegisterMachine: no random numbers for a UUID: %s", strerrordesc_np(-r));
                uuid = sd_id128_to_string(id, made);
        }
        r = sd_bus_message_append(call, "ss", name, uuid);
        if (r >= 0)
                r = append_windows(call, windows, n_windows);
        if (r >= 0)
                r = append_properties(call, owner);
        if (r >= 0)
                r = sd_bus_message_append(call, "t", UINT64_C(0));
        if (r < 0)
                return connection_error(t, r, "RegisterMachine: %s", strerrordesc_np(-r));
        r = machine_from_call(t, call, ret, &lost);
        return r == -EEXIST && lost ? find_registered(t, name, uuid, windows, n_windows, ret) : r;
}

_public_ int tced_find(struct tced *t, const char *name_or_uuid, struct tced_machine **ret) {
        _cleanup_(message_unrefp) sd_bus_message *call = NULL;
        int r;

        if (!name_or_uuid)
                return connection_error(t, -EINVAL, "GetMachine: no name");
        r = connection_new_call(t, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "GetMachine", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "s", name_or_uuid);
        if (r < 0)
                return connection_error(t, r, "GetMachine: %s", strerrordesc_np(-r));
        return machine_from_call(t, call, ret, NULL);
}

/* A method of the machine that takes flags and answers nothing. */
static int call_with_flags(struct tced_machine *m, const char *member, bool *ret_lost) {
        _cleanup_(message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = connection_new_call(m->tced, m->path, TCED_INTERFACE_MACHINE, member, &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "t", UINT64_C(0));
        if (r < 0)
                return r;
        return connection_call_again(m->tced, call, NULL, ret_lost);
}

/* With a pidfd of this process. -EBADR: such a tced does not know the method; -EOPNOTSUPP: there is no pidfd, or no fd can be sent. */
static int claim_with_pidfd(struct tced_machine *m) {
        _cleanup_(message_unrefp) sd_bus_message *call = NULL;
        _cleanup_fd_ int fd = sys_pidfd_open(getpid(), 0);
        int r;

        if (fd < 0)
                return -EOPNOTSUPP;
        r = connection_new_call(m->tced, m->path, TCED_INTERFACE_MACHINE, "ClaimWithPidfd", &call);
        if (r >= 0)
                r = sd_bus_message_append(call, "ht", fd, UINT64_C(0));
        return r < 0 ? r : connection_call_again(m->tced, call, NULL, NULL);
}

_public_ int tced_claim(struct tced_machine *m) {
        /* A bus says itself whose call it is. */
        int r = m->tced->destination ? -EOPNOTSUPP : claim_with_pidfd(m);

        return r == -EOPNOTSUPP || r == -EBADR ? call_with_flags(m, "Claim", NULL) : r;
}

_public_ int tced_unregister(struct tced_machine *m) {
        bool lost = false;
        int r = call_with_flags(m, "Unregister", &lost);

        /* It is gone, which its lost answer would have said. */
        return lost && (r == -ESRCH || r == -EBADR) ? 0 : r;
}

_public_ struct tced_machine *tced_machine_ref(struct tced_machine *m) {
        m->n_ref++;
        return m;
}

_public_ struct tced_machine *tced_machine_unref(struct tced_machine *m) {
        if (!m || --m->n_ref > 0)
                return NULL;
        for (size_t i = 0; i < m->n_tables; i++)
                (void) table_free(m->tables[i]);
        free(m->tables);
        free(m->fetched);
        free(m->path);
        (void) tced_unref(m->tced);
        free(m);
        return NULL;
}

_public_ const char *tced_machine_uuid(const struct tced_machine *m) {
        return m->path + strlen(TCED_MACHINE_PREFIX "/");
}

_public_ size_t tced_machine_n_tables(const struct tced_machine *m) {
        return m->n_tables;
}

_public_ struct tced_table *tced_machine_table(const struct tced_machine *m, size_t index) {
        return index < m->n_tables ? m->tables[index] : NULL;
}

/* Where the table of that LIOBN is, or would have to be. */
static size_t table_position(const struct tced_machine *m, uint64_t liobn) {
        size_t low = 0, high = m->n_tables;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (m->tables[middle]->liobn < liobn)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

_public_ struct tced_table *tced_machine_find_table(const struct tced_machine *m, uint64_t liobn) {
        size_t i = table_position(m, liobn);

        return i < m->n_tables && m->tables[i]->liobn == liobn ? m->tables[i] : NULL;
}

int machine_add_table(struct tced_machine *m, struct tced_table *table) {
        size_t at = table_position(m, table->liobn);
        int r;

        r = ARRAY_RESERVE(m->tables, m->allocated, m->n_tables + 1);
        if (r < 0)
                return r;
        memmove(m->tables + at + 1, m->tables + at, (m->n_tables - at) * sizeof(m->tables[0]));
        m->tables[at] = table;
        m->n_tables++;
        return 0;
}

int machine_note_fetched(struct tced_machine *m, uint32_t liobn) {
        int r;

        if (machine_has_fetched(m, liobn))
                return 0;
        r = ARRAY_RESERVE(m->fetched, m->fetched_allocated, m->n_fetched + 1);
        if (r < 0)
                return r;
        m->fetched[m->n_fetched++] = liobn;
        return 0;
}

bool machine_has_fetched(const struct tced_machine *m, uint32_t liobn) {
        for (size_t i = 0; i < m->n_fetched; i++)
                if (m->fetched[i] == liobn)
                        return true;
        return false;
}

_public_ int tced_machine_multitce_allowed(const struct tced_machine *m) {
        return m->multitce;
}
