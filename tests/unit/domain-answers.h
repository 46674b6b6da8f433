/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Domains as people write them, and libvirt's answer to each: what `virsh define` made of it, and of those that start here the
 * aliases that they started with. Recorded from libvirt 11.3.0 with QEMU 10.0.13; libvirt 9.0.0 with QEMU 7.2.22 said the same
 * but where a case says otherwise. tests/libvirt/domain-address.sh asks the libvirt that is there.
 *
 * An answer is sorted: PHBs as "alias=index:target", devices as "alias@bus:slot.function" or "alias@rREGISTER" (base 16 but for a
 * PHB's indexes, function 0 left out), disks on a controller by their alias alone. libvirt has no aliases for NVRAM and panic
 * devices: those are tced's.
 *
 * Host devices are those of the made-up host in the test and the script: 0001, 0002, 0003, 0004 are groups 1 to 4, 0006 is group
 * 0, all else is not there. */

#define PHB(index) "<controller type='pci' index='" index "' model='pci-root'/>\n"
#define PHB_TARGET(index, target) \
        "<controller type='pci' index='" index "' model='pci-root'><target index='" target "'/></controller>\n"
#define PHB_NAMED(index, target) \
        "<controller type='pci' index='" index "' model='pci-root'><model name='spapr-pci-host-bridge'/>" \
        "<target index='" target "'/></controller>\n"
#define PHB_PLAIN "<controller type='pci' model='pci-root'/>\n"
#define BRIDGE(index) "<controller type='pci' index='" index "' model='pci-bridge'/>\n"
#define BRIDGE_AT(index, bus, slot) \
        "<controller type='pci' index='" index "' model='pci-bridge'>" AT(bus, slot) "</controller>\n"
#define AT(bus, slot) "<address type='pci' domain='0' bus='" bus "' slot='" slot "' function='0'/>"
#define AT_FUNCTION(bus, slot, function) \
        "<address type='pci' domain='0' bus='" bus "' slot='" slot "' function='" function "'/>"
#define VIO "<address type='spapr-vio'/>"
#define VIO_AT(reg) "<address type='spapr-vio' reg='" reg "'/>"
#define DRIVE_AT(controller, unit) \
        "<address type='drive' controller='" controller "' bus='0' target='0' unit='" unit "'/>"

#define NO_USB "<controller type='usb' model='none'/>\n"
#define NO_BALLOON "<memballoon model='none'/>\n"
#define BARE NO_USB NO_BALLOON
#define CONTROLLER(type, model) "<controller type='" type "' model='" model "'/>\n"
#define CONTROLLER_INDEX(type, index, model) "<controller type='" type "' index='" index "' model='" model "'/>\n"
#define UHCI(model, port) "<controller type='usb' model='" model "'><master startport='" port "'/></controller>\n"
#define ICH9 CONTROLLER("usb", "ich9-ehci1") UHCI("ich9-uhci1", "0") UHCI("ich9-uhci2", "2") UHCI("ich9-uhci3", "4")
#define SCSI(index) "<controller type='scsi' index='" index "'/>\n"

/* A QEMU by itself has no option ROMs for these. */
#define NO_ROM "<rom enabled='no'/>"
#define NET "<interface type='user'>" NO_ROM "</interface>\n"
#define NET_MODEL(model) "<interface type='user'><model type='" model "'/>" NO_ROM "</interface>\n"
#define NET_AT(model, address) "<interface type='user'><model type='" model "'/>" NO_ROM address "</interface>\n"
#define NET_ALIAS(model, alias) \
        "<interface type='user'><model type='" model "'/>" NO_ROM "<alias name='" alias "'/></interface>\n"
#define VLAN_AT(address) "<interface type='user'><model type='spapr-vlan'/>" address "</interface>\n"
#define VLAN VLAN_AT("")
#define NETS_4 NET_MODEL("virtio") NET_MODEL("virtio") NET_MODEL("virtio") NET_MODEL("virtio")
#define NETS_8 NETS_4 NETS_4

#define DISK_AT(bus, name, address) \
        "<disk type='file' device='disk'><source file='/run/disk.img'/><target dev='" name "' bus='" bus "'/><shareable/>" \
        address "</disk>\n"
#define DISK(bus, name) DISK_AT(bus, name, "")
#define DISK_PLAIN(name) \
        "<disk type='file' device='disk'><source file='/run/disk.img'/><target dev='" name "'/><shareable/></disk>\n"
#define VD(name) DISK("virtio", "vd" name)

#define HOST_SOURCE(domain, function) \
        "<driver name='vfio'/><source><address type='pci' domain='" domain "' bus='0' slot='0' function='" function "'/></source>"
#define HOSTDEV_AT(domain, function, address) \
        "<hostdev mode='subsystem' type='pci' managed='yes'><driver name='vfio'/><source><address domain='" domain \
        "' bus='0' slot='0' function='" function "'/></source>" address "</hostdev>\n"
#define HOSTDEV(domain, function) HOSTDEV_AT(domain, function, "")
#define HOSTNET_AT(domain, function, address) \
        "<interface type='hostdev' managed='yes'>" HOST_SOURCE(domain, function) address "</interface>\n"
#define HOSTNET(domain, function) HOSTNET_AT(domain, function, "")
#define HOSTDEV_SCSI_AT(disk, address) \
        "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0'/><address bus='0' target='0' unit='" disk \
        "'/></source>" address "</hostdev>\n"
#define HOSTDEV_SCSI(disk) HOSTDEV_SCSI_AT(disk, "")

#define CHANNEL "<channel type='pty'><target type='virtio'/></channel>\n"
#define CHANNEL_ON(controller, port) \
        "<channel type='pty'><target type='virtio'/>" \
        "<address type='virtio-serial' controller='" controller "' bus='0' port='" port "'/></channel>\n"
#define CHANNELS_10 CHANNEL CHANNEL CHANNEL CHANNEL CHANNEL CHANNEL CHANNEL CHANNEL CHANNEL CHANNEL
#define SERIAL "<serial type='pty'/>\n"
#define SERIAL_AT(reg) "<serial type='pty'>" VIO_AT(reg) "</serial>\n"
#define SERIAL_TARGET(type, address) "<serial type='pty'><target type='" type "'/>" address "</serial>\n"
#define NVRAM "<nvram/>\n"
#define NVRAM_AT(reg) "<nvram>" VIO_AT(reg) "</nvram>\n"
#define TPM_MODEL(model) \
        "<tpm model='" model "'><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm>\n"
#define RNG "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>\n"
#define VIDEO(model) "<video><model type='" model "'/></video>\n"
#define VIDEO_PRIMARY(model) "<video><model type='" model "' primary='yes'/></video>\n"
#define VNC "<graphics type='vnc'/>\n"
#define SOUND(model) "<sound model='" model "'/>\n"
#define SHMEM(name) "<shmem name='" name "'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>\n"
#define SHARE(name) "<filesystem type='mount'><source dir='/tmp'/><target dir='" name "'/></filesystem>\n"

typedef struct Answer {
        const char *name;
        const char *devices;
        const char *answer;
        unsigned since; /* the major version of libvirt that answers so; 9.0 answers otherwise, or refuses. 0: both do */
        bool start;     /* the script starts it, too: only then libvirt gives aliases */
} Answer;

static const Answer answers[] = {
        { "nothing", "", "balloon0@0:2 pci.0=0:0 usb@0:1" },
        { "bare", BARE, "pci.0=0:0" },
        { "a host as it is written today",
          VD("a") NET_MODEL("virtio") RNG CHANNEL SERIAL VNC VIDEO("virtio") SOUND("ich6"),
          "balloon0@0:6 net0@0:1 pci.0=0:0 rng0@0:7 serial0@r30000000 sound0@0:2 usb@0:3 video0@0:8 virtio-disk0@0:5 "
          "virtio-serial0@0:4", .start = true },
        { "models that are missing",
          NET DISK_PLAIN("vda") DISK_PLAIN("sda") SERIAL NVRAM,
          "balloon0@0:4 net0@0:1 nvram0@r3000 pci.0=0:0 scsi0-0-0-0 scsi0@r2000 serial0@r30000000 usb@0:2 "
          "virtio-disk0@0:3", .start = true },

        /* VIO registers */
        { "one of each VIO device",
          BARE VLAN SCSI("0") SERIAL NVRAM TPM_MODEL("tpm-spapr"),
          "net0@r1000 nvram0@r3000 pci.0=0:0 scsi0@r2000 serial0@r30000000 tpm0@r4000" },
        { "interfaces", BARE VLAN VLAN VLAN, "net0@r1000 net1@r2000 net2@r3000 pci.0=0:0" },
        { "interfaces past those of other types",
          BARE VLAN VLAN VLAN SCSI("0") NVRAM,
          "net0@r1000 net1@r2000 net2@r3000 nvram0@r5000 pci.0=0:0 scsi0@r4000", .start = true },
        { "registers that are given",
          BARE VLAN_AT(VIO_AT("0x2000")) SCSI("0") VLAN VLAN_AT(VIO_AT("0x1000")),
          "net0@r2000 net1@r3000 net2@r1000 pci.0=0:0 scsi0@r4000" },
        { "types that meet",
          BARE VLAN VLAN VLAN VLAN VLAN SCSI("0") SCSI("1") SCSI("2") NVRAM TPM_MODEL("tpm-spapr"),
          "net0@r1000 net1@r2000 net2@r3000 net3@r4000 net4@r5000 nvram0@r9000 pci.0=0:0 scsi0@r6000 scsi1@r7000 "
          "scsi2@r8000 tpm0@ra000" },
        { "serial ports",
          BARE SERIAL SERIAL SERIAL_AT("0x30000000"),
          "pci.0=0:0 serial0@r30001000 serial1@r30002000 serial2@r30000000" },
        { "a serial port's types",
          BARE SERIAL_TARGET("spapr-vio-serial", "") SERIAL_TARGET("pci-serial", "") SERIAL_TARGET("isa-serial", ""),
          "pci.0=0:0 serial0@r30000000 serial1@0:1 serial2@r30001000" },
        { "a console alone", BARE "<console type='pty'/>\n", "pci.0=0:0 serial0@r30000000" },
        { "a console beside its serial port",
          BARE "<serial type='pty'/><console type='pty'/>\n",
          "pci.0=0:0 serial0@r30000000" },
        { "a register that is not given",
          BARE VLAN_AT(VIO) NVRAM_AT("0x71000000"),
          "net0@r1000 nvram0@r71000000 pci.0=0:0" },
        { "TPM proxy", BARE TPM_MODEL("spapr-tpm-proxy"), "pci.0=0:0" },
        { "a TPM that says nothing",
          BARE "<tpm><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm>\n",
          "pci.0=0:0 tpm0@r4000" },
        { "SCSI controllers in any order",
          BARE SCSI("2") SCSI("0") CONTROLLER_INDEX("scsi", "1", "virtio-scsi") VLAN VLAN,
          "net0@r1000 net1@r2000 pci.0=0:0 scsi0@r3000 scsi1@0:1 scsi2@r4000" },
        { "SCSI controllers without indexes",
          BARE "<controller type='scsi'/>" SCSI("1") "<controller type='scsi'/>\n",
          "pci.0=0:0 scsi0@r2000 scsi1@r3000 scsi2@r4000", .start = true },
        { "SCSI model auto", BARE CONTROLLER("scsi", "auto"), "pci.0=0:0 scsi0@r2000" },
        { "an offset register", BARE VLAN_AT(VIO_AT("0x1008")) VLAN, "net0@r1008 net1@r1000 pci.0=0:0" },

        /* disks and their controllers */
        { "SCSI disks",
          BARE DISK("scsi", "sda") DISK("scsi", "sdb") DISK("scsi", "sdg") DISK("scsi", "sdh"),
          "pci.0=0:0 scsi0-0-0-0 scsi0-0-0-1 scsi0-0-0-6 scsi0@r2000 scsi1-0-0-0 scsi1@r3000", .start = true },
        { "a SCSI disk far away",
          BARE DISK("scsi", "sdz"),
          "pci.0=0:0 scsi0@r2000 scsi1@r3000 scsi2@r4000 scsi3-0-0-4 scsi3@r5000" },
        { "a SCSI disk with an address",
          BARE DISK_AT("scsi", "sda", DRIVE_AT("2", "3")),
          "pci.0=0:0 scsi0@r2000 scsi1@r3000 scsi2-0-0-3 scsi2@r4000" },
        { "SCSI disks on virtio-scsi",
          BARE CONTROLLER_INDEX("scsi", "0", "virtio-scsi") DISK("scsi", "sda") DISK("scsi", "sdh"),
          "pci.0=0:0 scsi0-0-0-0 scsi0@0:1 scsi1-0-0-0 scsi1@r2000" },
        { "a SCSI disk on lsilogic",
          BARE CONTROLLER_INDEX("scsi", "0", "lsilogic") DISK("scsi", "sda"),
          "pci.0=0:0 scsi0-0-0 scsi0@0:1", .start = true },
        { "SATA disks", BARE DISK("sata", "sda") DISK("sata", "sdg"), "pci.0=0:0 sata0-0-0 sata0@0:1 sata1-0-0 sata1@0:2" },
        { "a USB disk", DISK("usb", "sda"), "balloon0@0:2 pci.0=0:0 usb-disk0 usb@0:1" },
        { "virtio disks' names",
          BARE VD("a") VD("c") VD("aa"),
          "pci.0=0:0 virtio-disk0@0:1 virtio-disk26@0:3 virtio-disk2@0:2", .start = true },
        { "a SCSI host device", BARE HOSTDEV_SCSI("0"), "pci.0=0:0 scsi0@r2000" },
        { "SCSI host devices beside disks",
          BARE DISK("scsi", "sda") HOSTDEV_SCSI("0") DISK("scsi", "sdb") HOSTDEV_SCSI("1"),
          "pci.0=0:0 scsi0-0-0-0 scsi0-0-0-1 scsi0@r2000" },
        { "a SCSI host device far away",
          BARE CONTROLLER_INDEX("scsi", "0", "virtio-scsi") HOSTDEV_SCSI_AT("0", DRIVE_AT("2", "0")),
          "pci.0=0:0 scsi0@0:1 scsi1@r2000 scsi2@r3000" },
        { "SCSI host devices fill a controller",
          BARE DISK("scsi", "sda") DISK("scsi", "sdb") DISK("scsi", "sdc") DISK("scsi", "sdd") DISK("scsi", "sde")
          DISK("scsi", "sdf") HOSTDEV_SCSI("0") HOSTDEV_SCSI("1"),
          "pci.0=0:0 scsi0-0-0-0 scsi0-0-0-1 scsi0-0-0-2 scsi0-0-0-3 scsi0-0-0-4 scsi0-0-0-5 scsi0@r2000 scsi1@r3000" },
        { "a SCSI host device and a controller without an index",
          BARE CONTROLLER("scsi", "virtio-scsi") HOSTDEV_SCSI("0"),
          "pci.0=0:0 scsi0@r2000 scsi1@0:1" },

        /* channels */
        { "a channel", BARE CHANNEL, "pci.0=0:0 virtio-serial0@0:1" },
        { "a channel on controller 2", BARE CHANNEL_ON("2", "1"), "pci.0=0:0 virtio-serial2@0:1" },
        { "a virtio console",
          BARE "<serial type='pty'/><console type='pty'/><console type='pty'><target type='virtio'/></console>\n",
          "pci.0=0:0 serial0@r30000000 virtio-serial0@0:1" },
        { "30 channels", BARE CHANNELS_10 CHANNELS_10 CHANNELS_10, "pci.0=0:0 virtio-serial0@0:1" },
        { "30 channels and a console, which takes no port",
          BARE CHANNELS_10 CHANNELS_10 CHANNELS_10
          "<serial type='pty'/><console type='pty'/><console type='pty'><target type='virtio'/></console>\n",
          "pci.0=0:0 serial0@r30000000 virtio-serial0@0:1" },
        { "31 channels",
          BARE CHANNELS_10 CHANNELS_10 CHANNELS_10 CHANNEL,
          "pci.0=0:0 virtio-serial0@0:1 virtio-serial1@0:2" },
        { "channels on a small controller",
          BARE "<controller type='virtio-serial' index='0' ports='3'/>\n" CHANNEL CHANNEL CHANNEL,
          "pci.0=0:0 virtio-serial0@0:1 virtio-serial1@0:2" },
        { "channels that are given a port",
          BARE CHANNEL_ON("0", "1") CHANNEL CHANNEL_ON("0", "0"),
          "pci.0=0:0 virtio-serial0@0:1" },

        /* USB */
        { "USB by default", NO_BALLOON, "pci.0=0:0 usb@0:1" },
        { "USB nec-xhci", NO_BALLOON CONTROLLER_INDEX("usb", "0", "nec-xhci"), "pci.0=0:0 usb@0:1" },
        { "USB pci-ohci without an index", NO_BALLOON CONTROLLER("usb", "pci-ohci"), "pci.0=0:0 usb@0:1" },
        { "USB without a model", NO_BALLOON "<controller type='usb'/>\n", "pci.0=0:0 usb@0:1" },
        { "USB at index 1",
          NO_BALLOON CONTROLLER_INDEX("usb", "1", "qemu-xhci"),
          "pci.0=0:0 usb1@0:2 usb@0:1", .since = 11 },
        { "USB 2",
          NO_BALLOON ICH9,
          "pci.0=0:0 usb@0:1 usb@0:1.1 usb@0:1.2 usb@0:1.7" },

        /* displays and other PCI devices */
        { "a display that is not said", NO_BALLOON VNC, "pci.0=0:0 usb@0:1 video0@0:2" },
        { "displays", NO_BALLOON VNC VIDEO("vga") VIDEO("virtio"), "pci.0=0:0 usb@0:1 video0@0:2 video1@0:3" },
        { "the primary display is second",
          NO_BALLOON VNC VIDEO("virtio") VIDEO_PRIMARY("vga"),
          "pci.0=0:0 usb@0:1 video0@0:2 video1@0:3" },
        { "no display", NO_BALLOON VNC VIDEO("none"), "pci.0=0:0 usb@0:1" },
        { "sound",
          NO_BALLOON SOUND("ich6") SOUND("ac97") SOUND("usb"),
          "pci.0=0:0 sound0@0:1 sound1@0:2 usb@0:3", .start = true },
        { "all that takes a slot",
          SHARE("a") SHARE("b") SHMEM("one") SHMEM("two") RNG RNG
          "<watchdog model='i6300esb'/><input type='tablet' bus='virtio'/>\n"
          "<vsock model='virtio'><cid auto='no' address='5'/></vsock>\n"
          VNC SERIAL_TARGET("pci-serial", ""),
          "balloon0@0:4 fs0@0:1 fs1@0:2 input0@0:b pci.0=0:0 rng0@0:5 rng1@0:6 serial0@0:c shmem0@0:9 shmem1@0:a "
          "usb@0:3 video0@0:8 vsock0@0:d watchdog0@0:7" },
        { "inputs",
          NO_BALLOON "<input type='keyboard' bus='usb'/><input type='tablet' bus='virtio'/><input type='mouse' bus='virtio'/>\n",
          "input1@0:2 input2@0:3 pci.0=0:0 usb@0:1", .start = true },
        { "crypto",
          BARE "<crypto model='virtio' type='qemu'><backend model='builtin' queues='1'/></crypto>\n",
          "crypto0@0:1 pci.0=0:0", .since = 11 },
        { "a virtio sound card", BARE SOUND("virtio"), "pci.0=0:0 sound0@0:1", .since = 11 },
        { "a PCI panic device",
          BARE VD("a") "<panic model='pvpanic'/>\n",
          "panic0@0:2 pci.0=0:0 virtio-disk0@0:1", .since = 11 },
        { "aliases of one's own",
          BARE NET_ALIAS("virtio", "ua-front") NET_MODEL("virtio") NET_ALIAS("virtio", "net7") NET_ALIAS("virtio", "ua-net9"),
          "net0@0:2 net1@0:3 pci.0=0:0 ua-front@0:1 ua-net9@0:4", .start = true },
        { "a PHB's alias",
          BARE "<controller type='pci' index='1' model='pci-root'><alias name='ua-fast'/></controller>\n"
          NET_AT("virtio", AT("1", "1")),
          "net0@1:1 pci.0=0:0 ua-fast=1:1", .start = true },

        /* slots and buses */
        { "addresses that are given",
          BARE NET_AT("virtio", AT("0", "3")) NET_MODEL("virtio") NET_AT("virtio", AT("0", "1")) NET_MODEL("virtio"),
          "net0@0:3 net1@0:2 net2@0:1 net3@0:4 pci.0=0:0" },
        { "functions of one slot",
          BARE NET_AT("virtio", AT_FUNCTION("0", "5", "0")) NET_AT("virtio", AT_FUNCTION("0", "5", "1")) NET_MODEL("virtio"),
          "net0@0:5 net1@0:5.1 net2@0:1 pci.0=0:0" },
        { "an address of zeros", BARE NET_AT("virtio", AT("0", "0")), "net0@0:1 pci.0=0:0" },
        { "30 devices",
          BARE NETS_8 NETS_8 NETS_8 NET NET NET NET NET NET,
          "net0@0:1 net10@0:b net11@0:c net12@0:d net13@0:e net14@0:f net15@0:10 net16@0:11 net17@0:12 net18@0:13 "
          "net19@0:14 net1@0:2 net20@0:15 net21@0:16 net22@0:17 net23@0:18 net24@0:19 net25@0:1a net26@0:1b net27@0:1c "
          "net28@0:1d net29@0:1e net2@0:3 net3@0:4 net4@0:5 net5@0:6 net6@0:7 net7@0:8 net8@0:9 net9@0:a pci.0=0:0" },
        { "31 devices, and one slot to spare",
          BARE NETS_8 NETS_8 NETS_8 NET NET NET NET NET NET NET,
          "net0@0:1 net10@0:b net11@0:c net12@0:d net13@0:e net14@0:f net15@0:10 net16@0:11 net17@0:12 net18@0:13 "
          "net19@0:14 net1@0:2 net20@0:15 net21@0:16 net22@0:17 net23@0:18 net24@0:19 net25@0:1a net26@0:1b net27@0:1c "
          "net28@0:1d net29@0:1e net2@0:3 net30@0:1f net3@0:4 net4@0:5 net5@0:6 net6@0:7 net7@0:8 net8@0:9 net9@0:a "
          "pci.0=0:0 pci.1=1:1" },
        { "40 devices",
          BARE NETS_8 NETS_8 NETS_8 NETS_8 NETS_8,
          "net0@0:1 net10@0:b net11@0:c net12@0:d net13@0:e net14@0:f net15@0:10 net16@0:11 net17@0:12 net18@0:13 "
          "net19@0:14 net1@0:2 net20@0:15 net21@0:16 net22@0:17 net23@0:18 net24@0:19 net25@0:1a net26@0:1b net27@0:1c "
          "net28@0:1d net29@0:1e net2@0:3 net30@0:1f net31@1:1 net32@1:2 net33@1:3 net34@1:4 net35@1:5 net36@1:6 "
          "net37@1:7 net38@1:8 net39@1:9 net3@0:4 net4@0:5 net5@0:6 net6@0:7 net7@0:8 net8@0:9 net9@0:a pci.0=0:0 "
          "pci.1=1:1" },
        { "a bus that is not there", BARE NET_AT("virtio", AT("2", "1")), "net0@2:1 pci.0=0:0 pci.1=1:1 pci.2=2:2" },
        { "a bus far away",
          BARE NET_AT("virtio", AT("20", "1")) NET_MODEL("virtio"),
          "net0@14:1 net1@0:1 pci.0=0:0 pci.10=10:10 pci.11=11:11 pci.12=12:12 pci.13=13:13 pci.14=14:14 pci.15=15:15 "
          "pci.16=16:16 pci.17=17:17 pci.18=18:18 pci.19=19:19 pci.1=1:1 pci.20=20:20 pci.2=2:2 pci.3=3:3 pci.4=4:4 "
          "pci.5=5:5 pci.6=6:6 pci.7=7:7 pci.8=8:8 pci.9=9:9" },

        /* PHBs and bridges */
        { "a PHB", BARE PHB("1"), "pci.0=0:0 pci.1=1:1" },
        { "PHBs without indexes", BARE PHB_PLAIN PHB_PLAIN PHB_PLAIN, "pci.0=0:0 pci.1=1:1 pci.2=2:2" },
        { "PHBs with holes", BARE PHB("4") PHB("2"), "pci.0=0:0 pci.1=1:1 pci.2=2:2 pci.3=3:3 pci.4=4:4", .since = 11 },
        { "target indexes that are given",
          BARE PHB_TARGET("1", "5") PHB("2") PHB_TARGET("3", "1"),
          "pci.0=0:0 pci.1=1:5 pci.2=2:1 pci.3=3:1" },
        { "target indexes of PHBs with names",
          BARE PHB_NAMED("1", "5") PHB("2") PHB_NAMED("3", "1"),
          "pci.0=0:0 pci.1=1:5 pci.2=2:2 pci.3=3:1" },
        { "PHBs without indexes behind others",
          BARE PHB("5") PHB_PLAIN PHB_PLAIN,
          "pci.0=0:0 pci.1=1:5 pci.2=2:1 pci.3=3:2 pci.4=4:3 pci.5=5:4", .since = 11 },
        { "a NUMA node",
          BARE "<controller type='pci' index='1' model='pci-root'><target index='1'><node>0</node></target></controller>\n",
          "pci.0=0:0 pci.1=1:1", .since = 11 },
        { "a bridge", BARE BRIDGE("1") NET_MODEL("virtio"), "net0@0:2 pci.0=0:0 pci.1@0:1" },
        { "a bridge behind a bridge",
          BARE BRIDGE_AT("1", "0", "1") BRIDGE_AT("2", "1", "1") NET_AT("virtio", AT("2", "1")),
          "net0@2:1 pci.0=0:0 pci.1@0:1 pci.2@1:1", .start = true },
        { "a bridge on a PHB",
          BARE PHB("1") BRIDGE_AT("2", "1", "1") NET_AT("virtio", AT("2", "4")),
          "net0@2:4 pci.0=0:0 pci.1=1:1 pci.2@1:1" },
        { "a bridge that is first",
          BARE BRIDGE("1") PHB("2") NET NET_AT("virtio", AT("2", "1")),
          "net0@0:2 net1@2:1 pci.0=0:0 pci.1@0:1 pci.2=2:1" },
        { "devices fill bus 0 and go behind the bridge",
          BARE BRIDGE("1") NETS_8 NETS_8 NETS_8 NETS_8,
          "net0@0:2 net10@0:c net11@0:d net12@0:e net13@0:f net14@0:10 net15@0:11 net16@0:12 net17@0:13 net18@0:14 "
          "net19@0:15 net1@0:3 net20@0:16 net21@0:17 net22@0:18 net23@0:19 net24@0:1a net25@0:1b net26@0:1c net27@0:1d "
          "net28@0:1e net29@0:1f net2@0:4 net30@1:1 net31@1:2 net3@0:5 net4@0:6 net5@0:7 net6@0:8 net7@0:9 net8@0:a "
          "net9@0:b pci.0=0:0 pci.1@0:1" },

        /* isolation */
        { "a host device", HOSTDEV("1", "0"), "balloon0@0:2 hostdev0@1:1 pci.0=0:0 pci.1=1:1 usb@0:1" },
        { "host devices of one group",
          BARE HOSTDEV("2", "0") HOSTDEV("2", "1"),
          "hostdev0@1:1 hostdev1@1:2 pci.0=0:0 pci.1=1:1" },
        { "host devices of several groups",
          HOSTDEV("1", "0") HOSTDEV("2", "0") HOSTDEV("3", "0") HOSTDEV("2", "1"),
          "balloon0@0:2 hostdev0@1:1 hostdev1@2:1 hostdev2@3:1 hostdev3@2:2 pci.0=0:0 pci.1=1:1 pci.2=2:2 pci.3=3:3 "
          "usb@0:1" },
        { "a host device that the host does not have", BARE HOSTDEV("9", "0"), "hostdev0@0:1 pci.0=0:0" },
        { "a host device of group 0", BARE HOSTDEV("6", "0"), "hostdev0@1:1 pci.0=0:0 pci.1=1:1" },
        { "an empty PHB takes a host device", BARE PHB("1") HOSTDEV("1", "0"), "hostdev0@1:1 pci.0=0:0 pci.1=1:1" },
        { "an empty bridge takes a host device", BARE BRIDGE("1") HOSTDEV("1", "0"), "hostdev0@1:1 pci.0=0:0 pci.1@0:1" },
        { "emulated devices on PHB 1",
          BARE PHB("1") NET_AT("virtio", AT("1", "1")) HOSTDEV("1", "0"),
          "hostdev0@2:1 net0@1:1 pci.0=0:0 pci.1=1:1 pci.2=2:2" },
        { "a host device on bus 0",
          BARE HOSTDEV_AT("1", "0", AT("0", "1")) HOSTDEV("2", "0") NET_MODEL("virtio"),
          "hostdev0@0:1 hostdev1@1:1 net0@0:2 pci.0=0:0 pci.1=1:1" },
        { "a mixed bus is nobody's",
          BARE PHB("1") HOSTDEV_AT("2", "0", AT("1", "1")) NET_AT("virtio", AT("1", "2")) HOSTDEV("2", "1"),
          "hostdev0@1:1 hostdev1@2:1 net0@1:2 pci.0=0:0 pci.1=1:1 pci.2=2:2" },
        { "two groups on one bus",
          BARE PHB("1") HOSTDEV_AT("2", "0", AT("1", "1")) HOSTDEV_AT("3", "0", AT("1", "2")) HOSTDEV("2", "1")
          HOSTDEV("3", "1"),
          "hostdev0@1:1 hostdev1@1:2 hostdev2@2:1 hostdev3@3:1 pci.0=0:0 pci.1=1:1 pci.2=2:2 pci.3=3:3" },
        { "who comes to an address first",
          BARE PHB("1") HOSTDEV_AT("2", "0", AT("1", "2")) NET_AT("virtio", AT("1", "1")) HOSTDEV("2", "1"),
          "hostdev0@1:2 hostdev1@2:1 net0@1:1 pci.0=0:0 pci.1=1:1 pci.2=2:2" },
        { "an interface is a host device",
          BARE HOSTDEV("3", "0") NET_MODEL("virtio") HOSTNET("1", "0") HOSTDEV("2", "0"),
          "hostdev0@1:1 hostdev1@2:1 hostdev2@3:1 net0@0:1 pci.0=0:0 pci.1=1:1 pci.2=2:2 pci.3=3:3" },
        { "bus 0 is full, a host device has PHB 1",
          BARE NETS_8 NETS_8 NETS_8 NET NET NET NET NET NET NET HOSTDEV("1", "0"),
          "hostdev0@1:1 net0@0:1 net10@0:b net11@0:c net12@0:d net13@0:e net14@0:f net15@0:10 net16@0:11 net17@0:12 "
          "net18@0:13 net19@0:14 net1@0:2 net20@0:15 net21@0:16 net22@0:17 net23@0:18 net24@0:19 net25@0:1a net26@0:1b "
          "net27@0:1c net28@0:1d net29@0:1e net2@0:3 net30@0:1f net3@0:4 net4@0:5 net5@0:6 net6@0:7 net7@0:8 net8@0:9 "
          "net9@0:a pci.0=0:0 pci.1=1:1 pci.2=2:2" },
        { "aliases of host devices",
          BARE HOSTNET("1", "0") HOSTDEV("2", "0") NET_MODEL("virtio") HOSTNET("3", "0") HOSTDEV("4", "0"),
          "hostdev0@1:1 hostdev1@2:1 hostdev2@3:1 hostdev3@4:1 net0@0:1 pci.0=0:0 pci.1=1:1 pci.2=2:2 pci.3=3:3 "
          "pci.4=4:4" },

        /* host devices of other kinds */
        { "a mediated device",
          BARE
          "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source>"
          "<address uuid='c2177883-f1bb-47f0-914d-32a22e3a8804'/></source></hostdev>\n",
          "hostdev0@0:1 pci.0=0:0" },
        { "a vhost-scsi host device",
          BARE "<hostdev mode='subsystem' type='scsi_host'><source protocol='vhost' wwpn='naa.5001405df3e54061'/></hostdev>\n",
          "hostdev0@0:1 pci.0=0:0" },
        { "a USB host device",
          NO_BALLOON
          "<hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/><product id='0xbeef'/></source></hostdev>\n",
          "pci.0=0:0 usb@0:1" },
        { "a host device that the guest does not get",
          BARE HOSTDEV_AT("1", "0", "<address type='unassigned'/>") HOSTDEV("2", "0"),
          "hostdev1@1:1 pci.0=0:0 pci.1=1:1" },
        { "an NVMe disk is no host device",
          BARE
          "<disk type='nvme' device='disk'><driver name='qemu' type='raw'/><source type='pci' managed='yes' namespace='1'>"
          "<address domain='1' bus='0' slot='0' function='0'/></source><target dev='vda' bus='virtio'/></disk>\n"
          HOSTDEV("1", "0"),
          "hostdev0@1:1 pci.0=0:0 pci.1=1:1 virtio-disk0@0:1" },
        { "vDPA",
          BARE "<interface type='vdpa'><source dev='/dev/vhost-vdpa-0'/></interface>\n" NET_MODEL("e1000e"),
          "net0@0:1 net1@0:2 pci.0=0:0" },
        { "an interface on USB",
          NO_BALLOON "<interface type='user'><model type='usb-net'/></interface>\n",
          "pci.0=0:0 usb@0:1", .since = 11 },
        { "a host interface with an address",
          BARE PHB("1") PHB("2") HOSTNET_AT("2", "0", AT("2", "5")) HOSTDEV("2", "1") HOSTDEV("1", "0"),
          "hostdev0@2:5 hostdev1@2:1 hostdev2@1:1 pci.0=0:0 pci.1=1:1 pci.2=2:2" },
        { "one group on two buses",
          BARE PHB("1") PHB("2") HOSTDEV_AT("2", "0", AT("1", "1")) HOSTDEV_AT("2", "1", AT("2", "1")),
          "hostdev0@1:1 hostdev1@2:1 pci.0=0:0 pci.1=1:1 pci.2=2:2" },
        { "a bridge that emulated devices are behind",
          BARE PHB("1") BRIDGE_AT("2", "1", "1") NET_AT("virtio", AT("2", "1")) HOSTDEV("1", "0"),
          "hostdev0@3:1 net0@2:1 pci.0=0:0 pci.1=1:1 pci.2@1:1 pci.3=3:2" },
        { "a host device behind a bridge",
          BARE PHB("1") BRIDGE_AT("2", "1", "1") HOSTDEV_AT("1", "0", AT("2", "1")) HOSTDEV("2", "0") NET_MODEL("virtio"),
          "hostdev0@2:1 hostdev1@3:1 net0@0:1 pci.0=0:0 pci.1=1:1 pci.2@1:1 pci.3=3:2" },
        { "bridges without addresses",
          BARE PHB("1") BRIDGE("2") BRIDGE("3") NET_AT("virtio", AT("3", "1")),
          "net0@3:1 pci.0=0:0 pci.1=1:1 pci.2@0:1 pci.3@0:2" },
        { "31 PHBs",
          BARE NET_AT("virtio", AT("30", "1")),
          "net0@1e:1 pci.0=0:0 pci.10=10:10 pci.11=11:11 pci.12=12:12 pci.13=13:13 pci.14=14:14 pci.15=15:15 "
          "pci.16=16:16 pci.17=17:17 pci.18=18:18 pci.19=19:19 pci.1=1:1 pci.20=20:20 pci.21=21:21 pci.22=22:22 "
          "pci.23=23:23 pci.24=24:24 pci.25=25:25 pci.26=26:26 pci.27=27:27 pci.28=28:28 pci.29=29:29 pci.2=2:2 "
          "pci.30=30:30 pci.3=3:3 pci.4=4:4 pci.5=5:5 pci.6=6:6 pci.7=7:7 pci.8=8:8 pci.9=9:9" },
        { "all buses full",
          BARE NETS_8 NETS_8 NETS_8 NET NET NET NET NET NET NET_AT("virtio", AT("0", "31")),
          "net0@0:1 net10@0:b net11@0:c net12@0:d net13@0:e net14@0:f net15@0:10 net16@0:11 net17@0:12 net18@0:13 "
          "net19@0:14 net1@0:2 net20@0:15 net21@0:16 net22@0:17 net23@0:18 net24@0:19 net25@0:1a net26@0:1b net27@0:1c "
          "net28@0:1d net29@0:1e net2@0:3 net30@0:1f net3@0:4 net4@0:5 net5@0:6 net6@0:7 net7@0:8 net8@0:9 net9@0:a "
          "pci.0=0:0 pci.1=1:1" },
        { "USB 2 beside 28 devices",
          NO_BALLOON ICH9 NETS_8 NETS_8 NETS_8 NET NET NET
          NET,
          "net0@0:1 net10@0:b net11@0:c net12@0:d net13@0:e net14@0:f net15@0:10 net16@0:11 net17@0:12 net18@0:13 "
          "net19@0:14 net1@0:2 net20@0:15 net21@0:16 net22@0:17 net23@0:18 net24@0:19 net25@0:1a net26@0:1b net27@0:1c "
          "net2@0:3 net3@0:4 net4@0:5 net5@0:6 net6@0:7 net7@0:8 net8@0:9 net9@0:a pci.0=0:0 pci.1=1:1 usb@0:1d "
          "usb@0:1d.1 usb@0:1d.2 usb@0:1d.7" },
        { "two ICH9",
          NO_BALLOON CONTROLLER("usb", "ich9-ehci1") UHCI("ich9-uhci1", "0")
          CONTROLLER("usb", "ich9-ehci1") UHCI("ich9-uhci1", "0"),
          "pci.0=0:0 usb1@0:2 usb1@0:2.7 usb@0:1 usb@0:1.7" },
};

/* What libvirt refuses as well, and words of why as tced says it. */
typedef struct Refusal {
        const char *name;
        const char *devices;
        const char *words[2];
        unsigned line; /* of the XML that write_xml() makes of it; 0: not known */
        bool ours;     /* libvirt is not asked: it would think for too long, or refuses later */
} Refusal;

static const Refusal refusals[] = {
        { "a slot that is taken", NET_AT("virtio", AT("0", "3")) NET_AT("virtio", AT("0", "3")),
          { "line 7: <interface>: PCI bus 0, slot 0x3, function 0 is another device's", "leave <address> out" }, 7 },
        { "slot 0", PHB("1") NET_AT("virtio", AT("1", "0")), { "<interface>: PCI slot 0, function 0: slots are 1 to 0x1f" }, 7 },
        { "PCI domain 1", NET_AT("virtio", "<address type='pci' domain='1' bus='0' slot='1' function='0'/>"),
          { "<interface>: PCI domain 0x1: libvirt has but domain 0" }, 6 },
        { "a bridge on no bus", BRIDGE_AT("1", "5", "1"), { "<controller>: PCI bus 0x5: there is no", "index='5'" }, 6 },
        { "a bridge on a higher bus", BRIDGE_AT("1", "2", "1") PHB("2"),
          { "index='1'>: it is on bus 2", "higher than its bus" }, 6 },
        { "a bridge for bus 0", BRIDGE("0"),
          { "<controller type='pci' index='0'>: a pseries VM has a pci-root with index 0" }, 6 },
        { "a PCIe port", "<controller type='pci' index='1' model='pcie-root-port'/>\n",
          { "index='1'>: a pseries VM has controllers of model pci-root and pci-bridge alone" }, 6 },
        { "index 256", PHB("256"), { "index='256'>: the highest index is 255" }, 6 },
        { "two PHBs of one index", PHB("1") PHB("1"),
          { "<controller type='pci' index='1'>: there is another with this index" }, 7 },
        { "two SCSI controllers of one index", SCSI("0") SCSI("0"),
          { "<controller type='scsi' index='0'>: there is another" }, 7 },
        { "a PHB too many", NET_AT("virtio", AT("32", "1")), { "index='32'>: a VM has no more than 31 PHBs" }, 6 },
        { "a PHB's index that asks for too many", PHB("40"), { "index='32'>: a VM has no more than 31 PHBs" }, 6 },
        { "a NUMA node that is not there",
          "<controller type='pci' index='1' model='pci-root'><target index='1'><node>1</node></target></controller>\n",
          { "index='1'>: <node>1</node> is no cell" }, 6 },
        { "a disk's name", DISK("virtio", "disk1"), { "<target dev='disk1'>: no disk's name" }, 6 },
        { "a virtio disk on a drive", DISK_AT("virtio", "vda", DRIVE_AT("0", "0")),
          { "a virtio disk can't have an <address>" }, 6 },
        { "a channel's port that is taken", CHANNEL_ON("0", "1") CHANNEL_ON("0", "1"),
          { "port='1'>: another channel has this port" }, 7 },
        { "a channel's port that is not there", CHANNEL_ON("0", "31"),
          { "port='31'>: this controller has no such port", "below 31" }, 6 },
        { "a controller without a free port",
          "<controller type='virtio-serial' index='0' ports='2'/>\n" CHANNEL_ON("0", "0") CHANNEL_ON("0", "0"),
          { "<channel>: virtio-serial controller 0 has no free port" }, 8 },
        { "a host device twice", HOSTDEV("1", "0") HOSTDEV("1", "0"),
          { "<hostdev>: host device 0001:00:00.0 is given twice" }, 7 },
        { "a host device twice, as an interface", HOSTDEV("1", "0") HOSTNET("1", "0"), { "0001:00:00.0 is given twice" }, 7 },
        { "a panic device on another bus", PHB("1") "<panic model='pvpanic'>" AT("1", "1") "</panic>\n",
          { "<panic>: PCI bus 0x1: it can be on bus 0 alone" }, 7, true },
        { "a disk behind 68,000 controllers", DISK("scsi", "sdzzzz"),
          { "scsi controller 67893: libvirt would add all up to this one" }, 6, true },
        { "a drive on controller 5000", DISK_AT("scsi", "sda", DRIVE_AT("5000", "0")), { "scsi controller 5000" }, 6, true },
};
