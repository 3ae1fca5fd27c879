"""The demo set as files, and its score against its own truth."""

from pathlib import Path

import numpy as np
import pytest

from coldstart.demo.compare import Truth, compare_to_truth, pose_errors
from coldstart.demo.files import DemoSet, write_demo_set
from coldstart.demo.molecule import Molecule, make_molecule, molecule_map
from coldstart.demo.score import score_run
from coldstart.demo.simulate import clean_images
from coldstart.io.mrc import read_map
from coldstart.io.particle_files import read_particles
from coldstart.io.results import RunFolder
from coldstart.model.alignment import MIRROR_AXIS, Placement
from coldstart.model.hand import flip_map, flip_matrices
from coldstart.model.so3 import euler_to_matrix, matrix_to_euler, random_rotations
from coldstart.model.state import PoseTable, RunResult

COUNT, BOX, PIXEL = 60, 32, 7.0


@pytest.fixture(scope="module")
def demo_set(tmp_path_factory: pytest.TempPathFactory) -> DemoSet:
    folder = tmp_path_factory.mktemp("set")
    return write_demo_set(folder, 0, images=COUNT, box_px=BOX, pixel_size_angstrom=PIXEL, snr=2.0)


def test_table_and_stack_can_be_read(demo_set: DemoSet) -> None:
    particles, source = read_particles(demo_set.particles_path)
    images = source.read(np.arange(COUNT))
    assert (particles.count, particles.box_px, particles.pixel_size_angstrom) == (COUNT, BOX, PIXEL)
    assert images.shape == (COUNT, BOX, BOX)
    assert particles.ctf is not None
    assert particles.ctf.voltage_kv[0] == 300.0
    assert "rlnAngleRot" not in particles.table.columns


def test_truth_table_explains_the_images(demo_set: DemoSet) -> None:
    particles, source = read_particles(demo_set.truth_table_path)
    columns = {name: values for name, values in particles.table.columns.items() if name.startswith("rln")}
    euler = np.stack([columns[f"rlnAngle{name}"].astype(float) for name in ("Rot", "Tilt", "Psi")], axis=1)
    origin = np.stack([columns[f"rlnOrigin{name}Angst"].astype(float) for name in "XY"], axis=1)
    molecule = make_molecule(3)
    expected = clean_images(molecule, euler_to_matrix(euler), -origin / PIXEL, particles.ctf, BOX, PIXEL)
    images = source.read(np.arange(COUNT))
    correlation = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(expected, images, strict=True)]
    # With SNR 2, a perfect prediction correlates by about sqrt(2 / 3).
    assert np.mean(correlation) == pytest.approx(np.sqrt(2 / 3), abs=0.05)


def test_truth_map_is_the_molecule(demo_set: DemoSet) -> None:
    volume, voxel = read_map(demo_set.truth_map_path)
    assert voxel == pytest.approx(PIXEL)
    assert np.array_equal(volume, demo_set.truth.volume)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_result_in_another_frame_agrees_with_the_truth(demo_set: DemoSet, mirrored: bool) -> None:
    volume, euler, origin = _in_another_frame(demo_set.truth, mirrored)
    agreement = compare_to_truth(volume, np.arange(COUNT), euler, origin, demo_set.truth)
    assert agreement.mirrored is mirrored
    assert agreement.resolution_angstrom == pytest.approx(2 * PIXEL)
    assert agreement.median_angle_deg < 0.1
    assert agreement.median_origin_angstrom < 0.1
    assert agreement.near_fraction == 1.0


def test_pose_errors_are_those_that_were_put_in(demo_set: DemoSet) -> None:
    truth = demo_set.truth
    still = Placement(np.eye(3), np.zeros(3), mirrored=False, score=1.0)
    turn = euler_to_matrix([[0.0, 0.0, 25.0]])[0]
    moved = truth.origin_angstrom + np.array([3.0, 4.0])
    angles, origins = pose_errors(still, matrix_to_euler(turn @ truth.matrices), moved, np.arange(COUNT), truth)
    assert np.allclose(angles, 25.0)
    assert np.allclose(origins, 5.0)


def test_a_run_folder_is_scored_by_its_files(demo_set: DemoSet, tmp_path: Path) -> None:
    particles, source = read_particles(demo_set.particles_path)
    rows = np.arange(10, COUNT)
    ones = np.ones(len(rows))
    poses = PoseTable(
        rows,
        matrix_to_euler(demo_set.truth.matrices[rows]),
        demo_set.truth.origin_angstrom[rows],
        ones[:, None],
        ones,
        ones,
        ones,
        ones.astype(bool),
    )
    result = RunResult(demo_set.truth.volume[None], PIXEL, poses, (), 14.0, "device", 0)
    RunFolder.create(tmp_path / "run").write_result(particles, result, source)
    agreement = score_run(tmp_path / "run", demo_set.truth)
    assert agreement.median_angle_deg < 0.1
    assert agreement.median_origin_angstrom < 0.1


def _in_another_frame(truth: Truth, mirrored: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The true map rotated and shifted, perhaps mirrored, with the poses that show the same images of it."""
    rotation = random_rotations(np.random.default_rng(2), 1)[0]
    shift = np.array([1.0, -2.0, 0.5])
    molecule = make_molecule(3)
    moved = Molecule(molecule.positions_angstrom @ rotation.T + shift * PIXEL, molecule.sigma_angstrom)
    volume, matrices = molecule_map(moved, BOX, PIXEL), truth.matrices @ rotation.T
    # The map sits off the centre by the shift, so that its images do too; the origin leads them back.
    origin = truth.origin_angstrom + (matrices @ shift)[:, :2] * PIXEL
    if mirrored:
        volume, matrices = flip_map(volume, MIRROR_AXIS), flip_matrices(matrices, MIRROR_AXIS)
    return volume, matrix_to_euler(matrices), origin
