import numpy as np
import pytest

from coldstart.engine import images as images_module
from coldstart.engine import reference
from coldstart.engine.images import ImagePreparer, MinibatchLoader, optics_table
from coldstart.model.ctf import evaluate_ctf, take_rows
from coldstart.model.fourier import HalfPlane, image_coefficients
from coldstart.model.mask import radius_px, soft_window
from coldstart.params import AbInitioParams

BOX, PIXEL = 24, 4.5
PLANE = HalfPlane(8.4)


@pytest.fixture
def stack(rng):
    """White noise of another mean and scale in each image, with a blob in the middle."""
    noise = rng.standard_normal((9, BOX, BOX))
    blob = 8.0 * np.exp(-0.5 * (radius_px(BOX, 2) / 3.0) ** 2)
    level, scale = rng.uniform(-50, 50, (9, 1, 1)), rng.uniform(0.1, 20, (9, 1, 1))
    return (level + scale * (noise + blob)).astype(np.float32)


@pytest.fixture
def prepare(stack, in_memory):
    def make(**changes):
        particles, source = in_memory(stack, PIXEL)
        return ImagePreparer(particles, source, AbInitioParams(**changes), PLANE)

    return make


def test_background_has_mean_0_and_variance_1_and_particles_are_bright(prepare):
    images = prepare().normalized(np.arange(9)).astype(np.float64)
    background = images[:, radius_px(BOX, 2) > 0.5 * BOX * 0.85]
    np.testing.assert_allclose(background.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(background.var(axis=1), 1, atol=1e-4)
    assert (images[:, BOX // 2 - 1 : BOX // 2 + 2, BOX // 2 - 1 : BOX // 2 + 2].mean(axis=(1, 2)) > 3).all()


def test_inverted_images_are_the_same_the_other_way_round(prepare):
    rows = np.arange(9)
    np.testing.assert_array_equal(prepare(invert=True).normalized(rows), -prepare().normalized(rows))


def test_a_constant_image_becomes_zero(in_memory):
    particles, source = in_memory(np.full((1, BOX, BOX), 7.0, np.float32), PIXEL)
    preparer = ImagePreparer(particles, source, AbInitioParams(), PLANE)
    assert not preparer.normalized(np.array([0])).any()


@pytest.mark.parametrize("windowed", [True, False])
def test_coefficients_are_those_of_the_windowed_image(prepare, windowed):
    preparer, rows = prepare(window_images=windowed), np.array([4, 1, 8])
    window = soft_window(BOX, 2, 0.85, 0.99) if windowed else np.ones((BOX, BOX), np.float32)
    expected = image_coefficients(preparer.normalized(rows) * window, PLANE)
    np.testing.assert_allclose(preparer.coefficients(rows), expected, atol=1e-6)
    assert preparer.window_power == pytest.approx(np.mean(window.astype(float) ** 2))


@pytest.mark.parametrize("remembered", [0, 4, 9])
def test_images_are_read_again_only_where_memory_is_short(prepare, monkeypatch, remembered):
    monkeypatch.setattr(images_module, "CACHE_BYTES", 8 * len(PLANE) * remembered)
    preparer = prepare()
    first = preparer.coefficients(np.arange(9))
    again = preparer.coefficients(np.arange(9)[::-1])
    np.testing.assert_array_equal(again[::-1], first)
    assert preparer._source.reads == 9 + 9 - remembered


def test_the_same_particle_twice_in_a_batch(prepare):
    """As at the border of two epochs."""
    expected = prepare().coefficients(np.arange(9))
    preparer = prepare()
    for rows in ([3, 3, 5], [6, 0], [3, 5, 6, 0], np.arange(9), np.arange(9)):
        np.testing.assert_array_equal(preparer.coefficients(np.array(rows)), expected[rows])


@pytest.mark.parametrize("model", ["symmetric", "white"])
def test_noise_variance_is_that_of_the_background(rng, in_memory, model):
    particles, source = in_memory(rng.standard_normal((300, BOX, BOX)).astype(np.float32), PIXEL)
    preparer = ImagePreparer(particles, source, AbInitioParams(noise_model=model), PLANE)
    variance = preparer.noise_variance(np.arange(300))
    assert variance.shape == (8,)
    np.testing.assert_allclose(variance, 1.0, rtol=0.12)
    assert (np.ptp(variance) == 0) == (model == "white")


def test_optics_table_makes_the_models_ctf(rng, some_ctf):
    ctf, rows, box_angstrom = some_ctf(6), np.array([5, 0, 3]), 240.0
    kx, ky = PLANE.frequencies.T
    ones = np.ones((3, 2, len(PLANE)))
    table = optics_table(ctf, rows, box_angstrom)
    assert table.dtype == np.float32
    image, weight = reference.weigh_images(kx, ky, ones, table, np.ones(len(PLANE)))
    expected = evaluate_ctf(take_rows(ctf, rows), kx, ky, box_angstrom)
    np.testing.assert_allclose(image[:, 0], expected, atol=1e-5)  # phases of some radians from float32 constants
    np.testing.assert_allclose(weight, expected**2, atol=1e-5)


def test_without_ctf_the_transfer_is_one():
    image, weight = reference.weigh_images(
        *PLANE.frequencies.T, np.ones((2, 2, len(PLANE))), optics_table(None, np.arange(2), 100.0), np.ones(len(PLANE))
    )
    assert (image == 1).all()
    assert (weight == 1).all()


@pytest.fixture
def loader(session, stack, in_memory, some_ctf):
    particles, source = in_memory(stack, PIXEL, some_ctf(9))
    preparer = ImagePreparer(particles, source, AbInitioParams(), PLANE)
    return particles, preparer, MinibatchLoader(session, particles, preparer)


def on_host(session, batch):
    image, weight = session.download(batch.image), session.download(batch.weight)
    assert not image[..., len(PLANE) :].any()
    assert not weight[..., len(PLANE) :].any()
    return (image[:, 0] + 1j * image[:, 1])[:, : len(PLANE)], weight[:, : len(PLANE)]


def test_a_minibatch_is_weighted_by_ctf_and_noise(session, loader, rng):
    particles, preparer, loads = loader
    rows, variance = np.array([2, 7, 1, 0, 5]), rng.uniform(0.5, 3.0, 8)
    batch = loads.load(rows, variance)
    image, weight = on_host(session, batch)
    x = preparer.coefficients(rows)
    transfer = evaluate_ctf(take_rows(particles.ctf, rows), *PLANE.frequencies.T, particles.box_angstrom)
    sigma2 = variance[PLANE.shells - 1]
    np.testing.assert_allclose(image, transfer * x / sigma2, atol=1e-4)  # coefficients of up to 20
    np.testing.assert_allclose(weight, transfer**2 / sigma2, atol=1e-4)
    assert len(batch) == 5
    np.testing.assert_array_equal(batch.rows, rows)
    power = np.mean(np.abs(x) ** 2, axis=0)
    expected = [power[PLANE.shells == shell].mean() for shell in range(1, 9)]
    np.testing.assert_allclose(batch.power, expected, rtol=1e-5)


@pytest.mark.parametrize("off_centre_px", [0, 3])
@pytest.mark.parametrize("ctf", [True, False])
def test_nothing_exceeds_the_bound(session, stack, in_memory, some_ctf, rng, ctf, off_centre_px):
    """At three pixels along x and y the largest coefficients have equal real and imaginary parts."""
    moved = np.roll(stack, (off_centre_px, off_centre_px), axis=(1, 2))
    particles, source = in_memory(moved, PIXEL, some_ctf(9) if ctf else None)
    loads = MinibatchLoader(session, particles, ImagePreparer(particles, source, AbInitioParams(), PLANE))
    batch = loads.load(np.arange(9), np.full(8, 0.8))
    image, weight = on_host(session, batch)
    assert np.abs(image).max() <= batch.amplitude_bound * (1 + 1e-6)
    assert weight.max() <= batch.amplitude_bound * (1 + 1e-6)


def test_phase_table(session, loader):
    _, _, loads = loader
    shifts = np.array([[0.0, 0.0], [0.1, -0.05], [-0.25, 0.2]])
    phase = session.download(loads.phase_table("test phase", shifts))
    expected = np.exp(-2j * np.pi * shifts @ PLANE.frequencies.T)
    assert phase.shape == (3, 2, PLANE.stride)
    np.testing.assert_allclose((phase[:, 0] + 1j * phase[:, 1])[:, : len(PLANE)], expected, atol=1e-5)
