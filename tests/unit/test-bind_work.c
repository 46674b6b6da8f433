/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bind_work.c and bind_sysfs.c on a made-up host whose kernel (fake-sysfs.c) fails, lies, hangs and takes the process with it at any write:
 * a group is wholly bound then, or wholly as it was. */

#include "bind_work.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "bind_lock.h"
#include "event-loop.h"
#include "fake-sysfs.h"
#include "log.h"
#include "tap.h"

#define GROUP 7
#define A "0001:00:00.0"
#define B "0001:00:00.1"
#define C "0001:00:00.2"
#define D "0001:00:00.3"
#define PLUGGED "0001:00:00.7"
#define BRIDGE "0001:00:01.0"
#define BRIDGE_CLASS "0x060400\n"

typedef struct Device {
        const char *address, *class, *driver, *driver_override, *matches;
} Device;

/* Groups as they are met. `bound`: as fake_describe() has them when they are. */
typedef struct Scene {
        const char *name;
        Device devices[6];
        const char *bound;
} Scene;

static const Scene scenes[] = {
        { "one device", { { A, NULL, "nvme", NULL, "nvme" } }, A " vfio-pci vfio-pci\n" },
        { "one device without a driver", { { A, NULL, NULL, NULL, "nvme" } }, A " vfio-pci vfio-pci\n" },
        { "three devices, of which one has no driver and one an override",
          { { A, NULL, "nvme", NULL, "nvme other" }, { B, NULL, NULL, NULL, "" }, { C, NULL, "mlx5_core", "mlx5_core", "mlx5_core" } },
          A " vfio-pci vfio-pci\n" B " vfio-pci vfio-pci\n" C " vfio-pci vfio-pci\n" },
        { "a bridge, and one that is on a driver of vfio's",
          { { A, NULL, "nvme", NULL, "nvme" }, { B, NULL, "mlx5_vfio_pci", "mlx5_vfio_pci", "" }, { BRIDGE, BRIDGE_CLASS, "pcieport", NULL, "pcieport" } },
          A " vfio-pci vfio-pci\n" B " mlx5_vfio_pci mlx5_vfio_pci\n" BRIDGE " pcieport -\n" },
        { "a bridge without a driver", { { A, NULL, "nvme", NULL, "nvme" }, { BRIDGE, BRIDGE_CLASS, NULL, NULL, "pcieport" } },
          A " vfio-pci vfio-pci\n" BRIDGE " - -\n" },
        { "half bound by an administrator",
          { { A, NULL, "vfio-pci", "vfio-pci", "nvme" }, { B, NULL, "nvme", "vfio-pci", "nvme" }, { C, NULL, NULL, "vfio-pci", "nvme" } },
          A " vfio-pci vfio-pci\n" B " vfio-pci vfio-pci\n" C " vfio-pci vfio-pci\n" },
        { "overrides of drivers that do not have it", { { A, NULL, "nvme", "other", "nvme" }, { B, NULL, "pci-stub", "pci-stub", "nvme" } },
          A " vfio-pci vfio-pci\n" B " vfio-pci vfio-pci\n" },
};

static const char *const drivers[] = { "nvme", "other", "mlx5_core", "mlx5_vfio_pci", "pcieport", "pci-stub" };

/* A host with a scene, and what was asked about it last. */
typedef struct Stage {
        FakeHost host;
        char before[1024]; /* as it was */
        BindRequest request;
        BindReply reply;
        unsigned steps; /* of the last operation, as told */
} Stage;

static Stage stage_make(const Scene *scene) {
        Stage s = { .host = fake_host_make(), .request = { .id = 5, .group = GROUP } };

        for (size_t i = 0; i < ELEMENTSOF(drivers); i++)
                fake_add_driver(&s.host, drivers[i]);
        for (const Device *d = scene->devices; d < scene->devices + ELEMENTSOF(scene->devices) && d->address; d++) {
                fake_add_device(&s.host, d->address, GROUP, d->class, d->driver, d->driver_override, d->matches);
                (void) strcpy(s.request.addresses[s.request.n_addresses++], d->address);
        }
        fake_describe(&s.host, s.before, sizeof(s.before));
        fake_plan(&s.host, "");
        return s;
}

static void stage_remove(Stage *s) {
        fake_host_remove(&s->host);
}

/* One operation in this process; its error. */
static int perform(Stage *s, BindOperation operation) {
        const BindPlaces places = { .kernel = &bind_kernel, .sys = s->host.sys, .dev = s->host.dev, .records = s->host.records };
        int ends[2];
        BindReply step;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                exit(EXIT_FAILURE);
        s->request.operation = operation;
        bind_work_do(&places, &s->request, ends[0], &s->reply);
        (void) fd_close(ends[0]);
        for (s->steps = 0; bind_receive_reply(ends[1], &step) > 0; s->steps++)
                ;
        (void) fd_close(ends[1]);
        return s->reply.error;
}

/* The same in another, which may be killed; true: it was. */
static bool perform_elsewhere(Stage *s, BindOperation operation) {
        int status = 0;
        pid_t pid = fork();

        if (pid == 0)
                _exit(perform(s, operation) != 0);
        (void) waitpid(pid, &status, 0);
        return WIFSIGNALED(status);
}

/* The group's record's state, or -1. */
static int state_of(const Stage *s, char why[BIND_TEXT_MAX]) {
        _cleanup_fd_ int dir = open(s->host.records, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        BindRecord record = {};
        int r = bind_record_look_up(dir, s->request.addresses, s->request.n_addresses, &record);
        int state = r > 0 ? (int) record.state : -1;

        if (why)
                (void) strcpy(why, record.why);
        bind_record_clear(&record);
        return state;
}

static bool is(const Stage *s, const char *want) {
        char now[1024];

        fake_describe(&s->host, now, sizeof(now));
        if (!streq(now, want))
                printf("# have:\n# %s# want:\n# %s", now, want ? want : "-");
        return streq(now, want);
}

static bool is_back(const Stage *s) {
        return is(s, s->before) && state_of(s, NULL) == -1;
}

static bool is_bound(const Stage *s, const Scene *scene) {
        return is(s, scene->bound) && state_of(s, NULL) == BIND_BOUND;
}

static void plan(const Stage *s, const char *format, unsigned n) {
        char text[64], *hole;

        (void) snprintf(text, sizeof(text), "%s", format);
        hole = strchr(text, '#');
        (void) snprintf(hole, sizeof(text) - (size_t) (hole - text), "%u%s", n, format + (hole - text) + 1);
        fake_plan(&s->host, text);
}

/* ---- as it should be ---- */

static void test_scenes(void) {
        for (size_t i = 0; i < ELEMENTSOF(scenes); i++) {
                Stage s = stage_make(&scenes[i]);
                unsigned fds = count_fds(), writes;

                tap_eq(perform(&s, BIND_BIND_GROUP), 0, "%s: bound (%s)", scenes[i].name, s.reply.text);
                writes = fake_count(&s.host);
                tap_ok(is_bound(&s, &scenes[i]), "%s: as it should be", scenes[i].name);
                tap_ok(s.steps == writes && writes > 0, "%s: each of %u writes was told before", scenes[i].name, writes);
                tap_ok(perform(&s, BIND_BIND_GROUP) == 0 && fake_count(&s.host) == writes && is_bound(&s, &scenes[i]),
                       "%s: bound again, nothing happens", scenes[i].name);
                tap_ok(perform(&s, BIND_RECOVER_GROUP) == 0 && is_bound(&s, &scenes[i]), "%s: there is nothing to recover", scenes[i].name);
                tap_eq(perform(&s, BIND_RELEASE_GROUP), 0, "%s: given back (%s)", scenes[i].name, s.reply.text);
                tap_ok(is_back(&s), "%s: as it was", scenes[i].name);
                tap_eq(count_fds(), fds, "%s: no fd is left", scenes[i].name);
                stage_remove(&s);
        }
}

/* ---- killed ---- */

/* Killed at the n-th write; what comes then puts it back, and is killed as well, at the m-th (0: is not). false: there is no n-th write. */
static bool kill_and_recover(const Scene *scene, BindOperation operation, const char *when, unsigned n, unsigned m, BindOperation next) {
        Stage s = stage_make(scene);
        bool killed;

        if (operation == BIND_RELEASE_GROUP)
                (void) perform(&s, BIND_BIND_GROUP);
        plan(&s, when, n);
        killed = perform_elsewhere(&s, operation);
        if (killed) {
                fake_plan(&s.host, "");
                if (m > 0) {
                        plan(&s, "# kill-after", m);
                        (void) perform_elsewhere(&s, BIND_RECOVER_GROUP);
                        fake_plan(&s.host, "");
                }
                tap_eq(perform(&s, next), 0, "%s: %s, %u%s, %s%s: (%s)", scene->name, bind_operation_to_string(operation), n, strchr(when, ' '),
                       m ? "recovery killed too, " : "", bind_operation_to_string(next), s.reply.text);
                tap_ok(next == BIND_BIND_GROUP ? is_bound(&s, scene) : is_back(&s), "%s: %u: wholly %s", scene->name, n,
                       next == BIND_BIND_GROUP ? "bound" : "back");
                if (next == BIND_BIND_GROUP)
                        tap_ok(perform(&s, BIND_RELEASE_GROUP) == 0 && is_back(&s), "%s: %u: and back", scene->name, n);
        }
        stage_remove(&s);
        return killed;
}

static void test_killed(void) {
        static const BindOperation nexts[] = { BIND_RECOVER_GROUP, BIND_BIND_GROUP };
        static const char *const whens[] = { "# kill-before", "# kill-after" };
        unsigned points = 0;

        for (size_t i = 0; i < ELEMENTSOF(scenes); i++)
                for (size_t when = 0; when < ELEMENTSOF(whens); when++)
                        for (size_t next = 0; next < ELEMENTSOF(nexts); next++) {
                                for (unsigned n = 1; kill_and_recover(&scenes[i], BIND_BIND_GROUP, whens[when], n, 0, nexts[next]); n++)
                                        points++;
                                for (unsigned n = 1; kill_and_recover(&scenes[i], BIND_RELEASE_GROUP, whens[when], n, 0, nexts[next]); n++)
                                        points++;
                        }
        tap_ok(points > 100, "killed %u times", points);
        for (unsigned n = 1; n <= 7; n++)
                for (unsigned m = 1; m <= 8; m++)
                        (void) kill_and_recover(&scenes[2], BIND_BIND_GROUP, "# kill-after", n, m, BIND_RECOVER_GROUP);
        tap_ok(kill_and_recover(&scenes[2], BIND_BIND_GROUP, "# kill-after", 4, 0, BIND_RELEASE_GROUP), "half bound, it can be given back");
        tap_ok(kill_and_recover(&scenes[2], BIND_RELEASE_GROUP, "# kill-after", 4, 0, BIND_RELEASE_GROUP), "half given back, too");
}

/* ---- steps that fail ---- */

static void test_failing_bind(void) {
        static const char *const hows[] = { "# fail", "# silent", "# noisy" };

        for (size_t i = 0; i < ELEMENTSOF(scenes); i++)
                for (size_t how = 0; how < ELEMENTSOF(hows); how++) {
                        unsigned writes = 1;

                        for (unsigned n = 1; n <= writes; n++) {
                                Stage s = stage_make(&scenes[i]);
                                bool works = streq(hows[how], "# noisy");

                                (void) perform(&s, BIND_BIND_GROUP);
                                writes = fake_count(&s.host);
                                (void) perform(&s, BIND_RELEASE_GROUP);
                                plan(&s, hows[how], n);
                                tap_eq(perform(&s, BIND_BIND_GROUP), works ? 0 : EIO, "%s: write %u, %s", scenes[i].name, n, hows[how] + 2);
                                tap_ok(works ? is_bound(&s, &scenes[i]) : is_back(&s) && strstr(s.reply.text, "; all is as it was"),
                                       "%s: write %u: wholly %s (%s)", scenes[i].name, n, works ? "bound" : "back", s.reply.text);
                                stage_remove(&s);
                        }
                }
}

static void test_failing_release(void) {
        for (size_t i = 0; i < ELEMENTSOF(scenes); i++) {
                unsigned writes = 1;

                for (unsigned n = 1; n <= writes; n++) {
                        Stage s = stage_make(&scenes[i]);
                        char why[BIND_TEXT_MAX];

                        (void) perform(&s, BIND_BIND_GROUP);
                        fake_plan(&s.host, "");
                        (void) perform(&s, BIND_RELEASE_GROUP);
                        writes = fake_count(&s.host);
                        (void) perform(&s, BIND_BIND_GROUP);
                        plan(&s, "# fail", n);
                        tap_eq(perform(&s, BIND_RELEASE_GROUP), ENOTRECOVERABLE, "%s: giving back, write %u fails (%s)", scenes[i].name, n, s.reply.text);
                        tap_ok(state_of(&s, why) == BIND_FAILED && streq(why, s.reply.text) && *why, "%s: write %u: so the record says", scenes[i].name, n);
                        fake_plan(&s.host, "");
                        if (n % 2) {
                                tap_ok(perform(&s, BIND_BIND_GROUP) == 0 && is_bound(&s, &scenes[i]), "%s: it can be bound again (%s)", scenes[i].name,
                                       s.reply.text);
                                tap_ok(state_of(&s, why) == BIND_BOUND && !*why, "%s: the record has no reason then", scenes[i].name);
                        }
                        tap_ok(perform(&s, BIND_RELEASE_GROUP) == 0 && is_back(&s), "%s: and then given back (%s)", scenes[i].name, s.reply.text);
                        stage_remove(&s);
                }
        }
}

/* Binding fails, and so does what should put it back. */
static void test_failing_twice(void) {
        Stage s = stage_make(&scenes[2]);

        fake_plan(&s.host, "3 fail\n4 fail\n");
        tap_eq(perform(&s, BIND_BIND_GROUP), ENOTRECOVERABLE, "what can't be undone");
        tap_ok(strstr(s.reply.text, "vfio-pci does not take it") && strstr(s.reply.text, "and that could not be undone: " A ": driver_override"), "'%s'",
               s.reply.text);
        tap_eq(state_of(&s, NULL), BIND_FAILED, "is in the record");
        fake_plan(&s.host, "");
        tap_ok(perform(&s, BIND_RELEASE_GROUP) == 0 && is_back(&s), "and can be given back when the kernel is willing");
        stage_remove(&s);
}

/* ---- devices that come and go ---- */

/* Is everything as it was, but for one device that has gone? */
static bool is_back_without(const Stage *s, const char *address) {
        char want[1024], *line, *next;

        (void) strcpy(want, s->before);
        line = strstr(want, address);
        next = strchr(line, '\n') + 1;
        (void) memmove(line, next, strlen(next) + 1);
        return is(s, want) && state_of(s, NULL) == -1;
}

static void test_unplugged(void) {
        static const struct {
                unsigned n;
                const char *gone;
        } bind[] = { { 1, A }, { 2, A }, { 3, A }, { 4, B }, { 5, B }, { 6, C }, { 8, C } }, release[] = { { 1, C }, { 2, C }, { 4, B }, { 6, A }, { 8, A } };
        const Scene *scene = &scenes[2];
        Stage s;

        for (size_t i = 0; i < ELEMENTSOF(bind); i++) {
                s = stage_make(scene);
                plan(&s, "# unplug", bind[i].n);
                tap_eq(perform(&s, BIND_BIND_GROUP), EIO, "unplugged at write %u (%s)", bind[i].n, s.reply.text);
                tap_ok(strstr(s.reply.text, bind[i].gone) && strstr(s.reply.text, "has been unplugged meanwhile"), "it is said");
                tap_ok(is_back_without(&s, bind[i].gone), "the others are back");
                stage_remove(&s);
        }
        for (size_t i = 0; i < ELEMENTSOF(release); i++) {
                s = stage_make(scene);
                (void) perform(&s, BIND_BIND_GROUP);
                plan(&s, "# unplug", release[i].n);
                tap_eq(perform(&s, BIND_RELEASE_GROUP), 0, "unplugged at write %u of giving back (%s)", release[i].n, s.reply.text);
                tap_ok(is_back_without(&s, release[i].gone), "the others are back");
                stage_remove(&s);
        }
        s = stage_make(scene);
        (void) perform(&s, BIND_BIND_GROUP);
        fake_remove_device(&s.host, A);
        tap_ok(perform(&s, BIND_RELEASE_GROUP) == 0 && is_back_without(&s, A), "unplugged while it was bound");
        stage_remove(&s);
}

static void test_plugged(void) {
        const Scene *scene = &scenes[0];
        Stage s = stage_make(scene);

        plan(&s, "# plug", 3);
        tap_ok(perform(&s, BIND_BIND_GROUP) == ESTALE && strstr(s.reply.text, PLUGGED), "one more device while it is bound: %s", s.reply.text);
        tap_ok(is(&s, A " nvme -\n" PLUGGED " nvme -\n") && state_of(&s, NULL) == -1, "all is back");
        (void) strcpy(s.request.addresses[s.request.n_addresses++], PLUGGED);
        tap_eq(perform(&s, BIND_BIND_GROUP), 0, "asked for with it, it is bound");
        tap_ok(is(&s, A " vfio-pci vfio-pci\n" PLUGGED " vfio-pci vfio-pci\n"), "both are");
        stage_remove(&s);

        /* A lower address than the record has, so that the name of a new one would be another. */
        s = stage_make(&(Scene) { "", { { C, NULL, "nvme", NULL, "nvme" } }, "" });
        (void) perform(&s, BIND_BIND_GROUP);
        fake_add_device(&s.host, A, GROUP, NULL, "nvme", NULL, "nvme");
        tap_ok(perform(&s, BIND_BIND_GROUP) == ESTALE && state_of(&s, NULL) == BIND_BOUND, "a device plugged in later is to be named");
        (void) strcpy(s.request.addresses[s.request.n_addresses++], A);
        plan(&s, "# fail", 3);
        tap_ok(perform(&s, BIND_BIND_GROUP) == EIO && is(&s, A " nvme -\n" C " vfio-pci vfio-pci\n"), "it fails, and the first one stays bound");
        tap_eq(state_of(&s, NULL), BIND_BOUND, "and recorded");
        fake_plan(&s.host, "");
        tap_ok(perform(&s, BIND_BIND_GROUP) == 0 && is(&s, A " vfio-pci vfio-pci\n" C " vfio-pci vfio-pci\n"), "then it is bound as well");
        s.request.n_addresses = 1;
        tap_ok(perform(&s, BIND_RELEASE_GROUP) == 0 && is(&s, A " nvme -\n" C " nvme -\n"), "both are given back by the name of either");
        tap_eq(state_of(&s, NULL), -1, "there is no record left");
        stage_remove(&s);

        s = stage_make(scene);
        (void) perform(&s, BIND_BIND_GROUP);
        fake_remove_device(&s.host, A);
        fake_add_device(&s.host, A, GROUP, NULL, "other", NULL, "other");
        tap_ok(perform(&s, BIND_RELEASE_GROUP) == 0 && is(&s, A " other -\n"), "another in its place is let be when the group is given back");
        stage_remove(&s);

        s = stage_make(scene);
        (void) perform(&s, BIND_BIND_GROUP);
        fake_remove_device(&s.host, A);
        fake_add_device(&s.host, A, GROUP, NULL, "other", NULL, "other");
        tap_ok(perform(&s, BIND_BIND_GROUP) == 0 && is_bound(&s, scene), "and bound when the group is");
        tap_ok(perform(&s, BIND_RELEASE_GROUP) == 0 && is(&s, A " other -\n"), "to go back to its own driver");
        stage_remove(&s);

        s = stage_make(scene);
        (void) perform(&s, BIND_BIND_GROUP);
        fake_remove_device(&s.host, A);
        tap_ok(perform(&s, BIND_RELEASE_GROUP) == 0 && is(&s, "") && state_of(&s, NULL) == -1, "nothing is left to be given back");
        stage_remove(&s);
}

/* ---- refused ---- */

static void test_refused(void) {
        static const struct {
                const char *name;
                Device devices[2];
                const char *file; /* made in sys/fake */
                const char *removed; /* a driver */
                const char *release; /* the kernel's */
                int error;
                const char *text; /* part of it */
        } cases[] = {
                { "no vfio-pci", { { A, NULL, "nvme", NULL, "nvme" } }, NULL, "vfio-pci", NULL, EIO, "there is no driver vfio-pci: modprobe vfio-pci" },
                { "it does not take it", { { A, NULL, "nvme", NULL, "nvme" } }, "refuses-vfio-pci", NULL, NULL, EIO,
                  A ": vfio-pci does not take it: the kernel took it, and nothing happened; `dmesg` may say why; all is as it was" },
                { "a kernel without VFIO on POWER", { { A, NULL, "nvme", NULL, "nvme" } }, "refuses-vfio-pci", NULL, "6.1.0-53-powerpc64le", EIO,
                  "this is kernel 6.1.0-53-powerpc64le, and VFIO does not work on POWER with 5.19 to 6.3; boot 6.4 or later; all is as it was" },
                { "only bridges", { { BRIDGE, BRIDGE_CLASS, "pcieport", NULL, "pcieport" } }, NULL, NULL, NULL, EIO, "has only bridges" },
                { "a bridge on a driver of its own", { { A, NULL, "nvme", NULL, "nvme" }, { BRIDGE, BRIDGE_CLASS, "other", NULL, "other" } }, NULL, NULL, NULL,
                  EIO, "the bridge " BRIDGE " is on the driver other" },
                { "not viable", { { A, NULL, "nvme", NULL, "nvme" } }, "not-viable", NULL, NULL, EIO, "IOMMU group 7 is not viable, though" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Scene scene = { .name = cases[i].name };
                Stage s;
                char path[128];

                memcpy(scene.devices, cases[i].devices, sizeof(cases[i].devices));
                s = stage_make(&scene);
                (void) snprintf(path, sizeof(path), "%s/fake/%s", s.host.sys, cases[i].file ? cases[i].file : "nothing");
                (void) fd_close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
                if (cases[i].removed)
                        fake_remove_driver(&s.host, cases[i].removed);
                if (cases[i].release)
                        (void) setenv("FAKE_RELEASE", cases[i].release, 1);
                tap_eq(perform(&s, BIND_BIND_GROUP), cases[i].error, "%s", cases[i].name);
                tap_ok(strstr(s.reply.text, cases[i].text), "%s: '%s'", cases[i].name, s.reply.text);
                tap_ok(is_back(&s), "%s: as it was", cases[i].name);
                (void) unsetenv("FAKE_RELEASE");
                stage_remove(&s);
        }
}

static void test_stale(void) {
        Stage s = stage_make(&scenes[2]);

        s.request.n_addresses = 2;
        tap_ok(perform(&s, BIND_BIND_GROUP) == ESTALE && strstr(s.reply.text, "IOMMU group 7 has " C " by now"), "a device that is not named: %s", s.reply.text);
        s.request.n_addresses = 4;
        (void) strcpy(s.request.addresses[3], D);
        tap_ok(perform(&s, BIND_BIND_GROUP) == ESTALE && strstr(s.reply.text, "has 3 devices by now, not 4"), "one too many: %s", s.reply.text);
        s.request.n_addresses = 3;
        s.request.group = 8;
        tap_ok(perform(&s, BIND_BIND_GROUP) == ESTALE && strstr(s.reply.text, "there is no IOMMU group 8 any more"), "another number: %s", s.reply.text);
        tap_ok(fake_count(&s.host) == 0 && is_back(&s), "nothing was changed");
        stage_remove(&s);
}

static void test_not_ours(void) {
        static const struct {
                const char *driver, *driver_override, *text;
        } cases[] = {
                { "nvme", NULL, A " is not bound to vfio-pci: there is nothing to give back" },
                { "vfio-pci", "vfio-pci", A " was not bound by tced, but by an administrator or libvirt, who set its driver_override: driverctl unset-override " A },
                { "vfio-pci", NULL, A " was not bound by tced: vfio-pci takes its kind by itself (its ids=, or new_id); echo " A " >/sys/bus/pci/drivers/vfio-pci/unbind" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Stage s = stage_make(&(Scene) { "", { { A, NULL, cases[i].driver, cases[i].driver_override, "nvme" } }, "" });

                tap_eq(perform(&s, BIND_RELEASE_GROUP), ENOENT, "not bound by tced-bind, %zu", i);
                tap_streq(s.reply.text, cases[i].text, "who did it, and what to do");
                tap_ok(is_back(&s) && fake_count(&s.host) == 0, "it stays as it is");
                if (i > 0)
                        tap_ok(perform(&s, BIND_BIND_GROUP) == 0 && is_back(&s), "to bind it is nothing, and leaves no record");
                stage_remove(&s);
        }
}

static void test_driver_gone(void) {
        Stage s = stage_make(&scenes[0]);
        char path[128];

        (void) perform(&s, BIND_BIND_GROUP);
        fake_remove_driver(&s.host, "nvme");
        tap_eq(perform(&s, BIND_RELEASE_GROUP), ENOTRECOVERABLE, "the driver is not there any more");
        tap_streq(s.reply.text, A " was on the driver nvme, which is not loaded any more: modprobe it, and release the group again", "the remedy");
        tap_ok(is(&s, A " - -\n") && state_of(&s, NULL) == BIND_FAILED, "it has no driver then, and no override");
        fake_add_driver(&s.host, "nvme");
        tap_ok(perform(&s, BIND_RECOVER_GROUP) == 0 && state_of(&s, NULL) == BIND_FAILED, "a start of tced-bind does not try it again");
        tap_ok(perform(&s, BIND_RELEASE_GROUP) == 0 && is_back(&s), "a release does");
        stage_remove(&s);

        s = stage_make(&scenes[0]);
        (void) perform(&s, BIND_BIND_GROUP);
        (void) snprintf(path, sizeof(path), "%s/fake/refuses-nvme", s.host.sys);
        (void) fd_close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        tap_ok(perform(&s, BIND_RELEASE_GROUP) == ENOTRECOVERABLE && strstr(s.reply.text, A ": its driver nvme does not take it back: Invalid argument"),
               "a driver that does not take it back: %s", s.reply.text);
        stage_remove(&s);
}

/* ---- in use ---- */

static void test_busy(void) {
        const Scene *half = &scenes[5];
        Stage s = stage_make(half);
        int vmm = fake_open(&s.host, GROUP);
        char after[1024];

        tap_ok(vmm >= 0 && perform(&s, BIND_BIND_GROUP) == EBUSY && strstr(s.reply.text, "/vfio/7 open: end it first"), "half bound and open: %s", s.reply.text);
        tap_ok(is_back(&s) && fake_count(&s.host) == 0, "nothing is changed");
        (void) fd_close(vmm);
        (void) perform(&s, BIND_BIND_GROUP);
        vmm = fake_open(&s.host, GROUP);
        fake_plan(&s.host, "");
        tap_eq(perform(&s, BIND_BIND_GROUP), 0, "bound and open: nothing is to be done");
        tap_ok(perform(&s, BIND_RELEASE_GROUP) == EBUSY && strstr(s.reply.text, "/vfio/7 open: end it first"), "giving back what is open: %s", s.reply.text);
        tap_ok(is_bound(&s, half) && fake_count(&s.host) == 0, "nothing is changed");
        (void) fd_close(vmm);
        tap_ok(perform(&s, BIND_RELEASE_GROUP) == 0 && is_back(&s), "when it is closed, it can be given back");
        stage_remove(&s);

        /* Killed when all was done but said, and a VMM that was quick. */
        s = stage_make(&scenes[0]);
        fake_plan(&s.host, "3 kill-after");
        (void) perform_elsewhere(&s, BIND_BIND_GROUP);
        vmm = fake_open(&s.host, GROUP);
        fake_plan(&s.host, "");
        tap_ok(vmm >= 0 && perform(&s, BIND_RECOVER_GROUP) == 0 && is_bound(&s, &scenes[0]), "wholly bound and open, it is not recovered but bound");
        (void) fd_close(vmm);
        stage_remove(&s);

        s = stage_make(&scenes[2]);
        fake_plan(&s.host, "3 kill-after");
        (void) perform_elsewhere(&s, BIND_BIND_GROUP);
        vmm = fake_open(&s.host, GROUP);
        fake_plan(&s.host, "");
        fake_describe(&s.host, after, sizeof(after));
        tap_ok(perform(&s, BIND_RECOVER_GROUP) == ENOTRECOVERABLE && is(&s, after) && state_of(&s, NULL) == BIND_FAILED, "half bound and open: %s",
               s.reply.text);
        (void) fd_close(vmm);
        tap_ok(perform(&s, BIND_RELEASE_GROUP) == 0 && is_back(&s), "when it is closed, it can be given back");
        stage_remove(&s);
}

/* ---- the lock, and those that hang ---- */

/* As tced-bind's deadline does it. */
static void say_stuck(const Stage *s) {
        _cleanup_fd_ int dir = open(s->host.records, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        BindRecord record = {};

        if (bind_record_look_up(dir, s->request.addresses, s->request.n_addresses, &record) > 0) {
                record.state = BIND_STUCK;
                (void) strcpy(record.why, "it hangs");
                (void) bind_record_write(dir, &record);
        }
        bind_record_clear(&record);
}

/* Hangs at the n-th write, and is let go when nobody waits any more. */
static void check_late(const char *name, BindOperation operation, const char *action, bool bound) {
        Stage s = stage_make(&scenes[2]);
        int status = 0;
        pid_t pid;

        if (operation == BIND_RELEASE_GROUP)
                (void) perform(&s, BIND_BIND_GROUP);
        fake_plan(&s.host, action);
        pid = fork();
        if (pid == 0)
                _exit(perform(&s, operation));
        tap_ok(fake_wait_hung(&s.host), "%s: it hangs", name);
        fake_plan(&s.host, "");
        tap_ok(perform(&s, BIND_RELEASE_GROUP) == EALREADY && strstr(s.reply.text, A " is being bound or given back"), "%s: meanwhile: %s", name, s.reply.text);
        tap_ok(perform(&s, BIND_BIND_GROUP) == EALREADY && perform(&s, BIND_RECOVER_GROUP) == EALREADY, "%s: nobody else may", name);
        say_stuck(&s);
        tap_ok(perform(&s, BIND_RELEASE_GROUP) == EALREADY && streq(s.reply.text, "it hangs"), "%s: when it is stuck, it is said why", name);
        fake_let_go(&s.host);
        (void) waitpid(pid, &status, 0);
        if (strstr(action, "kill")) {
                tap_ok(WIFSIGNALED(status) && state_of(&s, NULL) == BIND_STUCK, "%s: it dies", name);
                tap_eq(perform(&s, BIND_RECOVER_GROUP), 0, "%s: and is recovered", name);
        } else
                tap_eq(WEXITSTATUS(status), operation == BIND_BIND_GROUP ? ETIMEDOUT : 0, "%s: it ends", name);
        tap_ok(bound ? is_bound(&s, &scenes[2]) : is_back(&s), "%s: wholly %s", name, bound ? "bound" : "back");
        stage_remove(&s);
}

static void test_late(void) {
        check_late("a late bind", BIND_BIND_GROUP, "4 hang", false);
        check_late("a late bind, at its last write", BIND_BIND_GROUP, "8 hang", false);
        check_late("a late release", BIND_RELEASE_GROUP, "4 hang", false);
        check_late("a late bind that is killed", BIND_BIND_GROUP, "4 hang-kill", false);
        check_late("a late release that is killed", BIND_RELEASE_GROUP, "4 hang-kill", false);
}

/* Nobody waits for it any more when it is about to begin. */
static void test_nobody(void) {
        Stage s = stage_make(&scenes[0]);
        const BindPlaces places = { .kernel = &bind_kernel, .sys = s.host.sys, .dev = s.host.dev, .records = s.host.records };
        int ends[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                exit(EXIT_FAILURE);
        (void) shutdown(ends[1], SHUT_WR);
        s.request.operation = BIND_BIND_GROUP;
        bind_work_do(&places, &s.request, ends[0], &s.reply);
        tap_ok(s.reply.error == ECANCELED && is_back(&s) && fake_count(&s.host) == 0, "who asked is gone before it begins: %s", s.reply.text);
        (void) fd_close(ends[0]);
        (void) fd_close(ends[1]);
        stage_remove(&s);
}

static void test_places(void) {
        Stage s = stage_make(&scenes[0]);

        (void) strcpy(s.host.records, "/nonexistent/records");
        tap_ok(perform(&s, BIND_BIND_GROUP) == EIO && streq(s.reply.text, "/nonexistent/records: No such file or directory"), "no folder of records: %s",
               s.reply.text);
        tap_ok(perform(&s, BIND_KEEP_GROUP) == EIO, "what is not for a worker");
        stage_remove(&s);
}

static void test_locks(void) {
        Stage s = stage_make(&scenes[0]);
        _cleanup_fd_ int dir = open(s.host.records, O_RDONLY | O_DIRECTORY | O_CLOEXEC), one = bind_lock_open(dir), two = bind_lock_open(dir);
        struct stat st;

        tap_ok(fstatat(dir, "lock", &st, 0) == 0 && (st.st_mode & 0777) == 0600, "the lock is for no others");
        tap_ok(bind_lock_device(one, A) == 0 && bind_lock_device(two, A) == -EALREADY && bind_lock_device(one, A) == 0, "a device's lock is one's alone");
        tap_ok(bind_lock_device(two, B) == 0 && bind_lock_device(two, BRIDGE) == 0 && bind_lock_device(two, "00010001:00:00.0") == 0 &&
               bind_lock_device(two, "ffffffff:ff:1f.7") == 0 && bind_lock_records(two) == 0, "and no other's");
        tap_ok(bind_lock_is_held(two, A) && !bind_lock_is_held(one, A) && bind_lock_is_held(one, B) && !bind_lock_is_held(one, C), "it can be asked for");
        bind_unlock_records(two);
        one = fd_close(one);
        tap_ok(!bind_lock_is_held(two, A) && bind_lock_device(two, A) == 0, "it goes with its owner");
        stage_remove(&s);
}

int main(void) {
        (void) log_set_target("null");
        test_scenes();
        test_killed();
        test_failing_bind();
        test_failing_release();
        test_failing_twice();
        test_unplugged();
        test_plugged();
        test_refused();
        test_stale();
        test_not_ours();
        test_driver_gone();
        test_busy();
        test_late();
        test_nobody();
        test_places();
        test_locks();
        return tap_done();
}
