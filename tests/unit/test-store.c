/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* store.c, fd_store.c: what is no file is not read, failures are counted, names are short, fds come back. */

#include "store.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "fd_store.h"
#include "tap.h"
#include "util.h"

static char folder[] = "/tmp/test-store-XXXXXX";
static char path[40], bad[64], failed[64], fresh[64];

static Store *open_store(void) {
        Store *s;

        if (store_new(path, &s) < 0)
                exit(EXIT_FAILURE);
        return s;
}

static unsigned files(void) {
        DIR *dir = opendir(folder);
        unsigned n = 0;

        for (struct dirent *e; dir && (e = readdir(dir));)
                n += e->d_name[0] != '.';
        (void) closedir(dir);
        return n;
}

static void test_read(void) {
        Store *s = open_store();
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f;

        tap_eq(store_read(s, 100, &text, &size), -ENOENT, "there is none at first");
        f = fopen(path, "we");
        if (!f || fprintf(f, "one two\n%200s", "") < 0 || fclose(f) != 0)
                exit(EXIT_FAILURE);
        tap_eq(store_read(s, 100, &text, &size), -EFBIG, "too large to be read is said");
        tap_ok(store_read(s, 208, &text, &size) == 0 && size == 208 && strncmp(text, "one two\n ", 9) == 0 && text[208] == '\0', "read");
        (void) unlink(path);
        (void) symlink("/etc/passwd", path);
        tap_eq(store_read(s, 1 << 20, &text, &size), -ELOOP, "nor read through");
        (void) unlink(path);
        (void) mkfifo(path, 0600);
        tap_eq(store_read(s, 100, &text, &size), -EINVAL, "a pipe in its place is no state, and keeps nobody waiting");
        (void) unlink(path);
        (void) mkdir(path, 0700);
        tap_eq(store_read(s, 100, &text, &size), -EINVAL, "nor is a folder");
        tap_ok(!store_has_bad(s) && store_set_aside(s) == 0 && store_has_bad(s), "it is set aside");
        tap_ok(store_set_aside(s) == -ENOENT && store_has_bad(s), "when there is none, none is, and what was set aside before stays where it is");
        (void) rmdir(bad);
        tap_ok(store_free(s) == NULL && store_free(NULL) == NULL, "freed");
}

/* One run of a tced: how it goes, and how it ends. What it says of the failures before is its exit status, or lost. */
typedef enum Run {
        RUN_KILLED_EARLY,
        RUN_CRASHES_EARLY,
        RUN_FINE,
        RUN_KILLED,
        RUN_SEGV,
        RUN_ABORTS,
        RUN_WATCHDOG,
        RUN_CHILD_CRASHES,
        RUN_PROVEN_THEN_ABORTS,
} Run;

static _Noreturn void run_in_child(Run how) {
        Store *s = open_store();
        unsigned before;

        (void) setrlimit(RLIMIT_CORE, &(struct rlimit) {});
        /* Sanitizers have handlers of their own. */
        (void) signal(SIGSEGV, SIG_DFL);
        (void) signal(SIGABRT, SIG_DFL);
        before = store_begin(s);
        if (how == RUN_KILLED_EARLY)
                (void) raise(SIGKILL);
        if (how == RUN_CRASHES_EARLY)
                abort();
        store_good(s);
        if (how == RUN_PROVEN_THEN_ABORTS)
                store_proven(s);
        if (how == RUN_KILLED)
                (void) raise(SIGKILL);
        if (how == RUN_SEGV)
                (void) raise(SIGSEGV);
        if (how == RUN_ABORTS || how == RUN_PROVEN_THEN_ABORTS)
                abort();
        if (how == RUN_WATCHDOG) {
                (void) kill(getpid(), SIGABRT);
                (void) pause();
        }
        if (how == RUN_CHILD_CRASHES) {
                pid_t pid = fork();

                if (pid == 0)
                        abort();
                (void) waitpid(pid, NULL, 0);
        }
        _exit((int) before);
}

/* What the next start is told. */
static unsigned failures_after(const Run *runs, size_t n) {
        int status = 0;

        for (size_t i = 0; i <= n; i++) {
                pid_t pid = fork();

                if (pid == 0)
                        run_in_child(i < n ? runs[i] : RUN_FINE);
                (void) waitpid(pid, &status, 0);
                if (i < n && (runs[i] == RUN_FINE || runs[i] == RUN_CHILD_CRASHES) != WIFEXITED(status))
                        return 99;
        }
        (void) unlink(failed);
        return WIFEXITED(status) ? (unsigned) WEXITSTATUS(status) : 98;
}

static void test_failures(void) {
        static const struct {
                const char *name;
                Run runs[4];
                size_t n;
                unsigned failures;
        } cases[] = {
                { "the first start", {}, 0, 0 },
                { "one that went well", { RUN_FINE }, 1, 0 },
                { "killed in the midst of it", { RUN_KILLED_EARLY }, 1, 1 },
                { "three times", { RUN_KILLED_EARLY, RUN_CRASHES_EARLY, RUN_KILLED_EARLY }, 3, 3 },
                { "killed behind it, four times", { RUN_KILLED, RUN_KILLED, RUN_KILLED, RUN_KILLED }, 4, 0 },
                { "two failed, and one was killed", { RUN_KILLED_EARLY, RUN_CRASHES_EARLY, RUN_KILLED }, 3, 2 },
                { "an access that may not be", { RUN_SEGV }, 1, 1 },
                { "three assertions", { RUN_ABORTS, RUN_ABORTS, RUN_ABORTS }, 3, 3 },
                { "the watchdog", { RUN_WATCHDOG, RUN_WATCHDOG }, 2, 2 },
                { "a child that crashes is not it", { RUN_CHILD_CRASHES }, 1, 0 },
                { "it ran long enough before", { RUN_ABORTS, RUN_PROVEN_THEN_ABORTS }, 2, 0 },
                { "after a third one it begins anew", { RUN_KILLED_EARLY, RUN_KILLED_EARLY, RUN_KILLED_EARLY, RUN_FINE }, 4, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                tap_eq(failures_after(cases[i].runs, cases[i].n), cases[i].failures, "%s", cases[i].name);
        }
        tap_eq(files(), 0, "nothing is left");
}

static void test_fd_names(void) {
        static const struct {
                uint64_t serial;
                const char *name;
        } cases[] = { { 0, "0" }, { 35, "z" }, { 36, "10" }, { 4096, "35s" }, { 2176782335U, "zzzzzz" }, { 2176782336U, "000000" } };
        char name[FD_NAME_MAX + 1];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                fd_store_name(cases[i].serial, name);
                tap_streq(name, cases[i].name, "the name of %llu", (unsigned long long) cases[i].serial);
        }
        fd_store_name(UINT64_MAX, name);
        tap_eq(strlen(name), FD_NAME_MAX, "the last one is as short");
        /* The variable has "NAME:" for each. */
        tap_ok(4096 * (FD_NAME_MAX + 1) < 131072 / 4, "the names of 4,096 fit into a quarter of the variable that has them");
        (void) unsetenv("NOTIFY_SOCKET");
        tap_eq(fd_store_add("a", 0), 0, "without a service manager nothing is stored");
        fd_store_remove("a");
}

/* In a child, whose fds are made to be those that were passed. */
static int take_in_child(void) {
        StoredFds fds;
        StoredFd *second;
        char text[16];

        for (int fd = 3; fd < 6; fd++)
                if (dup2(0, fd) < 0)
                        return 1;
        (void) snprintf(text, sizeof(text), "%d", (int) getpid());
        (void) setenv("LISTEN_PID", text, 1);
        (void) setenv("LISTEN_FDS", "3", 1);
        (void) setenv("LISTEN_FDNAMES", "a:b:a", 1);
        if (fd_store_take(&fds) != 0 || fds.n != 3 || getenv("LISTEN_FDS") || !(fcntl(4, F_GETFD) & FD_CLOEXEC))
                return 2;
        second = fd_store_find(&fds, "b");
        if (!second || second->fd != 4 || fd_store_find(&fds, "c") || fd_store_find(&fds, "a")->fd != 3)
                return 3;
        (void) TAKE_FD(second->fd);
        if (fd_store_drop_rest(&fds) != 2 || fds.n != 0 || fcntl(3, F_GETFD) >= 0 || fcntl(5, F_GETFD) >= 0 || fcntl(4, F_GETFD) < 0)
                return 4;
        (void) setenv("LISTEN_FDS", "many", 1);
        (void) setenv("LISTEN_PID", text, 1);
        return fd_store_take(&fds) == 0 && fds.n == 0 ? 0 : 5;
}

static void test_take(void) {
        pid_t pid = fork();
        StoredFds fds;
        int status;

        if (pid == 0)
                _exit(take_in_child());
        (void) waitpid(pid, &status, 0);
        tap_ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "fds that were passed are taken, those not known closed (%#x)", (unsigned) status);
        tap_ok(fd_store_take(&fds) == 0 && fds.n == 0, "where none were passed there are none");
}

int main(void) {
        if (!mkdtemp(folder))
                return 99;
        (void) snprintf(path, sizeof(path), "%s/state.json", folder);
        (void) snprintf(bad, sizeof(bad), "%s.bad", path);
        (void) snprintf(failed, sizeof(failed), "%s.failed", path);
        (void) snprintf(fresh, sizeof(fresh), "%s.new", path);
        test_read();
        test_failures();
        test_fd_names();
        test_take();
        (void) rmdir(folder);
        return tap_done();
}
