/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Connections to the private socket that are up to no good: too many, not D-Bus, never authenticated, cut off, never read; and
 * several daemons that want the same. After each the daemon still answers. */

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "client.h"
#include "tap.h"

#define OTHER_UID 65534
#define PER_USER 8
#define PER_PROCESS 5
#define ALL 30
#define PER_USER_CONF "[Limits]\nConnectionsPerUserMax=%u\nConnectionsPerMachineMax=%u\n"

/* A connection that has not said a word; negative errno. */
static int connect_raw(const Host *h) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void) strcpy(address.sun_path, h->socket);
        if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                bail_out("can't connect to %s: %s", h->socket, strerror(errno));
        return fd;
}

/* Has the daemon hung up? Waits for it. */
static bool hung_up(int fd) {
        struct pollfd pfd = { .fd = fd, .events = POLLIN };
        char text[512];

        while (poll(&pfd, 1, HARNESS_PATIENCE * 1000) > 0) {
                ssize_t n = recv(fd, text, sizeof(text), MSG_DONTWAIT);

                if (n == 0 || (n < 0 && errno != EAGAIN))
                        return true;
        }
        return false;
}

/* Does it answer somebody else? */
static bool answers(const Host *h) {
        _cleanup_bus_ sd_bus *bus = open_peer(h);
        _cleanup_free_ char *version = get_string(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "Version");

        return version != NULL;
}

static void send_all(int fd, const void *data, size_t size) {
        for (const char *p = data; size > 0;) {
                ssize_t n = send(fd, p, size, MSG_NOSIGNAL);

                if (n <= 0)
                        return;
                p += n;
                size -= (size_t) n;
        }
}

/* What is said, then silence or the end. */
static void test_bad_openings(const Host *h, int fds) {
        static const struct {
                const char *name, *text;
                size_t size;
        } cases[] = {
                { "nothing", "", 0 },
                { "a NUL", "\0", 1 },
                { "garbage", "GET / HTTP/1.1\r\nHost: tced\r\n\r\n", 30 },
                { "garbage behind a NUL", "\0\xff\xfe\xfd\xfc\r\n\r\n", 9 },
                { "AUTH cut off", "\0AUTH EXTER", 11 },
                { "AUTH as another", "\0AUTH EXTERNAL 3939\r\n", 21 },
                { "AUTH that is no hex", "\0AUTH EXTERNAL zz\r\n", 19 },
                { "AUTH without a mechanism", "\0AUTH\r\n", 7 },
                { "BEGIN at once", "\0BEGIN\r\n", 8 },
                { "BEGIN and no message", "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n", 30 },
                { "BEGIN and garbage", "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\nthis is no message at all, sorry", 62 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int fd = connect_raw(h);

                send_all(fd, cases[i].text, cases[i].size);
                tap_ok(answers(h), "answers while one is open that said: %s", cases[i].name);
                (void) close(fd);
                tap_ok(answers(h), "answers when that is closed");
        }
        tap_ok(wait_fds(h->tced_pid, fds) <= fds, "no connection is left");
}

/* A kilobyte of bytes that look like nothing, from a fixed seed. */
static void test_noise(const Host *h, int fds) {
        unsigned state = 42, answered = 0;

        for (unsigned i = 0; i < 200; i++) {
                static const char hello[] = "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
                unsigned char noise[1024];
                int fd = connect_raw(h);

                for (size_t j = 0; j < sizeof(noise); j++) {
                        state = state * 1664525 + 1013904223;
                        noise[j] = (unsigned char) (state >> 24);
                }
                if (i % 2)
                        send_all(fd, hello, sizeof(hello) - 1);
                /* The head of a message that could be one: little-endian, a method call, version 1. */
                if (i % 4 == 3)
                        memcpy(noise, "l\1\0\1", 4);
                send_all(fd, noise, sizeof(noise));
                (void) close(fd);
                answered += i % 20 == 0 && answers(h);
        }
        tap_eq(answered, 10, "answers all along while 200 clients send noise");
        tap_ok(wait_fds(h->tced_pid, fds) <= fds, "none of them is left");
}

/* A connection over which the beginning of a message of that size came. */
static int begin_message(const Host *h, uint32_t size) {
        static const char hello[] = "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
        struct __attribute__((__packed__)) {
                char head[4];
                uint32_t body, serial, fields;
        } header = { { 'l', 1, 0, 1 }, size, 1, 16 };
        int fd = connect_raw(h);
        char answer[256] = "";

        send_all(fd, hello, sizeof(hello) - 1);
        while (!strstr(answer, "OK ") && recv(fd, answer, sizeof(answer) - 1, 0) > 0)
                ;
        send_all(fd, &header, sizeof(header));
        send_all(fd, (char[64]){}, 64);
        return fd;
}

/* One that claims to be larger than D-Bus allows. */
static void test_giant(const Host *h) {
        int fd = begin_message(h, 256U << 20);

        tap_ok(hung_up(fd), "a message of 256 MiB ends the connection");
        (void) close(fd);
        tap_ok(answers(h), "and nothing else");
}

/* sd-bus has room for a message of up to 128 MiB for whoever begins one. LimitDATA= of tced.service is what ends that. */
static void test_many_giants(const Host *h) {
        struct rlimit limit, all;
        int fds[8];
        unsigned gone = 0;

        /* A sanitizer can't do without. */
        if (keeps_what_is_freed()) {
                if (under_valgrind())
                        tap_skip("valgrind's own memory would be within the limit", "eight begin messages of 120 MiB within LimitDATA=");
                return;
        }
        if (prlimit(h->tced_pid, RLIMIT_DATA, NULL, &all) < 0)
                bail_out("prlimit: %s", strerror(errno));
        limit = all;
        limit.rlim_cur = 320U << 20;
        if (prlimit(h->tced_pid, RLIMIT_DATA, &limit, NULL) < 0)
                bail_out("prlimit: %s", strerror(errno));
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = begin_message(h, 120U << 20);
        tap_ok(answers(h), "eight begin messages of 120 MiB, and others are answered");
        for (unsigned tries = 0; tries < HARNESS_PATIENCE * 20 && gone == 0; tries++) {
                (void) usleep(50 * 1000);
                for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                        char c;

                        gone += recv(fds[i], &c, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN;
                }
        }
        tap_ok(gone > 0 && gone < ELEMENTSOF(fds), "those for which there is no memory within LimitDATA= are cut off (%u)", gone);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                (void) close(fds[i]);
        if (prlimit(h->tced_pid, RLIMIT_DATA, &all, NULL) < 0)
                bail_out("prlimit: %s", strerror(errno));
        tap_ok(answers(h) && resident_kib(h->tced_pid) < 64 * 1024, "nothing of it is left");
}

/* A large message that is allowed, and makes no sense. */
static void test_large(const Host *h) {
        _cleanup_bus_ sd_bus *bus = open_peer(h);
        const size_t size = 32U << 20;
        char *name = malloc(size + 1);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        long before = resident_kib(h->tced_pid), after;

        if (!name)
                bail_out("no memory");
        memset(name, 'x', size);
        name[size] = '\0';
        refused(call_manager(bus, "GetMachine", &error, "s", name), &error, "NoSuchMachine", "", "a name of 32 MiB");
        free(name);
        bus = sd_bus_flush_close_unref(bus);
        tap_ok(answers(h), "it answers");
        after = resident_kib(h->tced_pid);
        tap_memory(before, after, 24 * 1024, "and has let it go");
}

/* Without it a call would say that it wants no answer. */
static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return 0;
}

/* Asks and asks, and never reads an answer. */
static void ask_and_never_read(int fd, void *userdata) {
        const Host *h = userdata;
        sd_bus *bus = open_peer(h);
        unsigned sent = 0;

        /* One round trip, so that the connection is made. */
        (void) get_string(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "Version");
        for (unsigned i = 0; i < 20000; i++) {
                if (sd_bus_call_method_async(bus, NULL, NULL, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "Describe", on_answer, NULL, "t",
                                             UINT64_C(0)) < 0 ||
                    sd_bus_flush(bus) < 0)
                        break;
                sent++;
        }
        actor_say(fd, sent < 20000 ? 'c' : 'a');
        (void) actor_listen(fd);
}

static void test_never_reads(const Host *h) {
        long before = resident_kib(h->tced_pid), after;
        Actor a = actor_start(geteuid() == 0 ? OTHER_UID : NO_UID, ask_and_never_read, (void *) h);

        tap_eq(actor_hear(&a), 'c', "who asks without reading is cut off");
        after = resident_kib(h->tced_pid);
        tap_memory(before, after, 32 * 1024, "its answers don't fill the memory");
        actor_kill(&a);
        tap_ok(answers(h), "others are answered");
}

typedef struct Answers {
        unsigned plans, limited, others;
} Answers;

static int count_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Answers *a = userdata;

        if (!sd_bus_message_is_method_error(m, NULL))
                a->plans++;
        else if (sd_bus_message_is_method_error(m, TCED_ERROR_PREFIX "LimitExceeded"))
                a->limited++;
        else
                a->others++;
        return 0;
}

/* Asks for many plans, of half a megabyte each, and reads the answers once it is told to: 'y' where all were given, and few of them are
 * plans. */
static void ask_for_plans(int fd, void *userdata) {
        const unsigned n = 200;
        _cleanup_bus_ sd_bus *bus = open_peer(userdata);
        Answers a = {};
        char *xml = NULL;
        size_t size;
        FILE *f = open_memstream(&xml, &size);

        fputs("<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><memory>1048576</memory>"
              "<os><type arch='ppc64le' machine='pseries'>hvm</type></os><qemu:commandline>", f);
        for (unsigned i = 0; i < 500; i++)
                fprintf(f, "<qemu:arg value='-device'/><qemu:arg value='spapr-pci-host-bridge,index=%u,id=p%u'/>", i, i);
        fputs("</qemu:commandline></domain>", f);
        (void) fclose(f);
        for (unsigned i = 0; i < n; i++)
                if (sd_bus_call_method_async(bus, NULL, NULL, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "PlanDomain", count_answer, &a, "sa{sv}t",
                                             xml, 0, UINT64_C(0)) < 0 ||
                    sd_bus_flush(bus) < 0)
                        break;
        free(xml);
        actor_say(fd, 'a');
        (void) actor_listen(fd);
        while (a.plans + a.limited + a.others < n) {
                int r = sd_bus_process(bus, NULL);

                if (r == 0)
                        r = sd_bus_wait(bus, HARNESS_PATIENCE * UINT64_C(1000000));
                if (r <= 0)
                        break;
        }
        if (a.plans == 0 || a.limited < n / 2 || a.plans + a.limited != n)
                (void) fprintf(stderr, "# %u plans, %u times LimitExceeded, %u other answers\n", a.plans, a.limited, a.others);
        actor_say(fd, a.plans > 0 && a.limited >= n / 2 && a.plans + a.limited == n ? 'y' : 'n');
        (void) actor_listen(fd);
}

static void test_large_answers(const Host *h) {
        Actor a;

        if (geteuid() != 0) {
                tap_skip("only root can be another user", "large answers that nobody reads");
                return;
        }
        a = actor_start(OTHER_UID, ask_for_plans, (void *) h);
        tap_eq(actor_hear(&a), 'a', "somebody asks for plans");
        /* Meanwhile, turn by turn, it is answered, too. */
        for (unsigned i = 0; i < 100; i++)
                (void) answers(h);
        actor_tell(&a, 'r');
        tap_eq(actor_hear(&a), 'y', "who does not read what is planned for it is given no more plans, and told so");
        actor_kill(&a);
        tap_ok(answers(h), "others are answered");
}

/* tced has accepted or refused whoever connected before: it speaks to one more, or hangs up on it. */
static void wait_accepted(const Host *h) {
        static const char greeting[] = "\0AUTH EXTERNAL\r\n";
        _cleanup_fd_ int fd = connect_raw(h);
        struct pollfd p = { .fd = fd, .events = POLLIN };

        (void) send(fd, greeting, sizeof(greeting) - 1, MSG_NOSIGNAL);
        (void) poll(&p, 1, 30 * 1000);
}

/* How many of n more connections are let in; they stay open. The others are closed by the daemon as soon as it has looked at them. */
static unsigned open_more(const Host *h, unsigned n) {
        int fds[64];
        unsigned open_ones = 0;

        assert(n <= ELEMENTSOF(fds));
        for (unsigned i = 0; i < n; i++)
                fds[i] = connect_raw(h);
        wait_accepted(h);
        for (unsigned i = 0; i < n; i++) {
                char c;

                open_ones += recv(fds[i], &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
        }
        return open_ones;
}

/* Another process of this one's user opens as many as it may. */
static void open_all(int fd, void *userdata) {
        actor_say(fd, (char) (open_more(userdata, PER_PROCESS + 3) + '0'));
        (void) actor_listen(fd);
}

static void open_many(int fd, void *userdata) {
        actor_say(fd, open_more(userdata, 40) > 0 ? 'y' : 'n');
        (void) actor_listen(fd);
}

static void try_one(int fd, void *userdata);

static bool served(const Host *h, uid_t uid) {
        Actor a = actor_start(uid, try_one, (void *) h);
        int said = actor_hear(&a);

        (void) actor_end(&a);
        return said == 'y';
}

typedef struct Vm {
        const Host *h;
        const char *path;
} Vm;

/* Claims a VM, and goes on when it is told to: 'y' where it may have as many connections as a process may. */
static void be_vm(int fd, void *userdata) {
        const Vm *vm = userdata;
        _cleanup_bus_ sd_bus *bus = open_peer(vm->h);

        actor_say(fd, claim(bus, vm->path, NULL) >= 0 ? 'c' : 'n');
        (void) actor_listen(fd);
        actor_say(fd, (char) (open_more(vm->h, PER_PROCESS + 3) + '0'));
        (void) actor_listen(fd);
}

static void try_one(int fd, void *userdata) {
        const Host *h = userdata;

        actor_say(fd, answers(h) ? 'y' : 'n');
}

/* Who asks and is gone when it is answered leaves nothing. */
static void test_gone_before_answer(const Host *h, int fds) {
        sd_bus *peers[10];

        for (size_t i = 0; i < ELEMENTSOF(peers); i++) {
                peers[i] = open_peer(h);
                (void) call(peers[i], TCED_BUS_PATH, "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, "");
        }
        (void) kill(h->tced_pid, SIGSTOP);
        for (size_t i = 0; i < ELEMENTSOF(peers); i++) {
                /* Refused by the plan: a LIOBN twice. */
                (void) sd_bus_call_method_async(peers[i], NULL, NULL, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "RegisterMachine", on_answer, NULL,
                                                "ssa(ssuttubi)a{sv}t", "gone", "", 2, "vio", "a", 0x71000001U, UINT64_C(0), UINT64_C(0x200000),
                                                12U, 0, -1, "vio", "b", 0x71000001U, UINT64_C(0), UINT64_C(0x200000), 12U, 0, -1, 0,
                                                UINT64_C(0));
                peers[i] = sd_bus_flush_close_unref(peers[i]);
        }
        (void) kill(h->tced_pid, SIGCONT);
        tap_eq(wait_fds(h->tced_pid, fds), fds, "ten that are gone before they are answered leave nothing");
}

/* Half a message with the sender's own end of the connection in it, which tced then has, and nobody else once the sender has ended. */
static void send_itself(int unused, void *userdata) {
        static const char greeting[] = "\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n", half[] = "l\1\0\1\10\0\0\0";
        const Host *h = userdata;
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
        struct iovec iov = { .iov_base = (char *) half, .iov_len = sizeof(half) - 1 };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
        int fd = connect_raw(h);

        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        send_all(fd, greeting, sizeof(greeting) - 1);
        (void) usleep(100 * 1000 * slack());
        (void) !sendmsg(fd, &m, MSG_NOSIGNAL);
        (void) usleep(100 * 1000 * slack());
}

static void test_sends_itself(Host *h, int fds) {
        Actor a = actor_start(NO_UID, send_itself, h);

        tap_eq(actor_end(&a), 0, "who sends its own end of the connection, in half a message, ends");
        tap_ok(count_fds(h->tced_pid) > fds + 1, "which tced then has, and cannot know");
        tap_eq(wait_fds(h->tced_pid, fds), fds, "and lets go, as its process is gone");
        tap_ok(host_log_has(h, "which made it, has ended"), "which is said");
}

static void test_limit(const Host *h, int fds) {
        _cleanup_free_ char *path = NULL, *log = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Vm vm = { .h = h };
        Actor a, b, greedy, machine;
        unsigned lines = 0;

        if (geteuid() != 0) {
                tap_skip("only root can be another user", "a user's limit of connections");
                return;
        }
        {
                _cleanup_bus_ sd_bus *bus = open_peer(h);

                vm.path = path = register_small(bus, "guest", 1, OTHER_UID);
        }
        machine = actor_start(OTHER_UID, be_vm, &vm);
        tap_eq(actor_hear(&machine), 'c', "a VM that root registered for a user runs");
        a = actor_start(OTHER_UID, open_all, (void *) h);
        tap_eq(actor_hear(&a), '0' + PER_PROCESS, "a process has no more than ConnectionsPerMachineMax, though none is authenticated");
        tap_ok(host_log_has(h, "ConnectionsPerMachineMax= of tced.conf"), "the log names the setting");
        (void) usleep(1100 * 1000); /* the next refusal is logged */
        b = actor_start(OTHER_UID, open_all, (void *) h);
        tap_eq(actor_hear(&b), '0' + PER_USER - PER_PROCESS, "nor a user more than ConnectionsPerUserMax, the VM's not counted");
        tap_ok(host_log_has(h, "ConnectionsPerUserMax= of tced.conf"), "the log names that");
        tap_ok(served(h, 1234), "another user is served");
        tap_ok(answers(h), "so is root");
        actor_tell(&machine, 'o');
        tap_eq(actor_hear(&machine), '0' + PER_PROCESS - 1, "and the VM, whoever of its user has taken what that may have; not without end");
        greedy = actor_start(OTHER_UID, open_many, (void *) h);
        tap_eq(actor_hear(&greedy), 'n', "the user gets no more");
        log = host_log(h);
        for (const char *at = log; (at = strstr(at, "Refused a connection")); at++)
                lines++;
        tap_ok(lines >= 2 && lines <= 6, "who is refused again and again does not fill the log: %u lines", lines);
        actor_kill(&greedy);
        actor_kill(&b);
        {
                _cleanup_bus_ sd_bus *bus = open_peer(h);

                went_well(unregister(bus, path, &error), &error, "the VM is none any more");
        }
        b = actor_start(OTHER_UID, open_all, (void *) h);
        tap_eq(actor_hear(&b), '0', "and its connections, which it still has, count for its user");
        actor_kill(&machine);
        actor_kill(&b);
        actor_kill(&a);
        tap_ok(wait_fds(h->tced_pid, fds) <= fds, "they are gone with their process");
        tap_ok(served(h, OTHER_UID), "then that user is served again");
}

static void open_as_root(int fd, void *userdata) {
        actor_say(fd, (char) (open_more(userdata, ALL + 5) + '0'));
        (void) actor_listen(fd);
}

/* In all, whoever it is. */
static void test_limit_of_all(Host *h, int fds) {
        _cleanup_bus_ sd_bus *bus = open_peer(h);
        Actor a;

        host_write(h, "root/etc/tced/tced.conf", "[Limits]\nConnectionsMax=%u\n", ALL);
        (void) call_manager(bus, "Reload", NULL, "");
        (void) usleep(1100 * 1000); /* the next refusal is logged */
        a = actor_start(NO_UID, open_as_root, h);
        tap_eq(actor_hear(&a), '0' + ALL - 1, "root has no more than ConnectionsMax either");
        tap_ok(host_log_has(h, "ConnectionsMax= of tced.conf"), "which is logged");
        tap_eq(usage_of(bus, "ConnectionsMax"), ALL, "and seen in Usage");
        actor_kill(&a);
        host_write(h, "root/etc/tced/tced.conf", PER_USER_CONF, PER_USER, PER_PROCESS);
        (void) call_manager(bus, "Reload", NULL, "");
        bus = sd_bus_flush_close_unref(bus);
        tap_ok(wait_fds(h->tced_pid, fds) <= fds, "they are gone");
}

/* Another daemon, that should end by itself. */
static int second_daemon(const Host *h, const char *socket, char **ret_output) {
        char output[64], option[96], sys[64], dev[64], bus[96], root[64];
        const char *argv[] = { h->tced, option, sys, dev, root, NULL }, *env[] = { bus, "NOTIFY_SOCKET", NULL };

        (void) snprintf(output, sizeof(output), "%s/second.log", h->dir);
        (void) snprintf(option, sizeof(option), "--socket=%s", socket);
        (void) snprintf(sys, sizeof(sys), "--sys=%s/sys", h->dir);
        (void) snprintf(dev, sizeof(dev), "--dev=%s/dev", h->dir);
        (void) snprintf(root, sizeof(root), "--config-root=%s/root", h->dir);
        (void) snprintf(bus, sizeof(bus), "DBUS_SYSTEM_BUS_ADDRESS=%s", h->address);
        return run_program(&(Spawn) { .argv = argv, .env = env, .output = output }, ret_output);
}

static void test_second(const Host *h) {
        _cleanup_free_ char *output = NULL, *other_output = NULL;
        char path[64], state[96];
        struct stat before, after;

        (void) snprintf(state, sizeof(state), "%s/" TCED_STATE_NAME, h->dir);
        if (stat(state, &before) < 0)
                bail_out("there is no %s", state);
        tap_eq(second_daemon(h, h->socket, &output), 1, "a second daemon ends with 1");
        tap_ok(stat(state, &after) == 0 && after.st_ino == before.st_ino && after.st_mtime == before.st_mtime, "the first one's state is as it was");
        tap_ok(strstr(output, h->socket) && strstr(output, "taken"), "it says that the socket is taken");
        tap_ok(answers(h), "the first goes on, on its socket");
        (void) snprintf(path, sizeof(path), "%s/other-socket", h->dir);
        tap_eq(second_daemon(h, path, &other_output), 1, "so does one with a socket of its own");
        tap_ok(strstr(other_output, "org.tced1") && strstr(other_output, "taken"), "it says that the name is taken");
        tap_ok(access(path, F_OK) < 0, "and leaves no socket behind");
}

/* With --user there may be no bus, and the socket alone tells that another runs. */
static void test_second_user(Host *h) {
        char output[64], socket[96], sys[64], dev[64], runtime[96];
        const char *argv[] = { h->tced, "--user", socket, sys, dev, NULL };
        const char *env[] = { "DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent", "NOTIFY_SOCKET", runtime, NULL };
        _cleanup_free_ char *text = NULL;

        (void) snprintf(output, sizeof(output), "%s/user.log", h->dir);
        (void) snprintf(socket, sizeof(socket), "--socket=%s", h->socket);
        (void) snprintf(sys, sizeof(sys), "--sys=%s/sys", h->dir);
        (void) snprintf(dev, sizeof(dev), "--dev=%s/dev", h->dir);
        (void) snprintf(runtime, sizeof(runtime), "XDG_RUNTIME_DIR=%s/run", h->dir);
        tap_eq(run_program(&(Spawn) { .argv = argv, .env = env, .output = output }, &text), 1, "--user on a socket that is served ends with 1");
        tap_ok(strstr(text, h->socket) && strstr(text, "another tced"), "it says so");
        tap_ok(answers(h), "the first goes on");
}

/* Listens there, and ends; a child of its, which is given back, has the socket open still. */
static pid_t leave_listener(const Host *h) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fds[2];
        pid_t pid = -1, child = -1;

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", h->socket);
        if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0)
                bail_out("fork: %s", strerror(errno));
        if (pid == 0) {
                int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

                if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, 8) < 0)
                        _exit(1);
                child = fork();
                if (child == 0)
                        for (;;)
                                (void) pause();
                _exit(write(fds[1], &child, sizeof(child)) != sizeof(child));
        }
        (void) close(fds[1]);
        if (read(fds[0], &child, sizeof(child)) != sizeof(child) || wait_exit(pid) != 0)
                bail_out("nobody listens on %s", h->socket);
        (void) close(fds[0]);
        return child;
}

/* What an earlier daemon left is replaced; what is no socket is left alone. */
static void test_stale(Host *h) {
        _cleanup_free_ char *output = NULL, *kept = NULL;
        char path[64];
        struct stat st;
        pid_t child;

        (void) kill(h->tced_pid, SIGKILL);
        (void) wait_exit(h->tced_pid);
        h->tced_pid = 0;
        tap_ok(lstat(h->socket, &st) == 0 && S_ISSOCK(st.st_mode), "a daemon that is killed leaves its socket");
        tap_ok(host_start_tced(h, NULL) && answers(h), "the next one replaces it");
        for (unsigned i = 0; i < 20; i++) {
                (void) kill(h->tced_pid, i % 2 ? SIGKILL : SIGTERM);
                (void) wait_exit(h->tced_pid);
                h->tced_pid = 0;
                if (!host_start_tced(h, NULL))
                        bail_out("restart %u failed", i);
        }
        tap_ok(answers(h), "it can be restarted at once, also when the bus has not noticed yet");
        tap_ok(stat(h->socket, &st) == 0 && (st.st_mode & 0777) == 0666, "anyone may connect");
        host_stop_tced(h);
        child = leave_listener(h);
        tap_ok(host_start_tced(h, NULL) && answers(h), "one that a child of a daemon that was killed has open still is replaced, too");
        (void) kill(child, SIGKILL);
        host_stop_tced(h);
        tap_ok(lstat(h->socket, &st) < 0, "one that ends well takes its socket with it");
        (void) snprintf(path, sizeof(path), "%s/precious", h->dir);
        host_write(h, "precious", "do not delete\n");
        tap_eq(second_daemon(h, path, &output), 1, "a file that is no socket: the daemon ends with 1");
        kept = read_whole(path);
        tap_streq(kept, "do not delete\n", "and the file is as it was");
        tap_ok(strstr(output, path), "it says which");
}

static uint64_t cpu_ticks(pid_t pid) {
        char path[32];
        _cleanup_free_ char *text = NULL;
        unsigned long long user = 0, system = 0;
        const char *rest;

        (void) snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
        text = read_whole(path);
        rest = strrchr(text, ')');
        if (!rest || sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2)
                bail_out("%s can't be read", path);
        return user + system;
}

static void set_fds_max(pid_t pid, rlim_t max) {
        struct rlimit limit;

        if (prlimit(pid, RLIMIT_NOFILE, NULL, &limit) < 0)
                bail_out("prlimit: %s", strerror(errno));
        limit.rlim_cur = max;
        if (prlimit(pid, RLIMIT_NOFILE, &limit, NULL) < 0)
                bail_out("prlimit: %s", strerror(errno));
}

/* Who connects can't take the last fds: a message on the bus that comes with one is read still, and to fail at that would be the end. */
static void test_last_fds(const Host *h) {
        _cleanup_bus_ sd_bus *bus = open_bus(h);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int fds[600], r, have;
        size_t n = 0;

        if (under_valgrind()) {
                tap_skip("valgrind answers getrlimit(2) itself, and has not heard of a limit that another process set", "the last fds");
                return;
        }
        set_fds_max(h->tced_pid, 1024);
        while (n < ELEMENTSOF(fds))
                fds[n++] = connect_raw(h);
        tap_ok(host_log_has(h, "Refused a connection on"), "before the fds are used up nobody is let in any more");
        have = count_fds(h->tced_pid);
        tap_ok(have > 700 && have < 780, "some are left: %d are taken of 1024", have);
        r = call(bus, TCED_GROUP_PREFIX "/7", TCED_INTERFACE_GROUP, "OpenInto", &error, NULL, "th", UINT64_C(0), STDIN_FILENO);
        tap_ok(r < 0 && !strstr(error.name, "NoReply"), "an fd that comes on the bus is read: %s", error.message);
        sd_bus_error_free(&error);
        while (n > 0)
                (void) close(fds[--n]);
        tap_ok(answers(h), "who has waited is let in when others are gone");
}

/* Not one file descriptor is left: for tables, and for who wants to connect. */
static void test_no_fds_left(Host *h) {
        _cleanup_bus_ sd_bus *bus = open_peer(h);
        _cleanup_free_ char *log = NULL;
        struct timespec some_time = { .tv_sec = 2 };
        sd_bus_error error = SD_BUS_ERROR_NULL;
        TestWindow w = small_window(0);
        uint64_t ticks;
        int fd, r;

        wait_probed(bus);
        set_fds_max(h->tced_pid, (rlim_t) count_fds(h->tced_pid) + 20);
        {
                TestWindow many[40];

                for (unsigned i = 0; i < ELEMENTSOF(many); i++)
                        many[i] = small_window(i);
                refused(register_windows(bus, "many", "", many, ELEMENTSOF(many), NO_UID, NULL, &error), &error, "LimitExceeded",
                        "LimitNOFILE", "more tables than fds are refused");
        }
        tap_eq(count_machines(bus), 0, "nothing stays of them");
        set_fds_max(h->tced_pid, 3);
        ticks = cpu_ticks(h->tced_pid);
        fd = connect_raw(h);
        tap_ok(host_log_has(h, "Can't accept a connection"), "without a single fd it says that it can accept nobody");
        (void) nanosleep(&some_time, NULL);
        ticks = cpu_ticks(h->tced_pid) - ticks;
        tap_ok(ticks < (uint64_t) sysconf(_SC_CLK_TCK) / 2, "that keeps it not busy: %" PRIu64 " ticks of CPU", ticks);
        log = host_log(h);
        tap_ok(strlen(log) < 8192, "nor fills it the log: %zu bytes", strlen(log));
        r = register_windows(bus, "one", "", &w, 1, NO_UID, NULL, &error);
        tap_ok(r < 0 && error.message, "a machine is refused: %s", error.message);
        sd_bus_error_free(&error);
        set_fds_max(h->tced_pid, 1024);
        (void) close(fd);
        tap_ok(answers(h), "once there are fds everyone is served");
}

/* The daemon ends at once, also when somebody has not read its answers. */
static void test_end_with_unread(Host *h) {
        _cleanup_bus_ sd_bus *bus = open_peer(h);

        free(register_small(bus, "one", 60, NO_UID));
        for (unsigned i = 0; i < 100; i++)
                (void) sd_bus_call_method_async(bus, NULL, NULL, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "Describe", on_answer, NULL, "t",
                                                UINT64_C(0));
        (void) sd_bus_flush(bus);
        host_stop_tced(h);
}

int main(void) {
        Host h;
        int fds;

        host_init(&h, 110);
        host_write(&h, "root/etc/tced/tced.conf", PER_USER_CONF, PER_USER, PER_PROCESS);
        if (!host_start_bus(&h)) {
                tap_skip("there is no dbus-daemon", "connections");
                host_done(&h);
                return tap_done();
        }
        if (!host_start_tced(&h, NULL))
                bail_out("tced does not start");
        {
                _cleanup_bus_ sd_bus *peer = open_peer(&h);
                wait_probed(peer);
        }
        tap_ok(answers(&h), "it answers");
        fds = settled_fds(h.tced_pid);
        test_bad_openings(&h, fds);
        test_noise(&h, fds);
        test_giant(&h);
        test_many_giants(&h);
        test_large(&h);
        test_gone_before_answer(&h, fds);
        test_sends_itself(&h, fds);
        test_limit(&h, fds);
        test_limit_of_all(&h, fds);
        test_never_reads(&h);
        test_large_answers(&h);
        test_second(&h);
        test_second_user(&h);
        test_stale(&h);
        if (!host_start_tced(&h, NULL))
                bail_out("tced does not start");
        test_no_fds_left(&h);
        test_last_fds(&h);
        test_end_with_unread(&h);
        host_done(&h);
        return tap_done();
}
