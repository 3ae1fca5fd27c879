"""Several jobs on the same particles as they run: their folders, the page that compares them, the checkpoint of all.

The page is written after every job, so that it is there for those that are done, whatever becomes of the others.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from coldstart import __version__
from coldstart.api.checkpoint import CheckpointKeeper, Environment, ShouldSuspend, read_job, read_point
from coldstart.api.drive import ShouldStop, reconstruct_each
from coldstart.api.job import JobData
from coldstart.api.record import JobRecord
from coldstart.api.usage import Usage
from coldstart.io.checkpoint import read_record, write_records
from coldstart.io.files import remove_file, write_text_atomically
from coldstart.io.inputs import Inputs
from coldstart.io.lock import FolderLock
from coldstart.io.results import RunFolder, make_folder
from coldstart.io.run_paths import RunPaths
from coldstart.io.run_records import Summary
from coldstart.model.state import RunResult, Snapshot
from coldstart.params import AbInitioParams

# The engine and the comparison bring in OpenCL and matplotlib, which jobs that fail early never need.
if TYPE_CHECKING:
    from coldstart.cluster.request import ClusterRequest
    from coldstart.compute.session import Session
    from coldstart.engine.parts import RunPoint
    from coldstart.report.compare import ComparedJob

OnJobIteration = Callable[[int, Snapshot], None]

SERIES = "series"


@dataclass(frozen=True, slots=True)
class JobDone:
    """A job that is done, for the page that compares it with the others.

    Attributes
    ----------
    result : RunResult
        Its maps on the engine's grid: in the input's box they would fill the memory.
    cpu_seconds, wall_seconds : float
    """

    result: RunResult
    cpu_seconds: float
    wall_seconds: float


@dataclass(frozen=True, slots=True)
class SeriesCheckpoint:
    """What jobs go on from; the one that was left has a checkpoint of its own in its folder.

    Attributes
    ----------
    jobs : tuple of AbInitioParams
        All of them.
    inputs, environment, changes
        As in `JobCheckpoint`.
    done : tuple of JobDone
        The first of the jobs.
    """

    jobs: tuple[AbInitioParams, ...]
    inputs: Inputs
    environment: Environment
    changes: tuple[str, ...]
    done: tuple[JobDone, ...]


def read_series(path: Path) -> SeriesCheckpoint:
    """The checkpoint of several jobs.

    Raises
    ------
    OutputError
        As `read_record`.
    """
    return read_record(path, SERIES, SeriesCheckpoint)


def job_folder(output: Path, classes: int) -> Path:
    """The run folder of the job with this many classes."""
    return output / f"classes_{classes}"


@dataclass(slots=True)
class Series:
    """The jobs and their watcher: the record of the one that runs, its usage, and what is left of those before it."""

    output: Path
    jobs: tuple[AbInitioParams, ...]
    data: JobData
    usage: Usage
    on_iteration: OnJobIteration | None
    stop: ShouldStop | None
    should_suspend: ShouldSuspend | None
    cluster: "ClusterRequest | None" = None
    _left: SeriesCheckpoint | None = None
    _accept_changes: bool = False
    _lock: FolderLock | None = None
    _point: "RunPoint | None" = None
    _session: "Session | None" = None
    _record: JobRecord | None = None
    _latest: Snapshot | None = None
    _done: tuple[JobDone, ...] = ()
    _summaries: list[Summary] = field(default_factory=list)

    def resume_at(self, left: SeriesCheckpoint, lock: FolderLock, *, accept_changes: bool) -> None:
        """Go on where jobs were left, in their folder, whose lock is taken."""
        self._left, self._lock, self._accept_changes = left, lock, accept_changes
        self._done = left.done
        done = self.jobs[: len(left.done)]
        self._summaries = [RunFolder(job_folder(self.output, job.classes)).load_summary() for job in done]
        if len(done) < len(self.jobs) and self._checkpoint_path.is_file():
            self._point = read_point(self._checkpoint_path)

    def run(self) -> tuple[Summary, ...]:
        """Run the jobs that are left, and give the summaries of all that ran."""
        data, left = self.data, self.jobs[len(self._done) :]
        try:
            if not left:  # killed before the last page
                self._write_report(self._done)
            else:
                for result in reconstruct_each(data.particles, data.images, left, self, self._point, self.cluster):
                    self._finish(replace(result, notes=data.notes + result.notes))
                    if self.should_stop():
                        break
            if len(self._done) == len(self.jobs):
                remove_file(RunPaths(self.output).checkpoint_path)
        except BaseException as error:
            if self._record is not None:
                self._record.fail(error)
            raise
        finally:
            if self._record is not None:
                self._record.close()
            if self._lock is not None:
                self._lock.release()
        return tuple(self._summaries)

    def opened(self, session: "Session") -> None:
        """Take note of the device, and go on with the job that was left."""
        self._session = session
        if self._point is not None:
            self._running().opened(session)

    def keep(self, point: "RunPoint") -> None:
        """Take note of where the job that runs could go on."""
        self._running().keep(point)

    def add(self, snapshot: Snapshot) -> None:
        """Take an iteration of the job that runs."""
        self._latest = snapshot
        if self._lock is None:
            make_folder(self.output)
            self._lock = FolderLock(self.output)
            self._write_checkpoint()
        self._running().add(snapshot)

    def pause(self) -> None:
        """Before and during the posing pass of the job that runs."""
        self._running().pause()

    def should_stop(self) -> bool:
        """Whether the job that runs is to end with what it has, and to be the last."""
        return self.stop is not None and self.stop()

    @property
    def _number(self) -> int:
        """Of the job that runs, from 0."""
        return len(self._done)

    @property
    def _folder(self) -> Path:
        return job_folder(self.output, self.jobs[self._number].classes)

    @property
    def _checkpoint_path(self) -> Path:
        return RunPaths(self._folder).checkpoint_path

    def _running(self) -> JobRecord:
        """The record of the job that runs."""
        if self._record is None:
            number, keeper = self._number, self._keeper()
            hand_on = None if self.on_iteration is None else partial(self.on_iteration, number)
            self._record = JobRecord(self._folder, keeper, hand_on, self.stop)
            if self._point is not None:
                self._record.resume_at(self._point, self.data.particles.box_angstrom)
                self._point = None
            elif self._session is not None:
                keeper.opened(self._session)
        return self._record

    def _keeper(self) -> CheckpointKeeper:
        changes, usage = self.data.changes, self.usage
        if self._point is not None:
            job = read_job(self._checkpoint_path)
            changes, usage = job.changes + changes, Usage(job.used)
        return CheckpointKeeper(
            self._checkpoint_path, self.output, self.jobs[self._number], self.data.inputs, usage, self.should_suspend,
            None if self._left is None else self._left.environment, self._accept_changes, changes,
        )  # fmt: skip

    def _finish(self, result: RunResult) -> None:
        """Write what the job gave, and the page that compares it with those before it."""
        record = self._running()
        summary = record.finish(result, self.data.particles, self.data.images)
        done = JobDone(self._small(result), summary.cpu_seconds or 0.0, summary.wall_seconds or 0.0)
        compared = (*self._done, done)
        if not result.stopped_early:
            self._done = compared
            self._write_checkpoint()
            record.remove_checkpoint()
        record.close()
        self._record, self.usage = None, Usage()
        self._summaries.append(summary)
        self._write_report(compared)

    def _small(self, result: RunResult) -> RunResult:
        if self._latest is None:
            return result
        return replace(result, volumes=self._latest.volumes, pixel_size_angstrom=self._latest.voxel_size_angstrom)

    def _write_checkpoint(self) -> None:
        if self._session is not None:
            now = Environment.of(self._session)
            left = SeriesCheckpoint(self.jobs, self.data.inputs, now, self.data.changes, self._done)
            write_records(RunPaths(self.output).checkpoint_path, {SERIES: left})

    def _write_report(self, jobs: tuple[JobDone, ...]) -> None:
        from coldstart.report.compare import render_comparison

        page = render_comparison([self._comparable(*job) for job in zip(self.jobs, jobs, strict=False)], __version__)
        write_text_atomically(RunPaths(self.output).report_path, page)

    def _comparable(self, params: AbInitioParams, job: JobDone) -> "ComparedJob":
        from coldstart.report.compare import ComparedJob

        folder = job_folder(self.output, params.classes)
        return ComparedJob(
            name=folder.name,
            link=f"{folder.name}/{RunPaths(folder).report_path.name}",
            result=job.result,
            params=params,
            cpu_seconds=job.cpu_seconds,
            wall_seconds=job.wall_seconds,
            particle_count=self.data.particles.count,
        )
