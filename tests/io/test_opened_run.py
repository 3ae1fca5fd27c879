"""Run folders as far as they can be read."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from coldstart.errors import OutputError
from coldstart.io.mrc import write_map
from coldstart.io.opened_run import is_run_folder, open_run
from coldstart.io.results import RunFolder
from coldstart.io.run_records import Summary
from coldstart.model.particles import CarriedTable, Particles
from coldstart.model.state import RunResult
from coldstart.params import AbInitioParams

MakeResult = Callable[..., RunResult]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run that has begun."""
    folder = RunFolder.create(tmp_path / "run")
    folder.write_params(AbInitioParams(classes=2))
    folder.write_summary(Summary(status="running", seed=0))
    return folder


def write_snapshots(folder: RunFolder, iterations: tuple[int, ...]) -> None:
    for iteration in iterations:
        for number in (1, 2):
            write_map(folder.snapshot_path(iteration, number), np.ones((4, 4, 4), np.float32), 2.0)


@pytest.mark.parametrize("classes", [1, 3])
def test_a_finished_run(folder: RunFolder, made_up_result: MakeResult, classes: int) -> None:
    names = np.array([f"{row + 1}@s.mrcs" for row in range(3)])
    result = made_up_result(np.eye(classes)[np.arange(3) % classes])
    folder.write_result(Particles(3, 8, 1.5, None, CarriedTable({"rlnImageName": names})), result)
    run = open_run(folder.path)
    assert [entry.class_number for entry in run.maps] == list(range(1, classes + 1))
    assert [entry.path for entry in run.maps] == [folder.volume_path(n, classes) for n in range(1, classes + 1)]
    assert run.has_results
    assert run.table_path == folder.table_path(classes)
    assert run.problems == ()


def test_a_run_without_results_has_its_last_snapshots(folder: RunFolder) -> None:
    write_snapshots(folder, (1, 5, 12))
    run = open_run(folder.path)
    assert [(entry.class_number, entry.iteration) for entry in run.maps] == [(1, 12), (2, 12)]
    assert not run.has_results
    assert run.table_path is None
    assert (run.name, run.params) == ("run", AbInitioParams(classes=2))


def test_a_run_that_has_only_begun(folder: RunFolder) -> None:
    run = open_run(folder.path)
    assert (run.maps, run.snapshots, run.iterations, run.problems) == ((), (), (), ())


def test_what_cannot_be_read_is_named(folder: RunFolder) -> None:
    write_snapshots(folder, (3,))
    (folder.path / "summary.json").write_text("no json")
    (folder.path / "params.json").write_text(json.dumps({"classes": 0, "unheard_of": 1}))
    (folder.path / "log.jsonl").write_text("{}\n")
    run = open_run(folder.path)
    assert (run.summary, run.params, run.iterations) == (None, None, ())
    assert len(run.problems) == 3
    summary, params, log = run.problems
    assert "summary.json cannot be read" in summary
    assert "params.json is of another version" in params
    assert "classes" in params
    assert "log.jsonl, line 1" in log
    assert len(run.maps) == 2


def test_other_folders_are_no_runs(tmp_path: Path, folder: RunFolder) -> None:
    assert is_run_folder(folder.path)
    (tmp_path / "params.json").write_text("{}")
    assert not is_run_folder(tmp_path)
    assert not is_run_folder(tmp_path / "missing")
    with pytest.raises(OutputError, match=r"is no run folder: it lacks summary\.json"):
        open_run(tmp_path)
