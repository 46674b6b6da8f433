/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The fake daemon: one client at a time, every method that libtced calls. See fake-tced.h. */

#include "fake-tced.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>

#include "error.h"
#include "util.h"

#define TABLES_MAX 64

typedef struct FakeTable {
        uint32_t liobn, page_shift;
        uint64_t bus_offset;
        const char *placement, *reason;
        int group;
        bool gone; /* handed out, or made */
} FakeTable;

typedef struct Server {
        const FakePlan *plan;
        FakeLog *log;
        FakeTable tables[TABLES_MAX];
        unsigned n_tables;
        bool hang_up;
        char uuid[33];   /* of the machine "web", once it is registered */
        bool unregistered;
} Server;

static void make_kernel_tables(Server *s) {
        for (unsigned i = 0; i < s->plan->n_kernel; i++)
                s->tables[s->n_tables++] = (FakeTable) { FAKE_LIOBN_KERNEL + i * 256, 12, 0, "kernel", "in-kernel", -1, false };
}

static void make_tables(Server *s) {
        if (s->plan->kernel_first)
                make_kernel_tables(s);
        for (unsigned i = 0; i < s->plan->n_user; i++)
                s->tables[s->n_tables++] = (FakeTable) { FAKE_LIOBN_USER + i, 12, 0, "user", "rule-user", -1, false };
        if (!s->plan->kernel_first)
                make_kernel_tables(s);
        for (unsigned i = 0; i < s->plan->n_vfio; i++)
                s->tables[s->n_tables++] = (FakeTable) {
                        FAKE_LIOBN_VFIO + i * 256, 16, UINT64_C(1) << 59, "kernel-vfio", "in-kernel-linked", 7, false,
                };
}

/* Huge pages are not for a fake; its memfd is as tced's otherwise. */
static int make_memfd(const Server *s) {
        _cleanup_fd_ int fd = -EBADF;
        off_t length = s->plan->fault == FAKE_SHORT_MEMFD ? FAKE_PAGES * 8 - 1 : FAKE_PAGES * 8;

        if (s->plan->fault == FAKE_NOT_A_MEMFD)
                return open("/dev/zero", O_RDWR | O_CLOEXEC);
        fd = memfd_create("fake-tced", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0 || ftruncate(fd, length) < 0)
                return -errno;
        if (s->plan->fault != FAKE_UNSEALED_MEMFD && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int append_table(Server *s, sd_bus_message *reply, const FakeTable *table, int index) {
        FakeFault fault = s->plan->fault;
        uint64_t entries = fault == FAKE_ODD_PLAN ? FAKE_PAGES * 2 : FAKE_PAGES;

        return sd_bus_message_append(reply, "(ussttutsii)", table->liobn,
                                     fault == FAKE_ODD_PLACEMENT ? "moon" : table->placement, table->reason, table->bus_offset,
                                     (uint64_t) FAKE_PAGES << table->page_shift, table->page_shift, entries,
                                     s->plan->must_be_kernel ? "kernel" : "auto", table->group,
                                     fault == FAKE_NO_FD ? -1 : index);
}

static int append_tables(Server *s, sd_bus_message *reply, const uint32_t *liobns, size_t n, bool handed_out, int *fds, unsigned *n_fds,
                         uint32_t *remaining) {
        int r = sd_bus_message_open_container(reply, 'a', "(ussttutsii)");

        for (unsigned i = 0; r >= 0 && i < s->n_tables; i++) {
                FakeTable *table = s->tables + i;
                bool wanted = n == 0, user = streq(table->placement, "user");

                for (size_t j = 0; j < n; j++)
                        wanted = wanted || liobns[j] == table->liobn;
                if (!wanted || (table->gone && !handed_out))
                        continue;
                user = user && !table->gone;
                if (s->plan->fault == FAKE_ENDLESS || (user && *n_fds == TCED_MAX_FDS_PER_MESSAGE)) {
                        (*remaining)++;
                        continue;
                }
                if (user)
                        fds[*n_fds] = make_memfd(s);
                r = append_table(s, reply, table, user ? (int) *n_fds : -1);
                *n_fds += user;
                table->gone = table->gone || user;
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int on_acquire(Server *s, sd_bus_message *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int fds[TCED_MAX_FDS_PER_MESSAGE], r;
        uint32_t remaining = 0;
        uint64_t flags = 0;
        const void *liobns;
        unsigned n_fds = 0;
        size_t size;

        s->log->n_acquire++;
        if (s->plan->late && s->log->n_acquire == 1)
                (void) usleep(500 * 1000);
        s->hang_up = s->hang_up || s->plan->fault == FAKE_HANG_UP;
        if (s->plan->fault == FAKE_NO_REPLY || s->plan->fault == FAKE_HANG_UP)
                return 1;
        if (s->plan->fault == FAKE_WRONG_SIGNATURE)
                return sd_bus_reply_method_return(call, "a(su)", 1, "moon", 1);
        r = sd_bus_message_read_array(call, 'u', &liobns, &size);
        if (r >= 0)
                r = sd_bus_message_read(call, "t", &flags);
        if (r >= 0)
                r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = append_tables(s, reply, liobns, size / 4, flags & TCED_ACQUIRE_HANDED_OUT, fds, &n_fds, &remaining);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "h");
        for (unsigned i = 0; i < n_fds; i++) {
                if (r >= 0)
                        r = sd_bus_message_append(reply, "h", fds[i]);
                (void) fd_close(fds[i]);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "bu", (int) s->plan->multitce, remaining);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        if (s->plan->fault == FAKE_FORGETS && s->log->n_acquire == 1) {
                for (unsigned i = 0; i < s->n_tables; i++)
                        s->tables[i].gone = false;
                s->hang_up = true;
        }
        return r;
}

static int on_report(Server *s, sd_bus_message *call) {
        const char *placement;
        uint32_t liobn;
        int r, error;

        r = sd_bus_message_read(call, "usi", &liobn, &placement, &error);
        if (r < 0)
                return r;
        s->log->last_error = error;
        (void) snprintf(s->log->last_placement, sizeof(s->log->last_placement), "%s", placement);
        s->log->n_made += error == 0;
        s->log->n_refused += error != 0;
        for (unsigned i = 0; i < s->n_tables; i++)
                if (s->tables[i].liobn == liobn && error && streq(s->tables[i].placement, "user"))
                        return sd_bus_reply_method_errorf(call, TCED_ERROR_INVALID_ARGUMENT, "it is planned as `user`");
        if (error && s->plan->must_be_kernel)
                return sd_bus_reply_method_errorf(call, TCED_ERROR_KERNEL_DEMANDED, "a rule demands it");
        for (unsigned i = 0; i < s->n_tables; i++) {
                if (s->tables[i].liobn != liobn)
                        continue;
                s->tables[i].gone = error == 0;
                if (error) {
                        s->tables[i].placement = "user";
                        s->tables[i].reason = "kernel-refused";
                }
        }
        return sd_bus_reply_method_return(call, "");
}

static int on_register(Server *s, sd_bus_message *call) {
        const char *name, *uuid, *kind, *device;
        int r;

        r = sd_bus_message_read(call, "ss", &name, &uuid);
        if (r >= 0)
                r = sd_bus_message_enter_container(call, 'a', "(ssuttubi)");
        while (r >= 0 && sd_bus_message_enter_container(call, 'r', "ssuttubi") > 0) {
                r = sd_bus_message_read(call, "ss", &kind, &device);
                (void) snprintf(s->log->kind, sizeof(s->log->kind), "%s", kind);
                (void) sd_bus_message_skip(call, "uttubi");
                (void) sd_bus_message_exit_container(call);
                s->log->n_windows++;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(call);
        if (r >= 0 && sd_bus_message_enter_container(call, 'a', "{sv}") > 0 &&
            sd_bus_message_enter_container(call, 'e', "sv") > 0)
                r = sd_bus_message_read(call, "sv", &device, "u", &s->log->owner);
        if (r < 0)
                return r;
        (void) snprintf(s->log->name, sizeof(s->log->name), "%s", name);
        s->log->n_registered++;
        if (s->plan->lose && *s->uuid)
                return sd_bus_reply_method_errorf(call, TCED_ERROR_MACHINE_EXISTS, "machine %s: it is registered", name);
        (void) snprintf(s->uuid, sizeof(s->uuid), "%s", uuid);
        if (streq(name, "taken"))
                return sd_bus_reply_method_errorf(call, TCED_ERROR_MACHINE_EXISTS,
                                                  "machine taken: it is registered already; choose another name");
        return sd_bus_reply_method_return(call, "o",
                                          s->plan->fault == FAKE_ODD_PATH ? "/org/tced1/machine/x" :
                                                                            "/org/tced1/machine/" FAKE_UUID);
}

static int on_find(Server *s, sd_bus_message *call) {
        const char *name;
        int r = sd_bus_message_read(call, "s", &name);

        if (r < 0)
                return r;
        if (*s->uuid && streq(name, s->uuid))
                return sd_bus_reply_method_return(call, "o", "/org/tced1/machine/" FAKE_UUID);
        if (!streq(name, "vm"))
                return sd_bus_reply_method_errorf(call, TCED_ERROR_NO_SUCH_MACHINE, "machine %s: there is none", name);
        return sd_bus_reply_method_return(call, "o", "/org/tced1/machine/" FAKE_UUID);
}

static int on_claim(Server *s, sd_bus_message *call) {
        s->log->n_claimed++;
        if (s->plan->fault == FAKE_NO_CLAIM)
                return sd_bus_reply_method_errorf(call, TCED_ERROR_ALREADY_CLAIMED, "machine vm: process 1 runs it");
        return sd_bus_reply_method_return(call, "");
}

/* As a tced does that is older; libtced has to claim without it. */
static int on_claim_with_pidfd(Server *s, sd_bus_message *call) {
        struct pollfd p = { .events = POLLIN };

        if (sd_bus_message_read(call, "h", &p.fd) >= 0 && poll(&p, 1, 0) == 0)
                s->log->n_pidfds++;
        return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_UNKNOWN_METHOD, "Unknown method ClaimWithPidfd");
}

static int on_unregister(Server *s, sd_bus_message *call) {
        s->log->n_unregistered++;
        if (s->unregistered && s->plan->lose)
                return sd_bus_reply_method_errorf(call, TCED_ERROR_NO_SUCH_MACHINE, "there is none");
        s->unregistered = true;
        return sd_bus_reply_method_return(call, "");
}

static int on_group_by_device(Server *s, sd_bus_message *call) {
        const char *address;
        int r = sd_bus_message_read(call, "s", &address);

        if (r < 0)
                return r;
        if (!streq(address, "0001:00:00.0"))
                return sd_bus_reply_method_errorf(call, TCED_ERROR_NO_SUCH_GROUP, "device %s: it is in no group", address);
        return sd_bus_reply_method_return(call, "o", "/org/tced1/group/7");
}

static int on_open(Server *s, sd_bus_message *call) {
        _cleanup_fd_ int container = open("/dev/null", O_RDWR | O_CLOEXEC), group = open("/dev/zero", O_RDWR | O_CLOEXEC);

        return sd_bus_reply_method_return(call, "hhu", container, group, 7);
}

/* Gives back what came, so that the test can see it did; /dev/zero is a container without room. */
static int on_open_into(Server *s, sd_bus_message *call) {
        uint64_t flags;
        struct stat st;
        int container, r;

        r = sd_bus_message_read(call, "th", &flags, &container);
        if (r < 0)
                return r;
        if (s->plan->fault == FAKE_WRONG_SIGNATURE)
                return sd_bus_reply_method_return(call, "u", 7);
        if (fstat(container, &st) < 0 || st.st_rdev == makedev(1, 5))
                return sd_bus_reply_method_errorf(call, TCED_ERROR_GROUP_BUSY, "it has no room");
        return sd_bus_reply_method_return(call, "h", container);
}

/* What libtced compares; of DynamicWindows: one in the VMM, one that can't be. */
static int on_get(Server *s, sd_bus_message *call) {
        const char *interface, *name;
        int r = sd_bus_message_read(call, "ss", &interface, &name);

        if (r < 0)
                return r;
        if (streq(name, "Name") || streq(name, "State"))
                return sd_bus_reply_method_return(call, "v", "s", *name == 'S' ? "registered" : s->log->name);
        if (streq(name, "Size") || streq(name, "BusOffset"))
                return sd_bus_reply_method_return(call, "v", "t", *name == 'S' ? UINT64_C(1) << 20 : UINT64_C(0));
        return sd_bus_reply_method_return(call, "v", "a(usttutbss)", 2, 0x80000001U, "phb0", UINT64_C(1) << 59, UINT64_C(1) << 30, 16U,
                                          UINT64_C(1) << 14, 1, "user", "rule-user", 0x80000101U, "phb1", UINT64_C(1) << 59,
                                          UINT64_C(1) << 30, 16U, UINT64_C(1) << 14, 1, "", "invalid-window");
}

static int on_window(Server *s, sd_bus_message *call) {
        _cleanup_fd_ int fd = -EBADF;
        uint64_t offset, entries;
        uint32_t liobn, shift;
        int refused, r;

        r = sd_bus_message_read(call, "uutti", &liobn, &shift, &offset, &entries, &refused);
        if (r < 0)
                return r;
        s->log->n_windows_opened++;
        s->log->last_error = refused;
        if (s->plan->fault == FAKE_NO_REPLY)
                return 1;
        if (s->plan->fault == FAKE_WRONG_SIGNATURE)
                return sd_bus_reply_method_return(call, "ss", "kernel", "in-kernel");
        if (s->plan->fault == FAKE_NO_FD)
                return sd_bus_reply_method_return(call, "ssah", "user", "rule-user", 0);
        if (refused && s->plan->lose && s->log->n_windows_opened > 1)
                return sd_bus_reply_method_errorf(call, TCED_ERROR_INVALID_ARGUMENT, "it is planned as `user`");
        if (s->plan->must_be_kernel && refused)
                return sd_bus_reply_method_errorf(call, TCED_ERROR_KERNEL_DEMANDED, "a rule demands it");
        if (liobn == FAKE_LIOBN_KERNEL && refused == 0)
                return sd_bus_reply_method_return(call, "ssah", "kernel", "in-kernel", 0);
        fd = make_memfd(s);
        return sd_bus_reply_method_return(call, "ssah", "user", "rule-user", 1, fd);
}

/* What is sent from now on reaches nobody, and what did so far is no answer. */
static void lose_answer(Server *s, sd_bus_message *call) {
        static const char half[] = { 'l', 2, 1, 1, 64, 0, 0, 0, 1, 0 };
        int fd = sd_bus_get_fd(sd_bus_message_get_bus(call));

        s->log->n_lost++;
        (void) !write(fd, half, sizeof(half));
        (void) shutdown(fd, SHUT_WR);
        s->hang_up = true;
}

static int on_message(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        static const struct {
                const char *member;
                int (*handle)(Server *s, sd_bus_message *call);
        } methods[] = {
                { "RegisterMachine", on_register },   { "GetMachine", on_find },    { "Claim", on_claim },
                { "AcquireTables", on_acquire },      { "ReportTable", on_report }, { "Unregister", on_unregister },
                { "GetGroupByDevice", on_group_by_device }, { "Open", on_open }, { "OpenInto", on_open_into },
                { "Get", on_get },                    { "AcquireWindow", on_window }, { "ClaimWithPidfd", on_claim_with_pidfd },
        };

        Server *s = userdata;
        bool lose = s->plan->lose && s->log->n_lost == 0 && sd_bus_message_is_method_call(call, NULL, s->plan->lose);

        for (size_t i = 0; i < ELEMENTSOF(methods); i++) {
                if (!sd_bus_message_is_method_call(call, NULL, methods[i].member))
                        continue;
                if (lose)
                        lose_answer(s, call);
                if (s->plan->fail && s->log->n_failed == 0 && streq(methods[i].member, s->plan->fail)) {
                        s->log->n_failed++;
                        return sd_bus_reply_method_errorf(call, TCED_ERROR_NO_MEMORY, "no memory");
                }
                int r = methods[i].handle(s, call);
                return r < 0 ? r : 1;
        }
        return 0;
}

/* One client after the other, until the test ends the process. */
static void serve(Server *s, int listener) {
        for (unsigned i = 0;; i++) {
                int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
                sd_bus *bus = NULL;
                sd_id128_t id;
                int r;

                if (s->plan->fault == FAKE_MUTE)
                        (void) pause();
                /* Stopped and continued by a test. */
                if (fd < 0 && errno == EINTR)
                        continue;
                if (fd >= 0 && i < s->plan->n_hang_up) {
                        (void) close(fd);
                        continue;
                }
                if (fd < 0 || sd_id128_randomize(&id) < 0 || sd_bus_new(&bus) < 0 || sd_bus_set_fd(bus, fd, fd) < 0 ||
                    sd_bus_set_server(bus, 1, id) < 0 || sd_bus_negotiate_fds(bus, 1) < 0 ||
                    sd_bus_add_filter(bus, NULL, on_message, s) < 0)
                        _exit(1);
                /* Some hang up before their turn comes. */
                r = sd_bus_start(bus);
                while (r >= 0 && !s->hang_up) {
                        r = sd_bus_process(bus, NULL);
                        if (r == 0)
                                r = sd_bus_wait(bus, UINT64_MAX);
                }
                s->hang_up = false;
                sd_bus_close(bus);
                sd_bus_unref(bus);
        }
}

int fake_start(Fake *fake, const FakePlan *plan) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_fd_ int listener = -EBADF;

        *fake = (Fake) { .dir = "/tmp/fake-tced-XXXXXX" };
        fake->log = mmap(NULL, sizeof(*fake->log), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (fake->log == MAP_FAILED || !mkdtemp(fake->dir))
                return -errno;
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", fake->dir);
        (void) snprintf(fake->address, sizeof(fake->address), "unix:path=%s/socket", fake->dir);
        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (listener < 0 || bind(listener, (const struct sockaddr *) &address, sizeof(address)) < 0 ||
            listen(listener, 8) < 0)
                return -errno;
        fake->pid = fork();
        if (fake->pid < 0)
                return -errno;
        if (fake->pid == 0) {
                Server server = { .plan = plan, .log = fake->log };

                /* A test that was killed would not come to stop it. */
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                make_tables(&server);
                serve(&server, listener);
        }
        return 0;
}

void fake_stop(Fake *fake) {
        (void) kill(fake->pid, SIGKILL);
        (void) waitpid(fake->pid, NULL, 0);
        (void) unlink(fake->address + strlen("unix:path="));
        (void) rmdir(fake->dir);
        (void) munmap(fake->log, sizeof(*fake->log));
}
