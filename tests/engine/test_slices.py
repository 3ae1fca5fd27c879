"""Slices of a map of four Gaussian blobs, whose transform is known at every frequency."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from coldstart.engine.rings import Rings
from coldstart.engine.slices import FourierMap, Projector
from coldstart.engine.update import PADDING, MapUpdater
from coldstart.model.pose_grid import rotation_grid
from coldstart.model.so3 import random_rotations
from coldstart.model.symmetry import point_group
from coldstart.params import AbInitioParams

SIDE, RINGS, SIGMA = 24, 8, 1.2
CENTRES = np.array([[4.0, 0.0, -1.0], [-3.0, 3.0, 1.0], [0.0, -4.0, 3.0], [1.0, 2.0, -5.0]])  # x, y, z
MASS = np.array([1.0, 0.7, 0.5, 0.8])


def spectrum_at(points, centres=CENTRES):
    """Transform of the blobs at frequencies (..., 3) in cycles a box."""
    envelope = np.exp(-2 * (np.pi * SIGMA / SIDE) ** 2 * np.sum(points**2, axis=-1))
    return envelope * (np.exp(-2j * np.pi / SIDE * points @ centres.T) @ MASS)


def blobs(centres=CENTRES):
    axis = np.arange(SIDE) - SIDE // 2
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    scale = (2 * np.pi * SIGMA**2) ** -1.5
    return sum(
        m * scale * np.exp(-0.5 * ((x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2) / SIGMA**2)
        for m, (a, b, c) in zip(MASS, centres, strict=True)
    ).astype(np.float32)


def on_device(session, volumes, name="volume"):
    sliceable = MapUpdater(AbInitioParams(), SIDE, point_group("C1")).sliceable(volumes)
    return FourierMap.upload(session, sliceable, PADDING, name)


class Made:
    """A projector, the map of the blobs, and a turn of the grid."""

    def __init__(self, session, turn, level):
        self.session, self.turn = session, turn
        self.rings = Rings(session, level, RINGS)
        self.projector = Projector(session, self.rings)
        self.map = on_device(session, blobs()[None])

    def plane(self, level):
        return self.rings.table(level).plane

    def exact(self, level, cells):
        """The blobs' transform on the points of a level as cells see them, (cells, stride)."""
        rows = rotation_grid(level).matrices(np.asarray(cells, np.int32), self.turn)[:, :2]
        return spectrum_at(self.plane(level).frequencies @ rows)

    def turned(self, table, level, cells):
        """Slices at cells, as rows of points: half a turn of the direction's slice from the cell's angle on."""
        plane, whole = self.plane(level), self.session.download(table.slice)
        direction, angle = np.divmod(np.asarray(cells), plane.in_plane)
        out = np.zeros((len(direction), plane.stride), complex)
        for start, half, circle, step in plane.ring_table[: table.rings]:
            at = circle + (angle[:, None] * step + np.arange(half)) % (2 * half)
            out[:, start : start + half] = whole[direction[:, None], 0, at] + 1j * whole[direction[:, None], 1, at]
        return out[:, plane.points]


def off_by(found, expected):
    """Norm of the difference over the norm: interpolation between the points of the padded spectrum errs by 1 %."""
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.fixture
def made(session, rng):
    return lambda level=2: Made(session, random_rotations(rng, 1)[0], level)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_one_slice_a_direction_serves_all_in_plane_angles(made, rng, level):
    given = made()
    table = given.projector.slices(given.map, given.turn, level, RINGS)
    assert table.rings == RINGS
    cells = rng.integers(0, len(rotation_grid(level)), 50)
    expected = given.exact(level, cells)[:, given.plane(level).points]
    assert off_by(given.turned(table, level, cells), expected) < 0.02


@pytest.mark.parametrize("rings", [3, 8])
def test_power_is_the_mean_square_of_a_ring_and_nothing_is_lost(session, made, rings):
    given = made(1)
    table = given.projector.slices(given.map, given.turn, 1, rings)
    cells = np.arange(rotation_grid(1).directions) * rotation_grid(1).in_plane
    plane = given.plane(1)
    squares = np.abs(given.turned(table, 1, cells)) ** 2
    expected = [squares[:, plane.ring[plane.points] == r].mean(axis=1) for r in range(1, rings + 1)]
    assert table.power.shape == (rotation_grid(1).directions, rings)
    np.testing.assert_allclose(session.download(table.power), np.transpose(expected), rtol=1e-4)
    assert not session.download(table.lost).any()


@pytest.mark.parametrize("rings", [5, 8])
def test_a_cells_slice_is_the_mean_of_its_childrens(made, rng, rings):
    given = made()
    fine = given.projector.slices(given.map, given.turn, 2, RINGS)
    mean = given.projector.mean_slices(fine, 1, rings)
    assert mean.rings == rings
    cells = rng.integers(0, len(rotation_grid(1)), 20)
    children = rotation_grid(1).children(cells.astype(np.int32))
    points = given.plane(1).points
    used = given.plane(1).ring[points] <= rings
    rows = rotation_grid(2).matrices(children.ravel(), given.turn)[:, :2].reshape(20, 8, 2, 3)
    expected = spectrum_at(given.plane(1).frequencies[points] @ rows).mean(axis=1)
    assert off_by(given.turned(mean, 1, cells)[:, used], expected[:, used]) < 0.02


def test_power_and_loss_of_a_mean_are_the_childrens_power(session, made):
    """From level to level, so that the sum is the power of the slices that were cut first, however often averaged."""
    given = made()
    tables = {2: given.projector.slices(given.map, given.turn, 2, RINGS)}
    whole = session.download(tables[2].power).astype(float)
    for level in (1, 0):
        tables[level] = given.projector.mean_slices(tables[level + 1], level, RINGS)
        power, lost = (session.download(a).astype(float) for a in (tables[level].power, tables[level].lost))
        whole = whole.reshape(-1, 4, RINGS).mean(axis=1)
        np.testing.assert_allclose(power + lost, whole, rtol=1e-4)
        assert (lost >= 0).all()
        share = (lost / whole).mean(axis=0)
        assert (np.diff(share) > 0).all()  # the finer the detail, the more of it varies inside a cell
        assert share[0] < 0.05 * 4 ** (1 - level)
    assert share[-1] > 0.2


def directly_averaged(given, level, cells, rng, draws=1000):
    """Mean of the blobs' slices over random rotations of the map, by as much as a cell is wide about each axis."""
    reach = np.deg2rad(rotation_grid(level).step_deg)
    small = Rotation.from_rotvec(rng.uniform(-0.5 * reach, 0.5 * reach, (draws, 3))).as_matrix()
    rows = rotation_grid(level).matrices(np.asarray(cells, np.int32), given.turn)[:, :2]
    points = given.plane(level).frequencies[given.plane(level).points] @ rows
    return np.mean([spectrum_at(points @ q.T) for q in small], axis=0)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_blurred_map_has_the_mean_slices_of_cells(made, rng, level):
    """But for what a second interpolation takes, some percent; at 15 degrees the mean takes more by far."""
    given = made(level)
    plane = given.plane(level)
    ring = plane.ring[plane.points]
    cells = rng.integers(0, len(rotation_grid(level)), 10)
    found = given.turned(given.projector.cell_slices(given.map, given.turn, level, RINGS), level, cells)
    expected = directly_averaged(given, level, cells, rng)
    sharp = given.exact(level, cells)[:, plane.points]
    for radius in range(1, RINGS + 1):
        assert off_by(found[:, ring == radius], expected[:, ring == radius]) < 0.06
    outer = ring > 5
    assert level > 0 or off_by(found[:, outer], expected[:, outer]) < 0.4 * off_by(sharp[:, outer], expected[:, outer])


def test_what_a_blurred_map_lost_is_what_the_map_had(session, made):
    given = made(1)
    exact = session.download(given.projector.slices(given.map, given.turn, 1, RINGS).power).mean(axis=0)
    table = given.projector.cell_slices(given.map, given.turn, 1, RINGS)
    power, lost = session.download(table.power), session.download(table.lost)
    np.testing.assert_allclose((power + lost).mean(axis=0), exact, rtol=0.02)
    np.testing.assert_allclose(lost / power, np.broadcast_to(lost[0] / power[0], lost.shape), rtol=1e-4)
    assert (np.diff(lost[0] / power[0]) > 0).all()


def test_a_blur_leaves_a_round_map_as_it_is(session, made):
    given = made(1)
    round_map = on_device(session, blobs(np.zeros((4, 3)))[None], "round")
    (sharp,) = session.download(round_map.data)
    (blurred,) = session.download(given.projector.blurred(round_map, 0, RINGS).data)
    index = np.stack(np.meshgrid(*(np.arange(n) - c for n, c in zip(sharp.shape, (SIDE, SIDE, 0), strict=True)),
                                 indexing="ij"))  # fmt: skip
    radius = np.linalg.norm(index, axis=0)
    inside = radius <= PADDING * (RINGS + 1) - 1e-3
    np.testing.assert_allclose(blurred[inside], sharp[inside], atol=0.03)  # of values of up to 3
    assert not blurred[radius > PADDING * (RINGS + 1) + 1e-3].any()


@pytest.mark.parametrize("level", [3, 4])
def test_slices_at_poses_finer_than_the_rings(session, made, rng, level):
    given = made()
    cells = rng.integers(0, len(rotation_grid(level)), 40).astype(np.int32)
    table = given.projector.pose_slices(given.map, given.turn, level, cells, RINGS)
    plane = given.plane(level)
    assert plane is given.rings.plane
    rows = np.arange(40) * plane.in_plane  # one row each, as it is
    expected = given.exact(level, cells)[:, plane.points]
    assert off_by(given.turned(table, level, rows), expected) < 0.02
    power = [np.mean(np.abs(expected[:, plane.ring[plane.points] == r]) ** 2, axis=1) for r in range(1, RINGS + 1)]
    np.testing.assert_allclose(session.download(table.power), np.transpose(power), rtol=0.03, atol=0.02)


def test_rows_are_those_of_the_matrices(session, made, rng):
    given, grid = made(), rotation_grid(2)
    cells = rng.integers(0, len(grid), 30).astype(np.int32)
    rows = session.download(given.projector.rotation_rows("test rows", grid, cells, given.turn, 2.5))
    expected = 2.5 * grid.matrices(cells, given.turn)[:, :2]
    np.testing.assert_allclose(rows.reshape(30, 2, 4)[..., :3], expected, atol=1e-5)
