/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whose limit of locked memory is raised, and how far: root's VMs, users' with a made-up polkit that says all that one can say, or nothing.
 * KVM and the limits are made up, too (fake-kvm.c). Needs root, which alone can be others. */

#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "domain.h"
#include "polkit.h"
#include "tap.h"

#define MIB (UINT64_C(1) << 20)

/* A table of 2 MiB, and one of 128 MiB. */
static const TestWindow small = { "pci", "pci.0", 0x80000000, 0, UINT64_C(1) << 30, 12, 0, -1 };
static const TestWindow large = { "pci", "pci.0", 0x80000000, 0, UINT64_C(64) << 30, 12, 0, -1 };

static uid_t member_uid;
static const struct group *group; /* whose members may register */

typedef struct World {
        const Host *host;
        gid_t group;
        const char *path; /* of the machine that is claimed */
        const char *before; /* its process's limits; NULL: 65536 of both */
        uint64_t want; /* the limit that it is to have; 0: as it was */
        uint64_t want_hard; /* 0: the same */
        size_t lock; /* bytes that it has locked before */
        bool on_peer;
        const char *name;
} World;

static uint64_t now_msec(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
}

static const char *limit_file(char buf[64]) {
        (void) snprintf(buf, 64, "limits/%d", (int) getpid());
        return buf;
}

/* This process's, as far as tced knows. */
static bool limit_is(const World *w, uint64_t want, uint64_t want_hard) {
        _cleanup_free_ char *have = NULL, *wanted = NULL;
        char file[64], path[128];

        (void) snprintf(path, sizeof(path), "%s/%s", w->host->dir, limit_file(file));
        have = read_whole(path);
        if (want == 0)
                wanted = strdup(w->before ? w->before : "");
        else if (asprintf(&wanted, "%llu %llu", (unsigned long long) want, (unsigned long long) (want_hard ? want_hard : want)) < 0)
                bail_out("no memory");
        if (streq(have, wanted))
                return true;
        printf("#   it has '%s', not '%s'\n", have, wanted);
        return false;
}

static void prepare(const World *w) {
        char file[64];
        void *memory;

        if (w->before)
                host_write(w->host, limit_file(file), "%s", w->before);
        if (w->lock == 0)
                return;
        memory = mmap(NULL, w->lock, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        /* AddressSanitizer makes nothing of mlock(). */
        if (memory == MAP_FAILED || syscall(SYS_mlock, memory, w->lock) < 0)
                bail_out("mlock: %s", strerror(errno));
}

static sd_bus *open_one(const World *w) {
        return w->on_peer ? open_peer(w->host) : open_bus(w->host);
}

static void claim_it(void *userdata) {
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_one(w);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        prepare(w);
        went_well(claim(bus, w->path, &error), &error, "%s: it is claimed", w->name);
        tap_ok(limit_is(w, w->want, w->want_hard), "%s: its limit", w->name);
        tap_eq(get_number(bus, w->path, TCED_INTERFACE_MACHINE, "MemlockRaised", 't'), (int64_t) w->want, "%s: MemlockRaised", w->name);
        went_well(claim(bus, w->path, &error), &error, "%s: claimed again", w->name);
        tap_ok(limit_is(w, w->want, w->want_hard), "%s: nothing more happens", w->name);
}

static void configure(const Host *h, sd_bus *root, const char *most) {
        sd_bus_error error = SD_BUS_ERROR_NULL;

        host_write(h, "root/etc/tced/tced.conf", "[Limits]\nRaiseMemlockMax=%s\n[Manager]\nGroup=%s\n", most, group->gr_name);
        if (root)
                went_well(call_manager(root, "Reload", &error, ""), &error, "RaiseMemlockMax=%s", most);
}

static void wait_gone(sd_bus *root) {
        for (unsigned i = 0; i < HARNESS_PATIENCE * 20 && count_machines(root) > 0; i++)
                (void) usleep(50 * 1000);
        tap_eq(count_machines(root), 0, "it is gone with its process");
}

/* What root registers for a user. */
static void test_root(const Host *h, sd_bus *root) {
        static const struct {
                const char *name, *most;
                const TestWindow *window;
                const char *before;
                size_t lock;
                int want; /* 0: nothing, 1: what its tables take, 2: the setting's 64 MiB */
                uint64_t want_hard;
                const char *log;
        } cases[] = {
                { "root's", "64M", &small, NULL, 0, 1, 0, "raised the locked-memory limit" },
                { "with something locked", "64M", &small, NULL, 65536, 1, 0, "raised" },
                { "with a high hard limit", "64M", &small, "8192 99000000", 0, 1, 99000000, "raised" },
                { "with a limit that will do", "64M", &small, "99000000 99000000", 0, 0, 0, "" },
                { "without a limit", "64M", &small, "18446744073709551615 18446744073709551615", 0, 0, 0, "" },
                { "not beyond the setting", "64M", &large, NULL, 0, 2, 0, "RaiseMemlockMax=67108864 allows no more" },
                { "beyond the setting already", "64M", &large, "67108865 67108865", 0, 0, 0, "RaiseMemlockMax=67108864" },
                { "switched off", "0", &small, NULL, 0, 0, 0, "" },
                { "who may not", "64M", &small, "denied", 0, 0, 0, "not permitted; tables that don't fit go to the VMM. See that tced.service has CAP_SYS_RESOURCE" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *path = NULL;
                sd_bus_error error = SD_BUS_ERROR_NULL;
                World w = { .host = h, .before = cases[i].before, .lock = cases[i].lock, .want_hard = cases[i].want_hard,
                            .on_peer = i % 2, .name = cases[i].name };

                configure(h, root, cases[i].most);
                went_well(register_windows(root, "vm", "", cases[i].window, 1, member_uid, &path, &error), &error, "%s", cases[i].name);
                if (!path)
                        continue;
                w.path = path;
                if (cases[i].want == 1)
                        w.want = (uint64_t) get_number(root, path, TCED_INTERFACE_MACHINE, "LockedBytes", 't') + w.lock;
                else if (cases[i].want == 2)
                        w.want = 64 * MIB;
                run_as(member_uid, NULL, 0, claim_it, &w);
                if (*cases[i].log)
                        tap_ok(host_log_has(h, cases[i].log), "%s: the log says so", cases[i].name);
                wait_gone(root);
        }
}

/* ---- libvirt's ---- */

static void be_guest(int fd, void *userdata) {
        World *w = userdata;
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
        char path[128];
        sd_bus *bus;
        int file;

        (void) snprintf(path, sizeof(path), "%s/libvirt/a.pid", w->host->dir);
        file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (file < 0 || dprintf(file, "%d", (int) getpid()) < 0 || fcntl(file, F_SETLK, &lock) < 0)
                return;
        if (setgroups(0, NULL) < 0 || setresgid(member_uid, member_uid, member_uid) < 0 || setresuid(member_uid, member_uid, member_uid) < 0)
                return;
        bus = open_peer(w->host);
        if (actor_listen(fd) < 0)
                return;
        actor_say(fd, claim(bus, PATH_A, NULL) >= 0 && limit_is(w, w->want, 0) ? 'y' : 'n');
        (void) actor_listen(fd);
}

static void test_domain(const Host *h, sd_bus *root) {
        static const TestDomain d = { .name = "a", .rest = "<memtune><hard_limit unit='KiB'>1024</hard_limit></memtune>" };
        _cleanup_free_ char *before = NULL, *after = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        World w = { .host = h, .name = "libvirt's" };
        Actor guest;

        configure(h, root, "64M");
        host_mkdir(h, "libvirt");
        went_well(register_domain(root, &d, 0, &error, NULL, NULL), &error, "a domain with a low <hard_limit>");
        before = describe_text(root);
        tap_ok(before && strstr(before, "memlock-low"), "which is told");
        w.want = (uint64_t) get_number(root, PATH_A, TCED_INTERFACE_MACHINE, "MemlockCharged", 't');
        guest = actor_start(NO_UID, be_guest, &w);
        actor_tell(&guest, 'g');
        tap_eq(actor_hear(&guest), 'y', "it claims its VM, and may lock what was counted for it");
        tap_eq(get_number(root, PATH_A, TCED_INTERFACE_MACHINE, "MemlockRaised", 't'), (int64_t) w.want, "MemlockRaised");
        after = describe_text(root);
        tap_ok(after && !strstr(after, "memlock-low"), "it is told of no longer");
        actor_kill(&guest);
        wait_gone(root);
}

/* ---- polkit ---- */

/* What polkit is asked by this connection. */
static bool asked_well(const World *w, sd_bus *bus, const char *bytes) {
        _cleanup_free_ char *want = NULL, *have = NULL;
        const char *name;
        char rest[64];

        (void) snprintf(rest, sizeof(rest), " bytes=%s 0 ''", bytes);
        have = polkit_asked(w->host);
        if (sd_bus_get_unique_name(bus, &name) < 0 ||
            asprintf(&want, "system-bus-name name %s org.tced1.raise-memlock machine=mine ", name) < 0)
                bail_out("no memory");
        if (strncmp(have, want, strlen(want)) == 0 && strstr(have, rest) && strstr(have, " uuid="))
                return true;
        printf("#   it was asked '%s', not '%s'\n", have, want);
        return false;
}

static bool was_asked(const Host *h) {
        _cleanup_free_ char *have = polkit_asked(h);

        return *have;
}

/* As a member of the group, with polkit as it is. */
static void register_and_claim(void *userdata) {
        World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_one(w);
        _cleanup_free_ char *path = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        uint64_t locked;
        char bytes[24];

        went_well(register_windows(bus, "mine", "", &small, 1, NO_UID, &path, &error), &error, "%s: a user registers a VM", w->name);
        if (!path)
                return;
        locked = (uint64_t) get_number(bus, path, TCED_INTERFACE_MACHINE, "LockedBytes", 't');
        (void) snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long) locked);
        if (was_asked(w->host))
                tap_ok(asked_well(w, bus, bytes), "%s: polkit was asked who, what and how much", w->name);
        went_well(claim(bus, path, &error), &error, "%s: and claims it", w->name);
        tap_ok(limit_is(w, w->want ? locked : 0, 0), "%s: its limit", w->name);
}

static void test_polkit(const Host *h, sd_bus *root) {
        static const struct {
                const char *mode; /* NULL: there is none */
                bool on_peer, asked, raised;
                const char *log;
                uint64_t least, most; /* milliseconds */
        } cases[] = {
                { NULL, false, false, false, "org.tced1.raise-memlock: The name org.freedesktop.PolicyKit1 was not", 0, 5000 },
                { "yes", false, true, true, "mine: raised the locked-memory limit", 0, 5000 },
                { "yes", true, false, false, "", 0, 5000 },
                { "no", false, true, false, "org.tced1.raise-memlock: its rules say no", 0, 5000 },
                { "challenge", false, true, false, "org.tced1.raise-memlock: it would have to ask for a password", 0, 5000 },
                { "error", false, true, false, "org.tced1.raise-memlock: no such action", 0, 5000 },
                { "odd", false, true, false, "org.tced1.raise-memlock: its answer can't be read", 0, 5000 },
                { "leave", false, true, false, "org.tced1.raise-memlock: Message recipient disconnected", 0, 5000 },
                { "hang", false, true, false, "timed out", 900, 10000 },
        };

        configure(h, root, "64M");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                World w = { .host = h, .want = cases[i].raised, .on_peer = cases[i].on_peer, .name = cases[i].mode ? cases[i].mode : "no polkit" };
                Actor polkit = { .fd = -EBADF };
                uint64_t began;

                if (cases[i].mode)
                        polkit = polkit_start(h, cases[i].mode);
                began = now_msec();
                run_as(member_uid, &group->gr_gid, 1, register_and_claim, &w);
                began = now_msec() - began;
                if (!tap_ok(began >= cases[i].least && began <= cases[i].most, "%s: in time", w.name))
                        printf("#   it took %llu ms\n", (unsigned long long) began);
                tap_ok(was_asked(h) == cases[i].asked, "%s: asked", w.name);
                if (*cases[i].log)
                        tap_ok(host_log_has(h, cases[i].log), "%s: the log says so", w.name);
                if (cases[i].mode)
                        actor_kill(&polkit);
                wait_gone(root);
        }
}

/* Nothing is to be locked, or nothing to be raised: nobody is asked. */
static void register_user_table(void *userdata) {
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_one(w);
        TestWindow slow = small;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        slow.device = "slow";
        went_well(register_windows(bus, "mine", "", &slow, 1, NO_UID, NULL, &error), &error, "%s", w->name);
        tap_ok(!was_asked(w->host), "%s: polkit is not asked", w->name);
}

static void register_only(void *userdata) {
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_one(w);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        went_well(register_windows(bus, "mine", "", &small, 1, NO_UID, NULL, &error), &error, "%s", w->name);
        tap_ok(!was_asked(w->host), "%s: polkit is not asked", w->name);
}

static void test_not_asked(const Host *h, sd_bus *root) {
        Actor polkit = polkit_start(h, "yes");
        World w = { .host = h, .name = "a table in the VMM alone" };
        _cleanup_free_ char *path = NULL;

        run_as(member_uid, &group->gr_gid, 1, register_user_table, &w);
        wait_gone(root);
        configure(h, root, "0");
        w.name = "with RaiseMemlockMax=0";
        run_as(member_uid, &group->gr_gid, 1, register_only, &w);
        wait_gone(root);
        configure(h, root, "64M");
        w.name = "by root";
        run_as(NO_UID, NULL, 0, register_only, &w);
        path = find_machine(root, "mine");
        (void) unregister(root, path, NULL);
        actor_kill(&polkit);
}

/* Windows that come as it runs, as with tcectl run. */
static void open_window(void *userdata) {
        World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_one(w);
        _cleanup_free_ char *path = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        if (!w->path)
                went_well(register_windows(bus, "mine", "", NULL, 0, NO_UID, &path, &error), &error, "%s: without windows", w->name);
        if (!w->path)
                tap_ok(asked_well(w, bus, "0"), "%s: polkit was asked", w->name);
        went_well(claim(bus, w->path ? w->path : path, &error), &error, "%s: claimed", w->name);
        tap_ok(limit_is(w, 0, 0), "%s: nothing is needed yet", w->name);
        went_well(call(bus, w->path ? w->path : path, TCED_INTERFACE_MACHINE, "AcquireWindow", &error, NULL, "uuttit", 0x80000000U, 12U, UINT64_C(0),
                       UINT64_C(262144), 0, UINT64_C(0)), &error, "%s: a window", w->name);
        tap_ok(limit_is(w, w->want, 0), "%s: its limit", w->name);
        tap_eq(get_number(bus, w->path ? w->path : path, TCED_INTERFACE_MACHINE, "MemlockRaised", 't'), (int64_t) w->want, "%s: MemlockRaised",
               w->name);
}

static void test_windows(const Host *h, sd_bus *root, uint64_t locked) {
        World w = { .host = h, .want = locked, .name = "a user's, and polkit says yes" };
        _cleanup_free_ char *path = NULL;
        Actor polkit = polkit_start(h, "yes");

        run_as(member_uid, &group->gr_gid, 1, open_window, &w);
        wait_gone(root);
        actor_kill(&polkit);
        polkit = polkit_start(h, "no");
        w.name = "polkit says no";
        w.want = 0;
        run_as(member_uid, &group->gr_gid, 1, open_window, &w);
        wait_gone(root);
        actor_kill(&polkit);
        (void) register_windows(root, "vm", "", NULL, 0, member_uid, &path, NULL);
        w.path = path;
        w.name = "root's, which said nothing of that window";
        run_as(member_uid, NULL, 0, open_window, &w);
        wait_gone(root);
}

/* Registers, says so, and claims when it is told to, by a new connection. */
static void be_member(int fd, void *userdata) {
        World *w = userdata;
        char *path = NULL;
        sd_bus *bus;

        if (setgroups(1, &w->group) < 0 || setresgid(member_uid, member_uid, member_uid) < 0 || setresuid(member_uid, member_uid, member_uid) < 0)
                return;
        bus = open_bus(w->host);
        actor_say(fd, 's');
        if (register_windows(bus, "mine", "", &small, 1, NO_UID, &path, NULL) < 0)
                return;
        actor_say(fd, 'r');
        if (actor_listen(fd) < 0)
                return;
        bus = open_bus(w->host);
        actor_say(fd, claim(bus, path, NULL) >= 0 && limit_is(w, w->want, 0) ? 'y' : 'n');
        (void) actor_listen(fd);
}

/* While it hangs everyone else is served, and a user's question stays one. */
static void test_hanging(const Host *h, sd_bus *root) {
        Actor polkit = polkit_start(h, "hang"), member;
        World w = { .host = h, .group = group->gr_gid };
        struct pollfd pfd;

        member = actor_start(NO_UID, be_member, &w);
        (void) actor_hear(&member);
        for (unsigned i = 0; i < HARNESS_PATIENCE * 100 && !was_asked(h); i++)
                (void) usleep(10 * 1000);
        tap_eq(count_machines(root), 1, "others are answered while polkit says nothing");
        pfd = (struct pollfd) { .fd = member.fd, .events = POLLIN };
        tap_eq(poll(&pfd, 1, 0), 0, "and who registered waits");
        tap_eq(actor_hear(&member), 'r', "who registered is answered in the end");
        actor_tell(&member, 'c');
        tap_eq(actor_hear(&member), 'y', "and claims it, with the limit that it has");
        actor_kill(&member);
        wait_gone(root);
        /* One that waits as tced ends. */
        host_remove(h, "polkit.asked");
        member = actor_start(NO_UID, be_member, &w);
        (void) actor_hear(&member);
        for (unsigned i = 0; i < HARNESS_PATIENCE * 100 && !was_asked(h); i++)
                (void) usleep(10 * 1000);
        host_stop_tced((Host *) h);
        tap_eq(actor_hear(&member), 'r', "who waits when tced ends is answered, too");
        actor_kill(&member);
        actor_kill(&polkit);
}

/* One who registers and unregisters without end. */
static void register_often(void *userdata) {
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_one(w);
        unsigned n = 0;

        for (unsigned i = 0; i < 70; i++) {
                _cleanup_message_ sd_bus_message *m = NULL;
                char uuid[33], path[128];

                (void) snprintf(uuid, sizeof(uuid), "%032x", i + 1);
                (void) snprintf(path, sizeof(path), TCED_MACHINE_PREFIX "/%s", uuid);
                if (sd_bus_message_new_method_call(bus, &m, TCED_BUS_NAME, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "RegisterMachine") < 0 ||
                    sd_bus_message_append(m, "ssa(ssuttubi)a{sv}t", "mine", uuid, 0, 0, UINT64_C(0)) < 0 || sd_bus_send(bus, m, NULL) < 0)
                        break;
                for (unsigned tries = 0; tries < 1000 && unregister(bus, path, NULL) < 0; tries++)
                        ;
                n++;
        }
        tap_eq(n, 70, "%s: registers without end", w->name);
}

static void register_other(void *userdata) {
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_one(w);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        went_well(register_windows(bus, "mine", "", &small, 1, NO_UID, NULL, &error), &error, "%s: registers", w->name);
        tap_ok(was_asked(w->host), "%s: polkit is asked all the same", w->name);
}

static void test_flood(const Host *h, sd_bus *root) {
        Actor polkit = polkit_start(h, "hang");
        const struct passwd *other = getpwnam("daemon"); /* a bus lets in whom it knows alone */
        World w = { .host = h, .name = "one user" };

        if (!other) {
                tap_skip("there is no user daemon", "two users");
                actor_kill(&polkit);
                return;
        }
        run_as(member_uid, &group->gr_gid, 1, register_often, &w);
        host_remove(h, "polkit.asked");
        w.name = "another";
        run_as(other->pw_uid, &group->gr_gid, 1, register_other, &w);
        wait_gone(root);
        actor_kill(&polkit);
}

/* What was permitted, and what was raised, outlives tced. */
static void test_restart(Host *h, uint64_t locked) {
        Actor polkit = polkit_start(h, "yes"), member;
        World w = { .host = h, .group = group->gr_gid, .want = locked };
        _cleanup_free_ char *path = NULL;
        sd_bus *root;

        member = actor_start(NO_UID, be_member, &w);
        (void) actor_hear(&member);
        tap_eq(actor_hear(&member), 'r', "a user's VM is registered, and polkit says yes");
        actor_kill(&polkit);
        host_kill_tced(h);
        tap_ok(host_restart_tced(h, NULL), "tced is killed, and comes back");
        actor_tell(&member, 'c');
        tap_eq(actor_hear(&member), 'y', "what polkit said still holds");
        host_kill_tced(h);
        tap_ok(host_restart_tced(h, NULL), "once more");
        root = open_bus(h);
        path = find_machine(root, "mine");
        tap_ok(path && get_number(root, path, TCED_INTERFACE_MACHINE, "MemlockRaised", 't') == (int64_t) locked, "what was raised is known");
        actor_kill(&member);
        wait_gone(root);
        (void) sd_bus_flush_close_unref(root);
}

/* polkit lets tced's user ask for others, and give details, as the action's owner alone. */
static void test_policy_file(void) {
        _cleanup_free_ char *path = NULL, *text = NULL;

        if (asprintf(&path, "%s/org.tced1.policy", getenv("TCED_DATA")) < 0)
                bail_out("no memory");
        text = read_whole(path);
        tap_ok(strstr(text, "<action id=\"" TCED_POLKIT_RAISE_MEMLOCK "\">"), "the action that is asked for is installed");
        tap_ok(strstr(text, "<annotate key=\"org.freedesktop.policykit.owner\">unix-user:tced</annotate>"), "tced owns it");
}

static void run(Host *h) {
        sd_bus *root = open_bus(h);
        _cleanup_free_ char *path = NULL;
        uint64_t locked;

        wait_probed(root);
        (void) register_windows(root, "vm", "", &small, 1, NO_UID, &path, NULL);
        locked = (uint64_t) get_number(root, path, TCED_INTERFACE_MACHINE, "LockedBytes", 't');
        tap_ok(locked > 2 * MIB && locked < 3 * MIB, "a table of 2 MiB and its descriptor are locked");
        (void) unregister(root, path, NULL);
        test_policy_file();
        test_root(h, root);
        test_domain(h, root);
        test_polkit(h, root);
        test_not_asked(h, root);
        test_windows(h, root, locked);
        test_flood(h, root);
        test_hanging(h, root);
        (void) sd_bus_flush_close_unref(root);
        if (tap_ok(host_start_tced(h, NULL), "tced is started again"))
                test_restart(h, locked);
}

int main(void) {
        const struct passwd *user = getpwnam("nobody");
        char limits[64];
        Host h;

        host_init(&h, 110);
        h.tced = getenv("TCED_ON_FAKE_KVM");
        host_write(&h, "dev/kvm", "%s", "");
        host_mkdir(&h, "limits");
        (void) snprintf(limits, sizeof(limits), "%s/limits", h.dir);
        (void) chmod(limits, 0777);
        (void) setenv("TCED_FAKE_LIMITS", limits, 1);
        host_write(&h, "root/etc/tced/rules.d/10-slow.rule", "[Match]\nDevice=slow\n[Policy]\nAccel=user\n");
        group = user ? getgrgid(user->pw_gid) : NULL;
        if (geteuid() != 0 || !group) {
                tap_skip("this needs root, and the user nobody", "raised limits");
                host_done(&h);
                return tap_done();
        }
        member_uid = user->pw_uid;
        configure(&h, NULL, "64M");
        if (!host_start_bus(&h)) {
                tap_skip("there is no dbus-daemon", "raised limits");
                host_done(&h);
                return tap_done();
        }
        if (!h.tced || !host_start_tced(&h, NULL))
                bail_out("tced does not start");
        run(&h);
        host_done(&h);
        return tap_done();
}
