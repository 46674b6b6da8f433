/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "world.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../bus/fake-bind.h"
#include "../bus/polkit.h"
#include "tap.h"

/* So long may a call take. */
#define CALL_SECONDS 2
/* nobody: the bus knows no user without a name. */
#define USER ((uid_t) 65534)

static const struct {
        const char *name;
        int errors[FAULT_ERRORS_MAX]; /* up to a 0 */
} functions[] = {
#define X(name, ...) { #name, { __VA_ARGS__ } },
        FAULT_FUNCTIONS(X)
#undef X
};

const TestWindow world_windows[2] = {
        { "pci", "fast", LIOBN_KERNEL, 0, 1 << 20, 12, 0, -1 },
        { "pci", "slow", LIOBN_USER, 0, 1 << 20, 12, 0, -1 },
};

const char *fault_name(unsigned function) {
        return functions[function].name;
}

unsigned fault_errors(unsigned function) {
        unsigned n = 0;

        while (n < FAULT_ERRORS_MAX && functions[function].errors[n])
                n++;
        return n;
}

int fault_error(unsigned function, unsigned which) {
        return functions[function].errors[which % fault_errors(function)];
}

/* The page, and an environment in which what is started finds it. */
static void make_page(World *w, const char *layer) {
        char path[64];
        int fd;

        (void) snprintf(path, sizeof(path), "%s/faults", w->host.dir);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0 || ftruncate(fd, sizeof(*w->control)) < 0)
                bail_out("%s: %s", path, strerror(errno));
        w->control = mmap(NULL, sizeof(*w->control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (w->control == MAP_FAILED)
                bail_out("mmap: %s", strerror(errno));
        (void) close(fd);
        (void) setenv(FAULT_VARIABLE, path, 1);
        (void) setenv("LD_PRELOAD", layer, 1);
}

static void make_host(Host *h) {
        char path[64];

        h->tced = getenv("TCED_ON_FAKE_KVM");
        (void) setenv("TCED_FAKE_VFIO", h->dir, 1);
        host_write(h, "dev/kvm", "%s", "");
        host_write(h, "dev/vfio/vfio", "%s", "");
        host_write(h, "dev/vfio/5", "%s", "");
        host_write(h, "mode", "%s", "");
        host_write(h, "root/etc/tced/rules.d/10-slow.rule", "[Match]\nDevice=slow\n[Policy]\nAccel=user\n");
        host_add_group(h, 5, "0000:02:00.0", "vfio-pci");
        host_add_group(h, 7, ADDRESS, "e1000e");
        set_mode(h, "");
        /* As udev has it: a user opens it, too. */
        (void) snprintf(path, sizeof(path), "%s/dev/vfio/vfio", h->dir);
        (void) chmod(path, 0666);
}

static sd_bus *connect_to(const char *address, bool is_bus) {
        sd_bus *bus = NULL;

        if (try_address(address, is_bus, &bus) < 0)
                return NULL;
        (void) sd_bus_set_method_call_timeout(bus, CALL_SECONDS * UINT64_C(1000000));
        return bus;
}

void world_be_caller(const World *w, bool be) {
        uid_t uid = be && w->over == OVER_POLKIT ? USER : 0;

        if (setresuid(uid, uid, 0) < 0)
                bail_out("setresuid: %s", strerror(errno));
}

void world_connect(World *w) {
        char address[128];

        w->caller = sd_bus_flush_close_unref(w->caller);
        w->bus = sd_bus_flush_close_unref(w->bus);
        (void) snprintf(address, sizeof(address), "unix:path=%s", w->host.socket);
        w->bus = connect_to(address, false);
        if (w->over == OVER_SOCKET) {
                w->caller = sd_bus_ref(w->bus);
                return;
        }
        world_be_caller(w, true);
        w->caller = connect_to(w->host.address, true);
        world_be_caller(w, false);
}

Outcome world_outcome(const World *w) {
        switch ((FaultState) atomic_load(&w->control->fired)) {
        case FAULT_FIRED:
                return OUTCOME_WELL;
        case FAULT_SPARED:
                return OUTCOME_SPARED;
        case FAULT_AHEAD:
                break;
        }
        return OUTCOME_UNMET;
}

bool world_init(World *w, Over over, unsigned seconds) {
        const char *layer = getenv("FAULT_LAYER");
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Host *h = &w->host;

        *w = (World) { .over = over };
        host_init(h, seconds);
        make_host(h);
        if (geteuid() != 0 || !host_start_bus(h)) {
                (void) host_end(h);
                return false;
        }
        if (isempty(layer))
                bail_out("FAULT_LAYER is not set: meson test runs it");
        w->helper = start_helper(h);
        if (over == OVER_POLKIT)
                w->polkit = polkit_start(h, "yes");
        make_page(w, layer);
        if (!host_start_tced(h, NULL))
                bail_out("tced does not start");
        world_connect(w);
        wait_probed(w->bus);
        if (register_windows(w->bus, "stays", "", world_windows, ELEMENTSOF(world_windows), NO_UID, &w->machine, &error) < 0)
                bail_out("no machine: %s", error.message);
        return true;
}

bool world_done(World *w) {
        bool well;

        w->caller = sd_bus_flush_close_unref(w->caller);
        w->bus = sd_bus_flush_close_unref(w->bus);
        well = host_end_tced(&w->host);
        actor_kill(&w->helper);
        if (w->over == OVER_POLKIT)
                actor_kill(&w->polkit);
        free(w->machine);
        free(w->scratch);
        return host_end(&w->host) && well;
}

void world_arm(World *w, unsigned function, unsigned nth, unsigned which) {
        FaultControl *c = w->control;

        atomic_store(&c->armed, 0);
        for (size_t i = 0; i < _FAULT_FUNCTION_MAX; i++)
                atomic_store(&c->counts[i], 0);
        c->function = function;
        c->nth = nth;
        c->error = function < _FAULT_FUNCTION_MAX ? fault_error(function, which) : 0;
        atomic_store(&c->fired, 0);
        atomic_store(&c->armed, 1);
}

void world_disarm(World *w) {
        atomic_store(&w->control->armed, 0);
}

void world_note(World *w, unsigned function, unsigned which, Outcome outcome) {
        w->tried[function][which % fault_errors(function)][outcome]++;
}

void world_show_stack(const World *w) {
        const FaultControl *c = w->control;

        printf("#   %s %u: %s, in process %d (tced is %d): addr2line -Cfpie %s", fault_name(c->function), c->nth, strerror(c->error), c->pid,
               (int) w->host.tced_pid, w->host.tced);
        for (unsigned i = 0; i < c->depth; i++)
                if (c->stack[i] != 0)
                        printf(" %#llx", (unsigned long long) c->stack[i] - 1);
        putchar('\n');
}

unsigned world_print(const World *w, const char *title) {
        static const char *const columns[_OUTCOME_MAX] = { "well", "error", "closed", "refused", "not met", "spared", "WRONG" };
        unsigned total[_OUTCOME_MAX] = {}, all = 0;

        printf("# %s\n# %-18s %-32s %6s", title, "function", "fault", "tried");
        for (size_t i = 0; i < _OUTCOME_MAX; i++)
                printf(" %7s", columns[i]);
        putchar('\n');
        for (unsigned f = 0; f < _FAULT_FUNCTION_MAX; f++)
                for (unsigned e = 0; e < fault_errors(f); e++) {
                        unsigned sum = 0;

                        for (size_t i = 0; i < _OUTCOME_MAX; i++) {
                                sum += w->tried[f][e][i];
                                total[i] += w->tried[f][e][i];
                        }
                        if (sum == 0)
                                continue;
                        all += sum;
                        printf("# %-18s %-32s %6u", fault_name(f), strerror(fault_error(f, e)), sum);
                        for (size_t i = 0; i < _OUTCOME_MAX; i++)
                                printf(" %7u", w->tried[f][e][i]);
                        putchar('\n');
                }
        printf("# %-18s %-32s %6u", "all", "", all);
        for (size_t i = 0; i < _OUTCOME_MAX; i++)
                printf(" %7u", total[i]);
        putchar('\n');
        return all - total[OUTCOME_UNMET] - total[OUTCOME_SPARED];
}
