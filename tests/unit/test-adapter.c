/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The adapter for a stock QEMU, by the ioctls that QEMU makes, against a fake of tced (fake-tced.h) and a made-up kernel that writes down what
 * reaches it. What a real QEMU and a real kernel do with it is tested on the POWER hosts. */

#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include "adapter.h"
#include "fake-tced.h"
#include "kvm-abi.h"
#include "tap.h"
#include "util.h"

#define KVM_FD 900
#define VM_FD 901
#define VFIO_FD 902
#define TABLE_FD 903
#define OTHER_FD 904

static struct {
        char trace[512];
        int table_error, device_fd, add_error, added;
} kernel;

static void _printf_(1, 2) trace(const char *format, ...) {
        size_t n = strlen(kernel.trace);
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(kernel.trace + n, sizeof(kernel.trace) - n, format, ap);
        va_end(ap);
}

static int made_up_kernel(int fd, unsigned long request, void *argument) {
        const struct kvm_enable_capability *cap = argument;
        const struct kvm_spapr_tce_64 *table = argument;
        const struct kvm_attribute *attribute = argument;
        struct kvm_new_device *device = argument;

        switch (request) {
        case KVM_CREATE_VM:
                return VM_FD;
        case KVM_CREATE_DEVICE:
                device->fd = (uint32_t) kernel.device_fd;
                return 0;
        case KVM_CREATE_SPAPR_TCE:
        case KVM_CREATE_SPAPR_TCE_64:
                trace("table %x;", (unsigned) table->liobn);
                if (kernel.table_error) {
                        errno = kernel.table_error;
                        return -1;
                }
                return TABLE_FD;
        case KVM_SET_DEVICE_ATTR:
                if (attribute->attr == KVM_VFIO_GROUP_ADD)
                        memcpy(&kernel.added, (const void *) (uintptr_t) attribute->addr, sizeof(int32_t));
                trace(attribute->attr == KVM_VFIO_GROUP_ADD ? "add;" : attribute->attr == KVM_VFIO_GROUP_DEL ? "del;" : "link;");
                errno = kernel.add_error;
                return attribute->attr == KVM_VFIO_GROUP_ADD && kernel.add_error ? -1 : 0;
        case KVM_ENABLE_CAP:
                trace("cap %u %x;", cap->cap, (unsigned) cap->args[0]);
                return 0;
        default:
                trace("other %x;", (unsigned) request);
                return 42;
        }
}

static uint64_t now_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

/* What was said on standard error, in a file. */
typedef struct World {
        Adapter adapter;
        Fake fake;
        bool fake_runs;
        char said[2048];
} World;

static void world_begin(World *w, const FakePlan *plan, const char *name) {
        memset(&kernel, 0, sizeof(kernel));
        kernel.device_fd = VFIO_FD;
        *w = (World) {};
        if (plan && fake_start(&w->fake, plan) < 0)
                exit(EXIT_FAILURE);
        w->fake_runs = plan;
        adapter_init(&w->adapter, made_up_kernel, name, plan ? w->fake.address : "unix:path=/nonexistent/tced");
        w->adapter.log_fd = memfd_create("said", MFD_CLOEXEC);
}

static int make_vm(World *w) {
        struct kvm_new_device device = { .type = KVM_DEVICE_TYPE_VFIO };
        int r = adapter_ioctl(&w->adapter, KVM_FD, KVM_CREATE_VM, NULL);

        (void) adapter_ioctl(&w->adapter, VM_FD, KVM_CREATE_DEVICE, &device);
        return r;
}

static const char *said(World *w) {
        ssize_t n = pread(w->adapter.log_fd, w->said, sizeof(w->said) - 1, 0);

        w->said[n > 0 ? n : 0] = '\0';
        return w->said;
}

static void world_end(World *w) {
        adapter_done(&w->adapter);
        (void) close(w->adapter.log_fd);
        if (w->fake_runs)
                fake_stop(&w->fake);
}

static int make_table(World *w, uint32_t liobn, uint32_t shift, uint64_t base, uint64_t entries) {
        struct kvm_spapr_tce_64 args = { .liobn = liobn, .page_shift = shift, .offset = base >> shift, .size = entries };

        /* As QEMU has it on POWER: its ioctl numbers are ints, below zero there, and come extended by their sign. */
        return adapter_ioctl(&w->adapter, VM_FD, KVM_CREATE_SPAPR_TCE_64 | UINT64_C(0xffffffff) << 32, &args);
}

static bool is_memfd(int fd, uint64_t bytes) {
        struct stat st;

        return fd >= 0 && fd != TABLE_FD && (fcntl(fd, F_GET_SEALS) & (INT_MIN | F_SEAL_SHRINK)) == F_SEAL_SHRINK && fstat(fd, &st) == 0 && (uint64_t) st.st_size >= bytes;
}

static int group_attribute(World *w, uint64_t what, int group, int table) {
        struct kvm_vfio_link link = { group, table };
        struct kvm_attribute attribute = { .group = KVM_VFIO_ATTR_GROUP, .attr = what, .addr = (uint64_t) (uintptr_t) &link };

        return adapter_ioctl(&w->adapter, VFIO_FD, KVM_SET_DEVICE_ATTR, &attribute);
}

static void clear_trace(void) {
        kernel.trace[0] = '\0';
}

static void test_tables(void) {
        struct kvm_spapr_tce old = { .liobn = FAKE_LIOBN_USER + 1, .window_size = FAKE_PAGES << 12 };
        World w;
        int first, second;

        world_begin(&w, &(FakePlan){ .n_user = 2, .n_kernel = 1 }, "vm");
        tap_eq(make_vm(&w), VM_FD, "the VM is made by the kernel");
        tap_eq(w.fake.log->n_claimed, 1, "and claimed");
        tap_eq(make_table(&w, FAKE_LIOBN_KERNEL, 12, 0, FAKE_PAGES), TABLE_FD, "`kernel` goes through");
        first = make_table(&w, FAKE_LIOBN_USER, 12, 0, FAKE_PAGES);
        tap_ok(is_memfd(first, FAKE_PAGES * 8), "`user` gets tced's memfd");
        tap_eq(w.fake.log->n_windows_opened, 0, "the one that came with the plan");
        second = adapter_ioctl(&w.adapter, VM_FD, KVM_CREATE_SPAPR_TCE, &old);
        tap_ok(is_memfd(second, FAKE_PAGES * 8), "by the older ioctl too");
        tap_streq(kernel.trace, "table 80000000;", "the kernel saw one table alone");
        (void) close(first);
        (void) close(second);
        first = make_table(&w, FAKE_LIOBN_USER, 12, 0, FAKE_PAGES);
        tap_ok(is_memfd(first, FAKE_PAGES * 8) && w.fake.log->n_windows_opened == 1, "after a reset: a fresh one");
        (void) close(first);
        first = make_table(&w, 0x80000001, 16, UINT64_C(1) << 59, FAKE_PAGES);
        tap_ok(is_memfd(first, FAKE_PAGES * 8) && w.fake.log->n_windows_opened == 2, "a window that the guest asks for");
        (void) close(first);
        for (unsigned i = 0; i < 200 && w.fake.log->n_made == 0; i++)
                (void) usleep(10000);
        tap_ok(w.fake.log->n_made == 1, "tced was told of the table in the kernel");
        tap_streq(said(&w), "", "nothing was said");
        world_end(&w);
}

static void test_others(void) {
        struct kvm_enable_capability indirect = { .cap = KVM_CAP_PPC_ENABLE_HCALL, .args = { H_PUT_TCE_INDIRECT, 1 } };
        struct kvm_enable_capability stuff = { .cap = KVM_CAP_PPC_ENABLE_HCALL, .args = { H_STUFF_TCE, 1 } };
        struct kvm_enable_capability off = { .cap = KVM_CAP_PPC_ENABLE_HCALL, .args = { H_STUFF_TCE, 0 } };
        struct kvm_enable_capability put = { .cap = KVM_CAP_PPC_ENABLE_HCALL, .args = { H_PUT_TCE, 1 } };

        for (unsigned allowed = 0; allowed < 2; allowed++) {
                unsigned same = 0;
                World w;

                world_begin(&w, &(FakePlan){ .n_kernel = 1, .multitce = allowed }, "vm");
                (void) make_vm(&w);
                errno = 0;
                tap_eq(adapter_ioctl(&w.adapter, VM_FD, KVM_ENABLE_CAP, &indirect), allowed ? 0 : -1, "multi-TCE, allowed %u", allowed);
                tap_eq(errno, allowed ? 0 : EINVAL, "with the kernel's errno of one that has it not");
                tap_eq(adapter_ioctl(&w.adapter, VM_FD, KVM_ENABLE_CAP, &stuff), allowed ? 0 : -1, "its other half, allowed %u", allowed);
                tap_eq(adapter_ioctl(&w.adapter, VM_FD, KVM_ENABLE_CAP, &off), 0, "turned off it may be");
                tap_eq(adapter_ioctl(&w.adapter, VM_FD, KVM_ENABLE_CAP, &put), 0, "another hypercall");
                tap_streq(kernel.trace, allowed ? "cap 104 13c;cap 104 138;cap 104 138;cap 104 20;" : "cap 104 138;cap 104 20;", "what reached the kernel");
                clear_trace();
                tap_eq(adapter_ioctl(&w.adapter, KVM_FD, KVM_CHECK_EXTENSION, (void *) KVM_CAP_SPAPR_TCE_VFIO), 42,
                       "KVM_CHECK_EXTENSION is the kernel's");
                for (uintptr_t i = 0; i < 300; i++)
                        same += adapter_ioctl(&w.adapter, VM_FD, KVM_CHECK_EXTENSION, (void *) i) == 42;
                tap_eq(same, 300, "of a VM too, whatever is asked for");
                tap_eq(adapter_ioctl(&w.adapter, 77, KVM_RUN, NULL), 42, "and so is all else");
                world_end(&w);
        }
}

/* A process may have another VM, and other devices: what is not this VM's is none of its business. */
static void test_not_ours(void) {
        struct kvm_enable_capability indirect = { .cap = KVM_CAP_PPC_ENABLE_HCALL, .args = { H_PUT_TCE_INDIRECT, 1 } };
        struct kvm_enable_capability alike = { .cap = KVM_CAP_SPAPR_MULTITCE, .args = { H_PUT_TCE_INDIRECT, 1 } };
        struct kvm_spapr_tce_64 new = { .liobn = FAKE_LIOBN_USER, .page_shift = 12, .size = FAKE_PAGES };
        struct kvm_spapr_tce old = { .liobn = FAKE_LIOBN_USER, .window_size = FAKE_PAGES << 12 };
        struct kvm_new_device devices[] = {
                { .type = KVM_DEVICE_TYPE_VFIO }, { .type = KVM_DEVICE_TYPE_VFIO, .flags = 1 }, { .type = KVM_DEVICE_TYPE_VFIO + 1 },
        };
        int32_t group = 0;
        struct kvm_attribute attribute = {
                .group = KVM_VFIO_ATTR_GROUP, .attr = KVM_VFIO_GROUP_ADD, .addr = (uint64_t) (uintptr_t) &group,
        };
        World w;

        world_begin(&w, &(FakePlan){ .n_user = 1 }, "vm");
        (void) make_vm(&w);
        tap_eq(adapter_ioctl(&w.adapter, OTHER_FD, KVM_CREATE_SPAPR_TCE_64, &new), TABLE_FD, "a table of another VM's");
        tap_eq(adapter_ioctl(&w.adapter, OTHER_FD, KVM_CREATE_SPAPR_TCE, &old), TABLE_FD, "by the older ioctl too");
        tap_eq(adapter_ioctl(&w.adapter, OTHER_FD, KVM_ENABLE_CAP, &indirect), 0, "multi-TCE of another VM's");
        tap_eq(adapter_ioctl(&w.adapter, VM_FD, KVM_ENABLE_CAP, &alike), 0, "another capability with the same arguments");
        (void) adapter_ioctl(&w.adapter, OTHER_FD, KVM_SET_DEVICE_ATTR, &attribute);
        attribute.group++;
        (void) adapter_ioctl(&w.adapter, VFIO_FD, KVM_SET_DEVICE_ATTR, &attribute);
        tap_streq(kernel.trace, "table 71000000;table 71000000;cap 104 13c;cap 94 13c;add;add;",
                  "all reached the kernel, with attributes of another device and of another kind");
        clear_trace();
        kernel.device_fd = OTHER_FD;
        for (size_t i = 0; i < ELEMENTSOF(devices); i++)
                (void) adapter_ioctl(&w.adapter, i == 0 ? OTHER_FD : VM_FD, KVM_CREATE_DEVICE, &devices[i]);
        attribute.group--;
        (void) adapter_ioctl(&w.adapter, VFIO_FD, KVM_SET_DEVICE_ATTR, &attribute);
        tap_streq(kernel.trace, "", "the VM's VFIO device is none of another VM's, none that is only tried, none of another type");
        new.flags = 1;
        tap_eq(adapter_ioctl(&w.adapter, VM_FD, KVM_CREATE_SPAPR_TCE_64, &new), TABLE_FD, "a table with flags that nobody knows is the kernel's");
        world_end(&w);
}

static void test_vfio(void) {
        int group = open("/dev/null", O_RDWR | O_CLOEXEC), other = open("/dev/null", O_RDWR | O_CLOEXEC), table;
        World w;

        world_begin(&w, &(FakePlan){ .n_user = 1, .n_vfio = 1 }, "vm");
        (void) make_vm(&w);
        table = make_table(&w, FAKE_LIOBN_USER, 12, 0, FAKE_PAGES);
        tap_eq(group_attribute(&w, KVM_VFIO_GROUP_ADD, group, -1), 0, "a group is added");
        tap_eq(group_attribute(&w, KVM_VFIO_GROUP_SET_SPAPR_TCE, group, table), 0, "and linked to a memfd");
        tap_eq(group_attribute(&w, KVM_VFIO_GROUP_DEL, group, -1), 0, "and taken away");
        tap_streq(kernel.trace, "", "the kernel saw nothing of it");
        (void) group_attribute(&w, KVM_VFIO_GROUP_ADD, other, -1);
        tap_streq(kernel.trace, "", "a group is not added before it is linked");
        tap_eq(group_attribute(&w, KVM_VFIO_GROUP_SET_SPAPR_TCE, other, KVM_FD), 0, "linked to a table of the kernel's");
        tap_streq(kernel.trace, "add;link;", "it is added and linked");
        tap_eq(kernel.added, other, "as the group that it is");
        (void) group_attribute(&w, KVM_VFIO_GROUP_SET_SPAPR_TCE, other, KVM_FD);
        (void) group_attribute(&w, KVM_VFIO_GROUP_DEL, other, -1);
        tap_streq(kernel.trace, "add;link;link;del;", "once, and it is taken away there");
        clear_trace();
        (void) group_attribute(&w, KVM_VFIO_GROUP_ADD, other, -1);
        tap_eq(group_attribute(&w, KVM_VFIO_GROUP_ADD, other, -1), 0, "one whose number another had, which was closed unsaid");
        tap_eq(group_attribute(&w, KVM_VFIO_GROUP_SET_SPAPR_TCE, other, KVM_FD), 0, "linked");
        tap_streq(kernel.trace, "add;link;", "it is added once");
        clear_trace();
        (void) group_attribute(&w, KVM_VFIO_GROUP_ADD, 12345, -1);
        tap_streq(kernel.trace, "add;", "an fd that is none is the kernel's to refuse");
        clear_trace();
        (void) group_attribute(&w, KVM_VFIO_GROUP_ADD, group, -1);
        kernel.add_error = EPERM;
        tap_ok(group_attribute(&w, KVM_VFIO_GROUP_SET_SPAPR_TCE, group, KVM_FD) == -1 && errno == EPERM,
               "one that the kernel does not add when it is linked is refused then");
        tap_streq(kernel.trace, "add;", "and not linked");
        kernel.add_error = 0;
        clear_trace();
        (void) group_attribute(&w, KVM_VFIO_GROUP_DEL, group, -1);
        (void) group_attribute(&w, KVM_VFIO_GROUP_ADD, group, -1);
        tap_streq(kernel.trace, "", "it waits again when it was taken away and added");
        (void) close(table);
        world_end(&w);
        (void) close(group);
        (void) close(other);
}

/* More groups than are kept waiting: the others are added at once, as without an adapter. */
static void test_many_groups(void) {
        int groups[ADAPTER_GROUPS_MAX + 1];
        World w;

        world_begin(&w, &(FakePlan){ .n_vfio = 1 }, "vm");
        (void) make_vm(&w);
        for (size_t i = 0; i < ELEMENTSOF(groups); i++) {
                groups[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
                (void) group_attribute(&w, KVM_VFIO_GROUP_ADD, groups[i], -1);
        }
        tap_streq(kernel.trace, "add;", "of %u groups one does not wait", (unsigned) ELEMENTSOF(groups));
        for (size_t i = 0; i < ELEMENTSOF(groups); i++)
                (void) close(groups[i]);
        world_end(&w);
}

static void test_refused(void) {
        static const struct {
                const char *name, *says;
                int error, want;
                bool demanded;
        } cases[] = {
                { "no locked memory", "kernel refused its table: Cannot allocate memory (mostly RLIMIT_MEMLOCK", ENOMEM, 0, false },
                { "that LIOBN is there", "", EBUSY, EBUSY, false },
                { "another's VM", "", EIO, EIO, false },
                { "arguments that can't be read", "", EFAULT, EFAULT, false },
                { "a rule demands the kernel", "", ENOMEM, ENOMEM, true },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                World w;
                int fd;

                world_begin(&w, &(FakePlan){ .n_kernel = 1, .must_be_kernel = cases[i].demanded }, "vm");
                (void) make_vm(&w);
                kernel.table_error = cases[i].error;
                errno = 0;
                fd = make_table(&w, FAKE_LIOBN_KERNEL, 12, 0, FAKE_PAGES);
                if (cases[i].want)
                        tap_ok(fd == -1 && errno == cases[i].want, "%s: QEMU gets the errno %d", cases[i].name, errno);
                else
                        tap_ok(is_memfd(fd, FAKE_PAGES * 8) && w.fake.log->last_error == cases[i].error,
                               "%s: a memfd in its place, and tced knows why", cases[i].name);
                tap_ok(strstr(said(&w), cases[i].says), "%s: said: %s", cases[i].name, w.said);
                if (fd >= 0)
                        (void) close(fd);
                kernel.table_error = 0;
                (void) close(make_table(&w, 0x80000001, 16, UINT64_C(1) << 59, FAKE_PAGES));
                tap_eq(w.fake.log->n_made, 0, "%s: that it was made was not said", cases[i].name);
                world_end(&w);
        }
}

/* What the kernel refuses while tced is away, or what tced will not have elsewhere. */
static void test_refused_alone(void) {
        static const char said_so[] = "kernel refused its table: Cannot allocate memory";

        for (unsigned demanded = 0; demanded < 2; demanded++) {
                World w;
                int fd;

                world_begin(&w, &(FakePlan){ .n_kernel = 1, .must_be_kernel = demanded }, "vm");
                (void) make_vm(&w);
                kernel.table_error = ENOMEM;
                /* A window that is not in the plan: tced says `kernel`, and is asked again. */
                fd = make_table(&w, FAKE_LIOBN_KERNEL, 16, UINT64_C(1) << 59, FAKE_PAGES);
                tap_ok(demanded ? fd == -1 && errno == ENOMEM : is_memfd(fd, FAKE_PAGES * 8), "refused: by tced as well, %u", demanded);
                tap_ok(strstr(said(&w), said_so), "said: %s", w.said);
                (void) fd_close(fd);
                fake_stop(&w.fake);
                w.fake_runs = false;
                fd = make_table(&w, FAKE_LIOBN_KERNEL, 12, 0, FAKE_PAGES);
                tap_ok(demanded ? fd == -1 && errno == ENOMEM : is_memfd(fd, FAKE_PAGES * 8), "without tced: a rule demands the kernel, %u",
                       demanded);
                (void) fd_close(fd);
                world_end(&w);
        }
}

/* tced is away, mute or odd: from the start, or later. */
static void test_away(void) {
        static const struct {
                const char *name;
                FakePlan plan;
                bool away;
                uint64_t limit;
        } cases[] = {
                { "there is no tced", {}, true, 400000 },
                { "it never says a word", { .fault = FAKE_MUTE }, false, 900000 },
                { "it does not answer", { .fault = FAKE_NO_REPLY, .n_user = 1 }, false, 900000 },
                { "it goes in the middle", { .fault = FAKE_HANG_UP, .n_user = 1 }, false, 900000 },
                { "it says something odd", { .fault = FAKE_ODD_PLAN, .n_user = 1 }, false, 900000 },
                { "the machine is another's", { .fault = FAKE_NO_CLAIM, .n_user = 1 }, false, 900000 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint64_t start = now_usec(), passed;
                World w;

                world_begin(&w, cases[i].away ? NULL : &cases[i].plan, "vm");
                tap_eq(make_vm(&w), VM_FD, "%s: the VM starts", cases[i].name);
                passed = now_usec() - start;
                tap_ok(passed < cases[i].limit, "%s: in time (%u ms)", cases[i].name, (unsigned) (passed / 1000));
                tap_eq(make_table(&w, FAKE_LIOBN_USER, 12, 0, FAKE_PAGES), TABLE_FD, "%s: its tables are the kernel's", cases[i].name);
                (void) group_attribute(&w, KVM_VFIO_GROUP_ADD, 0, -1);
                tap_streq(kernel.trace, "table 71000000;add;", "%s: everything goes through", cases[i].name);
                tap_ok(strstr(said(&w), "tced: machine vm: ") && strchr(w.said, '\n') == w.said + strlen(w.said) - 1,
                       "%s: one line says so: %s", cases[i].name, w.said);
                world_end(&w);
        }
}

static void test_lost(void) {
        uint64_t start;
        World w;
        int fd;

        world_begin(&w, &(FakePlan){ .n_user = 1, .n_kernel = 1 }, "vm");
        (void) make_vm(&w);
        (void) close(make_table(&w, FAKE_LIOBN_USER, 12, 0, FAKE_PAGES));
        (void) close(make_table(&w, 0x80000a05, 12, 0, FAKE_PAGES));
        (void) adapter_ioctl(&w.adapter, 77, KVM_RUN, NULL);
        clear_trace();
        fake_stop(&w.fake);
        w.fake_runs = false;
        fd = make_table(&w, FAKE_LIOBN_USER, 12, 0, FAKE_PAGES);
        tap_ok(is_memfd(fd, FAKE_PAGES * 8), "tced is gone: a `user` table is made by the plan");
        (void) close(fd);
        fd = make_table(&w, 0x80000001, 16, UINT64_C(1) << 59, 2 * FAKE_PAGES);
        tap_ok(is_memfd(fd, FAKE_PAGES * 16), "one that the guest may ask for as well");
        (void) close(fd);
        tap_eq(make_table(&w, FAKE_LIOBN_KERNEL, 12, 0, FAKE_PAGES), TABLE_FD, "one for the kernel goes through");
        tap_eq(make_table(&w, 0x80000002, 16, UINT64_C(1) << 59, FAKE_PAGES), TABLE_FD, "and another of a PHB that has its in the kernel");
        tap_eq(make_table(&w, 0x80000900, 12, 0, FAKE_PAGES), TABLE_FD, "and one that nobody knows");
        fd = make_table(&w, 0x80000a05, 12, 0, FAKE_PAGES);
        tap_ok(is_memfd(fd, FAKE_PAGES * 8), "one of which tced said where it goes goes there again");
        (void) close(fd);
        fd = make_table(&w, 0x80000a06, 12, 0, FAKE_PAGES);
        tap_ok(is_memfd(fd, FAKE_PAGES * 8), "as does another of its PHB");
        (void) close(fd);
        tap_ok(strstr(said(&w), "as planned") && strchr(w.said, '\n') == w.said + strlen(w.said) - 1, "one line says so: %s", w.said);
        world_end(&w);

        world_begin(&w, &(FakePlan){ .n_user = 1 }, "vm");
        (void) make_vm(&w);
        (void) adapter_ioctl(&w.adapter, 77, KVM_RUN, NULL);
        (void) close(make_table(&w, FAKE_LIOBN_USER, 12, 0, FAKE_PAGES));
        (void) kill(w.fake.pid, SIGSTOP);
        start = now_usec();
        fd = make_table(&w, FAKE_LIOBN_USER, 12, 0, FAKE_PAGES);
        tap_ok(is_memfd(fd, FAKE_PAGES * 8), "tced hangs: the same");
        tap_ok(now_usec() - start < 250000, "and the vCPU waits %u ms", (unsigned) ((now_usec() - start) / 1000));
        (void) close(fd);
        (void) kill(w.fake.pid, SIGCONT);
        for (unsigned i = 0, before = w.fake.log->n_windows_opened; i < 50; i++) {
                (void) close(make_table(&w, FAKE_LIOBN_USER, 12, 0, FAKE_PAGES));
                if (w.fake.log->n_windows_opened > before + 1)
                        break;
                (void) usleep(20000);
        }
        tap_ok(w.fake.log->n_windows_opened > 1, "it is found again once it answers");
        (void) kill(w.fake.pid, SIGSTOP);
        (void) close(make_table(&w, FAKE_LIOBN_USER, 12, 0, FAKE_PAGES));
        (void) close(make_table(&w, FAKE_LIOBN_USER, 12, 0, FAKE_PAGES));
        (void) kill(w.fake.pid, SIGCONT);
        tap_ok(strchr(said(&w), '\n') < strrchr(w.said, '\n'), "and is lost once more, of which another line says so");
        world_end(&w);
}

/* At the VM's start tced may take its time: up to half a second. */
static void test_slow_start(void) {
        unsigned before, opened = 0;
        World w;

        world_begin(&w, &(FakePlan){ .n_user = 1 }, "vm");
        (void) make_vm(&w);
        before = w.fake.log->n_acquire;
        (void) adapter_ioctl(&w.adapter, KVM_FD, KVM_CREATE_VM, NULL);
        tap_ok(before == 1 && w.fake.log->n_acquire == before, "another VM of the process asks for no other plan");
        (void) close(make_table(&w, FAKE_LIOBN_USER, 12, 0, FAKE_PAGES));
        /* Now and then the host is slow, too. */
        for (unsigned i = 0; i < 5 && (i == 0 || *said(&w)); i++) {
                pid_t pid;

                (void) !ftruncate(w.adapter.log_fd, 0);
                (void) lseek(w.adapter.log_fd, 0, SEEK_SET);
                w.adapter.told_away = false;
                opened = w.fake.log->n_windows_opened;
                (void) kill(w.fake.pid, SIGSTOP);
                pid = fork();
                if (pid == 0) {
                        (void) usleep(120 * 1000);
                        (void) kill(w.fake.pid, SIGCONT);
                        _exit(0);
                }
                (void) close(make_table(&w, FAKE_LIOBN_USER, 12, 0, FAKE_PAGES));
                (void) waitpid(pid, NULL, 0);
        }
        tap_streq(said(&w), "", "before the VM runs tced may take a tenth of a second");
        tap_eq(w.fake.log->n_windows_opened, opened + 1, "its answer is waited for");
        world_end(&w);
}

static void test_nobody(void) {
        World w;

        world_begin(&w, &(FakePlan){ .n_user = 1 }, NULL);
        tap_eq(make_vm(&w), VM_FD, "a QEMU that is nobody's machine");
        tap_eq(make_table(&w, FAKE_LIOBN_USER, 12, 0, FAKE_PAGES), TABLE_FD, "has its tables in the kernel");
        tap_ok(w.fake.log->n_claimed == 0 && *said(&w) == '\0', "and nothing is asked or said");
        world_end(&w);
}

int main(void) {
        test_tables();
        test_others();
        test_not_ours();
        test_vfio();
        test_many_groups();
        test_refused();
        test_refused_alone();
        test_away();
        test_lost();
        test_slow_start();
        test_nobody();
        return tap_done();
}
