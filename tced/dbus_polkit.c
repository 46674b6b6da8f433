/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* May a user's VMM have its limit of locked memory raised? polkit says, org.freedesktop.PolicyKit1(5), asked for who registered the VM and
 * without a password. RegisterMachine is answered when that is settled, or when polkit has had its time; a VMM that is told earlier makes its
 * tables before the answer is there. The loop goes on meanwhile. */

#include <inttypes.h>

#include "dbus_internal.h"
#include "log.h"
#include "names.h"
#include "util.h"

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE POLKIT_NAME ".Authority"

#define PATIENCE_USEC (1000U * 1000U)
/* Questions of a user at a time: who registers and unregisters without end while polkit does not answer gets no more of them. */
#define QUESTIONS_MAX 64U

struct Question {
        Connection *connection;
        sd_bus_message *registration; /* is answered with the machine's path */
        sd_bus_slot *slot;
        char uuid[33];
        uint64_t serial; /* of the machine */
        uid_t user;
        Question *next;
};

static void reply_path(sd_bus_message *m, const char *uuid) {
        char path[PATH_MAX_MACHINE];

        (void) snprintf(path, sizeof(path), TCED_MACHINE_PREFIX "/%s", uuid);
        (void) sd_bus_reply_method_return(m, "o", path);
}

/* Answers who waits. */
static void question_end(Question *q) {
        Question **at = &q->connection->questions;

        while (*at != q)
                at = &(*at)->next;
        *at = q->next;
        reply_path(q->registration, q->uuid);
        (void) sd_bus_message_unref(q->registration);
        (void) sd_bus_slot_unref(q->slot);
        free(q);
}

void polkit_stop(Connection *c) {
        while (c->questions)
                question_end(c->questions);
}

/* Whatever is not a plain yes is a no; *why says what it was. */
static bool is_yes(sd_bus_message *reply, const char **why) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        int authorized = 0, challenge = 0;

        if (error) {
                *why = error->message ? error->message : error->name;
                return false;
        }
        if (sd_bus_message_enter_container(reply, 'r', "bba{ss}") < 0 || sd_bus_message_read(reply, "bb", &authorized, &challenge) < 0) {
                *why = "its answer can't be read";
                return false;
        }
        *why = challenge ? "it would have to ask for a password" : "its rules say no";
        return authorized;
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Question *q = userdata;
        Manager *m = q->connection->manager;
        Machine *machine = manager_find_machine_by_uuid(m, q->uuid);
        const char *why;
        bool yes = is_yes(reply, &why);

        if (machine && machine->serial == q->serial && yes)
                manager_permit_memlock(m, machine);
        else if (machine && machine->serial == q->serial)
                log_info("The locked-memory limit of %s is not raised: polkit does not allow user %u " TCED_POLKIT_RAISE_MEMLOCK ": %s",
                         machine->name, (unsigned) machine->registrar, why);
        question_end(q);
        return 0;
}

static int ask(Question *q, const Machine *machine, uint64_t need) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        sd_bus *bus = q->connection->bus;
        char bytes[24];
        int r;

        (void) snprintf(bytes, sizeof(bytes), "%" PRIu64, need);
        r = sd_bus_message_new_method_call(bus, &m, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE, "CheckAuthorization");
        if (r >= 0)
                r = sd_bus_message_append(m, "(sa{sv})s", "system-bus-name", 1, "name", "s", sd_bus_message_get_sender(q->registration),
                                          TCED_POLKIT_RAISE_MEMLOCK);
        /* Seen by rules; flags of 0 keep polkit from asking the user, the last would name a question that is taken back. */
        if (r >= 0)
                r = sd_bus_message_append(m, "a{ss}us", 3, "machine", machine->name, "uuid", machine->uuid, "bytes", bytes, 0U, "");
        return r < 0 ? r : sd_bus_call_async(bus, &q->slot, m, on_answer, q, PATIENCE_USEC);
}

void polkit_reply_registered(Connection *c, sd_bus_message *registration, const Machine *machine) {
        Question *q = NULL;
        uint64_t need;
        size_t n = 0;

        for (const Question *other = c->questions; other; other = other->next)
                n += other->user == machine->registrar;
        if (c->polkit && n < QUESTIONS_MAX && manager_wants_memlock(c->manager, machine, &need))
                q = calloc(1, sizeof(*q));
        if (!q) {
                reply_path(registration, machine->uuid);
                return;
        }
        *q = (Question) { .connection = c, .registration = sd_bus_message_ref(registration), .serial = machine->serial,
                          .user = machine->registrar, .next = c->questions };
        memcpy(q->uuid, machine->uuid, sizeof(q->uuid));
        c->questions = q;
        if (ask(q, machine, need) < 0)
                question_end(q);
}
