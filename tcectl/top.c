/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The terminal is put back by one function, whichever way the loop ends: signals only end the loop. */

#include "top.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>

#include "util.h"
#include "view.h"

#define VMS_MAX 4096U

/* The other screen, without a cursor; and back. */
#define SCREEN_ON "\033[?1049h\033[?25l"
#define SCREEN_OFF "\033[?25h\033[?1049l"
#define SCREEN_HOME "\033[H"
#define SCREEN_CLEAR_BELOW "\033[J"

/* Counts of one moment. */
typedef struct Sample {
        uint64_t usec;
        size_t n;
        struct {
                uint64_t pid, exits;
                bool known;
        } vms[VMS_MAX];
} Sample;

/* Of debugfs, where each count is a small file of its own. */
static bool read_number(int dir_fd, const char *name, uint64_t *ret) {
        char text[32];

        return read_file_at(dir_fd, name, text, sizeof(text)) > 0 && parse_u64(text, UINT64_MAX, ret) == 0;
}

/* x86 has all in `exits`, POWER in `sum_exits`; others have a file for each kind. */
static bool sum_exits(int dir_fd, uint64_t *ret) {
        uint64_t sum = 0, value;
        bool any = false;
        DIR *dir;
        int fd;

        if (read_number(dir_fd, "exits", ret) || read_number(dir_fd, "sum_exits", ret))
                return true;
        fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir) {
                (void) fd_close(fd);
                return false;
        }
        for (const struct dirent *e; (e = readdir(dir));) {
                size_t length = strlen(e->d_name);

                if (length > 6 && streq(e->d_name + length - 6, "_exits") && read_number(dir_fd, e->d_name, &value)) {
                        sum = add_saturated(sum, value);
                        any = true;
                }
        }
        (void) closedir(dir);
        *ret = sum;
        return any;
}

int top_read_exits(const char *root, uint64_t pid, uint64_t *ret) {
        DIR *dir = opendir(root);
        uint64_t all = 0;
        char prefix[32];
        bool any = false;

        if (!dir)
                return -ENOENT;
        (void) snprintf(prefix, sizeof(prefix), "%" PRIu64 "-", pid);
        for (const struct dirent *e; (e = readdir(dir));) {
                _cleanup_fd_ int fd = -EBADF;
                uint64_t value;

                if (strncmp(e->d_name, prefix, strlen(prefix)) != 0)
                        continue;
                fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (fd >= 0 && sum_exits(fd, &value)) {
                        all = add_saturated(all, value);
                        any = true;
                }
        }
        (void) closedir(dir);
        if (!any)
                return -ENOENT;
        *ret = all;
        return 0;
}

static uint64_t now_usec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

static void take_sample(const char *root, json_object *audit, Sample *s) {
        json_object *vms = view_get(audit, "vms");

        s->usec = now_usec();
        s->n = view_length(vms) < VMS_MAX ? view_length(vms) : VMS_MAX;
        for (size_t i = 0; i < s->n; i++) {
                s->vms[i].pid = view_count(view_item(vms, i), "pid");
                s->vms[i].known = top_read_exits(root, s->vms[i].pid, &s->vms[i].exits) >= 0;
        }
}

/* Of those that are in both. A count that has gone back is of another VM with that PID. */
static void rates_between(const Sample *before, const Sample *now, TopRate *rates) {
        uint64_t usec = now->usec > before->usec ? now->usec - before->usec : 1;

        for (size_t i = 0; i < now->n; i++) {
                rates[i] = (TopRate) { .pid = now->vms[i].pid };
                for (size_t j = 0; j < before->n; j++)
                        if (before->vms[j].pid == now->vms[i].pid && before->vms[j].known && now->vms[i].known &&
                            now->vms[i].exits >= before->vms[j].exits) {
                                rates[i].known = true;
                                rates[i].per_second = multiply_saturated(now->vms[i].exits - before->vms[j].exits, 1000000) / usec;
                        }
        }
}

/* What is needed from one screen to the next. */
typedef struct Top {
        TopAsk ask;
        void *userdata;
        const char *root;
        json_object *audit;
        Sample samples[2];
        unsigned turn;
        TopRate rates[VMS_MAX];
} Top;

/* Asks, and compares with what was before. */
static int look(Top *t) {
        json_object *audit;
        int r;

        r = t->ask(t->userdata, &audit);
        if (r < 0)
                return r;
        (void) json_object_put(t->audit);
        t->audit = audit;
        t->turn = !t->turn;
        take_sample(t->root, audit, &t->samples[t->turn]);
        rates_between(&t->samples[!t->turn], &t->samples[t->turn], t->rates);
        return 0;
}

/* In one piece and with what was there below it cleared, so that nothing flickers. */
static int draw(const Top *t, Output *out) {
        _cleanup_free_ char *text = NULL;
        Output screen = *out;
        size_t size = 0;
        int r;

        screen.f = open_memstream(&text, &size);
        if (!screen.f)
                return -ENOMEM;
        r = render_top(t->audit, t->rates, t->samples[t->turn].n, &screen);
        if (fclose(screen.f) != 0)
                r = -ENOMEM;
        if (r < 0)
                return r;
        (void) fputs(SCREEN_HOME, out->f);
        for (const char *line = text; *line;) {
                size_t length = strcspn(line, "\n");

                (void) fprintf(out->f, "%.*s\033[K\r\n", (int) length, line);
                line += length + (line[length] == '\n');
        }
        (void) fputs("\033[Kq: quit" SCREEN_CLEAR_BELOW, out->f);
        (void) fflush(out->f);
        return 0;
}

/* The next thing to do: 1: a new look; 0: the same again, for the terminal has another size; -ECANCELED: the end. */
static int wait_for_user(int signals, unsigned delay_ms, uint64_t since_usec) {
        for (;;) {
                struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = signals, .events = POLLIN } };
                uint64_t spent = (now_usec() - since_usec) / 1000;
                struct signalfd_siginfo info;
                char key;
                int n;

                if (spent >= delay_ms)
                        return 1;
                n = poll(fds, ELEMENTSOF(fds), (int) (delay_ms - spent));
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n <= 0)
                        continue;
                if (fds[1].revents && read(signals, &info, sizeof(info)) == sizeof(info))
                        return info.ssi_signo == SIGWINCH ? 0 : -ECANCELED;
                if (fds[0].revents && (read(STDIN_FILENO, &key, 1) <= 0 || key == 'q' || key == 'Q' || key == 3))
                        return -ECANCELED;
        }
}

/* Until the user or a signal ends it, or tced can't be asked any more. */
static int show(Top *t, int signals, unsigned delay_ms, Output *out) {
        uint64_t since;
        int r;

        for (;;) {
                since = now_usec();
                r = look(t);
                while (r >= 0) {
                        r = draw(t, out);
                        if (r >= 0)
                                r = wait_for_user(signals, delay_ms, since);
                        if (r != 0)
                                break;
                        out->width = output_standard().width;
                }
                if (r < 0)
                        return r == -ECANCELED ? 0 : r;
        }
}

/* Signals are read as they come (signalfd), so that none of them can end the program with the terminal as it is here. */
static int run_screen(Top *t, unsigned delay_ms, Output *out) {
        struct termios before, raw;
        sigset_t mask, old;
        int signals, r;

        sigemptyset(&mask);
        /* ^Z as well: it would leave the terminal as it is now to the shell. */
        for (const int *s = (const int[]){ SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, 0 }; *s; s++)
                sigaddset(&mask, *s);
        if (tcgetattr(STDIN_FILENO, &before) < 0)
                return -errno;
        (void) sigprocmask(SIG_BLOCK, &mask, &old);
        signals = signalfd(-1, &mask, SFD_CLOEXEC);
        r = signals < 0 ? -errno : 0;
        if (r >= 0) {
                raw = before;
                raw.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
                (void) tcsetattr(STDIN_FILENO, TCSANOW, &raw);
                (void) fputs(SCREEN_ON, out->f);
                r = show(t, signals, delay_ms, out);
                (void) fputs(SCREEN_OFF, out->f);
                (void) fflush(out->f);
                (void) tcsetattr(STDIN_FILENO, TCSANOW, &before);
                (void) close(signals);
        }
        (void) sigprocmask(SIG_SETMASK, &old, NULL);
        return r;
}

int top_run(TopAsk ask, void *userdata, const char *root, unsigned delay_ms, bool once, Output *out) {
        Top *t = calloc(1, sizeof(*t));
        int r;

        if (!t)
                return -ENOMEM;
        *t = (Top) { .ask = ask, .userdata = userdata, .root = root };
        if (once) {
                r = look(t);
                if (r >= 0) {
                        (void) poll(NULL, 0, (int) delay_ms);
                        r = look(t);
                }
                if (r >= 0)
                        r = render_top(t->audit, t->rates, t->samples[t->turn].n, out);
        } else
                r = run_screen(t, delay_ms, out);
        (void) json_object_put(t->audit);
        free(t);
        return r;
}
