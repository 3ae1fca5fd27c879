"""Several starts on the same particles: a race, and how far those that reach its end agree.

Every start is a run folder of its own, with the next seed. All of them run until they have worked at the maximum
resolution for a while. Those that by then explain the images clearly worse than the best one are left there, with a
checkpoint; the others run to their end and are compared (consensus.py). What has been done is read from the folders, so
that a race that was left goes on from them.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from coldstart.api.check import OnCheck
from coldstart.api.checkpoint import ShouldSuspend
from coldstart.api.consensus import find_consensus
from coldstart.api.drive import ShouldStop
from coldstart.api.job import check_output, read_data
from coldstart.api.series import OnJobIteration
from coldstart.api.start import Start
from coldstart.errors import ParameterError
from coldstart.io.lock import FolderLock
from coldstart.io.results import RunFolder
from coldstart.io.starts_file import StartsPlan, read_starts, write_starts
from coldstart.model.starts import ConsensusRecord, Evidence
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
    particles_path, data_root, on_check, should_suspend
        As in `run_job`.
    output : Path
        New or empty folder. It gets a run folder for each start, the mean of the maps that agree, a particle table that
        says which poses they agree on, and a report.
    params : AbInitioParams
        Of the first start; each further one has the next seed.
    starts : int
        At least two.
    on_iteration : callable, optional
        Called after every iteration with the number of the start, from 0, and the maps and figures; with a cluster
        there are no maps, (0, 0, 0, 0).
    should_stop : callable, optional
        Asked after every iteration; once it says True, the start that runs ends with what it has, and those that have
        begun are compared.
    cluster : ClusterRequest, optional
        Each of its workers takes one start at a time. The result is the same.

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
    """The starts as they run: one after the other, or with a cluster one on each worker at a time."""

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
            with ExitStack() as opened:
                advance = self._advance if self.cluster is None else self._spread_on(opened, self.cluster)
                advance([self._start(number, judged=False) for number in range(self.plan.starts)])
                if self._may_go_on():
                    advance([self._start(number, judged=True) for number in self._promising()])
            return find_consensus(self.output, self.plan)
        finally:
            if self.lock is not None:
                self.lock.release()

    def _start(self, number: int, *, judged: bool) -> Start:
        return Start(self.output, self.plan, number, judged, self.accept_changes)

    def _may_go_on(self) -> bool:
        return self.stop is None or not self.stop()

    def _promising(self) -> list[int]:
        """The starts that are not clearly behind the best one."""
        folders = [RunFolder(self.plan.folder(self.output, number)) for number in range(self.plan.starts)]
        evidence = {
            n: Evidence.of(folder.load_iterations()) for n, folder in enumerate(folders) if folder.path.is_dir()
        }
        best = max(evidence.values(), key=lambda found: found.mean)
        return [number for number, found in evidence.items() if not found.is_behind(best)]

    def _advance(self, starts: Sequence[Start]) -> None:
        """One after the other, here."""
        for start in starts:
            if self._may_go_on():
                on_check = self.on_check if start.number == 0 else None
                start.advance(on_check, partial(self._seen, start.number), self.stop, self.suspend)

    def _spread_on(self, opened: ExitStack, request: "ClusterRequest") -> Callable[[Sequence[Start]], None]:
        """The same, on the workers of a cluster."""
        from coldstart.api.starts_elsewhere import StartsElsewhere
        from coldstart.cluster.request import open_cluster

        plan, checked = self.plan, self.on_check is not None and not self._start(0, judged=False).has_begun
        if checked:
            read_data(plan.particles, plan.params, plan.data_root).checked(plan.params, self.on_check)
        client = opened.enter_context(open_cluster(request))
        return StartsElsewhere(client, request, self._heard, self.stop, self.suspend, checked).advance

    def _seen(self, number: int, snapshot: Snapshot) -> None:
        if self.lock is None:
            self.lock = FolderLock(self.output)
            write_starts(self.output, self.plan)
        if self.on_iteration is not None:
            self.on_iteration(number, snapshot)

    def _heard(self, number: int, stats: IterationStats) -> None:
        """From a worker, which keeps the maps."""
        self._seen(number, Snapshot(stats, np.zeros((0, 0, 0, 0), np.float32), 0.0))
