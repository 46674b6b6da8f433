/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A machine's life on the bus: claimed by one process, its memfds handed out once, gone with its process; nothing of it is left in
 * the daemon. Tables in the kernel are test-report.c's. */

#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "client.h"
#include "tap.h"

#define TABLE_TYPES "ussttutsii"

/* One row of AcquireTables' answer. */
typedef struct Row {
        uint32_t liobn, page_shift;
        const char *placement, *reason, *accel;
        uint64_t bus_offset, size, entries;
        int32_t group, index;
} Row;

typedef struct Tables {
        sd_bus_message *reply; /* owns the strings and the fds */
        Row rows[64];
        size_t n;
        int fds[64];
        size_t n_fds;
        int multitce;
        uint32_t remaining;
} Tables;

static void tables_clear(Tables *t) {
        t->reply = sd_bus_message_unref(t->reply);
}

static int tables_read(Tables *t) {
        Row *row = t->rows;
        int r;

        r = sd_bus_message_enter_container(t->reply, 'a', "(" TABLE_TYPES ")");
        while (r >= 0 && t->n < ELEMENTSOF(t->rows) &&
               (r = sd_bus_message_read(t->reply, "(" TABLE_TYPES ")", &row->liobn, &row->placement, &row->reason, &row->bus_offset,
                                        &row->size, &row->page_shift, &row->entries, &row->accel, &row->group, &row->index)) > 0) {
                t->n++;
                row++;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(t->reply);
        if (r >= 0)
                r = sd_bus_message_enter_container(t->reply, 'a', "h");
        while (r >= 0 && t->n_fds < ELEMENTSOF(t->fds) && (r = sd_bus_message_read(t->reply, "h", &t->fds[t->n_fds])) > 0)
                t->n_fds++;
        if (r >= 0)
                r = sd_bus_message_exit_container(t->reply);
        return r < 0 ? r : sd_bus_message_read(t->reply, "bu", &t->multitce, &t->remaining);
}

static int tables_acquire(sd_bus *bus, const char *path, const uint32_t *liobns, size_t n, Tables *ret, sd_bus_error *error) {
        int r;

        *ret = (Tables) {};
        r = acquire(bus, path, liobns, n, error, &ret->reply);
        return r < 0 ? r : tables_read(ret);
}

/* Sealed against resizing, as long as it should be, all zero, writable. */
static bool memfd_is_good(int fd, uint64_t entries) {
        const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
        bool good = true;
        struct stat st;
        uint64_t *tces;

        if ((fcntl(fd, F_GET_SEALS) & seals) != seals || fstat(fd, &st) < 0 || (uint64_t) st.st_size < entries * 8 ||
            ftruncate(fd, 1) == 0 || ftruncate(fd, st.st_size * 2) == 0)
                return false;
        /* Filled in: nothing is left to be allocated when it is touched. */
        good = (uint64_t) st.st_blocks * 512 >= entries * 8;
        tces = mmap(NULL, (size_t) st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (tces == MAP_FAILED)
                return false;
        for (uint64_t i = 0; i < entries; i++)
                good &= tces[i] == 0;
        tces[entries - 1] = 3;
        good &= tces[entries - 1] == 3;
        (void) munmap(tces, (size_t) st.st_size);
        return good;
}

/* 20 tables: 16 in one reply, 4 in the next. */
static void test_many(const Host *h, sd_bus *bus) {
        _cleanup_free_ char *path = register_small(bus, "many", 20, NO_UID);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int registered = settled_fds(h->tced_pid), good = 0, rows = 0;
        _cleanup_(tables_clear) Tables first = {}, second = {}, third = {};

        refused(acquire(bus, path, NULL, 0, &error, NULL), &error, "NotClaimed", "many|Claim", "tables are for who has claimed it");
        went_well(claim(bus, path, &error), &error, "claimed");
        went_well(claim(bus, path, &error), &error, "claimed again by the same process");
        went_well(tables_acquire(bus, path, NULL, 0, &first, &error), &error, "all tables are asked for");
        tap_eq(first.n_fds, TCED_MAX_FDS_PER_MESSAGE, "16 fds in the first reply");
        tap_eq(first.remaining, 4, "4 tables remain");
        went_well(tables_acquire(bus, path, NULL, 0, &second, &error), &error, "the rest is asked for");
        tap_eq(second.n_fds, 4, "4 fds in the second reply");
        tap_eq(second.remaining, 0, "none remains");
        went_well(tables_acquire(bus, path, NULL, 0, &third, &error), &error, "asked for once more");
        tap_eq(third.n + third.n_fds, 0, "there is nothing more");
        for (size_t i = 0; i < first.n + second.n; i++) {
                const Tables *t = i < first.n ? &first : &second;
                const Row *row = &t->rows[i < first.n ? i : i - first.n];

                rows += row->liobn == SMALL_LIOBN + i && streq(row->placement, "user") && streq(row->reason, "no-kvm") &&
                        row->entries == 512 && row->size == 512 * 4096 && row->page_shift == 12 && row->bus_offset == 0 &&
                        streq(row->accel, "auto") && row->group == -1;
                good += row->index >= 0 && (size_t) row->index < t->n_fds && memfd_is_good(t->fds[row->index], row->entries);
        }
        tap_eq(rows, 20, "all rows say what was registered");
        tap_eq(good, 20, "all fds are memfds: sealed, filled in, zero, writable");
        /* The pidfd came, 20 memfds went. */
        tap_ok(wait_fds(h->tced_pid, registered - 19) <= registered - 19, "tced keeps no copy");
        (void) unregister(bus, path, NULL);
        tap_ok(memfd_is_good(first.fds[1], 512) == false, "what was written into a table is there still");
}

/* A VMM that lost the answer asks with the flag for what was handed out. */
static void is_listed_only(sd_bus *bus, const char *path, uint32_t liobn) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int32_t index = 0;

        went_well(call(bus, path, TCED_INTERFACE_MACHINE, "AcquireTables", &error, &reply, "aut", 1, liobn, UINT64_C(1)), &error,
                  "it is listed to who asks for what was handed out, too");
        if (reply && sd_bus_message_enter_container(reply, 'a', "(ussttutsii)") > 0 && sd_bus_message_enter_container(reply, 'r', "ussttutsii") > 0 &&
            sd_bus_message_skip(reply, "ussttutsi") > 0)
                (void) sd_bus_message_read(reply, "i", &index);
        tap_eq(index, -1, "without a memfd");
}

static void test_named(sd_bus *bus) {
        static const uint32_t two[] = { SMALL_LIOBN + 2, SMALL_LIOBN }, unknown[] = { SMALL_LIOBN + 1, 0x99 },
                              again[] = { SMALL_LIOBN + 1, SMALL_LIOBN }, twice[] = { SMALL_LIOBN + 1, SMALL_LIOBN + 1 },
                              many[9] = { SMALL_LIOBN + 1 };
        _cleanup_free_ char *path = register_small(bus, "named", 4, NO_UID), *state = NULL;
        _cleanup_(tables_clear) Tables named = {}, rest = {};
        sd_bus_error error = SD_BUS_ERROR_NULL;
        char table[128];

        (void) claim(bus, path, NULL);
        went_well(tables_acquire(bus, path, two, 2, &named, &error), &error, "two tables by their LIOBNs");
        tap_ok(named.n == 2 && named.n_fds == 2 && named.remaining == 0 && named.rows[0].liobn == two[0] && named.rows[1].liobn == two[1],
               "they come in the order that was asked for");
        refused(acquire(bus, path, unknown, 2, &error, NULL), &error, "NoSuchTable", "0x00000099|named", "a LIOBN that it has not");
        refused(acquire(bus, path, again, 2, &error, NULL), &error, "TableHandedOut", "71000000|named|never", "a table a second time");
        is_listed_only(bus, path, two[0]);
        refused(acquire(bus, path, twice, 2, &error, NULL), &error, "InvalidArgument", "71000001|twice", "a LIOBN twice in one call");
        refused(acquire(bus, path, many, 9, &error, NULL), &error, "InvalidArgument", "9 tables|4", "more than it has");
        refused(call(bus, path, TCED_INTERFACE_MACHINE, "AcquireTables", &error, NULL, "aut", 0, UINT64_C(2)), &error, "InvalidArgument",
                "pass 0", "flags");
        (void) snprintf(table, sizeof(table), "%s/table/%08x", path, SMALL_LIOBN + 1);
        state = get_string(bus, table, TCED_INTERFACE_TABLE, "State");
        tap_streq(state, "ready", "calls that fail hand out nothing");
        went_well(tables_acquire(bus, path, NULL, 0, &rest, &error), &error, "what is left");
        tap_ok(rest.n == 2 && rest.n_fds == 2, "two tables were left");
        (void) unregister(bus, path, NULL);
}

/* Every way to report a table that was never meant for the kernel. */
static void test_report_user(sd_bus *bus) {
        static const struct {
                uint32_t liobn;
                const char *placement;
                int32_t error;
                uint64_t flags;
                const char *name, *fragments;
        } cases[] = {
                { SMALL_LIOBN, "kernel", 0, 0, "InvalidArgument", "71000000|user" },
                { SMALL_LIOBN, "kernel-vfio", 0, 0, "InvalidArgument", "71000000|user" },
                { SMALL_LIOBN, "user", 0, 0, "InvalidArgument", "71000000|user" },
                { SMALL_LIOBN, "kernel", ENOMEM, 0, "InvalidArgument", "71000000|user" },
                { SMALL_LIOBN, "nowhere", 0, 0, "InvalidArgument", "nowhere" },
                { SMALL_LIOBN, "kernel", 0, 1, "InvalidArgument", "pass 0" },
                { 0x99, "kernel", 0, 0, "NoSuchTable", "00000099" },
        };
        _cleanup_free_ char *path = register_small(bus, "reported", 1, NO_UID);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        refused(call(bus, path, TCED_INTERFACE_MACHINE, "ReportTable", &error, NULL, "usit", SMALL_LIOBN, "kernel", 0, UINT64_C(0)), &error,
                "NotClaimed", "reported|Claim", "reports are of who has claimed it");
        (void) claim(bus, path, NULL);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                refused(call(bus, path, TCED_INTERFACE_MACHINE, "ReportTable", &error, NULL, "usit", cases[i].liobn, cases[i].placement,
                             cases[i].error, cases[i].flags),
                        &error, cases[i].name, cases[i].fragments, "a `user` table is reported as %s, error %d, flags %u",
                        cases[i].placement, cases[i].error, (unsigned) cases[i].flags);
        refused(call(bus, path, TCED_INTERFACE_MACHINE, "Claim", &error, NULL, "t", UINT64_C(1)), &error, "InvalidArgument", "pass 0",
                "Claim takes no flags");
        refused(call(bus, path, TCED_INTERFACE_MACHINE, "Unregister", &error, NULL, "t", UINT64_C(1)), &error, "InvalidArgument", "pass 0",
                "Unregister takes no flags");
        (void) unregister(bus, path, NULL);
}

/* What another process does, with a connection of its own. */
typedef struct Other {
        const Host *host;
        bool peer;
        const char *path;
} Other;

static sd_bus *open_other(const Other *o) {
        return o->peer ? open_peer(o->host) : open_bus(o->host);
}

/* Claims, takes a table, says how it went ('y' or 'n'), stays until it is told to go. */
static void other_claims(int fd, void *userdata) {
        const Other *o = userdata;
        sd_bus *bus = open_other(o);
        bool well = claim(bus, o->path, NULL) >= 0 && acquire(bus, o->path, (uint32_t[]){ SMALL_LIOBN }, 1, NULL, NULL) >= 0;

        actor_say(fd, well ? 'y' : 'n');
        (void) actor_listen(fd);
}

/* Claims one that is another's: the error's last letter tells which it was. */
static void other_claims_taken(int fd, void *userdata) {
        const Other *o = userdata;
        sd_bus *bus = open_other(o);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        bool refused_claim = claim(bus, o->path, &error) < 0 && streq(error.name, TCED_ERROR_PREFIX "AlreadyClaimed");

        sd_bus_error_free(&error);
        actor_say(fd, refused_claim && acquire(bus, o->path, NULL, 0, &error, NULL) < 0 &&
                              streq(error.name, TCED_ERROR_PREFIX "NotClaimed") ? 'y' : 'n');
}

static void test_processes(const Host *h, sd_bus *bus, bool peer) {
        _cleanup_signals_ Signals s = {};
        _cleanup_free_ char *path = register_small(bus, "process", 3, NO_UID);
        Other o = { h, peer, path };
        Actor a = actor_start(NO_UID, other_claims, &o), b;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        char text[256];

        signals_record(bus, &s);
        tap_eq(actor_hear(&a), 'y', "another process claims it and takes a table");
        tap_eq(get_number(bus, path, TCED_INTERFACE_MACHINE, "Pid", 'u'), a.pid, "Pid is that process's");
        b = actor_start(NO_UID, other_claims_taken, &o);
        tap_eq(actor_hear(&b), 'y', "a third can't claim it, nor have its tables");
        (void) actor_end(&b);
        refused(claim(bus, path, &error), &error, "AlreadyClaimed", "process|unregister", "nor can root, by another process");
        actor_kill(&a);
        tap_ok(signals_wait(bus, &s, "MachineRemoved /org/tced1 process\n"), "its process is killed: MachineRemoved");
        (void) snprintf(text, sizeof(text), "InterfacesRemoved /org/tced1 %s\n", path);
        tap_ok(signals_wait(bus, &s, text), "and InterfacesRemoved");
        tap_eq(count_machines(bus), 0, "the machine is gone");
        refused(claim(bus, path, &error), &error, SD_BUS_ERROR_UNKNOWN_OBJECT, "", "its object too");
}

static void test_one_each(sd_bus *bus) {
        _cleanup_free_ char *one = register_small(bus, "one", 1, NO_UID), *two = register_small(bus, "two", 1, NO_UID);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        (void) claim(bus, one, NULL);
        refused(claim(bus, two, &error), &error, "AlreadyClaimed", "another machine|one VM", "a process runs one VM");
        (void) unregister(bus, one, NULL);
        went_well(claim(bus, two, &error), &error, "when that is gone it may claim the other");
        (void) unregister(bus, two, NULL);
}

/* Sends a call whose answer takes a while, and is gone before that comes. */
static void leave_in_the_middle(int fd, void *userdata) {
        const Other *o = userdata;
        sd_bus *bus = open_other(o);
        TestWindow w[64];

        (void) sd_bus_set_method_call_timeout(bus, 1000);
        for (unsigned i = 0; i < ELEMENTSOF(w); i++) {
                w[i] = small_window(i);
                w[i].size = UINT64_C(1) << 30;
        }
        (void) register_windows(bus, o->path, "", w, ELEMENTSOF(w), NO_UID, NULL, NULL);
        actor_say(fd, 'y');
}

/* On the bus it may be gone before tced has asked who it was: then nothing is registered. What root registered else stays until it is
 * unregistered. */
static void test_disconnect(const Host *h, sd_bus *bus, bool peer, int fds) {
        unsigned quiet = 0;

        for (unsigned i = 0; i < 5; i++) {
                char name[16];
                Other o = { h, peer, name };
                Actor a;

                (void) snprintf(name, sizeof(name), "leaves%u", i);
                a = actor_start(NO_UID, leave_in_the_middle, &o);
                (void) actor_hear(&a);
                tap_eq(actor_end(&a), 0, "a client leaves in the middle of RegisterMachine");
        }
        for (unsigned i = 0; i < HARNESS_PATIENCE * 50 && quiet < 10; i++) {
                for (unsigned j = 0; j < 5; j++) {
                        _cleanup_free_ char *path = NULL;
                        char name[16];

                        (void) snprintf(name, sizeof(name), "leaves%u", j);
                        path = find_machine(bus, name);
                        if (path)
                                (void) unregister(bus, path, NULL);
                }
                quiet = count_machines(bus) == 0 && count_fds(h->tced_pid) <= fds ? quiet + 1 : 0;
                (void) usleep(20 * 1000);
        }
        tap_eq(quiet, 10, "once they are unregistered no fd stays of them");
}

static void test_two_hundred(const Host *h, sd_bus *bus, int fds) {
        unsigned good = 0;
        long before = 0, after;

        for (unsigned round = 0; round < 2; round++) {
                if (round == 1)
                        before = resident_kib(h->tced_pid);
                for (unsigned i = 0; i < 200; i++) {
                        _cleanup_free_ char *path = NULL;
                        char name[16];

                        (void) snprintf(name, sizeof(name), "vm%u", i);
                        path = register_small(bus, name, 2, NO_UID);
                        good += path != NULL;
                }
                tap_eq(count_machines(bus), 200, "200 machines are there");
                for (unsigned i = 0; i < 200; i++) {
                        _cleanup_free_ char *path = NULL;
                        char name[16];

                        (void) snprintf(name, sizeof(name), "vm%u", i);
                        path = find_machine(bus, name);
                        good += path && unregister(bus, path, NULL) >= 0;
                }
        }
        after = resident_kib(h->tced_pid);
        tap_eq(good, 800, "all were registered and unregistered, twice");
        tap_eq(count_machines(bus), 0, "none is left");
        tap_ok(wait_fds(h->tced_pid, fds) <= fds, "no fd is left");
        tap_memory(before, after, 8192, "nor memory");
}

/* A client that can't take fds learns that, and loses nothing. */
static void test_no_fds(const Host *h) {
        _cleanup_bus_ sd_bus *bus = NULL, *peer = open_peer(h);
        _cleanup_free_ char *path = register_small(peer, "nofds", 1, NO_UID), *state = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        char address[128], table[128];
        int r;

        (void) snprintf(address, sizeof(address), "unix:path=%s", h->socket);
        (void) sd_bus_new(&bus);
        (void) sd_bus_set_address(bus, address);
        (void) sd_bus_negotiate_fds(bus, 0);
        (void) sd_bus_start(bus);
        went_well(claim(bus, path, &error), &error, "a client that takes no fds claims");
        r = acquire(bus, path, NULL, 0, &error, NULL);
        tap_ok(r < 0 && error.name && !streq(error.name, SD_BUS_ERROR_NO_REPLY), "AcquireTables says that it can't: %s", error.message);
        sd_bus_error_free(&error);
        (void) snprintf(table, sizeof(table), "%s/table/%08x", path, SMALL_LIOBN);
        state = get_string(peer, table, TCED_INTERFACE_TABLE, "State");
        tap_streq(state, "ready", "the table waits still");
        went_well(acquire(peer, path, NULL, 0, &error, NULL), &error, "over another connection the process gets it");
        (void) unregister(peer, path, NULL);
}

static void test_connection(const Host *h, bool on_peer) {
        Other o = { h, on_peer, NULL };
        _cleanup_bus_ sd_bus *bus = open_other(&o);
        _cleanup_free_ char *warm_up = NULL;
        int fds;

        wait_probed(bus);
        warm_up = register_small(bus, "warm-up", 4, NO_UID);
        (void) unregister(bus, warm_up, NULL);
        /* Threads and what else is opened once are there. */
        (void) count_machines(bus);
        fds = settled_fds(h->tced_pid);
        test_many(h, bus);
        test_named(bus);
        test_report_user(bus);
        if (geteuid() == 0)
                test_processes(h, bus, on_peer);
        else
                tap_skip("only what root registers may be claimed by another process", "other processes");
        test_one_each(bus);
        test_disconnect(h, bus, on_peer, fds);
        test_two_hundred(h, bus, fds);
}

int main(void) {
        Host h;

        host_init(&h, 100);
        host_write(&h, "root/etc/tced/tced.conf", "[Limits]\nMachinesPerUserMax=1000\n");
        if (!host_start_bus(&h)) {
                tap_skip("there is no dbus-daemon", "machines");
                host_done(&h);
                return tap_done();
        }
        if (!host_start_tced(&h, NULL))
                bail_out("tced does not start");
        test_connection(&h, false);
        test_connection(&h, true);
        test_no_fds(&h);
        host_done(&h);
        return tap_done();
}
