"""Progress of a run: a live bar on a terminal, plain lines elsewhere, the same figures in both."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from coldstart.model.state import IterationStats, Snapshot
from coldstart.report.progress import TimeLeft, figures, shares_text
from coldstart.report.text import duration_text

ShowProgress = Callable[[Snapshot], None]
ShowJobs = Callable[[int, Snapshot], None]

_LINE_EVERY_SECONDS = 10.0
_LINE_EVERY_SHARE = 0.02


class LineFilter:
    """What gets a plain line: first and last, each new phase, the end of all, and every 2 % or 10 seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shown: IterationStats | None = None
        self._shown_at = 0.0

    def wants(self, stats: IterationStats) -> bool:
        """Whether to show this iteration; if so, it counts as shown."""
        now, shown = self._clock(), self._shown
        due = (
            shown is None
            or (stats.phase, stats.waiting, stats.is_posing_on) != (shown.phase, shown.waiting, shown.is_posing_on)
            or stats.iteration == stats.iterations
            or now - self._shown_at >= _LINE_EVERY_SECONDS
            or stats.iteration - shown.iteration >= _LINE_EVERY_SHARE * stats.iterations
        )
        if due:
            self._shown, self._shown_at = stats, now
        return due


def progress_line(stats: IterationStats, seconds_left: float, title: str = "") -> str:
    """A plain line of progress, behind the title of its job if that has one."""
    width = len(str(stats.iterations))
    place = f"iteration {stats.iteration:{width}d}/{stats.iterations}"
    return _joined("  ", title, place, figures(stats), shares_text(stats), f"{duration_text(seconds_left)} left")


def _joined(separator: str, *texts: str) -> str:
    return separator.join(text for text in texts if text)


@contextmanager
def progress_display(console: Console | None = None) -> Iterator[ShowProgress]:
    """Give a function that shows each snapshot: as a live bar on a terminal, as plain lines elsewhere."""
    with jobs_display([""], console) as show:
        yield partial(show, 0)


@contextmanager
def jobs_display(titles: Sequence[str], console: Console | None = None) -> Iterator[ShowJobs]:
    """Give a function that shows each snapshot of jobs with these titles: as a live bar each, or as plain lines.

    It takes the number of the job, from 0, before the snapshot.
    """
    console = console or Console()
    if console.is_terminal:
        with _bar(console) as bar:
            displays = cache(lambda number: _BarDisplay(bar, titles[number]))
            yield lambda number, snapshot: displays(number).show(snapshot)
    else:
        lines = cache(lambda number: _LineDisplay(console, titles[number]))
        yield lambda number, snapshot: lines(number).show(snapshot)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("[bold]{task.completed:.0f}[/]/{task.total:.0f}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[figures]}"),
        TextColumn("[dim]{task.fields[left]}[/]"),
        console=console,
    )


class _Notes:
    """Says each note once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: set[str] = set()

    def say(self, notes: Sequence[str]) -> None:
        for note in notes:
            if note not in self._said:
                self._console.out(f"note: {note}", highlight=False)
        self._said |= set(notes)


class _BarDisplay:
    def __init__(self, bar: Progress, title: str) -> None:
        self._bar, self._title, self._left, self._notes = bar, title, TimeLeft(), _Notes(bar.console)
        self._task: TaskID | None = None

    def show(self, snapshot: Snapshot) -> None:
        stats = snapshot.stats
        self._notes.say(snapshot.notes)
        # Two lines, so that both fit a narrow terminal.
        text = _joined("\n", figures(stats), _joined("  ", self._title, shares_text(stats)))
        left = f"{duration_text(self._left.after(stats))} left"
        if self._task is None:
            self._task = self._bar.add_task("", total=stats.iterations, figures="", left="")
        self._bar.update(self._task, completed=stats.iteration, total=stats.iterations, figures=text, left=left)


class _LineDisplay:
    def __init__(self, console: Console, title: str) -> None:
        self._console, self._title, self._filter, self._left = console, title, LineFilter(), TimeLeft()
        self._notes = _Notes(console)

    def show(self, snapshot: Snapshot) -> None:
        left = self._left.after(snapshot.stats)
        self._notes.say(snapshot.notes)
        if self._filter.wants(snapshot.stats):
            self._console.out(progress_line(snapshot.stats, left, self._title), highlight=False)
