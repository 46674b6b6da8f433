/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What test-vmm says: KEY=VALUE lines for tests ("80000000.exits=1"), or a story for newcomers, at most 80 columns wide. */

#include <inttypes.h>

#include <sys/syscall.h>

#include "util.h"
#include "vmm.h"

void vmm_print_start(const VmmOptions *options) {
        if (!options->demo)
                return;
        printf("This is a small virtual machine, \"%s\". A guest's devices reach its memory\n"
               "through tables: one entry (TCE) for each page, written by hypercalls. Where\n"
               "a table lives decides what each hypercall costs. We ask tced.\n\n",
               options->name);
        (void) fflush(stdout);
}

void vmm_print_machine(const VmmOptions *options, const struct tced_machine *m) {
        bool allowed = tced_machine_multitce_allowed(m);

        if (options->demo)
                printf("tced knows the machine as %s\n"
                       "and has brought its tables into place: %zu. Many entries with one hypercall\n"
                       "(multi-TCE) %s be left to this host's kernel.\n",
                       tced_machine_uuid(m), tced_machine_n_tables(m), allowed ? "may" : "may not");
        else
                printf("uuid=%s\ntables=%zu\nmultitce=%d\n", tced_machine_uuid(m), tced_machine_n_tables(m), allowed);
}

static void explain_placement(const char *placement) {
        if (streq(placement, "kernel"))
                printf("  It lives in the kernel (KVM): hypercalls end there, and we notice none.\n");
        else if (streq(placement, "kernel-vfio"))
                printf("  It lives in the kernel, linked to the hardware's own table: hypercalls\n"
                       "  end there, and a real device follows them.\n");
        else
                printf("  It lives in this process, a memfd that tced made ahead: each hypercall\n"
                       "  comes to us, and libtced answers it.\n");
}

/* The words that this VMM can meet, for people; tced has them all (`tcectl describe`). */
static const char *explain_reason(const char *reason) {
        static const char *const words[][2] = {
                { "in-kernel", "KVM on this host can hold it" },
                { "in-kernel-linked", "KVM on this host can hold it and link it to the device's group" },
                { "rule-user", "an administrator's rule says so" },
                { "kernel-refused", "the kernel refused it, so tced gave us a memfd in its place" },
                { "no-kvm", "this host can run no VM, so no table can be in KVM" },
                { "no-vfio-coupling", "KVM here can't couple its tables with passthrough devices" },
        };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (streq(words[i][0], reason))
                        return words[i][1];
        return reason;
}

void vmm_print_table(const VmmOptions *options, const struct tced_table *table) {
        uint32_t liobn = tced_table_liobn(table), shift = tced_table_page_shift(table);
        uint64_t entries = tced_table_entries(table);
        int refusal = tced_table_refusal(table);

        if (!options->demo) {
                printf("%08x.placement=%s\n%08x.reason=%s\n%08x.refusal=%s\n%08x.entries=%" PRIu64 "\n", liobn,
                       tced_table_placement(table), liobn, tced_table_reason(table), liobn,
                       refusal ? strerrorname_np(refusal) : "0", liobn, entries);
                return;
        }
        printf("\nTable %08x: %" PRIu64 " entries for %s in pages of %s\n", liobn, entries, FORMAT_BYTES(entries << shift),
               FORMAT_BYTES(UINT64_C(1) << shift));
        explain_placement(tced_table_placement(table));
        printf("  Why: %s.\n", explain_reason(tced_table_reason(table)));
        if (refusal)
                printf("  What the kernel said: %s.\n", strerrordesc_np(refusal));
}

void vmm_print_run(const VmmOptions *options, const struct tced_table *table, VmmProgram program, uint64_t count,
                   const VmmResult *result) {
        uint32_t liobn = tced_table_liobn(table);
        const char *name = vmm_program_name(program);

        if (!options->demo) {
                printf("%08x.%s.exits=%" PRIu64 "\n%08x.%s.served=%" PRIu64 "\n%08x.%s.done=%" PRIu64 "\n%08x.%s.code=%" PRId64
                       "\n%08x.%s.ns=%" PRIu64 "\n",
                       liobn, name, result->exits, liobn, name, result->served, liobn, name, result->done, liobn, name,
                       result->code, liobn, name, result->nanoseconds);
                return;
        }
        printf("  The guest did %" PRIu64 " of %" PRIu64 " pages by %s:\n"
               "  %" PRIu64 " exit%s to us, the last one to say that it is done.\n",
               result->done, count, name, result->exits, result->exits == 1 ? "" : "s");
}

/* FNV-1a, 64 bits: enough to tell two tables apart. */
static uint64_t checksum(const uint64_t *entries, uint64_t n) {
        uint64_t sum = UINT64_C(0xcbf29ce484222325);

        for (uint64_t i = 0; i < n; i++)
                sum = (sum ^ entries[i]) * UINT64_C(0x100000001b3);
        return sum;
}

/* How many pages of a table are on each node, by move_pages(2) without a place to move them to: "0:3 1:509". */
static void print_nodes(const struct tced_table *table) {
        uint64_t page = (uint64_t) sysconf(_SC_PAGESIZE), n = (tced_table_bytes(table) + page - 1) / page;
        unsigned long on_node[16] = {};
        const char *space = "";

        for (uint64_t i = 0; i < n; i++) {
                void *address = (char *) tced_table_map(table) + i * page;
                int node = -1;

                if (syscall(SYS_move_pages, 0, 1UL, &address, NULL, &node, 0) == 0 && node >= 0 && node < (int) ELEMENTSOF(on_node))
                        on_node[node]++;
        }
        printf("%08x.pages=%" PRIu64 "\n%08x.nodes=", tced_table_liobn(table), n, tced_table_liobn(table));
        for (size_t i = 0; i < ELEMENTSOF(on_node); i++)
                if (on_node[i] > 0) {
                        printf("%s%zu:%lu", space, i, on_node[i]);
                        space = " ";
                }
        printf("\n");
}

void vmm_print_entries(const VmmOptions *options, const struct tced_table *table, uint64_t count) {
        const uint64_t *map = tced_table_map(table);
        uint32_t liobn = tced_table_liobn(table);
        uint64_t used = 0;

        if (options->nodes)
                print_nodes(table);
        for (uint64_t i = 0; i < tced_table_entries(table); i++)
                used += map[i] != 0;
        if (count == 0)
                return;
        if (options->demo)
                printf("  In the table now: %" PRIu64 " entries, from %#" PRIx64 " to %#" PRIx64 ".\n", used, map[0], map[count - 1]);
        else
                printf("%08x.used=%" PRIu64 "\n%08x.first=%#" PRIx64 "\n%08x.last=%#" PRIx64 "\n%08x.checksum=%016" PRIx64 "\n",
                       liobn, used, liobn, map[0], liobn, map[count - 1], liobn, checksum(map, tced_table_entries(table)));
        (void) fflush(stdout);
}

void vmm_print_answer(const VmmOptions *options, const struct tced_machine *m, const VmmState *state) {
        printf("answer=%u name=%s connections=%" PRIu64 " rounds=%u", state->answers, options->name, state->connections, state->rounds);
        for (size_t i = 0; i < tced_machine_n_tables(m); i++) {
                struct tced_table *table = tced_machine_table(m, i);

                printf(" %08x=%s,exits=%" PRIu64 ",checksum=%016" PRIx64, tced_table_liobn(table), tced_table_placement(table),
                       state->exits[i], checksum(tced_table_map(table), tced_table_entries(table)));
        }
        printf("\n");
        (void) fflush(stdout);
}

int vmm_dump(const char *dir, const struct tced_table *table) {
        const uint64_t *map = tced_table_map(table);
        _cleanup_file_ FILE *file = NULL;
        char path[256];

        (void) snprintf(path, sizeof(path), "%s/%08x", dir, tced_table_liobn(table));
        file = fopen(path, "we");
        if (!file)
                return -errno;
        for (uint64_t i = 0; i < tced_table_entries(table); i++)
                (void) fprintf(file, "%016" PRIx64 "\n", map[i]);
        return ferror(file) ? -EIO : 0;
}
