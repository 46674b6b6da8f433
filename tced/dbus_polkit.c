/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What polkit says (org.freedesktop.PolicyKit1(5)) of whoever sent a message. Asked asynchronously: the loop goes on meanwhile. All but a plain
 * yes is a no, and a polkit that is away, hangs or fails says no as well. */

#include "dbus_internal.h"
#include "util.h"

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE POLKIT_NAME ".Authority"

/* CheckAuthorization's flag AllowUserInteraction: an agent may ask the user for a password. */
#define POLKIT_INTERACTIVE 1U

/* Questions of a user at a time, and of all: who asks without end while polkit does not answer gets no more of them, and leaves room for
 * others. A bus lets one connection wait for 128 answers (dbus-daemon's max_replies_per_connection). */
#define QUESTIONS_PER_USER_MAX 16U
#define QUESTIONS_MAX 96U

struct Question {
        Connection *connection;
        sd_bus_slot *slot;
        uid_t user;
        PolkitDone done;
        void *userdata;
        Question *next;
};

/* Takes it out of the list before it is answered, since done() may ask again. */
static void question_end(Question *q, bool yes, const char *why) {
        Question **at = &q->connection->questions;

        while (*at != q)
                at = &(*at)->next;
        *at = q->next;
        q->done(yes, why, q->userdata);
        (void) sd_bus_slot_unref(q->slot);
        free(q);
}

void polkit_stop(Connection *c) {
        while (c->questions)
                question_end(c->questions, false, "tced is ending");
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
        const char *why;
        bool yes = is_yes(reply, &why);

        question_end(userdata, yes, why);
        return 0;
}

static int send_question(Question *q, sd_bus_message *asker, const PolkitQuestion *question) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        sd_bus *bus = q->connection->bus;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE, "CheckAuthorization");
        if (r >= 0)
                r = sd_bus_message_append(m, "(sa{sv})s", "system-bus-name", 1, "name", "s", sd_bus_message_get_sender(asker), question->action);
        /* Seen by rules. */
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{ss}");
        for (const char *const *d = question->details; r >= 0 && d[0]; d += 2)
                r = sd_bus_message_append(m, "{ss}", d[0], d[1]);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        /* The last would name a question that is taken back. */
        if (r >= 0)
                r = sd_bus_message_append(m, "us", question->interactive ? POLKIT_INTERACTIVE : 0U, "");
        return r < 0 ? r : sd_bus_call_async(bus, &q->slot, m, on_answer, q, question->patience_usec);
}

int polkit_unasked(int r, const char *action, sd_bus_error *error) {
        if (r == -EBUSY)
                return sd_bus_error_setf(error, TCED_ERROR_LIMIT_EXCEEDED,
                                         "polkit can't be asked for %s: %u of your questions, or %u in all, wait for its answer; try again when it has "
                                         "answered", action, QUESTIONS_PER_USER_MAX, QUESTIONS_MAX);
        if (r == -ENOMEM)
                return sd_bus_error_setf(error, TCED_ERROR_NO_MEMORY, "No memory to ask polkit for %s; try again later", action);
        return sd_bus_error_setf(error, TCED_ERROR_NOT_AUTHORIZED, "polkit can't be asked for %s: %s; try sudo", action, strerror(-r));
}

int polkit_ask(Connection *c, sd_bus_message *asker, const PolkitQuestion *question, PolkitDone done, void *userdata) {
        Question *q;
        size_t n = 0, all = 0;
        int r;

        if (!c->polkit)
                return -EOPNOTSUPP;
        for (const Question *other = c->questions; other; other = other->next) {
                n += other->user == question->user;
                all++;
        }
        if (n >= QUESTIONS_PER_USER_MAX || all >= QUESTIONS_MAX)
                return -EBUSY;
        q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;
        *q = (Question) { .connection = c, .user = question->user, .done = done, .userdata = userdata };
        r = send_question(q, asker, question);
        if (r < 0) {
                (void) sd_bus_slot_unref(q->slot);
                free(q);
                return r;
        }
        q->next = c->questions;
        c->questions = q;
        return 0;
}
