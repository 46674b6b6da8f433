/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libvirt's hook at `start`, from fork to exit: tced's; the least that a program can ask over D-Bus, by the tool that there is for it, which
 * reads no XML; and a hook in Python that reads the same and asks the same. */

#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "bench.h"
#include "client.h"
#include "domain_text.h"
#include "peer.h"

#define PYTHON "/usr/bin/python3"

/* Processes are slow to come. */
#define RUNS 200U

typedef struct Hook {
        Host host;
        sd_bus *control;
        char *xml;
        char input[64], output[64], address[96], socket[96], root[96];
        pid_t peer_pid;
} Hook;

/* 0 where it ends well. */
static int run_to_end(const Hook *h, const char *const *argv) {
        const char *env[] = { h->root, h->socket, "LC_ALL=C", NULL };
        posix_spawn_file_actions_t files;
        int r, status;
        pid_t pid;

        (void) posix_spawn_file_actions_init(&files);
        (void) posix_spawn_file_actions_addopen(&files, STDIN_FILENO, h->input, O_RDONLY, 0);
        (void) posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, h->output, O_WRONLY | O_CREAT | O_APPEND, 0600);
        (void) posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
        r = posix_spawn(&pid, argv[0], &files, NULL, (char *const *) argv, (char *const *) env);
        (void) posix_spawn_file_actions_destroy(&files);
        if (r != 0)
                return -r;
        if (waitpid(pid, &status, 0) != pid)
                return -errno;
        return status == 0 ? 0 : -ECHILD;
}

static int64_t run_hook(void *userdata) {
        Hook *h = userdata;
        const char *argv[] = { getenv("HOOK"), "bench", "start", "begin", "-", NULL };

        return run_to_end(h, argv);
}

static int64_t run_busctl(void *userdata) {
        Hook *h = userdata;
        const char *argv[] = { BENCH_BUSCTL, h->address, "call", PEER_NAME, "/", "org.freedesktop.DBus.Peer", "Ping", NULL };

        return run_to_end(h, argv);
}

static int64_t run_python(void *userdata) {
        Hook *h = userdata;
        const char *argv[] = { PYTHON, "-IE", BENCH_PYTHON_HOOK, h->host.socket, "bench", "start", "begin", "-", NULL };

        return run_to_end(h, argv);
}

static int release(void *userdata) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        const Hook *h = userdata;

        return call_manager(h->control, "ReleaseDomain", &error, "st", h->xml, UINT64_C(0));
}

/* It is silent, and has tced know the VM, with tables in the kernel. */
static void check_hook(Hook *h, int64_t (*run)(void *userdata), const char *whose) {
        _cleanup_free_ char *text = NULL, *path = NULL;
        int64_t kernel, user;

        if (run(h) < 0) {
                text = read_whole(h->output);
                bench_fail("%s fails: %s", whose, text);
        }
        path = find_machine(h->control, "bench");
        if (!path)
                bench_fail("%s did not tell tced of the VM", whose);
        kernel = get_number(h->control, path, TCED_INTERFACE_MACHINE, "KernelBytes", 't');
        user = get_number(h->control, path, TCED_INTERFACE_MACHINE, "UserBytes", 't');
        if (kernel <= 0 || user != 0)
                bench_fail("%s: the tables have %" PRId64 " bytes in the kernel and %" PRId64 " elsewhere", whose, kernel, user);
        (void) bench_must(release(h), "ReleaseDomain");
}

static void start_peer(Hook *h) {
        char variable[128];
        const char *argv[] = { getenv("BENCH_PEER"), "tables-bus", NULL };
        const char *env[] = { variable, NULL };

        (void) snprintf(variable, sizeof(variable), "DBUS_SYSTEM_BUS_ADDRESS=%s", h->host.address);
        h->peer_pid = spawn(&(Spawn) { .argv = argv, .env = env });
        for (unsigned i = 0; run_busctl(h) < 0; i++) {
                if (i == 100)
                        bench_fail("busctl or its peer fails");
                (void) usleep(10 * 1000);
        }
}

static void set_up(Hook *h) {
        static const DomainShape shape = { .phbs = 2, .emulated = 12 };

        host_init(&h->host, 600);
        h->host.tced = getenv("TCED_ON_FAKE_KVM");
        host_write(&h->host, "dev/kvm", "%s", "");
        if (!host_start_bus(&h->host))
                bench_fail("there is no dbus-daemon");
        if (!host_start_tced(&h->host, NULL))
                bench_fail("tced does not start");
        h->control = open_bus(&h->host);
        wait_probed(h->control);
        h->xml = domain_text(&shape);
        host_write(&h->host, "input.xml", "%s", h->xml);
        (void) snprintf(h->input, sizeof(h->input), "%s/input.xml", h->host.dir);
        (void) snprintf(h->output, sizeof(h->output), "%s/output", h->host.dir);
        (void) snprintf(h->address, sizeof(h->address), "--address=%s", h->host.address);
        (void) snprintf(h->socket, sizeof(h->socket), "HOOK_SOCKET=%s", h->host.socket);
        (void) snprintf(h->root, sizeof(h->root), "HOOK_ROOT=%s/root", h->host.dir);
}

static void tear_down(Hook *h) {
        if (h->peer_pid > 0) {
                (void) kill(h->peer_pid, SIGKILL);
                (void) waitpid(h->peer_pid, NULL, 0);
        }
        h->control = sd_bus_flush_close_unref(h->control);
        free(h->xml);
        if (!host_end(&h->host))
                bench_fail("tced ends badly");
}

static bool has_python(Hook *h) {
        const char *argv[] = { PYTHON, "-IE", "-c", "import dbus.connection, xml.etree.ElementTree", NULL };

        return run_to_end(h, argv) == 0;
}

static void left_out(const char *what, const char *why) {
        (void) fprintf(stderr, "tced-bench: %s is left out: %s\n", what, why);
}

void bench_hook(void) {
        Comparison busctl = {
                .id = "hook-busctl", .what = "hook at start, 14 devices, fork to exit", .peer_name = "busctl call of an empty method",
                .runs = RUNS, .goal = GOAL_TIMES, .limit = 1.5,
        };
        Comparison python = {
                .id = "hook-python", .what = "hook at start, 14 devices, fork to exit", .peer_name = "a hook in Python, the same XML and call",
                .runs = RUNS, .goal = GOAL_FASTER, .limit = 4,
        };
        Hook h = {};

        if (!bench_wanted(busctl.id) && !bench_wanted(python.id))
                return;
        if (geteuid() != 0) {
                left_out("hook", "it does nothing unless it is root's");
                return;
        }
        set_up(&h);
        check_hook(&h, run_hook, "the hook");
        if (bench_wanted(busctl.id) && *BENCH_BUSCTL) {
                start_peer(&h);
                busctl.tced = (Side) { .run = run_hook, .after = release, .userdata = &h };
                busctl.peer = (Side) { .run = run_busctl, .userdata = &h };
                bench_compare(&busctl, NULL);
        }
        if (!bench_wanted(python.id)) {
                tear_down(&h);
                return;
        }
        if (has_python(&h)) {
                check_hook(&h, run_python, "the hook in Python");
                python.tced = (Side) { .run = run_hook, .after = release, .userdata = &h };
                python.peer = (Side) { .run = run_python, .after = release, .userdata = &h };
                bench_compare(&python, NULL);
        } else
                left_out(python.id, "Python has no D-Bus here (python3-dbus)");
        tear_down(&h);
}
