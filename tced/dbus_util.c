/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who asks, what they may see, how a refusal becomes a bus error, where objects are. */

#include <inttypes.h>
#include <sys/socket.h>

#include "dbus_internal.h"
#include "libvirt_claim.h"
#include "log.h"
#include "names.h"
#include "util.h"

Connection *connection_current(sd_bus *bus) {
        /* The slot is the vtable's, whose userdata is always the connection, also where a find function gave the callback
         * another. */
        return sd_bus_slot_get_userdata(sd_bus_get_current_slot(bus));
}

/* The process that connected, as long as it runs; what it left its socket to is not it. */
static int peer_process(const Connection *c, Process *ret) {
        int fd;

        if (!process_alive(&c->process))
                return -ESRCH;
        fd = fd_dup(c->process.pidfd);
        if (fd < 0)
                return fd;
        *ret = (Process) { .pid = c->process.pid, .pidfd = fd, .start = c->process.start };
        return 0;
}

int caller_get(sd_bus_message *m, bool with_process, Caller *ret, sd_bus_error *error) {
        Connection *c = connection_current(sd_bus_message_get_bus(m));
        const Sender *sender = c->peer ? NULL : sender_of(c, m);
        Caller caller = CALLER_INIT;
        int r = 0;

        if (!c->peer && (!sender || sender->error < 0))
                return sd_bus_error_setf(error, TCED_ERROR_NOT_AUTHORIZED, "The bus does not say who asks: %s",
                                         strerror(sender ? -sender->error : ENODATA));
        caller.uid = c->peer ? c->uid : sender->uid;
        if (with_process)
                r = c->peer ? peer_process(c, &caller.process) : sender_hold(sender, &caller.process);
        if (r < 0)
                return sd_bus_error_setf(error, TCED_ERROR_NOT_AUTHORIZED, "The process that asks can't be held: %s", strerror(-r));
        *ret = caller;
        return 0;
}

bool is_master(uid_t uid) {
        return uid == 0 || (geteuid() != 0 && uid == geteuid());
}

int refusal_to_error(const Refusal *refusal, sd_bus_error *error) {
        char text[PLAN_ERROR_MAX];

        (void) sd_bus_error_set(error, refusal->name, utf8_mend(strcpy(text, refusal->text)));
        return -error_name_to_errno(refusal->name);
}

void answered(sd_bus_message *m, int r) {
        /* Of who has gone sd-bus knows by then, and tells it in the loop's next turn (on_peer_gone()). */
        if (r >= 0 || r == -ECONNRESET || r == -ENOTCONN)
                return;
        log_warning("The answer to %s could not be sent: %s", sd_bus_message_get_member(m), strerror(-r));
        if (sd_bus_reply_method_errorf(m, TCED_ERROR_NO_MEMORY,
                                       "What %s asked for was tried, but its answer can't be sent: %s; look at what there is, and try again",
                                       sd_bus_message_get_member(m), strerror(-r)) < 0)
                /* Not sd_bus_close(), behind which nobody is told that the connection ended, and it would be kept for good. */
                (void) shutdown(sd_bus_get_fd(sd_bus_message_get_bus(m)), SHUT_RDWR);
}

void reply_refusal(sd_bus_message *m, const Refusal *refusal) {
        char text[PLAN_ERROR_MAX];

        /* A name that was cut inside a character would make an error that can't be sent, and a caller that waits for it. */
        answered(m, sd_bus_reply_method_errorf(m, refusal->name, "%s", utf8_mend(strcpy(text, refusal->text))));
        request_end(m);
}

int read_flags(sd_bus_message *m, sd_bus_error *error) {
        uint64_t flags;
        int r;

        r = sd_bus_message_read(m, "t", &flags);
        if (r < 0)
                return r;
        if (flags == 0)
                return 0;
        return sd_bus_error_setf(error, TCED_ERROR_INVALID_ARGUMENT, "Flags %#" PRIx64 " are not known to this tced; pass 0", flags);
}

int read_flags_and_caller(sd_bus_message *m, Caller *ret, sd_bus_error *error) {
        int r;

        r = read_flags(m, error);
        return r < 0 ? r : caller_get(m, true, ret, error);
}

static int match_domain_owner(Machine *machine, void *userdata) {
        const uid_t *uid = userdata;

        return machine->source == MACHINE_SOURCE_LIBVIRT && machine->owner == *uid ? -EEXIST : 0;
}

/* Who sent the message that is being answered; NULL: none is. While a signal is made sd-bus looks up what it is about: what
 * someone's message changes is theirs to see. */
static const Sender *viewer_current(Connection *c) {
        sd_bus_message *m = sd_bus_get_current_message(c->bus);
        Sender *s = m ? sender_of(c, m) : NULL;
        uint64_t cookie = 0;

        if (!s)
                return NULL;
        (void) sd_bus_message_get_cookie(m, &cookie);
        if (cookie == 0 || s->cookie != cookie) {
                s->cookie = cookie;
                s->restricted = s->uid == NO_UID ||
                                (!is_master(s->uid) && manager_foreach_machine(c->manager, match_domain_owner, &s->uid) < 0);
        }
        return s;
}

bool connection_hears(const Connection *c, const Machine *machine) {
        return !c->peer || is_master(c->uid) || (machine && machine_is_run_by(machine, &c->process));
}

bool connection_lists(Connection *c, const Machine *machine) {
        const Sender *v;

        if (c->peer)
                return connection_hears(c, machine);
        if (machine && machine->source != MACHINE_SOURCE_LIBVIRT)
                return true;
        v = viewer_current(c);
        return !v || !v->restricted || (machine && machine_is_run_by(machine, &v->process));
}

/* Another guest's VMM, most likely; or a claim that goes wrong, of which its VMM learns no more than that there is no such
 * machine. */
static void log_turned_away(Connection *c, const Machine *machine, const Process *process, const char *why) {
        if (c->turned_away)
                return;
        c->turned_away = true;
        log_notice("Process %d asked for machine %s, which is not its: %s", (int) process->pid, machine->name, why);
}

bool connection_may_see(Connection *c, const Machine *machine) {
        _cleanup_caller_ Caller on_bus = CALLER_INIT;
        const Process *process = &c->process;
        char why[CLAIM_WHY_MAX];
        uid_t uid = c->uid;

        if (connection_lists(c, machine))
                return true;
        /* Whoever may claim it must find it, by the UUID that they were told. */
        if (machine->state != MACHINE_REGISTERED || machine->process.pid > 0)
                return false;
        if (!c->peer) {
                const Sender *v = viewer_current(c);

                uid = v->uid;
                process = &on_bus.process;
                if (sender_hold(v, &on_bus.process) < 0)
                        return false;
        }
        if (machine->source == MACHINE_SOURCE_BUS || (machine->owner != uid && machine->owner != OWNER_UNKNOWN))
                return machine->owner == uid;
        if (manager_is_domain_process(c->manager, machine, process, why) >= 0)
                return true;
        if (machine->owner == uid)
                log_turned_away(c, machine, process, why);
        return false;
}

int append_findings(sd_bus_message *m, const Findings *f) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "(sssss)");
        for (size_t i = 0; r >= 0 && i < f->n; i++)
                r = sd_bus_message_append(m, "(sssss)", finding_id_to_string(f->items[i].id),
                                          severity_to_string(f->items[i].severity), f->items[i].subject, f->items[i].text,
                                          f->items[i].remedy);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

const char *path_of_group(char buf[PATH_MAX_GROUP], unsigned number) {
        (void) snprintf(buf, PATH_MAX_GROUP, TCED_GROUP_PREFIX "/%u", number);
        return buf;
}

const char *path_of_machine(char buf[PATH_MAX_MACHINE], const Machine *machine) {
        (void) snprintf(buf, PATH_MAX_MACHINE, TCED_MACHINE_PREFIX "/%s", machine->uuid);
        return buf;
}

const char *path_of_table(char buf[PATH_MAX_TABLE], const Table *t) {
        (void) snprintf(buf, PATH_MAX_TABLE, TCED_MACHINE_PREFIX "/%s/table/%08" PRIx32, t->machine->uuid, t->plan->window.liobn);
        return buf;
}
