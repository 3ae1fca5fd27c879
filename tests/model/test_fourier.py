import numpy as np
import pytest

from coldstart.model.fourier import (
    radius_grid,
    resize_spectrum,
    spectrum_of,
    trilinear_envelope,
    volume_of,
)
from coldstart.model.polar import PolarPlane, polar_transform


def test_spectrum_of_a_dot_is_a_plane_wave_about_the_centre(rng):
    n, side = 8, 20
    z, y, x = rng.integers(0, n, 3)
    volume = np.zeros((n,) * 3, np.float32)
    volume[z, y, x] = 2.0
    k, kx = np.arange(side) - side // 2, np.arange(side // 2 + 1)
    turns = (
        k[:, None, None] * (z - n // 2) + k[None, :, None] * (y - n // 2) + kx[None, None, :] * (x - n // 2)
    ) / side
    np.testing.assert_allclose(spectrum_of(volume, side), 2 * np.exp(-2j * np.pi * turns), atol=1e-5)


@pytest.mark.parametrize("n", [8, 14])
def test_volume_is_the_inverse_of_spectrum(rng, n):
    volume = rng.standard_normal((n,) * 3).astype(np.float32)
    spectrum = spectrum_of(volume)
    assert spectrum.shape == (n, n, n // 2 + 1)
    np.testing.assert_allclose(volume_of(spectrum), volume, atol=1e-5)
    padded = volume_of(spectrum_of(volume, 2 * n))
    inside = (slice(n // 2, n // 2 + n),) * 3
    np.testing.assert_allclose(padded[inside], volume, atol=1e-5)
    padded[inside] = 0
    np.testing.assert_allclose(padded, 0, atol=1e-5)


def test_padding_samples_the_same_spectrum_more_finely(rng):
    n = 10
    volume = rng.standard_normal((n,) * 3).astype(np.float32)
    fine = spectrum_of(volume, 2 * n)[::2, ::2, ::2]
    np.testing.assert_allclose(fine, spectrum_of(volume), atol=1e-4)


def test_a_projection_is_the_central_plane_of_the_spectrum(rng):
    n = 12
    volume = rng.standard_normal((n,) * 3).astype(np.float32)
    projection = np.fft.rfft2(np.fft.ifftshift(volume.sum(axis=0)))
    np.testing.assert_allclose(spectrum_of(volume)[n // 2], np.fft.fftshift(projection, axes=0), atol=1e-4)


def test_images_and_maps_have_the_same_frequencies(rng):
    """On the axes, where rings have points of the lattice: x along the half axis, y upwards from the centre."""
    n, plane = 12, PolarPlane(24, 5)
    volume = rng.standard_normal((n,) * 3).astype(np.float32)
    spectrum = spectrum_of(volume)
    on_rings = polar_transform(volume.sum(axis=0)[None], plane)[0] * n
    for ring, (start, half, _, _) in enumerate(plane.ring_table, 1):
        assert on_rings[start] == pytest.approx(spectrum[n // 2, n // 2, ring], abs=2e-2)
        assert on_rings[start + half // 2] == pytest.approx(spectrum[n // 2, n // 2 + ring, 0], abs=2e-2)


def test_radius_grid_holds_the_length_of_each_frequency():
    grid = radius_grid(6)
    assert grid.shape == (6, 6, 4)
    assert grid[3, 3, 0] == 0
    assert grid[3 + 2, 3 - 1, 2] == pytest.approx(3.0)
    assert grid[0, 3, 0] == 3


@pytest.mark.parametrize(("n", "side"), [(8, 14), (14, 8), (10, 10)])
def test_resizing_keeps_what_both_sizes_hold(rng, n, side):
    spectrum = spectrum_of(rng.standard_normal((n,) * 3))
    resized = resize_spectrum(spectrum, side)
    assert resized.shape == (side, side, side // 2 + 1)
    half = (min(n, side) - 1) // 2
    for z, y, x in ((0, 0, 0), (1, -2, 3), (-half, half, half), (2, half, 0)):
        assert resized[z + side // 2, y + side // 2, x] == spectrum[z + n // 2, y + n // 2, x]
    assert np.count_nonzero(resized) == (2 * half + 1) ** 2 * (half + 1)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128, np.float32, np.float64])
@pytest.mark.parametrize("side", [6, 8, 14])
def test_resizing_keeps_the_dtype(dtype, side):
    resized = resize_spectrum(np.ones((8, 8, 5), dtype), side)
    assert resized.dtype == dtype
    assert resized[side // 2, side // 2, 0] == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_maps_and_their_spectra_are_single_precision(rng, dtype):
    spectrum = spectrum_of(rng.standard_normal((8,) * 3).astype(dtype), 12)
    assert spectrum.dtype == np.complex64
    assert volume_of(spectrum).dtype == np.float32
    assert volume_of(spectrum.astype(np.complex128)).dtype == np.float32
    assert trilinear_envelope(8).dtype == np.float32


def test_resizing_there_and_back_keeps_a_smooth_map(rng):
    spectrum = spectrum_of(rng.standard_normal((10,) * 3)) * (radius_grid(10) <= 4)
    smooth = volume_of(spectrum)
    enlarged = volume_of(resize_spectrum(spectrum_of(smooth), 16))
    np.testing.assert_allclose(volume_of(resize_spectrum(spectrum_of(enlarged), 10)), smooth, atol=1e-6)


def test_trilinear_envelope_is_what_interpolation_does_to_a_point():
    side, extent = 16, 10
    envelope = trilinear_envelope(side, extent)
    assert envelope.shape == (extent,) * 3
    assert envelope[5, 5, 5] == 1
    between = (np.arange(2000) + 0.5) / 2000
    for x in range(extent):
        turn = np.exp(-2j * np.pi * (x - extent // 2) / side)  # from one point of the spectrum to the next
        interpolated = (1 - between) + between * turn
        assert envelope[5, 5, x] == pytest.approx(np.mean(interpolated / turn**between).real, abs=1e-6)
    np.testing.assert_allclose(envelope[2, 7, 4], envelope[2, 5, 5] * envelope[5, 7, 5] * envelope[5, 5, 4], rtol=1e-6)


def test_trilinear_envelope_of_the_whole_grid():
    assert trilinear_envelope(8).shape == (8, 8, 8)
    assert trilinear_envelope(8)[0, 4, 4] == pytest.approx((2 / np.pi) ** 2)
