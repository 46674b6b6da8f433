/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* domain_complete(): what libvirt fills in. domain-answers.h has libvirt's own answers; here is besides what these don't show:
 * isolation groups as such, pools, VMs that run, refusals, bounds.
 *
 *   test-domain_address --write DIR     for tests/libvirt/domain-address.sh: writes DIR/N.xml for each domain, and a line for
 *                                       each, its fields between tabs: N, the name, "answer" or "refusal", the major version of
 *                                       libvirt that answers so, "start" or "define", the answer, and that with elements in
 *                                       place of aliases */

#include "domain_address.h"

#include <limits.h>
#include <time.h>

#include "domain-answers.h"
#include "tap.h"
#include "util.h"

#define TEXT_MAX 8192
#define XML_MAX (1 << 20)
#define TOKENS_MAX 256

#define DEVICE(name) { .address = (char *) (name), .is_pci = true }
static DeviceFacts in_0[] = { DEVICE("0006:00:00.0") };
static DeviceFacts in_1[] = { DEVICE("0001:00:00.0") };
static DeviceFacts in_2[] = { DEVICE("0002:00:00.0"), DEVICE("0002:00:00.1") };
static DeviceFacts in_3[] = { DEVICE("0003:00:00.0"), DEVICE("0003:00:00.1") };
static DeviceFacts in_4[] = { DEVICE("0004:00:00.0"), DEVICE("0004:01:00.0") };
#define GROUP(number_, devices_) { .number = (number_), .devices = (devices_), .n_devices = ELEMENTSOF(devices_) }
static GroupFacts groups[] = { GROUP(0, in_0), GROUP(1, in_1), GROUP(2, in_2), GROUP(3, in_3), GROUP(4, in_4) };
static const VfioFacts vfio = { .groups_supported = true, .groups = groups, .n_groups = ELEMENTSOF(groups) };

static char xml_text[XML_MAX];

/* `head`: attributes of the domain, `memory`: elements before <os>. */
static const char *make_xml(const char *head, const char *memory, const char *devices) {
        (void) snprintf(xml_text, sizeof(xml_text), "<domain type='qemu'%s>\n<name>answer</name>\n%s"
                        "<memory unit='GiB'>1</memory>\n<os><type arch='ppc64' machine='pseries'>hvm</type></os>\n<devices>\n"
                        "%s</devices>\n</domain>\n", head, memory, devices);
        return xml_text;
}

/* With room for more memory, which gives it the NUMA cell 0. */
static const char *write_xml(const char *devices) {
        return make_xml("", "<maxMemory slots='4' unit='GiB'>4</maxMemory>", devices);
}

typedef struct Tokens {
        char text[TOKENS_MAX][96];
        size_t n;
} Tokens;

static _printf_(2, 3) void add_token(Tokens *t, const char *format, ...) {
        va_list ap;

        if (t->n >= TOKENS_MAX)
                return;
        va_start(ap, format);
        (void) vsnprintf(t->text[t->n++], sizeof(t->text[0]), format, ap);
        va_end(ap);
}

static int compare_tokens(const void *a, const void *b) {
        return strcmp(a, b);
}

static void add_address(Tokens *t, const char *name, const DomainAddress *a) {
        if (a->type == DOMAIN_ADDRESS_VIO)
                add_token(t, "%s@r%" PRIx64, name, a->reg);
        else if (a->type == DOMAIN_ADDRESS_PCI && a->function > 0)
                add_token(t, "%s@%x:%x.%x", name, a->bus, a->slot, a->function);
        else if (a->type == DOMAIN_ADDRESS_PCI)
                add_token(t, "%s@%x:%x", name, a->bus, a->slot);
}

static const char *element_name(const DomainDevice *device, char *buf, size_t size) {
        const char *element = domain_device_type_to_string(device->type);

        if (device->type != DOMAIN_DEVICE_CONTROLLER)
                return element;
        (void) snprintf(buf, size, "%s.%s%d", element, device->kind, device->index);
        return buf;
}

/* As domain-answers.h has it. elements: by these, not by aliases. */
static void show(const Domain *d, bool elements, char *text) {
        Tokens t = { .n = 0 };
        size_t length = 0;

        for (size_t i = 0; i < d->n_controllers; i++) {
                const DomainController *c = &d->controllers[i];

                if (c->model == CONTROLLER_PCI_ROOT)
                        add_token(&t, "%s=%d:%d", elements ? "phb" : c->alias, c->index, c->target_index);
                else
                        add_address(&t, elements ? "bridge" : c->alias, &c->address);
        }
        for (size_t i = 0; i < d->n_devices; i++) {
                const DomainDevice *device = &d->devices[i];
                char buf[64];

                add_address(&t, elements ? element_name(device, buf, sizeof(buf)) : device->alias, &device->address);
                if (!elements && device->type == DOMAIN_DEVICE_DISK && !device->pci)
                        add_token(&t, "%s", device->alias);
        }
        qsort(t.text, t.n, sizeof(t.text[0]), compare_tokens);
        *text = '\0';
        for (size_t i = 0; i < t.n && length < TEXT_MAX; i++)
                length += (size_t) snprintf(text + length, TEXT_MAX - length, "%s%s", i > 0 ? " " : "", t.text[i]);
}

/* Reads and completes. */
static int complete(const char *xml, Domain *d, DomainError *error) {
        int r;

        *error = (DomainError) {};
        r = domain_read(xml, strlen(xml), d, error);
        return r < 0 ? r : domain_complete(d, &vfio, error);
}

static void answer(const char *xml, bool elements, char *text) {
        _cleanup_(domain_clear) Domain d = {};
        DomainError error;
        int r = complete(xml, &d, &error);

        if (r < 0)
                (void) snprintf(text, TEXT_MAX, "%d: %s", r, error.text);
        else
                show(&d, elements, text);
}

/* What is complete stays as it is. */
static void check_again(const char *name, const char *xml) {
        _cleanup_(domain_clear) Domain d = {};
        char before[TEXT_MAX], after[TEXT_MAX];
        size_t n_controllers;
        DomainError error;

        if (!tap_eq(complete(xml, &d, &error), 0, "%s: completed", name))
                return;
        show(&d, false, before);
        n_controllers = d.n_controllers;
        d.live = true;
        tap_ok(domain_complete(&d, &vfio, &error) == 0 && d.n_controllers == n_controllers, "%s: completed again", name);
        show(&d, false, after);
        tap_streq(after, before, "%s: is as it was", name);
}

static void test_answers(void) {
        char text[TEXT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                answer(write_xml(answers[i].devices), false, text);
                tap_streq(text, answers[i].answer, "%s", answers[i].name);
                check_again(answers[i].name, write_xml(answers[i].devices));
        }
}

static void check_words(const char *name, const DomainError *error, const char *const words[2]) {
        for (size_t i = 0; i < 2 && words[i]; i++)
                if (!tap_ok(strstr(error->text, words[i]), "%s: says '%s'", name, words[i]))
                        printf("#   have '%s'\n", error->text);
}

static void test_refusals(void) {
        for (size_t i = 0; i < ELEMENTSOF(refusals); i++) {
                _cleanup_(domain_clear) Domain d = {};
                DomainError error;

                tap_eq(complete(write_xml(refusals[i].devices), &d, &error), -EINVAL, "%s: refused", refusals[i].name);
                check_words(refusals[i].name, &error, refusals[i].words);
                tap_eq(error.line, refusals[i].line, "%s: its line", refusals[i].name);
        }
}

/* The isolation groups: of controllers by index, then of devices that have one. */
static void show_groups(const Domain *d, char *text) {
        size_t length = 0;

        *text = '\0';
        for (size_t i = 0; i < d->n_controllers; i++)
                length += (size_t) snprintf(text + length, TEXT_MAX - length, "%s%u", i > 0 ? " " : "",
                                            d->controllers[i].isolation_group);
        for (size_t i = 0; i < d->n_devices; i++)
                if (d->devices[i].isolation_group > 0)
                        length += (size_t) snprintf(text + length, TEXT_MAX - length, " %s:%u", d->devices[i].alias,
                                                    d->devices[i].isolation_group);
}

static void test_groups(void) {
        static const struct {
                const char *name, *devices, *groups;
        } cases[] = {
                { "emulated devices have group 0", BARE NET_MODEL("virtio") PHB("1"), "0 0" },
                { "a host device's group is counted from 1", BARE HOSTDEV("6", "0") HOSTDEV("2", "0"),
                  "0 1 3 hostdev0:1 hostdev1:3" },
                { "a function of an interface has one", BARE HOSTNET("3", "1"), "0 4 hostdev0:4" },
                { "one that the host does not have has none", BARE HOSTDEV("9", "0"), "0" },
                { "bus 0 stays with emulated devices", BARE HOSTDEV_AT("1", "0", AT("0", "1")), "0 hostdev0:2" },
                { "mixed by hand, a bus has none", BARE PHB("1") HOSTDEV_AT("1", "0", AT("1", "1"))
                  NET_AT("virtio", AT("1", "2")), "0 0 hostdev0:2" },
                { "two groups on one bus are none", BARE PHB("1") HOSTDEV_AT("1", "0", AT("1", "1"))
                  HOSTDEV_AT("2", "0", AT("1", "2")), "0 0 hostdev0:2 hostdev1:3" },
                { "a bridge's bus has one", BARE BRIDGE("1") HOSTDEV("1", "0"), "0 2 hostdev0:2" },
        };
        char text[TEXT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(domain_clear) Domain d = {};
                DomainError error;

                tap_eq(complete(write_xml(cases[i].devices), &d, &error), 0, "%s: completed", cases[i].name);
                show_groups(&d, text);
                tap_streq(text, cases[i].groups, "%s", cases[i].name);
        }
}

/* As libvirt 9.0 answered with a network of type hostdev. The XML does not tell such a network from another: who knows
 * says so. */
static void test_pools(void) {
        const char *xml = write_xml(BARE "<interface type='network'><source network='pool'/></interface>\n" NET
                                    "<interface type='network'><source network='pool'/></interface>\n" HOSTDEV("1", "0"));
        _cleanup_(domain_clear) Domain d = {};
        DomainError error = {};
        char text[TEXT_MAX];

        if (!tap_eq(domain_read(xml, strlen(xml), &d, &error), 0, "pools: read"))
                return;
        for (size_t i = 0; i < d.n_devices; i++)
                if (d.devices[i].kind && streq(d.devices[i].kind, "network"))
                        d.devices[i].host_pool = true;
        tap_eq(domain_complete(&d, &vfio, &error), 0, "pools: completed");
        show(&d, false, text);
        tap_streq(text, "hostdev0@1:1 hostdev1@2:1 hostdev2@3:1 net0@0:1 pci.0=0:0 pci.1=1:1 pci.2=2:2 pci.3=3:3",
                  "each of a pool has a PHB of its own");
        show_groups(&d, text);
        tap_streq(text, "0 4294967295 4294967294 2 hostdev0:4294967295 hostdev1:4294967294 hostdev2:2",
                  "and groups from the highest number down");
}

#define ID " id='3'"
#define NAMED_NET(alias, bus, slot) \
        "<interface type='user'><model type='virtio'/><alias name='" alias "'/>" AT(bus, slot) "</interface>\n"
#define LIVE_PHB(index) \
        "<controller type='pci' index='" index "' model='pci-root'><model name='spapr-pci-host-bridge'/><target index='" index \
        "'/><alias name='pci." index "'/></controller>\n"
#define INPUT_NAMED(alias, slot) \
        "<input type='tablet' bus='virtio'><alias name='" alias "'/>" AT("0", slot) "</input>\n"
#define SLOTS_4(a, b, c, d) NET_AT("virtio", AT("0", a)) NET_AT("virtio", AT("0", b)) NET_AT("virtio", AT("0", c)) \
        NET_AT("virtio", AT("0", d))
#define SLOTS_28 SLOTS_4("1", "2", "3", "4") SLOTS_4("5", "6", "7", "8") SLOTS_4("9", "10", "11", "12") \
        SLOTS_4("13", "14", "15", "16") SLOTS_4("17", "18", "19", "20") SLOTS_4("21", "22", "23", "24") \
        SLOTS_4("25", "26", "27", "28")
#define SLOTS_31 SLOTS_28 NET_AT("virtio", AT("0", "29")) NET_AT("virtio", AT("0", "30")) NET_AT("virtio", AT("0", "31"))

/* A VM that runs, and what is plugged into it. */
static void test_live(void) {
        static const struct {
                const char *name, *devices, *attach, *answer; /* answer NULL: refused */
                const char *words[2];
        } cases[] = {
                { "aliases that are there stay", BARE LIVE_PHB("0") NAMED_NET("net7", "0", "3"), NULL, "net7@0:3 pci.0=0:0" },
                { "the next alias, the next slot", BARE LIVE_PHB("0") NAMED_NET("net7", "0", "1"), NET_MODEL("virtio"),
                  "net7@0:1 net8@0:2 pci.0=0:0" },
                { "inputs are counted on, too", BARE LIVE_PHB("0") INPUT_NAMED("input4", "1"),
                  "<input type='mouse' bus='virtio'/>", "input4@0:1 input5@0:2 pci.0=0:0" },
                { "a host device takes an empty PHB", BARE LIVE_PHB("0") LIVE_PHB("1") NAMED_NET("net0", "0", "1"),
                  HOSTDEV("1", "0"), "hostdev0@1:1 net0@0:1 pci.0=0:0 pci.1=1:1" },
                { "a host device goes to its group's PHB", BARE LIVE_PHB("0") LIVE_PHB("1") LIVE_PHB("2")
                  HOSTDEV_AT("2", "0", AT("2", "1")), HOSTDEV("2", "1"),
                  "hostdev0@2:1 hostdev1@2:2 pci.0=0:0 pci.1=1:1 pci.2=2:2" },
                { "a host device finds no PHB", BARE LIVE_PHB("0") NAMED_NET("net0", "0", "1"), HOSTDEV("1", "0"), NULL,
                  { "<hostdev>: no PCI bus has a free slot", "none can be added while the VM runs" } },
                { "a bus that is not there", BARE LIVE_PHB("0"), NET_AT("virtio", AT("1", "1")), NULL,
                  { "<interface>: PCI bus 0x1: there is no", NULL } },
        };
        char text[TEXT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *xml = make_xml(ID, "", cases[i].devices);
                _cleanup_(domain_clear) Domain d = {};
                DomainError error = {};
                int r = domain_read(xml, strlen(xml), &d, &error);

                if (r >= 0 && cases[i].attach)
                        r = domain_read_device(cases[i].attach, strlen(cases[i].attach), &d, &error);
                tap_eq(r, 0, "%s: read", cases[i].name);
                tap_eq(domain_complete(&d, &vfio, &error), cases[i].answer ? 0 : -EINVAL, "%s: completed", cases[i].name);
                check_words(cases[i].name, &error, cases[i].words);
                if (!cases[i].answer)
                        continue;
                show(&d, false, text);
                tap_streq(text, cases[i].answer, "%s", cases[i].name);
        }
}

/* A full bus 0: nothing is added to what runs, a PHB to what begins, and a bridge gets no place there. */
static void test_full(void) {
        _cleanup_(domain_clear) Domain live = {}, fresh = {}, bridge = {};
        static const char *const words[2] = { "index='1'>: it is on bus 1" };
        DomainError error;

        tap_ok(complete(make_xml(ID, "", BARE LIVE_PHB("0") SLOTS_31), &live, &error) == 0 && live.n_controllers == 1,
               "a VM that runs keeps its PHBs");
        tap_ok(complete(write_xml(BARE NET SLOTS_31), &fresh, &error) == 0 && fresh.n_controllers == 2,
               "a new one gets what it needs");
        tap_eq(complete(write_xml(BARE BRIDGE("1") SLOTS_31), &bridge, &error), -EINVAL, "a bridge finds no slot");
        check_words("a bridge finds no slot", &error, words);
}

/* libvirt would pick it and then refuse it itself: a finding says so. */
static void test_index_31(void) {
        _cleanup_(domain_clear) Domain d = {};
        DomainError error;

        tap_eq(complete(write_xml(BARE NET_AT("virtio", AT("31", "1"))), &d, &error), 0, "32 PHBs: completed");
        tap_ok(d.n_controllers == 32 && d.controllers[31].index == 31 && d.controllers[31].target_index == 31,
               "32 PHBs: the last has index 31");
}

/* As they are in the XML, so that a finding can name both. */
static void test_duplicate_registers(void) {
        _cleanup_(domain_clear) Domain d = {};
        DomainError error;
        char text[TEXT_MAX];

        tap_eq(complete(write_xml(BARE VLAN_AT(VIO_AT("0x1000")) VLAN_AT(VIO_AT("0x1000")) VLAN), &d,
                        &error), 0, "a register twice: completed");
        show(&d, false, text);
        tap_streq(text, "net0@r1000 net1@r1000 net2@r2000 pci.0=0:0", "a register twice: both keep it");
}

/* What libvirt does not know of takes no register from it. */
static void test_qemu_arguments(void) {
        DomainDevice devices[2] = {
                { .type = DOMAIN_DEVICE_QEMU, .vio = true, .vio_dma = true, .model = (char *) "spapr-vlan",
                  .address = { .type = DOMAIN_ADDRESS_VIO, .has_reg = true, .reg = 0x1000 } },
                { .type = DOMAIN_DEVICE_QEMU, .pci = true, .alias = strdup("mine"), .alias_given = true },
        };
        const char *xml = write_xml(BARE VLAN);
        _cleanup_(domain_clear) Domain d = {};
        DomainError error = {};
        bool added;

        devices[0].model = strdup("spapr-vlan");
        added = domain_read(xml, strlen(xml), &d, &error) == 0 &&
                ARRAY_RESERVE(d.devices, d.devices_allocated, d.n_devices + 2) == 0;
        if (!tap_ok(added, "QEMU's arguments: read"))
                return;
        memcpy(&d.devices[d.n_devices], devices, sizeof(devices));
        d.n_devices += 2;
        tap_eq(domain_complete(&d, NULL, &error), 0, "QEMU's arguments: completed");
        for (size_t i = 0; i < d.n_devices; i++) {
                const DomainDevice *device = &d.devices[i];

                if (device->type == DOMAIN_DEVICE_INTERFACE)
                        tap_eq(device->address.reg, 0x1000, "libvirt gives a register that an argument has");
                if (device->type == DOMAIN_DEVICE_QEMU && device->vio)
                        tap_streq(device->alias, "spapr-vlan", "a device without an id is called by its driver");
                if (device->type == DOMAIN_DEVICE_QEMU && device->pci)
                        tap_ok(streq(device->alias, "mine") && device->address.type == DOMAIN_ADDRESS_NONE,
                               "an argument's device keeps its id and gets no slot");
        }
}

/* What is said of a device besides its address. */
static void test_members(void) {
        const char *xml = write_xml(BARE VLAN NET_MODEL("virtio") NET_AT("virtio", AT_FUNCTION("0", "5", "0"))
                                    NET_AT("virtio", AT_FUNCTION("0", "5", "1")) SCSI("0") SERIAL VNC TPM_MODEL("tpm-spapr"));
        _cleanup_(domain_clear) Domain d = {};
        DomainError error;

        if (!tap_eq(complete(xml, &d, &error), 0, "members: completed"))
                return;
        for (size_t i = 0; i < d.n_devices; i++) {
                const DomainDevice *device = &d.devices[i];

                if (streq(device->alias, "net0"))
                        tap_ok(device->vio && device->vio_dma && !device->pci && !device->address.given,
                               "spapr-vlan: VIO with DMA");
                if (streq(device->alias, "net1"))
                        tap_ok(device->pci && !device->vio && !device->address.given && !device->address.multifunction,
                               "virtio: PCI");
                if (streq(device->alias, "net2"))
                        tap_ok(device->address.multifunction && device->address.given, "function 0 of several");
                if (streq(device->alias, "net3"))
                        tap_ok(!device->address.multifunction && device->address.function == 1, "function 1 of several");
                if (streq(device->alias, "scsi0"))
                        tap_ok(device->vio_dma && streq(device->model, "ibmvscsi") && device->line > 0, "SCSI: ibmvscsi");
                if (streq(device->alias, "serial0"))
                        tap_ok(device->vio && !device->vio_dma, "serial: VIO without DMA");
                if (streq(device->alias, "tpm0"))
                        tap_ok(device->vio_dma, "TPM: VIO with DMA");
                if (streq(device->alias, "video0"))
                        tap_ok(streq(device->model, "vga") && device->line == 0, "a display that libvirt adds");
        }
}

/* The primary display comes first, wherever it stands. */
static void test_primary(void) {
        _cleanup_(domain_clear) Domain d = {};
        DomainError error;

        tap_eq(complete(write_xml(NO_BALLOON VNC VIDEO("virtio") VIDEO_PRIMARY("vga")), &d, &error), 0, "displays: completed");
        for (size_t i = 0; i < d.n_devices; i++) {
                const DomainDevice *device = &d.devices[i];

                if (device->type == DOMAIN_DEVICE_VIDEO)
                        tap_ok(streq(device->alias, device->primary ? "video0" : "video1") &&
                               device->address.slot == (device->primary ? 2 : 3), "%s: in its order", device->model);
        }
}

/* Other domains are left alone, whatever they have. */
static void test_others(void) {
        DomainDevice device = { .type = DOMAIN_DEVICE_INTERFACE };
        Domain d = { .devices = &device, .n_devices = 1, .arch = (char *) "x86_64" };
        DomainError error;

        tap_eq(domain_complete(&d, &vfio, &error), 0, "another architecture");
        tap_ok(d.n_devices == 1 && d.n_controllers == 0 && !device.alias && device.address.type == DOMAIN_ADDRESS_NONE,
               "another architecture: as it was");
}

/* Thousands of everything end soon, one way or the other. */
static void test_bounds(void) {
        static const struct {
                const char *name, *element;
                unsigned n;
                const char *words[2];
        } cases[] = {
                { "VIO devices", VLAN, 5000, { "more than 1024 VIO devices" } },
                { "PCI devices", NET_MODEL("virtio"), 5000, { "no more than 31 PHBs" } },
                { "PHBs", PHB_PLAIN, 5000, { "more than 1024 controllers" } },
                { "controllers", "<controller type='scsi'/>\n", 5000, { "more than 1024 controllers" } },
                { "channels", CHANNEL, 5000, { NULL } },
                { "SCSI host devices", HOSTDEV_SCSI("0"), 5000, { NULL } },
        };
        _cleanup_free_ char *devices = malloc(XML_MAX);

        for (size_t i = 0; devices && i < ELEMENTSOF(cases); i++) {
                _cleanup_(domain_clear) Domain d = {};
                size_t length = (size_t) snprintf(devices, XML_MAX, BARE);
                clock_t before = clock();
                DomainError error;

                for (unsigned n = 0; n < cases[i].n && length < XML_MAX - 1024; n++)
                        length += (size_t) snprintf(devices + length, XML_MAX - length, "%s", cases[i].element);
                tap_eq(complete(write_xml(devices), &d, &error), cases[i].words[0] ? -EINVAL : 0, "many %s", cases[i].name);
                check_words(cases[i].name, &error, cases[i].words);
                tap_ok((clock() - before) / CLOCKS_PER_SEC < 10, "many %s: soon", cases[i].name);
        }
}

static int write_file(const char *dir, size_t n, const char *devices) {
        _cleanup_file_ FILE *f = NULL;
        char path[512];

        (void) snprintf(path, sizeof(path), "%s/%zu.xml", dir, n);
        f = fopen(path, "we");
        return f && fputs(write_xml(devices), f) >= 0 ? 0 : -EIO;
}

static int write_all(const char *dir) {
        char text[TEXT_MAX];
        size_t n = 0;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(answers); i++, n++) {
                const Answer *a = &answers[i];

                r = write_file(dir, n, a->devices);
                answer(write_xml(a->devices), true, text);
                printf("%zu\t%s\tanswer\t%u\t%s\t%s\t%s\n", n, a->name, a->since, a->start ? "start" : "define", a->answer, text);
        }
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(refusals); i++, n++) {
                r = write_file(dir, n, refusals[i].devices);
                if (!refusals[i].ours)
                        printf("%zu\t%s\trefusal\t0\tdefine\t\t\n", n, refusals[i].name);
        }
        return r < 0;
}

int main(int argc, char **argv) {
        if (argc == 3 && streq(argv[1], "--write"))
                return write_all(argv[2]);
        test_answers();
        test_refusals();
        test_groups();
        test_pools();
        test_live();
        test_full();
        test_index_31();
        test_duplicate_registers();
        test_qemu_arguments();
        test_members();
        test_primary();
        test_others();
        test_bounds();
        return tap_done();
}
