"""Climbing to the nearest best rotation and shift of a score whose best is known."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from coldstart.model.rigid_fit import climb
from coldstart.model.so3 import geodesic_distance_deg, random_rotations

steps = st.lists(st.floats(-0.3, 0.3), min_size=6, max_size=6).map(np.array)


def distance(rotation: np.ndarray, shift: np.ndarray):
    """A smooth score that is 1 at this placement and less elsewhere."""

    def scores(rotations: np.ndarray, shifts: np.ndarray) -> np.ndarray:
        overlap = np.einsum("sij,ij->s", rotations, rotation) / 3.0
        return overlap - 0.05 * ((shifts - shift) ** 2).sum(axis=1)

    return scores


@settings(max_examples=30)
@given(steps, st.integers(0, 2**31))
def test_the_best_is_found_from_nearby(step: np.ndarray, seed: int) -> None:
    (rotation,) = random_rotations(np.random.default_rng(seed), 1)
    shift = np.array([1.0, -2.0, 0.5])
    start = Rotation.from_rotvec(step[:3]).as_matrix() @ rotation, shift + 5.0 * step[3:]
    found, moved, score = climb(distance(rotation, shift), *start)
    assert geodesic_distance_deg(found, rotation) < 0.5
    np.testing.assert_allclose(moved, shift, atol=0.05)
    assert score > 1.0 - 1e-3


def test_the_shift_changes_along_what_is_free_alone() -> None:
    free = np.diag([1.0, 0.0, 1.0])
    _, moved, _ = climb(distance(np.eye(3), np.array([1.0, 1.0, 1.0])), np.eye(3), np.zeros(3), free)
    np.testing.assert_allclose(moved, [1.0, 0.0, 1.0], atol=0.05)


def test_a_pose_and_its_neighbours_are_asked_for_at_once() -> None:
    asked: list[int] = []

    def scores(rotations: np.ndarray, shifts: np.ndarray) -> np.ndarray:
        asked.append(len(rotations))
        assert len(shifts) == len(rotations)
        return distance(np.eye(3), np.zeros(3))(rotations, shifts)

    climb(scores, np.eye(3), np.ones(3))
    assert set(asked) == {7}
