/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What progress.h declares. What is waited for blocks, in calls that bear no signal: so a child of its own waits for the second to pass. */

#include "progress.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "text.h"
#include "util.h"

#define ERASE "\r\033[K"

static pid_t waiting;
static int shown = -EBADF; /* readable once the line was */

/* The child: says first that it shows the line, as it may be ended between both. */
static _Noreturn void wait_and_show(const char *text, pid_t parent, int told) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                _exit(0);
        (void) sleep(1);
        (void) !write(told, "", 1);
        (void) !write(STDERR_FILENO, text, strlen(text));
        for (;;)
                (void) pause();
}

void progress_begin(const char *text) {
        _cleanup_free_ char *line = NULL;
        size_t size;
        pid_t parent = getpid();
        int ends[2];
        FILE *f;

        if (!text || waiting > 0 || terminal_error_width() == 0)
                return;
        f = open_memstream(&line, &size);
        if (!f)
                return;
        (void) text_put(f, text, terminal_error_width() - 1);
        if (fclose(f) != 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
                return;
        waiting = fork();
        if (waiting == 0)
                wait_and_show(line, parent, ends[1]);
        (void) close(ends[1]);
        shown = ends[0];
}

void progress_end(void) {
        char byte;

        if (waiting > 0) {
                (void) kill(waiting, SIGKILL);
                while (waitpid(waiting, NULL, 0) < 0 && errno == EINTR)
                        ;
                if (read(shown, &byte, 1) == 1)
                        (void) !write(STDERR_FILENO, ERASE, sizeof(ERASE) - 1);
        }
        waiting = 0;
        if (shown >= 0)
                (void) close(TAKE_FD(shown));
}
