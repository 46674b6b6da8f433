/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tcectl and the real daemon: each command over the bus and over the private socket, for people and as JSON; as another user; and when
 * nobody is there. */

#include <json-c/json.h>
#include <sys/stat.h>

#include "client.h"
#include "tap.h"

static int run_tcectl(const Host *h, bool by_address, uid_t uid, const char *const *arguments, char **ret_output) {
        char output[64], bus[96], address[96];
        const char *argv[12] = { getenv("TCECTL") }, *env[] = { bus, "LC_ALL=C.UTF-8", NULL };
        size_t n = 1;

        (void) snprintf(output, sizeof(output), "%s/tcectl.log", h->dir);
        (void) snprintf(bus, sizeof(bus), "DBUS_SYSTEM_BUS_ADDRESS=%s", by_address ? "unix:path=/nonexistent" : h->address);
        (void) snprintf(address, sizeof(address), "--address=unix:path=%s", h->socket);
        if (by_address)
                argv[n++] = address;
        for (; *arguments && n + 1 < ELEMENTSOF(argv); arguments++)
                argv[n++] = *arguments;
        return run_program(&(Spawn) { .argv = argv, .env = env, .output = output, .uid = uid }, ret_output);
}

typedef struct Case {
        const char *arguments[4];
        int status;
        const char *fragments; /* set apart by '|'; NULL: the output is JSON */
} Case;

static bool has_all(const char *text, const char *fragments) {
        char *copy = strdup(fragments), *rest = NULL;
        bool ok = copy != NULL;

        for (char *part = strtok_r(copy, "|", &rest); ok && part; part = strtok_r(NULL, "|", &rest)) {
                ok = strstr(text, part) != NULL;
                if (!ok)
                        printf("#   '%s' is not in it\n", part);
        }
        free(copy);
        return ok;
}

static bool is_json(const char *text) {
        json_object *json = json_tokener_parse(text);
        bool ok = json != NULL;

        (void) json_object_put(json);
        return ok;
}

static void run_case(const Host *h, bool by_address, uid_t uid, const Case *c) {
        const char *const arguments[] = { c->arguments[0], c->arguments[1], c->arguments[2], NULL };
        _cleanup_free_ char *output = NULL;
        int status = run_tcectl(h, by_address, uid, arguments, &output);
        char title[128];

        (void) snprintf(title, sizeof(title), "tcectl %s%s%s%s%s, %s, %s", arguments[0], arguments[1] ? " " : "",
                        arguments[1] ? arguments[1] : "", arguments[1] && arguments[2] ? " " : "",
                        arguments[1] && arguments[2] ? arguments[2] : "", by_address ? "private socket" : "bus", uid ? "another user" : "root");
        tap_eq(status, c->status, "%s: exit status", title);
        if (!tap_ok(c->fragments ? has_all(output, c->fragments) : is_json(output), "%s: what it prints", title))
                for (char *line = strtok(output, "\n"); line; line = strtok(NULL, "\n"))
                        printf("#   %s\n", line);
}

static void test_commands(const Host *h) {
        static const Case cases[] = {
                { { "status" }, 0, "KVM|no" },
                { { "status", "--json" }, 0, NULL },
                { { "groups" }, 0, "7|0000:01:00.0|e1000e|not-bound|tcectl bind" },
                { { "groups", "--json" }, 0, NULL },
                { { "group", "7" }, 0, "IOMMU group 7|Key       0000:01:00.0|e1000e" },
                { { "group", "01:00.0", "--json" }, 0, NULL },
                { { "group", "8" }, 1, "There is no IOMMU group 8" },
                { { "topology" }, 0, "PHB|group 7|0000:01:00.0|web1" },
                { { "topology", "--json" }, 0, NULL },
                { { "topology", "--dot" }, 0, "digraph topology" },
                { { "bind", "0000:01:00.0" }, 1, "tced-bind" },
                { { "release", "7" }, 1, "tced-bind" },
                { { "probe", "7" }, 1, "roup 7" },
                { { "groups", "--json=short" }, 0, NULL },
                { { "machines" }, 0, "web1|registered" },
                { { "machines", "-v" }, 0, "web1|71000000" },
                { { "machines", "web1" }, 0, "web1|71000000|71000001|user" },
                { { "machines", "web1", "--json" }, 0, NULL },
                { { "machines", "--json" }, 0, NULL },
                { { "machines", "nobody" }, 1, "nobody|tcectl machines" },
                { { "describe" }, 0, "web1|0000:01:00.0|MachinesMax" },
                { { "describe", "--json" }, 0, NULL },
                { { "probe" }, 0, "KVM" },
                { { "probe", "--json" }, 0, NULL },
                { { "rescan" }, 0, "" },
                { { "reload" }, 0, "" },
                { { "version" }, 0, "tcectl |tced |running" },
                { { "explode" }, 2, "explode|--help" },
                { { "rescan", "--json" }, 2, "--json" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                run_case(h, false, 0, &cases[i]);
                run_case(h, true, 0, &cases[i]);
        }
}

static void test_another_user(const Host *h, uid_t uid) {
        static const Case on_both[] = {
                { { "status" }, 0, "KVM" },
                { { "groups" }, 0, "0000:01:00.0" },
                { { "bind", "7" }, 1, "Binding IOMMU group 7|root|polkit" },
                { { "release", "7" }, 1, "Giving back IOMMU group 7|root|polkit" },
                { { "probe", "7" }, 1, "Probe|root" },
                { { "rescan" }, 1, "Rescan|root" },
                { { "reload" }, 1, "Reload|root" },
                { { "probe" }, 1, "Probe|root" },
        };
        static const char *const machines[] = { "machines", "--json=short", NULL };
        _cleanup_free_ char *on_socket = NULL;

        for (size_t i = 0; i < ELEMENTSOF(on_both); i++)
                run_case(h, true, uid, &on_both[i]);
        tap_eq(run_tcectl(h, true, uid, machines, &on_socket), 0, "another user's machines on the private socket");
        tap_ok(!strstr(on_socket, "web1"), "are not root's");
}

static void test_nobody_there(const Host *h) {
        static const char *const status[] = { "status", NULL };
        _cleanup_free_ char *on_bus = NULL, *on_socket = NULL;

        tap_eq(run_tcectl(h, true, 0, status, &on_socket), 1, "nobody at the address: exit status");
        tap_ok(has_all(on_socket, h->socket) && has_all(on_socket, "--address"), "it names the address");
        if (access(TCED_SOCKET, F_OK) == 0) {
                tap_skip("a tced of this machine's own would answer", "no daemon on the bus");
                return;
        }
        tap_eq(run_tcectl(h, false, 0, status, &on_bus), 1, "no daemon on the bus: exit status");
        tap_ok(has_all(on_bus, "not running|systemctl start tced"), "it says how to start one");
}

/* As another host would be asked: by an ssh of this test's, with what is at the other end of it; gone: where no tced runs. */
static void test_remote(const Host *h, bool gone) {
        static const struct {
                const char *name, *host, *script; /* behind what records its arguments */
                const char *command;
                int status;
                const char *fragments;
                bool gone;
        } cases[] = {
                { "a tced", "root@power9", "exec systemd-stdio-bridge --bus-path=$BUS", "machines", 0, "web1|registered" },
                { "as JSON", "power9", "exec systemd-stdio-bridge --bus-path=$BUS", "describe", 0, "web1|0000:01:00.0" },
                { "a host that is not reached", "power9", "echo 'ssh: no route to host' >&2; exit 255", "status", 1,
                  "ssh: no route|tcectl: Can't reach the system bus of power9 by ssh (which has ended). |ssh power9 systemd-stdio-bridge" },
                { "no name of a host", "", "exit 1", "status", 2, "Option -H needs a value" },
                { "no tced", "root@power9", "exec systemd-stdio-bridge --bus-path=$BUS", "status", 1,
                  "tcectl: tced is not running on root@power9. Start it: ssh root@power9 systemctl start tced\n", .gone = true },
        };
        char fake[64], path[4200], bus[96];

        (void) snprintf(fake, sizeof(fake), "%s/fake", h->dir);
        (void) snprintf(path, sizeof(path), "PATH=%s:%s", fake, getenv("PATH"));
        (void) snprintf(bus, sizeof(bus), "BUS=%s", h->address);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char output[64], record[64];
                const char *argv[] = { getenv("TCECTL"), "-H", cases[i].host, cases[i].command, NULL };
                const char *env[] = { path, bus, "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent", "LC_ALL=C.UTF-8", "SYSTEMD_SSH", NULL };
                _cleanup_free_ char *text = NULL, *recorded = NULL;

                if (cases[i].gone != gone)
                        continue;
                host_write(h, "fake/ssh", "#!/bin/sh\necho \"$@\" >%s/ssh.record\n%s\n", h->dir, cases[i].script);
                (void) snprintf(output, sizeof(output), "%s/fake/ssh", h->dir);
                (void) chmod(output, 0755);
                (void) snprintf(output, sizeof(output), "%s/remote.log", h->dir);
                (void) snprintf(record, sizeof(record), "%s/ssh.record", h->dir);
                tap_eq(run_program(&(Spawn) { .argv = argv, .env = env, .output = output }, &text), cases[i].status, "by ssh, %s: exit status",
                       cases[i].name);
                if (!tap_ok(has_all(text, cases[i].fragments), "by ssh, %s: what is said", cases[i].name))
                        printf("# %s\n", text);
                recorded = read_whole(record);
                if (cases[i].status != 2)
                        tap_ok(has_all(recorded, cases[i].host) && has_all(recorded, "systemd-stdio-bridge"), "by ssh, %s: what ssh is asked for",
                               cases[i].name);
        }
}

int main(void) {
        const char *const look[] = { "sh", "-c", "command -v systemd-stdio-bridge", NULL };
        bool bridge = run_program(&(Spawn) { .argv = look, .output = "/dev/null" }, NULL) == 0;
        _cleanup_free_ char *machine = NULL;
        Host h;

        host_init(&h, 100);
        host_add_group(&h, 7, "0000:01:00.0", "e1000e");
        if (!host_start_bus(&h)) {
                tap_skip("there is no dbus-daemon", "tcectl");
                host_done(&h);
                return tap_done();
        }
        if (!host_start_tced(&h, NULL))
                bail_out("tced does not start");
        {
                _cleanup_bus_ sd_bus *bus = open_bus(&h);

                wait_probed(bus);
                machine = register_small(bus, "web1", 2, NO_UID);
                test_commands(&h);
                if (bridge)
                        test_remote(&h, false);
                else
                        tap_skip("there is no systemd-stdio-bridge", "tcectl of another host's tced");
                if (geteuid() == 0)
                        test_another_user(&h, 65534);
                else
                        tap_skip("only root can be another user", "tcectl as another user");
        }
        host_stop_tced(&h);
        test_nobody_there(&h);
        if (bridge)
                test_remote(&h, true);
        host_done(&h);
        return tap_done();
}
