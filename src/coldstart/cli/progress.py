"""Progress of a run: a live bar on a terminal, plain lines elsewhere, the same figures in both."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from coldstart.model.state import IterationStats, Snapshot
from coldstart.report.text import duration_text

ShowProgress = Callable[[Snapshot], None]

_PHASES = {"initial": "initial", "marching": "rising", "final": "final", "posing": "posing"}
_RECENT = 25
_LINE_EVERY_SECONDS = 10.0
_LINE_EVERY_SHARE = 0.02


class TimeLeft:
    """Seconds to go, from the mean of the latest iterations; they take longer as the resolution rises."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=_RECENT)

    def after(self, stats: IterationStats) -> float:
        """Take in an iteration and estimate what is left: nothing, once the particles are posed."""
        if stats.phase == "posing":
            return 0.0
        self._recent.append(stats.seconds)
        return sum(self._recent) / len(self._recent) * max(stats.iterations - stats.iteration, 0)


class LineFilter:
    """Which iterations get a plain line: the first and last, each new phase, every 2 % or 10 seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shown: IterationStats | None = None
        self._shown_at = 0.0

    def wants(self, stats: IterationStats) -> bool:
        """Whether to show this iteration; if so, it counts as shown."""
        now, shown = self._clock(), self._shown
        due = (
            shown is None
            or stats.phase != shown.phase
            or stats.iteration == stats.iterations
            or now - self._shown_at >= _LINE_EVERY_SECONDS
            or stats.iteration - shown.iteration >= _LINE_EVERY_SHARE * stats.iterations
        )
        if due:
            self._shown, self._shown_at = stats, now
        return due


def figures(stats: IterationStats) -> str:
    """The figures of an iteration: phase, resolution, minibatch and effective sample size."""
    return (
        f"{_PHASES[stats.phase]:<7}  {stats.resolution_angstrom:5.1f} Å  {stats.minibatch:4d} images  "
        f"ESS {stats.ess_rotations:7.1f}"
    )


def progress_line(stats: IterationStats, seconds_left: float) -> str:
    """A plain line of progress."""
    width = len(str(stats.iterations))
    place = f"iteration {stats.iteration:{width}d}/{stats.iterations}"
    return f"{place}  {figures(stats)}  {duration_text(seconds_left)} left"


@contextmanager
def progress_display(console: Console | None = None) -> Iterator[ShowProgress]:
    """Give a function that shows each snapshot: as a live bar on a terminal, as plain lines elsewhere."""
    console = console or Console()
    if console.is_terminal:
        with _bar(console) as bar:
            yield _BarDisplay(bar).show
    else:
        yield _LineDisplay(console).show


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("[bold]{task.completed:.0f}[/]/{task.total:.0f}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[figures]}"),
        TextColumn("[dim]{task.fields[left]}[/]"),
        console=console,
    )


class _BarDisplay:
    def __init__(self, bar: Progress) -> None:
        self._bar, self._left = bar, TimeLeft()
        self._task: TaskID | None = None

    def show(self, snapshot: Snapshot) -> None:
        stats = snapshot.stats
        left = f"{duration_text(self._left.after(stats))} left"
        if self._task is None:
            self._task = self._bar.add_task("", total=stats.iterations, figures="", left="")
        self._bar.update(
            self._task, completed=stats.iteration, total=stats.iterations, figures=figures(stats), left=left
        )


class _LineDisplay:
    def __init__(self, console: Console) -> None:
        self._console, self._filter, self._left = console, LineFilter(), TimeLeft()

    def show(self, snapshot: Snapshot) -> None:
        left = self._left.after(snapshot.stats)
        if self._filter.wants(snapshot.stats):
            self._console.out(progress_line(snapshot.stats, left), highlight=False)
