import numpy as np
import pytest
from scipy.stats import binom, norm

from coldstart.engine import reference
from coldstart.engine.selftest.inputs import ring_powers_of, slice_powers_of

IN_PLANE = 24
RINGS = 7
TAILS = [(0, 7), (2, 5), (6, 7)]

# Float32 sums of at most 24 positive terms, and of a few of those.
SUM = 1e-5
# Bounds are differences of such sums, of this share of |x|^2 + |y|^2 at most.
DIFFERENCE = 1e-5
# Chance with which a count of a test of rates may be out of its limits.
CHANCE = 1e-6


@pytest.fixture
def powers(case):
    """Ring powers of the case's images, and mean power of its slices on each ring."""
    return ring_powers_of(case), slice_powers_of(case)


def slices_of(case, directions):
    """Slices at every in-plane angle of the directions, (directions * IN_PLANE, stride) complex128."""
    direction, angle = np.divmod(np.arange(directions * IN_PLANE), IN_PLANE)
    return reference.turned_slices(case.table, case.rings, direction, angle, IN_PLANE)


def noise_like(rng, weight):
    """Noise of A = a C X / sigma^2 at independent points: of variance W."""
    shape = *weight.shape, 2
    return np.sqrt(0.5 * weight) * (rng.standard_normal(shape) @ np.array([1.0, 1.0j]))


def planes(values):
    return np.stack([values.real, values.imag], axis=-2).astype(np.float32)


def radial_weight(case, rng, images):
    """A CTF without astigmatism: one weight a ring."""
    return case.on_points(rng.uniform(0.0, 0.4, (images, RINGS))[:, case.plane.ring[case.plane.points] - 1])


def uneven_weight(case, rng, images):
    """A CTF with so much astigmatism that every point has a weight of its own."""
    return case.on_points(rng.uniform(0.0, 0.4, (images, len(case.plane.points))))


def energy(weight, image, y, tail):
    """sum W |Y|^2 - 2 Re conj(A) Y on the tail, of arrays that broadcast to (..., stride)."""
    whole = weight * np.abs(y) ** 2 - 2 * (np.conj(image) * y).real
    return whole[..., tail].sum(axis=-1)


def entries(case, first, last):
    return slice(case.plane.ring_start[first], case.plane.ring_start[last])


def limits(draws, chance):
    """Least and largest count of events of this chance, but for CHANCE."""
    return binom.isf([1 - CHANCE, CHANCE], draws, chance)


def test_ring_powers(kernels, case):
    case.weight[1, case.plane.points[3:9]] = 0
    case.image[1][:, case.plane.points[3:9]] = 0
    given = case.image, case.weight, case.rings
    found = kernels.ring_powers(*given)
    np.testing.assert_allclose(found, reference.ring_powers(*given), rtol=SUM)
    poisoned = case.poisoned(case.image, case.pads), case.poisoned(case.weight, case.pads), case.rings
    assert np.array_equal(found, kernels.ring_powers(*poisoned))


@pytest.mark.parametrize("sigmas", [1.0, 4.0])
@pytest.mark.parametrize("rings", [5, RINGS])
def test_cell_windows(kernels, powers, rng, rings, sigmas):
    """A level may use fewer rings than there are."""
    hidden = rng.random(rings, dtype=np.float32)
    found = kernels.cell_windows(powers[0], hidden, sigmas)
    np.testing.assert_allclose(found, reference.cell_windows(powers[0], hidden, sigmas), rtol=SUM)
    nothing = kernels.cell_windows(powers[0], np.zeros(rings, np.float32), sigmas)
    np.testing.assert_allclose(nothing, 0.5 * sigmas**2, rtol=SUM)


@pytest.mark.parametrize("model_free", [0, 1])
@pytest.mark.parametrize(("first", "last"), TAILS)
def test_strongest_slices(kernels, powers, first, last, model_free):
    given = *powers, first, last, 3.0, 20.0, model_free
    np.testing.assert_allclose(kernels.strongest_slices(*given), reference.strongest_slices(*given), rtol=SUM)


@pytest.mark.parametrize(("first", "last"), TAILS)
def test_tail_bounds(kernels, powers, rng, first, last):
    strongest = rng.uniform(1.0, 50.0, len(powers[0])).astype(np.float32)
    given = *powers, strongest, first, last, 3.0
    np.testing.assert_allclose(kernels.tail_bounds(*given), reference.tail_bounds(*given), rtol=SUM, atol=1e-3)


@pytest.mark.parametrize("weights", [radial_weight, uneven_weight])
def test_no_pose_is_below_the_deterministic_bound(kernels, case, rng, weights):
    """1,296,000 tails of pure noise, noisy slices, slices alone, nothing at all, and images far too strong."""
    images, y = 75, slices_of(case, len(case.table))
    shifts = rng.uniform(-0.1, 0.1, (15, 2))
    phase = np.exp(-2j * np.pi * (shifts[:, :1] * case.kx + shifts[:, 1:] * case.ky))
    weight = weights(case, rng, images)
    strength = rng.choice([0.0, 0.1, 1.0, 10.0], images)[:, None]
    noise = rng.choice([0.0, 1.0, 1.0, 30.0], images)[:, None]
    truth = weight * y[rng.integers(0, len(y), images)] * phase[rng.integers(0, len(phase), images)]
    image = planes(strength * truth + noise * noise_like(rng, weight))
    held = image[:, 0].astype(np.float64) + 1j * image[:, 1]
    powers, power = kernels.ring_powers(image, weight, case.rings), slice_powers_of(case)
    exact_powers, nothing = reference.ring_powers(image, weight, case.rings), np.zeros(images, np.float32)
    for first, last in TAILS:
        tail = entries(case, first, last)
        norms = weight[:, tail].astype(np.float64) @ (np.abs(y[:, tail]) ** 2).T
        moved = np.conj(held[:, None, tail]) * phase[:, tail]
        exact = norms[:, None] - 2 * (moved @ y[:, tail].T).real  # images, shifts, rotations
        size = norms + exact_powers[:, first:last, 3].sum(axis=1)[:, None]
        exact = exact.min(axis=1)
        for bounds, rounding in (
            (kernels.tail_bounds(powers, power, nothing, first, last, 4.0), DIFFERENCE),
            (reference.tail_bounds(exact_powers, power, nothing, first, last, 4.0), 1e-6),  # powers are float32
        ):
            certain = np.repeat(bounds[..., 1].astype(np.float64), IN_PLANE, axis=1)
            assert (certain <= exact + rounding * size).all()


def test_the_deterministic_bound_is_met_by_the_slice_itself(kernels, case, rng):
    weight = radial_weight(case, rng, 16)
    y = slices_of(case, 16)[::IN_PLANE]
    stretched = y * rng.uniform(0.3, 3.0, (16, RINGS))[:, case.plane.ring - 1]
    image = planes(weight * stretched)
    powers = kernels.ring_powers(image, weight, case.rings)
    bounds = kernels.tail_bounds(powers, slice_powers_of(case), np.zeros(16, np.float32), 2, 6, 4.0)
    certain = np.diagonal(bounds[..., 1])
    exact = energy(weight, image[:, 0] + 1j * image[:, 1], y, entries(case, 2, 6))
    np.testing.assert_allclose(certain, exact, rtol=1e-4, atol=1e-4)


DRAWS = 4000


@pytest.mark.parametrize("sigmas", [1.0, 2.0])
def test_the_probabilistic_bound_fails_as_often_as_its_sigmas_say(kernels, case, rng, sigmas):
    """Of the strongest slice, whose bound gives nothing away. With sqrt(P) for sqrt(2 P), as published, more often."""
    first, last = 2, 7
    weight, y = radial_weight(case, rng, DRAWS), slices_of(case, 1)[0]
    image = weight * y + noise_like(rng, weight)
    powers, power = kernels.ring_powers(planes(image), weight, case.rings), slice_powers_of(case)[:1]
    strongest = kernels.strongest_slices(powers, power, first, last, sigmas, 0.0, 0)
    bound = kernels.tail_bounds(powers, power, strongest, first, last, sigmas)[:, 0, 0]
    exact = energy(weight, image, y, entries(case, first, last))
    least, most = limits(DRAWS, norm.sf(sigmas))
    assert least <= np.sum(exact < bound) <= most
    published = np.sum(exact < -strongest - sigmas * np.sqrt(strongest))
    assert published > most
    least, most = limits(DRAWS, norm.sf(sigmas / np.sqrt(2)))
    assert least <= published <= most


@pytest.mark.parametrize("weights", [radial_weight, uneven_weight])
@pytest.mark.parametrize("sigmas", [1.0, 2.0])
def test_the_probabilistic_bound_fails_no_more_often_for_any_slice(kernels, case, rng, weights, sigmas):
    first, last = 1, 6
    weight, y = weights(case, rng, DRAWS), slices_of(case, len(case.table))
    true = rng.integers(0, len(y), DRAWS)
    image = weight * y[true] + noise_like(rng, weight)
    powers, power = kernels.ring_powers(planes(image), weight, case.rings), slice_powers_of(case)
    exact = energy(weight, image, y[true], entries(case, first, last))
    bounds = []
    for model_free in (0, 1):
        noise = float(case.plane.ring_areas[first:last].sum())
        strongest = kernels.strongest_slices(powers, power, first, last, sigmas, noise, model_free)
        bounds.append(kernels.tail_bounds(powers, power, strongest, first, last, sigmas)[..., 0])
    assert (bounds[1] <= bounds[0]).all()
    own = bounds[0][np.arange(DRAWS), true // IN_PLANE]
    assert np.sum(exact < own) <= limits(DRAWS, norm.sf(sigmas))[1]


def test_the_probabilistic_bound_holds_where_the_ctf_favours_the_true_slice(kernels, case, rng):
    """The weight follows the slice around each ring: a mean weight would take the slice for weaker than it is."""
    sigmas, y = 2.0, slices_of(case, 1)[0]
    weight = case.on_points(np.abs(y[case.plane.points]) ** 2 * rng.uniform(0.1, 0.4, (DRAWS, 1)))
    image = weight * y + noise_like(rng, weight)
    powers, power = kernels.ring_powers(planes(image), weight, case.rings), slice_powers_of(case)[:1]
    strongest = kernels.strongest_slices(powers, power, 0, RINGS, sigmas, 0.0, 0)
    bound = kernels.tail_bounds(powers, power, strongest, 0, RINGS, sigmas)[:, 0, 0]
    failures = energy(weight, image, y, slice(None)) < bound
    assert np.sum(failures) <= limits(DRAWS, norm.sf(sigmas))[1]


def test_the_model_free_bound_holds_for_a_map_that_is_too_weak(kernels, case, rng):
    """A map with a third of the truth's amplitude: its own strongest slice does not bound the true one."""
    first, last, sigmas = 1, 6, 2.0
    weight, y = radial_weight(case, rng, DRAWS), slices_of(case, len(case.table))
    true = rng.integers(0, len(y), DRAWS)
    image = weight * 3 * y[true] + noise_like(rng, weight)
    powers, power = kernels.ring_powers(planes(image), weight, case.rings), slice_powers_of(case)
    exact = energy(weight, image, y[true], entries(case, first, last))
    failures = []
    for model_free in (0, 1):
        noise = float(case.plane.half_points[first:last].sum())  # each point is one coefficient here
        strongest = kernels.strongest_slices(powers, power, first, last, sigmas, noise, model_free)
        bound = kernels.tail_bounds(powers, power, strongest, first, last, sigmas)[..., 0]
        failures.append(np.sum(exact < bound[np.arange(DRAWS), true // IN_PLANE]))
    assert failures[0] > 0.5 * DRAWS
    assert failures[1] <= limits(DRAWS, norm.sf(sigmas))[1]


@pytest.mark.parametrize("sigmas", [1.0, 2.0])
def test_the_true_cell_is_no_further_behind_than_the_window(kernels, case, rng, sigmas):
    """The worst other cell there can be lies beyond the true pose on the line from the true cell's mean slice.

    It fails as often as `sigmas` say, cells elsewhere no more often.
    """
    points = case.plane.points
    weight, y = radial_weight(case, rng, DRAWS), slices_of(case, 1)[0]
    hidden = rng.uniform(0.05, 0.5, RINGS).astype(np.float32)
    away = case.on_points(rng.standard_normal((DRAWS, 2, len(points)))).astype(np.float64)
    away = away[:, 0] + 1j * away[:, 1]
    for ring, (start, half, _, _) in enumerate(case.rings):
        own = away[:, start : start + half]
        own *= np.sqrt(hidden[ring] / np.mean(np.abs(own) ** 2, axis=1, keepdims=True))
    image = weight * y + noise_like(rng, weight)
    powers = kernels.ring_powers(planes(image), weight, case.rings)
    window = kernels.cell_windows(powers, hidden, sigmas)
    lost = np.sum(weight * np.abs(away) ** 2, axis=1, keepdims=True)
    everything = slice(None)
    true_cell = energy(weight, image, y - away, everything)
    worst = energy(weight, image, y + away * sigmas / np.sqrt(2 * lost), everything)
    least, most = limits(DRAWS, norm.sf(sigmas))
    assert least <= np.sum(true_cell - worst > window) <= most
    for reach in (0.3, 1.0, 3.0):
        other = y - away + reach * np.roll(away, 1, axis=0)
        assert np.sum(true_cell - energy(weight, image, other, everything) > window) <= most
