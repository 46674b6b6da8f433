/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Windows that are opened while a VM runs (AcquireWindow): where they go, a fresh memfd each time, what they are booked for. The daemon is the
 * real one with a KVM that is not (fake-kvm.c). */

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "tap.h"

enum { VIO, FAST, SLOW, MUST, _TABLES };

static const TestWindow windows[_TABLES] = {
        [VIO] = { "vio", "vio", 0x71000000, 0, 1 << 20, 12, 0, -1 },
        [FAST] = { "pci", "fast", 0x80000000, 0, 1 << 20, 12, 0, -1 },
        [SLOW] = { "pci", "slow", 0x80000100, 0, 1 << 20, 12, 0, -1 },
        [MUST] = { "pci", "must", 0x80000200, 0, 1 << 20, 12, 0, -1 },
};

typedef struct Opened {
        char placement[16], reason[24];
        int fd; /* a copy; -1: none came */
} Opened;

static int open_window(sd_bus *bus, const char *path, uint32_t liobn, uint32_t shift, uint64_t offset, uint64_t entries, int32_t refused,
                       Opened *ret, sd_bus_error *error) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *placement, *reason;
        int r, fd;

        *ret = (Opened) { .fd = -1 };
        r = call(bus, path, TCED_INTERFACE_MACHINE, "AcquireWindow", error, &reply, "uuttit", liobn, shift, offset, entries, refused,
                 UINT64_C(0));
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "ss", &placement, &reason);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "h");
        if (r < 0)
                return r;
        (void) snprintf(ret->placement, sizeof(ret->placement), "%s", placement);
        (void) snprintf(ret->reason, sizeof(ret->reason), "%s", reason);
        if (sd_bus_message_read(reply, "h", &fd) > 0)
                ret->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return 0;
}

static bool is_fresh(int fd, uint64_t bytes) {
        struct stat st;
        uint64_t *map;
        bool good;

        if (fstat(fd, &st) < 0 || (uint64_t) st.st_size < bytes || fcntl(fd, F_GET_SEALS) < 0)
                return false;
        map = mmap(NULL, (size_t) bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED)
                return false;
        good = map[0] == 0 && map[bytes / 8 - 1] == 0;
        map[0] = map[bytes / 8 - 1] = UINT64_C(0x1234567890abc003);
        (void) munmap(map, (size_t) bytes);
        return good;
}

static void test_places(sd_bus *bus, const char *path) {
        static const struct {
                const char *name, *placement, *reason;
                uint32_t liobn, shift;
                uint64_t offset, entries;
        } cases[] = {
                { "a planned one, once more", "kernel", "in-kernel", 0x71000000, 12, 0, 256 },
                { "a planned one in the VMM", "user", "rule-user", 0x80000100, 12, 0, 256 },
                { "a 64-bit one of a PHB in the kernel", "kernel", "in-kernel", 0x80000001, 16, UINT64_C(1) << 59, 1 << 12 },
                { "a 64-bit one of a PHB in the VMM", "user", "rule-user", 0x80000101, 24, UINT64_C(1) << 59, 128 },
                { "one at the place of a PHB's default window", "user", "rule-user", 0x80000100, 16, 0, 1 << 12 },
                { "one of a PHB that was plugged", "kernel", "in-kernel", 0x80000500, 12, 0, 256 },
                { "one of a VIO device that nobody told of", "kernel", "in-kernel", 0x71000007, 12, 0, 256 },
                { "one that a rule names by its LIOBN", "user", "rule-user", 0x80000601, 16, UINT64_C(1) << 59, 256 },
        };
        int tables = (int) get_number(bus, path, TCED_INTERFACE_MACHINE, "UserBytes", 't');

        for (size_t round = 0; round < 2; round++)
                for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                        sd_bus_error error = SD_BUS_ERROR_NULL;
                        bool user = streq(cases[i].placement, "user");
                        Opened o;

                        went_well(open_window(bus, path, cases[i].liobn, cases[i].shift, cases[i].offset, cases[i].entries, 0, &o, &error), &error,
                                  "%s", cases[i].name);
                        tap_ok(streq(o.placement, cases[i].placement) && streq(o.reason, cases[i].reason), "%s: %s, %s", cases[i].name,
                               o.placement, o.reason);
                        tap_ok(user ? is_fresh(o.fd, cases[i].entries * 8) : o.fd < 0, "%s: a table without a trace of another, or none",
                               cases[i].name);
                        if (o.fd >= 0)
                                (void) close(o.fd);
                }
        tap_eq(get_number(bus, path, TCED_INTERFACE_MACHINE, "UserBytes", 't'), tables, "the plan is as it was");
}

static void test_refused(sd_bus *bus, const char *path) {
        _cleanup_free_ char *fast = NULL, *placement = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Opened o;

        refused(open_window(bus, path, 0x80000100, 12, 0, 256, ENOMEM, &o, &error), &error, "InvalidArgument", "80000100|user",
                "the kernel is not asked for one in the VMM");
        refused(open_window(bus, path, 0x80000200, 12, 0, 256, ENOMEM, &o, &error), &error, "KernelDemanded", "80000200|Cannot allocate",
                "a rule demands the kernel, which refused");
        refused(open_window(bus, path, 0x80000000, 12, 0, 256, -1, &o, &error), &error, "InvalidArgument", "-1|positive", "no errno");
        refused(open_window(bus, path, 0x80000000, 12, 0, 256, 4096, &o, &error), &error, "InvalidArgument", "4096", "nor this");
        refused(open_window(bus, path, 0x80000000, 11, 0, 256, 0, &o, &error), &error, "InvalidWindow", "80000000|2^11", "pages of 2 KiB");
        refused(open_window(bus, path, 0x80000000, 35, 0, 256, 0, &o, &error), &error, "InvalidWindow", "80000000|2^35", "pages of 32 GiB");
        refused(open_window(bus, path, 0x80000000, 12, 0, 0, 0, &o, &error), &error, "InvalidWindow", "80000000| 0 TCEs", "no TCEs");
        refused(open_window(bus, path, 0x80000000, 12, 1, 256, 0, &o, &error), &error, "InvalidWindow", "80000000|0x1", "a base amid a page");
        refused(open_window(bus, path, 0x80000000, 34, UINT64_C(1) << 63, 1 << 30, 0, &o, &error), &error, "InvalidWindow", "80000000",
                "an end beyond 2^64");
        refused(open_window(bus, path, 0x80000000, 12, 0, UINT64_C(1) << 32, 0, &o, &error), &error, "TooManyEntries", "80000000|2^32",
                "2^32 TCEs");
        refused(open_window(bus, path, 0x80000101, 12, UINT64_C(1) << 59, 1 << 18, 0, &o, &error), &error, "LimitExceeded",
                "TableBytesPerMachineMax|80000101", "more than the limit");
        went_well(open_window(bus, path, 0x80000000, 12, 0, 256, ENOMEM, &o, &error), &error, "the kernel refused one that need not be there");
        tap_ok(streq(o.placement, "user") && streq(o.reason, "kernel-refused") && is_fresh(o.fd, 2048), "it gets a memfd: %s", o.reason);
        (void) close(o.fd);
        if (asprintf(&fast, "%s/table/80000000", path) < 0)
                bail_out("no memory");
        placement = get_string(bus, fast, TCED_INTERFACE_TABLE, "Placement");
        tap_streq(placement, "user", "its table says so");
        tap_eq(get_number(bus, fast, TCED_INTERFACE_TABLE, "Error", 'i'), ENOMEM, "and why");
        went_well(open_window(bus, path, 0x80000001, 16, UINT64_C(1) << 59, 256, 0, &o, &error), &error, "another window of that PHB");
        tap_streq(o.placement, "user", "is not tried in the kernel any more");
        (void) close(o.fd);
}

/* A guest that opens and closes windows for ever is booked for the most that it had at once; the books are even when the VM is gone. */
static void test_booked(sd_bus *bus) {
        _cleanup_free_ char *path = NULL, *again = NULL;
        int64_t tables = usage_of(bus, "TablesMax"), bytes = usage_of(bus, "TableBytesMax");
        sd_bus_error error = SD_BUS_ERROR_NULL;
        unsigned good = 0;
        Opened o;

        (void) register_windows(bus, "booked", "", &windows[SLOW], 1, NO_UID, &path, NULL);
        (void) claim(bus, path, NULL);
        for (unsigned i = 0; i < 200; i++) {
                good += open_window(bus, path, 0x80000101, 12, UINT64_C(1) << 59, 1 << 16, 0, &o, NULL) >= 0 && o.fd >= 0;
                if (o.fd >= 0)
                        (void) close(o.fd);
        }
        tap_eq(good, 200, "200 times a window of half the limit");
        tap_eq(usage_of(bus, "TablesMax"), tables + 2, "its table is counted, once, beside that of the plan");
        (void) unregister(bus, path, NULL);
        tap_ok(usage_of(bus, "TablesMax") == tables && usage_of(bus, "TableBytesMax") == bytes, "neither is when the VM is gone");
        (void) register_windows(bus, "booked", "", &windows[SLOW], 1, NO_UID, &again, NULL);
        (void) claim(bus, again, NULL);
        went_well(open_window(bus, again, 0x80000101, 12, UINT64_C(1) << 59, 1 << 16, 0, &o, &error), &error, "the next VM has its own");
        if (o.fd >= 0)
                (void) close(o.fd);
        (void) unregister(bus, again, NULL);
}

int main(void) {
        Host h;

        host_init(&h, 100);
        h.tced = getenv("TCED_ON_FAKE_KVM");
        host_write(&h, "dev/kvm", "%s", "");
        host_write(&h, "root/etc/tced/tced.conf", "[Limits]\nTableBytesPerMachineMax=1M\nTableBytesMax=1100K\n");
        host_write(&h, "root/etc/tced/rules.d/10-slow.rule", "[Match]\nDevice=slow\n[Policy]\nAccel=user\n");
        host_write(&h, "root/etc/tced/rules.d/20-must.rule", "[Match]\nDevice=must\n[Policy]\nAccel=kernel\n");
        host_write(&h, "root/etc/tced/rules.d/30-liobn.rule", "[Match]\nLiobn=0x80000601\n[Policy]\nAccel=user\n");
        if (!host_start_bus(&h)) {
                tap_skip("there is no dbus-daemon", "windows");
                host_done(&h);
                return tap_done();
        }
        if (!h.tced || !host_start_tced(&h, NULL))
                bail_out("tced does not start");
        for (unsigned i = 0; i < 2; i++) {
                _cleanup_bus_ sd_bus *bus = i == 0 ? open_bus(&h) : open_peer(&h);
                _cleanup_free_ char *machine = NULL;
                sd_bus_error error = SD_BUS_ERROR_NULL;
                Opened o;

                wait_probed(bus);
                went_well(register_windows(bus, "vm", "", windows, _TABLES, NO_UID, &machine, &error), &error, "registered");
                refused(open_window(bus, machine, 0x80000001, 16, 0, 256, 0, &o, &error), &error, "NotClaimed", "vm|Claim",
                        "only who has claimed it opens windows");
                (void) claim(bus, machine, NULL);
                test_places(bus, machine);
                test_refused(bus, machine);
                (void) unregister(bus, machine, NULL);
                test_booked(bus);
        }
        host_stop_tced(&h);
        host_done(&h);
        return tap_done();
}
