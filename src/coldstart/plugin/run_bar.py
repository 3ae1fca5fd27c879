"""The bar at the foot of the widget: how far the run is, and the buttons that go with its state."""

import html
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from coldstart.model.state import IterationStats
from coldstart.plugin.run_control import State
from coldstart.plugin.window_words import ACCEPT_TITLE
from coldstart.report.text import duration_text

_VISIBLE: dict[State, tuple[str, ...]] = {
    "idle": ("check", "run", "resume", "open"),
    "running": ("pause", "stop"),
    "pausing": ("pause", "stop"),
    "stopping": ("pause", "stop"),
    "paused": ("run", "resume", "stop", "open"),
}
_FIRST: dict[State, str] = {"idle": "run", "paused": "resume"}
"""The button of a state that stands out."""

_ERROR_COLOR = "#e05a5a"
_TITLES = {"check": "Check", "run": "Run", "pause": "Pause", "resume": "Resume", "stop": "Stop", "open": "Open run …"}
_TIPS = {
    "check": "Look at the particles as a run would use them, and estimate time and memory",
    "run": "Reconstruct, with the parameters as they are",
    "pause": "Write a checkpoint after this iteration and leave the device; the run can go on even after a restart",
    "resume": "Go on with a run from where it was left",
    "stop": "End the run and keep what it has: the particles are posed on the maps, and the results written",
    "open": "Show the results of an earlier run: choose its folder, or that of several starts or numbers of classes",
}


class RunBar(QWidget):
    """Progress and buttons."""

    pressed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._is_error = False
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.status.setTextFormat(Qt.TextFormat.RichText)
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.accept_changes = QCheckBox(ACCEPT_TITLE)
        self.accept_changes.setToolTip("Resume although the run may then end otherwise; its summary will say so.")
        self.progress = QProgressBar()
        self.progress.setTextVisible(True)
        self.buttons: dict[str, QPushButton] = {}
        row = QHBoxLayout()
        for name, title in _TITLES.items():
            button = QPushButton(title)
            button.setToolTip(_TIPS[name])
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            button.setMinimumHeight(30)
            button.clicked.connect(lambda _checked=False, name=name: self.pressed.emit(name))
            self.buttons[name] = button
            row.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 4)
        layout.addWidget(self.status)
        layout.addWidget(self.accept_changes)
        layout.addWidget(self.progress)
        layout.addLayout(row)
        self.say("")
        self.set_state("idle")

    @property
    def offers_to_accept(self) -> bool:
        """Whether a change since a run began is told of, which can be accepted."""
        return bool(self.accept_changes.isVisibleTo(self))

    def set_state(
        self, state: State, *, can_run: bool = True, can_check: bool = True, resumable: Path | None = None
    ) -> None:
        """Show the buttons of a state, and enable those that can be pressed in it.

        Parameters
        ----------
        state : State
        can_run, can_check : bool
        resumable : Path or None
            Folder of the run that Resume would go on with.
        """
        for name, button in self.buttons.items():
            button.setVisible(name in _VISIBLE[state] and (name != "resume" or resumable is not None))
            button.setStyleSheet(_accent_style() if name == _FIRST.get(state) else "")
        if resumable is not None:
            self.buttons["resume"].setToolTip(f"Go on with the run in {resumable} from where it was left")
        waits = state in ("pausing", "stopping")
        self.buttons["pause"].setEnabled(not waits)
        self.buttons["stop"].setEnabled(state != "stopping")
        self.buttons["run"].setEnabled(can_run)
        self.buttons["check"].setEnabled(can_check)
        self.progress.setVisible(state != "idle")

    def wait_for_first(self) -> None:
        """A bar that moves to and fro, until there is an iteration to count."""
        self.progress.setRange(0, 0)
        self.progress.setFormat("")

    def show_iteration(self, stats: IterationStats, seconds_left: float, title: str = "") -> None:
        """How far the run is, or the part of it that has a title."""
        if stats.is_posing_on:
            done, count = stats.minibatch, stats.minibatch + round(stats.visits_ahead)
            text = f"{done:,} of {count:,} particles posed"
        else:
            done, count = stats.iteration, stats.iterations
            text = f"{done} of at most {count}"
        self.progress.setRange(0, count)
        self.progress.setValue(done)
        text += f", {duration_text(seconds_left)} left"
        self.progress.setFormat(f"{title}: {text} in it" if title else text)

    def forget_error(self) -> None:
        """Say no more what was wrong: something has been done about it."""
        if self._is_error:
            self.say("")

    def say(self, text: str, *, is_error: bool = False, acceptable: bool = False) -> None:
        """A sentence or two above the bar; of a change that is `acceptable`, with a tick that is not set."""
        self._is_error = is_error
        self.accept_changes.setVisible(acceptable)
        self.accept_changes.setChecked(False)
        mark = f"<span style='color:{_ERROR_COLOR}'>✖</span> " if is_error else ""
        self.status.setText(mark + html.escape(text).replace("\n", "<br>").replace("  ", "&nbsp; "))


def _accent_style() -> str:
    """A button in the colour that napari's theme gives to what is chosen."""
    from napari.settings import get_settings
    from napari.utils.theme import get_theme

    theme = get_theme(get_settings().appearance.theme)
    return (
        f"QPushButton:enabled {{ background-color: {theme.current.as_hex()}; }}"
        f"QPushButton:enabled:hover {{ background-color: {theme.highlight.as_hex()}; }}"
    )
