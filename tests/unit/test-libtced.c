/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libtced against a fake of the daemon (fake-tced.h) and a fake of the kernel (an ioctl of its own): the way from connecting to
 * tables in place, every fault that a daemon or a kernel may have, and that nothing is leaked by any of it. */

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "event-loop.h"
#include "fake-tced.h"
#include "internal.h"
#include "kvm-abi.h"
#include "tap.h"

#define PATIENCE (slack() * UINT64_C(10000000)) /* for what has to work, also where the machine is busy */
#define DEADLINE UINT64_C(200000)   /* for what has to time out */
#define VM_FD 1000                  /* the fake kernel's VM */

/* ---- A fake of the kernel ---- */

static struct {
        int create_error, set_error, window_error, hcall_error;
        unsigned levels_needed;
        uint64_t window_start;
        uint32_t info_flags;
        bool added;
        char trace[512]; /* what it was asked for */
} kernel;

static void trace(const char *format, ...) _printf_(1, 2);
static void trace(const char *format, ...) {
        size_t length = strlen(kernel.trace);
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(kernel.trace + length, sizeof(kernel.trace) - length, format, ap);
        va_end(ap);
}

static int fake_create(const struct kvm_spapr_tce_64 *args) {
        _cleanup_fd_ int fd = -EBADF;

        trace("create %llx %u %llx %llu;", (unsigned long long) args->liobn, args->page_shift,
              (unsigned long long) args->offset, (unsigned long long) args->size);
        if (kernel.create_error)
                return kernel.create_error;
        fd = memfd_create("fake-kvm", MFD_CLOEXEC);
        return fd < 0 || ftruncate(fd, 65536) < 0 ? -errno : TAKE_FD(fd);
}

static int fake_window(struct vfio_spapr_create *args) {
        trace("window %u %llx %u;", args->page_shift, (unsigned long long) args->window_size, args->levels);
        if (kernel.window_error)
                return kernel.window_error;
        if (args->levels < kernel.levels_needed)
                return -EINVAL;
        args->start_addr = kernel.window_start;
        return 0;
}

static int fake_attribute(const struct kvm_attribute *args) {
        if (args->attr == KVM_VFIO_GROUP_ADD) {
                int r = kernel.added ? -EEXIST : 0;

                trace("add;");
                kernel.added = true;
                return r;
        }
        if (args->attr == KVM_VFIO_GROUP_DEL) {
                trace("del;");
                kernel.added = false;
                return 0;
        }
        trace("set;");
        return kernel.set_error;
}

static int fake_info(struct vfio_spapr_info *info) {
        info->flags = kernel.info_flags;
        info->dma32_window_size = 1 << 30;
        info->pgsizes = 0x1211000; /* 4 KiB, 64 KiB, 2 MiB, 16 MiB */
        info->levels = 3;
        return 0;
}

static int fake_ioctl(int fd, unsigned long request, void *argument) {
        const struct kvm_enable_capability *cap = argument;
        const struct vfio_spapr_remove *window = argument;

        switch (request) {
        case KVM_CREATE_SPAPR_TCE_64:
                return fd == VM_FD ? fake_create(argument) : -EBADF;
        case KVM_ENABLE_CAP:
                trace("hcall %llx %llu;", (unsigned long long) cap->args[0], (unsigned long long) cap->args[1]);
                return cap->args[0] == H_STUFF_TCE ? kernel.hcall_error : 0;
        case VFIO_IOMMU_SPAPR_TCE_GET_INFO:
                return fake_info(argument);
        case VFIO_IOMMU_SPAPR_TCE_REMOVE:
                trace("remove %llx;", (unsigned long long) window->start_addr);
                return 0;
        case VFIO_IOMMU_SPAPR_TCE_CREATE:
                return fake_window(argument);
        case KVM_SET_DEVICE_ATTR:
                return fake_attribute(argument);
        default:
                return -ENOTTY;
        }
}

/* ---- What every case needs ---- */

typedef struct Case {
        Fake fake;
        struct tced *tced;
        struct tced_machine *machine;
        unsigned fds_before;
} Case;

/* A fake with that plan, a connection to it, the machine found. The kernel is good until told otherwise. */
static void case_begin(Case *c, const FakePlan *plan, uint64_t timeout) {
        int r;

        memset(&kernel, 0, sizeof(kernel));
        kernel.info_flags = VFIO_SPAPR_INFO_DDW;
        kernel.window_start = UINT64_C(1) << 59;
        *c = (Case) { .fds_before = count_fds() };
        r = fake_start(&c->fake, plan);
        if (r >= 0)
                r = tced_connect(c->fake.address, PATIENCE, &c->tced);
        if (r >= 0) {
                c->tced->ioctl = fake_ioctl;
                r = tced_find(c->tced, "vm", &c->machine);
                c->tced->timeout_usec = timeout;
        }
        if (r < 0) {
                tap_ok(false, "a connection to the fake: %s", strerrordesc_np(-r));
                exit(tap_done());
        }
}

static void case_end(Case *c, const char *name) {
        (void) tced_machine_unref(c->machine);
        (void) tced_unref(c->tced);
        fake_stop(&c->fake);
        tap_eq(count_fds(), c->fds_before, "%s: no fd is left", name);
}

/* ---- Cases ---- */

static void test_connect(void) {
        char path[200] = "unix:path=/";
        struct tced *t = NULL;

        memset(path + strlen(path), 'x', sizeof(path) - strlen(path) - 1);
        tap_eq(tced_connect("unix:path=/nonexistent/socket", 0, &t), -ENOENT, "no such socket");
        tap_eq(tced_connect(path, 0, &t), -EINVAL, "a path that is too long for a socket");
        tap_eq(tced_connect("unix:path=", 0, &t), -EINVAL, "no path");
        tap_eq(tced_connect("nonsense", 0, &t), -EINVAL, "an address that is none");
        tap_eq(tced_connect("unix:path=/x", 0, NULL), -EINVAL, "nowhere to put the connection");
        tap_ok(!t, "the output was left alone");
        tap_ok(!tced_unref(NULL) && !tced_machine_unref(NULL), "the destructors take NULL");
}

static void test_machine(void) {
        const struct tced_window windows[] = {
                { .kind = "vio", .device = "vlan", .liobn = FAKE_LIOBN_USER, .page_shift = 12, .size = 1 << 20, .group = -1 },
                { .kind = "pci", .device = "phb0", .liobn = FAKE_LIOBN_KERNEL, .page_shift = 12, .size = 1 << 30, .group = -1 },
        };
        struct tced_machine *m = NULL, *other = NULL;
        Case c;

        case_begin(&c, &(FakePlan){}, PATIENCE);
        tap_streq(tced_last_error(c.tced), "", "no error yet");
        tap_eq(tced_register(c.tced, "web", NULL, windows, 2, 107, &m), 0, "a machine is registered");
        tap_streq(m ? tced_machine_uuid(m) : NULL, FAKE_UUID, "it has the UUID that tced gave it");
        tap_ok(streq(c.fake.log->name, "web") && c.fake.log->n_windows == 2 && streq(c.fake.log->kind, "pci") &&
                       c.fake.log->owner == 107,
               "tced was told name, windows and owner");
        tap_eq(tced_register(c.tced, "taken", NULL, windows, 2, TCED_OWNER_CALLER, &other), -EEXIST, "a name that is taken");
        tap_streq(tced_last_error(c.tced), "RegisterMachine: machine taken: it is registered already; choose another name",
                  "the error says what and what to do");
        tap_eq(tced_register(c.tced, NULL, NULL, windows, 2, TCED_OWNER_CALLER, &other), -EINVAL, "no name");
        tap_eq(tced_register(c.tced, "x", NULL, &(struct tced_window){}, 1, TCED_OWNER_CALLER, &other), -EINVAL,
               "a window without kind");
        tap_eq(tced_find(c.tced, "nobody", &other), -ESRCH, "a machine that isn't there");
        tap_ok(!other, "outputs are left alone");
        tap_eq(tced_claim(m), 0, "claimed");
        tap_eq(tced_unregister(m), 0, "unregistered");
        tap_ok(c.fake.log->n_claimed == 1 && c.fake.log->n_unregistered == 1, "tced was told both");
        tap_eq(c.fake.log->n_pidfds, 1, "and sent a pidfd, of which an older one knows nothing");
        tced_machine_ref(m);
        m = tced_machine_unref(tced_machine_unref(m) ? NULL : m);
        tap_eq(tced_get_events(c.tced) & POLLIN, POLLIN, "the loop waits for input");
        tap_ok(tced_get_fd(c.tced) >= 0 && fcntl(tced_get_fd(c.tced), F_GETFD) == FD_CLOEXEC, "its fd is close-on-exec");
        uint64_t when = 0;
        tap_ok(tced_get_timeout(c.tced, &when) >= 0 && when == UINT64_MAX, "no time to be called at");
        tap_eq(tced_process(c.tced), 0, "nothing to process");
        case_end(&c, "machine");
}

/* Every table is there once, in order, mapped and zero. */
static bool tables_good(const struct tced_machine *m, unsigned n) {
        bool good = tced_machine_n_tables(m) == n && !tced_machine_table(m, n);

        for (size_t i = 0; good && i < n; i++) {
                struct tced_table *table = tced_machine_table(m, i);
                uint64_t *map = tced_table_map(table);

                good = tced_table_entries(table) == FAKE_PAGES && tced_table_bytes(table) == FAKE_PAGES * 8 && map[0] == 0 &&
                       map[FAKE_PAGES - 1] == 0 && fcntl(tced_table_fd(table), F_GETFD) == FD_CLOEXEC &&
                       tced_machine_find_table(m, tced_table_liobn(table)) == table;
                if (i > 0)
                        good = good && tced_table_liobn(tced_machine_table(m, i - 1)) < tced_table_liobn(table);
                map[FAKE_PAGES - 1] = 1;
        }
        return good;
}

static void test_acquire(void) {
        const FakePlan plan = { .n_user = 40, .n_kernel = 3 };
        struct tced_table *table;
        Case c;

        case_begin(&c, &plan, PATIENCE);
        tap_eq(tced_acquire(c.machine, VM_FD), 0, "40 `user` tables and 3 in the kernel are acquired");
        tap_ok(tables_good(c.machine, 43), "each is mapped once, in the order of LIOBNs");
        tap_eq(c.fake.log->n_acquire, 3, "in three replies, 16 fds in each at most");
        tap_eq(c.fake.log->n_made, 3, "the kernel's were reported");
        tap_streq(kernel.trace, "create 80000000 12 0 512;create 80000100 12 0 512;create 80000200 12 0 512;",
                  "the kernel was asked for what was planned");
        tap_eq(tced_acquire(c.machine, VM_FD), 0, "again: nothing is left to do");
        tap_eq(tced_machine_n_tables(c.machine), 43, "again: nothing came twice");
        table = tced_machine_find_table(c.machine, FAKE_LIOBN_USER);
        tap_ok(table && streq(tced_table_placement(table), "user") && streq(tced_table_reason(table), "rule-user") &&
                       tced_table_page_shift(table) == 12 && tced_table_bus_offset(table) == 0 &&
                       tced_table_group(table) == -1 && tced_table_refusal(table) == 0,
               "a table says where it is and why");
        tap_ok(!tced_machine_find_table(c.machine, 1) && !tced_machine_find_table(c.machine, UINT64_MAX), "no such LIOBN");
        tap_ok(!tced_machine_multitce_allowed(c.machine), "multi-TCE isn't allowed");
        case_end(&c, "acquire");
}

static void test_faults(void) {
        static const struct {
                const char *name;
                FakeFault fault;
                int want;
        } cases[] = {
                { "no answer", FAKE_NO_REPLY, -ETIMEDOUT },
                { "hung up in the middle, each time", FAKE_HANG_UP, -ETIMEDOUT },
                { "an answer of another signature", FAKE_WRONG_SIGNATURE, -EBADMSG },
                { "a memfd that is short by a byte", FAKE_SHORT_MEMFD, -EBADMSG },
                { "a memfd that isn't sealed", FAKE_UNSEALED_MEMFD, -EBADMSG },
                { "an fd that isn't a memfd", FAKE_NOT_A_MEMFD, -EBADMSG },
                { "a table without its fd", FAKE_NO_FD, -EBADMSG },
                { "a placement that isn't known", FAKE_ODD_PLACEMENT, -EBADMSG },
                { "a plan that contradicts itself", FAKE_ODD_PLAN, -EBADMSG },
                { "tables that never come", FAKE_ENDLESS, -EBADMSG },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const FakePlan plan = { .fault = cases[i].fault, .n_user = 2 };
                uint64_t start;
                Case c;
                int r;

                case_begin(&c, &plan, cases[i].fault == FAKE_NO_REPLY || cases[i].fault == FAKE_HANG_UP ? DEADLINE : PATIENCE);
                start = monotonic_usec();
                r = tced_acquire(c.machine, VM_FD);
                tap_eq(r, cases[i].want, "%s: its errno", cases[i].name);
                tap_ok(*tced_last_error(c.tced) && tced_machine_n_tables(c.machine) == 0 && monotonic_usec() - start < PATIENCE,
                       "%s: a text, no table, in time", cases[i].name);
                case_end(&c, cases[i].name);
        }
}

static void test_mute(void) {
        const FakePlan plan = { .fault = FAKE_MUTE };
        unsigned fds = count_fds();
        struct tced *t = NULL;
        uint64_t start;
        Fake fake;

        tap_ok(fake_start(&fake, &plan) >= 0, "a server that accepts and never says a word");
        start = monotonic_usec();
        tap_eq(tced_connect(fake.address, DEADLINE, &t), -ETIMEDOUT, "mute: the connection times out");
        tap_ok(monotonic_usec() - start >= DEADLINE && monotonic_usec() - start < PATIENCE && !t, "mute: after its time limit");
        fake_stop(&fake);
        tap_eq(count_fds(), fds, "mute: no fd is left");
}

/* A listener whose queue is full makes connect(2) wait. */
static void test_full_queue(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        char dir[] = "/tmp/tced-test-XXXXXX", text[64];
        unsigned fds = count_fds(), timed_out = 0;
        struct tced *t = NULL;
        int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (!mkdtemp(dir))
                return (void) tap_ok(false, "a folder");
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", dir);
        (void) snprintf(text, sizeof(text), "unix:path=%s/s", dir);
        tap_ok(bind(listener, (const struct sockaddr *) &address, sizeof(address)) == 0 && listen(listener, 0) == 0,
               "a server that never accepts");
        for (unsigned i = 0; i < 3; i++) {
                int held = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

                (void) connect(held, (const struct sockaddr *) &address, sizeof(address));
                timed_out += tced_connect(text, DEADLINE, &t) == -ETIMEDOUT;
                (void) close(held);
        }
        tap_eq(timed_out, 3, "full queue: connections time out");
        (void) close(listener);
        (void) unlink(address.sun_path);
        (void) rmdir(dir);
        tap_eq(count_fds(), fds, "full queue: no fd is left");
}

static void test_refusals(void) {
        static const struct {
                const char *name;
                int error;
                bool must_be_kernel;
                int want;
                unsigned refused; /* that tced was told */
                unsigned tables;
        } cases[] = {
                { "no locked memory, auto", -ENOMEM, false, 0, 1, 1 },
                { "no locked memory, kernel", -ENOMEM, true, -ENOMEM, 1, 0 },
                { "not a VM", -ENOTTY, false, 0, 1, 1 },
                { "the LIOBN is taken", -EBUSY, false, -EBUSY, 0, 0 },
                { "another process's VM", -EIO, false, -EIO, 0, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const FakePlan plan = { .n_kernel = 1, .must_be_kernel = cases[i].must_be_kernel };
                struct tced_table *table;
                Case c;

                case_begin(&c, &plan, PATIENCE);
                kernel.create_error = cases[i].error;
                tap_eq(tced_acquire(c.machine, VM_FD), cases[i].want, "%s: what comes back", cases[i].name);
                tap_ok(tced_machine_n_tables(c.machine) == cases[i].tables && c.fake.log->n_refused == cases[i].refused &&
                               (c.fake.log->n_refused == 0 || c.fake.log->last_error == -cases[i].error),
                       "%s: tables, and what tced was told", cases[i].name);
                table = tced_machine_table(c.machine, 0);
                if (table)
                        tap_ok(streq(tced_table_placement(table), "user") &&
                                       streq(tced_table_reason(table), "kernel-refused") &&
                                       tced_table_refusal(table) == -cases[i].error && tced_table_map(table)[0] == 0,
                               "%s: the table is in the VMM, and says why", cases[i].name);
                case_end(&c, cases[i].name);
        }
}

static void test_goes_on(void) {
        const FakePlan plan = { .n_user = 2, .n_kernel = 1 };
        Case c;

        case_begin(&c, &plan, PATIENCE);
        tap_eq(tced_acquire(c.machine, -1), -EBADF, "a kernel table without a VM");
        tap_eq(tced_machine_n_tables(c.machine), 2, "what came before it stays");
        tap_eq(tced_acquire(c.machine, VM_FD), 0, "called again it goes on");
        tap_ok(tables_good(c.machine, 3), "with all tables in place");
        case_end(&c, "goes on");
}

static void test_daemon_gone(void) {
        const FakePlan plan = { .n_user = 1 };
        uint64_t *map;
        Case c;
        int r;

        case_begin(&c, &plan, PATIENCE);
        r = tced_acquire(c.machine, -1);
        tap_eq(r, 0, "a table, without a VM");
        map = tced_table_map(tced_machine_table(c.machine, 0));
        fake_stop(&c.fake);
        tced_set_timeout(c.tced, DEADLINE);
        r = tced_claim(c.machine);
        tap_eq(r, -ETIMEDOUT, "tced is gone: %s", strerrordesc_np(-r));
        tap_ok(*tced_last_error(c.tced), "with a text");
        map[0] = 5;
        tap_eq(tced_h_put_tce(tced_machine_table(c.machine, 0), 0x1000, 0x1001, NULL), 0, "the table goes on");
        tap_eq(map[0] + map[1], 5 + 0x1001, "with what is in it");
        tced_close(c.tced);
        tap_eq(tced_unregister(c.machine), -ENOTCONN, "a closed connection");
        (void) tced_machine_unref(c.machine);
        (void) tced_unref(c.tced);
        tap_eq(count_fds(), c.fds_before, "daemon gone: no fd is left");
}

static void test_multitce(void) {
        Case c;

        case_begin(&c, &(FakePlan){ .multitce = true }, PATIENCE);
        tap_eq(tced_machine_enable_multitce(c.machine, VM_FD), -EPERM, "multi-TCE is not allowed before tced says so");
        (void) tced_acquire(c.machine, -1);
        tap_eq(tced_machine_enable_multitce(c.machine, VM_FD), 0, "multi-TCE is enabled");
        tap_streq(kernel.trace, "hcall 13c 1;hcall 138 1;", "both hypercalls");
        kernel.trace[0] = '\0';
        kernel.hcall_error = -EINVAL;
        tap_eq(tced_machine_enable_multitce(c.machine, VM_FD), -EINVAL, "one can't be enabled");
        tap_streq(kernel.trace, "hcall 13c 1;hcall 138 1;hcall 13c 0;", "then the other isn't either");
        case_end(&c, "multi-TCE");
}

/* ---- Plans and windows ---- */

static void test_fetch(void) {
        struct tced_planned *plan = NULL;
        unsigned users = 0, kernels = 0, dynamic = 0;
        size_t n = 0;
        Case c;

        case_begin(&c, &(FakePlan){ .n_user = 40, .n_kernel = 3, .n_vfio = 1, .multitce = true }, PATIENCE);
        tap_eq(tced_fetch_plan(c.machine, &plan, &n), 0, "a plan of 44 tables is fetched");
        for (size_t i = 0; i < n; i++) {
                struct stat st;

                users += streq(plan[i].placement, "user") && !plan[i].dynamic && fstat(plan[i].fd, &st) == 0 && st.st_size >= FAKE_PAGES * 8;
                kernels += plan[i].placement[0] == 'k' && plan[i].fd == -1 && !plan[i].must_be_kernel;
                dynamic += plan[i].dynamic && plan[i].liobn == 0x80000001 && plan[i].entries == 1 << 14 && plan[i].fd == -1;
        }
        tap_ok(n == 45 && users == 40 && kernels == 4, "each once, those in the VMM with their memfds: %zu, %u, %u", n, users, kernels);
        tap_eq(dynamic, 1, "and the window that the guest may ask for, but none that can't be");
        tap_eq(tced_machine_multitce_allowed(c.machine), 1, "multi-TCE is known");
        plan = tced_planned_free(plan, n);
        tap_eq(tced_fetch_plan(c.machine, &plan, &n), 0, "fetched again");
        tap_eq(n, 5, "what was handed out does not come twice");
        plan = tced_planned_free(plan, n);
        case_end(&c, "a plan");
        tap_ok(!tced_planned_free(NULL, 0), "nothing to free");
}

static void test_fetch_faults(void) {
        static const struct {
                const char *name;
                FakeFault fault;
                int want, want_window;
        } cases[] = {
                { "no reply", FAKE_NO_REPLY, -ETIMEDOUT, -ETIMEDOUT },
                { "another signature", FAKE_WRONG_SIGNATURE, -EBADMSG, -EBADMSG },
                { "a short memfd", FAKE_SHORT_MEMFD, -EBADMSG, -EBADMSG },
                { "an unsealed memfd", FAKE_UNSEALED_MEMFD, -EBADMSG, -EBADMSG },
                { "no memfd", FAKE_NOT_A_MEMFD, -EBADMSG, -EBADMSG },
                { "a table without fd", FAKE_NO_FD, -EBADMSG, -EBADMSG },
                { "an odd placement", FAKE_ODD_PLACEMENT, -EBADMSG, 0 },
                { "a plan that contradicts itself", FAKE_ODD_PLAN, -EBADMSG, 0 },
                { "tables without end", FAKE_ENDLESS, -EBADMSG, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const struct tced_planned w = { .liobn = FAKE_LIOBN_USER, .page_shift = 12, .entries = FAKE_PAGES };
                struct tced_planned *plan = NULL;
                const char *placement = NULL;
                int fd = -1;
                size_t n = 0;
                Case c;

                case_begin(&c, &(FakePlan){ .fault = cases[i].fault, .n_user = 2 }, 300000);
                tap_eq(tced_fetch_plan(c.machine, &plan, &n), cases[i].want, "plan: %s", cases[i].name);
                tap_ok(!plan && n == 0, "plan: %s: nothing comes back", cases[i].name);
                tap_eq(tced_open_window(c.machine, &w, 0, &placement, &fd), cases[i].want_window, "window: %s", cases[i].name);
                tap_ok((fd >= 0) == (cases[i].want_window == 0), "window: %s: a memfd or none", cases[i].name);
                (void) fd_close(fd);
                case_end(&c, cases[i].name);
        }
}

static void test_window(void) {
        struct tced_planned w = { .liobn = FAKE_LIOBN_USER, .page_shift = 12, .entries = FAKE_PAGES };
        const char *placement = NULL;
        int first = -1, second = -1;
        Case c;

        case_begin(&c, &(FakePlan){ .n_user = 1, .must_be_kernel = true }, PATIENCE);
        tap_eq(tced_open_window(c.machine, &w, 0, &placement, &first), 0, "a window is opened");
        tap_streq(placement, "user", "in the VMM");
        tap_eq(tced_open_window(c.machine, &w, 0, &placement, &second), 0, "and again");
        tap_ok(first >= 0 && second >= 0 && first != second, "with a memfd of its own");
        (void) fd_close(first);
        (void) fd_close(second);
        w.liobn = FAKE_LIOBN_KERNEL;
        tap_eq(tced_open_window(c.machine, &w, 0, &placement, &first), 0, "one in the kernel");
        tap_ok(streq(placement, "kernel") && first == -1, "has none");
        tap_eq(tced_open_window(c.machine, &w, ENOMEM, &placement, &first), -EOPNOTSUPP, "refused by the kernel, demanded by a rule");
        tap_eq(c.fake.log->last_error, ENOMEM, "tced was told");
        tap_eq(tced_open_window(c.machine, NULL, 0, &placement, &first), -EINVAL, "no window");
        tap_eq(tced_open_window(c.machine, &w, -1, &placement, &first), -EINVAL, "no errno");
        tap_eq(tced_report_table(c.machine, FAKE_LIOBN_KERNEL, "kernel", 0), 0, "a report is sent");
        tap_eq(tced_open_window(c.machine, &w, 0, &placement, &first), 0, "what is asked behind it is answered");
        tap_ok(c.fake.log->n_made == 1 && streq(c.fake.log->last_placement, "kernel"), "and it came");
        tap_eq(tced_report_table(c.machine, 1, NULL, 0), -EINVAL, "a report of nothing");
        case_end(&c, "windows");
}

/* ---- VFIO ---- */

static void test_link(void) {
        const FakePlan plan = { .n_vfio = 2 };
        struct tced_table *table;
        Case c;

        case_begin(&c, &plan, PATIENCE);
        tap_eq(tced_acquire(c.machine, VM_FD), 0, "tables for VFIO");
        tap_eq(c.fake.log->n_made, 0, "are not reported before they are linked");
        kernel.trace[0] = '\0';
        table = tced_machine_table(c.machine, 0);
        kernel.levels_needed = 2;
        tap_eq(tced_table_link_group(table, 50, 51, 52, 65536), 0, "a group is linked");
        tap_streq(kernel.trace, "window 16 2000000 1;window 16 2000000 2;add;set;", "the window first, levels rising");
        tap_ok(c.fake.log->n_made == 1 && streq(c.fake.log->last_placement, "kernel-vfio"), "and reported");
        tap_eq(tced_h_put_tce(table, UINT64_C(1) << 59, 0, NULL), H_HARDWARE, "a store by the VMM would miss the hardware");
        kernel.trace[0] = '\0';
        tap_eq(tced_table_link_group(table, 50, 61, 52, 65536), 0, "a second group is linked");
        tap_streq(kernel.trace, "add;set;", "to the same window");
        tap_eq(c.fake.log->n_made, 1, "reported once");
        case_end(&c, "link");
}

static void test_link_faults(void) {
        static const struct {
                const char *name, *trace;
                uint64_t start, memory_page;
                uint32_t flags;
                int window_error, set_error;
                bool must_be_kernel;
                int want;
                const char *placement;
        } cases[] = {
                { "small pages behind memory", "window 12 2000000 1;add;set;", UINT64_C(1) << 59, 4096, 1, 0, 0, false, 0,
                  "kernel-vfio" },
                { "large pages behind memory", "window 16 2000000 1;add;set;", UINT64_C(1) << 59, 1 << 24, 1, 0, 0, false, 0,
                  "kernel-vfio" },
                { "a v1 container", "", 0, 65536, 0, 0, 0, false, -EOPNOTSUPP, "kernel-vfio" },
                { "a window elsewhere", "window 16 2000000 1;remove 0;", 0, 65536, 1, 0, 0, false, -EADDRNOTAVAIL, "kernel-vfio" },
                { "no room for a window", "window 16 2000000 1;", 0, 65536, 1, -ENOSPC, 0, false, -ENOSPC, "kernel-vfio" },
                { "a window that no level makes", "window 16 2000000 1;window 16 2000000 2;window 16 2000000 3;", 0, 65536, 1,
                  -EINVAL, 0, false, -EINVAL, "kernel-vfio" },
                { "KVM refuses, auto", "window 16 2000000 1;add;set;del;", UINT64_C(1) << 59, 65536, 1, 0, -EINVAL, false, 0,
                  "user" },
                { "KVM refuses, kernel", "window 16 2000000 1;add;set;del;remove 800000000000000;", UINT64_C(1) << 59, 65536, 1,
                  0, -EINVAL, true, -EINVAL, "kernel-vfio" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const FakePlan plan = { .n_vfio = 1, .must_be_kernel = cases[i].must_be_kernel };
                struct tced_table *table;
                Case c;

                case_begin(&c, &plan, PATIENCE);
                (void) tced_acquire(c.machine, VM_FD);
                table = tced_machine_table(c.machine, 0);
                tced_table_map(table)[3] = 77;
                kernel.trace[0] = '\0';
                kernel.window_start = cases[i].start;
                kernel.info_flags = cases[i].flags;
                kernel.window_error = cases[i].window_error;
                kernel.set_error = cases[i].set_error;
                tap_eq(tced_table_link_group(table, 50, 51, 52, cases[i].memory_page), cases[i].want, "%s: what comes back",
                       cases[i].name);
                tap_streq(kernel.trace, cases[i].trace, "%s: what the kernel was asked for", cases[i].name);
                tap_streq(tced_table_placement(table), cases[i].placement, "%s: where the table is", cases[i].name);
                tap_eq(tced_table_map(table)[3], 77, "%s: what was in it", cases[i].name);
                case_end(&c, cases[i].name);
        }
}

static void test_link_others(void) {
        const FakePlan plan = { .n_user = 1, .n_kernel = 1 };
        Case c;

        case_begin(&c, &plan, PATIENCE);
        (void) tced_acquire(c.machine, VM_FD);
        kernel.trace[0] = '\0';
        kernel.window_start = 0;
        tap_eq(tced_table_link_group(tced_machine_table(c.machine, 1), 50, 51, 52, 0), -EOPNOTSUPP,
               "a table of emulated devices isn't linked");
        tap_eq(tced_table_link_group(tced_machine_table(c.machine, 0), -EBADF, 51, -1, 4096), -EBADF, "no container, no window");
        tap_eq(tced_table_link_group(tced_machine_table(c.machine, 0), 50, 51, -1, 4096), 0, "a `user` table gets its window");
        tap_streq(kernel.trace, "remove 0;window 12 200000 1;", "in the default window's place; its group stays out of KVM");
        case_end(&c, "link others");
}

static void test_group(void) {
        int container = -EBADF, group = -EBADF, number = -1;
        uint32_t type = 0;
        struct stat sent, got;
        Case c;

        case_begin(&c, &(FakePlan){}, PATIENCE);
        tap_ok(tced_group_number(c.tced, "0001:00:00.0", &number) == 0 && number == 7, "a device's group");
        tap_eq(tced_group_number(c.tced, "0009:00:00.0", &number), -ENODEV, "a device that isn't there");
        tap_eq(tced_group_open(c.tced, "0001:00:00.0", &container, &group, &type), 0, "the group's fds");
        tap_ok(container >= 0 && group >= 0 && type == 7 && fcntl(container, F_GETFD) == FD_CLOEXEC &&
                       fcntl(group, F_GETFD) == FD_CLOEXEC,
               "both are there and close-on-exec");
        (void) close(group);
        group = -1;
        tap_eq(tced_group_open_into(c.tced, "0001:00:00.0", container, &group), 0, "the group's fd, for a container");
        tap_ok(group >= 0 && group != container && fcntl(group, F_GETFD) == FD_CLOEXEC && fstat(group, &got) == 0 &&
                       fstat(container, &sent) == 0 && got.st_rdev == sent.st_rdev,
               "the container came to tced, and the fd that came back is close-on-exec");
        (void) close(group);
        (void) close(container);
        group = -7;
        tap_eq(tced_group_open_into(c.tced, "0001:00:00.0", container, &group), -EBADF, "a container that is closed");
        tap_eq(tced_group_open_into(c.tced, "0001:00:00.0", -1, &group), -EBADF, "no container");
        container = open("/dev/zero", O_RDWR | O_CLOEXEC);
        tap_eq(tced_group_open_into(c.tced, "0001:00:00.0", container, &group), -EBUSY, "one without room");
        tap_streq(tced_last_error(c.tced), "OpenInto: it has no room", "and why");
        tap_eq(tced_group_open_into(c.tced, "0009:00:00.0", container, &group), -ENODEV, "a device that isn't there");
        tap_eq(tced_group_open_into(c.tced, NULL, container, &group), -EINVAL, "no device");
        tap_eq(group, -7, "outputs are untouched on failure");
        (void) close(container);
        case_end(&c, "group");
        case_begin(&c, &(FakePlan){ .fault = FAKE_WRONG_SIGNATURE }, PATIENCE);
        tap_eq(tced_group_open_into(c.tced, "0001:00:00.0", STDIN_FILENO, &group), -EBADMSG, "an answer that is none");
        case_end(&c, "an answer that is none");
}

static void test_odd_machine(void) {
        struct tced_machine *m = NULL;
        Case c;

        case_begin(&c, &(FakePlan){ .fault = FAKE_ODD_PATH }, PATIENCE);
        tap_ok(tced_register(c.tced, "x", "", NULL, 0, TCED_OWNER_CALLER, &m) == -EBADMSG && !m,
               "a machine's path that is none");
        case_end(&c, "odd path");
        case_begin(&c, &(FakePlan){ .fault = FAKE_NO_CLAIM }, PATIENCE);
        tap_eq(tced_claim(c.machine), -EALREADY, "claimed by another");
        tap_streq(tced_last_error(c.tced), "Claim: machine vm: process 1 runs it", "and who it is");
        case_end(&c, "no claim");
}

int main(void) {
        test_connect();
        test_machine();
        test_acquire();
        test_faults();
        test_mute();
        test_full_queue();
        test_refusals();
        test_goes_on();
        test_daemon_gone();
        test_multitce();
        test_fetch();
        test_fetch_faults();
        test_window();
        test_link();
        test_link_faults();
        test_link_others();
        test_group();
        test_odd_machine();
        return tap_done();
}
