"""A few runs killed with SIGKILL; benchmarks/kill_test.py kills many."""

import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_runs_resume_to_the_same_bytes(kill_test: ModuleType, tmp_path: Path) -> None:
    """At any time, while a checkpoint is being written, and while the result is."""
    test = kill_test.KillTest(tmp_path / "kills", seed=1)
    test.prepare()
    for number, moment in enumerate(kill_test.MOMENTS):
        assert "same bytes" in test.kill_once(number, moment)
