# SPDX-License-Identifier: LGPL-2.1-or-later
"""A plan (docs/plan.md) against a stock QEMU with the devices that libvirt decided on: what differs, as lines for people."""

import decided


def of(tables, window):
    return [table for table in tables if table["window"] == window]


class AtStart:
    """QEMU's tables as they are before the guest asks for anything. Made first of all; save() is for the end, as QEMU does that once."""

    def __init__(self, qemu):
        self.regions, self.names, self.traced = qemu.regions(), qemu.names(), set(qemu.traced())
        self.saved = {}

    def save(self, qemu):
        self.saved = qemu.saved()


def default_tables(plan, start):
    """LIOBN, device, base, size, TCEs and page shift of the tables that are there before the guest runs."""
    regions, saved, names, traced = start.regions, start.saved, start.names, start.traced
    planned = {table["liobn"]: table for table in of(plan["tables"], "default")}
    for liobn in sorted(set(regions) | set(saved) | traced - set(regions) - set(saved)):
        if liobn not in planned:
            yield f"{liobn:08x}: a table of QEMU's that the plan has not"
    for liobn, table in sorted(planned.items()):
        if liobn not in regions or liobn not in saved or liobn not in traced:
            yield f"{liobn:08x}: planned for {table['device']}, and QEMU has no such table"
            continue
        base, size = regions[liobn]
        entries, shift, offset = saved[liobn]
        have = {"bus_offset": base, "size": size, "entries": entries, "page_shift": shift, "bytes": 8 * entries,
                "device": names.get(liobn) or "pci.0"}
        if offset != base:
            yield f"{liobn:08x}: QEMU itself has the base {base:#x} and {offset:#x}"
        for key, value in have.items():
            if table[key] != value:
                yield f"{liobn:08x}: {key} is {show(value)}, planned {show(table[key])}"
    if len(planned) != len(of(plan["tables"], "default")):
        yield "a LIOBN is planned twice"


def dynamic_tables(plan, qemu):
    """Every 64-bit window that is planned, asked for by the guest's own RTAS calls, and none that is not."""
    for phb in plan["phbs"]:
        rows = {table["page_shift"]: table for table in of(plan["tables"], "dynamic") if table["liobn"] >> 8 == (0x800000 | phb["index"])}
        answer = qemu.query_window(phb["index"])
        if (answer is not None) != phb["ddw"]:
            yield f"{phb['alias']}: QEMU {'offers' if answer else 'has no'} 64-bit windows, planned otherwise"
            continue
        if answer is None:
            if rows:
                yield f"{phb['alias']}: windows planned where there are none"
            continue
        if answer[0] != 1 or answer[1] != set(phb["page_sizes"]):
            yield f"{phb['alias']}: {answer[0]} windows left, pages of {sorted(answer[1])}; planned {phb['page_sizes']}"
        yield from windows_of(phb, rows, answer[1], qemu)
    rows = of(plan["tables"], "dynamic")
    if len({(table["liobn"], table["page_shift"]) for table in rows}) != len(rows):
        yield "a 64-bit window is planned twice"


def windows_of(phb, rows, offered, qemu):
    order = max((table["size"] for table in rows.values()), default=1 << 12).bit_length() - 1
    for page in sorted(offered):
        shift = page.bit_length() - 1
        table = rows.pop(shift, None)
        if table is None and shift <= order:
            yield f"{phb['alias']}: pages of {page:#x} are offered, and no window is planned for them"
        if table is None:
            if shift > order and qemu.create_window(phb["index"], shift, order)[0] == 0:
                yield f"{phb['alias']}: QEMU makes a window of one page of {page:#x} and less"
            continue
        if table["size"] & table["size"] - 1:
            yield f"{phb['alias']}: a window of {table['size']:#x} can't be asked for"
            continue
        if table["entries"] >> 28:
            continue # 2 GiB of TCEs: not on everybody's machine
        status, liobn, base = qemu.create_window(phb["index"], shift, table["size"].bit_length() - 1)
        if status:
            yield f"{phb['alias']}: a window with pages of {page:#x} is refused ({status:#x})"
            continue
        made = qemu.windows_made()[-1]
        have = {"liobn": liobn, "bus_offset": base, "size": made[3], "page_shift": made[2].bit_length() - 1,
                "entries": made[3] // made[2], "device": phb["alias"]}
        if qemu.regions().get(liobn) != (base, made[3]) or made[:2] != (liobn, base):
            yield f"{liobn:08x}: QEMU itself says two things of its window: {qemu.regions().get(liobn)}, {made}"
        for key, value in have.items():
            if table[key] != value:
                yield f"{liobn:08x}, pages of {page:#x}: {key} is {show(value)}, planned {show(table[key])}"
        qemu.remove_window(liobn)
    for shift in rows:
        yield f"{phb['alias']}: a window with pages of {1 << shift:#x} is planned, and QEMU doesn't offer them"


def devices(plan, words):
    """Which PHB each PCI device sits on, and where, and each VIO device's register: libvirt's words against the plan."""
    have, regs = {}, {}
    roots, bridges = {"pci.0": "pci.0"}, {}
    for device in decided.devices(words):
        name = device.get("id")
        if device["driver"] == "spapr-pci-host-bridge":
            roots[f"{name}.0"] = name
        elif device["driver"] == "pci-bridge":
            bridges[name] = device["bus"]
        elif "reg" in device and f"device.{name}.reg=" not in " ".join(words):
            regs[name] = int(str(device["reg"]), 0)
        elif "bus" in device and "addr" in device:
            slot, _, function = device["addr"].partition(".")
            have[name] = (device["bus"], int(slot, 16), int(function or "0", 16))
    for name, (bus, slot, function) in have.items():
        while bus in bridges:
            bus = bridges[bus]
        have[name] = (roots.get(bus), slot, function)
    planned = {device["alias"]: (phb["alias"], device["slot"], device["function"])
               for phb in plan["phbs"] for device in phb["devices"] if device["slot"] is not None}
    yield from two(have, planned, "sits at")
    planned = {device["alias"]: device["reg"] for device in plan["vio"] if device["alias"] in regs or device["dma"]}
    regs = {name: reg for name, reg in regs.items() if reg != 0xFFFFFFFF}
    own = set(planned) - set(regs) # QEMU's own choice, or that of -global or -set: seen by their tables
    yield from two(regs, {name: reg for name, reg in planned.items() if name not in own}, "has the register")


def two(have, planned, word):
    for name in sorted(set(have) | set(planned), key=str):
        if have.get(name) != planned.get(name):
            yield f"{name} {word} {show(have.get(name))}, planned {show(planned.get(name))}"


def show(value):
    return f"{value:#x}" if isinstance(value, int) else str(value)
