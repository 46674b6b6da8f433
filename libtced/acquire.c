/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The plan is fetched and carried out: memfds mapped, kernel tables made, refusals told to tced and made good.
 *
 * A reply holds 16 fds at most, so there may be several. Each table is finished, and tced told, before the next reply is asked
 * for: whatever fails, what is in the machine's list is whole. */

#include "internal.h"
#include "names.h"

#define ACQUIRE "AcquireTables"

void reply_clear(Reply *reply) {
        reply->message = sd_bus_message_unref(reply->message);
}

static int reply_read_fds(Reply *reply) {
        int r, fd;

        r = sd_bus_message_enter_container(reply->message, 'a', "h");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(reply->message, "h", &fd)) > 0) {
                if (reply->n_fds == ELEMENTSOF(reply->fds))
                        return -EBADMSG;
                reply->fds[reply->n_fds++] = fd;
        }
        return r < 0 ? r : sd_bus_message_exit_container(reply->message);
}

/* What follows the tables is read first, since they refer to it; then back to the tables. */
static int reply_parse(Reply *reply) {
        int r, multitce;

        if (!sd_bus_message_has_signature(reply->message, "a(ussttutsii)ahbu"))
                return -EBADMSG;
        r = sd_bus_message_skip(reply->message, "a(ussttutsii)");
        if (r >= 0)
                r = reply_read_fds(reply);
        if (r >= 0)
                r = sd_bus_message_read(reply->message, "bu", &multitce, &reply->remaining);
        if (r < 0)
                return r;
        reply->multitce = multitce;
        r = sd_bus_message_rewind(reply->message, true);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply->message, 'a', "(ussttutsii)");
        return r < 0 ? r : 0;
}

static int acquire_try(struct tced_machine *m, const uint32_t *liobn, uint64_t end, Reply *reply, bool *ret_lost) {
        _cleanup_(message_unrefp) sd_bus_message *call = NULL;
        int r;

        *ret_lost = false;
        r = connection_new_call(m->tced, m->path, TCED_INTERFACE_MACHINE, ACQUIRE, &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append_array(call, 'u', liobn, liobn ? sizeof(*liobn) : 0);
        if (r >= 0)
                r = sd_bus_message_append(call, "t", m->lost ? TCED_ACQUIRE_HANDED_OUT : UINT64_C(0));
        return r < 0 ? r : connection_try(m->tced, call, end, &reply->message, ret_lost);
}

int acquire_call(struct tced_machine *m, const uint32_t *liobn, Reply *ret) {
        _cleanup_(reply_clear) Reply reply = {};
        uint64_t end = connection_end(m->tced), pause = 0;
        bool lost;
        int r;

        do {
                r = acquire_try(m, liobn, end, &reply, &lost);
                /* tced may believe that it gave what nobody got; also where the answer comes too late. */
                m->lost = m->lost || lost || r == -ETIMEDOUT;
                if (lost)
                        r = connection_next(m->tced, ACQUIRE, &pause, end);
        } while (lost && r >= 0);
        if (r < 0)
                return r;
        r = reply_parse(&reply);
        if (r < 0) {
                m->lost = true;
                return connection_bad_reply(m->tced, ACQUIRE, r);
        }
        reply.connection = m->tced->number;
        *ret = reply;
        reply.message = NULL;
        return 0;
}

int reply_next(struct tced *t, Reply *reply, TablePlan *ret) {
        TablePlan plan;
        int r = sd_bus_message_read(reply->message, "(ussttutsii)", &plan.liobn, &plan.placement, &plan.reason,
                                    &plan.bus_offset, &plan.size, &plan.page_shift, &plan.entries, &plan.accel, &plan.group,
                                    &plan.fd_index);
        if (r < 0)
                return connection_bad_reply(t, ACQUIRE, r);
        if (r > 0)
                *ret = plan;
        return r > 0;
}

int reply_dup_fd(struct tced *t, const Reply *reply, uint32_t liobn, int32_t fd_index) {
        if (fd_index < 0 || (size_t) fd_index >= reply->n_fds)
                return connection_error(t, -EBADMSG, "table %08x: no memfd came with it", liobn);
        return fd_dup(reply->fds[fd_index]);
}

int reply_get_fd(struct tced_machine *m, const Reply *reply, const TablePlan *plan) {
        const struct tced_planned window = {
                .liobn = plan->liobn, .page_shift = plan->page_shift, .bus_offset = plan->bus_offset, .entries = plan->entries,
        };
        const char *placement;
        int r, fd;

        if (plan->fd_index >= 0 || !m->lost)
                return reply_dup_fd(m->tced, reply, plan->liobn, plan->fd_index);
        r = window_open(m, &window, 0, &placement, &fd);
        if (r < 0)
                return r;
        return fd >= 0 ? fd : connection_error(m->tced, -EBADMSG, "table %08x: tced gave no memfd in place of a lost one", plan->liobn);
}

/* The memfd that the plan names becomes the table's. */
static int map_from_reply(struct tced_table *table, const Reply *reply, const TablePlan *plan) {
        _cleanup_fd_ int fd = -EBADF;
        TableMapping mapping;
        int r;

        fd = reply_get_fd(table->machine, reply, plan);
        if (fd < 0)
                return fd;
        r = table_map_memfd(table, fd, &mapping);
        if (r < 0)
                return r;
        (void) TAKE_FD(fd);
        if (table->entries)
                memcpy(mapping.entries, table->entries, tced_table_bytes(table));
        table_take_mapping(table, &mapping, PLACEMENT_USER);
        table->n_writable = table->n_entries;
        return 0;
}

int table_report(struct tced_table *table, Placement placement, int error) {
        _cleanup_(message_unrefp) sd_bus_message *call = NULL;
        struct tced_machine *m = table->machine;
        bool lost;
        int r;

        r = connection_new_call(m->tced, m->path, TCED_INTERFACE_MACHINE, "ReportTable", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "usit", table->liobn, placement_to_string(placement), -error, UINT64_C(0));
        if (r < 0)
                return r;
        r = connection_call_again(m->tced, call, NULL, &lost);
        /* The refusal that was told is known already; a second one is of a table that is the VMM's. */
        if (r == -EINVAL && lost && error != 0)
                r = 0;
        if (r >= 0 && error == 0)
                table->reported = true;
        return r;
}

/* The error of a kernel that refused a table which must be there. */
static int refusal(struct tced_table *table, const char *why, int error) {
        return connection_error(table->machine->tced, error, "table %08x: the kernel refused it: %s%s; %s", table->liobn,
                                strerrordesc_np(-error),
                                error == -ENOMEM ? " (mostly RLIMIT_MEMLOCK; systemd's LimitMEMLOCK= raises it)" : "", why);
}

int table_fall_back(struct tced_table *table, Placement wanted, int error) {
        _cleanup_(reply_clear) Reply reply = {};
        struct tced *t = table->machine->tced;
        TablePlan plan;
        char *reason;
        int r;

        r = table_report(table, wanted, error);
        if (table->must_be_kernel)
                return refusal(table, "a rule demands `kernel`, Accel=auto would give it a table in the VMM", error);
        if (r < 0)
                return r;
        r = acquire_call(table->machine, &table->liobn, &reply);
        if (r < 0)
                return r;
        r = reply_next(t, &reply, &plan);
        if (r < 0)
                return r;
        if (r == 0 || plan.liobn != table->liobn || placement_from_string(plan.placement) != PLACEMENT_USER ||
            plan.entries != table->n_entries)
                return connection_error(t, -EBADMSG, "table %08x: tced gave no memfd in place of it", table->liobn);
        reason = strdup(plan.reason);
        if (!reason)
                return -ENOMEM;
        r = map_from_reply(table, &reply, &plan);
        if (r < 0) {
                free(reason);
                return r;
        }
        free(table->reason);
        table->reason = reason;
        table->error = -error;
        return 0;
}

/* A table that is planned for the kernel: made there or, where it refuses, had from tced. */
static int place_in_kernel(struct tced_table *table, int vm_fd) {
        TableMapping mapping;
        int r;

        if (vm_fd < 0)
                return connection_error(table->machine->tced, -EBADF,
                                        "table %08x: it is planned for the kernel, and there is no VM to make it on",
                                        table->liobn);
        r = table_make_in_kernel(table, vm_fd, &mapping);
        if (r == -EBUSY)
                return refusal(table, "this VM has a table of that LIOBN", r);
        if (r == -EIO)
                return refusal(table, "the VM isn't this process's, or is dead", r);
        if (r < 0)
                return table_fall_back(table, table->placement, r);
        table_take_mapping(table, &mapping, table->placement);
        return 0;
}

static int place_table(struct tced_machine *m, int vm_fd, const TablePlan *plan, const Reply *reply) {
        _cleanup_(table_freep) struct tced_table *table = NULL;
        struct tced_table *placed;
        int r;

        r = table_new(m, plan, &table);
        if (r < 0)
                return r;
        r = table->placement == PLACEMENT_USER ? map_from_reply(table, reply, plan) :
                                                 place_in_kernel(table, vm_fd);
        if (r < 0)
                return r;
        r = machine_add_table(m, table);
        if (r < 0)
                return r;
        placed = TAKE_PTR(table);
        return placed->placement == PLACEMENT_KERNEL ? table_report(placed, PLACEMENT_KERNEL, 0) : 0;
}

/* Carries one reply out. */
static int place_tables(struct tced_machine *m, int vm_fd, Reply *reply) {
        TablePlan plan;
        int r;

        while ((r = reply_next(m->tced, reply, &plan)) > 0) {
                struct tced_table *have = tced_machine_find_table(m, plan.liobn);

                if (!have && plan.fd_index < 0 && machine_has_fetched(m, plan.liobn))
                        continue;
                if (!have)
                        r = place_table(m, vm_fd, &plan, reply);
                else if (have->placement == PLACEMENT_KERNEL && !have->reported)
                        r = table_report(have, PLACEMENT_KERNEL, 0);
                if (r < 0)
                        return r;
        }
        return r;
}

int acquire_check_remaining(struct tced_machine *m, const Reply *reply, Remaining *before) {
        bool stuck = reply->remaining > 0 && before->connection == reply->connection && reply->remaining >= before->n;

        *before = (Remaining) { .connection = reply->connection, .n = reply->remaining };
        return stuck ? connection_error(m->tced, -EBADMSG, "machine %s: tced says that %u tables are left and sends none", tced_machine_uuid(m),
                                        reply->remaining) : 0;
}

_public_ int tced_acquire(struct tced_machine *m, int vm_fd) {
        Remaining before = {};
        uint32_t remaining;

        do {
                _cleanup_(reply_clear) Reply reply = {};
                int r;

                r = acquire_call(m, NULL, &reply);
                if (r < 0)
                        return r;
                m->multitce = reply.multitce;
                remaining = reply.remaining;
                r = place_tables(m, vm_fd, &reply);
                if (r < 0) {
                        /* What else came with it is closed. */
                        m->lost = true;
                        return r;
                }
                r = acquire_check_remaining(m, &reply, &before);
                if (r < 0)
                        return r;
        } while (remaining > 0);
        m->lost = false;
        return 0;
}
