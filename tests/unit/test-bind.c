/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The program tced-bind, given its socket as a service manager does it, and a made-up /dev. The first argument is tced-bind. */

#include <grp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "bind_protocol.h"
#include "event-loop.h"
#include "helper.h"
#include "tap.h"

#define OTHER_UID 61234U /* nobody of this host's, not root */

/* Until the program has answered or ended; it does so in milliseconds. */
#define ANSWER_LIMIT_MSEC 20000

static const char *program;

/* tced-bind as it runs, with its socket and its /dev. */
typedef struct Place {
        char folder[40], dev[64], vfio[64], logs[64], socket[64];
        int listener;
        pid_t pid;
} Place;

static Place place_make(void) {
        Place p = { .folder = "/tmp/test-bind-XXXXXX", .listener = -EBADF };
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (!mkdtemp(p.folder))
                exit(EXIT_FAILURE);
        (void) snprintf(p.dev, sizeof(p.dev), "%s/dev", p.folder);
        (void) snprintf(p.vfio, sizeof(p.vfio), "%s/dev/vfio", p.folder);
        (void) snprintf(p.logs, sizeof(p.logs), "%s/logs", p.folder);
        (void) snprintf(p.socket, sizeof(p.socket), "%s/socket", p.folder);
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", p.socket);
        p.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (chmod(p.folder, 0755) < 0 || mkdir(p.dev, 0755) < 0 || mkdir(p.logs, 0700) < 0 || bind(p.listener, (struct sockaddr *) &address, sizeof(address)) < 0 ||
            chmod(p.socket, 0777) < 0 || listen(p.listener, 8) < 0)
                exit(EXIT_FAILURE);
        return p;
}

static void place_remove(Place *p) {
        char command[128];

        p->listener = fd_close(p->listener);
        (void) snprintf(command, sizeof(command), "rm -rf -- %s", p->folder);
        if (system(command) != 0)
                printf("# %s: %s\n", command, strerror(errno));
}

/* Starts the program with these arguments (up to a NULL), as `uid` where that is not -1. listener: its fd 3, or negative: none. */
static pid_t start(int listener, int output, uid_t uid, char *const *arguments) {
        int executable = open(program, O_RDONLY | O_CLOEXEC);
        pid_t pid = fork();
        char number[16];

        if (pid == 0) {
                if (output >= 0)
                        (void) dup2(output, STDOUT_FILENO);
                if (!getenv("TEST_BIND_VERBOSE") && executable >= 0)
                        (void) dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
                (void) unsetenv("LISTEN_FDS");
                if (listener >= 0) {
                        executable = fcntl(executable, F_DUPFD_CLOEXEC, 10);
                        listener = fcntl(listener, F_DUPFD_CLOEXEC, 10);
                        (void) dup2(listener, 3);
                        (void) snprintf(number, sizeof(number), "%d", (int) getpid());
                        (void) setenv("LISTEN_PID", number, 1);
                        (void) setenv("LISTEN_FDS", "1", 1);
                }
                if (uid != (uid_t) -1)
                        valgrind_log_to(uid);
                if (uid != (uid_t) -1 && uid != getuid() && (setgroups(0, NULL) < 0 || setresuid(uid, uid, uid) < 0))
                        _exit(99);
                (void) fexecve(executable, arguments, environ);
                /* valgrind follows an fd by /proc/self/fd, which is closed to who was root. */
                if (under_valgrind())
                        (void) execve(program, arguments, environ);
                _exit(98);
        }
        (void) fd_close(executable);
        return pid;
}

static void place_start(Place *p, uid_t as, uid_t client, const char *idle) {
        char dev[80], logs[80], user[32], idle_option[32], records[80];
        char *arguments[] = { (char *) "tced-bind", dev, logs, user, idle_option, records, NULL };

        /* For some of the users it runs as, no folder can be made there: groups are opened all the same. */
        (void) snprintf(records, sizeof(records), "--records=%s/groups", p->folder);
        (void) snprintf(dev, sizeof(dev), "--dev=%s", p->dev);
        (void) snprintf(logs, sizeof(logs), "--logs=%s", p->logs);
        (void) snprintf(user, sizeof(user), "--user=%u", (unsigned) client);
        (void) snprintf(idle_option, sizeof(idle_option), "--idle=%s", idle);
        p->pid = start(p->listener, -EBADF, as, arguments);
}

/* The exit status, or -signal. */
static int wait_for(pid_t pid) {
        int status = 0;

        (void) waitpid(pid, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int place_stop(Place *p) {
        (void) kill(p->pid, SIGTERM);
        return wait_for(p->pid);
}

static int connect_to(const Place *p) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", p->socket);
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return fd_close(fd);
        return fd;
}

/* As bind_receive_reply(), but waits for it. */
static int await_reply(int fd, BindReply *ret) {
        struct pollfd pfd = { .fd = fd, .events = POLLIN };

        return poll(&pfd, 1, ANSWER_LIMIT_MSEC) == 1 ? bind_receive_reply(fd, ret) : -ETIMEDOUT;
}

/* One question over a connection of its own. */
static int ask(const Place *p, uint32_t group, BindReply *ret) {
        _cleanup_fd_ int fd = connect_to(p);
        int r = bind_send_request(fd, &(BindRequest) { .id = 99, .operation = BIND_OPEN_GROUP, .group = group });

        *ret = (BindReply) { .fd = -EBADF };
        return r < 0 ? r : await_reply(fd, ret);
}

static int ask_log(const Place *p, const char *name, BindReply *ret) {
        BindRequest request = { .id = 98, .operation = BIND_OPEN_LOG };
        _cleanup_fd_ int fd = connect_to(p);
        int r;

        (void) snprintf(request.name, sizeof(request.name), "%s", name);
        r = bind_send_request(fd, &request);
        *ret = (BindReply) { .fd = -EBADF };
        return r < 0 ? r : await_reply(fd, ret);
}

/* How many fds the program has. */
static unsigned fds_of(pid_t pid) {
        char path[32];
        unsigned n = 0;
        DIR *dir;

        (void) snprintf(path, sizeof(path), "/proc/%d/fd", (int) pid);
        dir = opendir(path);
        while (dir && readdir(dir))
                n++;
        if (dir)
                (void) closedir(dir);
        return n;
}

/* Whatever is asked, often, leaves no fd in the program: `group` is one that it opens, the others it refuses. */
static void check_leaks(const char *name, const Place *p, uint32_t group) {
        unsigned before, after, answered = 0;
        BindReply reply;
        uint64_t end;

        /* The first questions are for what it does once; the last connection may still be there when its fds are counted. */
        for (unsigned i = 0; i < 3; i++) {
                (void) ask(p, group, &reply);
                (void) fd_close(reply.fd);
        }
        before = fds_of(p->pid);
        for (unsigned i = 0; i < 50; i++) {
                answered += ask(p, i % 2 ? group : UINT32_MAX, &reply) == 1;
                (void) fd_close(reply.fd);
        }
        end = monotonic_usec() + 5 * SECOND_USEC;
        while ((after = fds_of(p->pid)) > before && monotonic_usec() < end)
                (void) usleep(10000);
        tap_ok(answered == 50 && before > 4 && after <= before, "%s: 50 questions leave no fd in it (%u, %u)", name, before, after);
}

static void make_node(const Place *p, const char *name, mode_t mode, dev_t device) {
        char path[128];

        (void) snprintf(path, sizeof(path), "%s/%s", p->vfio, name);
        if (S_ISDIR(mode) ? mkdir(path, 0755) < 0 : S_ISLNK(mode) ? symlink("1", path) < 0 : mknod(path, mode, device) < 0)
                printf("# %s: %s\n", path, strerror(errno));
}

/* What stands where a group should. */
static void test_no_groups(void) {
        static const struct {
                const char *name;
                uint32_t group;
                int error;
                const char *text; /* part of it */
        } cases[] = {
                { "a group that is not there", 4294967295, ENOENT, "no device of the group is bound to vfio-pci" },
                { "a regular file", 1, ENODEV, "/vfio/1 is no VFIO group" },
                { "a folder", 2, EISDIR, "/vfio/2: Is a directory" },
                { "a link to a file", 3, ELOOP, "/vfio/3: " },
                { "a FIFO", 4, ENODEV, "/vfio/4 is no VFIO group" },
                { "a socket", 5, ENXIO, "/vfio/5: " },
        };
        Place p = place_make();

        (void) mkdir(p.vfio, 0755);
        make_node(&p, "1", S_IFREG | 0600, 0);
        make_node(&p, "2", S_IFDIR, 0);
        make_node(&p, "3", S_IFLNK, 0);
        make_node(&p, "4", S_IFIFO | 0600, 0);
        make_node(&p, "5", S_IFSOCK | 0600, 0);
        place_start(&p, (uid_t) -1, getuid(), "30");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                BindReply reply;

                tap_eq(ask(&p, cases[i].group, &reply), 1, "%s: an answer", cases[i].name);
                tap_ok(reply.id == 99 && reply.fd < 0, "%s: its id, and no fd", cases[i].name);
                tap_eq(reply.error, cases[i].error, "%s: the error", cases[i].name);
                tap_ok(strstr(reply.text, cases[i].text) && strncmp(reply.text, p.vfio, strlen(p.vfio)) == 0, "%s: '%s'", cases[i].name,
                       reply.text);
                (void) fd_close(reply.fd);
        }
        check_leaks("refusals", &p, 1);
        tap_eq(place_stop(&p), 0, "it ends at SIGTERM, after connections came and went");
        place_remove(&p);
}

static void check_opened(const char *name, const Place *p, uint32_t group, dev_t device) {
        BindReply reply;
        struct stat st;

        tap_eq(ask(p, group, &reply), 1, "%s: an answer", name);
        tap_eq(reply.error, 0, "%s: it is granted", name);
        tap_ok(reply.fd >= 0 && fstat(reply.fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == device, "%s: the device", name);
        tap_ok((fcntl(reply.fd, F_GETFL) & O_ACCMODE) == O_RDWR, "%s: to read and write", name);
        (void) fd_close(reply.fd);
}

/* Of the domain's name nothing leads out of the folder of logs; what is there is opened to read and no more. */
static void test_logs(void) {
        static const struct {
                const char *name, *domain;
                int error;
        } cases[] = {
                { "a log", "web1", 0 },
                { "a name with odd letters", "we b'1 <&>", 0 },
                { "no log", "web2", ENOENT },
                { "a folder above", "../secret", EINVAL },
                { "a path", "/etc/passwd", EINVAL },
                { "two dots", "..", ENOENT },
                { "a link", "link", ELOOP },
                { "a folder", "folder", EINVAL },
                { "a FIFO, which nobody writes to", "fifo", EINVAL },
        };
        static const char *const files[] = { "logs/web1.log", "logs/we b'1 <&>.log", "secret.log" };
        Place p = place_make();
        char path[128], text[8] = "";

        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                (void) snprintf(path, sizeof(path), "%s/%s", p.folder, files[i]);
                (void) fd_close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        }
        (void) snprintf(path, sizeof(path), "%s/web1.log", p.logs);
        (void) truncate(path, 4);
        (void) snprintf(path, sizeof(path), "%s/link.log", p.logs);
        (void) symlink("web1.log", path);
        (void) snprintf(path, sizeof(path), "%s/folder.log", p.logs);
        (void) mkdir(path, 0755);
        (void) snprintf(path, sizeof(path), "%s/fifo.log", p.logs);
        (void) mkfifo(path, 0600);
        place_start(&p, (uid_t) -1, getuid(), "30");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                BindReply reply;
                int r;

                r = ask_log(&p, cases[i].domain, &reply);
                tap_ok(r == 1 && reply.error == cases[i].error && reply.id == 98, "log, %s: %d '%s'", cases[i].name, reply.error, reply.text);
                tap_ok((reply.fd >= 0) == (cases[i].error == 0), "log, %s: %s", cases[i].name, cases[i].error ? "no fd" : "its fd");
                if (i == 0)
                        tap_ok(read(reply.fd, text, sizeof(text)) == 4 && (fcntl(reply.fd, F_GETFL) & O_ACCMODE) == O_RDONLY,
                               "it is that file, to read");
                (void) fd_close(reply.fd);
        }
        (void) place_stop(&p);
        place_remove(&p);
}

static void test_null(void) {
        Place p = place_make();
        char path[80];
        int fd;

        (void) mkdir(p.vfio, 0755);
        (void) snprintf(path, sizeof(path), "%s/7", p.vfio);
        fd = mknod(path, S_IFCHR | 0600, makedev(1, 3)) < 0 ? -EBADF : open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0)
                tap_skip("device nodes can't be made, or not be opened, in /tmp here", "a node of root's");
        else {
                (void) close(fd);
                place_start(&p, (uid_t) -1, getuid(), "30");
                check_opened("a node of root's", &p, 7, makedev(1, 3));
                (void) place_stop(&p);
        }
        place_remove(&p);
}

/* A terminal stands in for a group: it is a character device that anyone can make, its name is a number, and it can be held so that no
 * other may open it. */
static void test_terminal(void) {
        uid_t as = getuid() == 0 ? OTHER_UID : getuid();
        int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), terminal;
        Place p = place_make();
        unsigned number = 0;
        BindReply reply;
        struct stat st;
        char path[32];

        if (master < 0 || unlockpt(master) < 0 || ioctl(master, TIOCGPTN, &number) < 0 || symlink("/dev/pts", p.vfio) < 0) {
                tap_skip("there are no terminals here", "a device that is held");
                place_remove(&p);
                return;
        }
        (void) snprintf(path, sizeof(path), "/dev/pts/%u", number);
        terminal = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (getuid() == 0)
                (void) chown(path, as, (gid_t) -1);
        (void) stat(path, &st);
        place_start(&p, as, as, "30");
        check_opened("a terminal", &p, number, st.st_rdev);
        check_leaks("grants", &p, number);
        /* drivers/tty/tty_io.c:tty_reopen: EBUSY for all but CAP_SYS_ADMIN. */
        (void) ioctl(terminal, TIOCEXCL);
        tap_ok(ask(&p, number, &reply) == 1 && reply.error == EBUSY && reply.fd < 0, "a device that another process has open");
        tap_ok(strstr(reply.text, "another process has the group open; end it first"), "the text says so: '%s'", reply.text);
        (void) chmod(path, 0);
        tap_ok(ask(&p, number, &reply) == 1 && reply.error == EACCES && reply.fd < 0, "a device that it may not open");
        tap_eq(place_stop(&p), 0, "it ends at SIGTERM");
        (void) fd_close(terminal);
        (void) fd_close(master);
        place_remove(&p);
}

/* Asks from a process of another user: 0 was answered, 1 was hung up on, 2 else. */
static int ask_as(const Place *p, uid_t uid) {
        pid_t pid = fork();

        if (pid == 0) {
                BindReply reply;
                int r;

                if (uid != getuid() && (setgroups(0, NULL) < 0 || setresuid(uid, uid, uid) < 0))
                        _exit(3);
                r = ask(p, 1, &reply);
                _exit(r == 1 ? 0 : r == 0 || r == -ECONNRESET || r == -EPIPE ? 1 : 2);
        }
        return wait_for(pid);
}

static void test_users(void) {
        static const struct {
                const char *name;
                uid_t client, asks;
                int want;
        } cases[] = {
                { "the user who is served", OTHER_UID, OTHER_UID, 0 },
                { "root", OTHER_UID, 0, 0 },
                { "another user", OTHER_UID, OTHER_UID + 1, 1 },
                { "another user, where root is served", 0, OTHER_UID, 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Place p;

                if (geteuid() != 0) {
                        tap_skip("only root can be another user", cases[i].name);
                        continue;
                }
                p = place_make();
                place_start(&p, (uid_t) -1, cases[i].client, "30");
                tap_eq(ask_as(&p, cases[i].asks), cases[i].want, "%s %s", cases[i].name, cases[i].want ? "is refused" : "is answered");
                tap_eq(ask_as(&p, 0), 0, "%s: it goes on", cases[i].name);
                (void) place_stop(&p);
                place_remove(&p);
        }
        if (geteuid() != 0) {
                Place p = place_make();

                place_start(&p, (uid_t) -1, getuid() + 1, "30");
                tap_eq(ask_as(&p, getuid()), 1, "this user is refused where another is served");
                (void) place_stop(&p);
                place_remove(&p);
        }
}

static void test_connections(void) {
        BindReply reply = { .fd = -EBADF };
        Place p = place_make();
        int good, bad, silent;
        unsigned right = 0;

        place_start(&p, (uid_t) -1, getuid(), "30");
        good = connect_to(&p);
        bad = connect_to(&p);
        silent = connect_to(&p);
        (void) send(bad, "nonsense", 8, MSG_NOSIGNAL);
        tap_eq(await_reply(bad, &reply), 0, "who talks nonsense is hung up on");
        for (uint64_t i = 1; i <= 20; i++)
                (void) bind_send_request(good, &(BindRequest) { .id = i, .operation = BIND_OPEN_GROUP, .group = 1 });
        for (uint64_t i = 1; i <= 20; i++)
                right += await_reply(good, &reply) == 1 && reply.id == i && reply.error == ENOENT;
        tap_eq(right, 20, "20 questions at once over another connection, answered in order");
        (void) fd_close(good);
        (void) fd_close(bad);
        tap_ok(ask(&p, 1, &reply) == 1 && reply.error == ENOENT, "who says nothing is in nobody's way");
        (void) fd_close(silent);
        tap_eq(place_stop(&p), 0, "it has survived it all");
        place_remove(&p);
}

static void test_idle(void) {
        uint64_t begin = monotonic_usec();
        Place p = place_make();
        BindReply reply;
        int fd;

        place_start(&p, (uid_t) -1, getuid(), "1");
        fd = connect_to(&p);
        (void) bind_send_request(fd, &(BindRequest) { .operation = BIND_OPEN_GROUP });
        (void) await_reply(fd, &reply);
        (void) usleep(1500000);
        tap_ok(ask(&p, 1, &reply) == 1, "it stays while somebody is connected");
        begin = monotonic_usec();
        (void) fd_close(fd);
        tap_eq(wait_for(p.pid), 0, "it ends by itself when it is idle");
        tap_ok(monotonic_usec() - begin >= SECOND_USEC * 9 / 10, "not at once");
        fd = connect_to(&p);
        tap_ok(fd >= 0, "its socket stays for who comes then");
        place_start(&p, (uid_t) -1, getuid(), "1");
        (void) bind_send_request(fd, &(BindRequest) { .id = 3, .operation = BIND_OPEN_GROUP });
        tap_ok(await_reply(fd, &reply) == 1 && reply.id == 3, "who is answered once it is started again");
        (void) fd_close(fd);
        tap_eq(wait_for(p.pid), 0, "it ends again");
        place_start(&p, (uid_t) -1, getuid(), "0");
        tap_eq(wait_for(p.pid), 0, "it ends when nobody comes at all");
        place_remove(&p);
}

static void on_group(int error, const char *text, int fd, void *userdata) {
        int *told = userdata;

        told[0]++;
        told[1] = error;
        (void) fd_close(fd);
}

/* helper.c and the program know each other. */
static void test_helper(void) {
        _cleanup_event_ sd_event *event = loop_new();
        Place p = place_make();
        Helper *helper = NULL;
        unsigned told[2] = {};

        place_start(&p, (uid_t) -1, getuid(), "30");
        if (helper_new(event, p.socket, &helper) < 0)
                exit(EXIT_FAILURE);
        for (unsigned i = 1; i <= 3; i++) {
                (void) helper_open_group(helper, 5, on_group, told);
                (void) loop_until(event, &told[0], i, LOOP_LIMIT_USEC);
        }
        tap_ok(told[0] == 3 && told[1] == ENOENT, "tced's side asks it, three times");
        (void) helper_free(helper);
        tap_eq(place_stop(&p), 0, "it ends at SIGTERM");
        place_remove(&p);
}

static void test_command_line(void) {
        static const struct {
                const char *name;
                const char *arguments[4];
                bool listens;
                int status;
                const char *output; /* its beginning */
        } cases[] = {
                { "--version", { "--version" }, false, 0, "tced-bind " },
                { "--help", { "--help" }, false, 0, "tced-bind [OPTION...]" },
                { "-h", { "-h" }, false, 0, "tced-bind [OPTION...]" },
                { "an option that it has not", { "--group=7" }, false, 2, "" },
                { "an argument", { "7" }, false, 2, "" },
                { "an option without its value", { "--dev" }, false, 2, "" },
                { "--idle=forever", { "--idle=forever" }, false, 2, "" },
                { "--deadline=never", { "--deadline=never" }, false, 2, "" },
                { "no socket", { "--user=0" }, false, 1, "" },
                { "no connection for a worker", { "--work" }, false, 1, "" },
                { "a worker with a listening socket", { "--work" }, true, 1, "" },
                { "a user that there is not", { "--user=no such user" }, true, 1, "" },
                { "a user ID that is none", { "--user=4294967295" }, true, 1, "" },
                { "a user by name, and no folder for records", { "--user=root", "--idle=0", "--records=/nonexistent/groups" }, true, 0, "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *arguments[] = { "tced-bind", cases[i].arguments[0], cases[i].arguments[1], cases[i].arguments[2], NULL };
                char output[2048] = "";
                Place p = place_make();
                int ends[2];
                pid_t pid;

                if (pipe2(ends, O_CLOEXEC) < 0)
                        exit(EXIT_FAILURE);
                pid = start(cases[i].listens ? p.listener : -EBADF, ends[1], (uid_t) -1, (char *const *) arguments);
                (void) close(ends[1]);
                (void) !read(ends[0], output, sizeof(output) - 1);
                (void) close(ends[0]);
                tap_eq(wait_for(pid), cases[i].status, "%s: exit status", cases[i].name);
                tap_ok(cases[i].output[0] ? strncmp(output, cases[i].output, strlen(cases[i].output)) == 0 : !output[0], "%s: output",
                       cases[i].name);
                place_remove(&p);
        }
}

int main(int argc, char *argv[]) {
        if (argc != 2)
                return EXIT_FAILURE;
        program = argv[1];
        test_command_line();
        test_no_groups();
        test_logs();
        test_null();
        test_terminal();
        test_users();
        test_connections();
        test_idle();
        test_helper();
        return tap_done();
}
