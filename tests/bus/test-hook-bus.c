/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libvirt's hook with the real daemon: what libvirt calls, what is there then, what libvirt shows. The hook against a peer that
 * misbehaves is tests/unit/test-hook.c's. */

#include <time.h>

#include "domain.h"
#include "tap.h"

static Host h;

static uint64_t now_usec(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

/* Runs the hook with the domain's XML on standard input: its exit status, and what it printed, to be freed. */
static int run_hook(const TestDomain *d, const char *operation, const char *sub_operation, char **ret_output) {
        const char *command = "exec \"$HOOK\" \"$@\" <\"$HOOK_XML\"";
        const char *argv[] = { "/bin/sh", "-c", command, "hook", d->name, operation, sub_operation, "-", NULL };
        char root[96], socket[96], input[96], output[64];
        const char *env[] = { root, socket, input, NULL };
        _cleanup_free_ char *xml = domain_xml(d);

        host_write(&h, "input.xml", "%s", xml);
        (void) snprintf(root, sizeof(root), "HOOK_ROOT=%s/root", h.dir);
        (void) snprintf(socket, sizeof(socket), "HOOK_SOCKET=%s", h.socket);
        (void) snprintf(input, sizeof(input), "HOOK_XML=%s/input.xml", h.dir);
        (void) snprintf(output, sizeof(output), "%s/hook.out", h.dir);
        return run_program(&(Spawn) { .argv = argv, .env = env, .output = output }, ret_output);
}

static void test_life(sd_bus *root) {
        static const TestDomain good = { .name = "vm a" };
        static const TestDomain bad = {
                .name = "vm a",
                .devices = "<interface type='user'><model type='spapr-vlan'/><address type='spapr-vio' reg='0x80000001'/></interface>"
                           "<interface type='user'><model type='spapr-vlan'/><address type='spapr-vio' reg='0x80000000'/></interface>",
        };
        _cleanup_free_ char *quiet = NULL, *refused_text = NULL, *again = NULL, *garbage = NULL, *lines = NULL;
        static const TestDomain none = { .name = "/", .type = "' <" };

        tap_eq(run_hook(&good, "start", "begin", &quiet), 0, "a start");
        tap_streq(quiet, "", "without a word");
        tap_eq(count_machines(root), 1, "tced knows it");
        tap_eq(run_hook(&good, "reconnect", "begin", NULL), 0, "libvirtd was restarted");
        tap_eq(count_machines(root), 1, "tced still knows it");
        tap_eq(run_hook(&good, "release", "end", &again), 0, "its end");
        tap_streq(again, "", "without a word");
        tap_eq(count_machines(root), 0, "tced knows it no more");
        tap_eq(run_hook(&good, "release", "end", NULL), 0, "again");

        tap_eq(run_hook(&bad, "start", "begin", &refused_text), 1, "a start that must fail is refused");
        tap_ok(strstr(refused_text, "0x8000000") && strstr(refused_text, "\nand ") && strstr(refused_text, "tcectl check vm a\n"),
               "with the finding, and how to see the others");
        lines = strchr(refused_text, '\n') ? strdup(strchr(refused_text, '\n') + 1) : strdup("");
        tap_ok(strchr(lines, '\n') == lines + strlen(lines) - 1, "in two lines");
        tap_eq(count_machines(root), 0, "and is not known");
        tap_eq(run_hook(&bad, "reconnect", "begin", NULL), 0, "the same VM, if it runs, is not refused");
        tap_eq(count_machines(root), 1, "and known");
        tap_eq(run_hook(&bad, "release", "end", NULL), 0, "and released");
        tap_eq(run_hook(&none, "start", "begin", &garbage), 0, "XML that tced can't read: the VM starts");
        tap_ok(strstr(garbage, "line "), "with a warning that says what is wrong");
}

/* libvirt waits for it at each start of a VM. */
static void test_time(void) {
        static const TestDomain good = { .name = "vm a" };
        uint64_t fastest = UINT64_MAX;

        for (unsigned i = 0; i < 10; i++) {
                uint64_t start = now_usec();

                (void) run_hook(&good, "start", "begin", NULL);
                if (now_usec() - start < fastest)
                        fastest = now_usec() - start;
        }
        tap_ok(fastest < 50000, "a start takes %llu us, with the shell that runs the hook", (unsigned long long) fastest);
        (void) run_hook(&good, "release", "end", NULL);
}

int main(void) {
        host_init(&h, 100);
        h.tced = getenv("TCED_ON_FAKE_KVM");
        host_write(&h, "dev/kvm", "%s", "");
        if (geteuid() != 0 || !host_start_bus(&h)) {
                tap_skip(geteuid() != 0 ? "the hook does nothing unless it is root's" : "there is no dbus-daemon", "the hook");
                host_done(&h);
                return tap_done();
        }
        if (!h.tced || !host_start_tced(&h, NULL))
                bail_out("tced does not start");
        {
                _cleanup_bus_ sd_bus *root = open_bus(&h);

                wait_probed(root);
                test_life(root);
                test_time();
        }
        host_done(&h);
        return tap_done();
}
