"""Results of a real run in a real viewer: what is shown, picked, written, and there again the next time."""

import json
import shutil
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import Qt

from coldstart import AbInitioParams
from coldstart.errors import OutputError
from coldstart.io.mrc import read_map
from coldstart.io.results import RunFolder
from coldstart.io.star_text import read_blocks
from coldstart.model.so3 import euler_to_matrix
from coldstart.plugin.map_layer import in_sigma
from coldstart.plugin.results import ResultsPanel, open_panels, run_layers, show_run

PLUGIN = "napari-coldstart"
CLASS = "rlnClassNumber"
MakeViewer = Callable[[], Any]


@pytest.fixture
def panel(make_napari_viewer: MakeViewer, run_copy: Path) -> ResultsPanel:
    return show_run(make_napari_viewer(), run_copy)


def table_of(path: Path) -> pd.DataFrame:
    return pd.DataFrame(dict(read_blocks(path)["particles"].columns))


def angles_of(path: Path) -> np.ndarray:
    return table_of(path)[["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]].to_numpy(dtype=float)


def outwards(points: Any) -> np.ndarray:
    """Directions of points from the middle of the box, x, y, z."""
    directions = points.data[:, ::-1] - 120.0
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def test_opening_a_folder_brings_maps_particles_table_and_panel(
    make_napari_viewer: MakeViewer, run_copy: Path, qtbot: Any
) -> None:
    viewer = make_napari_viewer()
    viewer.open(run_copy, plugin=PLUGIN)
    qtbot.waitUntil(lambda: bool(open_panels(viewer)), timeout=30_000)
    (panel,) = open_panels(viewer)
    assert [layer.name for layer in viewer.layers] == ["run class 1", "run class 2", "run directions"]
    assert viewer.dims.ndisplay == 3
    folder = RunFolder(run_copy)
    for number, layer in panel.layers.maps.items():
        volume, voxel_size = read_map(folder.volume_path(number, 2))
        np.testing.assert_array_equal(layer.data, in_sigma(volume))
        np.testing.assert_allclose(layer.scale, voxel_size)
    table, points = table_of(folder.table_path(2)), panel.layers.points
    assert points is not None
    np.testing.assert_allclose(outwards(points), euler_to_matrix(angles_of(folder.table_path(2)))[:, 2], atol=1e-5)
    assert points.features["class"].tolist() == table[CLASS].astype(int).tolist()
    known = {"row", "class", "label", "posterior", "margin", "ess", "log_likelihood", "defocus_angstrom", "micrograph"}
    assert known <= set(points.features)
    assert set(points.features["label"]) <= {"used", "unused", "low confidence"}
    assert any("Features table" in name for name in viewer.window.dock_widgets)
    assert viewer.layers.selection.active is points


def test_without_a_viewer_a_run_is_its_layers(finished_run: Path) -> None:
    kinds = [kind for _, _, kind in run_layers(finished_run)]
    assert kinds == ["image", "image", "points"]


def test_the_summary_is_in_words(panel: ResultsPanel, run_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = panel.summary.text.text()
    summary = RunFolder(run_copy).load_summary()
    assert f"Completed {summary.iterations} iterations" in text
    assert f"{summary.particles_used} used" in text
    assert f"{summary.classes[1].resolution_angstrom:.1f}&nbsp;Å" in text
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    panel.summary.open_report.click()
    assert opened == [(run_copy / "report.html").as_uri()]


def test_the_parameters_go_into_the_form(panel: ResultsPanel, run_copy: Path) -> None:
    panel.summary.use_parameters.click()
    _, form = panel._viewer.window.add_plugin_dock_widget(PLUGIN, "Ab-initio reconstruction")
    assert form.setup.form.params() == RunFolder(run_copy).load_params()


def test_the_parameters_can_go_elsewhere(make_napari_viewer: MakeViewer, run_copy: Path) -> None:
    wanted: list[AbInitioParams] = []
    panel = show_run(make_napari_viewer(), run_copy, on_parameters=wanted.append)
    panel.summary.use_parameters.click()
    assert wanted == [RunFolder(run_copy).load_params()]


def test_selected_points_and_rows_show_their_images(panel: ResultsPanel, qtbot: Any) -> None:
    points = panel.layers.points
    assert points is not None
    points.selected_data = {3, 7}
    qtbot.waitUntil(lambda: [pair.row for pair in panel.gallery.pairs] == [3, 7], timeout=30_000)
    (features,) = (w for n, w in panel._viewer.window.dock_widgets.items() if "Features table" in n)
    qtbot.waitUntil(lambda: features.table.model().rowCount() > 0, timeout=30_000)
    features.table.selectRow(5)
    qtbot.waitUntil(lambda: [pair.row for pair in panel.gallery.pairs] == [5], timeout=30_000)


def test_the_other_hand_shows_the_same_images(panel: ResultsPanel, run_copy: Path, qtbot: Any) -> None:
    points = panel.layers.points
    assert points is not None
    points.selected_data = {0, 1, 2}
    qtbot.waitUntil(lambda: len(panel.gallery.pairs) == 3, timeout=30_000)
    before = panel.gallery.pairs
    panel.other_hand.setChecked(True)
    folder = RunFolder(run_copy)
    flipped, _ = read_map(folder.volume_path(1, 2, flipped=True))
    qtbot.waitUntil(lambda: np.allclose(panel.layers.maps[1].data, in_sigma(flipped), atol=1e-5), timeout=30_000)
    poses = euler_to_matrix(angles_of(folder.table_path(2, flipped=True)))
    np.testing.assert_allclose(outwards(points), poses[:, 2], atol=1e-5)
    qtbot.waitUntil(lambda: panel.gallery.pairs is not before, timeout=30_000)
    found, expected = ([pair.correlation for pair in pairs] for pairs in (panel.gallery.pairs, before))
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_discarded_classes_are_hidden(panel: ResultsPanel, run_copy: Path) -> None:
    assert panel.picker is not None
    assert panel.layers.points is not None
    item = panel.picker.rows.item(0, 0)
    assert item is not None
    item.setCheckState(Qt.CheckState.Unchecked)
    of_two = (table_of(RunFolder(run_copy).table_path(2))[CLASS] == "2").to_numpy()
    np.testing.assert_array_equal(panel.layers.points.shown, of_two)
    assert [layer.visible for layer in panel.layers.maps.values()] == [False, True]


def test_a_run_is_opened_as_it_was_left(make_napari_viewer: MakeViewer, run_copy: Path) -> None:
    viewer = make_napari_viewer()
    first = show_run(viewer, run_copy)
    assert first.picker is not None
    item = first.picker.rows.item(1, 0)
    assert item is not None
    item.setCheckState(Qt.CheckState.Unchecked)
    first.picker.min_posterior.setValue(0.8)
    first.coloring.setCurrentText("class posterior")
    first.other_hand.setChecked(True)
    again = show_run(viewer, run_copy)
    assert open_panels(viewer) == [again]
    assert len(viewer.layers) == 3
    assert again.picker is not None
    assert again.picker.picks == first.picker.picks
    assert again.picker.kept_classes == (1,)
    assert again.other_hand.isChecked()
    assert again.coloring.currentText() == "class posterior"
    assert [layer.visible for layer in again.layers.maps.values()] == [True, False]


def test_the_evolution_is_a_slider(panel: ResultsPanel, run_copy: Path, qtbot: Any) -> None:
    snapshots = RunFolder(run_copy).load_snapshots()
    result = panel.layers.maps[2].data.copy()
    assert panel.evolution.places[-1] is None
    assert panel.evolution.places[0] == 1
    panel.evolution.slider.setValue(0)
    volume, voxel_size = read_map(snapshots[1].path)
    qtbot.waitUntil(lambda: np.array_equal(panel.layers.maps[2].data, in_sigma(volume)), timeout=30_000)
    np.testing.assert_allclose(panel.layers.maps[2].scale, voxel_size)
    assert panel.evolution.text.text().startswith("Iteration 1 of ")
    panel.evolution.slider.setValue(panel.evolution.slider.maximum())
    qtbot.waitUntil(lambda: np.array_equal(panel.layers.maps[2].data, result), timeout=30_000)
    assert panel.evolution.text.text() == "The result"


def test_a_large_table_shows_a_part_and_keeps_the_whole(
    make_napari_viewer: MakeViewer, run_copy: Path, monkeypatch: pytest.MonkeyPatch, qtbot: Any
) -> None:
    monkeypatch.setattr("coldstart.plugin.particle_layer.shown_rows.__defaults__", (30,))
    panel = show_run(make_napari_viewer(), run_copy)
    points = panel.layers.points
    assert points is not None
    assert panel.picker is not None
    assert len(points.data) == 30
    assert "120</b> of 120" in panel.picker.count.text()
    points.selected_data = {29}
    last = points.features["row"].iloc[29]
    qtbot.waitUntil(lambda: [pair.row + 1 for pair in panel.gallery.pairs] == [last], timeout=30_000)
    points.save(str(run_copy.parent / "all.star"), plugin=PLUGIN)
    assert len(table_of(run_copy.parent / "all.star")) == 120


@pytest.mark.parametrize("status", ["failed", "running"])
def test_a_run_that_did_not_end_shows_its_last_snapshots(
    make_napari_viewer: MakeViewer, run_copy: Path, status: str
) -> None:
    folder = RunFolder(run_copy)
    record = json.loads((run_copy / "summary.json").read_text())
    left = {"status": status, "seed": record["seed"], "notes": ["the card caught fire"] if status == "failed" else []}
    (run_copy / "summary.json").write_text(json.dumps(left))
    for path in (*run_copy.glob("volume*"), *run_copy.glob("particles*"), run_copy / "report.html"):
        path.unlink()
    viewer = make_napari_viewer()
    panel = show_run(viewer, run_copy)
    *_, last = folder.load_snapshots()
    assert [layer.name for layer in viewer.layers] == ["run class 1", "run class 2"]
    np.testing.assert_array_equal(viewer.layers[1].data, in_sigma(read_map(last.path)[0]))
    assert panel.evolution.text.text().startswith(f"Iteration {last.iteration} of ")
    text = panel.summary.text.text()
    assert ("failed: the card caught fire" if status == "failed" else "has not ended") in text
    assert f"maps of iteration {last.iteration}" in text
    assert panel.picker is None
    assert not panel.summary.open_report.isEnabled()


def test_what_cannot_be_read_is_named_and_the_rest_shown(
    make_napari_viewer: MakeViewer, run_copy: Path, qtbot: Any
) -> None:
    (run_copy / "params.json").write_text(json.dumps({"classes": 2, "of_the_future": 1}))
    (run_copy / "summary.json").write_text("{")
    (run_copy / "volume_class_2.mrc").write_bytes(b"short")
    shutil.rmtree(run_copy.parent / "set")
    viewer = make_napari_viewer()
    panel = show_run(viewer, run_copy)
    assert [layer.name for layer in viewer.layers] == ["run class 1", "run directions"]
    text = panel.summary.text.text()
    refused = "params.json is of another version and cannot be loaded: of_the_future: Extra"
    for part in (refused, "summary.json cannot be read", "too few"):
        assert part in text
    assert not panel.summary.use_parameters.isEnabled()
    assert panel.layers.points is not None
    panel.layers.points.selected_data = {1}
    qtbot.waitUntil(lambda: "The images cannot be shown" in panel.gallery.text.text(), timeout=30_000)
    assert "missing" in panel.gallery.text.text()


def test_layers_that_are_gone_are_no_trouble(panel: ResultsPanel) -> None:
    for layer in list(panel._viewer.layers):
        panel._viewer.layers.remove(layer)
    panel.evolution.slider.setValue(0)
    panel.other_hand.setChecked(True)
    panel.coloring.setCurrentIndex(1)
    assert panel.picker is not None
    panel.picker.min_posterior.setValue(0.5)


def test_a_folder_that_is_no_run_is_refused(make_napari_viewer: MakeViewer, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is no run folder"):
        show_run(make_napari_viewer(), tmp_path)
