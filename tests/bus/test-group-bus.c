/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Groups that are probed, and opened into a container of the caller's: the real daemon, with VFIO made up (fake-kvm.c) and tced-bind
 * played by this test. */

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "bind_protocol.h"
#include "client.h"
#include "tap.h"

#define GROUP_PATH TCED_GROUP_PREFIX "/5"
#define ADDRESS "0000:01:00.0"
#define HIGH "0x800000000000000"

/* tced-bind, for each connection: gives dev/vfio/N, which here is a file, unless it is told that another has it. */
static void play_helper(int fd, void *userdata) {
        const Host *h = userdata;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), connection;
        char path[128];

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/bind-socket", h->dir);
        if (listener < 0 || bind(listener, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(listener, 8) < 0)
                bail_out("bind-socket: %s", strerror(errno));
        actor_say(fd, 'r');
        while ((connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
                BindRequest request;

                while (poll(&(struct pollfd){ .fd = connection, .events = POLLIN }, 1, -1) > 0 &&
                       bind_receive_request(connection, &request) > 0) {
                        BindReply reply = { .id = request.id, .fd = -EBADF };

                        (void) snprintf(path, sizeof(path), "%s/busy", h->dir);
                        if (access(path, F_OK) == 0) {
                                reply.error = EBUSY;
                                (void) snprintf(reply.text, sizeof(reply.text), "/dev/vfio/%u is open already; end who has it", request.group);
                        } else {
                                (void) snprintf(path, sizeof(path), "%s/dev/vfio/%u", h->dir, request.group);
                                reply.fd = open(path, O_RDWR | O_CLOEXEC);
                        }
                        (void) bind_send_reply(connection, &reply);
                        reply.fd = fd_close(reply.fd);
                }
                (void) close(connection);
        }
}

static int probe(sd_bus *bus, sd_bus_error *error) {
        return call(bus, GROUP_PATH, TCED_INTERFACE_GROUP, "Probe", error, NULL, "t", UINT64_C(0));
}

/* "yes: made …" of WindowsProven, to be freed. */
static char *windows_proven(sd_bus *bus) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *proven, *why;
        char *text = NULL;

        if (sd_bus_get_property(bus, TCED_BUS_NAME, GROUP_PATH, TCED_INTERFACE_GROUP, "WindowsProven", NULL, &reply, "(ss)") < 0 ||
            sd_bus_message_read(reply, "(ss)", &proven, &why) < 0 || asprintf(&text, "%s: %s", proven, why) < 0)
                return strdup("(not told)");
        return text;
}

static void proven_is(sd_bus *bus, const char *fragments, const char *name) {
        _cleanup_free_ char *have = windows_proven(bus), *copy = strdup(fragments);
        bool good = true;

        for (char *save, *f = strtok_r(copy, "|", &save); f; f = strtok_r(NULL, "|", &save))
                good &= strstr(have, f) != NULL;
        if (!tap_ok(good, "%s: WindowsProven has %s", name, fragments))
                printf("#   have %s\n", have);
}

static bool described(sd_bus *bus, const char *text) {
        _cleanup_free_ char *json = describe_text(bus);
        return json && strstr(json, text);
}

static void set_mode(const Host *h, const char *mode) {
        host_write(h, "mode", "%s\n", mode);
        host_remove(h, "log");
}

/* What was asked of VFIO, in one line; to be freed. *ret_by_tced: was any of it done by tced itself. */
static char *vfio_log(const Host *h, bool *ret_by_tced) {
        char path[64], *text, *names, *to;

        (void) snprintf(path, sizeof(path), "%s/log", h->dir);
        text = read_whole(path);
        names = to = calloc(1, strlen(text) + 1);
        *ret_by_tced = false;
        for (char *save, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                char *name = strchr(line, ' ');

                *ret_by_tced |= atoi(line) == (int) h->tced_pid;
                to = stpcpy(stpcpy(to, to == names ? "" : " "), name ? name + 1 : "");
        }
        free(text);
        return names;
}

static void check_log(const Host *h, const char *want, const char *name) {
        bool by_tced;
        _cleanup_free_ char *have = vfio_log(h, &by_tced);

        tap_streq(have, want, "%s: what was done", name);
        tap_ok(!by_tced, "%s: by a process of its own", name);
}

static void test_probe(const Host *h, sd_bus *bus, sd_bus *listener) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_signals_ Signals s = {};
        int fds = settled_fds(h->tced_pid);

        signals_record(listener, &s);
        proven_is(bus, "unknown: not asked", "before");
        set_mode(h, "");
        went_well(probe(bus, &error), &error, "an idle group is probed");
        proven_is(bus, "yes: made a window of 1024 MiB in pages of 2048 KiB at " HIGH ", and removed it", "then");
        check_log(h, "attach type info remove create create remove remove detach", "it is probed");
        tap_ok(signals_wait(listener, &s, "PropertiesChanged " GROUP_PATH " org.tced1.Group"), "PropertiesChanged");
        tap_ok(described(bus, "\"windows_proven\":{\"proven\":\"yes\",\"why\":\"made a window of 1024 MiB in pages of 2048 KiB at " HIGH
                              ", and removed it\",\"dma32\":{\"start\":0,\"size\":2147483648},\"page_sizes\":[4096,65536,2097152],"
                              "\"max_windows\":2,\"levels\":5}"),
               "it is described");
        tap_ok(wait_fds(h->tced_pid, fds) <= fds, "tced keeps nothing of it open");
        went_well(call_manager(bus, "Rescan", &error, ""), &error, "groups are read again");
        proven_is(bus, "yes: made", "the device is the same");

        set_mode(h, "no-window");
        went_well(probe(bus, &error), &error, "a group without windows is probed");
        proven_is(bus, "no: group 5: VFIO_IOMMU_SPAPR_TCE_CREATE of a 32-bit window: No such device", "then");
        tap_ok(described(bus, "\"id\":\"ddw-failed\",\"severity\":\"warning\",\"subject\":\"group 5\""), "a finding tells it");
        set_mode(h, "v1");
        went_well(probe(bus, &error), &error, "a group of v1 is probed");
        proven_is(bus, "no: |sPAPR v1 alone|Operation not permitted", "then");
        set_mode(h, "");
        went_well(probe(bus, &error), &error, "probed once more");
        tap_ok(!described(bus, "ddw-failed"), "the finding is gone");
}

/* What is refused leaves what was shown before. */
static void test_refusals(const Host *h, sd_bus *bus) {
        static const struct {
                const char *mode, *error, *text;
        } cases[] = {
                { "busy", "GroupBusy", "group 5|VFIO_GROUP_SET_CONTAINER|in use" },
                { "not-viable", "GroupNotViable", "group 5|bind the whole group" },
                { "type1", "ProbeFailed", "this host's VFIO has no TCE windows|modprobe vfio_iommu_spapr_tce" },
                { "hang", "TimedOut", "group 5|1 s|TimeoutSec=" },
        };
        sd_bus_error error = SD_BUS_ERROR_NULL;

        host_write(h, "root/etc/tced/tced.conf", "[Probe]\nTimeoutSec=1\n");
        went_well(call_manager(bus, "Reload", &error, ""), &error, "a second of patience");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                set_mode(h, cases[i].mode);
                refused(probe(bus, &error), &error, cases[i].error, cases[i].text, "%s", cases[i].mode);
                proven_is(bus, "yes: made", cases[i].mode);
        }
        set_mode(h, "");
        host_write(h, "busy", "%s", "");
        refused(probe(bus, &error), &error, "GroupBusy", "/dev/vfio/5|open already", "another has it open");
        host_remove(h, "busy");
        went_well(probe(bus, &error), &error, "it is probed when that has ended");
        refused(call(bus, GROUP_PATH, TCED_INTERFACE_GROUP, "Probe", &error, NULL, "t", UINT64_C(1)), &error, "InvalidArgument", "Flags",
                "flags that are not known");
        host_write(h, "root/etc/tced/tced.conf", "%s", "");
        (void) call_manager(bus, "Reload", NULL, "");
}

static void claim_and_wait(int fd, void *userdata) {
        const Host *h = userdata;
        _cleanup_bus_ sd_bus *bus = open_peer(h);
        const TestWindow w = { "vfio", ADDRESS, 0x80000001, 0, 1 << 30, 12, 0, 5 };
        _cleanup_free_ char *path = NULL;

        if (register_windows(bus, "holder", "", &w, 1, NO_UID, &path, NULL) < 0 || claim(bus, path, NULL) < 0)
                actor_say(fd, 'f');
        actor_say(fd, 'c');
        (void) actor_listen(fd);
}

static void test_holder(const Host *h, sd_bus *bus) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        const TestWindow w = { "vfio", ADDRESS, 0x80000001, 0, 1 << 30, 12, 0, 5 };
        _cleanup_free_ char *path = NULL;
        Actor a;

        went_well(register_windows(bus, "planned", "", &w, 1, NO_UID, &path, &error), &error, "a VM that is to have the group");
        went_well(probe(bus, &error), &error, "as long as it does not run, it is probed");
        (void) unregister(bus, path, NULL);
        a = actor_start(NO_UID, claim_and_wait, (void *) h);
        tap_eq(actor_hear(&a), 'c', "a VM has the group");
        refused(probe(bus, &error), &error, "GroupBusy", "group 5|'holder'", "its group is left alone");
        actor_kill(&a);
        for (unsigned i = 0; i < 100 && count_machines(bus) > 0; i++)
                (void) usleep(50 * 1000);
        went_well(probe(bus, &error), &error, "until it has ended");
}

/* Several that ask at once are answered one after the other. */
static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        unsigned *counts = userdata;
        counts[sd_bus_message_is_method_error(m, NULL) > 0]++;
        return 1;
}

static void wait_replies(sd_bus *bus, const unsigned *counts, unsigned n) {
        for (unsigned i = 0; i < HARNESS_PATIENCE * 20 && counts[0] + counts[1] < n; i++)
                while (sd_bus_process(bus, NULL) > 0 || sd_bus_wait(bus, 50000) > 0)
                        if (counts[0] + counts[1] == n)
                                break;
}

static void probe_later(sd_bus *bus, unsigned *counts) {
        if (sd_bus_call_method_async(bus, NULL, TCED_BUS_NAME, GROUP_PATH, TCED_INTERFACE_GROUP, "Probe", on_reply, counts, "t",
                                     UINT64_C(0)) < 0 ||
            sd_bus_flush(bus) < 0)
                bail_out("a call can't be made");
}

static void test_queue(const Host *h, sd_bus *bus) {
        unsigned counts[2] = {};
        int fds = settled_fds(h->tced_pid);

        set_mode(h, "");
        for (unsigned i = 0; i < 8; i++)
                probe_later(bus, counts);
        wait_replies(bus, counts, 8);
        tap_ok(counts[0] == 8 && counts[1] == 0, "eight at once are probed one by one (%u, %u refused)", counts[0], counts[1]);
        tap_ok(wait_fds(h->tced_pid, fds) <= fds, "and nothing stays");
}

/* Another device at the same place is another group. */
static void test_other_device(const Host *h, sd_bus *bus) {
        sd_bus_error error = SD_BUS_ERROR_NULL;

        went_well(probe(bus, &error), &error, "what is known now");
        proven_is(bus, "yes: made", "then");
        host_add_group(h, 5, "0000:01:00.1", "vfio-pci");
        went_well(call_manager(bus, "Rescan", &error, ""), &error, "another device comes in its place");
        proven_is(bus, "unknown: not asked", "nothing is known of that");
        host_add_group(h, 5, ADDRESS, "e1000e");
        went_well(call_manager(bus, "Rescan", &error, ""), &error, "the host takes it back");
        refused(probe(bus, &error), &error, "GroupNotViable", "group 5|" ADDRESS "|e1000e", "a group that is the host's");
        host_add_group(h, 5, ADDRESS, "vfio-pci");
        went_well(call_manager(bus, "Rescan", &error, ""), &error, "it is VFIO's again");
}

/* What is read again meanwhile. */
static void test_meanwhile(const Host *h, sd_bus *bus, sd_bus *other) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        unsigned counts[2] = {};

        set_mode(h, "slow");
        probe_later(bus, counts);
        (void) usleep(200 * 1000);
        went_well(call_manager(other, "Rescan", &error, ""), &error, "groups are read again while one is asked");
        proven_is(other, "unknown: it is being asked", "meanwhile");
        wait_replies(bus, counts, 1);
        tap_ok(counts[0] == 1, "it is answered");
        proven_is(other, "yes: made", "and what was shown is kept");

        probe_later(bus, counts);
        (void) usleep(200 * 1000);
        host_add_group(h, 5, "0000:01:00.1", "vfio-pci");
        went_well(call_manager(other, "Rescan", &error, ""), &error, "another device comes while it is asked");
        wait_replies(bus, counts, 2);
        tap_ok(counts[1] == 1, "who asked is refused");
        proven_is(other, "unknown: not asked", "nothing of the old one is told of it");
        host_remove_group(h, 5);
        set_mode(h, "");
        (void) call_manager(other, "Rescan", NULL, "");
        refused(probe(bus, &error), &error, SD_BUS_ERROR_UNKNOWN_OBJECT, "", "a group that is gone");
        host_add_group(h, 5, ADDRESS, "vfio-pci");
        (void) call_manager(other, "Rescan", NULL, "");
}

static int open_into(sd_bus *bus, int container, int *ret_group, sd_bus_error *error) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        int r, fd;

        r = call(bus, GROUP_PATH, TCED_INTERFACE_GROUP, "OpenInto", error, &reply, "th", UINT64_C(0), container);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "h", &fd);
        if (r >= 0 && ret_group)
                *ret_group = fd_dup(fd);
        return r;
}

static bool same_file(int fd, const char *path) {
        struct stat a, b;
        return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static void test_open_into(const Host *h, sd_bus *bus) {
        static const struct {
                const char *mode, *error, *text;
        } cases[] = {
                { "full", "GroupBusy", "group 5|another group already|one group|Open" },
                { "foreign", "Failed", "group 5|another platform|before any window" },
                { "odd", "Failed", "group 5|Invalid argument|Open" },
                { "no-viable-device", "GroupNotViable", "group 5|bind the whole group" },
        };
        sd_bus_error error = SD_BUS_ERROR_NULL;
        char path[64], group_file[64];
        int fds = settled_fds(h->tced_pid), container, group = -EBADF, other;
        _cleanup_free_ char *log = NULL;
        bool by_tced;

        (void) snprintf(path, sizeof(path), "%s/dev/vfio/vfio", h->dir);
        (void) snprintf(group_file, sizeof(group_file), "%s/dev/vfio/5", h->dir);
        container = open(path, O_RDWR | O_CLOEXEC);
        other = open("/dev/null", O_RDWR | O_CLOEXEC);
        set_mode(h, "");
        went_well(open_into(bus, container, &group, &error), &error, "a group is opened into a container");
        tap_ok(same_file(group, group_file), "its fd comes");
        log = vfio_log(h, &by_tced);
        tap_streq(log, "attach", "it was attached, and nothing else done to the container");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                set_mode(h, cases[i].mode);
                refused(open_into(bus, container, NULL, &error), &error, cases[i].error, cases[i].text, "%s", cases[i].mode);
        }
        set_mode(h, "");
        host_add_group(h, 5, ADDRESS, "e1000e");
        went_well(call_manager(bus, "Rescan", &error, ""), &error, "the host takes it back");
        refused(open_into(bus, container, NULL, &error), &error, "GroupNotViable", "group 5|" ADDRESS "|e1000e", "a group that is the host's");
        host_add_group(h, 5, ADDRESS, "vfio-pci");
        went_well(call_manager(bus, "Rescan", &error, ""), &error, "it is VFIO's again");
        refused(open_into(bus, other, NULL, &error), &error, "InvalidArgument", "group 5|/dev/vfio/vfio", "a container that is none");
        refused(open_into(bus, group, NULL, &error), &error, "InvalidArgument", "group 5|/dev/vfio/vfio", "a group in its place");
        /* No uevent has told of that yet. */
        host_remove(h, "sys/devices/pci0000:00/" ADDRESS "/iommu_group");
        host_add_group(h, 5, "0000:01:00.1", "vfio-pci");
        refused(open_into(bus, container, NULL, &error), &error, "NoSuchGroup", "group 5|" ADDRESS "|tcectl groups", "another device has the number");
        host_add_group(h, 5, ADDRESS, "vfio-pci");
        host_write(h, "sys/devices/pci0000:00/" ADDRESS "/device", "0x10d4\n");
        refused(open_into(bus, container, NULL, &error), &error, "NoSuchGroup", "group 5|" ADDRESS "|tcectl groups", "another card is in the slot");
        host_add_group(h, 5, ADDRESS, "vfio-pci");
        log = (free(log), vfio_log(h, &by_tced));
        tap_streq(log, "", "nothing was asked of any of them");
        tap_ok(wait_fds(h->tced_pid, fds) <= fds, "tced keeps nothing of it open");
        (void) close(container);
        (void) close(group);
        (void) close(other);
}

/* Whoever waits is told when tced ends. */
static void test_end(Host *h, sd_bus *bus) {
        unsigned counts[2] = {};

        set_mode(h, "hang");
        for (unsigned i = 0; i < 2; i++)
                probe_later(bus, counts);
        (void) usleep(200 * 1000);
        host_stop_tced(h);
        wait_replies(bus, counts, 2);
        tap_eq(counts[1], 2, "both that waited are told when tced ends");
}

/* A child that says what can't be: it is not believed, and that is said. */
static void test_nonsense(const Host *h, sd_bus *bus) {
        _cleanup_free_ char *before = get_string(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "KvmUsable"), *during = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        host_write(h, "nonsense", "%s", "");
        refused(probe(bus, &error), &error, "ProbeFailed", "group 5|Bad message", "a group's child that talks nonsense");
        refused(call_manager(bus, "Probe", &error, "bt", 0, UINT64_C(0)), &error, "ProbeFailed", "makes no sense", "the host's likewise");
        tap_ok(host_log_has(h, "said what makes no sense"), "it is in the log");
        during = get_string(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "KvmUsable");
        tap_ok(during && !streq(during, "yes"), "and nothing of it is believed: KVM is usable: %s", during);
        host_remove(h, "nonsense");
        went_well(probe(bus, &error), &error, "the next one is asked again");
        went_well(call_manager(bus, "Probe", &error, "bt", 0, UINT64_C(0)), &error, "and the host's");
        free(during);
        during = get_string(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "KvmUsable");
        tap_streq(during, before, "and what they say is believed");
}

int main(void) {
        char nonsense[64];
        _cleanup_bus_ sd_bus *bus = NULL, *listener = NULL;
        Actor helper;
        Host h;

        host_init(&h, 100);
        h.tced = getenv("TCED_ON_FAKE_KVM");
        (void) setenv("TCED_FAKE_VFIO", h.dir, 1);
        host_write(&h, "dev/kvm", "%s", "");
        host_write(&h, "dev/vfio/vfio", "%s", "");
        host_write(&h, "dev/vfio/5", "%s", "");
        host_add_group(&h, 5, ADDRESS, "vfio-pci");
        set_mode(&h, "");
        if (geteuid() != 0 || !host_start_bus(&h)) {
                tap_skip("it needs root and a dbus-daemon", "groups");
                host_done(&h);
                return tap_done();
        }
        helper = actor_start(NO_UID, play_helper, &h);
        (void) snprintf(nonsense, sizeof(nonsense), "%s/nonsense", h.dir);
        (void) setenv("TCED_FAKE_NONSENSE", nonsense, 1);
        if (actor_hear(&helper) != 'r' || !host_start_tced(&h, NULL))
                bail_out("tced does not start");
        bus = open_bus(&h);
        listener = open_bus(&h);
        wait_probed(bus);
        test_probe(&h, bus, listener);
        test_nonsense(&h, bus);
        test_refusals(&h, bus);
        test_holder(&h, bus);
        test_queue(&h, bus);
        test_other_device(&h, bus);
        test_meanwhile(&h, bus, listener);
        test_open_into(&h, bus);
        test_end(&h, bus);
        actor_kill(&helper);
        host_done(&h);
        return tap_done();
}
