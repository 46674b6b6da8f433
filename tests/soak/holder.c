/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A VMM of libtced's that lives longer than the daemons under it: registers, claims, has its tables, fills them with a pattern of its own,
 * asks for this and that meanwhile, and looks at each byte when it is told to. Nothing that it asks may fail. */

#include <poll.h>

#include "soak.h"
#include "tced.h"

#define PATIENCE_USEC (60 * UINT64_C(1000000))

typedef struct Vmm {
        Holder *holder;
        Random random;
        uint64_t pattern; /* of what is in the tables */
        struct tced *tced;
        struct tced_machine *machine;
        struct tced_window windows[TABLES_MAX];
        unsigned n_windows;
        char name[32];
} Vmm;

/* A call of libtced's: well, refused by a limit, or a failure that is printed. Gives r back. */
static int count_call(Vmm *v, const char *what, int r) {
        Shared *s = v->holder->shared;

        if (r >= 0)
                count_one(&s->lib_calls);
        else if (r == -EDQUOT)
                count_one(&s->lib_limited);
        else {
                count_one(&s->lib_failed);
                print_line("%s: %s: %s: %s", v->name, what, strerror(-r), v->tced ? tced_last_error(v->tced) : "");
        }
        return r;
}

static uint64_t value_of(const Vmm *v, uint32_t liobn, size_t i) {
        Random r = { .state = v->pattern + liobn * UINT64_C(0x100000001) + i };

        return random_next(&r);
}

static void write_pattern(Vmm *v) {
        v->pattern = random_next(&v->random);
        for (size_t i = 0; i < tced_machine_n_tables(v->machine); i++) {
                struct tced_table *t = tced_machine_table(v->machine, i);

                for (size_t n = 0; n < tced_table_entries(t); n++)
                        tced_table_map(t)[n] = value_of(v, tced_table_liobn(t), n);
        }
        count_one(&v->holder->shared->written);
}

/* By the mapping and by the memfd, from one end to the other. */
static bool table_is_good(const Vmm *v, const struct tced_table *t) {
        uint64_t entries = tced_table_entries(t);

        for (uint64_t n = 0; n < entries; n += 512) {
                uint64_t read[512];
                size_t some = entries - n < 512 ? (size_t) (entries - n) : 512;

                if (pread(tced_table_fd(t), read, some * 8, (off_t) (n * 8)) != (ssize_t) (some * 8))
                        return false;
                for (size_t i = 0; i < some; i++) {
                        uint64_t want = value_of(v, tced_table_liobn(t), (size_t) n + i);

                        if (read[i] == want && tced_table_map(t)[n + i] == want)
                                continue;
                        print_line("%s: table %#x, TCE %" PRIu64 ": %#" PRIx64 " and %#" PRIx64 " instead of %#" PRIx64, v->name,
                                   tced_table_liobn(t), n + i, read[i], tced_table_map(t)[n + i], want);
                        return false;
                }
        }
        return true;
}

static bool all_good(const Vmm *v) {
        bool good = tced_machine_n_tables(v->machine) == v->n_windows;

        if (!good)
                print_line("%s: %zu tables instead of %u", v->name, tced_machine_n_tables(v->machine), v->n_windows);
        for (size_t i = 0; good && i < tced_machine_n_tables(v->machine); i++)
                good = table_is_good(v, tced_machine_table(v->machine, i));
        return good;
}

/* More than a message carries, with some. */
static void choose_windows(Vmm *v) {
        v->n_windows = 1 + (unsigned) random_below(&v->random, random_one_in(&v->random, 4) ? TABLES_MAX : 6);
        for (unsigned i = 0; i < v->n_windows; i++)
                v->windows[i] = (struct tced_window) {
                        .kind = "vio", .device = "slow", .liobn = HELD_LIOBN + i, .page_shift = 12,
                        .size = (1 + random_below(&v->random, 32)) << 20, .group = -1,
                };
}

static int have_tables(Vmm *v) {
        Held *held = &v->holder->shared->held[v->holder->slot];
        char address[128];
        int r;

        (void) snprintf(address, sizeof(address), "unix:path=%s", v->holder->host->socket);
        /* libtced waits for a tced that goes; for one that was never there its caller does. */
        for (unsigned i = 0; (r = tced_connect(address, PATIENCE_USEC, &v->tced)) < 0 && i < 2 * HARNESS_PATIENCE * 50; i++)
                (void) usleep(20 * 1000);
        if (count_call(v, "connect", r) < 0)
                return r;
        (void) snprintf(held->uuid, sizeof(held->uuid), HELD_UUID "%016" PRIx64, random_next(&v->random));
        choose_windows(v);
        r = count_call(v, "register", tced_register(v->tced, v->name, held->uuid, v->windows, v->n_windows, TCED_OWNER_CALLER, &v->machine));
        if (r >= 0)
                r = count_call(v, "claim", tced_claim(v->machine));
        if (r >= 0)
                r = count_call(v, "acquire", tced_acquire(v->machine, -1));
        if (r < 0)
                return r;
        held->n_tables = v->n_windows;
        held->bytes = 0;
        for (unsigned i = 0; i < v->n_windows; i++)
                held->bytes += v->windows[i].size / 4096 * 8;
        write_pattern(v);
        return 0;
}

/* What a VMM may ask while its guest runs. */
static void ask_something(Vmm *v) {
        const struct tced_window *w = &v->windows[random_below(&v->random, v->n_windows)];
        const struct tced_planned window = { .liobn = w->liobn, .page_shift = w->page_shift, .entries = w->size >> w->page_shift,
                                             .group = -1, .fd = -1 };
        struct tced_machine *same = NULL;
        const char *placement;
        int fd = -EBADF;

        switch (random_below(&v->random, 6)) {
        case 0:
                (void) count_call(v, "find", tced_find(v->tced, v->name, &same));
                (void) tced_machine_unref(same);
                break;
        case 1:
                (void) count_call(v, "claim again", tced_claim(v->machine));
                break;
        case 2:
                (void) count_call(v, "acquire again", tced_acquire(v->machine, -1));
                break;
        case 3:
                (void) count_call(v, "open a window again", tced_open_window(v->machine, &window, 0, &placement, &fd));
                (void) fd_close(fd);
                break;
        case 4:
                (void) tced_process(v->tced);
                break;
        default:
                write_pattern(v);
        }
}

/* Until it is told how to leave, or is killed. */
static void hold(Vmm *v, int fd) {
        for (;;) {
                struct pollfd pfd = { .fd = fd, .events = POLLIN };
                char what;

                if (poll(&pfd, 1, 20 + (int) random_below(&v->random, 300)) <= 0) {
                        ask_something(v);
                        continue;
                }
                if (read(fd, &what, 1) != 1)
                        return;
                if (what == 'c')
                        actor_say(fd, all_good(v) ? 'y' : 'n');
                else if (what == 'u') {
                        if (count_call(v, "unregister", tced_unregister(v->machine)) < 0)
                                actor_say(fd, 'f');
                        return;
                } else {
                        tced_close(v->tced);
                        return;
                }
        }
}

void holder_run(int fd, void *userdata) {
        Vmm v = { .holder = userdata };
        int r;

        v.random.state = v.holder->seed;
        (void) snprintf(v.name, sizeof(v.name), "held-%u-%d", v.holder->slot, (int) getpid());
        r = have_tables(&v);
        actor_say(fd, r >= 0 ? 'h' : r == -EDQUOT ? 'l' : 'f');
        if (r >= 0)
                hold(&v, fd);
        (void) tced_machine_unref(v.machine);
        (void) tced_unref(v.tced);
}
