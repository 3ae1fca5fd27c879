"""Work of the window's thread in turns: one step at a time, and in between the window answers.

What napari does for a layer takes tens of milliseconds: done in one go for several, the window would stand still.
"""

from collections import deque
from collections.abc import Callable, Iterator

from qtpy.QtCore import QObject, QTimer


class Turns(QObject):
    """Does steps in their order, each once the events that wait are done.

    Parameters
    ----------
    parent : QObject
        Its end is the end of what still waits.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._steps: deque[Callable[[], None]] = deque()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._step)

    @property
    def is_idle(self) -> bool:
        """Whether everything is done."""
        return not self._steps

    def add(self, *steps: Callable[[], None]) -> None:
        """Do these after those that wait."""
        self._steps.extend(steps)
        self._go_on()

    def add_all(self, steps: Iterator[None]) -> None:
        """Do what lies between the yields of a generator, after the steps that wait and before any that come later."""

        def step() -> None:
            if next(steps, self) is not self:
                self._steps.appendleft(step)

        self.add(step)

    def clear(self) -> None:
        """Leave undone what waits."""
        self._steps.clear()
        self._timer.stop()

    def _step(self) -> None:
        step = self._steps.popleft()
        try:
            step()
        finally:
            self._go_on()

    def _go_on(self) -> None:
        if self._steps and not self._timer.isActive():
            self._timer.start(0)
