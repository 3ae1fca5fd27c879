"""Agreement of starts: maps grouped, placed and averaged, poses and classes compared in one frame."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from coldstart.model.alignment import MIRROR_AXIS, Placement
from coldstart.model.consensus import (
    agreed_maps,
    agreed_resolution_angstrom,
    placed_rotations,
    pose_differences_deg,
    start_tree,
)
from coldstart.model.hand import flip_map, flip_matrices, mirror_matrix
from coldstart.model.mask import soft_window
from coldstart.model.so3 import random_rotations, rotvec_to_matrix

BOX = 24
ONE = np.eye(3)[None]


def blobs(seed: int) -> NDArray[np.float32]:
    """A lopsided map of a dozen blobs, (BOX, BOX, BOX)."""
    rng = np.random.default_rng(seed)
    axis = np.arange(BOX) - BOX // 2
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    volume = np.zeros((BOX,) * 3)
    for centre, width in zip(rng.uniform(-5.0, 5.0, (12, 3)), rng.uniform(1.2, 2.0, 12), strict=True):
        distance = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2
        volume += np.exp(-0.5 * distance / width**2)
    return (volume * soft_window(BOX, 3, 0.8, 1.0)).astype(np.float32)


def noisy(volume: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    return volume + np.float32(0.02) * np.random.default_rng(seed).standard_normal(volume.shape).astype(np.float32)


@pytest.fixture(scope="module")
def one() -> NDArray[np.float32]:
    return blobs(1)


def quarter_turned(volume: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turned by 90 degrees about z through the centre voxel."""
    return np.roll(np.rot90(volume, axes=(2, 1)), 1, axis=1)


def test_starts_of_one_map_are_grouped_whatever_their_frame_and_hand(one: NDArray[np.float32]) -> None:
    maps = [noisy(one, 0), blobs(2), quarter_turned(noisy(one, 1)), flip_map(noisy(one, 2), MIRROR_AXIS)]
    tree = start_tree([volume[None] for volume in maps], radius=8.0)
    assert tree.group.tolist() == [0, 1, 0, 0]
    assert tree.members(2) == (0, 2, 3)
    assert tree.linkage.shape == (3, 4)
    assert tree.similarity[0, 2] > 0.8 > 0.7 > tree.similarity[0, 1]


def test_agreed_maps_are_the_mean_in_the_frame_of_the_reference(one: NDArray[np.float32]) -> None:
    maps = [volume[None] for volume in (quarter_turned(noisy(one, 1)), noisy(one, 0), flip_map(noisy(one, 2), 2))]
    agreed = agreed_maps(maps, start_tree(maps, radius=8.0), (0, 1, 2), reference=1)
    assert np.all(agreed.correlation[1] == pytest.approx(1.0))
    assert agreed.correlation[[0, 2], 0, 1:6].min() > 0.9
    assert [placed[0].mirrored for placed in agreed.placements] == [False, False, True]
    assert np.corrcoef(agreed.volumes[0].ravel(), one.ravel())[0, 1] > 0.98


def test_classes_are_matched_before_they_are_compared(one: NDArray[np.float32]) -> None:
    other = blobs(2)
    maps = [np.stack([noisy(one, 0), noisy(other, 1)]), np.stack([noisy(other, 2), noisy(one, 3)])]
    tree = start_tree(maps, radius=8.0)
    assert tree.matched[0, 1].tolist() == [1, 0]
    assert tree.group.tolist() == [0, 0]
    agreed = agreed_maps(maps, tree, (0, 1), reference=0)
    assert np.corrcoef(agreed.volumes[1].ravel(), other.ravel())[0, 1] > 0.98


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), mirrored=st.booleans())
def test_placed_poses_show_on_the_fixed_map_what_they_show_on_the_moving_one(seed: int, mirrored: bool) -> None:
    """A density of points is enough: fixed = rotation @ (mirrored) moving, seen along z."""
    rng = np.random.default_rng(seed)
    poses, (rotation,) = random_rotations(rng, 5), random_rotations(rng, 1)
    moving = rng.standard_normal((7, 3))
    fixed = (moving @ mirror_matrix(MIRROR_AXIS) if mirrored else moving) @ rotation.T
    placed = placed_rotations(poses, Placement(rotation, np.zeros(3), mirrored, 1.0))
    assert np.allclose((moving @ poses.swapaxes(1, 2))[..., :2], (fixed @ placed.swapaxes(1, 2))[..., :2])
    back = placed_rotations(
        flip_matrices(poses, MIRROR_AXIS) if mirrored else poses, Placement(rotation, np.zeros(3), False, 1.0)
    )
    assert np.allclose(back, placed)


def test_poses_are_compared_modulo_the_point_group() -> None:
    first = random_rotations(np.random.default_rng(3), 4)
    half_turn = rotvec_to_matrix([0.0, 0.0, np.pi])
    near = rotvec_to_matrix([np.deg2rad(8.0), 0.0, 0.0]) @ first
    near[2] = np.nan
    rotations = np.stack([first, near, first @ half_turn])
    differences = pose_differences_deg(rotations, ONE)
    assert differences[0] == pytest.approx([0.0] * 4)
    assert differences[1] == pytest.approx([8.0, 8.0, np.nan, 8.0], nan_ok=True)
    assert differences[2] == pytest.approx([180.0] * 4)
    assert pose_differences_deg(rotations, np.concatenate([ONE, half_turn]))[2] == pytest.approx([0.0] * 4, abs=1e-5)


def test_starts_agree_to_where_the_worst_class_parts_and_no_further_than_they_went() -> None:
    falling = np.array([1.0, 1.0, 0.9, 0.7, 0.3, 0.0])
    assert agreed_resolution_angstrom(np.stack([np.ones(6), falling]), 60.0, 12.0) == pytest.approx(60.0 / 3.5)
    assert agreed_resolution_angstrom(np.stack([np.ones(6), falling]), 60.0, 20.0) == 20.0
    assert agreed_resolution_angstrom(np.ones((1, 6)), 60.0, 12.0) == 12.0
