# SPDX-License-Identifier: LGPL-2.1-or-later
"""The device sets: a row each, written as a person writes a domain, so that much is left to libvirt. to_xml() makes the domain.

PLAIN are those that start; BAD those that must not; ENDING those that start and are ended by what their guest may do; GUESTS those with which
Linux runs. A set's name is its point's name.
"""

from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

GIB = 1024  # MiB


def pci(at):
    """at: bus, slot and maybe function; None leaves the address to libvirt."""
    if at is None:
        return ""
    bus, slot, function = (*at, 0)[:3]
    return f"<address type='pci' domain='0' bus='{bus}' slot='{slot}' function='{function}'/>"


def vio(reg):
    return "" if reg is None else f"<address type='spapr-vio' reg='{reg:#x}'/>"


def phb(index, target=None, node=None, alias=None):
    inner = "" if node is None else f"<node>{node}</node>"
    if target is not None or inner:
        number = "" if target is None else f" index='{target}'"
        inner = f"<target{number}>{inner}</target>"
    return f"<controller type='pci' index='{index}' model='pci-root'>{inner}{named(alias)}</controller>"


def named(alias):
    return "" if alias is None else f"<alias name='{alias}'/>"


def bridge(index, at=None):
    return f"<controller type='pci' index='{index}' model='pci-bridge'>{pci(at)}</controller>"


def vlan(reg=None, alias=None):
    return f"<interface type='user'><model type='spapr-vlan'/>{named(alias)}{vio(reg)}</interface>"


def net(at=None, model="virtio"):
    return f"<interface type='user'><model type='{model}'/>{pci(at)}</interface>"


def vscsi(index=0, reg=None, alias=None):
    return f"<controller type='scsi' index='{index}' model='ibmvscsi'>{named(alias)}{vio(reg)}</controller>"


def virtio_scsi(index=0, at=None):
    return f"<controller type='scsi' index='{index}' model='virtio-scsi'>{pci(at)}</controller>"


def scsi_disk(n=0):
    return f"<disk type='file' device='disk'><source file='/nowhere/s{n}.img'/><target dev='sd{chr(97 + n)}' bus='scsi'/></disk>"


def disk(n=0, at=None):
    name = ("" if n < 26 else chr(96 + n // 26)) + chr(97 + n % 26)
    return f"<disk type='file' device='disk'><source file='/nowhere/{n}.img'/><target dev='vd{name}' bus='virtio'/>{pci(at)}</disk>"


def disks(count):
    return [disk(n) for n in range(count)]


def tpm(reg=None):
    return f"<tpm model='tpm-spapr'><backend type='passthrough'><device path='/dev/null'/></backend>{vio(reg)}</tpm>"


def nvram(reg):
    return f"<nvram>{vio(reg)}</nvram>"


def serial(reg=None):
    return f"<serial type='pty'>{vio(reg)}</serial>"


def usb(model="none", at=None, index=0):
    return f"<controller type='usb' index='{index}' model='{model}'>{pci(at)}</controller>"


def hostdev(host, at=None):
    domain, bus, slot = (int(part, 16) for part in host.split(".")[0].split(":"))
    return ("<hostdev mode='subsystem' type='pci' managed='yes'><driver name='vfio'/><source>"
            f"<address domain='{domain:#x}' bus='{bus:#x}' slot='{slot:#x}' function='0x{host[-1]}'/></source>{pci(at)}</hostdev>")


def plain_device(element, inner="", **attributes):
    words = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    return f"<{element}{words}>{inner}</{element}>"


def balloon(model="none", at=None):
    return f"<memballoon model='{model}'>{pci(at)}</memballoon>"


def video(model="vga"):
    return "<graphics type='vnc' port='-1'/>" + plain_device("video", f"<model type='{model}'/>")


def rng(at=None):
    return f"<rng model='virtio'><backend model='random'>/dev/urandom</backend>{pci(at)}</rng>"


NONE = [usb(), balloon()]  # no devices but those asked for


@dataclass
class Set:
    name: str
    devices: list = field(default_factory=list)
    machine: str = "pseries"
    memory: int = 512   # MiB
    max_memory: int = 0 # MiB; 0: none
    cells: int = 0      # NUMA nodes that share the memory
    dimms: list = field(default_factory=list)  # (MiB, node)
    globals: dict = field(default_factory=dict)  # of QEMU's spapr-pci-host-bridge, or with another driver's name before a dot
    arguments: list = field(default_factory=list)  # more words of <qemu:commandline>
    override: list = field(default_factory=list)  # alias, property, value: <qemu:override>
    nvdimm: int = 0     # MiB
    # Of BAD ones: the finding, and what libvirt or QEMU says (a regular expression).
    finding: str = ""
    refusal: str = ""
    # An error of VFIO's, of which QEMU sees nothing here: another device is in the host's place.
    unseen: str = ""

    def to_xml(self):
        commandline = []
        for name, value in self.globals.items():
            commandline += ["-global", f"{name if '.' in name else 'spapr-pci-host-bridge.' + name}={value}"]
        commandline += self.arguments
        parts = [f"<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>{self.name}</name>"]
        if self.max_memory:
            parts.append(f"<maxMemory slots='16' unit='MiB'>{self.max_memory}</maxMemory>")
        parts.append(f"<memory unit='MiB'>{self.memory + sum(size for size, _ in self.dimms) + self.nvdimm}</memory>")
        parts.append(f"<vcpu>{max(self.cells, 1)}</vcpu>")
        parts.append(f"<os><type arch='ppc64' machine='{self.machine}'>hvm</type></os>")
        if self.cells or self.max_memory:
            cells = max(self.cells, 1)
            parts.append("<cpu><numa>" + "".join(
                f"<cell id='{n}' cpus='{n}' memory='{self.memory // cells}' unit='MiB'/>" for n in range(cells)) + "</numa></cpu>")
        parts.append("<devices><emulator>/usr/bin/qemu-system-ppc64</emulator>")
        parts += self.devices
        parts += [f"<memory model='dimm'><target><size unit='MiB'>{size}</size><node>{node}</node></target></memory>"
                  for size, node in self.dimms]
        if self.nvdimm:
            parts.append("<memory model='nvdimm'><uuid>49545eb3-75e1-2d0a-acdd-f0294406c99e</uuid><source><path>/nowhere/nvdimm</path></source>"
                         f"<target><size unit='MiB'>{self.nvdimm}</size><node>0</node><label><size unit='KiB'>128</size></label></target></memory>")
        parts.append("</devices>")
        if commandline:
            parts.append("<qemu:commandline>" + "".join(f"<qemu:arg value={quoteattr(word)}/>" for word in commandline) +
                         "</qemu:commandline>")
        if self.override:
            parts.append("<qemu:override>" + "".join(
                f"<qemu:device alias='{alias}'><qemu:frontend><qemu:property name='{name}' type='{kind_of(value)}' "
                f"{'' if value is None else quoted(value)}/></qemu:frontend></qemu:device>" for alias, name, value in self.override) + "</qemu:override>")
        parts.append("</domain>")
        return "\n".join(parts) + "\n"


def quoted(value):
    return f"value='{str(value).lower()}'"


def kind_of(value):
    return "remove" if value is None else "bool" if isinstance(value, bool) else "unsigned"


HOSTS = ["0001:01:00.0", "0001:01:00.1", "0002:01:00.0", "0003:01:00.0"]  # groups 1, 1, 2, 3: host.json

PHBS = [
    Set("nothing asked for"),
    Set("no device at all", NONE),
    Set("one more PHB", [phb(1)]),
    Set("a PHB with its target", [phb(1, 1)]),
    Set("PHB targets with gaps", [phb(1, 3), phb(2, 7), phb(3, 12)]),
    Set("PHB targets crossed", [phb(1, 5), phb(2, 2), phb(3, 4)]),
    Set("PHB targets given first, then left out", [phb(1, 1), phb(2, 3), phb(3), phb(4)]),
    Set("PHB 30, the last", [phb(1, 30)]),
    Set("all PHBs that there are", [phb(n, n) for n in range(1, 31)]),
    Set("controllers left out", [phb(1), phb(5, 9)]),
    Set("a PHB of another name", [phb(1, 4, alias="ua-west"), disk(0, (1, 3))]),
    Set("PHBs in order of the file, not of the index", [phb(2, 3), phb(1, 6), phb(0)]),
    Set("a PHB for each NUMA node", [phb(1, 1, 0), phb(2, 2, 1)], cells=2),
    Set("a node, and no target", [phb(1, None, 1)], cells=2),
    Set("a device makes its controller", [disk(0, (1, 5))]),
    Set("a device makes controllers before its own", [disk(0, (3, 5))]),
    Set("devices on three PHBs", [phb(1), phb(2, 8), disk(0, (0, 9)), disk(1, (1, 9)), net((2, 1))]),
    Set("PHBs from the command line", arguments=["-device", "spapr-pci-host-bridge,index=9,id=own",
                                                 "-device", "pci-testdev,bus=own.0,id=probe"]),
    Set("a PHB's index by override, with a zero in front", [phb(1), disk(0, (1, 3))], override=[("pci.1", "index", "011")]),
    Set("PHB indexes in octal, by -set and by -global", arguments=[
        "-device", "spapr-pci-host-bridge,index=011,id=own", "-device", "spapr-pci-host-bridge,index=3,id=own2", "-set", "device.own2.index=012",
        "-device", "spapr-pci-host-bridge,id=own3", "-global", "spapr-pci-host-bridge.index=7"]),
    Set("a PHB from the command line, as JSON", [phb(1, 2)], arguments=["-device", '{"driver":"spapr-pci-host-bridge","index":17,"id":"own"}']),
]
BRIDGES = [
    Set("a bridge", [bridge(1)]),
    Set("a bridge with a device", [bridge(1, (0, 7)), disk(0, (1, 3))]),
    Set("a bridge on another PHB", [phb(1, 4), bridge(2, (1, 2)), disk(0, (2, 1)), rng((2, 4))]),
    Set("bridges, three deep", [phb(1, 9), bridge(2, (1, 1)), bridge(3, (2, 1)), bridge(4, (3, 1)), disk(0, (4, 5)), net((3, 6))]),
    Set("a bridge on another PHB, of VIO and serials", [phb(1, 4), bridge(2, (1, 2)), rng((2, 4)), vlan(), serial(), serial()]),
    Set("a bridge's place left to libvirt", [phb(1, 3), bridge(2), disk(0, (2, 3)), disk(1)]),
]
FULL = [
    Set("thirty disks", disks(30)),
    Set("forty disks", disks(40)),
    Set("a hundred disks", disks(100)),
    Set("forty disks, and a bridge there", [bridge(1)] + disks(40)),
    Set("forty disks, and an empty PHB", [phb(1, 7)] + disks(40)),
    Set("eight functions of a slot", [disk(n, (0, 6, n)) for n in range(8)]),
    Set("one of each, no addresses", [
        virtio_scsi(), net(), net(model="e1000"), disk(0), rng(), video(), balloon("virtio"),
        plain_device("sound", model="ich6"), plain_device("watchdog", model="i6300esb", action="none"),
        plain_device("controller", type="virtio-serial"), plain_device("input", type="tablet", bus="virtio"),
        plain_device("input", type="keyboard", bus="usb"), serial()]),
    Set("disks in another order than their names", [disk(3), scsi_disk(8), disk(0), disk(2), scsi_disk(0), disk(1)]),
    Set("slot 0 of a PHB", [disk(0, (0, 0))]),
    Set("USB of several kinds", [usb("nec-xhci"), usb("pci-ohci", index=1), usb("ich9-ehci1", index=2)]),
    Set("a channel makes its controller", [plain_device("channel", "<target type='virtio' name='org.example.0'/>", type="pty")]),
]
ISOLATED = [
    Set("a host's device", [hostdev(HOSTS[2])]),
    Set("a whole group of two", [hostdev(HOSTS[0]), hostdev(HOSTS[1])]),
    Set("three groups", [hostdev(HOSTS[0]), hostdev(HOSTS[2]), hostdev(HOSTS[3]), hostdev(HOSTS[1])]),
    Set("groups, and PHBs of both kinds there", [phb(1, 5), phb(2, 2), disk(0, (1, 3)), hostdev(HOSTS[2]), hostdev(HOSTS[3])]),
    Set("a group on a given PHB, its brother left to libvirt", [phb(1, 6), hostdev(HOSTS[0], (1, 4)), hostdev(HOSTS[1]), disk(0)], unseen="group-busy"),
    Set("a group mixed with a disk by hand", [phb(1, 6), hostdev(HOSTS[2], (1, 4)), disk(0, (1, 5)), disk(1)]),
    Set("a device of the host that libvirt doesn't know", [hostdev("0042:01:00.0"), disk(0)], unseen="device-missing"),
]
VIO = [
    Set("a spapr-vlan", [vlan()]),
    Set("three spapr-vlan", [vlan(), vlan(), vlan()]),
    Set("a spapr-vlan at its place", [vlan(0x5000)]),
    Set("registers of 0, which libvirt leaves to QEMU", [vlan(0), vscsi(0), serial()]),
    Set("the default place taken", [vscsi(reg=0x1000), vlan()]),
    Set("an nvram in the way", [nvram(0x1000), vlan(), vscsi()]),
    Set("a serial in the way", [serial(0x1000), vlan(), serial()]),
    Set("spapr-vscsi", [vscsi()]),
    Set("two spapr-vscsi and their disks", [vscsi(0), vscsi(1), scsi_disk(0)]),
    Set("a SCSI disk makes its controller", [scsi_disk(0)]),
    Set("both kinds of SCSI", [vscsi(0), virtio_scsi(1), scsi_disk(0)]),
    Set("a TPM", [tpm()]),
    Set("a TPM at its place", [tpm(0x9000)]),
    Set("all of VIO, no addresses", [vlan(), vscsi(), tpm(), serial(), serial()]),
    Set("all of VIO, the other way round", [serial(), tpm(), vscsi(), vlan()]),
    Set("all of VIO, some addresses", [vlan(0x2000), vlan(), vscsi(0, 0x6000), vscsi(1), tpm(), nvram(0x7000), serial(0x30002000)]),
    Set("registers as QEMU gives them", [vlan(0x71000001), vscsi(0, 0x71000002), nvram(0x71000010)]),
    Set("a register of the consoles'", [vlan(0x30005000), serial()]),
    Set("a register just below the PCI range", [vlan(0x7FFFFFF3)]),
    # libvirt's words for a domain that does not run forget an interface's alias; what it starts is in STARTED.
    Set("VIO devices of another name", [vlan(), vscsi(alias="ua-scsi"), scsi_disk(0)]),
    Set("VIO from the command line", [vlan(0x5000)], arguments=["-device", "spapr-vscsi,id=own", "-device", "spapr-vlan,id=own2,reg=0x8000"]),
    Set("VIO from the command line, the NVRAM elsewhere", [vlan(), nvram(0x3000)], arguments=["-device", "spapr-vscsi,id=own"]),
    Set("registers by override", [vlan(), vscsi(), tpm(), serial()],
        override=[("net0", "reg", 0x9000), ("scsi0", "reg", 0xA000), ("tpm0", "reg", 0xFFFFFFFF), ("serial0", "reg", 0x30009000)]),
    Set("a register that an override takes away", [vscsi()], override=[("scsi0", "reg", None)]),
    Set("registers that QEMU picks, JSON and not", [nvram(0x3000), vlan(0x71000002)], arguments=[
        "-device", '{"driver":"spapr-vlan","id":"own"}', "-device", "spapr-vscsi,id=own2"]),
    Set("registers by -set and -global", arguments=["-device", "spapr-vlan,id=own,reg=0x8000", "-set", "device.own.reg=0x9000",
                                                    "-device", "spapr-vscsi,id=own2", "-global", "spapr-vscsi.reg=012000"]),
    Set("QEMU's NVRAM elsewhere, its interrupt a network's", [vlan(0x100000)], globals={"spapr-nvram.reg": "0x3000"}),
    Set("QEMU's NVRAM elsewhere, its register another's", [vlan()], globals={"spapr-nvram.reg": "0x3000"},
        arguments=["-device", "spapr-vscsi,id=own"]),
    Set("the domain's NVRAM elsewhere", [vlan(0x100000), nvram(0x5000)], globals={"spapr-nvram.reg": "0x3000"}),
    Set("a register of all ones is none", [vlan(0xFFFFFFFF)]),
    Set("sixteen spapr-vlan", [vlan() for _ in range(16)]),
    Set("one interrupt for two, on a machine that hands them out", [vlan(0x1000), vlan(0x101000)], machine="pseries-3.0"),
]
WINDOWS = [
    Set("a window of 2 GiB", [phb(1)], globals={"dma_win_size": "0x80000000"}),
    Set("a window of 512 MiB", globals={"dma_win_size": "0x20000000"}),
    Set("a window of 16 GiB", globals={"dma_win_size": "0x400000000"}),
    Set("a window of one page", globals={"dma_win_size": "4096"}),
    Set("a window that is no power of two", globals={"dma_win_size": "0x30003000"}),
    Set("a window that ends in the middle of a page", globals={"dma_win_size": "0x20000800"}),
    Set("a window in decimal", globals={"dma_win_size": "268435456"}),
    Set("a window elsewhere", globals={"dma_win_addr": "0x20000000"}),
    Set("both windows elsewhere", [phb(1)], max_memory=4 * GIB,
        globals={"dma_win_addr": "0x40000000", "dma64_win_addr": "0x1000000000000000"}),
    Set("a window of one PHB's alone", [phb(1), phb(2)], override=[("pci.1", "dma_win_size", 0x10000000)]),
    Set("override over global", [phb(1), phb(2)], globals={"dma_win_size": "0x80000000"}, override=[("pci.2", "dma_win_size", 0x40000000)]),
    Set("the last global wins", arguments=["-global", "spapr-pci-host-bridge.dma_win_size=0x80000000",
                                           "-global", "spapr-pci-host-bridge.dma_win_size=0x10000000"]),
    Set("a global for all kinds of PHB", max_memory=4 * GIB, globals={"pgsz": "0x10000", "pci-host-bridge.pgsz": "0x1000"}),
    Set("a global in the long form", arguments=["-global", "driver=spapr-pci-host-bridge,property=dma_win_size,value=0x10000000"]),
    Set("a property in -device", arguments=["-device", "spapr-pci-host-bridge,index=4,id=own,dma_win_size=0x8000000,pgsz=0x1000"]),
    Set("a property by -set", arguments=["-device", "spapr-pci-host-bridge,index=4,id=own", "-set", "device.own.dma_win_size=0x8000000"]),
    Set("no 64-bit windows", [phb(1)], max_memory=4 * GIB, globals={"ddw": "off"}),
    Set("no 64-bit windows on one PHB", [phb(1), phb(2)], max_memory=4 * GIB, override=[("pci.1", "ddw", False)]),
    Set("pages of 4K alone", max_memory=4 * GIB, globals={"pgsz": "0x1000"}),
    Set("pages of 64K alone", max_memory=4 * GIB, globals={"pgsz": "0x10000"}),
    Set("pages of 4K and 2M", max_memory=4 * GIB, globals={"pgsz": "0x201000"}),
    Set("pages of 4K and 64K", max_memory=4 * GIB, globals={"pgsz": "0x11000"}),
    Set("pages of 16M alone", max_memory=4 * GIB, globals={"pgsz": "0x1000000"}),
    Set("all page sizes that PAPR has", max_memory=4 * GIB, globals={"pgsz": "0x40f211000"}),
    Set("page sizes of one PHB's alone", [phb(1), phb(2)], max_memory=4 * GIB, override=[("pci.1", "pgsz", 0x11000)]),
    Set("a page size that has no bit in PAPR", max_memory=4 * GIB, globals={"pgsz": "0x13000"}),
]
MEMORY = [
    Set("no maxMemory", [phb(1)], memory=GIB),
    Set("no maxMemory, no power of two", memory=768),
    Set("maxMemory", [phb(1)], max_memory=8 * GIB),
    Set("maxMemory, no power of two", max_memory=6 * GIB),
    Set("maxMemory of 64 GiB", max_memory=64 * GIB),
    Set("DIMMs", max_memory=4 * GIB, dimms=[(256, 0), (512, 0)]),
    Set("a DIMM on the second node", [phb(1, None, 1)], cells=2, max_memory=3 * GIB, dimms=[(256, 1)]),
    Set("memory that is rounded", memory=700),
]
# Ends with libvirt's "pseries", which is the newest. Those that this QEMU has not are left out by name.
# Transactional memory, which machines up to 2.11 have, TCG has not.
MACHINES = [Set(f"machine pseries-{version}", [phb(1, 3), vlan(), vscsi(), disk(0, (1, 2))], machine=f"pseries-{version}", max_memory=4 * GIB,
                arguments=["-machine", "cap-htm=off"] if version in ("2.9", "2.10", "2.11") else [])
            for version in ("2.1", "2.3", "2.5", "2.6", "2.7", "2.9", "2.12", "3.0", "3.1", "4.0", "4.1", "4.2", "5.0", "5.2", "6.2", "7.0", "7.2",
                            "8.0", "8.2", "9.0", "9.2", "10.0")]
PLAIN = PHBS + BRIDGES + FULL + ISOLATED + VIO + WINDOWS + MEMORY + MACHINES

ONE = [usb(), balloon("virtio")]  # one device that speaks virtio, on the first PHB
# What Linux asks for. The first few are the most usual, and always run.
GUESTS = [
    Set("2 GiB", ONE, memory=2 * GIB),
    Set("2 GiB and room for 6", ONE, memory=2 * GIB, max_memory=6 * GIB),
    Set("1536 MiB and room for 8 GiB", ONE, memory=1536, max_memory=8 * GIB),
    Set("pages of 4K, 2M", ONE, memory=2 * GIB, max_memory=6 * GIB, globals={"pgsz": "0x201000"}),
    Set("pages of 4K, 64K", ONE, memory=2 * GIB, max_memory=6 * GIB, globals={"pgsz": "0x11000"}),
    Set("pages of 4K", ONE, memory=2 * GIB, max_memory=6 * GIB, globals={"pgsz": "0x1000"}),
    Set("pages of 64K, 2M", ONE, memory=2 * GIB, max_memory=6 * GIB, globals={"pgsz": "0x210000"}),
    Set("all page sizes that PAPR has", ONE, memory=2 * GIB, max_memory=6 * GIB, globals={"pgsz": "0x40f211000"}),
    Set("pages of 256M and less", ONE, memory=2 * GIB, max_memory=6 * GIB, globals={"pgsz": "0x1f211000"}),
    Set("pages of 64M and less", ONE, memory=2 * GIB, max_memory=6 * GIB, globals={"pgsz": "0x7211000"}),
    Set("pages of 128M and less", ONE, memory=2 * GIB, max_memory=6 * GIB, globals={"pgsz": "0xf211000"}),
    Set("pages of 16G and less, room for 32 GiB", ONE, memory=2 * GIB, max_memory=32 * GIB, globals={"pgsz": "0x40f211000"}),
    Set("machine pseries-4.1", ONE, memory=2 * GIB, max_memory=6 * GIB, machine="pseries-4.1"),
    Set("machine pseries-2.6", ONE, memory=2 * GIB, max_memory=6 * GIB, machine="pseries-2.6",
        arguments=["-cpu", "POWER8", "-machine", "cap-htm=off"]),
    Set("1 GiB and room for 8 GiB", ONE, memory=GIB, max_memory=8 * GIB),
    Set("room for 5 GiB and a bit", ONE, memory=GIB, max_memory=5 * GIB + 256),
    Set("1 GiB and no room", ONE, memory=GIB),
    Set("1280 MiB and no room", ONE, memory=1280),
    Set("two nodes and a DIMM", ONE, memory=2 * GIB, cells=2, max_memory=4 * GIB, dimms=[(512, 1)]),
    Set("PHBs of different pages", [usb(), balloon("virtio"), phb(1, 5), phb(2, 9), phb(3), rng((1, 4)), disk(0, (2, 3))], memory=GIB,
        max_memory=4 * GIB, override=[("pci.1", "pgsz", 0x11000), ("pci.2", "dma64_win_addr", 0x1000000000000000)]),
    Set("no 64-bit windows", ONE, memory=GIB, max_memory=4 * GIB, globals={"ddw": "off"}),
    Set("a large default window", ONE, memory=GIB, max_memory=4 * GIB, globals={"dma_win_size": "0x80000000"}),
    Set("behind a bridge", [usb(), balloon(), phb(1, 3), bridge(2, (1, 2)), rng((2, 4))], memory=GIB, max_memory=4 * GIB),
    Set("an NVDIMM", ONE, memory=GIB, max_memory=4 * GIB, nvdimm=512),
]
USUAL = 4

# libvirt starts these itself: no files, no host's devices and no ROMs are behind them.
STARTED = ["no device at all", "one more PHB", "PHB targets crossed", "a PHB for each NUMA node", "a bridge on another PHB, of VIO and serials",
           "three spapr-vlan", "an nvram in the way", "a serial in the way", "VIO from the command line", "a window of one PHB's alone",
           "both windows elsewhere", "DIMMs"]

TIB = 1024 * GIB
ENDING = [
    Set("a 64-bit window of 2^32 TCEs, asked for twice", max_memory=16 * TIB, globals={"pgsz": "0x1000"}, finding="window-too-large"),
    Set("a default window of 2^32 TCEs, and a reset", globals={"dma_win_size": "0x100000000000"}, finding="window-too-large"),
    Set("a default window smaller than a page, and a reset", globals={"dma_win_size": "2048"}, finding="window-too-large"),
    Set("a default window of nothing, and a reset", globals={"dma_win_size": "0"}, finding="window-too-large"),
]

BAD = [
    Set("PHB index 31, which libvirt refuses", [phb(1, 31)], finding="phb-index", refusal="PCI controller index|target index|out of range"),
    Set("PHB index 31 by the command line", arguments=["-device", "spapr-pci-host-bridge,index=31,id=own"], finding="phb-index",
        refusal="too large \\(max 30\\)"),
    Set("PHB index 31, which libvirt picks", [phb(n) for n in range(1, 32)], finding="phb-index", refusal="out of range"),
    Set("a PHB too many for libvirt", [phb(n) for n in range(1, 33)], refusal="libvirt"),
    Set("a PHB index twice", [phb(1, 4), phb(2, 4)], finding="phb-index", refusal="PHB 4 already attached"),
    Set("a PHB index twice, once by the command line", [phb(1, 4)], arguments=["-device", "spapr-pci-host-bridge,index=4,id=own"],
        finding="phb-index", refusal="PHB 4 already attached"),
    Set("a PHB index twice, on an old machine", [phb(1, 4), phb(2, 4)], machine="pseries-3.1", finding="phb-index",
        refusal="unique indexes|already attached"),
    Set("PHB index 0 for another than the first", [phb(1, 0)], finding="phb-index", refusal="index"),
    Set("another index than 0 for the first PHB", [phb(0, 2)], finding="phb-index", refusal="index"),
    Set("PHB targets given and left out", [phb(1), phb(2, 1), phb(3), phb(4, 2)], finding="phb-index", refusal="PHB 1 already attached"),
    Set("a PHB whose index an override takes away", [phb(1)], override=[("pci.1", "index", None)], finding="phb-index", refusal="index"),
    Set("a PHB without an index", arguments=["-device", "spapr-pci-host-bridge,id=own"], finding="phb-index", refusal="index"),
    Set("a bridge before its PHB", [bridge(1, (2, 5)), phb(2, 11)], refusal="index must be larger than bus"),
    Set("a slot taken twice", [disk(0, (0, 5)), disk(1, (0, 5))], refusal="double use"),
    Set("one interrupt for two", [vlan(0x1000), vlan(0x101000)], finding="vio-irq", refusal="IRQ 4353 is not free"),
    Set("one interrupt for two kinds", [vlan(0x2000), vscsi(0, 0x102000)], finding="vio-irq", refusal="IRQ 4354 is not free"),
    Set("one interrupt, a console's and a network's", [serial(0x30003000), vlan(0xF3000)], finding="vio-irq", refusal="IRQ 4595 is not free"),
    Set("the interrupt of QEMU's NVRAM", [vlan(0x100000)], finding="vio-irq", refusal="IRQ 4352 is not free"),
    Set("one interrupt, QEMU's choice and libvirt's", [vlan()], arguments=["-device", "spapr-vscsi,id=own"], finding="vio-irq",
        refusal="IRQ 4353 is not free"),
    Set("one interrupt, the first machine that minds", [vlan(0x1000), vlan(0x101000)], machine="pseries-3.1", finding="vio-irq",
        refusal="IRQ 4353 is not free"),
    Set("one interrupt, QEMU's NVRAM moved to it", [vlan()], globals={"spapr-nvram.reg": "0x101000"}, finding="vio-irq",
        refusal="IRQ 4353 is not free"),
    Set("a register twice, QEMU's choice first", [nvram(0x3000), vlan(0x71000000)], arguments=["-device", "spapr-vscsi,id=own"],
        finding="vio-duplicate", refusal="conflict at address 0x71000000"),
    Set("one interrupt for two, by override", [vlan(), vscsi()], override=[("scsi0", "reg", 0x101000)], finding="vio-irq",
        refusal="IRQ 4353 is not free"),
    Set("a register of more than 32 bits, by override", [vscsi()], override=[("scsi0", "reg", 1 << 32)], finding="vio-in-pci-range",
        refusal="expects uint32_t"),
    Set("seventeen consoles", [serial() for _ in range(17)], finding="vio-irq", refusal="IRQ|serial"),
    Set("a register twice", [vlan(0x2000), vscsi(0, 0x2000)], finding="vio-duplicate", refusal="already in use"),
    Set("a register twice, once by the command line", [vlan(0x2000)], arguments=["-device", "spapr-vscsi,id=own,reg=0x2000"],
        finding="vio-duplicate", refusal="conflict at address 0x2000"),
    Set("a register that is the first PHB's, with the NVRAM's interrupt", [vlan(0x80000000)], finding="vio-irq", refusal="IRQ 4352 is not free"),
    Set("a register that is the first PHB's", [vlan(0x80000000), nvram(0x3000)], finding="vio-in-pci-range", refusal="signal 11|signal 6|duplicate LIOBN"),
    Set("a register that is the first PHB's second window", [vlan(0x80000001)], finding="vio-in-pci-range",
        refusal="signal 11|signal 6|duplicate LIOBN"),
    Set("a register that is another PHB's", [phb(1, 5), vscsi(0, 0x80000501)], finding="vio-in-pci-range",
        refusal="signal 11|signal 6|duplicate LIOBN"),
    Set("a register of more than 32 bits", [vlan(0x100001000)], finding="vio-in-pci-range", refusal="libvirt"),
    Set("no room above the memory", [disk(0)], max_memory=512, finding="no-maxmemory", refusal="maxmem|memory"),
]

# QEMUs that somebody starts by hand: words. There are no displays, as their ROMs are in a package of its own.
BARE = [(name, f"-vga none {words}") for name, words in (
    ("nothing but defaults", ""),
    ("-nodefaults", "-nodefaults"),
    ("-nodefaults, wherever it stands", "-device spapr-vlan -nodefaults"),
    ("-machine with a version", "-machine pseries-6.2,usb=off -nodefaults"),
    ("-machine twice", "-M pseries-2.6 -machine usb=off -nodefaults"),
    ("a machine without 64-bit windows", "--machine type=pseries-2.6"),
    ("a network card by default is none where there is a -netdev", "-netdev hubport,hubid=0,id=n"),
    ("-netdev with its device", "-netdev hubport,hubid=0,id=n -device spapr-vlan,netdev=n,id=vlan0"),
    ("-net nic", "-net nic -net nic,model=ibmveth -net user"),
    ("-net without a nic", "-net user"),
    ("-net nic of a -netdev", "-netdev hubport,hubid=0,id=x -net nic,model=spapr-vlan,netdev=x"),
    ("-nic", "-nic hubport,hubid=0 -nic hubport,hubid=0,model=spapr-vlan"),
    ("-nic none", "-nic none"),
    ("-nic none and another", "-nic none -nic hubport,hubid=0"),
    ("no serial port", "-serial none"),
    ("serial ports", "-serial null -serial null -nodefaults -device spapr-vlan"),
    ("serial ports, and none between", "-serial null -serial none -serial null -nodefaults -device spapr-vlan"),
    ("a serial port by -device", "-chardev null,id=x -device spapr-vty,chardev=x -device spapr-vlan"),
    ("SCSI drives", "-nodefaults -drive driver=null-co,if=scsi -drive driver=null-co"),
    ("SCSI drives on two buses", "-nodefaults -drive driver=null-co,bus=1"),
    ("a SCSI drive by its index", "-nodefaults -drive driver=null-co,index=9"),
    ("more SCSI drives than a bus has room for", "-nodefaults" + 8 * " -drive driver=null-co,if=scsi"),
    ("a drive of another kind", "-nodefaults -drive driver=null-co,if=none,id=a -device virtio-blk-pci,drive=a"),
    ("the CD-ROM drive is none where there is a disk", "-device spapr-vscsi -device scsi-cd"),
    ("the CD-ROM drive is none where there is a disk, as JSON", '-device {"driver":"spapr-vscsi"} -device {"driver":"scsi-cd"}'),
    ("the CD-ROM drive is none where one is spoken of", "-global scsi-cd.ver=1"),
    ("the CD-ROM drive is none where one is spoken of, in full", "-global driver=scsi-hd,property=ver,value=1"),
    ("JSON comes last", '-nodefaults -device {"driver":"spapr-vlan"} -device spapr-vlan,id=p'),
    ("registers that are taken", "-nodefaults -device spapr-vlan,reg=0x71000001 -device spapr-vlan -device spapr-vlan"),
    ("an NVRAM elsewhere", "-nodefaults -global spapr-nvram.reg=0x71000005 -device spapr-vlan -device spapr-vlan,reg=0x71000001"),
    ("PHBs", "-nodefaults -device spapr-pci-host-bridge,index=1,id=b -device spapr-pci-host-bridge,index=3,id=c,pgsz=0x11000"),
    ("a PHB without 64-bit windows", "-device spapr-pci-host-bridge,index=2,id=two,ddw=off"),
    ("-global for all PHBs", "-nodefaults -global spapr-pci-host-bridge.pgsz=0x1000 -device spapr-pci-host-bridge,index=1,id=b"),
    ("-set for one", "-nodefaults -device spapr-pci-host-bridge,index=1,id=b -set device.b.ddw=off"),
    ("memory in MiB", "-nodefaults -m 1024"),
    ("no memory is the default", "-nodefaults -m 0"),
    ("memory with its unit", "-nodefaults -m 1G,slots=2,maxmem=3G"),
    ("maxmem in bytes", "-nodefaults -m size=1G,slots=2,maxmem=4294967296"),
    ("maxmem alone", "-nodefaults -m maxmem=2g,slots=1"),
    ("a fraction of memory", "-nodefaults -m 1.5G"),
    ("memory in KiB", "-nodefaults -m 1048576k"),
    ("a disk's image behind an option without a value", "-nodefaults -portrait null-co://"),
    ("a value that looks like an option", "-nodefaults -name -nic"),
    ("a value that looks like an option, of an option that is not known here", "-nodefaults -uuid 11111111-2222-3333-4444-555566667777 -net nic"),
)]
