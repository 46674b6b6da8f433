/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* domain_check.c: for one made-up domain after another, on one made-up host after another, all findings that there are: ids,
 * severities, subjects, and of text and remedy the words that count. */

#include <inttypes.h>

#include "domain-fixtures.h"
#include "domain-hosts.h"
#include "domain_check_internal.h"
#include "tap.h"
#include "util.h"

#define WRAPPER "<emulator>/usr/bin/tced-qemu-system-ppc64</emulator>"
#define DIMM "<memory model='dimm'><target><size unit='MiB'>512</size></target></memory>"

/* What is looked for in a finding. */
typedef struct Expected {
        FindingId id;
        Severity severity;
        const char *subject;
        const char *text[3]; /* parts, each of which must be there */
        const char *remedy[2];
} Expected;

#define WRAPPER "<emulator>/usr/bin/tced-qemu-system-ppc64</emulator>"
#define E(id, severity, ...) \
        { FINDING_##id, SEVERITY_##severity, __VA_ARGS__ }
#define TEXT(...) \
        { __VA_ARGS__ }

typedef struct Case {
        const char *name;
        void (*change)(Host *host); /* NULL: nothing */
        const char *xml;
        Expected expected[6]; /* all of them, in order; ends with one without a subject */
} Case;

static const Case cases[] = {
        { "nothing", NULL, KVM(""), {} },
        { "the usual devices",
          NULL,
          KVM(NET("virtio", "") NET("spapr-vlan", "") VSCSI("0", "0x2000") SERIAL("0x30000000") NVRAM("0x3000")),
          {} },
        { "a passed-through device on a PHB of its own", NULL, KVM(GOOD_HOSTDEV NET("virtio", "")), {} },
        { "libvirt gives it one", NULL, KVM(HOSTDEV("yes", "0x0001", "0x0", "") NET("virtio", "")), {} },
        { "another architecture",
          no_vm,
          "<domain type='kvm'><name>pc</name><memory>1048576</memory><os><type arch='x86_64' "
          "machine='q35'>hvm</type></os></domain>",
          {} },

        /* kvm-unusable, no-tce */
        { "no VM can be made",
          no_vm,
          KVM(""),
          { E(KVM_UNUSABLE, ERROR, "web1", TEXT("type='kvm'", "KVM_CREATE_VM: Invalid argument")) } },
        { "no /dev/kvm", no_device, KVM(""), { E(KVM_UNUSABLE, ERROR, "web1", TEXT("No such file"), TEXT("type='qemu'")) } },
        { "who asks may not open it",
          no_permission,
          KVM(""),
          { E(KVM_UNUSABLE, WARNING, "web1", TEXT("Permission denied"), TEXT("ls -l /dev/kvm")) } },
        { "without KVM that is no matter", no_device, TCG(""), {} },
        { "planned on a desk",
          x86,
          KVM(GOOD_HOSTDEV VLAN("0x1000") HOSTDEV("yes", "0x0009", "0x0", "")),
          { E(NO_TCE, INFO, "web1", TEXT("x86_64"), TEXT("tcectl plan --host=FACTS.json FILE")) } },
        { "TCG on a desk", x86, TCG(VLAN("0x1000")), {} },

        /* vfio-broken */
        { "a kernel with broken VFIO",
          old_kernel,
          KVM(GOOD_HOSTDEV),
          { E(VFIO_BROKEN, ERROR, "hostdev0", TEXT("6.1.0-50", "hostdev0 can't"), TEXT("6.4")) } },
        { "it matters to no other", old_kernel, KVM(VLAN("0x1000")), {} },
        { "its distribution has mended it", old_kernel_mended, KVM(GOOD_HOSTDEV), {} },
        { "no /dev/vfio/vfio",
          no_container,
          KVM(GOOD_HOSTDEV),
          { E(VFIO_BROKEN, WARNING, "hostdev0", TEXT("/dev/vfio/vfio"), TEXT("modprobe")) } },
        { "an NVMe disk that QEMU drives",
          NULL,
          KVM("<disk type='nvme' device='disk'><driver name='qemu' type='raw'/><source type='pci' managed='yes' "
              "namespace='1'><address domain='0x0001' bus='0x00' slot='0x00' function='0x0'/></source><target dev='vda' "
              "bus='virtio'/></disk>"),
          { E(VFIO_BROKEN, ERROR, "virtio-disk0", TEXT("<disk type='nvme'> wants a type 1"), TEXT("<hostdev")) } },
        { "one behind a disk",
          NULL,
          KVM("<disk device='disk'><driver name='qemu' type='qcow2'/><source file='/a'/><backingStore type='nvme'><format "
              "type='raw'/><source type='pci' managed='yes' namespace='1'><address domain='0x0001' bus='0x00' slot='0x00' "
              "function='0x0'/></source><backingStore/></backingStore><target dev='vda' bus='virtio'/></disk>"),
          { E(VFIO_BROKEN, ERROR, "virtio-disk0", TEXT("<backingStore type='nvme'> wants a type 1"), TEXT("type='block'")) } },

        /* ddw-failed */
        { "its group gets no window",
          no_window,
          KVM(GOOD_HOSTDEV),
          { E(DDW_FAILED, WARNING, "hostdev0", TEXT("group 1", "TCE_CREATE: No such device", "slow"), TEXT("tcectl probe 1")) } },
        { "another group gets none", no_window, KVM(HOSTDEV("yes", "0x0002", "0x0", "")), { E(GROUP_PARTIAL, INFO, "hostdev0") } },
        { "it was not to be told", no_window_known, KVM(GOOD_HOSTDEV), {} },

        /* phb-index */
        { "PHB indexes at their ends", NULL, KVM(PHB("1", "30") PHB("2", "1")), {} },
        { "index 31",
          NULL,
          KVM(PHB("1", "31")),
          { E(PHB_INDEX, ERROR, "pci.1", TEXT("31", "0 to 30"), TEXT("<target index='1'/>", "index='1'>")) } },
        { "index 31, a gap",
          NULL,
          KVM(PHB("1", "1") PHB("2", "31")),
          { E(PHB_INDEX, ERROR, "pci.2", TEXT("31"), TEXT("<target index='2'/>", "index='2'>")) } },
        { "an index twice",
          NULL,
          KVM(PHB("1", "4") PHB("2", "4")),
          { E(PHB_INDEX, ERROR, "pci.2", TEXT("index 4", "pci.1"), TEXT("<target index='1'/>")) } },
        { "an index three times",
          NULL,
          KVM(PHB("1", "4") PHB("2", "4") PHB("3", "4")),
          { E(PHB_INDEX, ERROR, "pci.2"), E(PHB_INDEX, ERROR, "pci.3") } },
        { "0 is the first PHB's", NULL, KVM(PHB("1", "0")), { E(PHB_INDEX, ERROR, "pci.1", TEXT("index 0", "pci.0")) } },
        { "the first PHB has no other",
          NULL,
          KVM(PHB("0", "3")),
          { E(PHB_INDEX, ERROR, "pci.0", TEXT("index 3"), TEXT("index='0'")) } },
        { "one of the command line",
          NULL,
          ARGUMENTS(PHB("1", "5"), "<qemu:arg value='-device'/><qemu:arg value='spapr-pci-host-bridge,index=5,id=mine'/>"),
          { E(PHB_INDEX, ERROR, "mine", TEXT("index 5", "pci.1"), TEXT("<qemu:commandline>: index=1")) } },

        /* vio-irq: the three ranges of registers and how they meet */
        { "interrupts apart", NULL, KVM(VLAN("0x1000") VSCSI("0", "0x2000") VSCSI("1", "0xef000") SERIAL("0x30000000")), {} },
        { "0x1000 and 0x101000",
          NULL,
          KVM(VLAN("0x1000") VSCSI("0", "0x101000")),
          { E(VIO_IRQ, ERROR, "scsi0", TEXT("0x101000", "net0", "IRQ 4353"), TEXT("scsi0", "reg='0x2000'")) } },
        { "within one page",
          NULL,
          KVM(VLAN("0x1000") VLAN("0x1800")),
          { E(VIO_IRQ, ERROR, "net1", TEXT("net0"), TEXT("reg='0x2000'")) } },
        { "QEMU's range", NULL, KVM(VLAN("0x71000001") VLAN("0x71000101")), { E(VIO_IRQ, ERROR, "net1", TEXT("net0")) } },
        { "QEMU's range has 256", NULL, KVM(VLAN("0x71000001") VLAN("0x71000081")), {} },
        { "QEMU's range and libvirt's",
          NULL,
          KVM(VLAN("0x1000") VLAN("0x71000001")),
          { E(VIO_IRQ, ERROR, "net1", TEXT("net0")) } },
        { "just below QEMU's range", NULL, KVM(VLAN("0x1000") VLAN("0x70fff001")), {} },
        { "consoles have sixteen of their own",
          NULL,
          KVM(VLAN("0xf0000") SERIAL("0x30000000")),
          { E(VIO_IRQ, ERROR, "serial0", TEXT("net0", "IRQ 4592"), TEXT("reg='0x30001000'")) } },
        { "just below the consoles' range", NULL, KVM(VLAN("0x2ffff000") SERIAL("0x3000e000")), {} },
        { "the NVRAM of QEMU has interrupt 0",
          NULL,
          KVM(VLAN("0x100000")),
          { E(VIO_IRQ, ERROR, "net0", TEXT("NVRAM", "IRQ 4352"), TEXT("reg='0x1000'")) } },
        { "the domain's NVRAM has its own", NULL, KVM(VLAN("0x100000") NVRAM("0x3000")), {} },
        { "which counts, too", NULL, KVM(VLAN("0x103000") NVRAM("0x3000")), { E(VIO_IRQ, ERROR, "nvram0", TEXT("net0")) } },
        { "machines up to 3.0 find another",
          NULL,
          DOMAIN("kvm", MEMORY, OS("pseries-3.0"), VLAN("0x1000") VSCSI("0", "0x101000"), ""),
          {} },
        { "3.1 does not",
          NULL,
          DOMAIN("kvm", MEMORY, OS("pseries-3.1"), VLAN("0x1000") VSCSI("0", "0x101000"), ""),
          { E(VIO_IRQ, ERROR, "scsi0") } },
        { "without KVM as well", NULL, TCG(VLAN("0x1000") VSCSI("0", "0x101000")), { E(VIO_IRQ, ERROR, "scsi0") } },

        /* vio-duplicate */
        { "a register of QEMU's NVRAM",
          NULL,
          KVM(VLAN("0x71000000")),
          { E(VIO_DUPLICATE, ERROR, "net0", TEXT("NVRAM"), TEXT("reg='0x1000'")) } },
        { "a register twice, one of them the command line's",
          NULL,
          ARGUMENTS(VLAN("0x1000"), "<qemu:arg value='-device'/><qemu:arg value='spapr-vscsi,id=mine,reg=0x1000'/>"),
          { E(VIO_DUPLICATE, ERROR, "net0", TEXT("0x1000", "mine"), TEXT("net0", "reg='0x2000'")) } },

        /* vio-in-pci-range: what is a LIOBN of a PHB's, what could be, what can't */
        { "the first PHB's second LIOBN",
          NULL,
          KVM(VLAN("0x80000001")),
          { E(VIO_IN_PCI_RANGE, ERROR, "net0", TEXT("pci.0", "0x80000001"), TEXT("reg='0x1000'")) } },
        { "it has one alone",
          NULL,
          ARGUMENTS(VLAN("0x80000001"), GLOBAL("ddw=off")),
          { E(VIO_IN_PCI_RANGE, WARNING, "net0", TEXT("index 0")) } },
        { "that of a PHB that is not there",
          NULL,
          KVM(VLAN("0x80000501")),
          { E(VIO_IN_PCI_RANGE, WARNING, "net0", TEXT("index 5")) } },
        { "of one that is", NULL, KVM(PHB("1", "5") VLAN("0x80000501")), { E(VIO_IN_PCI_RANGE, ERROR, "net0", TEXT("pci.1")) } },
        { "of none", NULL, KVM(VLAN("0x80000502")), { E(VIO_IN_PCI_RANGE, INFO, "net0") } },
        { "the last index", NULL, KVM(VLAN("0x80001e01")), { E(VIO_IN_PCI_RANGE, WARNING, "net0", TEXT("index 30")) } },
        { "behind the last", NULL, KVM(VLAN("0x80001f01")), {} },
        { "before the first", NULL, KVM(VLAN("0x7fffff01")), {} },
        { "a console there has no window", NULL, KVM(SERIAL("0x80000001")), {} },

        /* window-too-large */
        { "the largest default window",
          NULL,
          ARGUMENTS("", GLOBAL("dma_win_size=0xffffffff000")),
          { E(MEMLOCK_LOW, WARNING, "web1", TEXT("76 MiB")) } },
        { "a default window of 2^32 TCEs",
          NULL,
          ARGUMENTS("", GLOBAL("dma_win_size=0x100000000000")),
          { E(WINDOW_TOO_LARGE, WARNING, "pci.0", TEXT("2^32", "reboot"), TEXT("dma_win_size")) } },
        { "one of none",
          NULL,
          ARGUMENTS("", GLOBAL("dma_win_size=2048")),
          { E(WINDOW_TOO_LARGE, WARNING, "pci.0", TEXT("not one TCE", "reboot")) } },
        { "one of one more",
          NULL,
          ARGUMENTS("", GLOBAL("dma_win_size=0x100000001000")),
          { E(WINDOW_TOO_LARGE, WARNING, "pci.0", TEXT("QEMU makes 1")) } },
        { "one that is cut off", NULL, ARGUMENTS("", GLOBAL("dma_win_size=0x40000800")), {} },
        { "8 TiB of memory in 4 KiB pages",
          NULL,
          DOMAIN("kvm", "<maxMemory slots='16' unit='TiB'>8</maxMemory><memory unit='GiB'>4</memory>", OS("pseries-9.2"), "",
                 "<qemu:commandline>" GLOBAL("pgsz=0x1000") "</qemu:commandline>"),
          {} },
        { "16 TiB of it",
          NULL,
          DOMAIN("kvm", "<maxMemory slots='16' unit='TiB'>16</maxMemory><memory unit='GiB'>4</memory>", OS("pseries-9.2"), "",
                 "<qemu:commandline>" GLOBAL("pgsz=0x1000") "</qemu:commandline>"),
          { E(WINDOW_TOO_LARGE, WARNING, "pci.0", TEXT("Linux will ask", "4 KiB", "16 TiB"),
              TEXT("at most 8192 GiB", "pgsz=0x1210000 ")) } },
        { "room for more begins at a whole GiB",
          NULL,
          DOMAIN("kvm", "<maxMemory slots='16' unit='TiB'>9</maxMemory><memory unit='MiB'>1536</memory>", OS("pseries-9.2"), "",
                 "<qemu:commandline>" GLOBAL("pgsz=0x11000") GLOBAL("pgsz=0x1000") "</qemu:commandline>"),
          { E(WINDOW_TOO_LARGE, WARNING, "pci.0", TEXT("16 TiB"), TEXT("at most 8191 GiB")) } },
        { "memory that is more than that by itself",
          NULL,
          DOMAIN("kvm", "<maxMemory slots='16' unit='TiB'>16</maxMemory><memory unit='TiB'>9</memory>", OS("pseries-4.1"), "", ""),
          { E(WINDOW_TOO_LARGE, INFO, "pci.0", TEXT("16 TiB"), TEXT("Do not offer 4 KiB pages", "pgsz=0x10000 ")) } },
        { "more than any page size does for",
          NULL,
          DOMAIN("kvm", "<maxMemory slots='16' unit='PiB'>1024</maxMemory><memory unit='PiB'>600</memory>", OS("pseries-4.1"), "", ""),
          { E(WINDOW_TOO_LARGE, INFO, "pci.0", TEXT("4 KiB"), TEXT("ddw=off")), E(WINDOW_TOO_LARGE, WARNING, "pci.0", TEXT("64 KiB"), TEXT("ddw=off")) } },
        { "Linux takes larger ones",
          NULL,
          KVM_MEMORY("<maxMemory slots='16' unit='TiB'>16</maxMemory><memory unit='GiB'>4</memory>", ""),
          { E(WINDOW_TOO_LARGE, INFO, "pci.0", TEXT("Linux does not", "4 KiB")) } },

        /* no-maxmemory */
        { "no maxMemory",
          NULL,
          KVM_MEMORY("<memory unit='GiB'>4</memory>", ""),
          { E(NO_MAXMEMORY, INFO, "web1", TEXT("no <maxMemory>"),
              TEXT("<maxMemory slots='16' unit='KiB'>8388608</maxMemory>")) } },
        { "and a device that wants it",
          NULL,
          KVM_MEMORY("<memory unit='GiB'>5</memory>", GOOD_HOSTDEV),
          { E(NO_MAXMEMORY, WARNING, "web1", TEXT("hostdev0"), TEXT(">8388608<")) } },
        { "no 64-bit windows at all",
          NULL,
          DOMAIN("kvm", "<memory unit='GiB'>4</memory>", OS("pseries-9.2"), "",
                 "<qemu:commandline>" GLOBAL("ddw=off") "</qemu:commandline>"),
          {} },
        { "maxMemory without room",
          NULL,
          KVM_MEMORY("<maxMemory slots='16' unit='GiB'>4</maxMemory><memory unit='GiB'>4</memory>", ""),
          { E(NO_MAXMEMORY, ERROR, "web1", TEXT("no room"), TEXT(">8388608<")) } },
        { "nor slots, which QEMU takes",
          NULL,
          KVM_MEMORY("<maxMemory unit='GiB'>4</maxMemory><memory unit='GiB'>4</memory>", ""),
          { E(NO_MAXMEMORY, INFO, "web1", TEXT("no room"), TEXT(">8388608<")) } },
        { "maxMemory without slots",
          NULL,
          KVM_MEMORY("<maxMemory unit='GiB'>8</maxMemory><memory unit='GiB'>4</memory>", ""),
          {} },
        { "by 256 MiB",
          NULL,
          KVM_MEMORY("<maxMemory slots='16' unit='MiB'>4352</maxMemory><memory unit='GiB'>4</memory>", ""),
          {} },

        { "memory devices without maxMemory",
          NULL,
          KVM_MEMORY("<memory unit='GiB'>5</memory>", DIMM),
          { E(NO_MAXMEMORY, ERROR, "web1", TEXT("Memory devices (1)", "libvirt refuses them"), TEXT("slots='16' unit='KiB'>8388608<")) } },
        { "memory devices that don't fit",
          NULL,
          KVM_MEMORY("<maxMemory slots='16' unit='MiB'>4352</maxMemory><memory unit='GiB'>5</memory>", DIMM),
          { E(NO_MAXMEMORY, ERROR, "web1", TEXT("Memory devices (1)"), TEXT(">8388608<")) } },
        { "fewer slots than memory devices",
          NULL,
          KVM_MEMORY("<maxMemory slots='1' unit='GiB'>64</maxMemory><memory unit='GiB'>5</memory>", DIMM DIMM),
          { E(NO_MAXMEMORY, ERROR, "web1", TEXT("Memory devices (2)"), TEXT("slots='16' unit='KiB'>67108864<")) } },
        { "memory devices that fit",
          NULL,
          KVM_MEMORY("<maxMemory slots='2' unit='GiB'>5</maxMemory><memory unit='GiB'>5</memory>", DIMM DIMM),
          {} },

        /* mixed-phb */
        { "with emulated ones on the first PHB",
          NULL,
          KVM(HOSTDEV("yes", "0x0001", "0x0", PCI_AT("0x00", "0x05")) NET("virtio", PCI_AT("0x00", "0x06"))),
          { E(MIXED_PHB, WARNING, "phb 0", TEXT("hostdev0 (passed", "net0 (emu", "hardware table"),
              TEXT("Move hostdev0", "index='1' model='pci-root'/> and bus='0x01'")) } },
        { "where KVM can't link tables",
          no_coupling,
          KVM(HOSTDEV("yes", "0x0001", "0x0", PCI_AT("0x00", "0x05")) NET("virtio", PCI_AT("0x00", "0x06"))),
          { E(MIXED_PHB, WARNING, "phb 0", TEXT("all of the PHB's tables are QEMU's")),
            E(SLOW_PATH, WARNING, "pci.0", TEXT("tables of pci.0", "KVM_CAP_SPAPR_TCE_VFIO")) } },
        { "without KVM",
          NULL,
          TCG(HOSTDEV("yes", "0x0001", "0x0", PCI_AT("0x00", "0x05")) NET("virtio", PCI_AT("0x00", "0x06"))),
          { E(MIXED_PHB, WARNING, "phb 0", TEXT("window, too")) } },
        { "on another PHB",
          NULL,
          KVM(GOOD_HOSTDEV NET("e1000", PCI_AT("0x01", "0x02"))),
          { E(MIXED_PHB, WARNING, "phb 1", TEXT("net0"), TEXT("index='2'", "bus='0x02'")) } },
        { "behind a bridge",
          NULL,
          KVM("<controller type='pci' index='1' model='pci-bridge'>" PCI_AT("0x00", "0x03") "</controller>" HOSTDEV(
                  "yes", "0x0001", "0x0", PCI_AT("0x01", "0x05")) NET("virtio", PCI_AT("0x00", "0x06"))),
          { E(MIXED_PHB, WARNING, "phb 0", TEXT("hostdev0", "net0"), TEXT("index='2'")) } },
        { "with what does no DMA", NULL, KVM(GOOD_HOSTDEV "<video><model type='vga'/>" PCI_AT("0x01", "0x02") "</video>"), {} },
        { "two groups of it",
          NULL,
          KVM(HOSTDEV("yes", "0x0001", "0x0", PCI_AT("0x00", "0x05")) HOSTDEV("yes", "0x0002", "0x0", PCI_AT("0x00", "0x07"))
                      NET("virtio", PCI_AT("0x00", "0x06"))),
          { E(MIXED_PHB, WARNING, "phb 0", TEXT("hostdev0 and hostdev1 ("), TEXT("each IOMMU group")), E(GROUP_PARTIAL, INFO, "hostdev1", TEXT("0002:00:00.1", "not given")) } },

        /* group-partial */
        { "the host uses a function of the group",
          NULL,
          KVM(HOSTDEV("yes", "0x0003", "0x0", "")),
          { E(GROUP_PARTIAL, ERROR, "hostdev0", TEXT("group 3", "0003:00:00.1", "tg3"),
              TEXT("tcectl bind 0003:00:00.1")) } },
        { "it is given as well", NULL, KVM(HOSTDEV("yes", "0x0003", "0x0", "") HOSTDEV("yes", "0x0003", "0x1", "")), {} },
        { "but not taken from the host",
          NULL,
          KVM(HOSTDEV("yes", "0x0003", "0x0", "") HOSTDEV("no", "0x0003", "0x1", "")),
          { E(GROUP_PARTIAL, ERROR, "hostdev1", TEXT("0003:00:00.1", "tg3", "managed='no'"),
              TEXT("managed='yes' to hostdev1")) } },
        { "a bridge is given with its device",
          NULL,
          KVM("<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0004' bus='0x01' slot='0x00' "
              "function='0x0'/></source></hostdev>" HOSTDEV("yes", "0x0004", "0x0", "")),
          { E(GROUP_PARTIAL, ERROR, "hostdev1", TEXT("0004:00:00.0 is a PCI bridge"), TEXT("Take hostdev1 out")) } },
        { "not bound yet, and a bridge beside it",
          NULL,
          KVM("<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0004' bus='0x01' slot='0x00' "
              "function='0x0'/></source></hostdev>"),
          {} },
        { "not bound, and not managed",
          NULL,
          KVM(HOSTDEV("no", "0x0005", "0x0", "")),
          { E(GROUP_PARTIAL, ERROR, "hostdev0", TEXT("no driver")), E(GROUP_PARTIAL, INFO, "hostdev0", TEXT("0005:00:00.1", "not given")) } },
        { "its neighbour has no driver", NULL, KVM(HOSTDEV("yes", "0x0005", "0x0", "")),
          { E(GROUP_PARTIAL, INFO, "hostdev0", TEXT("0005:00:00.1", "nobody else")) } },
        { "bound already, not managed", NULL, KVM(HOSTDEV("no", "0x0001", "0x0", "")), {} },
        { "nothing is known of groups", nothing_known, KVM(HOSTDEV("no", "0x0003", "0x0", "")), {} },

        /* group-busy */
        { "another VM has the group",
          held,
          KVM(GOOD_HOSTDEV),
          { E(GROUP_BUSY, ERROR, "hostdev0", TEXT("group 1", "db7"), TEXT("db7", "hostdev0")) } },
        { "another VM has another group", held, KVM(HOSTDEV("yes", "0x0002", "0x0", "")), { E(GROUP_PARTIAL, INFO, "hostdev0") } },
        /* libvirt sees what it is given itself. */
        { "a function twice, once by the command line",
          NULL,
          ARGUMENTS(PHB("1", "1") HOSTDEV("yes", "0x0001", "0x0", PCI_AT("0x01", "0x01")),
                    "<qemu:arg value='-device'/><qemu:arg value='vfio-pci,host=0001:00:00.0,id=mine,bus=pci.1.0,addr=5'/>"),
          { E(GROUP_BUSY, ERROR, "mine", TEXT("0001:00:00.0", "hostdev0"), TEXT("hostdev0 and mine")) } },
        /* All remedies can be followed at once. */
        { "indexes for two PHBs",
          NULL,
          KVM(PHB("1", "31") PHB("2", "4") PHB("3", "4")),
          { E(PHB_INDEX, ERROR, "pci.3", TEXT("index 4"), TEXT("<target index='1'/>")),
            E(PHB_INDEX, ERROR, "pci.1", TEXT("index 31"), TEXT("<target index='2'/>")) } },
        { "registers for three",
          NULL,
          KVM(VLAN("0x1000") VLAN("0x1000") VLAN("0x101000") VLAN("0x1000")),
          { E(VIO_IRQ, ERROR, "net2", TEXT("0x101000"), TEXT("reg='0x2000'")),
            E(VIO_DUPLICATE, ERROR, "net1", TEXT("0x1000"), TEXT("reg='0x3000'")),
            E(VIO_DUPLICATE, ERROR, "net3", TEXT("0x1000"), TEXT("reg='0x4000'")) } },
        { "PHBs for two groups, a whole one and one alone",
          NULL,
          KVM(PHB("1", "1") HOSTDEV("yes", "0x0002", "0x0", PCI_AT("0x00", "0x05"))
                      HOSTDEV("yes", "0x0002", "0x1", PCI_AT("0x00", "0x06")) NET("virtio", PCI_AT("0x00", "0x07"))
                              HOSTDEV("yes", "0x0001", "0x0", PCI_AT("0x01", "0x05")) NET("virtio", PCI_AT("0x01", "0x06"))),
          { E(MIXED_PHB, WARNING, "phb 0", TEXT("hostdev0 and hostdev1"),
              TEXT("Move hostdev0 and hostdev1 to a PHB of their own", "bus='0x02' in each")),
            E(MIXED_PHB, WARNING, "phb 1", TEXT("hostdev2"), TEXT("Move hostdev2 to a PHB of its own", "bus='0x03' in its")) } },
        { "a PHB that is empty",
          NULL,
          KVM(PHB("1", "1") HOSTDEV("yes", "0x0001", "0x0", PCI_AT("0x00", "0x05")) NET("virtio", PCI_AT("0x00", "0x07"))),
          { E(MIXED_PHB, WARNING, "phb 0", TEXT("hostdev0"), TEXT("controller 1: bus='0x01' and a free slot in its")) } },
        { "no PHB is left",
          NULL,
          KVM(NETS_ON_ALL_PHBS HOSTDEV("yes", "0x0001", "0x0", PCI_AT("0x00", "0x05"))),
          { E(MIXED_PHB, WARNING, "phb 0", TEXT("hostdev0"), TEXT("Move the emulated devices", "all 31 indexes")) } },
        { "a bus that libvirt would have to make a PHB too many for",
          NULL,
          KVM(NET("virtio", PCI_AT("0x1f", "0x01"))),
          { E(PHB_INDEX, ERROR, "pci.31", TEXT("index 31"), TEXT("at bus='0x1f' on another bus")) } },
        { "a group on two PHBs",
          NULL,
          KVM(PHB("1", "1") PHB("2", "2") HOSTDEV("yes", "0x0002", "0x0", PCI_AT("0x01", "0x01"))
                      HOSTDEV("yes", "0x0002", "0x1", PCI_AT("0x02", "0x01"))),
          { E(GROUP_BUSY, ERROR, "hostdev1", TEXT("hostdev0", "multiple address spaces"),
              TEXT("beside hostdev0: bus='0x01' and a free slot", "--fix")) } },
        { "one of them mixed",
          NULL,
          KVM(PHB("1", "1") HOSTDEV("yes", "0x0002", "0x0", PCI_AT("0x01", "0x01"))
                      HOSTDEV("yes", "0x0002", "0x1", PCI_AT("0x00", "0x05")) NET("virtio", PCI_AT("0x00", "0x06"))),
          { E(MIXED_PHB, WARNING, "phb 0", TEXT("hostdev1"), TEXT("hostdev1 to the PHB that is controller 1: bus='0x01'")),
            E(GROUP_BUSY, ERROR, "hostdev1", TEXT("hostdev0"), TEXT("as mixed-phb advises")) } },
        { "a group on one PHB",
          NULL,
          KVM(PHB("1", "1") HOSTDEV("yes", "0x0002", "0x0", PCI_AT("0x01", "0x01"))
                      HOSTDEV("yes", "0x0002", "0x1", PCI_AT("0x01", "0x02"))),
          {} },

        /* memlock-low. 4 GiB of memory and a VFIO PHB are charged 4,302,372,864 bytes and more; a table of the first PHB's
           2,162,688. */
        { "libvirt's own limit will do", NULL, KVM(GOOD_HOSTDEV), {} },
        { "hard_limit below the guest's memory",
          NULL,
          KVM_MEMORY(MEMORY "<memtune><hard_limit unit='GiB'>4</hard_limit></memtune>", GOOD_HOSTDEV),
          { E(MEMLOCK_LOW, ERROR, "web1", TEXT("4 GiB (<hard_limit>)", "at the start"),
              TEXT("Raise it to <hard_limit unit='KiB'>")) } },
        { "hard_limit with room for it",
          NULL,
          KVM_MEMORY(MEMORY "<memtune><hard_limit unit='GiB'>6</hard_limit></memtune>", GOOD_HOSTDEV),
          {} },
        { "not for the 64-bit window",
          NULL,
          DOMAIN("kvm",
                 "<maxMemory slots='16' unit='TiB'>1</maxMemory><memory unit='GiB'>4</memory><memtune><hard_limit "
                 "unit='GiB'>5</hard_limit></memtune>",
                 OS("pseries-9.2"), GOOD_HOSTDEV, "<qemu:commandline>" GLOBAL("pgsz=0x1000") "</qemu:commandline>"),
          { E(MEMLOCK_LOW, WARNING, "web1", TEXT("5 GiB", "asks for the 64-bit")) } },
        { "libvirt's limit is not for that either",
          NULL,
          DOMAIN("kvm", "<maxMemory slots='16' unit='TiB'>8</maxMemory><memory unit='GiB'>4</memory>", OS("pseries-9.2"),
                 GOOD_HOSTDEV, "<qemu:commandline>" GLOBAL("pgsz=0x1000") "</qemu:commandline>"),
          {} },
        { "tables do not fit",
          NULL,
          KVM_MEMORY(MEMORY "<memtune><hard_limit unit='MiB'>2</hard_limit></memtune>", ""),
          { E(MEMLOCK_LOW, WARNING, "web1", TEXT("2 MiB", "exit")) } },
        { "tables do not fit, and tced raises the limit",
          NULL,
          KVM_MEMORY(MEMORY "<memtune><hard_limit unit='MiB'>2</hard_limit></memtune>", WRAPPER),
          { E(MEMLOCK_LOW, INFO, "web1", TEXT("2 MiB", "tced raises the limit", "exit")) } },
        { "guest memory does not, and tced raises the limit",
          NULL,
          KVM_MEMORY(MEMORY "<memtune><hard_limit unit='GiB'>4</hard_limit></memtune>", WRAPPER GOOD_HOSTDEV),
          { E(MEMLOCK_LOW, WARNING, "web1", TEXT("4 GiB (<hard_limit>)", "at the start", "tced raises the limit")) } },
        { "all is locked: more than tced raises the limit to",
          NULL,
          KVM_MEMORY(MEMORY "<memtune><hard_limit unit='GiB'>4</hard_limit></memtune><memoryBacking><locked/></memoryBacking>", WRAPPER),
          { E(MEMLOCK_LOW, ERROR, "web1", TEXT("lock the guest's memory")) } },
        { "tables fit, guest memory is not locked",
          NULL,
          KVM_MEMORY(MEMORY "<memtune><hard_limit unit='MiB'>3</hard_limit></memtune>", ""),
          {} },
        { "without KVM nothing is charged for tables",
          NULL,
          DOMAIN("qemu", MEMORY "<memtune><hard_limit unit='MiB'>1</hard_limit></memtune>", OS("pseries-9.2"), "", ""),
          {} },
        { "all is locked, and unlimited", NULL, KVM_MEMORY(MEMORY "<memoryBacking><locked/></memoryBacking>", GOOD_HOSTDEV), {} },
        { "all is locked, and too much",
          NULL,
          KVM_MEMORY(MEMORY "<memtune><hard_limit unit='GiB'>4</hard_limit></memtune><memoryBacking><locked/></memoryBacking>",
                     ""),
          { E(MEMLOCK_LOW, ERROR, "web1", TEXT("lock the guest's memory")) } },
        { "in huge pages as well",
          NULL,
          KVM_MEMORY(MEMORY "<memtune><hard_limit unit='KiB'>4194303</hard_limit></memtune><memoryBacking><locked/><hugepages/>"
                            "</memoryBacking>",
                     ""),
          { E(MEMLOCK_LOW, ERROR, "web1", TEXT("4 GiB will be charged", "lock the guest's memory")) } },
        { "which need no more than they are",
          NULL,
          KVM_MEMORY(MEMORY "<memtune><hard_limit unit='GiB'>4</hard_limit></memtune><memoryBacking><locked/><hugepages/>"
                            "</memoryBacking>",
                     ""),
          {} },
        { "without KVM all is locked just the same",
          NULL,
          DOMAIN("qemu", MEMORY "<memtune><hard_limit unit='GiB'>3</hard_limit></memtune><memoryBacking><locked/></memoryBacking>",
                 OS("pseries-9.2"), "", ""),
          { E(MEMLOCK_LOW, ERROR, "web1", TEXT("3 GiB", "lock the guest's memory")) } },
        { "and VFIO registers all",
          NULL,
          DOMAIN("qemu", MEMORY "<memtune><hard_limit unit='GiB'>3</hard_limit></memtune>", OS("pseries-9.2"), GOOD_HOSTDEV, ""),
          { E(MEMLOCK_LOW, ERROR, "web1", TEXT("3 GiB", "register the guest's memory")) } },

        /* policy-unmet */
        { "all in the kernel, and it can", all_kernel, KVM(GOOD_HOSTDEV VLAN("0x1000")), {} },
        { "all in the kernel, and it can't",
          all_kernel_no_tce,
          KVM(VLAN("0x1000")),
          { E(POLICY_UNMET, ERROR, "net0", TEXT("default in tced.conf", "net0", "KVM_CAP_SPAPR_TCE"),
              TEXT("give net0 a rule", "systemctl reload tced")),
            E(POLICY_UNMET, ERROR, "pci.0", TEXT("80000000")) } },
        { "a rule for one",
          rule_kernel_no_tce,
          KVM(VLAN("0x1000")),
          { E(POLICY_UNMET, ERROR, "net0", TEXT("10-fast.rule", "00001000"),
              TEXT("in 10-fast.rule, or have it not match net0", "systemctl reload tced")),
            E(SLOW_PATH, WARNING, "pci.0") } },
        { "without KVM it can't either", all_kernel, TCG(""), { E(POLICY_UNMET, ERROR, "pci.0", TEXT("without KVM")) } },
        { "what a guest may ask for ends no start",
          all_kernel_no_tce_64,
          KVM(""),
          { E(POLICY_UNMET, WARNING, "pci.0", TEXT("64-bit window", "80000001")) } },
        { "a QEMU does not ask",
          all_user,
          KVM(GOOD_HOSTDEV VLAN("0x1000")),
          { E(POLICY_UNMET, WARNING, "web1", TEXT("net0, pci.0 and pci.1", "QEMU does not ask"), TEXT("Accel=user out of tced.conf", "tced-qemu-system-ppc64")) } },
        { "nor one by its path",
          all_user,
          KVM("<emulator>/usr/libexec/qemu-kvm</emulator>"),
          { E(POLICY_UNMET, WARNING, "web1", TEXT("pci.0", "qemu-kvm does not ask")) } },
        { "all that say so are named, each once, and each device",
          user_by_rules,
          KVM(VLAN("0x1000") VLAN("0x2000")),
          { E(POLICY_UNMET, WARNING, "web1", TEXT("tables of net0, net1 and pci.0 out"),
              TEXT("out of 20-slow.rule, tced.conf and 30-late.rule (")) } },
        { "a 64-bit window's rule counts as well",
          late_user,
          KVM(VLAN("0x1000")),
          { E(POLICY_UNMET, WARNING, "web1", TEXT("tables of pci.0 out"), TEXT("out of 30-late.rule (")) } },
        { "on a desk nobody knows", x86_all_kernel, KVM(VLAN("0x1000")), { E(NO_TCE, INFO, "web1") } },
        { "another VMM may ask", all_user, KVM("<emulator>/usr/bin/my-vmm</emulator>" VLAN("0x1000")), {} },
        { "where the kernel has none a QEMU does as the rule says", all_user_no_tce, KVM(VLAN("0x1000")), {} },
        { "without KVM too", all_user, TCG(VLAN("0x1000")), {} },

        { "where the adapter is not installed that is said first",
          nothing_of_it,
          KVM(""),
          { E(POLICY_UNMET, WARNING, "web1", TEXT("does not ask"), TEXT("Install tced's adapter for QEMU", "give the VM /usr/bin/tced")) } },
        { "where it is not", with_adapter, KVM(""), { E(POLICY_UNMET, WARNING, "web1", TEXT("does not ask"), TEXT("Give the VM /usr/bin/tced")) } },

        /* adapter-unready */
        { "the adapter's wrapper, and all is there", with_adapter, KVM(WRAPPER), {} },
        { "nothing of it is",
          nothing_of_it,
          KVM(WRAPPER),
          { E(ADAPTER_UNREADY, ERROR, "web1", TEXT("/usr/bin/tced-qemu-system-ppc64", "is not there", "start fails"), TEXT("Install tced with")),
            E(ADAPTER_UNREADY, ERROR, "web1", TEXT("/usr/bin/qemu-system-ppc64", "is not there"), TEXT("apt install qemu-system-ppc")),
            E(ADAPTER_UNREADY, WARNING, "web1", TEXT("libtced-qemu.so is not there", "KVM holds")),
            E(ADAPTER_UNREADY, WARNING, "web1", TEXT("/run/tced/socket", "No such file"), TEXT("systemctl restart tced")),
            E(ADAPTER_UNREADY, WARNING, "web1", TEXT("AppArmor", "not installed"), TEXT("libvirt-qemu.d/tced-qemu")) } },
        { "without KVM neither library nor tced are needed",
          nothing_of_it,
          TCG(WRAPPER),
          { E(ADAPTER_UNREADY, ERROR, "web1", TEXT("tced-qemu-system")), E(ADAPTER_UNREADY, ERROR, "web1", TEXT("/usr/bin/qemu-system")),
            E(ADAPTER_UNREADY, WARNING, "web1", TEXT("AppArmor")) } },
        { "others may not have it, as far as is known",
          not_for_others,
          KVM(WRAPPER),
          { E(ADAPTER_UNREADY, WARNING, "web1", TEXT("executed by the VM's user: Permission denied"), TEXT("chmod 755 /usr/bin/tced")),
            E(ADAPTER_UNREADY, WARNING, "web1", TEXT("read by the VM's user"), TEXT("chmod 644 /usr/lib/tced")) } },
        { "no QEMU", no_qemu, KVM(WRAPPER), { E(ADAPTER_UNREADY, ERROR, "web1", TEXT("becomes, is not there: the start fails")) } },
        { "no tced", tced_away, KVM(WRAPPER), { E(ADAPTER_UNREADY, WARNING, "web1", TEXT("Connection refused", "without a plan")) } },
        { "AppArmor has the rules and does not see them",
          rules_left_out,
          KVM(WRAPPER),
          { E(ADAPTER_UNREADY, WARNING, "web1", TEXT("does not include"), TEXT(">>/etc/apparmor.d/local/abstractions/libvirt-qemu")) } },
        { "SELinux has no module", selinux_without, KVM(WRAPPER), { E(ADAPTER_UNREADY, WARNING, "web1", TEXT("SELinux"), TEXT("restorecon -RF")) } },
        { "which is no matter for a VM that is not confined",
          selinux_without,
          DOMAIN("kvm", MEMORY, OS("pseries-9.2"), WRAPPER, "<seclabel type='none'/>"),
          {} },
        { "what can't be told is said to be so",
          rules_hidden,
          KVM(WRAPPER),
          { E(ADAPTER_UNREADY, INFO, "web1", TEXT("AppArmor", "can't be told")),
            E(ADAPTER_UNREADY, INFO, "web1", TEXT("SELinux", "can't be told"), TEXT("semodule -l")) } },
        { "a host of which nobody knows", adapter_of_old, KVM(WRAPPER), {} },
        { "a desk", x86_without, KVM(WRAPPER), { E(NO_TCE, INFO, "web1") } },
        { "another wrapper", nothing_of_it, KVM("<emulator>/usr/local/bin/tced-qemu-system-ppc64</emulator>"), {} },

        /* slow-path */
        { "no tables in KVM",
          no_tce,
          KVM(VLAN("0x1000") VSCSI("0", "0x2000")),
          { E(SLOW_PATH, WARNING, "pci.0", TEXT("the tables of pci.0"), TEXT("CONFIG_SPAPR_TCE_IOMMU")),
            E(SLOW_PATH, WARNING, "web1", TEXT("net0 and scsi0")) } },
        { "one for each PHB", no_tce, KVM(PHB("1", "1")), { E(SLOW_PATH, WARNING, "pci.0"), E(SLOW_PATH, WARNING, "pci.1") } },
        { "the 64-bit one alone",
          no_tce_64,
          KVM(""),
          { E(SLOW_PATH, WARNING, "pci.0", TEXT("the 64-bit window's table"), TEXT("4.6")) } },
        { "passed-through ones alone",
          no_coupling,
          KVM(GOOD_HOSTDEV),
          { E(SLOW_PATH, WARNING, "pci.1", TEXT("KVM_CAP_SPAPR_TCE_VFIO"), TEXT("6.15")) } },
        { "without KVM it is no finding", no_tce, TCG(VLAN("0x1000")), {} },

        /* device-missing */
        { "no such device",
          NULL,
          KVM(HOSTDEV("yes", "0x0009", "0x0", "")),
          { E(DEVICE_MISSING, ERROR, "hostdev0", TEXT("0009:00:00.0"), TEXT("tcectl groups")) } },
        { "no such function",
          NULL,
          KVM(HOSTDEV("yes", "0x0001", "0x1", "")),
          { E(DEVICE_MISSING, ERROR, "hostdev0", TEXT("0001:00:00.1")) } },
        { "groups are not known", nothing_known, KVM(HOSTDEV("yes", "0x0009", "0x0", "")), {} },

        /* Several at once come in the order of their ids. */
        { "the order of ids",
          held,
          KVM_MEMORY("<memory unit='GiB'>4</memory>", GOOD_HOSTDEV PHB("2", "1") VLAN("0x71000000")),
          { E(PHB_INDEX, ERROR, "pci.2"), E(VIO_DUPLICATE, ERROR, "net0"), E(NO_MAXMEMORY, WARNING, "web1"),
            E(GROUP_BUSY, ERROR, "hostdev0") } },
};

static void show(const Findings *f) {
        for (size_t i = 0; i < f->n; i++)
                printf("#   %s %s, %s: %s | %s\n", severity_to_string(f->items[i].severity), finding_id_to_string(f->items[i].id),
                       f->items[i].subject, f->items[i].text, f->items[i].remedy);
}

static bool as_expected(const Finding *f, const Expected *e) {
        bool same = f->id == e->id && f->severity == e->severity && streq(f->subject, e->subject);

        for (size_t i = 0; i < ELEMENTSOF(e->text) && e->text[i]; i++)
                same = same && strstr(f->text, e->text[i]);
        for (size_t i = 0; i < ELEMENTSOF(e->remedy) && e->remedy[i]; i++)
                same = same && strstr(f->remedy, e->remedy[i]);
        return same;
}

static bool findings_match(const Findings *f, const Expected *expected) {
        size_t n = 0;

        while (expected[n].subject)
                n++;
        if (f->n != n)
                return false;
        for (size_t i = 0; i < n; i++)
                if (!as_expected(&f->items[i], &expected[i]))
                        return false;
        return true;
}

/* Sentences that begin as such, and end without a stop, as those of finding.c. */
static bool is_well_said(const Findings *f) {
        for (size_t i = 0; i < f->n; i++) {
                size_t text = strlen(f->items[i].text), remedy = strlen(f->items[i].remedy);

                if (text < 20 || remedy < 10 || f->items[i].text[text - 1] == '.' || f->items[i].remedy[remedy - 1] == '.' ||
                    strstr(f->items[i].text, "(null)") || strstr(f->items[i].remedy, "(null)") || f->items[i].remedy[0] < 'A' ||
                    f->items[i].remedy[0] > 'Z')
                        return false;
        }
        return true;
}

static void test_case(const Case *c) {
        _cleanup_(domain_plan_clear) DomainPlan plan = DOMAIN_PLAN_INIT;
        DomainError error = {};
        Host h;
        PlanHost host;
        int r;

        good_host(&h);
        if (c->change)
                c->change(&h);
        host = plan_host(&h);
        r = domain_plan_make(c->xml, strlen(c->xml), NULL, &host, &plan, &error);
        if (r < 0) {
                tap_ok(false, "%s: it can be planned: %s", c->name, error.text);
                return;
        }
        if (!tap_ok(findings_match(&plan.findings, c->expected) && is_well_said(&plan.findings), "%s", c->name))
                show(&plan.findings);
}

/* Plans the domain with so much locked memory allowed; what is found of it, or -1. *ret_start, *ret_charged: what is charged. */
static int severity_with_limit(const char *devices, uint64_t limit, uint64_t *ret_start, uint64_t *ret_charged) {
        _cleanup_(domain_plan_clear) DomainPlan plan = DOMAIN_PLAN_INIT;
        _cleanup_free_ char *xml = NULL;
        DomainError error = {};
        const Finding *found;
        Host h;
        PlanHost host;

        good_host(&h);
        host = plan_host(&h);
        if (asprintf(&xml,
                     DOMAIN("kvm", MEMORY "<memtune><hard_limit unit='bytes'>%" PRIu64 "</hard_limit></memtune>",
                            OS("pseries-9.2"), "%s", ""),
                     limit, devices) < 0 ||
            domain_plan_make(xml, strlen(xml), NULL, &host, &plan, &error) < 0)
                return -2;
        *ret_start = plan.memlock.charged_at_start;
        *ret_charged = plan.memlock.charged;
        found = findings_find(&plan.findings, FINDING_MEMLOCK_LOW);
        return found ? (int) found->severity : -1;
}

/* What is charged may be all that there is: the kernel compares with more than. */
static void test_memlock_to_the_byte(void) {
        static const struct {
                const char *name, *devices;
                int below_start, below_all;
        } limits[] = {
                { "passed through", GOOD_HOSTDEV, SEVERITY_ERROR, SEVERITY_WARNING },
                { "emulated", VLAN("0x1000"), SEVERITY_WARNING, SEVERITY_WARNING },
        };

        for (size_t i = 0; i < ELEMENTSOF(limits); i++) {
                uint64_t start = 0, all = 0, dummy;

                tap_eq(severity_with_limit(limits[i].devices, UINT64_C(64) << 30, &start, &all), -1, "with room, %s",
                       limits[i].name);
                tap_ok(start > 0 && all > start, "the 64-bit window costs something, %s", limits[i].name);
                tap_eq(severity_with_limit(limits[i].devices, all, &dummy, &dummy), -1, "all of it, %s", limits[i].name);
                tap_eq(severity_with_limit(limits[i].devices, all - 1024, &dummy, &dummy), limits[i].below_all, "1 KiB less, %s",
                       limits[i].name);
                tap_eq(severity_with_limit(limits[i].devices, start, &dummy, &dummy), limits[i].below_all,
                       "what the start costs, %s", limits[i].name);
                tap_eq(severity_with_limit(limits[i].devices, start - 1024, &dummy, &dummy), limits[i].below_start,
                       "1 KiB less than that, %s", limits[i].name);
        }
}

/* Names in a sentence, however many and however long. */
static void test_names(void) {
        char name[80], wanted[8] = "n9";

        for (size_t n = 1; n <= 100; n++) {
                NameList list = {};

                for (size_t i = 0; i < n; i++) {
                        (void) snprintf(name, sizeof(name), "n%zu", i);
                        name_list_add(&list, name);
                }
                (void) name_list_text(&list);
                if (n <= 3)
                        tap_streq(list.text, n == 1 ? "n0" : n == 2 ? "n0 and n1" : "n0, n1 and n2", "%zu names", n);
                (void) snprintf(wanted, sizeof(wanted), "n%zu", n - 1);
                if (!strstr(list.text, wanted) && !strstr(list.text, " more"))
                        tap_ok(false, "%zu names: %s", n, list.text);
        }
#define X60 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        static const struct {
                const char *names[5], *wanted;
        } cuts[] = {
                { { X60 "yyy" }, X60 "yyy" },
                { { X60 "yyyy" }, X60 "…" },
                { { "net0", X60 "yyyyyyy" }, "net0 and " X60 "…" },
                /* An o with two dots is two bytes. */
                { { X60 "ö" "yyyy" }, X60 "…" },
                { { "x" X60 "yyyy" }, "x" "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" "…" },
                { { "y" "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" "ö" "yyyy" },
                  "y" "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" "…" },
                { { X60 "1", X60 "2", X60 "3", X60 "4", X60 "5" }, X60 "1, " X60 "2, " X60 "3 and 2 more" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cuts); i++) {
                NameList list = {};

                for (size_t j = 0; j < ELEMENTSOF(cuts[i].names) && cuts[i].names[j]; j++)
                        name_list_add(&list, cuts[i].names[j]);
                tap_streq(name_list_text(&list), cuts[i].wanted, "long names, %zu", i);
        }
}

int main(void) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                test_case(&cases[i]);
        test_memlock_to_the_byte();
        test_names();
        return tap_done();
}
