/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Machine.ClaimWithPidfd: whose pidfd it must be; on a kernel that says by a pidfd who connected, and on one from before 6.5, where it is
 * found by its PID. */

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "client.h"
#include "tap.h"
#include "tced.h"

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

/* As VMMs do it. */
static void test_libtced(const Host *h, const char *name) {
        struct tced_window window = { .kind = "pci", .device = "fast", .liobn = SMALL_LIOBN, .size = 1 << 20, .page_shift = 12, .group = -1 };
        struct tced_machine *m = NULL;
        struct tced *t = NULL;
        char address[96];
        int r;

        (void) snprintf(address, sizeof(address), "unix:path=%s", h->socket);
        r = tced_connect(address, HARNESS_PATIENCE * UINT64_C(1000000), &t);
        if (r >= 0)
                r = tced_register(t, "libtced", NULL, &window, 1, TCED_OWNER_CALLER, &m);
        if (r >= 0)
                r = tced_claim(m);
        if (r >= 0)
                r = tced_acquire(m, -1);
        if (r < 0)
                printf("# %s: %s\n", strerror(-r), t ? tced_last_error(t) : "");
        tap_ok(r >= 0 && tced_machine_n_tables(m) == 1, "%s: libtced registers, claims and has its table", name);
        if (m)
                (void) tced_unregister(m);
        (void) tced_machine_unref(m);
        (void) tced_unref(t);
}

/* Without a pidfd of its own, as an older libtced, and busctl. */
static void test_plain(const Host *h, const char *name) {
        _cleanup_bus_ sd_bus *bus = open_peer(h);
        _cleanup_free_ char *machine = register_small(bus, "one", 1, NO_UID);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        went_well(claim(bus, machine, &error), &error, "%s: Claim alone will do", name);
        tap_eq(get_number(bus, machine, TCED_INTERFACE_MACHINE, "Pid", 'u'), getpid(), "and is this process's");
        (void) unregister(bus, machine, NULL);
}

static void test_kernel(Host *h, const char *name) {
        World w = { .h = h };
        int fds, again;

        if (!tap_ok(host_start_tced(h, NULL), "%s: tced starts", name))
                return;
        fds = settled_fds(h->tced_pid);
        for (unsigned i = 0; i < 2; i++) {
                _cleanup_bus_ sd_bus *bus = i == 0 ? open_peer(h) : open_bus(h);
                _cleanup_free_ char *machine = NULL;
                char what[64];

                wait_probed(bus);
                machine = register_small(bus, "one", 1, NO_UID);
                w.bus = bus;
                w.machine = machine;
                (void) snprintf(what, sizeof(what), "%s, %s", name, i == 0 ? "private socket" : "bus");
                test_pidfds(&w, what);
                (void) unregister(bus, machine, NULL);
        }
        {
                _cleanup_bus_ sd_bus *bus = open_peer(h);
                _cleanup_fd_ int own = sys_pidfd_open(getpid(), 0);
                _cleanup_free_ char *machine = register_small(bus, "one", 1, NO_UID);

                w.machine = machine;
                w.parent = own;
                run_as(NO_UID, NULL, 0, be_heir, &w);
        }
        test_libtced(h, name);
        test_plain(h, name);
        again = wait_fds(h->tced_pid, fds);
        tap_ok(again <= fds, "%s: no pidfd stays behind: %d fds before, %d after", name, fds, again);
        host_stop_tced(h);
}

/* A made-up /proc has this process, by this start time and of this user: it is another one that has got the PID. */
static void write_process(const Host *h, uint64_t start, unsigned uid) {
        char name[48];

        (void) snprintf(name, sizeof(name), "proc/%d/stat", (int) getpid());
        host_write(h, name, "%d (test) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %llu 0 0\n", (int) getpid(), (unsigned long long) start);
        (void) snprintf(name, sizeof(name), "proc/%d/status", (int) getpid());
        host_write(h, name, "Name:\ttest\nUid:\t%u\t%u\t%u\t%u\nGid:\t0\t0\t0\t0\nGroups:\t0\n", uid, uid, uid, uid);
}

/* A connection that is refused is closed before a word is said on it. */
static bool is_let_in(const Host *h) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct pollfd pfd = { .fd = fd, .events = POLLIN };

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", h->socket);
        if (connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                bail_out("connect: %s", strerror(errno));
        return poll(&pfd, 1, 300) == 0;
}

static void connect_as_other(void *userdata) {
        const Host *h = userdata;

        write_process(h, 1000, (unsigned) getuid());
        tap_ok(is_let_in(h), "a user's process is let in");
        write_process(h, 1000, (unsigned) getuid() + 1);
        tap_ok(!is_let_in(h), "with a PID that is another user's by now it is not");
}

/* The PID of who connected is another process's. */
static void test_reused(Host *h) {
        char proc[64];
        const char *options[] = { proc, NULL };
        _cleanup_bus_ sd_bus *bus = NULL;
        _cleanup_fd_ int own = sys_pidfd_open(getpid(), 0);
        _cleanup_free_ char *machine = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        write_process(h, 1000, 0);
        (void) snprintf(proc, sizeof(proc), "--proc=%s/proc", h->dir);
        if (!tap_ok(host_start_tced(h, options), "with a made-up /proc it starts"))
                return;
        bus = open_peer(h);
        wait_probed(bus);
        machine = register_small(bus, "one", 1, NO_UID);
        write_process(h, 2000, 0);
        refused(claim_by(bus, machine, own, 0, &error), &error, "NotAuthorized", "of process|of your own", "a PID that has started again since");
        tap_eq(get_number(bus, machine, TCED_INTERFACE_MACHINE, "Pid", 'u'), 0, "nobody has claimed it");
        write_process(h, 1000, 0);
        went_well(claim_by(bus, machine, own, 0, &error), &error, "the one that connected may");
        (void) snprintf(proc, sizeof(proc), "%s/proc", h->dir);
        if (chmod(proc, 0777) < 0)
                bail_out("chmod: %s", strerror(errno));
        run_as(1234, NULL, 0, connect_as_other, h);
        tap_ok(host_log_has(h, "Can't serve a connection"), "and it is said");
        host_stop_tced(h);
}

int main(void) {
        Host h;

        host_init(&h, 100);
        if (geteuid() != 0 || !host_start_bus(&h)) {
                tap_skip("root's machines alone outlive who registers, and need a bus", "pidfds");
                host_done(&h);
                return tap_done();
        }
        h.tced = getenv("TCED_ON_FAKE_KVM");
        test_kernel(&h, "this kernel");
        (void) setenv("TCED_FAKE_NO_PEERPIDFD", "yes", 1);
        test_kernel(&h, "before 6.5");
        test_reused(&h);
        host_done(&h);
        return tap_done();
}
