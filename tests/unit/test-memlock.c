/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* memlock.c, vfio_window.c, domain_memory.c: both figures of locked memory on domains of our own. What is wanted stands there
 * as a sum in KiB, put together by hand from the rules in memlock.h and not by any code of ours, so that it can be followed
 * term by term. */

#include "memlock.h"

#include "domain_address.h"
#include "domain_plan.h"
#include "domain_read.h"
#include "tap.h"
#include "util.h"
#include "vfio_window.h"

#define STR(s) ((char *) (s))

/* KiB. */
#define MIB UINT64_C(1024)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)

/* The host: group 3 of one function, group 5 of two, group 9 of an NVLink2 GPU. */
static DeviceFacts in_group_3[] = { { .address = STR("0001:00:00.0"), .is_pci = true } };
static DeviceFacts in_group_5[] = {
        { .address = STR("0002:00:00.0"), .is_pci = true },
        { .address = STR("0002:00:00.1"), .is_pci = true },
};
static DeviceFacts in_group_9[] = { { .address = STR("0004:04:00.0"), .is_pci = true, .nvlink2 = true } };
static GroupFacts groups[] = {
        { .number = 3, .devices = in_group_3, .n_devices = 1 },
        { .number = 5, .devices = in_group_5, .n_devices = 2, .page_sizes = 0x40211000 },
        { .number = 9, .devices = in_group_9, .n_devices = 1 },
};
static const VfioFacts vfio = { .platform = PLATFORM_PSERIES, .groups = groups, .n_groups = ELEMENTSOF(groups) };

#define DOMAIN(type, arch, machine, memory, devices) \
        "<domain type='" type "' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>web1</name>" memory \
        "<vcpu>4</vcpu><os><type arch='" arch "' machine='" machine "'>hvm</type></os><devices>" devices "</devices></domain>"
#define POWER(memory, devices) DOMAIN("kvm", "ppc64le", "pseries-9.2", memory, devices)
#define POWER_TCG(memory, devices) DOMAIN("qemu", "ppc64le", "pseries-9.2", memory, devices)
#define PC(memory, devices) DOMAIN("kvm", "x86_64", "q35", memory, devices)
#define MEMORY(n, unit) "<memory unit='" unit "'>" n "</memory>"
#define MAX(n, unit) "<maxMemory slots='8' unit='" unit "'>" n "</maxMemory>"
#define CELLS(cells) "<cpu><numa>" cells "</numa></cpu>"
#define CELL(id, n) "<cell id='" id "' cpus='" id "' memory='" n "' unit='MiB'/>"
#define DIMM(n, unit) "<memory model='dimm'><target><size unit='" unit "'>" n "</size></target></memory>"
#define NVDIMM(n, label) \
        "<memory model='nvdimm'><uuid>6bfa3b1e-7e4f-4b0c-9c43-0d1b1d0a7e51</uuid><source><path>/pmem</path></source>" \
        "<target><size unit='KiB'>" n "</size><node>0</node><label><size unit='KiB'>" label "</size></label></target></memory>"
#define LIMIT(n, unit) "<memtune><hard_limit unit='" unit "'>" n "</hard_limit></memtune>"
#define LOCKED "<memoryBacking><locked/></memoryBacking>"
#define PHB(i) "<controller type='pci' index='" i "' model='pci-root'/>"
#define BRIDGE(i) "<controller type='pci' index='" i "' model='pci-bridge'/>"
#define SOURCE(domain, function) "<source><address domain='" domain "' bus='0x00' slot='0x00' function='" function "'/></source>"
#define HOSTDEV_AT(domain, function, address) \
        "<hostdev mode='subsystem' type='pci' managed='yes'>" SOURCE(domain, function) address "</hostdev>"
#define HOSTDEV(domain) HOSTDEV_AT(domain, "0x0", "")
#define ON_PHB_0 "<address type='pci' domain='0x0000' bus='0x00' slot='0x09' function='0x0'/>"
#define GPU "<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0004' bus='0x04' slot='0x00' " \
        "function='0x0'/></source></hostdev>"
#define MDEV "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source>" \
        "<address uuid='c2177883-f1bb-47f0-914d-32a22e3a8804'/></source></hostdev>"
#define USB "<hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/><product id='0xbeef'/></source></hostdev>"
#define NIC_HOSTDEV "<interface type='hostdev' managed='yes'><source>" \
        "<address type='pci' domain='0x0001' bus='0x00' slot='0x00' function='0x0'/></source></interface>"
#define NIC_VDPA "<interface type='vdpa'><source dev='/dev/vhost-vdpa-0'/></interface>"
#define DISK_VDPA "<disk type='vhostvdpa' device='disk'><driver name='qemu' type='raw'/><source dev='/dev/vhost-vdpa-1'/>" \
        "<target dev='vdb' bus='virtio'/></disk>"
#define DISK_NVME(dev) "<disk type='nvme' device='disk'><driver name='qemu' type='raw'/><source type='pci' managed='yes' " \
        "namespace='1'><address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></source>" \
        "<target dev='" dev "' bus='virtio'/></disk>"
#define DISK_BACKED(backing) "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/a'/>" backing \
        "<target dev='vda' bus='virtio'/></disk>"
#define BACKING(type, backing) "<backingStore type='" type "'><format type='raw'/><source type='pci' managed='yes' namespace='1'>" \
        "<address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></source>" backing "</backingStore>"
#define VLAN "<interface type='bridge'><source bridge='br0'/><model type='spapr-vlan'/></interface>"
#define VSCSI "<controller type='scsi' index='0' model='ibmvscsi'/>"
#define PHBS_1_TO_30 \
        PHB("1") PHB("2") PHB("3") PHB("4") PHB("5") PHB("6") PHB("7") PHB("8") PHB("9") PHB("10") \
        PHB("11") PHB("12") PHB("13") PHB("14") PHB("15") PHB("16") PHB("17") PHB("18") PHB("19") PHB("20") \
        PHB("21") PHB("22") PHB("23") PHB("24") PHB("25") PHB("26") PHB("27") PHB("28") PHB("29") PHB("30")

#define UNLIMITED UINT64_MAX

/* What libvirt sets, in KiB. Where a function of the host's is passed through, libvirt gives its group a PHB of its own. */
static const struct {
        const char *name, *xml;
        uint64_t kib;
} limits[] = {
        /* max/128 + 4096 for each PHB + 8192 */
        { "1 GiB", POWER(MEMORY("1", "GiB"), ""), 1 * GIB / 128 + 1 * 4096 + 8192 },
        { "256 MiB", POWER(MEMORY("256", "MiB"), ""), 256 * MIB / 128 + 1 * 4096 + 8192 },
        { "512 MiB", POWER(MEMORY("524288", "KiB"), ""), 512 * MIB / 128 + 1 * 4096 + 8192 },
        { "KiB where there is no unit", POWER("<memory>2097152</memory>", ""), 2 * GIB / 128 + 1 * 4096 + 8192 },
        { "64 GiB", POWER(MEMORY("64", "GiB"), ""), 64 * GIB / 128 + 1 * 4096 + 8192 },
        { "4 TiB", POWER(MEMORY("4", "TiB"), ""), 4 * TIB / 128 + 1 * 4096 + 8192 },
        { "big-endian", DOMAIN("kvm", "ppc64", "pseries", MEMORY("1", "GiB"), ""), 1 * GIB / 128 + 1 * 4096 + 8192 },
        /* rounded up to 256 MiB before */
        { "1 MiB is 256 MiB", POWER(MEMORY("1", "MiB"), ""), 256 * MIB / 128 + 1 * 4096 + 8192 },
        { "257 MiB are 512 MiB", POWER(MEMORY("257", "MiB"), ""), 512 * MIB / 128 + 1 * 4096 + 8192 },
        { "1 GiB and a byte are 1.25 GiB", POWER(MEMORY("1073741825", "b"), ""), 1280 * MIB / 128 + 1 * 4096 + 8192 },
        { "1000 MB are 1 GiB", POWER(MEMORY("1000", "MB"), ""), 1 * GIB / 128 + 1 * 4096 + 8192 },
        { "each NUMA cell on its own", POWER(MEMORY("600", "MiB") CELLS(CELL("0", "300") CELL("1", "300")), ""),
          (512 + 512) * MIB / 128 + 1 * 4096 + 8192 },
        { "three NUMA cells, one of them even", POWER(CELLS(CELL("0", "300") CELL("1", "256") CELL("2", "1")), ""),
          (512 + 256 + 256) * MIB / 128 + 1 * 4096 + 8192 },
        /* by the memory that there may be */
        { "8 GiB at most", POWER(MEMORY("1", "GiB") MAX("8", "GiB"), ""), 8 * GIB / 128 + 1 * 4096 + 8192 },
        { "8 GiB and a bit at most are 8.25", POWER(MEMORY("1", "GiB") MAX("8388609", "KiB"), ""),
          (8 * GIB + 256 * MIB) / 128 + 1 * 4096 + 8192 },
        { "a DIMM within the most", POWER(MEMORY("2", "GiB") MAX("8", "GiB"), DIMM("1", "GiB")),
          8 * GIB / 128 + 1 * 4096 + 8192 },
        /* PHBs */
        { "two PHBs", POWER(MEMORY("1", "GiB"), PHB("0") PHB("1")), 1 * GIB / 128 + 2 * 4096 + 8192 },
        { "31 PHBs", POWER(MEMORY("1", "GiB"), PHBS_1_TO_30), 1 * GIB / 128 + 31 * 4096 + 8192 },
        { "a bridge is no PHB", POWER(MEMORY("1", "GiB"), PHB("0") PHB("1") BRIDGE("2")), 1 * GIB / 128 + 2 * 4096 + 8192 },
        { "VIO devices are in the 8 MiB", POWER(MEMORY("1", "GiB"), VLAN VSCSI), 1 * GIB / 128 + 1 * 4096 + 8192 },
        { "a USB device passed through takes nothing", POWER(MEMORY("1", "GiB"), USB), 1 * GIB / 128 + 1 * 4096 + 8192 },
        /* passed through, little memory: 2 GiB for each PHB are more */
        { "a function", POWER(MEMORY("1", "GiB"), HOSTDEV("0x0001")), 1 * GIB / 128 + 2 * 4096 + 8192 + 2 * 2 * GIB },
        { "two functions of one group", POWER(MEMORY("1", "GiB"), HOSTDEV("0x0002") HOSTDEV_AT("0x0002", "0x1", "")),
          1 * GIB / 128 + 2 * 4096 + 8192 + 2 * 2 * GIB },
        { "functions of two groups", POWER(MEMORY("1", "GiB"), HOSTDEV("0x0001") HOSTDEV("0x0002")),
          1 * GIB / 128 + 3 * 4096 + 8192 + 3 * 2 * GIB },
        { "a function whose group is not known stays on PHB 0", POWER(MEMORY("1", "GiB"), HOSTDEV("0x0077")),
          1 * GIB / 128 + 1 * 4096 + 8192 + 1 * 2 * GIB },
        { "a function that was put on PHB 0", POWER(MEMORY("1", "GiB"), HOSTDEV_AT("0x0001", "0x0", ON_PHB_0)),
          1 * GIB / 128 + 1 * 4096 + 8192 + 1 * 2 * GIB },
        { "an interface of type hostdev", POWER(MEMORY("1", "GiB"), NIC_HOSTDEV),
          1 * GIB / 128 + 2 * 4096 + 8192 + 2 * 2 * GIB },
        { "an mdev", POWER(MEMORY("1", "GiB"), MDEV), 1 * GIB / 128 + 1 * 4096 + 8192 + 1 * 2 * GIB },
        { "an NVMe disk", POWER(MEMORY("1", "GiB"), DISK_NVME("vda")), 1 * GIB / 128 + 1 * 4096 + 8192 + 1 * 2 * GIB },
        { "a disk backed by one", POWER(MEMORY("1", "GiB"), DISK_BACKED(BACKING("nvme", "<backingStore/>"))),
          1 * GIB / 128 + 1 * 4096 + 8192 + 1 * 2 * GIB },
        { "a disk backed by a file that is backed by one",
          POWER(MEMORY("1", "GiB"), DISK_BACKED(BACKING("file", BACKING("nvme", "")))), 1 * GIB / 128 + 1 * 4096 + 8192 + 1 * 2 * GIB },
        { "a disk backed by files", POWER(MEMORY("1", "GiB"), DISK_BACKED(BACKING("file", BACKING("file", "<backingStore/>")))),
          1 * GIB / 128 + 1 * 4096 + 8192 },
        { "a vDPA interface", POWER(MEMORY("1", "GiB"), NIC_VDPA), 1 * GIB / 128 + 1 * 4096 + 8192 + 1 * 2 * GIB },
        { "a vDPA disk is not looked for", POWER(MEMORY("1", "GiB"), DISK_VDPA), 1 * GIB / 128 + 1 * 4096 + 8192 },
        /* passed through, more memory: all of it, 1/512 for each PHB, 8 MiB */
        { "a function and 64 GiB", POWER(MEMORY("64", "GiB"), HOSTDEV("0x0001")),
          64 * GIB / 128 + 2 * 4096 + 8192 + 64 * GIB + 64 * GIB / 512 * 2 + 8192 },
        { "what there is, not what there may be", POWER(MEMORY("64", "GiB") MAX("1", "TiB"), HOSTDEV("0x0001")),
          1 * TIB / 128 + 2 * 4096 + 8192 + 64 * GIB + 64 * GIB / 512 * 2 + 8192 },
        { "a vDPA interface and 6 GiB on 3 PHBs", POWER(MEMORY("6", "GiB"), PHB("0") PHB("1") PHB("2") NIC_VDPA),
          6 * GIB / 128 + 3 * 4096 + 8192 + 6 * GIB + 6 * GIB / 512 * 3 + 8192 },
        { "the two ways meet: 4 GiB on 2 PHBs", POWER(MEMORY("4", "GiB"), HOSTDEV("0x0001")),
          4 * GIB / 128 + 2 * 4096 + 8192 + 4 * GIB + 4 * GIB / 512 * 2 + 8192 },
        { "DIMMs count, rounded up", POWER(MEMORY("60", "GiB") MAX("64", "GiB") CELLS(CELL("0", "61440")), DIMM("300", "MiB")),
          64 * GIB / 128 + 1 * 4096 + 8192 },
        { "DIMMs and a function",
          POWER(MEMORY("60", "GiB") MAX("64", "GiB") CELLS(CELL("0", "61440")), DIMM("300", "MiB") HOSTDEV("0x0001")),
          64 * GIB / 128 + 2 * 4096 + 8192 + (60 * GIB + 512 * MIB) + (60 * GIB + 512 * MIB) / 512 * 2 + 8192 },
        { "what the guest sees of an NVDIMM is rounded down",
          POWER(MEMORY("8", "GiB") MAX("64", "GiB") CELLS(CELL("0", "8192")), NVDIMM("1048576", "128") HOSTDEV("0x0001")),
          64 * GIB / 128 + 2 * 4096 + 8192 + (8 * GIB + 768 * MIB + 128) + (8 * GIB + 768 * MIB + 128) / 512 * 2 + 8192 },
        /* NVLink2: a window of 128 TiB in 4 KiB pages for each PHB */
        { "an NVLink2 GPU", POWER(MEMORY("8", "GiB"), GPU), 8 * GIB / 128 + 2 * 4096 + 8192 + 8 * GIB + 2 * 256 * GIB + 8192 },
        { "an NVLink2 GPU, another function, more memory later", POWER(MEMORY("8", "GiB") MAX("64", "GiB"),
          HOSTDEV("0x0001") GPU),
          64 * GIB / 128 + 3 * 4096 + 8192 + 64 * GIB + 3 * 256 * GIB + 8192 },
        /* what goes before */
        { "a limit", POWER(MEMORY("1", "GiB") LIMIT("2", "GiB"), ""), 2 * GIB },
        { "a limit that is no whole KiB", POWER(MEMORY("1", "GiB") LIMIT("2000000001", "b"), ""), 1953126 },
        { "a limit of nothing: libvirt sets none then", POWER(MEMORY("1", "GiB") LIMIT("0", "KiB"), ""), 0 },
        { "and goes before locked memory", POWER(MEMORY("1", "GiB") LIMIT("0", "KiB") LOCKED, HOSTDEV("0x0001")), 0 },
        { "an empty limit is none", POWER(MEMORY("1", "GiB") "<memtune><hard_limit/></memtune>", ""),
          1 * GIB / 128 + 1 * 4096 + 8192 },
        { "a limit goes before a function", POWER(MEMORY("1", "GiB") LIMIT("3", "GiB"), HOSTDEV("0x0001")), 3 * GIB },
        { "a limit goes before locked memory", POWER(MEMORY("1", "GiB") LIMIT("2", "GiB") LOCKED, ""), 2 * GIB },
        { "locked memory", POWER(MEMORY("1", "GiB") LOCKED, ""), UNLIMITED },
        { "locked memory and a function", POWER(MEMORY("1", "GiB") LOCKED, HOSTDEV("0x0001")), UNLIMITED },
        { "a limit that says unlimited is none", POWER(MEMORY("1", "GiB") LIMIT("9007199254740991", "KiB"), ""),
          1 * GIB / 128 + 1 * 4096 + 8192 },
        { "a limit that setrlimit() takes for unlimited", POWER(MEMORY("1", "GiB") LIMIT("8", "PiB"), ""), UNLIMITED },
        { "the largest limit below that", POWER(MEMORY("1", "GiB") LIMIT("8796093022207", "KiB"), ""), 8796093022207 },
        /* without KVM, and elsewhere: once for all functions, once for each other device, 1 GiB */
        { "TCG", POWER_TCG(MEMORY("1", "GiB"), PHB("0") PHB("1")), 0 },
        { "TCG with locked memory", POWER_TCG(MEMORY("1", "GiB") LOCKED, ""), UNLIMITED },
        { "TCG with a limit", POWER_TCG(MEMORY("1", "GiB") LIMIT("1", "GiB"), ""), 1 * GIB },
        { "TCG with functions of two groups, 1.25 GiB", POWER_TCG(MEMORY("1025", "MiB"), HOSTDEV("0x0001") HOSTDEV("0x0002")),
          1280 * MIB + 1 * GIB },
        { "TCG with a vDPA disk and an interface", POWER_TCG(MEMORY("1", "GiB"), DISK_VDPA NIC_VDPA), 2 * 1 * GIB + 1 * GIB },
        { "TCG with two disks backed by NVMe ones", POWER_TCG(MEMORY("1", "GiB"),
          DISK_BACKED(BACKING("nvme", BACKING("nvme", ""))) DISK_NVME("vdb")), 2 * 1 * GIB + 1 * GIB },
        { "TCG with a disk backed by a vDPA one", POWER_TCG(MEMORY("1", "GiB"), DISK_BACKED(BACKING("vhostvdpa", ""))),
          1 * 1 * GIB + 1 * GIB },
        { "a PC", PC(MEMORY("1", "GiB"), ""), 0 },
        { "a PC with a function, rounded to 1 MiB", PC(MEMORY("1048577", "KiB"), HOSTDEV("0x0001")), 1025 * MIB + 1 * GIB },
        { "a PC with two functions and an mdev", PC(MEMORY("2", "GiB"), HOSTDEV("0x0001") HOSTDEV("0x0002") MDEV),
          1 * 2 * GIB + 1 * GIB },
        { "a PC with an IOMMU and the same", PC(MEMORY("2", "GiB"),
          HOSTDEV("0x0001") HOSTDEV("0x0002") MDEV "<iommu model='intel'/>"),
          3 * 2 * GIB + 1 * GIB },
        { "a PC with two NVMe disks and two functions",
          PC(MEMORY("2", "GiB"), DISK_NVME("vda") DISK_NVME("vdb") HOSTDEV("0x0001") HOSTDEV("0x0002")), 3 * 2 * GIB + 1 * GIB },
        { "a PC with DIMMs, each rounded to 2 MiB",
          PC(MEMORY("2", "GiB") MAX("8", "GiB") CELLS(CELL("0", "2048")), DIMM("511", "MiB") DIMM("511",
                  "MiB") HOSTDEV("0x0001")),
          2 * GIB + 2 * 512 * MIB + 1 * GIB },
};

static bool read_domain(const char *xml, Domain *d) {
        DomainError error = {};

        if (domain_read(xml, strlen(xml), d, &error) < 0 || domain_complete(d, &vfio, &error) < 0) {
                printf("#   %s\n", error.text);
                return false;
        }
        return true;
}

static void check_limit(const char *name, const Domain *d, uint64_t kib) {
        bool unlimited = true;
        uint64_t bytes = 1;

        memlock_limit(d, &vfio, &unlimited, &bytes);
        tap_eq(unlimited, kib == UNLIMITED, "unlimited or not: %s", name);
        tap_eq(bytes, kib == UNLIMITED ? UINT64_MAX : kib * 1024, "limit: %s", name);
}

static void test_limits(void) {
        for (size_t i = 0; i < ELEMENTSOF(limits); i++) {
                _cleanup_(domain_clear) Domain d = {};

                if (tap_ok(read_domain(limits[i].xml, &d), "read: %s", limits[i].name))
                        check_limit(limits[i].name, &d, limits[i].kib);
        }
}

/* What others have computed or seen, to the byte. */
static void test_limits_of_others(void) {
        static const struct {
                const char *name, *xml;
                uint64_t bytes;
        } cases[] = {
                { "libvirt's own test: 1 GiB", POWER(MEMORY("1", "GiB"), ""), 20971520 },
                { "libvirt's own test: 1 GiB and a function", POWER(MEMORY("1", "GiB"), HOSTDEV("0x0001")), 4320133120 },
                { "KubeVirt's complaint: 256 MiB", POWER(MEMORY("256", "MiB"), ""), 14680064 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(domain_clear) Domain d = {};
                bool unlimited = true;
                uint64_t bytes = 0;

                if (!tap_ok(read_domain(cases[i].xml, &d), "read: %s", cases[i].name))
                        continue;
                memlock_limit(&d, &vfio, &unlimited, &bytes);
                tap_ok(!unlimited, "limited: %s", cases[i].name);
                tap_eq(bytes, cases[i].bytes, "%s", cases[i].name);
        }
}

/* What no XML says: a pool's function, and sizes that libvirt refuses. */
static void test_limits_by_hand(void) {
        DomainController phb = { .model = CONTROLLER_PCI_ROOT };
        DomainDevice pool = { .type = DOMAIN_DEVICE_INTERFACE, .host_pool = true },
                     qemu = { .type = DOMAIN_DEVICE_QEMU, .host_pci = true, .host.domain = 1 },
                     host = { .type = DOMAIN_DEVICE_HOSTDEV, .host_pci = true, .host.domain = 1 };
        DomainDimm nvdimm = { .model = STR("nvdimm"), .size = 100 << 20, .label_size = UINT64_MAX };
        uint64_t cells[] = { UINT64_MAX, UINT64_MAX, 0 };
        Domain d = { .arch = STR("ppc64le"), .pseries = true, .kvm = true, .controllers = &phb, .n_controllers = 1,
                     .memory = UINT64_C(1) << 30, .devices = &pool, .n_devices = 1 };
        Domain huge = d;

        check_limit("an interface of a pool", &d, 1 * GIB / 128 + 1 * 4096 + 8192 + 1 * 2 * GIB);
        d.devices = &qemu;
        check_limit("a function of <qemu:commandline> is not libvirt's", &d, 1 * GIB / 128 + 1 * 4096 + 8192);
        d.pseries = false;
        check_limit("another machine of POWER has no such PHBs", &d, 1 * GIB / 128 + 0 * 4096 + 8192);
        d.pseries = true;
        d.dimms = &nvdimm;
        d.n_dimms = 1;
        check_limit("an NVDIMM that is all label", &d, (1 * GIB + 100 * MIB) / 128 + 1 * 4096 + 8192);

        huge.devices = &host;
        huge.memory = UINT64_MAX;
        check_limit("2^64 bytes of memory", &huge, UNLIMITED);
        huge.memory = 1;
        huge.max_memory = UINT64_MAX;
        /* 2^54 KiB / 128 are 2^47 KiB, and those 2^57 bytes: libvirt takes such for unlimited as well */
        check_limit("2^64 bytes of memory some day", &huge, UNLIMITED);
        huge.cells = cells;
        huge.n_cells = ELEMENTSOF(cells);
        check_limit("NUMA cells beyond 2^64 bytes", &huge, UNLIMITED);
        huge.kvm = false;
        check_limit("the same without KVM", &huge, UNLIMITED);
        huge.hard_limit = UINT64_MAX;
        check_limit("a limit of 2^64 bytes says unlimited, so the rest counts", &huge, UNLIMITED);
}

/* A window of the VM's: the arguments are its LIOBN's end, size in KiB, page shift. */
#define SIZED(k, i, kib, shift) .kind = (k), .liobn = 0x80000000 | (i), .size = (kib) * 1024, .page_shift = (shift)
#define WINDOW(k, i, kib, shift) { SIZED(k, i, kib, shift), .group = -1 }
#define OF_GROUP(k, i, kib, shift, n) { SIZED(k, i, kib, shift), .group = (n) }
#define DEFAULT(k, phb) WINDOW(k, (phb) << 8, 1 * GIB, 12)
#define DYNAMIC(k, phb, kib, shift, taken) { SIZED(k, (phb) << 8 | 1, kib, shift), .group = -1, .bus_offset = UINT64_C(1) << 59, \
                                             .dynamic = true, .likely = (taken) }
#define VIO(reg) { .kind = DEVICE_VIO, .liobn = (reg), .size = 256 * MIB * 1024, .page_shift = 12, .group = -1 }

#define MAX_OF_EACH 6

typedef struct ChargeCase {
        const char *name;
        Platform platform;
        uint64_t page_size; /* of the host, KiB */
        uint64_t memory;    /* KiB */
        Window windows[MAX_OF_EACH];
        size_t groups_of_phb_1;
        Domain domain; /* what else there is to say of it */
        Accel accel;
        bool no_kvm;
        uint64_t kib; /* what is wanted */
} ChargeCase;

#define LPAR(kib) PLATFORM_PSERIES, (kib)
#define BARE(kib) PLATFORM_POWERNV, (kib)

static DomainDevice vga[] = { { .type = DOMAIN_DEVICE_VIDEO, .model = STR("vga") },
                              { .type = DOMAIN_DEVICE_VIDEO, .model = STR("virtio") } };
static DomainDevice second[] = { { .type = DOMAIN_DEVICE_VIDEO, .model = STR("vga") },
                                 { .type = DOMAIN_DEVICE_VIDEO, .model = STR("virtio"), .primary = true } };
static DomainDevice vga_9[] = { { .type = DOMAIN_DEVICE_DISK },
                                { .type = DOMAIN_DEVICE_VIDEO, .model = STR("vga"), .video_ram = (9 << 20) + 1023 } };
static DomainDevice vga_all[] = { { .type = DOMAIN_DEVICE_VIDEO, .video_ram = UINT64_MAX } };
static DomainDevice bochs[] = { { .type = DOMAIN_DEVICE_VIDEO, .model = STR("bochs"), .video_ram = (16 << 20) + 1 } };
static DomainDevice virtio[] = { { .type = DOMAIN_DEVICE_VIDEO, .model = STR("virtio"), .video_ram = 64 << 20 } };
static DomainDevice ramfb[] = { { .type = DOMAIN_DEVICE_VIDEO, .model = STR("ramfb") } };
static DomainDimm dimms[] = { { .model = STR("dimm"), .size = 300 << 20 },
                              { .model = STR("nvdimm"), .size = (512 << 20) + (128 << 10), .label_size = 128 << 10 } };

/* With pages of 64 KiB the kernel's table of a default window is of 2 MiB: 32 pages and one for the descriptor with its 32
 * pointers, 2112 KiB; with 4 KiB 512 pages and two. A VIO window's has 512 KiB: 8 + 1 pages, or 128 + 1. 128 TCEs take 1 + 1
 * pages. */
static const ChargeCase charges[] = {
        { "one PHB", LPAR(64), 2 * GIB, { DEFAULT(DEVICE_PCI, 0) }, .kib = (32 + 1) * 64 },
        { "one PHB, pages of 4 KiB", LPAR(4), 2 * GIB, { DEFAULT(DEVICE_PCI, 0) }, .kib = (512 + 2) * 4 },
        { "and two VIO devices", LPAR(64), 2 * GIB, { DEFAULT(DEVICE_PCI, 0), VIO(0x1000), VIO(0x2000) },
          .kib = (32 + 1) * 64 + 2 * (8 + 1) * 64 },
        { "a VIO device, pages of 4 KiB", BARE(4), 2 * GIB, { VIO(0x1000) }, .kib = (128 + 1) * 4 },
        { "a 64-bit window: the likely one counts", LPAR(64), 2 * GIB,
          { DEFAULT(DEVICE_PCI, 0), DYNAMIC(DEVICE_PCI, 0, 2 * GIB, 16, false), DYNAMIC(DEVICE_PCI, 0, 2 * GIB, 24, true) },
          .kib = (32 + 1) * 64 + (1 + 1) * 64 },
        { "all in the VMM", LPAR(64), 2 * GIB, { DEFAULT(DEVICE_PCI, 0), VIO(0x1000) }, .accel = ACCEL_USER, .kib = 0 },
        { "TCG", LPAR(64), 2 * GIB, { DEFAULT(DEVICE_PCI, 0), VIO(0x1000) }, .no_kvm = true, .kib = 0 },
        /* As measured: 530,560 kB and 532,608 kB. */
        { "512 MiB, two tables and VFIO on a partition", LPAR(64), 512 * MIB, { DEFAULT(DEVICE_PCI, 0), DEFAULT(DEVICE_VFIO, 1) },
          .kib = 530560 },
        { "the same term by term", LPAR(64), 512 * MIB, { DEFAULT(DEVICE_PCI, 0), DEFAULT(DEVICE_VFIO, 1) },
          .kib = 2 * (32 + 1) * 64 + 512 * MIB + 2 * MIB },
        { "512 MiB, two tables and VFIO on bare metal", BARE(64), 512 * MIB, { DEFAULT(DEVICE_PCI, 0), DEFAULT(DEVICE_VFIO, 1) },
          .kib = 532608 },
        { "an unknown platform is taken for bare metal", PLATFORM_OTHER, 64, 512 * MIB,
          { DEFAULT(DEVICE_PCI, 0), DEFAULT(DEVICE_VFIO, 1) }, .kib = 2 * (32 + 1) * 64 + 512 * MIB + 2 * 2 * MIB },
        /* On a partition whose pages have 4 KiB the hardware's table is the same (see vfio_window.h for QEMU before 10.1). */
        { "VFIO on a partition, pages of 4 KiB", LPAR(4), 512 * MIB, { DEFAULT(DEVICE_VFIO, 1) },
          .kib = (512 + 2) * 4 + 512 * MIB + 2 * MIB },
        /* 2 MiB in levels of 2^20 bytes at most: two, so 2^9 entries a level, 4 KiB each; 512 of the lower and one above them. */
        { "VFIO on bare metal, pages of 4 KiB", BARE(4), 512 * MIB, { DEFAULT(DEVICE_VFIO, 1) },
          .kib = (512 + 2) * 4 + 512 * MIB + 2 * (2 * MIB + 4) },
        /* The guest's pages of 16 MiB are the host's of 64 KiB: 8 GiB take 131072 entries, 1 MiB. */
        { "a 64-bit window of VFIO on a partition", LPAR(64), 512 * MIB,
          { DEFAULT(DEVICE_VFIO, 1), DYNAMIC(DEVICE_VFIO, 1, 8 * GIB, 24, true) },
          .kib = (32 + 1) * 64 + (1 + 1) * 64 + 512 * MIB + 2 * MIB + 1 * MIB },
        { "a 64-bit window of VFIO on bare metal", BARE(64), 512 * MIB,
          { DEFAULT(DEVICE_VFIO, 1), DYNAMIC(DEVICE_VFIO, 1, 8 * GIB, 24, true) },
          .kib = (32 + 1) * 64 + (1 + 1) * 64 + 512 * MIB + 2 * 2 * MIB + 2 * 1 * MIB },
        { "one that is not likely", BARE(64), 512 * MIB,
          { DEFAULT(DEVICE_VFIO, 1), DYNAMIC(DEVICE_VFIO, 1, 8 * GIB, 24, false) },
            .kib = (32 + 1) * 64 + 512 * MIB + 2 * 2 * MIB },
        /* 256 MiB take 4096 entries, 32 KiB: on a partition what is no whole page is dropped, on bare metal it is filled up. */
        { "less than a page on a partition", LPAR(64), 256 * MIB, { DYNAMIC(DEVICE_VFIO, 1, 256 * MIB, 16, true) },
          .kib = (1 + 1) * 64 + 256 * MIB + 0 },
        { "less than a page on bare metal", BARE(64), 256 * MIB, { DYNAMIC(DEVICE_VFIO, 1, 256 * MIB, 16, true) },
          .kib = (1 + 1) * 64 + 256 * MIB + 2 * 64 },
        /* 2^30 entries of 64 KiB, 8 GiB in levels of 2^24 bytes at most: two of 2^15 entries, so 256 KiB each; the upper is
         * one. */
        { "64 TiB on bare metal", BARE(64), 256 * MIB, { DYNAMIC(DEVICE_VFIO, 1, 64 * TIB, 24, true) },
          .kib = (512 + 1) * 64 + 256 * MIB + 2 * (8 * GIB + 256) },
        /* 2^31 entries of 4 KiB, 16 GiB in levels of 2^20 bytes at most: two of 2^16 entries, so 512 KiB each; above them 32768 × 8
         * bytes, which fill one. */
        { "8 TiB on bare metal, pages of 4 KiB", BARE(4), 256 * MIB, { DYNAMIC(DEVICE_VFIO, 1, 8 * TIB, 24, true) },
          .kib = (1024 + 3) * 4 + 256 * MIB + 2 * (16 * GIB + 512) },
        /* 2^34 entries of 4 KiB, 128 GiB. QEMU takes them for 2^61 and asks for four levels: of 2^9 entries, so 4 KiB each; above
         * the lowest 2^25 × 8 bytes, then 2^16 × 8, then one page. */
        { "64 TiB on bare metal, pages of 4 KiB", BARE(4), 256 * MIB, { DYNAMIC(DEVICE_VFIO, 1, 64 * TIB, 24, true) },
          .kib = (8192 + 17) * 4 + 256 * MIB + 2 * (128 * GIB + 256 * MIB + 512 + 4) },
        /* Group 5 says that the host has 4 KiB, 64 KiB, 2 MiB and 1 GiB: 8 GiB are 4096 entries of 2 MiB, 32 KiB. */
        { "huge pages of 2 MiB", BARE(64), 1 * GIB,
          { OF_GROUP(DEVICE_VFIO, 0x101, 8 * GIB, 24, 5) }, .domain.hugepage_size = 2 << 20,
          .kib = (1 + 1) * 64 + 1 * GIB + 2 * 64 },
        /* The file of an NVDIMM (512 MiB for the guest) has pages of 64 KiB: 131072 entries, 1 MiB. */
        { "huge pages of 2 MiB, and an NVDIMM", BARE(64), 1 * GIB,
          { OF_GROUP(DEVICE_VFIO, 0x101, 8 * GIB, 24, 5) }, .domain = { .hugepage_size = 2 << 20, .dimms = &dimms[1], .n_dimms = 1 },
          .kib = (1 + 1) * 64 + 1 * GIB + 512 * MIB + 2 * 1 * MIB },
        { "huge pages of 1 GiB: the guest's 16 MiB leave 2 MiB", BARE(64), 1 * GIB,
          { OF_GROUP(DEVICE_VFIO, 0x101, 8 * GIB, 24, 5) }, .domain.hugepage_size = 1 << 30,
          .kib = (1 + 1) * 64 + 1 * GIB + 2 * 64 },
        /* Nothing tells the sizes: 16 MiB is one of them. 512 entries, 4 KiB. */
        { "huge pages of 16 MiB on a partition", LPAR(4), 1 * GIB, { WINDOW(DEVICE_VFIO, 0x101, 8 * GIB, 24) },
          .domain.hugepage_size = 16 << 20, .kib = (1 + 1) * 4 + 1 * GIB + 4 },
        { "memory that is backed with less than any page", LPAR(64), 1 * GIB, { DEFAULT(DEVICE_VFIO, 1) },
          .domain.hugepage_size = 1024,
          .kib = (32 + 1) * 64 + 1 * GIB + 0 },
        /* 3 × 2^16 entries of 4 KiB: KVM's table is of 24 pages and one; the hardware has none of such a size. */
        { "a window that is no power of two", LPAR(64), 1 * GIB, { WINDOW(DEVICE_VFIO, 0x100, 768 * MIB, 12) },
          .kib = (24 + 1) * 64 + 1 * GIB + 0 },
        /* Memory once, windows for each. */
        { "VFIO on two PHBs", BARE(64), 1 * GIB, { DEFAULT(DEVICE_VFIO, 1), DEFAULT(DEVICE_VFIO, 2) },
          .kib = 2 * (32 + 1) * 64 + 1 * GIB + 2 * 2 * 2 * MIB },
        { "two groups on a PHB of a partition: two containers", LPAR(64), 1 * GIB, { DEFAULT(DEVICE_VFIO, 1), DEFAULT(DEVICE_VFIO,
          2) },
          .groups_of_phb_1 = 2, .kib = 2 * (32 + 1) * 64 + 1 * GIB + (2 + 1) * 2 * MIB },
        { "two groups on a PHB of bare metal: one", BARE(64), 1 * GIB, { DEFAULT(DEVICE_VFIO, 1) }, .groups_of_phb_1 = 2,
          .kib = (32 + 1) * 64 + 1 * GIB + 2 * 2 * MIB },
        /* What is registered does not depend on who has the tables. */
        { "VFIO with its tables in the VMM", LPAR(64), 1 * GIB, { DEFAULT(DEVICE_PCI, 0), DEFAULT(DEVICE_VFIO, 1) },
          .accel = ACCEL_USER,
          .kib = 0 + 1 * GIB + 2 * MIB },
        { "VFIO with TCG", BARE(64), 1 * GIB, { DEFAULT(DEVICE_PCI, 0), DEFAULT(DEVICE_VFIO, 1) }, .no_kvm = true,
          .kib = 0 + 1 * GIB + 2 * 2 * MIB },
        { "300 MiB are 512 MiB", LPAR(64), 300 * MIB, { DEFAULT(DEVICE_VFIO, 1) }, .kib = (32 + 1) * 64 + 512 * MIB + 2 * MIB },
        { "DIMMs, less an NVDIMM's label", LPAR(64), 1 * GIB, { DEFAULT(DEVICE_VFIO, 1) }, .domain = { .dimms = dimms,
          .n_dimms = 2 },
          .kib = (32 + 1) * 64 + (1 * GIB + 512 * MIB + 512 * MIB) + 2 * MIB },
        { "a window that can't be", LPAR(64), 1 * GIB, { DEFAULT(DEVICE_PCI, 0), WINDOW(DEVICE_VFIO, 0x101, 16 * TIB, 12) },
          .kib = (32 + 1) * 64 },
        /* Displays, where VFIO registers them. */
        { "a VGA display without VFIO", LPAR(64), 1 * GIB, { DEFAULT(DEVICE_PCI, 0) }, .domain = { .devices = vga,
          .n_devices = 2 },
          .kib = (32 + 1) * 64 },
        { "a VGA display; the second is none", LPAR(64), 1 * GIB, { DEFAULT(DEVICE_VFIO, 1) },
          .domain = { .devices = vga, .n_devices = 2 }, .kib = (32 + 1) * 64 + 1 * GIB + 16 * MIB + 2 * MIB },
        { "the second is the primary one", LPAR(64), 1 * GIB, { DEFAULT(DEVICE_VFIO, 1) },
          .domain = { .devices = second, .n_devices = 2 }, .kib = (32 + 1) * 64 + 1 * GIB + 8 * MIB + 2 * MIB },
        { "one with 9 MiB has 16", LPAR(64), 1 * GIB, { DEFAULT(DEVICE_VFIO, 1) }, .domain = { .devices = vga_9, .n_devices = 2 },
          .kib = (32 + 1) * 64 + 1 * GIB + 16 * MIB + 2 * MIB },
        { "one with all that there is has 512", LPAR(64), 1 * GIB, { DEFAULT(DEVICE_VFIO, 1) },
          .domain = { .devices = vga_all, .n_devices = 1 }, .kib = (32 + 1) * 64 + 1 * GIB + 512 * MIB + 2 * MIB },
        { "a bochs display with a byte more than 16 MiB has 32", LPAR(64), 1 * GIB, { DEFAULT(DEVICE_VFIO, 1) },
          .domain = { .devices = bochs, .n_devices = 1 }, .kib = (32 + 1) * 64 + 1 * GIB + 32 * MIB + 2 * MIB },
        { "a virtio display has 8", LPAR(64), 1 * GIB, { DEFAULT(DEVICE_VFIO, 1) }, .domain = { .devices = virtio,
          .n_devices = 1 },
          .kib = (32 + 1) * 64 + 1 * GIB + 8 * MIB + 2 * MIB },
        { "others have none", LPAR(64), 1 * GIB, { DEFAULT(DEVICE_VFIO, 1) }, .domain = { .devices = ramfb, .n_devices = 1 },
          .kib = (32 + 1) * 64 + 1 * GIB + 2 * MIB },
        { "locked memory", LPAR(64), 1 * GIB, { DEFAULT(DEVICE_PCI, 0) }, .domain.locked = true, .kib = (32 + 1) * 64 + 1 * GIB },
        { "locked memory in huge pages, which are not counted", LPAR(64), 1 * GIB, { DEFAULT(DEVICE_PCI, 0) },
          .domain = { .locked = true, .hugepage_size = 2 << 20 }, .kib = (32 + 1) * 64 },
        { "but with VFIO they are, once", LPAR(64), 1 * GIB, { DEFAULT(DEVICE_VFIO, 1) },
          .domain = { .locked = true, .hugepage_size = 2 << 20 }, .kib = (32 + 1) * 64 + 1 * GIB + 2 * MIB },
        { "huge pages no larger than the host's are none", LPAR(64), 1 * GIB, { DEFAULT(DEVICE_PCI, 0) },
          .domain = { .locked = true, .hugepage_size = 64 << 10 }, .kib = (32 + 1) * 64 + 1 * GIB },
        { "locked memory and VFIO", LPAR(64), 1 * GIB, { DEFAULT(DEVICE_VFIO, 1) }, .domain.locked = true,
          .kib = (32 + 1) * 64 + 1 * GIB + 2 * MIB + 1 * GIB },
};

static uint64_t charge(const ChargeCase *c) {
        static const PolicyFacts facts = { .kvm = true, .tce = true, .tce_64 = true, .tce_vfio = true };
        static const Rules no_rules;
        const PolicySetting setting = { .accel = c->accel, .numa_node = NUMA_NODE_ANY };
        VfioFacts host = vfio;
        Phb phbs[] = { { .index = 0 }, { .index = 1, .n_groups = c->groups_of_phb_1 }, { .index = 2, .n_groups = 1 } };
        Layout layout = { .phbs = phbs, .n_phbs = ELEMENTSOF(phbs) };
        Description description = { .name = STR("web1"), .windows = (Window *) c->windows, .no_kvm = c->no_kvm };
        _cleanup_(plan_clear) Plan plan = {};
        PlanError error = {};
        Domain d = c->domain;

        while (description.n_windows < MAX_OF_EACH && c->windows[description.n_windows].size > 0)
                description.n_windows++;
        d.pseries = true;
        d.arch = STR("ppc64le");
        d.memory = c->memory * 1024;
        host.platform = c->platform;
        if (!tap_eq(plan_survey(&description, &facts, &no_rules, &setting, c->page_size * 1024, &plan, &error), 0, "plan: %s",
                c->name))
                printf("#   %s\n", error.text);
        return memlock_charged(&d, &layout, &plan, &host, c->page_size * 1024);
}

static void test_charges(void) {
        for (size_t i = 0; i < ELEMENTSOF(charges); i++)
                tap_eq(charge(&charges[i]), charges[i].kib * 1024, "charged: %s", charges[i].name);
}

static void test_charge_edges(void) {
        PlanTable table = { .window = { .kind = DEVICE_VFIO, .liobn = 0x80000000, .size = UINT64_MAX, .page_shift = 12,
                .group = 77 } };
        Plan plan = { .tables = &table, .n_tables = 1, .locked_bytes = UINT64_MAX - 1 };
        Domain d = { .arch = STR("ppc64le"), .pseries = true, .memory = UINT64_MAX, .locked = true };
        Layout layout = {};

        tap_ok(memlock_charged(&d, &layout, &plan, &vfio, 65536) == UINT64_MAX, "what overflows is the most that there is");
        plan.locked_bytes = 0;
        d.memory = 1;
        d.locked = false;
        for (unsigned shift = 12; shift < 64; shift++) {
                table.window.page_shift = shift;
                for (unsigned bits = shift; bits < 64; bits++) {
                        table.window.size = UINT64_C(1) << bits;
                        (void) memlock_charged(&d, &layout, &plan, &(VfioFacts) { .platform = PLATFORM_POWERNV }, 4096);
                }
        }
        tap_ok(true, "windows of every size come to something");
        d.pseries = false;
        tap_eq(memlock_charged(&d, &layout, &plan, &vfio, 65536), 0, "another machine's is not known");
}

/* A partition's tables have one level; QEMU before 10.1 asks for another for each 256 pages of the host's. */
static void test_levels(void) {
        static const struct {
                const char *name;
                Platform platform;
                uint64_t page_size, backing; /* KiB */
                Window window;
                bool refused;
        } cases[] = {
                { "the default window", LPAR(64), 64, DEFAULT(DEVICE_VFIO, 1), false },
                { "the default window, pages of 4 KiB", LPAR(4), 4, DEFAULT(DEVICE_VFIO, 1), true },
                { "the default window on bare metal, pages of 4 KiB", BARE(4), 4, DEFAULT(DEVICE_VFIO, 1), false },
                { "128 GiB", LPAR(64), 64, DYNAMIC(DEVICE_VFIO, 1, 128 * GIB, 24, true), false },
                { "256 GiB", LPAR(64), 64, DYNAMIC(DEVICE_VFIO, 1, 256 * GIB, 24, true), true },
                { "256 GiB in huge pages", LPAR(64), 16 * MIB, DYNAMIC(DEVICE_VFIO, 1, 256 * GIB, 24, true), false },
                { "256 GiB on bare metal", BARE(64), 64, DYNAMIC(DEVICE_VFIO, 1, 256 * GIB, 24, true), false },
                { "256 GiB where nobody knows", PLATFORM_OTHER, 64, 64, DYNAMIC(DEVICE_VFIO, 1, 256 * GIB, 24, true), false },
                { "one that no host has", LPAR(4), 4, WINDOW(DEVICE_VFIO, 0x100, 768 * MIB, 12), false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                VfioFacts host = vfio;

                host.platform = cases[i].platform;
                tap_eq(vfio_window_needs_new_qemu(&cases[i].window, cases[i].backing * 1024, &host, cases[i].page_size * 1024),
                       cases[i].refused, "needs QEMU 10.1: %s", cases[i].name);
        }
}

/* The whole way, from XML: what was measured. */
static void test_whole(void) {
        static const char xml[] =
                "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>web1</name>"
                "<memory unit='MiB'>512</memory><vcpu>1</vcpu><os><type arch='ppc64le' machine='pseries'>hvm</type></os>"
                "<devices><controller type='usb' index='0' model='none'/><memballoon model='none'/>"
                        HOSTDEV("0x0001") "</devices>"
                "<qemu:commandline><qemu:arg value='-global'/>"
                "<qemu:arg value='spapr-pci-host-bridge.ddw=off'/></qemu:commandline>"
                "</domain>";
        static const struct {
                Platform platform;
                uint64_t kib;
        } cases[] = { { PLATFORM_PSERIES, 530560 }, { PLATFORM_POWERNV, 532608 } };
        KvmFacts kvm = { .vm.proof = PROOF_YES, .page_size = 65536, .machine = "ppc64le" };
        const PolicySetting setting = { .numa_node = NUMA_NODE_ANY };
        const Rules no_rules = {};

        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++)
                kvm.capability[i].declared = 1;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                VfioFacts on = vfio;
                const PlanHost host = { .kvm = &kvm, .vfio = &on, .policy = &setting, .rules = &no_rules };
                _cleanup_(domain_plan_clear) DomainPlan plan = DOMAIN_PLAN_INIT;
                DomainError error = {};

                on.platform = cases[i].platform;
                if (!tap_eq(domain_plan_make(xml, sizeof(xml) - 1, NULL, &host, &plan, &error), 0, "planned for %s",
                            platform_to_string(on.platform))) {
                        printf("#   %s\n", error.text);
                        continue;
                }
                tap_eq(plan.memlock.charged, cases[i].kib * 1024, "VmLck as it was measured on %s",
                        platform_to_string(on.platform));
                tap_eq(plan.memlock.limit, (512 * MIB / 128 + 2 * 4096 + 8192 + 2 * 2 * GIB) * 1024, "within its limit on %s",
                       platform_to_string(on.platform));
        }
}

int main(void) {
        test_limits();
        test_limits_of_others();
        test_limits_by_hand();
        test_charges();
        test_charge_edges();
        test_levels();
        test_whole();
        return tap_done();
}
