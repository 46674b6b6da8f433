/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* uevent.c: which messages matter, and what they are about, however they are made; what bursts lead to; and, in a network namespace of the test's
 * own, that the kernel is believed and nobody else, also when it says too much. The test plays the manager: it counts what it is asked for. */

#include "uevent.h"

#include <inttypes.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/socket.h>

#include "event-loop.h"
#include "kvm-abi.h"
#include "log.h"
#include "manager_audit.h"
#include "tap.h"
#include "tree.h"

#define KERNEL_GROUP 1U
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

static unsigned rescans, partial, probes, looks; /* looks: rescans and partial */
static char looked_at[512]; /* what partial ones were about: addresses, then numbers; '|' between looks */
static uint64_t looked_usec;
static pid_t created_pid, destroyed_pid;

static void forget_looks(void) {
        rescans = partial = probes = looks = 0;
        *looked_at = '\0';
}

int manager_rescan(Manager *m) {
        rescans++;
        looks++;
        looked_usec = monotonic_usec();
        return 0;
}

int manager_rescan_groups(Manager *m, const char *const *addresses, size_t n_addresses, const unsigned *numbers, size_t n_numbers) {
        size_t n = strlen(looked_at);

        if (partial++ > 0)
                n += (size_t) snprintf(looked_at + n, sizeof(looked_at) - n, "|");
        for (size_t i = 0; i < n_addresses && n < sizeof(looked_at); i++)
                n += (size_t) snprintf(looked_at + n, sizeof(looked_at) - n, "%s%s", i > 0 ? " " : "", addresses[i]);
        for (size_t i = 0; i < n_numbers && n < sizeof(looked_at); i++)
                n += (size_t) snprintf(looked_at + n, sizeof(looked_at) - n, "%s%u", i + n_addresses > 0 ? " " : "", numbers[i]);
        looks++;
        looked_usec = monotonic_usec();
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

/* What a message says, for short: "all", "probe", "add", an address, "group N"; a message as long as it is, and no longer, so that reading beyond
 * it is noticed. */
static const char *judge(const char *message, size_t size) {
        static char text[128];
        char *copy = malloc(size ? size : 1), group[32] = "";
        UeventNews news;

        if (!copy)
                exit(EXIT_FAILURE);
        memcpy(copy, message, size);
        memset(&news, 0xff, sizeof(news));
        uevent_judge(copy, size, &news);
        free(copy);
        if (news.group >= 0)
                (void) snprintf(group, sizeof(group), "group %" PRId64, news.group);
        (void) snprintf(text, sizeof(text), "%s%s%s%s%s%s", news.everything ? "all" : "", news.phb ? " phb" : "", news.probe ? " probe" : "", news.added ? "add " : "",
                        news.address, group);
        return text;
}

#define MESSAGE(text) text, sizeof(text)            /* with the NUL at its end */
#define MESSAGE_CUT(text) text, sizeof(text) - 1    /* without */
#define PCI_ADDRESS "0000:00:01.0"
#define PCI_PATH "/devices/pci0000:00/" PCI_ADDRESS
#define KEYS(action, path, subsystem) action "@" path "\0ACTION=" action "\0DEVPATH=" path "\0SUBSYSTEM=" subsystem

static const char pci_message[] = KEYS("change", PCI_PATH, "pci") "\0SEQNUM=4711";

static void test_judge(void) {
        static const struct {
                const char *name, *message;
                size_t size;
                const char *want;
        } cases[] = {
                { "a PCI device", MESSAGE(pci_message), PCI_ADDRESS },
                { "one that has come", MESSAGE(KEYS("add", PCI_PATH, "pci")), "add " PCI_ADDRESS },
                { "one that has gone", MESSAGE(KEYS("remove", PCI_PATH, "pci")), PCI_ADDRESS },
                { "one behind bridges", MESSAGE(KEYS("bind", "/devices/pci0001:00/0001:00:00.0/0001:01:00.0/0001:02:1f.7", "pci")),
                  "0001:02:1f.7" },
                { "one of a large domain", MESSAGE(KEYS("bind", "/devices/pci10000:e0/10000:e0:01.0", "pci")), "10000:e0:01.0" },
                { "of subsystem pci, with no address", MESSAGE(KEYS("add", "/devices/pci0000:00", "pci")), "all" },
                { "an address that is none", MESSAGE(KEYS("add", "/devices/pci0000:00/0000:00:01.8", "pci")), "all" },
                { "an address that goes on", MESSAGE(KEYS("add", "/devices/pci0000:00/0000:00:01.0x", "pci")), "all" },
                { "a path of slashes", MESSAGE(KEYS("bind", "//" PCI_PATH "//", "pci")), PCI_ADDRESS },
                { "a part that is too long", MESSAGE(KEYS("bind", PCI_PATH "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "pci")), PCI_ADDRESS },
                { "a VFIO group", MESSAGE(KEYS("add", "/devices/virtual/vfio/3", "vfio")), "group 3" },
                { "one without an IOMMU", MESSAGE(KEYS("add", "/devices/virtual/vfio/noiommu-12", "vfio")), "group 12" },
                { "one that is none", MESSAGE(KEYS("add", "/devices/virtual/vfio/vfio", "vfio")), "all" },
                { "one of too large a number", MESSAGE(KEYS("add", "/devices/virtual/vfio/4294967296", "vfio")), "all" },
                { "a VFIO device", MESSAGE(KEYS("bind", PCI_PATH "/vfio-dev/vfio0", "vfio-dev")), PCI_ADDRESS },
                { "a mediated one", MESSAGE(KEYS("bind", PCI_PATH "/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001/vfio-dev/vfio1", "vfio-dev")), "all" },
                { "one below nothing", MESSAGE(KEYS("bind", "/vfio-dev/vfio1", "vfio-dev")), "all" },
                { "an interface comes", MESSAGE(KEYS("add", PCI_PATH "/net/eth0", "net")), PCI_ADDRESS },
                { "an interface goes", MESSAGE(KEYS("remove", PCI_PATH "/virtio3/net/eth0", "net")), PCI_ADDRESS },
                { "an interface is renamed", MESSAGE(KEYS("move", PCI_PATH "/net/enp1s0", "net")), PCI_ADDRESS },
                { "an interface goes up", MESSAGE(KEYS("online", PCI_PATH "/net/enp1s0", "net")), "" },
                { "an interface of no device", MESSAGE(KEYS("add", "/devices/virtual/net/veth0", "net")), "" },
                { "vfio_pci is loaded", MESSAGE(KEYS("add", "/module/vfio_pci", "module")), "all" },
                { "vfio is unloaded", MESSAGE(KEYS("remove", "/module/vfio", "module")), "all" },
                { "kvm_hv is loaded", MESSAGE(KEYS("add", "/module/kvm_hv", "module")), "all probe" },
                { "kvm is loaded", MESSAGE(KEYS("add", "/module/kvm", "module")), "all probe" },
                { "its keys in another order", MESSAGE("add@/m\0SUBSYSTEM=module\0X=y\0DEVPATH=/module/kvm"), "all probe" },
                { "another module", MESSAGE(KEYS("add", "/module/loop", "module")), "" },
                { "a module below another path", MESSAGE(KEYS("add", "/devices/module/kvm", "module")), "" },
                { "a network device", MESSAGE(KEYS("add", "/devices/virtual/net/lo", "net")), "" },
                { "a device of kvm's", MESSAGE(KEYS("change", "/devices/virtual/misc/kvm", "misc")), "" },
                { "a disk of a PCI device", MESSAGE(KEYS("add", PCI_PATH "/nvme/nvme0/nvme0n1", "block")), "" },
                { "a PHB comes", MESSAGE(KEYS("add", "/devices/pci0004:00/pci_bus/0004:00", "pci_bus")), "all phb" },
                { "a PHB goes", MESSAGE(KEYS("remove", "/devices/pci0004:00/pci_bus/0004:00", "pci_bus")), "all phb" },
                { "a PHB changes", MESSAGE(KEYS("change", "/devices/pci0004:00/pci_bus/0004:00", "pci_bus")), "" },
                { "a bus behind a bridge", MESSAGE(KEYS("add", PCI_PATH "/pci_bus/0000:01", "pci_bus")), "" },
                { "a subsystem that begins with pci", MESSAGE(KEYS("add", PCI_PATH, "pci_express")), "" },
                { "a subsystem that ends with pci", MESSAGE(KEYS("add", PCI_PATH, "xpci")), "" },
                { "a subsystem in capitals", MESSAGE(KEYS("add", PCI_PATH, "PCI")), "" },

                { "nothing", "", 0, "" },
                { "a NUL", MESSAGE(""), "" },
                { "nothing but NULs", MESSAGE("\0\0\0\0\0\0\0"), "" },
                { "no NUL at the end", MESSAGE_CUT(pci_message), "" },
                { "no NUL at all", MESSAGE_CUT("SUBSYSTEM=pci"), "" },
                { "no keys", MESSAGE("add@" PCI_PATH), "" },
                { "no path", MESSAGE("add@/p\0ACTION=add\0SUBSYSTEM=pci"), "" },
                { "an empty path", MESSAGE(KEYS("add", "", "pci")), "all" },
                { "no subsystem", MESSAGE("add@/p\0ACTION=add\0DEVPATH=/p"), "" },
                { "no action", MESSAGE("add@/p\0DEVPATH=" PCI_PATH "\0SUBSYSTEM=pci"), PCI_ADDRESS },
                { "keys without '='", MESSAGE("add@/p\0DEVPATH\0SUBSYSTEM"), "" },
                { "a key without '=' before the right one", MESSAGE("add@/p\0SUBSYSTEM\0DEVPATH=/p\0SUBSYSTEM=pci"), "all" },
                { "no values", MESSAGE("add@/p\0DEVPATH=\0SUBSYSTEM="), "" },
                { "an '=' and nothing else", MESSAGE("=\0="), "" },
                { "a key that goes on", MESSAGE("add@/p\0DEVPATH=/p\0SUBSYSTEM_X=pci"), "" },
                { "a key that begins earlier", MESSAGE("add@/p\0DEVPATH=/p\0XSUBSYSTEM=pci"), "" },
                { "a key within a value", MESSAGE("add@/p\0DEVPATH=/p\0X=SUBSYSTEM=pci"), "" },
                { "a key in small letters", MESSAGE("add@/p\0DEVPATH=/p\0subsystem=pci"), "" },
                { "a blank before the value", MESSAGE("add@/p\0DEVPATH=/p\0SUBSYSTEM= pci"), "" },
                { "a newline after the value", MESSAGE("add@/p\0DEVPATH=/p\0SUBSYSTEM=pci\n"), "" },
                { "empty strings between", MESSAGE("add@/p\0\0\0DEVPATH=/p\0\0SUBSYSTEM=pci\0\0"), "all" },
                { "the first of two subsystems counts", MESSAGE("add@/p\0DEVPATH=/p\0SUBSYSTEM=net\0SUBSYSTEM=pci"), "" },
                { "udev's own message", MESSAGE_CUT("libudev\0\xfe\xed\xca\xfe\0\0\0(\0\0\0(\0\0\0SUBSYSTEM=pci"), "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                tap_streq(judge(cases[i].message, cases[i].size), cases[i].want, "%s", cases[i].name);
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
        size_t whole = (size_t) ((const char *) memmem(pci_message, sizeof(pci_message), "SEQNUM", 6) - pci_message);

        for (size_t size = 0; size <= sizeof(pci_message); size++)
                wrong += streq(judge(pci_message, size), PCI_ADDRESS) != (size == whole || size == sizeof(pci_message));
        tap_eq(wrong, 0, "a message cut at each of its %zu bytes", sizeof(pci_message));
}

static void test_noise(void) {
        static const char *const pieces[] = {
                "SUBSYSTEM", "DEVPATH", "=", "pci", "vfio", "module", "/module/kvm", "\xff", "x", "/", "net", "ACTION", "0000:00:01.0",
        };
        uint64_t seed = 1;

        for (unsigned i = 0; i < 20000; i++) {
                char message[128];
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
                (void) judge(message, n);
        }
        tap_ok(true, "20000 messages of odd pieces do no harm");
}

/* ---- bursts, of messages that are as if believed ---- */

static void take(Uevent *u, const char *action, const char *path, const char *subsystem) {
        char message[512];
        int n = snprintf(message, sizeof(message), "%s@%s%cACTION=%s%cDEVPATH=%s%cSUBSYSTEM=%s", action, path, 0, action, 0, path, 0, subsystem);

        uevent_take(u, message, (size_t) n + 1);
}

static void test_burst(Uevent *u, sd_event *event) {
        uint64_t start, took;
        unsigned sent = 0;

        forget_looks();
        start = monotonic_usec();
        take(u, "bind", "/devices/pci0000:00/0000:00:01.0", "pci");
        take(u, "add", "/devices/virtual/vfio/3", "vfio");
        take(u, "add", "/devices/pci0000:00/0000:00:01.0/vfio-dev/vfio0", "vfio-dev");
        take(u, "bind", "/devices/pci0000:00/0000:00:02.0", "pci");
        take(u, "add", "/devices/virtual/vfio/3", "vfio");
        (void) loop_until(event, &looks, 1, LOOP_LIMIT_USEC);
        took = looked_usec - start;
        tap_ok(took >= 30 * 1000, "a burst is looked at when it has been quiet for a moment, %" PRIu64 " ms", took / 1000);
        tap_ok(took < 100 * 1000, "which is less than a tenth of a second");
        loop_for(event, SECOND_USEC / 4);
        tap_eq(rescans, 0, "not everything is read");
        tap_streq(looked_at, "0000:00:01.0 0000:00:02.0 3", "but once what it was about");

        forget_looks();
        for (unsigned i = 0; i < 300; i++) {
                char path[64];

                (void) snprintf(path, sizeof(path), "/devices/pci0000:00/%04x:00:01.0", i);
                take(u, "bind", path, "pci");
        }
        loop_for(event, SECOND_USEC / 4);
        tap_ok(rescans == 1 && partial == 0, "with too many devices everything is read, once");
        loop_for(event, SECOND_USEC * 5 / 4);
        tap_ok(rescans == 2 && partial == 0, "and once more, as of those that came some may not have been in their groups");

        forget_looks();
        for (unsigned i = 0; i < 300; i++) {
                char path[64];

                (void) snprintf(path, sizeof(path), "/devices/virtual/vfio/%u", i);
                take(u, "add", path, "vfio");
        }
        loop_for(event, SECOND_USEC / 4);
        tap_ok(rescans == 1 && partial == 0, "with too many groups as well");

        /* On a busy host it may be quiet for a moment in between, so this is tried some times. */
        took = 0;
        for (unsigned i = 0; i < ATTEMPTS && took < 19 * SECOND_USEC / 10; i++) {
                loop_for(event, SECOND_USEC / 10);
                forget_looks();
                start = monotonic_usec();
                for (sent = 0; looks < 2 && monotonic_usec() - start < LOOP_LIMIT_USEC; sent++) {
                        take(u, "change", PCI_PATH, "pci");
                        loop_for(event, SECOND_USEC / 200);
                }
                took = looked_usec - start;
        }
        tap_ok(took >= 19 * SECOND_USEC / 10 && took < 5 * SECOND_USEC, "one that does not end (%u messages) is looked at each second (%" PRIu64
               " ms for two)", sent, took / 1000);
        loop_for(event, SECOND_USEC / 4);
        tap_ok(looks <= 3, "and when it has ended");
        forget_looks();
        loop_for(event, SECOND_USEC / 5);
        tap_eq(looks, 0, "afterwards it is quiet");

        take(u, "add", "/module/kvm_hv", "module");
        take(u, "bind", PCI_PATH, "pci");
        loop_for(event, SECOND_USEC / 5);
        tap_ok(rescans == 1 && partial == 0 && probes == 1, "a module that comes: everything, and a proof");
}

/* A device comes before its group does. */
static void test_late(Uevent *u, sd_event *event, const Tree *tree) {
        static const TreeEntry come[] = {
                TEXT("bus/pci/devices/0000:00:01.0/vendor", "0x8086\n"), TEXT("bus/pci/devices/0000:00:02.0/vendor", "0x8086\n"),
                TEXT("bus/pci/devices/0000:00:03.0/vendor", "0x8086\n"), LINK("bus/pci/devices/0000:00:03.0/iommu_group", "../3"),
        };
        static const TreeEntry group = LINK("bus/pci/devices/0000:00:01.0/iommu_group", "../1");

        TREE_ADD(tree, come);
        forget_looks();
        for (unsigned i = 1; i <= 4; i++) {
                char path[64];

                (void) snprintf(path, sizeof(path), "/devices/pci0000:00/0000:00:%02u.0", i);
                take(u, "add", path, "pci");
        }
        loop_for(event, SECOND_USEC / 4);
        tap_streq(looked_at, "0000:00:01.0 0000:00:02.0 0000:00:03.0 0000:00:04.0", "four devices have come");
        tree_add_one(tree, &group);
        loop_for(event, SECOND_USEC / 5);
        tap_streq(looked_at, "0000:00:01.0 0000:00:02.0 0000:00:03.0 0000:00:04.0|0000:00:01.0",
                  "one gets its group later, and is looked at again, alone");
        forget_looks();
        loop_for(event, SECOND_USEC);
        tap_eq(looks, 0, "one never does, and is left");
}

/* A device goes before its group does. */
static void test_ended(Uevent *u, sd_event *event, const Tree *tree, Manager *m) {
        static const TreeEntry left[] = { DIRECTORY("kernel/iommu_groups/7"), DIRECTORY("kernel/iommu_groups/8"), DIRECTORY("kernel/iommu_groups/9") };
        GroupFacts groups[] = { { .number = 7 }, { .number = 8 }, { .number = 9, .n_devices = 1 } };

        TREE_ADD(tree, left);
        m->vfio.groups = groups;
        m->vfio.n_groups = ELEMENTSOF(groups);
        forget_looks();
        take(u, "remove", "/devices/pci0000:00/0000:00:05.0", "pci");
        loop_for(event, SECOND_USEC / 4);
        tap_streq(looked_at, "0000:00:05.0", "a device has gone");
        (void) rmdir(tree_path(tree, "kernel/iommu_groups/8"));
        (void) rmdir(tree_path(tree, "kernel/iommu_groups/9"));
        loop_for(event, SECOND_USEC / 5);
        tap_streq(looked_at, "0000:00:05.0|8", "an empty group goes later, and is looked at again, alone");
        m->vfio.n_groups = 1;
        forget_looks();
        loop_for(event, SECOND_USEC);
        tap_eq(looks, 0, "one never does, and is left");
        m->vfio = (VfioFacts) {};
}

/* ---- who is believed ---- */

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

/* Has the kernel say it, which it does for root since 4.18 (lib/kobject_uevent.c:uevent_net_rcv_skb): from port 0, but with the sender's
 * credentials. */
static bool inject(int socket) {
        struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        struct {
                struct nlmsghdr header;
                char text[sizeof(pci_message)];
        } message = { .header = { .nlmsg_len = NLMSG_LENGTH(sizeof(pci_message)), .nlmsg_type = NLMSG_MIN_TYPE, .nlmsg_flags = NLM_F_REQUEST } };

        memcpy(message.text, pci_message, sizeof(pci_message));
        return sendto(socket, &message, message.header.nlmsg_len, MSG_DONTWAIT, (struct sockaddr *) &kernel, sizeof(kernel)) > 0;
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

/* How many messages a socket in the same group has got, and of these how many from port 0; they are taken out. */
static unsigned drain_from(int witness, unsigned *ret_kernels) {
        char buffer[8192];
        unsigned n = 0;

        *ret_kernels = 0;
        for (;;) {
                struct sockaddr_nl from = {};
                socklen_t size = sizeof(from);
                ssize_t r = recvfrom(witness, buffer, sizeof(buffer), MSG_DONTWAIT, (struct sockaddr *) &from, &size);

                if (r < 0 && errno == ENOBUFS)
                        continue;
                if (r <= 0)
                        return n;
                n++;
                *ret_kernels += from.nl_pid == 0;
        }
}

static unsigned drain(int witness) {
        unsigned kernels;

        return drain_from(witness, &kernels);
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

/* The kernel tells every namespace of its devices, and tests that run at the same time have it do so: those that listen for what it says take
 * turns, and what others caused all the same is no fault, so each is tried some times. */

static char pci_uevent[300]; /* the file of some PCI device; "": there is none */
static char pci_address[64];

static void find_pci(void) {
        DIR *dir = opendir("/sys/bus/pci/devices");
        struct dirent *entry;

        while (dir && !*pci_uevent && (entry = readdir(dir)))
                if (entry->d_name[0] != '.' && strlen(entry->d_name) < sizeof(pci_address)) {
                        (void) snprintf(pci_uevent, sizeof(pci_uevent), "/sys/bus/pci/devices/%s/uevent", entry->d_name);
                        (void) snprintf(pci_address, sizeof(pci_address), "%.60s", entry->d_name);
                }
        if (dir)
                (void) closedir(dir);
}

static int take_turn(void) {
        int fd = open(*pci_uevent ? pci_uevent : "/sys", O_RDONLY | O_CLOEXEC);

        if (fd >= 0)
                (void) flock(fd, LOCK_EX);
        return fd;
}

/* Has the kernel say something of a device; `change` changes nothing. */
static bool trigger(const char *path) {
        _cleanup_fd_ int fd = open(path, O_WRONLY | O_CLOEXEC);

        return fd >= 0 && write(fd, "change", 6) == 6;
}

static void test_forged(sd_event *event) {
        const struct ucred as_kernel = {}, as_init = { .pid = 1 };
        int sender = open_netlink(0), witness = open_netlink(KERNEL_GROUP);
        uint32_t port = find_port(sender, witness);
        unsigned kernels = 0, at_first, believed = 1;
        bool injected = false;
        ssize_t n;

        tap_eq(forge(sender, 0, NULL), sizeof(pci_message), "root sends a message like the kernel's to the group");
        tap_ok(forge(sender, 0, &as_init) > 0, "in the name of process 1");
        (void) drain_from(witness, &kernels);
        at_first = kernels;
        tap_ok(port != 0 && forge(sender, port, NULL) > 0, "and to the daemon alone");
        n = forge(sender, 0, &as_kernel);
        tap_ok(n < 0 || drain(witness) >= 1, "in the name of the kernel (%s)", n < 0 ? "which the kernel does not let pass" : "sent");
        injected = inject(sender);
        (void) drain_from(witness, &kernels);
        tap_ok(!injected || kernels > at_first, "%s", injected ? "and by the kernel's own mouth" : "the kernel does not lend its mouth");
        for (unsigned i = 0; i < ATTEMPTS && believed > 0; i++) {
                loop_for(event, SECOND_USEC / 4);
                forget_looks();
                (void) forge(sender, 0, NULL);
                (void) forge(sender, 0, &as_init);
                (void) forge(sender, port, NULL);
                (void) forge(sender, 0, &as_kernel);
                (void) inject(sender);
                loop_for(event, SECOND_USEC / 4);
                believed = looks + probes;
        }
        tap_eq(believed, 0, "none is believed");
        (void) close(sender);
        (void) close(witness);
}

static void test_kernel_other(sd_event *event) {
        int witness = open_netlink(KERNEL_GROUP);
        const char *name = "a kernel's message of another device leads to nothing";
        bool seen = false;

        for (unsigned attempt = 0; attempt < ATTEMPTS && !seen; attempt++) {
                forget_looks();
                if (!trigger("/sys/devices/virtual/mem/null/uevent")) {
                        tap_skip("/sys is not writable here", name);
                        (void) close(witness);
                        return;
                }
                loop_for(event, SECOND_USEC / 2);
                seen = drain(witness) > 0 && looks == 0 && probes == 0;
        }
        tap_ok(seen, "%s", name);
        (void) close(witness);
}

static void test_kernel_pci(sd_event *event) {
        bool well = false, once = false;
        uint64_t took = 0;

        if (!*pci_uevent || !trigger(pci_uevent)) {
                tap_skip("there is no PCI device here, or /sys is not writable", "the kernel's message of a PCI device");
                return;
        }
        for (unsigned i = 0; i < ATTEMPTS && !well; i++) {
                uint64_t start;

                loop_for(event, SECOND_USEC / 4);
                forget_looks();
                start = monotonic_usec();
                (void) trigger(pci_uevent);
                (void) loop_until(event, &looks, 1, LOOP_LIMIT_USEC);
                took = looked_usec - start;
                well = streq(looked_at, pci_address) && took < 100 * 1000;
        }
        tap_ok(well, "the kernel's message of a PCI device leads to a look at it in less than a tenth of a second (%" PRIu64 " ms)", took / 1000);
        for (unsigned i = 0; i < ATTEMPTS && !once; i++) {
                loop_for(event, SECOND_USEC / 4);
                forget_looks();
                for (unsigned j = 0; j < 20; j++)
                        (void) trigger(pci_uevent);
                loop_for(event, SECOND_USEC / 2);
                once = streq(looked_at, pci_address) && looks == 1 && probes == 0;
        }
        tap_ok(once, "a burst of them leads to one");
}

/* ---- floods ---- */

static long resident_kib(void) {
        _cleanup_file_ FILE *f = fopen("/proc/self/statm", "re");
        long size, resident;

        return f && fscanf(f, "%ld %ld", &size, &resident) == 2 ? resident * (sysconf(_SC_PAGESIZE) / 1024) : -1;
}

/* A process that has the kernel say so many things, of a device that matters. */
static pid_t start_flood(unsigned n) {
        pid_t pid = fork();

        if (pid != 0)
                return pid;
        for (unsigned i = 0; i < n; i++)
                (void) trigger(pci_uevent);
        _exit(0);
}

/* What is lost may have mattered: everything is read, and once more when all must be in its place. The socket's buffer is as small as
 * the kernel makes it. */
static void test_flood(sd_event *event, int fd) {
        const char *name = "the kernel's own flood";
        const int least = 1;
        uint64_t start, ran = 0, ended = 0;
        long before, after;
        pid_t pid;

        if (!*pci_uevent || !trigger(pci_uevent)) {
                tap_skip("there is no PCI device here, or /sys is not writable", name);
                return;
        }
        if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least)) < 0)
                exit(EXIT_FAILURE);
        loop_for(event, SECOND_USEC / 2);
        forget_looks();
        for (unsigned i = 0; i < 100; i++)
                (void) trigger(pci_uevent);
        loop_for(event, SECOND_USEC / 2);
        tap_ok(rescans == 1 && partial == 0, "messages that were lost lead to a look at everything, once");
        loop_for(event, SECOND_USEC);
        tap_ok(rescans == 2 && partial == 0, "and once more, a second later");

        before = resident_kib();
        forget_looks();
        start = monotonic_usec();
        pid = start_flood(100000);
        while (waitpid(pid, NULL, WNOHANG) == 0) {
                ran = monotonic_usec();
                loop_for(event, SECOND_USEC / 50);
        }
        ended = monotonic_usec();
        loop_for(event, SECOND_USEC / 4);
        tap_ok(rescans > 0 && looked_usec >= ran, "a flood of 100000 in %" PRIu64 " ms ends in a look", (ended - start) / 1000);
        tap_ok(looks <= (ended - start) / SECOND_USEC * 2 + 3, "with %u looks meanwhile, about one a second", looks);
        after = resident_kib();
        tap_memory(before, after, KEPT_KIB, "and takes no memory");
        loop_for(event, SECOND_USEC * 5 / 4);
        forget_looks();
        loop_for(event, SECOND_USEC / 2);
        tap_eq(looks, 0, "then it is quiet");
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

static void test_live(void) {
        _cleanup_event_ sd_event *event = loop_new();
        _cleanup_fd_ int turn = -EBADF;
        unsigned before = count_fds();
        Tree tree = tree_new();
        Manager m = { .event = event, .places = { .sys = tree.path } };
        Uevent *u = NULL;
        const int group = KERNEL_GROUP;
        int fd;

        find_pci();
        turn = take_turn();
        /* The next fd is the lowest that is free. */
        fd = dup(turn);
        (void) close(fd);
        tap_ok(uevent_new(&u) == 0 && u && uevent_attach(u, event, &m) == 0, "listening to the kernel");
        /* No more: what this machine does is not in these. */
        (void) setsockopt(fd, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &group, sizeof(group));
        test_burst(u, event);
        test_late(u, event, &tree);
        test_ended(u, event, &tree, &m);
        if (unshare(CLONE_NEWNET) < 0) {
                tap_skip("only root can make a network namespace", "who is believed");
                tap_ok(uevent_free(u) == NULL && uevent_free(NULL) == NULL, "it is freed; none is no error");
        } else {
                (void) uevent_free(u);
                tap_ok(uevent_new(&u) == 0 && u && uevent_attach(u, event, &m) == 0, "and in a namespace where only the test does anything");
                test_forged(event);
                test_kernel_other(event);
                test_kernel_pci(event);
                test_kernel_vm(event);
                test_flood(event, fd);
                tap_ok(uevent_free(u) == NULL && uevent_free(NULL) == NULL, "it is freed; none is no error");
        }
        turn = fd_close(turn);
        tree_remove(&tree);
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
