/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* RegisterMachine: what is wrong is refused with the error that is written down, a text that names the thing and the remedy, and nothing
 * stays of it; what is right can be found in every way. */

#include "client.h"
#include "tap.h"

#define GOOD_UUID "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
#define WITH_DASHES "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"

static const char limits[] = "[Limits]\nTablesPerMachineMax=4\nMachinesMax=3\nTableBytesPerMachineMax=1M\nTableBytesMax=1536K\n";

typedef enum Property {
        PROPERTY_NONE,
        PROPERTY_UNKNOWN,
        PROPERTY_WRONG_TYPE,
        PROPERTY_OWNER,
} Property;

typedef struct Attempt {
        const char *title;
        const char *name;
        const char *uuid;
        TestWindow windows[6];
        size_t n;
        Property property;
        uint64_t flags;
        const char *error, *fragments;
} Attempt;

#define WINDOW(kind, device, bus_offset, size, page_shift, group) \
        { { (kind), (device), 0x80000000, (bus_offset), (size), (page_shift), 0, (group) } }, .n = 1
#define PCI(bus_offset, size, page_shift) WINDOW("pci", "pci.0", (bus_offset), (size), (page_shift), -1)
#define GOOD PCI(0, 1 << 20, 12)

/* 63 bytes, and 79: one more byte is half a character. */
#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A79 A63 "aaaaaaaaaaaaaaaa"

static const Attempt attempts[] = {
        { "a name that is cut inside a character", A63 "\u00e9\u00e9", "", GOOD, .error = "InvalidArgument", .fragments = "a?'|rename" },
        { "a UUID that is cut inside a character", "web", A63 "\u00e9\u00e9", GOOD, .error = "InvalidArgument", .fragments = "a?'|UUID" },
        { "a device that is cut inside a character", "web", "", WINDOW("pci", A79 "\u00e9\u00e9", 1, 1 << 20, 12, -1),
          .error = "InvalidWindow", .fragments = "a? (LIOBN" },
        { "a kind that is long", "web", "", WINDOW(A79 A79 A79 A79 A79 A79 A79 "\u00e9", "d", 1, 1 << 20, 12, -1),
          .error = "InvalidArgument", .fragments = "vfio" },
        { "no name", "", "", GOOD, .error = "InvalidArgument", .fragments = "1 to 64|rename" },
        { "a name of 65", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "", GOOD,
          .error = "InvalidArgument", .fragments = "aaaa|1 to 64|rename" },
        { "a name with a slash", "../web", "", GOOD, .error = "InvalidArgument", .fragments = "../web|rename" },
        { "a name with a line feed", "web\nweb", "", GOOD, .error = "InvalidArgument", .fragments = "rename" },
        { "a name that is a UUID", WITH_DASHES, "", GOOD, .error = "InvalidArgument", .fragments = "no UUID|rename" },
        { "a name that is a UUID without dashes", GOOD_UUID, "", GOOD, .error = "InvalidArgument",
          .fragments = "no UUID" },
        { "a UUID that is too short", "web", "0f1e2d3c", GOOD, .error = "InvalidArgument", .fragments = "0f1e2d3c|32" },
        { "a UUID with a g", "web", "gf1e2d3c4b5a69788796a5b4c3d2e1f0", GOOD, .error = "InvalidArgument",
          .fragments = "gf1e2d3c|32" },
        { "a UUID of 33 digits", "web", GOOD_UUID "0", GOOD, .error = "InvalidArgument", .fragments = "UUID" },
        { "a UUID of 36 digits", "web", GOOD_UUID "0123", GOOD, .error = "InvalidArgument", .fragments = "UUID" },
        { "a UUID of dashes", "web", "----", GOOD, .error = "InvalidArgument", .fragments = "UUID" },
        { "a UUID that is far too long", "web", WITH_DASHES WITH_DASHES, GOOD, .error = "InvalidArgument",
          .fragments = "UUID" },
        { "a window of no size", "web", "", PCI(0, 0, 12), .error = "InvalidWindow", .fragments = "pci.0|80000000" },
        { "pages of 2 KiB", "web", "", PCI(0, 1 << 20, 11), .error = "InvalidWindow", .fragments = "pci.0|page shift 11|12" },
        { "pages of 32 GiB", "web", "", PCI(0, UINT64_C(1) << 36, 35), .error = "InvalidWindow",
          .fragments = "page shift 35|34" },
        { "a page shift beyond any", "web", "", PCI(0, 1 << 20, UINT32_MAX), .error = "InvalidWindow", .fragments = "pci.0" },
        { "a size inside a page", "web", "", PCI(0, 4097, 12), .error = "InvalidWindow", .fragments = "pci.0" },
        { "an offset inside a page", "web", "", PCI(1, 1 << 20, 12), .error = "InvalidWindow", .fragments = "pci.0" },
        { "an end beyond 2^64", "web", "", PCI(UINT64_MAX - 4095, 8192, 12), .error = "InvalidWindow",
          .fragments = "pci.0" },
        { "2^32 TCEs", "web", "", PCI(0, UINT64_C(1) << 44, 12), .error = "TooManyEntries", .fragments = "pci.0|80000000" },
        { "a LIOBN twice", "web", "", { { "pci", "pci.0", 5, 0, 1 << 20, 12, 0, -1 }, { "pci", "pci.1", 5, 0, 1 << 20, 12, 0, -1 } },
          .n = 2, .error = "LiobnTaken", .fragments = "0x00000005|pci.0|pci.1|another" },
        { "a kind that there is not", "web", "", WINDOW("usb", "pci.0", 0, 1 << 20, 12, -1), .error = "InvalidArgument", .fragments = "usb|vio, pci, vfio" },
        { "a device without a name", "web", "", WINDOW("pci", "", 0, 1 << 20, 12, -1), .error = "InvalidArgument", .fragments = "80000000|name" },
        { "a device's name of 129",
          "web", "",
          WINDOW("pci", "ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
                           "dddddddddddddddddddddddddddd", 0, 1 << 20, 12, -1),
          .error = "InvalidArgument", .fragments = "128" },
        { "a group of a window that is not of VFIO", "web", "", WINDOW("pci", "pci.0", 0, 1 << 20, 12, 3), .error = "InvalidArgument", .fragments = "group 3|-1" },
        { "a group below -1", "web", "", WINDOW("vfio", "pci.0", 0, 1 << 20, 12, -2), .error = "InvalidArgument", .fragments = "-2" },
        { "a property that is not known", "web", "", GOOD, .property = PROPERTY_UNKNOWN, .error = "InvalidArgument",
          .fragments = "Colour|OwnerUid" },
        { "an owner that is no number", "web", "", GOOD, .property = PROPERTY_WRONG_TYPE, .error = "InvalidArgument",
          .fragments = "OwnerUid" },
        { "flags", "web", "", GOOD, .flags = 1, .error = "InvalidArgument", .fragments = "0x1|pass 0" },
        { "the highest flag", "web", "", GOOD, .flags = UINT64_C(1) << 63, .error = "InvalidArgument",
          .fragments = "pass 0" },
        { "more windows than a VM may have", "web", "",
          { { "vio", "v", 1, 0, 4096, 12, 0, -1 }, { "vio", "v", 2, 0, 4096, 12, 0, -1 }, { "vio", "v", 3, 0, 4096, 12, 0, -1 },
            { "vio", "v", 4, 0, 4096, 12, 0, -1 }, { "vio", "v", 5, 0, 4096, 12, 0, -1 } },
          .n = 5, .error = "LimitExceeded", .fragments = "TablesPerMachineMax=4|fewer" },
        { "more bytes than a VM may have", "web", "", PCI(0, UINT64_C(1) << 30, 12), .error = "LimitExceeded",
          .fragments = "TableBytesPerMachineMax=1048576|web|fewer" },
        { "a bad window behind a good one", "web", "",
          { { "vio", "good", 1, 0, 4096, 12, 0, -1 }, { "vio", "bad", 2, 0, 4096, 40, 0, -1 } }, .n = 2, .error = "InvalidWindow",
          .fragments = "bad" },
};

static int attempt(sd_bus *bus, const Attempt *a, sd_bus_error *error) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, sd_bus_is_bus_client(bus) > 0 ? TCED_BUS_NAME : NULL, TCED_BUS_PATH,
                                           TCED_INTERFACE_MANAGER, "RegisterMachine");
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", a->name, a->uuid);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(ssuttubi)");
        for (size_t i = 0; r >= 0 && i < a->n; i++)
                r = sd_bus_message_append(m, "(ssuttubi)", a->windows[i].kind, a->windows[i].device, a->windows[i].liobn,
                                          a->windows[i].bus_offset, a->windows[i].size, a->windows[i].page_shift, a->windows[i].notifier,
                                          a->windows[i].group);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0 && a->property == PROPERTY_NONE)
                r = sd_bus_message_append(m, "a{sv}", 0);
        else if (r >= 0 && a->property == PROPERTY_UNKNOWN)
                r = sd_bus_message_append(m, "a{sv}", 1, "Colour", "u", 5U);
        else if (r >= 0 && a->property == PROPERTY_WRONG_TYPE)
                r = sd_bus_message_append(m, "a{sv}", 1, "OwnerUid", "s", "root");
        else if (r >= 0)
                r = sd_bus_message_append(m, "a{sv}", 1, "OwnerUid", "u", 1234U);
        if (r >= 0)
                r = sd_bus_message_append(m, "t", a->flags);
        return r < 0 ? r : sd_bus_call(bus, m, 0, error, &reply);
}

/* The first machine starts a thread, opens what is opened once. */
static void warm_up(sd_bus *bus) {
        _cleanup_free_ char *path = register_small(bus, "warm-up", 4, NO_UID);

        (void) unregister(bus, path, NULL);
        /* The answer comes before the fds are closed. */
        (void) count_machines(bus);
}

static void test_bad(const Host *h, sd_bus *bus, const char *where) {
        int before;

        /* What went before has been done with once this is answered. */
        (void) count_machines(bus);
        before = settled_fds(h->tced_pid);
        for (size_t i = 0; i < ELEMENTSOF(attempts); i++) {
                sd_bus_error error = SD_BUS_ERROR_NULL;
                int r = attempt(bus, &attempts[i], &error);
                _cleanup_free_ char *state = NULL;

                refused(r, &error, attempts[i].error, attempts[i].fragments, "refused on %s: %s", where, attempts[i].title);
                state = get_string(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "ProbeState");
                if (!tap_ok(count_machines(bus) == 0 && state && streq(state, "done") && wait_fds(h->tced_pid, before) == before,
                            "nothing stays of it: %s", attempts[i].title))
                        printf("#   %d machines, %d fds, %d before\n", count_machines(bus), count_fds(h->tced_pid), before);
        }
}

static void test_taken(sd_bus *bus) {
        TestWindow w = small_window(0);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *path = NULL;

        went_well(register_windows(bus, "web1", GOOD_UUID, &w, 1, NO_UID, &path, &error), &error, "a machine is registered");
        refused(register_windows(bus, "web1", "", &w, 1, NO_UID, NULL, &error), &error, "MachineExists", "web1|unregister",
                       "its name is taken");
        refused(register_windows(bus, "web2", WITH_DASHES, &w, 1, NO_UID, NULL, &error), &error, "MachineExists",
                       GOOD_UUID "|unregister", "its UUID is taken, with dashes");
        tap_eq(count_machines(bus), 1, "there is one machine");
        went_well(unregister(bus, path, &error), &error, "it is unregistered");
        went_well(register_windows(bus, "web1", GOOD_UUID, &w, 1, NO_UID, NULL, &error), &error, "name and UUID are free again");
        went_well(unregister(bus, path, &error), &error, "and it is gone again");
}

static void test_totals(const Host *h, sd_bus *bus) {
        _cleanup_free_ char *one = register_small(bus, "one", 1, NO_UID), *two = register_small(bus, "two", 1, NO_UID), *three = NULL;
        TestWindow small = small_window(0), large = { "pci", "pci.0", 1, 0, 512 << 20, 12, 0, -1 };
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int before = settled_fds(h->tced_pid);

        /* 1 MiB of TCEs each: two of them are more than TableBytesMax. */
        went_well(register_windows(bus, "three", "", &large, 1, NO_UID, &three, &error), &error, "the third machine");
        refused(register_windows(bus, "four", "", &small, 1, NO_UID, NULL, &error), &error, "LimitExceeded",
                       "MachinesMax=3|3 are taken|tced.conf", "a fourth is one too many");
        (void) unregister(bus, two, NULL);
        refused(register_windows(bus, "four", "", &large, 1, NO_UID, NULL, &error), &error, "LimitExceeded", "TableBytesMax=1572864",
                       "more bytes than there may be in all");
        (void) unregister(bus, three, NULL);
        went_well(register_windows(bus, "four", "", &large, 1, NO_UID, NULL, &error), &error, "there is room again");
        free(three);
        three = find_machine(bus, "four");
        (void) unregister(bus, three, NULL);
        (void) unregister(bus, one, NULL);
        /* What a user registers is held by a pidfd besides its memfd. */
        before -= geteuid() == 0 ? 2 : 4;
        tap_eq(wait_fds(h->tced_pid, before), before, "all fds are closed");
        tap_eq(count_machines(bus), 0, "no machine is left");
}

/* Names and UUIDs in every form that leads to it. */
static void test_find(sd_bus *bus) {
        static const struct {
                const char *wanted;
                bool there;
        } cases[] = {
                { "web1", true }, { GOOD_UUID, true }, { WITH_DASHES, true }, { "0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0", true },
                { "0F1E2D3C4B5A69788796A5B4C3D2E1F0", true }, { "WEB1", false }, { "web", false }, { "", false }, { "web11", false },
                { "0f1e2d3c4b5a69788796a5b4c3d2e1f", false }, { "/org/tced1/machine/" GOOD_UUID, false },
        };
        TestWindow w = small_window(0);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *path = NULL, *uuid = NULL;

        went_well(register_windows(bus, "web1", "0F1E2D3C-4B5A-6978-8796-a5b4c3d2e1f0", &w, 1, NO_UID, &path, &error), &error,
                         "a UUID in upper case with dashes is taken");
        tap_streq(path, TCED_MACHINE_PREFIX "/" GOOD_UUID, "the path has it in lower case without dashes");
        uuid = get_string(bus, path, TCED_INTERFACE_MACHINE, "Uuid");
        tap_streq(uuid, GOOD_UUID, "the property as well");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *found = find_machine(bus, cases[i].wanted);

                tap_streq(found, cases[i].there ? path : NULL, "GetMachine '%s'", cases[i].wanted);
        }
        refused(call_manager(bus, "GetMachine", &error, "s", "nobody"), &error, "NoSuchMachine", "nobody|tcectl machines",
                       "a machine that there is not");
        refused(call_manager(bus, "GetMachineByPID", &error, "u", 0U), &error, "NoSuchMachine", "of process",
                       "this process has claimed none");
        went_well(claim(bus, path, &error), &error, "it is claimed");
        went_well(call_manager(bus, "GetMachineByPID", &error, "u", 0U), &error, "by PID 0: the caller");
        went_well(call_manager(bus, "GetMachineByPID", &error, "u", (unsigned) getpid()), &error, "by its PID");
        refused(call_manager(bus, "GetMachineByPID", &error, "u", 1U), &error, "NoSuchMachine", "of process 1", "another's PID");
        refused(call_manager(bus, "GetMachineByPID", &error, "u", UINT32_MAX), &error, "NoSuchMachine", "", "no PID at all");
        (void) unregister(bus, path, NULL);
        tap_ok(!get_string(bus, path, TCED_INTERFACE_MACHINE, "Name"), "its object is gone with it");
}

/* A window for each kind: what the table says of itself is what was asked for. */
static void test_table_object(sd_bus *bus) {
        TestWindow w = { "vfio", "0001:00:00.0", 0x80000001, UINT64_C(1) << 59, UINT64_C(1) << 30, 16, 1, 9 };
        _cleanup_free_ char *path = NULL, *kind = NULL, *device = NULL, *placement = NULL, *state = NULL, *reason = NULL, *rule = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        char table[128];

        went_well(register_windows(bus, "vm", "", &w, 1, NO_UID, &path, &error), &error, "a window of VFIO");
        (void) snprintf(table, sizeof(table), "%s/table/80000001", path ? path : "");
        kind = get_string(bus, table, TCED_INTERFACE_TABLE, "Kind");
        device = get_string(bus, table, TCED_INTERFACE_TABLE, "Device");
        placement = get_string(bus, table, TCED_INTERFACE_TABLE, "Placement");
        state = get_string(bus, table, TCED_INTERFACE_TABLE, "State");
        reason = get_string(bus, table, TCED_INTERFACE_TABLE, "Reason");
        rule = get_string(bus, table, TCED_INTERFACE_TABLE, "Rule");
        tap_ok(kind && streq(kind, "vfio") && device && streq(device, "0001:00:00.0"), "kind and device");
        tap_streq(placement, "user", "without KVM it is in the VMM");
        tap_streq(reason, "no-kvm", "and why");
        tap_streq(state, "ready", "its memfd waits");
        tap_streq(rule, "", "no rule was for it");
        tap_eq(get_number(bus, table, TCED_INTERFACE_TABLE, "BusOffset", 't'), INT64_C(1) << 59, "bus offset");
        tap_eq(get_number(bus, table, TCED_INTERFACE_TABLE, "Size", 't'), 1 << 30, "size");
        tap_eq(get_number(bus, table, TCED_INTERFACE_TABLE, "PageShift", 'u'), 16, "page shift");
        tap_eq(get_number(bus, table, TCED_INTERFACE_TABLE, "Entries", 't'), 1 << 14, "entries");
        tap_eq(get_number(bus, table, TCED_INTERFACE_TABLE, "Bytes", 't'), 1 << 17, "bytes");
        tap_eq(get_number(bus, table, TCED_INTERFACE_TABLE, "Group", 'i'), 9, "IOMMU group");
        tap_eq(get_number(bus, table, TCED_INTERFACE_TABLE, "Liobn", 'u'), 0x80000001, "LIOBN");
        tap_eq(get_number(bus, path, TCED_INTERFACE_MACHINE, "UserBytes", 't'), 1 << 17, "the machine's bytes in the VMM");
        tap_eq(get_number(bus, path, TCED_INTERFACE_MACHINE, "KernelBytes", 't'), 0, "the machine's bytes in the kernel");
        tap_eq(get_number(bus, path, TCED_INTERFACE_MACHINE, "Pid", 'u'), 0, "no process yet");
        (void) snprintf(table, sizeof(table), "%s/table/80000002", path ? path : "");
        tap_ok(get_number(bus, table, TCED_INTERFACE_TABLE, "Liobn", 'u') < 0, "a table that there is not");
        (void) unregister(bus, path, NULL);
}

static void test_no_windows(sd_bus *bus) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = NULL;

        went_well(register_windows(bus, "bare", "", NULL, 0, NO_UID, &path, &error), &error, "a machine without a window");
        went_well(claim(bus, path, &error), &error, "can be claimed");
        went_well(acquire(bus, path, NULL, 0, &error, &reply), &error, "has no table to give");
        (void) unregister(bus, path, NULL);
}

static void test_connection(const Host *h, sd_bus *bus, const char *where) {
        test_bad(h, bus, where);
        test_taken(bus);
        test_totals(h, bus);
        test_find(bus);
        test_table_object(bus);
        test_no_windows(bus);
}

int main(void) {
        _cleanup_bus_ sd_bus *bus = NULL, *peer = NULL;
        Host h;

        host_init(&h, 100);
        host_write(&h, "root/etc/tced/tced.conf", "%s", limits);
        if (!host_start_bus(&h)) {
                tap_skip("there is no dbus-daemon", "registering");
                host_done(&h);
                return tap_done();
        }
        if (!host_start_tced(&h, NULL))
                bail_out("tced does not start");
        bus = open_bus(&h);
        peer = open_peer(&h);
        wait_probed(bus);
        /* Both connections are there from now on. */
        warm_up(peer);
        warm_up(bus);
        test_connection(&h, bus, "the bus");
        test_connection(&h, peer, "the private socket");
        host_done(&h);
        return tap_done();
}
