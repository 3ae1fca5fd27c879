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
    layers = list(viewer.layers)
    assert live.layers == layers
    assert viewer.canvas.grid.enabled
    for iteration, side in ((1, 16), (2, 16), (3, 20)):
        live.show(snapshot(iteration, 2, side))
    qtbot.waitUntil(lambda: layers[1].data.shape == (20, 20, 20), timeout=60_000)
    assert list(viewer.layers) == layers
    assert tuple(layers[0].scale) == (6.4,) * 3
    assert viewer.canvas.overlays.text.text == "iteration 3/9   35.0 Å"
    live.clear()
    assert not viewer.layers
    assert not viewer.canvas.overlays.text.visible


def test_what_was_there_is_hidden_and_can_come_back(make_napari_viewer: Callable[[], Any]) -> None:
    viewer = make_napari_viewer()
    before, unseen = viewer.add_image(np.zeros((8, 8))), viewer.add_image(np.zeros((8, 8)), visible=False)
    live = LiveMaps(viewer)
    live.begin(2)
    assert not before.visible
    live.clear(restore=True)
    assert (before.visible, unseen.visible) == (True, False)
    assert not viewer.canvas.grid.enabled


def test_a_layer_that_the_user_deletes_stays_away(make_napari_viewer: Callable[[], Any], qtbot: Any) -> None:
    viewer = make_napari_viewer()
    live = LiveMaps(viewer)
    live.begin(2)
    viewer.layers.remove(live.layers[0])
    live.show(snapshot(1, 2, 16))
    live.show(snapshot(2, 2, 24))
    qtbot.waitUntil(lambda: viewer.layers[0].data.shape == (24, 24, 24), timeout=60_000)
    assert len(viewer.layers) == 1
    live.clear()
    assert not viewer.layers
