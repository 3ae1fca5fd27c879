"""Several runs in one folder, whatever they differ in: starts, halves and numbers of classes."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from coldstart.api import resume_runs, run_halves, run_jobs, run_starts
from coldstart.errors import RunSuspended
from coldstart.io.inputs import read_inputs
from coldstart.io.results import RunFolder
from coldstart.model.check_report import CheckReport

WARNING = "60 particles are few to find a map from scratch."


def runs_of(kind: str, unbroken: Any, output: Path) -> Callable[..., Any]:
    """Two runs of sixty particles, which the check warns are few."""
    params = unbroken.params.model_copy(update={"class_similarity": 0.0})
    if kind == "starts":
        return partial(run_starts, unbroken.particles, output, params, 2)
    if kind == "halves":
        return partial(run_halves, unbroken.particles, output, params)
    jobs = [params.model_copy(update={"classes": number}) for number in (2, 1)]
    return partial(run_jobs, unbroken.particles, output, jobs)


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("kind", ["starts", "halves", "classes"])
def test_what_the_check_warns_of_is_said_once_and_noted_in_every_run(
    kind: str, left: bool, unbroken: Any, beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in a run that had not begun when the one before it was left."""
    monkeypatch.setattr("coldstart.model.halves.SAME_MAP", 0.0)
    output, shown = beside / "out", list[CheckReport]()
    run = partial(runs_of(kind, unbroken, output), on_check=shown.append)
    if left:
        with pytest.raises(RunSuspended):
            run(should_suspend=lambda: True)
        resume_runs(output)
    else:
        run()
    assert [report.count for report in shown] == [60]
    folders = [path for path in output.iterdir() if path.is_dir()]
    assert len(folders) == 2
    for folder in map(RunFolder, [*folders, output] if kind == "halves" else folders):
        inputs = read_inputs(folder.inputs_path)
        assert inputs is not None
        assert [warning.startswith(WARNING) for warning in inputs.warnings] == [True]
        assert [note for note in folder.load_summary().notes if WARNING in note] == list(inputs.warnings)
        assert folder.report_path.read_text(encoding="utf-8").count(WARNING) == 1
