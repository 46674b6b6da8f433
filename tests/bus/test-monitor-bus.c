/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tcectl monitor beside the real daemon, on the bus and on its socket: what it tells of VMs, tables, groups and of tced itself, and how it ends. */

#include <json-c/json.h>
#include <signal.h>

#include "client.h"
#include "tap.h"

typedef struct Watcher {
        pid_t pid;
        char output[64];
} Watcher;

static Watcher watch(const Host *h, const char *name, bool by_address, const char *option) {
        char bus[96], address[96];
        const char *env[] = { bus, "LC_ALL=C.UTF-8", NULL };
        const char *argv[] = { getenv("TCECTL"), "monitor", by_address ? address : "--no-legend", option, NULL };
        Watcher w = {};

        (void) snprintf(w.output, sizeof(w.output), "%s/%s", h->dir, name);
        (void) snprintf(bus, sizeof(bus), "DBUS_SYSTEM_BUS_ADDRESS=%s", by_address ? "unix:path=/nonexistent" : h->address);
        (void) snprintf(address, sizeof(address), "--address=unix:path=%s", h->socket);
        w.pid = spawn(&(Spawn) { .argv = argv, .env = env, .output = w.output });
        return w;
}

/* Waits until it has told this, so often. */
static bool tells(const Watcher *w, const char *text, unsigned times) {
        for (unsigned i = 0; i < HARNESS_PATIENCE * 20U; i++) {
                _cleanup_free_ char *output = read_whole(w->output);
                unsigned n = 0;

                for (const char *at = output; (at = strstr(at, text)); at++)
                        n++;
                if (n >= times)
                        return true;
                (void) usleep(50000);
        }
        _cleanup_free_ char *output = read_whole(w->output);
        printf("# '%s' did not come %u times:\n", text, times);
        for (char *line = strtok(output, "\n"); line; line = strtok(NULL, "\n"))
                printf("#   %s\n", line);
        return false;
}

static int end(const Watcher *w, int signal) {
        (void) kill(w->pid, signal);
        return wait_exit(w->pid);
}

/* Is each line an object with the members that all have? */
static bool are_events(const char *path) {
        _cleanup_free_ char *output = read_whole(path);
        bool ok = *output != '\0';

        for (char *line = strtok(output, "\n"); line; line = strtok(NULL, "\n")) {
                static const char *const keys[] = { "time_usec", "event", "kind", "name", "path" };
                json_object *json = json_tokener_parse(line);

                for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                        ok &= json_object_is_type(json, json_type_object) && json_object_object_get_ex(json, keys[i], NULL);
                (void) json_object_put(json);
        }
        return ok;
}

static void test_machines(const Host *h, const Watcher *people, const Watcher *programs, const Watcher *peer) {
        _cleanup_bus_ sd_bus *bus = open_bus(h);
        _cleanup_free_ char *machine = register_small(bus, "web1", 2, NO_UID);

        tap_ok(tells(people, "VM web1 is new: registered\n", 1), "a VM");
        tap_ok(tells(people, "web1, table 71000001 (", 1), "its tables");
        tap_ok(tells(programs, "\"event\":\"added\",\"kind\":\"machine\",\"name\":\"web1\"", 1), "for programs");
        tap_ok(tells(peer, "VM web1 is new: registered\n", 1), "on the socket");
        went_well(claim(bus, machine, NULL), NULL, "the VM is claimed");
        tap_ok(tells(people, "State registered → claimed", 1), "its state");
        tap_ok(tells(programs, "\"State\":{\"old\":\"registered\",\"new\":\"claimed\"}", 1), "for programs");
        went_well(unregister(bus, machine, NULL), NULL, "the VM goes");
        tap_ok(tells(people, "VM web1 has gone\n", 1), "it is told");
        tap_ok(tells(programs, "\"event\":\"removed\",\"kind\":\"machine\",\"name\":\"web1\"", 1), "for programs");
}

static void test_groups(const Host *h, const Watcher *people) {
        _cleanup_bus_ sd_bus *bus = open_bus(h);

        host_add_group(h, 8, "0000:02:00.0", "vfio-pci");
        went_well(call_manager(bus, "Rescan", NULL, ""), NULL, "groups are read again");
        tap_ok(tells(people, "IOMMU group 8 (0000:02:00.0) is new: ", 1), "a group");
        host_add_group(h, 7, "0000:01:00.0", "vfio-pci");
        went_well(call_manager(bus, "Rescan", NULL, ""), NULL, "groups are read again");
        tap_ok(tells(people, "IOMMU group 7 (0000:01:00.0): ", 1), "one that changes");
        host_remove_group(h, 8);
        went_well(call_manager(bus, "Rescan", NULL, ""), NULL, "groups are read again");
        tap_ok(tells(people, "IOMMU group 8 (0000:02:00.0) has gone\n", 1), "one that goes");
}

/* On the bus it may come back, and what was there stays; the socket ends. */
static void test_restart(Host *h, const Watcher *people, const Watcher *programs, const Watcher *peer) {
        {
                _cleanup_bus_ sd_bus *bus = open_bus(h);

                free(register_small(bus, "web2", 1, NO_UID));
                tap_ok(tells(people, "VM web2 is new", 1), "another VM");
        }
        host_kill_tced(h);
        tap_ok(tells(people, "tced has gone\n", 1), "tced goes");
        tap_eq(wait_exit(peer->pid), 1, "on the socket that is the end");
        tap_ok(tells(peer, "tcectl: tced has ended the connection, and on its socket it can't be waited for. Once it runs, start tcectl monitor again.\n", 1),
               "and is said");
        host_add_group(h, 9, "0000:03:00.0", "vfio-pci");
        tap_ok(host_restart_tced(h, NULL), "tced is started again");
        tap_ok(tells(people, " is there, with ", 2), "it comes back");
        tap_ok(tells(people, "IOMMU group 9 (0000:03:00.0) is new", 1), "what came meanwhile");
        tap_ok(tells(programs, "\"event\":\"there\"", 2) && tells(programs, "\"event\":\"away\"", 1), "for programs");
        tap_ok(tells(people, "VM web2 is new", 1), "a VM that stayed is no news");
}

int main(void) {
        Watcher people, programs, peer;
        Host h;

        host_init(&h, 200);
        host_add_group(&h, 7, "0000:01:00.0", "e1000e");
        if (!host_start_bus(&h)) {
                tap_skip("there is no dbus-daemon", "tcectl monitor");
                host_done(&h);
                return tap_done();
        }
        if (!host_start_tced(&h, NULL))
                bail_out("tced does not start");
        {
                _cleanup_bus_ sd_bus *bus = open_bus(&h);

                wait_probed(bus);
        }
        people = watch(&h, "people", false, NULL);
        programs = watch(&h, "programs", false, "--json=short");
        peer = watch(&h, "peer", true, NULL);
        tap_ok(tells(&people, " is there, with 0 VMs and 1 IOMMU group\n", 1) && tells(&programs, "\"event\":\"there\"", 1) &&
               tells(&peer, " is there, with 0 VMs and 1 IOMMU group\n", 1), "what there is");
        test_machines(&h, &people, &programs, &peer);
        test_groups(&h, &people);
        test_restart(&h, &people, &programs, &peer);
        tap_eq(end(&people, SIGINT), 0, "^C ends it well");
        tap_eq(end(&programs, SIGTERM), 0, "so does SIGTERM");
        tap_ok(are_events(programs.output), "all that programs got are events, one a line");
        host_done(&h);
        return tap_done();
}
