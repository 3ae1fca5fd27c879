"""The symmetry of maps and runs in files: found, applied, and refused where it is not there."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from coldstart.api import map_symmetry, turn_onto_axes
from coldstart.demo.files import write_demo_set
from coldstart.errors import ColdstartError, OutputError, ParameterError
from coldstart.io.class_records import ClassSummary
from coldstart.io.mrc import read_map, write_map
from coldstart.io.particle_files import read_particles
from coldstart.io.results import RunFolder
from coldstart.io.run_records import Summary
from coldstart.io.star_poses import read_poses
from coldstart.io.star_text import read_blocks
from coldstart.model.projection import MapProjector
from coldstart.model.so3 import random_rotations
from coldstart.model.state import RunResult
from coldstart.model.symmetry import point_group
from coldstart.params import AbInitioParams

SIDE, VOXEL = 32, 4.0


@pytest.fixture(scope="module")
def tetrahedral() -> np.ndarray:
    """A map of symmetry T in a frame of its own, off the centre of the box."""
    rng = np.random.default_rng(3)
    turn = random_rotations(rng, 1)[0]
    centres = np.einsum("gij,cj->gci", point_group("T").operators, [[7.0, 2.0, 4.0], [3.0, -5.0, 6.0]]).reshape(-1, 3)
    z, y, x = np.mgrid[-SIDE // 2 : SIDE // 2, -SIDE // 2 : SIDE // 2, -SIDE // 2 : SIDE // 2]
    points = np.stack([x, y, z], axis=-1)
    blobs = (centres @ turn.T + [0.7, -1.2, 0.4])[:, None, None, None]
    return np.exp(-0.5 * np.sum((points - blobs) ** 2, axis=-1) / 1.1**2).sum(axis=0).astype(np.float32)


@pytest.fixture
def map_path(tmp_path: Path, tetrahedral: np.ndarray) -> Path:
    write_map(tmp_path / "map.mrc", tetrahedral, VOXEL)
    return tmp_path / "map.mrc"


@pytest.fixture
def run(tmp_path: Path, tetrahedral: np.ndarray, made_up_result: Callable[..., RunResult]) -> RunFolder:
    """A run of one class whose map that is; five particles with poses."""
    (tmp_path / "set").mkdir()
    particles_path = write_demo_set(tmp_path / "set", images=5, box_px=SIDE, pixel_size_angstrom=VOXEL).particles_path
    particles, images = read_particles(particles_path)
    result = replace(made_up_result(np.ones((5, 1))), volumes=tetrahedral[None], pixel_size_angstrom=VOXEL)
    folder = RunFolder.create(tmp_path / "run")
    folder.write_params(AbInitioParams())
    folder.write_result(particles, result, images)
    folder.write_summary(Summary(status="completed", seed=0, classes=(ClassSummary(1, 12.0, 1.0),)))
    return folder


def test_a_map_is_given_its_group(map_path: Path) -> None:
    found = map_symmetry(map_path)
    assert found.report.group == "T"
    assert (found.voxel_size_angstrom, found.resolution_angstrom) == (VOXEL, 12.0)


def test_a_turned_map_is_on_the_axes_and_may_be_averaged(map_path: Path, tmp_path: Path) -> None:
    turned = turn_onto_axes(map_path, tmp_path / "turned.mrc", "T")
    turn_onto_axes(map_path, tmp_path / "averaged.mrc", "t", symmetrize=True)
    assert turned.table_path is None
    volume, voxel = read_map(turned.path)
    averaged, _ = read_map(tmp_path / "averaged.mrc")
    assert voxel == VOXEL
    assert np.corrcoef(volume.ravel(), averaged.ravel())[0, 1] > 0.98
    # The two-fold of T on RELION's axes turns the averaged map onto itself.
    again = map_symmetry(tmp_path / "averaged.mrc").report.candidates[0]
    assert again.group == "T"
    np.testing.assert_allclose(again.shift_voxels, 0.0, atol=0.15)


def test_the_particles_of_a_run_follow_its_map(run: RunFolder, tmp_path: Path) -> None:
    turned = turn_onto_axes(run.path, tmp_path / "turned", "T")
    assert turned.table_path == tmp_path / "turned" / "particles.star"
    before, after = (
        read_poses(read_blocks(path)["particles"], "table", 1) for path in (run.particles_path, turned.table_path)
    )
    old, new = read_map(run.volume_path(1, 1))[0], read_map(turned.path)[0]
    shown = [
        MapProjector(volume, VOXEL).project(poses.euler_deg, poses.origin_angstrom)
        for volume, poses in ((old, before), (new, after))
    ]
    for image, same in zip(*shown, strict=True):
        assert np.corrcoef(image.ravel(), same.ravel())[0, 1] > 0.98


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"group": "C7"}, ParameterError, "does not show C7"),
        ({"group": "C1"}, ParameterError, "C1 is no symmetry"),
        ({"output": "turned.star"}, OutputError, "end it in .mrc"),
        ({"output": "map.mrc"}, OutputError, "is there already"),
        ({"class_number": 1}, ParameterError, "single map"),
        ({"resolution_angstrom": -3.0}, ParameterError, "positive number"),
        ({"source": "no.mrc"}, ColdstartError, "no.mrc"),
    ],
)
def test_what_cannot_be_done_is_refused(
    map_path: Path, tmp_path: Path, change: dict[str, object], error: type[ColdstartError], words: str
) -> None:
    given = {"source": "map.mrc", "output": "turned.mrc", "group": "T"} | change
    source, output = tmp_path / str(given.pop("source")), tmp_path / str(given.pop("output"))
    with pytest.raises(error, match=words):
        turn_onto_axes(source, output, **given)  # type: ignore[arg-type]
    assert not (tmp_path / "turned.mrc").exists()


def test_a_map_without_voxel_size_is_refused(tmp_path: Path, tetrahedral: np.ndarray) -> None:
    write_map(tmp_path / "map.mrc", tetrahedral, 0.0)
    with pytest.raises(ParameterError, match="no voxel size"):
        map_symmetry(tmp_path / "map.mrc")


def test_a_class_that_is_not_there_is_refused(run: RunFolder) -> None:
    with pytest.raises(ParameterError, match="class 2 is not in"):
        map_symmetry(run.path, class_number=2)


def test_a_class_that_is_noise_is_refused_unless_told_what_to_go_by(run: RunFolder) -> None:
    noise = ClassSummary(1, 12.0, 1.0, is_noise=True)
    run.write_summary(Summary(status="completed", seed=0, classes=(noise,)))
    with pytest.raises(ParameterError, match=r"class 1 of .* is noise"):
        map_symmetry(run.path)
    assert map_symmetry(run.path, resolution_angstrom=12.0).report.group == "T"
