/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bench-peer: what tced is measured against, where that is a process of its own.
 *
 *   tables-socket PATH   listens there and serves one connection after the other: a peer of sd-bus's and nothing else, which answers
 *                        AcquireTables with eight tables, as tced does
 *   tables-bus           the same as a service: PEER_NAME on the bus of DBUS_SYSTEM_BUS_ADDRESS
 *   bare-service NAME    the least that systemd calls a service: it takes the name on that bus, says READY=1, and waits for SIGTERM
 *
 * With BENCH_VMM in its environment, whatever its words are, it is what is looked at: a process that has what a VMM has.
 *
 * Each asks who calls as little as it can: not at all. */

#include "peer.h"

#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <systemd/sd-id128.h>

#include "names.h"
#include "util.h"

static int table_fds[PEER_TABLES];

static int method_acquire_tables(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const void *liobns;
        uint64_t flags;
        size_t size;
        int r;

        r = sd_bus_message_read_array(m, 'u', &liobns, &size);
        if (r >= 0)
                r = sd_bus_message_read(m, "t", &flags);
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ussttutsii)");
        for (uint32_t i = 0; r >= 0 && i < PEER_TABLES; i++)
                r = sd_bus_message_append(reply, "(ussttutsii)", PEER_LIOBN + i, "user", "no-kvm", UINT64_C(0), PEER_WINDOW_BYTES, 12U,
                                          PEER_WINDOW_BYTES >> 12, "auto", -1, (int) i);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "h");
        for (uint32_t i = 0; r >= 0 && i < PEER_TABLES; i++)
                r = sd_bus_message_append(reply, "h", table_fds[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "bu", 0, 0U);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("AcquireTables", "aut", "a(ussttutsii)ahbu", method_acquire_tables, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static int serve(sd_bus *bus) {
        int r;

        for (;;) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
                if (r < 0)
                        return r;
        }
}

static int make_tables(void) {
        for (size_t i = 0; i < PEER_TABLES; i++) {
                table_fds[i] = memfd_create("table", MFD_CLOEXEC);
                if (table_fds[i] < 0 || ftruncate(table_fds[i], PEER_WINDOW_BYTES >> 9) < 0)
                        return -errno;
        }
        return 0;
}

static int serve_socket(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, 8) < 0)
                return -errno;
        for (;;) {
                int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), r;
                sd_bus *bus = NULL;

                if (connection < 0)
                        return -errno;
                r = sd_bus_new(&bus);
                if (r >= 0)
                        r = sd_bus_set_fd(bus, connection, connection);
                if (r >= 0)
                        r = sd_bus_set_server(bus, 1, SD_ID128_NULL);
                if (r >= 0)
                        r = sd_bus_negotiate_fds(bus, 1);
                if (r >= 0)
                        r = sd_bus_add_fallback_vtable(bus, NULL, TCED_MACHINE_PREFIX, TCED_INTERFACE_MACHINE, vtable, NULL, NULL);
                if (r >= 0)
                        r = sd_bus_start(bus);
                if (r >= 0)
                        (void) serve(bus);
                (void) sd_bus_close_unref(bus);
                if (r < 0)
                        return r;
        }
}

static int serve_bus(void) {
        sd_bus *bus = NULL;
        int r;

        r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_add_fallback_vtable(bus, NULL, TCED_MACHINE_PREFIX, TCED_INTERFACE_MACHINE, vtable, NULL, NULL);
        if (r >= 0)
                r = sd_bus_request_name(bus, PEER_NAME, 0);
        return r < 0 ? r : serve(bus);
}

/* A VM and two vCPUs, where there is KVM. Kept open, and mapped, as long as this lives. */
static bool make_vm(void) {
        int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);

        for (unsigned long i = 0; vm >= 0 && i < 2; i++) {
                int vcpu = ioctl(vm, KVM_CREATE_VCPU, i);

                if (vcpu < 0 || mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0) == MAP_FAILED)
                        return false;
        }
        return vm >= 0;
}

/* Half of a table's pages have been written. */
static int map_table(unsigned liobn) {
        char name[32], *mapping;
        int fd;

        (void) snprintf(name, sizeof(name), "tced:bench-%08x", liobn);
        fd = memfd_create(name, MFD_CLOEXEC);
        if (fd < 0 || ftruncate(fd, PEER_VMM_TABLE) < 0)
                return -errno;
        mapping = mmap(NULL, PEER_VMM_TABLE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (mapping == MAP_FAILED)
                return -errno;
        memset(mapping, 1, PEER_VMM_TABLE / 2);
        return 0;
}

/* Has what a VMM has, says so, and waits for its end. */
static int be_vmm(void) {
        char said = make_vm() ? PEER_HAS_KVM : PEER_NO_KVM;
        int r = 0;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (unsigned i = 0; r >= 0 && i < PEER_VMM_TABLES; i++)
                r = map_table(PEER_LIOBN + i);
        for (unsigned i = 0; r >= 0 && i < PEER_VMM_FDS; i++)
                r = eventfd(0, EFD_CLOEXEC);
        /* Neighbours that are alike become one. */
        for (unsigned i = 0; r >= 0 && i < PEER_VMM_MAPPINGS; i++)
                r = mmap(NULL, 4096, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -errno : 0;
        if (r < 0)
                return r;
        if (write(STDOUT_FILENO, &said, 1) != 1)
                return -errno;
        for (;;)
                (void) pause();
}

static int on_end(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        return sd_event_exit(sd_event_source_get_event(s), EXIT_SUCCESS);
}

static int serve_nothing(const char *name) {
        sd_event *event = NULL;
        sd_bus *bus = NULL;
        sigset_t blocked;
        int r;

        sigemptyset(&blocked);
        sigaddset(&blocked, SIGTERM);
        (void) sigprocmask(SIG_BLOCK, &blocked, NULL);
        r = sd_event_default(&event);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGTERM, on_end, NULL);
        if (r >= 0)
                r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_attach_event(bus, event, 0);
        if (r >= 0)
                r = sd_bus_request_name(bus, name, 0);
        if (r >= 0)
                r = sd_notify(0, "READY=1");
        return r < 0 ? r : sd_event_loop(event);
}

int main(int argc, char **argv) {
        int r = -EINVAL;

        if (getenv("BENCH_VMM"))
                r = be_vmm();
        else if (argc == 3 && streq(argv[1], "tables-socket"))
                r = (r = make_tables()) < 0 ? r : serve_socket(argv[2]);
        else if (argc == 2 && streq(argv[1], "tables-bus"))
                r = (r = make_tables()) < 0 ? r : serve_bus();
        else if (argc == 3 && streq(argv[1], "bare-service") && (r = serve_nothing(argv[2])) == 0)
                return 0;
        (void) fprintf(stderr, "bench-peer: %s\n", strerror(-r));
        return 1;
}
