"""What a run has done so far, part by part, for the charts and the bar."""

from collections.abc import Sequence

from coldstart.model.state import IterationStats
from coldstart.report.progress import TimeLeft


class RunHistory:
    """The figures of every iteration.

    Parameters
    ----------
    titles : sequence of str
        Of the parts of the run.
    histories : sequence of sequence of IterationStats
        What each has done before.

    Attributes
    ----------
    parts : list of list of IterationStats
    part : int
        The one that was last heard of, from 0; before that the last one that has begun.
    seconds_left : float
        Until its end, as far as that can be said.
    """

    def __init__(self, titles: Sequence[str] = ("",), histories: Sequence[Sequence[IterationStats]] = ((),)) -> None:
        self._titles = titles
        self.parts = [list(history) for history in histories]
        self.part = max((number for number, history in enumerate(histories) if history), default=0)
        self.seconds_left = 0.0
        self._left = TimeLeft()

    def __len__(self) -> int:
        """Iterations of all parts."""
        return sum(map(len, self.parts))

    @property
    def title(self) -> str:
        """Of the part that was last heard of; empty where there is one part."""
        return self._titles[self.part]

    def add(self, part: int, stats: IterationStats) -> None:
        """Take in an iteration; a run that was killed does its last ones again."""
        if part != self.part:
            self.part, self._left = part, TimeLeft()
        if stats.phase != "posing":
            self.parts[part] = [entry for entry in self.parts[part] if entry.iteration < stats.iteration]
        if not stats.is_posing_on:
            self.parts[part].append(stats)
        self.seconds_left = self._left.after(stats)

    def begun(self) -> tuple[tuple[IterationStats, ...], ...]:
        """The parts as they are now; those that have not begun are empty."""
        return tuple(map(tuple, self.parts))
