/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The audit over the bus: the daemon has a made-up /proc in which this test is a VMM with tables in KVM, and so is one that nobody knows.
 * What real VMMs have is looked at on the POWER hosts. */

#include <grp.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "client.h"
#include "tap.h"

/* This process as a VMM with so many tables of KVM's; the start time is its own, by which it is known. */
static void write_process(const Host *h, pid_t pid, unsigned n_tables, uint64_t limit, uint64_t locked_kib) {
        char path[96], maps[1024] = "\n", real[64];
        _cleanup_free_ char *stat = NULL;

        (void) snprintf(real, sizeof(real), "/proc/%d/stat", (int) (pid == getpid() ? pid : 1));
        stat = read_whole(real);
        for (unsigned i = 0; i < n_tables; i++) {
                size_t used = i == 0 ? 0 : strlen(maps);

                (void) snprintf(maps + used, sizeof(maps) - used, "7fff%02x000000-7fff%02x%06lx rw-s 00000000 00:0e 1063   anon_inode:kvm-spapr-tce\n",
                                i, i, sysconf(_SC_PAGESIZE));
        }
#define STRANGER ((uid_t) 65534)
#define FILE_OF(name) ((void) snprintf(path, sizeof(path), "proc/%d/" name, (int) pid), path)
        host_write(h, FILE_OF("stat"), "%s", stat);
        host_write(h, FILE_OF("status"), "Name:\tvmm\nPPid:\t1\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nVmLck:\t%" PRIu64 " kB\nCapEff:\t0000000000000000\n",
                   locked_kib);
        host_write(h, FILE_OF("limits"), "Max locked memory         %-20" PRIu64 " %-20" PRIu64 " bytes\n", limit, limit);
        host_write(h, FILE_OF("cmdline"), "vmm");
        host_write(h, FILE_OF("maps"), "%s", maps);
        host_link(h, FILE_OF("fd/9"), "anon_inode:kvm-vm");
        host_link(h, FILE_OF("fd/10"), "anon_inode:kvm-vcpu:0");
}

/* Has the answer each of the texts, set apart by '|'? */
static bool answers(sd_bus *bus, const char *method, uint32_t pid, const char *texts) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        char *copy = strdup(texts), *rest = NULL;
        const char *json = "";
        bool all = true;
        int r;

        r = pid == UINT32_MAX ? call(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, method, NULL, &reply, "t", UINT64_C(0))
                              : call(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, method, NULL, &reply, "ut", pid, UINT64_C(0));
        if (r >= 0)
                (void) sd_bus_message_read(reply, "s", &json);
        for (char *text = strtok_r(copy, "|", &rest); text && all; text = strtok_r(NULL, "|", &rest))
                all = *text == '!' ? !strstr(json, text + 1) : strstr(json, text) != NULL;
        if (r < 0 || !all)
                printf("#   %s: %s\n", r < 0 ? strerror(-r) : "it answers", json);
        free(copy);
        return r >= 0 && all;
}
#define ALL UINT32_MAX

/* Of a process that was started later than any. */
#define STAT_LATER "%d (vmm) S 1 1 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99999999999 0 0 0 0\n"

static void test_unknown(const Host *h, sd_bus *bus) {
        sd_bus_error error = SD_BUS_ERROR_NULL;

        tap_ok(answers(bus, "Audit", ALL, "{\"unreadable\":0,\"vms\":[]}"), "nobody has a VM");
        refused(call_manager(bus, "AuditProcess", &error, "ut", 4711U, UINT64_C(0)), &error, "NoSuchMachine", "4711|tcectl audit",
                "a process that is not there");
        write_process(h, 4711, 2, 1, 0);
        tap_ok(answers(bus, "Audit", ALL, "\"pid\":4711|\"machine\":null|\"basis\":\"nothing\"|\"verdict\":\"unknown\"|\"kernel_tables\":2"),
               "a VM that nobody knows is found, with its tables");
        tap_ok(answers(bus, "AuditProcess", 4711, "{\"pid\":4711|\"name\":\"vmm\""), "and asked for by its PID");
        refused(call_manager(bus, "AuditProcess", &error, "ut", 4711U, UINT64_C(1)), &error, "InvalidArgument", "0x1", "a flag");
        refused(call_manager(bus, "AuditProcess", &error, "ut", UINT32_MAX, UINT64_C(0)), &error, "InvalidArgument", "PID", "no PID");
        host_remove(h, "proc/4711");
        refused(call_manager(bus, "AuditProcess", &error, "ut", 4711U, UINT64_C(0)), &error, "NoSuchMachine", "4711", "it has ended");
        tap_ok(answers(bus, "Audit", ALL, "\"vms\":[]"), "and is forgotten");
}

/* The VM that tced makes to try what KVM can do. */
static void test_own(const Host *h, sd_bus *bus) {
        sd_bus_error error = SD_BUS_ERROR_NULL;

        write_process(h, 4712, 2, 1, 0);
        host_write(h, "proc/4712/status", "Name:\ttced\nPPid:\t%d\nUid:\t0\t0\t0\t0\nVmLck:\t0 kB\nCapEff:\t0000000000000000\n", (int) h->tced_pid);
        tap_ok(answers(bus, "Audit", ALL, "\"vms\":[]"), "a VM of tced's own is none");
        refused(call_manager(bus, "AuditProcess", &error, "ut", 4712U, UINT64_C(0)), &error, "NoSuchMachine", "4712", "nor when it is asked for");
        host_remove(h, "proc/4712");
}

/* A stock QEMU of which nobody told tced: its arguments tell what it should have. Words are set apart by '|'. */
static void write_qemu(const Host *h, pid_t pid, const char *words, unsigned n_tables, uint64_t limit, uint64_t locked_kib) {
        _cleanup_free_ char *text = strdup(words);
        char path[96], full[PATH_MAX];
        FILE *f;

        write_process(h, pid, n_tables, limit, locked_kib);
        (void) snprintf(path, sizeof(path), "proc/%d/cmdline", (int) pid);
        (void) snprintf(full, sizeof(full), "%s/%s", h->dir, path);
        for (char *at = text; at && (at = strchr(at, '|')); at++)
                *at = '\0';
        f = fopen(full, "we");
        if (!text || !f || fwrite(text, strlen(words) + 1, 1, f) != 1 || fclose(f) != 0)
                bail_out("can't write %s", full);
}

static const char stock[] = "/usr/bin/qemu-system-ppc64|-accel|kvm|-nodefaults|-device|spapr-vlan,id=eth0";

static bool describes(sd_bus *bus, const char *text) {
        _cleanup_free_ char *json = describe_text(bus);

        return json && strstr(json, text);
}

/* Another user on the private socket is told of no VM but its own. */
static void see_no_stranger(void *userdata) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_bus_ sd_bus *bus = NULL;
        _cleanup_free_ char *text = NULL;
        char own[64], target[64];
        const char *id = "";
        int r;

        /* The daemon's /proc is a made-up one. */
        (void) snprintf(own, sizeof(own), "proc/%d", (int) getpid());
        (void) snprintf(target, sizeof(target), "/proc/%d", (int) getpid());
        host_link(userdata, own, target);
        if (setresuid(STRANGER, STRANGER, STRANGER) < 0)
                bail_out("can't be another user");
        bus = open_peer(userdata);
        text = describe_text(bus);
        tap_ok(text && !strstr(text, "process 4711") && strstr(text, "\"findings\":["), "another user is not told of it by Describe");
        r = sd_bus_get_property(bus, NULL, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "Findings", NULL, &reply, "a(sssss)");
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(sssss)");
        while (r >= 0 && !streq(id, "slow-path") && (r = sd_bus_message_read(reply, "(sssss)", &id, NULL, NULL, NULL, NULL)) > 0)
                ;
        tap_eq(r, 0, "nor by Findings");
}

static void test_stock(const Host *h, sd_bus *bus) {
        _cleanup_signals_ Signals signals = {};
        sd_bus_error error = SD_BUS_ERROR_NULL;

        /* Each table of theirs is a page long: tables of none of the sizes that they should have. */
        write_qemu(h, 4711, stock, 0, 4096, 4);
        signals_record(bus, &signals);
        tap_ok(answers(bus, "AuditProcess", 4711,
                       "\"machine\":null|\"basis\":\"command-line\"|\"verdict\":\"slow-path\"|\"device\":\"eth0\"|\"device\":\"pci.0\"|"
                       "\"found\":\"missing\"|the locked-memory limit is 4 KiB|hard_limit"),
               "a stock QEMU that nobody registered: what it should have is in its command line, and it has none of it");
        tap_ok(signals_wait(bus, &signals, "SlowPath /org/tced1 vmm"), "a signal says that it is on the slow path");
        signals_forget(&signals);
        host_write(h, "proc/4711/stat", STAT_LATER, 4711);
        tap_ok(answers(bus, "AuditProcess", 4711, "\"verdict\":\"slow-path\"") && signals_wait(bus, &signals, "SlowPath /org/tced1 vmm"),
               "another process by that PID is told, too");
        tap_ok(describes(bus, "process 4711"), "it is among the host's findings");
        if (geteuid() == 0)
                run_as(NO_UID, NULL, 0, see_no_stranger, (void *) h);
        host_remove(h, "proc/4711");
        refused(call_manager(bus, "AuditProcess", &error, "ut", 4711U, UINT64_C(0)), &error, "NoSuchMachine", "4711", "it ends");
        tap_ok(!describes(bus, "process 4711"), "and the finding goes with it");
        write_qemu(h, 4711, "/usr/bin/qemu-system-ppc64|-readconfig|/etc/vm.conf", 0, 4096, 4);
        tap_ok(answers(bus, "AuditProcess", 4711, "\"basis\":\"nothing\"|does not know this VM: -readconfig: /etc/vm.conf"),
               "one whose command line does not tell it");
        write_qemu(h, 4711, "/usr/bin/qemu-system-ppc64|-M|powernv9", 0, 4096, 4);
        tap_ok(answers(bus, "AuditProcess", 4711, "\"basis\":\"nothing\"|its machine is no pseries"), "one that is no pseries");
        write_qemu(h, 4711, "", 0, 4096, 4);
        tap_ok(answers(bus, "AuditProcess", 4711, "\"basis\":\"nothing\"|it is no QEMU"), "one that hides its words");
        host_remove(h, "proc/4711");
        tap_ok(answers(bus, "Audit", ALL, "\"vms\":[]"), "it has ended");
}

static bool table_has(sd_bus *bus, const char *machine, unsigned i, const char *property, const char *want) {
        _cleanup_free_ char *path = NULL, *value = NULL;

        if (asprintf(&path, "%s/table/%08x", machine, SMALL_LIOBN + i) < 0)
                bail_out("no memory");
        value = get_string(bus, path, TCED_INTERFACE_TABLE, property);
        if (value && strstr(value, want))
                return true;
        printf("#   %s is %s\n", property, value ? value : "not there");
        return false;
}

static void test_machine(const Host *h, sd_bus *bus) {
        _cleanup_free_ char *machine = register_small(bus, "web1", 1, NO_UID), *text = NULL;
        char own_stat[64];
        _cleanup_signals_ Signals signals = {};
        sd_bus_error error = SD_BUS_ERROR_NULL;

        (void) snprintf(own_stat, sizeof(own_stat), "proc/%d/stat", (int) getpid());
        tap_ok(table_has(bus, machine, 0, "Found", ""), "what was not looked at was not found");
        went_well(claim(bus, machine, &error), &error, "this test claims a machine of one table");
        write_process(h, getpid(), 1, UINT64_MAX, 0);
        signals_record(bus, &signals);
        tap_ok(answers(bus, "AuditProcess", 0, "\"machine\":\"web1\"|\"basis\":\"machine\"|\"verdict\":\"as-planned\"|\"found\":\"kernel\""),
               "it has it in the kernel");
        tap_ok(signals_wait(bus, &signals, "FoundText"), "who shows the table is told");
        text = describe_text(bus);
        tap_ok(strstr(text, "\"found\":\"kernel\",\"found_why\":\"\",\"slow\":false") && strstr(text, "\"verdict\":\"as-planned\""),
               "and who asks for a description");
        tap_ok(table_has(bus, machine, 0, "Found", "kernel") && table_has(bus, machine, 0, "FoundWhy", ""), "and finds it so");

        signals_forget(&signals);
        write_process(h, getpid(), 0, 4096, 4);
        tap_ok(answers(bus, "AuditProcess", 0,
                       "\"verdict\":\"slow-path\"|\"found\":\"missing\"|\"slow\":true|the locked-memory limit is 4 KiB|\"why_source\":\"inferred\"|hard_limit"),
               "now it has not, and its locked memory is used up");
        tap_ok(signals_wait(bus, &signals, "SlowPath /org/tced1 web1"), "a signal says that it is on the slow path");
        tap_ok(host_log_has(h, "runs on the slow path: liobn 71000000"), "the log too");
        free(text);
        text = describe_text(bus);
        tap_ok(strstr(text, "\"id\":\"slow-path\"") && strstr(text, "not found in the kernel (missing)"), "it is among the machine's findings");
        tap_ok(strstr(text, "\"found\":\"missing\",\"found_why\":\"the locked-memory limit") && strstr(text, "\"slow\":true") &&
                       strstr(text, "\"verdict\":\"slow-path\""), "Describe says so of the table, and of the machine");
        tap_ok(table_has(bus, machine, 0, "Found", "missing") && table_has(bus, machine, 0, "FoundWhy", "locked-memory limit"),
               "the table says why");
        signals_forget(&signals);
        tap_ok(answers(bus, "Audit", ALL, "\"verdict\":\"slow-path\""), "it is still so");
        tap_ok(!signals_have(bus, &signals, "SlowPath"), "and is not said again");
        write_process(h, 4711, 2, 1, 0);
        tap_ok(answers(bus, "AuditProcess", 4711, "{\"pid\":4711") && table_has(bus, machine, 0, "Found", "missing"),
               "who looks at another VM does not forget it");
        host_remove(h, "proc/4711");

        write_process(h, getpid(), 1, 4096, 4);
        tap_ok(answers(bus, "Audit", ALL, "\"verdict\":\"as-planned\""), "the table is there again");
        free(text);
        text = describe_text(bus);
        tap_ok(!strstr(text, "not found in the kernel"), "and the finding is gone");

        host_write(h, own_stat, STAT_LATER, (int) getpid());
        tap_ok(answers(bus, "Audit", ALL, "\"machine\":null|!\"web1\""), "a later process by its PID is not the machine's");
        write_process(h, getpid(), 0, UINT64_MAX, 0);
}

/* What the VMM said itself was told by that. */
static void test_reported(const Host *h, sd_bus *bus) {
        _cleanup_free_ char *machine = NULL;
        _cleanup_signals_ Signals signals = {};
        sd_bus_error error = SD_BUS_ERROR_NULL;

        machine = find_machine(bus, "web1");
        (void) unregister(bus, machine, NULL);
        free(machine);
        machine = register_small(bus, "web3", 1, NO_UID);
        went_well(claim(bus, machine, &error), &error, "a machine");
        went_well(call(bus, machine, TCED_INTERFACE_MACHINE, "ReportTable", &error, NULL, "usit", SMALL_LIOBN, "kernel", ENOMEM, UINT64_C(0)), &error,
                  "reports that the kernel refused its table");
        signals_record(bus, &signals);
        tap_ok(answers(bus, "AuditProcess", 0, "\"machine\":\"web3\"|\"verdict\":\"slow-path\"|\"why_source\":\"seen\""), "which is so");
        tap_ok(!signals_have(bus, &signals, "SlowPath"), "and no news");
        (void) unregister(bus, machine, NULL);
        write_process(h, getpid(), 0, 4096, 4);
}

/* Until the audit that a moment ago somebody's word led to is over. */
static void wait_audited(void) {
        (void) usleep(1500 * 1000);
}

static bool wait_found(sd_bus *bus, const char *machine, const char *want) {
        for (unsigned i = 0; i < HARNESS_PATIENCE * 20; i++) {
                if (table_has(bus, machine, 0, "Found", want))
                        return true;
                (void) usleep(50 * 1000);
        }
        return false;
}

/* A claim is followed by an audit that nobody asks for. */
static void test_by_itself(const Host *h, sd_bus *bus) {
        _cleanup_signals_ Signals signals = {};
        _cleanup_free_ char *machine = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        write_process(h, getpid(), 0, 4096, 4);
        wait_audited();
        machine = register_small(bus, "web2", 1, NO_UID);
        signals_record(bus, &signals);
        went_well(claim(bus, machine, &error), &error, "another machine is claimed");
        tap_ok(signals_wait(bus, &signals, "SlowPath /org/tced1 web2"), "it is looked at soon, and is on the slow path");
        wait_audited();
        write_process(h, getpid(), 1, 4096, 4);
        went_well(call(bus, machine, TCED_INTERFACE_MACHINE, "ReportTable", &error, NULL, "usit", SMALL_LIOBN, "kernel", 0, UINT64_C(0)), &error,
                  "it reports that its table is made");
        tap_ok(wait_found(bus, machine, "kernel"), "it is looked at again");
        (void) unregister(bus, machine, NULL);
}

/* Whoever asked has gone when the answer comes. */
static void test_gone(const Host *h, sd_bus *bus) {
        for (unsigned i = 0; i < 50; i++) {
                sd_bus *peer = open_peer(h);

                for (unsigned j = 0; j < 3; j++)
                        (void) sd_bus_call_method_async(peer, NULL, NULL, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "Audit", NULL, NULL, "t",
                                                        UINT64_C(0));
                (void) sd_bus_flush_close_unref(peer);
        }
        tap_ok(answers(bus, "Audit", ALL, "\"vms\":"), "fifty that asked and went do no harm");
}

/* On the private socket who is not root finds no VM but its own. Runs as another user, in a child. */
static void ask_as_nobody(int fd, void *userdata) {
        _cleanup_bus_ sd_bus *peer = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        bool ok;

        if (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
                _exit(2);
        peer = open_peer(userdata);
        ok = answers(peer, "Audit", ALL, "\"vms\":[]") &&
             is_refused(call_manager(peer, "AuditProcess", &error, "ut", 4711U, UINT64_C(0)), &error, "NoSuchMachine", "4711");
        (void) !write(fd, ok ? "y" : "n", 1);
}

static void test_others(Host *h) {
        int fds[2];
        char said = 0;
        pid_t pid;

        if (geteuid() != 0 || pipe2(fds, O_CLOEXEC) < 0) {
                tap_skip("needs root", "another user");
                return;
        }
        write_process(h, 4711, 2, 1, 0);
        pid = fork();
        if (pid == 0) {
                /* Its own folder, as the daemon looks for who asks. */
                char path[64], target[32];

                (void) snprintf(path, sizeof(path), "proc/%d", (int) getpid());
                (void) snprintf(target, sizeof(target), "/proc/%d", (int) getpid());
                host_link(h, path, target);
                ask_as_nobody(fds[1], h);
                _exit(0);
        }
        (void) close(fds[1]);
        (void) !read(fds[0], &said, 1);
        (void) close(fds[0]);
        (void) wait_exit(pid);
        tap_eq(said, 'y', "another user finds neither VM on the private socket");
        host_remove(h, "proc/4711");
}

/* Asks without waiting for an answer, and is gone before tced reads that. */
static int ask_and_go(const Host *h, int go, int ready) {
        sd_bus_message *m = NULL;
        char c = 'r';
        sd_bus *peer;
        int r;

        if (read(go, &c, 1) != 1)
                return 1;
        peer = open_peer(h);
        if (!answers(peer, "Audit", ALL, "\"vms\":[]") || write(ready, &c, 1) != 1 || read(go, &c, 1) != 1)
                return 1;
        r = sd_bus_message_new_method_call(peer, &m, NULL, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "Audit");
        if (r >= 0)
                r = sd_bus_message_append(m, "t", UINT64_C(0));
        if (r >= 0)
                r = sd_bus_message_set_expect_reply(m, 0);
        if (r >= 0)
                r = sd_bus_send(peer, m, NULL);
        return r < 0 || sd_bus_flush(peer) < 0;
}

/* As libvirt's hook does when a VM has started. Nobody has had a VM yet: once tced has looked after its start it does not by itself. */
static void test_who_goes(const Host *h, sd_bus *bus) {
        _cleanup_signals_ Signals signals = {};
        int go[2], ready[2];
        char c = 'g', path[64];
        pid_t pid;

        if (pipe2(go, O_CLOEXEC) < 0 || pipe2(ready, O_CLOEXEC) < 0 || fflush(stdout) != 0 || (pid = fork()) < 0)
                bail_out("can't fork: %s", strerror(errno));
        if (pid == 0)
                _exit(ask_and_go(h, go[0], ready[1]));
        write_process(h, pid, 0, UINT64_MAX, 0);
        (void) snprintf(path, sizeof(path), "proc/%d/fd", (int) pid);
        host_remove(h, path);
        host_mkdir(h, path);
        signals_record(bus, &signals);
        (void) usleep(1500000);
        if (write(go[1], &c, 1) != 1 || read(ready[0], &c, 1) != 1 || kill(h->tced_pid, SIGSTOP) < 0)
                bail_out("the process that asks does not get ready");
        write_qemu(h, 4711, "/usr/bin/qemu-system-ppc64|-accel|kvm|-nodefaults", 0, 4096, 4);
        tap_eq((c = (char) write(go[1], &c, 1), wait_exit(pid)), 0, "who asks does not wait for the answer");
        (void) kill(h->tced_pid, SIGCONT);
        tap_ok(signals_wait(bus, &signals, "SlowPath /org/tced1 vmm"), "VMs are looked at all the same");
        (void) snprintf(path, sizeof(path), "proc/%d", (int) pid);
        host_remove(h, path);
        host_remove(h, "proc/4711");
        tap_ok(answers(bus, "Audit", ALL, "\"vms\":[]"), "and their end is seen");
        (void) close(go[0]);
        (void) close(go[1]);
        (void) close(ready[0]);
        (void) close(ready[1]);
}

/* libvirt, which says which domains run when there is a file "go". */
static void test_libvirt(Host *h, const char *proc) {
        char child[96], option[128];
        const char *extra[] = { proc, option, NULL };

        (void) snprintf(child, sizeof(child), "%s/libvirt-child", h->dir);
        (void) snprintf(option, sizeof(option), "--libvirt-child=%s", child);
        host_write(h, "libvirt-child",
                   "#!/bin/sh\n"
                   "printf '{\"event\":\"connected\"}\\n' >&0\n"
                   "while read -r line; do\n"
                   "  id=${line#*\\\"id\\\":}; id=${id%%%%[!0-9 ]*}\n"
                   "  case $line in\n"
                   "  *domains*)\n"
                   "    until [ -e %s/go ]; do sleep 0.05; done\n"
                   "    printf '{\"id\":%%s,\"domains\":[]}\\n' \"$id\" >&0 ;;\n"
                   "  *devices*) printf '{\"id\":%%s,\"devices\":[]}\\n' \"$id\" >&0 ;;\n"
                   "  esac\n"
                   "done\n", h->dir);
        (void) chmod(child, 0755);
        host_write(h, "libvirt/driver.pid", "%d", (int) getpid());
        if (!tap_ok(host_start_tced(h, extra), "a tced that asks libvirt"))
                return;
        wait_audited();
        write_qemu(h, 4714, stock, 0, 4096, 4);
        host_write(h, "go", "x");
        tap_ok(host_log_has(h, "(process 4714) runs on the slow path"), "it looks at all when libvirt says which domains run");
}

/* What tced asks tced-bind for: "" is nothing. */
static const char *asked_for(int listener, char *buf, size_t size) {
        _cleanup_fd_ int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        ssize_t n = fd < 0 ? 0 : recv(fd, buf, size - 1, 0);

        buf[n > 0 ? n : 0] = '\0';
        return buf;
}

/* Whose log is opened for an audit is not the VM's to say: it has its name from libvirt's pid file, which only root can have written. */
static void test_log(const Host *h, sd_bus *bus) {
        static const char vm[] = "/usr/bin/qemu-system-ppc64|-name|guest=web9,debug-threads=on|-accel|kvm|-nodefaults";
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
        int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), file;
        char asked[512], path[128];

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/bind-socket", h->dir);
        (void) snprintf(path, sizeof(path), "%s/libvirt/web9.pid", h->dir);
        host_write(h, "libvirt/web9.pid", "%d", (int) getpid());
        file = open(path, O_RDWR | O_CLOEXEC);
        if (geteuid() != 0 || listener < 0 || bind(listener, (struct sockaddr *) &address, sizeof(address)) < 0 ||
            listen(listener, 8) < 0 || file < 0 || fcntl(file, F_SETLK, &lock) < 0) {
                tap_skip("needs root", "logs");
                return;
        }
        write_qemu(h, 4715, vm, 0, 4096, 4);
        tap_ok(answers(bus, "AuditProcess", 4715, "\"basis\":\"command-line\"|\"verdict\":\"slow-path\""), "a VM that says it is libvirt's");
        tap_streq(asked_for(listener, asked, sizeof(asked)), "", "is not believed: no log is asked for");
        host_remove(h, "proc/4715");
        write_qemu(h, getpid(), vm, 0, 4096, 4);
        tap_ok(answers(bus, "AuditProcess", 0, "\"machine\":null|\"verdict\":\"slow-path\""), "one that is");
        tap_ok(strstr(asked_for(listener, asked, sizeof(asked)), "\"operation\":\"open-log\",\"name\":\"web9\""), "its log is: %s", asked);
        write_process(h, getpid(), 0, UINT64_MAX, 0);
        (void) close(file);
        host_remove(h, "libvirt/web9.pid");
        (void) close(listener);
        (void) unlink(address.sun_path);
}

int main(void) {
        char proc[96];
        const char *extra[] = { proc, NULL };
        Host h;

        host_init(&h, 100);
        h.tced = getenv("TCED_ON_FAKE_KVM");
        host_write(&h, "dev/kvm", "%s", "");
        host_mkdir(&h, "proc/x");
        (void) snprintf(proc, sizeof(proc), "--proc=%s/proc", h.dir);
        if (!host_start_bus(&h)) {
                tap_skip("there is no dbus-daemon", "audits");
                host_done(&h);
                return tap_done();
        }
        if (!h.tced || !host_start_tced(&h, extra))
                bail_out("tced does not start");
        {
                _cleanup_bus_ sd_bus *bus = open_bus(&h);

                write_process(&h, getpid(), 0, UINT64_MAX, 0);
                {
                        char path[64];

                        (void) snprintf(path, sizeof(path), "proc/%d/fd", (int) getpid());
                        host_remove(&h, path);
                        host_mkdir(&h, path);
                }
                wait_probed(bus);
                test_who_goes(&h, bus);
                test_unknown(&h, bus);
                test_own(&h, bus);
                test_stock(&h, bus);
                test_machine(&h, bus);
                test_reported(&h, bus);
                test_by_itself(&h, bus);
                test_gone(&h, bus);
                test_others(&h);
                test_log(&h, bus);
        }
        /* Of those that were made while tced did not run nobody else would tell. */
        host_stop_tced(&h);
        write_qemu(&h, 4713, stock, 0, 4096, 4);
        tap_ok(host_start_tced(&h, extra) && host_log_has(&h, "(process 4713) runs on the slow path"), "when tced starts it looks at all");
        host_stop_tced(&h);
        test_libvirt(&h, proc);
        host_done(&h);
        return tap_done();
}
