from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from coldstart.demo.simulate import random_ctf
from coldstart.engine import reference, second_look
from coldstart.engine.images import ImagePreparer, MinibatchLoader
from coldstart.engine.rings import FINEST_LEVEL, Rings
from coldstart.engine.search import PoseSearch
from coldstart.engine.slices import FourierMap
from coldstart.engine.stage import Stage
from coldstart.engine.update import PADDING, MapUpdater
from coldstart.model.ctf import evaluate_ctf, take_rows
from coldstart.model.pose_grid import ShiftGrid, rotation_grid
from coldstart.model.so3 import geodesic_distance_deg, random_rotations
from coldstart.model.symmetry import point_group
from coldstart.params import AbInitioParams

RINGS = 12
SHIFTS = ShiftGrid(0.2, 1 / 24)
FINEST = 2
RADII = (8.0, 12.0, 12.0, 12.0)
EVERYTHING = 10**7
LOOKED_AT = 30
NAMES = ("image", "rotation", "shift", "posterior", "log_evidence", "ess", "best_weight", "ess_rotations", "limited")


def stages(limit=1000, omitted=1e-3, finest=FINEST):
    return tuple(Stage(level, radius, omitted, limit) for level, radius in enumerate(RADII[: finest + 1]))


class Searched:
    """A search of simulated images on the map that they were made of."""

    def __init__(self, session, truth, finest=FINEST):
        params = AbInitioParams()
        self.box = truth.particles.box_px
        self.rings = Rings(session, finest, RINGS)
        preparer = ImagePreparer(truth.particles, truth.source, params, self.rings.plane)
        self.loader = MinibatchLoader(session, truth.particles, preparer, self.rings)
        updater = MapUpdater(params, truth.volume.shape[0], point_group("C1"))
        self.map = FourierMap.upload(session, updater.sliceable(truth.volume[None]), PADDING)
        self.search = PoseSearch(session, self.loader)

    def run(self, rows, turn, levels, variance=1.0, seed=0, shifts=SHIFTS):
        """Without a seed, the most probable poses are wanted and no sample."""
        self.turn = turn
        batch = self.loader.load(np.asarray(rows), np.full(RINGS, float(variance)))
        rng = None if seed is None else np.random.default_rng(seed)
        return self.search.run(batch, self.search.prepare(self.map, turn, levels), shifts, levels, rng)

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


@pytest.mark.parametrize(
    ("variance", "plan"),
    [(400.0, ((0, 5.0, 16), (1, 7.0, 24))), (1000.0, ((0, 5.0, 16), (1, 7.0, 24))),
     (400.0, ((0, 4.0, 30), (0, 5.0, 16), (1, 6.0, 40), (1, 7.0, 24)))],
)  # fmt: skip
def test_samples_have_the_posterior_and_the_evidence_for_their_mean(rng, session, simulated, variance, plan):
    """Many samples of one image's posterior against all of it, on the 12 base pixels of the directions.

    With its evidence for a weight a sample is free of bias. Without, its mean is off by the covariance of posterior and
    evidence, which is at most the product of their deviations. By the normal law of 600 samples, five standard errors
    are passed by one row of 12 in a hundred thousand.
    """
    truth = simulated(random_rotations(rng, 1), np.array([[1.0, -0.5]]), random_ctf(rng, 1), snr=20.0)
    searched, few_shifts, turn = Searched(session, truth), ShiftGrid(0.09, 1 / 24), random_rotations(rng, 1)[0]
    repeats = 600

    def levels(omitted, limit=None):
        return tuple(Stage(level, radius, omitted, limit or own) for level, radius, own in plan)

    whole = searched.run([0], turn, levels(1e-5, EVERYTHING), variance, shifts=few_shifts)
    samples = searched.run(np.zeros(repeats, int), turn, levels(1e-3), variance, shifts=few_shifts)
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
    assert 0 < evidence.std() < 2  # so that the standard errors are a tenth at most


def shares_of_base_pixels(found):
    """Posterior of each of the 12 base pixels of the directions, (images, 12)."""
    grid = rotation_grid(found.level)
    base = found.rotation // (grid.in_plane * grid.nside**2)
    return np.stack([np.bincount(found.image, found.posterior * (base == i)) for i in range(12)], axis=1)


def energies(searched, truth, found, turn, variance, shifts):
    """sum a |X - C S Y|^2 / sigma^2 - sum a |X|^2 / sigma^2 of each hypothesis, from the pixels' transforms."""
    plane = searched.rings.table(found.level).plane
    box = truth.particles.box_angstrom
    rows = np.unique(found.image)
    fine = searched.loader._preparer.coefficients(rows)
    x = np.where(plane.weights > 0, fine[:, plane.source(searched.rings.plane)], 0.0)
    transfer = evaluate_ctf(take_rows(truth.particles.ctf, rows), *plane.frequencies.T, box)
    matrices = rotation_grid(found.level).matrices(found.rotation, turn)
    m = np.zeros((len(matrices), 8))
    m[:, 0:3], m[:, 4:7] = PADDING * matrices[:, 0], PADDING * matrices[:, 1]
    spectrum = MapUpdater(AbInitioParams(), truth.volume.shape[0], point_group("C1")).sliceable(truth.volume[None])
    y = reference.slices(spectrum, *plane.frequencies.T, m, plane.stride)
    y = y * np.exp(-2j * np.pi * shifts.points(found.level)[found.shift] @ plane.frequencies.T)
    x, transfer = x[found.image], transfer[found.image]
    return (np.abs(x - transfer * y) ** 2 - np.abs(x) ** 2) @ plane.weights / variance


@pytest.mark.parametrize("finest", [0, 1, FINEST_LEVEL + 1])
def test_log_weights_are_those_of_gaussian_noise(rng, session, simulated, finest):
    """exp(-|X - C S Y|^2 / sigma^2), over the coefficients of half a plane."""
    truth = simulated(random_rotations(rng, 3), rng.uniform(-2, 2, (3, 2)), random_ctf(rng, 3), snr=20.0)
    searched, turn, shifts = Searched(session, truth, finest), random_rotations(rng, 1)[0], ShiftGrid(0.09, 1 / 24)
    levels, variance = tuple(replace(s, radius=float(RINGS)) for s in stages(60, 1e-3, finest)), 400.0
    found = searched.run([0, 1, 2], turn, levels, variance, seed=None, shifts=shifts)
    weight = -energies(searched, truth, found, turn, variance, shifts)
    for image in range(3):
        own = found.image == image
        best = weight[own].max()
        assert found.best_weight[image] == pytest.approx(best, rel=1e-3, abs=0.02)
        expected = np.exp(weight[own] - np.logaddexp.reduce(weight[own]))
        np.testing.assert_allclose(found.posterior[own], expected, atol=0.01)
        poses = len(rotation_grid(finest)) * len(shifts.points(finest))
        dropped = found.log_evidence[image] - (np.logaddexp.reduce(weight[own]) - np.log(poses))
        assert dropped > -0.02
        assert found.limited[image] or dropped < 0.02


def test_poses_finer_than_the_rings_are_found(rng, session, simulated):
    truth = simulated(random_rotations(rng, 12), rng.uniform(-3, 3, (12, 2)), random_ctf(rng, 12), snr=20.0)
    finest = FINEST_LEVEL + 1
    searched = Searched(session, truth, finest)
    found = searched.run(np.arange(12), random_rotations(rng, 1)[0], stages(300, finest=finest), variance=100.0)
    assert found.level == finest
    distance = geodesic_distance_deg(searched.best(found)[0], truth.matrices)
    assert distance.max() < 6
    assert np.median(distance) < 2.5  # 1.9 degrees a step, and 12 rings: what noise leaves


def test_further_rings_of_the_same_cells_add_to_the_inner_ones(rng, twenty):
    """Nothing is dropped on the way but what has no weight: the result is that of all rings at once."""
    _, searched = twenty
    turn, variance, shifts = random_rotations(rng, 1)[0], 300.0, ShiftGrid(0.09, 1 / 24)
    once = searched.run(
        np.arange(6), turn, (Stage(0, 9.0, 1e-6, EVERYTHING), Stage(1, 12.0, 1e-3, EVERYTHING)), variance, shifts=shifts
    )
    outwards = (Stage(0, 6.0, 1e-7, EVERYTHING), Stage(0, 9.0, 1e-6, EVERYTHING), Stage(1, 8.0, 1e-6, EVERYTHING),
                Stage(1, 12.0, 1e-3, EVERYTHING))  # fmt: skip
    parts = searched.run(np.arange(6), turn, outwards, variance, shifts=shifts)
    np.testing.assert_allclose(parts.log_evidence, once.log_evidence, atol=5e-3)
    np.testing.assert_allclose(parts.ess, once.ess, rtol=0.02)
    np.testing.assert_allclose(parts.best_weight, once.best_weight, atol=5e-3)
    assert [(count.level, count.radius) for count in parts.stages] == [(0, 6), (0, 6), (0, 9), (1, 8), (1, 12)]
    assert parts.stages[4].candidates == parts.stages[3].kept
    assert parts.stages[3].candidates == 32 * parts.stages[2].kept


def test_stages_count_what_they_did(rng, twenty):
    _, searched = twenty
    levels = stages(1000)
    found = searched.run(np.arange(20), random_rotations(rng, 1)[0], levels, variance=100.0)
    dense, *refined = found.stages
    poses = 20 * len(rotation_grid(0)) * len(SHIFTS.coarse)
    assert dense.candidates == poses
    assert dense.products == poses * searched.rings.table(0).plane.half_points[:8].sum()
    assert [count.level for count in refined] == [0, 1, 2]
    assert [count.radius for count in found.stages] == [8.0, 8.0, 12.0, 12.0]
    assert all(count.images == 20 for count in found.stages)
    assert refined[0].candidates == dense.kept
    assert dense.kept % len(SHIFTS.coarse) == 0  # whole rotations
    for before, after in pairwise(refined):
        assert after.candidates == 32 * before.kept
    for count in refined:
        points = searched.rings.table(count.level).plane.half_points[: int(count.radius)].sum()
        assert count.products == count.candidates * points
        assert 20 <= count.kept <= count.candidates
    assert refined[-1].kept == len(found.image)


def test_nothing_is_sampled_before_a_sweep(rng, twenty):
    """It looks around the most probable poses: the same ones whatever is drawn, though the limit acts there too."""
    _, searched = twenty
    turn = random_rotations(rng, 1)[0]
    levels = (Stage(0, 8.0, 1e-3, 6), Stage(0, 8.0, 1e-3, 6, sweep=True), Stage(1, 10.0, 1e-3, 6))
    cut, *drawn = (searched.run(np.arange(6), turn, levels, 1000.0, seed=seed) for seed in (None, 1, 2))
    for found in drawn:
        assert found.limited.all()
        assert found.stages[:2] == cut.stages[:2]
        assert found.stages[2].candidates == cut.stages[2].candidates
    lists = [list(zip(found.image, found.rotation, found.shift, strict=True)) for found in (cut, *drawn)]
    assert lists[0] != lists[1] != lists[2]


def test_a_search_for_the_best_pose_keeps_the_most_probable_ones(rng, twenty):
    """Not a sample of them: at most as many as the limit, always the same, and the best of all among them."""
    _, searched = twenty
    turn, coarse = random_rotations(rng, 1)[0], (Stage(0, 8.0, 1e-3, 40),)
    whole = searched.run(np.arange(6), turn, (replace(coarse[0], limit=EVERYTHING),), 1000.0, seed=None)
    cut = searched.run(np.arange(6), turn, coarse, 1000.0, seed=None)
    assert cut.limited.all()
    assert not whole.limited.any()
    assert (np.bincount(cut.image) <= 40).all()
    np.testing.assert_array_equal(cut.best_weight, whole.best_weight)
    for image in range(6):
        kept, left = (found.posterior[found.image == image] for found in (cut, whole))
        assert np.ptp(np.log(kept)) < np.ptp(np.log(left))
    again = searched.run(np.arange(6), turn, coarse, 1000.0, seed=None)
    for name in NAMES:
        assert getattr(cut, name).tobytes() == getattr(again, name).tobytes(), name


def test_the_best_weight_is_that_of_the_best_pose(rng, twenty):
    _, searched = twenty
    found = searched.run(np.arange(20), random_rotations(rng, 1)[0], stages(2000, 1e-4), variance=100.0)
    whole = ~found.limited
    assert whole.sum() >= 15
    largest = np.maximum.reduceat(found.posterior, np.searchsorted(found.image, np.arange(20)))
    log_sum = found.log_evidence + np.log(len(rotation_grid(FINEST)) * len(SHIFTS.points(FINEST)))
    np.testing.assert_allclose((found.best_weight - log_sum)[whole], np.log(largest)[whole], atol=5e-3)


@pytest.mark.parametrize("finest", [0, 1, FINEST_LEVEL, FINEST_LEVEL + 1])
def test_slices_are_exact_at_the_last_level_and_means_of_cells_at_the_others(session, simulated, rng, finest):
    truth = simulated(random_rotations(rng, 2), np.zeros((2, 2)))
    searched = Searched(session, truth, finest)
    levels = tuple(replace(s, radius=min(s.radius, 6.5 + s.level)) for s in stages(finest=finest))
    slices = searched.search.prepare(searched.map, np.eye(3), levels)
    assert len(slices.tables) == min(finest, FINEST_LEVEL) + 1
    for level, table in enumerate(slices.tables):
        assert table.rings == int(levels[level].radius)
        assert table.slice.shape[0] == rotation_grid(level).directions
        assert session.download(table.lost).any() == (level < finest)
    power = [session.download(t.power).mean(axis=0)[:6] + session.download(t.lost).mean(axis=0)[:6]
             for t in slices.tables]  # fmt: skip
    for of_level in power:
        np.testing.assert_allclose(of_level, power[-1], rtol=2e-3)


def test_more_noise_leaves_more_poses_in_question(rng, twenty):
    _, searched = twenty
    turn = random_rotations(rng, 1)[0]
    coarse = stages()[:1]
    spread = [searched.run(np.arange(20), turn, coarse, variance).ess_rotations.mean() for variance in (20, 200, 2000)]
    assert spread[0] < spread[1] < spread[2]


def test_the_spread_can_be_had_without_a_search(rng, twenty):
    _, searched = twenty
    turn, levels = random_rotations(rng, 1)[0], stages()
    found = searched.run(np.arange(20), turn, levels, 200.0)
    batch = searched.loader.load(np.arange(20), np.full(RINGS, 200.0))
    slices = searched.search.prepare(searched.map, turn, levels)
    np.testing.assert_array_equal(searched.search.coarse_ess(batch, slices, SHIFTS, levels), found.ess_rotations)


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


@pytest.fixture
def looks(rng, session, simulated):
    """Searches that follow one coarse cell of each image: at once, and of as many as at the second look."""
    truth = simulated(
        random_rotations(rng, LOOKED_AT), rng.uniform(-3, 3, (LOOKED_AT, 2)), random_ctf(rng, LOOKED_AT), snr=0.3
    )
    searched = Searched(session, truth)
    turn = random_rotations(rng, 1)[0]

    def look(limit, sigmas):
        radii = (8.0, 12.0, 12.0)
        first = Stage(0, radii[0], 1e-3, limit, sigmas)
        levels = (first, *(Stage(level, radii[level], 1e-3, 200) for level in (1, 2)))
        return searched.run(np.arange(LOOKED_AT), turn, levels, seed=None)

    return look


def test_poses_that_the_limit_cut_off_are_found_at_the_second_look(looks):
    """With all but no sigmas nothing but the limit decides, and WEAKEST says who is looked at again."""
    once, twice, wide = looks(1, 0.0), looks(1, 1e-3), looks(second_look.WIDER, 0.0)
    again = once.best_weight != twice.best_weight
    assert 2 <= again.sum() < LOOKED_AT  # some were lost, and found
    assert (twice.best_weight[again] > once.best_weight[again]).all()
    # As good as a wide search from the start finds, or better: the bound's window may keep a pose that the limit cuts.
    assert (twice.best_weight[again] >= wide.best_weight[again] - 1e-4).all()
    np.testing.assert_allclose(twice.log_evidence[~again], once.log_evidence[~again], rtol=1e-6)
    np.testing.assert_allclose(np.bincount(twice.image, twice.posterior), 1, atol=1e-5)
    assert (np.diff(twice.image) >= 0).all()


def test_a_second_look_counts_in_the_same_stages(looks):
    once, twice = looks(1, 0.0), looks(1, 1e-3)
    assert [(s.level, s.radius, s.images) for s in twice.stages] == [(s.level, s.radius, s.images) for s in once.stages]
    assert twice.stages[0].candidates == once.stages[0].candidates  # the grid is scored once
    assert all(a.kept > b.kept for a, b in zip(twice.stages[1:], once.stages[1:], strict=True))
    assert sum(s.products for s in twice.stages) > sum(s.products for s in once.stages)
