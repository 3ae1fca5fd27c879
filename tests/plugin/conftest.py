"""Fixtures for the tests of the plugin, which drive real widgets.

With a display (a desktop, or Xvfb as in .ci/run) everything runs. Without one Qt draws into memory: there is no OpenGL
then, so napari is told some limits of it that it would ask for, and tests that look at rendered pixels are skipped.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coldstart import AbInitioParams
from coldstart.api import run_job
from coldstart.demo.files import write_demo_set
from coldstart.plugin.widget import ColdstartWidget

TIMEOUT_MS = 120_000
RUN_IMAGES = 120

HAS_DISPLAY = sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
if not HAS_DISPLAY:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
NO_OPENGL = os.environ.get("QT_QPA_PLATFORM") == "offscreen"

# Modules of napari that import these names by value.
_ASKING_OPENGL = ("utils.gl", "layers.base", "layers.image", "layers.labels", "canvas")


@pytest.fixture(autouse=True)
def opengl_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that napari asks OpenGL for, where there is none to ask."""
    if not NO_OPENGL:
        return
    for module in _ASKING_OPENGL:
        name = f"napari._vispy.{module}"
        monkeypatch.setattr(f"{name}.get_gl_extensions", lambda: "", raising=False)
        monkeypatch.setattr(f"{name}.get_max_texture_sizes", lambda: (2048, 2048), raising=False)


@pytest.fixture
def rendering() -> None:
    """For tests that look at what is rendered."""
    if NO_OPENGL:
        pytest.skip("rendering needs a display with OpenGL, such as xvfb-run gives")


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the user's are no business of the tests."""
    monkeypatch.setenv("COLDSTART_CONFIG", str(tmp_path / "settings"))


@pytest.fixture(scope="session")
def particles_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Table of a simulated set that the engine takes seconds for."""
    folder = tmp_path_factory.mktemp("particles")
    return write_demo_set(folder, 5, images=200, box_px=32, pixel_size_angstrom=7.0, snr=0.4).particles_path


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a real run of two classes on a small simulated set, `set/` beside it; copy it before changing it."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "set").mkdir()
    demo_set = write_demo_set(folder / "set", 5, images=RUN_IMAGES, box_px=24, pixel_size_angstrom=10.0, snr=0.4)
    params = AbInitioParams(
        classes=2,
        seed=1,
        max_resolution_angstrom=25.0,
        initial_iterations=8,
        final_iterations=4,
        class_similarity_start=4,
        class_similarity_end=8,
        minibatch_switch_iteration=8,
    )
    run_job(demo_set.particles_path, folder / "run", params)
    return folder / "run"


@pytest.fixture
def run_copy(finished_run: Path, tmp_path: Path) -> Path:
    """A copy of `finished_run` to change, its stack at the same relative place."""
    shutil.copytree(finished_run.parent, tmp_path / "finished")
    return tmp_path / "finished" / finished_run.name


@pytest.fixture
def viewer(make_napari_viewer: Callable[[], Any]) -> Any:
    return make_napari_viewer()


@pytest.fixture
def widget(viewer: Any, qtbot: Any) -> Iterator[ColdstartWidget]:
    """The widget docked, its devices listed; whatever runs at the end is let finish."""
    widget = ColdstartWidget(viewer)
    viewer.window.add_dock_widget(widget, name="coldstart")
    qtbot.waitUntil(lambda: widget.setup.form.devices.choice.count() > 1, timeout=TIMEOUT_MS)
    yield widget
    widget.control.pause()
    qtbot.waitUntil(lambda: not widget.control.is_active and widget._checker is None, timeout=TIMEOUT_MS)


@pytest.fixture
def messages() -> Iterator[list[str]]:
    """What napari is asked to tell the user."""
    from napari.utils.notifications import notification_manager

    told: list[str] = []

    def hear(notification: Any) -> None:
        told.append(notification.message)

    notification_manager.notification_ready.connect(hear)
    yield told
    notification_manager.notification_ready.disconnect(hear)
