"""The whole widget in a real viewer, with the real engine on a small simulated set."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from napari.utils.notifications import notification_manager

from coldstart.cli.main import main
from coldstart.io.consensus_files import read_consensus
from coldstart.io.results import RunFolder
from coldstart.params import AbInitioParams
from coldstart.plugin.run_control import RunControl
from coldstart.plugin.widget import ColdstartWidget

SHORT = {"initial_iterations": 8, "final_iterations": 4, "max_resolution_angstrom": 30.0, "seed": 3}
LONG = {**SHORT, "initial_iterations": 400}
TIMEOUT_MS = 120_000


def fill(widget: ColdstartWidget, particles: Path, output: Path, **values: Any) -> None:
    widget.setup.input.particles.set_value(particles)
    widget.setup.input.output.set_value(output)
    widget.setup.form.set_values(values)


def press(widget: ColdstartWidget, button: str) -> None:
    assert widget.bar.buttons[button].isEnabled()
    widget.bar.buttons[button].click()


def wait_for(qtbot: Any, widget: ColdstartWidget, state: str) -> None:
    qtbot.waitUntil(lambda: widget.control.state == state, timeout=TIMEOUT_MS)


def messages() -> list[str]:
    return [notification.message for notification in notification_manager.records]


def test_a_run_from_the_form_gives_the_bytes_of_the_command_line(
    widget: ColdstartWidget, qtbot: Any, particles_path: Path, tmp_path: Path
) -> None:
    fill(widget, particles_path, tmp_path / "window", **SHORT)
    widget.setup.save_params(tmp_path / "settings.json")
    press(widget, "run")
    assert widget.bar.buttons["stop"].isVisibleTo(widget)
    wait_for(qtbot, widget, "idle")
    folder = RunFolder(tmp_path / "window")
    assert folder.load_summary().status == "completed"
    assert (folder.path / "params.json").read_bytes() == (tmp_path / "settings.json").read_bytes()

    settings, terminal = str(tmp_path / "settings.json"), str(tmp_path / "terminal")
    told = CliRunner().invoke(main, ["run", str(particles_path), "-o", terminal, "--params", settings])
    assert told.exit_code == 0, told.output
    for name in ("volume.mrc", "particles.star", "params.json"):
        assert (tmp_path / "terminal" / name).read_bytes() == (folder.path / name).read_bytes(), name


def test_the_maps_appear_while_it_runs(
    widget: ColdstartWidget, viewer: Any, qtbot: Any, particles_path: Path, tmp_path: Path
) -> None:
    fill(widget, particles_path, tmp_path / "out", **{**LONG, "classes": 2})
    press(widget, "run")
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=TIMEOUT_MS)
    qtbot.waitUntil(lambda: widget.live.layers[0].data.any(), timeout=TIMEOUT_MS)
    first = widget.live.layers[0].data.copy()
    qtbot.waitUntil(lambda: not np.array_equal(widget.live.layers[0].data, first), timeout=TIMEOUT_MS)
    assert viewer.canvas.grid.enabled
    assert {str(unit) for unit in widget.live.layers[0].units} == {"angstrom"}
    extent = np.diff(widget.live.layers[0].extent.world, axis=0)[0]
    voxel = widget.live.layers[0].scale[0]
    np.testing.assert_allclose(extent + voxel, 32 * 7.0, rtol=1e-6)
    assert widget.bar.progress.maximum() > 400
    press(widget, "pause")
    wait_for(qtbot, widget, "paused")


def test_pause_resume_and_stop(widget: ColdstartWidget, qtbot: Any, particles_path: Path, tmp_path: Path) -> None:
    fill(widget, particles_path, tmp_path / "out", **LONG)
    press(widget, "run")
    qtbot.waitUntil(lambda: len(widget._history) > 2, timeout=TIMEOUT_MS)
    press(widget, "pause")
    wait_for(qtbot, widget, "paused")
    folder = RunFolder(tmp_path / "out")
    assert folder.load_summary().status == "suspended"
    done = len(widget._history)
    assert not (folder.path / "volume.mrc").exists()

    press(widget, "resume")
    qtbot.waitUntil(lambda: len(widget._history) > done, timeout=TIMEOUT_MS)
    press(widget, "stop")
    wait_for(qtbot, widget, "idle")
    assert folder.load_summary().status == "stopped"
    assert (folder.path / "volume.mrc").is_file()
    (history,) = widget._history.parts
    iterations = [stats.iteration for stats in history if stats.phase != "posing"]
    assert iterations == list(range(1, len(iterations) + 1))
    assert [stats.iteration for stats in folder.load_iterations()] == [stats.iteration for stats in history]


@pytest.mark.parametrize(("starts", "part"), [(1, ""), (2, "start_1")])
def test_a_closed_viewer_leaves_a_run_that_another_one_ends(
    make_napari_viewer: Callable[[], Any], qtbot: Any, particles_path: Path, tmp_path: Path, starts: int, part: str
) -> None:
    first = make_napari_viewer()
    widget = ColdstartWidget(first)
    first.window.add_dock_widget(widget)
    fill(widget, particles_path, tmp_path / "out", **LONG, starts=starts)
    press(widget, "run")
    qtbot.waitUntil(lambda: len(widget._history) > 1, timeout=TIMEOUT_MS)
    first.close()
    folder = RunFolder(tmp_path / "out" / part)
    qtbot.waitUntil(lambda: folder.load_summary().status == "suspended", timeout=TIMEOUT_MS)
    done = len(folder.load_iterations())

    second = make_napari_viewer()
    widget = ColdstartWidget(second)
    second.window.add_dock_widget(widget)
    widget.setup.input.output.set_value(tmp_path / "out")
    press(widget, "resume")
    qtbot.waitUntil(lambda: len(widget._history) > done + 1, timeout=TIMEOUT_MS)
    press(widget, "stop")
    wait_for(qtbot, widget, "idle")
    assert folder.load_summary().status == "stopped"


def test_a_closed_widget_pauses_its_run(
    widget: ColdstartWidget, viewer: Any, qtbot: Any, particles_path: Path, tmp_path: Path
) -> None:
    fill(widget, particles_path, tmp_path / "out", **LONG)
    press(widget, "run")
    qtbot.waitUntil(lambda: len(widget._history) > 1, timeout=TIMEOUT_MS)
    viewer.window.remove_dock_widget(widget)
    wait_for(qtbot, widget, "paused")
    assert RunFolder(tmp_path / "out").load_summary().status == "suspended"
    assert not viewer.layers
    assert "is paused" in messages()[-1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("data_particles\n\nloop_\n_rlnImageName #1\n1@gone.mrcs\n", "pixel size"),
        ("hello\n", "particles.star"),
    ],
)
def test_bad_input_is_told_in_words_and_leaves_the_widget_usable(
    widget: ColdstartWidget, qtbot: Any, tmp_path: Path, particles_path: Path, content: str, message: str
) -> None:
    bad = tmp_path / "particles.star"
    bad.write_text(content)
    fill(widget, bad, tmp_path / "out", **SHORT)
    press(widget, "run")
    wait_for(qtbot, widget, "idle")
    assert message in messages()[-1]
    assert "Traceback" not in messages()[-1]
    assert message in widget.bar.status.text()
    assert not widget.live.layers
    assert not (tmp_path / "out").exists()
    fill(widget, particles_path, tmp_path / "out", **SHORT)
    press(widget, "run")
    wait_for(qtbot, widget, "idle")
    assert RunFolder(tmp_path / "out").load_summary().status == "completed"


def test_errors_of_the_check_stop_a_run_unless_they_are_overruled(
    widget: ColdstartWidget, qtbot: Any, particles_path: Path, tmp_path: Path
) -> None:
    fill(widget, particles_path, tmp_path / "out", **SHORT, invert=True)
    press(widget, "run")
    wait_for(qtbot, widget, "idle")
    assert "the check found errors" in messages()[-1]
    assert "Error" in widget.check.findings.text()
    assert not (tmp_path / "out").exists()
    widget.check.despite_errors.setChecked(True)
    press(widget, "run")
    wait_for(qtbot, widget, "idle")
    assert RunFolder(tmp_path / "out").load_summary().status == "completed"


def test_no_particles_are_asked_for_in_words(widget: ColdstartWidget) -> None:
    press(widget, "run")
    assert "Choose a particle table" in messages()[-1]
    assert widget.control.state == "idle"


def test_an_output_that_is_taken_is_refused(
    widget: ColdstartWidget, qtbot: Any, particles_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "thesis.pdf").write_text("")
    fill(widget, particles_path, tmp_path, **SHORT)
    press(widget, "run")
    wait_for(qtbot, widget, "idle")
    assert "is not empty: choose another one" in messages()[-1]


def test_parameters_that_contradict_each_other_cannot_be_run(widget: ColdstartWidget) -> None:
    widget.setup.form.set_values({"initial_resolution_angstrom": 10.0, "max_resolution_angstrom": 12.0})
    assert not widget.bar.buttons["run"].isEnabled()
    assert "coarser than the initial one" in widget.bar.status.text()
    widget.setup.form.set_values({"max_resolution_angstrom": 9.0})
    assert widget.bar.status.text() == ""
    assert widget.bar.buttons["run"].isEnabled()


def test_settings_are_there_again_at_the_next_start(
    widget: ColdstartWidget, viewer: Any, qtbot: Any, particles_path: Path, tmp_path: Path
) -> None:
    fill(widget, particles_path, tmp_path / "out", classes=3, symmetry="D2", max_resolution_angstrom=9.125)
    qtbot.waitUntil(lambda: not widget._remember_later.isActive(), timeout=TIMEOUT_MS)
    again = ColdstartWidget(viewer)
    qtbot.addWidget(again)
    qtbot.waitUntil(lambda: again.setup.form.devices.choice.count() > 1, timeout=TIMEOUT_MS)
    assert again.setup.form.params() == AbInitioParams(classes=3, symmetry="D2", max_resolution_angstrom=9.125)
    assert again.setup.request().particles == particles_path
    assert again.setup.request().output == tmp_path / "out"


def test_a_check_shows_what_the_particles_are(
    widget: ColdstartWidget, qtbot: Any, particles_path: Path, tmp_path: Path
) -> None:
    fill(widget, particles_path, tmp_path / "out", **SHORT)
    press(widget, "check")
    qtbot.waitUntil(lambda: widget._checker is None, timeout=TIMEOUT_MS)
    text = widget.check.facts.text()
    assert "200" in text
    assert "32 px, 224 Å" in text
    assert "7 Å" in text
    assert "300 kV" in text


def test_several_starts_and_numbers_of_classes_are_run_and_shown(
    widget: ColdstartWidget, viewer: Any, qtbot: Any, particles_path: Path, tmp_path: Path
) -> None:
    fill(widget, particles_path, tmp_path / "starts", **SHORT, starts=2)
    press(widget, "run")
    wait_for(qtbot, widget, "idle")
    assert read_consensus(tmp_path / "starts").verdict in widget.bar.status.text().replace("&#x27;", "'")
    assert [bool(history) for history in widget._history.parts] == [True, True]
    qtbot.waitUntil(lambda: [layer.name for layer in viewer.layers][:1] == ["starts map"], timeout=TIMEOUT_MS)

    numbers = {"classes": 1, "most_classes": 2, "class_similarity_start": 20, "class_similarity_end": 80}
    fill(widget, particles_path, tmp_path / "series", **SHORT, starts=1, **numbers)
    press(widget, "run")
    qtbot.waitUntil(lambda: widget._history.part == 1, timeout=TIMEOUT_MS)
    qtbot.waitUntil(lambda: len(widget.live.layers) == 2, timeout=TIMEOUT_MS)
    press(widget, "pause")
    wait_for(qtbot, widget, "paused")
    press(widget, "resume")
    wait_for(qtbot, widget, "idle")
    assert "Done after the runs of 1 and 2 classes" in widget.bar.status.text()
    for number in (1, 2):
        assert RunFolder(tmp_path / "series" / f"classes_{number}").load_summary().status == "completed"


def test_a_race_that_was_paused_goes_on_in_another_window(
    widget: ColdstartWidget, qtbot: Any, particles_path: Path, tmp_path: Path
) -> None:
    fill(widget, particles_path, tmp_path / "starts", **SHORT, starts=2)
    press(widget, "run")
    qtbot.waitUntil(lambda: widget._history.part == 1, timeout=TIMEOUT_MS)
    press(widget, "pause")
    wait_for(qtbot, widget, "paused")
    done = len(widget._history)
    again = RunControl()
    job = again.resume(tmp_path / "starts")
    assert sum(map(len, job.histories)) == done
    qtbot.waitUntil(lambda: again.state == "idle", timeout=TIMEOUT_MS)
    assert len(read_consensus(tmp_path / "starts").starts) == 2
