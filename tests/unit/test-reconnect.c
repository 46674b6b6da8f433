/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libtced over the ends of its daemon, a fake that does what it is asked and hangs up in the middle of its answer (fake-tced.h): each
 * call is done once as far as its caller can tell, and no table is lost. The real daemon's ends are for tests/bus/test-reconnect-bus.c. */

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "event-loop.h"
#include "fake-tced.h"
#include "internal.h"
#include "kvm-abi.h"
#include "tap.h"

#define PATIENCE (slack() * UINT64_C(10000000))
#define DEADLINE UINT64_C(200000)
#define VM_FD 1000
#define N_USER 20U

static const struct tced_window window = {
        .kind = "vio", .device = "vlan", .liobn = FAKE_LIOBN_USER, .page_shift = 12, .size = 1 << 20, .group = -1,
};

static bool refuses;

static int fake_ioctl(int fd, unsigned long request, void *argument) {
        _cleanup_fd_ int table = -EBADF;

        if (request != KVM_CREATE_SPAPR_TCE_64 || refuses)
                return -ENOMEM;
        table = memfd_create("fake-kvm", MFD_CLOEXEC);
        return table < 0 || ftruncate(table, 65536) < 0 ? -errno : TAKE_FD(table);
}

/* All of them, each with a memfd of its own. */
static bool all_there(const struct tced_machine *m, size_t n) {
        bool good = tced_machine_n_tables(m) == n;

        for (size_t i = 0; good && i < n; i++) {
                uint64_t *map = tced_table_map(tced_machine_table(m, i));

                good = map && map[0] == 0;
                if (good)
                        map[0] = 1;
        }
        return good;
}

typedef struct Case {
        Fake fake;
        struct tced *tced;
        struct tced_machine *machine;
} Case;

static int do_register(Case *c) {
        _cleanup_(tced_machine_unrefp) struct tced_machine *m = NULL;

        return tced_register(c->tced, "web", NULL, &window, 1, TCED_OWNER_CALLER, &m);
}

static int do_register_other(Case *c) {
        struct tced_window other = window;
        struct tced_machine *m = NULL;

        other.size = 2 << 20;
        return tced_register(c->tced, "web", NULL, &other, 1, TCED_OWNER_CALLER, &m) == -EEXIST && !m ? 0 : -EIO;
}

static int do_find(Case *c) {
        _cleanup_(tced_machine_unrefp) struct tced_machine *m = NULL;

        return tced_find(c->tced, "vm", &m);
}

static int do_claim(Case *c) {
        return tced_claim(c->machine);
}

static int do_unregister(Case *c) {
        return tced_unregister(c->machine);
}

static int do_acquire(Case *c) {
        int r = tced_acquire(c->machine, VM_FD);

        return r < 0 ? r : all_there(c->machine, N_USER + 1) ? 0 : -ENODATA;
}

static int do_refused(Case *c) {
        int r;

        refuses = true;
        r = do_acquire(c);
        refuses = false;
        return r;
}

static int do_fetch(Case *c) {
        struct tced_planned *plan;
        unsigned with_fd = 0;
        size_t n;
        int r = tced_fetch_plan(c->machine, &plan, &n);

        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                with_fd += plan[i].fd >= 0;
        (void) tced_planned_free(plan, n);
        return with_fd == N_USER ? 0 : -ENODATA;
}

static int open_window(Case *c, int refused) {
        const struct tced_planned w = { .liobn = FAKE_LIOBN_KERNEL, .page_shift = 12, .entries = FAKE_PAGES };
        const char *placement;
        int fd, r = tced_open_window(c->machine, &w, refused, &placement, &fd);

        if (r >= 0 && fd >= 0)
                (void) close(fd);
        return r;
}

static int do_window(Case *c) {
        return open_window(c, 0);
}

static int do_window_refused(Case *c) {
        return open_window(c, ENOMEM);
}

static int do_group(Case *c) {
        uint32_t type;
        int container, group, r = tced_group_open(c->tced, "0001:00:00.0", &container, &group, &type);

        if (r >= 0) {
                (void) close(container);
                (void) close(group);
        }
        return r;
}

static int do_group_into(Case *c) {
        _cleanup_fd_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        int group, r = tced_group_open_into(c->tced, "0001:00:00.0", null, &group);

        if (r >= 0)
                (void) close(group);
        return r;
}

static bool begin(Case *c, const FakePlan *plan) {
        *c = (Case) {};
        if (fake_start(&c->fake, plan) < 0 || tced_connect(c->fake.address, PATIENCE, &c->tced) < 0 ||
            tced_find(c->tced, "vm", &c->machine) < 0)
                return false;
        c->tced->ioctl = fake_ioctl;
        return true;
}

static void end(Case *c) {
        (void) tced_machine_unref(c->machine);
        (void) tced_unref(c->tced);
        fake_stop(&c->fake);
}

static void test_lost_answers(void) {
        static const struct {
                const char *name, *method;
                int (*act)(Case *c);
        } cases[] = {
                { "a machine is registered", "RegisterMachine", do_register },
                { "a machine is there already, and is another one", "RegisterMachine", do_register_other },
                { "a machine is claimed", "Claim", do_claim },
                { "a machine is unregistered", "Unregister", do_unregister },
                { "tables are acquired", "AcquireTables", do_acquire },
                { "a table is reported", "ReportTable", do_acquire },
                { "a refusal is reported", "ReportTable", do_refused },
                { "tables are acquired, one refused", "AcquireTables", do_refused },
                { "the plan is fetched", "AcquireTables", do_fetch },
                { "the plan's last part is fetched", "Get", do_fetch },
                { "a window is opened", "AcquireWindow", do_window },
                { "a window is opened that the kernel refused", "AcquireWindow", do_window_refused },
                { "a group is looked for", "GetGroupByDevice", do_group },
                { "a group is opened", "Open", do_group },
                { "a group is opened into a container", "OpenInto", do_group_into },
        };
        unsigned before = count_fds();

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const FakePlan plan = { .n_user = N_USER, .n_kernel = 1, .lose = cases[i].method };
                Case c;

                if (!begin(&c, &plan))
                        return (void) tap_ok(false, "a fake");
                tap_eq(cases[i].act(&c), 0, "%s: as if the answer had come", cases[i].name);
                tap_ok(c.fake.log->n_lost == 1 && tced_get_connection_number(c.tced) == 2, "%s: though it was lost", cases[i].name);
                end(&c);
                tap_eq(count_fds(), before, "%s: no fd is left", cases[i].name);
        }
}

/* The caller's own failure in the middle of it: what came with the answer is had anew. */
static void test_own_failure(void) {
        for (unsigned i = 0; i < 2; i++) {
                const FakePlan plan = { .n_user = N_USER, .n_kernel = 1, .kernel_first = i == 1 };
                Case c;

                if (!begin(&c, &plan))
                        return (void) tap_ok(false, "a fake");
                tap_eq(tced_acquire(c.machine, -1), -EBADF, "a VMM without its VM");
                tap_eq(do_acquire(&c), 0, "gets all its tables when it has one");
                tap_eq(tced_acquire(c.machine, VM_FD), 0, "and is given none twice");
                tap_eq(tced_machine_n_tables(c.machine), N_USER + 1, "of them");
                end(&c);
        }
}

/* The plan's tables were had, and what came next failed. */
static void test_half_a_plan(void) {
        const FakePlan plan = { .n_user = N_USER, .n_kernel = 1, .fail = "Get" };
        Case c;

        if (!begin(&c, &plan))
                return (void) tap_ok(false, "a fake");
        tap_eq(do_fetch(&c), -ENOMEM, "half a plan is none");
        tap_eq(do_fetch(&c), 0, "and had as a whole afterwards");
        end(&c);
}

static void test_late(void) {
        const FakePlan plan = { .n_user = N_USER, .n_kernel = 1, .late = true };
        Case c;

        if (!begin(&c, &plan))
                return (void) tap_ok(false, "a fake");
        tced_set_timeout(c.tced, DEADLINE);
        tap_eq(tced_acquire(c.machine, VM_FD), -ETIMEDOUT, "an answer comes too late");
        tced_set_timeout(c.tced, PATIENCE);
        tap_eq(do_acquire(&c), 0, "what went with it is had anew");
        end(&c);
}

/* One that was on its socket is not looked for on the bus while it is away. */
static void test_elsewhere(void) {
        const FakePlan plan = {}, mute = { .fault = FAKE_MUTE };
        char dir[] = "/tmp/fake-run-XXXXXX", path[64];
        struct tced *t = NULL;
        Fake fake, bus;

        if (!mkdtemp(dir) || fake_start(&fake, &plan) < 0 || fake_start(&bus, &mute) < 0)
                return (void) tap_ok(false, "a fake");
        (void) snprintf(path, sizeof(path), "%s/tced", dir);
        (void) mkdir(path, 0700);
        (void) strcat(path, "/socket");
        (void) setenv("XDG_RUNTIME_DIR", dir, 1);
        (void) setenv("DBUS_SESSION_BUS_ADDRESS", bus.address, 1);
        tap_ok(symlink(fake.address + strlen("unix:path="), path) == 0 && tced_connect("user", PATIENCE, &t) == 0, "the user's tced");
        fake_stop(&fake);
        tced_set_timeout(t, DEADLINE);
        tap_eq(do_find(&(Case) { .tced = t }), -ETIMEDOUT, "is away");
        tap_eq(tced_get_connection_number(t), 1, "and nobody else is asked");
        (void) tced_unref(t);
        fake_stop(&bus);
        (void) unlink(path);
        *strrchr(path, '/') = '\0';
        (void) rmdir(path);
        (void) rmdir(dir);
}

/* Killed between two answers, and before it noted what it gave with the first. */
static void test_forgets(void) {
        static int (*const acts[])(Case *c) = { do_acquire, do_fetch };

        for (size_t i = 0; i < ELEMENTSOF(acts); i++) {
                const FakePlan plan = { .fault = FAKE_FORGETS, .n_user = N_USER, .n_kernel = 1 };
                Case c;

                if (!begin(&c, &plan))
                        return (void) tap_ok(false, "a fake");
                tap_eq(acts[i](&c), 0, "all tables are had from a tced that gives the first ones again (%s)", i == 0 ? "acquired" : "fetched");
                tap_ok(tced_get_connection_number(c.tced) == 2 && c.fake.log->n_acquire >= 3, "as it has forgotten them");
                end(&c);
        }
}

/* Fills the queue of a daemon that is stopped, says so, and lets it go on a moment later. */
static void crowd(const Fake *fake, int fd) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", fake->address + strlen("unix:path="));
        (void) kill(fake->pid, SIGSTOP);
        for (int r = 0; r == 0;)
                r = connect(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), (struct sockaddr *) &address, sizeof(address));
        (void) !write(fd, "f", 1);
        (void) usleep(DEADLINE);
        (void) kill(fake->pid, SIGCONT);
        _exit(0);
}

/* Behind a start all come at once, and the listener's queue is full for a moment: no reason to give up. */
static void test_crowd(void) {
        const FakePlan plan = {};
        int pipe_fds[2];
        pid_t pid;
        Case c;
        char f;

        if (!begin(&c, &plan) || pipe2(pipe_fds, O_CLOEXEC) < 0)
                return (void) tap_ok(false, "a fake");
        sd_bus_close(c.tced->bus);
        pid = fork();
        if (pid == 0)
                crowd(&c.fake, pipe_fds[1]);
        tap_ok(read(pipe_fds[0], &f, 1) == 1, "as many wait as can");
        tap_eq(tced_claim(c.machine), 0, "a call waits for its turn: %s", tced_last_error(c.tced));
        (void) waitpid(pid, NULL, 0);
        (void) close(pipe_fds[0]);
        (void) close(pipe_fds[1]);
        end(&c);
}

static void test_find_again(void) {
        const FakePlan plan = { .lose = "GetMachine" };
        struct tced *t = NULL;
        Fake fake;
        Case c;

        if (fake_start(&fake, &plan) < 0 || tced_connect(fake.address, PATIENCE, &t) < 0)
                return (void) tap_ok(false, "a fake");
        c = (Case) { .tced = t };
        tap_eq(do_find(&c), 0, "a machine is found, though the answer was lost");
        tced_close(t);
        tap_ok(do_find(&c) == -ENOTCONN && tced_get_fd(t) == -ENOTCONN && tced_process(t) == -ENOTCONN, "closed is closed");
        (void) tced_unref(t);
        fake_stop(&fake);
}

static void test_connect(void) {
        const FakePlan plan = { .n_hang_up = 3 }, never = { .n_hang_up = 1000000 };
        struct tced *t = NULL;
        Fake fake;

        if (fake_start(&fake, &plan) < 0)
                return (void) tap_ok(false, "a fake");
        tap_eq(tced_connect(fake.address, PATIENCE, &t), 0, "hung up on three times as it connects: it is connected");
        tap_ok(t && tced_get_connection_number(t) == 1, "for the first time, as far as its caller can tell");
        t = tced_unref(t);
        fake_stop(&fake);
        if (fake_start(&fake, &never) < 0)
                return (void) tap_ok(false, "a fake that always hangs up");
        tap_ok(tced_connect(fake.address, DEADLINE, &t) == -ETIMEDOUT && !t, "hung up on for ever: not for ever");
        fake_stop(&fake);
}

/* A caller's loop, as tced.h describes it, until there is another connection. */
static bool loop_until_connected(struct tced *t, uint64_t number) {
        for (unsigned i = 0; i < 400; i++) {
                struct pollfd p = { .fd = tced_get_fd(t), .events = (short) tced_get_events(t) };
                uint64_t when = UINT64_MAX, now = connection_now();

                (void) tced_get_timeout(t, &when);
                (void) poll(&p, 1, when <= now ? 0 : when - now < 50000 ? (int) ((when - now) / 1000 + 1) : 50);
                if (tced_process(t) < 0)
                        return false;
                if (tced_get_connection_number(t) == number && tced_get_fd(t) >= 0)
                        return true;
        }
        return false;
}

static void test_loop(void) {
        char address[sizeof(((Fake *) NULL)->address)], elsewhere[80];
        const FakePlan plan = {};
        uint64_t start, number;
        unsigned turns = 0;
        Case c;

        if (!begin(&c, &plan))
                return (void) tap_ok(false, "a fake");
        tap_eq(tced_get_connection_number(c.tced), 1, "the first connection");
        memcpy(address, c.fake.address, sizeof(address));
        /* Its listener ends with it; the path stays, as a killed tced leaves it, and nobody answers there. */
        (void) kill(c.fake.pid, SIGKILL);
        for (start = connection_now(); connection_now() - start < DEADLINE; turns++) {
                struct pollfd p = { .fd = tced_get_fd(c.tced), .events = (short) tced_get_events(c.tced) };
                uint64_t when = UINT64_MAX, now = connection_now();

                (void) tced_get_timeout(c.tced, &when);
                (void) poll(&p, 1, when <= now ? 0 : when - now < 50000 ? (int) ((when - now) / 1000 + 1) : 50);
                if (tced_process(c.tced) < 0)
                        break;
        }
        tap_ok(tced_get_fd(c.tced) < 0 && tced_get_events(c.tced) == 0, "while tced is gone there is no fd to wait for");
        tap_ok(turns < 40, "and the loop is not kept busy (%u turns)", turns);
        tap_eq(tced_report_table(c.machine, FAKE_LIOBN_USER, "kernel", 0), -ENOTCONN, "what waits for nothing says so");
        /* Not 1 where its listener lived a moment longer than its connection. */
        number = tced_get_connection_number(c.tced);
        fake_stop(&c.fake);
        if (fake_start(&c.fake, &plan) < 0)
                return (void) tap_ok(false, "another fake");
        (void) snprintf(elsewhere, sizeof(elsewhere), "%s", c.fake.address + strlen("unix:path="));
        *strrchr(address, '/') = '\0';
        (void) mkdir(address + strlen("unix:path="), 0700);
        (void) strcat(address, "/socket");
        tap_ok(symlink(elsewhere, address + strlen("unix:path=")) == 0 && loop_until_connected(c.tced, number + 1), "it comes back, and the loop has its fd");
        tap_eq(tced_claim(c.machine), 0, "calls go on");
        tap_eq(tced_get_connection_number(c.tced), number + 1, "by that one");
        (void) unlink(address + strlen("unix:path="));
        *strrchr(address, '/') = '\0';
        (void) rmdir(address + strlen("unix:path="));
        end(&c);
}

int main(void) {
        test_lost_answers();
        test_own_failure();
        test_half_a_plan();
        test_late();
        test_elsewhere();
        test_forgets();
        test_crowd();
        test_find_again();
        test_connect();
        test_loop();
        return tap_done();
}
