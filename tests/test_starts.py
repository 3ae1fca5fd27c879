"""Several starts: their folders, the race, what they agree on, and going on with what was left."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from coldstart import AbInitioParams
from coldstart.api import resume_runs, run_job, run_starts
from coldstart.cli.main import main
from coldstart.errors import OutputError, ParameterError, RunSuspended
from coldstart.io.consensus_files import DISAGREE_LABEL, START_AGREEMENT
from coldstart.io.mrc import read_map
from coldstart.io.particle_files import read_particles
from coldstart.io.results import RunFolder
from coldstart.model.starts import JUDGED_ITERATIONS
from coldstart.model.state import Snapshot

FILES = [
    "consensus.json",
    "particles.star",
    "particles_flipped.star",
    "report.html",
    "runs.json",
    "start_1",
    "start_2",
    "volume.mrc",
    "volume_flipped.mrc",
]


@pytest.fixture(scope="module")
def params(unbroken: Any) -> AbInitioParams:
    changes = {"final_iterations": JUDGED_ITERATIONS + 2, "particles_to_use": 30}
    params: AbInitioParams = unbroken.params.model_copy(update=changes)
    return params


@dataclass
class Runs:
    output: Path
    record: Any
    seen: list[tuple[int, int]]


@pytest.fixture(scope="module")
def both(unbroken: Any, params: AbInitioParams, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Two starts that were not left."""
    output, seen = unbroken.particles.parent / tmp_path_factory.mktemp("both").name / "out", list[tuple[int, int]]()
    output.parent.mkdir()

    def see(start: int, snapshot: Snapshot) -> None:
        seen.append((start, snapshot.stats.iteration))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("coldstart.model.starts.SHORTFALL_WHERE_JUDGED", 1e9)
        return Runs(output, run_starts(unbroken.particles, output, params, 2, on_iteration=see), seen)


def test_each_start_is_a_run_of_its_own_that_the_race_does_not_change(
    both: Runs, unbroken: Any, params: AbInitioParams
) -> None:
    assert sorted(path.name for path in both.output.iterdir() if not path.name.startswith(".")) == FILES
    alone = both.output.parent / "alone"
    run_job(unbroken.particles, alone, params.model_copy(update={"seed": params.seed + 1}))
    second = RunFolder(both.output / "start_2")
    assert second.load_params().seed == params.seed + 1
    assert second.load_summary().status == "completed"
    assert second.volume_path(1, 1).read_bytes() == RunFolder(alone).volume_path(1, 1).read_bytes()


def test_starts_wait_until_all_can_be_judged(both: Runs) -> None:
    order = [start for start, _ in both.seen]
    turns = [start for at, start in enumerate(order) if at == 0 or order[at - 1] != start]
    assert turns == [0, 1, 0, 1]


def test_what_the_starts_agree_on_is_written(both: Runs) -> None:
    record = json.loads((both.output / "consensus.json").read_text(encoding="utf-8"))
    assert record["verdict"] == both.record.verdict
    assert record["verdict"] in (both.output / "report.html").read_text(encoding="utf-8")
    assert [start["folder"] for start in record["starts"]] == ["start_1", "start_2"]
    best = max(record["starts"], key=lambda start: start["evidence"])
    assert record["starts"][record["best"] - 1] == best
    particles, _ = read_particles(both.output / "particles.star")
    own, _ = read_particles(both.output / best["folder"] / "particles.star")
    for label in ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"):
        assert particles.table.columns[label].tolist() == own.table.columns[label].tolist()
    map_of_all, _ = read_map(both.output / "volume.mrc")
    map_of_best, _ = read_map(both.output / best["folder"] / "volume.mrc")
    if record["agreeing"] == 1:
        assert np.array_equal(map_of_all, map_of_best)
        assert START_AGREEMENT not in particles.table
    else:
        agreement = particles.table.columns[START_AGREEMENT].astype(float)
        labels = particles.table.columns["coldstartLabel"]
        assert set(agreement) <= {0.0, 1.0}
        assert ((labels == DISAGREE_LABEL) == (agreement < 0.5)).all()
        assert np.corrcoef(map_of_all.ravel(), map_of_best.ravel())[0, 1] > 0.8


def test_a_start_that_falls_behind_is_left(
    unbroken: Any, params: AbInitioParams, beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coldstart.model.starts.CLEARLY", 0.0)
    monkeypatch.setattr("coldstart.model.starts.SHORTFALL_WHERE_JUDGED", 0.0)
    output = beside / "out"
    record = run_starts(unbroken.particles, output, params, 2)
    assert sorted(start.status for start in record.starts) == ["completed", "left"]
    left = next(start for start in record.starts if start.status == "left")
    folder = RunFolder(output / left.folder)
    final = [row for row in folder.load_iterations() if row.phase == "final"]
    assert len(final) == JUDGED_ITERATIONS
    assert folder.checkpoint_path.is_file()
    outcome = CliRunner().invoke(main, ["resume", str(folder.path)])
    assert outcome.exit_code == 0, outcome.output
    assert folder.load_summary().status == "completed"


def test_starts_that_waited_in_vain_are_left_or_go_on(
    unbroken: Any, params: AbInitioParams, beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing counts as recognition here, so that all wait in vain. What is to become of them is chosen."""
    monkeypatch.setattr("coldstart.engine.recognition.LEAST_RISE", 1e9)
    monkeypatch.setattr("coldstart.engine.recognition.MOST_RISE", 1e9)
    waiting = params.model_copy(update={"waiting_iterations": 5, "max_resolution_angstrom": 20.0})
    seen: list[tuple[int, str]] = []

    def see(start: int, snapshot: Snapshot) -> None:
        seen.append((start, "waiting" if snapshot.stats.waiting else snapshot.stats.phase))

    monkeypatch.setattr("coldstart.api.starts.not_given_up", lambda starts: [0])
    record = run_starts(unbroken.particles, beside / "out", waiting, 2, on_iteration=see)
    assert [start.status for start in record.starts] == ["completed", "left"]
    assert record.verdict.count("1 waited for the map in vain and was left.") == 1
    assert seen.count((0, "waiting")) == seen.count((1, "waiting")) == 5
    assert {phase for start, phase in seen if start == 1} == {"initial", "marching", "waiting"}

    seen.clear()
    monkeypatch.setattr("coldstart.api.starts.not_given_up", list)
    monkeypatch.setattr("coldstart.model.starts.SHORTFALL_WHERE_JUDGED", 1e9)
    record = resume_runs(beside / "out", on_iteration=see)
    assert [start.status for start in record.starts] == ["completed", "completed"]
    assert {start for start, _ in seen} == {1}
    assert "waiting" not in {phase for _, phase in seen}


def test_after_a_stop_the_promising_starts_end_with_what_they_have(
    unbroken: Any, params: AbInitioParams, beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coldstart.model.starts.SHORTFALL_WHERE_JUDGED", 1e9)
    seen = list[int]()
    record = run_starts(
        unbroken.particles, beside / "out", params, 3,
        on_iteration=lambda start, _: seen.append(start), should_stop=lambda: seen.count(1) > 3,
    )  # fmt: skip
    assert [(start.folder, start.status) for start in record.starts] == [("start_1", "stopped"), ("start_2", "stopped")]
    assert record.starts[0].evidence == max(start.evidence for start in record.starts)
    assert record.best == 1
    assert RunFolder(beside / "out" / "start_1").volume_path(1, 1).is_file()


def test_stopped_before_any_start_there_is_nothing_to_compare(
    unbroken: Any, params: AbInitioParams, beside: Path
) -> None:
    with pytest.raises(OutputError, match="fewer than two starts"):
        run_starts(unbroken.particles, beside / "out", params, 2, should_stop=lambda: True)
    assert not (beside / "out").exists()


def test_a_race_that_was_left_goes_on(both: Runs, unbroken: Any, params: AbInitioParams, beside: Path) -> None:
    output, seen = beside / "out", list[int]()

    def see(start: int, snapshot: Snapshot) -> None:
        seen.append(start)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("coldstart.model.starts.SHORTFALL_WHERE_JUDGED", 1e9)
        for last in (0, 1):
            leave = {
                "on_iteration": see,
                "should_suspend": lambda last=last: seen[-1:] == [last] and seen.count(last) % 7 == 0,
            }
            go_on = partial(resume_runs, output) if seen else partial(run_starts, unbroken.particles, output, params, 2)
            with pytest.raises(RunSuspended, match=f"coldstart resume {output}"):
                go_on(**leave)
        outcome = CliRunner().invoke(main, ["resume", str(output)])
    assert outcome.exit_code == 0, outcome.output
    assert both.record.verdict in outcome.output
    for name in ("consensus.json", "volume.mrc"):
        assert (output / name).read_bytes() == (both.output / name).read_bytes()


def test_stopped_in_the_first_start_there_is_nothing_to_compare(
    unbroken: Any, params: AbInitioParams, beside: Path
) -> None:
    output, seen = beside / "out", list[int]()
    options = {"on_iteration": lambda start, _: seen.append(start), "should_stop": lambda: len(seen) > 2}
    with pytest.raises(OutputError, match=f"coldstart resume {output}"):
        run_starts(unbroken.particles, output, params, 2, **options)
    assert RunFolder(output / "start_1").load_summary().status == "stopped"
    assert not (output / "start_2").exists()
    record = resume_runs(output)
    assert len(record.starts) == 2


def test_what_makes_no_race_is_refused(unbroken: Any, params: AbInitioParams, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="give 2 or more"):
        run_starts(unbroken.particles, tmp_path / "out", params, 1)
    command = ["run", str(unbroken.particles), "-o", str(tmp_path / "out"), "--starts", "2", "--classes", "1", "2"]
    assert "one number of classes" in CliRunner().invoke(main, command).output
    with pytest.raises(OutputError, match=r"runs\.json cannot be read"):
        resume_runs(tmp_path)
    assert list(tmp_path.iterdir()) == []
