import numpy as np
import pytest

from coldstart.demo.molecule import Molecule, make_molecule, molecule_map
from coldstart.model.alignment import MIRROR_AXIS, Placement, align_maps, class_similarity_matrix, place_map
from coldstart.model.fsc import fourier_shell_correlation
from coldstart.model.hand import flip_map
from coldstart.model.so3 import geodesic_distance_deg, random_rotations

BOX, PIXEL = 32, 7.0


def moved_map(molecule: Molecule, rotation: np.ndarray, shift_px: np.ndarray) -> np.ndarray:
    moved = Molecule(molecule.positions_angstrom @ rotation.T + shift_px * PIXEL, molecule.sigma_angstrom)
    return molecule_map(moved, BOX, PIXEL)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_rotated_shifted_noisy_map_is_found_again(mirrored: bool) -> None:
    rng = np.random.default_rng(11)
    molecule, rotation, shift = make_molecule(3), random_rotations(rng, 1)[0], np.array([1.3, -2.2, 0.7])
    fixed = moved_map(molecule, rotation, shift)
    moving = molecule_map(molecule, BOX, PIXEL)
    moving = flip_map(moving, MIRROR_AXIS) if mirrored else moving
    moving = moving + (0.2 * moving.std() * rng.standard_normal(moving.shape)).astype(np.float32)

    placement = align_maps(moving, fixed)

    assert placement.mirrored is mirrored
    assert geodesic_distance_deg(placement.rotation, rotation) < 0.5
    assert np.abs(placement.shift_voxels - shift).max() < 0.05
    assert fourier_shell_correlation(place_map(moving, placement), fixed)[1:10].min() > 0.95


def test_placing_without_a_move_changes_nothing() -> None:
    volume = molecule_map(make_molecule(3), BOX, PIXEL)
    still = Placement(np.eye(3), np.zeros(3), mirrored=False, score=1.0)
    assert np.abs(place_map(volume, still) - volume).max() < 0.01 * volume.max()


@pytest.fixture(scope="module")
def similarity() -> np.ndarray:
    """Of a map, its moved copy, its moved mirror image, another molecule, nothing, and a constant."""
    rng = np.random.default_rng(5)
    molecule, rotations = make_molecule(3), random_rotations(rng, 2)
    shifts = rng.normal(0.0, 1.5, (2, 3))
    copy, turned = (moved_map(molecule, *move) for move in zip(rotations, shifts, strict=True))
    first, other = (molecule_map(make_molecule(seed), BOX, PIXEL) for seed in (3, 8))
    nothing = np.zeros_like(first)
    maps = [first, copy, flip_map(turned, MIRROR_AXIS), other, nothing, nothing + 0.3]
    return class_similarity_matrix(np.array(maps), 6)


def test_similarity_is_symmetric_with_ones_on_the_diagonal(similarity: np.ndarray) -> None:
    assert similarity.shape == (6, 6)
    assert similarity.dtype == np.float64
    np.testing.assert_array_equal(similarity, similarity.T)
    np.testing.assert_array_equal(np.diag(similarity), 1.0)


def test_a_moved_copy_and_a_mirror_image_are_the_same_structure(similarity: np.ndarray) -> None:
    assert similarity[0, 1] > 0.99
    assert similarity[0, 2] > 0.99
    assert similarity[1, 2] > 0.99


def test_another_molecule_is_not(similarity: np.ndarray) -> None:
    assert similarity[3, :3].max() < 0.7
    assert similarity[3, :3].min() > 0.0


def test_an_empty_map_is_like_no_other(similarity: np.ndarray) -> None:
    np.testing.assert_array_equal(similarity[4:, :4], 0.0)
    assert similarity[4, 5] == 0.0


def test_similarity_looks_no_finer_than_it_is_told() -> None:
    volume = molecule_map(make_molecule(3), BOX, PIXEL)
    noise = np.random.default_rng(0).standard_normal(volume.shape).astype(np.float32)
    spectrum = np.fft.rfftn(noise)
    k, half = np.fft.fftfreq(BOX, 1 / BOX), np.arange(BOX // 2 + 1)
    coarse = k[:, None, None] ** 2 + k[None, :, None] ** 2 + half**2 <= 7.5**2
    fine_noise = np.fft.irfftn(np.where(coarse, 0.0, spectrum), s=volume.shape, axes=(0, 1, 2)).astype(np.float32)
    both = np.array([volume, volume + 3.0 * volume.std() * fine_noise])
    assert class_similarity_matrix(both, 6)[0, 1] > 0.98
    assert class_similarity_matrix(both, 12)[0, 1] < 0.6


@pytest.mark.parametrize("radius", [1, 3.7, 100])
def test_any_radius_will_do(radius: float) -> None:
    volume = molecule_map(make_molecule(3), 12, 18.0)
    assert class_similarity_matrix(np.array([volume, volume]), radius)[0, 1] == pytest.approx(1.0, abs=1e-3)


def test_one_class_is_like_itself() -> None:
    assert class_similarity_matrix(np.ones((1, 8, 8, 8), np.float32), 3).tolist() == [[1.0]]
