/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What client.h declares. There are up to two ways to tced, the bus and its socket; a call goes the first way where tced answers
 * at all. The system bus comes first: what needs polkit is refused on the socket. */

#include "client-internal.h"

#include "error.h"
#include "names.h"
#include "progress.h"
#include "util.h"
#include "view.h"

#define USEC_PER_SEC UINT64_C(1000000)
#define TIMEOUT_USEC (25 * USEC_PER_SEC)
/* A write to /sys that hangs is given up by tced itself, earlier than this; a person may have to type a password. */
#define GROUP_TIMEOUT_USEC (300 * USEC_PER_SEC)
/* A proof runs in a child with a deadline of its own (tced.conf, [Probe] TimeoutSec=, at most an hour); this is longer. */
#define PROBE_TIMEOUT_USEC (2 * 3600 * USEC_PER_SEC)

#define WAYS_MAX 2U

/* What the bus answers when it could not start tced on demand begins so. */
#define SPAWN_ERRORS "org.freedesktop.DBus.Error.Spawn."
/* And so where it had systemd do that (systemd's src/core/dbus.c, signal_activation_request). */
#define UNIT_ERRORS "org.freedesktop.systemd1."

/* One way to the daemon. */
typedef struct Way {
        bool is_bus; /* the bus, where tced has a name, at `remote`; else a peer at `address` */
        char *address;
} Way;

struct Client {
        bool user, quiet, no_start;
        char *remote; /* NULL: this host */
        Way ways[WAYS_MAX];
        size_t n_ways;
        sd_bus *bus; /* the connection over the way that worked */
        bool bus_is_bus;
};

/* A method with its arguments: "" none, "t" flags, "bt" deep and flags of 0, "sa{sv}t" a domain, what it is planned
 * with, and flags of 0; "s" a domain alone, or any text; REGISTER a machine with its windows. */
#define REGISTER "ssa(ssuttubi)a{sv}t"

typedef struct Call {
        const char *method;
        const char *types;
        bool deep;
        const char *domain, *attach; /* attach may be NULL */
        const char *name;            /* of the machine */
        const ClientWindow *windows; /* of the machine */
        size_t n_windows;
        const char *path;            /* NULL: a method of the Manager; else of what is there */
        const char *interface;       /* and of this interface */
        uint64_t flags;              /* of "t" */
        const char *progress;        /* said while it lasts; NULL: nothing is */
        bool interactive;            /* polkit may ask the user who he is */
        uint64_t timeout;
} Call;

DEFINE_POINTER_CLEANUP(sd_bus, sd_bus_close_unref, bus_closep)
DEFINE_POINTER_CLEANUP(sd_bus_message, sd_bus_message_unref, message_unrefp)

/* The address of tced's own socket; NULL in *ret where the user has no runtime folder. */
static int socket_address(bool user, char **ret) {
        const char *dir = getenv("XDG_RUNTIME_DIR");
        _cleanup_free_ char *path = NULL, *escaped = NULL;

        *ret = NULL;
        if (!user)
                return asprintf(ret, "unix:path=%s", TCED_SOCKET) < 0 ? -ENOMEM : 0;
        if (isempty(dir))
                return 0;
        if (asprintf(&path, "%s/tced/%s", dir, TCED_SOCKET_NAME) < 0)
                return -ENOMEM;
        /* In an address all but these stand as %XX (D-Bus specification, "Server Addresses"). */
        escaped = calloc(3 * strlen(path) + 1, 1);
        if (!escaped)
                return -ENOMEM;
        for (char *from = path, *to = escaped; *from; from++) {
                bool plain = (*from >= '0' && *from <= '9') || ((*from | 0x20) >= 'a' && (*from | 0x20) <= 'z') ||
                             strchr("-_/.\\*", *from);
                to += sprintf(to, plain ? "%c" : "%%%02x", (unsigned char) *from);
        }
        return asprintf(ret, "unix:path=%s", escaped) < 0 ? -ENOMEM : 0;
}

int client_new(const ClientOptions *options, Client **ret) {
        Client *c = calloc(1, sizeof(*c));
        char *address = NULL;
        int r = 0;

        if (!c)
                return -ENOMEM;
        c->user = options->user;
        c->quiet = options->quiet;
        c->no_start = options->no_start;
        if (options->remote) {
                c->ways[c->n_ways++] = (Way){ .is_bus = true };
                c->remote = strdup(options->remote);
                r = c->remote ? 0 : -ENOMEM;
        } else if (options->address) {
                address = strdup(options->address);
                r = address ? 0 : -ENOMEM;
        } else {
                c->ways[c->n_ways++] = (Way){ .is_bus = true };
                r = socket_address(options->user, &address);
        }
        if (r < 0) {
                client_free(c);
                return r;
        }
        if (address)
                c->ways[c->n_ways++] = (Way){ .address = address };
        *ret = c;
        return 0;
}

void client_free(Client *c) {
        if (!c)
                return;
        if (c->bus)
                (void) sd_bus_close_unref(c->bus);
        for (size_t i = 0; i < c->n_ways; i++)
                free(c->ways[i].address);
        free(c->remote);
        free(c);
}

/* A D-Bus connection without a bus behind it: no Hello, no names, no policy but tced's own. */
static int open_peer(const char *address, sd_bus **ret) {
        _cleanup_(bus_closep) sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_address(bus, address);
        if (r < 0)
                return r;
        r = sd_bus_start(bus);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

/* By ssh this begins a process, of which only the first call shows whether it got there. */
static int open_way(const Client *c, const Way *way, sd_bus **ret) {
        if (!way->is_bus)
                return open_peer(way->address, ret);
        if (c->remote)
                return sd_bus_open_system_remote(ret, c->remote);
        return c->user ? sd_bus_open_user(ret) : sd_bus_open_system(ret);
}

/* Does this answer say that nobody is there, so that the next way may be tried? */
static bool is_absence(const sd_bus_error *e) {
        return sd_bus_error_has_names(e, SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
               (e->name && strncmp(e->name, SPAWN_ERRORS, strlen(SPAWN_ERRORS)) == 0);
}

/* The arguments of PlanDomain. */
static int append_plan(sd_bus_message *m, const Call *call) {
        int r = sd_bus_message_append(m, "s", call->domain);

        if (r < 0)
                return r;
        r = call->attach ? sd_bus_message_append(m, "a{sv}", 1, "Attach", "s", call->attach) : sd_bus_message_append(m, "a{sv}", 0);
        return r < 0 ? r : sd_bus_message_append(m, "t", UINT64_C(0));
}

/* The arguments of RegisterMachine. */
static int append_machine(sd_bus_message *m, const Call *call) {
        int r = sd_bus_message_append(m, "ss", call->name, "");

        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(ssuttubi)");
        for (size_t i = 0; r >= 0 && i < call->n_windows; i++) {
                const ClientWindow *w = &call->windows[i];

                r = sd_bus_message_append(m, "(ssuttubi)", w->kind, w->device, w->liobn, w->bus_offset, w->size, w->page_shift, (int) w->notifier,
                                          w->group);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_append(m, "a{sv}t", 0, UINT64_C(0));
}

/* One call with its arguments. On a bus it goes to tced's name; a peer is tced itself. */
static int call_over(const Client *c, const Call *call, sd_bus_error *e, sd_bus_message **reply) {
        _cleanup_(message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(c->bus, &m, c->bus_is_bus ? TCED_BUS_NAME : NULL, call->path ? call->path : TCED_BUS_PATH,
                                           call->path ? call->interface : TCED_INTERFACE_MANAGER, call->method);
        if (r < 0)
                return r;
        if (streq(call->types, "bt"))
                r = sd_bus_message_append(m, "bt", (int) call->deep, UINT64_C(0));
        else if (streq(call->types, "t"))
                r = sd_bus_message_append(m, "t", call->flags);
        else if (streq(call->types, "s"))
                r = sd_bus_message_append(m, "s", call->domain);
        else if (streq(call->types, "sa{sv}t"))
                r = append_plan(m, call);
        else if (streq(call->types, REGISTER))
                r = append_machine(m, call);
        if (r < 0)
                return r;
        if (call->interactive)
                (void) sd_bus_message_set_allow_interactive_authorization(m, 1);
        if (c->no_start)
                (void) sd_bus_message_set_auto_start(m, 0);
        return sd_bus_call(c->bus, m, call->timeout, e, reply);
}

/* What starts the tced that was looked for. */
static const char *remedy_start(const Client *c) {
        return c->user ? "tced --user" : "systemctl start tced";
}

/* The host's name alone, which ssh takes as well. */
static int explain_remote(const Client *c, int r, Problem *problem) {
        if (r == -EINVAL)
                return problem_set(problem, r, "-H wants a host as ssh(1) does, [USER@]HOST or [USER@]HOST:PORT, not '%.150s'.", c->remote);
        if (r == -EHOSTUNREACH)
                return problem_set(problem, r, "tced is not running on %.150s. Start it: ssh %.150s systemctl start tced", c->remote, c->remote);
        /* That is all that is seen of an ssh that has ended. */
        return problem_set(problem, r, "Can't reach the system bus of %.150s by ssh (%s). This has to work, and to wait without a word: ssh %.150s "
                           "systemd-stdio-bridge", c->remote, r == -ENOTCONN || r == -ECONNRESET || r == -EPIPE ? "which has ended" : strerror(-r),
                           c->remote);
}

/* No way led to tced; r: what the last one gave. An address that was given is the only way that is meant. */
static int explain_absence(const Client *c, int r, Problem *problem) {
        const Way *way = &c->ways[c->n_ways - 1];

        if (c->remote)
                return explain_remote(c, r, problem);
        if (c->n_ways == 1 && !way->is_bus)
                return problem_set(problem, r, "Nobody answers at %s (%s). Check the address, or leave --address out.", way->address,
                                   strerror(-r));
        if (r == -EACCES || r == -EPERM)
                (void) problem_set(problem, r, "tced is not on the bus, and its socket refuses this user. Run tcectl as root, or start "
                                   "the bus: systemctl start dbus");
        else
                (void) problem_set(problem, r, "tced is not running. Start it: %s", remedy_start(c));
        problem->absent = true;
        return r;
}

/* The bus has had systemd start tced, which could not. NULL: that is not what was said. */
static const char *remedy_unit(const sd_bus_error *e) {
        if (!e->name || strncmp(e->name, UNIT_ERRORS, strlen(UNIT_ERRORS)) != 0)
                return NULL;
        if (streq(e->name, UNIT_ERRORS "UnitMasked"))
                return "Let it be started: systemctl unmask tced";
        if (streq(e->name, UNIT_ERRORS "NoSuchUnit"))
                return "Install the package tced anew";
        return "See: systemctl status tced";
}

/* What tced, the bus or sd-bus said, for a person. */
static void explain_text(const Client *c, const sd_bus_error *e, int r, Problem *problem) {
        const char *message = isempty(e->message) ? e->name : e->message;
        const char *remedy = remedy_unit(e);

        if (remedy) {
                (void) problem_set(problem, r, "tced is not running, and can't be started: %s %s", message, remedy);
                problem->absent = true;
                return;
        }
        /* tced's own texts name the thing and the remedy already; only what the bus says needs more. */
        if (r == -ETIMEDOUT)
                (void) problem_set(problem, r, "tced did not answer in time. See what holds it up: %s",
                                   c->user ? "its messages" : "journalctl -u tced");
        else if (sd_bus_error_has_names(e, SD_BUS_ERROR_UNKNOWN_METHOD, SD_BUS_ERROR_UNKNOWN_INTERFACE,
                                        SD_BUS_ERROR_UNKNOWN_OBJECT))
                (void) problem_set(problem, r, "The tced that runs is another version than tcectl: %s. Restart it: %s", message,
                                   c->user ? "tced --user" : "systemctl restart tced");
        else if (sd_bus_error_has_name(e, SD_BUS_ERROR_ACCESS_DENIED) && c->remote)
                (void) problem_set(problem, r, "Not allowed there: %s. Go there as root: -H root@HOST", message);
        else if (sd_bus_error_has_name(e, SD_BUS_ERROR_ACCESS_DENIED))
                (void) problem_set(problem, r, "Not allowed: %s. Run tcectl as root.", message);
        else
                (void) problem_set(problem, r, "%s", message);
}

/* tced, the bus or sd-bus answered with an error. */
static int explain_error(const Client *c, const sd_bus_error *e, int r, Problem *problem) {
        /* sd-bus's own errors have an errno for a name, and no more than that to say. */
        bool lost = !sd_bus_error_is_set(e) || r == -ENOTCONN || r == -ECONNRESET || r == -EPIPE;

        if (lost && c->remote)
                return explain_remote(c, r, problem);
        if (lost)
                return problem_set(problem, r, "Can't talk to tced: %s. Is it running? See: %s", strerror(-r),
                                   c->user ? "its messages" : "systemctl status tced");
        r = -error_name_to_errno(e->name);
        if (r == -ENOMEM)
                r = -EREMOTEIO; /* the daemon's memory, not ours */
        explain_text(c, e, r, problem);
        (void) snprintf(problem->name, sizeof(problem->name), "%s", e->name);
        return r;
}

/* Calls a method of the Manager over the first way where tced is. *reply is the caller's. */
static int client_call(Client *c, const Call *call, sd_bus_message **reply, Problem *problem) {
        int r = -ENOTCONN;

        for (size_t i = 0; i < c->n_ways; i++) {
                sd_bus_error e = SD_BUS_ERROR_NULL;

                if (!c->bus) {
                        r = open_way(c, &c->ways[i], &c->bus);
                        if (r < 0)
                                continue;
                        c->bus_is_bus = c->ways[i].is_bus;
                }
                /* ssh may ask for a password, on the same line of the terminal. */
                progress_begin(c->quiet || c->remote ? NULL : call->progress);
                r = call_over(c, call, &e, reply);
                progress_end();
                if (r >= 0)
                        return 0;
                if (!is_absence(&e)) {
                        r = explain_error(c, &e, r, problem);
                        sd_bus_error_free(&e);
                        return r;
                }
                sd_bus_error_free(&e);
                /* The bus is there, tced is not on it: it may have been started before the bus was. */
                c->bus = sd_bus_close_unref(c->bus);
                r = -EHOSTUNREACH;
                /* On the socket it is systemd that listens then, which would start it. */
                if (c->no_start && !c->user)
                        break;
        }
        return explain_absence(c, r, problem);
}

/* A method that answers JSON; what: its name for people. */
static int call_json(Client *c, const Call *call, const char *what, json_object **ret, Problem *problem) {
        _cleanup_(message_unrefp) sd_bus_message *reply = NULL;
        const char *text;
        int r;

        r = client_call(c, call, &reply, problem);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "s", &text);
        if (r >= 0)
                r = view_parse(text, ret);
        if (r < 0)
                return problem_set(problem, r, "tced's %s can't be read (%s). Restart it, or report this: %s", what, strerror(-r),
                                   c->user ? "tced --user" : "systemctl restart tced");
        return 0;
}

int client_describe(Client *c, json_object **ret, Problem *problem) {
        static const Call call = { .method = "Describe", .types = "t", .progress = "Asking tced…", .timeout = TIMEOUT_USEC };

        return call_json(c, &call, "description", ret, problem);
}

int client_plan(Client *c, const char *domain, const char *attach, json_object **ret, Problem *problem) {
        const Call call = {
                .method = "PlanDomain", .types = "sa{sv}t", .domain = domain, .attach = attach, .progress = "tced plans the VM…",
                .timeout = TIMEOUT_USEC,
        };

        return call_json(c, &call, "plan", ret, problem);
}

int client_audit(Client *c, json_object **ret, Problem *problem) {
        static const Call call = { .method = "Audit", .types = "t", .progress = "tced looks at the VMs…", .timeout = TIMEOUT_USEC };

        return call_json(c, &call, "audit", ret, problem);
}

/* A method whose answer is empty. */
static int call_plain(Client *c, const Call *call, Problem *problem) {
        _cleanup_(message_unrefp) sd_bus_message *reply = NULL;

        return client_call(c, call, &reply, problem);
}

int client_probe(Client *c, bool deep, Problem *problem) {
        Call call = { .method = "Probe", .types = "bt", .deep = deep, .progress = "Proving this host…", .timeout = PROBE_TIMEOUT_USEC };

        return call_plain(c, &call, problem);
}

int client_rescan(Client *c, Problem *problem) {
        static const Call call = { .method = "Rescan", .types = "", .progress = "tced reads IOMMU groups and devices…", .timeout = TIMEOUT_USEC };

        return call_plain(c, &call, problem);
}

int client_reload(Client *c, Problem *problem) {
        static const Call call = { .method = "Reload", .types = "", .timeout = TIMEOUT_USEC };

        return call_plain(c, &call, problem);
}

int client_register(Client *c, const char *name, const ClientWindow *windows, size_t n, char **ret_path, Problem *problem) {
        const Call call = {
                .method = "RegisterMachine", .types = REGISTER, .name = name, .windows = windows, .n_windows = n, .timeout = PROBE_TIMEOUT_USEC,
        };
        _cleanup_(message_unrefp) sd_bus_message *reply = NULL;
        const char *path;
        int r;

        r = client_call(c, &call, &reply, problem);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return problem_set(problem, r, "tced's answer can't be read (%s). Restart it, or report this", strerror(-r));
        *ret_path = strdup(path);
        return *ret_path ? 0 : -ENOMEM;
}

int client_unregister(Client *c, const char *path, Problem *problem) {
        const Call call = { .method = "Unregister", .types = "t", .path = path, .interface = TCED_INTERFACE_MACHINE, .timeout = TIMEOUT_USEC };

        return call_plain(c, &call, problem);
}

int client_group(Client *c, uint32_t group, const char *method, uint64_t flags, const char *progress, Problem *problem) {
        char path[sizeof(TCED_GROUP_PREFIX) + 16];
        const Call call = {
                .method = method, .types = "t", .path = path, .interface = TCED_INTERFACE_GROUP, .flags = flags, .progress = progress,
                .interactive = true, .timeout = GROUP_TIMEOUT_USEC,
        };

        (void) snprintf(path, sizeof(path), TCED_GROUP_PREFIX "/%u", group);
        return call_plain(c, &call, problem);
}

int client_ask(Client *c, const char *path, const char *interface, const char *method, const char *argument, sd_bus_message **reply,
               Problem *problem) {
        const Call call = {
                .method = method, .types = argument ? "s" : "", .domain = argument, .path = path, .interface = interface, .timeout = TIMEOUT_USEC,
        };

        return client_call(c, &call, reply, problem);
}

sd_bus *client_connection(const Client *c, bool *ret_is_bus) {
        *ret_is_bus = c->bus_is_bus;
        return c->bus;
}
