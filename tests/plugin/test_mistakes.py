"""Usual mistakes and mishaps, made in the real widget: each is told with its remedy, and the next run works."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QDialog, QFileDialog

from coldstart.io.results import RunFolder
from coldstart.plugin.notify import tell_error
from coldstart.plugin.results import open_panels
from coldstart.plugin.widget import ColdstartWidget

SHORT = {"initial_iterations": 8, "final_iterations": 4, "max_resolution_angstrom": 30.0, "seed": 3}
TIMEOUT_MS = 120_000

Prepare = Callable[[Path], None]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with room for less than a run."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"file systems cannot be mounted here: {mounted.stderr}")
    yield folder
    if os.path.ismount(folder):
        subprocess.run(["umount", str(folder)], check=True)


def run(widget: ColdstartWidget, qtbot: Any, particles: Path, output: Path, **values: Any) -> str:
    """Run to the end; what was told last."""
    widget.setup.input.particles.set_value(particles)
    widget.setup.input.output.set_value(output)
    widget.setup.form.set_values({**SHORT, **values})
    widget.bar.buttons["run"].click()
    qtbot.waitUntil(lambda: widget.control.state == "idle", timeout=TIMEOUT_MS)
    return last_message()


def last_message() -> str:
    return str(notification_manager.records[-1].message)


@pytest.mark.parametrize(
    ("table", "output", "values", "words"),
    [
        ("gone.star", "out", {}, ("gone.star does not exist", "check the path")),
        ("without_stack.star", "out", {}, ("particles.mrcs", "“Stack folder”")),
        ("particles.star", "file/out", {}, ("file/out", "Choose a folder that you may write")),
        ("particles.star", "out", {"device": "no such card"}, ("no such card", "“Device”")),
    ],
)
def test_a_mistake_is_told_with_its_remedy_and_the_next_run_works(
    widget: ColdstartWidget,
    qtbot: Any,
    particles_path: Path,
    tmp_path: Path,
    table: str,
    output: str,
    values: dict[str, Any],
    words: tuple[str, ...],
) -> None:
    (tmp_path / "without_stack.star").write_bytes(particles_path.read_bytes())
    (tmp_path / "file").write_text("")
    particles = particles_path if table == particles_path.name else tmp_path / table
    told = run(widget, qtbot, particles, tmp_path / output, **values)
    for word in words:
        assert word in told
    assert not (tmp_path / "out").exists()
    assert not widget.live.layers
    run(widget, qtbot, particles_path, tmp_path / "right", device=None)
    assert RunFolder(tmp_path / "right").load_summary().status == "completed"


def test_a_run_on_a_full_disk_goes_on_once_there_is_room(
    widget: ColdstartWidget, qtbot: Any, particles_path: Path, small_disk: Path
) -> None:
    told = run(widget, qtbot, particles_path, small_disk / "run")
    assert "No space left on device. Check the free space" in told
    assert "when you press Resume" in told
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    assert "when you press Resume" in widget.bar.status.text()
    assert widget.bar.buttons["resume"].isVisibleTo(widget)
    widget.bar.buttons["resume"].click()
    qtbot.waitUntil(lambda: widget.control.state == "idle", timeout=TIMEOUT_MS)
    assert RunFolder(small_disk / "run").load_summary().status == "completed"
    qtbot.waitUntil(lambda: bool(open_panels(widget._viewer)), timeout=TIMEOUT_MS)


def test_a_folder_of_another_program_is_refused(
    widget: ColdstartWidget, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run_it025_model.star").write_text("data_model_general\n\n_rlnNrClasses 1\n")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    before = len(notification_manager.records)
    widget.bar.buttons["open"].click()
    qtbot.waitUntil(lambda: len(notification_manager.records) > before, timeout=TIMEOUT_MS)
    assert str(tmp_path) in last_message()
    assert "Traceback" not in last_message()
    assert not open_panels(widget._viewer)
    assert widget.bar.buttons["run"].isEnabled()


@pytest.mark.usefixtures("rendering")
def test_a_long_message_is_shown_to_its_last_line(make_napari_viewer: Callable[..., Any], qtbot: Any) -> None:
    viewer = make_napari_viewer(show=True)
    tell_error("The table names a stack that is not there. " * 5 + "Choose the stack folder.", viewer)
    qtbot.waitUntil(lambda: any(_is_whole(d) for d in viewer.window._qt_window.findChildren(QDialog)), timeout=10_000)


def _is_whole(dialog: Any) -> bool:
    """Whether a notification has room for all of its text, and lies inside of the canvas."""
    if not hasattr(dialog, "message"):
        return False
    label, canvas = dialog.message, dialog.parent()
    return bool(label.height() >= label.heightForWidth(label.width()) and canvas.rect().contains(dialog.geometry()))
