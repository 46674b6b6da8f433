/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* 32 clients that call anything and die at any moment, a daemon that is killed every few seconds, and afterwards all is as it was: no table
 * lost or changed, no fd, memory or object left. Most of the time the daemon is killed, or now and then stopped, and started; then it is left
 * alone, while its clients go on dying, and its memory is watched.
 *
 * TCED_SOAK_SECONDS: for how long; TCED_SOAK_SEED: the clients get the lives that they had, but not the same moments. */

#include <dirent.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>

#include "soak.h"
#include "tap.h"

#define N_CLIENTS 32U
#define N_HOLDERS 10U
/* The part of the time in which the daemon is killed. */
#define KILLING 0.7
/* What tced's memory may grow by, from one median to another. A sanitizer keeps what is freed for a while. */
#define MEMORY_KIB 6144
#define SAMPLES_MAX 4096U
/* For tools/test. */
#define SECONDS (IS_SANITIZED ? "20" : "120")

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

typedef enum SlotState { SLOT_STARTS, SLOT_HOLDS, SLOT_LOOKS, SLOT_LEAVES } SlotState;

typedef struct Slot {
        Actor actor;
        SlotState state;
        double until; /* a holder: when it is asked to look at its tables */
        unsigned lives;
        Caller caller;
        Holder holder;
} Slot;

/* Memory over time. */
typedef struct Series {
        double when[SAMPLES_MAX];
        long kib[SAMPLES_MAX];
        size_t n;
} Series;

typedef struct Soak {
        Host host;
        Shared *shared;
        Random random;
        uint64_t seed;
        uid_t user, nobody;
        double start, seconds;
        bool over; /* nobody is started any more */
        Slot slots[N_CLIENTS];
        /* What became of holders, of the daemon, and of what was looked at behind its restarts. */
        unsigned limited, failed, good, bad, odd_ends;
        unsigned kills, stops, crashes, unclean, plans, tables_seen, tables_lost, starts;
        uint64_t tables_checked, bytes_checked;
        double slowest_start, all_starts;
        Series under_kills, calm;
} Soak;

static double now(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static double since(const Soak *s) {
        return now() - s->start;
}

static double between(Soak *s, double least, double most) {
        return least + (most - least) * (double) random_below(&s->random, 1000) / 1000;
}

/* ---- the clients ---- */

static void start_client(Soak *s, unsigned i) {
        static const char *const names[] = { "root", "a member", "nobody" };
        uint64_t seed = s->seed * 1000003 + i * 1009 + s->slots[i].lives * UINT64_C(7919);
        unsigned who = i % 3;
        Slot *slot = &s->slots[i];
        uid_t uid = who == 0 ? NO_UID : who == 1 ? s->user : s->nobody;

        slot->lives++;
        slot->state = SLOT_STARTS;
        slot->until = 0;
        if (i < N_HOLDERS) {
                slot->holder = (Holder) { .host = &s->host, .shared = s->shared, .seed = seed, .slot = i };
                slot->actor = actor_start(i % 2 ? s->user : NO_UID, holder_run, &slot->holder);
                return;
        }
        slot->caller = (Caller) { .host = &s->host, .shared = s->shared, .seed = seed, .who = names[who], .root = who == 0,
                                  .on_peer = i / 3 % 2 };
        slot->actor = actor_start(uid, caller_run, &slot->caller);
}

/* Those that have ended: a signal that nobody sent, or an exit status, would be a fault of libtced's. */
static void reap(Soak *s) {
        for (unsigned i = 0; i < N_CLIENTS; i++) {
                Slot *slot = &s->slots[i];
                int status;

                if (slot->actor.pid <= 0 || waitpid(slot->actor.pid, &status, WNOHANG) != slot->actor.pid)
                        continue;
                if (!(WIFEXITED(status) && WEXITSTATUS(status) == 0) && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)) {
                        s->odd_ends++;
                        print_line("client %u ended with status %#x", i, (unsigned) status);
                }
                slot->actor.fd = fd_close(slot->actor.fd);
                slot->actor.pid = 0;
                if (!s->over)
                        start_client(s, i);
        }
}

/* Its tables are good, or not; then it leaves in one way or another. */
static void has_looked(Soak *s, unsigned i, bool good) {
        Slot *slot = &s->slots[i];

        s->good += good;
        s->bad += !good;
        s->tables_checked += s->shared->held[i].n_tables;
        s->bytes_checked += s->shared->held[i].bytes;
        slot->state = SLOT_LEAVES;
        switch (random_below(&s->random, 3)) {
        case 0:
                count_one(&s->shared->deaths[DEATH_HOLDER_KILLED]);
                (void) kill(slot->actor.pid, SIGKILL);
                break;
        case 1:
                count_one(&s->shared->deaths[DEATH_HOLDER_CLOSED]);
                actor_tell(&slot->actor, 'x');
                break;
        default:
                count_one(&s->shared->deaths[DEATH_HOLDER_LEFT]);
                actor_tell(&slot->actor, 'u');
        }
}

static void hear(Soak *s, unsigned i) {
        Slot *slot = &s->slots[i];
        struct pollfd pfd = { .fd = slot->actor.fd, .events = POLLIN };
        char what;

        if (slot->actor.pid <= 0 || poll(&pfd, 1, 0) <= 0 || read(slot->actor.fd, &what, 1) != 1)
                return;
        s->limited += what == 'l';
        s->failed += what == 'f';
        if (what == 'h') {
                slot->state = SLOT_HOLDS;
                slot->until = since(s) + between(s, 1, s->seconds / 3);
        } else if (what == 'y' || what == 'n')
                has_looked(s, i, what == 'y');
}

static void lead_clients(Soak *s) {
        static double next_death;

        reap(s);
        for (unsigned i = 0; i < N_HOLDERS; i++) {
                hear(s, i);
                if (s->slots[i].state == SLOT_HOLDS && (s->over || since(s) > s->slots[i].until)) {
                        s->slots[i].state = SLOT_LOOKS;
                        actor_tell(&s->slots[i].actor, 'c');
                }
        }
        if (since(s) > next_death && !s->over) {
                unsigned i = N_HOLDERS + (unsigned) random_below(&s->random, N_CLIENTS - N_HOLDERS);

                next_death = since(s) + between(s, 0.02, 0.2);
                if (s->slots[i].actor.pid > 0 && kill(s->slots[i].actor.pid, SIGKILL) == 0)
                        count_one(&s->shared->deaths[DEATH_KILLED]);
        }
}

/* ---- the daemon ---- */

/* Is there no complaint of a sanitizer's? Its log is made anew at each start. */
static void look_at_log(Soak *s) {
        _cleanup_free_ char *text = host_log(&s->host);

        if (!strstr(text, "Sanitizer") && !strstr(text, "runtime error:") && !strstr(text, "Assertion"))
                return;
        s->unclean++;
        for (char *rest = text, *line; (line = strsep(&rest, "\n"));)
                print_line("  %s", line);
}

static bool is_held(const Soak *s, sd_bus *bus, const char *objects, unsigned i) {
        const Held *held = &s->shared->held[i];
        char path[128], table[160];
        int64_t pid;

        (void) snprintf(path, sizeof(path), TCED_MACHINE_PREFIX "/%s", held->uuid);
        pid = get_number(bus, path, TCED_INTERFACE_MACHINE, "Pid", 'u');
        if (pid != s->slots[i].actor.pid) {
                print_line("machine %s is of process %d, not %d", held->uuid, (int) pid, (int) s->slots[i].actor.pid);
                return false;
        }
        for (unsigned t = 0; t < held->n_tables; t++) {
                _cleanup_free_ char *state = NULL;

                (void) snprintf(table, sizeof(table), "%s/table/%08x", path, HELD_LIOBN + t);
                state = strstr(objects, table) ? get_string(bus, table, TCED_INTERFACE_TABLE, "State") : NULL;
                /* Handing out is noted behind the answer: a tced that was killed between the two has a new memfd ready. */
                if (!state || !(streq(state, "handed-out") || streq(state, "ready"))) {
                        print_line("table %#x of %s is %s", HELD_LIOBN + t, held->uuid, state ? state : "not there");
                        return false;
                }
        }
        return true;
}

/* Each holder's machine is there as it was, of the process that it was of. */
static void look_at_plan(Soak *s) {
        _cleanup_bus_ sd_bus *bus = open_peer(&s->host);
        _cleanup_free_ char *objects = managed_objects(bus);

        for (unsigned i = 0; objects && i < N_HOLDERS; i++) {
                if (s->slots[i].state != SLOT_HOLDS && s->slots[i].state != SLOT_LOOKS)
                        continue;
                s->tables_seen += s->shared->held[i].n_tables;
                if (!is_held(s, bus, objects, i))
                        s->tables_lost += s->shared->held[i].n_tables;
        }
        s->plans += objects != NULL;
}

static void sample(Soak *s, Series *series) {
        long kib = resident_kib(s->host.tced_pid);

        if (kib < 0 || series->n == SAMPLES_MAX)
                return;
        series->when[series->n] = since(s);
        series->kib[series->n++] = kib;
}

static void start_again(Soak *s) {
        double before = now(), took;

        if (!host_restart_tced(&s->host, NULL))
                bail_out("tced does not start again; once more: TCED_SOAK_SEED=%" PRIu64, s->seed);
        took = now() - before;
        count_one(&s->shared->turns);
        s->starts++;
        s->all_starts += took;
        s->slowest_start = took > s->slowest_start ? took : s->slowest_start;
        look_at_plan(s);
}

/* One of a few is told to end, as an upgrade does it: there a leak is seen by a sanitizer. */
static void end_and_start(Soak *s) {
        count_one(&s->shared->turns);
        if (random_one_in(&s->random, 8)) {
                s->stops++;
                s->unclean += !host_end_tced(&s->host);
        } else {
                s->kills++;
                host_kill_tced(&s->host);
                look_at_log(s);
        }
        start_again(s);
}

/* It has ended by itself. */
static bool has_crashed(Soak *s) {
        int status;

        if (waitpid(s->host.tced_pid, &status, WNOHANG) != s->host.tced_pid)
                return false;
        s->crashes++;
        print_line("tced ended by itself, with status %#x", (unsigned) status);
        look_at_log(s);
        count_one(&s->shared->turns);
        start_again(s);
        return true;
}

/* What root's callers registered and did not live to claim. */
static void tidy(sd_bus *bus) {
        _cleanup_free_ char *objects = managed_objects(bus);
        char *rest = NULL;

        for (char *path = objects ? strtok_r(objects, "\n", &rest) : NULL; path; path = strtok_r(NULL, "\n", &rest))
                if (strstr(path, "/machine/") && !strstr(path, "/table/") && !strstr(path, HELD_UUID) &&
                    get_number(bus, path, TCED_INTERFACE_MACHINE, "Pid", 'u') == 0)
                        (void) unregister(bus, path, NULL);
}

static void soak(Soak *s) {
        double next_end = between(s, 1, 5), next_look = 0;

        for (unsigned i = 0; i < N_CLIENTS; i++)
                start_client(s, i);
        while (since(s) < s->seconds) {
                lead_clients(s);
                if (!has_crashed(s) && since(s) < s->seconds * KILLING && since(s) > next_end) {
                        end_and_start(s);
                        next_end = since(s) + between(s, 1, 5);
                }
                if (since(s) > next_look) {
                        _cleanup_bus_ sd_bus *bus = open_peer(&s->host);

                        tidy(bus);
                        sample(s, since(s) > s->seconds * KILLING ? &s->calm : &s->under_kills);
                        next_look = since(s) + (s->seconds > 1000 ? s->seconds / 1000 : 1);
                }
                (void) usleep(10 * 1000);
        }
        s->over = true;
        for (unsigned i = N_HOLDERS; i < N_CLIENTS; i++)
                if (s->slots[i].actor.pid > 0)
                        (void) kill(s->slots[i].actor.pid, SIGKILL);
        for (bool left = true; left;) {
                left = false;
                lead_clients(s);
                for (unsigned i = 0; i < N_CLIENTS; i++)
                        left |= s->slots[i].actor.pid > 0;
                (void) usleep(10 * 1000);
        }
}

/* ---- before and after ---- */

typedef struct Still {
        char *objects, *usage, *files;
        int fds;
        long kib;
} Still;

/* What is taken of the limits that count in all, without the connection that asks. */
static char *usage_text(sd_bus *bus) {
        _cleanup_message_ sd_bus_message *m = NULL;
        char *text = NULL;
        const char *name;
        uint64_t value;
        size_t size;
        FILE *f;

        if (sd_bus_get_property(bus, TCED_BUS_NAME, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "Usage", NULL, &m, "a{st}") < 0 ||
            sd_bus_message_enter_container(m, 'a', "{st}") < 0)
                return NULL;
        f = open_memstream(&text, &size);
        while (f && sd_bus_message_read(m, "{st}", &name, &value) > 0)
                (void) fprintf(f, "%s=%" PRIu64 " ", name, value);
        if (f)
                (void) fclose(f);
        return text;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

/* The names in a folder. */
static char *file_names(const char *dir) {
        struct dirent **list = NULL;
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        int n = scandir(dir, &list, NULL, by_name);

        for (int i = 0; i < n; i++) {
                if (f && list[i]->d_name[0] != '.')
                        (void) fprintf(f, "%s ", list[i]->d_name);
                free(list[i]);
        }
        free(list);
        if (f)
                (void) fclose(f);
        return text;
}

static Still look_still(const Soak *s, sd_bus *bus) {
        return (Still) {
                .objects = managed_objects(bus), .usage = usage_text(bus), .fds = settled_fds(s->host.tced_pid),
                .kib = resident_kib(s->host.tced_pid), .files = file_names(s->host.dir),
        };
}

static void still_done(Still *x) {
        free(x->objects);
        free(x->usage);
        free(x->files);
}

/* No machine, and nothing that one who is gone has asked for and that still goes on: a proof, say. */
static bool wait_empty(sd_bus *bus) {
        for (unsigned i = 0; i < HARNESS_PATIENCE * 20; i++) {
                if (count_machines(bus) == 0 && usage_of(bus, "RequestsMax") == 0)
                        return true;
                (void) usleep(50 * 1000);
        }
        return false;
}

static int by_size(const void *a, const void *b) {
        long x = *(const long *) a, y = *(const long *) b;

        return (x > y) - (x < y);
}

/* The median of n samples. */
static long median(const long *kib, size_t n) {
        long sorted[SAMPLES_MAX];

        memcpy(sorted, kib, n * sizeof(*kib));
        qsort(sorted, n, sizeof(*sorted), by_size);
        return sorted[n / 2];
}

/* Does the last fifth need as much memory as the first? */
static void test_series(const Series *series, const char *name) {
        size_t n = series->n < 10 ? 1 : series->n / 5;
        long first, last;

        if (series->n < 2) {
                tap_skip("there were too few samples", name);
                return;
        }
        first = median(series->kib, n);
        last = median(series->kib + series->n - n, n);
        if (IS_SANITIZED)
                print_line("%s: %ld KiB, then %ld KiB", name, first, last);
        else
                tap_ok(last - first < MEMORY_KIB, "%s: %ld KiB in the first fifth of %.0f s, %ld KiB in the last", name, first,
                       series->when[series->n - 1] - series->when[0], last);
}

/* What tced has open, for whoever has to find out. */
static void print_fds(pid_t pid) {
        char dir[32], path[300], target[256];
        struct dirent **list = NULL;
        int n;

        (void) snprintf(dir, sizeof(dir), "/proc/%d/fd", (int) pid);
        n = scandir(dir, &list, NULL, by_name);
        for (int i = 0; i < n; i++) {
                ssize_t size;

                (void) snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name);
                size = readlink(path, target, sizeof(target));
                if (size > 0)
                        print_line("  %s: %.*s", list[i]->d_name, (int) size, target);
                free(list[i]);
        }
        free(list);
}

static void test_still(Soak *s, sd_bus *bus, const Still *before) {
        Still after;
        int fds;

        tidy(bus);
        tap_ok(wait_empty(bus), "no machine is left, nor a request in flight");
        tap_eq(host_wait_stored(&s->host, 0), 0, "nor a process in the fd store");
        fds = wait_fds(s->host.tced_pid, before->fds);
        if (!tap_ok(fds <= before->fds, "nor an fd of tced's: %d before, %d after", before->fds, fds))
                print_fds(s->host.tced_pid);
        after = look_still(s, bus);
        tap_streq(after.objects, before->objects, "the objects are those that were there at the start");
        tap_streq(after.usage, before->usage, "nothing of the limits is taken: %s", before->usage);
        tap_streq(after.files, before->files, "no file was left, no state set aside");
        if (!IS_SANITIZED)
                tap_ok(after.kib - before->kib < MEMORY_KIB, "memory: %ld KiB at the start, %ld KiB at the end", before->kib, after.kib);
        still_done(&after);
}

static void test_promises(Soak *s) {
        const Shared *x = s->shared;

        tap_ok(s->bad == 0 && s->good > 0, "%u VMs looked at their %" PRIu64 " tables, %" PRIu64 " bytes: each byte is what they wrote",
               s->good + s->bad, s->tables_checked, s->bytes_checked);
        tap_ok(s->tables_lost == 0 && s->plans == s->starts && (s->tables_seen > 0 || s->starts == 0),
               "behind %u starts %u tables were looked for, of which %u were not there, or not their owner's", s->starts, s->tables_seen,
               s->tables_lost);
        tap_ok(x->lib_failed == 0 && s->failed == 0, "%" PRIu64 " calls of libtced's went well, across all of that, %" PRIu64
               " met a limit, %" PRIu64 " failed", x->lib_calls, x->lib_limited, x->lib_failed);
        tap_ok(figures_sum(x, OUTCOME_WRONG) == 0 && figures_sum(x, OUTCOME_WELL) > 0, "each other call was answered, in words, while tced was there");
        tap_eq(s->odd_ends, 0, "no client ended but as it was meant to");
        tap_ok(s->crashes == 0 && s->unclean == 0, "tced never ended by itself, and well when it was told to; no sanitizer complained");
        test_series(&s->under_kills, "memory under kills");
        test_series(&s->calm, "memory of a tced that is left alone");
}

static void print_figures(const Soak *s) {
        figures_print(s->shared);
        print_line("tced: %u times killed, %u stopped; ready again after %.0f ms, %.0f ms at most", s->kills, s->stops,
                   s->starts > 0 ? s->all_starts / s->starts * 1000 : 0, s->slowest_start * 1000);
        print_line("VMs: %u held tables to their end, %u met a limit; patterns were written %" PRIu64 " times", s->good + s->bad, s->limited,
                   s->shared->written);
}

/* ---- the world ---- */

/* One machine lives and goes, and every member gets its row: what is made once is made. */
static void warm_up(Soak *s, sd_bus *bus) {
        _cleanup_free_ char *path = register_small(bus, "first", 2, NO_UID);

        figures_name(s->shared, bus);
        if (claim(bus, path, NULL) < 0 || acquire(bus, path, NULL, 0, NULL, NULL) < 0 || unregister(bus, path, NULL) < 0)
                bail_out("the first machine can't be had");
        if (!wait_empty(bus) || host_wait_stored(&s->host, 0) != 0)
                bail_out("the first machine stays");
}

static const struct group *find_user(uid_t *ret) {
        const struct passwd *p;

        while ((p = getpwent()))
                if (p->pw_uid != 0 && p->pw_uid != 65534 && getgrgid(p->pw_uid)) {
                        *ret = p->pw_uid;
                        return getgrgid(p->pw_uid);
                }
        return NULL;
}

static bool make_world(Soak *s) {
        const struct group *group = find_user(&s->user);
        const struct passwd *nobody = getpwnam("nobody");
        char folder[64];
        Host *h = &s->host;

        host_init(h, (unsigned) s->seconds + 150);
        h->tced = getenv("TCED_ON_FAKE_KVM");
        if (geteuid() != 0 || !group || !nobody || !h->tced || !host_start_bus(h))
                return false;
        s->nobody = nobody->pw_uid;
        host_mkdir(h, "fake");
        (void) snprintf(folder, sizeof(folder), "%s/fake", h->dir);
        (void) setenv("TCED_FAKE_VFIO", folder, 1);
        (void) setenv("TCED_FAKE_LIMITS", folder, 1);
        host_write(h, "dev/kvm", "%s", "");
        host_write(h, "dev/vfio/vfio", "%s", "");
        host_add_group(h, 5, "0000:01:00.0", "vfio-pci");
        host_add_group(h, 7, "0000:02:00.0", "e1000e");
        host_write(h, "root/etc/tced/rules.d/10-slow.rule", "[Match]\nDevice=slow\n[Policy]\nAccel=user\n");
        host_write(h, "root/etc/tced/tced.conf", "[Manager]\nGroup=%s\n[Limits]\nTableBytesMax=128M\nMachinesPerUserMax=64\n", group->gr_name);
        if (!host_start_tced(h, NULL))
                bail_out("tced does not start");
        return true;
}

static void read_environment(Soak *s) {
        const char *seconds = getenv("TCED_SOAK_SECONDS"), *seed = getenv("TCED_SOAK_SEED");
        uint32_t some = 1;

        (void) getrandom(&some, sizeof(some), 0);
        s->seconds = strtod(isempty(seconds) ? SECONDS : seconds, NULL);
        if (s->seconds < 5 || s->seconds > 1e6)
                bail_out("TCED_SOAK_SECONDS=%s is no number of seconds from 5 on", seconds);
        s->seed = isempty(seed) ? some : strtoull(seed, NULL, 0);
        s->random.state = s->seed;
}

int main(void) {
        static Soak s;
        _cleanup_bus_ sd_bus *bus = NULL;
        Still before;

        read_environment(&s);
        if (!make_world(&s)) {
                tap_skip("it needs root, who alone can be others, and a dbus-daemon", "the soak");
                host_done(&s.host);
                return tap_done();
        }
        s.shared = mmap(NULL, sizeof(*s.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (s.shared == MAP_FAILED)
                bail_out("mmap: %s", strerror(errno));
        print_line("%.0f s, once more: TCED_SOAK_SEED=%" PRIu64, s.seconds, s.seed);
        bus = open_bus(&s.host);
        wait_probed(bus);
        warm_up(&s, bus);
        before = look_still(&s, bus);
        s.start = now();
        soak(&s);
        print_figures(&s);
        test_promises(&s);
        test_still(&s, bus, &before);
        still_done(&before);
        host_done(&s.host);
        return tap_done();
}
