/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every method of every interface is called again and again, and each time another call of another function fails that tced makes meanwhile: an
 * answer or an error with a text, and then the same method does what it should, with the same objects, fds and memory as before. By the private
 * socket ("socket"), by the system bus ("bus"), and those that polkit is asked for by a user there ("polkit"). Where sd-bus gives a connection up the
 * caller is told that: by its end, or by the bus, to which tced connects again. */

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../bus/domain.h"
#include "tap.h"
#include "world.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"
#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"
#define INTROSPECTABLE "org.freedesktop.DBus.Introspectable"
#define PEER "org.freedesktop.DBus.Peer"
#define GROWTH_KIB_MAX 3072
/* Of one function that one method calls. */
static const unsigned calls_max[] = { [OVER_SOCKET] = 80, [OVER_BUS] = 8, [OVER_POLKIT] = 16 };

static const TestDomain domain = { .name = "faulty", .uuid = UUID_A };
static const TestWindow added[] = {
        { "pci", "fast", 0x81000000, 0, 1 << 20, 12, 0, -1 },
        { "pci", "slow", 0x81000100, 0, 1 << 20, 12, 0, -1 },
};

/* ---- what is done before and after, without faults ---- */

static int register_faulty(sd_bus *bus, sd_bus_error *error) {
        return register_windows(bus, "faulty", "", added, ELEMENTSOF(added), NO_UID, NULL, error);
}

static char *its_path(World *w) {
        return find_machine(w->bus, "faulty");
}

static void unregister_it(World *w) {
        _cleanup_free_ char *path = its_path(w);

        if (path)
                (void) unregister(w->bus, path, NULL);
}

static void before_register(World *w) {
        unregister_it(w);
        (void) register_faulty(w->bus, NULL);
}

static void before_claim(World *w) {
        _cleanup_free_ char *path = NULL;

        before_register(w);
        path = its_path(w);
        if (path)
                (void) claim(w->bus, path, NULL);
}

static void release_it(World *w) {
        (void) release_domain(w->bus, &domain, NULL);
}

static void before_release(World *w) {
        release_it(w);
        (void) register_domain(w->bus, &domain, 0, NULL, NULL, NULL);
}

static int bind_group(sd_bus *bus, const char *method, sd_bus_error *error) {
        return call(bus, GROUP_UNBOUND, TCED_INTERFACE_GROUP, method, error, NULL, "t", UINT64_C(0));
}

static void unbind_it(World *w) {
        (void) bind_group(w->bus, "Release", NULL);
}

static void bind_it(World *w) {
        (void) bind_group(w->bus, "Bind", NULL);
}

/* ---- what is called ---- */

static int run_register(World *w, sd_bus_error *error) {
        return register_faulty(w->caller, error);
}

static int run_domain_plan(World *w, sd_bus_error *error) {
        _cleanup_free_ char *xml = domain_xml(&domain), *json = NULL;

        return plan_domain(w->caller, xml, NULL, error, &json);
}

static int run_domain_register(World *w, sd_bus_error *error) {
        return register_domain(w->caller, &domain, 0, error, NULL, NULL);
}

static int run_domain_release(World *w, sd_bus_error *error) {
        return release_domain(w->caller, &domain, error);
}

static int run_claim(World *w, sd_bus_error *error) {
        return claim(w->caller, w->scratch, error);
}

static int run_claim_with_pidfd(World *w, sd_bus_error *error) {
        _cleanup_fd_ int pidfd = (int) syscall(SYS_pidfd_open, getpid(), 0);

        return call(w->caller, w->scratch, TCED_INTERFACE_MACHINE, "ClaimWithPidfd", error, NULL, "ht", pidfd, UINT64_C(0));
}

static int run_acquire(World *w, sd_bus_error *error) {
        return acquire(w->caller, w->scratch, NULL, 0, error, NULL);
}

static int run_unregister(World *w, sd_bus_error *error) {
        return unregister(w->caller, w->scratch, error);
}

static int run_window(World *w, sd_bus_error *error) {
        return call(w->caller, w->scratch, TCED_INTERFACE_MACHINE, "AcquireWindow", error, NULL, "uuttit", added[1].liobn + 1, 16U, UINT64_C(1) << 59,
                    UINT64_C(256), 0, UINT64_C(0));
}

static int run_report(World *w, sd_bus_error *error) {
        return call(w->caller, w->scratch, TCED_INTERFACE_MACHINE, "ReportTable", error, NULL, "usit", added[0].liobn, "kernel", 0, UINT64_C(0));
}

static int run_open_into(World *w, sd_bus_error *error) {
        _cleanup_fd_ int container = -EBADF;
        char path[64];

        (void) snprintf(path, sizeof(path), "%s/dev/vfio/vfio", w->host.dir);
        container = open(path, O_RDWR | O_CLOEXEC);
        return call(w->caller, GROUP_BOUND, TCED_INTERFACE_GROUP, "OpenInto", error, NULL, "th", UINT64_C(0), container);
}

static int run_audit_process(World *w, sd_bus_error *error) {
        return call_manager(w->caller, "AuditProcess", error, "ut", (uint32_t) getpid(), UINT64_C(0));
}

static int run_by_pid(World *w, sd_bus_error *error) {
        return call_manager(w->caller, "GetMachineByPID", error, "u", (uint32_t) getpid());
}

static int run_probe(World *w, sd_bus_error *error) {
        return call_manager(w->caller, "Probe", error, "bt", 0, UINT64_C(0));
}

static int run_group_open(World *w, sd_bus_error *error) {
        return call(w->caller, GROUP_BOUND, TCED_INTERFACE_GROUP, "Open", error, NULL, "t", UINT64_C(0));
}

static int run_group_probe(World *w, sd_bus_error *error) {
        return call(w->caller, GROUP_BOUND, TCED_INTERFACE_GROUP, "Probe", error, NULL, "t", UINT64_C(0));
}

static int run_bind(World *w, sd_bus_error *error) {
        return bind_group(w->caller, "Bind", error);
}

static int run_release(World *w, sd_bus_error *error) {
        return bind_group(w->caller, "Release", error);
}

static int run_log_level(World *w, sd_bus_error *error) {
        return set_string(w->caller, LOG_CONTROL_PATH, LOG_CONTROL_INTERFACE, "LogLevel", "info", error);
}

static int run_get(World *w, sd_bus_error *error) {
        return call(w->caller, TCED_BUS_PATH, PROPERTIES, "Get", error, NULL, "ss", TCED_INTERFACE_MANAGER, "KvmUsable");
}

static int run_get_all(World *w, sd_bus_error *error) {
        return call(w->caller, TCED_BUS_PATH, PROPERTIES, "GetAll", error, NULL, "s", TCED_INTERFACE_MANAGER);
}

/* run NULL: the object's method, with one string, or flags, or nothing. */
typedef struct Case {
        const char *interface, *method;
        int (*run)(World *w, sd_bus_error *error);
        void (*before)(World *w), (*after)(World *w);
        const char *text;
        bool flags, verb; /* verb: polkit is asked for it */
        const char *refused; /* with this error, behind TCED_ERROR_PREFIX, it is right */
} Case;

#define MANAGER TCED_INTERFACE_MANAGER
static const Case cases[] = {
        { MANAGER, "ListGroups" },
        { MANAGER, "GetGroupByDevice", .text = "0000:02:00.0" },
        { MANAGER, "ListMachines" },
        { MANAGER, "GetMachine", .text = "stays" },
        { MANAGER, "GetMachineByPID", run_by_pid, before_claim, unregister_it },
        { MANAGER, "RegisterMachine", run_register, unregister_it, unregister_it, .verb = true },
        { MANAGER, "PlanDomain", run_domain_plan },
        { MANAGER, "RegisterDomain", run_domain_register, release_it, release_it, .verb = true },
        { MANAGER, "ReleaseDomain", run_domain_release, before_release, release_it, .verb = true },
        { MANAGER, "Audit", .flags = true },
        { MANAGER, "AuditProcess", run_audit_process, .refused = "NoSuchMachine" },
        { MANAGER, "Probe", run_probe, .verb = true },
        { MANAGER, "Rescan", .verb = true },
        { MANAGER, "Reload", .verb = true },
        { MANAGER, "Describe", .flags = true },
        { TCED_INTERFACE_GROUP, "Open", run_group_open, .verb = true },
        { TCED_INTERFACE_GROUP, "OpenInto", run_open_into, .verb = true },
        { TCED_INTERFACE_GROUP, "Probe", run_group_probe, .verb = true },
        { TCED_INTERFACE_GROUP, "Bind", run_bind, unbind_it, unbind_it, .verb = true },
        { TCED_INTERFACE_GROUP, "Release", run_release, bind_it, unbind_it, .verb = true },
        { TCED_INTERFACE_MACHINE, "Claim", run_claim, before_register, unregister_it },
        { TCED_INTERFACE_MACHINE, "ClaimWithPidfd", run_claim_with_pidfd, before_register, unregister_it },
        { TCED_INTERFACE_MACHINE, "AcquireTables", run_acquire, before_claim, unregister_it },
        { TCED_INTERFACE_MACHINE, "AcquireWindow", run_window, before_claim, unregister_it },
        { TCED_INTERFACE_MACHINE, "ReportTable", run_report, before_claim, unregister_it },
        { TCED_INTERFACE_MACHINE, "Unregister", run_unregister, before_register, unregister_it, .verb = true },
        { PROPERTIES, "Get", run_get },
        { PROPERTIES, "GetAll", run_get_all },
        { PROPERTIES, "Set", run_log_level, .verb = true },
        { OBJECT_MANAGER, "GetManagedObjects" },
        { INTROSPECTABLE, "Introspect" },
        { PEER, "Ping" },
        { PEER, "GetMachineId" },
};

static int run_it(World *w, const Case *c, sd_bus_error *error) {
        if (c->run)
                return c->run(w, error);
        if (c->text)
                return call(w->caller, TCED_BUS_PATH, c->interface, c->method, error, NULL, "s", c->text);
        return c->flags ? call(w->caller, TCED_BUS_PATH, c->interface, c->method, error, NULL, "t", UINT64_C(0))
                        : call(w->caller, TCED_BUS_PATH, c->interface, c->method, error, NULL, "");
}

static int run(World *w, const Case *c, sd_bus_error *error) {
        int r;

        world_be_caller(w, true);
        r = run_it(w, c, error);
        world_be_caller(w, false);
        return r;
}

/* Without a fault: all is there for it. */
static void prepare(World *w, const Case *c) {
        if (c->before)
                c->before(w);
        free(w->scratch);
        w->scratch = its_path(w);
}

static bool has_ended(const World *w) {
        siginfo_t info = {};

        return waitid(P_PID, (id_t) w->host.tced_pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

/* The bus says so of a tced that is not there, or whose connection ended before it answered. */
static bool is_closed(int r, const sd_bus_error *error) {
        return r == -ECONNRESET || r == -ENOTCONN || r == -EPIPE || r == -ESHUTDOWN || sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY);
}

/* Once, with the fault; what comes behind the answer is given the time of another one. */
static Outcome run_faulty(World *w, const Case *c, unsigned function, unsigned nth, unsigned which, char *why,
                          size_t size) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Outcome outcome;
        int r;

        prepare(w, c);
        world_arm(w, function, nth, which);
        r = run(w, c, &error);
        if (r >= 0 || error.name)
                (void) call(w->caller, TCED_BUS_PATH, PEER, "Ping", NULL, NULL, "");
        world_disarm(w);
        outcome = world_outcome(w);
        *why = '\0';
        if (r < 0) {
                /* For an error's text there may be no memory either. */
                outcome = is_closed(r, &error) ? OUTCOME_CLOSED : r != -ETIMEDOUT && (function == FAULT_malloc || !isempty(error.message)) ? OUTCOME_ERROR : OUTCOME_WRONG;
                (void) snprintf(why, size, "%s: %s", error.name ? error.name : strerror(-r), error.message ? error.message : "");
        }
        sd_bus_error_free(&error);
        return outcome;
}

static bool reads_files(unsigned function) {
        return function == FAULT_open || function == FAULT_read || function == FAULT_readlink || function == FAULT_fopen || function == FAULT_opendir ||
               function == FAULT_stat;
}

static bool answers(sd_bus *bus) {
        return sd_bus_is_open(bus) > 0 && call(bus, TCED_BUS_PATH, PEER, "Ping", NULL, NULL, "") >= 0;
}

/* The same without: it must go well, and leave what there was. */
static bool is_right(World *w, const Case *c, unsigned function, const char *objects) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *have = NULL;
        bool good;
        int r;

        if (!answers(w->bus) || !answers(w->caller))
                world_connect(w);
        /* What was asked for by a connection that has ended goes on. */
        for (unsigned i = 0; i < 500 && usage_of(w->bus, "RequestsMax") > 0; i++)
                (void) usleep(10 * 1000);
        /* What could not be read of /sys is read again by that. */
        if (reads_files(function))
                (void) call_manager(w->bus, "Rescan", NULL, "");
        if (c->after)
                c->after(w);
        prepare(w, c);
        r = run(w, c, &error);
        if (c->refused)
                good = is_refused(r, &error, c->refused, "");
        else
                good = is_well(r, &error);
        if (c->after)
                c->after(w);
        have = managed_objects(w->bus);
        if (have && streq(have, objects))
                return good;
        printf("#   other objects:\n");
        for (char *save, *line = have ? strtok_r(have, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save))
                printf("#     %s\n", line);
        return false;
}

/* After a crash, which is told. */
static void revive(World *w) {
        int status = wait_exit(w->host.tced_pid);
        _cleanup_free_ char *log = host_log(&w->host);

        printf("#   tced has ended with %d: %s\n", status, strlen(log) > 600 ? log + strlen(log) - 600 : log);
        w->host.tced_pid = 0;
        if (!host_restart_tced(&w->host, NULL))
                bail_out("tced does not start again");
        world_connect(w);
        wait_probed(w->bus);
}

/* One call of it fails, and what came of it, also afterwards. */
static Outcome try_call(World *w, const Case *c, unsigned function, unsigned nth, unsigned which, const char *objects) {
        char why[256];
        Outcome outcome = run_faulty(w, c, function, nth, which, why, sizeof(why));

        bool ended = has_ended(w);

        if (ended)
                revive(w);
        if (is_right(w, c, function, objects) && !ended && outcome != OUTCOME_WRONG)
                return outcome;
        printf("#   %s: %s\n", c->method, *why ? why : "not as before");
        world_show_stack(w);
        /* So that one fault is not told of again and again. */
        (void) call_manager(w->bus, "Rescan", NULL, "");
        if (c->after)
                c->after(w);
        return OUTCOME_WRONG;
}

static void try_function(World *w, const Case *c, unsigned function, unsigned count, const char *objects) {
        unsigned n = count < calls_max[w->over] ? count : calls_max[w->over], wrong = 0;
        int after;

        for (unsigned i = 0; i < n && wrong < 6; i++) {
                unsigned nth = 1 + (unsigned) ((uint64_t) i * count / n);
                /* So that each error is tried of a function that a method calls once. */
                unsigned which = nth + (unsigned) (c - cases);
                Outcome outcome = try_call(w, c, function, nth, which, objects);

                world_note(w, function, which, outcome);
                wrong += outcome == OUTCOME_WRONG;
        }
        after = wait_fds(w->host.tced_pid, w->fds);
        if (after > w->fds)
                printf("#   %d fds instead of %d\n", after, w->fds);
        tap_ok(wrong == 0 && after <= w->fds, "%s.%s: %s fails, %u of %u calls", c->interface, c->method, fault_name(function), n, count);
}

static bool is_for(Over over, const Case *c) {
        return over != OVER_POLKIT || c->verb;
}

static void try_method(World *w, const Case *c, const char *only, const char *objects) {
        unsigned counts[_FAULT_FUNCTION_MAX], calls = 0;
        char why[256];

        if (run_faulty(w, c, _FAULT_FUNCTION_MAX, 0, 0, why, sizeof(why)) != (c->refused ? OUTCOME_ERROR : OUTCOME_UNMET)) {
                tap_ok(false, "%s.%s without a fault: %s", c->interface, c->method, why);
                return;
        }
        for (size_t i = 0; i < _FAULT_FUNCTION_MAX; i++)
                calls += counts[i] = atomic_load(&w->control->counts[i]);
        if (calls == 0)
                tap_ok(false, "%s.%s: tced makes calls for it", c->interface, c->method);
        if (c->after)
                c->after(w);
        for (unsigned f = 0; f < _FAULT_FUNCTION_MAX; f++)
                if (counts[f] > 0 && (!only || streq(only, fault_name(f))))
                        try_function(w, c, f, counts[f], objects);
}

static bool is_known(const char *interface, const char *method) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (streq(cases[i].interface, interface) && streq(cases[i].method, method))
                        return true;
        return false;
}

/* A method that is not in the table is one that nobody made to fail. */
static void test_complete(World *w) {
        const char *const paths[] = { TCED_BUS_PATH, GROUP_BOUND, w->machine, LOG_CONTROL_PATH };

        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                _cleanup_free_ char *xml = introspect(w->bus, paths[i]);
                char interface[128] = "", name[64];

                for (char *save, *line = strtok_r(xml, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                        if (sscanf(line, " <interface name=\"%127[^\"]\"", interface) == 1)
                                continue;
                        if (sscanf(line, " <method name=\"%63[^\"]\"", name) == 1 && !is_known(interface, name))
                                tap_ok(false, "%s.%s has a case here", interface, name);
                }
        }
        tap_ok(true, "each method that the daemon tells of has a case");
}

/* One call in a row fails for good, without which the loop can't wait: then another tced is better than one that never answers. */
static void test_for_good(World *w) {
        _cleanup_free_ char *objects = managed_objects(w->bus), *after = NULL, *log = NULL;

        world_arm(w, FAULT_timerfd_settime, 0, 0);
        /* The end of a connection sets a timer. */
        world_connect(w);
        tap_eq(wait_exit(w->host.tced_pid), EXIT_FAILURE, "where the loop fails for good tced ends");
        world_disarm(w);
        w->host.tced_pid = 0;
        log = host_log(&w->host);
        tap_ok(strstr(log, "The event loop fails again and again: Cannot allocate memory; restarting is all that is left"), "and says so");
        if (!host_restart_tced(&w->host, NULL))
                bail_out("tced does not start again");
        world_connect(w);
        wait_probed(w->bus);
        after = managed_objects(w->bus);
        tap_streq(after, objects, "the next one knows what it knew");
}

/* Without a fault and with them; only: the one method and the one function, or NULL. */
static void try_all(World *w, const char *only_method, const char *only) {
        _cleanup_free_ char *objects = managed_objects(w->bus);
        long resident;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (is_for(w->over, &cases[i]))
                        (void) is_right(w, &cases[i], _FAULT_FUNCTION_MAX, objects);
        w->fds = settled_fds(w->host.tced_pid);
        resident = resident_kib(w->host.tced_pid);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (is_for(w->over, &cases[i]) && (!only_method || streq(only_method, cases[i].method)))
                        try_method(w, &cases[i], only, objects);
        printf("# %ld KiB of memory before, %ld after\n", resident, resident_kib(w->host.tced_pid));
        tap_ok(resident_kib(w->host.tced_pid) <= resident + GROWTH_KIB_MAX, "it has no more memory than before");
}

int main(int argc, char **argv) {
        static const char *const names[] = { [OVER_SOCKET] = "socket", [OVER_BUS] = "bus", [OVER_POLKIT] = "polkit" };
        char title[64];
        World w;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (argc == 2 && streq(argv[1], names[i])) {
                        if (!world_init(&w, (Over) i, 300)) {
                                tap_skip(WORLD_NEEDS, "faults");
                                return tap_done();
                        }
                        test_complete(&w);
                        try_all(&w, getenv("FAULTS_METHOD"), getenv("FAULTS_ONLY"));
                        if (w.over == OVER_SOCKET)
                                test_for_good(&w);
                        (void) snprintf(title, sizeof(title), "faults of methods: %s", names[i]);
                        tap_ok(world_print(&w, title) > 0, "there were faults");
                        tap_ok(world_done(&w), "tced ends well");
                        return tap_done();
                }
        bail_out("usage: test-faults-methods socket|bus|polkit");
}
