/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "store.h"

#include <limits.h>
#include <signal.h>
#include <sys/stat.h>

#include "util.h"

#define OLDER_BAD 3U

struct Store {
        char *path, *temporary, *failed, *bad;
        unsigned failures; /* of starts before this one */
};

/* What the handler of a crash needs, and nothing that could be half made. */
static const int crash_signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
static char crash_path[PATH_MAX];
static char crash_digit;
static pid_t crash_pid;

int store_new(const char *path, Store **ret) {
        Store *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->path = strdup(path);
        if (asprintf(&s->temporary, "%s.new", path) < 0)
                s->temporary = NULL;
        if (asprintf(&s->failed, "%s.failed", path) < 0)
                s->failed = NULL;
        if (asprintf(&s->bad, "%s.bad", path) < 0)
                s->bad = NULL;
        if (!s->path || !s->temporary || !s->failed || !s->bad) {
                (void) store_free(s);
                return -ENOMEM;
        }
        *ret = s;
        return 0;
}

Store *store_free(Store *s) {
        if (!s)
                return NULL;
        crash_pid = 0;
        free(s->path);
        free(s->temporary);
        free(s->failed);
        free(s->bad);
        free(s);
        return NULL;
}

const char *store_path(const Store *s) {
        return s->path;
}

const char *store_temporary_path(const Store *s) {
        return s->temporary;
}

const char *store_bad_path(const Store *s) {
        return s->bad;
}

int store_read(Store *s, size_t max, char **ret, size_t *ret_size) {
        /* Not a pipe that somebody put there, which would make it wait. */
        _cleanup_fd_ int fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        _cleanup_free_ char *text = NULL;
        struct stat st;
        size_t have = 0;

        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if ((uint64_t) st.st_size > max)
                return -EFBIG;
        text = malloc((size_t) st.st_size + 1);
        if (!text)
                return -ENOMEM;
        while (have < (size_t) st.st_size) {
                ssize_t n = read(fd, text + have, (size_t) st.st_size - have);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                have += (size_t) n;
        }
        text[have] = '\0';
        *ret = TAKE_PTR(text);
        *ret_size = have;
        return 0;
}

/* Makes room for another one. */
static void shift_bad(const Store *s) {
        char from[PATH_MAX], to[PATH_MAX];

        for (unsigned i = OLDER_BAD; i > 0; i--) {
                (void) snprintf(to, sizeof(to), "%s.%u", s->bad, i);
                if (i > 1)
                        (void) snprintf(from, sizeof(from), "%s.%u", s->bad, i - 1);
                else
                        (void) snprintf(from, sizeof(from), "%s", s->bad);
                (void) rename(from, to);
        }
}

int store_set_aside(Store *s) {
        struct stat st;

        if (lstat(s->path, &st) < 0)
                return -errno;
        shift_bad(s);
        return rename(s->path, s->bad) < 0 ? -errno : 0;
}

bool store_has_bad(const Store *s) {
        return access(s->bad, F_OK) == 0;
}

/* One digit; a FIFO in its place is not waited for. Also in the handler of a crash: calls nothing that may not be called there
 * (signal-safety(7)). */
static void write_digit(const char *path, char digit) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);

        if (fd < 0)
                return;
        (void) !write(fd, &digit, 1);
        (void) close(fd);
}

static void count_failures(const Store *s, unsigned n) {
        if (n > 0)
                write_digit(s->failed, (char) ('0' + n));
        else
                (void) unlink(s->failed);
}

/* The signal comes again when this returns, and then does what it always does. */
static void on_crash(int number) {
        int saved = errno;

        /* Not a child, which has this handler too. */
        if (getpid() == crash_pid)
                write_digit(crash_path, crash_digit);
        (void) raise(number);
        errno = saved;
}

/* Sanitizers have handlers of their own, and stay in force. */
static void catch_crashes(const Store *s) {
        if (strlen(s->failed) >= sizeof(crash_path))
                return;
        strcpy(crash_path, s->failed);
        crash_digit = (char) ('1' + s->failures);
        crash_pid = getpid();
        for (size_t i = 0; i < ELEMENTSOF(crash_signals); i++) {
                const struct sigaction action = { .sa_handler = on_crash, .sa_flags = (int) SA_RESETHAND };
                struct sigaction before;

                if (sigaction(crash_signals[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
                        (void) sigaction(crash_signals[i], &action, NULL);
        }
}

unsigned store_begin(Store *s) {
        char text[8];
        uint64_t n;

        if (read_file_at(AT_FDCWD, s->failed, text, sizeof(text)) < 0 || parse_u64(text, STORE_FAILURES_MAX, &n) < 0)
                n = 0;
        s->failures = n < STORE_FAILURES_MAX ? (unsigned) n : 0;
        count_failures(s, s->failures + 1);
        return (unsigned) n;
}

void store_good(Store *s) {
        count_failures(s, s->failures);
        catch_crashes(s);
}

void store_proven(Store *s) {
        s->failures = 0;
        count_failures(s, 0);
        crash_pid = 0;
}
