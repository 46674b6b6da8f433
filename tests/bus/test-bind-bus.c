/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Group.Bind and Release: who may, what they answer, what is there afterwards, at once and after a restart or a boot. tced-bind is made up: it
 * changes the made-up /sys as the kernel would, or fails as the file bind.mode says. The real one is tried by test-bind*, and on a POWER host. */

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "bind_record.h"
#include "client.h"
#include "polkit.h"
#include "tap.h"

#define GROUP_PATH TCED_GROUP_PREFIX "/7"
#define ADDRESS "0000:01:00.0"
#define OTHER_UID ((uid_t) 65534) /* the bus knows no user without a name */

/* ---- a made-up tced-bind ---- */

static int records_dir(const Host *h) {
        char path[128];

        host_mkdir(h, "bind/groups");
        (void) snprintf(path, sizeof(path), "%s/bind/groups", h->dir);
        return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* why: NULL: the record goes. */
static void set_record(const Host *h, BindState state, const char *why) {
        _cleanup_(bind_record_clear) BindRecord record = { .key = ADDRESS, .state = state, .group = 7 };
        _cleanup_fd_ int dir = records_dir(h);

        if (!why)
                (void) bind_record_remove(dir, ADDRESS);
        else if (bind_record_add(&record, ADDRESS, "e1000e", NULL) >= 0) {
                (void) snprintf(record.why, sizeof(record.why), "%s", why);
                if (bind_record_write(dir, &record) < 0)
                        bail_out("no record can be written");
        }
}

static void set_driver(const Host *h, bool bound) {
        host_add_group(h, 7, ADDRESS, bound ? "vfio-pci" : "e1000e");
        if (bound)
                host_write(h, "dev/vfio/7", "%s", "");
        else
                host_remove(h, "dev/vfio/7");
}

static void keep(const Host *h, bool keep) {
        host_remove(h, "root/etc/tced/tced.conf.d/50-bind-" ADDRESS ".conf");
        if (keep)
                host_write(h, "root/etc/tced/tced.conf.d/50-bind-" ADDRESS ".conf", "[Bind]\nDevices=%s\n", ADDRESS);
}

static void do_it(const Host *h, const BindRequest *request) {
        switch (request->operation) {
        case BIND_BIND_GROUP:
                set_record(h, BIND_BOUND, "");
                set_driver(h, true);
                break;
        case BIND_RELEASE_GROUP:
                set_driver(h, false);
                set_record(h, BIND_BOUND, NULL);
                break;
        case BIND_KEEP_GROUP:
                keep(h, true);
                break;
        case BIND_FORGET_GROUP:
                keep(h, false);
                break;
        case BIND_OPEN_GROUP:
        case BIND_OPEN_LOG:
        case BIND_RECOVER_GROUP:
        case _BIND_OPERATION_MAX:
                break;
        }
}

static const struct {
        const char *mode;
        int error;
        const char *text;
} answers[] = {
        { "busy", EBUSY, "/dev/vfio/7: another process has the group open; end it first" },
        { "stuck", ETIMEDOUT, "the kernel has not come back from unbinding " ADDRESS },
        { "fail", EIO, ADDRESS " did not come to vfio-pci; all is as it was" },
        { "lost", ENOTRECOVERABLE, ADDRESS ": e1000e did not take it back: modprobe e1000e" },
        { "stale", ESTALE, "the group has other devices" },
        { "already", EALREADY, "it is being bound" },
        { "unbound", ENOENT, "tced-bind has not bound " ADDRESS },
        { "odd", EACCES, "something else" },
};

/* false: the connection is to be closed. */
static bool serve(const Host *h, int connection, const BindRequest *request) {
        _cleanup_free_ char *mode = NULL;
        BindReply reply = { .id = request->id, .fd = -EBADF };
        char path[128];

        (void) snprintf(path, sizeof(path), "%s/bind.mode", h->dir);
        mode = read_whole(path);
        host_write(h, "bind.asked", "%s %u %zu %s", bind_operation_to_string(request->operation), request->group, request->n_addresses,
                   request->n_addresses > 0 ? request->addresses[0] : "");
        if (streq(mode, "close"))
                return false;
        if (streq(mode, "slow"))
                (void) usleep(700 * 1000);
        for (size_t i = 0; i < ELEMENTSOF(answers); i++)
                if (streq(mode, answers[i].mode)) {
                        reply.error = answers[i].error;
                        (void) snprintf(reply.text, sizeof(reply.text), "%s", answers[i].text);
                }
        if (streq(mode, "unkept") && request->operation >= BIND_KEEP_GROUP) {
                reply.error = EROFS;
                (void) snprintf(reply.text, sizeof(reply.text), "/etc can't be written");
        }
        if (reply.error == 0)
                do_it(h, request);
        if (reply.error == ETIMEDOUT)
                set_record(h, BIND_STUCK, reply.text);
        if (reply.error == ENOTRECOVERABLE)
                set_record(h, BIND_FAILED, reply.text);
        return bind_send_reply(connection, &reply) >= 0;
}

static void be_helper(int fd, void *userdata) {
        const Host *h = userdata;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/bind-socket", h->dir);
        (void) unlink(address.sun_path);
        if (bind(listener, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(listener, 8) < 0)
                return;
        actor_say(fd, 'r');
        for (;;) {
                _cleanup_fd_ int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                static BindRequest request;
                struct pollfd pfd = { .fd = connection, .events = POLLIN };

                while (connection >= 0 && poll(&pfd, 1, -1) > 0 && bind_receive_request(connection, &request) > 0)
                        if (!serve(h, connection, &request))
                                break;
        }
}

static void set_mode(const Host *h, const char *mode) {
        host_write(h, "bind.mode", "%s", mode);
        host_remove(h, "bind.asked");
}

static Actor start_helper(const Host *h) {
        Actor a = actor_start(NO_UID, be_helper, (void *) h);

        if (actor_hear(&a) != 'r')
                bail_out("the made-up tced-bind does not start");
        return a;
}

/* What it was asked last; "": nothing. */
static char *asked(const Host *h) {
        char path[128];

        (void) snprintf(path, sizeof(path), "%s/bind.asked", h->dir);
        return read_whole(path);
}

/* ---- what a client sees ---- */

static int group_call(sd_bus *bus, const char *method, uint64_t flags, sd_bus_error *error) {
        return call(bus, GROUP_PATH, TCED_INTERFACE_GROUP, method, error, NULL, "t", flags);
}

static bool is_property(sd_bus *bus, const char *name, const char *want) {
        _cleanup_free_ char *have = get_string(bus, GROUP_PATH, TCED_INTERFACE_GROUP, name);

        if (have && strstr(have, want) && (*want || !*have))
                return true;
        printf("#   %s is '%s', not '%s'\n", name, have ? have : "not to be had", want);
        return false;
}

static bool is_true(sd_bus *bus, const char *name) {
        return get_number(bus, GROUP_PATH, TCED_INTERFACE_GROUP, name, 'b') == 1;
}

static bool described(sd_bus *bus, const char *text) {
        _cleanup_free_ char *json = describe_text(bus);

        if (json && strstr(json, text))
                return true;
        printf("#   '%s' is not described\n", text);
        return false;
}

static void wait_property(sd_bus *bus, const char *name, const char *want, const char *what) {
        bool is = false;

        for (unsigned i = 0; i < HARNESS_PATIENCE * 20 && !is; i++) {
                _cleanup_free_ char *have = get_string(bus, GROUP_PATH, TCED_INTERFACE_GROUP, name);

                is = have && streq(have, want);
                if (!is)
                        (void) usleep(50 * 1000);
        }
        tap_ok(is, "%s", what);
}

static void test_bind(const Host *h, sd_bus *bus) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_signals_ Signals signals = {};
        _cleanup_free_ char *have = NULL;

        set_mode(h, "ok");
        tap_ok(is_property(bus, "Binding", "") && !is_true(bus, "Persistent") && !is_true(bus, "Assignable") &&
                       is_property(bus, "Obstacle", "used by the host's driver e1000e"),
               "a group of the host's: nothing is bound, and what stands in the way is told");
        tap_ok(described(bus, "\"binding\":null") && described(bus, "\"persistent\":false") && described(bus, "\"in_use\":[]") &&
                       described(bus, "\"assignable\":false"),
               "and described");
        signals_record(bus, &signals);
        went_well(group_call(bus, "Bind", 0, &error), &error, "Bind");
        have = asked(h);
        tap_streq(have, "bind-group 7 1 " ADDRESS, "tced-bind was asked for the group by its number and its devices");
        tap_ok(is_property(bus, "Viability", "viable") && is_property(bus, "Binding", "bound") && is_true(bus, "Assignable") &&
                       is_property(bus, "Obstacle", ""),
               "when it is answered, the group is viable");
        tap_ok(described(bus, "\"binding\":{\"state\":\"bound\"") && described(bus, "\"assignable\":true"), "and described so");
        tap_ok(signals_wait(bus, &signals, "PropertiesChanged " GROUP_PATH), "which is announced");
        went_well(group_call(bus, "Bind", 0, &error), &error, "Bind of what is bound");
        went_well(group_call(bus, "Release", 0, &error), &error, "Release");
        tap_ok(is_property(bus, "Viability", "not-bound") && is_property(bus, "Binding", ""), "it is the host's again");
        refused(group_call(bus, "Bind", 4, &error), &error, "InvalidArgument", "Flags 0x4|1 (force)|2 (persistent)", "a flag that is not known");
}

/* The same by the command, whose words are what a person sees of it. */
static void test_tcectl(const Host *h) {
        static const struct {
                const char *mode, *words[4];
                int status;
                const char *says;
        } cases[] = {
                { "", { "bind", "01:00.0" }, 0, "IOMMU group 7 (" ADDRESS ") is on vfio-pci now, until the next boot (to have it at each: bind "
                                                "--persistent).\n" },
                { "fail", { "release", "7" }, 1, "tcectl: IOMMU group 7: " ADDRESS " did not come to vfio-pci; all is as it was\n" },
                { "", { "release", "group", "7" }, 0, "IOMMU group 7 is given back: " ADDRESS " is on e1000e.\n" },
                { "", { "bind", "7", "--persistent" }, 0, "IOMMU group 7 (" ADDRESS ") is on vfio-pci now; it is bound again at boot.\n" },
                { "", { "release", "7" }, 0, "IOMMU group 7 is given back: " ADDRESS " is on e1000e; at boot it is bound again (to end that: "
                                             "release --persistent).\n" },
                { "", { "bind", "7" }, 0, "IOMMU group 7 (" ADDRESS ") is on vfio-pci now; it is bound again at boot.\n" },
                { "", { "release", "7", "--persistent" }, 0, "IOMMU group 7 is given back: " ADDRESS " is on e1000e; it is not bound at boot any "
                                                             "more.\n" },
                { "", { "bind", "0000:02:00.0" }, 1, "tcectl: No IOMMU group has a device 0000:02:00.0. See: tcectl groups; after a hot-plug: "
                                                     "tcectl rescan\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char output[64], bus[96];
                const char *argv[] = { getenv("TCECTL"), cases[i].words[0], cases[i].words[1], cases[i].words[2], NULL };
                const char *env[] = { bus, "LC_ALL=C.UTF-8", NULL };
                _cleanup_free_ char *have = NULL;

                set_mode(h, cases[i].mode);
                (void) snprintf(output, sizeof(output), "%s/tcectl.log", h->dir);
                (void) snprintf(bus, sizeof(bus), "DBUS_SYSTEM_BUS_ADDRESS=%s", h->address);
                tap_eq(run_program(&(Spawn) { .argv = argv, .env = env, .output = output, .uid = NO_UID }, &have), cases[i].status,
                       "tcectl %s %s: exit status", argv[1], argv[2]);
                tap_streq(have, cases[i].says, "tcectl %s %s: what it says", argv[1], argv[2]);
        }
}

/* Each of tced-bind's errors as the bus's, with its text. */
static void test_errors(const Host *h, sd_bus *bus) {
        static const struct {
                const char *mode, *name, *fragments;
        } cases[] = {
                { "busy", "GroupBusy", "IOMMU group 7|another process has the group open; end it first" },
                { "stale", "NoSuchGroup", "IOMMU group 7|other devices" },
                { "already", "GroupBusy", "it is being bound" },
                { "unbound", "NotBound", "tced-bind has not bound" },
                { "fail", "BindFailed", "all is as it was" },
                { "odd", "Failed", "something else" },
                { "close", "HelperUnavailable", "tced-bind went away; look into `journalctl -u tced-bind`" },
        };
        sd_bus_error error = SD_BUS_ERROR_NULL;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                set_mode(h, cases[i].mode);
                refused(group_call(bus, i % 2 ? "Release" : "Bind", 0, &error), &error, cases[i].name, cases[i].fragments, "tced-bind says %s",
                        cases[i].mode);
                tap_ok(is_property(bus, "Viability", "not-bound"), "%s: nothing has changed", cases[i].mode);
        }
        host_add_group(h, 9, "0000:09:00.0", NULL);
        host_remove(h, "sys/kernel/iommu_groups/9/devices/0000:09:00.0");
        went_well(call_manager(bus, "Rescan", &error, ""), &error, "an empty group");
        refused(call(bus, TCED_GROUP_PREFIX "/9", TCED_INTERFACE_GROUP, "Bind", &error, NULL, "t", UINT64_C(0)), &error, "GroupNotViable",
                "group 9 has no devices", "has nothing to bind");
        host_remove_group(h, 9);
        went_well(call_manager(bus, "Rescan", &error, ""), &error, "it goes");
}

static void test_stuck(const Host *h, sd_bus *bus) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *have = NULL;

        set_mode(h, "stuck");
        refused(group_call(bus, "Bind", 0, &error), &error, "GroupStuck", "has not come back from unbinding " ADDRESS, "the kernel hangs");
        tap_ok(is_property(bus, "Binding", "stuck") && is_property(bus, "BindingWhy", "unbinding " ADDRESS) &&
                       is_property(bus, "Obstacle", "stuck: the kernel"),
               "the group says so");
        tap_ok(described(bus, "\"id\":\"group-stuck\"") && host_log_has(h, "group-stuck"), "it is a finding");
        set_mode(h, "ok");
        refused(group_call(bus, "Bind", 1, &error), &error, "GroupStuck", "IOMMU group 7 is stuck", "and nothing more is tried, not by force");
        have = asked(h);
        tap_streq(have, "", "tced-bind is not asked");
        set_record(h, BIND_STUCK, NULL);
        wait_property(bus, "Binding", "", "when tced-bind has come through, that is seen without being asked for");
        tap_ok(!described(bus, "group-stuck"), "and the finding goes");
        set_mode(h, "lost");
        refused(group_call(bus, "Release", 0, &error), &error, "BindFailed", "e1000e did not take it back", "a driver that does not take its device back");
        tap_ok(is_property(bus, "Binding", "failed") && described(bus, "\"id\":\"bind-failed\"") &&
                       is_property(bus, "Obstacle", "modprobe e1000e"),
               "is a finding, too");
        set_record(h, BIND_FAILED, NULL);
        wait_property(bus, "Binding", "", "until it has");
}

/* A card that was unplugged while it was bound comes back as the host's. */
static void test_replugged(const Host *h, sd_bus *bus) {
        sd_bus_error error = SD_BUS_ERROR_NULL;

        set_mode(h, "ok");
        went_well(group_call(bus, "Bind", 0, &error), &error, "bound");
        set_driver(h, false);
        went_well(call_manager(bus, "Rescan", &error, ""), &error, "plugged in anew");
        tap_ok(is_property(bus, "Binding", "") && described(bus, "\"binding\":null"), "it is not said to be bound, though it is recorded");
        went_well(group_call(bus, "Release", 0, &error), &error, "the record goes with a Release");
}

/* Two at once, from two connections. */
static void test_at_once(const Host *h, sd_bus *bus) {
        _cleanup_bus_ sd_bus *other = open_peer(h);
        _cleanup_message_ sd_bus_message *m = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        uint64_t cookie;

        set_mode(h, "slow");
        if (sd_bus_message_new_method_call(other, &m, NULL, GROUP_PATH, TCED_INTERFACE_GROUP, "Bind") < 0 ||
            sd_bus_message_append(m, "t", UINT64_C(0)) < 0 || sd_bus_send(other, m, &cookie) < 0 || sd_bus_flush(other) < 0)
                bail_out("a call can't be sent");
        for (unsigned i = 0; i < 100; i++) {
                _cleanup_free_ char *have = asked(h);

                if (*have)
                        break;
                (void) usleep(10 * 1000);
        }
        refused(group_call(bus, "Release", 0, &error), &error, "GroupBusy", "group 7 is just being bound; wait", "while it is being bound");
        wait_property(bus, "Viability", "viable", "which goes on");
        set_mode(h, "ok");
        went_well(group_call(bus, "Release", 0, &error), &error, "then it can be given back");
}

/* A disk below the device that device mapper has, and what is told of it. */
static void test_in_use(const Host *h, sd_bus *bus) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *have = NULL;

        set_mode(h, "ok");
        host_write(h, "sys/devices/pci0000:00/" ADDRESS "/nvme/nvme7/nvme7n1/dev", "259:77\n");
        host_link(h, "sys/devices/virtual/block/dm-7/slaves/nvme7n1", "x");
        host_write(h, "sys/devices/virtual/block/dm-7/dev", "253:77\n");
        host_write(h, "sys/devices/virtual/block/dm-7/dm/name", "vault\n");
        host_write(h, "sys/devices/virtual/block/dm-7/dm/uuid", "CRYPT-LUKS2-1-vault\n");
        host_link(h, "sys/class/block/nvme7n1", "../../devices/pci0000:00/" ADDRESS "/nvme/nvme7/nvme7n1");
        host_link(h, "sys/class/block/dm-7", "../../devices/virtual/block/dm-7");
        refused(group_call(bus, "Bind", 0, &error), &error, "GroupInUse", ADDRESS " is in use: |vault|or bind it with --force",
                "a device that the host uses is not taken from it");
        have = asked(h);
        tap_streq(have, "", "tced-bind is not asked");
        tap_ok(is_property(bus, "Obstacle", ADDRESS " is in use: ") && described(bus, "\"in_use\":[{\"device\":\"" ADDRESS "\",\"use\":\"dm\""),
               "that is what stands in the way");
        went_well(group_call(bus, "Bind", 1, &error), &error, "unless by force");
        tap_ok(is_property(bus, "Viability", "viable"), "then it is bound");
        went_well(group_call(bus, "Release", 0, &error), &error, "given back");
        host_remove(h, "sys/devices/pci0000:00/" ADDRESS "/nvme");
        host_remove(h, "sys/class/block");
        tap_ok(is_property(bus, "Obstacle", "used by the host's driver e1000e"), "nothing uses it, at once");
}

/* ---- who may ---- */

typedef struct World {
        const Host *host;
        const char *error, *fragments; /* NULL: it goes well */
        const char *name;
        bool on_peer, interactive;
} World;

static void bind_as_user(void *userdata) {
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = w->on_peer ? open_peer(w->host) : open_bus(w->host);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        (void) sd_bus_set_allow_interactive_authorization(bus, w->interactive);
        r = group_call(bus, "Bind", 3, &error);
        if (w->error)
                refused(r, &error, w->error, w->fragments, "a user: %s", w->name);
        else
                went_well(r, &error, "a user: %s", w->name);
}

static void test_polkit(const Host *h, sd_bus *bus) {
        static const struct {
                const char *mode, *error, *fragments;
                bool on_peer, interactive;
        } cases[] = {
                { NULL, "NotAuthorized", "Binding IOMMU group 7 is for root|org.tced1.bind", false, false },
                { "yes", NULL, NULL, false, true },
                { "yes", NULL, NULL, false, false },
                { "yes", "NotAuthorized", "use the system bus", true, false },
                { "no", "NotAuthorized", "org.tced1.bind: its rules say no", false, false },
                { "challenge", "NotAuthorized", "it would have to ask for a password", false, false },
                { "error", "NotAuthorized", "no such action", false, false },
                { "odd", "NotAuthorized", "its answer can't be read", false, false },
                { "leave", "NotAuthorized", "disconnected", false, false },
        };

        if (geteuid() != 0) {
                tap_skip("only root can be another user", "polkit");
                return;
        }
        set_mode(h, "ok");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                World w = { .host = h, .error = cases[i].error, .fragments = cases[i].fragments, .on_peer = cases[i].on_peer,
                            .interactive = cases[i].interactive, .name = cases[i].mode ? cases[i].mode : "no polkit" };
                Actor polkit = { .fd = -EBADF };
                _cleanup_free_ char *question = NULL;

                if (cases[i].mode)
                        polkit = polkit_start(h, cases[i].mode);
                run_as(OTHER_UID, NULL, 0, bind_as_user, &w);
                question = polkit_asked(h);
                if (cases[i].mode && !cases[i].on_peer)
                        tap_ok(strstr(question, cases[i].interactive ? " org.tced1.bind group=7 device=" ADDRESS " operation=bind force=yes persistent=yes 1 ''"
                                                                     : " org.tced1.bind group=7 device=" ADDRESS " operation=bind force=yes persistent=yes 0 ''"),
                               "%s: polkit was asked who, what and how: %s", w.name, question);
                tap_ok(is_property(bus, "Viability", cases[i].error ? "not-bound" : "viable"), "%s: what has become of it", w.name);
                if (!cases[i].error)
                        (void) group_call(bus, "Release", 2, NULL);
                if (cases[i].mode)
                        actor_kill(&polkit);
        }
}

static void bind_or_say_why(int fd, void *userdata) {
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_bus(w->host);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = group_call(bus, "Bind", 0, &error);

        actor_say(fd, r >= 0 ? 'y' : error.name && strstr(error.name, "NoSuchGroup") ? 'g' : 'n');
}

/* What was said yes to is what is done, also where another card comes into the slot, or to the group, before. */
static void test_polkit_meanwhile(const Host *h, sd_bus *bus) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        World w = { .host = h };

        if (geteuid() != 0) {
                tap_skip("only root can be another user", "devices that come while polkit is asked");
                return;
        }
        for (unsigned i = 0; i < 2; i++) {
                Actor polkit = polkit_start(h, "wait"), user;
                _cleanup_free_ char *question = strdup(""), *have = NULL;

                set_mode(h, "ok");
                user = actor_start(OTHER_UID, bind_or_say_why, &w);
                for (unsigned j = 0; j < HARNESS_PATIENCE * 50 && !*question; j++) {
                        (void) usleep(20 * 1000);
                        free(question);
                        question = polkit_asked(h);
                }
                if (i == 0)
                        host_link(h, "sys/kernel/iommu_groups/7/devices/0000:01:00.1", "../../../../bus/pci/devices/" ADDRESS);
                else
                        host_write(h, "sys/bus/pci/devices/" ADDRESS "/device", "0x1572\n");
                went_well(call_manager(bus, "Rescan", &error, ""), &error, "Rescan, while polkit is asked");
                polkit_set_mode(h, "yes");
                tap_eq(actor_hear(&user), 'g', "%s", i == 0 ? "a device that joins the group meanwhile was not meant" : "nor another one in its slot");
                have = asked(h);
                tap_streq(have, "", "and nothing is bound");
                host_remove_group(h, 7);
                host_add_group(h, 7, ADDRESS, "e1000e");
                went_well(call_manager(bus, "Rescan", &error, ""), &error, "Rescan");
                actor_kill(&user);
                actor_kill(&polkit);
        }
}

/* ---- a VM has it ---- */

static void be_vm(int fd, void *userdata) {
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_peer(w->host);

        actor_say(fd, claim(bus, w->name, NULL) >= 0 ? 'y' : 'n');
        (void) actor_listen(fd);
}

static void test_held(const Host *h, sd_bus *bus) {
        static const TestWindow window = { "vfio", ADDRESS, 0x80000001, 0, UINT64_C(1) << 30, 12, 0, 7 };
        sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *path = NULL;
        World w = { .host = h };
        Actor vm;

        set_mode(h, "ok");
        went_well(register_windows(bus, "web1", "", &window, 1, NO_UID, &path, &error), &error, "a VM that is to have it");
        w.name = path;
        went_well(group_call(bus, "Bind", 0, &error), &error, "it can be bound for it");
        tap_ok(!is_true(bus, "Assignable") && is_property(bus, "Obstacle", "machine web1 has it"), "others can't have it");
        vm = actor_start(NO_UID, be_vm, &w);
        tap_eq(actor_hear(&vm), 'y', "it runs");
        refused(group_call(bus, "Release", 0, &error), &error, "GroupInUse", "a VM that runs (PID |end that VM", "its group is not taken from it");
        went_well(group_call(bus, "Release", 1, &error), &error, "unless by force");
        actor_kill(&vm);
        (void) unregister(bus, path, NULL);
}

/* ---- at boot ---- */

/* Bound when tced starts for the first time since a boot, not when it is restarted, and when the device is plugged in. */
static void test_persistent(Host *h, sd_bus **bus) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *have = NULL, *again = NULL, *mine = NULL;

        set_mode(h, "unkept");
        refused(group_call(*bus, "Bind", 2, &error), &error, "Failed", "group 7 is on vfio-pci now, but|/etc can't be written",
                "bound, and its file can't be written");
        set_mode(h, "ok");
        went_well(group_call(*bus, "Bind", 2, &error), &error, "to be bound at each boot");
        tap_ok(is_true(*bus, "Persistent") && described(*bus, "\"persistent\":true"), "it is");
        went_well(group_call(*bus, "Release", 0, &error), &error, "given back until the next boot");
        set_mode(h, "ok");
        *bus = (bus_closep(bus), NULL);
        host_kill_tced(h);
        if (!host_restart_tced(h, NULL))
                bail_out("tced does not start again");
        *bus = open_bus(h);
        have = asked(h);
        tap_ok(streq(have, "") && is_property(*bus, "Viability", "not-bound") && is_true(*bus, "Persistent"), "a restart leaves it so");
        went_well(call_manager(*bus, "Reload", &error, ""), &error, "Reload");
        host_remove_group(h, 7);
        went_well(call_manager(*bus, "Rescan", &error, ""), &error, "it is unplugged");
        host_add_group(h, 7, ADDRESS, "e1000e");
        went_well(call_manager(*bus, "Rescan", &error, ""), &error, "and plugged in");
        wait_property(*bus, "Viability", "viable", "then it is bound");
        set_driver(h, false);
        set_record(h, BIND_BOUND, NULL);
        *bus = (bus_closep(bus), NULL);
        host_kill_tced(h);
        host_remove(h, "state.json");
        host_remove(h, "socket.state.json");
        if (!host_restart_tced(h, NULL))
                bail_out("tced does not start again");
        *bus = open_bus(h);
        again = asked(h);
        tap_ok(is_property(*bus, "Viability", "viable") && streq(again, "bind-group 7 1 " ADDRESS), "and when tced is ready after a boot");
        went_well(group_call(*bus, "Release", 2, &error), &error, "given back for good");
        tap_ok(!is_true(*bus, "Persistent"), "it is");
        host_write(h, "root/etc/tced/tced.conf.d/60-mine.conf", "[Bind]\nDevices=%s\n", ADDRESS);
        set_mode(h, "ok");
        went_well(call_manager(*bus, "Reload", &error, ""), &error, "an administrator's own file, and Reload");
        mine = asked(h);
        tap_streq(mine, "", "what was given back by hand stays so until the next boot");
        set_mode(h, "ok");
        refused(group_call(*bus, "Release", 2, &error), &error, "Failed", "another file still has a device of it in [Bind] Devices=|grep",
                "what is not tced's file is told");
        host_remove(h, "root/etc/tced/tced.conf.d/60-mine.conf");
        went_well(call_manager(*bus, "Reload", &error, ""), &error, "Reload");
}

/* What can't be bound at boot is a finding. */
static void test_boot_failure(Host *h, sd_bus **bus) {
        sd_bus_error error = SD_BUS_ERROR_NULL;

        host_write(h, "root/etc/tced/tced.conf.d/60-mine.conf", "[Bind]\nDevices=%s\n", ADDRESS);
        set_driver(h, false);
        set_mode(h, "busy");
        *bus = (bus_closep(bus), NULL);
        host_kill_tced(h);
        host_remove(h, "state.json");
        host_remove(h, "socket.state.json");
        if (!host_restart_tced(h, NULL))
                bail_out("tced does not start again");
        *bus = open_bus(h);
        tap_ok(described(*bus, "\"id\":\"bind-failed\"") && described(*bus, "is to be bound to vfio-pci at boot ([Bind] Devices=), and is not: IOMMU group 7"),
               "a group that could not be bound at boot is a finding, and tced is ready all the same");
        set_mode(h, "ok");
        went_well(group_call(*bus, "Bind", 0, &error), &error, "bound by hand");
        tap_ok(!described(*bus, "bind-failed"), "the finding goes");
        went_well(group_call(*bus, "Release", 0, &error), &error, "and back");
        tap_ok(!described(*bus, "bind-failed"), "which is what was wanted: no finding");
        host_remove(h, "root/etc/tced/tced.conf.d/60-mine.conf");
        went_well(call_manager(*bus, "Reload", &error, ""), &error, "Reload");
}

int main(void) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Actor helper;
        Host h;

        host_init(&h, 100);
        host_add_group(&h, 7, ADDRESS, "e1000e");
        if (!host_start_bus(&h)) {
                tap_skip("there is no dbus-daemon", "binding");
                host_done(&h);
                return tap_done();
        }
        if (!host_start_tced(&h, NULL))
                bail_out("tced does not start");
        {
                _cleanup_bus_ sd_bus *bus = open_bus(&h);

                refused(group_call(bus, "Bind", 0, &error), &error, "HelperUnavailable", "tced-bind, which binds devices|systemctl start tced-bind.socket",
                        "without tced-bind");
                helper = start_helper(&h);
                test_bind(&h, bus);
                test_tcectl(&h);
                test_errors(&h, bus);
                test_stuck(&h, bus);
                test_replugged(&h, bus);
                test_at_once(&h, bus);
                test_in_use(&h, bus);
                test_polkit(&h, bus);
                test_polkit_meanwhile(&h, bus);
                test_held(&h, bus);
                test_persistent(&h, &bus);
                test_boot_failure(&h, &bus);
        }
        actor_kill(&helper);
        host_done(&h);
        return tap_done();
}
