"""Ctrl-C: the first asks the run to stop and keep what it has, the second aborts."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import rich_click as click


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether Ctrl-C was pressed; a second press raises KeyboardInterrupt.

    To be used in the main thread, where Python delivers signals.
    """
    asked = False

    def handle(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        click.echo("Stopping after this iteration and keeping the result; Ctrl-C again aborts.", err=True)

    previous = signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, previous)
