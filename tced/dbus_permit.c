/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is root's, and that of whom polkit allows it to. A message whose sender polkit is asked about is put aside; after a yes it goes through
 * sd-bus once more, and its method finds the permit. So nothing of it is kept meanwhile but the message, and the second time is as strict
 * as the first. */

#include "dbus_internal.h"
#include "util.h"

struct Permit {
        Connection *connection;
        sd_bus_message *message;
        const char *action; /* a constant */
        char *details;      /* what polkit was told */
        char *refusal;
        bool dispatched; /* is its method's now, and counted by that */
        Permit *next;
};

static void permit_free(Permit *p) {
        if (!p->dispatched)
                request_end(p->message);
        free(p->details);
        free(p->refusal);
        free(p);
}

void permits_free(Connection *c) {
        while (c->permits) {
                Permit *p = c->permits;

                c->permits = p->next;
                permit_free(p);
        }
}

/* "group=7 devices=0000:01:00.0 "; NULL: no memory. */
static char *details_text(const char *const *details) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return NULL;
        for (const char *const *d = details; d && d[0]; d += 2)
                (void) fprintf(f, "%s=%s ", d[0], d[1]);
        return fclose(f) == 0 ? TAKE_PTR(text) : NULL;
}

/* Sees each message before its method does. What was permitted is for one message, once: a permit that was dispatched is for the message that
 * is handled now, and does not keep it. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        Sender *sender;

        for (Permit **at = &c->permits, *p; (p = *at);) {
                if (p->dispatched) {
                        *at = p->next;
                        permit_free(p);
                        continue;
                }
                if (p->message == m) {
                        p->dispatched = true;
                        request_end(m);
                        /* What its sender may see is found out again, too. */
                        sender = sender_of(c, m);
                        if (sender)
                                sender->cookie = 0;
                }
                at = &p->next;
        }
        return 0;
}

int permits_attach(Connection *c) {
        return sd_bus_add_filter(c->bus, NULL, on_message, c);
}

static void on_polkit(bool yes, const char *why, void *userdata) {
        Permit *p = userdata;
        int r;

        if (!yes) {
                answered(p->message, sd_bus_reply_method_errorf(p->message, TCED_ERROR_NOT_AUTHORIZED, "%s (polkit does not allow you %s: %s)",
                                                                p->refusal, p->action, why));
                permit_free(p);
                return;
        }
        r = sd_bus_message_rewind(p->message, true);
        if (r >= 0)
                r = sd_bus_enqueue_for_read(p->connection->bus, p->message);
        if (r < 0) {
                answered(p->message, sd_bus_reply_method_errorf(p->message, TCED_ERROR_FAILED, "polkit allows %s, but it can't be done: %s; try again",
                                                                p->action, strerror(-r)));
                permit_free(p);
                return;
        }
        p->next = p->connection->permits;
        p->connection->permits = p;
}

static int ask(Connection *c, sd_bus_message *m, uid_t user, const Permission *permission, const char *details, sd_bus_error *error) {
        static const char *const none[] = { NULL };
        PolkitQuestion question = { .action = permission->action, .details = permission->details ? permission->details : none, .user = user };
        Permit *p = calloc(1, sizeof(*p));
        int r;

        if (!p)
                return -ENOMEM;
        r = request_hold(m, user, error);
        if (r < 0) {
                free(p);
                return r;
        }
        *p = (Permit) { .connection = c, .message = m, .action = permission->action, .details = strdup(details),
                        .refusal = strdup(permission->refusal) };
        question.interactive = sd_bus_message_get_allow_interactive_authorization(m) > 0;
        question.patience_usec = question.interactive ? POLKIT_INTERACTIVE_PATIENCE_USEC : POLKIT_PATIENCE_USEC;
        r = p->details && p->refusal ? polkit_ask(c, m, &question, on_polkit, p) : -ENOMEM;
        if (r >= 0)
                return 1;
        permit_free(p);
        return polkit_unasked(r, permission->action, error);
}

int caller_permit(sd_bus_message *m, const Permission *permission, sd_bus_error *error) {
        Connection *c = connection_current(sd_bus_message_get_bus(m));
        _cleanup_caller_ Caller caller = CALLER_INIT;
        _cleanup_free_ char *details = NULL;
        const Permit *p = c->permits;
        int r;

        r = caller_get(m, false, &caller, error);
        if (r < 0 || is_master(caller.uid))
                return r;
        /* Without a bus there is nobody whom polkit could look at. */
        if (c->peer)
                return sd_bus_error_setf(error, TCED_ERROR_NOT_AUTHORIZED, "%s, or use the system bus, where polkit is asked", permission->refusal);
        if (!c->polkit)
                return sd_bus_error_set(error, TCED_ERROR_NOT_AUTHORIZED, permission->refusal);
        details = details_text(permission->details);
        if (!details)
                return -ENOMEM;
        while (p && p->message != m)
                p = p->next;
        if (!p)
                return ask(c, m, caller.uid, permission, details, error);
        if (p->action == permission->action && streq(p->details, details))
                return 0;
        return sd_bus_error_setf(error, TCED_ERROR_NOT_AUTHORIZED,
                                 "What polkit was asked about has changed meanwhile: %swas what it is %snow; look again, and ask again", p->details, details);
}

int caller_permit_plain(sd_bus_message *m, const char *action, const char *what, sd_bus_error *error) {
        char refusal[128];

        (void) snprintf(refusal, sizeof(refusal), "%s is for root: try sudo", what);
        return caller_permit(m, &(Permission) { .action = action, .refusal = refusal }, error);
}
