/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* audit.c: processes and plans by their tables, each case with the line that is to come of every table. audit_json.c: docs/audit.md. */

#include "audit.h"

#include <errno.h>
#include <json-c/json_pointer.h>

#include "audit_json.h"
#include "tap.h"
#include "util.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define ROOM UINT64_MAX

typedef struct Want {
        uint32_t liobn;
        uint64_t entries;
        Placement placement;
        Reason reason;
        bool dynamic, likely;
        uint32_t page_shift;
        int error;
} Want;

typedef struct Have {
        bool user;
        uint64_t bytes, resident;
        int64_t liobn;
} Have;

#define KERNEL PLACEMENT_KERNEL, REASON_IN_KERNEL
#define VIO(reg) { reg, 65536, KERNEL, .page_shift = 12 }
#define PHB(liobn) { liobn, 262144, KERNEL, .page_shift = 12 }

typedef struct Case {
        const char *name;
        uint64_t page_size;
        Want want[6];
        Have have[6];
        uint64_t limit, locked; /* ROOM: none */
        unsigned n_fds; /* of KVM's tables; 0: as many as are mapped */
        bool no_plan, ipc_lock, no_vcpu;
        uint32_t refused[2]; /* says QEMU's log */
        int closed, no_fds;
        const char *verdict;
        const char *lines[7];
} Case;

static const Case cases[] = {
        { "a stock QEMU, all as it should be", 4096, { VIO(0x71000000), PHB(0x80000000) }, { { .bytes = 2 * MIB, .resident = 8192 }, { .bytes = 512 * KIB } },
          .limit = ROOM, .verdict = "as-planned",
          .lines = { "71000000 kernel 65536 none", "80000000 kernel 262144 none" } },
        { "the same with pages of 64 KiB", 65536, { VIO(0x71000000), PHB(0x80000000) }, { { .bytes = 2 * MIB }, { .bytes = 512 * KIB } },
          .limit = ROOM, .verdict = "as-planned",
          .lines = { "71000000 kernel 65536 none", "80000000 kernel 262144 none" } },
        { "small tables of different size in pages of 64 KiB are one size", 65536,
          { { 0x10, 512, KERNEL }, { 0x20, 128, KERNEL } }, { { .bytes = 65536 } }, .limit = ROOM, .verdict = "slow-path",
          .lines = { "10 kernel: 1 of 2 of this size 512 none slow differs", "20 kernel: 1 of 2 of this size 128 none slow differs" } },
        { "and are told apart in pages of 4 KiB", 4096, { { 0x10, 513, KERNEL }, { 0x20, 128, KERNEL } }, { { .bytes = 8192 } },
          .limit = ROOM, .verdict = "slow-path", .lines = { "10 kernel 513 none", "20 missing 128 none slow differs" } },
        { "a limit that the missing one would exceed", 65536, { VIO(0x71000000), PHB(0x80000000) }, { { .bytes = 512 * KIB } },
          .limit = 2 * MIB, .locked = 576 * KIB, .verdict = "slow-path",
          .lines = { "71000000 kernel 65536 none", "80000000 missing 262144 inferred memlock slow differs" } },
        { "what is locked already counts", 65536, { PHB(0x80000000) }, {}, .limit = 4 * MIB, .locked = 2 * MIB, .verdict = "slow-path",
          .lines = { "80000000 missing 262144 inferred memlock slow differs" } },
        { "a limit that leaves just enough is no reason", 65536, { PHB(0x80000000) }, {},
          .limit = 2112 * KIB, .verdict = "slow-path", .lines = { "80000000 missing 262144 none slow differs" } },
        { "one byte less is", 65536, { PHB(0x80000000) }, {},
          .limit = 2112 * KIB - 1, .verdict = "slow-path", .lines = { "80000000 missing 262144 inferred memlock slow differs" } },
        { "CAP_IPC_LOCK: the limit does not count", 65536, { PHB(0x80000000) }, {}, .limit = 1, .ipc_lock = true,
          .verdict = "slow-path", .lines = { "80000000 missing 262144 none slow differs" } },
        { "what its log says is certain", 65536, { VIO(0x71000000), PHB(0x80000000) }, { { .bytes = 512 * KIB } }, .limit = ROOM,
          .refused = { 0x80000000 }, .verdict = "slow-path",
          .lines = { "71000000 kernel 65536 none", "80000000 missing 262144 seen log slow differs" } },
        { "and why, where that can be seen", 65536, { PHB(0x80000000) }, {}, .limit = 2112 * KIB - 1, .refused = { 0x80000000 },
          .verdict = "slow-path", .lines = { "80000000 missing 262144 seen log memlock slow differs" } },
        { "it tells those of one size apart", 4096, { VIO(0x71000000), VIO(0x71000001), VIO(0x71000002) },
          { { .bytes = 512 * KIB }, { .bytes = 512 * KIB } }, .limit = ROOM, .refused = { 0x71000001 }, .verdict = "slow-path",
          .lines = { "71000000 kernel: 2 of 2 of this size 65536 none", "71000001 missing 65536 seen log slow differs",
                     "71000002 kernel: 2 of 2 of this size 65536 none" } },
        { "one that was made since is no news", 4096, { VIO(0x71000000), VIO(0x71000001) },
          { { .bytes = 512 * KIB }, { .bytes = 512 * KIB } }, .limit = ROOM, .refused = { 0x71000001 }, .verdict = "as-planned",
          .lines = { "71000000 kernel: 2 of 2 of this size 65536 none", "71000001 kernel: 2 of 2 of this size 65536 none" } },
        { "one of two that were refused was made since", 4096, { VIO(0x71000000), VIO(0x71000001) }, { { .bytes = 512 * KIB } }, .limit = ROOM,
          .refused = { 0x71000000, 0x71000001 }, .verdict = "slow-path",
          .lines = { "71000000 kernel: 1 of 2 of this size 65536 none slow differs", "71000001 kernel: 1 of 2 of this size 65536 none slow differs" } },
        { "a table that is meant for the VMM is none that was refused", 4096, { { 0x71000001, 65536, PLACEMENT_USER, REASON_RULE_USER } },
          { { true, 512 * KIB, 4096, 0x71000001 } }, .limit = ROOM, .refused = { 0x71000001 }, .verdict = "as-planned",
          .lines = { "71000001 user 65536 inferred" } },
        { "what the VMM reported goes before", 65536, { { 0x80000000, 262144, KERNEL, .error = ENOMEM } }, {}, .limit = ROOM,
          .verdict = "slow-path", .lines = { "80000000 user 262144 seen memlock slow differs" } },
        { "a refused one that moved to the VMM was expected in the kernel", 65536,
          { { 0x80000000, 262144, PLACEMENT_USER, REASON_KERNEL_REFUSED, .error = EBUSY } }, { { true, 2 * MIB, 0, 0x80000000 } },
          .limit = ROOM, .verdict = "slow-path", .lines = { "80000000 user 262144 seen slow differs" } },
        { "two of three of one size", 4096, { VIO(0x71000000), VIO(0x71000001), VIO(0x71000002), PHB(0x80000000) },
          { { .bytes = 512 * KIB }, { .bytes = 2 * MIB }, { .bytes = 512 * KIB } }, .limit = ROOM, .verdict = "slow-path",
          .lines = { "71000000 kernel: 2 of 3 of this size 65536 none slow differs", "71000001 kernel: 2 of 3 of this size 65536 none slow differs",
                     "71000002 kernel: 2 of 3 of this size 65536 none slow differs", "80000000 kernel 262144 none" } },
        { "three of three", 4096, { VIO(0x71000000), VIO(0x71000001), VIO(0x71000002) },
          { { .bytes = 512 * KIB }, { .bytes = 512 * KIB }, { .bytes = 512 * KIB } }, .limit = ROOM, .verdict = "as-planned",
          .lines = { "71000000 kernel: 3 of 3 of this size 65536 none", "71000001 kernel: 3 of 3 of this size 65536 none",
                     "71000002 kernel: 3 of 3 of this size 65536 none" } },
        { "two of three, as a rule has it", 4096,
          { VIO(0x71000000), { 0x71000001, 65536, PLACEMENT_USER, REASON_RULE_USER }, VIO(0x71000002) },
          { { .bytes = 512 * KIB }, { .bytes = 512 * KIB } }, .limit = ROOM, .verdict = "as-planned",
          .lines = { "71000000 kernel: 2 of 3 of this size 65536 none", "71000001 kernel: 2 of 3 of this size 65536 inferred",
                     "71000002 kernel: 2 of 3 of this size 65536 none" } },
        { "all three, though a rule has one elsewhere", 4096,
          { VIO(0x71000000), { 0x71000001, 65536, PLACEMENT_USER, REASON_RULE_USER } },
          { { .bytes = 512 * KIB }, { .bytes = 512 * KIB } }, .limit = ROOM, .verdict = "differs",
          .lines = { "71000000 kernel: 2 of 2 of this size 65536 none", "71000001 kernel: 2 of 2 of this size 65536 seen differs" } },
        { "tced's memfd says whose it is", 4096,
          { VIO(0x71000000), { 0x71000001, 65536, PLACEMENT_USER, REASON_RULE_USER } },
          { { true, 512 * KIB, 4096, 0x71000001 }, { .bytes = 512 * KIB } }, .limit = ROOM, .verdict = "as-planned",
          .lines = { "71000000 kernel 65536 none", "71000001 user 65536 inferred" } },
        { "a memfd where the kernel was expected", 4096, { VIO(0x71000000) }, { { true, 512 * KIB, 4096, 0x71000000 } }, .limit = ROOM,
          .verdict = "slow-path", .lines = { "71000000 user 65536 none slow differs" } },
        { "a table that KVM can't couple is slow, and as planned", 4096, { { 0x80000100, 262144, PLACEMENT_USER, REASON_NO_VFIO_COUPLING } },
          {}, .limit = ROOM, .verdict = "slow-path", .lines = { "80000100 missing 262144 inferred slow" } },
        { "a window that the guest has not asked for is no difference", 4096,
          { PHB(0x80000000), { 0x80000001, 1 << 20, KERNEL, true, false, 12 }, { 0x80000001, 1 << 16, KERNEL, true, true, 16 } },
          { { .bytes = 2 * MIB } }, .limit = ROOM, .verdict = "as-planned",
          .lines = { "80000000 kernel 262144 none", "80000001 none 65536 none" } },
        { "one that it has asked for is known by its size", 4096,
          { PHB(0x80000000), { 0x80000001, 1 << 20, KERNEL, true, true, 12 }, { 0x80000001, 1 << 16, KERNEL, true, false, 16 } },
          { { .bytes = 2 * MIB }, { .bytes = 512 * KIB } }, .limit = ROOM, .verdict = "as-planned",
          .lines = { "80000000 kernel 262144 none", "80000001 kernel 65536 none" } },
        { "page sizes that come to one length are not guessed", 65536,
          { PHB(0x80000000), { 0x80000001, 128, KERNEL, true, true, 21 }, { 0x80000001, 16, KERNEL, true, false, 24 } },
          { { .bytes = 2 * MIB }, { .bytes = 65536 } }, .limit = ROOM, .verdict = "as-planned",
          .lines = { "80000000 kernel 262144 none", "80000001 kernel 1..8192 none" } },
        { "one window of two PHBs", 65536,
          { { 0x80000001, 128, KERNEL, true, true, 21 }, { 0x80000101, 128, KERNEL, true, true, 21 } }, { { .bytes = 65536 } },
          .limit = ROOM, .verdict = "as-planned",
          .lines = { "80000001 kernel: 1 of 2 of this size 128 none", "80000101 kernel: 1 of 2 of this size 128 none" } },
        { "a window in a memfd", 4096, { { 0x80000001, 1 << 16, PLACEMENT_USER, REASON_RULE_USER, true, true, 16 } },
          { { true, 512 * KIB, 0, 0x80000001 } }, .limit = ROOM, .verdict = "as-planned", .lines = { "80000001 user 65536 inferred" } },
        { "a table that nobody expects", 65536, { PHB(0x80000000) }, { { .bytes = 2 * MIB }, { .bytes = 512 * KIB } }, .limit = ROOM,
          .verdict = "differs", .lines = { "80000000 kernel 262144 none", "? kernel 57345..65536 seen differs" } },
        { "a memfd that nobody expects, on a PHB whose tables are in the VMM", 4096,
          { { 0x80000100, 262144, PLACEMENT_USER, REASON_RULE_USER } }, { { true, 2 * MIB, 0, 0x80000100 }, { true, 4096, 0, 0x80000101 } },
          .limit = ROOM, .verdict = "as-planned", .lines = { "80000100 user 262144 inferred", "80000101 user 1..512 inferred" } },
        { "on another one", 4096,
          { { 0x80000100, 262144, PLACEMENT_USER, REASON_RULE_USER }, PHB(0x80000200) },
          { { true, 2 * MIB, 0, 0x80000100 }, { true, 4096, 0, 0x80000201 }, { .bytes = 2 * MIB } }, .limit = ROOM, .verdict = "differs",
          .lines = { "80000100 user 262144 inferred", "80000200 kernel 262144 none", "80000201 user 1..512 seen differs" } },
        { "a VM that nobody knows", 4096, {}, { { .bytes = 2 * MIB }, { true, 512 * KIB, 0, 0x71000000 } }, .no_plan = true, .limit = ROOM,
          .verdict = "unknown", .lines = { "? kernel 261633..262144 none", "71000000 user 65025..65536 none" } },
        { "tables that are not mapped are counted by their fds", 4096, { VIO(0x71000000), PHB(0x80000000) }, {}, .n_fds = 2, .limit = ROOM,
          .verdict = "as-planned",
          .lines = { "71000000 kernel: 2 of 2, by fds 65536 none", "80000000 kernel: 2 of 2, by fds 262144 none" } },
        { "of which there may be too few", 4096, { VIO(0x71000000), PHB(0x80000000) }, {}, .n_fds = 1, .limit = ROOM,
          .verdict = "slow-path",
          .lines = { "71000000 kernel: 1 of 2, by fds 65536 none slow differs", "80000000 kernel: 1 of 2, by fds 262144 none slow differs" } },
        { "where fds may not be read the VMM's word counts", 4096, { { 0x10, 65536, KERNEL, .error = AUDIT_REPORTED_MADE }, VIO(0x20) }, {},
          .no_fds = EACCES, .limit = ROOM, .verdict = "slow-path",
          .lines = { "10 kernel 65536 none", "20 missing 65536 none slow differs" } },
        { "not against what is seen", 4096, { { 0x10, 65536, KERNEL, .error = AUDIT_REPORTED_MADE } }, {}, .limit = ROOM, .verdict = "slow-path",
          .lines = { "10 missing 65536 none slow differs" } },
        { "no vCPU yet", 4096, { VIO(0x71000000) }, {}, .no_vcpu = true, .limit = ROOM, .verdict = "unknown",
          .lines = { "71000000 missing 65536 none slow differs" } },
        { "a process that may not be looked into", 4096, { VIO(0x71000000) }, {}, .closed = EACCES, .limit = ROOM, .verdict = "unknown",
          .lines = { "71000000 unknown 65536 none" } },
        { "no tables at all", 4096, {}, {}, .limit = ROOM, .verdict = "as-planned", .lines = { NULL } },
};

static void line_of(const AuditTable *t, char *buf, size_t size) {
        char liobn[16] = "?", found[64], entries[48];

        if (t->liobn >= 0)
                (void) snprintf(liobn, sizeof(liobn), "%" PRIx32, (uint32_t) t->liobn);
        if (t->entries == t->entries_min)
                (void) snprintf(entries, sizeof(entries), "%" PRIu64, t->entries);
        else
                (void) snprintf(entries, sizeof(entries), "%" PRIu64 "..%" PRIu64, t->entries_min, t->entries);
        (void) snprintf(buf, size, "%s %s %s %s%s%s%s%s", liobn, audit_found_text(t, found, sizeof(found)), entries,
                        audit_why_source_to_string(t->why_source), strstr(t->why, "QEMU's log") ? " log" : "", t->memlock ? " memlock" : "", t->slow ? " slow" : "",
                        t->differs ? " differs" : "");
}

static void run_case(const Case *c) {
        PlanTable tables[6] = {}, dynamic[6] = {};
        Plan plan = { .tables = tables, .dynamic = dynamic };
        SeenTable seen[6] = {};
        SeenProcess p = {
                .pid = 7, .n_vms = 1, .n_vcpus = !c->no_vcpu, .tables = seen, .limits_known = true, .locked = c->locked,
                .lock_limit = c->limit, .ipc_lock = c->ipc_lock, .maps_error = c->closed, .fds_error = c->no_fds,
        };
        int errors[6] = {};
        const AuditExpectation e = { .basis = AUDIT_BY_MACHINE, .plan = c->no_plan ? NULL : &plan, .errors = errors, .refused = c->refused,
                                     .n_refused = c->refused[1] ? 2 : c->refused[0] != 0 };
        Audit a = {};
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(c->want) && c->want[i].entries; i++) {
                const Want *w = &c->want[i];
                PlanTable *t = w->dynamic ? &dynamic[plan.n_dynamic++] : &tables[plan.n_tables++];

                if (!w->dynamic)
                        errors[plan.n_tables - 1] = w->error;
                *t = (PlanTable) {
                        .window = { .liobn = w->liobn, .page_shift = w->page_shift, .dynamic = w->dynamic, .likely = w->likely, .device = "d" },
                        .entries = w->entries, .bytes = w->entries * 8, .verdict = { .placement = w->placement, .reason = w->reason },
                };
        }
        for (size_t i = 0; i < ELEMENTSOF(c->have) && c->have[i].bytes; i++) {
                const Have *h = &c->have[i];

                seen[p.n_tables++] = (SeenTable) {
                        .kernel = !h->user, .mapped = true, .bytes = h->bytes, .resident = h->resident, .resident_known = true,
                        .liobn = h->user ? h->liobn : -1, .inode = i,
                };
                p.n_kernel_fds += !h->user;
        }
        if (c->n_fds)
                p.n_kernel_fds = c->n_fds;
        if (!tap_eq(audit_make(&p, &e, c->page_size, &a), 0, "%s", c->name))
                return;
        tap_streq(audit_verdict_to_string(a.verdict), c->verdict, "%s: the verdict", c->name);
        while (n < ELEMENTSOF(c->lines) && c->lines[n])
                n++;
        tap_eq(a.n_tables, n, "%s: so many tables", c->name);
        for (size_t i = 0; i < a.n_tables; i++) {
                char line[160];

                line_of(&a.tables[i], line, sizeof(line));
                tap_streq(line, i < n ? c->lines[i] : NULL, "%s: table %zu", c->name, i);
        }
        audit_clear(&a);
}

/* How many members one has and the other lacks, or has as another type. */
static unsigned differences(json_object *want, json_object *have, const char *where) {
        unsigned wrong = 0;

        if (!want || !have)
                return 0;
        if (json_object_get_type(want) != json_object_get_type(have))
                return (unsigned) printf("# %s is %s\n", where, json_type_to_name(json_object_get_type(have))) > 0;
        if (!json_object_is_type(want, json_type_object))
                return 0;
        json_object_object_foreach(want, key, value) {
                json_object *found;

                if (!json_object_object_get_ex(have, key, &found)) {
                        printf("# %s.%s is in one of them alone\n", where, key);
                        wrong++;
                } else
                        wrong += differences(value, found, key);
        }
        return wrong;
}

/* Every member that docs/audit.md shows is there with the value that it shows, and it shows every one. */
static void test_documentation(const SeenProcess *p, const Audit *a) {
        static const char *const values[] = { "verdict", "basis", "kernel_tables", "other_tables", "kernel_bytes", "locked_memory" };
        json_object *documented, *parsed, *document = json_begin(), *have = NULL, *want, *vm = NULL, *table = NULL, *have_table = NULL;
        _cleanup_free_ char *text = calloc(1, 16384);
        char *begin, *end, *json;
        ssize_t n = read_file_at(AT_FDCWD, TEST_SOURCE_ROOT "/docs/audit.md", text, 16384);

        begin = n > 0 ? strstr(text, "```json") : NULL;
        end = begin ? strstr(begin + 7, "```") : NULL;
        if (!tap_ok(end, "docs/audit.md shows an audit"))
                return;
        *end = '\0';
        documented = json_tokener_parse(begin + 7);
        json_add(document, "vm", audit_json(p, a, "web1", "3f2c", 1500, 65536));
        if (!tap_eq(json_end_consume(document, &json), 0, "one is made"))
                return;
        parsed = json_tokener_parse(json);
        (void) json_pointer_get(parsed, "/vm", &have);
        (void) json_pointer_get(documented, "/vms/0", &vm);
        (void) json_pointer_get(vm, "/tables/0", &table);
        (void) json_pointer_get(have, "/tables/1", &have_table);
        if (tap_ok(vm && have && table && have_table, "both are JSON")) {
                tap_eq(differences(vm, have, "vm") + differences(table, have_table, "table"), 0, "what is documented is there");
                tap_eq(differences(have, vm, "vm") + differences(have_table, table, "table"), 0, "what is there is documented");
                tap_ok(json_object_equal(table, have_table), "the table is the one that is documented");
                for (size_t i = 0; i < ELEMENTSOF(values); i++)
                        tap_ok(json_object_object_get_ex(vm, values[i], &want) &&
                                       json_object_equal(want, json_object_object_get(have, values[i])), "%s is as documented", values[i]);
        }
        free(json);
        (void) json_object_put(documented);
        (void) json_object_put(parsed);
}

/* Sums, resident bytes, and the texts of one that tells most. */
static void test_sums(void) {
        PlanTable tables[] = {
                { .window = { .liobn = 0x71000000, .page_shift = 12, .device = "net0" }, .entries = 65536, .bytes = 512 * KIB },
                { .window = { .kind = DEVICE_PCI, .liobn = 0x80000000, .page_shift = 12, .device = "pci.0" }, .entries = 262144,
                  .bytes = 2 * MIB },
        };
        const Plan plan = { .tables = tables, .n_tables = 2 };
        SeenTable seen[] = {
                { .kernel = true, .bytes = 512 * KIB, .resident = 65536, .resident_known = true, .liobn = -1 },
                { .bytes = 65536, .resident = 4096, .resident_known = true, .liobn = 5, .inode = 3 },
        };
        SeenProcess p = {
                .pid = 7, .n_vms = 1, .n_vcpus = 1, .n_kernel_fds = 1, .tables = seen, .n_tables = 2, .limits_known = true,
                .locked = 576 * KIB, .lock_limit = 2 * MIB,
        };
        const AuditExpectation e = { .basis = AUDIT_BY_COMMAND_LINE, .plan = &plan };
        Audit a = {};

        if (!tap_eq(audit_make(&p, &e, 65536, &a), 0, "an audit by a command line"))
                return;
        tap_ok(a.n_kernel == 1 && a.n_out == 2 && a.kernel_bytes == 512 * KIB && a.user_bytes == 65536 && a.resident == 69632, "its sums");
        tap_ok(a.basis == AUDIT_BY_COMMAND_LINE && a.tables[0].resident == 65536 && a.tables[0].resident_known, "what is resident");
        tap_streq(a.tables[0].device, "net0", "the device's name is its own");
        tap_streq(a.tables[1].why,
                  "the locked-memory limit is 2 MiB, 576 KiB of it are taken, and the kernel charges 2112 KiB for the table",
                  "the reason has its numbers");
        tap_ok(strstr(audit_remedy(&a.tables[1]), "<hard_limit>") != NULL, "and a remedy");
        tap_ok(!a.tables[2].expected && a.tables[2].liobn == 5 && a.tables[2].differs, "a memfd that nobody expects");
        audit_clear(&a);
        p.n_tables = 1;
        tap_eq(audit_make(&p, &(AuditExpectation) { .basis = AUDIT_BY_MACHINE, .plan = &plan }, 65536, &a), 0, "an audit of a machine");
        test_documentation(&p, &a);
        audit_clear(&a);
        tap_streq(audit_size_text(2 * MIB, 65536), "as long as a PHB's default window (1 GiB of 4 KiB pages)", "2 MiB");
        tap_streq(audit_size_text(512 * KIB, 4096), "as long as a VIO device's window (256 MiB of 4 KiB pages)", "512 KiB");
        tap_streq(audit_size_text(MIB, 4096), "", "another size");
}

static void test_names(void) {
        bool ok = true;

        for (int i = 0; i < _AUDIT_BASIS_MAX; i++)
                ok &= audit_basis_from_string(audit_basis_to_string((AuditBasis) i)) == i;
        for (int i = 0; i < _AUDIT_FOUND_MAX; i++)
                ok &= audit_found_from_string(audit_found_to_string((AuditFound) i)) == i;
        for (int i = 0; i < _AUDIT_WHY_SOURCE_MAX; i++)
                ok &= audit_why_source_from_string(audit_why_source_to_string((AuditWhySource) i)) == i;
        for (int i = 0; i < _AUDIT_VERDICT_MAX; i++)
                ok &= audit_verdict_from_string(audit_verdict_to_string((AuditVerdict) i)) == i;
        tap_ok(ok, "every name can be read back");
        tap_ok(audit_verdict_from_string("fine") < 0 && audit_found_from_string("") < 0, "and no other");
}

int main(void) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                run_case(&cases[i]);
        test_sums();
        test_names();
        return tap_done();
}
