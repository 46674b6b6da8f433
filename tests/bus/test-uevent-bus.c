/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the kernel says, until it is heard on the bus: in a network namespace of the test's own, by the uevents of a real PCI device of this machine
 * that is in a group of the made-up /sys. Forgers are not believed; floods, with a receive buffer as small as there is, end in what is so. */

#include <dirent.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "client.h"
#include "tap.h"

#define MINE 1U
#define OTHER 2U
#define OTHER_ADDRESS "fffe:00:01.0"
#define MINE_CHANGED "PropertiesChanged /org/tced1/group/1 org.tced1.Group"
#define OTHER_CHANGED "PropertiesChanged /org/tced1/group/2 org.tced1.Group"
#define ATTEMPTS 6U

/* A sanitizer keeps what was freed, for a while and up to 256 MiB. */
#if defined(__SANITIZE_ADDRESS__)
#define KEPT_KIB (300 * 1024)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KEPT_KIB (300 * 1024)
#endif
#endif
#ifndef KEPT_KIB
#define KEPT_KIB 1024
#endif

static char address[64], uevent[128];

static uint64_t now_msec(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
}

static bool find_device(void) {
        DIR *dir = opendir("/sys/bus/pci/devices");
        struct dirent *entry;

        while (dir && !*address && (entry = readdir(dir)))
                if (pci_address_valid(entry->d_name) && strlen(entry->d_name) < sizeof(address))
                        (void) snprintf(address, sizeof(address), "%.60s", entry->d_name);
        if (dir)
                (void) closedir(dir);
        (void) snprintf(uevent, sizeof(uevent), "/sys/bus/pci/devices/%s/uevent", address);
        return *address;
}

/* Has the kernel say something of the real device: `change` and `add` change nothing. */
static bool trigger(const char *action) {
        _cleanup_fd_ int fd = open(uevent, O_WRONLY | O_CLOEXEC);

        return fd >= 0 && write(fd, action, strlen(action)) == (ssize_t) strlen(action);
}

static unsigned count(const Signals *s, const char *text) {
        unsigned n = 0;

        for (const char *p = s->text; p && (p = strstr(p, text)); p += strlen(text))
                n++;
        return n;
}

/* Hears for so long. */
static void listen_for(sd_bus *bus, unsigned milliseconds) {
        uint64_t end = now_msec() + milliseconds, now;

        while ((now = now_msec()) < end) {
                while (sd_bus_process(bus, NULL) > 0)
                        ;
                (void) sd_bus_wait(bus, (end - now) * 1000);
        }
}

/* Another driver than ever before. */
static void change_driver(const Host *h, unsigned number) {
        static unsigned turn;
        char path[160], target[64];

        (void) snprintf(path, sizeof(path), "sys/devices/pci0000:00/%s/driver", number == MINE ? address : OTHER_ADDRESS);
        (void) snprintf(target, sizeof(target), "../../../bus/pci/drivers/driver%u", ++turn);
        host_link(h, path, target);
}

/* ---- forgers ---- */

typedef struct Forged {
        struct nlmsghdr header;
        char text[256];
        size_t size;
} Forged;

static Forged forged_message(void) {
        Forged f = {};

        f.size = (size_t) snprintf(f.text, sizeof(f.text), "change@/d%cACTION=change%cDEVPATH=/devices/pci0000:00/%s%cSUBSYSTEM=pci", 0, 0, address, 0) + 1;
        f.header = (struct nlmsghdr) {
                .nlmsg_len = (uint32_t) NLMSG_LENGTH(f.size), .nlmsg_type = NLMSG_MIN_TYPE, .nlmsg_flags = NLM_F_REQUEST,
        };
        return f;
}

static int netlink_socket(uint32_t groups) {
        struct sockaddr_nl own = { .nl_family = AF_NETLINK, .nl_groups = groups };
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

        if (fd < 0 || bind(fd, (struct sockaddr *) &own, sizeof(own)) < 0)
                bail_out("netlink: %s", strerror(errno));
        return fd;
}

static bool send_to(int fd, uint32_t port, uint32_t groups, const void *data, size_t size) {
        struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_pid = port, .nl_groups = groups };

        return sendto(fd, data, size, 0, (struct sockaddr *) &to, sizeof(to)) == (ssize_t) size;
}

/* The port of the daemon's socket, which is its PID or one that the kernel chose: the one in this namespace that is none of these. */
static uint32_t daemon_port(int one, int other) {
        struct sockaddr_nl mine[2] = {};
        socklen_t size = sizeof(mine[0]);
        _cleanup_file_ FILE *f = fopen("/proc/self/net/netlink", "re");
        unsigned protocol, port;
        char line[256];

        (void) getsockname(one, (struct sockaddr *) &mine[0], &size);
        (void) getsockname(other, (struct sockaddr *) &mine[1], &size);
        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "%*s %u %u", &protocol, &port) == 2 && protocol == NETLINK_KOBJECT_UEVENT && port != 0 &&
                    port != mine[0].nl_pid && port != mine[1].nl_pid)
                        return port;
        return 0;
}

static unsigned received(int witness) {
        char buffer[8192];
        unsigned n = 0;

        while (recv(witness, buffer, sizeof(buffer), MSG_DONTWAIT) > 0 || errno == ENOBUFS) {
                n++;
                errno = 0;
        }
        return n;
}

static void test_forged(Host *h, sd_bus *bus, Signals *s) {
        const Forged f = forged_message();
        int sender = netlink_socket(0), witness = netlink_socket(1);
        uint32_t port = daemon_port(sender, witness);
        bool silent = false, all = true;
        unsigned n = 0;

        tap_ok(port != 0, "the daemon listens");
        for (unsigned i = 0; i < ATTEMPTS && !silent; i++) {
                listen_for(bus, 300);
                (void) received(witness);
                signals_forget(s);
                change_driver(h, MINE);
                all = send_to(sender, 0, 1, f.text, f.size) && send_to(sender, port, 0, f.text, f.size) &&
                      send_to(sender, 0, 0, &f, NLMSG_LENGTH(f.size));
                n = received(witness);
                listen_for(bus, 400);
                silent = count(s, MINE_CHANGED) == 0;
        }
        tap_ok(all && n >= 2, "root sends to the group, to the daemon, and by the kernel's mouth: two of these are for all");
        tap_ok(silent, "and nobody hears a word of it");
        (void) close(sender);
        (void) close(witness);
}

/* ---- the kernel ---- */

static void test_change(Host *h, sd_bus *bus, Signals *s) {
        uint64_t start, took = 0;
        bool well = false;

        for (unsigned i = 0; i < ATTEMPTS && !well; i++) {
                listen_for(bus, 300);
                signals_forget(s);
                change_driver(h, MINE);
                change_driver(h, OTHER);
                start = now_msec();
                (void) trigger("change");
                if (!signals_wait(bus, s, MINE_CHANGED))
                        break;
                took = now_msec() - start;
                listen_for(bus, 300);
                well = took < 100 && count(s, MINE_CHANGED) == 1 && count(s, "/org/tced1/group/") == 1;
        }
        tap_ok(well, "a device changes its driver: its group says so, once, in less than a tenth of a second (%u ms)", (unsigned) took);
        tap_eq(count(s, MINE_CHANGED " Devices Binding BindingWhy Viable Viability ViabilityWhy\n"), 1, "with what is another now, or may be, and nothing else");
        tap_eq(count(s, OTHER_CHANGED), 0, "of another group, whose device said nothing, nothing is read");
        tap_eq(count(s, "PropertiesChanged /org/tced1 "), 0, "and the host is as it was");

        signals_forget(s);
        change_driver(h, MINE);
        for (unsigned i = 0; i < 50; i++)
                (void) trigger("change");
        listen_for(bus, 500);
        tap_eq(count(s, MINE_CHANGED), 1, "fifty messages of one change: it is told once");

        signals_forget(s);
        (void) call_manager(bus, "Rescan", NULL, "");
        tap_ok(signals_wait(bus, s, OTHER_CHANGED), "Rescan reads everything");
}

/* The kernel tells of a device before it puts it into its group. */
static void test_come(Host *h, sd_bus *bus, Signals *s) {
        char path[160];

        host_remove_group(h, MINE);
        (void) snprintf(path, sizeof(path), "sys/devices/pci0000:00/%s/iommu_group", address);
        host_remove(h, path);
        signals_forget(s);
        (void) trigger("change");
        tap_ok(signals_wait(bus, s, "InterfacesRemoved /org/tced1 /org/tced1/group/1\n"), "its group goes, and its object does");
        listen_for(bus, 200);
        signals_forget(s);
        (void) trigger("add");
        listen_for(bus, 200);
        tap_ok(!signals_have(bus, s, "/org/tced1/group"), "it comes, and has no group yet");
        host_add_group(h, 3, address, "nvme");
        tap_ok(signals_wait(bus, s, "InterfacesAdded /org/tced1 /org/tced1/group/3\n"), "which it gets a moment later");
        host_remove_group(h, 3);
        host_add_group(h, MINE, address, "nvme");
        signals_forget(s);
        (void) trigger("change");
        tap_ok(signals_wait(bus, s, "InterfacesAdded /org/tced1 /org/tced1/group/1\n"), "another number");
        tap_ok(signals_have(bus, s, "InterfacesRemoved /org/tced1 /org/tced1/group/3\n"), "in the place of the one before");
}

/* ---- floods ---- */

/* The daemon's socket, with a buffer as small as the kernel makes it. */
static bool shrink_buffer(pid_t pid) {
        _cleanup_fd_ int process = sys_pidfd_open(pid, 0);
        const int least = 1;

        for (int i = 3; process >= 0 && i < 256; i++) {
                _cleanup_fd_ int fd = (int) syscall(SYS_pidfd_getfd, process, i, 0);
                int domain = 0, protocol = 0;
                socklen_t size = sizeof(int);

                if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 || domain != AF_NETLINK ||
                    getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) < 0 || protocol != NETLINK_KOBJECT_UEVENT)
                        continue;
                return setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least)) == 0;
        }
        return false;
}

static pid_t start_flood(unsigned n) {
        pid_t pid = fork();

        if (pid != 0)
                return pid;
        for (unsigned i = 0; i < n; i++)
                (void) trigger("change");
        _exit(0);
}

/* The group of the device, and one that nobody says a word of, change at the very end: the first is announced by its own message or by the loss
 * of it, the other by the loss. */
static void test_flood(Host *h, sd_bus *bus, Signals *s) {
        const unsigned n = 100000;
        long before, after;
        int fds;
        uint64_t start, took;
        unsigned rounds = 0;

        if (!shrink_buffer(h->tced_pid)) {
                tap_skip("the daemon's socket can't be had", "floods");
                return;
        }
        listen_for(bus, 500);
        before = resident_kib(h->tced_pid);
        fds = settled_fds(h->tced_pid);
        signals_forget(s);
        start = now_msec();
        for (pid_t pid = start_flood(n); waitpid(pid, NULL, WNOHANG) == 0; rounds++) {
                change_driver(h, MINE);
                listen_for(bus, 100);
        }
        took = now_msec() - start;
        after = resident_kib(h->tced_pid);
        tap_ok(count(s, MINE_CHANGED) >= 1 && count(s, MINE_CHANGED) <= took / 1000 * 2 + 3, "a flood of %u in %u ms, with %u changes: told %u times", n, (unsigned) took, rounds,
               count(s, MINE_CHANGED));
        tap_memory(before, after, KEPT_KIB, "the daemon takes no memory for it");

        (void) call_manager(bus, "Rescan", NULL, "");
        listen_for(bus, 1500);
        signals_forget(s);
        change_driver(h, MINE);
        change_driver(h, OTHER);
        /* Not a race: it does not read meanwhile. */
        (void) kill(h->tced_pid, SIGSTOP);
        for (unsigned i = 0; i < 300; i++)
                (void) trigger("change");
        (void) kill(h->tced_pid, SIGCONT);
        tap_ok(signals_wait(bus, s, OTHER_CHANGED), "messages are lost, so that a group that none was about is read as well");
        listen_for(bus, 1500);
        tap_ok(count(s, MINE_CHANGED) == 1 && count(s, OTHER_CHANGED) == 1, "either is told once");
        tap_eq(settled_fds(h->tced_pid), fds, "no fd is left");
}

int main(void) {
        _cleanup_bus_ sd_bus *bus = NULL;
        Signals s = {};
        int turn;
        Host h;

        host_init(&h, 110);
        if (geteuid() != 0 || !find_device() || unshare(CLONE_NEWNET) < 0 || !trigger("change") || !host_start_bus(&h)) {
                tap_skip("needs root, a PCI device, a /sys that can be written to and a dbus-daemon", "uevents on the bus");
                host_done(&h);
                return tap_done();
        }
        /* Others that have the kernel speak of it take turns (tests/unit/test-uevent.c). */
        turn = open(uevent, O_RDONLY | O_CLOEXEC);
        (void) flock(turn, LOCK_EX);
        host_add_group(&h, MINE, address, "tg3");
        host_add_group(&h, OTHER, OTHER_ADDRESS, "tg3");
        if (!host_start_tced(&h, NULL))
                bail_out("tced does not start");
        bus = open_bus(&h);
        wait_probed(bus);
        signals_record(bus, &s);
        test_forged(&h, bus, &s);
        test_change(&h, bus, &s);
        test_come(&h, bus, &s);
        test_flood(&h, bus, &s);
        signals_end(&s);
        (void) close(turn);
        host_done(&h);
        return tap_done();
}
