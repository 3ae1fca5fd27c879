"""The maps as they came about: a slider over the snapshots of a run, and the result at its end."""

from psygnal import Signal
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSlider, QToolButton, QVBoxLayout, QWidget

from coldstart.io.opened_run import OpenedRun
from coldstart.model.state import IterationStats
from coldstart.plugin.run_words import phase_text
from coldstart.report.text import resolution_text

_FRAME_MS = 400


class Evolution(QWidget):
    """Slider and text; it has a place for every iteration with snapshots, and one for the result."""

    iteration_chosen = Signal(object)
    """The iteration whose maps are to be shown; None for the result."""

    def __init__(self, run: OpenedRun) -> None:
        super().__init__()
        snapshots = sorted({snapshot.iteration for snapshot in run.snapshots})
        self.places: list[int | None] = [*snapshots, *([None] if run.has_results else [])]
        self._stats = {stats.iteration: stats for stats in run.iterations if stats.phase != "posing"}
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, max(len(self.places) - 1, 0))
        self.slider.setValue(self.slider.maximum())
        self.slider.setToolTip("Show the maps as they were during the run; the last place is the result.")
        self.slider.valueChanged.connect(self._choose)
        self.play = QToolButton()
        self.play.setText("▶")
        self.play.setToolTip("Play the run from its first snapshot.")
        self.play.clicked.connect(self._start)
        self.text = QLabel()
        self._clock = QTimer(self)
        self._clock.setInterval(_FRAME_MS)
        self._clock.timeout.connect(self._step)
        row = QHBoxLayout()
        row.addWidget(QLabel("Evolution"))
        row.addWidget(self.slider, 1)
        row.addWidget(self.play)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self.text)
        self.setVisible(len(self.places) > 1)
        self._say()

    def _choose(self) -> None:
        self._say()
        self.iteration_chosen.emit(self.places[self.slider.value()])

    def _say(self) -> None:
        if self.places:
            self.text.setText(place_text(self.places[self.slider.value()], self._stats))

    def _start(self) -> None:
        self.slider.setValue(0)
        self._clock.start()

    def _step(self) -> None:
        if self.slider.value() >= self.slider.maximum():
            self._clock.stop()
        self.slider.setValue(self.slider.value() + 1)


def place_text(iteration: int | None, stats: dict[int, IterationStats]) -> str:
    """What a place of the slider shows."""
    if iteration is None:
        return "The result"
    if iteration not in stats:
        return f"Iteration {iteration}"
    found = stats[iteration]
    where = f"Iteration {iteration} of {found.iterations}, {resolution_text(found.resolution_angstrom)}"
    return f"{where}, {phase_text(found)}"
