import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from coldstart.engine.symmetrizer import Symmetrizer
from coldstart.engine.update import MapUpdater
from coldstart.model.symmetry import point_group
from coldstart.params import AbInitioParams

SIDE = 32
CENTRES = np.array([[5.0, 0.0, -1.0], [-3.0, 5.0, 2.0]])
"""Of one Gaussian in each of two maps, x, y, z."""

GROUPS = pytest.mark.parametrize("name", ["C2", "C3", "C11", "D2", "D7", "T", "O", "I1", "I2", "I3"])


def blob(centre, sigma=1.6):
    axis = np.arange(SIDE) - SIDE // 2
    z, y, x = (np.exp(-0.5 * (axis - c) ** 2 / sigma**2) for c in centre[::-1])
    return z[:, None, None] * y[:, None] * x


@pytest.fixture
def symmetrized(session):
    """(maps, point group) -> maps averaged over it."""

    def make(volumes, group):
        return MapUpdater(AbInitioParams(), SIDE, group).symmetrized(volumes, Symmetrizer(session, group))

    return make


@pytest.fixture
def volumes():
    return np.stack([blob(centre) for centre in CENTRES]).astype(np.float32)


def turned(volume, operator):
    """V(g x), by splines."""
    axis = np.arange(SIDE) - SIDE // 2
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij")[::-1], axis=-1) @ operator.T
    return map_coordinates(volume, np.moveaxis(points[..., ::-1], -1, 0) + SIDE // 2, order=3)


@GROUPS
def test_a_symmetrized_map_is_the_mean_of_the_map_under_all_operators(symmetrized, volumes, name):
    """A Gaussian becomes one at every equivalent place."""
    group = point_group(name)
    found = symmetrized(volumes, group)
    assert found.dtype == np.float32
    for volume, centre in zip(found, CENTRES, strict=True):
        expected = np.mean([blob(operator @ centre) for operator in group.operators], axis=0)
        assert np.linalg.norm(volume - expected) < 0.04 * np.linalg.norm(expected)


@GROUPS
def test_a_symmetrized_map_stays_under_every_operator(symmetrized, volumes, name):
    group = point_group(name)
    for volume in symmetrized(volumes, group):
        for operator in group.operators[:: max(group.order // 12, 1)]:
            assert np.linalg.norm(turned(volume, operator) - volume) < 0.03 * np.linalg.norm(volume)


@pytest.mark.parametrize("name", ["C4", "D4", "O"])
def test_quarter_turns_move_voxels_onto_voxels(symmetrized, volumes, name):
    """To rounding, where the grid itself has the symmetry."""
    for volume in symmetrized(volumes, point_group(name)):
        inner = volume[1:, 1:, 1:]
        np.testing.assert_allclose(np.rot90(inner, axes=(1, 2)), inner, atol=1e-4 * inner.max())


@GROUPS
def test_a_map_of_the_symmetry_stays_as_it_is(symmetrized, volumes, name):
    once = symmetrized(volumes, point_group(name))
    twice = symmetrized(once, point_group(name))
    assert np.linalg.norm(twice - once) < 0.04 * np.linalg.norm(once)


def test_every_class_is_symmetrized_by_itself(symmetrized, volumes):
    group = point_group("D3")
    both = symmetrized(volumes, group)
    for number in range(2):
        np.testing.assert_array_equal(symmetrized(volumes[number : number + 1], group)[0], both[number])


def test_sums_are_those_over_the_operators_up_to_the_radius(session):
    """Of a denominator that is 1 everywhere and a numerator that is twice it: as many as there are operators."""
    group, side = point_group("T"), 16
    symmetrizer = Symmetrizer(session, group)
    ones = np.ones((3, 2 * side, 2 * side, side + 1)) * np.arange(1, 4)[:, None, None, None]
    numerator, denominator = symmetrizer.sums(2 * ones + 0j, ones, 5.0, side)
    assert numerator.shape == denominator.shape == (3, side, side, side // 2 + 1)
    z, y, x = np.ogrid[-(side // 2) : side // 2, -(side // 2) : side // 2, 0 : side // 2 + 1]
    inside = z**2 + y**2 + x**2 <= 25
    for number in range(3):
        np.testing.assert_allclose(denominator[number], 12 * (number + 1) * inside, rtol=1e-6)
        np.testing.assert_allclose(numerator[number], 24 * (number + 1) * inside, rtol=1e-6, atol=1e-9)


def test_the_same_bytes_twice(symmetrized, volumes):
    first, again = (symmetrized(volumes, point_group("I2")) for _ in range(2))
    assert first.tobytes() == again.tobytes()
