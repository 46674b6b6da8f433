/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A libFuzzer target: what the child tced-libvirt says, which repeats what a libvirtd and its domains say. The child is played: the linker
 * has libvirt.c start this file's (--wrap). An input is what it says to two questions for XML, up to its end. Whoever asked is
 * answered once, in words; what is kept of domains is fit to be shown. */

#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "libvirt.h"
#include "log.h"
#include "util.h"

#define EXPECT(what) fuzz_expect((what), #what)
#define ASKED 2

/* The child's side of the connection; -EBADF: it has ended. */
static int theirs = -EBADF;
static unsigned answers[ASKED];

int __wrap_posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int fd, int to);
int __wrap_posix_spawn(pid_t *ret, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
                       char *const argv[], char *const env[]);
int __wrap_kill(pid_t pid, int signal);
int __wrap_sd_event_add_inotify(sd_event *event, sd_event_source **ret, const char *path, uint32_t mask, sd_event_inotify_handler_t handler,
                                void *userdata);

int __wrap_posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int fd, int to) {
        (void) fd_close(theirs);
        theirs = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        return theirs < 0 ? errno : 0;
}

/* One that does nothing stands for all of them, until this program ends. */
static pid_t idle_process(void) {
        static pid_t idle;

        if (idle == 0) {
                const pid_t parent = getpid();
                int ready[2];
                char byte;

                EXPECT(pipe2(ready, O_CLOEXEC) >= 0);
                idle = fork();
                EXPECT(idle >= 0);
                if (idle == 0) {
                        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                        /* Else it had the end of the connection that is to be closed. */
                        (void) close_range(3, ~0U, 0);
                        while (getppid() == parent)
                                (void) pause();
                        _exit(0);
                }
                /* Its end is read once it has closed all. */
                ready[1] = fd_close(ready[1]);
                EXPECT(read(ready[0], &byte, 1) == 0);
                ready[0] = fd_close(ready[0]);
        }
        return idle;
}

int __wrap_posix_spawn(pid_t *ret, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
                       char *const argv[], char *const env[]) {
        *ret = idle_process();
        return 0;
}

int __wrap_kill(pid_t pid, int signal) {
        return 0;
}

/* The kernel takes a hundredth of a second to end a watch, which is all of an input's time. */
int __wrap_sd_event_add_inotify(sd_event *event, sd_event_source **ret, const char *path, uint32_t mask, sd_event_inotify_handler_t handler,
                                void *userdata) {
        *ret = NULL;
        return 0;
}

static void on_xml(int error, const char *text, void *userdata) {
        (*(unsigned *) userdata)++;
        EXPECT(error >= 0 && text);
        if (error > 0)
                EXPECT(*text && utf8_valid(text));
}

static void check_state(const Libvirt *l) {
        const LibvirtDomain *domains;
        size_t n;

        EXPECT(utf8_valid(libvirt_why(l)) && (libvirt_state(l) != LIBVIRT_AWAY || *libvirt_why(l)));
        domains = libvirt_domains(l, &n);
        for (size_t i = 0; i < n; i++)
                EXPECT(*domains[i].name && utf8_valid(domains[i].name) && strspn(domains[i].uuid, "0123456789abcdef") == 32);
        EXPECT(n == 0 || libvirt_state(l) == LIBVIRT_CONNECTED);
}

static void on_changed(void *userdata) {
        check_state(*(Libvirt **) userdata);
}

static void run_until_quiet(sd_event *event) {
        while (sd_event_run(event, 0) > 0)
                ;
}

/* At most as much as a socket takes at once. */
static void say(sd_event *event, const uint8_t *data, size_t size) {
        while (size > 0 && theirs >= 0) {
                ssize_t n = send(theirs, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n < 0 && errno != EAGAIN)
                        break; /* it is not listened to any more */
                if (n > 0) {
                        data += n;
                        size -= (size_t) n;
                }
                run_until_quiet(event);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const LibvirtPlaces places = {
                .program = "tced-libvirt", .uri = "test:///default", .run = fuzz_folder(), .connect = true,
                .silence_usec = UINT64_C(3600) * 1000000, .backoff_min_usec = UINT64_C(3600) * 1000000,
        };
        Libvirt *l = NULL;
        const LibvirtObserver observer = { .changed = on_changed, .userdata = &l };
        sd_event *event = NULL;

        log_set_level(LOG_EMERG);
        memset(answers, 0, sizeof(answers));
        fuzz_write(fuzz_folder(), "driver.pid", "1\n", 2);
        EXPECT(sd_event_new(&event) >= 0 && libvirt_new(event, &places, &observer, &l) == 0 && theirs >= 0);
        EXPECT(libvirt_get_xml(l, "web1", on_xml, &answers[0]) == 0 && libvirt_get_xml(l, "db", on_xml, &answers[1]) == 0);
        say(event, data, size);
        check_state(l);
        theirs = fd_close(theirs);
        run_until_quiet(event);
        EXPECT(libvirt_state(l) == LIBVIRT_AWAY);
        check_state(l);
        for (size_t i = 0; i < ASKED; i++)
                EXPECT(answers[i] == 1);
        l = libvirt_free(l);
        (void) sd_event_unref(event);
        return 0;
}
