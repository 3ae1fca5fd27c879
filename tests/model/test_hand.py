import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldstart.model.hand import flip_map, flip_matrices, flip_poses, mirror_matrix
from coldstart.model.so3 import euler_to_matrix, geodesic_distance_deg, matrix_to_euler, random_rotations
from coldstart.model.symmetry import mirror_axis, point_group

AXES = pytest.mark.parametrize("axis", [0, 1, 2])
BOX = 24


def blobs(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Centres (6, 3) in voxels x, y, z from the centre of the box, and weights (6,): a map of no symmetry."""
    return rng.uniform(-4.0, 4.0, (6, 3)), rng.uniform(0.5, 2.0, 6)


def blob_map(centres: np.ndarray, weights: np.ndarray) -> np.ndarray:
    z, y, x = np.meshgrid(*(np.arange(BOX) - BOX // 2,) * 3, indexing="ij")
    points = np.stack([x, y, z], axis=-1)
    squared = ((points[..., None, :] - centres) ** 2).sum(axis=-1)
    return np.asarray((weights * np.exp(-squared / (2 * 1.2**2))).sum(axis=-1))


def central_slice(volume: np.ndarray, matrix: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """The map's transform at A^T (kx, ky, 0), summed voxel by voxel."""
    k = (np.pad(frequencies, ((0, 0), (0, 1))) @ matrix) / BOX
    at = np.arange(BOX) - BOX // 2
    x, y, z = (np.exp(-2j * np.pi * np.outer(k[:, axis], at)) for axis in range(3))
    return np.asarray(np.einsum("zyx,mz,my,mx->m", volume, z, y, x, optimize=True))


@AXES
def test_both_hands_show_the_same_images(axis: int, rng: np.random.Generator) -> None:
    volume = blob_map(*blobs(rng))
    euler = matrix_to_euler(random_rotations(rng, 5))
    frequencies = rng.uniform(-5.0, 5.0, (30, 2))
    flipped_map, flipped_euler = flip_map(volume, axis), flip_poses(euler, axis)
    for pose, flipped in zip(euler_to_matrix(euler), euler_to_matrix(flipped_euler), strict=True):
        image = central_slice(volume, pose, frequencies)
        np.testing.assert_allclose(central_slice(flipped_map, flipped, frequencies), image, atol=1e-6)
        # The image is of this hand: the first hand's map shows another one under the flipped pose.
        assert np.abs(central_slice(volume, flipped, frequencies) - image).max() > 0.1 * np.abs(image).max()


@AXES
def test_flipped_map_is_the_map_of_the_flipped_coordinates(axis: int, rng: np.random.Generator) -> None:
    centres, weights = blobs(rng)
    mirrored = blob_map(centres @ mirror_matrix(axis), weights)
    np.testing.assert_allclose(flip_map(blob_map(centres, weights), axis), mirrored, atol=1e-5)


@AXES
@pytest.mark.parametrize("n", [7, 8])
def test_flip_keeps_the_centre_voxel_and_the_values(axis: int, n: int, rng: np.random.Generator) -> None:
    volume = rng.standard_normal((n, n, n)).astype(np.float32)
    flipped = flip_map(volume, axis)
    assert flipped.dtype == np.float32
    assert flipped[n // 2, n // 2, n // 2] == volume[n // 2, n // 2, n // 2]
    at, opposite = np.array([n // 2] * 3), np.array([n // 2] * 3)
    at[2 - axis] += 2
    opposite[2 - axis] -= 2
    assert flipped[tuple(at)] == volume[tuple(opposite)]
    np.testing.assert_array_equal(flip_map(flipped, axis), volume)


angle = st.floats(-180, 180)


@given(st.tuples(angle, st.floats(0, 180), angle), st.sampled_from([0, 1, 2]))
def test_flipping_twice_changes_no_pose(euler: tuple[float, float, float], axis: int) -> None:
    flipped = flip_poses([euler], axis)
    assert flipped.shape == (1, 3)
    back = euler_to_matrix(flip_poses(flipped, axis))
    assert geodesic_distance_deg(back, euler_to_matrix([euler])).max() < 1e-4


@AXES
def test_flipped_matrices_are_rotations(axis: int, rng: np.random.Generator) -> None:
    flipped = flip_matrices(random_rotations(rng, 20), axis)
    np.testing.assert_allclose(np.linalg.det(flipped), 1.0)


@pytest.mark.parametrize("name", ["C1", "C7", "D3", "T", "O", "I1", "I2", "I3", "I4"])
def test_equivalent_poses_stay_equivalent_in_the_other_hand(name: str, rng: np.random.Generator) -> None:
    group = point_group(name)
    axis = mirror_axis(group)
    pose = random_rotations(rng, 1)[0]
    flipped = flip_matrices(pose @ group.operators, axis)
    expected = flip_matrices(pose, axis)[0] @ group.operators
    apart = np.abs(flipped[:, None] - expected[None]).max(axis=(2, 3))
    assert apart.min(axis=1).max() < 1e-13
