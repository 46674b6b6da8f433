/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A table: its geometry, where its entries are, and what a memfd must be before it is believed to be one. */

#include <sys/stat.h>

#include "internal.h"
#include "names.h"

struct tced_table *table_free(struct tced_table *table) {
        if (!table)
                return NULL;
        table_mapping_clear(&table->mapping);
        free(table->reason);
        free(table);
        return NULL;
}

void table_mapping_clear(TableMapping *mapping) {
        if (mapping->entries)
                (void) munmap(mapping->entries, mapping->length);
        mapping->entries = NULL;
        mapping->fd = fd_close(mapping->fd);
}

/* Do the numbers and words fit each other? The rest of the library counts on it. */
static bool plan_is_sound(const TablePlan *plan) {
        return tce_window_check(plan->bus_offset, plan->size, plan->page_shift) == TCE_WINDOW_OK &&
               plan->entries == plan->size >> plan->page_shift && placement_from_string(plan->placement) >= 0;
}

int table_new(struct tced_machine *m, const TablePlan *plan, struct tced_table **ret) {
        _cleanup_(table_freep) struct tced_table *table = NULL;

        if (!plan_is_sound(plan))
                return connection_error(m->tced, -EBADMSG, "table %08x: the plan that came contradicts itself", plan->liobn);
        table = aligned_alloc(64, (sizeof(*table) + 63) & ~(size_t) 63);
        if (!table)
                return -ENOMEM;
        *table = (struct tced_table) {
                .machine = m,
                .liobn = plan->liobn,
                .page_shift = plan->page_shift,
                .bus_offset = plan->bus_offset,
                .group = plan->group,
                .placement = (Placement) placement_from_string(plan->placement),
                .must_be_kernel = streq(plan->accel, "kernel"),
                .mapping = TABLE_MAPPING_INIT,
                .n_entries = plan->entries,
                .n_writable = plan->entries,
                .reason = strdup(plan->reason),
                .window_container = -EBADF,
        };
        if (!table->reason)
                return -ENOMEM;
        *ret = TAKE_PTR(table);
        return 0;
}

/* The bytes to map of a memfd that has been found long enough: to the end of its last page, which may be a huge one
 * (munmap(2) takes whole ones alone). */
static size_t memfd_length(const struct tced_table *table, const struct stat *st) {
        uint64_t page = (uint64_t) sysconf(_SC_PAGESIZE), length;

        if (st->st_blksize > 0 && (uint64_t) st->st_blksize > page)
                page = (uint64_t) st->st_blksize;
        length = (tced_table_bytes(table) + page - 1) / page * page;
        return length < (uint64_t) st->st_size ? length : (size_t) st->st_size;
}

int memfd_check(struct tced *t, uint32_t liobn, int fd, uint64_t bytes, struct stat *ret_st) {
        const int wanted = F_SEAL_SHRINK | F_SEAL_GROW;
        struct stat st;
        int seals;

        if (fstat(fd, &st) < 0)
                return -errno;
        seals = fcntl(fd, F_GET_SEALS);
        /* A file that could shrink would be a SIGBUS in the VMM at some later store. */
        if (seals < 0 || (seals & wanted) != wanted)
                return connection_error(t, -EBADMSG, "table %08x: its memfd isn't sealed against resizing", liobn);
        if (st.st_size < 0 || (uint64_t) st.st_size < bytes)
                return connection_error(t, -EBADMSG, "table %08x: its memfd has %lld bytes, %llu are needed", liobn,
                                        (long long) st.st_size, (unsigned long long) bytes);
        if (ret_st)
                *ret_st = st;
        return 0;
}

int table_map_memfd(struct tced_table *table, int fd, TableMapping *ret) {
        struct tced *t = table->machine->tced;
        TableMapping mapping = { .fd = fd };
        struct stat st;
        void *entries;
        int r;

        r = memfd_check(t, table->liobn, fd, tced_table_bytes(table), &st);
        if (r < 0)
                return r;
        mapping.length = memfd_length(table, &st);
        entries = map_shared(fd, mapping.length, MAP_POPULATE);
        if (entries == MAP_FAILED) {
                r = -errno;
                return connection_error(t, r, "table %08x: mapping %zu bytes: %s", table->liobn, mapping.length,
                                        strerrordesc_np(-r));
        }
        mapping.entries = entries;
        *ret = mapping;
        return 0;
}

void table_take_mapping(struct tced_table *table, TableMapping *mapping, Placement placement) {
        table_mapping_clear(&table->mapping);
        table->mapping = *mapping;
        table->entries = mapping->entries;
        table->placement = placement;
        *mapping = (TableMapping) TABLE_MAPPING_INIT;
}

_public_ const char *tced_table_placement(const struct tced_table *table) {
        return placement_to_string(table->placement);
}

_public_ const char *tced_table_reason(const struct tced_table *table) {
        return table->reason;
}

_public_ int tced_table_refusal(const struct tced_table *table) {
        return table->error;
}

_public_ uint32_t tced_table_liobn(const struct tced_table *table) {
        return table->liobn;
}

_public_ uint32_t tced_table_page_shift(const struct tced_table *table) {
        return table->page_shift;
}

_public_ uint64_t tced_table_bus_offset(const struct tced_table *table) {
        return table->bus_offset;
}

_public_ uint64_t tced_table_entries(const struct tced_table *table) {
        return table->n_entries;
}

_public_ uint64_t tced_table_bytes(const struct tced_table *table) {
        return tce_table_bytes(table->n_entries);
}

_public_ int tced_table_group(const struct tced_table *table) {
        return table->group;
}

_public_ int tced_table_fd(const struct tced_table *table) {
        return table->mapping.fd;
}

_public_ uint64_t *tced_table_map(const struct tced_table *table) {
        return table->entries;
}
