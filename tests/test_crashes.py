"""What can go wrong around a run: each is told clearly, loses nothing, and the run goes on to the same bytes."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from coldstart import AbInitioParams
from coldstart.api import resume_job, run_job
from coldstart.api.checkpoint import read_point
from coldstart.api.record import JobRecord
from coldstart.errors import OutputError, ParticleFileError, RunSuspended
from coldstart.io.results import RunFolder
from coldstart.model.state import Snapshot

Content = Callable[[Path], dict[str, str]]


@pytest.fixture
def content(kill_test: ModuleType) -> Content:
    found: Content = kill_test.folder_content
    return found


class SmallDisk:
    """A file system in memory at a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", folder)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"file systems cannot be mounted here: {getattr(error, 'stderr', None) or error}")

    def remount(self, options: str) -> None:
        mount("-o", f"remount,{options}", self.folder)

    def cover(self) -> None:
        """Let the folder be read-only, though a file in it is open to be written."""
        mount("--bind", self.folder, self.folder)
        mount("-o", "remount,bind,ro", self.folder)

    def uncover(self) -> None:
        """Take off what was mounted last."""
        subprocess.run(["umount", str(self.folder)], check=True)


def mount(*arguments: object) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True, capture_output=True, text=True)


@pytest.fixture
def small_disk(beside: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(beside)
    yield disk
    while os.path.ismount(disk.folder):
        disk.uncover()


def at(iteration: int, action: Callable[[], object]) -> Callable[[Snapshot], None]:
    """Does something once an iteration is done."""

    def do(snapshot: Snapshot) -> None:
        if snapshot.stats.iteration == iteration and snapshot.stats.phase != "posing":
            action()

    return do


def test_a_full_disk(unbroken: Any, small_disk: SmallDisk, content: Content) -> None:
    folder = RunFolder(small_disk.folder / "run")
    with pytest.raises(OutputError, match=r"cannot be written: No space left on device\. Check the free space") as full:
        run_job(unbroken.particles, folder.path, unbroken.params)
    assert any("coldstart resume" in note for note in full.value.__notes__)
    summary = folder.load_summary()
    assert summary.status == "failed"
    assert "No space left" in summary.notes[0]
    assert not list(folder.path.rglob("*.tmp"))
    last = read_point(folder.checkpoint_path).history[-1].iteration
    assert last >= 1
    assert [row.iteration for row in folder.load_iterations()][:last] == list(range(1, last + 1))
    small_disk.remount("size=50m")
    resume_job(folder.path)
    assert content(folder.path) == unbroken.content


def test_a_disk_without_room_for_a_checkpoint(unbroken: Any, small_disk: SmallDisk) -> None:
    small_disk.remount("size=100k")
    with pytest.raises(OutputError, match=r"checkpoint\.npz cannot be written: No space left on device"):
        run_job(unbroken.particles, small_disk.folder / "run", unbroken.params)
    folder = RunFolder(small_disk.folder / "run")
    assert folder.load_summary().status == "failed"
    with pytest.raises(OutputError, match=r"has no checkpoint, though .* says 'failed': begin again"):
        resume_job(folder.path)


def test_a_disk_that_may_not_be_written(unbroken: Any, small_disk: SmallDisk) -> None:
    """When a run begins, and when it is taken up."""
    folder = RunFolder(small_disk.folder / "run")
    small_disk.remount("ro")
    with pytest.raises(OutputError, match=r"run cannot be made: .* may not be written\. Choose another one"):
        run_job(unbroken.particles, folder.path, unbroken.params)
    small_disk.remount("rw,size=50m")
    with pytest.raises(RunSuspended):
        run_job(unbroken.particles, folder.path, unbroken.params, should_suspend=lambda: True)
    small_disk.remount("ro")
    with pytest.raises(OutputError, match=r"run cannot be written: Read-only file system\. Choose a folder"):
        resume_job(folder.path)
    assert folder.load_summary().status == "suspended"


def test_a_disk_that_becomes_read_only(unbroken: Any, small_disk: SmallDisk, content: Content) -> None:
    """As a file system does that the kernel found in disorder."""
    small_disk.remount("size=50m")
    folder = RunFolder(small_disk.folder / "run")
    with pytest.raises(OutputError, match="cannot be written: Read-only file system") as error:
        run_job(unbroken.particles, folder.path, unbroken.params, on_iteration=at(3, small_disk.cover))
    small_disk.uncover()
    assert any("coldstart resume" in note for note in error.value.__notes__)
    assert not list(folder.path.rglob("*.tmp"))
    resume_job(folder.path)
    assert content(folder.path) == unbroken.content


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(unbroken: Any, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="may not be written"):
        run_job(unbroken.particles, tmp_path / "run", unbroken.params)


def test_a_stack_that_vanishes(unbroken: Any, beside: Path, content: Content, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coldstart.engine.images.CACHE_BYTES", 0)  # all of so small a set would be in memory
    stack, away = unbroken.particles.with_name("particles.mrcs"), unbroken.particles.with_name("away")
    output = beside / "run"
    try:
        with pytest.raises(ParticleFileError, match=r"particles\.mrcs cannot be read any more: No such file") as gone:
            run_job(unbroken.particles, output, unbroken.params, on_iteration=at(1, lambda: stack.rename(away)))
        assert any("coldstart resume" in note for note in gone.value.__notes__)
        summary = RunFolder(output).load_summary()
        assert (summary.status, "cannot be read any more" in summary.notes[0]) == ("failed", True)
        done = summary.iterations
        with pytest.raises(ParticleFileError, match=r"the stack particles\.mrcs is missing"):
            resume_job(output)
    finally:
        away.rename(stack)
    seen = list[int]()
    resume_job(output, on_iteration=lambda snapshot: seen.append(snapshot.stats.iteration))
    assert done is not None
    assert seen[0] == done + 1
    assert content(output) == unbroken.content


def test_an_abort_loses_no_iteration(unbroken: Any, beside: Path, content: Content) -> None:
    """Whatever the error: the iterations that were done are in the checkpoint."""

    def abort() -> None:
        raise KeyboardInterrupt

    output = beside / "run"
    with pytest.raises(KeyboardInterrupt):
        run_job(unbroken.particles, output, unbroken.params, on_iteration=at(6, abort))
    assert RunFolder(output).load_summary().notes[0] == "aborted by the user"
    assert read_point(RunFolder(output).checkpoint_path).history[-1].iteration == 6
    resume_job(output)
    assert content(output) == unbroken.content


def test_two_runs_in_one_folder(unbroken: Any, beside: Path) -> None:
    """Of two that began at once the second to finish an iteration is refused, and what the first writes stays whole."""
    output, refused = beside / "run", list[str]()

    def try_too() -> None:
        for begin in (lambda: run_job(unbroken.particles, output, unbroken.params), lambda: resume_job(output)):
            with pytest.raises(OutputError) as error:
                begin()
            refused.append(str(error.value))

    with pytest.raises(RunSuspended):
        run_job(unbroken.particles, output, unbroken.params, on_iteration=at(1, try_too), should_suspend=lambda: True)
    assert "holds a run that can go on" in refused[0]
    assert f"another run is writing into {output}" in refused[1]
    assert RunFolder(output).load_summary().status == "suspended"


def test_a_folder_that_another_run_took_meanwhile(unbroken: Any, beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both found it empty when they began; the slower one leaves it alone."""
    output, keep, others = beside / "run", JobRecord.keep, iter([{"should_suspend": lambda: True}])

    def late(self: JobRecord, point: Any) -> None:
        for options in others:
            with pytest.raises(RunSuspended):
                run_job(unbroken.particles, output, unbroken.params, **options)
        keep(self, point)

    monkeypatch.setattr(JobRecord, "keep", late)
    with pytest.raises(OutputError, match="holds a run that can go on"):
        run_job(unbroken.particles, output, unbroken.params.model_copy(update={"seed": 2}))
    assert RunFolder(output).load_params() == unbroken.params
    assert RunFolder(output).load_summary().status == "suspended"


LEFT_AND_RESUMED = """
import locale, sys
from pathlib import Path
from coldstart import AbInitioParams
from coldstart.api import resume_job, run_job
from coldstart.errors import RunSuspended

locale.setlocale(locale.LC_ALL, "de_DE.UTF-8")
assert locale.str(1.5) == "1,5"
particles, output, params = sys.argv[1:]
try:
    run_job(Path(particles), Path(output), AbInitioParams.model_validate_json(params), should_suspend=lambda: True)
except RunSuspended:
    resume_job(Path(output))
"""


def test_a_decimal_comma(unbroken: Any, beside: Path, tmp_path: Path, content: Content) -> None:
    localedef = shutil.which("localedef")
    made = localedef and subprocess.run(
        [localedef, "-i", "de_DE", "-f", "UTF-8", str(tmp_path / "de_DE.UTF-8")], check=False, capture_output=True
    )
    if not made or made.returncode:
        pytest.skip("localedef cannot make the locale de_DE.UTF-8 here")
    given = [str(unbroken.particles), str(beside / "run"), unbroken.params.model_dump_json()]
    german = {**os.environ, "LOCPATH": str(tmp_path), "LC_ALL": "de_DE.UTF-8"}
    subprocess.run([sys.executable, "-c", LEFT_AND_RESUMED, *given], env=german, check=True)
    assert content(beside / "run") == unbroken.content


def test_paths_with_spaces_and_letters_of_any_script(unbroken: Any, tmp_path: Path, content: Content) -> None:
    folder = tmp_path / "Größe µ 粒子 #1"
    folder.mkdir()
    for name in ("particles.star", "particles.mrcs"):
        shutil.copy(unbroken.particles.with_name(name), folder / name)
    output = folder / "whole as 'ever'" / "run"
    with pytest.raises(RunSuspended) as left:
        run_job(folder / "particles.star", output, unbroken.params, should_suspend=lambda: True)
    told = str(left.value).partition("coldstart resume ")[2]
    assert shlex.split(told) == [str(output)]
    resume_job(output)
    found, expected = content(output), unbroken.content
    assert {name for name in expected if found[name] != expected[name]} == {
        "inputs.json",
        "report.html",
    }  # they tell it


@pytest.mark.usefixtures("stand_in")
def test_a_clock_that_goes_back(small_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hours = iter(range(10**6, 0, -1))
    monkeypatch.setattr("time.time", lambda: 3600.0 * next(hours))
    monkeypatch.setattr("time.time_ns", lambda: 3600 * 10**9 * next(hours))
    summary = run_job(small_set, tmp_path / "run", AbInitioParams())
    assert summary.status == "completed"
    assert summary.wall_seconds is not None
    assert 0.0 < summary.wall_seconds < 600.0
