"""The widget: set up, check, run, and watch.

It puts the parts together, and keeps what can be pressed true to the state of the run. Parts do not know each other.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.qt.threading import FunctionWorker, create_worker
from napari.utils.notifications import show_info
from qtpy.QtCore import QEvent, QSize, Qt, QTimer
from qtpy.QtWidgets import QFileDialog, QFrame, QScrollArea, QTabWidget, QVBoxLayout, QWidget

from coldstart.errors import ColdstartError
from coldstart.model.check_report import CheckReport
from coldstart.params import AbInitioParams
from coldstart.plugin.activity import Activity
from coldstart.plugin.background import background
from coldstart.plugin.check_panel import CheckPanel
from coldstart.plugin.devices import find_devices
from coldstart.plugin.figure_view import FigureView
from coldstart.plugin.live import LiveMaps
from coldstart.plugin.notify import tell_error
from coldstart.plugin.plots import draw_progress
from coldstart.plugin.run_bar import RunBar
from coldstart.plugin.run_control import (
    News,
    Outcome,
    RunControl,
    State,
    load_run_modules,
    load_window_modules,
    unexpected_text,
)
from coldstart.plugin.run_history import RunHistory
from coldstart.plugin.run_jobs import RunJob, can_go_on
from coldstart.plugin.run_words import iteration_text
from coldstart.plugin.settings import Settings, load_settings, save_settings
from coldstart.plugin.setup_page import RunRequest, SetupPage
from coldstart.plugin.viewer_setup import load_units
from coldstart.plugin.window_words import in_the_window

if TYPE_CHECKING:
    from napari.viewer import Viewer

_LOGGER = logging.getLogger(__name__)
_WIDTH_PX = 420
_PLOTS_PX = 560
_REMEMBER_AFTER_MS = 500
_SETUP_PAGE, _CHECK_PAGE, _PROGRESS_PAGE = range(3)


class ColdstartWidget(QWidget):
    """Ab-initio reconstruction, from particles to maps.

    Parameters
    ----------
    napari_viewer : Viewer
        napari gives it by this name.
    """

    def __init__(self, napari_viewer: "Viewer") -> None:
        super().__init__()
        self._viewer = napari_viewer
        self.setup, self.check, self.plots = SetupPage(napari_viewer), CheckPanel(), FigureView(_PLOTS_PX)
        self.bar, self.control = RunBar(), RunControl(self)
        self.live = LiveMaps(napari_viewer, self)
        self.activity = Activity(self.control.stop)
        self.tabs = QTabWidget()
        for title, page in (("Set up", self.setup), ("Check", self.check), ("Progress", self.plots)):
            self.tabs.addTab(_scrolled(page), title)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.addWidget(self.tabs)
        layout.addWidget(self.bar)
        self.setMinimumWidth(_WIDTH_PX)
        self._history = RunHistory()
        self._classes: tuple[int, ...] = ()
        self._checker: FunctionWorker | None = None
        self._remember_later = QTimer(self)
        self._remember_later.setSingleShot(True)
        self._remember_later.setInterval(_REMEMBER_AFTER_MS)
        load_units()
        self._connect()
        settings = load_settings()
        self.setup.apply(settings)
        self._look_for_devices(settings.params.threads)
        self._refresh()

    def sizeHint(self) -> QSize:
        """No wider than it must be: the map is beside it."""
        return QSize(_WIDTH_PX, super().sizeHint().height())

    def event(self, event: QEvent) -> bool:
        """Pause the run when the widget is closed, so that none goes on that nobody sees."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None and self.control.is_active:
            self.control.pause()
            self.control.go()  # it may be held still, and ends with its checkpoint
            self.live.clear(restore=True)
            show_info(f"The run in {self.control.output} is paused. Choose its folder as the output to resume it.")
        return bool(super().event(event))

    def _connect(self) -> None:
        self.setup.changed.connect(self.bar.forget_error)
        self.setup.changed.connect(self._refresh)
        self.bar.pressed.connect(self._press)
        self.control.state_changed.connect(self._refresh)
        self.control.checked.connect(self.check.show_report)
        self.control.news.connect(self._take_news)
        self.control.ended.connect(self._take_outcome)
        self.setup.failed.connect(self._fail)
        self.destroyed.connect(self.activity.close)
        self._remember_later.timeout.connect(self._remember)

    def _press(self, button: str) -> None:
        """Do what a button says; what is wrong with it is said in words."""
        actions: dict[str, Callable[[], None]] = {
            "check": self._start_check,
            "run": self._start_run,
            "pause": self.control.pause,
            "resume": self._resume_run,
            "stop": self.control.stop,
            "open": self._ask_and_open,
        }
        try:
            actions[button]()
        except ColdstartError as error:
            self._fail(str(error))

    def _fail(self, text: str, *, acceptable: bool = False) -> None:
        """Say what is wrong, in a notification and where it was asked for; a change that is acceptable with a tick."""
        tell_error(text, self._viewer)
        self.bar.say(in_the_window(text), is_error=True, acceptable=acceptable)
        if not len(self._history) and self.tabs.currentIndex() == _PROGRESS_PAGE:
            self.tabs.setCurrentIndex(_CHECK_PAGE if self.check.despite_errors.isVisibleTo(self.check) else _SETUP_PAGE)

    def _start_run(self) -> None:
        request = self.setup.request()
        self._begin(self.control.start(request, despite_errors=self.check.despite_errors.isChecked(), held=True))

    def resume_from(self, folder: Path) -> None:
        """Go on with the run in a folder, unless another one is going on; what is wrong is said in words."""
        if self.control.is_active:
            self._fail("Another run is going on. Pause or stop it first.")
            return
        try:
            self._go_on_in(folder)
        except ColdstartError as error:
            self._fail(str(error))

    def _resume_run(self) -> None:
        output = self._resumable()
        assert output is not None
        self._go_on_in(output, accept_changes=self.bar.accept_changes.isChecked())

    def _go_on_in(self, output: Path, *, accept_changes: bool = False) -> None:
        goes_on = output == self.control.output and self.control.state == "paused"
        root = self.setup.input.data_root.value()
        job = self.control.resume(
            output,
            data_root=None if root is None else Path(root),
            accept_changes=accept_changes,
            held=not goes_on,
        )
        if not goes_on:
            self._begin(job)

    def _begin(self, job: RunJob) -> None:
        self._classes = job.classes
        self._history = RunHistory(job.titles, job.histories)
        self.live.begin(job.classes[0], job.titles[0])
        self.plots.clear()
        if len(self._history):
            self._chart()
        self.bar.wait_for_first()
        self.bar.say("Reading and preparing the images …")
        self.tabs.setCurrentIndex(_PROGRESS_PAGE)
        self.live.when_there(self.control.go)

    def _take_news(self, news: News) -> None:
        """Show what the run has done since last time."""
        history = self._history
        for part, stats in news.iterations:
            history.add(part, stats)
        part, stats = news.iterations[-1]
        self.bar.show_iteration(stats, history.seconds_left, history.title)
        self.bar.say(iteration_text(stats))
        self.live.begin_part(self._classes[part], history.title)
        self.live.show(news.snapshot)
        self._chart()
        self.activity.show(stats, history.seconds_left, history.title)

    def _chart(self) -> None:
        history = self._history
        self.plots.show_figure(partial(draw_progress, parts=history.begun(), current=history.part))

    def _take_outcome(self, outcome: Outcome) -> None:
        self.activity.close()
        self.setup.input.suggest_output()  # before anything is said, which goes when the user changes something
        if outcome.error:
            self.live.clear(restore=True)
            self._fail(outcome.error, acceptable=outcome.acceptable)
        elif outcome.suspended:
            self.bar.say(f"Paused. The run waits in {outcome.output}, and can go on even after a restart.")
        elif outcome.ending:
            self.bar.say(f"{outcome.ending} The results are in {outcome.output}.")
            self._show_results(outcome.output)
        self._refresh()

    def _show_results(self, output: Path) -> None:
        """Put the results in the place of the maps that were live."""
        from coldstart.plugin.results import show_run_soon

        self.live.clear()
        show_run_soon(self._viewer, output, on_parameters=self._take_parameters, on_error=self._fail)

    def _ask_and_open(self) -> None:
        """Let the user choose the folder of an earlier run, and show it."""
        from coldstart.plugin.results import show_run_soon

        begin = self.setup.input.output.value() or self.setup.input.particles.value() or ""
        folder = QFileDialog.getExistingDirectory(self, "Open the folder of a run", str(Path(begin).parent))
        if folder:
            show_run_soon(self._viewer, Path(folder), on_parameters=self._take_parameters, on_error=self._fail)

    def _take_parameters(self, params: AbInitioParams) -> None:
        self.setup.form.set_values(params.model_dump())

    def _start_check(self) -> None:
        request = self.setup.request()
        self.bar.forget_error()
        self.check.say("Looking at the particles …")
        self.tabs.setCurrentIndex(_CHECK_PAGE)
        self._checker = create_worker(_check, request, _start_thread=False)
        self._checker.returned.connect(self._take_check)
        self._checker.start()
        self._refresh()

    def _take_check(self, found: CheckReport | str) -> None:
        self._checker = None
        if isinstance(found, str):
            self.check.say("The check failed.")
            self._fail(found)
        else:
            self.check.show_report(found)
        self._refresh()

    def _look_for_devices(self, threads: int | None) -> None:
        finder = create_worker(find_devices, threads, _start_thread=False)
        finder.returned.connect(lambda found: self.setup.form.devices.fill(*found))
        finder.finished.connect(create_worker(load_run_modules, _start_thread=False).start)
        background().submit(load_window_modules)
        finder.start()

    def _resumable(self) -> Path | None:
        """The folder of a run that can go on: the paused one, that chosen as the output, or the one of just now.

        Where a change is told of it is that of the run which it was found in, whatever is chosen.
        """
        if self.control.state == "paused" or self.bar.offers_to_accept:
            return self.control.output
        chosen, last = self.setup.input.output.value(), self.control.output
        folders = [Path(chosen)] if chosen is not None else []
        folders += [last] if last is not None else []
        return next((folder for folder in folders if can_go_on(folder)), None)

    def _refresh(self) -> None:
        """Make buttons and words agree with the state."""
        problem, state = self.setup.problem(), self.control.state
        can_check = not problem and self._checker is None
        self.bar.set_state(state, can_run=not problem, can_check=can_check, resumable=self._resumable())
        if state in _WAITING:
            self.bar.say(_WAITING[state])
        elif state == "idle" and problem:
            self.bar.say(problem, is_error=True)
        self._remember_later.start()

    def _remember(self) -> None:
        """Keep the settings for next time, unless two of them contradict each other."""
        if not self.setup.problem():
            background().submit(_save_quietly, self.setup.settings())


_WAITING: dict[State, str] = {
    "pausing": "Pausing after this iteration …",
    "stopping": "Stopping: the particles are posed on the maps, and the results written …",
}


def _save_quietly(settings: Settings) -> None:
    """Settings are a convenience: nothing fails for their sake."""
    with suppress(ColdstartError):
        save_settings(settings)


def _check(request: RunRequest) -> CheckReport | str:
    """In a thread: the report, or what went wrong."""
    from coldstart.api import check_particles

    try:
        return check_particles(request.particles, request.params, data_root=request.data_root)
    except ColdstartError as error:
        return str(error)
    except Exception as error:
        _LOGGER.exception("the check of %s failed", request.particles)
        return unexpected_text(error)


def _scrolled(page: QWidget) -> QScrollArea:
    area = QScrollArea()
    area.setWidget(page)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return area
