"""Files into layers and back, through napari's own Open and Save."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from coldstart.demo.files import DemoSet, write_demo_set
from coldstart.io.cryosparc_files import read_dataset
from coldstart.io.cryosparc_write import write_posed_dataset
from coldstart.io.mrc import write_map
from coldstart.io.particle_files import read_particles
from coldstart.io.star_poses import read_poses
from coldstart.io.star_text import read_blocks
from coldstart.model.so3 import euler_to_matrix
from coldstart.plugin.readers import get_reader

PLUGIN = "napari-coldstart"
BOX, PIXEL, COUNT = 16, 14.0, 6
MakeViewer = Callable[[], Any]


@pytest.fixture(scope="module")
def demo_set(tmp_path_factory: pytest.TempPathFactory) -> DemoSet:
    return write_demo_set(tmp_path_factory.mktemp("set"), images=COUNT, box_px=BOX, pixel_size_angstrom=PIXEL)


@pytest.fixture
def volume(rng: np.random.Generator) -> NDArray[np.float32]:
    return rng.normal(3.0, 0.5, (10, 12, 14)).astype(np.float32)


def test_a_map_is_opened_to_scale_and_written_as_it_was(
    make_napari_viewer: MakeViewer, volume: NDArray[np.float32], tmp_path: Path
) -> None:
    write_map(tmp_path / "map.mrc", volume, 1.37)
    viewer = make_napari_viewer()
    (layer,) = viewer.open(tmp_path / "map.mrc", plugin=PLUGIN)
    np.testing.assert_array_equal(layer.data, volume)
    np.testing.assert_allclose(layer.scale, 1.37, rtol=1e-6)
    assert [str(unit) for unit in layer.units] == ["angstrom"] * 3
    assert layer.axis_labels == ("z", "y", "x")
    assert viewer.dims.ndisplay == 3
    assert [str(axis) for axis in viewer.scene.camera.orientation] == ["towards", "up", "right"]
    assert volume.min() < layer.iso_threshold < volume.max()
    assert layer.save(str(tmp_path / "again.mrc"), plugin=PLUGIN) == [str(tmp_path / "again.mrc")]
    assert (tmp_path / "again.mrc").read_bytes() == (tmp_path / "map.mrc").read_bytes()


@pytest.mark.parametrize(
    ("name", "shape", "space_group", "is_stack"),
    [
        ("cube.mrc", (8, 8, 8), 0, False),
        ("box.mrc", (6, 8, 10), 1, False),
        ("images.mrc", (3, 8, 8), 0, True),
        ("one.mrc", (1, 8, 8), 0, True),
        ("cube.mrcs", (8, 8, 8), 0, True),
        ("density.map", (3, 8, 8), 0, False),
    ],
)
def test_a_header_says_map_or_stack(
    tmp_path: Path, name: str, shape: tuple[int, ...], space_group: int, is_stack: bool
) -> None:
    with mrcfile.new(tmp_path / name) as mrc:
        mrc.set_data(np.zeros(shape, np.float32))
        mrc.header.ispg = space_group
        mrc.header.mz = shape[0]
    reader = get_reader(str(tmp_path / name))
    assert reader is not None
    ((data, keywords, kind),) = reader(str(tmp_path / name))  # type: ignore[misc]
    assert kind == "image"
    assert data.shape == ((shape[0], 1, *shape[1:]) if is_stack else shape)
    assert ("iso_threshold" in keywords) != is_stack


def test_a_stack_is_read_when_it_is_looked_at(
    make_napari_viewer: MakeViewer, demo_set: DemoSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = demo_set.particles_path.with_suffix(".mrcs")
    monkeypatch.setattr("coldstart.plugin.readers._CHUNK_BYTES", 4 * BOX**2 * 2)
    viewer = make_napari_viewer()
    (layer,) = viewer.open(stack, plugin=PLUGIN)
    images = mrcfile.read(stack)
    assert layer.data.shape == (COUNT, 1, BOX, BOX)
    assert layer.data.chunks[0] == (2, 2, 2)
    assert tuple(layer.scale) == (1.0, PIXEL, PIXEL, PIXEL)
    viewer.dims.set_current_step(0, 4)
    np.testing.assert_array_equal(layer._slice.image.view.squeeze(), images[4])
    np.testing.assert_array_equal(np.asarray(layer.data)[:, 0], images)


def test_half_precision_stacks_and_blank_images_can_be_looked_at(tmp_path: Path) -> None:
    with mrcfile.new(tmp_path / "half.mrcs") as mrc:
        mrc.set_data(np.zeros((3, 8, 8), np.float16))
    ((data, keywords, _),) = get_reader(str(tmp_path / "half.mrcs"))(str(tmp_path / "half.mrcs"))  # type: ignore[misc]
    assert np.asarray(data).dtype == np.float32
    assert keywords["contrast_limits"][0] < 0 < keywords["contrast_limits"][1]


@pytest.mark.parametrize(("name", "shape"), [("map.mrc", (8, 8, 8)), ("map.map", (8, 8, 8)), ("a.mrcs", (3, 1, 8, 8))])
def test_what_is_compressed_is_read_as_it_is_without(
    make_napari_viewer: MakeViewer, rng: np.random.Generator, tmp_path: Path, name: str, shape: tuple[int, ...]
) -> None:
    values = rng.normal(size=tuple(side for side in shape if side > 1)).astype(np.float32)
    with mrcfile.new(tmp_path / "plain.mrc") as mrc:
        mrc.set_data(values)
        mrc.voxel_size = 1.5
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress((tmp_path / "plain.mrc").read_bytes()))
    (layer,) = make_napari_viewer().open(packed, plugin=PLUGIN)
    assert layer.name == Path(name).stem
    np.testing.assert_array_equal(np.asarray(layer.data), values.reshape(shape))
    np.testing.assert_allclose(layer.scale[-3:], 1.5, rtol=1e-6)
    packed.write_bytes(packed.read_bytes()[:-40])
    viewer = make_napari_viewer()
    viewer.open(packed, plugin=PLUGIN)
    assert not viewer.layers


def test_a_group_of_cryosparc_is_read_and_written_as_its_dataset(
    make_napari_viewer: MakeViewer, demo_set: DemoSet, tmp_path: Path
) -> None:
    particles, source = read_particles(demo_set.truth_table_path)
    poses = read_poses(particles.table.having({"rlnClassNumber": np.full(COUNT, b"1")}), "the truth", 1)
    write_posed_dataset(tmp_path / "posed.cs", particles, poses, source, "posed")
    viewer = make_napari_viewer()
    images, points = viewer.open(tmp_path / "posed.csg", plugin=PLUGIN)
    np.testing.assert_array_equal(np.asarray(images.data)[:, 0], source.peek(np.arange(COUNT)))
    points.selected_data = {0, 4}
    points.remove_selected()
    points.save(str(tmp_path / "fewer.cs"), plugin=PLUGIN)
    written, before = (read_dataset(tmp_path / name) for name in ("fewer.cs", "posed.cs"))
    np.testing.assert_array_equal(written["uid"], before["uid"][[1, 2, 3, 5]])


def test_a_table_is_its_images_in_its_order(make_napari_viewer: MakeViewer, demo_set: DemoSet, tmp_path: Path) -> None:
    text = demo_set.particles_path.read_text(encoding="utf-8")
    reordered = demo_set.particles_path.with_name("reordered.star")
    reordered.write_text(text.replace("000001@", "X").replace("000006@", "000001@").replace("X", "000006@"))
    viewer = make_napari_viewer()
    (layer,) = viewer.open(reordered, plugin=PLUGIN)
    images = mrcfile.read(demo_set.particles_path.with_suffix(".mrcs"))
    np.testing.assert_array_equal(np.asarray(layer.data)[:, 0], images[[5, 1, 2, 3, 4, 0]])


def test_a_packed_table_is_read_and_some_of_it_written(
    make_napari_viewer: MakeViewer, demo_set: DemoSet, tmp_path: Path
) -> None:
    packed = demo_set.truth_table_path.with_name("Packed.STAR.gz")
    packed.write_bytes(gzip.compress(demo_set.truth_table_path.read_bytes()))
    images, points = make_napari_viewer().open(packed, plugin=PLUGIN)
    assert [images.name, points.name] == ["Packed", "Packed directions"]
    points.selected_data = {2}
    points.remove_selected()
    points.save(str(tmp_path / "fewer.star"), plugin=PLUGIN)
    tables = (read_blocks(path)["particles"] for path in (tmp_path / "fewer.star", demo_set.truth_table_path))
    written, before = (table.without("rlnImageName") for table in tables)
    assert written == before.take(np.array([0, 1, 3, 4, 5]))


def test_a_table_with_poses_is_also_its_directions(make_napari_viewer: MakeViewer, demo_set: DemoSet) -> None:
    viewer = make_napari_viewer()
    _, points = viewer.open(demo_set.truth_table_path, plugin=PLUGIN)
    table = pd.DataFrame(dict(read_blocks(demo_set.truth_table_path)["particles"].columns))
    euler = table[["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]].to_numpy(dtype=float)
    outwards = points.data[:, ::-1] - BOX * PIXEL / 2
    outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
    np.testing.assert_allclose(outwards, euler_to_matrix(euler)[:, 2], atol=1e-6)
    assert points.features["row"].tolist() == [1, 2, 3, 4, 5, 6]
    assert points.features["micrograph"].tolist() == table["rlnMicrographName"].tolist()
    mean_defocus = table[["rlnDefocusU", "rlnDefocusV"]].to_numpy(dtype=float).mean(axis=1)
    np.testing.assert_allclose(points.features["defocus_angstrom"], mean_defocus)


def test_what_cannot_be_read_is_a_message(
    make_napari_viewer: MakeViewer, demo_set: DemoSet, tmp_path: Path, messages: list[str]
) -> None:
    whole = demo_set.particles_path.with_suffix(".mrcs").read_bytes()
    (tmp_path / "cut.mrcs").write_bytes(whole[:-4])
    viewer = make_napari_viewer()
    viewer.open(tmp_path / "cut.mrcs", plugin=PLUGIN)
    assert len(viewer.layers) == 0
    assert ["is truncated: its header promises 6 images" in message for message in messages] == [True]
    moved = tmp_path / "moved.star"
    moved.write_bytes(demo_set.particles_path.read_bytes())
    viewer.open(moved, plugin=PLUGIN)
    assert len(viewer.layers) == 0
    assert "the image names are relative to with “Stack folder”" in messages[-1]


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "coordinates.star").write_text("data_\nloop_\n_rlnCoordinateX #1\n1.0\n")
    (tmp_path / "text.mrc").write_text("no map at all" * 200)
    (tmp_path / "short.mrc").write_bytes(b"\x08\x00\x00\x00" * 10)
    (tmp_path / "array.cs").write_text("not numpy")
    (tmp_path / "group.csg").write_text("version: 1")
    (tmp_path / "image.tif").touch()
    (tmp_path / "folder").mkdir()
    for name in (
        "coordinates.star",
        "text.mrc",
        "short.mrc",
        "array.cs",
        "group.csg",
        "image.tif",
        "folder",
        "missing.mrc",
    ):
        assert get_reader(str(tmp_path / name)) is None, name
    assert get_reader([str(tmp_path / "a.mrc"), str(tmp_path / "b.mrc")]) is None
