"""Several starts on the same particles: a race, and how far those that reach its end agree.

Every start is a run folder of its own, with the next seed. All of them run until they have worked at the maximum
resolution for a while. Those that by then explain the images clearly worse than the best one are left there, with a
checkpoint; the others run to their end and are compared (consensus.py). What has been done is read from the folders, so
that a race that was left goes on from them.
"""

import shutil
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from coldstart.api.check import OnCheck
from coldstart.api.checkpoint import ShouldSuspend
from coldstart.api.consensus import find_consensus
from coldstart.api.drive import ShouldStop
from coldstart.api.job import check_output, run_job
from coldstart.api.resume import resume_job
from coldstart.api.series import OnJobIteration
from coldstart.errors import ParameterError, RunSuspended
from coldstart.io.lock import FolderLock
from coldstart.io.results import RunFolder
from coldstart.io.run_paths import resume_command
from coldstart.io.starts_file import StartsPlan, read_starts, start_folder, write_starts
from coldstart.model.starts import JUDGED_ITERATIONS, ConsensusRecord, Evidence
from coldstart.model.state import IterationStats, Snapshot
from coldstart.params import AbInitioParams

if TYPE_CHECKING:
    from coldstart.cluster.request import ClusterRequest


def run_starts(
    particles_path: Path,
    output: Path,
    params: AbInitioParams,
    starts: int,
    *,
    data_root: Path | None = None,
    on_check: OnCheck | None = None,
    on_iteration: OnJobIteration | None = None,
    should_stop: ShouldStop | None = None,
    should_suspend: ShouldSuspend | None = None,
    cluster: "ClusterRequest | None" = None,
) -> ConsensusRecord:
    """Reconstruct the particles of a file from several random starts, and say how far the maps can be trusted.

    Parameters
    ----------
    particles_path, data_root, on_check, should_suspend, cluster
        As in `run_job`.
    output : Path
        New or empty folder. It gets a run folder for each start, the mean of the maps that agree, a particle table that
        says which poses they agree on, and a report.
    params : AbInitioParams
        Of the first start; each further one has the next seed.
    starts : int
        At least two.
    on_iteration : callable, optional
        Called after every iteration with the number of the start, from 0, and the maps and figures.
    should_stop : callable, optional
        Asked after every iteration; once it says True, the start that runs ends with what it has, and those that have
        begun are compared.

    Raises
    ------
    ColdstartError
        As `run_job`, and ParameterError if there are fewer than two starts.
    """
    if starts < 2:
        raise ParameterError(f"--starts {starts} leaves nothing to compare: give 2 or more.")
    check_output(Path(output))
    plan = StartsPlan(Path(particles_path), data_root, params, starts)
    return _Race(Path(output), plan, on_check, on_iteration, should_stop, should_suspend, cluster=cluster).run()


def resume_starts(
    output: Path,
    *,
    data_root: Path | None = None,
    on_iteration: OnJobIteration | None = None,
    should_stop: ShouldStop | None = None,
    should_suspend: ShouldSuspend | None = None,
    accept_changes: bool = False,
    cluster: "ClusterRequest | None" = None,
) -> ConsensusRecord:
    """Go on with several starts that were left, or compare them anew.

    Raises
    ------
    ColdstartError
        As `resume_job`, and OutputError if the folder is none of several starts.
    """
    output = Path(output)
    plan = read_starts(output)
    plan = plan if data_root is None else replace(plan, data_root=data_root)
    race = _Race(output, plan, None, on_iteration, should_stop, should_suspend, accept_changes, cluster)
    race.lock = FolderLock(output)
    return race.run()


@dataclass(slots=True)
class _Race:
    """The starts as they run."""

    output: Path
    plan: StartsPlan
    on_check: OnCheck | None
    on_iteration: OnJobIteration | None
    stop: ShouldStop | None
    suspend: ShouldSuspend | None
    accept_changes: bool = False
    cluster: "ClusterRequest | None" = None
    lock: FolderLock | None = field(default=None)

    def run(self) -> ConsensusRecord:
        """Run what is left of the race, and compare the starts."""
        try:
            for number in range(self.plan.starts):
                if self._may_go_on():
                    self._advance(number, judged=False)
            for number in self._promising():
                if self._may_go_on():
                    self._advance(number, judged=True)
            return find_consensus(self.output, self.plan)
        finally:
            if self.lock is not None:
                self.lock.release()

    def _may_go_on(self) -> bool:
        return self.stop is None or not self.stop()

    def _promising(self) -> list[int]:
        """The starts that are not clearly behind the best one."""
        folders = [RunFolder(start_folder(self.output, number)) for number in range(self.plan.starts)]
        evidence = {
            n: Evidence.of(folder.load_iterations()) for n, folder in enumerate(folders) if folder.path.is_dir()
        }
        best = max(evidence.values(), key=lambda found: found.mean)
        return [number for number, found in evidence.items() if not found.is_behind(best)]

    def _advance(self, number: int, *, judged: bool) -> None:
        """Run a start until it can be judged, or to its end."""
        folder = start_folder(self.output, number)
        gate = _Gate(0 if judged else JUDGED_ITERATIONS, self.suspend)
        root, seen = self.plan.data_root, partial(self._seen, number, gate)
        try:
            if not _can_go_on(folder):
                job, first = self.plan.job(number), self.on_check if number == 0 else None
                run_job(
                    self.plan.particles, folder, job, data_root=root, on_check=first, on_iteration=seen,
                    should_stop=self.stop, should_suspend=gate.should_leave, cluster=self.cluster,
                )  # fmt: skip
            elif not gate.is_reached(folder):
                resume_job(
                    folder, data_root=root, on_iteration=seen, should_stop=self.stop,
                    should_suspend=gate.should_leave, accept_changes=self.accept_changes, cluster=self.cluster,
                )  # fmt: skip
        except RunSuspended as left:
            if not gate.reached:
                again = f"It goes on with: {resume_command(self.output)}"
                raise RunSuspended(f"The starts were suspended in start {number + 1}. {again}") from left

    def _seen(self, number: int, gate: "_Gate", snapshot: Snapshot) -> None:
        if self.lock is None:
            self.lock = FolderLock(self.output)
            write_starts(self.output, self.plan)
        gate.add(snapshot.stats)
        if self.on_iteration is not None:
            self.on_iteration(number, snapshot)


@dataclass(slots=True)
class _Gate:
    """Where a start waits to be judged: after so many iterations of its final phase, or nowhere if that is 0."""

    iterations: int
    suspend: ShouldSuspend | None
    passed: int = 0
    reached: bool = False

    def is_reached(self, folder: Path) -> bool:
        """Whether a start that was left has nothing to do before the gate; its iterations are counted."""
        run = RunFolder(folder)
        if not run.checkpoint_path.is_file():
            return True
        self.passed = sum(row.phase == "final" for row in run.load_iterations())
        return 0 < self.iterations <= self.passed

    def add(self, stats: IterationStats) -> None:
        """Count an iteration."""
        self.passed += stats.phase == "final"

    def should_leave(self) -> bool:
        """Whether the start is to be left for now."""
        if self.suspend is not None and self.suspend():
            return True
        self.reached = 0 < self.iterations <= self.passed
        return self.reached


def _can_go_on(folder: Path) -> bool:
    """Whether there is something of a start to go on from; what was killed before its first checkpoint is removed."""
    run = RunFolder(folder)
    if not folder.is_dir():
        return False
    done = run.summary_path.is_file() and run.load_summary().status in ("completed", "stopped")
    if done or run.checkpoint_path.is_file():
        return True
    shutil.rmtree(folder)
    return False
