/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tables in the kernel: planned, made, refused and replaced. The daemon is the real one with a KVM that is not (fake-kvm.c), as this
 * may run on a machine without TCEs; what a real kernel does is tested on the POWER hosts. */

#include "client.h"
#include "tap.h"

enum { VIO, PCI, VFIO, SLOW, MUST, LARGE, _TABLES };

static const TestWindow windows[_TABLES] = {
        [VIO] = { "vio", "vio", 0x71000000, 0, 1 << 20, 12, 0, -1 },
        [PCI] = { "pci", "pci.0", 0x80000000, 0, 1 << 20, 12, 1, -1 },
        [VFIO] = { "vfio", "0000:01:00.0", 0x80000001, UINT64_C(1) << 59, 1 << 24, 16, 0, 7 },
        [SLOW] = { "pci", "slow", 0x80000002, 0, 1 << 20, 12, 0, -1 },
        [MUST] = { "pci", "must", 0x80000003, 0, 1 << 20, 12, 0, -1 },
        /* 16 MiB of TCEs: more than the limit below. */
        [LARGE] = { "pci", "large", 0x80000004, 0, UINT64_C(8) << 30, 12, 0, -1 },
};

static char *table_path(const char *machine, unsigned which) {
        char *path;

        if (asprintf(&path, "%s/table/%08x", machine, windows[which].liobn) < 0)
                bail_out("no memory");
        return path;
}

static char *table_string(sd_bus *bus, const char *machine, unsigned which, const char *property) {
        _cleanup_free_ char *path = table_path(machine, which);

        return get_string(bus, path, TCED_INTERFACE_TABLE, property);
}

static bool table_is(sd_bus *bus, const char *machine, unsigned which, const char *property, const char *want) {
        _cleanup_free_ char *value = table_string(bus, machine, which, property);

        if (value && streq(value, want))
                return true;
        printf("#   %s is %s\n", property, value ? value : "not there");
        return false;
}

static int report(sd_bus *bus, const char *machine, unsigned which, const char *placement, int number, sd_bus_error *error) {
        return call(bus, machine, TCED_INTERFACE_MACHINE, "ReportTable", error, NULL, "usit", windows[which].liobn, placement, number,
                    UINT64_C(0));
}

static char *register_all(sd_bus *bus, const char *name) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        char *path = NULL;

        went_well(register_windows(bus, name, "", windows, _TABLES, NO_UID, &path, &error), &error, "%s is registered", name);
        if (!path)
                bail_out("nothing can be tested");
        return path;
}

/* How many of the tables that AcquireTables gives without asking for any have an fd. */
static int count_acquired(sd_bus *bus, const char *machine, unsigned *ret_tables) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        int fds = 0, r;

        *ret_tables = 0;
        r = acquire(bus, machine, NULL, 0, NULL, &reply);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(ussttutsii)");
        while (r >= 0 && (r = sd_bus_message_skip(reply, "(ussttutsii)")) >= 0 && sd_bus_message_at_end(reply, 0) == 0)
                (*ret_tables)++;
        *ret_tables += r >= 0;
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "h");
        while (r >= 0 && sd_bus_message_at_end(reply, 0) == 0 && (r = sd_bus_message_skip(reply, "h")) >= 0)
                fds++;
        return r < 0 ? r : fds;
}

static void test_plan(sd_bus *bus, const char *machine) {
        unsigned tables;

        tap_ok(table_is(bus, machine, VIO, "Placement", "kernel") && table_is(bus, machine, VIO, "Reason", "in-kernel"), "VIO: kernel");
        tap_ok(table_is(bus, machine, PCI, "Placement", "kernel"), "emulated PCI with a notifier: kernel");
        tap_ok(table_is(bus, machine, VFIO, "Placement", "kernel-vfio"), "VFIO: kernel-vfio");
        tap_ok(table_is(bus, machine, SLOW, "Placement", "user") && table_is(bus, machine, SLOW, "Reason", "rule-user"), "a rule: user");
        tap_ok(table_is(bus, machine, MUST, "Accel", "kernel"), "a rule: kernel");
        tap_ok(table_is(bus, machine, VIO, "State", "planned") && table_is(bus, machine, SLOW, "State", "ready"), "states at first");
        tap_ok(get_number(bus, machine, TCED_INTERFACE_MACHINE, "LockedBytes", 't') > 0, "what the kernel will charge is told");
        (void) claim(bus, machine, NULL);
        tap_eq(count_acquired(bus, machine, &tables), 1, "one memfd is handed out");
        tap_eq(tables, _TABLES, "with the plan of all tables");
        tap_eq(count_acquired(bus, machine, &tables), 0, "asked again: no memfd");
        tap_eq(tables, _TABLES - 1, "and the tables for the kernel");
}

static void test_bad_reports(sd_bus *bus, const char *machine) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *must = NULL;

        refused(report(bus, machine, VIO, "user", 0, &error), &error, "InvalidArgument", "71000000", "a table is not made as `user`");
        refused(report(bus, machine, VIO, "kernel-vfio", 0, &error), &error, "InvalidArgument", "71000000|group",
                "a table without a group can't be linked");
        refused(report(bus, machine, VIO, "kernel", -ENOMEM, &error), &error, "InvalidArgument", "-12|positive", "a negative errno");
        refused(report(bus, machine, VIO, "kernel", 4096, &error), &error, "InvalidArgument", "4096", "no errno");
        refused(report(bus, machine, SLOW, "kernel", 0, &error), &error, "InvalidArgument", "80000002|user", "one that is planned as `user`");
        refused(report(bus, machine, MUST, "kernel", ENOMEM, &error), &error, "KernelDemanded", "must|80000003|Cannot allocate|must.rule",
                "one that a rule demands in the kernel");
        refused(report(bus, machine, LARGE, "kernel", ENOMEM, &error), &error, "LimitExceeded", "TableBytesPerMachineMax|large",
                "one that is too large for the VMM");
        tap_ok(table_is(bus, machine, VIO, "State", "planned") && table_is(bus, machine, MUST, "State", "planned") &&
                       table_is(bus, machine, LARGE, "State", "planned"),
               "nothing changes by them");
        must = table_path(machine, MUST);
        tap_eq(get_number(bus, must, TCED_INTERFACE_TABLE, "Error", 'i'), ENOMEM, "but what the kernel said is shown");
}

static void test_good_reports(sd_bus *bus, const char *machine) {
        _cleanup_signals_ Signals s = {};
        _cleanup_free_ char *path = table_path(machine, VIO), *pci = table_path(machine, PCI), *findings = NULL, *vfio_proof = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int64_t user = get_number(bus, machine, TCED_INTERFACE_MACHINE, "UserBytes", 't'), locked;
        char text[256];
        unsigned tables;

        signals_record(bus, &s);
        went_well(report(bus, machine, VIO, "kernel", 0, &error), &error, "a table is made");
        tap_ok(table_is(bus, machine, VIO, "State", "made"), "its state");
        (void) snprintf(text, sizeof(text), "PropertiesChanged %s org.tced1.Table", path);
        tap_ok(signals_wait(bus, &s, text), "PropertiesChanged");
        went_well(report(bus, machine, VIO, "kernel", 0, &error), &error, "said once more");
        refused(report(bus, machine, VIO, "kernel", EINVAL, &error), &error, "InvalidArgument", "71000000|made",
                "one that is made can't have been refused");
        went_well(report(bus, machine, VFIO, "kernel-vfio", 0, &error), &error, "a table is made and linked");
        vfio_proof = describe_text(bus);
        /* Only where root said that the VM has that group. */
        tap_ok(vfio_proof && !strstr(vfio_proof, "linked its table of IOMMU group 7") == (geteuid() != 0),
               "which proves KVM_CAP_SPAPR_TCE_VFIO");

        locked = get_number(bus, machine, TCED_INTERFACE_MACHINE, "LockedBytes", 't');
        went_well(report(bus, machine, PCI, "kernel", ENOMEM, &error), &error, "the kernel refuses one");
        tap_ok(table_is(bus, machine, PCI, "Placement", "user") && table_is(bus, machine, PCI, "Reason", "kernel-refused") &&
                       table_is(bus, machine, PCI, "State", "ready"),
               "it moves to the VMM");
        tap_eq(get_number(bus, pci, TCED_INTERFACE_TABLE, "Error", 'i'), ENOMEM, "with the kernel's error");
        tap_eq(get_number(bus, machine, TCED_INTERFACE_MACHINE, "UserBytes", 't'), user + 2048, "UserBytes follow");
        tap_ok(get_number(bus, machine, TCED_INTERFACE_MACHINE, "LockedBytes", 't') < locked, "LockedBytes too");
        findings = describe_text(bus);
        tap_ok(findings && strstr(findings, "slow-path") && strstr(findings, "memtune"), "a finding with the remedy");
        refused(report(bus, machine, PCI, "kernel", ENOMEM, &error), &error, "InvalidArgument", "80000000|user", "it is refused only once");
        tap_eq(count_acquired(bus, machine, &tables), 1, "its memfd can be had");
        tap_ok(table_is(bus, machine, PCI, "State", "handed-out"), "and is gone then");
}

static int count_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        int *counts = userdata;

        counts[sd_bus_message_is_method_error(m, NULL) > 0]++;
        return 0;
}

/* Several reports of one table at once, and the machine gone before its memfd is made: the books are right afterwards. */
static void test_races(const Host *h, sd_bus *bus) {
        int counts[2] = { 0, 0 }, fds;
        char *path = register_all(bus, "races");
        sd_bus_error error = SD_BUS_ERROR_NULL;

        (void) claim(bus, path, NULL);
        for (unsigned i = 0; i < 8; i++)
                (void) sd_bus_call_method_async(bus, NULL, sd_bus_is_bus_client(bus) > 0 ? TCED_BUS_NAME : NULL, path,
                                                TCED_INTERFACE_MACHINE, "ReportTable", count_answer, counts, "usit", windows[PCI].liobn,
                                                "kernel", ENOMEM, UINT64_C(0));
        for (unsigned i = 0; i < HARNESS_PATIENCE && counts[0] + counts[1] < 8; i++) {
                while (sd_bus_process(bus, NULL) > 0)
                        ;
                if (counts[0] + counts[1] < 8)
                        (void) sd_bus_wait(bus, 1000000);
        }
        tap_ok(counts[0] == 1 && counts[1] == 7, "one of 8 reports at once moves the table: %d", counts[0]);
        (void) unregister(bus, path, NULL);
        free(path);
        (void) count_machines(bus);
        fds = settled_fds(h->tced_pid);
        for (unsigned i = 0; i < 20; i++) {
                counts[0] = counts[1] = 0;
                path = register_all(bus, "races");
                (void) claim(bus, path, NULL);
                (void) sd_bus_call_method_async(bus, NULL, sd_bus_is_bus_client(bus) > 0 ? TCED_BUS_NAME : NULL, path,
                                                TCED_INTERFACE_MACHINE, "ReportTable", count_answer, counts, "usit", windows[PCI].liobn,
                                                "kernel", ENOMEM, UINT64_C(0));
                went_well(unregister(bus, path, &error), &error, "unregistered in the middle of a report");
                free(path);
        }
        tap_ok(wait_fds(h->tced_pid, fds) <= fds, "no memfd is left of those");
        /* TableBytesMax is 40 KiB: each time some would have been left in the books. */
        path = register_all(bus, "books");
        (void) claim(bus, path, NULL);
        went_well(report(bus, path, PCI, "kernel", ENOMEM, &error), &error, "nor anything in the books");
        (void) unregister(bus, path, NULL);
        free(path);
}

static int count_ending(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        int *n = userdata;

        *n += e && e->message && strstr(e->message, "tced is ending");
        return 0;
}

static void register_async(sd_bus *bus, const char *name, int *ending) {
        (void) sd_bus_call_method_async(bus, NULL, TCED_BUS_NAME, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "RegisterMachine", count_ending,
                                        ending, "ssa(ssuttubi)a{sv}t", name, "", 0, 0, UINT64_C(0));
}

/* Registrations that wait for a proof are counted, and answered when tced ends. */
static void test_hanging_proof(Host *h) {
        static const char *const env[] = { "TCED_FAKE_KVM=hang", NULL };
        char options[4][96];
        const char *argv[] = { h->tced, options[0], options[1], options[2], options[3], NULL };
        _cleanup_bus_ sd_bus *bus = NULL;
        _cleanup_free_ char *state = NULL, *path = NULL, *after = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int ending = 0;

        host_write(h, "root/etc/tced/tced.conf", "[Probe]\nTimeoutSec=1\n[Limits]\nMachinesMax=3\n");
        (void) snprintf(options[0], sizeof(options[0]), "--socket=%s", h->socket);
        (void) snprintf(options[1], sizeof(options[1]), "--config-root=%s/root", h->dir);
        (void) snprintf(options[2], sizeof(options[2]), "--sys=%s/sys", h->dir);
        (void) snprintf(options[3], sizeof(options[3]), "--dev=%s/dev", h->dir);
        if (!tap_ok(host_spawn_tced(h, &(Spawn) { .argv = argv, .env = env }), "a host where making a VM hangs: READY=1 all the same"))
                return;
        bus = open_bus(h);
        state = get_string(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "ProbeState");
        tap_streq(state, "running", "the proof runs");
        register_async(bus, "first", &ending);
        register_async(bus, "second", &ending);
        path = register_small(bus, "waits", 1, NO_UID);
        after = get_string(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "ProbeState");
        tap_streq(after, "done", "a registration waited for its end");
        refused(call_manager(bus, "Probe", &error, "bt", 0, UINT64_C(0)), &error, "TimedOut", "TimeoutSec=", "Probe says that it timed out");
        tap_ok(host_log_has(h, "TimeoutSec="), "so does the log");
        /* One that runs, and one that waits, while the daemon ends. */
        (void) unregister(bus, path, NULL);
        (void) sd_bus_call_method_async(bus, NULL, TCED_BUS_NAME, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "Probe", count_ending, &ending, "bt",
                                        0, UINT64_C(0));
        register_async(bus, "late", &ending);
        refused(call_manager(bus, "RegisterMachine", &error, "ssa(ssuttubi)a{sv}t", "later", "", 0, 0, UINT64_C(0)), &error,
                "LimitExceeded", "MachinesMax=3|3 are", "one that waits is counted");
        host_stop_tced(h);
        /* The bus may still have the answers when tced is gone. */
        while (ending < 2 && (sd_bus_process(bus, NULL) > 0 || sd_bus_wait(bus, UINT64_C(2000000)) > 0))
                ;
        tap_eq(ending, 2, "who waits when tced ends is told so");
}

int main(void) {
        Host h;

        host_init(&h, 100);
        h.tced = getenv("TCED_ON_FAKE_KVM");
        host_write(&h, "dev/kvm", "%s", "");
        host_add_group(&h, 7, "0000:01:00.0", "vfio-pci");
        host_write(&h, "root/etc/tced/tced.conf", "[Limits]\nTableBytesPerMachineMax=1M\nTableBytesMax=40K\n");
        host_write(&h, "root/etc/tced/rules.d/10-slow.rule", "[Match]\nDevice=slow\n[Policy]\nAccel=user\n");
        host_write(&h, "root/etc/tced/rules.d/20-must.rule", "[Match]\nDevice=must\n[Policy]\nAccel=kernel\n");
        if (!host_start_bus(&h)) {
                tap_skip("there is no dbus-daemon", "reports");
                host_done(&h);
                return tap_done();
        }
        if (!h.tced || !host_start_tced(&h, NULL))
                bail_out("tced does not start");
        for (unsigned i = 0; i < 2; i++) {
                _cleanup_bus_ sd_bus *bus = i == 0 ? open_bus(&h) : open_peer(&h);
                _cleanup_free_ char *machine = NULL;

                wait_probed(bus);
                machine = register_all(bus, "vm");
                test_plan(bus, machine);
                test_bad_reports(bus, machine);
                test_good_reports(bus, machine);
                (void) unregister(bus, machine, NULL);
                test_races(&h, bus);
        }
        host_stop_tced(&h);
        test_hanging_proof(&h);
        host_done(&h);
        return tap_done();
}
