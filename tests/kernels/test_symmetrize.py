import numpy as np
import pytest

from coldstart.engine import reference
from coldstart.model.so3 import random_rotations
from coldstart.model.symmetry import point_group

CLASSES, SIDE, PADDING, RADIUS = 3, 14, 2, 5.5

# A coordinate of up to 14 points is rounded to 1e-6 along three axes, between neighbours that differ by about 1.
SAMPLE = 1e-5


def frequencies(side):
    """(side, side, width, 3) x, y, z of the points of a half spectrum."""
    axis = np.arange(side) - side // 2
    return np.stack(np.meshgrid(axis, axis, np.arange(side // 2 + 1), indexing="ij")[::-1], axis=-1)


def turned(operators):
    return operators.reshape(-1, 9).astype(np.float32)


@pytest.fixture
def fine(rng):
    """White noise, of each class its own."""
    side = PADDING * SIDE
    return rng.standard_normal((CLASSES, side, side, side // 2 + 1, 4)).astype(np.float32)


@pytest.mark.parametrize("name", ["C1", "C3", "D7", "O"])
def test_symmetrize(kernels, fine, name):
    operators = turned(point_group(name).operators)
    given = fine, operators, PADDING, RADIUS, SIDE
    found = kernels.symmetrize(*given)
    expected = reference.symmetrize(*given)
    np.testing.assert_allclose(found[..., :3], expected[..., :3], atol=SAMPLE * len(operators))
    assert found.tobytes() == kernels.symmetrize(*given).tobytes()
    beyond = np.linalg.norm(frequencies(SIDE), axis=-1) > RADIUS
    assert not found[:, beyond].any()
    assert found[:, ~beyond, 0].all()


def test_every_class_is_turned_by_itself(kernels, fine):
    operators = turned(point_group("D2").operators)
    whole = kernels.symmetrize(fine, operators, PADDING, RADIUS, SIDE)
    for number in range(CLASSES):
        alone = kernels.symmetrize(fine[number : number + 1], operators, PADDING, RADIUS, SIDE)
        assert np.array_equal(alone[0], whole[number])


def test_a_map_is_read_where_the_operator_takes_a_point(kernels, rng):
    """Interpolation is exact where the real part is even and constant, and the imaginary one odd and linear."""
    slope = rng.standard_normal(3)
    grid = frequencies(PADDING * SIDE)
    flat = np.ones(grid.shape[:3])
    fine = np.stack([2 * flat, grid @ slope, 3 * flat, 0 * flat], axis=-1)[None].astype(np.float32)
    operators = random_rotations(rng, 2)
    (found,) = kernels.symmetrize(fine, turned(operators), PADDING, RADIUS, SIDE)
    inside = np.linalg.norm(frequencies(SIDE), axis=-1) <= RADIUS
    points = frequencies(SIDE)[inside]
    expected = PADDING * sum(points @ g.T for g in operators) @ slope
    np.testing.assert_allclose(found[inside, 0], 4, rtol=1e-6)
    np.testing.assert_allclose(found[inside, 1], expected, atol=1e-4)  # of up to 50
    np.testing.assert_allclose(found[inside, 2], 6, rtol=1e-6)
