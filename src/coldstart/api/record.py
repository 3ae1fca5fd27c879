"""The record of a job: its run folder while it runs, and what the folder says once it has ended.

The folder is made when the engine has finished its first iteration, so that a check that fails leaves nothing behind.
"""

import math
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from coldstart import __version__
from coldstart.api.checkpoint import CheckpointKeeper
from coldstart.api.drive import OnIteration, ShouldStop
from coldstart.api.summary import summary_of
from coldstart.api.usage import Usage
from coldstart.errors import OutputError, ParticleFileError, RunSuspended
from coldstart.io.files import remove_file, write_text_atomically
from coldstart.io.inputs import write_inputs
from coldstart.io.lock import FolderLock
from coldstart.io.mrc import MrcStackSource, read_map
from coldstart.io.results import RunFolder
from coldstart.io.run_paths import resume_command
from coldstart.io.run_records import Status, Summary
from coldstart.model.particles import Particles
from coldstart.model.state import IterationStats, RunResult, Snapshot
from coldstart.params import AbInitioParams
from coldstart.report.content import ReportContent
from coldstart.report.evolution import MapPanels, map_panels

if TYPE_CHECKING:
    from coldstart.compute.session import Session
    from coldstart.engine.parts import RunPoint

_SNAPSHOTS = 20
_SAME_BOX = 1e-6
"""Relative: a side that was divided and multiplied again is the same."""


def is_snapshot_iteration(iteration: int, iterations: int, wanted: int = _SNAPSHOTS) -> bool:
    """Whether to keep the maps of this iteration: `wanted` ones, evenly from the first (1) to the last."""
    if iterations <= wanted:
        return True
    return iteration in np.rint(np.linspace(1, iterations, wanted)).astype(int)


@dataclass(slots=True)
class JobRecord:
    """The run folder of a job as it grows, and the watcher of the job; the folder is made at the first iteration.

    Attributes
    ----------
    output : Path
        The folder, which must be new or empty when the first iteration comes.
    keeper : CheckpointKeeper
        Of this job.
    on_iteration : callable or None
        Called after each iteration, once that is written.
    stop : callable or None
        Asked after every iteration whether the job is to end with what it has.
    lock : FolderLock or None
        Of the folder, where that is there.
    """

    output: Path
    keeper: CheckpointKeeper
    on_iteration: OnIteration | None
    stop: ShouldStop | None = None
    lock: FolderLock | None = None
    _folder: RunFolder | None = None
    _resumed: "tuple[RunPoint, float] | None" = None
    _panels: list[MapPanels] = field(default_factory=list)
    _unwritten: Snapshot | None = None

    @property
    def params(self) -> AbInitioParams:
        """The job's."""
        return self.keeper.params

    @property
    def usage(self) -> Usage:
        """From the start of the job."""
        return self.keeper.usage

    def resume_at(self, point: "RunPoint", box_angstrom: float) -> None:
        """Go on from a point in a folder that is there, once the device is open.

        Parameters
        ----------
        point : RunPoint
        box_angstrom : float
            Side of the particles' box.

        Raises
        ------
        ParticleFileError
            If that is not the side of the maps at the point.
        """
        last = point.history[-1]
        before = last.resolution_angstrom * last.fourier_radius
        if not math.isclose(box_angstrom, before, rel_tol=_SAME_BOX):
            raise ParticleFileError(
                f"the box of the particles is {box_angstrom:.6g} Å now, and was {before:.6g} Å when the run began: no "
                "run goes on in another box or at another pixel size. Put back what it began with, or begin another "
                "run with coldstart run."
            )
        self._resumed = point, box_angstrom

    def opened(self, session: "Session") -> None:
        """Take note of the device, and put the folder back to where the run goes on.

        Raises
        ------
        DeviceError
            If the run would not go on as it began.
        OutputError
            If the folder cannot be written.
        """
        self.keeper.opened(session)
        if self._resumed is not None:
            self._take_up(*self._resumed)
            self._resumed = None

    def keep(self, point: "RunPoint") -> None:
        """Take note of where the job could go on."""
        self.keeper.keep(point)

    def add(self, snapshot: Snapshot) -> None:
        """Log an iteration, keep its maps if it is one of those to keep, and write a checkpoint if that is due."""
        stats = snapshot.stats
        if not stats.is_posing_on:
            self._opened().append_iteration(stats)
        if stats.phase != "posing":
            self._unwritten = snapshot
            self._keep_maps_if_wanted(stats)
        if self.on_iteration is not None:
            self.on_iteration(snapshot)
        if stats.phase != "posing":
            self.keeper.after_iteration()

    def pause(self) -> None:
        """Before and during the posing pass: keep what came before it, and leave if that is asked for."""
        self.keeper.pause()

    def should_stop(self) -> bool:
        """Whether the job is to end with what it has."""
        return self.stop is not None and self.stop()

    def finish(self, result: RunResult, particles: Particles, images: MrcStackSource) -> Summary:
        """Write what the run gave. The checkpoint stays, to be removed once nothing can be lost."""
        folder = self._opened()
        self._keep_maps()
        result = replace(result, notes=(*result.notes, *self.keeper.changes))
        folder.write_result(particles, result, images)
        summary = summary_of(result, self.params.seed, particles.count)
        summary = replace(summary, **asdict(self.usage.so_far()))
        self._write_report(folder, result, particles, summary)
        folder.write_summary(summary)
        return summary

    def remove_checkpoint(self) -> None:
        """There is nothing left to go on with."""
        remove_file(RunFolder(self.output).checkpoint_path)

    def fail(self, error: BaseException) -> None:
        """Say in summary.json how the run ended, and keep its last iteration, if there is a folder for that."""
        if self._folder is None:
            return
        if isinstance(error, RunSuspended):
            self._write_ending("suspended", (str(error),), error)
            return
        message = "aborted by the user" if isinstance(error, KeyboardInterrupt) else str(error) or type(error).__name__
        remedy = self._kept(error)
        if remedy is not None:
            error.add_note(remedy)
        self._write_ending("failed", (message,) if remedy is None else (message, remedy), error)

    def close(self) -> None:
        """Let other runs have the folder."""
        if self.lock is not None:
            self.lock.release()

    def _kept(self, error: BaseException) -> str | None:
        """How the run goes on after an error, its last iteration kept if that can be; None where it cannot."""
        try:
            self.keeper.write()
        except OutputError as second:
            error.add_note(str(second))
        if not self.keeper.written:
            return None
        return (
            f"The run can go on after iteration {self.keeper.written} with: {resume_command(self.keeper.path.parent)}"
        )

    def _write_ending(self, status: Status, notes: tuple[str, ...], error: BaseException) -> None:
        point = self.keeper.point
        last = None if point is None else point.history[-1]
        try:
            RunFolder(self.output).write_summary(
                Summary(
                    status=status,
                    seed=self.params.seed,
                    wall_seconds=self.usage.wall_seconds(),
                    cpu_seconds=self.usage.cpu_seconds(),
                    peak_host_bytes=self.usage.peak_host_bytes(),
                    iterations=None if last is None else last.iteration,
                    image_visits=None if last is None else last.image_visits,
                    notes=notes,
                )
            )
        except OutputError as second:
            # A full disk fails twice; the first failure is the one to raise.
            error.add_note(str(second))

    def _opened(self) -> RunFolder:
        if self._folder is None:
            folder = RunFolder.create(self.output)
            self.lock = FolderLock(self.output)
            self._folder = folder
            self.keeper.write()  # before anything else: with it the run can go on, whatever is missing
            self._describe()
        return self._folder

    def _take_up(self, point: "RunPoint", box_angstrom: float) -> None:
        folder, history, volumes = RunFolder(self.output), point.history, point.state.map.volume
        self.lock = self.lock or FolderLock(self.output)
        folder.rewind(history, lambda number: is_snapshot_iteration(number, history[number - 1].iterations))
        self._folder = folder
        self.keeper.point, self.keeper.written = point, len(history)
        for iteration, files in groupby(folder.load_snapshots(), lambda file: file.iteration):
            maps = np.stack([read_map(file.path)[0] for file in files])
            self._panels.append(map_panels(Snapshot(history[iteration - 1], maps, box_angstrom / maps.shape[1])))
        if not self._panels or self._panels[-1].iteration < history[-1].iteration:
            self._unwritten = Snapshot(history[-1], volumes, box_angstrom / volumes.shape[1])
            self._keep_maps_if_wanted(history[-1])
        self._describe()

    def _describe(self) -> None:
        """Say in the folder what is run, on what, and that it runs."""
        folder = self._opened()
        write_inputs(folder.inputs_path, self.keeper.inputs)
        folder.write_params(self.params)
        folder.write_summary(Summary(status="running", seed=self.params.seed))

    def _keep_maps_if_wanted(self, stats: IterationStats) -> None:
        if is_snapshot_iteration(stats.iteration, stats.iterations):
            self._keep_maps()

    def _keep_maps(self) -> None:
        """Write the latest maps and keep their pictures for the report, unless that was done."""
        if self._unwritten is not None:
            self._opened().write_snapshot(self._unwritten)
            self._panels.append(map_panels(self._unwritten))
            self._unwritten = None

    def _write_report(self, folder: RunFolder, result: RunResult, particles: Particles, summary: Summary) -> None:
        # Brings in matplotlib, which a run that fails early never needs.
        from coldstart.report.page import render_report

        content = ReportContent(
            name=self.output.absolute().name,
            source=particles.name,
            params=self.params,
            result=result,
            panels=tuple(self._panels),
            ctf=particles.ctf,
            particle_count=particles.count,
            wall_seconds=summary.wall_seconds or 0.0,
            cpu_seconds=summary.cpu_seconds or 0.0,
            peak_host_bytes=summary.peak_host_bytes,
            version=__version__,
        )
        write_text_atomically(folder.report_path, render_report(content))
