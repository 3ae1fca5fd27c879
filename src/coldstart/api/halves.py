"""Half maps that were separate from the start: each half of the particles finds a map of its own.

A half is a run folder of its own, with its own random start, minibatches, noise and resolution; nothing passes between
the two. Both are then brought into one frame and compared (joined_halves.py). What has been done is read from the
folders, so that halves that were left go on from them.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from coldstart.api.check import OnCheck
from coldstart.api.checkpoint import ShouldSuspend
from coldstart.api.drive import ShouldStop
from coldstart.api.job import check_output, read_data
from coldstart.api.joined_halves import join_halves
from coldstart.api.series import OnJobIteration
from coldstart.api.start import Start
from coldstart.errors import OutputError, ParameterError
from coldstart.io.lock import FolderLock
from coldstart.io.starts_file import StartsPlan, read_starts, write_starts
from coldstart.model.halves import HalvesRecord
from coldstart.model.state import Snapshot
from coldstart.params import AbInitioParams

if TYPE_CHECKING:
    from coldstart.cluster.request import ClusterRequest


def run_halves(
    particles_path: Path,
    output: Path,
    params: AbInitioParams,
    *,
    data_root: Path | None = None,
    on_check: OnCheck | None = None,
    on_iteration: OnJobIteration | None = None,
    should_stop: ShouldStop | None = None,
    should_suspend: ShouldSuspend | None = None,
    cluster: "ClusterRequest | None" = None,
) -> HalvesRecord:
    """Reconstruct each half of the particles by itself, and compare the two.

    The halves are those of the table's rlnRandomSubset (of a cryoSPARC dataset, alignments3D/split) where it has both,
    and every second particle where it has not.

    Parameters
    ----------
    particles_path, data_root, on_check, should_suspend, cluster
        As in `run_job`; it is all particles that are checked.
    output : Path
        New or empty folder. It gets a run folder for each half, and where they agree what a run folder has: maps, half
        maps, tables with the half set of each particle, summary and report.
    params : AbInitioParams
        Of the first half; the second has the next seed. Every particle is posed.
    on_iteration : callable, optional
        Called after every iteration with the number of the half, from 0, and the maps and figures.
    should_stop : callable, optional
        Asked after every iteration; once it says True, the half that runs ends with what it has, and no other begins.

    Raises
    ------
    ColdstartError
        As `run_job`; ParameterError if the parameters name a half or a map to start from, which both would share;
        OutputError if the second half had not begun when it was stopped.
    """
    if params.half is not None:
        raise ParameterError("--halves runs both half sets: leave --half away.")
    if params.initial_volume is not None:
        raise ParameterError("--halves needs two starts of their own: leave --initial-volume away.")
    output = Path(output)
    check_output(output)
    read_data(Path(particles_path), params, data_root).checked(params, on_check)
    plan = StartsPlan(Path(particles_path), data_root, params, 2, halves=True)
    return _Halves(output, plan, on_iteration, should_stop, should_suspend, cluster=cluster).run()


def resume_halves(
    output: Path,
    *,
    data_root: Path | None = None,
    on_iteration: OnJobIteration | None = None,
    should_stop: ShouldStop | None = None,
    should_suspend: ShouldSuspend | None = None,
    accept_changes: bool = False,
    cluster: "ClusterRequest | None" = None,
) -> HalvesRecord:
    """Go on with halves that were left, or compare them anew.

    Raises
    ------
    ColdstartError
        As `resume_job`, and OutputError if the folder is none of two halves.
    """
    output = Path(output)
    plan = read_starts(output)
    if not plan.halves:
        raise OutputError(f"{output} holds several starts, not two halves: use resume_starts.")
    plan = plan if data_root is None else replace(plan, data_root=data_root)
    halves = _Halves(output, plan, on_iteration, should_stop, should_suspend, accept_changes, cluster)
    halves.lock = FolderLock(output)
    return halves.run()


@dataclass(slots=True)
class _Halves:
    """The halves as they run, one after the other."""

    output: Path
    plan: StartsPlan
    on_iteration: OnJobIteration | None
    stop: ShouldStop | None
    suspend: ShouldSuspend | None
    accept_changes: bool = False
    cluster: "ClusterRequest | None" = None
    lock: FolderLock | None = None

    def run(self) -> HalvesRecord:
        """Run what is left of both, and compare them."""
        try:
            for number in range(self.plan.starts):
                if self.stop is None or not self.stop():
                    half = Start(self.output, self.plan, number, judged=True, accept_changes=self.accept_changes)
                    half.advance(None, partial(self._seen, number), self.stop, self.suspend, self.cluster)
            return join_halves(self.output, self.plan)
        finally:
            if self.lock is not None:
                self.lock.release()

    def _seen(self, number: int, snapshot: Snapshot) -> None:
        if self.lock is None:
            self.lock = FolderLock(self.output)
            write_starts(self.output, self.plan)
        if self.on_iteration is not None:
            self.on_iteration(number, snapshot)
