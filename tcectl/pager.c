/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What pager.h declares. The pager is found as systemd's commands find theirs, so that who has set that up has it here: $SYSTEMD_PAGER, $PAGER,
 * less, more; less with $SYSTEMD_LESS.
 *
 * A pager may run other programs, with tcectl's rights: less is told not to (LESSSECURE), and of who runs tcectl as another by sudo or pkexec no
 * pager of his own is started. */

#include "pager.h"

#include <langinfo.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

#include "text.h"
#include "util.h"

/* As systemd's: quits where all fits, keeps colours, cuts no line's rest off unseen, leaves the screen, tells the place, ends with ^C. */
#define LESS_OPTIONS "FRSXMK"
/* What a shell exits with that finds no such program. */
#define EXIT_NOT_FOUND 127

/* The terminal's stream while another stands in its place. */
static FILE *terminal;
static char *kept;
static size_t kept_size;

int pager_begin(void) {
        FILE *f;

        if (terminal_height() == 0)
                return 0;
        f = open_memstream(&kept, &kept_size);
        if (!f)
                return -ENOMEM;
        terminal = stdout;
        stdout = f; /* glibc's is a variable, which printf() looks at */
        return 0;
}

static bool is_yes(const char *text) {
        return streq(text, "1") || streq(text, "yes") || streq(text, "true") || streq(text, "on");
}

/* Of whoever has asked for these rights, the environment is his. */
static bool is_borrowed(void) {
        return !getenv("SYSTEMD_PAGERSECURE") && (getenv("SUDO_UID") || getenv("PKEXEC_UID"));
}

/* The pager that the user wants, as a shell reads it; NULL: none was named. */
static const char *pager_wanted(void) {
        const char *pager = getenv("SYSTEMD_PAGER");

        if (is_borrowed())
                return NULL;
        return pager ? pager : getenv("PAGER");
}

static void set_environment(void) {
        const char *less = getenv("SYSTEMD_LESS"), *charset = getenv("SYSTEMD_LESSCHARSET"), *secure = getenv("SYSTEMD_PAGERSECURE");

        (void) setenv("LESS", less ? less : LESS_OPTIONS, 1);
        if (charset || streq(nl_langinfo(CODESET), "UTF-8"))
                (void) setenv("LESSCHARSET", charset ? charset : "utf-8", 1);
        if (!secure || is_yes(secure))
                (void) setenv("LESSSECURE", "1", 1);
        else
                (void) unsetenv("LESSSECURE");
}

/* Starts it with `from` as its standard input and the signals as they were. */
static int start(char *const argv[], int from, pid_t *ret) {
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t signals;
        int r;

        if (posix_spawn_file_actions_init(&actions) != 0)
                return -ENOMEM;
        if (posix_spawnattr_init(&attributes) != 0) {
                (void) posix_spawn_file_actions_destroy(&actions);
                return -ENOMEM;
        }
        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGPIPE);
        (void) posix_spawnattr_setsigdefault(&attributes, &signals);
        (void) posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
        r = -posix_spawn_file_actions_adddup2(&actions, from, STDIN_FILENO);
        if (r == 0)
                r = -posix_spawnp(ret, argv[0], &actions, &attributes, argv, environ);
        (void) posix_spawnattr_destroy(&attributes);
        (void) posix_spawn_file_actions_destroy(&actions);
        return r;
}

/* Gives it the text, and waits until it has ended. -ENOENT: there is no such pager. */
static int feed(char *const argv[], const char *text, size_t size) {
        _cleanup_fd_ int to = -EBADF;
        int ends[2], status = 0, r;
        pid_t pid;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        to = ends[1];
        r = start(argv, ends[0], &pid);
        (void) close(ends[0]);
        if (r < 0)
                return r;
        /* Who has read enough quits: the rest is not wanted. */
        for (ssize_t n; size > 0; text += n, size -= (size_t) n) {
                n = write(to, text, size);
                if (n < 0 && errno != EINTR)
                        break;
                if (n < 0)
                        n = 0;
        }
        (void) close(TAKE_FD(to));
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NOT_FOUND ? -ENOENT : 0;
}

/* Through the first pager that there is. -ENOENT: none is, or none is wanted. */
static int show(const char *text, size_t size) {
        const char *wanted = pager_wanted();
        int r = -ENOENT;

        if (wanted && (isempty(wanted) || streq(wanted, "cat")))
                return -ENOENT;
        set_environment();
        if (wanted)
                r = feed((char *[]){ (char[]){ "sh" }, (char[]){ "-c" }, (char *) wanted, NULL }, text, size);
        if (r < 0)
                r = feed((char *[]){ (char[]){ "less" }, NULL }, text, size);
        if (r < 0 && !is_borrowed())
                r = feed((char *[]){ (char[]){ "more" }, NULL }, text, size);
        return r;
}

int pager_end(void) {
        _cleanup_free_ char *text = NULL;
        struct sigaction ignore = { .sa_handler = SIG_IGN }, old_int, old_pipe;
        int r;

        if (!terminal)
                return 0;
        r = fclose(stdout) == 0 ? 0 : -ENOMEM;
        stdout = TAKE_PTR(terminal);
        text = TAKE_PTR(kept);
        if (r < 0)
                return r;
        if (text_rows(text, output_standard().width) >= terminal_height()) {
                /* ^C is the pager's, which knows what to do with its screen. */
                (void) sigaction(SIGINT, &ignore, &old_int);
                (void) sigaction(SIGPIPE, &ignore, &old_pipe);
                r = show(text, kept_size);
                (void) sigaction(SIGPIPE, &old_pipe, NULL);
                (void) sigaction(SIGINT, &old_int, NULL);
                if (r >= 0)
                        return 0;
        }
        (void) fwrite(text, 1, kept_size, stdout);
        return 0;
}
