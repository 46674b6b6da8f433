/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The program tced-bind, but for its kernel, which is the test's (fake-sysfs.c), with both of its sockets: this test is the service manager
 * that starts it and its workers, and tced that asks. The first argument is that program. */

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "bind_record.h"
#include "event-loop.h"
#include "fake-sysfs.h"
#include "helper.h"
#include "tap.h"

#define A "0001:00:00.0"
#define B "0001:00:00.1"
#define BEFORE A " nvme -\n" B " - -\n"
#define BOUND A " vfio-pci vfio-pci\n" B " vfio-pci vfio-pci\n"

static const char *program;
static const char *const devices[] = { A, B };

typedef struct Stage {
        FakeHost host;
        sd_event *event;
        char socket[96], work_socket[96], conf[96];
        int listener;
        sd_event_source *work;
        pid_t pid;
        unsigned workers;
        pid_t last_worker;
        Helper *helper;
        unsigned calls;
        int error;
        char text[BIND_TEXT_MAX];
} Stage;

static int listen_at(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, 8) < 0)
                exit(EXIT_FAILURE);
        return fd;
}

/* Starts the program with an fd 3. work: as a worker. */
static pid_t start(Stage *s, int fd, bool works) {
        char text[6][128], user[32], number[16];
        const char *arguments[] = {
                program, text[0], text[1], text[2], text[3], text[4], user, "--idle=1", "--deadline=5", works ? "--work" : NULL, NULL,
        };
        pid_t pid;

        (void) snprintf(text[0], sizeof(text[0]), "--sys=%s", s->host.sys);
        (void) snprintf(text[1], sizeof(text[1]), "--dev=%s", s->host.dev);
        (void) snprintf(text[2], sizeof(text[2]), "--records=%s", s->host.records);
        (void) snprintf(text[3], sizeof(text[3]), "--conf=%s", s->conf);
        (void) snprintf(text[4], sizeof(text[4]), "--work-socket=%s", s->work_socket);
        (void) snprintf(user, sizeof(user), "--user=%u", (unsigned) getuid());
        pid = fork();
        if (pid != 0)
                return pid;
        if (!getenv("TEST_BIND_VERBOSE"))
                (void) dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 10);
        (void) dup2(fd, 3);
        (void) snprintf(number, sizeof(number), "%d", (int) getpid());
        (void) setenv("LISTEN_PID", number, 1);
        (void) setenv("LISTEN_FDS", "1", 1);
        (void) execv(program, (char *const *) arguments);
        _exit(98);
}

static int on_work(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        _cleanup_fd_ int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        Stage *s = userdata;

        s->last_worker = start(s, connection, true);
        s->workers++;
        return 0;
}

static void stage_start(Stage *s) {
        s->pid = start(s, s->listener, false);
}

static Stage *stage_make(void) {
        Stage *s = calloc(1, sizeof(*s));

        if (!s)
                exit(EXIT_FAILURE);
        *s = (Stage) { .host = fake_host_make(), .event = loop_new() };
        (void) snprintf(s->socket, sizeof(s->socket), "%s/socket", s->host.root);
        (void) snprintf(s->work_socket, sizeof(s->work_socket), "%s/work", s->host.root);
        (void) snprintf(s->conf, sizeof(s->conf), "%s/tced.conf.d", s->host.root);
        fake_add_driver(&s->host, "nvme");
        fake_add_device(&s->host, A, 7, NULL, "nvme", NULL, "nvme");
        fake_add_device(&s->host, B, 7, NULL, NULL, NULL, "");
        fake_plan(&s->host, "");
        s->listener = listen_at(s->socket);
        if (sd_event_add_io(s->event, &s->work, listen_at(s->work_socket), EPOLLIN, on_work, s) < 0 || helper_new(s->event, s->socket, &s->helper) < 0)
                exit(EXIT_FAILURE);
        (void) sd_event_source_set_io_fd_own(s->work, 1);
        stage_start(s);
        return s;
}

/* The exit status, or -signal. */
static int wait_for(pid_t pid) {
        int status = 0;

        (void) waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void stage_remove(Stage *s) {
        s->helper = helper_free(s->helper);
        (void) sd_event_source_disable_unref(s->work);
        (void) fd_close(s->listener);
        (void) kill(s->pid, SIGTERM);
        while (waitpid(-1, NULL, 0) > 0)
                ;
        (void) sd_event_unref(s->event);
        fake_host_remove(&s->host);
        free(s);
}

static void on_done(int error, const char *text, int fd, void *userdata) {
        Stage *s = userdata;

        s->calls++;
        s->error = fd < 0 ? error : -1;
        (void) snprintf(s->text, sizeof(s->text), "%s", text);
}

/* Waits for the answer to what was asked; its error. */
static int answered(Stage *s, int r) {
        if (r < 0)
                return -r;
        s->calls = 0;
        return loop_until(s->event, &s->calls, 1, LOOP_LIMIT_USEC) ? s->error : -1;
}

static int state_of(const Stage *s) {
        _cleanup_fd_ int dir = open(s->host.records, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        BindRecord record = {};
        int state = bind_record_read(dir, A ".json", &record) >= 0 ? (int) record.state : -1;

        bind_record_clear(&record);
        return state;
}

static bool is(const Stage *s, const char *want, int state) {
        char now[512];

        fake_describe(&s->host, now, sizeof(now));
        if (!streq(now, want) || state_of(s) != state)
                printf("# have state %d, want %d, and:\n# %s\n", state_of(s), state, now);
        return streq(now, want) && state_of(s) == state;
}

/* The loop has the workers started meanwhile. */
static bool becomes(Stage *s, const char *want, int state) {
        uint64_t end = monotonic_usec() + LOOP_LIMIT_USEC;
        char now[512];

        do {
                loop_for(s->event, SECOND_USEC / 50);
                fake_describe(&s->host, now, sizeof(now));
        } while ((!streq(now, want) || state_of(s) != state) && monotonic_usec() < end);
        return is(s, want, state);
}

static void test_group(void) {
        Stage *s = stage_make();

        tap_eq(answered(s, helper_bind_group(s->helper, 7, devices, 2, on_done, s)), 0, "tced asks it to bind a group (%s)", s->text);
        tap_ok(is(s, BOUND, BIND_BOUND) && s->workers == 1, "a worker does it");
        tap_eq(wait_for(s->last_worker), 0, "and ends");
        tap_eq(wait_for(s->pid), 0, "so does tced-bind, when nothing goes on");
        stage_start(s);
        tap_eq(answered(s, helper_release_group(s->helper, devices, 2, on_done, s)), 0, "another gives it back (%s)", s->text);
        tap_ok(is(s, BEFORE, -1), "as it was");
        tap_ok(answered(s, helper_release_group(s->helper, devices, 1, on_done, s)) == ENOENT && strstr(s->text, "nothing to give back"), "once: %s", s->text);
        tap_ok(answered(s, helper_bind_group(s->helper, 7, devices, 1, on_done, s)) == ESTALE && strstr(s->text, B), "a group is named as a whole: %s", s->text);
        fake_plan(&s->host, "2 kill-after");
        tap_ok(answered(s, helper_bind_group(s->helper, 7, devices, 2, on_done, s)) == EIO && is(s, BEFORE, -1), "a worker that is killed: %s", s->text);
        stage_remove(s);
}

/* The steps of both operations, and tced-bind killed at each, the worker too or not. */
static void test_killed(void) {
        for (unsigned n = 1; n <= 5; n++)
                for (unsigned both = 0; both < 2; both++) {
                        Stage *s = stage_make();
                        bool releases = n % 2 == 0;
                        char plan[32];

                        if (releases)
                                (void) answered(s, helper_bind_group(s->helper, 7, devices, 2, on_done, s));
                        s->workers = 0;
                        (void) snprintf(plan, sizeof(plan), "%u %s", n, both ? "hang-kill" : "hang");
                        fake_plan(&s->host, plan);
                        (void) (releases ? helper_release_group(s->helper, devices, 2, on_done, s)
                                         : helper_bind_group(s->helper, 7, devices, 2, on_done, s));
                        while (s->workers == 0)
                                (void) sd_event_run(s->event, 100000);
                        (void) fake_wait_hung(&s->host);
                        (void) kill(s->pid, SIGKILL);
                        (void) wait_for(s->pid);
                        s->calls = 0;
                        (void) loop_until(s->event, &s->calls, 1, LOOP_LIMIT_USEC);
                        tap_ok(s->error == EHOSTDOWN, "tced-bind is killed at write %u: who asked is told", n);
                        fake_plan(&s->host, "");
                        fake_let_go(&s->host);
                        (void) wait_for(s->last_worker);
                        stage_start(s);
                        if (both)
                                tap_ok(becomes(s, BEFORE, -1), "%s, write %u: started again, it puts back what its worker left", releases ? "release" : "bind", n);
                        else
                                tap_ok(releases ? becomes(s, BEFORE, -1) : becomes(s, BOUND, BIND_BOUND), "%s, write %u: its worker finished",
                                       releases ? "release" : "bind", n);
                        stage_remove(s);
                }
}

/* It hangs longer than it may, and whoever asked is gone. */
static void test_hanging(void) {
        Stage *s = stage_make();
        int status;

        fake_plan(&s->host, "2 hang");
        tap_ok(answered(s, helper_bind_group(s->helper, 7, devices, 2, on_done, s)) == ETIMEDOUT && strstr(s->text, A ": unbinding it from nvme"),
               "what hangs is told: %s", s->text);
        tap_eq(state_of(s), BIND_STUCK, "it is stuck");
        s->helper = helper_free(s->helper);
        loop_for(s->event, SECOND_USEC * 3 / 2);
        tap_eq(waitpid(s->pid, &status, WNOHANG), 0, "tced-bind stays, though it would have been idle");
        fake_plan(&s->host, "");
        fake_let_go(&s->host);
        tap_ok(becomes(s, BEFORE, -1), "let go, it is put back");
        tap_eq(wait_for(s->pid), 0, "and tced-bind ends");
        stage_start(s);
        stage_remove(s);
}

/* Whoever asked is gone before it is done. */
static void test_gone(void) {
        Stage *s = stage_make();
        unsigned calls;

        fake_plan(&s->host, "2 hang");
        (void) helper_bind_group(s->helper, 7, devices, 2, on_done, s);
        while (s->workers == 0)
                (void) sd_event_run(s->event, 100000);
        (void) fake_wait_hung(&s->host);
        s->helper = helper_free(s->helper);
        calls = s->calls;
        loop_for(s->event, SECOND_USEC / 5);
        fake_let_go(&s->host);
        tap_ok(becomes(s, BOUND, BIND_BOUND), "who asked is gone: it is done all the same");
        tap_eq(s->calls, calls, "and nobody told");
        tap_eq(wait_for(s->pid), 0, "tced-bind ends when it is idle");
        stage_start(s);
        stage_remove(s);
}

static bool conf_has(const Stage *s, const char *name, const char *want) {
        char path[128], text[512];

        (void) snprintf(path, sizeof(path), "%s/%s", s->conf, name);
        if (read_file_at(AT_FDCWD, path, text, sizeof(text)) < 0)
                return !want;
        return want && strstr(text, want);
}

static void conf_put(const Stage *s, const char *name, const char *text) {
        char path[128];
        FILE *file;

        (void) snprintf(path, sizeof(path), "%s/%s", s->conf, name);
        file = fopen(path, "we");
        (void) fputs(text, file);
        (void) fclose(file);
}

static void test_keep(void) {
        static const char *const other[] = { B, "0001:00:00.2" }, *const joined[] = { "0001:00:00.3", B };
        Stage *s = stage_make();
        struct stat st;
        char path[128];

        tap_ok(answered(s, helper_keep_group(s->helper, devices, 2, true, on_done, s)) == ENOENT && strstr(s->text, "restart tced-bind, which makes the folder"),
               "no folder for drop-ins: %s", s->text);
        tap_eq(answered(s, helper_keep_group(s->helper, devices, 2, false, on_done, s)), 0, "in which there is nothing to be forgotten");
        (void) mkdir(s->conf, 0755);
        (void) umask(0077);
        conf_put(s, ".50-bind.new", "half of a file, of one that was killed");
        tap_eq(answered(s, helper_keep_group(s->helper, devices, 2, true, on_done, s)), 0, "a group is kept (%s)", s->text);
        tap_ok(conf_has(s, "50-bind-" A ".conf", "\n[Bind]\nDevices=" A " " B), "by a drop-in");
        (void) snprintf(path, sizeof(path), "%s/50-bind-" A ".conf", s->conf);
        tap_ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0644, "for tced to read");
        conf_put(s, "40-mine.conf", "[Bind]\nDevices=" A " " B "\n");
        conf_put(s, "50-bind-0001:00:01.0.conf", "[Bind]\nDevices=0001:00:01.0\n");
        conf_put(s, "50-bind-mine.conf", "[Bind]\nDevices=" B "\n");
        tap_eq(answered(s, helper_keep_group(s->helper, other, 2, true, on_done, s)), 0, "with other devices it is kept again");
        tap_ok(conf_has(s, "50-bind-" B ".conf", "Devices=" B " 0001:00:00.2") && conf_has(s, "50-bind-" A ".conf", NULL), "in the place of what named one of them");
        tap_eq(answered(s, helper_keep_group(s->helper, other + 1, 1, false, on_done, s)), 0, "it is forgotten");
        tap_ok(conf_has(s, "50-bind-" B ".conf", NULL), "by any of its devices");
        tap_ok(conf_has(s, "40-mine.conf", A) && conf_has(s, "50-bind-0001:00:01.0.conf", "Devices") && conf_has(s, "50-bind-mine.conf", B),
               "what is an administrator's, or another group's, stays");
        tap_eq(answered(s, helper_keep_group(s->helper, other, 2, false, on_done, s)), 0, "a second time, too");
        (void) answered(s, helper_keep_group(s->helper, devices, 2, true, on_done, s));
        tap_eq(answered(s, helper_keep_group(s->helper, joined, 2, false, on_done, s)), 0, "a group that has another first device now");
        tap_ok(conf_has(s, "50-bind-" A ".conf", NULL), "is forgotten by its second");
        (void) snprintf(path, sizeof(path), "%s/50-bind-" A ".conf", s->conf);
        (void) mkdir(path, 0755);
        tap_ok(answered(s, helper_keep_group(s->helper, devices, 2, true, on_done, s)) == EISDIR && strstr(s->text, "50-bind-" A ".conf can't be written: "),
               "what can't be written: %s", s->text);
        stage_remove(s);
}

/* The socket's mode lets nobody else in; this holds even where someone changed it. */
static void refuse_other(Stage *s) {
        static const char packet[] = "{\"id\":5,\"operation\":\"open-group\",\"group\":7}";
        int ends[2] = { -EBADF, -EBADF }, r;
        BindReply reply;
        pid_t pid;

        if (geteuid() != 0) {
                tap_skip("only root can be another user", "another user's worker");
                return;
        }
        (void) !seteuid(65534);
        r = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
        if (seteuid(0) < 0 || r < 0)
                exit(EXIT_FAILURE);
        pid = start(s, ends[1], true);
        ends[1] = fd_close(ends[1]);
        (void) send(ends[0], packet, strlen(packet), MSG_NOSIGNAL);
        tap_eq(wait_for(pid), 1, "a worker that another user asks ends");
        tap_ok(bind_receive_reply(ends[0], &reply) <= 0, "and says nothing");
        (void) fd_close(ends[0]);
}

/* What a worker is asked by its connection. */
static void test_worker(void) {
        static const struct {
                const char *name, *packet;
                int status;
        } cases[] = {
                { "nonsense", "nonsense", 1 },
                { "nothing", "", 1 },
                { "something else", "{\"id\":5,\"operation\":\"open-group\",\"group\":7}", 0 },
        };
        Stage *s = stage_make();

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct pollfd pfd;
                BindReply reply = {};
                int ends[2];
                pid_t pid;

                if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                        exit(EXIT_FAILURE);
                pid = start(s, ends[1], true);
                ends[1] = fd_close(ends[1]);
                (void) send(ends[0], cases[i].packet, strlen(cases[i].packet), MSG_NOSIGNAL);
                pfd = (struct pollfd) { .fd = ends[0], .events = POLLIN };
                (void) poll(&pfd, 1, 10000);
                tap_eq(bind_receive_reply(ends[0], &reply), cases[i].status ? 0 : 1, "a worker that is asked %s", cases[i].name);
                if (!cases[i].status)
                        tap_ok(reply.error == EINVAL && strstr(reply.text, "not for a worker"), "it is not for it: %s", reply.text);
                tap_eq(wait_for(pid), cases[i].status, "it ends");
                (void) fd_close(ends[0]);
        }
        refuse_other(s);
        stage_remove(s);
}

/* What only tced-bind asks is not for tced to. */
static void test_recover(void) {
        Stage *s = stage_make();
        BindRequest request = { .id = 4, .operation = BIND_RECOVER_GROUP, .addresses = { A }, .n_addresses = 1 };
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        struct pollfd pfd = { .fd = fd, .events = POLLIN };
        BindReply reply = {};

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", s->socket);
        (void) connect(fd, (struct sockaddr *) &address, sizeof(address));
        (void) bind_send_request(fd, &request);
        (void) poll(&pfd, 1, 10000);
        tap_ok(bind_receive_reply(fd, &reply) == 1 && reply.error == EINVAL && reply.id == 4, "tced may not ask for what is for workers: %s", reply.text);
        (void) fd_close(fd);
        stage_remove(s);
}

int main(int argc, char *argv[]) {
        if (argc != 2)
                return EXIT_FAILURE;
        program = argv[1];
        test_group();
        test_killed();
        test_hanging();
        test_gone();
        test_keep();
        test_worker();
        test_recover();
        return tap_done();
}
