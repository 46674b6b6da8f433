/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The program tcectl against a peer that plays tced, on a socket of its own: what it prints, where, and its exit status. The first
 * argument is tcectl. */

#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>

#include "error.h"
#include "names.h"
#include "tap.h"
#include "tcectl-fixtures.h"
#include "tcectl-plans.h"
#include "tcectl-run.h"
#include "tcectl-pty.h"
#include "util.h"

/* How the peer behaves. */
typedef enum Mood {
        MOOD_FINE,
        MOOD_NO_JSON,
        MOOD_HALF_JSON,
        MOOD_TWO_JSON,
        MOOD_ARRAY,
        MOOD_DENIES,
        MOOD_BUS_DENIES,
        MOOD_SWEARS,    /* an error with control characters */
        MOOD_NAMELESS,  /* an error without a text */
        MOOD_MASKED,    /* as a bus that had systemd start tced */
        MOOD_NO_UNIT,
        MOOD_FAILED_UNIT,
        MOOD_SLOW,      /* takes its time with groups */
        MOOD_OLD,       /* has no such object */
        MOOD_HANGS_UP,
        MOOD_DEAF,      /* no D-Bus at all */
        _MOOD_MAX,
} Mood;

static int refuse(Mood mood, sd_bus_error *error) {
        if (mood == MOOD_DENIES)
                return sd_bus_error_set(error, TCED_ERROR_NOT_AUTHORIZED, "Only root may do this. Use sudo.");
        if (mood == MOOD_BUS_DENIES)
                return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "Rejected by policy");
        if (mood == MOOD_MASKED)
                return sd_bus_error_set(error, "org.freedesktop.systemd1.UnitMasked", "Unit tced.service is masked.");
        if (mood == MOOD_NO_UNIT)
                return sd_bus_error_set(error, "org.freedesktop.systemd1.NoSuchUnit", "Unit tced.service not found.");
        if (mood == MOOD_FAILED_UNIT)
                return sd_bus_error_set(error, "org.freedesktop.systemd1.BadUnitSetting", "Unit tced.service has a bad unit file setting.");
        if (mood == MOOD_SWEARS)
                return sd_bus_error_set(error, TCED_ERROR_FAILED, "Text\033[2J with\r\n\302\233 controls");
        if (mood == MOOD_NAMELESS)
                return sd_bus_error_set(error, TCED_ERROR_GROUP_BUSY, NULL);
        return 0;
}

/* What the peer was told last: "Bind 3 flags 2". Each connection is served by the same process. */
static char told[64];

/* The host after what was done to it: group 10 is on vfio-pci, or proven. */
static void change_host(json_object *json) {
        json_object *groups, *group;

        if (!*told || !json_object_object_get_ex(json, "groups", &groups))
                return;
        group = json_object_array_get_idx(groups, 0);
        if (strncmp(told, "Bind", 4) == 0) {
                (void) json_object_object_add(group, "viable", json_object_new_boolean(true));
                (void) json_object_object_add(group, "viability", json_object_new_string("viable"));
        }
        (void) json_object_object_add(group, "name", json_object_new_string(told));
}

static int on_describe(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Mood mood = *(Mood *) userdata;
        json_object *json = fixture(mood == MOOD_ARRAY ? "[]" : fixture_power);
        char text[32768];
        uint64_t flags = 1;
        int r;

        r = sd_bus_message_read(m, "t", &flags);
        if (r < 0 || flags != 0)
                return sd_bus_error_set(error, TCED_ERROR_INVALID_ARGUMENT, "flags");
        change_host(json);
        (void) snprintf(text, sizeof(text), "%s", json_object_to_json_string(json));
        (void) json_object_put(json);
        if (mood == MOOD_HANGS_UP)
                _exit(0);
        if (mood == MOOD_NO_JSON)
                (void) snprintf(text, sizeof(text), "no JSON");
        if (mood == MOOD_HALF_JSON)
                text[strlen(text) / 2] = '\0';
        if (mood == MOOD_TWO_JSON)
                (void) snprintf(text, sizeof(text), "{} {}");
        r = refuse(mood, error);
        return r < 0 ? r : sd_bus_reply_method_return(m, "s", text);
}

static int on_probe(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        int deep, r;
        uint64_t flags = 1;

        r = sd_bus_message_read(m, "bt", &deep, &flags);
        if (r < 0 || flags != 0)
                return sd_bus_error_set(error, TCED_ERROR_INVALID_ARGUMENT, "flags");
        if (deep)
                return sd_bus_error_set(error, TCED_ERROR_PROBE_FAILED, "The deep probe died.");
        r = refuse(*(Mood *) userdata, error);
        return r < 0 ? r : sd_bus_reply_method_return(m, "");
}

static int on_plain(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        int r = refuse(*(Mood *) userdata, error);

        return r < 0 ? r : sd_bus_reply_method_return(m, "");
}

/* What this peer knows of libvirt: a domain "web2". */
static const char *plan_for(const char *domain) {
        if (strstr(domain, "<name>db</name>"))
                return fixture_plan_bad;
        if (domain[0] == '<' || streq(domain, "web2"))
                return fixture_plan;
        return NULL;
}

static int on_plan(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *domain, *key = NULL, *attach = NULL;
        json_object *json;
        uint64_t flags = 1;
        int r;

        r = refuse(*(Mood *) userdata, error);
        if (r < 0)
                return r;
        if (*(Mood *) userdata == MOOD_SLOW)
                (void) usleep(1500000);
        r = sd_bus_message_read(m, "s", &domain);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_read(m, "{sv}", &key, "s", &attach)) > 0)
                ;
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0 || sd_bus_message_read(m, "t", &flags) < 0 || flags != 0 || (key && !streq(key, "Attach")))
                return sd_bus_error_set(error, TCED_ERROR_INVALID_ARGUMENT, "arguments");
        if (attach && strstr(attach, "<bad"))
                return sd_bus_error_set(error, TCED_ERROR_INVALID_DOMAIN, "line 1: <bad> is no device.");
        if (strstr(domain, "<odd"))
                return sd_bus_error_set(error, TCED_ERROR_INVALID_DOMAIN, "line 2: <odd> is no domain.");
        if (streq(domain, "away"))
                return sd_bus_error_set(error, TCED_ERROR_LIBVIRT_UNAVAILABLE, "libvirt does not answer");
        if (!plan_for(domain))
                return sd_bus_error_setf(error, TCED_ERROR_NO_SUCH_DOMAIN, "libvirt has no domain '%s'", domain);
        /* A device that is attached makes the fine domain the bad one. */
        json = fixture(attach ? fixture_plan_bad : plan_for(domain));
        r = sd_bus_reply_method_return(m, "s", json_object_to_json_string(json));
        (void) json_object_put(json);
        return r;
}

/* Groups of this peer: 2 is busy, 10 can be bound; afterwards Describe tells of it as bound. */
static int on_group(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *path = sd_bus_message_get_path(m), *member = sd_bus_message_get_member(m);
        uint64_t flags = 99;
        int r;

        r = refuse(*(Mood *) userdata, error);
        if (r < 0)
                return r;
        if (*(Mood *) userdata == MOOD_SLOW)
                (void) usleep(1500000);
        r = sd_bus_message_read(m, "t", &flags);
        if (r < 0 || flags > 3)
                return sd_bus_error_set(error, TCED_ERROR_INVALID_ARGUMENT, "flags");
        if (streq(path, "/org/tced1/group/2"))
                return sd_bus_error_set(error, TCED_ERROR_GROUP_BUSY, "IOMMU group 2: machine web1 has it. Stop that VM.");
        (void) snprintf(told, sizeof(told), "%s %s flags %d", member, strrchr(path, '/') + 1, (int) flags);
        return sd_bus_reply_method_return(m, "");
}

static const sd_bus_vtable group_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Bind", "t", "", on_group, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Release", "t", "", on_group, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Probe", "t", "", on_group, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Describe", "t", "s", on_describe, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("PlanDomain", "sa{sv}t", "s", on_plan, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Probe", "bt", "", on_probe, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Rescan", "", "", on_plain, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Reload", "", "", on_plain, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

/* Serves one connection until it ends. */
static void serve(int fd, Mood mood) {
        sd_bus *bus = NULL;
        sd_id128_t id;

        if (mood == MOOD_DEAF) {
                (void) !write(fd, "HTTP/1.0 400\r\n", 14);
                (void) close(fd);
                return;
        }
        if (sd_id128_randomize(&id) < 0 || sd_bus_new(&bus) < 0 || sd_bus_set_fd(bus, fd, fd) < 0 ||
            sd_bus_set_server(bus, 1, id) < 0 || sd_bus_set_anonymous(bus, 1) < 0 || sd_bus_start(bus) < 0 ||
            (mood != MOOD_OLD &&
             (sd_bus_add_object_vtable(bus, NULL, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, vtable, &mood) < 0 ||
              sd_bus_add_object_vtable(bus, NULL, TCED_GROUP_PREFIX "/2", TCED_INTERFACE_GROUP, group_vtable, &mood) < 0 ||
              sd_bus_add_object_vtable(bus, NULL, TCED_GROUP_PREFIX "/10", TCED_INTERFACE_GROUP, group_vtable, &mood) < 0)))
                _exit(1);
        for (;;) {
                int r = sd_bus_process(bus, NULL);
                if (r < 0 || (r == 0 && sd_bus_wait(bus, UINT64_MAX) < 0))
                        break;
        }
        (void) sd_bus_close_unref(bus);
}

/* A child that plays tced at folder/tced/socket, listening when this returns. */
static pid_t start_peer(Mood mood) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        pid_t pid;

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/tced/socket", folder);
        (void) unlink(address.sun_path);
        if (listening < 0 || bind(listening, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(listening, 8) < 0)
                abort();
        (void) fflush(stdout);
        pid = fork();
        if (pid == 0)
                for (;;) {
                        int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
                        if (fd >= 0)
                                serve(fd, mood);
                }
        (void) close(listening);
        return pid;
}

static void stop_peer(pid_t pid) {
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
}

static void test_commands(void) {
        static Run result;
        pid_t peer = start_peer(MOOD_FINE);
        json_object *want = fixture(fixture_power), *have;
        static const struct {
                const char *command, *first;
        } screens[] = {
                { "status", "This host's guests can have" }, { "groups", "GROUP  DEVICE" }, { "machines", "NAME  UUID" },
                { "describe", "tced\n  version" },         { "probe", "CAPABILITY  " },   { "rescan", "" },
                { "reload", "" },                          { "version", "tcectl " },
        };

        for (size_t i = 0; i < ELEMENTSOF(screens); i++) {
                RUN(&result, (char *) "--user", (char *) screens[i].command);
                tap_eq(result.status, 0, "%s: exit status", screens[i].command);
                tap_ok(strncmp(result.out, screens[i].first, strlen(screens[i].first)) == 0, "%s: what it prints", screens[i].command);
                tap_streq(result.err, "", "%s: no complaint", screens[i].command);
        }
        tap_ok(strstr(result.out, "tced   0.1 (running)\n"), "the running tced's version");
        RUN(&result, (char *) "--user", (char *) "version", (char *) "--json=short");
        tap_ok(result.status == 0 && strncmp(result.out, "{\"tcectl\":\"", 11) == 0 && strstr(result.out, ",\"tced\":\"0.1\"}\n"), "both for programs");
        RUN(&result, (char *) "--user", (char *) "describe", (char *) "--json=short");
        have = json_tokener_parse(result.out);
        tap_ok(json_object_equal(have, want), "describe --json is what tced said");
        (void) json_object_put(have);
        (void) json_object_put(want);
        RUN(&result, (char *) "--user", (char *) "machines", (char *) "web1", (char *) "--json");
        tap_ok(strncmp(result.out, "{\n", 2) == 0, "machines NAME --json is an object");
        RUN(&result, (char *) "--user", (char *) "machines", (char *) "--no-legend");
        tap_ok(strncmp(result.out, "db ", 3) == 0, "without a legend: names first");
        RUN(&result, (char *) "--user", (char *) "machines", (char *) "nobody\033");
        tap_eq(result.status, 1, "no such machine: exit status");
        tap_streq(result.err, "tcectl: No machine 'nobody\\x1b' that tced knows. See: tcectl machines\n", "no such machine: why");
        RUN(&result, (char *) "--user", (char *) "machines", (char *) "wbe1");
        tap_streq(result.err, "tcectl: No machine 'wbe1' that tced knows. Did you mean 'web1'? See: tcectl machines\n", "one that is almost there");
        RUN(&result, (char *) "--user", (char *) "machines", (char *) "0001:00:01.0");
        tap_streq(result.err, "tcectl: No machine '0001:00:01.0' that tced knows. That names an IOMMU group: tcectl group 0001:00:01.0. See: tcectl "
                  "machines\n", "a device where a machine is wanted");
        RUN(&result, (char *) "--user", (char *) "probe", (char *) "--deep");
        tap_eq(result.status, 1, "a probe that fails: exit status");
        tap_streq(result.err, "tcectl: The deep probe died.\n", "a probe that fails: tced's own words");
        stop_peer(peer);
}

static void put_file(const char *path, const char *text) {
        FILE *f = fopen(path, "we");

        if (!f || fputs(text, f) < 0 || fclose(f) != 0)
                abort();
}

/* Domains from files and of libvirt's, planned by tced: what is printed, where, and the exit status. */
static void test_plans(void) {
        static const struct {
                const char *words[5];
                int status;
                const char *out, *err; /* what each begins with; "" is nothing at all */
        } cases[] = {
                { { "plan", "./web1.xml" }, 0, "web1: starts, with 1 warning\n", "" },
                { { "plan", "web1.xml" }, 0, "web1: starts, with 1 warning\n", "" },
                { { "plan", "web2" }, 0, "web1: starts, with 1 warning\n", "" },
                { { "plan", "web2", "--json=short" }, 0, "{\"domain\":{\"name\":\"web1\"", "" },
                { { "plan", "-" }, 1, "", "tcectl: Standard input is empty." },
                { { "plan", "db.xml" }, 0, "db: does not start: 2 errors and 1 warning\n", "" },
                { { "plan", "--attach=web1.xml", "web2" }, 0, "db: does not start", "" },
                { { "plan", "nobody" }, 1, "", "tcectl: libvirt has no domain 'nobody'\n" },
                { { "plan", "plain" }, 1, "", "tcectl: libvirt has no domain 'plain' (the file of that name is ./plain)\n" },
                { { "plan", "nobody.xml" }, 1, "",
                  "tcectl: libvirt has no domain 'nobody.xml'; and there is no file nobody.xml here\n" },
                { { "plan", "wbe1" }, 1, "", "tcectl: libvirt has no domain 'wbe1'. Did you mean 'web1'?\n" },
                { { "check", "10" }, 1, "", "tcectl: libvirt has no domain '10'. That names an IOMMU group: tcectl group 10.\n" },
                { { "plan", "away" }, 1, "", "tcectl: libvirt does not answer\n" },
                { { "plan", "./odd.xml" }, 1, "", "tcectl: ./odd.xml: line 2: <odd> is no domain.\n" },
                { { "plan", "./nothing.xml" }, 1, "", "tcectl: Can't open './nothing.xml': No such file or directory." },
                { { "plan", "--attach=bad.xml", "./web1.xml" }, 1, "", "tcectl: bad.xml: line 1: <bad> is no device.\n" },
                { { "plan", "--attach=nothing.xml", "./web1.xml" }, 1, "", "tcectl: Can't open 'nothing.xml'" },
                { { "plan", "--attach=web1.xml", "./odd.xml" }, 1, "", "tcectl: ./odd.xml: line 2: <odd> is no domain.\n" },
                { { "check", "web2" }, 0, "web1: starts, with 1 warning\n\nwarning  mixed-phb", "" },
                { { "check", "--strict", "web2" }, 1, "web1: starts, with 1 warning\n", "" },
                { { "check", "./db.xml" }, 1, "db: does not start: 2 errors and 1 warning\n", "" },
                { { "check", "./db.xml", "--json=short" }, 1, "{\"domain\":{\"name\":\"db\"", "" },
                { { "check", "--attach=web1.xml", "web2" }, 1, "db: does not take the device: 2 errors and 1 warning\n", "" },
                { { "check", "nobody" }, 1, "", "tcectl: libvirt has no domain 'nobody'\n" },
                { { "explain", "web1" }, 0, "web1 runs as process 811; claimed.\n", "" },
                { { "explain", "web1", "--json=short" }, 0, "{\"name\":\"web1\"", "" },
                { { "explain", "web2" }, 0, "tced knows no running machine of that name. It would get:\n\nweb1: starts", "" },
                { { "explain", "web2", "--json=short" }, 0, "{\"domain\":{\"name\":\"web1\"", "" },
                { { "explain", "wbe1" }, 1, "", "tcectl: No machine 'wbe1' that tced knows (see: tcectl machines). Did you mean 'web1'? "
                                                "There is no domain of libvirt's: libvirt has no domain 'wbe1'\n" },
                { { "explain", "nobody" }, 1, "", "tcectl: No machine 'nobody' that tced knows (see: tcectl machines), and no domain of "
                                                  "libvirt's: libvirt has no domain 'nobody'\n" },
        };
        static Run result;
        pid_t peer = start_peer(MOOD_FINE);
        int here = open(".", O_DIRECTORY | O_RDONLY | O_CLOEXEC);

        if (chdir(folder) < 0)
                abort();
        put_file("web1.xml", "<domain/>");
        put_file("db.xml", "<domain><name>db</name></domain>");
        put_file("odd.xml", "\n<odd/>");
        put_file("bad.xml", "<bad/>");
        put_file("plain", "<domain/>");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *const *w = cases[i].words;

                run(&result, (char *[]){ (char *) "--user", (char *) w[0], (char *) w[1], (char *) w[2], (char *) w[3], NULL });
                tap_eq(result.status, cases[i].status, "%s %s %s: exit status", w[0], w[1], w[2] ? w[2] : "");
                if (!tap_ok(strncmp(result.out, cases[i].out, strlen(cases[i].out)) == 0 && !*cases[i].out == !*result.out,
                            "%s %s %s: what it prints", w[0], w[1], w[2] ? w[2] : ""))
                        printf("# %s\n", result.out);
                if (!tap_ok(strncmp(result.err, cases[i].err, strlen(cases[i].err)) == 0 && !*cases[i].err == !*result.err,
                            "%s %s %s: what it says", w[0], w[1], w[2] ? w[2] : ""))
                        printf("# %s\n", result.err);
        }
        stop_peer(peer);
        RUN(&result, (char *) "--user", (char *) "plan", (char *) "web1");
        tap_ok(result.status == 1 && streq(result.err, "tcectl: tced is not running. Start it: tced --user, or do without it: tcectl plan "
                                                       "--offline web1\n"), "no tced: both remedies");
        (void) !fchdir(here);
        (void) close(here);
}

/* What is done with groups, and what is said of it. */
static void test_groups(void) {
        static const struct {
                const char *words[5];
                int status;
                const char *out, *err;
        } cases[] = {
                { { "group", "0001:00:01.0" }, 0, "IOMMU group 10 domain1-pe0\n", "" },
                { { "group", "2", "--json=short" }, 0, "{\"number\":2,", "" },
                { { "group", "99" }, 1, "", "tcectl: There is no IOMMU group 99. See: tcectl groups\n" },
                { { "topology" }, 0, "NUMA node 0\n└─ PCI domain 0002\n", "" },
                { { "topology", "--json=short" }, 0, "{\"kind\":\"host\",\"children\":[", "" },
                { { "topology", "--dot" }, 0, "digraph topology {\n", "" },
                { { "bind", "eth0" }, 1, "", "tcectl: No IOMMU group has a device 'eth0'." },
                { { "bind", "10", "99" }, 1, "", "tcectl: There is no IOMMU group 99. See: tcectl groups\n" },
                { { "group", "10" }, 0, "IOMMU group 10 domain1-pe0\n", "" }, /* was not bound by the last */
                { { "release", "10" }, 0, "IOMMU group 10 is given back: 0001:00:00.0 is on no driver, 0001:00:01.0 on e1000e.\n", "" },
                { { "group", "10" }, 0, "IOMMU group 10 Release 10 flags 0\n", "" },
                { { "bind", "group", "10" }, 0,
                  "IOMMU group 10 (0001:00:00.0, 0001:00:01.0) is on vfio-pci now, until the next boot (to have it at each: bind --persistent).\n", "" },
                { { "group", "10" }, 0, "IOMMU group 10 Bind 10 flags 0\n", "" },
                { { "bind", "00:01.0", "10", "--persistent" }, 0,
                  "IOMMU group 10 (0001:00:00.0, 0001:00:01.0) is on vfio-pci now; it is bound again at boot.\n", "" },
                { { "group", "10" }, 0, "IOMMU group 10 Bind 10 flags 2\n", "" },
                { { "bind", "2" }, 1, "", "tcectl: IOMMU group 2: machine web1 has it. Stop that VM.\n" },
                { { "bind", "2", "10", "--force" }, 1, "IOMMU group 10 (", "tcectl: IOMMU group 2: machine web1 has it. Stop that VM.\n" },
                { { "group", "10" }, 0, "IOMMU group 10 Bind 10 flags 1\n", "" },
                { { "release", "--force", "--persistent", "10" }, 0, "IOMMU group 10 is given back: ", "" },
                { { "group", "10" }, 0, "IOMMU group 10 Release 10 flags 3\n", "" },
                { { "probe", "10" }, 0, "IOMMU group 10 Probe 10 flags 0\nKey ", "" },
                { { "probe", "10", "--json=short" }, 0, "{\"number\":10,", "" },
                { { "bind", "3" }, 1, "", "tcectl: The tced that runs is another version than tcectl: " },
        };
        static Run result;
        pid_t peer = start_peer(MOOD_FINE);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *const *w = cases[i].words;

                run(&result, (char *[]){ (char *) "--user", (char *) w[0], (char *) w[1], (char *) w[2], (char *) w[3], NULL });
                tap_eq(result.status, cases[i].status, "%s %s: exit status", w[0], w[1] ? w[1] : "");
                if (!tap_ok(strncmp(result.out, cases[i].out, strlen(cases[i].out)) == 0 && !*cases[i].out == !*result.out,
                            "%s %s: what it prints", w[0], w[1] ? w[1] : ""))
                        printf("# %s\n", result.out);
                if (!tap_ok(strncmp(result.err, cases[i].err, strlen(cases[i].err)) == 0 && !*cases[i].err == !*result.err,
                            "%s %s: what it says", w[0], w[1] ? w[1] : ""))
                        printf("# %s\n", result.err);
        }
        RUN(&result, (char *) "--user", (char *) "bind", (char *) "00:01.0", (char *) "group", (char *) "10", (char *) "10");
        tap_streq(result.out, "IOMMU group 10 (0001:00:00.0, 0001:00:01.0) is on vfio-pci now, until the next boot (to have it at each: bind "
                              "--persistent).\n", "a group that is named three times is bound once");
        stop_peer(peer);
}

/* Who waits at a terminal is told what goes on, once it takes a second, and it is gone when it is done; a script is not told. */
static void test_progress(void) {
        static Run result;
        pid_t peer = start_peer(MOOD_SLOW);
        bool terminal;

        (void) setenv("TERM", "xterm", 1);
        (void) setenv("NO_COLOR", "1", 1);
        terminal = PTY_RUN(&result, 200, 80, (char *) "--user", (char *) "bind", (char *) "10");
        if (terminal) {
                tap_eq(result.status, 0, "bind takes its time");
                tap_ok(strncmp(result.out, "IOMMU group 10: giving its devices to vfio-pci…\033[KIOMMU group 10 (", 67) == 0, "who waits is told: %s",
                       result.out);
                (void) PTY_RUN(&result, 200, 80, (char *) "--user", (char *) "plan", (char *) "web2");
                tap_ok(strncmp(result.out, "tced plans the VM…\033[Kweb1: starts", 35) == 0, "of a plan, too: %s", result.out);
                (void) PTY_RUN(&result, 200, 80, (char *) "--user", (char *) "status");
                tap_ok(strncmp(result.out, "This host's guests", 18) == 0, "who does not wait is not told: %s", result.out);
                (void) setenv("TERM", "dumb", 1);
                (void) PTY_RUN(&result, 200, 80, (char *) "--user", (char *) "plan", (char *) "web2");
                tap_ok(strncmp(result.out, "web1: starts", 12) == 0, "nor is who has a terminal that can't take it back: %s", result.out);
        } else
                tap_skip("no terminal can be had here", "who waits is told"); /* a chroot may have no /dev/pts */
        (void) unsetenv("NO_COLOR");
        RUN(&result, (char *) "--user", (char *) "bind", (char *) "10");
        tap_streq(result.err, "", "a script is not");
        stop_peer(peer);
}

/* What a dot's exit status tells; 127 is what a posix_spawnp(3) has that could not say at once that there is none. */
static void test_dots(char *option) {
        static const struct {
                const char *name, *script, *error;
        } cases[] = {
                { "a dot that fails", "#!/bin/sh\nexit 3\n", "tcectl: dot could not draw the picture" },
                { "a dot that could not be started", "#!/bin/sh\nexit 127\n", "tcectl: Graphviz's dot, which draws the picture, is not here" },
        };
        static Run result;
        char dot[96], *path = strdup(getenv("PATH"));

        (void) snprintf(dot, sizeof(dot), "%s/dot", folder);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                put_file(dot, cases[i].script);
                (void) chmod(dot, 0755);
                (void) setenv("PATH", folder, 1);
                RUN(&result, (char *) "topology", (char *) "--svg", option);
                (void) setenv("PATH", path, 1);
                tap_ok(result.status == 1 && strncmp(result.err, cases[i].error, strlen(cases[i].error)) == 0, "%s", cases[i].name);
        }
        (void) unlink(dot);
        free(path);
}

/* Another host's answer, from a file, and a picture of it where there is a dot, and where there is none. */
static void test_elsewhere(void) {
        static Run result;
        char facts[96], option[112], odd[112], *path = strdup(getenv("PATH"));
        json_object *json = fixture(fixture_power);

        (void) snprintf(facts, sizeof(facts), "%s/facts.json", folder);
        (void) snprintf(option, sizeof(option), "--host=%s", facts);
        (void) snprintf(odd, sizeof(odd), "--host=%s/plain", folder);
        put_file(facts, json_object_to_json_string(json));
        RUN(&result, (char *) "groups", option);
        tap_ok(result.status == 0 && strncmp(result.out, "GROUP  DEVICE", 13) == 0, "groups --host");
        RUN(&result, (char *) "group", (char *) "10", option);
        tap_ok(result.status == 0 && strncmp(result.out, "IOMMU group 10 ", 15) == 0, "group --host");
        RUN(&result, (char *) "topology", option);
        tap_ok(result.status == 0 && strstr(result.out, "VM web1, claimed, PID 811"), "topology --host");
        RUN(&result, (char *) "groups", odd);
        tap_ok(result.status == 1 && strstr(result.err, "/plain: It is no answer of tced's. Write one there: tcectl describe --json\n"),
               "groups of a file that is none");
        RUN(&result, (char *) "groups", (char *) "--host=/nonexistent");
        tap_ok(result.status == 1 && strncmp(result.err, "tcectl: Can't open '/nonexistent'", 33) == 0, "groups of a file that is not there");
        (void) setenv("PATH", "/nonexistent", 1);
        RUN(&result, (char *) "topology", (char *) "--svg", option);
        (void) setenv("PATH", path, 1);
        tap_eq(result.status, 1, "a picture without dot: exit status");
        tap_streq(result.err, "tcectl: Graphviz's dot, which draws the picture, is not here. Install the package graphviz, or take the graph to "
                              "where it is: tcectl topology --dot\n", "a picture without dot: both remedies");
        tap_streq(result.out, "", "a picture without dot: nothing of it");
        test_dots(option);
        RUN(&result, (char *) "topology", (char *) "--svg", option);
        if (result.status != 0 && strstr(result.err, "is not here"))
                tap_skip("there is no dot: tools/setup tests", "a picture");
        else
                tap_ok(result.status == 0 && strstr(result.out, "<svg ") && strstr(result.out, "</svg>"), "a picture");
        (void) unlink(facts);
        (void) json_object_put(json);
        free(path);
}

/* What is said of each way in which a tced can be wrong; never on standard output, always one line. */
static void test_moods(void) {
        static const struct {
                Mood mood;
                const char *name, *error;
        } cases[] = {
                { MOOD_NO_JSON, "no JSON", "tced's description can't be read" },
                { MOOD_HALF_JSON, "half the JSON", "tced's description can't be read" },
                { MOOD_TWO_JSON, "two of JSON", "tced's description can't be read" },
                { MOOD_ARRAY, "no object", "tced's description can't be read" },
                { MOOD_DENIES, "denied", "Only root may do this. Use sudo.\n" },
                { MOOD_BUS_DENIES, "denied by the bus", "Not allowed: Rejected by policy. Run tcectl as root.\n" },
                { MOOD_SWEARS, "control characters", "Text\\x1b[2J with\\x0d \\u009b controls\n" },
                { MOOD_NAMELESS, "no text", "org.tced1.Error.GroupBusy\n" },
                { MOOD_MASKED, "a unit that is masked",
                  "tced is not running, and can't be started: Unit tced.service is masked. Let it be started: systemctl unmask tced\n" },
                { MOOD_NO_UNIT, "a unit that is not there",
                  "tced is not running, and can't be started: Unit tced.service not found. Install the package tced anew\n" },
                { MOOD_FAILED_UNIT, "a unit that does not start",
                  "tced is not running, and can't be started: Unit tced.service has a bad unit file setting. See: systemctl status tced\n" },
                { MOOD_OLD, "another version", "The tced that runs is another version than tcectl: " },
                { MOOD_HANGS_UP, "hangs up", "Can't talk to tced: " },
                { MOOD_DEAF, "no D-Bus", "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                static Run result;
                pid_t peer = start_peer(cases[i].mood);
                size_t n = strlen(cases[i].error);

                RUN(&result, (char *) "--user", (char *) "status");
                tap_eq(result.status, 1, "%s: exit status", cases[i].name);
                tap_streq(result.out, "", "%s: nothing on standard output", cases[i].name);
                if (!tap_ok(strncmp(result.err, "tcectl: ", 8) == 0 && strncmp(result.err + 8, cases[i].error, n) == 0 &&
                            strcspn(result.err, "\n") == strlen(result.err) - 1, "%s: one line that says so", cases[i].name))
                        printf("# %s", result.err);
                stop_peer(peer);
        }
}

static void test_ways(void) {
        static Run result;
        char address[128], odd[128], link[160];
        pid_t peer = start_peer(MOOD_FINE);

        (void) snprintf(address, sizeof(address), "--address=unix:path=%s/tced/socket", folder);
        RUN(&result, address);
        tap_ok(result.status == 0 && strncmp(result.out, "This host", 9) == 0, "--address");

        /* A runtime folder whose name needs escapes in a D-Bus address. */
        (void) snprintf(odd, sizeof(odd), "%s/a b,c=d%%;e", folder);
        (void) snprintf(link, sizeof(link), "%s/tced", odd);
        tap_ok(mkdir(odd, 0700) == 0 && symlink("../tced", link) == 0, "an odd folder");
        (void) setenv("XDG_RUNTIME_DIR", odd, 1);
        RUN(&result, (char *) "--user");
        tap_ok(result.status == 0 && strncmp(result.out, "This host", 9) == 0, "a socket in an odd folder");
        (void) unlink(link);
        (void) rmdir(odd);
        (void) setenv("XDG_RUNTIME_DIR", folder, 1);

        (void) setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
        RUN(&result, (char *) "--user", (char *) "--json");
        tap_ok(result.status == 0 && result.out[0] == '{', "a session bus that is not there: the socket");
        (void) unsetenv("DBUS_SESSION_BUS_ADDRESS");
        stop_peer(peer);

        RUN(&result, (char *) "--user");
        tap_eq(result.status, 1, "nobody there: exit status");
        tap_streq(result.err, "tcectl: tced is not running. Start it: tced --user\n", "nobody there: the remedy");
        RUN(&result, (char *) "--address=unix:path=/nonexistent");
        tap_streq(result.err,
                  "tcectl: Nobody answers at unix:path=/nonexistent (No such file or directory). Check the address, or leave "
                  "--address out.\n", "an address where nobody is");
        RUN(&result, (char *) "--address=nonsense");
        tap_eq(result.status, 1, "an address that is none");
        RUN(&result, (char *) "--user", (char *) "version");
        tap_ok(result.status == 0 && strstr(result.out, "tced   not reached\n"), "version without a tced");
        (void) unsetenv("XDG_RUNTIME_DIR");
        RUN(&result, (char *) "--user");
        tap_streq(result.err, "tcectl: tced is not running. Start it: tced --user\n", "no runtime folder");
}

/* Where the system bus is not to be had; on a host where a tced runs, its own socket answers instead, and nothing can be said. */
static void test_system(void) {
        static Run result;

        if (access(TCED_SOCKET, F_OK) == 0) {
                tap_skip("a tced runs here", "no system bus and no socket");
                return;
        }
        (void) setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
        RUN(&result, (char *) "status");
        tap_eq(result.status, 1, "no system bus and no socket: exit status");
        tap_streq(result.err, "tcectl: tced is not running. Start it: systemctl start tced\n", "no system bus and no socket: the remedy");
        (void) unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
}

/* Nobody reads on, as in `tcectl describe | head -1`: it ends as others do, and says nothing. */
static void test_closed_pipe(void) {
        pid_t peer = start_peer(MOOD_FINE), pid;
        int status = -1, fds[2];
        char err[128];

        (void) setenv("XDG_RUNTIME_DIR", folder, 1);
        (void) snprintf(err, sizeof(err), "%s/err", folder);
        (void) fflush(stdout);
        if (pipe2(fds, O_CLOEXEC) < 0)
                abort();
        (void) close(fds[0]);
        pid = fork();
        if (pid == 0) {
                (void) signal(SIGPIPE, SIG_DFL);
                if (dup2(fds[1], STDOUT_FILENO) < 0 || dup2(open(err, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), STDERR_FILENO) < 0)
                        _exit(99);
                (void) execl(program, program, "--user", "describe", NULL);
                _exit(98);
        }
        (void) close(fds[1]);
        (void) waitpid(pid, &status, 0);
        tap_ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE, "nobody reads on");
        {
                struct stat st = { .st_size = -1 };

                tap_ok(stat(err, &st) >= 0 && st.st_size == 0, "of which nothing is said");
        }
        stop_peer(peer);
}

/* Output that can't be written is a failure, even where all else went well. */
static void test_full_disk(void) {
        pid_t peer = start_peer(MOOD_FINE), pid;
        int status = -1;

        (void) setenv("XDG_RUNTIME_DIR", folder, 1);
        (void) fflush(stdout);
        pid = fork();
        if (pid == 0) {
                if (dup2(open("/dev/full", O_WRONLY | O_CLOEXEC), STDOUT_FILENO) < 0 ||
                    dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO) < 0)
                        _exit(99);
                (void) execl(program, program, "--user", "describe", NULL);
                _exit(98);
        }
        (void) waitpid(pid, &status, 0);
        tap_ok(WIFEXITED(status) && WEXITSTATUS(status) == 1, "a disk that is full");
        stop_peer(peer);
}

/* Each exit status that tcectl(1) and --help tell of, without a tced: what a new user runs into first gets a sentence with a remedy. */
static void test_exit_status(void) {
        static const struct {
                const char *words[4];
                int status;
                const char *out, *err;
        } cases[] = {
                { { "--help" }, 0, "tcectl [OPTION...]", "" },
                { { "version" }, 0, "tcectl ", "" },
                { { "version", "--json=short" }, 0, "{\"tcectl\":\"", "" },
                { { "status", "--json=shrt" }, 2, "", "tcectl: Unknown form of JSON 'shrt'. It is pretty, short or off.\n" },
                { { "status" }, 1, "", "tcectl: tced is not running. Start it: tced --user\n" },
                { { "monitor" }, 1, "", "tcectl: tced is not running. Start it: tced --user\n" },
                { { "check", "nothing.xml" }, 1, "", "tcectl: tced is not running. Start it: tced --user, or do without it: tcectl check --offline "
                                                     "nothing.xml; and there is no file nothing.xml here\n" },
                { { "run", "qemu" }, 1, "", "tcectl: " },
                { { "status", "power9" }, 2, "", "tcectl: 'status' does not take 'power9'. See: tcectl status --help\n" },
                { { "--host=power9" }, 2, "", "tcectl: 'status' does not take --host, a file of facts; the tced of another host is asked by -H HOST." },
                { { "metric" }, 2, "", "tcectl: Unknown command 'metric'. Did you mean 'metrics'? See: tcectl --help\n" },
                { { "group" }, 2, "", "tcectl: 'group' needs GROUP. See: tcectl group --help\n" },
                { { "groups", "--jsn" }, 2, "", "tcectl: Unknown option --jsn. Did you mean '--json'? See: tcectl --help\n" },
        };
        static Run result;
        bool narrow = true;

        (void) setenv("XDG_RUNTIME_DIR", folder, 1);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *const *w = cases[i].words;

                run(&result, (char *[]){ (char *) "--user", (char *) w[0], (char *) w[1], (char *) w[2], NULL });
                tap_eq(result.status, cases[i].status, "%s %s: exit status", w[0], w[1] ? w[1] : "");
                if (!tap_ok(strncmp(result.out, cases[i].out, strlen(cases[i].out)) == 0 && !*cases[i].out == !*result.out &&
                            strncmp(result.err, cases[i].err, strlen(cases[i].err)) == 0 && !*cases[i].err == !*result.err,
                            "%s %s: what is said", w[0], w[1] ? w[1] : ""))
                        printf("# %s%s\n", result.out, result.err);
        }
        run(&result, (char *[]){ (char *) "groups", (char *) "--host=power9", NULL });
        tap_ok(result.status == 1 && strstr(result.err, " To ask the tced of a host: -H power9\n"), "a host that was meant");
        RUN(&result, (char *) "--help");
        for (const char *line = result.out; *line; line += strcspn(line, "\n") + 1)
                narrow &= strcspn(line, "\n") <= 80;
        tap_ok(narrow, "--help fits 80 columns");
        tap_ok(strstr(result.out, "\nExit status: 0 it is done (check: the VM starts); 1 it failed"), "--help tells of all of them");
}

static void test_usage(void) {
        static Run result;

        RUN(&result, (char *) "stauts");
        tap_eq(result.status, 2, "an unknown command: exit status");
        tap_streq(result.err, "tcectl: Unknown command 'stauts'. Did you mean 'status'? See: tcectl --help\n", "an unknown command: which");
        RUN(&result, (char *) "--help");
        tap_ok(result.status == 0 && strncmp(result.out, "tcectl [OPTION...]", 18) == 0, "--help");
        RUN(&result, (char *) "machines", (char *) "--help");
        tap_ok(result.status == 0 && strncmp(result.out, "tcectl [OPTION...] machines [NAME]\n", 35) == 0, "machines --help");
        RUN(&result, (char *) "--version");
        tap_ok(result.status == 0 && strncmp(result.out, "tcectl ", 7) == 0, "--version");
}

int main(int argc, char **argv) {
        char path[96];

        if (argc < 2) {
                tap_ok(false, "the program to be tested is the first argument");
                return tap_done();
        }
        program = realpath(argv[1], NULL);
        (void) snprintf(folder, sizeof(folder), "%s", "/tmp/tcectl-test-XXXXXX");
        if (!mkdtemp(folder))
                return 1;
        (void) snprintf(path, sizeof(path), "%s/tced", folder);
        (void) mkdir(path, 0700);
        (void) setenv("XDG_RUNTIME_DIR", folder, 1);
        (void) setenv("LC_ALL", "C.UTF-8", 1);
        (void) unsetenv("DBUS_SESSION_BUS_ADDRESS");
        (void) unsetenv("COLUMNS");
        test_commands();
        test_plans();
        test_groups();
        test_progress();
        test_elsewhere();
        test_moods();
        test_ways();
        test_system();
        test_full_disk();
        test_closed_pipe();
        test_usage();
        test_exit_status();
        static const char *const left[] = { "tced/socket", "tced", "out", "err", "web1.xml", "db.xml", "odd.xml", "bad.xml", "plain" };
        for (size_t i = 0; i < ELEMENTSOF(left); i++) {
                (void) snprintf(path, sizeof(path), "%s/%s", folder, left[i]);
                (void) remove(path);
        }
        (void) rmdir(folder);
        return tap_done();
}
