/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The daemon's side of tced-libvirt, against a child that this program plays itself: its URI says how it behaves. What a libvirt really
 * answers is tests/libvirt's and tests/power's to show. */

#include <signal.h>
#include <sys/stat.h>
#include <time.h>

#include "event-loop.h"
#include "libvirt.h"
#include "libvirt_lines.h"
#include "tap.h"
#include "util.h"

/* ---- the child ---- */

static void child_say(const char *text) {
        (void) !write(STDIN_FILENO, text, strlen(text));
}

/* Each mode answers what comes in its own way; a line of input is one question. */
static int play(const char *mode) {
        static char line[8193];
        size_t have = 0;
        unsigned asked = 0;
        ssize_t n;

        if (streq(mode, "fake:mute"))
                (void) pause();
        if (streq(mode, "fake:refused")) {
                child_say("{\"event\":\"disconnected\",\"why\":\"libvirtd is asleep\"}\n");
                return 1;
        }
        if (streq(mode, "fake:garbage"))
                child_say("what?\n");
        if (streq(mode, "fake:endless"))
                for (;;)
                        child_say("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        child_say("{\"event\":\"connected\"}\n");
        if (streq(mode, "fake:flood")) {
                for (size_t i = 0; i + sizeof("{}\n") <= sizeof(line); i += strlen("{}\n"))
                        memcpy(line + i, "{}\n", sizeof("{}\n"));
                for (;;)
                        child_say(line);
        }
        if (streq(mode, "fake:dying"))
                return 1;
        while ((n = read(STDIN_FILENO, line + have, sizeof(line) - 1 - have)) > 0) {
                char *end;

                have += (size_t) n;
                line[have] = '\0';
                while ((end = strchr(line, '\n'))) {
                        const char *id = strstr(line, "\"id\":");
                        unsigned number = id ? (unsigned) strtoul(id + 5, NULL, 10) : 0;
                        char answer[512];

                        *end = '\0';
                        if (strstr(line, "\"domains\"") && streq(mode, "fake:busy")) {
                                for (unsigned i = 0; i < 400 && asked == 0; i++)
                                        child_say("{\"event\":\"domain\",\"uuid\":\"3f2c1111-2222-3333-4444-555566667777\"}\n");
                                (void) snprintf(answer, sizeof(answer), "{\"id\":%u,\"domains\":[{\"name\":\"asked-%u\",\"uuid\":"
                                                "\"3F2C1111-2222-3333-4444-555566667777\"}]}\n", number, ++asked);
                        } else if (strstr(line, "\"domains\""))
                                (void) snprintf(answer, sizeof(answer), "{\"id\":%u,\"domains\":[{\"name\":\"web1\",\"uuid\":"
                                                "\"3F2C1111-2222-3333-4444-555566667777\"},{\"name\":\"odd\",\"uuid\":\"no\"},7]}\n", number);
                        else if (strstr(line, "\"devices\""))
                                (void) snprintf(answer, sizeof(answer), "{\"id\":%u,\"devices\":[\"pci_0000_00_00_0\"]}\n", number);
                        else if (strstr(line, "missing"))
                                (void) snprintf(answer, sizeof(answer), "{\"id\":%u,\"error\":\"Domain not found\",\"missing\":true}\n", number);
                        else if (strstr(line, "broken"))
                                (void) snprintf(answer, sizeof(answer), "{\"id\":%u,\"error\":\"internal error\"}\n", number);
                        else if (strstr(line, "silent"))
                                (void) pause();
                        else if (strstr(line, "dies"))
                                return 1;
                        else
                                (void) snprintf(answer, sizeof(answer), "{\"id\":%u,\"xml\":\"<domain/>\\n\"}\n", number);
                        child_say(answer);
                        have -= (size_t) (end + 1 - line);
                        memmove(line, end + 1, have + 1);
                }
        }
        return 0;
}

/* ---- the tests ---- */

typedef struct World {
        bool patient;
        sd_event *event;
        char folder[64];
        Libvirt *libvirt;
        unsigned changes, device_changes;
        int error;
        unsigned answers;
        char text[256];
} World;

static void on_changed(void *userdata) {
        ((World *) userdata)->changes++;
}

static void on_devices(void *userdata) {
        ((World *) userdata)->device_changes++;
}

static void on_xml(int error, const char *text, void *userdata) {
        World *w = userdata;

        w->answers++;
        w->error = error;
        (void) snprintf(w->text, sizeof(w->text), "%s", text);
}

static void set_running(World *w, bool running) {
        char path[128];

        (void) snprintf(path, sizeof(path), "%s/driver.pid", w->folder);
        if (running)
                (void) fd_close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
        else
                (void) unlink(path);
}

/* A child that only has to answer gets all the time that a busy host may take; one that never will costs this long. */
#define SILENCE_USEC UINT64_C(400000)

static void world_open(World *w, const char *mode, bool running, bool connect) {
        static char self[512];
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
        const LibvirtPlaces places = {
                .program = self, .uri = mode, .run = w->folder, .connect = connect, .backoff_min_usec = 50000,
                .silence_usec = w->patient ? LOOP_LIMIT_USEC : SILENCE_USEC,
        };
        const LibvirtObserver observer = { .changed = on_changed, .devices_changed = on_devices, .userdata = w };

        self[n > 0 ? n : 0] = '\0';
        *w = (World) { .event = w->event, .patient = w->patient, .folder = "/tmp/tced-test-libvirt-XXXXXX" };
        if (!mkdtemp(w->folder))
                exit(EXIT_FAILURE);
        if (running)
                set_running(w, true);
        if (libvirt_new(w->event, &places, &observer, &w->libvirt) < 0)
                exit(EXIT_FAILURE);
}

static void world_close(World *w) {
        w->libvirt = libvirt_free(w->libvirt);
        set_running(w, false);
        (void) rmdir(w->folder);
}

/* Runs the loop until this is so. */
static bool loop_till(sd_event *event, bool (*so)(void *), void *userdata) {
        uint64_t end = monotonic_usec() + LOOP_LIMIT_USEC;

        while (!so(userdata)) {
                if (monotonic_usec() >= end || sd_event_run(event, 100000) < 0)
                        return false;
        }
        return true;
}

static bool is_connected(void *userdata) {
        return libvirt_state(((World *) userdata)->libvirt) == LIBVIRT_CONNECTED;
}

static bool is_away(void *userdata) {
        return libvirt_state(((World *) userdata)->libvirt) == LIBVIRT_AWAY;
}

static bool has_domain(void *userdata) {
        size_t n;

        (void) libvirt_domains(((World *) userdata)->libvirt, &n);
        return n == 1;
}

static bool has_devices(void *userdata) {
        return ((World *) userdata)->device_changes > 0;
}

static bool has_answer(void *userdata) {
        return ((World *) userdata)->answers > 0;
}

static void test_connects(World *w) {
        const LibvirtDomain *d;
        size_t n;

        world_open(w, "fake:good", true, true);
        tap_ok(loop_till(w->event, is_connected, w), "connects where a libvirtd runs");
        tap_streq(libvirt_why(w->libvirt), "", "and has nothing to say about it");
        tap_ok(loop_till(w->event, has_domain, w), "asks which domains run");
        d = libvirt_domains(w->libvirt, &n);
        tap_streq(n ? d[0].name : "", "web1", "by name");
        tap_streq(n ? d[0].uuid : "", "3f2c1111222233334444555566667777", "and UUID; what makes no sense is left out");
        tap_ok(w->changes >= 2, "whoever looks is told");
        tap_ok(loop_till(w->event, has_devices, w) && w->device_changes == 1, "the host's devices are looked at again");
        world_close(w);
}

static void test_comes_later(World *w) {
        world_open(w, "fake:good", false, true);
        tap_streq(libvirt_why(w->libvirt), "no libvirtd runs here", "without a libvirtd no child is started");
        set_running(w, true);
        tap_ok(loop_till(w->event, is_connected, w), "one that comes later is noticed");
        world_close(w);
}

static void test_off(World *w) {
        world_open(w, "fake:good", true, false);
        tap_ok(libvirt_state(w->libvirt) == LIBVIRT_OFF, "Connect=no is off");
        tap_ok(libvirt_get_xml(w->libvirt, "web1", on_xml, w) == -ESHUTDOWN, "and answers nothing");
        world_close(w);
}

static void test_xml(World *w) {
        static const struct {
                const char *name, *mode, *domain, *text;
                int error;
                bool running;
        } cases[] = {
                { "the XML of a domain", "fake:good", "web1", "<domain/>\n", 0, true },
                { "where no libvirtd seemed to run it is tried all the same", "fake:good", "web1", "<domain/>\n", 0, false },
                { "a domain that does not exist", "fake:good", "missing", "Domain not found", ENOENT, true },
                { "an error of libvirt's", "fake:good", "broken", "internal error", EIO, true },
                { "a libvirtd that is silent", "fake:good", "silent",
                  "libvirt did not answer for 0 s; see whether it hangs: virsh -r list; systemctl status libvirtd", ETIMEDOUT, true },
                { "a libvirtd that does not even connect", "fake:mute", "web1",
                  "libvirt did not answer for 0 s; see whether it hangs: virsh -r list; systemctl status libvirtd", ETIMEDOUT, true },
                { "a libvirtd that refuses", "fake:refused", "web1", "libvirtd is asleep", EHOSTDOWN, true },
                { "a child that dies", "fake:good", "dies", "tced-libvirt ended; see the journal of tced", EHOSTDOWN, true },
                { "a child that talks nonsense", "fake:garbage", "web1", "tced-libvirt said what makes no sense", EHOSTDOWN, true },
                { "a child that never ends its line", "fake:endless", "web1", "tced-libvirt said more than can be", EHOSTDOWN, true },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                w->patient = cases[i].error != ETIMEDOUT;
                world_open(w, cases[i].mode, cases[i].running, true);
                tap_ok(libvirt_get_xml(w->libvirt, cases[i].domain, on_xml, w) == 0 && w->answers == 0, "%s: asked", cases[i].name);
                tap_ok(loop_till(w->event, has_answer, w), "%s: answered", cases[i].name);
                tap_ok(w->error == cases[i].error, "%s: error %d", cases[i].name, w->error);
                tap_streq(w->text, cases[i].text, "%s: text", cases[i].name);
                world_close(w);
                tap_ok(w->answers == 1, "%s: once", cases[i].name);
        }
}

static void test_again(World *w) {
        world_open(w, "fake:good", true, true);
        (void) loop_till(w->event, is_connected, w);
        tap_ok(libvirt_get_xml(w->libvirt, "dies", on_xml, w) == 0, "the child dies of a question");
        (void) loop_till(w->event, has_answer, w);
        tap_ok(libvirt_state(w->libvirt) == LIBVIRT_AWAY, "that is noticed");
        tap_ok(loop_till(w->event, is_connected, w), "and another is started, while a libvirtd runs");
        w->answers = 0;
        (void) libvirt_get_xml(w->libvirt, "dies", on_xml, w);
        set_running(w, false);
        (void) loop_till(w->event, is_away, w);
        loop_for(w->event, 300000);
        tap_ok(libvirt_state(w->libvirt) == LIBVIRT_AWAY, "but not where none does");
        w->answers = 0;
        (void) libvirt_get_xml(w->libvirt, "web1", on_xml, w);
        world_close(w);
        /* The child that was to be asked is not started any more. */
        loop_for(w->event, 50000);
        tap_ok(w->answers == 1 && w->error == ESHUTDOWN, "who waits when tced ends is told");
}

/* libvirt's own order, when it ends: its connections, its file. */
static void test_ends(World *w) {
        unsigned changes;

        world_open(w, "fake:dying", true, true);
        (void) loop_till(w->event, is_connected, w);
        (void) loop_till(w->event, is_away, w);
        set_running(w, false);
        changes = w->changes;
        loop_for(w->event, 300000);
        tap_ok(w->changes == changes, "a libvirtd that has ended is not tried again, as its socket would start it");
        set_running(w, true);
        tap_ok(loop_till(w->event, is_connected, w), "but once it is there again");
        world_close(w);
}

static void test_backoff(World *w) {
        char path[128];

        world_open(w, "fake:dying", true, true);
        (void) snprintf(path, sizeof(path), "%s/web1.pid", w->folder);
        for (unsigned i = 0; i < 15; i++) {
                loop_for(w->event, 100000);
                (void) fd_close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
                (void) unlink(path);
        }
        /* 50, 100, 200, 400, 800 ms, and each time there and away */
        tap_ok(w->changes >= 4 && w->changes <= 14, "what is lost at once is tried later each time, also while VMs start (%u changes)", w->changes);
        world_close(w);
}

static void test_many(World *w) {
        unsigned taken = 0;

        world_open(w, "fake:mute", true, true);
        for (unsigned i = 0; i < 300; i++)
                taken += libvirt_get_xml(w->libvirt, "web1", on_xml, w) == 0;
        tap_ok(taken == 256, "no more than 256 questions wait (%u)", taken);
        world_close(w);
        tap_ok(w->answers == 256, "each is answered");
}

/* As many events as a host that starts all of its VMs, and then one that never stops. */
static void test_busy(World *w) {
        const LibvirtDomain *d;
        unsigned changes;
        size_t n;

        world_open(w, "fake:busy", true, true);
        tap_ok(loop_till(w->event, has_domain, w), "events in a swarm: the domains are known");
        loop_for(w->event, 200000);
        d = libvirt_domains(w->libvirt, &n);
        tap_streq(n ? d[0].name : "", "asked-1", "and were not asked for once for each");
        world_close(w);

        world_open(w, "fake:flood", true, true);
        (void) alarm(60);
        tap_ok(loop_till(w->event, is_connected, w), "a child that never stops speaking");
        changes = w->changes;
        loop_for(w->event, 200000);
        tap_ok(is_connected(w) && w->changes == changes, "does not keep the loop from all else, and stays the one that it was");
        (void) alarm(0);
        world_close(w);
}

/* The loop was held up by something else, and the answer came meanwhile: that is no silence. */
static void test_late_loop(World *w) {
        w->patient = false;
        world_open(w, "fake:good", true, true);
        (void) loop_till(w->event, is_connected, w);
        (void) loop_for(w->event, 100000);
        tap_ok(libvirt_get_xml(w->libvirt, "web1", on_xml, w) == 0, "asked before the loop is held up");
        (void) usleep(2 * SILENCE_USEC);
        (void) loop_till(w->event, has_answer, w);
        tap_ok(w->error == 0 && is_connected(w), "an answer that waits to be read is no silence (error %d)", w->error);
        world_close(w);
}

int main(int argc, char *argv[]) {
        World w = { .patient = true };

        if (argc == 2 && strncmp(argv[1], "fake:", 5) == 0)
                return play(argv[1]);
        w.event = loop_new();
        test_connects(&w);
        test_comes_later(&w);
        test_off(&w);
        test_xml(&w);
        test_again(&w);
        test_ends(&w);
        test_backoff(&w);
        w.patient = false;
        test_many(&w);
        w.patient = true;
        test_busy(&w);
        test_late_loop(&w);
        w.event = sd_event_unref(w.event);
        return tap_done();
}
