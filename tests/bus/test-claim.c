/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who may claim a VM of libvirt's, and what its other guests, all of one user, see of it: every method, property and enumeration,
 * before and after its own process has claimed it, on the bus and on the private socket. The VMs are processes with pid files as
 * libvirt makes them. Needs root, which alone can be others. */

#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "domain.h"
#include "tap.h"

/* Users of this host, since dbus-daemon turns others away: the guests', and another. */
static uid_t guest_uid, other_uid;
static gid_t kvm_group;

typedef struct World {
        const Host *host;
        const char *name; /* of the VM whose process a child is; NULL: of none */
        uid_t uid;
} World;

/* What may be tried with a machine. */
typedef enum Try {
        TRY_LIST,
        TRY_DESCRIBE,
        TRY_OBJECTS,
        TRY_INTROSPECT,
        TRY_BY_UUID,
        TRY_BY_NAME,
        TRY_BY_PID,
        TRY_PROPERTY,
        TRY_TABLE,
        TRY_HOLDER,
        TRY_CLAIM,
        TRY_CLAIM_BY_PIDFD,
        TRY_ACQUIRE,
        TRY_WINDOW,
        TRY_REPORT,
        TRY_UNREGISTER,
        TRY_OPEN_GROUP,
        _TRY_MAX,
} Try;

#define TRY_FIRST_DEED TRY_CLAIM

static const char *const try_names[_TRY_MAX] = {
        [TRY_LIST] = "ListMachines", [TRY_DESCRIBE] = "Describe", [TRY_OBJECTS] = "GetManagedObjects", [TRY_INTROSPECT] = "Introspect",
        [TRY_BY_UUID] = "GetMachine by UUID", [TRY_BY_NAME] = "GetMachine by name", [TRY_BY_PID] = "GetMachineByPID",
        [TRY_PROPERTY] = "a property", [TRY_TABLE] = "a property of a table", [TRY_HOLDER] = "Group.Holder", [TRY_CLAIM] = "Claim",
        [TRY_CLAIM_BY_PIDFD] = "ClaimWithPidfd",
        [TRY_ACQUIRE] = "AcquireTables", [TRY_WINDOW] = "AcquireWindow",
        [TRY_REPORT] = "ReportTable", [TRY_UNREGISTER] = "Unregister", [TRY_OPEN_GROUP] = "Group.Open",
};

/* The machines: a and b, with a group each. */
static const char *const uuids[] = { UUID_A, UUID_B }, *const paths[] = { PATH_A, PATH_B }, *const vm_names[] = { "vm a", "vm b" };
static const char *const group_paths[] = { TCED_GROUP_PREFIX "/7", TCED_GROUP_PREFIX "/8" };
static pid_t *pids; /* of their processes, shared with all children */

static bool has(char *text_consume, const char *part) {
        bool found = text_consume && strstr(text_consume, part);

        free(text_consume);
        return found;
}

/* Does it come to anything? */
static bool try(sd_bus *bus, Try what, unsigned which) {
        const char *path = paths[which], *uuid = path + strlen(TCED_MACHINE_PREFIX "/");
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        char table[128], number[16];

        (void) snprintf(table, sizeof(table), "%s/table/80000000", path);
        (void) snprintf(number, sizeof(number), "%u", which);
        switch (what) {
        case TRY_LIST: {
                _cleanup_message_ sd_bus_message *reply = NULL;
                const char *name;
                bool found = false;

                if (call(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "ListMachines", NULL, &reply, "") < 0 ||
                    sd_bus_message_enter_container(reply, 'a', "(sssuuo)") < 0)
                        return true;
                while (sd_bus_message_read(reply, "(sssuuo)", &name, NULL, NULL, NULL, NULL, NULL) > 0)
                        found |= streq(name, vm_names[which]);
                return found;
        }
        case TRY_DESCRIBE:
                return has(describe_text(bus), uuid);
        case TRY_OBJECTS:
                return has(managed_objects(bus), uuid);
        case TRY_INTROSPECT:
                return has(introspect(bus, TCED_MACHINE_PREFIX), uuid) || has(introspect(bus, path), TCED_INTERFACE_MACHINE);
        case TRY_BY_UUID:
                return has(find_machine(bus, uuids[which]), path);
        case TRY_BY_NAME:
                return has(find_machine(bus, vm_names[which]), path);
        case TRY_BY_PID:
                return call_manager(bus, "GetMachineByPID", &error, "u", (uint32_t) pids[which]) >= 0;
        case TRY_PROPERTY:
                return has(get_string(bus, path, TCED_INTERFACE_MACHINE, "Name"), "vm");
        case TRY_TABLE:
                return has(get_string(bus, table, TCED_INTERFACE_TABLE, "State"), "");
        case TRY_HOLDER:
                return has(get_string(bus, group_paths[which], TCED_INTERFACE_GROUP, "Holder"), uuid);
        case TRY_CLAIM:
                return claim(bus, path, &error) >= 0;
        case TRY_CLAIM_BY_PIDFD: {
                _cleanup_fd_ int own = sys_pidfd_open(getpid(), 0);

                return call(bus, path, TCED_INTERFACE_MACHINE, "ClaimWithPidfd", &error, NULL, "ht", own, UINT64_C(0)) >= 0;
        }
        case TRY_ACQUIRE:
                return acquire(bus, path, NULL, 0, &error, NULL) >= 0;
        case TRY_WINDOW:
                return call(bus, path, TCED_INTERFACE_MACHINE, "AcquireWindow", &error, NULL, "uuttit", 0x80000001U, 16U, UINT64_C(1) << 59,
                            UINT64_C(512), 0, UINT64_C(0)) >= 0;
        case TRY_REPORT:
                return call(bus, path, TCED_INTERFACE_MACHINE, "ReportTable", &error, NULL, "usit", 0x80000000U, "kernel", 0, UINT64_C(0)) >= 0;
        case TRY_UNREGISTER:
                return unregister(bus, path, &error) >= 0;
        case TRY_OPEN_GROUP:
                /* No VFIO is there, but who may is asked before. */
                return call(bus, group_paths[which], TCED_INTERFACE_GROUP, "Open", &error, NULL, "t", UINT64_C(0)) >= 0 ||
                       !strstr(error.name, "NotAuthorized");
        case _TRY_MAX:
                break;
        }
        return true;
}

/* As libvirt does it: the file is written and locked while the process is still root's, and the lock stays its own. */
static void write_pid_file(const Host *h, const char *name) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
        char path[128];
        int fd;

        (void) snprintf(path, sizeof(path), "%s/libvirt/%s.pid", h->dir, name);
        (void) unlink(path);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0 || dprintf(fd, "%d", (int) getpid()) < 0 || fcntl(fd, F_SETLK, &lock) < 0)
                bail_out("%s: %s", path, strerror(errno));
}

static void become_user(uid_t uid) {
        if (uid != 0 && (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0))
                bail_out("can't become user %u: %s", (unsigned) uid, strerror(errno));
}

/* Tries what it is told: 'b' (bus) or 'p' (private socket), then which machine, then what; says '1' where it came to something.
 * 's' begins to listen to the private socket's signals, 'h' asks whether there were any of machines. */
static void be_guest(int fd, void *userdata) {
        const World *w = userdata;
        sd_bus *bus, *peer, *listener = NULL;
        Signals signals = {};
        int how;

        if (w->name)
                write_pid_file(w->host, w->name);
        become_user(w->uid);
        actor_say(fd, 'r');
        /* Connected by whom they are by then. */
        bus = open_bus(w->host);
        peer = open_peer(w->host);
        while ((how = actor_listen(fd)) > 0) {
                int which, what;

                if (how == 's') {
                        listener = open_peer(w->host);
                        signals_record(listener, &signals);
                        actor_say(fd, '1');
                        continue;
                }
                if (how == 'h') {
                        actor_say(fd, signals_have(listener, &signals, "Machine") ? '1' : '0');
                        continue;
                }
                which = actor_listen(fd) - '0';
                what = actor_listen(fd) - 'A';
                actor_say(fd, try(how == 'p' ? peer : bus, (Try) what, (unsigned) which) ? '1' : '0');
        }
}

static Actor start_guest(const Host *h, const char *name, uid_t uid) {
        World w = { .host = h, .name = name, .uid = uid };
        Actor a = actor_start(NO_UID, be_guest, &w);

        if (actor_hear(&a) != 'r')
                bail_out("a guest does not start");
        return a;
}

static bool guest_tries(const Actor *a, char how, unsigned which, Try what) {
        actor_tell(a, how);
        actor_tell(a, (char) ('0' + which));
        actor_tell(a, (char) ('A' + (int) what));
        return actor_hear(a) != '0';
}

/* Nothing that this process tries comes to anything. visible: it may look, as on the bus a user may who runs none of libvirt's
 * VMs. */
static void must_fail(const Actor *a, const char *who, char how, unsigned which, bool visible, const char *when) {
        for (int i = 0; i < _TRY_MAX; i++) {
                bool by_pid = i == TRY_BY_PID, wanted = visible && i < TRY_FIRST_DEED;
                bool worked = guest_tries(a, how, which, (Try) i);

                if (by_pid && visible)
                        continue; /* there is one once it is claimed */
                tap_ok(worked == wanted, "%s, %s, %s: %s of %s", when, who, how == 'p' ? "private socket" : "bus", try_names[i], vm_names[which]);
        }
}

/* Does the bus say for certain which process is at the other end? */
static bool bus_is_certain(sd_bus *bus) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *name, *key;
        bool found = false;

        if (sd_bus_get_unique_name(bus, &name) < 0 ||
            sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionCredentials",
                               NULL, &reply, "s", name) < 0 ||
            sd_bus_message_enter_container(reply, 'a', "{sv}") < 0)
                bail_out("the bus does not say who is there");
        while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
                (void) sd_bus_message_read(reply, "s", &key);
                found |= streq(key, "ProcessFD");
                (void) sd_bus_message_skip(reply, "v");
                (void) sd_bus_message_exit_container(reply);
        }
        return found;
}

static void must_fail_everywhere(const Actor *a, const char *who, unsigned which, bool visible_on_bus, const char *when) {
        must_fail(a, who, 'p', which, false, when);
        must_fail(a, who, 'b', which, visible_on_bus, when);
}

static TestDomain domain_of(unsigned which, const char *rest) {
        static const char *const devices[] = { HOSTDEV("domain='0' bus='1' slot='0' function='0'"),
                                               HOSTDEV("domain='0' bus='2' slot='0' function='0'") };

        return (TestDomain) { .name = vm_names[which], .uuid = uuids[which], .devices = devices[which], .rest = rest };
}

static void register_both(sd_bus *root, const char *rest) {
        for (unsigned i = 0; i < 2; i++) {
                TestDomain d = domain_of(i, rest);
                sd_bus_error error = SD_BUS_ERROR_NULL;

                went_well(register_domain(root, &d, 1, &error, NULL, NULL), &error, "%s is registered", vm_names[i]);
        }
}

static const char *dac_label(uid_t uid) {
        static char text[128];

        (void) snprintf(text, sizeof(text), "<seclabel type='dynamic' model='dac' relabel='yes'><label>+%u:+%u</label></seclabel>",
                        (unsigned) uid, (unsigned) uid);
        return text;
}

/* Two guests of one user, a third process of it, and another user. */
static void test_isolation(const Host *h, sd_bus *root, bool labelled) {
        Actor guests[2], third = start_guest(h, NULL, guest_uid), other = start_guest(h, NULL, other_uid);
        _cleanup_bus_ sd_bus *bus = open_bus(h);
        bool certain = bus_is_certain(bus);
        /* Without its label nobody knows before the claims whose guests they are. */
        const char *before = labelled ? "before the claims" : "before the claims, no label";
        const char *after = labelled ? "after the claims" : "after the claims, no label";

        for (unsigned i = 0; i < 2; i++) {
                guests[i] = start_guest(h, vm_names[i], guest_uid);
                pids[i] = guests[i].pid;
        }
        actor_tell(&third, 's');
        (void) actor_hear(&third);
        register_both(root, labelled ? dac_label(guest_uid) : "");
        for (unsigned i = 0; i < 2; i++) {
                must_fail_everywhere(&guests[i], vm_names[i], !i, !labelled, before);
                must_fail_everywhere(&third, "a third process", i, !labelled, before);
                must_fail_everywhere(&other, "another user", i, true, before);
        }
        tap_eq(count_machines(root), 2, "both are still there");
        for (unsigned i = 0; i < 2; i++) {
                char how = i == 0 || !certain ? 'p' : 'b';

                if (!certain)
                        must_fail(&guests[i], vm_names[i], 'b', i, !labelled && i == 0, "its own, on a bus that knows PIDs alone");
                tap_ok(guest_tries(&guests[i], how, i, TRY_BY_UUID), "%s finds its own", vm_names[i]);
                tap_ok(!guest_tries(&guests[i], how, i, TRY_LIST), "has it not listed, yet");
                tap_ok(!guest_tries(&guests[i], how, i, TRY_ACQUIRE), "nor its tables");
                tap_ok(!guest_tries(&guests[i], how, i, TRY_UNREGISTER), "nor may it end it");
                tap_ok(guest_tries(&guests[i], how, i, TRY_CLAIM), "it claims its own");
                tap_ok(guest_tries(&guests[i], how, i, TRY_CLAIM), "again, which changes nothing");
                tap_ok(guest_tries(&guests[i], how, i, TRY_LIST) && guest_tries(&guests[i], how, i, TRY_DESCRIBE), "and has it listed");
                tap_ok(guest_tries(&guests[i], how, i, TRY_ACQUIRE), "and gets its tables");
                tap_ok(guest_tries(&guests[i], how, i, TRY_HOLDER) && guest_tries(&guests[i], how, i, TRY_OPEN_GROUP), "and its group");
                tap_ok(guest_tries(&guests[i], how, i, TRY_BY_PID), "and is found by its PID");
                tap_eq(get_number(root, paths[i], TCED_INTERFACE_MACHINE, "Uid", 'u'), guest_uid, "its user is known");
                if (!certain)
                        must_fail(&guests[i], vm_names[i], 'b', i, false, "its own that it has claimed, on a bus that knows PIDs alone");
        }
        for (unsigned i = 0; i < 2; i++) {
                must_fail_everywhere(&guests[i], vm_names[i], !i, false, after);
                must_fail_everywhere(&third, "a third process", i, false, after);
                must_fail_everywhere(&other, "another user", i, true, after);
        }
        actor_tell(&third, 'h');
        tap_eq(actor_hear(&third), '0', "a third process hears of neither on the private socket");
        tap_ok(guest_tries(&guests[0], 'p', 0, TRY_UNREGISTER), "a guest may end its own, once it has claimed it");
        tap_eq(count_machines(root), 1, "that alone is gone");
        actor_kill(&guests[1]);
        for (unsigned i = 0; i < HARNESS_PATIENCE * 20 && count_machines(root) > 0; i++)
                (void) usleep(50 * 1000);
        tap_eq(count_machines(root), 0, "the other ends with its process");
        actor_kill(&guests[0]);
        actor_kill(&third);
        actor_kill(&other);
}

/* Root is not the VM's process either, and is told what is wrong. */
static void test_root(const Host *h, sd_bus *root) {
        char pid_file[128];
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Actor guest = start_guest(h, vm_names[0], guest_uid);
        char text[128];

        pids[0] = guest.pid;
        host_remove(h, "libvirt/vm b.pid");
        register_both(root, "");
        (void) snprintf(text, sizeof(text), "may not claim machine vm a|as process %d|vm a.pid", (int) guest.pid);
        refused(claim(root, PATH_A, &error), &error, "NotAuthorized", text, "root is not its process");
        refused(claim(root, PATH_B, &error), &error, "NotAuthorized", "vm b.pid|can't be opened", "there is no pid file");
        (void) snprintf(pid_file, sizeof(pid_file), "%s/libvirt/%s.pid", h->dir, vm_names[0]);
        (void) chmod(pid_file, 0666);
        refused(claim(root, PATH_A, &error), &error, "NotAuthorized", "can't be believed", "a pid file that anyone may write");
        tap_ok(!guest_tries(&guest, 'p', 0, TRY_CLAIM), "its process can't claim it by that");
        (void) chmod(pid_file, 0644);
        tap_ok(guest_tries(&guest, 'p', 0, TRY_CLAIM), "now it can");
        refused(claim(root, PATH_A, &error), &error, "NotAuthorized", "which libvirt runs as user", "nor when it is claimed");
        went_well(unregister(root, PATH_A, &error), &error, "root may end it");
        went_well(unregister(root, PATH_B, &error), &error, "and what nobody claimed");
        actor_kill(&guest);

        /* A VM that runs as root. */
        register_both(root, dac_label(0));
        write_pid_file(h, vm_names[0]);
        went_well(claim(root, PATH_A, &error), &error, "a VM that runs as root is claimed by it");
        refused(claim(root, PATH_B, &error), &error, "NotAuthorized", "vm b.pid", "and no other");
        (void) unregister(root, PATH_A, NULL);
        (void) unregister(root, PATH_B, NULL);
        host_remove(h, "libvirt/vm a.pid");
}

/* Its user is another than libvirt said. */
static void test_wrong_user(const Host *h, sd_bus *root) {
        Actor guest = start_guest(h, vm_names[0], other_uid);

        pids[0] = guest.pid;
        register_both(root, dac_label(guest_uid));
        tap_ok(!guest_tries(&guest, 'p', 0, TRY_BY_UUID) && !guest_tries(&guest, 'p', 0, TRY_CLAIM),
               "the process in the pid file, as another user: not on the private socket");
        tap_ok(!guest_tries(&guest, 'b', 0, TRY_CLAIM), "nor on the bus");
        (void) unregister(root, PATH_A, NULL);
        (void) unregister(root, PATH_B, NULL);
        actor_kill(&guest);
}

/* Registers a VM of its own with another's UUID or name and its group, as a member of the group kvm may, and stays. */
static void squat(int fd, void *userdata) {
        const World *w = userdata;
        const TestWindow window = { "vfio", "nic", 1, 0, 4096, 12, 0, 7 };
        sd_bus *bus;

        if (setgroups(1, &(gid_t) { kvm_group }) < 0)
                return;
        if (setresgid(w->uid, w->uid, w->uid) < 0 || setresuid(w->uid, w->uid, w->uid) < 0)
                return;
        bus = open_peer(w->host);
        actor_say(fd, register_windows(bus, w->name, streq(w->name, "a.b") ? UUID_A : UUID_B, &window, 1, NO_UID, NULL, NULL) >= 0 ? 'y' : 'n');
        (void) actor_listen(fd);
}

/* A guest is in the way of another that has not started yet: neither planning, start nor claim care. */
static void test_squatters(const Host *h, sd_bus *root) {
        static const char *const names[] = { "another", "a.b" };
        static const TestDomain d = { .name = "a.b", .uuid = UUID_B };
        static const TestDomain nic = { .name = "nic", .uuid = "11111111-2222-3333-4444-00000000000c", .devices = HOSTDEV("domain='0' bus='1' slot='0' function='0'") };
        _cleanup_free_ char *xml = domain_xml(&nic);

        for (unsigned running = 0; running < 2; running++)
                for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                        World w = { .host = h, .name = names[i], .uid = guest_uid };
                        Actor squatter = actor_start(NO_UID, squat, &w);
                        _cleanup_free_ char *name = NULL, *source = NULL, *json = NULL;
                        sd_bus_error error = SD_BUS_ERROR_NULL;

                        tap_eq(actor_hear(&squatter), 'y', "a member of kvm registers '%s', with a domain's %s and group", names[i],
                               i == 0 ? "UUID" : "name");
                        went_well(plan_domain(root, xml, NULL, &error, &json), &error, "a plan for who has that group");
                        tap_ok(json && !strstr(json, "group-busy"), "it is nobody's by that");
                        went_well(register_domain(root, &d, running, &error, NULL, NULL), &error, "the domain is registered");
                        name = get_string(root, PATH_B, TCED_INTERFACE_MACHINE, "Name");
                        source = get_string(root, PATH_B, TCED_INTERFACE_MACHINE, "Source");
                        tap_streq(name, "a.b", "its UUID is its own");
                        tap_streq(source, "libvirt", "and no user's");
                        tap_eq(count_machines(root), 1, "the other is gone");
                        (void) unregister(root, PATH_B, NULL);
                        actor_kill(&squatter);
                }
}

/* An earlier file with the PID of another process of the user. */
static void test_left_over(const Host *h, sd_bus *root) {
        Actor third = start_guest(h, NULL, guest_uid);

        pids[0] = third.pid;
        host_write(h, "libvirt/vm a.pid", "%d", (int) third.pid);
        register_both(root, dac_label(guest_uid));
        tap_ok(!guest_tries(&third, 'p', 0, TRY_BY_UUID) && !guest_tries(&third, 'p', 0, TRY_CLAIM),
               "a pid file that was left over gives no right to who has the PID now");
        tap_ok(host_log_has(h, "which is not its"), "an attempt is logged");
        (void) unregister(root, PATH_A, NULL);
        (void) unregister(root, PATH_B, NULL);
        actor_kill(&third);
}

/* A socket that a process of the guests' user has connected, and which outlives it; *ret_pid is whose it was. */
static int left_connection(const char *path, pid_t *ret_pid) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {};
        char byte = 'x';
        struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
        int pair[2], fd;

        (void) strcpy(address.sun_path, path);
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                bail_out("socketpair: %s", strerror(errno));
        *ret_pid = fork();
        if (*ret_pid == 0) {
                become_user(guest_uid);
                fd = socket(AF_UNIX, SOCK_STREAM, 0);
                if (connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                        _exit(1);
                control.header = (struct cmsghdr) { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
                memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
                _exit(sendmsg(pair[1], &m, 0) == 1 ? 0 : 1);
        }
        if (*ret_pid < 0 || recvmsg(pair[0], &m, MSG_CMSG_CLOEXEC) != 1 || wait_exit(*ret_pid) != 0)
                bail_out("no connection that was left: %s", strerror(errno));
        memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
        (void) close(pair[0]);
        (void) close(pair[1]);
        return fd;
}

/* A guest whose PID another process of its user has had. pid 0: it did not come to that. */
static Actor start_guest_as(const Host *h, pid_t pid) {
        for (unsigned i = 0; i < 100; i++) {
                FILE *f = fopen("/proc/sys/kernel/ns_last_pid", "we");
                Actor a;

                if (!f || fprintf(f, "%d", (int) pid - 1) < 0 || fclose(f) != 0)
                        break;
                a = start_guest(h, vm_names[0], guest_uid);
                if (a.pid == pid)
                        return a;
                actor_kill(&a);
        }
        return (Actor) { .fd = -EBADF };
}

typedef struct Left {
        int fd;
        bool is_bus;
} Left;

static void try_left_connection(void *userdata) {
        const Left *left = userdata;
        sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_fd(bus, left->fd, left->fd);
        if (r >= 0 && left->is_bus)
                r = sd_bus_set_bus_client(bus, 1);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, 1);
        if (r >= 0)
                r = sd_bus_start(bus);
        /* On the private socket it is not let in at all, unless it was while its process was there. */
        if (!left->is_bus && (r < 0 || count_machines(bus) < 0))
                return;
        if (r < 0)
                bail_out("the bus: %s", strerror(-r));
        for (int i = 0; i < _TRY_MAX; i++)
                tap_ok(!try(bus, (Try) i, 0), "a connection of who had the PID before, %s: %s", left->is_bus ? "bus" : "private socket",
                       try_names[i]);
}

/* A process of the user connects, ends, and leaves the connection to another; then a guest gets its PID. */
static void test_left_connection(const Host *h, sd_bus *root) {
        for (unsigned i = 0; i < 2; i++) {
                Left left = { .is_bus = i == 0 };
                pid_t pid;
                Actor guest;

                left.fd = left_connection(left.is_bus ? strchr(h->address, '/') : h->socket, &pid);
                guest = start_guest_as(h, pid);
                if (guest.pid == 0) {
                        tap_skip("a PID can't be had again here", "a connection of who had the PID before");
                        (void) close(left.fd);
                        return;
                }
                pids[0] = guest.pid;
                register_both(root, dac_label(guest_uid));
                run_as(guest_uid, NULL, 0, try_left_connection, &left);
                tap_ok(guest_tries(&guest, 'p', 0, TRY_CLAIM), "the guest can claim its own");
                (void) close(left.fd);
                actor_kill(&guest);
                (void) unregister(root, PATH_A, NULL);
                (void) unregister(root, PATH_B, NULL);
        }
}

typedef struct LabelCase {
        const Host *host;
        const char *name, *file, *current, *text;
} LabelCase;

static void try_label(void *userdata) {
        const LabelCase *c = userdata;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus *bus;
        char path[128], target[64];
        static const char *const links[] = { "stat", "status" };

        write_pid_file(c->host, vm_names[0]);
        for (size_t i = 0; i < ELEMENTSOF(links); i++) {
                (void) snprintf(path, sizeof(path), "proc/%d/%s", (int) getpid(), links[i]);
                (void) snprintf(target, sizeof(target), "/proc/%d/%s", (int) getpid(), links[i]);
                host_link(c->host, path, target);
        }
        (void) snprintf(path, sizeof(path), "proc/%d/attr/%s", (int) getpid(), c->file);
        host_write(c->host, path, "%s\n", c->current);
        become_user(guest_uid);
        bus = open_peer(c->host);
        if (c->text)
                refused(claim(bus, PATH_A, &error), &error, "NotAuthorized", c->text, "label: %s", c->name);
        else
                went_well(claim(bus, PATH_A, &error), &error, "label: %s", c->name);
        (void) sd_bus_flush_close_unref(bus);
}

/* The process is right, and confined as another VM's, or not at all. */
static void test_labels(Host *h) {
        LabelCase cases[] = {
                { h, "AppArmor's, right", "apparmor/current", "libvirt-a (enforce)", NULL },
                { h, "another VM's", "apparmor/current", "libvirt-b (enforce)", "apparmor label libvirt-b|under libvirt-a" },
                { h, "none", "apparmor/current", "unconfined", "unconfined" },
                { h, "not to be read", "other", "", "can't be read" },
        };
        char proc[96], own[64], target[64], rest[512];
        const char *const options[] = { proc, NULL };
        _cleanup_bus_ sd_bus *root = NULL;

        (void) snprintf(own, sizeof(own), "proc/%d", (int) getpid());
        (void) snprintf(target, sizeof(target), "/proc/%d", (int) getpid());
        host_link(h, own, target);
        (void) snprintf(proc, sizeof(proc), "--proc=%s/proc", h->dir);
        (void) snprintf(rest, sizeof(rest), "%s<seclabel type='dynamic' model='apparmor' relabel='yes'><label>libvirt-a</label></seclabel>",
                        dac_label(guest_uid));
        if (!tap_ok(host_start_tced(h, options), "a daemon with a made-up /proc"))
                return;
        root = open_bus(h);
        wait_probed(root);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                register_both(root, rest);
                run_as(NO_UID, NULL, 0, try_label, &cases[i]);
                (void) unregister(root, PATH_A, NULL);
                (void) unregister(root, PATH_B, NULL);
        }
        host_stop_tced(h);
}

static bool find_users(const Host *h) {
        const struct passwd *user;
        const struct group *group;

        setpwent();
        while ((user = getpwent()) && other_uid == 0)
                if (user->pw_uid != 0)
                        *(guest_uid == 0 ? &guest_uid : &other_uid) = user->pw_uid;
        endpwent();
        setgrent();
        while ((group = getgrent()) && kvm_group == 0)
                if (group->gr_gid != 0) {
                        kvm_group = group->gr_gid;
                        host_write(h, "root/etc/tced/tced.conf", "[Manager]\nGroup=%s\n", group->gr_name);
                }
        endgrent();
        return other_uid != 0 && kvm_group != 0;
}

/* Who asked as one user, and is another since. */
static void be_another(void *userdata) {
        const char *const *at = userdata;
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_bus_ sd_bus *bus = NULL;

        if (setresuid(guest_uid, guest_uid, 0) < 0)
                bail_out("setresuid: %s", strerror(errno));
        bus = open_address(at[0], true);
        tap_ok(count_machines(bus) > 0, "a user asks on the bus");
        if (setresuid(0, 0, 0) < 0 || setresuid(other_uid, other_uid, other_uid) < 0)
                bail_out("setresuid: %s", strerror(errno));
        refused(claim(bus, at[1], &error), &error, "NotAuthorized", "can't be held", "and claims as what it was, which it is no more");
}

static void test_another_since(const Host *h, sd_bus *root) {
        _cleanup_free_ char *path = register_small(root, "changes", 1, guest_uid);
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

        run_as(NO_UID, NULL, 0, be_another, ((const char *[]){ h->address, path }));
        went_well(unregister(root, path, &error), &error, "it is nobody's");
}

int main(void) {
        Host h;

        pids = mmap(NULL, 2 * sizeof(*pids), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (pids == MAP_FAILED)
                return 99;
        host_init(&h, 110);
        if (geteuid() != 0 || !find_users(&h) || !host_start_bus(&h)) {
                tap_skip(geteuid() != 0 ? "only root can be other users" : "there is no dbus-daemon, or no users or groups", "claims");
                host_done(&h);
                return tap_done();
        }
        h.tced = getenv("TCED_ON_FAKE_KVM");
        host_write(&h, "dev/kvm", "%s", "");
        host_add_group(&h, 7, "0000:01:00.0", "vfio-pci");
        host_add_group(&h, 8, "0000:02:00.0", "vfio-pci");
        if (!h.tced || !host_start_tced(&h, NULL))
                bail_out("tced does not start");
        for (unsigned i = 0; i < 2; i++) {
                _cleanup_bus_ sd_bus *root = i == 0 ? open_bus(&h) : open_peer(&h);

                wait_probed(root);
                test_isolation(&h, root, i == 0);
                test_root(&h, root);
                test_wrong_user(&h, root);
                test_left_over(&h, root);
                test_squatters(&h, root);
                test_left_connection(&h, root);
                if (i == 0)
                        test_another_since(&h, root);
        }
        host_stop_tced(&h);
        test_labels(&h);
        host_done(&h);
        return tap_done();
}
