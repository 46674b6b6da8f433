/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* manager_audit.c: when a VM is looked at, and when it is told that it is slow. Linked with --wrap: a timer is kept back until the look before it
 * is over, and then the clock goes on to when it is due. The rest of it is seen over the bus (tests/bus/test-audit-bus.c). */

#include "manager_audit.h"

#include "event-loop.h"
#include "tap.h"
#include "tree.h"

#define LOOKS_MAX 8U
#define PID 4711

static struct {
        uint64_t passed_usec; /* so much later it is than it was */
        sd_event_source *timer; /* that waits */
        uint64_t due_usec;
        unsigned n;
        unsigned seconds[LOOKS_MAX]; /* since the VM was made */
        uint64_t made_usec;
        unsigned told;
        uint64_t told_usec;
} world;

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
int __real_sd_event_add_time(sd_event *e, sd_event_source **ret, clockid_t clock, uint64_t usec, uint64_t accuracy,
                             sd_event_time_handler_t callback, void *userdata);
int __wrap_sd_event_add_time(sd_event *e, sd_event_source **ret, clockid_t clock, uint64_t usec, uint64_t accuracy,
                             sd_event_time_handler_t callback, void *userdata);
int __real_sd_event_source_set_time(sd_event_source *s, uint64_t usec);
int __wrap_sd_event_source_set_time(sd_event_source *s, uint64_t usec);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret) {
        int r = __real_clock_gettime(clock, ret);

        ret->tv_sec += (time_t) (world.passed_usec / SECOND_USEC);
        return r;
}

static void keep_back(sd_event_source *timer, uint64_t usec) {
        world.timer = timer;
        world.due_usec = usec;
        if (world.n < LOOKS_MAX)
                world.seconds[world.n++] = (unsigned) ((usec - world.made_usec + SECOND_USEC / 2) / SECOND_USEC);
}

int __wrap_sd_event_add_time(sd_event *e, sd_event_source **ret, clockid_t clock, uint64_t usec, uint64_t accuracy,
                             sd_event_time_handler_t callback, void *userdata) {
        int r = __real_sd_event_add_time(e, ret, clock, UINT64_MAX, accuracy, callback, userdata);

        if (r >= 0)
                keep_back(*ret, usec);
        return r;
}

int __wrap_sd_event_source_set_time(sd_event_source *s, uint64_t usec) {
        keep_back(s, usec);
        return __real_sd_event_source_set_time(s, UINT64_MAX);
}

static void on_slow_path(_unused_ const Machine *machine, _unused_ pid_t pid, _unused_ const char *name, _unused_ const char *text,
                         _unused_ void *userdata) {
        world.told++;
        world.told_usec = monotonic_usec();
}

/* A stock QEMU that has none of its tables; no limit of its locked memory would tell why. */
static const TreeEntry host[] = {
        DIRECTORY("sys"), DIRECTORY("dev"), DIRECTORY("etc"),
        TEXT("proc/4711/stat", "4711 (qemu) S 1 4711 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99 0 0 0 0\n"),
        TEXT("proc/4711/status", "Name:\tqemu\nPPid:\t1\nUid:\t0\t0\t0\t0\nVmLck:\t0 kB\nCapEff:\t0000000000000000\n"),
        TEXT("proc/4711/limits", "Max locked memory         unlimited            unlimited            bytes\n"),
        BYTES("proc/4711/cmdline", "/usr/bin/qemu-system-ppc64\0-accel\0kvm\0-nodefaults\0-device\0spapr-vlan,id=eth0\0"),
        TEXT("proc/4711/maps", "\n"), LINK("proc/4711/fd/9", "anon_inode:kvm-vm"), LINK("proc/4711/fd/10", "anon_inode:kvm-vcpu:0"),
};

static Manager *new_manager(const Tree *tree, sd_event *event) {
        static char sys[96], dev[96], proc[96], bind[96];
        const Places places = { .sys = sys, .dev = dev, .proc = proc, .config_root = tree->path, .bind_socket = bind, .libvirt_run = sys };
        Manager *m;

        (void) snprintf(sys, sizeof(sys), "%s/sys", tree->path);
        (void) snprintf(dev, sizeof(dev), "%s/dev", tree->path);
        (void) snprintf(proc, sizeof(proc), "%s/proc", tree->path);
        (void) snprintf(bind, sizeof(bind), "%s/bind", tree->path);
        if (manager_new(event, &places, &m) < 0 || manager_look(m) < 0)
                tree_fail("manager_new", tree->path);
        m->observer = (ManagerObserver) { .slow_path = on_slow_path };
        m->kvm.device_error = 0;
        m->kvm.page_size = 65536;
        outcome_set(&m->kvm.vm, PROOF_YES, "a VM was created");
        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++) {
                m->kvm.capability[i].declared = 1;
                outcome_set(&m->kvm.capability[i].proven, PROOF_YES, "done");
        }
        return m;
}

/* Lets each timer that was set come to its time, and waits for the look that it is for. */
static void run(sd_event *event, Manager *m) {
        const AuditRecord *r;

        while (world.timer) {
                uint64_t due = world.due_usec, now = monotonic_usec();
                sd_event_source *timer = TAKE_PTR(world.timer);

                world.passed_usec += due > now ? (due - now + SECOND_USEC - 1) / SECOND_USEC * SECOND_USEC : 0;
                (void) __real_sd_event_source_set_time(timer, 0);
                for (unsigned i = 0; i < 1000; i++) {
                        loop_for(event, 2000);
                        r = manager_audit_of_process(m, PID);
                        if (r && r->usec >= due)
                                break;
                }
        }
}

static void test_stages(const Tree *tree) {
        static const unsigned wanted[] = { 1, 10, 60, 600 };
        _cleanup_event_ sd_event *event = loop_new();
        Manager *m = new_manager(tree, event);
        const AuditRecord *r;
        uint64_t told_after;

        world.n = 0;
        world.made_usec = monotonic_usec();
        manager_vm_created(m, PID);
        run(event, m);
        tap_eq(world.n, ELEMENTSOF(wanted), "a VM that was made is looked at four times");
        for (size_t i = 0; i < ELEMENTSOF(wanted); i++)
                tap_eq(i < world.n ? world.seconds[i] : 0, wanted[i], "after %u seconds", wanted[i]);
        r = manager_audit_of_process(m, PID);
        tap_ok(r && r->audit.verdict == AUDIT_SLOW_PATH && r->audit.n_out == 2, "it has none of its tables, and nothing tells why");
        tap_ok(r && r->usec - world.made_usec >= 600 * SECOND_USEC, "by what was seen last");
        tap_eq(world.told, 1, "which is told once");
        told_after = (world.told_usec - world.made_usec) / SECOND_USEC;
        tap_ok(told_after >= 60 && told_after < 90, "when it is still so a while later: after %u s", (unsigned) told_after);
        manager_stop(m);
        (void) manager_free(m);
}

int main(void) {
        Tree tree = tree_new();

        TREE_ADD(&tree, host);
        test_stages(&tree);
        tree_remove(&tree);
        return tap_done();
}
