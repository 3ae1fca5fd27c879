import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldstart.engine.sums import Scales, Sums, points_within
from coldstart.model.fourier import radius_grid

SIDE = 12
SCALES = Scales(image=2.0**20, weight=2.0**22, map=2.0**18)
SHAPE = (SIDE, SIDE, SIDE // 2 + 1)


def grid_of(*voxels, value=1):
    """Sums of one class at these indices alone."""
    grid = np.zeros((1, *SHAPE, 3), np.int64)
    for voxel in voxels:
        grid[(0, *voxel)] = value
    return grid


def sums_of(grid, radius):
    return Sums.of(grid, radius, np.empty((0, 3), np.int64), SCALES)


@given(
    st.floats(0.5, 3.9),
    st.floats(0, np.pi),
    st.floats(-np.pi, np.pi),
)
def test_whatever_a_point_adds_to_is_kept(radius, polar, azimuth):
    x, y, z = radius * np.array([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)])
    x, y, z = np.sign(x or 1) * np.array([x, y, z])  # the half that is held
    corners = itertools.product(*((int(np.floor(part)), int(np.floor(part)) + 1) for part in (z, y, x)))
    grid = grid_of(*((c + SIDE // 2, b + SIDE // 2, a) for c, b, a in corners))
    assert sums_of(grid, radius).values[0].sum() == grid.sum() == 8 * 3


def test_far_points_do_not_travel():
    sums = sums_of(grid_of(), 2.0)
    assert sums.radius == 4.0
    assert sums.values.shape == (1, np.count_nonzero(radius_grid(SIDE) <= 4.0), 3)
    assert len(points_within(SIDE, 100.0)) == np.prod(SHAPE)


def test_numbers_come_back_where_they_were(rng):
    grid = rng.integers(-(2**40), 2**40, (2, *SHAPE, 3))
    grid[:, radius_grid(SIDE) > 5] = 0
    sums = sums_of(grid, 4.0)
    unit = 2.0**29
    numerator = (grid[..., 0] + 1j * grid[..., 1]) / (SCALES.image * unit)
    np.testing.assert_array_equal(sums.numerator[..., 1:], numerator[..., 1:])
    np.testing.assert_array_equal(sums.denominator[..., 1:], grid[..., 1:, 2] / (SCALES.weight * unit))
    double = sums + sums
    np.testing.assert_array_equal(double.numerator, 2 * sums.numerator)


@pytest.mark.parametrize(("z", "y"), [(0, 0), (2, -1), (-3, 1)])
def test_a_point_of_the_plane_x_0_counts_for_its_opposite_too(z, y):
    middle = SIDE // 2
    whole = sums_of(grid_of((middle + z, middle + y, 0)), 4.0).numerator[0]
    own = (1 + 1j) / (SCALES.image * 2.0**29)
    expected = np.zeros((SIDE, SIDE), complex)
    expected[middle + z, middle + y] += own
    expected[middle - z, middle - y] += np.conj(own)
    np.testing.assert_array_equal(whole[..., 0], expected)
    assert not whole[..., 1:].any()
