/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the bus face share. A method goes: read and check the arguments, who asks, may they, do it, reply, and
 * only then commit. */

#include <systemd/sd-bus.h>

#include "dbus.h"
#include "error.h"

typedef struct Connection Connection;

/* Who sends messages on the bus, which says it once for each name (dbus_sender.c). */
typedef struct PutAside PutAside;
typedef struct Sender {
        Connection *connection;
        char *name;         /* ":1.42" */
        uid_t uid;          /* NO_UID: the bus did not say, */
        int error;          /* and why; negative errno */
        Process process;    /* as the bus said it, without a pidfd; without its process a sender is none that runs a VM */
        int process_error;  /* why there is none; negative errno */
        uint64_t cookie;    /* of its message for which the next was found out */
        bool restricted;    /* it runs VMs of libvirt's, and is not to see those of others among them */
        sd_bus_slot *asked; /* the bus, which has not answered yet */
        PutAside *waiting;  /* its messages, for that answer */
        struct Sender *next;
} Sender;

#define NO_UID ((uid_t) -1)

/* One connection: the bus itself, or a peer on the private socket. The userdata of every vtable on it. */
typedef struct Question Question;
typedef struct Request Request;
typedef struct Permit Permit;
struct Connection {
        DBus *dbus;
        Manager *manager;
        sd_bus *bus;
        bool peer;
        uid_t uid;       /* of a peer, */
        Process process; /* held since it connected: its PID can't be another's meanwhile */
        sd_event_source *ended, *left; /* its end; how long its connection may outlive it */
        bool has_log;    /* LogControl1 is among its objects */
        bool of_vm;      /* which has claimed a VM that root registered: the limit of its user is not for it */
        Sender *senders; /* on the bus, who sent last first */
        bool polkit;         /* may be there: it is the system bus */
        Question *questions; /* to it */
        Permit *permits;     /* what it has said yes to, and has not been done yet */
        bool turned_away; /* its user asked for a VM that another process of it runs, and that was logged */
        Connection *next;
};

/* Who sent a message: what the bus said, or for a peer what the kernel said when it connected. */
typedef struct Caller {
        uid_t uid;
        Process process; /* -EBADF: it was not asked for */
} Caller;

#define CALLER_INIT { .process = PROCESS_INIT }

static inline void caller_clear(Caller *c) {
        process_close(&c->process);
}
#define _cleanup_caller_ __attribute__((__cleanup__(caller_clear)))

/* The connection that a method or property is called on. */
Connection *connection_current(sd_bus *bus);
/* The one that a message came on, which was kept; NULL: it has ended meanwhile. */
Connection *connection_of(const DBus *d, sd_bus_message *m);

/* Finds out who called; with_process: takes hold of the process too. 0, or negative errno with *error set. */
int caller_get(sd_bus_message *m, bool with_process, Caller *ret, sd_bus_error *error);

/* A verb that is root's, and that of whom polkit allows it to. */
typedef struct Permission {
        const char *action;         /* TCED_POLKIT_RESCAN */
        const char *const *details; /* as PolkitQuestion has them: the object that it is about, or NULL */
        const char *refusal;        /* a sentence without its full stop: "Rescan is for root: try sudo" */
} Permission;

/* May who sent the message do that? 0: yes. 1: polkit is asked: the method returns that as it is, with nothing done yet, and is called with the same
 * message again when polkit has said yes; whatever else polkit says is answered. Negative errno, with *error set: no.
 *
 * The second time, all may be other than it was: a method checks everything again, and a permission with other details is none. */
int caller_permit(sd_bus_message *m, const Permission *p, sd_bus_error *error);
/* The same with no details. what: "Rescan". */
int caller_permit_plain(sd_bus_message *m, const char *action, const char *what, sd_bus_error *error);
/* The bus's connection can have permissions; they end with it. */
int permits_attach(Connection *c);
void permits_free(Connection *c);

/* Sets a bus error from a refusal; returns its negative errno, as sd-bus wants it. */
int refusal_to_error(const Refusal *refusal, sd_bus_error *error);
/* Keeps a message of this user's that is answered later, as one request in flight: 0, or negative errno with *error set where there are as many
 * as there may be, or no memory. Whoever keeps one that is kept is not refused. Each hold is ended; that of who is last lets it go. */
int request_hold(sd_bus_message *m, uid_t uid, sd_bus_error *error);
void request_end(sd_bus_message *m);

/* What became of the answer to a message that waited: an error where it could not be sent, or the end of the connection where that can't be either,
 * as nobody may wait for ever. */
void answered(sd_bus_message *m, int r);
/* Answers a message that waited (request_hold()), and ends that. */
void reply_refusal(sd_bus_message *m, const Refusal *refusal);

/* Reads the flags, a method's last argument, which must be 0 until one is defined. */
int read_flags(sd_bus_message *m, sd_bus_error *error);
/* The same, then who called and the process they did it from. 0, or negative errno with *error set. */
int read_flags_and_caller(sd_bus_message *m, Caller *ret, sd_bus_error *error);

/* May whoever asks on this connection know of the machine at all; is it listed to them?
 *
 * On the private socket root has all of them listed, others the one that they run. Who is to claim one sees it besides: of the owner's
 * processes any, but of libvirt's VMs, which may all be of one user, the process that libvirt runs it in, alone.
 * On the bus everyone has all of them listed, but a user whom libvirt runs VMs as: its processes see of libvirt's what they would on the
 * private socket.
 *
 * NULL stands for the VMs that are no machine: is the host told of with them? */
bool connection_may_see(Connection *c, const Machine *machine);
bool connection_lists(Connection *c, const Machine *machine);
/* Do signals of the machine go to this connection? On the bus all go to all. */
bool connection_hears(const Connection *c, const Machine *machine);

/* The bus's connection finds out who sends, before anything else sees a message; they end with it. */
int senders_attach(Connection *c);
void senders_free(Connection *c);
/* Who sent a call; NULL: it is no call on the bus. */
Sender *sender_of(Connection *c, sd_bus_message *m);
/* Takes hold of its process. -ESRCH: it has ended; other negative errno. */
int sender_hold(const Sender *s, Process *ret);

/* Root, and in --user mode the one user whom the daemon serves. */
bool is_master(uid_t uid);

/* Appends findings as a(sssss). */
int append_findings(sd_bus_message *m, const Findings *f);

/* Object paths; buffers are sized for them. */
#define PATH_MAX_GROUP 32
#define PATH_MAX_MACHINE 64
#define PATH_MAX_TABLE 96
const char *path_of_group(char buf[PATH_MAX_GROUP], unsigned number);
const char *path_of_machine(char buf[PATH_MAX_MACHINE], const Machine *machine);
const char *path_of_table(char buf[PATH_MAX_TABLE], const Table *table);

/* The manager's methods that dbus_domain.c has. */
int method_plan_domain(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_register_domain(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_release_domain(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* And those of dbus_audit.c. */
int method_audit(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_audit_process(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* What polkit is asked. */
typedef struct PolkitQuestion {
        const char *action;         /* "org.tced1.bind" */
        const char *const *details; /* name, value, name, value, …, NULL: seen by rules */
        uid_t user;                 /* who asks: each may have so many questions at a time */
        bool interactive;           /* may polkit ask the user for a password? */
        uint64_t patience_usec;     /* it says no when that is over */
} PolkitQuestion;

typedef void (*PolkitDone)(bool yes, const char *why, void *userdata);

/* How long a person may take to type a password, and a rule to decide. */
#define POLKIT_INTERACTIVE_PATIENCE_USEC (5 * 60 * UINT64_C(1000000))
#define POLKIT_PATIENCE_USEC (15 * UINT64_C(1000000))

/* Asks polkit whether who sent this message may do that. 0, and done is called later, exactly once; or it is not: -EOPNOTSUPP: there is no polkit
 * on this connection (the private socket, --user); -EBUSY: too many questions wait, of that user or in all; other negative errno. */
int polkit_ask(Connection *c, sd_bus_message *asker, const PolkitQuestion *question, PolkitDone done, void *userdata);
/* Sets the error of a question that could not be asked, of this action. */
int polkit_unasked(int r, const char *action, sd_bus_error *error);
/* Answers whoever waits for polkit, with no. */
void polkit_stop(Connection *c);

/* Answers RegisterMachine with the machine, once polkit, where it is to be asked, has said whether its VMM may have its limit of locked memory
 * raised, or has had its time. c NULL: the connection has ended. */
void memlock_reply_registered(Connection *c, sd_bus_message *registration, const Machine *machine);

/* Adds an interface's vtables and enumerators to a connection; the slots go with the bus. */
int dbus_manager_attach(Connection *c);
int dbus_group_attach(Connection *c);
/* Tells who listens which of its properties are others now (a set of GroupChange). */
void dbus_group_changed(Connection *c, unsigned number, unsigned changes);
int dbus_machine_attach(Connection *c);
int dbus_table_attach(Connection *c);
int dbus_log_attach(Connection *c);
/* On the system bus: hears from the service manager when libvirtd is reloaded. Without one nothing comes of it. */
int dbus_systemd_attach(Connection *c);
