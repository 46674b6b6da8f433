/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What libtced's files share. A machine holds a reference on its connection, a table belongs to its machine. Nothing here is
 * exported; tests link the same objects as a static library. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>

#include "names.h"
#include "tce.h"
#include "tced.h"
#include "util.h"

#define LIBTCED_ERROR_TEXT_MAX 512

/* ioctl(2) as 0 or more, or negative errno. Tests put a kernel of their own in its place. */
typedef int (*IoctlFunction)(int fd, unsigned long request, void *argument);

struct tced {
        unsigned n_ref;
        sd_bus *bus;
        const char *destination; /* NULL: peer to peer */
        char *address;           /* as given to tced_connect(); NULL: none was */
        uint64_t timeout_usec;
        uint64_t number;         /* of the connection, from 1 on */
        uint64_t retry_usec;     /* when tced_process() tries to connect again; UINT64_MAX: it need not */
        uint64_t pause_usec;     /* until the try after that */
        bool closed;             /* by tced_close(): for good */
        bool met;                /* tced has answered: where it isn't on the bus, it is away */
        IoctlFunction ioctl;
        char error[LIBTCED_ERROR_TEXT_MAX];
};

/* What holds a table's entries. */
typedef struct TableMapping {
        int fd;
        uint64_t *entries;
        size_t length; /* bytes mapped */
} TableMapping;

#define TABLE_MAPPING_INIT { .fd = -EBADF }

struct tced_table {
        /* All that a hypercall needs, in one cache line. */
        uint64_t *entries;
        uint64_t n_entries;
        uint64_t n_writable; /* n_entries, or 0 where a store would not reach the hardware's table */
        uint64_t bus_offset;
        uint32_t page_shift;

        uint32_t liobn;
        int group;
        int error; /* the kernel's refusal */
        Placement placement;
        bool must_be_kernel; /* a rule demands it */
        bool reported;       /* tced knows that it is made, and linked */
        TableMapping mapping;
        char *reason;
        struct tced_machine *machine;
        int window_container; /* number of the container fd in which the window was made; negative: none */
};

struct tced_machine {
        unsigned n_ref;
        struct tced *tced;
        char *path;
        bool multitce;
        bool lost;         /* memfds may have been handed out that never came here */
        uint32_t *fetched; /* LIOBNs whose memfds the caller has by tced_fetch_plan() and tced_open_window() */
        size_t n_fetched, fetched_allocated;
        struct tced_table **tables; /* by LIOBN; each has its entries mapped */
        size_t n_tables;
        size_t allocated;
};

DEFINE_POINTER_CLEANUP(struct tced, tced_unref, tced_unrefp)
DEFINE_POINTER_CLEANUP(struct tced_machine, tced_machine_unref, tced_machine_unrefp)
DEFINE_POINTER_CLEANUP(sd_bus_message, sd_bus_message_unref, message_unrefp)

/* ---- connection.c ---- */

/* Sets the text of the last error and returns `error` (negative errno). */
int connection_error(struct tced *t, int error, const char *format, ...) _printf_(3, 4);

/* A call without its arguments yet; the caller owns *ret. */
int connection_new_call(struct tced *t, const char *path, const char *interface, const char *member,
                        sd_bus_message **ret);

/* Sends it and waits for the answer, at most the connection's time limit, in which it connects again where the connection is gone. An
 * error's text is the connection's last error. ret_reply may be NULL. A call whose answer was lost with the connection is sent again, and
 * *ret_lost (may be NULL) is true then: tced may have done it already. */
int connection_call_again(struct tced *t, sd_bus_message *call, sd_bus_message **ret_reply, bool *ret_lost);
int connection_call(struct tced *t, sd_bus_message *call, sd_bus_message **ret_reply);

/* One try of that, until `end`. *ret_lost: it failed as the answer was lost; whether to call again is the caller's to say. */
int connection_try(struct tced *t, sd_bus_message *call, uint64_t end, sd_bus_message **ret_reply, bool *ret_lost);

/* When the time limit of a call ends that begins now. */
uint64_t connection_end(const struct tced *t);

/* One of the addresses of tced_connect(). destination: NULL: a socket alone; a bus's name: a bus alone; ANY_DESTINATION: what is there.
 * *ret_is_bus: there is a bus daemon between. */
int connection_open(const char *address, const char *destination, uint64_t timeout_usec, sd_bus **ret, bool *ret_is_bus);
#define ANY_DESTINATION ""

/* Authentication and, on a bus, Hello: until the connection can carry calls, or `end`. */
int connection_wait_ready(sd_bus *bus, uint64_t end);

uint64_t connection_now(void);

/* ---- reconnect.c ---- */

/* Is the connection gone (and not closed by the caller)? */
bool connection_is_gone(const struct tced *t);

/* One try to connect again, which does not wait: the connection may have to be waited for (connection_wait_ready()). */
int connection_retry(struct tced *t);

/* Sees to it that there is a connection that can carry calls, by `end`. */
int connection_revive(struct tced *t, const char *member, uint64_t end);

/* Waits, a little longer each time, but not past `end`: *pause is 0 at first. -ETIMEDOUT: that is over. */
int connection_pause(uint64_t *pause, uint64_t end);

/* The same before a call is said again whose answer was lost; with a text where there is no time for that. */
int connection_next(struct tced *t, const char *member, uint64_t *pause, uint64_t end);

/* For a reply that can't be parsed: -EBADMSG, or -ENOMEM if that is what r says. */
int connection_bad_reply(struct tced *t, const char *member, int r);

/* ---- machine.c ---- */

/* Takes the table, whose entries are mapped, over on success; -ENOMEM. */
int machine_add_table(struct tced_machine *m, struct tced_table *table);

/* The caller has that memfd from now on; whether it has. */
int machine_note_fetched(struct tced_machine *m, uint32_t liobn);
bool machine_has_fetched(const struct tced_machine *m, uint32_t liobn);

/* ---- table.c ---- */

struct tced_table *table_free(struct tced_table *table);
DEFINE_POINTER_CLEANUP(struct tced_table, table_free, table_freep)

/* What AcquireTables says of one table. Strings belong to the message. */
typedef struct TablePlan {
        uint32_t liobn, page_shift;
        const char *placement, *reason, *accel;
        uint64_t bus_offset, size, entries;
        int32_t group, fd_index;
} TablePlan;

/* A table without a mapping yet. -EBADMSG: the plan contradicts itself. */
int table_new(struct tced_machine *m, const TablePlan *plan, struct tced_table **ret);

void table_mapping_clear(TableMapping *mapping);

/* Verifies and maps a memfd of tced's; takes the fd over on success alone. -EBADMSG: it isn't what the plan says. */
int table_map_memfd(struct tced_table *table, int fd, TableMapping *ret);

/* Makes the table on the VM and maps it. The kernel's errno. */
int table_make_in_kernel(struct tced_table *table, int vm_fd, TableMapping *ret);

/* Takes the mapping over, and frees what the table had. */
void table_take_mapping(struct tced_table *table, TableMapping *mapping, Placement placement);

/* Is the memfd sealed against resizing, and long enough? -EBADMSG: not; ret_st may be NULL. */
int memfd_check(struct tced *t, uint32_t liobn, int fd, uint64_t bytes, struct stat *ret_st);

/* ---- acquire.c ---- */

/* An answer of AcquireTables, read up to its first table. The fds are the message's. */
typedef struct Reply {
        sd_bus_message *message;
        int fds[TCED_MAX_FDS_PER_MESSAGE];
        size_t n_fds;
        bool multitce;
        uint32_t remaining;
        uint64_t connection; /* over which it came: tced_get_connection_number() */
} Reply;

void reply_clear(Reply *reply);

/* liobn NULL: every table; where an answer was lost (m->lost), those too that tced has handed out already: their index is -1. */
int acquire_call(struct tced_machine *m, const uint32_t *liobn, Reply *ret);

/* How many tables were left after an answer, and on which connection that came. */
typedef struct Remaining {
        uint64_t connection;
        uint32_t n;
} Remaining;

/* -EBADMSG: none came with this answer, and none would with the next. Over another connection more may be left than before: a tced that was
 * killed before it noted what it gave gives that again. */
int acquire_check_remaining(struct tced_machine *m, const Reply *reply, Remaining *before);

/* 1: *ret is the next table's plan; 0: there is none. */
int reply_next(struct tced *t, Reply *reply, TablePlan *ret);

/* A copy of the fd that a table's plan names. */
int reply_dup_fd(struct tced *t, const Reply *reply, uint32_t liobn, int32_t fd_index);

/* The same, of a `user` table: one that was handed out, and never came, is had anew. */
int reply_get_fd(struct tced_machine *m, const Reply *reply, const TablePlan *plan);

/* Tells tced that the table was made as `placement` or, with error not 0 (negative), that the kernel refused it. */
int table_report(struct tced_table *table, Placement placement, int error);

/* The kernel refused the table as `wanted` with that errno (negative): tells tced, and gets a memfd in its place, entries copied.
 * With `kernel` demanded the error comes back, and the table is as it was. */
int table_fall_back(struct tced_table *table, Placement wanted, int error);

/* ---- plan.c ---- */

/* tced_open_window(), of which nothing is noted. */
int window_open(struct tced_machine *m, const struct tced_planned *w, int refused, const char **ret_placement, int *ret_fd);

/* ---- kernel.c ---- */

int kernel_ioctl(int fd, unsigned long request, void *argument);
