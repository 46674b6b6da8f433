/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tcectl on a terminal: what goes through a pager, through which, and with what in its environment; and colours and sizes by the environment.
 * The first argument is tcectl. */

#include <locale.h>
#include <sys/stat.h>

#include "tap.h"
#include "tcectl-run.h"
#include "tcectl-pty.h"
#include "text.h"
#include "util.h"

static char seen[96];  /* what a pager writes */
static char fakes[96]; /* a folder of programs */

static const char *read_seen(void) {
        static char text[65536];

        read_all(seen, text, sizeof(text));
        (void) unlink(seen);
        return text;
}

/* A program in the folder `fakes`, a shell's script. */
static void make_fake(const char *name, const char *script) {
        char path[192];
        FILE *f;

        (void) snprintf(path, sizeof(path), "%s/%s", fakes, name);
        f = fopen(path, "we");
        if (!f || fprintf(f, "#!/bin/sh\n%s\n", script) < 0 || fclose(f) != 0 || chmod(path, 0755) < 0)
                abort();
}

static void clear_fake(const char *name) {
        char path[192];

        (void) snprintf(path, sizeof(path), "%s/%s", fakes, name);
        (void) unlink(path);
}

/* As it is before each: no pager is set, and nothing of a user's. */
static void clear_environment(void) {
        static const char *const names[] = {
                "SYSTEMD_PAGER", "PAGER", "SYSTEMD_LESS", "SYSTEMD_LESSCHARSET", "SYSTEMD_PAGERSECURE", "SYSTEMD_COLORS", "LESS", "LESSSECURE",
                "LESSCHARSET", "NO_COLOR", "SUDO_UID", "PKEXEC_UID", "COLUMNS", "LINES",
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                (void) unsetenv(names[i]);
        (void) setenv("TERM", "xterm", 1);
}

/* tcectl's help is longer than 24 lines, and shorter than 200. */
static void test_length(void) {
        static Run result;

        clear_environment();
        (void) setenv("SYSTEMD_PAGER", "cat >\"$SEEN\"; echo paged", 1);
        (void) PTY_RUN(&result, 24, 80, (char *) "--help");
        tap_eq(result.status, 0, "a pager: exit status");
        tap_streq(result.out, "paged\n", "what is longer than the terminal goes to the pager alone");
        tap_ok(strncmp(read_seen(), "tcectl [OPTION...]", 18) == 0, "all of it");
        (void) PTY_RUN(&result, 200, 80, (char *) "--help");
        tap_ok(strncmp(result.out, "tcectl [OPTION...]", 18) == 0 && !strstr(result.out, "paged"), "what fits does not");
        (void) PTY_RUN(&result, 24, 80, (char *) "--no-pager", (char *) "--help");
        tap_ok(strncmp(result.out, "tcectl [OPTION...]", 18) == 0 && !strstr(result.out, "paged"), "nor does anything with --no-pager");
        RUN(&result, (char *) "--help");
        tap_ok(strncmp(result.out, "tcectl [OPTION...]", 18) == 0 && !*read_seen(), "nor without a terminal");
        (void) setenv("TERM", "dumb", 1);
        (void) PTY_RUN(&result, 24, 80, (char *) "--help");
        tap_ok(strncmp(result.out, "tcectl [OPTION...]", 18) == 0 && !*read_seen(), "nor on a dumb terminal");
        (void) setenv("TERM", "xterm", 1);
        (void) PTY_RUN(&result, 3, 80, (char *) "--user", (char *) "status");
        tap_eq(result.status, 1, "a failure: exit status");
        tap_ok(strncmp(result.out, "tcectl: tced is not running.", 28) == 0 && !*read_seen(), "and no pager for it: %s", result.out);
}

/* Which pager it is, and which of them is told what. The pager that is seen writes its name and its environment. */
static void test_choice(void) {
        static const struct {
                const char *name, *set[3], *fake[2], *seen;
        } cases[] = {
                { "less", {}, { "less", "more" }, "less LESS=FRSXMK CHARSET=utf-8 SECURE=1\n" },
                { "more where there is no less", {}, { "more" }, "more LESS=FRSXMK CHARSET=utf-8 SECURE=1\n" },
                { "$PAGER", { "PAGER=mine" }, { "mine", "less" }, "mine LESS=FRSXMK CHARSET=utf-8 SECURE=1\n" },
                { "$SYSTEMD_PAGER before it", { "PAGER=less", "SYSTEMD_PAGER=mine" }, { "mine", "less" }, "mine LESS=FRSXMK CHARSET=utf-8 SECURE=1\n" },
                { "a pager that is not there", { "PAGER=nobody" }, { "less" }, "less LESS=FRSXMK CHARSET=utf-8 SECURE=1\n" },
                { "none where it is set to nothing", { "SYSTEMD_PAGER=" }, { "less" }, "" },
                { "none where it is cat", { "PAGER=cat" }, { "less" }, "" },
                { "none at all", {}, {}, "" },
                { "$SYSTEMD_LESS", { "SYSTEMD_LESS=-X", "LESS=-S", "SYSTEMD_LESSCHARSET=latin1" }, { "less" }, "less LESS=-X CHARSET=latin1 SECURE=1\n" },
                { "$SYSTEMD_PAGERSECURE=0", { "SYSTEMD_PAGERSECURE=0", "LESSSECURE=1" }, { "less" }, "less LESS=FRSXMK CHARSET=utf-8 SECURE=\n" },
                { "less alone by sudo", { "SUDO_UID=1000", "PAGER=mine" }, { "mine", "less" }, "less LESS=FRSXMK CHARSET=utf-8 SECURE=1\n" },
                { "nothing by sudo without less", { "SUDO_UID=1000", "PAGER=mine" }, { "mine", "more" }, "" },
                { "$PAGER by sudo where that was wanted", { "SUDO_UID=1000", "PAGER=mine", "SYSTEMD_PAGERSECURE=1" }, { "mine", "less" },
                  "mine LESS=FRSXMK CHARSET=utf-8 SECURE=1\n" },
        };
        _cleanup_free_ char *path = strdup(getenv("PATH"));
        static Run result;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                clear_environment();
                for (size_t j = 0; j < ELEMENTSOF(cases[i].set) && cases[i].set[j]; j++)
                        (void) putenv((char *) cases[i].set[j]);
                for (size_t j = 0; j < ELEMENTSOF(cases[i].fake) && cases[i].fake[j]; j++)
                        make_fake(cases[i].fake[j], "echo \"${0##*/} LESS=$LESS CHARSET=$LESSCHARSET SECURE=$LESSSECURE\" >\"$SEEN\"; exec 0<&-");
                (void) setenv("PATH", fakes, 1);
                (void) PTY_RUN(&result, 24, 80, (char *) "--help");
                (void) setenv("PATH", path, 1);
                tap_streq(read_seen(), cases[i].seen, "%s", cases[i].name);
                tap_ok(result.status == 0 && !*cases[i].seen == (strncmp(result.out, "tcectl [OPTION...]", 18) == 0),
                       "%s: it is shown once", cases[i].name);
                for (size_t j = 0; j < ELEMENTSOF(cases[i].fake) && cases[i].fake[j]; j++)
                        clear_fake(cases[i].fake[j]);
        }
}

/* Who quits early, is interrupted, or takes his time. */
static void test_ends(void) {
        static Run result;

        clear_environment();
        (void) setenv("PAGER", "exit 3", 1);
        (void) PTY_RUN(&result, 3, 80, (char *) "--help");
        tap_ok(result.status == 0 && streq(result.out, ""), "a pager that was quit early is no failure");
        (void) setenv("PAGER", "kill -INT $PPID; cat >\"$SEEN\"; sleep 0.3; echo waited", 1);
        (void) PTY_RUN(&result, 3, 80, (char *) "--help");
        tap_ok(result.status == 0 && *read_seen(), "^C is the pager's");
        tap_streq(result.out, "waited\n", "the pager is waited for");
        (void) setenv("PAGER", "trap 'echo interrupted; exit' INT; kill -INT $$; cat", 1);
        (void) PTY_RUN(&result, 3, 80, (char *) "--help");
        tap_streq(result.out, "interrupted\n", "which is not deaf to it");
}

/* The real less, where there is one: a key quits it. */
static void test_less(void) {
        static Run result;
        int fd;
        pid_t pid;

        clear_environment();
        if (access("/usr/bin/less", X_OK) < 0 || (fd = pty_open(24, 80)) < 0) {
                tap_skip("there is no less, or no terminal", "less");
                return;
        }
        pid = pty_start(fd, (char *[]){ (char *) "--help", NULL });
        tap_ok(pty_read(fd, &result, "lines 1-23", 20000), "less shows the first page, and where it is");
        tap_ok(write(fd, "q", 1) == 1, "q");
        (void) pty_read(fd, &result, NULL, 20000);
        pty_wait(pid, &result);
        tap_eq(result.status, 0, "ends it");
        (void) close(fd);
}

/* Colours by the environment, on a terminal and without one. An error has none, a screen begins with one; --host needs no tced. */
static void test_colours(void) {
        static const struct {
                const char *name, *set[2];
                bool terminal, colour;
        } cases[] = {
                { "a terminal", {}, true, true },
                { "NO_COLOR", { "NO_COLOR=1" }, true, false },
                { "NO_COLOR of nothing", { "NO_COLOR=" }, true, true },
                { "TERM=dumb", { "TERM=dumb" }, true, false },
                { "no TERM", { "TERM" }, true, false },
                { "SYSTEMD_COLORS=0", { "SYSTEMD_COLORS=0" }, true, false },
                { "SYSTEMD_COLORS=1 goes before NO_COLOR", { "SYSTEMD_COLORS=1", "NO_COLOR=1" }, true, true },
                { "SYSTEMD_COLORS=maybe is nothing", { "SYSTEMD_COLORS=maybe" }, true, true },
                { "no terminal", {}, false, false },
                { "SYSTEMD_COLORS=1 without a terminal", { "SYSTEMD_COLORS=1" }, false, true },
        };
        static Run result;
        char facts[128], option[160];
        FILE *f;

        (void) snprintf(facts, sizeof(facts), "%s/facts", folder);
        (void) snprintf(option, sizeof(option), "--host=%s", facts);
        f = fopen(facts, "we");
        if (!f || fputs("{ \"groups\": [ { \"number\": 1, \"viable\": true } ] }", f) < 0 || fclose(f) != 0)
                abort();
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                clear_environment();
                for (size_t j = 0; j < ELEMENTSOF(cases[i].set) && cases[i].set[j]; j++)
                        (void) putenv((char *) cases[i].set[j]); /* a name alone takes it away */
                if (cases[i].terminal)
                        (void) PTY_RUN(&result, 24, 80, (char *) "groups", option);
                else
                        RUN(&result, (char *) "groups", option);
                tap_ok(result.status == 0 && *result.out && !strstr(result.out, "\033[") == !cases[i].colour, "colours: %s", cases[i].name);
        }
        clear_environment();
        (void) setenv("PAGER", "cat >\"$SEEN\"", 1);
        (void) PTY_RUN(&result, 2, 80, (char *) "groups", option);
        tap_ok(strstr(read_seen(), "\033["), "colours stay on through the pager");
        (void) unlink(facts);
}

/* The terminal's size counts, not what the environment says of it, which is of another once it was passed on. */
static void test_size(void) {
        static Run result;

        clear_environment();
        (void) setenv("LINES", "3", 1);
        (void) setenv("PAGER", "echo paged", 1);
        (void) PTY_RUN(&result, 200, 80, (char *) "--help");
        tap_ok(!strstr(result.out, "paged"), "LINES is not asked where the terminal has a size");
        (void) PTY_RUN(&result, 0, 0, (char *) "--help");
        tap_streq(result.out, "paged\n", "it is where that has none");
        (void) setenv("LINES", "300", 1);
        (void) PTY_RUN(&result, 0, 0, (char *) "--help");
        tap_ok(!strstr(result.out, "paged"), "and believed");
        (void) unsetenv("LINES");
        (void) PTY_RUN(&result, 0, 0, (char *) "--help");
        tap_streq(result.out, "paged\n", "a terminal without a size has 24 lines");
}

static void test_rows(void) {
        static const struct {
                const char *text;
                unsigned width;
                long long rows;
        } cases[] = {
                { "", 80, 0 },         { "a\n", 80, 1 },
                { "a\nb", 80, 2 },     { "\n\n", 80, 2 },
                { "12345678", 8, 1 },  { "12345678\n", 8, 1 },
                { "123456789\n", 8, 2 }, { "\033[1;31m12345678\033[0m\n", 8, 1 },
                { "\033[1", 8, 0 },    { "äöüäöüäö\n", 8, 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                tap_eq((long long) text_rows(cases[i].text, cases[i].width), cases[i].rows, "rows of a text: %zu", i);
}

int main(int argc, char **argv) {
        static Run result;
        char path[112];

        if (argc < 2) {
                tap_ok(false, "the program to be tested is the first argument");
                return tap_done();
        }
        program = realpath(argv[1], NULL);
        (void) snprintf(folder, sizeof(folder), "%s", "/tmp/tcectl-pager-XXXXXX");
        if (!mkdtemp(folder))
                return 1;
        (void) snprintf(seen, sizeof(seen), "%s/seen", folder);
        (void) snprintf(fakes, sizeof(fakes), "%s/fakes", folder);
        (void) mkdir(fakes, 0700);
        (void) symlink("/bin/sh", strcat(strcpy(path, fakes), "/sh"));
        (void) setenv("SEEN", seen, 1);
        (void) setenv("LC_ALL", "C.UTF-8", 1);
        (void) setlocale(LC_ALL, "C.UTF-8");
        (void) unsetenv("DBUS_SESSION_BUS_ADDRESS");
        (void) unsetenv("XDG_RUNTIME_DIR");
        clear_environment();
        test_rows();
        if (PTY_RUN(&result, 24, 80, (char *) "--version")) {
                test_length();
                test_choice();
                test_ends();
                test_less();
                test_colours();
                test_size();
        } else
                tap_skip("no terminal can be had here", "tcectl on a terminal");
        (void) unlink(path);
        (void) rmdir(fakes);
        static const char *const left[] = { "out", "err" };
        for (size_t i = 0; i < ELEMENTSOF(left); i++) {
                (void) snprintf(path, sizeof(path), "%s/%s", folder, left[i]);
                (void) unlink(path);
        }
        (void) rmdir(folder);
        return tap_done();
}
