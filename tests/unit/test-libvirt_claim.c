/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libvirt_claim.c: which process is a domain's, by pid files that are made up in every way, and by labels of a made-up /proc. */

#include "libvirt_claim.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tap.h"
#include "tree.h"
#include "util.h"

static Tree tree;
static int proc_fd;

/* A child that may have a file locked, as libvirt leaves it or as a reader, and stays until it is killed. */
static pid_t start_child_with_lock(const char *lock, short type) {
        int ready[2];
        char byte;
        pid_t pid;

        if (pipe2(ready, O_CLOEXEC) < 0)
                exit(99);
        pid = fork();
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (lock) {
                        struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_len = 1 };
                        int writable = open(lock, O_WRONLY | O_CREAT, 0644);
                        int fd = type == F_WRLCK ? writable : open(lock, O_RDONLY);

                        if (fd < 0 || ftruncate(writable, 0) < 0 || dprintf(writable, "%d", (int) getpid()) < 0 ||
                            fcntl(fd, F_SETLK, &l) < 0)
                                _exit(1);
                }
                (void) !write(ready[1], "r", 1);
                for (;;)
                        (void) pause();
        }
        if (read(ready[0], &byte, 1) != 1)
                exit(99);
        (void) close(ready[0]);
        (void) close(ready[1]);
        return pid;
}

static pid_t start_child(const char *lock) {
        return start_child_with_lock(lock, F_WRLCK);
}

static void end_child(pid_t pid) {
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
}

static Process hold(pid_t pid) {
        Process p = PROCESS_INIT;

        if (process_open(proc_fd, pid, &p) < 0)
                exit(99);
        return p;
}

static const char *run_path(const char *file) {
        static char path[512];

        (void) snprintf(path, sizeof(path), "%s/run/%s", tree.path, file);
        return path;
}

static const char *run_folder(void) {
        static char path[160];

        (void) snprintf(path, sizeof(path), "%s/run", tree.path);
        return path;
}

static void put(const char *file, const char *text) {
        FILE *f = fopen(run_path(file), "we");

        if (!f || fputs(text, f) < 0 || fclose(f) != 0)
                tree_fail("write", file);
        (void) chmod(run_path(file), 0644);
}

#define denied(r, why, fragment, ...) tap_ok(is_denied((r), (why), (fragment)), __VA_ARGS__)
static bool is_denied(int r, const char *why, const char *fragment) {
        bool well = r == -EPERM && strstr(why, fragment);

        if (!well)
                printf("#   have %d: %s\n#   want: %s\n", r, why, fragment);
        return well;
}

static int claim(const char *name, const Process *process, char why[CLAIM_WHY_MAX]) {
        return libvirt_claim_process(&(LibvirtClaim) { .run = run_folder(), .name = name, .id = 3, .proc_fd = proc_fd }, process, why);
}

/* libvirt's own name for the file of each domain, and the right process. */
static void test_names(void) {
        static const struct {
                const char *name, *file;
        } cases[] = {
                { "web1", "web1.pid" },
                { "web 1", "web 1.pid" },
                { "a&b", "a&amp;b.pid" },
                { "<\"it's\">", "&lt;&quot;it&apos;s&quot;&gt;.pid" },
                { "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f.pid" },
                { "..", "...pid" },
                { "%s", "%s.pid" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                pid_t pid = start_child(run_path(cases[i].file));
                Process p = hold(pid);
                char why[CLAIM_WHY_MAX] = "";

                tap_eq(claim(cases[i].name, &p, why), 0, "the process of %s", cases[i].name);
                if (*why)
                        printf("#   %s\n", why);
                process_close(&p);
                end_child(pid);
        }
}

/* One thing is wrong at a time. */
static void test_files(void) {
        pid_t pid = start_child(run_path("web1.pid")), other = start_child(NULL);
        Process p = hold(pid), q = hold(other);
        char why[CLAIM_WHY_MAX], text[64];
        char longest[300];

        tap_eq(claim("web1", &p, why), 0, "all is well");
        (void) snprintf(text, sizeof(text), "as process %d", (int) pid);
        denied(claim("web1", &q, why), why, text, "another process");
        denied(claim("web2", &p, why), why, "web2.pid", "no file");
        memset(longest, 'x', sizeof(longest) - 1);
        longest[sizeof(longest) - 1] = '\0';
        denied(claim(longest, &p, why), why, strerror(ENAMETOOLONG), "a name that is too long for a file");
        denied(libvirt_claim_process(&(LibvirtClaim) { .run = "/nonexistent", .name = "web1", .id = -1, .proc_fd = proc_fd }, &p, why), why, "/nonexistent, where libvirt keeps", "no folder");

        (void) chmod(run_path("web1.pid"), 0664);
        denied(claim("web1", &p, why), why, "can't be believed", "a file that its group may write");
        (void) chmod(run_path("web1.pid"), 0646);
        denied(claim("web1", &p, why), why, "can't be believed", "a file that anyone may write");
        (void) chmod(run_path("web1.pid"), 0644);
        (void) !chown(run_path("web1.pid"), 65534, 0);
        denied(claim("web1", &p, why), why, "user 65534", "a file of another user's");
        (void) !chown(run_path("web1.pid"), 0, 0);
        (void) chmod(run_folder(), 0775);
        denied(claim("web1", &p, why), why, "is not root's alone to write to", "a folder that its group may write to");
        (void) chmod(run_folder(), 0755);
        (void) !chown(run_folder(), 65534, 0);
        denied(claim("web1", &p, why), why, "is not root's alone to write to", "a folder of another user's");
        (void) !chown(run_folder(), 0, 0);
        tap_eq(claim("web1", &p, why), 0, "all is well again");

        (void) snprintf(text, sizeof(text), "%d", (int) other);
        put("left.pid", text);
        denied(claim("left", &q, why), why, "left over", "a file with its PID that it has not locked");
        tap_eq(libvirt_claim_running(run_folder(), "web1"), pid, "web1 runs");
        tap_eq(libvirt_claim_running(run_folder(), "left"), 0, "one that was left over does not");
        tap_eq(libvirt_claim_running(run_folder(), "nobody"), 0, "one that is not there does not");
        end_child(pid);
        tap_eq(libvirt_claim_running(run_folder(), "web1"), 0, "web1 has ended");
        denied(claim("web1", &p, why), why, "left over", "a process that has ended");
        process_close(&p);
        process_close(&q);
        end_child(other);
}

/* Whoever got the PID in a file that was left over can read it, and so lock it as a reader. */
static void test_reader(void) {
        pid_t pid = start_child_with_lock(run_path("read.pid"), F_RDLCK);
        Process p = hold(pid);
        char why[CLAIM_WHY_MAX];

        denied(claim("read", &p, why), why, "left over", "a file that its process has locked as one who may only read it");
        tap_eq(libvirt_claim_running(run_folder(), "read"), 0, "nor does that VM run");
        process_close(&p);
        end_child(pid);
}

/* In a folder that root shares: what the cgroup says. */
static void test_cgroups(void) {
        static const struct {
                const char *name, *cgroup;
                int id;
                const char *why; /* NULL: it is */
        } cases[] = {
                { "systemd's scope", "0::/machine.slice/machine-qemu\\x2d3\\x2dweb1.scope/libvirt/emulator\n", 3, NULL },
                { "a name of which nothing is left", "0::/machine.slice/machine-qemu\\x2d3.scope/libvirt/emulator\n", 3, NULL },
                { "libvirt's own", "0::/machine/qemu-3-web1.libvirt-qemu/emulator\n", 3, NULL },
                { "libvirt's own, of no name", "0::/machine/qemu-3.libvirt-qemu/emulator\n", 3, NULL },
                { "of the older kind", "12:cpuset:/\n4:memory:/machine.slice/machine-qemu\\x2d3\\x2dweb1.scope\n1:name=systemd:/x\n", 3, NULL },
                { "in a slice of one's own", "0::/machine.slice/machine-gold.slice/machine-qemu\\x2d12\\x2da.scope\n", 12, NULL },
                { "another VM's", "0::/machine.slice/machine-qemu\\x2d4\\x2dweb1.scope/libvirt/emulator\n", 3, "not in the cgroup of libvirt's VM 3" },
                { "one that begins like it", "0::/machine.slice/machine-qemu\\x2d33\\x2dweb1.scope\n", 3, "machine-qemu" },
                { "one that it ends like", "0::/machine.slice/machine-qemu\\x2d4\\x2dqemu-3-.scope\n", 3, "machine-qemu" },
                { "no VM's", "0::/system.slice/tced.service\n", 3, "/system.slice/tced.service" },
                { "a user's own", "0::/user.slice/user-1000.slice/user@1000.service/machine-qemu\\x2d3\\x2dweb1.scope\n", 3, "user.slice" },
                { "no number", "0::/machine.slice/machine-qemu\\x2d-1\\x2dweb1.scope\n", -1, "cgroup_controllers" },
                { "no cgroup", NULL, 3, "can't be read" },
                { "an empty one", "\n", 3, "not in the cgroup" },
        };
        pid_t pid = start_child(run_path("web1.pid"));
        Process p = hold(pid);

        (void) !chown(run_folder(), 65534, 0);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Tree proc = tree_new();
                char why[CLAIM_WHY_MAX] = "", path[64];
                const TreeEntry entry = { .path = path, .text = cases[i].cgroup };
                _cleanup_fd_ int fd = open(proc.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
                int r;

                (void) snprintf(path, sizeof(path), "%d/cgroup", (int) pid);
                if (cases[i].cgroup)
                        tree_add(&proc, &entry, 1);
                r = libvirt_claim_process(&(LibvirtClaim) { .run = run_folder(), .name = "web1", .id = cases[i].id, .proc_fd = fd }, &p, why);
                if (cases[i].why)
                        denied(r, why, cases[i].why, "cgroup: %s", cases[i].name);
                else if (!tap_eq(r, 0, "cgroup: %s", cases[i].name))
                        printf("#   %s\n", why);
                tree_remove(&proc);
        }
        (void) !chown(run_folder(), 0, 0);
        process_close(&p);
        end_child(pid);
}

/* What is in the place of the file, and what is in it. */
static void test_contents(void) {
        static const struct {
                const char *text, *why;
        } cases[] = {
                { "", "has no PID in it" },  { "x", "has no PID in it" },           { "0", "has no PID in it" },
                { "-1", "has no PID in it" }, { " 1", "has no PID in it" },         { "99999999999999999999", "has no PID in it" },
                { "4294967297", "has no PID in it" }, { "12 13", "has no PID in it" }, { "1\n", "libvirt runs it as process 1 (" },
        };
        Process self = hold(getpid());
        char why[CLAIM_WHY_MAX], target[600];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                put("odd.pid", cases[i].text);
                denied(claim("odd", &self, why), why, cases[i].why, "a file with '%.*s'", (int) strcspn(cases[i].text, "\n"), cases[i].text);
        }
        (void) unlink(run_path("odd.pid"));
        (void) snprintf(target, sizeof(target), "%s", run_path("web1.pid"));
        (void) !symlink(target, run_path("odd.pid"));
        denied(claim("odd", &self, why), why, strerror(ELOOP), "a link");
        (void) unlink(run_path("odd.pid"));
        (void) mkdir(run_path("odd.pid"), 0755);
        denied(claim("odd", &self, why), why, "can't be believed", "a folder");
        (void) rmdir(run_path("odd.pid"));
        (void) mkfifo(run_path("odd.pid"), 0644);
        denied(claim("odd", &self, why), why, "can't be believed", "a FIFO, which nobody waits for");
        (void) unlink(run_path("odd.pid"));
        process_close(&self);
}

/* Labels as the security modules show them. */
static void test_labels(void) {
        static const struct {
                const char *name, *model, *label;
                const char *file, *current; /* below attr */
                const char *why;            /* NULL: it is */
        } cases[] = {
                { "none is asked for", NULL, NULL, "current", "whatever", NULL },
                { "AppArmor's own folder", "apparmor", "libvirt-1", "apparmor/current", "libvirt-1 (enforce)\n", NULL },
                { "AppArmor before it had one", "apparmor", "libvirt-1", "current", "libvirt-1 (enforce)\n", NULL },
                { "AppArmor, complaining", "apparmor", "libvirt-1", "current", "libvirt-1 (complain)\n", NULL },
                { "AppArmor, without a mode", "apparmor", "libvirt-1", "current", "libvirt-1\n", NULL },
                { "AppArmor, a profile with blanks", "apparmor", "a (b) c", "current", "a (b) c (enforce)\n", NULL },
                { "AppArmor, another VM's", "apparmor", "libvirt-1", "current", "libvirt-2 (enforce)\n", "label libvirt-2, the VM under libvirt-1" },
                { "AppArmor, one that begins like it", "apparmor", "libvirt-1", "current", "libvirt-11 (enforce)\n", "libvirt-11" },
                { "AppArmor, unconfined", "apparmor", "libvirt-1", "current", "unconfined\n", "unconfined" },
                { "SELinux", "selinux", "system_u:system_r:svirt_t:s0:c1,c2", "current", "system_u:system_r:svirt_t:s0:c1,c2\n", NULL },
                { "SELinux, other categories", "selinux", "u:r:svirt_t:s0:c1,c2", "current", "u:r:svirt_t:s0:c1,c3\n", "s0:c1,c3" },
                { "SELinux does not cut", "selinux", "a", "current", "a (enforce)\n", "a (enforce)" },
                { "SELinux is not in AppArmor's folder", "selinux", "a", "apparmor/current", "a\n", "can't be read" },
                { "no security module", "apparmor", "libvirt-1", "nothing", "\n", "can't be read" },
                { "an empty label", "selinux", "a", "current", "\n", "label , the VM" },
        };
        Process self = hold(getpid());

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Tree proc = tree_new();
                char why[CLAIM_WHY_MAX] = "", path[64];
                const TreeEntry entry = { .path = path, .text = cases[i].current };
                _cleanup_fd_ int fd = open(proc.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
                int r;

                (void) snprintf(path, sizeof(path), "%d/attr/%s", (int) getpid(), cases[i].file);
                tree_add(&proc, &entry, 1);
                r = libvirt_claim_label(fd, cases[i].model, cases[i].label, &self, why);
                if (cases[i].why)
                        denied(r, why, cases[i].why, "label: %s", cases[i].name);
                else
                        tap_eq(r, 0, "label: %s", cases[i].name);
                tree_remove(&proc);
        }
        process_close(&self);
}

static void test_owners(void) {
        static const struct {
                const char *label;
                int r;
                uid_t uid;
        } cases[] = {
                { "+64055:+64055", 0, 64055 }, { "+0:+0", 0, 0 },          { "root:root", 0, 0 },      { "64055:64055", 0, 64055 },
                { "+64055", 0, 64055 },        { "", -EINVAL, 0 },         { ":root", -EINVAL, 0 },    { "+x:+y", -EINVAL, 0 },
                { "+-1:+0", -EINVAL, 0 },      { "+4294967294:", 0, 4294967294 }, { "+4294967295:", -EINVAL, 0 },
                { "no-such-user-here:kvm", -EINVAL, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uid_t uid = 7;
                int r = libvirt_claim_owner(cases[i].label, &uid);

                tap_ok(r == cases[i].r && uid == (r < 0 ? 7 : cases[i].uid), "the user of '%s'", cases[i].label);
        }
}

int main(void) {
        proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        tree = tree_new();
        (void) mkdir(run_folder(), 0755);
        if (geteuid() == 0) {
                test_names();
                test_files();
                test_reader();
                test_contents();
                test_cgroups();
        } else
                tap_skip("only root has files that are believed", "pid files");
        test_labels();
        test_owners();
        tree_remove(&tree);
        (void) close(proc_fd);
        return tap_done();
}
