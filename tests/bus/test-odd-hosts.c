/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* No host is too odd: without KVM, without IOMMU groups, unprivileged, without a bus; and the command line, well and badly put. */

#include <signal.h>
#include <sys/stat.h>

#include "client.h"
#include "tap.h"

#define OTHER_UID 65534

static bool described(const Host *h, const char *text) {
        _cleanup_bus_ sd_bus *bus = open_peer(h);
        _cleanup_free_ char *json = NULL;

        wait_probed(bus);
        json = describe_text(bus);
        return json && strstr(json, text);
}

static void test_no_kvm(Host *h) {
        _cleanup_bus_ sd_bus *bus = NULL;
        _cleanup_free_ char *why = NULL;

        if (!tap_ok(host_start_tced(h, NULL), "it starts without /dev/kvm and without a group"))
                return;
        tap_ok(described(h, "kvm: No such file or directory"), "it says that there is no kvm");
        tap_ok(described(h, "\"groups\":[]"), "there are no groups");
        bus = open_bus(h);
        why = get_string(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "KvmUsableWhy");
        tap_ok(why && strstr(why, "kvm"), "KvmUsableWhy: %s", why);
        host_stop_tced(h);
}

static void test_odd_kvm(Host *h) {
        char path[64];

        host_write(h, "dev/kvm", "I am no device\n");
        if (!tap_ok(host_start_tced(h, NULL), "it starts with a file in kvm's place"))
                return;
        tap_ok(described(h, "\"usable\":{\"proven\":\"no\""), "KVM can't be used");
        tap_ok(described(h, "Inappropriate ioctl for device"), "it says what it was answered");
        host_stop_tced(h);

        host_remove(h, "dev/kvm");
        host_mkdir(h, "dev/kvm");
        tap_ok(host_start_tced(h, NULL) && described(h, "Is a directory"), "it starts with a folder in kvm's place");
        host_stop_tced(h);
        host_remove(h, "dev/kvm");

        (void) snprintf(path, sizeof(path), "%s/dev/kvm", h->dir);
        if (mkfifo(path, 0666) < 0)
                bail_out("mkfifo: %s", strerror(errno));
        tap_ok(host_start_tced(h, NULL) && described(h, "\"proven\":\"no\""), "it starts with a pipe in kvm's place");
        host_stop_tced(h);
        host_remove(h, "dev/kvm");
}

static void test_no_sys(Host *h) {
        char sys[64], dev[64], proc[64];
        const char *no_sys[] = { sys, NULL }, *no_dev[] = { dev, NULL }, *no_proc[] = { proc, NULL };

        (void) snprintf(sys, sizeof(sys), "--sys=%s/nothing", h->dir);
        (void) snprintf(dev, sizeof(dev), "--dev=%s/nothing", h->dir);
        (void) snprintf(proc, sizeof(proc), "--proc=%s/nothing", h->dir);
        tap_ok(host_start_tced(h, no_sys) && described(h, "\"groups_supported\":false"), "it starts without /sys/kernel/iommu_groups");
        host_stop_tced(h);
        tap_ok(host_start_tced(h, no_dev) && described(h, "No such file or directory"), "it starts without a /dev");
        host_stop_tced(h);
        tap_ok(!host_start_tced(h, no_proc) && host_log_has(h, "nothing, which tells who asks"), "without a /proc it does not, and says so");
}

/* Whatever the machine itself has. */
static void test_this_host(Host *h) {
        static const char *const real[] = { "--sys=/sys", "--dev=/dev", NULL };

        if (!tap_ok(host_start_tced(h, real), "it starts on this very host"))
                return;
        tap_ok(described(h, "\"probe\":\"done\""), "and has proven what there is");
        host_stop_tced(h);
}

/* As run_program(), with what each of them needs to find nothing of the real host's. */
static int run_tced(const Host *h, const char *const *arguments, const char *const *env, uid_t uid, char **ret_output) {
        char output[64];
        const char *argv[16] = { h->tced }, *all[16] = { "NOTIFY_SOCKET" };
        size_t n = 1, m = 1;

        (void) snprintf(output, sizeof(output), "%s/run.log", h->dir);
        for (; arguments && *arguments && n + 1 < ELEMENTSOF(argv); arguments++)
                argv[n++] = *arguments;
        for (; env && *env && m + 1 < ELEMENTSOF(all); env++)
                all[m++] = *env;
        return run_program(&(Spawn) { .argv = argv, .env = all, .output = output, .uid = uid }, ret_output);
}

static void test_command_line(const Host *h) {
        static const struct {
                const char *arguments[3];
                int status;
                const char *text;
        } cases[] = {
                { { "--help" }, 0, "--user" },
                { { "-h" }, 0, "tced [OPTION...]" },
                { { "--version" }, 0, "tced " },
                { { "--nonsense" }, 2, "nonsense" },
                { { "-x" }, 2, "x" },
                { { "--socket" }, 2, "socket" },
                { { "stray" }, 2, "stray" },
                { { "--user", "stray" }, 2, "stray" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *const arguments[] = { cases[i].arguments[0], cases[i].arguments[1], NULL };
                _cleanup_free_ char *output = NULL;

                tap_eq(run_tced(h, arguments, NULL, 0, &output), cases[i].status, "tced %s: exit status", arguments[0]);
                tap_ok(strstr(output, cases[i].text), "tced %s: what it prints", arguments[0]);
        }
}

static void test_no_bus(const Host *h) {
        char socket[96], folder[96];
        const char *arguments[] = { socket, folder, NULL };
        const char *const env[] = { "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent/bus", NULL };
        _cleanup_free_ char *output = NULL;

        (void) snprintf(socket, sizeof(socket), "--socket=%s/nobus-socket", h->dir);
        (void) snprintf(folder, sizeof(folder), "--dev=%s/dev", h->dir);
        tap_eq(run_tced(h, arguments, env, 0, &output), 1, "without a system bus it ends with 1");
        tap_ok(strstr(output, "system bus") && strstr(output, "No such file or directory") && strstr(output, "D-Bus running?"),
               "and says why");
}

/* The name is not given to just anyone. */
static void test_not_allowed(const Host *h) {
        char socket[96], folder[96], bus[96];
        const char *arguments[] = { socket, folder, NULL }, *const env[] = { bus, NULL };
        _cleanup_free_ char *output = NULL;

        if (geteuid() != 0) {
                tap_skip("only root can be another user", "a user who may not own the name");
                return;
        }
        (void) snprintf(bus, sizeof(bus), "DBUS_SYSTEM_BUS_ADDRESS=%s", h->address);
        (void) snprintf(socket, sizeof(socket), "--socket=%s/theirs/socket", h->dir);
        (void) snprintf(folder, sizeof(folder), "--dev=%s/dev", h->dir);
        tap_eq(run_tced(h, arguments, env, OTHER_UID, &output), 1, "a user who may not own the name: it ends with 1");
        tap_ok(strstr(output, "org.tced1") && strstr(output, "may not"), "and says what is missing");
}

typedef struct UserRun {
        uid_t uid;
        char runtime[64], socket[80], env[2][96];
} UserRun;

static UserRun user_run(Host *h, bool with_runtime, const char *session) {
        UserRun u = { .uid = geteuid() == 0 ? OTHER_UID : 0 };

        (void) snprintf(u.runtime, sizeof(u.runtime), "%s/run/user", h->dir);
        host_mkdir(h, "run/user");
        if (u.uid != 0 && chown(u.runtime, u.uid, u.uid) < 0)
                bail_out("chown: %s", strerror(errno));
        (void) snprintf(u.socket, sizeof(u.socket), "%s/tced/socket", u.runtime);
        if (with_runtime)
                (void) snprintf(u.env[0], sizeof(u.env[0]), "XDG_RUNTIME_DIR=%s", u.runtime);
        else
                strcpy(u.env[0], "XDG_RUNTIME_DIR");
        if (session)
                (void) snprintf(u.env[1], sizeof(u.env[1]), "DBUS_SESSION_BUS_ADDRESS=%s", session);
        else
                strcpy(u.env[1], "DBUS_SESSION_BUS_ADDRESS");
        return u;
}

static bool start_user(Host *h, const UserRun *u) {
        char sys[64], dev[64], root[64];
        const char *argv[] = { h->tced, "--user", sys, dev, root, NULL };
        const char *env[] = { u->env[0], u->env[1], NULL };

        (void) snprintf(sys, sizeof(sys), "--sys=%s/sys", h->dir);
        (void) snprintf(dev, sizeof(dev), "--dev=%s/dev", h->dir);
        (void) snprintf(root, sizeof(root), "--config-root=%s/root", h->dir);
        return host_spawn_tced(h, &(Spawn) { .argv = argv, .env = env, .uid = u->uid });
}

/* What the daemon's own user may do with it: everything; tcectl finds it by itself. */
typedef struct UserTry {
        const Host *host;
        const UserRun *user;
} UserTry;

static void try_as_user(void *userdata) {
        const UserTry *t = userdata;
        _cleanup_bus_ sd_bus *bus = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        TestWindow w = small_window(0);
        _cleanup_free_ char *path = NULL;
        char address[96];

        (void) snprintf(address, sizeof(address), "unix:path=%s", t->user->socket);
        bus = open_address(address, false);
        wait_probed(bus);
        went_well(call_manager(bus, "Rescan", &error, ""), &error, "the daemon's own user may have it look again");
        went_well(register_windows(bus, "mine", "", &w, 1, NO_UID, &path, &error), &error, "and register");
        went_well(claim(bus, path, &error), &error, "and claim");
        went_well(acquire(bus, path, NULL, 0, &error, NULL), &error, "and have tables");
        went_well(set_string(bus, LOG_CONTROL_PATH, LOG_CONTROL_INTERFACE, "LogLevel", "debug", &error), &error, "and set the log's level");
        went_well(unregister(bus, path, &error), &error, "and unregister");
}

static void try_as_stranger(void *userdata) {
        const UserTry *t = userdata;
        _cleanup_bus_ sd_bus *bus = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        TestWindow w = small_window(0);
        char address[96];

        (void) snprintf(address, sizeof(address), "unix:path=%s", t->user->socket);
        bus = open_address(address, false);
        refused(call_manager(bus, "Rescan", &error, ""), &error, "NotAuthorized", "", "another user may not have it look again");
        refused(register_windows(bus, "theirs", "", &w, 1, NO_UID, NULL, &error), &error, "NotAuthorized", "", "nor register");
}

static int run_tcectl(const Host *h, const UserRun *u, const char *const *arguments, char **ret_output) {
        char output[64];
        const char *argv[12] = { getenv("TCECTL") }, *env[] = { u->env[0], u->env[1], NULL };
        size_t n = 1;

        (void) snprintf(output, sizeof(output), "%s/tcectl.log", h->dir);
        for (; *arguments && n + 1 < ELEMENTSOF(argv); arguments++)
                argv[n++] = *arguments;
        return run_program(&(Spawn) { .argv = argv, .env = env, .output = output, .uid = u->uid }, ret_output);
}

static void test_user_mode(Host *h) {
        static const char *const status[] = { "--user", "status", NULL };
        UserRun alone = user_run(h, true, NULL), with_bus = user_run(h, true, h->address), neither = user_run(h, false, NULL);
        UserTry t = { h, &alone };
        _cleanup_free_ char *output = NULL, *at_bus = NULL, *gone = NULL, *nothing = NULL;
        const char *arguments[] = { "--user", NULL }, *const env[] = { neither.env[0], neither.env[1], NULL };
        struct stat st;

        if (tap_ok(start_user(h, &alone), "--user without a session bus")) {
                tap_ok(host_log_has(h, "no session bus") && host_log_has(h, alone.socket), "it says that there is none, and where it is");
                tap_ok(stat(alone.socket, &st) == 0 && S_ISSOCK(st.st_mode), "its socket is in XDG_RUNTIME_DIR/tced");
                run_as(alone.uid == 0 ? NO_UID : alone.uid, NULL, 0, try_as_user, &t);
                if (geteuid() == 0)
                        run_as(1234, NULL, 0, try_as_stranger, &t);
                tap_eq(run_tcectl(h, &alone, status, &output), 0, "tcectl --user finds it");
                tap_ok(strstr(output, "KVM"), "and shows its status");
                host_stop_tced(h);
        }
        tap_eq(run_tcectl(h, &alone, status, &gone), 1, "tcectl --user without a daemon ends with 1");
        tap_ok(strstr(gone, "not running") && strstr(gone, "tced --user"), "and says how to start one");
        /* The private bus is as good as a session's; who may own the name there is root alone. */
        if (geteuid() == 0)
                with_bus.uid = 0;
        if (tap_ok(start_user(h, &with_bus), "--user with a session bus")) {
                _cleanup_bus_ sd_bus *bus = open_bus(h);
                _cleanup_free_ char *version = get_string(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "Version");

                tap_ok(version, "it has its name there");
                tap_eq(run_tcectl(h, &with_bus, status, &at_bus), 0, "tcectl --user finds it there");
                host_stop_tced(h);
        }
        tap_eq(run_tced(h, arguments, env, neither.uid, &nothing), 1, "--user with neither ends with 1");
        tap_ok(strstr(nothing, "session bus") && strstr(nothing, "XDG_RUNTIME_DIR"), "and says what is missing");
}

int main(void) {
        Host h;

        host_init(&h, 100);
        test_command_line(&h);
        test_no_bus(&h);
        if (!host_start_bus(&h)) {
                tap_skip("there is no dbus-daemon", "odd hosts");
                host_done(&h);
                return tap_done();
        }
        test_not_allowed(&h);
        test_no_kvm(&h);
        test_odd_kvm(&h);
        test_no_sys(&h);
        test_this_host(&h);
        test_user_mode(&h);
        host_done(&h);
        return tap_done();
}
