"""The record of a job: its run folder while it runs, and what the folder says once it has ended.

The folder is made when the engine has finished its first iteration, so that a check that fails leaves nothing behind.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from coldstart import __version__
from coldstart.api.drive import OnIteration
from coldstart.api.usage import Usage, peak_host_bytes
from coldstart.errors import OutputError
from coldstart.io.files import write_text_atomically
from coldstart.io.mrc import MrcStackSource
from coldstart.io.results import RunFolder
from coldstart.io.run_records import ClassSummary, SearchSummary, Summary
from coldstart.model.particles import Particles
from coldstart.model.state import ClassReport, RunResult, Snapshot
from coldstart.params import AbInitioParams
from coldstart.report.content import ReportContent
from coldstart.report.evolution import MapPanels, map_panels

_SNAPSHOTS = 20


def is_snapshot_iteration(iteration: int, iterations: int, wanted: int = _SNAPSHOTS) -> bool:
    """Whether to keep the maps of this iteration: `wanted` ones, evenly from the first (1) to the last."""
    if iterations <= wanted:
        return True
    return iteration in np.rint(np.linspace(1, iterations, wanted)).astype(int)


@dataclass(slots=True)
class JobRecord:
    """The run folder of a job as it grows; it is made at the first iteration.

    Attributes
    ----------
    output : Path
        The folder, which must be new or empty when the first iteration comes.
    params : AbInitioParams
    usage : Usage
        From the start of the job.
    on_iteration : callable or None
        Called after each iteration, once that is written.
    """

    output: Path
    params: AbInitioParams
    usage: Usage
    on_iteration: OnIteration | None
    _folder: RunFolder | None = None
    _panels: list[MapPanels] = field(default_factory=list)
    _unwritten: Snapshot | None = None

    def add(self, snapshot: Snapshot) -> None:
        """Log an iteration, and keep its maps if it is one of those to keep."""
        stats = snapshot.stats
        self._opened().append_iteration(stats)
        if stats.phase != "posing":
            self._unwritten = snapshot
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
        if self._folder is None:
            return
        message = "aborted by the user" if isinstance(error, KeyboardInterrupt) else str(error) or type(error).__name__
        try:
            self._folder.write_summary(
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
        if self._folder is None:
            self._folder = RunFolder.create(self.output)
            self._folder.write_params(self.params)
            self._folder.write_summary(Summary(status="running", seed=self.params.seed))
        return self._folder

    def _keep_maps(self) -> None:
        """Write the latest maps and keep their pictures for the report, unless that was done."""
        if self._unwritten is not None:
            self._opened().write_snapshot(self._unwritten)
            self._panels.append(map_panels(self._unwritten))
            self._unwritten = None

    def _write_report(self, folder: RunFolder, result: RunResult, particles: Particles) -> None:
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
            wall_seconds=self.usage.wall_seconds(),
            cpu_seconds=self.usage.cpu_seconds(),
            peak_host_bytes=peak_host_bytes(),
            version=__version__,
        )
        write_text_atomically(folder.report_path, render_report(content))

    def _summary(self, result: RunResult, count: int) -> Summary:
        from coldstart.report.advice import run_advice  # matplotlib again

        used = int(result.poses.used.sum())
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
            symmetry=result.symmetry,
            resolution_angstrom=result.resolution_angstrom,
            classes=_class_summaries(result),
            class_similarity=_similarity(result),
            converged=result.converged,
            search=SearchSummary.of(result.iterations) if result.iterations else None,
            verify_bound=result.iterations[-1].audit if result.iterations else None,
            notes=(*result.notes, *map(str, run_advice(result))),
        )


def _class_summaries(result: RunResult) -> tuple[ClassSummary, ...]:
    counts = np.bincount(result.poses.class_index, minlength=len(result.volumes)).tolist()
    numbered = enumerate(zip(result.classes, counts, strict=True), 1)
    return tuple(_class_summary(number, report, count) for number, (report, count) in numbered)


def _class_summary(number: int, report: ClassReport, particles: int) -> ClassSummary:
    resolution = report.resolution_angstrom
    return ClassSummary(
        number=number,
        resolution_angstrom=resolution if math.isfinite(resolution) else None,
        particle_share=report.share,
        particles=particles,
        flatness=report.flatness,
        is_noise=report.is_noise,
    )


def _similarity(result: RunResult) -> tuple[tuple[float, ...], ...] | None:
    return tuple(map(tuple, result.similarity.tolist())) if len(result.volumes) > 1 else None
