/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Group.Bind and Release: who may, what they answer, what is there afterwards, at once and after a restart or a boot. tced-bind is made up
 * (fake-bind.h); the real one is tried by test-bind*, and on a POWER host. */

#include "client.h"
#include "fake-bind.h"
#include "polkit.h"
#include "tap.h"

#define GROUP_PATH TCED_GROUP_PREFIX "/7"
#define SECOND "0000:01:00.1" /* where the group has two devices */
#define OTHER_UID ((uid_t) 65534) /* the bus knows no user without a name */

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

static void wait_described(sd_bus *bus, const char *text) {
        bool is = false;

        for (unsigned i = 0; i < HARNESS_PATIENCE * 20 && !is; i++) {
                _cleanup_free_ char *json = describe_text(bus);

                is = json && strstr(json, text);
                if (!is)
                        (void) usleep(50 * 1000);
        }
        tap_ok(is, "'%s' is described", text);
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
                { "", { "bind", "0000:02:00.0" }, 1, "tcectl: No IOMMU group has a device 0000:02:00.0. Did you mean '0000:01:00.0'? See: tcectl groups; after a hot-plug: "
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
                { "silent", "HelperUnavailable", "tced-bind did not answer" },
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

        host_add_group(h, 8, "0000:08:00.0", "e1000e");
        went_well(call_manager(bus, "Rescan", &error, ""), &error, "two groups");
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
        set_mode(h, "");
        went_well(call(bus, TCED_GROUP_PREFIX "/8", TCED_INTERFACE_GROUP, "Bind", &error, NULL, "t", UINT64_C(0)), &error, "another can be");
        wait_property(bus, "Viability", "viable", "which goes on");
        set_mode(h, "ok");
        went_well(group_call(bus, "Release", 0, &error), &error, "then it can be given back");
        host_remove_group(h, 8);
        went_well(call_manager(bus, "Rescan", &error, ""), &error, "one group");
}

/* A disk below the device that device mapper has. */
static void lend_disk(const Host *h, const char *address) {
        char path[128];

        (void) snprintf(path, sizeof(path), "sys/devices/pci0000:00/%s/nvme/nvme7/nvme7n1/dev", address);
        host_write(h, path, "259:77\n");
        (void) snprintf(path, sizeof(path), "../../devices/pci0000:00/%s/nvme/nvme7/nvme7n1", address);
        host_link(h, "sys/class/block/nvme7n1", path);
        host_link(h, "sys/devices/virtual/block/dm-7/slaves/nvme7n1", "x");
        host_write(h, "sys/devices/virtual/block/dm-7/dev", "253:77\n");
        host_write(h, "sys/devices/virtual/block/dm-7/dm/name", "vault\n");
        host_write(h, "sys/devices/virtual/block/dm-7/dm/uuid", "CRYPT-LUKS2-1-vault\n");
        host_link(h, "sys/class/block/dm-7", "../../devices/virtual/block/dm-7");
}

static void end_disk(const Host *h, const char *address) {
        char path[128];

        (void) snprintf(path, sizeof(path), "sys/devices/pci0000:00/%s/nvme", address);
        host_remove(h, path);
        host_remove(h, "sys/class/block");
}

/* The first entry of InUse. */
static bool is_used(sd_bus *bus, const char *want) {
        _cleanup_message_ sd_bus_message *m = NULL;
        const char *device, *use, *text, *remedy;
        char have[512] = "";

        if (sd_bus_get_property(bus, TCED_BUS_NAME, GROUP_PATH, TCED_INTERFACE_GROUP, "InUse", NULL, &m, "a(ssss)") >= 0 &&
            sd_bus_message_enter_container(m, 'a', "(ssss)") >= 0 && sd_bus_message_read(m, "(ssss)", &device, &use, &text, &remedy) > 0)
                (void) snprintf(have, sizeof(have), "%s %s: %s: %s", device, use, text, remedy);
        if (streq(have, want))
                return true;
        printf("#   InUse is '%s', not '%s'\n", have, want);
        return false;
}

/* What is told of a device that the host uses. */
static void test_in_use(const Host *h, sd_bus *bus) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *have = NULL;

        set_mode(h, "ok");
        lend_disk(h, ADDRESS);
        refused(group_call(bus, "Bind", 0, &error), &error, "GroupInUse", ADDRESS " is in use: |vault|or bind it with --force",
                "a device that the host uses is not taken from it");
        have = asked(h);
        tap_streq(have, "", "tced-bind is not asked");
        tap_ok(is_property(bus, "Obstacle", ADDRESS " is in use: ") && described(bus, "\"in_use\":[{\"device\":\"" ADDRESS "\",\"use\":\"dm\""),
               "that is what stands in the way");
        tap_ok(is_used(bus, ADDRESS " dm: /dev/nvme7n1 is part of /dev/mapper/vault: cryptsetup close vault"), "and InUse tells it");
        went_well(group_call(bus, "Bind", 1, &error), &error, "unless by force");
        tap_ok(is_property(bus, "Viability", "viable"), "then it is bound");
        went_well(group_call(bus, "Release", 0, &error), &error, "given back");
        end_disk(h, ADDRESS);
        /* Not at once where the last look took long (test-manager_bind_boot.c). */
        wait_property(bus, "Obstacle", ADDRESS " is used by the host's driver e1000e: tcectl bind " ADDRESS, "nothing uses it");
        tap_ok(is_used(bus, ""), "and nothing is told of it");
}

/* Whatever holds of a device holds of the group, wherever in it that is. */
static void test_two_devices(const Host *h, sd_bus *bus) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *have = NULL;

        set_mode(h, "busy");
        host_add_group(h, 8, SECOND, "vfio-pci");
        host_remove(h, "sys/kernel/iommu_groups/8");
        host_link(h, "sys/kernel/iommu_groups/7/devices/" SECOND, "../../../../devices/pci0000:00/" SECOND);
        host_link(h, "sys/devices/pci0000:00/" SECOND "/iommu_group", "../../../kernel/iommu_groups/7");
        went_well(call_manager(bus, "Rescan", &error, ""), &error, "a second device");
        lend_disk(h, SECOND);
        refused(group_call(bus, "Bind", 0, &error), &error, "GroupInUse", SECOND " is in use", "the second is in use");
        tap_ok(is_property(bus, "Viability", "partial") && is_property(bus, "Obstacle", SECOND " is in use: ") && is_used(bus, SECOND " dm: /dev/nvme7n1 is part of /dev/mapper/vault: cryptsetup close vault"),
               "that is what stands in the way of a group that is half on vfio-pci");
        end_disk(h, SECOND);
        refused(group_call(bus, "Bind", 0, &error), &error, "GroupBusy", "open", "tced-bind is asked");
        have = asked(h);
        tap_streq(have, "bind-group 7 2 " ADDRESS, "for both");
        tap_ok(described(bus, "\"id\":\"group-partial\""), "a group that is half bound is a finding");
        set_record_of(h, SECOND, BIND_BINDING, "");
        wait_property(bus, "Binding", "binding", "a record of the second is the group's");
        tap_ok(is_property(bus, "Obstacle", "it is just being bound: wait") && !described(bus, "group-partial"), "amid binding that is no finding");
        set_record_of(h, SECOND, BIND_RELEASING, "");
        wait_property(bus, "Binding", "releasing", "and so it is given back");
        tap_ok(is_property(bus, "Obstacle", "it is just being given back: wait") && !described(bus, "group-partial"), "nor amid that");
        set_record_of(h, SECOND, BIND_BOUND, NULL);
        wait_property(bus, "Binding", "", "the record goes");
        host_write(h, "root/etc/tced/tced.conf.d/60-mine.conf", "[Bind]\nDevices=%s\n", SECOND);
        went_well(call_manager(bus, "Reload", &error, ""), &error, "Reload");
        tap_ok(is_true(bus, "Persistent"), "the second is to be bound at boot, and so is the group");
        host_remove(h, "root/etc/tced/tced.conf.d/60-mine.conf");
        went_well(call_manager(bus, "Reload", &error, ""), &error, "Reload");
        set_driver(h, false);
        host_remove(h, "sys/bus/pci/devices/" SECOND);
        went_well(call_manager(bus, "Rescan", &error, ""), &error, "one device");
}

/* Records that change without a question of tced's. */
static void test_records(const Host *h, sd_bus **bus) {
        _cleanup_signals_ Signals signals = {};

        host_mkdir(h, "bind/groups");
        host_write(h, "bind/groups/0000:ff:00.0.json", "%s", "no record");
        set_record(h, BIND_STUCK, "one way");
        wait_property(*bus, "Binding", "stuck", "a record that comes by itself, beside one that can't be read");
        signals_record(*bus, &signals);
        set_record(h, BIND_STUCK, "another way");
        tap_ok(signals_wait(*bus, &signals, "PropertiesChanged " GROUP_PATH) && signals_wait(*bus, &signals, "PropertiesChanged " TCED_BUS_PATH " "),
               "another reason is announced, and another finding of the host's");
        wait_property(*bus, "BindingWhy", "another way", "and told");
        tap_ok(described(*bus, "another way"), "also by the finding");
        host_remove(h, "bind/groups");
        wait_property(*bus, "Binding", "", "all are gone");
}

static void restart(Host *h, sd_bus **bus, bool boot) {
        *bus = (bus_closep(bus), NULL);
        host_kill_tced(h);
        if (boot) {
                host_remove(h, "state.json");
                host_remove(h, "socket.state.json");
        }
        if (!host_restart_tced(h, NULL))
                bail_out("tced does not start again");
        *bus = open_bus(h);
}

/* The folder of records comes with the first of them, after tced. */
static void test_first_record(Host *h, sd_bus **bus) {
        host_remove(h, "bind/groups");
        restart(h, bus, false);
        set_record(h, BIND_STUCK, "one way");
        wait_property(*bus, "Binding", "stuck", "the first record");
        set_record(h, BIND_STUCK, NULL);
        wait_property(*bus, "Binding", "", "and what comes after it");
}

/* A card that has virtual functions is not taken with them. */
static void test_functions(const Host *h, sd_bus *bus) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *have = NULL;

        set_mode(h, "ok");
        host_write(h, "sys/devices/pci0000:00/" ADDRESS "/sriov_totalvfs", "8\n");
        host_add_group(h, 19, "0000:01:10.0", NULL);
        host_link(h, "sys/devices/pci0000:00/0000:01:10.0/physfn", "../" ADDRESS);
        went_well(call_manager(bus, "Rescan", &error, ""), &error, "a virtual function");
        refused(group_call(bus, "Bind", 0, &error), &error, "GroupInUse", "1 virtual functions|sriov_numvfs|--force", "its card is not bound with it");
        refused(group_call(bus, "Release", 0, &error), &error, "GroupInUse", "given back|1 virtual functions", "nor given back");
        have = asked(h);
        tap_streq(have, "", "tced-bind is not asked");
        tap_ok(is_property(bus, "Obstacle", "each a device of its own"), "that is what stands in the way");
        went_well(group_call(bus, "Bind", 1, &error), &error, "unless by force");
        host_remove_group(h, 19);
        host_remove(h, "sys/devices/pci0000:00/" ADDRESS "/sriov_totalvfs");
        went_well(call_manager(bus, "Rescan", &error, ""), &error, "the function goes");
        went_well(group_call(bus, "Release", 0, &error), &error, "then it is given back");
}

/* ---- who may ---- */

typedef struct World {
        const Host *host;
        const char *error, *fragments; /* NULL: it goes well */
        const char *name;
        bool on_peer, interactive, release;
} World;

static void bind_as_user(void *userdata) {
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = w->on_peer ? open_peer(w->host) : open_bus(w->host);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        (void) sd_bus_set_allow_interactive_authorization(bus, w->interactive);
        r = group_call(bus, w->release ? "Release" : "Bind", 3, &error);
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
                        tap_ok(strstr(question, " org.tced1.bind group=7 devices=" ADDRESS " operation=bind force=yes persistent=yes identities=" ADDRESS " ") &&
                               strstr(question, cases[i].interactive ? " 1 ''" : " 0 ''"),
                               "%s: polkit was asked who, what and how: %s", w.name, question);
                tap_ok(is_property(bus, "Viability", cases[i].error ? "not-bound" : "viable"), "%s: what has become of it", w.name);
                if (!cases[i].error) {
                        _cleanup_free_ char *release = NULL;

                        w.release = true;
                        run_as(OTHER_UID, NULL, 0, bind_as_user, &w);
                        release = polkit_asked(h);
                        tap_ok(strstr(release, " org.tced1.release ") && strstr(release, " operation=release force=yes persistent=yes "), "polkit was asked for a release: %s", release);
                }
                if (cases[i].mode)
                        actor_kill(&polkit);
        }
}

static void bind_or_say_why(int fd, void *userdata) {
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_bus(w->host);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = group_call(bus, "Bind", 0, &error);

        actor_say(fd, r >= 0 ? 'y' : error.message && strstr(error.message, "has changed meanwhile") ? 'g' : 'n');
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

static void see_held(void *userdata) {
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_peer(w->host);

        tap_ok(is_property(bus, "Obstacle", "another VM has it"), "who has it is not told to another VM");
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
        if (geteuid() == 0)
                run_as(OTHER_UID, NULL, 0, see_held, &w);
        went_well(group_call(bus, "Release", 0, &error), &error, "as long as the VM does not run, it can be given back");
        went_well(group_call(bus, "Bind", 0, &error), &error, "and bound");
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
        _cleanup_free_ char *have = NULL, *again = NULL, *mine = NULL, *unbound = NULL;
        _cleanup_signals_ Signals signals = {};

        set_mode(h, "unkept");
        refused(group_call(*bus, "Bind", 2, &error), &error, "Failed", "group 7 is on vfio-pci now, but|/etc can't be written",
                "bound, and its file can't be written");
        set_mode(h, "fail");
        refused(group_call(*bus, "Bind", 2, &error), &error, "BindFailed", "all is as it was", "what can't be bound");
        unbound = asked(h);
        tap_streq(unbound, "bind-group 7 1 " ADDRESS, "is not written down for the next boot");
        set_mode(h, "ok");
        signals_record(*bus, &signals);
        went_well(group_call(*bus, "Bind", 2, &error), &error, "to be bound at each boot");
        tap_ok(signals_wait(*bus, &signals, "PropertiesChanged " GROUP_PATH), "which is announced, though it was bound already");
        signals_end(&signals);
        set_mode(h, "gone");
        set_driver(h, false);
        set_record(h, BIND_BOUND, NULL);
        went_well(group_call(*bus, "Release", 2, &error), &error, "what is the host's already can be given back for good");
        tap_ok(!is_true(*bus, "Persistent"), "it is");
        refused(group_call(*bus, "Release", 2, &error), &error, "NotBound", "has not bound", "once");
        set_mode(h, "ok");
        went_well(group_call(*bus, "Bind", 2, &error), &error, "bound at each boot again");
        tap_ok(is_true(*bus, "Persistent") && described(*bus, "\"persistent\":true"), "it is");
        went_well(group_call(*bus, "Release", 0, &error), &error, "given back until the next boot");
        set_mode(h, "ok");
        restart(h, bus, false);
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
        restart(h, bus, true);
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
        _cleanup_free_ char *have = NULL, *bound = NULL, *never = NULL;

        set_mode(h, "ok");
        restart(h, bus, true);
        went_well(group_call(*bus, "Bind", 0, &error), &error, "bound by hand, after a boot that bound nothing");
        went_well(group_call(*bus, "Release", 0, &error), &error, "and given back");
        set_mode(h, "ok");
        host_write(h, "root/etc/tced/tced.conf.d/60-mine.conf", "[Bind]\nDevices=%s\n", ADDRESS);
        went_well(call_manager(*bus, "Reload", &error, ""), &error, "an administrator's file, and Reload");
        never = asked(h);
        tap_streq(never, "", "what was given back by hand stays so");
        set_driver(h, false);
        set_mode(h, "busy");
        host_remove_group(h, 7);
        went_well(call_manager(*bus, "Rescan", &error, ""), &error, "unplugged");
        set_driver(h, false);
        went_well(call_manager(*bus, "Rescan", &error, ""), &error, "plugged in, and it can't be bound");
        wait_described(*bus, "is to be bound to vfio-pci at boot ([Bind] Devices=), and is not: IOMMU group 7");
        restart(h, bus, true);
        tap_ok(described(*bus, "\"id\":\"bind-failed\"") && described(*bus, "is to be bound to vfio-pci at boot ([Bind] Devices=), and is not: IOMMU group 7"),
               "a group that could not be bound at boot is a finding, and tced is ready all the same");
        set_mode(h, "ok");
        restart(h, bus, false);
        have = asked(h);
        tap_streq(have, "", "a restart does not try it again");
        set_mode(h, "busy");
        restart(h, bus, true);
        set_driver(h, true);
        went_well(call_manager(*bus, "Rescan", &error, ""), &error, "another program binds it");
        tap_ok(!described(*bus, "bind-failed"), "then it is no finding");
        set_mode(h, "ok");
        restart(h, bus, true);
        bound = asked(h);
        tap_streq(bound, "", "what is bound already when tced starts is not bound again");
        set_driver(h, false);
        set_mode(h, "busy");
        restart(h, bus, true);
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
                test_functions(&h, bus);
                test_at_once(&h, bus);
                test_in_use(&h, bus);
                test_two_devices(&h, bus);
                test_records(&h, &bus);
                test_polkit(&h, bus);
                test_polkit_meanwhile(&h, bus);
                test_held(&h, bus);
                test_first_record(&h, &bus);
                test_persistent(&h, &bus);
                test_boot_failure(&h, &bus);
        }
        actor_kill(&helper);
        host_done(&h);
        return tap_done();
}
