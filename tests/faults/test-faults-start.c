/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tced is started again and again, with a machine that it knew before, and each time another call of another function fails: it starts and is right
 * at the latest after a rescan and a proof, or it says why not and ends; what it knew it knows afterwards. */

#include <signal.h>
#include <sys/wait.h>

#include "../bus/harness-manager.h"
#include "tap.h"
#include "world.h"

#define STARTS_MAX 400U
#define STATE "state.json"

typedef struct Right {
        char *objects, *usable;
        int fds;
} Right;

static bool verbose;
/* As each start finds it. */
static char *state, stored_name[16];
static int own_pidfd;

/* What the last start made of it is not the next one's: each is to find the same. */
static void put_back(Host *h) {
        host_write(h, STATE, "%s", state);
        host_remove(h, STATE ".bad");
        host_remove(h, STATE ".failed");
        host_forget_stored(h);
        host_store(h, stored_name, own_pidfd);
}

static void keep_state(Host *h) {
        static const char *names[STORED_MAX];
        static int fds[STORED_MAX];
        char path[64];

        (void) snprintf(path, sizeof(path), "%s/" STATE, h->dir);
        state = read_whole(path);
        if (host_wait_stored(h, 1) != 1 || service_manager_stored(h->service_manager, fds, names) != 1)
                bail_out("no machine's process is stored");
        (void) snprintf(stored_name, sizeof(stored_name), "%s", names[0]);
        own_pidfd = sys_pidfd_open(getpid(), 0);
}

static void right_clear(Right *r) {
        free(r->objects);
        free(r->usable);
}

static bool has_ended(const World *w) {
        siginfo_t info = {};

        return waitid(P_PID, (id_t) w->host.tced_pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

/* Until nothing of the start is left to be done. A connection may be what the fault hits. */
static bool wait_settled(World *w) {
        world_connect(w);
        for (unsigned i = 0; i < 2000; i++) {
                _cleanup_free_ char *probe = get_string(w->bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "ProbeState");

                if (probe && streq(probe, "done"))
                        return true;
                if (has_ended(w))
                        return false;
                if (!probe)
                        world_connect(w);
                (void) usleep(2000);
        }
        return false;
}

static Right look(World *w) {
        return (Right) {
                .objects = managed_objects(w->bus),
                .usable = get_string(w->bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "KvmUsable"),
                .fds = settled_fds(w->host.tced_pid),
        };
}

static bool is_right(World *w, const Right *want, const char **ret_why) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Right have = {};
        int r;

        world_connect(w);
        *ret_why = "it does not answer";
        r = call_manager(w->bus, "Rescan", &error, "");
        if (r >= 0)
                r = call_manager(w->bus, "Probe", &error, "bt", 0, UINT64_C(0));
        if (r < 0)
                printf("#   %s: %s\n", error.name ? error.name : strerror(-r), error.message ? error.message : "");
        sd_bus_error_free(&error);
        if (r < 0)
                return false;
        have = look(w);
        /* Who came while nobody was let in may just be going. */
        if (have.fds > want->fds)
                have.fds = wait_fds(w->host.tced_pid, want->fds);
        *ret_why = !have.objects || !streq(have.objects, want->objects) ? "there are other objects"
                : !have.usable || !streq(have.usable, want->usable) ? "it has another opinion of KVM"
                : have.fds > want->fds ? "it has fds too many"
                                       : NULL;
        if (*ret_why)
                printf("#   fds %d (%d), KVM %s, objects\n%s", have.fds, want->fds, have.usable, have.objects);
        right_clear(&have);
        return !*ret_why;
}

/* SIGTERM, and its exit status. */
static int end(Host *h) {
        int status;

        (void) kill(h->tced_pid, SIGTERM);
        status = wait_exit(h->tced_pid);
        h->tced_pid = 0;
        return status;
}

/* A start that is refused says what it was, not only the kernel's words for it. */
static bool says_why(const Host *h, bool show) {
        _cleanup_free_ char *log = host_log(h);
        char *last = NULL;

        for (char *save, *line = strtok_r(log, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                if (show)
                        printf("#   log: %s\n", line);
                last = line;
        }
        return last && strlen(last) > 20;
}

static Outcome try_start(World *w, unsigned function, unsigned nth, unsigned which, const Right *want) {
        Host *h = &w->host;
        const char *why = NULL;
        int status, ended = 0;
        Outcome outcome;

        put_back(h);
        world_arm(w, function, nth, which);
        status = host_try_tced(h, 4000);
        if (status == 0 && !wait_settled(w) && !has_ended(w))
                why = "its host is never proven";
        world_disarm(w);
        outcome = world_outcome(w);
        if (status == 0 && !why)
                (void) is_right(w, want, &why);
        /* The connection to the bus is libsystemd's, which gives it up: tced says so and is started again. */
        for (unsigned i = 0; status == 0 && why && !has_ended(w) && i < 100; i++)
                (void) usleep(5000);
        if (status == 0 && has_ended(w)) {
                status = wait_exit(h->tced_pid);
                h->tced_pid = 0;
                why = NULL;
        }
        w->bus = sd_bus_flush_close_unref(w->bus);
        if (h->tced_pid > 0 && (status < 0 || why))
                (void) says_why(h, true);
        if (h->tced_pid > 0)
                ended = end(h);
        if (status < 0)
                why = "it neither starts nor ends";
        else if (status > 128 || ended > 128)
                why = "a signal has ended it";
        else if (status == 0 && !why && ended != 0)
                why = "it did not end well";
        else if (status > 0 && !says_why(h, verbose))
                why = "it does not say why it ends";
        if (verbose && status > 0)
                world_show_stack(w);
        if (!why)
                return status == 0 ? outcome : OUTCOME_REFUSED;
        printf("#   %s; it ended with %d\n", why, status > 0 ? status : ended);
        if (status > 0)
                (void) says_why(h, true);
        world_show_stack(w);
        return OUTCOME_WRONG;
}

/* How many calls of each function may be tried so that there are not too many starts. */
static unsigned share(const unsigned *counts) {
        unsigned most = 1;

        for (;; most++) {
                unsigned sum = 0;

                for (size_t i = 0; i < _FAULT_FUNCTION_MAX; i++)
                        sum += counts[i] < most + 1 ? counts[i] : most + 1;
                if (sum > STARTS_MAX || most > STARTS_MAX)
                        return most;
        }
}

static void try_function(World *w, unsigned function, unsigned count, unsigned most, const Right *want) {
        unsigned n = count < most ? count : most, wrong = 0;
        /* Each error of a function that is called once or twice. */
        unsigned turns = n < fault_errors(function) ? fault_errors(function) : 1;

        for (unsigned i = 0; i < n * turns; i++) {
                unsigned nth = 1 + (unsigned) ((uint64_t) (i % n) * count / n), which = turns > 1 ? i / n : nth;
                Outcome outcome = try_start(w, function, nth, which, want);

                world_note(w, function, which, outcome);
                wrong += outcome == OUTCOME_WRONG;
        }
        tap_ok(wrong == 0, "%s fails at the start: %u of %u calls", fault_name(function), n, count);
}

int main(void) {
        const char *only = getenv("FAULTS_ONLY");
        unsigned counts[_FAULT_FUNCTION_MAX], most;
        Right want;
        World w;

        verbose = getenv("FAULTS_VERBOSE");
        if (!world_init(&w, OVER_SOCKET, 300)) {
                tap_skip(WORLD_NEEDS, "faults");
                return tap_done();
        }
        if (claim(w.bus, w.machine, NULL) < 0)
                bail_out("the machine can't be claimed");
        keep_state(&w.host);
        (void) end(&w.host);
        world_arm(&w, _FAULT_FUNCTION_MAX, 0, 0);
        if (host_try_tced(&w.host, 10000) != 0)
                bail_out("tced does not start again");
        world_connect(&w);
        (void) wait_settled(&w);
        world_disarm(&w);
        for (size_t i = 0; i < _FAULT_FUNCTION_MAX; i++)
                counts[i] = atomic_load(&w.control->counts[i]);
        world_connect(&w);
        want = look(&w);
        tap_ok(strstr(want.objects, w.machine), "a machine is there after a restart");
        (void) end(&w.host);
        most = share(counts);
        for (unsigned f = 0; f < _FAULT_FUNCTION_MAX; f++)
                if (counts[f] > 0 && (!only || streq(only, fault_name(f))))
                        try_function(&w, f, counts[f], most, &want);
        put_back(&w.host);
        tap_ok(host_restart_tced(&w.host, NULL), "it starts afterwards");
        tap_ok(world_print(&w, "faults at the start") > 0, "there were faults");
        right_clear(&want);
        free(state);
        (void) close(own_pidfd);
        tap_ok(world_done(&w), "and ends well");
        return tap_done();
}
