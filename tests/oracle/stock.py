# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stock qemu-system-ppc64, run stopped with the devices that libvirt decided on, and what it says of its TCE tables.

Its voices: the monitor's `info mtree` (LIOBN, base, size), the trace events spapr_iommu_new_table (LIOBN), spapr_iommu_pre_save (TCEs and page
shift, as each table is saved for a migration) and spapr_iommu_ddw_create; and the RTAS calls that a guest would make, by qtest.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time


class Refused(Exception):
    """QEMU did not run: what it said last."""


def wait_until(done, seconds=10):
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.01)


class Stock:
    """One QEMU with its monitor on its standard input and output. A context manager: it is gone at the end."""

    def __init__(self, arguments, running=False, binary="qemu-system-ppc64"):
        self.folder = tempfile.mkdtemp(prefix="stock.")
        self.qtest = os.path.join(self.folder, "qtest")
        self.asked = None
        self.errors = open(os.path.join(self.folder, "stderr"), "w+")
        self.process = subprocess.Popen(
            [binary, *arguments, "-display", "none", "-qmp", "stdio",
             "-trace", "spapr_iommu_new_table", "-trace", "spapr_iommu_pre_save", "-trace", "spapr_iommu_ddw_*",
             *([] if running else ["-qtest", f"unix:{self.qtest},server=on,wait=off", "-qtest-log", "none"])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, bufsize=0)
        self.lines = self.process.stdout
        self.ended = False

    def __enter__(self):
        try:
            self._read()
            self.qmp("qmp_capabilities")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.asked:
            self.asked.close()
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.lines.close()
        self.errors.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def said(self):
        """Standard error, the trace with it."""
        with open(self.errors.name) as f:
            return f.read()

    def _read(self):
        line = self.lines.readline()
        if not line:
            status = self.process.wait(20)
            said = [line for line in self.said().splitlines() if not re.match(r"(\d+@[\d.]+:)?spapr_", line)]
            how = f"signal {-status}" if status < 0 else f"exit status {status}"
            raise Refused(f"{how}: {' / '.join(said[-3:])}")
        return json.loads(line)

    def qmp(self, command, **arguments):
        try:
            self.process.stdin.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        except BrokenPipeError:
            # It has ended before it could read that; what it said last tells why.
            while True:
                self._read()
        while True:
            reply = self._read()
            if "event" in reply:
                self.ended |= reply["event"] == "SHUTDOWN"
                continue
            if "error" in reply:
                raise Refused(f"{command}: {reply['error']['desc']}")
            return reply["return"]

    def wait_for_end(self, seconds):
        """Until the guest has switched itself off. A guest that does not is killed."""
        watchdog = threading.Timer(seconds, self.process.kill)
        watchdog.start()
        try:
            while not self.ended:
                event = self._read().get("event")
                self.ended |= event == "SHUTDOWN"
                if event == "GUEST_PANICKED":
                    raise Refused("the guest panicked")
        finally:
            watchdog.cancel()

    def monitor(self, line):
        return self.qmp("human-monitor-command", **{"command-line": line})

    def traced(self):
        """The LIOBNs of spapr_iommu_new_table, in the order in which tables were made."""
        return [int(liobn, 16) for liobn in re.findall(r"spapr_iommu_new_table liobn=(?:0x)?([0-9a-f]+)", self.said())]

    def regions(self):
        """LIOBN -> (base, size) of each table that is enabled, from `info mtree`."""
        return parse_mtree(self.monitor("info mtree"))

    def names(self):
        """LIOBN -> id of the device that has it, from `info qtree`: VIO devices by reg, PHBs by index (the implicit one is "")."""
        return parse_qtree(self.monitor("info qtree"))

    def saved(self):
        """LIOBN -> (TCEs, page shift, bus offset) of each table with TCEs, as QEMU saves it. Nothing else says the page shift."""
        self.qmp("migrate", uri="exec:cat >/dev/null")
        while True:
            status = self.qmp("query-migrate").get("status")
            if status == "completed":
                break
            if status in ("failed", "cancelled"):
                raise Refused("its state could not be saved")
            time.sleep(0.01)
        return {int(liobn, 16): (int(entries, 16), int(shift), int(offset, 16)) for liobn, entries, offset, shift in re.findall(
            r"spapr_iommu_pre_save liobn=(\w+) (\w+) bus_offset=(\w+) ps=(\d+)", self.said()) if int(entries, 16)}

    def rtas(self, call, arguments, returns):
        """A guest's RTAS call: the words that it would get back. Its arguments are put where a guest could have them."""
        if not self.asked:
            channel = socket.socket(socket.AF_UNIX)
            channel.connect(self.qtest)
            self.asked = channel.makefile("rw")
            channel.close()
        words = b"".join((word & 0xFFFFFFFF).to_bytes(4, "big") for word in arguments).hex()
        self._ask(f"write {SCRATCH:#x} {4 * len(arguments)} 0x{words}")
        self._ask(f"rtas {call} {len(arguments)} {SCRATCH:#x} {returns} {SCRATCH + 0x100:#x}")
        back = bytes.fromhex(self._ask(f"read {SCRATCH + 0x100:#x} {4 * returns}")[2:])
        return [int.from_bytes(back[i:i + 4], "big") for i in range(0, len(back), 4)]

    def _ask(self, line):
        self.asked.write(line + "\n")
        self.asked.flush()
        answer = self.asked.readline().split()
        if not answer:
            self._read()
        if answer[0] != "OK":
            raise Refused(f"{line}: {' '.join(answer)}")
        return answer[-1]

    def query_window(self, index):
        """ibm,query-pe-dma-window on the PHB with this index: (windows left, page sizes, largest number of TCEs), None: not offered."""
        buid = phb_buid(index)
        short = self.rtas("ibm,query-pe-dma-window", [0, buid >> 32, buid], 5)
        wide = self.rtas("ibm,query-pe-dma-window", [0, buid >> 32, buid], 6)
        if short[0] or wide[0]:
            if (short[0], wide[0]) != (PARAMETER_ERROR, PARAMETER_ERROR):
                raise ValueError(f"odd answers to a query: {short}, {wide}")
            return None
        if short[3] != wide[4]:
            raise ValueError(f"two answers on page sizes: {short}, {wide}")
        return short[1], {1 << shift for bit, shift in enumerate(RTAS_SHIFTS) if short[3] & 1 << bit}, wide[2] << 32 | wide[3]

    def create_window(self, index, page_shift, window_shift):
        """ibm,create-pe-dma-window: (status, LIOBN, base)."""
        buid = phb_buid(index)
        status, liobn, high, low = self.rtas("ibm,create-pe-dma-window", [0, buid >> 32, buid, page_shift, window_shift], 4)
        return status, liobn, high << 32 | low

    def remove_window(self, liobn):
        return self.rtas("ibm,remove-pe-dma-window", [liobn], 1)[0]

    def windows_made(self):
        """LIOBN, base, page size, size of each spapr_iommu_ddw_create, in their order."""
        return [(int(liobn, 16), int(base, 16), int(page, 16), int(size, 16)) for page, size, base, liobn in re.findall(
            r"spapr_iommu_ddw_create buid=\w+ addr=\w+, page size=(\w+), requested=(\w+), start addr=(\w+), liobn=(\w+)", self.said())]


# Guest memory that nothing needs while the guest stands still.
SCRATCH = 0x200000
PARAMETER_ERROR = 0xFFFFFFFD
# PAPR's bits for page sizes in the answer to a query (QEMU: RTAS_DDW_PGSIZE_*), from bit 0 on.
RTAS_SHIFTS = (12, 16, 24, 25, 26, 27, 28, 34, 21)


def phb_buid(index):
    return 0x800000020000000 + index


def parse_mtree(text):
    """Aliases and disabled regions left out; the same region may be shown in more than one address space."""
    found = {}
    for base, end, kind, name, rest in re.findall(
            r"^ *([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?\d+, ([\w/]+)\): tce-iommu-([0-9a-f]+)(.*)$", text, re.M):
        if "[disabled]" in rest:
            continue
        window = (int(base, 16), int(end, 16) - int(base, 16) + 1)
        if found.setdefault(int(name, 16), window) != window:
            raise ValueError(f"tce-iommu-{name} is at two places")
    return found


def parse_qtree(text):
    names = {}
    for block in re.split(r"^ *dev: ", text, flags=re.M)[1:]:
        head = re.match(r'([\w.-]+), id "([^"]*)"', block)
        if not head:
            continue
        kind, name = head.groups()
        if kind == "spapr-pci-host-bridge":
            index = int(re.search(r"^ *index = (\d+)", block, re.M).group(1))
            names[0x80000000 | index << 8] = name
        elif kind in ("spapr-vlan", "spapr-vscsi", "tpm-spapr"):
            names[int(re.search(r"^ *reg = (\w+)", block, re.M).group(1), 0)] = name
    return names
