from dataclasses import dataclass, replace

import numpy as np
import pytest

from coldstart.engine import reference
from coldstart.engine.gradient import Backprojector, Gradient
from coldstart.engine.images import ImagePreparer, Minibatch, MinibatchLoader
from coldstart.engine.search import FourierMap, Hypotheses, PoseSearch
from coldstart.engine.update import PADDING, MapUpdater
from coldstart.model.fourier import HalfPlane
from coldstart.model.pose_grid import rotation_grid
from coldstart.model.so3 import random_rotations
from coldstart.params import AbInitioParams

PLANE, RADIUS, SIDE = HalfPlane(8.6), 7.7, 24
LEVEL = 1
SHIFTS = np.array([[0.0, 0.0], [0.06, -0.1], [-0.04, 0.03]])


@dataclass
class Setting:
    """A minibatch of exact slices of a known map, and everything that back-projects it."""

    backprojector: Backprojector
    updater: MapUpdater
    batch: Minibatch
    found: Hypotheses
    map: FourierMap
    turn: np.ndarray
    variance: np.ndarray
    z: np.ndarray
    u: np.ndarray
    truth: np.ndarray
    noise_power: np.ndarray

    def run(self, found=None, batch=None) -> Gradient:
        return self.backprojector.run(
            batch or self.batch, found or self.found, self.map, self.turn, RADIUS, self.variance
        )


def blobs():
    axis = np.arange(SIDE) - SIDE // 2
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    return sum(
        weight * np.exp(-0.5 * ((x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2) / 1.7**2)
        for weight, a, b, c in ((1.0, 3, 0, -1), (0.7, -3, 2, 1), (0.5, 0, -4, 3))
    ).astype(np.float32)


@pytest.fixture
def setting(session, rng, in_memory):
    def make(count=150, noise=0.0):
        params = AbInitioParams()
        particles, source = in_memory(np.zeros((count, SIDE, SIDE), np.float32), 5.0)
        loader = MinibatchLoader(session, particles, ImagePreparer(particles, source, params, PLANE))
        search, updater = PoseSearch(session, loader, PLANE), MapUpdater(params, SIDE)
        truth = blobs()
        spectrum, turn = updater.sliceable(truth), random_rotations(rng, 1)[0]
        cells = np.sort(rng.choice(len(rotation_grid(LEVEL)), count, replace=False)).astype(np.int32)
        order = rng.permutation(count).astype(np.int32)  # which image has which cell
        shift = rng.integers(0, len(SHIFTS), count).astype(np.int32)
        matrices = rotation_grid(LEVEL).matrices(cells, turn)
        kx, ky = PLANE.frequencies.T
        rows = np.zeros((count, 8))
        rows[:, 0:3], rows[:, 4:7] = PADDING * matrices[:, 0], PADDING * matrices[:, 1]
        y = reference.slices(spectrum, kx, ky, rows, len(PLANE))
        phase = np.exp(-2j * np.pi * SHIFTS @ PLANE.frequencies.T)
        ctf, variance = rng.uniform(0.3, 1.0, (count, len(PLANE))), rng.uniform(0.5, 2.0, PLANE.shells[-1])
        added = noise * rng.standard_normal((2, count, len(PLANE)))
        x = ctf * phase[shift] * y + added[0] + 1j * added[1]
        sigma2 = variance[PLANE.shells - 1]
        a, w = ctf * x / sigma2, ctf**2 / sigma2
        in_order = np.argsort(order)
        power = np.bincount(PLANE.shells, np.mean(np.abs(x) ** 2, axis=0))[1:] / PLANE.shell_sizes
        batch = Minibatch(
            np.arange(count),
            session.upload("image", PLANE.padded(np.stack([a.real, a.imag], axis=1)[in_order])),
            session.upload("weight", PLANE.padded(w[in_order])),
            power,
            float(max(np.abs(a).max(), w.max())),
        )
        by_image = np.argsort(order)
        found = Hypotheses(
            level=LEVEL,
            image=np.arange(count, dtype=np.int32),
            rotation=cells[by_image],
            shift=shift[by_image],
            posterior=np.ones(count, np.float32),
            log_evidence=np.zeros(count),
            ess=np.ones(count),
            ess_rotations=np.ones(count),
            limited=np.zeros(count, bool),
            phase=loader.phase_table("test phase", SHIFTS),
        )
        backprojector = Backprojector(session, loader, search, PLANE, SIDE)
        volume = FourierMap(session.upload("volume", spectrum), PADDING)
        mean_noise = np.bincount(PLANE.shells, np.mean(np.abs(added[0] + 1j * added[1]) ** 2, axis=0))[1:]
        return Setting(
            backprojector, updater, batch, found, volume, turn, variance, np.conj(phase[shift]) * a, w, truth,
            mean_noise / PLANE.shell_sizes,
        ), matrices  # fmt: skip

    return make


def test_the_sums_are_those_of_all_coefficients_and_their_conjugates(setting, rng):
    """At voxels inside and on the plane x = 0, against a sum over every pair of voxel and coefficient."""
    given, matrices = setting(count=40)
    gradient = given.run()
    count = PLANE.count(RADIUS)
    k = PLANE.frequencies[:count]
    points = (k[:, 0, None] * matrices[:, None, 0] + k[:, 1, None] * matrices[:, None, 1]).reshape(-1, 3)
    z, u = given.z[:, :count].ravel(), given.u[:, :count].ravel()
    points, z, u = np.concatenate([points, -points]), np.concatenate([z, z.conj()]), np.concatenate([u, u])
    voxels = rng.integers(-6, 7, (120, 3))
    voxels[:, 0] = np.abs(voxels[:, 0])
    voxels[::2, 0] = 0
    for x, y, zed in voxels:
        share = np.maximum(1 - np.abs(points - (x, y, zed)), 0).prod(axis=1)
        at = zed + SIDE // 2, y + SIDE // 2, x
        assert gradient.denominator[at] == pytest.approx(share @ u, abs=1e-4)
        assert gradient.numerator[at] == pytest.approx(share @ z, abs=1e-3)  # coefficients of up to 50


def test_nothing_lies_beyond_the_radius(setting):
    given, _ = setting(count=20)
    gradient = given.run()
    far = given.updater._radius > RADIUS + np.sqrt(3)
    assert not gradient.numerator[far].any()
    assert not gradient.denominator[far].any()
    assert np.isnan(gradient.residual_power[7:]).all()
    assert np.isfinite(gradient.residual_power[:7]).all()


def test_exact_slices_give_the_map_back(setting):
    given, _ = setting(count=400)
    found = given.updater.solution(given.run(), RADIUS)
    inside = given.truth > 0.02
    assert np.corrcoef(found[inside], given.truth[inside])[0, 1] > 0.99
    assert np.sum(found * given.truth) / np.sum(given.truth**2) == pytest.approx(1.0, abs=0.1)


def test_residual_power_of_exact_slices_is_none(setting):
    given, _ = setting(count=60)
    power = given.run().residual_power[:7]
    assert np.abs(power).max() < 1e-4 * given.batch.power[0]


def test_residual_power_is_the_noise(setting):
    given, _ = setting(count=60, noise=0.8)
    power = given.run().residual_power[:7]
    np.testing.assert_allclose(power, given.noise_power[:7], rtol=1e-2)


def test_posteriors_weigh_the_hypotheses(setting):
    given, _ = setting(count=60)
    whole, half = given.run(), given.run(replace(given.found, posterior=np.full(60, 0.5, np.float32)))
    np.testing.assert_allclose(half.denominator, 0.5 * whole.denominator, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(half.numerator, 0.5 * whole.numerator, rtol=1e-5, atol=1e-5)


def test_one_pose_in_two_shares_is_one_pose(setting):
    given, _ = setting(count=30)
    doubled = replace(
        given.found,
        **{name: np.repeat(getattr(given.found, name), 2) for name in ("image", "rotation", "shift")},
        posterior=np.tile(np.array([0.25, 0.75], np.float32), 30),
    )
    np.testing.assert_allclose(given.run(doubled).denominator, given.run().denominator, rtol=1e-5, atol=1e-6)


def test_the_same_bytes_in_any_order(setting, rng):
    given, _ = setting(count=60)
    first, again = given.run(), given.run()
    order = rng.permutation(60)
    shuffled = given.run(
        replace(
            given.found,
            **{name: getattr(given.found, name)[order] for name in ("image", "rotation", "shift", "posterior")},
        )
    )
    for other in (again, shuffled):
        assert first.numerator.tobytes() == other.numerator.tobytes()
        assert first.denominator.tobytes() == other.denominator.tobytes()
        assert first.residual_power.tobytes() == other.residual_power.tobytes()


def test_gradients_add_up(setting):
    given, _ = setting(count=30)
    one = given.run()
    both = one + one
    np.testing.assert_array_equal(both.numerator, 2 * one.numerator)
    np.testing.assert_array_equal(both.denominator, 2 * one.denominator)
