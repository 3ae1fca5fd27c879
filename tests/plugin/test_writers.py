"""Layers into files, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from coldstart.api import pick_particles
from coldstart.demo.files import DemoSet, write_demo_set
from coldstart.errors import OutputError, ParameterError
from coldstart.io.mrc import read_map
from coldstart.io.particle_files import read_particles
from coldstart.io.particle_table import load_particle_table
from coldstart.io.star_text import read_blocks
from coldstart.plugin.map_layer import ShownMap, map_layer, show_map
from coldstart.plugin.particle_layer import direction_layer
from coldstart.plugin.writers import write_map_layer, write_particle_layer

PLUGIN = "napari-coldstart"
MakeViewer = Callable[[], Any]


@pytest.fixture(scope="module")
def demo_set(tmp_path_factory: pytest.TempPathFactory) -> DemoSet:
    return write_demo_set(tmp_path_factory.mktemp("set"), images=8, box_px=16, pixel_size_angstrom=14.0)


@pytest.fixture
def volume(rng: np.random.Generator) -> NDArray[np.float32]:
    return rng.normal(5.0, 0.1, (8, 8, 8)).astype(np.float32)


def test_a_map_in_units_of_its_sigma_is_written_in_its_grey_scale(
    make_napari_viewer: MakeViewer, volume: NDArray[np.float32], tmp_path: Path
) -> None:
    viewer = make_napari_viewer()
    data, keywords, _ = map_layer(volume, 3.5, "map")
    layer = viewer.add_image(data, **keywords)
    layer.save(str(tmp_path / "first.mrc"), plugin=PLUGIN)
    show_map(layer, ShownMap.of(7.0 * volume[::2, ::2, ::2], 7.0))
    layer.save(str(tmp_path / "second.mrc"), plugin=PLUGIN)
    for name, true, voxel in (("first", volume, 3.5), ("second", 7.0 * volume[::2, ::2, ::2], 7.0)):
        written, size = read_map(tmp_path / f"{name}.mrc")
        np.testing.assert_allclose(written, true, rtol=1e-5)
        assert size == pytest.approx(voxel)


def test_units_of_the_scale_become_angstrom(
    make_napari_viewer: MakeViewer, volume: NDArray[np.float32], tmp_path: Path
) -> None:
    viewer = make_napari_viewer()
    for number, (unit, size) in enumerate((("nanometer", 2.0), ("pixel", 0.2))):
        layer = viewer.add_image(volume, scale=(0.2,) * 3, units=(unit,) * 3)
        layer.save(str(tmp_path / f"{number}.mrc"), plugin=PLUGIN)
        assert read_map(tmp_path / f"{number}.mrc")[1] == pytest.approx(size)


@pytest.mark.parametrize(
    ("shape", "attributes", "message"),
    [
        ((8, 8), {}, "is no map, which has three dimensions"),
        ((4, 8, 8, 3), {"rgb": True}, "is no map"),
        ((8, 8, 8), {"scale": (1.0, 2.0, 2.0)}, "has voxels of 1 x 2 x 2 Å: a map has cubic voxels"),
        ((8, 8, 8), {"rotate": [[1, 0, 0], [0, 0, -1], [0, 1, 0]]}, "turned"),
    ],
)
def test_layers_that_are_no_maps(
    tmp_path: Path, shape: tuple[int, ...], attributes: dict[str, Any], message: str
) -> None:
    with pytest.raises(OutputError, match=message):
        write_map_layer(str(tmp_path / "map.mrc"), np.zeros(shape), {"name": "layer", **attributes})
    assert not (tmp_path / "map.mrc").exists()


def test_deleted_points_are_left_out_and_columns_keep_their_text(
    make_napari_viewer: MakeViewer, demo_set: DemoSet, tmp_path: Path
) -> None:
    viewer = make_napari_viewer()
    _, points = viewer.open(demo_set.truth_table_path, plugin=PLUGIN)
    points.selected_data = {0, 3}
    points.remove_selected()
    output = tmp_path / "rest.star"
    assert points.save(str(output), plugin=PLUGIN) == [str(output)]
    before, after = read_blocks(demo_set.truth_table_path), read_blocks(output)
    kept = np.array([1, 2, 4, 5, 6, 7])
    assert after["optics"] == before["optics"]
    assert after["particles"].without("rlnImageName") == before["particles"].take(kept).without("rlnImageName")
    images = read_particles(output)[1].read(np.arange(6))
    np.testing.assert_array_equal(images, read_particles(demo_set.particles_path)[1].read(kept))


def test_a_dataset_is_opened_and_written_as_a_dataset(
    make_napari_viewer: MakeViewer, finished_run: Path, tmp_path: Path
) -> None:
    pick_particles(finished_run, tmp_path / "in.cs", classes=[2])
    pick_particles(finished_run, tmp_path / "in.star", classes=[2])
    viewer = make_napari_viewer()
    images, points = viewer.open(tmp_path / "in.cs", plugin=PLUGIN)
    _, of_star = viewer.open(tmp_path / "in.star", plugin=PLUGIN)
    assert images.data.shape[0] == len(points.data)
    np.testing.assert_allclose(points.data, of_star.data, atol=1e-2)
    points.selected_data = {0}
    points.remove_selected()
    points.save(str(tmp_path / "rest.cs"), plugin=PLUGIN)
    rest, before = (read_particles(tmp_path / name)[0].records for name in ("rest.cs", "in.cs"))
    assert rest is not None
    assert before is not None
    assert rest["uid"].tolist() == before["uid"][1:].tolist()


def test_particles_that_are_not_shown_are_written_too(demo_set: DemoSet, tmp_path: Path) -> None:
    table = load_particle_table(demo_set.truth_table_path)
    data, attributes, _ = direction_layer(table, np.array([1, 4, 6]), 224.0, "directions")
    attributes["features"] = attributes["features"].iloc[[0, 2]]
    write_particle_layer(str(tmp_path / "rest.star"), data[[0, 2]], attributes)
    names = read_blocks(tmp_path / "rest.star")["particles"]["rlnImageName"]
    assert [int(name.split("@")[0]) for name in names] == [1, 2, 3, 4, 6, 7, 8]


def test_points_that_are_no_particles(make_napari_viewer: MakeViewer, demo_set: DemoSet, tmp_path: Path) -> None:
    points = make_napari_viewer().add_points(np.zeros((2, 3)))
    with pytest.raises(OutputError, match="holds no particles: select the layer of directions"):
        points.save(str(tmp_path / "a.star"), plugin=PLUGIN)
    table = load_particle_table(demo_set.truth_table_path)
    data, attributes, _ = direction_layer(table, np.arange(8), 224.0, "directions")
    attributes["features"] = attributes["features"].iloc[:0]
    with pytest.raises(ParameterError, match="no particle is left"):
        write_particle_layer(str(tmp_path / "a.star"), data[:0], attributes)
