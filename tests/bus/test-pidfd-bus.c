/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Machine.ClaimWithPidfd: whose pidfd it must be. */

#include <sys/wait.h>

#include "client.h"
#include "tap.h"

typedef struct World {
        const Host *h;
        sd_bus *bus;
        const char *machine;
        int parent; /* a pidfd of the process that connected */
} World;

static int claim_by(sd_bus *bus, const char *machine, int fd, uint64_t flags, sd_bus_error *error) {
        return call(bus, machine, TCED_INTERFACE_MACHINE, "ClaimWithPidfd", error, NULL, "ht", fd, flags);
}

static int ended(void) {
        pid_t pid = fork();
        int fd;

        if (pid == 0)
                _exit(0);
        fd = sys_pidfd_open(pid, 0);
        if (pid < 0 || fd < 0 || waitpid(pid, NULL, 0) != pid)
                bail_out("no child");
        return fd;
}

/* A child of the one that connected, with its connection. */
static void be_heir(void *userdata) {
        World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_peer(w->h);
        _cleanup_fd_ int own = sys_pidfd_open(getpid(), 0);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        refused(claim_by(bus, w->machine, w->parent, 0, &error), &error, "NotAuthorized", "of your own",
                "the parent's pidfd is not the child's");
        went_well(claim_by(bus, w->machine, own, 0, &error), &error, "its own is");
}

static void test_pidfds(World *w, const char *name) {
        _cleanup_fd_ int own = sys_pidfd_open(getpid(), 0), init = sys_pidfd_open(1, 0), gone = ended(), null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        const struct {
                const char *name;
                int fd;
                uint64_t flags;
                const char *error, *text;
        } cases[] = {
                { "of process 1", init, 0, "NotAuthorized", "is of process 1,|your own" },
                { "of one that has ended", gone, 0, "NotAuthorized", "has ended|your own" },
                { "/dev/null", null, 0, "InvalidArgument", "no pidfd|pidfd_open()" },
                { "unknown flags", own, 1, "InvalidArgument", "Flags" },
                { "its own", own, 0, NULL, NULL },
                { "its own, again", own, 0, NULL, NULL },
        };
        sd_bus_error error = SD_BUS_ERROR_NULL;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int r = claim_by(w->bus, w->machine, cases[i].fd, cases[i].flags, &error);

                if (cases[i].error) {
                        refused(r, &error, cases[i].error, cases[i].text, "%s: a pidfd: %s", name, cases[i].name);
                        tap_eq(get_number(w->bus, w->machine, TCED_INTERFACE_MACHINE, "Pid", 'u'), 0, "nobody has claimed it");
                } else {
                        went_well(r, &error, "%s: a pidfd: %s", name, cases[i].name);
                        tap_eq(get_number(w->bus, w->machine, TCED_INTERFACE_MACHINE, "Pid", 'u'), getpid(), "it is claimed");
                }
        }
        went_well(acquire(w->bus, w->machine, NULL, 0, &error, NULL), &error, "%s: and has its tables", name);
}

int main(void) {
        World w = {};
        Host h;
        int fds, again;

        host_init(&h, 60);
        if (geteuid() != 0 || !host_start_bus(&h)) {
                tap_skip("root's machines alone outlive who registers, and need a bus", "pidfds");
                host_done(&h);
                return tap_done();
        }
        if (!host_start_tced(&h, NULL))
                bail_out("tced does not start");
        w.h = &h;
        fds = settled_fds(h.tced_pid);
        for (unsigned i = 0; i < 2; i++) {
                _cleanup_bus_ sd_bus *bus = i == 0 ? open_peer(&h) : open_bus(&h);
                _cleanup_free_ char *machine = NULL;

                wait_probed(bus);
                machine = register_small(bus, "one", 1, NO_UID);
                w.bus = bus;
                w.machine = machine;
                test_pidfds(&w, i == 0 ? "private socket" : "bus");
                (void) unregister(bus, machine, NULL);
        }
        {
                _cleanup_bus_ sd_bus *bus = open_peer(&h);
                _cleanup_fd_ int own = sys_pidfd_open(getpid(), 0);
                _cleanup_free_ char *machine = register_small(bus, "one", 1, NO_UID);

                w.machine = machine;
                w.parent = own;
                run_as(NO_UID, NULL, 0, be_heir, &w);
        }
        again = wait_fds(h.tced_pid, fds);
        tap_ok(again <= fds, "no pidfd stays behind: %d fds before, %d after", fds, again);
        host_done(&h);
        return tap_done();
}
