#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""guests.py PLAN-TOOL HOST.json INITRDS usual|all NAME=VMLINUX...: real Linux guests under TCG, with each of these kernels, and the 64-bit windows that they
ask for, against the plan's likely rows. INITRDS has a NAME.cpio for each kernel. Run by guests.sh, in libvirt's namespace. TAP.
"""

import concurrent.futures
import os
import pathlib
import re
import shutil
import sys
import tempfile

import compare
import decided
import judge
import sets
import stock

LIMIT = 120  # seconds; a guest needs three


def boot(case, kernel, image, initrd):
    """The windows that the guest made: (LIOBN, base, page size, size) of each; and what its console said."""
    console = case.folder / f"console.{kernel}"
    words = [word for word in decided.runnable(case.words, None) if word != "-S"]
    words += ["-kernel", image, "-initrd", initrd, "-append", "console=hvc0 loglevel=7 panic=-1",
              "-chardev", f"file,id=console,path={console}", "-device", "spapr-vty,chardev=console,reg=0x30000000", "-no-reboot"]
    with stock.Stock(words, running=True) as guest:
        guest.wait_for_end(LIMIT)
        return guest.windows_made(), guest.said(), console.read_text(errors="replace")


def gets_none(plan, version, page):
    """Does this Linux get no window where 6.1 gets one? Seen with 6.12 and with all that came after. It asks for 2^0 bytes, and is refused, where QEMU
    told it that its memory ends at 0 (the finding no-maxmemory), and where the largest page offered has 128 MiB or more: the number of TCEs
    that QEMU allows, 2^37, times that is 2^64, which is 0 to it.
    """
    if version < (6, 12):
        return False
    forgetful = judge.qemu_version() < (10, 0) # 10.0 says how much memory there is
    return page >> 27 or forgetful and "no-maxmemory" in [finding["id"] for finding in plan["findings"]]


def differences(case, made, said, console):
    """Windows planned as likely, on PHBs whose devices speak virtio, and those made."""
    plan = case.plans["as written"]
    if "error" in plan:
        return [f"no plan: {plan['error']}"]
    version = re.search(r"Linux version (\d+)\.(\d+)", console)
    if not version or "Run /init" not in console:
        return ["the guest did not come up"]
    version = tuple(int(number) for number in version.groups())
    busy = {phb["alias"] for phb in plan["phbs"] if any(device["element"] in VIRTIO for device in phb["devices"])}
    want = {(table["liobn"], table["bus_offset"], 1 << table["page_shift"], table["size"])
            for table in compare.of(plan["tables"], "dynamic") if table["likely"] and table["device"] in busy}
    want = {window for window in want if not gets_none(plan, version, window[2])}
    lines = []
    for window in sorted(set(made) ^ want):
        text = "{0:08x} at {1:#x}: {3:#x} bytes in pages of {2:#x}".format(*window)
        lines.append(f"{text}: " + ("asked for, and not planned" if window in made else "planned, and not asked for"))
    if lines:
        lines += [line for line in said.splitlines() if "ddw" in line][:6] + re.findall(r"^.*pe-dma-window.*$", console, re.M)[:6]
    return lines


# Elements that are virtio's in the guests' sets.
VIRTIO = {"memballoon", "rng", "disk"}


def main():
    tool, host, initrds, which, *kernels = sys.argv[1:]
    kernels = dict(kernel.split("=", 1) for kernel in kernels)
    machines = judge.installed_machines()
    rows = [row for n, row in enumerate(sets.GUESTS) if row.machine in machines and (which == "all" or n < sets.USUAL)]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tced-guests."))
    try:
        cases = [judge.Case(row, folder / str(n)) for n, row in enumerate(rows)]
        for case in cases:
            case.decide()
        judge.make_plans(tool, host, cases)
        for kernel in [kernel for kernel, image in kernels.items() if not image]:
            judge.point(False, f"Linux {kernel} can be had")
            del kernels[kernel]
        jobs = [(case, kernel) for case in cases for kernel in kernels]

        def run(job):
            case, kernel = job
            if case.refused:
                return [case.refused]
            try:
                return differences(case, *boot(case, kernel, kernels[kernel], f"{initrds}/{kernel}.cpio"))
            except (stock.Refused, ValueError) as e:
                return [f"QEMU: {e}"]

        with concurrent.futures.ThreadPoolExecutor(max(os.cpu_count() or 1, 2)) as pool:
            for (case, kernel), lines in zip(jobs, pool.map(run, jobs)):
                judge.point(not lines, f"Linux {kernel}, {case.row.name}", lines)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return judge.done()


if __name__ == "__main__":
    sys.exit(main())
