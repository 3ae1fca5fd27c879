"""Several jobs on the same particles, to choose the number of classes: a run folder each, and a page to compare them.

The jobs share the images that are read and transformed. The page is written after every job, so that it is there for
those that are done, whatever becomes of the others.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from coldstart import __version__
from coldstart.api.drive import ShouldStop, reconstruct_each
from coldstart.api.job import check_output, read_wanted
from coldstart.api.record import JobRecord
from coldstart.api.usage import Usage
from coldstart.errors import ParameterError
from coldstart.io.files import write_text_atomically
from coldstart.io.mrc import MrcStackSource
from coldstart.io.run_paths import RunPaths
from coldstart.io.run_records import Summary
from coldstart.model.particles import Particles
from coldstart.model.state import RunResult, Snapshot
from coldstart.params import AbInitioParams

# The comparison brings in matplotlib, which jobs that fail early never need.
if TYPE_CHECKING:
    from coldstart.report.compare import ComparedJob

OnJobIteration = Callable[[int, Snapshot], None]


def run_jobs(
    particles_path: Path,
    output: Path,
    jobs: Sequence[AbInitioParams],
    *,
    data_root: Path | None = None,
    on_iteration: OnJobIteration | None = None,
    should_stop: ShouldStop | None = None,
) -> tuple[Summary, ...]:
    """Reconstruct the particles of a file with several numbers of classes, one after the other, and compare them.

    Each job writes a run folder as `run_job` does: `job_folder` says which. `output` holds the page that compares them.

    Parameters
    ----------
    particles_path : Path
        RELION STAR file, or a plain stack.
    output : Path
        New or empty folder.
    jobs : sequence of AbInitioParams
        They differ in the number of classes, and in nothing else.
    data_root : Path, optional
        Folder that the stack paths of the table are relative to.
    on_iteration : callable, optional
        Called after every iteration with the number of the job, from 0, and the maps and figures.
    should_stop : callable, optional
        Asked after every iteration and every job; once it says True, the job that runs ends with what it has, and no
        other one begins.

    Returns
    -------
    tuple of Summary
        Of the jobs that ran, in their order. Reading the images counts in the time of the job that reads them first.

    Raises
    ------
    ColdstartError
        As `run_job`, and ParameterError if two jobs have the same number of classes or differ in something else. If a
        job fails, the folders of those before it stay as they are.
    """
    _check_numbers(jobs)
    usage, output = Usage(), Path(output)
    check_output(output)
    particles, images, notes = read_wanted(Path(particles_path), jobs[0], data_root)
    series = _Series(output, jobs, particles, images, on_iteration, usage)
    try:
        for result in reconstruct_each(particles, images, jobs, on_iteration=series.add, should_stop=should_stop):
            series.finish(replace(result, notes=notes + result.notes))
            if should_stop is not None and should_stop():
                break
    except BaseException as error:
        series.fail(error)
        raise
    return tuple(series.summaries)


def job_folder(output: Path, classes: int) -> Path:
    """The run folder of the job with this many classes."""
    return output / f"classes_{classes}"


def _check_numbers(jobs: Sequence[AbInitioParams]) -> None:
    if not jobs:
        raise ParameterError("no number of classes is given: give at least one")
    number, times = Counter(job.classes for job in jobs).most_common(1)[0]
    if times > 1:
        raise ParameterError(f"the number of classes {number} is given {times} times: give each number once")


@dataclass(slots=True)
class _Series:
    """The jobs as they run: the record of the one that runs, its usage, and what is left of those before it."""

    output: Path
    jobs: Sequence[AbInitioParams]
    particles: Particles
    images: MrcStackSource
    on_iteration: OnJobIteration | None
    usage: Usage
    summaries: list[Summary] = field(default_factory=list)
    _record: JobRecord | None = None
    _latest: Snapshot | None = None
    _compared: list["ComparedJob"] = field(default_factory=list)

    def add(self, _number: int, snapshot: Snapshot) -> None:
        """Take an iteration of the job that runs."""
        self._latest = snapshot
        self._running().add(snapshot)

    def finish(self, result: RunResult) -> None:
        """Write what the job gave, and the page that compares it with those before it."""
        summary = self._running().finish(result, self.particles, self.images)
        self._record = None
        self._compared.append(self._comparable(result, summary))
        self.summaries.append(summary)
        self._write_report()
        self.usage = Usage()

    def fail(self, error: BaseException) -> None:
        """Say in the folder of the job that runs that it failed, if it has one."""
        if self._record is not None:
            self._record.fail(error)

    def _running(self) -> JobRecord:
        if self._record is None:
            number = len(self.summaries)
            folder = job_folder(self.output, self.jobs[number].classes)
            hand_on = None if self.on_iteration is None else partial(self.on_iteration, number)
            self._record = JobRecord(folder, self.jobs[number], self.usage, hand_on)
        return self._record

    def _comparable(self, result: RunResult, summary: Summary) -> "ComparedJob":
        """The job for the comparison, its maps on the engine's grid: in the input's box they would fill the memory."""
        from coldstart.report.compare import ComparedJob

        if self._latest is not None:
            maps, voxel = self._latest.volumes, self._latest.voxel_size_angstrom
            result = replace(result, volumes=maps, pixel_size_angstrom=voxel)
        params = self.jobs[len(self.summaries)]
        folder = job_folder(self.output, params.classes)
        return ComparedJob(
            name=folder.name,
            link=f"{folder.name}/{RunPaths(folder).report_path.name}",
            result=result,
            params=params,
            cpu_seconds=summary.cpu_seconds or 0.0,
            wall_seconds=summary.wall_seconds or 0.0,
            particle_count=self.particles.count,
        )

    def _write_report(self) -> None:
        from coldstart.report.compare import render_comparison

        page = render_comparison(self._compared, __version__)
        write_text_atomically(RunPaths(self.output).report_path, page)
