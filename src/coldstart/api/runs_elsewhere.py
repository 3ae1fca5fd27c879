"""Several runs on the workers of a cluster, one on each at a time.

A run works on its worker's device alone, and writes its own folder, which has to be where the driver sees it too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from coldstart.api.checkpoint import ShouldSuspend
from coldstart.api.drive import ShouldStop
from coldstart.api.planned_run import PlannedRun
from coldstart.cluster.request import ClusterRequest
from coldstart.cluster.spread import Line, Wish, spread
from coldstart.errors import RunSuspended
from coldstart.io.run_paths import resume_command
from coldstart.model.state import IterationStats

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True, slots=True)
class RunsElsewhere:
    """Has runs done by the workers of a cluster.

    Attributes
    ----------
    client : distributed.Client
    request : ClusterRequest
    on_stats : callable
        Given the number of a run and the figures of each of its iterations.
    on_done : callable
        Called when a run has come as far as it was to go.
    stop, suspend : callable, optional
        As in `run_starts`.
    """

    client: "Client"
    request: ClusterRequest
    on_stats: Callable[[int, IterationStats], None]
    on_done: Callable[[], object]
    stop: ShouldStop | None
    suspend: ShouldSuspend | None

    def advance(self, runs: Sequence[PlannedRun]) -> None:
        """Take these runs as far as they are to go."""
        pieces = [partial(_advance, _anywhere(run)) for run in runs]

        def told(piece: int, stats: IterationStats | None) -> None:
            if stats is None:
                self.on_done()
            else:
                self.on_stats(runs[piece].number, stats)

        spread(self.client, pieces, self.request.worker_threads, told, self._wish)

    def _wish(self) -> Wish:
        if self.suspend is not None and self.suspend():
            return Wish.SUSPEND
        return Wish.STOP if self.stop is not None and self.stop() else Wish.GO_ON


def _anywhere(run: PlannedRun) -> PlannedRun:
    """The same run for a process with another working folder."""
    plan = run.plan
    root = None if plan.data_root is None else plan.data_root.absolute()
    plan = replace(plan, particles=plan.particles.absolute(), data_root=root)
    return replace(run, output=run.output.absolute(), plan=plan)


def _advance(run: PlannedRun, line: Line) -> None:
    """What a worker does: it tells the figures of each iteration, and None in the end."""
    wish = line.wish()
    if wish is Wish.SUSPEND:
        raise RunSuspended(f"The {run.plan.plural} were suspended. They go on with: {resume_command(run.output)}")
    if run.may_advance(stopped=wish is Wish.STOP):
        run.advance(
            lambda snapshot: line.tell(snapshot.stats),
            lambda: line.wish() is Wish.STOP,
            lambda: line.wish() is Wish.SUSPEND,
        )
        line.tell(None)
