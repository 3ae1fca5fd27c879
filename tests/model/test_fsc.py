import numpy as np
import pytest

from coldstart.model.fsc import fourier_shell_correlation, resolution_at


def test_equal_maps_correlate_fully_whatever_their_scale():
    a = np.random.default_rng(0).normal(size=(12, 12, 12))
    curve = fourier_shell_correlation(a, 3 * a)
    assert curve.shape == (6,)
    np.testing.assert_allclose(curve, 1)
    np.testing.assert_allclose(fourier_shell_correlation(a, -a), -1)


def test_independent_noise_does_not_correlate():
    rng = np.random.default_rng(1)
    curve = fourier_shell_correlation(rng.normal(size=(32, 32, 32)), rng.normal(size=(32, 32, 32)))
    assert np.abs(curve[8:]).max() < 0.1


def test_shells_are_one_cycle_a_box_wide():
    n = 16
    x = np.arange(n)
    wave = np.cos(2 * np.pi * 3 * x / n)[None, None, :] * np.ones((n, n, 1))
    curve = fourier_shell_correlation(wave, wave)
    assert curve[3] == pytest.approx(1)
    noise = np.random.default_rng(2).normal(size=(n, n, n))
    changed = fourier_shell_correlation(noise, noise + 100 * wave)
    assert changed[3] < 0.5
    np.testing.assert_allclose(np.delete(changed, 3), 1)


@pytest.mark.parametrize("shape", [(12, 12, 12), (13, 13, 13), (9, 9), (10, 10)])
def test_every_coefficient_of_a_shell_counts_once(shape):
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, *shape))
    spectra = np.fft.fftn(a), np.fft.fftn(b)
    radius = np.linalg.norm(np.meshgrid(*[np.fft.fftfreq(n, 1 / n) for n in shape]), axis=0)
    for shell, found in enumerate(fourier_shell_correlation(a, b)):
        x, y = (spectrum[np.rint(radius) == shell] for spectrum in spectra)
        assert found == pytest.approx(np.vdot(x, y).real / (np.linalg.norm(x) * np.linalg.norm(y)), abs=1e-12)


def test_images_are_allowed_and_empty_shells_are_zero():
    image = np.random.default_rng(3).normal(size=(10, 10))
    assert fourier_shell_correlation(image, image) == pytest.approx(np.ones(5))
    assert not fourier_shell_correlation(image, np.zeros((10, 10))).any()


def test_shapes_must_be_one():
    with pytest.raises(ValueError, match="one shape"):
        fourier_shell_correlation(np.zeros((4, 4)), np.zeros((6, 6)))


def test_resolution_is_interpolated_at_the_first_crossing():
    curve = np.array([1.0, 1.0, 0.8, 0.3, 0.9, 0.1])
    assert resolution_at(curve, 0.5, 120.0) == pytest.approx(120.0 / 2.6)


def test_resolution_without_a_crossing_is_nyquist():
    assert resolution_at(np.ones(32), 0.143, 64 * 2.5) == pytest.approx(5.0)


def test_resolution_of_unrelated_maps_is_the_box():
    assert resolution_at(np.zeros(8), 0.5, 100.0) == 100.0
