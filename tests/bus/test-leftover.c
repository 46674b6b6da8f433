/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A VM's tables that another process has mapped still when the VM is gone, and writes to: no later table is one of them, or shows a byte of
 * theirs. */

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "tap.h"
#include "tced.h"

#define PATTERN UINT64_C(0x5ec2e75ec2e75003)
#define PATIENCE (slack() * UINT64_C(60000000))
#define VMS 60

static const struct tced_window windows[] = {
        { .kind = "vio", .device = "net", .liobn = 0x71000001, .page_shift = 12, .size = 256 << 20, .group = -1 },
        { .kind = "pci", .device = "pci", .liobn = 0x80000000, .page_shift = 12, .size = 1 << 30, .group = -1 },
};
/* The 64-bit one, which it asks for while it runs. */
static const struct tced_planned wide = {
        .liobn = 0x80000001, .page_shift = 16, .bus_offset = UINT64_C(1) << 59, .entries = 1 << 16, .group = -1, .fd = -1,
};
#define TABLES (ELEMENTSOF(windows) + 1)

/* A VM with its tables; those of the machine stay its own. */
typedef struct Vm {
        struct tced *tced;
        struct tced_machine *machine;
        uint64_t *entries[TABLES];
        size_t n_entries[TABLES];
        ino_t inodes[TABLES];
} Vm;

static bool vm_start(const Host *h, const char *name, Vm *ret) {
        char address[128];
        const char *placement;
        struct stat st;
        int fd = -1, r;

        *ret = (Vm) {};
        (void) snprintf(address, sizeof(address), "unix:path=%s", h->socket);
        r = tced_connect(address, PATIENCE, &ret->tced);
        if (r >= 0)
                r = tced_register(ret->tced, name, NULL, windows, ELEMENTSOF(windows), TCED_OWNER_CALLER, &ret->machine);
        if (r >= 0)
                r = tced_claim(ret->machine);
        if (r >= 0)
                r = tced_acquire(ret->machine, -1);
        if (r >= 0)
                r = tced_open_window(ret->machine, &wide, 0, &placement, &fd);
        if (r < 0) {
                (void) fprintf(stderr, "# %s: %s: %s\n", name, strerror(-r), ret->tced ? tced_last_error(ret->tced) : "");
                return false;
        }
        for (size_t i = 0; i < ELEMENTSOF(windows); i++) {
                struct tced_table *table = tced_machine_table(ret->machine, i);

                ret->entries[i] = tced_table_map(table);
                ret->n_entries[i] = tced_table_entries(table);
                ret->inodes[i] = fstat(tced_table_fd(table), &st) < 0 ? 0 : st.st_ino;
        }
        ret->entries[TABLES - 1] = mmap(NULL, wide.entries * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        ret->n_entries[TABLES - 1] = wide.entries;
        ret->inodes[TABLES - 1] = fstat(fd, &st) < 0 ? 0 : st.st_ino;
        (void) close(fd);
        return ret->entries[TABLES - 1] != MAP_FAILED;
}

static void vm_clear(Vm *vm) {
        if (vm->entries[TABLES - 1] && vm->entries[TABLES - 1] != MAP_FAILED)
                (void) munmap(vm->entries[TABLES - 1], wide.entries * 8);
        (void) tced_machine_unref(vm->machine);
        (void) tced_unref(vm->tced);
}

/* What the heir of the VM's tables, and this test, tell each other. */
typedef struct Shared {
        pid_t heir;
        ino_t inodes[TABLES];
        unsigned rounds;
        bool lost; /* an entry was not as the heir had left it */
} Shared;

/* Has nothing but the mappings. */
static _Noreturn void inherit(const Vm *vm, Shared *shared) {
        (void) signal(SIGALRM, SIG_DFL);
        (void) alarm(100);
        (void) close_range(3, ~0U, 0);
        for (uint64_t round = 0;; round++) {
                for (size_t i = 0; i < TABLES; i++)
                        for (size_t e = 0; e < vm->n_entries[i]; e++) {
                                if (vm->entries[i][e] != (round ? PATTERN : 0))
                                        shared->lost = true;
                                vm->entries[i][e] = PATTERN;
                        }
                __atomic_store_n(&shared->rounds, (unsigned) round + 1, __ATOMIC_RELEASE);
                (void) usleep(1000);
        }
}

static unsigned rounds(const Shared *shared) {
        return __atomic_load_n(&shared->rounds, __ATOMIC_ACQUIRE);
}

/* A VM that ends, once its heir has its tables. */
static _Noreturn void first_vm(const Host *h, Shared *shared) {
        pid_t heir;
        Vm vm;

        if (!vm_start(h, "first", &vm))
                _exit(EXIT_FAILURE);
        memcpy(shared->inodes, vm.inodes, sizeof(vm.inodes));
        heir = fork();
        if (heir == 0)
                inherit(&vm, shared);
        while (heir > 0 && rounds(shared) == 0)
                (void) usleep(1000);
        shared->heir = heir;
        _exit(heir > 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

static bool is_gone(const Host *h) {
        _cleanup_bus_ sd_bus *bus = open_peer(h);
        int n = -1;

        for (unsigned i = 0; i < 1000 && n != 0; i++) {
                n = count_machines(bus);
                (void) usleep(10000);
        }
        return n == 0;
}

static void test_later(const Host *h, const Shared *shared) {
        Vm vms[VMS] = {};
        unsigned started = 0, same = 0, bytes = 0, before = rounds(shared);

        for (size_t n = 0; n < VMS; n++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "later%zu", n);
                started += vm_start(h, name, &vms[n]);
                /* A process runs one VM at a time; its tables stay its own. */
                (void) tced_unregister(vms[n].machine);
        }
        if (!tap_eq(started, VMS, "%u VMs after it", VMS))
                return;
        for (size_t n = 0; n < VMS; n++)
                for (size_t i = 0; i < TABLES; i++) {
                        for (size_t j = 0; j < TABLES; j++)
                                same += vms[n].inodes[i] == 0 || vms[n].inodes[i] == shared->inodes[j];
                        for (size_t e = 0; e < vms[n].n_entries[i]; e++)
                                bytes += vms[n].entries[i][e] != 0;
                }
        tap_eq(same, 0, "none has one of its tables");
        tap_eq(bytes, 0, "none shows a byte of them");
        tap_ok(rounds(shared) > before, "which were written to all the time");
        for (size_t n = 0; n < VMS; n++)
                vm_clear(&vms[n]);
}

int main(void) {
        Shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        pid_t pid;
        Host h;

        host_init(&h, 100);
        if (!host_start_bus(&h)) {
                tap_skip("there is no dbus-daemon", "tables of a VM that has ended");
                host_done(&h);
                return tap_done();
        }
        if (shared == MAP_FAILED || !host_start_tced(&h, NULL))
                bail_out("tced does not start");
        pid = fork();
        if (pid == 0)
                first_vm(&h, shared);
        tap_eq(wait_exit(pid), 0, "a VM that has ended");
        tap_ok(is_gone(&h), "and that tced has forgotten");
        tap_ok(shared->heir > 0 && kill(shared->heir, 0) == 0, "its tables are mapped elsewhere");
        test_later(&h, shared);
        tap_ok(!shared->lost, "nor was anything written to its tables by another");
        if (shared->heir > 0)
                (void) kill(shared->heir, SIGKILL);
        host_stop_tced(&h);
        host_done(&h);
        return tap_done();
}
