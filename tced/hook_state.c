/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "hook_state.h"

#include <dirent.h>
#include <sys/stat.h>
#include <time.h>

#include "build-config.h"
#include "util.h"

#define HOOKS TCED_SYSCONFDIR "/libvirt/hooks"

static uint64_t now_usec(clockid_t clock) {
        struct timespec ts = {};

        (void) clock_gettime(clock, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

/* When this file came to be what it is and where it is: by its change time, as packages keep the other one. 0: it can't be run. */
static uint64_t came(int dirfd, const char *name) {
        struct stat st;

        if (faccessat(dirfd, name, X_OK, AT_EACCESS) < 0 || fstatat(dirfd, name, &st, 0) < 0 || !S_ISREG(st.st_mode))
                return 0;
        return (uint64_t) st.st_ctim.tv_sec * 1000000 + (uint64_t) st.st_ctim.tv_nsec / 1000;
}

/* The PID in driver.pid; 0: there is none. Newer libvirts leave the folder to the user of the VMs (libvirt_claim.h): whatever stands there
 * instead, a FIFO for one, must not hold us up, and a file of theirs says nothing. */
static pid_t read_driver_pid(const char *run) {
        _cleanup_free_ char *path = NULL;
        _cleanup_fd_ int fd = -EBADF;
        char text[32];
        struct stat st;
        uint64_t pid;
        ssize_t n;

        if (asprintf(&path, "%s/driver.pid", run) < 0)
                return 0;
        fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (st.st_uid != 0 && st.st_uid != geteuid()))
                return 0;
        n = pread(fd, text, sizeof(text) - 1, 0);
        if (n < 0)
                return 0;
        text[n] = '\0';
        text[strcspn(text, "\n")] = '\0';
        return parse_u64(text, INT32_MAX, &pid) < 0 ? 0 : (pid_t) pid;
}

/* When the process in driver.pid started. 0: none runs. */
static uint64_t libvirtd_started(const char *run, int proc_fd) {
        uint64_t ticks, up = now_usec(CLOCK_BOOTTIME), age;
        pid_t pid = read_driver_pid(run);

        if (pid == 0 || process_start_time(proc_fd, pid, &ticks) < 0)
                return 0;
        ticks = ticks * 1000000 / (uint64_t) sysconf(_SC_CLK_TCK);
        age = up > ticks ? up - ticks : 0;
        return now_usec(CLOCK_REALTIME) - age;
}

/* One hook that was there when libvirtd looked is enough: then it reads the folder at each call. Gives when the oldest came, 0: none. */
static uint64_t oldest_hook(const char *root) {
        _cleanup_free_ char *folder = NULL;
        uint64_t oldest = 0, at;
        DIR *dir = NULL;

        if (asprintf(&folder, "%s" HOOKS "/qemu", root) < 0)
                return 0;
        oldest = came(AT_FDCWD, folder);
        free(TAKE_PTR(folder));
        if (asprintf(&folder, "%s" HOOKS "/qemu.d", root) >= 0)
                dir = opendir(folder);
        for (struct dirent *e; dir && (e = readdir(dir));) {
                at = came(dirfd(dir), e->d_name);
                if (at > 0 && (oldest == 0 || at < oldest))
                        oldest = at;
        }
        if (dir)
                (void) closedir(dir);
        return oldest;
}

void hook_state_read(const char *root, const char *run, int proc_fd, const HookTimes *times, HookState *ret) {
        _cleanup_free_ char *hook = NULL;
        uint64_t started = libvirtd_started(run, proc_fd), looked = started > times->reloaded ? started : times->reloaded, oldest;
        HookState s = { .libvirtd = started > 0, .loaded = PROOF_UNKNOWN };
        bool hidden;

        errno = 0;
        s.installed = asprintf(&hook, "%s" HOOKS "/qemu.d/tced", root) >= 0 && came(AT_FDCWD, hook) > 0;
        hidden = !s.installed && errno == EACCES && faccessat(AT_FDCWD, hook, F_OK, AT_EACCESS) < 0;
        oldest = s.installed ? oldest_hook(root) : 0;
        if (s.libvirtd && times->called > started) {
                s.installed = true;
                s.loaded = PROOF_YES;
                (void) snprintf(s.why, sizeof(s.why), "libvirtd has called it");
        } else if (hidden)
                /* Some distributions keep /etc/libvirt to root. */
                (void) snprintf(s.why, sizeof(s.why), "tced may not look into %s", HOOKS);
        else if (!s.installed)
                (void) snprintf(s.why, sizeof(s.why), "%s/qemu.d/tced is not there, or can't be run", HOOKS);
        else if (!s.libvirtd)
                (void) snprintf(s.why, sizeof(s.why), "no libvirtd runs here");
        else if (oldest < looked) {
                s.loaded = PROOF_YES;
                (void) snprintf(s.why, sizeof(s.why), "libvirtd started or was reloaded after the hook came");
        } else {
                s.loaded = PROOF_NO;
                (void) snprintf(s.why, sizeof(s.why), "libvirtd runs since before the hook came or was replaced, and was not reloaded since");
        }
        *ret = s;
}
