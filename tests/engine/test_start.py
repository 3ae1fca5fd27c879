import numpy as np
import pytest

from coldstart.demo.molecule import molecule_map
from coldstart.engine import reference
from coldstart.engine.images import ImagePreparer, MinibatchLoader
from coldstart.engine.rings import Rings
from coldstart.engine.search import PoseSearch
from coldstart.engine.slices import FourierMap
from coldstart.engine.stage import Stage
from coldstart.engine.start import (
    BISECTIONS,
    MAX_INFLATION,
    SIGNAL_SHARE,
    find_inflation,
    initial_noise,
    map_variant,
    random_map,
    scale_to_signal,
    signal_power,
)
from coldstart.engine.update import PADDING, MapUpdater
from coldstart.model.fourier import radius_grid, spectrum_of
from coldstart.model.mask import radius_px
from coldstart.model.polar import PolarPlane
from coldstart.model.pose_grid import ShiftGrid, rotation_grid
from coldstart.model.so3 import random_rotations
from coldstart.model.symmetry import point_group
from coldstart.params import AbInitioParams

SIDE = 24
PLANE = PolarPlane(24, 6)


def test_a_random_map_is_positive_smooth_and_windowed(rng):
    volume = random_map(rng, SIDE, AbInitioParams())
    assert volume.dtype == np.float32
    assert volume.min() == 0
    assert not volume[radius_px(SIDE, 3) >= 0.5 * SIDE * 0.99].any()
    assert np.sqrt(np.mean(volume.astype(float) ** 2)) == pytest.approx(1.0, abs=1e-4)
    power, radius = np.abs(spectrum_of(volume)) ** 2, radius_grid(SIDE)
    assert power[radius > 11].mean() < 0.02 * power[(radius > 1) & (radius < 4)].mean()


def test_another_seed_is_another_map():
    maps = [random_map(np.random.default_rng(seed), SIDE, AbInitioParams()) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(maps[0], maps[1])
    assert abs(np.corrcoef(maps[0].ravel(), maps[2].ravel())[0, 1]) < 0.5


@pytest.fixture
def given(molecules):
    """A molecule's map, of arbitrary scale and with detail beyond what a start holds."""
    return 700 * molecule_map(molecules[0], SIDE, 12.0)


def test_a_variant_is_the_given_map_and_a_random_one(rng, given):
    """In equal shares, whatever the given map's scale: it tells both, low-passed and of mean square 1."""
    seeds = range(4)
    variants = np.stack([map_variant(given, np.random.default_rng(seed), AbInitioParams()) for seed in seeds])
    randoms = np.stack([random_map(np.random.default_rng(seed), SIDE, AbInitioParams()) for seed in seeds])
    assert variants.dtype == np.float32
    np.testing.assert_allclose(np.sqrt(np.mean(variants.astype(float) ** 2, axis=(1, 2, 3))), 1, atol=1e-4)
    power, radius = np.abs(spectrum_of(variants[0])) ** 2, radius_grid(SIDE)
    assert power[radius > 11].mean() < 0.02 * power[(radius > 1) & (radius < 4)].mean()
    smooth = np.mean(variants, axis=0)
    for variant, random in zip(variants, randoms, strict=True):
        assert np.corrcoef(variant.ravel(), given.ravel())[0, 1] > 0.4
        own = [np.corrcoef((variant - smooth).ravel(), other.ravel())[0, 1] for other in randoms]
        assert np.argmax(own) == [np.array_equal(random, other) for other in randoms].index(True)


def test_variants_differ_and_are_the_same_again(given):
    one, again, other = (map_variant(given, np.random.default_rng(seed), AbInitioParams()) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    likeness = np.corrcoef(one.ravel(), other.ravel())[0, 1]
    assert 0.3 < likeness < 0.9


def test_the_scale_of_a_given_map_does_not_matter(given):
    one, other = (map_variant(scale * given, np.random.default_rng(1), AbInitioParams()) for scale in (1.0, 1e-3))
    np.testing.assert_allclose(one, other, atol=1e-4)
    nothing = map_variant(np.zeros_like(given), np.random.default_rng(1), AbInitioParams())
    np.testing.assert_allclose(nothing, random_map(np.random.default_rng(1), SIDE, AbInitioParams()), atol=1e-3)


def test_a_larger_lowpass_radius_is_a_rougher_map():
    def share_of_detail(radius):
        volume = random_map(np.random.default_rng(1), SIDE, AbInitioParams(initial_lowpass_radius=radius))
        power, k = np.abs(spectrum_of(volume)) ** 2, radius_grid(SIDE)
        return power[k > 5].sum() / power[k > 0.5].sum()

    assert share_of_detail(4.0) < share_of_detail(7.0) < share_of_detail(14.0)


def test_signal_power_is_what_is_above_the_noise():
    areas = PLANE.ring_areas
    noise, signal = np.full(len(areas), 2.0), 1.0 / np.arange(1, len(areas) + 1)
    assert signal_power(noise + signal, noise, areas) == pytest.approx(np.sum(signal * areas))


def test_images_without_signal_leave_a_trace():
    noise = np.full(PLANE.rings, 2.0)
    left = signal_power(0.9 * noise, noise, PLANE.ring_areas)
    assert 0 < left < 1e-4 * PLANE.ring_areas.sum()


@pytest.mark.parametrize("mean_ctf_squared", [1.0, 0.5])
def test_slices_of_the_scaled_map_have_their_share_of_the_signal(rng, mean_ctf_squared):
    updater, signal = MapUpdater(AbInitioParams(), SIDE, point_group("C1")), 37.0
    volume = random_map(rng, SIDE, AbInitioParams())
    (sliceable,) = updater.sliceable(volume[None])
    scaled = scale_to_signal(volume, sliceable, signal, PLANE.ring_areas, mean_ctf_squared)
    assert scaled.dtype == np.float32
    rotations = random_rotations(rng, 200)
    rows = np.zeros((200, 8))
    rows[:, 0:3], rows[:, 4:7] = PADDING * rotations[:, 0], PADDING * rotations[:, 1]
    y = reference.slices(updater.sliceable(scaled[None]), *PLANE.frequencies.T, rows, PLANE.stride)
    share = mean_ctf_squared * np.mean(np.abs(y) ** 2 @ PLANE.weights) / signal
    # Within a factor: the mean over a shell of the map counts points between the rings too, of which those near the
    # constant term are the strongest.
    assert 0.5 * SIGNAL_SHARE < share < 1.1 * SIGNAL_SHARE


@pytest.fixture
def setting(rng, session, simulated):
    """Twelve images of a molecule, a random map for them, and what scores them: (preparer, loader, search, volume)."""
    truth = simulated(random_rotations(rng, 12), np.zeros((12, 2)), snr=0.1)
    params, side = AbInitioParams(), truth.volume.shape[0]
    rings = Rings(session, 0, PLANE.rings)
    preparer = ImagePreparer(truth.particles, truth.source, params, rings.plane)
    loader = MinibatchLoader(session, truth.particles, preparer, rings)
    volume = random_map(rng, side, params) * np.float32(np.sqrt(np.mean(truth.volume**2)))
    return preparer, loader, PoseSearch(session, loader), MapUpdater(params, side, point_group("C1")), volume


def test_the_first_noise_is_the_background(setting):
    preparer, *_ = setting
    params = AbInitioParams()
    noise = initial_noise(params, preparer, np.arange(12))
    np.testing.assert_allclose(noise.variance, preparer.noise_variance(np.arange(12)))
    assert noise.scale == pytest.approx(1.0)
    assert noise.image_sum == 0
    assert noise.prior_weight == params.noise_prior_weight
    assert noise.initial_weight == params.noise_initial_weight


def test_inflation_spreads_the_posteriors_as_far_as_is_wanted(session, setting):
    preparer, loader, search, updater, volume = setting
    rows, shifts = np.arange(12), ShiftGrid(0.08, 1 / 24)
    noise = initial_noise(AbInitioParams(), preparer, rows)
    levels = (Stage(0, float(PLANE.rings), 1e-2, 64),)
    on_device = FourierMap.upload(session, updater.sliceable(volume[None]), PADDING)
    slices = search.prepare(on_device, np.eye(3), levels)

    def found(target):
        return find_inflation([rows], slices, noise, target, shifts, levels, loader, search)

    def spread(factor):
        batch = loader.load(rows, factor * noise.background)
        return search.coarse_ess(batch, slices, shifts, levels).mean() / len(rotation_grid(0))

    factor, fineness = found(0.2), MAX_INFLATION ** (2.0**-BISECTIONS)
    assert 1 < factor < MAX_INFLATION
    assert spread(factor / fineness) < 0.2 <= spread(factor)
    assert found(0.4) > factor
    assert found(0.5 * spread(1.0)) == 1.0
    assert found(1.0) == pytest.approx(MAX_INFLATION)
