import numpy as np
import pytest

from coldstart.model.noise import FLOOR, FORGET, NoiseModel, background_variance
from coldstart.model.polar import PolarPlane, polar_transform

BACKGROUND = np.array([1.0, 2.0, 4.0])


def model(**changes):
    values = {
        "background": BACKGROUND,
        "residual_sum": np.zeros(3),
        "image_sum": 0.0,
        "prior_weight": 50.0,
        "initial_weight": 150.0,
        "initial_scale": 5.0,
    }
    return NoiseModel(**(values | changes))


def test_before_the_first_image_it_is_the_weighted_mean_of_plain_and_inflated_background():
    np.testing.assert_allclose(model().variance, (50 + 150 * 5) / 200 * BACKGROUND)
    assert model().scale == pytest.approx(4.0)


def test_after_some_images():
    first, second = np.array([1.5, 2.5, 3.0]), np.array([1.0, 2.0, 4.0])
    seen = model().with_images(first, 100)
    initial = FORGET * 150
    expected = (100 * first + (50 + initial * 5) * BACKGROUND) / (100 + 50 + initial)
    np.testing.assert_allclose(seen.variance, expected)
    again = seen.with_images(second, 200)
    initial *= FORGET
    expected = (FORGET * 100 * first + 200 * second + (50 + initial * 5) * BACKGROUND) / (FORGET * 100 + 250 + initial)
    np.testing.assert_allclose(again.variance, expected)


def test_the_inflation_is_overtaken_by_the_images():
    noise, scales = model(), []
    for _ in range(200):
        scales.append(noise.scale)
        noise = noise.with_images(BACKGROUND, 300)
    assert (np.diff(scales) < 0).all()
    assert scales[-1] == pytest.approx(1.0, abs=0.02)


def test_the_variance_has_a_floor():
    noise = model(prior_weight=0.0, initial_weight=1e-9).with_images(np.array([-1.0, 0.0, 4.0]), 10)
    np.testing.assert_allclose(noise.variance, [FLOOR * 1.0, FLOOR * 2.0, 4.0], rtol=1e-6)


def test_a_model_is_not_changed_by_images():
    first = model()
    first.with_images(np.ones(3), 5)
    assert first.image_sum == 0
    assert not first.residual_sum.any()


@pytest.mark.parametrize("white", [True, False])
def test_background_variance_of_white_noise_is_its_variance(rng, white):
    images = (1.5 * rng.standard_normal((400, 32, 32))).astype(np.float32)
    variance = background_variance(images, 10, 0.85, white=white)
    assert variance.shape == (10,)
    assert variance.dtype == np.float64
    np.testing.assert_allclose(variance, 2.25, rtol=0.1)


def test_background_variance_is_that_of_the_images_on_rings(rng):
    """Corners alone are seen, and yet the variance is that of coefficients of the whole image, divided by the box."""
    plane = PolarPlane(24, 14)
    images = rng.standard_normal((400, 32, 32)).astype(np.float32)
    images += np.roll(images, 1, axis=2)
    of_points = np.mean(np.abs(polar_transform(images, plane)) ** 2, axis=0)
    expected = np.bincount(plane.ring, of_points)[1:] / plane.half_points
    found = background_variance(images, 14, 0.7, white=False)
    np.testing.assert_allclose(found, expected, rtol=0.12)


def test_background_variance_leaves_the_particle_out(rng):
    images = rng.standard_normal((200, 32, 32)).astype(np.float32)
    plain = background_variance(images, 8, 0.7, white=False)
    images[:, 12:20, 12:20] += 50.0
    np.testing.assert_array_equal(background_variance(images, 8, 0.7, white=False), plain)


def test_background_variance_follows_the_colour(rng):
    images = rng.standard_normal((400, 32, 32)).astype(np.float32)
    blurred = (
        images + np.roll(images, 1, axis=2) + np.roll(images, 1, axis=1) + np.roll(images, (1, 1), axis=(1, 2))
    ) / 2
    variance = background_variance(blurred, 12, 0.85, white=False)
    kx, ky = np.meshgrid(np.arange(-16, 16), np.arange(-16, 16))
    power = 4 * np.cos(np.pi * kx / 32) ** 2 * np.cos(np.pi * ky / 32) ** 2
    ring = np.rint(np.hypot(kx, ky))
    expected = [power[ring == r].mean() for r in range(1, 13)]
    np.testing.assert_allclose(variance, expected, rtol=0.15, atol=0.05)
    flat = background_variance(blurred, 12, 0.85, white=True)
    assert np.ptp(flat) == 0
    assert variance.min() < flat[0] < variance.max()
