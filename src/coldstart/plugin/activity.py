"""The run in napari's activity dock, with a button that stops it."""

from collections.abc import Callable

from napari.utils.progress import cancelable_progress

from coldstart.model.state import IterationStats
from coldstart.report.text import duration_text


class Activity:
    """A line of the activity dock; it is there from the first iteration until `close`.

    Parameters
    ----------
    on_cancel : callable
        Called when the user cancels the line.
    """

    def __init__(self, on_cancel: Callable[[], None]) -> None:
        self._on_cancel = on_cancel
        self._bar: _Bar | None = None

    def show(self, stats: IterationStats, seconds_left: float, title: str = "") -> None:
        """Say how far the run is. napari lets other events in meanwhile: call this last, where nothing follows."""
        bar = self._bar = self._bar or _Bar(self._on_cancel, stats.iterations)
        name = f"coldstart, {title}" if title else "coldstart"
        if bar.total != stats.iterations or stats.iteration < bar.n:  # another part of the run
            bar.reset(total=stats.iterations)
        bar.set_description(f"{name}, {stats.resolution_angstrom:.1f} Å, {duration_text(seconds_left)} left")
        if bar is self._bar and stats.iteration > bar.n:  # it may have been closed, or have gone on
            bar.update(stats.iteration - bar.n)

    def close(self) -> None:
        """Take the line away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class _Bar(cancelable_progress):
    """A bar whose button calls us: napari's own only takes note, where nothing iterates over it."""

    def __init__(self, on_cancel: Callable[[], None], total: int) -> None:
        self._on_cancel = on_cancel
        super().__init__(total=total)

    def cancel(self) -> None:
        super().cancel()
        self._on_cancel()
