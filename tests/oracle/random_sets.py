# SPDX-License-Identifier: LGPL-2.1-or-later
"""Device sets that nobody thought of: random_sets(seed, count). The same seed gives the same sets. Elements stand in any order; addresses,
targets, registers and QEMU's own words are there or not. Some can't start, for an interrupt that two have or the like.

What libvirt's releases do differently is left out: holes in the controllers' indexes (docs/plan.md).
"""

import random

from sets import HOSTS, Set, balloon, bridge, disk, hostdev, net, nvram, phb, plain_device, pci, rng, scsi_disk, serial, tpm, usb, vlan, vscsi

REGISTERS = [0x1000, 0x2000, 0x3000, 0x4000, 0x5000, 0x9000, 0x1A000, 0x30001000, 0x30002000, 0x71000003, 0x71000009, 0x7FFFF000]


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.devices, self.used, self.buses, self.targets = [], set(), [0], []

    def maybe(self, chance):
        return self.random.random() < chance

    def place(self):
        """A slot that nobody has, or None: libvirt's choice."""
        at = (self.random.choice(self.buses), self.random.randint(1, 31))
        if at in self.used or self.maybe(0.5):
            return None
        self.used.add(at)
        return at

    def controllers(self):
        count = self.random.choice([0, 0, 1, 1, 2, 3, 5])
        self.targets = self.random.sample(range(1, 31), count)
        for index, target in enumerate(self.targets, 1):
            self.devices.append(phb(index, target, alias=f"ua-phb{index}" if self.maybe(0.2) else None))
            self.buses.append(index)
        for _ in range(self.random.choice([0, 0, 0, 1, 2])):
            self.devices.append(bridge(len(self.buses), self.place()))
            self.buses.append(len(self.buses))

    def pci_devices(self):
        for n in range(self.random.choice([0, 1, 2, 4, 8, 20])):
            self.devices.append(self.random.choice([
                lambda n=n: disk(n, self.place()), lambda n=n: disk(n, self.place()), lambda: net(self.place()),
                lambda: net(self.place(), "e1000"), lambda: rng(self.place()),
                lambda: plain_device("sound", pci(self.place()), model="ich6")])())
        for host in self.random.sample(HOSTS, self.random.choice([0, 0, 0, 1, 2])):
            self.devices.append(hostdev(host, self.place()))
        self.devices.append(balloon(self.random.choice(["none", "virtio"])))
        self.devices.append(usb(self.random.choice(["none", "nec-xhci", "pci-ohci", "qemu-xhci"])))

    def vio_devices(self):
        registers, controllers = self.random.sample(REGISTERS, 8), 0
        for n in range(self.random.choice([0, 0, 1, 2, 3, 6])):
            register = registers.pop() if self.maybe(0.4) else None
            kind = self.random.randrange(4)
            if kind == 1:
                self.devices.append(vscsi(controllers, register))
                controllers += 1
            else:
                self.devices.append([vlan, None, serial, lambda _, n=n: scsi_disk(n)][kind](register))
        if self.maybe(0.2):
            self.devices.append(tpm())
        if self.maybe(0.2):
            self.devices.append(nvram(self.random.choice([None, 0x3000, 0x7000, 0x71000005])))

    def properties(self):
        choices = {"pgsz": ["0x1000", "69632", "0x1001000", "010000", "0x210000", "0x11000"], "ddw": ["off", "on", "no", "false", "true", "yes"],
                   "dma_win_size": ["0x10000000", "1073741824", "0x80000000", "04000000000", "0x100000000"]}
        return {name: self.random.choice(values) for name, values in choices.items() if self.maybe(0.25)}

    def arguments(self):
        words = []
        if self.maybe(0.2):
            index = self.random.choice([n for n in range(1, 31) if n not in self.targets])
            words += ["-device", f"spapr-pci-host-bridge,index={index},id=own,ddw={self.random.choice(['on', 'off'])}"]
            words += ["-set", "device.own.pgsz=0x11000"] if self.maybe(0.5) else []
        if self.maybe(0.2):
            words += ["-device", self.random.choice(["spapr-vlan,id=ownvlan", "spapr-vlan,id=ownvlan,reg=0x6000", "spapr-vscsi,id=ownscsi,reg=28672"])]
        return words

    def override(self):
        said = []
        aliases = [f"pci.{n}" for n in range(1, len(self.targets) + 1) if f"ua-phb{n}" not in "".join(self.devices)]
        if aliases and self.maybe(0.3):
            said.append((self.random.choice(aliases), self.random.choice(["pgsz", "dma_win_size"]), self.random.choice([0x1000, 0x10000, 0x20000000])))
        if aliases and self.maybe(0.1):
            said.append((self.random.choice(aliases), "ddw", self.maybe(0.5)))
        return said

    def make(self, name):
        self.controllers()
        self.pci_devices()
        self.vio_devices()
        self.random.shuffle(self.devices)
        return Set(name, self.devices, machine=self.random.choice(["pseries", "pseries", "pseries-4.1", "pseries-6.0", "pseries-3.1"]),
                   memory=self.random.choice([256, 512, 700, 1024]), max_memory=self.random.choice([0, 0, 2048, 3000, 8192, 65536]),
                   globals=self.properties(), arguments=self.arguments(), override=self.override())


def random_sets(seed, count):
    return [Maker(f"{seed}.{n}").make(f"random {seed}.{n}") for n in range(count)]
