/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.tced1.Machine at /org/tced1/machine/UUID. */

#include <inttypes.h>

#include "dbus_internal.h"
#include "names.h"
#include "util.h"

#define PREFIX TCED_MACHINE_PREFIX "/"
#define UUID_LENGTH 32U

static int find_machine(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found, sd_bus_error *error) {
        Connection *c = userdata;
        char canonical[PATH_MAX_MACHINE];
        Machine *m;

        if (strlen(path) != strlen(PREFIX) + UUID_LENGTH)
                return 0;
        m = manager_find_machine_by_uuid(c->manager, path + strlen(PREFIX));
        if (!m || !connection_may_see(c, m) || !streq(path, path_of_machine(canonical, m)))
                return 0;
        *ret_found = m;
        return 1;
}

static int get_name(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                    sd_bus_error *error) {
        const Machine *m = userdata;
        return sd_bus_message_append(reply, "s", m->name);
}

static int get_uuid(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                    sd_bus_error *error) {
        const Machine *m = userdata;
        return sd_bus_message_append(reply, "s", m->uuid);
}

static int get_uid(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                   sd_bus_error *error) {
        const Machine *m = userdata;
        return sd_bus_message_append(reply, "u", (uint32_t) m->owner);
}

static int get_pid(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                   sd_bus_error *error) {
        const Machine *m = userdata;
        return sd_bus_message_append(reply, "u", m->state == MACHINE_CLAIMED ? (uint32_t) m->process.pid : 0U);
}

static int get_state(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                     sd_bus_error *error) {
        const Machine *m = userdata;
        return sd_bus_message_append(reply, "s", machine_state_to_string(m->state));
}

static int get_findings(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                        void *userdata, sd_bus_error *error) {
        const Machine *m = userdata;
        return append_findings(reply, &m->findings);
}

static int get_user_bytes(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                          void *userdata, sd_bus_error *error) {
        const Machine *m = userdata;
        return sd_bus_message_append(reply, "t", m->plan.user_bytes);
}

static int get_kernel_bytes(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                            void *userdata, sd_bus_error *error) {
        const Machine *m = userdata;
        return sd_bus_message_append(reply, "t", m->plan.kernel_bytes);
}

static int get_locked_bytes(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                            void *userdata, sd_bus_error *error) {
        const Machine *m = userdata;
        return sd_bus_message_append(reply, "t", m->plan.locked_bytes);
}

static int get_multitce(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                        void *userdata, sd_bus_error *error) {
        const Machine *m = userdata;
        return sd_bus_message_append(reply, "b", m->plan.multitce.allowed);
}

static int get_multitce_reason(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                               void *userdata, sd_bus_error *error) {
        const Machine *m = userdata;
        return sd_bus_message_append(reply, "s", multitce_reason_to_string(m->plan.multitce.reason));
}

static int get_source(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                      sd_bus_error *error) {
        const Machine *m = userdata;
        return sd_bus_message_append(reply, "s", machine_source_to_string(m->source));
}

static int get_memlock_limit(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                             void *userdata, sd_bus_error *error) {
        const Machine *m = userdata;
        return sd_bus_message_append(reply, "t", m->domain.memlock.limit_unlimited ? UINT64_MAX : m->domain.memlock.limit);
}

static int get_memlock_charged(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                               void *userdata, sd_bus_error *error) {
        const Machine *m = userdata;
        return sd_bus_message_append(reply, "t", m->domain.memlock.charged);
}

static int get_memlock_raised(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                              void *userdata, sd_bus_error *error) {
        const Machine *m = userdata;
        return sd_bus_message_append(reply, "t", m->memlock_raised);
}

static int get_dynamic_windows(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                               void *userdata, sd_bus_error *error) {
        const Machine *m = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(usttutbss)");
        for (size_t i = 0; r >= 0 && i < m->plan.n_dynamic; i++) {
                const PlanTable *t = &m->plan.dynamic[i];

                r = sd_bus_message_append(reply, "(usttutbss)", t->window.liobn, t->window.device, t->window.bus_offset, t->window.size,
                                          t->window.page_shift, t->entries, (int) t->window.likely,
                                          t->verdict.refused ? "" : placement_to_string(t->verdict.placement),
                                          reason_to_string(t->verdict.reason));
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int claim(sd_bus_message *m, Machine *machine, Caller *caller, sd_bus_error *error) {
        Connection *c = connection_current(sd_bus_message_get_bus(m));
        Refusal refusal;

        /* Who may claim one of libvirt's is asked of libvirt. */
        if (machine->source == MACHINE_SOURCE_BUS && caller->uid != 0 && caller->uid != machine->owner)
                return sd_bus_error_setf(error, TCED_ERROR_NOT_AUTHORIZED, "Machine %s is for user %u to claim", machine->name,
                                         (unsigned) machine->owner);
        if (manager_claim(c->manager, machine, caller->uid, &caller->process, &refusal) < 0)
                return refusal_to_error(&refusal, error);
        c->of_vm = c->peer && machine->registrar == 0;
        return sd_bus_reply_method_return(m, NULL);
}

static int method_claim(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_caller_ Caller caller = CALLER_INIT;
        int r;

        r = read_flags_and_caller(m, &caller, error);
        return r < 0 ? r : claim(m, userdata, &caller, error);
}

/* A pidfd proves nothing by itself, as everybody may open one of any process. That it is the caller's shows that the process which was found
 * by its PID is the one that connected, and not one that has got its PID since. */
static int check_pidfd(const Connection *c, int fd, Caller *caller, sd_bus_error *error) {
        Process named = PROCESS_INIT;
        int copy = fd_dup(fd), r;

        r = copy < 0 ? copy : process_adopt_consume(c->manager->proc_fd, copy, &named);
        if (r == -EBADF)
                return sd_bus_error_set(error, TCED_ERROR_INVALID_ARGUMENT, "That fd is no pidfd; pass one of your own process, as pidfd_open() gives it");
        if (r == -ESRCH)
                return sd_bus_error_set(error, TCED_ERROR_NOT_AUTHORIZED, "The pidfd is of a process that has ended; pass one of your own process");
        if (r < 0)
                return sd_bus_error_setf(error, TCED_ERROR_FAILED, "The pidfd can't be read: %s", strerror(-r));
        if (!process_same(&named, &caller->process)) {
                r = sd_bus_error_setf(error, TCED_ERROR_NOT_AUTHORIZED,
                                      "The pidfd is of process %d, but process %d asks; pass one of your own, on a connection that you made yourself",
                                      (int) named.pid, (int) caller->process.pid);
                process_close(&named);
                return r;
        }
        /* By its own from here on. What a bus knows by its PID alone stays so. */
        named.by_pid = caller->process.by_pid;
        process_close(&caller->process);
        caller->process = named;
        return 0;
}

static int method_claim_with_pidfd(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = connection_current(sd_bus_message_get_bus(m));
        _cleanup_caller_ Caller caller = CALLER_INIT;
        int r, fd;

        r = sd_bus_message_read(m, "h", &fd);
        if (r >= 0)
                r = read_flags_and_caller(m, &caller, error);
        if (r >= 0)
                r = check_pidfd(c, fd, &caller, error);
        return r < 0 ? r : claim(m, userdata, &caller, error);
}

/* Only the process that runs the VM goes on from here. */
static int check_claimant(sd_bus_message *m, const Machine *machine, uid_t *ret_uid, sd_bus_error *error) {
        _cleanup_caller_ Caller caller = CALLER_INIT;
        int r;

        r = caller_get(m, true, &caller, error);
        if (r < 0)
                return r;
        if (machine->state == MACHINE_CLAIMED && machine_is_run_by(machine, &caller.process)) {
                if (ret_uid)
                        *ret_uid = caller.uid;
                return 0;
        }
        return sd_bus_error_setf(error, TCED_ERROR_NOT_CLAIMED, "Process %d has not claimed machine %s; call Claim first",
                                 (int) caller.process.pid, machine->name);
}

/* Which tables go into one reply. Those asked for by LIOBN, or all that were not handed out yet; no more memfds than a message
 * carries. */
typedef struct Selection {
        Table **tables;
        size_t n;
        size_t n_fds;
        uint32_t remaining;
} Selection;

static void select_table(Selection *s, Table *t) {
        bool has_fd = t->state == TABLE_READY;

        if (has_fd && s->n_fds == TCED_MAX_FDS_PER_MESSAGE) {
                s->remaining++;
                return;
        }
        s->n_fds += has_fd;
        s->tables[s->n++] = t;
}

/* A table that was handed out is refused where it is asked for by name, and else left out; unless it is asked for too: listed without a memfd. */
static int select_named(Machine *machine, const uint32_t *liobns, size_t n, bool handed_out, Selection *s, sd_bus_error *error) {
        for (size_t i = 0; i < n; i++) {
                Table *t = machine_find_table(machine, liobns[i]);

                if (!t)
                        return sd_bus_error_setf(error, TCED_ERROR_NO_SUCH_TABLE, "Machine %s has no table with liobn 0x%08" PRIx32,
                                                 machine->name, liobns[i]);
                if (t->state == TABLE_HANDED_OUT && !handed_out)
                        return sd_bus_error_setf(error, TCED_ERROR_TABLE_HANDED_OUT,
                                                 "The table 0x%08" PRIx32 " of machine %s has been handed out and is never given twice",
                                                 liobns[i], machine->name);
                for (size_t j = 0; j < i; j++)
                        if (liobns[j] == liobns[i])
                                return sd_bus_error_setf(error, TCED_ERROR_INVALID_ARGUMENT, "Liobn 0x%08" PRIx32 " is asked for twice",
                                                         liobns[i]);
                select_table(s, t);
        }
        return 0;
}

static int append_tables(sd_bus_message *reply, const Selection *s) {
        int r, index = 0;

        r = sd_bus_message_open_container(reply, 'a', "(ussttutsii)");
        for (size_t i = 0; r >= 0 && i < s->n; i++) {
                const Table *t = s->tables[i];
                const PlanTable *p = t->plan;

                r = sd_bus_message_append(reply, "(ussttutsii)", p->window.liobn, placement_to_string(p->verdict.placement),
                                          reason_to_string(p->verdict.reason), p->window.bus_offset, p->window.size,
                                          p->window.page_shift, p->entries, accel_to_string(p->setting.accel), p->window.group,
                                          t->state == TABLE_READY ? index++ : -1);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "h");
        for (size_t i = 0; r >= 0 && i < s->n; i++)
                if (s->tables[i]->state == TABLE_READY)
                        r = sd_bus_message_append(reply, "h", s->tables[i]->memory.fd);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int read_acquire_flags(sd_bus_message *m, bool *ret_handed_out, sd_bus_error *error) {
        uint64_t flags;
        int r = sd_bus_message_read(m, "t", &flags);

        if (r < 0)
                return r;
        if (flags & ~TCED_ACQUIRE_HANDED_OUT)
                return sd_bus_error_setf(error, TCED_ERROR_INVALID_ARGUMENT, "Flags %#" PRIx64 " are not known to this tced; pass 0 or 1", flags);
        *ret_handed_out = flags & TCED_ACQUIRE_HANDED_OUT;
        return 0;
}

static int method_acquire_tables(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = connection_current(sd_bus_message_get_bus(m));
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ Table **tables = NULL;
        Machine *machine = userdata;
        Selection s = {};
        const uint32_t *liobns;
        const void *array;
        bool handed_out = false;
        Refusal refusal;
        size_t size;
        int r;

        r = sd_bus_message_read_array(m, 'u', &array, &size);
        liobns = array;
        if (r >= 0)
                r = read_acquire_flags(m, &handed_out, error);
        if (r >= 0)
                r = check_claimant(m, machine, NULL, error);
        if (r < 0)
                return r;
        size /= sizeof(*liobns);
        if (size > machine->n_tables)
                return sd_bus_error_setf(error, TCED_ERROR_INVALID_ARGUMENT, "%zu tables are asked for, machine %s has %zu", size,
                                         machine->name, machine->n_tables);
        if (manager_make_tables(c->manager, machine, &refusal) < 0)
                return refusal_to_error(&refusal, error);
        s.tables = tables = calloc(machine->n_tables + 1, sizeof(*tables));
        if (!tables)
                return -ENOMEM;
        if (size > 0)
                r = select_named(machine, liobns, size, handed_out, &s, error);
        else
                for (size_t i = 0; i < machine->n_tables; i++)
                        if (handed_out || machine->tables[i].state != TABLE_HANDED_OUT)
                                select_table(&s, &machine->tables[i]);
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = append_tables(reply, &s);
        if (r >= 0)
                r = sd_bus_message_append(reply, "bu", (int) machine->plan.multitce.allowed, s.remaining);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        if (r < 0)
                return r;
        /* On its way, with fds of its own: only now are the tables gone from here. */
        for (size_t i = 0; i < s.n; i++)
                if (s.tables[i]->state == TABLE_READY)
                        manager_table_handed_out(c->manager, s.tables[i]);
        return 1;
}

static int method_acquire_window(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = connection_current(sd_bus_message_get_bus(m));
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Machine *machine = userdata;
        WindowRequest request;
        Refusal refusal;
        WindowTable t;
        int r;

        r = sd_bus_message_read(m, "uutti", &request.liobn, &request.page_shift, &request.bus_offset, &request.entries, &request.refused);
        if (r >= 0)
                r = read_flags(m, error);
        if (r >= 0)
                r = check_claimant(m, machine, NULL, error);
        if (r < 0)
                return r;
        if (manager_acquire_window(c->manager, machine, &request, &t, &refusal) < 0)
                return refusal_to_error(&refusal, error);
        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "ss", placement_to_string(t.placement), reason_to_string(t.reason));
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "h");
        if (r >= 0 && t.memory.fd >= 0)
                r = sd_bus_message_append(reply, "h", t.memory.fd);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        table_memory_clear(&t.memory);
        return r < 0 ? r : 1;
}

static void on_reported(const Refusal *refusal, void *userdata) {
        sd_bus_message *m = userdata;

        if (refusal) {
                reply_refusal(m, refusal);
                return;
        }
        answered(m, sd_bus_reply_method_return(m, NULL));
        request_end(m);
}

static int method_report_table(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = connection_current(sd_bus_message_get_bus(m));
        Machine *machine = userdata;
        const char *text;
        uint32_t liobn;
        int32_t number;
        int r, placement;
        uid_t uid = NO_UID;
        Table *t;

        r = sd_bus_message_read(m, "usi", &liobn, &text, &number);
        if (r >= 0)
                r = read_flags(m, error);
        if (r >= 0)
                r = check_claimant(m, machine, &uid, error);
        if (r < 0)
                return r;
        placement = placement_from_string(text);
        if (placement < 0)
                return sd_bus_error_setf(error, TCED_ERROR_INVALID_ARGUMENT, "'%s' is no placement", text);
        t = machine_find_table(machine, liobn);
        if (!t)
                return sd_bus_error_setf(error, TCED_ERROR_NO_SUCH_TABLE, "Machine %s has no table with liobn 0x%08" PRIx32, machine->name,
                                         liobn);
        r = request_hold(m, uid, error);
        if (r < 0)
                return r;
        manager_report_table(c->manager, t, (Placement) placement, number, on_reported, m);
        return 1;
}

static int permit_unregister(sd_bus_message *m, const Machine *machine, const Caller *caller, sd_bus_error *error) {
        char refusal[PLAN_ERROR_MAX], owner[16];
        const char *details[] = { "machine", machine->name, "uuid", machine->uuid, "owner", owner, NULL };

        (void) snprintf(owner, sizeof(owner), "%u", (unsigned) machine->owner);
        (void) snprintf(refusal, sizeof(refusal), "Machine %s is another's to unregister; root may", machine->name);
        if (is_master(caller->uid))
                return sd_bus_error_set(error, TCED_ERROR_NOT_AUTHORIZED, refusal);
        return caller_permit(m, &(Permission) { .action = TCED_POLKIT_UNREGISTER, .details = details, .refusal = refusal }, error);
}

static int method_unregister(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Connection *c = connection_current(sd_bus_message_get_bus(m));
        _cleanup_caller_ Caller caller = CALLER_INIT;
        Machine *machine = userdata;
        bool allowed;
        int r;

        r = read_flags_and_caller(m, &caller, error);
        if (r < 0)
                return r;
        /* Whoever holds it, else its owner, who may be that of any other VM of libvirt's. */
        allowed = machine->process.pid > 0 ? machine_is_run_by(machine, &caller.process)
                                           : machine->source == MACHINE_SOURCE_BUS && caller.uid == machine->owner;
        if (caller.uid != 0 && !allowed) {
                r = permit_unregister(m, machine, &caller, error);
                if (r != 0)
                        return r;
        }
        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;
        manager_unregister(c->manager, machine);
        /* Else it were there again after a tced that is killed now, and its name taken. */
        manager_flush(c->manager);
        r = sd_bus_send(NULL, reply, NULL);
        return r < 0 ? r : 1;
}

#define CONST SD_BUS_VTABLE_PROPERTY_CONST
#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define ANYONE SD_BUS_VTABLE_UNPRIVILEGED

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Name", "s", get_name, 0, CONST),
        SD_BUS_PROPERTY("Uuid", "s", get_uuid, 0, CONST),
        SD_BUS_PROPERTY("Source", "s", get_source, 0, CONST),
        SD_BUS_PROPERTY("Uid", "u", get_uid, 0, CHANGES),
        SD_BUS_PROPERTY("Pid", "u", get_pid, 0, CHANGES),
        SD_BUS_PROPERTY("State", "s", get_state, 0, CHANGES),
        SD_BUS_PROPERTY("Findings", "a(sssss)", get_findings, 0, CHANGES),
        SD_BUS_PROPERTY("UserBytes", "t", get_user_bytes, 0, CHANGES),
        SD_BUS_PROPERTY("KernelBytes", "t", get_kernel_bytes, 0, CHANGES),
        SD_BUS_PROPERTY("LockedBytes", "t", get_locked_bytes, 0, CHANGES),
        SD_BUS_PROPERTY("MemlockLimit", "t", get_memlock_limit, 0, CONST),
        SD_BUS_PROPERTY("MemlockCharged", "t", get_memlock_charged, 0, CONST),
        SD_BUS_PROPERTY("MemlockRaised", "t", get_memlock_raised, 0, CHANGES),
        SD_BUS_PROPERTY("DynamicWindows", "a(usttutbss)", get_dynamic_windows, 0, CONST),
        SD_BUS_PROPERTY("MultiTce", "b", get_multitce, 0, CHANGES),
        SD_BUS_PROPERTY("MultiTceReason", "s", get_multitce_reason, 0, CHANGES),
        SD_BUS_METHOD_WITH_ARGS("Claim", SD_BUS_ARGS("t", flags), SD_BUS_NO_RESULT, method_claim, ANYONE),
        SD_BUS_METHOD_WITH_ARGS("ClaimWithPidfd", SD_BUS_ARGS("h", pidfd, "t", flags), SD_BUS_NO_RESULT, method_claim_with_pidfd, ANYONE),
        SD_BUS_METHOD_WITH_ARGS("AcquireTables", SD_BUS_ARGS("au", liobns, "t", flags),
                                SD_BUS_RESULT("a(ussttutsii)", tables, "ah", fds, "b", multitce, "u", remaining), method_acquire_tables,
                                ANYONE),
        SD_BUS_METHOD_WITH_ARGS("AcquireWindow",
                                SD_BUS_ARGS("u", liobn, "u", page_shift, "t", bus_offset, "t", entries, "i", refused, "t", flags),
                                SD_BUS_RESULT("s", placement, "s", reason, "ah", fds), method_acquire_window, ANYONE),
        SD_BUS_METHOD_WITH_ARGS("ReportTable", SD_BUS_ARGS("u", liobn, "s", placement, "i", error, "t", flags), SD_BUS_NO_RESULT,
                                method_report_table, ANYONE),
        SD_BUS_METHOD_WITH_ARGS("Unregister", SD_BUS_ARGS("t", flags), SD_BUS_NO_RESULT, method_unregister, ANYONE),
        SD_BUS_VTABLE_END,
};

int dbus_machine_attach(Connection *c) {
        return sd_bus_add_fallback_vtable(c->bus, NULL, TCED_MACHINE_PREFIX, TCED_INTERFACE_MACHINE, vtable, find_machine, c);
}
