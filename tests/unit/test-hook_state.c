/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whether a libvirtd calls the hook, by times alone: the libvirtd is this test, the folders are its own. */

#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "build-config.h"
#include "hook_state.h"
#include "tap.h"
#include "util.h"

#define HOOKS TCED_SYSCONFDIR "/libvirt/hooks"

static char root[] = "/tmp/tced-test-hook-XXXXXX";
static char run[64];

static void write_file(const char *path, const char *text, mode_t mode) {
        char copy[256];
        int fd;

        (void) snprintf(copy, sizeof(copy), "%s", path);
        for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                (void) mkdir(copy, 0755);
                *slash = '/';
        }
        fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, mode);
        if (fd < 0 || write(fd, text, strlen(text)) < 0)
                exit(EXIT_FAILURE);
        (void) fd_close(fd);
}

static const char *below(const char *path) {
        static char text[256];

        (void) snprintf(text, sizeof(text), "%s%s", root, path);
        return text;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static uint64_t now(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_REALTIME, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

static HookState look(uint64_t reloaded, uint64_t called) {
        _cleanup_fd_ int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        const HookTimes times = { .reloaded = reloaded, .called = called };
        HookState s;

        hook_state_read(root, run, proc, &times, &s);
        return s;
}

/* A child as the libvirtd that starts after the hook came. */
static void test_started_later(void) {
        char pid[32];
        HookState s;
        pid_t child;

        (void) usleep(50000); /* start times are counted in ticks of 10 ms */
        child = fork();
        if (child == 0) {
                (void) pause();
                _exit(0);
        }
        (void) snprintf(pid, sizeof(pid), "%d", (int) child);
        write_file(below("/run/driver.pid"), pid, 0644);
        s = look(0, 0);
        tap_ok(s.loaded == PROOF_YES, "a libvirtd that starts after the hook came calls it");
        (void) usleep(50000);
        (void) chmod(below(HOOKS "/qemu.d/tced"), 0755); /* changed, as by an update */
        s = look(0, 0);
        tap_ok(s.loaded == PROOF_NO, "a hook that was put in place since then, the only one, may have been away when it looked");
        write_file(below(HOOKS "/qemu.d/tced"), "", 0755);
        (void) kill(child, SIGKILL);
        (void) waitpid(child, NULL, 0);
}

/* In a folder that is the VMs' user's, anything may stand where libvirtd's PID does. */
static void test_not_libvirts(void) {
        char path[256], other[256], pid[16];

        (void) snprintf(path, sizeof(path), "%s/driver.pid", run);
        (void) snprintf(other, sizeof(other), "%s/other", run);
        (void) snprintf(pid, sizeof(pid), "%d", (int) getpid());
        (void) unlink(path);
        if (mkfifo(path, 0666) < 0)
                exit(EXIT_FAILURE);
        (void) alarm(20);
        tap_ok(!look(0, 0).libvirtd, "a FIFO in its place holds nobody up");
        (void) alarm(0);
        (void) unlink(path);
        write_file(other, pid, 0644);
        if (symlink(other, path) < 0)
                exit(EXIT_FAILURE);
        tap_ok(!look(0, 0).libvirtd, "a link is not followed");
        (void) unlink(path);
        if (geteuid() == 0) {
                write_file(path, pid, 0644);
                tap_ok(look(0, 0).libvirtd, "a file of root's is believed");
                if (chown(path, 65534, 65534) < 0)
                        exit(EXIT_FAILURE);
                tap_ok(!look(0, 0).libvirtd, "another's is not");
                (void) unlink(path);
        } else
                tap_skip("only root can make another's file", "another's file");
}

int main(void) {
        char pid[32];
        HookState s;

        if (!mkdtemp(root))
                return EXIT_FAILURE;
        (void) snprintf(run, sizeof(run), "%s/run", root);
        s = look(0, 0);
        tap_ok(!s.installed && s.loaded == PROOF_UNKNOWN, "no hook");
        tap_streq(s.why, HOOKS "/qemu.d/tced is not there, or can't be run", "no hook: said");
        /* A process' start is known in ticks, a file's time as coarsely. */
        (void) usleep(100000);
        write_file(below(HOOKS "/qemu.d/tced"), "", 0644);
        s = look(0, 0);
        tap_ok(!s.installed, "a hook that can't be run is none");
        (void) chmod(below(HOOKS "/qemu.d/tced"), 0755);
        s = look(0, 0);
        tap_ok(s.installed && !s.libvirtd && s.loaded == PROOF_UNKNOWN, "a hook, and no libvirtd");
        (void) snprintf(pid, sizeof(pid), "%d", (int) getpid());
        write_file(below("/run/driver.pid"), pid, 0644);
        s = look(0, 0);
        tap_ok(s.libvirtd && s.loaded == PROOF_NO, "a libvirtd that started before the hook came does not call it");
        tap_streq(s.why, "libvirtd runs since before the hook came or was replaced, and was not reloaded since", "said");
        s = look(1000000, 0);
        tap_ok(s.loaded == PROOF_NO, "a reload of long ago changes nothing");
        s = look(now() + 1, 0);
        tap_ok(s.loaded == PROOF_YES, "a reload since then does");
        s = look(0, now() + 1);
        tap_ok(s.loaded == PROOF_YES, "one that has called it calls it");
        s = look(0, 1000000);
        tap_ok(s.loaded == PROOF_NO, "but not if that was another, before this one started");
        write_file(below("/run/driver.pid"), "1", 0644);
        s = look(0, 0);
        tap_ok(s.loaded == PROOF_NO, "nor does one that is older");
        write_file(below("/run/driver.pid"), "999999999", 0644);
        s = look(0, 0);
        tap_ok(!s.libvirtd && s.loaded == PROOF_UNKNOWN, "a pid file that a libvirtd left behind is no libvirtd");
        write_file(below("/run/driver.pid"), "x", 0644);
        s = look(0, 0);
        tap_ok(!s.libvirtd, "nor is one that makes no sense");
        test_not_libvirts();
        test_started_later();
        (void) nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
        return tap_done();
}
