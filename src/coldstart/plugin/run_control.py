"""A run in a thread of its own, and the wires between it and the window.

The job knows nothing of Qt: it calls `on_iteration`, and asks `should_stop` and `should_suspend`. What it hands over
waits in a mailbox, where a newer map takes the place of an older one, so that a slow window never holds up the job and
maps never pile up. The window looks into it; the job's thread touches nothing of the window, which may be closed at any
moment. Whatever the job raises comes back as an `Outcome`, in words for the user.

    idle --start--> running --pause--> pausing --> paused --resume--> running
                    running --stop--> stopping --> idle
                    running --it ends--> idle
                    paused --stop--> stopping --> idle
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Literal

from napari.qt.threading import FunctionWorker, create_worker
from qtpy.QtCore import QObject, QTimer, Signal

from coldstart.errors import ChangedError, ColdstartError, ParticleFileError, RunSuspended
from coldstart.model.check_report import CheckReport
from coldstart.model.state import IterationStats, Snapshot
from coldstart.plugin.background import Garbage
from coldstart.plugin.run_jobs import Job, RunJob, left_job, new_job
from coldstart.plugin.run_words import ending_text
from coldstart.plugin.setup_page import RunRequest
from coldstart.plugin.window_words import error_text

State = Literal["idle", "running", "pausing", "stopping", "paused"]
_WINDOW_MODULES = ("scipy.ndimage", "scipy.spatial")
"""What napari loads with its first layer and its first view in three dimensions, in the window's thread."""

_RUN_MODULES = (
    "coldstart.api",
    "coldstart.engine.abinitio",
    "coldstart.report.page",
    "starfile",
    "coldstart.plugin.results",
)

_LOOK_MS = 30
"""Milliseconds between looks into the mailbox."""

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a part of a run ended.

    Attributes
    ----------
    output : Path
        Its folder.
    ending : str
        How it ended, in words; empty where there is no result.
    suspended : bool
        Whether it waits in its checkpoint.
    error : str
        What went wrong, for the user; empty where nothing did.
    acceptable : bool
        Whether that is a change since the run began, with which it can go on all the same.
    """

    output: Path
    ending: str = ""
    suspended: bool = False
    error: str = ""
    acceptable: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """What has happened since the last look: part and figures of each iteration, and the latest maps."""

    iterations: tuple[tuple[int, IterationStats], ...]
    snapshot: Snapshot


class Mailbox:
    """What is on its way from the job to the window: the check's report, figures, and of maps only the newest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._report: CheckReport | None = None
        self._iterations: list[tuple[int, IterationStats]] = []
        self._snapshot: Snapshot | None = None

    def put_report(self, report: CheckReport) -> None:
        """Leave what the check found."""
        with self._lock:
            self._report = report

    def put(self, part: int, snapshot: Snapshot) -> None:
        """Leave a snapshot of a part of the run."""
        with self._lock:
            self._iterations.append((part, snapshot.stats))
            self._snapshot = snapshot

    def take_report(self) -> CheckReport | None:
        """What the check found, once."""
        with self._lock:
            report, self._report = self._report, None
            return report

    def take(self) -> News | None:
        """All else, once."""
        with self._lock:
            if self._snapshot is None:
                return None
            news = News(tuple(self._iterations), self._snapshot)
            self._iterations, self._snapshot = [], None
            return news


class RunControl(QObject):
    """Starts a run, pauses, resumes and stops it; lives in the window's thread.

    Signals
    -------
    state_changed
    checked : CheckReport
        What the check at the head of a run found.
    news : News
    ended : Outcome
        When the thread is done: with a result, an error, or a checkpoint to go on from.
    """

    state_changed = Signal()
    checked = Signal(object)
    news = Signal(object)
    ended = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.state: State = "idle"
        self.output: Path | None = None
        self._mailbox = Mailbox()
        self._stop, self._suspend = threading.Event(), threading.Event()
        self._worker: FunctionWorker | None = None
        self._held: FunctionWorker | None = None
        self._looks = QTimer(self)
        self._looks.setInterval(_LOOK_MS)
        self._looks.timeout.connect(self._deliver)
        # The job outlives a window that is closed by one iteration, and by writing its checkpoint.
        self.destroyed.connect(self._suspend.set)

    @property
    def is_active(self) -> bool:
        """Whether a thread is at work, or held until `go`."""
        return self._worker is not None

    def start(self, request: RunRequest, *, despite_errors: bool = False, held: bool = False) -> RunJob:
        """Run what is asked for, once a quick check has found no error, or in spite of it.

        A job that is `held` waits for `go`: what the window does meanwhile need not share Python's lock with it.
        """
        mailbox = Mailbox()
        job = new_job(request, partial(_judge_check, mailbox.put_report, despite_errors=despite_errors))
        self._launch(job, mailbox, held=held)
        return job

    def resume(
        self,
        output: Path | None = None,
        *,
        data_root: Path | None = None,
        accept_changes: bool = False,
        held: bool = False,
    ) -> RunJob:
        """Go on with the paused run, or with one that was left in a folder.

        Parameters
        ----------
        output : Path, optional
            The folder; that of the paused run when None.
        data_root, accept_changes
            As in `resume_job`.
        held : bool
            As in `start`.

        Raises
        ------
        OutputError
            If there is nothing to go on with, or it cannot be read.
        """
        output = output or self.output
        assert output is not None
        job = left_job(output, data_root=data_root, accept_changes=accept_changes)
        self._launch(job, Mailbox(), held=held)
        return job

    def go(self) -> None:
        """Begin the job that is held; nothing where none is."""
        worker, self._held = self._held, None
        if worker is not None:
            worker.start()

    def pause(self) -> None:
        """Write a checkpoint after this iteration, and leave the device free until the run is resumed."""
        if self.state == "running":
            self._suspend.set()
            self._enter("pausing")

    def stop(self) -> None:
        """End the run with what it has: its particles are posed on the maps, and the results written."""
        if self.state == "paused":
            self.resume()
        if self.is_active:
            self._stop.set()
            self._suspend.clear()
            self._enter("stopping")

    def _launch(self, job: RunJob, mailbox: Mailbox, *, held: bool) -> None:
        self.output, self._mailbox = job.output, mailbox
        self._stop.clear()
        self._suspend.clear()
        Garbage.freeze()
        task = _Task(job.output, job.run, mailbox, self._stop, self._suspend)
        worker = create_worker(task, _start_thread=False)
        task.is_abandoned = lambda: worker.abort_requested
        worker.returned.connect(self._finish)
        self._worker = self._held = worker
        self._enter("running")
        self._looks.start()
        if not held:
            self.go()

    def _deliver(self) -> None:
        report = self._mailbox.take_report()
        if report is not None:
            self.checked.emit(report)
        news = self._mailbox.take()
        if news is not None:
            self.news.emit(news)

    def _finish(self, outcome: Outcome) -> None:
        self._looks.stop()
        self._deliver()
        self._worker = None
        self._enter("paused" if outcome.suspended else "idle")
        self.ended.emit(outcome)
        Garbage.unfreeze()

    def _enter(self, state: State) -> None:
        self.state = state
        self.state_changed.emit()


def _judge_check(tell: Callable[[CheckReport], None], report: CheckReport, *, despite_errors: bool) -> None:
    """Hand over what the check at the head of a run found, and refuse to go on where there are errors."""
    tell(report)
    errors = [f"{finding.message} {finding.remedy}" for finding in report.findings if finding.severity == "error"]
    if errors and not despite_errors:
        raise ParticleFileError(
            f"Nothing was run, because the check found errors: {' '.join(errors)} "
            "To run all the same, tick so on the Check page."
        )


def load_window_modules() -> None:
    """Load what the layers of a run need, in a thread and before it begins: it takes half a second."""
    for name in _WINDOW_MODULES:
        import_module(name)


def load_run_modules() -> None:
    """Load what a run is made of, and what shows its results, likewise.

    Loading a module may hold Python's lock for a quarter of a second, and the window's thread waits for it.
    """
    for name in _RUN_MODULES:
        import_module(name)


class _Task:
    """What the thread does; napari shows its text where it asks whether to close."""

    def __init__(
        self, output: Path, job: Job, mailbox: Mailbox, stop: threading.Event, suspend: threading.Event
    ) -> None:
        self._output, self._job, self._mailbox = output, job, mailbox
        self._stop, self._suspend = stop, suspend
        self.is_abandoned: Callable[[], bool] = lambda: False

    def __str__(self) -> str:
        return f"the coldstart run in {self._output}, which can be resumed"

    def __call__(self) -> Outcome:
        try:
            result = self._job(
                on_iteration=self._mailbox.put,
                should_stop=self._stop.is_set,
                should_suspend=lambda: self._suspend.is_set() or self.is_abandoned(),
            )
        except RunSuspended:
            return Outcome(self._output, suspended=True)
        except ColdstartError as error:
            return Outcome(self._output, error=error_text(error), acceptable=isinstance(error, ChangedError))
        except Exception as error:  # a fault of the program: the user gets words, the log the traceback
            _LOGGER.exception("the run in %s failed", self._output)
            return Outcome(self._output, error=unexpected_text(error))
        return Outcome(self._output, ending_text(result))


def unexpected_text(error: Exception) -> str:
    """What to say of an error that is no user's fault."""
    return (
        f"coldstart failed unexpectedly ({type(error).__name__}: {error}). The window stays usable. "
        "Please report this with the log that napari was started from."
    )
