/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* domain_fix.c: changes to a text leave the rest of it alone; what --fix says it mends is mended, by a new plan of what it wrote;
 * what it wrote needs no second mending. */

#include "domain_fix.h"

#include "domain-fixtures.h"
#include "domain_fix_internal.h"
#include "tap.h"
#include "util.h"

/* One change to a text, as a person would write it by hand. */
typedef enum Kind {
        ATTRIBUTE, /* of the element NAME: value to "new" */
        CONTENT,
        BEFORE,
        AFTER,
        CHILD,
} Kind;

static void test_changes(void) {
        static const struct {
                const char *name, *text;
                Kind kind;
                const char *element, *argument, *wanted;
        } cases[] = {
                { "an attribute", "<a>\n  <b x='1' y='2'/>\n</a>", ATTRIBUTE, "b", "y", "<a>\n  <b x='1' y='new'/>\n</a>" },
                { "in its quotes", "<a><b x=\"1\" y = \"2\">t</b></a>", ATTRIBUTE, "b", "y",
                  "<a><b x=\"1\" y = \"new\">t</b></a>" },
                { "whose name is another's end", "<a><b my='1' y='2'/></a>", ATTRIBUTE, "b", "y", "<a><b my='1' y='new'/></a>" },
                { "with a tag's end in another's value", "<a><b x='>' y='2'/></a>", ATTRIBUTE, "b", "y",
                  "<a><b x='>' y='new'/></a>" },
                { "with its own text in another's value", "<a><b x=\"y='3'\" y='2'/></a>", ATTRIBUTE, "b", "y",
                  "<a><b x=\"y='3'\" y='new'/></a>" },
                { "an empty one", "<a><b y=''/></a>", ATTRIBUTE, "b", "y", "<a><b y='new'/></a>" },
                { "a new one", "<a><b x='1'/></a>", ATTRIBUTE, "b", "y", "<a><b x='1' y='new'/></a>" },
                { "a new one, of an element with content", "<a><b x='1' >t</b></a>", ATTRIBUTE, "b", "y",
                  "<a><b x='1' y='new' >t</b></a>" },
                { "a new one where none was", "<a><b/></a>", ATTRIBUTE, "b", "y", "<a><b y='new'/></a>" },
                { "in the other quotes", "<a z=\"\"><b /></a>", ATTRIBUTE, "b", "y", "<a z=\"\"><b y=\"new\" /></a>" },
                { "a tag over lines", "<a><b\n  x='1'\n  y='2'\n/></a>", ATTRIBUTE, "b", "y",
                  "<a><b\n  x='1'\n  y='new'\n/></a>" },
                { "no comment", "<a><!-- <b y='0'/> --><b y='1'/></a>", ATTRIBUTE, "b", "y",
                  "<a><!-- <b y='0'/> --><b y='new'/></a>" },
                { "no CDATA", "<a><![CDATA[<b y='0'>]]><b y='1'/></a>", ATTRIBUTE, "b", "y",
                  "<a><![CDATA[<b y='0'>]]><b y='new'/></a>" },
                { "not another namespace's", "<a xmlns:q='u'><q:b y='0'/><b y='1'/></a>", ATTRIBUTE, "b", "y",
                  "<a xmlns:q='u'><q:b y='0'/><b y='new'/></a>" },
                { "behind a declaration, a comment, letters of several bytes",
                  "<?xml version='1.0' encoding='utf-8'?>\n<!-- ä -->\n<a t='€'>ü<b y='1'/></a>\n", ATTRIBUTE, "b", "y",
                  "<?xml version='1.0' encoding='utf-8'?>\n<!-- ä -->\n<a t='€'>ü<b y='new'/></a>\n" },
                { "behind a byte order mark", "\xef\xbb\xbf<a><b y='1'/></a>", ATTRIBUTE, "b", "y",
                  "\xef\xbb\xbf<a><b y='new'/></a>" },
                { "content", "<a><b>old</b></a>", CONTENT, "b", "new", "<a><b>new</b></a>" },
                { "content of an empty tag", "<a><b u='1'/></a>", CONTENT, "b", "new", "<a><b u='1'>new</b></a>" },
                { "content with an end tag of its own form", "<a><b> o </b ></a>", CONTENT, "b", "new", "<a><b>new</b ></a>" },
                { "before", "<a>\n  <b/>\n</a>", BEFORE, "b", "<n x='1'/>", "<a>\n  <n x='1'/>\n  <b/>\n</a>" },
                { "before, with tabs", "<a>\n\t<b/>\n</a>", BEFORE, "b", "<n/>", "<a>\n\t<n/>\n\t<b/>\n</a>" },
                { "before, on one line", "<a><b/></a>", BEFORE, "b", "<n/>", "<a><n/><b/></a>" },
                { "before, at the line's begin", "<a>\n<b/></a>", BEFORE, "b", "<n/>", "<a>\n<n/>\n<b/></a>" },
                { "after", "<a>\n  <b>\n  </b>\n</a>", AFTER, "b", "<n>\n  <m x='1'/>\n</n>",
                  "<a>\n  <b>\n  </b>\n  <n>\n    <m x='1'/>\n  </n>\n</a>" },
                { "after, on one line", "<a><b/></a>", AFTER, "b", "<n>\n  <m/>\n</n>", "<a><b/><n><m/></n></a>" },
                { "after, in the line ends of the text", "<a>\r\n  <b/>\r\n</a>", AFTER, "b", "<n/>",
                  "<a>\r\n  <b/>\r\n  <n/>\r\n</a>" },
                { "after, in its quotes", "<a>\n  <b x=\"1\"/>\n</a>", AFTER, "b", "<n x='1'/>",
                  "<a>\n  <b x=\"1\"/>\n  <n x=\"1\"/>\n</a>" },
                { "a child behind others", "<a>\n  <b>\n    <c/>\n    <d></d>\n  </b>\n</a>", CHILD, "b", "<n/>",
                  "<a>\n  <b>\n    <c/>\n    <d></d>\n    <n/>\n  </b>\n</a>" },
                { "a child of an empty tag", "<a>\n  <b x='1'/>\n</a>", CHILD, "b", "<n/>",
                  "<a>\n  <b x='1'>\n    <n/>\n  </b>\n</a>" },
                { "a child of an empty element", "<a>\n  <b x='1'></b>\n</a>", CHILD, "b", "<n/>",
                  "<a>\n  <b x='1'>\n    <n/>\n  </b>\n</a>" },
                { "a child beside a comment", "<a>\n  <b>\n    <!-- c -->\n  </b>\n</a>", CHILD, "b", "<n/>",
                  "<a>\n  <b>\n    <!-- c -->\n    <n/>\n  </b>\n</a>" },
                { "a child, on one line", "<a><b/></a>", CHILD, "b", "<n/>", "<a><b><n/></b></a>" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(xml_text_clear) XmlText t = {};
                _cleanup_(changes_clear) Changes c = { .text = &t };
                _cleanup_free_ char *have = NULL;
                DomainError error = {};
                size_t size = 0, element = ELEMENT_NONE;
                int r = xml_text_parse(cases[i].text, strlen(cases[i].text), &t, &error);

                if (r >= 0)
                        element = xml_child(&t, 0, cases[i].element, ELEMENT_NONE);
                if (r >= 0 && element != ELEMENT_NONE)
                        switch (cases[i].kind) {
                        case ATTRIBUTE:
                                r = change_attribute(&c, element, cases[i].argument, "new");
                                break;
                        case CONTENT:
                                r = change_content(&c, element, cases[i].argument);
                                break;
                        case BEFORE:
                                r = change_insert_before(&c, element, cases[i].argument);
                                break;
                        case AFTER:
                                r = change_insert_after(&c, element, cases[i].argument);
                                break;
                        case CHILD:
                                r = change_append_child(&c, element, cases[i].argument);
                                break;
                        }
                if (r >= 0)
                        r = changes_apply(&c, &have, &size);
                if (tap_streq(have, cases[i].wanted, "changed: %s", cases[i].name) && r >= 0)
                        tap_eq(size, strlen(cases[i].wanted), "its size: %s", cases[i].name);
        }
}

static void test_several_changes(void) {
        static const char text[] = "<a>\n  <b x='1'/>\n  <c/>\n</a>\n";
        _cleanup_(xml_text_clear) XmlText t = {};
        _cleanup_(changes_clear) Changes c = { .text = &t };
        _cleanup_free_ char *have = NULL, *same = NULL;
        DomainError error = {};
        size_t size;

        tap_eq(xml_text_parse(text, strlen(text), &t, &error), 0, "a text");
        (void) changes_apply(&c, &same, &size);
        tap_streq(same, text, "without changes it is the same");
        (void) change_insert_after(&c, 2, "<n/>");
        (void) change_attribute(&c, 1, "x", "2");
        (void) change_attribute(&c, 1, "y", "3");
        (void) change_attribute(&c, 1, "z", "4");
        (void) change_insert_after(&c, 2, "<m/>");
        (void) change_insert_before(&c, 1, "<first/>");
        (void) changes_apply(&c, &have, &size);
        tap_streq(have, "<a>\n  <first/>\n  <b x='2' y='3' z='4'/>\n  <c/>\n  <n/>\n  <m/>\n</a>\n",
                  "in the order of their places, then of their time");
}

static void test_refused(void) {
        static const struct {
                const char *name, *text;
                size_t size;
        } cases[] = {
                { "Latin-1", "<?xml version='1.0' encoding='ISO-8859-1'?><a><b t='\xe4'/></a>", 0 },
                { "UTF-16", "\xff\xfe<\0a\0>\0<\0/\0a\0>\0", 16 },
                { "no XML", "<a><b></a>", 0 },
                { "nothing", "", 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                XmlText t = { .n = 7 };
                DomainError error = {};
                int r = xml_text_parse(cases[i].text, cases[i].size ? cases[i].size : strlen(cases[i].text), &t, &error);

                tap_ok((r == -EINVAL && strstr(error.text, "UTF-8")) || (r == -ENOMEM && !*cases[i].text), "no text: %s",
                       cases[i].name);
                tap_eq(t.n, 7, "untouched: %s", cases[i].name);
        }
}

static const FindingId mendable[] = { FINDING_PHB_INDEX,    FINDING_VIO_IRQ,   FINDING_VIO_DUPLICATE, FINDING_VIO_IN_PCI_RANGE,
                                      FINDING_NO_MAXMEMORY, FINDING_MIXED_PHB, FINDING_GROUP_BUSY,    FINDING_MEMLOCK_LOW };

#define LIMIT(size) "<memtune><hard_limit unit='GiB'>" size "</hard_limit></memtune>"
#define NOT_LIBVIRTS(arguments) DOMAIN("kvm", MEMORY, OS("pseries-9.2"), "", "<qemu:commandline>" arguments "</qemu:commandline>")

/* What is in the domain afterwards, and in the notes: "+" before what was mended, "-" before what was not. */
static const struct {
        const char *name, *xml;
        const char *wanted[6], *unwanted[2], *notes[9];
} fixes[] = {
        { "nothing", KVM(GOOD_HOSTDEV NET("virtio", "")), {}, {}, {} },
        { "a PHB's index", KVM(PHB("1", "31")), { PHB("1", "1") }, { "'31'" }, { "+pci.1 has PHB index 1 now" } },
        { "an index twice",
          KVM(PHB("1", "4") PHB("2", "4") PHB("3", "4")),
          { PHB("1", "4") PHB("2", "1") PHB("3", "2") },
          {},
          { "+pci.2", "+pci.3" } },
        { "an index of 0", KVM(PHB("1", "0")), { PHB("1", "1") }, {}, { "+pci.1" } },
        { "the first PHB's", KVM(PHB("0", "2")), { PHB("0", "0") }, {}, { "+pci.0" } },
        { "an index of the command line's",
          NOT_LIBVIRTS("<qemu:arg value='-device'/><qemu:arg value='spapr-pci-host-bridge,index=31,id=mine'/>"),
          {},
          {},
          { "-phb-index, mine" } },
        { "registers",
          KVM(VLAN("0x1000") VLAN("0x101000") VSCSI("0", "0x201000") VSCSI("1", "0x71000000") NET("spapr-vlan", "")),
          { VLAN("0x1000") VLAN("0x00003000"), "<controller type='scsi' index='0' model='ibmvscsi'>" VIO_AT("0x00004000"),
            "index='1' model='ibmvscsi'>" VIO_AT("0x00005000") },
          {},
          { "+net1 has the VIO register 0x00003000", "+scsi0 has the VIO register 0x00004000",
            "+scsi1 has the VIO register 0x00005000" } },
        { "a register among PCI's",
          KVM(VLAN("0x80000001") VSCSI("0", "0x80000502")),
          { VLAN("0x00001000"), VIO_AT("0x00002000") },
          { "0x8000" },
          { "+net0", "+scsi0" } },
        { "a console's register, and libvirt's copy of it",
          KVM(VLAN("0xf0000")
                      SERIAL("0x30000000") "<console type='pty'><target type='serial' port='0'/>" VIO_AT("0x30000000") "</"
                             "console"
                             ">"),
          { "</target>" VIO_AT("0x30001000") "</serial>", "port='0'/>" VIO_AT("0x30001000") "</console>" },
          { "0x30000000" },
          { "+serial0" } },
        { "a device that libvirt gives a register",
          KVM(VLAN("0x102000") "<controller type='scsi' index='0' model='ibmvscsi'/>\n"),
          { VLAN("0x102000"), "<controller type='scsi' index='0' model='ibmvscsi'>\n  " VIO_AT("0x00003000") "\n</controller>" },
          {},
          { "+scsi0" } },
        { "one that libvirt makes",
          KVM(VLAN("0x102000") "<disk type='file' device='disk'><source file='/d'/><target dev='sda' bus='scsi'/></disk>\n"),
          { VLAN("0x00001000") },
          {},
          { "+net0" } },
        { "memory to grow",
          KVM_MEMORY("<memory unit='GiB'>4</memory>", ""),
          { "<maxMemory slots='16' unit='KiB'>8388608</maxMemory><memory unit='GiB'>4</memory>" },
          {},
          { "+maxMemory is 8 GiB now" } },
        { "memory that can't grow",
          KVM_MEMORY("<maxMemory slots='7' unit='MiB'>4096</maxMemory><memory unit='GiB'>4</memory>", ""),
          { "<maxMemory slots='7' unit='KiB'>8388608</maxMemory>" },
          {},
          { "+maxMemory" } },
        { "slots for memory devices",
          KVM_MEMORY("<maxMemory slots='1' unit='GiB'>64</maxMemory><memory unit='GiB'>5</memory>",
                     "<memory model='dimm'><target><size unit='MiB'>512</size></target></memory>"
                     "<memory model='dimm'><target><size unit='MiB'>512</size></target></memory>"),
          { "<maxMemory slots='16' unit='KiB'>67108864</maxMemory>" },
          {},
          { "+maxMemory is 64 GiB now, with 16 slots" } },
        { "memory of NUMA cells",
          KVM_MEMORY("<memory unit='GiB'>4</memory><cpu><numa><cell id='0' cpus='0' memory='4' unit='GiB'/></numa></cpu>", ""),
          { ">8388608<" },
          {},
          { "+maxMemory" } },
        { "a passed-through device on the first PHB",
          KVM(HOSTDEV("yes", "0x0001", "0x0", PCI_AT("0x00", "0x05")) NET("virtio", PCI_AT("0x00", "0x06"))),
          { "index='1' model='pci-root'><model name='spapr-pci-host-bridge'/><target index='1'/></controller>",
            "</source>" PCI_AT("0x01", "0x01") "</hostdev>", NET("virtio", PCI_AT("0x00", "0x06")) },
          {},
          { "+new PHB, controller 1", "+hostdev0 is moved to PHB pci.1, slot 1" } },
        { "to a PHB that is empty",
          KVM(PHB("1", "7") HOSTDEV("yes", "0x0001", "0x0", PCI_AT("0x00", "0x05")) NET("virtio", PCI_AT("0x00", "0x06"))),
          { PHB("1", "7"), "</source>" PCI_AT("0x01", "0x01") },
          { "index='2'" },
          { "+hostdev0 is moved to PHB pci.1" } },
        { "a group to where it is",
          KVM(PHB("1", "1") PHB("2", "2") HOSTDEV("yes", "0x0001", "0x0", PCI_AT("0x01", "0x01"))
                      HOSTDEV("yes", "0x0003", "0x0", PCI_AT("0x02", "0x01"))
                              HOSTDEV("yes", "0x0003", "0x1", PCI_AT("0x00", "0x05")) NET("virtio", PCI_AT("0x00", "0x06"))),
          { "function='0x1'/></source>" PCI_AT("0x02", "0x02") },
          { "index='3'" },
          { "+hostdev2 is moved to PHB pci.2, slot 2" } },
        { "two groups",
          KVM(HOSTDEV("yes", "0x0001", "0x0", PCI_AT("0x00", "0x05")) HOSTDEV("yes", "0x0002", "0x0", PCI_AT("0x00", "0x07"))
                      HOSTDEV("yes", "0x0002", "0x1", PCI_AT("0x00", "0x08")) NET("virtio", PCI_AT("0x00", "0x06"))),
          { "<controller type='pci' index='1'", "<controller type='pci' index='2'", PCI_AT("0x01", "0x01"),
            PCI_AT("0x02", "0x01"), PCI_AT("0x02", "0x02") },
          { "index='3'" },
          { "+new PHB, controller 1", "+new PHB, controller 2", "+hostdev0 is moved to PHB pci.1",
            "+hostdev1 is moved to PHB pci.2", "+hostdev2 is moved to PHB pci.2, slot 2" } },
        { "two new PHBs, whose indexes are not those of their controllers",
          KVM(PHB("1", "3") PHB("2", "4") NET("virtio", PCI_AT("0x01", "0x01")) NET("virtio", PCI_AT("0x02", "0x01"))
                      HOSTDEV("yes", "0x0001", "0x0", PCI_AT("0x00", "0x05"))
                              HOSTDEV("yes", "0x0002", "0x0", PCI_AT("0x00", "0x07")) NET("virtio", PCI_AT("0x00", "0x06"))),
          { "index='3' model='pci-root'>", "index='4' model='pci-root'>" },
          {},
          { "+controller 3 with index 1", "+controller 4 with index 2", "+hostdev0 is moved to PHB pci.3",
            "+hostdev1 is moved to PHB pci.4" } },
        { "a group on two PHBs with emulated devices",
          KVM(PHB("1", "1") NET("virtio", PCI_AT("0x01", "0x01")) HOSTDEV("yes", "0x0002", "0x0", PCI_AT("0x01", "0x05"))
                      HOSTDEV("yes", "0x0002", "0x1", PCI_AT("0x00", "0x05")) NET("virtio", PCI_AT("0x00", "0x06"))),
          { PCI_AT("0x02", "0x01"), PCI_AT("0x02", "0x02") },
          {},
          { "+controller 2 with index 2", "+hostdev1 is moved to PHB pci.2, slot 1",
            "+hostdev0 is moved to PHB pci.2, slot 2" } },
        { "from behind a bridge",
          KVM("<controller type='pci' index='1' model='pci-bridge'>" PCI_AT("0x00", "0x03") "</controller>\n" HOSTDEV(
                  "yes", "0x0001", "0x0", PCI_AT("0x01", "0x05")) NET("virtio", PCI_AT("0x00", "0x06"))),
          { "</source>" PCI_AT("0x02", "0x01"), "index='2' model='pci-root'" },
          {},
          { "+new PHB, controller 2 with index 2", "+hostdev0 is moved to PHB pci.2" } },
        { "functions of a slot stay together",
          KVM(HOSTDEV("yes", "0x0002", "0x0",
                      "<address type='pci' domain='0x0000' bus='0x00' slot='0x05' function='0x0' multifunction='on'/>")
                      HOSTDEV("yes", "0x0002", "0x1",
                              "<address type='pci' domain='0x0000' bus='0x00' slot='0x05' function='0x1'/>")
                              NET("virtio", PCI_AT("0x00", "0x06"))),
          { "bus='0x01' slot='0x01' function='0x0' multifunction='on'/>", "bus='0x01' slot='0x01' function='0x1'/>" },
          {},
          { "+new PHB", "+hostdev0 is moved to PHB pci.1, slot 1", "+hostdev1 is moved to PHB pci.1, slot 1" } },
        { "a function alone becomes the first",
          KVM("<interface type='user'><model type='virtio'/><address type='pci' domain='0x0000' bus='0x00' slot='0x05' "
              "function='0x0' multifunction='on'/></interface>\n" HOSTDEV("yes", "0x0001", "0x0",
                                                                          "<address type='pci' domain='0x0000' bus='0x00' "
                                                                          "slot='0x05' function='0x1'/>")),
          { "</source>" PCI_AT("0x01", "0x01") },
          {},
          { "+new PHB", "+hostdev0" } },
        { "an interface",
          KVM("<interface type='hostdev' managed='yes'><source><address type='pci' domain='0x0001' bus='0x00' slot='0x00' "
              "function='0x0'/></source>" PCI_AT("0x00", "0x05") "</interface>\n" NET("virtio", PCI_AT("0x00", "0x06"))),
          { "</source>" PCI_AT("0x01", "0x01") "</interface>" },
          {},
          { "+new PHB", "+hostdev0 is moved" } },
        { "hard_limit",
          KVM_MEMORY(MEMORY LIMIT("4"), GOOD_HOSTDEV),
          { "<memtune><hard_limit unit='KiB'>" },
          { "'GiB'>4</hard" },
          { "+hard_limit is" } },
        { "hard_limit, and memory to grow",
          KVM_MEMORY("<memory unit='GiB'>4</memory>" LIMIT("4"), GOOD_HOSTDEV),
          { "<hard_limit unit='KiB'>", "8388608</maxMemory>" },
          {},
          { "+maxMemory", "+hard_limit" } },
        { "swap_hard_limit follows",
          KVM_MEMORY(MEMORY "<memtune><hard_limit>4000000</hard_limit><swap_hard_limit> 4000000 </swap_hard_limit></memtune>",
                     GOOD_HOSTDEV),
          { "<memtune><hard_limit unit='KiB'>", "<swap_hard_limit unit='KiB'>" },
          { "4000000" },
          { "+hard_limit" } },
        { "swap_hard_limit that will do",
          KVM_MEMORY(MEMORY "<memtune><hard_limit>4000000</hard_limit><swap_hard_limit>99999999</swap_hard_limit></memtune>",
                     GOOD_HOSTDEV),
          { "<swap_hard_limit>99999999</swap_hard_limit>" },
          {},
          { "+hard_limit" } },
        { "one in another unit",
          KVM_MEMORY(MEMORY "<memtune><hard_limit>4000000</hard_limit><swap_hard_limit unit='GiB'>90</swap_hard_limit></memtune>",
                     GOOD_HOSTDEV),
          { "<swap_hard_limit unit='GiB'>90</swap_hard_limit>" },
          {},
          { "+hard_limit" } },
        { "where there is none",
          DOMAIN("kvm", "<memory unit='GiB'>4</memory><maxMemory slots='16' unit='TiB'>8</maxMemory>", OS("pseries-9.2"),
                 GOOD_HOSTDEV PHB("2", "2") PHB("3", "3") PHB("4", "4"),
                 "<qemu:commandline>" GLOBAL("pgsz=0x1000") "</qemu:commandline>"),
          { "<memtune><hard_limit unit='KiB'>" },
          {},
          { "+hard_limit" } },
        { "what only people can mend",
          KVM(HOSTDEV("yes", "0x0003", "0x0", "") HOSTDEV("yes", "0x0009", "0x0", "")),
          {},
          {},
          { "-group-partial, hostdev0", "-device-missing, hostdev1" } },
        { "what is not mended is told to the end, with the remedy for people",
          KVM(NETS_ON_ALL_PHBS HOSTDEV("yes", "0x0001", "0x0", PCI_AT("0x00", "0x05"))),
          {},
          {},
          { "-so that there can be one for hostdev0: all 31 indexes are in use" } },
        { "a group on two PHBs",
          KVM(PHB("1", "1") PHB("2", "2") HOSTDEV("yes", "0x0002", "0x0", PCI_AT("0x01", "0x01"))
                      HOSTDEV("yes", "0x0002", "0x1", PCI_AT("0x02", "0x01"))),
          { "function='0x1'/></source>" PCI_AT("0x01", "0x02") },
          { "index='3'" },
          { "+hostdev1 is moved to PHB pci.1, slot 2, to the rest of its IOMMU group" } },
        { "windows that are too large",
          DOMAIN("kvm", "<maxMemory slots='16' unit='TiB'>16</maxMemory><memory unit='GiB'>4</memory>", OS("pseries-9.2"), "",
                 "<qemu:commandline>" GLOBAL("pgsz=0x1000") "</qemu:commandline>"),
          {},
          {},
          { "-window-too-large, pci.0" } },
        { "all at once",
          KVM_MEMORY("<memory unit='GiB'>4</memory>" LIMIT("1"),
                     PHB("1", "31") HOSTDEV("yes", "0x0001", "0x0", PCI_AT("0x00", "0x05")) NET("virtio", PCI_AT("0x00", "0x06"))
                             VLAN("0x71000000") HOSTDEV("yes", "0x0009", "0x0", "")),
          { PHB("1", "1"), "</source>" PCI_AT("0x01", "0x01"), VLAN("0x00001000"), "8388608</maxMemory>" },
          { "0x71000000" },
          { "+pci.1 has PHB index 1 now", "+net1", "+new PHB", "+hostdev0 is moved", "+hostdev1 is moved", "+maxMemory",
            "+hard_limit", "-device-missing" } },
        { "a domain in what libvirt keeps of a running one",
          "<domstatus state='running' pid='1'>\n  " KVM(PHB("1", "31")) "\n</domstatus>\n",
          { "<domstatus state", PHB("1", "1") },
          {},
          { "+pci.1" } },
        { "another architecture",
          "<domain type='kvm'><name>pc</name><memory>1048576</memory><os><type arch='x86_64' "
          "machine='q35'>hvm</type></os></domain>",
          {},
          {},
          {} },
};

static bool has_note(const Fix *fix, const char *wanted) {
        for (size_t i = 0; i < fix->n_notes; i++)
                if (fix->notes[i].mended == (*wanted == '+') && strstr(fix->notes[i].text, wanted + 1))
                        return true;
        return false;
}

static bool any_mended(const Fix *fix) {
        for (size_t i = 0; i < fix->n_notes; i++)
                if (fix->notes[i].mended)
                        return true;
        return false;
}

/* Which of the findings that --fix mends are still there, but for those that it says it could not. */
static const char *left_over(const Fix *fix, const PlanHost *host) {
        _cleanup_(domain_plan_clear) DomainPlan plan = DOMAIN_PLAN_INIT;
        DomainError error = {};

        if (domain_plan_make(fix->xml, strlen(fix->xml), NULL, host, &plan, &error) < 0)
                return "it can't be planned";
        for (size_t i = 0; i < ELEMENTSOF(mendable); i++)
                if (findings_find(&plan.findings, mendable[i])) {
                        const char *id = finding_id_to_string(mendable[i]);
                        char note[64];

                        (void) snprintf(note, sizeof(note), "-%s", id);
                        if (!has_note(fix, note))
                                return id;
                }
        return NULL;
}

static void test_fix(size_t at) {
        _cleanup_(fix_clear) Fix fix = {}, again = {};
        const char *name = fixes[at].name, *xml = fixes[at].xml;
        DomainError error = {};
        bool all = true, none = false, notes = true, advised = false;
        size_t n_notes = 0;
        Host h;
        PlanHost host;

        good_host(&h);
        host = plan_host(&h);
        if (!tap_eq(domain_fix(xml, strlen(xml), &host, &fix, &error), 0, "mended: %s", name)) {
                printf("#   %s\n", error.text);
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(fixes[at].wanted) && fixes[at].wanted[i]; i++)
                all = all && strstr(fix.xml, fixes[at].wanted[i]);
        for (size_t i = 0; i < ELEMENTSOF(fixes[at].unwanted) && fixes[at].unwanted[i]; i++)
                none = none || strstr(fix.xml, fixes[at].unwanted[i]);
        for (size_t i = 0; i < ELEMENTSOF(fixes[at].notes) && fixes[at].notes[i]; i++)
                notes = has_note(&fix, fixes[at].notes[i]) && notes, n_notes++;
        if (!tap_ok(all && !none, "the domain: %s", name))
                printf("# %s\n", fix.xml);
        if (!tap_ok(notes && fix.n_notes == n_notes, "what is said: %s", name))
                for (size_t i = 0; i < fix.n_notes; i++)
                        printf("#   %c%s\n", fix.notes[i].mended ? '+' : '-', fix.notes[i].text);
        for (size_t i = 0; i < fix.n_notes; i++)
                advised |= !fix.notes[i].mended && strstr(fix.notes[i].text, "--fix");
        tap_ok(!advised, "none is told to do what was done: %s", name);
        tap_ok(any_mended(&fix) != streq(fix.xml, xml), "the same where nothing was mended, and only there: %s", name);
        tap_streq(left_over(&fix, &host), NULL, "it plans without what was mended: %s", name);
        if (tap_eq(domain_fix(fix.xml, strlen(fix.xml), &host, &again, &error), 0, "mended again: %s", name))
                tap_streq(again.xml, fix.xml, "and nothing is left to mend: %s", name);
}

/* What a person sees in a diff is what was mended, and no more. */
static void test_whole_text(void) {
        static const char before[] = "<?xml version=\"1.0\"?>\n<!-- db7's -->\n<domain type=\"kvm\" xmlns:my=\"urn:my\">\n  "
                                     "<name>db7</name>\n  <metadata><my:note who='me'>a &amp; b</my:note></metadata>\n  <memory "
                                     "unit=\"GiB\">4</memory>\n  <vcpu>2</vcpu>\n  <os>\n    <type arch='ppc64le' "
                                     "machine='pseries-9.2'>hvm</type>\n  </os>\n  <devices>\n    <memballoon "
                                     "model='none'></memballoon>\n    <controller type='usb' model='none'/>\n    <!-- the card "
                                     "-->\n    <hostdev mode='subsystem' type='pci' managed='yes'>\n      <source>\n        "
                                     "<address domain='0x0001' bus='0x00' slot='0x00' function='0x0'/>\n      </source>\n      "
                                     "<address type='pci' bus='0x00' slot='0x05'/>\n    </hostdev> <interface type='user'><model "
                                     "type='virtio'/></interface>\n  </devices>\n</domain>\n<!-- the end -->\n";
        static const char after[] = "<?xml version=\"1.0\"?>\n<!-- db7's -->\n<domain type=\"kvm\" xmlns:my=\"urn:my\">\n  "
                                    "<name>db7</name>\n  <metadata><my:note who='me'>a &amp; b</my:note></metadata>\n  "
                                    "<maxMemory slots=\"16\" unit=\"KiB\">8388608</maxMemory>\n  <memory "
                                    "unit=\"GiB\">4</memory>\n  <vcpu>2</vcpu>\n  <os>\n    <type arch='ppc64le' "
                                    "machine='pseries-9.2'>hvm</type>\n  </os>\n  <devices>\n    <memballoon "
                                    "model='none'></memballoon>\n    <controller type='usb' model='none'/>\n    <controller "
                                    "type=\"pci\" index=\"1\" model=\"pci-root\">\n      <model "
                                    "name=\"spapr-pci-host-bridge\"/>\n      <target index=\"1\"/>\n    </controller>\n    <!-- "
                                    "the card -->\n    <hostdev mode='subsystem' type='pci' managed='yes'>\n      <source>\n     "
                                    "   <address domain='0x0001' bus='0x00' slot='0x00' function='0x0'/>\n      </source>\n      "
                                    "<address type='pci' bus='0x01' slot='0x01' function=\"0x0\"/>\n    </hostdev> <interface "
                                    "type='user'><model type='virtio'/></interface>\n  </devices>\n</domain>\n<!-- the end -->\n";
        _cleanup_(fix_clear) Fix fix = {};
        DomainError error = {};
        Host h;
        PlanHost host;

        good_host(&h);
        host = plan_host(&h);
        tap_eq(domain_fix(before, strlen(before), &host, &fix, &error), 0, "a whole domain: %s", error.text);
        tap_streq(fix.xml, after, "all that is not mended stays as it is");
}

/* Untouched, with the line. */
static void test_errors(void) {
        static const char bad[] = "<domain type='kvm'>\n  <name>a</name>\n  <memory>x</memory>\n</domain>\n";
        Fix fix = { .n_notes = 7 };
        DomainError error = {};
        Host h;
        PlanHost host;

        good_host(&h);
        host = plan_host(&h);
        tap_eq(domain_fix(bad, strlen(bad), &host, &fix, &error), -EINVAL, "a domain that can't be understood");
        tap_ok(error.line == 3 && fix.n_notes == 7, "the line is its own, and nothing else is touched: %s", error.text);
}

int main(void) {
        test_changes();
        test_several_changes();
        test_refused();
        for (size_t i = 0; i < ELEMENTSOF(fixes); i++)
                test_fix(i);
        test_whole_text();
        test_errors();
        return tap_done();
}
