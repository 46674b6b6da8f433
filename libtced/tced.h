/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TCED_H
#define TCED_H

/* libtced: a VMM's side of tced. A VMM on POWER describes its DMA windows, is told where each one's TCE table lives and
 * why, and gets the tables: `kernel` ones made here, on its own VM fd (only the process that created a VM may ask for them,
 * virt/kvm/kvm_main.c:kvm_vm_ioctl); `user` ones as memfds that tced made and filled in ahead.
 *
 *      tced_connect() - tced_register() or tced_find() - tced_claim() - tced_acquire() - tced_table_link_group() for VFIO -
 *      the guest runs, tced_hcall() answers its hypercalls on `user` tables - tced_machine_unref(), tced_unref()
 *
 * What holds for all of it:
 * - No thread, no signal handler, no output, no global state. Every fd is close-on-exec.
 * - What returns int returns a negative errno on failure; outputs are then untouched. -EINVAL: an argument can't be. -ENOMEM.
 * - What talks to tced blocks for the connection's time limit at most and ends in -ETIMEDOUT: it may have been done all the same.
 * - tced may be killed, restarted or upgraded at any time: tables and the guest go on, and so does the connection. A call that finds tced
 *   gone connects again, where it was found before, and waits for it within the same time limit; one whose answer was lost is said
 *   again, so that it is done once as far as its caller can tell. -ETIMEDOUT: tced did not come back in time; a later call tries again.
 *   -ENOTCONN: after tced_close() alone. -EBADMSG: what answered isn't tced, or is a faulty one. Errors of tced's
 *   own, org.tced1.Error.*, come as the errno in brackets at each function; -EACCES: this process may not do that.
 *   tced_last_error() has the text.
 * - A connection, and what was made from it, is for one thread at a time. tced_hcall(), the tced_h_…() functions and the
 *   accessors of tables may be called by any number of threads at once while no other function changes that machine.
 * - Sizes and offsets are bytes; LIOBNs, hypercalls and their return codes are those of PAPR. */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Connection ---- */

struct tced;

#define TCED_TIMEOUT_DEFAULT UINT64_C(5000000)

/* Connects to tced. address: NULL: the private socket /run/tced/socket, and where there is none (or nobody answers at it) the
 * system bus; "system": the system bus; "user": what `tced --user` listens at, $XDG_RUNTIME_DIR/tced/socket, else the session
 * bus; "session": the session bus; otherwise a D-Bus address of a private socket, "unix:path=…". The environment decides
 * nothing but where the two buses are. timeout_usec: the time limit of this call and of each later one, in microseconds; 0:
 * TCED_TIMEOUT_DEFAULT. tced may be proving the host when a machine is registered, which takes some seconds after it started.
 * The caller owns *ret: tced_unref(). Errors: -ENOENT, -ECONNREFUSED (no such socket), -ETIMEDOUT (also where something accepts
 * and never says a word; one that hangs up is a tced that was killed, and the next one is waited for). Whether tced is on a bus is
 * seen at the first call: -EHOSTUNREACH. */
int tced_connect(const char *address, uint64_t timeout_usec, struct tced **ret);

/* Another time limit for later calls, in microseconds; 0: TCED_TIMEOUT_DEFAULT. */
void tced_set_timeout(struct tced *t, uint64_t timeout_usec);

struct tced *tced_ref(struct tced *t);
/* Always NULL; takes NULL. The connection is closed with the last reference; each machine has one too. */
struct tced *tced_unref(struct tced *t);

/* Closes the connection at once and for good, whoever has references: later calls get -ENOTCONN. tced lets go of what hangs on it; tables
 * that have been handed over stay. */
void tced_close(struct tced *t);

/* For the caller's loop: the fd, the poll(2) events to wait for, and the CLOCK_MONOTONIC time in microseconds at which
 * tced_process() wants to be called at the latest (UINT64_MAX: none; 0: at once). Asked anew before each wait: while tced is gone the fd is
 * negative, which poll(2) passes over, and the time is that of the next try to connect; afterwards the fd may be another one. */
int tced_get_fd(struct tced *t);
int tced_get_events(struct tced *t);
int tced_get_timeout(struct tced *t, uint64_t *ret_usec);

/* 1 for the first connection, and one more for each that was made in its place, by any call: for loops that register an fd (epoll), as
 * it may be another file by the same number. */
uint64_t tced_get_connection_number(const struct tced *t);

/* Reads and drops what tced sent unasked (its signals), and connects again where tced went, without blocking. 1: there may be more, call
 * again; 0: nothing left, or tced is gone still. */
int tced_process(struct tced *t);

/* The text of the last error on this connection: names the thing, the operation and the remedy. "" before the first. It
 * stays valid until the next call on the connection. */
const char *tced_last_error(const struct tced *t);

/* ---- Machines ---- */

struct tced_machine;
struct tced_table;

/* A DMA window: what a table is made for. */
struct tced_window {
        const char *kind;    /* "vio" (its register is the LIOBN), "pci" (emulated devices on a PHB), "vfio" */
        const char *device;  /* a name for people and rules, at most 128 bytes */
        uint32_t liobn;      /* unique in the VM */
        uint32_t page_shift; /* 12 to 34 (arch/powerpc/kvm/book3s_64_vio.c:kvm_vm_ioctl_create_spapr_tce) */
        uint64_t bus_offset; /* a multiple of the page */
        uint64_t size;       /* a multiple of the page, below 2^32 pages */
        int notifier;        /* not 0: an IOMMU notifier other than VFIO's is behind it (vDPA, vhost with iommu_platform) */
        int group;           /* IOMMU group of a "vfio" window (tced_group_number()), else -1 */
};

/* The user that calls, for tced_register(). */
#define TCED_OWNER_CALLER UINT32_MAX

/* Makes a VM known to tced, which plans its tables and makes the `user` ones before it answers. name: 1 to 64 of
 * a-z A-Z 0-9 . _ -, unique on the host. uuid: with or without dashes; NULL: one is made. owner: UID of the user whose process
 * may claim it; root alone may name another. Nothing stays of a machine that is refused. What a user registers ends with the
 * process that registered it; what root registers, with the process that claims it. The caller owns *ret. If the answer is lost with tced,
 * the machine of that UUID is taken for the one that was made if name and windows are the same and nobody has claimed it.
 * Errors: EEXIST (name or UUID), EINVAL (a window can't be; the text says which and why), EFBIG (2^32 TCEs or more), EADDRINUSE
 * (a LIOBN twice), EOPNOTSUPP (a rule demands `kernel` and that can't be), EDQUOT (a limit of tced.conf), ENOMEM. */
int tced_register(struct tced *t, const char *name, const char *uuid, const struct tced_window *windows,
                  size_t n_windows, uint32_t owner, struct tced_machine **ret);

/* A machine that is registered, by name or UUID. The caller owns *ret. Errors: ESRCH (none that this process may see). */
int tced_find(struct tced *t, const char *name_or_uuid, struct tced_machine **ret);

/* Says that this process runs the VM: tced holds it by its pidfd, and raises its RLIMIT_MEMLOCK as far as the VM's plan needs, where that is
 * allowed (tced(8), "Locked memory"): it comes before the tables. Claiming again is no error. Errors: EALREADY (another has). */
int tced_claim(struct tced_machine *m);

/* Fetches the plan and brings every table into place, before the guest runs. vm_fd: this process's VM, which stays the
 * caller's; -1 where there is none, which is an error (-EBADF) only if a table is planned for the kernel.
 *      user         the memfd is verified (length; sealed against resizing, else -EBADMSG) and mapped with MAP_POPULATE
 *      kernel       KVM_CREATE_SPAPR_TCE_64 on vm_fd, mapped, reported to tced
 *      kernel-vfio  the same; reported once tced_table_link_group() has linked it
 * If the kernel refuses a table, tced is told the errno and, unless a rule demands `kernel`, gives a memfd in its place. Two
 * answers are the caller's faults and never end in a memfd: -EBUSY (that VM has a table of this LIOBN already) and -EIO (the VM
 * isn't this process's). On failure the tables that are in place stay, owned by the machine; called again it goes on with
 * the rest. A memfd that was lost with an answer of tced's is had anew, all zero. Tables stay mapped until tced_machine_unref(),
 * whatever becomes of tced.
 * Errors: EUNATCH (not claimed), ESTALE, EDQUOT, ENOMEM, and the kernel's errno where `kernel` is demanded. */
int tced_acquire(struct tced_machine *m, int vm_fd);

/* Has tced forget the VM; its tables stay the VMM's own. Errors: EUNATCH. */
int tced_unregister(struct tced_machine *m);

struct tced_machine *tced_machine_ref(struct tced_machine *m);
/* Always NULL; takes NULL. With the last reference every table is unmapped and closed. A kernel table keeps its VM alive until
 * then, so close the VM's own fds in whatever order. */
struct tced_machine *tced_machine_unref(struct tced_machine *m);

/* 32 lower-case hex digits; valid as long as the machine. */
const char *tced_machine_uuid(const struct tced_machine *m);

/* The tables in place, by ascending LIOBN. NULL: no such index, no such LIOBN. They belong to the machine. */
size_t tced_machine_n_tables(const struct tced_machine *m);
struct tced_table *tced_machine_table(const struct tced_machine *m, size_t index);
struct tced_table *tced_machine_find_table(const struct tced_machine *m, uint64_t liobn);

/* 1: KVM may do H_PUT_TCE_INDIRECT and H_STUFF_TCE for this VM; 0: not, since a guest could write past its window on kernels
 * without the range check (arch/powerpc/kernel/iommu.c:iommu_tce_check_ioba), or a rule says so. Known after tced_acquire(). */
int tced_machine_multitce_allowed(const struct tced_machine *m);

/* Enables both on the VM (KVM_CAP_PPC_ENABLE_HCALL), or neither. -EPERM: not allowed. The kernel's errno. Until it is done they
 * exit to the VMM, for tced_hcall() to answer, also on tables in the kernel. */
int tced_machine_enable_multitce(struct tced_machine *m, int vm_fd);

/* ---- For a VMM that makes its tables by itself ---- */

/* tced_acquire() does all of it for a VMM that knows its windows when it starts. One whose guest opens and closes windows (64-bit
 * windows, machine resets), or that makes its kernel tables in code of its own, fetches the plan, and then asks for each window. */

/* What is planned for a window. */
struct tced_planned {
        uint32_t liobn;
        uint32_t page_shift;
        uint64_t bus_offset;
        uint64_t entries;
        const char *placement; /* "kernel", "kernel-vfio", "user"; valid for good */
        int must_be_kernel;    /* not 0: a rule demands `kernel`; where the kernel refuses there is no table */
        int group;             /* IOMMU group of a "vfio" window, else -1 */
        int dynamic;           /* not 0: a 64-bit window that the guest may ask for; a LIOBN may have several */
        int fd;                /* the memfd of a "user" one that is there from the start, verified; -1: none */
};

/* Fetches the plan, each memfd in it for good: a second call gets those that are left, and windows in the kernel again; after one that
 * failed, all. The caller
 * owns *ret: tced_planned_free(). tced_machine_multitce_allowed() is known afterwards. Errors: EUNATCH (not claimed), ENOMEM. */
int tced_fetch_plan(struct tced_machine *m, struct tced_planned **ret, size_t *ret_n);
/* Always NULL; takes NULL. Closes each fd in it: set those to -1 that live on. */
struct tced_planned *tced_planned_free(struct tced_planned *planned, size_t n);

/* Says where the table of a window goes that is opened now: of w liobn, page_shift, bus_offset and entries count. refused: the errno
 * with which the kernel has just refused it, 0: it was not asked. *ret_placement: as in struct tced_planned; *ret_fd: the memfd of
 * a "user" one, a fresh one each time, the caller's; else -1. Errors: EUNATCH, EINVAL, EFBIG, EOPNOTSUPP (a rule demands `kernel`),
 * EDQUOT, ENOMEM. */
int tced_open_window(struct tced_machine *m, const struct tced_planned *w, int refused, const char **ret_placement, int *ret_fd);

/* Tells tced how the making of a table in the kernel went, without waiting for an answer: error 0: it was made as `placement`;
 * positive: the kernel's errno. -ENOTCONN: tced is away now; said later it is as good. */
int tced_report_table(struct tced_machine *m, uint32_t liobn, const char *placement, int error);

/* ---- Tables ---- */

/* Where it lives: "kernel", "kernel-vfio", "user". Expect new words. Valid until the table moves (tced_table_link_group()). */
const char *tced_table_placement(const struct tced_table *table);
/* Why there, in a word: "in-kernel", "in-kernel-linked", "rule-user", "no-kvm", "no-tce", "no-tce-64", "no-vfio-coupling",
 * "kernel-refused". Expect new ones. Valid as the placement is. */
const char *tced_table_reason(const struct tced_table *table);
/* The errno with which the kernel refused it; 0: it did not, or wasn't asked. */
int tced_table_refusal(const struct tced_table *table);

uint32_t tced_table_liobn(const struct tced_table *table);
uint32_t tced_table_page_shift(const struct tced_table *table);
uint64_t tced_table_bus_offset(const struct tced_table *table);
uint64_t tced_table_entries(const struct tced_table *table);
/* 8 × entries. */
uint64_t tced_table_bytes(const struct tced_table *table);
/* IOMMU group of a "vfio" window; -1: none. */
int tced_table_group(const struct tced_table *table);
/* The memfd, or KVM's table. It is the machine's: don't close it. A copy keeps the LIOBN taken and the VM alive. */
int tced_table_fd(const struct tced_table *table);
/* The TCEs, host-endian, index 0 the window's first page; shared with KVM where it is in the kernel. Writing to a linked table
 * does not reach the hardware's. Valid until the table moves or the machine goes. */
uint64_t *tced_table_map(const struct tced_table *table);

/* ---- VFIO ---- */

/* The IOMMU group of the device at a PCI address ("0001:00:00.0"), for struct tced_window. Errors: ENODEV. */
int tced_group_number(struct tced *t, const char *address, int *ret);

/* That group's fds, opened by tced: a container with the group attached and its IOMMU type set (7: VFIO_SPAPR_TCE_v2_IOMMU, where
 * the kernel refuses that 2: VFIO_SPAPR_TCE_IOMMU), and the group. The caller owns both. Allowed to root, and to the process
 * that has claimed a machine that root registered with a window of this group. Errors: ENODEV, EPERM (not viable; the text
 * says what stands in the way), EBUSY (someone has it open), EHOSTDOWN (tced-bind does not run). */
int tced_group_open(struct tced *t, const char *address, int *ret_container, int *ret_group, uint32_t *ret_type);

/* That group's fd, attached to a container that the caller has: one that tced_group_open() gave for another device, or its own of
 * /dev/vfio/vfio, whose type is the caller's to set where no group was in it yet. Every window of the container is for all its groups. The
 * kernel has its say: type 2 takes one group alone; type 7 several, but on a partition no window can be made for groups of several PHBs
 * (arch/powerpc/platforms/pseries/iommu.c:spapr_tce_set_window). The caller owns *ret_group; the container stays its own. Allowed as
 * tced_group_open(). Errors: as there; also EBADF (no fd), EINVAL (it is no container), EBUSY (it has no room), EIO (the group does not fit it;
 * the text says why). */
int tced_group_open_into(struct tced *t, const char *address, int container, int *ret_group);

/* Makes the table's window in a v2 container and, where the table is in the kernel, links the group to it: afterwards KVM does
 * the guest's hypercalls, hardware included. Before the guest runs, after guest memory was registered
 * (VFIO_IOMMU_SPAPR_REGISTER_MEMORY); for the window at the lower bus offset first. Once for each group; the window is made
 * with the first.
 *      windows first (KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE is EINVAL without, virt/kvm/vfio.c): the default window goes if it is in
 *      the way, VFIO_IOMMU_SPAPR_TCE_CREATE makes this one, with as few levels as the host takes
 * kvm_vfio: KVM's VFIO device (KVM_CREATE_DEVICE, one for each VM). memory_page: the smallest page behind guest memory, 0: the
 * host's; the hardware's pages are the largest that fit it, the table's and the host. All fds stay the caller's.
 * A `user` table gets its window alone, and its group must never be added to kvm_vfio; the VMM then maps and unmaps what
 * the guest puts into the table itself (VFIO_IOMMU_MAP_DMA). A kernel that refuses the link is handled as in
 * tced_acquire(): look at tced_table_placement() afterwards.
 * Errors: EBADF (no container), EOPNOTSUPP (not a v2 container, or a `kernel` table: it isn't for VFIO), EADDRNOTAVAIL (the host
 * puts the window elsewhere), and VFIO's and KVM's own; what was made by then is undone, but for the default window, which stays
 * away. */
int tced_table_link_group(struct tced_table *table, int container, int group, int kvm_vfio, uint64_t memory_page);

/* ---- Hypercalls ---- */

/* H_PUT_TCE and its kin (PAPR 14.5.4) on a table of this process, with the checks and return codes of a Linux that has the
 * range check of mainline 0b271f7d7f5e (arch/powerpc/kvm/book3s_64_vio.c). In the order of the checks:
 *
 *      H_PARAMETER  PUT_INDIRECT: more than 512 pages; a list that isn't on 4 KiB
 *      H_PARAMETER  a bus address not on the table's pages, or that, with all pages asked for, isn't inside the window
 *      H_PARAMETER  STUFF: a TCE with a permission
 *      H_PARAMETER  a TCE with a permission whose address isn't on the table's pages, or isn't memory of the guest
 *      H_SUCCESS    else; no page at all is also good
 *
 * Where the kernel gives a call up to the VMM (TCE or list not in memory, TCE not on a page), this is the VMM: the answer is
 * PAPR's H_PARAMETER (QEMU stores such a TCE and fails the DMA instead). The VMM that knows better says so in its map().
 * A TCE without permission is stored as it is, any value. PUT_INDIRECT reads the list once, checks every entry and only then
 * stores: a guest that changes the list meanwhile changes nothing (the kernel reads twice). As in the kernel, an entry without
 * permission must lie in memory too there, else it ends in H_PARAMETER with the entries before it stored.
 * Stores are atomic 64-bit with release order: a thread that loads a TCE with acquire sees the memory that the guest wrote
 * before. On a linked table (tced_table_link_group()) checks are as above; what passes them ends in H_HARDWARE, since the
 * hardware's table is out of reach: the VMM maps by VFIO_IOMMU_MAP_DMA. */

/* Guest memory from host_start on. */
struct tced_memory_range {
        uint64_t guest_start; /* guest physical address */
        uint64_t size;
        const void *host_start;
};

struct tced_memory {
        /* Looked at first: the guest's RAM, without a call. May be empty (NULL, 0). */
        const struct tced_memory_range *ranges;
        size_t n_ranges;
        /* Asked for what is in none of them: where [guest, guest + size) is in this process, or NULL where a guest may not
         * have its devices reach. What it returns is only read, before the hypercall ends. Each TCE is asked for with size 1,
         * its first byte, which is what the kernel looks at. May be NULL. */
        const void *(*map)(void *userdata, uint64_t guest, uint64_t size);
        void *userdata;
};

/* ioba: bus address. mem NULL: addresses in TCEs aren't looked at. */
int64_t tced_h_put_tce(struct tced_table *table, uint64_t ioba, uint64_t tce, const struct tced_memory *mem);

/* list: guest physical address of npages big-endian TCEs. mem may not be NULL: there would be no list (H_PARAMETER). */
int64_t tced_h_put_tce_indirect(struct tced_table *table, uint64_t ioba, uint64_t list, uint64_t npages,
                                const struct tced_memory *mem);

int64_t tced_h_stuff_tce(struct tced_table *table, uint64_t ioba, uint64_t tce, uint64_t npages);

/* *ret: the TCE, as it goes into the guest's r4; untouched unless H_SUCCESS. */
int64_t tced_h_get_tce(struct tced_table *table, uint64_t ioba, uint64_t *ret);

/* Answers KVM_EXIT_PAPR_HCALL: nr, args and *ret are those of struct kvm_run's papr_hcall. 1: it was one of the four, *ret has the
 * return code (H_PARAMETER where the machine has no table of that LIOBN) and args[0] the TCE that H_GET_TCE found; 0: another
 * hypercall, nothing was touched. */
int tced_hcall(struct tced_machine *m, uint64_t nr, uint64_t args[9], const struct tced_memory *mem, uint64_t *ret);

#ifdef __cplusplus
}
#endif

#endif
