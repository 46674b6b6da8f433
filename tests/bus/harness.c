/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The processes of a test's world: the bus, the daemon, and what else is started. */

#include "harness.h"

#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "harness-manager.h"
#include "names.h"
#include "util.h"

_Noreturn void bail_out(const char *format, ...) {
        va_list ap;

        printf("Bail out! ");
        va_start(ap, format);
        vprintf(format, ap);
        va_end(ap);
        putchar('\n');
        (void) fflush(stdout);
        _exit(1);
}

static void on_alarm(int signal_number) {
        static const char text[] = "Bail out! the test did not end in time\n";

        (void) !write(STDOUT_FILENO, text, sizeof(text) - 1);
        _exit(1);
}

void host_init(Host *h, unsigned seconds) {
        static const char *const folders[] = { "sys/kernel/iommu_groups", "dev", "root", "run", "libvirt" };
        const char *place;

        *h = (Host) {};
        (void) signal(SIGPIPE, SIG_IGN);
        (void) signal(SIGALRM, on_alarm);
        (void) alarm(seconds * slack());
        h->tced = getenv("TCED");
        if (!h->tced)
                bail_out("TCED is not set: run this with meson test");
        place = getenv("TCED_TEST_PLACE");
        (void) snprintf(h->dir, sizeof(h->dir), "%s/tced-bus-XXXXXX", place ? place : "/tmp");
        if (!mkdtemp(h->dir) || chmod(h->dir, 0755) < 0)
                bail_out("can't make the folder %s: %s", h->dir, strerror(errno));
        (void) snprintf(h->address, sizeof(h->address), "unix:path=%s/bus", h->dir);
        (void) snprintf(h->socket, sizeof(h->socket), "%s/socket", h->dir);
        (void) snprintf(h->log, sizeof(h->log), "%s/tced.log", h->dir);
        for (size_t i = 0; i < ELEMENTSOF(folders); i++)
                host_mkdir(h, folders[i]);
}

/* In the child: the environment is the test's, with what the caller wants laid over it. */
static void set_environment(const char *const *env) {
        for (; env && *env; env++) {
                const char *value = strchr(*env, '=');

                if (!value) {
                        (void) unsetenv(*env);
                        continue;
                }
                if (putenv((char *) *env) != 0)
                        _exit(126);
        }
}

/* As systemd hands them out: from 3 on. Copies first, so that none is in another's way. */
static void pass_fds(const Spawn *s) {
        static char names[64 * 1024];
        char number[16];
        size_t length = 0;
        int copies[5000];

        for (size_t i = 0; i < s->n_fds; i++) {
                copies[i] = fcntl(s->fds[i], F_DUPFD_CLOEXEC, (int) s->n_fds + 3);
                if (copies[i] < 0)
                        _exit(126);
                length += (size_t) snprintf(names + length, sizeof(names) - length, "%s%s", i > 0 ? ":" : "", s->fd_names[i]);
        }
        for (size_t i = 0; i < s->n_fds; i++)
                if (dup2(copies[i], 3 + (int) i) < 0)
                        _exit(126);
        (void) snprintf(number, sizeof(number), "%zu", s->n_fds);
        (void) setenv("LISTEN_FDS", number, 1);
        (void) snprintf(number, sizeof(number), "%d", (int) getpid());
        (void) setenv("LISTEN_PID", number, 1);
        (void) setenv("LISTEN_FDNAMES", names, 1);
}

static void become(uid_t uid) {
        if (uid != 0 && (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0))
                _exit(126);
        /* Behind the change of user, which undoes it. */
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
}

pid_t spawn(const Spawn *s) {
        pid_t pid = fork();
        int program;

        if (pid < 0)
                bail_out("fork: %s", strerror(errno));
        if (pid > 0)
                return pid;
        if (s->output) {
                int fd = open(s->output, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0666);

                if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
                        _exit(126);
        }
        set_environment(s->env);
        /* Found as who runs the test: another user may not reach the folder that was built in. */
        program = open(s->argv[0], O_PATH | O_CLOEXEC);
        if (s->uid != 0 && setgroups(0, NULL) < 0)
                _exit(126);
        valgrind_log_to(s->uid);
        become(s->uid);
        (void) signal(SIGPIPE, SIG_DFL);
        if (s->n_fds > 0) {
                /* It may be any of those that are given. */
                program = program < 0 ? program : fcntl(program, F_DUPFD_CLOEXEC, (int) s->n_fds + 3);
                pass_fds(s);
        }
        if (program >= 0)
                (void) execveat(program, "", (char *const *) s->argv, environ, AT_EMPTY_PATH);
        (void) execvp(s->argv[0], (char *const *) s->argv);
        _exit(127);
}

int wait_exit(pid_t pid) {
        _cleanup_fd_ int fd = sys_pidfd_open(pid, 0);
        struct pollfd pfd = { .fd = fd, .events = POLLIN };
        int status;

        if (fd < 0)
                bail_out("pidfd_open: %s", strerror(-fd));
        if (poll(&pfd, 1, HARNESS_PATIENCE * 1000) == 0) {
                printf("# process %d did not end in %u s and is killed\n", (int) pid, HARNESS_PATIENCE);
                (void) kill(pid, SIGKILL);
        }
        if (waitpid(pid, &status, 0) != pid)
                bail_out("waitpid: %s", strerror(errno));
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int run_program(const Spawn *s, char **ret_output) {
        int status = wait_exit(spawn(s));

        if (ret_output)
                *ret_output = read_whole(s->output);
        return status;
}

/* The policy is that of a system bus, and the one that is installed for tced; who runs the test may own the name too. */
static void write_bus_config(const Host *h) {
        const char *data = getenv("TCED_DATA");

        host_write(h, "bus.conf",
                   "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN\"\n"
                   " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
                   "<busconfig>\n"
                   "  <type>system</type>\n"
                   "  <listen>%s</listen>\n"
                   "  <auth>EXTERNAL</auth>\n"
                   "  <policy context=\"default\">\n"
                   "    <allow user=\"*\"/>\n"
                   "    <deny own=\"*\"/>\n"
                   "    <deny send_type=\"method_call\"/>\n"
                   "    <allow send_type=\"signal\"/>\n"
                   "    <allow send_requested_reply=\"true\" send_type=\"method_return\"/>\n"
                   "    <allow send_requested_reply=\"true\" send_type=\"error\"/>\n"
                   "    <allow receive_type=\"method_call\"/>\n"
                   "    <allow receive_type=\"method_return\"/>\n"
                   "    <allow receive_type=\"error\"/>\n"
                   "    <allow receive_type=\"signal\"/>\n"
                   "    <allow send_destination=\"org.freedesktop.DBus\"/>\n"
                   "    <allow send_destination=\"org.freedesktop.PolicyKit1\"/>\n"
                   "    <allow send_destination=\"org.tced1.Peer\"/>\n"
                   "  </policy>\n"
                   "  <policy user=\"%u\"><allow own=\"org.tced1\"/><allow own=\"org.freedesktop.PolicyKit1\"/>"
                   "<allow own=\"org.tced1.Peer\"/></policy>\n"
                   "  <include>%s/org.tced1.conf</include>\n"
                   "</busconfig>\n",
                   h->address, (unsigned) geteuid(), data ? data : "/nonexistent");
}

/* A socket is there before anybody listens on it. */
static bool listens(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        r = connect(fd, (struct sockaddr *) &address, sizeof(address));
        (void) close(fd);
        return r == 0;
}

static bool wait_for_socket(const char *path, pid_t pid) {
        for (unsigned i = 0; i < HARNESS_PATIENCE * 100; i++) {
                if (listens(path))
                        return true;
                if (waitpid(pid, NULL, WNOHANG) == pid)
                        return false;
                (void) usleep(10 * 1000);
        }
        return false;
}

bool host_start_bus(Host *h) {
        const char *program = getenv("DBUS_DAEMON");
        char config[80], path[64], log[64];
        const char *argv[] = { program, config, "--nofork", "--nopidfile", "--nosyslog", NULL };

        if (isempty(program))
                return false;
        (void) snprintf(config, sizeof(config), "--config-file=%s/bus.conf", h->dir);
        (void) snprintf(log, sizeof(log), "%s/bus.log", h->dir);
        (void) snprintf(path, sizeof(path), "%s/bus", h->dir);
        write_bus_config(h);
        h->bus_pid = spawn(&(Spawn) { .argv = argv, .output = log });
        if (!wait_for_socket(path, h->bus_pid)) {
                _cleanup_free_ char *text = read_whole(log);
                bail_out("dbus-daemon does not start: %s", text);
        }
        return true;
}

bool notify_receive(Host *h, char *buf, size_t size, unsigned milliseconds) {
        return service_manager_receive(h->service_manager, buf, size, milliseconds);
}

/* Every line of its log as a comment of TAP's. */
static void show_log(const Host *h) {
        _cleanup_free_ char *text = host_log(h);

        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
                printf("#   %s\n", line);
}

/* READY=1 comes, or it ends first, or neither. */
static bool is_ready(Host *h, unsigned milliseconds) {
        _cleanup_fd_ int fd = sys_pidfd_open(h->tced_pid, 0);
        struct pollfd pfd = { .fd = fd, .events = POLLIN };
        char text[1024];

        for (unsigned i = 0; i < milliseconds / 20; i++) {
                bool ended = poll(&pfd, 1, 0) != 0;

                if (notify_receive(h, text, sizeof(text), 20) && strstr(text, "READY=1"))
                        return true;
                if (ended)
                        break;
        }
        return false;
}

static bool wait_ready(Host *h) {
        if (is_ready(h, HARNESS_PATIENCE * 1000))
                return true;
        printf("# tced did not become ready:\n");
        show_log(h);
        (void) kill(h->tced_pid, SIGKILL);
        (void) waitpid(h->tced_pid, NULL, 0);
        h->tced_pid = 0;
        return false;
}

static uint64_t now_nsec(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
}

static void launch(Host *h, const Spawn *wanted) {
        char notify[96], bus[96];
        const char *env[32] = { notify, bus, "LC_ALL=C", "JOURNAL_STREAM" };
        Spawn s = *wanted;
        size_t n = 4;

        (void) snprintf(notify, sizeof(notify), "NOTIFY_SOCKET=%s/notify", h->dir);
        (void) snprintf(bus, sizeof(bus), "DBUS_SYSTEM_BUS_ADDRESS=%s", h->address);
        for (const char *const *e = wanted->env; e && *e && n + 1 < ELEMENTSOF(env); e++)
                env[n++] = *e;
        if (!h->service_manager) {
                char path[64];

                (void) snprintf(path, sizeof(path), "%s/notify", h->dir);
                h->service_manager = service_manager_new(path);
        }
        /* What an earlier one said at its end. */
        service_manager_forget(h->service_manager);
        s.env = env;
        if (!s.output)
                s.output = h->log;
        h->forked = now_nsec();
        h->tced_pid = spawn(&s);
}

bool host_spawn_tced(Host *h, const Spawn *wanted) {
        launch(h, wanted);
        return wait_ready(h);
}

static void start_tced(Host *h, const char *const *extra, const Spawn *with) {
        Spawn s = *with;
        char options[8][96];
        const char *argv[24] = { h->tced };
        size_t n = 1;

        (void) snprintf(options[0], sizeof(options[0]), "--socket=%s", h->socket);
        (void) snprintf(options[1], sizeof(options[1]), "--bind-socket=%s/bind-socket", h->dir);
        (void) snprintf(options[2], sizeof(options[2]), "--config-root=%s/root", h->dir);
        (void) snprintf(options[3], sizeof(options[3]), "--sys=%s/sys", h->dir);
        (void) snprintf(options[4], sizeof(options[4]), "--dev=%s/dev", h->dir);
        /* libvirt's own is none of a test's business. */
        (void) snprintf(options[5], sizeof(options[5]), "--libvirt-run=%s/libvirt", h->dir);
        (void) snprintf(options[6], sizeof(options[6]), "--libvirt-child=/nonexistent");
        (void) snprintf(options[7], sizeof(options[7]), "--bind-records=%s/bind/groups", h->dir);
        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                argv[n++] = options[i];
        for (; extra && *extra && n + 1 < ELEMENTSOF(argv); extra++)
                argv[n++] = *extra;
        s.argv = argv;
        launch(h, &s);
}

bool host_start_tced(Host *h, const char *const *extra) {
        start_tced(h, extra, &(Spawn) { .fds = &h->listener, .fd_names = (const char *[]) { TCED_SOCKET_UNIT }, .n_fds = h->listener > 0 });
        return wait_ready(h);
}

void host_kill_tced(Host *h) {
        (void) kill(h->tced_pid, SIGKILL);
        (void) wait_exit(h->tced_pid);
        h->tced_pid = 0;
}

static void restart_tced(Host *h, const char *const *extra) {
        static const char *names[STORED_MAX + 1];
        static int fds[STORED_MAX + 1];
        size_t n = service_manager_stored(h->service_manager, fds, names);

        if (h->listener > 0) {
                fds[n] = h->listener;
                names[n++] = TCED_SOCKET_UNIT;
        }

        start_tced(h, extra, &(Spawn) { .fds = fds, .fd_names = names, .n_fds = n });
}

bool host_restart_tced(Host *h, const char *const *extra) {
        restart_tced(h, extra);
        return wait_ready(h);
}

int host_try_tced(Host *h, unsigned milliseconds) {
        int status;

        restart_tced(h, NULL);
        if (is_ready(h, milliseconds))
                return 0;
        if (waitpid(h->tced_pid, &status, WNOHANG) != h->tced_pid)
                return -1;
        h->tced_pid = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool host_end_tced(Host *h) {
        _cleanup_free_ char *text = NULL;
        int status;

        if (h->tced_pid <= 0) {
                host_forget_stored(h);
                return true;
        }
        (void) kill(h->tced_pid, SIGTERM);
        status = wait_exit(h->tced_pid);
        /* A stop empties the store, of all that was sent to it before. */
        host_forget_stored(h);
        h->tced_pid = 0;
        text = host_log(h);
        if (status == 0 && !strstr(text, "Sanitizer") && !strstr(text, "runtime error:"))
                return true;
        printf("#   exit status %d\n", status);
        show_log(h);
        return false;
}

bool host_end(Host *h) {
        bool well = host_end_tced(h);

        if (h->bus_pid > 0) {
                (void) kill(h->bus_pid, SIGTERM);
                (void) wait_exit(h->bus_pid);
                h->bus_pid = 0;
        }
        service_manager_free(h->service_manager);
        h->service_manager = NULL;
        host_remove(h, "");
        (void) alarm(0);
        return well;
}
