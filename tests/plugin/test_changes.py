"""Runs whose particles changed, vanished or moved meanwhile: that is told in the window, and they go on from it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from napari.utils.notifications import notification_manager

from coldstart import AbInitioParams
from coldstart.api import run_job
from coldstart.errors import RunSuspended
from coldstart.io.results import RunFolder
from coldstart.plugin.results import open_panels, show_run
from coldstart.plugin.widget import ColdstartWidget

LONG = {"initial_iterations": 400, "final_iterations": 4, "max_resolution_angstrom": 30.0, "seed": 3}
TIMEOUT_MS = 120_000
CHANGED = "the input is not what it was when the run began: the stack"


@pytest.fixture
def particles(particles_path: Path, tmp_path: Path) -> Path:
    """A table whose stack may be changed."""
    (tmp_path / "set").mkdir()
    for name in ("particles.star", "particles.mrcs"):
        shutil.copy2(particles_path.with_name(name), tmp_path / "set" / name)
    return tmp_path / "set" / "particles.star"


@pytest.fixture
def begin(widget: ColdstartWidget, qtbot: Any, particles: Path) -> Callable[..., RunFolder]:
    """Starts a run, and returns once it has done some iterations, of the last of several starts."""

    def run(output: Path, **values: Any) -> RunFolder:
        widget.setup.input.particles.set_value(particles)
        widget.setup.input.output.set_value(output)
        widget.setup.form.set_values({**LONG, **values})
        widget.bar.buttons["run"].click()
        last = values.get("starts", 1) - 1
        qtbot.waitUntil(
            lambda: widget._history.part == last and len(widget._history.parts[last]) > 2, timeout=TIMEOUT_MS
        )
        return RunFolder(output)

    return run


def pause(widget: ColdstartWidget, qtbot: Any) -> None:
    widget.bar.buttons["pause"].click()
    qtbot.waitUntil(lambda: widget.control.state == "paused", timeout=TIMEOUT_MS)


def resume(widget: ColdstartWidget, qtbot: Any) -> str:
    """Press Resume, of a run that breaks off: what is told."""
    before = len(notification_manager.records)
    assert widget.bar.buttons["resume"].isVisibleTo(widget)
    widget.bar.buttons["resume"].click()
    qtbot.waitUntil(lambda: len(notification_manager.records) > before, timeout=TIMEOUT_MS)
    told = str(notification_manager.records[-1].message)
    assert widget.control.state == "idle"
    assert "--" not in told
    return told


def resume_for_good(widget: ColdstartWidget, qtbot: Any) -> None:
    """Press Resume, and Stop once the run has gone on."""
    done = len(widget._history)
    widget.bar.buttons["resume"].click()
    qtbot.waitUntil(lambda: len(widget._history) > done, timeout=TIMEOUT_MS)
    widget.bar.buttons["stop"].click()
    qtbot.waitUntil(lambda: widget.control.state == "idle", timeout=TIMEOUT_MS)


@pytest.mark.parametrize("starts", [1, 2])
def test_a_run_whose_images_changed_goes_on_once_that_is_accepted(
    widget: ColdstartWidget, qtbot: Any, begin: Any, particles: Path, tmp_path: Path, starts: int
) -> None:
    begin(tmp_path / "out", starts=starts, initial_iterations=400 if starts == 1 else 40)
    pause(widget, qtbot)
    os.utime(particles.with_suffix(".mrcs"), (10**9, 10**9))
    for _ in range(2):  # pressing Resume alone accepts nothing
        told = resume(widget, qtbot)
        assert CHANGED in told
        assert "or tick “Accept what has changed” and press Resume" in told
        assert CHANGED in widget.bar.status.text()
        assert widget.bar.accept_changes.isVisibleTo(widget)
        assert not widget.bar.accept_changes.isChecked()
    widget.bar.accept_changes.click()
    resume_for_good(widget, qtbot)
    assert not widget.bar.accept_changes.isVisibleTo(widget)
    last = RunFolder(tmp_path / "out" if starts == 1 else tmp_path / "out" / "start_2")
    assert any(CHANGED in note for note in last.load_summary().notes)


def test_a_change_of_a_run_that_was_opened_is_accepted_for_that_run(
    widget: ColdstartWidget, viewer: Any, qtbot: Any, particles: Path, tmp_path: Path
) -> None:
    """Though another one that can go on is chosen as the output."""
    for name in ("opened", "chosen"):
        with pytest.raises(RunSuspended):
            run_job(particles, tmp_path / name, AbInitioParams(**LONG), should_suspend=lambda: True)
    widget.setup.input.particles.set_value(particles)
    os.utime(particles.with_suffix(".mrcs"), (10**9, 10**9))
    panel = show_run(viewer, tmp_path / "opened")
    widget.setup.input.output.set_value(tmp_path / "chosen")
    panel.summary.resume.click()
    qtbot.waitUntil(lambda: widget.bar.accept_changes.isVisibleTo(widget), timeout=TIMEOUT_MS)
    assert str(tmp_path / "opened") in widget.bar.buttons["resume"].toolTip()
    widget.bar.accept_changes.click()
    resume_for_good(widget, qtbot)
    status = {name: RunFolder(tmp_path / name).load_summary().status for name in ("opened", "chosen")}
    assert status == {"opened": "stopped", "chosen": "suspended"}


@pytest.mark.usefixtures("rendering")
def test_what_a_run_has_done_is_charted_before_it_goes_on(
    make_napari_viewer: Callable[..., Any], qtbot: Any, particles: Path, tmp_path: Path
) -> None:
    with pytest.raises(RunSuspended):
        run_job(particles, tmp_path / "out", AbInitioParams(**LONG), should_suspend=lambda: True)
    particles.with_suffix(".mrcs").unlink()
    viewer = make_napari_viewer(show=True)
    widget = ColdstartWidget(viewer)
    viewer.window.add_dock_widget(widget)
    widget.setup.input.output.set_value(tmp_path / "out")
    assert "is missing" in resume(widget, qtbot)
    qtbot.waitUntil(lambda: widget.plots.image is not None, timeout=TIMEOUT_MS)


def test_a_stack_that_vanishes_in_the_middle_of_a_run(
    widget: ColdstartWidget, qtbot: Any, begin: Any, particles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moved for good: the run goes on with the folder that it was moved to."""
    monkeypatch.setattr("coldstart.engine.images.CACHE_BYTES", 0)  # all of so small a set would be in memory
    folder = begin(tmp_path / "out")
    (tmp_path / "moved").mkdir()
    shutil.move(particles.with_suffix(".mrcs"), tmp_path / "moved")
    qtbot.waitUntil(lambda: widget.control.state == "idle", timeout=TIMEOUT_MS)
    told = str(notification_manager.records[-1].message)
    assert "particles.mrcs cannot be read any more: No such file" in told
    assert "when you press Resume" in told
    assert "when you press Resume" in widget.bar.status.text()
    assert folder.load_summary().status == "failed"
    told = resume(widget, qtbot)
    assert "the stack particles.mrcs is missing" in told
    assert "“Stack folder”" in told
    assert not widget.bar.accept_changes.isVisibleTo(widget)
    widget.setup.input.data_root.set_value(tmp_path / "moved")
    resume_for_good(widget, qtbot)
    assert folder.load_summary().status == "stopped"
    assert (folder.path / "volume.mrc").is_file()
    qtbot.waitUntil(lambda: bool(open_panels(widget._viewer)), timeout=TIMEOUT_MS)
