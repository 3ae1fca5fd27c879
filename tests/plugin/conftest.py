"""Fixtures for the tests of the plugin, which drive real widgets.

With a display (a desktop, or Xvfb as in .ci/run) everything runs. Without one Qt draws into memory: there is no OpenGL
then, so napari is told some limits of it that it would ask for, and tests that look at rendered pixels are skipped.
"""

import os
import sys

import pytest

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
