"""Folders of several runs: of starts that are compared, and of several numbers of classes."""

import shutil
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coldstart import AbInitioParams
from coldstart.api import run_jobs, run_starts
from coldstart.io.consensus_files import read_consensus
from coldstart.io.mrc import read_map
from coldstart.io.results import RunFolder
from coldstart.io.star_poses import read_poses
from coldstart.io.star_text import read_blocks
from coldstart.plugin.map_layer import in_sigma
from coldstart.plugin.results import ResultsPanel, open_panels, show_run

PLUGIN = "napari-coldstart"
PARAMS = AbInitioParams(seed=1, max_resolution_angstrom=30.0, initial_iterations=8, final_iterations=4)
MakeViewer = Callable[[], Any]


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory, particles_path: Path) -> Path:
    output = tmp_path_factory.mktemp("several") / "starts"
    run_starts(particles_path, output, PARAMS, 2)
    return output


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory, particles_path: Path) -> Path:
    output = tmp_path_factory.mktemp("several") / "series"
    jobs = [PARAMS.model_copy(update={"classes": number, "class_similarity": 0.0}) for number in (1, 2)]
    run_jobs(particles_path, output, jobs)
    return output


def wait_for_panel(viewer: Any, qtbot: Any, folder: Path) -> ResultsPanel:
    """The panel, once it shows the run in this folder."""
    qtbot.waitUntil(lambda: [p.data.run.folder.path for p in open_panels(viewer)] == [folder], timeout=60_000)
    (panel,) = open_panels(viewer)
    return panel


def test_starts_are_opened_as_what_they_agree_on_and_one_by_one(
    make_napari_viewer: MakeViewer, starts: Path, tmp_path: Path, qtbot: Any
) -> None:
    shutil.copytree(starts, tmp_path / "starts")
    outer, viewer = tmp_path / "starts", make_napari_viewer()
    viewer.open(outer, plugin=PLUGIN)
    panel = wait_for_panel(viewer, qtbot, outer)
    record = read_consensus(outer)
    assert escape(record.verdict) in panel.summary.text.text()
    assert [layer.name for layer in viewer.layers] == ["starts map", "starts directions"]
    np.testing.assert_array_equal(panel.layers.maps[1].data, in_sigma(read_map(outer / "volume.mrc")[0]))
    assert panel.parts.count() == 3
    panel.parts.setCurrentIndex(2)
    panel.parts.activated.emit(2)
    panel = wait_for_panel(viewer, qtbot, outer / "start_2")
    assert [layer.name for layer in viewer.layers] == ["start_2 map", "start_2 directions"]
    assert panel.parts.currentText().startswith("Start 2")
    second = make_napari_viewer()
    second.open(outer, plugin=PLUGIN)
    wait_for_panel(second, qtbot, outer / "start_2")


def test_particles_of_the_consensus_are_written_with_the_poses_of_the_best_start(
    make_napari_viewer: MakeViewer, starts: Path, tmp_path: Path
) -> None:
    panel = show_run(make_napari_viewer(), starts)
    assert panel.picker is not None
    assert panel.picker.write_to(tmp_path / "kept.star") == 200
    best = RunFolder(starts / f"start_{read_consensus(starts).best}")
    for other_hand in (False, True):
        panel.picker.other_hand = other_hand
        panel.picker.write_to(tmp_path / "kept.star")
        found, expected = (
            read_poses(read_blocks(path)["particles"], str(path), 1).euler_deg
            for path in (tmp_path / "kept.star", best.table_path(1, flipped=other_hand))
        )
        np.testing.assert_array_equal(found, expected)


def test_jobs_are_opened_by_their_number_of_classes(make_napari_viewer: MakeViewer, series: Path, qtbot: Any) -> None:
    viewer = make_napari_viewer()
    viewer.open(series, plugin=PLUGIN)
    panel = wait_for_panel(viewer, qtbot, series / "classes_1")
    assert [panel.parts.itemText(row) for row in range(2)] == ["1 class", "2 classes"]
    panel.parts.activated.emit(1)
    panel = wait_for_panel(viewer, qtbot, series / "classes_2")
    assert len(panel.layers.maps) == 2
    assert [layer.name for layer in viewer.layers][:2] == ["classes_2 class 1", "classes_2 class 2"]
