/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A fuzzer of the bus: every method of every object that introspection names, with random values of its signature, now and then with others;
 * as root, as a member of the group that may register VMs, and as a user who may nothing; on the bus and on the private socket. Every call is
 * answered in time, an error by a name of ours or D-Bus's own and in words; afterwards the daemon has what it had.
 *
 * TCED_FUZZ_SEED: the same calls once more; TCED_FUZZ_CALLS: how many by each user and way. */

#include <grp.h>
#include <pwd.h>
#include <sys/random.h>
#include <time.h>

#include "fuzz-calls.h"
#include "tap.h"

#define CALLS 2500U
/* So often it is looked again which objects there are. */
#define LOOK_AGAIN 100U
/* A call may start a child, of which the daemon waits for seconds; and here run sanitizers. */
#define CALL_SECONDS 20U

typedef struct Round {
        const Host *host;
        const char *who;
        bool on_peer;
        uint64_t seed;
        unsigned calls;
        Random random;
        sd_bus *bus;
        Targets all;
        unsigned well, refusals, dropped, bad, lost;
        double longest;
} Round;

static double now(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static const char *shown(const char *text) {
        return text ? text : "(nothing)";
}

static void call_one(Round *r, unsigned number) {
        const Target *t = targets_pick(&r->all, &r->random);
        _cleanup_message_ sd_bus_message *m = targets_call(&r->all, &r->random, r->bus, t), *reply = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        double started = now(), took;
        int e;

        if (!m) {
                r->dropped++;
                return;
        }
        e = sd_bus_call(r->bus, m, CALL_SECONDS * UINT64_C(1000000), &error, &reply);
        took = now() - started;
        r->longest = took > r->longest ? took : r->longest;
        r->well += e >= 0;
        r->refusals += e < 0;
        if (e < 0 && !is_error_in_words(error.name, error.message)) {
                r->bad++;
                printf("# call %u: %s.%s(%s) of %s: %s: '%s' (%s, after %.1f s)\n", number, t->interface, t->member,
                       shown(sd_bus_message_get_signature(m, 1)), t->path, shown(error.name), shown(error.message), strerror(-e), took);
        }
        sd_bus_error_free(&error);
        if (sd_bus_is_open(r->bus))
                return;
        printf("# call %u lost the connection: %s.%s(%s) of %s: %s\n", number, t->interface, t->member,
               shown(sd_bus_message_get_signature(m, 1)), t->path, strerror(-e));
        r->lost++;
        r->bus = sd_bus_flush_close_unref(r->bus);
        r->bus = r->on_peer ? open_peer(r->host) : open_bus(r->host);
}

/* Something to find: a machine, which the caller claims. */
static void make_machine(Round *r, unsigned number) {
        TestWindow w[] = { small_window(0), small_window(1), small_window(2) };
        _cleanup_free_ char *path = NULL;
        char name[32];

        (void) snprintf(name, sizeof(name), "fuzz%u-%u", number, (unsigned) getpid());
        if (register_windows(r->bus, name, "", w, ELEMENTSOF(w), NO_UID, &path, NULL) >= 0 && random_one_in(&r->random, 2))
                (void) claim(r->bus, path, NULL);
}

static void run_round(void *userdata) {
        Round *r = userdata;
        double started = now();

        r->random = (Random) { .state = r->seed };
        r->bus = r->on_peer ? open_peer(r->host) : open_bus(r->host);
        for (unsigned i = 0; i < r->calls; i++) {
                if (i % LOOK_AGAIN == 0) {
                        make_machine(r, i);
                        targets_look(&r->all, r->bus);
                }
                if (r->all.n_targets == 0)
                        break;
                call_one(r, i);
        }
        tap_ok(r->all.n_targets >= 20 && r->well > 0 && r->refusals > 0, "%s: %u calls of %zu members went well, %u were refused, %u were none",
               r->who, r->well, r->all.n_targets, r->refusals, r->dropped);
        tap_ok(r->bad == 0 && r->lost == 0, "%s: all were answered (the slowest after %.2f s, all in %.1f s), each error in words",
               r->who, r->longest, now() - started);
        targets_done(&r->all);
        r->bus = sd_bus_flush_close_unref(r->bus);
}

/* What root has registered stays until it is told to go. */
static void remove_machines(sd_bus *bus) {
        _cleanup_free_ char *objects = managed_objects(bus);
        char *rest = NULL;

        for (char *path = objects ? strtok_r(objects, "\n", &rest) : NULL; path; path = strtok_r(NULL, "\n", &rest))
                if (strstr(path, "/machine/") && !strstr(path, "/table/"))
                        (void) unregister(bus, path, NULL);
}

static uint64_t number_from(const char *name, uint64_t otherwise) {
        const char *text = getenv(name);

        return isempty(text) ? otherwise : strtoull(text, NULL, 0);
}

static void test_rounds(const Host *h, uint64_t seed, uid_t nobody, gid_t group) {
        _cleanup_bus_ sd_bus *bus = open_bus(h);
        static const char *const names[] = { "root", "a member", "nobody" };
        long before = 0, after;
        int fds = 0;

        wait_probed(bus);
        /* The first of all only warms up: fds count from there, and memory from when it had as many machines as it will have. */
        for (unsigned i = 0; i <= 6; i++) {
                unsigned who = i == 0 ? 0 : (i - 1) / 2;
                char name[48];
                Round r = {
                        .host = h, .who = name, .on_peer = i > 0 && i % 2 == 0, .seed = seed + i,
                        .calls = i == 0 ? 200 : (unsigned) number_from("TCED_FUZZ_CALLS", CALLS),
                };

                (void) snprintf(name, sizeof(name), "%s on %s%s", names[who], r.on_peer ? "the socket" : "the bus", i == 0 ? ", warming up" : "");
                run_as(who == 0 ? NO_UID : nobody, &group, who == 1, run_round, &r);
                remove_machines(bus);
                if (i == 0)
                        fds = settled_fds(h->tced_pid);
                else if (i == 1)
                        before = resident_kib(h->tced_pid);
        }
        after = resident_kib(h->tced_pid);
        tap_eq(count_machines(bus), 0, "no machine is left");
        tap_ok(wait_fds(h->tced_pid, fds) <= fds, "no fd is left");
        tap_memory(before, after, 8192, "nor memory");
}

static const struct group *some_group(gid_t other) {
        const struct group *g;

        while ((g = getgrent()))
                if (g->gr_gid != 0 && g->gr_gid != other)
                        return g;
        return NULL;
}

int main(void) {
        const struct passwd *nobody = getpwnam("nobody");
        const struct group *group = some_group(nobody ? nobody->pw_gid : 0);
        uint64_t seed = 0;
        Host h;

        (void) getrandom(&seed, 4, 0);
        seed = number_from("TCED_FUZZ_SEED", seed);
        host_init(&h, 280);
        h.tced = getenv("TCED_ON_FAKE_KVM");
        (void) setenv("TCED_FAKE_VFIO", h.dir, 1);
        (void) setenv("TCED_FAKE_LIMITS", h.dir, 1);
        host_write(&h, "dev/kvm", "%s", "");
        host_write(&h, "dev/vfio/vfio", "%s", "");
        host_add_group(&h, 5, "0000:01:00.0", "vfio-pci");
        host_add_group(&h, 7, "0000:02:00.0", "e1000e");
        if (geteuid() != 0 || !nobody || !group || !h.tced || !host_start_bus(&h)) {
                tap_skip("it needs root, who alone can be others, and a dbus-daemon", "the bus");
                host_done(&h);
                return tap_done();
        }
        host_write(&h, "root/etc/tced/tced.conf", "[Manager]\nGroup=%s\n[Limits]\nTableBytesMax=64M\n", group->gr_name);
        printf("# again: TCED_FUZZ_SEED=%llu\n", (unsigned long long) seed);
        if (!host_start_tced(&h, NULL))
                bail_out("tced does not start");
        test_rounds(&h, seed, nobody->pw_uid, group->gr_gid);
        host_done(&h);
        return tap_done();
}
