/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who sends, on the bus. The bus is asked once for each name, as a name on the bus is never another's, and without waiting: what a sender that is
 * not known yet wants is put aside until the bus has said who it is, and then goes through sd-bus once more, in the order in which it came.
 * What was found out is kept for those that sent last; not their pidfds, of which nobody would say when they are of no more use: PID and start time
 * tell whether the process is still the one that connected. */

#include "dbus_internal.h"
#include "log.h"
#include "util.h"

/* So many are remembered. One that was forgotten is asked about again. */
#define SENDERS_MAX 32U
/* So many messages may wait for what the bus says, which takes it a moment. */
#define PUT_ASIDE_MAX 512U

struct PutAside {
        sd_bus_message *message;
        bool again; /* it is in sd-bus's queue, behind those that came meanwhile */
        PutAside *next;
};

static void sender_free(Sender *s) {
        while (s->waiting) {
                PutAside *p = s->waiting;

                s->waiting = p->next;
                (void) sd_bus_message_unref(p->message);
                free(p);
        }
        (void) sd_bus_slot_unref(s->asked);
        free(s->name);
        free(s);
}

void senders_free(Connection *c) {
        while (c->senders) {
                Sender *s = c->senders;

                c->senders = s->next;
                sender_free(s);
        }
}

static void sender_forget(Sender *s) {
        for (Sender **at = &s->connection->senders; *at; at = &(*at)->next)
                if (*at == s) {
                        *at = s->next;
                        break;
                }
        sender_free(s);
}

/* The one by this name, which is then the first; NULL: it is not known. */
static Sender *find(Connection *c, const char *name) {
        Sender **at = &c->senders, *s;

        while (*at && !streq((*at)->name, name))
                at = &(*at)->next;
        s = *at;
        if (s) {
                *at = s->next;
                s->next = c->senders;
                c->senders = s;
        }
        return s;
}

int sender_hold(const Sender *s, Process *ret) {
        Process p = PROCESS_INIT;
        int r = s->process_error;

        if (r >= 0)
                r = process_open(s->connection->manager->proc_fd, s->process.pid, &p);
        if (r >= 0 && !process_same(&p, &s->process))
                r = -ESRCH;
        if (r >= 0 && s->uid != 0) {
                r = process_of_user(s->connection->manager->proc_fd, &p, s->uid);
                r = r == 0 ? -EPERM : r;
        }
        if (r < 0) {
                process_close(&p);
                return r;
        }
        p.by_pid = s->process.by_pid;
        *ret = p;
        return 0;
}

Sender *sender_of(Connection *c, sd_bus_message *m) {
        const char *name = sd_bus_message_get_sender(m);
        Sender *s = name ? find(c, name) : NULL;

        return s && !s->asked ? s : NULL;
}

/* Whoever sent longest ago goes, unless something of it waits. */
static void make_room(Connection *c) {
        Sender *oldest = NULL;
        size_t n = 0;

        for (Sender *s = c->senders; s; s = s->next, n++)
                if (!s->waiting && !s->asked)
                        oldest = s;
        if (n >= SENDERS_MAX && oldest)
                sender_forget(oldest);
}

/* Where the bus knows the PID of who connected, and only that: where it ended and left its connection to another, the PID may be
 * anyone's by now. It is not taken for that of another user (sender_hold()), nor for a guest of libvirt's, which are strangers to each other. */
static int find_process(Sender *s, pid_t pid, int pidfd) {
        int proc_fd = s->connection->manager->proc_fd, r;
        Process p = PROCESS_INIT;

        r = pidfd >= 0 ? process_hold_consume(proc_fd, pid, pidfd, &p) : process_open(proc_fd, pid, &p);
        p.by_pid = s->uid != 0 && pidfd < 0;
        if (r >= 0)
                s->process = (Process) { .pid = p.pid, .pidfd = -EBADF, .start = p.start, .by_pid = p.by_pid };
        process_close(&p);
        return r < 0 ? r : 0;
}

/* The bus's own pidfd of who connected: dbus 1.15.8 and newer have one, where the kernel does (6.5). */
static int read_credentials(sd_bus_message *reply, uid_t *ret_uid, pid_t *ret_pid, int *ret_pidfd) {
        uint32_t number;
        const char *key;
        int r, fd;

        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                r = sd_bus_message_read(reply, "s", &key);
                if (r < 0)
                        break;
                if (streq(key, "UnixUserID") && (r = sd_bus_message_read(reply, "v", "u", &number)) >= 0)
                        *ret_uid = number;
                else if (streq(key, "ProcessID") && (r = sd_bus_message_read(reply, "v", "u", &number)) >= 0)
                        *ret_pid = (pid_t) number;
                else if (streq(key, "ProcessFD") && *ret_pidfd < 0 && (r = sd_bus_message_read(reply, "v", "h", &fd)) >= 0)
                        r = *ret_pidfd = fd_dup(fd);
                else if (r >= 0)
                        r = sd_bus_message_skip(reply, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        return r;
}

/* Behind all that sd-bus has read meanwhile, which is put aside too if it is of the same sender. */
static void go_on(Sender *s) {
        for (PutAside **at = &s->waiting, *p; (p = *at);) {
                int r = sd_bus_enqueue_for_read(s->connection->bus, p->message);

                p->again = r >= 0;
                if (r >= 0) {
                        at = &p->next;
                        continue;
                }
                answered(p->message, sd_bus_reply_method_errorf(p->message, TCED_ERROR_NO_MEMORY, "No memory for your call; try again"));
                *at = p->next;
                (void) sd_bus_message_unref(p->message);
                free(p);
        }
}

static int on_credentials(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        _cleanup_fd_ int pidfd = -EBADF;
        Sender *s = userdata;
        pid_t pid = 0;
        int r;

        s->asked = sd_bus_slot_unref(s->asked);
        if (sd_bus_message_is_method_error(reply, NULL))
                r = -sd_bus_message_get_errno(reply);
        else
                r = read_credentials(reply, &s->uid, &pid, &pidfd);
        if (r >= 0 && s->uid == NO_UID)
                r = -ENODATA;
        if (r < 0) {
                s->uid = NO_UID;
                s->error = r;
        } else
                s->process_error = pid > 0 ? find_process(s, pid, s->uid != 0 ? TAKE_FD(pidfd) : -EBADF) : -ENODATA;
        go_on(s);
        return 1;
}

static int ask(Connection *c, const char *name, Sender **ret) {
        Sender *s;
        int r;

        make_room(c);
        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        *s = (Sender) { .connection = c, .name = strdup(name), .uid = NO_UID, .process = PROCESS_INIT };
        r = s->name ? sd_bus_call_method_async(c->bus, &s->asked, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                               "GetConnectionCredentials", on_credentials, s, "s", name)
                    : -ENOMEM;
        if (r < 0) {
                sender_free(s);
                return r;
        }
        s->next = c->senders;
        c->senders = s;
        *ret = s;
        return 0;
}

static int put_aside(Sender *s, sd_bus_message *m, bool again) {
        PutAside *p, **end = &s->waiting;
        size_t n = 0;
        int r = 0;

        for (const Sender *other = s->connection->senders; other; other = other->next)
                for (const PutAside *o = other->waiting; o; o = o->next)
                        n++;
        if (n >= PUT_ASIDE_MAX)
                return -EDQUOT;
        p = malloc(sizeof(*p));
        if (!p)
                return -ENOMEM;
        if (again)
                r = sd_bus_enqueue_for_read(s->connection->bus, m);
        if (r < 0) {
                free(p);
                return r;
        }
        while (*end)
                end = &(*end)->next;
        *p = (PutAside) { .message = sd_bus_message_ref(m), .again = again };
        *end = p;
        return 0;
}

/* Is this the first of what went through sd-bus again? It is handled now. */
static bool take_back(Sender *s, sd_bus_message *m) {
        PutAside *p = s->waiting;

        if (!p || p->message != m || !p->again)
                return false;
        s->waiting = p->next;
        (void) sd_bus_message_unref(p->message);
        free(p);
        return true;
}

/* Sees each message before anyone does. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name = sd_bus_message_get_sender(m);
        Connection *c = userdata;
        Sender *s;
        int r = 0;

        if (!name || sd_bus_message_is_method_call(m, NULL, NULL) <= 0)
                return 0;
        s = find(c, name);
        if (s && (take_back(s, m) || (!s->asked && !s->waiting)))
                return 0;
        if (!s)
                r = ask(c, name, &s);
        if (r >= 0)
                r = put_aside(s, m, !s->asked);
        if (r >= 0)
                return 1;
        if (r == -EDQUOT)
                return sd_bus_reply_method_errorf(m, TCED_ERROR_LIMIT_EXCEEDED, "Too many calls wait until the bus has said who sent them; try again");
        return sd_bus_reply_method_errorf(m, TCED_ERROR_NO_MEMORY, "The bus can't be asked who calls: %s; try again", strerror(-r));
}

int senders_attach(Connection *c) {
        return sd_bus_add_filter(c->bus, NULL, on_message, c);
}
