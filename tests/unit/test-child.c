/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* child.c: what a child sends back, how it may end, its deadline, which fds it has, and that nothing is left of it. */

#include "child.h"

#include <poll.h>
#include <stdalign.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "event-loop.h"
#include "tap.h"

#define RESULT_MAX (64U * 1024)

/* As valgrind knows no pidfd_send_signal(2), child.c's is made a kill(2) there. */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);

long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f) {
        char path[64], line[64];
        int pid = 0;
        FILE *info;

        if (number != SYS_pidfd_send_signal || !under_valgrind())
                return __real_syscall(number, a, b, c, d, e, f);
        (void) snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", (int) a);
        info = fopen(path, "re");
        while (info && fgets(line, sizeof(line), info))
                if (sscanf(line, "Pid: %d", &pid) == 1)
                        break;
        if (info)
                (void) fclose(info);
        /* -1: it has ended, and was waited for. */
        if (pid > 0)
                return kill(pid, (int) b);
        errno = ESRCH;
        return -1;
}

/* What done() was told. */
typedef struct Told {
        unsigned calls;
        int error;
        size_t size;
        bool has_result;
        char result[RESULT_MAX];
} Told;

static void on_done(int error, const void *result, size_t size, void *userdata) {
        Told *told = userdata;

        told->calls++;
        told->error = error;
        told->size = size;
        told->has_result = result != NULL;
        if (result)
                memcpy(told->result, result, size);
}

/* The child is there as long as the write end that it keeps is open. */
static bool is_gone(int read_end) {
        struct pollfd pfd = { .fd = read_end, .events = POLLIN };
        ssize_t n = -1;
        char rest[4096];

        while (n != 0 && poll(&pfd, 1, (int) (LOOP_LIMIT_USEC / 1000)) == 1)
                n = read(read_end, rest, sizeof(rest));
        return n == 0;
}

static char pattern(size_t i) {
        return (char) (i * 7 + i / 4096);
}

static int work_nothing(void *result, size_t size, void *userdata) {
        return 0;
}

static int work_fill(void *result, size_t size, void *userdata) {
        for (size_t i = 0; i < size; i++)
                ((char *) result)[i] = pattern(i);
        return 0;
}

/* The kernel gives users who have many pipes smaller ones (pipe-user-pages-soft): here, one page. */
static int work_fill_small_pipe(void *result, size_t size, void *userdata) {
        for (int fd = 3; fd < 1024; fd++)
                if (fcntl(fd, F_GETPIPE_SZ) > 0 && fcntl(fd, F_SETPIPE_SZ, 1) < 0)
                        return errno;
        return work_fill(result, size, userdata);
}

static int work_add(void *result, size_t size, void *userdata) {
        uint64_t *numbers = result;

        if ((uintptr_t) result % alignof(max_align_t) != 0)
                return EFAULT;
        for (size_t i = 0; i < size / sizeof(uint64_t); i++)
                numbers[i] += 1000;
        return 0;
}

static int work_fails(void *result, size_t size, void *userdata) {
        return ENOTTY;
}

static int work_dies(void *result, size_t size, void *userdata) {
        (void) raise(SIGKILL);
        return 0;
}

/* Only what was not blocked in the child ends it. */
static int work_terminated(void *result, size_t size, void *userdata) {
        (void) raise(SIGTERM);
        return 0;
}

static int work_exits(void *result, size_t size, void *userdata) {
        _exit(0);
}

/* Half an answer is none. */
static int work_sends_half(void *result, size_t size, void *userdata) {
        static const char zeros[100];

        for (int fd = 3; fd < 1024; fd++)
                if (fcntl(fd, F_GETPIPE_SZ) > 0)
                        (void) !write(fd, zeros, sizeof(zeros));
        _exit(0);
}

static int work_hangs(void *result, size_t size, void *userdata) {
        (void) signal(SIGTERM, SIG_IGN);
        for (;;)
                (void) pause();
        return 0;
}

/* Writes all of its result but hangs before its end: a group fd, say, whose close takes for ever. */
static int work_fills_pipe_and_hangs(void *result, size_t size, void *userdata) {
        for (int fd = 3; fd < 1024; fd++)
                if (fcntl(fd, F_GETPIPE_SZ) > 0) {
                        (void) fcntl(fd, F_SETFL, O_NONBLOCK);
                        while (write(fd, result, size) > 0)
                                ;
                }
        return work_hangs(result, size, userdata);
}

static void test_endings(void) {
        static const struct {
                const char *name;
                ChildWork work;
                size_t size;
                int error;
                bool patterned;
        } cases[] = {
                { "no result at all", work_nothing, 0, 0, false },
                { "a result of 1 byte", work_fill, 1, 0, true },
                { "a result of 4092 bytes", work_fill, 4092, 0, true },
                { "a result of 4096 bytes", work_fill, 4096, 0, true },
                { "a result of 64 KiB - 4", work_fill, RESULT_MAX - 4, 0, true },
                { "a result of 64 KiB", work_fill, RESULT_MAX, 0, true },
                { "a result larger than the pipe", work_fill_small_pipe, RESULT_MAX, 0, true },
                { "an errno", work_fails, 64, ENOTTY, false },
                { "an errno and a large result", work_fails, RESULT_MAX, ENOTTY, false },
                { "death of SIGKILL", work_dies, 64, ECHILD, false },
                { "death of SIGTERM", work_terminated, 64, ECHILD, false },
                { "an end without a word", work_exits, 64, ECHILD, false },
                { "an end without a word where no result is due", work_exits, 0, ECHILD, false },
                { "an end after half the result", work_sends_half, 4096, ECHILD, false },
        };
        _cleanup_event_ sd_event *event = loop_new();
        static char buffer[RESULT_MAX];
        static Told told;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                unsigned before = count_fds();
                bool same = true;
                Child *child;

                told = (Told) {};
                tap_eq(child_run(event, cases[i].work, buffer, cases[i].size, -EBADF, LOOP_LIMIT_USEC, on_done, &told, &child), 0,
                              "%s: started", cases[i].name);
                (void) loop_until(event, &told.calls, 1, LOOP_LIMIT_USEC);
                tap_ok(told.calls == 1 && told.has_result == (cases[i].error == 0) && told.size == cases[i].size,
                              "%s: done is called once, with a result or none", cases[i].name);
                tap_eq(told.error, cases[i].error, "%s: the error", cases[i].name);
                for (size_t j = 0; j < cases[i].size && cases[i].patterned; j++)
                        same &= told.result[j] == pattern(j);
                tap_ok(same, "%s: every byte", cases[i].name);
                tap_ok(loop_until_childless(event), "%s: no zombie", cases[i].name);
                tap_eq(count_fds(), before, "%s: no fd is left", cases[i].name);
        }
}

static void test_copy(void) {
        _cleanup_event_ sd_event *event = loop_new();
        uint64_t numbers[4] = { 1, 2, 3, UINT64_MAX }, got[4];
        static Told told;
        Child *child;

        tap_eq(child_run(event, work_add, numbers, sizeof(numbers), -EBADF, LOOP_LIMIT_USEC, on_done, &told, &child), 0,
                      "a child with the parent's data");
        (void) loop_until(event, &told.calls, 1, LOOP_LIMIT_USEC);
        memcpy(got, told.result, sizeof(got));
        tap_eq(told.error, 0, "its data is aligned for any type");
        tap_ok(got[0] == 1001 && got[2] == 1003 && got[3] == 999, "it starts with the parent's data");
        tap_ok(numbers[0] == 1 && numbers[3] == UINT64_MAX, "the parent's data is as it was");
}

static void test_deadline(void) {
        static const struct {
                const char *name;
                ChildWork work;
        } cases[] = {
                { "a child that hangs", work_hangs },
                { "a child that hangs after its result", work_fills_pipe_and_hangs },
        };
        _cleanup_event_ sd_event *event = loop_new();
        static char buffer[4096];
        static Told told;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                unsigned before = count_fds();
                uint64_t start = monotonic_usec(), took;
                Child *child;
                int ends[2];

                if (pipe2(ends, O_CLOEXEC) < 0)
                        return;
                told = (Told) {};
                tap_eq(child_run(event, cases[i].work, buffer, sizeof(buffer), ends[1], SECOND_USEC / 5, on_done, &told, &child), 0,
                              "%s: started", cases[i].name);
                (void) close(ends[1]);
                (void) loop_until(event, &told.calls, 1, LOOP_LIMIT_USEC);
                took = monotonic_usec() - start;
                tap_ok(told.calls == 1 && !told.has_result, "%s: done is called, with no result", cases[i].name);
                tap_eq(told.error, ETIMEDOUT, "%s: its deadline", cases[i].name);
                tap_ok(took >= SECOND_USEC / 5 && took < 5 * SECOND_USEC, "%s: in its time (%" PRIu64 " ms)", cases[i].name,
                              took / 1000);
                tap_ok(is_gone(ends[0]), "%s: killed", cases[i].name);
                tap_ok(loop_until_childless(event), "%s: reaped", cases[i].name);
                (void) close(ends[0]);
                loop_for(event, SECOND_USEC / 20);
                tap_eq(told.calls, 1, "%s: done is not called again", cases[i].name);
                tap_eq(count_fds(), before, "%s: no fd is left", cases[i].name);
        }
}

static void test_free_early(void) {
        _cleanup_event_ sd_event *event = loop_new();
        unsigned before = count_fds();
        static Told told;
        Child *child;
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0)
                return;
        tap_eq(child_run(event, work_hangs, NULL, 0, ends[1], LOOP_LIMIT_USEC, on_done, &told, &child), 0, "a child to be ended");
        (void) close(ends[1]);
        tap_ok(child_free(child) == NULL, "it is ended early");
        tap_ok(is_gone(ends[0]), "it is killed");
        tap_ok(loop_until_childless(event), "the loop reaps it");
        (void) close(ends[0]);
        tap_eq(told.calls, 0, "done is not called");
        tap_eq(count_fds(), before, "no fd is left");
        tap_ok(child_free(NULL) == NULL, "no child is no error");

        /* One that has ended already, and whose end the loop has not seen. */
        tap_eq(child_run(event, work_nothing, NULL, 0, -EBADF, LOOP_LIMIT_USEC, on_done, &told, &child), 0, "a child that ends");
        (void) waitid(P_ALL, 0, &(siginfo_t) {}, WEXITED | WNOWAIT);
        (void) child_free(child);
        tap_ok(loop_until_childless(event) && told.calls == 0, "it is reaped, and done is not called");
        tap_eq(count_fds(), before, "no fd is left of it");
}

/* The fds that the child has, as a list of numbers; those above the limit are valgrind's. */
static int work_list_fds(void *result, size_t size, void *userdata) {
        DIR *dir = opendir("/proc/self/fd");
        struct dirent *entry;
        char *text = result;
        size_t n = 0;

        if (!dir)
                return errno;
        while ((entry = readdir(dir)) && n + 16 < size)
                if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(dir) && fcntl(atoi(entry->d_name), F_GETPIPE_SZ) < 0 &&
                    atoi(entry->d_name) < sysconf(_SC_OPEN_MAX))
                        n += (size_t) sprintf(text + n, "%s ", entry->d_name);
        (void) closedir(dir);
        text[n] = '\0';
        return 0;
}

/* The standard streams must be no pipes here, as the child's own pipe is left out of the list. `low` and `high` are kept, one after
 * the other; there are others beside them. */
static void list_fds(int null, int low, int high, Told told[5]) {
        _cleanup_event_ sd_event *event = loop_new();
        const int keep[] = { -EBADF, low, high, 0, 2 };
        static char text[4096];
        int saved[3];

        for (int i = 0; i < 3; i++) {
                saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 200);
                (void) dup2(null, i);
        }
        for (size_t i = 0; i < ELEMENTSOF(keep); i++) {
                Child *child;

                if (child_run(event, work_list_fds, text, sizeof(text), keep[i], LOOP_LIMIT_USEC, on_done, &told[i], &child) >= 0)
                        (void) loop_until(event, &told[i].calls, 1, LOOP_LIMIT_USEC);
        }
        for (int i = 0; i < 3; i++) {
                (void) dup2(saved[i], i);
                (void) close(saved[i]);
        }
}

static void test_fds(void) {
        static const char *const names[] = {
                "no fd is kept", "one below the pipe is kept", "one above the pipe is kept", "standard input is kept",
                "standard error is kept",
        };
        char standard[] = "0 1 2 ", with_low[32], with_high[32];
        const char *want[] = { standard, with_low, with_high, standard, standard };
        int low = open("/dev/null", O_RDWR | O_CLOEXEC), more = fd_dup(low), high = fcntl(low, F_DUPFD_CLOEXEC, 100),
            higher = fcntl(low, F_DUPFD_CLOEXEC, high + 1);
        static Told told[ELEMENTSOF(names)];

        (void) snprintf(with_low, sizeof(with_low), "0 1 2 %d ", low);
        (void) snprintf(with_high, sizeof(with_high), "0 1 2 %d ", high);
        list_fds(more, low, high, told);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                tap_streq(told[i].calls == 1 && told[i].has_result ? told[i].result : NULL, want[i], "%s", names[i]);
        (void) close(low);
        (void) close(more);
        (void) close(high);
        (void) close(higher);
}

static int work_signals(void *result, size_t size, void *userdata) {
        sigset_t now;

        (void) sigprocmask(SIG_SETMASK, NULL, &now);
        return sigisemptyset(&now) ? 0 : EINVAL;
}

static void test_signals(void) {
        _cleanup_event_ sd_event *event = loop_new();
        static Told told;
        Child *child;

        if (child_run(event, work_signals, NULL, 0, -EBADF, LOOP_LIMIT_USEC, on_done, &told, &child) >= 0)
                (void) loop_until(event, &told.calls, 1, LOOP_LIMIT_USEC);
        tap_ok(told.calls == 1 && told.error == 0, "no signal is blocked in a child");
}

/* A daemon that dies takes its children along. */
static void test_parent_dies(void) {
        int ends[2];
        pid_t pid;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return;
        pid = fork();
        if (pid == 0) {
                sd_event *event = loop_new();
                static Told told;
                Child *child;

                (void) close(ends[0]);
                _exit(child_run(event, work_hangs, NULL, 0, ends[1], LOOP_LIMIT_USEC, on_done, &told, &child) < 0);
        }
        (void) close(ends[1]);
        (void) waitpid(pid, NULL, 0);
        tap_ok(is_gone(ends[0]), "a child does not outlive its parent");
        (void) close(ends[0]);
}

static void test_refused(void) {
        _cleanup_event_ sd_event *event = loop_new(), *over = loop_new();
        static char buffer[RESULT_MAX + 1];
        unsigned before = count_fds();
        struct rlimit files, few;
        Child *child = NULL;
        static Told told;
        int r;

        tap_eq(child_run(event, work_nothing, buffer, RESULT_MAX + 1, -EBADF, LOOP_LIMIT_USEC, on_done, &told, &child), -E2BIG,
                      "a result of 64 KiB + 1");
        tap_eq(child_run(event, work_nothing, buffer, SIZE_MAX, -EBADF, LOOP_LIMIT_USEC, on_done, &told, &child), -E2BIG,
                      "a result of all memory");

        (void) getrlimit(RLIMIT_NOFILE, &files);
        few = (struct rlimit) { .rlim_cur = 3, .rlim_max = files.rlim_max };
        (void) setrlimit(RLIMIT_NOFILE, &few);
        r = child_run(event, work_nothing, NULL, 0, -EBADF, LOOP_LIMIT_USEC, on_done, &told, &child);
        (void) setrlimit(RLIMIT_NOFILE, &files);
        tap_eq(r, -EMFILE, "no fds left");

        /* A loop that is over watches nothing: the child that runs by that time is ended. */
        (void) sd_event_exit(over, 0);
        (void) sd_event_loop(over);
        tap_eq(child_run(over, work_hangs, NULL, 0, -EBADF, LOOP_LIMIT_USEC, on_done, &told, &child), -ESTALE, "a loop that is over");
        tap_ok(has_no_children(), "a child that could not be watched is ended and reaped");
        tap_ok(told.calls == 0 && child == NULL, "done was not called, and there is no child");
        tap_eq(count_fds(), before, "no fd is left after a refusal");
}

/* done() may start the next one. */
typedef struct Chain {
        sd_event *event;
        unsigned calls, failed;
} Chain;

static void on_chain(int error, const void *result, size_t size, void *userdata) {
        Chain *chain = userdata;
        Child *child;

        chain->failed += error != 0;
        if (++chain->calls < 5 && child_run(chain->event, work_nothing, NULL, 0, -EBADF, LOOP_LIMIT_USEC, on_chain, chain, &child) < 0)
                chain->failed++;
}

static void test_several(void) {
        _cleanup_event_ sd_event *event = loop_new();
        unsigned before = count_fds(), started = 0, right = 0;
        Chain chain = { .event = event };
        static char buffer[RESULT_MAX];
        static Told told[16];
        Child *child;

        for (size_t i = 0; i < ELEMENTSOF(told); i++)
                started += child_run(event, i % 2 ? work_fill : work_fails, buffer, sizeof(buffer), -EBADF, LOOP_LIMIT_USEC, on_done,
                                     &told[i], &child) == 0;
        for (size_t i = 0; i < ELEMENTSOF(told); i++) {
                (void) loop_until(event, &told[i].calls, 1, LOOP_LIMIT_USEC);
                right += told[i].calls == 1 && told[i].error == (i % 2 ? 0 : ENOTTY);
        }
        tap_ok(started == 16 && right == 16, "16 at a time, each with its own end");
        on_chain(0, NULL, 0, &chain);
        (void) loop_until(event, &chain.calls, 5, LOOP_LIMIT_USEC);
        tap_ok(chain.calls == 5 && chain.failed == 0, "done starts the next");
        tap_ok(loop_until_childless(event), "no zombies");
        tap_eq(count_fds(), before, "no fds are left");
}

/* The loop goes before the child has ended: nothing waits for it. */
static void test_loop_ends(void) {
        sd_event *event = loop_new();
        unsigned before = count_fds();
        uint64_t start = monotonic_usec();
        static Told told;
        Child *child;

        if (child_run(event, work_hangs, NULL, 0, -EBADF, LOOP_LIMIT_USEC, on_done, &told, &child) >= 0)
                (void) child_free(child);
        event = sd_event_unref(event);
        tap_ok(monotonic_usec() - start < 5 * SECOND_USEC, "a loop that ends waits for no child");
        tap_ok(waitid(P_ALL, 0, &(siginfo_t) {}, WEXITED) == 0, "the child was killed");
        /* Those of the loop itself, made before they were counted. */
        tap_ok(count_fds() < before, "no fd is left of it");
}

int main(void) {
        test_endings();
        test_copy();
        test_deadline();
        test_free_early();
        test_fds();
        test_signals();
        test_parent_dies();
        test_refused();
        test_several();
        test_loop_ends();
        return tap_done();
}
