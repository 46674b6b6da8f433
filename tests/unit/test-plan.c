/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* plan.c: what a plan says of each table, its sums, and each way in which there is none, with the words that a person gets. */

#include "plan.h"
#include "error.h"
#include "tap.h"
#include "util.h"

#define GIB (UINT64_C(1) << 30)
#define UUID "0123456789abcdef0123456789abcdef"
#define STR(s) ((char *) (s))
#define PAGE UINT64_C(65536)

/* Hosts as there are. */
static const PolicyFacts powernv = {
        .kvm = true,
        .tce = true,
        .tce_64 = true,
        .tce_vfio = true,
        .multitce = true,
        .range_check.proof = PROOF_YES,
        .range_check_by_probe = true,
};
static const PolicyFacts old_partition = { .kvm = true, .tce = true, .tce_64 = true };
static const PolicyFacts legacy = { .kvm = true, .tce = true };
static const PolicyFacts lpar = { .tce = true, .tce_64 = true, .tce_vfio = true };
static const PolicyFacts x86 = { .kvm = true };

static const PolicySetting automatic = { .numa_node = NUMA_NODE_ANY };
static const PolicySetting kernel_by_default = { .accel = ACCEL_KERNEL, .numa_node = NUMA_NODE_ANY };

/* A disk on a VIO bus, a PHB with emulated devices, a PHB with a passthrough device and its two windows; not in the order of
 * LIOBNs. */
static Window windows[] = {
        { .kind = DEVICE_VFIO, .liobn = 0x80000101, .bus_offset = UINT64_C(1) << 59, .size = 8 * GIB, .page_shift = 16,
          .group = 3, .device = "gpu0" },
        { .kind = DEVICE_PCI, .liobn = 0x80000000, .size = GIB, .page_shift = 12, .group = -1, .device = "pci.0" },
        { .kind = DEVICE_VIO, .liobn = 0x1000, .size = 256 << 20, .page_shift = 12, .group = -1, .device = "disk0" },
        { .kind = DEVICE_VFIO, .liobn = 0x80000100, .size = GIB, .page_shift = 12, .group = 3, .device = "gpu0" },
};

static const Description machine = { .name = STR("db1"), .uuid = UUID, .windows = windows, .n_windows = ELEMENTSOF(windows) };

static const Rules no_rules = {};

/* All that a plan shows, where everything can be in the kernel. */
static void test_plan(void) {
        _cleanup_(plan_clear) Plan plan = {};
        PlanError error = {};

        tap_eq(plan_make(&machine, &powernv, &no_rules, &automatic, PAGE, 4, &plan, &error), 0, "a plan of four tables");
        if (!tap_eq(plan.n_tables, 4, "it has them"))
                return;
        tap_ok(plan.tables[0].window.liobn == 0x1000 && plan.tables[1].window.liobn == 0x80000000 &&
                       plan.tables[2].window.liobn == 0x80000100 && plan.tables[3].window.liobn == 0x80000101,
               "they are in the order of LIOBNs");
        tap_ok(plan.tables[0].verdict.placement == PLACEMENT_KERNEL && plan.tables[1].verdict.placement == PLACEMENT_KERNEL &&
                       plan.tables[2].verdict.placement == PLACEMENT_KERNEL_VFIO &&
                       plan.tables[3].verdict.placement == PLACEMENT_KERNEL_VFIO,
               "each has its place");
        tap_ok(plan.tables[3].entries == 131072 && plan.tables[3].bytes == 1 << 20 && plan.tables[3].window.group == 3,
               "entries and bytes follow from size and page shift");
        tap_ok(plan.tables[0].window.device != windows[2].device && streq(plan.tables[0].window.device, "disk0"),
               "names are copies");
        tap_eq(plan.kernel_bytes, (512 << 10) + (2 << 20) + (2 << 20) + (1 << 20), "bytes in the kernel");
        tap_eq(plan.user_bytes, 0, "bytes in the VMM");
        tap_eq(plan.locked_bytes, (576 + 2112 + 2112 + 1088) << 10, "what the kernel charges, each with its descriptor's page");
        tap_eq(plan.tables[0].locked_bytes, 576 << 10, "and for one table");
        tap_ok(plan.multitce.allowed && plan.multitce.reason == MULTITCE_CHECKED, "multi-TCE is settled for the VM");
        tap_ok(plan_find(&plan, 0x80000100) == &plan.tables[2], "a table is found by its LIOBN");
        tap_ok(!plan_find(&plan, 0x80000102) && !plan_find(&plan, 0), "one that is not there is not");
}

static void test_empty(void) {
        const Description nothing = { .name = STR("db1"), .uuid = UUID };
        _cleanup_(plan_clear) Plan plan = {};
        PlanError error = {};

        tap_eq(plan_make(&nothing, &lpar, &no_rules, &kernel_by_default, PAGE, 0, &plan, &error), 0, "a VM without windows");
        tap_ok(!plan_find(&plan, 0x1000) && plan.locked_bytes == 0, "has no tables");
        plan_clear(&plan);
        plan_clear(&plan);
        tap_ok(plan.n_tables == 0, "a plan can be cleared twice");
}

/* A rule moves two of the tables, another says something of the VM. */
static void test_rules(void) {
        Rule items[] = {
                { .path = STR("/etc/tced/rules.d/10-gpu.rule"), .device = STR("gpu*"), .has_accel = true,
                  .setting.accel = ACCEL_USER, .has_huge_pages = true, .setting.huge_pages = TRISTATE_YES },
                { .path = STR("/etc/tced/rules.d/20-db.rule"), .machine = STR("db*"), .has_multitce = true,
                  .setting.multitce = TRISTATE_NO },
        };
        const Rules rules = { .items = items, .n = ELEMENTSOF(items) };
        _cleanup_(plan_clear) Plan plan = {};
        PlanError error = {};

        if (!tap_eq(plan_make(&machine, &powernv, &rules, &automatic, PAGE, 256, &plan, &error), 0, "a plan by rules"))
                return;
        tap_ok(plan.tables[2].verdict.placement == PLACEMENT_USER && plan.tables[2].verdict.reason == REASON_RULE_USER &&
                       plan.tables[2].setting.huge_pages == TRISTATE_YES,
               "a rule's accel and huge pages");
        tap_streq(plan.tables[2].rule, "/etc/tced/rules.d/10-gpu.rule", "the rule is named");
        tap_ok(plan.tables[2].rule != items[0].path, "by a copy");
        tap_streq(plan.tables[0].rule, "/etc/tced/rules.d/20-db.rule", "the one that matched, though it leaves accel alone");
        tap_eq(plan.user_bytes, 3 << 20, "bytes in the VMM");
        tap_eq(plan.kernel_bytes, (512 << 10) + (2 << 20), "bytes in the kernel");
        tap_eq(plan.locked_bytes, (576 + 2112) << 10, "what is in the VMM is not charged");
        tap_eq(plan.tables[3].locked_bytes, 0, "a `user` table locks nothing");
        tap_ok(!plan.multitce.allowed && plan.multitce.reason == MULTITCE_RULE_NO, "multi-TCE by the rule that names no device");
}

/* A window that can't be, and a demand that can't be met: the error's name, and its text for people. */
static void test_refused(void) {
        static Window window;
        static const Description one = { .name = STR("db1"), .uuid = UUID, .windows = &window, .n_windows = 1 };
        Rule demand = { .path = STR("/etc/tced/rules.d/50-fast.rule"), .has_accel = true, .setting.accel = ACCEL_KERNEL };
        const Rules rules = { .items = &demand, .n = 1 };
        static const struct {
                const char *name;
                const PolicyFacts *facts;
                Window window;
                const char *error, *says;
        } cases[] = {
                { "no KVM", &lpar, { .kind = DEVICE_VIO, .liobn = 0x1000, .size = GIB, .page_shift = 12, .device = "disk0" },
                  TCED_ERROR_KERNEL_DEMANDED,
                  "disk0 (LIOBN 0x00001000): the rule /etc/tced/rules.d/50-fast.rule demands a table in the kernel, but no VM can be "
                  "created with KVM on this host; change it to Accel=auto, or get KVM going" },
                { "no tables in KVM", &x86, { .kind = DEVICE_PCI, .size = GIB, .page_shift = 12, .device = "pci.0" },
                  TCED_ERROR_KERNEL_DEMANDED, "KVM_CAP_SPAPR_TCE); change it to Accel=auto, or run the VM on a POWER host" },
                { "a 64-bit window on an old kernel", &legacy, { .kind = DEVICE_PCI, .size = 4 * GIB, .page_shift = 12 },
                  TCED_ERROR_KERNEL_DEMANDED, "a device without a name (LIOBN 0x00000000): the rule" },
                { "VFIO without the coupling", &old_partition,
                  { .kind = DEVICE_VFIO, .liobn = 0x80000100, .size = GIB, .page_shift = 12, .device = "gpu0" },
                  TCED_ERROR_KERNEL_DEMANDED, "or give the host a kernel with KVM_CAP_SPAPR_TCE_VFIO" },
                { "size zero", &powernv, { .kind = DEVICE_PCI, .liobn = 0x80000000, .page_shift = 12, .device = "pci.0" },
                  TCED_ERROR_INVALID_WINDOW,
                  "pci.0 (LIOBN 0x80000000): the window at 0x0 with 0x0 bytes and page shift 12 has a size of zero" },
                { "page shift 40", &powernv, { .kind = DEVICE_PCI, .size = GIB, .page_shift = 40, .device = "pci.0" },
                  TCED_ERROR_INVALID_WINDOW, "page shift 40 has a page shift outside 12 to 34" },
                { "2^32 TCEs", &powernv,
                  { .kind = DEVICE_PCI, .size = TCE_ENTRIES_LIMIT << 12, .page_shift = 12, .device = "pci.0" },
                  TCED_ERROR_TOO_MANY_ENTRIES, "needs 2^32 TCEs or more; give it larger pages or a smaller size" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Plan plan = { .n_tables = 77 };
                PlanError error = {};
                int r;

                window = cases[i].window;
                r = plan_make(&one, cases[i].facts, &rules, &automatic, PAGE, 1, &plan, &error);
                tap_ok(r == -EINVAL && plan.n_tables == 77 && !plan.tables, "refused: %s", cases[i].name);
                tap_streq(error.name, cases[i].error, "by name");
                if (!tap_ok(strstr(error.text, cases[i].says), "and in words"))
                        printf("# %s\n", error.text);
        }
        window = (Window) { .kind = DEVICE_VIO, .size = GIB, .page_shift = 12, .device = "disk0" };
        PlanError error = {};
        tap_eq(plan_make(&one, &lpar, &no_rules, &kernel_by_default, PAGE, 1, &(Plan) {}, &error), -EINVAL,
               "refused: by the default");
        tap_ok(strstr(error.text, "disk0 (LIOBN 0x00000000): the default Accel=kernel in tced.conf demands a table in the kernel"),
               "which is named as such");
}

/* What is wrong with the windows taken together. */
static void test_conflicts(void) {
        Window two[] = {
                { .kind = DEVICE_VIO, .liobn = 0x1000, .size = GIB, .page_shift = 12, .device = "disk0" },
                { .kind = DEVICE_VIO, .liobn = 0x2000, .size = GIB, .page_shift = 12, .device = "disk1" },
                { .kind = DEVICE_VIO, .liobn = 0x1000, .size = GIB, .page_shift = 12, .device = "net0" },
        };
        const Description d = { .name = STR("db1"), .uuid = UUID, .windows = two, .n_windows = 3 };
        Plan plan = { .n_tables = 77 };
        PlanError error = {};

        tap_eq(plan_make(&d, &powernv, &no_rules, &automatic, PAGE, 3, &plan, &error), -EINVAL, "a LIOBN twice");
        tap_streq(error.name, TCED_ERROR_LIOBN_TAKEN, "by name");
        tap_ok(strstr(error.text, "LIOBN 0x00001000 is used twice, by ") && strstr(error.text, "disk0") &&
                       strstr(error.text, "net0") && strstr(error.text, "give one of them another"),
               "both devices and the remedy are named");
        tap_eq(plan_make(&d, &powernv, &no_rules, &automatic, PAGE, 2, &plan, &error), -EINVAL, "more windows than may be");
        tap_streq(error.name, TCED_ERROR_LIMIT_EXCEEDED, "by name");
        tap_streq(error.text,
                  "the VM has 3 windows, 2 is the most; give it fewer devices or raise TablesPerMachineMax= in tced.conf",
                  "with the limit and what to raise");
        tap_eq(plan.n_tables, 77, "a plan that was not made is untouched");
}

/* A client may choose names of any length: the text is cut, never what matters in it. */
static void test_long_names(void) {
        char name[2000], path[2000];
        Window window = { .kind = DEVICE_VIO, .liobn = 0x1000, .size = GIB, .page_shift = 12, .device = name };
        const Description d = { .name = STR("db1"), .uuid = UUID, .windows = &window, .n_windows = 1 };
        Rule rule = { .path = path, .has_accel = true, .setting.accel = ACCEL_KERNEL };
        const Rules rules = { .items = &rule, .n = 1 };
        const PolicyFacts *facts[] = { &lpar, &x86 };
        PlanError error;

        memset(name, 'n', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        memset(path, 'p', sizeof(path) - 1);
        memcpy(path + sizeof(path) - 9, "/50.rule", 9);
        for (size_t i = 0; i < ELEMENTSOF(facts); i++) {
                tap_eq(plan_make(&d, facts[i], &rules, &automatic, PAGE, 1, &(Plan) {}, &error), -EINVAL, "long names, case %zu", i);
                tap_ok(strstr(error.text, "(LIOBN 0x00001000)") && strstr(error.text, "/50.rule demands") &&
                               strstr(error.text, "Accel=auto, or "),
                       "LIOBN, rule and remedy are all there");
        }
}

/* The kernel refuses when the VM starts: the sums have to follow. */
static void test_table_refused(void) {
        _cleanup_(plan_clear) Plan plan = {};
        PlanError error = {};
        PlanTable *table;

        if (!tap_eq(plan_make(&machine, &powernv, &no_rules, &automatic, PAGE, 4, &plan, &error), 0, "a plan"))
                return;
        table = plan_find(&plan, 0x1000);
        plan_table_refused(&plan, table);
        tap_ok(table->verdict.placement == PLACEMENT_USER && table->verdict.reason == REASON_KERNEL_REFUSED &&
                       table->locked_bytes == 0,
               "a table that the kernel refused moves to the VMM");
        tap_ok(plan.user_bytes == 512 << 10 && plan.kernel_bytes == 5 << 20 &&
                       plan.locked_bytes == (2112 + 2112 + 1088) << 10,
               "the sums follow");
        plan_table_refused(&plan, table);
        tap_eq(plan.user_bytes, 512 << 10, "once");
        for (size_t i = 0; i < plan.n_tables; i++)
                plan_table_refused(&plan, &plan.tables[i]);
        tap_ok(plan.kernel_bytes == 0 && plan.locked_bytes == 0, "nothing is left in the kernel when all were refused");
}

/* The charge depends on the host's pages; both values were seen on real kernels. */
static void test_page_sizes(void) {
        static const struct {
                uint64_t page_size, want;
        } cases[] = { { 4096, 2056 << 10 }, { 65536, 2112 << 10 } };
        const Description d = { .name = STR("db1"), .windows = &windows[1], .n_windows = 1 };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(plan_clear) Plan plan = {};
                PlanError error = {};

                (void) plan_make(&d, &powernv, &no_rules, &automatic, cases[i].page_size, 1, &plan, &error);
                tap_eq(plan.locked_bytes, cases[i].want, "the default window's charge with pages of %" PRIu64 " bytes",
                       cases[i].page_size);
        }
}

static void test_description(void) {
        Description d = { .name = strdup("db1"), .windows = calloc(2, sizeof(Window)), .n_windows = 2 };

        d.windows[0].device = strdup("disk0");
        description_clear(&d);
        tap_ok(!d.name && !d.windows && d.n_windows == 0, "a description is cleared, a device without a name too");
        description_clear(&d);
        tap_ok(!d.windows, "an empty one too");
}

int main(void) {
        test_plan();
        test_empty();
        test_rules();
        test_refused();
        test_conflicts();
        test_long_names();
        test_table_refused();
        test_page_sizes();
        test_description();
        return tap_done();
}
