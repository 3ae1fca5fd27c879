"""Maps as layers: what is shown where, and which way round."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from coldstart.plugin.map_layer import (
    METADATA_KEY,
    ShownMap,
    class_color,
    in_sigma,
    map_layer,
    show_map,
)

VOXEL = 4.0


def _blobs(*centres: tuple[int, int, int], side: int = 16) -> np.ndarray:
    """A map of small cubes about these voxels, [z, y, x]."""
    volume = np.zeros((side,) * 3, dtype=np.float32)
    for z, y, x in centres:
        volume[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] = 1.0
    return volume


def test_maps_are_in_units_of_their_sigma(rng: np.random.Generator) -> None:
    volume = rng.normal(7.0, 0.03, (8, 8, 8))
    shown = in_sigma(volume)
    assert shown.dtype == np.float32
    assert shown.mean() == pytest.approx(0.0, abs=1e-3)
    assert shown.std() == pytest.approx(1.0, rel=1e-3)
    np.testing.assert_allclose(shown, in_sigma(1000.0 * volume), atol=1e-3)


def test_a_flat_map_is_zero() -> None:
    assert not in_sigma(np.full((4, 4, 4), 3.0)).any()


def test_a_map_is_a_surface_to_scale(make_napari_viewer: Callable[[], Any]) -> None:
    viewer = make_napari_viewer()
    data, keywords, kind = map_layer(_blobs((8, 8, 8)), VOXEL, "class 2", class_number=2, metadata={"class": 2})
    assert kind == "image"
    layer = viewer.add_image(data, **keywords)
    assert layer.rendering == "iso"
    assert data.min() < layer.iso_threshold < data.max()
    assert tuple(layer.scale) == (VOXEL,) * 3
    assert {str(unit) for unit in layer.units} == {"angstrom"}
    assert layer.metadata[METADATA_KEY] == {"class": 2}
    np.testing.assert_allclose(layer.colormap.map(np.array([0.6]))[0, :3], _rgb(class_color(2)), atol=0.02)


def test_another_map_of_other_size_stays_in_place(make_napari_viewer: Callable[[], Any]) -> None:
    viewer = make_napari_viewer()
    data, keywords, _ = map_layer(_blobs((8, 8, 8)), VOXEL, "map")
    layer = viewer.add_image(data, **keywords)
    show_map(layer, ShownMap.of(np.ones((32, 32, 32)), VOXEL / 2))
    assert layer.data.shape == (32, 32, 32)
    np.testing.assert_allclose(np.diff(layer.extent.world, axis=0), 31 * VOXEL / 2)
    assert layer.iso_threshold == keywords["iso_threshold"]


def test_colours_start_again_after_the_last() -> None:
    colors = [class_color(number) for number in range(1, 10)]
    assert len(set(colors)) == 8
    assert colors[8] == colors[0]


def _rgb(color: str) -> list[float]:
    return [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
