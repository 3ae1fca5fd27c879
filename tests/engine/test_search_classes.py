"""Searches of the poses of several classes at once."""

import numpy as np
import pytest

from coldstart.demo.simulate import random_ctf
from coldstart.engine.expectation import Blending
from coldstart.engine.rings import FINEST_LEVEL
from coldstart.engine.stage import Stage
from coldstart.model.pose_grid import ShiftGrid, rotation_grid
from coldstart.model.so3 import geodesic_distance_deg, random_rotations

RINGS, CLASSES, IMAGES = 10, 3, 12
SHIFTS = ShiftGrid(0.05, 1 / 24)
EVERYTHING = 10**7
FEW = range(3)
JOINT, APART = Blending(), Blending(0.2)
NAMES = ("image", "rotation", "shift", "within", "posterior", "class_posterior", "map_evidence", "log_evidence", "ess",
         "best_weight", "ess_rotations", "limited")  # fmt: skip
BOTH = pytest.mark.parametrize("blending", [JOINT, APART], ids=["joint", "apart"])


def stages(finest=1, limit=3000, omitted=1e-4):
    return tuple(Stage(level, min(8.0 + 2 * level, RINGS), omitted, limit) for level in range(finest + 1))


class Searched:
    """Searches of the images of a truth on some maps."""

    def __init__(self, parts, turn, variance):
        self.parts, self.turn, self.variance = parts, turn, variance

    def run(self, blending=JOINT, levels=None, seed=0, rows=range(IMAGES)):
        levels = stages() if levels is None else levels
        search = self.parts.search
        batch = self.parts.loader.load(np.array(rows), np.full(RINGS, self.variance))
        slices = search.prepare(self.parts.map, self.turn, levels)
        rng = None if seed is None else np.random.default_rng(seed)
        return search.run(batch, slices, SHIFTS, levels, rng, blending)


@pytest.fixture
def truth(rng, simulated):
    """Noisy images of three molecules in turn."""
    shift_px = rng.uniform(-1, 1, (IMAGES, 2))
    return simulated(random_rotations(rng, IMAGES), shift_px, random_ctf(rng, IMAGES), snr=2.0, classes=CLASSES)


@pytest.fixture
def searched(rng, truth, search_parts):
    """(maps in place of the truth's, finest level, noise variance) -> Searched."""
    turn = random_rotations(rng, 1)[0]
    return lambda volumes=None, finest=1, variance=12.0: Searched(
        search_parts(truth, finest, RINGS, volumes), turn, variance
    )


@pytest.fixture
def in_doubt(truth, searched):
    """Searches on maps that are so much alike that some images may be of any class."""
    mean = truth.volumes.mean(axis=0)
    return searched(mean + np.float32(0.2) * (truth.volumes - mean), variance=25.0)


def shares_of_classes(found):
    """Summed responsibilities of each image's poses of each class, (B, K)."""
    of_class = found.rotation // len(rotation_grid(found.level))
    own = found.image * found.classes + of_class
    return np.bincount(own, found.posterior, len(found.ess) * found.classes).reshape(-1, found.classes)


@BOTH
@pytest.mark.parametrize("finest", [1, FINEST_LEVEL + 1])
def test_images_are_found_in_their_classes_at_their_poses(truth, searched, blending, finest):
    """At levels whose slices are tables of all classes, and at one whose slices are made pose by pose."""
    given = searched(finest=finest)
    found = given.run(blending, stages(finest, 300))
    assert found.classes == CLASSES
    assert found.class_posterior.shape == (IMAGES, CLASSES)
    np.testing.assert_array_equal(found.class_posterior.argmax(axis=1), truth.of_class)
    assert found.class_posterior.max(axis=1).mean() > 0.8
    of_class, cell = np.divmod(found.rotation, np.int32(len(rotation_grid(finest))))
    assert of_class.max() < CLASSES
    own = np.flatnonzero(of_class == truth.of_class[found.image])
    best = own[np.lexsort((-found.posterior[own], found.image[own]))]
    best = best[np.searchsorted(found.image[best], np.arange(IMAGES))]
    angle = geodesic_distance_deg(rotation_grid(finest).matrices(cell[best], given.turn), truth.matrices)
    assert np.median(angle) < 8
    assert (angle < 20).mean() > 0.8


@BOTH
def test_responsibilities_of_an_image_add_up_to_it(in_doubt, blending):
    found = in_doubt.run(blending, stages(limit=EVERYTHING))
    assert not found.limited.any()
    np.testing.assert_allclose(found.class_posterior.sum(axis=1), 1, rtol=1e-9)
    np.testing.assert_allclose(np.bincount(found.image, found.posterior), 1, atol=1e-5)
    beta = blending.similarity
    expected = (1 - beta) * found.class_posterior + beta / CLASSES
    np.testing.assert_allclose(shares_of_classes(found), expected, atol=1e-6)
    own = found.image * CLASSES + found.rotation // len(rotation_grid(1))
    within = np.bincount(own, found.within, IMAGES * CLASSES)
    np.testing.assert_allclose(within[np.unique(own)], 1, atol=1e-5)
    squares = np.bincount(found.image, found.posterior.astype(np.float64) ** 2)
    np.testing.assert_allclose(found.ess, 1 / squares, rtol=0.02)


def test_classes_followed_apart_have_the_posteriors_of_those_that_compete(in_doubt):
    """Whatever the similarity, which is in the responsibilities alone."""
    blendings, levels = (JOINT, Blending(1e-9), Blending(0.5)), stages(limit=EVERYTHING, omitted=1e-6)
    joint, apart, similar = (in_doubt.run(blending, levels, rows=FEW) for blending in blendings)
    assert not (joint.limited | apart.limited).any()
    assert (joint.class_posterior.max(axis=1) < 0.95).any()
    np.testing.assert_allclose(apart.class_posterior, joint.class_posterior, atol=1e-3)
    # A cell of a millionth of the mass of its class is dropped, which may hold a hundredth of it in the end.
    np.testing.assert_allclose(apart.log_evidence, joint.log_evidence, atol=0.02)
    for name in ("class_posterior", "log_evidence", "rotation", "shift"):
        assert getattr(apart, name).tobytes() == getattr(similar, name).tobytes(), name


@pytest.mark.parametrize(("blending", "limit"), [(JOINT, 48), (APART, 16)], ids=["joint", "apart"])
def test_sampled_classes_have_their_posteriors_in_the_mean(in_doubt, blending, limit):
    """Many samples of the image that is most in doubt, each weighed with its evidence, which frees them of bias.

    A hundredth is left for what is so seldom drawn that the spread of the samples does not tell of it.
    """
    repeats = 400
    everything = stages(limit=EVERYTHING, omitted=1e-6)
    row = int(in_doubt.run(JOINT, everything, rows=FEW).class_posterior.max(axis=1).argmin())
    whole = in_doubt.run(JOINT, everything, rows=[row])
    samples = in_doubt.run(blending, stages(limit=limit), rows=np.full(repeats, row))
    assert whole.class_posterior.max() < 0.8
    assert not whole.limited.any()
    assert samples.limited.all()
    evidence = np.exp(samples.log_evidence - whole.log_evidence[0])[:, None]
    for drawn, exact in ((evidence, 1.0), (samples.class_posterior * evidence, whole.class_posterior[0])):
        error = drawn.std(axis=0, ddof=1) / np.sqrt(repeats)
        assert (error < 0.05).all()
        assert (np.abs(drawn.mean(axis=0) - exact) < 5 * error + 0.01).all()


@BOTH
def test_maps_in_another_order_have_their_posteriors_in_that_order(truth, searched, blending):
    order, levels = np.array([2, 0, 1]), stages(limit=EVERYTHING)
    found, other = searched().run(blending, levels), searched(truth.volumes[order]).run(blending, levels)
    np.testing.assert_allclose(other.class_posterior, found.class_posterior[:, order], atol=1e-4)
    np.testing.assert_allclose(other.log_evidence, found.log_evidence, atol=1e-3)
    np.testing.assert_allclose(shares_of_classes(other), shares_of_classes(found)[:, order], atol=1e-3)


def hopeless(volume):
    """A map that explains every image far worse than noise alone does."""
    return 30 * volume


SWEPT = (Stage(0, 8.0, 1e-3, 3000), Stage(1, 10.0, 1e-3, 300), Stage(1, 10.0, 1e-3, 300, sweep=True))


@pytest.mark.parametrize("levels", [stages(), SWEPT, stages(FINEST_LEVEL + 1, 300)], ids=["pruned", "swept", "finer"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_hopeless_class_leaves_the_poses_of_the_other_as_they_are(truth, searched, levels, place):
    """To the last bit: its poses are ruled out at the first stage."""
    one = truth.volume
    two = np.stack([one, hopeless(one)] if place == 0 else [hopeless(one), one])
    alone, both = (searched(v, levels[-1].level).run(JOINT, levels) for v in (one[None], two))
    rotations = len(rotation_grid(levels[-1].level))
    np.testing.assert_array_equal(alone.rotation + place * rotations, both.rotation)
    for name in ("image", "shift", "within", "posterior", "ess", "best_weight", "ess_rotations", "limited"):
        assert getattr(alone, name).tobytes() == getattr(both, name).tobytes(), name
    # Among several classes, what the last stage drops does not count for the evidence.
    np.testing.assert_allclose(both.log_evidence, alone.log_evidence - np.log(2), atol=5e-3)
    np.testing.assert_array_equal(both.class_posterior[:, place], 1)
    np.testing.assert_array_equal(alone.class_posterior, 1)


@BOTH
def test_maps_that_are_alike_share_every_image_alike(truth, searched, blending):
    """And are no better explanation than one of them."""
    levels = stages(limit=EVERYTHING)
    alone = searched(truth.volumes[:1]).run(JOINT, levels)
    both = searched(truth.volumes[[0, 0]]).run(blending, levels)
    np.testing.assert_allclose(both.class_posterior, 0.5, atol=1e-4)
    np.testing.assert_allclose(both.log_evidence, alone.log_evidence, atol=1e-3)
    np.testing.assert_allclose(both.ess, 2 * alone.ess, rtol=2e-3)


def test_one_class_followed_apart_is_one_class(truth, searched):
    given = searched(truth.volumes[:1])
    plain, blended = given.run(JOINT), given.run(APART)
    for name in NAMES:
        assert getattr(plain, name).tobytes() == getattr(blended, name).tobytes(), name


@BOTH
@pytest.mark.parametrize(("limit", "variance"), [(3000, 12.0), (8, 100.0)])
def test_the_same_bytes_twice(searched, blending, limit, variance):
    given = searched(variance=variance)
    first, again = (given.run(blending, stages(limit=limit), seed=5) for _ in range(2))
    for name in NAMES:
        assert getattr(first, name).tobytes() == getattr(again, name).tobytes(), name


@BOTH
def test_the_limit_is_that_of_an_image_or_of_each_of_its_classes(searched, blending):
    found = searched(variance=300.0).run(blending, stages(limit=8))
    assert found.limited.all()
    rows = CLASSES if blending.apart else 1
    of_class = found.rotation // len(rotation_grid(1))
    kept = np.bincount(found.image * rows + (of_class if rows > 1 else 0), minlength=IMAGES * rows)
    assert (kept >= 1).all()
    assert (kept <= 8 + 1).all()


@BOTH
def test_stages_count_the_poses_of_all_classes(searched, blending):
    given = searched()
    found = given.run(blending)
    dense, *refined = found.stages
    poses = IMAGES * CLASSES * len(rotation_grid(0)) * len(SHIFTS.coarse)
    assert dense.candidates == poses
    assert refined[0].candidates == dense.kept
    assert refined[1].candidates == 32 * refined[0].kept
    assert refined[1].kept == len(found.image)
    points = given.parts.rings.table(1).plane.half_points.sum()
    finest = IMAGES * CLASSES * len(rotation_grid(1)) * len(SHIFTS.points(1))
    assert found.exhaustive_products == finest * points


@pytest.mark.parametrize("finest", [1, FINEST_LEVEL + 1])
def test_tables_hold_the_slices_of_each_class_alone(session, truth, searched, finest):
    given, levels = searched(finest=finest), stages(finest)

    def tables(parts):
        made = parts.search.prepare(parts.map, given.turn, levels).tables
        return [(session.download(t.slice), session.download(t.power), session.download(t.lost)) for t in made]

    together = tables(given.parts)
    alone = [tables(searched(volume[None], finest).parts) for volume in truth.volumes]
    for level, (slices, power, lost) in enumerate(together):
        directions = rotation_grid(level).directions
        assert len(slices) == CLASSES * directions
        for number in range(CLASSES):
            own = slice(number * directions, (number + 1) * directions)
            assert slices[own].tobytes() == alone[number][level][0].tobytes()
            assert power[own].tobytes() == alone[number][level][1].tobytes()
            # What a blur takes is counted as in the class of which it takes most.
            assert (lost[own] >= alone[number][level][2] * (1 - 1e-5)).all()


def test_a_noise_class_takes_the_images_that_no_map_explains(truth, searched):
    """Half of the images are replaced by noise; what the map of the noise class explains of them is next to nothing."""
    rng = np.random.default_rng(1)
    truth.source.images[::2] = rng.standard_normal(truth.source.images[::2].shape)
    given = searched(np.stack([truth.volume, 0.02 * truth.volume]), variance=3.0)
    found = given.run(Blending(noise=(1,)))
    assert (found.class_posterior[::2, 1] > 0.9).all()
    assert (found.log_evidence[::2] < 1).all()
    own = np.arange(3, IMAGES, 6)  # the images of the map's molecule that are left
    assert (found.class_posterior[own, 0] > 0.99).all()
    np.testing.assert_allclose(found.class_posterior.sum(axis=1), 1)
    taken = np.bincount(found.image, found.posterior, IMAGES)
    assert (taken <= 1 + 1e-6).all()
    np.testing.assert_allclose(taken[own], 1, atol=0.01)


def test_the_spread_is_the_mean_over_the_classes(truth, searched):
    def spread(parts):
        batch = parts.loader.load(np.arange(IMAGES), np.full(RINGS, 100.0))
        slices = parts.search.prepare(parts.map, np.eye(3), stages())
        return parts.search.coarse_ess(batch, slices, SHIFTS, stages())

    together = spread(searched().parts)
    single = np.stack([spread(searched(volume[None]).parts) for volume in truth.volumes])
    assert together.shape == (IMAGES,)
    np.testing.assert_allclose(together, single.mean(axis=0), rtol=1e-5)


def test_without_a_seed_the_best_pose_of_all_classes_is_kept(truth, searched):
    coarse, variance = (Stage(0, 8.0, 1e-3, 40),), 100.0
    single = [searched(v[None], variance=variance).run(JOINT, coarse, seed=None).best_weight for v in truth.volumes]
    cut = searched(variance=variance).run(JOINT, coarse, seed=None)
    assert cut.limited.any()
    np.testing.assert_allclose(cut.best_weight, np.max(single, axis=0), rtol=1e-5)
