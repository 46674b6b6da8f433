/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The plan as values, for a VMM that makes its tables in code of its own, and windows that it opens while its guest runs. */

#include "internal.h"
#include "names.h"

typedef struct PlannedList {
        struct tced_planned *items;
        size_t n, allocated;
} PlannedList;

static void planned_list_clear(PlannedList *l) {
        (void) tced_planned_free(l->items, l->n);
}

_public_ struct tced_planned *tced_planned_free(struct tced_planned *planned, size_t n) {
        for (size_t i = 0; planned && i < n; i++)
                (void) fd_close(planned[i].fd);
        free(planned);
        return NULL;
}

/* -1 stands for no fd in what callers see. */
static int list_add(PlannedList *l, const struct tced_planned *item) {
        int r = ARRAY_RESERVE(l->items, l->allocated, l->n + 1);

        if (r < 0)
                return r;
        l->items[l->n++] = *item;
        return 0;
}

static bool is_sound(const struct tced_planned *p) {
        return tce_window_check(p->bus_offset, p->entries << p->page_shift, p->page_shift) == TCE_WINDOW_OK;
}

static int add_table(struct tced_machine *m, const Reply *reply, const TablePlan *plan, PlannedList *l) {
        int placement = placement_from_string(plan->placement), r;
        struct tced_planned item = {
                .liobn = plan->liobn, .page_shift = plan->page_shift, .bus_offset = plan->bus_offset, .entries = plan->entries,
                .must_be_kernel = streq(plan->accel, "kernel"), .group = plan->group, .fd = -1,
        };

        if (placement < 0 || plan->page_shift > TCE_PAGE_SHIFT_MAX || !is_sound(&item) || item.entries != plan->size >> plan->page_shift)
                return connection_error(m->tced, -EBADMSG, "table %08x: the plan that came contradicts itself", plan->liobn);
        item.placement = placement_to_string((Placement) placement);
        /* A later reply has the kernel's tables again; and one after a lost one what the caller has. */
        for (size_t i = 0; i < l->n; i++)
                if (l->items[i].liobn == item.liobn)
                        return 0;
        if (plan->fd_index < 0 && machine_has_fetched(m, plan->liobn))
                return 0;
        if (placement == PLACEMENT_USER) {
                int fd = reply_get_fd(m, reply, plan);

                if (fd < 0)
                        return fd;
                item.fd = fd;
                r = memfd_check(m->tced, plan->liobn, fd, tce_table_bytes(plan->entries), NULL);
                if (r < 0) {
                        (void) fd_close(fd);
                        return r;
                }
        }
        r = list_add(l, &item);
        if (r < 0)
                (void) fd_close(item.fd);
        return r;
}

/* What its guest may ask for; none where libvirt's hook did not tell of it. */
static int add_dynamic(struct tced_machine *m, PlannedList *l) {
        _cleanup_(message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        const char *placement, *device, *reason;
        struct tced_planned item;
        uint64_t size;
        int r, likely;

        r = connection_new_call(m->tced, m->path, "org.freedesktop.DBus.Properties", "Get", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "ss", TCED_INTERFACE_MACHINE, "DynamicWindows");
        if (r < 0)
                return r;
        r = connection_call(m->tced, call, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'v', "a(usttutbss)");
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(usttutbss)");
        if (r < 0)
                return connection_bad_reply(m->tced, "DynamicWindows", r);
        item = (struct tced_planned) { .group = -1, .dynamic = 1, .fd = -1 };
        while ((r = sd_bus_message_read(reply, "(usttutbss)", &item.liobn, &device, &item.bus_offset, &size, &item.page_shift,
                                        &item.entries, &likely, &placement, &reason)) > 0) {
                int p = placement_from_string(placement);

                /* "": the window can't be. */
                if (p < 0 || item.page_shift > TCE_PAGE_SHIFT_MAX || !is_sound(&item))
                        continue;
                item.placement = placement_to_string((Placement) p);
                r = list_add(l, &item);
                if (r < 0)
                        return r;
        }
        return r < 0 ? connection_bad_reply(m->tced, "DynamicWindows", r) : 0;
}

static int fetch_tables(struct tced_machine *m, PlannedList *l) {
        Remaining before = {};
        uint32_t remaining;
        int r;

        do {
                _cleanup_(reply_clear) Reply reply = {};
                TablePlan plan;

                r = acquire_call(m, NULL, &reply);
                if (r < 0)
                        return r;
                m->multitce = reply.multitce;
                remaining = reply.remaining;
                r = acquire_check_remaining(m, &reply, &before);
                if (r < 0)
                        return r;
                while ((r = reply_next(m->tced, &reply, &plan)) > 0) {
                        r = add_table(m, &reply, &plan, l);
                        if (r < 0)
                                return r;
                }
                if (r < 0)
                        return r;
        } while (remaining > 0);
        return 0;
}

_public_ int tced_fetch_plan(struct tced_machine *m, struct tced_planned **ret, size_t *ret_n) {
        _cleanup_(planned_list_clear) PlannedList l = {};
        int r;

        if (!ret || !ret_n)
                return -EINVAL;
        r = fetch_tables(m, &l);
        if (r >= 0)
                r = add_dynamic(m, &l);
        for (size_t i = 0; r >= 0 && i < l.n; i++)
                if (l.items[i].fd >= 0)
                        r = machine_note_fetched(m, l.items[i].liobn);
        /* On failure the memfds that came are closed, and had anew by the next call. */
        m->lost = r < 0;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l.items);
        *ret_n = l.n;
        l.n = 0;
        return 0;
}

static int window_call(struct tced_machine *m, const struct tced_planned *w, int refused, sd_bus_message **ret_reply, bool *ret_lost) {
        _cleanup_(message_unrefp) sd_bus_message *call = NULL;
        int r;

        *ret_lost = false;
        r = connection_new_call(m->tced, m->path, TCED_INTERFACE_MACHINE, "AcquireWindow", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "uuttit", w->liobn, w->page_shift, w->bus_offset, w->entries, (int32_t) refused, UINT64_C(0));
        return r < 0 ? r : connection_call_again(m->tced, call, ret_reply, ret_lost);
}

/* The answer: two words, and the memfd where there is to be one. */
static int window_read(struct tced_machine *m, const struct tced_planned *w, sd_bus_message *reply, const char **ret_placement,
                       int *ret_fd) {
        const char *placement, *reason;
        _cleanup_fd_ int fd = -EBADF;
        int r, p, sent;

        r = sd_bus_message_read(reply, "ss", &placement, &reason);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "h");
        if (r < 0)
                return connection_bad_reply(m->tced, "AcquireWindow", r);
        p = placement_from_string(placement);
        r = sd_bus_message_read(reply, "h", &sent);
        if (r < 0 || p < 0 || (p == PLACEMENT_USER) != (r > 0))
                return connection_bad_reply(m->tced, "AcquireWindow", -EBADMSG);
        if (p == PLACEMENT_USER) {
                fd = fd_dup(sent);
                if (fd < 0)
                        return fd;
                r = memfd_check(m->tced, w->liobn, fd, tce_table_bytes(w->entries), NULL);
                if (r < 0)
                        return r;
        }
        *ret_placement = placement_to_string((Placement) p);
        *ret_fd = fd >= 0 ? TAKE_FD(fd) : -1;
        return 0;
}

int window_open(struct tced_machine *m, const struct tced_planned *w, int refused, const char **ret_placement, int *ret_fd) {
        _cleanup_(message_unrefp) sd_bus_message *reply = NULL;
        bool lost;
        int r;

        r = window_call(m, w, refused, &reply, &lost);
        /* The refusal was noted when the answer was lost: the window is the VMM's by now. */
        if (r == -EINVAL && lost && refused > 0)
                r = window_call(m, w, 0, &reply, &lost);
        return r < 0 ? r : window_read(m, w, reply, ret_placement, ret_fd);
}

_public_ int tced_open_window(struct tced_machine *m, const struct tced_planned *w, int refused, const char **ret_placement, int *ret_fd) {
        const char *placement;
        _cleanup_fd_ int fd = -EBADF;
        int r;

        if (!w || !ret_placement || !ret_fd || refused < 0)
                return -EINVAL;
        r = window_open(m, w, refused, &placement, &fd);
        if (r >= 0 && fd >= 0)
                r = machine_note_fetched(m, w->liobn);
        if (r < 0)
                return r;
        *ret_placement = placement;
        *ret_fd = fd >= 0 ? TAKE_FD(fd) : -1;
        return 0;
}

_public_ int tced_report_table(struct tced_machine *m, uint32_t liobn, const char *placement, int error) {
        _cleanup_(message_unrefp) sd_bus_message *call = NULL;
        int r;

        if (!placement)
                return -EINVAL;
        /* Nothing is waited for: what is sent before the connection is ready goes when it is. */
        if (connection_is_gone(m->tced)) {
                r = connection_retry(m->tced);
                if (r < 0)
                        return connection_error(m->tced, -ENOTCONN, "ReportTable: tced is away: %s", strerrordesc_np(-r));
        }
        r = connection_new_call(m->tced, m->path, TCED_INTERFACE_MACHINE, "ReportTable", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "usit", liobn, placement, (int32_t) error, UINT64_C(0));
        if (r >= 0)
                r = sd_bus_message_set_expect_reply(call, false);
        if (r >= 0)
                r = sd_bus_send(m->tced->bus, call, NULL);
        return r < 0 ? connection_error(m->tced, r, "ReportTable: %s", strerrordesc_np(-r)) : 0;
}
