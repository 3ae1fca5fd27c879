"""How long napari's window stands still while a run goes on beside it, or is opened.

A timer beats every 5 ms in the thread of the window. A beat that comes late is a stall: it is as long as the time since
the beat before it. Of that time the window's own work is told apart from waiting, for the lock of Python or for a
processor: where a machine is busy with other things, waiting says nothing, as --without-run shows. A watching thread
notes where the window was while it stood still, to know whom to blame.

    python benchmarks/gui_stalls.py particles.star --seconds 60            # the window is never painted
    python benchmarks/gui_stalls.py particles.star --seconds 60 --painted  # it is on the screen
    python benchmarks/gui_stalls.py OUT --copies 5000                      # opens a run, each particle so many times
"""

import argparse
import collections
import os
import shutil
import sys
import tempfile
import threading
import time
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BEAT_MS = 5
STALL_S = 0.1
WATCH_S = 0.01
READY_S = 10.0
ENDING_S = 600.0
SHOWN = 12


class Heart:
    """Beats in the window's thread, and remembers the gaps."""

    def __init__(self) -> None:
        from qtpy.QtCore import Qt, QTimer

        self.last, self.last_work = time.perf_counter(), time.thread_time()
        self.gaps: list[float] = []
        self.work: list[float] = []
        self.before_run = 0
        self.timer = QTimer()
        self.timer.setTimerType(Qt.TimerType.PreciseTimer)
        self.timer.timeout.connect(self.beat)
        self.timer.start(BEAT_MS)

    def begin_run(self) -> None:
        """The layers are there, and the thread of the run begins."""
        self.before_run = len(self.gaps) + 1

    def beat(self) -> None:
        now, work = time.perf_counter(), time.thread_time()
        self.gaps.append(now - self.last)
        self.work.append(work - self.last_work)
        self.last, self.last_work = now, work


class Watcher(threading.Thread):
    """Notes where the window's thread is whenever its beat is late, by the number of the beat."""

    def __init__(self, heart: Heart) -> None:
        super().__init__()
        self.places: dict[int, collections.Counter] = collections.defaultdict(collections.Counter)
        self.ended = threading.Event()
        self._heart, self._window_thread = heart, threading.get_ident()

    def run(self) -> None:
        while not self.ended.wait(WATCH_S):
            if time.perf_counter() - self._heart.last > 0.5 * STALL_S:
                self.places[len(self._heart.gaps)][self._places_now()] += 1

    def _places_now(self) -> str:
        """Where the window is, and what runs beside it, which may hold the lock that it waits for."""
        frames = sys._current_frames()
        beside = [
            place_of(frame) for thread, frame in frames.items() if thread not in (self._window_thread, self.ident)
        ]
        return "\n      ".join([place_of(frames[self._window_thread]), *(f"beside: {place}" for place in beside)])


def place_of(frame: types.FrameType) -> str:
    """The innermost frames, and the last one of ours before them."""
    lines = traceback.extract_stack(frame)
    ours = [line for line in lines[:-4] if "coldstart" in line.filename]
    shown = [*lines[:-5:-1], *ours[-1:]]
    return " < ".join(f"{Path(line.filename).name}:{line.lineno} {line.name}" for line in shown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("particles", type=Path, help="particle table, or the folder of a run to open")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--classes", type=int, default=1)
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--painted", action="store_true")
    parser.add_argument("--without-run", action="store_true")
    arguments = parser.parse_args()

    import napari

    from coldstart.plugin.widget import ColdstartWidget

    viewer = napari.Viewer(show=arguments.painted)
    viewer.window.resize(1280, 800)
    widget = ColdstartWidget(viewer)
    viewer.window.add_dock_widget(widget, name="coldstart")
    go_on(READY_S)  # modules are loaded meanwhile, as while a user fills in the form
    with tempfile.TemporaryDirectory() as folder:
        if arguments.particles.is_dir():
            open_run(viewer, larger_run(arguments.particles, Path(folder) / "run", arguments.copies))
        else:
            watch_run(widget, arguments, Path(folder) / "run")
    viewer.close()


def go_on(seconds: float, done: Callable[[], bool] = lambda: False) -> None:
    """Let the window work for so long, or until something is so."""
    from qtpy.QtWidgets import QApplication

    until = time.monotonic() + seconds
    while time.monotonic() < until and not done():
        QApplication.processEvents()
        time.sleep(0.001)


def watch_run(widget: Any, arguments: argparse.Namespace, output: Path) -> None:
    """From the press on Run, which is in the first gap, to the end of the run."""
    widget.setup.input.particles.set_value(arguments.particles)
    widget.setup.input.output.set_value(output)
    widget.setup.form.set_values({"classes": arguments.classes})
    go_on(1.0)
    heart = Heart()
    watcher = Watcher(heart)
    watcher.start()
    # What is shown of a run that has ended is another matter.
    widget.control.state_changed.connect(lambda: heart.timer.stop() if widget.control.state == "idle" else None)
    begin = widget.control.go
    widget.control.go = lambda: (heart.begin_run(), begin())
    if not arguments.without_run:
        widget.bar.buttons["run"].click()
    go_on(arguments.seconds)
    iterations = len(widget._history)
    widget.control.stop()
    go_on(ENDING_S, lambda: not widget.control.is_active)
    report(heart, watcher, f"{iterations} iterations")


def open_run(viewer: Any, folder: Path) -> None:
    """From File > Open Folder to the results on the screen."""
    from coldstart.plugin.results import open_panels

    heart = Heart()
    watcher = Watcher(heart)
    watcher.start()
    viewer.open(folder, plugin="napari-coldstart")
    go_on(ENDING_S, lambda: bool(open_panels(viewer)))
    go_on(2.0)
    report(heart, watcher, f"{open_panels(viewer)[0].data.table.count:,} particles")


def larger_run(run: Path, folder: Path, copies: int) -> Path:
    """A copy of a run whose table has every row so many times."""
    from coldstart.io.opened_run import open_run

    shutil.copytree(run, folder)
    path = open_run(folder).table_path
    lines = path.read_bytes().splitlines(keepends=True)
    rows = [line for line in lines if b"@" in line]
    first = lines.index(rows[0])
    path.write_bytes(b"".join(lines[:first]) + b"".join(rows) * copies + b"".join(lines[first + len(rows) :]))
    return folder


def report(heart: Heart, watcher: Watcher, what: str) -> None:
    watcher.ended.set()
    watcher.join()
    gaps, work, places = np.array(heart.gaps), np.array(heart.work), watcher.places
    print(f"{what}, {gaps.sum():.0f} s, {len(gaps)} beats, {os.getloadavg()[0]:.1f} processes waiting")
    parts = {"": slice(None)}
    if heart.before_run:
        parts = {"from the press to the run, ": slice(heart.before_run), "in the run, ": slice(heart.before_run, None)}
    for part, beats in parts.items():
        for name, seconds in (("gaps", gaps[beats]), ("the window's own work in a gap", work[beats])):
            longest = " ".join(f"{1e3 * value:.0f}" for value in np.sort(seconds)[::-1][:10])
            print(f"{part}{name}: {(seconds > STALL_S).sum()} over {1e3 * STALL_S:.0f} ms; longest, ms: {longest}")
    for beat in np.argsort(gaps)[::-1][:SHOWN]:
        place = places[beat].most_common(1)[0][0] if beat in places else "?"
        print(f"beat {beat}: {1e3 * gaps[beat]:.0f} ms, of which work {1e3 * work[beat]:.0f} ms: {place}")


if __name__ == "__main__":
    main()
