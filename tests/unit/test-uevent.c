/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* uevent.c: which messages matter, however they are made; and, in a network namespace of the test's own, that the kernel is believed
 * and nobody else. The test plays the manager: it counts what it is asked for. */

#include "uevent.h"

#include <inttypes.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/socket.h>

#include "event-loop.h"
#include "kvm-abi.h"
#include "log.h"
#include "manager_audit.h"
#include "tap.h"

#define KERNEL_GROUP 1U

static unsigned rescans, probes;
static pid_t created_pid, destroyed_pid;

int manager_rescan(Manager *m) {
        rescans++;
        return 0;
}

int manager_probe(Manager *m, bool deep, ProbeDone done, void *userdata) {
        probes++;
        return 0;
}

void manager_vm_created(Manager *m, pid_t pid) {
        created_pid = pid;
}

void manager_vm_destroyed(Manager *m, pid_t pid) {
        destroyed_pid = pid;
}

/* A message as long as it is, and no longer, so that reading beyond it is noticed. */
static void judge(const char *message, size_t size, bool *rescan, bool *probe) {
        char *copy = malloc(size ? size : 1);

        if (!copy)
                exit(EXIT_FAILURE);
        memcpy(copy, message, size);
        *rescan = *probe = true;
        uevent_judge(copy, size, rescan, probe);
        free(copy);
}

#define MESSAGE(text) text, sizeof(text)            /* with the NUL at its end */
#define MESSAGE_CUT(text) text, sizeof(text) - 1    /* without */
#define PCI_PATH "/devices/pci0000:00/0000:00:01.0"

static const char pci_message[] = "add@" PCI_PATH "\0ACTION=add\0DEVPATH=" PCI_PATH "\0SUBSYSTEM=pci\0SEQNUM=4711";

static void test_judge(void) {
        static const struct {
                const char *name, *message;
                size_t size;
                bool rescan, probe;
        } cases[] = {
                { "a PCI device", MESSAGE(pci_message), true, false },
                { "a VFIO group", MESSAGE("add@/g\0ACTION=add\0DEVPATH=/devices/virtual/vfio/3\0SUBSYSTEM=vfio"), true, false },
                { "a VFIO device", MESSAGE("bind@/d\0ACTION=bind\0DEVPATH=/devices/x/vfio-dev/vfio0\0SUBSYSTEM=vfio-dev"), true, false },
                { "vfio_pci is loaded", MESSAGE("add@/m\0ACTION=add\0DEVPATH=/module/vfio_pci\0SUBSYSTEM=module"), true, false },
                { "vfio is unloaded", MESSAGE("remove@/m\0ACTION=remove\0DEVPATH=/module/vfio\0SUBSYSTEM=module"), true, false },
                { "kvm_hv is loaded", MESSAGE("add@/m\0ACTION=add\0DEVPATH=/module/kvm_hv\0SUBSYSTEM=module"), false, true },
                { "kvm is loaded", MESSAGE("add@/m\0ACTION=add\0DEVPATH=/module/kvm\0SUBSYSTEM=module"), false, true },
                { "its keys in another order", MESSAGE("add@/m\0SUBSYSTEM=module\0X=y\0DEVPATH=/module/kvm"), false, true },
                { "another module", MESSAGE("add@/m\0ACTION=add\0DEVPATH=/module/loop\0SUBSYSTEM=module"), false, false },
                { "a module below another path", MESSAGE("add@/m\0ACTION=add\0DEVPATH=/devices/module/kvm\0SUBSYSTEM=module"), false,
                  false },
                { "a network device", MESSAGE("add@/n\0ACTION=add\0DEVPATH=/devices/virtual/net/lo\0SUBSYSTEM=net"), false, false },
                { "a device of kvm's", MESSAGE("change@/k\0ACTION=change\0DEVPATH=/devices/virtual/misc/kvm\0SUBSYSTEM=misc"), false,
                  false },
                { "a subsystem that begins with pci", MESSAGE("add@/p\0DEVPATH=/p\0SUBSYSTEM=pci_bus"), false, false },
                { "a subsystem that ends with pci", MESSAGE("add@/p\0DEVPATH=/p\0SUBSYSTEM=xpci"), false, false },
                { "a subsystem in capitals", MESSAGE("add@/p\0DEVPATH=/p\0SUBSYSTEM=PCI"), false, false },

                { "nothing", "", 0, false, false },
                { "a NUL", MESSAGE(""), false, false },
                { "nothing but NULs", MESSAGE("\0\0\0\0\0\0\0"), false, false },
                { "no NUL at the end", MESSAGE_CUT(pci_message), false, false },
                { "no NUL at all", MESSAGE_CUT("SUBSYSTEM=pci"), false, false },
                { "no keys", MESSAGE("add@" PCI_PATH), false, false },
                { "no path", MESSAGE("add@/p\0ACTION=add\0SUBSYSTEM=pci"), false, false },
                { "no subsystem", MESSAGE("add@/p\0ACTION=add\0DEVPATH=/p"), false, false },
                { "keys without '='", MESSAGE("add@/p\0DEVPATH\0SUBSYSTEM"), false, false },
                { "a key without '=' before the right one", MESSAGE("add@/p\0SUBSYSTEM\0DEVPATH=/p\0SUBSYSTEM=pci"), true, false },
                { "no values", MESSAGE("add@/p\0DEVPATH=\0SUBSYSTEM="), false, false },
                { "an '=' and nothing else", MESSAGE("=\0="), false, false },
                { "a key that goes on", MESSAGE("add@/p\0DEVPATH=/p\0SUBSYSTEM_X=pci"), false, false },
                { "a key that begins earlier", MESSAGE("add@/p\0DEVPATH=/p\0XSUBSYSTEM=pci"), false, false },
                { "a key within a value", MESSAGE("add@/p\0DEVPATH=/p\0X=SUBSYSTEM=pci"), false, false },
                { "a key in small letters", MESSAGE("add@/p\0DEVPATH=/p\0subsystem=pci"), false, false },
                { "a blank before the value", MESSAGE("add@/p\0DEVPATH=/p\0SUBSYSTEM= pci"), false, false },
                { "a newline after the value", MESSAGE("add@/p\0DEVPATH=/p\0SUBSYSTEM=pci\n"), false, false },
                { "empty strings between", MESSAGE("add@/p\0\0\0DEVPATH=/p\0\0SUBSYSTEM=pci\0\0"), true, false },
                { "the first of two subsystems counts", MESSAGE("add@/p\0DEVPATH=/p\0SUBSYSTEM=net\0SUBSYSTEM=pci"), false, false },
                { "udev's own message", MESSAGE_CUT("libudev\0\xfe\xed\xca\xfe\0\0\0(\0\0\0(\0\0\0SUBSYSTEM=pci"), false, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                bool rescan, probe;

                judge(cases[i].message, cases[i].size, &rescan, &probe);
                tap_ok(rescan == cases[i].rescan && probe == cases[i].probe, "%s", cases[i].name);
        }
}

/* Which process has made a VM, or has one less. */
static void test_vms(void) {
#define KVM "change@/devices/virtual/misc/kvm\0ACTION=change\0DEVPATH=/devices/virtual/misc/kvm\0SUBSYSTEM=misc"
        static const struct {
                const char *name, *message;
                size_t size;
                pid_t pid;
                bool created;
        } cases[] = {
                { "a VM was made", MESSAGE(KVM "\0CREATED=3\0COUNT=1\0EVENT=create\0PID=4711\0STATS_PATH=/sys/kernel/debug/kvm/4711-11"), 4711, true },
                { "a VM is gone", MESSAGE(KVM "\0CREATED=3\0COUNT=0\0EVENT=destroy\0PID=4711"), 4711, false },
                { "another event", MESSAGE(KVM "\0EVENT=pause\0PID=4711"), 0, false },
                { "no PID", MESSAGE(KVM "\0EVENT=create"), 0, false },
                { "a PID that is none", MESSAGE(KVM "\0EVENT=create\0PID=x"), 0, false },
                { "a PID of 0", MESSAGE(KVM "\0EVENT=create\0PID=0"), 0, false },
                { "another device", MESSAGE("change@/m\0DEVPATH=/devices/virtual/misc/kvm2\0EVENT=create\0PID=4711"), 0, false },
                { "cut at its end", MESSAGE_CUT(KVM "\0EVENT=create\0PID=4711"), 0, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                bool created = false;
                pid_t pid = 0;

                (void) uevent_of_vm(cases[i].message, cases[i].size, &pid, &created);
                tap_ok(pid == cases[i].pid && created == cases[i].created, "%s", cases[i].name);
        }
}

/* Cut anywhere, a message says nothing before both keys are there and whole. */
static void test_cut(void) {
        unsigned wrong = 0;
        bool rescan, probe;
        size_t whole = (size_t) ((const char *) memmem(pci_message, sizeof(pci_message), "SEQNUM", 6) - pci_message);

        for (size_t size = 0; size <= sizeof(pci_message); size++) {
                judge(pci_message, size, &rescan, &probe);
                wrong += rescan != (size == whole || size == sizeof(pci_message)) || probe;
        }
        tap_eq(wrong, 0, "a message cut at each of its %zu bytes", sizeof(pci_message));
}

static void test_noise(void) {
        static const char *const pieces[] = { "SUBSYSTEM", "DEVPATH", "=", "pci", "vfio", "module", "/module/kvm", "\xff", "x" };
        uint64_t seed = 1;

        for (unsigned i = 0; i < 20000; i++) {
                char message[128];
                bool rescan, probe;
                size_t n = 0;

                do {
                        const char *piece;

                        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
                        piece = pieces[(seed >> 33) % ELEMENTSOF(pieces)];
                        if (n + strlen(piece) + 1 > sizeof(message))
                                break;
                        memcpy(message + n, piece, strlen(piece) + 1);
                        n += strlen(piece) + ((seed >> 50) % 2);
                } while ((seed >> 40) % 16 != 0);
                judge(message, n, &rescan, &probe);
        }
        tap_ok(true, "20000 messages of odd pieces do no harm");
}

/* What one whom the kernel has nothing to do with sends: to the group, or to a port. */
static ssize_t forge(int socket, uint32_t port, const struct ucred *claim) {
        struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_pid = port, .nl_groups = port ? 0 : KERNEL_GROUP };
        struct iovec iov = { .iov_base = (void *) pci_message, .iov_len = sizeof(pci_message) };
        struct msghdr message = { .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &iov, .msg_iovlen = 1 };
        union {
                char bytes[CMSG_SPACE(sizeof(struct ucred))];
                struct cmsghdr align;
        } control = {};

        if (claim) {
                message.msg_control = control.bytes;
                message.msg_controllen = sizeof(control.bytes);
                control.align = (struct cmsghdr) {
                        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS, .cmsg_len = CMSG_LEN(sizeof(*claim)),
                };
                memcpy(CMSG_DATA(&control.align), claim, sizeof(*claim));
        }
        return sendmsg(socket, &message, MSG_DONTWAIT);
}

static int open_netlink(uint32_t groups) {
        struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                exit(EXIT_FAILURE);
        return fd;
}

static uint32_t port_of(int fd) {
        struct sockaddr_nl address = {};
        socklen_t size = sizeof(address);

        (void) getsockname(fd, (struct sockaddr *) &address, &size);
        return address.nl_pid;
}

/* How many messages a socket in the same group has got; they are taken out. */
static unsigned drain(int witness) {
        char buffer[8192];
        unsigned n = 0;

        while (recv(witness, buffer, sizeof(buffer), MSG_DONTWAIT) > 0)
                n++;
        return n;
}

/* The port of uevent.c's socket: the one in this namespace that is not one of these two, nor the kernel's. */
static uint32_t find_port(int one, int other) {
        _cleanup_file_ FILE *f = fopen("/proc/thread-self/net/netlink", "re");
        unsigned protocol, port;
        char line[256];

        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "%*s %u %u", &protocol, &port) == 2 && protocol == NETLINK_KOBJECT_UEVENT && port != 0 &&
                    port != port_of(one) && port != port_of(other))
                        return port;
        return 0;
}

static void test_forged(sd_event *event) {
        const struct ucred as_kernel = {}, as_init = { .pid = 1 };
        int sender = open_netlink(0), witness = open_netlink(KERNEL_GROUP);
        uint32_t port = find_port(sender, witness);
        ssize_t n;

        rescans = probes = 0;
        tap_eq(forge(sender, 0, NULL), sizeof(pci_message), "root sends a message like the kernel's to the group");
        tap_ok(forge(sender, 0, &as_init) > 0, "in the name of process 1");
        tap_eq(drain(witness), 2, "the group gets them");
        tap_ok(port != 0 && forge(sender, port, NULL) > 0, "and to the daemon alone");
        n = forge(sender, 0, &as_kernel);
        tap_ok(n < 0 || drain(witness) == 1, "in the name of the kernel (%s)", n < 0 ? "which the kernel does not let pass" : "sent");
        loop_for(event, SECOND_USEC / 2);
        tap_ok(rescans == 0 && probes == 0, "none is believed");
        (void) close(sender);
        (void) close(witness);
}

/* Has the kernel say something of a device; `change` changes nothing. */
static bool trigger(const char *path) {
        _cleanup_fd_ int fd = open(path, O_WRONLY | O_CLOEXEC);

        return fd >= 0 && write(fd, "change", 6) == 6;
}

static bool find_pci_uevent(char *ret, size_t size) {
        DIR *dir = opendir("/sys/bus/pci/devices");
        struct dirent *entry;
        bool found = false;

        while (dir && !found && (entry = readdir(dir)))
                if (entry->d_name[0] != '.')
                        found = snprintf(ret, size, "/sys/bus/pci/devices/%s/uevent", entry->d_name) < (int) size;
        if (dir)
                (void) closedir(dir);
        return found;
}

/* The kernel tells every namespace of its devices: one that really came or went meanwhile is no fault, so this is tried some times. */
static void test_kernel_other(sd_event *event) {
        int witness = open_netlink(KERNEL_GROUP);
        const char *name = "a kernel's message of another device leads to nothing";
        bool seen = false;

        for (unsigned attempt = 0; attempt < 5 && !seen; attempt++) {
                rescans = probes = 0;
                if (!trigger("/sys/devices/virtual/mem/null/uevent")) {
                        tap_skip("/sys is not writable here", name);
                        (void) close(witness);
                        return;
                }
                loop_for(event, SECOND_USEC / 2);
                seen = drain(witness) > 0 && rescans == 0 && probes == 0;
        }
        tap_ok(seen, "%s", name);
        (void) close(witness);
}

static void test_kernel_pci(sd_event *event) {
        uint64_t start = monotonic_usec(), took;
        unsigned sent = 0;
        char path[300];

        rescans = probes = 0;
        if (!find_pci_uevent(path, sizeof(path)) || !trigger(path)) {
                tap_skip("there is no PCI device here, or /sys is not writable", "the kernel's message of a PCI device");
                return;
        }
        (void) loop_until(event, &rescans, 1, LOOP_LIMIT_USEC);
        took = monotonic_usec() - start;
        tap_ok(rescans == 1 && probes == 0, "the kernel's message of a PCI device leads to a look");
        tap_ok(took >= SECOND_USEC / 10, "when it has been quiet for a moment (%" PRIu64 " ms)", took / 1000);

        rescans = 0;
        for (unsigned i = 0; i < 20; i++)
                (void) trigger(path);
        loop_for(event, SECOND_USEC);
        tap_ok(rescans == 1 && probes == 0, "a burst of them leads to one");

        rescans = 0;
        start = monotonic_usec();
        while (rescans == 0 && monotonic_usec() - start < LOOP_LIMIT_USEC) {
                (void) trigger(path);
                loop_for(event, SECOND_USEC / 50);
                sent++;
        }
        took = monotonic_usec() - start;
        tap_ok(took >= SECOND_USEC / 2 && took < 10 * SECOND_USEC,
               "one that does not end (%u messages) is looked at after a second (%" PRIu64 " ms)",
               sent, took / 1000);
        loop_for(event, SECOND_USEC / 2);
        rescans = 0;
        loop_for(event, SECOND_USEC / 5);
        tap_eq(rescans, 0, "afterwards it is quiet");
}

/* KVM's own word of a VM of this process's: by its PID as the first namespace has it. */
static void test_kernel_vm(sd_event *event) {
        _cleanup_fd_ int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
        const char *name = "a VM is made, and goes: the kernel says whose";
        uint64_t start = monotonic_usec();
        int vm;

        created_pid = destroyed_pid = 0;
        vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
        if (vm < 0) {
                tap_skip("no VM can be made here", name);
                return;
        }
        (void) close(vm);
        while (destroyed_pid == 0 && monotonic_usec() - start < LOOP_LIMIT_USEC)
                (void) sd_event_run(event, SECOND_USEC / 10);
        tap_ok(created_pid > 0 && created_pid == destroyed_pid, "%s (%d)", name, (int) created_pid);
}

/* Messages that are lost may have mattered. */
static void test_lost(sd_event *event) {
        int sender = open_netlink(0);
        unsigned sent = 0;

        rescans = probes = 0;
        while (sent < 30000 && forge(sender, 0, NULL) > 0)
                sent++;
        loop_for(event, SECOND_USEC);
        tap_ok(rescans >= 1 && probes == 0, "messages that were lost, of %u, lead to a look", sent);
        (void) close(sender);
        loop_for(event, SECOND_USEC / 2);
}

static void test_live(void) {
        _cleanup_event_ sd_event *event = loop_new();
        unsigned before = count_fds();
        Manager m = { .event = event };
        Uevent *u = NULL;

        tap_ok(uevent_new(event, &m, &u) == 0 && u, "listening to the kernel");
        if (unshare(CLONE_NEWNET) < 0) {
                tap_skip("only root can make a network namespace", "who is believed");
                tap_ok(uevent_free(u) == NULL && uevent_free(NULL) == NULL, "it is freed; none is no error");
        } else {
                (void) uevent_free(u);
                tap_ok(uevent_new(event, &m, &u) == 0 && u, "and in a namespace where only the test does anything");
                test_forged(event);
                test_kernel_other(event);
                test_kernel_pci(event);
                test_kernel_vm(event);
                test_lost(event);
                tap_ok(uevent_free(u) == NULL && uevent_free(NULL) == NULL, "it is freed; none is no error");
        }
        tap_eq(count_fds(), before, "no fd is left");
}

int main(void) {
        (void) log_set_target("null");
        test_judge();
        test_vms();
        test_cut();
        test_noise();
        test_live();
        return tap_done();
}
