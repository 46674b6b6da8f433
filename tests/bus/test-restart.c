/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tced is killed and comes back: what it knows then is what it knew, and its VMs go on as if nothing had been. The test is the service
 * manager, with its fd store. The KVM is fake-kvm.c's. */

#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>

#include "domain.h"
#include "tap.h"

#define UUID_VM "22222222222222222222222222222222"
#define PATH_VM TCED_MACHINE_PREFIX "/" UUID_VM

/* Three for the kernel, and more in the VMM than one message carries. */
enum { MADE, REFUSED, LATER, SLOW, N_SLOW = 18, N_WINDOWS = SLOW + N_SLOW };

static TestWindow windows[N_WINDOWS];

/* A user with a group of the same number, who may register VMs. */
static const struct passwd *user;

static void make_windows(void) {
        for (unsigned i = 0; i < N_WINDOWS; i++) {
                windows[i] = small_window(i);
                windows[i].device = i < SLOW ? "fast" : "slow";
        }
}

static bool find_user(void) {
        const struct passwd *p;

        setpwent();
        while ((p = getpwent()))
                if (p->pw_uid != 0 && getgrgid(p->pw_uid)) {
                        user = p;
                        return true;
                }
        return false;
}

/* What Describe says of the machines, to be freed. */
static char *machines_now(const Host *h) {
        _cleanup_bus_ sd_bus *bus = open_bus(h);
        _cleanup_free_ char *text = describe_text(bus);
        const char *at = text ? strstr(text, "\"machines\":") : NULL;

        return strdup(at ? at : "");
}

static char *state_file(const Host *h) {
        char path[96];

        (void) snprintf(path, sizeof(path), "%s/" TCED_STATE_NAME, h->dir);
        return read_whole(path);
}

static bool has_file(const Host *h, const char *name) {
        char path[96];

        (void) snprintf(path, sizeof(path), "%s/%s", h->dir, name);
        return access(path, F_OK) == 0;
}

static size_t count(const char *text, const char *part) {
        size_t n = 0;

        for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
                n++;
        return n;
}

/* ---- a VMM: each byte that it is sent is a thing to do, by a connection that it makes for that ---- */

static int acquired(sd_bus *bus, const char *path) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        int fds = 0, r = acquire(bus, path, NULL, 0, NULL, &reply);

        if (r >= 0)
                r = sd_bus_message_skip(reply, "a(ussttutsii)");
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "h");
        while (r >= 0 && sd_bus_message_at_end(reply, 0) == 0) {
                struct stat st;
                int fd;

                r = sd_bus_message_read(reply, "h", &fd);
                if (r >= 0 && (fstat(fd, &st) < 0 || st.st_size < 4096 || (fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK) == 0))
                        return 'x' - '0';
                fds++;
        }
        return r < 0 ? 'e' - '0' : fds;
}

static char act(sd_bus *bus, char what) {
        const uint32_t handed_out = windows[SLOW].liobn;
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        switch (what) {
        case 'c':
                return claim(bus, PATH_VM, NULL) < 0 ? 'n' : 'y';
        case 'a':
                return (char) ('0' + acquired(bus, PATH_VM));
        case 'h':
                r = acquire(bus, PATH_VM, &handed_out, 1, &error, NULL);
                return is_refused(r, &error, "TableHandedOut", "71000003") ? 'y' : 'n';
        case 'm':
        case 'l':
                r = call(bus, PATH_VM, TCED_INTERFACE_MACHINE, "ReportTable", NULL, NULL, "usit", windows[what == 'm' ? MADE : LATER].liobn,
                         "kernel", 0, UINT64_C(0));
                return r < 0 ? 'n' : 'y';
        case 'r':
                r = call(bus, PATH_VM, TCED_INTERFACE_MACHINE, "ReportTable", NULL, NULL, "usit", windows[REFUSED].liobn, "kernel", ENOMEM,
                         UINT64_C(0));
                return r < 0 ? 'n' : 'y';
        case 'u':
                return unregister(bus, PATH_VM, NULL) < 0 ? 'n' : 'y';
        case 'R':
                return register_windows(bus, "own", UUID_B, windows, N_WINDOWS, NO_UID, NULL, NULL) < 0 ? 'n' : 'y';
        default:
                return '?';
        }
}

static void be_vmm(int fd, void *userdata) {
        int what;

        actor_say(fd, 'b');
        while ((what = actor_listen(fd)) >= 0) {
                _cleanup_bus_ sd_bus *bus = open_peer(userdata);

                actor_say(fd, act(bus, (char) what));
        }
}

static Actor start_vmm(Host *h, uid_t uid) {
        Actor a = actor_start(uid, be_vmm, h);

        if (actor_hear(&a) != 'b')
                bail_out("a VMM does not start");
        return a;
}

static int tell(const Actor *a, char what) {
        actor_tell(a, what);
        return actor_hear(a);
}

/* ---- the tests ---- */

static bool restart(Host *h, const char *const *options, const char *name) {
        host_kill_tced(h);
        return tap_ok(host_restart_tced(h, options), "%s: it starts again", name);
}

static void settle(const Host *h) {
        _cleanup_bus_ sd_bus *bus = open_bus(h);

        wait_probed(bus);
}

static void register_vm(const Host *h, const char *name, const char *uuid) {
        _cleanup_bus_ sd_bus *bus = open_bus(h);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        went_well(register_windows(bus, name, uuid, windows, N_WINDOWS, NO_UID, NULL, &error), &error, "%s is registered", name);
}

/* A VM in the midst of its life: one table made, one refused, one yet to be made; all but three of its memfds handed out. */
static Actor make_vm(Host *h) {
        Actor vmm = start_vmm(h, NO_UID);

        register_vm(h, "vm", UUID_VM);
        tap_ok(tell(&vmm, 'c') == 'y' && tell(&vmm, 'm') == 'y' && tell(&vmm, 'r') == 'y', "it is claimed, and its tables reported");
        tap_eq(tell(&vmm, 'a'), '0' + 16, "as many memfds as go into a message are handed out");
        return vmm;
}

static void test_goes_on(Host *h) {
        _cleanup_free_ char *before = NULL, *after = NULL;
        Actor vmm = make_vm(h);
        int fds;

        register_vm(h, "waits", UUID_A);
        before = machines_now(h);
        tap_ok(count(before, "\"state\":\"ready\"") == 3 + N_SLOW && count(before, "\"state\":\"made\"") == 1 &&
                       count(before, "\"state\":\"handed-out\"") == 16 && count(before, "\"reason\":\"kernel-refused\"") == 1,
               "tables in every state");
        fds = settled_fds(h->tced_pid);
        tap_eq(host_wait_stored(h, 1), 1, "its process is in the fd store, and of the other nothing");
        tap_ok(host_stored_well(h), "as a pidfd, by a short name, not to be polled");
        for (unsigned i = 0; i < 3; i++) {
                _cleanup_free_ char *text = NULL;

                if (!restart(h, NULL, "in the midst of a VM's life"))
                        bail_out("nothing more can be tested");
                text = machines_now(h);
                tap_streq(text, before, "its machines are as they were, the %u. time", i + 1);
        }
        settle(h);
        tap_eq(host_stored(h), 1, "its process is in the fd store once");
        tap_eq(wait_fds(h->tced_pid, fds), fds, "it holds as many fds as before");
        tap_ok(tell(&vmm, 'c') == 'y', "the VMM claims it again, which changes nothing");
        tap_ok(tell(&vmm, 'h') == 'y', "a table that was handed out is not given again");
        tap_eq(tell(&vmm, 'a'), '0' + 3, "those that were not are there, made again");
        tap_eq(tell(&vmm, 'a'), '0', "and are given once");
        tap_eq(tell(&vmm, 'l'), 'y', "a table is reported");
        after = machines_now(h);
        tap_eq(count(after, "\"state\":\"made\""), 2, "as made");
        tap_eq(tell(&vmm, 'u'), 'y', "it unregisters itself");
        tap_eq(host_wait_stored(h, 0), 0, "its process is taken from the fd store");
        (void) restart(h, NULL, "after that");
        free(after);
        after = machines_now(h);
        tap_ok(!strstr(after, "\"vm\"") && strstr(after, "\"waits\""), "it stays gone, the other is there");
        actor_kill(&vmm);
}

/* Every reply that was given holds: tced is killed as soon as it came. */
static void test_at_once(Host *h) {
        static const char deeds[] = { 'c', 'm', 'r', 'l' };
        static const char *const seen[] = { "\"state\":\"claimed\"", "\"state\":\"made\"", "\"reason\":\"kernel-refused\"",
                                            "\"error\":0,\"huge_pages\":false" };
        Actor vmm = start_vmm(h, NO_UID);

        register_vm(h, "vm", UUID_VM);
        for (size_t i = 0; i <= ELEMENTSOF(deeds); i++) {
                _cleanup_free_ char *text = NULL;

                if (!restart(h, NULL, "killed behind a reply"))
                        bail_out("nothing more can be tested");
                text = machines_now(h);
                tap_ok(strstr(text, i > 0 ? seen[i - 1] : "\"vm\""), "what was answered holds (%zu)", i);
                if (i < ELEMENTSOF(deeds))
                        tap_eq(tell(&vmm, deeds[i]), 'y', "and it goes on");
        }
        actor_kill(&vmm);
        tap_eq(host_wait_stored(h, 0), 0, "its process ends");
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        *(int *) userdata = 1;
        return 0;
}

/* An upgrade: SIGTERM amid work, and the fd store is kept. Who waits for an answer gets one, and nothing else is lost. */
static void test_told_to_end(Host *h) {
        _cleanup_bus_ sd_bus *peer = open_peer(h);
        _cleanup_free_ char *before = NULL, *after = NULL;
        Actor vmm = make_vm(h);
        int answered = 0, r;

        before = machines_now(h);
        tap_eq(host_wait_stored(h, 1), 1, "a VM's process is stored");
        r = sd_bus_call_method_async(peer, NULL, NULL, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "Probe", on_answer, &answered, "bt", 0,
                                     UINT64_C(0));
        if (r < 0 || sd_bus_flush(peer) < 0)
                bail_out("Probe can't be sent");
        (void) kill(h->tced_pid, SIGTERM);
        tap_eq(wait_exit(h->tced_pid), 0, "told to end while it proves what the host can do, it ends well");
        h->tced_pid = 0;
        while (!answered && (r = sd_bus_process(peer, NULL)) >= 0)
                if (r == 0 && sd_bus_wait(peer, HARNESS_PATIENCE * UINT64_C(1000000)) <= 0)
                        break;
        tap_ok(answered, "and who waits for that is answered");
        tap_ok(host_restart_tced(h, NULL), "the next one starts");
        after = machines_now(h);
        tap_streq(after, before, "and knows the VM as it was");
        tap_eq(host_wait_stored(h, 1), 1, "by the process that was stored");
        tap_ok(tell(&vmm, 'h') == 'y', "a table that was handed out is not given again");
        actor_kill(&vmm);
        tap_eq(host_wait_stored(h, 0), 0, "its process ends");
}

static bool wait_gone(const Host *h, const char *name) {
        for (unsigned i = 0; i < HARNESS_PATIENCE * 20; i++) {
                _cleanup_free_ char *text = machines_now(h);

                if (!strstr(text, name))
                        return true;
                (void) usleep(50 * 1000);
        }
        return false;
}

static void test_ended_meanwhile(Host *h) {
        Actor vmm = make_vm(h), registrar = start_vmm(h, user->pw_uid), next;

        tap_eq(tell(&registrar, 'R'), 'y', "a user registers a VM");
        tap_eq(host_wait_stored(h, 2), 2, "both processes are stored");
        if (!restart(h, NULL, "with a user's VM"))
                return;
        actor_kill(&vmm);
        tap_ok(wait_gone(h, "\"vm\""), "a VM whose process is held again ends with it");
        actor_kill(&registrar);
        tap_ok(wait_gone(h, "\"own\""), "as does one that nobody claimed, with who registered it");
        tap_eq(host_wait_stored(h, 0), 0, "the store is empty");

        vmm = make_vm(h);
        registrar = start_vmm(h, user->pw_uid);
        (void) tell(&registrar, 'R');
        host_kill_tced(h);
        actor_kill(&vmm);
        actor_kill(&registrar);
        tap_ok(host_restart_tced(h, NULL), "their processes end while tced is away");
        tap_ok(wait_gone(h, "\"vm\"") && wait_gone(h, "\"own\"") && host_log_has(h, "its process ended while tced did not run"),
               "they are gone, and it is said");
        tap_eq(host_wait_stored(h, 0), 0, "the store is empty");
        next = start_vmm(h, user->pw_uid);
        tap_eq(tell(&next, 'R'), 'y', "their names and what they were charged are free");
        actor_kill(&next);
}

/* A stop and a start: systemd empties the store. */
static void test_stopped(Host *h) {
        Actor vmm = make_vm(h), gone = start_vmm(h, user->pw_uid);
        _cleanup_free_ char *before = NULL, *after = NULL;

        before = machines_now(h);
        (void) tell(&gone, 'R');
        host_stop_tced(h);
        actor_kill(&gone);
        tap_eq(host_stored(h), 0, "a stop leaves no fds");
        tap_ok(host_start_tced(h, NULL), "it starts");
        after = machines_now(h);
        tap_streq(after, before, "the VM is found by its PID, the one that ended is gone");
        tap_eq(host_wait_stored(h, 1), 1, "its process is stored again");
        tap_eq(tell(&vmm, 'a'), '0' + 3, "it goes on");
        actor_kill(&vmm);
        tap_ok(wait_gone(h, "\"vm\""), "and ends with its process");
}

/* What is in the store is believed as far as it can be true. */
static void test_odd_fds(Host *h) {
        Actor vmm = make_vm(h), other = start_vmm(h, NO_UID);
        _cleanup_fd_ int null = open("/dev/null", O_RDWR | O_CLOEXEC), pidfd = sys_pidfd_open(other.pid, 0), other_null = fd_dup(null);
        _cleanup_free_ char *before = machines_now(h), *after = NULL, *state = state_file(h);
        const char *at = strstr(state, "\"fd\":\"");
        char name[7];
        int fds = settled_fds(h->tced_pid);

        (void) snprintf(name, sizeof(name), "%.*s", at ? (int) strcspn(at + 6, "\"") : 0, at ? at + 6 : "");
        tap_eq(host_stored_pid(h, name), vmm.pid, "the state file says which fd is whose");
        host_store(h, "stray", pidfd);
        host_store(h, "stored", null);
        (void) restart(h, NULL, "with fds that nothing is known of");
        tap_eq(host_wait_stored(h, 1), 1, "they are taken from the store");
        tap_eq(host_stored_pid(h, name), vmm.pid, "and the one that is known is left");
        settle(h);
        tap_eq(wait_fds(h->tced_pid, fds), fds, "none of them is kept open");

        host_kill_tced(h);
        host_forget_stored(h);
        host_store(h, name, pidfd);
        tap_ok(host_restart_tced(h, NULL), "another's process by its name: it starts");
        after = machines_now(h);
        tap_streq(after, before, "that is not believed, the VM is found by its PID");
        tap_ok(host_wait_stored(h, 1) == 1 && host_stored_pid(h, name) == vmm.pid, "and is stored as it should be");

        host_kill_tced(h);
        host_forget_stored(h);
        host_store(h, name, other_null);
        tap_ok(host_restart_tced(h, NULL), "no process at all by its name: it starts");
        free(after);
        after = machines_now(h);
        tap_streq(after, before, "the VM is there");
        actor_kill(&vmm);
        actor_kill(&other);
        tap_ok(wait_gone(h, "\"vm\""), "and ends with its process");
}

/* A PID that is another's by now. */
static void test_other_process(Host *h) {
        Actor vmm = make_vm(h), other;
        _cleanup_free_ char *state = NULL, *changed = NULL, *now = NULL;
        char *pid, *end;

        /* Not in the same clock tick: a start time is counted in those. */
        (void) usleep(50 * 1000);
        other = start_vmm(h, NO_UID);
        host_stop_tced(h);
        state = state_file(h);
        pid = strstr(state, "\"pid\":");
        end = pid ? strchr(pid, ',') : NULL;
        if (!end || asprintf(&changed, "%.*s\"pid\":%d%s", (int) (pid - state), state, (int) other.pid, end) < 0)
                bail_out("there is no process in %s", state);
        host_write(h, TCED_STATE_NAME, "%s", changed);
        tap_ok(host_start_tced(h, NULL), "the PID is another process's by now: it starts");
        /* From the first moment on: held by the wrong one it would go with that. */
        now = machines_now(h);
        tap_ok(!strstr(now, "\"vm\""), "that is not taken for it");
        actor_kill(&vmm);
        actor_kill(&other);
}

/* What it had is charged to whoever had it. */
static void test_charged(Host *h) {
        Actor first = start_vmm(h, user->pw_uid), second = start_vmm(h, user->pw_uid);
        _cleanup_bus_ sd_bus *root = NULL;

        (void) tell(&first, 'R');
        host_write(h, "root/etc/tced/tced.conf", "[Manager]\nGroup=%s\n[Limits]\nMachinesMax=1\nMachinesPerUserMax=1\n",
                   getgrgid(user->pw_uid)->gr_name);
        (void) restart(h, NULL, "with limits that are used up");
        root = open_bus(h);
        tap_eq(tell(&second, 'R'), 'n', "its user can't have another");
        tap_ok(register_windows(root, "more", "", windows, 1, NO_UID, NULL, NULL) < 0, "nor anyone else");
        actor_kill(&first);
        tap_ok(wait_gone(h, "\"own\""), "it ends");
        tap_ok(count_machines(root) > 0 || register_windows(root, "more", "", windows, 1, NO_UID, NULL, NULL) >= 0, "and makes room");
        host_write(h, "root/etc/tced/tced.conf", "[Manager]\nGroup=%s\n", getgrgid(user->pw_uid)->gr_name);
        (void) call_manager(root, "Reload", NULL, "");
        actor_kill(&second);
}

static bool findings_have(const Host *h, const char *text) {
        _cleanup_bus_ sd_bus *bus = open_bus(h);
        _cleanup_free_ char *described = describe_text(bus);

        return described && strstr(described, text);
}

static void test_bad_states(Host *h) {
        static const struct {
                const char *name, *text, *why;
        } cases[] = {
                { "a newer tced's", "{\"version\":7,\"machines\":[]}\n", "of version 7" },
                { "one that is cut off", "{\"version\":1,\"boot\":\"", "no JSON" },
                { "an empty one", "", "it is empty" },
                { "no state at all", "\177ELF\n", "no JSON" },
                { "machines of someone else's", "{\"version\":1,\"boot\":7}", "boot: a text" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_bus_ sd_bus *bus = NULL;

                host_stop_tced(h);
                host_write(h, TCED_STATE_NAME, "%s", cases[i].text);
                if (!tap_ok(host_start_tced(h, NULL), "%s: it starts", cases[i].name))
                        bail_out("nothing more can be tested");
                tap_ok(host_log_has(h, cases[i].why) && host_log_has(h, TCED_STATE_NAME ".bad"), "%s: the log names the file and why",
                       cases[i].name);
                tap_ok(host_log_has(h, "is not taken up, but set aside as"), "%s: and what became of it", cases[i].name);
                tap_ok(findings_have(h, "state-not-kept") && findings_have(h, cases[i].why) && findings_have(h, "tcectl rescan"),
                       "%s: so does a finding, with what to do", cases[i].name);
                tap_ok(has_file(h, TCED_STATE_NAME ".bad"), "%s: it is set aside", cases[i].name);
                host_remove(h, TCED_STATE_NAME ".bad");
                bus = open_bus(h);
                (void) call_manager(bus, "Rescan", NULL, "");
                tap_ok(!findings_have(h, "state-not-kept"), "%s: removed, and the finding goes", cases[i].name);
        }
}

/* What stands in the file's place is no file of tced's. */
static void test_hostile_files(Host *h) {
        static const char *const kinds[] = { "a FIFO", "a link to another file", "a folder", "a file of 200 MiB", "brackets in brackets" };
        char path[96], target[96];

        (void) snprintf(path, sizeof(path), "%s/" TCED_STATE_NAME, h->dir);
        (void) snprintf(target, sizeof(target), "%s/elsewhere", h->dir);
        host_write(h, "elsewhere", "%s", "{\"version\":1}");
        for (unsigned i = 0; i < ELEMENTSOF(kinds); i++) {
                char deep[8193];

                host_stop_tced(h);
                host_remove(h, TCED_STATE_NAME);
                host_remove(h, TCED_STATE_NAME ".bad");
                memset(deep, '[', sizeof(deep) - 1);
                deep[sizeof(deep) - 1] = '\0';
                if (i >= 3)
                        host_write(h, TCED_STATE_NAME, "%s", i == 3 ? "{" : deep);
                if ((i == 0 && mkfifo(path, 0600) < 0) || (i == 1 && symlink(target, path) < 0) || (i == 2 && mkdir(path, 0700) < 0) ||
                    (i == 3 && truncate(path, (off_t) 200 << 20) < 0))
                        bail_out("%s can't be made", kinds[i]);
                tap_ok(host_start_tced(h, NULL), "%s: it starts", kinds[i]);
                tap_ok(has_file(h, TCED_STATE_NAME ".bad") && findings_have(h, "state-not-kept"), "%s: set aside, which is said", kinds[i]);
                register_vm(h, "vm", UUID_VM);
                (void) restart(h, NULL, kinds[i]);
                tap_ok(findings_have(h, "\"vm\""), "%s: another is in its place", kinds[i]);
        }
        for (unsigned i = 0; i < 4; i++) {
                (void) snprintf(path, sizeof(path), "%s.bad.%u", TCED_STATE_NAME, i);
                path[i > 0 ? sizeof(path) - 1 : strlen(TCED_STATE_NAME ".bad")] = '\0';
                host_remove(h, path);
        }
        host_stop_tced(h);
        host_remove(h, TCED_STATE_NAME);
        (void) host_start_tced(h, NULL);
}

/* The state file with one text in place of another, and a daemon started on it. */
static void start_on_changed(Host *h, const char *from, const char *to, const char *name) {
        _cleanup_free_ char *state = NULL;
        const char *at;

        host_stop_tced(h);
        state = state_file(h);
        at = strstr(state, from);
        if (!at)
                bail_out("%s is not in %s", from, state);
        host_write(h, TCED_STATE_NAME, "%.*s%s%s", (int) (at - state), state, to, at + strlen(from));
        tap_ok(host_start_tced(h, NULL), "%s: it starts", name);
        tap_ok(has_file(h, TCED_STATE_NAME ".bad") && findings_have(h, "state-not-kept"), "%s: the file is set aside, which is said", name);
}

/* What can be read of a state that can't be taken up as a whole is taken up. */
static void test_partly_bad(Host *h) {
        host_remove(h, TCED_STATE_NAME ".bad");
        register_vm(h, "first", UUID_A);
        register_vm(h, "second", UUID_B);
        start_on_changed(h, "\"version\":1,", "\"version\":7,\"news\":[{}],", "a newer tced's");
        tap_ok(findings_have(h, "\"first\"") && findings_have(h, "\"second\""), "its machines are there");
        tap_ok(host_log_has(h, "What could be read of it is taken up: 2 machines"), "which is said too");
        (void) restart(h, NULL, "as if nothing had been");
        tap_ok(findings_have(h, "\"first\"") && findings_have(h, "\"second\""), "they are there again");
        start_on_changed(h, "\"second\"", "7", "a machine without a name");
        tap_ok(findings_have(h, "\"first\"") && !findings_have(h, "\"second\""), "the other one is there");
        tap_ok(has_file(h, TCED_STATE_NAME ".bad.1"), "the file that was set aside before is still there");
        register_vm(h, "second", UUID_B);
        register_vm(h, "third", UUID_VM);
        start_on_changed(h, "\"second\"", "\"first\"", "a machine that is there twice");
        tap_ok(!findings_have(h, "\"first\""), "neither is believed");
        tap_ok(findings_have(h, "\"third\""), "another one is");
        for (unsigned i = 0; i < 4; i++) {
                host_stop_tced(h);
                host_write(h, TCED_STATE_NAME, "bad %u", i);
                (void) host_start_tced(h, NULL);
        }
        tap_ok(has_file(h, TCED_STATE_NAME ".bad.3") && !has_file(h, TCED_STATE_NAME ".bad.4"), "four are kept, and no more");
        for (unsigned i = 0; i < 4; i++) {
                char path[64];

                (void) snprintf(path, sizeof(path), "%s.bad.%u", TCED_STATE_NAME, i);
                path[i > 0 ? sizeof(path) - 1 : strlen(TCED_STATE_NAME ".bad")] = '\0';
                host_remove(h, path);
        }
}

static void test_failed_thrice(Host *h) {
        register_vm(h, "kept", UUID_A);
        host_kill_tced(h);
        host_write(h, TCED_STATE_NAME ".failed", "2");
        tap_ok(host_restart_tced(h, NULL) && findings_have(h, "\"kept\""), "two failures before: the state is taken up");
        tap_ok(has_file(h, TCED_STATE_NAME ".failed"), "they are still counted");
        host_kill_tced(h);
        host_write(h, TCED_STATE_NAME ".failed", "3");
        tap_ok(host_restart_tced(h, NULL) && !findings_have(h, "\"kept\""), "three: it is not");
        tap_ok(host_log_has(h, "failed 3 times in a row") && findings_have(h, "failed 3 times in a row"), "which is said");
        tap_ok(!has_file(h, TCED_STATE_NAME ".failed") && has_file(h, TCED_STATE_NAME ".bad"), "the count begins anew");
        register_vm(h, "kept", UUID_A);
        for (unsigned i = 0; i < 5; i++)
                (void) restart(h, NULL, "killed by hand, again and again");
        tap_ok(findings_have(h, "\"kept\""), "that is not the state's fault");
        host_remove(h, TCED_STATE_NAME ".bad");
}

static void test_no_room(Host *h) {
        char option[96];
        const char *const options[] = { option, NULL };

        host_stop_tced(h);
        (void) snprintf(option, sizeof(option), "--state=%s/nowhere/state.json", h->dir);
        tap_ok(host_start_tced(h, options), "the state can't be written anywhere: it starts");
        register_vm(h, "vm", UUID_VM);
        tap_ok(findings_have(h, "state-not-kept") && findings_have(h, "nowhere/state.json can't be written") &&
                       host_log_has(h, "Can't write"),
               "that is said, and VMs are registered all the same");
        host_mkdir(h, "nowhere");
        register_vm(h, "vm2", UUID_A);
        tap_ok(!findings_have(h, "state-not-kept") && host_log_has(h, "Wrote again"), "when it can, it is");
        (void) restart(h, options, "by --state=");
        tap_ok(findings_have(h, "\"vm\"") && findings_have(h, "\"vm2\""), "with all of them");
        host_stop_tced(h);
        host_remove(h, "nowhere");
}

/* Domains of libvirt's. lists: libvirt says that it runs. */
static void write_libvirt(const Host *h, bool lists) {
        char path[96];

        host_write(h, "libvirt-child",
                   "#!/bin/sh\n"
                   "printf '{\"event\":\"connected\"}\\n' >&0\n"
                   "while read -r line; do\n"
                   "  id=${line#*\\\"id\\\":}; id=${id%%%%[!0-9 ]*}\n"
                   "  case $line in\n"
                   "  *domains*) printf '{\"id\":%%s,\"domains\":[%s]}\\n' \"$id\" >&0 ;;\n"
                   "  *devices*) printf '{\"id\":%%s,\"devices\":[]}\\n' \"$id\" >&0 ;;\n"
                   "  esac\n"
                   "done\n",
                   lists ? "{\"name\":\"vm a\",\"uuid\":\"" UUID_A "\"},{\"name\":\"vm b\",\"uuid\":\"" UUID_B "\"}" : "");
        (void) snprintf(path, sizeof(path), "%s/libvirt-child", h->dir);
        (void) chmod(path, 0755);
        host_write(h, "libvirt/driver.pid", "%d", (int) getpid());
}

/* Until tced has heard of both. */
static bool wait_listed(const Host *h) {
        for (unsigned i = 0; i < HARNESS_PATIENCE * 20; i++) {
                if (findings_have(h, "\"domains\":2"))
                        return true;
                (void) usleep(50 * 1000);
        }
        return false;
}

static void test_libvirt(Host *h) {
        const TestDomain d = { .name = "vm a", .uuid = UUID_A, .devices = HOSTDEV("domain='0' bus='1' slot='0' function='0'"),
                               .rest = "<seclabel type='dynamic' model='apparmor' relabel='yes'><label>libvirt-a</label></seclabel>" },
                         plain = { .name = "vm b", .uuid = UUID_B };
        _cleanup_free_ char *before = NULL, *after = NULL, *state = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        char option[96];
        const char *const options[] = { option, NULL };

        (void) snprintf(option, sizeof(option), "--libvirt-child=%s/libvirt-child", h->dir);
        host_remove(h, TCED_STATE_NAME);
        write_libvirt(h, true);
        if (!tap_ok(host_start_tced(h, NULL), "a daemon that has no libvirt"))
                return;
        {
                _cleanup_bus_ sd_bus *bus = open_bus(h);

                wait_probed(bus);
                went_well(register_domain(bus, &d, 1, &error, NULL, NULL), &error, "a domain that runs is registered by libvirt's hook");
                went_well(register_domain(bus, &plain, 0, &error, NULL, NULL), &error, "and one that is started");
        }
        before = machines_now(h);
        tap_ok(count(before, "\"source\":\"libvirt\"") == 2 && strstr(before, "\"likely\":"), "with what libvirt's have");
        state = state_file(h);
        tap_ok(strstr(state, "libvirt-a") && strstr(state, "\"groups\":[7]"), "its label and its groups are in the file");
        (void) restart(h, options, "a libvirt that lists it");
        after = machines_now(h);
        tap_streq(after, before, "they are as they were");
        tap_ok(wait_listed(h), "libvirt is asked");
        free(after);
        after = machines_now(h);
        tap_streq(after, before, "and stays");
        write_libvirt(h, false);
        (void) restart(h, options, "a libvirt that lists it no more");
        tap_ok(wait_gone(h, "vm a") && wait_gone(h, "vm b"), "they go: the hook's last calls found no tced");
        tap_ok(host_log_has(h, "says libvirt: its machine goes"), "which is said");
        {
                _cleanup_bus_ sd_bus *bus = open_bus(h);

                went_well(register_domain(bus, &plain, 0, &error, NULL, NULL), &error, "a domain is registered");
        }
        host_write(h, "root/etc/tced/tced.conf", "[Libvirt]\nConnect=no\n");
        (void) restart(h, NULL, "a libvirt that is never asked");
        tap_ok(wait_gone(h, "vm b"), "a domain that has no pid file goes, as nobody would say that it has ended");
        host_stop_tced(h);
        host_remove(h, "libvirt/driver.pid");
}

int main(void) {
        Host h;

        host_init(&h, 110);
        if (geteuid() != 0 || !find_user() || !host_start_bus(&h)) {
                tap_skip(geteuid() != 0 ? "only root can be other users" : "there is no dbus-daemon, or no users", "restarts");
                host_done(&h);
                return tap_done();
        }
        make_windows();
        h.tced = getenv("TCED_ON_FAKE_KVM");
        host_write(&h, "dev/kvm", "%s", "");
        host_add_group(&h, 7, "0000:01:00.0", "vfio-pci");
        host_write(&h, "root/etc/tced/rules.d/50-slow.rule", "[Match]\nDevice=slow\n[Policy]\nAccel=user\n");
        host_write(&h, "root/etc/tced/tced.conf", "[Manager]\nGroup=%s\n", getgrgid(user->pw_uid)->gr_name);
        if (!h.tced || !host_start_tced(&h, NULL))
                bail_out("tced does not start");
        settle(&h);
        test_goes_on(&h);
        host_stop_tced(&h);
        host_remove(&h, TCED_STATE_NAME);
        (void) host_start_tced(&h, NULL);
        test_at_once(&h);
        test_told_to_end(&h);
        test_ended_meanwhile(&h);
        test_stopped(&h);
        test_odd_fds(&h);
        test_other_process(&h);
        test_charged(&h);
        test_bad_states(&h);
        test_partly_bad(&h);
        test_hostile_files(&h);
        test_failed_thrice(&h);
        test_no_room(&h);
        test_libvirt(&h);
        host_done(&h);
        return tap_done();
}
