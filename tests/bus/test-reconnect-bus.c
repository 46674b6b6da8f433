/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A VMM that holds one connection of libtced's from its start to its end, while tced is killed, stopped, started and stuck around it. What no
 * daemon can be made to do at a given moment is in tests/unit/test-reconnect.c. */

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "tap.h"
#include "tced.h"

#define PATIENCE (slack() * UINT64_C(10000000))
#define DEADLINE UINT64_C(300000)
#define N_WINDOWS 20U

static struct tced_window windows[N_WINDOWS];

static const struct tced_planned wide = {
        .liobn = 0x80000001, .page_shift = 16, .bus_offset = UINT64_C(1) << 59, .entries = 512, .group = -1, .fd = -1,
};

static uint64_t now_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

static void say(const struct tced *t, int r) {
        if (r < 0)
                (void) fprintf(stderr, "# %s: %s\n", strerror(-r), tced_last_error(t));
}

/* When the socket was made: the number of its inode may be the same again. */
static int64_t socket_birth(const Host *h) {
        struct stat st;

        return stat(h->socket, &st) < 0 ? 0 : (int64_t) st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

/* So many tables, each of its own memory, which holds its own number since the last look. */
static bool tables_hold(const struct tced_machine *m, unsigned n, bool written) {
        bool good = tced_machine_n_tables(m) == n;

        for (size_t i = 0; good && i < n; i++) {
                uint64_t *map = tced_table_map(tced_machine_table(m, i));

                good = map[1] == (written ? i + 3 : 0);
                map[1] = i + 3;
        }
        return good;
}

/* The VMM: its connection, and its machine. */
static struct tced *vmm;
static struct tced_machine *machine;

static int open_wide(void) {
        const char *placement;
        int fd, r = tced_open_window(machine, &wide, 0, &placement, &fd);

        if (r >= 0 && fd >= 0)
                (void) close(fd);
        return r;
}

static int do_register(void) {
        return tced_register(vmm, "vm", NULL, windows, N_WINDOWS, TCED_OWNER_CALLER, &machine);
}

static int do_claim(void) {
        return tced_claim(machine);
}

static int do_acquire(void) {
        return tced_acquire(machine, -1);
}

static int do_unregister(void) {
        return tced_unregister(machine);
}

static void let_go(void) {
        (void) tced_unregister(machine);
        machine = tced_machine_unref(machine);
}

typedef struct Call {
        int (*act)(void);
        int r;
} Call;

static void *run_call(void *userdata) {
        Call *c = userdata;

        c->r = c->act();
        return NULL;
}

/* A call that tced has before it, and never answers, as it is killed. In a thread of its own, as tced ends with the thread that started it. */
static void killed_under(Host *h, int (*act)(void), const char *name) {
        Call c = { .act = act };
        pthread_t thread;
        bool started;

        (void) kill(h->tced_pid, SIGSTOP);
        if (pthread_create(&thread, NULL, run_call, &c) != 0)
                bail_out("no thread");
        (void) usleep(100 * 1000);
        host_kill_tced(h);
        (void) usleep(100 * 1000);
        started = host_restart_tced(h, NULL);
        (void) pthread_join(thread, NULL);
        say(vmm, c.r);
        tap_ok(started && c.r == 0, "killed with a call before it: %s", name);
}

static void test_killed(Host *h) {
        int64_t birth = socket_birth(h);

        killed_under(h, do_register, "a machine is registered");
        if (!machine)
                return;
        tap_ok(socket_birth(h) != birth, "by a tced that listens at another socket of that name");
        killed_under(h, do_claim, "claimed");
        killed_under(h, do_acquire, "its tables acquired");
        tap_ok(tables_hold(machine, N_WINDOWS, false), "all of them");
        killed_under(h, open_wide, "a window opened");
        host_kill_tced(h);
        tap_ok(host_restart_tced(h, NULL), "killed between two calls");
        tap_eq(do_claim(), 0, "the next one goes well");
        tap_eq(do_acquire(), 0, "and nothing is left to acquire");
        host_stop_tced(h);
        tap_ok(host_start_tced(h, NULL) && open_wide() == 0, "stopped and started");
        tap_ok(tables_hold(machine, N_WINDOWS, true), "the tables are what they were");
        killed_under(h, do_unregister, "unregistered");
        machine = tced_machine_unref(machine);
        tap_eq(tced_find(vmm, "vm", &machine), -ESRCH, "and gone");
}

/* tced is killed right behind its answer: the name is free, whatever it was about to do then. */
static void test_unregistered(Host *h) {
        bool free_again = true;

        for (unsigned i = 0; i < 5 && free_again; i++) {
                int r = do_register();

                say(vmm, r);
                free_again = r == 0 && do_claim() == 0 && tced_unregister(machine) == 0;
                host_kill_tced(h);
                machine = tced_machine_unref(machine);
                free_again = host_restart_tced(h, NULL) && free_again;
        }
        tap_ok(free_again, "killed behind its answer to Unregister, five times: the VM is gone, its name free");
}

static void test_away(Host *h) {
        uint64_t start, passed;
        int r = do_register();

        say(vmm, r);
        if (!tap_eq(r, 0, "a machine"))
                return;
        (void) do_claim();
        host_stop_tced(h);
        tced_set_timeout(vmm, DEADLINE);
        start = now_usec();
        tap_eq(open_wide(), -ETIMEDOUT, "away for longer than the time limit");
        passed = now_usec() - start;
        tap_ok(passed >= DEADLINE - 1000 && passed < DEADLINE * 3, "which ends the call (%u ms)", (unsigned) (passed / 1000));
        tap_ok(strstr(tced_last_error(vmm), "AcquireWindow: tced is away") && strstr(tced_last_error(vmm), "systemctl status tced"),
               "the text says what, and what to do: %s", tced_last_error(vmm));
        tced_set_timeout(vmm, PATIENCE);
        tap_ok(host_start_tced(h, NULL), "it is started");
        tap_eq(open_wide(), 0, "and found again");
        let_go();
}

/* tced gives all that there is, to a VMM that did not wait so long. */
static void test_late_answers(Host *h) {
        struct tced_machine *same = NULL;

        (void) kill(h->tced_pid, SIGSTOP);
        tced_set_timeout(vmm, DEADLINE);
        tap_eq(do_register(), -ETIMEDOUT, "tced is stuck when a machine is registered");
        tced_set_timeout(vmm, PATIENCE);
        (void) kill(h->tced_pid, SIGCONT);
        for (unsigned i = 0; i < 200 && tced_find(vmm, "vm", &machine) < 0; i++)
                (void) usleep(50 * 1000);
        if (!tap_ok(machine, "it did it all the same"))
                return;
        tap_eq(do_claim(), 0, "claimed");
        (void) kill(h->tced_pid, SIGSTOP);
        tced_set_timeout(vmm, DEADLINE);
        tap_eq(do_acquire(), -ETIMEDOUT, "tced is stuck when tables are acquired");
        tced_set_timeout(vmm, PATIENCE);
        (void) kill(h->tced_pid, SIGCONT);
        tap_ok(tced_find(vmm, "vm", &same) == 0, "it answers again");
        (void) tced_machine_unref(same);
        tap_eq(do_acquire(), 0, "the tables are acquired again");
        tap_ok(tables_hold(machine, N_WINDOWS, false), "and all there, also those that went with the late answer");
        tap_eq(do_acquire(), 0, "once more");
        tap_ok(tables_hold(machine, N_WINDOWS, true), "changes nothing");
        let_go();
}

int main(void) {
        char address[128];
        Host h;

        host_init(&h, 110);
        if (geteuid() != 0 || !host_start_bus(&h)) {
                tap_skip("only root has a bus of its own, and there must be a dbus-daemon", "reconnecting");
                host_done(&h);
                return tap_done();
        }
        for (unsigned i = 0; i < N_WINDOWS; i++)
                windows[i] = (struct tced_window) { .kind = "vio", .device = "slow", .liobn = 0x71000001 + i, .page_shift = 12,
                                                    .size = 1 << 20, .group = -1 };
        if (!host_start_tced(&h, NULL))
                bail_out("tced does not start");
        (void) snprintf(address, sizeof(address), "unix:path=%s", h.socket);
        if (tced_connect(address, PATIENCE, &vmm) < 0)
                bail_out("no connection");
        test_killed(&h);
        test_unregistered(&h);
        test_away(&h);
        test_late_answers(&h);
        (void) tced_unref(vmm);
        /* There it is the bus that says that tced went. */
        (void) setenv("DBUS_SYSTEM_BUS_ADDRESS", h.address, 1);
        if (!tap_eq(tced_connect("system", PATIENCE, &vmm), 0, "on the bus"))
                bail_out("no connection");
        test_killed(&h);
        (void) tced_unref(vmm);
        host_done(&h);
        return tap_done();
}
