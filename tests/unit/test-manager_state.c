/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* manager_state.c: in which order things are left for the tced that comes after, which a test that kills one can't tell for sure. Linked with
 * --wrap: the fd store is this test, and ten minutes are over at once. Restarts themselves are in tests/bus/test-restart.c. */

#include "manager_internal.h"

#include <sys/eventfd.h>

#include "event-loop.h"
#include "fd_store.h"
#include "tap.h"
#include "tree.h"

#define STORED "\"fd\":"

/* What the service manager was told, and what the state file said just then. */
static struct {
        char path[96];
        unsigned n_added, n_removed, n_meant_too_early, n_meant_still;
        unsigned n_looked_for, n_counted; /* pidfds, and the times that the start was counted as failed meanwhile */
} world;

/* Has the state file this text? */
static bool state_has(const char *text) {
        static char state[16384];
        ssize_t n = read_file_at(AT_FDCWD, world.path, state, sizeof(state));

        return n > 0 && strstr(state, text);
}

int __wrap_fd_store_add(const char *name, int pidfd);
void __wrap_fd_store_remove(const char *name);
StoredFd *__wrap_fd_store_find(StoredFds *fds, const char *name);
int __real_sd_event_add_time_relative(sd_event *e, sd_event_source **ret, clockid_t clock, uint64_t usec, uint64_t accuracy,
                                      sd_event_time_handler_t callback, void *userdata);
int __wrap_sd_event_add_time_relative(sd_event *e, sd_event_source **ret, clockid_t clock, uint64_t usec, uint64_t accuracy,
                                      sd_event_time_handler_t callback, void *userdata);

int __wrap_fd_store_add(_unused_ const char *name, _unused_ int pidfd) {
        world.n_added++;
        world.n_meant_too_early += state_has(STORED);
        return 1;
}

void __wrap_fd_store_remove(_unused_ const char *name) {
        world.n_removed++;
        world.n_meant_still += state_has(STORED);
}

/* In the midst of taking a state up. */
StoredFd *__wrap_fd_store_find(_unused_ StoredFds *fds, _unused_ const char *name) {
        char failed[128];

        (void) snprintf(failed, sizeof(failed), "%s.failed", world.path);
        world.n_looked_for++;
        world.n_counted += access(failed, F_OK) == 0;
        return NULL;
}

/* Ten minutes are over at once. */
int __wrap_sd_event_add_time_relative(sd_event *e, sd_event_source **ret, clockid_t clock, uint64_t usec, uint64_t accuracy,
                                      sd_event_time_handler_t callback, void *userdata) {
        return __real_sd_event_add_time_relative(e, ret, clock, usec >= 600 * SECOND_USEC ? 0 : usec, accuracy, callback, userdata);
}

static Manager *new_manager(const Tree *tree, sd_event *event) {
        static char sys[96], bind[96];
        const Places places = { .sys = sys, .dev = sys, .proc = "/proc", .config_root = tree->path, .bind_socket = bind, .libvirt_run = sys };
        StoredFds none = {};
        Manager *m;

        (void) snprintf(sys, sizeof(sys), "%s/sys", tree->path);
        (void) snprintf(bind, sizeof(bind), "%s/bind", tree->path);
        (void) snprintf(world.path, sizeof(world.path), "%s/run/state.json", tree->path);
        if (manager_new(event, &places, &m) < 0 || manager_look(m) < 0)
                tree_fail("manager_new", tree->path);
        if (manager_restore(m, world.path, &none) < 0)
                tree_fail("manager_restore", world.path);
        return m;
}

static Manager *end_manager(Manager *m) {
        manager_stop(m);
        return manager_free(m);
}

/* What the loop has to do by now, and in the moments that follow. */
static void do_all(sd_event *event) {
        for (unsigned i = 0; i < 100; i++)
                (void) sd_event_run(event, 1000);
}

static int on_busy(_unused_ sd_event_source *s, _unused_ int fd, _unused_ uint32_t revents, void *userdata) {
        ++*(unsigned *) userdata;
        return usleep(100);
}

/* The same with a loop that always has something to do at once: an eventfd that nobody reads. */
static void do_all_beside_much(sd_event *event) {
        _cleanup_fd_ int fd = eventfd(1, EFD_CLOEXEC);
        sd_event_source *busy = NULL;
        unsigned n = 0;

        if (fd < 0 || sd_event_add_io(event, &busy, fd, EPOLLIN, on_busy, &n) < 0)
                exit(EXIT_FAILURE);
        while (n < 500)
                (void) sd_event_run(event, 0);
        (void) sd_event_source_disable_unref(busy);
}

/* The machine, once it is told of, and whether the file had it then. */
typedef struct Answer {
        unsigned n;
        Machine *machine;
        bool written;
} Answer;

static void on_registered(Machine *machine, _unused_ const Refusal *refusal, void *userdata) {
        *(Answer *) userdata = (Answer) { 1, machine, machine && state_has(machine->uuid) };
}

static Answer register_vm(Manager *m, const char *name) {
        Registration *r = calloc(1, sizeof(*r));
        Answer a = {};

        if (!r)
                exit(EXIT_FAILURE);
        r->description.name = strdup(name);
        r->owner = OWNER_UNKNOWN;
        r->process = (Process) PROCESS_INIT;
        manager_register(m, r, on_registered, &a);
        (void) loop_until(m->event, &a.n, 1, LOOP_LIMIT_USEC);
        if (!a.machine)
                tree_fail("manager_register", name);
        return a;
}

static bool claim(Manager *m, Machine *machine) {
        Process self = PROCESS_INIT;
        Refusal refusal;

        if (process_open(m->proc_fd, getpid(), &self) < 0)
                return false;
        self.by_pid = true;
        return manager_claim(m, machine, 0, &self, &refusal) == 0;
}

static void test_order(const Tree *tree) {
        _cleanup_event_ sd_event *event = loop_new();
        Manager *m = new_manager(tree, event);
        Answer a = register_vm(m, "vm");

        tap_ok(a.written, "a machine is in the file before it is told of");
        tap_ok(claim(m, a.machine) && state_has("\"claimed\"") && state_has(STORED), "as is its claim, when that is over");
        tap_ok(world.n_added == 1 && world.n_meant_too_early == 0, "its process was stored before");
        manager_unregister(m, a.machine);
        tap_ok(world.n_removed == 0, "when it goes its process stays in the store");
        do_all(event);
        tap_ok(world.n_removed == 1 && world.n_meant_still == 0 && !state_has("\"vm\""), "until the file tells of it no more");

        a = register_vm(m, "late");
        manager_unregister(m, a.machine);
        do_all_beside_much(event);
        tap_ok(!state_has("\"late\""), "what waits is written, though there is always something else to do");
        a = register_vm(m, "last");
        manager_unregister(m, a.machine);
        tap_ok(state_has("\"last\""), "what came just now is not");
        m = end_manager(m);
        tap_ok(!state_has("\"last\""), "but at the end");
}

/* The file can't be written: a folder is in its place. */
static void test_unwritable(const Tree *tree) {
        _cleanup_event_ sd_event *event = loop_new();
        Manager *m = new_manager(tree, event);
        Answer a = register_vm(m, "vm");
        unsigned before = world.n_removed;

        tap_ok(claim(m, a.machine), "another is claimed");
        (void) unlink(world.path);
        (void) mkdir(world.path, 0700);
        manager_unregister(m, a.machine);
        do_all(event);
        tap_eq(world.n_removed, before, "while the file can't be written no process is taken from the store");
        (void) rmdir(world.path);
        manager_save_soon(m, NULL);
        do_all(event);
        tap_eq(world.n_removed, before + 1, "and is when it can");
        (void) end_manager(m);
        (void) unlink(world.path);
}

/* The store is empty: the process is found by its PID, and left there anew. */
static void test_found_again(const Tree *tree) {
        _cleanup_event_ sd_event *event = loop_new();
        Manager *m = new_manager(tree, event);
        Answer a = register_vm(m, "vm");
        unsigned before;

        (void) claim(m, a.machine);
        (void) end_manager(m);
        before = world.n_added;
        m = new_manager(tree, event);
        tap_ok(state_has("\"pid\"") && !state_has(STORED), "a process that is not in the store is found, and not said to be in it");
        tap_ok(state_has("\"by_pid\":true"), "it is known by its PID alone as it was");
        tap_ok(world.n_looked_for == 1 && world.n_counted == 1, "who is killed in the midst of it has failed");
        do_all(event);
        tap_ok(world.n_added == before + 1 && state_has(STORED), "it is stored, and then the file says so");
        (void) end_manager(m);
        (void) unlink(world.path);
}

/* The head of the file says nothing of the numbers that were given. */
static void forget_last_serial(void) {
        char state[16384], *serial;
        ssize_t n = read_file_at(AT_FDCWD, world.path, state, sizeof(state));
        FILE *f;

        serial = n > 0 ? strstr(state, "\"serial\":") : NULL;
        f = fopen(world.path, "we");
        if (!serial || !f)
                tree_fail("write", world.path);
        serial += strlen("\"serial\":");
        (void) fprintf(f, "%.*s0%s", (int) (serial - state), state, serial + strspn(serial, "0123456789"));
        (void) fclose(f);
}

/* A machine's number is never another's, whether the one with the highest is there still or has gone. */
static void test_serials(const Tree *tree) {
        for (unsigned gone = 0; gone < 2; gone++) {
                _cleanup_event_ sd_event *event = loop_new();
                Manager *m = new_manager(tree, event);
                Answer a;
                uint64_t last;

                (void) register_vm(m, "first");
                a = register_vm(m, "second");
                last = a.machine->serial;
                if (gone)
                        manager_unregister(m, a.machine);
                (void) end_manager(m);
                if (!gone)
                        forget_last_serial();
                m = new_manager(tree, event);
                a = register_vm(m, "third");
                tap_ok(a.machine->serial > last, "the number of a machine that %s is not another's after a restart", gone ? "has gone" : "is there");
                (void) end_manager(m);
                (void) unlink(world.path);
        }
}

static void test_proven(const Tree *tree) {
        _cleanup_event_ sd_event *event = loop_new();
        char failed[128];
        Manager *m;
        FILE *f;

        (void) snprintf(failed, sizeof(failed), "%s/run/state.json.failed", tree->path);
        f = fopen(failed, "we");
        if (!f || fputs("2", f) == EOF || fclose(f) != 0)
                tree_fail("write", failed);
        m = new_manager(tree, event);
        tap_ok(access(failed, F_OK) == 0, "two failures before");
        do_all(event);
        tap_ok(access(failed, F_OK) < 0, "are forgotten when tced has run for ten minutes");
        (void) end_manager(m);
}

int main(void) {
        static const TreeEntry host[] = { DIRECTORY("sys"), DIRECTORY("etc"), DIRECTORY("run") };
        Tree tree = tree_new();

        TREE_ADD(&tree, host);
        test_order(&tree);
        test_unwritable(&tree);
        test_found_again(&tree);
        test_serials(&tree);
        test_proven(&tree);
        tree_remove(&tree);
        return tap_done();
}
