"""Several jobs on the same particles: their folders, the page that compares them, and what a failure leaves."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from coldstart import AbInitioParams
from coldstart.api import job_folder, resume_runs, run_jobs
from coldstart.api.usage import Usage
from coldstart.cli.main import main
from coldstart.demo.files import write_demo_set
from coldstart.errors import DeviceError, OutputError, ParameterError, ParticleFileError, RunSuspended
from coldstart.io.particle_files import read_particles
from coldstart.io.results import RunFolder
from coldstart.model.state import Snapshot
from coldstart.report.compare import ComparedJob, render_comparison


def jobs(*numbers: int, **others: Any) -> list[AbInitioParams]:
    return [AbInitioParams(classes=number, **others) for number in numbers]


def folder(output: Path, classes: int) -> RunFolder:
    return RunFolder(job_folder(output, classes))


def links(output: Path) -> list[str]:
    return re.findall(r'<a href="(.*?)"', (output / "report.html").read_text(encoding="utf-8"))


def image_numbers(*tables: Path) -> list[int]:
    names = [read_particles(path)[0].table.columns["rlnImageName"].tolist() for path in tables if path.exists()]
    return sorted(int(name.split("@")[0]) for table in names for name in table)


@pytest.mark.usefixtures("stand_in")
def test_each_job_has_a_whole_folder_and_one_page_compares_them(small_set: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    out, usage = tmp_path / "out", Usage()
    summaries = run_jobs(
        small_set, out, jobs(3, 1, seed=4), on_iteration=lambda job, shot: seen.append((job, shot.stats.iteration))
    )
    assert sum(summary.wall_seconds or 0.0 for summary in summaries) < usage.wall_seconds()
    assert sorted(path.name for path in out.iterdir()) == ["classes_1", "classes_3", "report.html", "runs.json"]
    assert seen == [(job, iteration) for job in (0, 1) for iteration in range(1, 32)]
    assert [len(summary.classes) for summary in summaries] == [3, 1]
    for params, summary in zip(jobs(3, 1, seed=4), summaries, strict=True):
        run = folder(out, params.classes)
        assert run.load_params() == params
        assert run.load_summary() == summary
        assert (summary.status, summary.notes) == ("completed", ("from the engine",))
        assert run.volume_path(params.classes, params.classes).is_file()
        assert image_numbers(run.table_path(params.classes), run.unused_path) == [1, 2, 3, 4, 5, 6]
    assert links(out) == ["classes_1/report.html", "classes_3/report.html"]
    assert all((out / link).is_file() for link in links(out))


@pytest.mark.usefixtures("stand_in")
def test_the_particles_to_use_hold_for_every_job(small_set: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_jobs(small_set, out, jobs(1, 2, particles_to_use=4))
    for classes in (1, 2):
        run = folder(out, classes)
        assert image_numbers(run.table_path(classes), run.unused_path) == [1, 2, 3, 4]
    assert (out / "report.html").read_text(encoding="utf-8").count("3 of 4") == 2


@pytest.mark.usefixtures("stand_in")
def test_fewer_particles_than_wanted_are_noted_in_every_job(small_set: Path, tmp_path: Path) -> None:
    summaries = run_jobs(small_set, tmp_path / "out", jobs(1, 2, particles_to_use=10))
    assert all(summary.notes[0].startswith("10 particles were to be used, but") for summary in summaries)


@pytest.mark.usefixtures("stand_in")
def test_a_stopped_job_is_the_last(small_set: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    out = tmp_path / "out"
    summaries = run_jobs(
        small_set, out, jobs(1, 2, 3), on_iteration=lambda job, _: seen.append(job), should_stop=lambda: len(seen) > 35
    )
    assert [summary.status for summary in summaries] == ["completed", "stopped"]
    assert sorted(path.name for path in out.iterdir()) == ["classes_1", "classes_2", "report.html", "runs.json"]
    assert "stopped early" in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("stand_in")
def test_after_a_stop_while_particles_are_posed_no_job_begins(small_set: Path, tmp_path: Path) -> None:
    phases: list[str] = []
    summaries = run_jobs(
        small_set,
        tmp_path / "out",
        jobs(1, 2),
        on_iteration=lambda _, shot: phases.append(shot.stats.phase),
        should_stop=lambda: "posing" in phases,
    )
    assert [summary.status for summary in summaries] == ["completed"]
    assert not job_folder(tmp_path / "out", 2).exists()


@pytest.mark.parametrize("error", [DeviceError("the card caught fire"), KeyboardInterrupt()])
@pytest.mark.usefixtures("stand_in")
def test_a_job_that_fails_leaves_those_before_it_whole(small_set: Path, tmp_path: Path, error: BaseException) -> None:
    def fail(job: int, snapshot: Snapshot) -> None:
        if (job, snapshot.stats.iteration) == (1, 3):
            raise error

    out = tmp_path / "out"
    with pytest.raises(type(error)):
        run_jobs(small_set, out, jobs(1, 2, 3), on_iteration=fail)
    assert [folder(out, classes).load_summary().status for classes in (1, 2)] == ["completed", "failed"]
    assert folder(out, 1).report_path.is_file()
    assert not job_folder(out, 3).exists()
    assert links(out) == ["classes_1/report.html"]


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("blocked", [0, 1])
def test_a_page_that_could_not_be_written_is_there_in_the_end(small_set: Path, tmp_path: Path, blocked: int) -> None:
    """After the job before it, or with no job left."""
    out, page = tmp_path / "out", tmp_path / "out" / "report.html"

    def block(job: int, _: Snapshot) -> None:
        if job == blocked and not page.is_dir():
            page.unlink(missing_ok=True)
            page.mkdir()

    with pytest.raises(OutputError, match=r"report\.html cannot be written"):
        run_jobs(small_set, out, jobs(1, 2), on_iteration=block)
    page.rmdir()
    seen: list[int] = []
    summaries = resume_runs(out, on_iteration=lambda job, _: seen.append(job))
    assert set(seen) == ({1} if blocked == 0 else set())
    assert [len(summary.classes) for summary in summaries] == [1, 2]
    assert links(out) == ["classes_1/report.html", "classes_2/report.html"]
    assert sorted(path.name for path in out.iterdir()) == ["classes_1", "classes_2", "report.html", "runs.json"]


@pytest.mark.usefixtures("stand_in")
def test_the_page_is_written_when_there_is_something_new_to_compare(
    small_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, seen, written = tmp_path / "out", list[int](), list[list[str]]()

    def render(compared: Sequence[ComparedJob], source: str, version: str) -> str:
        written.append([job.name for job in compared])
        return render_comparison(compared, source, version)

    monkeypatch.setattr("coldstart.report.compare.render_comparison", render)
    with pytest.raises(RunSuspended):
        run_jobs(
            small_set,
            out,
            jobs(1, 2, 3),
            on_iteration=lambda job, _: seen.append(job),
            should_suspend=lambda: 2 in seen,
        )
    names = ["classes_1", "classes_2", "classes_3"]
    assert written == [names[:1], names[:2]]
    written.clear()
    resume_runs(out)
    assert written == [names[:2], names]
    assert str(small_set) in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("stand_in")
def test_a_page_that_cannot_be_written_is_no_failure_of_a_job(small_set: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def block(job: int, snapshot: Snapshot) -> None:
        (out / "report.html").mkdir(exist_ok=True)

    with pytest.raises(OutputError, match=r"report\.html cannot be written"):
        run_jobs(small_set, out, jobs(1, 2), on_iteration=block)
    assert folder(out, 1).load_summary().status == "completed"


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(
    ("wanted", "error", "message"),
    [
        ([], ParameterError, "no number of classes"),
        (jobs(1, 2, 3, 2), ParameterError, "the number of classes 2 is given 2 times"),
        ([*jobs(1), *jobs(2, seed=1)], ParameterError, "may differ in the number of classes alone"),
        (jobs(1, 2, device="no such device"), DeviceError, "no such device"),
    ],
)
def test_what_is_refused_leaves_no_folder(
    small_set: Path, tmp_path: Path, wanted: list[AbInitioParams], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run_jobs(small_set, tmp_path / "out", wanted)
    assert not (tmp_path / "out").exists()


def test_input_and_output_are_checked_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ParticleFileError):
        run_jobs(tmp_path / "missing.star", tmp_path / "out", jobs(1, 2))
    assert not (tmp_path / "out").exists()
    (tmp_path / "classes_1").mkdir()
    with pytest.raises(OutputError, match="not empty"):
        run_jobs(tmp_path / "missing.star", tmp_path, jobs(1, 2))


def test_a_real_run_of_two_jobs(tmp_path: Path) -> None:
    """From the command line, with the engine: an iteration or two of each phase."""
    count, out = 40, tmp_path / "out"
    (tmp_path / "set").mkdir()
    particles = write_demo_set(tmp_path / "set", 5, images=count, box_px=32, pixel_size_angstrom=7.0, snr=0.4)
    flags = "--initial-iterations 2 --final-iterations 1 --fourier-radius-step 5 --class-similarity 0 --classes 1 2"
    result = CliRunner().invoke(main, ["run", str(particles.particles_path), "-o", str(out), *flags.split()])
    assert result.exit_code == 0, result.output
    for classes in (1, 2):
        run = folder(out, classes)
        summary = run.load_summary()
        assert (summary.status, len(summary.classes)) == ("completed", classes)
        assert (summary.particles_used or 0) + (summary.particles_unused or 0) == count
        assert image_numbers(run.table_path(classes), run.unused_path) == list(range(1, count + 1))
        assert str(run.path) in result.output
    by_class = [folder(out, 2).class_table_path(number) for number in (1, 2)]
    assert image_numbers(*by_class, folder(out, 2).unused_path) == list(range(1, count + 1))
    assert links(out) == ["classes_1/report.html", "classes_2/report.html"]
    assert "2 classes, job 2 of 2  iteration" in result.output
    assert str(out / "report.html") in result.output
