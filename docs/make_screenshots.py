"""Make the pictures of docs/plugin.md out of the real program: run this after a change of the plugin.

    python docs/make_screenshots.py /data                                       # on a desktop
    xvfb-run -s '-screen 0 1600x1200x24' python docs/make_screenshots.py /data  # without one
    python docs/make_screenshots.py /data done classes                          # some of them

It takes some minutes: the particles of `coldstart demo` are checked and reconstructed in two classes, in the folder
`demo` of the folder that is named, which the pictures show. Runs that are there from before are opened, or go on.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.utils.notifications import notification_manager
from PIL import Image
from qtpy.QtWidgets import QApplication, QDialog

from coldstart.demo.files import write_demo_set
from coldstart.io.opened_run import is_run_folder
from coldstart.io.results import RunFolder
from coldstart.plugin.results import open_panels, show_run_soon
from coldstart.plugin.run_jobs import can_go_on
from coldstart.plugin.widget import ColdstartWidget

FIGURES = Path(__file__).with_name("figures")
SIZE = (1280, 800)
COLORS = 256
REFINEMENTS = 4
LONGEST_S = 1800.0
SHOWN_AT_ITERATION = 150
PARAMETERS = {
    "classes": 2,
    "seed": 1,
    "initial_iterations": 100,
    "final_iterations": 30,
    "max_resolution_angstrom": 16.0,
}
STARTS = {"classes": 1, "starts": 3, "initial_iterations": 40, "final_iterations": 25}
SHOWN_OF_START = 30
SHOWN_OF_CHANGED = 10
RUN, STARTS_RUN, CHANGED_RUN = "coldstart_001", "coldstart_002", "coldstart_003"


class Session:
    """A viewer with the widget, driven as a user would."""

    def __init__(self, folder: Path, names: set[str]) -> None:
        self.folder, self._names = folder, names
        folder.mkdir(exist_ok=True)
        self.particles = folder / "particles.star"
        if not self.particles.is_file():
            write_demo_set(folder)
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(*SIZE)
        self.widget = ColdstartWidget(self.viewer)
        self.viewer.window.add_dock_widget(self.widget, name="coldstart")
        self.wait(lambda: self.widget.setup.form.devices.choice.count() > 1)

    def wait(self, condition: Callable[[], bool], settle_s: float = 0.5) -> None:
        """Let the program go on until something is so, and then a little longer."""
        deadline = time.monotonic() + LONGEST_S
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError("what was waited for did not come")
            self._go_on(0.01)
        until = time.monotonic() + settle_s
        while time.monotonic() < until:
            self._go_on(0.01)

    def shoot(self, name: str) -> None:
        """Write docs/figures/plugin_NAME.png, if it is wanted."""
        if name not in self._names:
            return
        self.wait(lambda: True)
        pixels = self.viewer.screenshot(canvas_only=False, flash=False)
        path = FIGURES / f"plugin_{name}.png"
        picture = Image.fromarray(pixels[..., :3])
        # The palette is of colours that are far apart: one by frequency would grey the small marks.
        drawn = picture.quantize(COLORS, Image.Quantize.MAXCOVERAGE, kmeans=REFINEMENTS, dither=Image.Dither.NONE)
        drawn.save(path, optimize=True)
        print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")

    def fill(self, values: dict[str, Any]) -> None:
        """Choose the particles, and set these fields."""
        self.widget.setup.input.particles.set_value(self.particles)
        self.widget.setup.form.set_values(values)

    def press(self, button: str) -> None:
        self.widget.bar.buttons[button].click()

    def fail(self) -> None:
        """Ask for particles that are not there."""
        notification_manager.records.clear()
        self.widget.tabs.setCurrentIndex(0)
        self.widget.setup.input.particles.set_value(self.particles.with_name("another_day.star"))
        self.press("run")
        self.wait(lambda: self.widget.control.state == "idle" and bool(notification_manager.records), 1.5)

    def dismiss(self) -> None:
        """Close the notifications."""
        for dialog in self.widget.window().findChildren(QDialog):
            dialog.close()

    def _go_on(self, seconds: float) -> None:
        QApplication.processEvents()
        time.sleep(seconds)


def shoot_set_up(session: Session) -> None:
    """Before a run: nothing chosen, an error, and a check."""
    session.shoot("empty")
    session.fail()
    session.shoot("error")
    session.dismiss()
    session.fill(PARAMETERS)
    session.press("check")
    check, widget = session.widget.check, session.widget
    session.wait(lambda: widget._checker is None)
    session.wait(lambda: not check.pictures.isVisible() or check.pictures.image is not None)
    session.shoot("checked")


def shoot_changed(session: Session) -> None:
    """A run that does not go on as it is, because its images have changed."""
    widget, folder, stack = session.widget, session.folder / CHANGED_RUN, session.particles.with_suffix(".mrcs")
    times = stack.stat()
    session.fill(PARAMETERS)
    widget.setup.input.output.set_value(folder)
    if not can_go_on(folder):
        session.press("run")
        session.wait(lambda: len(widget._history) >= SHOWN_OF_CHANGED)
        session.press("pause")
        session.wait(lambda: widget.control.state == "paused")
    os.utime(stack)
    session.press("resume")
    session.wait(lambda: widget.bar.offers_to_accept, 3.0)
    session.shoot("changed")
    session.dismiss()
    os.utime(stack, ns=(times.st_atime_ns, times.st_mtime_ns))


def shoot_run(session: Session) -> None:
    """While a run goes on, and what it gives."""
    if not is_completed(session.folder / RUN):
        session.fill(PARAMETERS)
        session.press("run")
        session.wait(lambda: len(session.widget._history) >= SHOWN_AT_ITERATION, 2.0)
        session.shoot("running")
        session.wait(lambda: session.widget.control.state == "idle")
    else:
        show_run_soon(session.viewer, session.folder / RUN)
    session.wait(lambda: bool(open_panels(session.viewer)), 3.0)
    session.shoot("done")
    panel = open_panels(session.viewer)[0]
    panel.tabs.setCurrentWidget(panel.picker)
    session.shoot("classes")
    panel.tabs.setCurrentIndex(panel.tabs.count() - 1)
    panel.layers.points.selected_data = set(np.arange(0, 40, 5).tolist())
    session.wait(lambda: bool(panel.gallery.pairs), 2.0)
    session.shoot("particles")
    panel.close_panel()


def shoot_starts(session: Session) -> None:
    """The second of several starts."""
    widget, folder = session.widget, session.folder / STARTS_RUN
    if can_go_on(folder):
        widget.resume_from(folder)
    else:
        session.fill(STARTS)
        widget.setup.input.output.set_value(folder)
        session.press("run")
    session.wait(lambda: widget._history.part == 1 and len(widget._history.parts[1]) >= SHOWN_OF_START, 2.0)
    session.shoot("starts")
    widget.control.pause()
    session.wait(lambda: not widget.control.is_active)


def is_completed(folder: Path) -> bool:
    """Whether a folder holds a run that came to its end."""
    return is_run_folder(folder) and RunFolder(folder).load_summary().status == "completed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help=f"of pictures, all by default: {', '.join(PICTURES)}")
    arguments = parser.parse_args()
    FIGURES.mkdir(exist_ok=True)
    names = set(arguments.names or PICTURES)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as settings:
        os.environ["COLDSTART_CONFIG"] = settings
        session = Session(arguments.folder / "demo", names)
        for shoot, pictures in SCENES.items():
            if names & set(pictures):
                shoot(session)
        session.viewer.close()


SCENES = {
    shoot_set_up: ("empty", "error", "checked"),
    shoot_changed: ("changed",),
    shoot_run: ("running", "done", "classes", "particles"),
    shoot_starts: ("starts",),
}
PICTURES = tuple(name for pictures in SCENES.values() for name in pictures)


if __name__ == "__main__":
    main()
