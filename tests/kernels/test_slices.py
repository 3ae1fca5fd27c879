"""Slices of a map: against their twins, and of a spectrum that is known: the accuracy of padding and interpolation."""

import numpy as np
import pytest

from coldstart.engine import reference
from coldstart.engine.selftest.inputs import sliceable, small_turns
from coldstart.engine.slices import unpaired
from coldstart.engine.update import MapUpdater
from coldstart.model.polar import LANES, PolarPlane
from coldstart.model.pose_grid import rotation_grid
from coldstart.model.so3 import random_rotations
from coldstart.model.symmetry import point_group
from coldstart.params import AbInitioParams

SIDE = 28
RINGS = 11
CENTRE = np.array([3.5, -2.0, 4.0])  # x, y, z from the centre
SIGMA = 1.8

# A coordinate of up to 33 grid points is rounded to 2e-6 in float32, along three axes, and neighbours of white noise
# of unit power differ by about 1: a slice is exact to some 1e-5, its squared modulus to a few times that.
SLICE = 2e-5


def test_a_whole_turn_ends_as_it_began_and_its_second_half_is_the_conjugate_of_the_first(kernels, case):
    table, _, _ = kernels.make_slices(*sliceable(case))
    for _, half, first, _ in case.rings:
        turn = table[..., first : first + 2 * half + LANES]
        assert np.array_equal(turn[..., half : 2 * half], turn[..., :half] * np.array([[1], [-1]]))
        assert np.array_equal(turn[..., 2 * half :], turn[..., :LANES])


def test_fewer_rings_are_the_first_of_them(kernels, case):
    *given, rings, excess, circle = sliceable(case)
    whole = kernels.make_slices(*given, rings, excess, circle)
    few = kernels.make_slices(*given, rings[:4], excess[:4], int(case.plane.circle_start[4]))
    assert np.array_equal(few[0], whole[0][..., : few[0].shape[2]])
    assert np.array_equal(few[1], whole[1][:, :4])
    assert np.array_equal(few[2], whole[2][:, :4])


@pytest.mark.parametrize("level", [0, 1])
def test_a_direction_and_its_opposite_are_sampled_once(kernels, case, rng, level):
    """The slice of the opposite one is that at its own rotation, also on rings that have two points a step."""
    grid = rotation_grid(level)
    plane = PolarPlane(grid.in_plane, 13)
    kx, ky = (plane.frequencies.T / 2).astype(np.float32)
    first = rng.choice(grid.directions // 2, 9, replace=False)
    directions = np.r_[first, grid.opposite[first]] + grid.directions * np.tile(np.arange(9) % 3, 2)
    cells = (directions * grid.in_plane).astype(np.int32)
    rows = reference.rotation_rows(grid.direction_table, grid.psi_table, case.turn, cells).astype(np.float32)
    tail = plane.ring_table, np.zeros(13, np.float32), int(plane.circle_start[-1])
    places = np.arange(18, dtype=np.int32).reshape(2, 9).T
    paired = kernels.make_slices(case.volumes, kx, ky, rows[:9], places, *tail)
    alone = kernels.make_slices(case.volumes, kx, ky, rows, unpaired(18), *tail)
    for found, expected, tolerance in zip(paired, alone, (SLICE, 2 * SLICE, 2 * SLICE), strict=True):
        np.testing.assert_allclose(found, expected, atol=tolerance)
        assert np.array_equal(found[:9], expected[:9])
    half = alone[0][9:, :, : plane.half_points[0]]
    assert np.linalg.norm(half - alone[0][:9, :, : plane.half_points[0]]) > 0.5 * np.linalg.norm(half)


def test_every_row_is_of_its_own_class(kernels, case):
    """Each class alone, as if there were no others."""
    volumes, kx, ky, rows, places, *tail = sliceable(case)
    tail, paired = (places, *tail), places[:, 1] >= 0
    whole, classes = kernels.make_slices(volumes, kx, ky, rows, *tail), np.r_[rows[:, 3], rows[paired, 3]].astype(int)
    alone = rows.copy()
    alone[:, 3] = 0
    for number in range(len(volumes)):
        single = kernels.make_slices(volumes[number : number + 1], kx, ky, alone, *tail)
        for one, other in zip(whole, single, strict=True):
            assert np.array_equal(one[classes == number], other[classes == number])
            assert not np.array_equal(one[classes != number], other[classes != number])


def test_a_mean_slice_is_the_mean_of_the_slices_at_the_8_cells_inside(kernels, case, rng):
    """Each of them sampled from the volume at its own rotation, on the points of the coarse plane."""
    coarse, fine = rotation_grid(0), rotation_grid(1)
    plane = PolarPlane(fine.in_plane, case.plane.rings)
    directions = case.cells // coarse.in_plane
    inside = (4 * directions[:, None] + np.arange(4)).ravel()
    rows = kernels.rotation_rows(
        fine.direction_table, fine.psi_table, case.turn, (inside * fine.in_plane).astype(np.int32)
    )
    kx, ky = plane.frequencies.T.astype(np.float32)
    nothing, circle = np.zeros(plane.rings, np.float32), int(case.plane.circle_start[-1])
    given = unpaired(len(rows)), plane.ring_table, nothing, int(plane.circle_start[-1])
    fine_table = kernels.make_slices(case.volumes, kx, ky, rows, *given)
    table, power, lost = kernels.mean_slices(*fine_table, plane.ring_table, case.rings, circle)

    children = coarse.children(case.cells).ravel()
    sampled = reference.slices(
        case.volumes, case.kx, case.ky,
        reference.rotation_rows(fine.direction_table, fine.psi_table, case.turn, children), case.plane.stride,
    )  # fmt: skip
    expected = sampled.reshape(len(case.cells), 8, -1).mean(axis=1)
    found = reference.turned_slices(table, case.rings, np.arange(len(table)), np.zeros(len(table), int), 24)
    points = case.plane.points
    np.testing.assert_allclose(found[:, points], expected[:, points], atol=SLICE)
    square = np.abs(expected[:, points]) ** 2
    for ring in range(case.plane.rings):
        mean = square[:, case.plane.ring[points] == ring + 1].mean(axis=1)
        np.testing.assert_allclose(power[:, ring], mean, atol=2 * SLICE)
    np.testing.assert_allclose(power + lost, fine_table[1].reshape(-1, 4, plane.rings).mean(axis=1), rtol=1e-5)
    assert (lost > 0).mean() > 0.9


def test_a_blur_without_turns_leaves_the_volume_within_the_radius(kernels, case):
    _, side, _, width = case.volumes.shape
    z, y, x = np.ogrid[-(side // 2) : side // 2, -(side // 2) : side // 2, 0:width]
    inside = x**2 + y**2 + z**2 <= 15**2
    found = kernels.blur_volume(case.volumes, small_turns(0.0), 15.0)
    # At frequency 0 along x and negative ones along y and z, the point and its opposite are two entries of the volume.
    np.testing.assert_allclose(found, np.where(inside, case.volumes, 0.0), atol=1e-6)


def gaussian_blob(centre=CENTRE):
    axis = np.arange(SIDE) - SIDE // 2
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    distance2 = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2
    return np.exp(-0.5 * distance2 / SIGMA**2).astype(np.float32)


def projected_blob(plane, matrices):
    """Coefficients of its projections: a Gaussian at the first two coordinates of A c."""
    at = (matrices @ CENTRE)[:, :2]
    volume = (2 * np.pi * SIGMA**2) ** 1.5
    envelope = np.exp(-2 * (np.pi * SIGMA * plane.ring / SIDE) ** 2)
    return volume * envelope * np.exp(-2j * np.pi * at @ plane.frequencies.T / SIDE)


def test_slices_of_a_gaussian(kernels, rng):
    plane, matrices = PolarPlane(24, RINGS), random_rotations(rng, 17)
    kx, ky = plane.frequencies.T.astype(np.float32)
    rows = np.zeros((len(matrices), 8), np.float32)
    rows[:, 0:3], rows[:, 4:7] = 2 * matrices[:, 0], 2 * matrices[:, 1]
    spectrum = MapUpdater(AbInitioParams(), SIDE, point_group("C1")).sliceable(gaussian_blob()[None])
    nothing, circle = np.zeros(plane.rings, np.float32), int(plane.circle_start[-1])
    given = unpaired(17), plane.ring_table, nothing, circle
    table, power, lost = kernels.make_slices(spectrum, kx, ky, rows, *given)
    turned = reference.turned_slices(table, plane.ring_table, np.arange(17), np.zeros(17, int), 24)
    found, expected = turned[:, plane.points], projected_blob(plane, matrices)[:, plane.points]
    # What lies at a share u of the padded box from the centre comes with an image of (u / (1 - u))^2: here 1.2 %.
    assert np.linalg.norm(found - expected) < 0.015 * np.linalg.norm(expected)
    modelled = (np.abs(expected[:, plane.ring[plane.points] == 5]) ** 2).mean(axis=1)
    np.testing.assert_allclose(power[:, 4], modelled, rtol=0.03)
    assert not lost.any()
