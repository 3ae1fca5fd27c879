from dataclasses import dataclass, replace

import numpy as np
import pytest

from coldstart.engine import reference
from coldstart.engine.gradient import Backprojector, Gradient
from coldstart.engine.images import ImagePreparer, Minibatch, MinibatchLoader
from coldstart.engine.rings import FINEST_LEVEL, Rings
from coldstart.engine.search import Hypotheses, MapSlices, PoseSearch, Stage
from coldstart.engine.slices import FourierMap
from coldstart.engine.update import PADDING, MapUpdater
from coldstart.model.polar import PolarPlane
from coldstart.model.pose_grid import ShiftGrid, rotation_grid
from coldstart.model.so3 import random_rotations
from coldstart.params import AbInitioParams

RINGS, RADIUS, SIDE = 8, 7.7, 24
SHIFTS = ShiftGrid(0.1, 0.08)
ON_RINGS, FINER = 1, FINEST_LEVEL + 1
LEVELS = pytest.mark.parametrize("level", [ON_RINGS, FINER])


@dataclass
class Setting:
    """A minibatch of exact slices of a known map, and everything that back-projects it.

    Attributes
    ----------
    matrices : (B, 3, 3) float64
        True poses.
    z, u : (B, stride) complex128, float64
        conj(S) A and W.
    """

    backprojector: Backprojector
    updater: MapUpdater
    batch: Minibatch
    found: Hypotheses
    slices: MapSlices
    plane: PolarPlane
    matrices: np.ndarray
    z: np.ndarray
    u: np.ndarray
    truth: np.ndarray
    noise_power: np.ndarray

    def run(self, found=None) -> Gradient:
        return self.backprojector.run(self.batch, found or self.found, self.slices, RADIUS, SIDE)


def blobs():
    axis = np.arange(SIDE) - SIDE // 2
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    return sum(
        weight * np.exp(-0.5 * ((x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2) / 1.7**2)
        for weight, a, b, c in ((1.0, 3, 0, -1), (0.7, -3, 2, 1), (0.5, 0, -4, 3))
    ).astype(np.float32)


def of_rings(plane, values):
    """Mean of (B, stride) over the points of each ring and the images."""
    return np.bincount(plane.ring, np.mean(values, axis=0))[1:] / plane.half_points


def hypotheses_of(level, rotation, shift, view):
    count = len(rotation)
    return Hypotheses(
        level=level,
        image=np.arange(count, dtype=np.int32),
        rotation=rotation,
        shift=shift,
        posterior=np.ones(count, np.float32),
        log_evidence=np.zeros(count),
        ess=np.ones(count),
        best_weight=np.zeros(count),
        ess_rotations=np.ones(count),
        limited=np.zeros(count, bool),
        view=view,
        stages=(),
        exhaustive_products=1,
    )


@pytest.fixture
def setting(session, rng, in_memory):
    """(images, level of their poses, spread of the noise, directions that they share; of its own each by default)."""

    def make(count=150, level=ON_RINGS, noise=0.0, directions=None):
        params, grid = AbInitioParams(), rotation_grid(level)
        particles, source = in_memory(np.zeros((count, SIDE, SIDE), np.float32), 5.0)
        rings = Rings(session, level, RINGS)
        plane = rings.plane
        loader = MinibatchLoader(session, particles, ImagePreparer(particles, source, params, plane), rings)
        search, updater = PoseSearch(session, loader), MapUpdater(params, SIDE)
        truth, turn = blobs(), random_rotations(rng, 1)[0]
        volume = FourierMap(session.upload("volume", updater.sliceable(truth)), PADDING)
        slices = search.prepare(volume, turn, tuple(Stage(i, RINGS, 1e-3, 100) for i in range(level + 1)))

        direction = rng.permutation(rng.choice(grid.directions, directions or count, replace=False))
        cells = (np.resize(direction, count) * grid.in_plane + rng.integers(0, grid.in_plane, count)).astype(np.int32)
        shift = rng.integers(0, len(SHIFTS.points(level)), count).astype(np.int32)
        matrices, variance = grid.matrices(cells, turn), rng.uniform(0.5, 2.0, RINGS)
        rows = np.zeros((count, 8))
        rows[:, 0:3], rows[:, 4:7] = PADDING * matrices[:, 0], PADDING * matrices[:, 1]
        y = reference.slices(updater.sliceable(truth), *plane.frequencies.T, rows, plane.stride)
        phase = np.exp(-2j * np.pi * SHIFTS.points(level)[shift] @ plane.frequencies.T)
        ctf = rng.uniform(0.3, 1.0, (count, plane.stride))
        added = noise * rng.standard_normal((2, count, plane.stride))
        x = np.where(plane.weights > 0, ctf * phase * y + added[0] + 1j * added[1], 0.0)
        inverse = plane.weights / variance[plane.ring - 1]
        a, w = ctf * x * inverse, ctf**2 * inverse
        batch = Minibatch(
            np.arange(count),
            session.upload("image", np.stack([a.real, a.imag], axis=1).astype(np.float32)),
            session.upload("weight", w.astype(np.float32)),
            variance,
            of_rings(plane, np.abs(x) ** 2),
            float(max(np.abs(a).max(), w.max())),
        )
        found = hypotheses_of(level, cells, shift, loader.view(batch, level, SHIFTS, of_cells=False))
        noise_power = of_rings(plane, np.where(plane.weights > 0, np.sum(added**2, axis=0), 0.0))
        return Setting(
            Backprojector(session, rings, search.projector), updater, batch, found, slices, plane, matrices,
            np.conj(phase) * a, w, truth, noise_power,
        )  # fmt: skip

    return make


@LEVELS
@pytest.mark.parametrize("directions", [40, 6])
def test_the_sums_are_those_of_all_coefficients_and_their_conjugates(setting, rng, level, directions):
    """At voxels inside and on the plane x = 0, against a sum over every pair of voxel and coefficient."""
    given = setting(40, level, directions=directions)
    gradient = given.run()
    count, matrices = given.plane.count(RADIUS), given.matrices
    k = given.plane.frequencies[:count]
    points = (k[:, 0, None] * matrices[:, None, 0] + k[:, 1, None] * matrices[:, None, 1]).reshape(-1, 3)
    z, u = given.z[:, :count].ravel(), given.u[:, :count].ravel()
    points, z, u = np.concatenate([points, -points]), np.concatenate([z, z.conj()]), np.concatenate([u, u])
    voxels = rng.integers(-6, 7, (60, 3))
    voxels[:, 0] = np.abs(voxels[:, 0])
    voxels[::2, 0] = 0
    for x, y, zed in voxels:
        share = np.maximum(1 - np.abs(points - (x, y, zed)), 0).prod(axis=1)
        at = zed + SIDE // 2, y + SIDE // 2, x
        assert gradient.denominator[at] == pytest.approx(share @ u, abs=1e-4)
        assert gradient.numerator[at] == pytest.approx(share @ z, abs=1e-3)  # coefficients of up to 50


@LEVELS
def test_nothing_lies_beyond_the_radius(setting, level):
    given = setting(20, level)
    gradient = given.run()
    far = given.updater._radius > 7 + np.sqrt(3)
    assert not gradient.numerator[far].any()
    assert not gradient.denominator[far].any()
    assert gradient.residual_power.shape == (RINGS,)
    assert np.isnan(gradient.residual_power[7:]).all()
    assert np.isfinite(gradient.residual_power[:7]).all()


@LEVELS
def test_exact_slices_give_the_map_back(setting, level):
    given = setting(400, level)
    found = given.updater.solution(given.run(), RADIUS)
    inside = given.truth > 0.02
    assert np.corrcoef(found[inside], given.truth[inside])[0, 1] > 0.99
    assert np.sum(found * given.truth) / np.sum(given.truth**2) == pytest.approx(1.0, abs=0.1)


@LEVELS
def test_residual_power_of_exact_slices_is_none(setting, level):
    given = setting(60, level)
    power = given.run().residual_power[:7]
    assert np.abs(power).max() < 1e-4 * given.batch.power[0]


@LEVELS
@pytest.mark.parametrize("directions", [None, 5])
def test_residual_power_is_the_noise(setting, level, directions):
    given = setting(60, level, noise=0.8, directions=directions)
    power = given.run().residual_power[:7]
    np.testing.assert_allclose(power, given.noise_power[:7], rtol=1e-2)


def test_residual_power_of_a_map_of_nothing_is_the_images(session, setting):
    given = setting(30)
    nothing = replace(given.slices.volume, data=session.zero(session.array("zero", (48, 48, 25), np.complex64)))
    tables = tuple(replace(t, slice=session.zero(session.array("no slices", t.slice.shape, np.float32)))
                   for t in given.slices.tables)  # fmt: skip
    given.slices = replace(given.slices, volume=nothing, tables=tables)
    np.testing.assert_allclose(given.run().residual_power[:7], given.batch.power[:7], rtol=1e-5)


@LEVELS
def test_posteriors_weigh_the_hypotheses(setting, level):
    given = setting(60, level)
    whole, half = given.run(), given.run(replace(given.found, posterior=np.full(60, 0.5, np.float32)))
    np.testing.assert_allclose(half.denominator, 0.5 * whole.denominator, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(half.numerator, 0.5 * whole.numerator, rtol=1e-5, atol=1e-5)


@LEVELS
def test_one_pose_in_two_shares_is_one_pose(setting, level):
    given = setting(30, level)
    doubled = replace(
        given.found,
        **{name: np.repeat(getattr(given.found, name), 2) for name in ("image", "rotation", "shift")},
        posterior=np.tile(np.array([0.25, 0.75], np.float32), 30),
    )
    np.testing.assert_allclose(given.run(doubled).denominator, given.run().denominator, rtol=1e-5, atol=1e-6)


def test_an_image_spread_over_poses_adds_at_all_of_them(setting):
    """Half of it at each of two poses is half the sum of the whole at either."""
    given = setting(30)
    other = np.roll(given.found.rotation, 1)
    half = np.full(60, 0.5, np.float32)
    spread = replace(
        given.found,
        image=np.repeat(given.found.image, 2),
        rotation=np.stack([given.found.rotation, other], axis=1).ravel(),
        shift=np.repeat(given.found.shift, 2),
        posterior=half,
    )
    one, two, both = given.run(), given.run(replace(given.found, rotation=other)), given.run(spread)
    np.testing.assert_allclose(both.denominator, 0.5 * (one.denominator + two.denominator), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(both.numerator, 0.5 * (one.numerator + two.numerator), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(
        both.residual_power[:7], 0.5 * (one.residual_power + two.residual_power)[:7], rtol=1e-4, atol=1e-5
    )


def same_bytes(one, other):
    return all(
        getattr(one, name).tobytes() == getattr(other, name).tobytes()
        for name in ("numerator", "denominator", "residual_power")
    )


@LEVELS
@pytest.mark.parametrize("directions", [None, 4])
def test_the_same_bytes_twice(setting, level, directions):
    given = setting(60, level, noise=0.5, directions=directions)
    assert same_bytes(given.run(), given.run())


@LEVELS
def test_the_same_bytes_whatever_the_order_of_the_slices(setting, rng, level):
    given = setting(60, level, noise=0.5)
    order = rng.permutation(60)
    shuffled = replace(
        given.found,
        **{name: getattr(given.found, name)[order] for name in ("image", "rotation", "shift", "posterior")},
    )
    assert same_bytes(given.run(), given.run(shuffled))


def test_gradients_add_up(setting):
    given = setting(30)
    one = given.run()
    both = Gradient.zero(SIDE, RINGS) + one + one
    np.testing.assert_array_equal(both.numerator, 2 * one.numerator)
    np.testing.assert_array_equal(both.denominator, 2 * one.denominator)
    np.testing.assert_array_equal(both.residual_power, one.residual_power)
    assert np.isnan(Gradient.zero(SIDE, RINGS).residual_power).all()
