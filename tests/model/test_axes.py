"""Maps of a symmetry, turned and moved away, are brought back to the frame of their point group."""

import numpy as np
import pytest

from coldstart.model.alignment import Placement, place_map
from coldstart.model.axes import find_axes
from coldstart.model.so3 import random_rotations
from coldstart.model.symmetry import point_group

SIDE = 32


def blobs(centres):
    """A map of Gaussian blobs at (M, 3) positions x, y, z in voxels from the centre."""
    z, y, x = np.mgrid[-SIDE // 2 : SIDE // 2, -SIDE // 2 : SIDE // 2, -SIDE // 2 : SIDE // 2]
    points = np.stack([x, y, z], axis=-1)
    return sum(np.exp(-0.5 * np.sum((points - centre) ** 2, axis=-1) / 1.6**2) for centre in centres)


def symmetric_centres(rng, group, count=3):
    """Positions of blobs that the group leaves together, away from its axes."""
    directions = rng.standard_normal((count, 3))
    centres = directions / np.linalg.norm(directions, axis=1, keepdims=True) * rng.uniform(5, 9, (count, 1))
    return np.einsum("gij,cj->gci", group.operators, centres).reshape(-1, 3)


@pytest.mark.parametrize("name", ["C3", "D2", "D7", "O", "I"])
def test_axes_of_a_turned_map_are_found(name, rng):
    group = point_group(name)
    turn, shift = random_rotations(rng, 1)[0], np.array([0.6, -0.4, 0.3])
    volume = blobs(symmetric_centres(rng, group) @ turn.T + shift)
    found = find_axes(volume, group, 8)
    assert found.score > 0.9
    assert not found.mirrored
    placed = place_map(volume, found)
    for operator in group.operators[1:4]:
        again = place_map(placed, Placement(operator, np.zeros(3), False, 1.0))
        assert np.corrcoef(again.ravel(), placed.ravel())[0, 1] > 0.95


def test_a_map_without_the_symmetry_scores_low(rng):
    volume = blobs(rng.uniform(-8, 8, (12, 3)))
    assert find_axes(volume, point_group("C5"), 8).score < 0.4
