"""Threads for what the window should not wait for, and the way back from them into the window."""

import gc
import logging
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import cache
from typing import Any

from qtpy.QtCore import QObject, Signal

_LOGGER = logging.getLogger(__name__)

Task = Callable[[], Any]


@cache
def background() -> Executor:
    """A thread for small things, such as figures and files of settings; what is submitted is done in order."""
    return ThreadPoolExecutor(1, thread_name_prefix="coldstart background")


@cache
def reading() -> Executor:
    """A thread for what may take seconds, such as opening the stacks of a large table."""
    return ThreadPoolExecutor(1, thread_name_prefix="coldstart reading")


class Garbage:
    """Keeps what is there now out of Python's search for garbage, for as long as somebody works in a thread.

    A full search walks all that napari has made, a third of a second, with Python's lock held.
    """

    _workers = 0

    @classmethod
    def freeze(cls) -> None:
        """Somebody begins."""
        cls._workers += 1
        gc.freeze()

    @classmethod
    def unfreeze(cls) -> None:
        """Somebody is done."""
        cls._workers -= 1
        if not cls._workers:
            gc.unfreeze()


class Newest(QObject):
    """Does tasks in a thread and hands over what they give; of several that wait, only the newest is done.

    Parameters
    ----------
    thread : callable
        `background` or `reading`.
    parent : QObject
        Its end is the end of the way back.
    """

    ready = Signal(object)
    """What a task gave, in the window's thread; nothing where it failed, which is a fault of the program."""

    _done = Signal(object)

    def __init__(self, thread: Callable[[], Executor], parent: QObject) -> None:
        super().__init__(parent)
        self._thread = thread
        self._waiting: Task | None = None
        self.is_busy = False
        self._done.connect(self._take)

    def do(self, task: Task) -> None:
        """Do this once the thread is free, unless something newer comes before; it must not touch the window."""
        self._waiting = task
        if not self.is_busy:
            self._next()

    def forget(self) -> None:
        """Leave out what waits; what is being done is handed over still."""
        self._waiting = None

    def _next(self) -> None:
        task, self._waiting = self._waiting, None
        self.is_busy = task is not None
        if task is not None:
            self._thread().submit(self._work, task)

    def _work(self, task: Task) -> None:
        """In the thread."""
        given: tuple[Any, ...] = ()
        try:
            given = (task(),)
        except Exception:
            _LOGGER.exception("a task in the background failed")
        try:
            self._done.emit(given)
        except RuntimeError:  # the window is gone
            return

    def _take(self, given: tuple[Any, ...]) -> None:
        self._next()
        if given:
            self.ready.emit(given[0])
