"""Runs that are compared in the end, starts, halves or numbers of classes: their folder, and who takes them further.

What has been done is read from the folders, so that runs that were left go on from them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from coldstart.api.check import OnCheck
from coldstart.api.checkpoint import ShouldSuspend
from coldstart.api.drive import ShouldStop
from coldstart.api.job import read_data
from coldstart.api.planned_run import Gate, PlannedRun
from coldstart.io.inputs import read_inputs
from coldstart.io.lock import FolderLock
from coldstart.io.run_paths import RunPaths
from coldstart.io.runs_plan import RunsPlan, read_plan, write_plan
from coldstart.model.state import IterationStats, Snapshot

if TYPE_CHECKING:
    from coldstart.cluster.request import ClusterRequest

OnJobIteration = Callable[[int, Snapshot], None]
"""Called with the number of a run, from 0, and the maps and figures of an iteration."""

Advance = Callable[[Sequence[PlannedRun]], None]
"""Takes runs as far as they are to go."""


def nothing_more() -> None:
    """What is done after a run where nothing is."""


@dataclass(slots=True)
class RunsTogether:
    """The runs of one plan, in one folder.

    Attributes
    ----------
    output : Path
    plan : RunsPlan
    on_iteration, stop, suspend
        As in `run_starts`.
    cluster : ClusterRequest or None
        Each of its workers takes one run at a time; without one they run one after the other.
    on_check : callable or None
        Shown what a check of the particles finds, once, before anything else.
    accept_changes : bool
        As in `resume_job`.
    on_done : callable
        Called when a run has come as far as it was to go.
    lock : FolderLock or None
        Of the folder, once there is one.
    warnings : tuple of str
        What the check warned of, for the notes of every run.
    """

    output: Path
    plan: RunsPlan
    on_iteration: OnJobIteration | None
    stop: ShouldStop | None
    suspend: ShouldSuspend | None
    cluster: "ClusterRequest | None" = None
    on_check: OnCheck | None = None
    accept_changes: bool = False
    on_done: Callable[[], object] = nothing_more
    lock: FolderLock | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def left(
        cls, output: Path, data_root: Path | None, on_iteration: OnJobIteration | None, stop: ShouldStop | None,
        suspend: ShouldSuspend | None, cluster: "ClusterRequest | None", *, accept_changes: bool,
    ) -> "RunsTogether":  # fmt: skip
        """Those that were left in a folder, which is locked.

        Raises
        ------
        OutputError
            If it holds no such runs.
        """
        plan = read_plan(output)
        plan = plan if data_root is None else replace(plan, data_root=data_root)
        runs = cls(output, plan, on_iteration, stop, suspend, cluster, accept_changes=accept_changes)
        runs.lock = FolderLock(output)
        runs.warnings = _noted_warnings(plan.folders(output))
        return runs

    @contextmanager
    def kept(self) -> Iterator[None]:
        """The folder is ours until the end."""
        try:
            yield
        finally:
            if self.lock is not None:
                self.lock.release()

    @contextmanager
    def runners(self) -> Iterator[Advance]:
        """Whoever takes the runs further: this process, or the workers of the cluster."""
        if self.on_check is not None:
            data = read_data(self.plan.particles, self.plan.params, self.plan.data_root)
            self.warnings = data.checked(self.plan.params, self.on_check).inputs.warnings
        if self.cluster is None:
            yield self._advance
            return
        from coldstart.api.runs_elsewhere import RunsElsewhere
        from coldstart.cluster.request import open_cluster

        with open_cluster(self.cluster) as client:
            elsewhere = RunsElsewhere(client, self.cluster, self._heard, self.on_done, self.stop, self.suspend)
            yield elsewhere.advance

    def run(self, number: int, gate: Gate) -> PlannedRun:
        """One of the runs, from 0, to be taken to a gate."""
        return PlannedRun(self.output, self.plan, number, gate, self.accept_changes, self.warnings)

    def _advance(self, runs: Sequence[PlannedRun]) -> None:
        """One after the other, here."""
        for run in runs:
            if run.may_advance(stopped=self.stop is not None and self.stop()):
                run.advance(partial(self._seen, run.number), self.stop, self.suspend)
                self.on_done()

    def _seen(self, number: int, snapshot: Snapshot) -> None:
        if self.lock is None:
            self.lock = FolderLock(self.output)
            write_plan(self.output, self.plan)
        if self.on_iteration is not None:
            self.on_iteration(number, snapshot)

    def _heard(self, number: int, stats: IterationStats) -> None:
        """From a worker, which keeps the maps."""
        self._seen(number, Snapshot(stats, np.zeros((0, 0, 0, 0), np.float32), 0.0))


def _noted_warnings(folders: Sequence[Path]) -> tuple[str, ...]:
    """What the check before these runs warned of, as the first that has begun has noted it."""
    records = (read_inputs(RunPaths(folder).inputs_path) for folder in folders)
    return next((inputs.warnings for inputs in records if inputs is not None), ())
