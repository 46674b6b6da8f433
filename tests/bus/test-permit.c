/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The verbs that are root's, each asked for by a user, with a made-up polkit that says yes, no, something else, or nothing. Needs root, which alone
 * can be another. */

#include <assert.h>
#include <pwd.h>

#include "domain.h"
#include "error.h"
#include "polkit.h"
#include "tap.h"

#define USER ((uid_t) 65534) /* the bus knows no user without a name */
#define OTHER ((uid_t) 1)    /* daemon */
#define GROUP_PATH TCED_GROUP_PREFIX "/7"
#define ADDRESS "0000:01:00.0"
/* dbus_polkit.c's QUESTIONS_PER_USER_MAX. */
#define PER_USER_MAX 16U
/* Its QUESTIONS_MAX. */
#define ALL_MAX 96U

#define DOMAIN_XML "<domain type='kvm'><name>dom</name><uuid>11111111-2222-3333-4444-555555555555</uuid><memory unit='KiB'>1048576</memory>" \
        "<vcpu>1</vcpu><os><type arch='ppc64le' machine='pseries-9.2'>hvm</type></os><devices></devices></domain>"

typedef struct Verb Verb;

typedef struct World {
        const Host *h;
        const Verb *verb;
        const char *mode, *machine; /* root's, path */
        bool on_peer, interactive;
} World;

struct Verb {
        const char *name, *action;
        const char *details; /* are in the question */
        sd_bus_message *(*make)(sd_bus *bus, const World *w);
        const char *after; /* the error of it where it is allowed: another than that it is not; NULL: none */
};

static sd_bus_message *make(sd_bus *bus, const World *w, const char *path, const char *interface, const char *method) {
        sd_bus_message *m = NULL;

        if (sd_bus_message_new_method_call(bus, &m, w->on_peer ? NULL : TCED_BUS_NAME, path, interface, method) < 0)
                bail_out("no memory");
        if (w->interactive)
                (void) sd_bus_message_set_allow_interactive_authorization(m, 1);
        return m;
}

static sd_bus_message *manager_probe(sd_bus *bus, const World *w) {
        sd_bus_message *m = make(bus, w, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "Probe");

        (void) sd_bus_message_append(m, "bt", 0, UINT64_C(0));
        return m;
}

static sd_bus_message *rescan(sd_bus *bus, const World *w) {
        return make(bus, w, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "Rescan");
}

static sd_bus_message *reload(sd_bus *bus, const World *w) {
        return make(bus, w, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "Reload");
}

static sd_bus_message *register_for(sd_bus *bus, const World *w, uid_t owner) {
        sd_bus_message *m = make(bus, w, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "RegisterMachine");

        (void) sd_bus_message_append(m, "ssa(ssuttubi)a{sv}t", "new", "", 1, "vio", "eth0", 0x71000001U, UINT64_C(0), UINT64_C(0x10000000), 12U, 0, -1,
                                     1, "OwnerUid", "u", (unsigned) owner, UINT64_C(0));
        return m;
}

static sd_bus_message *register_own(sd_bus *bus, const World *w) {
        return register_for(bus, w, USER);
}

static sd_bus_message *register_others(sd_bus *bus, const World *w) {
        return register_for(bus, w, OTHER);
}

static sd_bus_message *make_register_domain(sd_bus *bus, const World *w) {
        sd_bus_message *m = make(bus, w, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "RegisterDomain");

        (void) sd_bus_message_append(m, "st", DOMAIN_XML, UINT64_C(8));
        return m;
}

static sd_bus_message *make_release_domain(sd_bus *bus, const World *w) {
        sd_bus_message *m = make(bus, w, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "ReleaseDomain");

        (void) sd_bus_message_append(m, "st", DOMAIN_XML, UINT64_C(0));
        return m;
}

static sd_bus_message *make_plan_domain(sd_bus *bus, const World *w) {
        sd_bus_message *m = make(bus, w, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "PlanDomain");

        (void) sd_bus_message_append(m, "sa{sv}t", "dom", 0, UINT64_C(0));
        return m;
}

static sd_bus_message *group_flags(sd_bus *bus, const World *w, const char *method) {
        sd_bus_message *m = make(bus, w, GROUP_PATH, TCED_INTERFACE_GROUP, method);

        (void) sd_bus_message_append(m, "t", UINT64_C(0));
        return m;
}

static sd_bus_message *group_open(sd_bus *bus, const World *w) {
        return group_flags(bus, w, "Open");
}

static sd_bus_message *group_open_into(sd_bus *bus, const World *w) {
        sd_bus_message *m = group_flags(bus, w, "OpenInto");

        (void) sd_bus_message_append(m, "h", STDIN_FILENO);
        return m;
}

static sd_bus_message *group_probe(sd_bus *bus, const World *w) {
        return group_flags(bus, w, "Probe");
}

static sd_bus_message *group_bind(sd_bus *bus, const World *w) {
        return group_flags(bus, w, "Bind");
}

static sd_bus_message *group_release(sd_bus *bus, const World *w) {
        return group_flags(bus, w, "Release");
}

static sd_bus_message *machine_unregister(sd_bus *bus, const World *w) {
        sd_bus_message *m = make(bus, w, w->machine, TCED_INTERFACE_MACHINE, "Unregister");

        (void) sd_bus_message_append(m, "t", UINT64_C(0));
        return m;
}

static sd_bus_message *set_log(sd_bus *bus, const World *w, const char *property, const char *value) {
        sd_bus_message *m = make(bus, w, LOG_CONTROL_PATH, "org.freedesktop.DBus.Properties", "Set");

        (void) sd_bus_message_append(m, "ssv", LOG_CONTROL_INTERFACE, property, "s", value);
        return m;
}

static sd_bus_message *log_level(sd_bus *bus, const World *w) {
        return set_log(bus, w, "LogLevel", "debug");
}

static sd_bus_message *log_target(sd_bus *bus, const World *w) {
        return set_log(bus, w, "LogTarget", "console");
}

/* What is asked for is done, or fails as it does for root here, where there is neither KVM nor libvirt nor a helper. */
static const Verb verbs[] = {
        { "Manager.Probe", TCED_POLKIT_PROBE, "deep=no ", manager_probe, NULL },
        { "Rescan", TCED_POLKIT_RESCAN, "", rescan, NULL },
        { "Reload", TCED_POLKIT_RELOAD, "", reload, NULL },
        { "RegisterMachine, its own", TCED_POLKIT_REGISTER, "machine=new uuid= owner=65534 ", register_own, NULL },
        { "RegisterMachine, another's", TCED_POLKIT_REGISTER, "machine=new uuid= owner=1 ", register_others, NULL },
        { "RegisterDomain", TCED_POLKIT_REGISTER, "domain=dom uuid=11111111222233334444555555555555 ", make_register_domain, "InvalidArgument" },
        { "ReleaseDomain", TCED_POLKIT_UNREGISTER, "domain=dom uuid=11111111222233334444555555555555 ", make_release_domain, "NoSuchMachine" },
        { "PlanDomain", TCED_POLKIT_PLAN_DOMAIN, "domain=dom ", make_plan_domain, "LibvirtUnavailable" },
        { "Open", TCED_POLKIT_OPEN_GROUP, "group=7 devices=" ADDRESS, group_open, "GroupNotViable" },
        { "OpenInto", TCED_POLKIT_OPEN_GROUP, "group=7 devices=" ADDRESS, group_open_into, "InvalidArgument" },
        { "Group.Probe", TCED_POLKIT_PROBE, "group=7 devices=" ADDRESS, group_probe, "GroupNotViable" },
        { "Bind", TCED_POLKIT_BIND, "group=7 devices=" ADDRESS, group_bind, "HelperUnavailable" },
        { "Release", TCED_POLKIT_RELEASE, "group=7 devices=" ADDRESS, group_release, "HelperUnavailable" },
        { "Unregister", TCED_POLKIT_UNREGISTER, "machine=theirs uuid=", machine_unregister, NULL },
        { "LogLevel", TCED_POLKIT_SET_LOG_LEVEL, "property=LogLevel value=debug ", log_level, NULL },
        { "LogTarget", TCED_POLKIT_SET_LOG_LEVEL, "property=LogTarget value=console ", log_target, NULL },
};

static sd_bus *open_one(const World *w) {
        return w->on_peer ? open_peer(w->h) : open_bus(w->h);
}

static void be_user(void *userdata) {
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_one(w);
        _cleanup_message_ sd_bus_message *m = w->verb->make(bus, w), *reply = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        bool yes = streq(w->mode, "yes") && !w->on_peer;
        const char *name = yes ? w->verb->after : w->on_peer && streq(w->verb->name, "Unregister") ? SD_BUS_ERROR_UNKNOWN_OBJECT : "NotAuthorized";
        int r = sd_bus_call(bus, m, 0, &error, &reply);

        if (name)
                refused(r, &error, name, w->on_peer && !strchr(name, '.') ? "use the system bus" : "", "%s, polkit: %s: %s", w->verb->name,
                        w->on_peer ? "not asked" : w->mode, name);
        else
                went_well(r, &error, "%s, polkit: %s", w->verb->name, w->mode);
}

static void is_asked(const World *w) {
        _cleanup_free_ char *question = polkit_asked(w->h);
        char want[256];

        if (w->on_peer) {
                tap_streq(question, "", "%s: polkit is not asked for who is on the private socket", w->verb->name);
                return;
        }
        (void) snprintf(want, sizeof(want), " %s %s", w->verb->action, w->verb->details);
        tap_ok(strstr(question, "system-bus-name name :1.") == question && strstr(question, want) && strstr(question, w->interactive ? "1 ''" : "0 ''"),
               "%s: polkit is asked who, what and how: %s", w->verb->name, question);
        if (streq(w->verb->action, TCED_POLKIT_UNREGISTER) && w->verb->make == machine_unregister)
                tap_ok(strstr(question, " owner=0 "), "and whose it is");
}

static void test_verb(World *w, sd_bus *root) {
        static const struct {
                const char *mode;
                bool on_peer, interactive;
        } cases[] = {
                { "no", false, false }, { "challenge", false, true }, { "error", false, false }, { "odd", false, false }, { "yes", true, false },
                { "yes", false, true },
        };
        _cleanup_free_ char *machine = register_small(root, "theirs", 1, NO_UID);

        w->machine = machine;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *new = NULL, *level = NULL;

                w->mode = cases[i].mode;
                w->on_peer = cases[i].on_peer;
                w->interactive = cases[i].interactive;
                polkit_set_mode(w->h, w->mode);
                run_as(USER, NULL, 0, be_user, w);
                is_asked(w);
                if (!w->on_peer) {
                        _cleanup_bus_ sd_bus *peer = open_peer(w->h);

                        /* Not over the bus, whose next message would show that all is over. */
                        tap_eq(usage_of(peer, "RequestsMax"), 0, "%s: no request is in flight any more", w->verb->name);
                }
                /* Nothing is done before it is allowed. */
                level = get_string(root, LOG_CONTROL_PATH, LOG_CONTROL_INTERFACE, "LogLevel");
                if (i + 1 < ELEMENTSOF(cases))
                        tap_ok(count_machines(root) == 1 && level && !streq(level, "debug"), "%s: nothing is done", w->verb->name);
                else if (streq(w->verb->name, "LogLevel"))
                        tap_streq(level, "debug", "it is done");
                (void) set_string(root, LOG_CONTROL_PATH, LOG_CONTROL_INTERFACE, "LogLevel", "info", NULL);
                new = find_machine(root, "new");
                if (new)
                        (void) unregister(root, new, NULL);
        }
        (void) unregister(root, machine, NULL);
}

/* ---- polkit does not answer ---- */

static int on_late(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        unsigned *answers = userdata;

        *answers += sd_bus_message_is_method_error(m, TCED_ERROR_NOT_AUTHORIZED) > 0;
        return 0;
}

/* All verbs at once; says when the daemon, which must serve others meanwhile, has been asked, and then how it went. */
static void ask_all(int fd, void *userdata) {
        World w = *(const World *) userdata;
        sd_bus *bus = open_bus(w.h);
        unsigned answers = 0;

        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                _cleanup_message_ sd_bus_message *m = verbs[i].make(bus, &w);

                (void) sd_bus_call_async(bus, NULL, m, on_late, &answers, 60 * UINT64_C(1000000));
        }
        (void) sd_bus_flush(bus);
        (void) count_machines(bus); /* is answered after those have been read */
        actor_say(fd, 'a');
        while (answers < ELEMENTSOF(verbs))
                if (sd_bus_process(bus, NULL) == 0 && sd_bus_wait(bus, 40 * UINT64_C(1000000)) <= 0)
                        break;
        actor_say(fd, answers == ELEMENTSOF(verbs) ? 'y' : 'n');
}

static void one_too_many(void *userdata) {
        World w = *(const World *) userdata;
        _cleanup_bus_ sd_bus *bus = open_bus(w.h);
        _cleanup_message_ sd_bus_message *m = rescan(bus, &w), *bind = group_bind(bus, &w);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        refused(sd_bus_call(bus, m, 0, &error, NULL), &error, "LimitExceeded", TCED_POLKIT_RESCAN "|16 of your|try again",
                "one question too many is refused at once");
        refused(sd_bus_call(bus, bind, 0, &error, NULL), &error, "LimitExceeded", TCED_POLKIT_BIND "|16 of your", "so is that of Bind");
}

static void is_asked_still(int fd, void *userdata) {
        World w = *(const World *) userdata;
        sd_bus *bus = open_bus(w.h);
        _cleanup_message_ sd_bus_message *m = rescan(bus, &w);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        (void) sd_bus_call(bus, m, 0, &error, NULL);
        actor_say(fd, error.name && strstr(error.name, "NotAuthorized") ? 'y' : 'n');
}

typedef struct Crowd {
        const World *w;
        unsigned n; /* questions of each */
} Crowd;

/* So many; says when the daemon has read them, and then whether each was answered by a no. */
static void ask_some(int fd, void *userdata) {
        const Crowd *crowd = userdata;
        sd_bus *bus = open_bus(crowd->w->h);
        unsigned answers = 0;

        for (unsigned i = 0; i < crowd->n; i++) {
                _cleanup_message_ sd_bus_message *m = rescan(bus, crowd->w);

                (void) sd_bus_call_async(bus, NULL, m, on_late, &answers, 60 * UINT64_C(1000000));
        }
        (void) sd_bus_flush(bus);
        (void) count_machines(bus);
        actor_say(fd, answers == 0 ? 'a' : 'n');
        while (answers < crowd->n)
                if (sd_bus_process(bus, NULL) == 0 && sd_bus_wait(bus, 40 * UINT64_C(1000000)) <= 0)
                        break;
        actor_say(fd, answers == crowd->n ? 'y' : 'n');
}

static void one_of_many(void *userdata) {
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_bus(w->h);
        _cleanup_message_ sd_bus_message *m = rescan(bus, w);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        refused(sd_bus_call(bus, m, 0, &error, NULL), &error, "LimitExceeded", "or 96 in all", "one more, of a user who has none yet, is refused");
}

/* Users whom the bus knows, beside the two. */
static bool next_user(uid_t *ret) {
        const struct passwd *user;

        while ((user = getpwent()))
                if (user->pw_uid != 0 && user->pw_uid != USER && user->pw_uid != OTHER) {
                        *ret = user->pw_uid;
                        return true;
                }
        return false;
}

/* More of them ask until there are as many questions as there may be; taken: so many there are. */
static void test_crowd(World *w, unsigned taken) {
        enum { USERS = 5 };
        Crowd crowds[USERS];
        Actor actors[USERS];
        unsigned asked = 0, answered = 0;
        uid_t uid;

        setpwent();
        for (unsigned i = 0; i < USERS; i++) {
                crowds[i] = (Crowd) { w, ALL_MAX - taken < PER_USER_MAX ? ALL_MAX - taken : PER_USER_MAX };
                if (!next_user(&uid))
                        bail_out("there are too few users here");
                taken += crowds[i].n;
                actors[i] = actor_start(uid, ask_some, &crowds[i]);
                asked += actor_hear(&actors[i]) == 'a';
        }
        tap_ok(asked == USERS && taken == ALL_MAX && next_user(&uid), "%u questions of several users wait for polkit", taken);
        run_as(uid, NULL, 0, one_of_many, w);
        endpwent();
        for (unsigned i = 0; i < USERS; i++) {
                answered += actor_hear(&actors[i]) == 'y';
                (void) actor_end(&actors[i]);
        }
        tap_eq(answered, USERS, "and each of theirs is answered");
}

static void test_slow(World *w, sd_bus *root) {
        _cleanup_free_ char *machine = register_small(root, "theirs", 1, NO_UID), *question = NULL;
        Actor user, other;

        static_assert(ELEMENTSOF(verbs) == PER_USER_MAX, "one_too_many() begins where all have been asked");
        w->machine = machine;
        w->on_peer = w->interactive = false;
        polkit_set_mode(w->h, "hang");
        user = actor_start(USER, ask_all, w);
        tap_eq(actor_hear(&user), 'a', "polkit hangs, and others are served");
        run_as(USER, NULL, 0, one_too_many, w);
        host_remove(w->h, "polkit.asked");
        other = actor_start(OTHER, is_asked_still, w);
        for (unsigned i = 0; i < HARNESS_PATIENCE * 50 && (!question || !strstr(question, TCED_POLKIT_RESCAN)); i++) {
                (void) usleep(20 * 1000);
                free(question);
                question = polkit_asked(w->h);
        }
        tap_ok(strstr(question, TCED_POLKIT_RESCAN), "another user's question is still put");
        tap_eq(count_machines(root), 1, "root waits for nobody");
        test_crowd(w, PER_USER_MAX + 1);
        tap_eq(actor_hear(&user), 'y', "a polkit that says nothing has said no, to each");
        tap_eq(actor_hear(&other), 'y', "also to the other");
        (void) actor_end(&user);
        (void) actor_end(&other);
        (void) unregister(root, machine, NULL);
}

/* ---- what was allowed is another thing by now ---- */

static void open_or_say_why(int fd, void *userdata) {
        const World *w = userdata;
        sd_bus *bus = open_bus(w->h);
        _cleanup_message_ sd_bus_message *m = group_open(bus, w);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        (void) sd_bus_call(bus, m, 0, &error, NULL);
        printf("#   %s: %s\n", error.name, error.message);
        actor_say(fd, error.message && strstr(error.message, "0000:02:00.0") ? 'c' : error.name && strstr(error.name, "UnknownObject") ? 'g' : 'n');
}

static void test_meanwhile(World *w, sd_bus *root) {
        w->on_peer = w->interactive = false;
        for (unsigned i = 0; i < 2; i++) {
                _cleanup_free_ char *question = NULL;
                Actor user;

                polkit_set_mode(w->h, "wait");
                user = actor_start(USER, open_or_say_why, w);
                for (unsigned j = 0; j < HARNESS_PATIENCE * 50 && (!question || !*question); j++) {
                        (void) usleep(20 * 1000);
                        free(question);
                        question = polkit_asked(w->h);
                }
                if (i == 0)
                        host_add_group(w->h, 7, "0000:02:00.0", "e1000e");
                else
                        host_remove_group(w->h, 7);
                (void) call_manager(root, "Rescan", NULL, "");
                polkit_set_mode(w->h, "yes");
                tap_eq(actor_hear(&user), i == 0 ? 'c' : 'g', "a group that %s while polkit was asked", i == 0 ? "has another device" : "is gone");
                (void) actor_end(&user);
                host_add_group(w->h, 7, ADDRESS, "e1000e");
                (void) call_manager(root, "Rescan", NULL, "");
        }
}

static void wait_asked(const World *w) {
        _cleanup_free_ char *question = NULL;

        for (unsigned i = 0; i < HARNESS_PATIENCE * 50 && (!question || !*question); i++) {
                (void) usleep(20 * 1000);
                free(question);
                question = polkit_asked(w->h);
        }
}

static void unregister_or_say_why(int fd, void *userdata) {
        const World *w = userdata;
        sd_bus *bus = open_bus(w->h);
        _cleanup_message_ sd_bus_message *m = machine_unregister(bus, w);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_call(bus, m, 0, &error, NULL);

        actor_say(fd, r >= 0 ? 'd' : error.name && streq(error.name, SD_BUS_ERROR_UNKNOWN_OBJECT) ? 'u' : 'n');
}

static void test_no_hook(const World *w) {
        _cleanup_free_ char *state = NULL;
        char path[96];

        (void) snprintf(path, sizeof(path), "%s/" TCED_STATE_NAME, w->h->dir);
        state = read_whole(path);
        tap_ok(strstr(state, "\"hook_called\":0,"), "whom polkit allowed to register and release domains was not taken for libvirt's hook");
}

/* While polkit is asked its user becomes one whom libvirt runs VMs as, of whose processes none sees the VMs of others. */
static void test_guest_meanwhile(World *w, sd_bus *root) {
        const TestDomain first = { .name = "first", .uuid = UUID_A },
                         own = { .name = "own", .uuid = UUID_B,
                                 .rest = "<seclabel type='static' model='dac' relabel='yes'><label>+65534:+65534</label></seclabel>" };

        for (unsigned i = 0; i < 2; i++) {
                sd_bus_error error = SD_BUS_ERROR_NULL;
                Actor user;

                went_well(register_domain(root, &first, 0, &error, NULL, NULL), &error, "a domain of libvirt's");
                w->machine = PATH_A;
                w->on_peer = w->interactive = false;
                polkit_set_mode(w->h, "wait");
                user = actor_start(USER, unregister_or_say_why, w);
                wait_asked(w);
                if (i == 1)
                        went_well(register_domain(root, &own, 0, &error, NULL, NULL), &error, "while polkit is asked, one that runs as who asked");
                polkit_set_mode(w->h, "yes");
                tap_eq(actor_hear(&user), i == 0 ? 'd' : 'u', "polkit allows to unregister it, and its user %s", i == 0 ? "does" : "sees it no more");
                (void) actor_end(&user);
                tap_eq(count_machines(root), i == 0 ? 0 : 2, "so %s", i == 0 ? "it is gone" : "both are there");
        }
        (void) release_domain(root, &first, NULL);
        (void) release_domain(root, &own, NULL);
}

/* ---- tced ends ---- */

static void wait_to_the_end(int fd, void *userdata) {
        World w = *(const World *) userdata;
        sd_bus *bus = open_bus(w.h);
        _cleanup_message_ sd_bus_message *m = rescan(bus, &w);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        (void) sd_bus_call(bus, m, 0, &error, NULL);
        actor_say(fd, error.message && strstr(error.name, "NotAuthorized") && strstr(error.message, "tced is ending") ? 'y' : 'n');
}

static void test_end(World *w) {
        _cleanup_free_ char *question = NULL;
        Actor user;

        w->on_peer = w->interactive = false;
        polkit_set_mode(w->h, "hang");
        user = actor_start(USER, wait_to_the_end, w);
        for (unsigned j = 0; j < HARNESS_PATIENCE * 50 && (!question || !*question); j++) {
                (void) usleep(20 * 1000);
                free(question);
                question = polkit_asked(w->h);
        }
        host_stop_tced((Host *) w->h);
        tap_eq(actor_hear(&user), 'y', "who waits for polkit while tced ends is told so");
        (void) actor_end(&user);
}

/* polkit refuses an action that no file tells it of. */
static void test_policy(void) {
        char path[512], id[128];
        _cleanup_free_ char *text = NULL;

        (void) snprintf(path, sizeof(path), "%s/org.tced1.policy", getenv("TCED_DATA"));
        text = read_whole(path);
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                (void) snprintf(id, sizeof(id), "<action id=\"%s\">", verbs[i].action);
                tap_ok(strstr(text, id), "%s: %s is installed", verbs[i].name, verbs[i].action);
        }
}

int main(void) {
        World w = {};
        Actor polkit;
        Host h;

        host_init(&h, 110);
        test_policy();
        if (geteuid() != 0 || !host_start_bus(&h)) {
                tap_skip("only root can be other users, on a bus", "permissions");
                host_done(&h);
                return tap_done();
        }
        host_add_group(&h, 7, ADDRESS, "e1000e");
        w.h = &h;
        if (!host_start_tced(&h, NULL))
                bail_out("tced does not start");
        polkit = polkit_start(&h, "no");
        {
                _cleanup_bus_ sd_bus *root = open_bus(&h);

                wait_probed(root);
                for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                        w.verb = &verbs[i];
                        test_verb(&w, root);
                }
                test_meanwhile(&w, root);
                test_no_hook(&w);
                test_guest_meanwhile(&w, root);
                test_slow(&w, root);
        }
        host_remove(&h, "polkit.asked");
        test_end(&w);
        actor_kill(&polkit);
        host_done(&h);
        return tap_done();
}
