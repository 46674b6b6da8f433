/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The limits of tced.conf over the bus: who is at one is refused by its name, others go on, what is given back can be had again, and root
 * knows no limit of users. test-users.c has those of machines and bytes, test-connections.c those of connections. */

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "domain.h"
#include "polkit.h"
#include "tap.h"

/* Her own group is the one that may register; others are made members. Bob is nobody that the bus would know: he uses the socket. */
#define ALICE 65534
#define BOB 65533

static const gid_t group = ALICE;

/* Those that wait for a host to be proven, which hangs. */
typedef struct Waiting {
        unsigned asked, good, refused;
        char text[256]; /* of the last that was refused */
} Waiting;

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        Waiting *w = userdata;

        w->good += !e;
        w->refused += e != NULL;
        if (e)
                (void) snprintf(w->text, sizeof(w->text), "%s: %s", e->name, e->message);
        return 0;
}

/* A peer says each time that it is another: what a bus would write there is for it to write. */
static void ask(sd_bus *bus, bool on_bus, const char *name, Waiting *w) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        static unsigned n;
        char sender[16];

        (void) snprintf(sender, sizeof(sender), ":1.%u", 1000 + n++);
        if (sd_bus_message_new_method_call(bus, &m, on_bus ? TCED_BUS_NAME : NULL, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "RegisterMachine") >= 0 &&
            (on_bus || sd_bus_message_set_sender(m, sender) >= 0) &&
            sd_bus_message_append(m, "ssa(ssuttubi)a{sv}t", name, "", 0, 0, UINT64_C(0)) >= 0)
                (void) sd_bus_call_async(bus, NULL, m, on_answer, w, 0);
        w->asked++;
        (void) sd_bus_flush(bus);
}

/* Until so many are answered, or all. */
static void wait_for(sd_bus *bus, const Waiting *w, unsigned good, unsigned bad) {
        while ((w->good < good || w->refused < bad) && w->good + w->refused < w->asked)
                if (sd_bus_process(bus, NULL) == 0 && sd_bus_wait(bus, HARNESS_PATIENCE * UINT64_C(1000000)) <= 0)
                        return;
}

static bool has_all(const char *text, const char *one, const char *two) {
        return strstr(text, one) && strstr(text, two);
}

/* Two requests of a process and five of a user may wait. What it sees is told by a byte each. */
static void alice_waits(int fd, void *userdata) {
        sd_bus *peer = open_peer(userdata), *second = open_peer(userdata), *bus = open_bus(userdata), *last = open_bus(userdata);
        Waiting of_peer = {}, of_second = {}, of_bus = {}, of_last = {};
        bool right;

        for (unsigned i = 0; i < 3; i++)
                ask(peer, false, (const char *const[]){ "a1", "a2", "a3" }[i], &of_peer);
        wait_for(peer, &of_peer, 0, 1);
        right = of_peer.good == 0 && has_all(of_peer.text, "LimitExceeded: RequestsPerMachineMax=2 would be exceeded: 2 requests of your process",
                                             "raise it in tced.conf");
        /* Over another connection it is the same VM. */
        ask(second, false, "a7", &of_second);
        wait_for(second, &of_second, 0, 1);
        right = right && has_all(of_second.text, "RequestsPerMachineMax=2 would be exceeded: 2 requests of your process", "raise it");
        actor_say(fd, right ? 'm' : '?');
        /* The bus tells names, not processes. */
        for (unsigned i = 0; i < 3; i++)
                ask(bus, true, (const char *const[]){ "a4", "a5", "a8" }[i], &of_bus);
        wait_for(bus, &of_bus, 0, 1);
        right = of_bus.good == 0 && has_all(of_bus.text, "RequestsPerMachineMax=2 would be exceeded: 2 requests of this connection", "raise it");
        actor_say(fd, right ? 'n' : '?');
        for (unsigned i = 0; i < 2; i++)
                ask(last, true, (const char *const[]){ "a9", "a10" }[i], &of_last);
        wait_for(last, &of_last, 0, 1);
        right = of_last.good == 0 && has_all(of_last.text, "LimitExceeded: RequestsPerUserMax=5 would be exceeded: 5 requests of your user", "wait for some");
        actor_say(fd, right ? 'u' : '?');
        (void) actor_listen(fd);
        wait_for(peer, &of_peer, 2, 1);
        wait_for(bus, &of_bus, 2, 1);
        wait_for(last, &of_last, 1, 1);
        actor_say(fd, of_peer.good == 2 && of_bus.good == 2 && of_last.good == 1 ? 'g' : '?');
        of_peer = (Waiting) {};
        ask(peer, false, "a6", &of_peer);
        wait_for(peer, &of_peer, 1, 0);
        actor_say(fd, of_peer.good == 1 ? 'a' : '?');
        (void) actor_listen(fd);
        (void) sd_bus_flush_close_unref(second);
        (void) sd_bus_flush_close_unref(last);
}

static void bob_waits(void *userdata) {
        _cleanup_bus_ sd_bus *bus = open_peer(userdata);
        Waiting w = {};

        ask(bus, false, "b1", &w);
        wait_for(bus, &w, 1, 0);
        tap_ok(w.good == 1, "another user's request waits, and is answered: %s", w.text);
}

static void alice_proves(int fd, void *userdata) {
        sd_bus *bus = open_bus(userdata);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = call_manager(bus, "Probe", &error, "bt", 0, UINT64_C(0));

        actor_say(fd, r >= 0 || strstr(error.name, "ProbeFailed") || strstr(error.name, "TimedOut") ? 'd' : 'n');
}

/* What polkit has allowed is counted until it is answered, whatever comes on the bus meanwhile. */
static void test_allowed(Host *h, sd_bus *root) {
        Actor polkit = polkit_start(h, "yes"), alice = actor_start(ALICE, alice_proves, h);
        bool running = false;

        for (unsigned i = 0; i < HARNESS_PATIENCE * 50 && !running; i++) {
                _cleanup_free_ char *state = get_string(root, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "ProbeState");

                running = state && streq(state, "running");
                (void) usleep(20 * 1000);
        }
        tap_ok(running, "polkit allows a user to have the host proven, which hangs");
        tap_eq(usage_of(root, "RequestsMax"), 1, "that is a request in flight");
        tap_eq(actor_hear(&alice), 'd', "and answered");
        tap_eq(usage_of(root, "RequestsMax"), 0, "when it is none any more");
        (void) actor_end(&alice);
        actor_kill(&polkit);
}

static void test_requests(Host *h) {
        static const char *const env[] = { "TCED_FAKE_KVM=hang", NULL };
        _cleanup_bus_ sd_bus *root = NULL, *peer = NULL;
        char options[4][96];
        const char *argv[] = { getenv("TCED_ON_FAKE_KVM"), options[0], options[1], options[2], options[3], NULL };
        static const char *const names[] = { "r1", "r2", "r3", "r4", "r5" };
        Waiting w = {};
        Actor alice;

        host_write(h, "root/etc/tced/tced.conf", "[Manager]\nGroup=%s\n[Probe]\nTimeoutSec=4\n"
                   "[Limits]\nRequestsMax=12\nRequestsPerUserMax=5\nRequestsPerMachineMax=2\n", getgrgid(group)->gr_name);
        (void) snprintf(options[0], sizeof(options[0]), "--socket=%s", h->socket);
        (void) snprintf(options[1], sizeof(options[1]), "--config-root=%s/root", h->dir);
        (void) snprintf(options[2], sizeof(options[2]), "--sys=%s/sys", h->dir);
        (void) snprintf(options[3], sizeof(options[3]), "--dev=%s/dev", h->dir);
        if (!tap_ok(host_spawn_tced(h, &(Spawn) { .argv = argv, .env = env }), "a host where making a VM hangs"))
                return;
        root = open_bus(h);
        peer = open_peer(h);
        alice = actor_start(ALICE, alice_waits, h);
        tap_eq(actor_hear(&alice), 'm', "a process has no more requests waiting than RequestsPerMachineMax, on one connection or more");
        tap_eq(actor_hear(&alice), 'n', "nor one on the bus");
        tap_eq(actor_hear(&alice), 'u', "a user has no more waiting than RequestsPerUserMax, on whatever connections");
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                ask(peer, false, names[i], &w);
        run_as(BOB, &group, 1, bob_waits, h);
        wait_for(peer, &w, 5, 0);
        tap_eq(w.good, 5, "root has more of them waiting: %s", w.text);
        actor_tell(&alice, 'g');
        tap_eq(actor_hear(&alice), 'g', "those that waited are answered");
        tap_eq(actor_hear(&alice), 'a', "and others may wait");
        tap_eq(usage_of(root, "RequestsMax"), 0, "none is left in the count");
        actor_tell(&alice, 'e');
        (void) actor_end(&alice);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_free_ char *path = find_machine(root, names[i]);
                (void) unregister(root, path, NULL);
        }
        test_allowed(h, root);
        /* In all, whoever it is. */
        w = (Waiting) { .asked = 14 };
        for (unsigned i = 0; i < w.asked; i++)
                (void) sd_bus_call_method_async(peer, NULL, NULL, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "Probe", on_answer, &w, "bt", 0, UINT64_C(0));
        wait_for(peer, &w, 0, 2);
        tap_ok(has_all(w.text, "LimitExceeded: RequestsMax=12 would be exceeded: 12 requests wait", "raise it in tced.conf"), "'%s'", w.text);
        tap_eq(usage_of(root, "RequestsMax"), 12, "they can be seen in Usage");
        /* Who asked is gone; its requests are not, until they are done. */
        (void) sd_bus_flush(peer);
        peer = sd_bus_close_unref(peer);
        tap_eq(usage_of(root, "RequestsMax"), 12, "to hang up gives none of them back");
        host_stop_tced(h);
}

/* Two machines with so many tables; 'y': that was as it should be. */
static void alice_has_tables(int fd, void *userdata) {
        sd_bus *bus = open_peer(userdata);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        TestWindow w[5];
        bool right;

        for (unsigned i = 0; i < ELEMENTSOF(w); i++)
                w[i] = small_window(i);
        right = is_refused(register_windows(bus, "alice", "", w, 5, NO_UID, NULL, &error), &error, "LimitExceeded",
                           "TablesPerUserMax=4 would be exceeded|0 are taken, 5 more");
        free(register_small(bus, "alice", 3, NO_UID));
        right = right && is_refused(register_windows(bus, "more", "", w, 2, NO_UID, NULL, &error), &error, "LimitExceeded",
                                    "TablesPerUserMax=4 would be exceeded|3 are taken, 2 more|end VMs or raise it");
        right = right && register_windows(bus, "one", "", w, 1, NO_UID, NULL, &error) == 0;
        actor_say(fd, right ? 'y' : 'n');
        (void) actor_listen(fd);
}

static void bob_has_tables(void *userdata) {
        _cleanup_bus_ sd_bus *bus = open_peer(userdata);

        free(register_small(bus, "bob", 4, NO_UID));
        tap_eq(count_machines(bus), 1, "another user has as many");
}

static void test_tables(Host *h, sd_bus *root) {
        Actor alice = actor_start(ALICE, alice_has_tables, h);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *path = NULL, *other = NULL;
        TestWindow w[2] = { small_window(0), small_window(1) };

        tap_eq(actor_hear(&alice), 'y', "a user has no more tables than TablesPerUserMax, in one VM or in more");
        run_as(BOB, &group, 1, bob_has_tables, h);
        for (unsigned i = 0; i < 100 && usage_of(root, "TablesMax") > 4; i++)
                (void) usleep(50000);
        tap_eq(usage_of(root, "TablesMax"), 4, "Usage counts them; those of a user who is gone are gone");
        path = register_small(root, "root", 5, NO_UID);
        refused(register_windows(root, "more", "", w, 2, NO_UID, NULL, &error), &error, "LimitExceeded",
                "TablesMax=10 would be exceeded|9 are taken, 2 more", "root has more, and not more than TablesMax");
        tap_eq(usage_of(root, "MachinesMax"), 3, "nothing of what was refused is counted");
        (void) unregister(root, path, NULL);
        went_well(register_windows(root, "more", "", w, 2, NO_UID, &other, &error), &error, "what is given back can be had again");
        (void) unregister(root, other, NULL);
        actor_tell(&alice, 'e');
        (void) actor_end(&alice);
}

/* Two tables of 4 KiB are what a user may have; 'y': that was as it should be. */
static void alice_has_bytes(int fd, void *userdata) {
        sd_bus *bus = open_peer(userdata);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        TestWindow w[3] = { small_window(0), small_window(1), small_window(2) };
        bool right;

        right = is_refused(register_windows(bus, "alice", "", w, 3, NO_UID, NULL, &error), &error, "LimitExceeded",
                           "TableBytesPerUserMax=8192 would be exceeded|0 are taken, 12288 more");
        free(register_small(bus, "alice", 2, NO_UID));
        right = right && is_refused(register_windows(bus, "more", "", w, 1, NO_UID, NULL, &error), &error, "LimitExceeded",
                                    "TableBytesPerUserMax=8192 would be exceeded|8192 are taken, 4096 more");
        actor_say(fd, right ? 'y' : 'n');
        (void) actor_listen(fd);
}

static void bob_has_bytes(void *userdata) {
        _cleanup_bus_ sd_bus *bus = open_peer(userdata);

        free(register_small(bus, "bob", 2, NO_UID));
        tap_eq(count_machines(bus), 1, "another user has as many");
}

static void test_bytes(Host *h, sd_bus *root) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        TestWindow w[2] = { small_window(0), small_window(1) };
        _cleanup_free_ char *path = NULL;
        Actor alice;

        host_write(h, "root/etc/tced/tced.conf", "[Manager]\nGroup=%s\n[Limits]\nTableBytesMax=16K\nTableBytesPerUserMax=8K\n",
                   getgrgid(group)->gr_name);
        went_well(call_manager(root, "Reload", &error, ""), &error, "limits of bytes");
        alice = actor_start(ALICE, alice_has_bytes, h);
        tap_eq(actor_hear(&alice), 'y', "a user has no more bytes than TableBytesPerUserMax, in one VM or in more");
        run_as(BOB, &group, 1, bob_has_bytes, h);
        for (unsigned i = 0; i < 100 && usage_of(root, "TableBytesMax") > 8192; i++)
                (void) usleep(50000);
        tap_eq(usage_of(root, "TableBytesMax"), 8192, "Usage counts them; those of a user who is gone are gone");
        path = register_small(root, "root", 1, NO_UID);
        refused(register_windows(root, "more", "", w, 2, NO_UID, NULL, &error), &error, "LimitExceeded",
                "TableBytesMax=16384 would be exceeded|12288 are taken, 8192 more", "root has no more than TableBytesMax either");
        (void) unregister(root, path, NULL);
        actor_tell(&alice, 'e');
        (void) actor_end(&alice);
}

static void nobody_plans(void *userdata) {
        const char *const *texts = userdata;
        _cleanup_bus_ sd_bus *bus = open_address(texts[0], true);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *json = NULL;

        refused(plan_domain(bus, texts[1], NULL, &error, &json), &error, "LimitExceeded", "DomainBytesMax=8192|<metadata>|raise it in tced.conf",
                "XML of more than DomainBytesMax is not planned");
        refused(plan_domain(bus, texts[2], texts[1], &error, &json), &error, "LimitExceeded", "DomainBytesMax=8192", "nor attached");
        went_well(plan_domain(bus, texts[2], NULL, &error, &json), &error, "less is");
}

static void test_domain_bytes(Host *h, sd_bus *root) {
        char comment[10000];
        TestDomain d = { .name = "a", .uuid = UUID_A }, large = d;
        _cleanup_free_ char *small = domain_xml(&d), *text = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        memset(comment, 'x', sizeof(comment));
        memcpy(comment, "<!--", 4);
        memcpy(comment + sizeof(comment) - 4, "-->", 4);
        large.devices = comment;
        text = domain_xml(&large);
        run_as(ALICE, NULL, 0, nobody_plans, ((const char *[]){ h->address, text, small }));
        refused(register_domain(root, &large, 0, &error, NULL, NULL), &error, "LimitExceeded", "DomainBytesMax=8192", "nor is it registered by root");
        went_well(register_domain(root, &d, 0, &error, NULL, NULL), &error, "less is");
        went_well(release_domain(root, &large, &error), &error, "what is larger can be given back all the same");
        tap_eq(count_machines(root), 0, "it is");
}

static void fill_up(const char *path) {
        char block[4096] = "";
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        while (fd >= 0 && write(fd, block, sizeof(block)) > 0)
                ;
        (void) close(fd);
}

/* What a restart needs is in a file system that is full: VMs go on and come, a finding says so, and it ends when there is room again. */
static void test_full_run(Host *h) {
        _cleanup_free_ char *where = NULL, *filler = NULL, *state = NULL, *text = NULL, *later = NULL;
        const char *extra[2] = {};

        if (asprintf(&where, "%s/small", h->dir) < 0 || asprintf(&filler, "%s/filler", where) < 0 ||
            asprintf(&state, "--state=%s/state", where) < 0)
                bail_out("no memory");
        host_mkdir(h, "small");
        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", where, "tmpfs", MS_NOSUID | MS_NODEV, "size=512k") < 0) {
                tap_skip("no file system can be mounted here", "a full /run");
                return;
        }
        extra[0] = state;
        if (tap_ok(host_start_tced(h, extra), "a state in a file system of 512 KiB")) {
                _cleanup_bus_ sd_bus *bus = open_bus(h);
                sd_bus_error error = SD_BUS_ERROR_NULL;
                TestWindow w[64];

                /* More than what is left of the page that the file has. */
                for (unsigned i = 0; i < ELEMENTSOF(w); i++)
                        w[i] = small_window(i);
                fill_up(filler);
                went_well(register_windows(bus, "one", "", w, ELEMENTSOF(w), NO_UID, NULL, &error), &error, "it is full: a VM is registered");
                tap_ok(host_log_has(h, "No space left on device"), "the log says so");
                text = describe_text(bus);
                tap_ok(strstr(text, "state-not-kept") != NULL, "so does a finding");
                (void) unlink(filler);
                went_well(register_windows(bus, "two", "", w, 1, NO_UID, NULL, &error), &error, "there is room again");
                later = describe_text(bus);
                tap_ok(!strstr(later, "state-not-kept"), "the finding is gone");
        }
        host_kill_tced(h);
        if (tap_ok(host_restart_tced(h, extra), "killed, it is started again")) {
                _cleanup_bus_ sd_bus *bus = open_bus(h);

                tap_eq(count_machines(bus), 2, "both VMs are there, that of the full time too");
        }
        host_stop_tced(h);
        (void) umount2(where, MNT_DETACH);
}

static rlim_t address_space(pid_t pid) {
        char path[64], text[256];

        (void) snprintf(path, sizeof(path), "/proc/%d/statm", (int) pid);
        if (read_file_at(AT_FDCWD, path, text, sizeof(text)) <= 0)
                bail_out("%s can't be read", path);
        return strtoul(text, NULL, 10) * (rlim_t) sysconf(_SC_PAGESIZE);
}

/* Address space that is used up, for real: what it can't do is refused, and it goes on when there is some again. */
static void test_no_memory(Host *h) {
        _cleanup_bus_ sd_bus *bus = open_bus(h), *peer = open_peer(h);
        struct rlimit limit, all;
        unsigned good = 0, bad = 0;

        /* A sanitizer can't do without, and ends the program. */
        if (keeps_what_is_freed()) {
                if (under_valgrind())
                        tap_skip("valgrind's own memory would be within the limit, and it ends the program without", "no address space");
                return;
        }
        /* What a start still has to do may take it in vain, which ends it. */
        wait_probed(bus);
        if (prlimit(h->tced_pid, RLIMIT_AS, NULL, &all) < 0)
                bail_out("prlimit: %s", strerror(errno));
        limit = all;
        /* Messages can be read for a while: without any, a bus that is lost and can't be connected to again is the end (test-bus-lost). */
        limit.rlim_cur = address_space(h->tced_pid) + (256 << 10);
        if (prlimit(h->tced_pid, RLIMIT_AS, &limit, NULL) < 0)
                bail_out("prlimit: %s", strerror(errno));
        for (unsigned i = 0; i < 40; i++) {
                sd_bus_error error = SD_BUS_ERROR_NULL;
                TestWindow w[40];
                char name[16];
                int r;

                for (unsigned j = 0; j < ELEMENTSOF(w); j++)
                        w[j] = small_window(j);
                (void) snprintf(name, sizeof(name), "vm%u", i);
                r = register_windows(i % 2 ? bus : peer, name, "", w, ELEMENTSOF(w), NO_UID, NULL, &error);
                good += r >= 0;
                bad += r < 0;
                if (r < 0 && bad == 1)
                        printf("# %s: %s\n", error.name, error.message);
                sd_bus_error_free(&error);
        }
        if (prlimit(h->tced_pid, RLIMIT_AS, &all, NULL) < 0)
                bail_out("prlimit: %s", strerror(errno));
        tap_ok(kill(h->tced_pid, 0) == 0 && bad > 0, "without memory %u VMs were registered, %u refused", good, bad);
        {
                _cleanup_bus_ sd_bus *fresh = open_bus(h);

                tap_eq(count_machines(fresh), good, "it goes on, and has those that it said it has");
        }
}

int main(void) {
        Host h;

        host_init(&h, 110);
        if (geteuid() != 0 || !getgrgid(group)) {
                tap_skip("only root can be other users", "limits");
                host_done(&h);
                return tap_done();
        }
        host_write(&h, "dev/kvm", "%s", "");
        if (!host_start_bus(&h)) {
                tap_skip("there is no dbus-daemon", "limits");
                host_done(&h);
                return tap_done();
        }
        test_requests(&h);
        host_remove(&h, "dev/kvm");
        host_write(&h, "root/etc/tced/tced.conf", "[Manager]\nGroup=%s\n[Limits]\nTablesMax=10\nTablesPerUserMax=4\nDomainBytesMax=8K\n",
                   getgrgid(group)->gr_name);
        if (!host_start_tced(&h, NULL))
                bail_out("tced does not start");
        {
                _cleanup_bus_ sd_bus *root = open_bus(&h);

                test_tables(&h, root);
                test_domain_bytes(&h, root);
                test_bytes(&h, root);
        }
        host_stop_tced(&h);
        host_write(&h, "root/etc/tced/tced.conf", "%s", "");
        test_full_run(&h);
        if (!host_start_tced(&h, NULL))
                bail_out("tced does not start");
        test_no_memory(&h);
        host_done(&h);
        return tap_done();
}
