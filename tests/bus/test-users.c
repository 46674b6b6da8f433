/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who may do what: every method of every interface as a user who may nothing, members of the group kvm for themselves and within their
 * limits, and what one user sees of another's on the private socket. Needs root, which alone can be others. */

#include <grp.h>
#include <pwd.h>

#include "fuzz-calls.h"
#include "tap.h"

/* Users of this host, since dbus-daemon turns others away: one without any right, and two that are made members. */
static uid_t nobody_uid, member_uid, other_uid;

typedef struct World {
        const Host *host;
        gid_t group; /* that tced.conf names */
        const char *machine; /* root's, claimed */
        const char *offered; /* root's, for the member to claim */
        bool on_peer;
} World;

/* What a method answers to a user without any right, given arguments that mean nothing: NULL: it does what it should. */
static const struct {
        const char *interface, *method, *on_bus, *on_socket;
} rows[] = {
        { TCED_INTERFACE_MANAGER, "ListGroups", NULL, NULL },
        { TCED_INTERFACE_MANAGER, "GetGroupByDevice", "NoSuchGroup", "NoSuchGroup" },
        { TCED_INTERFACE_MANAGER, "ListMachines", NULL, NULL },
        { TCED_INTERFACE_MANAGER, "GetMachine", "NoSuchMachine", "NoSuchMachine" },
        { TCED_INTERFACE_MANAGER, "GetMachineByPID", "NoSuchMachine", "NoSuchMachine" },
        { TCED_INTERFACE_MANAGER, "RegisterMachine", "NotAuthorized", "NotAuthorized" },
        { TCED_INTERFACE_MANAGER, "PlanDomain", "NotAuthorized", "NotAuthorized" }, /* by a name; XML is for all */
        { TCED_INTERFACE_MANAGER, "RegisterDomain", "NotAuthorized", "NotAuthorized" },
        { TCED_INTERFACE_MANAGER, "ReleaseDomain", "NotAuthorized", "NotAuthorized" },
        { TCED_INTERFACE_MANAGER, "Audit", NULL, NULL },
        { TCED_INTERFACE_MANAGER, "AuditProcess", "NoSuchMachine", "NoSuchMachine" },
        { TCED_INTERFACE_MANAGER, "Probe", "NotAuthorized", "NotAuthorized" },
        { TCED_INTERFACE_MANAGER, "Rescan", "NotAuthorized", "NotAuthorized" },
        { TCED_INTERFACE_MANAGER, "Reload", "NotAuthorized", "NotAuthorized" },
        { TCED_INTERFACE_MANAGER, "Describe", NULL, NULL },
        { TCED_INTERFACE_GROUP, "Open", "NotAuthorized", "NotAuthorized" },
        { TCED_INTERFACE_GROUP, "Bind", "NotAuthorized", "NotAuthorized" },
        { TCED_INTERFACE_GROUP, "Release", "NotAuthorized", "NotAuthorized" },
        { TCED_INTERFACE_GROUP, "OpenInto", "NotAuthorized", "NotAuthorized" },
        { TCED_INTERFACE_GROUP, "Probe", "NotAuthorized", "NotAuthorized" },
        { TCED_INTERFACE_MACHINE, "Claim", "NotAuthorized", SD_BUS_ERROR_UNKNOWN_OBJECT },
        { TCED_INTERFACE_MACHINE, "ClaimWithPidfd", "InvalidArgument", SD_BUS_ERROR_UNKNOWN_OBJECT }, /* that is no pidfd */
        { TCED_INTERFACE_MACHINE, "AcquireTables", "NotClaimed", SD_BUS_ERROR_UNKNOWN_OBJECT },
        { TCED_INTERFACE_MACHINE, "AcquireWindow", "NotClaimed", SD_BUS_ERROR_UNKNOWN_OBJECT },
        { TCED_INTERFACE_MACHINE, "ReportTable", "NotClaimed", SD_BUS_ERROR_UNKNOWN_OBJECT },
        { TCED_INTERFACE_MACHINE, "Unregister", "NotAuthorized", SD_BUS_ERROR_UNKNOWN_OBJECT },
};

/* What may be written, and by whom it is tried below (try_log_control(), and test-permit.c with polkit). */
static const struct {
        const char *interface, *property;
} writable[] = {
        { LOG_CONTROL_INTERFACE, "LogLevel" },
        { LOG_CONTROL_INTERFACE, "LogTarget" },
};

/* The interfaces that sd-bus brings: nothing of them changes anything, but Properties.Set. */
static const char *const standard[] = { "org.freedesktop.DBus.Peer", "org.freedesktop.DBus.Introspectable", "org.freedesktop.DBus.Properties",
                                        "org.freedesktop.DBus.ObjectManager" };

/* One of each type of a signature, nothing in arrays. */
static int append_dummies(sd_bus_message *m, const char *signature) {
        int r = 0;

        while (*signature && r >= 0) {
                size_t length = 1;

                switch (*signature) {
                case 's':
                        r = sd_bus_message_append(m, "s", "x");
                        break;
                case 'u':
                        r = sd_bus_message_append(m, "u", 0U);
                        break;
                case 'i':
                case 'b':
                        r = sd_bus_message_append_basic(m, *signature, &(int){ 0 });
                        break;
                case 't':
                        r = sd_bus_message_append(m, "t", UINT64_C(0));
                        break;
                case 'h':
                        r = sd_bus_message_append(m, "h", STDIN_FILENO);
                        break;
                case 'a': {
                        char contents[32];
                        char last = signature[1] == '(' ? ')' : signature[1] == '{' ? '}' : signature[1];

                        length = (size_t) (strchr(signature + 1, last) - signature) + 1;
                        (void) snprintf(contents, sizeof(contents), "%.*s", (int) length - 1, signature + 1);
                        r = sd_bus_message_open_container(m, 'a', contents);
                        if (r >= 0)
                                r = sd_bus_message_close_container(m);
                        break;
                }
                default:
                        bail_out("a method takes a type that this test does not know: %s", signature);
                }
                signature += length;
        }
        return r;
}

static const char *object_of(const World *w, const char *interface) {
        return streq(interface, TCED_INTERFACE_MANAGER) ? TCED_BUS_PATH
                : streq(interface, TCED_INTERFACE_GROUP) ? TCED_GROUP_PREFIX "/7"
                                                         : w->machine;
}

/* The `in` types of a method, out of what the service says of itself. */
static void signature_of(const char *xml, const char *method, char *ret, size_t size) {
        char begin[64];
        const char *at, *end;
        FILE *f = fmemopen(ret, size, "w");

        (void) snprintf(begin, sizeof(begin), "<method name=\"%s\">", method);
        at = strstr(xml, begin);
        end = at ? strstr(at, "</method>") : NULL;
        while (end && (at = strstr(at, "<arg type=\"")) && at < end) {
                const char *type = at + strlen("<arg type=\""), *quote = strchr(type, '"'), *close = strchr(type, '>');
                const char *in = strstr(type, "direction=\"in\"");

                if (in && in < close)
                        (void) fprintf(f, "%.*s", (int) (quote - type), type);
                at = close;
        }
        (void) fclose(f);
}

static sd_bus *open_one(const World *w) {
        return w->on_peer ? open_peer(w->host) : open_bus(w->host);
}

static void try_methods(void *userdata) {
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_one(w);

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
                const char *want = w->on_peer ? rows[i].on_socket : rows[i].on_bus, *path = object_of(w, rows[i].interface);
                _cleanup_free_ char *xml = introspect(bus, path);
                sd_bus_error error = SD_BUS_ERROR_NULL;
                char signature[64] = "";
                int r;

                if (xml)
                        signature_of(xml, rows[i].method, signature, sizeof(signature));
                r = sd_bus_message_new_method_call(bus, &m, w->on_peer ? NULL : TCED_BUS_NAME, path, rows[i].interface, rows[i].method);
                if (r >= 0)
                        r = append_dummies(m, signature);
                if (r >= 0)
                        r = sd_bus_call(bus, m, 0, &error, &reply);
                if (want)
                        refused(r, &error, want, "", "%s by a user without rights, %s: %s", rows[i].method,
                                w->on_peer ? "private socket" : "bus", want);
                else
                        went_well(r, &error, "%s by a user without rights, %s: allowed", rows[i].method,
                                  w->on_peer ? "private socket" : "bus");
        }
}

static bool is_standard(const char *interface) {
        for (size_t i = 0; i < ELEMENTSOF(standard); i++)
                if (streq(standard[i], interface))
                        return true;
        return false;
}

/* Are its properties among those that are tried below? */
static bool has_tried_properties(const char *interface) {
        static const char *const interfaces[] = { TCED_INTERFACE_MANAGER, TCED_INTERFACE_GROUP, TCED_INTERFACE_MACHINE, TCED_INTERFACE_TABLE,
                                                  LOG_CONTROL_INTERFACE };

        for (size_t i = 0; i < ELEMENTSOF(interfaces); i++)
                if (streq(interfaces[i], interface))
                        return true;
        return false;
}

/* A method that is not in the table is one that nobody thought about: of any interface, of any object there is. */
static void test_complete(sd_bus *bus, const char *where) {
        bool found[ELEMENTSOF(rows)] = {};
        Targets all = {};

        targets_look(&all, bus);
        for (size_t i = 0; i < all.n_targets; i++) {
                const Target *t = &all.targets[i];
                bool known = is_standard(t->interface) || (t->property && has_tried_properties(t->interface));

                for (size_t j = 0; !t->property && j < ELEMENTSOF(rows); j++)
                        if (streq(rows[j].interface, t->interface) && streq(rows[j].method, t->member))
                                known = found[j] = true;
                if (!known)
                        tap_ok(false, "%s: it is written down here who may use %s.%s of %s", where, t->interface, t->member, t->path);
        }
        for (size_t j = 0; j < ELEMENTSOF(rows); j++)
                tap_ok(found[j], "%s: %s.%s is there", where, rows[j].interface, rows[j].method);
        targets_done(&all);
}

/* Cuts the attribute's value out of an element, and gives it: name="LogLevel". */
static const char *attribute(char *element, const char *name) {
        char begin[32], *value = NULL, *quote;

        (void) snprintf(begin, sizeof(begin), " %s=\"", name);
        value = strstr(element, begin);
        if (!value)
                return "";
        value += strlen(begin);
        quote = strchr(value, '"');
        if (quote)
                *quote = '\0';
        return value;
}

static bool is_writable_known(const char *interface, const char *property) {
        for (size_t i = 0; i < ELEMENTSOF(writable); i++)
                if (streq(writable[i].interface, interface) && streq(writable[i].property, property))
                        return true;
        return false;
}

/* Each property of the daemon's own interfaces: it can't be written, or it is known who may. Each interface: the daemon's, or a standard one. */
static void try_properties(void *userdata) {
        static const char *const paths[] = { TCED_BUS_PATH, TCED_GROUP_PREFIX "/7", LOG_CONTROL_PATH, NULL, NULL };
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_one(w);
        char table[128];

        (void) snprintf(table, sizeof(table), "%s/table/80000001", w->machine);
        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                const char *path = paths[i] ? paths[i] : i == 3 ? w->machine : table;
                _cleanup_free_ char *xml = introspect(bus, path);
                char interface[128] = "";

                for (char *line = xml ? strtok(xml, "\n") : NULL; line; line = strtok(NULL, "\n")) {
                        sd_bus_error error = SD_BUS_ERROR_NULL;
                        bool write = strstr(line, "access=\"readwrite\"") || strstr(line, "access=\"write\"");
                        const char *name;
                        bool known;

                        if (strstr(line, "<interface ")) {
                                (void) snprintf(interface, sizeof(interface), "%s", attribute(line, "name"));
                                known = strncmp(interface, "org.tced1.", 10) == 0 || streq(interface, LOG_CONTROL_INTERFACE) ||
                                        is_standard(interface);
                                tap_ok(known, "%s: the interface %s is one that is thought of", path, interface);
                        }
                        if (!strstr(line, "<property "))
                                continue;
                        name = attribute(line, "name");
                        tap_ok(!write || is_writable_known(interface, name), "%s: %s.%s: who may write it is written down here", path, interface, name);
                        refused(set_string(bus, path, interface, name, "debug", &error), &error,
                                write ? "NotAuthorized" : SD_BUS_ERROR_PROPERTY_READ_ONLY, "", "%s.%s can't be written", interface, name);
                }
        }
}

static void try_log_control(void *userdata) {
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_one(w);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        refused(set_string(bus, LOG_CONTROL_PATH, LOG_CONTROL_INTERFACE, "LogLevel", "emerg", &error), &error, "NotAuthorized", "sudo",
                "LogLevel is for root");
        refused(set_string(bus, LOG_CONTROL_PATH, LOG_CONTROL_INTERFACE, "LogTarget", "null", &error), &error, "NotAuthorized", "sudo",
                "LogTarget is for root");
        refused(call_manager(bus, "Rescan", &error, ""), &error, "NotAuthorized", "Rescan|root|sudo", "the text says what and how");
        refused(call_manager(bus, "RegisterMachine", &error, "ssa(ssuttubi)a{sv}t", "mine", "", 0, 0, UINT64_C(0)), &error,
                "NotAuthorized", "group", "registering is for members of the group, and the text names it");
        refused(call(bus, TCED_GROUP_PREFIX "/7", TCED_INTERFACE_GROUP, "Open", &error, NULL, "t", UINT64_C(0)), &error, "NotAuthorized",
                "group 7|root", "a group is for root and who has a VM with it");
}

/* A member: for itself, within its limits; another process can't take what it registered. */
static void try_member(void *userdata) {
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_one(w);
        TestWindow small = small_window(0), large = small_window(0), taken = { "vfio", "nic", 1, 0, 4096, 12, 0, 7 };
        _cleanup_free_ char *one = NULL, *two = NULL, *three = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        char text[64];

        large.size = UINT64_C(4) << 30; /* 8 MiB of TCEs */
        went_well(register_windows(bus, "mine1", "", &small, 1, NO_UID, &one, &error), &error, "a member registers");
        tap_eq(get_number(bus, one, TCED_INTERFACE_MACHINE, "Uid", 'u'), member_uid, "it is the owner");
        (void) snprintf(text, sizeof(text), "User %u|user %u;|root", (unsigned) member_uid, (unsigned) other_uid);
        refused(register_windows(bus, "yours", "", &small, 1, other_uid, NULL, &error), &error, "NotAuthorized", text,
                "not for another user");
        refused(register_windows(bus, "yours", "", &small, 1, 0, NULL, &error), &error, "NotAuthorized", "user 0;|root", "nor for root");
        refused(register_windows(bus, "large", "", &large, 1, NO_UID, NULL, &error), &error, "LimitExceeded",
                "TableBytesPerUserMax=4194304", "more bytes than a user may have");
        went_well(register_windows(bus, "mine2", "", &small, 1, member_uid, &two, &error), &error, "a second, named its own");
        refused(register_windows(bus, "mine3", "", &small, 1, NO_UID, NULL, &error), &error, "LimitExceeded", "MachinesPerUserMax=2|2 are",
                "a third is one too many");
        refused(claim(bus, w->machine, &error), &error, w->on_peer ? SD_BUS_ERROR_UNKNOWN_OBJECT : "NotAuthorized", "",
                "root's machine can't be claimed");
        went_well(claim(bus, one, &error), &error, "its own can");
        went_well(acquire(bus, one, NULL, 0, &error, NULL), &error, "and gives its tables");
        refused(call(bus, TCED_GROUP_PREFIX "/7", TCED_INTERFACE_GROUP, "Open", &error, NULL, "t", UINT64_C(0)), &error, "NotAuthorized",
                "group 7", "a group that its machine has not is not for it");
        went_well(unregister(bus, one, &error), &error, "it unregisters it");
        went_well(register_windows(bus, "mine4", "", &taken, 1, NO_UID, &three, &error), &error, "there is room for another");
        (void) claim(bus, three, NULL);
        refused(call(bus, TCED_GROUP_PREFIX "/7", TCED_INTERFACE_GROUP, "Open", &error, NULL, "t", UINT64_C(0)), &error, "NotAuthorized",
                "group 7|root", "a group that it gave its machine itself is neither");
}

static void try_other_member(void *userdata) {
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_one(w);
        TestWindow small = small_window(0);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        went_well(register_windows(bus, "theirs", "", &small, 1, NO_UID, NULL, &error), &error, "another user is not at a limit for that");
        refused(register_windows(bus, "fills1", "", &small, 1, NO_UID, NULL, &error), &error, "MachineExists", "fills1",
                "a name that another user has");
}

/* Fills its own quota and stays. */
static void fill_quota(int fd, void *userdata) {
        const World *w = userdata;
        sd_bus *bus = open_one(w);
        TestWindow small = small_window(0);
        bool well = register_windows(bus, "fills1", "", &small, 1, NO_UID, NULL, NULL) >= 0 &&
                    register_windows(bus, "fills2", "", &small, 1, NO_UID, NULL, NULL) >= 0 &&
                    register_windows(bus, "fills3", "", &small, 1, NO_UID, NULL, NULL) < 0;

        actor_say(fd, well ? 'y' : 'n');
        (void) actor_listen(fd);
}

static void fill_quota_as_member(int fd, void *userdata) {
        const World *w = userdata;

        if (setgroups(1, &w->group) < 0 || setresgid(member_uid, member_uid, member_uid) < 0 || setresuid(member_uid, member_uid, member_uid) < 0)
                return;
        fill_quota(fd, userdata);
}

/* The same user, but not the process that registered. */
static void try_same_user(void *userdata) {
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_bus(w->host);
        _cleanup_free_ char *path = find_machine(bus, "fills1");
        sd_bus_error error = SD_BUS_ERROR_NULL;

        refused(claim(bus, path, &error), &error, "AlreadyClaimed", "fills1", "another process of the user can't claim it");
        refused(unregister(bus, path, &error), &error, "NotAuthorized", "fills1", "nor unregister it");
}

static bool no_machine_but(sd_bus *bus, int n) {
        for (unsigned i = 0; i < HARNESS_PATIENCE * 20; i++) {
                if (count_machines(bus) == n)
                        return true;
                (void) usleep(50 * 1000);
        }
        return false;
}

static void test_quota(World *w, sd_bus *root) {
        Actor a = actor_start(NO_UID, fill_quota_as_member, w);

        tap_eq(actor_hear(&a), 'y', "a user fills its quota");
        run_as(other_uid, &w->group, 1, try_other_member, w);
        run_as(member_uid, &w->group, 1, try_same_user, w);
        actor_kill(&a);
        tap_ok(no_machine_but(root, 2), "what it registered ends with it");
}

/* What of root's machine can be seen on the private socket: nothing. */
static void try_to_see(void *userdata) {
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_peer(w->host);
        _cleanup_free_ char *json = describe_text(bus), *objects = managed_objects(bus), *nodes = introspect(bus, TCED_MACHINE_PREFIX);
        _cleanup_free_ char *by_name = find_machine(bus, "secret"), *name = NULL, *holder = NULL;
        const char *uuid = w->machine + strlen(TCED_MACHINE_PREFIX "/");
        _cleanup_free_ char *by_uuid = find_machine(bus, uuid), *of_object = introspect(bus, w->machine);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        tap_eq(count_machines(bus), 0, "ListMachines is empty");
        tap_ok(json && !strstr(json, "secret") && !strstr(json, uuid), "Describe has nothing of it");
        tap_ok(json && strstr(json, "0000:01:00.0") && strstr(json, "\"holder\":null"), "but the group, and nobody who has it");
        tap_ok(objects && !strstr(objects, uuid) && strstr(objects, TCED_GROUP_PREFIX "/7"), "GetManagedObjects has the group, not it");
        tap_ok(!nodes || !strstr(nodes, uuid), "Introspect lists nothing of it");
        tap_ok(!of_object || !strstr(of_object, TCED_INTERFACE_MACHINE), "nor shows its object");
        tap_ok(!by_name && !by_uuid, "GetMachine does not find it, by name or UUID");
        refused(call_manager(bus, "GetMachineByPID", &error, "u", (unsigned) getppid()), &error, "NoSuchMachine", "", "nor GetMachineByPID");
        name = get_string(bus, w->machine, TCED_INTERFACE_MACHINE, "Name");
        tap_streq(name, NULL, "its properties can't be read");
        holder = get_string(bus, TCED_GROUP_PREFIX "/7", TCED_INTERFACE_GROUP, "Holder");
        tap_streq(holder, "", "the group's Holder is empty");
}

static void listen_as_nobody(int fd, void *userdata) {
        const World *w = userdata;
        sd_bus *bus = open_peer(w->host);
        Signals s = {};

        signals_record(bus, &s);
        actor_say(fd, 'r');
        (void) actor_listen(fd);
        actor_say(fd, signals_have(bus, &s, "Machine") ? 'h' : 'q');
}

static void test_signals(World *w, sd_bus *root) {
        Actor a = actor_start(nobody_uid, listen_as_nobody, w);
        _cleanup_free_ char *path = NULL;

        (void) actor_hear(&a);
        path = register_small(root, "quiet", 1, NO_UID);
        (void) claim(root, path, NULL);
        (void) unregister(root, path, NULL);
        actor_tell(&a, 'g');
        tap_eq(actor_hear(&a), 'q', "signals of root's machine don't reach others on the private socket");
        (void) actor_end(&a);
}

/* What root offers to a user: it finds it by what it was told, claims it, gets its tables; another can't. */
static void try_offered(void *userdata) {
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_peer(w->host);
        _cleanup_free_ char *found = find_machine(bus, w->offered + strlen(TCED_MACHINE_PREFIX "/")), *json = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        tap_streq(found, w->offered, "whom it is for finds it by its UUID");
        tap_eq(count_machines(bus), 0, "it is not listed before it is claimed");
        went_well(claim(bus, w->offered, &error), &error, "claims it");
        tap_eq(count_machines(bus), 1, "then it is listed");
        json = describe_text(bus);
        tap_ok(json && strstr(json, "offered") && !strstr(json, "secret"), "and described, alone");
        went_well(acquire(bus, w->offered, NULL, 0, &error, NULL), &error, "has its tables");
        refused(call(bus, TCED_GROUP_PREFIX "/7", TCED_INTERFACE_GROUP, "Open", &error, NULL, "t", UINT64_C(0)), &error, "GroupNotViable",
                "group 7", "may open the group that root gave the VM");
        went_well(call_manager(bus, "GetMachineByPID", &error, "u", 0U), &error, "and finds it by its PID");
}

static void try_offered_to_another(void *userdata) {
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_bus(w->host), *peer = open_peer(w->host);
        _cleanup_fd_ int own = sys_pidfd_open(getpid(), 0);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        refused(claim(bus, w->offered, &error), &error, "NotAuthorized", "offered|user", "another user can't claim it on the bus");
        refused(call(bus, w->offered, TCED_INTERFACE_MACHINE, "ClaimWithPidfd", &error, NULL, "ht", own, UINT64_C(0)), &error, "NotAuthorized",
                "offered|user", "nor with its own pidfd");
        refused(claim(peer, w->offered, &error), &error, SD_BUS_ERROR_UNKNOWN_OBJECT, "", "nor see it on the private socket");
        refused(unregister(bus, w->offered, &error), &error, "NotAuthorized", "offered|root", "nor unregister it");
}

/* Claims it, and then says each time when it is asked whether it may open the group: 'y' or 'n'. */
static void claim_and_open(int fd, void *userdata) {
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_peer(w->host);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        actor_say(fd, claim(bus, w->offered, NULL) >= 0 ? 'c' : 'f');
        while (actor_listen(fd) > 0) {
                (void) call(bus, TCED_GROUP_PREFIX "/21", TCED_INTERFACE_GROUP, "Open", &error, NULL, "t", UINT64_C(0));
                actor_say(fd, error.name && strstr(error.name, "NotAuthorized") ? 'n' : 'y');
                sd_bus_error_free(&error);
        }
}

static void may_open(const Actor *a, sd_bus *root, char want, const char *uuid, const char *name) {
        _cleanup_free_ char *holder = NULL;

        (void) call_manager(root, "Rescan", NULL, "");
        actor_tell(a, 'o');
        tap_eq(actor_hear(a), want, "%s: may its VM open it", name);
        holder = get_string(root, TCED_GROUP_PREFIX "/21", TCED_INTERFACE_GROUP, "Holder");
        tap_streq(holder, uuid, "%s: who holds it", name);
}

/* The kernel uses the number of a group again: what root gave was a device. */
static void test_number_used_again(World *w, sd_bus *root) {
        TestWindow vfio = { "vfio", "0000:21:00.0", 0x80000001, 0, 1 << 20, 12, 0, 21 };
        _cleanup_free_ char *path = NULL;
        const char *uuid;
        Actor a;

        host_add_group(w->host, 21, "0000:21:00.0", "e1000e");
        (void) call_manager(root, "Rescan", NULL, "");
        (void) register_windows(root, "lasting", "", &vfio, 1, member_uid, &path, NULL);
        uuid = path + strlen(TCED_MACHINE_PREFIX "/");
        w->offered = path;
        a = actor_start(member_uid, claim_and_open, w);
        tap_eq(actor_hear(&a), 'c', "a user's VM with a group of root's");
        may_open(&a, root, 'y', uuid, "its group");
        host_add_group(w->host, 21, "0000:22:00.0", "e1000e");
        may_open(&a, root, 'n', "", "another device in a group of that number");
        host_add_group(w->host, 21, "0000:21:00.0", "vfio-pci");
        may_open(&a, root, 'y', uuid, "its device again, on another driver");
        actor_kill(&a);
        tap_ok(no_machine_but(root, 1), "it ends with its process");
        host_remove_group(w->host, 21);
}

/* Its owner may give it up, as long as nobody has claimed it. */
static void try_to_unregister(void *userdata) {
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_bus(w->host);
        _cleanup_free_ char *path = find_machine(bus, "given-up");
        sd_bus_error error = SD_BUS_ERROR_NULL;

        went_well(unregister(bus, path, &error), &error, "the owner unregisters what nobody has claimed");
}

static void test_world(World *w) {
        _cleanup_bus_ sd_bus *root = open_bus(w->host), *peer = open_peer(w->host);
        _cleanup_free_ char *machine = NULL, *offered = NULL, *given_up = NULL;
        TestWindow vfio = { "vfio", "0000:01:00.0", 0x80000001, 0, 1 << 20, 12, 0, 7 };

        wait_probed(root);
        (void) register_windows(root, "secret", "", &vfio, 1, NO_UID, &machine, NULL);
        (void) register_windows(root, "offered", "", &vfio, 1, member_uid, &offered, NULL);
        w->machine = machine;
        w->offered = offered;
        (void) claim(root, machine, NULL);
        test_complete(root, "bus");
        test_complete(peer, "private socket");
        for (unsigned i = 0; i < 2; i++) {
                w->on_peer = i == 1;
                run_as(nobody_uid, NULL, 0, try_methods, w);
                run_as(nobody_uid, NULL, 0, try_log_control, w);
                run_as(nobody_uid, NULL, 0, try_properties, w);
                run_as(member_uid, &w->group, 1, try_member, w);
                tap_ok(no_machine_but(root, 2), "a member's machines end with its process");
                test_quota(w, root);
        }
        run_as(nobody_uid, NULL, 0, try_to_see, w);
        run_as(member_uid, &w->group, 1, try_to_see, w);
        test_signals(w, root);
        run_as(other_uid, &w->group, 1, try_offered_to_another, w);
        run_as(member_uid, NULL, 0, try_offered, w);
        tap_ok(no_machine_but(root, 1), "the offered one ends with who claimed it");
        given_up = register_small(root, "given-up", 1, member_uid);
        run_as(member_uid, NULL, 0, try_to_unregister, w);
        tap_ok(no_machine_but(root, 1), "it is gone");
        test_number_used_again(w, root);
        (void) unregister(root, machine, NULL);
}

static bool find_users(void) {
        uid_t *const wanted[] = { &nobody_uid, &member_uid, &other_uid };
        const struct passwd *user;
        size_t n = 0;

        setpwent();
        while (n < ELEMENTSOF(wanted) && (user = getpwent()))
                if (user->pw_uid != 0)
                        *wanted[n++] = user->pw_uid;
        endpwent();
        return n == ELEMENTSOF(wanted);
}

/* Any group that is none of those that the users above have by themselves. */
static const struct group *find_group(void) {
        const struct group *g;

        while ((g = getgrent()))
                if (g->gr_gid != 0 && g->gr_gid != nobody_uid && g->gr_gid != member_uid && g->gr_gid != other_uid)
                        return g;
        return NULL;
}

int main(void) {
        bool users = find_users();
        const struct group *group = find_group();
        World w = {};
        Host h;

        host_init(&h, 100);
        if (geteuid() != 0 || !users || !group) {
                tap_skip("only root can be other users", "users");
                host_done(&h);
                return tap_done();
        }
        host_add_group(&h, 7, "0000:01:00.0", "e1000e");
        host_write(&h, "root/etc/tced/tced.conf", "[Manager]\nGroup=%s\n[Limits]\nMachinesPerUserMax=2\nTableBytesPerUserMax=4M\n",
                   group->gr_name);
        if (!host_start_bus(&h)) {
                tap_skip("there is no dbus-daemon", "users");
                host_done(&h);
                return tap_done();
        }
        if (!host_start_tced(&h, NULL))
                bail_out("tced does not start");
        w.host = &h;
        w.group = group->gr_gid;
        test_world(&w);
        host_done(&h);
        return tap_done();
}
