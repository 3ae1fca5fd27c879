"""The transform of a map between its coefficients, against the sum that defines it."""

import numpy as np
import pytest

from coldstart.demo.molecule import make_molecule, molecule_map
from coldstart.model.sampled_spectrum import MapSpectrum, ball_of
from coldstart.model.so3 import random_rotations

BOX = 32


@pytest.fixture(scope="module")
def volume() -> np.ndarray:
    return molecule_map(make_molecule(3), BOX, 7.0)


def transform(volume: np.ndarray, points: np.ndarray) -> np.ndarray:
    """By the sum over all voxels, at (M, 3) frequencies kx, ky, kz in cycles a box."""
    x = np.arange(len(volume)) - len(volume) // 2
    ex, ey, ez = (np.exp(-2j * np.pi / len(volume) * np.outer(points[:, axis], x)) for axis in range(3))
    return np.einsum("mz,my,mx,zyx->m", ez, ey, ex, volume, optimize=True)


@pytest.mark.parametrize(("radius", "quick", "error"), [(15, False, 0.005), (15, True, 0.01), (6, True, 0.025)])
def test_values_are_those_of_the_sum(volume: np.ndarray, radius: int, quick: bool, error: float) -> None:
    # A radius of 15 takes all of the map; with one of 6 what is finer is cut off.
    (rotation,) = random_rotations(np.random.default_rng(5), 1)
    points = ball_of(radius).points @ rotation
    expected = transform(volume, points)
    found = MapSpectrum(volume, radius, quick=quick)(points)
    shell = np.rint(np.linalg.norm(points, axis=1)).astype(int)
    off = np.bincount(shell, np.abs(found - expected) ** 2)[1:] / np.bincount(shell, np.abs(expected) ** 2)[1:]
    assert np.sqrt(off.max()) < error
    assert np.sqrt(off[0]) < 0.005


def test_many_placements_are_what_each_of_them_is(volume: np.ndarray) -> None:
    rng = np.random.default_rng(6)
    rotations, shifts, points = random_rotations(rng, 3), rng.normal(size=(3, 3)), ball_of(4).points
    spectrum = MapSpectrum(volume, 4)
    each = [spectrum.placed(points, *placement) for placement in zip(rotations, shifts, strict=True)]
    np.testing.assert_allclose(spectrum.placed(points, rotations, shifts), each, rtol=1e-12)


def test_a_shift_is_in_voxels_of_the_map_whatever_grid_is_read(volume: np.ndarray) -> None:
    points, shift = ball_of(4).points, np.array([2.0, -1.0, 3.0])
    moved = np.roll(volume, (3, -1, 2), axis=(0, 1, 2))
    placed = MapSpectrum(volume, 4).placed(points, np.eye(3), shift)
    np.testing.assert_allclose(placed, transform(moved, points), atol=1e-3 * np.abs(placed).max())
