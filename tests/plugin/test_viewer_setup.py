"""The viewer itself: which way round it shows a map, room for layers to come, and tiles."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from coldstart.plugin.map_layer import map_layer
from coldstart.plugin.run_layers import as_layer
from coldstart.plugin.viewer_setup import make_room, prepare_viewer, tile, tile_columns


def test_z_points_at_the_viewer_and_y_up(make_napari_viewer: Callable[[], Any]) -> None:
    viewer = make_napari_viewer()
    prepare_viewer(viewer)
    assert viewer.dims.ndisplay == 3
    np.testing.assert_allclose(viewer.scene.camera.view_direction, (-1, 0, 0), atol=1e-6)
    np.testing.assert_allclose(viewer.scene.camera.up_direction, (0, 1, 0), atol=1e-6)


@pytest.mark.usefixtures("rendering")
@pytest.mark.parametrize(("centre", "side"), [((8, 8, 13), "right"), ((8, 13, 8), "top"), ((8, 8, 3), "left")])
def test_x_is_drawn_to_the_right_and_y_up(make_napari_viewer: Callable[[], Any], centre: Any, side: str) -> None:
    viewer = make_napari_viewer()
    viewer.window.resize(900, 600)
    prepare_viewer(viewer)
    viewer.canvas.overlays.scale_bar.visible = False
    data, keywords, _ = map_layer(_blob(centre), 4.0, "map")
    viewer.add_image(data, **keywords)
    viewer.screenshot(canvas_only=False, flash=False)  # a window that was never drawn gives black pictures
    viewer.reset_view()
    picture = viewer.screenshot(flash=False)[..., :3].sum(axis=-1)
    rows, columns = np.nonzero(picture > 100)
    assert len(rows)
    down, right = rows.mean() - picture.shape[0] / 2, columns.mean() - picture.shape[1] / 2
    offsets = {"right": right, "left": -right, "top": -down}
    assert max(offsets, key=lambda name: offsets[name]) == side
    assert offsets[side] > 20


def test_room_for_a_layer_is_what_the_layer_itself_asks_for(make_napari_viewer: Callable[[], Any]) -> None:
    layer = as_layer(*map_layer(_blob((8, 8, 8)), 4.0, "map"))
    viewer, other = make_napari_viewer(), make_napari_viewer()
    for _ in make_room(viewer, layer):
        pass
    before = viewer.dims.model_dump(exclude={"units"})
    viewer.add_layer(layer)
    assert before == viewer.dims.model_dump(exclude={"units"})
    other.add_layer(as_layer(*map_layer(_blob((8, 8, 8)), 4.0, "map")))
    assert viewer.dims.model_dump() == other.dims.model_dump()


@pytest.mark.parametrize(
    ("count", "size", "columns"),
    [(2, (750, 500), 1), (2, (500, 750), 2), (3, (600, 600), 2), (4, (600, 600), 2), (3, (300, 900), 3)],
)
def test_tiles_are_as_large_as_the_canvas_lets_them(count: int, size: tuple[int, int], columns: int) -> None:
    assert tile_columns(count, size) == columns


def test_hidden_layers_take_no_tile(make_napari_viewer: Callable[[], Any]) -> None:
    viewer = make_napari_viewer()
    for visible in (True, True, False, False):
        viewer.add_image(np.zeros((4, 4)), visible=visible)
    viewer.canvas.size = (800, 400)
    tile(viewer, side_by_side=True)
    assert viewer.canvas.grid.actual_shape(viewer.layers) == (2, 1)
    tile(viewer, side_by_side=False)
    assert not viewer.canvas.grid.enabled


def _blob(centre: tuple[int, int, int], side: int = 16) -> np.ndarray:
    """A map of a small cube about this voxel, [z, y, x]."""
    volume = np.zeros((side,) * 3, dtype=np.float32)
    volume[tuple(slice(index - 1, index + 2) for index in centre)] = 1.0
    return volume
