"""A device that fails in the middle of a run: lost, or short of memory for a moment.

A layer of the OpenCL loader lets launches fail, so that the run meets what a driver would answer.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from coldstart.api import resume_job
from coldstart.io.results import RunFolder

DEVICE_NOT_AVAILABLE, OUT_OF_RESOURCES = -2, -5
"""Of cl.h."""

RUN = """
import sys
from pathlib import Path
from coldstart import AbInitioParams
from coldstart.api import run_job
from coldstart.errors import ColdstartError

particles, output, params = sys.argv[1:]
try:
    run_job(Path(particles), Path(output), AbInitioParams.model_validate_json(params))
except ColdstartError as error:
    sys.exit("\\n".join([f"{type(error).__name__}: {error}", *error.__notes__]))
"""

RunFailing = Callable[[int, int, int], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_failing(unbroken: Any, beside: Path, failing_layer: Path) -> RunFailing:
    """The unbroken run in a process of its own whose device fails after so many launches, so often, with this code."""

    def run(after: int, times: int, code: int) -> "subprocess.CompletedProcess[str]":
        numbers = {"FAIL_AFTER": str(after), "FAIL_TIMES": str(times), "FAIL_CODE": str(code)}
        given = [str(unbroken.particles), str(beside / "run"), unbroken.params.model_dump_json()]
        return subprocess.run(
            [sys.executable, "-c", RUN, *given],
            env={**os.environ, "OPENCL_LAYERS": str(failing_layer), **numbers},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def differing(folder: Path, unbroken: Any, kill_test: ModuleType) -> set[str]:
    found = kill_test.folder_content(folder)
    return {name for name in found | unbroken.content if found.get(name) != unbroken.content.get(name)}


def test_a_lost_device(run_failing: RunFailing, unbroken: Any, beside: Path, kill_test: ModuleType) -> None:
    done = run_failing(300, 10**9, DEVICE_NOT_AVAILABLE)
    assert done.returncode == 1, done.stderr
    assert "DeviceError: " in done.stderr
    assert "DEVICE_NOT_AVAILABLE. The device or its driver is lost" in done.stderr
    assert f"with: coldstart resume {beside / 'run'}" in done.stderr
    assert "Traceback" not in done.stderr
    summary = RunFolder(beside / "run").load_summary()
    assert (summary.status, (summary.iterations or 0) >= 1) == ("failed", True)
    resume_job(beside / "run")
    assert not differing(beside / "run", unbroken, kill_test)


def test_memory_that_is_short_for_a_moment(
    run_failing: RunFailing, unbroken: Any, beside: Path, kill_test: ModuleType
) -> None:
    done = run_failing(300, 2, OUT_OF_RESOURCES)  # pyopencl tries once more by itself
    assert done.returncode == 0, done.stderr
    assert differing(beside / "run", unbroken, kill_test) <= {"summary.json", "report.html"}
    notes = json.loads((beside / "run" / "summary.json").read_text(encoding="utf-8"))["notes"]
    assert any("too little memory for 20 images at a time: it takes 10" in note for note in notes)


def test_memory_that_stays_short(run_failing: RunFailing, beside: Path) -> None:
    done = run_failing(300, 10**9, OUT_OF_RESOURCES)
    assert done.returncode == 1
    assert "DeviceMemoryError: " in done.stderr
    assert "Use a smaller minibatch" in done.stderr
    assert f"with: coldstart resume {beside / 'run'}" in done.stderr
