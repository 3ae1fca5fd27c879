from dataclasses import dataclass, replace

import numpy as np
import pytest

from coldstart.engine import reference
from coldstart.engine.expectation import Hypotheses
from coldstart.engine.gradient import Backprojector, Gradient
from coldstart.engine.images import ImagePreparer, Minibatch, MinibatchLoader
from coldstart.engine.rings import FINEST_LEVEL, Rings
from coldstart.engine.search import MapSlices, PoseSearch
from coldstart.engine.slices import FourierMap
from coldstart.engine.stage import Stage
from coldstart.engine.symmetrizer import Symmetrizer
from coldstart.engine.update import PADDING, MapUpdater
from coldstart.model.fourier import radius_grid
from coldstart.model.fsc import fourier_shell_correlation
from coldstart.model.polar import PolarPlane
from coldstart.model.pose_grid import ShiftGrid, rotation_grid
from coldstart.model.so3 import random_rotations
from coldstart.model.symmetry import point_group
from coldstart.params import AbInitioParams

RINGS, RADIUS, SIDE = 8, 7.7, 24
SHIFTS = ShiftGrid(0.1, 0.08)
ON_RINGS, FINER = 1, FINEST_LEVEL + 1
LEVELS = pytest.mark.parametrize("level", [ON_RINGS, FINER])
CLASSES = pytest.mark.parametrize("classes", [1, 3])


@dataclass
class Setting:
    """A minibatch of exact slices of known maps, and everything that back-projects it.

    Attributes
    ----------
    matrices : (B, 3, 3) float64
        True poses.
    of_class : (B,) int64
        True classes.
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
    of_class: np.ndarray
    z: np.ndarray
    u: np.ndarray
    truth: np.ndarray
    noise_power: np.ndarray

    def run(self, found=None, symmetrizer=None) -> Gradient:
        return self.backprojector.run(self.batch, found or self.found, self.slices, RADIUS, SIDE, symmetrizer)


def blobs(classes=1):
    """Three blobs, of each class at other heights, (classes, SIDE, SIDE, SIDE)."""
    axis = np.arange(SIDE) - SIDE // 2
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    return np.stack(
        [
            sum(
                weight * np.exp(-0.5 * ((x - a) ** 2 + (y - b) ** 2 + (z - c + 2 * k) ** 2) / 1.7**2)
                for weight, a, b, c in ((1.0, 3, 0, -1), (0.7, -3, 2, 1), (0.5, 0, -4, 3))
            )
            for k in range(classes)
        ]
    ).astype(np.float32)


def of_rings(plane, values):
    """Mean of (B, stride) over the points of each ring and the images."""
    return np.bincount(plane.ring, np.mean(values, axis=0))[1:] / plane.half_points


def hypotheses_of(level, classes, rotation, shift, view):
    count = len(rotation)
    return Hypotheses(
        level=level,
        classes=classes,
        image=np.arange(count),
        rotation=rotation,
        shift=shift,
        within=np.ones(count, np.float32),
        posterior=np.ones(count, np.float32),
        class_posterior=np.full((count, classes), 1 / classes),
        map_evidence=np.zeros((count, classes)),
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
    """(images, level of their poses, spread of the noise, directions that they share; of its own each by default;
    maps, to which the images belong in turn)."""

    def make(count=150, level=ON_RINGS, noise=0.0, directions=None, truth=None):
        params, grid = AbInitioParams(), rotation_grid(level)
        particles, source = in_memory(np.zeros((count, SIDE, SIDE), np.float32), 5.0)
        rings = Rings(session, level, RINGS)
        plane = rings.plane
        loader = MinibatchLoader(session, particles, ImagePreparer(particles, source, params, plane), rings)
        search, updater = PoseSearch(session, loader), MapUpdater(params, SIDE, point_group("C1"))
        truth = blobs() if truth is None else truth
        classes, turn = len(truth), random_rotations(rng, 1)[0]
        volume = FourierMap.upload(session, updater.sliceable(truth), PADDING)
        slices = search.prepare(volume, turn, tuple(Stage(i, RINGS, 1e-3, 100) for i in range(level + 1)))

        direction = rng.permutation(rng.choice(grid.directions, directions or count, replace=False))
        of_class = np.arange(count) % classes
        cells = (np.resize(direction, count) * grid.in_plane + rng.integers(0, grid.in_plane, count)).astype(np.int32)
        rotation = (of_class * len(grid) + cells).astype(np.int32)
        shift = rng.integers(0, len(SHIFTS.points(level)), count).astype(np.int32)
        matrices, variance = grid.matrices(cells, turn), rng.uniform(0.5, 2.0, RINGS)
        rows = np.zeros((count, 8))
        rows[:, 0:3], rows[:, 3], rows[:, 4:7] = PADDING * matrices[:, 0], of_class, PADDING * matrices[:, 1]
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
            np.add.reduceat(np.abs(x) ** 2, plane.ring_start[:-1], axis=1) / plane.half_points,
            np.ones((count, RINGS)),
            float(np.abs(a).max()),
            float(w.max()),
        )
        found = hypotheses_of(level, classes, rotation, shift, loader.view(batch, level, SHIFTS, of_cells=False))
        noise_power = of_rings(plane, np.where(plane.weights > 0, np.sum(added**2, axis=0), 0.0))
        return Setting(
            Backprojector(session, rings, search.projector), updater, batch, found, slices, plane, matrices, of_class,
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
        at = 0, zed + SIDE // 2, y + SIDE // 2, x
        assert gradient.denominator[at] == pytest.approx(share @ u, abs=1e-4)
        assert gradient.numerator[at] == pytest.approx(share @ z, abs=1e-3)  # coefficients of up to 50


@LEVELS
def test_nothing_lies_beyond_the_radius(setting, level):
    given = setting(20, level)
    gradient = given.run()
    far = radius_grid(SIDE) > 7 + np.sqrt(3)
    assert not gradient.numerator[:, far].any()
    assert not gradient.denominator[:, far].any()
    assert gradient.residual_power.shape == (RINGS,)
    assert np.isnan(gradient.residual_power[7:]).all()
    assert np.isfinite(gradient.residual_power[:7]).all()


@LEVELS
def test_exact_slices_give_the_map_back(setting, level):
    """Each class its own."""
    given = setting(760, level, truth=blobs(2))
    found = given.updater.solution(given.run(), RADIUS)
    assert found.shape == given.truth.shape
    for one, truth in zip(found, given.truth, strict=True):
        inside = truth > 0.02
        assert np.corrcoef(one[inside], truth[inside])[0, 1] > 0.99
        assert np.sum(one * truth) / np.sum(truth**2) == pytest.approx(1.0, abs=0.1)


@LEVELS
@CLASSES
def test_residual_power_of_exact_slices_is_none(setting, level, classes):
    """Where each is compared with the map of its class."""
    given = setting(60, level, truth=blobs(classes))
    power = given.run().residual_power[:7]
    assert np.abs(power).max() < 1e-4 * given.batch.power[0]
    if classes > 1:
        other = replace(given.found, rotation=given.found.rotation[np.r_[1:60, 0]])
        assert given.run(other).residual_power[0] > 0.01 * given.batch.power[0]


@LEVELS
def test_every_class_has_the_sums_of_its_own_images(setting, level):
    """To the last byte those that the images of the other classes, of no weight, leave as they are."""
    given = setting(45, level, truth=blobs(3))
    whole = given.run()
    for number in range(3):
        mine = given.of_class == number
        alone = given.run(replace(given.found, posterior=mine.astype(np.float32)))
        for name in ("numerator", "denominator"):
            own, others = getattr(alone, name)[number], np.delete(getattr(alone, name), number, axis=0)
            assert own.tobytes() == getattr(whole, name)[number].tobytes()
            assert own.any()
            assert not others.any()


@LEVELS
def test_classes_in_another_order_have_the_same_sums_in_that_order(setting, level):
    given, order = setting(45, level, truth=blobs(3)), np.array([2, 0, 1])
    of_class, cell = np.divmod(given.found.rotation, len(rotation_grid(level)))
    moved = (np.argsort(order)[of_class] * len(rotation_grid(level)) + cell).astype(np.int32)
    whole, other = given.run(), given.run(replace(given.found, rotation=moved))
    np.testing.assert_array_equal(other.numerator, whole.numerator[order])
    np.testing.assert_array_equal(other.denominator, whole.denominator[order])


@LEVELS
@pytest.mark.parametrize("directions", [None, 5])
def test_residual_power_is_the_noise(setting, level, directions):
    given = setting(60, level, noise=0.8, directions=directions)
    power = given.run().residual_power[:7]
    np.testing.assert_allclose(power, given.noise_power[:7], rtol=1e-2)


def test_residual_power_of_a_map_of_nothing_is_the_images(session, setting):
    given = setting(30)
    nothing = replace(given.slices.volume, data=session.zero(session.array("zero", (1, 48, 48, 25), np.complex64)))
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
@CLASSES
@pytest.mark.parametrize("directions", [None, 4])
def test_the_same_bytes_twice(setting, level, classes, directions):
    given = setting(60, level, noise=0.5, directions=directions, truth=blobs(classes))
    assert same_bytes(given.run(), given.run())


@LEVELS
def test_the_same_bytes_whatever_the_order_of_the_slices(setting, rng, level):
    given = setting(60, level, noise=0.5, truth=blobs(3))
    order = rng.permutation(60)
    shuffled = replace(
        given.found,
        **{name: getattr(given.found, name)[order] for name in ("image", "rotation", "shift", "posterior")},
    )
    assert same_bytes(given.run(), given.run(shuffled))


def test_gradients_add_up(setting):
    given = setting(30)
    one = given.run()
    both = Gradient.zero(1, SIDE, RINGS) + one + one
    np.testing.assert_array_equal(both.numerator, 2 * one.numerator)
    np.testing.assert_array_equal(both.denominator, 2 * one.denominator)
    np.testing.assert_array_equal(both.residual_power, one.residual_power)
    assert np.isnan(Gradient.zero(1, SIDE, RINGS).residual_power).all()


def inserted(given, operators):
    """The gradient of every slice at its pose, of every class, under each of some operators."""
    plane = given.plane
    count, classes = plane.count(RADIUS), len(given.truth)
    rows = np.zeros((len(operators), len(given.matrices), 8))
    turned = given.matrices @ operators[:, None]
    rows[..., 0:3], rows[..., 3], rows[..., 4:7] = turned[..., 0, :], given.of_class, turned[..., 1, :]
    z, u = (np.tile(values, (len(operators), 1)) for values in (given.z, given.u))
    half = reference.insert_slices(
        *plane.frequencies.T, rows.reshape(-1, 8), np.stack([z.real, z.imag], axis=1), u, count, classes, SIDE,
        SIDE // 2 + 1,
    )  # fmt: skip
    sums = half[..., 0] + 1j * half[..., 1], half[..., 2].astype(complex)
    for whole in sums:
        whole[..., 0] += np.conj(np.roll(whole[:, ::-1, ::-1, 0], 1, axis=(1, 2)))
    return Gradient(sums[0], sums[1].real, np.zeros(RINGS))


def test_a_gradient_is_that_of_every_slice(setting):
    """Without symmetry, to what the fixed-point sums and float32 leave of it."""
    given = setting(40, truth=blobs(2))
    found, expected = given.run(), inserted(given, np.eye(3)[None])
    np.testing.assert_allclose(found.denominator, expected.denominator, atol=1e-4)
    np.testing.assert_allclose(found.numerator, expected.numerator, atol=1e-3)


def correlations(one, other):
    """Fourier shell correlations of maps up to the radius, (K, shells)."""
    return np.array([fourier_shell_correlation(*pair)[1 : int(RADIUS) + 1] for pair in zip(one, other, strict=True)])


@pytest.fixture
def symmetric(session, rng):
    """(point group) -> two maps of that symmetry, whose detail goes on beyond the radius."""

    def make(group):
        axis = np.arange(SIDE) - SIDE // 2
        beads = np.exp(-0.5 * (axis - rng.uniform(-4, 4, (2, 40, 3, 1))) ** 2 / 0.8**2)
        maps = np.einsum("kbz,kby,kbx->kzyx", *np.moveaxis(beads, 2, 0)).astype(np.float32)
        return MapUpdater(AbInitioParams(), SIDE, group).symmetrized(maps, Symmetrizer(session, group))

    return make


def both_ways(session, given, group):
    """The maps of the symmetrised gradient, and of that of every slice at each of its equivalent poses."""
    updater = MapUpdater(AbInitioParams(), SIDE, group)
    found = updater.solution(given.run(None, Symmetrizer(session, group)), RADIUS)
    return found, given.updater.solution(inserted(given, group.operators), RADIUS)


@pytest.mark.parametrize(
    ("symmetry", "level"), [("C3", ON_RINGS), ("D7", ON_RINGS), ("D7", FINER), ("O", ON_RINGS), ("I2", ON_RINGS)]
)
def test_with_a_point_group_every_image_counts_under_every_operator(session, setting, symmetric, symmetry, level):
    """The map is that of inserting every slice at each of its equivalent poses."""
    group = point_group(symmetry)
    found, expected = both_ways(session, setting(100, level, truth=symmetric(group)), group)
    assert correlations(found, expected).min() > 0.99
    for one, other in zip(found, expected, strict=True):
        assert np.vdot(one, other) / np.vdot(other, other) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("symmetry", ["C3", "D7", "O"])
def test_noise_too_is_averaged_over_the_operators(session, setting, symmetric, symmetry):
    """And not averaged less well where the images' points lie unevenly."""
    group = point_group(symmetry)
    given = setting(100, noise=30.0, truth=symmetric(group))
    found, expected = both_ways(session, given, group)
    assert correlations(given.truth, expected).min() < 0.8
    assert correlations(found, expected).min() > 0.98
