/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libvirt's hook (hooks/hook.c) as a program, against a peer that plays tced: what it tells, what it answers, that it never waits
 * longer than it may, and that it is silent of whatever is none of its business. */

#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-id128.h>
#include <time.h>

#include "domain_read.h"
#include "error.h"
#include "slack.h"
#include "tap.h"
#include "tree.h"
#include "util.h"

#define XML "<domain type='kvm'><name>web1</name></domain>\n"
/* What the hook has for all that it does, and what a test gives it. */
#define TIMEOUT_MS (1000 * slack())
#define TOO_LONG_MS (5 * TIMEOUT_MS)
#define REFUSED "pci.31: its index is out of range. Use 1 to 30\nand 2 more: tcectl check web1"

/* What the peer does. */
typedef enum Peer {
        PEER_AWAY,       /* no socket */
        PEER_STALE,      /* a socket that nobody listens on */
        PEER_GOOD,
        PEER_REFUSES,    /* DomainRefused */
        PEER_FAILS,      /* Failed */
        PEER_UNKNOWN,    /* NoSuchMachine */
        PEER_OLD,        /* has no such method */
        PEER_MUTE,       /* accepts, and never says a word */
        PEER_NO_ANSWER,  /* authenticates, and never answers */
        PEER_HANGS_UP,   /* the connection ends at the call */
        PEER_NO_DBUS,    /* speaks something else */
} Peer;

/* What it was told, in memory that it shares with the test. */
typedef struct Told {
        unsigned calls;
        unsigned audits; /* of which no answer is expected */
        char method[32];
        uint64_t flags;
        size_t xml_size;
        char xml[128];
} Told;

static const char *program;
static Tree tree;
static Told *told;
static char socket_path[128];

static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const Peer *peer = userdata;
        const char *xml;

        if (sd_bus_message_is_method_call(m, "org.tced1.Manager", NULL) <= 0)
                return 0;
        if (streq(sd_bus_message_get_member(m), "Audit")) {
                if (sd_bus_message_read(m, "t", &told->flags) >= 0)
                        __atomic_add_fetch(sd_bus_message_get_expect_reply(m) ? &told->calls : &told->audits, 1, __ATOMIC_SEQ_CST);
                return 1;
        }
        if (sd_bus_message_read(m, "st", &xml, &told->flags) < 0)
                return 0;
        told->calls++;
        (void) snprintf(told->method, sizeof(told->method), "%s", sd_bus_message_get_member(m));
        (void) snprintf(told->xml, sizeof(told->xml), "%s", xml);
        told->xml_size = strlen(xml);
        switch (*peer) {
        case PEER_GOOD:
                return streq(told->method, "ReleaseDomain") ? sd_bus_reply_method_return(m, NULL)
                        : sd_bus_reply_method_return(m, "oa(sssss)", "/org/tced1/machine/x", 1, "no-maxmemory", "warning", "web1", "a", "b");
        case PEER_REFUSES:
                return sd_bus_reply_method_errorf(m, TCED_ERROR_DOMAIN_REFUSED, "%s", REFUSED);
        case PEER_FAILS:
                return sd_bus_reply_method_errorf(m, TCED_ERROR_FAILED, "No idea");
        case PEER_UNKNOWN:
                return sd_bus_reply_method_errorf(m, TCED_ERROR_NO_SUCH_MACHINE, "No machine");
        case PEER_OLD:
                return 0;
        case PEER_NO_ANSWER:
                return 1;
        case PEER_HANGS_UP:
                _exit(0);
        case PEER_AWAY:
        case PEER_STALE:
        case PEER_MUTE:
        case PEER_NO_DBUS:
                break;
        }
        return 1;
}

static void serve(int fd, Peer peer) {
        sd_bus *bus = NULL;
        sd_id128_t id = {};

        if (peer == PEER_NO_DBUS)
                (void) !write(fd, "220 mail.example ESMTP\r\n", 24);
        if (peer == PEER_MUTE || peer == PEER_NO_DBUS)
                for (;;)
                        (void) pause();
        (void) sd_id128_randomize(&id);
        if (sd_bus_new(&bus) < 0 || sd_bus_set_fd(bus, fd, fd) < 0 || sd_bus_set_server(bus, 1, id) < 0 ||
            sd_bus_add_filter(bus, NULL, on_call, &peer) < 0 || sd_bus_start(bus) < 0)
                _exit(1);
        while (sd_bus_process(bus, NULL) >= 0)
                (void) sd_bus_wait(bus, UINT64_MAX);
}

/* Listens before it returns; serves one connection behind the other. */
static pid_t start_peer(Peer peer) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        pid_t pid;

        (void) unlink(socket_path);
        memset(told, 0, sizeof(*told));
        if (peer == PEER_AWAY) {
                (void) close(fd);
                return 0;
        }
        (void) strcpy(address.sun_path, socket_path);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || (peer != PEER_STALE && listen(fd, 8) < 0))
                tree_fail("listen", socket_path);
        pid = peer == PEER_STALE ? 0 : fork();
        if (pid == 0 && peer != PEER_STALE) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (;;) {
                        int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                        if (connection >= 0)
                                serve(connection, peer);
                }
        }
        (void) close(fd);
        return pid;
}

static void stop_peer(pid_t pid) {
        if (pid <= 0)
                return;
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
}

/* How the hook is run. */
typedef struct Run {
        const char *argv[8]; /* behind the program */
        int input;           /* standard input; -1: a memfd with XML; -2: closed */
        const char *xml;
        size_t xml_size;
        bool closed_output;  /* standard output and error */
        int error_fd;        /* standard error; 0: read */
        bool as_nobody;
        bool blocked_alarm;
} Run;

typedef struct Result {
        int status;
        unsigned milliseconds;
        char output[256], error[2048];
} Result;

static int file_of(const char *text, size_t size) {
        int fd = memfd_create("xml", MFD_CLOEXEC);

        if (fd < 0 || write(fd, text, size) != (ssize_t) size || lseek(fd, 0, SEEK_SET) < 0)
                tree_fail("memfd", "xml");
        return fd;
}

static void child(const Run *run, int input, int output, int error) {
        char root[160], socket[160];
        char *env[] = { root, socket, (char *) "PATH=/usr/bin:/bin", NULL };
        const char *argv[9] = { program };
        int fd = open(program, O_PATH | O_CLOEXEC);
        sigset_t set;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (size_t i = 0; i < ELEMENTSOF(run->argv); i++)
                argv[i + 1] = run->argv[i];
        argv[8] = NULL;
        (void) snprintf(root, sizeof(root), "HOOK_ROOT=%s", tree.path);
        (void) snprintf(socket, sizeof(socket), "HOOK_SOCKET=%s", socket_path);
        (void) signal(SIGALRM, run->blocked_alarm ? SIG_IGN : SIG_DFL);
        sigemptyset(&set);
        sigaddset(&set, SIGALRM);
        (void) sigprocmask(run->blocked_alarm ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
        (void) dup2(output, STDOUT_FILENO);
        (void) dup2(run->error_fd ? run->error_fd : error, STDERR_FILENO);
        if (run->closed_output) {
                (void) close(STDOUT_FILENO);
                (void) close(STDERR_FILENO);
        }
        if (run->input == -2)
                (void) close(STDIN_FILENO);
        else
                (void) dup2(input, STDIN_FILENO);
        if (run->as_nobody)
                valgrind_log_to(65534);
        if (run->as_nobody && (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0))
                _exit(126);
        (void) execveat(fd, "", (char *const *) argv, env, AT_EMPTY_PATH);
        /* valgrind follows an fd by /proc/self/fd, which is closed to who was root. */
        if (under_valgrind())
                (void) execve(program, (char *const *) argv, env);
        _exit(127);
}

static uint64_t now_ms(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
}

static void read_back(int fd, char *text, size_t size) {
        ssize_t n = pread(fd, text, size - 1, 0);

        text[n < 0 ? 0 : n] = '\0';
        (void) close(fd);
}

static Result run_hook(const Run *run) {
        int output = file_of("", 0), error = file_of("", 0), status = 0;
        _cleanup_fd_ int xml = run->input == -1 ? file_of(run->xml ? run->xml : XML, run->xml ? run->xml_size : strlen(XML)) : -EBADF;
        Result result = {};
        uint64_t start = now_ms();
        pid_t pid;

        (void) fflush(stdout);
        pid = fork();
        if (pid == 0)
                child(run, run->input == -1 ? xml : run->input, output, error);
        for (;;) {
                if (waitpid(pid, &status, WNOHANG) == pid)
                        break;
                if (now_ms() - start > 20 * TIMEOUT_MS) {
                        (void) kill(pid, SIGKILL);
                        (void) waitpid(pid, &status, 0);
                        break;
                }
                (void) usleep(2000);
        }
        result.milliseconds = (unsigned) (now_ms() - start);
        result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        read_back(output, result.output, sizeof(result.output));
        read_back(error, result.error, sizeof(result.error));
        return result;
}

static void set_config(bool required) {
        char path[128];
        FILE *f;

        (void) snprintf(path, sizeof(path), "%s/etc/tced/tced.conf", tree.path);
        f = fopen(path, "we");
        if (!f || fprintf(f, "[Hook]\nTimeoutSec=%u\nRequired=%s\n", TIMEOUT_MS / 1000, required ? "yes" : "no") < 0 || fclose(f) != 0)
                tree_fail("write", path);
}

/* Which of libvirt's calls becomes which of tced's. */
static void test_told(void) {
        static const struct {
                const char *operation, *sub_operation, *method;
                uint64_t flags;
        } cases[] = {
                { "start", "begin", "RegisterDomain", 0 },
                { "release", "end", "ReleaseDomain", 0 },
                { "reconnect", "begin", "RegisterDomain", 1 },
        };
        pid_t peer = start_peer(PEER_GOOD);

        set_config(false);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Run run = { .argv = { "web1", cases[i].operation, cases[i].sub_operation, "-" }, .input = -1 };
                Result r = run_hook(&run);

                tap_ok(r.status == 0 && !*r.output && !*r.error, "%s %s: yes, and nothing printed", cases[i].operation, cases[i].sub_operation);
                tap_ok(told->calls == i + 1 && streq(told->method, cases[i].method) && told->flags == cases[i].flags, "tced is told by %s(%llu)",
                       cases[i].method, (unsigned long long) cases[i].flags);
                tap_streq(told->xml, XML, "the XML is what libvirt gave");
        }
        stop_peer(peer);
}

/* What a start, a release and a reconnect come to, with each answer and each setting. */
static void test_answers(void) {
        static const struct {
                const char *name;
                Peer peer;
                const char *warning; /* fragment of it; NULL: none. */
                bool refused;        /* a start, whatever the setting */
        } cases[] = {
                { "tced is good", PEER_GOOD, NULL, false },
                { "tced refuses the domain", PEER_REFUSES, NULL, true },
                { "tced is not there", PEER_AWAY, "tced does not run; start it: systemctl start tced", false },
                { "tced was there", PEER_STALE, "tced does not run", false },
                { "tced fails", PEER_FAILS, "No idea", false },
                { "tced is too old", PEER_OLD, "Unknown", false },
                { "tced hangs up", PEER_HANGS_UP, "", false },
                { "something else answers", PEER_NO_DBUS, "", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (int required = 0; required < 2; required++) {
                        pid_t peer = start_peer(cases[i].peer);
                        Run start = { .argv = { "web1", "start", "begin", "-" }, .input = -1 };
                        Run release = { .argv = { "web1", "release", "end", "destroyed" }, .input = -1 };
                        Run reconnect = { .argv = { "web1", "reconnect", "begin", "-" }, .input = -1 };
                        bool refused = cases[i].refused || (cases[i].warning && required);
                        Result r;

                        set_config(required);
                        r = run_hook(&start);
                        tap_ok(r.status == refused && !*r.output, "%s, Required=%s: a start %s", cases[i].name, required ? "yes" : "no",
                               refused ? "is refused" : "goes on");
                        if (cases[i].refused)
                                tap_streq(r.error, REFUSED "\n", "with tced's text alone");
                        else if (cases[i].warning)
                                tap_ok(strstr(r.error, "web1") && strstr(r.error, cases[i].warning) &&
                                               !!strstr(r.error, "Required=no") == required,
                                       "with a warning%s", required ? ", the reason and the remedy" : "");
                        else
                                tap_streq(r.error, "", "without a word");
                        if (cases[i].peer == PEER_HANGS_UP || cases[i].peer == PEER_NO_DBUS) {
                                stop_peer(peer);
                                peer = start_peer(cases[i].peer);
                        }
                        r = run_hook(&release);
                        tap_ok(r.status == 0 && !*r.output, "a release is never refused");
                        if (cases[i].peer == PEER_HANGS_UP || cases[i].peer == PEER_NO_DBUS) {
                                stop_peer(peer);
                                peer = start_peer(cases[i].peer);
                        }
                        r = run_hook(&reconnect);
                        tap_ok(r.status == 0 && !*r.output, "nor a reconnect, which would end the VM");
                        stop_peer(peer);
                }
}

/* A VM that tced does not know any more ends: that is nothing to speak of. */
static void test_unknown(void) {
        Run release = { .argv = { "web1", "release", "end", "-" }, .input = -1 };
        pid_t peer = start_peer(PEER_UNKNOWN);
        Result r = run_hook(&release);

        tap_ok(r.status == 0 && !*r.error, "a release of a machine that tced has not is silent");
        tap_streq(told->method, "ReleaseDomain", "it was told of it");
        stop_peer(peer);
}

static void test_slow(void) {
        static const Peer peers[] = { PEER_MUTE, PEER_NO_ANSWER };

        for (size_t i = 0; i < ELEMENTSOF(peers); i++)
                for (int required = 0; required < 2; required++) {
                        Run run = { .argv = { "web1", "start", "begin", "-" }, .input = -1, .blocked_alarm = required };
                        pid_t peer = start_peer(peers[i]);
                        Result r;

                        set_config(required);
                        r = run_hook(&run);
                        tap_eq(r.status, required, "tced %s, Required=%s", i == 0 ? "is mute" : "never answers", required ? "yes" : "no");
                        tap_ok(r.milliseconds >= TIMEOUT_MS * 9 / 10 && r.milliseconds < TOO_LONG_MS, "it took %u ms", r.milliseconds);
                        tap_ok(strstr(r.error, "tced does not answer"), "the warning says so");
                        stop_peer(peer);
                }
}

/* As many wait for a tced that is stopped as the kernel lets wait. */
static void test_crowd(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        Run run = { .argv = { "web1", "start", "begin", "-" }, .input = -1 };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), waiting[8];
        size_t n = 0;
        Result r;

        (void) unlink(socket_path);
        (void) strcpy(address.sun_path, socket_path);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, 0) < 0)
                tree_fail("listen", socket_path);
        do
                waiting[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        while (connect(waiting[n++], (struct sockaddr *) &address, sizeof(address)) == 0 && n < ELEMENTSOF(waiting));
        set_config(false);
        r = run_hook(&run);
        tap_ok(r.status == 0 && strstr(r.error, "tced does not answer; see what"), "a crowd waits for tced: the start goes on, and the warning has a remedy");
        while (n > 0)
                (void) close(waiting[--n]);
        (void) close(fd);
}

/* Input that libvirt would not give, or does not finish. */
static void test_input(void) {
        static char giant[DOMAIN_XML_MAX + 1];
        const struct {
                const char *name, *xml;
                size_t size;
                const char *warning;
                unsigned calls;
        } cases[] = {
                { "nothing", "", 0, "libvirt gave no XML", 0 },
                { "garbage is tced's to judge", "\x01garbage", 8, NULL, 1 },
                { "a zero byte", "<a>\0</a>", 8, "its XML is no UTF-8", 0 },
                { "Latin-1", "<a>\xe9</a>", 8, "its XML is no UTF-8", 0 },
                { "the largest XML", giant, DOMAIN_XML_MAX, NULL, 1 },
                { "one byte more", giant, DOMAIN_XML_MAX + 1, "its XML is longer than tced reads", 0 },
        };

        memset(giant, 'x', sizeof(giant));
        set_config(false);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Run run = { .argv = { "web1", "start", "begin", "-" }, .input = -1, .xml = cases[i].xml, .xml_size = cases[i].size };
                pid_t peer = start_peer(PEER_GOOD);
                Result r = run_hook(&run);

                tap_ok(r.status == 0 && (cases[i].warning ? !!strstr(r.error, cases[i].warning) : !*r.error), "input: %s", cases[i].name);
                tap_eq(told->calls, cases[i].calls, "tced is %s", cases[i].calls ? "told" : "not told");
                if (cases[i].calls)
                        tap_eq(told->xml_size, cases[i].size, "of all of it");
                stop_peer(peer);
        }
}

static void test_input_odd(void) {
        Run closed = { .argv = { "web1", "start", "begin", "-" }, .input = -2 };
        Run endless = { .argv = { "web1", "start", "begin", "-" } }, hanging = endless, folder = endless, all_closed = closed;
        pid_t peer = start_peer(PEER_GOOD);
        int pair[2];
        Result r;

        set_config(true);
        r = run_hook(&closed);
        tap_ok(r.status == 1 && strstr(r.error, "libvirt gave no XML"), "standard input is closed");
        all_closed.closed_output = true;
        r = run_hook(&all_closed);
        tap_ok(r.status == 1, "all three are closed: refused all the same");
        tap_eq(told->calls, 0, "and what goes to standard error does not go to tced");
        all_closed.input = -1;
        r = run_hook(&all_closed);
        tap_ok(r.status == 0 && told->calls == 1, "output is closed: tced is told");
        endless.input = open("/dev/zero", O_RDONLY | O_CLOEXEC);
        r = run_hook(&endless);
        tap_ok(r.status == 1 && strstr(r.error, "longer than tced reads"), "input that never ends");
        folder.input = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = run_hook(&folder);
        tap_ok(r.status == 1 && strstr(r.error, strerror(EISDIR)), "a folder as input");
        if (pipe2(pair, O_CLOEXEC) < 0 || write(pair[1], "<domain", 7) != 7)
                tree_fail("pipe", "hanging");
        hanging.input = pair[0];
        r = run_hook(&hanging);
        tap_ok(r.status == 1 && strstr(r.error, "libvirt did not give its XML in time"), "input that hangs");
        tap_ok(r.milliseconds >= TIMEOUT_MS * 9 / 10 && r.milliseconds < TOO_LONG_MS, "it took %u ms", r.milliseconds);
        (void) close(endless.input);
        (void) close(folder.input);
        (void) close(pair[0]);
        (void) close(pair[1]);
        stop_peer(peer);
}

/* Whatever else it is called with: yes, silence, and not even a look at what libvirt gives. */
static void test_others(void) {
        static const char *const cases[][6] = {
                { "web1", "prepare", "begin", "-" },   { "web1", "started", "end", "-" }, { "web1", "stopped", "end", "-" },
                { "web1", "migrate", "begin", "-" },   { "web1", "restore", "begin", "-" }, { "web1", "attach", "begin", "-" },
                { "web1", "start", "end", "-" },       { "web1", "release", "begin", "-" }, { "web1", "reconnect", "end", "-" },
                { "web1", "some-new-thing", "-", "-" }, { "web1", "start" },                { "web1" },
                { NULL },                               { "", "", "", "" },                 { "web1", "START", "BEGIN", "-" },
        };
        pid_t peer = start_peer(PEER_REFUSES);
        int pair[2], unread;

        set_config(true);
        if (pipe2(pair, O_CLOEXEC) < 0 || write(pair[1], XML, strlen(XML)) != (ssize_t) strlen(XML))
                tree_fail("pipe", "others");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Run run = { .input = pair[0] };
                Result r;

                memcpy(run.argv, cases[i], sizeof(cases[i]));
                r = run_hook(&run);
                tap_ok(r.status == 0 && !*r.output && !*r.error, "'%s %s %s': yes, in silence", cases[i][0] ? cases[i][0] : "",
                       cases[i][1] ? cases[i][1] : "", cases[i][2] ? cases[i][2] : "");
        }
        tap_ok(ioctl(pair[0], FIONREAD, &unread) == 0 && unread == (int) strlen(XML), "none of them reads its input");
        tap_eq(told->calls, 0, "none of them tells tced");
        (void) close(pair[0]);
        (void) close(pair[1]);
        stop_peer(peer);
}

/* tced is asked to look at VMs, and nobody waits for it, nor hears of it where that can't be. */
static void test_started(void) {
        static const Peer peers[] = { PEER_GOOD, PEER_AWAY, PEER_STALE, PEER_MUTE, PEER_NO_DBUS };
        int pair[2], unread;

        set_config(true);
        if (pipe2(pair, O_CLOEXEC) < 0 || write(pair[1], XML, strlen(XML)) != (ssize_t) strlen(XML))
                tree_fail("pipe", "started");
        for (size_t i = 0; i < ELEMENTSOF(peers); i++) {
                Run run = { .argv = { "web1", "started", "begin", "-" }, .input = pair[0] };
                pid_t peer = start_peer(peers[i]);
                Result r = run_hook(&run);

                tap_ok(r.status == 0 && !*r.output && !*r.error, "started, peer %zu: yes, in silence", i);
                for (unsigned tries = 0; peers[i] == PEER_GOOD && __atomic_load_n(&told->audits, __ATOMIC_SEQ_CST) == 0 && tries < 500; tries++)
                        (void) usleep(10000);
                tap_eq(told->audits, peers[i] == PEER_GOOD, "an audit is asked for where somebody is");
                tap_eq(told->calls, 0, "and nothing else");
                stop_peer(peer);
        }
        tap_ok(ioctl(pair[0], FIONREAD, &unread) == 0 && unread == (int) strlen(XML), "its input is not read");
        (void) close(pair[0]);
        (void) close(pair[1]);
}

/* Names are shown, and go no further: tced reads the XML's. */
static void test_names(void) {
        static char longest[4096];
        const struct {
                const char *name, *shown;
        } cases[] = {
                { "web 1 & <sons>", "web 1 & <sons>" }, { "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" }, { "a\x1b[31m\nb", "a?[31m?b" },
                { "a\xff", "a?" }, { "%s%n", "%s%n" }, { longest, "xxxxxxxxxx" },
        };

        memset(longest, 'x', sizeof(longest) - 1);
        set_config(false);
        (void) start_peer(PEER_AWAY);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Run run = { .argv = { cases[i].name, "start", "begin", "-", "more", "than", "libvirt" }, .input = -1 };
                Result r = run_hook(&run);

                tap_ok(r.status == 0 && strstr(r.error, cases[i].shown) && strstr(r.error, "tced does not run"), "a name: %.20s", cases[i].shown);
        }
}

static void test_nobody(void) {
        Run run = { .argv = { "web1", "start", "begin", "-" }, .input = -1, .as_nobody = true };
        Result r;

        set_config(true);
        (void) start_peer(PEER_AWAY);
        r = run_hook(&run);
        tap_ok(r.status == 0 && !*r.error, "a user's own libvirt: yes, in silence");
}

/* What should never block, and does: nobody reads its warning. */
static void test_last_resort(void) {
        char block[4096] = "";
        int pair[2];

        if (pipe2(pair, O_CLOEXEC) < 0 || fcntl(pair[1], F_SETPIPE_SZ, 4096) < 0 || write(pair[1], block, 4096) != 4096)
                tree_fail("pipe", "full");
        (void) start_peer(PEER_AWAY);
        for (int required = 0; required < 2; required++) {
                Run run = { .argv = { "web1", "start", "begin", "-" }, .input = -1, .error_fd = pair[1], .blocked_alarm = true };
                Result r;

                set_config(required);
                r = run_hook(&run);
                tap_eq(r.status, required, "its warning can't be written, Required=%s", required ? "yes" : "no");
                tap_ok(r.milliseconds < TOO_LONG_MS, "it took %u ms", r.milliseconds);
        }
        (void) close(pair[0]);
        (void) close(pair[1]);
}

int main(int argc, char *argv[]) {
        char folder[128];

        if (argc < 2)
                return 99;
        program = argv[1];
        if (geteuid() != 0) {
                tap_skip("the hook does nothing unless it is root's", "the hook");
                return tap_done();
        }
        (void) signal(SIGPIPE, SIG_IGN);
        tree = tree_new();
        (void) chmod(tree.path, 0755);
        (void) snprintf(folder, sizeof(folder), "%s/etc", tree.path);
        (void) mkdir(folder, 0755);
        (void) snprintf(folder, sizeof(folder), "%s/etc/tced", tree.path);
        (void) mkdir(folder, 0755);
        (void) snprintf(socket_path, sizeof(socket_path), "%s/socket", tree.path);
        told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (told == MAP_FAILED)
                return 99;
        test_told();
        test_answers();
        test_unknown();
        test_slow();
        test_crowd();
        test_input();
        test_input_odd();
        test_others();
        test_started();
        test_names();
        test_nobody();
        test_last_resort();
        (void) munmap(told, sizeof(*told));
        tree_remove(&tree);
        return tap_done();
}
