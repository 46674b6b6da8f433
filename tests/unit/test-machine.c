/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* machine.c: a VM's tables, the process that holds it, what is said of tables on the slow path. */

#include "machine.h"

#include <inttypes.h>
#include <sys/prctl.h>

#include "event-loop.h"
#include "tap.h"

#define UUID "0123456789abcdef0123456789abcdef"
#define STR(s) ((char *) (s))
#define PAGE UINT64_C(65536)

/* A machine and what is told of it. */
typedef struct Life {
        sd_event *event;
        Machine *machine;
        unsigned ended;
} Life;

static Window windows[] = {
        { .kind = DEVICE_VFIO, .liobn = 0x80000101, .bus_offset = UINT64_C(1) << 59, .size = UINT64_C(8) << 30, .page_shift = 16,
          .group = 3, .device = "gpu0" },
        { .kind = DEVICE_PCI, .liobn = 0x80000000, .size = UINT64_C(1) << 30, .page_shift = 12, .group = -1, .device = "pci.0" },
        { .kind = DEVICE_VIO, .liobn = 0x1000, .size = UINT64_C(256) << 20, .page_shift = 12, .group = -1, .device = "disk0" },
        { .kind = DEVICE_VFIO, .liobn = UINT32_MAX, .size = UINT64_C(1) << 30, .page_shift = 12, .group = 0, .device = "nic0" },
};

static const PolicyFacts whole = { .kvm = true, .tce = true, .tce_64 = true, .tce_vfio = true };
static const PolicyFacts no_64 = { .kvm = true, .tce = true };
static const PolicyFacts no_tce = { .kvm = true };
static const PolicyFacts no_kvm = { .tce = true, .tce_64 = true };

/* As the manager does it. */
static void on_ended(Machine *machine, void *userdata) {
        Life *life = userdata;

        life->ended++;
        life->machine = machine_free(machine);
}

static Plan plan_for(const PolicyFacts *facts, Accel accel, size_t n_windows) {
        const Description d = { .name = STR("db1"), .uuid = UUID, .windows = windows, .n_windows = n_windows };
        const PolicySetting setting = { .accel = accel, .numa_node = NUMA_NODE_ANY };
        static const Rules no_rules;
        Plan plan = {};
        PlanError error;

        if (plan_make(&d, facts, &no_rules, &setting, PAGE, 100, &plan, &error) < 0)
                exit(EXIT_FAILURE);
        return plan;
}

static Machine *make(const PolicyFacts *facts, Accel accel, size_t n_windows, Life *life) {
        Plan plan = plan_for(facts, accel, n_windows);
        Machine *machine = NULL;

        if (machine_new("db1", UUID, &plan, on_ended, life, &machine) < 0)
                exit(EXIT_FAILURE);
        return machine;
}

static void test_names(void) {
        static const char *const machine_states[] = { "registered", "claimed" };
        static const char *const machine_sources[] = { "bus", "libvirt" };
        static const char *const table_states[] = { "planned", "made", "ready", "handed-out" };

        for (int i = 0; i < _MACHINE_STATE_MAX; i++)
                tap_streq(machine_state_to_string((MachineState) i), machine_states[i], "a machine that is %s", machine_states[i]);
        for (int i = 0; i < _MACHINE_SOURCE_MAX; i++)
                tap_streq(machine_source_to_string((MachineSource) i), machine_sources[i], "a machine of %s", machine_sources[i]);
        for (int i = 0; i < _TABLE_STATE_MAX; i++)
                tap_streq(table_state_to_string((TableState) i), table_states[i], "a table that is %s", table_states[i]);
        for (int i = 0; i < _MACHINE_STATE_MAX; i++)
                tap_eq(machine_state_from_string(machine_states[i]), i, "%s is read", machine_states[i]);
        for (int i = 0; i < _MACHINE_SOURCE_MAX; i++)
                tap_eq(machine_source_from_string(machine_sources[i]), i, "%s is read", machine_sources[i]);
        for (int i = 0; i < _TABLE_STATE_MAX; i++)
                tap_eq(table_state_from_string(table_states[i]), i, "%s is read", table_states[i]);
        tap_ok(machine_state_from_string("") < 0 && machine_source_from_string("root") < 0 && table_state_from_string("gone") < 0,
               "other words are not");
}

/* The kernel uses a group's number again. */
static void test_groups(void) {
        DeviceFacts nic = { .address = (char *) "0001:01:00.0", .vendor = 0x8086, .device = 0x1572 }, other = nic, both[2];
        GroupFacts g = { .number = 3, .devices = &nic, .n_devices = 1 }, again = g;
        const VfioFacts vfio = { .groups = &g, .n_groups = 1 }, none = {};
        Machine *m = make(&whole, ACCEL_AUTO, 4, NULL);

        tap_eq(machine_note_groups(m, &none), 0, "a machine is registered with groups that are not there");
        tap_ok(machine_holds_group(m, 3, NULL) && machine_holds_group(m, 3, &g) && !machine_holds_group(m, 1, NULL),
               "of them their numbers are known");
        tap_eq(machine_note_groups(m, &vfio), 0, "one is registered with groups that are");
        tap_eq(m->n_groups, 1, "each is noted once");
        tap_ok(machine_holds_group(m, 3, &g), "it holds them");
        tap_ok(machine_holds_group(m, 0, NULL) && machine_holds_group(m, 3, NULL), "also where there is no group");
        other.device++;
        again.devices = &other;
        tap_ok(!machine_holds_group(m, 3, &again), "another card in the same slot is another's");
        other = nic;
        other.address = (char *) "0001:02:00.0";
        tap_ok(!machine_holds_group(m, 3, &again), "as is one in another slot");
        both[0] = (DeviceFacts) { .address = (char *) "0001:00:00.0" };
        both[1] = nic;
        again.devices = both;
        again.n_devices = 2;
        tap_ok(machine_holds_group(m, 3, &again), "a device beside the first one changes nothing");
        again.n_devices = 0;
        tap_ok(machine_holds_group(m, 3, &again), "nor does one that is just unplugged");
        (void) machine_free(m);
}

/* What libvirt's XML adds: findings, and groups that no window has. */
static void test_domain(void) {
        Machine *m = make(&no_tce, ACCEL_AUTO, 4, NULL);
        size_t slow = m->findings.n, n = 0;
        int groups[] = { 9, 7 };

        tap_ok(slow > 1, "a machine on the slow path says so");
        tap_ok(m->source == MACHINE_SOURCE_BUS, "it is one of the bus");
        m->domain.groups = memcpy(malloc(sizeof(groups)), groups, sizeof(groups));
        m->domain.n_groups = 2;
        tap_ok(machine_has_group(m, 7) && machine_has_group(m, 9) && machine_has_group(m, 3) && !machine_has_group(m, 8),
               "it has the groups of all its devices");
        tap_ok(findings_add(&m->domain.findings, FINDING_NO_MAXMEMORY, SEVERITY_WARNING, "db1", "Give it one", "none") == 0 &&
                       findings_add(&m->domain.findings, FINDING_SLOW_PATH, SEVERITY_WARNING, "liobn 80000000", "x", "y") == 0 &&
                       findings_add(&m->domain.findings, FINDING_SLOW_PATH, SEVERITY_WARNING, "disk0", "x", "y") == 0 &&
                       machine_update_findings(m) == 0,
               "its domain has findings");
        tap_eq(m->findings.n, slow + 1, "they are its, and each table that is slow is told of once");
        tap_ok(findings_find(&m->findings, FINDING_NO_MAXMEMORY), "the domain's own is there");
        tap_eq(machine_update_findings(m), 0, "updated again");
        tap_eq(m->findings.n, slow + 1, "they don't pile up");
        m->domain.memlock.charged = 100;
        tap_ok(findings_add(&m->domain.findings, FINDING_MEMLOCK_LOW, SEVERITY_WARNING, "db1", "x", "y") == 0 && machine_update_findings(m) == 0 &&
                       findings_find(&m->findings, FINDING_MEMLOCK_LOW),
               "its limit of locked memory is low");
        m->memlock_raised = 99;
        tap_ok(machine_update_findings(m) == 0 && findings_find(&m->findings, FINDING_MEMLOCK_LOW), "also when it was raised, if that is too little");
        m->memlock_raised = 100;
        tap_ok(machine_update_findings(m) == 0 && !findings_find(&m->findings, FINDING_MEMLOCK_LOW), "until it was raised to what is needed");
        m->tables[1].error = ENOMEM;
        m->tables[1].plan->verdict.reason = REASON_KERNEL_REFUSED;
        tap_eq(machine_update_findings(m), 0, "the kernel refuses one");
        for (size_t i = 0; i < m->findings.n; i++)
                n += streq(m->findings.items[i].subject, "liobn 80000000");
        tap_eq(n, 2, "that is news, also of a table that was told of");
        (void) machine_free(m);
}

static void test_new(void) {
        static const uint32_t liobns[] = { 0x1000, 0x80000000, 0x80000101, UINT32_MAX }, none[] = { 0, 0xfff, 0x1001, 0x80000100 };
        Plan plan = plan_for(&whole, ACCEL_AUTO, 4);
        char name[] = "db1", uuid[] = UUID;
        Machine *m = NULL;
        unsigned right = 0;

        tap_eq(machine_new(name, uuid, &plan, on_ended, NULL, &m), 0, "a machine");
        tap_ok(plan.n_tables == 0 && !plan.tables && plan.kernel_bytes == 0, "its plan is taken over");
        memset(name, 'x', 3);
        memset(uuid, 'x', 3);
        tap_streq(m->name, "db1", "its name is a copy");
        tap_streq(m->uuid, UUID, "its UUID too");
        tap_ok(m->state == MACHINE_REGISTERED && m->process.pid == 0 && m->process.pidfd < 0, "it is registered, and nobody holds it");
        tap_eq(m->n_tables, 4, "it has a table for each window");
        for (size_t i = 0; i < m->n_tables; i++)
                right += m->tables[i].state == TABLE_PLANNED && m->tables[i].memory.fd < 0 && m->tables[i].machine == m &&
                         m->tables[i].plan == &m->plan.tables[i] && m->tables[i].error == 0;
        tap_eq(right, 4, "each is planned, and knows its machine and its part of the plan");
        for (size_t i = 0; i < ELEMENTSOF(liobns); i++) {
                Table *t = machine_find_table(m, liobns[i]);
                tap_ok(t && t->plan->window.liobn == liobns[i], "the table %08" PRIx32, liobns[i]);
        }
        for (size_t i = 0; i < ELEMENTSOF(none); i++)
                tap_ok(!machine_find_table(m, none[i]), "no table %08" PRIx32, none[i]);
        tap_ok(machine_has_group(m, 3) && machine_has_group(m, 0) && !machine_has_group(m, 1), "the groups that it has");
        tap_ok(machine_free(m) == NULL && machine_free(NULL) == NULL, "it is freed; none is no error");

        m = make(&whole, ACCEL_AUTO, 0, NULL);
        tap_ok(m->n_tables == 0 && !machine_find_table(m, 0) && !machine_has_group(m, 0), "a machine without windows");
        (void) machine_free(m);
}

/* A child that lives until it is killed. */
static pid_t start_child(int proc_fd, Process *ret) {
        pid_t pid = fork();

        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (;;)
                        (void) pause();
        }
        if (process_open(proc_fd, pid, ret) < 0)
                exit(EXIT_FAILURE);
        return pid;
}

/* Kills it and waits for its end, which the pidfds show, but leaves the zombie. */
static void kill_child(pid_t pid) {
        (void) kill(pid, SIGKILL);
        (void) waitid(P_PID, (id_t) pid, &(siginfo_t) {}, WEXITED | WNOWAIT);
}

static void test_hold(int proc_fd) {
        _cleanup_event_ sd_event *event = loop_new();
        Life life = { .event = event };
        unsigned before = count_fds();
        Process first = PROCESS_INIT, second = PROCESS_INIT, dead = PROCESS_INIT;
        pid_t pids[3];

        life.machine = make(&whole, ACCEL_AUTO, 4, &life);
        pids[0] = start_child(proc_fd, &first);
        pids[1] = start_child(proc_fd, &second);
        pids[2] = start_child(proc_fd, &dead);
        tap_eq(machine_hold(life.machine, event, &first), 0, "a process holds it");
        tap_ok(life.machine->process.pid == pids[0] && first.pid == 0 && first.pidfd < 0, "which is taken over");
        kill_child(pids[2]);
        tap_eq(machine_hold(life.machine, event, &dead), -ESRCH, "one that has ended can't");
        tap_ok(dead.pid == pids[2] && dead.pidfd >= 0 && life.machine->process.pid == pids[0], "it stays the caller's, and all as it was");
        process_close(&dead);

        tap_eq(machine_hold(life.machine, event, &second), 0, "another process holds it instead");
        kill_child(pids[0]);
        loop_for(event, SECOND_USEC / 20);
        tap_ok(life.ended == 0 && life.machine->process.pid == pids[1], "the end of the one before is nothing to it");
        kill_child(pids[1]);
        tap_ok(loop_until(event, &life.ended, 1, LOOP_LIMIT_USEC), "with its process it ends");
        loop_for(event, SECOND_USEC / 50);
        tap_ok(life.ended == 1 && !life.machine, "that is told once, and it may be freed then");
        tap_eq(count_fds(), before, "no fd is left");
        while (waitpid(-1, NULL, 0) > 0)
                ;
}

/* The process that registered it claims it, by a pidfd of its own. */
static void test_hold_again(int proc_fd) {
        _cleanup_event_ sd_event *event = loop_new();
        Life life = { .event = event };
        unsigned before = count_fds();
        Process first = PROCESS_INIT, again = PROCESS_INIT;
        pid_t pid = start_child(proc_fd, &first);

        (void) process_open(proc_fd, pid, &again);
        life.machine = make(&whole, ACCEL_AUTO, 1, &life);
        tap_eq(machine_hold(life.machine, event, &first), 0, "a process holds it");
        tap_eq(machine_hold(life.machine, event, &again), 0, "the same process holds it again");
        kill_child(pid);
        tap_ok(loop_until(event, &life.ended, 1, LOOP_LIMIT_USEC) && life.ended == 1, "its end is told once");
        (void) waitpid(pid, NULL, 0);

        pid = start_child(proc_fd, &first);
        life.machine = make(&whole, ACCEL_AUTO, 1, &life);
        (void) machine_hold(life.machine, event, &first);
        life.machine = machine_free(life.machine);
        kill_child(pid);
        loop_for(event, SECOND_USEC / 20);
        tap_eq(life.ended, 1, "a machine that is freed hears of no end");
        (void) waitpid(pid, NULL, 0);
        tap_eq(count_fds(), before, "no fd is left");
}

static void test_memory(void) {
        unsigned before = count_fds();
        Machine *m = make(&no_tce, ACCEL_AUTO, 4, NULL);
        TableMemory memory = { .fd = open("/dev/null", O_RDWR | O_CLOEXEC), .bytes = 4096, .huge = true };
        int fd = memory.fd;
        Table *t = machine_find_table(m, 0x1000);

        table_set_memory(t, &memory);
        tap_ok(t->state == TABLE_READY && t->memory.fd == fd && t->memory.bytes == 4096 && t->huge_pages, "a table gets its memory");
        tap_ok(memory.fd < 0 && memory.bytes == 0, "which is taken over");
        (void) machine_free(m);
        tap_eq(count_fds(), before, "it goes with the machine");
}

static void test_findings(void) {
        static const struct {
                const char *name;
                const PolicyFacts *facts;
                Accel accel;
                size_t n; /* findings about the four windows */
                const char *text, *remedy; /* of the first, in part */
        } cases[] = {
                { "all in the kernel", &whole, ACCEL_AUTO, 0, NULL, NULL },
                { "in the VMM, as it was asked for", &whole, ACCEL_USER, 0, NULL, NULL },
                { "no TCE tables in the kernel", &no_tce, ACCEL_AUTO, 4, "disk0: each TCE hypercall exits to the VMM: ", "tcectl status" },
                { "nothing for VFIO in the kernel", &no_64, ACCEL_AUTO, 2, "gpu0: each TCE hypercall exits to the VMM: ", "tcectl status" },
                { "no VMs", &no_kvm, ACCEL_AUTO, 4, "disk0: each TCE hypercall exits to the VMM: ", "tcectl status" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Machine *m = make(cases[i].facts, cases[i].accel, 4, NULL);

                tap_eq(m->findings.n, cases[i].n, "%s: the findings", cases[i].name);
                tap_eq(machine_update_findings(m), 0, "%s: once more", cases[i].name);
                tap_eq(m->findings.n, cases[i].n, "%s: as many", cases[i].name);
                if (cases[i].n > 0) {
                        const Finding *f = &m->findings.items[0];

                        tap_ok(f->id == FINDING_SLOW_PATH && f->severity == SEVERITY_WARNING, "%s: a warning of the slow path",
                               cases[i].name);
                        tap_streq(f->subject, cases[i].n == 4 ? "liobn 00001000" : "liobn 80000101", "%s: its subject", cases[i].name);
                        tap_ok(strncmp(f->text, cases[i].text, strlen(cases[i].text)) == 0 && strlen(f->text) > strlen(cases[i].text),
                               "%s: '%s'", cases[i].name, f->text);
                        tap_ok(strstr(f->remedy, cases[i].remedy) != NULL, "%s: '%s'", cases[i].name, f->remedy);
                }
                (void) machine_free(m);
        }
}

/* The kernel refuses a table at run time: what is said follows why. */
static void test_refused(void) {
        static const struct {
                int error;
                const char *remedy; /* part of it */
        } cases[] = { { ENOMEM, "locked-memory limit" }, { EPERM, "the kernel's log" } };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Machine *m = make(&whole, ACCEL_AUTO, 4, NULL);
                Table *t = machine_find_table(m, 0x80000000);
                const Finding *f;

                plan_table_refused(&m->plan, t->plan);
                t->error = cases[i].error;
                (void) machine_update_findings(m);
                f = m->findings.items;
                if (tap_eq(m->findings.n, 1, "%s: one finding", strerror(cases[i].error))) {
                        tap_streq(f->subject, "liobn 80000000", "about the table");
                        tap_ok(strstr(f->text, "pci.0") && strstr(f->text, strerror(cases[i].error)), "it says of what and why: '%s'",
                               f->text);
                        tap_ok(strstr(f->remedy, cases[i].remedy) != NULL, "and what to do: '%s'", f->remedy);
                }
                (void) machine_free(m);
        }
}

int main(void) {
        _cleanup_fd_ int proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

        test_names();
        test_new();
        test_groups();
        test_domain();
        test_hold(proc_fd);
        test_hold_again(proc_fd);
        test_memory();
        test_findings();
        test_refused();
        return tap_done();
}
