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

/* Windows that nobody knew of, as they are opened: each once, in the order of LIOBNs and page shifts, no more than may be. */
static void test_opened(void) {
        static const struct {
                const char *name;
                uint32_t liobn, shift;
                uint64_t entries;
                Placement placement;
                int want;
                size_t n, at;
        } cases[] = {
                { "one", 0x80000101, 24, 128, PLACEMENT_USER, 1, 1, 0 },
                { "the same once more", 0x80000101, 24, 128, PLACEMENT_USER, 0, 1, 0 },
                { "one of a lower LIOBN", 0x80000001, 16, 4096, PLACEMENT_KERNEL, 1, 2, 0 },
                { "one of other pages", 0x80000101, 16, 4096, PLACEMENT_USER, 1, 3, 1 },
                { "the first with another size", 0x80000101, 24, 256, PLACEMENT_USER, 1, 3, 2 },
                { "and in another place", 0x80000101, 24, 256, PLACEMENT_KERNEL, 1, 3, 2 },
                { "one too many", 0x80000201, 16, 4096, PLACEMENT_USER, 0, 3, 2 },
        };
        _cleanup_(plan_clear) Plan plan = {};

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                PlanTable t = {
                        .window = { .liobn = cases[i].liobn, .page_shift = cases[i].shift, .bus_offset = UINT64_C(1) << 59, .likely = true },
                        .entries = cases[i].entries, .verdict = { .placement = cases[i].placement },
                };
                const PlanTable *got;

                tap_eq(plan_note_opened(&plan, &t, 3), cases[i].want, "opened: %s", cases[i].name);
                if (!tap_eq(plan.n_dynamic, cases[i].n, "opened: %s: so many are known", cases[i].name) || cases[i].want == 0)
                        continue;
                got = &plan.dynamic[cases[i].at];
                tap_ok(got->window.liobn == t.window.liobn && got->window.page_shift == t.window.page_shift && got->entries == t.entries &&
                               got->verdict.placement == t.verdict.placement && got->window.dynamic && !got->window.likely,
                       "opened: %s: as it is, in its place", cases[i].name);
        }
        tap_ok(plan.n_tables == 0 && plan.dynamic_user_bytes == 0, "opened: no sum has changed");
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

/* A PHB with a passthrough device as a domain has it: its default window and one for each page size that the guest may ask for, of
 * which Linux takes the largest. Not in the order of LIOBNs. */
#define DYNAMIC(l, shift, is_likely)                                                                                    \
        { .kind = DEVICE_VFIO, .liobn = (l), .bus_offset = UINT64_C(1) << 59, .size = 8 * GIB, .page_shift = (shift),   \
          .group = 3, .dynamic = true, .likely = (is_likely), .device = "pci.1" }

static Window domain_windows[] = {
        DYNAMIC(0x80000101, 24, true),
        DYNAMIC(0x80000101, 12, false),
        DYNAMIC(0x80000001, 16, true),
        { .kind = DEVICE_VFIO, .liobn = 0x80000100, .size = GIB, .page_shift = 12, .group = 3, .likely = true,
          .device = "pci.1" },
        DYNAMIC(0x80000101, 16, false),
        { .kind = DEVICE_VIO, .liobn = 0x1000, .size = 256 << 20, .page_shift = 12, .group = -1, .device = "net0" },
};

static const Description domain = {
        .name = STR("web1"),
        .uuid = UUID,
        .windows = domain_windows,
        .n_windows = ELEMENTSOF(domain_windows),
};

/* What may come is planned beside what there is. */
static void test_dynamic(void) {
        _cleanup_(plan_clear) Plan plan = {};
        PlanError error = {};

        tap_eq(plan_make(&domain, &powernv, &no_rules, &automatic, PAGE, 2, &plan, &error), 0,
               "windows that may come count for no limit");
        tap_ok(plan.n_tables == 2 && plan.tables[0].window.liobn == 0x1000 && plan.tables[1].window.liobn == 0x80000100,
               "the others are tables");
        if (!tap_eq(plan.n_dynamic, 4, "they are not"))
                return;
        tap_ok(plan.dynamic[0].window.liobn == 0x80000001 && plan.dynamic[1].window.page_shift == 12 &&
                       plan.dynamic[2].window.page_shift == 16 && plan.dynamic[3].window.page_shift == 24,
               "they are in the order of LIOBNs and page shifts, and may share a LIOBN");
        tap_ok(plan.dynamic[3].verdict.placement == PLACEMENT_KERNEL_VFIO && plan.dynamic[3].entries == 512 &&
                       plan.dynamic[3].bytes == 4096 && plan.dynamic[3].locked_bytes == 128 << 10,
               "each is decided and counted");
        tap_ok(plan.dynamic[0].window.device != domain_windows[2].device, "names are copies");
        tap_eq(plan.kernel_bytes, (2 << 20) + (512 << 10), "the sums are those of the tables");
        tap_eq(plan.dynamic_kernel_bytes, (1 << 20) + 4096, "of those that may come only the likely ones are counted");
        tap_eq(plan.dynamic_locked_bytes, (1088 << 10) + (128 << 10), "and what the kernel charges for them");
        tap_eq(plan.dynamic_user_bytes, 0, "none is in the VMM");
        tap_ok(!plan_find(&plan, 0x80000101), "none is found as a table");
        plan_clear(&plan);
        tap_ok(plan.n_dynamic == 0 && !plan.dynamic, "a plan is cleared of them");

        tap_eq(plan_make(&domain, &old_partition, &no_rules, &automatic, PAGE, 2, &plan, &error), 0, "where KVM can't hold them");
        tap_eq(plan.dynamic_user_bytes, (1 << 20) + 4096, "they are counted in the VMM");
        tap_eq(plan.dynamic_kernel_bytes + plan.dynamic_locked_bytes, 0, "and nowhere else");
}

/* What the guest may ask for in vain is no reason to refuse the VM. */
static void test_dynamic_refused(void) {
        Rule demand = { .path = STR("50-fast.rule"), .device = STR("pci.1"), .has_accel = true, .setting.accel = ACCEL_KERNEL };
        const Rules rules = { .items = &demand, .n = 1 };
        Window two[] = {
                { .kind = DEVICE_PCI, .liobn = 0x80000000, .size = GIB, .page_shift = 12, .group = -1, .device = "pci.0" },
                { .kind = DEVICE_PCI, .liobn = 0x80000101, .bus_offset = UINT64_C(1) << 59, .size = TCE_ENTRIES_LIMIT << 12,
                  .page_shift = 12, .group = -1, .dynamic = true, .likely = true, .device = "pci.1" },
        };
        const Description d = { .name = STR("web1"), .windows = two, .n_windows = 2 };
        _cleanup_(plan_clear) Plan plan = {};
        PlanError error = {};

        tap_eq(plan_make(&d, &powernv, &no_rules, &automatic, PAGE, 1, &plan, &error), 0,
               "a window that may come with 2^32 TCEs");
        tap_ok(plan.dynamic[0].verdict.refused && plan.dynamic[0].verdict.reason == REASON_TOO_MANY_ENTRIES &&
                       plan.dynamic[0].entries == TCE_ENTRIES_LIMIT && plan.dynamic[0].locked_bytes == 0,
               "stays, refused, with its number");
        tap_eq(plan.dynamic_kernel_bytes + plan.dynamic_user_bytes + plan.dynamic_locked_bytes, 0, "and counts nowhere");
        plan_clear(&plan);
        two[1].size = GIB;
        tap_eq(plan_make(&d, &legacy, &rules, &automatic, PAGE, 1, &plan, &error), 0, "one that a rule demands in vain");
        tap_ok(plan.dynamic[0].verdict.refused && plan.dynamic[0].verdict.reason == REASON_NO_TCE_64 && plan.dynamic[0].rule &&
                       streq(plan.dynamic[0].rule, "50-fast.rule"),
               "stays, refused, with the rule");
}

/* Of a domain everything stays in the plan, so that a person sees all that is wrong at once. */
static void test_survey(void) {
        Rule demand = { .path = STR("50-fast.rule"), .kind = STR("vfio"), .has_accel = true, .setting.accel = ACCEL_KERNEL };
        const Rules rules = { .items = &demand, .n = 1 };
        Window four[] = {
                { .kind = DEVICE_VIO, .liobn = 0x1000, .size = GIB, .page_shift = 12, .group = -1, .device = "net1" },
                { .kind = DEVICE_VIO, .liobn = 0x1000, .size = GIB, .page_shift = 12, .group = -1, .device = "net0" },
                { .kind = DEVICE_PCI, .liobn = 0x80000000, .size = UINT64_MAX & ~UINT64_C(4095), .page_shift = 12, .group = -1,
                  .device = "pci.0" },
                { .kind = DEVICE_VFIO, .liobn = 0x80000100, .size = GIB, .page_shift = 12, .group = 3, .device = "pci.1" },
                { .kind = DEVICE_PCI, .liobn = 0x80000200, .size = GIB, .page_shift = 11, .group = -1, .device = "pci.2" },
        };
        const Description d = { .name = STR("web1"), .windows = four, .n_windows = ELEMENTSOF(four) };
        _cleanup_(plan_clear) Plan plan = {};
        PlanError error = {};

        if (!tap_eq(plan_survey(&d, &old_partition, &rules, &automatic, PAGE, &plan, &error), 0,
                    "a survey never fails for a window"))
                return;
        tap_ok(plan.n_tables == 5 && streq(plan.tables[0].window.device, "net0") && streq(plan.tables[1].window.device, "net1"),
               "a LIOBN that occurs twice is there twice, by name");
        tap_ok(plan.tables[2].verdict.refused && plan.tables[2].verdict.reason == REASON_TOO_MANY_ENTRIES &&
                       plan.tables[2].entries == UINT64_MAX >> 12 && plan.tables[2].bytes == (UINT64_MAX >> 12) * 8,
               "a window that is too large is refused, with its number of TCEs");
        tap_ok(plan.tables[3].verdict.refused && plan.tables[3].verdict.reason == REASON_NO_VFIO_COUPLING && plan.tables[3].rule &&
                       plan.tables[3].locked_bytes == 0,
               "so is one whose place is demanded in vain");
        tap_ok(plan.tables[4].verdict.refused && plan.tables[4].verdict.reason == REASON_INVALID_WINDOW && plan.tables[4].entries == 0,
               "and one with pages that there are not");
        tap_eq(plan.kernel_bytes, 4 << 20, "only what can be is counted");
        tap_eq(plan.user_bytes, 0, "nothing is in the VMM");
        tap_ok(error.name == NULL, "no error is told");
        plan_clear(&plan);
        tap_eq(plan_make(&d, &old_partition, &rules, &automatic, PAGE, 9, &plan, &error), -EINVAL, "the same windows make no plan");
}

/* A domain of type qemu: nothing of the host matters. */
static void test_without_kvm(void) {
        Rule items[] = {
                { .path = STR("10-net.rule"), .device = STR("net0"), .has_accel = true, .setting.accel = ACCEL_USER },
                { .path = STR("50-fast.rule"), .kind = STR("vfio"), .has_accel = true, .setting.accel = ACCEL_KERNEL },
        };
        const Rules rules = { .items = items, .n = 2 };
        Description d = domain;
        _cleanup_(plan_clear) Plan plan = {};
        PlanError error = {};
        bool all = true;

        d.no_kvm = true;
        tap_eq(plan_make(&d, &powernv, &no_rules, &automatic, PAGE, 2, &plan, &error), 0, "a VM without KVM");
        for (size_t i = 0; i < plan.n_tables; i++)
                all &= plan.tables[i].verdict.placement == PLACEMENT_USER && plan.tables[i].verdict.reason == REASON_TCG;
        for (size_t i = 0; i < plan.n_dynamic; i++)
                all &= plan.dynamic[i].verdict.placement == PLACEMENT_USER && plan.dynamic[i].verdict.reason == REASON_TCG;
        tap_ok(all, "has all of its tables in the VMM");
        tap_ok(plan.locked_bytes == 0 && plan.dynamic_locked_bytes == 0 && plan.user_bytes == (2 << 20) + (512 << 10), "at no charge");
        tap_ok(!plan.multitce.allowed && plan.multitce.reason == MULTITCE_TCG, "and no multi-TCE");
        plan_clear(&plan);
        tap_eq(plan_make(&d, &powernv, &rules, &automatic, PAGE, 2, &plan, &error), -EINVAL, "a rule that demands the kernel");
        tap_streq(error.text,
                  "pci.1 (LIOBN 0x80000100): the rule 50-fast.rule demands a table in the kernel, but the VM runs without KVM "
                  "(type='qemu'); change it to Accel=auto, or make the domain one of type='kvm'",
                  "can't be met");
        tap_eq(plan_survey(&d, &powernv, &rules, &automatic, PAGE, &plan, &error), 0, "in a survey");
        tap_ok(plan.tables[0].verdict.reason == REASON_TCG && !plan.tables[0].verdict.refused, "a rule for the VMM is none that matters");
        tap_ok(plan.tables[1].verdict.refused && plan.tables[1].verdict.reason == REASON_TCG, "the demand is refused for that reason");
}

int main(void) {
        test_plan();
        test_empty();
        test_rules();
        test_refused();
        test_conflicts();
        test_long_names();
        test_table_refused();
        test_opened();
        test_page_sizes();
        test_description();
        test_dynamic();
        test_dynamic_refused();
        test_survey();
        test_without_kvm();
        return tap_done();
}
