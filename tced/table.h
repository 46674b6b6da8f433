/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* `user` tables: a memfd of 8 bytes a TCE (host-endian 64-bit words, index 0 the window's first page, all zero at first), as
 * QEMU and KVM lay theirs out. Filled in by fallocate, so that want of memory is an error here and not a SIGBUS in the VMM, and
 * sealed against resizing. A memfd that has left tced is never given to anyone else: there is no pool to return it to. */

#include <stdbool.h>
#include <stdint.h>

#include "policy.h"

typedef struct TableMemory {
        int fd;         /* -EBADF: none */
        uint64_t bytes; /* the file's length: entries × 8, rounded up to pages */
        bool huge;      /* made of huge pages of the pool */
} TableMemory;

#define TABLE_MEMORY_INIT { .fd = -EBADF }

/* Makes one. name shows in /proc/PID/maps ("/memfd:tced:NAME"). huge_pages AUTO and YES take huge pages where the size is a
 * multiple of the default huge page and enough are free (/proc/sys/vm/nr_hugepages), else ordinary ones, which are gathered into
 * transparent huge pages as far as the kernel has those; YES says in the log that the pool has none. NO: ordinary pages, nothing else.
 * numa_node: the pages are bound there (mbind), NUMA_NODE_ANY: wherever. All of it is zeroed, so that who maps it waits for nothing. May take
 * long for large tables: 8 to 40 ms for 128 MiB.
 * -EINVAL: no entries; -EFBIG: 2^32 entries or more; -ENOMEM, -ENOSPC: no memory; -EMFILE, -ENFILE: no fds; -ENODEV: no such
 * node. *ret is untouched on failure. */
int table_memory_make(const char *name, uint64_t entries, Tristate huge_pages, int numa_node, TableMemory *ret);
/* The same of ordinary pages which come as they are touched: at once, whatever its size, and want of memory shows in the VMM. */
int table_memory_make_empty(const char *name, uint64_t entries, int numa_node, TableMemory *ret);
void table_memory_clear(TableMemory *m);
