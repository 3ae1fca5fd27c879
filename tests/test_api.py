"""The control flow of a job, around a stand-in for the engine: what is written, when, and what is not."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coldstart import AbInitioParams
from coldstart.api import reconstruct, run_job
from coldstart.api.record import is_snapshot_iteration
from coldstart.api.usage import Usage, peak_host_bytes
from coldstart.engine import abinitio as engine
from coldstart.errors import DeviceError, OutputError, ParticleFileError
from coldstart.io.class_records import ClassSummary
from coldstart.io.particle_files import read_particles
from coldstart.io.results import RunFolder
from coldstart.model.particles import Particles
from coldstart.model.state import BoundAudit, RunResult, Snapshot

ITERATIONS = 30  # of the stand-in


@pytest.mark.usefixtures("stand_in")
def test_job_writes_the_whole_folder(small_set: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    summary = run_job(
        small_set,
        tmp_path / "out",
        AbInitioParams(seed=4),
        on_iteration=lambda s: seen.append(s.stats.iteration),
    )
    folder = RunFolder(tmp_path / "out")
    assert seen == list(range(1, ITERATIONS + 2))
    maps, tables = {"volume.mrc", "volume_flipped.mrc"}, {"particles.star", "particles_flipped.star"}
    results = maps | tables | {"particles_unused.star", "all_volumes.zip", "report.html"}
    written = {path.name for path in folder.path.iterdir()}
    assert written == {"params.json", "inputs.json", "summary.json", "log.jsonl", "snapshots"} | results
    assert folder.load_params() == AbInitioParams(seed=4)
    assert folder.load_summary() == summary
    assert (summary.status, summary.particles_used, summary.particles_unused) == ("completed", 5, 1)
    assert (summary.iterations, summary.image_visits) == (ITERATIONS, 9 * (ITERATIONS + 1))
    assert summary.classes == (ClassSummary(1, 29.0, 1.0, 5, 0.5),)
    assert (summary.symmetry, summary.resolution_angstrom, summary.class_similarity) == ("C1", 28.0, None)
    assert summary.notes == ("from the engine",)
    assert [row.iteration for row in folder.load_iterations()] == seen


@pytest.mark.usefixtures("stand_in")
def test_particles_beyond_those_to_use_are_in_no_output(small_set: Path, tmp_path: Path) -> None:
    summary = run_job(small_set, tmp_path / "out", AbInitioParams(particles_to_use=4))
    folder = RunFolder(tmp_path / "out")
    assert (summary.particles_used, summary.particles_unused) == (3, 1)
    names = [
        name
        for path in (folder.particles_path, folder.unused_path)
        for name in read_particles(path)[0].table.columns["rlnImageName"].tolist()
    ]
    assert [int(name.split("@")[0]) for name in names] == [1, 2, 3, 4]


@pytest.mark.usefixtures("stand_in")
def test_fewer_particles_than_wanted_are_noted(small_set: Path, tmp_path: Path) -> None:
    summary = run_job(small_set, tmp_path / "out", AbInitioParams(particles_to_use=1000))
    assert summary.notes == ("1,000 particles were to be used, but the input has only 6.", "from the engine")
    assert (summary.particles_used, summary.particles_unused) == (5, 1)


@pytest.mark.parametrize("classes", [1, 3])
def test_summary_counts_the_particles(
    small_set: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    made_up_result: Callable[..., RunResult],
    stand_in: Any,
    classes: int,
) -> None:
    """Of six particles four were drawn, one was posed besides, and one has no pose."""
    posterior = np.eye(classes)[np.arange(5) % 2 % classes]
    result = made_up_result(posterior, used=np.array([True, True, True, True, False]))

    def give(*arguments: object, **checkpoints: object) -> Iterator[Snapshot]:
        yield Snapshot(stand_in.stats(1), result.volumes, 14.0)
        return replace(result, iterations=(stand_in.stats(1),))

    monkeypatch.setattr(engine, "abinitio", give)
    summary = run_job(small_set, tmp_path / "out", AbInitioParams())
    assert (summary.particles_used, summary.particles_unused) == (4, 2)
    assert [entry.particles for entry in summary.classes] == ([5] if classes == 1 else [3, 2, 0])
    assert RunFolder(tmp_path / "out").load_summary() == summary
    assert (summary.class_similarity is None) == (classes == 1)


@pytest.mark.usefixtures("stand_in")
def test_summary_and_report_tell_what_the_search_evaluated(small_set: Path, tmp_path: Path) -> None:
    run_job(small_set, tmp_path / "out", AbInitioParams())
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["search"] == {
        "evaluated_fraction": 0.125,
        "limited_fraction": 0.5,
        "iterations_evaluated_fraction": 0.25,
        "iterations_limited_fraction": 0.5,
        "angular_step_deg": 15.0,
    }
    assert summary["verify_bound"] is None
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Pose search</h2>" in report
    assert "Checked against the whole grid" not in report


@pytest.mark.usefixtures("stand_in")
def test_an_audit_of_the_search_goes_into_summary_log_and_report(small_set: Path, tmp_path: Path) -> None:
    summary = run_job(small_set, tmp_path / "out", AbInitioParams(verify_bound=0.5))
    folder = RunFolder(tmp_path / "out")
    assert summary.verify_bound == BoundAudit(2, 1.0, 1e-6, 2e-6)
    assert folder.load_summary() == summary
    assert folder.load_iterations()[-1].audit == summary.verify_bound
    assert "Checked against the whole grid" in folder.report_path.read_text(encoding="utf-8")


@pytest.mark.usefixtures("stand_in")
def test_snapshots_span_the_run_and_leave_out_the_posing(small_set: Path, tmp_path: Path) -> None:
    run_job(small_set, tmp_path / "out", AbInitioParams())
    iterations = [snapshot.iteration for snapshot in RunFolder(tmp_path / "out").load_snapshots()]
    assert (iterations[0], iterations[-1]) == (1, ITERATIONS)
    assert 19 <= len(iterations) <= 21
    assert max(np.diff(iterations)) <= 4


@pytest.mark.usefixtures("stand_in")
def test_a_stopped_job_keeps_its_result_and_says_so(small_set: Path, tmp_path: Path) -> None:
    last = []
    summary = run_job(
        small_set,
        tmp_path / "out",
        AbInitioParams(),
        on_iteration=lambda snapshot: last.append(snapshot.stats.iteration),
        should_stop=lambda: len(last) >= 5,
    )
    assert summary.status == "stopped"
    assert RunFolder(tmp_path / "out").load_snapshots()[-1].iteration == 5
    assert (tmp_path / "out" / "volume.mrc").is_file()
    assert "stopped early" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("error", "note"), [(DeviceError("the card caught fire"), "the card caught fire"), (KeyboardInterrupt(), "aborted")]
)
@pytest.mark.usefixtures("stand_in")
def test_a_failure_on_the_way_is_written_down(small_set: Path, tmp_path: Path, error: BaseException, note: str) -> None:
    def fail(snapshot: Snapshot) -> None:
        if snapshot.stats.iteration == 3:
            raise error

    with pytest.raises(type(error)):
        run_job(small_set, tmp_path / "out", AbInitioParams(), on_iteration=fail)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["status"] == "failed"
    assert note in summary["notes"][0]


def test_a_failure_before_the_first_iteration_leaves_no_folder(
    small_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **checkpoints: object) -> Iterator[Snapshot]:
        raise DeviceError("too little memory")
        yield

    monkeypatch.setattr(engine, "abinitio", refuse)
    with pytest.raises(DeviceError, match="too little memory"):
        run_job(small_set, tmp_path / "out", AbInitioParams())
    assert not (tmp_path / "out").exists()


def test_input_is_checked_before_the_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(ParticleFileError):
        run_job(tmp_path / "missing.star", tmp_path / "out", AbInitioParams())
    assert not (tmp_path / "out").exists()


def test_used_output_is_refused_first(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").touch()
    with pytest.raises(OutputError, match="not empty"):
        run_job(tmp_path / "missing.star", tmp_path / "out", AbInitioParams())


@pytest.mark.usefixtures("stand_in")
def test_reconstruct_gives_the_engines_result(small_set: Path) -> None:
    particles, images = read_particles(small_set)
    seen: list[Snapshot] = []
    result = reconstruct(particles, images, AbInitioParams(), on_iteration=seen.append)
    assert result.device_name == "stand-in"
    assert len(seen) == ITERATIONS + 1


@pytest.mark.parametrize("iterations", [1, 5, 20, 21, 100, 843])
def test_snapshot_iterations_are_about_twenty_and_even(iterations: int) -> None:
    kept = [number for number in range(1, iterations + 1) if is_snapshot_iteration(number, iterations)]
    assert (kept[0], kept[-1]) == (1, iterations)
    assert len(kept) == min(20, iterations)
    assert np.ptp(np.diff(kept)) <= 1 if iterations > 2 else True


def test_usage_counts_time_and_memory() -> None:
    usage = Usage()
    sum(range(300_000))
    peak = peak_host_bytes()
    assert usage.wall_seconds() > 0
    assert 0 <= usage.cpu_seconds() < 60
    assert peak is not None
    assert 10 * 2**20 < peak < 2**40


def test_importing_the_package_is_light() -> None:
    code = "import sys, coldstart; print(*{'numpy', 'pyopencl', 'matplotlib', 'pandas', 'scipy'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert loaded == []


def test_public_names_are_there() -> None:
    import coldstart

    assert coldstart.reconstruct is reconstruct
    assert coldstart.Particles is Particles
    with pytest.raises(AttributeError, match="nonsense"):
        coldstart.nonsense  # noqa: B018
