/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* domain_layout.c, domain_windows.c: where each device of a completed domain sits and which windows there are. A case says what
 * it wants as one line of text, so that all of it can be seen at once:
 *
 *   PHBs      pci.1 c1 i5 n0 ddw 1211000 [0,2] {3} vfio emulated notifier
 *             alias, libvirt's and QEMU's index, NUMA node, page sizes, its devices, its groups
 *   windows   80000500 vfio pci.1 0+40000000/12 g3
 *             LIOBN, kind, device, address and size, page shift, group; of dynamic ones all page shifts, * on the likely one */

#include "domain_layout.h"
#include "tap.h"
#include "util.h"

#define GIB (UINT64_C(1) << 30)
#define STR(s) ((char *) (s))

/* A PHB, a bridge, another controller, as libvirt completes them. */
#define CONTROLLER(m, i, target) .model = (m), .index = (i), .target_index = (target), .numa_node = -1, .alias = STR("pci." #i)
#define PHB(i, target) { CONTROLLER(CONTROLLER_PCI_ROOT, i, target) }
#define BRIDGE(i, on) { CONTROLLER(CONTROLLER_PCI_BRIDGE, i, -1), \
                        .address = { .type = DOMAIN_ADDRESS_PCI, .bus = (on), .slot = 1 } }
#define ON_BUS(b) .pci = true, .address = { .type = DOMAIN_ADDRESS_PCI, .bus = (b), .slot = 2 }
#define DISK(b) { .type = DOMAIN_DEVICE_DISK, .alias = STR("virtio-disk0"), ON_BUS(b) }
#define HOST(b, d, s) { .type = DOMAIN_DEVICE_HOSTDEV, .alias = STR("hostdev0"), .host_pci = true, \
                        .host = { .domain = (d), .slot = (s) }, ON_BUS(b) }
#define VIO(t, name, r) { .type = (t), .alias = STR(name), .vio = true, \
                          .address = { .type = DOMAIN_ADDRESS_VIO, .has_reg = true, .reg = (r) } }
#define VIO_DMA(t, name, r) { .type = (t), .alias = STR(name), .vio = true, .vio_dma = true, \
                              .address = { .type = DOMAIN_ADDRESS_VIO, .has_reg = true, .reg = (r) } }
#define QEMU_VIO(name, dma) { .type = DOMAIN_DEVICE_QEMU, .alias = STR(name), .vio = true, .vio_dma = (dma), \
                              .address.type = DOMAIN_ADDRESS_VIO }
#define GLOBAL(p, v) { .driver = STR("spapr-pci-host-bridge"), .property = STR(p), .value = STR(v) }
#define OF_ID(id, p, v) { .device = STR(id), .property = STR(p), .value = STR(v) }

/* Of a domain that has 8 GiB at most, on a new machine. */
#define DYNAMIC(liobn, device) liobn " pci " device " 800000000000000+200000000/12,16,21,24*"
#define WINDOWS_0 "80000000 pci pci.0 0+40000000/12; " DYNAMIC("80000001", "pci.0")

#define MAX_OF_EACH 8
#define TEXT_MAX 4096

typedef struct Case {
        const char *name;
        DomainController controllers[MAX_OF_EACH];
        DomainDevice devices[MAX_OF_EACH];
        QemuProperty properties[MAX_OF_EACH];
        const char *phbs;    /* NULL: not looked at */
        const char *windows;
} Case;

/* Groups 3 and 12, both of one function but for 12, which has two. */
static DeviceFacts in_group_3[] = { { .address = STR("0001:00:00.0"), .is_pci = true } };
static DeviceFacts in_group_12[] = {
        { .address = STR("0002:00:00.0"), .is_pci = true },
        { .address = STR("0002:00:01.0"), .is_pci = true },
};
static GroupFacts groups[] = {
        { .number = 3, .devices = in_group_3, .n_devices = 1 },
        { .number = 12, .devices = in_group_12, .n_devices = 2 },
};
static const VfioFacts vfio = { .groups_supported = true, .groups = groups, .n_groups = ELEMENTSOF(groups) };

static _printf_(2, 3) void append(char *text, const char *format, ...) {
        size_t length = strlen(text);
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text + length, TEXT_MAX - length, format, ap);
        va_end(ap);
}

static void show_phbs(const Layout *l, char *text) {
        *text = '\0';
        for (size_t i = 0; i < l->n_phbs; i++) {
                const Phb *p = &l->phbs[i];

                append(text, "%s%s c%d i%d", i > 0 ? "; " : "", p->alias ? p->alias : "(null)", p->controller_index, p->index);
                if (p->numa_node >= 0)
                        append(text, " n%d", p->numa_node);
                append(text, "%s %" PRIx64, p->ddw ? " ddw" : "", p->page_sizes);
                for (size_t j = 0; j < p->n_devices; j++)
                        append(text, "%s%zu%s", j == 0 ? " [" : ",", p->devices[j], j + 1 == p->n_devices ? "]" : "");
                for (size_t j = 0; j < p->n_groups; j++)
                        append(text, "%s%d%s", j == 0 ? " {" : ",", p->groups[j], j + 1 == p->n_groups ? "}" : "");
                append(text, "%s%s%s", p->vfio ? " vfio" : "", p->emulated ? " emulated" : "", p->notifier ? " notifier" : "");
        }
}

static void show_windows(const Layout *l, char *text) {
        const Window *previous = NULL;

        *text = '\0';
        for (size_t i = 0; i < l->description.n_windows; i++) {
                const Window *w = &l->description.windows[i];

                if (previous && w->dynamic && previous->dynamic && previous->liobn == w->liobn && previous->size == w->size &&
                    previous->page_shift < w->page_shift)
                        append(text, ",%" PRIu32 "%s", w->page_shift, w->likely ? "*" : "");
                else
                        append(text, "%s%" PRIx32 " %s %s %" PRIx64 "+%" PRIx64 "/%" PRIu32 "%s%s", i > 0 ? "; " : "", w->liobn,
                               device_kind_to_string(w->kind), w->device ? w->device : "(null)", w->bus_offset, w->size,
                               w->page_shift, w->dynamic && w->likely ? "*" : "", w->notifier ? " notifier" : "");
                if (w->group >= 0 && !w->dynamic)
                        append(text, " g%d", w->group);
                if (!w->dynamic && !w->likely)
                        append(text, " unlikely?");
                previous = w;
        }
}

/* A domain of the case's parts with 2 GiB, 8 GiB at most. */
static Domain domain_of(Case *c) {
        Domain d = {
                .name = STR("web1"),
                .uuid = "0123456789abcdef0123456789abcdef",
                .arch = STR("ppc64le"),
                .pseries = true,
                .kvm = true,
                .memory = 2 * GIB,
                .max_memory = 8 * GIB,
                .controllers = c->controllers,
                .devices = c->devices,
                .properties = c->properties,
        };

        while (d.n_controllers < MAX_OF_EACH && c->controllers[d.n_controllers].alias)
                d.n_controllers++;
        while (d.n_devices < MAX_OF_EACH && c->devices[d.n_devices].alias)
                d.n_devices++;
        while (d.n_properties < MAX_OF_EACH && c->properties[d.n_properties].property)
                d.n_properties++;
        return d;
}

static void check_case(const Case *original) {
        _cleanup_(layout_clear) Layout l = {};
        Case c = *original;
        Domain d = domain_of(&c);
        char text[TEXT_MAX];

        if (!tap_eq(layout_make(&d, &vfio, &l), 0, "%s", c.name))
                return;
        if (c.phbs) {
                show_phbs(&l, text);
                tap_streq(text, c.phbs, "%s: PHBs", c.name);
        }
        if (c.windows) {
                show_windows(&l, text);
                tap_streq(text, c.windows, "%s: windows", c.name);
        }
}

#define PHB_0 "pci.0 c0 i0 ddw 1211000"

static const Case phb_cases[] = {
        { "the implicit PHB alone", .phbs = PHB_0, .windows = WINDOWS_0 },
        { "PHB 0, given", .controllers = { PHB(0, 0) }, .phbs = PHB_0, .windows = WINDOWS_0 },
        { "libvirt's index is not QEMU's", .controllers = { PHB(0, 0), PHB(1, 5) },
          .phbs = PHB_0 "; pci.1 c1 i5 ddw 1211000",
          .windows = WINDOWS_0 "; 80000500 pci pci.1 0+40000000/12; " DYNAMIC("80000501", "pci.1") },
        { "by QEMU's index", .controllers = { PHB(0, 0), PHB(1, 9), PHB(2, 4) },
          .phbs = PHB_0 "; pci.2 c2 i4 ddw 1211000; pci.1 c1 i9 ddw 1211000" },
        { "the last index", .controllers = { PHB(0, 0), PHB(1, 30) },
          .windows = WINDOWS_0 "; 80001e00 pci pci.1 0+40000000/12; " DYNAMIC("80001e01", "pci.1") },
        { "one more, which QEMU refuses and old machine types do not", .controllers = { PHB(0, 0), PHB(1, 31) },
          .windows = WINDOWS_0 "; 80001f00 pci pci.1 0+40000000/12; " DYNAMIC("80001f01", "pci.1") },
        { "the last that a LIOBN can have", .controllers = { PHB(0, 0), PHB(1, 255) },
          .windows = WINDOWS_0 "; 8000ff00 pci pci.1 0+40000000/12; " DYNAMIC("8000ff01", "pci.1") },
        { "an index beyond any LIOBN", .controllers = { PHB(0, 0), PHB(1, 256) },
          .phbs = PHB_0 "; pci.1 c1 i256 ddw 1211000", .windows = WINDOWS_0 },
        { "an index without sense", .controllers = { PHB(0, 0), PHB(1, INT32_MAX) }, .windows = WINDOWS_0 },
        { "no index", .controllers = { PHB(0, 0), PHB(1, -1) }, .phbs = "pci.1 c1 i-1 ddw 1211000; " PHB_0,
          .windows = WINDOWS_0 },
        { "an index twice", .controllers = { PHB(0, 0), PHB(1, 3), PHB(2, 3) },
          .phbs = PHB_0 "; pci.1 c1 i3 ddw 1211000; pci.2 c2 i3 ddw 1211000" },
        { "a NUMA node",
          .controllers = { PHB(0, 0), { .model = CONTROLLER_PCI_ROOT, .index = 1, .target_index = 1, .numa_node = 1,
                                                       .alias = STR("pci.1") } },
          .phbs = PHB_0 "; pci.1 c1 i1 n1 ddw 1211000" },
        { "controllers without a bus are no PHBs",
          .controllers = { PHB(0, 0), { .model = CONTROLLER_PCI_OTHER, .index = 1, .target_index = 1,
                                                                                .alias = STR("pci.1") } },
          .phbs = PHB_0 },
};

static const Case property_cases[] = {
        { "pgsz of all", .controllers = { PHB(0, 0), PHB(1, 1) }, .properties = { GLOBAL("pgsz", "0x1000") },
          .phbs = "pci.0 c0 i0 ddw 1000; pci.1 c1 i1 ddw 1000",
          .windows = "80000000 pci pci.0 0+40000000/12; 80000001 pci pci.0 800000000000000+200000000/12*; "
                     "80000100 pci pci.1 0+40000000/12; 80000101 pci pci.1 800000000000000+200000000/12*" },
        { "pgsz in decimal", .properties = { GLOBAL("pgsz", "69632") }, .phbs = "pci.0 c0 i0 ddw 11000" },
        { "pgsz in octal, as QEMU takes it", .properties = { GLOBAL("pgsz", "0210000") }, .phbs = "pci.0 c0 i0 ddw 11000" },
        { "2 MiB pages as the largest", .properties = { GLOBAL("pgsz", "0x211000") },
          .windows = "80000000 pci pci.0 0+40000000/12; 80000001 pci pci.0 800000000000000+200000000/12,16,21*" },
        { "every page size that can be told", .properties = { GLOBAL("pgsz", "-1") },
          .phbs = "pci.0 c0 i0 ddw 41f211000",
          .windows = "80000000 pci pci.0 0+40000000/12; 80000001 pci pci.0 800000000000000+200000000/12,16,21,24,25,26,27,28" },
        { "a page size that can't be told", .properties = { GLOBAL("pgsz", "0x3000") }, .phbs = "pci.0 c0 i0 ddw 1000" },
        { "no page size", .properties = { GLOBAL("pgsz", "0") }, .phbs = "pci.0 c0 i0 ddw 0",
          .windows = "80000000 pci pci.0 0+40000000/12" },
        { "pgsz that is no number", .properties = { GLOBAL("pgsz", "64k") }, .phbs = PHB_0 },
        { "pgsz above 2^64", .properties = { GLOBAL("pgsz", "18446744073709551616") }, .phbs = PHB_0 },
        { "pgsz empty", .properties = { GLOBAL("pgsz", "") }, .phbs = PHB_0 },
        { "no 64-bit windows", .properties = { GLOBAL("ddw", "off") }, .phbs = "pci.0 c0 i0 1211000",
          .windows = "80000000 pci pci.0 0+40000000/12" },
        { "QEMU's other words", .properties = { GLOBAL("ddw", "false") }, .phbs = "pci.0 c0 i0 1211000" },
        { "and n", .properties = { GLOBAL("ddw", "n") }, .phbs = "pci.0 c0 i0 1211000" },
        { "what is neither", .properties = { GLOBAL("ddw", "0") }, .phbs = PHB_0 },
        { "the last one counts", .properties = { GLOBAL("ddw", "off"), GLOBAL("ddw", "on") }, .phbs = PHB_0 },
        { "of one PHB by its id", .controllers = { PHB(0, 0), PHB(1, 1) }, .properties = { OF_ID("pci.1", "ddw", "off") },
          .phbs = PHB_0 "; pci.1 c1 i1 1211000" },
        { "an id does not reach the implicit PHB", .properties = { OF_ID("pci.0", "ddw", "off") }, .phbs = PHB_0 },
        { "of another driver", .properties = { { .driver = STR("virtio-blk-pci"), .property = STR("ddw"), .value = STR("off") } },
          .phbs = PHB_0 },
        { "a larger default window", .properties = { GLOBAL("dma_win_size", "0x80000000") },
          .windows = "80000000 pci pci.0 0+80000000/12; " DYNAMIC("80000001", "pci.0") },
        { "one that is no multiple of a page", .properties = { GLOBAL("dma_win_size", "0x40000fff") }, .windows = WINDOWS_0 },
        { "one of 2^32 TCEs", .properties = { GLOBAL("dma_win_size", "0x100000000000") },
          .windows = "80000000 pci pci.0 0+100000000000/12; " DYNAMIC("80000001", "pci.0") },
        { "one of 2^64 - 1 bytes", .properties = { GLOBAL("dma_win_size", "18446744073709551615") },
          .windows = "80000000 pci pci.0 0+fffffffffffff000/12; " DYNAMIC("80000001", "pci.0") },
        { "one of none", .properties = { GLOBAL("dma_win_size", "0") },
          .windows = "80000000 pci pci.0 0+0/12; " DYNAMIC("80000001", "pci.0") },
        { "another address", .properties = { GLOBAL("dma_win_addr", "0x80000000") },
          .windows = "80000000 pci pci.0 80000000+40000000/12; " DYNAMIC("80000001", "pci.0") },
        { "another address of the 64-bit window", .properties = { GLOBAL("dma64_win_addr", "0x1000000000") },
          .windows = "80000000 pci pci.0 0+40000000/12; 80000001 pci pci.0 1000000000+200000000/12,16,21,24*" },
        { "its address at the very end", .properties = { GLOBAL("dma64_win_addr", "0xffffffffffffffff") },
          .windows = "80000000 pci pci.0 0+40000000/12; 80000001 pci pci.0 ffffffffffffffff+200000000/12,16,21,24*" },
        { "an index of its own", .controllers = { PHB(0, 0), PHB(1, 1) }, .properties = { OF_ID("pci.1", "index", "7") },
          .phbs = PHB_0 "; pci.1 c1 i7 ddw 1211000" },
        { "-global has no say over what -device names", .controllers = { PHB(0, 0), PHB(1, 1) }, .properties = { GLOBAL("index", "7") },
          .phbs = PHB_0 "; pci.1 c1 i1 ddw 1211000" },
        { "a NUMA node for all PHBs", .controllers = { PHB(0, 0), PHB(1, 1) }, .properties = { GLOBAL("numa_node", "1") },
          .phbs = "pci.0 c0 i0 n1 ddw 1211000; pci.1 c1 i1 n1 ddw 1211000" },
        { "an index of its own in octal", .controllers = { PHB(0, 0), PHB(1, 1) }, .properties = { OF_ID("pci.1", "index", "011") },
          .phbs = PHB_0 "; pci.1 c1 i9 ddw 1211000" },
        { "an index of its own without sense", .controllers = { PHB(0, 0), PHB(1, 1) },
          .properties = { OF_ID("pci.1", "index", "99999999999") },
          .phbs = PHB_0 "; pci.1 c1 i2147483647 ddw 1211000" },
        { "a NUMA node of its own", .controllers = { PHB(0, 0), PHB(1, 1) }, .properties = { OF_ID("pci.1", "numa_node", "1") },
          .phbs = PHB_0 "; pci.1 c1 i1 n1 ddw 1211000" },
};

static const Case bridge_cases[] = {
        { "a device on a PHB", .controllers = { PHB(0, 0), PHB(1, 5) }, .devices = { DISK(1), DISK(0) },
          .phbs = PHB_0 " [1] emulated; pci.1 c1 i5 ddw 1211000 [0] emulated" },
        { "behind a bridge", .controllers = { PHB(0, 0), PHB(1, 5), BRIDGE(2, 1) }, .devices = { DISK(2) },
          .phbs = PHB_0 "; pci.1 c1 i5 ddw 1211000 [0] emulated" },
        { "behind two", .controllers = { PHB(0, 0), PHB(1, 5), BRIDGE(2, 1), BRIDGE(3, 2) }, .devices = { DISK(3) },
          .phbs = PHB_0 "; pci.1 c1 i5 ddw 1211000 [0] emulated" },
        { "bridges that come before their parents", .controllers = { BRIDGE(3, 2), BRIDGE(2, 1), PHB(1, 5), PHB(0, 0) },
          .devices = { DISK(3) },
          .phbs = PHB_0 "; pci.1 c1 i5 ddw 1211000 [0] emulated" },
        { "on a bus that is not there", .controllers = { PHB(0, 0) }, .devices = { DISK(7) }, .phbs = PHB_0 },
        { "behind a bridge on a bus that is not there", .controllers = { PHB(0, 0), BRIDGE(2, 1) }, .devices = { DISK(2) },
          .phbs = PHB_0 },
        { "behind a bridge that sits nowhere",
          .controllers = { PHB(0, 0), { .model = CONTROLLER_PCI_BRIDGE, .index = 1, .alias = STR("pci.1") } },
          .devices = { DISK(1) }, .phbs = PHB_0 },
        { "behind a bridge on itself", .controllers = { PHB(0, 0), BRIDGE(1, 1) }, .devices = { DISK(1) }, .phbs = PHB_0 },
        { "behind two bridges in a ring", .controllers = { PHB(0, 0), BRIDGE(1, 2), BRIDGE(2, 1) },
          .devices = { DISK(1), DISK(2) },
          .phbs = PHB_0 },
        { "no PCI device",
          .devices = { { .type = DOMAIN_DEVICE_DISK, .alias = STR("sda"), .address.type = DOMAIN_ADDRESS_OTHER } },
          .phbs = PHB_0 },
};

#define COMMANDLINE_PHB { .type = DOMAIN_DEVICE_QEMU, .model = STR("spapr-pci-host-bridge"), .alias = STR("phb9"), .index = 9 }
#define ON_ANY { .type = DOMAIN_DEVICE_QEMU, .alias = STR("blk"), .pci = true }
#define ON_NAMED(name) { .type = DOMAIN_DEVICE_QEMU, .alias = STR("blk"), .pci = true, .bus = STR(name) }
#define BRIDGE_NAMED(name, on) { .type = DOMAIN_DEVICE_QEMU, .alias = STR(name), .model = STR("pci-bridge"), .pci = true, .bus = STR(on) }

static const Case commandline_cases[] = {
        { "a PHB of the command line", .devices = { COMMANDLINE_PHB }, .phbs = PHB_0 "; phb9 c-1 i9 ddw 1211000",
          .windows = WINDOWS_0 "; 80000900 pci phb9 0+40000000/12; " DYNAMIC("80000901", "phb9") },
        { "a device on it", .devices = { COMMANDLINE_PHB, ON_NAMED("phb9.0") },
          .phbs = PHB_0 "; phb9 c-1 i9 ddw 1211000 [1] emulated" },
        { "a property of it", .devices = { COMMANDLINE_PHB }, .properties = { OF_ID("phb9", "ddw", "off") },
          .phbs = PHB_0 "; phb9 c-1 i9 1211000" },
        { "a device on no bus in particular: the PHB that was made last", .devices = { COMMANDLINE_PHB, ON_ANY },
          .phbs = PHB_0 "; phb9 c-1 i9 ddw 1211000 [1] emulated" },
        { "before that is made", .devices = { ON_ANY, COMMANDLINE_PHB }, .phbs = PHB_0 " [0] emulated; phb9 c-1 i9 ddw 1211000" },
        { "the last of libvirt's", .controllers = { PHB(0, 0), PHB(1, 5), PHB(2, 3), BRIDGE(3, 1) }, .devices = { ON_ANY },
          .phbs = PHB_0 "; pci.2 c2 i3 ddw 1211000 [0] emulated; pci.1 c1 i5 ddw 1211000" },
        { "before all of libvirt's, as it is no JSON", .controllers = { PHB(0, 0), PHB(1, 5) },
          .devices = { { .type = DOMAIN_DEVICE_QEMU, .alias = STR("blk"), .pci = true, .plain = true } },
          .phbs = PHB_0 " [0] emulated; pci.1 c1 i5 ddw 1211000" },
        { "on the implicit PHB by name", .devices = { ON_NAMED("pci.0") }, .phbs = PHB_0 " [0] emulated" },
        { "on a PHB of libvirt's", .controllers = { PHB(0, 0), PHB(1, 5) }, .devices = { ON_NAMED("pci.1.0") },
          .phbs = PHB_0 "; pci.1 c1 i5 ddw 1211000 [0] emulated" },
        { "on a bridge", .controllers = { PHB(0, 0), PHB(1, 5), BRIDGE(2, 1) }, .devices = { ON_NAMED("pci.2") },
          .phbs = PHB_0 "; pci.1 c1 i5 ddw 1211000 [0] emulated" },
        { "on a bridge of the command line", .controllers = { PHB(0, 0), PHB(1, 5) },
          .devices = { BRIDGE_NAMED("br", "pci.1.0"), BRIDGE_NAMED("far", "br"), ON_NAMED("far") },
          .phbs = PHB_0 "; pci.1 c1 i5 ddw 1211000 [0,1,2] emulated" },
        { "bridges alone do no DMA", .devices = { BRIDGE_NAMED("br", "pci.0") }, .phbs = PHB_0 " [0]" },
        { "bridges in a ring", .devices = { BRIDGE_NAMED("a", "b"), BRIDGE_NAMED("b", "a"), ON_NAMED("b") }, .phbs = PHB_0 },
        { "on a bus that nobody knows",
          .devices = { ON_NAMED("phb8.0"), ON_NAMED("0"), ON_NAMED(".0"), ON_NAMED(""), ON_NAMED("pci") },
          .phbs = PHB_0 },
        { "VFIO on it",
          .devices = { COMMANDLINE_PHB, { .type = DOMAIN_DEVICE_QEMU, .alias = STR("gpu"), .pci = true, .bus = STR("phb9.0"),
                                                        .host_pci = true, .host = { .domain = 1 } } },
          .phbs = PHB_0 "; phb9 c-1 i9 ddw 1211000 [1] {3} vfio" },
};

#define VFIO_DYNAMIC(liobn, device) liobn " vfio " device " 800000000000000+200000000/12,16,21,24*"
#define PHB_1 "pci.0 c0 i0 ddw 1211000; pci.1 c1 i1 ddw 1211000"
#define POOL { .type = DOMAIN_DEVICE_INTERFACE, .alias = STR("net0"), .host_pool = true, ON_BUS(1) }
#define VIDEO(m) { .type = DOMAIN_DEVICE_VIDEO, .alias = STR("video0"), .model = STR(m), ON_BUS(1) }
#define QUIET(t) { .type = (t), .alias = STR("quiet0"), ON_BUS(1) }

static const Case vfio_cases[] = {
        { "a passed-through function", .controllers = { PHB(0, 0), PHB(1, 1) }, .devices = { HOST(1, 1, 0) },
          .phbs = PHB_1 " [0] {3} vfio",
          .windows = WINDOWS_0 "; 80000100 vfio pci.1 0+40000000/12 g3; " VFIO_DYNAMIC("80000101", "pci.1") },
        { "of a group that is not known", .controllers = { PHB(0, 0), PHB(1, 1) }, .devices = { HOST(1, 9, 0) },
          .phbs = PHB_1 " [0] vfio",
          .windows = WINDOWS_0 "; 80000100 vfio pci.1 0+40000000/12; " VFIO_DYNAMIC("80000101", "pci.1") },
        { "two of a group", .controllers = { PHB(0, 0), PHB(1, 1) }, .devices = { HOST(1, 2, 0), HOST(1, 2, 1) },
          .phbs = PHB_1 " [0,1] {12} vfio" },
        { "of two groups: the first by number", .controllers = { PHB(0, 0), PHB(1, 1) },
          .devices = { HOST(1, 2, 0), HOST(1, 9, 0), HOST(1, 1, 0) },
          .phbs = PHB_1 " [0,1,2] {3,12} vfio",
          .windows = WINDOWS_0 "; 80000100 vfio pci.1 0+40000000/12 g3; " VFIO_DYNAMIC("80000101", "pci.1") },
        { "beside an emulated one", .controllers = { PHB(0, 0), PHB(1, 1) }, .devices = { DISK(1), HOST(1, 1, 0) },
          .phbs = PHB_1 " [0,1] {3} vfio emulated" },
        { "behind a bridge", .controllers = { PHB(0, 0), PHB(1, 1), BRIDGE(2, 1) }, .devices = { HOST(2, 1, 0), DISK(1) },
          .phbs = PHB_1 " [0,1] {3} vfio emulated" },
        { "of a pool, not chosen yet", .controllers = { PHB(0, 0), PHB(1, 1) }, .devices = { POOL }, .phbs = PHB_1 " [0] vfio" },
        { "a mediated device", .controllers = { PHB(0, 0), PHB(1, 1) },
          .devices = { { .type = DOMAIN_DEVICE_HOSTDEV, .alias = STR("hostdev0"), .mdev = true, ON_BUS(1) } },
          .phbs = PHB_1 " [0] vfio" },
        { "an NVMe disk is a virtio disk to the guest", .controllers = { PHB(0, 0), PHB(1, 1) },
          .devices = { { .type = DOMAIN_DEVICE_DISK, .alias = STR("virtio-disk0"), .nvme = true, .host_pci = true,
                         .host.domain = 1, ON_BUS(1) } },
          .phbs = PHB_1 " [0] emulated" },
        { "a frame buffer does no DMA", .controllers = { PHB(0, 0), PHB(1, 1) }, .devices = { HOST(1, 1, 0), VIDEO("vga") },
          .phbs = PHB_1 " [0,1] {3} vfio" },
        { "a virtio one does", .controllers = { PHB(0, 0), PHB(1, 1) }, .devices = { HOST(1, 1, 0), VIDEO("virtio") },
          .phbs = PHB_1 " [0,1] {3} vfio emulated" },
        { "nor do a watchdog, shared memory, pvpanic", .controllers = { PHB(0, 0), PHB(1, 1) },
          .devices = { QUIET(DOMAIN_DEVICE_WATCHDOG), QUIET(DOMAIN_DEVICE_SHMEM), QUIET(DOMAIN_DEVICE_PANIC) },
          .phbs = PHB_1 " [0,1,2]" },
        { "vhost behind iommu_platform", .controllers = { PHB(0, 0), PHB(1, 1) },
          .devices = { { .type = DOMAIN_DEVICE_INTERFACE, .alias = STR("net0"), .notifier = true, ON_BUS(1) } },
          .phbs = PHB_1 " [0] emulated notifier",
          .windows = WINDOWS_0 "; 80000100 pci pci.1 0+40000000/12 notifier; "
                     "80000101 pci pci.1 800000000000000+200000000/12 notifier,16,21,24*" },
};

#define VIO_WINDOW " 0+10000000/12"

static const Case vio_cases[] = {
        { "every device that has a window",
          .devices = { VIO_DMA(DOMAIN_DEVICE_INTERFACE, "net0", 0x1000), VIO_DMA(DOMAIN_DEVICE_CONTROLLER, "scsi0", 0x2000),
                       VIO_DMA(DOMAIN_DEVICE_TPM, "tpm0", 0x4000) },
          .phbs = PHB_0,
          .windows = WINDOWS_0 "; 1000 vio net0" VIO_WINDOW "; 2000 vio scsi0" VIO_WINDOW "; 4000 vio tpm0" VIO_WINDOW },
        { "those that have none", .devices = { VIO(DOMAIN_DEVICE_SERIAL, "serial0", 0x30000000), VIO(DOMAIN_DEVICE_NVRAM,
          "nvram", 0x3000) },
          .windows = WINDOWS_0 },
        { "by register", .devices = { VIO_DMA(DOMAIN_DEVICE_INTERFACE, "net0", 0x5000), VIO_DMA(DOMAIN_DEVICE_INTERFACE,
          "net1", 0x1000) },
          .windows = WINDOWS_0 "; 1000 vio net1" VIO_WINDOW "; 5000 vio net0" VIO_WINDOW },
        { "a register twice", .devices = { VIO_DMA(DOMAIN_DEVICE_INTERFACE, "net0", 0x1000), VIO_DMA(DOMAIN_DEVICE_INTERFACE,
          "net1", 0x1000) },
          .windows = WINDOWS_0 "; 1000 vio net0" VIO_WINDOW "; 1000 vio net1" VIO_WINDOW },
        { "a register among the PCI LIOBNs", .devices = { VIO_DMA(DOMAIN_DEVICE_INTERFACE, "net0", 0x80000001) },
          .windows = WINDOWS_0 "; 80000001 vio net0" VIO_WINDOW },
        { "the largest register", .devices = { VIO_DMA(DOMAIN_DEVICE_INTERFACE, "net0", UINT32_MAX - 1) },
          .windows = WINDOWS_0 "; fffffffe vio net0" VIO_WINDOW },
        { "a register of all ones, which QEMU takes for none", .devices = { VIO_DMA(DOMAIN_DEVICE_INTERFACE, "net0", UINT32_MAX) },
          .windows = WINDOWS_0 "; 71000001 vio net0" VIO_WINDOW },
        { "more than a register has bits", .devices = { VIO_DMA(DOMAIN_DEVICE_INTERFACE, "net0", UINT64_C(1) << 32) },
          .windows = WINDOWS_0 },
        { "QEMU's registers, behind its own NVRAM",
          .devices = { QEMU_VIO("net9", true), QEMU_VIO("vty9", false), QEMU_VIO("net8", true) },
          .windows = WINDOWS_0 "; 71000001 vio net9" VIO_WINDOW "; 71000003 vio net8" VIO_WINDOW },
        { "where libvirt placed the NVRAM", .devices = { VIO(DOMAIN_DEVICE_NVRAM, "nvram", 0x3000), QEMU_VIO("net9", true) },
          .windows = WINDOWS_0 "; 71000000 vio net9" VIO_WINDOW },
        { "where one is taken", .devices = { VIO_DMA(DOMAIN_DEVICE_INTERFACE, "net0", 0x71000001), QEMU_VIO("net9", true) },
          .windows = WINDOWS_0 "; 71000001 vio net0" VIO_WINDOW "; 71000002 vio net9" VIO_WINDOW },
};

#define CHECK_CASES(cases)                              \
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)  \
                check_case(&(cases)[i])

/* What QEMU 7.2 says of its PHB for each machine type (`info qtree`). */
static void test_machines(void) {
        static const struct {
                unsigned major, minor;
                bool ddw;
                uint64_t page_sizes;
        } cases[] = {
                { 2, 1, false, 0x11000 }, { 2, 5, false, 0x11000 },  { 2, 6, false, 0x11000 },   { 2, 7, true, 0x11000 },
                { 3, 1, true, 0x11000 },  { 4, 0, true, 0x11000 },   { 4, 1, true, 0x11000 },    { 4, 2, true, 0x1211000 },
                { 5, 0, true, 0x1211000 }, { 7, 2, true, 0x1211000 }, { 10, 0, true, 0x1211000 }, { 0, 0, true, 0x1211000 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(layout_clear) Layout l = {};
                Case nothing = {};
                Domain d = domain_of(&nothing);

                d.machine_major = cases[i].major;
                d.machine_minor = cases[i].minor;
                tap_ok(layout_make(&d, &vfio, &l) == 0 && l.n_phbs == 1 && l.phbs[0].ddw == cases[i].ddw &&
                               l.phbs[0].page_sizes == cases[i].page_sizes &&
                               l.description.n_windows == (!cases[i].ddw ? 1 : cases[i].page_sizes == 0x11000 ? 3 : 5),
                       "pseries-%u.%u", cases[i].major, cases[i].minor);
        }
}

/* What a property says comes before what the machine type says. */
static void test_machine_and_property(void) {
        _cleanup_(layout_clear) Layout l = {};
        Case c = { .properties = { GLOBAL("ddw", "on"), GLOBAL("pgsz", "0x1000000") } };
        Domain d = domain_of(&c);
        char text[TEXT_MAX];

        d.machine_major = 2;
        d.machine_minor = 6;
        if (!tap_eq(layout_make(&d, &vfio, &l), 0, "an old machine told to have 64-bit windows"))
                return;
        show_windows(&l, text);
        tap_streq(text, "80000000 pci pci.0 0+40000000/12; 80000001 pci pci.0 800000000000000+200000000/24*", "it has them");
}

/* The window's size follows from where the guest's memory ends; 1536 MiB of at most 8 GiB is a device tree that was looked at. */
static void test_memory(void) {
        static const struct {
                const char *name;
                uint64_t memory, max, want;
                uint64_t size; /* of the window; 0: none */
        } cases[] = {
                { "no room for more", 2 * GIB, 0, 2 * GIB, 2 * GIB },
                { "not a power of two", 3 * GIB, 0, 3 * GIB, 4 * GIB },
                { "rounded up to 256 MiB", GIB + 1, 0, GIB + (256 << 20), 2 * GIB },
                { "room for more", 2 * GIB, 6 * GIB, 6 * GIB, 8 * GIB },
                { "as much as there is", 4 * GIB, 4 * GIB, 4 * GIB, 4 * GIB },
                { "less than there is", 4 * GIB, 2 * GIB, 4 * GIB, 4 * GIB },
                { "the room begins at a whole GiB", 3 * GIB / 2, 8 * GIB, 17 * GIB / 2, 16 * GIB },
                { "8 TiB", 2 * GIB, 8192 * GIB, 8192 * GIB, 8192 * GIB },
                { "an exabyte", 2 * GIB, UINT64_C(1) << 60, UINT64_C(1) << 60, UINT64_C(1) << 60 },
                { "all that 64 bits have", UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_C(1) << 63 },
                { "the same, with less at first", GIB / 2, UINT64_MAX, UINT64_MAX, UINT64_C(1) << 63 },
                { "none", 0, 0, 0, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(layout_clear) Layout l = {};
                Case nothing = {};
                Domain d = domain_of(&nothing);
                size_t n;

                d.memory = cases[i].memory;
                d.max_memory = cases[i].max;
                if (!tap_eq(layout_make(&d, &vfio, &l), 0, "memory: %s", cases[i].name))
                        continue;
                tap_eq(l.guest_memory_max, cases[i].want, "memory: %s: its end", cases[i].name);
                n = l.description.n_windows;
                if (cases[i].size == 0)
                        tap_eq(n, 1, "memory: %s: no 64-bit window", cases[i].name);
                else
                        tap_ok(n == 5 && l.description.windows[n - 1].size == cases[i].size,
                               "memory: %s: the window", cases[i].name);
        }
}

/* Page sizes larger than the window, which QEMU refuses: Linux asks for the largest all the same. */
static void test_large_pages(void) {
        static const struct {
                const char *name;
                uint64_t memory;
                const char *pgsz, *want;
        } cases[] = {
                { "16 GiB pages in 8 GiB", 8 * GIB, "0x401001000", "80000001 pci pci.0 800000000000000+200000000/12,24" },
                { "16 GiB pages in 16 GiB", 16 * GIB, "0x401001000", "80000001 pci pci.0 800000000000000+400000000/12,24,34*" },
                { "256 MiB pages in 256 MiB", GIB / 4, "0x10000000", "80000001 pci pci.0 800000000000000+10000000/28*" },
                { "nothing but 16 GiB pages in 8 GiB", 8 * GIB, "0x400000000", "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(layout_clear) Layout l = {};
                Case c = { .properties = { GLOBAL("pgsz", cases[i].pgsz) } };
                Domain d = domain_of(&c);
                char text[TEXT_MAX], want[TEXT_MAX];

                d.memory = cases[i].memory;
                d.max_memory = 0;
                tap_eq(layout_make(&d, &vfio, &l), 0, "%s", cases[i].name);
                show_windows(&l, text);
                (void) snprintf(want, sizeof(want),
                       "80000000 pci pci.0 0+40000000/12%s%s", *cases[i].want ? "; " : "", cases[i].want);
                tap_streq(text, want, "%s: rows", cases[i].name);
        }
}

/* Persistent memory may appear anywhere: Linux makes the window as large as its kernel's memory can be. */
static void test_pmem(void) {
        _cleanup_(layout_clear) Layout l = {};
        DomainDimm dimms[] = {
                { .model = STR("dimm"), .size = GIB },
                { .model = STR("nvdimm"), .size = GIB, .label_size = 128 << 10 },
        };
        Case nothing = {};
        Domain d = domain_of(&nothing);
        char text[TEXT_MAX];

        d.dimms = dimms;
        d.n_dimms = 2;
        if (!tap_eq(layout_make(&d, &vfio, &l), 0, "an NVDIMM"))
                return;
        show_windows(&l, text);
        tap_streq(text, "80000000 pci pci.0 0+40000000/12; 80000001 pci pci.0 800000000000000+200000000/12; "
                        "80000001 pci pci.0 800000000000000+8000000000000/16,21,24*",
                  "its windows, but for the page size that would need too many TCEs");
        layout_clear(&l);
        d.n_dimms = 1;
        tap_ok(layout_make(&d, &vfio, &l) == 0 && l.description.windows[1].size == 8 * GIB, "a DIMM changes nothing");
}

/* Who it is, and what the VM is. */
static void test_description(void) {
        _cleanup_(layout_clear) Layout l = {};
        Case c = { .controllers = { PHB(0, 0), PHB(1, 1) },
                   .devices = { DISK(1), VIO_DMA(DOMAIN_DEVICE_INTERFACE, "net0", 0x1000) } };
        Domain d = domain_of(&c);

        tap_eq(layout_make(&d, &vfio, &l), 0, "a domain of type kvm");
        tap_streq(l.description.name, "web1", "its name");
        tap_ok(l.description.name != d.name, "is a copy");
        tap_streq(l.description.uuid, "0123456789abcdef0123456789abcdef", "its UUID");
        tap_ok(!l.description.no_kvm, "it has KVM");
        tap_ok(layout_phb_of(&l, 0) == &l.phbs[1], "a device's PHB is found");
        tap_ok(!layout_phb_of(&l, 1) && !layout_phb_of(&l, 77), "a VIO device has none, and one that is not there");
        tap_ok(l.n_vio == 1 && l.vio[0].device == 1 && l.vio[0].reg == 0x1000, "VIO devices are listed");
        tap_ok(l.phbs[1].controller == &d.controllers[1], "a PHB knows its controller");
        layout_clear(&l);
        tap_ok(l.n_phbs == 0 && !l.phbs && !l.description.windows, "a layout is cleared");
        layout_clear(&l);
        d.kvm = false;
        tap_ok(layout_make(&d, &vfio, &l) == 0 && l.description.no_kvm && l.description.n_windows > 0,
               "a domain of type qemu has windows and no KVM");
        layout_clear(&l);
        d.pseries = false;
        tap_ok(layout_make(&d, &vfio, &l) == 0 && l.n_phbs == 0 && l.description.n_windows == 0 && l.n_vio == 0,
               "another architecture's domain has neither PHBs nor windows");
        tap_streq(l.description.name, "web1", "but a name");
}

/* As many as an XML of two MiB has room for: it must not take minutes. */
static void test_many(void) {
        enum { MANY = 20000, BUSES = 256 };
        _cleanup_(layout_clear) Layout l = {};
        _cleanup_free_ DomainController *controllers = calloc(MANY, sizeof(*controllers));
        _cleanup_free_ DomainDevice *devices = calloc(MANY, sizeof(*devices));
        _cleanup_free_ QemuProperty *properties = calloc(MANY, sizeof(*properties));
        Case nothing = {};
        Domain d = domain_of(&nothing);

        for (int i = 1; i < MANY; i++)
                controllers[i] = (DomainController) { .model = CONTROLLER_PCI_BRIDGE, .index = i, .alias = STR("pci"),
                                                      .address = { .type = DOMAIN_ADDRESS_PCI, .bus = (unsigned) i - 1 } };
        for (size_t i = 0; i < MANY; i++) {
                devices[i] = (DomainDevice) DISK(BUSES - 1);
                properties[i] = (QemuProperty) GLOBAL("pgsz", "0x1000");
        }
        controllers[0] = (DomainController) PHB(0, 0);
        d.controllers = controllers;
        d.devices = devices;
        d.properties = properties;
        d.n_controllers = d.n_devices = d.n_properties = MANY;
        tap_eq(layout_make(&d, &vfio, &l), 0, "%d bridges one behind the other", MANY);
        tap_eq(l.phbs[0].n_devices, MANY, "as many devices behind the last that libvirt could have");
        layout_clear(&l);
        for (int i = 0; i < MANY; i++)
                controllers[i] = (DomainController) { CONTROLLER(CONTROLLER_PCI_ROOT, i, i) };
        tap_eq(layout_make(&d, &vfio, &l), 0, "%d PHBs", MANY);
        tap_eq(l.n_phbs, BUSES, "of which no more are laid out than there can be");
}

int main(void) {
        CHECK_CASES(phb_cases);
        CHECK_CASES(property_cases);
        CHECK_CASES(bridge_cases);
        CHECK_CASES(commandline_cases);
        CHECK_CASES(vfio_cases);
        CHECK_CASES(vio_cases);
        test_machines();
        test_machine_and_property();
        test_memory();
        test_large_pages();
        test_pmem();
        test_description();
        test_many();
        return tap_done();
}
