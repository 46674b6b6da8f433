/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tcectl's screens and its JSON, from what a tced might answer: exact ones, and for odd, hostile and mutated answers what must
 * hold on every screen: no line is wider than the terminal, nothing unprintable gets through, nothing crashes. */

#include <locale.h>

#include "render.h"
#include "tap.h"
#include "tcectl-fixtures.h"
#include "tcectl-screens.h"
#include "util.h"
#include "view.h"

typedef enum Screen {
        SCREEN_STATUS,
        SCREEN_GROUPS,
        SCREEN_MACHINES,
        SCREEN_MACHINES_VERBOSE,
        SCREEN_MACHINE,
        SCREEN_DESCRIBE,
        SCREEN_CAPABILITIES,
        _SCREEN_MAX,
} Screen;

static const char *const screen_names[_SCREEN_MAX] = {
        "status", "groups", "machines", "machines -v", "machines web1", "describe", "capabilities",
};

/* A screen as a text that the caller frees; *ret_r is what the function gave. */
static char *render(Screen screen, json_object *json, Output out, int *ret_r) {
        char *text = NULL;
        size_t size;

        out.f = open_memstream(&text, &size);
        out.verbose = screen == SCREEN_MACHINES_VERBOSE;
        switch (screen) {
        case SCREEN_STATUS:
                *ret_r = render_status(json, &out);
                break;
        case SCREEN_GROUPS:
                *ret_r = render_groups(json, &out);
                break;
        case SCREEN_MACHINES:
        case SCREEN_MACHINES_VERBOSE:
                *ret_r = render_machines(json, NULL, &out);
                break;
        case SCREEN_MACHINE:
                *ret_r = render_machines(json, "web1", &out);
                break;
        case SCREEN_DESCRIBE:
                *ret_r = render_describe(json, &out);
                break;
        case SCREEN_CAPABILITIES:
        case _SCREEN_MAX:
                *ret_r = render_capabilities(json, &out);
                break;
        }
        (void) fclose(out.f);
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

static void test_status(void) {
        expect(SCREEN_STATUS, fixture_power, 80,
               "This host's guests can have their TCE tables in the kernel, but not those of\n"
               "passthrough devices, and 1 table of web1 is on the slow path.\n"
               "\n"
               "Host      ppc64le, kernel 6.12.107+deb13-powerpc64le-64k, pages of 64 KiB\n"
               "KVM       usable as HV, proven: created a VM\n"
               "VFIO      declares sPAPR v1: yes, v2: yes, EEH: no\n"
               "Groups    3, 1 of them viable, 1 ready to be given to a VM\n"
               "Machines  2, with 2 kernel tables (2049 KiB) and 1 user table (512 KiB)\n"
               "tced      0.1, PID 4242\n"
               "\n"
               "CAPABILITY              DECLARED  PROVEN   WHY\n"
               "KVM_CAP_SPAPR_TCE       yes       yes\n"
               "KVM_CAP_SPAPR_TCE_64    yes       yes\n"
               "KVM_CAP_SPAPR_TCE_VFIO  yes       unknown  no group was linked to a table yet;\n"
               "                                           the deep probe tries it where a group\n"
               "                                           is idle on vfio-pci\n"
               "KVM_CAP_SPAPR_MULTITCE  no        no       H_STUFF_TCE is refused\n"
               "multi-TCE range check   -         unknown  only the deep probe shows it\n"
               "\n"
               "FINDINGS\n"
               "error    vfio-broken (group 3)\n"
               "         A device is on vfio-pci and there is no /dev/vfio/3.\n"
               "         Remedy: Use Linux 6.4 or newer.\n"
               "warning  multitce-unchecked\n"
               "         This kernel may let a guest write past its DMA window with\n"
               "         H_PUT_TCE_INDIRECT and H_STUFF_TCE.\n"
               "         Remedy: Run tcectl probe --deep, or use Linux 7.3, Debian 6.12.113-1,\n"
               "         6.1.190-1, or newer.\n"
               "info     no-vfio-coupling\n"
               "         Good to know.\n"
               "VMs       findings about web1 (1). See: tcectl machines NAME\n");
        expect(SCREEN_STATUS, fixture_x86, 80,
               "This host's guests can't have their TCE tables in the kernel: it is no POWER\n"
               "host, but x86_64.\n"
               "\n"
               "Host      x86_64, kernel 6.1.0-40-amd64, pages of 4 KiB\n"
               "KVM       not usable: can't open /dev/kvm: No such file or directory\n"
               "VFIO      not usable: can't open /dev/vfio/vfio: No such file or directory\n"
               "Groups    none: the kernel has no IOMMU groups\n"
               "Machines  none\n"
               "tced      0.1, PID 7; still proving this host, look again\n"
               "\n"
               "CAPABILITY             DECLARED  PROVEN   WHY\n"
               "multi-TCE range check  -         unknown  KVM was not asked\n"
               "\n"
               "No findings.\n");
        expect(SCREEN_STATUS, "{}", 80,
               "It is not known whether this host's guests can have their TCE tables in the\n"
               "kernel.\n"
               "\n"
               "Host      -, kernel -, pages of -\n"
               "KVM       not known whether usable: -\n"
               "VFIO      declares sPAPR v1: -, v2: -, EEH: -\n"
               "Groups    none\n"
               "Machines  none\n"
               "tced      -, PID -\n"
               "\n"
               "CAPABILITY             DECLARED  PROVEN  WHY\n"
               "multi-TCE range check  -         -\n"
               "\n"
               "No findings.\n");
        expect(SCREEN_STATUS, "{ 'host': { 'kvm': { 'usable': { 'proven': 'no', 'why': 'KVM_CREATE_VM: Invalid argument' } } } }", 40,
               "This host's guests can't have their TCE\n"
               "tables in the kernel: KVM can't be used.\n"
               "\n"
               "Host      -, kernel -, pages of -\n"
               "KVM       not usable: KVM_CREATE_VM:\n"
               "          Invalid argument\n"
               "VFIO      declares sPAPR v1: -, v2: -,\n"
               "          EEH: -\n"
               "Groups    none\n"
               "Machines  none\n"
               "tced      -, PID -\n"
               "\n"
               "CAPABILITY             DECLARED  PROVEN\n"
               "multi-TCE range check  -         -\n"
               "\n"
               "No findings.\n");
}

#define POWER "'machine': 'ppc64le'"
#define USABLE "'usable': { 'proven': 'yes' }"
#define HAS "{ 'host': { " POWER ", 'kvm': { " USABLE ", 'capabilities': [ { 'name': 'KVM_CAP_SPAPR_TCE', 'proven': 'yes' } ] } }"
#define SLOW(reason) "{ 'placement': 'user', 'reason': '" reason "' }"
/* Planned in the kernel, where it was not found. */
#define MISSED "{ 'placement': 'kernel', 'reason': 'in-kernel', 'bytes': 4096, 'slow': true, 'found': 'missing', 'found_why': 'too little memory' }"

/* What the first line says, in which colour, and what programs get. */
static void test_verdicts(void) {
        static const struct {
                const char *json, *word, *colour, *text;
        } cases[] = {
                { HAS " }", "yes", "32", "This host's guests can have their TCE tables in the kernel." },
                { HAS ", 'findings': [ { 'id': 'multitce-unchecked', 'severity': 'warning' } ], 'machines': [ { 'tables': ["
                  "{ 'placement': 'kernel' }, " SLOW("rule-user") " ] } ] }", "yes", "32",
                  "This host's guests can have their TCE tables in the kernel." },
                { HAS ", 'machines': [ { 'tables': [ " SLOW("kernel-refused") ", " SLOW("no-tce-64") " ] }, {}, { 'tables': [ " SLOW("tcg") " ] } ] }",
                  "partly", "33", "This host's guests can have their TCE tables in the kernel, but 3 tables of 2 VMs are on the slow path." },
                { HAS ", 'machines': [ { 'name': 'db1', 'tables': [ " MISSED ", { 'placement': 'kernel', 'slow': false, 'found': 'missing' } ] } ] }",
                  "partly", "33", "This host's guests can have their TCE tables in the kernel, but 1 table of db1 is on the slow path." },
                { HAS ", 'findings': [ { 'id': 'slow-path', 'severity': 'warning', 'subject': 'process 405' },"
                  " { 'id': 'slow-path', 'severity': 'warning', 'subject': 'process 405' } ] }", "partly", "33",
                  "This host's guests can have their TCE tables in the kernel, but 2 tables of process 405 are on the slow path." },
                { HAS ", 'machines': [ { 'name': 'db1', 'tables': [ " MISSED " ] } ], 'findings': [ { 'id': 'slow-path', 'subject': 'process 1' },"
                  " { 'id': 'x', 'subject': '' }, { 'id': 'slow-path', 'subject': 'process 2' } ] }", "partly", "33",
                  "This host's guests can have their TCE tables in the kernel, but 3 tables of 3 VMs are on the slow path." },
                { HAS ", 'findings': [ { 'id': 'no-vfio-coupling', 'severity': 'warning' }, { 'id': 'multitce-unchecked', 'severity': 'error' } ] }",
                  "partly", "33",
                  "This host's guests can have their TCE tables in the kernel, but not those of passthrough devices, and there is 1 error." },
                { HAS ", 'findings': [ { 'id': 'group-stuck', 'severity': 'error' }, { 'id': 'x', 'severity': 'error' } ] }", "partly", "33",
                  "This host's guests can have their TCE tables in the kernel, but there are 2 errors." },
                { "{ 'host': { " POWER ", 'kvm': { 'error': 'Permission denied' } } }", "no", "1;31",
                  "This host's guests can't have their TCE tables in the kernel: KVM can't be used." },
                { "{ 'host': { " POWER ", 'kvm': { " USABLE ", 'capabilities': [ { 'name': 'KVM_CAP_SPAPR_TCE', 'declared': 1, 'proven': 'no' },"
                  " { 'name': 'KVM_CAP_SPAPR_TCE_64', 'declared': 0, 'proven': 'unknown' } ] } } }", "no", "1;31",
                  "This host's guests can't have their TCE tables in the kernel: this kernel's KVM has none." },
                { "{ 'host': { 'machine': 's390x', 'kvm': { " USABLE " } } }", "no", "1;31",
                  "This host's guests can't have their TCE tables in the kernel: it is no POWER host, but s390x." },
                { "{ 'host': { " POWER ", 'probe': 'running', 'kvm': { 'usable': { 'proven': 'unknown' } } } }", "unknown", "33",
                  "It is not known whether this host's guests can have their TCE tables in the kernel yet: tced is still proving it." },
                { "{ 'host': { " POWER ", 'kvm': { " USABLE ", 'capabilities': [ { 'name': 'KVM_CAP_SPAPR_TCE', 'declared': 1, 'proven': 'unknown' }"
                  " ] } } }", "unknown", "33", "It is not known whether this host's guests can have their TCE tables in the kernel." },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                json_object *json = fixture(cases[i].json), *part = select_host_verdict(json);
                char want[320];
                int r;
                _cleanup_free_ char *text = render(SCREEN_STATUS, json, (Output){ .width = 4096, .legend = true, .colour = true }, &r);

                (void) snprintf(want, sizeof(want), "\033[%sm%s\n\033[0m\n", cases[i].colour, cases[i].text);
                if (!tap_ok(r == 0 && strncmp(text, want, strlen(want)) == 0, "verdict %zu: the first line", i))
                        printf("# %s", text);
                tap_ok(streq(view_show(part, "in_kernel"), cases[i].word) && streq(view_show(part, "text"), cases[i].text), "verdict %zu: for programs", i);
                (void) json_object_put(json);
                (void) json_object_put(part);
        }
}

/* One line about libvirt, where tced tells of it. */
static void test_libvirt(void) {
        static const struct {
                const char *json, *line;
        } cases[] = {
                { "{}", NULL },
                { "{ 'libvirt': null }", NULL },
                { "{ 'libvirt': 5 }", NULL },
                { "{ 'libvirt': {} }", "libvirt   -\n" },
                { "{ 'libvirt': { 'state': 'off', 'why': 'Connect=no' } }", "libvirt   off (Connect=no)\n" },
                { "{ 'libvirt': { 'state': 'away', 'why': 'no answer', 'domains': 3,"
                  "               'hook': { 'installed': false, 'loaded': null, 'why': 'x' } } }",
                  "libvirt   away (no answer); no hook installed\n" },
                { "{ 'libvirt': { 'state': 'away', 'why': 'no libvirtd runs here', 'domains': 3,"
                  "               'hook': { 'installed': true, 'loaded': null, 'why': 'no libvirtd runs here' } } }",
                  "libvirt   away (no libvirtd runs here); its hook is installed, not known whether\n          loaded\n" },
                { "{ 'libvirt': { 'state': 'connected', 'why': 'x', 'domains': 1,"
                  "               'hook': { 'installed': true, 'loaded': true, 'why': 'x' } } }",
                  "libvirt   connected, 1 domain; its hook is loaded\n" },
                { "{ 'libvirt': { 'state': 'connected', 'domains': 2,"
                  "               'hook': { 'installed': true, 'loaded': false, 'why': 'libvirtd is older' } } }",
                  "libvirt   connected, 2 domains; its hook is installed and not loaded: libvirtd\n          is older\n" },
                { "{ 'libvirt': { 'state': 'connected', 'domains': 0,"
                  "               'hook': { 'installed': true, 'loaded': null, 'why': 'no pid' } } }",
                  "libvirt   connected, 0 domains; its hook is installed, not known whether loaded:\n          no pid\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                json_object *json = fixture(cases[i].json);
                int r;
                _cleanup_free_ char *text = render(SCREEN_STATUS, json, (Output){ .width = 80, .legend = true }, &r);
                if (!tap_ok(r == 0 && is_sound(text, 80) && strstr(text, cases[i].line ? cases[i].line : "\ntced ") &&
                            (cases[i].line || !strstr(text, "libvirt")), "status of libvirt %zu", i))
                        printf("# %s", text);
                (void) json_object_put(json);
        }
}

/* A limit is told of when nine tenths of it are taken. */
static void test_near_limits(void) {
        static const struct {
                const char *json;
                bool near;
        } cases[] = {
                { "{ 'limits': { 'MachinesMax': 100 }, 'usage': { 'MachinesMax': 90 } }", true },
                { "{ 'limits': { 'MachinesMax': 100 }, 'usage': { 'MachinesMax': 89 } }", false },
                { "{ 'limits': { 'MachinesMax': 1 }, 'usage': { 'MachinesMax': 0 } }", false },
                { "{ 'limits': { 'MachinesMax': 0 }, 'usage': { 'MachinesMax': 0 } }", false },
                { "{ 'limits': { 'MachinesMax': 3 }, 'usage': { 'MachinesMax': 7 } }", true },
                { "{ 'limits': { 'TablesMax': 3 }, 'usage': { 'MachinesMax': 7 } }", false },
                { "{ 'limits': 5, 'usage': { 'MachinesMax': 7 } }", false },
                { "{ 'limits': { 'MachinesMax': 3 }, 'usage': [ 7 ] }", false },
                { "{ 'limits': { 'MachinesMax': 3 } }", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                json_object *json = fixture(cases[i].json);
                int r;
                _cleanup_free_ char *text = render(SCREEN_STATUS, json, (Output){ .width = 80 }, &r);

                if (!tap_ok(r == 0 && is_sound(text, 80) && !strstr(text, "limit     MachinesMax=") == !cases[i].near, "near a limit: %zu", i))
                        printf("# %s", text);
                (void) json_object_put(json);
        }
}

static void test_groups(void) {
        expect(SCREEN_GROUPS, fixture_power, 80,
               "GROUP  DEVICE        NAME                                   DRIVER    STATE\n"
               "    2  0002:01:00.0  NVMe SSD Controller SM981/PM981/PM983  vfio-pci  viable\n"
               "       Planned for or open in machine web1.\n"
               "    3  -             -                                      -         empty\n"
               "       There is no device in it.\n"
               "   10  0001:00:00.0  PCI bridge                             -         not-bound\n"
               "   10  0001:00:01.0  82574L Gigabit Network Connection      e1000e    not-bound\n"
               "       0001:00:01.0 is on e1000e, none of its devices on a vfio driver: bind\n"
               "       them all to vfio-pci.\n");
        expect(SCREEN_GROUPS, fixture_power, 40,
               "2\n"
               "    DEVICE 0002:01:00.0\n"
               "    NAME NVMe SSD Controller\n"
               "      SM981/PM981/PM983\n"
               "    DRIVER vfio-pci\n"
               "    STATE viable\n"
               "    Planned for or open in machine web1.\n"
               "3\n"
               "    STATE empty\n"
               "    There is no device in it.\n"
               "10\n"
               "    DEVICE 0001:00:00.0\n"
               "    NAME PCI bridge\n"
               "    STATE not-bound\n"
               "10\n"
               "    DEVICE 0001:00:01.0\n"
               "    NAME 82574L Gigabit Network\n"
               "      Connection\n"
               "    DRIVER e1000e\n"
               "    STATE not-bound\n"
               "    0001:00:01.0 is on e1000e, none of\n"
               "    its devices on a vfio driver: bind\n"
               "    them all to vfio-pci.\n");
        expect(SCREEN_GROUPS, fixture_x86, 80, "No IOMMU groups.\n");
        expect(SCREEN_GROUPS, "{ 'groups': [ { 'number': 1, 'viable': true, 'holder': 'beef' } ] }", 80,
               "GROUP  DEVICE  NAME  DRIVER  STATE\n"
               "    1  -       -     -       viable\n"
               "       Planned for or open in machine beef.\n");
}

static void test_machines(void) {
        expect(SCREEN_MACHINES, fixture_power, 80,
               "NAME  UUID      STATE       PID  KERNEL TABLES  USER TABLES\n"
               "db    3F2C1A9B  registered    -  0 (0 B)        0 (0 B)\n"
               "web1  3f2c1a9b  claimed     811  2 (2049 KiB)   1 (512 KiB)\n");
        expect(SCREEN_MACHINE, fixture_power, 80,
               "NAME  UUID      STATE    PID  KERNEL TABLES  USER TABLES\n"
               "web1  3f2c1a9b  claimed  811  2 (2049 KiB)   1 (512 KiB)\n"
               "  multi-TCE in KVM: no: nothing shows that guests stay in their windows\n"
               "  LIOBN     DEVICE  WINDOW              PAGES  ENTRIES  PLACEMENT    STATE\n"
               "  71000001  vnet0   256 MiB at 0x3000   4 KiB    65536  user         handed-out\n"
               "            kernel-refused: the VMM tried, the kernel refused; the kernel said:\n"
               "            Cannot allocate memory; by /etc/tced/rules.d/10-slow.rule\n"
               "  80000000  pci.0   1 GiB at 0          4 KiB   262144  kernel       made\n"
               "  80000001  pci.0   8 GiB at 2^59      16 MiB      128  kernel-vfio  planned\n"
               "warning  slow-path (liobn 71000001)\n"
               "         Its table is in the VMM.\n"
               "         Remedy: Change the rule.\n");
        /* Nobody claimed it, and the audit knows more of it than its plan does. */
        expect(SCREEN_MACHINE, "{ 'machines': [ { 'name': 'web1', 'state': 'registered', 'pid': 0, 'audit': { 'pid': 405 }, 'kernel_bytes': 8192,"
               " 'tables': [ " MISSED ", { 'placement': 'kernel', 'slow': false } ] } ] }", 80,
               "NAME  UUID  STATE       PID  KERNEL TABLES  USER TABLES\n"
               "web1  -     registered  405  1 (4 KiB)      1 (4 KiB)\n"
               "  LIOBN  DEVICE  WINDOW  PAGES  ENTRIES  PLACEMENT  STATE  REASON\n"
               "  -      -       -           -        -  missing    -      too little memory\n"
               "  -      -       -           -        -  kernel     -\n");
        expect(SCREEN_MACHINES, fixture_x86, 80, "No machines.\n");
        expect(SCREEN_MACHINES, "{ 'machines': [ {} ] }", 80,
               "NAME  UUID  STATE  PID  KERNEL TABLES  USER TABLES\n"
               "-     -     -        -  0 (0 B)        0 (0 B)\n");
}

/* Who told of a machine is a column of its own, where tced says so of any. */
static void test_sources(void) {
        expect(SCREEN_MACHINES,
               "{ 'machines': [ { 'name': 'a', 'uuid': '00112233445566778899aabbccddeeff', 'state': 'claimed', 'pid': 5, 'source': 'libvirt' },"
               "                { 'name': 'b', 'state': 'registered' } ] }", 80,
               "NAME  UUID      STATE       PID  KERNEL TABLES  USER TABLES  SOURCE\n"
               "a     00112233  claimed       5  0 (0 B)        0 (0 B)      libvirt\n"
               "b     -         registered    -  0 (0 B)        0 (0 B)      -\n");
}

static void test_describe(void) {
        expect(SCREEN_DESCRIBE, "{ 'host': { 'page_size': 65536, 'kvm': { 'error': null, 'usable': { 'proven': 'yes', 'why': 'a VM' } },"
               " 'vfio': { 'extensions': [ { 'name': 'VFIO_EEH', 'id': 5, 'value': 0 } ] } },"
               " 'groups': [ { 'number': 3, 'page_sizes': [ 4096, 65536 ], 'dma32_window': { 'start': 4096, 'size': 1048576 },"
               " 'devices': [ { 'address': '0:0', 'class': 131072, 'vendor': 4116, 'driver': 'tg3' } ] } ],"
               " 'limits': { 'TableBytesMax': 1073741824, 'RaiseMemlockMax': 1099511627776, 'MachinesMax': 5 }, 'findings': [], 'new_part': { 'new_member': true },"
               " 'scalar': -3 }", 80,
               "host\n"
               "  page size  64 KiB\n"
               "  kvm\n"
               "    error   -\n"
               "    usable  proven yes: a VM\n"
               "  vfio\n"
               "    extensions\n"
               "      VFIO_EEH id 5, value 0\n"
               "\n"
               "groups\n"
               "  group 3\n"
               "    page sizes    4 KiB, 64 KiB\n"
               "    dma32 window\n"
               "      start  0x1000\n"
               "      size   1 MiB\n"
               "    devices\n"
               "      0:0\n"
               "        class   0x020000\n"
               "        vendor  0x1014\n"
               "        driver  tg3\n"
               "\n"
               "limits\n"
               "  TableBytesMax    1 GiB\n"
               "  RaiseMemlockMax  1 TiB\n"
               "  MachinesMax      5\n"
               "\n"
               "findings\n"
               "  none\n"
               "\n"
               "new_part\n"
               "  new member  yes\n"
               "\n"
               "scalar\n"
               "  -3\n");
}

/* Every screen of every fixture at every width. */
static void test_widths(void) {
        static const struct {
                const char *name, *text;
        } fixtures[] = { { "a POWER host", fixture_power }, { "an x86 host", fixture_x86 }, { "control characters", fixture_evil },
                         { "odd types", fixture_odd },      { "nothing", "{}" } };
        static const unsigned widths[] = { OUTPUT_WIDTH_MIN, 40, 79, 80, 81, 120, 1000 };

        for (size_t i = 0; i < ELEMENTSOF(fixtures); i++)
                for (Screen s = 0; s < _SCREEN_MAX; s++) {
                        json_object *json = fixture(fixtures[i].text);
                        bool sound = true;

                        for (size_t w = 0; w < ELEMENTSOF(widths); w++) {
                                int r;
                                _cleanup_free_ char *text = render(s, json, (Output){ .width = widths[w], .legend = w % 2 }, &r);
                                bool missing = s == SCREEN_MACHINE && r == -ESRCH;
                                sound &= (r == 0 || missing) && is_sound(text, widths[w]);
                        }
                        tap_ok(sound, "%s of %s fits at every width", screen_names[s], fixtures[i].name);
                        (void) json_object_put(json);
                }
}

/* A console without UTF-8: what can't be shown is a "?", nothing is an error, and all is ASCII. */
static void test_ascii(void) {
        (void) setlocale(LC_ALL, "C");
        for (Screen s = 0; s < _SCREEN_MAX; s++) {
                json_object *json = fixture(s % 2 ? fixture_power : fixture_evil);
                int r;
                _cleanup_free_ char *text = render(s, json, (Output){ .width = 40, .legend = true }, &r);
                bool ascii = true;

                for (const char *p = text; *p; p++)
                        ascii &= *p == '\n' || ((unsigned char) *p >= 0x20 && (unsigned char) *p < 0x7f);
                tap_ok((r == 0 || r == -ESRCH) && ascii && is_sound(text, 40), "%s without UTF-8", screen_names[s]);
                (void) json_object_put(json);
        }
        (void) setlocale(LC_ALL, "C.UTF-8");
}

/* Without a legend: no headers, no remarks that there is nothing, for scripts that read line by line. */
static void test_no_legend(void) {
        static const struct {
                Screen screen;
                const char *text, *want;
        } cases[] = {
                { SCREEN_GROUPS, fixture_x86, "" },
                { SCREEN_MACHINES, fixture_x86, "" },
                { SCREEN_MACHINES, fixture_power,
                  "db    3F2C1A9B  registered    -  0 (0 B)       0 (0 B)\n"
                  "web1  3f2c1a9b  claimed     811  2 (2049 KiB)  1 (512 KiB)\n" },
                { SCREEN_CAPABILITIES, fixture_x86, "multi-TCE range check  -  unknown  KVM was not asked\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                json_object *json = fixture(cases[i].text);
                int r;
                _cleanup_free_ char *text = render(cases[i].screen, json, (Output){ .width = 80 }, &r);

                tap_eq(r, 0, "%s without a legend: rendered", screen_names[cases[i].screen]);
                tap_streq(text, cases[i].want, "%s without a legend: the text", screen_names[cases[i].screen]);
                (void) json_object_put(json);
        }
}

static void test_many_findings(void) {
        json_object *json = json_object_new_object(), *findings = json_object_new_array();
        const char *first_info, *last_error;

        for (int i = 0; i < 200; i++) {
                json_object *finding = json_object_new_object();
                char id[32];

                (void) snprintf(id, sizeof(id), "finding-%d", i);
                (void) json_object_object_add(finding, "id", json_object_new_string(id));
                (void) json_object_object_add(finding, "severity", json_object_new_string(i % 2 ? "error" : "info"));
                (void) json_object_object_add(finding, "text", json_object_new_string("Something is the matter with something else."));
                (void) json_object_array_add(findings, finding);
        }
        (void) json_object_object_add(json, "findings", findings);

        int r;
        _cleanup_free_ char *text = render(SCREEN_STATUS, json, (Output){ .width = 40, .legend = true }, &r);
        tap_ok(r == 0 && is_sound(text, 40), "200 findings");
        first_info = strstr(text, "finding-0\n");
        last_error = strstr(text, "finding-199\n");
        tap_ok(first_info && last_error && last_error < first_info, "errors come before what is worth knowing");
        tap_ok(strstr(text, "finding-1\n") < strstr(text, "finding-3\n"), "and else they keep their order");
        (void) json_object_put(json);
}

static void test_many_machines(void) {
        json_object *json = json_object_new_object(), *machines = json_object_new_array();
        int r;

        for (int i = 0; i < 300; i++) {
                json_object *machine = json_object_new_object(), *findings = json_object_new_array();
                char name[32];

                (void) snprintf(name, sizeof(name), "guest-%03d", i);
                (void) json_object_object_add(machine, "name", json_object_new_string(name));
                for (int n = 0; n < i % 3; n++)
                        (void) json_object_array_add(findings, json_object_new_object());
                (void) json_object_object_add(machine, "findings", findings);
                (void) json_object_array_add(machines, machine);
        }
        (void) json_object_object_add(json, "machines", machines);

        _cleanup_free_ char *text = render(SCREEN_STATUS, json, (Output){ .width = 80, .legend = true }, &r);
        _cleanup_free_ char *list = render(SCREEN_MACHINES, json, (Output){ .width = 80 }, &r);
        const char *line = strstr(text, "VMs ");
        tap_streq(line,
                  "VMs       findings about guest-001 (1), guest-002 (2), guest-004 (1), guest-005\n"
                  "          (2), guest-007 (1), guest-008 (2), guest-010 (1), guest-011 (2) and\n"
                  "          192 more. See: tcectl machines NAME\n", "200 VMs with findings take three lines");
        tap_ok(is_sound(list, 80) && strstr(list, "guest-299"), "300 machines");
        (void) json_object_put(json);
}

/* With colours, what is left without the escape sequences is the screen without colours. */
static void test_colours(void) {
        for (Screen s = 0; s < _SCREEN_MAX; s++) {
                json_object *json = fixture(s % 2 ? fixture_power : fixture_evil);
                int r;
                _cleanup_free_ char *plain = render(s, json, (Output){ .width = 80, .legend = true }, &r);
                _cleanup_free_ char *coloured = render(s, json, (Output){ .width = 80, .legend = true, .colour = true }, &r);
                bool off = strip_colours(coloured);

                tap_streq(coloured, plain, "%s: colours change no text", screen_names[s]);
                tap_ok(off, "%s: every colour is switched off again", screen_names[s]);
                (void) json_object_put(json);
        }
}

static void test_mutations(void) {
        json_object *original = fixture(fixture_power);
        size_t tried = 0, failed = 0;

        for (unsigned change = 0; change <= CHANGES; change++)
                for (size_t i = 0;; i++) {
                        json_object *json = NULL;
                        size_t n = i;
                        bool changed;

                        (void) json_object_deep_copy(original, &json, NULL);
                        changed = mutate(json, &n, change);
                        for (Screen s = 0; changed && s < _SCREEN_MAX; s++) {
                                int r;
                                unsigned width = i % 2 ? 80 : 40;
                                _cleanup_free_ char *text = render(s, json, (Output){ .width = width, .legend = true }, &r);
                                failed += (r < 0 && r != -ESRCH) || !is_sound(text, width);
                                tried++;
                        }
                        (void) json_object_put(json);
                        if (!changed)
                                break;
                }
        tap_ok(tried > 1000, "%zu screens of answers with one member changed", tried);
        tap_eq((long long) failed, 0, "all of them sound");
        (void) json_object_put(original);
}

static void test_find(void) {
        static const struct {
                const char *name, *found;
        } cases[] = {
                { "web1", "web1" },
                { "db", "db" },
                { "3f2c1a9b00000000000000000000abcd", "web1" },
                { "3f2c1a9b-0000-0000-0000-00000000abcd", "web1" },
                { "3F2C1A9B-0", "web1" },
                { "3f2c1a9b11110000", "db" },
                { "3f2c1a9b", NULL }, /* two begin so */
                { "3f2c1a9", NULL },  /* too short */
                { "web", NULL },
                { "", NULL },
                { "--------", NULL },
                { "3f2c1a9b00000000000000000000abcd0", NULL },
        };
        json_object *json = fixture(fixture_power);
        Output out = { .f = stdout, .width = 80 };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                tap_streq(view_string(machine_find(json, cases[i].name), "name"), cases[i].found, "machine '%s'", cases[i].name);
        tap_eq(render_machines(json, "nobody", &out), -ESRCH, "no machine of that name");
        (void) json_object_put(json);
}

static void test_view(void) {
        json_object *json = fixture("{ 'a': { 'b': 5, 's': 'text', 'n': -1, 'd': 1.5, 't': true, 'max': 18446744073709551615 },"
                                    "  'items': [ { 'k': 3, 'i': 0 }, { 'k': 1, 'i': 1 }, null, { 'k': 3, 'i': 2 }, { 'k': 'x' }, {},"
                                    "             { 'k': 1, 'i': 3 } ] }");
        static const char *const order[] = { "-", "1", "3", "0", "2", "-" };
        _cleanup_free_ json_object **sorted = view_sorted(json, "items", "k");
        _cleanup_free_ json_object **none = view_sorted(json, "a", "k");
        uint64_t value = 77;

        tap_ok(view_u64(json, "a.b", &value) && value == 5, "a number");
        tap_ok(view_u64(json, "a.max", &value) && value == UINT64_MAX, "the largest number");
        tap_ok(!view_u64(json, "a.n", &value) && !view_u64(json, "a.d", &value) && !view_u64(json, "a.s", &value) &&
               !view_u64(json, "a.b.c", &value) && !view_u64(json, "a.x", &value), "what is no such number");
        tap_eq(value, UINT64_MAX, "leaves the value alone");
        tap_streq(view_string(json, "a.s"), "text", "a text");
        tap_streq(view_string(json, "a.b"), NULL, "a number is no text");
        tap_streq(view_show(NULL, "a"), "-", "nothing shows as -");
        tap_ok(view_true(json, "a.t") && !view_true(json, "a.b") && !view_true(json, "a"), "what is true");
        tap_ok(!view_get(json, "") && !view_get(json, "a..b") &&
               !view_get(json, "a.long-key-that-no-version-of-tced-is-ever-going-to-have-in-its-description"), "paths that lead nowhere");
        tap_streq(SHOWN(show_bytes(json, "a.b")), "5 B", "bytes");
        tap_streq(SHOWN(show_number(json, "a.s")), "-", "no number");
        for (size_t i = 0; i < ELEMENTSOF(order); i++)
                tap_streq(SHOWN(show_number(sorted[i], "i")), order[i], "sorted: item %zu", i);
        tap_ok(!sorted[ELEMENTSOF(order)] && none && !none[0], "lists end with NULL");
        (void) json_object_put(json);
}

/* A long list keeps the order of its equals. */
static void test_sort(void) {
        json_object *json = json_object_new_object(), *items = json_object_new_array();
        bool stable = true;
        size_t n = 0;

        for (int i = 0; i < 1001; i++) {
                json_object *item = json_object_new_object();
                (void) json_object_object_add(item, "k", json_object_new_int((i * 7919) % 13));
                (void) json_object_object_add(item, "i", json_object_new_int(i));
                (void) json_object_array_add(items, item);
        }
        (void) json_object_object_add(json, "items", items);
        _cleanup_free_ json_object **sorted = view_sorted(json, "items", "k");
        for (; sorted[n]; n++)
                if (n > 0) {
                        uint64_t a = view_count(sorted[n - 1], "k"), b = view_count(sorted[n], "k");
                        stable &= a < b || (a == b && view_count(sorted[n - 1], "i") < view_count(sorted[n], "i"));
                }
        tap_ok(stable && n == 1001, "1001 items, sorted and stable");
        (void) json_object_put(json);
}

static char *json_text(json_object *json, bool pretty) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        (void) print_json(json, pretty, f);
        (void) fclose(f);
        return text;
}

static void test_json(void) {
        json_object *json = fixture(fixture_power), *evil = fixture(fixture_evil), *empty = json_object_new_object();
        json_object *status = select_status(json), *groups = select_array(json, "groups"), *none = select_array(empty, "groups");
        json_object *nothing = select_status(empty);
        _cleanup_free_ char *text = json_text(json, false), *again = NULL, *escaped = json_text(evil, false);
        json_object *back = json_tokener_parse(text), *evil_back = json_tokener_parse(escaped);
        bool clean = true;

        tap_ok(json_object_equal(json, back), "JSON in a line is the JSON that came");
        tap_eq((long long) strcspn(text, "\n"), (long long) strlen(text) - 1, "and it is one line");
        again = json_text(json, true);
        (void) json_object_put(back);
        back = json_tokener_parse(again);
        tap_ok(json_object_equal(json, back), "pretty JSON too");
        tap_ok(strstr(again, "/org/tced1/group/10"), "slashes stay slashes");
        tap_ok(json_object_equal(evil, evil_back), "what is escaped reads as it was");
        for (const char *p = escaped; p[1]; p++)
                clean &= (unsigned char) *p >= 0x20 && *p != 0x7f && !(p[0] == '\302' && (unsigned char) p[1] < 0xa0);
        tap_ok(clean, "JSON has no control characters");

        tap_eq(view_count(status, "counts.groups"), 3, "status: groups");
        tap_eq(view_count(status, "counts.groups_viable"), 1, "status: viable ones");
        tap_eq(view_count(status, "counts.machines"), 2, "status: machines");
        tap_eq(view_count(status, "counts.kernel_tables"), 2, "status: kernel tables");
        tap_eq(view_count(status, "counts.kernel_bytes"), 2098176, "status: their bytes");
        tap_eq(view_count(status, "counts.user_tables"), 1, "status: user tables");
        tap_eq(view_count(status, "counts.user_bytes"), 524288, "status: their bytes");
        tap_eq(view_count(status, "counts.machine_findings"), 1, "status: findings of VMs");
        tap_ok(json_object_equal(view_get(status, "host"), view_get(json, "host")) && !view_get(status, "groups"), "status: the host alone");
        tap_eq(view_length(view_get(status, "findings")), 3, "status: findings");
        tap_ok(json_object_equal(groups, view_get(json, "groups")), "groups as they came");
        tap_ok(json_object_is_type(none, json_type_array) && view_length(none) == 0, "no groups: an empty array");
        tap_ok(view_get(nothing, "counts") && !view_get(nothing, "host"), "status of nothing");

        json_object *all[] = { json, evil, empty, status, groups, none, nothing, back, evil_back };
        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                (void) json_object_put(all[i]);
}

int main(void) {
        if (!setlocale(LC_ALL, "C.UTF-8")) {
                tap_ok(false, "the locale C.UTF-8");
                return tap_done();
        }
        test_status();
        test_verdicts();
        test_libvirt();
        test_near_limits();
        test_groups();
        test_machines();
        test_sources();
        test_describe();
        test_widths();
        test_ascii();
        test_no_legend();
        test_many_findings();
        test_many_machines();
        test_colours();
        test_mutations();
        test_find();
        test_view();
        test_sort();
        test_json();
        return tap_done();
}
