/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* memlock_raise.c: how much a VMM needs, to what its limit is raised, and that it is its own: a PID that is another's by then is made by
 * ending the process while the limit is set (--wrap=prlimit64). */

#include "memlock_raise.h"

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tap.h"
#include "util.h"
#include "vfio_window.h"

#define MIB (UINT64_C(1) << 20)
#define NONE MEMLOCK_NO_LIMIT
#define MORE(n) ((MemlockNeed) { (n), false })

int __real_prlimit64(pid_t pid, int resource, const struct rlimit *new, struct rlimit *old);
int __wrap_prlimit64(pid_t pid, int resource, const struct rlimit *new, struct rlimit *old);

static void end_child(pid_t pid) {
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
}

/* Ends when a limit has been set; 0: none. */
static pid_t ends_meanwhile;

int __wrap_prlimit64(pid_t pid, int resource, const struct rlimit *new, struct rlimit *old) {
        int r = __real_prlimit64(pid, resource, new, old);

        if (new && ends_meanwhile > 0) {
                end_child(ends_meanwhile);
                ends_meanwhile = 0;
        }
        return r;
}

static PlanTable table_of(DeviceKind kind, bool refused) {
        return (PlanTable) {
                .window = { .kind = kind, .liobn = 0x80010000, .size = UINT64_C(1) << 30, .page_shift = 12, .group = 3 },
                .entries = 1 << 18, .verdict.refused = refused,
        };
}

static void test_need(void) {
        static const VfioFacts bare = { .platform = PLATFORM_POWERNV }, partition = { .platform = PLATFORM_PSERIES };
        static const Memlock domain = { .charged = 900, .charged_at_start = 800 }, at_start = { .charged = 700, .charged_at_start = 800 };
        PlanTable vfio[] = { table_of(DEVICE_VFIO, false), table_of(DEVICE_VFIO, true), table_of(DEVICE_PCI, false) };
        Plan plan = { .locked_bytes = 10 * MIB, .dynamic_locked_bytes = 3 * MIB };
        uint64_t window = vfio_window_charge(&vfio[0].window, 65536, &partition, 65536);

        tap_ok(memlock_need(&plan, &domain, &bare, 65536).in_all && !memlock_need(&plan, NULL, &bare, 65536).in_all,
               "a domain's is all that it will have locked, a plan's comes on top");
        tap_eq(memlock_need(&(Plan) {}, NULL, &bare, 65536).bytes, 0, "nothing is needed for nothing");
        tap_eq(memlock_need(&plan, NULL, &bare, 65536).bytes, 13 * MIB, "its tables, and those its guest may ask for");
        tap_eq(memlock_need(&plan, &domain, &bare, 65536).bytes, 900, "of a domain, what was counted for it, guest memory with it");
        tap_eq(memlock_need(&plan, &at_start, &bare, 65536).bytes, 800, "at its start, where that is more");
        plan.tables = vfio;
        plan.n_tables = ELEMENTSOF(vfio);
        tap_ok(window == 2 * MIB && memlock_need(&plan, NULL, &partition, 65536).bytes == 15 * MIB, "a VFIO window on the hardware's side, once");
        tap_ok(memlock_need(&plan, NULL, &bare, 65536).bytes > 15 * MIB, "which costs more on bare metal");
        plan.locked_bytes = UINT64_MAX - 1;
        tap_eq((long long) memlock_need(&plan, NULL, &partition, 65536).bytes, (long long) UINT64_MAX, "more than can be stays at the most");
}

static void test_decide(void) {
        static const struct {
                const char *name;
                MemlockState before;
                uint64_t need, most;
                uint64_t soft, hard;
                bool in_all;
        } cases[] = {
                { "raised, soft and hard", { 8, 8, 0, false }, 100, 1000, 100, 100 },
                { "what is locked comes on top", { 8, 8, 5, false }, 100, 1000, 105, 105 },
                { "unless that is in it", { 8, 8, 5, false }, 100, 1000, 100, 100, true },
                { "a higher hard limit stays", { 8, 500, 0, false }, 100, 1000, 100, 500 },
                { "no hard limit stays none", { 8, NONE, 0, false }, 100, 1000, 100, NONE },
                { "a limit of 0", { 0, 0, 0, false }, 100, 1000, 100, 100 },
                { "it just does", { 100, 100, 0, false }, 100, 1000, 100, 100 },
                { "one byte short", { 99, 99, 0, false }, 100, 1000, 100, 100 },
                { "never lowered", { 200, 300, 0, false }, 100, 1000, 200, 300 },
                { "no limit", { NONE, NONE, 50, false }, 100, 1000, NONE, NONE },
                { "CAP_IPC_LOCK", { 8, 8, 50, true }, 100, 1000, 8, 8 },
                { "nothing to lock", { 8, 8, 50, false }, 0, 1000, 8, 8 },
                { "no higher than allowed", { 8, 8, 0, false }, 5000, 1000, 1000, 1000 },
                { "what is locked is no way around that", { 8, 8, 950, false }, 100, 1000, 1000, 1000 },
                { "it is there already", { 1000, 1000, 0, false }, 5000, 1000, 1000, 1000 },
                { "it is beyond that already", { 2000, 2000, 0, false }, 5000, 1000, 2000, 2000 },
                { "switched off", { 8, 8, 0, false }, 100, 0, 8, 8 },
                { "what overflows", { 8, 8, 100, false }, UINT64_MAX - 1, 1000, 1000, 1000 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                MemlockState s = cases[i].before;
                bool changed = memlock_decide(&s, (MemlockNeed) { cases[i].need, cases[i].in_all }, cases[i].most);

                tap_ok(s.soft == cases[i].soft && s.hard == cases[i].hard, "%s", cases[i].name);
                tap_ok(changed == (s.soft != cases[i].before.soft), "%s: is told so", cases[i].name);
                tap_ok(s.locked == cases[i].before.locked && s.ipc_lock == cases[i].before.ipc_lock, "%s: the rest is as it was",
                       cases[i].name);
        }
}

/* May this process raise hard limits? Root in a container may not: then children are root's too, without capabilities, and there is room below
 * their hard limit. */
static bool privileged;
#define CHILD_HARD (privileged ? 65536 : 4 * MIB)

static bool has_sys_resource(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2];

        return syscall(SYS_capget, &header, data) == 0 && (data[0].effective >> CAP_SYS_RESOURCE & 1);
}

static void drop(bool capable) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        const struct __user_cap_data_struct none[2] = {};

        if (!capable && privileged && (setgroups(0, NULL) < 0 || setresgid(1, 1, 1) < 0 || setresuid(1, 1, 1) < 0))
                _exit(EXIT_FAILURE);
        if (!capable && syscall(SYS_capset, &header, none) < 0)
                _exit(EXIT_FAILURE);
}

/* A child that waits to be ended. capable: it has CAP_IPC_LOCK. */
static pid_t start_child(bool capable, uint64_t soft, uint64_t hard) {
        const struct rlimit limit = { .rlim_cur = soft, .rlim_max = hard };
        int fds[2];
        pid_t pid;
        char byte;

        if (pipe(fds) < 0)
                exit(EXIT_FAILURE);
        pid = fork();
        if (pid == 0) {
                if (setrlimit(RLIMIT_MEMLOCK, &limit) < 0)
                        _exit(EXIT_FAILURE);
                drop(capable);
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) !write(fds[1], "", 1);
                for (;;)
                        (void) pause();
        }
        (void) close(fds[1]);
        if (read(fds[0], &byte, 1) != 1)
                exit(EXIT_FAILURE);
        (void) close(fds[0]);
        return pid;
}

static bool has_limit(pid_t pid, uint64_t soft, uint64_t hard) {
        struct rlimit now;

        if (__real_prlimit64(pid, RLIMIT_MEMLOCK, NULL, &now) == 0 && now.rlim_cur == soft && now.rlim_max == hard)
                return true;
        printf("#   it has %llu and %llu\n", (unsigned long long) now.rlim_cur, (unsigned long long) now.rlim_max);
        return false;
}

static uint64_t hard_for(uint64_t soft) {
        return soft > CHILD_HARD ? soft : CHILD_HARD;
}

static void test_raise(int proc_fd) {
        pid_t pid = start_child(false, 65536, CHILD_HARD), root = start_child(true, 65536, 65536);
        Process p = PROCESS_INIT, of_root = PROCESS_INIT;
        MemlockRaised raised;

        if (process_open(proc_fd, pid, &p) < 0 || process_open(proc_fd, root, &of_root) < 0)
                exit(EXIT_FAILURE);
        tap_eq(memlock_raise(proc_fd, &p, MORE(2 * MIB), 0, &raised), 0, "switched off");
        tap_ok(has_limit(pid, 65536, CHILD_HARD) && raised.after == 65536 && raised.wanted == 2 * MIB, "nothing happens, which is told");
        tap_eq(memlock_raise(proc_fd, &p, MORE(2 * MIB), MIB, &raised), 0, "not beyond what is allowed");
        tap_ok(has_limit(pid, MIB, hard_for(MIB)) && raised.before == 65536 && raised.after == MIB && raised.wanted == 2 * MIB,
               "it has what is allowed, and is told what is missing");
        tap_eq(memlock_raise(proc_fd, &p, MORE(2 * MIB), NONE, &raised), 0, "raised");
        tap_ok(has_limit(pid, 2 * MIB, hard_for(2 * MIB)) && raised.after == raised.wanted, "as far as it needs");
        tap_eq(memlock_raise(proc_fd, &p, MORE(MIB), NONE, &raised), 0, "once more, for less");
        tap_ok(has_limit(pid, 2 * MIB, hard_for(2 * MIB)) && raised.before == raised.after, "it is not lowered");
        tap_eq(memlock_raise(proc_fd, &of_root, MORE(2 * MIB), NONE, &raised), 0, "a process with CAP_IPC_LOCK");
        tap_ok(has_limit(root, 65536, 65536) && raised.after == NONE, "needs nothing");
        end_child(pid);
        tap_eq(memlock_raise(proc_fd, &p, MORE(2 * MIB), NONE, &raised), -ESRCH, "a process that has ended");
        end_child(root);
        process_close(&p);
        process_close(&of_root);
}

/* The PID is another's when the limit is set. */
static void test_other(int proc_fd) {
        pid_t pid = start_child(false, 65536, CHILD_HARD), other = start_child(false, 65536, CHILD_HARD);
        Process p = PROCESS_INIT;
        MemlockRaised raised;

        if (process_open(proc_fd, pid, &p) < 0)
                exit(EXIT_FAILURE);
        p.pid = other;
        ends_meanwhile = pid;
        tap_eq(memlock_raise(proc_fd, &p, MORE(2 * MIB), NONE, &raised), -ESRCH, "a process that ends meanwhile");
        tap_eq(ends_meanwhile, 0, "it ended while the limit was set");
        tap_ok(has_limit(other, 65536, CHILD_HARD), "whoever has its PID has the limit back that was its own");
        tap_eq(raised.after, 65536, "nothing was raised");
        end_child(other);
        process_close(&p);
}

/* More than who asks may set. */
static void test_not_allowed(int proc_fd) {
        pid_t pid = start_child(false, 65536, 65536), as_user;
        Process p = PROCESS_INIT;
        MemlockRaised raised;
        int status;

        if (process_open(proc_fd, pid, &p) < 0)
                exit(EXIT_FAILURE);
        as_user = fork();
        if (as_user == 0) {
                drop(false);
                _exit(memlock_raise(proc_fd, &p, MORE(2 * MIB), NONE, &raised) == -EPERM && raised.before == 65536 &&
                              raised.after == 65536 && raised.wanted == 2 * MIB ? EXIT_SUCCESS : EXIT_FAILURE);
        }
        (void) waitpid(as_user, &status, 0);
        tap_ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "who may not raise it is told so, and by how much it was short");
        tap_ok(has_limit(pid, 65536, 65536), "it stays");
        end_child(pid);
        process_close(&p);
}

int main(void) {
        int proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

        privileged = has_sys_resource();
        test_need();
        test_decide();
        if (geteuid() == 0) {
                test_raise(proc_fd);
                test_other(proc_fd);
                test_not_allowed(proc_fd);
        } else
                tap_skip("limits of others are root's to raise", "a process's limit");
        return tap_done();
}
