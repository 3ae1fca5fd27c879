"""Live maps: layers of their own, updated in place, that give way without a trace."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from coldstart.model.state import IterationStats, Snapshot
from coldstart.plugin.live import LiveMaps

FIRST = IterationStats(1, 9, "initial", 35.0, 7.0, 90, 0.4, 1.0, 800.0, 30.0, 0.1, 15.0, -1.0, 0.5, 90, 0.0, 0.1)


def snapshot(iteration: int, classes: int, side: int) -> Snapshot:
    volumes = np.random.default_rng(iteration).random((classes, side, side, side), dtype=np.float32)
    return Snapshot(replace(FIRST, iteration=iteration), volumes, 128.0 / side)


def test_a_layer_a_class_is_updated_in_place(make_napari_viewer: Callable[[], Any], qtbot: Any) -> None:
    viewer = make_napari_viewer()
    live = LiveMaps(viewer)
    live.begin(2)
    qtbot.waitUntil(lambda: viewer.canvas.grid.enabled, timeout=60_000)
    layers = list(viewer.layers)
    assert live.layers == layers
    for iteration, side in ((1, 16), (2, 16), (3, 20)):
        live.show(snapshot(iteration, 2, side))
    qtbot.waitUntil(lambda: layers[1].data.shape == (20, 20, 20), timeout=60_000)
    assert list(viewer.layers) == layers
    assert tuple(layers[0].scale) == (6.4,) * 3
    qtbot.waitUntil(lambda: viewer.canvas.overlays.text.text == "iteration 3/9   35.0 Å", timeout=60_000)
    live.clear()
    assert not viewer.layers
    assert not viewer.canvas.overlays.text.visible
    live.begin_part(2, "late news")
    live.show(snapshot(4, 2, 16))
    assert live._turns.is_idle
    assert not live.layers


def test_what_was_there_is_hidden_and_can_come_back(make_napari_viewer: Callable[[], Any], qtbot: Any) -> None:
    viewer = make_napari_viewer()
    before, unseen = viewer.add_image(np.zeros((8, 8))), viewer.add_image(np.zeros((8, 8)), visible=False)
    live = LiveMaps(viewer)
    live.begin(2)
    qtbot.waitUntil(lambda: viewer.canvas.grid.enabled, timeout=60_000)
    assert not before.visible
    live.clear(restore=True)
    assert (before.visible, unseen.visible) == (True, False)
    assert not viewer.canvas.grid.enabled


def test_a_layer_that_the_user_deletes_stays_away(make_napari_viewer: Callable[[], Any], qtbot: Any) -> None:
    viewer = make_napari_viewer()
    live = LiveMaps(viewer)
    live.begin(2)
    qtbot.waitUntil(lambda: viewer.canvas.grid.enabled, timeout=60_000)
    viewer.layers.remove(live.layers[0])
    live.show(snapshot(1, 2, 16))
    live.show(snapshot(2, 2, 24))
    qtbot.waitUntil(lambda: viewer.layers[0].data.shape == (24, 24, 24), timeout=60_000)
    assert len(viewer.layers) == 1
    live.clear()
    assert not viewer.layers


def test_parts_of_one_run_share_layers_until_the_number_of_classes_changes(
    make_napari_viewer: Callable[[], Any], qtbot: Any
) -> None:
    viewer = make_napari_viewer()
    before = viewer.add_image(np.zeros((8, 8)))
    live = LiveMaps(viewer)
    live.begin(1, "start 1 of 2")
    live.show(snapshot(1, 1, 16))
    text = viewer.canvas.overlays.text
    qtbot.waitUntil(lambda: text.text == "start 1 of 2   iteration 1/9   35.0 Å", timeout=60_000)
    (first,) = live.layers
    live.begin_part(1, "start 2 of 2")
    live.show(snapshot(2, 1, 16))
    qtbot.waitUntil(lambda: text.text == "start 2 of 2   iteration 2/9   35.0 Å", timeout=60_000)
    assert list(viewer.layers) == [before, first]
    live.begin_part(3, "3 classes")
    qtbot.waitUntil(lambda: len(viewer.layers) == 4, timeout=60_000)
    assert first not in viewer.layers
    live.clear(restore=True)
    assert list(viewer.layers) == [before]
    assert before.visible
