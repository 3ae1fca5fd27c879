"""`coldstart resume`, and what signals do to `coldstart run`."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from coldstart.api import run_job
from coldstart.cli.main import main
from coldstart.errors import RunSuspended
from coldstart.io.results import RunFolder


def invoke(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, ["resume", *(str(argument) for argument in arguments)])


def test_progress_and_outcome_are_those_of_a_run(unbroken: Any, beside: Path) -> None:
    with pytest.raises(RunSuspended):
        run_job(unbroken.particles, beside / "run", unbroken.params, should_suspend=lambda: True)
    result = invoke(beside / "run")
    assert result.exit_code == 0, result.output
    assert re.match("iteration +2/", result.output)
    assert "Completed" in result.output
    assert str(RunFolder(beside / "run").report_path) in result.output
    again = invoke(beside / "run")
    assert (again.exit_code, again.output) == (
        2, f"Error: the run in {beside / 'run'} is completed: there is nothing left to go on with.\n"
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
def test_sigterm_leaves_the_run(unbroken: Any, beside: Path) -> None:
    output = beside / "run"
    arguments = ["run", str(unbroken.particles), "-o", str(output), "--initial-iterations", "100000"]
    process = subprocess.Popen([sys.executable, "-m", "coldstart", *arguments], stderr=subprocess.PIPE, text=True)
    while not (output / "log.jsonl").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 75, told
    *_, first, second = told.splitlines()  # after what the check found
    assert first == "Suspending after this iteration."
    assert second.startswith("The run was suspended after iteration ")
    assert second.endswith(f"It goes on with: coldstart resume {output}")
    assert RunFolder(output).load_summary().status == "suspended"
    assert RunFolder(output).checkpoint_path.is_file()


def test_what_is_no_run_is_told_in_a_line(tmp_path: Path) -> None:
    result = invoke(tmp_path / "nothing")
    assert result.exit_code == 2
    assert result.stderr == f"Error: there is no folder {tmp_path / 'nothing'}: begin the run with coldstart run.\n"
