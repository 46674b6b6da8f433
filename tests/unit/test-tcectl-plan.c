/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The screens of plan, check and explain, from what a tced might answer: exact ones, and for odd, hostile and mutated answers what must
 * hold on every screen. */

#include <locale.h>

#include "render.h"
#include "tap.h"
#include "tcectl-fixtures.h"
#include "tcectl-plans.h"
#include "tcectl-screens.h"
#include "util.h"
#include "view.h"

typedef enum Screen {
        SCREEN_PLAN,
        SCREEN_PLAN_VERBOSE,
        SCREEN_CHECK,
        SCREEN_ATTACH, /* against fixture_plan_before */
        SCREEN_EXPLAIN,
        _SCREEN_MAX,
} Screen;

static const char *const screen_names[_SCREEN_MAX] = { "plan", "plan -v", "check", "check --attach", "explain" };

/* A screen as a text that the caller frees; *ret_r is what the function gave. */
static char *render(Screen screen, json_object *json, Output out, int *ret_r) {
        json_object *before = fixture(fixture_plan_before);
        char *text = NULL;
        size_t size;

        out.f = open_memstream(&text, &size);
        out.verbose = screen == SCREEN_PLAN_VERBOSE;
        switch (screen) {
        case SCREEN_PLAN:
        case SCREEN_PLAN_VERBOSE:
                *ret_r = render_plan(json, &out);
                break;
        case SCREEN_CHECK:
                *ret_r = render_check(json, NULL, &out);
                break;
        case SCREEN_ATTACH:
                *ret_r = render_check(json, before, &out);
                break;
        case SCREEN_EXPLAIN:
        case _SCREEN_MAX:
                *ret_r = render_explain(json, &out);
                break;
        }
        (void) fclose(out.f);
        (void) json_object_put(before);
        return text;
}

static void expect(Screen screen, const char *text, unsigned width, const char *want) {
        json_object *json = fixture(text);
        int r;
        _cleanup_free_ char *have = render(screen, json, (Output){ .width = width, .legend = true }, &r);

        tap_eq(r, 0, "%s at %u columns: rendered", screen_names[screen], width);
        if (!tap_ok(streq(have, want), "%s at %u columns: the text", screen_names[screen], width))
                printf("# have\n%s# want\n%s", have, want);
        (void) json_object_put(json);
}

static void test_plan(void) {
        expect(SCREEN_PLAN, fixture_plan, 80,
               "web1: starts, with 1 warning\n"
               "Slow: 3 of 5 tables in the VMM. Each TCE of net0 and pci.1 is an exit.\n"
               "\n"
               "LIOBN     DEVICE  WINDOW            PAGES    TCES    BYTES  WHEN    PLACEMENT\n"
               "00001000  net0    256 MiB at 0      4 KiB   64 Ki  512 KiB  start   user\n"
               "          rule-user: A rule keeps it out of the kernel; by\n"
               "          /etc/tced/rules.d/50-web.rule\n"
               "80000000  pci.0   1 GiB at 0        4 KiB  256 Ki    2 MiB  start   kernel\n"
               "80000001  pci.0   512 GiB at 2^59  16 MiB   32 Ki  256 KiB  likely  kernel\n"
               "80000100  pci.1   1 GiB at 0        4 KiB  256 Ki    2 MiB  start   user\n"
               "          no-vfio-coupling: KVM can not link it to the group\n"
               "80000101  pci.1   512 GiB at 2^59   4 KiB  128 Mi    1 GiB  maybe   none\n"
               "          invalid-window: No table can have this geometry\n"
               "80000101  pci.1   512 GiB at 2^59  16 MiB   32 Ki  256 KiB  likely  user\n"
               "          no-vfio-coupling, as 80000100\n"
               "likely: made when the guest asks, as Linux does; maybe: as others may.\n"
               "\n"
               "PHB  BUS    DMA       DEVICES\n"
               "  0  pci.0  emulated  usb, video0\n"
               "  1  pci.1  mixed     hostdev0 (0001:00:00.0, group 3), hostdev1 (0009:00:00.0),\n"
               "                      net1\n"
               "  2  pci.2  none\n"
               "\n"
               "Tables    2304 KiB in the kernel, 2816 KiB in the VMM\n"
               "Locked    1026 MiB will be charged, of 4120 MiB that libvirt allows\n"
               "MultiTCE  in KVM: no: nothing shows that guests stay in their windows\n"
               "\n"
               "FINDINGS\n"
               "warning  mixed-phb (pci.1)\n"
               "         hostdev0 and net1 share a PHB, and on this host that takes both out of\n"
               "         the kernel.\n"
               "         Remedy: Move net1 to PHB 0, bus 0x00.\n"
               "info     no-maxmemory (web1)\n"
               "         Good to know.\n");
}

static void test_plan_narrow(void) {
        expect(SCREEN_PLAN, fixture_plan, 40,
               "web1: starts, with 1 warning\n"
               "Slow: 3 of 5 tables in the VMM. Each TCE\n"
               "of net0 and pci.1 is an exit.\n"
               "\n"
               "00001000\n"
               "    DEVICE net0\n"
               "    WINDOW 256 MiB at 0\n"
               "    PAGES 4 KiB\n"
               "    TCES 64 Ki\n"
               "    BYTES 512 KiB\n"
               "    WHEN start\n"
               "    PLACEMENT user\n"
               "    REASON rule-user: A rule keeps it\n"
               "      out of the kernel; by\n"
               "      /etc/tced/rules.d/50-web.rule\n"
               "80000000\n"
               "    DEVICE pci.0\n"
               "    WINDOW 1 GiB at 0\n"
               "    PAGES 4 KiB\n"
               "    TCES 256 Ki\n"
               "    BYTES 2 MiB\n"
               "    WHEN start\n"
               "    PLACEMENT kernel\n"
               "80000001\n"
               "    DEVICE pci.0\n"
               "    WINDOW 512 GiB at 2^59\n"
               "    PAGES 16 MiB\n"
               "    TCES 32 Ki\n"
               "    BYTES 256 KiB\n"
               "    WHEN likely\n"
               "    PLACEMENT kernel\n"
               "80000100\n"
               "    DEVICE pci.1\n"
               "    WINDOW 1 GiB at 0\n"
               "    PAGES 4 KiB\n"
               "    TCES 256 Ki\n"
               "    BYTES 2 MiB\n"
               "    WHEN start\n"
               "    PLACEMENT user\n"
               "    REASON no-vfio-coupling: KVM can not\n"
               "      link it to the group\n"
               "80000101\n"
               "    DEVICE pci.1\n"
               "    WINDOW 512 GiB at 2^59\n"
               "    PAGES 4 KiB\n"
               "    TCES 128 Mi\n"
               "    BYTES 1 GiB\n"
               "    WHEN maybe\n"
               "    PLACEMENT none\n"
               "    REASON invalid-window: No table can\n"
               "      have this geometry\n"
               "80000101\n"
               "    DEVICE pci.1\n"
               "    WINDOW 512 GiB at 2^59\n"
               "    PAGES 16 MiB\n"
               "    TCES 32 Ki\n"
               "    BYTES 256 KiB\n"
               "    WHEN likely\n"
               "    PLACEMENT user\n"
               "    REASON no-vfio-coupling, as 80000100\n"
               "likely: made when the guest asks, as\n"
               "Linux does; maybe: as others may.\n"
               "\n"
               "PHB  BUS    DMA\n"
               "  0  pci.0  emulated\n"
               "     usb, video0\n"
               "  1  pci.1  mixed\n"
               "     hostdev0 (0001:00:00.0, group 3),\n"
               "     hostdev1 (0009:00:00.0), net1\n"
               "  2  pci.2  none\n"
               "\n"
               "Tables    2304 KiB in the kernel, 2816\n"
               "          KiB in the VMM\n"
               "Locked    1026 MiB will be charged, of\n"
               "          4120 MiB that libvirt allows\n"
               "MultiTCE  in KVM: no: nothing shows that\n"
               "          guests stay in their windows\n"
               "\n"
               "FINDINGS\n"
               "warning  mixed-phb (pci.1)\n"
               "         hostdev0 and net1 share a PHB,\n"
               "         and on this host that takes\n"
               "         both out of the kernel.\n"
               "         Remedy: Move net1 to PHB 0, bus\n"
               "         0x00.\n"
               "info     no-maxmemory (web1)\n"
               "         Good to know.\n");
}

static void test_plan_others(void) {
        expect(SCREEN_PLAN, fixture_plan_x86, 80,
               "desk: starts\n"
               "It is no pseries machine: it has no TCE tables.\n"
               "\n"
               "Tables    0 B in the kernel, 0 B in the VMM\n"
               "Locked    0 B will be charged; libvirt sets no limit\n");
        expect(SCREEN_PLAN, fixture_plan_bad, 80,
               "db: does not start: 2 errors and 1 warning\n"
               "1 of 1 table can't be made.\n"
               "\n"
               "80000000\n"
               "    DEVICE pci.0\n"
               "    WINDOW 16 TiB at 2^12\n"
               "    PAGES 4 KiB\n"
               "    TCES 4294967297\n"
               "    BYTES 34359738376 B\n"
               "    WHEN start\n"
               "    PLACEMENT none\n"
               "    REASON too-many-entries: It has 2^32 TCEs or more\n"
               "\n"
               "Tables    0 B in the kernel, 0 B in the VMM\n"
               "Locked    128 KiB will be charged, more than the 64 KiB that libvirt allows\n"
               "\n"
               "FINDINGS\n"
               "error    window-too-large (pci.0)\n"
               "         Two.\n"
               "         Remedy: Do two.\n"
               "error    memlock-low (db)\n"
               "         Three.\n"
               "         Remedy: Do three.\n"
               "warning  slow-path (db)\n"
               "         One.\n"
               "         Remedy: Do one.\n");
}

/* Every window that the guest may ask for, every reason, slots, page sizes, nodes, VIO devices without a table. */
static void test_verbose(void) {
        expect(SCREEN_PLAN_VERBOSE, fixture_plan, 80,
               "web1: starts, with 1 warning\n"
               "Slow: 3 of 5 tables in the VMM. Each TCE of net0 and pci.1 is an exit.\n"
               "\n"
               "LIOBN     DEVICE  WINDOW            PAGES    TCES    BYTES  WHEN    PLACEMENT\n"
               "00001000  net0    256 MiB at 0      4 KiB   64 Ki  512 KiB  start   user\n"
               "          rule-user: A rule keeps it out of the kernel; by\n"
               "          /etc/tced/rules.d/50-web.rule\n"
               "80000000  pci.0   1 GiB at 0        4 KiB  256 Ki    2 MiB  start   kernel\n"
               "          in-kernel: KVM can hold it\n"
               "80000001  pci.0   512 GiB at 2^59   4 KiB  128 Mi    1 GiB  maybe   kernel\n"
               "          in-kernel, as 80000000\n"
               "80000001  pci.0   512 GiB at 2^59  16 MiB   32 Ki  256 KiB  likely  kernel\n"
               "          in-kernel, as 80000000\n"
               "80000100  pci.1   1 GiB at 0        4 KiB  256 Ki    2 MiB  start   user\n"
               "          no-vfio-coupling: KVM can not link it to the group\n"
               "80000101  pci.1   512 GiB at 2^59   4 KiB  128 Mi    1 GiB  maybe   none\n"
               "          invalid-window: No table can have this geometry\n"
               "80000101  pci.1   512 GiB at 2^59  16 MiB   32 Ki  256 KiB  likely  user\n"
               "          no-vfio-coupling, as 80000100\n"
               "likely: made when the guest asks, as Linux does; maybe: as others may.\n"
               "\n"
               "PHB  BUS    DMA       DEVICES\n"
               "  0  pci.0  emulated  usb at 01.0, video0 at 1f.7\n"
               "     64-bit windows with pages of 4 KiB, 16 MiB\n"
               "  1  pci.1  mixed     hostdev0 at 01.0 (0001:00:00.0, group 3), hostdev1\n"
               "                      (0009:00:00.0), net1 at 02.0\n"
               "     64-bit windows with pages of 4 KiB, 16 MiB; NUMA node 8\n"
               "  2  pci.2  none\n"
               "     No 64-bit windows\n"
               "\n"
               "VIO       net0 (00001000), serial0 (30000000, no DMA)\n"
               "Tables    2304 KiB in the kernel, 2816 KiB in the VMM\n"
               "Locked    1026 MiB will be charged, of 4120 MiB that libvirt allows\n"
               "MultiTCE  in KVM: no: nothing shows that guests stay in their windows\n"
               "\n"
               "FINDINGS\n"
               "warning  mixed-phb (pci.1)\n"
               "         hostdev0 and net1 share a PHB, and on this host that takes both out of\n"
               "         the kernel.\n"
               "         Remedy: Move net1 to PHB 0, bus 0x00.\n"
               "info     no-maxmemory (web1)\n"
               "         Good to know.\n");
}

/* Worst first; what a device brings is told apart from what there was without it. */
static void test_check(void) {
        expect(SCREEN_CHECK, fixture_plan, 80,
               "web1: starts, with 1 warning\n"
               "\n"
               "warning  mixed-phb (pci.1)\n"
               "         hostdev0 and net1 share a PHB, and on this host that takes both out of\n"
               "         the kernel.\n"
               "         Remedy: Move net1 to PHB 0, bus 0x00.\n"
               "info     no-maxmemory (web1)\n"
               "         Good to know.\n");
        expect(SCREEN_CHECK, fixture_plan_x86, 80,
               "desk: starts\n");
        expect(SCREEN_CHECK, fixture_plan_bad, 80,
               "db: does not start: 2 errors and 1 warning\n"
               "\n"
               "error    window-too-large (pci.0)\n"
               "         Two.\n"
               "         Remedy: Do two.\n"
               "error    memlock-low (db)\n"
               "         Three.\n"
               "         Remedy: Do three.\n"
               "warning  slow-path (db)\n"
               "         One.\n"
               "         Remedy: Do one.\n");
        expect(SCREEN_ATTACH, fixture_plan_bad, 80,
               "db: does not take the device: 2 errors\n"
               "\n"
               "WITH THE DEVICE\n"
               "error    window-too-large (pci.0)\n"
               "         Two.\n"
               "         Remedy: Do two.\n"
               "error    memlock-low (db)\n"
               "         Three.\n"
               "         Remedy: Do three.\n"
               "\n"
               "WITHOUT IT TOO\n"
               "warning  slow-path (db)\n"
               "         One.\n"
               "         Remedy: Do one.\n");
        expect(SCREEN_ATTACH, fixture_plan_x86, 80,
               "desk: takes the device\n");
}

static void test_explain(void) {
        expect(SCREEN_EXPLAIN, fixture_machine, 80,
               "web1 runs as process 811; claimed, known by libvirt's hook.\n"
               "Slow: 1 of 3 tables in the VMM. Each TCE of net0 is an exit.\n"
               "\n"
               "71000001  net0 (vio)\n"
               "  Place   in the VMM: each hypercall that sets a TCE exits to it, several times\n"
               "          slower than in KVM\n"
               "  Why     the VMM tried, the kernel refused (kernel-refused); the kernel said:\n"
               "          Cannot allocate memory\n"
               "  Rule    none matches; the default is Accel=auto\n"
               "  Window  256 MiB at 0x3000, pages of 4 KiB: 65536 TCEs in 512 KiB of huge\n"
               "          pages; handed-out\n"
               "\n"
               "80000000  pci.0 (pci)\n"
               "  Place   in the kernel: KVM sets each TCE, without an exit\n"
               "  Why     KVM can hold it (in-kernel)\n"
               "  Rule    /etc/tced/rules.d/10-fast.rule: Accel=kernel\n"
               "  Window  1 GiB at 0, pages of 4 KiB: 262144 TCEs in 2 MiB; made\n"
               "\n"
               "80000100  pci.1 (vfio)\n"
               "  Place   in the kernel, linked to IOMMU group 3: KVM sets each TCE and maps it\n"
               "          for the group's devices, without an exit\n"
               "  Why     KVM can hold it and link it (in-kernel-linked)\n"
               "  Rule    none matches; the default is Accel=auto\n"
               "  Window  1 GiB at 0, pages of 4 KiB: 262144 TCEs in 2 MiB; made\n"
               "\n"
               "64-BIT WINDOWS THAT THE GUEST MAY ASK FOR\n"
               "LIOBN     DEVICE  WINDOW          PAGES    TCES  BYTES  WHEN    PLACEMENT\n"
               "80000001  pci.0   8 GiB at 2^59  64 KiB  128 Ki  1 MiB  maybe   kernel\n"
               "80000001  pci.0   8 GiB at 2^59  16 MiB     512  4 KiB  likely  kernel\n"
               "likely: made when the guest asks, as Linux does; maybe: as others may.\n"
               "\n"
               "Memory    tables of 4 MiB in the kernel and 512 KiB in the VMM; 4224 KiB are\n"
               "          charged to the VMM's locked memory for them\n"
               "Locked    4352 KiB will be charged, of 4218880 KiB that libvirt allows\n"
               "MultiTCE  not allowed in KVM: H_PUT_TCE_INDIRECT and H_STUFF_TCE, which set many\n"
               "          TCEs at once, exit to the VMM. Why: nothing shows that guests stay in\n"
               "          their windows (unknown)\n"
               "\n"
               "FINDINGS\n"
               "warning  slow-path (liobn 71000001)\n"
               "         Its table is in the VMM.\n"
               "         Remedy: Change the rule.\n");
        /* What was found goes before what was planned. */
        expect(SCREEN_EXPLAIN, "{ 'name': 'db1', 'state': 'registered', 'source': 'libvirt', 'pid': 0, 'audit': { 'pid': 405, 'verdict': 'slow-path' },"
               " 'tables': [ { 'liobn': 4096, 'device': 'net0', 'kind': 'vio', 'placement': 'kernel', 'reason': 'in-kernel', 'slow': false,"
               " 'found': 'kernel' }, { 'liobn': 2147483648, 'device': 'pci.0', 'kind': 'pci', 'placement': 'kernel', 'reason': 'in-kernel',"
               " 'slow': true, 'found': 'missing', 'found_why': 'the locked-memory limit is 2 MiB' } ] }", 80,
               "db1 runs as process 405, which has not claimed it; registered, known by\n"
               "libvirt's hook.\n"
               "Slow: 1 of 2 tables in the VMM. Each TCE of pci.0 is an exit.\n"
               "\n"
               "80000000  pci.0 (pci)\n"
               "  Place   planned in the kernel, and not found there (missing): each hypercall\n"
               "          that sets a TCE exits to the VMM, several times slower than in KVM\n"
               "  Why     the locked-memory limit is 2 MiB\n"
               "  Window  -, pages of -: - TCEs in -; -\n"
               "\n"
               "00001000  net0 (vio)\n"
               "  Place   in the kernel: KVM sets each TCE, without an exit\n"
               "  Why     not told (in-kernel)\n"
               "  Window  -, pages of -: - TCEs in -; -\n"
               "\n");
}

static void test_explain_narrow(void) {
        expect(SCREEN_EXPLAIN, fixture_machine, 40,
               "web1 runs as process 811; claimed, known\n"
               "by libvirt's hook.\n"
               "Slow: 1 of 3 tables in the VMM. Each TCE\n"
               "of net0 is an exit.\n"
               "\n"
               "71000001  net0 (vio)\n"
               "  Place   in the VMM: each hypercall\n"
               "          that sets a TCE exits to it,\n"
               "          several times slower than in\n"
               "          KVM\n"
               "  Why     the VMM tried, the kernel\n"
               "          refused (kernel-refused); the\n"
               "          kernel said: Cannot allocate\n"
               "          memory\n"
               "  Rule    none matches; the default is\n"
               "          Accel=auto\n"
               "  Window  256 MiB at 0x3000, pages of 4\n"
               "          KiB: 65536 TCEs in 512 KiB of\n"
               "          huge pages; handed-out\n"
               "\n"
               "80000000  pci.0 (pci)\n"
               "  Place   in the kernel: KVM sets each\n"
               "          TCE, without an exit\n"
               "  Why     KVM can hold it (in-kernel)\n"
               "  Rule    /etc/tced/rules.d/10-fast.rule\n"
               "          : Accel=kernel\n"
               "  Window  1 GiB at 0, pages of 4 KiB:\n"
               "          262144 TCEs in 2 MiB; made\n"
               "\n"
               "80000100  pci.1 (vfio)\n"
               "  Place   in the kernel, linked to IOMMU\n"
               "          group 3: KVM sets each TCE and\n"
               "          maps it for the group's\n"
               "          devices, without an exit\n"
               "  Why     KVM can hold it and link it\n"
               "          (in-kernel-linked)\n"
               "  Rule    none matches; the default is\n"
               "          Accel=auto\n"
               "  Window  1 GiB at 0, pages of 4 KiB:\n"
               "          262144 TCEs in 2 MiB; made\n"
               "\n"
               "64-BIT WINDOWS THAT THE GUEST MAY ASK\n"
               "FOR\n"
               "80000001\n"
               "    DEVICE pci.0\n"
               "    WINDOW 8 GiB at 2^59\n"
               "    PAGES 64 KiB\n"
               "    TCES 128 Ki\n"
               "    BYTES 1 MiB\n"
               "    WHEN maybe\n"
               "    PLACEMENT kernel\n"
               "80000001\n"
               "    DEVICE pci.0\n"
               "    WINDOW 8 GiB at 2^59\n"
               "    PAGES 16 MiB\n"
               "    TCES 512\n"
               "    BYTES 4 KiB\n"
               "    WHEN likely\n"
               "    PLACEMENT kernel\n"
               "likely: made when the guest asks, as\n"
               "Linux does; maybe: as others may.\n"
               "\n"
               "Memory    tables of 4 MiB in the kernel\n"
               "          and 512 KiB in the VMM; 4224\n"
               "          KiB are charged to the VMM's\n"
               "          locked memory for them\n"
               "Locked    4352 KiB will be charged, of\n"
               "          4218880 KiB that libvirt\n"
               "          allows\n"
               "MultiTCE  not allowed in KVM:\n"
               "          H_PUT_TCE_INDIRECT and\n"
               "          H_STUFF_TCE, which set many\n"
               "          TCEs at once, exit to the VMM.\n"
               "          Why: nothing shows that guests\n"
               "          stay in their windows\n"
               "          (unknown)\n"
               "\n"
               "FINDINGS\n"
               "warning  slow-path (liobn 71000001)\n"
               "         Its table is in the VMM.\n"
               "         Remedy: Change the rule.\n");
}

/* A plan with one thing changed, and a line of its screen. */
static void test_lines(void) {
        static const struct {
                const char *name, *json, *line;
                Screen screen;
        } cases[] = {
                { "no limit", "{ 'memlock_limit': null, 'memlock_charged': 4096 }",
                  "Locked    4 KiB will be charged; libvirt allows all of it\n", SCREEN_PLAN },
                { "a limit that tced has raised", "{ 'memlock_limit': 2048, 'memlock_charged': 4096, 'memlock_raised': 8192 }",
                  "Locked    4 KiB will be charged; tced has raised the limit to 8 KiB\n", SCREEN_PLAN },
                { "a limit that is left", "{ 'memlock_limit': 4096, 'memlock_charged': 4096, 'memlock_raised': 0 }",
                  "Locked    4 KiB will be charged, of 4 KiB that libvirt allows\n", SCREEN_PLAN },
                { "a limit that is not set", "{ 'memlock_limit': 0, 'memlock_charged': 4096 }",
                  "Locked    4 KiB will be charged; libvirt sets no limit\n", SCREEN_PLAN },
                { "a limit that just does", "{ 'memlock_limit': 4096, 'memlock_charged': 4096 }",
                  "Locked    4 KiB will be charged, of 4 KiB that libvirt allows\n", SCREEN_PLAN },
                { "a pseries without tables", "{ 'domain': { 'pseries': true } }", "It has no TCE tables.\n", SCREEN_PLAN },
                { "a domain without a name", "{}", "The domain: starts\n", SCREEN_CHECK },
                { "all in the kernel", "{ 'tables': [ { 'placement': 'kernel' }, { 'placement': 'kernel-vfio' } ] }",
                  "All 2 tables are in the kernel.\n", SCREEN_PLAN },
                { "one table", "{ 'tables': [ { 'placement': 'kernel' } ] }", "Its one table is in the kernel.\n", SCREEN_PLAN },
                { "of a VM that does not start", "{ 'verdict': 'error', 'tables': [ { 'placement': 'kernel' } ] }",
                  "Its one table would be in the kernel.\n", SCREEN_PLAN },
                { "a window that nobody takes is no slow table",
                  "{ 'tables': [ { 'placement': 'kernel' }, { 'placement': 'user', 'window': 'dynamic', 'likely': false } ] }",
                  "Its one table is in the kernel.\n", SCREEN_PLAN },
                { "but it is shown", "{ 'tables': [ { 'liobn': 1, 'window': 'dynamic', 'likely': false, 'placement': 'kernel' } ] }",
                  "maybe: made when the guest asks, which Linux does not.\n", SCREEN_PLAN },
                { "many slow devices",
                  "{ 'tables': [ { 'device': 'a', 'placement': 'user' }, { 'device': 'b', 'placement': 'user' },"
                  "  { 'device': 'c', 'placement': 'user' }, { 'device': 'd', 'placement': 'user' }, { 'device': 'e', 'placement': 'user' },"
                  "  { 'device': 'f', 'placement': 'user' }, { 'device': 'g', 'placement': 'user' }, { 'device': 'g', 'placement': 'user' },"
                  "  { 'device': 'a', 'placement': 'user' }, { 'device': 'h', 'placement': 'user' } ] }",
                  "Slow: 10 of 10 tables in the VMM. Each TCE of a, b, c, d, e, f and 2 more is an\n", SCREEN_PLAN },
                { "a place that is not known", "{ 'tables': [ { 'liobn': 1, 'placement': 'moon' } ] }",
                  "  Place   moon, of which this tcectl knows nothing\n", SCREEN_EXPLAIN },
                { "a table that can't be made", "{ 'tables': [ { 'liobn': 1, 'placement': null } ] }",
                  "  Place   none: it can't be made\n", SCREEN_EXPLAIN },
                { "no process", "{ 'name': 'm', 'state': 'registered', 'pid': 0 }", "m has no process yet; registered.\n",
                  SCREEN_EXPLAIN },
                { "multi-TCE", "{ 'multitce': { 'allowed': true, 'reason': 'checked', 'text': 'seen' } }",
                  "MultiTCE  allowed in KVM: one hypercall sets up to 512 TCEs there. Why: seen\n", SCREEN_EXPLAIN },
                { "multi-TCE, with the word that says so in its text",
                  "{ 'multitce': { 'allowed': true, 'reason': 'checked', 'text': 'allowed: seen' } }", 
                  "MultiTCE  allowed in KVM: one hypercall sets up to 512 TCEs there. Why: seen\n", SCREEN_EXPLAIN },
                { "and where it is refused",
                  "{ 'tables': [ { 'liobn': 1 } ], 'multitce': { 'allowed': false, 'text': 'refused, whatever rules say: seen' } }",
                  "MultiTCE  in KVM: no: whatever rules say: seen\n", SCREEN_PLAN },
                { "a linked table of no known group", "{ 'tables': [ { 'placement': 'kernel-vfio', 'group': null } ] }",
                  "  Place   in the kernel, linked to an IOMMU group: KVM sets each TCE and maps it\n", SCREEN_EXPLAIN },
                { "only information", "{ 'findings': [ { 'severity': 'info', 'id': 'x' } ] }", "The domain: starts\n", SCREEN_CHECK },
                { "two warnings", "{ 'findings': [ { 'severity': 'warning' }, { 'severity': 'warning' } ] }",
                  "The domain: starts, with 2 warnings\n", SCREEN_CHECK },
                { "an error", "{ 'findings': [ { 'severity': 'error' } ] }", "The domain: does not start: 1 error\n", SCREEN_CHECK },
                { "a device that brings a warning",
                  "{ 'findings': [ { 'severity': 'warning', 'id': 'new' } ] }", "The domain: takes the device, with 1 warning\n",
                  SCREEN_ATTACH },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                json_object *json = fixture(cases[i].json);
                int r;
                _cleanup_free_ char *text = render(cases[i].screen, json, (Output){ .width = 80, .legend = true }, &r);
                const char *found = strstr(text, cases[i].line);

                if (!tap_ok(r == 0 && found && (found == text || found[-1] == '\n'), "%s: %s", screen_names[cases[i].screen], cases[i].name))
                        printf("# %s", text);
                (void) json_object_put(json);
        }
}

/* What was an error before the device stays one, and is not laid at its door. */
static void test_attach_to_broken(void) {
        json_object *json = fixture(fixture_plan_bad);
        char *text = NULL;
        size_t size;
        Output out = { .f = open_memstream(&text, &size), .width = 80, .legend = true };

        tap_eq(render_check(json, json, &out), 0, "a device for a domain that does not start");
        (void) fclose(out.f);
        tap_ok(strncmp(text, "db: does not start, with the device or without: 2 errors and 1 warning\n", 71) == 0, "is told so");
        tap_ok(!strstr(text, "WITH THE DEVICE"), "and that it is not the device's");
        free(text);
        (void) json_object_put(json);
}

static void test_widths(void) {
        static const struct {
                const char *name, *text;
        } fixtures[] = { { "a plan", fixture_plan },           { "another architecture's", fixture_plan_x86 },
                         { "a bad one", fixture_plan_bad },    { "a machine", fixture_machine },
                         { "odd types", fixture_plan_odd },    { "control characters", fixture_plan_evil },
                         { "nothing", "{}" } };
        static const unsigned widths[] = { OUTPUT_WIDTH_MIN, 40, 79, 80, 81, 120, 1000 };

        for (size_t i = 0; i < ELEMENTSOF(fixtures); i++)
                for (Screen s = 0; s < _SCREEN_MAX; s++) {
                        json_object *json = fixture(fixtures[i].text);
                        bool sound = true;

                        for (size_t w = 0; w < ELEMENTSOF(widths); w++) {
                                int r;
                                _cleanup_free_ char *text = render(s, json, (Output){ .width = widths[w], .legend = w % 2 }, &r);
                                sound &= r == 0 && is_sound(text, widths[w]);
                        }
                        tap_ok(sound, "%s of %s fits at every width", screen_names[s], fixtures[i].name);
                        (void) json_object_put(json);
                }
}

/* In a locale without UTF-8 all is ASCII; with colours the text is the same. */
static void test_ascii_and_colours(void) {
        static const char *const texts[] = { fixture_plan, fixture_plan_evil, fixture_machine, fixture_plan_bad };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                for (Screen s = 0; s < _SCREEN_MAX; s++) {
                        json_object *json = fixture(texts[i]);
                        int r;
                        _cleanup_free_ char *plain = render(s, json, (Output){ .width = 80, .legend = true }, &r);
                        _cleanup_free_ char *coloured = render(s, json, (Output){ .width = 80, .legend = true, .colour = true }, &r);
                        bool off = strip_colours(coloured), ascii = true;

                        tap_ok(off && streq(plain, coloured), "%s of fixture %zu: colours change no text, and each ends", screen_names[s], i);
                        (void) setlocale(LC_ALL, "C");
                        _cleanup_free_ char *text = render(s, json, (Output){ .width = 40, .legend = true }, &r);
                        for (const char *p = text; *p; p++)
                                ascii &= *p == '\n' || ((unsigned char) *p >= 0x20 && (unsigned char) *p < 0x7f);
                        tap_ok(ascii && is_sound(text, 40), "%s of fixture %zu: without UTF-8", screen_names[s], i);
                        (void) setlocale(LC_ALL, "C.UTF-8");
                        (void) json_object_put(json);
                }
}

static void test_mutations(void) {
        static const char *const texts[] = { fixture_plan, fixture_machine };
        size_t tried = 0, failed = 0;

        for (size_t t = 0; t < ELEMENTSOF(texts); t++)
                for (unsigned change = 0; change <= CHANGES; change++)
                        for (size_t i = 0;; i++) {
                                json_object *json = fixture(texts[t]);
                                size_t n = i;
                                bool changed = mutate(json, &n, change);

                                for (Screen s = 0; changed && s < _SCREEN_MAX; s++) {
                                        unsigned width = i % 2 ? 80 : 40;
                                        int r;
                                        _cleanup_free_ char *text = render(s, json, (Output){ .width = width, .legend = true }, &r);
                                        failed += r < 0 || !is_sound(text, width);
                                        tried++;
                                }
                                (void) json_object_put(json);
                                if (!changed)
                                        break;
                        }
        tap_ok(tried > 1000, "%zu screens of plans with one member changed", tried);
        tap_eq((long long) failed, 0, "all of them sound");
}

static void test_select(void) {
        json_object *plan = fixture(fixture_plan), *check = select_check(plan), *none = fixture("{}"), *nothing = select_check(none);

        tap_eq(json_object_object_length(check), 3, "check --json has three members");
        tap_ok(json_object_equal(view_get(check, "domain"), view_get(plan, "domain")) &&
               json_object_equal(view_get(check, "findings"), view_get(plan, "findings")), "as they are in the plan");
        tap_streq(view_string(check, "verdict"), "warnings", "with its verdict");
        tap_eq(json_object_object_length(nothing), 0, "of nothing there is nothing");
        json_object *all[] = { plan, check, none, nothing };
        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                (void) json_object_put(all[i]);
}

int main(void) {
        if (!setlocale(LC_ALL, "C.UTF-8")) {
                tap_ok(false, "the locale C.UTF-8");
                return tap_done();
        }
        test_plan();
        test_plan_narrow();
        test_plan_others();
        test_verbose();
        test_check();
        test_explain();
        test_explain_narrow();
        test_lines();
        test_attach_to_broken();
        test_widths();
        test_ascii_and_colours();
        test_mutations();
        test_select();
        return tap_done();
}
