"""Starts on the workers of a cluster, one on each at a time.

A start works on its worker's device alone, and writes its own folder, which has to be where the driver sees it too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from coldstart.api.checkpoint import ShouldSuspend
from coldstart.api.drive import ShouldStop
from coldstart.api.start import Start
from coldstart.cluster.request import ClusterRequest
from coldstart.cluster.spread import Line, Wish, spread
from coldstart.errors import RunSuspended
from coldstart.io.run_paths import resume_command
from coldstart.model.check_report import CheckReport
from coldstart.model.state import IterationStats

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True, slots=True)
class StartsElsewhere:
    """Has starts done by the workers of a cluster.

    Attributes
    ----------
    client : distributed.Client
    request : ClusterRequest
    on_stats : callable
        Given the number of a start and the figures of each of its iterations.
    stop, suspend : callable, optional
        As in `run_starts`.
    checked : bool
        Whether the particles have been checked, so that the first start only takes note of what was found.
    """

    client: "Client"
    request: ClusterRequest
    on_stats: Callable[[int, IterationStats], None]
    stop: ShouldStop | None
    suspend: ShouldSuspend | None
    checked: bool

    def advance(self, starts: Sequence[Start]) -> None:
        """Take these starts as far as they are to go."""
        pieces = [partial(_advance, _anywhere(start), start.number == 0 and self.checked) for start in starts]
        spread(
            self.client, pieces, self.request.worker_threads,
            lambda piece, stats: self.on_stats(starts[piece].number, stats), self._wish,
        )  # fmt: skip

    def _wish(self) -> Wish:
        if self.suspend is not None and self.suspend():
            return Wish.SUSPEND
        return Wish.STOP if self.stop is not None and self.stop() else Wish.GO_ON


def _anywhere(start: Start) -> Start:
    """The same start for a process with another working folder."""
    plan = start.plan
    root = None if plan.data_root is None else plan.data_root.absolute()
    plan = replace(plan, particles=plan.particles.absolute(), data_root=root)
    return replace(start, output=start.output.absolute(), plan=plan)


def _advance(start: Start, checked: bool, line: Line) -> None:
    wish = line.wish()
    if wish is Wish.SUSPEND:
        raise RunSuspended(f"The starts were suspended. They go on with: {resume_command(start.output)}")
    if start.may_advance(stopped=wish is Wish.STOP):
        start.advance(
            _shown_before if checked else None,
            lambda snapshot: line.tell(snapshot.stats),
            lambda: line.wish() is Wish.STOP,
            lambda: line.wish() is Wish.SUSPEND,
        )


def _shown_before(found: CheckReport) -> None:
    """Take what the check finds; the driver has shown it."""
