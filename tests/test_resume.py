"""Runs that are left and taken up again: their folders end up as that of a run that was never left, to the byte."""

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner

from coldstart import AbInitioParams
from coldstart.api import job_folder, resume_job, resume_runs, run_job, run_jobs
from coldstart.api.checkpoint import JOB, POINT, JobCheckpoint, read_job, read_point
from coldstart.cli.main import main
from coldstart.compute.device import list_devices
from coldstart.errors import ChangedDeviceError, OutputError, ParticleFileError, RunSuspended
from coldstart.io.checkpoint import write_records
from coldstart.io.inputs import read_inputs
from coldstart.io.lock import LOCK_NAME
from coldstart.io.results import RunFolder
from coldstart.model.state import Snapshot

Content = Callable[[Path], dict[str, str]]


@dataclass
class Leave:
    """Asks to leave once a run is in a phase; in the posing pass, once that is under way."""

    phase: str
    seen: str = ""

    def see(self, snapshot: Snapshot) -> None:
        self.seen = snapshot.stats.phase

    def now(self) -> bool:
        return self.seen == self.phase

    @property
    def options(self) -> dict[str, Any]:
        return {"on_iteration": self.see, "should_suspend": self.now}


class LeaveJob(Leave):
    """The same in the second of several jobs."""

    def see_job(self, job: int, snapshot: Snapshot) -> None:
        if job == 1:
            self.see(snapshot)

    @property
    def options(self) -> dict[str, Any]:
        return {"on_iteration": self.see_job, "should_suspend": self.now}


@pytest.fixture
def content(kill_test: ModuleType) -> Content:
    found: Content = kill_test.folder_content
    return found


@pytest.fixture
def left(unbroken: Any, beside: Path) -> Path:
    """Folder of a run that was left in its march."""
    with pytest.raises(RunSuspended):
        run_job(unbroken.particles, beside / "run", unbroken.params, **Leave("marching").options)
    return beside / "run"


def test_left_in_every_phase(unbroken: Any, beside: Path, content: Content) -> None:
    output, params = beside / "run", unbroken.params
    for phase in ("initial", "marching", "final", "posing"):
        leave = Leave(phase).options
        go_on = partial(resume_job, output) if output.exists() else partial(run_job, unbroken.particles, output, params)
        with pytest.raises(RunSuspended, match=re.escape(f"coldstart resume {output}")):
            go_on(**leave)
        summary = RunFolder(output).load_summary()
        assert summary.status == "suspended"
        assert "It goes on with: coldstart resume" in summary.notes[0]
        assert summary.iterations == len(RunFolder(output).load_iterations())
        assert not RunFolder(output).report_path.exists()
    checkpoint = RunFolder(output).checkpoint_path.read_bytes()
    resume_job(output)
    assert content(output) == unbroken.content
    with pytest.raises(OutputError, match="is completed: there is nothing left"):
        resume_job(output)
    RunFolder(output).checkpoint_path.write_bytes(checkpoint)  # as if killed before it was removed
    seen = list[Snapshot]()
    assert resume_job(output, on_iteration=seen.append).status == "completed"
    assert not seen
    assert content(output) == unbroken.content


def test_after_a_stop_the_run_goes_on_as_if_it_had_not_been_stopped(
    unbroken: Any, beside: Path, content: Content
) -> None:
    """What the stopped run wrote is replaced, and what the whole run does not have goes."""
    output, seen = beside / "run", list[Snapshot]()
    options = {"on_iteration": seen.append, "should_stop": lambda: len(seen) == 2}
    summary = run_job(unbroken.particles, output, unbroken.params, **options)
    assert (summary.status, summary.particles_unused) == ("stopped", 20)
    assert RunFolder(output).unused_path.is_file()
    assert resume_job(output).status == "completed"
    assert content(output) == unbroken.content


def test_symmetry_and_audits(unbroken: Any, beside: Path, content: Content) -> None:
    """Stopped before the symmetry was imposed, which gives a result with it; then taken up, and left in the march."""
    params = unbroken.params.model_copy(update={"symmetry": "C2", "verify_bound": 0.01})
    seen, output, whole = list[Snapshot](), beside / "broken" / "run", beside / "whole" / "run"
    run_job(unbroken.particles, whole, params)
    options = {"on_iteration": seen.append, "should_stop": lambda: len(seen) == 3}
    assert run_job(unbroken.particles, output, params, **options).status == "stopped"
    with pytest.raises(RunSuspended):
        resume_job(output, **Leave("marching").options)
    resume_job(output)
    assert content(output) == content(whole)


def test_a_device_in_two_parts_gives_the_same_bytes(unbroken: Any, beside: Path, content: Content) -> None:
    """All but the name of the device."""
    whole = next((info for info in list_devices() if info.is_pocl and info.compute_units > 1), None)
    if whole is None:
        pytest.skip("there is no CPU of several compute units under PoCL")
    params = unbroken.params.model_copy(update={"device": f"{whole.index}/2"})
    run_job(unbroken.particles, beside / "run", params)
    assert "2 × " in str(RunFolder(beside / "run").load_summary().device)
    found = content(beside / "run")
    others = {name for name in found if found[name] != unbroken.content[name]}
    assert others <= {"params.json", "summary.json", "report.html"}
    assert found.keys() == unbroken.content.keys()


def test_iterations_after_the_checkpoint_are_done_again(left: Path, unbroken: Any, content: Content) -> None:
    """As after a crash: the log and the snapshots are ahead of the checkpoint, and files are half-written."""
    folder = RunFolder(left)
    last = folder.load_iterations()[-1]
    folder.append_iteration(replace(last, iteration=last.iteration + 1))
    with (left / "log.jsonl").open("a") as log:
        log.write('{"iteration": 1')
    shutil.copy(folder.snapshot_path(1, 1), folder.snapshot_path(last.iteration + 1, 1))
    (left / ".volume.mrc.123.tmp").touch()
    (left / "snapshots" / ".iteration_00001_class_1.mrc.123.tmp").touch()
    (left / LOCK_NAME).touch()
    resume_job(left)
    assert content(left) == unbroken.content


def test_what_a_run_leaves_that_was_killed_at_its_start_is_nothing(
    unbroken: Any, beside: Path, content: Content
) -> None:
    (beside / "run" / "snapshots").mkdir(parents=True)
    (beside / "run" / LOCK_NAME).touch()
    (beside / "run" / ".checkpoint.npz.123.tmp").touch()
    with pytest.raises(OutputError, match=r"summary\.json cannot be read"):
        resume_job(beside / "run")
    with pytest.raises(RunSuspended):
        run_job(unbroken.particles, beside / "run", unbroken.params, should_suspend=lambda: True)
    with pytest.raises(OutputError, match="holds a run that can go on: continue it with 'coldstart resume'"):
        run_job(unbroken.particles, beside / "run", unbroken.params)


def once_more(output: Path, **options: Any) -> JobCheckpoint:
    """Take up a run for one more iteration, and give its checkpoint."""
    with pytest.raises(RunSuspended):
        resume_job(output, should_suspend=lambda: True, **options)
    return read_job(RunFolder(output).checkpoint_path)


def test_times_go_on(left: Path) -> None:
    before = read_job(RunFolder(left).checkpoint_path).used
    after = once_more(left).used
    assert after.wall_seconds > before.wall_seconds
    assert after.cpu_seconds > before.cpu_seconds
    assert (after.peak_host_bytes or 0) >= (before.peak_host_bytes or 0)


def test_a_changed_stack_is_refused_and_named(left: Path, unbroken: Any) -> None:
    stack = unbroken.particles.with_name("particles.mrcs")
    times = stack.stat()
    before = (left / "summary.json").read_bytes()
    try:
        os.utime(stack, (10**9, 10**9))
        with pytest.raises(ParticleFileError, match=rf"the stack {re.escape(str(stack))} was last modified on"):
            resume_job(left)
        assert (left / "summary.json").read_bytes() == before
        (change,) = once_more(left, accept_changes=True).changes
        assert change.startswith(
            "The run was taken up although the input is not what it was when the run began: the stack"
        )
        resume = once_more(left)  # accepted once and for all
        assert resume.changes == (change,)
    finally:
        os.utime(stack, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_changed_table_is_refused_before_it_is_read(left: Path, unbroken: Any) -> None:
    table, times = unbroken.particles.read_bytes(), unbroken.particles.stat()
    try:
        unbroken.particles.write_bytes(table[:-40] + b"x" * 40)
        with pytest.raises(ParticleFileError, match=r"the content of the table .*particles\.star has changed"):
            resume_job(left)
    finally:
        unbroken.particles.write_bytes(table)
        os.utime(unbroken.particles, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_another_box_is_never_accepted(left: Path, unbroken: Any) -> None:
    """A run of another side in Å would have other frequencies at the same places of its maps."""
    table, times = unbroken.particles.read_bytes(), unbroken.particles.stat()
    try:
        unbroken.particles.write_bytes(table.replace(b"7.0", b"6.5"))
        with pytest.raises(ParticleFileError, match=r"is 208 Å now, and was 224 Å when the run began.*begin another"):
            resume_job(left, accept_changes=True)
    finally:
        unbroken.particles.write_bytes(table)
        os.utime(unbroken.particles, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert RunFolder(left).load_summary().status == "suspended"


def test_stacks_that_were_moved_are_found_by_the_data_root(unbroken: Any, tmp_path: Path, content: Content) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    shutil.copy2(unbroken.particles, tmp_path / "here" / "particles.star")
    shutil.copy2(unbroken.particles.with_name("particles.mrcs"), tmp_path / "here" / "particles.mrcs")
    with pytest.raises(RunSuspended):
        run_job(tmp_path / "here" / "particles.star", tmp_path / "run", unbroken.params, should_suspend=lambda: True)
    shutil.move(tmp_path / "here" / "particles.mrcs", tmp_path / "there" / "particles.mrcs")
    with pytest.raises(ParticleFileError, match="--data-root"):
        resume_job(tmp_path / "run")
    resume_job(tmp_path / "run", data_root=tmp_path / "there")
    inputs = read_inputs(RunFolder(tmp_path / "run").inputs_path)
    assert inputs is not None
    assert inputs.files[1].path == str(tmp_path / "there" / "particles.mrcs")
    assert content(tmp_path / "run")["volume.mrc"] == unbroken.content["volume.mrc"]


def test_another_device_or_version_is_refused_unless_accepted(left: Path) -> None:
    path = RunFolder(left).checkpoint_path
    job, point = read_job(path), read_point(path)
    elsewhere = replace(job.environment, device="another card", coldstart="0.0.1")
    write_records(path, {JOB: replace(job, environment=elsewhere), POINT: point})
    before = (left / "summary.json").read_bytes()
    with pytest.raises(
        ChangedDeviceError, match=r"coldstart 0\.0\.1, now .*; device another card, now .*--accept-changes"
    ):
        resume_job(left)
    assert (left / "summary.json").read_bytes() == before
    (change,) = once_more(left, accept_changes=True).changes
    assert "device another card, now" in change
    assert once_more(left).changes == (change,)


def test_relative_paths_lead_there_from_anywhere(
    unbroken: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Content
) -> None:
    """The report names the particles as the user did, wherever the run was taken up."""
    (tmp_path / "set" / "broken").mkdir(parents=True)
    for name in ("particles.star", "particles.mrcs"):
        shutil.copy(unbroken.particles.with_name(name), tmp_path / "set" / name)
    monkeypatch.chdir(tmp_path / "set")
    with pytest.raises(RunSuspended):
        run_job(Path("particles.star"), Path("broken/run"), unbroken.params, should_suspend=lambda: True)
    monkeypatch.chdir(tmp_path)
    output = Path("set/broken/run")
    resume_job(output)
    found = content(output)
    assert {name for name in found if found[name] != unbroken.content[name]} == {"inputs.json", "report.html"}
    report = (output / "report.html").read_text(encoding="utf-8")
    assert "particles.star" in report
    assert str(tmp_path) not in report


def test_several_jobs(unbroken: Any, beside: Path, content: Content) -> None:
    """Stopped while the first was posed, so that the second did not begin; then left in the second, twice."""
    jobs = [unbroken.params.model_copy(update={"classes": number, "class_similarity": 0.0}) for number in (1, 2)]
    whole, output = beside / "whole", beside / "broken"
    run_jobs(unbroken.particles, whole, jobs)
    phases = list[str]()
    stop = {"on_iteration": lambda _, shot: phases.append(shot.stats.phase), "should_stop": lambda: "posing" in phases}
    assert [summary.status for summary in run_jobs(unbroken.particles, output, jobs, **stop)] == ["completed"]
    assert not job_folder(output, 2).exists()
    for phase in ("marching", "posing"):
        with pytest.raises(RunSuspended, match=re.escape(f"coldstart resume {output}")):
            resume_runs(output, **LeaveJob(phase).options)
    told = CliRunner(env={"COLUMNS": "200"}).invoke(main, ["resume", str(output)]).output.splitlines()
    assert told[0].startswith("2 classes, job 2 of 2  iteration")
    assert any(line.startswith("Completed 2 jobs in") for line in told)
    for number in (1, 2):
        assert content(job_folder(output, number)) == content(job_folder(whole, number))
    assert page(output) == page(whole)
    assert sorted(path.name for path in output.iterdir()) == ["classes_1", "classes_2", "report.html", "runs.json"]
    assert {summary.status for summary in resume_runs(output)} == {"completed"}
    assert page(output) == page(whole)


def page(output: Path) -> str:
    """The page that compares jobs, without times and the charts that show them."""
    text = re.sub(r"<svg.*?</svg>", "", (output / "report.html").read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"\d+ (s|min \d\d s)\b", "", text)


def test_what_is_no_run(tmp_path: Path, unbroken: Any) -> None:
    with pytest.raises(OutputError, match="there is no folder"):
        resume_job(tmp_path / "nothing")
    with pytest.raises(OutputError, match="Give the folder of a coldstart run"):
        resume_job(tmp_path)
    (tmp_path / "checkpoint.npz").write_bytes(b"nonsense")
    with pytest.raises(OutputError, match=r"checkpoint\.npz cannot be read"):
        resume_job(tmp_path)
    assert isinstance(unbroken.params, AbInitioParams)
