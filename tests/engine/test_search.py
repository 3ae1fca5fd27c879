import numpy as np
import pytest

from coldstart.demo.simulate import random_ctf
from coldstart.engine.images import ImagePreparer, MinibatchLoader
from coldstart.engine.search import FourierMap, PoseSearch, Stage
from coldstart.engine.update import PADDING, MapUpdater
from coldstart.model.fourier import HalfPlane
from coldstart.model.pose_grid import ShiftGrid, rotation_grid
from coldstart.model.so3 import geodesic_distance_deg, random_rotations
from coldstart.params import AbInitioParams

PLANE = HalfPlane(12.0)
SHIFTS = ShiftGrid(0.2, 1 / 24)
FINEST = 2


def stages(limit=1000, omitted=1e-3):
    return tuple(Stage(level, radius, omitted, limit) for level, radius in enumerate((8.0, 12.0, 12.0)))


class Searched:
    """A search of simulated images on the map that they were made of."""

    def __init__(self, session, truth):
        params = AbInitioParams()
        self.box = truth.particles.box_px
        self.loader = MinibatchLoader(
            session, truth.particles, ImagePreparer(truth.particles, truth.source, params, PLANE)
        )
        updater = MapUpdater(params, truth.volume.shape[0])
        self.map = FourierMap(session.upload("volume", updater.sliceable(truth.volume)), PADDING)
        self.search = PoseSearch(session, self.loader, PLANE)

    def run(self, rows, turn, levels, variance=1.0, seed=0, shifts=SHIFTS):
        self.turn = turn
        batch = self.loader.load(np.asarray(rows), np.full(len(PLANE.shell_sizes), float(variance)))
        return self.search.run(batch, self.map, turn, shifts, levels, np.random.default_rng(seed))

    def best(self, found):
        """Matrices and shifts in pixels of each image's most probable hypothesis."""
        which = [np.flatnonzero(found.image == i) for i in range(len(found.ess))]
        top = np.array([w[np.argmax(found.posterior[w])] for w in which])
        matrices = rotation_grid(found.level).matrices(found.rotation[top], self.turn)
        return matrices, SHIFTS.points(found.level)[found.shift[top]] * self.box


@pytest.fixture
def twenty(rng, session, simulated):
    """Twenty images with CTF, at a signal far above the noise."""
    truth = simulated(random_rotations(rng, 20), rng.uniform(-4, 4, (20, 2)), random_ctf(rng, 20), snr=20.0)
    return truth, Searched(session, truth)


def test_poses_are_found(rng, twenty):
    """The variance is raised as a run's inflation does: no cell of the coarse grid fits images of this quality."""
    truth, searched = twenty
    found = searched.run(np.arange(20), random_rotations(rng, 1)[0], stages(), variance=300.0)
    matrices, shift_px = searched.best(found)
    step = rotation_grid(FINEST).step_deg
    distance = geodesic_distance_deg(matrices, truth.matrices)
    assert found.level == FINEST
    assert distance.max() < 2 * step
    assert np.mean(distance < step) >= 0.8
    assert np.abs(shift_px - truth.shift_px).max() < SHIFTS.step / 2**FINEST * searched.box


def test_origin_of_a_particle_off_the_centre(session, simulated, rng):
    """Density at (+3, -5) px from the centre has RELION's origin (-3, +5) px: the shift found, with its sign turned."""
    truth = simulated(random_rotations(rng, 3), np.tile([3.0, -5.0], (3, 1)), snr=20.0)
    searched = Searched(session, truth)
    found = searched.run([0, 1, 2], np.eye(3), stages(2000), variance=100.0)
    assert not found.limited.any()
    origin_px = -searched.best(found)[1]
    np.testing.assert_allclose(origin_px, np.tile([-3.0, 5.0], (3, 1)), atol=SHIFTS.step / 2**FINEST * searched.box)


def test_hypotheses_hold_the_posterior(rng, twenty):
    _, searched = twenty
    found = searched.run(np.arange(20), random_rotations(rng, 1)[0], stages(2000, 1e-2), variance=60.0)
    assert not found.limited.any()
    assert (np.diff(found.image) >= 0).all()
    np.testing.assert_array_equal(np.unique(found.image), np.arange(20))
    np.testing.assert_allclose(np.bincount(found.image, found.posterior), 1, atol=1e-5)
    assert (found.posterior > 0).all()
    assert (found.rotation < len(rotation_grid(FINEST))).all()
    assert (found.shift < len(SHIFTS.points(FINEST))).all()
    poses = np.stack([found.image, found.rotation, found.shift])
    assert len(np.unique(poses, axis=1).T) == poses.shape[1]
    squares = np.bincount(found.image, found.posterior.astype(float) ** 2)
    np.testing.assert_allclose(found.ess, 1 / squares, rtol=0.05)
    assert (found.ess_rotations >= 1 - 1e-4).all()


def test_a_broad_posterior_is_sampled(rng, twenty):
    _, searched = twenty
    found = searched.run(np.arange(20), random_rotations(rng, 1)[0], stages(8), variance=1000.0)
    assert found.limited.all()
    kept = np.bincount(found.image, minlength=20)
    assert (kept >= 1).all()
    assert (kept <= 8 + 1).all()
    np.testing.assert_allclose(np.bincount(found.image, found.posterior), 1, atol=1e-5)


@pytest.mark.parametrize("variance", [400.0, 1000.0])
def test_samples_have_the_posterior_and_the_evidence_for_their_mean(rng, session, simulated, variance):
    """Many samples of one image's posterior against all of it, on the 12 base pixels of the directions.

    With its evidence for a weight a sample is free of bias. Without, its mean is off by the covariance of posterior and
    evidence, which is at most the product of their deviations. By the normal law of 600 samples, five standard errors
    are passed by one row of 12 in a hundred thousand.
    """
    truth = simulated(random_rotations(rng, 1), np.array([[1.0, -0.5]]), random_ctf(rng, 1), snr=20.0)
    searched, few_shifts, turn = Searched(session, truth), ShiftGrid(0.09, 1 / 24), random_rotations(rng, 1)[0]
    limits, repeats = (16, 24), 600

    def levels(limits, omitted):
        return tuple(Stage(level, (5.0, 7.0)[level], omitted, limit) for level, limit in enumerate(limits))

    whole = searched.run([0], turn, levels((10**7, 10**7), 1e-5), variance, shifts=few_shifts)
    samples = searched.run(np.zeros(repeats, int), turn, levels(limits, 1e-3), variance, shifts=few_shifts)
    assert not whole.limited.any()
    assert samples.limited.all()
    evidence = np.exp(samples.log_evidence - whole.log_evidence[0])
    posterior, expected = shares_of_base_pixels(samples), shares_of_base_pixels(whole)[0]
    assert (expected > 0.02).sum() >= 4
    deviation = posterior.std(axis=0)
    for drawn, exact, bias in (
        (evidence, 1.0, 0.0),
        (posterior * evidence[:, None], expected, 0.0),
        (posterior, expected, deviation * evidence.std()),
    ):
        error = drawn.std(axis=0, ddof=1) / np.sqrt(repeats)
        assert (np.abs(drawn.mean(axis=0) - exact) < 5 * error + bias + 1e-4).all()
    assert 0 < evidence.std() < 0.5


def shares_of_base_pixels(found):
    """Posterior of each of the 12 base pixels of the directions, (images, 12)."""
    grid = rotation_grid(found.level)
    base = found.rotation // (grid.in_plane * grid.nside**2)
    return np.stack([np.bincount(found.image, found.posterior * (base == i)) for i in range(12)], axis=1)


def test_more_noise_leaves_more_poses_in_question(rng, twenty):
    _, searched = twenty
    turn = random_rotations(rng, 1)[0]
    coarse = stages()[:1]
    spread = [searched.run(np.arange(20), turn, coarse, variance).ess_rotations.mean() for variance in (20, 200, 2000)]
    assert spread[0] < spread[1] < spread[2]


NAMES = ("image", "rotation", "shift", "posterior", "log_evidence", "ess", "ess_rotations", "limited")


@pytest.mark.parametrize(("limit", "variance"), [(1000, 60.0), (8, 1000.0)])
def test_the_same_bytes_twice(rng, twenty, limit, variance):
    _, searched = twenty
    turn = random_rotations(rng, 1)[0]
    first, again = (searched.run(np.arange(20), turn, stages(limit), variance, seed=5) for _ in range(2))
    for name in NAMES:
        assert getattr(first, name).tobytes() == getattr(again, name).tobytes(), name


def test_the_seed_matters_to_what_is_sampled_alone(rng, twenty):
    _, searched = twenty
    turn = random_rotations(rng, 1)[0]
    narrow = [searched.run(np.arange(20), turn, stages(1000), 60.0, seed) for seed in (1, 2)]
    broad = [searched.run(np.arange(20), turn, stages(8), 1000.0, seed) for seed in (1, 2)]
    assert not narrow[0].limited.any()
    for name in NAMES:
        assert getattr(narrow[0], name).tobytes() == getattr(narrow[1], name).tobytes(), name
    assert broad[0].rotation.tobytes() != broad[1].rotation.tobytes()
    np.testing.assert_array_equal(broad[0].ess_rotations, broad[1].ess_rotations)


def test_an_image_that_is_not_sampled_does_not_depend_on_its_batch(rng, twenty):
    """Its neighbour in the batch is sampled, and its place in it another."""
    truth, searched = twenty
    truth.source.images[12] = 7.0
    turn = random_rotations(rng, 1)[0]
    together = searched.run(np.arange(20), turn, stages(), 60.0)
    alone = searched.run([13], turn, stages(), 60.0, seed=9)
    assert together.limited[12]
    assert not together.limited[13]
    assert not alone.limited[0]
    own = together.image == 13
    for name in ("rotation", "shift", "posterior"):
        assert getattr(together, name)[own].tobytes() == getattr(alone, name).tobytes(), name
    assert together.log_evidence[13] == alone.log_evidence[0]


def test_an_empty_image_among_others(session, simulated, rng):
    truth = simulated(random_rotations(rng, 3), np.zeros((3, 2)), snr=20.0)
    truth.source.images[1] = 7.0
    searched = Searched(session, truth)
    found = searched.run([0, 1, 2], np.eye(3), stages(2000), variance=100.0)
    assert set(found.image) == {0, 1, 2}
    np.testing.assert_array_equal(found.limited, [False, True, False])
    own = found.posterior[found.image == 1]
    np.testing.assert_allclose(own, 1 / len(own), rtol=1e-4)  # nothing speaks for any pose
    assert np.isfinite(found.posterior).all()
    assert np.isfinite(found.log_evidence).all()
    matrices, _ = searched.best(found)
    assert geodesic_distance_deg(matrices, truth.matrices)[[0, 2]].max() < 8
