"""Signals: the first Ctrl-C stops the run and keeps its result, SIGTERM leaves it to be resumed, the next aborts."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

import rich_click as click


@dataclass(slots=True)
class Requests:
    """What has been asked for."""

    _stop: bool = False
    _suspend: bool = False

    def should_stop(self) -> bool:
        """Whether the run is to end with what it has."""
        return self._stop

    def should_suspend(self) -> bool:
        """Whether the run is to be left, to be resumed later."""
        return self._suspend

    def on_interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        """Take a Ctrl-C; the second one aborts."""
        if self._stop or self._suspend:
            raise KeyboardInterrupt
        self._stop = True
        _say("Stopping after this iteration and keeping the result; Ctrl-C again aborts.")

    def on_terminate(self, _signal: int, _frame: FrameType | None) -> None:
        """Take a SIGTERM; the second one aborts."""
        if self._suspend:
            raise KeyboardInterrupt
        self._suspend = True
        _say("Suspending after this iteration.")


@contextmanager
def listen_to_signals() -> Iterator[Requests]:
    """Give what Ctrl-C and SIGTERM ask for, as they come.

    SIGTERM suspends a run that is stopping too. A second signal of a kind, or Ctrl-C after SIGTERM, raises
    KeyboardInterrupt. To be used in the main thread, where Python delivers signals.
    """
    requests = Requests()
    handlers = {signal.SIGINT: requests.on_interrupt, signal.SIGTERM: requests.on_terminate}
    previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield requests
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    with suppress(OSError):  # the terminal may be gone
        click.echo(text, err=True)
