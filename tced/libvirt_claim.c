/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libvirt_claim.h"

#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "util.h"

/* For `return deny(…)`. */
static _printf_(2, 3) int deny(char why[CLAIM_WHY_MAX], const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(why, CLAIM_WHY_MAX, format, ap);
        va_end(ap);
        return -EPERM;
}

/* libvirt makes the name as if it went into XML (src/util/virpidfile.c:virPidFileBuildPath, virbuffer.c:virBufferEscapeString):
 * VM "a&b" has a&amp;b.pid. Control characters, which it leaves out, are in no machine's name. NULL: no memory. */
static char *pid_file_name(const char *name) {
        static const struct {
                char from;
                const char *to;
        } escapes[] = { { '<', "&lt;" }, { '>', "&gt;" }, { '&', "&amp;" }, { '"', "&quot;" }, { '\'', "&apos;" } };
        char *file = malloc(strlen(name) * strlen("&quot;") + sizeof(".pid")), *end = file;

        for (; file && *name; name++) {
                const char *to = NULL;

                for (size_t i = 0; i < ELEMENTSOF(escapes); i++)
                        if (escapes[i].from == *name)
                                to = escapes[i].to;
                if (to)
                        end = stpcpy(end, to);
                else
                        *end++ = *name;
        }
        if (file)
                (void) strcpy(end, ".pid");
        return file;
}

static bool is_roots_alone(const struct stat *st) {
        return st->st_uid == 0 && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* Opens the folder, then the file in it: neither changes under our hands. *ret_alone: root alone can have put it there. */
static int open_pid_file(const char *run, const char *file, int *ret, bool *ret_alone, char why[CLAIM_WHY_MAX]) {
        _cleanup_fd_ int dir = -EBADF, fd = -EBADF;
        struct stat st;

        dir = open(run, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0 || fstat(dir, &st) < 0)
                return deny(why, "%s, where libvirt keeps the PIDs of its VMs, can't be opened: %s", run, strerror(errno));
        *ret_alone = is_roots_alone(&st);
        fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return deny(why, "%s/%s, which would have its PID, can't be opened: %s", run, file, strerror(errno));
        if (fstat(fd, &st) < 0)
                return deny(why, "%s/%s: %s", run, file, strerror(errno));
        if (!S_ISREG(st.st_mode) || !is_roots_alone(&st))
                return deny(why, "%s/%s is no file that root alone can write (user %u, mode %06o), so it can't be believed; "
                            "end the VM, remove the file, and start it again", run, file, (unsigned) st.st_uid, (unsigned) st.st_mode);
        *ret = TAKE_FD(fd);
        return 0;
}

static int read_pid(int fd, pid_t *ret) {
        char text[32];
        uint64_t pid;
        ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

        if (n < 0)
                return -errno;
        text[n] = '\0';
        text[strcspn(text, "\n")] = '\0';
        if (parse_u64(text, INT_MAX, &pid) < 0 || pid == 0)
                return -EBADMSG;
        *ret = (pid_t) pid;
        return 0;
}

/* Who has it locked; 0: nobody, or one whom we can't see. Asked as a reader would: whoever may read the file may lock it against
 * writers, and only who may write it, which is root, against readers. */
static pid_t lock_holder(int fd) {
        struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };

        return fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? lock.l_pid : 0;
}

static const struct {
        const char *prefix, *joint;
} forms[] = { { "/machine-qemu\\x2d", "\\x2d" }, { "/qemu-", "-" } };

/* One line of /proc/PID/cgroup: "0::/machine.slice/machine-qemu\x2d3\x2dweb1.scope/libvirt/emulator" where systemd made it
 * (src/util/virsystemd.c:virSystemdMakeScopeName), "0::/machine/qemu-3-web1.libvirt-qemu/emulator" where libvirt did
 * (src/util/vircgroup.c:virCgroupNewDomainPartition). A name has but few of its characters there, and they may be none. */
static bool line_is_of(const char *line, int id) {
        /* There users make cgroups of their own. */
        if (strstr(line, ":/user.slice/"))
                return false;
        for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
                char want[64];
                const char *at;
                size_t length = (size_t) snprintf(want, sizeof(want), "%s%d", forms[i].prefix, id);

                for (at = strstr(line, want); at; at = strstr(at + 1, want))
                        if (at[length] == '.' || strncmp(at + length, forms[i].joint, strlen(forms[i].joint)) == 0)
                                return true;
        }
        return false;
}

static int check_cgroup(const LibvirtClaim *claim, const Process *process, char why[CLAIM_WHY_MAX]) {
        char path[64], text[4096], *rest, *shown;
        ssize_t n;

        (void) snprintf(path, sizeof(path), "%d/cgroup", (int) process->pid);
        n = read_file_at(claim->proc_fd, path, text, sizeof(text));
        if (n < 0)
                return deny(why, "%s is not root's alone to write to, and the cgroup of process %d can't be read: %s", claim->run,
                            (int) process->pid, strerror((int) -n));
        shown = strdupa(text);
        for (char *line = strtok_r(text, "\n", &rest); claim->id >= 0 && line; line = strtok_r(NULL, "\n", &rest))
                if (line_is_of(line, claim->id))
                        return 0;
        return deny(why, "%s is not root's alone to write to, so that a pid file there is not enough, and process %d is not in the "
                    "cgroup of libvirt's VM %d (%.200s); let libvirt use cgroups (cgroup_controllers in qemu.conf)", claim->run,
                    (int) process->pid, claim->id, shown);
}

/* The file is this process's, by what stands in it and by its lock. */
static int check_pid_file(int fd, const LibvirtClaim *claim, const char *file, const Process *process, char why[CLAIM_WHY_MAX]) {
        pid_t pid = 0, holder;
        int r;

        r = read_pid(fd, &pid);
        if (r < 0)
                return deny(why, "%s/%s has no PID in it: %s", claim->run, file, strerror(-r));
        if (pid != process->pid)
                return deny(why, "libvirt runs it as process %d (%s/%s)", (int) pid, claim->run, file);
        holder = lock_holder(fd);
        if (holder != pid)
                return deny(why, "%s/%s is not locked by the process that it names, so it is one that was left over; "
                            "end the VM and start it again", claim->run, file);
        return 0;
}

int libvirt_claim_process(const LibvirtClaim *claim, const Process *process, char why[CLAIM_WHY_MAX]) {
        _cleanup_free_ char *file = pid_file_name(claim->name);
        _cleanup_fd_ int fd = -EBADF;
        bool alone = false;
        int r;

        if (!file)
                return deny(why, "no memory to look for its pid file");
        r = open_pid_file(claim->run, file, &fd, &alone, why);
        if (r >= 0)
                r = check_pid_file(fd, claim, file, process, why);
        if (r >= 0 && !alone)
                r = check_cgroup(claim, process, why);
        if (r < 0)
                return r;
        /* Only now is it certain that the PID was this process's while all of that said so. */
        return process_alive(process) ? 0 : deny(why, "process %d has ended", (int) process->pid);
}

pid_t libvirt_claim_running(const char *run, const char *name) {
        _cleanup_free_ char *file = pid_file_name(name);
        _cleanup_fd_ int fd = -EBADF;
        char why[CLAIM_WHY_MAX];
        pid_t pid = 0;
        bool alone;

        if (!file || open_pid_file(run, file, &fd, &alone, why) < 0 || read_pid(fd, &pid) < 0)
                return 0;
        return lock_holder(fd) == pid ? pid : 0;
}

/* AppArmor has the mode behind the profile: "libvirt-UUID (enforce)". */
static void cut_mode(char *label) {
        size_t length = strlen(label);
        char *mode = strrchr(label, '(');

        if (mode && mode > label && mode[-1] == ' ' && label[length - 1] == ')')
                mode[-1] = '\0';
}

int libvirt_claim_label(int proc_fd, const char *model, const char *label, const Process *process, char why[CLAIM_WHY_MAX]) {
        bool apparmor;
        char path[64], have[4096];
        ssize_t n = -ENOENT;

        if (!model || !label)
                return 0;
        apparmor = streq(model, "apparmor");
        /* Of several security modules attr/current is one's only; older kernels have no folder for AppArmor. */
        if (apparmor) {
                (void) snprintf(path, sizeof(path), "%d/attr/apparmor/current", (int) process->pid);
                n = read_file_at(proc_fd, path, have, sizeof(have));
        }
        if (n < 0) {
                (void) snprintf(path, sizeof(path), "%d/attr/current", (int) process->pid);
                n = read_file_at(proc_fd, path, have, sizeof(have));
        }
        if (n < 0)
                return deny(why, "the %s label of process %d can't be read: %s; libvirt says that it is %.200s", model,
                            (int) process->pid, strerror((int) -n), label);
        if (apparmor)
                cut_mode(have);
        if (!streq(have, label))
                return deny(why, "process %d runs under the %s label %.200s, the VM under %.200s", (int) process->pid, model, have,
                            label);
        return process_alive(process) ? 0 : deny(why, "process %d has ended", (int) process->pid);
}

int libvirt_claim_owner(const char *label, uid_t *ret) {
        size_t length = strcspn(label, ":");
        const struct passwd *user;
        char text[256];
        uint64_t uid;
        bool number;

        if (length == 0 || length >= sizeof(text))
                return -EINVAL;
        memcpy(text, label, length);
        text[length] = '\0';
        number = text[0] == '+';
        user = number ? NULL : getpwnam(text);
        if (user) {
                *ret = user->pw_uid;
                return 0;
        }
        if (parse_u64(text + number, UINT32_MAX - 1, &uid) < 0)
                return -EINVAL;
        *ret = (uid_t) uid;
        return 0;
}
