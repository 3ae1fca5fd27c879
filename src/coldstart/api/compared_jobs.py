"""The page that compares several numbers of classes, from what their run folders hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from coldstart import __version__
from coldstart.io.class_records import ClassSummary
from coldstart.io.files import write_text_atomically
from coldstart.io.mrc import read_map
from coldstart.io.results import RunFolder
from coldstart.io.run_paths import RunPaths
from coldstart.io.run_records import Summary
from coldstart.io.runs_plan import RunsPlan
from coldstart.io.star_poses import read_poses
from coldstart.io.star_subset import read_with_particles
from coldstart.model.state import ClassReport, RunResult
from coldstart.params import AbInitioParams


@dataclass(slots=True)
class JobComparison:
    """The page about the jobs in a folder that have a result.

    Attributes
    ----------
    output : Path
    plan : RunsPlan
    shown : tuple of Summary
        Of the jobs that the page is known to show, in the plan's order. Of one that is there from before nothing is
        known: it may have been left half-way.
    """

    output: Path
    plan: RunsPlan
    shown: tuple[Summary, ...] = ()

    def update(self) -> tuple[Summary, ...]:
        """Write the page unless it shows these results already; the summaries of all jobs that have one.

        Raises
        ------
        OutputError
            If a file cannot be read or written.
        """
        jobs = self._with_result()
        summaries = tuple(summary for _, _, summary in jobs)
        if summaries != self.shown:
            self._write(jobs)
            self.shown = summaries
        return summaries

    def _with_result(self) -> list[tuple[AbInitioParams, RunFolder, Summary]]:
        runs = zip(self.plan.jobs, map(RunFolder, self.plan.folders(self.output)), strict=True)
        found = [(params, run, run.load_summary()) for params, run in runs if run.summary_path.is_file()]
        return [job for job in found if job[2].has_result]

    def _write(self, jobs: Sequence[tuple[AbInitioParams, RunFolder, Summary]]) -> None:
        # Brings in matplotlib.
        from coldstart.report.compare import ComparedJob, render_comparison

        compared = [
            ComparedJob(
                name=run.path.name,
                link=f"{run.path.name}/{run.report_path.name}",
                result=_result(run, summary, params),
                params=params,
                cpu_seconds=summary.cpu_seconds or 0.0,
                wall_seconds=summary.wall_seconds or 0.0,
                particle_count=(summary.particles_used or 0) + (summary.particles_unused or 0),
            )
            for params, run, summary in jobs
        ]
        page = render_comparison(compared, str(self.plan.particles), __version__)
        write_text_atomically(RunPaths(self.output).report_path, page)


def _result(run: RunFolder, summary: Summary, params: AbInitioParams) -> RunResult:
    """What the page shows of a job: its last snapshots, since maps in the input's box are larger."""
    table = run.table_path(params.classes)
    poses = read_poses(read_with_particles(table)[1], str(table), params.classes)
    snapshots = run.load_snapshots()
    last = max(snapshot.iteration for snapshot in snapshots)
    maps = [read_map(snapshot.path) for snapshot in snapshots if snapshot.iteration == last]
    likeness = () if summary.class_similarity is None else summary.class_similarity
    return RunResult(
        volumes=np.stack([volume for volume, _ in maps]),
        pixel_size_angstrom=maps[0][1],
        poses=poses,
        iterations=(),
        resolution_angstrom=summary.resolution_angstrom or float("nan"),
        device_name=summary.device or "",
        peak_device_bytes=summary.peak_device_bytes or 0,
        stopped_early=summary.status == "stopped",
        classes=tuple(map(_report, summary.classes)),
        similarity=np.array(likeness),
    )


def _report(summary: ClassSummary) -> ClassReport:
    """What the page shows of a class."""
    return ClassReport(
        share=summary.particle_share,
        resolution_angstrom=float("nan") if summary.resolution_angstrom is None else summary.resolution_angstrom,
        half_correlation=np.zeros(0),
        flatness=1.0 if summary.flatness is None else summary.flatness,
        is_noise=summary.is_noise,
    )
