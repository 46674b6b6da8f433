#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""judge.py PLAN-TOOL HOST.json [PART-OF-A-NAME | random SEED COUNT]: plans against libvirt and a stock QEMU, all sets of sets.py and some random
ones, or those. Run by judge.sh, in libvirt's namespace. TAP.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from xml.sax.saxutils import escape

import compare
import decided
import random_sets
import sets
import stock

HARDWARE_ERROR = 0xFFFFFFFF  # RTAS: -1
ENTITIES = {"'": "&apos;", '"': "&quot;"}
AS_WORDS = "as QEMU's words"  # of which no libvirt knows more
LEAST = 60  # sets that must have been compared
RANDOM = (1, 40)  # seed, count: of these at least half must start

points = failures = 0


def point(good, name, lines=()):
    global points, failures
    points += 1
    failures += not good
    print(f"{'' if good else 'not '}ok {points} - {name}")
    for line in lines:
        print("#   " + line)
    sys.stdout.flush()


def done():
    print(f"1..{points}")
    return failures > 0


class Case:
    """A set on its way: what libvirt made of it, what tced plans for it as it was written and as libvirt completed it."""

    def __init__(self, row, folder):
        self.row, self.folder = row, folder
        self.raw, self.full = folder / "raw.xml", folder / "full.xml"
        self.line = folder / "qemu.words"
        self.words = self.refused = None
        self.plans = {}
        folder.mkdir(parents=True)
        self.raw.write_text(row.to_xml())

    def decide(self):
        try:
            completed = decided.complete(self.row.to_xml(), self.folder)
            self.full.write_text(completed)
            self.words = decided.arguments(completed, self.folder)
            write_words(self.line, self.words)
        except decided.Refused as e:
            self.refused = f"libvirt: {e}"

    def checked(self):
        """The plans with findings: nobody asks for those of a command line."""
        return [(name, plan) for name, plan in self.plans.items() if name != AS_WORDS]

    def with_qemu(self, look):
        """What look(qemu) gives, with this set's QEMU; its TPM is one of software."""
        tpm, path = None, self.folder / "tpm.sock"
        if "-tpmdev" in self.words:
            tpm = subprocess.Popen(["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.folder}", "--ctrl", f"type=unixio,path={path}"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stock.wait_until(path.exists)
        try:
            with stock.Stock(decided.runnable(self.words, path)) as qemu:
                return look(qemu)
        finally:
            if tpm:
                tpm.kill()
                tpm.wait()


def write_words(path, words):
    """As /proc/PID/cmdline has them."""
    path.write_text("".join(word + "\0" for word in ["/usr/bin/qemu-system-ppc64", *words]))


def make_plans(tool, host, cases):
    files = [(case, name, path) for case in cases for name, path in (("as written", case.raw), ("as completed", case.full), (AS_WORDS, case.line)) if path.exists()]
    run = subprocess.run([tool, host, *(str(path) for _, _, path in files)], capture_output=True, text=True, check=False)
    lines = run.stdout.splitlines()
    if len(lines) != len(files):
        raise SystemExit(f"{tool}: {run.stderr}, {len(lines)} plans of {len(files)}")
    for (case, name, _), line in zip(files, lines):
        case.plans[name] = json.loads(line)


def errors_of(plan):
    return [finding for finding in plan.get("findings", []) if finding["severity"] == "error"]


def judge_plain(case):
    """(differences, tables compared, 64-bit windows compared)"""
    if case.refused:
        return [case.refused], 0, 0
    lines, counts = [], [0, 0]

    def look(qemu):
        start = compare.AtStart(qemu)
        lines.extend(f"{name}: no plan: {plan['error']}" for name, plan in case.plans.items() if "error" in plan)
        plans = {name: plan for name, plan in case.plans.items() if "error" not in plan}
        for name, plan in plans.items():
            lines.extend(f"{name}: QEMU starts it, the plan says that it won't: {finding['id']}: {finding['text']}"
                         for finding in errors_of(plan) if finding["id"] != case.row.unseen)
            for part in (compare.dynamic_tables(plan, qemu), compare.devices(plan, case.words) if name != AS_WORDS else ()):
                lines.extend(f"{name}: {line}" for line in part)
        start.save(qemu)
        for name, plan in plans.items():
            lines.extend(f"{name}: {line}" for line in compare.default_tables(plan, start))
            counts[0] = len(compare.of(plan["tables"], "default"))
            counts[1] = len(compare.of(plan["tables"], "dynamic"))

    try:
        case.with_qemu(look)
    except (stock.Refused, ValueError) as e:
        lines.append(f"QEMU: {e}")
    return lines, *counts


class Bare:
    """A QEMU that somebody starts by hand."""

    def __init__(self, name, words, folder):
        self.name, self.words, self.folder = name, words, folder
        folder.mkdir(parents=True)
        self.line = folder / "qemu.words"
        write_words(self.line, words)


def judge_bare(tool, host, bare):
    run = subprocess.run([tool, host, str(bare.line)], capture_output=True, text=True, check=False)
    plan = json.loads(run.stdout or json.dumps({"error": run.stderr}))
    if "error" in plan:
        return [f"no plan: {plan['error']}"], 0
    lines = []
    try:
        with stock.Stock(bare.words) as qemu:
            start = compare.AtStart(qemu)
            lines += compare.dynamic_tables(plan, qemu)
            start.save(qemu)
            lines += compare.default_tables(plan, start)
    except (stock.Refused, ValueError) as e:
        lines.append(f"QEMU: {e}")
    return lines, len(compare.of(plan["tables"], "default"))


def report_bare(tool, host, folder, only, pool):
    bares = [Bare(name, words.split(), folder / f"bare{n}") for n, (name, words) in enumerate(sets.BARE) if only in name]
    for bare, (lines, count) in zip(bares, pool.map(lambda bare: judge_bare(tool, host, bare), bares)):
        point(not lines, f"by hand: {bare.name}, {count} tables", lines)


def judge_random(case):
    """As judge_plain(). What libvirt or QEMU refuses tells nothing: not everything that they refuse is about tables."""
    if case.refused:
        return [], "refused"
    lines, _, _ = judge_plain(case)
    if any(line.startswith("QEMU: ") for line in lines):
        return [], "refused"
    # There are no groups where QEMU runs.
    return [line for line in lines if not re.search("group-busy|device-missing", line)], "started"


def judge_bad(case):
    """(what is wrong with the plan, what was seen)"""
    lines, seen = [], case.refused
    if not seen:
        try:
            case.with_qemu(lambda qemu: None)
        except stock.Refused as e:
            seen = f"QEMU: {e}"
    if not seen:
        return ["it starts"], "it starts"
    if not re.search(case.row.refusal, seen):
        lines.append(f"it should say: {case.row.refusal}")
    for name, plan in case.checked():
        if case.row.finding:
            if case.row.finding not in [finding["id"] for finding in errors_of(plan)]:
                lines.append(f"{name}: no finding {case.row.finding} that makes the start fail: "
                             f"{plan.get('error') or [finding['id'] for finding in plan['findings']]}")
        elif "error" not in plan and not errors_of(plan):
            lines.append(f"{name}: the plan sees nothing wrong")
    return lines, tidy(seen)


def judge_ending(case):
    """As judge_bad(): QEMU starts, and aborts at the second empty table (hw/ppc/spapr_iommu.c: the region of the first is never taken out)."""
    lines, seen = [case.refused] if case.refused else [], "it goes on"

    def end(qemu):
        if "64-bit" in case.row.name:
            order = next(table["size"] for table in case.plans["as written"]["tables"] if table["window"] == "dynamic").bit_length() - 1
            if qemu.create_window(0, 12, order)[0] != HARDWARE_ERROR:
                lines.append("the window is not refused")
            qemu.create_window(0, 12, order)
        else:
            qemu.qmp("system_reset")
            stock.wait_until(lambda: qemu.qmp("query-status") and False, 5)

    # For so much memory QEMU itself needs minutes to start; it is the guest who makes its window as large as that.
    case.words = [re.sub(r"maxmem=\d+k", f"maxmem={8 << 20}k", word) for word in case.words or []]
    if not lines:
        try:
            case.with_qemu(end)
            lines.append("QEMU goes on")
        except stock.Refused as e:
            seen = str(e)
    if not re.search("signal 6", seen):
        lines.append("it should be aborted")
    for name, plan in case.checked():
        findings = [(finding["id"], finding["severity"]) for finding in plan.get("findings", [])]
        if (case.row.finding, "warning") not in findings:
            lines.append(f"{name}: no warning {case.row.finding}: {plan.get('error') or findings}")
        if errors_of(plan):
            lines.append(f"{name}: the plan says that it does not start")
    return lines, tidy(seen)


def judge_started(case):
    """Does libvirt start what it said that it would? Its VM's devices, and the tables in it, by libvirt's own way to the monitor."""
    if case.refused:
        return [case.refused], ""
    name, lines = case.row.name, []
    try:
        decided.virsh("create", "--paused", str(case.full))
    except decided.Refused as e:
        return [str(e)], ""
    try:
        # The file's name is escaped like XML (libvirt's virPidFileBuildPath()).
        pid = pathlib.Path(f"/run/libvirt/qemu/{escape(name, ENTITIES)}.pid").read_text().strip()
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        said, started = list(decided.devices(case.words)), list(decided.devices(words))
        lines += [f"said, not started: {device}" for device in said if device not in started]
        lines += [f"started, not said: {device}" for device in started if device not in said]
        regions = stock.parse_mtree(decided.virsh("qemu-monitor-command", "--hmp", name, "info mtree"))
        for which, plan in case.plans.items():
            planned = {table["liobn"]: (table["bus_offset"], table["size"]) for table in compare.of(plan.get("tables", []), "default")}
            if planned != regions:
                lines.append(f"{which}: planned {planned}, started {regions}")
    finally:
        decided.virsh("destroy", name)
    return lines, f"{len(started)} devices, {len(regions)} tables"


def tidy(text):
    return re.sub(r"/tmp/\S*/|\d{4}-\d\d-\d\dT\S+ ", "", text)


def installed_machines():
    run = subprocess.run(["qemu-system-ppc64", "-machine", "help"], capture_output=True, text=True, check=True)
    return {line.split()[0] for line in run.stdout.splitlines()[1:]}


def qemu_version():
    run = subprocess.run(["qemu-system-ppc64", "--version"], capture_output=True, text=True, check=True)
    return tuple(int(number) for number in re.search(r"version (\d+)\.(\d+)", run.stdout).groups())


def main():
    tool, host = sys.argv[1:3]
    only = sys.argv[3] if len(sys.argv) > 3 else ""
    machines = installed_machines()
    rows = [row for row in sets.PLAIN + sets.BAD + sets.ENDING if row.machine in machines and only in row.name]
    chance = []
    if only in ("", "random"):
        chance = random_sets.random_sets(*(map(int, sys.argv[4:6]) if len(sys.argv) > 5 else RANDOM))
    rows += chance
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tced-oracle."))
    try:
        with concurrent.futures.ThreadPoolExecutor(max(os.cpu_count() or 1, 2)) as pool:
            cases = [Case(row, folder / str(n)) for n, row in enumerate(rows)]
            list(pool.map(Case.decide, cases))
            make_plans(tool, host, cases)
            plain = [case for case in cases if case.row in sets.PLAIN]
            report(list(zip(plain, pool.map(judge_plain, plain))), only)
            for word, group, judge in (("started by libvirt", sets.STARTED, judge_started), ("refused", sets.BAD, judge_bad), ("ended", sets.ENDING, judge_ending)):
                group = [case for case in cases if case.row in group or case.row.name in group]
                for case, (lines, seen) in zip(group, pool.map(judge, group)):
                    point(not lines, f"{word}: {case.row.name}", lines + [f"seen: {seen}"])
            report_bare(tool, host, folder, only, pool)
            report_random([case for case in cases if case.row in chance], pool)
            missing = set(sets.STARTED) - {row.name for row in sets.PLAIN}
            if missing:
                raise SystemExit(f"STARTED names what is no set: {missing}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return done()


def report_random(cases, pool):
    started = 0
    for case, (lines, seen) in zip(cases, pool.map(judge_random, cases)):
        started += seen == "started"
        if seen == "started":
            point(not lines, case.row.name, lines)
    if cases:
        point(started * 2 >= len(cases), f"{started} of {len(cases)} random sets start")


def report(judged, only):
    compared = tables = windows = 0
    for case, (lines, default, dynamic) in judged:
        point(not lines, case.row.name, lines)
        compared += not lines and default >= 1
        tables, windows = tables + default, windows + dynamic
    if only:
        return
    differences = sum(len(lines) for _, (lines, _, _) in judged)
    point(compared >= LEAST and not differences,
          f"{compared} device sets, {tables} tables and {windows} 64-bit windows: " +
          ("no difference" if not differences else f"{differences} differences"),
          [] if compared >= LEAST else [f"{LEAST} device sets must be compared"])


if __name__ == "__main__":
    sys.exit(main())
