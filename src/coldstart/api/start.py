"""One of several starts, or of two halves: a run folder of its own, taken as far as it is to go for now."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from coldstart.api.check import OnCheck
from coldstart.api.checkpoint import ShouldSuspend
from coldstart.api.drive import OnIteration, ShouldStop
from coldstart.api.job import run_job
from coldstart.api.resume import resume_job
from coldstart.errors import RunSuspended
from coldstart.io.results import RunFolder
from coldstart.io.run_paths import resume_command
from coldstart.io.starts_file import StartsPlan
from coldstart.model.starts import JUDGED_ITERATIONS
from coldstart.model.state import IterationStats, Snapshot


@dataclass(frozen=True, slots=True)
class Start:
    """A start, and how far it is to go.

    Attributes
    ----------
    output : Path
        The folder that holds those of all starts.
    plan : StartsPlan
    number : int
        From 0.
    judged : bool
        Whether it has been judged, and may go to its end; otherwise it waits where it can be.
    accept_changes : bool
        As in `resume_job`.
    """

    output: Path
    plan: StartsPlan
    number: int
    judged: bool
    accept_changes: bool = False

    @property
    def folder(self) -> Path:
        """Its run folder."""
        return self.plan.folder(self.output, self.number)

    @property
    def has_begun(self) -> bool:
        """Whether there is something to go on from."""
        return _can_go_on(self.folder)

    def may_advance(self, *, stopped: bool) -> bool:
        """Whether to take it further: after a stop only if it was judged and has begun, to end with what it has."""
        return not stopped or (self.judged and self.has_begun)

    def advance(
        self,
        on_check: OnCheck | None,
        on_iteration: OnIteration,
        should_stop: ShouldStop | None,
        should_suspend: ShouldSuspend | None,
    ) -> None:
        """Begin or go on, as in `run_job` and `resume_job`, until it can be judged or to its end.

        Raises
        ------
        ColdstartError
            As `run_job` and `resume_job`: RunSuspended if `should_suspend` said so before it got there.
        """
        gate = _Gate(0 if self.judged else JUDGED_ITERATIONS, should_suspend)

        def seen(snapshot: Snapshot) -> None:
            gate.add(snapshot.stats)
            on_iteration(snapshot)

        try:
            if not self.has_begun:
                run_job(
                    self.plan.particles, self.folder, self.plan.job(self.number), data_root=self.plan.data_root,
                    on_check=on_check, on_iteration=seen, should_stop=should_stop, should_suspend=gate.should_leave,
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


@dataclass(slots=True)
class _Gate:
    """Where a start waits to be judged: after so many iterations of its final phase, or nowhere if that is 0.

    Iterations are known by their numbers: after a crash those since the last checkpoint are done again.
    """

    iterations: int
    suspend: ShouldSuspend | None
    passed: set[int] = field(default_factory=set)
    reached: bool = False

    def is_reached(self, folder: Path) -> bool:
        """Whether a start that was left has nothing to do before the gate; its iterations are counted."""
        run = RunFolder(folder)
        if not run.checkpoint_path.is_file():
            return True
        for row in run.load_iterations():
            self.add(row)
        return 0 < self.iterations <= len(self.passed)

    def add(self, stats: IterationStats) -> None:
        """Take note of an iteration."""
        if stats.phase == "final":
            self.passed.add(stats.iteration)

    def should_leave(self) -> bool:
        """Whether the start is to be left for now."""
        if self.suspend is not None and self.suspend():
            return True
        self.reached = 0 < self.iterations <= len(self.passed)
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
