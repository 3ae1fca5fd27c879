import healpix
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldstart.model.pose_grid import COARSE_STEP_DEG, RotationGrid, ShiftGrid, rotation_grid
from coldstart.model.so3 import geodesic_distance_deg, random_rotations

levels = st.integers(0, 4)


def cells_of(level, part):
    """A cell of the level, by its share of the way through them."""
    return np.array([int(part * (len(RotationGrid(level)) - 1))], np.int32)


some_cell = st.floats(0, 1)


@given(levels)
def test_sizes(level):
    grid = RotationGrid(level)
    assert len(grid) == 192 * 4**level * 24 * 2**level
    assert grid.step_deg == COARSE_STEP_DEG / 2**level
    assert len(grid) * 8 == len(RotationGrid(level + 1))


def test_children_are_all_cells_of_the_next_level_once():
    for level in (0, 1):
        grid = rotation_grid(level)
        children = grid.children(np.arange(len(grid), dtype=np.int32))
        assert children.shape == (len(grid), 8)
        np.testing.assert_array_equal(np.sort(children.ravel()), np.arange(8 * len(grid)))


@given(levels, some_cell)
def test_children_lie_in_their_parents_cell(level, part):
    grid, finer = rotation_grid(level), rotation_grid(level + 1)
    cell = cells_of(level, part)
    children = grid.children(cell)[0]
    rot, tilt = finer.direction_angles[children // finer.in_plane].T
    parents = healpix.ang2pix(grid.nside, tilt, rot, nest=True)
    assert (parents == cell[0] // grid.in_plane).all()
    width = 2 * np.pi / grid.in_plane
    psi = finer.psi[children % finer.in_plane]
    assert (np.abs(psi - grid.psi[cell[0] % grid.in_plane]) < width / 2).all()


def test_tables_hold_the_angles():
    grid = rotation_grid(1)
    rot, tilt = grid.direction_angles.T
    table = grid.direction_table.astype(float)
    np.testing.assert_allclose(np.arctan2(table[:, 1], table[:, 0]) % (2 * np.pi), rot % (2 * np.pi), atol=1e-6)
    np.testing.assert_allclose(np.arctan2(table[:, 3], table[:, 2]), tilt, atol=1e-6)
    np.testing.assert_allclose(np.arctan2(*grid.psi_table.astype(float).T[::-1]) % (2 * np.pi), grid.psi, atol=1e-6)


def test_directions_are_those_of_the_matrices():
    grid = rotation_grid(0)
    cells = np.arange(0, len(grid), 97, dtype=np.int32)
    rot, tilt = grid.direction_angles[cells // grid.in_plane].T
    views = grid.matrices(cells, np.eye(3))[:, 2]
    expected = np.stack([np.sin(tilt) * np.cos(rot), np.sin(tilt) * np.sin(rot), np.cos(tilt)], axis=1)
    np.testing.assert_allclose(views, expected, atol=1e-12)


def test_a_turn_is_applied_in_the_frame_of_the_map(rng):
    turn, cells = random_rotations(rng, 1)[0], np.array([5, 4000], np.int32)
    grid = rotation_grid(0)
    np.testing.assert_allclose(grid.matrices(cells, turn), grid.matrices(cells, np.eye(3)) @ turn, atol=1e-12)


@pytest.mark.parametrize("level", [0, 1])
def test_every_rotation_has_a_cell_within_a_step(rng, level):
    grid = rotation_grid(level)
    centres = grid.matrices(np.arange(len(grid), dtype=np.int32), random_rotations(rng, 1)[0]).reshape(-1, 9)
    wanted = random_rotations(rng, 300).reshape(-1, 9)
    nearest = np.argmax(wanted @ centres.T, axis=1)  # the trace falls with the angle
    distance = geodesic_distance_deg(centres[nearest].reshape(-1, 3, 3), wanted.reshape(-1, 3, 3))
    assert distance.max() < grid.step_deg
    assert 0.4 * grid.step_deg < distance.mean() < 0.6 * grid.step_deg


def test_cells_are_equal_in_volume(rng):
    """Random rotations fall into the cells of the coarse directions equally often."""
    views = random_rotations(rng, 192 * 400)[:, 2]
    tilt, rot = np.arccos(views[:, 2]), np.arctan2(views[:, 1], views[:, 0]) % (2 * np.pi)
    counts = np.bincount(healpix.ang2pix(rotation_grid(0).nside, tilt, rot, nest=True), minlength=192)
    np.testing.assert_allclose(counts, 400, atol=5 * np.sqrt(400))


extents, steps = st.floats(0.0, 0.5), st.floats(0.02, 0.3)


@given(extents, steps)
def test_coarse_shifts_fill_the_disc_from_its_centre(extent, step):
    points = ShiftGrid(extent, step).coarse
    np.testing.assert_array_equal(points[0], [0, 0])
    distance = np.hypot(*points.T)
    assert (distance <= extent * (1 + 1e-9)).all()
    assert (np.diff(distance) >= -1e-9).all()
    assert len(np.unique(np.round(points / step), axis=0)) == len(points)
    reach = np.arange(-30, 31) * step
    x, y = np.meshgrid(reach, reach)
    lattice = np.hypot(x, y)
    fewest, most = (np.count_nonzero(lattice <= extent * rim) for rim in (1 - 1e-6, 1 + 1e-6))  # the rim, by rounding
    assert fewest <= len(points) <= most


@given(extents, steps, st.integers(0, 2))
def test_children_are_the_quarters_of_a_shift_cell(extent, step, level):
    grid = ShiftGrid(extent, step)
    parents, finer = grid.points(level), grid.points(level + 1)
    cells = np.arange(len(parents), dtype=np.int32)
    children = ShiftGrid.children(cells)
    np.testing.assert_array_equal(np.sort(children.ravel()), np.arange(len(finer)))
    np.testing.assert_array_equal(children >> 2, np.repeat(cells[:, None], 4, axis=1))
    offsets = finer[children] - parents[:, None]
    quarter = step / 2 ** (level + 2)
    np.testing.assert_allclose(np.abs(offsets), quarter, atol=1e-12)
    assert len(np.unique(np.sign(offsets[0]), axis=0)) == 4
    assert (np.abs(finer - grid.coarse[np.arange(len(finer)) >> (2 * (level + 1))]) < step / 2).all()
