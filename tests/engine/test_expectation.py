import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import logsumexp, softmax

from coldstart.engine.expectation import DECISIVE_NATS, SINK_SHARE, Blending, Found, damped, responsibilities
from coldstart.model.pose_grid import rotation_grid

LEVEL = 0
ROTATIONS = len(rotation_grid(LEVEL))
IMAGES, CLASSES, POSES = 6, 3, 1000
INDEPENDENT = Blending()


def found(weight, image, of_class, groups, *, boost=None, classes=CLASSES):
    """What a search ended with that kept all of its candidates."""
    order = np.lexsort((of_class, image))
    weight, image, of_class = weight[order], image[order], of_class[order]
    boost = np.zeros(len(weight)) if boost is None else boost[order]
    row = image if groups == 1 else image * classes + of_class
    rows = range((int(image.max()) + 1) * groups)
    x = weight + boost
    statistics = [
        (logsumexp(x[row == r]), np.exp(2 * logsumexp(x[row == r]) - logsumexp(2 * x[row == r])), -np.inf, 0.0)
        for r in rows
    ]
    rotation = (of_class * ROTATIONS + 7).astype(np.int32)
    return Found(
        LEVEL, classes, groups, POSES, image, rotation, np.zeros(len(x), np.int32), weight, boost, np.array(statistics)
    )


@pytest.fixture
def candidates(rng):
    """Log weights around -300, image and class of 5 candidates of every class of every image."""
    image, of_class = np.repeat(np.indices((IMAGES, CLASSES)).reshape(2, -1), 5, axis=1)
    return rng.normal(-300, 2, len(image)), image, of_class


def of_classes(given, shares):
    """Summed responsibilities of each image's poses of each class, (B, K)."""
    own = given.image * given.classes + given.of_class
    return np.bincount(own, shares.posterior.astype(np.float64), given.images * given.classes).reshape(given.images, -1)


@pytest.mark.parametrize("groups", [1, CLASSES])
def test_class_posteriors_are_shares_of_the_evidence(candidates, groups):
    weight, image, of_class = candidates
    shares = responsibilities(found(*candidates, groups), INDEPENDENT)
    mass = np.bincount(image * CLASSES + of_class, np.exp(weight + 300)).reshape(IMAGES, CLASSES)
    expected = mass / mass.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares.class_posterior, expected, rtol=1e-9)
    np.testing.assert_allclose(shares.posterior, np.exp(weight + 300) / mass.sum(axis=1)[image], rtol=1e-6)
    np.testing.assert_allclose(shares.map_evidence, np.log(mass / POSES) - 300, rtol=1e-12)
    squares = np.bincount(image, shares.posterior.astype(np.float64) ** 2)
    np.testing.assert_allclose(shares.ess, 1 / squares, rtol=1e-5)


@pytest.mark.parametrize("similarity", [0.0, 1e-9, 0.1, 0.5, 1.0])
def test_similarity_gives_a_share_of_every_image_to_all_classes_alike(candidates, similarity):
    weight, image, of_class = candidates
    given, apart = found(*candidates, CLASSES), responsibilities(found(*candidates, CLASSES), INDEPENDENT)
    shares = responsibilities(given, Blending(similarity))
    expected = (1 - similarity) * apart.class_posterior + similarity / CLASSES
    np.testing.assert_allclose(of_classes(given, shares), expected, rtol=1e-6)
    np.testing.assert_array_equal(shares.class_posterior, apart.class_posterior)
    np.testing.assert_array_equal(shares.map_evidence, apart.map_evidence)
    np.testing.assert_allclose(np.bincount(image, shares.posterior), 1, rtol=1e-6)
    own = image * CLASSES + of_class  # inside a class, poses share by their weights
    inside = np.exp(weight + 300) / np.bincount(own, np.exp(weight + 300))[own]
    np.testing.assert_allclose(shares.within, inside, rtol=1e-6)
    np.testing.assert_allclose(shares.posterior, expected.ravel()[own] * inside, rtol=1e-6)
    squares = np.bincount(image, shares.posterior.astype(np.float64) ** 2)
    np.testing.assert_allclose(shares.ess, 1 / squares, rtol=1e-5)


def test_one_class_is_the_posterior_of_its_poses(rng):
    weight, image = rng.normal(-1200, 3, 40), np.repeat(np.arange(4), 10)
    given = found(weight, image, np.zeros(40, int), 1, classes=1)
    shares = responsibilities(given, INDEPENDENT)
    np.testing.assert_allclose(shares.posterior, softmax(weight.reshape(4, 10), axis=1).ravel(), rtol=1e-6)
    np.testing.assert_array_equal(shares.class_posterior, np.ones((4, 1)))
    np.testing.assert_array_equal(shares.within, shares.posterior)
    np.testing.assert_array_equal(shares.map_evidence, given.statistics[:, :1] - np.log(POSES))
    np.testing.assert_array_equal(shares.ess, given.statistics[:, 1])


@pytest.mark.parametrize("groups", [1, CLASSES])
def test_candidates_count_with_the_mass_that_they_stand_for(rng, candidates, groups):
    weight, image, of_class = candidates
    boost = rng.exponential(1.0, len(weight))
    parts = responsibilities(found(weight, image, of_class, groups, boost=boost), Blending(0.0))
    whole = responsibilities(found(weight + boost, image, of_class, groups), Blending(0.0))
    np.testing.assert_allclose(parts.posterior, whole.posterior, rtol=1e-6)
    np.testing.assert_allclose(parts.class_posterior, whole.class_posterior, rtol=1e-9)


def test_a_class_of_which_no_pose_is_left_has_nothing_of_an_image(candidates):
    weight, image, of_class = candidates
    left = (of_class != 1) | (image != 2)
    shares = responsibilities(found(weight[left], image[left], of_class[left], 1), INDEPENDENT)
    assert shares.class_posterior[2, 1] == 0
    np.testing.assert_allclose(shares.class_posterior.sum(axis=1), 1)
    assert np.isneginf(shares.map_evidence[2, 1])
    assert np.isfinite(shares.posterior).all()
    np.testing.assert_allclose(np.bincount(image[left], shares.posterior), 1, rtol=1e-6)


@pytest.mark.parametrize("blending", [INDEPENDENT, Blending(0.1), Blending(0.1, 0)])
def test_a_hopeless_class_is_no_trouble(candidates, blending):
    """Log weights may be thousands of nats apart."""
    weight, image, of_class = candidates
    given = found(np.where(of_class == 1, weight - 1e4, weight), image, of_class, CLASSES)
    shares = responsibilities(given, blending)
    assert np.isfinite(shares.posterior).all()
    assert (shares.class_posterior[:, 1] == 0).all()
    np.testing.assert_allclose(of_classes(given, shares)[:, 1], blending.similarity / CLASSES, rtol=1e-6)
    assert np.isfinite(shares.map_evidence).all()
    assert np.isfinite(shares.ess).all()


@pytest.mark.parametrize("groups", [1, CLASSES])
def test_classes_in_another_order_have_the_same_posteriors_in_that_order(candidates, groups):
    weight, image, of_class = candidates
    order = np.array([2, 0, 1])
    shares, other = (
        responsibilities(found(weight, image, classes, groups), Blending(0.1 if groups > 1 else 0.0))
        for classes in (of_class, np.argsort(order)[of_class])
    )
    np.testing.assert_allclose(other.class_posterior, shares.class_posterior[:, order], rtol=1e-12)
    np.testing.assert_allclose(other.map_evidence, shares.map_evidence[:, order], rtol=1e-12)
    np.testing.assert_allclose(other.ess, shares.ess, rtol=1e-6)


log_masses = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 8), st.integers(2, 4)), elements=st.floats(-500, 0, width=32)
)


@given(log_mass=log_masses)
def test_a_damped_class_has_its_share_at_most(log_mass):
    before, after = softmax(log_mass, axis=1), softmax(damped(log_mass, 1), axis=1)
    assert after[:, 1].mean() <= SINK_SHARE + 1e-6
    if before[:, 1].mean() <= SINK_SHARE:
        np.testing.assert_array_equal(after, before)


def test_what_a_damped_class_loses_goes_to_the_others_as_they_share_it(rng):
    """The same evidence is taken off it in every image, no more than its share asks for."""
    log_mass = rng.normal(0, 2, (50, 3))
    log_mass[:, 2] += 6
    lowered = damped(log_mass, 2)
    loss = log_mass - lowered
    assert not loss[:, :2].any()
    assert np.ptp(loss[:, 2]) < 1e-9
    assert loss[0, 2] > 0
    assert softmax(lowered, axis=1)[:, 2].mean() == pytest.approx(SINK_SHARE, abs=1e-6)
    before, after = softmax(log_mass, axis=1), softmax(lowered, axis=1)
    np.testing.assert_allclose(after[:, 0] / after[:, 1], before[:, 0] / before[:, 1], rtol=1e-9)


def test_damping_changes_the_responsibilities_and_not_the_posteriors(candidates):
    weight, image, of_class = candidates
    swallowing = np.where(of_class == 2, weight + 30, weight)
    given = found(swallowing, image, of_class, CLASSES)
    plain, shares = (responsibilities(given, Blending(0.1, sink)) for sink in (None, 2))
    assert of_classes(given, plain)[:, 2].mean() == pytest.approx(0.9 + 0.1 / CLASSES)
    assert of_classes(given, shares)[:, 2].mean() == pytest.approx(0.9 * SINK_SHARE + 0.1 / CLASSES, abs=1e-6)
    np.testing.assert_array_equal(shares.class_posterior, plain.class_posterior)
    np.testing.assert_array_equal(shares.map_evidence, plain.map_evidence)
    np.testing.assert_allclose(np.bincount(image, shares.posterior), 1, rtol=1e-6)


@pytest.mark.parametrize("groups", [1, CLASSES])
def test_a_noise_class_stands_for_images_without_a_particle(candidates, groups):
    """Noise alone has its evidence; of the share of its class, the map's poses take what the map explains of it."""
    weight, image, of_class = candidates
    given = found(weight + 296 + np.log(POSES), image, of_class, groups)
    mass = np.exp(responsibilities(given, INDEPENDENT).map_evidence)
    assert (mass < 1).any()
    shares = responsibilities(given, Blending(noise=(1,)))
    evidence = mass + np.array([0.0, np.exp(-DECISIVE_NATS), 0.0])
    expected = evidence / evidence.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares.class_posterior, expected, rtol=1e-9)
    np.testing.assert_allclose(of_classes(given, shares), expected * mass / evidence, rtol=1e-5)
    np.testing.assert_allclose(shares.map_evidence, np.log(mass), atol=1e-9)


def test_an_image_that_no_map_explains_is_noise(candidates):
    """Though no pose of the noise class is left."""
    weight, image, of_class = candidates
    left = of_class != 1
    given = found(weight[left], image[left], of_class[left], 1)
    shares = responsibilities(given, Blending(noise=(1,)))
    np.testing.assert_allclose(shares.class_posterior[:, 1], 1)
    np.testing.assert_allclose(shares.posterior, 0, atol=1e-30)
    np.testing.assert_allclose(np.bincount(image[left], shares.within), 2, rtol=1e-6)  # of the two classes left


@pytest.mark.parametrize(
    ("blending", "apart"),
    [(INDEPENDENT, False), (Blending(0.1), True), (Blending(0.0, 0), True), (Blending(1e-9), True)],
)
def test_classes_that_are_blended_are_followed_apart(blending, apart):
    assert blending.apart is apart
