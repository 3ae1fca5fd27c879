"""Make the pictures of docs/plugin.md out of the real program: run this after a change of the plugin.

    python docs/make_screenshots.py /data                                       # on a desktop
    xvfb-run -s '-screen 0 1600x1200x24' python docs/make_screenshots.py /data  # without one

It takes some minutes: the particles of `coldstart demo` are checked and reconstructed in two classes, in a new folder
`demo` of the folder that is named, which the pictures show.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
from napari.utils.notifications import notification_manager
from PIL import Image
from qtpy.QtWidgets import QApplication, QDialog

from coldstart.demo.files import write_demo_set
from coldstart.plugin.results import open_panels
from coldstart.plugin.widget import ColdstartWidget

FIGURES = Path(__file__).with_name("figures")
SIZE = (1280, 800)
COLORS = 192
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


class Session:
    """A viewer with the widget, driven as a user would."""

    def __init__(self, folder: Path) -> None:
        self.particles = write_demo_set(folder).particles_path
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
        """Write docs/figures/plugin_NAME.png."""
        self.wait(lambda: True)
        pixels = self.viewer.screenshot(canvas_only=False, flash=False)
        path = FIGURES / f"plugin_{name}.png"
        Image.fromarray(pixels[..., :3]).quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)
        print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")

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


def main() -> None:
    FIGURES.mkdir(exist_ok=True)
    folder = Path(sys.argv[1]) / "demo"
    folder.mkdir()
    with tempfile.TemporaryDirectory() as settings:
        os.environ["COLDSTART_CONFIG"] = settings
        session = Session(folder)
        widget = session.widget
        session.shoot("empty")

        session.fail()
        session.shoot("error")

        session.dismiss()
        widget.setup.input.particles.set_value(session.particles)
        widget.setup.form.set_values(PARAMETERS)
        session.press("check")
        session.wait(lambda: widget._checker is None)
        session.wait(lambda: not widget.check.pictures.isVisible() or widget.check.pictures.image is not None)
        session.shoot("checked")

        session.press("run")
        session.wait(lambda: len(widget._history) >= SHOWN_AT_ITERATION, 2.0)
        session.shoot("running")

        session.wait(lambda: widget.control.state == "idle")
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
        widget.setup.form.set_values(STARTS)
        session.press("run")
        session.wait(lambda: widget._history.part == 1 and len(widget._history.parts[1]) >= SHOWN_OF_START, 2.0)
        session.shoot("starts")
        widget.control.pause()
        session.wait(lambda: not widget.control.is_active)
        session.viewer.close()


if __name__ == "__main__":
    main()
