"""One of several runs on the same particles: a folder of its own, taken as far as it is to go for now."""

import shutil
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from coldstart.api.checkpoint import ShouldSuspend
from coldstart.api.drive import OnIteration, ShouldStop
from coldstart.api.job import run_job
from coldstart.api.resume import resume_job
from coldstart.errors import RunSuspended
from coldstart.io.results import RunFolder
from coldstart.io.run_paths import resume_command
from coldstart.io.runs_plan import RunsPlan
from coldstart.model.starts import JUDGED_ITERATIONS
from coldstart.model.state import IterationStats, Snapshot


class Gate(Enum):
    """Where a run is left until it is known whether it is to go on; only starts race."""

    RECOGNITION = "where it has waited for the map in vain, or else where it is judged"
    JUDGEMENT = "after so many iterations of its final phase"
    END = "nowhere: it runs to its end"


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run of a plan, and how far it is to go.

    Attributes
    ----------
    output : Path
        The folder that holds those of all runs.
    plan : RunsPlan
    number : int
        From 0.
    gate : Gate
    accept_changes : bool
        As in `resume_job`.
    warnings : tuple of str
        Of the check of the particles, for its notes.
    """

    output: Path
    plan: RunsPlan
    number: int
    gate: Gate
    accept_changes: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Its run folder."""
        return self.plan.folders(self.output)[self.number]

    @property
    def has_begun(self) -> bool:
        """Whether there is something to go on from, or a result."""
        run = RunFolder(self.folder)
        return run.checkpoint_path.is_file() or (run.summary_path.is_file() and run.load_summary().has_result)

    def may_advance(self, *, stopped: bool) -> bool:
        """Whether to take it further: after a stop only to its end, if it has begun, with what it has."""
        return not stopped or (self.gate is Gate.END and self.has_begun)

    def advance(
        self, on_iteration: OnIteration, should_stop: ShouldStop | None, should_suspend: ShouldSuspend | None
    ) -> None:
        """Begin or go on, as in `run_job` and `resume_job`, as far as its gate.

        Raises
        ------
        ColdstartError
            As `run_job` and `resume_job`: RunSuspended if `should_suspend` said so before it got there.
        """
        params = self.plan.jobs[self.number]
        gate = _Gatekeeper(self.gate, params.waiting_iterations, should_suspend)

        def seen(snapshot: Snapshot) -> None:
            gate.add(snapshot.stats)
            on_iteration(snapshot)

        try:
            if not self.has_begun:
                self._remove_remains()
                run_job(
                    self.plan.particles, self.folder, params, data_root=self.plan.data_root, warnings=self.warnings,
                    on_iteration=seen, should_stop=should_stop, should_suspend=gate.should_leave,
                )  # fmt: skip
            elif not gate.is_reached(self.folder):
                resume_job(
                    self.folder, data_root=self.plan.data_root, on_iteration=seen, should_stop=should_stop,
                    should_suspend=gate.should_leave, accept_changes=self.accept_changes,
                )  # fmt: skip
        except RunSuspended as left:
            if not gate.reached:
                which = f"in {self.plan.name} {self.number + 1}"
                again = f"It goes on with: {resume_command(self.output)}"
                raise RunSuspended(f"The {self.plan.plural} were suspended {which}. {again}") from left

    def _remove_remains(self) -> None:
        """Take away what a run left that was killed before its first checkpoint."""
        if self.folder.is_dir():
            shutil.rmtree(self.folder)


@dataclass(slots=True)
class _Gatekeeper:
    """Counts iterations up to a gate. They are known by their numbers: after a crash some are done again."""

    gate: Gate
    waiting_iterations: int
    suspend: ShouldSuspend | None
    waited: set[int] = field(default_factory=set)
    final: set[int] = field(default_factory=set)
    reached: bool = False

    def is_reached(self, folder: Path) -> bool:
        """Whether a run that was left has nothing to do before the gate; its iterations are counted."""
        run = RunFolder(folder)
        if not run.checkpoint_path.is_file():
            return True
        for row in run.load_iterations():
            self.add(row)
        return self._stands_at_gate()

    def add(self, stats: IterationStats) -> None:
        """Take note of an iteration."""
        if stats.waiting:
            self.waited.add(stats.iteration)
        if stats.phase == "final":
            self.final.add(stats.iteration)

    def should_leave(self) -> bool:
        """Whether the run is to be left for now."""
        if self.suspend is not None and self.suspend():
            return True
        self.reached = self._stands_at_gate()
        return self.reached

    def _stands_at_gate(self) -> bool:
        if self.gate is Gate.RECOGNITION and 0 < self.waiting_iterations <= len(self.waited):
            return True
        return self.gate is not Gate.END and len(self.final) >= JUDGED_ITERATIONS
