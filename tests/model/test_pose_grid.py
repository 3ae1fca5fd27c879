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
    assert grid.directions == 192 * 4**level
    assert grid.in_plane == 24 * 2**level
    assert len(grid) == grid.directions * grid.in_plane
    assert len(grid.psi) == grid.in_plane
    assert grid.step_deg == COARSE_STEP_DEG / 2**level
    assert len(grid) * 8 == len(RotationGrid(level + 1))


def test_every_direction_has_its_angles():
    grid = rotation_grid(1)
    assert grid.direction_angles.shape == (grid.directions, 2)
    assert grid.direction_table.shape == (grid.directions, 4)
    assert len(np.unique(grid.direction_angles, axis=0)) == grid.directions


def test_in_plane_angles_turn_the_image_by_their_steps():
    """Cells of one direction see the same slice, turned: the rows of the matrix turn against the points of a ring."""
    grid = rotation_grid(0)
    first, other = grid.matrices(np.array([5, 0], np.int32) + 30 * grid.in_plane, np.eye(3))[::-1]
    angle = 5 * np.deg2rad(grid.step_deg)
    turned = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) @ first[:2]
    np.testing.assert_allclose(other[:2], turned, atol=1e-12)
    np.testing.assert_allclose(other[2], first[2], atol=1e-12)


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


@pytest.mark.parametrize("level", [0, 1, 2])
def test_the_second_half_of_the_directions_are_the_opposites_of_the_first(level):
    grid = rotation_grid(level)
    first = np.arange(grid.directions // 2, dtype=np.int32)
    assert np.array_equal(np.sort(grid.opposite), first + len(first))
    axis, other = (grid.matrices(d * np.int32(grid.in_plane), np.eye(3))[:, 2] for d in (first, grid.opposite))
    np.testing.assert_allclose(axis, -other, atol=1e-12)


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
def test_coarse_cells_cover_the_disc_and_no_more(extent, step):
    """From its centre outwards; every cell has a part inside, every point of the disc is in a cell."""
    points = ShiftGrid(extent, step).coarse
    np.testing.assert_array_equal(points[0], [0, 0])
    assert (np.diff(np.hypot(*points.T)) >= -1e-9).all()
    cells = np.rint(points / step).astype(int)
    np.testing.assert_allclose(points, cells * step, atol=1e-12)
    assert len(np.unique(cells, axis=0)) == len(cells)
    nearest = np.maximum(np.abs(points) - 0.5 * step, 0.0)  # point of each cell to the centre
    assert (np.hypot(*nearest.T) <= extent).all()
    angle, radius = np.meshgrid(np.linspace(0, 2 * np.pi, 100), extent * np.array([0.3, 0.6, 0.9, 1 - 1e-6]))
    inside = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1).reshape(-1, 1, 2)
    off = np.abs(inside - points).max(axis=2).min(axis=1)
    assert (off <= 0.5 * step * (1 + 1e-6)).all()


@pytest.mark.parametrize("level", [0, 1, 2])
def test_neighbours_of_a_shift_are_the_cells_around_it(level):
    grid = ShiftGrid(0.1, 0.03)
    points, step = grid.points(level), 0.03 / 2**level
    cells = np.arange(len(points), dtype=np.int32)
    near = grid.neighbours(level, cells)
    assert near.shape == (len(points), 9)
    assert (near == cells[:, None]).sum() == len(cells)  # itself once
    there = near >= 0
    assert (np.abs(points[near] - points[:, None])[there] < 1.01 * step).all()
    close = np.abs(points[:, None] - points).max(axis=2) < 1.01 * step
    np.testing.assert_array_equal(there.sum(axis=1), close.sum(axis=1))
    np.testing.assert_array_equal(grid.neighbours(level, cells[5:7]), near[5:7])


@pytest.mark.parametrize("level", [0, 1])
def test_neighbours_of_a_rotation_are_the_cells_around_it(rng, level):
    """Itself and 26 others, none far away; a rotation anywhere in a cell is nearest to one of them, poles or not."""
    grid = rotation_grid(level)
    directions = np.concatenate([[0, grid.nside**2 - 1, grid.directions - 1], rng.integers(0, grid.directions, 30)])
    cells = (directions * grid.in_plane + rng.integers(0, grid.in_plane, 33)).astype(np.int32)
    near = grid.neighbours(cells)
    assert near.shape == (33, 27)
    assert near.dtype == np.int32
    assert all(len(np.unique(row)) == 27 for row in near)
    assert (near == cells[:, None]).any(axis=1).all()
    every = grid.matrices(np.arange(len(grid), dtype=np.int32), np.eye(3))
    for cell, row in zip(cells, near, strict=True):
        distance = geodesic_distance_deg(every, every[cell])
        assert distance[row].max() < 2.6 * grid.step_deg
        closest = np.flatnonzero(distance < 1.01 * grid.step_deg)
        assert np.isin(closest, row).all()


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
