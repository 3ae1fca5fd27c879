"""A run with its files: particles in, a run folder out.

Whatever can be refused (input, parameters, device, memory) is refused before the folder exists: it is made when the
engine has finished its first iteration, so that a failed check leaves nothing behind.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from coldstart import __version__
from coldstart.api.drive import OnIteration, ShouldStop, reconstruct
from coldstart.api.usage import Usage, peak_host_bytes
from coldstart.errors import OutputError
from coldstart.io.files import write_text_atomically
from coldstart.io.mrc import MrcStackSource
from coldstart.io.results import RunFolder
from coldstart.io.run_records import ClassSummary, SearchSummary, Summary
from coldstart.io.star import read_particles
from coldstart.model.particles import Particles
from coldstart.model.state import RunResult, Snapshot
from coldstart.params import AbInitioParams
from coldstart.report.content import ReportContent
from coldstart.report.evolution import MapPanels, map_panels

_SNAPSHOTS = 20


def run_job(
    particles_path: Path,
    output: Path,
    params: AbInitioParams,
    *,
    data_root: Path | None = None,
    on_iteration: OnIteration | None = None,
    should_stop: ShouldStop | None = None,
) -> Summary:
    """Reconstruct the particles of a file and write a run folder: maps, tables, snapshots, log, summary and report.

    Parameters
    ----------
    particles_path : Path
        RELION STAR file, or a plain stack.
    output : Path
        New or empty folder.
    params : AbInitioParams
    data_root : Path, optional
        Folder that the stack paths of the table are relative to.
    on_iteration, should_stop : callable, optional
        As in `reconstruct`.

    Raises
    ------
    ColdstartError
        As `reconstruct`, and OutputError if the folder is not empty or cannot be written. If the run fails once the
        folder is made, its summary.json says so.
    """
    usage, output = Usage(), Path(output)
    _check_output(output)
    particles, images = read_particles(
        Path(particles_path),
        data_root=data_root,
        pixel_size_angstrom=params.pixel_size_angstrom,
        use_ctf=params.ctf,
    )
    record = _Record(output, params, usage, on_iteration)
    try:
        result = reconstruct(particles, images, params, on_iteration=record.add, should_stop=should_stop)
        return record.finish(result, particles, images)
    except BaseException as error:
        record.fail(error)
        raise


def is_snapshot_iteration(iteration: int, iterations: int, wanted: int = _SNAPSHOTS) -> bool:
    """Whether to keep the maps of this iteration: `wanted` ones, evenly from the first (1) to the last."""
    if iterations <= wanted:
        return True
    return iteration in np.rint(np.linspace(1, iterations, wanted)).astype(int)


@dataclass(slots=True)
class _Record:
    """The run folder as it grows; it is made at the first iteration."""

    output: Path
    params: AbInitioParams
    usage: Usage
    on_iteration: OnIteration | None
    folder: RunFolder | None = None
    panels: list[MapPanels] = field(default_factory=list)
    unwritten: Snapshot | None = None

    def add(self, snapshot: Snapshot) -> None:
        """Log an iteration, and keep its maps if it is one of those to keep."""
        stats = snapshot.stats
        self._opened().append_iteration(stats)
        if stats.phase != "posing":
            self.unwritten = snapshot
            if is_snapshot_iteration(stats.iteration, stats.iterations):
                self._keep_maps()
        if self.on_iteration is not None:
            self.on_iteration(snapshot)

    def finish(self, result: RunResult, particles: Particles, images: MrcStackSource) -> Summary:
        """Write what the run gave."""
        folder = self._opened()
        self._keep_maps()
        folder.write_result(particles, result, images)
        self._write_report(folder, result, particles)
        summary = self._summary(result, particles.count)
        folder.write_summary(summary)
        return summary

    def fail(self, error: BaseException) -> None:
        """Say in summary.json that the run failed, if there is a folder to say it in."""
        if self.folder is None:
            return
        message = "aborted by the user" if isinstance(error, KeyboardInterrupt) else str(error) or type(error).__name__
        try:
            self.folder.write_summary(
                Summary(
                    status="failed",
                    seed=self.params.seed,
                    wall_seconds=self.usage.wall_seconds(),
                    cpu_seconds=self.usage.cpu_seconds(),
                    peak_host_bytes=peak_host_bytes(),
                    notes=(message,),
                )
            )
        except OutputError as second:
            # A full disk fails twice; the first failure is the one to raise.
            error.add_note(str(second))

    def _opened(self) -> RunFolder:
        if self.folder is None:
            self.folder = RunFolder.create(self.output)
            self.folder.write_params(self.params)
            self.folder.write_summary(Summary(status="running", seed=self.params.seed))
        return self.folder

    def _keep_maps(self) -> None:
        """Write the latest maps and keep their pictures for the report, unless that was done."""
        if self.unwritten is not None:
            self._opened().write_snapshot(self.unwritten)
            self.panels.append(map_panels(self.unwritten))
            self.unwritten = None

    def _write_report(self, folder: RunFolder, result: RunResult, particles: Particles) -> None:
        # Brings in matplotlib, which a run that fails early never needs.
        from coldstart.report.page import render_report

        content = ReportContent(
            name=self.output.absolute().name,
            source=particles.name,
            params=self.params,
            result=result,
            panels=tuple(self.panels),
            ctf=particles.ctf,
            particle_count=particles.count,
            wall_seconds=self.usage.wall_seconds(),
            cpu_seconds=self.usage.cpu_seconds(),
            peak_host_bytes=peak_host_bytes(),
            version=__version__,
        )
        write_text_atomically(folder.report_path, render_report(content))

    def _summary(self, result: RunResult, count: int) -> Summary:
        used = len(result.poses.particle)
        shares = np.bincount(result.poses.class_index, minlength=len(result.volumes)) / max(used, 1)
        pairs = zip(result.resolution_angstrom, shares.tolist(), strict=True)
        return Summary(
            status="stopped" if result.stopped_early else "completed",
            seed=self.params.seed,
            device=result.device_name,
            wall_seconds=self.usage.wall_seconds(),
            cpu_seconds=self.usage.cpu_seconds(),
            peak_host_bytes=peak_host_bytes(),
            peak_device_bytes=result.peak_device_bytes,
            iterations=sum(stats.phase != "posing" for stats in result.iterations),
            image_visits=result.iterations[-1].image_visits if result.iterations else 0,
            particles_used=used,
            particles_unused=count - used,
            classes=tuple(ClassSummary(number, *pair) for number, pair in enumerate(pairs, 1)),
            converged=result.converged,
            search=SearchSummary.of(result.iterations) if result.iterations else None,
            verify_bound=result.iterations[-1].audit if result.iterations else None,
            notes=result.notes,
        )


def _check_output(path: Path) -> None:
    """Refuse an output that could not be made, before any work is done."""
    if path.is_dir() and not any(path.iterdir()):
        return
    if path.exists() and not path.is_dir():
        raise OutputError(f"the output folder {path} is a file: choose another path.")
    if path.is_dir():
        raise OutputError(f"the output folder {path} is not empty: choose another one, or empty it first.")
    parent = next(folder for folder in path.absolute().parents if folder.exists())
    if not os.access(parent, os.W_OK):
        raise OutputError(f"the output folder {path} cannot be made: {parent} may not be written. Choose another one.")
