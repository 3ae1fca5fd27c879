"""All tests of tests/kernels on one implementation after another, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from portability.implementations import IMPLEMENTATIONS, REPOSITORY, Implementation
from portability.tables import markdown_table

TWINS, GOLDEN = "tests/kernels/test_twins.py", "tests/kernels/test_golden.py"

RACE = """
import sys
import numpy as np, pyopencl as cl
device = next(d for p in cl.get_platforms() for d in p.get_devices() if "oclgrind" in d.name.lower())
context = cl.Context([device])
queue = cl.CommandQueue(context)
buffer = cl.Buffer(context, cl.mem_flags.READ_WRITE, 64)
text = "__kernel void race(__global int *a) { a[0] += (int)get_global_id(0); a[get_global_id(0) + 13] = 1; }"
cl.Kernel(cl.Program(context, text).build(), "race")(queue, (4,), None, buffer)
queue.finish()
"""
"""Work-items that write to one number, and one that writes beyond the end: the simulator has to report both."""


@dataclass
class Outcome:
    """What the tests said of one implementation.

    Attributes
    ----------
    implementation : Implementation
    device : str
        Empty where it is not here.
    worst : dict of str to float
        Of the kernels of a comparison, the largest error over its tolerance under any tuning; infinite where it failed.
    golden : dict of str to bool
        Whether all bits of a golden test are right.
    passed, failed : int
        Tests.
    reports : list of str
        Lines of Oclgrind's log.
    """

    implementation: Implementation
    device: str = ""
    worst: dict[str, float] = field(default_factory=dict)
    golden: dict[str, bool] = field(default_factory=dict)
    passed: int = 0
    failed: int = 0
    reports: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        """Whether nothing failed; also where it is not here."""
        return not (self.failed or self.reports or (self.device and not self.worst))

    def cell(self, row: str) -> str:
        """What the table shows in a row."""
        if not self.device:
            return "not here"
        if row in self.golden:
            return "same" if self.golden[row] else "DIFFERENT"
        worst = self.worst.get(row, float("inf"))
        return f"{worst:.0%}" if worst <= 1 else "FAILED"


def run_kernel_tests(folder: Path, names: list[str], *, quick: bool) -> list[Outcome]:
    """Run the tests on the implementations of these names; prints what they print where one fails.

    The quick ones are one comparison a kernel and tuning, and the golden hashes.
    """
    chosen = [implementation for implementation in IMPLEMENTATIONS if implementation.name in names]
    paths = [TWINS, GOLDEN] if quick else ["tests/kernels"]
    return [_test_one(implementation, paths, folder) for implementation in chosen]


def kernel_table(outcomes: list[Outcome]) -> str:
    """Kernels by implementations, as Markdown."""
    rows = list(dict.fromkeys(row for outcome in outcomes for row in (*outcome.worst, *outcome.golden)))
    table = [[row, *(outcome.cell(row) for outcome in outcomes)] for row in rows]
    table.append(["all tests", *(_tests_text(outcome) for outcome in outcomes)])
    text = markdown_table(["kernels", *(outcome.implementation.name for outcome in outcomes)], table)
    lines = [f"- {o.implementation.name}: {o.device or f'not here; {o.implementation.install}'}" for o in outcomes]
    return "\n".join([*lines, "", text])


def _tests_text(outcome: Outcome) -> str:
    if not outcome.device:
        return "not here"
    log = f", {len(outcome.reports)} reports" if outcome.implementation.name == "Oclgrind" else ""
    return f"{outcome.passed} passed" + (f", {outcome.failed} FAILED" if outcome.failed else "") + log


def _test_one(implementation: Implementation, paths: list[str], folder: Path) -> Outcome:
    environment = implementation.process_environment(folder)
    device = implementation.device(environment)
    if device is None:
        return Outcome(implementation)
    outcome = Outcome(implementation, f"{device['label']}, driver {device['driver']}")
    log, report = folder / "oclgrind.log", folder / "report.xml"
    environment |= {"COLDSTART_TEST_DEVICE": implementation.match, "OCLGRIND_LOG": str(log)}
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "junit_family=xunit1",
            f"--junit-xml={report}", *paths,
        ],
        cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        print(done.stdout[-8_000:], done.stderr[-2_000:], sep="\n", file=sys.stderr)
    _read_report(report, outcome)
    if implementation.name == "Oclgrind":
        outcome.reports = _reports(log, environment)
        print(*outcome.reports, sep="\n", end="", file=sys.stderr)
    return outcome


def _read_report(path: Path, outcome: Outcome) -> None:
    if not path.is_file():  # the process ended before its end
        outcome.failed += 1
        return
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        failed = case.find("failure") is not None or case.find("error") is not None
        outcome.failed += failed
        outcome.passed += not failed and case.find("skipped") is None
        said = {item.get("name", ""): item.get("value", "") for item in case.iter("property")}
        name = case.get("name", "").partition("[")[0]
        if "kernels" in said:
            worst = float("inf") if failed else float(said["of_tolerance"])
            outcome.worst[said["kernels"]] = max(outcome.worst.get(said["kernels"], 0.0), worst)
        elif case.get("classname", "").endswith("test_golden"):
            row = f"bits of {name.removeprefix('test_').replace('_', ' ')}"
            outcome.golden[row] = outcome.golden.get(row, True) and not failed


def _reports(log: Path, environment: dict[str, str]) -> list[str]:
    """Lines of the log: the simulator's exit code tells nothing. A log that misses a planted race is a report too."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else ["Oclgrind wrote no log"]
    planted = log.with_name("planted.log")
    subprocess.run([sys.executable, "-c", RACE], env=environment | {"OCLGRIND_LOG": str(planted)}, check=True)
    text = planted.read_text(encoding="utf-8") if planted.is_file() else ""
    missed = [what for what in ("data race", "Invalid write") if what not in text]
    return [*lines, *(f"Oclgrind did not report a planted fault: {what}" for what in missed)]
